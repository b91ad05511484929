//! Gaps and duplicates in stacks of slices, from positions and orientations (PS3.3 C.7.6.2).
//!
//! A stack is the images of a series that lie parallel and are of one image type. Slices are missing where two neighbours
//! are further apart than the stack's own spacing and the device did not number them one after the other: a gap that the
//! device made (blocks of slices at several discs) is numbered on.

use super::{Image, Series, exam_images, numbers, text};

/// Positions closer than this are one, in millimetres.
const SAME_MM: f64 = 0.01;
/// Neighbours further apart than this many times the stack's spacing have a gap between them.
const GAP: f64 = 1.5;
/// Slices from which on a stack has a spacing of its own.
const STACK_MIN: usize = 3;
/// Modalities whose images are slices.
const SLICED: [&str; 4] = ["CT", "MR", "PT", "NM"];

/// What was found in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Gaps; none where slices do not tell where they lie, or not all were looked at.
    pub gaps: Option<u32>,
    /// Images at a position that another image of the stack has already.
    pub duplicates: u32,
}

/// A slice of a stack.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// Along the stack, in millimetres.
    at: f64,
    number: Option<i64>,
}

/// A stack: the orientation that its slices share, their image type, the slices.
struct Stack {
    normal: [f64; 3],
    kind: String,
    slices: Vec<Slice>,
    /// What the header says the spacing is, in millimetres.
    spacing: Option<f64>,
}

/// Looks at the stacks of a series. Images that are no slices have no gaps.
#[must_use]
pub fn of_series(series: &Series) -> Found {
    if !SLICED.contains(&series.modality.as_str()) {
        return Found { gaps: Some(0), duplicates: 0 };
    }
    let mut stacks: Vec<Stack> = Vec::new();
    let mut placed = true;
    for image in exam_images(series) {
        let planes = planes(image);
        // A lone picture (a survey, a map of colours) is no stack and needs no place.
        placed &= !planes.is_empty();
        let many = planes.len() > 1;
        for (frame, plane) in planes.into_iter().enumerate() {
            let number = if many { Some(frame as i64) } else { image.number };
            add(&mut stacks, image, plane, number);
        }
    }
    let (mut gaps, mut duplicates) = (0, 0);
    for stack in &mut stacks {
        let (of_stack, twice) = look(stack);
        gaps += of_stack;
        duplicates += twice;
    }
    let known = series.whole && (placed || exam_images(series).count() < STACK_MIN);
    Found { gaps: known.then_some(gaps), duplicates }
}

/// How far the slices of a series reach, first to last, in millimetres, in the direction in which they reach farthest;
/// none where they do not tell where they lie, or not all were looked at.
pub(super) fn extent_mm(series: &Series) -> Option<u32> {
    if !SLICED.contains(&series.modality.as_str()) || !series.whole {
        return None;
    }
    let mut stacks: Vec<Stack> = Vec::new();
    for image in exam_images(series) {
        for plane in planes(image) {
            add(&mut stacks, image, plane, None);
        }
    }
    let reach = |stack: &Stack| {
        let places = || stack.slices.iter().map(|slice| slice.at);
        places().fold(f64::MIN, f64::max) - places().fold(f64::MAX, f64::min)
    };
    stacks.iter().map(reach).reduce(f64::max).map(|mm| mm.round() as u32)
}

/// Position and orientation of each frame of an image.
fn planes(image: &Image) -> Vec<[f64; 9]> {
    if let Some(header) = image.header.as_ref().filter(|header| !header.planes.is_empty()) {
        return header.planes.clone();
    }
    let mut nine = numbers(&image.attributes, "00200032");
    nine.extend(numbers(&image.attributes, "00200037"));
    nine.try_into().into_iter().filter(|nine: &[f64; 9]| nine.iter().all(|it| it.is_finite())).collect()
}

fn add(stacks: &mut Vec<Stack>, image: &Image, plane: [f64; 9], number: Option<i64>) {
    let [x, y, z, a, b, c, d, e, f] = plane;
    let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
    let length = normal.iter().map(|it| it * it).sum::<f64>().sqrt();
    if length < 0.5 {
        return;
    }
    let at = (x * normal[0] + y * normal[1] + z * normal[2]) / length;
    let kind = text(&image.attributes, "00080008").unwrap_or_default();
    let parallel = |stack: &&mut Stack| {
        stack.kind == kind && stack.normal.iter().zip(normal).all(|(one, other)| (one - other).abs() < 0.01)
    };
    let slice = Slice { at, number };
    match stacks.iter_mut().find(parallel) {
        Some(stack) => stack.slices.push(slice),
        None => {
            let spacing = image.header.as_ref().and_then(|header| header.spacing_between_slices);
            stacks.push(Stack { normal, kind, slices: vec![slice], spacing });
        }
    }
}

/// Gaps and duplicates of a stack.
fn look(stack: &mut Stack) -> (u32, u32) {
    stack.slices.sort_by(|one, other| one.at.total_cmp(&other.at));
    let mut places: Vec<(f64, Vec<i64>)> = Vec::new();
    let mut duplicates = 0;
    for slice in &stack.slices {
        match places.last_mut() {
            Some((at, numbers)) if slice.at - *at < SAME_MM => {
                duplicates += 1;
                numbers.extend(slice.number);
            }
            _ => places.push((slice.at, slice.number.into_iter().collect())),
        }
    }
    if places.len() < STACK_MIN {
        return (0, duplicates);
    }
    let mut apart: Vec<f64> = places.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    apart.sort_by(f64::total_cmp);
    // Of two the lesser, so that a gap among few slices is none of the spacing.
    let median = apart.get((apart.len() - 1) / 2).copied().unwrap_or(0.0);
    // Where every second slice is missing, only the header tells it.
    let told = stack.spacing.map(f64::abs).filter(|told| *told > SAME_MM && *told < median);
    let spacing = told.unwrap_or(median);
    let follows = |one: &[i64], other: &[i64]| {
        one.iter().any(|number| other.iter().any(|next| number.abs_diff(*next) == 1))
    };
    let gap =
        |pair: &&[(f64, Vec<i64>)]| pair[1].0 - pair[0].0 > spacing * GAP && !follows(&pair[0].1, &pair[1].1);
    (places.windows(2).filter(gap).count() as u32, duplicates)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    fn slice(number: Option<i64>, z: f64) -> Image {
        let attributes = json!({
            "00080008": { "vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"] },
            "00200032": { "vr": "DS", "Value": [-100.0, -100.0, z] },
            "00200037": { "vr": "DS", "Value": [1, 0, 0, 0, 1, 0] },
        });
        let attributes = attributes.as_object().unwrap().clone();
        Image { is_picture: true, number, attributes, ..Image::default() }
    }

    fn found(images: Vec<Image>) -> (Option<u32>, u32) {
        let series = Series { modality: "CT".into(), images, whole: true, ..Series::default() };
        let Found { gaps, duplicates } = of_series(&series);
        (gaps, duplicates)
    }

    #[test]
    fn a_missing_slice_is_a_gap_and_a_gap_of_the_device_is_none() {
        let all = |left_out: &[i64]| {
            let kept = (1..=12).filter(|n| !left_out.contains(n));
            kept.map(|n| slice(Some(n), n as f64 * 5.0)).collect::<Vec<_>>()
        };
        assert_eq!(found(all(&[])), (Some(0), 0));
        assert_eq!(found(all(&[5])), (Some(1), 0));
        assert_eq!(found(all(&[5, 6, 9])), (Some(2), 0));
        // Two blocks, numbered on.
        let mut blocks: Vec<Image> = (1..=5).map(|n| slice(Some(n), n as f64 * 4.0)).collect();
        blocks.extend((6..=10).map(|n| slice(Some(n), 30.0 + n as f64 * 4.0)));
        assert_eq!(found(blocks), (Some(0), 0));
        // Without numbers nobody can tell that the device meant it.
        let unnumbered = (1..=9).filter(|n| *n != 4).map(|n| slice(None, n as f64)).collect();
        assert_eq!(found(unnumbered), (Some(1), 0));
        // Twice at one place.
        let mut twice = all(&[]);
        twice.push(slice(Some(13), 25.0));
        assert_eq!(found(twice), (Some(0), 1));
    }

    #[test]
    fn slices_without_a_place_leave_it_unknown() {
        let mut images: Vec<Image> = (1..=5).map(|n| slice(Some(n), n as f64)).collect();
        images[2].attributes.remove("00200032");
        assert_eq!(found(images).0, None);
        let xray = Series { modality: "DX".into(), whole: true, ..Series::default() };
        assert_eq!(of_series(&xray).gaps, Some(0));
    }

    #[test]
    fn every_second_slice_is_missed_where_the_header_tells_the_spacing() {
        let mut images: Vec<Image> = (1..=9).step_by(2).map(|n| slice(Some(n), n as f64 * 3.0)).collect();
        assert_eq!(found(images.clone()).0, Some(0));
        let header = super::super::header::HeaderFacts {
            spacing_between_slices: Some(3.0),
            ..super::super::header::HeaderFacts::default()
        };
        images[0].header = Some(header);
        assert_eq!(found(images).0, Some(4));
    }
}
