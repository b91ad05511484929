//! From rows to what is known of each study of the patients of an order.
//!
//! Nothing is read here that needs a pack: what is in headers and pictures was gathered when the study went quiet.

use std::collections::{BTreeMap, BTreeSet};

use storage_config::Uid;

use super::answer::{DocumentSeen, StudySeen, SubjectSeen};
use super::exams::{self, Known, MetOrder};
use crate::archive::second_reading::reports_on;
use crate::archive::{Archive, ReadError, Related};
use crate::codes::coded::StudyCoding;
use crate::codes::facts::Imaging;
use crate::db::{EvidenceRow, FacilityId, PriorStudy, ReportsBy, SeriesVerified, Stated};
use crate::evidence::documents;
use crate::reuse::Moment;
use crate::reuse::performed::StepFacts;
use crate::reuse::prior::{
    CompletenessFacts, Expected, ExpectedSource, Holding, IdentityFacts, IdentityStatus, ImageFacts,
    IntegrityFacts, LicenceFacts, PerformedFacts, Prior, PriorExam, QualityFacts, QualityMark, ReportVersion,
    SeriesFacts, Stamp, Verification, Withdrawal,
};
use crate::reuse::{place_series, stated};
use crate::statement::{Kind, OrderStatus, State};

/// Studies of one patient that are looked at, the newest first.
const STUDIES_MAX: u32 = 200;
/// Studies of one patient that were withdrawn and are looked at.
const WITHDRAWN_MAX: u32 = 50;
/// Reports of a study that are looked at.
const REPORTS_MAX: u32 = 50;
/// Withdrawals of a study that are looked at, the latest first.
const WITHDRAWALS_MAX: u32 = 50;

/// What gathering goes by.
pub(super) struct Gathering<'a> {
    pub archive: &'a Archive,
    pub facilities: &'a BTreeMap<FacilityId, String>,
    /// The identity group of the order's patient.
    pub group: Option<&'a str>,
}

/// Whose study it is.
struct Whose {
    patient: String,
    group: String,
    identity: IdentityFacts,
}

impl Gathering<'_> {
    /// The studies of a patient, and those that were withdrawn.
    pub(super) fn of_patient(
        &self,
        related: &Related,
        out: &mut Vec<(Prior, StudySeen)>,
    ) -> Result<(), ReadError> {
        let db = self.archive.db();
        let served = db.prior_studies(&related.patient, STUDIES_MAX)?;
        let withdrawn = db.withdrawn_studies(&related.patient, WITHDRAWN_MAX)?;
        for study in served.into_iter().chain(withdrawn) {
            let patient = related.patient.to_string();
            let group = if super::is_same(related.status) { self.group.map(str::to_owned) } else { None };
            let identity = self.identity(related.status, related.grounds.clone());
            let whose = Whose { group: group.unwrap_or_else(|| patient.clone()), patient, identity };
            out.push(self.prior(study, whose)?);
        }
        Ok(())
    }

    fn identity(&self, status: IdentityStatus, grounds: Vec<String>) -> IdentityFacts {
        IdentityFacts { status, grounds, stamp: Stamp::default() }
    }

    fn prior(&self, study: PriorStudy, whose: Whose) -> Result<(Prior, StudySeen), ReadError> {
        let db = self.archive.db();
        let uid = study.study.clone();
        let coding = db.coding(&uid)?;
        let orders = db.orders_of_study(&uid)?;
        // Of a person who is not confirmed nothing is told but that there may be something.
        let told = super::is_same(whose.identity.status);
        let (reports, reports_seen, second_opinions) =
            if told { self.reports(&study, &orders)? } else { Default::default() };
        let (withdrawals, withdrawals_seen) = self.withdrawals(&study)?;
        let facility = self.code(study.facility);
        let found = self.evidence(&study)?;
        let verified = db.series_verified(&uid)?;
        let (marks, marks_seen) = if told { self.marks(&study)? } else { Default::default() };
        let integrity = integrity(&study, found.as_ref(), &verified);
        self.want(&study, &integrity, found.as_ref());
        let mut reports = reports;
        let of_objects = found.iter().filter(|_| told).flat_map(|found| found.evidence.reports.clone());
        let of_objects: Vec<ReportVersion> = of_objects.collect();
        let documents = self.documents(&uid, &of_objects)?;
        reports.extend(of_objects);
        let seen = StudySeen {
            study: uid.to_string(),
            patient: Some(whose.patient),
            identity: whose.identity.status,
            facility: facility.clone(),
            exam: if told { exam(&study, coding.as_ref()) } else { String::new() },
            codes: coding
                .iter()
                .filter(|_| told)
                .flat_map(|coding| &coding.codes)
                .map(|code| code.value.clone())
                .collect(),
            codes_version: coding.as_ref().map(|coding| coding.version.clone()),
            generation: study.generation,
            examined_at: found.as_ref().map(|found| Moment { ms: found.time_ms }),
            verified_at: integrity.series.iter().filter_map(|it| Some(it.verification.as_ref()?.at)).min(),
            reports: reports_seen,
            documents,
            second_opinions,
            marks: marks_seen,
            withdrawals: withdrawals_seen,
        };
        let (exams, images) = self.exams(&study, coding.as_ref(), &orders, found.as_ref())?;
        let prior = Prior {
            study: uid.to_string(),
            episode: self.episode(&study, &orders),
            patient_group: Some(whose.group),
            identity: whose.identity,
            modalities: modalities(&study),
            exams,
            images,
            performed: performed(found.as_ref()),
            completeness: CompletenessFacts {
                steps: self.steps(&study, found.as_ref())?,
                ..completeness(&study, found.as_ref(), self.by_device(&orders)?)
            },
            integrity,
            holdings: self.holdings(&study, &withdrawals),
            reports,
            quality: QualityFacts { marks, ..quality(found.as_ref()) },
            licence: self.licence(facility.as_deref(), &study),
            facility,
        };
        Ok((prior, seen))
    }

    /// Has a study looked at soon of which something was not verified or not decoded since it changed.
    fn want(&self, study: &PriorStudy, integrity: &IntegrityFacts, found: Option<&EvidenceRow>) {
        let unverified = integrity.series.iter().any(|series| {
            series.verification.as_ref().is_none_or(|made| made.generation != series.generation)
        });
        let decoded = found.is_some_and(|found| found.evidence.undecodable_frames.is_some());
        if study.instances > 0 && (unverified || !decoded) {
            self.archive.shared.wanted.add(&study.study);
        }
    }

    /// What exams a study is said to be, and what its images say of themselves.
    fn exams(
        &self,
        study: &PriorStudy,
        coding: Option<&StudyCoding>,
        orders: &[Stated],
        found: Option<&EvidenceRow>,
    ) -> Result<(Vec<PriorExam>, Vec<ImageFacts>), ReadError> {
        let policy = &self.archive.reuse_policy_today().coverage;
        let evidence = found.map(|found| &found.evidence);
        let mut met = Vec::new();
        for stated in orders {
            let several = matches!(&stated.statement.state, State::Order(order) if order.exams.len() > 1);
            met.push(MetOrder { stated, alone: !several || self.is_alone(stated)? });
        }
        let modalities = modalities(study);
        let mut exams = exams::of(&Known { coding, orders: &met, evidence, modalities: &modalities, policy });
        let images = evidence.map(|evidence| evidence.images.clone()).unwrap_or_default();
        let images = place_series(images, &mut exams, policy);
        Ok((exams, images))
    }

    /// Whether one study alone came under the accession number of an order.
    fn is_alone(&self, stated: &Stated) -> Result<bool, ReadError> {
        let State::Order(order) = &stated.statement.state else { return Ok(false) };
        let facility = FacilityId(order.facility.unwrap_or(0));
        Ok(self.archive.db().studies_under(facility, &order.accession)?.len() == 1)
    }

    /// The code of a facility, or its number where it has none.
    fn code(&self, facility: FacilityId) -> Option<String> {
        if facility == FacilityId(0) {
            return None;
        }
        Some(self.facilities.get(&facility).cloned().unwrap_or_else(|| format!("#{}", facility.0)))
    }

    /// The episode that the study's order names, where its orders name one.
    fn episode(&self, study: &PriorStudy, orders: &[Stated]) -> Option<String> {
        let mut episodes = orders.iter().filter_map(|stated| match &stated.statement.state {
            State::Order(order) if order.facility == Some(study.facility.0) => Some(order.episode.trim()),
            _ => None,
        });
        let first = episodes.find(|episode| !episode.is_empty())?;
        episodes.all(|other| other.is_empty() || other == first).then(|| first.to_owned())
    }

    /// How many pictures the device says it made, by the orders that the study came under alone: of several studies under
    /// one order nobody tells which has how many.
    fn by_device(&self, orders: &[Stated]) -> Result<Option<u32>, ReadError> {
        let mut most = None;
        for stated in orders {
            let State::Order(order) = &stated.statement.state else { continue };
            let Some(images) = order.expected_images.filter(|_| stands(order.status)) else { continue };
            if self.is_alone(stated)? {
                most = most.max(Some(images));
            }
        }
        Ok(most)
    }

    /// What devices say of the study, where they say something; not before it was compared with what is here now.
    fn steps(&self, study: &PriorStudy, found: Option<&EvidenceRow>) -> Result<Option<StepFacts>, ReadError> {
        let said = self.archive.db().step_versions_of_study(&study.study)?;
        if said.is_empty() {
            return Ok(None);
        }
        if let Some(found) = found.filter(|found| found.evidence.steps.of == said) {
            let steps = &found.evidence.steps;
            let stamp = Stamp { at: Some(Moment { ms: steps.time_ms }), rule: Some(found.rule.clone()) };
            return Ok(Some(StepFacts { stamp, ..steps.facts.clone() }));
        }
        if study.instances > 0 {
            self.archive.shared.wanted.add(&study.study);
        }
        Ok(Some(StepFacts { outdated: true, ..StepFacts::default() }))
    }

    /// The reports of a study, and apart from them those of facilities that have nothing to do with it: what they say
    /// neither stands for the report nor takes it back.
    fn reports(&self, study: &PriorStudy, orders: &[Stated]) -> Result<Reports, ReadError> {
        let by = ReportsBy::Study(study.study.clone());
        let (mut versions, mut seen, mut others) = Reports::default();
        for current in self.archive.db().reports(&by, None, REPORTS_MAX, 0)? {
            let statement = &current.statement;
            let State::Report(report) = &statement.state else { continue };
            let version = current.version.unwrap_or(0);
            let subject = SubjectSeen { id: statement.subject.key.clone(), version };
            let holds = |facility: u32| {
                study.holders.iter().any(|holder| holder.visible && holder.facility.0 == facility)
            };
            if !reports_on(report.facility, holds, orders) {
                others.push(subject);
                continue;
            }
            versions.push(stated::report(&statement.subject.key, version, report, statement.time.ms()));
            seen.push(subject);
        }
        Ok((versions, seen, others))
    }

    /// The versions of the objects that are reports of a study, as they are served.
    fn documents(&self, study: &Uid, reports: &[ReportVersion]) -> Result<Vec<DocumentSeen>, ReadError> {
        let mut seen = Vec::with_capacity(reports.len());
        for sop_instance in reports.iter().filter_map(|of| documents::sop_instance(&of.report)) {
            let digest = self.archive.db().served_digest(study, sop_instance)?;
            let sop_instance = sop_instance.to_owned();
            seen.extend(digest.map(|digest| DocumentSeen { sop_instance, digest }));
        }
        Ok(seen)
    }

    /// What was found when the study was examined, if it is about what is served now.
    fn evidence(&self, study: &PriorStudy) -> Result<Option<EvidenceRow>, ReadError> {
        let found = self.archive.db().evidence(&study.study)?;
        Ok(found.filter(|found| found.state == study.state && study.instances > 0))
    }

    /// The mark of a reader that counts.
    fn marks(&self, study: &PriorStudy) -> Result<(Vec<QualityMark>, Vec<SubjectSeen>), ReadError> {
        let row = self.archive.db().subject(Kind::QualityMark, study.study.as_str())?;
        let Some((version, statement)) = row.and_then(|row| row.version.zip(row.current)) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let State::QualityMark(made) = statement.state else { return Ok((Vec::new(), Vec::new())) };
        let at = Moment { ms: statement.time.ms() };
        let mark = QualityMark { mark: made.mark, reader: Some(made.reader), at };
        Ok((vec![mark], vec![SubjectSeen { id: statement.subject.key, version }]))
    }

    /// Withdrawals in force.
    fn withdrawals(&self, study: &PriorStudy) -> Result<(Vec<Stated>, Vec<SubjectSeen>), ReadError> {
        let all = self.archive.db().withdrawals_of(&study.study, WITHDRAWALS_MAX)?;
        let in_force = |stated: &Stated| matches!(&stated.statement.state, State::Withdrawal(withdrawal) if !withdrawal.restored);
        let kept: Vec<Stated> = all.into_iter().filter(in_force).collect();
        let seen = kept.iter().map(|stated| SubjectSeen {
            id: stated.statement.subject.key.clone(),
            version: stated.version.unwrap_or(0),
        });
        let seen = seen.collect();
        Ok((kept, seen))
    }

    /// Who holds the study. A withdrawal stands at each facility of which nothing is visible, one for the safety of
    /// patients at the facility that said it, also where something of the study is still visible.
    fn holdings(&self, study: &PriorStudy, withdrawals: &[Stated]) -> Vec<Holding> {
        let name = |facility: FacilityId| self.code(facility).unwrap_or_default();
        let mut holdings: Vec<Holding> = study
            .holders
            .iter()
            .map(|holder| {
                let of_it = |stated: &&Stated| match &stated.statement.state {
                    State::Withdrawal(made) => made.facility.is_none_or(|number| number == holder.facility.0),
                    _ => false,
                };
                let said = withdrawals.iter().find(of_it).map(withdrawal);
                let unsaid = Withdrawal { reason: "not_told".to_owned(), at: None };
                let withdrawn = (!holder.visible).then(|| said.unwrap_or(unsaid));
                Holding { facility: name(holder.facility), withdrawn }
            })
            .collect();
        let safety = |stated: &&Stated| match &stated.statement.state {
            State::Withdrawal(made) => made.reason == crate::statement::Reason::PatientSafety,
            _ => false,
        };
        if let Some(stated) = withdrawals.iter().find(safety) {
            let facility = name(study.facility);
            holdings.push(Holding { facility, withdrawn: Some(withdrawal(stated)) });
        }
        holdings
    }

    /// The licence as the configuration tells it: for the facility, and for the modality where it lists modalities.
    fn licence(&self, facility: Option<&str>, study: &PriorStudy) -> LicenceFacts {
        let told = facility.and_then(|code| self.archive.reuse_site().licences.get(code));
        let licensed = told.and_then(|licence| match licence.licensed {
            Some(false) => Some(false),
            _ if !licence.modalities.is_empty() => {
                Some(modalities(study).iter().all(|modality| licence.modalities.contains(modality)))
            }
            other => other,
        });
        LicenceFacts { licensed, stamp: Stamp::default() }
    }
}

/// Versions of reports, their subjects, and those of second opinions.
type Reports = (Vec<ReportVersion>, Vec<SubjectSeen>, Vec<SubjectSeen>);

fn withdrawal(stated: &Stated) -> Withdrawal {
    let reason = match &stated.statement.state {
        State::Withdrawal(made) => made.reason.name(),
        _ => "",
    };
    Withdrawal { reason: reason.to_owned(), at: Some(Moment { ms: stated.statement.time.ms() }) }
}

/// Modalities of the pictures; those of documents and of what is made from pictures say nothing of the exam.
fn modalities(study: &PriorStudy) -> BTreeSet<String> {
    let pictures = study.series.iter().filter(|series| series.is_picture && !series.modality.is_empty());
    let of_exam = pictures.filter(|series| Imaging::of(&series.modality) != Imaging::Document);
    of_exam.map(|series| series.modality.clone()).collect()
}

fn stamp(found: Option<&EvidenceRow>) -> Stamp {
    Stamp { at: found.map(|found| Moment { ms: found.time_ms }), rule: found.map(|found| found.rule.clone()) }
}

fn performed(found: Option<&EvidenceRow>) -> PerformedFacts {
    let told = found.map(|found| found.evidence.performed.clone()).unwrap_or_default();
    PerformedFacts { stamp: stamp(found), ..told }
}

/// Pictures are counted: documents that came, or that somebody made of the pictures later, take no picture's place.
fn completeness(
    study: &PriorStudy,
    found: Option<&EvidenceRow>,
    by_device: Option<u32>,
) -> CompletenessFacts {
    let evidence = found.map(|found| &found.evidence);
    let others: u64 =
        study.series.iter().filter(|series| !series.is_picture).map(|series| series.instances).sum();
    let others = u32::try_from(others).unwrap_or(u32::MAX);
    let by_sender = evidence.and_then(|evidence| evidence.expected_instances);
    let by_sender =
        by_sender.map(|all| Expected { images: all.saturating_sub(others), source: ExpectedSource::Sender });
    let by_device = by_device.map(|images| Expected { images, source: ExpectedSource::Mpps });
    CompletenessFacts {
        received_images: u32::try_from(study.instances).ok().map(|all| all.saturating_sub(others)),
        expected: by_device.into_iter().chain(by_sender).collect(),
        steps: None,
        slice_gaps: evidence.and_then(|evidence| evidence.slice_gaps),
        undecodable_frames: evidence.and_then(|evidence| evidence.undecodable_frames),
        tried_frames: evidence.map(|evidence| evidence.decoded_frames.0).filter(|tried| *tried > 0),
        all_frames: evidence.map(|evidence| evidence.decoded_frames.1).filter(|all| *all > 0),
        duplicate_positions: evidence.map_or(0, |evidence| evidence.duplicate_positions),
        stamp: stamp(found),
    }
}

/// Series of pictures, with what was found in them and when their bytes were last compared with their hashes.
fn integrity(study: &PriorStudy, found: Option<&EvidenceRow>, verified: &[SeriesVerified]) -> IntegrityFacts {
    let pictures = study.series.iter().filter(|series| series.is_picture);
    let of = |series: &crate::db::PriorSeries| {
        let original = found.and_then(|found| found.evidence.series.get(&series.series));
        let known = verified.iter().find(|known| known.series_uid.as_str() == series.series);
        let verification = known.and_then(|known| {
            let at = known.verified_at_ms.filter(|_| known.verified_generation > 0)?;
            let (intact, generation) = (known.intact, known.verified_generation);
            Some(Verification { intact, generation, at: Moment { ms: at } })
        });
        SeriesFacts {
            series: series.series.clone(),
            modality: Some(series.modality.clone()).filter(|modality| !modality.is_empty()),
            generation: series.generation,
            verification,
            image_type: original.and_then(|original| original.image_type.clone()),
            secondary_capture: original.map(|original| original.secondary_capture),
            was_lossy: original.map(|original| original.was_lossy),
            lossy: original.and_then(|original| original.lossy.clone()),
        }
    };
    IntegrityFacts { series: pictures.map(of).collect(), stamp: stamp(found) }
}

fn quality(found: Option<&EvidenceRow>) -> QualityFacts {
    let values = found.map(|found| found.evidence.values.clone()).unwrap_or_default();
    QualityFacts { values, marks: Vec::new(), stamp: stamp(found) }
}

/// The exam in words.
fn exam(study: &PriorStudy, coding: Option<&StudyCoding>) -> String {
    let named = coding.map(|coding| coding.name.clone()).filter(|name| !name.is_empty());
    let described = || study.attributes.get("00081030")?.get("Value")?.get(0)?.as_str().map(str::to_owned);
    named.or_else(described).unwrap_or_default()
}

/// Whether an order is still one that its study can be known by.
pub(super) fn stands(status: OrderStatus) -> bool {
    !matches!(status, OrderStatus::Cancelled | OrderStatus::Reused)
}
