//! What a study keeps of the codes it got: another list or other rules alone change nothing that was assigned.
//!
//! Pure. Whoever looks at a study again has what it was coded as and what it would be coded as now; this module may not
//! know why it was looked at.

use serde::{Deserialize, Serialize};

use super::coded::{Source, StudyCoding};
use super::facts::StudyFacts;
use super::outcome::Outcome;
use storage_config::ContentHash;

/// What of a study was looked at when it was coded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// The generation of the study.
    pub generation: u64,
    /// Digest of its facts.
    pub facts: String,
    /// Names the pictures and the order that were there, whatever program looks at them.
    #[serde(default)]
    pub came: String,
}

impl Looked {
    /// At `facts`, as they are at `generation`, of what `came`.
    #[must_use]
    pub fn at(facts: &StudyFacts, generation: u64, came: String) -> Looked {
        Looked { generation, facts: ContentHash::of(format!("{facts:?}").as_bytes()).to_string(), came }
    }

    /// Whether the study says something else than `before`. Facts that another program writes down in another way are no
    /// change as long as nothing came.
    fn differs(&self, before: Option<&Looked>) -> bool {
        before.is_none_or(|before| {
            let nothing_came = !before.came.is_empty() && before.came == self.came;
            !nothing_came && before.generation != self.generation && before.facts != self.facts
        })
    }
}

/// What the rules and lists in force would say of a study that keeps what it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// What would be decided.
    pub outcome: Outcome,
    /// The techniques that would be assigned; without any, a person would be asked.
    pub techniques: Vec<String>,
    /// The service code that would be assigned.
    pub service: Option<String>,
    /// The examination in words.
    pub name: String,
    /// The version of rules and lists that says so.
    pub version: String,
}

impl StudyCoding {
    /// What a study is coded as when it was coded as `before` and would be coded as `self` now.
    ///
    /// A study keeps code and version unless a person, a rule that a person made, or the study itself (order, header,
    /// images) says otherwise. What only another list or other rules say is proposed. A code of a scheme of which the
    /// study has none yet is added, with the version of its own list.
    #[must_use]
    pub fn after(self, before: Option<StudyCoding>) -> StudyCoding {
        let Some(mut before) = before.filter(|before| before.outcome == Outcome::Assigned) else {
            return self;
        };
        let same = self.outcome == Outcome::Assigned
            && self.techniques == before.techniques
            && self.service == before.service;
        let person = self.source == Source::Person || before.source == Source::Person;
        let ruled = (self.source == Source::Rule) != (before.source == Source::Rule);
        let changed = self.looked.as_ref().is_some_and(|looked| looked.differs(before.looked.as_ref()));
        if !same && (person || ruled || changed) {
            return self;
        }
        before.codes = added(std::mem::take(&mut before.codes), &self.codes);
        if same {
            let StudyCoding { codes, name, version, .. } = before;
            return StudyCoding { codes, name, version, ..self };
        }
        before.looked = self.looked;
        before.proposed = Some(Proposed {
            outcome: self.outcome,
            techniques: self.techniques,
            service: self.service,
            name: self.name,
            version: self.version,
        });
        before
    }
}

type Codes = Vec<super::coded::NamedCode>;

/// The codes that are kept, and those of schemes of which none is there.
fn added(mut kept: Codes, now: &Codes) -> Codes {
    let missing: Codes =
        now.iter().filter(|code| kept.iter().all(|one| one.scheme != code.scheme)).cloned().collect();
    kept.extend(missing);
    kept
}

#[cfg(test)]
mod tests {
    use super::super::coded::NamedCode;
    use super::*;

    fn coding(technique: &str, version: &str, source: Source, generation: u64, facts: &str) -> StudyCoding {
        let code = |value: &str, scheme: &str| NamedCode {
            value: value.into(),
            scheme: scheme.into(),
            version: version.into(),
            meaning: String::new(),
        };
        StudyCoding {
            outcome: Outcome::Assigned,
            source,
            chosen_by: None,
            chosen_ms: None,
            techniques: vec![technique.into()],
            service: None,
            service_candidates: Vec::new(),
            confidence: 0.9,
            candidates: Vec::new(),
            contrast: None,
            laterality: None,
            machine_assumed: false,
            why: Vec::new(),
            codes: vec![code(technique, "99VNTT23")],
            name: technique.into(),
            version: version.into(),
            looked: Some(Looked { generation, facts: facts.into(), came: String::new() }),
            proposed: None,
        }
    }

    #[test]
    fn another_list_alone_changes_nothing_and_is_proposed() {
        let before = coding("18.1", "old", Source::Text, 1, "a");
        let after = coding("18.2", "new", Source::Text, 1, "a").after(Some(before.clone()));
        assert_eq!((after.techniques.as_slice(), after.version.as_str()), (&["18.1".to_owned()][..], "old"));
        assert_eq!(after.codes, before.codes);
        assert_eq!(after.proposed.as_ref().unwrap().techniques, ["18.2"]);
        // The list goes back to what it was: nothing is proposed any more.
        let again = coding("18.1", "third", Source::Text, 1, "a").after(Some(after));
        assert_eq!((again.proposed, again.version.as_str()), (None, "old"));
        let written_otherwise = coding("18.2", "new", Source::Text, 1, "b").after(Some(before));
        assert_eq!(written_otherwise.techniques, ["18.1"], "nothing came");
    }

    #[test]
    fn people_rules_and_the_study_itself_say_otherwise() {
        let before = || Some(coding("18.1", "old", Source::Text, 1, "a"));
        for now in [
            coding("18.2", "new", Source::Person, 2, "a"),
            coding("18.2", "new", Source::Rule, 2, "a"),
            coding("18.2", "new", Source::Text, 2, "b"),
        ] {
            assert_eq!(now.clone().after(before()), now);
        }
        let chosen = Some(coding("18.1", "old", Source::Person, 1, "a"));
        let back = coding("18.2", "new", Source::Text, 2, "a");
        assert_eq!(back.clone().after(chosen.clone()), back, "a person took the choice back");
        let later = coding("18.1", "new", Source::Person, 2, "a").after(chosen);
        assert_eq!(later.version, "old", "the same choice keeps its version");
        // What waits is mapped again whatever happened.
        let waits = StudyCoding { outcome: Outcome::Review, ..coding("18.1", "old", Source::Text, 1, "a") };
        let now = coding("18.2", "new", Source::Text, 1, "a");
        assert_eq!(now.clone().after(Some(waits)), now);
    }

    #[test]
    fn a_scheme_that_was_missing_is_added() {
        let before = coding("18.1", "old", Source::Text, 1, "a");
        let mut now = coding("18.1", "new", Source::Text, 1, "a");
        now.codes.push(NamedCode {
            value: "9990007".into(),
            scheme: "99VN1227".into(),
            version: "2026".into(),
            meaning: "MADE UP".into(),
        });
        let after = now.after(Some(before));
        let told: Vec<_> =
            after.codes.iter().map(|code| (code.value.as_str(), code.version.as_str())).collect();
        assert_eq!(told, [("18.1", "old"), ("9990007", "2026")]);
    }
}
