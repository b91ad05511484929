//! View and side of a projection, in the words of the policy: from View Position (0018,5101), the view's code and the
//! patient's posture, and from lateralities. Slices have no view.

use super::{Image, Series, text};
use crate::dataset::fold::fold;
use crate::reuse::Side;

/// Modalities whose images are projections with a view.
const PROJECTIONS: [&str; 6] = ["CR", "DX", "DR", "RG", "MG", "PX"];

/// Views as View Position and the meanings of view codes write them, with letters and digits only.
const VIEWS: [(&str, &str); 34] = [
    ("AP", "ap"),
    ("ANTEROPOSTERIOR", "ap"),
    ("PA", "pa"),
    ("POSTEROANTERIOR", "pa"),
    ("LL", "left_lateral"),
    ("LEFTLATERAL", "left_lateral"),
    ("RL", "right_lateral"),
    ("RIGHTLATERAL", "right_lateral"),
    ("LAT", "lateral"),
    ("LATERAL", "lateral"),
    ("LATEROMEDIAL", "lateral"),
    ("MEDIOLATERAL", "lateral"),
    ("LLO", "left_oblique"),
    ("LAO", "left_oblique"),
    ("LPO", "left_oblique"),
    ("LEFTANTERIOROBLIQUE", "left_oblique"),
    ("LEFTPOSTERIOROBLIQUE", "left_oblique"),
    ("RLO", "right_oblique"),
    ("RAO", "right_oblique"),
    ("RPO", "right_oblique"),
    ("RIGHTANTERIOROBLIQUE", "right_oblique"),
    ("RIGHTPOSTERIOROBLIQUE", "right_oblique"),
    ("OBL", "oblique"),
    ("OBLIQUE", "oblique"),
    ("TAN", "tangential"),
    ("TANGENTIAL", "tangential"),
    ("SKYLINE", "skyline"),
    ("SUNRISE", "skyline"),
    ("AXIAL", "axial"),
    ("CC", "cc"),
    ("CRANIOCAUDAL", "cc"),
    ("MLO", "mlo"),
    ("MEDIOLATERALOBLIQUE", "mlo"),
    ("XCCL", "xccl"),
];

/// The view of an image; none where nothing tells it.
#[must_use]
pub fn view_of(series: &Series, image: &Image) -> Option<String> {
    if !PROJECTIONS.contains(&series.modality.as_str()) {
        return None;
    }
    let header = image.header.as_ref();
    let coded = header.and_then(|header| header.view.clone());
    let position = text(&image.attributes, "00185101");
    let word = [position, coded].into_iter().flatten().find_map(|text| word(&text, &series.modality))?;
    let upright = header.and_then(|header| header.posture.as_deref());
    let exact = match (word, upright) {
        ("pa", Some("upright")) => "pa_upright",
        ("ap", Some("upright")) => "ap_upright",
        ("ap", Some("supine")) => "ap_supine",
        (word, _) => word,
    };
    Some(exact.to_owned())
}

fn word(text: &str, modality: &str) -> Option<&'static str> {
    let letters: String = fold(text).chars().filter(|letter| letter.is_alphanumeric()).collect();
    let word = VIEWS.iter().find(|(name, _)| *name == letters).map(|(_, word)| *word)?;
    // In mammography a medio-lateral projection is a view of its own.
    Some(match (modality, word) {
        ("MG", "lateral") => "ml",
        (_, word) => word,
    })
}

/// The side that an image is of: Image Laterality (0020,0062), else Laterality of the series (0020,0060).
#[must_use]
pub fn side_of(series: &Series, image: &Image) -> Option<Side> {
    let own = text(&image.attributes, "00200062");
    let of_series = || text(&series.attributes, "00200060");
    match own.or_else(of_series)?.to_uppercase().as_str() {
        "L" => Some(Side::Left),
        "R" => Some(Side::Right),
        "B" => Some(Side::Both),
        _ => None,
    }
}
