//! The rules themselves: pure functions from the view to rules and groups.

use net::{DatapathId, MacAddr, PortId, PortNo};
use openflow::nicira::{NiciraAction, Subfield};
use openflow::oxm::VID_PRESENT;
use openflow::{Action, Bucket, GroupId, GroupType, Instruction, Match, OxmFieldOwned, OxmKind};
use topology::PortState;

use crate::app::{View, to_controller};
use crate::flow::pipeline::{CLASSIFY, FORWARD, ISOLATE_PORT, LABEL_STAGE, classify, forward};
use crate::flow::{FlowBody, Group, Key, Owner, Rule};
use crate::path::bypass::{LABELS, Step, tag};

const KIND_FIXED: u8 = 1;
const KIND_LINK: u8 = 2;
const KIND_DHCP: u8 = 3;
const KIND_PATH: u8 = 5;
const KIND_FLOOD: u8 = 6;
const KIND_FLOOD_IN: u8 = 7;
const KIND_NO_LABEL: u8 = 8;
const KIND_HOST_IN: u8 = Key::IDENTITY_KINDS;
const KIND_HOST_OUT: u8 = Key::IDENTITY_KINDS + 1;
const KIND_BYPASS: u8 = Key::IDENTITY_KINDS + 2;

const ETH_TYPE_ARP: u16 = 0x0806;
const ETH_TYPE_IPV4: u16 = 0x0800;
const ETH_TYPE_IPV6: u16 = 0x86dd;
const IP_PROTO_UDP: u8 = 17;
/// RFC 2131 §4.1.
const DHCP_SERVER_PORT: u16 = 67;
const DHCP_CLIENT_PORT: u16 = 68;
/// RFC 8415 §7.2.
const DHCPV6_CLIENT_PORT: u16 = 546;
const DHCPV6_SERVER_PORT: u16 = 547;
const IP_PROTO_ICMPV6: u8 = 58;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const ETH_TYPE_VLAN: u16 = 0x8100;

const fn key(kind: u8, a: u64) -> Key {
    Key { owner: Owner::Forwarding, kind, a, b: 0 }
}

pub(super) fn link_key(port: PortId) -> Key {
    key(KIND_LINK, port.port_no.0 as u64)
}

pub(super) fn path_key(destination: DatapathId) -> Key {
    key(KIND_PATH, destination.0)
}

pub(super) fn flood_key() -> Key {
    key(KIND_FLOOD, 0)
}

pub(super) fn flood_in_key(port: PortId) -> Key {
    key(KIND_FLOOD_IN, port.port_no.0 as u64)
}

fn output(port: PortNo) -> Action {
    Action::Output { port, max_len: 0 }
}

/// Rules that every switch has, whatever the network looks like.
pub(super) fn fixed_rules() -> Vec<Rule> {
    let punt = || vec![Instruction::ApplyActions(vec![to_controller()])];
    let copy = || vec![Instruction::ApplyActions(vec![to_controller()]), Instruction::GotoTable(ISOLATE_PORT)];
    let icmpv6 = |icmp_type| {
        Match::new().with_eth_type(ETH_TYPE_IPV6).with_ip_proto(IP_PROTO_ICMPV6).with_icmpv6_type(icmp_type)
    };
    let group_bit = MacAddr([1, 0, 0, 0, 0, 0]);
    let arp = Match::new().with_eth_type(ETH_TYPE_ARP);
    let link_local = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);
    let link_local_mask = MacAddr([0xff, 0xff, 0xff, 0xff, 0xff, 0xf0]);
    let rows = [
        (classify::LINK_LOCAL, Match::new().with_eth_dst_masked(link_local, link_local_mask), Vec::new()),
        (classify::ASK, arp.clone().with_eth_dst(MacAddr::BROADCAST), punt()),
        (classify::ASK, icmpv6(NEIGHBOR_SOLICITATION).with_eth_dst_masked(group_bit, group_bit), punt()),
        (classify::OVERHEAR, arp, copy()),
        (classify::OVERHEAR, icmpv6(NEIGHBOR_SOLICITATION), copy()),
        (classify::OVERHEAR, icmpv6(NEIGHBOR_ADVERTISEMENT), copy()),
        (classify::MISS, Match::new(), copy()),
    ];
    let rules = rows.into_iter().enumerate();
    // None of them is too long.
    rules
        .filter_map(|(n, (priority, match_, does))| {
            Rule::new(key(KIND_FIXED, n as u64), CLASSIFY, priority, match_, does).ok()
        })
        .collect()
}

/// Rules that every switch has while DHCP is looked at: the controller learns from a copy who has which address.
pub(super) fn dhcp_rules() -> impl Iterator<Item = Rule> {
    let rows = [
        (ETH_TYPE_IPV4, DHCP_SERVER_PORT),
        (ETH_TYPE_IPV4, DHCP_CLIENT_PORT),
        (ETH_TYPE_IPV6, DHCPV6_SERVER_PORT),
        (ETH_TYPE_IPV6, DHCPV6_CLIENT_PORT),
    ];
    rows.into_iter().enumerate().filter_map(|(n, (eth_type, port))| {
        let match_ = Match::new().with_eth_type(eth_type).with_ip_proto(IP_PROTO_UDP).with_udp_dst(port);
        let copy = vec![Instruction::ApplyActions(vec![to_controller()]), Instruction::GotoTable(ISOLATE_PORT)];
        Rule::new(key(KIND_DHCP, n as u64), CLASSIFY, classify::OVERHEAR, match_, copy).ok()
    })
}

/// A frame from another switch goes straight on: it was looked at where it entered. By a port that is left over on a segment of others' switches
/// nothing is sent to this switch: what comes is a copy that they have flooded.
pub(super) fn link_rule(port: PortId, view: &View<'_>) -> Option<Rule> {
    let state = view.network.port(port)?.state;
    if state != PortState::Link {
        return None;
    }
    let match_ = Match::new().with_in_port(port.port_no);
    if view.network.is_left_over(port) {
        return Rule::new(link_key(port), CLASSIFY, classify::LINK, match_, Vec::new()).ok();
    }
    let body = FlowBody::goto(&match_, ISOLATE_PORT).ok()?;
    Some(Rule::with_body(link_key(port), CLASSIFY, classify::LINK, body))
}

/// A host is where it is known to be: its frames are not looked at again, and the switch tells when they stop. Of a host that the operator says is
/// there the rule stays, however silent it is.
pub(super) fn host_in_rule(mac: MacAddr, port: PortId, view: &View<'_>) -> Rule {
    if view.network.static_port(mac) == Some(port) {
        return no_host_in_rule(mac, port);
    }
    let idle_timeout = u16::try_from(view.host_timeout.as_secs()).unwrap_or(u16::MAX).max(1);
    Rule { idle_timeout, ..no_host_in_rule(mac, port) }
}

/// The same as far as it says which rule it is.
pub(super) fn no_host_in_rule(mac: MacAddr, port: PortId) -> Rule {
    let key = Key { b: u64::from(port.port_no.0), ..key(KIND_HOST_IN, mac.to_u64()) };
    Rule::with_body(key, CLASSIFY, classify::HOST, FlowBody::source_goto(port.port_no, mac, ISOLATE_PORT))
}

/// The way to a host: out of its port on its own switch, else through the group that leads to its switch.
pub(super) fn host_out_rule(
    at: DatapathId,
    mac: MacAddr,
    port: PortId,
    group_id: GroupId,
    view: &View<'_>,
) -> Option<Rule> {
    let stage = view.paths.rank(at, port.datapath_id)?;
    let body = match at == port.datapath_id {
        true => FlowBody::destination_output(mac, port.port_no, 0),
        false => FlowBody::destination_group(mac, group_id),
    };
    Some(Rule { stage, ..to_host(mac, body) })
}

/// The same as far as it says which rule it is.
pub(super) fn no_host_out_rule(mac: MacAddr) -> Rule {
    to_host(mac, FlowBody::destination_group(mac, GroupId::ANY))
}

fn to_host(mac: MacAddr, body: FlowBody) -> Rule {
    Rule::with_body(key(KIND_HOST_OUT, mac.to_u64()), FORWARD, forward::HOST, body)
}

/// All equal-cost next hops towards another switch, or the only one and, behind it, the alternate or the way round its link. A bucket whose port is down
/// is skipped by the switch itself.
pub(super) fn path_group(at: DatapathId, destination: DatapathId, view: &View<'_>) -> Option<Group> {
    let hop = view.paths.hop(at, destination)?;
    let bypass = match *hop.ports {
        [port] if hop.alternate.is_none() => view.paths.bypass(PortId::new(at, port)),
        _ => None,
    };
    // Buckets of select groups alone have a weight (OpenFlow 1.3.5 §5.6.1).
    let has_detour = hop.alternate.is_some() || bypass.is_some();
    let (group_type, weight) = if has_detour { (GroupType::FF, 0) } else { (GroupType::SELECT, 1) };
    let bucket = |port, actions| Bucket { weight, watch_port: port, watch_group: GroupId::ANY, actions };
    let plain = hop.ports.iter().chain(&hop.alternate).map(|&port| bucket(port, vec![output(port)]));
    let round = bypass.map(|bypass| {
        let (vlan, priority) = tag(bypass.label, bypass.left());
        let labelled = [Action::PushVlan(ETH_TYPE_VLAN), set_vlan(vlan)].into_iter().chain(set_priority(priority));
        let onto = by_any_port(at, view).into_iter().chain(labelled);
        bucket(bypass.first, onto.chain([output(bypass.first)]).collect())
    });
    let buckets = plain.chain(round).collect();
    Some(Group { key: path_key(destination), group_type, buckets, stage: hop.rank })
}

/// One switch of the way round a link: on to the next one, or off with the label and on as if it had come over the link.
pub(super) fn bypass_rule(label: u16, step: &Step, view: &View<'_>) -> Option<Rule> {
    let (vlan, priority) = tag(label, step.left);
    let match_ = Match::new().with_in_port(step.in_port).with_vlan_vid(VID_PRESENT | vlan).with_vlan_pcp(priority);
    let instructions = match step.out {
        Some(port) => {
            let (next, priority) = tag(label, step.left.saturating_sub(1));
            let other = (next != vlan).then(|| set_vlan(next));
            let on = other.into_iter().chain(set_priority(priority)).chain([output(port)]);
            vec![Instruction::ApplyActions(on.collect())]
        }
        None => {
            let off = [Action::PopVlan].into_iter().chain(by_any_port(step.at, view));
            vec![Instruction::ApplyActions(off.collect()), Instruction::GotoTable(ISOLATE_PORT)]
        }
    };
    let key = Key { b: u64::from(label) << 8 | u64::from(step.left), ..key(KIND_BYPASS, u64::from(step.in_port.0)) };
    let rule = Rule::new(key, CLASSIFY, classify::BYPASS, match_, instructions).ok()?;
    Some(Rule { stage: LABEL_STAGE, ..rule })
}

/// From here on the frame may leave by the port where it came in, as the way round its link may begin there (ovs-fields(7), `in_port`). OpenFlow has no word for
/// that: a switch that says it is no Open vSwitch is not told, and drops the frames that would have to go back.
fn by_any_port(at: DatapathId, view: &View<'_>) -> Option<Action> {
    let destination = Subfield { kind: OxmKind::NXM_OF_IN_PORT, offset: 0, bits: 16 };
    let is_plain = view.network.switches.get(&at).is_some_and(|switch| switch.plain_openflow);
    (!is_plain).then_some(Action::Nicira(NiciraAction::RegLoad { destination, value: 0 }))
}

fn set_vlan(vlan: u16) -> Action {
    Action::SetField(OxmFieldOwned::vlan_vid(VID_PRESENT | vlan))
}

/// At most 7, and so always something.
fn set_priority(priority: u8) -> Option<Action> {
    OxmFieldOwned::number(OxmKind::VLAN_PCP, priority.into()).map(Action::SetField)
}

/// A tag that could be a label is one that a switch of the fabric has put there and that this one has a rule for, or its frame goes nowhere.
pub(super) fn no_label_rule(view: &View<'_>) -> Option<Rule> {
    let (from, mask) = (LABELS.start() & !0xff, 0xf00);
    let match_ = Match::new().with_vlan_vid_masked(VID_PRESENT | from, VID_PRESENT | mask);
    let rule = || Rule::new(no_label_key(), CLASSIFY, classify::NO_LABEL, match_, Vec::new()).ok();
    if view.paths.weights().bypasses { rule() } else { None }
}

pub(super) fn no_label_key() -> Key {
    key(KIND_NO_LABEL, 0)
}

/// Whether broadcasts may enter and leave by this port: edge ports and links of the flood tree.
pub(super) fn floods(port: PortId, view: &View<'_>) -> bool {
    let Some(found) = view.network.port(port) else { return false };
    match found.state {
        PortState::Unknown => false,
        PortState::Edge => found.info.up,
        PortState::Link => view.paths.is_flood_port(port.datapath_id, port.port_no),
    }
}

/// Every port that floods; the switch itself leaves out the one that the frame came in by.
pub(super) fn flood_group(at: DatapathId, view: &View<'_>) -> Option<Group> {
    let ports = flood_ports(at, view);
    if ports.is_empty() {
        return None;
    }
    let bucket =
        |port| Bucket { weight: 0, watch_port: PortNo::ANY, watch_group: GroupId::ANY, actions: vec![output(port)] };
    let buckets = ports.into_iter().map(bucket).collect();
    Some(Group { key: flood_key(), group_type: GroupType::ALL, buckets, stage: 0 })
}

/// The ports of a switch that flood, ascending.
pub(super) fn flood_ports(at: DatapathId, view: &View<'_>) -> Vec<PortNo> {
    let Some(switch) = view.network.switches.get(&at) else { return Vec::new() };
    switch.ports.keys().copied().filter(|&port_no| floods(PortId::new(at, port_no), view)).collect()
}

/// A frame to nobody known may flood if it came in by a port that floods; else it matches nothing and is dropped.
pub(super) fn flood_in_rule(port: PortId, group_id: GroupId, view: &View<'_>) -> Option<Rule> {
    if !floods(port, view) {
        return None;
    }
    // Frames of somebody who must not reach everybody are not flooded.
    let match_ = Match::new().with_in_port(port.port_no).with_metadata(0);
    let body = FlowBody::apply(&match_, &Action::Group(group_id)).ok()?;
    Some(Rule::with_body(flood_in_key(port), FORWARD, forward::FLOOD, body))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use topology::Network;

    use super::*;
    use crate::path::{Paths, Weights};

    /// All actions of the way round the link from switch 1 to 2 in a ring of four.
    fn on_the_way_round(plain: &[u64]) -> Vec<Action> {
        let mut network = Network::new(1);
        let mut paths = Paths::with_weights(Weights::with_bypasses());
        for id in 1..=4 {
            network.switches.entry(DatapathId(id)).or_default().plain_openflow = plain.contains(&id);
            paths.add_switch(DatapathId(id));
        }
        for id in 1..=4_u64 {
            let [a, b] = [(id, 1), (id % 4 + 1, 2)].map(|(at, port)| PortId::new(DatapathId(at), PortNo(port)));
            paths.set_link(a, b, [1, 1]);
        }
        paths.settle();
        let view = View {
            network: &network,
            paths: &paths,
            host_timeout: Duration::from_secs(300),
            isolation: &Default::default(),
            broadcast_probes: false,
            watches_dhcp: false,
        };
        let group = path_group(DatapathId(1), DatapathId(2), &view).expect("a next hop");
        let bypass = paths.bypass(PortId::new(DatapathId(1), PortNo(1))).expect("a way round");
        let rules = bypass.steps.iter().map(|step| bypass_rule(bypass.label, step, &view).expect("a rule"));
        let of_rules = rules.flat_map(|rule| rule.body.instructions()).filter_map(|instruction| match instruction {
            Instruction::ApplyActions(actions) => Some(actions),
            _ => None,
        });
        group.buckets[1].actions.iter().cloned().chain(of_rules.flatten()).collect()
    }

    fn words_of_open_vswitch(actions: &[Action]) -> usize {
        actions.iter().filter(|action| matches!(action, Action::Nicira(_))).count()
    }

    #[test]
    fn a_switch_that_is_no_open_vswitch_is_spoken_to_in_openflow_alone() {
        let of_all = on_the_way_round(&[]);
        assert_eq!(words_of_open_vswitch(&of_all), 2, "{of_all:?}");
        for (plain, left) in [(&[1_u64][..], 1), (&[2], 1), (&[3, 4], 2), (&[1, 2, 3, 4], 0)] {
            let actions = on_the_way_round(plain);
            assert_eq!(words_of_open_vswitch(&actions), left, "{plain:?}: {actions:?}");
            assert_eq!(actions.len(), of_all.len() - (2 - left), "what OpenFlow has a word for is there all the same");
        }
    }
}
