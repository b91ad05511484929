//! JPEG through libjpeg-turbo: the one module with calls into C of our own.
//!
//! The crate that binds the library safely knows 8 bits alone; samples of 12 bits and lossless coding up to 16 are in
//! the raw interface only. What each block relies on is written above it. A picture's size is checked against what the
//! caller allocated for before the library writes, and the library is told never to allocate the output itself.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};

use turbojpeg_sys as sys;

use crate::decode::Words;

/// What the codestream must say of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Samples per line.
    pub(crate) columns: u32,
    /// Number of lines.
    pub(crate) rows: u32,
    /// Components, 1 or 3.
    pub(crate) components: u32,
    /// Bits of a sample.
    pub(crate) precision: u32,
}

/// A decoded picture, pixel by pixel.
pub(crate) struct Picture {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) words: Words,
}

/// Most scans of a progressive picture; each costs as much as the whole.
const SCANS_MAX: c_int = 500;

/// An instance of the library, freed when dropped.
struct Instance(sys::tjhandle);

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the handle came from tj3Init, is not null and is not used again.
        unsafe { sys::tj3Destroy(self.0) }
    }
}

impl Instance {
    fn new(kind: sys::TJINIT) -> Result<Instance, String> {
        // SAFETY: takes a number, gives a handle or null.
        let handle = unsafe { sys::tj3Init(kind as c_int) };
        if handle.is_null() {
            Err("the JPEG library does not start".to_owned())
        } else {
            Ok(Instance(handle))
        }
    }

    fn set(&mut self, parameter: sys::TJPARAM, value: c_int) -> Result<(), String> {
        // SAFETY: the handle is valid; unknown parameters and values are answered with -1.
        self.check(unsafe { sys::tj3Set(self.0, parameter as c_int, value) })
    }

    fn get(&self, parameter: sys::TJPARAM) -> u32 {
        // SAFETY: the handle is valid; what is not known is answered with -1.
        u32::try_from(unsafe { sys::tj3Get(self.0, parameter as c_int) }).unwrap_or(0)
    }

    /// An error unless `code` is 0.
    fn check(&self, code: c_int) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the handle is valid; the text is a string of the library that lives until the next call.
        Err(unsafe { CStr::from_ptr(sys::tj3GetErrorStr(self.0)) }.to_string_lossy().into_owned())
    }
}

/// Decodes `stream`, which must have the given shape, at 1, 2, 4 or 8
/// `eighths` of its size (8 unless the coding is lossy).
pub(crate) fn decompress(stream: &[u8], shape: Shape, eighths: u32) -> Result<Picture, String> {
    let mut tj = Instance::new(sys::TJINIT_TJINIT_DECOMPRESS)?;
    tj.set(sys::TJPARAM_TJPARAM_SCANLIMIT, SCANS_MAX)?;
    // A stream that ends early or has lost its way is only warned about, and the rest of the picture made up.
    tj.set(sys::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
    // SAFETY: pointer and length are those of a slice that outlives the call.
    tj.check(unsafe { sys::tj3DecompressHeader(tj.0, stream.as_ptr(), stream.len() as _) })?;
    let found = (
        tj.get(sys::TJPARAM_TJPARAM_JPEGWIDTH),
        tj.get(sys::TJPARAM_TJPARAM_JPEGHEIGHT),
        tj.get(sys::TJPARAM_TJPARAM_PRECISION),
    );
    if found != (shape.columns, shape.rows, shape.precision) {
        return Err("the JPEG header reads in two ways".to_owned());
    }
    if eighths != 8 {
        // The library knows its factors in lowest terms only.
        let factor = sys::tjscalingfactor { num: 1, denom: 8 / eighths.max(1) as c_int };
        // SAFETY: the handle is valid; a factor that does not exist is answered with -1.
        tj.check(unsafe { sys::tj3SetScalingFactor(tj.0, factor) })?;
    }
    let columns = (shape.columns * eighths).div_ceil(8);
    let rows = (shape.rows * eighths).div_ceil(8);
    let format = if shape.components == 3 { sys::TJPF_TJPF_RGB } else { sys::TJPF_TJPF_GRAY };
    let pitch = columns * shape.components;
    let count = pitch as usize * rows as usize;
    let (jpeg, size) = (stream.as_ptr(), stream.len() as sys::size_t);
    let words = match shape.precision {
        2..=8 => {
            let mut out = vec![0u8; count];
            // SAFETY: the output has pitch x rows samples, which is the scaled size that the library computes from
            // the header checked above; pitch counts samples. The input is a slice that outlives the call.
            tj.check(unsafe {
                sys::tj3Decompress8(tj.0, jpeg, size, out.as_mut_ptr(), pitch as c_int, format)
            })?;
            Words::U8(out)
        }
        9..=12 => {
            let mut out = vec![0u16; count];
            // SAFETY: as above; values of 12 bits are the same in i16 and u16.
            tj.check(unsafe {
                sys::tj3Decompress12(tj.0, jpeg, size, out.as_mut_ptr().cast(), pitch as c_int, format)
            })?;
            Words::U16(out)
        }
        13..=16 => {
            let mut out = vec![0u16; count];
            // SAFETY: as above.
            tj.check(unsafe {
                sys::tj3Decompress16(tj.0, jpeg, size, out.as_mut_ptr(), pitch as c_int, format)
            })?;
            Words::U16(out)
        }
        other => return Err(format!("{other} bits of precision")),
    };
    Ok(Picture { columns, rows, words })
}

/// Encodes 8-bit grey or RGB pixels as baseline JPEG, with a restart marker after each `restart_rows` rows of blocks
/// unless that is 0.
pub(crate) fn compress(
    pixels: &[u8],
    columns: u32,
    components: u32,
    quality: u8,
    restart_rows: u32,
) -> Result<Vec<u8>, String> {
    let pitch = columns as usize * components as usize;
    let rows = pixels.len().checked_div(pitch).unwrap_or(0);
    let fits = |n: usize| c_int::try_from(n).ok().filter(|n| (1..=65_500).contains(n));
    let (Some(width), Some(height)) = (fits(columns as usize), fits(rows)) else {
        return Err("a size that JPEG does not have".to_owned());
    };
    let (format, sampling) = match components {
        1 => (sys::TJPF_TJPF_GRAY, sys::TJSAMP_TJSAMP_GRAY),
        3 => (sys::TJPF_TJPF_RGB, sys::TJSAMP_TJSAMP_444),
        _ => return Err("a number of components that JPEG does not have".to_owned()),
    };
    let mut tj = Instance::new(sys::TJINIT_TJINIT_COMPRESS)?;
    tj.set(sys::TJPARAM_TJPARAM_NOREALLOC, 1)?;
    tj.set(sys::TJPARAM_TJPARAM_QUALITY, c_int::from(quality.clamp(1, 100)))?;
    tj.set(sys::TJPARAM_TJPARAM_SUBSAMP, sampling)?;
    tj.set(sys::TJPARAM_TJPARAM_RESTARTROWS, restart_rows as c_int)?;
    // SAFETY: takes numbers only.
    let mut size = unsafe { sys::tj3JPEGBufSize(width, height, sampling) };
    let mut out = vec![0u8; size as usize];
    let mut target = out.as_mut_ptr();
    // SAFETY: the input has pitch x rows bytes, one to a sample; the output is as large as the library asks for and,
    // by NOREALLOC, neither moved nor grown.
    tj.check(unsafe {
        sys::tj3Compress8(
            tj.0,
            pixels.as_ptr(),
            width,
            pitch as c_int,
            height,
            format,
            &mut target,
            &mut size,
        )
    })?;
    out.truncate(size as usize);
    Ok(out)
}
