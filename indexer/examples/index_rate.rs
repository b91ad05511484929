//! How many tiny instances a second become rows, as they are stored and when the index is made again from the packs, with
//! SQLite and with PostgreSQL side by side.
//!
//! `cargo run --release -p indexer --example index_rate -- [INSTANCES] [postgres://...] [PER_STUDY]`; each run stores into a
//! fresh folder, and into an empty database. So many instances are a study: 20, 300 as of a CT, 1 as of an X-ray. With a
//! folder in the place of a number nothing is stored and its packs are read.

#![allow(clippy::print_stdout, reason = "a program that measures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use fixtures::many::{Address, instance};
use indexer::archive::{Archive, ArchiveOptions, Expect, Origin};
use indexer::db::{Db, DbOptions, FacilityId};
use storage_config::Uid;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::Disk;

/// Just enough to be a bulk value.
const PIXEL_BYTES: usize = 4096;
/// Associations that store at the same time.
const LANES: u64 = 4;
/// Stores of one association whose answer is awaited together, as with an association's operations window.
const WINDOW: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("20000", String::as_str);
    let per_study: u64 = arguments.get(2).map_or(Ok(20), |text| text.parse())?;
    let sqlite = |folder: &Path| Db::open(&folder.join("index.sqlite"), DbOptions::default());
    let url = arguments.get(1).filter(|url| url.starts_with("postgres"));
    let postgres = || url.map(|url| Db::open_postgres(url, DbOptions::default()));
    let Ok(count) = what.parse::<u64>() else {
        let (packs, index) = (Path::new(what).join("packs"), tempfile::tempdir()?);
        if arguments.get(1).is_none_or(|which| which == "sqlite") {
            rebuild("sqlite", &Archive::open(options(packs.clone()), sqlite(index.path())?)?.0)?;
        }
        return match postgres() {
            Some(db) => rebuild("postgres", &Archive::open(options(packs), db?)?.0),
            None => Ok(()),
        };
    };
    measure("sqlite", (count, per_study), sqlite)?;
    if let Some(db) = postgres() {
        measure("postgres", (count, per_study), |_| db)?;
    }
    Ok(())
}

fn options(packs_dir: PathBuf) -> ArchiveOptions {
    ArchiveOptions {
        disk: Disk::Real,
        packs_dir,
        cache_dir: None,
        replica: None,
        writer: 1,
        scan: ScanLimits::default(),
        store: StoreLimits::default(),
        now_ms: || 1_763_700_000_000,
    }
}

/// Makes the rows again and says how fast.
fn rebuild(name: &str, archive: &Archive) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let recovered = archive.rebuild(&mut |_, _| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = recovered.records as f64 / seconds;
    println!("{name}: {} records made rows again in {seconds:.1} s, {rate:.0} records/s", recovered.records);
    archive.close();
    Ok(())
}

fn measure(
    name: &str,
    (count, per_study): (u64, u64),
    open: impl FnOnce(&Path) -> Result<Db, indexer::db::DbError>,
) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (archive, _) = Archive::open(options(folder.path().join("packs")), open(folder.path())?)?;
    let begun = Instant::now();
    let stored: u64 = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let archive = &archive;
                scope.spawn(move || store(archive, per_study, (lane..count).step_by(LANES as usize)))
            })
            .collect();
        lanes.into_iter().filter_map(|lane| lane.join().ok()).sum()
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name}: {stored} instances in {seconds:.1} s, {:.0} instances/s", stored as f64 / seconds);
    // Of each there are two records: its pixels and itself.
    rebuild(name, &archive)
}

/// Stores instances; how many were taken.
fn store(archive: &Archive, per_study: u64, numbers: impl Iterator<Item = u64>) -> u64 {
    let (tell, told) = mpsc::channel();
    let (mut waiting, mut taken) = (0, 0);
    for number in numbers {
        let at = Address { study: number / per_study, series: number / 100 % 3, number };
        let made = instance(7, at, PIXEL_BYTES);
        let Ok(transfer_syntax) = Uid::parse(made.syntax.uid) else { continue };
        let origin = Origin {
            facility: FacilityId(1),
            source: "measure".into(),
            patient_id_is_order: false,
            issuer: String::new(),
            transfer_syntax,
        };
        let Ok(mut store) = archive.begin(origin) else { continue };
        if store.push(&made.data_set).is_err() {
            continue;
        }
        let tell = tell.clone();
        store.finish(&Expect::default(), move |result| {
            let _ = tell.send(result.is_ok());
        });
        waiting += 1;
        if waiting == WINDOW {
            taken += (0..waiting).filter_map(|_| told.recv().ok()).filter(|ok| *ok).count() as u64;
            waiting = 0;
        }
    }
    taken + (0..waiting).filter_map(|_| told.recv().ok()).filter(|ok| *ok).count() as u64
}
