//! Clients and servers over real sockets in temporary folders.

use indexer::archive::VerifyJob;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use super::protocol::REQUEST_BYTES;
use super::server::Handler;
use super::*;
use crate::import::{Cancel, ImportJob};

const PATIENCE: Duration = Duration::from_secs(30);

fn job() -> Request {
    let paths = vec!["/media/disc".into()];
    let (facility, issuer) = (Some("79001".to_owned()), Some("BV".to_owned()));
    Request::Import(ImportJob {
        paths,
        dry_run: false,
        facility,
        issuer,
        source: None,
        threads: None,
        resume: true,
        patient: None,
        who: None,
    })
}

/// A server that does `handler`.
fn server(
    dir: &Path,
    handler: impl Fn(&Request, &Talk) -> Result<Value, Failure> + Send + Sync + 'static,
) -> Server {
    let handler: Handler = Arc::new(handler);
    Server::with_handler(dir, handler).unwrap()
}

fn ask(dir: &Path, request: &Request) -> Result<Value, ControlError> {
    connect(dir).unwrap().run(request, &Cancel::new(), &mut |_: Value| {})
}

/// Waits until the cancel flag is set.
fn until_cancelled(talk: &Talk) {
    while !talk.cancel().is_set() {
        std::thread::yield_now();
    }
}

#[test]
fn a_job_is_handed_over_with_its_events_and_its_result() {
    let dir = tempfile::tempdir().unwrap();
    assert!(connect(dir.path()).is_none(), "no server");
    let server = server(dir.path(), |request, talk| {
        assert_eq!(request, &job());
        (0..100).for_each(|n| talk.event(&json!({ "n": n, "text": "line\nbreak" })));
        Ok(json!({ "stored": 7 }))
    });
    let mode = std::fs::metadata(dir.path().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    let mut events = Vec::new();
    let client = connect(dir.path()).unwrap();
    let result: Value = client.run(&job(), &Cancel::new(), &mut |event: Value| events.push(event)).unwrap();
    assert_eq!(result, json!({ "stored": 7 }));
    assert_eq!(events.len(), 100);
    assert_eq!(events[99]["n"], 99);
    drop(server);
    assert!(connect(dir.path()).is_none(), "stopped");
}

#[test]
fn a_folder_with_a_long_path_and_a_socket_of_a_dead_process_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("n".repeat(120)).join("m".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    for _ in 0..2 {
        // Neither this one is removed when it is dropped, nor the folder a dying process leaves behind.
        drop(socket::listen(&deep).unwrap());
        assert!(deep.join("control.sock").exists());
        assert!(connect(&deep).is_none());
        std::fs::create_dir(deep.join(".control")).unwrap();
        std::fs::write(deep.join(".control/control.sock"), "").unwrap();
    }
    let _server = server(&deep, |_, _| Ok(json!(1)));
    assert_eq!(ask(&deep, &Request::Status).unwrap(), json!(1));
}

#[test]
fn hanging_up_stops_nothing_and_a_cancel_does() {
    let dir = tempfile::tempdir().unwrap();
    let (began, begun) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let _server = server(dir.path(), move |request, talk| {
        began.send(()).unwrap();
        if matches!(request, Request::Verify(_)) {
            until_cancelled(talk);
        } else {
            may_go_on.lock().unwrap().recv().unwrap();
            (0..10_000).for_each(|n| talk.event(&n));
        }
        ended.send(talk.cancel().is_set()).unwrap();
        Ok(json!("result"))
    });
    let mut stream = UnixStream::connect(dir.path().join("control.sock")).unwrap();
    stream.write_all(b"\"rebuild\"\n").unwrap();
    begun.recv_timeout(PATIENCE).unwrap();
    drop(stream);
    go_on.send(()).unwrap();
    assert!(!end.recv_timeout(PATIENCE).unwrap(), "it ran to its end, not cancelled");

    let cancel = Cancel::new();
    let (client, wanted) = (connect(dir.path()).unwrap(), cancel.clone());
    let asking = std::thread::spawn(move || {
        client.run(&Request::Verify(VerifyJob::default()), &wanted, &mut |_: Value| {})
    });
    begun.recv_timeout(PATIENCE).unwrap();
    cancel.set();
    assert!(end.recv_timeout(PATIENCE).unwrap());
    let result: Result<Value, ControlError> = asking.join().unwrap();
    assert_eq!(result.unwrap(), json!("result"), "the result of what was done is told");
}

#[test]
fn one_job_of_a_kind_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (began, begun) = mpsc::channel();
    let server = server(dir.path(), move |request, talk| {
        if matches!(request, Request::Import(_)) {
            began.send(()).unwrap();
            until_cancelled(talk);
        }
        Ok(json!(talk.jobs()))
    });
    let client = connect(dir.path()).unwrap();
    let asking = std::thread::spawn(move || client.run::<Value, Value>(&job(), &Cancel::new(), &mut |_| {}));
    begun.recv_timeout(PATIENCE).unwrap();
    let busy = ask(dir.path(), &job()).unwrap_err();
    assert!(matches!(&busy, ControlError::Failed(f) if f.kind == FailureKind::Busy), "{busy}");
    assert_eq!(
        ask(dir.path(), &Request::Verify(VerifyJob::default())).unwrap(),
        json!(["import"]),
        "another kind may run"
    );
    assert_eq!(ask(dir.path(), &Request::Status).unwrap(), json!(["import"]));
    server.stop();
    assert_eq!(asking.join().unwrap().unwrap(), json!([]), "stopping the server stops the job politely");
}

#[test]
fn a_job_that_panics_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let calls = AtomicU32::new(0);
    let _server = server(dir.path(), move |_, _| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "as this test wants it");
        Ok(json!("well"))
    });
    assert!(matches!(ask(dir.path(), &job()), Err(ControlError::Gone)));
    assert_eq!(ask(dir.path(), &job()).unwrap(), json!("well"), "the kind is free again");
}

#[test]
fn requests_are_bounded_and_understood_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _server = server(dir.path(), |_, _| Ok(json!("done")));
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(dir.path().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may hang up before it has read all.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        answer
    };
    for wrong in ["\n", "{}\n", "\"format\"\n", "{\"import\":{\"paths\":[\"/a\"],\"evil\":1}}\n", "\u{0}\n"] {
        assert!(say(wrong.as_bytes()).contains("\"kind\":\"request\""), "{wrong}");
    }
    assert!(say(b"\"status\"\n").contains("{\"end\":{\"done\":\"done\"}}"));
    let mut long = vec![b' '; REQUEST_BYTES];
    long.extend_from_slice(b"\"status\"\n");
    assert!(!say(&long).contains("done\""), "one byte over the limit and more");
    let just = [vec![b' '; REQUEST_BYTES - 8], b"\"status\"\n".to_vec()].concat();
    assert!(say(&just).contains("\"done\""));
    assert_eq!(ask(dir.path(), &Request::Status).unwrap(), json!("done"));
}

#[test]
fn stopping_does_not_wait_for_who_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), |_, _| Ok(json!(1)));
    let silent: Vec<UnixStream> =
        (0..3).map(|_| UnixStream::connect(dir.path().join("control.sock")).unwrap()).collect();
    assert_eq!(ask(dir.path(), &Request::Status).unwrap(), json!(1));
    let started = std::time::Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(8), "not until their time to ask is over");
    drop(silent);
}

#[test]
fn too_many_clients_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let _server = server(dir.path(), |_, _| Ok(json!(1)));
    let silent: Vec<UnixStream> =
        (0..16).map(|_| UnixStream::connect(dir.path().join("control.sock")).unwrap()).collect();
    let busy = ask(dir.path(), &Request::Status).unwrap_err();
    assert!(matches!(&busy, ControlError::Failed(f) if f.kind == FailureKind::Busy), "{busy}");
    drop(silent);
}
