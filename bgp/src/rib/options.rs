//! Other options for tables that have routes: what the decision compares, what a missing LOCAL_PREF counts as, and who we
//! are for the loop checks.
//!
//! A decision with other options goes through the tables in slices. Meanwhile a prefix whose turn has not come has the
//! best path of the options before, or of both where its paths change; once its turn has come it has the right one, and
//! keeps it.

use super::table::{Ranks, SourceRank};
use super::{DecisionOptions, ImportOptions, PrefixId, Rib, SourceId};

/// Attribute sets that one slice looks at: each is looked through for LOCAL_PREF.
const SETS_PER_SLICE: usize = 4096;

/// Prefixes that one slice chooses for, if they have few paths.
const PREFIXES_PER_SLICE: usize = 2048;

/// How far the tables have been gone through, the first one first.
#[derive(Debug)]
pub(super) struct Review {
    table: usize,
    /// Attribute sets that have been looked at.
    sets: usize,
    /// Prefixes that have been chosen for.
    prefixes: usize,
    /// Several paths are no longer used side by side: followers hear of prefixes where they may have been.
    alone: bool,
    /// There are other options since it began: all over again afterwards, with this as `alone`. Never back to the start
    /// before the end was reached, or who changes something often keeps the last prefixes from ever having their turn.
    again: Option<bool>,
}

impl Review {
    const fn new(alone: bool) -> Review {
        Review { table: 0, sets: 0, prefixes: 0, alone, again: None }
    }
}

impl Rib {
    /// Other knobs of the decision. Takes effect prefix by prefix: call [`Rib::review`] until it is done.
    pub fn set_decision(&mut self, decision: DecisionOptions) {
        let alone = self.config.decision.multipath.is_on() && !decision.multipath.is_on();
        self.config.decision = decision;
        self.watch_multipath();
        self.begin_review(alone);
    }

    /// What a missing LOCAL_PREF counts as. Takes effect prefix by prefix: call [`Rib::review`] until it is done.
    pub fn set_default_local_pref(&mut self, default_local_pref: u32) {
        self.config.default_local_pref = default_local_pref;
        for table in &mut self.tables {
            table.attributes.set_default_local_pref(default_local_pref);
        }
        self.begin_review(false);
    }

    /// Who we are, for the checks of routes that come from here on; [`Rib::handle_import_policy`] has those of a source
    /// that are there looked at again.
    pub fn set_import_options(&mut self, options: ImportOptions) {
        self.config.import = options;
        if let (Some(Some(slot)), Some(rank)) =
            (self.sources.get_mut(Rib::LOCAL.index()), self.ranks.get_mut(Rib::LOCAL.index()))
        {
            slot.source.asn = options.asn;
            slot.source.router_id = options.router_id;
            *rank = Some(SourceRank::of(&slot.source));
        }
    }

    /// Other rules for what a source sends from here on; [`Rib::handle_import_policy`] has the routes that are there
    /// looked at again.
    pub fn set_import_rules(&mut self, id: SourceId, rules: super::ImportRules, enforce_first_as: bool) {
        if let Some(Some(slot)) = self.sources.get_mut(id.index()) {
            slot.source.rules = rules;
            slot.source.enforce_first_as = enforce_first_as;
        }
    }

    /// A slice of what other options ask for; `false` once there is no more.
    pub fn review(&mut self) -> bool {
        let Some(review) = &mut self.review else { return false };
        let Some(table) = self.tables.get_mut(review.table) else {
            self.review = review.again.map(Review::new);
            return self.review.is_some();
        };
        let ranks = Ranks { by_source: &self.ranks, options: &self.config.decision };
        let (sets, prefixes) = (table.attributes.slots(), table.paths.len());
        if review.sets < sets {
            let end = sets.min(review.sets + SETS_PER_SLICE);
            table.attributes.rank_again(review.sets..end);
            review.sets = end;
        } else if review.prefixes < prefixes {
            let mut cost = 0;
            while cost < PREFIXES_PER_SLICE && review.prefixes < prefixes {
                let id = PrefixId(review.prefixes as u32);
                cost += table.paths.cost(id);
                table.select_again(id, review.alone, &ranks);
                review.prefixes += 1;
            }
        } else {
            (review.table, review.sets, review.prefixes) = (review.table + 1, 0, 0);
        }
        true
    }

    /// All of it from here on: where one is under way, that one first.
    fn begin_review(&mut self, alone: bool) {
        match &mut self.review {
            Some(review) => {
                review.alone |= alone;
                if (review.table, review.sets, review.prefixes) != (0, 0, 0) {
                    review.again = Some(review.again.unwrap_or(false) | alone);
                }
            }
            None => self.review = Some(Review::new(alone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rib, RibConfig, Source, SourceId, SourceKind};
    use super::*;
    use crate::policy::Policy;
    use crate::session::{Announcement, RouteUpdate};
    use crate::wire::{AsPath, Asn, Family, NextHop, Nlri, Origin, PathAttributes, RouterId};
    use net::{Ipv4Prefix, Prefix, Time};
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    const V4: Family = Family::IPV4_UNICAST;
    /// More than two slices.
    const COUNT: u32 = 5000;

    fn prefix(number: u32) -> Prefix {
        Prefix::V4(Ipv4Prefix::new(Ipv4Addr::from_bits(0x0b00_0000 + (number << 8)), 24).unwrap())
    }

    fn rib(decision: DecisionOptions, default_local_pref: u32) -> Rib {
        let import = ImportOptions::new(Asn(65001), RouterId::from_u32(1));
        Rib::new(RibConfig { import, decision, default_local_pref, seed: 7 })
    }

    fn source(rib: &mut Rib, number: u8, kind: SourceKind) -> SourceId {
        rib.add_source(Source {
            kind,
            confederation: false,
            client: false,
            asn: Asn(65000 + u32::from(number)),
            router_id: RouterId::from_u32(number.into()),
            address: Some([192, 0, 2, number].into()),
            local_address: None,
            import: Policy::Accept,
            enforce_first_as: false,
            rules: super::super::ImportRules::default(),
        })
    }

    /// From 2 the shorter path with a LOCAL_PREF of its own, from 3 a longer one without.
    fn load(rib: &mut Rib) -> [SourceId; 2] {
        let sources = [source(rib, 2, SourceKind::Internal), source(rib, 3, SourceKind::External)];
        for (id, path, local_pref, med) in [(sources[0], 1, Some(120), Some(5)), (sources[1], 3, None, None)] {
            for number in 0..COUNT {
                // Of two attribute sets for each prefix some are shared and some are not.
                let path: Vec<Asn> = (0..path).map(|_| Asn(65100 + number % 1000)).collect();
                let attributes =
                    PathAttributes { local_pref, med, ..PathAttributes::new(Origin::Igp, AsPath::sequence(&path)) };
                let announced = Announcement {
                    nlri: vec![Nlri::new(prefix(number))],
                    attributes: Arc::new(attributes),
                    next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 9)),
                };
                let update = RouteUpdate { family: V4, withdrawn: Vec::new(), announced: Some(announced) };
                rib.handle_routes(id, &update, Time::ZERO);
            }
        }
        sources
    }

    fn bests(rib: &Rib) -> Vec<Option<SourceId>> {
        (0..COUNT).map(|number| rib.best(prefix(number)).map(|route| route.source)).collect()
    }

    #[test]
    fn other_options_come_to_what_a_table_made_with_them_has_and_no_slice_is_the_whole_table() {
        let ignoring = DecisionOptions { ignore_as_path_length: true, ..DecisionOptions::default() };
        let worst = DecisionOptions { always_compare_med: true, missing_med_worst: true, ..ignoring };
        for (decision, default_local_pref) in [(ignoring, 120), (worst, 120), (ignoring, 300), (worst, 100)] {
            let mut expected = rib(decision, default_local_pref);
            load(&mut expected);
            let mut changed = rib(DecisionOptions::default(), 100);
            load(&mut changed);
            let before = bests(&changed);
            changed.set_decision(decision);
            changed.set_default_local_pref(default_local_pref);
            assert_eq!(bests(&changed), before, "nothing without a slice");
            let mut slices = 0;
            let mut seen = before;
            while changed.review() {
                let now = bests(&changed);
                let different = now.iter().zip(&seen).filter(|(now, seen)| now != seen).count();
                assert!(different <= PREFIXES_PER_SLICE, "{different}");
                (slices, seen) = (slices + 1, now);
            }
            assert!(slices > 3, "{slices}");
            assert_eq!(seen, bests(&expected), "{decision:?} {default_local_pref}");
        }
    }

    #[test]
    fn what_changes_while_the_tables_are_gone_through_comes_out_right_too() {
        let decision = DecisionOptions { ignore_as_path_length: true, ..DecisionOptions::default() };
        let mut changed = rib(DecisionOptions::default(), 100);
        let [internal, _] = load(&mut changed);
        changed.set_default_local_pref(200);
        changed.set_decision(decision);
        for number in [0, 1, COUNT - 1] {
            assert!(changed.review());
            let gone = RouteUpdate { family: V4, withdrawn: vec![Nlri::new(prefix(number))], announced: None };
            changed.handle_routes(internal, &gone, Time::ZERO);
        }
        let late = source(&mut changed, 4, SourceKind::External);
        let attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65004)]));
        for number in [2, COUNT - 2] {
            let announced = Announcement {
                nlri: vec![Nlri::new(prefix(number))],
                attributes: Arc::new(PathAttributes { local_pref: Some(201), ..attributes.clone() }),
                next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 9)),
            };
            let update = RouteUpdate { family: V4, withdrawn: Vec::new(), announced: Some(announced) };
            changed.handle_routes(late, &update, Time::ZERO);
        }
        while changed.review() {}
        for number in 0..COUNT {
            let expected = if [2, COUNT - 2].contains(&number) { 4 } else { 3 };
            let best = changed.best(prefix(number)).unwrap();
            assert_eq!(changed.source(best.source).unwrap().router_id, RouterId::from_u32(expected), "{number}");
        }
    }

    #[test]
    fn options_that_change_all_the_time_keep_no_prefix_from_its_turn() {
        let mut changed = rib(DecisionOptions::default(), 100);
        let [_, external] = load(&mut changed);
        changed.set_default_local_pref(300);
        for turn in 0..20 {
            changed.review();
            // Of no matter to these routes.
            let decision = DecisionOptions { missing_med_worst: turn % 2 == 0, ..DecisionOptions::default() };
            changed.set_decision(decision);
        }
        assert!(bests(&changed).iter().all(|best| *best == Some(external)));
        // A change in the middle of a pass counts for those before it too.
        changed.set_default_local_pref(100);
        while changed.review() {}
        assert!(bests(&changed).iter().all(|best| best.is_some_and(|best| best != external)));
    }

    #[test]
    fn followers_hear_that_paths_are_no_longer_used_side_by_side() {
        let both = DecisionOptions {
            multipath: crate::rib::Multipath { ebgp: 2, ibgp: 2, relaxed: true },
            ..DecisionOptions::default()
        };
        let mut changed = rib(both, 100);
        for number in [2, 3] {
            let id = source(&mut changed, number, SourceKind::External);
            let announced = Announcement {
                nlri: vec![Nlri::new(prefix(0))],
                attributes: Arc::new(PathAttributes::new(
                    Origin::Igp,
                    AsPath::sequence(&[Asn(65000 + u32::from(number))]),
                )),
                next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, number)),
            };
            changed.handle_routes(
                id,
                &RouteUpdate { family: V4, withdrawn: Vec::new(), announced: Some(announced) },
                Time::ZERO,
            );
        }
        let mut follower = changed.follow(V4);
        let next_hops = |changes: Vec<crate::rib::Change>| {
            changes.last().and_then(|change| change.best.as_ref()).map(|route| route.further_next_hops.len())
        };
        assert_eq!(next_hops(changed.changes(&mut follower, 100)), Some(1));
        while !changed.changes(&mut follower, 100).is_empty() {}
        changed.set_decision(DecisionOptions::default());
        // What comes in between does not make it forget.
        changed.set_default_local_pref(100);
        while changed.review() {}
        assert_eq!(next_hops(changed.changes(&mut follower, 100)), Some(0));
        changed.unfollow(follower);
    }
}
