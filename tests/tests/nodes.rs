//! Two real servers over one database and one bucket are one archive: what one acknowledged or was told the other one
//! serves at once, whether its neighbour runs, was killed or lost its disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "../../indexer/tests/test_database/server.rs"]
#[allow(dead_code, reason = "another suite uses the rest")]
mod postgres;

use std::net::SocketAddr;
use std::sync::{Barrier, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::bucket::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Service};
use fixtures::hostile::Pieces;
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use serde_json::json;
use tests::dimse::{Association, contexts_for};
use tests::http::Http;
use tests::server::{Server, Setup};
use tests::{seed, variable, wait_for};

const LONG: Duration = Duration::from_secs(60);

/// A database and a bucket that servers share.
struct Shared {
    folder: tempfile::TempDir,
    bucket: Service,
    url: String,
}

impl Shared {
    fn new() -> Result<Shared> {
        static POSTGRES: OnceLock<postgres::Server> = OnceLock::new();
        let url = POSTGRES.get_or_init(postgres::Server::start).database();
        Ok(Shared { folder: tempfile::tempdir()?, bucket: Service::start()?, url })
    }

    /// A server with a data folder of its own whose packs stay open for `idle` seconds.
    fn node(&self, writer: u32, idle: u32) -> Result<Setup> {
        let folder = self.folder.path().join(format!("node-{writer}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Setup::new(&folder)
            .with("PACS_DATABASE__URL", &self.url)
            .with("PACS_STORE__URL", &format!("s3://{BUCKET}/archive"))
            .with("PACS_STORE__ACK", "remote")
            .with("PACS_STORE__WRITER", &writer.to_string())
            .with("PACS_STORE__S3__ENDPOINT", &self.bucket.endpoint())
            .with("PACS_STORE__S3__REGION", "garage")
            .with("PACS_STORE__S3__ACCESS_KEY_ID", ACCESS_KEY_ID)
            .with("PACS_STORE__S3__SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .with("PACS_STORE__S3__ALLOW_HTTP", "true")
            .with("PACS_STORE__CACHE_BYTES", "0")
            .with("PACS_STORE__SEAL_IDLE_SECONDS", &idle.to_string()))
    }
}

fn study(seed: u64, study: u64, images: u64) -> Vec<Instance> {
    (0..images).map(|number| instance(seed, Address { study, series: number % 2, number }, 20_000)).collect()
}

/// Sends by C-STORE until all is sent or nobody answers; what was acknowledged.
fn c_store(address: SocketAddr, all: &[Instance]) -> Vec<Instance> {
    let contexts = contexts_for(all);
    let mut taken = Vec::new();
    let Ok(mut association) = Association::open(address, "MODALITY", "PACS", &contexts) else { return taken };
    for one in all {
        match association.store(&contexts, one) {
            Ok(response) if response.status == 0 => taken.push(one.clone()),
            _ => return taken,
        }
    }
    taken
}

/// The same by STOW-RS, a few at a time.
fn stow(address: SocketAddr, all: &[Instance]) -> Vec<Instance> {
    let mut taken = Vec::new();
    for some in all.chunks(4) {
        let files: Vec<Pieces> = some.iter().map(|one| Pieces::default().then(one.file(), 1)).collect();
        match Http::new(address).stow(&files) {
            Ok(answer) if answer.status == 200 => taken.extend_from_slice(some),
            _ => return taken,
        }
    }
    taken
}

/// Reads all of it at a server, bit for bit.
fn read_all(server: &Server, all: &[Instance]) -> Result<()> {
    let mut web = server.web();
    for one in all {
        let found = web.instance(one).with_context(|| format!("{} was acknowledged", one.sop_instance))?;
        ensure!(found == one.data_set, "{} was altered", one.sop_instance);
    }
    Ok(())
}

/// Rows of a list of QIDO-RS.
fn rows(server: &Server, path: &str) -> Result<usize> {
    let answer = server.web().get_accepting(path, "application/dicom+json")?;
    if answer.status == 204 { Ok(0) } else { Ok(answer.json()?.as_array().context("no list")?.len()) }
}

#[test]
fn the_same_study_at_both_at_once_is_there_once_and_at_both() -> Result<()> {
    let (seed, shared) = (seed(), Shared::new()?);
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
    let (seed, shared) = (seed(), Shared::new()?);
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
    let (seed, shared) = (seed(), Shared::new()?);
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
fn again_and_again(mut once: impl FnMut(u64, Shared) -> Result<()>) -> Result<()> {
    let seed = seed();
    (0..variable("NODE_KILLS", 1)).try_for_each(|n| once(seed.wrapping_add(n), Shared::new()?))
}

#[test]
fn what_a_killed_server_acknowledged_is_at_the_other_at_once() -> Result<()> {
    again_and_again(killed)
}

fn killed(seed: u64, shared: Shared) -> Result<()> {
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

fn robbed(seed: u64, shared: Shared) -> Result<()> {
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

/// A server that acknowledges what is on its own disk and tells the others where it is reached.
fn reached(shared: &Shared, writer: u32) -> Result<Setup> {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    Ok(shared
        .node(writer, 3600)?
        .with("PACS_STORE__ACK", "local")
        .with("PACS_HTTP__LISTEN", &port.to_string())
        .with("PACS_NODE__URL", &format!("http://{port}"))
        .with("PACS_NODE__ALLOW_HTTP", "true")
        .with("PACS_NODE__SECRET", "a made-up secret of 32 characters".replace(' ', "-").as_str()))
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
    let (seed, shared) = (seed(), Shared::new()?);
    let (first, second) = (reached(&shared, 1)?, reached(&shared, 2)?);
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
    let (seed, shared) = (seed(), Shared::new()?);
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
