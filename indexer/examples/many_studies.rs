//! Fills a data folder with any number of studies, so that what an order waits for can be measured on top of them
//! (`bench/reuse.py`).
//!
//! `cargo run --release -p indexer --example many_studies -- FOLDER [STUDIES]`. Studies go the ordinary way: stored through
//! the archive into packs and rows, patients of 1 to 20 studies at four hospitals. What a thread would find out about
//! each afterwards (codes, evidence, verification) is written by the same functions, from a sample of each kind of exam, so
//! that a million take minutes. Orders, reports and decisions are stated one by one.

#![allow(clippy::print_stdout, reason = "a program that measures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fixtures::rng::Rng;
use fixtures::studies::Date;
use fixtures::uid::uid;
use fixtures::writer::{DataSet, Syntax, keyword as k};
use indexer::archive::{Archive, ArchiveOptions, Basis, Decide, Expect, Origin, Shown};
use indexer::codes::coded::StudyCoding;
use indexer::codes::{Catalogue, Outcome, Rules, map, version};
use indexer::db::{Db, DbOptions, EvidenceRow, FacilityId, NewCoding};
use indexer::evidence::{Evidence, RULE, originals::Original};
use indexer::reuse::Moment;
use indexer::reuse::prior::{PerformedFacts, ReportStatus, Signature, Stamp};
use indexer::statement::{Order, OrderedFor, OrderedItem, Report, ReuseChoice, Who};
use storage_config::Uid;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::Disk;

type Failed = Box<dyn Error + Send + Sync>;

const SEED: u64 = 20_261_122;
/// Associations that store at the same time, and stores of each whose answer is awaited together.
const LANES: u64 = 8;
const WINDOW: usize = 256;
/// A patient has 1 to so many studies.
const STUDIES_MAX: u64 = 20;
/// One order and one report for so many studies, one decision for so many orders, a clash under so many numbers.
const STUDIES_OF_ORDER: u64 = 40;
const STUDIES_OF_REPORT: u64 = 10;
const ORDERS_OF_DECISION: u64 = 10;
const PATIENTS_OF_CLASH: u64 = 400;
/// One of so many studies waits for a person.
const STUDIES_OF_REVIEW: u64 = 40;
const FACILITIES: [&str; 4] = ["01001", "01002", "01003", "01004"];
const FAMILIES: [&str; 12] =
    ["NGUYEN", "TRAN", "LE", "PHAM", "HOANG", "HUYNH", "PHAN", "VU", "VO", "DANG", "BUI", "DO"];
const MIDDLES: [&str; 8] = ["VAN", "THI", "DUC", "HUU", "NGOC", "MINH", "THU", "XUAN"];
const GIVEN: [&str; 20] = [
    "AN", "ANH", "BINH", "CUONG", "DUNG", "DAT", "HA", "HUONG", "LAN", "LE", "NGA", "SON", "VY", "YEN",
    "KHOA", "LINH", "MAI", "PHUC", "QUYEN", "TAM",
];
/// SOP class, modality, description, body part, service code that is ordered.
const EXAMS: [(&str, &str, &str, &str, &str); 6] = [
    ("1.2.840.10008.5.1.4.1.1.2", "CT", "CT SO NAO KHONG TIEM", "HEAD", "18.0149.0040"),
    ("1.2.840.10008.5.1.4.1.1.1.1", "DX", "XQ NGUC THANG", "CHEST", "18.0119.0028"),
    ("1.2.840.10008.5.1.4.1.1.4", "MR", "MRI COT SONG THAT LUNG KHONG TIEM", "LSPINE", "18.0334.0066"),
    ("1.2.840.10008.5.1.4.1.1.2", "CT", "CT NGUC KHONG TIEM", "CHEST", "18.0191.0040"),
    ("1.2.840.10008.5.1.4.1.1.1.1", "DX", "XQ KHOP GOI THANG NGHIENG TRAI", "KNEE", "18.0112.0029"),
    ("1.2.840.10008.5.1.4.1.1.6.1", "US", "SIEU AM O BUNG", "ABDOMEN", "18.0015.0001"),
];

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0)
}

/// A study by its number: its patient, who it is among the patient's studies, the exam.
#[derive(Clone, Copy)]
struct Made {
    study: u64,
    patient: u64,
    exam: usize,
    days_ago: i64,
    clash: bool,
}

/// The studies of all patients in order.
fn made(count: u64) -> impl Iterator<Item = Made> {
    let of_patient = |patient: u64| (0..patient % STUDIES_MAX + 1).map(move |nth| (patient, nth));
    (0..).flat_map(of_patient).take(usize::try_from(count).unwrap_or(usize::MAX)).enumerate().map(
        |(n, (patient, nth))| {
            let study = n as u64;
            let mut rng = Rng::nth(!SEED, study);
            Made {
                study,
                patient,
                exam: rng.below(EXAMS.len() as u64) as usize,
                days_ago: rng.below(1500) as i64,
                clash: patient % PATIENTS_OF_CLASH == 7 && nth == 1,
            }
        },
    )
}

impl Made {
    fn uid(self) -> String {
        uid(SEED, &format!("study/{}", self.study))
    }

    fn series(self) -> String {
        uid(SEED, &format!("series/{}", self.study))
    }

    fn facility(self) -> usize {
        (self.patient % FACILITIES.len() as u64) as usize
    }

    fn person(self) -> OrderedFor {
        // Whoever clashes has the number of another.
        let mut rng = Rng::nth(SEED, if self.clash { !self.patient } else { self.patient });
        let name = format!("{} {} {}", rng.pick(&FAMILIES), rng.pick(&MIDDLES), rng.pick(&GIVEN));
        let birth = Date::new(2016, 1, 1).before(rng.below(30_000) as i64);
        OrderedFor {
            patient_id: format!("P{:09}", self.patient),
            name,
            birth_date: birth.to_string(),
            sex: (*rng.pick(&["F", "M"])).to_owned(),
            ..OrderedFor::default()
        }
    }

    fn accession(self) -> String {
        format!("A{:010}", self.study)
    }

    fn data_set(self, today: Date) -> Vec<u8> {
        let (sop_class, modality, description, part, _) = EXAMS[self.exam];
        let day = today.before(self.days_ago).to_string();
        let person = self.person();
        let mut set = DataSet::new();
        set.put(k::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
            .put(k::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\AXIAL")
            .put(k::SOP_CLASS_UID, sop_class)
            .put(k::SOP_INSTANCE_UID, uid(SEED, &format!("image/{}", self.study)))
            .put(k::STUDY_DATE, day)
            .put(
                k::STUDY_TIME,
                format!("{:02}{:02}{:02}", 7 + self.study % 11, self.study % 60, self.study % 59),
            )
            .put(k::ACCESSION_NUMBER, self.accession())
            .put(k::MODALITY, modality)
            .put(k::STUDY_DESCRIPTION, description)
            .put(k::BODY_PART_EXAMINED, part)
            .put(k::PATIENT_NAME, person.name)
            .put(k::PATIENT_ID, person.patient_id)
            .put(k::PATIENT_BIRTH_DATE, person.birth_date)
            .put(k::PATIENT_SEX, person.sex)
            .put(k::STUDY_INSTANCE_UID, self.uid())
            .put(k::SERIES_INSTANCE_UID, self.series())
            .put(k::SERIES_NUMBER, "1")
            .put(k::INSTANCE_NUMBER, "1")
            .put(k::SAMPLES_PER_PIXEL, 1u16)
            .put(k::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
            .put(k::ROWS, 1u16)
            .put(k::COLUMNS, 2u16)
            .put(k::BITS_ALLOCATED, 8u16)
            .put(k::BITS_STORED, 8u16)
            .put(k::HIGH_BIT, 7u16)
            .put(k::PIXEL_REPRESENTATION, 0u16)
            .put(k::PIXEL_DATA, self.study.to_le_bytes()[..2].to_vec());
        set.encode(Syntax::EXPLICIT_LITTLE)
    }
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder")?;
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let db = Db::open(&folder.join("index.sqlite"), DbOptions::default())?;
    let options = ArchiveOptions {
        disk: Disk::Real,
        packs_dir: folder.join("packs"),
        cache_dir: None,
        replica: None,
        writer: 1,
        scan: ScanLimits::default(),
        store: StoreLimits { min_free_percent: 0, ..StoreLimits::default() },
        now_ms,
    };
    let (archive, _) = Archive::open(options, db)?;
    let facilities: Vec<FacilityId> =
        FACILITIES.iter().map(|code| archive.facility(code)).collect::<Result<_, _>>()?;
    let days = (now_ms() + 7 * 3_600_000) / 86_400_000;
    let today = Date::new(1970, 1, 1).before(-days);
    timed("studies are stored", || store(&archive, &facilities, today, count))?;
    timed("codes and evidence are known", || known(&archive, count))?;
    timed("series count as verified", || verified(&archive))?;
    timed("orders and reports are stated", || stated(&archive, &facilities, count))?;
    let catalogue = Catalogue::built_in();
    archive.code_studies(catalogue, Duration::from_secs(86_400))?;
    timed("codes are stated", || until(|| Ok(archive.db().unstated_codes(1)?.is_empty())))?;
    timed("orders are decided", || decided(&archive, count))?;
    archive.keep_ledger()?;
    timed("the ledger is entered", || until(|| Ok(archive.db().ledger_due(1)?.is_empty())))?;
    archive.close();
    Ok(())
}

fn timed(what: &str, work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    let begun = Instant::now();
    work()?;
    println!("{what}: {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn until(done: impl Fn() -> Result<bool, Failed>) -> Result<(), Failed> {
    while !done()? {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn store(archive: &Archive, facilities: &[FacilityId], today: Date, count: u64) -> Result<(), Failed> {
    let stored = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let stored = &stored;
            scope.spawn(move || {
                let own = made(count).skip(lane as usize).step_by(LANES as usize);
                stored.fetch_add(store_all(archive, facilities, today, own), Ordering::Relaxed);
            });
        }
    });
    let stored = stored.into_inner();
    if stored == count { Ok(()) } else { Err(format!("only {stored} of {count} were taken").into()) }
}

fn store_all(
    archive: &Archive,
    facilities: &[FacilityId],
    today: Date,
    own: impl Iterator<Item = Made>,
) -> u64 {
    let (tell, told) = mpsc::channel();
    let (mut waiting, mut taken) = (0, 0);
    let settle = |waiting: &mut usize| {
        let all = (0..std::mem::take(waiting)).filter_map(|_| told.recv().ok());
        all.filter(|ok| *ok).count() as u64
    };
    for one in own {
        let Ok(transfer_syntax) = Uid::parse(Syntax::EXPLICIT_LITTLE.uid) else { continue };
        let origin = Origin {
            facility: facilities[one.facility()],
            source: "bench".into(),
            patient_id_is_order: false,
            issuer: String::new(),
            transfer_syntax,
        };
        let Ok(mut store) = archive.begin(origin) else { continue };
        if store.push(&one.data_set(today)).is_err() {
            continue;
        }
        let tell = tell.clone();
        store.finish(&Expect::default(), move |result| {
            let _ = tell.send(result.is_ok());
        });
        waiting += 1;
        if waiting == WINDOW {
            taken += settle(&mut waiting);
        }
    }
    taken + settle(&mut waiting)
}

/// Codes of each kind of exam as the mapper gives them to the first study of its kind, and evidence of a whole exam.
fn known(archive: &Archive, count: u64) -> Result<(), Failed> {
    let db = archive.db();
    let catalogue = Catalogue::built_in();
    let rules = Rules::built_in(&catalogue);
    let by = version(&catalogue);
    let mut codings: BTreeMap<usize, StudyCoding> = BTreeMap::new();
    for one in made(count) {
        let study = Uid::parse(&one.uid())?;
        let Some(source) = db.study_to_examine(&study)? else { continue };
        let mut coding = match codings.get(&one.exam) {
            Some(known) => known.clone(),
            None => {
                let facts = archive.study_facts(&study)?.ok_or("a study without facts")?;
                let coding = StudyCoding::of(&map(&facts, &catalogue, &rules), None, &catalogue, &by);
                println!("{}: {:?} {:?}", EXAMS[one.exam].2, coding.outcome, coding.techniques);
                codings.insert(one.exam, coding.clone());
                coding
            }
        };
        if one.study.is_multiple_of(STUDIES_OF_REVIEW) {
            coding =
                StudyCoding { outcome: Outcome::Review, codes: Vec::new(), techniques: Vec::new(), ..coding };
        }
        let facility = FacilityId(one.facility() as u32 + 1);
        let new = NewCoding {
            study: study.clone(),
            generation: source.generation,
            facility,
            basis: EXAMS[one.exam].2.to_owned(),
            looked_by: by.clone(),
            coding,
        };
        db.set_coding(&new)?;
        db.set_evidence(&study, source.generation, Some(&evidence(one, source.state)))?;
    }
    Ok(())
}

fn evidence(one: Made, state: u64) -> EvidenceRow {
    let stamp = Stamp { at: Some(Moment { ms: now_ms() }), rule: Some(RULE.to_owned()) };
    let original = Original {
        image_type: Some("ORIGINAL\\PRIMARY\\AXIAL".into()),
        secondary_capture: false,
        was_lossy: false,
        lossy: None,
    };
    let at = Moment { ms: now_ms() - one.days_ago * 86_400_000 };
    let evidence = Evidence {
        performed: PerformedFacts { at: Some(at), clock_believable: Some(true), stamp },
        slice_gaps: Some(0),
        undecodable_frames: Some(0),
        decoded_frames: (1, 1),
        series: BTreeMap::from([(one.series(), original)]),
        ..Evidence::default()
    };
    EvidenceRow { state, time_ms: now_ms(), rule: RULE.to_owned(), evidence }
}

fn verified(archive: &Archive) -> Result<(), Failed> {
    loop {
        let waiting = archive.db().series_to_verify(i64::MAX, 10_000)?;
        if waiting.is_empty() {
            return Ok(());
        }
        for series in waiting {
            archive.db().set_series_verified(series.id, (1, now_ms()), 0, &[])?;
        }
    }
}

fn of_order(one: Made, facilities: &[FacilityId]) -> Order {
    Order {
        facility: Some(facilities[one.facility()].0),
        patient: one.person(),
        exams: vec![OrderedItem { code: EXAMS[one.exam].4.into(), ..OrderedItem::default() }],
        ordered_by: "BS. Mẫu".into(),
        ..Order::default()
    }
}

fn stated(archive: &Archive, facilities: &[FacilityId], count: u64) -> Result<(), Failed> {
    let state = |one: Made| -> Result<(), Failed> {
        if one.study.is_multiple_of(STUDIES_OF_ORDER) {
            let name = format!("order-{}", one.study / STUDIES_OF_ORDER);
            archive.order(Some(name), of_order(one, facilities), Who::system(), String::new())?;
        }
        if one.study.is_multiple_of(STUDIES_OF_REPORT) {
            let report = Report {
                facility: Some(facilities[one.facility()].0),
                number: String::new(),
                study: Some(Uid::parse(&one.uid())?),
                accession: String::new(),
                description: "Không thấy tổn thương.".into(),
                conclusion: "Bình thường.".into(),
                status: ReportStatus::Final,
                reader: "BS. Mẫu".into(),
                practice_certificate: String::new(),
                signed_at: None,
                signature: Signature::Declared,
            };
            let said = (Some(format!("report-{}", one.study)), Basis::Current);
            archive.report(said, report, Who::system(), String::new())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                scope.spawn(move || made(count).filter(|one| one.study % LANES == lane).try_for_each(state))
            })
            .collect();
        lanes.into_iter().try_for_each(|lane| lane.join().map_err(|_| "a lane ended early")?)
    })
}

/// Every so many orders is answered by what its check offers.
fn decided(archive: &Archive, count: u64) -> Result<(), Failed> {
    let orders = count / STUDIES_OF_ORDER;
    for order in (0..orders).step_by(ORDERS_OF_DECISION as usize).map(|n| format!("order-{n}")) {
        let answer = archive.reuse_check(&indexer::archive::Asked::Order(order.clone()))?;
        let prior = answer.decision.priors.first();
        let choice =
            if prior.is_some_and(|prior| prior.confirmed) { ReuseChoice::Reuse } else { ReuseChoice::Repeat };
        let decide = Decide {
            id: Some(format!("decision-{order}")),
            order,
            choice,
            studies: Vec::new(),
            reasons: vec![indexer::statement::DecisionReason::Other],
            text: "mẫu".into(),
            shown: Shown { verdict: prior.map(|prior| prior.verdict), answer: None },
            who: Who::system(),
            by_person: true,
            why: String::new(),
        };
        // A prior that must not stand in stays undecided.
        let _ = archive.decide(decide);
    }
    Ok(())
}
