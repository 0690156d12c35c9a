//! A table of routes like the Internet's: prefix lengths, AS paths, communities, and how many prefixes share them. A seed decides all of it.

use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Address family of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

/// A prefix: the first 64 bits of its address, IPv4 in the upper 32. No prefix here is longer than 48.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Route {
    pub(super) bits: u64,
    pub(super) length: u8,
}

impl Route {
    /// One number for the whole; never 0, for no prefix here has length 0.
    pub(super) fn key(self) -> u64 {
        self.bits | u64::from(self.length)
    }
}

/// What a set of prefixes shares, but for what depends on who sends it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Attributes {
    pub(super) origin: u8,
    /// The path after the sender's own AS.
    pub(super) path: Vec<u32>,
    pub(super) med: Option<u32>,
    pub(super) atomic_aggregate: bool,
    pub(super) aggregator: Option<(u32, Ipv4Addr)>,
    pub(super) communities: Vec<u32>,
    pub(super) large_communities: Vec<[u32; 3]>,
}

/// Prefixes that share their attributes: `count` of them from `first` on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) attributes: Attributes,
}

/// Prefixes, each once, in groups that share attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Table {
    pub(super) family: Family,
    pub(super) routes: Vec<Route>,
    pub(super) groups: Vec<Group>,
}

/// IPv4 prefix lengths in a full table, per 10,000 (2026: three in five are a /24).
const V4_LENGTHS: &[(u64, u8)] = &[
    (6_000, 24),
    (7_030, 23),
    (8_170, 22),
    (8_680, 21),
    (9_160, 20),
    (9_430, 19),
    (9_570, 18),
    (9_660, 17),
    (9_830, 16),
    (9_870, 15),
    (9_910, 14),
    (9_940, 13),
    (9_970, 12),
    (9_985, 11),
    (10_000, 10),
];
/// IPv6 prefix lengths, per 10,000: half are a /48.
const V6_LENGTHS: &[(u64, u8)] = &[
    (4_900, 48),
    (5_300, 47),
    (5_900, 46),
    (6_200, 45),
    (7_500, 44),
    (7_700, 42),
    (8_400, 40),
    (8_700, 36),
    (8_900, 33),
    (9_900, 32),
    (10_000, 29),
];
/// Autonomous systems that originate prefixes, and those that give transit.
const ORIGIN_SYSTEMS: u64 = 75_000;
const TRANSIT_SYSTEMS: u64 = 80;
/// Sets of communities that are in use over all feeds.
const COMMUNITY_SETS: u64 = 3_700;
/// Prefixes of an AS stand beside each other this often, per cent.
const ADJACENT: u64 = 60;
/// So many random prefixes are tried until one is free; then the table is too large for its address family.
const TRIES: u32 = 10_000;

impl Table {
    /// `count` prefixes; fewer only if there are no more.
    pub(super) fn new(family: Family, count: usize, seed: u64) -> Table {
        let mut random = Random::new(seed);
        let mut table = Table { family, routes: Vec::with_capacity(count), groups: Vec::with_capacity(count / 4) };
        let mut taken = HashSet::with_capacity(count);
        while table.routes.len() < count {
            let size = group_size(&mut random).min(count - table.routes.len());
            let first = table.routes.len();
            for _ in 0..size {
                let last = table.routes.get(first..).and_then(|of_group| of_group.last()).copied();
                if let Some(route) = free_route(family, last, &taken, &mut random) {
                    taken.insert(route);
                    table.routes.push(route);
                }
            }
            let count = table.routes.len() - first;
            if count == 0 {
                break;
            }
            table.groups.push(Group { first, count, attributes: attributes(&mut random) });
        }
        table
    }

    /// The groups of one of `parts` parts of the table: whole groups, and about as many prefixes in each.
    pub(super) fn part(&self, part: usize, parts: usize) -> &[Group] {
        let start = |part: usize| self.groups.partition_point(|group| group.first < self.routes.len() * part / parts);
        self.groups.get(start(part)..start(part + 1)).unwrap_or_default()
    }
}

/// A mean of about five, half of the sets with one prefix, and some with many.
fn group_size(random: &mut Random) -> usize {
    let size = match random.below(100) {
        0..50 => 1,
        50..68 => 2,
        68..87 => 3 + random.below(6),
        87..98 => 9 + random.below(16),
        _ => 25 + random.below(66),
    };
    size as usize
}

fn free_route(family: Family, last: Option<Route>, taken: &HashSet<Route>, random: &mut Random) -> Option<Route> {
    let adjacent = last
        .filter(|_| random.below(100) < ADJACENT)
        .map(|last| Route { bits: last.bits.wrapping_add(1 << (64 - u32::from(last.length))), length: last.length });
    let mut candidates = adjacent.into_iter().chain(std::iter::repeat_with(|| random_route(family, random)));
    candidates.by_ref().take(TRIES as usize).find(|route| is_public(family, *route) && !taken.contains(route))
}

fn random_route(family: Family, random: &mut Random) -> Route {
    let lengths = match family {
        Family::V4 => V4_LENGTHS,
        Family::V6 => V6_LENGTHS,
    };
    let at = random.below(10_000);
    let length = lengths.iter().find(|(up_to, _)| at < *up_to).map_or(24, |(_, length)| *length);
    let bits = match family {
        Family::V4 => random.next() & 0xffff_ffff_0000_0000,
        // 2000::/4 is where the registries give from.
        Family::V6 => random.next() >> 4 | 0x2000_0000_0000_0000,
    };
    Route { bits: bits & (u64::MAX << (64 - u32::from(length))), length }
}

/// No daemon's martian filter says no: unicast, and in no registry of special addresses (RFC 6890).
fn is_public(family: Family, route: Route) -> bool {
    let covered = |bits: u64, length: u8| {
        let mask = u64::MAX << (64 - u32::from(length.min(route.length)));
        (route.bits ^ bits) & mask == 0
    };
    match family {
        Family::V4 => {
            let special = |a: u64, b: u64, length: u8| covered(a << 56 | b << 48, length);
            let first = route.bits >> 56;
            (1..224).contains(&first)
                && !special(10, 0, 8)
                && !special(100, 64, 10)
                && !special(127, 0, 8)
                && !special(169, 254, 16)
                && !special(172, 16, 12)
                && !special(192, 0, 16)
                && !special(192, 88, 16)
                && !special(192, 168, 16)
                && !special(198, 18, 15)
                && !special(198, 51, 16)
                && !special(203, 0, 16)
        }
        Family::V6 => {
            // Teredo, documentation and their neighbours in 2001::/23; 6to4; documentation (RFC 9637 leaves 3fff::/20, which is not here).
            route.bits >> 60 == 2
                && !covered(0x2001_0000_0000_0000, 23)
                && !covered(0x2001_0db8_0000_0000, 32)
                && !covered(0x2002_0000_0000_0000, 16)
        }
    }
}

fn attributes(random: &mut Random) -> Attributes {
    // After the sender's AS 2 to 5 others, 3.4 on average, and one path in ten is prepended.
    let transits = [1, 1, 2, 2, 2, 2, 3, 3, 3, 4][random.below(10) as usize];
    let mut path: Vec<u32> = (0..transits).map(|_| transit(random)).collect();
    let origin_as = origin_system(random.below(ORIGIN_SYSTEMS));
    let times = if random.below(10) == 0 { 2 + random.below(4) } else { 1 };
    path.extend(std::iter::repeat_n(origin_as, times as usize));
    let (communities, large_communities) = communities(random);
    Attributes {
        origin: [0, 0, 0, 0, 0, 0, 0, 2, 2, 1][random.below(10) as usize],
        path,
        med: (random.below(5) == 0).then(|| random.below(200) as u32),
        atomic_aggregate: random.below(20) == 0,
        aggregator: (random.below(12) == 0)
            .then(|| (origin_as, Ipv4Addr::from_bits(0xc633_0000 | random.below(65_536) as u32))),
        communities,
        large_communities,
    }
}

/// Some have far more customers than others.
fn transit(random: &mut Random) -> u32 {
    let number = random.below(TRANSIT_SYSTEMS).min(random.below(TRANSIT_SYSTEMS));
    1_000 + number as u32 * 37
}

/// One in four has a number that needs four octets. None is reserved or private.
fn origin_system(number: u64) -> u32 {
    let number = number as u32;
    if number.is_multiple_of(4) { 196_608 + number } else { 5_000 + number % 50_000 }
}

/// One of the sets that are in use; the popular ones more often. Two in five routes have none.
fn communities(random: &mut Random) -> (Vec<u32>, Vec<[u32; 3]>) {
    if random.below(5) < 2 {
        return (Vec::new(), Vec::new());
    }
    let set = random.below(COMMUNITY_SETS).min(random.below(COMMUNITY_SETS)).min(random.below(COMMUNITY_SETS));
    let mut of_set = Random::new(set);
    let count = [1, 1, 2, 2, 3, 3, 4, 6, 8, 12][of_set.below(10) as usize];
    let mut communities: Vec<u32> =
        (0..count).map(|_| transit(&mut of_set) << 16 | of_set.below(4_000) as u32).collect();
    communities.sort_unstable();
    communities.dedup();
    let large = if of_set.below(12) == 0 { 1 + of_set.below(3) } else { 0 };
    let mut large: Vec<[u32; 3]> =
        (0..large).map(|number| [transit(&mut of_set), number as u32, of_set.below(1_000) as u32]).collect();
    large.sort_unstable();
    (communities, large)
}

/// A stream of numbers that its seed decides (SplitMix64, Steele et al., OOPSLA 2014).
struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_table_and_another_seed_another() {
        let table = Table::new(Family::V4, 1_000, 1);
        assert_eq!(table, Table::new(Family::V4, 1_000, 1));
        assert_ne!(table, Table::new(Family::V4, 1_000, 2));
    }

    #[test]
    fn a_table_looks_like_the_internets() {
        for (family, count, usual, least) in [(Family::V4, 50_000, 24, 0.5), (Family::V6, 20_000, 48, 0.4)] {
            let table = Table::new(family, count, 1);
            assert_eq!(table.routes.len(), count);
            let keys: HashSet<u64> = table.routes.iter().map(|route| route.key()).collect();
            assert_eq!(keys.len(), count, "each prefix once, and its key is its own");
            let share =
                |wanted: u8| table.routes.iter().filter(|route| route.length == wanted).count() as f64 / count as f64;
            assert!(share(usual) > least, "{}", share(usual));
            let sharing = count as f64 / table.groups.len() as f64;
            assert!((4.0..6.0).contains(&sharing), "{sharing} prefixes per attribute set");
            let hops: usize = table.groups.iter().map(|group| group.attributes.path.len() + 1).sum();
            let hops = hops as f64 / table.groups.len() as f64;
            assert!((4.0..5.0).contains(&hops), "{hops} in a path");
            for route in &table.routes {
                assert_eq!(route.bits & !(u64::MAX << (64 - u32::from(route.length))), 0, "{route:?}");
            }
        }
    }

    #[test]
    fn parts_are_disjoint_and_together_the_whole() {
        let table = Table::new(Family::V4, 1_000, 1);
        let sizes: Vec<usize> =
            (0..10).map(|part| table.part(part, 10).iter().map(|group| group.count).sum()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 1_000);
        assert!(sizes.iter().all(|size| (20..200).contains(size)), "{sizes:?}");
    }
}
