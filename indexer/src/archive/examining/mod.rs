//! Examining studies when they went quiet: evidence for the reuse decision that needs headers and pictures.
//!
//! A study waits by its generation, which is a row, so that an end of the process forgets nothing; rows are written when no
//! answer waits. Knows when studies are examined and what is read for it; what it means is the business of
//! [`crate::evidence`].

mod decoding;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use codecs::worker::Pool;
use storage_config::Uid;

use super::error::{OpenError, ReadError};
use super::later::Later;
use super::{Archive, VerifyJob, spawn};
use crate::db::{EvidenceRow, ExaminedInstance, ExaminedSeries, ExaminedStudy, Stated};
use crate::evidence::clock::Ahead;
use crate::evidence::performed::{Here, StepsFound};
use crate::evidence::{Evidence, Image, RULE, Series, documents, header, performed};
use crate::statement::{PerformedStep, State};

/// Studies of one turn.
const TURN: u32 = 8;
/// How long a study that failed waits for its next try, at first.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// How long the thread waits when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(500);
/// Headers of one study that are read.
const HEADERS_MAX: usize = 192;
/// Headers of one series of slices that are read: its first, its middle, its last.
const HEADERS_OF_SLICES: usize = 3;
/// Headers of one series of projections, documents or multi-frame objects that are read.
const HEADERS_OF_SERIES: usize = 32;
/// Machines whose clock was ahead that are asked for.
const CLOCKS: u32 = 1000;
/// Studies that wait for a look behind an answer.
const WANTED_MAX: usize = 256;
/// Minutes from UTC to the clock on the wall where a header tells no offset.
const UTC_OFFSET_MINUTES: i64 = 7 * 60;
/// Bytes a second that a study behind an answer is verified with, so that answers keep their disk.
const VERIFIED_BYTES_PER_SECOND: u64 = 64 << 20;

/// What examining shares with answers.
#[derive(Default)]
pub(super) struct Wanted(Mutex<BTreeSet<Uid>>);

impl Wanted {
    /// Has a study looked at again soon; one too many is left to its turn.
    pub(super) fn add(&self, study: &Uid) {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_MAX {
            wanted.insert(study.clone());
        }
    }

    fn take(&self) -> BTreeSet<Uid> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Archive {
    /// Examines studies from now on: those that wait, each of which nothing came for `quiet`, and all that were examined
    /// by other rules. Frames are decoded by the processes of `pool`. Called once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn examine_studies(&self, pool: Arc<Pool>, quiet: Duration) -> Result<(), OpenError> {
        let archive = Archive { shared: self.shared.clone(), threads: Arc::default() };
        let thread = spawn("evidence", &self.shared, move |_| archive.keep_examining(&pool, quiet))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn keep_examining(&self, pool: &Pool, quiet: Duration) {
        let mut later = Later::new(AFTER_ERROR);
        while !self.shared.wait_for_stop(PAUSE) {
            self.look_behind_answers(pool);
            while self.examine_turn(pool, quiet, &mut later) {
                if self.shared.wait_for_stop(Duration::ZERO) {
                    return;
                }
                self.look_behind_answers(pool);
            }
        }
    }

    /// Examines and verifies the studies of answers whose evidence was missing or about an earlier state.
    fn look_behind_answers(&self, pool: &Pool) {
        for study in self.shared.wanted.take() {
            if let Err(error) = self.examine(pool, &study) {
                tracing::warn!(%error, "a study behind an answer was not examined");
            }
            let job = VerifyJob {
                study: Some(study),
                bytes_per_second: Some(VERIFIED_BYTES_PER_SECOND),
                ..VerifyJob::default()
            };
            let stop = || self.shared.wait_for_stop(Duration::ZERO);
            if let Err(error) = self.verify(&job, &stop, &mut |_| {}) {
                tracing::warn!(%error, "a study behind an answer was not verified");
            }
        }
    }

    /// Examines some studies, and steps over those that failed a while ago; whether there may be more.
    fn examine_turn(&self, pool: &Pool, quiet: Duration, later: &mut Later<Uid>) -> bool {
        let quiet_ms = i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX);
        let before = (self.shared.options.now_ms)().saturating_sub(quiet_ms);
        let most = TURN.saturating_add(later.len());
        let mut studies = match self.db().studies_to_examine(RULE, before, most) {
            Ok(studies) => studies,
            Err(error) => {
                tracing::warn!(%error, "studies that wait to be examined could not be listed");
                return false;
            }
        };
        let full = studies.len() == most as usize;
        studies.retain(|study| !later.waits(study));
        for study in &studies {
            match self.examine(pool, study) {
                Ok(()) => later.done(study),
                Err(ReadError::Index(error)) => {
                    tracing::warn!(%error, "studies are not examined while the index fails");
                    return false;
                }
                Err(error) => {
                    tracing::warn!(%error, "a study was not examined; it is tried again later");
                    later.failed(study.clone());
                }
            }
        }
        full && !studies.is_empty()
    }

    /// Examines one study as it is now.
    fn examine(&self, pool: &Pool, study: &Uid) -> Result<(), ReadError> {
        let Some(source) = self.db().study_to_examine(study)? else { return Ok(()) };
        let (uid, generation, state) = (study.clone(), source.generation, source.state);
        if source.instances == 0 {
            return Ok(self.in_index(move |db| db.set_evidence(&uid, generation, None))?);
        }
        // A choice of codes raises the generation too; the pictures are as they were then.
        let known = self.db().evidence(study)?;
        let as_before = known.as_ref().is_some_and(|known| known.state == state && known.rule == RULE);
        let pictures_known = known.as_ref().is_some_and(|known| known.evidence.undecodable_frames.is_some());
        if as_before && pictures_known {
            // What devices say may have changed, and is soon compared.
            let mut known = known.clone();
            if let Some(known) = &mut known {
                known.evidence.steps = self.steps(study)?;
            }
            return Ok(self.in_index(move |db| db.set_evidence(&uid, generation, known.as_ref()))?);
        }
        let began = Instant::now();
        let clocks = self.clocks()?;
        let series = self.series(&source);
        let mut evidence = Evidence::of(&series, &clocks, UTC_OFFSET_MINUTES);
        let decoded = decoding::Decoding { archive: self, pool, study }.of(&source)?;
        evidence.undecodable_frames = decoded.undecodable;
        evidence.decoded_frames = (decoded.tried, decoded.all);
        evidence.steps = self.steps(study)?;
        let time_ms = (self.shared.options.now_ms)();
        let row = EvidenceRow { state, time_ms, rule: RULE.to_owned(), evidence };
        self.in_index(move |db| db.set_evidence(&uid, generation, Some(&row)))?;
        tracing::debug!(took_ms = began.elapsed().as_millis() as u64, "a study was examined");
        Ok(())
    }

    /// What devices say they made of a study, beside what is here.
    fn steps(&self, study: &Uid) -> Result<StepsFound, ReadError> {
        let found = self.db().study_beside_steps(study)?;
        let told = found.steps.iter().filter_map(|stated| match &stated.statement.state {
            State::PerformedStep(step) => Some(&**step),
            _ => None,
        });
        let told: Vec<&PerformedStep> = told.collect();
        let here = Here { study, homes: &found.homes, served: &found.served };
        let name = |stated: &Stated| (stated.statement.subject.key.clone(), stated.version.unwrap_or(0));
        Ok(StepsFound {
            of: found.steps.iter().map(name).collect(),
            time_ms: (self.shared.options.now_ms)(),
            facts: performed::of_steps(&told, here),
        })
    }

    fn clocks(&self) -> Result<Vec<Ahead>, ReadError> {
        let machines = self.db().machine_clocks(CLOCKS)?;
        // What came late is listed there too, and says nothing against a clock.
        let ahead = machines.into_iter().filter(|machine| machine.off_s.1 > 0);
        Ok(ahead
            .map(|machine| Ahead {
                station: machine.station,
                serial: machine.serial,
                received_ms: (machine.first_ms, machine.last_ms),
            })
            .collect())
    }

    /// The series with as many headers as are looked at; a header that cannot be read only leaves its facts out.
    fn series(&self, source: &ExaminedStudy) -> Vec<Series> {
        let mut left = HEADERS_MAX;
        let of = |series: &ExaminedSeries| {
            let read = wanted_headers(series);
            let images = series.instances.iter().enumerate().map(|(at, instance)| {
                let wanted = read.contains(&at) && left > 0;
                left -= usize::from(wanted);
                image(instance, wanted.then(|| self.header_facts(instance)).flatten())
            });
            Series {
                uid: series.uid.to_string(),
                modality: series.modality.clone(),
                attributes: series.attributes.clone(),
                study: series.study.clone(),
                images: images.collect(),
                whole: series.whole,
            }
        };
        source.series.iter().map(of).collect()
    }

    fn header_facts(&self, instance: &ExaminedInstance) -> Option<header::HeaderFacts> {
        let read = || {
            let row = self.db().instance_by_digest(&instance.digest)?;
            let Some(row) = row else { return Ok(None) };
            self.header(&row).map(|reader| Some(header::read(&reader.data_set())))
        };
        read().unwrap_or_else(|error: ReadError| {
            tracing::warn!(%error, "a header was left out of the evidence of its study");
            None
        })
    }
}

fn image(instance: &ExaminedInstance, header: Option<header::HeaderFacts>) -> Image {
    Image {
        sop_class: instance.sop_class.clone(),
        transfer_syntax: instance.transfer_syntax.clone(),
        is_picture: instance.is_picture,
        received_ms: instance.received_ms,
        number: instance.number,
        attributes: instance.attributes.clone(),
        header,
    }
}

/// Which instances of a series have their header read, by their place.
fn wanted_headers(series: &ExaminedSeries) -> BTreeSet<usize> {
    let count = series.instances.len();
    let slices = series.instances.first().is_some_and(|first| {
        first.is_picture
            && first.frames.unwrap_or(1) <= 1
            && matches!(series.modality.as_str(), "CT" | "MR" | "PT")
    });
    if slices {
        let places = [0, count / 2, count.saturating_sub(1)];
        return places.into_iter().take(HEADERS_OF_SLICES).collect();
    }
    let speaks =
        |instance: &ExaminedInstance| instance.is_picture || documents::may_be_report(&instance.sop_class);
    let speaking = series.instances.iter().enumerate().filter(|(_, instance)| speaks(instance));
    speaking.map(|(at, _)| at).take(HEADERS_OF_SERIES).collect()
}
