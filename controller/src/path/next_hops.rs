//! Sets of ports with their alternate, each once per switch: next hops towards thousands of destinations are the same few sets.

use net::PortNo;
use smallvec::SmallVec;
use topology::Index;

/// No next hop.
pub(super) const NONE: u16 = 0;

#[derive(Clone, Debug)]
struct Set {
    ports: SmallVec<[PortNo; 4]>,
    alternate: Option<PortNo>,
    /// Destinations that are reached by it.
    users: u32,
}

/// The sets of one switch. At most one per destination is in use, so that [`super::MAX_SWITCHES`] bounds them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    /// Number `n` stands at `n - 1`.
    sets: Vec<Set>,
    free: Vec<u16>,
    index: Index,
}

impl Sets {
    /// Ascending, and the alternate to the only one; nothing for [`NONE`].
    pub(super) fn hops(&self, number: u16) -> (&[PortNo], Option<PortNo>) {
        let set = number.checked_sub(1).and_then(|at| self.sets.get(at as usize));
        set.map_or((&[], None), |set| (set.ports.as_slice(), set.alternate))
    }

    /// The number of a set, with one user more.
    pub(super) fn take(&mut self, ports: &[PortNo], alternate: Option<PortNo>) -> u16 {
        if ports.is_empty() {
            return NONE;
        }
        let hash = hash(ports, alternate);
        let is_it = |set: &Set| set.ports.as_slice() == ports && set.alternate == alternate;
        let found = self.index.find(hash, |at| self.sets.get(at as usize).is_some_and(is_it));
        if let Some(at) = found {
            self.sets[at as usize].users += 1;
            return at as u16 + 1;
        }
        let set = Set { ports: SmallVec::from_slice(ports), alternate, users: 1 };
        let number = match self.free.pop() {
            Some(number) => {
                self.sets[number as usize - 1] = set;
                number
            }
            None => {
                self.sets.push(set);
                self.sets.len() as u16
            }
        };
        self.index.insert(hash, u32::from(number) - 1);
        number
    }

    /// One user less; a set without users is no more.
    pub(super) fn give_back(&mut self, number: u16) {
        let Some(at) = number.checked_sub(1) else { return };
        let Some(set) = self.sets.get_mut(at as usize) else { return };
        set.users = set.users.saturating_sub(1);
        if set.users == 0 {
            let hash = hash(&set.ports, set.alternate);
            set.ports = SmallVec::new();
            self.index.remove(hash, u32::from(at));
            self.free.push(number);
        }
    }

    /// Octets in use, about.
    pub(super) fn octets(&self) -> usize {
        let spilled: usize =
            self.sets.iter().filter(|set| set.ports.spilled()).map(|set| set.ports.capacity() * 4).sum();
        self.sets.capacity() * size_of::<Set>() + spilled + self.free.capacity() * 2 + self.index.len() * 16
    }
}

fn hash(ports: &[PortNo], alternate: Option<PortNo>) -> u32 {
    // FNV-1a over whole numbers, folded: nobody outside chooses how sets of ports fall together.
    let hash = ports
        .iter()
        .chain(&alternate)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, port| (hash ^ u64::from(port.0)).wrapping_mul(0x0000_0100_0000_01b3));
    ((hash >> 32) ^ hash) as u32
}
