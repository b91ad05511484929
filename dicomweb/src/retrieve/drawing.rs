//! What a request for a picture asks for (PS3.18 8.3.5), besides its media type.

use indexer::picture::{PictureFormat, RenderRequest, Viewport, VoiFunction, Window};

use crate::error::{Error, shortened};
use crate::search::parameters;

/// Room of a thumbnail in pixels where the request names none.
const THUMBNAIL: u32 = 256;
/// Largest room of a thumbnail, in pixels.
const THUMBNAIL_MAX: u32 = 1024;

/// Reads `viewport`, `window` and `quality`. Other parameters of the standard (annotation, icc profile) ask for what is
/// not burned in or changed here, and are passed over.
///
/// # Errors
/// When a value is none.
pub fn picture(query: Option<&str>, format: PictureFormat) -> Result<RenderRequest, Error> {
    let mut request = RenderRequest { format, viewport: None, window: None };
    for (name, value) in parameters::pairs(query.unwrap_or_default())? {
        let wrong =
            |what: &str| Error::invalid(name.as_str(), format!("{:?} is not {what}", shortened(&value)));
        match name.to_ascii_lowercase().as_str() {
            "viewport" => {
                let what = "width,height or width,height,left,top,width,height in pixels";
                request.viewport = Some(viewport(&value).ok_or_else(|| wrong(what))?);
            }
            "window" => {
                let what = "center,width,function with linear, linear-exact or sigmoid";
                request.window = Some(window(&value).ok_or_else(|| wrong(what))?);
            }
            "quality" => {
                let quality = value.parse().ok().filter(|quality| (1..=100).contains(quality));
                let quality = quality.ok_or_else(|| wrong("a quality from 1 to 100"))?;
                if let PictureFormat::Jpeg { quality: of } = &mut request.format {
                    *of = quality;
                }
            }
            _ => {}
        }
    }
    Ok(request)
}

/// The same for a thumbnail: always small, always the whole frame (10.4.1.1.4).
///
/// # Errors
/// As [`picture`].
pub fn thumbnail(query: Option<&str>, format: PictureFormat) -> Result<RenderRequest, Error> {
    let mut request = picture(query, format)?;
    let room = request.viewport.unwrap_or(Viewport { columns: THUMBNAIL, rows: THUMBNAIL, part: None });
    let [columns, rows] = [room.columns, room.rows].map(|side| side.min(THUMBNAIL_MAX));
    request.viewport = Some(Viewport { columns, rows, part: None });
    Ok(request)
}

/// `vw,vh[,sx,sy,sw,sh]`; where the part's place or size is left out it is that of the frame, which the standard leaves
/// to commas without a number between them.
fn viewport(text: &str) -> Option<Viewport> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let side = |n: usize| parts.get(n)?.parse::<u32>().ok().filter(|side| *side > 0);
    let (columns, rows) = (side(0)?, side(1)?);
    let part = match parts.len() {
        2 => None,
        6 => {
            let number = |n: usize| parts.get(n)?.parse::<f64>().ok().filter(|n| n.is_finite());
            Some([number(2)?, number(3)?, number(4)?, number(5)?])
        }
        _ => return None,
    };
    Some(Viewport { columns, rows, part })
}

fn window(text: &str) -> Option<Window> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let function = match parts.len() {
        2 => VoiFunction::Linear,
        3 => VoiFunction::of(parts[2])?,
        _ => return None,
    };
    let window = Window { center: parts[0].parse().ok()?, width: parts[1].parse().ok()?, function };
    window.is_valid().then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: PictureFormat = PictureFormat::Jpeg { quality: 90 };

    #[test]
    fn requests_are_read_as_the_standard_writes_them() {
        let request = picture(Some("viewport=512,512,10,20.5,-300,400&window=40,400,sigmoid"), JPEG).unwrap();
        let part = Some([10.0, 20.5, -300.0, 400.0]);
        assert_eq!(request.viewport, Some(Viewport { columns: 512, rows: 512, part }));
        let function = VoiFunction::Sigmoid;
        assert_eq!(request.window, Some(Window { center: 40.0, width: 400.0, function }));
        assert_eq!(
            picture(Some("quality=7&annotation=patient"), JPEG).unwrap().format,
            PictureFormat::Jpeg { quality: 7 }
        );
        let request = thumbnail(Some("viewport=100000%2C64,1,1,2,2"), JPEG).unwrap();
        assert_eq!(request.viewport, Some(Viewport { columns: 1024, rows: 64, part: None }));
        assert_eq!(thumbnail(None, JPEG).unwrap().viewport.unwrap().rows, 256);
    }

    #[test]
    fn impossible_requests_name_their_parameter() {
        for query in [
            "viewport=0,5",
            "viewport=5",
            "viewport=1,2,3",
            "viewport=a,b",
            "viewport=-1,5",
            "viewport=1,1,nan,1,1,1",
            "window=1",
            "window=1,0,linear",
            "window=1,2,cubic",
            "window=nan,2,linear",
            "window=1,2,linear,4",
            "quality=0",
            "quality=101",
            "quality=x",
        ] {
            let error = picture(Some(query), JPEG).unwrap_err();
            let named = query.split('=').next().unwrap();
            assert!(matches!(&error, Error::Invalid { field, .. } if field == named), "{query}: {error:?}");
        }
    }
}
