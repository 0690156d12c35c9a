//! Switches asked for what they count: each part is told as it comes, and a silence or an end too.

use openflow::{FlowStatsRequest, GroupStats};

use super::*;

fn question() -> MultipartRequestBody {
    MultipartRequestBody::Group(GroupId::ALL)
}

fn part(number: u32, more: bool) -> Message {
    let stats = GroupStats {
        group_id: GroupId(number),
        ref_count: 0,
        packet_count: 3,
        byte_count: 180,
        duration_sec: 1,
        duration_nsec: 0,
        bucket_stats: Vec::new(),
    };
    Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::Group(vec![stats]) })
}

impl World {
    /// What has been told of questions, in order.
    fn counted(&mut self) -> Vec<(u64, Result<usize, CountingFailure>, bool)> {
        let told = |event| match event {
            CoreEvent::Counted { number, part, last } => {
                let groups = part.map(|part| match part {
                    MultipartReplyBody::Group(groups) => groups.len(),
                    other => panic!("{other:?}"),
                });
                Some((number.0, groups, last))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(told).collect()
    }

    /// The number of the question on the wire.
    fn asked(&mut self, now: Time) -> u32 {
        self.play(MAIN, 0, now);
        let is_it = |message: &Message| matches!(message, Message::MultipartRequest(request) if matches!(request.body, MultipartRequestBody::Group(_)));
        self.said.iter().rev().find(|(_, _, message)| is_it(message)).map(|(_, xid, _)| *xid).unwrap()
    }
}

#[test]
fn parts_are_told_as_they_come_and_nothing_behind_the_last() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    let flows = FlowStatsRequest { table_id: TableId::ALL, ..crate::flow::flows_with(0, 0) };
    let other = world.core.handle_counting(DatapathId(8), MultipartRequestBody::Flow(flows), T0);
    assert_eq!(other, None, "it is not connected");
    assert_eq!(world.core.handle_counting(SWITCH, question(), T0), Some(CountingNumber(1)));
    let first = world.asked(T0);
    assert_eq!(world.core.handle_counting(SWITCH, question(), T0), Some(CountingNumber(2)), "two at a time");
    let second = world.asked(T0);
    world.say(MAIN, first, &part(1, true), T0);
    world.say(MAIN, second, &part(9, false), T0);
    world.say(MAIN, first, &part(2, false), T0);
    world.say(MAIN, first, &part(3, false), T0);
    assert_eq!(world.counted(), [(1, Ok(1), false), (2, Ok(1), true), (1, Ok(1), true)]);
}

#[test]
fn a_silent_switch_is_told_of_after_two_seconds_and_stays() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.core.handle_counting(SWITCH, question(), T0 + Duration::from_millis(500));
    let xid = world.asked(T0);
    world.core.handle_timeout(T0 + Duration::from_millis(2_499));
    assert_eq!(world.counted(), []);
    let (at, _) = world.core.poll_timeout().unwrap();
    assert!(at <= T0 + Duration::from_millis(2_500), "somebody has to look: {at:?}");
    world.core.handle_timeout(T0 + Duration::from_millis(2_500));
    assert_eq!(world.counted(), [(1, Err(CountingFailure::NoAnswer), true)]);
    // Late is for nobody.
    world.say(MAIN, xid, &part(1, false), after(3));
    assert_eq!(world.counted(), []);
    assert!(world.core.is_live(SWITCH));
}

#[test]
fn the_end_of_a_connection_is_the_end_of_its_questions() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.core.handle_counting(SWITCH, question(), T0);
    let xid = world.asked(T0);
    world.say(MAIN, xid, &part(1, true), T0);
    world.core.handle_closed(MAIN, T0);
    assert_eq!(world.counted(), [(1, Ok(1), false), (1, Err(CountingFailure::Disconnected), true)]);
    assert_eq!(world.core.handle_counting(SWITCH, question(), T0), None);
}

#[test]
fn a_refusal_is_told_as_one() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.core.handle_counting(SWITCH, question(), T0);
    let xid = world.asked(T0);
    let error = ErrorMessage::new(ErrorCode::REQUEST_BAD_MULTIPART, Bytes::new());
    world.say(MAIN, xid, &Message::Error(error), T0);
    let told = world.counted();
    let [(1, Err(CountingFailure::Failed(openflow::RequestFailure::Refused(error))), true)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(error.code(), ErrorCode::REQUEST_BAD_MULTIPART);
}
