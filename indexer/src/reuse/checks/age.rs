//! Age: calendar days since the device's performed time, against the window of the ordered technique.

use super::super::answer::{CheckName, Outcome, Reason};
use super::super::day::{Date, Moment};
use super::super::order::OrderedExam;
use super::super::policy::PolicyVersion;
use super::super::prior::Prior;
use super::super::techniques;
use super::{Case, Found, Member};

/// The performed time, where the clock is believable. A time after the end of today is not, nor one before the first day
/// that the policy believes.
pub(in super::super) fn believed(prior: &Prior, policy: &PolicyVersion, today: Date) -> Option<Moment> {
    let at = prior.performed.at.filter(|_| prior.performed.clock_believable == Some(true))?;
    (policy.clock_believed_from..=today).contains(&at.day(policy.utc_offset_minutes)).then_some(at)
}

/// The windows of the ordered exams in the list in force: the shortest, and whether an exam has none.
struct Window {
    shortest_days: Option<i64>,
    incomplete: bool,
    source: String,
}

fn window(case: &Case) -> Window {
    let Some(list) = case.policy.windows_in_force(case.today) else {
        return Window { shortest_days: None, incomplete: true, source: String::new() };
    };
    let of = |exam: &OrderedExam| {
        let technique = techniques::technique(exam.technique.as_deref(), &exam.codes);
        let named = technique.iter().chain(&exam.codes).filter_map(|key| list.days.get(key)).min();
        named.copied()
    };
    let windows: Vec<Option<i64>> = case.order.exams.iter().map(of).collect();
    Window {
        shortest_days: windows.iter().flatten().min().copied(),
        incomplete: windows.iter().any(Option::is_none),
        source: list.source.clone(),
    }
}

/// Lines of the oldest study of the set, or of the one whose time is not believable.
pub(super) fn lines(case: &Case, members: &[&Member]) -> Vec<Found> {
    let window = window(case);
    members.iter().map(|member| line(case, &window, member.prior)).collect()
}

fn line(case: &Case, window: &Window, prior: &Prior) -> Found {
    let found =
        |outcome, reason| Found::new(CheckName::Age, outcome, reason).of(prior, &prior.performed.stamp);
    let Some(at) = believed(prior, case.policy, case.today) else {
        // No number is shown: a wrong one would be believed.
        return match window.shortest_days {
            Some(days) => {
                found(Outcome::Unknown, Reason::ClockNotBelievableWindowInForce).with("window_days", days)
            }
            None => found(Outcome::Unknown, Reason::ClockNotBelievable),
        };
    };
    let day = at.day(case.policy.utc_offset_minutes);
    let days = case.today.days_since(day);
    let told = |found: Found| found.with("days", days).with("performed", day.to_string());
    let without_limit_days = case.policy.age_without_window_days;
    match window.shortest_days {
        Some(limit) if days > limit => {
            let too_old = told(found(Outcome::Fail, Reason::TooOld));
            too_old.with("window_days", limit).with("list", window.source.as_str())
        }
        Some(limit) if !window.incomplete => {
            let inside = told(found(Outcome::Pass, Reason::InsideWindow));
            inside.with("window_days", limit).with("list", window.source.as_str())
        }
        // For at least one of the ordered exams no window is in force.
        _ if days > without_limit_days => {
            told(found(Outcome::Unknown, Reason::NoWindowAndOld)).with("limit_days", without_limit_days)
        }
        _ => told(found(Outcome::Unknown, Reason::NoWindow)),
    }
}
