//! The one event queue: by time, and among equals in the order of scheduling. Nothing else decides what happens first.

use net::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things to happen, each at its time.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    next_sequence: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Time,
    sequence: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue { heap: BinaryHeap::new(), next_sequence: 0 }
    }

    pub(crate) fn push(&mut self, at: Time, what: T) {
        self.heap.push(Reverse(Entry { at, sequence: self.next_sequence, what }));
        self.next_sequence += 1;
    }

    /// The time of the next thing.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next thing that is due by `now`, with its time.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(Time, T)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Entry<T>) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_come_out_in_the_order_of_scheduling() {
        let mut queue = Queue::new();
        queue.push(Time::from_secs(2), "c");
        queue.push(Time::from_secs(1), "a");
        queue.push(Time::from_secs(1), "b");
        let due: Vec<&str> = std::iter::from_fn(|| queue.pop_due(Time::from_secs(1))).map(|(_, what)| what).collect();
        assert_eq!(due, ["a", "b"]);
        assert_eq!(queue.next_at(), Some(Time::from_secs(2)));
    }
}
