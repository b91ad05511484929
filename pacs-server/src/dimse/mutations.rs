//! Mutated dialogues through the state machine: nothing a peer sends makes it panic, stall, grow, or depend on how
//! the bytes are cut. `MUTATIONS` sets how many, `MUTATION_SEED` repeats a run.

use dicom_ul::pdu::AssociationRQ;
use fixtures::mutate::Mutator;
use fixtures::pdu;
use fixtures::rng::Rng;
use storage_config::config::DimseLimits;

use super::association::{Association, Event, Step};
use super::command::Command;
use super::error::Violation;

const COUNT: u64 = 200_000;
const LONGEST: usize = 8192;

/// What a dialogue came to, independent of how its data sets were cut.
#[derive(Debug, PartialEq)]
enum Seen {
    Request(Box<AssociationRQ>),
    Command(u8, Command),
    Data { bytes: Vec<u8>, last: bool },
    Release,
    Abort([u8; 2]),
    Broken(Violation),
}

/// A dialogue with a bit of everything, association request included.
fn dialogue(rng: &mut Rng) -> Vec<u8> {
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    let contexts: Vec<pdu::Context> = (0..1 + rng.below(4) as u8)
        .map(|n| pdu::Context::new(2 * n + 1, CT, "1.2.840.10008.1.2.1"))
        .collect();
    let more = [
        pdu::item(0x52, b"1.2.3"),
        pdu::item(0x53, &[0, 0, 0, 0]),
        pdu::item(0x54, b"\0\x051.2.3\x01\0"),
        pdu::item(0x55, b"NAME"),
        pdu::item(0x56, b"\0\x051.2.3\x02\0\0\0\0\0"),
        pdu::item(0x57, b"\0\x011\0\x011\0\0"),
        pdu::item(0x58, b"\x01\x01\0\x02me\0\0"),
    ];
    let mut out = pdu::associate_rq("PACS", "CT1", &contexts, 16_384, &more.concat());
    for id in 0..rng.below(4) as u16 {
        let max_pdu = 40 + rng.index(400);
        if rng.one_in(3) {
            out.extend(pdu::message(1, true, &pdu::c_echo_rq(id), max_pdu));
        } else {
            let mut data = vec![0; rng.index(800)];
            rng.fill(&mut data);
            out.extend(pdu::c_store(1, id, CT, "1.2.3.4", &data, max_pdu));
        }
    }
    match rng.below(3) {
        0 => out.extend(pdu::release_rq()),
        1 => out.extend(pdu::abort(2, 6)),
        _ => {}
    }
    out
}

/// Feeds `bytes` in pieces of at most `piece` bytes, as a caller with a buffer does.
fn converse(bytes: &[u8], piece: usize) -> Vec<Seen> {
    let limits =
        DimseLimits { command_bytes: 512, pdu_bytes: 4096, associate_bytes: 4096, ..Default::default() };
    let mut association = Association::new(limits);
    let (mut seen, mut start, mut end) = (Vec::new(), 0, 0);
    for _ in 0..4 * bytes.len() + 16 {
        assert!(association.wanted() > 0);
        match association.step(&bytes[start..end]) {
            Err(violation) => {
                seen.push(Seen::Broken(violation));
                return seen;
            }
            Ok(Step { consumed, event }) => {
                start += consumed;
                assert!(start <= end, "more consumed than there was");
                match event {
                    None if end == bytes.len() => return seen,
                    None => end = (end + piece).min(bytes.len()),
                    Some(event) => {
                        note(event, &mut association, &mut seen);
                        if matches!(seen.last(), Some(Seen::Release | Seen::Abort(_))) {
                            return seen;
                        }
                    }
                }
            }
        }
    }
    panic!("no progress");
}

fn note(event: Event<'_>, association: &mut Association, seen: &mut Vec<Seen>) {
    let next = match event {
        Event::Request(request) => {
            association.establish(request.presentation_contexts.iter().map(|context| context.id));
            Seen::Request(request)
        }
        Event::Command { context, command } => Seen::Command(context, command),
        Event::Data { bytes: more, last: end } => match seen.last_mut() {
            Some(Seen::Data { bytes, last }) if !*last => {
                bytes.extend_from_slice(more);
                *last = end;
                return;
            }
            _ => Seen::Data { bytes: more.to_vec(), last: end },
        },
        Event::Release => Seen::Release,
        Event::Abort { reason } => Seen::Abort(reason),
    };
    seen.push(next);
}

/// The most memory this process ever had, in KiB; 0 where the system does not tell. Some kernels count per thread
/// and settle late, so that a later figure may be a little lower.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs in a process of its own, because other tests of this one use memory too.
#[test]
fn mutated_dialogues_neither_panic_nor_grow_and_cutting_makes_no_difference() {
    const ALONE: &str = "MUTATIONS_ALONE";
    const NAME: &str =
        "dimse::mutations::mutated_dialogues_neither_panic_nor_grow_and_cutting_makes_no_difference";
    if std::env::var_os(ALONE).is_some() {
        return converse_mutated();
    }
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let status = alone.args([NAME, "--exact", "--nocapture"]).env(ALONE, "1").status().unwrap();
    assert!(status.success(), "{status}");
}

fn converse_mutated() {
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let (count, seed) = (variable("MUTATIONS", COUNT), variable("MUTATION_SEED", clock));
    eprintln!("MUTATION_SEED={seed} MUTATIONS={count}");
    let inputs: Vec<Vec<u8>> = (0..200).map(|n| dialogue(&mut Rng::nth(seed, n))).collect();
    let mutator = Mutator::new(seed, &inputs, LONGEST);
    let mut bytes = Vec::with_capacity(2 * LONGEST);
    let (mut broken, mut peak) = (0, 0);
    for n in 0..count {
        mutator.nth(n, &mut bytes);
        let whole = converse(&bytes, bytes.len());
        let piece = 1 + (n % 50) as usize;
        assert_eq!(converse(&bytes, piece), whole, "MUTATION_SEED={seed}, input {n}, pieces of {piece}");
        broken += u64::from(matches!(whole.last(), Some(Seen::Broken(_))));
        if n == count / 10 {
            peak = peak_kib();
        }
    }
    eprintln!("{broken} of {count} broke the protocol");
    assert!(broken > count / 10 && broken < count, "{broken} of {count}");
    assert!(peak_kib().saturating_sub(peak) < 8 * 1024, "peak memory rose from {peak} to {} KiB", peak_kib());
}

#[test]
fn an_unchanged_dialogue_is_understood_to_its_end() {
    for n in 0..200 {
        let bytes = dialogue(&mut Rng::nth(1, n));
        let seen = converse(&bytes, bytes.len());
        assert!(matches!(seen[0], Seen::Request(_)), "dialogue {n}");
        assert!(!seen.iter().any(|seen| matches!(seen, Seen::Broken(_))), "dialogue {n}: {seen:?}");
    }
}
