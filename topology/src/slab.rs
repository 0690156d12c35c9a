//! A list that only grows and never moves what it holds: no copy and no long turn when it grows, and a place is found by its number.
//!
//! Segments of 4, 8, 16 … entries: at most half of what is reserved is unused, and the kernel gives memory for what is used only.

/// Entries of the first segment.
const FIRST: usize = 4;

/// Entries by number, from 0.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { segments: Vec::new(), len: 0 }
    }
}

/// Which segment, and where in it.
fn place(at: usize) -> (usize, usize) {
    let beyond = at + FIRST;
    let segment = (beyond.ilog2() - FIRST.ilog2()) as usize;
    (segment, beyond - (FIRST << segment))
}

impl<T> Slab<T> {
    /// How many entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more; its number.
    pub fn push(&mut self, entry: T) -> usize {
        let at = self.len;
        let (segment, _) = place(at);
        if segment == self.segments.len() {
            self.segments.push(Vec::with_capacity(FIRST << segment));
        }
        if let Some(segment) = self.segments.get_mut(segment) {
            segment.push(entry);
            self.len += 1;
        }
        at
    }

    /// An entry.
    pub fn get(&self, at: usize) -> Option<&T> {
        let (segment, at) = place(at);
        self.segments.get(segment)?.get(at)
    }

    /// An entry, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (segment, at) = place(at);
        self.segments.get_mut(segment)?.get_mut(at)
    }

    /// All entries in the order of their numbers.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.segments.iter().flatten()
    }

    /// Nothing is left, and no memory is held.
    pub fn clear(&mut self) {
        *self = Slab::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_slab_is_a_list(entries in proptest::collection::vec(any::<u16>(), 0..2_000), changed in 0..2_000usize) {
            let (mut slab, mut list) = (Slab::default(), Vec::new());
            for entry in entries {
                prop_assert_eq!(slab.push(entry), list.len());
                list.push(entry);
            }
            if let Some(entry) = list.get_mut(changed) {
                *entry ^= 1;
                *slab.get_mut(changed).expect("as long as the list") ^= 1;
            }
            prop_assert_eq!((slab.len(), slab.is_empty()), (list.len(), list.is_empty()));
            prop_assert_eq!(slab.iter().collect::<Vec<_>>(), list.iter().collect::<Vec<_>>());
            for at in 0..list.len() + 20 {
                prop_assert_eq!(slab.get(at), list.get(at));
            }
            slab.clear();
            prop_assert_eq!((slab.len(), slab.get(0)), (0, None));
        }
    }
}
