//! Reading the log, newest first, from the ends of its files: a page costs what it shows, not what the log holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;

use super::{Month, View, file_of};
use crate::calendar::Day;

/// Bytes that are read at once.
const BLOCK: u64 = 256 * 1024;
/// Bytes that one page may search through; it then says where to go on.
const SEARCHED: u64 = 64 << 20;

/// Which views are wanted. What is empty asks for nothing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    /// Study Instance UID.
    #[serde(default)]
    pub study: String,
    /// Account, token or claimed name.
    #[serde(default)]
    pub who: String,
    /// First day at the site, `YYYY-MM-DD`.
    #[serde(default)]
    pub from: String,
    /// Last day.
    #[serde(default)]
    pub to: String,
    /// Where the page before ended.
    #[serde(default)]
    pub before: String,
    /// Rows of a page.
    pub limit: Option<u32>,
}

impl Asked {
    fn day(text: &str) -> Option<Day> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Day::of_text(&digits).filter(|_| digits.len() == 8)
    }

    pub(super) fn first(&self) -> Option<Day> {
        Asked::day(&self.from)
    }

    pub(super) fn last(&self) -> Option<Day> {
        Asked::day(&self.to)
    }

    fn wants(&self, view: &View) -> bool {
        let day = Day::at(view.at_ms);
        let who = self.who.trim();
        (self.study.trim().is_empty() || self.study.trim() == view.study)
            && (who.is_empty() || who.eq_ignore_ascii_case(&view.who))
            && self.first().is_none_or(|first| day >= first)
            && self.last().is_none_or(|last| day <= last)
    }
}

/// A place in the log: all before it is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    month: Month,
    offset: u64,
}

impl Cursor {
    pub(super) fn of_text(text: &str) -> Option<Cursor> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next()?.parse::<u64>().ok();
        let (year, month, offset) = (next()?, next()?, next()?);
        let month = (i64::try_from(year).ok()?, i64::try_from(month).ok()?);
        Some(Cursor { month, offset })
    }

    pub(super) fn text(self) -> String {
        format!("{:04}-{:02}-{}", self.month.0, self.month.1, self.offset)
    }
}

/// Some views, newest first.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub views: Vec<View>,
    /// Where to go on, when there may be more.
    pub next: Option<Cursor>,
}

/// At most `limit` views that are wanted, before `cursor`.
///
/// # Errors
/// When the folder or a file cannot be read.
pub(super) fn read(folder: &Path, asked: &Asked, cursor: Option<Cursor>, limit: usize) -> io::Result<Page> {
    let mut page = Page::default();
    let mut left = SEARCHED;
    let month = |day: Day| {
        let (year, month, _) = day.parts();
        (year, month)
    };
    for at in months(folder)? {
        let later = asked.last().is_some_and(|last| at > month(last)) || cursor.is_some_and(|c| at > c.month);
        if later {
            continue;
        }
        if asked.first().is_some_and(|first| at < month(first)) {
            break;
        }
        let file = File::open(file_of(folder, at))?;
        let length = file.metadata()?.len();
        let end =
            cursor.filter(|cursor| cursor.month == at).map_or(length, |cursor| cursor.offset.min(length));
        let stopped = backwards(&file, end, &mut left, |line| {
            if let Ok(view) = serde_json::from_slice::<View>(line)
                && asked.wants(&view)
            {
                page.views.push(view);
            }
            page.views.len() < limit
        })?;
        if let Some(offset) = stopped {
            page.next = Some(Cursor { month: at, offset });
            break;
        }
    }
    Ok(page)
}

/// The months that have a file, newest first.
fn months(folder: &Path) -> io::Result<Vec<Month>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let month = name.strip_prefix("views-").and_then(|rest| rest.strip_suffix(".jsonl"));
        let parts = month.and_then(|month| month.split_once('-'));
        found.extend(parts.and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?))));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Gives the lines that end before `end`, last one first, until `take` has enough or `left` bytes were read: where to
/// go on then.
fn backwards(
    file: &File,
    end: u64,
    left: &mut u64,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<Option<u64>> {
    // Bytes from `at` on whose line has its beginning before `at`.
    let (mut at, mut rest) = (end, Vec::new());
    while at > 0 {
        let start = at.saturating_sub(BLOCK);
        let length = usize::try_from(at - start).unwrap_or_default();
        if *left < length as u64 {
            return Ok(Some(at + rest.len() as u64));
        }
        *left -= length as u64;
        let mut block = vec![0; length];
        file.read_exact_at(&mut block, start)?;
        block.append(&mut rest);
        // What stands before the first end of a line begins in the block before, but at the beginning of the file.
        let first = if start == 0 {
            0
        } else {
            block.iter().position(|b| *b == b'\n').map_or(block.len(), |n| n + 1)
        };
        let mut stop = block.len();
        while stop > first {
            let line_start =
                block[first..stop - 1].iter().rposition(|b| *b == b'\n').map_or(first, |n| first + n + 1);
            if !take(&block[line_start..stop]) {
                let place = start + line_start as u64;
                return Ok((place > 0).then_some(place));
            }
            stop = line_start;
        }
        // No line of ours is as long as a block; what has no end for so long is damage and left out.
        block.truncate(if first as u64 > BLOCK { 0 } else { first });
        rest = block;
        at = start;
    }
    Ok(None)
}
