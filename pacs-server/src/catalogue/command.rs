//! `pacs-server catalogue import`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use indexer::codes::catalogue::list::{Entry, ImportedList, ListKind, diff};
use indexer::codes::catalogue::table;

use super::{keep, load, read_rows};
use crate::control;
use crate::import::Cancel;

/// What is done with code lists.
#[derive(Subcommand)]
pub enum Command {
    /// Read a code list from CSV or XLSX: an annex of Decision 1227, a price list, a hospital's own list.
    Import(Import),
}

/// Options of the import.
#[derive(Args)]
pub struct Import {
    /// The file.
    file: PathBuf,
    /// Date of the list, YYYY-MM-DD: its version.
    #[arg(long)]
    date: String,
    /// Whose list it is, such as the number of a decision.
    #[arg(long)]
    source: String,
    /// Code of the hospital, for its own list.
    #[arg(long, default_value = "")]
    facility: String,
    /// Sheet of a workbook; by default the first.
    #[arg(long)]
    sheet: Option<String>,
    /// A column by its heading, where it is not recognised: NAME=HEADING.
    #[arg(long = "column", value_name = "NAME=HEADING")]
    columns: Vec<String>,
    /// Read and compare, keep nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Differences of each kind that are shown.
const DIFFERENCES_SHOWN: usize = 20;
/// Rows with errors that are shown.
const ERRORS_SHOWN: usize = 50;

/// Runs the command.
///
/// # Errors
///
/// The file cannot be read, is no code list, or cannot be kept.
pub fn run(data_dir: &Path, command: Command) -> Result<ExitCode> {
    let Command::Import(import) = command;
    import.run(data_dir)
}

impl Import {
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn run(&self, data_dir: &Path) -> Result<ExitCode> {
        if !is_date(&self.date) {
            bail!("--date {:?} is not YYYY-MM-DD", self.date);
        }
        let named = self.columns.iter().map(|column| match column.split_once('=') {
            Some((name, heading)) => Ok((name.trim().to_owned(), heading.trim().to_owned())),
            None => bail!("--column {column:?} is not NAME=HEADING"),
        });
        let named = named.collect::<Result<Vec<_>>>()?;
        let table = table::read(&read_rows(&self.file, self.sheet.as_deref())?, &named)?;
        if table.kind == ListKind::HospitalList && !is_facility(&self.facility) {
            bail!("a hospital's list needs --facility CODE, letters and digits, at most 14");
        }
        let list = ImportedList {
            kind: table.kind,
            version: self.date.clone(),
            source: self.source.clone(),
            facility: self.facility.clone(),
            entries: table.entries,
        };
        println!("{}: {} rows, {} with errors", list.kind.label(), list.entries.len(), table.errors.len());
        for (column, at) in &table.columns {
            println!("  column {}: {column}", at + 1);
        }
        for error in table.errors.iter().take(ERRORS_SHOWN) {
            println!("  row {}: {}", error.row, error.what);
        }
        let kept = load(data_dir)?;
        let same = |other: &&ImportedList| other.kind == list.kind && other.facility == list.facility;
        let before = kept.iter().filter(same).rfind(|other| other.version <= list.version);
        show_difference(before, &list);
        if list.entries.is_empty() {
            bail!("no row could be taken");
        }
        if self.dry_run {
            println!("Dry run: nothing was kept.");
        } else {
            println!("Kept as {}.", keep(data_dir, &list)?.display());
            tell_the_server(data_dir)?;
        }
        Ok(ExitCode::from(u8::from(!table.errors.is_empty())))
    }
}

/// Has a server that runs on `data_dir` code by the new list at once.
#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell_the_server(data_dir: &Path) -> Result<()> {
    let Some(server) = control::connect(data_dir) else {
        println!("No server runs on this folder; the list counts from its next start.");
        return Ok(());
    };
    let lists: usize = server
        .run(&control::Request::CatalogueChanged, &Cancel::new(), &mut |_: serde_json::Value| {})
        .context(
            "the list is kept, but the running server did not take it in; it counts from its next start",
        )?;
    println!("The running server codes by it from now on ({lists} imported lists).");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn show_difference(before: Option<&ImportedList>, list: &ImportedList) {
    let Some(before) = before else {
        println!("There is no earlier version.");
        return;
    };
    let difference = diff(&before.entries, &list.entries);
    println!(
        "Compared with {} of {}: {} added, {} removed, {} changed",
        before.source,
        before.version,
        difference.added.len(),
        difference.removed.len(),
        difference.changed.len()
    );
    let line = |sign: char, entry: &Entry| {
        let price = entry.price_film_vnd.map_or(String::new(), |price| format!(" {price} VND"));
        println!("  {sign} {} {}{price}", entry.code, entry.name);
    };
    difference.added.iter().take(DIFFERENCES_SHOWN).for_each(|entry| line('+', entry));
    difference.removed.iter().take(DIFFERENCES_SHOWN).for_each(|entry| line('-', entry));
    for (old, new) in difference.changed.iter().take(DIFFERENCES_SHOWN) {
        line('-', old);
        line('+', new);
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let [year, month, day] = parts[..] else { return false };
    digits(year, 4)
        && digits(month, 2)
        && digits(day, 2)
        && ("01"..="12").contains(&month)
        && ("01"..="31").contains(&day)
}

/// A designator has at most 16 characters (SH), of which 99 are the first two.
fn is_facility(code: &str) -> bool {
    (1..=14).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
