//! What happens to all of a source's routes: a refresh, a session that ends, another import policy.
//!
//! That such a thing has happened is put down in the source's [`Holding`] at once, whatever it has. Its prefixes are then
//! visited, in slices of bounded work: few of them at once, many between other inputs ([`Rib::work`]). Routes may come
//! meanwhile, the next such thing may happen, and the session may be over or back: each path says by its stamp what is
//! to become of it. Until its turn comes, a path that is to go still counts in the decision.

use super::attribute_table::AttributeTable;
use super::holding::{Fate, Holding};
use super::import::{self, Import, Ineligible};
use super::table::Ranks;
use super::{AttributeId, Effective, Rib, RouteAttributes, SourceId, SourceSlot, family_index, terrestrial};
use crate::policy::Policy;
use crate::wire::{Community, Family, PathAttributes};
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Prefixes that are visited at once when something happens to a source's routes: a neighbour that has no more waits for
/// nothing.
pub(super) const AT_ONCE: usize = 1024;

/// What a visit costs where import is asked again, in visits where it is not.
const REWORK_COST: usize = 4;

impl Rib {
    /// The source starts to send a family again (RFC 7313 §4).
    pub fn handle_refresh_begin(&mut self, id: SourceId, family: Family) {
        self.change(id, family, false, |holding| {
            holding.refresh_begins();
            true
        });
    }

    /// The source has sent a family again: what it did not send is gone (RFC 7313 §4).
    pub fn handle_refresh_end(&mut self, id: SourceId, family: Family) {
        self.change(id, family, false, |holding| {
            holding.refresh_ends();
            true
        });
    }

    /// The session of a source is gone and its routes of `family` are kept for it (RFC 4724 §4.2). Those that were
    /// kept before and have not come again since go.
    pub fn handle_stale_begin(&mut self, id: SourceId, family: Family) {
        self.change(id, family, false, Holding::session_ends);
    }

    /// The source is back and has sent what it has, or has been given enough time: what was kept and did not come again
    /// goes.
    pub fn handle_stale_end(&mut self, id: SourceId, family: Family) {
        self.change(id, family, false, |holding| {
            holding.stale_ends();
            true
        });
    }

    /// Stale routes are kept for longer (RFC 9494 §4.3): those with NO_LLGR go, the others get LLGR_STALE and are the
    /// last resort from here on.
    pub fn handle_long_lived(&mut self, id: SourceId, family: Family) {
        self.change(id, family, true, |holding| {
            holding.long_lived_begins();
            true
        });
    }

    /// All routes of one family from one source are gone.
    pub fn handle_family_down(&mut self, id: SourceId, family: Family) {
        self.change(id, family, false, Holding::everything_ends);
    }

    /// A source's import policy changed: its routes are judged again from the Adj-RIB-In.
    pub fn handle_import_policy(&mut self, id: SourceId, policy: Policy) {
        let Some(Some(slot)) = self.sources.get_mut(id.index()) else { return };
        slot.source.import = policy;
        for family in Rib::FAMILIES {
            self.change(id, family, true, |_| true);
        }
    }

    /// Some routes are still to be visited: call [`Rib::work`].
    pub fn has_work(&self) -> bool {
        !self.sweeps.is_empty()
    }

    /// Visits about `limit` prefixes of sources whose routes something has happened to, one source after the other;
    /// `false` if there was nothing to do.
    pub fn work(&mut self, limit: usize) -> bool {
        let mut left = limit;
        let mut worked = false;
        while left > 0
            && let Some((id, family)) = self.sweeps.pop_front()
        {
            worked = true;
            left = left.saturating_sub(self.sweep(id, family, left));
        }
        worked
    }

    /// How many prefixes are visited at once when something happens to a source's routes, before the rest waits for
    /// [`Rib::work`].
    pub const fn set_at_once(&mut self, prefixes: usize) {
        self.at_once = prefixes;
    }

    /// Puts down what has happened, and begins to act on it. `rework`: import is asked again. Where `change` is not
    /// possible, what is left to do has to be done before.
    fn change(&mut self, id: SourceId, family: Family, rework: bool, change: impl Fn(&mut Holding) -> bool) {
        let Some(index) = family_index(family) else { return };
        if self.holding_mut(id, index).map(&change) == Some(false) {
            // Hundreds of sessions have ended while this was left to do.
            self.finish(id, index);
            self.holding_mut(id, index).map(&change);
        }
        if self.holding_mut(id, index).is_some_and(|holding| holding.ask_for_sweep(rework)) {
            self.sweep(id, index, self.at_once);
        }
    }

    fn holding_mut(&mut self, id: SourceId, family: usize) -> Option<&mut Holding> {
        self.sources.get_mut(id.index())?.as_mut()?.holdings.get_mut(family)
    }

    /// All that is left to do about these routes.
    fn finish(&mut self, id: SourceId, family: usize) {
        if let Some(holding) = self.holding_mut(id, family) {
            holding.begin_again();
            self.sweeps.retain(|waiting| *waiting != (id, family));
            self.sweep(id, family, usize::MAX);
        }
    }

    /// Visits prefixes until that has cost `limit`, and says what it has cost: one for each, and more where there are many
    /// paths. What is left then waits for its turn.
    fn sweep(&mut self, id: SourceId, family: usize, limit: usize) -> usize {
        let (Some(table), Some(Some(slot))) = (self.tables.get_mut(family), self.sources.get_mut(id.index())) else {
            return 0;
        };
        let SourceSlot { source, holdings, left_out, .. } = slot;
        let source = &*source;
        let Some(holding) = holdings.get_mut(family) else { return 0 };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let (options, martians) = (&self.config.import, &self.martians);
        let of_family = table.family;
        // By attribute set, which no two of these routes have freed meanwhile: their paths hold them. Looked up, never
        // iterated over but to let go.
        let mut known: BTreeMap<AttributeId, (Import, Effective)> = BTreeMap::new();
        let mut cost = 0;
        while cost < limit
            && let Some((prefix, rework)) = holding.next()
        {
            cost += table.paths.cost(prefix) * if rework { REWORK_COST } else { 1 };
            let gone = holding.gone();
            if !gone.is_empty() {
                table.remove_where(prefix, id, |path| gone.contains(path.stamp), holding, &ranks);
            }
            if holding.has_many_stamps() {
                table.restamp(prefix, id, holding);
            }
            let Some(network) = table.prefix(prefix).filter(|_| rework) else { continue };
            table.reimport(prefix, id, holding, &ranks, |attributes, received, fate| {
                let (import, effective) = known.entry(received).or_insert_with(|| {
                    self.policy_evaluations += 1;
                    let import = match attributes.get(received) {
                        Some(route) => import::import(of_family, &route.attributes, route.next_hop, source, options),
                        None => Import::Refused(Ineligible::RejectedByPolicy),
                    };
                    (import, Effective::default())
                });
                let (state, modified) = import.outcome(network);
                let state = terrestrial(state, network, martians);
                let effective = effective.id(attributes, received, modified, source);
                if fate == Fate::LongLived {
                    return Some((long_lived(attributes, received, effective)?, state));
                }
                left_out.count(state);
                attributes.retain(effective);
                Some((effective, state))
            });
        }
        known.into_values().for_each(|(_, effective)| effective.release(&mut table.attributes));
        if holding.sweep.is_some() {
            self.sweeps.push_back((id, family));
        } else {
            self.drop_if_empty(id);
        }
        cost
    }

    /// Lets go of a source that is to leave and has left nothing behind.
    pub(super) fn drop_if_empty(&mut self, id: SourceId) {
        if let (Some(place), Some(rank)) = (self.sources.get_mut(id.index()), self.ranks.get_mut(id.index()))
            && place.as_ref().is_some_and(|slot| slot.leaving && slot.holdings.iter().all(Holding::is_done))
        {
            (*place, *rank) = (None, None);
        }
    }
}

/// A set as it is while its route is kept for long, with a reference for the caller; `None`: such a route is not kept,
/// whoever has put the community there (RFC 9494 §4.2).
fn long_lived(attributes: &mut AttributeTable, received: AttributeId, effective: AttributeId) -> Option<AttributeId> {
    let has = |attributes: &AttributeTable, id, community| {
        attributes.get(id).is_some_and(|route| route.attributes.communities.contains(&community))
    };
    if has(attributes, received, Community::NO_LLGR) || has(attributes, effective, Community::NO_LLGR) {
        return None;
    }
    if has(attributes, effective, Community::LLGR_STALE) {
        attributes.retain(effective);
        return Some(effective);
    }
    let route = attributes.get(effective)?;
    let mut marked = PathAttributes::clone(&route.attributes);
    marked.communities.push(Community::LLGR_STALE);
    Some(attributes.intern(RouteAttributes { attributes: Arc::new(marked), next_hop: route.next_hop }))
}
