//! What well-behaved peers see: operations, statuses, who may associate, and the orderly end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dimse_peer;

use std::time::Duration;

use dimse_peer::*;
use indexer::db::FacilityId;
use pacs_server::dimse::KnownPeer;
use storage_config::AeTitle;
use storage_config::config::{Accept, PatientIdIs, PeerAddress};

#[test]
fn echo_store_and_release() {
    let server = Server::start(|_| {});
    let mut peer = server.associate();
    assert_eq!(peer.echo(), 0);
    for size in [0, 2, 4094, 4096, 65_536, 3_000_000] {
        let uid = format!("1.2.3.{size}");
        assert_eq!(peer.store(&uid, &data_set(&uid, size)), (0, String::new()), "{size} bytes of pixels");
    }
    assert_eq!(peer.echo(), 0);
    peer.release();
    let events = server.events.lock().unwrap();
    assert_eq!(events.iter().filter(|e| e.starts_with("TEST store ")).count(), 6);
    assert_eq!(events.iter().filter(|e| *e == "TEST echo").count(), 2);
}

#[test]
fn a_message_may_be_cut_anywhere() {
    let server = Server::start(|_| {});
    let mut peer = server.associate();
    let (command, data) = (command(1, CT, Some("1.2.3.4"), true), data_set("1.2.3.4", 500));
    for size in [1, 2, 3, 7, 64, 1000] {
        let fragments = |header: u8, bytes: &[u8]| {
            let mut out = Vec::new();
            for piece in bytes.chunks(size) {
                out.extend(p_data(3, header, piece));
            }
            // The last fragment may be empty.
            out.extend(p_data(3, header | 2, &[]));
            out
        };
        peer.send(&[fragments(1, &command), fragments(0, &data)].concat());
        assert_eq!(peer.response().0, 0, "fragments of {size} bytes");
    }
    // Several PDVs in one PDU, and two messages in one write.
    let pdv = |header: u8, bytes: &[u8]| {
        [&u32::try_from(bytes.len() + 2).unwrap().to_be_bytes()[..], &[3, header], bytes].concat()
    };
    let whole = pdu(
        4,
        &[pdv(1, &command[..9]), pdv(3, &command[9..]), pdv(0, &data[..77]), pdv(2, &data[77..])].concat(),
    );
    peer.send(&[whole.clone(), whole].concat());
    assert_eq!((peer.response().0, peer.response().0), (0, 0));
    peer.release();
}

#[test]
fn operations_that_are_not_provided_are_told_so() {
    let server = Server::start(|_| {});
    let mut peer = server.associate();
    peer.send(&p_data(3, 3, &command(0x0020, CT, None, true)));
    peer.send(&p_data(3, 2, &[0; 300]));
    assert_eq!(peer.response().0, 0x0211, "C-FIND");
    peer.send(&p_data(3, 3, &command(0x0140, CT, Some("1.2.3"), false)));
    assert_eq!(peer.response().0, 0x0211, "N-CREATE");
    peer.send(&p_data(1, 3, &command(1, CT, Some("1.2.3"), true)));
    peer.send(&p_data(1, 2, &data_set("1.2.3", 10)));
    assert_eq!(peer.response().0, 0x0122, "C-STORE on the context of C-ECHO");
    peer.send(&p_data(3, 3, &command(1, CT, Some("1.2.3"), false)));
    assert_eq!(peer.response().0, 0xC000, "C-STORE without data set");
    peer.send(&p_data(3, 3, &command(0x0FFF, CT, None, false)));
    assert_eq!(peer.echo(), 0, "a C-CANCEL has no response");
    peer.release();
}

#[test]
fn contexts_are_accepted_one_by_one() {
    let server = Server::start(|_| {});
    let contexts = [
        presentation_context(1, VERIFICATION, &[IMPLICIT]),
        presentation_context(3, "1.2.840.10008.5.1.4.1.2.2.1", &[IMPLICIT]),
        presentation_context(5, "1.3.12.2.1107.5.9.1", &["1.2.840.10008.1.2.2", "1.2.840.113619.5.2"]),
        presentation_context(7, CT, &["1.2.840.10008.1.2.2"]),
        presentation_context(255, CT, &[]),
    ];
    let user = [
        item(0x51, &16_384_u32.to_be_bytes()),
        item(0x53, &[0, 0, 0, 0]),
        item(0x58, &[&[2, 1][..], &[0, 4], b"name", &[0, 4], b"pass"].concat()),
    ];
    let mut peer = server.connect();
    let answer = peer.request(&associate_request_of("TEST", "ANY", &contexts.concat(), &user.concat()));
    assert_eq!(answer[0], 2);
    assert_eq!(&answer[10..42], format!("{:<16}{:<16}", "ANY", "TEST").as_bytes());
    let mut results = Vec::new();
    let (mut at, mut user_items) = (74, Vec::new());
    while at < answer.len() {
        let length = usize::from(u16::from_be_bytes([answer[at + 2], answer[at + 3]]));
        let body = &answer[at + 4..at + 4 + length];
        match answer[at] {
            0x21 => results.push((body[0], body[2], String::from_utf8(body[8..].to_vec()).unwrap())),
            0x50 => user_items = body.to_vec(),
            _ => {}
        }
        at += 4 + length;
    }
    let results: Vec<_> = results.iter().map(|(id, reason, name)| (*id, *reason, name.as_str())).collect();
    let expected = [
        (1, 0, IMPLICIT),
        (3, 3, IMPLICIT),
        (5, 0, "1.2.840.113619.5.2"),
        (7, 0, "1.2.840.10008.1.2.2"),
        (255, 4, IMPLICIT),
    ];
    assert_eq!(results, expected);
    for item in [item(0x53, &[0, 1, 0, 1]), item(0x59, &[0, 0]), item(0x51, &131_072_u32.to_be_bytes())] {
        assert!(user_items.windows(item.len()).any(|w| w == item), "{item:?}");
    }
    peer.release();
}

#[test]
fn only_known_peers_may_associate_and_others_are_remembered() {
    let server = Server::start(|config| {
        config.accept = Accept::Known;
        config.ae_titles.push(AeTitle::parse("OLDPACS").unwrap());
        let known = |title: &str, address: &str| KnownPeer {
            ae_title: AeTitle::parse(title).unwrap(),
            address: PeerAddress::try_from(address.to_owned()).unwrap(),
            facility: FacilityId(0),
            patient_id_is: PatientIdIs::Patient,
        };
        config.peers = vec![known("CT1", "127.0.0.0/8"), known("FAR", "192.0.2.1")];
    });
    let ask = |calling: &str, called: &str| {
        let answer =
            server.connect().request(&associate_request(calling, called, &[(1, VERIFICATION, IMPLICIT)]));
        if answer[0] == 2 { [0, 0, 0] } else { [answer[7], answer[8], answer[9]] }
    };
    assert_eq!(ask("CT1", "PACS"), [0, 0, 0]);
    assert_eq!(ask("CT1", "OLDPACS"), [0, 0, 0]);
    assert_eq!(ask("CT1", "OTHER"), [1, 1, 7]);
    assert_eq!(ask("FAR", "PACS"), [1, 1, 3]);
    assert_eq!(ask("US\u{1b}[2J", "PACS"), [1, 1, 3]);
    let mut events = server.events.lock().unwrap().clone();
    events.retain(|event| event.contains("refused"));
    let expected = [
        "CT1 refused OTHER other_called",
        "FAR refused PACS other_address",
        "US\\u{1b}[2J refused PACS no_title",
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_stop_ends_resting_associations_and_the_port() {
    let server = Server::start(|_| {});
    let address = server.address;
    let mut resting: Vec<Peer> = (0..20).map(|_| server.associate()).collect();
    assert!(resting.iter_mut().all(|peer| peer.echo() == 0));
    let began = std::time::Instant::now();
    let drained = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| server.stop());
        for peer in resting {
            assert_eq!(peer.aborted(), [0, 0]);
        }
        stopped.join().unwrap()
    });
    assert_eq!(drained.cut, 0);
    assert!(began.elapsed() < Duration::from_secs(3), "took {:?}", began.elapsed());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_stop_lets_a_store_finish_and_answers_it() {
    let mut server = Server::start(|_| {});
    let (mut peer, mut resting) = (server.associate(), server.associate());
    let data = data_set("1.2.3.4", 100_000);
    begin_store(&mut peer, &data[..1000]);
    assert_eq!(resting.echo(), 0);
    server.begin_stop();
    assert_eq!(resting.aborted(), [0, 0]);
    peer.send(&p_data(3, 2, &data[1000..]));
    assert_eq!(peer.response().0, 0);
    assert_eq!(peer.aborted(), [0, 0]);
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let server = Server::start(|config| config.limits.drain_seconds = 1);
    let mut peer = server.associate();
    begin_store(&mut peer, &data_set("1.2.3.4", 1000)[..500]);
    let began = std::time::Instant::now();
    assert_eq!(server.stop().cut, 1);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!matches!(peer.receive().first(), Some(4)), "no response to half a data set");
}

/// Sends a C-ECHO and the start of a C-STORE in one write: once the first is answered, the second is under way.
fn begin_store(peer: &mut Peer, data: &[u8]) {
    let echo = p_data(1, 3, &command(0x30, VERIFICATION, None, false));
    let store = p_data(3, 3, &command(1, CT, Some("1.2.3.4"), true));
    peer.send(&[echo, store, p_data(3, 0, data)].concat());
    assert_eq!(peer.response().0, 0);
}
