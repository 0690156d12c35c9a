//! What the applications would state, in the verifier's terms.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, MacAddr, PortId, PortNo, Prefix};
use openflow::nicira::NiciraAction;
use openflow::{Action, Bucket, FlowModFlags, FlowStats, GroupId, GroupType, Instruction, Match, OxmKind};
use topology::{Link, Network, Port, PortState};

use super::{FaultyRule, Question};
use crate::app::static_rules::{Numbered, RuleList};
use crate::app::{Effects, PacketOuts, Stated, View, apps};
use crate::flow::pipeline::{CLASSIFY, FORWARD, ISOLATE_SOURCE, ISOLATE_TO, classify, forward, isolate};
use crate::flow::{Group, Key, Owner, Reconciler, Rule};
use crate::path::Paths;
use crate::verify::{
    Effect, Field, Header, Members, Membership, RuleChange, RuleNumber, Ternary, VerifiedRule, Verifier,
};

/// All rules of a network, and what they were translated from: another question is answered by what is different in it.
#[derive(Clone)]
pub(super) struct Translated {
    pub(super) verifier: Verifier,
    /// By number.
    stated: Vec<Option<(DatapathId, Rule)>>,
    free: Vec<u32>,
    switches: BTreeMap<DatapathId, OfSwitch>,
    ground: Ground,
    paths: Paths,
    /// By switch: the destinations and sources that its rules name.
    named: BTreeMap<DatapathId, (RuleList, Arc<Named>)>,
    /// Hosts that stand for themselves and others.
    kept: BTreeSet<MacAddr>,
}

/// What is different between two questions.
pub(super) struct Difference {
    /// Rules that come and go; the verifier does not have them yet.
    pub(super) changes: Vec<RuleChange>,
    /// Links, edges or members are others, so that everything may be otherwise.
    pub(super) is_elsewhere: bool,
}

/// The rules of one switch, and what those of the operator hang on besides themselves.
#[derive(Clone, Default)]
struct OfSwitch {
    list: RuleList,
    numbered: Arc<Numbered>,
    ports: Vec<(PortNo, bool, bool)>,
    numbers: BTreeMap<Key, RuleNumber>,
}

/// What rules are held against.
#[derive(Clone, PartialEq, Eq, Default)]
struct Ground {
    links: Vec<(PortId, PortId)>,
    edges: Vec<PortId>,
    /// Behind a port of which nothing is known there may be a switch that stops a packet.
    unsure: Vec<PortId>,
    members: Vec<(Who, Membership)>,
}

/// Somebody in a group, as a packet shows it.
#[derive(Clone, PartialEq, Eq)]
enum Who {
    Port(PortId),
    Header(Box<Ends>),
}

/// Packets that it sends, and those that are sent to it.
#[derive(Clone, PartialEq, Eq)]
struct Ends {
    source: Ternary,
    destination: Ternary,
}

impl Ground {
    fn of(question: &Question) -> Ground {
        let network = &*question.network;
        let both = |link: &Link| [(link.source, link.target), (link.target, link.source)];
        let is_edge = |port: &PortId| !network.is_bidirectional(*port);
        let local = network.switches.keys().map(|&at| PortId::new(at, PortNo::LOCAL));
        let is_sure = |port: &Port| port.state == PortState::Edge;
        Ground {
            links: network.bidirectional_links().flat_map(both).collect(),
            edges: network.ports().map(|(port, _)| port).filter(is_edge).chain(local).collect(),
            unsure: network.ports().filter(|(_, port)| !is_sure(port)).map(|(port, _)| port).collect(),
            members: members(question),
        }
    }

    fn members(&self) -> Members {
        let mut members = Members::default();
        for (who, membership) in &self.members {
            match who {
                Who::Port(port) => members.add_port(*port, *membership),
                Who::Header(ends) => members.add_header(ends.source, ends.destination, *membership),
            }
        }
        self.unsure.iter().for_each(|port| members.add_unsure(*port));
        members
    }
}

impl Translated {
    /// No rules anywhere.
    pub(super) fn new() -> Translated {
        Translated {
            verifier: Verifier::default(),
            stated: Vec::new(),
            free: Vec::new(),
            switches: BTreeMap::new(),
            ground: Ground::default(),
            paths: Paths::new(),
            named: BTreeMap::new(),
            kept: BTreeSet::new(),
        }
    }

    /// From `old`, which all this is of, to `new`. The operator's rules of a switch are looked through where their list is another one, what follows from the
    /// network where that is.
    pub(super) fn follow(&mut self, old: Option<&Question>, new: &Question) -> Difference {
        self.named.retain(|at, _| new.network.switches.contains_key(at));
        for &at in new.network.switches.keys() {
            let list = new.rules.of(at);
            if !self.named.get(&at).is_some_and(|(of, _)| of.is(list)) {
                self.named.insert(at, (list.clone(), Arc::new(Named::of(list))));
            }
        }
        let kept = kept_hosts(new, self.named.values().map(|(_, named)| &**named));
        let is_same_host = self.kept == kept;
        self.kept.clone_from(&kept);
        self.follow_hosts(old.filter(|_| is_same_host), old.is_none(), new, &kept)
    }

    /// The same with these hosts for all. `old` is the question of which all this is, if it had the same ones.
    pub(super) fn follow_hosts(
        &mut self,
        old: Option<&Question>,
        is_begun: bool,
        new: &Question,
        kept: &BTreeSet<MacAddr>,
    ) -> Difference {
        let ground = Ground::of(new);
        let is_elsewhere = ground != self.ground || is_begun;
        if is_elsewhere {
            let (links, edges, members) = (ground.links.clone(), ground.edges.clone(), ground.members());
            self.verifier = std::mem::take(&mut self.verifier).elsewhere(links, edges, members);
            self.ground = ground;
        }
        let same = |old: &Question| {
            Arc::ptr_eq(&old.network, &new.network)
                && Arc::ptr_eq(&old.isolation, &new.isolation)
                && old.weights == new.weights
        };
        // What does not hang on the operator's rules is as it was.
        let is_same_network = old.is_some_and(same);
        let mut network = Network::clone(&new.network);
        network.hosts.retain(|host| kept.contains(&host.mac));
        if !is_same_network {
            // A way round a link is that link.
            let weights = Arc::new(new.weights.plain());
            let withheld = weights.withheld();
            if self.paths.weights().withholding(withheld.clone()) == *weights {
                self.paths.withhold(withheld.clone(), &network);
            } else {
                self.paths = Paths::with_weights(weights);
            }
            self.paths.update(&network);
        }
        let mut changes = Vec::new();
        let gone: Vec<DatapathId> =
            self.switches.keys().filter(|at| !network.switches.contains_key(at)).copied().collect();
        for at in gone {
            let numbers = self.switches.remove(&at).map(|of| of.numbers).unwrap_or_default();
            numbers.into_values().for_each(|number| self.remove(number, &mut changes));
        }
        let apps = apps(0, &new.rules, &new.isolation);
        let mut reconciler = Reconciler::new();
        let mut packet_outs = PacketOuts::default();
        let paths = std::mem::take(&mut self.paths);
        // How long a host is remembered, and what is copied to the controller, says nothing about where packets go.
        let view = View {
            network: &network,
            paths: &paths,
            host_timeout: Duration::from_secs(1),
            isolation: &new.isolation,
            broadcast_probes: false,
            watches_dhcp: false,
        };
        for (&at, switch) in &network.switches {
            let mut of = self.switches.remove(&at).unwrap_or_default();
            let ports =
                switch.ports.iter().map(|(&at, port)| (at, port.info.up, port.state == PortState::Link)).collect();
            let numbered = new.rules.numbered_of(at);
            let around = of.ports == ports && Arc::ptr_eq(&of.numbered, numbered) && !of.numbers.is_empty();
            let is_same_list = around && of.list.is(new.rules.of(at));
            (of.list, of.numbered, of.ports) = (new.rules.of(at).clone(), numbered.clone(), ports);
            reconciler.add_switch(at);
            let mut effects = Effects::new(&mut reconciler, &mut packet_outs);
            for app in &apps {
                let is_operators = app.owner() == Owner::StaticRules;
                if if is_operators { is_same_list } else { is_same_network } {
                    continue;
                }
                let mut rules = effects.rule_set(at);
                app.rules(at, &view, &mut rules);
                let Stated { mut rules, groups, .. } = rules.into_parts();
                rules.retain(|_, rule| !is_of_other_host(rule, kept));
                let groups: HashMap<GroupId, &Group> =
                    groups.values().map(|group| (effects.group_id(at, group.key), group)).collect();
                let is_gone = |(key, _): &(&Key, &RuleNumber)| key.owner == app.owner() && !rules.contains_key(key);
                let gone: Vec<Key> = of.numbers.iter().filter(is_gone).map(|(key, _)| *key).collect();
                for key in gone {
                    of.numbers.remove(&key).into_iter().for_each(|number| self.remove(number, &mut changes));
                }
                let is_settled = is_operators && around;
                for (key, rule) in rules {
                    let number = of.numbers.get(&key).copied();
                    // The same rule does the same where groups and ports are the same.
                    if is_settled && number.and_then(|number| self.stated(number)).is_some_and(|(_, old)| *old == rule)
                    {
                        continue;
                    }
                    let number = number.unwrap_or_else(|| self.number());
                    of.numbers.insert(key, number);
                    let verified = verified(number, at, &rule, &groups, &network);
                    if self.verifier.rule(number) != Some(&verified) {
                        changes.push(RuleChange::Put(Box::new(verified)));
                    }
                    if let Some(stated) = self.stated.get_mut(number.0 as usize) {
                        *stated = Some((at, rule));
                    }
                }
            }
            self.switches.insert(at, of);
        }
        self.paths = paths;
        Difference { changes, is_elsewhere }
    }

    fn number(&mut self) -> RuleNumber {
        RuleNumber(self.free.pop().unwrap_or_else(|| {
            self.stated.push(None);
            u32::try_from(self.stated.len() - 1).unwrap_or(u32::MAX)
        }))
    }

    fn remove(&mut self, number: RuleNumber, changes: &mut Vec<RuleChange>) {
        changes.push(RuleChange::Remove(number));
        if let Some(stated) = self.stated.get_mut(number.0 as usize) {
            *stated = None;
            self.free.push(number.0);
        }
    }

    fn stated(&self, number: RuleNumber) -> Option<&(DatapathId, Rule)> {
        self.stated.get(number.0 as usize)?.as_ref()
    }

    /// A rule in words, with the line that the question has it from.
    pub(super) fn rule(&self, number: RuleNumber, question: &Question) -> Option<FaultyRule> {
        let (datapath_id, rule) = self.stated(number)?;
        let line = match rule.key.owner {
            Owner::StaticRules => question.rules.origin_of_key(*datapath_id, rule.table, &rule.key),
            Owner::Isolation => {
                let rules = question.isolation.rules();
                rules.origin_of_key(*datapath_id, rule.table, &rule.key).filter(|line| *line > 0)
            }
            Owner::Forwarding => None,
        };
        let shown = FlowStats {
            table_id: rule.table,
            duration_sec: 0,
            duration_nsec: 0,
            priority: rule.priority,
            idle_timeout: rule.idle_timeout,
            hard_timeout: 0,
            flags: FlowModFlags::NONE,
            cookie: 0,
            packet_count: 0,
            byte_count: 0,
            match_: rule.body.match_(),
            instructions: rule.body.instructions(),
        };
        let words = shown.entry().to_string();
        Some(FaultyRule { datapath_id: *datapath_id, owner: rule.key.owner.name(), line, rule: words })
    }

    /// Who is at one end of a packet's way.
    pub(super) fn membership(&self, port: PortId, header: &Header, is_source: bool) -> Membership {
        let is = |who: &Who| match who {
            Who::Port(of) => *of == port,
            Who::Header(ends) => if is_source { &ends.source } else { &ends.destination }.matches(header),
        };
        let all = self.ground.members.iter().filter(|(who, _)| is(who));
        all.fold(Membership::default(), |so_far, (_, membership)| so_far.and(*membership))
    }
}

fn verified(
    number: RuleNumber,
    at: DatapathId,
    rule: &Rule,
    groups: &HashMap<GroupId, &Group>,
    network: &Network,
) -> VerifiedRule {
    let asked = asked(&rule.body.match_());
    VerifiedRule {
        number,
        datapath_id: at,
        table: rule.table.0,
        priority: rule.priority,
        in_port: asked.in_port,
        header: asked.header,
        metadata: asked.metadata,
        partial: asked.partial,
        effect: effect(at, &rule.body.instructions(), groups, network),
    }
}

/// Everybody who is in a group.
fn members(question: &Question) -> Vec<(Who, Membership)> {
    let isolation = &question.isolation;
    let mut members: Vec<(Who, Membership)> =
        isolation.ports().map(|(port, membership)| (Who::Port(port), membership)).collect();
    let any = Ternary::default();
    for (mac, membership) in isolation.macs() {
        let header = |field| any.with_exact(field, mac.to_u64());
        let ends = Ends { source: header(Field::EthSrc), destination: header(Field::EthDst) };
        members.push((Who::Header(Box::new(ends)), membership));
    }
    // Whatever leaves where a member by MAC address is, it hears. By IP address a host is a member with the packets that carry it, and no others.
    if !isolation.is_empty() {
        let hosts = question.network.hosts.values().map(|host| (host.port, isolation.of_mac(host.mac).of));
        let ports: BTreeSet<(PortId, u64)> = hosts.filter(|(_, of)| *of != 0).collect();
        members.extend(ports.into_iter().map(|(port, of)| (Who::Port(port), Membership { of, never: 0 })));
    }
    for (prefix, membership) in isolation.addresses() {
        let pairs: Vec<(Ternary, Ternary)> = match prefix {
            Prefix::V4(prefix) => {
                let (bits, mask) = (u64::from(prefix.bits()), ones(32) & !ones(32 - u32::from(prefix.len())));
                let of = |kind: u16, field| any.with_exact(Field::EthType, u64::from(kind)).with(field, bits, mask);
                vec![
                    (of(0x0800, Field::Ipv4Src), of(0x0800, Field::Ipv4Dst)),
                    (of(0x0806, Field::ArpSpa), of(0x0806, Field::ArpTpa)),
                ]
            }
            Prefix::V6(prefix) => {
                let address = prefix.addr().to_bits();
                let (high, low) = ((address >> 64) as u64, address as u64);
                let length = u32::from(prefix.len());
                let mask_high = !ones(64 - length.min(64));
                let mask_low = !ones(128 - length.max(64));
                let of = |first, second| {
                    any.with_exact(Field::EthType, 0x86dd).with(first, high, mask_high).with(second, low, mask_low)
                };
                vec![(of(Field::Ipv6SrcHigh, Field::Ipv6SrcLow), of(Field::Ipv6DstHigh, Field::Ipv6DstLow))]
            }
        };
        let ends = pairs.into_iter().map(|(source, destination)| Ends { source, destination });
        members.extend(ends.map(|ends| (Who::Header(Box::new(ends)), membership)));
    }
    members
}

fn ones(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// MAC addresses that rules of a list name, and masks on them.
#[derive(Default)]
struct Named {
    addresses: BTreeSet<u64>,
    masks: BTreeSet<(u64, u64)>,
}

impl Named {
    fn of(list: &RuleList) -> Named {
        let mut named = Named::default();
        for rule in list.rules() {
            let header = asked(&rule.rule.body.match_()).header;
            for field in [Field::EthSrc, Field::EthDst] {
                match (header.exact(field), header.field(field)) {
                    (Some(mac), _) => drop(named.addresses.insert(mac)),
                    (None, (_, 0)) => {}
                    (None, masked) => drop(named.masks.insert(masked)),
                }
            }
        }
        named
    }
}

/// Hosts that stand for themselves: those that rules name, and of the others one of each switch, of each port that is a group's, and of each set
/// of masks that they match.
fn kept_hosts<'n>(question: &Question, of_rules: impl Iterator<Item = &'n Named>) -> BTreeSet<MacAddr> {
    let (mut named, mut masks) = (BTreeSet::new(), BTreeSet::new());
    for of in of_rules {
        named.extend(of.addresses.iter().copied());
        masks.extend(of.masks.iter().copied());
    }
    let isolation = &question.isolation;
    named.extend(isolation.macs().map(|(mac, _)| mac.to_u64()));
    let mut kept = BTreeMap::new();
    let mut hosts: Vec<_> = question.network.hosts.values().collect();
    hosts.sort_unstable_by_key(|host| host.mac);
    for host in hosts {
        let mac = host.mac.to_u64();
        let itself = named.contains(&mac).then_some(mac);
        let matched: Vec<bool> = masks.iter().map(|(value, mask)| mac & mask == *value).collect();
        let port = Some(host.port).filter(|port| isolation.of_port(*port) != Membership::default());
        kept.entry((host.port.datapath_id, port, itself, matched)).or_insert(host.mac);
    }
    kept.into_values().collect()
}

/// Whether a rule is there because of a host that another one stands for, or says of a host what the last rule of its table says of everybody.
fn is_of_other_host(rule: &Rule, kept: &BTreeSet<MacAddr>) -> bool {
    let is_other = |mac: Option<MacAddr>| mac.is_some_and(|mac| !kept.contains(&mac));
    match (rule.table, rule.priority) {
        (CLASSIFY, classify::HOST) => true,
        (FORWARD, forward::HOST) | (ISOLATE_TO, isolate::HERE) => is_other(rule.body.match_().eth_dst()),
        (ISOLATE_SOURCE, isolate::HERE) => is_other(rule.body.match_().eth_src()),
        _ => false,
    }
}

/// What a match asks for.
#[derive(Default)]
struct Asked {
    in_port: Option<PortNo>,
    header: Ternary,
    metadata: (u64, u64),
    partial: bool,
}

fn asked(match_: &Match) -> Asked {
    let mut asked = Asked::default();
    for field in match_.fields() {
        let number = |octets: &[u8]| octets.iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
        let value = number(field.value);
        let kind = match field.kind {
            OxmKind::IN_PORT => {
                asked.in_port = u32::try_from(value).ok().map(PortNo);
                continue;
            }
            OxmKind::METADATA => {
                let mask = field.mask.map_or(u64::MAX, number);
                asked.metadata = (value & mask, mask);
                continue;
            }
            OxmKind::IPV6_SRC | OxmKind::IPV6_DST => {
                let (high, low) = match field.kind {
                    OxmKind::IPV6_SRC => (Field::Ipv6SrcHigh, Field::Ipv6SrcLow),
                    _ => (Field::Ipv6DstHigh, Field::Ipv6DstLow),
                };
                let halves = |octets: &[u8]| {
                    let (high, low) = octets.split_at(octets.len().min(8));
                    (number(high), number(low))
                };
                let (of_high, of_low) = halves(field.value);
                let (mask_high, mask_low) = field.mask.map_or((u64::MAX, u64::MAX), halves);
                asked.header = asked.header.with(high, of_high, mask_high).with(low, of_low, mask_low);
                continue;
            }
            OxmKind::ETH_DST => Field::EthDst,
            OxmKind::ETH_SRC => Field::EthSrc,
            OxmKind::ETH_TYPE => Field::EthType,
            OxmKind::VLAN_VID => Field::VlanVid,
            OxmKind::IP_PROTO => Field::IpProto,
            OxmKind::IPV4_SRC => Field::Ipv4Src,
            OxmKind::IPV4_DST => Field::Ipv4Dst,
            OxmKind::TCP_SRC | OxmKind::UDP_SRC | OxmKind::SCTP_SRC => Field::L4Src,
            OxmKind::TCP_DST | OxmKind::UDP_DST | OxmKind::SCTP_DST => Field::L4Dst,
            OxmKind::ICMPV6_TYPE => Field::Icmpv6Type,
            OxmKind::ARP_SPA => Field::ArpSpa,
            OxmKind::ARP_TPA => Field::ArpTpa,
            _ => {
                asked.partial = true;
                continue;
            }
        };
        let mask = field.mask.map_or(kind.full(), number);
        asked.header = asked.header.with(kind, value, mask);
    }
    asked
}

fn effect(at: DatapathId, does: &[Instruction], groups: &HashMap<GroupId, &Group>, network: &Network) -> Effect {
    let mut effect = Effect::default();
    let goes_on = does.iter().any(|does| matches!(does, Instruction::GotoTable(_)));
    for does in does {
        match does {
            Instruction::GotoTable(table) => effect.goto = Some(table.0),
            Instruction::WriteMetadata { metadata, mask } => effect.metadata = (*metadata & mask, *mask),
            Instruction::ApplyActions(actions) => apply(at, actions, groups, network, goes_on, &mut effect),
            // What a set of actions comes to is known at the last table only.
            Instruction::WriteActions(actions) => {
                effect.unknown |= goes_on;
                apply(at, actions, groups, network, goes_on, &mut effect);
            }
            Instruction::ClearActions => effect.unknown |= goes_on,
            // A meter may drop, which is what it is for.
            Instruction::Meter(_) => {}
            Instruction::Experimenter { .. } | Instruction::Unknown { .. } => effect.unknown = true,
        }
    }
    effect
}

fn apply(
    at: DatapathId,
    actions: &[Action],
    groups: &HashMap<GroupId, &Group>,
    network: &Network,
    goes_on: bool,
    effect: &mut Effect,
) {
    for (n, action) in actions.iter().enumerate() {
        match action {
            Action::Output { port, .. } => output(at, *port, network, effect),
            Action::Group(id) => match groups.get(id) {
                Some(group) => {
                    let used = used_buckets(at, group, network);
                    used.for_each(|bucket| apply(at, &bucket.actions, groups, network, false, effect));
                }
                None => effect.unknown = true,
            },
            Action::SetQueue(_)
            | Action::SetNwTtl(_)
            | Action::DecNwTtl
            | Action::SetMplsTtl(_)
            | Action::DecMplsTtl
            | Action::CopyTtlIn
            | Action::CopyTtlOut
            | Action::Nicira(NiciraAction::Note(_)) => {}
            // A changed packet matters where it goes on.
            _ => effect.unknown |= goes_on || n + 1 < actions.len() || matches!(action, Action::Nicira(_)),
        }
    }
}

/// Buckets that packets may take as the ports are. Of a fast failover group the first live one alone is used: what comes behind a port that is up
/// is for when it is not, and may lead back to a switch that leads here when its own port is down.
fn used_buckets<'a>(at: DatapathId, group: &'a Group, network: &'a Network) -> impl Iterator<Item = &'a Bucket> {
    let is_failover = group.group_type == GroupType::FF;
    let is_up = move |bucket: &Bucket| network.port(PortId::new(at, bucket.watch_port)).map(|port| port.info.up);
    let first_up = group.buckets.iter().position(|bucket| is_failover && is_up(bucket) == Some(true));
    let candidates = group.buckets.iter().take(first_up.map_or(usize::MAX, |at| at + 1));
    candidates.filter(move |bucket| !is_failover || bucket.watch_group != GroupId::ANY || is_up(bucket) != Some(false))
}

fn output(at: DatapathId, port: PortNo, network: &Network, effect: &mut Effect) {
    match port {
        PortNo::CONTROLLER => {}
        PortNo::ALL | PortNo::FLOOD => {
            let ports = network.switches.get(&at).into_iter().flat_map(|switch| &switch.ports);
            let up = ports.filter(|(_, port)| port.info.up || port.state == PortState::Link);
            effect.outputs.extend(up.map(|(&port_no, _)| port_no));
        }
        PortNo::NORMAL | PortNo::TABLE => effect.unknown = true,
        port => drop(effect.outputs.insert(port)),
    }
}
