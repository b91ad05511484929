//! What an import is asked to do, as the command line makes it and the control socket carries it.

use std::path::{Component, PathBuf};

use serde::{Deserialize, Serialize};

use super::intake::LocalPatient;

/// Most paths of one job.
const PATHS: usize = 65_536;
/// Most characters of a label: those of the VR LO (PS3.5 6.2).
const LABEL: usize = 64;
/// Most characters of a facility's code.
const CODE: usize = 16;
/// Most files read at the same time.
const THREADS: usize = 64;

/// One import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportJob {
    /// Files and folders, absolute; folders are searched through.
    #[serde(with = "any_path")]
    pub paths: Vec<PathBuf>,
    /// Whether everything is read and checked and nothing stored.
    #[serde(default)]
    pub dry_run: bool,
    /// Code of the facility that holds the instances.
    #[serde(default)]
    pub facility: Option<String>,
    /// Issuer of the patient identifiers of instances that name none.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Label of where the files come from, kept with each instance.
    #[serde(default)]
    pub source: Option<String>,
    /// Files read at the same time; by default one for each processor.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Whether files that an interrupted run of the same import has done are left out.
    #[serde(default)]
    pub resume: bool,
    /// The patient for whom the files were brought.
    #[serde(default)]
    pub patient: Option<LocalPatient>,
    /// Who imports.
    #[serde(default)]
    pub who: Option<String>,
}

/// Why a job cannot be begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// No path is given.
    #[error("there is no path to import")]
    NoPath,
    /// More paths than one job may have.
    #[error("more than {PATHS} paths; name a folder above them")]
    TooManyPaths,
    /// A path is relative, or goes up again.
    #[error("{0} is not an absolute path")]
    NotAbsolute(String),
    /// Files are brought for a patient and it is not said from which facility: their numbers would be ours.
    #[error("what is brought for a patient needs the facility where it was made")]
    NoOrigin,
    /// A label or code is empty, too long or has a character that is not allowed.
    #[error("{what} is not 1 to {most} printable characters without backslash")]
    Label {
        /// Which one.
        what: &'static str,
        /// Most characters.
        most: usize,
    },
}

impl ImportJob {
    /// Checks what comes from outside.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn check(&self) -> Result<(), JobError> {
        if self.paths.is_empty() {
            return Err(JobError::NoPath);
        }
        if self.paths.len() > PATHS {
            return Err(JobError::TooManyPaths);
        }
        let plain =
            |path: &&PathBuf| !path.is_absolute() || path.components().any(|c| c == Component::ParentDir);
        if let Some(path) = self.paths.iter().find(plain) {
            return Err(JobError::NotAbsolute(super::report::shown(path)));
        }
        self.check_labels()
    }

    /// Checks the labels that come from outside.
    ///
    /// # Errors
    /// [`JobError::Label`].
    pub(super) fn check_labels(&self) -> Result<(), JobError> {
        label("the facility", self.facility.as_deref(), CODE)?;
        label("the issuer", self.issuer.as_deref(), LABEL)?;
        label("the source", self.source.as_deref(), LABEL)?;
        label("who", self.who.as_deref(), LABEL)?;
        let Some(LocalPatient { facility, issuer, patient_id }) = &self.patient else { return Ok(()) };
        label("the patient's number", Some(patient_id.trim()), LABEL)?;
        label("the patient's facility", facility.as_deref(), CODE)?;
        label("the patient's issuer", issuer.as_deref(), LABEL)?;
        if self.facility.is_none() { Err(JobError::NoOrigin) } else { Ok(()) }
    }

    /// Files read at the same time.
    #[must_use]
    pub fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(2, usize::from);
        self.threads.unwrap_or_else(processors).clamp(1, THREADS)
    }

    /// Who the instances come from, as the archive keeps it.
    #[must_use]
    pub fn origin(&self) -> String {
        let label =
            self.source.as_ref().map_or_else(|| "import".to_owned(), |label| format!("import:{label}"));
        self.who.as_ref().map_or_else(|| label.clone(), |who| format!("{label} by {who}"))
    }

    /// The paths without those that lie below another one.
    #[must_use]
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = Vec::new();
        for path in &self.paths {
            if !roots.iter().any(|root| path.starts_with(root)) {
                roots.retain(|root| !root.starts_with(path));
                roots.push(path.clone());
            }
        }
        roots
    }
}

fn label(what: &'static str, text: Option<&str>, most: usize) -> Result<(), JobError> {
    let fits = |text: &str| {
        (1..=most).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() || c == '\\')
    };
    if text.is_none_or(fits) { Ok(()) } else { Err(JobError::Label { what, most }) }
}

/// Paths as text where they are text, else as bytes: names on old discs are in any character set.
mod any_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum AnyPath {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let any = |path: &PathBuf| match path.to_str() {
            Some(text) => AnyPath::Text(text.to_owned()),
            None => AnyPath::Bytes(path.as_os_str().as_bytes().to_vec()),
        };
        serializer.collect_seq(paths.iter().map(any))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        let path = |any| match any {
            AnyPath::Text(text) => PathBuf::from(text),
            AnyPath::Bytes(bytes) => OsString::from_vec(bytes).into(),
        };
        Vec::<AnyPath>::deserialize(deserializer).map(|all| all.into_iter().map(path).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn job(paths: &[&str]) -> ImportJob {
        let paths = paths.iter().map(PathBuf::from).collect();
        ImportJob {
            paths,
            dry_run: false,
            facility: None,
            issuer: None,
            source: None,
            threads: None,
            resume: true,
            patient: None,
            who: None,
        }
    }

    #[test]
    fn a_job_survives_the_socket_whatever_its_paths_are_made_of() {
        let mut sent = job(&["/media/Phim cũ"]);
        sent.paths.push(std::ffi::OsString::from_vec(b"/media/Phim c\xf2".to_vec()).into());
        let line = serde_json::to_string(&sent).unwrap();
        assert_eq!(serde_json::from_str::<ImportJob>(&line).unwrap(), sent);
    }

    #[test]
    fn what_comes_from_outside_is_checked() {
        assert_eq!(job(&[]).check(), Err(JobError::NoPath));
        assert!(matches!(job(&["a"]).check(), Err(JobError::NotAbsolute(_))));
        assert!(matches!(job(&["/a/../b"]).check(), Err(JobError::NotAbsolute(_))));
        assert_eq!(job(&["/a"]).check(), Ok(()));
        let long = ImportJob { issuer: Some("x".repeat(65)), ..job(&["/a"]) };
        assert_eq!(long.check(), Err(JobError::Label { what: "the issuer", most: 64 }));
        let just = ImportJob { issuer: Some("ả".repeat(64)), ..job(&["/a"]) };
        assert_eq!(just.check(), Ok(()));
        let patient = Some(LocalPatient { facility: None, issuer: None, patient_id: "26001".into() });
        let brought = ImportJob { patient, ..job(&["/a"]) };
        assert_eq!(brought.check(), Err(JobError::NoOrigin));
        let from = ImportJob { facility: Some("31006".into()), ..brought };
        assert_eq!(from.check(), Ok(()));
        let who = ImportJob { who: Some("an".into()), source: Some("CD".into()), ..job(&["/a"]) };
        assert_eq!((who.origin().as_str(), job(&["/a"]).origin().as_str()), ("import:CD by an", "import"));
    }

    #[test]
    fn a_path_below_another_is_not_walked_twice() {
        let roots = job(&["/a/b", "/c", "/a", "/a/d", "/ab"]).roots();
        assert_eq!(roots, ["/c", "/a", "/ab"].map(PathBuf::from));
    }
}
