//! Rendered instances and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4).
//!
//! An instance is shown by its first frame, a thumbnail by the middle one; a study or series by the instance in its
//! middle, or, where multipart is accepted and no thumbnail asked for, by a picture of each instance. Instances without
//! frames, and frames that cannot be decoded, are left out of such a row: a document is fetched from its own resource.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use indexer::archive::{Archive, Frames};
use indexer::db::Scope;
use indexer::picture::{RENDERING, RenderRequest};
use storage_config::ContentHash;

use super::accept::{self, FORM_OF_FRAMES, Form};
use super::{Asked, answer, bulkdata, drawing, frames, related, unchanged};
use crate::DicomWeb;
use crate::archive::unread;
use crate::error::{Error, Kind};
use crate::measure;
use crate::outgoing::{self, Cut};
use crate::path::Named;
use crate::pictures::Studio;
use crate::reading::{self, ABSENT};

/// Pictures of one answer, at most.
const PICTURES_MAX: usize = 1000;

/// Which frame shows an instance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    First,
    Middle,
}

/// What is to be drawn.
enum Target {
    /// One frame, counted from 0.
    One(Box<Frames>, usize),
    /// The instance is no image.
    Document,
    /// Frames of instances.
    Many(Vec<(Scope, usize)>, String),
}

/// `GET .../rendered` of a study, series, instance or frames.
///
/// # Errors
/// When there is no such thing, it has no picture, or none is accepted.
pub async fn rendered(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let ranges = accept::ranges_of(&asked.headers, asked.query.as_deref())?;
    let wanted = ranges.picture();
    let several = matches!(&wanted, Ok((Form::Related, _)));
    let (target, named) = reading::turn(&web.archive, {
        let studio = web.studio.clone();
        move |archive| Ok((target(archive, studio.as_ref(), &named, (Shown::First, several))?, named))
    })
    .await?;
    if matches!(target, Target::Document) {
        return bulkdata::document(web, named, asked).await;
    }
    let (form, format) = wanted?;
    let request = drawing::picture(asked.query.as_deref(), format)?;
    draw(web, target, asked, (form, request)).await
}

/// `GET .../thumbnail` of a study, series, instance or frame.
///
/// # Errors
/// As [`rendered`].
pub async fn thumbnail(web: &DicomWeb, named: Named, asked: &Asked) -> Result<Response, Error> {
    let (_, format) = accept::ranges_of(&asked.headers, asked.query.as_deref())?.picture()?;
    let request = drawing::thumbnail(asked.query.as_deref(), format)?;
    let studio = web.studio.clone();
    let target = reading::turn(&web.archive, move |archive| {
        target(archive, studio.as_ref(), &named, (Shown::Middle, false))
    });
    draw(web, target.await?, asked, (Form::Single, request)).await
}

fn target(
    archive: &Archive,
    studio: Option<&Studio>,
    named: &Named,
    (shown, several): (Shown, bool),
) -> Result<Target, Error> {
    let mut scope = reading::scope(archive, named)?;
    let numbers = named.part.as_deref().map(frames::list).transpose()?;
    if scope.instance.is_none() {
        if several {
            return each(archive, &scope);
        }
        let studio = studio.ok_or_else(no_pictures)?;
        let chosen = studio.pictures().representative(&scope).map_err(|error| unread(&error))?;
        let chosen = chosen.ok_or(ABSENT)?;
        (scope.series, scope.instance) = (Some(chosen.series_uid), Some(chosen.sop_instance));
    }
    let Ok(found) = archive.frames(&scope).map_err(reading::fault)?.ok_or(ABSENT)? else {
        return Ok(Target::Document);
    };
    match numbers.as_deref() {
        None => {
            let n = if shown == Shown::Middle { found.count() / 2 } else { 0 };
            Ok(Target::One(Box::new(found), n))
        }
        Some([n]) => Ok(Target::One(Box::new(found), *n)),
        Some(_) if !several => {
            Err(Error::NotAcceptable("several frames are rendered as multipart/related".to_owned()))
        }
        Some(numbers) => {
            let digest = found.instance().digest.to_string();
            let list: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let targets = numbers.iter().map(|n| (scope.clone(), *n)).collect();
            Ok(Target::Many(targets, format!("{digest}.{}", list.join("."))))
        }
    }
}

/// The first frame of each instance of a study or series.
fn each(archive: &Archive, scope: &Scope) -> Result<Target, Error> {
    let rows = archive.db().instances_of(scope, None, PICTURES_MAX + 1).map_err(|error| unread(&error))?;
    if rows.is_empty() {
        return Err(ABSENT);
    }
    if rows.len() > PICTURES_MAX {
        return Err(Error::NotAcceptable(format!("at most {PICTURES_MAX} instances are rendered at once")));
    }
    let digests: Vec<u8> = rows.iter().flat_map(|row| row.digest.0).collect();
    let targets = rows.into_iter().map(|row| {
        let scope =
            Scope { study: row.study_uid, series: Some(row.series_uid), instance: Some(row.sop_instance) };
        (scope, 0)
    });
    Ok(Target::Many(targets.collect(), ContentHash::of(&digests).to_string()))
}

fn no_pictures() -> Error {
    Error::NotAcceptable("this server renders no pictures".to_owned())
}

async fn draw(
    web: &DicomWeb,
    target: Target,
    asked: &Asked,
    (form, request): (Form, RenderRequest),
) -> Result<Response, Error> {
    let studio = web.studio.as_ref().ok_or_else(no_pictures)?;
    let content = match &target {
        Target::One(frames, n) => format!("{}.{n}", frames.instance().digest),
        Target::Many(_, content) => content.clone(),
        Target::Document => {
            return Err(Error::NotAcceptable("the instance holds no image".to_owned()));
        }
    };
    let tag = ContentHash::of(format!("{content} {RENDERING} {request:?}").as_bytes()).to_string();
    let etag = format!("\"{tag}-{}\"", FORM_OF_FRAMES[usize::from(form == Form::Single)]);
    if let Some(unchanged) = unchanged(asked, &etag) {
        return Ok(unchanged);
    }
    let media_type = request.format.media_type();
    let related_type = related::content_type(&tag, media_type);
    let mut response = match (target, form) {
        (Target::One(frames, n), _) => {
            let picture = match studio.kept(&tag) {
                Some(picture) => picture,
                None => studio.draw(*frames, n, request, &tag).await?,
            };
            let parts = match form {
                Form::Single => vec![picture],
                Form::Related => vec![
                    Bytes::from(related::part_head(&tag, media_type, true)),
                    picture,
                    Bytes::from(related::tail(&tag)),
                ],
            };
            let whole = parts.concat();
            let length = whole.len();
            measure::sent(asked.operation, length);
            let body = if asked.head { Body::empty() } else { Body::from(whole) };
            let content_type = if form == Form::Single { media_type } else { &related_type };
            answer(body, content_type, &etag, Some(length as u64))?
        }
        (Target::Many(targets, _), _) => {
            let (archive, studio) = (web.archive.clone(), studio.clone());
            let left = targets.into_iter();
            let row = Row { archive, studio, left, request, tag, first: true, ended: false };
            let body = if asked.head { Body::empty() } else { outgoing::body(asked.operation, row).await? };
            answer(body, &related_type, &etag, None)?
        }
        (Target::Document, _) => return Err(no_pictures()),
    };
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    Ok(response)
}

/// Pictures on their way out, one to a part.
struct Row {
    archive: Archive,
    studio: Studio,
    left: std::vec::IntoIter<(Scope, usize)>,
    request: RenderRequest,
    tag: String,
    first: bool,
    ended: bool,
}

impl Row {
    /// The next picture; none where the instance or frame has none.
    fn picture(&self, scope: &Scope, n: usize) -> Result<Option<Bytes>, Error> {
        let Some(Ok(mut frames)) = self.archive.frames(scope).map_err(reading::fault)? else {
            return Ok(None);
        };
        match self.studio.draw_here(&mut frames, n, &self.request) {
            Ok(picture) => Ok(Some(picture)),
            Err(error) if matches!(error.kind(), Kind::NotAcceptable | Kind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Iterator for Row {
    type Item = Result<Bytes, Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let Some((scope, n)) = self.left.next() else {
                self.ended = true;
                let tail = related::tail(&self.tag);
                let none = if self.first {
                    related::part_head(&self.tag, "text/plain", true)
                } else {
                    String::new()
                };
                return Some(Ok(Bytes::from(none + &tail)));
            };
            match self.picture(&scope, n) {
                Ok(Some(picture)) => {
                    let media_type = self.request.format.media_type();
                    let head = related::part_head(&self.tag, media_type, std::mem::take(&mut self.first));
                    return Some(Ok([head.as_bytes(), &picture].concat().into()));
                }
                Ok(None) => {}
                Err(_) => {
                    self.ended = true;
                    return Some(Err(Cut::BROKEN));
                }
            }
        }
        None
    }
}
