//! Appending the records of one instance to a pack, and the rows' view of them.

use storage_config::ContentHash;
use storage_config::pack::{Extent, Kind, PackError, PackWriter};

use super::job::{BulkBytes, Job};
use super::pool::Chunk;
use crate::dataset::attributes::Attributes;
use crate::dataset::charset::TextNotes;
use crate::db::{Entry, FacilityId, InstanceEntry, PackId, Place};
use crate::record::InstanceBody;

/// A record's place as the index keeps it.
pub(crate) fn place(pack: PackId, extent: &Extent) -> Place {
    Place { pack, offset: extent.offset, length: extent.raw_length }
}

/// The entry of a bulk record.
pub(crate) fn bulk_entry(hash: ContentHash, pack: PackId, extent: &Extent) -> Entry {
    Entry::Bulk { hash, place: place(pack, extent) }
}

/// Appends those bulk values of `job` that are in memory and that `wanted` says are needed. Returns their bytes.
pub(crate) fn append_bulk(
    writer: &mut PackWriter,
    pack: PackId,
    job: &Job,
    wanted: impl Fn(usize) -> bool,
    entries: &mut Vec<Entry>,
) -> Result<u64, PackError> {
    let mut written = 0;
    for (n, (bulk, bytes)) in job.body.bulk.iter().zip(&job.bulk).enumerate() {
        if let (BulkBytes::Memory(chunks), true) = (bytes, wanted(n)) {
            let parts: Vec<&[u8]> = chunks.iter().map(Chunk::bytes).collect();
            let extent = writer.append(Kind::Bulk, job.facility.0, &parts, bulk.hash)?;
            entries.push(bulk_entry(bulk.hash, pack, &extent));
            written += bulk.length;
        }
    }
    Ok(written)
}

/// Appends the instance record of `job`.
pub(crate) fn append_instance(
    writer: &mut PackWriter,
    pack: PackId,
    job: &mut Job,
    entries: &mut Vec<Entry>,
) -> Result<(), PackError> {
    let head = job.body.head(&job.digest);
    let mut hasher = storage_config::Hasher::new();
    hasher.update(&head);
    hasher.update(&job.body.skeleton);
    let extent =
        writer.append(Kind::Instance, job.facility.0, &[&head, &job.body.skeleton], hasher.finish())?;
    if let Some(attributes) = job.attributes.take() {
        let place = place(pack, &extent);
        entries.push(instance_entry(place, job.digest, job.facility, &job.body, *attributes));
    }
    Ok(())
}

/// The entry of an instance record.
pub(crate) fn instance_entry(
    place: Place,
    digest: ContentHash,
    facility: FacilityId,
    body: &InstanceBody,
    mut attributes: Attributes,
) -> Entry {
    attributes.issued_by(&body.arrival.issuer);
    let found = TextNotes::ALL.into_iter().filter(|note| attributes.text_notes.has(*note));
    let notes = found.map(|note| format!("text: {note:?}")).collect();
    Entry::Instance(Box::new(InstanceEntry {
        place,
        digest,
        transfer_syntax: body.transfer_syntax.clone(),
        facility,
        source: body.arrival.source.clone(),
        patient_scope: patient_scope(body, &attributes),
        received_ms: body.arrival.received_ms,
        length: body.length(),
        bulk: body.bulk.iter().map(|b| b.hash).collect(),
        frames: (!body.frames.is_empty()).then(|| body.frames.clone()),
        // Without a frame table the data set may be a deflated one, whose bulk values are none of the body's.
        pixels: attributes
            .instance
            .pixels
            .filter(|_| !body.frames.is_empty())
            .and_then(|n| body.bulk.get(n))
            .map(|b| b.hash),
        attributes,
        notes,
    }))
}

/// What the PatientID is unique in, where it counts orders: the order, else the study.
fn patient_scope(body: &InstanceBody, attributes: &Attributes) -> String {
    match (body.arrival.patient_id_is_order, attributes.study.accession.as_deref()) {
        (false, _) => String::new(),
        (true, None | Some("")) => format!("study:{}", attributes.study_uid),
        (true, Some(accession)) => format!("order:{accession}"),
    }
}
