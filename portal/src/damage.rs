//! What is damaged: copies that do not match their hash, stretches of packs that cannot be read, packs whose files are
//! gone. The list, as a page and for programs.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use indexer::db::{DamagedCopy, Unindexable};
use serde_json::{Value, json};

use crate::Portal;
use crate::api::{Stretch, ask};
use crate::calendar::moment;
use crate::figures::{bytes, count};
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::problem::{Asked, Problem};
use crate::sign_in::Who;
use crate::state::table;
use crate::upkeep::{PackSeen, packs_seen};
use crate::words::with;

/// Rows of each table of the page.
const ROWS: u32 = 500;

/// What is damaged, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Copies in quarantine.
    pub copies: u64,
    /// Records that could not become rows, damaged stretches among them.
    pub unindexable: u64,
    /// Other stretches of packs that are not what was written.
    pub records: u64,
    /// Packs that the index knows and the disk has not.
    pub missing_packs: u64,
}

impl Damage {
    pub(crate) fn all(self) -> u64 {
        self.copies + self.unindexable + self.records + self.missing_packs
    }
}

/// GET `/api/v1/damaged`.
pub(crate) async fn list(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let (copies, records, totals, missing) = ask(&portal.archive, move |archive| {
        let db = archive.db();
        let records = db.damaged_records(limit, offset)?;
        Ok((db.damaged_copies(limit, offset)?, records, db.totals()?, archive.missing_packs()?))
    })
    .await?;
    // Packs go by their number here: the random part of a name protects its records against forgery.
    let rows = copies.into_iter().map(|copy| {
        json!({
            "hash": copy.hash, "pack": copy.place.pack.0, "offset": copy.place.offset,
            "bytes": copy.place.length, "other_copy": copy.other_copy,
        })
    });
    let records = records.into_iter().map(|record| {
        json!({
            "pack": record.place.pack.0, "offset": record.place.offset, "bytes": record.place.length,
            "what": record.what, "repaired": record.repaired,
        })
    });
    Ok(Json(json!({
        "copies": totals.damaged_copies, "unindexable": totals.unindexable, "missing_packs": missing,
        "damaged": rows.collect::<Vec<_>>(),
        "records": totals.damaged_records, "damaged_records": records.collect::<Vec<_>>(),
    })))
}

/// `/damaged`: the list.
pub(crate) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
) -> Result<Response, Failure> {
    let (copies, mut unindexable, totals, (missing, packs)) = ask(&portal.archive, move |archive| {
        let db = archive.db();
        let missing = archive.missing_packs()?;
        let mut unreadable = db.unindexable(ROWS, 0)?;
        let records = db.damaged_records(ROWS, 0)?.into_iter().filter(|record| !record.repaired);
        unreadable.extend(records.map(|record| Unindexable { place: record.place, reason: record.what }));
        Ok((db.damaged_copies(ROWS, 0)?, unreadable, db.totals()?, (missing, packs_seen(archive)?)))
    })
    .await
    .map_err(Failure::of(language))?;
    let words = language.words();
    let mut out = Html::default();
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/state\" rel=\"up\">← {}</a></p><h1>{}</h1>",
        words.system_status, words.damaged
    ));
    if missing > 0 {
        let n = count(language, missing);
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", with(words.missing_packs, n)));
    }
    if copies.is_empty() && unindexable.is_empty() && missing == 0 {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.nothing_damaged));
    }
    quarantined(&mut out, language, &copies, totals.damaged_copies);
    unindexable.truncate(ROWS as usize);
    stretches(&mut out, language, &unindexable, totals.unindexable + totals.damaged_records);
    verified(&mut out, language, &packs);
    let frame = Frame::new(&portal, language, Place::Inside, words.damaged, "/damaged");
    Ok(frame.asked_by(&who).around(&out))
}

fn quarantined(out: &mut Html, language: Language, copies: &[DamagedCopy], all: u64) {
    let words = language.words();
    if copies.is_empty() {
        return;
    }
    let n = count(language, all);
    out.put(format_args!(
        "<h2>{} <small>{n}</small></h2><p>{}</p>",
        words.quarantined, words.quarantined_hint
    ));
    table(out, &[words.pack, words.position, words.size, words.other_copy, words.hash], |out| {
        for copy in copies {
            let (class, sign, word) = match copy.other_copy {
                true => ("received", "✓", words.yes),
                false => ("doubt", "✗", words.no),
            };
            out.put(format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>\
                 <td><span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span></td>\
                 <td><code>{}</code></td></tr>",
                copy.place.pack.0,
                copy.place.offset,
                bytes(language, copy.place.length),
                copy.hash,
            ));
        }
    });
}

/// When each pack was last read again, the latest written first.
fn verified(out: &mut Html, language: Language, packs: &[PackSeen]) {
    let words = language.words();
    out.put(format_args!(
        "<h2 id=\"packs\">{} <small>{}</small></h2>",
        words.packs,
        count(language, packs.len() as u64)
    ));
    table(out, &[words.pack, words.size, words.verified_at, words.found_damaged], |out| {
        for pack in packs.iter().rev().take(ROWS as usize) {
            let open = if pack.sealed { "" } else { words.open_pack };
            let at = match pack.verified_ms {
                0 => "–".to_owned(),
                ms => moment(language, ms),
            };
            let under_way = if pack.place > 0 { words.verifying } else { "" };
            out.put(format_args!(
                "<tr><th scope=\"row\">{} <small>{open}</small></th><td>{}</td><td>{at} <small>{under_way}</small></td><td>{}</td></tr>",
                pack.number,
                bytes(language, pack.bytes),
                count(language, pack.damaged),
            ));
        }
    });
}

fn stretches(out: &mut Html, language: Language, records: &[Unindexable], all: u64) {
    let words = language.words();
    if records.is_empty() {
        return;
    }
    let n = count(language, all);
    out.put(format_args!(
        "<h2>{} <small>{n}</small></h2><p>{}</p>",
        words.unindexable, words.unindexable_hint
    ));
    table(out, &[words.pack, words.position, words.reason], |out| {
        for record in records {
            let (pack, at) = (record.place.pack.0, record.place.offset);
            let why = Escaped(&record.reason);
            out.put(format_args!("<tr><th scope=\"row\">{pack}</th><td>{at}</td><td>{why}</td></tr>"));
        }
    });
}
