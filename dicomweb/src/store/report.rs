//! The Store Instances Response Module (PS3.18 Annex I): what became of each instance, as DICOM JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use storage_config::Uid;

/// Failure Reason (0008,1197) values (PS3.18 I.2.2, PS3.4 B.2.3).
pub mod reason {
    /// A defect of ours.
    pub const PROCESSING: u16 = 0x0110;
    /// A SOP class that is not stored, such as a media directory.
    pub const SOP_CLASS: u16 = 0x0122;
    /// Out of resources, or over a limit.
    pub const RESOURCES: u16 = 0xA700;
    /// The data set is not what the request or its file meta information says.
    pub const MISMATCH: u16 = 0xA900;
    /// The bytes cannot be understood.
    pub const NOT_UNDERSTOOD: u16 = 0xC000;
}

/// Warning Reason (0008,1196): what is served under this SOP Instance UID differs from what was sent.
pub const WARNING_DIFFERS: u16 = 0xB000;

/// An instance that is in the archive.
#[derive(Debug, Clone)]
pub struct StoredRow {
    /// SOP Class UID.
    pub sop_class: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Uid,
    /// Warning Reason.
    pub warning: Option<u16>,
}

/// An instance, or a part that may have been one, that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Failure Reason.
    pub reason: u16,
    /// SOP Class and SOP Instance UID, where the file meta information named them.
    pub identity: Option<(Uid, Uid)>,
}

/// The answer as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every instance is stored, without a warning.
    AllStored,
    /// Some are, or some with a warning.
    Mixed,
    /// None is.
    NoneStored,
    /// None is, and only for lack of room or for a fault that may pass.
    NoRoom,
}

/// Results in the order of the parts. Parts that could not be identified are only counted by reason, so that a
/// million of them cost nothing.
#[derive(Debug, Default)]
pub struct Report {
    stored: Vec<Row>,
    failed: Vec<Failure>,
    unidentified: BTreeMap<u16, u64>,
    warned: bool,
    /// Some failure was about more than room.
    refused: bool,
    shared: BTreeMap<Uid, Arc<Uid>>,
}

/// A stored row without copies of what all rows of a request have in common.
#[derive(Debug)]
struct Row {
    sop_class: Arc<Uid>,
    study: Arc<Uid>,
    series: Arc<Uid>,
    sop_instance: Uid,
    warning: Option<u16>,
}

/// Items of Other Failures Sequence for one reason, at most; they say nothing but the reason.
const UNIDENTIFIED_ITEMS_MAX: u64 = 1000;

impl Report {
    /// Adds an instance that is stored.
    pub fn stored(&mut self, row: StoredRow) {
        self.warned |= row.warning.is_some();
        let row = Row {
            sop_class: self.share(row.sop_class),
            study: self.share(row.study),
            series: self.share(row.series),
            sop_instance: row.sop_instance,
            warning: row.warning,
        };
        self.stored.push(row);
    }

    /// Adds a failure. `passing`: sending it again later may help.
    pub fn failed(&mut self, failure: Failure, passing: bool) {
        self.refused |= !passing;
        match failure.identity {
            Some(_) => self.failed.push(failure),
            None => *self.unidentified.entry(failure.reason).or_default() += 1,
        }
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.failed.is_empty() && self.unidentified.is_empty()
    }

    /// What the answer says as a whole.
    pub fn verdict(&self) -> Verdict {
        let failures = !self.failed.is_empty() || !self.unidentified.is_empty();
        match (self.stored.is_empty(), failures) {
            (false, false) if !self.warned => Verdict::AllStored,
            (false, _) => Verdict::Mixed,
            (true, _) if self.refused => Verdict::NoneStored,
            (true, _) => Verdict::NoRoom,
        }
    }

    fn share(&mut self, uid: Uid) -> Arc<Uid> {
        if let Some(known) = self.shared.get(&uid) {
            return known.clone();
        }
        // Bounded: a request with more studies, series and classes than this shares nothing further.
        let shared = Arc::new(uid.clone());
        if self.shared.len() < 4096 {
            self.shared.insert(uid, shared.clone());
        }
        shared
    }

    /// The module in the DICOM JSON Model (PS3.18 Annex F). Addresses start with `base`; `study` is the study of
    /// the request's path.
    pub fn to_json(&self, base: &str, study: Option<&Uid>) -> String {
        let base = escaped(base);
        let mut out = String::with_capacity(256 + 512 * self.stored.len());
        out.push('{');
        let study = study.or_else(|| self.only_study());
        match study.filter(|_| !self.stored.is_empty()) {
            Some(study) => {
                let _ = write!(out, r#""00081190":{{"vr":"UR","Value":["{base}/studies/{study}"]}}"#);
            }
            None => out.push_str(r#""00081190":{"vr":"UR"}"#),
        }
        sequence(&mut out, "00081198", &mut self.failed.iter(), |out, failure| {
            if let Some((class, instance)) = &failure.identity {
                let _ = write!(out, "{},", referenced(class, instance));
            }
            let _ = write!(out, r#""00081197":{{"vr":"US","Value":[{}]}}"#, failure.reason);
        });
        sequence(&mut out, "00081199", &mut self.stored.iter(), |out, row| {
            let _ = write!(out, "{},", referenced(&row.sop_class, &row.sop_instance));
            let (study, series, instance) = (&row.study, &row.series, &row.sop_instance);
            let _ = write!(
                out,
                r#""00081190":{{"vr":"UR","Value":["{base}/studies/{study}/series/{series}/instances/{instance}"]}}"#
            );
            if let Some(warning) = row.warning {
                let _ = write!(out, r#","00081196":{{"vr":"US","Value":[{warning}]}}"#);
            }
        });
        let mut others = self
            .unidentified
            .iter()
            .flat_map(|(reason, count)| (0..*count.min(&UNIDENTIFIED_ITEMS_MAX)).map(move |_| reason));
        sequence(&mut out, "0008119A", &mut others, |out, reason| {
            let _ = write!(out, r#""00081197":{{"vr":"US","Value":[{reason}]}}"#);
        });
        out.push('}');
        out
    }

    /// The study of all stored instances, when it is one.
    fn only_study(&self) -> Option<&Uid> {
        let first = &self.stored.first()?.study;
        self.stored.iter().all(|row| row.study == *first).then_some(first)
    }
}

/// A sequence with an item for each of `rows`, or nothing when there are none.
fn sequence<R>(
    out: &mut String,
    tag: &str,
    rows: &mut dyn Iterator<Item = R>,
    item: impl Fn(&mut String, R),
) {
    let Some(first) = rows.next() else { return };
    let _ = write!(out, r#","{tag}":{{"vr":"SQ","Value":[{{"#);
    item(out, first);
    for row in rows {
        out.push_str("},{");
        item(out, row);
    }
    out.push_str("}]}");
}

/// Referenced SOP Class and Instance UID. Unique identifiers are digits and dots: nothing to escape.
fn referenced(class: &Uid, instance: &Uid) -> String {
    format!(r#""00081150":{{"vr":"UI","Value":["{class}"]}},"00081155":{{"vr":"UI","Value":["{instance}"]}}"#)
}

/// `text` as it stands within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
