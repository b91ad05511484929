//! A DIMSE server on a free port and a peer that talks to it over a raw socket, correctly or not.
//!
//! The peer writes its PDUs by hand, so that a test says exactly which bytes arrive.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod archive;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indexer::archive::Archive;
use indexer::db::FacilityId;
use pacs_server::dimse::{DimseConfig, DimseServer, Drained, PeerAction};
use storage_config::AeTitle;
use storage_config::config::{Accept, DimseLimits};

pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// A-ABORT source and reason: provider, invalid PDU parameter value.
pub const INVALID_PARAMETER: [u8; 2] = [2, 6];

/// A server, stopped when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub archive: Arc<Archive>,
    /// What was told of peers, one line each.
    pub events: Arc<Mutex<Vec<String>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
    _dir: tempfile::TempDir,
}

impl Server {
    /// Starts a server that takes anyone, after `change`.
    pub fn start(change: impl FnOnce(&mut DimseConfig)) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let archive = archive::open(dir.path());
        let mut config = DimseConfig {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ae_titles: vec![AeTitle::parse("PACS").unwrap()],
            accept: Accept::Anyone,
            peers: vec![],
            default_facility: FacilityId(0),
            limits: DimseLimits::default(),
        };
        change(&mut config);
        let events = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let (of_server, log) = (Arc::clone(&archive), Arc::clone(&events));
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let on_peer = move |event: pacs_server::dimse::PeerEvent<'_>| {
                    let what = match event.action {
                        PeerAction::Echo => "echo".to_owned(),
                        PeerAction::Store { bytes } => format!("store {bytes}"),
                        PeerAction::PerformedStep => "step".to_owned(),
                        PeerAction::Failure { status, comment } => format!("failure {status} {comment}"),
                        PeerAction::Broken { reason } => format!("broken {reason}"),
                        PeerAction::Refused { called, reason } => {
                            format!("refused {called} {}", reason.label())
                        }
                    };
                    log.lock().unwrap().push(format!("{} {what}", event.ae_title));
                };
                let server = DimseServer::bind(&config, of_server, Arc::new(on_peer)).unwrap();
                tell.send(server.addresses()[0]).unwrap();
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await
            })
        });
        let address = told.recv().unwrap();
        Server { address, archive, events, stop: Some(stop), thread: Some(thread), _dir: dir }
    }

    /// Tells the server to stop without waiting for it.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Stops the server in order.
    pub fn stop(mut self) -> Drained {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// An association for C-ECHO (context 1) and CT images in Explicit VR Little Endian (context 3).
    pub fn associate(&self) -> Peer {
        let mut peer = self.connect();
        let answer = peer.request(&associate_request(
            "TEST",
            "PACS",
            &[(1, VERIFICATION, IMPLICIT), (3, CT, EXPLICIT)],
        ));
        assert_eq!(answer[0], 2, "accepted: {answer:?}");
        peer
    }

    /// Whether another peer is served well within `most`.
    pub fn assert_serves(&self, most: Duration) {
        let began = Instant::now();
        let mut peer = self.associate();
        assert_eq!(peer.echo(), 0);
        assert_eq!(peer.store("1.2.3.99", &data_set("1.2.3.99", 2000)).0, 0);
        peer.release();
        assert!(began.elapsed() < most, "echo and store took {:?}", began.elapsed());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One side of a connection.
pub struct Peer {
    pub stream: TcpStream,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Peer { stream }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it said is still to be read.
        let _ = self.stream.write_all(bytes);
    }

    /// The next PDU, header included; empty at the end of the connection.
    pub fn receive(&mut self) -> Vec<u8> {
        let mut pdu = vec![0; 6];
        match self.stream.read_exact(&mut pdu) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("no answer: {e}")
            }
            Err(_) => return Vec::new(),
        }
        let length = u32::from_be_bytes(pdu[2..6].try_into().unwrap()) as usize;
        pdu.resize(6 + length, 0);
        self.stream.read_exact(&mut pdu[6..]).unwrap();
        pdu
    }

    pub fn request(&mut self, pdu: &[u8]) -> Vec<u8> {
        self.send(pdu);
        self.receive()
    }

    /// Expects an A-ABORT and the end of the connection, soon. Source and reason.
    pub fn aborted(mut self) -> [u8; 2] {
        let began = Instant::now();
        let pdu = self.receive();
        assert!(pdu.first() == Some(&7), "A-ABORT expected: {pdu:?}");
        assert!(self.receive().is_empty(), "the connection is still open");
        assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
        [pdu[8], pdu[9]]
    }

    pub fn echo(&mut self) -> u16 {
        self.send(&p_data(1, 3, &command(0x30, VERIFICATION, None, false)));
        self.response().0
    }

    /// Status and Error Comment.
    pub fn store(&mut self, sop_instance: &str, data_set: &[u8]) -> (u16, String) {
        self.send(&p_data(3, 3, &command(1, CT, Some(sop_instance), true)));
        for piece in data_set.chunks(16_000) {
            self.send(&p_data(3, 0, piece));
        }
        self.send(&p_data(3, 2, &[]));
        self.response()
    }

    /// Status and Error Comment of the next response.
    pub fn response(&mut self) -> (u16, String) {
        let pdu = self.receive();
        assert!(pdu.first() == Some(&4), "a response expected: {pdu:?}");
        assert_eq!(pdu[11], 3, "command, last");
        let elements = elements(&pdu[12..]);
        let find = |tag: u16| elements.iter().find(|(t, _)| *t == tag).map(|(_, v)| v.clone());
        let status = find(0x0900).unwrap();
        let comment = String::from_utf8(find(0x0902).unwrap_or_default()).unwrap();
        (u16::from_le_bytes([status[0], status[1]]), comment.trim_end().to_owned())
    }

    pub fn release(mut self) {
        let answer = self.request(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(answer, [6, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    }
}

/// The elements of a command set.
pub fn elements(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        found.push((u16::from_le_bytes([bytes[2], bytes[3]]), bytes[8..8 + length].to_vec()));
        bytes = &bytes[8 + length..];
    }
    found
}

/// A PDU of any type.
pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// An item with a 2-byte length.
pub fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// A-ASSOCIATE-RQ with one transfer syntax for each context.
pub fn associate_request(calling: &str, called: &str, contexts: &[(u8, &str, &str)]) -> Vec<u8> {
    let contexts: Vec<u8> =
        contexts.iter().flat_map(|(id, name, syntax)| presentation_context(*id, name, &[syntax])).collect();
    associate_request_of(calling, called, &contexts, &item(0x51, &16_384_u32.to_be_bytes()))
}

/// A-ASSOCIATE-RQ of given presentation context items and user items.
pub fn associate_request_of(calling: &str, called: &str, contexts: &[u8], user: &[u8]) -> Vec<u8> {
    let titles = format!("{called:<16}{calling:<16}");
    let (application, user) = (item(0x10, b"1.2.840.10008.3.1.1.1"), item(0x50, user));
    pdu(1, &[&[0, 1, 0, 0][..], titles.as_bytes(), &[0; 32], &application, contexts, &user].concat())
}

pub fn presentation_context(id: u8, name: &str, syntaxes: &[&str]) -> Vec<u8> {
    let mut body = [&[id, 0, 0, 0][..], &item(0x30, name.as_bytes())].concat();
    syntaxes.iter().for_each(|syntax| body.extend(item(0x40, syntax.as_bytes())));
    item(0x20, &body)
}

/// P-DATA-TF with one PDV; `header` is 1 for a command, 2 for the last fragment.
pub fn p_data(context: u8, header: u8, fragment: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fragment.len() + 2).unwrap().to_be_bytes();
    pdu(4, &[&length, &[context, header][..], fragment].concat())
}

/// A request's command set.
pub fn command(field: u16, sop_class: &str, sop_instance: Option<&str>, has_data_set: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut element = |tag: u16, value: &[u8]| {
        let length = u32::try_from(value.len().next_multiple_of(2)).unwrap().to_le_bytes();
        out.extend([&[0, 0][..], &tag.to_le_bytes(), &length, value].concat());
        out.extend(vec![0; value.len() % 2]);
    };
    element(0x0002, sop_class.as_bytes());
    element(0x0100, &field.to_le_bytes());
    element(0x0110, &[7, 0]);
    element(0x0800, if has_data_set { &[0, 0] } else { &[1, 1] });
    if let Some(uid) = sop_instance {
        element(0x1000, uid.as_bytes());
    }
    out
}

/// A small CT image in Explicit VR Little Endian with `pixels` bytes of Pixel Data.
pub fn data_set(sop_instance: &str, pixels: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut element = |group: u16, number: u16, vr: &str, value: &[u8]| {
        out.extend([&group.to_le_bytes()[..], &number.to_le_bytes(), vr.as_bytes()].concat());
        let length = value.len().next_multiple_of(2);
        if vr == "OW" {
            out.extend([0, 0]);
            out.extend(u32::try_from(length).unwrap().to_le_bytes());
        } else {
            out.extend(u16::try_from(length).unwrap().to_le_bytes());
        }
        out.extend(value);
        out.extend(vec![if vr == "UI" { 0 } else { b' ' }; length - value.len()]);
    };
    let short = |n: u16| n.to_le_bytes();
    element(0x0008, 0x0016, "UI", CT.as_bytes());
    element(0x0008, 0x0018, "UI", sop_instance.as_bytes());
    element(0x0008, 0x0020, "DA", b"20260102");
    element(0x0008, 0x0060, "CS", b"CT");
    element(0x0010, 0x0010, "PN", b"TEST^DIMSE");
    element(0x0010, 0x0020, "LO", b"DIMSE-1");
    element(0x0020, 0x000d, "UI", b"1.2.3.1");
    element(0x0020, 0x000e, "UI", b"1.2.3.2");
    element(0x0028, 0x0002, "US", &short(1));
    element(0x0028, 0x0004, "CS", b"MONOCHROME2");
    element(0x0028, 0x0010, "US", &short(1));
    element(0x0028, 0x0011, "US", &short(u16::try_from(pixels / 2 % 65_536).unwrap()));
    element(0x0028, 0x0100, "US", &short(16));
    element(0x0028, 0x0101, "US", &short(16));
    element(0x0028, 0x0102, "US", &short(15));
    element(0x0028, 0x0103, "US", &short(0));
    element(0x7fe0, 0x0010, "OW", &vec![7; pixels]);
    out
}

/// Resident memory of this process and the most it ever was, in KiB.
pub fn resident_kib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}
