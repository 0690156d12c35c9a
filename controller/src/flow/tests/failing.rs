//! Switches that refuse at random, lose what they are told, fall silent, go and come back with or without their tables: when that is over, what is
//! installed is what is desired.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::*;

/// Numbers that follow from a seed (xorshift64*).
#[derive(Clone)]
struct Random(Rc<Cell<u64>>);

impl Random {
    fn new(seed: u64) -> Random {
        Random(Rc::new(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)))
    }

    fn below(&self, limit: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % limit
    }

    fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }
}

const ERRORS: [ErrorCode; 11] = [
    ErrorCode::FLOW_MOD_TABLE_FULL,
    ErrorCode::FLOW_MOD_UNKNOWN,
    ErrorCode::FLOW_MOD_OVERLAP,
    ErrorCode::FLOW_MOD_EPERM,
    ErrorCode::ACTION_BAD_OUT_PORT,
    ErrorCode::MATCH_BAD_FIELD,
    ErrorCode::ACTION_BAD_TYPE,
    ErrorCode::GROUP_MOD_OUT_OF_GROUPS,
    ErrorCode::GROUP_MOD_UNKNOWN_GROUP,
    ErrorCode::METER_MOD_OUT_OF_METERS,
    ErrorCode::METER_MOD_UNKNOWN,
];

/// A switch that refuses one message in `refuses`, and loses one in `loses`.
fn faults(random: &Random, refuses: u64, loses: u64) -> Option<Faults> {
    let random = random.clone();
    Some(Box::new(move |message| {
        if random.one_in(refuses) {
            let code = ERRORS[random.below(ERRORS.len() as u64) as usize];
            let is_of = match code.error_type {
                openflow::ErrorType::GROUP_MOD_FAILED => matches!(message, Message::GroupMod(_)),
                openflow::ErrorType::METER_MOD_FAILED => matches!(message, Message::MeterMod(_)),
                _ => matches!(message, Message::FlowMod(_)),
            };
            return is_of.then_some(Fault::Refuse(code));
        }
        random.one_in(loses).then_some(Fault::Lose)
    }))
}

/// One network's bad days.
struct Days {
    lab: Lab,
    random: Random,
    /// Switches whose last answers were lost: their connections end soon.
    deaf: Vec<DatapathId>,
}

impl Days {
    fn new(seed: u64) -> Days {
        let random = Random::new(seed);
        let mut lab = Lab::default();
        let bundles = [BundleUse::Auto, BundleUse::Never, BundleUse::Atomic][random.below(3) as usize];
        let audit_interval = if random.one_in(2) { Duration::from_secs(20) } else { Duration::ZERO };
        let settings = FlowSettings { bundles, audit_interval, ..FlowSettings::default() };
        lab.reconciler.handle_settings(settings, lab.now());
        for id in 1..=3 {
            let model = Model { takes_bundles: !random.one_in(3), ..Model::default() };
            lab.switches.insert(DatapathId(id), model);
            lab.connect(DatapathId(id));
        }
        Days { lab, random, deaf: Vec::new() }
    }

    fn some_switch(&self) -> DatapathId {
        DatapathId(1 + self.random.below(3))
    }

    fn state_something(&mut self) {
        let (random, id, now) = (self.random.clone(), self.some_switch(), self.lab.now());
        let reconciler = &mut self.lab.reconciler;
        let many = if random.one_in(8) { 150 } else { 1 };
        let first = random.below(400);
        let port = 1 + random.below(4) as u32;
        let grouped = 1_000 + random.below(4);
        let number = 1 + random.below(4) as u32;
        match random.below(7) {
            4 => {
                let meter = stated_meter(number, 1 + random.below(3) as u32);
                let ports: Vec<u32> = (1..=1 + random.below(3) as u32).collect();
                let group_type = if random.one_in(2) { GroupType::ALL } else { GroupType::SELECT };
                // A group does not change its type under way here: a switch may refuse that for ever.
                let group =
                    Group { group_type: GroupType((number & 1) as u8), ..stated_group(number, group_type, &ports) };
                let rule = pointing(5_000 + u64::from(number), Some(number), Some(number));
                reconciler.set_meter(id, meter.key, Some(meter));
                reconciler.set_group(id, group.key, Some(group));
                reconciler.set_rule(id, rule.key, Some(&rule));
            }
            5 => {
                let rule = pointing(5_000 + u64::from(number), Some(number), Some(number));
                reconciler.set_rule(id, rule.key, None);
                reconciler.set_group(id, Key::of_group(Owner::StaticRules, GroupId(number)), None);
                reconciler.set_meter(id, Key::of_meter(Owner::StaticRules, MeterId(number)), None);
            }
            0 => (first..first + many).for_each(|a| reconciler.set_rule(id, key(a), None)),
            1 => {
                let ports: Vec<u32> = (1..=1 + random.below(3) as u32).collect();
                reconciler.set_group(id, key(grouped), Some(group(grouped, GroupType::SELECT, &ports)));
                let to = reconciler.group_id(id, key(grouped));
                let match_ = Match::new().with_eth_dst(net::MacAddr::from_u64(grouped));
                let body = FlowBody::apply(&match_, &Action::Group(to)).unwrap();
                reconciler.set_rule(id, key(grouped), Some(&Rule { body, ..host_rule(grouped, 1, 0) }));
            }
            2 => {
                reconciler.set_rule(id, key(grouped), None);
                reconciler.set_group(id, key(grouped), None);
            }
            _ => (first..first + many).for_each(|a| {
                reconciler.set_rule(id, key(a), Some(&host_rule(a, port, (a % 3) as u16)));
            }),
        }
        reconciler.advance(now);
        self.lab.collect();
    }

    fn something_fails(&mut self) {
        let (random, id) = (self.random.clone(), self.some_switch());
        let now = self.lab.now();
        match random.below(5) {
            // The connection breaks; the tables may be lost with it.
            0 => {
                self.lab.reconciler.handle_disconnected(id, now);
                let model = self.lab.switches.get_mut(&id).unwrap();
                model.inbox.clear();
                if random.one_in(2) {
                    model.rules.clear();
                    model.groups.clear();
                    model.meters.clear();
                }
                self.lab.collect();
                self.deaf.retain(|deaf| *deaf != id);
                self.lab.connect(id);
            }
            // What it has been told is lost, and its connection with it, a little later.
            1 => {
                self.lab.switches.get_mut(&id).unwrap().inbox.clear();
                self.deaf.push(id);
            }
            2 => self.lab.reconciler.release(id),
            3 => {
                self.lab.reconciler.request_audit(id, now);
            }
            // Somebody's hand.
            _ => {
                let model = self.lab.switches.get_mut(&id).unwrap();
                let some = model.rules.keys().nth(random.below(50) as usize).cloned();
                if let Some(some) = some {
                    model.rules.remove(&some);
                }
            }
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.lab.now += ms;
        let now = self.lab.now();
        if self.lab.reconciler.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.lab.reconciler.handle_timeout(now);
            let next = self.lab.reconciler.poll_timeout();
            assert!(next.is_none_or(|(at, _)| at > now), "a deadline that does not move: {next:?} at {now:?}");
        }
        self.lab.collect();
    }

    fn reconnect(&mut self, id: DatapathId) {
        self.lab.reconciler.handle_disconnected(id, self.lab.now());
        self.lab.collect();
        self.lab.connect(id);
    }

    /// Nothing fails any more: time passes until nothing is left to do.
    fn settle(&mut self) {
        for model in self.lab.switches.values_mut() {
            model.faults = None;
            // What they were asked as failing switches is answered as such: a rule may point to a group that was refused.
            model.faults = Some(Box::new(|_| None));
        }
        for id in std::mem::take(&mut self.deaf) {
            self.reconnect(id);
        }
        for _ in 0..60 {
            self.lab.release_all();
            self.lab.pump();
            self.pass_time(10_000);
        }
        self.lab.pump();
    }
}

/// What the reconciler believes to be on each switch is there, and nothing else of ours.
fn assert_believed(lab: &Lab) {
    for (&id, model) in &lab.switches {
        let believed: BTreeMap<_, _> =
            lab.reconciler.installed(id).map(|(rule_id, rule)| (rule_id, (rule.cookie, rule.instructions))).collect();
        assert_eq!(model.rules, believed, "rules of {id}");
    }
}

/// What is desired and not believed to be installed, or the other way round, is what refusals name, and each of them is for good: there was time
/// enough for all others.
fn assert_gaps_are_named(lab: &Lab) {
    for (id, sizes) in lab.reconciler.sizes() {
        let (picture, _) = super::picture::picture(&lab.reconciler, id);
        let rules = picture.rules.iter().map(|rule| (rule.state, rule.refusal, format!("{:?}", rule.body)));
        let groups = picture.groups.iter().map(|group| (group.state, group.refusal, format!("group {}", group.id.0)));
        let meters = picture.meters.iter().map(|meter| (meter.state, meter.refusal, format!("meter {}", meter.id.0)));
        let mut named = 0;
        for (state, refusal, what) in rules.chain(groups).chain(meters) {
            let is_named = refusal.is_some_and(|refusal| refusal.again == Again::WhenDifferent);
            assert_eq!(state != EntryState::Installed, is_named, "{what} on {id}: {state:?}, {refusal:?}");
            named += usize::from(is_named);
        }
        assert_eq!(named, sizes[3], "refusals of {id}: so many are named, and so many counted");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn installed_is_desired_when_switches_have_stopped_failing(seed in any::<u64>()) {
        let mut days = Days::new(seed);
        let random = days.random.clone();
        for id in 1..=3 {
            let refuses = [3, 20, 1_000_000][random.below(3) as usize];
            days.lab.switches.get_mut(&DatapathId(id)).unwrap().faults = faults(&random, refuses, 50);
        }
        for _ in 0..300 {
            match random.below(12) {
                0..=2 => days.state_something(),
                3 => days.something_fails(),
                4 => days.pass_time(random.below(3_000)),
                _ => {
                    let id = days.some_switch();
                    if !days.deaf.contains(&id) {
                        days.lab.step(id);
                    }
                }
            }
            if random.one_in(10) && let Some(id) = days.deaf.pop() {
                days.reconnect(id);
            }
        }
        days.settle();
        assert_gaps_are_named(&days.lab);
        // What a switch has refused for good is sent again when it connects; what it has lost is found by an audit, or then.
        for id in 1..=3 {
            days.reconnect(DatapathId(id));
        }
        days.settle();
        days.lab.assert_equal();
        assert_believed(&days.lab);
        prop_assert!(days.lab.reconciler.is_idle());
        prop_assert_eq!(days.lab.reconciler.sizes().map(|(_, sizes)| sizes[3]).sum::<usize>(), 0);
    }

    #[test]
    fn without_a_reconnect_an_audit_finds_what_a_switch_has_lost(seed in any::<u64>()) {
        let mut days = Days::new(seed);
        days.lab.pump();
        days.lab.release_all();
        for _ in 0..40 {
            days.state_something();
        }
        let random = days.random.clone();
        for model in days.lab.switches.values_mut() {
            model.faults = faults(&random, 1_000_000, 10);
        }
        for _ in 0..20 {
            days.state_something();
            days.lab.pump();
        }
        for model in days.lab.switches.values_mut() {
            model.faults = Some(Box::new(|_| None));
        }
        for _ in 0..3 {
            for id in 1..=3 {
                prop_assert!(days.lab.reconciler.request_audit(DatapathId(id), days.lab.now()));
            }
            days.settle();
        }
        days.lab.assert_equal();
        assert_believed(&days.lab);
    }
}
