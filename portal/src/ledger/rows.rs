//! The rows of an export: every exam of every entry, then repeats that were made although a prior was usable, with their
//! reasons, then the heads of the chains.

use indexer::archive::Archive;
use indexer::db::{FacilityId, Stated};
use indexer::statement::{Decision, LedgerEntry, LedgerLine, State as Statement};

use super::Days;
use crate::problem::Problem;
use crate::stating::site::concerns;

/// Entries and repeats of one export at most, each.
const ENTRIES_MAX: usize = 100_000;
/// Rows that are read in one go.
const PAGE: u32 = 1000;

/// The columns.
pub(super) const COLUMNS: [&str; 29] = [
    "entry",
    "day",
    "kind",
    "order",
    "episode_ma_lk",
    "service_code_ma_dich_vu",
    "ordered_code",
    "exam",
    "modality",
    "ordering_facility_ma_cskcb",
    "ordered_by",
    "decided_by",
    "performing_facility",
    "machine_ma_may",
    "prior_studies",
    "exam_vnd",
    "film_vnd",
    "lower_bound",
    "film_included",
    "price_list",
    "insurance_vnd",
    "copayment_vnd",
    "hospital_vnd",
    "verdict",
    "reasons",
    "dose_ctdi_vol_ugy",
    "dose_dlp_ugycm",
    "dose_dap_ugycm2",
    "hash",
];

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
}

impl Cell {
    /// As text.
    pub(super) fn text(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
        }
    }
}

type Row = Vec<Cell>;

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn amount(amount: Option<i64>) -> Cell {
    amount.map_or_else(|| text(""), Cell::Number)
}

fn yes(yes: bool) -> Cell {
    text(if yes { "yes" } else { "" })
}

/// All rows of a stretch of days; for a token those of its facility.
pub(super) fn rows(archive: &Archive, days: Days, token: Option<FacilityId>) -> Result<Vec<Row>, Problem> {
    let db = archive.db();
    let (from, to) = days.texts();
    let entries = all(|limit, offset| Ok(db.ledger_entries(token, (&from, &to), limit, offset)?))?;
    let mut rows = Vec::new();
    for stated in &entries {
        if let Statement::LedgerEntry(entry) = &stated.statement.state {
            // Payers are told once for an entry.
            rows.extend(entry.lines.iter().enumerate().map(|(n, line)| of_entry(entry, line, n == 0)));
        }
    }
    let repeats = all(|limit, offset| Ok(db.repeats_despite_prior(days.moments(), limit, offset)?))?;
    for stated in &repeats {
        if let Statement::ReuseDecision(decision) = &stated.statement.state
            && concerns(token, decision.facility)
        {
            rows.extend(of_repeat(archive, stated, decision)?);
        }
    }
    for head in super::heads_for(archive, token)? {
        let mut row = vec![text(""); COLUMNS.len()];
        row[0] = text(format!("{}:{}", head.writer, head.count));
        row[2] = text("chain_head");
        row[COLUMNS.len() - 1] = text(head.head.to_string());
        rows.push(row);
    }
    Ok(rows)
}

fn all(page: impl Fn(u32, u32) -> Result<Vec<Stated>, Problem>) -> Result<Vec<Stated>, Problem> {
    let mut all = Vec::new();
    loop {
        let next = page(PAGE, u32::try_from(all.len()).unwrap_or(u32::MAX))?;
        let last = next.len() < PAGE as usize;
        all.extend(next);
        if last {
            return Ok(all);
        }
        if all.len() >= ENTRIES_MAX {
            let why = format!("has more than {ENTRIES_MAX} entries: export fewer days at a time");
            return Err(Problem::Invalid("from", why));
        }
    }
}

fn uids(studies: &[storage_config::Uid]) -> String {
    studies.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn of_entry(entry: &LedgerEntry, line: &LedgerLine, first: bool) -> Row {
    let is_film = entry.event.name().starts_with("film");
    let payers = entry.payers.filter(|_| first);
    // Told once for an entry, and where one is taken back it is not taken again.
    let dose = entry.dose.filter(|_| first && !entry.event.reverses());
    let mut reasons = entry.reversal.map_or(String::new(), |reversal| reversal.name().to_owned());
    if !entry.because.is_empty() {
        reasons = format!("{reasons}: {}", entry.because);
    }
    vec![
        text(entry.key()),
        text(entry.day.to_string()),
        text(entry.event.name()),
        text(&*entry.order),
        text(&*entry.episode),
        text(&*line.code),
        text(&*line.ordered),
        text(&*line.name),
        text(&*line.modality),
        text(&*entry.facility_code),
        text(&*entry.ordered_by),
        text(&*entry.decided_by),
        text(&*entry.performed_by),
        text(&*entry.machine),
        text(uids(&entry.studies)),
        amount(line.exam_vnd),
        // On the entry of an exam the film part is only offered; it counts by an entry of its own.
        amount(line.film_vnd.filter(|_| is_film)),
        yes(line.lower_bound),
        yes(line.film_included),
        text(&*line.list),
        amount(payers.map(|payers| payers.insurance_vnd)),
        amount(payers.map(|payers| payers.copayment_vnd)),
        amount(payers.map(|payers| payers.hospital_vnd)),
        text(""),
        text(reasons),
        amount(dose.and_then(|dose| dose.ctdi_vol_ugy)),
        amount(dose.and_then(|dose| dose.dlp_ugycm)),
        amount(dose.and_then(|dose| dose.dap_ugycm2)),
        text(entry.hash.to_string()),
    ]
}

fn of_repeat(archive: &Archive, stated: &Stated, decision: &Decision) -> Result<Vec<Row>, Problem> {
    let (order, _) = archive.ordered(&decision.order)?;
    let codes = crate::stating::site::codes(archive.db())?;
    let facility = crate::stating::site::code(&codes, order.facility).cloned().unwrap_or_default();
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.name()).collect();
    let reasons = [reasons.join(" "), decision.text.clone()].join(" ").trim().to_owned();
    let day = indexer::reuse::Moment { ms: stated.statement.time.ms() }.day(super::UTC_OFFSET_MINUTES);
    let verdict = serde_json::to_value(decision.judged_by()).ok();
    let verdict = verdict.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
    let seen = decision.seen.evidence["studies"].as_array().cloned().unwrap_or_default();
    let performed: Vec<&str> = seen.iter().filter_map(|study| study["facility"].as_str()).collect();
    let row = |exam: &indexer::statement::OrderedItem| {
        let mut row = vec![text(""); COLUMNS.len()];
        let cells = [
            (0, stated.statement.subject.key.clone()),
            (1, day.to_string()),
            (2, "repeat_despite_prior".to_owned()),
            (3, decision.order.clone()),
            (4, order.episode.clone()),
            (6, exam.code.clone()),
            (7, exam.name.clone()),
            (9, facility.clone()),
            (10, order.ordered_by.clone()),
            (11, stated.statement.who.name.clone()),
            (12, performed.join(" ")),
            (14, uids(&decision.studies)),
            (23, verdict.clone()),
            (24, reasons.clone()),
        ];
        for (at, value) in cells {
            row[at] = text(value);
        }
        row
    };
    Ok(order.exams.iter().map(row).collect())
}
