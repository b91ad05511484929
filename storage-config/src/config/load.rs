//! From a file and the environment to a [`Config`].

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key or a value of a wrong type.
    #[error("{origin}: {message}")]
    Invalid {
        /// The file, or the variables.
        origin: String,
        /// What is wrong and where.
        message: String,
    },
    /// The values are well-formed but cannot work together.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
}

/// Reads `file` (none: defaults), lays the variables `PACS_...` of `environment` over it and checks the result.
///
/// `PACS_A__B` is the key `b` of table `a`. A variable's text is taken as TOML where it is TOML
/// (`PACS_DIMSE__LIMITS__ASSOCIATIONS=8`), else as a string. `PACS_CONFIG`, the path of the file, is no key.
///
/// # Errors
/// When the file cannot be read, a key is unknown, a value has a wrong type or settings contradict each other.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let invalid = |message: String| ConfigError::Invalid { origin: path.display().to_string(), message };
        // Once as a whole for errors with line numbers, then as a table that the environment is laid over.
        toml::from_str::<Config>(&text).map_err(|e| invalid(e.to_string()))?;
        table = text.parse().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    }
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix("PACS_").filter(|p| !NO_KEYS.contains(p)) {
            lay_over(&mut table, path, &value)
                .map_err(|message| ConfigError::Invalid { origin: name.clone(), message })?;
        }
    }
    let config: Config = table.try_into().map_err(|e: toml::de::Error| ConfigError::Invalid {
        origin: "PACS_ variables".into(),
        message: e.to_string(),
    })?;
    match config.problems() {
        found if found.is_empty() => Ok(config),
        found => Err(ConfigError::Problems(found)),
    }
}

/// Variables of the `PACS_` family that are no keys of the configuration.
const NO_KEYS: [&str; 3] = ["CONFIG", "LOG", "BIN"];

fn lay_over(table: &mut Table, path: &str, text: &str) -> Result<(), String> {
    let mut keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
    let last = keys.pop().unwrap_or_default();
    let mut at = table;
    for key in keys {
        let entry = at.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = entry.as_table_mut().ok_or_else(|| format!("{key} is not a table"))?;
    }
    at.insert(last, if is_text(path) { Value::String(text.to_owned()) } else { value_of(text) });
    Ok(())
}

/// Whether the key of `PACS_` + `path` holds text by default: `PACS_DIMSE__AE_TITLE=12345` is no number.
fn is_text(path: &str) -> bool {
    let mut at = Table::try_from(Config::default()).ok().map(Value::Table);
    for key in path.split("__").map(str::to_ascii_lowercase) {
        at = at.and_then(|mut value| value.as_table_mut().and_then(|table| table.remove(&key)));
    }
    matches!(at, Some(Value::String(_)))
}

/// Numbers, booleans, arrays and quoted strings as TOML reads them; anything else is the text itself.
fn value_of(text: &str) -> Value {
    let as_toml = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    match as_toml {
        Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_) | Value::String(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Accept;
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load(None, pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(with(&[("HOME", "/root"), ("PACS_CONFIG", "x.toml")]).unwrap(), Config::default());
    }

    #[test]
    fn every_level_is_overridable() {
        let c = with(&[
            ("PACS_DATA_DIR", "/srv/pacs"),
            ("PACS_DIMSE__LISTEN", "127.0.0.1:104"),
            ("PACS_DIMSE__AE_TITLE", "12345"),
            ("PACS_DIMSE__LIMITS__ASSOCIATIONS", "8"),
            ("PACS_DIMSE__ALSO_AE_TITLES", r#"["OLD", "OLDER"]"#),
            ("PACS_DIMSE__ACCEPT", "known"),
        ])
        .unwrap();
        assert_eq!(c.data_dir, Path::new("/srv/pacs"));
        assert_eq!(c.dimse.listen.port(), 104);
        assert_eq!(c.dimse.ae_title.as_str(), "12345");
        assert_eq!(c.dimse.limits.associations, 8);
        assert_eq!(c.dimse.also_ae_titles.len(), 2);
        assert_eq!(c.dimse_accept(), Accept::Known);
    }

    #[test]
    fn unknown_keys_and_unsafe_settings_are_refused() {
        assert!(
            with(&[("PACS_DIMSE__LISTENS", "127.0.0.1:104")]).unwrap_err().to_string().contains("listens")
        );
        let open = with(&[("PACS_HTTP__LISTEN", "0.0.0.0:8080")]).unwrap_err().to_string();
        assert!(open.contains("insecure_non_loopback"), "{open}");
        assert!(
            with(&[("PACS_HTTP__LISTEN", "0.0.0.0:8080"), ("PACS_HTTP__INSECURE_NON_LOOPBACK", "I accept")])
                .is_ok()
        );
        assert!(with(&[("PACS_STORE__URL", "ftp://bucket/x")]).is_err());
        assert!(with(&[("PACS_STORE__ACK", "remote")]).is_err());
        assert!(with(&[("PACS_STORE__URL", "s3://bucket/x"), ("PACS_STORE__ACK", "remote")]).is_ok());
        let plain = ("PACS_STORE__S3__ENDPOINT", "http://127.0.0.1:3900");
        assert!(with(&[plain]).unwrap_err().to_string().contains("allow_http"));
        assert!(with(&[plain, ("PACS_STORE__S3__ALLOW_HTTP", "true")]).is_ok());
        // A new archive waits for its first machine: callers are refused, and named to the operator.
        let new = with(&[("PACS_DIMSE__LISTEN", "0.0.0.0:104")]).unwrap();
        assert_eq!(new.dimse_accept(), Accept::Known);
    }

    #[test]
    fn the_example_file_lists_the_defaults() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.example.toml");
        let text = std::fs::read_to_string(example).unwrap();
        // Sections of a list ([[peer]] and so on) stand as comments; every other key stands with its default.
        let table: Table = text.parse().unwrap();
        let mut defaults = Table::try_from(Config::default()).unwrap();
        defaults.retain(|_, v| !v.is_array());
        let mut shown = table.clone();
        if let Some(Value::Table(dimse)) = shown.get_mut("dimse") {
            dimse.remove("accept");
        }
        assert_eq!(shown, defaults);
        let uncommented: String =
            text.lines().map(|l| l.strip_prefix("#= ").unwrap_or(l).to_owned() + "\n").collect();
        let config: Config = toml::from_str(&uncommented).unwrap();
        assert_eq!((config.peer.len(), config.facility.len(), config.token.len()), (1, 1, 1));
    }
}
