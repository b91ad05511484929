//! The words in which codes and decisions give their evidence, as pages show them: names of regions, sides, views and
//! kinds, and the sentences of the mapper. The evidence itself is kept as it was made; only what is shown is said in the
//! reader's language.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::language::Language;

static TERMS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("../data/terms-vi.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
});

/// What stands between words.
const BETWEEN: [&str; 6] = [", ", "; ", " or ", " and ", "|", " + "];

/// Sentences of the mapper and what they are in Vietnamese; `{}` stands for words, `{0}` for the first of them. Those with
/// more words of their own stand before those that would fit too.
const SENTENCES: [(&str, &str); 34] = [
    (
        "{} from order or study text, agreed by other fields",
        "{0}, theo chỉ định hoặc mô tả ca chụp, các mục khác cũng vậy",
    ),
    (
        "{} from series or protocol, agreed by other fields",
        "{0}, theo chuỗi ảnh hoặc giao thức, các mục khác cũng vậy",
    ),
    ("{} from body part, agreed by other fields", "{0}, theo vùng khảo sát, các mục khác cũng vậy"),
    ("{} from order or study text", "{0}, theo chỉ định hoặc mô tả ca chụp"),
    ("{} from series or protocol", "{0}, theo chuỗi ảnh hoặc giao thức"),
    ("{} from body part", "{0}, theo vùng khảo sát"),
    ("{}, as acquired", "{0}, theo ảnh đã chụp"),
    ("{}, as ordered", "{0}, theo chỉ định"),
    ("{}, as such examinations are, no trace of another", "{0}, như thường lệ, không có dấu hiệu khác"),
    ("{} says {}, but {} says {}", "{0} ghi {1}, nhưng {2} ghi {3}"),
    ("text says {}, the pictures are {}", "mô tả ghi {0}, ảnh là {1}"),
    ("one short word says {}, the body part another", "một từ ngắn ghi {0}, vùng khảo sát ghi khác"),
    ("{} tells nothing", "{0} không cho biết gì"),
    ("which part of {} is not told", "chưa rõ phần nào của {0}"),
    ("the body part alone does not say enough", "chỉ có vùng khảo sát thì chưa đủ"),
    ("the text does not list {}", "mô tả không liệt kê {0}"),
    ("no region is named ({})", "chưa ghi vùng khảo sát"),
    ("no technique for what is named ({})", "không có kỹ thuật nào cho {0}"),
    ("no technique for {} of {}", "không có kỹ thuật {0} cho {1}"),
    ("no technique for {}", "không có kỹ thuật cho {0}"),
    ("the text has the name {}", "mô tả có tên {0}"),
    (
        "the catalogue has no {} for this machine and contrast",
        "danh mục không có {0} cho loại máy và cách tiêm thuốc này",
    ),
    ("not understood: {}", "chưa hiểu: {0}"),
    ("series show {} of {}, not ordered", "chuỗi ảnh có {0} của {1}, không có trong chỉ định"),
    ("chosen before by {}", "{0} đã chọn trước đây"),
    ("chosen by {}", "{0} đã chọn"),
    ("code {} is of another kind of pictures", "mã {0} thuộc loại ảnh khác"),
    ("code {} is of another region", "mã {0} thuộc vùng khác"),
    ("register: {} rows", "danh sách máy: {0} dãy"),
    ("{}: {} rows", "{0}: {1} dãy"),
    ("{} rows", "{0} dãy"),
    ("nothing is told", "không cho biết gì"),
    ("no technique", "không có kỹ thuật"),
    ("no region", "chưa ghi vùng"),
];

/// Names of regions, sides, kinds and the like in a language: each by itself, whatever stands between them.
pub(crate) fn in_words(language: Language, text: &str) -> String {
    let found = BETWEEN.iter().filter_map(|between| Some((text.find(between)?, *between))).min();
    match found {
        Some((at, between)) => {
            let (before, after) = (&text[..at], &text[at + between.len()..]);
            let shown = match (language, between) {
                (Language::Vietnamese, " or ") => " hoặc ",
                (Language::Vietnamese, " and ") => " và ",
                (_, "|") => ", ",
                _ => between,
            };
            format!("{}{shown}{}", term(language, before), in_words(language, after))
        }
        None => term(language, text),
    }
}

fn term(language: Language, word: &str) -> String {
    let known = match language {
        Language::Vietnamese => TERMS.get(word.trim()).copied(),
        Language::English => (word.trim() == "mpps").then_some("MPPS"),
    };
    match known {
        Some(known) => known.to_owned(),
        // A name of one word that codes use; texts of people have spaces.
        None if !word.contains(' ') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
            word.replace('_', " ")
        }
        None => word.to_owned(),
    }
}

/// A line of evidence of the mapper in a language.
pub(crate) fn evidence(language: Language, what: &str) -> String {
    if language == Language::English {
        return what.to_owned();
    }
    for (english, vietnamese) in SENTENCES {
        if let Some(parts) = parts(english, what) {
            let mut sentence = vietnamese.to_owned();
            for (at, part) in parts.iter().enumerate() {
                sentence = sentence.replace(&format!("{{{at}}}"), &in_words(language, part));
            }
            return sentence;
        }
    }
    in_words(language, what)
}

/// What stands in a text in the places of a pattern; none where it is another text.
fn parts<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut pieces = pattern.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    let pieces: Vec<&str> = pieces.collect();
    for (at, piece) in pieces.iter().enumerate() {
        let last = at + 1 == pieces.len();
        let (part, after) = match (last, *piece) {
            (true, piece) => (rest.strip_suffix(piece)?, ""),
            (false, piece) => rest.split_once(piece)?,
        };
        found.push(part);
        rest = after;
    }
    (!pieces.is_empty() || rest.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_said_in_the_readers_language() {
        let vi = |what| evidence(Language::Vietnamese, what);
        assert_eq!(vi("head, brain from order or study text"), "đầu, não, theo chỉ định hoặc mô tả ca chụp");
        assert_eq!(vi("without, as acquired"), "không tiêm thuốc, theo ảnh đã chụp");
        assert_eq!(
            vi("text says head, but body part says chest"),
            "mô tả ghi đầu, nhưng vùng khảo sát ghi ngực"
        );
        assert_eq!(vi("the body part alone does not say enough"), "chỉ có vùng khảo sát thì chưa đủ");
        assert_eq!(vi("not understood: abc xyz"), "chưa hiểu: abc xyz");
        assert_eq!(evidence(Language::English, "head from body part"), "head from body part");
        assert_eq!(in_words(Language::Vietnamese, "left"), "trái");
        assert_eq!(in_words(Language::English, "upper_abdomen, left"), "upper abdomen, left");
        assert_eq!(in_words(Language::Vietnamese, "name, full_birth_date"), "họ tên, ngày sinh");
    }

    #[test]
    fn terms_are_composed_and_stand_once() {
        let source = include_str!("../data/terms-vi.tsv");
        assert!(!source.chars().any(|c| ('\u{300}'..='\u{36f}').contains(&c)));
        let lines = source.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(TERMS.len(), lines, "a word stands twice, or a line has no translation");
    }
}
