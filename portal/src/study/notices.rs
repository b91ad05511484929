//! What has to be known before the images are looked at: doubts about the person, other versions, damage.

use indexer::db::ConflictKind;

use super::around::Around;
use super::words::words;
use crate::html::Html;
use crate::language::Language;
use crate::words::with;

/// Writes a banner for each.
pub(super) fn notices(out: &mut Html, language: Language, study: &storage_config::Uid, around: &Around) {
    let words = words(language);
    if around.collides {
        out.put(format_args!(
            "<p class=\"banner bad\" role=\"alert\">✗ {}<a href=\"/collisions\">{}</a></p>",
            words.collision, words.to_collisions
        ));
    }
    versions(out, language, study, around);
    if !around.candidates.is_empty() {
        out.put(format_args!(
            "<p class=\"banner\">? {}<a href=\"/studies/{study}/person\">{}</a></p>",
            with(words.candidates, around.candidates.len()),
            words.to_person
        ));
    }
    let damaged = around.damaged();
    if damaged > 0 {
        out.put(format_args!(
            "<p class=\"banner bad\" role=\"alert\">✗ {}<a href=\"/damaged\">{}</a></p>",
            with(words.damaged, damaged),
            words.to_damage
        ));
    }
    if around.keeping.in_force() > 0 {
        out.put(format_args!(
            "<p class=\"banner\">! {}<a href=\"#keeping\">{}</a></p>",
            words.withdrawn_part, words.to_keeping
        ));
    }
}

/// Versions that differ: a correction told apart from a possible mix-up.
fn versions(out: &mut Html, language: Language, study: &storage_config::Uid, around: &Around) {
    let words = words(language);
    let kinds = [
        (ConflictKind::Identity, words.versions_mix_up, true),
        (ConflictKind::StudyPatients, words.versions_patients, true),
        (ConflictKind::Content, words.versions_other, false),
        (ConflictKind::Correction, words.versions_correction, false),
        (ConflictKind::SharedUid, words.versions_shared, false),
    ];
    for (kind, text, bad) in kinds {
        let n = around.conflicts.iter().filter(|conflict| conflict.kind == kind).count();
        if n == 0 {
            continue;
        }
        let (class, sign) = if bad { ("banner bad", "✗") } else { ("banner", "!") };
        out.put(format_args!(
            "<p class=\"{class}\">{sign} {}<a href=\"/conflicts/{study}\">{}</a></p>",
            with(text, n),
            language.words().choose_version
        ));
    }
}
