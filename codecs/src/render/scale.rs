//! Scaling by a cubic filter that widens with the reduction, so that nothing is skipped.

use super::{Canvas, Geometry};

/// One output sample: the first input sample it is made of, and the weights, of which 1 is `ONE`.
struct Taps {
    first: usize,
    weights: Vec<i16>,
}

/// The weight 1. Sums of weights and samples stay below 2^31.
const ONE: i32 = 1 << 14;

/// Fraction bits of a line between the two passes: samples and what the filter overshoots fit into 16 bits.
const FRACTION: u32 = 6;

/// The picture of the part of `canvas` that `geometry` shows.
pub(super) fn scale(canvas: Canvas, geometry: &Geometry) -> Canvas {
    let whole = geometry.left == 0.0
        && geometry.top == 0.0
        && (geometry.width, geometry.height) == (f64::from(canvas.columns), f64::from(canvas.rows));
    let same = whole && (geometry.columns, geometry.rows) == (canvas.columns, canvas.rows);
    let mut scaled = if same { canvas } else { resample(&canvas, geometry) };
    let channels = scaled.channels as usize;
    let stride = scaled.columns as usize * channels;
    if geometry.mirrored {
        for row in scaled.pixels.chunks_exact_mut(stride) {
            row.reverse();
            for pixel in row.chunks_exact_mut(channels) {
                pixel.reverse();
            }
        }
    }
    if geometry.upended {
        scaled.pixels = scaled.pixels.chunks_exact(stride).rev().flatten().copied().collect();
    }
    scaled
}

fn resample(canvas: &Canvas, geometry: &Geometry) -> Canvas {
    let (left, top) = (geometry.left, geometry.top);
    if let (0.0, 0.0, Some(x), Some(y)) = (
        left,
        top,
        whole_times(canvas.columns, geometry.width, geometry.columns),
        whole_times(canvas.rows, geometry.height, geometry.rows),
    ) {
        return average(canvas, x, y);
    }
    // What is reduced much is averaged by whole pixels first, down to twice the size wanted or more.
    let times = |part: f64, wanted: u32| ((part / f64::from(wanted) / 2.0) as usize).clamp(1, 255);
    let (x, y) = (times(geometry.width, geometry.columns), times(geometry.height, geometry.rows));
    if x.max(y) > 1 {
        let smaller = average(canvas, x, y);
        return filter(&smaller, &geometry.divided((x as f64, y as f64)));
    }
    filter(canvas, geometry)
}

/// How many whole pixels become one, if all pixels are shown and it is a whole number: half of the size, a quarter.
fn whole_times(available: u32, part: f64, wanted: u32) -> Option<usize> {
    let times = available / wanted;
    (f64::from(available) == part && times * wanted == available && (1..=255).contains(&times))
        .then_some(times as usize)
}

/// The averages of blocks of `x` x `y` pixels; at the right and lower edge the blocks hold fewer.
fn average(canvas: &Canvas, x: usize, y: usize) -> Canvas {
    let channels = canvas.channels as usize;
    let stride = canvas.columns as usize * channels;
    let columns = (canvas.columns as usize).div_ceil(x);
    let mut pixels = Vec::with_capacity(columns * channels * (canvas.rows as usize).div_ceil(y));
    let mut line = vec![0u16; stride];
    for rows in canvas.pixels.chunks(stride * y) {
        line.fill(0);
        // At most 255 lines, so that 16 bits hold the sum.
        for row in rows.chunks_exact(stride) {
            for (sum, sample) in line.iter_mut().zip(row) {
                *sum += u16::from(*sample);
            }
        }
        for block in line.chunks(x * channels) {
            let count = (block.len() / channels * (rows.len() / stride)) as u32;
            for channel in 0..channels {
                let sum: u32 = block.iter().skip(channel).step_by(channels).map(|sum| u32::from(*sum)).sum();
                pixels.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    let rows = pixels.len() / (columns * channels);
    Canvas { columns: columns as u32, rows: rows as u32, channels: canvas.channels, pixels }
}

fn filter(canvas: &Canvas, geometry: &Geometry) -> Canvas {
    let channels = canvas.channels as usize;
    let stride = canvas.columns as usize * channels;
    let across = taps(geometry.left, geometry.width, geometry.columns, canvas.columns);
    let down = taps(geometry.top, geometry.height, geometry.rows, canvas.rows);
    let mut pixels = Vec::with_capacity(geometry.columns as usize * channels * geometry.rows as usize);
    let mut sums = vec![0i32; stride];
    let mut line = vec![0i16; stride];
    for taps in &down {
        // Down first: whole lines are added up, which the compiler turns into wide instructions.
        sums.fill(1 << (13 - FRACTION));
        for (n, weight) in taps.weights.iter().enumerate() {
            let row = canvas.pixels.get((taps.first + n) * stride..).unwrap_or(&[]);
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += i32::from(*weight) * i32::from(*sample);
            }
        }
        for (sample, sum) in line.iter_mut().zip(&sums) {
            *sample = (sum >> (14 - FRACTION)) as i16;
        }
        for taps in &across {
            let from = line.get(taps.first * channels..).unwrap_or(&[]);
            if channels == 1 {
                pixels.push(weighed(taps, from.iter()));
            } else {
                pixels.extend((0..channels).map(|c| weighed(taps, from.iter().skip(c).step_by(channels))));
            }
        }
    }
    Canvas { columns: geometry.columns, rows: geometry.rows, channels: canvas.channels, pixels }
}

fn weighed<'a>(taps: &Taps, samples: impl Iterator<Item = &'a i16>) -> u8 {
    let products =
        taps.weights.iter().zip(samples).map(|(weight, sample)| i32::from(*weight) * i32::from(*sample));
    let sum = products.sum::<i32>() + (1 << (13 + FRACTION));
    (sum >> (14 + FRACTION)).clamp(0, 255) as u8
}

/// The taps of `count` output samples over `length` input samples from `start` on, of `available`.
fn taps(start: f64, length: f64, count: u32, available: u32) -> Vec<Taps> {
    let step = length / f64::from(count);
    let widen = step.max(1.0);
    let radius = 2.0 * widen;
    let end = f64::from(available);
    (0..count)
        .map(|n| {
            let center = start + (f64::from(n) + 0.5) * step;
            let first = (center - radius).floor().clamp(0.0, end - 1.0);
            let last = (center + radius).ceil().clamp(first + 1.0, end);
            let weight = |at: u32| cubic((f64::from(at) + 0.5 - center) / widen);
            let weights: Vec<f64> = (first as u32..last as u32).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let mut weights: Vec<i16> =
                weights.iter().map(|weight| (weight / sum * f64::from(ONE)).round() as i16).collect();
            // What rounding lost or won goes to the middle, so that flat stays flat.
            let lost = ONE - weights.iter().map(|weight| i32::from(*weight)).sum::<i32>();
            let middle = weights.len() / 2;
            if let Some(weight) = weights.get_mut(middle) {
                *weight += lost as i16;
            }
            Taps { first: first as usize, weights }
        })
        .collect()
}

/// The cubic of Mitchell and Netravali with B = C = 1/3: little ringing, little blur.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (7.0 * x * x * x - 12.0 * x * x + 16.0 / 3.0) / 6.0
    } else if x < 2.0 {
        (-7.0 / 3.0 * x * x * x + 12.0 * x * x - 20.0 * x + 32.0 / 3.0) / 6.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Viewport;

    fn scaled(canvas: Canvas, columns: u32, rows: u32, part: Option<[f64; 4]>) -> Canvas {
        let size = (canvas.columns, canvas.rows);
        let geometry = Geometry::of(size, None, Some(Viewport { columns, rows, part })).unwrap();
        scale(canvas, &geometry)
    }

    fn canvas(columns: u32, rows: u32, channels: u32, pixel: impl Fn(u32, u32, u32) -> u8) -> Canvas {
        let pixel = &pixel;
        let across = |y| (0..columns).flat_map(move |x| (0..channels).map(move |c| pixel(x, y, c)));
        Canvas { columns, rows, channels, pixels: (0..rows).flat_map(across).collect() }
    }

    #[test]
    fn flat_stays_flat_and_fine_patterns_become_grey() {
        for (columns, rows) in [(7, 7), (64, 64), (200, 200), (1, 1)] {
            let flat = scaled(canvas(64, 64, 3, |_, _, c| 80 * c as u8), columns, rows, None);
            assert!(flat.pixels.chunks(3).all(|p| p == [0, 80, 160]));
        }
        let checks = scaled(canvas(64, 64, 1, |x, y, _| if (x + y) % 2 == 0 { 255 } else { 0 }), 8, 8, None);
        assert!(checks.pixels.iter().all(|p| (125..=131).contains(p)), "{:?}", checks.pixels);
    }

    #[test]
    fn parts_and_turns() {
        let ramp = canvas(64, 64, 1, |x, _, _| x as u8);
        let half = scaled(ramp.clone(), 32, 64, Some([32.0, 0.0, 32.0, 64.0]));
        assert_eq!((half.pixels[0], half.pixels[31], half.columns, half.rows), (32, 63, 32, 64));
        let turned = scaled(ramp.clone(), 64, 64, Some([0.0, 0.0, -64.0, 64.0]));
        assert_eq!((turned.pixels[0], turned.pixels[63]), (63, 0));
        let columns = canvas(64, 64, 1, |_, y, _| y as u8);
        let upended = scaled(columns, 64, 64, Some([0.0, 0.0, 64.0, -64.0]));
        assert_eq!((upended.pixels[0], upended.pixels[64 * 63]), (63, 0));
    }
}
