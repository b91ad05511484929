//! What tests of compaction share: what they say, what they ask for, and what has to be there afterwards.

use fixtures::studies::Instance;
use indexer::archive::{Archive, Basis, CompactJob, CompactReport, Said, Withdraw};
use indexer::statement::{LegalHold, Reason, State, Who};
use storage_config::{ContentHash, Uid};

use super::{read, store};

pub fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    })
}

pub fn job() -> CompactJob {
    CompactJob {
        dry_run: false,
        min_years: 10,
        grace_days: 0,
        percent: 1,
        bytes_per_second: None,
        who: "operator".into(),
        why: "the disk is full".into(),
    }
}

pub fn compact(archive: &Archive, job: &CompactJob) -> CompactReport {
    archive.compact(job, &|| false).unwrap()
}

pub fn withdraw(archive: &Archive, study: &Uid, reason: Reason) -> String {
    let stated = archive.withdraw(Withdraw {
        id: None,
        study: study.clone(),
        series: None,
        sop_instance: None,
        facility: None,
        reason,
        text: String::new(),
        who: Who::system(),
        why: "a test".into(),
    });
    stated.unwrap().statement.subject.key
}

pub fn hold(archive: &Archive, study: &Uid, held: bool) {
    let said = Said {
        id: None,
        key: study.to_string(),
        state: State::LegalHold(LegalHold { held }),
        based_on: Basis::Current,
        who: Who::system(),
        why: "a court asked".into(),
    };
    archive.state(said).unwrap();
}

pub struct Sent {
    pub instance: Instance,
    pub digest: ContentHash,
    pub study: Uid,
}

/// Stores all of them.
pub fn keep_all(archive: &Archive, all: Vec<Instance>) -> Vec<Sent> {
    let keep = |instance: Instance| {
        let digest = store(archive, 0, &instance).unwrap().digest;
        let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
        Sent { instance, digest, study: row.study_uid }
    };
    all.into_iter().map(keep).collect()
}

/// The studies of what was sent.
pub fn studies_of(sent: &[Sent]) -> Vec<Uid> {
    let mut studies: Vec<Uid> = sent.iter().map(|one| one.study.clone()).collect();
    studies.sort();
    studies.dedup();
    studies
}

/// Those of the studies are gone or hidden, all others come back as they were sent.
pub fn check(archive: &Archive, sent: &[Sent], without: &[&Uid]) {
    for one in sent {
        let row = archive.db().instance_by_digest(&one.digest).unwrap();
        if without.contains(&&one.study) {
            assert!(row.is_none_or(|row| row.withdrawn), "what was withdrawn is shown");
        } else {
            let row = row.unwrap_or_else(|| panic!("lost: {}", one.digest));
            assert!(!row.withdrawn && read(archive, &row).ends_with(&one.instance.data_set));
        }
    }
}
