//! Visits: which studies are taken together, and in which sets they are tried.

use std::collections::BTreeSet;

use super::answer::{Effect, Outcome};
use super::checks::{Case, Member, believed, worst_beside_coverage};
use super::coverage::{Need, cover_alone, parts_of};

const HOUR_MS: u64 = 3_600_000;
/// Up to so many studies of a visit that cover something every set is tried; beyond, sets are made by need.
const ALL_SETS_UP_TO: usize = 8;

/// Whether two studies can be of one visit: same identity group, same facility, and the same episode; where an episode is
/// not known, performed within the hours of the policy. Two episodes that are known and differ are two visits.
pub(super) fn together(case: &Case, one: &Member, other: &Member) -> bool {
    let (one, other) = (one.prior, other.prior);
    let facility = one.facility.is_some() && one.facility == other.facility;
    let near = || {
        let (one, other) = (believed(one, case.policy, case.today), believed(other, case.policy, case.today));
        let hours = case.policy.visit_hours * HOUR_MS;
        one.zip(other).is_some_and(|(one, other)| one.distance_ms(other) <= hours)
    };
    let of_one = match (&one.episode, &other.episode) {
        (Some(one), Some(other)) => one == other,
        _ => near(),
    };
    one.patient_group == other.patient_group && facility && of_one
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

/// What a study does for one need: the better, the greater.
type Supplied = (Outcome, bool);

/// The studies of a group that are left, with what each does alone.
pub(super) struct Candidates {
    left: BTreeSet<usize>,
    /// Whether each two are together.
    together: Vec<Vec<bool>>,
    /// By study and need: of the order, then of wider regions whose parts several studies may have.
    supplied: Vec<Vec<Supplied>>,
    needs: usize,
    /// The worst of what is not coverage, by study.
    effect: Vec<Effect>,
    /// Studies by time, the newest first.
    newest: Vec<usize>,
    /// Studies that can be taken together whichever of them are.
    pools: Vec<Vec<usize>>,
}

impl Candidates {
    pub(super) fn of(case: &Case, group: &[Member]) -> Candidates {
        let mut needs: Vec<Need> = case.needs.clone();
        needs.extend(case.needs.iter().flat_map(|need| parts_of(need, &case.policy.coverage)));
        let supplied = group.iter().map(|member| {
            needs.iter().map(|need| cover_alone(need, &member.stored, &case.policy.coverage)).collect()
        });
        let at = |place: &usize| {
            group.get(*place).and_then(|member| believed(member.prior, case.policy, case.today))
        };
        let mut newest: Vec<usize> = (0..group.len()).collect();
        newest.sort_by_key(|place| (std::cmp::Reverse(at(place)), *place));
        let pairs = |one: &Member| group.iter().map(|other| together(case, one, other)).collect();
        let mut candidates = Candidates {
            left: (0..group.len()).collect(),
            together: group.iter().map(pairs).collect(),
            supplied: supplied.collect(),
            needs: case.needs.len(),
            effect: group.iter().map(|member| worst_beside_coverage(case, member)).collect(),
            newest,
            pools: Vec::new(),
        };
        candidates.pools = candidates.pools();
        candidates
    }

    /// Whether all studies of a set are left.
    pub(super) fn has(&self, set: &[usize]) -> bool {
        set.iter().all(|one| self.left.contains(one))
    }

    /// Takes studies away.
    pub(super) fn take(&mut self, set: &[usize]) {
        self.left.retain(|one| !set.contains(one));
    }

    /// The sets that are tried, as positions in the group. Each two of a set are together; what covers nothing of the
    /// order is in a set of its own.
    pub(super) fn sets(&self) -> BTreeSet<Vec<usize>> {
        let mut sets: BTreeSet<Vec<usize>> = self.left.iter().map(|one| vec![*one]).collect();
        let useful: Vec<usize> = self.left.iter().copied().filter(|one| self.is_useful(*one)).collect();
        if useful.len() <= ALL_SETS_UP_TO {
            for bits in 1u32..1 << useful.len() {
                let set = useful.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                let set: Vec<usize> = set.map(|(_, one)| *one).collect();
                if self.is_visit(&set) {
                    sets.insert(set);
                }
            }
            return sets;
        }
        for pool in &self.pools {
            for most in [Effect::Shown, Effect::Review, Effect::NotUsable] {
                for needs in [self.needs, usize::MAX] {
                    let set = self.by_need(pool, most, needs);
                    if set.len() > 1 && self.is_visit(&set) {
                        sets.insert(set);
                    }
                }
            }
        }
        sets
    }

    /// Whether a study covers something, or may. Where the order is not understood each may.
    fn is_useful(&self, one: usize) -> bool {
        self.needs == 0 || self.supplied[one].iter().any(|(outcome, _)| *outcome > Outcome::Fail)
    }

    fn is_visit(&self, set: &[usize]) -> bool {
        let pairs =
            set.iter().enumerate().flat_map(|(n, one)| set[n + 1..].iter().map(move |other| (*one, *other)));
        pairs.into_iter().all(|(one, other)| self.together[one][other])
    }

    /// For each of the first `needs` the study of a pool that does most for it, the newest of equals, among those that are
    /// left and do the verdict no more harm than `most`.
    fn by_need(&self, pool: &[usize], most: Effect, needs: usize) -> Vec<usize> {
        let allowed: Vec<usize> =
            pool.iter().copied().filter(|one| self.left.contains(one) && self.effect[*one] <= most).collect();
        let count = self.supplied.first().map_or(0, Vec::len).min(needs);
        let best = |need: usize| {
            let mut best: Option<usize> = None;
            for one in &allowed {
                let better = |known: usize| self.supplied[*one][need] > self.supplied[known][need];
                if best.is_none_or(better) {
                    best = Some(*one);
                }
            }
            best.filter(|one| self.supplied[*one][need].0 > Outcome::Fail)
        };
        let set: BTreeSet<usize> = (0..count).filter_map(best).collect();
        set.into_iter().collect()
    }

    /// Pools of studies each two of which are together, the newest first: from each study as the first one, those that
    /// are together with it and with all that were taken before.
    fn pools(&self) -> Vec<Vec<usize>> {
        let mut pools: BTreeSet<Vec<usize>> = BTreeSet::new();
        let with = |first: usize, order: &mut dyn Iterator<Item = usize>| {
            let mut pool = vec![first];
            for one in order {
                if one != first && pool.iter().all(|other| self.together[one][*other]) {
                    pool.push(one);
                }
            }
            let rank = |one: &usize| self.newest.iter().position(|other| other == one);
            pool.sort_by_key(rank);
            pool
        };
        for first in &self.newest {
            pools.insert(with(*first, &mut self.newest.iter().copied()));
            pools.insert(with(*first, &mut self.newest.iter().rev().copied()));
        }
        pools.into_iter().collect()
    }
}
