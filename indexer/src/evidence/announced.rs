//! How many instances the sender says there are: of the study, of a series, of an acquisition, of a concatenation.
//!
//! What is announced for a part counts where it is more than came of that part. It is never taken for the whole study
//! unless every series of pictures announces.

use std::collections::BTreeMap;

use super::{Image, Series, text};

/// Number of Study Related Instances (0020,1208).
const OF_STUDY: &str = "00201208";
/// Acquisition Number (0020,0012).
const ACQUISITION: &str = "00200012";

/// Instances that the study should have, as far as the sender tells: the greatest number that follows from its headers.
pub(super) fn instances(series: &[Series]) -> Option<u32> {
    let by_study = series.iter().filter_map(|series| text(&series.study, OF_STUDY)?.parse().ok()).max();
    by_study.max(by_parts(series))
}

/// What came and what its parts miss; none where nothing is missing and not every series of pictures tells.
fn by_parts(series: &[Series]) -> Option<u32> {
    // Of a series that was looked at in part nobody can say what is missing.
    if series.iter().any(|series| !series.whole) {
        return None;
    }
    let came: usize = series.iter().map(|series| series.images.len()).sum();
    let of_series: u32 = series.iter().map(|series| missing(announced(series), series.images.len())).sum();
    let missing = of_series.max(of_acquisitions(series) + of_concatenations(series));
    let pictures = || series.iter().filter(|series| series.images.iter().any(|image| image.is_picture));
    let all_tell = pictures().next().is_some() && pictures().all(|series| announced(series).is_some());
    let came = u32::try_from(came).ok()?;
    (missing > 0 || all_tell).then(|| came.saturating_add(missing))
}

fn missing(announced: Option<u32>, came: usize) -> u32 {
    announced.map_or(0, |announced| announced.saturating_sub(u32::try_from(came).unwrap_or(u32::MAX)))
}

/// Number of Series Related Instances, the greatest that a header of the series names.
fn announced(series: &Series) -> Option<u32> {
    series.images.iter().filter_map(|image| image.header.as_ref()?.series_instances).max()
}

fn acquisition(image: &Image) -> Option<String> {
    text(&image.attributes, ACQUISITION)
}

/// Images that acquisitions miss. Several series may be made of one acquisition, of which each then tells the same
/// number: their images count together, so that a series that is a part is not taken for one that lacks something.
fn of_acquisitions(series: &[Series]) -> u32 {
    let mut came: BTreeMap<(String, u32), usize> = BTreeMap::new();
    for one in series {
        let single =
            one.images.iter().filter(|image| text(&image.attributes, "00280008").is_none_or(|n| n == "1"));
        let single: Vec<&Image> = single.filter(|image| image.is_picture).collect();
        let mut told: BTreeMap<String, u32> = BTreeMap::new();
        for image in &single {
            let number = image.header.as_ref().and_then(|header| header.images_in_acquisition);
            if let Some((acquisition, number)) = acquisition(image).zip(number) {
                let most = told.entry(acquisition).or_default();
                *most = number.max(*most);
            }
        }
        for (acquired, number) in told {
            let count = single.iter().filter(|image| acquisition(image).as_ref() == Some(&acquired)).count();
            *came.entry((acquired, number)).or_default() += count;
        }
    }
    came.into_iter().map(|((_, number), count)| missing(Some(number), count)).sum()
}

/// Parts that concatenations miss (PS3.3 C.7.6.16.2.2.4).
fn of_concatenations(series: &[Series]) -> u32 {
    let mut parts: BTreeMap<&str, (u32, usize)> = BTreeMap::new();
    let images = series.iter().flat_map(|series| &series.images);
    for (uid, total) in images.filter_map(|image| image.header.as_ref()?.concatenation.as_ref()) {
        let part = parts.entry(uid).or_default();
        *part = (part.0.max(*total), part.1 + 1);
    }
    parts.into_values().map(|(total, came)| missing(Some(total), came)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::header::HeaderFacts;
    use super::*;

    fn series(acquisition: u32, images: usize, header: &HeaderFacts) -> Series {
        let attributes = json!({ "00200012": { "vr": "IS", "Value": [acquisition] } });
        let image = Image {
            is_picture: true,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
            header: Some(header.clone()),
            ..Image::default()
        };
        Series { images: vec![image; images], whole: true, ..Series::default() }
    }

    #[test]
    fn what_a_part_announces_counts_where_it_is_more_than_came() {
        let nothing = HeaderFacts::default();
        assert_eq!(instances(&[series(1, 5, &nothing)]), None);
        let of_series = HeaderFacts { series_instances: Some(8), ..HeaderFacts::default() };
        assert_eq!(instances(&[series(1, 8, &of_series)]), Some(8));
        assert_eq!(instances(&[series(1, 6, &of_series), series(2, 5, &nothing)]), Some(13));
        assert_eq!(instances(&[series(1, 8, &of_series), series(2, 5, &nothing)]), None, "one tells nothing");
        let acquired = HeaderFacts { images_in_acquisition: Some(20), ..HeaderFacts::default() };
        assert_eq!(instances(&[series(1, 15, &acquired)]), Some(20));
        assert_eq!(instances(&[series(1, 15, &acquired), series(1, 5, &acquired)]), None, "one acquisition");
        assert_eq!(instances(&[series(1, 15, &acquired), series(2, 15, &acquired)]), Some(40));
        let part = HeaderFacts { concatenation: Some(("1.2".into(), 3)), ..HeaderFacts::default() };
        assert_eq!(instances(&[series(1, 2, &part)]), Some(3));
        let study = json!({ "00201208": { "vr": "IS", "Value": [9] } });
        let study = study.as_object().cloned().unwrap_or_default();
        assert_eq!(instances(&[Series { study, ..series(1, 5, &nothing) }]), Some(9));
    }
}
