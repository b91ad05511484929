//! Fields of a JSON object, taken out one by one so that an answer can name the one that is wrong.
//!
//! Names of fields in objects below the first have the way to them before a dot: `patient.sex`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Characters of a field's name that an answer repeats at most.
const NAME_CHARS: usize = 40;

/// The fields of an object that have not been read yet.
pub(crate) struct Fields(pub Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &'static str) -> Option<Value> {
        let key = name.rsplit('.').next().unwrap_or(name);
        self.0.remove(key).filter(|value| !value.is_null())
    }

    /// A text, where there is one.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::Invalid(name, "is no text".into())),
        }
    }

    /// A text without white space around it, empty where there is none.
    pub(crate) fn words(&mut self, name: &'static str) -> Result<String, Problem> {
        Ok(self.text(name)?.unwrap_or_default().trim().to_owned())
    }

    /// A list of texts, empty where there is none.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Problem> {
        let wrong = || Problem::Invalid(name, "is no list of texts".into());
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                let text = |value: Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
                values.into_iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// One of the words of a type, or whatever else it reads from a text, where there is one.
    pub(crate) fn one_of<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match serde_json::from_value(Value::String(text)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Problem::Invalid(name, error.to_string())),
        }
    }

    /// Yes or no, where it is said.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::Invalid(name, "is neither true nor false".into())),
        }
    }

    /// A whole number of percent, where it is said.
    pub(crate) fn percent(&mut self, name: &'static str) -> Result<Option<u8>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let percent = value.as_u64().filter(|percent| *percent <= 100);
        let wrong = || Problem::Invalid(name, "is no whole number from 0 to 100".into());
        percent.and_then(|percent| u8::try_from(percent).ok()).map(Some).ok_or_else(wrong)
    }

    /// A whole number, where it is said.
    pub(super) fn count(&mut self, name: &'static str) -> Result<Option<u32>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
        count.map(Some).ok_or_else(|| Problem::Invalid(name, "is no whole number".into()))
    }

    /// An object; one without fields where there is none.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Fields, Problem> {
        match self.take(name) {
            None => Ok(Fields(Map::new())),
            Some(Value::Object(fields)) => Ok(Fields(fields)),
            Some(_) => Err(Problem::Invalid(name, "is no object".into())),
        }
    }

    /// The objects of an array, each read by `read`; none where there is no array.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let list = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(Problem::Invalid(name, "is no array".into())),
        };
        let one = |value| match value {
            Value::Object(fields) => {
                let mut fields = Fields(fields);
                let read = read(&mut fields)?;
                fields.end(name)?;
                Ok(read)
            }
            _ => Err(Problem::Invalid(name, "is no array of objects".into())),
        };
        list.into_iter().map(one).collect()
    }

    /// Refuses fields that nobody asked for: a misspelt one must not change what is said.
    pub(crate) fn end(&self, of: &'static str) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(NAME_CHARS).collect();
                Err(Problem::Invalid(of, format!("has a field that is not known: {name:?}")))
            }
        }
    }
}

/// Changes `fields` as a merge patch says (RFC 7396): null takes a field out, an object is merged, all else replaces.
pub(super) fn merge(fields: &mut Map<String, Value>, patch: Map<String, Value>) {
    // Bounded by the depth that the reader of JSON allows.
    for (name, value) in patch {
        match value {
            Value::Null => drop(fields.remove(&name)),
            Value::Object(below) => {
                let into = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !into.is_object() {
                    *into = Value::Object(Map::new());
                }
                if let Value::Object(into) = into {
                    merge(into, below);
                }
            }
            value => drop(fields.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_takes_out_merges_and_replaces() {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let mut fields = object(json!({ "a": "b", "c": { "d": "e", "f": "g" }, "list": [1, 2] }));
        merge(
            &mut fields,
            object(json!({ "a": null, "c": { "f": null, "h": 1 }, "list": [3], "n": { "x": null } })),
        );
        assert_eq!(Value::Object(fields), json!({ "c": { "d": "e", "h": 1 }, "list": [3], "n": {} }));
    }
}
