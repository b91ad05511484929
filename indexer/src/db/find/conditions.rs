//! From matching keys to conditions on studies, series and instances.

use storage_config::Uid;

use super::lists::Asked;
use super::names;
use super::sql::{Bound, Fragment, escaped, like, literal_start, past, placeholders};
use crate::query::{IdentityGroup, Match, PatientScope, Query, Range, Text};

/// What must hold, by the table it is about.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub study: Fragment,
    pub series: Fragment,
    pub instance: Fragment,
    /// The moments of the study that are asked for; their conditions are among those of `study` too.
    pub moments: Option<Range>,
    /// Selections of `study_row` that hold all matches and may be few.
    pub drivers: Vec<Fragment>,
    /// Lists that hold all matches.
    pub lists: Vec<Asked>,
    /// Whether a key picks out few studies by an index of its own.
    pub selective: bool,
    /// Whether a key can only be matched by looking at each study.
    pub looks_at_each: bool,
}

impl Conditions {
    pub(super) fn of(query: &Query) -> Conditions {
        let mut conditions = Conditions::default();
        for key in &query.keys {
            match (&query.scope, key) {
                (PatientScope::Group(group), Match::PatientId(Text::Is(id))) => {
                    conditions.study.push(&named_so(group, id));
                }
                _ => conditions.add_study(key, query.fuzzy),
            }
            conditions.add_below(key);
        }
        if let PatientScope::Group(group) = &query.scope {
            conditions.study.push(&of_group("s.person_row", group));
            conditions.selective = true;
        }
        conditions.add_moments(query);
        conditions
    }

    fn add_study(&mut self, key: &Match, fuzzy: bool) {
        match key {
            Match::StudyUid(list) => {
                self.study.push(&one_of_uids("s.study_uid", list));
                self.selective = true;
            }
            Match::PatientId(text) => self.identifier("patient_id", text),
            Match::Accession(text) => self.identifier("accession", text),
            Match::PatientName(text) => {
                let condition = names::name("s.name_folded", text, fuzzy, &mut self.lists);
                self.each(&condition);
            }
            Match::Referring(text) => {
                let condition = names::name("s.referring_folded", text, fuzzy, &mut Vec::new());
                self.each(&condition);
            }
            Match::ProcedureCode(text) => self.code(text),
            Match::Issuer(text) => self.each(&text_in("s.issuer", text)),
            Match::Sex(text) => self.each(&text_in("s.sex", text)),
            Match::StudyId(text) => self.each(&text_in("s.study_id", text)),
            Match::StudyDescription(text) => self.each(&text_in("s.description_folded", text)),
            Match::BirthDate(range) => self.each(&range_in("s.birth_date", range)),
            Match::ModalitiesInStudy(list) => {
                let patterns = list.iter().map(|modality| format!("%\\{}\\%", escaped(modality)));
                let any = vec!["s.modalities LIKE ? ESCAPE '!'"; list.len()].join(" OR ");
                self.each(&Fragment::with(&format!("({any})"), patterns.map(Bound::Text)));
            }
            _ => {}
        }
    }

    fn add_below(&mut self, key: &Match) {
        match key {
            Match::SeriesUid(list) => {
                self.series.push(&one_of_uids("r.series_uid", list));
                self.found_below("SELECT study_row FROM series WHERE series_uid IN ", list);
            }
            Match::SopInstance(list) => {
                self.instance.push(&one_of_uids("i.sop_uid", list));
                self.found_below("SELECT study_row FROM instance WHERE sop_uid IN ", list);
            }
            Match::Modality(list) => {
                let condition = format!("r.modality IN {}", placeholders(list.len()));
                self.series.and(&condition, list.iter().cloned().map(Bound::Text));
            }
            Match::SeriesNumber(number) => self.series.and("r.series_number = ?", [Bound::Number(*number)]),
            Match::SeriesDescription(text) => self.series.push(&text_in("r.description_folded", text)),
            Match::BodyPart(text) => self.series.push(&text_in("r.body_part", text)),
            Match::PerformedDate(range) => self.series.push(&range_in("r.performed_date", range)),
            Match::SopClass(list) => self.instance.push(&one_of_uids("i.sop_class", list)),
            Match::InstanceNumber(number) => {
                self.instance.and("i.instance_number = ?", [Bound::Number(*number)]);
            }
            _ => return,
        }
        self.looks_at_each = true;
    }

    /// A condition that no index answers.
    fn each(&mut self, condition: &Fragment) {
        self.study.push(condition);
        self.looks_at_each = true;
    }

    /// An identifier with an index: exact, it picks out few studies; by its beginning, perhaps.
    fn identifier(&mut self, column: &str, text: &Text) {
        let qualified = format!("s.{column}");
        self.study.push(&text_in(&qualified, text));
        match text {
            Text::Is(_) => {
                // The index on accession numbers leaves out the empty ones.
                self.study.and(&format!("{qualified} <> ''"), []);
                self.selective = true;
            }
            Text::Like(pattern) => {
                let start = literal_start(pattern);
                if !start.is_empty() {
                    let driver = format!(
                        "SELECT id AS study_row FROM study WHERE {column} >= ? AND {column} < ? AND {column} <> ''"
                    );
                    let bound = [Bound::Text(start.to_owned()), Bound::Text(past(start))];
                    self.drivers.push(Fragment::with(&driver, bound));
                }
                self.looks_at_each = true;
            }
        }
    }

    /// A code of the study: studies that have it are a list, unless only a part of it is told.
    fn code(&mut self, text: &Text) {
        let mut has = Fragment::new("EXISTS (SELECT 1 FROM study_code_value c WHERE c.study_row = s.id AND ");
        has.append(&text_in("c.value", text)).raw(")");
        self.each(&has);
        if let Text::Is(value) = text {
            self.lists.push(Asked::Code(value.clone()));
        }
    }

    /// Studies found by an identifier of a level below.
    fn found_below(&mut self, select: &str, list: &[Uid]) {
        let condition = format!("s.id IN ({select}{})", placeholders(list.len()));
        self.study.and(&condition, list.iter().map(bound_uid));
        self.selective = true;
    }

    /// Dates and times of the study.
    fn add_moments(&mut self, query: &Query) {
        let date = query.keys.iter().find_map(|key| match key {
            Match::StudyDate(range) => Some(range),
            _ => None,
        });
        let time = query.keys.iter().find_map(|key| match key {
            Match::StudyTime(range) => Some(range),
            _ => None,
        });
        let moments = match (date, time) {
            (Some(date), Some(time)) if query.combined_date_time => Some(Range {
                from: date.from.as_ref().map(|day| day.clone() + time.from.as_deref().unwrap_or("")),
                to: date.to.as_ref().map(|day| day.clone() + time.to.as_deref().unwrap_or("")),
            }),
            (Some(date), time) => {
                if let Some(time) = time {
                    self.each(&range_in("s.study_time", time));
                }
                Some(date.clone())
            }
            (None, Some(time)) => {
                self.each(&range_in("s.study_time", time));
                None
            }
            (None, None) => None,
        };
        if let Some(moments) = &moments {
            self.study.push(&range_in("s.newest", moments));
        }
        self.moments = moments;
    }
}

/// That a patient is one of a group.
fn of_group(column: &str, group: &IdentityGroup) -> Fragment {
    let rows = group.rows();
    let condition = format!("{column} IN {}", placeholders(rows.len()));
    Fragment::with(&condition, rows.iter().map(|row| Bound::Number(*row)))
}

/// That anybody of the group has this PatientID: then all their studies match, whatever number they came under.
fn named_so(group: &IdentityGroup, patient_id: &str) -> Fragment {
    let mut all = Fragment::new("EXISTS (SELECT 1 FROM person p WHERE ");
    all.append(&of_group("p.id", group)).raw(" AND p.patient_id = ?)");
    all.bound.push(Bound::Text(patient_id.to_owned()));
    all
}

fn bound_uid(uid: &Uid) -> Bound {
    Bound::Text(uid.as_str().to_owned())
}

fn one_of_uids(column: &str, list: &[Uid]) -> Fragment {
    let condition = format!("{column} IN {}", placeholders(list.len()));
    Fragment::with(&condition, list.iter().map(bound_uid))
}

/// Single value or wildcard matching on a column.
fn text_in(column: &str, text: &Text) -> Fragment {
    match text {
        Text::Is(value) => Fragment::with(&format!("{column} = ?"), [Bound::Text(value.clone())]),
        Text::Like(pattern) => {
            Fragment::with(&format!("{column} LIKE ? ESCAPE '!'"), [Bound::Text(like(pattern))])
        }
    }
}

/// Range matching on a column of dates, times or moments, empty where there is none. An end includes all that it is
/// a beginning of: the colon sorts behind digits and dots.
pub(super) fn range_in(column: &str, range: &Range) -> Fragment {
    let mut all = Fragment::default();
    match &range.from {
        Some(from) => all.and(&format!("{column} >= ?"), [Bound::Text(from.clone())]),
        None => all.and(&format!("{column} > ''"), []),
    }
    if let Some(to) = &range.to {
        all.and(&format!("{column} < ?"), [Bound::Text(format!("{to}:"))]);
    }
    all
}
