//! Attributes of the instance itself: numbers, times, shape of the pixels (PS3.3 C.7.6, C.12.1).

use codecs::NativeLayout;
use dicom_dictionary_std::tags;

use super::header::Header;
use super::when::{Normalised, date_time, offset};
use crate::dataset::charset::TextNotes;

/// The instance as its header describes it. `None` stands for an absent or empty attribute.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Instance {
    /// InstanceNumber (0020,0013).
    pub number: Option<i64>,
    /// AcquisitionNumber (0020,0012).
    pub acquisition_number: Option<i64>,
    /// ImageType (0008,0008), its values in order.
    pub image_type: Vec<String>,
    /// AcquisitionDate (0008,0022).
    pub acquisition_date: Option<Normalised>,
    /// AcquisitionTime (0008,0032).
    pub acquisition_time: Option<Normalised>,
    /// AcquisitionDateTime (0008,002A), normalised as `YYYYMMDDHHMMSS.FFFFFF` in the device's local time.
    pub acquisition_date_time: Option<Normalised>,
    /// Offset from UTC in minutes: of AcquisitionDateTime, or else TimezoneOffsetFromUTC (0008,0201).
    pub offset_minutes: Option<i16>,
    /// ContentDate (0008,0023).
    pub content_date: Option<Normalised>,
    /// ContentTime (0008,0033).
    pub content_time: Option<Normalised>,
    /// Rows (0028,0010), in pixels.
    pub rows: Option<u32>,
    /// Columns (0028,0011), in pixels.
    pub columns: Option<u32>,
    /// NumberOfFrames (0028,0008).
    pub frames: Option<u32>,
    /// SamplesPerPixel (0028,0002).
    pub samples: Option<u32>,
    /// PhotometricInterpretation (0028,0004).
    pub photometric: Option<String>,
    /// PlanarConfiguration (0028,0006).
    pub planar: Option<u32>,
    /// BitsAllocated (0028,0100).
    pub bits_allocated: Option<u32>,
    /// BitsStored (0028,0101).
    pub bits_stored: Option<u32>,
    /// HighBit (0028,0102).
    pub high_bit: Option<u32>,
    /// PixelRepresentation (0028,0103): 1 for signed pixels.
    pub pixel_representation: Option<u32>,
    /// LossyImageCompression (0028,2110): `01` if it ever was.
    pub lossy: Option<String>,
    /// ViewPosition (0018,5101).
    pub view_position: Option<String>,
    /// ImageLaterality (0020,0062).
    pub image_laterality: Option<String>,
    /// Which bulk value of the data set Pixel Data, Float Pixel Data or Double Float Pixel Data is; in a deflated data
    /// set, of the inflated one.
    pub pixels: Option<usize>,
}

impl Instance {
    /// How native frames lie one behind the other; none where the header lacks what decides it.
    #[must_use]
    pub fn native_layout(&self) -> Option<NativeLayout> {
        Some(NativeLayout {
            rows: self.rows?,
            columns: self.columns?,
            samples: self.samples.unwrap_or(1),
            bits_allocated: self.bits_allocated?,
            halved_chroma: self.photometric.as_deref().is_some_and(|p| p.ends_with("_422")),
        })
    }

    pub(super) fn read(header: &Header<'_>, notes: &mut TextNotes) -> Self {
        let acquired = header.text(tags::ACQUISITION_DATE_TIME, notes);
        let acquired = acquired.map(|raw| (date_time(&raw), raw));
        let zone = header.text(tags::TIMEZONE_OFFSET_FROM_UTC, notes);
        let offset_minutes = acquired
            .as_ref()
            .and_then(|(when, _)| when.as_ref()?.offset_minutes)
            .or_else(|| zone.as_deref().and_then(offset));
        Self {
            number: header.number(tags::INSTANCE_NUMBER, notes),
            acquisition_number: header.number(tags::ACQUISITION_NUMBER, notes),
            image_type: header.texts(tags::IMAGE_TYPE, notes),
            acquisition_date: header.date(tags::ACQUISITION_DATE, notes),
            acquisition_time: header.time(tags::ACQUISITION_TIME, notes),
            acquisition_date_time: acquired
                .map(|(when, raw)| Normalised { raw, normal: when.map(|when| when.local) }),
            offset_minutes,
            content_date: header.date(tags::CONTENT_DATE, notes),
            content_time: header.time(tags::CONTENT_TIME, notes),
            rows: header.count(tags::ROWS, notes),
            columns: header.count(tags::COLUMNS, notes),
            frames: header.count(tags::NUMBER_OF_FRAMES, notes),
            samples: header.count(tags::SAMPLES_PER_PIXEL, notes),
            photometric: header.text(tags::PHOTOMETRIC_INTERPRETATION, notes),
            planar: header.count(tags::PLANAR_CONFIGURATION, notes),
            bits_allocated: header.count(tags::BITS_ALLOCATED, notes),
            bits_stored: header.count(tags::BITS_STORED, notes),
            high_bit: header.count(tags::HIGH_BIT, notes),
            pixel_representation: header.count(tags::PIXEL_REPRESENTATION, notes),
            lossy: header.text(tags::LOSSY_IMAGE_COMPRESSION, notes),
            view_position: header.text(tags::VIEW_POSITION, notes),
            image_laterality: header.text(tags::IMAGE_LATERALITY, notes),
            pixels: header.pixels,
        }
    }
}
