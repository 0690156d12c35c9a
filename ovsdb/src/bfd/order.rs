//! Which links may start. One that starts carries nothing for 1 to 2 s, so those that start together must be such that what is left still leads
//! from each switch to each other one: links that share no switch are not enough, for two opposite ones cut a ring in two.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortId};

use super::{Link, LinkEnds, LinkState, MAX_STARTING, PortBfd};

/// The links that may start now beside those that do. A link that has no way around it is among them only if nothing else is
/// under way.
pub(super) fn may_start(links: &BTreeMap<LinkEnds, Link>, ports: &BTreeMap<PortId, PortBfd>) -> BTreeSet<LinkEnds> {
    let known = |(a, b): &LinkEnds| Some([*ports.get(a)?, *ports.get(b)?]);
    let candidates: Vec<LinkEnds> = links
        .iter()
        .filter(|(ends, link)| link.state == LinkState::Waiting && link.gone.is_none() && carries(ends, link, ports))
        .filter(|(ends, _)| known(ends).is_some_and(|ports| !ports.contains(&PortBfd::Unable)))
        .map(|(ends, _)| *ends)
        .collect();
    if candidates.is_empty() {
        return BTreeSet::new();
    }
    // One whose database is away is not starting but waiting for that: it carries nothing and holds up nobody.
    let starting =
        links.iter().filter(|(ends, link)| matches!(link.state, LinkState::Starting(_)) && known(ends).is_some());
    let starting: Vec<LinkEnds> = starting.map(|(ends, _)| *ends).collect();
    let mut busy: BTreeSet<DatapathId> = starting.iter().flat_map(switches).collect();
    let mut parts = Parts::default();
    let waiting: BTreeSet<&LinkEnds> = candidates.iter().collect();
    for (ends, link) in links.iter().filter(|(ends, _)| !waiting.contains(ends)) {
        if carries(ends, link, ports) {
            parts.join(ends);
        }
    }
    // What closes a circle is not needed; a link whose turn has not come is as good as any other.
    let (mut chosen, mut needed) = (BTreeSet::new(), None);
    for ends in &candidates {
        if parts.join(ends) {
            needed.get_or_insert(*ends);
        } else if starting.len() + chosen.len() < MAX_STARTING && switches(ends).all(|switch| !busy.contains(&switch)) {
            busy.extend(switches(ends));
            chosen.insert(*ends);
        }
    }
    // Of one that is up and gone the news is on its way: with it there may be a way around.
    let returns =
        |(ends, link): (&LinkEnds, &Link)| link.state == LinkState::Up && link.gone.is_some() && known(ends).is_some();
    if starting.is_empty() && chosen.is_empty() && !links.iter().any(returns) {
        chosen.extend(needed);
    }
    chosen
}

fn switches((a, b): &LinkEnds) -> impl Iterator<Item = DatapathId> + use<> {
    [a.datapath_id, b.datapath_id].into_iter()
}

/// Whether frames go over it, as far as is known.
fn carries((a, b): &LinkEnds, link: &Link, ports: &BTreeMap<PortId, PortBfd>) -> bool {
    let dead = |port: &PortId| matches!(ports.get(port), Some(PortBfd::On { up: false, .. }));
    let is_on = matches!(link.state, LinkState::Waiting | LinkState::Up | LinkState::Paused(_));
    is_on && link.gone.is_none() && !dead(a) && !dead(b)
}

/// Switches that lead to each other.
#[derive(Default)]
struct Parts(BTreeMap<DatapathId, DatapathId>);

impl Parts {
    fn root(&mut self, of: DatapathId) -> DatapathId {
        let mut root = of;
        while let Some(next) = self.0.get(&root) {
            root = *next;
        }
        let mut at = of;
        while at != root {
            at = self.0.insert(at, root).unwrap_or(root);
        }
        root
    }

    /// Whether they were two parts before.
    fn join(&mut self, (a, b): &LinkEnds) -> bool {
        let (a, b) = (self.root(a.datapath_id), self.root(b.datapath_id));
        if a != b {
            self.0.insert(a, b);
        }
        a != b
    }
}
