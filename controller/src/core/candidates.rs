//! Links that come while the network runs: nothing leads over them before the verifier has looked at what they would change.
//!
//! Packets go their old ways meanwhile, which are as good as they were a moment ago. When something is lost it is other: a link over which nothing leads is a
//! detour that nobody takes, so that any loss lets all of them count, those too that were refused, from then on. Nor is a link withheld between switches that have no
//! other way, or before the fabric has settled, at a start or around a switch that is back with its rules: nearly all of what packets go by there is what the switches have,
//! and a start that waits for each link would be one without ways. So a start uses a refused link too, and what goes wrong is found behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use net::{PortId, Time};
use topology::{Change, Network};

use super::{Core, CoreEvent};
use crate::app::Event;
use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::path::Weights;

/// Without an answer for so long links are used, and what goes wrong is found behind.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// At least so long between two questions: each takes a copy of the network along, and a switch that is back brings many links.
const ASK_PAUSE: Duration = Duration::from_millis(100);

/// What the verifier is asked: what goes wrong once all links count?
#[derive(Clone, Debug)]
pub struct LinkQuestion {
    /// To answer by.
    pub number: u64,
    /// The network, with the links.
    pub network: Arc<Network>,
    /// The operator's rules.
    pub rules: Arc<OperatorRules>,
    /// Who must not reach whom.
    pub isolation: Arc<Isolation>,
    /// What links cost as it is stated, and which are withheld.
    pub weights: Arc<Weights>,
}

#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Of the newest question.
    number: u64,
    /// So long an answer is waited for; nothing is if there is nothing to answer.
    until: Option<Time>,
    /// When the next question is to be asked.
    next: Option<Time>,
    /// None before.
    not_before: Time,
    /// Ends of links that were found to make something worse. They are withheld, as all are that nobody has answered for yet.
    refused: BTreeSet<PortId>,
}

impl Candidates {
    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let next = self.next.map(|at| (at, "a question about links"));
        let until = self.until.map(|at| (at, "the verifier's answer"));
        [next, until].into_iter().flatten().min()
    }
}

impl Core {
    /// Links that come are withheld, and a loss ends that for all. What follows for paths is for the caller, who follows the changes.
    pub(super) fn withhold(&mut self, changes: &[Change], now: Time) {
        let network = self.discovery.network();
        let before = self.paths.weights().withheld();
        let may = self.config.verifies_links && self.settling.is_over();
        if before.is_empty() && !may {
            return;
        }
        let loses = |change: &Change| match change {
            Change::LinkDown { link, .. } => self.paths.has_link(link.source),
            Change::SwitchGone(_) => true,
            // Of a switch that has only lost its connection the links are still there.
            _ => false,
        };
        if changes.iter().any(loses) {
            self.use_all_links();
            return;
        }
        let mut withheld: BTreeSet<PortId> =
            before.iter().copied().filter(|port| network.is_bidirectional(*port)).collect();
        let mut have_come = false;
        for change in changes.iter().filter(|_| may) {
            let Change::LinkUp(link) = change else { continue };
            // What leads to where nothing did mends something.
            let ends = [link.source, link.target].map(|end| end.datapath_id);
            if network.is_bidirectional(link.source)
                && ends[0] != ends[1]
                && self.paths.distance(ends[0], ends[1]).is_some()
            {
                have_come |= withheld.insert(link.source);
                have_come |= withheld.insert(link.target);
            }
        }
        self.candidates.refused.retain(|port| withheld.contains(port));
        if withheld.is_empty() {
            (self.candidates.until, self.candidates.next) = (None, None);
        }
        self.paths.withhold(withheld, self.discovery.network());
        if have_come {
            self.ask_about_links(now);
        }
    }

    /// What counts has changed: links that are withheld may be well now, or nobody looks any more. Paths are brought up to date.
    pub(super) fn look_at_links_again(&mut self, now: Time) {
        if self.paths.weights().withheld().is_empty() {
            return;
        }
        if self.config.verifies_links {
            self.ask_about_links(now);
        } else {
            // Without rules of the operator nothing goes wrong by a link.
            if self.config.rules.is_empty() && self.config.isolation.is_empty() {
                self.candidates.refused.clear();
            }
            self.use_all_links();
            self.settle_links();
        }
    }

    /// The verifier's answer: links with these ends would make something worse, and all others that it was asked about are well. One to an older question counts
    /// for nothing: a newer one is under way.
    pub fn handle_links_verified(&mut self, number: u64, wrong: &BTreeSet<PortId>, now: Time) {
        if self.candidates.until.is_none() || self.candidates.next.is_some() || number != self.candidates.number {
            return;
        }
        let withheld = self.paths.weights().withheld();
        let refused: BTreeSet<PortId> = withheld.intersection(wrong).copied().collect();
        self.use_links_but(refused);
        self.turn(now);
    }

    /// Asks what is due, and waits no longer for who has not answered in time.
    pub(super) fn end_links_wait(&mut self, now: Time) {
        if self.candidates.next.is_some_and(|next| next <= now) {
            self.put_link_question(now);
        }
        if self.candidates.until.is_some_and(|until| until <= now) {
            let refused = std::mem::take(&mut self.candidates.refused);
            self.use_links_but(refused);
        }
    }

    fn use_links_but(&mut self, refused: BTreeSet<PortId>) {
        (self.candidates.until, self.candidates.next) = (None, None);
        self.candidates.refused.clone_from(&refused);
        self.paths.withhold(refused, self.discovery.network());
        self.settle_links();
    }

    fn settle_links(&mut self) {
        let changes = self.paths.settle();
        if !changes.is_empty() {
            self.counters.path_updates += 1;
            // Nothing is mended by it.
            self.reconciler.take_time();
            self.tell_apps(Event::Paths(&changes));
        }
    }

    fn use_all_links(&mut self) {
        let refused = std::mem::take(&mut self.candidates.refused);
        (self.candidates.until, self.candidates.next) = (None, None);
        if !refused.is_empty() {
            self.events.push_back(CoreEvent::LinksUsed(refused.into_iter().collect()));
        }
        self.paths.withhold(BTreeSet::new(), self.discovery.network());
    }

    fn ask_about_links(&mut self, now: Time) {
        // Who asks anew does not wait longer: links that come all the time do not keep the first one away.
        self.candidates.until = self.candidates.until.or(Some(now + ANSWER_LIMIT));
        self.candidates.next = Some(self.candidates.not_before.max(now));
        self.end_links_wait(now);
    }

    fn put_link_question(&mut self, now: Time) {
        self.candidates.number += 1;
        (self.candidates.next, self.candidates.not_before) = (None, now + ASK_PAUSE);
        let withheld = self.paths.weights().withheld().clone();
        let question = LinkQuestion {
            number: self.candidates.number,
            network: Arc::new(self.discovery.network().clone()),
            rules: self.config.rules.clone(),
            isolation: self.config.isolation.clone(),
            weights: Arc::new(self.config.weights.withholding(withheld)),
        };
        self.events.push_back(CoreEvent::LinksWait(Box::new(question)));
    }
}
