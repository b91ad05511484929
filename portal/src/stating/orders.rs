//! `/api/v1/orders`: what is ordered, and the studies that meet it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use indexer::archive::{Archive, Basis, StateError, StoreError};
use indexer::db::{FacilityId, OrdersBy, Stated};
use indexer::statement::{
    Order, OrderedFor, OrderedIdentifier, OrderedItem, Payment, State as Statement, StatementError,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use storage_config::ContentHash;

use super::body::{Request, uid};
use super::fields::{Fields, merge};
use super::site::{Codes, code, codes, concerns, of_token, resolve};
use super::{say, told_with};
use crate::Portal;
use crate::problem::{Asked, Problem};

/// How often a change is tried again when others change the same order meanwhile.
const TRIES: u32 = 8;
/// Rows of a list when the request names no number, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1000;

/// Which orders are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    accession: Option<String>,
    placer_number: Option<String>,
    filler_number: Option<String>,
    patient_id: Option<String>,
    study: Option<String>,
    facility: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

impl Wanted {
    fn by(&mut self) -> OrdersBy {
        let one = |value: &mut Option<String>| value.take().filter(|value| !value.trim().is_empty());
        if let Some(value) = one(&mut self.accession) {
            OrdersBy::Accession(value)
        } else if let Some(value) = one(&mut self.placer_number) {
            OrdersBy::PlacerNumber(value)
        } else if let Some(value) = one(&mut self.filler_number) {
            OrdersBy::FillerNumber(value)
        } else if let Some(value) = one(&mut self.patient_id) {
            OrdersBy::PatientId(value)
        } else {
            OrdersBy::Newest
        }
    }
}

pub(super) async fn take(
    State(portal): State<Portal>,
    parts: Parts,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Request { mut fields, who, why, key, .. } = Request::read(&parts, &body)?;
    let (order, facility) = read(&mut fields)?;
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let facility = resolve(archive, "ordering_facility", facility.as_deref(), token)?;
        let stated = archive.order(key, Order { facility, ..order }, who, why)?;
        shown(archive, &stated, &codes(archive.db())?)
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}

pub(super) async fn change(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let mut request = Request::read(&parts, &body)?;
    let basis = request.basis()?;
    let Request { fields: Fields(patch), who, why, key, .. } = request;
    let (token, asked) = (of_token(&parts), asked(&id, basis, &patch, (&who.name, &why)));
    let answer = say(&portal.archive, move |archive| {
        let codes = codes(archive.db())?;
        for _ in 0..TRIES {
            let said = (key.clone(), basis);
            let by = (who.clone(), why.clone());
            let changed = archive.change_order(&id, said, asked, by, |order| {
                patched(archive, order, patch.clone(), token, &codes).map_err(as_state_error)
            });
            match changed {
                // Somebody was quicker, and the client did not say what it knew: the change is made on top of that.
                Err(StateError::Version { .. }) if basis == Basis::Current => {}
                stated => return shown(archive, &stated?, &codes),
            }
        }
        Err(Problem::Unavailable("others are changing this order".into()))
    });
    Ok(Json(answer.await?))
}

/// An order as a merge patch makes it. A token changes orders of its own facility alone.
fn patched(
    archive: &Archive,
    order: &Order,
    patch: Map<String, Value>,
    token: Option<FacilityId>,
    codes: &Codes,
) -> Result<Order, Problem> {
    if token.zip(order.facility).is_some_and(|(own, facility)| own.0 != facility) {
        let why = "is not the facility that the token acts for";
        return Err(Problem::Invalid("ordering_facility", why.into()));
    }
    let mut fields = Fields(written(order, codes));
    merge(&mut fields.0, patch);
    let (order, facility) = read(&mut fields)?;
    let facility = resolve(archive, "ordering_facility", facility.as_deref(), token)?;
    Ok(Order { facility, ..order })
}

/// A problem of a part of a request on its way through the archive.
fn as_state_error(problem: Problem) -> StateError {
    match problem {
        Problem::Invalid(field, reason) => StateError::Invalid(StatementError { field, reason }),
        other => StateError::Store(StoreError::Internal(format!("{other:?}"))),
    }
}

fn asked(id: &str, basis: Basis, patch: &Map<String, Value>, (who, why): (&str, &str)) -> ContentHash {
    let asked = json!(["change order", id, format!("{basis:?}"), patch, who, why]);
    ContentHash::of(asked.to_string().as_bytes())
}

pub(super) async fn one(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    parts: Parts,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let answer = say(&portal.archive, move |archive| {
        let (order, stated) = archive.ordered(&id)?;
        if !concerns(token, order.facility) {
            return Err(Problem::NotFound("order"));
        }
        shown(archive, &stated, &codes(archive.db())?)
    });
    Ok(Json(answer.await?))
}

pub(super) async fn list(
    State(portal): State<Portal>,
    parts: Parts,
    Asked(mut wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let token = of_token(&parts);
    let study = wanted.study.take().map(|text| uid("study", &text)).transpose()?;
    let rows = say(&portal.archive, move |archive| {
        let db = archive.db();
        let facility = resolve(archive, "facility", wanted.facility.as_deref(), token)?.map(FacilityId);
        let limit = wanted.limit.unwrap_or(ROWS).min(ROWS_MAX);
        let rows = match study {
            Some(study) => db.orders_of_study(&study)?,
            None => db.orders(&wanted.by(), facility, limit, wanted.offset.unwrap_or(0))?,
        };
        let codes = codes(db)?;
        let own = |stated: &&Stated| match &stated.statement.state {
            Statement::Order(order) => concerns(token, order.facility),
            _ => false,
        };
        rows.iter()
            .filter(own)
            .map(|stated| shown(archive, stated, &codes))
            .collect::<Result<Value, Problem>>()
    });
    Ok(Json(rows.await?))
}

/// Reads an order, and the code of the facility that orders.
pub(super) fn read(fields: &mut Fields) -> Result<(Order, Option<String>), Problem> {
    let mut patient = fields.object("patient")?;
    let order = Order {
        facility: None,
        placer_number: fields.words("placer_number")?,
        filler_number: fields.words("filler_number")?,
        accession: fields.words("accession")?,
        patient: OrderedFor {
            patient_id: patient.words("patient.patient_id")?,
            issuer: patient.words("patient.issuer")?,
            name: patient.words("patient.name")?,
            birth_date: patient.words("patient.birth_date")?,
            sex: patient.words("patient.sex")?,
            identifiers: patient.objects("patient.identifiers", identifier)?,
        },
        exams: fields.objects("exams", exam)?,
        purpose: fields.one_of("purpose")?.unwrap_or_default(),
        urgency: fields.one_of("urgency")?.unwrap_or_default(),
        clinical_state_changed: fields.flag("clinical_state_changed")?,
        requested_at: fields.one_of("requested_at")?,
        episode: fields.words("episode")?,
        ordered_by: fields.words("ordered_by")?,
        payment: payment(fields)?,
        expected_images: fields.count("expected_images")?,
        status: fields.one_of("status")?.unwrap_or_default(),
    };
    let facility = fields.text("ordering_facility")?;
    patient.end("patient")?;
    fields.end("body")?;
    Ok((order, facility))
}

/// Who pays; not told where neither part is.
fn payment(fields: &mut Fields) -> Result<Option<Payment>, Problem> {
    let mut payment = fields.object("payment")?;
    let insurance = payment.percent("payment.insurance_percent")?;
    let copayment = payment.percent("payment.copayment_percent")?;
    payment.end("payment")?;
    Ok(match (insurance, copayment) {
        (None, None) => None,
        (insurance, copayment) => {
            let insurance_percent = insurance.unwrap_or(0);
            // What insurance leaves is the patient's, unless the order says otherwise.
            let rest = 100_u8.saturating_sub(insurance_percent);
            Some(Payment { insurance_percent, copayment_percent: copayment.unwrap_or(rest) })
        }
    })
}

pub(super) fn identifier(fields: &mut Fields) -> Result<OrderedIdentifier, Problem> {
    let missing = || Problem::Invalid("patient.identifiers.kind", "is missing".into());
    Ok(OrderedIdentifier {
        kind: fields.one_of("patient.identifiers.kind")?.ok_or_else(missing)?,
        value: fields.words("patient.identifiers.value")?,
        whose: fields.one_of("patient.identifiers.whose")?.unwrap_or_default(),
    })
}

fn exam(fields: &mut Fields) -> Result<OrderedItem, Problem> {
    Ok(OrderedItem {
        code: fields.words("exams.code")?,
        scheme: fields.words("exams.scheme")?,
        name: fields.words("exams.name")?,
        body_part: fields.words("exams.body_part")?,
        side: fields.one_of("exams.side")?,
        contrast: fields.one_of("exams.contrast")?,
    })
}

/// An order in the fields of a request.
fn written(order: &Order, codes: &Codes) -> Map<String, Value> {
    // Its fields have the names of the request's but for the facility, which a request names by its code.
    let Ok(Value::Object(mut fields)) = serde_json::to_value(order) else { return Map::new() };
    fields.remove("facility");
    if let Some(code) = code(codes, order.facility) {
        fields.insert("ordering_facility".into(), json!(code));
    }
    fields
}

pub(super) fn shown(archive: &Archive, stated: &Stated, codes: &Codes) -> Result<Value, Problem> {
    let Statement::Order(order) = &stated.statement.state else { return Ok(Value::Null) };
    let facility = FacilityId(order.facility.unwrap_or(0));
    let studies = archive.db().studies_under(facility, &order.accession)?;
    let mut fields = written(order, codes);
    fields.insert("order".into(), json!(stated.statement.subject.key));
    fields.insert("studies".into(), json!(studies));
    Ok(told_with(stated, Value::Object(fields)))
}
