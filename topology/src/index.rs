//! Where in a list something is: hash to number in eight octets, for who keeps many things once and finds them in several ways.

/// Half of a hash in the upper half; below it the number, plus one. 0 is a free place.
type Entry = u64;

fn entry(hash: u32, at: u32) -> Entry {
    u64::from(hash) << 32 | u64::from(at.wrapping_add(1))
}

fn hash_of(entry: Entry) -> u32 {
    (entry >> 32) as u32
}

fn number_of(entry: Entry) -> u32 {
    (entry as u32).wrapping_sub(1)
}

/// Places of the smallest table.
const FIRST: usize = 8;
/// Places up to which memory counts more than time.
const SMALL: usize = 64;

/// Of so many places so many may be taken: fewer where there are many, for the way to a free one becomes long. There always is one.
fn most(places: usize) -> usize {
    if places <= SMALL { places - places / 8 } else { places - places / 4 }
}

/// Numbers by hash. What has the number is looked at by whoever asks: two things may have one hash. The number `u32::MAX` is nobody's.
///
/// An entry stands at the place that its hash says or, if that is taken, at the next free one, with no free place in between. What is
/// entered after it was looked for in vain is written where was just read: one line of the cache, where a table with its control octets
/// apart has two.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// A power of two of places, or none.
    places: Vec<Entry>,
    len: usize,
}

impl Index {
    /// How many entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number that has this hash and is the right one.
    #[inline]
    pub fn find(&self, hash: u32, mut is_right: impl FnMut(u32) -> bool) -> Option<u32> {
        self.find_place(hash, |entry| hash_of(entry) == hash && is_right(number_of(entry)))
            .map(|(_, entry)| number_of(entry))
    }

    /// One more. The caller knows that it is not there.
    pub fn insert(&mut self, hash: u32, at: u32) {
        if self.len + 1 > most(self.places.len()) {
            self.grow();
        }
        self.put(entry(hash, at));
        self.len += 1;
    }

    /// Take an entry out; whether it was there.
    pub fn remove(&mut self, hash: u32, at: u32) -> bool {
        let wanted = entry(hash, at);
        let Some((mut free, _)) = self.find_place(hash, |entry| entry == wanted) else { return false };
        // Those behind it close the gap, as far as each may: not before the place that its hash says.
        let mask = self.places.len() - 1;
        let mut next = free;
        loop {
            next = (next + 1) & mask;
            let entry = self.places.get(next).copied().unwrap_or(0);
            if entry == 0 {
                break;
            }
            let home = hash_of(entry) as usize & mask;
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(free) & mask) {
                self.set(free, entry);
                free = next;
            }
        }
        self.set(free, 0);
        self.len -= 1;
        // What a flood has made grow is given back.
        if self.places.len() > 1_024 && self.len < self.places.len() / 16 {
            self.resize(self.places.len() / 4);
        }
        true
    }

    /// Nothing is left, and no memory is held.
    pub fn clear(&mut self) {
        *self = Index::default();
    }

    #[inline]
    fn find_place(&self, hash: u32, mut is_it: impl FnMut(Entry) -> bool) -> Option<(usize, Entry)> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        // Ends at a free place; without any places at once.
        while let Some(&entry) = self.places.get(at).filter(|&&entry| entry != 0) {
            if is_it(entry) {
                return Some((at, entry));
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash_of(entry) as usize & mask;
        while self.places.get(at).is_some_and(|&taken| taken != 0) {
            at = (at + 1) & mask;
        }
        self.set(at, entry);
    }

    fn set(&mut self, at: usize, entry: Entry) {
        if let Some(place) = self.places.get_mut(at) {
            *place = entry;
        }
    }

    /// Twice as many places. In the memory that there is: what the kernel has not given yet costs more than to go through all of it.
    fn grow(&mut self) {
        let old = self.places.len();
        self.places.resize((old * 2).max(FIRST), 0);
        let mask = self.places.len() - 1;
        let mut later = Vec::new();
        // Those before the first free place may have come round the end.
        let mut may_be_round = true;
        for at in 0..old {
            let entry = self.places.get(at).copied().unwrap_or(0);
            if entry == 0 {
                may_be_round = false;
                continue;
            }
            self.set(at, 0);
            // Its place is in the new half, or not behind the one that it had: between, everything is where it belongs already.
            let home = hash_of(entry) as usize & mask;
            let behind = self.places.get(home..).unwrap_or_default();
            match behind.iter().position(|&taken| taken == 0) {
                Some(free) if !may_be_round => self.set(home + free, entry),
                _ => later.push(entry),
            }
        }
        for entry in later {
            self.put(entry);
        }
    }

    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.places, vec![0; places]);
        for entry in old.into_iter().filter(|&entry| entry != 0) {
            self.put(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_finds_what_was_put_in_and_not_taken_out(
            steps in proptest::collection::vec((any::<bool>(), 0..4_000u32), 0..6_000),
        ) {
            // Few hashes: many numbers share one.
            let hash = |at: u32| at % 500 * 0x0101;
            let (mut index, mut plain) = (Index::default(), BTreeMap::new());
            for (put, at) in steps {
                if put && plain.insert(at, ()).is_none() {
                    index.insert(hash(at), at);
                } else if !put {
                    prop_assert_eq!(index.remove(hash(at), at), plain.remove(&at).is_some());
                }
            }
            prop_assert_eq!((index.len(), index.is_empty()), (plain.len(), plain.is_empty()));
            for at in 0..4_000 {
                let found = index.find(hash(at), |found| found == at);
                prop_assert_eq!(found, plain.contains_key(&at).then_some(at));
            }
        }
    }
}
