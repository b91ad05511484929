//! `pacs-server account`: the accounts of people, from the command line of the server's machine. Whoever owns the data
//! folder may: there the first administrator comes from.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use indexer::principal::Role;
use portal::accounts::{AccountJob, Listed, Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use storage_config::Config;

use crate::control::{self, Request};
use crate::import::Cancel;
use crate::setup;

/// What to do with accounts.
#[derive(Subcommand)]
pub(crate) enum Account {
    /// Make an account. The password is asked for.
    Add {
        /// Its name: 1 to 64 of a-z, 0-9, dot, hyphen, underscore.
        name: String,
        /// doctor, radiologist, technician, administrator or auditor; several times for several.
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        /// The name of the person, as shown.
        #[arg(long, default_value = "")]
        person: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Show all accounts.
    List,
    /// Let nobody sign in with an account any more, and end its sessions.
    Disable {
        /// The account.
        name: String,
    },
    /// Let the person of an account sign in again.
    Enable {
        /// The account.
        name: String,
    },
    /// Set the password of an account, and end its sessions.
    Password {
        /// The account.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Give an account other roles.
    Roles {
        /// The account.
        name: String,
        /// All roles it has from now on.
        #[arg(required = true)]
        roles: Vec<Role>,
    },
}

/// Where a password comes from. Not named like the command `password`: clap takes both names for one group of arguments.
#[derive(Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
    /// The person has to choose another one at the next sign-in.
    #[arg(long)]
    must_change: bool,
}

/// Does `account` in the running server, or under the lock of the data folder where none runs.
pub(crate) fn run(config: &Config, account: Account) -> Result<ExitCode> {
    let lists = matches!(account, Account::List);
    let job = job(account)?;
    let listed: Vec<Listed> = match control::connect(&config.data_dir) {
        Some(client) => client.run(&Request::Account(job), &Cancel::new(), &mut |_: serde_json::Value| {})?,
        None => {
            let _lock = setup::own_data_folder(config)?;
            setup::accounts(config)?.run(&job)?
        }
    };
    if lists {
        show(&listed);
    }
    Ok(ExitCode::SUCCESS)
}

fn job(account: Account) -> Result<AccountJob> {
    Ok(match account {
        Account::Add { name, roles, person, password } => {
            let must_change = password.must_change;
            AccountJob::Add { name, person, roles, password: password.ask()?, must_change }
        }
        Account::List => AccountJob::List,
        Account::Disable { name } => AccountJob::Disable(name),
        Account::Enable { name } => AccountJob::Enable(name),
        Account::Password { name, password } => {
            let must_change = password.must_change;
            AccountJob::Password { name, password: password.ask()?, must_change }
        }
        Account::Roles { name, roles } => AccountJob::Roles { name, roles },
    })
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn show(accounts: &[Listed]) {
    for account in accounts {
        let roles = account.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",");
        let state = if account.disabled { "disabled" } else { "enabled" };
        println!("{:<24} {state:<9} {roles:<32} {}", account.name, account.person);
    }
}

impl PasswordSource {
    fn ask(self) -> Result<Secret> {
        if self.password_stdin {
            return line().map(|line| Secret::new(&line));
        }
        if !std::io::stdin().is_terminal() {
            bail!("there is no terminal to ask for the password; use --password-stdin");
        }
        let quiet = Quiet::begin()?;
        let (first, second) = (prompt("Password: ")?, prompt("Password again: ")?);
        drop(quiet);
        if first != second {
            bail!("the two passwords differ");
        }
        Ok(Secret::new(&first))
    }
}

fn prompt(text: &str) -> Result<String> {
    let mut out = std::io::stderr();
    write!(out, "{text}")?;
    out.flush()?;
    let line = line();
    writeln!(out)?;
    line
}

fn line() -> Result<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).context("the password could not be read")?;
    if read == 0 {
        bail!("no password came");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Result<Quiet> {
        let before = tcgetattr(std::io::stdin()).context("the terminal")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).context("the terminal")?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
