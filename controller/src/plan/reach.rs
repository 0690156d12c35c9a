//! Which hosts reach which others with the one configuration and not with the other: packets between known hosts, followed through what should be on
//! the switches then and now.
//!
//! The packets are an echo request, and for each protocol and port that a changed rule names one like that, so that a rule about tcp port 80 is
//! looked at with tcp port 80. It is no proof: a rule may treat two packets differently that are alike to this.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use net::DatapathId;
use openflow::{Match, OxmFieldOwned, OxmKind, syntax};
use serde::Serialize;
use topology::{Host, Network};

use super::{Desired, Side};
use crate::trace::{self, SwitchModel, packet};

/// Ordered pairs of hosts that are looked at. Of more hosts some are taken, evenly.
pub const PAIRS_MAX: usize = 4_096;
/// Pairs that are told by name, of those that gain and of those that lose each.
pub const TOLD_MAX: usize = 1_000;
/// Protocols and ports of changed rules that are tried for each pair.
const KINDS_MAX: usize = 8;
/// Rules of all switches on both sides: with more, nothing is said of hosts, for the tables would take a gigabyte.
const RULES_MAX: usize = 1_000_000;

const ETH_TYPE_IPV4: u16 = 0x0800;
const ETH_TYPE_IPV6: u16 = 0x86dd;

/// Protocols and ports that changed rules name.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeSet<String>);

impl Kinds {
    /// A changed rule's match.
    pub(super) fn look_at(&mut self, match_: &Match) {
        const KEPT: &[OxmKind] = &[
            OxmKind::ETH_TYPE,
            OxmKind::IP_PROTO,
            OxmKind::TCP_SRC,
            OxmKind::TCP_DST,
            OxmKind::UDP_SRC,
            OxmKind::UDP_DST,
            OxmKind::SCTP_SRC,
            OxmKind::SCTP_DST,
            OxmKind::ICMPV4_TYPE,
            OxmKind::ICMPV4_CODE,
            OxmKind::ICMPV6_TYPE,
            OxmKind::ICMPV6_CODE,
        ];
        let is_ip = matches!(match_.eth_type(), Some(ETH_TYPE_IPV4 | ETH_TYPE_IPV6)) && match_.ip_proto().is_some();
        if self.0.len() >= KINDS_MAX || !is_ip {
            return;
        }
        let kept = match_.fields().filter(|field| KEPT.contains(&field.kind));
        let kind: Match = kept.filter_map(|field| OxmFieldOwned::new(field.kind, field.value, None)).collect();
        self.0.insert(kind.to_string());
    }

    /// One packet of each sort between two hosts: what to call it, and the flow.
    fn between(&self, from: &Host, to: &Host) -> Vec<(String, Match)> {
        let usual = ["icmp,icmp_type=8", "icmp6,icmp_type=128"].map(str::to_owned);
        let mut flows: Vec<(String, Match)> =
            usual.iter().chain(&self.0).filter_map(|kind| Some((kind.clone(), flow(kind, from, to)?))).collect();
        if flows.is_empty() {
            let plain = packet::with_addresses(Match::new(), Some(from.mac), Some(to.mac));
            flows.push(("any frame".to_owned(), plain));
        }
        flows
    }
}

/// A packet of a kind from one host to another; nothing if they have no addresses for it.
fn flow(kind: &str, from: &Host, to: &Host) -> Option<Match> {
    let mut flow = syntax::parse_match(kind).ok()?;
    let is_6 = flow.eth_type() == Some(ETH_TYPE_IPV6);
    let address = |host: &Host| host.addresses.iter().find(|address| address.is_ipv6() == is_6);
    let kinds = if is_6 { [OxmKind::IPV6_SRC, OxmKind::IPV6_DST] } else { [OxmKind::IPV4_SRC, OxmKind::IPV4_DST] };
    for (kind, host) in kinds.into_iter().zip([from, to]) {
        let field = match address(host)? {
            IpAddr::V4(address) => OxmFieldOwned::new(kind, &address.octets(), None),
            IpAddr::V6(address) => OxmFieldOwned::new(kind, &address.octets(), None),
        };
        flow = flow.with(&field?);
    }
    Some(packet::with_addresses(flow, Some(from.mac), Some(to.mac)))
}

/// Two hosts and a packet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Pair {
    /// Who sends.
    pub from: String,
    /// Who should get it.
    pub to: String,
    /// What is sent.
    pub packet: String,
}

/// What another configuration means for hosts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reachability {
    /// Ordered pairs of known hosts.
    pub pairs: usize,
    /// Those that were looked at.
    pub looked_at: usize,
    /// Packets that reach a host then and not now.
    pub gained: usize,
    /// Packets that reach a host now and not then.
    pub lost: usize,
    /// The first ones that are gained.
    pub gains: Vec<Pair>,
    /// The first ones that are lost.
    pub losses: Vec<Pair>,
    /// Why not all was looked at.
    pub note: Option<String>,
}

pub(super) fn reachability(
    network: &Network,
    old: &Side<'_>,
    new: &Side<'_>,
    changed: &BTreeSet<DatapathId>,
    kinds: &Kinds,
) -> Reachability {
    let hosts: Vec<&Host> = network.hosts.values().collect();
    let pairs = |count: usize| count * count.saturating_sub(1);
    let mut told = Reachability { pairs: pairs(hosts.len()), ..Reachability::default() };
    // The largest number of hosts of which all pairs are looked at.
    let some = (0..=hosts.len()).rev().find(|count| pairs(*count) <= PAIRS_MAX).unwrap_or(0);
    let chosen: Vec<&Host> = (0..some).filter_map(|at| hosts.get(at * hosts.len() / some.max(1)).copied()).collect();
    if chosen.len() < hosts.len() {
        told.note = Some(format!("{} of {} hosts were looked at", chosen.len(), hosts.len()));
    }
    let models = Models::new(network, old, new, changed);
    for from in &chosen {
        for to in chosen.iter().filter(|to| to.mac != from.mac) {
            told.looked_at += 1;
            for (name, flow) in kinds.between(from, to) {
                let Ok(frame) = packet::frame(from.port.port_no, &flow) else { continue };
                let reaches = |then: bool| {
                    let model = |at: DatapathId| models.get(at, then);
                    trace::reached(network, &model, trace::Side::Desired, from.port, frame.clone()).contains(&to.port)
                };
                let (now, then) = (reaches(false), reaches(true));
                if models.is_full() {
                    let note = format!("the switches have more than {RULES_MAX} rules: hosts are not looked at");
                    return Reachability { pairs: told.pairs, note: Some(note), ..Reachability::default() };
                }
                let (count, list) = match (now, then) {
                    (false, true) => (&mut told.gained, &mut told.gains),
                    (true, false) => (&mut told.lost, &mut told.losses),
                    _ => continue,
                };
                *count += 1;
                if list.len() < TOLD_MAX {
                    list.push(Pair { from: called(from), to: called(to), packet: name });
                }
            }
        }
    }
    told
}

/// A host's first address, IPv4 before IPv6, or its MAC address.
fn called(host: &Host) -> String {
    let addresses: BTreeSet<IpAddr> = host.addresses.iter().collect();
    addresses.first().map_or_else(|| host.mac.to_string(), ToString::to_string)
}

/// Switches as packets see them, now and then, made when the first packet comes there. Where nothing changes both are one.
struct Models<'a> {
    network: &'a Network,
    sides: [&'a Side<'a>; 2],
    changed: &'a BTreeSet<DatapathId>,
    made: RefCell<BTreeMap<(DatapathId, bool), Arc<SwitchModel>>>,
    rules: RefCell<usize>,
}

impl<'a> Models<'a> {
    fn new(
        network: &'a Network,
        old: &'a Side<'a>,
        new: &'a Side<'a>,
        changed: &'a BTreeSet<DatapathId>,
    ) -> Models<'a> {
        Models { network, sides: [old, new], changed, made: RefCell::default(), rules: RefCell::new(0) }
    }

    fn is_full(&self) -> bool {
        *self.rules.borrow() > RULES_MAX
    }

    fn get(&self, at: DatapathId, then: bool) -> Option<Arc<SwitchModel>> {
        let then = then && self.changed.contains(&at);
        if let Some(model) = self.made.borrow().get(&(at, then)) {
            return Some(model.clone());
        }
        let [old, new] = self.sides;
        let Desired { rules, groups, .. } = if then { new } else { old }.desired(at);
        *self.rules.borrow_mut() += rules.len();
        if self.is_full() {
            return None;
        }
        let groups = groups.iter().map(|(id, group)| (*id, group));
        let model = Arc::new(SwitchModel::of_rules(self.network, at, rules.values(), groups));
        self.made.borrow_mut().insert((at, then), model.clone());
        Some(model)
    }
}
