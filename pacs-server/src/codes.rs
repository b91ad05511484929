//! `pacs-server codes`: the mapper on tables of headers, the same code path as for stored studies.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use indexer::codes::choice::side::Side;
use indexer::codes::score::{Row, Tally, Verdict, judge, rows, share};
use indexer::codes::{Catalogue, Rules, map};

use crate::catalogue;

/// What is done with tables of headers.
#[derive(Subcommand)]
pub enum Command {
    /// Give each header of a CSV file its technique: id,technique,code,confidence,contrast,laterality,why.
    Map {
        /// The table, with the columns of a labelled set; columns that are missing count as empty.
        file: PathBuf,
    },
    /// Measure the mapper on labelled headers: coverage, precision, harm, confusions.
    Report {
        /// The tables.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
///
/// A table cannot be read, or the answer not be written.
pub fn run(data_dir: &Path, command: Command) -> Result<ExitCode> {
    let catalogue = Catalogue::built_in().with_lists(catalogue::load(data_dir)?);
    let rules = Rules::built_in(&catalogue);
    let read = |file: &Path| -> Result<Vec<Row>> {
        let table = catalogue::read_rows(file, None).with_context(|| file.display().to_string())?;
        rows(&table).map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))
    };
    match command {
        Command::Map { file } => write_answers(&read(&file)?, &catalogue, &rules)?,
        Command::Report { files } => {
            let mut out = std::io::stdout().lock();
            for file in files {
                report(&mut out, &file, &read(&file)?, &catalogue, &rules)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_answers(rows: &[Row], catalogue: &Catalogue, rules: &Rules) -> Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["id", "technique", "code", "confidence", "contrast", "laterality", "why"])?;
    for row in rows {
        let mapping = map(&row.facts, catalogue, rules);
        out.write_record([
            row.id.as_str(),
            &mapping.technique_cell(),
            mapping.service.as_deref().unwrap_or_default(),
            &format!("{:.2}", mapping.confidence),
            mapping.contrast_cell(),
            mapping.laterality.map_or("", Side::letter),
            &mapping.why_cell(),
        ])?;
    }
    out.flush()?;
    Ok(())
}

/// Tallies in the order in which they are shown.
type Tallies = BTreeMap<(u8, String), Tally>;

fn report(
    out: &mut impl Write,
    file: &Path,
    rows: &[Row],
    catalogue: &Catalogue,
    rules: &Rules,
) -> Result<()> {
    let mut tallies = Tallies::new();
    let mut wrong = Vec::new();
    for row in rows {
        let mapping = map(&row.facts, catalogue, rules);
        let verdict = judge(row, &mapping);
        for name in groups(row) {
            tallies.entry(name).or_default().add(row, &verdict);
        }
        if !verdict.correct {
            wrong.push(confusion(row, &verdict, &mapping.why_cell()));
        }
    }
    writeln!(out, "# {}\n", file.display())?;
    writeln!(out, "| rows | n | coverage | precision | harmful | contrast | side | all that apply |")?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for ((_, name), tally) in &tallies {
        writeln!(
            out,
            "| {name} | {} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
            tally.rows,
            100.0 * tally.coverage(),
            100.0 * tally.precision(),
            100.0 * tally.harm(),
            100.0 * share(tally.contrast.1, tally.contrast.0),
            100.0 * share(tally.laterality, tally.rows),
            100.0 * share(tally.all_apply.1, tally.all_apply.0),
        )?;
    }
    writeln!(out, "\nConfusions: {}\n", wrong.len())?;
    wrong.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    writeln!(out)?;
    Ok(())
}

/// The lines of the table that a row counts in. Rows that a header cannot decide stand apart.
fn groups(row: &Row) -> Vec<(u8, String)> {
    for (at, flag) in [(8, "[SLICE_OPEN]"), (9, "[FIELD_OPEN]")] {
        if row.note.contains(flag) {
            return vec![(at, format!("open: {flag}"))];
        }
    }
    let mut groups = vec![
        (0, "all but open".to_owned()),
        (2, format!("difficulty {}", row.difficulty)),
        (3, format!("modality {}", row.facts.modality)),
    ];
    if !row.note.contains("[DOUBT]") {
        groups.push((1, "all but open and doubtful".to_owned()));
    }
    groups
}

fn confusion(row: &Row, verdict: &Verdict, why: &str) -> String {
    let kind = if verdict.harmful { "harmful" } else { "not answered" };
    format!(
        "{} {} {:?}: {} instead of {} ({kind}; {why})",
        row.id,
        row.facts.modality,
        row.facts.study_description,
        verdict.answer.join("|"),
        row.expected.join("|"),
    )
}
