//! Requests as JSON objects, read field by field so that an answer can name the one that is wrong.

use axum::body::Bytes;
use axum::http::request::Parts;
use indexer::archive::Basis;
use indexer::statement::Who;
use serde_json::{Map, Value};
use storage_config::{ContentHash, Uid};

use super::fields::Fields;
use super::{key_of, who};
use crate::problem::Problem;

/// A request: its fields, who makes it and under which key.
pub(crate) struct Request {
    pub fields: Fields,
    pub who: Who,
    pub why: String,
    pub key: Option<String>,
    /// Whether a person is named: who signed in, or for whom a token or an open archive's client speaks.
    pub names_person: bool,
}

impl Request {
    /// Reads a request; an absent body is one without fields.
    pub(crate) fn read(parts: &Parts, body: &Bytes) -> Result<Request, Problem> {
        let mut fields = Fields(match body.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(body)
                .map_err(|error| Problem::Invalid("body", format!("is no JSON object: {error}")))?,
        });
        let claimed = fields.text("who")?;
        let why = fields.text("why")?.unwrap_or_default();
        let names_person = who::names_person(parts, claimed.as_deref());
        let who = who::who(parts, claimed)?;
        Ok(Request { who, why, key: key_of(&parts.headers)?, names_person, fields })
    }

    /// A text, where there is one.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.fields.text(name)
    }

    /// A text that has to be there.
    pub(crate) fn needed(&mut self, name: &'static str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::Invalid(name, "is missing".into()))
    }

    /// A list of texts, empty where there is none.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Problem> {
        self.fields.texts(name)
    }

    /// Whether something is wanted; without the field it is not.
    pub(crate) fn yes(&mut self, name: &'static str) -> Result<bool, Problem> {
        Ok(self.fields.flag(name)?.unwrap_or(false))
    }

    /// A UID, where there is one.
    pub(crate) fn uid(&mut self, name: &'static str) -> Result<Option<Uid>, Problem> {
        self.text(name)?.map(|text| uid(name, &text)).transpose()
    }

    /// A digest that has to be there.
    pub(crate) fn digest(&mut self, name: &'static str) -> Result<ContentHash, Problem> {
        let text = self.needed(name)?;
        text.parse().map_err(|_| Problem::Invalid(name, "is not 64 lower-case hexadecimal digits".into()))
    }

    /// The version that the client knows: `based_on`, 0 for none; without it whatever counts.
    pub(crate) fn basis(&mut self) -> Result<Basis, Problem> {
        match self.fields.0.remove("based_on") {
            None | Some(Value::Null) => Ok(Basis::Current),
            Some(value) => match value.as_u64() {
                Some(version) => Ok(Basis::Exactly(Some(version).filter(|version| *version > 0))),
                None => Err(Problem::Invalid("based_on", "is no version".into())),
            },
        }
    }

    /// Refuses fields that nobody asked for: a misspelt one must not change what is said.
    pub(crate) fn end(&self) -> Result<(), Problem> {
        self.fields.end("body")
    }
}

/// A UID of a field or path.
pub(crate) fn uid(name: &'static str, text: &str) -> Result<Uid, Problem> {
    Uid::parse(text).map_err(|error| Problem::Invalid(name, error.to_string()))
}
