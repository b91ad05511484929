//! The server's own program as a worker: its allocator and its command line leave decoding enough room.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use codecs::render::{PictureFormat, Presentation, RenderRequest};
use codecs::worker::{Limits, Pool, WorkerCommand};
use codecs::{Frame, Photometric, PixelAttributes};

#[test]
fn frames_up_to_the_limit_are_rendered_by_the_same_pool() {
    let program = env!("CARGO_BIN_EXE_pacs-server").into();
    let command = WorkerCommand { program, ..pacs_server::decode_worker::command() };
    let pool = Pool::new(command, Limits { workers: 1, ..Limits::default() });
    let side_max = (pool.limits().samples as f64).sqrt() as u32;
    let request = RenderRequest { format: PictureFormat::Jpeg { quality: 80 }, viewport: None, window: None };
    for side in [64, side_max, 512, side_max, 3_000] {
        let bytes = vec![7; side as usize * side as usize * 2];
        let attributes = PixelAttributes {
            rows: side,
            columns: side,
            samples_per_pixel: 1,
            bits_allocated: 16,
            bits_stored: 16,
            high_bit: 15,
            signed: false,
            planar: false,
            photometric: Photometric::Monochrome2,
            palette: None,
        };
        let frame = Frame::new("1.2.840.10008.1.2.1", &bytes);
        let picture = pool.render(&frame, &attributes, &Presentation::default(), &request).unwrap();
        assert_eq!((picture.columns, picture.rows), (side, side));
    }
}
