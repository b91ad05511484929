//! Which instances speak for their series and study: pictures first, what is derived from them later.

/// SOP classes of storage whose objects hold no picture, or one that software derived: with a dot at the end they stand
/// for all classes below (PS3.4 B.5, PS3.6 A).
const NOT_IMAGES: &[&str] = &[
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.5.1.4.1.1.4.2",
    "1.2.840.10008.5.1.4.1.1.8",
    "1.2.840.10008.5.1.4.1.1.9",
    "1.2.840.10008.5.1.4.1.1.9.",
    "1.2.840.10008.5.1.4.1.1.10",
    "1.2.840.10008.5.1.4.1.1.11",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.40",
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.66.",
    "1.2.840.10008.5.1.4.1.1.67",
    "1.2.840.10008.5.1.4.1.1.68.",
    "1.2.840.10008.5.1.4.1.1.77.1.5.3",
    "1.2.840.10008.5.1.4.1.1.77.1.5.8",
    "1.2.840.10008.5.1.4.1.1.78.",
    "1.2.840.10008.5.1.4.1.1.79.",
    "1.2.840.10008.5.1.4.1.1.80.",
    "1.2.840.10008.5.1.4.1.1.81.",
    "1.2.840.10008.5.1.4.1.1.82.",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.90.",
    "1.2.840.10008.5.1.4.1.1.91.",
    "1.2.840.10008.5.1.4.1.1.104.",
    "1.2.840.10008.5.1.4.1.1.129",
    "1.2.840.10008.5.1.4.1.1.131",
    "1.2.840.10008.5.1.4.1.1.200.",
    "1.2.840.10008.5.1.4.1.1.201.",
    "1.2.840.10008.5.1.4.1.1.501.3",
    "1.2.840.10008.5.1.4.1.1.601.5",
    "1.2.840.10008.5.1.4.34.",
    "1.2.840.10008.5.1.4.38.",
    "1.2.840.10008.5.1.4.39.",
    "1.2.840.10008.5.1.4.43.",
    "1.2.840.10008.5.1.4.44.",
    "1.2.840.10008.5.1.4.45.",
];

const RADIOTHERAPY: &str = "1.2.840.10008.5.1.4.1.1.481.";

/// The radiotherapy classes that are pictures: RT Image, Enhanced RT Image, Enhanced Continuous RT Image.
const RADIOTHERAPY_IMAGES: [&str; 3] = ["1", "23", "24"];

/// 0 for an image, 1 for everything else: presentation states, reports, key objects, segmentations, plans, waveforms,
/// documents, raw data. A private class is an image if it has rows and columns (`has_pixels`).
pub fn rank(sop_class: &str, has_pixels: bool) -> u8 {
    if !sop_class.starts_with("1.2.840.10008.") {
        return u8::from(!has_pixels);
    }
    if let Some(class) = sop_class.strip_prefix(RADIOTHERAPY) {
        return u8::from(!RADIOTHERAPY_IMAGES.contains(&class));
    }
    let listed = |class: &&str| match class.strip_suffix('.') {
        Some(_) => sop_class.starts_with(*class),
        None => sop_class == *class,
    };
    u8::from(NOT_IMAGES.iter().any(listed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::uids;

    #[test]
    fn pictures_come_before_what_is_derived() {
        for class in [
            uids::CT_IMAGE_STORAGE,
            uids::MR_IMAGE_STORAGE,
            uids::ENHANCED_CT_IMAGE_STORAGE,
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
            uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE,
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            uids::RT_IMAGE_STORAGE,
            uids::VIDEO_ENDOSCOPIC_IMAGE_STORAGE,
            uids::NUCLEAR_MEDICINE_IMAGE_STORAGE,
        ] {
            assert_eq!(rank(class, false), 0, "{class}");
        }
        for class in [
            uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
            uids::ENHANCED_SR_STORAGE,
            uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
            uids::SEGMENTATION_STORAGE,
            uids::REAL_WORLD_VALUE_MAPPING_STORAGE,
            uids::ENCAPSULATED_PDF_STORAGE,
            uids::TWELVE_LEAD_ECG_WAVEFORM_STORAGE,
            uids::RAW_DATA_STORAGE,
            uids::RT_STRUCTURE_SET_STORAGE,
            uids::RT_PLAN_STORAGE,
            uids::RT_DOSE_STORAGE,
            "1.2.840.10008.5.1.4.1.1.66.7",
        ] {
            assert_eq!(rank(class, true), 1, "{class}");
        }
        assert_eq!((rank("1.3.12.2.1107.5.9.1", true), rank("1.3.12.2.1107.5.9.1", false)), (0, 1));
    }
}
