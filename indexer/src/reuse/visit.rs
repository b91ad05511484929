//! Visits: which studies are taken together, and in which sets they are tried.

use super::checks::{Case, Member, believed};

const HOUR_MS: u64 = 3_600_000;
/// Up to so many studies of a visit every set is tried; beyond, single studies, pairs, triples and the whole.
const ALL_SETS_UP_TO: usize = 8;
/// Up to so many studies triples are tried, which keeps the sets in the hundreds: an answer is waited for.
const TRIPLES_UP_TO: usize = 12;
/// Up to so many studies pairs are tried.
const PAIRS_UP_TO: usize = 100;

/// Whether two studies can be of one visit: same identity group, same facility, and the same episode or
/// performed within the hours of the policy.
pub(super) fn together(case: &Case, one: &Member, other: &Member) -> bool {
    let (one, other) = (one.prior, other.prior);
    let facility = one.facility.is_some() && one.facility == other.facility;
    let episode = one.episode.is_some() && one.episode == other.episode;
    let near = || {
        let (one, other) = (believed(one, case.policy, case.today), believed(other, case.policy, case.today));
        let hours = case.policy.visit_hours * HOUR_MS;
        one.zip(other).is_some_and(|(one, other)| one.distance_ms(other) <= hours)
    };
    one.patient_group == other.patient_group && facility && (episode || near())
}

/// Studies that are connected by being together; a set is later taken from one such group only.
pub(super) fn groups<'a>(case: &Case, members: Vec<Member<'a>>) -> Vec<Vec<Member<'a>>> {
    let mut groups: Vec<Vec<Member>> = Vec::new();
    for member in members {
        let joins = |group: &Vec<Member>| group.iter().any(|other| together(case, &member, other));
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(joins);
        groups = apart;
        let mut group: Vec<Member> = joined.into_iter().flatten().collect();
        group.push(member);
        groups.push(group);
    }
    groups
}

/// The sets of a group that are tried, as positions in it. Each two of a set are together.
pub(super) fn sets(case: &Case, group: &[Member]) -> Vec<Vec<usize>> {
    let count = group.len();
    let is_visit = |set: &Vec<usize>| {
        set.iter().enumerate().all(|(n, one)| {
            set.iter().skip(n + 1).all(|other| match (group.get(*one), group.get(*other)) {
                (Some(one), Some(other)) => together(case, one, other),
                _ => false,
            })
        })
    };
    let mut sets: Vec<Vec<usize>> = Vec::new();
    if count <= ALL_SETS_UP_TO {
        for bits in 1u32..1 << count {
            sets.push((0..count).filter(|at| bits >> at & 1 == 1).collect());
        }
    } else {
        sets.extend((0..count).map(|one| vec![one]));
        if count <= PAIRS_UP_TO {
            let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |two| vec![one, two]));
            sets.extend(pairs);
        }
        if count <= TRIPLES_UP_TO {
            let triples = (0..count).flat_map(|one| {
                (one + 1..count).flat_map(move |two| (two + 1..count).map(move |three| vec![one, two, three]))
            });
            sets.extend(triples);
        }
        sets.push((0..count).collect());
    }
    sets.retain(is_visit);
    sets
}
