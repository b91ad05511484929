//! Real servers over one database and one bucket of which one is killed or loses its disk: what any of them acknowledged
//! is there once, at all of them, at once.
//!
//! `NODE_KILLS` says how often each happens (once where it is not set), `TEST_SEED` repeats a run's choices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::studies::Instance;
use tests::cluster::{Cluster, c_store, read_all, stow, study};
use tests::server::Server;
use tests::{seed, variable, wait_for};

const LONG: Duration = Duration::from_secs(60);

/// Kills a server while it stores; all that it and its neighbour acknowledged.
fn kill_under_load(seed: u64, one: Server, other: &Server) -> Result<Vec<Instance>> {
    let acknowledged = Mutex::new(Vec::new());
    let (web, dimse) = (one.http, *one.dimse.first().context("no address")?);
    std::thread::scope(|scope| -> Result<()> {
        for n in 0..3 {
            let (acknowledged, beside) = (&acknowledged, other.http);
            scope.spawn(move || {
                for round in 0.. {
                    let some = study(seed, 10 * round + n, 6);
                    let taken = match n {
                        0 => c_store(dimse, &some),
                        1 => stow(web, &some),
                        // The neighbour stores too, and ends with the kill.
                        _ => stow(beside, &some),
                    };
                    let whole = taken.len() == some.len();
                    acknowledged.lock().unwrap().extend(taken);
                    if !whole || (n == 2 && round == 5) {
                        return;
                    }
                }
            });
        }
        wait_for("some load", LONG, || Ok((acknowledged.lock().unwrap().len() >= 80).then_some(())))?;
        one.kill()
    })?;
    Ok(acknowledged.into_inner().unwrap())
}

/// `NODE_KILLS` says how often a server is killed or loses its disk (once where it is not set).
fn again_and_again(mut once: impl FnMut(u64, Cluster) -> Result<()>) -> Result<()> {
    let seed = seed();
    (0..variable("NODE_KILLS", 1)).try_for_each(|n| {
        let seed = seed.wrapping_add(n);
        once(seed, Cluster::new()?).with_context(|| format!("TEST_SEED={seed}"))
    })
}

#[test]
fn what_a_killed_server_acknowledged_is_at_the_other_at_once() -> Result<()> {
    again_and_again(killed)
}

fn killed(seed: u64, shared: Cluster) -> Result<()> {
    let first = shared.node(1, 3600)?;
    let other = shared.node(2, 3600)?.start()?;
    let acknowledged = kill_under_load(seed, first.start()?, &other)?;
    println!("{} acknowledged", acknowledged.len());
    read_all(&other, &acknowledged)?;
    let one = first.start()?;
    read_all(&one, &acknowledged)?;
    // It goes on storing, and the other one goes on reading it.
    let more = study(seed, 1_000_000, 4);
    ensure!(stow(one.http, &more).len() == more.len());
    read_all(&other, &acknowledged)?;
    read_all(&other, &more)?;
    one.stop()?;
    other.stop()
}

#[test]
fn a_disk_that_is_lost_for_good_takes_nothing_with_it() -> Result<()> {
    again_and_again(robbed)
}

fn robbed(seed: u64, shared: Cluster) -> Result<()> {
    let first = shared.node(1, 3600)?;
    let other = shared.node(2, 3600)?.start()?;
    let acknowledged = kill_under_load(seed, first.start()?, &other)?;
    std::fs::remove_dir_all(first.data_dir())?;
    read_all(&other, &acknowledged)?;
    let third = shared.node(3, 3600)?.start()?;
    read_all(&third, &acknowledged)?;
    // The server of the lost disk starts with an empty folder.
    let again = first.start()?;
    for node in [&again, &other, &third] {
        read_all(node, &acknowledged)?;
    }
    for node in [again, third, other] {
        node.stop()?;
    }
    Ok(())
}

#[test]
fn three_store_the_same_studies_and_one_is_killed() -> Result<()> {
    again_and_again(killed_among_three)
}

/// Studies that all three servers are given at the same time.
const STUDIES: u64 = 8;
const IMAGES: u64 = 6;

fn killed_among_three(seed: u64, shared: Cluster) -> Result<()> {
    let first = shared.node(1, 3600)?;
    let nodes = [first.start()?, shared.node(2, 3600)?.start()?, shared.node(3, 3600)?.start()?];
    let studies: Vec<Vec<Instance>> = (0..STUDIES).map(|n| study(seed, n, IMAGES)).collect();
    let all: Vec<&Instance> = studies.iter().flatten().collect();
    let (taken, at_the_first) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let [one, second, third] = nodes;
    let addresses: Vec<_> = [&one, &second, &third].iter().map(|node| (node.http, node.dimse[0])).collect();
    std::thread::scope(|scope| -> Result<()> {
        for (n, (web, dimse)) in addresses.into_iter().enumerate() {
            let (studies, taken, at_the_first) = (&studies, &taken, &at_the_first);
            scope.spawn(move || {
                // Each begins with another study, so that they meet in the middle of some.
                for k in 0..studies.len() {
                    let some = &studies[(k + n * 2) % studies.len()];
                    let told = if k % 2 == 0 { c_store(dimse, some) } else { stow(web, some) };
                    let whole = told.len() == some.len();
                    if n == 0 {
                        at_the_first.fetch_add(told.len(), Ordering::SeqCst);
                    }
                    taken.lock().unwrap().extend(told);
                    if !whole {
                        return;
                    }
                }
            });
        }
        wait_for("some load", LONG, || {
            let enough = at_the_first.load(Ordering::SeqCst) >= 2 * IMAGES as usize;
            Ok(enough.then_some(()))
        })?;
        one.kill()
    })?;
    let taken = taken.into_inner().unwrap();
    println!("{} of {} were acknowledged", taken.len(), 3 * all.len());
    // The two that live were given everything.
    ensure!(taken.len() >= 2 * all.len(), "a server that lives refused");
    for node in [&second, &third] {
        read_all(node, all.iter().copied())?;
    }
    let one = first.start()?;
    for some in &studies {
        ensure!(stow(one.http, some).len() == some.len());
    }
    for node in [one, second, third] {
        once_only(&node, &all)?;
        node.stop()?;
    }
    Ok(())
}

/// Every instance is at this server, once, and no row stands twice.
fn once_only(node: &Server, all: &[&Instance]) -> Result<()> {
    read_all(node, all.iter().copied())?;
    let state = node.web().json("/api/v1/state")?;
    let expected = |name: &str, of: &dyn Fn(&Instance) -> String| -> Result<()> {
        let different: BTreeSet<String> = all.iter().map(|one| of(one)).collect();
        ensure!(state[name] == different.len(), "{name}: {} expected, {state}", different.len());
        Ok(())
    };
    expected("instances", &|one| one.sop_instance.clone())?;
    expected("series", &|one| one.series.clone())?;
    expected("studies", &|one| one.study.clone())?;
    ensure!(state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
    let listed = node.web().json("/dicom-web/studies")?;
    let listed = listed.as_array().context("no list")?;
    let patients: BTreeSet<String> = listed.iter().map(|row| row["00100020"].to_string()).collect();
    ensure!(state["patients"] == patients.len(), "{} patients expected, {state}", patients.len());
    ensure!(listed.len() as u64 == STUDIES, "{} studies listed", listed.len());
    for one in all {
        ensure!(node.web().versions(&one.sop_instance)?.len() == 1, "one version of the same bytes");
    }
    Ok(())
}
