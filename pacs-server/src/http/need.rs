//! What a request needs to be allowed, by its method and path: one table for all routes.
//!
//! A path that is not in the table may be read by whoever may see studies, and changed by whoever may allow machines:
//! no token, no doctor. A new route that changes something gets a line here.

use axum::http::Method;
use indexer::principal::Action;

/// What has to hold before a request is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// What whoever asks must be allowed to do; nothing for what everybody may.
    pub action: Option<Action>,
    /// Whether it changes something, so that it may not come from a foreign page.
    pub changes: bool,
}

/// Beginnings of paths, and what reading and changing below them needs; the first that fits counts.
const TABLE: &[(&str, Option<Action>, Option<Action>)] = &[
    ("/sign-in", None, None),
    ("/sign-out", None, None),
    ("/language", None, None),
    ("/assets", None, None),
    ("/account", Some(Action::ChangePassword), Some(Action::ChangePassword)),
    ("/accounts", Some(Action::ManageAccounts), Some(Action::ManageAccounts)),
    ("/log", Some(Action::SeeLog), Some(Action::SeeLog)),
    ("/api/v1/views", Some(Action::SeeLog), Some(Action::SeeLog)),
    ("/api/v1/views.csv", Some(Action::SeeLog), Some(Action::SeeLog)),
    ("/metrics", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/state", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/damaged", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/state", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/peers", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/clocks", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/damaged", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/backups", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/unindexable", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/conflicts", Some(Action::SeeState), Some(Action::Withdraw)),
    ("/api/v1/conflicts", Some(Action::SeeState), Some(Action::Withdraw)),
    ("/api/v1/withdrawals", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/patients", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/collisions", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/codes", Some(Action::SeeStudies), Some(Action::Store)),
    ("/api/v1/legal-holds", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/studies", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/orders", Some(Action::SeeStudies), Some(Action::Order)),
    ("/api/v1/reports", Some(Action::SeeStudies), Some(Action::Report)),
    ("/reuse/record", Some(Action::SeeStudies), Some(Action::Decide)),
    // Which of its forms who may send is decided by the page.
    ("/reuse", Some(Action::SeeStudies), Some(Action::SeeStudies)),
    ("/review", Some(Action::SeeStudies), Some(Action::Store)),
    ("/reconciliation", Some(Action::SeeStudies), Some(Action::Order)),
    ("/collisions", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/reuse/check", Some(Action::SeeStudies), Some(Action::SeeStudies)),
    ("/api/v1/reuse/policy", Some(Action::SeeStudies), Some(Action::AllowMachines)),
    ("/api/v1/reuse/decisions", Some(Action::SeeStudies), Some(Action::Decide)),
    ("/api/v1/deliveries", Some(Action::SeeStudies), Some(Action::Order)),
    ("/api/v1/ledger", Some(Action::SeeLedger), Some(Action::AllowMachines)),
    ("/ledger", Some(Action::SeeLedger), Some(Action::AllowMachines)),
    ("/studies", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/withdrawn", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/intakes", Some(Action::SeeStudies), Some(Action::Withdraw)),
    ("/api/v1/intakes", Some(Action::SeeStudies), Some(Action::Withdraw)),
    // Which verifications and compactions there were is for whoever may see the state.
    ("/api/v1/verifications", Some(Action::SeeState), Some(Action::AllowMachines)),
    ("/api/v1/compactions", Some(Action::SeeState), Some(Action::Withdraw)),
    ("/import", Some(Action::Store), Some(Action::Store)),
    ("/api/v1/imports", Some(Action::Store), Some(Action::Store)),
    ("/dicom-web", Some(Action::SeeStudies), Some(Action::Store)),
    ("/patients", Some(Action::SeeStudies), Some(Action::Store)),
];

/// Beginning of the address of a study.
const STUDY: &str = "/api/v1/studies/";
/// What is said of a study below its address, and what changing it needs: whoever takes pictures or reads them says what
/// was examined, readers say what the pictures are worth.
const OF_STUDY: [(&str, Action); 2] = [("/codes", Action::Store), ("/quality", Action::Report)];

/// Where pages post what is searched for: posted so that it stands in no address; it changes nothing.
const SEARCH: &str = "/search";

impl Need {
    /// What a request needs.
    pub(super) fn of(method: &Method, path: &str) -> Need {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || path == SEARCH;
        let rest = TABLE.iter().find(|(beginning, ..)| is_below(path, beginning));
        let (_, read, change) = rest.unwrap_or(&("", Some(Action::SeeStudies), Some(Action::AllowMachines)));
        let change = of_study(path).or(*change);
        Need { action: if reads { *read } else { change }, changes: !reads }
    }
}

/// What saying something of a study needs, by the last part of its path.
fn of_study(path: &str) -> Option<Action> {
    let rest = path.strip_prefix(STUDY)?;
    let said =
        OF_STUDY.iter().find(|(ending, _)| rest.strip_suffix(ending).is_some_and(|it| !it.contains('/')));
    said.map(|(_, action)| *action)
}

/// Whether `path` is `beginning` or lies below it.
pub(super) fn is_below(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_request_has_its_need() {
        let of = |method: Method, path: &str| {
            let need = Need::of(&method, path);
            (need.action, need.changes)
        };
        assert_eq!(of(Method::GET, "/"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::POST, "/search"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::GET, "/dicom-web/studies/1.2"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::POST, "/dicom-web/studies"), (Some(Action::Store), true));
        assert_eq!(of(Method::POST, "/patients/1/dicom-web/studies"), (Some(Action::Store), true));
        assert_eq!(of(Method::GET, "/ohif/viewer"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::POST, "/sign-in"), (None, true));
        assert_eq!(of(Method::POST, "/account"), (Some(Action::ChangePassword), true));
        assert_eq!(of(Method::GET, "/accounts"), (Some(Action::ManageAccounts), false));
        assert_eq!(of(Method::POST, "/accounts/an"), (Some(Action::ManageAccounts), true));
        assert_eq!(of(Method::GET, "/api/v1/views.csv"), (Some(Action::SeeLog), false));
        assert_eq!(of(Method::GET, "/api/v1/peers/unknown"), (Some(Action::SeeState), false));
        assert_eq!(of(Method::GET, "/metrics"), (Some(Action::SeeState), false));
        assert_eq!(of(Method::POST, "/api/v1/imports/7/files"), (Some(Action::Store), true));
        assert_eq!(of(Method::POST, "/api/v1/withdrawals/7/restore"), (Some(Action::Withdraw), true));
        assert_eq!(of(Method::DELETE, "/api/v1/studies/1.2/legal-hold"), (Some(Action::Withdraw), true));
        assert_eq!(of(Method::GET, "/api/v1/codes/review"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::POST, "/api/v1/studies/1.2/codes"), (Some(Action::Store), true));
        assert_eq!(of(Method::POST, "/api/v1/studies/1.2/quality"), (Some(Action::Report), true));
        assert_eq!(of(Method::POST, "/api/v1/studies/1.2/x/codes"), (Some(Action::Withdraw), true));
        assert_eq!(of(Method::PATCH, "/api/v1/orders/7"), (Some(Action::Order), true));
        assert_eq!(of(Method::POST, "/api/v1/reports"), (Some(Action::Report), true));
        assert_eq!(of(Method::GET, "/api/v1/reports/7"), (Some(Action::SeeStudies), false));
        assert_eq!(of(Method::POST, "/api/v1/reuse/check"), (Some(Action::SeeStudies), true));
        assert_eq!(of(Method::POST, "/api/v1/something-new"), (Some(Action::AllowMachines), true));
        assert_eq!(of(Method::DELETE, "/assets-of-others"), (Some(Action::AllowMachines), true));
    }
}
