//! Exams of the made-up hospital as others send them: on another day, of another person, under other numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use fixtures::edited::{Edit, edited, replace};
use fixtures::many::{Address, instance};
use fixtures::studies::{Date, Instance, Options, Scale, demo};
use fixtures::writer::{Attribute, keyword as k};

/// The day by the clock of this machine, at +07:00.
#[must_use]
pub fn today() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = i64::try_from((since.as_secs() + 7 * 3600) / 86_400).unwrap_or(0);
    Date::new(1970, 1, 1).before(-days)
}

/// One exam of the demo.
#[derive(Clone, Debug)]
pub struct Exam {
    folder: String,
    options: Options,
    reissued: Option<u64>,
    changes: Vec<(Attribute, String)>,
}

impl Exam {
    /// The exam in a folder of the demo, such as `ct-so-nao`, of a demo that ends on a fixed day.
    #[must_use]
    pub fn of(folder: &str, seed: u64) -> Exam {
        let options = Options::new(seed, Scale::Small);
        Exam { folder: format!("/{folder}/"), options, reissued: None, changes: Vec::new() }
    }

    /// The head CT of the demo.
    #[must_use]
    pub fn head_ct(seed: u64) -> Exam {
        Exam::of("ct-so-nao", seed)
    }

    /// As a demo has it that ends `days` before today.
    #[must_use]
    pub fn days_before_today(mut self, days: i64) -> Exam {
        self.options.today = today().before(days);
        self
    }

    /// With UIDs of its own, made from `seed`.
    #[must_use]
    pub fn reissued(mut self, seed: u64) -> Exam {
        self.reissued = Some(seed);
        self
    }

    /// With values of top-level elements; of one that is named twice the last counts.
    #[must_use]
    pub fn with(mut self, changes: &[(Attribute, &str)]) -> Exam {
        for (attribute, value) in changes {
            self.changes.retain(|(known, _)| known != attribute);
            self.changes.push((*attribute, (*value).to_owned()));
        }
        self
    }

    /// Of a person: name, birth date, sex.
    #[must_use]
    pub fn person(self, name: &str, birth_date: &str, sex: &str) -> Exam {
        self.with(&[(k::PATIENT_NAME, name), (k::PATIENT_BIRTH_DATE, birth_date), (k::PATIENT_SEX, sex)])
    }

    /// Under a patient's number and an accession number.
    #[must_use]
    pub fn under(self, patient_id: &str, accession: &str) -> Exam {
        self.with(&[(k::PATIENT_ID, patient_id), (k::ACCESSION_NUMBER, accession)])
    }

    /// Made on a day (YYYYMMDD), a second after midnight: not later than now, whatever the hour.
    #[must_use]
    pub fn made_on(self, day: &str) -> Exam {
        let dates = [k::STUDY_DATE, k::SERIES_DATE, k::ACQUISITION_DATE, k::CONTENT_DATE];
        let times = [k::STUDY_TIME, k::SERIES_TIME, k::ACQUISITION_TIME, k::CONTENT_TIME];
        self.with(&dates.map(|date| (date, day))).with(&times.map(|time| (time, "000001")))
    }

    /// Its instances.
    ///
    /// # Errors
    /// When the demo has no such exam, or an element cannot be changed.
    pub fn instances(&self) -> Result<Vec<Instance>> {
        let all = demo(self.options).filter(|one| one.path.contains(&self.folder));
        let all: Vec<Instance> = all.map(|one| self.made(one)).collect::<Result<_>>()?;
        ensure!(!all.is_empty(), "the demo has no {}", self.folder);
        Ok(all)
    }

    fn made(&self, original: Instance) -> Result<Instance> {
        let mut made = match self.reissued {
            Some(seed) => {
                let uids = Edit::reissued(&original, seed).uids;
                edited(&original, &Edit { uids, ..Edit::default() }).context("not edited")?
            }
            None => original,
        };
        made.data_set = replace(&made.data_set, made.syntax, &self.changes).context("not edited")?;
        Ok(made)
    }
}

/// One small image of a study, with other values of top-level elements.
///
/// # Errors
/// When an element cannot be changed.
pub fn image(seed: u64, study: u64, changes: &[(Attribute, &str)]) -> Result<Instance> {
    let mut made = instance(seed, Address { study, ..Address::default() }, 64);
    let changes: Vec<(Attribute, String)> =
        changes.iter().map(|(attribute, value)| (*attribute, (*value).to_owned())).collect();
    made.data_set = replace(&made.data_set, made.syntax, &changes).context("not edited")?;
    Ok(made)
}

/// The same, of a person: number, name, birth date, sex.
///
/// # Errors
/// As [`image`].
pub fn image_of(
    seed: u64,
    study: u64,
    (patient_id, name, birth_date, sex): (&str, &str, &str, &str),
) -> Result<Instance> {
    let person = [
        (k::PATIENT_ID, patient_id),
        (k::PATIENT_NAME, name),
        (k::PATIENT_BIRTH_DATE, birth_date),
        (k::PATIENT_SEX, sex),
    ];
    image(seed, study, &person)
}
