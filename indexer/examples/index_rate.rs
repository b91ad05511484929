//! How many tiny instances a second become rows, with SQLite and with PostgreSQL side by side.
//!
//! `cargo run --release -p indexer --example index_rate -- [INSTANCES] [postgres://...]`; each run stores into a fresh
//! folder, and into an empty database.

#![allow(clippy::print_stdout, reason = "a program that measures")]

use std::error::Error;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use fixtures::many::{Address, instance};
use indexer::archive::{Archive, ArchiveOptions, Expect, Origin};
use indexer::db::{Db, DbOptions, FacilityId};
use storage_config::Uid;
use storage_config::config::{ScanLimits, StoreLimits};
use storage_config::disk::Disk;

/// Associations that store at the same time.
const LANES: u64 = 4;
/// Stores of one association whose answer is awaited together, as with an association's operations window.
const WINDOW: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    measure("sqlite", count, |folder| Db::open(&folder.join("index.sqlite"), DbOptions::default()))?;
    if let Some(url) = arguments.next() {
        measure("postgres", count, |_| Db::open_postgres(&url, DbOptions::default()))?;
    }
    Ok(())
}

fn measure(
    name: &str,
    count: u64,
    open: impl FnOnce(&Path) -> Result<Db, indexer::db::DbError>,
) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = ArchiveOptions {
        disk: Disk::Real,
        packs_dir: folder.path().join("packs"),
        cache_dir: None,
        replica: None,
        writer: 1,
        scan: ScanLimits::default(),
        store: StoreLimits::default(),
        now_ms: || 1_763_700_000_000,
    };
    let (archive, _) = Archive::open(options, open(folder.path())?)?;
    let begun = Instant::now();
    let stored: u64 = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let archive = &archive;
                scope.spawn(move || store(archive, (lane..count).step_by(LANES as usize)))
            })
            .collect();
        lanes.into_iter().filter_map(|lane| lane.join().ok()).sum()
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name}: {stored} instances in {seconds:.1} s, {:.0} instances/s", stored as f64 / seconds);
    archive.close();
    Ok(())
}

/// Stores instances; how many were taken.
fn store(archive: &Archive, numbers: impl Iterator<Item = u64>) -> u64 {
    let (tell, told) = mpsc::channel();
    let (mut waiting, mut taken) = (0, 0);
    for number in numbers {
        let at = Address { study: number / 20, series: number / 10 % 2, number };
        let made = instance(7, at, 64);
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
