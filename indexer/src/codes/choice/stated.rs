//! What a text says about contrast in so many words, whatever their order: `không có thuốc`, `cản quang (-)`, `có và
//! không tiêm`.
//!
//! Knows the parts that words have in such a sentence; the words are those of [`super::caution`].

use super::caution::Caution;
use crate::codes::facts::Imaging;
use crate::codes::reading::{Kind, Reading, Vocabulary};

/// How a field of a form is denied.
const ANSWERS_NO: [&str; 5] = ["không", "khong", "ko", "k", "no"];

/// What is said about contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    /// It is given, be it after pictures without it.
    With,
    /// It is denied.
    Without,
    /// It is asked for, or told in two ways.
    Open,
}

/// What a text says, and whether its parts say different things about different regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) stated: Option<Stated>,
    pub(crate) differs: bool,
}

/// Reads `text` clause by clause.
pub(crate) fn read(text: &str, vocabulary: &Vocabulary, imaging: Imaging, caution: &Caution) -> Told {
    let mut told = Told::default();
    let mut of_regions: Vec<Stated> = Vec::new();
    for clause in text.split([',', ';', '|']) {
        let reading = vocabulary.read_text(&signs_as_words(clause), imaging);
        let words = free_words(&reading, vocabulary);
        let Some(stated) = on_condition(&words, caution).or_else(|| clause_says(&words, caution)) else {
            continue;
        };
        let stated = if stated == Stated::Open && is_answered_no(clause) { Stated::Without } else { stated };
        if reading.of_kind(vocabulary, Kind::Region).next().is_some() {
            of_regions.push(stated);
        }
        told.stated = match told.stated {
            None => Some(stated),
            Some(before) if before == stated => Some(stated),
            // Pictures without come before those with.
            Some(Stated::With | Stated::Without) if stated != Stated::Open => Some(Stated::With),
            _ => Some(Stated::Open),
        };
    }
    told.differs = of_regions.windows(2).any(|pair| pair[0] != pair[1]);
    told
}

/// What two fields say together.
pub(crate) fn joined(one: Told, other: Told) -> Told {
    let stated = match (one.stated, other.stated) {
        (Some(one), Some(other)) if one != other => Some(Stated::Open),
        (one, other) => one.or(other),
    };
    Told { stated, differs: one.differs || other.differs }
}

/// Whether a clause ends with the answer of a form, `Có cản quang: không`, and not with the word of a question.
fn is_answered_no(clause: &str) -> bool {
    let clause = clause.trim_end_matches([')', ' ', '.']).to_lowercase();
    let answer = clause.rsplit_once(':').map(|(_, answer)| answer.trim());
    clause.ends_with("(-")
        || clause.ends_with("( -")
        || answer.is_some_and(|answer| ANSWERS_NO.contains(&answer))
}

/// Signs that affirm or deny, as words that do.
fn signs_as_words(text: &str) -> String {
    let mut signs = text.to_owned();
    for (sign, word) in [("(-)", " no "), ("(+)", " yes "), ("( - )", " no "), ("( + )", " yes ")] {
        signs = signs.replace(sign, word);
    }
    let signs = signs.replace("+/-", " prn ").replace(" ± ", " prn ");
    signs.replace(" - ", " and ").replace(['/', '&'], " and ")
}

/// The words of a clause; those of a phrase for a region are blank: the neck of `cột sống cổ` affirms nothing.
fn free_words(reading: &Reading, vocabulary: &Vocabulary) -> Vec<String> {
    let mut words = reading.words.clone();
    for region in reading.of_kind(vocabulary, Kind::Region) {
        let Some(found) = reading.found.get(region) else { continue };
        let phrase: Vec<&str> = found.words.split(' ').collect();
        for at in 0..(words.len() + 1).saturating_sub(phrase.len()) {
            if phrase.len() > 1
                && words[at..at + phrase.len()].iter().zip(&phrase).all(|(word, of)| word == of)
            {
                words[at..at + phrase.len()].iter_mut().for_each(String::clear);
            }
        }
    }
    words
}

/// The part that a word has in a sentence about contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Agent,
    No,
    /// Denies only what follows.
    NoBefore,
    Yes,
    And,
    Between,
    Drunk,
}

/// Contrast that is to be given `nếu cần` is open.
fn on_condition(words: &[String], caution: &Caution) -> Option<Stated> {
    let condition = |at: usize| {
        let holds =
            |phrase: &Vec<&str>| words[at..].iter().zip(phrase).filter(|(word, of)| word == of).count();
        caution.conditions.iter().any(|phrase| holds(phrase) == phrase.len())
    };
    let agent = words.iter().any(|word| caution.says("agent", word));
    (agent && (0..words.len()).any(condition)).then_some(Stated::Open)
}

fn clause_says(words: &[String], caution: &Caution) -> Option<Stated> {
    let part = |at: usize| {
        let word = words.get(at)?.as_str();
        let named = [
            ("agent", Part::Agent),
            ("no", Part::No),
            ("no_before", Part::NoBefore),
            ("yes", Part::Yes),
            ("and", Part::And),
            ("between", Part::Between),
            ("drunk", Part::Drunk),
        ];
        named.into_iter().find(|(name, _)| caution.says(name, word)).map(|(_, part)| part)
    };
    let mut said: Option<Stated> = None;
    let mut at = 0;
    while at < words.len() {
        let length = (at..words.len()).take_while(|at| part(*at).is_some()).count();
        let run: Vec<Part> = (at..at + length).filter_map(part).collect();
        let injected = words[at..at + length].iter().any(|word| caution.says("injected", word));
        let stated = run_says(&run, injected);
        said = match (said, stated) {
            (Some(before), Some(now)) if before != now => Some(Stated::With),
            (before, now) => now.or(before),
        };
        at += length.max(1);
    }
    said
}

/// What words that stand together say; none where no contrast is among them, or nothing affirms or denies it.
fn run_says(run: &[Part], injected: bool) -> Option<Stated> {
    if !run.contains(&Part::Agent) {
        return None;
    }
    let next = |at: usize| run.get(at + 1);
    let denies = |part: &Part| matches!(part, Part::No | Part::NoBefore);
    // `Không có`: the second is no sign of its own. `Cổ không`: the first is none.
    let counts = |at: usize| match run[at] {
        Part::Yes => !next(at).is_some_and(denies) && (at == 0 || !denies(&run[at - 1])),
        // At the end it denies what stands before, not what follows a joining word.
        Part::No => next(at).is_some_and(|next| *next != Part::And) || at > 0 && run[at - 1] != Part::And,
        Part::NoBefore => next(at).is_some_and(|next| *next != Part::And),
        _ => false,
    };
    let last = |is: &dyn Fn(&Part) -> bool| (0..run.len()).rev().find(|at| is(&run[*at]) && counts(*at));
    let (yes, no) = (last(&|part| *part == Part::Yes), last(&denies));
    let drunk = run.contains(&Part::Drunk);
    match (yes, no) {
        _ if drunk && (no.is_some() || !injected) => Some(Stated::Without),
        // `Có tiêm không?`
        (Some(_), Some(no)) if no + 1 == run.len() => Some(Stated::Open),
        (Some(_), _) => Some(Stated::With),
        (None, Some(_)) => Some(Stated::Without),
        (None, None) => None,
    }
}
