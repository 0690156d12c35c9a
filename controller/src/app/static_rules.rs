//! The first table: LLDP, and broadcast probes where they are sent, to the controller, the operator's rules, everything else to the next table. Also the tables, groups and meters that are the
//! operator's own.
//!
//! There may be a hundred thousand rules, so that they are stated in slices (`stating`).

mod numbered;
mod rules;
mod stating;

use std::sync::Arc;

use net::DatapathId;
use openflow::{Instruction, Match};
use topology::Change;
use topology::probe::BDDP;

use super::{App, Effects, Event, Recovered, RuleSet, View, to_controller};
use crate::flow::pipeline::{CLASSIFY, STATIC, operator};
use crate::flow::{Key, Owner, Rule, RuleId};

pub use numbered::{Numbered, StaticGroup, StaticMeter};
pub use rules::{OperatorRules, RuleDifference, RuleList, StaticRule};
pub(in crate::app) use stating::Stating;

const KIND_FIXED: u8 = 1;
/// Which of the fixed rules brings broadcast probes here.
const FIXED_BDDP: u64 = 2;

const ETH_TYPE_LLDP: u16 = 0x88cc;

/// The application.
#[derive(Debug, Default)]
pub struct StaticRules {
    rules: Arc<OperatorRules>,
    stating: Stating,
    /// Whether the rule for broadcast probes is stated.
    broadcast_probes: bool,
}

impl StaticRules {
    /// The operator's rules, for no switch yet.
    pub fn new(rules: Arc<OperatorRules>) -> StaticRules {
        StaticRules { stating: Stating::new(&rules), rules, broadcast_probes: false }
    }
}

/// Rules that every switch has; the last one only where broadcast probes are sent.
fn fixed_rules() -> impl Iterator<Item = Rule> {
    let to_controller = Instruction::ApplyActions(vec![to_controller()]);
    let bddp_to_controller = to_controller.clone();
    let rows = [
        (operator::LLDP, Match::new().with_eth_type(ETH_TYPE_LLDP), to_controller),
        (operator::MISS, Match::new(), Instruction::GotoTable(CLASSIFY)),
        (operator::LLDP, Match::new().with_eth_type(BDDP.0), bddp_to_controller),
    ];
    rows.into_iter().enumerate().filter_map(|(n, (priority, match_, does))| {
        let key = Key { owner: Owner::StaticRules, kind: KIND_FIXED, a: n as u64, b: 0 };
        // None of them is too long.
        Rule::new(key, STATIC, priority, match_, vec![does]).ok()
    })
}

/// Those of them that are wanted now, and the keys of the others.
fn fixed(view: &View<'_>) -> impl Iterator<Item = (Key, Option<Rule>)> {
    let broadcast = view.broadcast_probes;
    fixed_rules().map(move |rule| (rule.key, Some(rule).filter(|rule| rule.key.a != FIXED_BDDP || broadcast)))
}

impl App for StaticRules {
    fn owner(&self) -> Owner {
        Owner::StaticRules
    }

    fn handle(&mut self, event: Event<'_>, view: &View<'_>, effects: &mut Effects<'_>) {
        match event {
            Event::Change(Change::SwitchUp(at)) if view.network.switches.contains_key(at) => {
                fixed(view).for_each(|(key, rule)| effects.set_rule(*at, key, rule.as_ref()));
                self.broadcast_probes = view.broadcast_probes;
                self.stating.switch_up(*at);
            }
            Event::Change(Change::SwitchGone(at)) => self.stating.switch_gone(*at),
            Event::Configured(configured) => {
                self.rules = configured.rules.clone();
                self.stating.configured(&self.rules);
                let changed =
                    std::mem::replace(&mut self.broadcast_probes, view.broadcast_probes) != view.broadcast_probes;
                for at in view.network.switches.keys().filter(|_| changed) {
                    let probes = fixed(view).filter(|(key, _)| key.a == FIXED_BDDP);
                    probes.for_each(|(key, rule)| effects.set_rule(*at, key, rule.as_ref()));
                }
            }
            _ => {}
        }
    }

    fn has_more(&self) -> bool {
        self.stating.has_more()
    }

    fn is_stating(&self, at: DatapathId) -> bool {
        self.stating.is_stating(at)
    }

    fn advance(&mut self, _: &View<'_>, effects: &mut Effects<'_>) {
        self.stating.advance(effects);
    }

    fn rules(&self, at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
        if view.network.switches.contains_key(&at) {
            fixed(view).filter_map(|(_, rule)| rule).for_each(|rule| rules.rule(rule));
            let numbered = self.rules.numbered_of(at);
            numbered.meters().for_each(|meter| rules.meter(meter.meter.clone()));
            numbered.groups().for_each(|group| rules.group(group.group.clone()));
            self.rules.of(at).rules().iter().for_each(|rule| rules.rule(rule.rule.clone()));
        }
    }

    /// What the operator says is in the configuration, not on the switch.
    fn recover(&self, _: DatapathId, _: &mut dyn Iterator<Item = RuleId>, _: &mut Recovered) {}
}
