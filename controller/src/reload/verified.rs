//! A configuration is looked at before it is taken on, and again whenever the network has another shape.
//!
//! What it takes is done in a thread of its own, with the newest picture of the network. A loss is not for us to refuse: what goes wrong
//! by it is told in the log and among the events, once, and once more when it is over. Links that come are looked at before ([`links`]).

pub(crate) mod links;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::PortId;
use tokio::sync::watch;
use topology::Network;

use super::kept::Kept;
use super::{Counted, Refusal};
use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::config::{Config, VerifyMode};
use crate::io::fabric::{About, HappeningKind, Happenings, Snapshot};
use crate::path::Weights;
use crate::verdict::{Finding, Question, Verdict, check_while, made_worse};

/// A network that changes is looked at when it has rested for so long: a start brings one link after the other.
const REST: Duration = Duration::from_secs(2);
/// A look that somebody waits for takes so long at most; a hundred thousand rules take a part of a second. What could not be looked at whole by then is refused, for
/// nothing is taken on that was not verified, and with `verify: warn` told as not proven. Who asks over HTTP waits a minute. Without
/// optimisation everything takes some ten times as long.
const WAITED_FOR: Duration = Duration::from_secs(if cfg!(debug_assertions) { 300 } else { 30 });
/// A look that nobody waits for.
const BEHIND: Duration = Duration::from_secs(10);
/// Lines of one answer that are told; the first finding is what to look at first.
const LINES_TOLD: usize = 60;

/// Whether there is time left of a look that begins now.
fn within(limit: Duration) -> impl Fn() -> bool {
    let start = Instant::now();
    move || start.elapsed() < limit
}

/// What of the configuration the answer hangs on.
#[derive(Clone, Debug)]
pub(crate) struct LookedAt {
    mode: VerifyMode,
    rules: Arc<OperatorRules>,
    isolation: Arc<Isolation>,
    weights: Arc<Weights>,
}

impl From<&Config> for LookedAt {
    fn from(config: &Config) -> LookedAt {
        LookedAt {
            mode: config.verify,
            rules: config.flows.clone(),
            isolation: config.isolate.clone(),
            weights: config.weights.clone(),
        }
    }
}

/// Before anything is known of the network: lines to warn of. No configuration that a reload has taken may keep a controller from starting.
pub(crate) fn before_the_start(config: &Config) -> Vec<String> {
    let nothing = config.flows.is_empty() && config.isolate.is_empty();
    if config.verify == VerifyMode::Off || nothing {
        return Vec::new();
    }
    let verdict = check_while(&Question::at_start(config), &within(BEHIND));
    decided(VerifyMode::Warn, &verdict, "in any network").unwrap_or_default()
}

/// The network that a configuration is looked at in.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    network: Arc<Network>,
    /// Ends of links over which nothing leads.
    withheld: BTreeSet<PortId>,
}

impl From<&Snapshot> for Now {
    fn from(snapshot: &Snapshot) -> Now {
        Now { network: snapshot.network.clone(), withheld: snapshot.weights.withheld().clone() }
    }
}

impl Now {
    /// What a configuration says of links, without those over which nothing leads.
    pub(crate) fn weights(&self, config: &Config) -> Arc<Weights> {
        match self.withheld.is_empty() {
            true => config.weights.clone(),
            false => Arc::new(config.weights.withholding(self.withheld.clone())),
        }
    }
}

/// What a change of the configuration is, for the verifier: nothing where there is nothing to look at.
struct Change {
    before: Question,
    after: Question,
    is_known: bool,
}

impl Change {
    fn new(old: &Config, new: &Config, now: &Now) -> Option<Change> {
        let same_rules = Arc::ptr_eq(&old.flows, &new.flows) || old.flows == new.flows;
        let same = same_rules && old.isolate == new.isolate && old.weights == new.weights;
        let nothing = new.flows.is_empty() && new.isolate.is_empty();
        if new.verify == VerifyMode::Off || same || nothing {
            return None;
        }
        let is_known = !now.network.switches.is_empty();
        let question =
            |config: &Config| Question { weights: now.weights(config), ..Question::new(config, now.network.clone()) };
        let (before, after) = match is_known {
            true => (question(old), question(new)),
            false => (Question::at_start(old), Question::at_start(new)),
        };
        Some(Change { before, after, is_known })
    }

    /// What goes wrong by it that did not before. The time counts from when it is known what counts now.
    fn look(&self, kept: &Kept) -> Verdict {
        match self.is_known {
            true => kept.with(&self.before, |standing| standing.made_worse(&self.after, &within(WAITED_FOR))),
            false => made_worse(&self.before, &self.after, &within(WAITED_FOR)),
        }
    }

    /// The same for who may take long: a reload does not wait for it.
    fn look_beside(&self, kept: &Kept) -> Verdict {
        match self.is_known {
            true => kept.copy(&self.before).made_worse(&self.after, &within(WAITED_FOR)),
            false => made_worse(&self.before, &self.after, &within(WAITED_FOR)),
        }
    }

    fn place(&self) -> String {
        match self.is_known {
            true => format!("in the network of {} switches as it is now", self.before.network.switches.len()),
            false => "in any network".to_owned(),
        }
    }
}

/// Another configuration in the network as it is: lines to warn of, or why it is refused.
pub(super) async fn reload(
    old: &Config,
    new: &Config,
    is_way_back: bool,
    now: Now,
    kept: Arc<Kept>,
) -> Result<Vec<String>, Refusal> {
    let Some(change) = Change::new(old, new, &now) else { return Ok(Vec::new()) };
    let mode = if is_way_back { VerifyMode::Warn } else { new.verify };
    let looked = tokio::task::spawn_blocking(move || (change.look(&kept), change.place())).await;
    let (verdict, place) =
        looked.map_err(|error| Refusal::Process(format!("the rules could not be looked at: {error}")))?;
    decided(mode, &verdict, &place).map_err(|lines| Refusal::File(lines.join("\n")))
}

/// What [`reload`] would say, worked out here and now: warnings, or why it would be refused.
pub(super) fn would(old: &Config, new: &Config, now: &Now, kept: &Kept) -> Vec<String> {
    let Some(change) = Change::new(old, new, now) else { return Vec::new() };
    let verdict = change.look_beside(kept);
    decided(new.verify, &verdict, "in the network as it is now").unwrap_or_else(|mut lines| {
        lines.insert(0, "verify: this configuration would be refused".to_owned());
        lines
    })
}

/// What is said of an answer, as warnings or as the reason of a refusal.
fn decided(mode: VerifyMode, verdict: &Verdict, place: &str) -> Result<Vec<String>, Vec<String>> {
    let mut lines = Vec::new();
    if !verdict.wrong.is_empty() {
        let count = verdict.wrong.len();
        let things = if count == 1 { "1 thing goes".to_owned() } else { format!("{count} things go") };
        lines.push(format!("verify: by these rules {things} wrong {place}"));
        lines.extend(verdict.lines());
        cut(&mut lines);
        if mode == VerifyMode::Refuse {
            lines.push("nothing has changed; `verify: warn` would take it on".to_owned());
            return Err(lines);
        }
    }
    if verdict.is_unfinished && mode == VerifyMode::Refuse {
        let limit = WAITED_FOR.as_secs();
        return Err(vec![
            format!("verify: the rules could not be looked at whole within {limit} s {place}"),
            "nothing has changed; `verify: warn` would take it on".to_owned(),
        ]);
    }
    if !verdict.not_proven.is_empty() {
        let mut more = vec!["verify: not proven, for headers change or a match is not followed".to_owned()];
        more.extend(verdict.not_proven.iter().flat_map(Finding::lines));
        cut(&mut more);
        lines.extend(more);
    }
    Ok(lines)
}

fn cut(lines: &mut Vec<String>) {
    if lines.len() > LINES_TOLD {
        let more = lines.len() - LINES_TOLD;
        lines.truncate(LINES_TOLD);
        lines.push(format!("and {more} lines more"));
    }
}

/// Looks at the configuration in every shape of the network that has come to rest.
pub(crate) async fn watch(
    mut looked_at: watch::Receiver<LookedAt>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    happenings: Arc<Happenings>,
    counted: Arc<Counted>,
    kept: Arc<Kept>,
) {
    let mut told: Vec<Finding> = Vec::new();
    let mut seen: Option<(u64, LookedAt)> = None;
    loop {
        let changed = tokio::select! {
            changed = snapshots.changed() => changed.is_ok(),
            changed = looked_at.changed() => changed.is_ok(),
        };
        if !changed {
            return;
        }
        let Now { network, withheld } = Now::from(&**snapshots.borrow_and_update());
        let now = looked_at.borrow_and_update().clone();
        let shape = shape(&network, &withheld);
        let is_same = |(before, of): &(u64, LookedAt)| {
            *before == shape
                && of.mode == now.mode
                && Arc::ptr_eq(&of.rules, &now.rules)
                && Arc::ptr_eq(&of.isolation, &now.isolation)
                && of.weights == now.weights
        };
        if now.mode == VerifyMode::Off {
            told.clear();
            kept.forget();
            counted.looks_no_more();
        }
        if now.mode == VerifyMode::Off || network.switches.is_empty() || seen.as_ref().is_some_and(is_same) {
            continue;
        }
        tokio::time::sleep(REST).await;
        let later = Now::from(&**snapshots.borrow());
        if self::shape(&later.network, &later.withheld) != shape {
            continue;
        }
        let LookedAt { rules, isolation, weights, .. } = now.clone();
        let weights = Arc::new(weights.withholding(withheld));
        let question = Question { network, rules, isolation, weights };
        seen = Some((shape, now));
        let of_all = kept.clone();
        let look = move || of_all.with(&question, |standing| standing.look(&within(BEHIND)));
        let Ok(verdict) = tokio::task::spawn_blocking(look).await else { continue };
        tracing::debug!(
            generation = verdict.generation,
            rules = verdict.rules,
            wrong = verdict.wrong.len(),
            "verified"
        );
        counted.looked(&verdict);
        let is_told = |finding: &Finding, among: &[Finding]| among.iter().any(|other| other.is_like(finding));
        for finding in verdict.wrong.iter().filter(|finding| !is_told(finding, &told)) {
            let lines = finding.lines().join("\n");
            tracing::warn!("verify: in the network as it is now: {lines}");
            happenings.push(About::new(HappeningKind::Verify), || lines);
        }
        for finding in told.iter().filter(|finding| !is_told(finding, &verdict.wrong)) {
            let what = format!("no more: {}", finding.lines().join("\n"));
            tracing::info!("verify: {what}");
            happenings.push(About::new(HappeningKind::Verify), || what);
        }
        told = verdict.wrong;
    }
}

/// Which switches, ports and links there are, what the ports lead to, and what is not used. Hosts are not of the shape: what leads to one is an instance of the tree
/// that leads to its switch.
fn shape(network: &Network, withheld: &BTreeSet<PortId>) -> u64 {
    let mut hasher = DefaultHasher::new();
    withheld.hash(&mut hasher);
    for (id, port) in network.ports() {
        (id, port.state as u8, port.info.up).hash(&mut hasher);
    }
    for link in network.bidirectional_links() {
        (link.source, link.target).hash(&mut hasher);
    }
    hasher.finish()
}
