//! What is known of a study before it has a code, as it was received: damaged text and stale values included.
//!
//! Knows the attributes it is filled from; it may not know how they are stored.

/// A code that came with the order or the header (PS3.3 8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderedCode {
    /// Code Value.
    pub value: String,
    /// Coding Scheme Designator, empty where none was sent.
    pub scheme: String,
    /// Code Meaning, empty where none was sent.
    pub meaning: String,
}

/// The facts of one study.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudyFacts {
    /// Modality (0008,0060); of several the one that took the pictures.
    pub modality: String,
    /// Study Description (0008,1030).
    pub study_description: String,
    /// Series Description (0008,103E) of each series.
    pub series_descriptions: Vec<String>,
    /// Protocol Name (0018,1030), the different ones.
    pub protocol_names: Vec<String>,
    /// Body Part Examined (0018,0015).
    pub body_part: String,
    /// View Position (0018,5101) of each image that has one.
    pub view_positions: Vec<String>,
    /// Laterality (0020,0060) or Image Laterality (0020,0062).
    pub laterality: String,
    /// Contrast/Bolus Agent (0018,0010).
    pub contrast_agent: String,
    /// Magnetic Field Strength (0018,0087), in tesla.
    pub field_strength_t: Option<f64>,
    /// Manufacturer's Model Name (0008,1090), with what else tells the detector: rows, slices, `0018,9306=` single
    /// and `0018,9307=` total collimation.
    pub scanner: String,
    /// Detector rows of the machine from the facility's register; it outweighs `scanner`.
    pub detector_rows: Option<u32>,
    /// Requested Procedure Description (0032,1060), or the text of the order.
    pub requested_procedure: String,
    /// Requested Procedure Code Sequence (0032,1064) and Procedure Code Sequence (0008,1032), the order's first.
    pub codes: Vec<OrderedCode>,
    /// Number of images.
    pub images: Option<u32>,
    /// Patient's Age (0010,1010), as sent.
    pub age: String,
    /// Image Type (0008,0008) of each image or of each series, values joined by backslash.
    pub image_types: Vec<String>,
}

/// What kind of pictures a Modality means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Imaging {
    /// Projection X-ray: CR, DX, RF, PX, IO.
    Xray,
    /// Mammography.
    Mammo,
    /// Angiography and interventions.
    Angio,
    /// Computed tomography.
    Ct,
    /// Magnetic resonance.
    Mr,
    /// Ultrasound.
    Us,
    /// Objects about pictures and scanned paper: they never change a code.
    Document,
    /// Pictures and signals of another chapter of the national list.
    Outside,
    /// A modality that tells nothing.
    Unknown,
}

impl Imaging {
    /// The kind of a Modality (PS3.3 C.7.3.1.1.1).
    pub fn of(modality: &str) -> Self {
        match modality.trim().to_ascii_uppercase().as_str() {
            "CR" | "DX" | "DR" | "XR" | "RG" | "RF" | "PX" | "IO" | "XC-XR" => Self::Xray,
            "MG" => Self::Mammo,
            "XA" | "DSA" | "DS" | "DF" | "CD" => Self::Angio,
            "CT" => Self::Ct,
            "MR" | "MRI" | "MA" | "MS" => Self::Mr,
            "US" | "DD" | "EC" | "IVUS" => Self::Us,
            "SR" | "KO" | "PR" | "SEG" | "DOC" | "AU" | "REG" | "FID" | "RWV" | "PLAN" | "HC" | "LP"
            | "ANN" | "STAIN" | "TEXTUREMAP" | "SMR" | "RESP-DOC" => Self::Document,
            "NM" | "PT" | "RTPLAN" | "RTSTRUCT" | "RTDOSE" | "RTIMAGE" | "RTRECORD" | "RTINTENT"
            | "RTRAD" | "RTSEGANN" | "BMD" | "BDUS" | "ES" | "ECG" | "EEG" | "EMG" | "EOG" | "EPS" | "HD"
            | "RESP" | "OP" | "OPM" | "OPT" | "OPTBSV" | "OPTENF" | "OPV" | "OAM" | "OCT" | "IVOCT"
            | "OSS" | "IOL" | "KER" | "AR" | "LEN" | "SRF" | "VA" | "BI" | "SM" | "GM" | "CP" | "CS"
            | "DM" | "LS" | "LSM" | "TG" | "PPG" | "PA" | "POS" | "DMS" => Self::Outside,
            _ => Self::Unknown,
        }
    }

    /// The name that the data files use.
    pub fn label(self) -> &'static str {
        match self {
            Self::Xray => "XR",
            Self::Mammo => "MG",
            Self::Angio => "XA",
            Self::Ct => "CT",
            Self::Mr => "MR",
            Self::Us => "US",
            Self::Document | Self::Outside | Self::Unknown => "OT",
        }
    }

    /// Whether words of the vocabulary marked with `label` hold for this kind.
    pub fn answers_to(self, label: &str) -> bool {
        label == self.label() || label == "XR" && matches!(self, Self::Mammo)
    }
}
