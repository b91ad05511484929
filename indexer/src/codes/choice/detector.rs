//! Detector class of a CT scanner and field class of a magnet, from what the header says about the machine.
//!
//! Knows models by `scanners.tsv`; the register of a facility's machines outweighs it.

use crate::codes::catalogue::name::{DetectorClass, Field};
use crate::codes::facts::StudyFacts;
use crate::codes::reading::vocabulary::content;
use crate::dataset::fold::fold;

const SCANNERS: &str = include_str!("../../../data/codes/scanners.tsv");
/// Measured field strength from which a magnet counts as one of 3 T, in tesla.
const HIGH_FIELD_FROM_T: f64 = 2.8;

/// The field class.
pub(crate) fn field(facts: &StudyFacts) -> Option<Field> {
    let sent = facts.field_strength_t.filter(|t| t.is_finite() && *t > 0.0);
    let strength = sent
        .or_else(|| told_field(&facts.requested_procedure))
        .or_else(|| told_field(&facts.study_description))?;
    // Some machines write gauss or millitesla.
    let tesla = match strength {
        t if t > 5000.0 => t / 10_000.0,
        t if t > 100.0 => t / 1000.0,
        t => t,
    };
    Some(if tesla >= HIGH_FIELD_FROM_T { Field::High } else { Field::Low })
}

/// Field strength in a text: `1.5T`, `3,0 T`.
fn told_field(text: &str) -> Option<f64> {
    let folded = fold(text).replace(',', ".");
    let mut words = folded.split([' ', '(', ')', '[', ']', '-', '_', '/']);
    words.find_map(|word| {
        let tesla = word.strip_suffix('T')?.parse::<f64>().ok()?;
        (0.1..=7.0).contains(&tesla).then_some(tesla)
    })
}

/// The detector class, with what tells it.
pub(crate) fn class(facts: &StudyFacts) -> Option<(DetectorClass, String)> {
    if let Some(rows) = facts.detector_rows {
        return Some((DetectorClass::of_rows(rows)?, format!("register: {rows} rows")));
    }
    let text = fold(&facts.scanner);
    let words = words(&text);
    let rows = collimation(&facts.scanner)
        .or_else(|| number_before(&words, &["ROWS", "ROW", "DAY", "HANG"]))
        .or_else(|| model(&words))
        .or_else(|| {
            number_before(&words, &["SLICES", "SLICE", "LAT", "DETECTOR", "DETECTORS"]).and_then(from_slices)
        });
    // Orders name the class they ask for: "MSCT 64 dãy", "(từ 1-32 dãy)".
    let ordered = [&facts.requested_procedure, &facts.study_description].into_iter();
    let rows = rows.or_else(|| {
        ordered
            .filter_map(|text| number_before(&self::words(&fold(text)), &["ROWS", "DAY"]))
            .find(|rows| *rows > 1)
    })?;
    Some((DetectorClass::of_rows(rows)?, format!("{}: {rows} rows", facts.scanner.trim())))
}

fn words(folded: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut last = ' ';
    for letter in folded.chars() {
        let turns = letter.is_ascii_digit() != last.is_ascii_digit() && last.is_alphanumeric();
        if !letter.is_alphanumeric() || turns {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(letter);
        }
        last = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Rows are total over single collimation (0018,9307) over (0018,9306), both in millimetres.
fn collimation(text: &str) -> Option<u32> {
    let value = |tag: &str| {
        let (_, rest) = text.split_once(tag)?;
        let number: String = rest
            .trim_start_matches([')', ' ', '=', ':'])
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        number.parse::<f64>().ok().filter(|mm| *mm > 0.0)
    };
    let rows = (value("0018,9307")? / value("0018,9306")?).round();
    // No detector has as many; what is outside is an error of the header.
    (1.0..=1024.0).contains(&rows).then_some(rows as u32)
}

fn number_before(words: &[String], units: &[&str]) -> Option<u32> {
    let at = words.iter().position(|word| units.contains(&word.as_str()))?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// Slices of one turn are often twice the rows: only what no doubling moves to another class is used.
fn from_slices(slices: u32) -> Option<u32> {
    let class = DetectorClass::of_rows(slices)?;
    (DetectorClass::of_rows(slices / 2) == Some(class)).then_some(slices)
}

/// The model with the most words that all stand in the text.
fn model(words: &[String]) -> Option<u32> {
    let has = |name: &str| {
        let wanted = self::words(&name.to_uppercase());
        wanted.iter().all(|wanted| words.contains(wanted)).then_some(wanted.len())
    };
    let models = content(SCANNERS).filter_map(|line| line.split_once('\t'));
    let known = models.filter_map(|(name, rows)| Some((has(name)?, rows.trim().parse::<u32>().ok()?)));
    known.max_by_key(|(words, rows)| (*words, u32::MAX - rows)).map(|(_, rows)| rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(scanner: &str) -> Option<DetectorClass> {
        class(&StudyFacts { scanner: scanner.to_owned(), ..StudyFacts::default() }).map(|(class, _)| class)
    }

    #[test]
    fn rows_decide_not_slices() {
        let cases = [
            ("SOMATOM Emotion 16", Some(DetectorClass::UpTo32)),
            ("SOMATOM Definition AS+ (64 rows, 128 slices)", Some(DetectorClass::From64)),
            ("SOMATOM go.Up (32 rows, 64 slices)", Some(DetectorClass::UpTo32)),
            ("SOMATOM go.Up", Some(DetectorClass::UpTo32)),
            ("Revolution EVO", Some(DetectorClass::From64)),
            ("Revolution CT", Some(DetectorClass::From256)),
            ("Aquilion ONE", Some(DetectorClass::From256)),
            ("Brilliance iCT 256", Some(DetectorClass::From64)),
            ("Ingenuity Core128", Some(DetectorClass::From64)),
            ("0018,9306=0.625 0018,9307=40", Some(DetectorClass::From64)),
            ("(0018,9306)=0.6 (0018,9307)=19.2", Some(DetectorClass::UpTo32)),
            ("128 slices", Some(DetectorClass::From64)),
            ("256 slices", None),
            ("64 slices", None),
            ("", None),
        ];
        for (scanner, want) in cases {
            assert_eq!(of(scanner), want, "{scanner}");
        }
    }

    #[test]
    fn a_measured_field_counts_as_three_tesla() {
        let strength = |t| field(&StudyFacts { field_strength_t: Some(t), ..StudyFacts::default() });
        assert_eq!(strength(2.8936), Some(Field::High));
        assert_eq!(strength(30_000.0), Some(Field::High));
        assert_eq!(strength(1.494), Some(Field::Low));
        assert_eq!(strength(f64::NAN), None);
    }
}
