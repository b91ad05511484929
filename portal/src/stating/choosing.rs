//! `/conflicts/{study}`: the versions of the instances of a study that differ, and the choice which of them is served.

use axum::extract::{Form, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use indexer::archive::Basis;
use indexer::db::{Conflict, ConflictKind, Db, DbError, VersionRow};
use indexer::statement::Resolution;
use serde::Deserialize;
use storage_config::{ContentHash, Uid};

use super::body::uid;
use super::say;
use crate::Portal;
use crate::api::ask;
use crate::calendar::moment;
use crate::figures::bytes;
use crate::frame::{Failure, Frame, Place};
use crate::html::{Escaped, Html};
use crate::language::Language;
use crate::problem::Problem;
use crate::sign_in::Who;
use crate::state::table;

/// Conflicts of one study that a page shows at most.
const CONFLICTS: u32 = 100;

/// What a form says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    digest: String,
    kind: String,
    #[serde(default)]
    who: String,
}

/// A conflict with the versions that it is about.
type Found = (Conflict, Vec<VersionRow>);

fn read(db: &Db, study: &Uid) -> Result<Vec<Found>, DbError> {
    let mut all: Vec<Found> = Vec::new();
    for conflict in db.conflicts_of(study, CONFLICTS)? {
        let Some(sop) = &conflict.sop_instance else {
            all.push((conflict, Vec::new()));
            continue;
        };
        // One table for each instance, however many versions it has.
        if all.iter().any(|(other, _)| other.sop_instance.as_ref() == Some(sop)) {
            continue;
        }
        let mut versions = db.versions(Some(study), sop)?;
        versions.retain(|version| !version.instance.withdrawn);
        all.push((conflict, versions));
    }
    Ok(all)
}

pub(super) async fn page(
    State(portal): State<Portal>,
    language: Language,
    who: Who,
    Path(study): Path<String>,
) -> Result<Response, Failure> {
    let study = Uid::parse(&study).map_err(|_| Failure::no_study(language))?;
    let wanted = study.clone();
    let found = ask(&portal.archive, move |archive| read(archive.db(), &wanted))
        .await
        .map_err(Failure::of(language))?;
    let words = language.words();
    let mut out = Html::default();
    out.put(format_args!(
        "<p class=\"back\"><a href=\"/studies/{study}\" rel=\"up\">← {}</a></p><h1>{}</h1><p>{}</p>",
        words.study, words.conflicts, words.conflicts_hint
    ));
    if found.is_empty() {
        out.put(format_args!("<p class=\"banner good\">✓ {}</p>", words.no_conflicts));
    }
    for (conflict, versions) in &found {
        let kind = kind(language, conflict.kind);
        out.put(format_args!("<section class=\"attention\"><h2>{kind}</h2>"));
        if versions.len() > 1 {
            choices(&mut out, language, who.person().is_some(), versions);
        }
        out.put(format_args!("</section>"));
    }
    let here = format!("/conflicts/{study}");
    Ok(Frame::new(&portal, language, Place::Inside, words.conflicts, &here).asked_by(&who).around(&out))
}

/// What a conflict is, in words.
pub(crate) fn kind(language: Language, kind: ConflictKind) -> &'static str {
    let words = language.words();
    match kind {
        ConflictKind::Identity => words.conflict_identity,
        ConflictKind::Correction => words.conflict_correction,
        ConflictKind::Content => words.conflict_content,
        ConflictKind::StudyPatients => words.conflict_patients,
        ConflictKind::SharedUid => words.conflict_shared,
    }
}

/// The versions of one instance, each with the ways to have it served.
fn choices(out: &mut Html, language: Language, signed_in: bool, versions: &[VersionRow]) {
    let words = language.words();
    table(out, &[words.last_received, words.sent_by, words.size, words.versions], |out| {
        for VersionRow { instance, conflict, .. } in versions {
            let against = match conflict {
                Some(conflict) => kind(language, *conflict),
                None => words.served_now,
            };
            out.put(format_args!(
                "<tr><th scope=\"row\">{}<small>{against}</small></th><td>{}</td><td>{}</td><td>\
                 <form method=\"post\" action=\"/conflicts/{}/{}/{}\">\
                 <input type=\"hidden\" name=\"digest\" value=\"{}\">",
                moment(language, instance.received_ms),
                Escaped(&instance.source),
                bytes(language, instance.length),
                instance.study_uid,
                instance.series_uid,
                instance.sop_instance,
                instance.digest,
            ));
            if !signed_in {
                out.put(format_args!(
                    "<label>{} <input name=\"who\" required maxlength=\"64\" autocomplete=\"name\"></label> ",
                    words.your_name
                ));
            }
            out.put(format_args!(
                "<button name=\"kind\" value=\"correction\">{}</button> \
                 <button name=\"kind\" value=\"mix_up\">{}</button></form></td></tr>",
                words.serve_correction, words.serve_mix_up
            ));
        }
    });
}

/// POST `/conflicts/{study}/{series}/{sop_instance}`: the choice, by a form.
pub(super) async fn choose(
    State(portal): State<Portal>,
    Path((study, series, sop_instance)): Path<(String, String, String)>,
    parts: Parts,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Problem> {
    let names = (uid("study", &study)?, uid("series", &series)?, uid("sop_instance", &sop_instance)?);
    let digest: ContentHash =
        chosen.digest.parse().map_err(|_| Problem::Invalid("digest", "is no digest".into()))?;
    let resolution = match chosen.kind.as_str() {
        "correction" => Resolution::Correction,
        "mix_up" => Resolution::MixUp,
        _ => return Err(Problem::Invalid("kind", "is none of correction, mix_up".into())),
    };
    let who = super::who::who(&parts, Some(chosen.who))?;
    let back = format!("/conflicts/{}", names.0);
    say(&portal.archive, move |archive| {
        let names = (&names.0, &names.1, &names.2);
        archive.serve_version(names, (digest, resolution), (None, Basis::Current), (who, String::new()))
    })
    .await?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response())
}
