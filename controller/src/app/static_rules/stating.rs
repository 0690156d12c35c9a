//! Lists of rules, stated in slices: first what is new or different, tables that others lead to before those, then in the opposite order what goes.
//! Another list that comes meanwhile waits until the one before is stated.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use net::DatapathId;

use super::{Numbered, OperatorRules, RuleList, StaticRule};
use crate::app::{Effects, SLICE_CHANGES};

/// Rules that are looked at in a slice, whether something has to be stated for them or not: comparing one takes about a fiftieth of stating one.
const SLICE_LOOKS: usize = 8_192;

/// What of the lists of all switches is stated.
#[derive(Debug, Default)]
pub(in crate::app) struct Stating {
    rules: OperatorRules,
    /// Switches of the network.
    switches: BTreeMap<DatapathId, Stated>,
    /// Those of them of which not everything is stated.
    stating: BTreeSet<DatapathId>,
}

/// What is stated for one switch.
#[derive(Debug, Default)]
struct Stated {
    /// All of this was, before `new`.
    old: RuleList,
    /// All of this will be. The same as `old` when nothing is left to state.
    new: RuleList,
    /// The same for groups and meters.
    old_numbered: Arc<Numbered>,
    new_numbered: Arc<Numbered>,
    pass: Pass,
    /// Rules of `old` and of `new` that this pass is done with.
    done: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Pass {
    /// Forwards, what is new or different.
    #[default]
    Put,
    /// Backwards, what goes.
    Remove,
}

/// What a slice may still do.
struct Budget {
    changes: usize,
    looks: usize,
}

impl Stating {
    /// These rules, for no switch yet.
    pub(in crate::app) fn new(rules: &OperatorRules) -> Stating {
        Stating { rules: rules.clone(), ..Stating::default() }
    }

    /// A switch is in the network.
    pub(in crate::app) fn switch_up(&mut self, at: DatapathId) {
        // A switch that comes back was in the network all the time: what is stated for it stays stated.
        if !self.switches.contains_key(&at) {
            let (new, new_numbered) = (self.rules.of(at).clone(), self.rules.numbered_of(at).clone());
            self.switches.insert(at, Stated { new, new_numbered, ..Stated::default() });
            self.stating.insert(at);
        }
    }

    /// A switch is not in the network any more.
    pub(in crate::app) fn switch_gone(&mut self, at: DatapathId) {
        self.switches.remove(&at);
        self.stating.remove(&at);
    }

    /// Other rules count from now on.
    pub(in crate::app) fn configured(&mut self, rules: &OperatorRules) {
        self.rules = rules.clone();
        for (&at, stated) in &mut self.switches {
            // Who is in the middle of something finishes that first.
            if !self.stating.contains(&at) && stated.go_on_to(rules.of(at), rules.numbered_of(at)) {
                self.stating.insert(at);
            }
        }
    }

    /// Whether something is left to state.
    pub(in crate::app) fn has_more(&self) -> bool {
        !self.stating.is_empty()
    }

    /// Whether something is left to state for a switch.
    pub(in crate::app) fn is_stating(&self, at: DatapathId) -> bool {
        self.stating.contains(&at)
    }

    /// States the next slice.
    pub(in crate::app) fn advance(&mut self, effects: &mut Effects<'_>) {
        let mut budget = Budget { changes: SLICE_CHANGES, looks: SLICE_LOOKS };
        while budget.changes > 0
            && budget.looks > 0
            && let Some(&at) = self.stating.first()
        {
            let Some(stated) = self.switches.get_mut(&at) else {
                self.stating.remove(&at);
                continue;
            };
            // The configuration may have changed meanwhile.
            if stated.advance(at, &mut budget, effects)
                && !stated.go_on_to(self.rules.of(at), self.rules.numbered_of(at))
            {
                self.stating.remove(&at);
            }
        }
    }
}

impl Stated {
    /// Begins with the difference to another list; false if it is the same one.
    fn go_on_to(&mut self, new: &RuleList, numbered: &Arc<Numbered>) -> bool {
        if self.old.is(new) && Arc::ptr_eq(&self.old_numbered, numbered) {
            return false;
        }
        (self.new, self.new_numbered, self.pass, self.done) = (new.clone(), numbered.clone(), Pass::Put, (0, 0));
        true
    }

    /// States as much of the difference as the budget allows; true when all of it is stated.
    fn advance(&mut self, at: DatapathId, budget: &mut Budget, effects: &mut Effects<'_>) -> bool {
        while budget.changes > 0 && budget.looks > 0 {
            budget.looks -= 1;
            match self.pass {
                Pass::Put => {
                    if self.done == (0, 0) {
                        // Before the rules that point to them, and all in this turn.
                        self.new_numbered.put(at, &self.old_numbered, effects);
                        budget.changes = budget.changes.saturating_sub(self.new_numbered.len()).max(1);
                    }
                    let (old, new) = (self.old.rules().get(self.done.0), self.new.rules().get(self.done.1));
                    let Some(new) = new else {
                        (self.pass, self.done) = (Pass::Remove, (0, 0));
                        continue;
                    };
                    let order = old.map_or(Ordering::Greater, |old| old.compare(new));
                    if order != Ordering::Greater {
                        self.done.0 += 1;
                    }
                    if order != Ordering::Less {
                        self.done.1 += 1;
                        if order == Ordering::Greater || old.is_none_or(|old| old.rule != new.rule) {
                            budget.changes -= 1;
                            effects.set_rule(at, new.rule.key, Some(&new.rule));
                        }
                    }
                }
                Pass::Remove => {
                    let from_end = |list: &[StaticRule], done: usize| list.len().checked_sub(done + 1);
                    let old = from_end(self.old.rules(), self.done.0).and_then(|n| self.old.rules().get(n));
                    let new = from_end(self.new.rules(), self.done.1).and_then(|n| self.new.rules().get(n));
                    let Some(old) = old else {
                        self.new_numbered.remove(at, &self.old_numbered, effects);
                        self.old_numbered = self.new_numbered.clone();
                        (self.old, self.pass, self.done) = (self.new.clone(), Pass::Put, (0, 0));
                        return true;
                    };
                    let order = new.map_or(Ordering::Greater, |new| old.compare(new));
                    if order != Ordering::Less {
                        self.done.0 += 1;
                    }
                    if order != Ordering::Greater {
                        self.done.1 += 1;
                    } else {
                        budget.changes -= 1;
                        effects.remove_rule(at, &old.rule);
                    }
                }
            }
        }
        false
    }
}
