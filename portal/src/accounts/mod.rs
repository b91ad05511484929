//! Accounts of people: kept in one small file beside the archive, changed by commands and by the pages of
//! administrators.
//!
//! No account is ever removed, only disabled, so that a name in the log always means the same person; and once there
//! is one, the archive never again lets everybody in. This module knows no HTTP. Who may change accounts is decided
//! by its callers.

mod file;
mod password;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use indexer::principal::{Principal, Role};
use serde::{Deserialize, Serialize};

use crate::calendar::now_ms;
pub use password::Secret;

/// Most accounts; the file is written as a whole.
const ACCOUNTS: usize = 10_000;
/// Most bytes of the name of an account.
const NAME_BYTES: usize = 64;
/// Most bytes of the name of a person.
const PERSON_BYTES: usize = 128;
/// The file in the data folder.
pub const FILE_NAME: &str = "accounts.json";

/// An account as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    #[serde(default)]
    person: String,
    roles: Vec<Role>,
    #[serde(default)]
    disabled: bool,
    /// Whether the password was set by somebody else.
    #[serde(default)]
    must_change: bool,
    password: String,
    password_ms: i64,
    /// Changes when all sessions have to end.
    #[serde(skip)]
    epoch: u64,
}

/// An account as it is shown: all but its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The name of the person; may be empty.
    pub person: String,
    /// What the person is.
    pub roles: Vec<Role>,
    /// Whether nobody can sign in with it.
    pub disabled: bool,
    /// Whether the person has to choose a password at the next sign-in.
    pub must_change: bool,
    /// When the password was set, in milliseconds since 1970-01-01 UTC.
    pub password_ms: i64,
}

/// A change of the accounts, or the wish to see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountJob {
    /// Change nothing.
    List,
    /// A new account.
    Add {
        /// Its name.
        name: String,
        /// The name of the person.
        person: String,
        /// What the person is.
        roles: Vec<Role>,
        /// Its password.
        password: Secret,
        /// Whether the person has to choose another one at the first sign-in.
        must_change: bool,
    },
    /// Let nobody sign in with it any more, and end its sessions.
    Disable(String),
    /// Let its person sign in again.
    Enable(String),
    /// Set the password and end all sessions.
    Password {
        /// Of this account.
        name: String,
        /// The new password.
        password: Secret,
        /// Whether the person has to choose another one at the next sign-in.
        must_change: bool,
    },
    /// Give other roles.
    Roles {
        /// To this account.
        name: String,
        /// All roles it has from now on.
        roles: Vec<Role>,
    },
}

/// Why the accounts were not changed or read.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is none.
    #[error("the name of an account is 1 to 64 of a-z, 0-9, dot, hyphen and underscore")]
    Name,
    /// The name of the person is too long or has control characters.
    #[error("the name of a person has at most 128 bytes and no control characters")]
    Person,
    /// There is an account of this name.
    #[error("there is an account {0} already")]
    Exists(String),
    /// There is no account of this name.
    #[error("there is no account {0}")]
    Unknown(String),
    /// An account without roles could do nothing.
    #[error("an account has at least one role")]
    NoRole,
    /// Nobody could manage accounts any more.
    #[error("this is the last administrator who can sign in")]
    LastAdministrator,
    /// There are too many.
    #[error("there are {ACCOUNTS} accounts; no more are taken")]
    Full,
    /// The password is too short.
    #[error("the password has fewer than {0} characters")]
    Short(u32),
    /// The password is too long.
    #[error("the password is longer than 256 bytes")]
    Long,
    /// The password is guessed too easily.
    #[error(
        "the password is guessed too easily: it repeats a few characters or holds the name of the account"
    )]
    Weak,
    /// The old password is not this one.
    #[error("the old password is wrong")]
    Old,
    /// The file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

type Table = BTreeMap<String, Account>;

/// The accounts of an archive.
pub struct Accounts {
    path: PathBuf,
    password_characters: u32,
    table: RwLock<Table>,
    /// Held over a change, from reading the table to replacing the file.
    changing: Mutex<()>,
    any: AtomicBool,
    epochs: AtomicU64,
}

/// What a request learns of the account of its session.
pub(crate) struct Current {
    pub principal: Principal,
    pub must_change: bool,
    pub epoch: u64,
}

impl Accounts {
    /// Reads the accounts of `data_dir`; a folder without the file has none. New passwords have at least
    /// `password_characters`.
    ///
    /// # Errors
    /// When there is a file that is not understood: nobody may be let in for want of it.
    pub fn open(data_dir: &Path, password_characters: u32) -> Result<Accounts, AccountError> {
        let path = data_dir.join(FILE_NAME);
        let accounts: Vec<Account> = file::read(&path)?;
        let any = !accounts.is_empty();
        let table = accounts.into_iter().map(|account| (account.name.clone(), account)).collect();
        Ok(Accounts {
            path,
            password_characters,
            table: RwLock::new(table),
            changing: Mutex::new(()),
            any: AtomicBool::new(any),
            epochs: AtomicU64::new(1),
        })
    }

    /// Whether there is an account, disabled or not.
    #[must_use]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// All accounts by name.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let listed = |a: &Account| Listed {
            name: a.name.clone(),
            person: a.person.clone(),
            roles: a.roles.clone(),
            disabled: a.disabled,
            must_change: a.must_change,
            password_ms: a.password_ms,
        };
        self.table().values().map(listed).collect()
    }

    /// Does `job`. When it returns, the change is on the disk. It hashes a password, which takes tens of milliseconds.
    ///
    /// # Errors
    /// [`AccountError`]; nothing is changed then.
    pub fn run(&self, job: &AccountJob) -> Result<Vec<Listed>, AccountError> {
        match job {
            AccountJob::List => Ok(()),
            AccountJob::Add { name, person, roles, password, must_change } => {
                let name = name_of(name)?;
                if person.len() > PERSON_BYTES || person.chars().any(char::is_control) {
                    return Err(AccountError::Person);
                }
                let account = Account {
                    password: self.hash(&name, password)?,
                    person: person.trim().to_owned(),
                    roles: roles_of(roles)?,
                    disabled: false,
                    must_change: *must_change,
                    password_ms: now_ms(),
                    epoch: self.epoch(),
                    name,
                };
                self.change(|table| {
                    if table.contains_key(&account.name) {
                        return Err(AccountError::Exists(account.name));
                    }
                    if table.len() >= ACCOUNTS {
                        return Err(AccountError::Full);
                    }
                    table.insert(account.name.clone(), account);
                    Ok(())
                })
            }
            AccountJob::Disable(name) => self.change_one(name, |account, epoch| {
                (account.disabled, account.epoch) = (true, epoch);
            }),
            AccountJob::Enable(name) => self.change_one(name, |account, _| account.disabled = false),
            AccountJob::Password { name, password, must_change } => {
                self.set_password(name, password, *must_change)
            }
            AccountJob::Roles { name, roles } => {
                let roles = roles_of(roles)?;
                self.change_one(name, |account, _| account.roles = roles)
            }
        }?;
        Ok(self.list())
    }

    /// Sets the password of an account whose old one is known.
    ///
    /// # Errors
    /// [`AccountError::Old`] when `old` is not its password, and as [`Accounts::run`].
    pub(crate) fn change_password(&self, name: &str, old: &Secret, new: &Secret) -> Result<(), AccountError> {
        if self.check(name, old).is_none() {
            return Err(AccountError::Old);
        }
        self.set_password(name, new, false)
    }

    fn set_password(&self, name: &str, password: &Secret, must_change: bool) -> Result<(), AccountError> {
        let hash = self.hash(&name_of(name)?, password)?;
        self.change_one(name, |account, epoch| {
            account.password = hash;
            account.password_ms = now_ms();
            account.must_change = must_change;
            account.epoch = epoch;
        })
    }

    /// Whether `password` is that of the account `name`, which may sign in: its epoch. It takes as long for names that
    /// are none and for accounts that are disabled.
    pub(crate) fn check(&self, name: &str, password: &Secret) -> Option<u64> {
        let name = name_of(name).unwrap_or_default();
        let found = self.table().get(&name).map(|a| (a.password.clone(), a.disabled, a.epoch));
        let hash = found.as_ref().map(|(hash, ..)| hash.as_str());
        let right = password::verify(hash, password);
        found.filter(|(_, disabled, _)| right && !disabled).map(|(_, _, epoch)| epoch)
    }

    /// Whether there is an account of this name, disabled or not.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.table().contains_key(name)
    }

    /// What an account that may sign in is now.
    pub(crate) fn current(&self, name: &str) -> Option<Current> {
        let table = self.table();
        let account = table.get(name).filter(|account| !account.disabled)?;
        let principal = Principal::Person {
            account: account.name.clone(),
            name: account.person.clone(),
            roles: account.roles.clone(),
        };
        Some(Current { principal, must_change: account.must_change, epoch: account.epoch })
    }

    fn hash(&self, name: &str, password: &Secret) -> Result<String, AccountError> {
        password::allowed(name, password, self.password_characters)?;
        password::hash(password)
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }

    fn change_one(&self, name: &str, change: impl FnOnce(&mut Account, u64)) -> Result<(), AccountError> {
        let name = name_of(name)?;
        let epoch = self.epoch();
        self.change(|table| {
            let unknown = || AccountError::Unknown(name.clone());
            let had_one = has_administrator(table);
            change(table.get_mut(&name).ok_or_else(unknown)?, epoch);
            if had_one && !has_administrator(table) {
                return Err(AccountError::LastAdministrator);
            }
            Ok(())
        })
    }

    /// Changes a copy, puts it on the disk, then in force.
    fn change(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), AccountError>,
    ) -> Result<(), AccountError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.table().clone();
        change(&mut table)?;
        file::replace(&self.path, &table.values().collect::<Vec<_>>())?;
        self.any.store(!table.is_empty(), Ordering::Release);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }
}

fn has_administrator(table: &Table) -> bool {
    table.values().any(|account| !account.disabled && account.roles.contains(&Role::Administrator))
}

/// The name of an account as it is kept: people do not remember how they wrote its capitals.
pub(crate) fn name_of(text: &str) -> Result<String, AccountError> {
    let name = text.trim().to_ascii_lowercase();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(letter) {
        return Err(AccountError::Name);
    }
    Ok(name)
}

fn roles_of(roles: &[Role]) -> Result<Vec<Role>, AccountError> {
    let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| roles.contains(role)).collect();
    if roles.is_empty() { Err(AccountError::NoRole) } else { Ok(roles) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PASSWORD: &str = "con mèo ngủ trưa";

    fn add(name: &str, role: Role) -> AccountJob {
        let password = Secret::new(PASSWORD);
        AccountJob::Add {
            name: name.into(),
            person: "".into(),
            roles: vec![role],
            password,
            must_change: false,
        }
    }

    #[test]
    fn accounts_outlive_the_process_and_are_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path(), 10).unwrap();
        assert!(!accounts.any());
        accounts.run(&add("An.Nguyen", Role::Administrator)).unwrap();
        accounts.run(&add("binh", Role::Doctor)).unwrap();
        accounts.run(&AccountJob::Disable("binh".into())).unwrap();
        let file = dir.path().join(FILE_NAME);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("mèo"), "{text}");
        let again = Accounts::open(dir.path(), 10).unwrap();
        assert!(again.any());
        assert_eq!(again.list(), accounts.list());
        // The same letters, composed by another keyboard.
        assert!(again.check("an.nguyen", &Secret::new("con me\u{300}o ngu\u{309} tr\u{1b0}a")).is_some());
        assert!(again.check("AN.NGUYEN ", &Secret::new(PASSWORD)).is_some());
        assert!(again.check("an.nguyen", &Secret::new("con meo ngu trua")).is_none());
        assert!(again.check("binh", &Secret::new(PASSWORD)).is_none(), "disabled");
        assert!(again.current("binh").is_none());
        assert!(again.check("nobody", &Secret::new(PASSWORD)).is_none());
        std::fs::write(&file, "{").unwrap();
        assert!(matches!(Accounts::open(dir.path(), 10), Err(AccountError::File { .. })));
    }

    #[test]
    fn what_would_lock_out_or_let_in_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path(), 10).unwrap();
        accounts.run(&add("an", Role::Administrator)).unwrap();
        let before = accounts.list();
        let to_doctor = AccountJob::Roles { name: "an".into(), roles: vec![Role::Doctor] };
        for job in [AccountJob::Disable("an".into()), to_doctor] {
            assert!(matches!(accounts.run(&job), Err(AccountError::LastAdministrator)), "{job:?}");
        }
        assert!(matches!(accounts.run(&add("an", Role::Doctor)), Err(AccountError::Exists(_))));
        assert!(matches!(accounts.run(&AccountJob::Enable("x".into())), Err(AccountError::Unknown(_))));
        for name in ["", "a b", "../x", "đ", &"a".repeat(65)] {
            assert!(matches!(accounts.run(&add(name, Role::Doctor)), Err(AccountError::Name)), "{name}");
        }
        for (password, short) in [("123456789", true), ("aaaaaaaaaaaa", false)] {
            let password = Secret::new(password);
            let job = AccountJob::Password { name: "an".into(), password, must_change: false };
            let error = accounts.run(&job).unwrap_err();
            assert_eq!(matches!(error, AccountError::Short(10)), short, "{error}");
        }
        assert_eq!(accounts.list(), before);
        accounts.run(&add("binh", Role::Administrator)).unwrap();
        accounts.run(&AccountJob::Disable("an".into())).unwrap();
    }

    #[test]
    fn a_new_password_is_a_new_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path(), 10).unwrap();
        accounts.run(&add("an", Role::Administrator)).unwrap();
        let old = accounts.check("an", &Secret::new(PASSWORD)).unwrap();
        let new = Secret::new("bốn mươi con gà");
        assert!(matches!(accounts.change_password("an", &Secret::new("x"), &new), Err(AccountError::Old)));
        accounts.change_password("an", &Secret::new(PASSWORD), &new).unwrap();
        assert!(accounts.check("an", &Secret::new(PASSWORD)).is_none());
        assert_ne!(accounts.check("an", &new).unwrap(), old);
    }
}
