//! Whether a series is enhanced. A device that notes the contrast medium in one series of a study and not in another
//! says of the other that it is unenhanced; a study without any note says nothing. Nothing is said either of a series that
//! was made from others, or taken after contrast medium was in the patient.

use super::{Image, Series, clock, exam_images, text};
use crate::dataset::fold::fold;

/// What headers write where no contrast medium was given.
const NONE: [&str; 9] =
    ["NONE", "NO", "N", "NO CONTRAST", "WITHOUT", "KHONG", "KHONG TIEM", "UNENHANCED", "NON CONTRAST"];

/// Whether contrast medium is in the images of a series, and how it was given.
#[must_use]
pub fn of_series(
    series: &Series,
    all: &[&Series],
    utc_offset_minutes: i64,
) -> (Option<bool>, Option<String>) {
    let own = noted(series);
    let given = own.or_else(|| {
        let enhanced = all.iter().filter(|other| {
            other.modality == series.modality && same_device(other, series) && noted(other) == Some(true)
        });
        let began = |series: &Series| clock::began_ms(series, utc_offset_minutes);
        let mut enhanced = enhanced.peekable();
        enhanced.peek()?;
        let first = enhanced.filter_map(|other| began(other)).min();
        let after = began(series).zip(first).is_some_and(|(own, first)| own > first);
        (!after && !is_derived(series)).then_some(false)
    });
    let route = exam_images(series).find_map(|image| image.header.as_ref()?.route.clone());
    (given, route.filter(|_| given == Some(true)))
}

/// Whether all images of a series were made from others.
fn is_derived(series: &Series) -> bool {
    let derived = |image: &Image| text(&image.attributes, "00080008").is_some_and(|value| value == "DERIVED");
    exam_images(series).all(derived)
}

/// What the series itself notes.
fn noted(series: &Series) -> Option<bool> {
    let of_image = |image: &Image| {
        let header = image.header.as_ref()?;
        header.agent.clone().or_else(|| header.agent_coded.then(|| "coded".to_owned()))
    };
    let agent = text(&series.attributes, "00180010").or_else(|| exam_images(series).find_map(of_image))?;
    Some(!NONE.contains(&fold(&agent).trim()))
}

fn same_device(one: &Series, other: &Series) -> bool {
    ["00080070", "00081090", "00181000"]
        .iter()
        .all(|tag| text(&one.attributes, tag) == text(&other.attributes, tag))
}
