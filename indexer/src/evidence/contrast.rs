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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    fn series(agent: Option<&str>, image_type: &str, time: &str) -> Series {
        let image = json!({
            "00080008": { "vr": "CS", "Value": [image_type, "PRIMARY", "AXIAL"] },
            "0008002A": { "vr": "DT", "Value": [time] },
        });
        let image =
            Image { is_picture: true, attributes: image.as_object().unwrap().clone(), ..Image::default() };
        let attributes = agent.map(|agent| json!({ "00180010": { "vr": "LO", "Value": [agent] } }));
        let attributes = attributes.and_then(|it| it.as_object().cloned()).unwrap_or_default();
        Series { modality: "CT".into(), attributes, images: vec![image], ..Series::default() }
    }

    #[test]
    fn a_series_without_a_note_is_unenhanced_only_before_the_contrast_medium() {
        let enhanced = series(Some("Omnipaque"), "ORIGINAL", "20261120080500");
        let of = |other: &Series| of_series(other, &[&enhanced, other], 420).0;
        assert_eq!(of(&series(None, "ORIGINAL", "20261120080000")), Some(false));
        assert_eq!(of(&series(None, "ORIGINAL", "20261120081000")), None, "a late phase");
        assert_eq!(of(&series(None, "DERIVED", "20261120080000")), None, "made from others");
        assert_eq!(of(&series(Some("NONE"), "DERIVED", "20261120081000")), Some(false), "noted");
        assert_eq!(of_series(&enhanced, &[&enhanced], 420).0, Some(true));
    }
}
