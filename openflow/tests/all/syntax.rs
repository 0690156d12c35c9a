//! ovs-ofctl's syntax, both ways: what Open vSwitch printed and sent is what we print, read and send; what we print reads again.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use net::PortNo;
use openflow::display::{Line, MAX_LINE_LEN};
use openflow::nicira::*;
use openflow::oxm::Prerequisite;
use openflow::syntax::*;
use openflow::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::strategies;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn encode(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(6, &mut out).unwrap();
    out
}

fn read(kind: &str, text: &str) -> Result<Message, SyntaxError> {
    match kind {
        "flow" => parse_flow(text).map(Message::FlowMod),
        "group" => parse_group(text).map(Message::GroupMod),
        "meter" => parse_meter(text).map(Message::MeterMod),
        _ => panic!("no kind {kind}"),
    }
}

/// Kind, what was typed, what ovs-ofctl printed, what it sent.
fn golden() -> Vec<(String, String, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ovs_ofctl.txt");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("# Provenance: "));
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 300, "{} lines", lines.len());
    let behind = |line: &str| line.split_once(' ').unwrap().1.to_owned();
    let case = |lines: &[&str]| {
        let kind = lines[0].split(' ').next().unwrap().to_owned();
        (kind, behind(lines[0]), behind(lines[1]), behind(lines[2]))
    };
    lines.chunks(3).map(case).collect()
}

#[test]
fn what_ovs_ofctl_accepts_becomes_the_message_that_it_sends() {
    for (kind, typed, _, sent) in golden() {
        let message = read(&kind, &typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!(hex(&encode(&message)), sent, "{typed}");
    }
}

#[test]
fn a_message_prints_as_ovs_ofctl_prints_it_and_reads_again() {
    for (kind, typed, printed, sent) in golden() {
        let octets: Bytes = sent
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let (_, message) = Message::decode(&octets).unwrap();
        let line = Line { xid: 6, message: &message }.to_string();
        let (_, text) = line.split_once("(xid=0x6): ").unwrap();
        assert_eq!(text, printed, "{typed}");
        let again = read(&kind, text);
        if typed.contains("enqueue") {
            // Open vSwitch sends another max_len with it, which means nothing for a port and is not printed.
            assert_eq!(again.map(|message| message.to_string()), Ok(message.to_string()));
            continue;
        }
        assert_eq!(again.as_ref(), Ok(&message), "{typed}: {text}");
    }
}

/// On purpose: OpenFlow 1.3 has the field as it was named, an empty list of actions is not the same as none, and a deletion says what it
/// deletes.
#[test]
fn where_ovs_ofctl_sends_or_prints_something_else_the_text_keeps_its_meaning() {
    for (typed, printed) in [
        ("xreg0=0x1234567890/0xffffffffff,actions=drop", "ADD xreg0=0x1234567890/0xffffffffff actions=drop"),
        ("actions=write_actions(drop)", "ADD actions=write_actions(drop)"),
        ("tun_flags=oam,actions=1", "ADD tun_flags=+oam actions=output:1"),
        ("ip,ct_state=trk|new,actions=1", "ADD ct_state=new|trk,ip actions=output:1"),
        ("delete out_group=7", "DEL table:255 out_group:7 actions=drop"),
        ("actions=pop_pbb,push_pbb:0x88e7,copy_ttl_in", "ADD actions=pop_pbb,push_pbb:0x88e7,copy_ttl_in"),
    ] {
        assert_eq!(parse_flow(typed).map(|flow| flow.to_string()).as_deref(), Ok(printed));
    }
}

#[test]
fn an_error_names_the_place_what_was_expected_and_what_may_be_meant() {
    for (text, offset, found, suggestion) in [
        ("priority=10,ip,nw_dts=10.0.0.0/8,actions=output:2", 15, "nw_dts", Some("nw_dst")),
        ("priorty=10,actions=1", 0, "priorty", Some("priority")),
        ("ip,actions=outptu:2", 11, "outptu", Some("output")),
        ("ip,nw_dst=10.0.0.x,actions=1", 10, "10.0.0.x", None),
        ("nw_dst=10.0.0.1,actions=1", 0, "nw_dst", None),
        ("tcp,tp_dst=65536,actions=1", 11, "65536", None),
        ("in_port=LOACL,actions=1", 8, "LOACL", Some("LOCAL")),
        ("ip,actions=ct(comit)", 14, "comit", Some("commit")),
        ("ip,actions=ct(commit", 13, "(commit", None),
        ("actions=load:5->NXM_NX_REG0[0..1]", 13, "5", None),
        ("actions=load:5->reg0[0..99]", 20, "[0..99]", None),
        ("actions=goto_table:1,output:2", 21, "output", None),
        ("actions=output:2,meter:1", 17, "meter", None),
        ("actions=write_actions(meter:1)", 22, "meter", None),
        ("actions=drop,output:1", 8, "drop", None),
        ("cookie=1/2,actions=1", 9, "2", None),
        ("ip", 2, "", None),
        ("ip,actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_NX_REG0[])", 42, "NXM_NX_REG0[]", None),
        ("ip,mpls_label=5,actions=1", 3, "mpls_label", None),
        ("actions=conjunction(1,3/2)", 22, "3", None),
        ("actions=learn(nsh_c1)", 14, "nsh_c1", None),
        // 16 bits on the wire.
        ("actions=resubmit:2000000", 17, "2000000", None),
        ("actions=output(port=65280,max_len=100)", 20, "65280", None),
    ] {
        let error = parse_flow(text).unwrap_err();
        assert_eq!(
            (error.offset, error.found.as_str(), error.suggestion),
            (offset, found, suggestion),
            "{text}: {error}"
        );
    }
    assert_eq!(parse_group("group_id=1,bucket=output:1").unwrap_err().offset, 0);
    assert_eq!(parse_group("group_id=1,type=ff,bucket=output:1").unwrap_err().found, "output:1");
    for (text, found) in [
        ("group_id=1,type=select,selection_method=hash,bucket=output:1", "selection_method"),
        ("group_id=1,type=select,fields(ip_src),bucket=output:1", "fields"),
        ("group_id=1,type=select,bucket=bucket_id:5,output:1", "bucket_id"),
        ("group_id=1,command_bucket_id=all,type=select,bucket=output:1", "command_bucket_id"),
    ] {
        let error = parse_group(text).unwrap_err();
        assert_eq!(error.found, found, "{error}");
        assert!(error.expected.contains("OpenFlow 1.5"), "{error}");
    }
    let masked = parse_flow("cookie=0x5/0xff,actions=1").unwrap_err();
    assert_eq!(masked.to_string(), "offset 11: expected no mask (a new flow's cookie is whole), found \"0xff\"");
    assert_eq!(parse_meter("meter=1,kbps,band=type=dorp,rate=1").unwrap_err().suggestion, Some("drop"));
    assert_eq!(parse_meter("meter=1,band=type=drop,rate=1").unwrap_err().expected, "kbps or pktps");
    assert!(parse_actions("goto_table:1").is_err() && parse_match("priority=1").is_err());
}

#[test]
fn a_range_of_one_is_one() {
    let nat = |range: &str| parse_actions(&format!("ct(commit,nat(src={range}))")).unwrap();
    assert_eq!(nat("1.1.1.1-1.1.1.1:80-80"), nat("1.1.1.1:80"));
    assert_eq!(nat("[2001:db8::1]-[2001:db8::1]:80"), nat("[2001:db8::1]:80"));
    assert_ne!(nat("1.1.1.1-1.1.1.2"), nat("1.1.1.1"));
    let without = |flags: &str| parse_actions(&format!("ct(commit,nat(src{flags}))")).unwrap();
    assert_eq!(without(",random,persistent"), without(""), "of a range that is not there");
}

#[test]
fn bits_of_a_mask_that_the_field_does_not_have_say_nothing() {
    for (typed, printed) in
        [("2/0xfdfe", "load:0x1->OXM_OF_VLAN_VID[1..8],load:0->OXM_OF_VLAN_VID[10..11]"), ("7/0xf000", "drop")]
    {
        let flow = parse_flow(&format!("dl_vlan=5,actions=set_field:{typed}->vlan_vid")).unwrap();
        assert_eq!(flow.to_string(), format!("ADD dl_vlan=5 actions={printed}"));
        assert_eq!(parse_flow(&flow.to_string()).unwrap(), flow);
    }
}

#[test]
fn a_tag_by_its_nxm_name_is_what_openflow_1_3_has_for_it() {
    let read = |text: &str| parse_match(text).unwrap();
    assert_eq!(read("NXM_OF_VLAN_TCI[]:0x1001"), read("dl_vlan=1,dl_vlan_pcp=0"));
    assert_eq!(read("NXM_OF_VLAN_TCI[0]:1"), read("vlan_tci=0x0001/0x0001"));
    assert!(parse_match("NXM_OF_VLAN_TCI[13]:1").is_err(), "a part of the priority");
}

#[test]
fn a_port_and_a_type_of_service_by_bits_are_what_openflow_1_3_has_for_them() {
    let read = |text: &str| parse_match(text).unwrap();
    assert_eq!(read("tcp,in_port[]:0"), read("tcp,in_port=0"));
    assert_eq!(read("NXM_OF_IN_PORT[]=65534"), read("in_port=LOCAL"));
    assert_eq!(read("in_port_oxm[]=65534"), read("in_port=LOCAL"));
    assert_eq!(read("nxm_of_in_port=5"), read("in_port=5"));
    assert_eq!(read("in_port=4,in_port[]=5"), read("in_port=5"));
    assert_eq!(read("ip,nw_tos[]=32"), read("ip,nw_tos=32"));
    assert_eq!(read("ip,NXM_OF_IP_TOS[]=32"), read("ip,nw_tos=32"));
    assert!(
        parse_match("in_port[0..3]=5").is_err() && parse_match("ip,nw_tos[2..7]=8").is_err(),
        "matched whole or not at all"
    );
    assert!(parse_match("ip,nw_tos[]=33").is_err(), "bits of explicit congestion notification");
}

#[test]
fn all_names_of_a_tags_parts_are_about_one_field_of_which_the_last_word_counts() {
    let read = |text: &str| parse_match(text).unwrap();
    assert_eq!(read("vlan_tci=01,dl_vlan[]:11"), read("vlan_tci=11/0xffff"));
    assert_eq!(read("dl_vlan[]:11,vlan_tci=01"), read("vlan_tci=1"));
    assert_eq!(read("vlan_tci[0..11]=11"), read("vlan_tci=11/0xfff"));
    assert_eq!(read("dl_vlan=3,dl_vlan_pcp[]=5"), read("dl_vlan=3,dl_vlan_pcp=5"));
    assert!(parse_match("dl_vlan=3,dl_vlan_pcp[0..1]=1").is_err(), "matched whole or not at all");
}

#[test]
fn two_names_that_come_to_one_field_are_one() {
    let read = |text: &str| parse_match(text).unwrap();
    assert_eq!(read("sctp,tp_src=64,sctp_src=65"), read("sctp,tp_src=65"));
    assert_eq!(read("sctp,sctp_src=64,tp_src=65"), read("sctp,tp_src=65"));
}

#[test]
fn nesting_and_length_have_limits() {
    let nested = |depth: usize| format!("actions={}1{}", "clone(".repeat(depth), ")".repeat(depth));
    assert!(parse_flow(&nested(MAX_NESTING)).is_ok());
    let error = parse_flow(&nested(MAX_NESTING + 1)).unwrap_err();
    assert!(error.expected.contains("inside of each other"), "{error}");
    assert!(parse_flow(&nested(MAX_TEXT_LEN / 16)).is_err());
    let error = parse_flow(&" ".repeat(MAX_TEXT_LEN + 1)).unwrap_err();
    assert_eq!(error.offset, MAX_TEXT_LEN);
}

#[test]
fn a_hostile_message_prints_a_bounded_line_without_control_characters() {
    let counter = BucketCounter { packet_count: u64::MAX - 1, byte_count: u64::MAX };
    let stats = GroupStats {
        group_id: GroupId(1),
        ref_count: 0,
        packet_count: 0,
        byte_count: 0,
        duration_sec: 0,
        duration_nsec: 0,
        bucket_stats: vec![counter; 4000],
    };
    let reply = MultipartReply { more: false, body: MultipartReplyBody::Group(vec![stats]) };
    let line = Message::MultipartReply(reply).to_string();
    assert!(line.ends_with(" more octets") && line.len() < MAX_LINE_LEN + 40, "{} octets", line.len());
}

/// A field of the table with any octets.
fn known_field() -> impl Strategy<Value = OxmFieldOwned> {
    (0..OxmKind::KNOWN.len(), any::<[u8; 16]>(), any::<Option<[u8; 16]>>()).prop_map(|(row, value, mask)| {
        let kind = OxmKind::KNOWN[row];
        let length = kind.value_len().unwrap_or(1);
        OxmFieldOwned::new(kind, &value[..length], mask.as_ref().map(|mask| &mask[..length])).unwrap()
    })
}

/// Fields that one text can name: each once, all bits of the value under the mask, with what gives them a meaning.
fn match_() -> impl Strategy<Value = Match> {
    let base = (
        prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x0806), Just(0x8847), Just(0x88cc)],
        prop_oneof![Just(1u8), Just(6), Just(17), Just(58), Just(132), Just(47)],
        prop_oneof![Just(135u8), Just(136), Just(1)],
        any::<[bool; 3]>(),
    );
    (base, vec(known_field(), 0..10), any::<u16>(), any::<u8>(), 0u8..5).prop_map(
        |((eth_type, ip_proto, icmp_type, present), fields, vid, pcp, vlan)| {
            let mut match_ = Match::new();
            if present[0] {
                match_ = match_.with_eth_type(eth_type);
                if present[1] && matches!(eth_type, 0x0800 | 0x86dd) && (ip_proto != 58 || eth_type == 0x86dd) {
                    match_ = match_.with_ip_proto(ip_proto);
                    if present[2] && ip_proto == 58 {
                        match_ = match_.with_icmpv6_type(icmp_type);
                    }
                }
            }
            match_ = match vlan {
                0 => match_.with_vlan_vid(vid & 0xfff | oxm::VID_PRESENT),
                1 => match_.with_vlan_vid(vid & 0xfff | oxm::VID_PRESENT).with_vlan_pcp(pcp & 7),
                2 => match_.with_vlan_vid_masked(0x1000, 0x1000).with_vlan_pcp(pcp & 7),
                3 => match_.with_vlan_vid(0),
                _ => match_,
            };
            for field in fields {
                let twice = match_.fields().any(|other| shares_registers(other.kind, field.kind()));
                if let Some(field) = speakable(&field, &match_).filter(|_| !twice) {
                    match_ = match_.with(&field);
                }
            }
            match_
        },
    )
}

/// Whether two fields have registers of 32 bits in common, as `xreg2` and `xxreg1` have: a match that says both is refused, and which
/// of the two holds is nobody's to say.
fn shares_registers(left: OxmKind, right: OxmKind) -> bool {
    let registers = |kind: OxmKind| {
        let name = kind.ovs_name().unwrap_or_default();
        let widths = [("xxreg", 4u8), ("xreg", 2), ("reg", 1)];
        let numbered = |(prefix, width): (&str, u8)| Some((name.strip_prefix(prefix)?.parse::<u8>().ok()?, width));
        widths.into_iter().find_map(numbered).map_or(0..0, |(number, width)| number * width..(number + 1) * width)
    };
    let (left_registers, right_registers) = (registers(left), registers(right));
    left != right && left_registers.start < right_registers.end && right_registers.start < left_registers.end
}

/// The field with the bits that it can have, or nothing if the match gives it no meaning or text has another name for it.
fn speakable(field: &OxmFieldOwned, match_: &Match) -> Option<OxmFieldOwned> {
    let kind = field.kind();
    let base = [
        OxmKind::ETH_TYPE,
        OxmKind::IP_PROTO,
        OxmKind::ICMPV6_TYPE,
        OxmKind::VLAN_VID,
        OxmKind::VLAN_PCP,
        OxmKind::VLAN_TCI,
    ];
    let other = [OxmKind::NXM_OF_IN_PORT, OxmKind::NXM_OF_IP_TOS, OxmKind::NW_FRAG];
    if kind.name().is_none()
        || kind.canonical() != kind
        || base.contains(&kind)
        || other.contains(&kind)
        || kind.is_variable()
    {
        return None;
    }
    let there = match kind.prerequisite()? {
        Prerequisite::None | Prerequisite::Tracked => true,
        Prerequisite::InPort => match_.in_port().is_some(),
        Prerequisite::VlanTag => false,
        Prerequisite::EthType(types) => match_.eth_type().is_some_and(|eth_type| types.contains(&eth_type)),
        Prerequisite::IpProto(protocol) => match_.ip_proto() == Some(protocol),
        Prerequisite::Icmpv6Type(types) => match_.icmpv6_type().is_some_and(|of| types.contains(&of)),
    };
    let (length, bits) = (kind.value_len()?, usize::from(kind.bits()?));
    let meaning =
        |index: usize| (0..8).filter(|bit| (length - 1 - index) * 8 + bit < bits).map(|bit| 1u8 << bit).sum::<u8>();
    let field = field.as_field();
    let mask: Option<Vec<u8>> = field
        .mask
        .filter(|_| kind.maskable() == Some(true))
        .map(|mask| mask.iter().enumerate().map(|(index, octet)| octet & meaning(index)).collect());
    let under = |index: usize| mask.as_ref().map_or(meaning(index), |mask| mask[index]);
    let value: Vec<u8> = field.value.iter().enumerate().map(|(index, octet)| octet & under(index)).collect();
    let whole = (0..length).all(|index| under(index) == meaning(index));
    let nothing = (0..length).all(|index| under(index) == 0);
    // The numbers of OpenFlow 1.0's reserved ports read as those ports.
    let old_port =
        kind.flow_name().is_some_and(|name| name.contains("port") || name.contains("output") || name == "packet_type")
            && value[..2] == [0, 0];
    let mask = mask.filter(|_| !whole);
    (there && !nothing && !old_port).then(|| OxmFieldOwned::new(kind, &value, mask.as_deref()))?
}

/// Bits of a field that Open vSwitch's actions can name.
fn subfield() -> impl Strategy<Value = Subfield> {
    let kinds =
        [OxmKind::NXM_REG0, OxmKind::NXM_OF_ETH_DST, OxmKind::METADATA, OxmKind::VLAN_TCI, OxmKind::NXM_OF_TCP_SRC];
    (0..kinds.len(), any::<(u16, u16)>()).prop_map(move |(index, (offset, bits))| {
        let all = kinds[index].subfield_bits().unwrap();
        let offset = offset % all;
        Subfield { kind: kinds[index], offset, bits: bits % (all - offset) + 1 }
    })
}

fn nat() -> impl Strategy<Value = Action> {
    let ports = any::<Option<(u16, Option<u16>)>>()
        .prop_map(|ports| ports.map(|(min, max)| NatPorts { min, max: max.filter(|max| *max > min) }));
    let range =
        (any::<[u32; 2]>(), any::<[u128; 2]>(), ports, 0u8..3).prop_map(|(four, six, ports, which)| match which {
            0 => NatRange::None,
            1 => NatRange::Ipv4 {
                min: Ipv4Addr::from(four[0]),
                max: Some(Ipv4Addr::from(four[1])).filter(|_| four[1] > four[0]),
                ports,
            },
            _ => NatRange::Ipv6 {
                min: Ipv6Addr::from(six[0]),
                max: Some(Ipv6Addr::from(six[1])).filter(|_| six[1] > six[0]),
                ports,
            },
        });
    (range, any::<bool>(), 0u16..3).prop_map(|(range, source, way)| {
        let direction = if source { NatFlags::SRC } else { NatFlags::DST };
        let flags = match (range, way) {
            (NatRange::None, _) | (_, 0) => direction,
            (_, 1) => direction | NatFlags::PERSISTENT | NatFlags::PROTO_HASH,
            _ => direction | NatFlags::PROTO_RANDOM,
        };
        Action::Nicira(NiciraAction::Nat(Box::new(Nat { flags, range })))
    })
}

fn port() -> impl Strategy<Value = PortNo> {
    prop_oneof![(0u32..0xff00).prop_map(PortNo), Just(PortNo::LOCAL), Just(PortNo::IN_PORT)]
}

fn learn() -> impl Strategy<Value = NiciraAction> {
    let source = subfield().prop_map(LearnSource::Field);
    let spec = (subfield(), source, any::<u64>(), 0u8..6).prop_map(|(to, source, number, which)| {
        let bits = to.bits;
        let octets = usize::from(bits).div_ceil(16) * 2;
        let number = if bits >= 64 { number } else { number & ((1 << bits) - 1) };
        let mut value = number.to_be_bytes().to_vec();
        let value = Bytes::from(value.split_off(8 - octets.min(8)));
        let immediate = LearnSource::Immediate { bits, value };
        let whole = LearnSource::Field(to);
        match which {
            0 => LearnSpec { source: whole, destination: LearnDestination::Match(to) },
            1 => LearnSpec { source: immediate, destination: LearnDestination::Match(to) },
            2 => LearnSpec { source: immediate, destination: LearnDestination::Load(to) },
            3 => LearnSpec { source: whole, destination: LearnDestination::Load(to) },
            _ => LearnSpec { source, destination: LearnDestination::Output },
        }
    });
    (any::<[u16; 5]>(), any::<u64>(), 0u8..255, 0u16..4, any::<Option<u32>>(), vec(spec, 0..4)).prop_map(
        |(numbers, cookie, table, flags, limit, specs)| {
            NiciraAction::Learn(Box::new(Learn {
                idle_timeout: numbers[0],
                hard_timeout: numbers[1],
                priority: numbers[2],
                cookie,
                flags: LearnFlags(flags),
                table_id: TableId(table),
                fin_idle_timeout: numbers[3],
                fin_hard_timeout: numbers[4],
                limit: limit.filter(|limit| *limit != 0).map(|limit| LearnLimit { limit, result: None }),
                specs,
            }))
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let nicira = prop_oneof![
        (port(), 0u8..255, any::<bool>()).prop_map(|(in_port, table, with_ct)| NiciraAction::ResubmitTable {
            in_port,
            table_id: TableId(table),
            with_ct
        }),
        (subfield(), any::<u64>()).prop_map(|(to, value)| NiciraAction::RegLoad {
            destination: to,
            value: if to.bits >= 64 { value } else { value & ((1 << to.bits) - 1) },
        }),
        subfield().prop_map(|source| NiciraAction::RegMove { source, destination: source }),
        subfield().prop_map(NiciraAction::StackPush),
        subfield().prop_map(|source| NiciraAction::OutputReg { source, max_len: CONTROLLER_NO_BUFFER }),
        vec(any::<u8>(), 6).prop_map(|octets| NiciraAction::Note(Bytes::from(octets))),
        vec(any::<u16>(), 1..4).prop_map(NiciraAction::DecTtlCntIds),
        any::<(u16, u16)>()
            .prop_map(|(idle_timeout, hard_timeout)| NiciraAction::FinTimeout { idle_timeout, hard_timeout }),
        (any::<u16>(), 1u16.., 0u8..6).prop_map(|(max_len, controller_id, reason)| NiciraAction::Controller {
            max_len,
            controller_id,
            reason: PacketInReason(reason)
        }),
        (any::<u32>(), 2u8..=64).prop_map(|(id, clauses)| NiciraAction::Conjunction {
            clause: clauses - 1,
            clauses,
            id
        }),
        (port(), 14u32..).prop_map(|(port, max_len)| NiciraAction::OutputTrunc { port, max_len }),
        Just(NiciraAction::Exit),
        Just(NiciraAction::CtClear),
        Just(NiciraAction::PopQueue),
        learn(),
    ];
    let leaf = prop_oneof![
        port().prop_map(|port| Action::Output { port, max_len: 0 }),
        any::<u16>().prop_map(|max_len| Action::Output { port: PortNo::CONTROLLER, max_len }),
        any::<u8>().prop_map(Action::SetMplsTtl),
        any::<u8>().prop_map(Action::SetNwTtl),
        Just(Action::PopVlan),
        Just(Action::DecNwTtl),
        Just(Action::CopyTtlOut),
        Just(Action::PushVlan(0x88a8)),
        any::<u16>().prop_map(Action::PopMpls),
        any::<u32>().prop_map(Action::SetQueue),
        any::<u32>().prop_map(|group| Action::Group(GroupId(group))),
        any::<[u8; 4]>().prop_map(|address| Action::SetField(OxmFieldOwned::ipv4_dst(address.into()))),
        any::<[u8; 16]>().prop_map(|address| Action::SetField(OxmFieldOwned::ipv6_src(address.into()))),
        any::<u16>()
            .prop_map(|port| Action::SetField(OxmFieldOwned::number(OxmKind::UDP_DST, u64::from(port)).unwrap())),
        any::<u64>().prop_map(|id| Action::SetField(OxmFieldOwned::number(OxmKind::TUNNEL_ID, id).unwrap())),
        (any::<u32>(), vec(any::<u8>(), 8))
            .prop_filter("is an experimenter that we don't know", |(id, _)| *id > 0xffff && *id != 0x4f4e_4600)
            .prop_map(|(experimenter, body)| Action::Experimenter { experimenter, body: Bytes::from(body) }),
        nicira.prop_map(Action::Nicira),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|actions| Action::Nicira(NiciraAction::Clone(actions))),
            (nat(), vec(inner, 0..3), any::<(u16, Option<u8>, bool)>()).prop_map(
                |(nat, mut actions, (zone, table, first))| {
                    if first {
                        actions.insert(0, nat);
                    }
                    Action::Nicira(NiciraAction::Ct(Box::new(ConnectionTracking {
                        flags: if first { CtFlags::COMMIT } else { CtFlags::NONE },
                        zone: CtZone::Immediate(zone),
                        table_id: table.map(|table| TableId(table % 255)),
                        alg: if first { 21 } else { 0 },
                        actions,
                    })))
                }
            ),
        ]
    })
}

fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    let parts = (any::<[bool; 5]>(), vec(action(), 1..4), vec(action(), 0..3), any::<(u32, u64, u64, u8)>());
    parts.prop_map(|(present, apply, write, (meter, metadata, mask, table))| {
        let all = [
            Instruction::Meter(MeterId(meter)),
            Instruction::ApplyActions(apply),
            Instruction::ClearActions,
            Instruction::WriteActions(write),
            Instruction::WriteMetadata { metadata, mask },
        ];
        let mut instructions: Vec<Instruction> =
            all.into_iter().zip(present).filter(|(_, present)| *present).map(|(instruction, _)| instruction).collect();
        if table % 2 == 0 {
            instructions.push(Instruction::GotoTable(TableId(table)));
        }
        instructions
    })
}

fn flow() -> impl Strategy<Value = FlowMod> {
    (match_(), instructions(), any::<[u64; 2]>(), any::<[u16; 3]>(), 0u8..5, any::<[u8; 2]>(), 0u16..32, port())
        .prop_map(|(match_, instructions, cookies, numbers, command, small, flags, out_port)| {
            let command = FlowModCommand(command);
            let cookie_mask = if command == FlowModCommand::ADD { 0 } else { cookies[1] };
            FlowMod {
                cookie: if cookie_mask == 0 { cookies[0] } else { cookies[0] & cookie_mask },
                cookie_mask,
                command,
                idle_timeout: numbers[0],
                hard_timeout: numbers[1],
                buffer_id: BufferId(u32::from(small[1])),
                out_port,
                out_group: GroupId(u32::from(small[1])),
                flags: FlowModFlags(flags),
                instructions,
                ..FlowMod::add(TableId(small[0]), numbers[2], match_)
            }
        })
}

fn group() -> impl Strategy<Value = GroupMod> {
    let bucket = (any::<u16>(), port(), any::<u32>(), vec(action(), 0..3));
    let bucket = bucket.prop_map(|(weight, watch_port, watch_group, actions)| Bucket {
        weight,
        watch_port,
        watch_group: GroupId(watch_group),
        actions,
    });
    (0u16..3, 0u8..4, any::<u32>(), vec(bucket, 1..4)).prop_map(|(command, group_type, group_id, mut buckets)| {
        if group_type == GroupType::INDIRECT.0 {
            buckets.truncate(1);
        }
        GroupMod {
            command: GroupModCommand(command),
            group_type: GroupType(group_type),
            group_id: GroupId(group_id),
            buckets,
        }
    })
}

fn meter() -> impl Strategy<Value = MeterMod> {
    let band = (1u32.., 1u32.., 0u8..);
    (0u16..3, any::<[bool; 3]>(), any::<u32>(), vec(band, 1..4)).prop_map(
        |(command, [kbps, burst, stats], meter, bands)| {
            let mut flags = if kbps { MeterFlags::KBPS } else { MeterFlags::PKTPS };
            flags = if burst { flags | MeterFlags::BURST } else { flags };
            flags = if stats { flags | MeterFlags::STATS } else { flags };
            let band = |(rate, burst_size, prec_level)| {
                let burst_size = if burst { burst_size } else { 0 };
                match prec_level {
                    0 => MeterBand::Drop { rate, burst_size },
                    _ => MeterBand::DscpRemark { rate, burst_size, prec_level },
                }
            };
            let bands = bands.into_iter().map(band).collect();
            MeterMod { command: MeterModCommand(command), flags, meter_id: MeterId(meter), bands }
        },
    )
}

proptest! {
    #[test]
    fn a_flow_that_is_printed_reads_as_itself(flow in flow()) {
        let text = flow.to_string();
        let mut read = parse_flow(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        // Fields are read in the order in which Open vSwitch sends them.
        prop_assert_eq!(read.match_.canonical(), flow.match_.canonical(), "{}", text);
        read.match_ = flow.match_.clone();
        prop_assert_eq!(&read, &flow, "{}", text);
    }

    #[test]
    fn a_group_that_is_printed_reads_as_itself(group in group()) {
        let text = group.to_string();
        prop_assert_eq!(parse_group(&text), Ok(group), "{}", text);
    }

    #[test]
    fn a_meter_that_is_printed_reads_as_itself(meter in meter()) {
        let text = meter.to_string();
        prop_assert_eq!(parse_meter(&text), Ok(meter), "{}", text);
    }

    #[test]
    fn any_message_prints_one_bounded_line(message in strategies::message()) {
        let line = message.to_string();
        prop_assert!(line.len() < MAX_LINE_LEN + 40);
        prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
    }

    #[test]
    fn what_reads_prints_as_what_reads_the_same(flow in strategies::flow_mod()) {
        // Arbitrary flows say things that text can't; what can be read is stable from then on.
        if let Ok(read) = parse_flow(&flow.to_string()) {
            let text = read.to_string();
            prop_assert_eq!(parse_flow(&text), Ok(read), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = (parse_flow(&text), parse_match(&text), parse_actions(&text), parse_group(&text), parse_meter(&text));
        let _ = (parse_flow(&format!("ip,{text},actions={text}")), parse_group(&format!("group_id=1,type=all,bucket={text}")));
    }

    #[test]
    fn no_cut_or_change_of_a_flow_makes_the_parser_panic(case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let golden = golden();
        let (kind, typed, printed, _) = case.get(&golden);
        for text in [typed, printed] {
            let Some(at) = (!text.is_empty()).then(|| at.index(text.len())).filter(|at| text.is_char_boundary(*at)) else { continue };
            let (before, after) = text.split_at(at);
            let rest = after.get(1..).unwrap_or_default();
            for text in [before.to_owned(), format!("{before}{with}{rest}"), format!("{before}{rest}")] {
                if let Err(error) = read(kind, &text) {
                    prop_assert!(error.offset <= text.len() && error.to_string().len() < 600, "{}: {}", text, error);
                }
            }
        }
    }
}
