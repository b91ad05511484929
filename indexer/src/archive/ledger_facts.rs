//! What the ledger tells of the stored exam: the machine, and the dose where a header has it.

use dicom_dictionary_std::tags;
use storage_config::Uid;

use super::{Archive, ReadError};
use crate::dataset::{DataSet, Tag};
use crate::statement::Dose;

/// Headers of one exam that are read at most.
const HEADERS_MAX: usize = 16;
/// Characters of a machine's name at most.
const MACHINE_CHARS_MAX: usize = 100;

/// The machine and dose of a stored exam.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MadeWith {
    pub(super) machine: String,
    pub(super) dose: Option<Dose>,
}

impl Archive {
    /// What the headers of some studies tell; nothing where none can be read.
    pub(super) fn made_with(&self, studies: &[Uid]) -> Result<MadeWith, ReadError> {
        let mut found = MadeWith::default();
        let mut dose = Dose { ctdi_vol_ugy: None, dlp_ugycm: None, dap_ugycm2: None };
        let mut left = HEADERS_MAX;
        for study in studies {
            let Some(source) = self.db().study_source(study)? else { continue };
            for series in source.series.iter().filter(|series| series.is_picture) {
                if left == 0 {
                    break;
                }
                left -= 1;
                let Some(row) = self.db().instance_by_digest(&series.digest)? else { continue };
                match self.header(&row) {
                    Ok(header) => {
                        let root = header.data_set();
                        if found.machine.is_empty() {
                            found.machine = machine(&root);
                        }
                        add(&mut dose, &root);
                    }
                    Err(error) => tracing::warn!(%error, "a header was left out of the ledger"),
                }
            }
        }
        let told = dose.ctdi_vol_ugy.or(dose.dlp_ugycm).or(dose.dap_ugycm2).is_some();
        found.dose = told.then_some(dose);
        Ok(found)
    }
}

/// Device Serial Number (0018,1000), by which MA_MAY names a machine, else Station Name (0008,1010).
fn machine(root: &DataSet<'_>) -> String {
    let told = |tag| Some(text(root, tag)).filter(|text| !text.is_empty());
    told(tags::DEVICE_SERIAL_NUMBER).or_else(|| told(tags::STATION_NAME)).unwrap_or_default()
}

fn text(root: &DataSet<'_>, tag: Tag) -> String {
    let bytes = root.get(tag).and_then(|element| element.bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(['\0', ' ']).chars().filter(|c| !c.is_control()).take(MACHINE_CHARS_MAX).collect()
}

fn add(dose: &mut Dose, root: &DataSet<'_>) {
    let number = |tag: Tag| {
        let value = root.get(tag)?.f64s().next();
        value.filter(|value| value.is_finite() && *value > 0.0 && *value < 1e9)
    };
    let micro = |value: f64, factor: f64| (value * factor).round() as i64;
    // CTDIvol is in mGy; of several series the greatest counts.
    let ctdi = number(tags::CTD_IVOL).map(|value| micro(value, 1e3));
    dose.ctdi_vol_ugy = dose.ctdi_vol_ugy.max(ctdi);
    // dGy cm2 to uGy cm2. Of several pictures the products add up, but only one of each series is read: the greatest.
    let dap = number(tags::IMAGE_AND_FLUOROSCOPY_AREA_DOSE_PRODUCT).map(|value| micro(value, 1e5));
    dose.dap_ugycm2 = dose.dap_ugycm2.max(dap);
    let bytes = root.get(tags::COMMENTS_ON_RADIATION_DOSE).and_then(|element| element.bytes());
    let dlp = bytes.and_then(|bytes| dose_length(&String::from_utf8_lossy(bytes)));
    dose.dlp_ugycm = dose.dlp_ugycm.max(dlp.map(|value| micro(value, 1e3)));
}

/// The number after `DLP`, in mGy cm: `TotalDLP=123.4`, `DLP: 123`.
fn dose_length(comment: &str) -> Option<f64> {
    let upper = comment.to_ascii_uppercase();
    let rest = upper.split("DLP").nth(1)?.trim_start_matches([' ', '=', ':']);
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(12).collect();
    digits.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0)
}

#[cfg(test)]
mod tests {
    use super::dose_length;

    #[test]
    fn a_dose_length_product_is_read_from_a_comment() {
        assert_eq!(dose_length("TotalDLP=812.5 Event=1"), Some(812.5));
        assert_eq!(dose_length("dlp: 44"), Some(44.0));
        for nothing in ["", "DLP", "DLP=-3", "no dose", "DLP=..", "DLP=0"] {
            assert_eq!(dose_length(nothing), None, "{nothing}");
        }
    }
}
