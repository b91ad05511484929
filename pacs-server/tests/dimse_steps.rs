//! Performed procedure steps over a raw socket (PS3.4 F.7, PS3.7 10.1): what each message is answered with, byte for byte,
//! and what hostile ones come to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dimse_peer;

use std::time::Duration;

use dimse_peer::*;
use fixtures::pdu::{n_create_rq, n_set_rq};
use fixtures::steps::{self, PERFORMED_STEP, begun, now, series};
use fixtures::writer::{DataSet, Syntax};
use indexer::statement::{Kind, State, StepStatus};

const NAME: &str = "1.2.826.7.1";
const SYNTAX: Syntax = Syntax::IMPLICIT_LITTLE;

/// An association for steps (context 5), C-ECHO (1) and CT images (3).
fn associate(server: &Server) -> Peer {
    let mut peer = server.connect();
    let contexts = [(1, VERIFICATION, IMPLICIT), (3, CT, EXPLICIT), (5, PERFORMED_STEP, IMPLICIT)];
    let answer = peer.request(&associate_request("CT1", "PACS", &contexts));
    assert_eq!(answer[0], 2, "accepted: {answer:?}");
    peer
}

/// Status, Error Comment, Error ID and Affected SOP Instance UID.
type Told = (u16, String, Option<u16>, Option<String>);

fn told(peer: &mut Peer) -> Told {
    let pdu = peer.receive();
    assert!(pdu.first() == Some(&4), "a response expected: {pdu:?}");
    let elements = elements(&pdu[12..]);
    let find = |tag: u16| elements.iter().find(|(t, _)| *t == tag).map(|(_, v)| v.clone());
    let number = |tag| find(tag).map(|v| u16::from_le_bytes(v.try_into().unwrap()));
    let text =
        |tag| find(tag).map(|v| String::from_utf8(v).unwrap().trim_end_matches([' ', '\0']).to_owned());
    (number(0x0900).unwrap(), text(0x0902).unwrap_or_default(), number(0x0903), text(0x1000))
}

fn send(peer: &mut Peer, command: &[u8], data_set: &[u8]) -> Told {
    peer.send(&p_data(5, 3, command));
    for piece in data_set.chunks(16_000) {
        peer.send(&p_data(5, 0, piece));
    }
    peer.send(&p_data(5, 2, &[]));
    told(peer)
}

fn create(peer: &mut Peer, name: Option<&str>, set: &DataSet) -> Told {
    send(peer, &n_create_rq(1, PERFORMED_STEP, name), &set.encode(SYNTAX))
}

fn change(peer: &mut Peer, name: &str, set: &DataSet) -> Told {
    send(peer, &n_set_rq(2, PERFORMED_STEP, name), &set.encode(SYNTAX))
}

fn status_of(server: &Server, name: &str) -> Option<StepStatus> {
    let row = server.archive.db().subject(Kind::PerformedStep, name).unwrap()?;
    match row.current?.state {
        State::PerformedStep(step) => Some(step.status),
        _ => None,
    }
}

#[test]
fn a_step_from_its_begin_to_its_end() {
    let server = Server::start(|_| {});
    let mut peer = associate(&server);
    let good = |name: &str| (0, String::new(), None, Some(name.to_owned()));
    assert_eq!(change(&mut peer, NAME, &now("COMPLETED", vec![])).0, 0x0112);
    assert_eq!(create(&mut peer, Some(NAME), &begun(&["1.2.3"], "A-1")), good(NAME));
    assert_eq!(create(&mut peer, Some(NAME), &begun(&["1.2.3"], "A-1")).0, 0x0111);
    assert_eq!(status_of(&server, NAME), Some(StepStatus::InProgress), "durable before the answer");
    let made = vec![series("1.2.3.1", &["1.2.4.1"])];
    assert_eq!(change(&mut peer, NAME, &now("IN PROGRESS", made)), good(NAME));
    assert_eq!(change(&mut peer, NAME, &now("COMPLETED", vec![])), good(NAME));
    assert_eq!(status_of(&server, NAME), Some(StepStatus::Completed));
    let closed = "Performed Procedure Step Object may no longer be updated".to_owned();
    for status in ["IN PROGRESS", "DISCONTINUED"] {
        let told = change(&mut peer, NAME, &now(status, vec![]));
        assert_eq!(told, (0x0110, closed.clone(), Some(0xA710), Some(NAME.to_owned())));
    }
    let (status, _, _, given) = create(&mut peer, None, &begun(&["1.2.3"], ""));
    let given = given.unwrap();
    assert!(status == 0 && given.starts_with("2.25."), "{given}");
    assert_eq!(change(&mut peer, &given, &now("DISCONTINUED", vec![])), good(&given));
    assert_eq!(peer.echo(), 0);
    peer.release();
    let steps = server.events.lock().unwrap().iter().filter(|event| *event == "CT1 step").count();
    assert_eq!(steps, 5);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let server = Server::start(|_| {});
    let mut peer = associate(&server);
    let without = |attribute| {
        let mut set = begun(&["1.2.3"], "");
        set.remove(attribute);
        set
    };
    let (status, comment, ..) = create(&mut peer, Some(NAME), &without(steps::STATUS));
    assert_eq!((status, comment.as_str()), (0x0120, "PerformedProcedureStepStatus (0040,0252) is missing"));
    let (status, comment, ..) = create(&mut peer, Some(NAME), &without(steps::SCHEDULED));
    assert_eq!(
        (status, comment.as_str()),
        (0x0120, "ScheduledStepAttributesSequence (0040,0270) is missing")
    );
    let mut done = begun(&["1.2.3"], "");
    done.put(steps::STATUS, "COMPLETED");
    let (status, comment, ..) = create(&mut peer, Some(NAME), &done);
    assert_eq!((status, comment.as_str()), (0x0106, "PerformedProcedureStepStatus (0040,0252) is invalid"));
    assert_eq!(create(&mut peer, Some(NAME), &begun(&["1.2.x"], "")).0, 0x0106);
    // No data set, no name, another SOP class, another operation.
    let mut alone = n_create_rq(1, PERFORMED_STEP, Some(NAME));
    let at = alone.windows(8).position(|window| window == [0, 0, 0, 8, 2, 0, 0, 0]).unwrap();
    alone[at + 8..at + 10].copy_from_slice(&[1, 1]);
    peer.send(&p_data(5, 3, &alone));
    assert_eq!(told(&mut peer).0, 0x0120);
    let set = begun(&["1.2.3"], "").encode(SYNTAX);
    assert_eq!(send(&mut peer, &n_create_rq(1, PERFORMED_STEP, Some("1/2")), &set).0, 0x0117);
    assert_eq!(send(&mut peer, &n_set_rq(1, PERFORMED_STEP, ""), &set).0, 0x0117);
    assert_eq!(send(&mut peer, &n_create_rq(1, CT, Some(NAME)), &set).0, 0x0118);
    assert_eq!(send(&mut peer, &command(0x0150, PERFORMED_STEP, Some(NAME), true), &set).0, 0x0211);
    assert_eq!(send(&mut peer, &command(0x0001, PERFORMED_STEP, Some(NAME), true), &set).0, 0x0122);
    // N-CREATE where pictures are stored.
    peer.send(&p_data(3, 3, &n_create_rq(1, PERFORMED_STEP, Some(NAME))));
    peer.send(&p_data(3, 2, &set));
    assert_eq!(told(&mut peer).0, 0x0211);
    assert_eq!(status_of(&server, NAME), None, "nothing of it was kept");
    assert_eq!(create(&mut peer, Some(NAME), &begun(&["1.2.3"], "")).0, 0, "and the association goes on");
    peer.release();
}

#[test]
fn hostile_attributes_are_refused_and_harm_nobody() {
    let server = Server::start(|_| {});
    let mut peer = associate(&server);
    let good = begun(&["1.2.3"], "").encode(SYNTAX);
    let mut seed = fixtures::rng::Rng::new(11);
    let before = resident_kib().0;
    // Cut, lengths that lie, noise, and far more than a step may have.
    let mut hostile = vec![good[..good.len() - 5].to_vec(), Vec::new(), vec![0xff; 100_000]];
    for _ in 0..200 {
        let mut bytes = good.clone();
        let at = seed.index(bytes.len() - 4);
        bytes[at..at + 4].copy_from_slice(&seed.next_u64().to_le_bytes()[..4]);
        hostile.push(bytes);
    }
    // An item of a sequence that is nested 60,000 times.
    let nested: Vec<u8> =
        [[0x40, 0, 0x70, 0x02, 0xff, 0xff, 0xff, 0xff], [0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]]
            .concat();
    hostile.push(nested.repeat(60_000));
    for bytes in hostile {
        let (status, comment, ..) = send(&mut peer, &n_create_rq(1, PERFORMED_STEP, None), &bytes);
        // A change of a byte may leave a step that can be told.
        assert!(
            [0, 0x0106, 0x0110, 0x0120, 0x0121, 0x0213].contains(&status),
            "{status:04x} {comment}: {bytes:02x?}"
        );
    }
    // Much more than the limit is read and dropped.
    let huge = [&good[..], &[0x41, 0, 1, 0x10, 0, 0, 0, 4][..], &vec![7; 64 << 20]].concat();
    let (status, comment, ..) = send(&mut peer, &n_create_rq(1, PERFORMED_STEP, Some(NAME)), &huge);
    assert_eq!((status, comment.as_str()), (0x0213, "more than 8388608 bytes"));
    assert_eq!(status_of(&server, NAME), None);
    let grown = resident_kib().0.saturating_sub(before);
    // The test itself holds the bytes twice.
    assert!(grown < 220 * 1024, "{grown} KiB");
    assert_eq!(peer.echo(), 0);
    server.assert_serves(Duration::from_secs(5));
    peer.release();
}
