//! `/api/v1/deliveries`: how results were handed to patients, and at which kind of price they were billed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::{Archive, Basis, Said};
use indexer::db::{DecisionsBy, DeliveriesBy, FacilityId, Stated};
use indexer::reuse::Moment;
use indexer::statement::{BilledPrice, Delivery, DeliveryMode, Kind, State as Statement};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_config::Uid;

use super::body::{Request, uid};
use super::site::{Codes, code, codes, concerns, of_token, resolve};
use super::{say, told_with};
use crate::Portal;
use crate::calendar::now_ms;
use crate::problem::Problem;

/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;
/// Hand-overs that are looked through for those of one facility.
const LOOKED_THROUGH: u32 = 100_000;

/// Which hand-overs are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    order: Option<String>,
    study: Option<String>,
    /// `1`: those that were billed with film although none was handed over.
    warnings: Option<u8>,
    limit: Option<u32>,
    offset: Option<u32>,
}

pub(super) async fn take(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut request = Request::read(&parts, &body)?;
    let order = request.text("order")?.unwrap_or_default().trim().to_owned();
    let study = request.uid("study")?;
    let missing =
        || Problem::Invalid("mode", "is missing: film, link_or_qr, disc, paper or view_only".into());
    let mode: DeliveryMode = request.fields.one_of("mode")?.ok_or_else(missing)?;
    let price: Option<BilledPrice> = request.fields.one_of("price")?;
    let delivered_at: Option<Moment> = request.fields.one_of("delivered_at")?;
    let recipient = request.fields.words("recipient")?;
    let proof = request.fields.words("proof")?;
    let facility = request.text("facility")?;
    request.end()?;
    let Request { who, why, key: id, .. } = request;
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let facility = resolve(archive, "facility", facility.as_deref(), token)?;
        if !order.is_empty() && !concerns(token, archive.ordered(&order)?.0.facility) {
            return Err(Problem::Invalid("order", "is not of the facility that the token acts for".into()));
        }
        if let Some(study) = &study
            && !(archive.db().has_study(study)? && may_tell_of(archive, study, &order, token)?)
        {
            return Err(Problem::NotFound("study"));
        }
        // Without a time it is now, which is no part of what makes two requests the same.
        let repeated =
            id.as_deref().map(|id| archive.db().subject(Kind::Delivery, id)).transpose()?.flatten();
        let before = repeated.and_then(|row| row.current).and_then(|current| match current.state {
            Statement::Delivery(delivery) => Some(delivery.delivered_at),
            _ => None,
        });
        let delivered_at = delivered_at.or(before).unwrap_or(Moment { ms: now_ms() });
        let delivery = Delivery {
            facility,
            order,
            study,
            mode,
            recipient,
            delivered_at,
            proof,
            price,
            withdrawn: false,
        };
        let stated = archive.deliver(id, delivery, who, why)?;
        Ok::<Value, Problem>(shown(&stated, &codes(archive.db())?))
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}

/// Whether a token's facility has to do with a study: it holds it, or decided about it, or the order that is named with
/// it is its own. Of others it is not told that they are here.
fn may_tell_of(
    archive: &Archive,
    study: &Uid,
    order: &str,
    token: Option<FacilityId>,
) -> Result<bool, Problem> {
    let Some(own) = token else { return Ok(true) };
    if !order.is_empty() || archive.db().facility_has_study(own, study)? {
        return Ok(true);
    }
    let by = DecisionsBy::Study(study.clone());
    Ok(!archive.db().decisions(&by, Some(own), 1, 0)?.is_empty())
}

/// Whether a hand-over is a token's business: its facility's, and of no other's order.
fn is_own(archive: &Archive, delivery: &Delivery, token: Option<FacilityId>) -> Result<bool, Problem> {
    if token.is_none() {
        return Ok(true);
    }
    let of_order = match delivery.order.is_empty() {
        true => None,
        false => archive.ordered(&delivery.order)?.0.facility,
    };
    Ok(concerns(token, delivery.facility) && concerns(token, of_order))
}

/// Takes a record back.
pub(super) async fn withdraw(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let mut request = Request::read(&parts, &body)?;
    if !request.yes("withdrawn")? {
        let why = "has to be true: a record can only be taken back, another one is new";
        return Err(Problem::Invalid("withdrawn", why.into()));
    }
    let based_on = request.basis()?;
    request.end()?;
    let Request { who, why, key, .. } = request;
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let (delivery, version) = current(archive, &id)?;
        if !is_own(archive, &delivery, token)? {
            return Err(Problem::NotFound("delivery"));
        }
        let state = Statement::Delivery(Box::new(Delivery { withdrawn: true, ..delivery }));
        let based_on = if based_on == Basis::Current && key.is_none() {
            Basis::Exactly(version.version)
        } else {
            based_on
        };
        let stated = archive.state(Said { id: key, key: id, state, based_on, who, why })?;
        Ok::<Value, Problem>(shown(&stated, &codes(archive.db())?))
    });
    Ok(Json(answer.await?))
}

fn current(archive: &Archive, id: &str) -> Result<(Delivery, Stated), Problem> {
    let row = archive.db().subject(Kind::Delivery, id)?;
    let stated = row.and_then(|row| Some(Stated { version: row.version, statement: row.current? }));
    let stated = stated.ok_or(Problem::NotFound("delivery"))?;
    match &stated.statement.state {
        Statement::Delivery(delivery) => Ok((Delivery::clone(delivery), stated)),
        _ => Err(Problem::NotFound("delivery")),
    }
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let (delivery, stated) = current(archive, &id)?;
        if !is_own(archive, &delivery, token)? {
            return Err(Problem::NotFound("delivery"));
        }
        Ok::<Value, Problem>(shown(&stated, &codes(archive.db())?))
    });
    Ok(Json(answer.await?))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    parts: Parts,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let Query(wanted) = wanted.map_err(|error| Problem::Invalid("query", error.body_text()))?;
    let by = match (&wanted.order, &wanted.study, wanted.warnings) {
        (Some(order), _, _) => DeliveriesBy::Order(order.clone()),
        (None, Some(study), _) => DeliveriesBy::Study(uid("study", study)?),
        (None, None, Some(1)) => DeliveriesBy::FilmBilledWithoutFilm,
        _ => DeliveriesBy::Newest,
    };
    let rows = say(&portal.archive, move |archive| {
        let (limit, offset) = (wanted.limit.unwrap_or(ROWS).min(ROWS_MAX), wanted.offset.unwrap_or(0));
        let rows = own(archive, &by, token, (limit, offset))?;
        let codes = codes(archive.db())?;
        Ok::<Value, Problem>(rows.iter().map(|stated| shown(stated, &codes)).collect())
    });
    Ok(Json(rows.await?))
}

/// Hand-overs that are a token's business, the latest first; all of them without one.
pub(crate) fn own(
    archive: &Archive,
    by: &DeliveriesBy,
    token: Option<FacilityId>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, Problem> {
    let db = archive.db();
    if token.is_none() {
        return Ok(db.deliveries(by, limit, offset)?);
    }
    let (mut kept, mut read) = (Vec::new(), 0);
    let wanted = (limit as usize).saturating_add(offset as usize);
    loop {
        let rows = db.deliveries(by, ROWS_MAX, read)?;
        let last = rows.len() < ROWS_MAX as usize;
        read = read.saturating_add(ROWS_MAX);
        for stated in rows {
            let own = match &stated.statement.state {
                Statement::Delivery(delivery) => is_own(archive, delivery, token)?,
                _ => false,
            };
            kept.extend(own.then_some(stated));
        }
        if last || kept.len() >= wanted || read >= LOOKED_THROUGH {
            return Ok(kept.into_iter().skip(offset as usize).take(limit as usize).collect());
        }
    }
}

pub(crate) fn shown(stated: &Stated, codes: &Codes) -> Value {
    let Statement::Delivery(delivery) = &stated.statement.state else { return Value::Null };
    let more = json!({
        "delivery": stated.statement.subject.key, "order": delivery.order, "study": delivery.study,
        "facility": code(codes, delivery.facility), "mode": delivery.mode, "recipient": delivery.recipient,
        "delivered_at": delivery.delivered_at, "proof": delivery.proof, "price": delivery.price,
        "withdrawn": delivery.withdrawn,
    });
    told_with(stated, more)
}
