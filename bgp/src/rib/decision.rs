//! The decision process (RFC 4271 §9.1.2.2): one function over the whole candidate group of a prefix.
//!
//! It eliminates: each step keeps the candidates that are best at it and drops the rest. A step looks at all survivors
//! at once, so the answer doesn't depend on the order in which routes arrived, although "lower MED wins" is not a
//! transitive relation between two routes (it counts only between routes from the same neighbour AS). The last two
//! steps compare what is unique per path, so there always is exactly one best.

use net::Time;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Where a route came from, as far as the decision and the export rules care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum SourceKind {
    /// Originated by this speaker.
    Local,
    /// From a neighbour in another AS (eBGP).
    External,
    /// From a neighbour in this AS (iBGP).
    Internal,
}

/// What the decision compares of a set of path attributes. Computed once per interned set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttributeRank {
    /// LLGR_STALE is among the communities (RFC 9494 §4.3).
    pub long_lived_stale: bool,
    /// LOCAL_PREF, the configured default where the route has none.
    pub local_pref: u32,
    /// AS_PATH length: an AS_SET counts as one, confederation segments as none (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3).
    pub as_path_length: u32,
    /// ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE.
    pub origin: u8,
    /// The neighbouring AS that the route came from; `None` for a route that originates in this AS.
    pub neighbor_as: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// ORIGINATOR_ID, which stands in for the neighbour's router id (RFC 4456 §9).
    pub originator_id: Option<Ipv4Addr>,
    /// Number of entries in CLUSTER_LIST (RFC 4456 §9).
    pub cluster_list_length: u32,
}

/// One route to a prefix, as the decision sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// What its attributes say.
    pub rank: AttributeRank,
    /// How it was learned.
    pub kind: SourceKind,
    /// Cost to the next hop inside this AS; 0 where nobody resolves next hops.
    pub igp_metric: u32,
    /// When this path was first learned. Compared only under [`DecisionOptions::prefer_oldest`].
    pub learned: Time,
    /// The neighbour's BGP identifier (ours for a local route).
    pub router_id: Ipv4Addr,
    /// The neighbour's address; `None` for a local route.
    pub peer_address: Option<IpAddr>,
    /// The path identifier (RFC 7911), 0 without one.
    pub path_id: u32,
    /// A number that differs between neighbours: the last word.
    pub peer_index: u32,
}

/// The knobs. The default is RFC 4271 as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecisionOptions {
    /// Compare MED also between routes from different neighbouring ASes.
    pub always_compare_med: bool,
    /// A route without a MED counts as the worst MED, not as 0.
    pub missing_med_worst: bool,
    /// Compare router ids (RFC 4271 §9.1.2.2 f). Off: go straight to CLUSTER_LIST length and address.
    pub compare_router_id: bool,
    /// Leave AS_PATH length out.
    pub ignore_as_path_length: bool,
    /// Between eBGP routes prefer the one known for longest before looking at router ids (RFC 5004).
    pub prefer_oldest: bool,
    /// How many paths are used side by side.
    pub multipath: Multipath,
}

/// Which paths are used beside the best one: those that stand level with it through the whole decision up to the cost to
/// the next hop, and lead to other next hops. The one that is announced stays the best one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multipath {
    /// Most paths, the best among them, where that is an eBGP one.
    pub ebgp: u8,
    /// The same where it is an iBGP one.
    pub ibgp: u8,
    /// Their AS_PATHs need only be as long as each other, not the same.
    pub relaxed: bool,
}

impl Default for Multipath {
    /// The best path alone.
    fn default() -> Multipath {
        Multipath { ebgp: 1, ibgp: 1, relaxed: false }
    }
}

impl Multipath {
    /// Whether more than one path may be used.
    pub const fn is_on(self) -> bool {
        self.ebgp > 1 || self.ibgp > 1
    }

    /// Most paths where the best one is of this kind.
    pub(super) const fn limit(self, best: SourceKind) -> usize {
        match best {
            SourceKind::Local => 1,
            SourceKind::External => self.ebgp as usize,
            SourceKind::Internal => self.ibgp as usize,
        }
    }
}

impl Default for DecisionOptions {
    fn default() -> DecisionOptions {
        DecisionOptions {
            always_compare_med: false,
            missing_med_worst: false,
            compare_router_id: true,
            ignore_as_path_length: false,
            prefer_oldest: false,
            multipath: Multipath::default(),
        }
    }
}

/// A step of the decision process, in the order in which they are taken. Also the reason why a route lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Step {
    /// Not kept by long-lived graceful restart: such routes are the last resort (RFC 9494 §4.3).
    LongLivedStale,
    /// Higher LOCAL_PREF (RFC 4271 §9.1.1).
    LocalPref,
    /// Originated here.
    LocallyOriginated,
    /// Shorter AS_PATH (§9.1.2.2 a).
    AsPathLength,
    /// Lower ORIGIN (§9.1.2.2 b).
    Origin,
    /// Lower MULTI_EXIT_DISC among routes from the same neighbouring AS (§9.1.2.2 c).
    Med,
    /// eBGP over iBGP (§9.1.2.2 d).
    PeerType,
    /// Lower interior cost to the next hop (§9.1.2.2 e).
    IgpMetric,
    /// Known for longer (RFC 5004); only when asked for.
    Age,
    /// Lower BGP identifier, or ORIGINATOR_ID (§9.1.2.2 f, RFC 4456 §9).
    RouterId,
    /// Shorter CLUSTER_LIST (RFC 4456 §9).
    ClusterListLength,
    /// Lower neighbour address (§9.1.2.2 g).
    PeerAddress,
    /// Lower path identifier.
    PathId,
    /// Lower neighbour index: nothing else differs.
    PeerIndex,
}

impl Step {
    /// It comes after those that make paths unequal: who loses here may be used beside the best.
    pub(super) const fn breaks_a_tie(self) -> bool {
        matches!(
            self,
            Step::Age | Step::RouterId | Step::ClusterListLength | Step::PeerAddress | Step::PathId | Step::PeerIndex
        )
    }

    /// The rule in a few words, as `why` prints it.
    pub const fn rule(self) -> &'static str {
        match self {
            Step::LongLivedStale => "not stale for long",
            Step::LocalPref => "higher LOCAL_PREF",
            Step::LocallyOriginated => "originated here",
            Step::AsPathLength => "shorter AS_PATH",
            Step::Origin => "lower ORIGIN",
            Step::Med => "lower MED from the same neighbouring AS",
            Step::PeerType => "eBGP over iBGP",
            Step::IgpMetric => "lower cost to the next hop",
            Step::Age => "known for longer",
            Step::RouterId => "lower router id",
            Step::ClusterListLength => "shorter CLUSTER_LIST",
            Step::PeerAddress => "lower neighbour address",
            Step::PathId => "lower path id",
            Step::PeerIndex => "lower neighbour index",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

/// The index of the best candidate; `None` only of an empty group.
pub fn choose(candidates: &[Candidate], options: &DecisionOptions) -> Option<usize> {
    eliminate(candidates, options, |_, _| ())
}

/// What the steps before MED compare, the least first: two candidates for which it differs are decided by it.
pub(super) fn leading(rank: &AttributeRank, kind: SourceKind, options: &DecisionOptions) -> (bool, u32, bool, u32, u8) {
    let length = if options.ignore_as_path_length { 0 } else { rank.as_path_length };
    (rank.long_lived_stale, !rank.local_pref, kind != SourceKind::Local, length, rank.origin)
}

/// All of them, the best first, each the best of what is left after those before it.
///
/// Where no MED counts between the candidates that is simply their order. Where it does, those of one neighbour AS that
/// stand level before it come in the order of their MED, and the next one of all is the best of the ASes' next ones.
pub(super) fn order(candidates: &[Candidate], options: &DecisionOptions) -> Vec<usize> {
    let missing = if options.missing_med_worst { u32::MAX } else { 0 };
    let mut sorted: Vec<Ordered> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| Ordered {
            leading: leading(&candidate.rank, candidate.kind, options),
            comparable: candidate.rank.neighbor_as.filter(|_| !options.always_compare_med),
            med: candidate.rank.med.unwrap_or(missing),
            trailing: trailing(candidate, options),
            index,
        })
        .collect();
    sorted.sort_unstable();
    let mut order = Vec::with_capacity(sorted.len());
    for level in sorted.chunk_by(|one, other| one.leading == other.leading) {
        let mut next: Vec<&[Ordered]> = level.chunk_by(|one, other| one.comparable == other.comparable).collect();
        if let [alone] = next.as_slice() {
            order.extend(alone.iter().map(|candidate| candidate.index));
            continue;
        }
        // The next ones of the ASes, the best on top.
        let mut heads: BinaryHeap<_> = next
            .iter()
            .enumerate()
            .filter_map(|(at, rest)| rest.first().map(|head| Reverse((head.trailing, at))))
            .collect();
        while let Some(Reverse((_, at))) = heads.pop() {
            let Some((head, rest)) = next.get(at).and_then(|rest| rest.split_first()) else { continue };
            order.push(head.index);
            heads.extend(rest.first().map(|head| Reverse((head.trailing, at))));
            if let Some(place) = next.get_mut(at) {
                *place = rest;
            }
        }
    }
    order
}

/// What is compared of a candidate, in the order in which [`order`] sorts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ordered {
    leading: (bool, u32, bool, u32, u8),
    /// Of candidates that have the same here MED says which is better.
    comparable: Option<u32>,
    med: u32,
    trailing: Trailing,
    index: usize,
}

/// Kind, IGP metric, age, router identifier, length of CLUSTER_LIST, address, path identifier, number.
type Trailing = (SourceKind, u32, Time, Ipv4Addr, u32, Option<IpAddr>, u32, u32);

/// What the steps behind MED compare, the least first.
fn trailing(c: &Candidate, options: &DecisionOptions) -> Trailing {
    let router_id = if options.compare_router_id { router_id(c) } else { Ipv4Addr::UNSPECIFIED };
    let age = if options.prefer_oldest { age(c) } else { Time::ZERO };
    let last = (c.rank.cluster_list_length, c.peer_address, c.path_id, c.peer_index);
    (c.kind, c.igp_metric, age, router_id, last.0, last.1, last.2, last.3)
}

/// RFC 5004 is about external paths: age says nothing about a path that an iBGP neighbour re-advertised.
fn age(c: &Candidate) -> Time {
    if c.kind == SourceKind::External { c.learned } else { Time::ZERO }
}

fn router_id(c: &Candidate) -> Ipv4Addr {
    c.rank.originator_id.unwrap_or(c.router_id)
}

/// For each candidate the step at which it lost; `None` for the best one.
pub fn explain(candidates: &[Candidate], options: &DecisionOptions) -> Vec<Option<Step>> {
    let mut steps = vec![None; candidates.len()];
    eliminate(candidates, options, |index, step| {
        if let Some(slot) = steps.get_mut(index) {
            *slot = Some(step);
        }
    });
    steps
}

fn eliminate(candidates: &[Candidate], options: &DecisionOptions, mut lost: impl FnMut(usize, Step)) -> Option<usize> {
    let mut race = Race { alive: candidates.iter().enumerate().collect(), lost: &mut lost };
    // Complements turn "higher wins" into "lower wins".
    race.keep_least(Step::LongLivedStale, |c| c.rank.long_lived_stale);
    race.keep_least(Step::LocalPref, |c| !c.rank.local_pref);
    race.keep_least(Step::LocallyOriginated, |c| c.kind != SourceKind::Local);
    if !options.ignore_as_path_length {
        race.keep_least(Step::AsPathLength, |c| c.rank.as_path_length);
    }
    race.keep_least(Step::Origin, |c| c.rank.origin);
    race.keep_least_med(options);
    race.keep_least(Step::PeerType, |c| c.kind);
    race.keep_least(Step::IgpMetric, |c| c.igp_metric);
    if options.prefer_oldest {
        race.keep_least(Step::Age, age);
    }
    if options.compare_router_id {
        race.keep_least(Step::RouterId, router_id);
    }
    race.keep_least(Step::ClusterListLength, |c| c.rank.cluster_list_length);
    race.keep_least(Step::PeerAddress, |c| c.peer_address);
    race.keep_least(Step::PathId, |c| c.path_id);
    race.keep_least(Step::PeerIndex, |c| c.peer_index);
    race.alive.first().map(|(index, _)| *index)
}

struct Race<'a, F> {
    alive: SmallVec<[(usize, &'a Candidate); 8]>,
    lost: &'a mut F,
}

impl<F: FnMut(usize, Step)> Race<'_, F> {
    fn keep_least<K: Ord>(&mut self, step: Step, key: impl Fn(&Candidate) -> K) {
        if self.alive.len() < 2 {
            return;
        }
        let Some(least) = self.alive.iter().map(|(_, c)| key(c)).min() else { return };
        let lost = &mut *self.lost;
        self.alive.retain(|(index, c)| {
            let keep = key(c) == least;
            if !keep {
                lost(*index, step);
            }
            keep
        });
    }

    fn keep_least_med(&mut self, options: &DecisionOptions) {
        let missing = if options.missing_med_worst { u32::MAX } else { 0 };
        let med = |c: &Candidate| c.rank.med.unwrap_or(missing);
        if options.always_compare_med {
            self.keep_least(Step::Med, med);
            return;
        }
        if self.alive.len() < 2 {
            return;
        }
        let mut least: SmallVec<[(Option<u32>, u32); 8]> =
            self.alive.iter().map(|(_, c)| (c.rank.neighbor_as, med(c))).collect();
        least.sort_unstable();
        least.dedup_by_key(|(neighbor_as, _)| *neighbor_as);
        let lost = &mut *self.lost;
        self.alive.retain(|(index, c)| {
            let keep = least.binary_search(&(c.rank.neighbor_as, med(c))).is_ok();
            if !keep {
                lost(*index, Step::Med);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(peer_index: u32) -> Candidate {
        Candidate {
            rank: AttributeRank {
                long_lived_stale: false,
                local_pref: 100,
                as_path_length: 1,
                origin: 0,
                neighbor_as: Some(65000 + peer_index),
                med: None,
                originator_id: None,
                cluster_list_length: 0,
            },
            kind: SourceKind::External,
            igp_metric: 0,
            learned: Time::ZERO,
            router_id: Ipv4Addr::from_bits(0x0a00_0000 + peer_index),
            peer_address: Some(IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + peer_index))),
            path_id: 0,
            peer_index,
        }
    }

    /// The second candidate wins against the first, which loses at `step`.
    #[track_caller]
    fn wins_by(step: Step, options: &DecisionOptions, change: impl Fn(&mut Candidate, &mut Candidate)) {
        let (mut first, mut second) = (candidate(1), candidate(2));
        change(&mut first, &mut second);
        assert_eq!(explain(&[first, second], options), [Some(step), None]);
        assert_eq!(explain(&[second, first], options), [None, Some(step)]);
    }

    #[test]
    fn each_step_decides_when_all_before_it_are_equal() {
        let rfc = DecisionOptions::default();
        wins_by(Step::LongLivedStale, &rfc, |first, second| {
            first.rank.long_lived_stale = true;
            second.rank.local_pref = 0;
        });
        wins_by(Step::LocalPref, &rfc, |first, second| {
            first.rank.local_pref = 100;
            second.rank.local_pref = 200;
            second.rank.as_path_length = 9;
        });
        wins_by(Step::LocallyOriginated, &rfc, |_, second| second.kind = SourceKind::Local);
        wins_by(Step::AsPathLength, &rfc, |first, second| {
            first.rank.as_path_length = 2;
            second.rank.origin = 2;
        });
        wins_by(Step::Origin, &rfc, |first, _| first.rank.origin = 1);
        wins_by(Step::Med, &rfc, |first, second| {
            first.rank.neighbor_as = second.rank.neighbor_as;
            first.rank.med = Some(1);
        });
        wins_by(Step::PeerType, &rfc, |first, _| first.kind = SourceKind::Internal);
        wins_by(Step::IgpMetric, &rfc, |first, _| first.igp_metric = 1);
        wins_by(Step::RouterId, &rfc, |first, second| {
            first.router_id = Ipv4Addr::from_bits(second.router_id.to_bits() + 1)
        });
        wins_by(Step::RouterId, &rfc, |_, second| second.rank.originator_id = Some(Ipv4Addr::new(1, 0, 0, 0)));
        wins_by(Step::ClusterListLength, &rfc, |first, second| {
            first.router_id = second.router_id;
            first.rank.cluster_list_length = 1;
        });
        wins_by(Step::PeerAddress, &rfc, |first, second| {
            first.router_id = second.router_id;
            first.peer_address = "2001:db8::1".parse().ok();
        });
        wins_by(Step::PathId, &rfc, |first, second| {
            (first.router_id, first.peer_address) = (second.router_id, second.peer_address);
            first.path_id = 7;
        });
        wins_by(Step::PeerIndex, &rfc, |first, second| {
            (first.router_id, first.peer_address) = (second.router_id, second.peer_address);
            first.peer_index = 3;
        });
    }

    #[test]
    fn each_option_changes_its_step_only() {
        let rfc = DecisionOptions::default();
        wins_by(Step::Med, &DecisionOptions { always_compare_med: true, ..rfc }, |first, _| first.rank.med = Some(5));
        wins_by(Step::Med, &DecisionOptions { missing_med_worst: true, ..rfc }, |first, second| {
            first.rank.neighbor_as = second.rank.neighbor_as;
            second.rank.med = Some(5);
        });
        wins_by(Step::Age, &DecisionOptions { prefer_oldest: true, ..rfc }, |first, _| {
            first.learned = Time::from_secs(1)
        });
        wins_by(Step::PeerAddress, &DecisionOptions { compare_router_id: false, ..rfc }, |first, second| {
            second.router_id = Ipv4Addr::new(255, 0, 0, 1);
            first.peer_address = "198.51.100.1".parse().ok();
        });
        wins_by(Step::Origin, &DecisionOptions { ignore_as_path_length: true, ..rfc }, |first, second| {
            second.rank.as_path_length = 9;
            first.rank.origin = 2;
        });
    }

    #[test]
    fn med_counts_only_within_a_neighbour_as_and_regardless_of_order() {
        // RFC 3345's shape: pairwise comparison goes in a circle here, elimination doesn't.
        let (mut a, mut b, mut c) = (candidate(1), candidate(2), candidate(3));
        (a.rank.neighbor_as, a.rank.med, a.router_id) = (Some(1), Some(10), Ipv4Addr::new(1, 1, 1, 1));
        (b.rank.neighbor_as, b.rank.med, b.router_id) = (Some(2), Some(0), Ipv4Addr::new(2, 2, 2, 2));
        (c.rank.neighbor_as, c.rank.med, c.router_id) = (Some(1), Some(5), Ipv4Addr::new(3, 3, 3, 3));
        let options = DecisionOptions::default();
        assert_eq!(explain(&[a, b, c], &options), [Some(Step::Med), None, Some(Step::RouterId)]);
        assert_eq!(explain(&[c, b, a], &options), [Some(Step::RouterId), None, Some(Step::Med)]);
        assert_eq!(explain(&[b, a, c], &options), [None, Some(Step::Med), Some(Step::RouterId)]);
    }

    #[test]
    fn an_empty_group_has_no_best_and_a_single_route_is_best() {
        assert_eq!(choose(&[], &DecisionOptions::default()), None);
        assert_eq!(choose(&[candidate(1)], &DecisionOptions::default()), Some(0));
    }

    prop_compose! {
        // Small ranges so that ties, the interesting case, are common.
        fn any_candidate()(
            local_pref in 99u32..101, as_path_length in 0u32..2, origin in 0u8..2, neighbor_as in prop::option::of(1u32..3),
            med in prop::option::of(0u32..3), originator in prop::option::of(0u32..2), cluster_list_length in 0u32..2,
            kind in prop_oneof![Just(SourceKind::External), Just(SourceKind::Internal)], igp_metric in 0u32..2,
            learned in 0u64..2, router_id in 0u32..2, address in 0u32..2, path_id in 0u32..2,
        ) -> Candidate {
            Candidate {
                rank: AttributeRank {
                    long_lived_stale: local_pref == 99 && origin == 1,
                    local_pref, as_path_length, origin, neighbor_as, med,
                    originator_id: originator.map(Ipv4Addr::from_bits), cluster_list_length,
                },
                kind, igp_metric, learned: Time::from_secs(learned), router_id: Ipv4Addr::from_bits(router_id),
                peer_address: Some(IpAddr::V4(Ipv4Addr::from_bits(address))), path_id, peer_index: 0,
            }
        }
    }

    prop_compose! {
        fn any_options()(bits in 0u8..32) -> DecisionOptions {
            DecisionOptions {
                always_compare_med: bits & 1 != 0, missing_med_worst: bits & 2 != 0, compare_router_id: bits & 4 != 0,
                ignore_as_path_length: bits & 8 != 0, prefer_oldest: bits & 16 != 0,
                multipath: Multipath::default(),
            }
        }
    }

    proptest! {
        #[test]
        fn the_best_path_is_independent_of_arrival_order(
            mut candidates in prop::collection::vec(any_candidate(), 1..9),
            options in any_options(),
            order in any::<u64>(),
        ) {
            for (index, candidate) in (0..).zip(&mut candidates) {
                candidate.peer_index = index;
            }
            let best = choose(&candidates, &options).map(|index| candidates[index]);
            let verdicts = explain(&candidates, &options);
            prop_assert_eq!(verdicts.iter().filter(|step| step.is_none()).count(), 1);
            let mut shuffled = candidates.clone();
            let mut state = order | 1;
            for index in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                shuffled.swap(index, (state >> 33) as usize % (index + 1));
            }
            prop_assert_eq!(choose(&shuffled, &options).map(|index| shuffled[index]), best);
            let again = explain(&shuffled, &options);
            for (candidate, step) in shuffled.iter().zip(again) {
                let before = candidates.iter().position(|c| c == candidate).map(|index| verdicts[index]);
                prop_assert_eq!(Some(step), before);
            }
        }

        #[test]
        fn the_order_is_each_time_the_best_of_what_is_left(
            mut candidates in prop::collection::vec(any_candidate(), 0..12),
            options in any_options(),
        ) {
            for (index, candidate) in (0..).zip(&mut candidates) {
                candidate.peer_index = index;
            }
            let ordered: Vec<Candidate> =
                order(&candidates, &options).into_iter().map(|index| candidates[index]).collect();
            let mut left = candidates;
            let mut chosen = Vec::new();
            while let Some(best) = choose(&left, &options) {
                chosen.push(left.swap_remove(best));
            }
            prop_assert_eq!(ordered, chosen);
        }

        #[test]
        fn a_loser_leaving_never_changes_the_best_unless_med_hides_behind_it(
            mut candidates in prop::collection::vec(any_candidate(), 2..7),
            gone in any::<prop::sample::Index>(),
        ) {
            // With one MED scale for all, the process is a plain lexicographic order.
            let options = DecisionOptions { always_compare_med: true, ..DecisionOptions::default() };
            for (index, candidate) in (0..).zip(&mut candidates) {
                candidate.peer_index = index;
            }
            let best = choose(&candidates, &options).map(|index| candidates[index]);
            let removed = candidates.remove(gone.index(candidates.len()));
            if Some(removed) != best {
                prop_assert_eq!(choose(&candidates, &options).map(|index| candidates[index]), best);
            }
        }
    }
}
