//! Names: words in any order, by the words that the index keeps of them.

use super::lists::Asked;
use super::sql::{Bound, Fragment, escaped};
use crate::dataset::fold::words;
use crate::query::Text;

/// Most words that are looked for one by one.
const ASKED_MAX: usize = 12;

/// A word of a name that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NameWord<'a> {
    text: &'a str,
    /// Whether more may stand before it in the same word.
    open_start: bool,
    /// Whether more may stand after it in the same word.
    open_end: bool,
}

/// The conditions for a name in `column`, and in `lists` the words by which studies are found.
///
/// A value without wildcards matches names of the same words; with `fuzzy`, names that have words beginning so. A
/// pattern matches names that have words like its words. Where a wildcard stands inside a word, it may stand for what
/// is between words too, so that the whole folded name is compared.
pub(super) fn name(column: &str, text: &Text, fuzzy: bool, lists: &mut Vec<Asked>) -> Fragment {
    let (pattern, is_pattern) = match text {
        Text::Is(text) => (text, false),
        Text::Like(pattern) => (pattern, true),
    };
    let Some(asked) = split(pattern, fuzzy) else {
        return Fragment::with(
            &format!("{column} LIKE ? ESCAPE '!'"),
            [Bound::Text(super::sql::like(pattern))],
        );
    };
    let mut all = Fragment::default();
    for word in &asked {
        let (before, after) = (if word.open_start { "" } else { " " }, if word.open_end { "" } else { " " });
        let like = format!("%{before}{}{after}%", escaped(word.text));
        all.and(&format!("(' ' || {column} || ' ') LIKE ? ESCAPE '!'"), [Bound::Text(like)]);
        let NameWord { text, open_start, open_end } = *word;
        lists.push(Asked::Word { text: text.to_owned(), open_start, open_end });
    }
    if !is_pattern && !fuzzy {
        let mut sorted: Vec<&str> = words(pattern).collect();
        sorted.sort_unstable();
        let same_length = format!("length({column}) = ?");
        let length = sorted.iter().map(|word| word.chars().count() + 1).sum::<usize>().saturating_sub(1);
        all.and(&same_length, [Bound::Number(i64::try_from(length).unwrap_or(i64::MAX))]);
    }
    all
}

/// The words of a pattern; none where a wildcard stands inside one, or where they are too many.
fn split(pattern: &str, fuzzy: bool) -> Option<Vec<NameWord<'_>>> {
    let mut asked = Vec::new();
    for piece in words(pattern) {
        let text = piece.trim_matches('*');
        if text.contains(['*', '?']) {
            return None;
        }
        if !text.is_empty() {
            let (open_start, open_end) = (piece.starts_with('*'), fuzzy || piece.ends_with('*'));
            asked.push(NameWord { text, open_start, open_end });
        }
    }
    Some(asked).filter(|asked| asked.len() <= ASKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_split_into_words() {
        let word = |text, open_start, open_end| NameWord { text, open_start, open_end };
        assert_eq!(split("*VAN AN*", false), Some(vec![word("VAN", true, false), word("AN", false, true)]));
        assert_eq!(split("NGUYEN *", false), Some(vec![word("NGUYEN", false, false)]));
        assert_eq!(split("LE", true), Some(vec![word("LE", false, true)]));
        assert_eq!(split("NG*AN", false), None);
        assert_eq!(split("L?", false), None);
    }
}
