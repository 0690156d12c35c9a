//! Destinations that are forwarded alike: the atoms of Delta-net (Horn et al., NSDI 2017) over one field, eth_dst.
//!
//! Two destinations are of one atom if, on every switch and in every table, the rules that name them ask for the same otherwise and do the same, where
//! leaving by one edge port is the same as by another whose members are the same; if the masks that rules have on eth_dst
//! match both or neither; and if nothing else names one of them. What nobody names is of an atom too, one for each set of masks that it matches. What goes wrong for one of an atom goes
//! wrong for all of it.
//!
//! Atoms are brought up to date when they are asked for, for the destinations that have changed since.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use net::DatapathId;

use super::bits::Bits;
use super::fields::{Constraints, Field, Ternary};
use super::{Effect, RuleNumber, VerifiedRule};

/// What rules of one table do with the destinations that they name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Does {
    datapath_id: DatapathId,
    table: u8,
    pub(super) priority: u16,
    /// What is asked of all fields but eth_dst.
    pub(super) header: Ternary,
    pub(super) metadata: (u64, u64),
    pub(super) partial: bool,
    /// With one edge port for all that are alike.
    pub(super) effect: Effect,
}

/// The atoms for which a table does the same.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) does: Arc<Does>,
    pub(super) atoms: Bits,
    /// Rules that do so.
    rules: usize,
}

/// What tells one atom from another.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Profile {
    /// Numbers of labels, sorted.
    labels: Vec<u32>,
    /// Masks that it matches.
    masks: Bits,
    /// The one destination that is told apart by more than that.
    own: Option<u64>,
}

#[derive(Clone, Debug)]
struct Atom {
    profile: Arc<Profile>,
    members: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
struct Destination {
    /// Rules that name it and no port, and their labels where that is known.
    rules: Vec<(RuleNumber, Option<u32>)>,
    /// Others that name it.
    others: usize,
    atom: Option<usize>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Atoms {
    destinations: HashMap<u64, Destination>,
    changed: HashSet<u64>,
    /// Masks on eth_dst that are not the full one, with their values.
    masks: Vec<(u64, u64)>,
    masks_changed: bool,
    /// A destination that nobody names, for each set of masks.
    unnamed: Vec<(u64, usize)>,
    is_begun: bool,
    labels: Vec<Option<Label>>,
    free_labels: Vec<u32>,
    by_does: HashMap<Arc<Does>, u32>,
    by_table: HashMap<(DatapathId, u8), Vec<u32>>,
    atoms: Vec<Option<Atom>>,
    free_atoms: Vec<usize>,
    by_profile: HashMap<Arc<Profile>, usize>,
    all: Bits,
}

impl Atoms {
    /// A rule comes. `number` is that of a rule that names a destination and no port.
    pub(super) fn put(&mut self, rule: &VerifiedRule) {
        let Some(destination) = self.touch(rule) else { return };
        let of = self.destinations.entry(destination).or_default();
        match rule.in_port {
            None => of.rules.push((rule.number, None)),
            Some(_) => of.others += 1,
        }
    }

    /// A rule goes.
    pub(super) fn remove(&mut self, rule: &VerifiedRule) {
        let Some(destination) = self.touch(rule) else { return };
        let Some(of) = self.destinations.get_mut(&destination) else { return };
        match rule.in_port {
            None => {
                let Some(at) = of.rules.iter().position(|(number, _)| *number == rule.number) else { return };
                if let (_, Some(label)) = of.rules.swap_remove(at) {
                    self.release(label);
                }
            }
            Some(_) => of.others -= 1,
        }
    }

    /// Something that is no rule names a destination, for good.
    pub(super) fn name(&mut self, header: &Ternary) {
        match (header.exact(Field::EthDst), header.field(Field::EthDst)) {
            (Some(destination), _) => {
                self.destinations.entry(destination).or_default().others += 1;
                self.changed.insert(destination);
            }
            (None, (_, mask)) => self.masks_changed |= mask != 0,
        }
    }

    fn touch(&mut self, rule: &VerifiedRule) -> Option<u64> {
        let destination = rule.header.exact(Field::EthDst);
        match destination {
            Some(destination) => drop(self.changed.insert(destination)),
            None => self.masks_changed |= rule.header.field(Field::EthDst).1 != 0,
        }
        destination
    }

    fn release(&mut self, number: u32) {
        let Some(Some(label)) = self.labels.get_mut(number as usize) else { return };
        label.rules = label.rules.saturating_sub(1);
        self.sweep_label(number);
    }

    /// A label that nobody has is free.
    fn sweep_label(&mut self, number: u32) {
        let Some(slot) = self.labels.get_mut(number as usize) else { return };
        let Some(label) = slot.take_if(|label| label.rules == 0 && label.atoms.is_empty()) else { return };
        self.by_does.remove(&label.does);
        if let Some(of_table) = self.by_table.get_mut(&(label.does.datapath_id, label.does.table)) {
            of_table.retain(|other| *other != number);
        }
        self.free_labels.push(number);
    }

    /// Brings all up to date. Returns the atoms that are new, with numbers that others may have had.
    pub(super) fn refresh(
        &mut self,
        rules: &HashMap<RuleNumber, Arc<VerifiedRule>>,
        constraints: &Constraints,
        alike: impl Fn(&VerifiedRule) -> Effect,
    ) -> Bits {
        let mut fresh = Bits::default();
        if std::mem::take(&mut self.masks_changed) {
            let masks = constraints.masked(Field::EthDst);
            if masks != self.masks {
                self.masks = masks;
                self.changed.extend(self.destinations.keys());
                self.is_begun = false;
            }
        }
        let changed = std::mem::take(&mut self.changed);
        let mut again = !self.is_begun;
        for &destination in &changed {
            let Some(mut of) = self.destinations.remove(&destination) else { continue };
            for (number, label) in of.rules.iter_mut().filter(|(_, label)| label.is_none()) {
                *label = rules.get(number).map(|rule| self.label(rule, alike(rule)));
            }
            let before = of.atom.take();
            if of.rules.is_empty() && of.others == 0 {
                self.leave(destination, before);
                // It is among those now that nobody names, and may be the only one with its masks.
                again |=
                    !self.by_profile.contains_key(&Profile { masks: self.matched(destination), ..Profile::default() });
                continue;
            }
            again |= self.unnamed.iter().any(|(unnamed, _)| *unnamed == destination);
            let mut labels: Vec<u32> = of.rules.iter().filter_map(|(_, label)| *label).collect();
            labels.sort_unstable();
            let own = (of.others > 0).then_some(destination);
            let profile = Profile { labels, masks: self.matched(destination), own };
            of.atom = Some(self.join(destination, profile, before, &mut fresh));
            self.destinations.insert(destination, of);
        }
        if again {
            self.is_begun = true;
            for (destination, atom) in std::mem::take(&mut self.unnamed) {
                self.leave(destination, Some(atom));
            }
            for destination in constraints.values(Field::EthDst, 0, 0) {
                if !self.destinations.contains_key(&destination) {
                    let profile = Profile { masks: self.matched(destination), ..Profile::default() };
                    let atom = self.join(destination, profile, None, &mut fresh);
                    self.unnamed.push((destination, atom));
                }
            }
        }
        fresh
    }

    fn matched(&self, destination: u64) -> Bits {
        let masks = self.masks.iter().enumerate();
        masks.filter(|(_, (value, mask))| destination & mask == *value).map(|(n, _)| n).collect()
    }

    fn label(&mut self, rule: &VerifiedRule, effect: Effect) -> u32 {
        let does = Does {
            datapath_id: rule.datapath_id,
            table: rule.table,
            priority: rule.priority,
            header: rule.header.with(Field::EthDst, 0, 0),
            metadata: rule.metadata,
            partial: rule.partial,
            effect,
        };
        if let Some(&number) = self.by_does.get(&does) {
            if let Some(Some(label)) = self.labels.get_mut(number as usize) {
                label.rules += 1;
            }
            return number;
        }
        let does = Arc::new(does);
        let label = Label { does: does.clone(), atoms: Bits::default(), rules: 1 };
        let number = self.free_labels.pop().unwrap_or_else(|| {
            self.labels.push(None);
            u32::try_from(self.labels.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.labels.get_mut(number as usize) {
            *slot = Some(label);
        }
        self.by_table.entry((does.datapath_id, does.table)).or_default().push(number);
        self.by_does.insert(does, number);
        number
    }

    fn join(&mut self, destination: u64, profile: Profile, before: Option<usize>, fresh: &mut Bits) -> usize {
        if let Some(&number) = self.by_profile.get(&profile) {
            if before != Some(number) {
                self.leave(destination, before);
                if let Some(Some(atom)) = self.atoms.get_mut(number) {
                    atom.members.insert(destination);
                }
            }
            return number;
        }
        self.leave(destination, before);
        let number = self.free_atoms.pop().unwrap_or_else(|| {
            self.atoms.push(None);
            self.atoms.len() - 1
        });
        for label in &profile.labels {
            if let Some(Some(label)) = self.labels.get_mut(*label as usize) {
                label.atoms.insert(number);
            }
        }
        let profile = Arc::new(profile);
        self.by_profile.insert(profile.clone(), number);
        if let Some(slot) = self.atoms.get_mut(number) {
            *slot = Some(Atom { profile, members: BTreeSet::from([destination]) });
        }
        self.all.insert(number);
        fresh.insert(number);
        number
    }

    fn leave(&mut self, destination: u64, atom: Option<usize>) {
        let Some(number) = atom else { return };
        let Some(slot) = self.atoms.get_mut(number) else { return };
        let Some(atom) = slot else { return };
        atom.members.remove(&destination);
        if !atom.members.is_empty() {
            return;
        }
        let profile = atom.profile.clone();
        *slot = None;
        self.free_atoms.push(number);
        self.all.remove(number);
        self.by_profile.remove(&profile);
        for label in &profile.labels {
            if let Some(Some(of)) = self.labels.get_mut(*label as usize) {
                of.atoms.remove(number);
            }
            self.sweep_label(*label);
        }
    }

    /// The numbers of all.
    pub(super) fn all(&self) -> &Bits {
        &self.all
    }

    /// One destination of an atom.
    pub(super) fn example(&self, number: usize) -> Option<u64> {
        self.atoms.get(number)?.as_ref()?.members.first().copied()
    }

    /// The atom that is this destination alone, or that it is in because somebody names it.
    pub(super) fn of(&self, destination: u64) -> Option<usize> {
        self.destinations.get(&destination)?.atom
    }

    /// What a table does with destinations that its rules name; in no order.
    pub(super) fn labels(&self, datapath_id: DatapathId, table: u8) -> impl Iterator<Item = &Label> {
        let numbers = self.by_table.get(&(datapath_id, table)).into_iter().flatten();
        numbers.filter_map(|number| self.labels.get(*number as usize)?.as_ref())
    }
}
