//! What a receiver has heard: for each prefix the attributes that it has now, and a sum over all of it, so that a table is known to be right
//! without a walk.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::feed::{AttributeHash, Mark, mixed};
use super::table::{Family, Route, Table};

/// Octets of a message's header (RFC 4271 §4.1).
pub(super) const HEADER: usize = 19;
/// Of what is missing so much is named.
const NAMED: usize = 3;

/// From prefix to its number in the table.
pub(super) struct Index {
    /// Key and number; key 0 is an empty place.
    places: Vec<(u64, u32)>,
    shift: u32,
}

impl Index {
    pub(super) fn new(table: &Table) -> Index {
        let size = (table.routes.len() * 2).next_power_of_two().max(16);
        let mut index = Index { places: vec![(0, 0); size], shift: 64 - size.trailing_zeros() };
        for (number, route) in table.routes.iter().enumerate() {
            let mut at = index.first(route.key());
            while index.places[at].0 != 0 {
                at = (at + 1) & (size - 1);
            }
            index.places[at] = (route.key(), number as u32);
        }
        index
    }

    fn first(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    fn find(&self, key: u64) -> Option<usize> {
        let mut at = self.first(key);
        loop {
            match self.places.get(at) {
                Some((found, number)) if *found == key => return Some(*number as usize),
                Some((0, _)) | None => return None,
                Some(_) => at = (at + 1) & (self.places.len() - 1),
            }
        }
    }
}

/// A table as it should be, or as it is: a hash of the attributes for each prefix, 0 for none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    hashes: Vec<u32>,
    present: usize,
    sum: u64,
}

impl State {
    pub(super) fn empty(count: usize) -> State {
        State { hashes: vec![0; count], present: 0, sum: 0 }
    }

    pub(super) fn set(&mut self, index: usize, hash: u32) {
        let Some(place) = self.hashes.get_mut(index) else { return };
        let before = std::mem::replace(place, hash);
        let part = |hash: u32| if hash == 0 { 0 } else { mixed((index as u64) << 32 | u64::from(hash)) };
        self.sum = self.sum.wrapping_add(part(hash)).wrapping_sub(part(before));
        self.present = self.present + usize::from(hash != 0) - usize::from(before != 0);
    }

    /// What a feed says of a group.
    pub(super) fn apply(&mut self, mark: &Mark) {
        mark.routes.clone().for_each(|index| self.set(index, mark.hash));
    }

    pub(super) fn get(&self, index: usize) -> u32 {
        self.hashes.get(index).copied().unwrap_or(0)
    }

    /// Prefixes that are there.
    pub(super) fn present(&self) -> usize {
        self.present
    }

    /// The same prefixes with the same attributes.
    pub(super) fn is(&self, other: &State) -> bool {
        self.present == other.present && self.sum == other.sum
    }

    /// What is not as it should be, in words.
    pub(super) fn difference(&self, wanted: &State, table: &Table) -> String {
        let mut counts = [0, 0, 0];
        let mut named: [Vec<String>; 3] = Default::default();
        for (index, (is, should)) in self.hashes.iter().zip(&wanted.hashes).enumerate() {
            let what = match (is, should) {
                _ if is == should => continue,
                (0, _) => 0,
                (_, 0) => 2,
                _ => 1,
            };
            counts[what] += 1;
            if named[what].len() < NAMED {
                named[what].extend(table.routes.get(index).map(|route| text(table.family, *route)));
            }
        }
        let words = ["missing", "with wrong attributes", "that should be gone"];
        let parts = (0..3).filter(|what| counts[*what] > 0);
        let parts =
            parts.map(|what| format!("{} prefixes {} ({}…)", counts[what], words[what], named[what].join(", ")));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
    }
}

/// A prefix as people write it.
fn text(family: Family, route: Route) -> String {
    match family {
        Family::V4 => format!("{}/{}", Ipv4Addr::from_bits((route.bits >> 32) as u32), route.length),
        Family::V6 => format!("{}/{}", std::net::Ipv6Addr::from_bits(u128::from(route.bits) << 64), route.length),
    }
}

/// What a receiver checks beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    pub(super) family: Family,
    /// The AS that the daemon in between puts in front of each path; none for the floor.
    pub(super) daemon_asn: Option<u32>,
    /// The next hop of IPv4 routes; whatever for the floor.
    pub(super) next_hop: Option<Ipv4Addr>,
}

/// One receiver's table and counters.
pub(super) struct Heard {
    rules: Rules,
    pub(super) state: State,
    pub(super) updates: u64,
    pub(super) announced: u64,
    pub(super) withdrawn: u64,
}

impl Heard {
    pub(super) fn new(rules: Rules, count: usize) -> Heard {
        Heard { rules, state: State::empty(count), updates: 0, announced: 0, withdrawn: 0 }
    }

    /// The body of an UPDATE.
    ///
    /// # Errors
    /// It is malformed, or says something that nobody has said to the daemon.
    pub(super) fn update(&mut self, body: &[u8], index: &Index) -> Result<(), String> {
        self.updates += 1;
        let cut = || "an UPDATE whose lengths contradict each other".to_owned();
        let withdrawn_end = 2 + u16_at(body, 0).ok_or_else(cut)?;
        let attributes_end = withdrawn_end + 2 + u16_at(body, withdrawn_end).ok_or_else(cut)?;
        let withdrawn = body.get(2..withdrawn_end).ok_or_else(cut)?;
        let attributes = body.get(withdrawn_end + 2..attributes_end).ok_or_else(cut)?;
        let announced = body.get(attributes_end..).ok_or_else(cut)?;
        self.withdrawn += self.prefixes(withdrawn, Family::V4, index, 0)?;
        if attributes.is_empty() {
            return Ok(());
        }
        let read = self.attributes(attributes).map_err(|error| format!("an UPDATE with {error}"))?;
        let hash = read.hash.finish();
        let unreachable = attributes.get(read.unreachable).unwrap_or_default();
        self.withdrawn += self.prefixes(unreachable, Family::V6, index, 0)?;
        if announced.is_empty() && read.reachable.is_empty() {
            return Ok(());
        }
        if let Some(asn) = self.rules.daemon_asn
            && read.first_asn != Some(asn)
        {
            return Err(format!("an AS_PATH that starts with {:?} instead of {asn}", read.first_asn));
        }
        if !announced.is_empty()
            && let Some(next_hop) = self.rules.next_hop
            && read.next_hop != Some(next_hop)
        {
            return Err(format!("a next hop {:?} instead of {next_hop}", read.next_hop));
        }
        self.announced += self.prefixes(announced, Family::V4, index, hash)?;
        let reachable = attributes.get(read.reachable).unwrap_or_default();
        self.announced += self.prefixes(reachable, Family::V6, index, hash)?;
        Ok(())
    }

    fn attributes(&self, octets: &[u8]) -> Result<Read, &'static str> {
        const CUT: &str = "an attribute that is cut off";
        let mut read = Read::default();
        let mut at = 0;
        while at < octets.len() {
            let (flags, kind) = (octets[at], *octets.get(at + 1).ok_or(CUT)?);
            let (length, start) = if flags & 0x10 != 0 {
                (u16_at(octets, at + 2).ok_or(CUT)?, at + 4)
            } else {
                (usize::from(*octets.get(at + 2).ok_or(CUT)?), at + 3)
            };
            let end = start + length;
            let value = octets.get(start..end).ok_or(CUT)?;
            match kind {
                1 => read.hash.origin(*value.first().ok_or(CUT)?),
                2 => self.path(value, &mut read)?,
                3 => read.next_hop = value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets)),
                6 => read.hash.atomic_aggregate(),
                7 => {
                    let mut parts = words(value);
                    let (Some(asn), Some(router)) = (parts.next(), parts.next()) else { return Err(CUT) };
                    read.hash.aggregator(asn, router);
                }
                8 => words(value).for_each(|community| read.hash.community(community)),
                14 => {
                    if value.get(..3) != Some(&[0, 2, 1]) {
                        return Err("MP_REACH_NLRI of a family that was not asked for");
                    }
                    let next_hop = usize::from(*value.get(3).ok_or(CUT)?);
                    read.reachable = start + 5 + next_hop..end;
                }
                15 => {
                    if value.get(..3) != Some(&[0, 2, 1]) {
                        return Err("MP_UNREACH_NLRI of a family that was not asked for");
                    }
                    read.unreachable = start + 3..end;
                }
                32 => {
                    let mut parts = words(value);
                    while let (Some(global), Some(one), Some(two)) = (parts.next(), parts.next(), parts.next()) {
                        read.hash.large_community(global, one, two);
                    }
                }
                // Whether MULTI_EXIT_DISC goes on to another AS is the daemon's choice (RFC 4271 §5.1.4).
                4 => {}
                5 => return Err("LOCAL_PREF to an external peer"),
                _ => return Err("an attribute that nobody has sent"),
            }
            at = end;
        }
        Ok(read)
    }

    fn path(&self, mut value: &[u8], read: &mut Read) -> Result<(), &'static str> {
        while let [kind, count, rest @ ..] = value {
            let octets = usize::from(*count) * 4;
            let asns = words(rest.get(..octets).ok_or("an AS_PATH that is cut off")?);
            if *kind != 2 {
                return Err("a path segment that nobody has sent");
            }
            for asn in asns {
                if read.first_asn.is_none() {
                    read.first_asn = Some(asn);
                    if self.rules.daemon_asn.is_some() {
                        continue;
                    }
                }
                read.hash.hop(asn);
            }
            value = rest.get(octets..).unwrap_or_default();
        }
        Ok(())
    }

    /// Prefixes get `hash`; returns how many they were.
    fn prefixes(&mut self, mut octets: &[u8], family: Family, index: &Index, hash: u32) -> Result<u64, String> {
        if !octets.is_empty() && family != self.rules.family {
            return Err("prefixes of a family that was not asked for".to_owned());
        }
        let mut count = 0;
        while let [length, rest @ ..] = octets {
            let size = usize::from(length.div_ceil(8));
            if size > 8 || size > rest.len() {
                return Err(format!("a prefix of length {length}, which nobody has sent, or one that is cut off"));
            }
            let (address, rest) = rest.split_at(size);
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(address);
            let route = Route { bits: u64::from_be_bytes(bits), length: *length };
            let Some(number) = index.find(route.key()) else {
                return Err(format!("{}, which nobody has announced", text(family, route)));
            };
            self.state.set(number, hash);
            octets = rest;
            count += 1;
        }
        Ok(count)
    }
}

/// Of an UPDATE's attributes, as far as it matters here. Ranges are places in the attributes' octets.
#[derive(Default)]
struct Read {
    hash: AttributeHash,
    first_asn: Option<u32>,
    next_hop: Option<Ipv4Addr>,
    reachable: Range<usize>,
    unreachable: Range<usize>,
}

fn u16_at(octets: &[u8], at: usize) -> Option<usize> {
    let octets = octets.get(at..at + 2)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*octets)))
}

fn words(octets: &[u8]) -> impl Iterator<Item = u32> + '_ {
    octets.as_chunks::<4>().0.iter().map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::super::feed::{Feed, Sender, Wording};
    use super::*;

    const SENDER: Sender = Sender { asn: 64_601, address: Ipv4Addr::new(127, 1, 0, 1) };

    /// A table, what a sender says of it, and what a receiver behind the floor makes of that.
    fn through_floor(family: Family, count: usize) -> (Table, Feed, Heard) {
        let table = Table::new(family, count, 1);
        let mut feed = Feed::default();
        for group in &table.groups {
            feed.announce(family, SENDER, group, &table.routes, Wording { prepends: 1 });
        }
        let mut heard = Heard::new(Rules { family, daemon_asn: None, next_hop: None }, count);
        hear(&mut heard, &feed.octets, &table).unwrap();
        (table, feed, heard)
    }

    fn hear(heard: &mut Heard, mut octets: &[u8], table: &Table) -> Result<(), String> {
        let index = Index::new(table);
        while let Some(length) = u16_at(octets, 16) {
            heard.update(&octets[HEADER..length], &index)?;
            octets = &octets[length..];
        }
        Ok(())
    }

    #[test]
    fn what_was_said_is_what_was_heard() {
        for family in [Family::V4, Family::V6] {
            let (table, feed, heard) = through_floor(family, 2_000);
            let mut wanted = State::empty(2_000);
            feed.marks.iter().for_each(|mark| wanted.apply(mark));
            assert!(heard.state.is(&wanted), "{}", heard.state.difference(&wanted, &table));
            assert_eq!((heard.state.present(), heard.announced, heard.withdrawn), (2_000, 2_000, 0));
        }
    }

    #[test]
    fn a_withdrawn_prefix_is_gone_and_one_with_other_attributes_is_wrong() {
        let (table, feed, mut heard) = through_floor(Family::V4, 500);
        let mut wanted = State::empty(500);
        feed.marks.iter().for_each(|mark| wanted.apply(mark));
        let mut more = Feed::default();
        more.withdraw(table.routes[7], 7);
        hear(&mut heard, &more.octets, &table).unwrap();
        assert!(!heard.state.is(&wanted) && heard.state.get(7) == 0);
        let missing = heard.state.difference(&wanted, &table);
        assert!(missing.starts_with("1 prefixes missing ("), "{missing}");
        wanted.set(7, 0);
        assert!(heard.state.is(&wanted));
        let mut other = Feed::default();
        other.announce(Family::V4, SENDER, &table.groups[0], &table.routes, Wording { prepends: 2 });
        hear(&mut heard, &other.octets, &table).unwrap();
        assert!(heard.state.difference(&wanted, &table).contains("with wrong attributes"));
    }

    #[test]
    fn what_nobody_has_said_is_an_error() {
        let (table, feed, _) = through_floor(Family::V4, 200);
        let rules = Rules { family: Family::V4, daemon_asn: Some(65_000), next_hop: None };
        let error = hear(&mut Heard::new(rules, 200), &feed.octets, &table).unwrap_err();
        assert!(error.contains("instead of 65000"), "{error}");
        let rules = Rules { daemon_asn: None, next_hop: Some(Ipv4Addr::LOCALHOST), ..rules };
        let error = hear(&mut Heard::new(rules, 200), &feed.octets, &table).unwrap_err();
        assert!(error.contains("instead of 127.0.0.1"), "{error}");
        let other = Table::new(Family::V4, 200, 2);
        let rules = Rules { next_hop: None, ..rules };
        let error = hear(&mut Heard::new(rules, 200), &feed.octets, &other).unwrap_err();
        assert!(error.contains("nobody has announced"), "{error}");
    }
}
