//! What a switch may tell when it is read back: all that we ever put there, and not what fills the memory.

use super::super::reconciler::{KEPT_BESIDES, READ_BACK_OCTETS};
use super::*;

/// Actions of 8 octets that fill a part of an answer: 64 KiB.
const MANY: usize = 8_170;

/// A reconciler that has asked a switch for its groups, and the number of the question.
fn asked_for_groups() -> (Reconciler, u32) {
    let mut reconciler = Reconciler::default();
    reconciler.handle_connected(S1, Time::ZERO);
    let count = MultipartReplyBody::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count: 1 });
    let xid = answer(&mut reconciler, None, count);
    (reconciler, xid)
}

/// One that has asked for its flows.
fn asked_for_flows() -> (Reconciler, u32) {
    let (mut reconciler, xid) = asked_for_groups();
    let xid = answer(&mut reconciler, Some(xid), MultipartReplyBody::GroupDesc(Vec::new()));
    (reconciler, xid)
}

/// A whole answer to the question of this number, or of the one that is out; the number of the next question.
fn answer(reconciler: &mut Reconciler, xid: Option<u32>, body: MultipartReplyBody) -> u32 {
    let xid = xid.unwrap_or_else(|| only_question(reconciler));
    assert!(reconciler.handle_multipart(S1, xid, &MultipartReply { more: false, body }, Time::ZERO));
    only_question(reconciler)
}

fn only_question(reconciler: &mut Reconciler) -> u32 {
    let waits = |message: &Message| match message {
        Message::MultipartRequest(request) => matches!(
            request.body,
            MultipartRequestBody::Aggregate(_) | MultipartRequestBody::GroupDesc | MultipartRequestBody::Flow(_)
        ),
        _ => panic!("no question: {message:?}"),
    };
    let questions: Vec<u32> =
        sent(reconciler).iter().filter(|(_, _, message)| waits(message)).map(|(_, xid, _)| *xid).collect();
    let [xid] = questions[..] else { panic!("one question that is waited for") };
    xid
}

fn big_group(number: u32) -> MultipartReplyBody {
    let buckets = vec![Bucket::new(vec![Action::PopVlan; MANY])];
    let group_id = GroupId(0x5400_0000 | number);
    MultipartReplyBody::GroupDesc(vec![GroupDesc { group_type: GroupType::SELECT, group_id, buckets }])
}

fn big_flow(number: u32) -> MultipartReplyBody {
    let rule = host_rule(u64::from(number), 1, 0);
    let does = vec![Instruction::ApplyActions(vec![Action::PopVlan; MANY])];
    MultipartReplyBody::Flow(vec![flow_stats((&rule.id(), &(rule.key.cookie(), does)))])
}

/// Parts of an answer until the reconciler has enough of them; after each, what is known of the switch is looked at.
fn tell_without_end(
    (mut reconciler, xid): (Reconciler, u32),
    part: fn(u32) -> MultipartReplyBody,
    mut look: impl FnMut(&Reconciler, u32),
) -> (Reconciler, u32) {
    let limit = 2 * READ_BACK_OCTETS as u32 / (8 * MANY as u32);
    for number in 1..limit {
        let more = MultipartReply { more: true, body: part(number) };
        assert!(reconciler.handle_multipart(S1, xid, &more, Time::ZERO));
        if let Some(event) = reconciler.poll_event() {
            assert_eq!(event, FlowEvent::TooMuch { datapath_id: S1 });
            return (reconciler, number);
        }
        look(&reconciler, number);
    }
    panic!("{limit} parts were believed");
}

#[test]
fn one_big_group_in_each_part_is_believed_up_to_a_limit_in_octets() {
    let look = |reconciler: &Reconciler, number: u32| {
        if number.is_multiple_of(256) {
            let kept: usize = reconciler.installed_groups(S1).map(|(_, group)| group.octets()).sum();
            assert_eq!(kept, number as usize * (16 + 8 * MANY), "nothing but the octets of the buckets");
            assert!(kept <= READ_BACK_OCTETS);
        }
    };
    let (reconciler, parts) = tell_without_end(asked_for_groups(), big_group, look);
    assert_eq!(parts as usize, READ_BACK_OCTETS / (KEPT_BESIDES + 16 + 8 * MANY) + 1);
    assert_eq!(reconciler.installed_groups(S1).count(), 0, "it is given back");
}

#[test]
fn one_big_flow_in_each_part_is_believed_up_to_a_limit_in_octets() {
    let (reconciler, parts) = tell_without_end(asked_for_flows(), big_flow, |_, _| ());
    // A match of 16 octets, and the head of the instruction.
    assert_eq!(parts as usize, READ_BACK_OCTETS / (KEPT_BESIDES + 24 + 8 * MANY) + 1);
    assert_eq!(reconciler.sizes().map(|(_, sizes)| sizes[0]).sum::<usize>(), 0, "it is given back");
}

#[test]
fn the_instructions_of_a_flow_that_nobody_wants_are_kept_once() {
    let mut flows = super::super::switch::SwitchFlows::new(topology::SeededState::new(1));
    let MultipartReplyBody::Flow(big) = big_flow(1) else { unreachable!() };
    let kept = flows.read_rule(&big[0], &FlowSettings::default());
    assert_eq!(kept, Some(24 + 8 * MANY));
    assert_eq!(flows.octets_kept(), 24 + 8 * MANY);
    let (id, rule) = flows.installed().next().unwrap();
    assert_eq!((id.match_, rule.instructions), (big[0].match_.clone(), big[0].instructions.clone()));
}

/// As a hostile switch may tell it; each field becomes four in the canonical form, and cut at 16 bits it would be another match.
fn match_that_grows() -> Match {
    let field = [&[0, 1, 0xde, 16][..], &[7; 16][..]].concat();
    let octets = [&[0, 1][..], &65_404_u16.to_be_bytes(), &field.repeat(3_270), &[0; 4]].concat();
    let (match_, _) = openflow::read_flow_body(&bytes::Bytes::from(octets)).unwrap();
    assert!(match_.canonical().as_tlvs().len() > 65_535);
    match_
}

#[test]
fn a_flow_whose_match_is_too_long_in_its_canonical_form_is_passed_over() {
    let (mut reconciler, xid) = asked_for_flows();
    let MultipartReplyBody::Flow(mut flows) = big_flow(1) else { unreachable!() };
    (flows[0].match_, flows[0].instructions) = (match_that_grows(), Vec::new());
    let part = MultipartReply { more: false, body: MultipartReplyBody::Flow(flows) };
    assert!(reconciler.handle_multipart(S1, xid, &part, Time::ZERO));
    let xid = only_question(&mut reconciler);
    let all = MultipartReplyBody::Aggregate(AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 });
    assert!(reconciler.handle_multipart(S1, xid, &MultipartReply { more: false, body: all }, Time::ZERO));
    assert_eq!(reconciler.poll_event(), Some(FlowEvent::ReadBack { datapath_id: S1, rules: 0, groups: 0 }));
    let removed = openflow::FlowRemoved {
        cookie: key(1).cookie(),
        priority: 1,
        reason: openflow::FlowRemovedReason::DELETE,
        table_id: FORWARD,
        duration_sec: 1,
        duration_nsec: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        packet_count: 0,
        byte_count: 0,
        match_: match_that_grows(),
    };
    assert!(!reconciler.handle_flow_removed(S1, &removed));
    reconciler.release(S1);
    reconciler.advance(Time::from_millis(0));
    assert_eq!(sent(&mut reconciler), [], "nothing of it is deleted");
}

#[test]
fn what_is_not_ours_is_not_kept_however_large_it_is() {
    let (mut reconciler, xid) = asked_for_flows();
    let MultipartReplyBody::Flow(mut flows) = big_flow(1) else { unreachable!() };
    flows[0].cookie = 1;
    let part = MultipartReply { more: true, body: MultipartReplyBody::Flow(flows) };
    for _ in 0..2 * READ_BACK_OCTETS / (8 * MANY) {
        assert!(reconciler.handle_multipart(S1, xid, &part, Time::ZERO));
    }
    assert_eq!(reconciler.poll_event(), None);
}
