//! Grey values: modality transform, VOI transform, polarity.

use std::num::NonZero;
use std::thread;

use super::{Modality, Presentation, Voi, VoiFunction, Window};
use crate::lut::Lut;
use crate::pixels::{Decoded, Photometric, Samples};

/// From how many values on several threads are worth their start.
const MANY: usize = 1 << 20;

/// A VOI transform that is in force.
enum Curve<'a> {
    Window(Window),
    Lut(&'a Lut),
}

/// From a stored value to 8 bits.
struct Tone<'a> {
    modality: &'a Modality,
    curve: Curve<'a>,
    white_is_least: bool,
}

impl Tone<'_> {
    fn byte(&self, stored: i64) -> u8 {
        let value = modality_value(self.modality, stored);
        let shown = match &self.curve {
            Curve::Window(window) => part(window, value) * 255.0,
            Curve::Lut(lut) => f64::from(lut.get(value.round() as i64)) * 255.0 / f64::from(lut.greatest()),
        };
        let byte = shown.clamp(0.0, 255.0).round() as u8;
        if self.white_is_least { 255 - byte } else { byte }
    }
}

fn modality_value(modality: &Modality, stored: i64) -> f64 {
    match modality {
        Modality::Identity => stored as f64,
        Modality::Rescale { slope, intercept } => stored as f64 * slope + intercept,
        Modality::Lut(lut) => f64::from(lut.get(stored)),
    }
}

/// Where `x` lies in the window, from 0 to 1 (PS3.3 C.11.2.1.2.1, C.11.2.1.3).
fn part(window: &Window, x: f64) -> f64 {
    let Window { center, width, function } = *window;
    match function {
        // A width of 1 is a threshold.
        VoiFunction::Linear if width <= 1.0 => f64::from(u8::from(x > center - 0.5)),
        VoiFunction::Linear => (x - (center - 0.5)) / (width - 1.0) + 0.5,
        VoiFunction::LinearExact => (x - center) / width + 0.5,
        VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - center) / width).exp()),
    }
    .clamp(0.0, 1.0)
}

/// The grey picture of monochrome samples; `window` takes the place of what the data set says.
pub(super) fn grey(decoded: &Decoded, presentation: &Presentation, window: Option<Window>) -> Vec<u8> {
    let usable = match &presentation.modality {
        Modality::Rescale { slope, intercept } => slope.is_finite() && intercept.is_finite() && *slope != 0.0,
        _ => true,
    };
    let modality = if usable { &presentation.modality } else { &Modality::Identity };
    let curve = match (window, &presentation.voi) {
        (Some(window), _) => Curve::Window(window),
        (None, Some(Voi::Window(window))) if window.is_valid() => Curve::Window(*window),
        (None, Some(Voi::Lut(lut))) => Curve::Lut(lut),
        _ => Curve::Window(spread(decoded, modality, presentation.padding)),
    };
    let white_is_least = decoded.photometric == Photometric::Monochrome1;
    map(decoded, &Tone { modality, curve, white_is_least })
}

/// The window over all values that are there; for small ones over all that could be.
fn spread(decoded: &Decoded, modality: &Modality, padding: Option<(i64, i64)>) -> Window {
    let range = match (&decoded.samples, modality) {
        (Samples::U8(_), Modality::Identity) => Some((0, (1i64 << decoded.bits) - 1)),
        (samples, _) => range(samples, padding),
    };
    let (low, high) = range.unwrap_or((0, 0));
    let ends = [low, high].map(|stored| modality_value(modality, stored));
    let (low, high) = match modality {
        Modality::Lut(lut) => (0.0, f64::from(lut.greatest())),
        _ => (ends[0].min(ends[1]), ends[0].max(ends[1])),
    };
    let function = VoiFunction::LinearExact;
    Window { center: f64::midpoint(low, high), width: (high - low).max(f64::MIN_POSITIVE), function }
}

/// Least and greatest value without padding.
fn range(samples: &Samples, padding: Option<(i64, i64)>) -> Option<(i64, i64)> {
    fn of<T: Copy + Ord + Into<i64>>(values: &[T], padding: Option<(i64, i64)>) -> Option<(i64, i64)> {
        let Some((one, other)) = padding else {
            return Some(((*values.iter().min()?).into(), (*values.iter().max()?).into()));
        };
        let (low, high) = (one.min(other), one.max(other));
        let counts = |v: &i64| *v < low || *v > high;
        values.iter().map(|v| (*v).into()).filter(counts).fold(None, |range, v: i64| {
            Some(range.map_or((v, v), |(least, greatest): (i64, i64)| (least.min(v), greatest.max(v))))
        })
    }
    match samples {
        Samples::U8(v) => of(v, padding),
        Samples::I8(v) => of(v, padding),
        Samples::U16(v) => of(v, padding),
        Samples::I16(v) => of(v, padding),
        Samples::U32(v) => of(v, padding),
        Samples::I32(v) => of(v, padding),
    }
}

/// Applies a tone: values of up to 16 bits through a table of those that can occur.
fn map(decoded: &Decoded, tone: &Tone<'_>) -> Vec<u8> {
    match &decoded.samples {
        Samples::U8(v) => {
            let table = table::<256>(decoded, tone);
            each(v, |v| table[usize::from(v)])
        }
        Samples::I8(v) => {
            let table = table::<256>(decoded, tone);
            each(v, |v| table[usize::from(v as u8)])
        }
        Samples::U16(v) => {
            let table = table::<65_536>(decoded, tone);
            each(v, |v| table[usize::from(v)])
        }
        Samples::I16(v) => {
            let table = table::<65_536>(decoded, tone);
            each(v, |v| table[usize::from(v as u16)])
        }
        Samples::U32(v) => each(v, |v| tone.byte(i64::from(v))),
        Samples::I32(v) => each(v, |v| tone.byte(i64::from(v))),
    }
}

/// `byte` of each value, by several threads when there are many.
fn each<T: Copy + Sync>(values: &[T], byte: impl Fn(T) -> u8 + Sync) -> Vec<u8> {
    let threads =
        if values.len() < MANY { 1 } else { thread::available_parallelism().map_or(1, NonZero::get) };
    if threads == 1 {
        return values.iter().map(|value| byte(*value)).collect();
    }
    let mut out = vec![0; values.len()];
    let part = values.len().div_ceil(threads.min(4));
    thread::scope(|scope| {
        for (values, out) in values.chunks(part).zip(out.chunks_mut(part)) {
            let byte = &byte;
            scope.spawn(move || {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = byte(*value);
                }
            });
        }
    });
    out
}

/// The bytes for all values of the samples' bits, by two's complement.
fn table<const N: usize>(decoded: &Decoded, tone: &Tone<'_>) -> Box<[u8; N]> {
    let mut table = Box::new([0; N]);
    let half = 1i64 << (decoded.bits - 1);
    let values = if decoded.samples.signed() { -half..half } else { 0..half * 2 };
    for value in values {
        if let Some(byte) = table.get_mut(value as usize & (N - 1)) {
            *byte = tone.byte(value);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(center: f64, width: f64, function: VoiFunction) -> Window {
        Window { center, width, function }
    }

    #[test]
    fn windows_as_the_standard_defines_them() {
        // The examples of PS3.3 C.11.2.1.2.1: c=2048, w=4096 spreads 0..4095; w=1 is a threshold.
        let whole = window(2048.0, 4096.0, VoiFunction::Linear);
        assert_eq!((part(&whole, 0.0), part(&whole, 4095.0)), (0.0, 1.0));
        let threshold = window(2048.0, 1.0, VoiFunction::Linear);
        assert_eq!((part(&threshold, 2047.0), part(&threshold, 2048.0)), (0.0, 1.0));
        let exact = window(127.0, 254.0, VoiFunction::LinearExact);
        assert_eq!((part(&exact, 0.0), part(&exact, 127.0), part(&exact, 254.0)), (0.0, 0.5, 1.0));
        let sigmoid = window(50.0, 100.0, VoiFunction::Sigmoid);
        assert_eq!(part(&sigmoid, 50.0), 0.5);
        assert!((part(&sigmoid, 100.0) - 0.880_797).abs() < 1e-6);
        assert!(!window(0.0, 0.5, VoiFunction::Linear).is_valid());
        assert!(!window(f64::NAN, 10.0, VoiFunction::Sigmoid).is_valid());
    }

    fn decoded(photometric: Photometric, bits: u32, samples: Samples) -> Decoded {
        Decoded { rows: 1, columns: samples.len() as u32, photometric, bits, samples }
    }

    #[test]
    fn values_are_spread_without_padding_and_turned_for_monochrome1() {
        let ct = decoded(Photometric::Monochrome2, 12, Samples::I16(vec![-2000, -1024, 0, 1024]));
        let presentation = Presentation { padding: Some((-2000, -2000)), ..Presentation::default() };
        assert_eq!(grey(&ct, &presentation, None), [0, 0, 128, 255]);
        let negative = Decoded { photometric: Photometric::Monochrome1, ..ct };
        assert_eq!(grey(&negative, &presentation, None), [255, 255, 127, 0]);
        let flat = decoded(Photometric::Monochrome2, 16, Samples::U16(vec![7; 3]));
        assert_eq!(grey(&flat, &Presentation::default(), None).len(), 3);
    }

    #[test]
    fn rescale_comes_before_the_window() {
        let ct = decoded(Photometric::Monochrome2, 16, Samples::U16(vec![0, 1024, 1424]));
        let presentation = Presentation {
            modality: Modality::Rescale { slope: 1.0, intercept: -1024.0 },
            voi: Some(Voi::Window(window(0.0, 800.0, VoiFunction::LinearExact))),
            ..Presentation::default()
        };
        assert_eq!(grey(&ct, &presentation, None), [0, 128, 255]);
        let asked = window(-1024.0, 2.0, VoiFunction::LinearExact);
        assert_eq!(grey(&ct, &presentation, Some(asked)), [128, 255, 255]);
    }

    #[test]
    fn tables_of_the_data_set_are_applied() {
        let voi = Some(Voi::Lut(Lut::new(3, 10, 16, &[0, 65_535, 0]).unwrap()));
        let modality = Modality::Lut(Lut::new(3, 0, 16, &[10, 11, 12]).unwrap());
        let image = decoded(Photometric::Monochrome2, 8, Samples::U8(vec![0, 1, 2, 3]));
        let presentation = Presentation { voi, modality, ..Presentation::default() };
        assert_eq!(grey(&image, &presentation, None), [0, 255, 0, 0]);
    }

    #[test]
    fn wide_values_do_not_need_a_table() {
        let dose = decoded(Photometric::Monochrome2, 32, Samples::U32(vec![0, u32::MAX / 2, u32::MAX]));
        assert_eq!(grey(&dose, &Presentation::default(), None), [0, 127, 255]);
    }
}
