mod several;

use super::*;
use crate::rib::{DEFAULT_LOCAL_PREF, DecisionOptions, ImportOptions, ImportRules, RibConfig, Source};
use crate::session::{Announcement, RouteUpdate};
use crate::wire::{AsPath, DecodeContext, Message, MpNlri, Nlri, Origin, RouterId, Update, frame_length};
use net::Time;
use proptest::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;

const V4: Family = Family::IPV4_UNICAST;

pub(super) fn terms(kind: SourceKind) -> ExportTerms {
    ExportTerms {
        kind,
        policy: Policy::Accept,
        default_originate: None,
        local_asn: Asn(65000),
        next_hop_v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
        next_hop_v6: "2001:db8::1".parse().ok(),
        peer_asn: None,
        cluster_id: RouterId::from_u32(0x0a00_0001),
        rules: ExportRules::default(),
        default_local_pref: DEFAULT_LOCAL_PREF,
        encode: EncodeContext::default(),
    }
}

fn rib() -> Rib {
    Rib::new(RibConfig {
        import: ImportOptions::new(Asn(65000), RouterId::from_u32(1)),
        decision: DecisionOptions::default(),
        default_local_pref: DEFAULT_LOCAL_PREF,
        seed: 1,
    })
}

fn source(number: u8) -> Source {
    Source {
        kind: SourceKind::External,
        asn: Asn(65000 + u32::from(number)),
        router_id: RouterId::from_u32(u32::from(number)),
        // Ours is 192.0.2.1, and next hops are those of nobody here.
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100 + number))),
        local_address: None,
        import: Policy::Accept,
        enforce_first_as: true,
        confederation: false,
        client: false,
        rules: ImportRules::default(),
    }
}

fn numbered(number: u32) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + (number << 8))), 24).unwrap()
}

fn announce(number: u8, tail: u32, prefixes: impl IntoIterator<Item = u32>) -> RouteUpdate {
    let path = AsPath::sequence(&[Asn(65000 + u32::from(number)), Asn(tail)]);
    let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, number));
    RouteUpdate {
        family: V4,
        withdrawn: Vec::new(),
        announced: Some(Announcement {
            nlri: prefixes.into_iter().map(numbered).map(Nlri::new).collect(),
            attributes: Arc::new(PathAttributes::new(Origin::Igp, path)),
            next_hop,
        }),
    }
}

fn withdraw(prefixes: impl IntoIterator<Item = u32>) -> RouteUpdate {
    let withdrawn = prefixes.into_iter().map(numbered).map(Nlri::new).collect();
    RouteUpdate { family: V4, withdrawn, announced: None }
}

#[test]
fn routes_with_one_attribute_set_cost_a_group_one_evaluation_of_policy() {
    let mut rib = rib();
    let from = rib.add_source(source(1));
    rib.handle_routes(from, &announce(1, 9, 0..100), Time::ZERO);
    let policy = crate::policy::tests::reject_below_and_mark("10.0.0.0/18 le 24");
    let mut group = UpdateGroup::new(ExportTerms { policy, ..terms(SourceKind::External) });
    let members = [2, 3, 4].map(|number| rib.add_source(source(number)));
    members.into_iter().for_each(|member| group.join(member, [V4], false, &mut rib));
    for member in members {
        while group.poll_transmit(member, &mut rib).is_some() {}
        // 64 of 100 are in 10.0.0.0/18.
        assert_eq!(group.advertised(member, V4), 36);
    }
    assert_eq!(group.counters().policy_evaluations, 1);
}

#[test]
fn a_family_that_never_ends_holds_the_other_one_up_for_one_segment() {
    let mut rib = rib();
    let from = rib.add_source(source(1));
    let member = rib.add_source(source(2));
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(member, Rib::FAMILIES, false, &mut rib);
    while group.poll_transmit(member, &mut rib).is_some() {}
    let v6 = Prefix::new("2001:db8:1::".parse().unwrap(), 48).unwrap();
    let announced = Announcement {
        nlri: vec![Nlri::new(v6)],
        attributes: Arc::new(PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65001)]))),
        next_hop: IpAddr::V6("2001:db8::9".parse().unwrap()).into(),
    };
    let route = RouteUpdate { family: Family::IPV6_UNICAST, withdrawn: Vec::new(), announced: Some(announced) };
    rib.handle_routes(from, &route, Time::ZERO);
    for round in 0..3 {
        rib.handle_routes(from, &announce(1, 9 + round, 0..5), Time::ZERO);
        assert!(group.poll_transmit(member, &mut rib).is_some());
    }
    assert!(group.holds(member, v6, &rib));
}

/// A peer at the other end: what it holds after reading what it is sent. Panics where a withdrawal names what it does
/// not hold.
#[derive(Default)]
struct Receiver {
    routes: BTreeMap<Prefix, String>,
    ends_of_rib: Vec<Family>,
    updates: usize,
    /// Not sent again since BoRR.
    stale: Option<std::collections::BTreeSet<Prefix>>,
    refreshes: usize,
}

impl Receiver {
    fn refresh(&mut self, subtype: RefreshSubtype) {
        match subtype {
            RefreshSubtype::BEGIN => self.stale = Some(self.routes.keys().copied().collect()),
            RefreshSubtype::END => {
                let stale = self.stale.take().expect("EoRR without BoRR");
                assert!(stale.is_empty(), "held and not sent again: {stale:?}");
                self.refreshes += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, outgoing: &Outgoing) {
        let mut messages = 0;
        for octets in &outgoing.octets {
            let mut octets = octets.as_ref();
            while let Ok(Some(length)) = frame_length(octets, 4096) {
                let (frame, rest) = octets.split_at(length);
                octets = rest;
                messages += 1;
                match Message::decode(frame, &DecodeContext::default()).unwrap().message {
                    Message::Update(update) => self.update(update),
                    Message::RouteRefresh(refresh) => self.refresh(refresh.subtype),
                    other => panic!("{other:?}"),
                }
            }
            assert!(octets.is_empty(), "whole messages");
        }
        assert_eq!(messages, outgoing.messages);
    }

    fn sent_again(&mut self, prefix: Prefix) {
        if let Some(stale) = &mut self.stale {
            stale.remove(&prefix);
        }
    }

    fn update(&mut self, update: Update) {
        self.updates += 1;
        if let Some(family) = update.end_of_rib() {
            self.ends_of_rib.push(family);
            return;
        }
        let mut gone: Vec<Nlri> = update.withdrawn.clone();
        if let Some(MpNlri::Unicast(nlri)) = update.mp_unreach.map(|unreach| unreach.nlri) {
            gone.extend(nlri);
        }
        for nlri in gone {
            self.sent_again(nlri.prefix);
            assert!(self.routes.remove(&nlri.prefix).is_some(), "{} is withdrawn but not held", nlri.prefix);
        }
        let mut came = update.nlri.clone();
        if let Some(MpNlri::Unicast(nlri)) = update.mp_reach.map(|reach| reach.nlri) {
            came.extend(nlri);
        }
        for nlri in came {
            self.sent_again(nlri.prefix);
            self.routes.insert(nlri.prefix, update.attributes.as_ref().unwrap().as_path.to_string());
        }
    }

    fn read_all(&mut self, group: &mut UpdateGroup, member: SourceId, rib: &mut Rib) {
        while let Some(outgoing) = group.poll_transmit(member, rib) {
            self.read(&outgoing);
        }
        assert!(!group.is_behind(member, rib));
        assert_eq!(group.advertised(member, V4), self.routes.keys().filter(|p| matches!(p, Prefix::V4(_))).count());
    }
}

#[test]
fn a_new_member_gets_the_table_then_end_of_rib_of_each_family() {
    let mut rib = rib();
    let (sender, member) = (rib.add_source(source(1)), rib.add_source(source(2)));
    rib.handle_routes(sender, &announce(1, 7, 0..1000), Time::ZERO);
    rib.originate("2001:db8:1::/48".parse().unwrap(), Time::ZERO);
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(member, Rib::FAMILIES, false, &mut rib);
    let mut receiver = Receiver::default();
    receiver.read_all(&mut group, member, &mut rib);
    assert_eq!(receiver.routes.len(), 1001);
    assert_eq!(receiver.ends_of_rib, Rib::FAMILIES);
    assert_eq!(receiver.routes[&numbered(0)], "65000 65001 7");
    assert_eq!(receiver.routes[&"2001:db8:1::/48".parse().unwrap()], "65000");
    assert_eq!(receiver.updates, 2 + 2, "1000 prefixes with one attribute set fit in one message");
    assert!(group.holds(member, numbered(3), &rib));
    let page = group.adj_rib_out(member, V4, Some(numbered(1)), 2, &rib);
    assert_eq!(page.routes.iter().map(|route| route.prefix).collect::<Vec<_>>(), [numbered(2), numbered(3)]);
    assert_eq!(page.next, Some(numbered(3)));
    assert!(page.routes.iter().all(|route| route.attributes.as_path.to_string() == "65000 65001 7"));
}

#[test]
fn an_empty_table_is_end_of_rib_at_once() {
    let mut rib = rib();
    let member = rib.add_source(source(1));
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(member, [V4], true, &mut rib);
    let mut receiver = Receiver::default();
    receiver.read_all(&mut group, member, &mut rib);
    assert_eq!(receiver.ends_of_rib, [V4]);
}

#[test]
fn a_member_is_not_sent_its_own_routes_and_loses_a_prefix_whose_best_becomes_its_own() {
    let mut rib = rib();
    let members = [rib.add_source(source(1)), rib.add_source(source(2)), rib.add_source(source(3))];
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    let mut receivers: [Receiver; 3] = Default::default();
    for member in members {
        group.join(member, [V4], true, &mut rib);
    }
    let mut settle = |rib: &mut Rib, receivers: &mut [Receiver; 3]| {
        for (receiver, member) in receivers.iter_mut().zip(members) {
            receiver.read_all(&mut group, member, rib);
        }
        receivers.iter().map(|receiver| receiver.routes.get(&numbered(0)).cloned()).collect::<Vec<_>>()
    };
    rib.handle_routes(members[1], &announce(2, 7, [0]), Time::ZERO);
    let from_second = Some("65000 65002 7".to_owned());
    assert_eq!(settle(&mut rib, &mut receivers), [from_second.clone(), None, from_second.clone()]);
    // Lower router id: better. The first loses what it had, the second now gets one.
    rib.handle_routes(members[0], &announce(1, 7, [0]), Time::ZERO);
    let from_first = Some("65000 65001 7".to_owned());
    assert_eq!(settle(&mut rib, &mut receivers), [None, from_first.clone(), from_first]);
    rib.handle_routes(members[0], &withdraw([0]), Time::ZERO);
    assert_eq!(settle(&mut rib, &mut receivers), [from_second.clone(), None, from_second]);
    rib.remove_source(members[1]);
    assert_eq!(settle(&mut rib, &mut receivers), [None, None, None]);
    assert_eq!(rib.counts(V4), Default::default());
}

#[test]
fn members_in_step_share_one_encoding_and_the_kept_segments_go_with_the_last() {
    let mut rib = rib();
    let sender = rib.add_source(source(1));
    let members: Vec<SourceId> = (2..12).map(|n| rib.add_source(source(n))).collect();
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    members.iter().for_each(|member| group.join(*member, [V4], true, &mut rib));
    rib.handle_routes(sender, &announce(1, 7, 0..500), Time::ZERO);
    let mut pointers = std::collections::BTreeSet::new();
    for member in &members {
        let mut receiver = Receiver::default();
        while let Some(outgoing) = group.poll_transmit(*member, &mut rib) {
            if outgoing.announced > 0 {
                pointers.insert(outgoing.octets[0].as_ptr() as usize);
            }
            receiver.read(&outgoing);
        }
        assert_eq!(receiver.routes.len(), 500);
    }
    assert_eq!(pointers.len(), 1);
    assert_eq!(
        group.counters(),
        GroupCounters { segments_encoded: 1, segments_shared: 9, routes_too_long: 0, policy_evaluations: 1 }
    );
    rib.handle_routes(sender, &withdraw(0..500), Time::ZERO);
    for member in &members {
        while group.poll_transmit(*member, &mut rib).is_some() {}
    }
    assert_eq!(group.counters().segments_shared, 18);
    assert_eq!(rib.counts(V4), Default::default());
}

#[test]
fn a_member_that_never_reads_holds_up_nobody_and_owes_nothing_when_it_leaves() {
    let mut rib = rib();
    let sender = rib.add_source(source(1));
    let (slow, fast) = (rib.add_source(source(2)), rib.add_source(source(3)));
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(slow, [V4], true, &mut rib);
    group.join(fast, [V4], true, &mut rib);
    let mut receiver = Receiver::default();
    // The slow one reads one segment, then nothing through many changes.
    rib.handle_routes(sender, &announce(1, 1, 0..100), Time::ZERO);
    let mut late = Receiver::default();
    late.read(&group.poll_transmit(slow, &mut rib).unwrap());
    late.read(&group.poll_transmit(slow, &mut rib).unwrap());
    for round in 1..51 {
        rib.handle_routes(sender, &announce(1, round, 0..200), Time::ZERO);
        receiver.read_all(&mut group, fast, &mut rib);
        rib.handle_routes(sender, &withdraw(50..200), Time::ZERO);
        receiver.read_all(&mut group, fast, &mut rib);
    }
    assert_eq!(receiver.routes.len(), 50);
    let before = late.updates;
    late.read_all(&mut group, slow, &mut rib);
    assert_eq!(late.routes, receiver.routes);
    assert!(late.updates - before <= 4, "each prefix once, not each change");
    group.leave(slow, &mut rib);
    group.leave(fast, &mut rib);
    rib.remove_source(sender);
    assert_eq!(rib.counts(V4), Default::default());
}

#[test]
fn a_refresh_sends_everything_again_and_nothing_is_withdrawn() {
    let mut rib = rib();
    let (sender, member) = (rib.add_source(source(1)), rib.add_source(source(2)));
    rib.handle_routes(sender, &announce(1, 7, 0..10), Time::ZERO);
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(member, [V4], true, &mut rib);
    let mut receiver = Receiver::default();
    receiver.read_all(&mut group, member, &mut rib);
    let updates = receiver.updates;
    group.handle_refresh(member, V4);
    assert!(group.is_behind(member, &rib));
    receiver.read_all(&mut group, member, &mut rib);
    assert_eq!((receiver.routes.len(), receiver.updates), (10, updates + 1));
    assert_eq!((receiver.refreshes, receiver.stale), (1, None), "between BoRR and EoRR");
}

#[test]
fn a_route_too_long_for_any_message_is_withdrawn_instead() {
    let mut rib = rib();
    let (sender, member) = (rib.add_source(source(1)), rib.add_source(source(2)));
    let mut group = UpdateGroup::new(terms(SourceKind::External));
    group.join(member, [V4], true, &mut rib);
    let mut receiver = Receiver::default();
    rib.handle_routes(sender, &announce(1, 7, [0, 1]), Time::ZERO);
    receiver.read_all(&mut group, member, &mut rib);
    let mut long = announce(1, 7, [0]);
    if let Some(announced) = &mut long.announced {
        let attributes = Arc::make_mut(&mut announced.attributes);
        attributes.communities = vec![crate::wire::Community::new(1, 1); 1050];
    }
    rib.handle_routes(sender, &long, Time::ZERO);
    receiver.read_all(&mut group, member, &mut rib);
    assert_eq!(receiver.routes.keys().collect::<Vec<_>>(), [&numbered(1)]);
    assert_eq!(group.counters().routes_too_long, 1);
}

#[derive(Clone, Debug)]
enum Operation {
    Announce { peer: usize, tail: u32, prefixes: Vec<u32> },
    Withdraw { peer: usize, prefixes: Vec<u32> },
    Poll { peer: usize },
    Flap { peer: usize },
    Refresh { peer: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let prefixes = || prop::collection::vec(0u32..20, 1..8);
    prop_oneof![
        4 => (0usize..4, 1u32..4, prefixes()).prop_map(|(peer, tail, prefixes)| Operation::Announce { peer, tail, prefixes }),
        3 => (0usize..4, prefixes()).prop_map(|(peer, prefixes)| Operation::Withdraw { peer, prefixes }),
        6 => (0usize..4).prop_map(|peer| Operation::Poll { peer }),
        1 => (0usize..4).prop_map(|peer| Operation::Flap { peer }),
        1 => (0usize..4).prop_map(|peer| Operation::Refresh { peer }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_each_peer_ends_up_with_exactly_the_others_best_routes(
        operations in prop::collection::vec(operation(), 1..80),
    ) {
        let mut rib = rib();
        let mut group = UpdateGroup::new(terms(SourceKind::External));
        let mut members: Vec<SourceId> = (1..=4).map(|n| rib.add_source(source(n))).collect();
        let mut receivers: Vec<Receiver> = (0..4).map(|_| Receiver::default()).collect();
        members.iter().for_each(|member| group.join(*member, [V4], true, &mut rib));
        for operation in operations {
            match operation {
                Operation::Announce { peer, tail, prefixes } => {
                    rib.handle_routes(members[peer], &announce(peer as u8 + 1, tail, prefixes), Time::ZERO);
                }
                Operation::Withdraw { peer, prefixes } => rib.handle_routes(members[peer], &withdraw(prefixes), Time::ZERO),
                Operation::Poll { peer } => {
                    if let Some(outgoing) = group.poll_transmit(members[peer], &mut rib) {
                        receivers[peer].read(&outgoing);
                    }
                }
                Operation::Flap { peer } => {
                    group.leave(members[peer], &mut rib);
                    rib.remove_source(members[peer]);
                    members[peer] = rib.add_source(source(peer as u8 + 1));
                    group.join(members[peer], [V4], true, &mut rib);
                    receivers[peer] = Receiver::default();
                }
                Operation::Refresh { peer } => group.handle_refresh(members[peer], V4),
            }
        }
        for (receiver, member) in receivers.iter_mut().zip(&members) {
            receiver.read_all(&mut group, *member, &mut rib);
            let expected: BTreeMap<Prefix, String> = rib.loc_rib(V4, None, 1000).routes.into_iter()
                .filter(|route| route.source != *member)
                .map(|route| (route.prefix, format!("65000 {}", route.attributes.attributes.as_path)))
                .collect();
            prop_assert_eq!(&receiver.routes, &expected);
        }
        for member in &members {
            rib.remove_source(*member);
        }
        for (receiver, member) in receivers.iter_mut().zip(&members) {
            receiver.read_all(&mut group, *member, &mut rib);
            prop_assert!(receiver.routes.is_empty());
        }
        prop_assert_eq!(rib.counts(V4), Default::default());
    }
}
