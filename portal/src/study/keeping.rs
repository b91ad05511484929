//! What keeps a study, with the forms of those who may: legal hold, withdrawing, giving back; when it was verified; where
//! it came from and who brought it.

use indexer::db::{FacilityId, Stated};
use indexer::principal::Action;
use indexer::statement::{Reason, State as Statement, StepStatus, Withdrawal};

use super::around::{Around, Keeping};
use super::words::{Words, words};
use crate::calendar::moment;
use crate::figures::count;
use crate::html::{Escaped, Html};
use crate::intakes::{self, by};
use crate::language::Language;
use crate::persons::Codes;
use crate::sign_in::Who;
use crate::words::with;

/// Writes the section.
pub(super) fn section(out: &mut Html, language: Language, reader: &Who, around: &Around) {
    let words = words(language);
    out.put(format_args!("<section class=\"card keeping\" id=\"keeping\"><h2>{}</h2><dl>", words.keeping));
    out.put(format_args!("<div><dt>{}</dt><dd>{}</dd></div>", words.verified, verified(language, around)));
    hold_line(out, language, &around.keeping);
    origins(out, language, around);
    steps(out, language, around);
    out.put(format_args!("</dl>"));
    withdrawals(out, language, reader, (&around.keeping, &around.codes));
    if reader.may(Action::Withdraw) {
        hold_form(out, words, reader, &around.keeping);
        withdraw_form(out, words, reader, &around.keeping);
    }
    out.put(format_args!("</section>"));
}

fn verified(language: Language, around: &Around) -> String {
    let words = words(language);
    let bad = around.damaged() > 0;
    match around.verified_ms() {
        Some(ms) if bad => {
            format!("<b class=\"lacks\">✗ {}</b>", with(words.verified_bad, moment(language, ms)))
        }
        Some(ms) => {
            format!("<span class=\"fine\">✓ {}</span>", with(words.verified_all, moment(language, ms)))
        }
        None => words.not_verified.to_owned(),
    }
}

fn hold_line(out: &mut Html, language: Language, keeping: &Keeping) {
    let words = words(language);
    out.put(format_args!("<div><dt>{}</dt><dd>", words.hold));
    if keeping.is_held() {
        out.put(format_args!(
            "<span class=\"badge incomplete\"><i aria-hidden=\"true\">⚖</i> {}</span>",
            words.held
        ));
    } else {
        let said = keeping.hold.as_ref().is_some_and(|row| row.current.is_some());
        out.put(format_args!("{}", if said { words.lifted } else { words.not_held }));
    }
    if let Some(statement) = keeping.hold.as_ref().and_then(|row| row.current.as_ref()) {
        out.put(format_args!(
            "<small>{} · {} · {}</small>",
            by(intakes::words(language), &statement.who),
            moment(language, statement.time.ms()),
            Escaped(&statement.why)
        ));
    }
    out.put(format_args!("</dd></div>"));
}

/// From whom the images came, and with which import.
fn origins(out: &mut Html, language: Language, around: &Around) {
    let words = words(language);
    out.put(format_args!("<div><dt>{}</dt><dd>", words.origins));
    for sender in &around.senders {
        let code = around.codes.get(&sender.facility).map_or("", String::as_str);
        let line = words
            .origin_line
            .replace("{n}", &count(language, sender.instances))
            .replace("{m}", &moment(language, sender.first_ms));
        out.put(format_args!("<p>{} {}<small>{line}</small></p>", Escaped(&sender.source), Escaped(code)));
    }
    out.put(format_args!("</dd></div>"));
    for stated in &around.intakes {
        let Some(intake) = intakes::of(stated) else { continue };
        let statement = &stated.statement;
        out.put(format_args!(
            "<div><dt>{}</dt><dd><a href=\"/intakes/{}\">{} {}</a><small>{} · {}</small></dd></div>",
            words.brought,
            statement.subject.key,
            Escaped(intakes::code(&around.codes, intake.origin)),
            Escaped(&intake.label),
            with(words.brought_by, by(intakes::words(language), &statement.who)),
            moment(language, statement.time.ms()),
        ));
    }
}

/// What devices say of the procedure steps, and how many of the pictures that they made are here.
fn steps(out: &mut Html, language: Language, around: &Around) {
    let words = words(language);
    let steps = &around.steps;
    if steps.told.is_empty() {
        return;
    }
    out.put(format_args!("<div><dt>{}</dt><dd>", words.steps));
    if let Some(found) = steps.found.as_ref().filter(|found| found.is_exact()) {
        let line = words
            .steps_received
            .replace("{n}", &count(language, found.received_images.into()))
            .replace("{m}", &count(language, found.expected_images.into()));
        let (class, sign) =
            if found.received_images < found.expected_images { ("lacks", "!") } else { ("fine", "✓") };
        out.put(format_args!("<p><span class=\"{class}\">{sign} {line}</span></p>"));
    }
    for stated in &steps.told {
        let Statement::PerformedStep(step) = &stated.statement.state else { continue };
        let state = match step.status {
            StepStatus::InProgress => words.step_in_progress.to_owned(),
            StepStatus::Completed => with(words.step_completed, count(language, step.images() as u64)),
            StepStatus::Discontinued => words.step_discontinued.to_owned(),
        };
        out.put(format_args!(
            "<p>{state} {}<small>{} · {}</small></p>",
            Escaped(&step.discontinued),
            Escaped(if step.station.is_empty() { &step.source } else { &step.station }),
            moment(language, stated.statement.time.ms()),
        ));
    }
    out.put(format_args!("</dd></div>"));
}

/// Withdrawals, with the button of those who may give back.
pub(super) fn withdrawals(
    out: &mut Html,
    language: Language,
    reader: &Who,
    (keeping, codes): (&Keeping, &Codes),
) {
    let words = words(language);
    if keeping.withdrawals.is_empty() {
        return;
    }
    out.put(format_args!("<h3>{}</h3><ul class=\"unmet\">", words.withdrawals));
    for stated in &keeping.withdrawals {
        withdrawal(out, language, reader, (stated, codes));
    }
    out.put(format_args!("</ul>"));
}

/// One withdrawal.
pub(super) fn withdrawal(
    out: &mut Html,
    language: Language,
    reader: &Who,
    (stated, codes): (&Stated, &Codes),
) {
    let words = words(language);
    let Statement::Withdrawal(state) = &stated.statement.state else { return };
    let (class, sign, word) = match state.restored {
        true => ("quiet", "↺", words.restored),
        false => ("doubt", "✗", words.in_force),
    };
    out.put(format_args!(
        "<li><div><span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span> {}\
         <small>{}</small></div>",
        what(words, state, codes),
        said(language, stated)
    ));
    if !state.restored && reader.may(Action::Withdraw) {
        restore_form(out, words, reader, stated);
    }
    out.put(format_args!("</li>"));
}

fn what(words: &Words, state: &Withdrawal, codes: &Codes) -> String {
    let whose = match state.facility {
        Some(number) => {
            let code = codes.get(&FacilityId(number)).cloned().unwrap_or_default();
            with(words.of_facility, Escaped(&code))
        }
        None => words.of_all.to_owned(),
    };
    let text = if state.text.is_empty() { String::new() } else { format!(": {}", Escaped(&state.text)) };
    let images = with(words.n_images, state.instances.len());
    format!("<b>{}</b>{text} · {images} {whose}", words.reason_of(state.reason))
}

fn said(language: Language, stated: &Stated) -> String {
    let statement = &stated.statement;
    let who = by(intakes::words(language), &statement.who);
    let mut line = format!("{who} · {}", moment(language, statement.time.ms()));
    if !statement.why.is_empty() {
        line.push_str(&format!(" · {}", Escaped(&statement.why)));
    }
    line
}

/// Who says it and why; each form has fields of its own.
fn who_and_why(out: &mut Html, words: &Words, reader: &Who, id: &str) {
    match reader.person() {
        Some((account, person)) => {
            let shown = if person.is_empty() { account } else { person };
            out.put(format_args!("<p>{}: <b>{}</b></p>", words.who, Escaped(shown)))
        }
        None => out.put(format_args!(
            "<label>{} <input data-who name=\"who\" id=\"who-{id}\" maxlength=\"100\" autocomplete=\"name\" \
             placeholder=\"{}\" required></label>",
            words.who, words.who_hint
        )),
    };
    out.put(format_args!("<label>{} <input name=\"why\" maxlength=\"1000\" required></label>", words.why));
}

fn hold_form(out: &mut Html, words: &Words, reader: &Who, keeping: &Keeping) {
    let (say, name) = match keeping.is_held() {
        true => ("lift", words.lift_hold),
        false => ("hold", words.set_hold),
    };
    let version = keeping.hold.as_ref().and_then(|row| row.version).unwrap_or(0);
    out.put(format_args!(
        "<details><summary>{name}</summary><form class=\"fields\" method=\"post\" action=\"/studies/{}/keeping\">\
         <input type=\"hidden\" name=\"version\" value=\"{version}\">",
        keeping.study
    ));
    who_and_why(out, words, reader, "hold");
    out.put(format_args!(
        "<button class=\"button\" name=\"say\" value=\"{say}\">{name}</button></form></details>"
    ));
}

fn withdraw_form(out: &mut Html, words: &Words, reader: &Who, keeping: &Keeping) {
    out.put(format_args!(
        "<details><summary>{}</summary><p>{}</p><form class=\"fields\" method=\"post\" \
         action=\"/studies/{}/keeping\"><label>{} <select name=\"reason\" required><option value=\"\"></option>",
        words.withdraw, words.withdraw_hint, keeping.study, words.reason
    ));
    for reason in Reason::ALL {
        out.put(format_args!("<option value=\"{}\">{}</option>", reason.name(), words.reason_of(reason)));
    }
    out.put(format_args!("</select></label>"));
    who_and_why(out, words, reader, "withdraw");
    out.put(format_args!(
        "<button class=\"button\" name=\"say\" value=\"withdraw\">{}</button></form></details>",
        words.withdraw_now
    ));
}

fn restore_form(out: &mut Html, words: &Words, reader: &Who, stated: &Stated) {
    let Statement::Withdrawal(state) = &stated.statement.state else { return };
    let id = &stated.statement.subject.key;
    out.put(format_args!(
        "<details><summary>{}</summary><form class=\"fields\" method=\"post\" action=\"/studies/{}/keeping\">\
         <input type=\"hidden\" name=\"withdrawal\" value=\"{}\">",
        words.restore,
        state.study,
        Escaped(id)
    ));
    who_and_why(out, words, reader, id);
    out.put(format_args!(
        "<button class=\"button\" name=\"say\" value=\"restore\">{}</button></form></details>",
        words.restore
    ));
}
