//! Another configuration in slices: no turn is long, and everybody else is heard between two of them.

use std::collections::VecDeque;

use openflow::Instruction;

use super::*;
use crate::app::SLICE_CHANGES;
use crate::app::static_rules::{RuleList, StaticRule};
use crate::flow::{normalized_desired, normalized_installed};

/// Messages without a barrier, as the reconciler has it.
const WINDOW: u64 = 512;

/// Rules of these numbers; each sends to this port.
fn rules(numbers: impl IntoIterator<Item = u32>, port: u32) -> Arc<OperatorRules> {
    let rule = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        // A few lead into a table of the operator's own, of which the others are.
        let table = if number.is_multiple_of(7) { 100 } else { 0 };
        let match_ = Match::new().with_in_port(PortNo(1)).with_eth_dst(MacAddr([2, 9, a, b, c, d]));
        let does = [Instruction::ApplyActions(vec![Action::output(PortNo(port))])];
        StaticRule::new(TableId(table), 100, &match_, &does, number).unwrap()
    };
    let all = RuleList::new(numbers.into_iter().map(rule).collect()).unwrap();
    Arc::new(OperatorRules::new(all, BTreeMap::new()))
}

/// A live switch whose answers the test gives one by one.
struct Slow {
    world: World,
    now: Time,
    barriers: VecDeque<u32>,
    turns: usize,
}

impl Slow {
    fn new() -> Slow {
        let mut world = World::equal();
        world.connect(MAIN, 0, T0);
        // Its port is an edge before anything is counted.
        while let Some((at, _)) = world.core.poll_timeout().filter(|(at, _)| *at < after(2)) {
            world.core.handle_timeout(at);
            world.play(MAIN, 0, at);
        }
        Slow { world, now: after(2), barriers: VecDeque::new(), turns: 0 }
    }

    /// One turn of the core, of which the work is counted; the types of what it says.
    fn turn(&mut self, input: impl FnOnce(&mut Core, Time)) -> Vec<u8> {
        let before = self.world.core.reconciler().counters();
        input(&mut self.world.core, self.now);
        let after = self.world.core.reconciler().counters();
        assert!(after.stated - before.stated <= SLICE_CHANGES as u64, "turn {}", self.turns);
        assert!(after.mods() - before.mods() <= WINDOW, "turn {}", self.turns);
        self.turns += 1;
        let mut said = Vec::new();
        while let Some(mut output) = self.world.core.take_output(MAIN) {
            while let Some(length) = openflow::frame_length(&output).unwrap() {
                let message = output.split_to(length);
                said.push(message[1]);
                if message[1] == MessageType::BARRIER_REQUEST.0 {
                    self.barriers.push_back(u32::from_be_bytes(message[4..8].try_into().unwrap()));
                }
            }
        }
        said
    }

    fn configure(&mut self, rules: Arc<OperatorRules>) {
        self.turn(|core, now| drop(core.handle_config(settings(rules), now)));
    }

    /// The switch does what it is told, and asks all the time whether somebody is there; true while there is more to come.
    fn step(&mut self) -> bool {
        self.now = self.now + Duration::from_micros(100);
        let said =
            self.turn(|core, now| core.handle_frames(MAIN, [frame(9, &Message::EchoRequest(Bytes::new()))], now));
        assert!(said.contains(&MessageType::ECHO_REPLY.0), "an echo is answered in its own turn");
        match self.barriers.pop_front() {
            Some(xid) => {
                self.turn(|core, now| core.handle_frames(MAIN, [frame(xid, &Message::BarrierReply)], now));
            }
            None if self.world.core.is_stating() || !self.world.core.reconciler().is_idle() => {
                self.now = self.now.max(self.world.core.poll_timeout().unwrap().0);
                self.turn(Core::handle_timeout);
            }
            None => return false,
        }
        true
    }

    /// A step, whether something was left to do or not.
    fn keep_on(&mut self) {
        let _ = self.step();
    }

    /// Everything is stated and confirmed, and as the recompute has it.
    fn assert_done(&self) {
        let core = &self.world.core;
        assert!(!core.is_stating() && core.reconciler().is_idle());
        let want = normalized_desired(&core.recompute()[&SWITCH], SWITCH);
        assert_eq!(normalized_desired(core.reconciler(), SWITCH), want);
        assert_eq!(normalized_installed(core.reconciler(), SWITCH), want);
    }

    fn flow_mods(&self) -> [u64; 2] {
        self.world.core.reconciler().counters().flow_mods
    }
}

#[test]
fn a_hundred_thousand_rules_go_out_in_short_turns_and_every_echo_between_them_is_answered() {
    let mut slow = Slow::new();
    let [before, _] = slow.flow_mods();
    slow.configure(rules(0..100_000, 2));
    while slow.step() {}
    assert_eq!(slow.flow_mods(), [before + 100_000, 0]);
    assert!(slow.turns >= 100_000 / SLICE_CHANGES, "{} turns", slow.turns);
    slow.assert_done();
}

#[test]
fn only_what_is_different_goes_out() {
    let mut slow = Slow::new();
    slow.configure(rules(0..3_000, 2));
    while slow.step() {}
    let [adds, removals] = slow.flow_mods();
    // Others that are the same, with other lines.
    slow.configure(rules((0..3_000).rev(), 2));
    while slow.step() {}
    assert_eq!(slow.flow_mods(), [adds, removals]);
    slow.configure(rules(3..3_010, 2));
    while slow.step() {}
    assert_eq!(slow.flow_mods(), [adds + 10, removals + 3]);
    slow.configure(rules(3..3_010, 4));
    while slow.step() {}
    assert_eq!(slow.flow_mods(), [adds + 10 + 3_007, removals + 3]);
    slow.assert_done();
}

#[test]
fn what_is_new_goes_out_before_what_is_old_is_taken_away() {
    let mut slow = Slow::new();
    slow.configure(rules(0..2_000, 2));
    while slow.step() {}
    let [before, _] = slow.flow_mods();
    slow.configure(rules(2_000..4_000, 2));
    loop {
        let [adds, removals] = slow.flow_mods();
        assert!(removals == 0 || adds == before + 2_000, "{adds} {removals}");
        if !slow.step() {
            break;
        }
    }
    assert_eq!(slow.flow_mods(), [before + 2_000, 2_000]);
    slow.assert_done();
}

#[test]
fn configurations_that_come_while_one_is_stated_end_with_the_last_one() {
    let mut slow = Slow::new();
    let mut last = rules([], 2);
    for round in 0..12_u32 {
        last = rules(round * 500..round * 700 + 900, 2 + round % 3);
        slow.configure(last.clone());
        (0..round * 3).for_each(|_| slow.keep_on());
    }
    while slow.step() {}
    slow.assert_done();
    assert!(Arc::ptr_eq(slow.world.core.operator_rules(), &last));
    let rule = last.of(SWITCH).rules().first().unwrap();
    assert_eq!(last.origin(SWITCH, &rule.rule.id()), Some(rule.line));
}

#[test]
fn a_switch_that_goes_in_the_middle_and_comes_back_has_all_rules() {
    let mut slow = Slow::new();
    slow.configure(rules(0..2_000, 2));
    (0..5).for_each(|_| slow.keep_on());
    slow.world.core.handle_closed(MAIN, slow.now);
    slow.barriers.clear();
    slow.configure(rules(1_000..3_000, 2));
    // It comes back with nothing.
    let now = slow.now + Duration::from_secs(1);
    slow.world.core.handle_connect(MAIN, now);
    slow.world.say(MAIN, 1, &Message::Hello(openflow::Hello::new()), now);
    slow.world.play(MAIN, 0, now);
    slow.now = now;
    while slow.step() {}
    slow.assert_done();
    assert!(slow.world.core.recompute()[&SWITCH].desired(SWITCH).count() > 2_000);
}
