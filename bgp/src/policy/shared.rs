//! Values that many hold and that compare by content: the sets and programs of policies, which stand in the terms of
//! update groups.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A shared value that is compared by content, at the price of a pointer where the same one is meant and of a number
/// where the contents differ.
pub struct Shared<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// Unseeded, so that the order is the same in every run. A collision costs a comparison of the contents.
    fingerprint: u64,
    value: T,
}

impl<T: Hash> Shared<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Shared<T> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Shared(Arc::new(Inner { fingerprint: hasher.finish(), value }))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Eq> PartialEq for Shared<T> {
    fn eq(&self, other: &Shared<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.fingerprint == other.0.fingerprint && self.0.value == other.0.value)
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Ord> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Shared<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Shared<T> {
    fn cmp(&self, other: &Shared<T>) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.fingerprint.cmp(&other.0.fingerprint).then_with(|| self.0.value.cmp(&other.0.value))
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

/// Something for people that makes no difference: all notes are equal. A policy that was only moved or renamed is the
/// same policy.
#[derive(Clone, Default)]
pub struct Note<T>(pub T);

impl<T> PartialEq for Note<T> {
    fn eq(&self, _: &Note<T>) -> bool {
        true
    }
}

impl<T> Eq for Note<T> {}

impl<T> PartialOrd for Note<T> {
    fn partial_cmp(&self, other: &Note<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Note<T> {
    fn cmp(&self, _: &Note<T>) -> Ordering {
        Ordering::Equal
    }
}

impl<T> Hash for Note<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<T: fmt::Debug> fmt::Debug for Note<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_are_equal_whoever_made_them_and_notes_make_no_difference() {
        let (one, same, other) = (Shared::new(vec![1, 2]), Shared::new(vec![1, 2]), Shared::new(vec![1, 3]));
        assert_eq!((one == same, one.cmp(&same)), (true, Ordering::Equal));
        assert_ne!(one, other);
        assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        assert_eq!(Note("here"), Note("there"));
    }
}
