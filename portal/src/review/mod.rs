//! `/review`: studies whose code waits for a person, and those of which the lists in force would say something else.
//!
//! One form with a button for each choice: it works without scripts, and a script gives the buttons keys. What is
//! chosen becomes a statement, as under `/api/v1/studies/{study}/codes`.

mod page;
mod post;
pub(crate) mod words;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use indexer::archive::{Archive, ReadError};
use indexer::codes::StudyFacts;
use indexer::db::Reviewed;
use indexer::query::{Level, Match, Query as Wanted, QueryRow};
use indexer::statement::Kind;
use serde::Deserialize;
use storage_config::Uid;

use crate::frame::{Failure, Frame, Place};
use crate::html::address;
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::{FORM_BYTES, Portal};

/// Studies of a page.
const ROWS: u32 = 10;

/// The routes of this module.
pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/review", get(show).post(post::decide)).layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// Which page of which list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    /// `proposed` for studies that keep a code of which the lists in force would say something else.
    list: String,
    /// The study after which this page begins.
    after: Option<String>,
    /// The study that was decided just now.
    done: Option<String>,
}

impl Address {
    fn proposed(&self) -> bool {
        self.list == "proposed"
    }

    /// The study after which this page begins; what is none begins the list anew.
    fn after(&self) -> Option<Uid> {
        self.after.as_deref().and_then(|study| Uid::parse(study).ok())
    }

    /// The address of the page of this list that begins after a study.
    fn at(&self, after: Option<&Uid>) -> String {
        let list = self.proposed().then(|| "list=proposed".to_owned());
        let after = after.map(|study| format!("after={study}"));
        address("/review", [list, after])
    }
}

/// A study that waits, with what is known of it.
struct Task {
    reviewed: Reviewed,
    row: Option<QueryRow>,
    facts: Option<StudyFacts>,
    /// The version of the choice that was seen; 0 for none.
    version: u64,
}

/// What a page shows.
struct Queue {
    tasks: Vec<Task>,
    more: bool,
    waiting: u64,
    proposed: u64,
    facility_codes: std::collections::HashMap<indexer::db::FacilityId, String>,
}

fn read(archive: &Archive, proposed: bool, after: Option<&Uid>) -> Result<Queue, ReadError> {
    let db = archive.db();
    let mut reviewed = match proposed {
        true => db.codes_proposed(ROWS + 1, after)?,
        false => db.codes_to_review(ROWS + 1, after)?,
    };
    let more = reviewed.len() > ROWS as usize;
    reviewed.truncate(ROWS as usize);
    let mut query = Wanted::new(Level::Study);
    query.keys.push(Match::StudyUid(reviewed.iter().map(|one| one.study.clone()).collect()));
    query.limit = ROWS;
    let mut rows = if reviewed.is_empty() { Vec::new() } else { db.query(&query)?.rows };
    let mut tasks = Vec::with_capacity(reviewed.len());
    for one in reviewed {
        let at = rows.iter().position(|row| row.study_uid == one.study);
        let stated = db.subject(Kind::StudyCode, one.study.as_str())?;
        tasks.push(Task {
            row: at.map(|at| rows.swap_remove(at)),
            facts: archive.study_facts(&one.study)?,
            version: stated.and_then(|row| row.version).unwrap_or(0),
            reviewed: one,
        });
    }
    let (waiting, proposed) = db.codes_waiting()?;
    let facility_codes = db.facility_codes()?.into_iter().map(|code| (code.facility, code.code)).collect();
    Ok(Queue { tasks, more, waiting, proposed, facility_codes })
}

/// What is said above the list.
enum Notice {
    Nothing,
    /// A study was decided.
    Done(String),
    /// Something was not done, and why.
    Refused(StatusCode, String),
}

async fn show(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Query(mut address): Query<Address>,
) -> Result<Response, Failure> {
    let notice = address.done.take().map_or(Notice::Nothing, Notice::Done);
    shown(&portal, language, &who, &address, notice).await
}

async fn shown(
    portal: &Portal,
    language: Language,
    who: &Who,
    address: &Address,
    notice: Notice,
) -> Result<Response, Failure> {
    let (archive, proposed, after) = (portal.archive.clone(), address.proposed(), address.after());
    let queue = tokio::task::spawn_blocking(move || read(&archive, proposed, after.as_ref())).await;
    let queue = queue
        .map_err(Problem::failed)
        .and_then(|queue| queue.map_err(Problem::failed))
        .map_err(Failure::of(language))?;
    let status = if let Notice::Refused(status, _) = &notice { *status } else { StatusCode::OK };
    let catalogue = portal.archive.catalogue();
    let content = page::content(language, who, address, &queue, catalogue.as_deref(), &notice);
    let here = address.at(address.after().as_ref());
    let title = words::words(language).title;
    let frame = Frame::new(portal, language, Place::Review, title, &here).asked_by(who);
    Ok(frame.answering(status, &content))
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        Problem::failed(error)
    }
}
