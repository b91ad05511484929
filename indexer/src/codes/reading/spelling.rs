//! Words that are not in the vocabulary as they stand: Telex and VNI typing, typing errors, words run together.
//!
//! Knows known words; it may not know what they mean.

use super::repair::Piece;
use super::vocabulary::Vocabulary;

/// Short words that may stand in a run of words.
const SHORT_IN_RUNS: [&str; 9] = ["XQ", "CT", "MR", "SA", "CO", "SO", "KO", "AP", "PA"];
/// Longest piece that is looked at letter by letter.
const PIECE_LETTERS_REPAIRED: usize = 48;

/// The words that a piece stands for, and whether all of them are known.
pub(super) fn words(vocabulary: &Vocabulary, piece: &Piece) -> (Vec<String>, bool) {
    if known(vocabulary, &piece.joined) || piece.joined.contains('?') || is_number(&piece.joined) {
        return (vec![piece.joined.clone()], true);
    }
    if piece.parts.len() > 1 {
        let parts: Vec<(Vec<String>, bool)> = piece.parts.iter().map(|part| word(vocabulary, part)).collect();
        if parts.iter().any(|(_, known)| *known) {
            let all = parts.iter().all(|(_, known)| *known);
            return (parts.into_iter().flat_map(|(words, _)| words).collect(), all);
        }
    }
    word(vocabulary, &piece.joined)
}

fn word(vocabulary: &Vocabulary, word: &str) -> (Vec<String>, bool) {
    if known(vocabulary, word) || is_number(word) {
        return (vec![word.to_owned()], true);
    }
    if !word.is_ascii() || word.len() > PIECE_LETTERS_REPAIRED {
        return (vec![word.to_owned()], false);
    }
    let typed = telex(vocabulary, word).or_else(|| digits(vocabulary, word));
    if let Some(typed) = typed.or_else(|| near(vocabulary, word, 1)) {
        return (vec![typed], true);
    }
    if let Some(run) = run(vocabulary, word) {
        return (run, true);
    }
    match near(vocabulary, word, 2) {
        Some(near) => (vec![near], true),
        None => (vec![word.to_owned()], word.len() < 3),
    }
}

fn known(vocabulary: &Vocabulary, word: &str) -> bool {
    vocabulary.words.contains(word)
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Telex typing that no keyboard program turned into letters: `khowps` is KHOP, `soongs` SONG, `dduwngs` DUNG.
fn telex(vocabulary: &Vocabulary, word: &str) -> Option<String> {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut plain = String::with_capacity(word.len());
    for letter in word.chars() {
        match (plain.chars().last(), letter) {
            (Some('A' | 'O' | 'U'), 'W') => {}
            (_, 'W') => plain.push('U'),
            (Some(last @ ('A' | 'E' | 'O' | 'D')), letter) if last == letter => {}
            _ => plain.push(letter),
        }
    }
    if plain != word && known(vocabulary, &plain) {
        return Some(plain);
    }
    let vowel = plain.find(['A', 'E', 'I', 'O', 'U', 'Y'])?;
    let tones = plain.char_indices().filter(|(at, letter)| *at > vowel && "SFRXJ".contains(*letter));
    let without = tones.map(|(at, _)| [&plain[..at], &plain[at + 1..]].concat());
    without.filter(|word| word.len() >= 2).find(|word| known(vocabulary, word))
}

/// VNI typing (`ngu75c` is NGUC) and numbers stuck to a word (`CHEST1`).
fn digits(vocabulary: &Vocabulary, word: &str) -> Option<String> {
    let letters: String = word.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let least = if word.ends_with(|letter: char| letter.is_ascii_digit()) { 2 } else { 3 };
    (letters.len() < word.len() && letters.len() >= least && known(vocabulary, &letters)).then_some(letters)
}

/// The one known word within `errors` typing errors, where the word is long enough to be sure.
fn near(vocabulary: &Vocabulary, word: &str, errors: usize) -> Option<String> {
    let swapped_only = word.len() == 4;
    let least = if errors == 1 { 4 } else { 8 };
    if word.len() < least || !word.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let lengths = word.len().saturating_sub(errors)..=word.len() + errors;
    let candidates = vocabulary.by_length.range(lengths).flat_map(|(_, words)| words);
    let mut found: Option<&String> = None;
    for candidate in
        candidates.filter(|candidate| candidate.len() >= 4 && candidate.as_bytes()[0] == word.as_bytes()[0])
    {
        let fits = if swapped_only {
            is_swapped(word.as_bytes(), candidate.as_bytes())
        } else {
            candidate.len() >= least && distance(word.as_bytes(), candidate.as_bytes()) <= errors
        };
        if fits {
            if found.is_some() {
                return None;
            }
            found = Some(candidate);
        }
    }
    found.cloned()
}

/// Whether two neighbouring letters changed places.
fn is_swapped(a: &[u8], b: &[u8]) -> bool {
    let differs: Vec<usize> = (0..a.len().min(b.len())).filter(|at| a[*at] != b[*at]).collect();
    match differs[..] {
        [one, two] => a.len() == b.len() && two == one + 1 && a[one] == b[two] && a[two] == b[one],
        _ => false,
    }
}

/// Optimal string alignment: insertions, deletions, other letters, neighbours that changed places.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let other = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (table[(i - 1) * width + j] + 1).min(table[i * width + j - 1] + 1);
                least = least.min(table[(i - 1) * width + j - 1] + other);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(table[(i - 2) * width + j - 2] + 1);
                }
                least
            };
        }
    }
    table[a.len() * width + b.len()]
}

/// Known words that were written without spaces: `XQNGUCTHANG`. The fewest words win.
fn run(vocabulary: &Vocabulary, word: &str) -> Option<Vec<String>> {
    if word.len() < 6 {
        return None;
    }
    // Fewest words that end at each place, with the place where the last of them begins.
    let mut ends: Vec<Option<(usize, usize)>> = vec![None; word.len() + 1];
    ends[0] = Some((0, 0));
    for end in 2..=word.len() {
        for begin in 0..=end - 2 {
            let Some((count, _)) = ends[begin] else { continue };
            let part = &word[begin..end];
            let fits = part.len() >= 3 && known(vocabulary, part) || SHORT_IN_RUNS.contains(&part);
            if fits && ends[end].is_none_or(|(best, _)| count + 1 < best) {
                ends[end] = Some((count + 1, begin));
            }
        }
    }
    let mut parts = Vec::new();
    let mut end = word.len();
    while end > 0 {
        let (_, begin) = ends[end]?;
        parts.push(word[begin..end].to_owned());
        end = begin;
    }
    parts.reverse();
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_understood() {
        let vocabulary = Vocabulary::built_in();
        let cases = [
            ("KHOWPS", "KHOP"),
            ("TRASI", "TRAI"),
            ("NGUWCJ", "NGUC"),
            ("COOJT", "COT"),
            ("LWNG", "LUNG"),
            ("SO61NG", "SONG"),
            ("NGCU", "NGUC"),
            ("SHOUDER", "SHOULDER"),
            ("CALCANEOUS", "CALCANEUS"),
            ("XQNGUCTHANG", "XQ NGUC THANG"),
        ];
        for (typed, want) in cases {
            assert_eq!(word(&vocabulary, typed).0.join(" "), want, "{typed}");
        }
        assert!(!word(&vocabulary, "QWRTPL").1);
    }
}
