//! Connections of one switch that the test plays: auxiliary ones, roles, descriptions, the end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net::packet::build;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::{
    Action, AggregateStats, Bucket, BufferId, CloseReason, ControllerRole, ErrorCode, ErrorMessage,
    ExperimenterMessage, FeaturesReply, FixedText, GroupDesc, GroupId, GroupType, Match, Message, MessageType,
    MultipartReply, MultipartReplyBody, MultipartRequestBody, PacketIn, PacketInReason, Port, RoleMessage, SwitchDesc,
    TableId,
};

use super::*;

mod counting;
mod refused;
mod slices;

const T0: Time = Time::from_secs(100);
const MAIN: ConnectionId = ConnectionId(1);
const AUXILIARY: ConnectionId = ConnectionId(2);
const OTHER: ConnectionId = ConnectionId(3);
const SWITCH: DatapathId = DatapathId(7);

fn after(seconds: u64) -> Time {
    T0 + Duration::from_secs(seconds)
}

fn frame(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.freeze()
}

/// The defaults with these rules of the operator.
fn settings(rules: Arc<OperatorRules>) -> FabricSettings {
    FabricSettings {
        discovery: DiscoveryConfig::default(),
        wiring: Default::default(),
        rules,
        flows: FlowSettings::default(),
        isolation: Default::default(),
        weights: Default::default(),
        verifies_links: false,
        names: Default::default(),
        reservations: Arc::from([]),
    }
}

/// What the switch answers to a role request.
type RoleAnswer = fn(RoleMessage) -> Message;

/// A core, and all that it has said on each connection.
struct World {
    core: Core,
    said: Vec<(ConnectionId, u32, Message)>,
    role: RoleAnswer,
    /// The switch on this connection has fallen silent.
    silent: Option<ConnectionId>,
    /// The switch tells of one large group after the other.
    groups_without_end: bool,
    hardware: &'static str,
}

fn role_error(code: ErrorCode) -> Message {
    Message::Error(ErrorMessage::new(code, Bytes::new()))
}

impl World {
    fn new(role: ControllerRole, answer: RoleAnswer) -> World {
        let config = CoreConfig { role, generation_id: 5, ..CoreConfig::default() };
        let core = Core::new(config, T0);
        World {
            core,
            said: Vec::new(),
            role: answer,
            silent: None,
            groups_without_end: false,
            hardware: "Open vSwitch",
        }
    }

    fn equal() -> World {
        World::new(ControllerRole::EQUAL, Message::RoleReply)
    }

    fn connect(&mut self, id: ConnectionId, auxiliary_id: u8, now: Time) {
        self.core.handle_connect(id, now);
        self.say(id, 1, &Message::Hello(openflow::Hello::new()), now);
        self.play(id, auxiliary_id, now);
    }

    fn say(&mut self, id: ConnectionId, xid: u32, message: &Message, now: Time) {
        self.core.handle_frames(id, [frame(xid, message)], now);
    }

    /// Let the switch answer until it has nothing more to answer.
    fn play(&mut self, id: ConnectionId, auxiliary_id: u8, now: Time) {
        while let Some(mut output) = self.core.take_output(id) {
            while let Some(length) = openflow::frame_length(&output).unwrap() {
                let (xid, message) = Message::decode(&output.split_to(length)).unwrap();
                self.said.push((id, xid, message.clone()));
                if self.silent == Some(id) {
                    continue;
                }
                if self.groups_without_end && is_group_question(&message) {
                    (0..2_000).for_each(|number| self.say(id, xid, &part_with_a_group(number), now));
                } else if let Some(answer) = self.answer(message, auxiliary_id) {
                    self.say(id, xid, &answer, now);
                }
            }
        }
    }

    fn answer(&self, message: Message, auxiliary_id: u8) -> Option<Message> {
        let body = match message {
            Message::FeaturesRequest => {
                let features = FeaturesReply { datapath_id: SWITCH, auxiliary_id, ..FeaturesReply::default() };
                return Some(Message::FeaturesReply(features));
            }
            Message::EchoRequest(data) => return Some(Message::EchoReply(data)),
            Message::BarrierRequest => return Some(Message::BarrierReply),
            Message::RoleRequest(request) => return Some((self.role)(request)),
            Message::MultipartRequest(request) => match request.body {
                MultipartRequestBody::PortDesc => {
                    MultipartReplyBody::PortDesc(vec![Port::new(PortNo(1), MacAddr([2, 0, 0, 0, 7, 1]), "p1")])
                }
                MultipartRequestBody::Desc => MultipartReplyBody::Desc(SwitchDesc {
                    mfr_desc: FixedText::from("Nicira, Inc."),
                    hw_desc: FixedText::from(self.hardware),
                    sw_desc: FixedText::from("3.1.0"),
                    serial_num: FixedText::from("None"),
                    dp_desc: FixedText::from("s1"),
                }),
                MultipartRequestBody::Aggregate(_) => {
                    MultipartReplyBody::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 })
                }
                MultipartRequestBody::GroupDesc => MultipartReplyBody::GroupDesc(Vec::new()),
                MultipartRequestBody::Flow(_) => MultipartReplyBody::Flow(Vec::new()),
                _ => return None,
            },
            _ => return None,
        };
        Some(Message::MultipartReply(MultipartReply { more: false, body }))
    }

    fn events(&mut self) -> Vec<CoreEvent> {
        std::iter::from_fn(|| self.core.poll_event()).collect()
    }

    /// Causes of the connections that the core wants closed.
    fn closed(&mut self) -> Vec<(ConnectionId, CloseCause)> {
        let close = |event| match event {
            CoreEvent::Close { connection, cause } => Some((connection, cause)),
            _ => None,
        };
        self.events().into_iter().filter_map(close).collect()
    }

    /// Messages said to the switch that change it.
    fn modifications(&self) -> usize {
        let changes = [
            MessageType::FLOW_MOD,
            MessageType::GROUP_MOD,
            MessageType::PORT_MOD,
            MessageType::METER_MOD,
            MessageType::PACKET_OUT,
        ];
        self.said.iter().filter(|(_, _, message)| changes.contains(&message.message_type())).count()
    }

    fn error_text(&self, id: ConnectionId) -> Option<String> {
        self.said.iter().rev().find_map(|(to, _, message)| match message {
            Message::Error(error) if *to == id => Some(String::from_utf8_lossy(&error.data).into_owned()),
            _ => None,
        })
    }
}

fn is_group_question(message: &Message) -> bool {
    matches!(message, Message::MultipartRequest(request) if request.body == MultipartRequestBody::GroupDesc)
}

/// A part of 64 KiB with one group that has our mark.
fn part_with_a_group(number: u32) -> Message {
    let buckets = vec![Bucket::new(vec![Action::PopVlan; 8_170])];
    let group = GroupDesc { group_type: GroupType::ALL, group_id: GroupId(0x5400_0000 | number), buckets };
    Message::MultipartReply(MultipartReply { more: true, body: MultipartReplyBody::GroupDesc(vec![group]) })
}

fn packet_in() -> Message {
    packet_in_of(build::arp_request(MacAddr([2, 0, 0, 0, 9, 1]), [10, 9, 0, 1].into(), [10, 9, 0, 2].into()))
}

fn packet_in_of(data: Bytes) -> Message {
    Message::PacketIn(PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: data.len() as u16,
        reason: PacketInReason::ACTION,
        table_id: TableId(0),
        cookie: 0,
        match_: Match::new().with_in_port(PortNo(1)),
        data,
    })
}

#[test]
fn an_auxiliary_connection_without_a_main_one_is_told_why_not() {
    let mut world = World::equal();
    world.connect(AUXILIARY, 1, T0);
    assert_eq!(world.closed(), [(AUXILIARY, CloseCause::AuxiliaryConnection)]);
    assert!(world.error_text(AUXILIARY).unwrap().contains("main connection first"));
}

#[test]
fn packets_on_an_auxiliary_connection_are_the_switchs() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.connect(AUXILIARY, 1, T0);
    let told = world.events();
    let taken = |event: &CoreEvent| {
        matches!(event, CoreEvent::AuxiliaryConnected { datapath_id: SWITCH, auxiliary_id: 1, connection: AUXILIARY })
    };
    assert!(told.iter().any(taken), "{told:?}");
    assert_eq!((world.core.switches_connected(), world.core.is_live(SWITCH)), (1, true));
    world.say(AUXILIARY, 0, &packet_in(), after(1));
    assert_eq!(world.core.counters().packet_ins, 1);
    world.core.handle_closed(AUXILIARY, after(2));
    assert!(world.core.is_live(SWITCH), "its end is not the switch's");
    assert_eq!(world.closed(), []);
}

#[test]
fn auxiliary_connections_end_with_the_main_one() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.connect(AUXILIARY, 1, T0);
    world.connect(OTHER, 2, T0);
    world.events();
    world.core.handle_closed(MAIN, after(1));
    let ended = [AUXILIARY, OTHER].map(|id| (id, CloseCause::MainConnectionEnded));
    assert_eq!(world.closed(), ended);
    assert_eq!(world.core.switches_connected(), 0);
}

#[test]
fn a_second_auxiliary_connection_of_one_number_waits_for_the_first_ones_sign_of_life() {
    for alive in [true, false] {
        let mut world = World::equal();
        world.connect(MAIN, 0, T0);
        world.connect(AUXILIARY, 1, T0);
        world.connect(OTHER, 1, after(1));
        world.events();
        if alive {
            world.play(AUXILIARY, 1, after(1));
            let cause = CloseCause::DuplicateAuxiliary { datapath_id: SWITCH, auxiliary_id: 1 };
            assert_eq!(world.closed(), [(OTHER, cause)]);
        } else {
            world.core.handle_timeout(after(3));
            assert_eq!(world.closed(), [(AUXILIARY, CloseCause::Replaced)]);
            world.say(OTHER, 0, &packet_in(), after(3));
            assert_eq!(world.core.counters().packet_ins, 1, "the newcomer has its place");
        }
        assert!(world.core.is_live(SWITCH));
    }
}

#[test]
fn an_equal_controller_asks_for_no_role() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    assert!(!world.said.iter().any(|(_, _, message)| matches!(message, Message::RoleRequest(_))));
    assert_eq!(world.core.role(SWITCH), Some(ControllerRole::EQUAL));
    assert!(world.modifications() > 0);
}

#[test]
fn a_master_asks_first_and_then_programs() {
    let mut world = World::new(ControllerRole::MASTER, Message::RoleReply);
    world.connect(MAIN, 0, T0);
    let asked = RoleMessage { role: ControllerRole::MASTER, generation_id: 5 };
    let after_features = world.said.iter().map(|(_, _, message)| message).nth(2);
    assert_eq!(after_features, Some(&Message::RoleRequest(asked)));
    assert_eq!((world.core.role(SWITCH), world.core.is_live(SWITCH)), (Some(ControllerRole::MASTER), true));
    assert!(world.modifications() > 0);
}

#[test]
fn a_slave_changes_nothing_until_it_is_made_master() {
    let mut world = World::new(ControllerRole::SLAVE, Message::RoleReply);
    world.connect(MAIN, 0, T0);
    for second in 1..30 {
        world.core.handle_timeout(after(second));
        world.play(MAIN, 0, after(second));
    }
    world.say(MAIN, 0, &packet_in(), after(30));
    world.play(MAIN, 0, after(30));
    assert_eq!((world.modifications(), world.core.counters().packet_ins), (0, 0));
    assert_eq!((world.core.role(SWITCH), world.core.switches_standing_by()), (Some(ControllerRole::SLAVE), 1));
    assert_eq!(world.core.switches_connected(), 0);

    assert!(!world.core.set_role(ControllerRole::MASTER, 4, after(31)), "an older election");
    assert!(world.core.set_role(ControllerRole::MASTER, 6, after(31)));
    world.play(MAIN, 0, after(31));
    assert_eq!((world.core.role(SWITCH), world.core.is_live(SWITCH)), (Some(ControllerRole::MASTER), true));
    assert!(world.modifications() > 0);
    assert_eq!(world.core.switches_standing_by(), 0);
}

#[test]
fn a_stale_generation_stands_by_and_a_switch_without_roles_is_programmed() {
    let cases: [(RoleAnswer, ControllerRole, bool); 3] = [
        (|_| role_error(ErrorCode::ROLE_REQUEST_STALE), ControllerRole::SLAVE, false),
        (|_| role_error(ErrorCode::ROLE_REQUEST_UNSUP), ControllerRole::EQUAL, true),
        (|_| role_error(ErrorCode::REQUEST_BAD_TYPE), ControllerRole::EQUAL, true),
    ];
    for (answer, role, live) in cases {
        let mut world = World::new(ControllerRole::MASTER, answer);
        world.connect(MAIN, 0, T0);
        assert_eq!((world.core.role(SWITCH), world.core.is_live(SWITCH)), (Some(role), live));
        assert_eq!(world.modifications() > 0, live);
        let why = world.events().into_iter().find_map(|event| match event {
            CoreEvent::RoleGiven { why, .. } => why,
            _ => None,
        });
        assert!(why.is_some(), "what was not given is told");
    }
}

#[test]
fn a_role_request_without_an_answer_does_not_hold_the_switch_up_for_ever() {
    let mut world = World::new(ControllerRole::MASTER, |_| Message::EchoRequest(Bytes::new()));
    world.connect(MAIN, 0, T0);
    assert!(!world.core.is_live(SWITCH));
    for second in 1..=11 {
        world.core.handle_timeout(after(second));
        world.play(MAIN, 0, after(second));
    }
    assert_eq!((world.core.role(SWITCH), world.core.is_live(SWITCH)), (Some(ControllerRole::EQUAL), true));
}

#[test]
fn a_master_that_is_told_it_is_slave_now_lets_go() {
    // By an error, and as Open vSwitch says it: role slave, reason "master request", generation 6.
    let status = [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6];
    let status =
        ExperimenterMessage { experimenter: 0x4f4e_4600, exp_type: 1911, body: Bytes::copy_from_slice(&status) };
    for message in [role_error(ErrorCode::REQUEST_IS_SLAVE), Message::Experimenter(status)] {
        let mut world = World::new(ControllerRole::MASTER, Message::RoleReply);
        world.connect(MAIN, 0, T0);
        world.events();
        world.say(MAIN, 77, &message, after(1));
        let told = world.events();
        let gone = |event: &CoreEvent| {
            matches!(event, CoreEvent::SwitchDisconnected { datapath_id: SWITCH, cause: CloseCause::Demoted })
        };
        assert!(told.iter().any(gone), "{told:?}");
        assert_eq!((world.core.role(SWITCH), world.core.is_live(SWITCH)), (Some(ControllerRole::SLAVE), false));
        let before = world.modifications();
        for second in 2..30 {
            world.core.handle_timeout(after(second));
            world.play(MAIN, 0, after(second));
        }
        assert_eq!(world.modifications(), before);
        assert_eq!(world.closed(), [], "the connection stays");
    }
}

#[test]
fn the_description_is_asked_for_once_and_told() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    let expected = SwitchDescription {
        manufacturer: "Nicira, Inc.".into(),
        hardware: "Open vSwitch".into(),
        software: "3.1.0".into(),
        serial_number: "None".into(),
        datapath: "s1".into(),
    };
    assert_eq!(world.core.description(SWITCH), Some(&expected));
    let told = world.events().into_iter().filter(|event| matches!(event, CoreEvent::SwitchDescribed { .. })).count();
    assert_eq!(told, 1);
    assert!(!world.core.network().switches[&SWITCH].plain_openflow);
}

#[test]
fn a_switch_that_says_it_is_something_else_is_known_as_such() {
    let mut world = World::equal();
    world.hardware = "AS4610-54T";
    world.connect(MAIN, 0, T0);
    assert!(world.core.network().switches[&SWITCH].plain_openflow);
}

#[test]
fn ports_under_another_number_are_not_the_answer() {
    let mut world = World::equal();
    world.silent = Some(MAIN);
    world.core.handle_connect(MAIN, T0);
    world.say(MAIN, 1, &Message::Hello(openflow::Hello::new()), T0);
    world.play(MAIN, 0, T0);
    let number_of = |world: &World, wanted: fn(&Message) -> bool| {
        world.said.iter().find(|(_, _, message)| wanted(message)).map(|(_, xid, _)| *xid).unwrap()
    };
    let xid = number_of(&world, |message| matches!(message, Message::FeaturesRequest));
    let features = FeaturesReply { datapath_id: SWITCH, ..FeaturesReply::default() };
    world.say(MAIN, xid, &Message::FeaturesReply(features), T0);
    world.play(MAIN, 0, T0);
    let is_ports = |message: &Message| matches!(message, Message::MultipartRequest(request) if request.body == MultipartRequestBody::PortDesc);
    let xid = number_of(&world, is_ports);
    let ports = |more| {
        let list = vec![Port::new(PortNo(1), MacAddr([2, 0, 0, 0, 7, 1]), "p1")];
        Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::PortDesc(list) })
    };
    world.silent = None;
    world.say(MAIN, xid + 100, &ports(false), T0);
    world.play(MAIN, 0, T0);
    assert!(!world.core.is_live(SWITCH));
    for _ in 0..1000 {
        world.say(MAIN, xid, &ports(true), T0);
    }
    world.play(MAIN, 0, T0);
    assert!(!world.core.is_live(SWITCH), "parts follow");
    world.say(MAIN, xid, &ports(false), T0);
    world.play(MAIN, 0, T0);
    assert!(world.core.is_live(SWITCH));
}

#[test]
fn a_list_of_ports_that_never_ends_is_given_up() {
    let mut world = World::equal();
    world.core.handle_connect(MAIN, T0);
    world.say(MAIN, 1, &Message::Hello(openflow::Hello::new()), T0);
    world.silent = Some(MAIN);
    world.play(MAIN, 0, T0);
    let features = FeaturesReply { datapath_id: SWITCH, ..FeaturesReply::default() };
    let xid = world.said.last().map(|(_, xid, _)| *xid).unwrap();
    world.say(MAIN, xid, &Message::FeaturesReply(features), T0);
    world.play(MAIN, 0, T0);
    for second in 0..61 {
        for (_, xid, message) in std::mem::take(&mut world.said) {
            if matches!(&message, Message::MultipartRequest(request) if request.body == MultipartRequestBody::PortDesc)
            {
                world.said.push((MAIN, xid, message));
            }
        }
        let Some((_, xid, _)) = world.said.first() else { panic!("the question for the ports") };
        let list = vec![Port::new(PortNo(second + 1), MacAddr([2, 0, 0, 0, 7, 1]), "p")];
        let part = Message::MultipartReply(MultipartReply { more: true, body: MultipartReplyBody::PortDesc(list) });
        let xid = *xid;
        let now = after(u64::from(second));
        world.say(MAIN, xid, &part, now);
        world.core.handle_timeout(now);
        world.play(MAIN, 0, now);
    }
    assert_eq!(world.closed(), [(MAIN, CloseCause::DescriptionTimeout)]);
}

#[test]
fn a_rule_that_idles_out_is_not_put_back_whatever_comes_behind_it() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    // Until its port is an edge.
    for millis in (10..2_000).step_by(10) {
        let now = T0 + Duration::from_millis(millis);
        world.core.handle_timeout(now);
        world.play(MAIN, 0, now);
    }
    let now = after(2);
    world.say(MAIN, 0, &packet_in(), now);
    world.play(MAIN, 0, now);
    let of_sender = |message: &Message| match message {
        Message::FlowMod(flow_mod) if flow_mod.match_.eth_src().is_some() => Some(flow_mod.clone()),
        _ => None,
    };
    let rule = world.said.iter().find_map(|(_, _, message)| of_sender(message)).unwrap();
    let removed = Message::FlowRemoved(openflow::FlowRemoved {
        cookie: rule.cookie,
        priority: rule.priority,
        reason: openflow::FlowRemovedReason::IDLE_TIMEOUT,
        table_id: rule.table_id,
        duration_sec: 300,
        duration_nsec: 0,
        idle_timeout: rule.idle_timeout,
        hard_timeout: 0,
        packet_count: 1,
        byte_count: 60,
        match_: rule.match_,
    });
    world.said.clear();
    world.core.handle_frames(MAIN, [frame(0, &removed), frame(0x8000_0000, &Message::BarrierReply)], now);
    world.play(MAIN, 0, now);
    assert_eq!(world.core.network().hosts.len(), 0);
    assert_eq!(world.said.iter().find_map(|(_, _, message)| of_sender(message)), None);
}

#[test]
fn a_switch_that_reports_without_an_end_when_it_is_read_back_is_told_why_it_goes() {
    let mut world = World::equal();
    world.groups_without_end = true;
    world.connect(MAIN, 0, T0);
    assert_eq!(world.closed(), [(MAIN, CloseCause::ReadBack)]);
    assert!(world.error_text(MAIN).unwrap().contains("64 MiB"));
    assert_eq!((world.core.reconciler().sizes().count(), world.core.switches_connected()), (0, 0));
}

#[test]
fn peers_of_other_versions_are_counted_by_version() {
    let mut world = World::equal();
    for n in 0..5 {
        let id = ConnectionId(10 + n);
        world.core.handle_connect(id, after(n));
        world.core.handle_frames(id, [Bytes::from_static(&[1, 0, 0, 8, 0, 0, 0, 1])], after(n));
        world.core.handle_closed(id, after(n));
    }
    assert_eq!(world.core.counters().versions_refused, BTreeMap::from([(1, 5)]));
    let causes = world.closed();
    let incompatible = CloseCause::Channel(CloseReason::Incompatible { version: 1 });
    assert!(causes.len() == 5 && causes.iter().all(|(_, cause)| *cause == incompatible), "{causes:?}");
}

#[test]
fn a_controller_that_ends_waits_for_its_switches_but_not_long() {
    for silent in [false, true] {
        let mut world = World::equal();
        world.connect(MAIN, 0, T0);
        world.events();
        world.silent = silent.then_some(MAIN);
        world.core.finish(after(1));
        assert_eq!(world.closed(), []);
        world.play(MAIN, 0, after(1));
        if silent {
            assert_eq!(world.closed(), []);
            world.core.handle_timeout(after(2));
        }
        assert_eq!(world.closed(), [(MAIN, CloseCause::Channel(CloseReason::Shutdown))]);
    }
}

#[test]
fn a_switch_that_ends_before_it_joins_leaves_nothing_behind() {
    let mut world = World::equal();
    world.core.handle_connect(MAIN, T0);
    world.say(MAIN, 1, &Message::Hello(openflow::Hello::new()), T0);
    let mut asked = 0;
    while let Some(mut output) = world.core.take_output(MAIN) {
        while let Some(length) = openflow::frame_length(&output).unwrap() {
            let (xid, message) = Message::decode(&output.split_to(length)).unwrap();
            let is_count = matches!(&message, Message::MultipartRequest(request)
                if matches!(request.body, MultipartRequestBody::Aggregate(_)));
            asked += usize::from(is_count);
            // It tells everything but its rules.
            if !is_count && let Some(answer) = world.answer(message, 0) {
                world.say(MAIN, xid, &answer, T0);
            }
        }
    }
    assert_eq!((asked, world.core.reconciler().sizes().count()), (1, 1), "the rules are being read back");
    world.core.handle_closed(MAIN, after(1));
    assert_eq!(world.core.reconciler().sizes().count(), 0);
}

#[test]
fn a_tagged_question_is_not_answered_for_another_network() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    // The port becomes an edge when nothing has come back for a while.
    for tenth in 1..20 {
        world.core.handle_timeout(T0 + Duration::from_millis(100 * tenth));
        world.play(MAIN, 0, after(2));
    }
    world.say(MAIN, 0, &packet_in(), after(2));
    assert_eq!(world.core.network().hosts.len(), 1);
    let question = build::arp_request(MacAddr([2, 0, 0, 0, 9, 3]), [10, 9, 0, 3].into(), [10, 9, 0, 1].into());
    let mut tagged = question[..12].to_vec();
    tagged.extend([0x81, 0x00, 0x00, 0x07]);
    tagged.extend(&question[12..]);
    let mut answers = |question: Bytes| {
        world.play(MAIN, 0, after(2));
        world.said.clear();
        world.say(MAIN, 0, &packet_in_of(question), after(2));
        world.play(MAIN, 0, after(2));
        world.said.iter().filter(|(_, _, message)| matches!(message, Message::PacketOut(_))).count()
    };
    assert_eq!((answers(question), answers(tagged.into())), (1, 0));
}
