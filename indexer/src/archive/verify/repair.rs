//! Making whole again what a pass found damaged: from a replica of the pack, or, of a statement, from the index.

use storage_config::ContentHash;
use storage_config::pack::{Kind, PackName, PackReader, Record, Scanned, Verify, scan};

use super::Verifier;
use super::copy::{CopyError, CopyLane};
use super::pace::Pace;
use super::pack::Finding;
use crate::db::{Entry, PackId, Place};
use crate::record::{read_statement, write_statement};
use crate::statement::Statement;

/// Statements that are looked at in one go.
const STATEMENTS: u32 = 1000;

impl Verifier<'_> {
    /// Repairs what it can of the findings in a pack; which of them are whole again, in their order.
    pub(super) fn repair(
        &self,
        pack: (PackId, &PackName),
        findings: &[Finding],
        pace: &mut Pace<'_>,
    ) -> Vec<bool> {
        let mut whole = vec![false; findings.len()];
        let wanted = |finding: &Finding| !matches!(finding.kind, Some(Kind::Seal)) && finding.from > 0;
        if !findings.iter().any(wanted) {
            return whole;
        }
        let replica = self.replica_of(pack.1);
        let statements = |finding: &Finding| finding.kind == Some(Kind::Statement);
        if replica.is_none() && !findings.iter().any(statements) {
            return whole;
        }
        let mut lane = match CopyLane::open(self.shared) {
            Ok(lane) => lane,
            Err(error) => {
                tracing::warn!(%error, "what is damaged cannot be repaired now");
                return whole;
            }
        };
        // Bulk values first: an instance becomes rows only when those it names are here.
        for bulk in [true, false] {
            for (n, finding) in findings.iter().enumerate().filter(|(_, finding)| wanted(finding)) {
                if pace.stopped() || (finding.kind == Some(Kind::Bulk)) != bulk {
                    continue;
                }
                if let Err(error) = lane.roll() {
                    tracing::warn!(%error, "no more is repaired now");
                    break;
                }
                let repaired = self.repair_one(&mut lane, replica.as_ref(), finding, pace);
                whole[n] = repaired.unwrap_or_else(|error| {
                    tracing::warn!(%error, offset = finding.from, "a damaged record was not repaired");
                    false
                });
            }
            if lane.has_news()
                && let Err(error) = lane.commit()
            {
                tracing::warn!(%error, "repaired records were not kept");
                lane.give_up();
                return vec![false; findings.len()];
            }
        }
        lane.seal();
        let repaired = whole.iter().filter(|whole| **whole).count();
        metrics::counter!("archive_repaired_total").increment(repaired as u64);
        whole
    }

    fn replica_of(&self, pack: &PackName) -> Option<PackReader> {
        let path = self.replica.as_ref()?.join(pack.file_name());
        match PackReader::open_lenient(&self.shared.options.disk, &path) {
            Ok(reader) => Some(reader),
            Err(error) => {
                tracing::warn!(%error, "the replica does not have a pack that is damaged");
                None
            }
        }
    }

    fn repair_one(
        &self,
        lane: &mut CopyLane<'_>,
        replica: Option<&PackReader>,
        finding: &Finding,
        pace: &mut Pace<'_>,
    ) -> Result<bool, CopyError> {
        if let Some(replica) = replica
            && copy_stretch(lane, replica, finding, pace)?
        {
            return Ok(true);
        }
        match (finding.kind, finding.hash) {
            (Some(Kind::Statement), Some(hash)) => self.say_again(lane, hash),
            _ => Ok(false),
        }
    }

    /// Writes a statement that the index still has.
    fn say_again(&self, lane: &mut CopyLane<'_>, hash: ContentHash) -> Result<bool, CopyError> {
        let unread = |error: crate::db::DbError| CopyError::Unindexable(error.to_string());
        let mut after = 0;
        loop {
            let rows = self.shared.db.statement_bodies(after, STATEMENTS).map_err(unread)?;
            let Some((last, _)) = rows.last() else { return Ok(false) };
            after = *last;
            for (_, json) in &rows {
                let Ok(statement) = Statement::from_json(json.as_bytes()) else { continue };
                let Ok(body) = write_statement(&statement) else { continue };
                if ContentHash::of(&body) == hash {
                    return lane.append_body(Kind::Statement, &statement, &body, hash).map(|()| true);
                }
            }
        }
    }
}

impl CopyLane<'_> {
    /// Appends the record of a statement.
    fn append_body(
        &mut self,
        kind: Kind,
        statement: &Statement,
        body: &[u8],
        hash: ContentHash,
    ) -> Result<(), CopyError> {
        let facility = statement.state.facility(&statement.subject.key);
        let at = self.append_bytes(kind, facility, body, hash)?;
        let statement = read_statement(body).map_err(|error| CopyError::Unindexable(error.to_string()))?;
        self.note_as(Entry::Statement { place: at, statement: Box::new(statement), later: false });
        Ok(())
    }
}

/// Copies the records that the replica has in a stretch; whether all of it is there.
fn copy_stretch(
    lane: &mut CopyLane<'_>,
    replica: &PackReader,
    finding: &Finding,
    pace: &mut Pace<'_>,
) -> Result<bool, CopyError> {
    let (mut end, mut records) = (finding.from, Vec::new());
    for scanned in scan(replica, finding.from, Verify::Headers) {
        match scanned {
            Ok(Scanned::Record(record)) if record.offset == end && end < finding.to => {
                end = record.end();
                records.push(record);
            }
            Ok(Scanned::Sealed { at, .. }) if at == end => end = finding.to,
            _ => break,
        }
        if end >= finding.to {
            break;
        }
    }
    let fits = |record: &Record| finding.hash.is_none_or(|hash| hash == record.raw_sha256);
    if end < finding.to || records.is_empty() || !records.iter().all(fits) {
        return Ok(false);
    }
    for record in &records {
        // An instance becomes rows only when the bulk values it names are here.
        if finding.kind.is_none() && record.kind != Kind::Bulk {
            lane.commit()?;
        }
        let at = lane.append(replica, record, &mut |bytes| pace.took(bytes))?;
        match record.kind {
            Kind::Bulk => lane.note_bulk(record, at),
            _ => lane.note(replica, record, at)?,
        }
    }
    Ok(true)
}

/// The place of a finding.
pub(super) fn place_of(pack: PackId, finding: &Finding) -> Place {
    Place { pack, offset: finding.from, length: finding.to - finding.from }
}
