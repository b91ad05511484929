//! What a header says of how a frame is read and shown: Image Pixel, Modality LUT, VOI LUT and Palette Color modules
//! (PS3.3 C.7.6.3, C.11.1, C.11.2, C.7.9), in enhanced objects the functional groups of the frame (C.7.6.16).

use codecs::render::{Modality, Presentation, Voi};
use codecs::{Lut, LutError, Palette, Photometric, PixelAttributes};
use dicom_dictionary_std::tags;

use super::{PictureError, VoiFunction, Window};
use crate::archive::{Archive, HeaderReader};
use crate::dataset::attributes::Attributes;
use crate::dataset::text::integer;
use crate::dataset::{DataSet, Element, Endian, Tag, Vr};
use crate::db::InstanceRow;

/// Pixels and presentation of frame `n` of an instance, counted from 0.
///
/// # Errors
/// When the header lacks what decoding depends on, holds a table that is none, or cannot be read.
pub fn of(
    archive: &Archive,
    instance: &InstanceRow,
    n: usize,
) -> Result<(PixelAttributes, Presentation), PictureError> {
    let reader = archive.header(instance)?;
    let root = reader.data_set();
    let image = Attributes::read(&root).map_err(|e| PictureError::Header(e.to_string()))?.instance;
    let missing = |keyword: &str| PictureError::Header(format!("{keyword} is missing"));
    let text = image.photometric.as_deref().ok_or_else(|| missing("PhotometricInterpretation"))?;
    let unknown = || PictureError::Header("its PhotometricInterpretation cannot be shown".to_owned());
    let photometric = Photometric::of(text).ok_or_else(unknown)?;
    let bits_allocated = image.bits_allocated.ok_or_else(|| missing("BitsAllocated"))?;
    let bits_stored = image.bits_stored.unwrap_or(bits_allocated);
    let signed = image.pixel_representation == Some(1);
    let header = Header { reader: &reader, groups: Groups::of(&root, n), root, signed };
    let palette = if photometric == Photometric::PaletteColor { Some(header.palette()?) } else { None };
    let attributes = PixelAttributes {
        rows: image.rows.ok_or_else(|| missing("Rows"))?,
        columns: image.columns.ok_or_else(|| missing("Columns"))?,
        samples_per_pixel: image.samples.unwrap_or_else(|| photometric.samples_per_pixel()),
        bits_allocated,
        bits_stored,
        high_bit: image.high_bit.unwrap_or_else(|| bits_stored.saturating_sub(1)),
        signed,
        planar: image.planar == Some(1),
        photometric,
        palette,
    };
    Ok((attributes, header.presentation()?))
}

/// The functional groups of one frame: its own, then those that all frames share.
struct Groups<'a>([Option<DataSet<'a>>; 2]);

impl<'a> Groups<'a> {
    fn of(root: &DataSet<'a>, n: usize) -> Groups<'a> {
        let items = |tag| root.get(tag).and_then(|element| element.items());
        let own = items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).and_then(|items| items.iter().nth(n));
        Groups([own, items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).and_then(|items| items.first())])
    }

    /// The item of a functional group macro.
    fn group(&self, tag: Tag) -> Option<DataSet<'a>> {
        self.0.iter().flatten().find_map(|groups| groups.get(tag)?.first_item())
    }
}

struct Header<'a> {
    reader: &'a HeaderReader,
    root: DataSet<'a>,
    groups: Groups<'a>,
    signed: bool,
}

impl<'a> Header<'a> {
    fn presentation(&self) -> Result<Presentation, PictureError> {
        Ok(Presentation {
            modality: self.modality()?,
            voi: self.voi()?,
            padding: self.padding(),
            pixel_height: self.pixel_height(),
        })
    }

    fn modality(&self) -> Result<Modality, PictureError> {
        if let Some(item) = self.root.get(tags::MODALITY_LUT_SEQUENCE).and_then(|e| e.first_item()) {
            return Ok(Modality::Lut(self.lut_item(&item)?));
        }
        let holder = self.groups.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).unwrap_or(self.root);
        let number = |tag| decimals(&holder, tag).next();
        let slope = number(tags::RESCALE_SLOPE).filter(|slope| *slope != 0.0);
        Ok(match (slope, number(tags::RESCALE_INTERCEPT)) {
            (None, None) => Modality::Identity,
            (slope, intercept) => {
                Modality::Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) }
            }
        })
    }

    fn voi(&self) -> Result<Option<Voi>, PictureError> {
        let holder = self.groups.group(tags::FRAME_VOILUT_SEQUENCE).unwrap_or(self.root);
        let number = |tag| decimals(&holder, tag).next();
        if let (Some(center), Some(width)) = (number(tags::WINDOW_CENTER), number(tags::WINDOW_WIDTH)) {
            let function = holder.get(tags::VOILUT_FUNCTION).and_then(|e| e.bytes());
            let function = function.and_then(|bytes| VoiFunction::of(&String::from_utf8_lossy(bytes)));
            let window = Window { center, width, function: function.unwrap_or_default() };
            if window.is_valid() {
                return Ok(Some(Voi::Window(window)));
            }
        }
        match self.root.get(tags::VOILUT_SEQUENCE).and_then(|e| e.first_item()) {
            Some(item) => Ok(Some(Voi::Lut(self.lut_item(&item)?))),
            None => Ok(None),
        }
    }

    /// Pixel Padding Value and Range Limit, signed as the pixels are.
    fn padding(&self) -> Option<(i64, i64)> {
        let value = |tag| {
            let element = self.root.get(tag)?;
            let bits = element.u16s().next()?;
            Some(if self.signed { i64::from(bits.cast_signed()) } else { i64::from(bits) })
        };
        let from = value(tags::PIXEL_PADDING_VALUE)?;
        Some((from, value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(from)))
    }

    /// Height of a pixel in widths: Pixel Spacing, Imager Pixel Spacing or Pixel Aspect Ratio, all vertical first.
    fn pixel_height(&self) -> Option<f64> {
        let measures = self.groups.group(tags::PIXEL_MEASURES_SEQUENCE).unwrap_or(self.root);
        let pair = |holder: &DataSet<'_>, tag| {
            let mut numbers = decimals(holder, tag);
            Some(numbers.next()? / numbers.next()?).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
        };
        pair(&measures, tags::PIXEL_SPACING)
            .or_else(|| pair(&self.root, tags::IMAGER_PIXEL_SPACING))
            .or_else(|| pair(&self.root, tags::PIXEL_ASPECT_RATIO))
    }

    fn palette(&self) -> Result<Palette, PictureError> {
        const TABLES: [[Tag; 3]; 3] = [
            [
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ],
            [
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ],
            [
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            ],
        ];
        let mut tables = Vec::with_capacity(3);
        for [descriptor, data, segmented] in TABLES {
            tables.push(match self.root.get(data) {
                Some(data) => self.table(&self.root, descriptor, &data, Lut::new)?,
                None => {
                    let data = self.root.get(segmented).ok_or_else(|| header("the palette is missing"))?;
                    self.table(&self.root, descriptor, &data, Lut::segmented)?
                }
            });
        }
        let [Some(blue), Some(green), Some(red)] = [tables.pop(), tables.pop(), tables.pop()] else {
            return Err(header("the palette is missing"));
        };
        Palette::new(red, green, blue).map_err(|error| header(&error.to_string()))
    }

    /// The table of an item of Modality LUT Sequence or VOI LUT Sequence.
    fn lut_item(&self, item: &DataSet<'a>) -> Result<Lut, PictureError> {
        let data = item.get(tags::LUT_DATA).ok_or_else(|| header("LUTData is missing"))?;
        self.table(item, tags::LUT_DESCRIPTOR, &data, Lut::new)
    }

    fn table(
        &self,
        holder: &DataSet<'a>,
        descriptor: Tag,
        data: &Element<'a>,
        make: impl Fn(u16, i32, u16, &[u16]) -> Result<Lut, LutError>,
    ) -> Result<Lut, PictureError> {
        let missing = || header("the descriptor of a lookup table is missing");
        let descriptor = holder.get(descriptor).ok_or_else(missing)?;
        let mut three = descriptor.u16s();
        let (Some(count), Some(first), Some(bits)) = (three.next(), three.next(), three.next()) else {
            return Err(missing());
        };
        let first = if self.signed || descriptor.vr == Vr::SS {
            i32::from(first.cast_signed())
        } else {
            i32::from(first)
        };
        let words = words(&self.reader.value(data)?, data.endian);
        make(count, first, bits, &words).map_err(|error| header(&error.to_string()))
    }
}

fn header(what: &str) -> PictureError {
    PictureError::Header(what.to_owned())
}

fn words(bytes: &[u8], endian: Endian) -> Vec<u16> {
    let pairs = bytes.as_chunks::<2>().0.iter();
    pairs.map(|pair| endian.u16(*pair)).collect()
}

/// The values of an attribute of VR DS or IS, or of floating point numbers.
fn decimals<'a>(holder: &DataSet<'a>, tag: Tag) -> impl Iterator<Item = f64> + use<'a> {
    let element = holder.get(tag);
    let binary = element.filter(|e| e.vr == Vr::FD).into_iter().flat_map(|e| e.f64s());
    let text = element.filter(|e| e.vr != Vr::FD).and_then(|e| e.bytes()).unwrap_or_default();
    let parts = text.split(|byte| *byte == b'\\').map(|part| {
        let part = String::from_utf8_lossy(part);
        let number = part.trim_matches([' ', '\0']);
        number.parse().ok().or_else(|| integer(number).map(|n| n as f64)).unwrap_or(f64::NAN)
    });
    binary.chain(parts).take_while(|number| number.is_finite())
}
