//! `pacs-server ledger verify`: looks through the chains of the ledger, by the running server or here.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use indexer::archive::LedgerVerified;
use storage_config::{Config, ContentHash};

use crate::{control, import, setup};

/// Exit code of a ledger with something wrong.
const BROKEN: u8 = 3;

/// What is done with the ledger.
#[derive(Subcommand)]
pub enum Command {
    /// Read all entries from the packs and check that each follows the one before it. Exit code 0: whole; 3: something
    /// was changed, dropped, inserted, or cut off; 1: it could not be looked through.
    Verify {
        /// Hash of an entry that was written down earlier, such as the chain head of an export. Without it nobody can
        /// see that the end of a chain was cut off since, unless a sealed pack tells.
        #[arg(long, value_parser = hash)]
        head: Option<ContentHash>,
    },
}

fn hash(text: &str) -> Result<ContentHash, String> {
    text.parse().map_err(|_| "is not 64 lower-case hexadecimal digits".to_owned())
}

/// Runs the command.
///
/// # Errors
/// When the archive cannot be opened or the ledger not be read.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn run(config: &Config, command: Command) -> Result<ExitCode> {
    let Command::Verify { head } = command;
    let verified: LedgerVerified = match control::connect(&config.data_dir) {
        Some(client) => {
            let request = control::Request::VerifyLedger { head };
            client.run(&request, &import::Cancel::new(), &mut |_: serde_json::Value| {})?
        }
        None => {
            let (archive, _lock) = setup::open_archive(config)?;
            let verified = archive.verify_ledger(head);
            archive.close();
            verified?
        }
    };
    println!("{} packs, {} of them with a head of the ledger", verified.packs, verified.sealed_heads);
    for head in &verified.heads {
        println!("chain {}: {} entries, head {}", head.writer, head.count, head.head);
    }
    if verified.heads.is_empty() {
        println!("there is no entry yet");
    }
    for broken in &verified.breaks {
        println!("BROKEN: {broken}");
    }
    for further in &verified.further {
        println!("BROKEN: {further}");
    }
    if verified.is_whole() {
        println!("the ledger is whole");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(BROKEN))
}
