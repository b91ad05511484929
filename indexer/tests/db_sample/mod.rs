//! Made-up records for the tests of the index, and all that an index shows of them.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test uses a part; helpers of tests fail the test"
)]

pub mod person;

use std::path::{Path, PathBuf};

use indexer::dataset::attributes::{Attributes, Instance, Normalised, OtherId, Patient, Series, Study};
use indexer::dataset::fold::fold;
use indexer::db::{Batch, Db, DbOptions, Entry, FacilityId, InstanceEntry, PackId, Place, Scope};
use indexer::query::{Level, Query};
use serde_json::{Map, Value, json};
use storage_config::{ContentHash, Uid};

/// An instance to be: change what matters, leave the rest.
#[derive(Debug, Clone)]
pub struct Sample {
    pub study: u32,
    pub series: u32,
    pub sop: u32,
    pub patient_id: &'static str,
    pub issuer: &'static str,
    pub name: &'static str,
    pub birth_date: &'static str,
    pub sex: &'static str,
    /// OtherPatientIDs: value and issuer.
    pub other: &'static [(&'static str, &'static str)],
    pub date: &'static str,
    pub time: &'static str,
    pub modality: &'static str,
    pub description: &'static str,
    pub accession: &'static str,
    pub series_number: i64,
    pub number: i64,
    pub rank: u8,
    pub received_ms: i64,
    pub facility: u32,
    pub source: &'static str,
    pub scope: &'static str,
    /// Which pixels.
    pub bulk: u32,
    pub performed: Option<(&'static str, &'static str)>,
}

pub const SAMPLE: Sample = Sample {
    study: 1,
    series: 1,
    sop: 1,
    patient_id: "P1",
    issuer: "",
    name: "Nguyễn^Văn^An",
    birth_date: "19700101",
    sex: "",
    other: &[],
    date: "20261121",
    time: "101500",
    modality: "CT",
    description: "CLVT ngực",
    accession: "A1",
    series_number: 1,
    number: 1,
    rank: 0,
    received_ms: 1_795_230_000_000,
    facility: 1,
    source: "dimse:CT1@192.0.2.7",
    scope: "",
    bulk: 1,
    performed: None,
};

pub fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

pub fn study_uid(study: u32) -> Uid {
    uid(&format!("1.2.3.{study}"))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn normal(text: &str, normal: String) -> Option<Normalised> {
    some(text).map(|raw| Normalised { raw, normal: Some(normal) })
}

impl Sample {
    pub fn study_uid(&self) -> Uid {
        study_uid(self.study)
    }

    pub fn series_uid(&self) -> Uid {
        uid(&format!("1.2.3.{}.{}", self.study, self.series))
    }

    pub fn sop_uid(&self) -> Uid {
        uid(&format!("1.2.4.{}", self.sop))
    }

    pub fn bulk_hash(&self) -> ContentHash {
        ContentHash::of(format!("bulk {}", self.bulk).as_bytes())
    }

    /// As of a real instance: equal for equal content, whenever and from wherever it comes.
    pub fn digest(&self) -> ContentHash {
        let content = Sample { received_ms: 0, facility: 0, source: "", scope: "", ..self.clone() };
        ContentHash::of(format!("{content:?}").as_bytes())
    }

    pub fn attributes(&self) -> Attributes {
        let patient = Patient {
            id: some(self.patient_id),
            issuer: some(self.issuer),
            name: some(self.name),
            name_folded: fold(self.name),
            birth_date: normal(self.birth_date, self.birth_date.into()),
            sex: some(self.sex),
            other_ids: self
                .other
                .iter()
                .map(|(id, issuer)| OtherId { id: (*id).into(), issuer: some(issuer), ..OtherId::default() })
                .collect(),
            ..Patient::default()
        };
        let study = Study {
            date: normal(self.date, self.date.into()),
            time: normal(self.time, format!("{}.000000", self.time)),
            accession: some(self.accession),
            description: some(self.description),
            ..Study::default()
        };
        let series = Series {
            modality: some(self.modality),
            number: Some(self.series_number),
            station: some("CT-ROOM-1"),
            performed_date: self.performed.and_then(|(date, _)| normal(date, date.into())),
            performed_time: self.performed.and_then(|(_, time)| normal(time, format!("{time}.000000"))),
            ..Series::default()
        };
        let instance = Instance { number: Some(self.number), ..Instance::default() };
        let object = |pairs: &[(&str, &str, Value)]| -> Map<String, Value> {
            let present = pairs.iter().filter(|(.., value)| *value != json!(""));
            present.map(|(tag, vr, value)| ((*tag).into(), json!({ "vr": vr, "Value": [value] }))).collect()
        };
        Attributes {
            sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: self.sop_uid(),
            study_uid: self.study_uid(),
            series_uid: self.series_uid(),
            study_json: object(&[
                ("00080020", "DA", json!(self.date)),
                ("00080050", "SH", json!(self.accession)),
                ("00081030", "LO", json!(self.description)),
                ("00100010", "PN", json!({ "Alphabetic": self.name })),
                ("00100020", "LO", json!(self.patient_id)),
                ("00100021", "LO", json!(self.issuer)),
            ]),
            series_json: object(&[
                ("00080060", "CS", json!(self.modality)),
                ("00200011", "IS", json!(self.series_number)),
            ]),
            instance_json: object(&[("00200013", "IS", json!(self.number))]),
            patient,
            study,
            series,
            instance,
            rank: self.rank,
            text_notes: Default::default(),
        }
    }

    pub fn instance(&self, pack: PackId, offset: u64) -> Entry {
        Entry::Instance(Box::new(InstanceEntry {
            place: Place { pack, offset, length: 900 },
            digest: self.digest(),
            transfer_syntax: uid("1.2.840.10008.1.2.1"),
            facility: FacilityId(self.facility),
            source: self.source.into(),
            patient_scope: self.scope.into(),
            received_ms: self.received_ms,
            length: 5800,
            bulk: if self.bulk == 0 { Vec::new() } else { vec![self.bulk_hash()] },
            frames: Some(vec![7; 12]),
            pixels: (self.bulk != 0).then(|| self.bulk_hash()),
            attributes: self.attributes(),
            notes: vec!["odd".into()],
        }))
    }

    pub fn bulk(&self, pack: PackId, offset: u64) -> Entry {
        Entry::Bulk { hash: self.bulk_hash(), place: Place { pack, offset, length: 5000 } }
    }

    pub fn holding(&self, pack: PackId, offset: u64) -> Entry {
        Entry::Holding {
            digest: self.digest(),
            facility: FacilityId(self.facility),
            source: self.source.into(),
            received_ms: self.received_ms,
            place: Place { pack, offset, length: 60 },
        }
    }
}

/// A database in a folder that goes when it goes.
pub struct Fresh {
    pub db: Db,
    pub folder: tempfile::TempDir,
}

impl Fresh {
    pub fn new() -> Fresh {
        Fresh::with(DbOptions::default())
    }

    pub fn with(options: DbOptions) -> Fresh {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::test_database::open(&folder.path().join("index.sqlite"), options).unwrap();
        Fresh { db, folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("index.sqlite")
    }

    /// Applies samples as instances of one pack, each in a batch of its own.
    pub fn store(&self, samples: &[Sample]) -> Vec<indexer::db::Applied> {
        let pack = self.db.pack_id("a").unwrap();
        let mut applied = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            let entries = vec![sample.instance(pack, 1000 * at as u64)];
            applied.extend(
                self.db.apply(&Batch { entries, checkpoints: Vec::new(), ..Batch::default() }).unwrap(),
            );
        }
        applied
    }

    pub fn close(self) -> tempfile::TempDir {
        drop(self.db);
        self.folder
    }
}

pub fn open(path: &Path) -> Db {
    crate::test_database::open(path, DbOptions::default()).unwrap()
}

/// All rows of a query with keys given as a peer gives them.
pub fn ask(db: &Db, level: Level, keys: &[(u32, &str)]) -> Vec<indexer::query::QueryRow> {
    let mut query = Query::new(level);
    for (tag, value) in keys {
        assert!(query.key(*tag, value).unwrap(), "{tag:08X} is not matched");
    }
    db.query(&query).unwrap().rows
}

/// All that the index shows to anybody, as text: row ids and generations are not part of it.
pub fn everything(db: &Db) -> String {
    let mut out = String::new();
    let mut line = |what: &str, value: &dyn std::fmt::Debug| out.push_str(&format!("{what} {value:?}\n"));
    for level in [Level::Patient, Level::Study, Level::Series, Level::Instance] {
        let mut query = Query::new(level);
        query.with_parents = true;
        for row in db.query(&query).unwrap().rows {
            line("row", &(level, row.identity_conflict, row.patient, &row.attributes));
            if let Some(patient) = row.patient.filter(|_| level == Level::Study) {
                line("one person", &db.linked_patients(patient).unwrap());
            }
            let (Some(series_uid), Some(sop)) = (&row.series_uid, &row.sop_instance) else { continue };
            line("at", &(&row.study_uid, series_uid, sop));
            for version in db.versions(Some(&row.study_uid), sop).unwrap() {
                let instance = &version.instance;
                line("version", &(instance.digest, instance.served, instance.withdrawn, version.conflict));
                line("came", &(version.instance.received_ms, version.instance.facility));
                line("place", &(version.instance.place, &version.instance.source, version.notes));
                line("holdings", &db.holdings(version.instance.id).unwrap());
                line("frames", &db.frame_table(version.instance.id).unwrap().map(|bytes| bytes.len()));
            }
        }
        for study in db.query(&Query::new(Level::Study)).unwrap().rows {
            let scope = Scope { study: study.study_uid, series: None, instance: None };
            let rows = db.instances_of(&scope, None, 10_000).unwrap();
            line("wado", &rows.iter().map(|row| row.digest).collect::<Vec<_>>());
        }
    }
    for word in ["an*", "TRAN THI BE", "*guy*"] {
        let found: Vec<Uid> =
            ask(db, Level::Study, &[(0x0010_0010, word)]).into_iter().map(|row| row.study_uid).collect();
        line("named", &found);
    }
    line("conflicts", &db.conflicts(1000, 0).unwrap());
    for open in [true, false] {
        line(
            "collisions",
            &db.collisions(open, 1000, None)
                .unwrap()
                .rows
                .iter()
                .map(|c| (c.a, c.b, &c.clashes))
                .map(|c| format!("{c:?}"))
                .collect::<Vec<_>>(),
        );
    }
    line("resolved", &db.resolved_conflicts(1000, 0).unwrap());
    line("sent after rejection", &db.arrived_after_rejection(1000, 0).unwrap());
    line("unindexable", &db.unindexable(1000, 0).unwrap());
    line("codes", &db.facility_codes().unwrap());
    line("clocks", &db.machine_clocks(100).unwrap());
    line("totals", &db.totals().unwrap());
    out
}
