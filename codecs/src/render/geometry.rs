//! Which part of a frame is shown how large (PS3.18 8.3.5.1.3).

use serde::{Deserialize, Serialize};

use super::{PICTURE_PIXELS_MAX, RenderError};

/// The room for the picture and the part of the frame that fills it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Viewport {
    /// Width of the room in pixels.
    pub columns: u32,
    /// Height of the room in pixels.
    pub rows: u32,
    /// Left edge, upper edge, width and height of the part in pixels of the frame; a negative width or height turns
    /// the picture over. The whole frame without.
    pub part: Option<[f64; 4]>,
}

/// The part of the decoded frame that is shown and the size it is shown in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    frame: (u32, u32),
    scaled: bool,
    /// Left edge of the part.
    pub(super) left: f64,
    /// Upper edge of the part.
    pub(super) top: f64,
    /// Width of the part.
    pub(super) width: f64,
    /// Height of the part.
    pub(super) height: f64,
    /// Whether left and right change places.
    pub(super) mirrored: bool,
    /// Whether upper and lower change places.
    pub(super) upended: bool,
    /// Width of the picture.
    pub(super) columns: u32,
    /// Height of the picture.
    pub(super) rows: u32,
}

impl Geometry {
    /// Fits the part of a frame of `size` (columns, rows) into the viewport, keeping its proportions.
    ///
    /// # Errors
    /// When the part lies outside of the frame or the picture would be too large.
    pub fn of(
        size: (u32, u32),
        pixel_height: Option<f64>,
        viewport: Option<Viewport>,
    ) -> Result<Geometry, RenderError> {
        let refuse = |what: &str| Err(RenderError::Request(what.to_owned()));
        let (frame_width, frame_height) = (f64::from(size.0), f64::from(size.1));
        let whole = [0.0, 0.0, frame_width, frame_height];
        let [left, top, width, height] = viewport.and_then(|viewport| viewport.part).unwrap_or(whole);
        let (mirrored, upended) = (width < 0.0, height < 0.0);
        if ![left, top, width, height].iter().all(|n| n.is_finite()) || left < 0.0 || top < 0.0 {
            return refuse("the part begins outside of the frame");
        }
        let width = width.abs().min(frame_width - left);
        let height = height.abs().min(frame_height - top);
        if width < 1.0 || height < 1.0 {
            return refuse("the part is empty");
        }
        // Pixels that are far from square are a mistake of the header more often than of the scanner.
        let tall = pixel_height.filter(|tall| (0.1..=10.0).contains(tall)).unwrap_or(1.0);
        let (shown_width, shown_height) =
            if tall >= 1.0 { (width, height * tall) } else { (width / tall, height) };
        let factor = match viewport {
            Some(v) if v.columns == 0 || v.rows == 0 => return refuse("the viewport is empty"),
            Some(v) => (f64::from(v.columns) / shown_width).min(f64::from(v.rows) / shown_height),
            None => 1.0,
        };
        let [columns, rows] = [shown_width, shown_height].map(|n| (n * factor).round().max(1.0));
        if columns * rows > PICTURE_PIXELS_MAX as f64 {
            return refuse("the picture would be too large");
        }
        Ok(Geometry {
            frame: size,
            scaled: viewport.is_some(),
            left,
            top,
            width,
            height,
            mirrored,
            upended,
            columns: columns as u32,
            rows: rows as u32,
        })
    }

    /// The least size of the whole frame from which the picture can be made without enlarging; none when the frame is
    /// needed in full.
    #[must_use]
    pub fn needed(&self) -> Option<(u32, u32)> {
        let needed =
            |picture: u32, part: f64, frame: u32| (f64::from(picture) / part * f64::from(frame)).ceil();
        self.scaled.then(|| {
            let columns = needed(self.columns, self.width, self.frame.0);
            let rows = needed(self.rows, self.height, self.frame.1);
            (columns as u32, rows as u32)
        })
    }

    /// The same part of the frame after each `by` pixels became one.
    #[must_use]
    pub(super) fn divided(mut self, by: (f64, f64)) -> Geometry {
        self.left /= by.0;
        self.width /= by.0;
        self.top /= by.1;
        self.height /= by.1;
        self
    }

    /// The same part of the frame after it was decoded to `size`.
    #[must_use]
    pub(super) fn over(mut self, size: (u32, u32)) -> Geometry {
        let x = f64::from(size.0) / f64::from(self.frame.0);
        let y = f64::from(size.1) / f64::from(self.frame.1);
        self.left *= x;
        self.width *= x;
        self.top *= y;
        self.height *= y;
        self.frame = size;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewport(columns: u32, rows: u32) -> Option<Viewport> {
        Some(Viewport { columns, rows, part: None })
    }

    fn size(geometry: Result<Geometry, RenderError>) -> (u32, u32) {
        geometry.map(|g| (g.columns, g.rows)).unwrap()
    }

    #[test]
    fn the_frame_fills_the_viewport_in_its_proportions() {
        assert_eq!(size(Geometry::of((512, 512), None, None)), (512, 512));
        assert_eq!(size(Geometry::of((2000, 1000), None, viewport(100, 100))), (100, 50));
        assert_eq!(size(Geometry::of((10, 20), None, viewport(100, 100))), (50, 100));
        assert_eq!(size(Geometry::of((100, 100), Some(2.0), None)), (100, 200));
        assert_eq!(size(Geometry::of((100, 100), Some(0.5), None)), (200, 100));
        assert_eq!(size(Geometry::of((100, 100), Some(1e9), None)), (100, 100));
        assert_eq!(size(Geometry::of((60_000, 1), None, viewport(100, 100))), (100, 1));
    }

    #[test]
    fn parts_are_cut_and_turned_over() {
        let part = Some(Viewport { columns: 50, rows: 50, part: Some([50.0, 0.0, -100.0, 20.0]) });
        let geometry = Geometry::of((100, 100), None, part).unwrap();
        assert_eq!(
            (geometry.width, geometry.columns, geometry.rows, geometry.mirrored),
            (50.0, 50, 20, true)
        );
        assert_eq!(geometry.needed(), Some((100, 100)));
        let reduced = geometry.over((50, 50));
        assert_eq!((reduced.left, reduced.width), (25.0, 25.0));
        for bad in
            [[-1.0, 0.0, 5.0, 5.0], [0.0, 0.0, 0.0, 5.0], [100.0, 0.0, 5.0, 5.0], [0.0, f64::NAN, 1.0, 1.0]]
        {
            let part = Some(Viewport { columns: 50, rows: 50, part: Some(bad) });
            assert!(Geometry::of((100, 100), None, part).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pictures_have_a_greatest_size() {
        let side = 1 << 13;
        assert!(Geometry::of((10, 10), None, viewport(side, side)).is_ok());
        assert!(Geometry::of((10, 10), None, viewport(side + 1, side + 1)).is_err());
        assert!(Geometry::of((10, 10), None, viewport(0, 1)).is_err());
    }
}
