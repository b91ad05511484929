//! `pacs-server status`: asks the running server over its control socket how it is. Works without the address, the
//! certificate and the accounts that the HTTP listener wants.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::control::{self, Status};

/// Time between two looks while a server starts.
const LOOK: Duration = Duration::from_millis(100);

/// Exit code of a server that runs and takes no instances.
const REFUSES: u8 = 2;

/// Prints how the server on `data_dir` is, after waiting up to `patience` for one that takes instances.
///
/// # Errors
/// When no server answers.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn show(data_dir: &Path, patience: Duration) -> Result<ExitCode> {
    let began = Instant::now();
    let status = loop {
        let status = ask(data_dir)?;
        let takes = status.as_ref().is_some_and(|status| status.refuses.is_none());
        if takes || began.elapsed() >= patience {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let Some(Status { pid, version, index, jobs, refuses }) = status else {
        bail!("no server answers in the data folder {}", data_dir.display());
    };
    println!("version {version}, process {pid}");
    println!("index: {index}");
    for job in &jobs {
        println!("at work: {job}");
    }
    match refuses {
        None => println!("takes images"),
        Some(reason) => {
            println!("takes NO images: {reason}");
            return Ok(ExitCode::from(REFUSES));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The status; nothing while no server answers.
fn ask(data_dir: &Path) -> Result<Option<Status>> {
    let Some(client) = control::connect(data_dir) else { return Ok(None) };
    match client.status() {
        Ok(status) => Ok(Some(status)),
        // It is just going.
        Err(control::ControlError::Gone | control::ControlError::Io(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
