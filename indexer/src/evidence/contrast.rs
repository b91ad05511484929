//! Whether a series is enhanced. A device that notes the contrast medium in one series of a study and not in another
//! says of the other that it is unenhanced; a study without any note says nothing.

use super::{Image, Series, exam_images, text};
use crate::dataset::fold::fold;

/// What headers write where no contrast medium was given.
const NONE: [&str; 9] =
    ["NONE", "NO", "N", "NO CONTRAST", "WITHOUT", "KHONG", "KHONG TIEM", "UNENHANCED", "NON CONTRAST"];

/// Whether contrast medium is in the images of a series, and how it was given.
#[must_use]
pub fn of_series(series: &Series, all: &[&Series]) -> (Option<bool>, Option<String>) {
    let own = noted(series);
    let elsewhere = || {
        all.iter().any(|other| {
            other.modality == series.modality && same_device(other, series) && noted(other) == Some(true)
        })
    };
    let given = own.or_else(|| elsewhere().then_some(false));
    let route = exam_images(series).find_map(|image| image.header.as_ref()?.route.clone());
    (given, route.filter(|_| given == Some(true)))
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
