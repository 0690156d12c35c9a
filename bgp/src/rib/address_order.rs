//! The order of prefixes by address: chains of ids, one for each range of addresses, sorted when they are read.
//!
//! There are some 65,000 ranges, in rows that exist where there are prefixes, and nobody pays for the order who does not
//! read. A chain that has become long is split by the next octet of the address, and again, as far as it takes: a page
//! costs about its own size wherever the prefixes lie.

use super::prefix_table::{Key, PrefixId};
use smallvec::SmallVec;

/// Ranges of addresses: all values of 16 bits, and what is below and above in IPv6.
pub(super) const RANGES: usize = (1 << 16) + 2;

/// Ranges of a row: a table with few prefixes has few rows, and whoever reads passes over those that it does not have.
const ROW: usize = 256;

/// A chain that would become longer is split; a page sorts at most two that it takes only parts of. No range of 16 bits of
/// IPv4 as it is routed has so many.
const LONG: u32 = 1024;

/// What has been split, and has become as short as this, is one chain again. Far from [`LONG`], so that nobody can have
/// it split and joined with few routes.
const SHORT: u32 = 256;

/// No id: the end of a chain.
const NONE: u32 = u32::MAX;

/// Instead of a length: the chain is split, and `first` says which of the splits it is.
const SPLIT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: u32,
    len: u32,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { first: NONE, len: 0 };
}

/// One bucket for each value of an octet.
#[derive(Debug)]
struct Split {
    buckets: Box<[Bucket]>,
    /// Prefixes below.
    len: u32,
}

#[derive(Default, Debug)]
pub(super) struct AddressOrder {
    /// By range; empty as long as the table is.
    rows: Vec<Option<Box<[Bucket; ROW]>>>,
    splits: Vec<Split>,
    free: Vec<u32>,
    /// By id the one before and the one after in its chain.
    chain: Vec<[u32; 2]>,
}

/// Where a bucket is.
#[derive(Clone, Copy)]
enum Place {
    Range(usize),
    /// Of a split, the bucket of an octet.
    Octet(u32, usize),
}

impl AddressOrder {
    /// There is one more id.
    pub(super) fn make_room(&mut self) {
        self.chain.push([NONE; 2]);
    }

    fn bucket_mut(&mut self, place: Place) -> Option<&mut Bucket> {
        match place {
            Place::Range(range) => self.rows.get_mut(range / ROW)?.as_mut()?.get_mut(range % ROW),
            Place::Octet(split, octet) => self.splits.get_mut(split as usize)?.buckets.get_mut(octet),
        }
    }

    pub(super) fn link<K: Key>(&mut self, key: K, id: u32, key_of: impl Fn(u32) -> Option<K>) {
        let range = key.range();
        if self.rows.is_empty() {
            self.rows = vec![None; RANGES.div_ceil(ROW)];
        }
        if let Some(row @ None) = self.rows.get_mut(range / ROW) {
            *row = Some(Box::new([Bucket::EMPTY; ROW]));
        }
        let (mut place, mut depth) = (Place::Range(range), K::depth(range));
        loop {
            let Some(bucket) = self.bucket_mut(place).copied() else { return };
            if bucket.len == SPLIT {
                if let Some(split) = self.splits.get_mut(bucket.first as usize) {
                    split.len += 1;
                }
                place = Place::Octet(bucket.first, key.octet(depth));
                depth += 1;
            } else if bucket.len < LONG || depth == K::OCTETS {
                return self.push(place, id);
            } else {
                self.split(place, depth, &key_of);
            }
        }
    }

    fn push(&mut self, place: Place, id: u32) {
        let Some(bucket) = self.bucket_mut(place) else { return };
        let next = std::mem::replace(&mut bucket.first, id);
        bucket.len += 1;
        if let Some([before, _]) = self.chain.get_mut(next as usize) {
            *before = id;
        }
        if let Some(links) = self.chain.get_mut(id as usize) {
            *links = [NONE, next];
        }
    }

    fn split<K: Key>(&mut self, place: Place, depth: usize, key_of: impl Fn(u32) -> Option<K>) {
        let split = Split { buckets: vec![Bucket::EMPTY; 256].into(), len: 0 };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.splits.get_mut(number as usize) {
                    *free = split;
                }
                number
            }
            None => {
                self.splits.push(split);
                self.splits.len() as u32 - 1
            }
        };
        let Some(bucket) = self.bucket_mut(place) else { return };
        let Bucket { first, len } = std::mem::replace(bucket, Bucket { first: number, len: SPLIT });
        if let Some(split) = self.splits.get_mut(number as usize) {
            split.len = len;
        }
        let mut id = first;
        while let (Some([_, next]), Some(key)) = (self.chain.get(id as usize).copied(), key_of(id)) {
            self.push(Place::Octet(number, key.octet(depth)), id);
            id = next;
        }
    }

    pub(super) fn unlink<K: Key>(&mut self, key: K, id: u32) {
        let (mut place, mut depth) = (Place::Range(key.range()), K::depth(key.range()));
        let mut way: SmallVec<[(Place, u32); 4]> = SmallVec::new();
        while let Some(bucket) = self.bucket_mut(place).copied().filter(|bucket| bucket.len == SPLIT) {
            way.push((place, bucket.first));
            if let Some(split) = self.splits.get_mut(bucket.first as usize) {
                split.len -= 1;
            }
            place = Place::Octet(bucket.first, key.octet(depth));
            depth += 1;
        }
        let Some([before, next]) = self.chain.get(id as usize).copied() else { return };
        if let Some([_, after]) = self.chain.get_mut(before as usize) {
            *after = next;
        } else if let Some(bucket) = self.bucket_mut(place) {
            bucket.first = next;
        }
        if let Some([back, _]) = self.chain.get_mut(next as usize) {
            *back = before;
        }
        if let Some(bucket) = self.bucket_mut(place) {
            bucket.len -= 1;
        }
        let is_short = |split: u32| self.splits.get(split as usize).is_some_and(|split| split.len <= SHORT);
        if let Some((place, split)) = way.into_iter().find(|(_, split)| is_short(*split)) {
            self.join(place, split);
        }
    }

    /// Makes one chain of a split and all below it.
    fn join(&mut self, place: Place, split: u32) {
        let mut ids: SmallVec<[u32; SHORT as usize]> = SmallVec::new();
        let mut splits: SmallVec<[u32; 16]> = SmallVec::from_iter([split]);
        while let Some(number) = splits.pop() {
            self.free.push(number);
            let Some(split) = self.splits.get_mut(number as usize) else { continue };
            for bucket in std::mem::take(&mut split.buckets) {
                if bucket.len == SPLIT {
                    splits.push(bucket.first);
                    continue;
                }
                let mut id = bucket.first;
                while let Some([_, next]) = self.chain.get(id as usize) {
                    ids.push(id);
                    id = *next;
                }
            }
        }
        if let Some(bucket) = self.bucket_mut(place) {
            *bucket = Bucket::EMPTY;
        }
        ids.into_iter().for_each(|id| self.push(place, id));
    }

    /// At most `limit` behind `after`, in order, and how many links that took.
    pub(super) fn page<K: Key>(
        &self,
        after: Option<K>,
        limit: usize,
        key_of: impl Fn(u32) -> Option<K>,
    ) -> (Vec<(K, PrefixId)>, usize) {
        let from = after.map_or(0, Key::range);
        let mut reader = Reader { order: self, limit, key_of, page: Vec::new(), visited: 0 };
        let rows =
            self.rows.iter().enumerate().skip(from / ROW).filter_map(|(row, buckets)| Some((row, buckets.as_ref()?)));
        let ranges = rows.flat_map(|(row, buckets)| (row * ROW..).zip(&**buckets));
        for (range, bucket) in ranges.skip_while(|(range, _)| *range < from) {
            if bucket.len > 0 && !reader.read(*bucket, K::depth(range), after.filter(|_| range == from)) {
                break;
            }
        }
        (reader.page, reader.visited)
    }
}

struct Reader<'a, K, F> {
    order: &'a AddressOrder,
    limit: usize,
    key_of: F,
    page: Vec<(K, PrefixId)>,
    visited: usize,
}

impl<K: Key, F: Fn(u32) -> Option<K>> Reader<'_, K, F> {
    /// Adds what is in a bucket and behind `after`; `false`: the page is full. `depth`: the octet by which it is split.
    fn read(&mut self, bucket: Bucket, depth: usize, after: Option<K>) -> bool {
        if bucket.len == SPLIT {
            let Some(split) = self.order.splits.get(bucket.first as usize) else { return true };
            let from = after.map_or(0, |after| after.octet(depth));
            for (octet, bucket) in split.buckets.iter().enumerate().skip(from) {
                if bucket.len > 0 && !self.read(*bucket, depth + 1, after.filter(|_| octet == from)) {
                    return false;
                }
            }
            return true;
        }
        let start = self.page.len();
        let mut id = bucket.first;
        while let (Some(key), Some([_, next])) = ((self.key_of)(id), self.order.chain.get(id as usize)) {
            if after.is_none_or(|after| key > after) {
                self.page.push((key, PrefixId(id)));
            }
            self.visited += 1;
            id = *next;
        }
        // Where a chain holds more than is left of the page, only that is sorted.
        let wanted = self.limit - start;
        if self.page.len() - start > wanted
            && let Some(range) = self.page.get_mut(start..)
        {
            range.select_nth_unstable(wanted);
            self.page.truncate(self.limit);
        }
        if let Some(range) = self.page.get_mut(start..) {
            range.sort_unstable();
        }
        self.page.len() < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::super::prefix_table::PrefixTable;
    use super::*;
    use net::Prefix;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn v4(number: u32) -> Prefix {
        // One /16, lengths mixed.
        let length = if number.is_multiple_of(7) && number.is_multiple_of(256) { 24 } else { 32 };
        Prefix::new(Ipv4Addr::from_bits(0x0a01_0000 + number).into(), length).unwrap()
    }

    fn v6(number: u32) -> Prefix {
        Prefix::new(Ipv6Addr::from_bits(0xfc00_0000_00aa << 80 | u128::from(number) << 64).into(), 64).unwrap()
    }

    #[test]
    fn a_page_costs_about_its_own_size_where_all_prefixes_are_in_one_range() {
        for (mut table, prefix, count) in [
            (PrefixTable::ipv4(7), v4 as fn(u32) -> Prefix, 60_000),
            (PrefixTable::ipv6(7), v6 as fn(u32) -> Prefix, 100_000),
        ] {
            // Not in order, and once more after half of them have gone.
            for number in 0..count {
                table.intern(prefix(number * 7919 % count)).unwrap();
            }
            for round in 0..2 {
                let (mut after, mut listed) = (None, 0);
                loop {
                    let (page, visited) = table.page_and_cost(after, 100);
                    assert!(visited <= 100 + 2 * LONG as usize, "{visited} visited in round {round}");
                    assert!(page.is_sorted() && page.first().is_none_or(|(first, _)| Some(*first) > after));
                    listed += page.len();
                    let Some((last, _)) = page.last() else { break };
                    after = Some(*last);
                }
                assert_eq!(listed, table.len());
                for number in (0..count).filter(|number| number % 2 == 0) {
                    if let Some(id) = table.get(prefix(number)) {
                        table.release(id);
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_become_short_is_one_chain_again() {
        let mut table = PrefixTable::ipv6(7);
        let ids: Vec<PrefixId> = (0..20_000).map(|number| table.intern(v6(number)).unwrap()).collect();
        let PrefixTable::V6(keys) = &table else { unreachable!() };
        assert!(keys.order().splits.len() - keys.order().free.len() > 5);
        ids[100..].iter().for_each(|id| table.release(*id));
        let PrefixTable::V6(keys) = &table else { unreachable!() };
        let order = keys.order();
        assert_eq!(order.splits.len(), order.free.len());
        assert!(order.splits.iter().all(|split| split.buckets.is_empty()));
        assert_eq!(table.page(None, 1_000).len(), 100);
    }
}
