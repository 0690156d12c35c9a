//! Ways round each link, for frames that carry a label (decision 0017): link protection as in RFC 4090 §3.2 and RFC 5714, with a VLAN tag for the label.
//!
//! A bypass of the direction out of port P of switch S leads to the switch T at P's far end without that link, by as few links as there are. Its frames
//! are S's own frames towards everything that S sends out of P alone: at T they are what they would have been. So a bypass is
//! the link itself as far as loops are concerned, and a frame under way on one counts its links down: it goes round in no state of the switches.
//!
//! Everything here follows from the graph alone, so that a restart finds the same labels. A label is a hash of the way; of two ways that would share a
//! rule only the one of the lower port is there.
//!
//! What a link that is gone was on is looked for anew at once. What a new link may make shorter may be put off: the ways as they were lead there meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortId, PortNo};

use super::graph::{Arc, Graph, Node, Touched, UNREACHABLE};
use super::weights::DRAINED_COST;

/// Links of the longest bypass: four bits of the tag count them down.
pub const MAX_LINKS: usize = 16;
/// VLAN ids that are labels: the last 254 (4095 is reserved, IEEE 802.1Q table 9-2), in pairs.
pub const LABELS: std::ops::RangeInclusive<u16> = 0xf00..=0xffd;
/// VLAN ids whose tags are dropped where they are no label: those of [`LABELS`] and the two behind them, as one masked match says it.
pub const TAGS: std::ops::RangeInclusive<u16> = 0xf00..=0xfff;
/// With so many new links at once everything is computed again.
const MANY: usize = 16;
/// Or with so many of those that there are.
const MANY_OF: usize = 256;

/// A switch that a bypass leads through, or its last one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Step {
    /// The switch.
    pub at: DatapathId,
    /// By which port the frames come.
    pub in_port: PortNo,
    /// Links that are left: see [`tag`].
    pub left: u8,
    /// By which port they go on; `None` at the end, where the label comes off.
    pub out: Option<PortNo>,
}

/// The way round one direction of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bypass {
    /// Its label: the first of a pair of [`LABELS`].
    pub label: u16,
    /// By which port frames leave, instead of the link's.
    pub first: PortNo,
    /// Every further switch, in order.
    pub steps: Vec<Step>,
}

impl Bypass {
    /// How many links are left behind the first one.
    pub fn left(&self) -> u8 {
        self.steps.first().map_or(0, |step| step.left)
    }
}

/// VLAN id and priority bits of a frame with a label and so many links left, at most 15: the priority says the lower three bits, and which VLAN of the pair the
/// fourth.
pub fn tag(label: u16, left: u8) -> (u16, u8) {
    (label | u16::from(left >> 3 & 1), left & 7)
}

/// What tells rules apart: at a switch, by a port, with this label, so many links left.
type Place = (Node, PortNo, u16, u8);

#[derive(Clone, Debug)]
struct Way {
    link: u32,
    /// Links of the way, in order, and the switch that each leads to.
    links: Vec<u32>,
    places: Vec<Place>,
    bypass: Bypass,
    /// It has all of its places for itself.
    stands: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Bypasses {
    ways: BTreeMap<PortId, Way>,
    /// Whom a link matters to, by its number: the ways that lead over it or round it.
    by_link: Vec<BTreeSet<PortId>>,
    places: BTreeMap<Place, BTreeSet<PortId>>,
    /// How many ways have so many links.
    lengths: [usize; MAX_LINKS + 1],
    /// Links that have come and wait for the round that is under way to end.
    news: BTreeSet<u32>,
    /// Links of this round of which nobody has asked yet which ways they make shorter.
    asked: BTreeSet<u32>,
    /// No way has more links, of those that matter to the question; `None` if it is not known.
    limit: Option<usize>,
    /// Ports whose way may be another one, or the first one, by what has come: to be looked for in this round.
    doubtful: BTreeSet<PortId>,
    /// How often something was put off: by now, when this round began, and when the last one that has ended did.
    put_off: u64,
    round: u64,
    looked: u64,
    search: Search,
    wanted: bool,
}

impl Bypasses {
    pub(super) fn get(&self, port: PortId) -> Option<&Bypass> {
        self.ways.get(&port).filter(|way| way.stands).map(|way| &way.bypass)
    }

    /// By the port that they are the way round of.
    pub(super) fn all(&self) -> impl Iterator<Item = (PortId, &Bypass)> {
        self.ways.iter().filter(|(_, way)| way.stands).map(|(port, way)| (*port, &way.bypass))
    }

    /// Those that lead to a switch or through it.
    pub(super) fn through<'a>(&'a self, graph: &'a Graph, node: Node) -> impl Iterator<Item = (PortId, &'a Bypass)> {
        let links = graph.arcs(node).iter().filter_map(|arc| self.by_link.get(arc.link as usize));
        let ports: BTreeSet<PortId> = links.flatten().copied().collect();
        ports.into_iter().filter_map(|port| Some((port, self.get(port)?)))
    }

    /// Octets in use, about.
    pub(super) fn octets(&self) -> usize {
        let of = |way: &Way| {
            size_of::<Way>()
                + way.links.len() * 4
                + way.places.len() * size_of::<Place>() * 2
                + way.bypass.steps.len() * size_of::<Step>()
        };
        self.ways.values().map(of).sum::<usize>()
            + self.by_link.iter().map(|ways| ways.len() * size_of::<PortId>()).sum::<usize>()
    }

    /// Follow the graph; the ports whose bypass is another one since, ascending. `gone` are links that are not there any more, `come` those that are new. With
    /// `puts_off` what they make shorter is left to [`Bypasses::look`].
    pub(super) fn follow(
        &mut self,
        graph: &Graph,
        (wanted, puts_off): (bool, bool),
        touched: &[Touched],
        gone: &[u32],
        come: &[u32],
    ) -> BTreeSet<PortId> {
        let (mut urgent, mut have_come) = (BTreeSet::new(), false);
        if !self.has_doubts() {
            self.looked = self.put_off;
        }
        for link in gone {
            self.news.remove(link);
            self.asked.remove(link);
        }
        self.limit = self.limit.filter(|_| touched.is_empty());
        if wanted != self.wanted {
            self.wanted = wanted;
            self.news.clear();
            self.asked.clear();
            self.doubtful.clear();
            urgent.extend(self.ways.keys().copied());
            if wanted {
                self.doubtful.extend(graph.ports());
            }
            have_come = wanted;
        } else if wanted {
            // A link that is drained is as good as gone, one that is no more as good as new.
            let is_drained = |cost: u32| (DRAINED_COST..UNREACHABLE).contains(&cost);
            let is_there = |arc: &&Touched| arc.old != UNREACHABLE && arc.new != UNREACHABLE;
            let turned = touched.iter().filter(is_there).filter(|arc| is_drained(arc.old) != is_drained(arc.new));
            let turned: Vec<u32> = turned
                .flat_map(|arc| graph.arcs(arc.from).iter().filter(|other| other.to == arc.to).map(|other| other.link))
                .collect();
            for &link in gone.iter().chain(&turned) {
                urgent.extend(self.by_link.get(link as usize).into_iter().flatten());
            }
            for &number in come.iter().chain(&turned) {
                match graph.link(number) {
                    // Nothing becomes shorter by it.
                    Some(link) if is_drained(link.costs[0].max(link.costs[1])) => urgent.extend([link.low, link.high]),
                    Some(_) => have_come |= self.news.insert(number),
                    None => {}
                }
            }
            // Of links beside each other none has one.
            for arc in touched.iter().filter(|arc| arc.old == UNREACHABLE || arc.new == UNREACHABLE) {
                let Some(id) = graph.id(arc.from) else { continue };
                let beside = graph.arcs(arc.from).iter().filter(|other| other.to == arc.to);
                let ports = beside.map(|other| PortId::new(id, other.port));
                if arc.new == UNREACHABLE || ports.clone().nth(1).is_some() {
                    urgent.extend(ports);
                }
            }
        }
        let mut changed = BTreeMap::new();
        urgent.iter().for_each(|port| self.take_out(*port, &mut changed));
        if !puts_off {
            self.doubtful.append(&mut urgent);
            self.asked.append(&mut self.news);
            while !self.asked.is_empty() {
                self.ask(graph);
            }
            urgent = std::mem::take(&mut self.doubtful);
        } else if have_come {
            self.put_off += 1;
            if self.news.is_empty() {
                self.round = self.put_off;
            }
        }
        self.renew(graph, urgent, changed)
    }

    /// Whether a way may be another one, or there may be one, that nobody has looked for yet.
    pub(super) fn has_doubts(&self) -> bool {
        !self.news.is_empty() || self.is_in_round()
    }

    fn is_in_round(&self) -> bool {
        !self.asked.is_empty() || !self.doubtful.is_empty()
    }

    /// How often something has been put off, and up to which time everything has been looked at.
    pub(super) fn put_off(&self) -> (u64, u64) {
        (self.put_off, if self.has_doubts() { self.looked } else { self.put_off })
    }

    /// Go on with the round: ask of one link what it makes shorter, or look for what was found to be doubtful, at so many ports; those whose bypass
    /// is another one since, ascending. Links that come meanwhile are the next round's: so this one ends.
    pub(super) fn look(&mut self, graph: &Graph, count: usize) -> BTreeSet<PortId> {
        if !self.is_in_round() {
            self.asked = std::mem::take(&mut self.news);
            (self.round, self.limit) = (self.put_off, None);
        }
        if !self.asked.is_empty() {
            self.ask(graph);
            return BTreeSet::new();
        }
        let ports: BTreeSet<PortId> = std::iter::from_fn(|| self.doubtful.pop_first()).take(count).collect();
        let told = self.renew(graph, ports, BTreeMap::new());
        if !self.is_in_round() {
            self.looked = self.round;
        }
        told
    }

    /// Which ways may be others by one of the links that have come, or by all of them if they are many.
    fn ask(&mut self, graph: &Graph) {
        let limit = self.limit.unwrap_or_else(|| self.longest(graph));
        self.limit = Some(limit);
        if self.asked.len() > MANY.max(self.ways.len() / MANY_OF) {
            self.doubtful.extend(graph.ports());
            return self.asked.clear();
        }
        let Some(number) = self.asked.pop_first() else { return };
        self.search.shortened(graph, number, (limit, &self.ways), &mut self.doubtful);
        if self.doubtful.len() >= graph.port_count() && graph.ports().all(|port| self.doubtful.contains(&port)) {
            self.asked.clear();
        }
    }

    /// No way has more links; as many as there may be, if there are links without a way that are neither new nor to be looked at anyway.
    fn longest(&self, graph: &Graph) -> usize {
        let without = |port: &PortId| graph.link_at(*port).is_some() && !self.ways.contains_key(port);
        let new = self.asked.iter().chain(&self.news).filter_map(|number| graph.link(*number));
        let ends = new.flat_map(|link| [link.low, link.high]).filter(|port| !self.doubtful.contains(port));
        let known = self.doubtful.iter().copied().chain(ends).filter(without).count();
        let longest = self.lengths.iter().rposition(|count| *count > 0);
        longest.filter(|_| self.ways.len() + known == graph.port_count()).unwrap_or(MAX_LINKS)
    }

    /// Look for the ways round the links at these ports; `changed` is what was taken out before, by port.
    fn renew(
        &mut self,
        graph: &Graph,
        ports: BTreeSet<PortId>,
        mut changed: BTreeMap<PortId, Option<Bypass>>,
    ) -> BTreeSet<PortId> {
        ports.iter().for_each(|port| self.take_out(*port, &mut changed));
        if self.wanted {
            ports.into_iter().for_each(|port| self.put_in(graph, port, &mut changed));
        }
        let mut told = BTreeSet::new();
        for (port, before) in changed {
            if let Some(way) = self.ways.get(&port) {
                let is_first = |place: &Place| self.places.get(place).is_some_and(|ports| ports.first() == Some(&port));
                let stands = way.places.iter().all(is_first);
                if let Some(way) = self.ways.get_mut(&port) {
                    way.stands = stands;
                }
            }
            if before.as_ref() != self.get(port) {
                told.insert(port);
            }
        }
        told
    }

    /// `changed` gets what stood before, of this port and of whoever had to share a place with it.
    fn take_out(&mut self, port: PortId, changed: &mut BTreeMap<PortId, Option<Bypass>>) {
        self.note(port, changed);
        let Some(way) = self.ways.remove(&port) else { return };
        self.lengths[way.links.len().min(MAX_LINKS)] -= 1;
        for link in way.links.iter().chain([&way.link]) {
            if let Some(ports) = self.by_link.get_mut(*link as usize) {
                ports.remove(&port);
            }
        }
        for place in way.places {
            let Some(ports) = self.places.get_mut(&place) else { continue };
            ports.remove(&port);
            let others: Vec<PortId> = ports.iter().copied().collect();
            if others.is_empty() {
                self.places.remove(&place);
            }
            others.into_iter().for_each(|other| self.note(other, changed));
        }
    }

    fn put_in(&mut self, graph: &Graph, port: PortId, changed: &mut BTreeMap<PortId, Option<Bypass>>) {
        self.note(port, changed);
        let Some(way) = self.search.way(graph, port) else { return };
        for &link in way.links.iter().chain([&way.link]) {
            if self.by_link.len() <= link as usize {
                self.by_link.resize_with(link as usize + 1, BTreeSet::new);
            }
            self.by_link[link as usize].insert(port);
        }
        let others: Vec<PortId> =
            way.places.iter().filter_map(|place| self.places.get(place)).flatten().copied().collect();
        others.into_iter().for_each(|other| self.note(other, changed));
        for &place in &way.places {
            self.places.entry(place).or_default().insert(port);
        }
        self.lengths[way.links.len().min(MAX_LINKS)] += 1;
        self.ways.insert(port, way);
    }

    fn note(&self, port: PortId, changed: &mut BTreeMap<PortId, Option<Bypass>>) {
        changed.entry(port).or_insert_with(|| self.get(port).cloned());
    }
}

/// Links from a switch, by switch, and what finding them needs; kept so that its memory is.
#[derive(Clone, Debug, Default)]
struct Search {
    away: [Vec<u8>; 2],
    /// Switches with a number in `away`, the nearest first.
    reached: [Vec<Node>; 2],
    seen: Vec<Node>,
    /// Ways that were looked for.
    #[cfg(test)]
    count: usize,
}

const FAR: u8 = u8::MAX;

impl Search {
    /// Links to `from`, by switch, as far as `until` says stop or so many, without `without`.
    fn spread(
        &mut self,
        graph: &Graph,
        (side, limit): (usize, usize),
        from: Node,
        without: Option<Node>,
        mut until: impl FnMut(Node, u8) -> bool,
    ) {
        let (away, reached) = (&mut self.away[side], &mut self.reached[side]);
        reached.drain(..).for_each(|node| away[node as usize] = FAR);
        away.resize(graph.len(), FAR);
        away[from as usize] = 0;
        reached.push(from);
        let mut next_of = 0;
        while let Some(&node) = reached.get(next_of) {
            next_of += 1;
            let next = away[node as usize] + 1;
            if next as usize > limit || until(node, next - 1) {
                break;
            }
            for arc in graph.arcs(node).iter().filter(|arc| !arc.is_drained()) {
                if away[arc.to as usize] == FAR && Some(arc.to) != without {
                    away[arc.to as usize] = next;
                    reached.push(arc.to);
                }
            }
        }
    }

    /// The shortest way round a port's link; of several the one that a hash chooses, so that they are not all the same.
    fn way(&mut self, graph: &Graph, port: PortId) -> Option<Way> {
        #[cfg(test)]
        {
            self.count += 1;
        }
        let from = graph.node(port.datapath_id)?;
        let around = arc_at(graph, from, port.port_no)?;
        let (link, to) = (around.link, around.to);
        // Whoever has two links to a switch has an alternate.
        if graph.arcs(from).iter().any(|arc| arc.to == to && arc.link != link) {
            return None;
        }
        let mut nearest = FAR;
        let first: Vec<&Arc> = graph.arcs(from).iter().filter(|arc| arc.to != to && !arc.is_drained()).collect();
        if first.is_empty() {
            return None;
        }
        self.seen.clear();
        self.seen.extend(first.iter().map(|arc| arc.to));
        self.seen.sort_unstable();
        let starts = std::mem::take(&mut self.seen);
        self.spread(graph, (0, MAX_LINKS), to, Some(from), |node, away| {
            if nearest == FAR && starts.binary_search(&node).is_ok() {
                nearest = away;
            }
            // All that are as near have a number by then.
            nearest != FAR
        });
        self.seen = starts;
        if nearest == FAR || nearest as usize + 1 > MAX_LINKS {
            return None;
        }
        let seed = mix(mix(0, port.datapath_id.0), u64::from(port.port_no.0));
        let (mut links, mut places, mut steps, mut hash) = (Vec::new(), Vec::new(), Vec::new(), seed);
        let (mut at, mut left, mut out) = (from, nearest, PortNo::ANY);
        loop {
            let is_next = |arc: &&Arc| arc.to != from && !arc.is_drained() && self.away[0][arc.to as usize] == left;
            let rank = |arc: &&Arc| (mix(seed, graph.id(arc.to).map_or(0, |id| id.0)), arc.port);
            let arc = graph.arcs(at).iter().filter(is_next).min_by_key(rank)?;
            let far = far_end(graph, arc, at)?;
            hash = mix(mix(hash, far.datapath_id.0), u64::from(far.port_no.0));
            if at == from {
                out = arc.port;
            } else if let Some(step) = steps.last_mut() {
                let step: &mut Step = step;
                step.out = Some(arc.port);
            }
            links.push(arc.link);
            steps.push(Step { at: far.datapath_id, in_port: far.port_no, left, out: None });
            at = arc.to;
            if left == 0 {
                break;
            }
            left -= 1;
        }
        let pairs = u64::from(LABELS.end() - LABELS.start()).div_ceil(2);
        let label = LABELS.start() + 2 * u16::try_from(hash % pairs).unwrap_or(0);
        for step in &steps {
            places.push((graph.node(step.at)?, step.in_port, label, step.left));
        }
        Some(Way { link, links, places, bypass: Bypass { label, first: out, steps }, stands: false })
    }

    /// The ports whose bypass a new link may shorten, or be the first one for: no way is longer than the limit.
    fn shortened(
        &mut self,
        graph: &Graph,
        number: u32,
        (limit, ways): (usize, &BTreeMap<PortId, Way>),
        doubtful: &mut BTreeSet<PortId>,
    ) {
        let Some(new) = graph.link(number) else { return };
        doubtful.extend([new.low, new.high]);
        for (side, from) in new.nodes.into_iter().enumerate() {
            self.spread(graph, (side, limit.saturating_sub(1)), from, None, |_, _| false);
        }
        for side in 0..2 {
            for &from in &self.reached[side] {
                let Some(id) = graph.id(from) else { continue };
                let start = usize::from(self.away[side][from as usize]);
                for arc in graph.arcs(from) {
                    let end = self.away[1 - side].get(arc.to as usize).copied().unwrap_or(FAR);
                    let links = start + 1 + usize::from(end);
                    if links > limit {
                        continue;
                    }
                    let port = PortId::new(id, arc.port);
                    if ways.get(&port).is_none_or(|way| links <= way.links.len()) {
                        doubtful.insert(port);
                    }
                }
            }
        }
    }
}

fn arc_at(graph: &Graph, node: Node, port: PortNo) -> Option<&Arc> {
    let arcs = graph.arcs(node);
    arcs.binary_search_by_key(&port, |arc| arc.port).ok().and_then(|at| arcs.get(at))
}

/// The port at the other end of an arc out of `node`.
fn far_end(graph: &Graph, arc: &Arc, node: Node) -> Option<PortId> {
    let link = graph.link(arc.link)?;
    Some(if link.nodes[0] == node { link.high } else { link.low })
}

/// The finaliser of SplitMix64: never seeded, as labels have to be the same after a restart.
fn mix(hash: u64, word: u64) -> u64 {
    let mut hash = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests;
