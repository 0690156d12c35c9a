//! Properties: fast lookup equals the slow one, filters mean what they say, what is installed is read back, nothing makes it panic.

use super::frames::*;
use super::*;
use crate::flow::FlowModCommand;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{BufferId, GroupId};
use crate::multipart::{FlowStatsRequest, MultipartReplyBody, MultipartRequest, MultipartRequestBody};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::packet::PacketOut;
use crate::switch::flow_key::Slot;
use crate::switch::tables::{FlowEntry, FlowFilter};
use crate::switch::{FlowKey, FlowMatch, Tables, pipeline};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// Matches over few values, so that they meet each other and the packets.
fn matches() -> impl Strategy<Value = Match> {
    let ip = (
        prop::option::of((0u8..4, 30u32..=32)),
        prop::option::of(0u8..4),
        prop::option::of(0u16..3),
        prop::option::of(0u16..3),
    );
    let link = (prop::option::of(1u32..4), prop::option::of((0u8..3, any::<bool>())), prop::option::of(0u16..3));
    let without_ethernet = prop::option::weighted(0.2, (prop::option::of(1u32..4), 0u8..3)).prop_map(|named| {
        let (in_port, kind) = named?;
        let packet_type: u32 = [0, 0x0001_0800, 0x0001_88cc][usize::from(kind)];
        let named = OxmFieldOwned::new(OxmKind::PACKET_TYPE, &packet_type.to_be_bytes(), None).unwrap();
        Some(in_port.map_or(Match::new(), |port| Match::new().with_in_port(PortNo(port))).with(&named))
    });
    (without_ethernet, link, prop::option::of(ip)).prop_map(|(without_ethernet, (in_port, eth_dst, vlan), ip)| {
        if let Some(match_) = without_ethernet {
            return match_;
        }
        let mut match_ = Match::new();
        if let Some(port) = in_port {
            match_ = match_.with_in_port(PortNo(port));
        }
        if let Some((last, masked)) = eth_dst {
            let address = MacAddr([2, 0, 0, 0, 0, if masked { last & 1 } else { last }]);
            match_ = if masked {
                match_.with_eth_dst_masked(address, MacAddr([0xff, 0xff, 0xff, 0xff, 0xff, 1]))
            } else {
                match_.with_eth_dst(address)
            };
        }
        match vlan {
            Some(0) => match_ = match_.with_vlan_vid(0),
            Some(1) => match_ = match_.with_vlan_vid_masked(0x1000, 0x1000),
            Some(vid) => match_ = match_.with_vlan_vid(0x1000 | vid),
            None => {}
        }
        if let Some((source, target, source_port, target_port)) = ip {
            match_ = match_.with_eth_type(0x0800).with_ip_proto(17);
            if let Some((last, len)) = source {
                let mask = u32::MAX << (32 - len);
                let address = Ipv4Addr::from_bits((0x0a00_0000 | u32::from(last)) & mask);
                match_ = match_.with_ipv4_src_masked(address, Ipv4Addr::from_bits(mask));
            }
            if let Some(last) = target {
                match_ = match_.with_ipv4_dst(Ipv4Addr::new(10, 0, 0, last));
            }
            if let Some(port) = source_port {
                match_ = match_.with_udp_src(port);
            }
            if let Some(port) = target_port {
                match_ = match_.with_udp_dst(port);
            }
        }
        match_
    })
}

/// Keys of packets that such matches may meet.
fn keys() -> impl Strategy<Value = FlowKey> {
    (frames(), any::<bool>()).prop_map(|(mut key, ethernet)| {
        if !ethernet {
            key.set(Slot::PACKET_TYPE, 0x0001_0000 | u128::from(key.eth_type()));
        }
        key
    })
}

fn frames() -> impl Strategy<Value = FlowKey> {
    (1u32..5, 0u8..4, prop::option::of(0u16..4), any::<bool>(), (0u8..4, 0u8..4, 0u16..4, 0u16..4)).prop_map(
        |(port, dst, vlan, is_ip, (source, target, source_port, target_port))| {
            let mut ip = transport4(17, 64, source_port, target_port);
            ip[15] = source;
            ip[19] = target;
            let eth_type = if is_ip { 0x0800 } else { 0x88cc };
            pipeline::fields(PortNo(port), &ethernet([2, 0, 0, 0, 0, dst], A, vlan, eth_type, &ip))
        },
    )
}

fn entry(priority: u16, cookie: u64, match_: &Match) -> FlowEntry {
    FlowEntry {
        table_id: TableId(0),
        priority,
        flow_match: FlowMatch::compile(match_).unwrap(),
        match_: match_.canonical(),
        instructions: vec![],
        cookie,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: Default::default(),
        created: Time::ZERO,
        modified: Time::ZERO,
        used: Time::ZERO,
        packet_count: 0,
        byte_count: 0,
    }
}

fn without_packet_type(match_: &Match) -> Match {
    match_.fields().filter(|field| field.kind != OxmKind::PACKET_TYPE).map(|field| field.to_owned()).collect()
}

/// Whether the packets of a flow are of the type that is wanted. One that matches a field of a packet means Ethernet frames.
fn packet_type_fits(wanted: &Match, flow: &Match) -> bool {
    let said = |match_: &Match| match_.get(OxmKind::PACKET_TYPE).map(|field| field.value.to_vec());
    let implied = flow.fields().any(|field| field.kind != OxmKind::IN_PORT).then(|| vec![0; 4]);
    said(wanted).is_none_or(|wanted| said(flow).or(implied) == Some(wanted))
}

proptest! {
    #[test]
    fn tuple_space_lookup_equals_a_linear_search(
        flows in vec((matches(), 0u16..5, any::<bool>()), 1..40),
        packets in vec(keys(), 1..20),
    ) {
        let mut tables = Tables::new();
        // The naive table: in the order of adding; the same match and priority replaces.
        let mut naive: Vec<FlowEntry> = Vec::new();
        for (number, (match_, priority, deletes)) in flows.iter().enumerate() {
            let flow = entry(*priority, number as u64, match_);
            naive.retain(|other| (other.priority, &other.flow_match) != (flow.priority, &flow.flow_match));
            if *deletes {
                if let Some(id) = tables.find(TableId(0), &flow.flow_match, *priority) {
                    tables.remove(id);
                }
            } else {
                naive.push(flow.clone());
                tables.insert(flow);
            }
        }
        prop_assert_eq!(tables.total(), naive.len());
        for key in packets {
            let slow = naive.iter().filter(|flow| flow.flow_match.matches(&key));
            let slow = slow.min_by_key(|flow| (std::cmp::Reverse(flow.priority), flow.cookie)).map(|flow| flow.cookie);
            let fast = tables.lookup(TableId(0), &key).and_then(|id| tables.get(id)).map(|flow| flow.cookie);
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn subset_overlap_and_intersection_agree_with_the_packets(one in matches(), two in matches(), packets in vec(keys(), 1..40)) {
        let (one, two) = (FlowMatch::compile(&one).unwrap(), FlowMatch::compile(&two).unwrap());
        let both = one.intersection(&two);
        prop_assert_eq!(both.is_some(), one.overlaps(&two));
        prop_assert_eq!(one.overlaps(&two), two.overlaps(&one));
        prop_assert!(one.covers(&one));
        if let Some(both) = &both {
            prop_assert!(one.covers(both) && two.covers(both));
        }
        for key in &packets {
            let (in_one, in_two) = (one.matches(key), two.matches(key));
            prop_assert_eq!(in_one && in_two, both.as_ref().is_some_and(|both| both.matches(key)));
            prop_assert!(!(one.covers(&two) && in_two) || in_one);
        }
    }

    #[test]
    fn a_non_strict_delete_takes_exactly_what_a_plain_filter_takes(
        flows in vec((matches(), 0u16..5), 1..30),
        wanted in matches(),
        cookie_mask in 0u64..4,
        out_port in prop::option::of(1u32..4),
    ) {
        let mut switch = switch();
        for (number, (match_, priority)) in flows.iter().enumerate() {
            let instructions = apply(vec![output(number as u32 % 3 + 1)]);
            add(&mut switch, FlowMod { cookie: number as u64, ..flow(0, *priority, match_.clone(), instructions) });
        }
        let out_port = out_port.map_or(PortNo::ANY, PortNo);
        let delete = FlowMod { cookie: 1, cookie_mask, out_port, ..FlowMod::delete(TableId::ALL, wanted.clone()) };
        let filter = FlowFilter::of_flow_mod(&delete, FlowMatch::compile(&wanted).unwrap(), false, true);
        let kept: Vec<u64> = switch
            .tables()
            .iter()
            .map(|(_, flow)| flow)
            .filter(|flow| {
                let narrower = packet_type_fits(&wanted, &flow.match_) && {
                    let wanted = FlowMatch::compile(&without_packet_type(&wanted)).unwrap();
                    wanted.intersection(&flow.flow_match) == Some(flow.flow_match.clone())
                };
                let cookie = flow.cookie & cookie_mask == 1 & cookie_mask;
                let port = out_port == PortNo::ANY || PortNo(flow.cookie as u32 % 3 + 1) == out_port;
                let taken = narrower && cookie && port;
                assert_eq!(taken, filter.selects(flow));
                !taken
            })
            .map(|flow| flow.cookie)
            .collect();
        add(&mut switch, delete);
        let left: Vec<u64> = switch.tables().iter().map(|(_, flow)| flow.cookie).collect();
        prop_assert_eq!(left, kept);
    }

    #[test]
    fn what_is_installed_is_read_back(flows in vec((matches(), any::<u16>(), any::<u64>(), 0u8..5, any::<u16>()), 1..30)) {
        let mut switch = switch();
        let mut expected = std::collections::BTreeMap::new();
        for (match_, priority, cookie, table, timeout) in flows {
            let instructions = vec![
                Instruction::ApplyActions(vec![output(2), Action::PushVlan(0x8100)]),
                Instruction::WriteMetadata { metadata: cookie, mask: 0xff },
                Instruction::GotoTable(TableId(table + 1)),
            ];
            let flow_mod = FlowMod { cookie, idle_timeout: timeout, ..flow(table, priority, match_.clone(), instructions) };
            expected.insert((table, priority, FlowMatch::compile(&match_).unwrap()), flow_mod.clone());
            add(&mut switch, flow_mod);
        }
        let request = MultipartRequestBody::Flow(FlowStatsRequest::default());
        let answers = ask(&mut switch, Message::MultipartRequest(MultipartRequest::new(request)), Time::ZERO);
        let mut seen = 0;
        for answer in answers {
            let Message::MultipartReply(reply) = answer else { panic!("{answer:?}") };
            let MultipartReplyBody::Flow(flows) = reply.body else { panic!("flows") };
            for stats in flows {
                let key = (stats.table_id.0, stats.priority, FlowMatch::compile(&stats.match_).unwrap());
                let flow_mod = &expected[&key];
                prop_assert_eq!(&stats.match_, &flow_mod.match_.canonical());
                prop_assert_eq!(&stats.instructions, &flow_mod.instructions);
                prop_assert_eq!((stats.cookie, stats.idle_timeout), (flow_mod.cookie, flow_mod.idle_timeout));
                seen += 1;
            }
        }
        prop_assert_eq!(seen, expected.len());
    }

    #[test]
    fn no_message_and_no_frame_makes_the_switch_panic(
        steps in vec(
            (
                vec(instructions(), 0..4),
                matches(),
                (any::<u8>(), any::<u8>(), any::<u16>(), any::<u16>()),
                (0u8..3, vec((any::<u16>(), any::<u32>(), actions()), 0..4)),
                vec(any::<u8>(), 0..120),
            ),
            1..12,
        ),
    ) {
        let mut switch = switch();
        let mut now = Time::ZERO;
        for (instructions, match_, (table, command, flags, timeout), (kind, buckets), mut octets) in steps {
            now = now + std::time::Duration::from_millis(u64::from(timeout));
            let command = FlowModCommand(command % 6);
            let flow_mod = FlowMod {
                command,
                flags: crate::flow::FlowModFlags(flags & 0x1f),
                idle_timeout: timeout % 5,
                ..flow(table % 4, timeout, match_, instructions)
            };
            switch.handle_message(1, &Message::FlowMod(flow_mod), now);
            let buckets = buckets.into_iter().map(|(weight, watch, actions)| Bucket {
                weight: weight % 3,
                watch_port: if watch % 2 == 0 { PortNo::ANY } else { PortNo(watch % 5) },
                watch_group: if watch % 3 == 0 { GroupId(watch % 4) } else { GroupId::ANY },
                actions,
            });
            let group_mod = GroupMod {
                command: GroupModCommand(u16::from(kind)),
                group_type: GroupType(table % 4),
                group_id: GroupId(u32::from(table % 3)),
                buckets: buckets.collect(),
            };
            let bucket_actions = group_mod.buckets.first().map(|bucket| bucket.actions.clone()).unwrap_or_default();
            switch.handle_message(2, &Message::GroupMod(group_mod), now);
            // Half of the frames look like IP.
            if octets.len() > 34 && octets[0] % 2 == 0 {
                let (eth_type, version) = if octets[1] % 2 == 0 { ([0x08, 0x00], 0x45) } else { ([0x86, 0xdd], 0x60) };
                octets[12..14].copy_from_slice(&eth_type);
                octets[14] = version;
            }
            let data = Bytes::from(octets);
            let packet_out = PacketOut { buffer_id: BufferId::NO_BUFFER, in_port: PortNo(u32::from(table % 5)), actions: bucket_actions, data: data.clone() };
            switch.handle_message(3, &Message::PacketOut(packet_out), now);
            switch.handle_packet(PortNo(u32::from(table % 5)), data, now);
            switch.handle_timeout(now);
            for transmit in drain(&mut switch) {
                if let SwitchTransmit::ToController { xid, message } = transmit {
                    prop_assert!(message.encode(xid, &mut bytes::BytesMut::new()).is_ok());
                }
            }
        }
    }

    #[test]
    fn no_octets_that_decode_make_the_switch_panic(message_type in 0u8..32, body in vec(any::<u8>(), 0..200)) {
        let mut frame = vec![4, message_type];
        frame.extend((body.len() as u16 + 8).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(body);
        if let Ok((xid, message)) = Message::decode(&Bytes::from(frame)) {
            let mut switch = switch();
            switch.handle_message(xid, &message, Time::ZERO);
        }
    }
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let field = (0usize..OxmKind::ALL.len(), any::<u64>()).prop_map(|(kind, value)| {
        let kind = OxmKind::ALL[kind];
        let bits = kind.bits().unwrap().min(64);
        let field = OxmFieldOwned::number(kind, if bits == 64 { value } else { value & ((1 << bits) - 1) });
        field.map_or(Action::DecNwTtl, Action::SetField)
    });
    let action = prop_oneof![
        (0u32..6).prop_map(output),
        (0u32..8).prop_map(|low| Action::output(PortNo(0xffff_fff8 + low))),
        (0u32..4).prop_map(|group| Action::Group(GroupId(group))),
        field,
        any::<u8>().prop_map(Action::SetNwTtl),
        Just(Action::DecNwTtl),
        Just(Action::PushVlan(0x8100)),
        Just(Action::PushVlan(0x88a8)),
        Just(Action::PopVlan),
        Just(Action::PushMpls(0x8847)),
    ];
    vec(action, 0..5)
}

fn instructions() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        actions().prop_map(Instruction::ApplyActions),
        actions().prop_map(Instruction::WriteActions),
        (0u8..5).prop_map(|table| Instruction::GotoTable(TableId(table))),
        any::<(u64, u64)>().prop_map(|(metadata, mask)| Instruction::WriteMetadata { metadata, mask }),
        Just(Instruction::ClearActions),
    ]
}
