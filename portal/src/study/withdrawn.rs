//! `/withdrawn`: what is withdrawn, and the page of a study of which nothing is shown any more: nothing of the patient stands
//! on either, only that it was withdrawn, by whom and why, and the way to give it back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use indexer::archive::Archive;
use indexer::db::{DbError, Stated};
use indexer::principal::Action;
use indexer::statement::State as Statement;
use storage_config::Uid;

use super::around::Keeping;
use super::keeping::{withdrawal, withdrawals};
use super::words::words;
use crate::Portal;
use crate::api::ask;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::persons::{Codes, codes};
use crate::sign_in::Who;

/// Withdrawals of the list.
const ROWS: u32 = 200;

/// GET `/withdrawn`.
pub(super) async fn list(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
) -> Result<Response, Failure> {
    let (rows, codes) =
        ask(&portal.archive, |archive| Ok((archive.db().withdrawals(ROWS, 0)?, codes(archive.db())?)))
            .await
            .map_err(Failure::of(language))?;
    let in_force =
        |stated: &&Stated| matches!(&stated.statement.state, Statement::Withdrawal(it) if !it.restored);
    let rows: Vec<&Stated> = rows.iter().filter(in_force).collect();
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!("<h1>{}</h1><p>{}</p>", words.withdrawn_list, words.withdrawn_hint));
    if rows.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.withdrawn_none));
    } else {
        out.put(format_args!("<ul class=\"unmet\">"));
        for stated in rows {
            if let Statement::Withdrawal(state) = &stated.statement.state {
                out.put(format_args!(
                    "<li><div><a href=\"/studies/{0}\"><code>{0}</code></a></div></li>",
                    state.study
                ));
            }
            withdrawal(&mut out, language, &who, (stated, &codes));
        }
        out.put(format_args!("</ul>"));
    }
    Ok(Frame::new(&portal, language, Place::Withdrawn, words.withdrawn_list, "/withdrawn")
        .asked_by(&who)
        .around(&out))
}

/// What is known of a study of which nothing is shown; none where nothing of it was ever withdrawn.
pub(super) fn read(archive: &Archive, study: &Uid) -> Result<Option<(Keeping, Codes)>, DbError> {
    let keeping = Keeping::read(archive.db(), study)?;
    if keeping.withdrawals.is_empty() {
        return Ok(None);
    }
    Ok(Some((keeping, codes(archive.db())?)))
}

/// The page of such a study.
pub(super) fn page(
    portal: &Portal,
    language: Language,
    who: &Who,
    (keeping, codes): (&Keeping, &Codes),
    refused: Option<(StatusCode, String)>,
) -> Response {
    let words = words(language);
    let mut out = Html::default();
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/\" rel=\"up\">← {}</a></p><h1>{}</h1><p><code>{}</code></p>",
        language.words().back_to_list,
        words.withdrawn_title,
        keeping.study
    ));
    if let Some((_, why)) = &refused {
        out.put(format_args!("<p class=\"banner bad\" role=\"alert\">{}</p>", Escaped(why)));
    }
    let hint = if who.may(Action::Withdraw) { words.withdrawn_hint } else { words.forbidden };
    out.put(format_args!("<p>{hint}</p>"));
    withdrawals(&mut out, language, who, (keeping, codes));
    let here = format!("/studies/{}", keeping.study);
    let frame = Frame::new(portal, language, Place::Inside, words.withdrawn_title, &here).asked_by(who);
    frame.answering(refused.map_or(StatusCode::NOT_FOUND, |(status, _)| status), &out)
}
