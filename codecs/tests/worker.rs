//! The pool and its children. This test starts itself as its own worker, which a test harness would not allow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a test without a harness")]

use std::time::{Duration, Instant};

use codecs::decode::decode;
use codecs::render::{PictureFormat, Presentation, RenderRequest, Viewport, render};
use codecs::worker::{Limits, Pool, WorkerCommand, WorkerError, serve};
use codecs::{Frame, Photometric, PixelAttributes};
use fixtures::mutate::Mutator;

const LITTLE: &str = "1.2.840.10008.1.2.1";

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("decode-worker") => serve::serve().unwrap(),
        Some("hang") => std::thread::sleep(Duration::from_secs(60)),
        Some("exit") => {}
        Some("chatter") => println!("{}", "0123456789".repeat(10_000)),
        _ => run_all(),
    }
}

fn run_all() {
    let tests: [(&str, fn()); 7] = [
        ("a worker answers as the library does", a_worker_answers_as_the_library_does),
        ("limits hold at limit and limit + 1", limits_hold_at_limit_and_limit_plus_one),
        ("memory is limited and the next frame is decoded", memory_is_limited),
        ("workers that hang, end or babble", workers_that_misbehave),
        ("all busy", all_busy),
        ("idle workers end and are replaced", idle_workers_end),
        ("mutated frames harm nothing but a child", mutated_frames),
    ];
    for (name, test) in tests {
        let started = Instant::now();
        test();
        println!("test {name} ... ok ({:.1} s)", started.elapsed().as_secs_f64());
    }
}

fn pool_of(mode: &str, limits: Limits) -> Pool {
    Pool::new(WorkerCommand::this_program(&[mode]), limits)
}

fn grey(columns: u32, rows: u32, bits: u32) -> PixelAttributes {
    PixelAttributes {
        rows,
        columns,
        samples_per_pixel: 1,
        bits_allocated: bits.next_multiple_of(8).next_power_of_two(),
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        planar: false,
        photometric: Photometric::Monochrome2,
        palette: None,
    }
}

fn request(format: PictureFormat) -> RenderRequest {
    let viewport = Some(Viewport { columns: 40, rows: 40, part: None });
    RenderRequest { format, viewport, window: None }
}

fn ramp(columns: u32, rows: u32) -> Vec<u8> {
    (0..columns * rows).flat_map(|n| (n as u16).to_le_bytes()).collect()
}

fn small() -> Limits {
    Limits { workers: 2, time: Duration::from_secs(10), ..Limits::default() }
}

fn a_worker_answers_as_the_library_does() {
    let pool = pool_of("decode-worker", small());
    let (bytes, a) = (ramp(100, 80), grey(100, 80, 16));
    let frame = Frame::new(LITTLE, &bytes);
    assert_eq!(pool.decode(&frame, &a).unwrap(), decode(frame, &a, 1 << 20).unwrap());
    for format in [PictureFormat::Png, PictureFormat::Jpeg { quality: 90 }] {
        let (presentation, request) = (Presentation::default(), request(format));
        let picture = pool.render(&frame, &a, &presentation, &request).unwrap();
        assert_eq!(picture, render(frame, &a, &presentation, &request, 1 << 20).unwrap());
        assert_eq!((picture.columns, picture.rows), (40, 32));
    }
    let jpeg = Frame::new("1.2.840.10008.1.2.4.50", &[0xff, 0xd8]);
    assert!(matches!(pool.decode(&jpeg, &a), Err(WorkerError::Render(_))));
}

fn limits_hold_at_limit_and_limit_plus_one() {
    let limits = Limits { samples: 8_000, frame_bytes: 16_000, ..small() };
    let pool = pool_of("decode-worker", limits);
    let (mut bytes, a) = (ramp(100, 80), grey(100, 80, 16));
    assert!(pool.decode(&Frame::new(LITTLE, &bytes), &a).is_ok());
    assert!(pool.decode(&Frame::new(LITTLE, &bytes), &grey(8_001, 1, 8)).is_err());
    bytes.push(0);
    let result = pool.decode(&Frame::new(LITTLE, &bytes), &a);
    assert!(matches!(result, Err(WorkerError::TooLarge { bytes: 16_001, limit: 16_000 })));
}

fn memory_is_limited() {
    // 64 MiB of samples and as much for the frame do not fit.
    let limits = Limits { memory_bytes: 100 << 20, workers: 1, ..small() };
    let pool = pool_of("decode-worker", limits);
    let large = ramp(8_192, 4_096);
    let result = pool.decode(&Frame::new(LITTLE, &large), &grey(8_192, 4_096, 16));
    assert!(matches!(result, Err(WorkerError::Died)), "{result:?}");
    let bytes = ramp(100, 80);
    assert!(pool.decode(&Frame::new(LITTLE, &bytes), &grey(100, 80, 16)).is_ok());
    let roomy = pool_of("decode-worker", small());
    assert!(roomy.decode(&Frame::new(LITTLE, &large), &grey(8_192, 4_096, 16)).is_ok());
}

fn workers_that_misbehave() {
    let bytes = vec![0; 4 << 20];
    let frame = Frame::new(LITTLE, &bytes);
    let a = grey(2048, 2048, 8);
    let time = Duration::from_millis(300);
    let started = Instant::now();
    let result = pool_of("hang", Limits { time, ..small() }).decode(&frame, &a);
    assert!(matches!(result, Err(WorkerError::TimedOut)), "{result:?}");
    assert!((time..time * 10).contains(&started.elapsed()));
    let result = pool_of("exit", small()).decode(&frame, &a);
    assert!(matches!(result, Err(WorkerError::Died | WorkerError::Start(_))), "{result:?}");
    let result = pool_of("chatter", small()).decode(&frame, &a);
    assert!(matches!(result, Err(WorkerError::Died | WorkerError::Start(_))), "{result:?}");
    let nothing = WorkerCommand { program: "/nonexistent".into(), ..WorkerCommand::this_program(&[]) };
    let result = Pool::new(nothing, small()).decode(&frame, &a);
    assert!(matches!(result, Err(WorkerError::Start(_))), "{result:?}");
}

fn all_busy() {
    let queue = Duration::from_millis(100);
    let time = Duration::from_secs(2);
    let pool = pool_of("hang", Limits { workers: 1, queue, time, ..small() });
    let bytes = ramp(100, 80);
    std::thread::scope(|scope| {
        let asked = || pool.decode(&Frame::new(LITTLE, &bytes), &grey(100, 80, 16));
        let callers: Vec<_> = (0..3).map(|_| scope.spawn(asked)).collect();
        let results: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        let busy = results.iter().filter(|r| matches!(r, Err(WorkerError::Busy))).count();
        assert_eq!(busy, 2, "{results:?}");
    });
}

fn idle_workers_end() {
    let idle = Duration::from_millis(200);
    let pool = pool_of("decode-worker", Limits { workers: 1, idle, ..small() });
    let bytes = ramp(100, 80);
    for _ in 0..5 {
        pool.decode(&Frame::new(LITTLE, &bytes), &grey(100, 80, 16)).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    for pause in [110, 190, 200, 210, 400] {
        std::thread::sleep(Duration::from_millis(pause));
        pool.decode(&Frame::new(LITTLE, &bytes), &grey(100, 80, 16)).unwrap();
    }
}

/// Good frames to wound: those of `tests/vectors` and the attributes they go with.
fn frames() -> Vec<(&'static str, Vec<u8>, PixelAttributes)> {
    let rgb = PixelAttributes { samples_per_pixel: 3, photometric: Photometric::Rgb, ..grey(40, 33, 8) };
    let ybr = PixelAttributes { photometric: Photometric::YbrFull422, ..rgb.clone() };
    let signed = PixelAttributes { signed: true, ..grey(40, 33, 16) };
    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!("vectors/", $name, ".bin")).to_vec()
        };
    }
    vec![
        ("1.2.840.10008.1.2.4.70", vector!("lossless-signed-16"), signed.clone()),
        ("1.2.840.10008.1.2.4.57", vector!("lossless-12"), grey(40, 33, 12)),
        ("1.2.840.10008.1.2.4.70", vector!("lossless-rgb"), rgb.clone()),
        ("1.2.840.10008.1.2.4.51", vector!("extended-12"), grey(40, 33, 12)),
        ("1.2.840.10008.1.2.4.50", vector!("baseline-ybr"), ybr),
        ("1.2.840.10008.1.2.4.80", vector!("ls-signed-16"), signed.clone()),
        ("1.2.840.10008.1.2.4.80", vector!("ls-rgb"), rgb.clone()),
        ("1.2.840.10008.1.2.4.90", vector!("j2k-signed-16"), signed),
        ("1.2.840.10008.1.2.4.201", vector!("j2k-12"), grey(40, 33, 12)),
        ("1.2.840.10008.1.2.4.90", vector!("j2k-rgb"), rgb.clone()),
        ("1.2.840.10008.1.2.5", vector!("rle-rgb"), rgb),
        ("1.2.840.10008.1.2.5", vector!("rle-32"), grey(40, 33, 32)),
    ]
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn mutated_frames() {
    let frames = frames();
    let pool = pool_of("decode-worker", Limits { workers: 1, time: Duration::from_secs(5), ..small() });
    for (syntax, bytes, attributes) in &frames {
        pool.decode(&Frame::new(syntax, bytes), attributes).unwrap();
    }
    let minutes: u64 = std::env::var("SOAK_MINUTES").ok().and_then(|m| m.parse().ok()).unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(minutes * 60).max(Duration::from_secs(8));
    let before = resident_bytes();
    let (mut decoded, mut refused, mut died, mut late) = (0, 0, 0, 0);
    let mut bytes = Vec::new();
    for n in 0.. {
        if Instant::now() > end {
            break;
        }
        let (syntax, good, attributes) = &frames[n as usize % frames.len()];
        let inputs = [good.clone()];
        Mutator::new(11, &inputs, 4_096).nth(n, &mut bytes);
        match pool.decode(&Frame::new(syntax, &bytes), attributes) {
            Ok(_) => decoded += 1,
            Err(WorkerError::Render(_)) => refused += 1,
            Err(error @ (WorkerError::Died | WorkerError::TimedOut)) => {
                eprintln!("mutation {n} of seed 11, {syntax}: {error}");
                died += u32::from(matches!(error, WorkerError::Died));
                late += u32::from(matches!(error, WorkerError::TimedOut));
            }
            Err(error) => panic!("mutation {n} of seed 11, {syntax}: {error}"),
        }
    }
    println!("{decoded} decoded, {refused} refused, {died} killed their worker, {late} took too long");
    assert!(resident_bytes() < before + (64 << 20));
    for (syntax, bytes, attributes) in &frames {
        pool.decode(&Frame::new(syntax, bytes), attributes).unwrap();
    }
}
