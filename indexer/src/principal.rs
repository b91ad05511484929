//! Who asks, and what they may.
//!
//! | may | doctor | radiologist | technician | administrator | auditor | token `read` | token `store` |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | see studies | yes | yes | yes | yes | | yes | |
//! | store and import, say what was examined | | yes | yes | yes | | | yes |
//! | see the state of the system | yes | yes | yes | yes | yes | yes | |
//! | allow machines | | | yes | yes | | | |
//! | order, change orders | yes | yes | yes | | | | yes |
//! | decide to reuse or to repeat | yes | yes | | | | | yes |
//! | report | | yes | | | | | yes |
//! | withdraw, restore, link patients | | yes | | yes | | | |
//! | manage accounts | | | | yes | | | |
//! | see the ledger | yes | yes | | yes | yes | yes | |
//! | see the log | | | | yes | yes | | |
//! | change the own password | yes | yes | yes | yes | yes | | |
//!
//! Several roles add up. Where nobody has to sign in, whoever asks may all but manage accounts; on this machine that
//! includes the log, from elsewhere it does not. How a request shows who asks is the business of the faces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use storage_config::config::TokenRole;

use crate::db::FacilityId;

/// What a person is to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders examinations and looks at them on the ward.
    Doctor,
    /// Reads studies and saves what was found in them.
    Radiologist,
    /// Works at a modality.
    Technician,
    /// Runs the archive.
    Administrator,
    /// Looks after who looked at what.
    Auditor,
}

impl Role {
    /// Every role, in the order in which they are shown.
    pub const ALL: [Role; 5] =
        [Role::Doctor, Role::Radiologist, Role::Technician, Role::Administrator, Role::Auditor];

    /// Its name in configuration, commands and forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Doctor => "doctor",
            Role::Radiologist => "radiologist",
            Role::Technician => "technician",
            Role::Administrator => "administrator",
            Role::Auditor => "auditor",
        }
    }

    /// Whether this role alone allows `action`: the table of this module.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        use Role::{Administrator, Auditor, Doctor, Radiologist, Technician};
        match action {
            Action::SeeStudies => self != Auditor,
            Action::Store => matches!(self, Radiologist | Technician | Administrator),
            Action::SeeState => matches!(self, Doctor | Radiologist | Technician | Administrator | Auditor),
            Action::AllowMachines => matches!(self, Technician | Administrator),
            Action::Order => matches!(self, Doctor | Radiologist | Technician),
            Action::Decide => matches!(self, Doctor | Radiologist),
            Action::SeeLedger => matches!(self, Doctor | Radiologist | Administrator | Auditor),
            Action::Report => self == Radiologist,
            Action::Withdraw => matches!(self, Radiologist | Administrator),
            Action::ManageAccounts => self == Administrator,
            Action::SeeLog => matches!(self, Administrator | Auditor),
            Action::ChangePassword => true,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of doctor, radiologist, technician, administrator, auditor")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    /// # Errors
    /// [`UnknownRole`] for any text but the five names.
    fn from_str(text: &str) -> Result<Role, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// What somebody may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Search, look at and download studies.
    SeeStudies,
    /// Store instances: STOW-RS, import of files and discs; say which examination a study is.
    Store,
    /// See machines, room, conflicts and counts.
    SeeState,
    /// Take a machine into the known ones, or out.
    AllowMachines,
    /// Order exams, and change or close orders.
    Order,
    /// Decide whether a stored exam stands in for an ordered one.
    Decide,
    /// See the ledger of avoided exams and export it.
    SeeLedger,
    /// Say what was found in a study.
    Report,
    /// Correct what is shown: withdraw and restore, choose the version that is served, link and unlink patients.
    Withdraw,
    /// Add and disable accounts, give roles, set passwords of others.
    ManageAccounts,
    /// See who looked at what.
    SeeLog,
    /// Change the own password.
    ChangePassword,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person who signed in.
    Person {
        /// The name of the account.
        account: String,
        /// The name of the person as shown; may be empty.
        name: String,
        /// What the person is.
        roles: Vec<Role>,
    },
    /// A machine that signed in with a token.
    Machine {
        /// The name of the token.
        name: String,
        /// The facility it acts for.
        facility: FacilityId,
        /// What it may do.
        roles: Vec<TokenRole>,
    },
    /// Somebody at this machine, where nobody has to sign in.
    Local,
    /// Somebody from elsewhere, where the operator lets in everybody.
    Claimed {
        /// Who they say they are; may be empty.
        name: String,
    },
}

impl Principal {
    /// Whether this principal may do `action`.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        match self {
            Principal::Person { roles, .. } => roles.iter().any(|role| role.may(action)),
            Principal::Machine { roles, .. } => roles.iter().any(|role| match role {
                TokenRole::Read => {
                    matches!(action, Action::SeeStudies | Action::SeeState | Action::SeeLedger)
                }
                TokenRole::Store => {
                    matches!(action, Action::Store | Action::Order | Action::Decide | Action::Report)
                }
            }),
            Principal::Local => !matches!(action, Action::ManageAccounts | Action::ChangePassword),
            Principal::Claimed { .. } => {
                !matches!(action, Action::ManageAccounts | Action::ChangePassword | Action::SeeLog)
            }
        }
    }

    /// The name under which it stands in logs and statements: of the account, of the token, or as claimed.
    #[must_use]
    pub fn who(&self) -> &str {
        match self {
            Principal::Person { account, .. } => account,
            Principal::Machine { name, .. } | Principal::Claimed { name } => name,
            Principal::Local => "",
        }
    }

    /// What kind of principal it is, so that a claimed name is never taken for a person who signed in.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Principal::Person { .. } => "person",
            Principal::Machine { .. } => "machine",
            Principal::Local => "local",
            Principal::Claimed { .. } => "claimed",
        }
    }

    /// The facility that it acts for; 0 when none is known.
    #[must_use]
    pub fn facility(&self) -> FacilityId {
        match self {
            Principal::Machine { facility, .. } => *facility,
            _ => FacilityId(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table at the head of this file, read as it is written.
    #[test]
    fn the_table_says_what_is_done() {
        let actions = [
            Action::SeeStudies,
            Action::Store,
            Action::SeeState,
            Action::AllowMachines,
            Action::Order,
            Action::Decide,
            Action::Report,
            Action::Withdraw,
            Action::ManageAccounts,
            Action::SeeLedger,
            Action::SeeLog,
            Action::ChangePassword,
        ];
        let text = include_str!("principal.rs");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("//! | ")).skip(2).collect();
        assert_eq!(rows.len(), actions.len());
        for (row, action) in rows.iter().zip(actions) {
            let cells: Vec<bool> = row.split('|').skip(2).map(|cell| cell.trim() == "yes").take(7).collect();
            let person = |role| Principal::Person { account: "a".into(), name: "".into(), roles: vec![role] };
            let machine =
                |role| Principal::Machine { name: "m".into(), facility: FacilityId(1), roles: vec![role] };
            let all: Vec<Principal> = Role::ALL
                .map(person)
                .into_iter()
                .chain([machine(TokenRole::Read), machine(TokenRole::Store)])
                .collect();
            let may: Vec<bool> = all.iter().map(|who| who.may(action)).collect();
            assert_eq!(may, cells, "{row}");
        }
    }

    #[test]
    fn roles_add_up_and_nobody_is_an_administrator_by_default() {
        let both = [Role::Auditor, Role::Doctor];
        let person = Principal::Person { account: "a".into(), name: String::new(), roles: both.into() };
        assert!(person.may(Action::SeeStudies) && person.may(Action::SeeLog) && !person.may(Action::Store));
        let nobody = Principal::Person { account: "a".into(), name: String::new(), roles: vec![] };
        assert!(!nobody.may(Action::ChangePassword));
        for open in [Principal::Local, Principal::Claimed { name: "x".into() }] {
            assert!(open.may(Action::Store) && !open.may(Action::ManageAccounts));
        }
        assert!(
            Principal::Local.may(Action::SeeLog)
                && !Principal::Claimed { name: "".into() }.may(Action::SeeLog)
        );
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
