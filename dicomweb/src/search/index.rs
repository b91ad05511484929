//! A search put to the index, and its rows.

use indexer::archive::Archive;
use indexer::query::{self, OFFSET_MAX, PatientScope, Query};

use super::Level;
use super::parameters::{Key, Search, Tag};
use crate::archive::blocking;
use crate::error::{Error, shortened};
use crate::path::Named;

pub use indexer::query::QueryRow;

/// What the index found.
pub struct Found {
    /// The rows, newest study first.
    pub rows: Vec<QueryRow>,
    /// There may be more than these.
    pub more: bool,
    /// Keys that it does not match, as tags.
    pub ignored: Vec<String>,
    /// Old studies were not looked at.
    pub old_left_out: bool,
}

/// Asks the index for rows of `level` below what the path names.
///
/// # Errors
/// When a value is none of its attribute, or the index cannot be read, or not in time.
pub async fn search(archive: &Archive, level: Level, named: Named, search: Search) -> Result<Found, Error> {
    if search.offset > OFFSET_MAX {
        return Err(Error::invalid("offset", format!("at most {OFFSET_MAX} rows can be passed over")));
    }
    let with_parents = wants_parents(level, &named, &search);
    let patient = named.patient;
    let mut found = Found { rows: Vec::new(), more: false, ignored: Vec::new(), old_left_out: false };
    let (Some(keys), true) = (within(named, search.keys), search.limit > 0) else { return Ok(found) };
    let mut query = Query::new(match level {
        Level::Study => query::Level::Study,
        Level::Series => query::Level::Series,
        Level::Instance => query::Level::Instance,
    });
    for key in keys {
        let taken = match key.within {
            Some(sequence) => query.key_within(sequence, key.tag, &key.value),
            None => query.key(key.tag, &key.value),
        };
        if !taken.map_err(|error| Error::invalid(shortened(&key.name), error.to_string()))? {
            found.ignored.push(format!("{:08X}", key.tag));
        }
    }
    (query.fuzzy, query.with_parents) = (search.fuzzy, with_parents);
    (query.limit, query.offset) = (search.limit, search.offset);
    let archive = archive.clone();
    let page = blocking(move || {
        if let Some(key) = patient {
            let Some(group) = archive.db().identity_group(&[key])? else { return Ok(None) };
            query.scope = PatientScope::Group(group);
        }
        archive.db().query(&query).map(Some)
    });
    let page = page.await?.ok_or(Error::NotFound("nobody has this patient key"))?;
    found.more = page.next.is_some();
    found.old_left_out = page.old_left_out;
    found.rows = page.rows;
    Ok(found)
}

/// Whether rows are to have the attributes of the levels above: when the path does not name those (PS3.18 10.6.3.3),
/// or some are asked for.
fn wants_parents(level: Level, named: &Named, search: &Search) -> bool {
    let unnamed = match level {
        Level::Study => return false,
        Level::Series => named.study.is_none(),
        Level::Instance => named.series.is_none(),
    };
    let above = |tag: &Tag| {
        let study = [0x0008_0020, 0x0008_0030, 0x0008_0050, 0x0008_0061, 0x0008_0090, 0x0008_1030];
        let series = [0x0008_0060, 0x0008_103E, 0x0020_0011];
        *tag >> 16 == 0x0010
            || matches!(tag, 0x0020_0010 | 0x0020_1206 | 0x0020_1208)
            || study.contains(tag)
            || (level == Level::Instance && series.contains(tag))
    };
    unnamed || search.include_all || search.include.iter().any(above)
}

/// The keys together with the path's identifiers, or `None` when they exclude each other.
fn within(named: Named, mut keys: Vec<Key>) -> Option<Vec<Key>> {
    let path: [(Tag, _); 3] =
        [(0x0020_000D, named.study), (0x0020_000E, named.series), (0x0008_0018, named.instance)];
    for (tag, uid) in path {
        let Some(uid) = uid else { continue };
        match keys.iter_mut().find(|key| key.within.is_none() && key.tag == tag) {
            Some(key) => {
                let any = key.value.is_empty() || key.value == "*";
                if !any && !key.value.split('\\').any(|one| one.trim() == uid.as_str()) {
                    return None;
                }
                key.value = uid.to_string();
            }
            None => keys.push(Key { within: None, tag, name: "path".to_owned(), value: uid.to_string() }),
        }
    }
    Some(keys)
}
