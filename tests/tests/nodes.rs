//! Two real servers over one database are one archive: what one acknowledged or was told the other one serves at once, be
//! its packs in a bucket or on the disk of its neighbour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::sync::Barrier;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::studies::Instance;
use serde_json::json;
use tests::cluster::{Cluster, c_store, reached, read_all, rows, stow, study};
use tests::server::{Server, Setup};
use tests::{seed, wait_for};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_same_study_at_both_at_once_is_there_once_and_at_both() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    // Open for as long as the test runs: each reads what the other one has in groups alone.
    let nodes = [shared.node(1, 3600)?.start()?, shared.node(2, 3600)?.start()?];
    let (sent, together) = (study(seed, 0, 16), Barrier::new(4));
    std::thread::scope(|scope| -> Result<()> {
        let mut senders = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            let (mut mine, together) = (sent.clone(), &together);
            if n == 1 {
                mine.reverse();
            }
            let (web, dimse, same) = (node.http, *node.dimse.first().context("no address")?, mine.clone());
            senders.push(scope.spawn(move || {
                together.wait();
                c_store(dimse, &mine).len()
            }));
            senders.push(scope.spawn(move || {
                together.wait();
                stow(web, &same).len()
            }));
        }
        for sender in senders {
            ensure!(sender.join().unwrap() == sent.len(), "not all was acknowledged");
        }
        Ok(())
    })?;
    // And what only one of them was ever given.
    let alone = [study(seed, 1, 4), study(seed, 2, 4)];
    for (node, some) in nodes.iter().zip(&alone) {
        ensure!(stow(node.http, some).len() == some.len());
    }
    for node in &nodes {
        for some in [&sent, &alone[0], &alone[1]] {
            read_all(node, some)?;
        }
        let state = node.web().json("/api/v1/state")?;
        ensure!(state["instances"] == 24 && state["conflicts"] == 0 && state["unindexable"] == 0, "{state}");
        let of = format!("/dicom-web/studies/{}", sent[0].study);
        ensure!(rows(node, "/dicom-web/studies")? == 3);
        ensure!(rows(node, &format!("{of}/series"))? == 2 && rows(node, &format!("{of}/instances"))? == 16);
        for one in &sent {
            ensure!(node.web().versions(&one.sop_instance)?.len() == 1, "one version of the same bytes");
        }
    }
    let [one, other] = nodes;
    one.stop()?;
    // Its packs are one object each by now or are still groups: no difference to whom has read the groups before.
    read_all(&other, &sent)?;
    read_all(&other, &alone[0])?;
    other.stop()
}

#[test]
fn groups_that_were_read_may_become_one_object() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    let (one, other) = (shared.node(1, 2)?.start()?, shared.node(2, 3600)?.start()?);
    let sent = study(seed, 0, 6);
    ensure!(stow(one.http, &sent).len() == sent.len());
    read_all(&other, &sent[..1])?;
    wait_for("the groups to be replaced", LONG, || {
        let groups = shared.bucket.objects().iter().any(|(key, _)| key.contains("/groups/"));
        Ok((!groups).then_some(()))
    })?;
    read_all(&other, &sent)?;
    one.stop()?;
    other.stop()
}

#[test]
fn what_is_said_at_one_is_so_at_the_other() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    let (one, other) = (shared.node(1, 3600)?.start()?, shared.node(2, 3600)?.start()?);
    let (gone, stays) = (study(seed, 0, 4), study(seed, 1, 4));
    ensure!(stow(other.http, &gone).len() == 4 && stow(one.http, &stays).len() == 4);
    let instances = format!("/dicom-web/studies/{}/instances", gone[0].study);
    ensure!(rows(&other, &instances)? == 4);
    let body = json!({ "study": gone[0].study, "reason": "quality", "why": "unsharp" });
    let answer = one.web().say("POST", "/api/v1/withdrawals", &[("X-Claimed-User", "BS. An")], &body)?;
    ensure!(answer.status == 201, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    for node in [&one, &other] {
        ensure!(rows(node, "/dicom-web/studies")? == 1);
        ensure!(node.web().instance(&gone[0]).is_err(), "withdrawn and given out");
        read_all(node, &stays)?;
    }
    one.stop()?;
    other.stop()
}

/// The status of asking for an instance, and whether it says when to ask again.
fn asked(server: &Server, one: &Instance) -> Result<(u16, bool)> {
    let Instance { study, series, sop_instance, .. } = one;
    let path = format!("/dicom-web/studies/{study}/series/{series}/instances/{sop_instance}");
    let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    let answer = server.web().get_accepting(&path, accept)?;
    Ok((answer.status, answer.header("retry-after").is_some()))
}

#[test]
fn what_is_not_uploaded_yet_is_read_through_its_server() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    let (first, second) = (reached(shared.node(1, 3600)?)?, reached(shared.node(2, 3600)?)?);
    let (one, other) = (first.start()?, second.start()?);
    let sent = study(seed, 0, 6);
    ensure!(stow(one.http, &sent[..3]).len() == 3);
    read_all(&other, &sent[..3])?;
    // The pack grows: what was read of it before is no hindrance.
    ensure!(stow(one.http, &sent[3..]).len() == 3);
    read_all(&other, &sent)?;
    ensure!(shared.bucket.objects().is_empty(), "nothing is uploaded yet");
    // The same bytes at the other server: it answers for what it has itself.
    ensure!(stow(other.http, &sent[..1]).len() == 1);
    // Whoever does not know the secret is given nothing.
    let pack = std::fs::read_dir(first.data_dir().join("packs"))?.next().context("a pack")??;
    let name = pack.file_name().into_string().expect("a name");
    let path = format!("/internal/packs/{name}");
    for headers in [&[][..], &["Authorization: Bearer wrong"][..]] {
        let answer = one.web().send("GET", &path, headers, b"")?;
        ensure!(answer.status == 401 && answer.body.is_empty(), "{}", answer.status);
    }
    one.kill()?;
    read_all(&other, &sent[..1])?;
    // What it read lately it may know still; a server that starts now does not.
    other.stop()?;
    let other = second.start()?;
    for some in &sent[1..] {
        ensure!(asked(&other, some)? == (503, true), "{:?}", asked(&other, some)?);
    }
    let one = first.start()?;
    wait_for("it to be read again", LONG, || {
        Ok(sent.iter().all(|some| asked(&other, some).is_ok_and(|a| a.0 == 200)).then_some(()))
    })?;
    read_all(&other, &sent)?;
    // A start seals what it finds: it goes to the bucket, and the other server reads it there.
    let packs = first.data_dir().join("packs");
    wait_for("everything to be uploaded", LONG, || {
        Ok((std::fs::read_dir(&packs)?.count() == 0).then_some(()))
    })?;
    read_all(&other, &sent)?;
    one.stop()?;
    read_all(&other, &sent)?;
    other.stop()
}

#[test]
fn a_pack_is_compacted_at_one_server_while_the_other_reads_and_stores() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    let with = |writer| -> Result<Setup> {
        Ok(shared
            .node(writer, 1)?
            .with("PACS_RETENTION__GRACE_DAYS", "0")
            .with("PACS_RETENTION__COMPACT_PERCENT", "1")
            .with("PACS_STORE__RETIRED_SECONDS", "0"))
    };
    let (first, second) = (with(1)?, with(2)?);
    let (one, other) = (first.start()?, second.start()?);
    let (gone, stays) = (study(seed, 0, 6), study(seed, 1, 6));
    ensure!(stow(one.http, &[gone.clone(), stays.clone()].concat()).len() == 12);
    let packs = first.data_dir().join("packs");
    wait_for("everything to be uploaded", LONG, || {
        Ok((std::fs::read_dir(&packs)?.count() == 0).then_some(()))
    })?;
    let before = shared.bucket.objects();
    read_all(&other, &stays)?;
    let body = json!({ "study": gone[0].study, "reason": "duplicate", "why": "sent twice" });
    let answer = one.web().say("POST", "/api/v1/withdrawals", &[("X-Claimed-User", "KTV. An")], &body)?;
    ensure!(answer.status == 201, "{}", answer.status);
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let reading = scope.spawn(|| -> Result<usize> {
            let mut rounds = 0;
            while !ended.load(std::sync::atomic::Ordering::SeqCst) || rounds < 3 {
                read_all(&other, &stays)?;
                rounds += 1;
            }
            Ok(rounds)
        });
        // The same pixels under other headers: they count on what the other server may be about to move.
        let storing = scope.spawn(|| -> Result<Vec<Instance>> {
            let mut taken = Vec::new();
            for source in stays.iter().chain(&gone) {
                let edit = fixtures::edited::Edit::reissued(source, seed ^ 7);
                let copy: Vec<Instance> = fixtures::edited::edited(source, &edit).into_iter().collect();
                taken.extend(stow(other.http, &copy));
            }
            Ok(taken)
        });
        let compacted = first.run(&["compact", "--who", "operator", "--rate", "0"])?;
        let both = second.run(&["compact", "--who", "operator", "--rate", "0"])?;
        wait_for("the old objects to be removed", LONG, || {
            let now = shared.bucket.objects();
            Ok(before.iter().any(|old| !now.contains(old)).then_some(()))
        })?;
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        ensure!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
        ensure!(both.status.success(), "{}", String::from_utf8_lossy(&both.stderr));
        println!("{} rounds while it was compacted", reading.join().unwrap()?);
        let taken = storing.join().unwrap()?;
        println!("{} stored meanwhile", taken.len());
        read_all(&other, &taken)?;
        read_all(&one, &taken)
    })?;
    for node in [&one, &other] {
        read_all(node, &stays)?;
        let state = node.web().json("/api/v1/state")?;
        ensure!(state["unindexable"] == 0, "{state}");
    }
    one.stop()?;
    read_all(&other, &stays)?;
    other.stop()
}

#[test]
fn packs_that_stay_on_two_disks_are_one_archive() -> Result<()> {
    let (seed, shared) = (seed(), Cluster::new()?);
    let (first, second) = (reached(shared.beside(1, 3600)?)?, reached(shared.beside(2, 3600)?)?);
    let (one, other) = (first.start()?, second.start()?);
    let (here, there) = (study(seed, 0, 6), study(seed, 1, 6));
    ensure!(stow(one.http, &here).len() == 6 && stow(other.http, &there).len() == 6);
    for node in [&one, &other] {
        read_all(node, here.iter().chain(&there))?;
        ensure!(rows(node, "/dicom-web/studies")? == 2);
    }
    // What is said at one is in a pack of its disk alone, and so at both.
    let body = json!({ "study": there[0].study, "reason": "quality", "why": "unsharp" });
    let answer = one.web().say("POST", "/api/v1/withdrawals", &[("X-Claimed-User", "BS. An")], &body)?;
    ensure!(answer.status == 201, "{}", answer.status);
    ensure!(rows(&other, "/dicom-web/studies")? == 1);
    // A server makes rows of its own packs alone: it must not empty an index that knows those of others.
    one.stop()?;
    other.stop()?;
    let refused = first.run(&["rebuild"])?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && told.contains("not on this disk"), "{told}");
    let other = second.start()?;
    ensure!(rows(&other, "/dicom-web/studies")? == 1);
    ensure!(asked(&other, &here[5])? == (503, true), "its server is away, it is not gone");
    let one = first.start()?;
    wait_for("it to be read again", LONG, || {
        Ok(here.iter().all(|some| asked(&other, some).is_ok_and(|a| a.0 == 200)).then_some(()))
    })?;
    read_all(&other, &here)?;
    one.stop()?;
    other.stop()?;
    // With all packs on one disk it is made again, and each server goes on.
    for file in std::fs::read_dir(second.data_dir().join("packs"))? {
        let file = file?;
        std::fs::copy(file.path(), first.data_dir().join("packs").join(file.file_name()))?;
    }
    let rebuilt = first.run(&["rebuild"])?;
    ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let (one, other) = (first.start()?, second.start()?);
    for node in [&one, &other] {
        read_all(node, &here)?;
        ensure!(rows(node, "/dicom-web/studies")? == 1, "what was withdrawn stays so");
    }
    one.stop()?;
    other.stop()
}
