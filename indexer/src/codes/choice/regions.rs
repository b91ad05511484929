//! Which regions were examined: what order, images and body part say together, and where they contradict.
//!
//! Knows how regions lie within each other; it may not know techniques.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use crate::codes::outcome::{Level, Rules};
use crate::codes::reading::{Concept, Kind, Reading, Vocabulary};

/// Body parts that say too little to stand alone.
const TOO_COARSE_ALONE: [&str; 6] = ["limb", "upper_limb", "lower_limb", "joint", "spine", "whole_body"];

/// Regions, and where they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Regions {
    pub(crate) found: BTreeSet<Concept>,
    pub(crate) level: Level,
    /// Whether another field says the same.
    pub(crate) agreed: bool,
    /// Regions that different words of a text name which lists nothing, and that series do not show each.
    pub(crate) unlisted: bool,
    /// One short word alone names the region, and the body part is another: it may be another word without accents.
    pub(crate) accidental: bool,
}

/// Two fields that cannot both be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contradiction {
    pub(crate) one: String,
    pub(crate) other: String,
}

/// The regions of a study. `coarse` says which regions have no technique of their own and need a closer word.
pub(crate) fn resolve(
    evidence: &Evidence,
    rules: &Rules,
    coarse: &dyn Fn(&str) -> bool,
) -> Result<Regions, Contradiction> {
    let vocabulary = &rules.vocabulary;
    let of = |reading: &Reading| reading.of_kind(vocabulary, Kind::Region).collect::<BTreeSet<_>>();
    let (order, study) = (of(&evidence.order), of(&evidence.study));
    let (series, protocol) = (of(&evidence.all_series()), of(&evidence.protocol));
    let body = of(&evidence.body);
    apart(vocabulary, ("order", &order), ("study description", &study))?;
    let text: BTreeSet<Concept> = order.union(&study).copied().collect();
    apart(vocabulary, ("order or study", &text), ("series", &series))?;
    if series.is_empty() {
        apart(vocabulary, ("order or study", &text), ("protocol", &protocol))?;
    }
    let images: BTreeSet<Concept> = series.union(&protocol).copied().collect();
    let agrees = |regions: &BTreeSet<Concept>, others: &BTreeSet<Concept>| {
        !others.is_empty() && !is_apart(vocabulary, regions, others)
    };
    let mut regions = if !text.is_empty() {
        let agreed = agrees(&text, &images) || agrees(&text, &body);
        let shown: BTreeSet<Concept> = images.union(&body).copied().collect();
        let text = without_accidents(evidence, vocabulary, &text, &shown);
        Regions {
            found: closer(vocabulary, &text, &images, &|_| true),
            level: Level::Text,
            agreed,
            unlisted: !evidence.lists && !shows_each(evidence, vocabulary, &text, &images),
            accidental: !agreed
                && is_one_short_word(evidence, vocabulary, &text)
                && (!body.is_empty()
                    || is_among_strange_words(evidence, vocabulary, &text)
                    || is_all_that_is_told(evidence, &text)),
        }
    } else if !images.is_empty() {
        apart(vocabulary, ("series", &series), ("protocol", &protocol))?;
        let agreed = agrees(&images, &body);
        Regions { found: images, level: Level::Series, agreed, ..Regions::default() }
    } else {
        let found: BTreeSet<Concept> =
            body.iter().filter(|region| !TOO_COARSE_ALONE.contains(region)).copied().collect();
        Regions { found, level: Level::BodyPart, ..Regions::default() }
    };
    // A whole limb in the body part says nothing about which part of the limb a text means.
    let is_limb = |region: &Concept| {
        let words = evidence.body.found.get(region).map(|found| found.words.as_str());
        words.is_some_and(|words| rules.caution.whole_limbs.contains(&words))
    };
    let closing = body.iter().filter(|region| regions.level == Level::BodyPart || !is_limb(region));
    regions.found = closer(vocabulary, &regions.found, &closing.copied().collect(), coarse);
    // What has no examination of its own here says no more than the region around it.
    let own: BTreeSet<Concept> = regions.found.iter().filter(|region| !coarse(region)).copied().collect();
    let own = narrowest(vocabulary, &own);
    let others = regions.found.iter().filter(|region| coarse(region) && !around(vocabulary, region, &own));
    regions.found = narrowest(vocabulary, &own.iter().chain(others).copied().collect());
    Ok(regions)
}

/// Words of so few letters may be another word without its accents.
const SHORT_WORD_LETTERS: usize = 4;

/// The regions of a text without those that are likely another word: a single short word, in a text that lists
/// nothing, for a part of the body that no other field shows, while another region of the text is shown.
fn without_accidents(
    evidence: &Evidence,
    vocabulary: &Vocabulary,
    text: &BTreeSet<Concept>,
    shown: &BTreeSet<Concept>,
) -> BTreeSet<Concept> {
    let alone = |region: &Concept| BTreeSet::from([*region]);
    let confirmed = |region: &Concept| !shown.is_empty() && !is_apart(vocabulary, &alone(region), shown);
    let placed = |region: &&Concept| vocabulary.info(region).is_some_and(|info| !info.zones.contains("*"));
    if !text.iter().filter(placed).any(confirmed) {
        return text.clone();
    }
    // What a list names by nothing else than that word is meant; what stands among other words may be one of them.
    let listed = |region: &Concept| evidence.lists && is_named_alone(evidence, vocabulary, region);
    let may_stay = |region: &&Concept| confirmed(region) || !is_short(evidence, region) || listed(region);
    text.iter().filter(may_stay).copied().collect()
}

/// Whether a part of a list names the region, or says on which side and how it was taken, and has no other words.
fn is_named_alone(evidence: &Evidence, vocabulary: &Vocabulary, region: &str) -> bool {
    evidence.pieces.iter().filter(|piece| piece.has(region)).any(|piece| {
        let said = |kind: &Kind| piece.of_kind(vocabulary, *kind).next().is_some();
        [Kind::Side, Kind::View, Kind::Contrast].iter().any(said) || piece.says_nothing_else(vocabulary)
    })
}

/// The words by which order and study text name a region.
fn words_of<'a>(evidence: &'a Evidence, region: &str) -> impl Iterator<Item = &'a str> {
    let found = [evidence.order.found.get(region), evidence.study.found.get(region)];
    found.into_iter().flatten().map(|found| found.words.as_str())
}

fn is_short(evidence: &Evidence, region: &str) -> bool {
    let mut words = words_of(evidence, region).peekable();
    words.peek().is_some() && words.all(|word| !word.contains(' ') && word.len() <= SHORT_WORD_LETTERS)
}

/// Whether one short word is all that names a region, with no side or projection beside it.
fn is_one_short_word(evidence: &Evidence, vocabulary: &Vocabulary, text: &BTreeSet<Concept>) -> bool {
    let beside = [&evidence.order, &evidence.study].into_iter().any(|field| {
        field.of_kind(vocabulary, Kind::Side).chain(field.of_kind(vocabulary, Kind::View)).next().is_some()
    });
    !beside && text.len() == 1 && text.iter().all(|region| is_short(evidence, region))
}

/// Whether words that only their marks tell from others name the region, beside words that nobody understands or in a
/// text that says nothing else of an examination: `hạng B2` is no `háng`. That the marks are there makes no difference, so
/// that the same text has the same answer without them.
fn is_among_strange_words(evidence: &Evidence, vocabulary: &Vocabulary, regions: &BTreeSet<Concept>) -> bool {
    let text = evidence.text();
    let marked = |region: &Concept| text.found.get(region).is_some_and(|found| found.marked);
    let said = |kind: &Kind| text.of_kind(vocabulary, *kind).next().is_some();
    let strange = !text.unknown.is_empty() || !text.stray.is_empty();
    let silent = text.words.len() > 1 && ![Kind::Modality, Kind::Contrast].iter().any(said);
    regions.iter().all(marked) && !said(&Kind::Exam) && (strange || silent)
}

/// Whether one word that only its marks tell from others is all that the header says: `MAT` is the face, the eye and a side.
fn is_all_that_is_told(evidence: &Evidence, regions: &BTreeSet<Concept>) -> bool {
    let text = evidence.text();
    let marked = |region: &Concept| text.found.get(region).is_some_and(|found| found.marked);
    let others = evidence.series.iter().chain([&evidence.protocol, &evidence.views]);
    text.words.len() == 1
        && regions.iter().all(marked)
        && others.into_iter().all(|field| field.words.is_empty())
}

/// Whether the regions of a text are those of one phrase, or the series show each of them.
fn shows_each(
    evidence: &Evidence,
    vocabulary: &Vocabulary,
    text: &BTreeSet<Concept>,
    images: &BTreeSet<Concept>,
) -> bool {
    let text = narrowest(vocabulary, text);
    let phrases: BTreeSet<&str> =
        text.iter().filter_map(|region| words_of(evidence, region).next()).collect();
    let same = |one: &Concept, other: &Concept| {
        one == other || vocabulary.is_within(one, other) || vocabulary.is_within(other, one)
    };
    phrases.len() < 2 || text.iter().all(|region| images.iter().any(|image| same(region, image)))
}

/// `regions`, of which those that `may` are replaced by what `others` has within them.
fn closer(
    vocabulary: &Vocabulary,
    regions: &BTreeSet<Concept>,
    others: &BTreeSet<Concept>,
    may: &dyn Fn(&str) -> bool,
) -> BTreeSet<Concept> {
    let within = |region: &Concept| {
        others.iter().copied().filter(|other| vocabulary.is_within(other, region)).collect::<Vec<_>>()
    };
    let mut found = regions.clone();
    for region in regions.iter().filter(|region| may(region)) {
        found.extend(within(region));
    }
    found
}

/// Regions without those that have a closer one among them.
fn narrowest(vocabulary: &Vocabulary, regions: &BTreeSet<Concept>) -> BTreeSet<Concept> {
    let has_closer = |region: &Concept| regions.iter().any(|other| vocabulary.is_within(other, region));
    regions.iter().filter(|region| !has_closer(region)).copied().collect()
}

/// Whether one of `regions` lies around `region` or within it.
fn around(vocabulary: &Vocabulary, region: &str, regions: &BTreeSet<Concept>) -> bool {
    regions.iter().any(|other| vocabulary.is_within(region, other) || vocabulary.is_within(other, region))
}

fn apart(
    vocabulary: &Vocabulary,
    one: (&str, &BTreeSet<Concept>),
    other: (&str, &BTreeSet<Concept>),
) -> Result<(), Contradiction> {
    if one.1.is_empty() || other.1.is_empty() || !is_apart(vocabulary, one.1, other.1) {
        return Ok(());
    }
    let said = |(field, regions): (&str, &BTreeSet<Concept>)| {
        format!("{field} says {}", regions.iter().copied().collect::<Vec<_>>().join(", "))
    };
    Err(Contradiction { one: said(one), other: said(other) })
}

/// Whether no region of one lies where a region of the other lies.
pub(crate) fn is_apart(vocabulary: &Vocabulary, one: &BTreeSet<Concept>, other: &BTreeSet<Concept>) -> bool {
    let zones = |regions: &BTreeSet<Concept>| {
        let infos = regions.iter().filter_map(|region| vocabulary.info(region));
        infos.flat_map(|info| info.zones.iter().copied()).collect::<BTreeSet<_>>()
    };
    let (one, other) = (zones(one), zones(other));
    !one.contains("*") && !other.contains("*") && one.is_disjoint(&other)
}
