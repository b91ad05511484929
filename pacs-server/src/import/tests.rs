//! Imports of folders made for the purpose, into archives in temporary folders.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fixtures::writer::{DataSet, Meta, Syntax, Value, keyword as k, part10};
use indexer::archive::{Archive, ArchiveOptions};
use indexer::db::{Db, DbOptions};
use storage_config::Config;
use storage_config::disk::{Disk, SimulatedDisk};
use tempfile::TempDir;

use super::*;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const NAME: &str = "NGUYỄN^VĂN BÍ MẬT";

/// A data folder with its archive, and a folder to import.
struct Bench {
    _dir: TempDir,
    data: PathBuf,
    disc: PathBuf,
    archive: Archive,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.archive.close();
    }
}

impl Bench {
    fn new() -> Bench {
        Bench::with(&Config::default(), Disk::Real)
    }

    fn with(config: &Config, disk: Disk) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (data, disc) = (dir.path().join("data"), dir.path().join("disc"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&disc).unwrap();
        let mut store = config.store.limits;
        store.min_free_bytes = store.min_free_bytes.min(1);
        let options = ArchiveOptions {
            disk,
            packs_dir: data.join("packs"),
            cache_dir: None,
            replica: None,
            writer: 1,
            scan: config.scan,
            store,
            now_ms: || 1_700_000_000_000,
        };
        let db = Db::open(&data.join("index.sqlite"), DbOptions::default()).unwrap();
        let (archive, _) = Archive::open(options, db).unwrap();
        Bench { _dir: dir, data, disc, archive }
    }

    /// Writes a file of the disc, the same time on all.
    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.disc.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }

    fn job(&self) -> ImportJob {
        let paths = vec![self.disc.clone()];
        ImportJob {
            paths,
            dry_run: false,
            facility: None,
            issuer: None,
            source: None,
            threads: None,
            resume: true,
            patient: None,
            who: None,
        }
    }

    fn run(&self, job: &ImportJob) -> ImportReport {
        self.run_with(job, &Cancel::new(), Patience::default(), &|_| {})
    }

    fn run_with(
        &self,
        job: &ImportJob,
        cancel: &Cancel,
        patience: Patience,
        on: &dyn Fn(ImportEvent),
    ) -> ImportReport {
        let scan = ScanLimits::default();
        run(job, &Site { archive: &self.archive, data_dir: &self.data, scan, cancel, patience }, on)
    }

    fn journals(&self) -> usize {
        fs::read_dir(self.data.join("import")).map_or(0, Iterator::count)
    }

    fn instances(&self) -> u64 {
        self.archive.db().totals().unwrap().instances
    }
}

fn data_set(number: u32) -> DataSet {
    DataSet::new()
        .with(k::SOP_CLASS_UID, CT)
        .with(k::SOP_INSTANCE_UID, format!("1.2.3.{number}"))
        .with(k::MODALITY, "CT")
        .with(k::PATIENT_NAME, NAME)
        .with(k::PATIENT_ID, "P1")
        .with(k::STUDY_INSTANCE_UID, "1.2.4")
        .with(k::SERIES_INSTANCE_UID, "1.2.5")
}

fn pixels(number: u32, bytes: usize) -> Value {
    Value::from((0..bytes).map(|at| (at as u32).wrapping_mul(number + 7) as u8).collect::<Vec<u8>>())
}

fn raw(number: u32, syntax: Syntax) -> Vec<u8> {
    data_set(number).with(k::PIXEL_DATA, pixels(number, 9000)).encode(syntax)
}

fn ct(number: u32) -> Vec<u8> {
    let syntax = Syntax::EXPLICIT_LITTLE;
    part10(CT, &format!("1.2.3.{number}"), syntax, &raw(number, syntax))
}

fn compressed(number: u32) -> Vec<u8> {
    let fragments = vec![vec![7; 5000]];
    data_set(number)
        .with(k::PIXEL_DATA, Value::Fragments { offset_table: Vec::new(), fragments })
        .encode(Syntax::JPEG_BASELINE)
}

/// A disc as they come: a bit of everything.
fn mixed(bench: &Bench) {
    let little = Syntax::EXPLICIT_LITTLE;
    for n in 1..=3 {
        bench.put(&format!("DICOM/A/IM{n}"), &ct(n));
    }
    bench.put("DICOM/B/no meta, implicit", &raw(4, Syntax::IMPLICIT_LITTLE));
    bench.put("DICOM/B/no meta, explicit.dcm", &raw(5, little));
    bench.put("DICOM/B/no meta, big", &raw(6, Syntax::EXPLICIT_BIG));
    bench.put("DICOM/B/no preamble", &ct(7)[128..]);
    bench.put("DICOM/B/deflated", &part10(CT, "1.2.3.8", Syntax::DEFLATED, &raw(8, Syntax::DEFLATED)));
    bench.put("DICOM/B/compressed", &part10(CT, "1.2.3.9", Syntax::JPEG_BASELINE, &compressed(9)));
    bench.put("DICOM/B/meta of another", &part10(CT, "1.2.3.99", little, &raw(10, little)));
    let large = data_set(11).with(k::PIXEL_DATA, pixels(11, 9_000_000)).encode(little);
    bench.put("DICOM/large", &part10(CT, "1.2.3.11", little, &large));
    bench.put("DICOM/C/again", &ct(1));
    let other = data_set(2).with(k::PIXEL_DATA, pixels(99, 9000)).encode(little);
    bench.put("DICOM/C/other of the same name", &part10(CT, "1.2.3.2", little, &other));
    bench.put("README.TXT", b"This disc was made by nobody.");
    bench.put("empty", b"");
    bench.put("VIEWER/VIEWER.EXE", &b"MZ\x90\0".repeat(20_000));
    let directory = Meta::new("1.2.840.10008.1.3.10", "1.2.6", little.uid);
    bench.put("DICOMDIR", &[directory.encode(), raw(20, little)].concat());
    let cut = ct(12);
    bench.put("DICOM/D/cut", &cut[..cut.len() - 1000]);
    bench.put("DICOM/D/cut more", &cut[..cut.len() - 4000]);
    bench.put("DICOM/D/cut in the meta", &cut[..170]);
    bench.put("DICOM/D/no meta, compressed", &compressed(13));
    let mut nameless = data_set(14);
    let nameless = nameless.remove(k::STUDY_INSTANCE_UID).encode(little);
    bench.put("DICOM/D/nameless", &part10(CT, "1.2.3.14", little, &nameless));
}

/// Path, bytes and time of all files below `folder`.
fn files_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let roots = [folder.to_owned()];
    let file = |found: walk::Found| {
        let modified = fs::metadata(&found.path).unwrap().modified().unwrap();
        (found.path.clone(), fs::read(&found.path).unwrap(), modified)
    };
    walk::files(&roots, None).map(|found| file(found.unwrap())).collect()
}

#[test]
fn a_mixed_folder_is_sorted_out_and_left_as_it_is() {
    let bench = Bench::new();
    mixed(&bench);
    let before = files_of(&bench.disc);
    let last = RefCell::new(Progress::default());
    let report = bench.run_with(&bench.job(), &Cancel::new(), Patience::default(), &|event| {
        if let ImportEvent::Progress(progress) = event {
            last.replace(progress);
        }
    });
    let table = report.to_string();
    assert_eq!((report.stored, report.duplicates, report.versions), (11, 1, 1), "{table}");
    assert_eq!((report.not_dicom, report.dicomdir, report.refused), (3, 1, 5), "{table}");
    assert_eq!((report.files(), report.holdings, report.done_before), (22, 0, 0), "{table}");
    assert_eq!((report.meta_differs, report.ending.clone()), (1, Ending::Complete));
    assert_eq!(report.exit_code(), EXIT_INCOMPLETE);
    let cut = &report.refusals[0];
    assert_eq!((cut.count, cut.examples.len()), (2, 2), "{table}");
    assert!(cut.reason.starts_with("data set ends at byte …"), "{table}");
    for reason in
        ["transfer syntax is not given and Pixel Data is compressed", "file meta", "StudyInstanceUID"]
    {
        assert!(report.refusals.iter().any(|refusal| refusal.reason.contains(reason)), "{reason}: {table}");
    }
    assert!(!table.contains("MẬT") && !table.contains("1.2.3."), "{table}");
    assert!(report.saved >= 9000, "{table}");
    let bytes: u64 = before.iter().map(|(_, bytes, _)| bytes.len() as u64).sum();
    assert_eq!(report.bytes, bytes, "{table}");
    let last = last.into_inner();
    assert_eq!((last.files, last.bytes, last.refused), (22, bytes, 5));
    assert_eq!((last.counted, last.files_found, last.bytes_found), (true, 22, bytes));
    assert_eq!(files_of(&bench.disc), before);
    assert_eq!((bench.instances(), bench.journals()), (11, 0));
}

#[test]
fn the_same_disc_again_writes_nothing_and_another_facility_only_holdings() {
    let bench = Bench::new();
    (1..=20).for_each(|n| bench.put(&format!("{n}"), &ct(n)));
    let first = ImportJob { facility: Some("79001".into()), ..bench.job() };
    assert_eq!(bench.run(&first).stored, 20);
    let again = bench.run(&first);
    assert_eq!(
        (again.stored, again.duplicates, again.holdings, again.exit_code()),
        (0, 20, 0, EXIT_COMPLETE)
    );
    let other = ImportJob { facility: Some("79002".into()), source: Some("disc 7".into()), ..bench.job() };
    let report = bench.run(&other);
    assert_eq!((report.stored, report.duplicates, report.holdings), (0, 20, 20));
    assert!(report.to_string().contains("20 of them new to this facility"));
    assert_eq!(bench.archive.db().totals().unwrap().holdings, 40);
}

#[test]
fn a_dry_run_says_the_same_and_stores_nothing() {
    let bench = Bench::new();
    mixed(&bench);
    let report = bench.run(&ImportJob { dry_run: true, ..bench.job() });
    let table = report.to_string();
    assert_eq!((report.readable, report.stored, report.duplicates), (13, 0, 0), "{table}");
    assert_eq!((report.not_dicom, report.dicomdir, report.refused), (3, 1, 5), "{table}");
    assert_eq!((bench.instances(), bench.journals()), (0, 0));
    let stored = bench.run(&bench.job());
    assert_eq!(stored.refusals, report.refusals, "refused for the same reasons");
}

#[test]
fn a_cancelled_import_goes_on_where_it_stopped() {
    let bench = Bench::new();
    for n in 1..=60 {
        bench.put(&format!("{}/{n:03}", n / 10), &ct(n));
    }
    bench.put("README", b"not DICOM");
    let job = ImportJob { threads: Some(1), ..bench.job() };
    let first = bench.run_with(&job, &Cancel::after_files(25), Patience::default(), &|_| {});
    assert_eq!((first.stored, first.ending.clone()), (25, Ending::Cancelled));
    assert_eq!((first.exit_code(), bench.journals()), (EXIT_INCOMPLETE, 1));
    // Files that change meanwhile are read again; the second of them is another version of what was stored.
    bench.put("0/001", &ct(100));
    let grown = [ct(2), vec![0; 2]].concat();
    bench.put("0/002", &grown);
    let second = bench.run(&job);
    assert_eq!(second.ending, Ending::Complete, "{second}");
    assert_eq!((second.done_before, second.files(), second.not_dicom), (23, 61, 1), "{second}");
    assert_eq!((second.stored, second.versions), (60 - 1, 1), "{second}");
    assert_eq!((bench.instances(), bench.journals()), (61, 0), "{second}");
}

#[test]
fn another_disc_in_the_place_of_the_first_is_read() {
    let bench = Bench::new();
    (11..=19).for_each(|n| bench.put(&format!("IM{n}"), &ct(n)));
    bench.put("A.TXT", b"same on all");
    let job = ImportJob { threads: Some(1), ..bench.job() };
    let cancel = Cancel::after_files(8);
    assert_eq!(bench.run_with(&job, &cancel, Patience::default(), &|_| {}).files(), 8);
    // The same names, sizes and times.
    (11..=19).for_each(|n| bench.put(&format!("IM{n}"), &ct(n + 20)));
    let report = bench.run(&job);
    assert_eq!((report.done_before, report.not_dicom, report.ending.clone()), (1, 1, Ending::Complete));
    assert_eq!((report.stored, bench.instances()), (9, 16), "{report}");
}

#[test]
fn from_the_start_means_from_the_start() {
    let bench = Bench::new();
    (1..=9).for_each(|n| bench.put(&format!("IM{n}"), &ct(n)));
    let job = ImportJob { threads: Some(1), resume: false, ..bench.job() };
    bench.run_with(&job, &Cancel::after_files(5), Patience::default(), &|_| {});
    let report = bench.run(&job);
    assert_eq!((report.done_before, report.stored, report.duplicates), (0, 4, 5));
}

#[test]
fn an_archive_that_refuses_is_waited_for_but_not_for_ever() {
    let simulated = SimulatedDisk::new(7);
    let bench = Bench::with(&Config::default(), simulated.disk());
    (1..=40).for_each(|n| bench.put(&format!("IM{n:02}"), &ct(n)));
    simulated.set_capacity(Some(150_000));
    let millis = Duration::from_millis;
    let short = Patience { first: millis(1), longest: millis(4), in_all: millis(30) };
    let waited = RefCell::new(0);
    let report = bench.run_with(&bench.job(), &Cancel::new(), short, &|event| {
        *waited.borrow_mut() += u32::from(matches!(event, ImportEvent::Waiting { .. }));
    });
    let Ending::Stopped { reason } = &report.ending else { panic!("{report}") };
    assert!(reason.contains("the archive took nothing"), "{reason}");
    assert_eq!((report.refused, report.exit_code(), bench.journals()), (0, EXIT_INCOMPLETE, 1));
    assert!(report.stored < 40);
    // The second time there is room while it waits.
    let long = Patience { in_all: Duration::from_secs(120), ..short };
    let room = |event| {
        if matches!(event, ImportEvent::Waiting { .. }) {
            simulated.set_capacity(None);
        }
    };
    let rest = bench.run_with(&bench.job(), &Cancel::new(), long, &room);
    assert_eq!((rest.ending.clone(), rest.files(), rest.refused), (Ending::Complete, 40, 0), "{rest}");
    assert_eq!((bench.instances(), rest.done_before), (40, report.stored), "{rest}");
}

#[test]
fn a_cancel_is_heard_while_the_archive_refuses() {
    let simulated = SimulatedDisk::new(3);
    let bench = Bench::with(&Config::default(), simulated.disk());
    (1..=5).for_each(|n| bench.put(&format!("IM{n}"), &ct(n)));
    simulated.set_capacity(Some(4096));
    let cancel = Cancel::new();
    let stop = |event| {
        if matches!(event, ImportEvent::Waiting { .. }) {
            cancel.set();
        }
    };
    let hour = Duration::from_secs(3600);
    let report =
        bench.run_with(&bench.job(), &cancel, Patience { first: hour, longest: hour, in_all: hour }, &stop);
    assert_eq!((report.ending, report.stored, report.refused), (Ending::Cancelled, 0, 0));
}

#[test]
fn what_cannot_be_read_is_refused_and_the_own_folder_is_not_imported() {
    let bench = Bench::new();
    bench.put("IM1", &ct(1));
    let missing = bench.disc.join("missing");
    let paths = vec![bench.disc.parent().unwrap().to_owned(), missing];
    let job = ImportJob { paths, ..bench.job() };
    assert_eq!(bench.run(&job).files(), 1, "the missing one lies below the other");
    let paths = vec![bench.data.join("missing"), bench.disc.clone()];
    let report = bench.run(&ImportJob { paths, ..bench.job() });
    assert_eq!((report.duplicates, report.refused), (1, 1), "{report}");
    assert!(report.refusals[0].reason.starts_with("cannot be read: No such file"), "{report}");
    let none = bench.run(&ImportJob { paths: vec!["relative".into()], ..bench.job() });
    assert!(matches!(none.ending, Ending::Stopped { .. }));
}
