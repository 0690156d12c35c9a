//! Sets of small numbers, as bits.

use std::cmp::Ordering;

use smallvec::SmallVec;

/// A set of small numbers: the words that are not zero, each with its place, sorted. One number of many takes as much as one of few.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct Bits(SmallVec<[(u32, u64); 2]>);

/// Of two sets whose lengths differ by this factor the longer one is searched, not walked.
const SEARCH: usize = 8;

impl Bits {
    fn place(number: usize) -> (u32, u64) {
        (u32::try_from(number / 64).unwrap_or(u32::MAX), 1 << (number % 64))
    }

    fn find(&self, place: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&place, |(at, _)| *at)
    }

    fn word(&self, place: u32) -> u64 {
        self.find(place).ok().and_then(|at| self.0.get(at)).map_or(0, |(_, word)| *word)
    }

    pub(super) fn insert(&mut self, number: usize) {
        let (place, bit) = Bits::place(number);
        match self.find(place) {
            Ok(at) => self.0.iter_mut().skip(at).take(1).for_each(|(_, word)| *word |= bit),
            Err(at) => self.0.insert(at, (place, bit)),
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        let (place, bit) = Bits::place(number);
        self.subtract(&Bits(SmallVec::from_slice(&[(place, bit)])));
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        let (place, bit) = Bits::place(number);
        self.word(place) & bit != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn meets(&self, other: &Bits) -> bool {
        !self.and(other).is_empty()
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Bits) -> Bits {
        let (short, long) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        let mut both = SmallVec::new();
        if long.0.len() > short.0.len() * SEARCH {
            both.extend(
                short.0.iter().map(|&(place, word)| (place, word & long.word(place))).filter(|(_, word)| *word != 0),
            );
            return Bits(both);
        }
        let mut rest = long.0.iter().peekable();
        for &(place, word) in &short.0 {
            while rest.next_if(|(at, _)| *at < place).is_some() {}
            if let Some(&&(at, with)) = rest.peek()
                && at == place
                && word & with != 0
            {
                both.push((place, word & with));
            }
        }
        Bits(both)
    }

    pub(super) fn add(&mut self, other: &Bits) {
        if other.0.is_empty() {
            return;
        }
        let (mut ours, mut theirs) = (self.0.iter().copied().peekable(), other.0.iter().copied().peekable());
        let mut sum = SmallVec::new();
        loop {
            sum.push(match (ours.peek().copied(), theirs.peek().copied()) {
                (None, None) => break,
                (Some(one), None) => {
                    ours.next();
                    one
                }
                (None, Some(one)) => {
                    theirs.next();
                    one
                }
                (Some(one), Some(other)) => match one.0.cmp(&other.0) {
                    Ordering::Less => {
                        ours.next();
                        one
                    }
                    Ordering::Greater => {
                        theirs.next();
                        other
                    }
                    Ordering::Equal => {
                        ours.next();
                        theirs.next();
                        (one.0, one.1 | other.1)
                    }
                },
            });
        }
        self.0 = sum;
    }

    pub(super) fn subtract(&mut self, other: &Bits) {
        if other.0.is_empty() {
            return;
        }
        if other.0.len() * SEARCH < self.0.len() {
            for &(place, word) in &other.0 {
                if let Ok(at) = self.find(place) {
                    self.0.iter_mut().skip(at).take(1).for_each(|(_, of)| *of &= !word);
                }
            }
        } else {
            let mut rest = other.0.iter().peekable();
            for (place, word) in &mut self.0 {
                while rest.next_if(|(at, _)| *at < *place).is_some() {}
                if let Some((_, without)) = rest.peek().filter(|(at, _)| at == place) {
                    *word &= !without;
                }
            }
        }
        self.0.retain(|(_, word)| *word != 0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|&(place, word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(place as usize * 64 + bit)
            })
        })
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Bits {
        let mut bits = Bits::default();
        numbers.into_iter().for_each(|number| bits.insert(number));
        bits
    }
}
