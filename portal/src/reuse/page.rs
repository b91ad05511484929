//! The reuse page as HTML: the order, the prior that answers it, what can be done.

use indexer::db::Stated;
use indexer::principal::Action;
use indexer::reuse::Urgency;
use indexer::reuse::answer::{Answer, OtherExam, WhyNotApplicable};
use indexer::statement::{Decision, ReuseChoice, Reversal, State as Statement};

use super::words::{Words, words};
use super::{Address, Notice, Shown, panels, prior};
use crate::calendar::{Day, moment};
use crate::html::{Escaped, Html, percent};
use crate::language::Language;
use crate::list::rows::{description, kinds};
use crate::reconciliation::exams;
use crate::shown;
use crate::sign_in::Who;
use crate::words::with;

/// Further priors and other exams that are listed.
const LISTED: usize = 30;

/// What every part of the page is made with.
pub(super) struct Making<'a> {
    pub language: Language,
    pub words: &'static Words,
    pub who: &'a Who,
    pub address: &'a Address,
    pub shown: &'a Shown,
}

impl Making<'_> {
    /// The decision.
    pub(super) fn answer(&self) -> &Answer {
        &self.shown.answer.decision
    }

    /// Whether something may be decided about the order.
    pub(super) fn open(&self) -> bool {
        self.words.closed(self.shown.order.status).is_none()
            && self.decided().is_none()
            && self.who.may(Action::Decide)
    }

    /// The decision that is in force.
    pub(super) fn decided(&self) -> Option<(&Decision, &Stated)> {
        let stated = self.shown.decision.as_ref()?;
        match &stated.statement.state {
            Statement::ReuseDecision(decision) if !decision.withdrawn => Some((decision, stated)),
            _ => None,
        }
    }

    /// A day as people write it.
    pub(super) fn day(&self, day: indexer::reuse::Date) -> String {
        let text = day.to_string();
        Day::of_text(&text.replace('-', "")).map_or(text, |day| day.shown(self.language))
    }
}

/// The page's content.
pub(super) fn content(
    language: Language,
    who: &Who,
    address: &Address,
    shown: &Shown,
    notice: Option<&<Notice as IntoIterator>::Item>,
) -> Html {
    let making = Making { language, words: words(language), who, address, shown };
    let mut out = Html::default();
    if let Some((status, text)) = notice {
        let (class, role) = if status.is_success() { ("good", "status") } else { ("bad", "alert") };
        out.put(format_args!("<p class=\"banner {class}\" role=\"{role}\">{}</p>", Escaped(text)));
    }
    ordered(&mut out, &making);
    match making.answer().priors.get(shown.at) {
        Some(listed) => prior::prior(&mut out, &making, listed),
        None => nothing(&mut out, &making),
    }
    further(&mut out, &making);
    if let Some(listed) = making.answer().priors.get(shown.at) {
        panels::panels(&mut out, &making, listed);
    }
    if let Some((_, stated)) = making.decided().filter(|_| who.may(Action::Decide)) {
        panels::withdraw(&mut out, &making, &stated.statement.subject.key);
    }
    out
}

/// What was ordered, and what became of it.
fn ordered(out: &mut Html, making: &Making<'_>) {
    let (words, order) = (making.words, &making.shown.order);
    out.put(format_args!("<section class=\"ordered\"><h1><small>{}</small> ", words.ordered));
    out.text(&exams(order));
    if order.urgency != Urgency::Routine {
        out.put(format_args!(
            " <span class=\"badge doubt\"><i aria-hidden=\"true\">!</i> {}</span>",
            words.urgent
        ));
    }
    let beside = [
        order.patient.name.replace('^', " "),
        order.accession.clone(),
        making.shown.ordering_facility.clone(),
        order.ordered_by.clone(),
    ];
    let beside: Vec<String> = beside.into_iter().filter(|text| !text.is_empty()).collect();
    out.put(format_args!("</h1><small>{}</small></section>", Escaped(&beside.join(" · "))));
    match (making.decided(), words.closed(order.status)) {
        (Some((decision, stated)), _) => decided(out, making, decision, stated),
        (None, Some(closed)) => {
            out.put(format_args!("<p class=\"banner\">{closed}</p>"));
        }
        (None, None) => {}
    }
    match &making.answer().not_applicable {
        None => {}
        Some(WhyNotApplicable::Purpose(purpose)) => {
            let why = words.purpose(*purpose);
            out.put(format_args!("<p class=\"banner\">{} ({why})</p>", words.not_applicable));
        }
        Some(WhyNotApplicable::AlwaysDynamic(what)) => {
            out.put(format_args!("<p class=\"banner\">{} ({})</p>", words.not_applicable, Escaped(what)));
        }
    }
}

/// The decision that is in force, with its record, the ledger, and the way to take it back.
fn decided(out: &mut Html, making: &Making<'_>, decision: &Decision, stated: &Stated) {
    let words = making.words;
    let what = match decision.choice {
        ReuseChoice::Reuse => words.decided_reuse,
        ReuseChoice::ReuseWithSecondReading => words.decided_second,
        ReuseChoice::Repeat => words.decided_repeat,
    };
    let key = percent(&stated.statement.subject.key);
    out.put(format_args!(
        "<p class=\"banner good\" role=\"status\">✓ {what}: <b>{}</b>, {}. <a href=\"/reuse/record?decision={key}\">{}</a> \
         · <a href=\"/ledger\">{}</a>",
        Escaped(&stated.statement.who.name),
        moment(making.language, stated.statement.time.ms()),
        words.record,
        words.ledger
    ));
    if making.who.may(Action::Decide) {
        out.put(format_args!(" · <a href=\"#withdraw\">{}</a>", words.withdraw));
    }
    out.put(format_args!("</p>"));
    if making.shown.amended {
        out.put(format_args!("<p class=\"warn\" role=\"alert\">{}</p>", words.report_changed));
    }
    if let Some(why) = making.shown.reversed {
        let told = if why == Reversal::ExamPerformed { words.made_again } else { words.taken_back };
        out.put(format_args!("<p class=\"warn\" role=\"alert\">{told}</p>"));
    }
}

/// Nothing was found: never that there is nothing.
fn nothing(out: &mut Html, making: &Making<'_>) {
    out.put(format_args!("<section class=\"card\"><h2>{}</h2>", making.words.found_nothing));
    archives(out, making);
    out.put(format_args!("</section>"));
}

/// The archives that were asked, and those that have not answered.
fn archives(out: &mut Html, making: &Making<'_>) {
    let (words, archives) = (making.words, &making.answer().archives);
    let names = |answered: bool| {
        let those = archives.iter().filter(|archive| archive.answered == answered);
        those.map(|archive| archive.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    for (text, names) in [(words.asked, names(true)), (words.not_answered, names(false))] {
        if !names.is_empty() {
            out.put(format_args!("<p class=\"archives\">{}</p>", Escaped(&with(text, names))));
        }
    }
}

/// Further priors and other exams, folded.
fn further(out: &mut Html, making: &Making<'_>) {
    let (words, answer) = (making.words, making.answer());
    if answer.priors.len() > 1 {
        let summary = with(words.more_priors, answer.priors.len() - 1);
        out.put(format_args!("<details class=\"further\"><summary>{summary}</summary><ul class=\"others\">"));
        for (at, listed) in answer.priors.iter().enumerate().take(LISTED) {
            if at == making.shown.at {
                continue;
            }
            let to = Escaped(&making.address.of(at)).to_string();
            let day = listed.performed.map_or(words.clock.to_owned(), |day| making.day(day));
            let badge = prior::badge(making, listed);
            let exam = Escaped(&prior::exam(making, listed)).to_string();
            out.put(format_args!("<li><a href=\"{to}\"><span>{day}</span> {badge} {exam}</a></li>"));
        }
        out.put(format_args!("</ul></details>"));
    }
    if !answer.other_exams.is_empty() {
        let n = answer.other_exams.len();
        out.put(format_args!(
            "<details class=\"further\"><summary>{} ({n})</summary><ul class=\"others\">",
            words.other_exams
        ));
        answer.other_exams.iter().take(LISTED).for_each(|other| other_exam(out, making, other));
        out.put(format_args!("</ul></details>"));
    }
    if !answer.priors.is_empty() {
        archives(out, making);
    }
}

fn other_exam(out: &mut Html, making: &Making<'_>, other: &OtherExam) {
    let day = other.performed.map_or(making.words.clock.to_owned(), |day| making.day(day));
    let facility = Escaped(other.facility.as_deref().unwrap_or_default()).to_string();
    match making.shown.row(&other.study).filter(|_| other.pictures) {
        Some(row) => {
            out.put(format_args!("<li><a href=\"/studies/{}\"><span>{day}</span> ", row.study_uid));
            kinds(out, &shown::modalities(&row.attributes));
            out.put(format_args!(
                "{} <small>{facility}</small></a></li>",
                Escaped(&description(making.language, row))
            ));
        }
        None => {
            let unnamed = making.words.unnamed;
            out.put(format_args!("<li><a><span>{day}</span> {unnamed} <small>{facility}</small></a></li>"));
        }
    }
}
