//! Peers that break the protocol, lie about lengths, say nothing or come in crowds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dimse_peer;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dimse_peer::*;

const SOON: Duration = Duration::from_secs(2);

/// One test at a time: they look at the memory of this process and fill its table of open files.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn other_protocols_and_noise_are_turned_away_at_once() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for noise in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &tls, &[0xff; 6], &[0; 6], b"S"] {
        let mut peer = server.connect();
        peer.send(noise);
        assert_eq!(peer.aborted(), [2, 1], "{noise:?}");
    }
    server.assert_serves(SOON);
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_anything_is_kept() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let (_, peak) = resident_kib();
    for length in [u32::MAX, 131_073, 0, 67] {
        let mut peer = server.connect();
        peer.send(&[&[1, 0][..], &length.to_be_bytes(), &vec![0; length.min(1000) as usize]].concat());
        assert_eq!(peer.aborted(), INVALID_PARAMETER, "A-ASSOCIATE-RQ of {length} bytes");
    }
    for length in [u32::MAX, 131_073, 0] {
        let mut peer = server.associate();
        peer.send(&[&[4, 0][..], &length.to_be_bytes()].concat());
        assert_eq!(peer.aborted(), INVALID_PARAMETER, "P-DATA-TF of {length} bytes");
    }
    let mut peer = server.associate();
    let fragment = [command(1, CT, Some("1.2.3.4"), true), vec![]].concat();
    peer.send(&p_data(3, 3, &fragment));
    let longest = data_set("1.2.3.4", 131_072 - 6 - data_set("1.2.3.4", 0).len());
    assert_eq!(p_data(3, 2, &longest).len(), 6 + 131_072, "exactly the limit");
    peer.send(&p_data(3, 2, &longest));
    assert_eq!(peer.response().0, 0);
    let (_, after) = resident_kib();
    assert!(after < peak + 16 * 1024, "peak memory rose from {peak} to {after} KiB");
    server.assert_serves(SOON);
}

#[test]
fn requests_full_of_items_cost_little() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let syntaxes = vec!["1.2"; 100];
    let contexts: Vec<u8> =
        (0..128).flat_map(|n| presentation_context(2 * n + 1, "1.2", &syntaxes)).collect();
    let began = Instant::now();
    let mut peer = server.connect();
    let answer = peer.request(&associate_request_of("TEST", "PACS", &contexts, &[]));
    assert_eq!(answer[0], 2);
    assert!(began.elapsed() < Duration::from_millis(200), "took {:?}", began.elapsed());
    drop(peer);

    let one = |id| presentation_context(id, CT, &[IMPLICIT]);
    for contexts in [one(2), one(0), [one(1), one(1)].concat(), Vec::new()] {
        let mut peer = server.connect();
        peer.send(&associate_request_of("TEST", "PACS", &contexts, &[]));
        assert_eq!(peer.aborted(), INVALID_PARAMETER);
    }
    let largest = [item(0x52, &vec![b'1'; 65_000]), item(0x58, &[1; 500])].concat();
    let mut peer = server.connect();
    assert_eq!(peer.request(&associate_request_of("TEST", "PACS", &one(1), &largest))[0], 2);
    let mut peer = server.connect();
    let mut lying = associate_request_of("TEST", "PACS", &one(1), &[]);
    let at = lying.len() - 2;
    lying[at] = 0xff;
    peer.send(&lying);
    assert_eq!(peer.aborted(), INVALID_PARAMETER);
    server.assert_serves(SOON);
}

#[test]
fn fragments_out_of_order_end_the_association() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let store = |context| p_data(context, 3, &command(1, CT, Some("1.2.3.4"), true));
    let pdv = |length: u32, rest: &[u8]| pdu(4, &[&length.to_be_bytes(), rest].concat());
    let half = p_data(3, 1, &command(1, CT, Some("1.2.3.4"), true)[..20]);
    let cases: Vec<(&str, Vec<u8>, [u8; 2])> = vec![
        ("a context that was never proposed", store(77), [2, 6]),
        ("an even context", store(2), [2, 6]),
        ("a PDV longer than its PDU", pdv(50, &[3, 3, 0, 0]), [2, 6]),
        ("a PDV shorter than its head", pdv(1, &[3, 3, 0, 0]), [2, 6]),
        ("a PDV of no length", pdv(0, &[3, 3, 0, 0]), [2, 6]),
        ("a stump of a PDV", pdu(4, &[0, 0, 0]), [2, 6]),
        ("a data set without command", p_data(3, 2, b"x"), [2, 5]),
        ("a data set within a command", [half.clone(), p_data(3, 2, b"x")].concat(), [2, 5]),
        ("a command within a data set", [store(3), store(3)].concat(), [2, 5]),
        ("another context's data set", [store(3), p_data(1, 2, b"x")].concat(), [2, 6]),
        ("a second association request", associate_request("A", "B", &[(1, CT, IMPLICIT)]), [2, 2]),
        ("an association response", pdu(2, &[0; 68]), [2, 2]),
        ("a release within a message", [half, vec![5, 0, 0, 0, 0, 4, 0, 0, 0, 0]].concat(), [2, 2]),
        ("a command without fields", p_data(3, 3, &[]), [0, 0]),
        ("a response nobody asked for", p_data(3, 3, &command(0x8001, CT, None, false)), [0, 0]),
        ("a command that never ends", p_data(3, 1, &[0; 1000]).repeat(17), [0, 0]),
        ("a command of nothing that never ends", p_data(3, 1, &[]).repeat(1025), [0, 0]),
    ];
    for (what, bytes, reason) in cases {
        let mut peer = server.associate();
        peer.send(&bytes);
        assert_eq!(peer.aborted(), reason, "{what}");
    }
    let mut peer = server.connect();
    peer.send(&store(3));
    assert_eq!(peer.aborted(), [2, 2], "P-DATA before an association");
    server.assert_serves(SOON);
}

#[test]
fn hostile_uids_are_refused_and_the_association_goes_on() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let mut peer = server.associate();
    let long = "1".repeat(65);
    let uids = [
        "../../x",
        "/etc/x",
        "..%2f",
        "1.2\x003",
        "1.2\r\n3",
        &long,
        "\u{661}.\u{662}",
        "1.2*",
        "1\\\\2",
        "",
    ];
    for uid in uids {
        let (status, comment) = peer.store(uid, &data_set("1.2.3.4", 100));
        assert_eq!(status, 0xA900, "{uid:?}");
        assert!(comment.contains("Affected SOP Instance UID"), "{comment}");
    }
    assert_eq!(
        peer.store("1.2.3.5", &data_set("1.2.3.4", 100)).0,
        0xA900,
        "not the instance of the data set"
    );
    assert_eq!(peer.store("1.2.3.4", b"this is no data set").0 & 0xF000, 0xC000);
    assert_eq!(peer.store("1.2.3.4", &[]).0 & 0xF000, 0xC000, "an empty data set");
    assert_eq!(peer.store("1.02.3", &data_set("1.02.3", 100)).0, 0, "a leading zero is no reason");
    assert_eq!(peer.echo(), 0);
    peer.release();
}

#[test]
fn silent_crowds_keep_nobody_out_and_are_closed_in_time() {
    let _alone = alone();
    let server = Server::start(|config| {
        config.limits.artim_seconds = 2;
        config.limits.pending_connections = 512;
    });
    // Both ends are in this process: 10,000 here, 512 there.
    let room = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let crowd = usize::try_from(room.saturating_sub(2000)).unwrap().min(10_000);
    let (before, _) = resident_kib();
    let began = Instant::now();
    let mut silent: Vec<TcpStream> =
        (0..crowd / 2).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.assert_serves(SOON);
    silent.extend((0..crowd / 2).map(|_| TcpStream::connect(server.address).unwrap()));
    server.assert_serves(SOON);
    let (after, _) = resident_kib();
    eprintln!(
        "{crowd} silent connections in {:?}, {} KiB more memory",
        began.elapsed(),
        after.saturating_sub(before)
    );
    assert!(after.saturating_sub(before) < 64 * 1024, "{} KiB", after - before);
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        // Closed, in order or not, but not left open.
        match stream.read(&mut [0; 16]) {
            Ok(0) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn drops_of_bytes_are_not_waited_for() {
    let _alone = alone();
    let server = Server::start(|config| {
        config.limits.artim_seconds = 1;
        config.limits.idle_seconds = 2;
    });
    let drip = |mut peer: Peer, bytes: &[u8]| {
        peer.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let began = Instant::now();
        for byte in bytes.iter().cycle() {
            if peer.stream.write_all(&[*byte]).is_err() {
                break;
            }
            let mut answer = [0; 10];
            match peer.stream.read(&mut answer) {
                Ok(n) => {
                    assert!(n == 0 || answer[0] == 7, "{answer:?}");
                    break;
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        assert!(began.elapsed() < Duration::from_secs(5), "borne for {:?}", began.elapsed());
    };
    drip(server.connect(), &associate_request("TEST", "PACS", &[(1, VERIFICATION, IMPLICIT)]));
    drip(server.associate(), &p_data(3, 3, &command(1, CT, Some("1.2.3.4"), true)));
    let mut peer = server.associate();
    peer.send(&p_data(3, 3, &command(1, CT, Some("1.2.3.4"), true)));
    peer.send(&[&[4, 0][..], &100_000_u32.to_be_bytes(), &99_996_u32.to_be_bytes(), &[3, 0]].concat());
    drip(peer, b"x");

    // Nothing at all: the idle time, then an A-ABORT.
    let mut peer = server.associate();
    let began = Instant::now();
    assert_eq!(peer.receive()[..1], [7]);
    assert!((1800..4000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    server.assert_serves(SOON);
}

#[test]
fn the_association_over_a_limit_is_rejected_for_the_moment() {
    let _alone = alone();
    let rejected = |server: &Server, calling: &str| {
        let began = Instant::now();
        let answer =
            server.connect().request(&associate_request(calling, "PACS", &[(1, VERIFICATION, IMPLICIT)]));
        assert!(began.elapsed() < Duration::from_secs(1));
        match answer[0] {
            2 => false,
            _ => {
                assert_eq!(answer, [3, 0, 0, 0, 0, 4, 0, 2, 3, 2]);
                true
            }
        }
    };
    let open = |server: &Server, calling: &str| {
        let mut peer = server.connect();
        let answer = peer.request(&associate_request(calling, "PACS", &[(1, VERIFICATION, IMPLICIT)]));
        assert_eq!(answer[0], 2, "{calling}");
        peer
    };
    let server = Server::start(|_| {});
    let mut all: Vec<Peer> = (0..64).map(|n| open(&server, &format!("AE{n}"))).collect();
    assert!(rejected(&server, "OTHER"), "65th from one address");
    assert!(all.iter_mut().all(|peer| peer.echo() == 0));
    all.pop().unwrap().release();
    // The place is free when the connection is closed, which the peer does first.
    let until = Instant::now() + SOON;
    while rejected(&server, "OTHER") {
        assert!(Instant::now() < until);
    }

    let server = Server::start(|config| config.limits.associations_per_address = 5000);
    let _all: Vec<Peer> = (0..64).map(|_| open(&server, "SAME")).collect();
    assert!(rejected(&server, "SAME"), "65th of one title");
    assert!(!rejected(&server, "OTHER"));

    let server = Server::start(|config| config.limits.associations_per_address = 5000);
    let mut all: Vec<Peer> = (0..1024).map(|n| open(&server, &format!("AE{n}"))).collect();
    assert!(rejected(&server, "OTHER"), "1,025th of all");
    eprintln!("1,024 associations, memory {:?} KiB", resident_kib());
    assert!(all.iter_mut().all(|peer| peer.echo() == 0));
}

#[test]
fn associations_that_are_aborted_leave_nothing_behind() {
    let _alone = alone();
    let server = Server::start(|_| {});
    let loops = std::env::var("DIMSE_ABORT_LOOPS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000_u32);
    let once = || {
        let mut peer = server.associate();
        peer.send(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        // Until the server has let go, so that the limit of the address does not count.
        assert!(peer.receive().is_empty());
        // The test's own memory.
        server.events.lock().unwrap().clear();
    };
    (0..500).for_each(|_| once());
    let (before, _) = resident_kib();
    let began = Instant::now();
    (0..loops).for_each(|_| once());
    let (after, _) = resident_kib();
    eprintln!("{loops} times in {:?}, memory {before} to {after} KiB", began.elapsed());
    assert!(after < before + before / 10 + 1024, "memory rose from {before} to {after} KiB");
}
