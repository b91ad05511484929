//! `/api/v1/withdrawals`: what is not to be shown any more, and giving it back.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::Withdraw;
use indexer::db::{FacilityId, Stated};
use indexer::statement::{Kind, Reason, State as Said};
use serde_json::{Value, json};

use super::body::Request;
use super::site::{Codes, codes};
use super::{say, told_with};
use crate::Portal;
use crate::api::{Stretch, ask};
use crate::problem::{Asked, Problem};

pub(super) async fn withdraw(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(&parts, &body)?;
    let reason = request.needed("reason")?;
    let names = Reason::ALL.map(Reason::name).join(", ");
    let reason =
        Reason::of_name(&reason).ok_or_else(|| Problem::Invalid("reason", format!("is none of {names}")))?;
    let withdraw = Withdraw {
        study: request.uid("study")?.ok_or_else(|| Problem::Invalid("study", "is missing".into()))?,
        series: request.uid("series")?,
        sop_instance: request.uid("sop_instance")?,
        facility: request.text("facility")?,
        reason,
        text: request.text("text")?.unwrap_or_default(),
        id: request.key.clone(),
        who: request.who.clone(),
        why: request.why.clone(),
    };
    request.end()?;
    let (stated, codes) = say(&portal.archive, move |archive| {
        Ok::<_, Problem>((archive.withdraw(withdraw)?, codes(archive.db())?))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(shown(&stated, &codes))))
}

pub(super) async fn restore(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Request { who, why, key, .. } = {
        let request = Request::read(&parts, &body)?;
        request.end()?;
        request
    };
    let (stated, codes) = say(&portal.archive, move |archive| {
        Ok::<_, Problem>((archive.restore(&id, key, who, why)?, codes(archive.db())?))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(shown(&stated, &codes))))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let (rows, codes) = ask(&portal.archive, move |archive| {
        Ok((archive.db().withdrawals(limit, offset)?, codes(archive.db())?))
    })
    .await?;
    Ok(Json(rows.iter().map(|stated| shown(stated, &codes)).collect()))
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (row, codes) = ask(&portal.archive, move |archive| {
        Ok((archive.db().subject(Kind::Withdrawal, &id)?, codes(archive.db())?))
    })
    .await?;
    let row = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
    let stated = row.ok_or(Problem::NotFound("withdrawal"))?;
    let mut answer = shown(&stated, &codes);
    if let (Said::Withdrawal(state), Some(answer)) = (&stated.statement.state, answer.as_object_mut()) {
        answer.insert("digests".into(), json!(state.instances));
    }
    Ok(Json(answer))
}

pub(super) async fn sent_again(
    State(portal): State<Portal>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Value>, Problem> {
    let (limit, offset) = stretch.bounds();
    let (rows, codes) = ask(&portal.archive, move |archive| {
        Ok((archive.db().arrived_after_rejection(limit, offset)?, codes(archive.db())?))
    })
    .await?;
    let row = |arrival: indexer::db::RejectedArrival| {
        json!({
            "digest": arrival.digest, "study": arrival.study_uid, "sop_instance": arrival.sop_instance,
            "facility": codes.get(&arrival.facility), "received_ms": arrival.last_ms,
        })
    };
    Ok(Json(rows.into_iter().map(row).collect()))
}

fn shown(stated: &Stated, codes: &Codes) -> Value {
    let Said::Withdrawal(state) = &stated.statement.state else { return Value::Null };
    let facility = state.facility.and_then(|number| codes.get(&FacilityId(number)));
    let more = json!({
        "withdrawal": stated.statement.subject.key, "restored": state.restored, "study": state.study,
        "instances": state.instances.len(), "facility": facility, "everybody": state.facility.is_none(),
        "reason": state.reason, "text": state.text,
    });
    told_with(stated, more)
}
