//! What the ledger tells of the stored exam: the machine, and the dose where a header has it.

use dicom_dictionary_std::tags;
use storage_config::Uid;

use super::{Archive, ReadError};
use crate::dataset::{DataSet, Tag, Vr};
use crate::db::SeriesSource;
use crate::statement::Dose;

/// X-Ray Radiation Dose SR Storage.
const DOSE_REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.67";
/// Exposure Dose Sequence (0040,030E), retired and still written by devices that tell a performed procedure step.
const EXPOSURE_DOSE_SEQUENCE: Tag = Tag(0x0040, 0x030E);
/// Content items of a dose report that are looked at.
const CONTENT_MAX: usize = 10_000;
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
            let tells = |series: &&SeriesSource| series.is_picture || series.sop_class == DOSE_REPORT;
            for series in source.series.iter().filter(tells) {
                if left == 0 {
                    break;
                }
                left -= 1;
                let Some(row) = self.db().instance_by_digest(&series.digest)? else { continue };
                match self.header(&row) {
                    Ok(header) => {
                        let root = header.data_set();
                        if found.machine.is_empty() && series.is_picture {
                            found.machine = machine(&root);
                        }
                        if series.is_picture {
                            add(&mut dose, &root);
                        } else {
                            add_report(&mut dose, &root);
                        }
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
    let number = |tag: Tag| positive(root, tag);
    // CTDIvol is in mGy; of several series, and of several exposures that a header lists, the greatest counts.
    let exposures = root.get(EXPOSURE_DOSE_SEQUENCE).and_then(|it| it.items());
    let of_exposures = exposures.into_iter().flatten().filter_map(|item| positive(&item, tags::CTD_IVOL));
    let ctdi = of_exposures.chain(number(tags::CTD_IVOL)).reduce(f64::max).map(|value| micro(value, 1e3));
    dose.ctdi_vol_ugy = dose.ctdi_vol_ugy.max(ctdi);
    // dGy cm2 to uGy cm2. Of several pictures the products add up, but only one of each series is read: the greatest.
    let dap = number(tags::IMAGE_AND_FLUOROSCOPY_AREA_DOSE_PRODUCT).map(|value| micro(value, 1e5));
    dose.dap_ugycm2 = dose.dap_ugycm2.max(dap);
    let bytes = root.get(tags::COMMENTS_ON_RADIATION_DOSE).and_then(|element| element.bytes());
    let dlp = bytes.and_then(|bytes| dose_length(&String::from_utf8_lossy(bytes)));
    dose.dlp_ugycm = dose.dlp_ugycm.max(dlp.map(|value| micro(value, 1e3)));
}

fn micro(value: f64, factor: f64) -> i64 {
    (value * factor).round() as i64
}

/// A number that a dose can be, whatever its VR writes it as.
fn positive(holder: &DataSet<'_>, tag: Tag) -> Option<f64> {
    let element = holder.get(tag)?;
    let value = match element.vr {
        Vr::FD => element.f64s().next(),
        Vr::FL => element.f32s().next().map(f64::from),
        _ => String::from_utf8_lossy(element.bytes()?).trim_matches(['\0', ' ']).parse().ok(),
    };
    value.filter(|value| value.is_finite() && *value > 0.0 && *value < 1e9)
}

/// What a dose report says (PS3.16 TID 10001, TID 10011): the total dose length product, the greatest CTDIvol, the total
/// dose area product.
fn add_report(dose: &mut Dose, root: &DataSet<'_>) {
    let (mut ctdi, mut dlp, mut dap) = (None::<f64>, None::<f64>, None::<f64>);
    let mut left = vec![*root];
    let mut looked_at = 0;
    while let Some(holder) = left.pop() {
        let Some(items) = holder.get(tags::CONTENT_SEQUENCE).and_then(|it| it.items()) else { continue };
        for item in items {
            looked_at += 1;
            if looked_at > CONTENT_MAX {
                return;
            }
            if let Some((code, value)) = measured(&item) {
                let most = |of: Option<f64>| Some(of.map_or(value, |of| of.max(value)));
                match code.as_str() {
                    "113830" => ctdi = most(ctdi),
                    "113813" => dlp = most(dlp),
                    "113722" => dap = most(dap),
                    _ => {}
                }
            }
            left.push(item);
        }
    }
    // mGy, mGy cm, and Gy m2, of which one is 10^10 uGy cm2.
    dose.ctdi_vol_ugy = dose.ctdi_vol_ugy.max(ctdi.map(|value| micro(value, 1e3)));
    dose.dlp_ugycm = dose.dlp_ugycm.max(dlp.map(|value| micro(value, 1e3)));
    dose.dap_ugycm2 = dose.dap_ugycm2.max(dap.map(|value| micro(value, 1e10)));
}

/// Code of the concept and value of a content item that is a number.
fn measured(item: &DataSet<'_>) -> Option<(String, f64)> {
    let concept = item.get(tags::CONCEPT_NAME_CODE_SEQUENCE)?.first_item()?;
    let value = item.get(tags::MEASURED_VALUE_SEQUENCE)?.first_item()?;
    Some((text(&concept, tags::CODE_VALUE), positive(&value, tags::NUMERIC_VALUE)?))
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
