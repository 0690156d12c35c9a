//! What a switch has refused, and when it is worth another try: never a silent gap, and never the same bad message for ever.
//!
//! A table that is full may have room after a removal, or a while later: a few of those that wait are tried then, more as long as they are taken. A
//! match or an action that the switch doesn't take is not sent again until the rule is another one, or the switch connects anew. Everything
//! else is tried again after a wait that grows. What a switch says it cannot hold is sent all the same: its word is a hint, its error is the answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use net::Time;
use openflow::{ErrorCode, ErrorType, GroupId, MeterId, TableId};

use super::slots::SlotRef;
use super::unfit::Unfit;

/// First wait before something refused is sent again; it doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest wait before something refused is sent again: a full table may have room by then, and a broken rule costs one message a minute.
const RETRY_LAST_MS: u64 = 60_000;
/// Rules that a full switch is tried with after a wait: each that it refuses costs two messages. The number doubles as long as they are taken.
const ROOM_FIRST: usize = 8;
/// Most rules that such a switch is tried with at a time: half of what goes out before a barrier.
const ROOM_LAST: usize = 256;

/// A rule, a group or a meter of one switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Item {
    Rule(SlotRef),
    Group(GroupId),
    Meter(MeterId),
}

/// Why something is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The switch has answered with this error.
    Error(ErrorCode),
    /// The same, and what the switch has told before of what it can hold says why.
    Foreseen(ErrorCode, Unfit),
}

impl Cause {
    /// The switch's error.
    pub fn error(self) -> ErrorCode {
        let (Cause::Error(error) | Cause::Foreseen(error, _)) = self;
        error
    }

    /// As metrics tell refusals apart.
    pub fn reason(self) -> RefusalReason {
        RefusalReason::of(self.error())
    }

    /// The same message would be refused again, whatever the switch holds.
    fn is_for_good(self) -> bool {
        is_for_good(self.error())
    }

    /// Something that the rule points to is not there.
    pub(super) fn points_nowhere(self) -> bool {
        let error = self.error();
        error == ErrorCode::ACTION_BAD_OUT_GROUP || error.error_type == ErrorType::METER_MOD_FAILED
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Error(error) => error.fmt(f),
            Cause::Foreseen(error, unfit) => write!(f, "{error}; the switch says: {unfit}"),
        }
    }
}

/// When something that was refused is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// It is on its way.
    Now,
    /// At this time; one that waits for room perhaps earlier, when something is removed.
    At(Time),
    /// Not as it is: the rule has to change, or the switch to connect anew.
    WhenDifferent,
}

/// A switch's word against a rule, a group or a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Its last error, and what it has told before.
    pub cause: Cause,
    /// How often it has refused since it was last right.
    pub count: u32,
    /// When it is sent again.
    pub again: Again,
}

/// Why something was refused, as metrics tell it apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(usize)]
pub enum RefusalReason {
    /// No room.
    Full,
    /// The match.
    Match,
    /// An action.
    Action,
    /// An instruction.
    Instruction,
    /// Another rule is in the way.
    Overlap,
    /// This controller may not.
    Permission,
    /// The group, or one that the rule points to.
    Group,
    /// The meter, or one that the rule points to.
    Meter,
    /// Anything else.
    Other,
}

impl RefusalReason {
    /// All of them with their names, in the order of their numbers.
    pub const NAMES: [(RefusalReason, &'static str); 9] = [
        (RefusalReason::Full, "full"),
        (RefusalReason::Match, "match"),
        (RefusalReason::Action, "action"),
        (RefusalReason::Instruction, "instruction"),
        (RefusalReason::Overlap, "overlap"),
        (RefusalReason::Permission, "permission"),
        (RefusalReason::Group, "group"),
        (RefusalReason::Meter, "meter"),
        (RefusalReason::Other, "other"),
    ];

    /// Of a switch's error (OpenFlow 1.3.5 §7.5.4).
    pub fn of(error: ErrorCode) -> RefusalReason {
        match error {
            ErrorCode::FLOW_MOD_TABLE_FULL
            | ErrorCode::GROUP_MOD_OUT_OF_GROUPS
            | ErrorCode::GROUP_MOD_OUT_OF_BUCKETS
            | ErrorCode::METER_MOD_OUT_OF_METERS
            | ErrorCode::METER_MOD_OUT_OF_BANDS => RefusalReason::Full,
            ErrorCode::REQUEST_EPERM
            | ErrorCode::ACTION_EPERM
            | ErrorCode::INSTRUCTION_EPERM
            | ErrorCode::MATCH_EPERM
            | ErrorCode::FLOW_MOD_EPERM
            | ErrorCode::GROUP_MOD_EPERM => RefusalReason::Permission,
            ErrorCode::FLOW_MOD_OVERLAP => RefusalReason::Overlap,
            ErrorCode::ACTION_BAD_OUT_GROUP => RefusalReason::Group,
            ErrorCode { error_type: ErrorType::BAD_MATCH, .. } => RefusalReason::Match,
            ErrorCode { error_type: ErrorType::BAD_ACTION, .. } => RefusalReason::Action,
            ErrorCode { error_type: ErrorType::BAD_INSTRUCTION, .. } => RefusalReason::Instruction,
            ErrorCode { error_type: ErrorType::GROUP_MOD_FAILED, .. } => RefusalReason::Group,
            ErrorCode { error_type: ErrorType::METER_MOD_FAILED, .. } => RefusalReason::Meter,
            _ => RefusalReason::Other,
        }
    }
}

/// The same message would be refused again, whatever the switch holds.
fn is_for_good(error: ErrorCode) -> bool {
    match error {
        // A port, a queue or a group may come.
        ErrorCode::ACTION_BAD_OUT_PORT | ErrorCode::ACTION_BAD_OUT_GROUP | ErrorCode::ACTION_BAD_QUEUE => false,
        ErrorCode::FLOW_MOD_BAD_TABLE_ID
        | ErrorCode::FLOW_MOD_BAD_TIMEOUT
        | ErrorCode::FLOW_MOD_BAD_COMMAND
        | ErrorCode::FLOW_MOD_BAD_FLAGS
        | ErrorCode::REQUEST_BAD_TYPE
        | ErrorCode::REQUEST_BAD_LEN
        | ErrorCode::REQUEST_BAD_TABLE_ID
        | ErrorCode::GROUP_MOD_INVALID_GROUP
        | ErrorCode::GROUP_MOD_WEIGHT_UNSUPPORTED
        | ErrorCode::GROUP_MOD_CHAINING_UNSUPPORTED
        | ErrorCode::GROUP_MOD_WATCH_UNSUPPORTED
        | ErrorCode::GROUP_MOD_BAD_TYPE
        | ErrorCode::GROUP_MOD_BAD_COMMAND
        | ErrorCode::GROUP_MOD_BAD_BUCKET
        | ErrorCode::METER_MOD_BAD_COMMAND
        | ErrorCode::METER_MOD_BAD_FLAGS
        | ErrorCode::METER_MOD_BAD_RATE
        | ErrorCode::METER_MOD_BAD_BURST
        | ErrorCode::METER_MOD_BAD_BAND
        | ErrorCode::METER_MOD_BAD_BAND_VALUE => true,
        _ => matches!(
            RefusalReason::of(error),
            RefusalReason::Match | RefusalReason::Action | RefusalReason::Instruction
        ),
    }
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    cause: Cause,
    count: u32,
    sleeps: Sleeps,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sleeps {
    /// It is tried again.
    No,
    Until(Time),
    UntilRoom(Place),
    ForGood,
}

/// What may be full.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    Table(TableId),
    Groups,
    Meters,
}

/// Those that wait for room in one place.
#[derive(Debug)]
struct Room {
    /// In turn: who is refused again goes to the end. Some may have been forgotten, or be tried already.
    waiting: VecDeque<Item>,
    /// When the next ones are tried; `None` while none waits, or while some are tried.
    at: Option<Time>,
    /// Tries without room since there last was some.
    tries: u32,
    batch: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room { waiting: VecDeque::new(), at: None, tries: 0, batch: ROOM_FIRST }
    }
}

/// What one switch has refused and is not right yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    items: BTreeMap<Item, Refused>,
    /// Those that sleep until a time.
    times: BTreeSet<(Time, Item)>,
    rooms: BTreeMap<Place, Room>,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Refusals::default();
    }

    /// It is another one now, or nobody wants it any more.
    pub(super) fn forget(&mut self, item: &Item) {
        if !self.items.is_empty()
            && let Some(Refused { sleeps: Sleeps::Until(at), .. }) = self.items.remove(item)
        {
            self.times.remove(&(at, *item));
        }
    }

    /// Whether a switch has refused it, and it is not right since.
    pub(super) fn holds(&self, item: &Item) -> bool {
        self.items.contains_key(item)
    }

    /// Whether it is not to be sent now.
    pub(super) fn sleeps(&self, item: &Item) -> bool {
        !self.items.is_empty() && self.items.get(item).is_some_and(|refused| refused.sleeps != Sleeps::No)
    }

    /// A switch has refused it; `place` is what may have been full. When it is sent again.
    pub(super) fn add(&mut self, item: Item, place: Place, cause: Cause, now: Time) -> Again {
        self.wake(&item);
        let refused = self.items.entry(item).or_insert(Refused { cause, count: 0, sleeps: Sleeps::No });
        let wait = wait(refused.count);
        refused.count = refused.count.saturating_add(1);
        refused.cause = cause;
        refused.sleeps = if cause.is_for_good() {
            Sleeps::ForGood
        } else if cause.reason() == RefusalReason::Full {
            let room = self.rooms.entry(place).or_default();
            room.waiting.push_back(item);
            room.batch = ROOM_FIRST;
            room.at.get_or_insert(now + self::wait(room.tries));
            Sleeps::UntilRoom(place)
        } else {
            self.times.insert((now + wait, item));
            Sleeps::Until(now + wait)
        };
        let sleeps = refused.sleeps;
        self.again(sleeps)
    }

    fn again(&self, sleeps: Sleeps) -> Again {
        match sleeps {
            Sleeps::No => Again::Now,
            Sleeps::Until(at) => Again::At(at),
            Sleeps::UntilRoom(place) => self.rooms.get(&place).and_then(|room| room.at).map_or(Again::Now, Again::At),
            Sleeps::ForGood => Again::WhenDifferent,
        }
    }

    /// The switch has taken it. `None` if it never refused it; else those that are worth a try for that.
    pub(super) fn taken(&mut self, item: &Item, place: Place, now: Time) -> Option<Vec<Item>> {
        let refused = *self.items.get(item)?;
        self.forget(item);
        if refused.cause.reason() == RefusalReason::Full
            && let Some(room) = self.rooms.get_mut(&place)
        {
            room.tries = 0;
            room.batch = (room.batch * 2).min(ROOM_LAST);
            if !room.waiting.is_empty() {
                room.at = Some(now + wait(0));
            }
        }
        if matches!(item, Item::Rule(_)) {
            return Some(Vec::new());
        }
        // Rules that point to the group or the meter.
        let points = |item: &Item| self.items.get(item).is_some_and(|refused| refused.cause.points_nowhere());
        let woken: Vec<Item> = self.times.iter().map(|(_, item)| *item).filter(points).collect();
        woken.iter().for_each(|item| self.wake(item));
        Some(woken)
    }

    /// Something was removed there: one of those that wait for room is worth a try.
    pub(super) fn freed(&mut self, place: Place) -> Option<Item> {
        self.next_waiting(place)
    }

    /// The next one in turn that waits for room there; it does not any more.
    fn next_waiting(&mut self, place: Place) -> Option<Item> {
        loop {
            let item = self.rooms.get_mut(&place)?.waiting.pop_front()?;
            // It may have been forgotten meanwhile, and refused again for something else.
            if let Some(refused) =
                self.items.get_mut(&item).filter(|refused| refused.sleeps == Sleeps::UntilRoom(place))
            {
                refused.sleeps = Sleeps::No;
                return Some(item);
            }
        }
    }

    fn wake(&mut self, item: &Item) {
        if let Some(refused) = self.items.get_mut(item)
            && let Sleeps::Until(at) = std::mem::replace(&mut refused.sleeps, Sleeps::No)
        {
            self.times.remove(&(at, *item));
        }
    }

    /// Those whose time has come.
    pub(super) fn due(&mut self, now: Time) -> Vec<Item> {
        let mut due = Vec::new();
        while let Some(&(at, item)) = self.times.first()
            && at <= now
        {
            self.wake(&item);
            due.push(item);
        }
        let places: Vec<Place> = self.rooms.keys().copied().collect();
        for place in places {
            let Some(room) = self.rooms.get_mut(&place).filter(|room| room.at.is_some_and(|at| at <= now)) else {
                continue;
            };
            room.tries = room.tries.saturating_add(1);
            let (batch, next) = (room.batch, now + wait(room.tries));
            due.extend((0..batch).map_while(|_| self.next_waiting(place)));
            // Whatever becomes of these, the others are not forgotten.
            if let Some(room) = self.rooms.get_mut(&place) {
                room.at = (!room.waiting.is_empty()).then_some(next);
            }
        }
        due
    }

    /// The next time that something is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        let rooms = self.rooms.values().filter(|room| !room.waiting.is_empty()).filter_map(|room| room.at);
        rooms.chain(self.times.first().map(|(at, _)| *at)).min()
    }

    /// What is known of one.
    pub(super) fn get(&self, item: &Item) -> Option<Refusal> {
        if self.items.is_empty() {
            return None;
        }
        let Refused { cause, count, sleeps } = *self.items.get(item)?;
        Some(Refusal { cause, count, again: self.again(sleeps) })
    }
}

fn wait(tries: u32) -> Duration {
    Duration::from_millis((RETRY_FIRST_MS << tries.min(10)).min(RETRY_LAST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u32) -> Item {
        Item::Group(GroupId(number))
    }

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    #[test]
    fn every_reason_has_its_number_and_its_name() {
        for (number, (reason, name)) in RefusalReason::NAMES.iter().enumerate() {
            assert_eq!((*reason as usize, name.is_empty()), (number, false));
        }
    }

    #[test]
    fn what_can_never_be_right_is_not_tried_again_and_what_may_come_is() {
        let mut refusals = Refusals::default();
        for error in [ErrorCode::MATCH_BAD_FIELD, ErrorCode::ACTION_BAD_TYPE, ErrorCode::INSTRUCTION_UNSUP_INST] {
            assert_eq!(
                refusals.add(group(1), Place::Groups, Cause::Error(error), at(0)),
                Again::WhenDifferent,
                "{error}"
            );
        }
        assert_eq!((refusals.next_due(), refusals.due(at(9_999))), (None, Vec::new()));
        for error in [ErrorCode::ACTION_BAD_OUT_PORT, ErrorCode::FLOW_MOD_OVERLAP, ErrorCode::FLOW_MOD_EPERM] {
            refusals.clear();
            assert_eq!(refusals.add(group(1), Place::Groups, Cause::Error(error), at(0)), Again::At(at(1)), "{error}");
        }
    }

    #[test]
    fn a_full_switch_is_tried_with_few_and_with_more_as_long_as_they_are_taken() {
        let mut refusals = Refusals::default();
        for number in 0..1_000 {
            refusals.add(group(number), Place::Groups, Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), at(0));
        }
        let mut now = at(1);
        assert_eq!(refusals.next_due(), Some(now));
        let few = refusals.due(now);
        assert_eq!(few.len(), ROOM_FIRST);
        for item in &few {
            refusals.add(*item, Place::Groups, Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), now);
        }
        assert_eq!(refusals.next_due(), Some(now + Duration::from_secs(2)), "a longer wait");
        let mut sizes = Vec::new();
        while let Some(next) = refusals.next_due() {
            now = next;
            let some = refusals.due(now);
            sizes.push(some.len());
            some.iter().for_each(|item| drop(refusals.taken(item, Place::Groups, now)));
        }
        assert_eq!(sizes.iter().sum::<usize>(), 1_000);
        assert!(sizes.is_sorted_by(|a, b| a <= b || *b == *sizes.last().unwrap()) && sizes.len() < 12, "{sizes:?}");
        assert!(refusals.is_empty());
    }

    #[test]
    fn nobody_starves_behind_those_that_are_always_refused_nor_behind_another_table() {
        let mut refusals = Refusals::default();
        let (full, other) = (Place::Table(TableId(100)), Place::Table(TableId(0)));
        for number in 0..20 {
            refusals.add(group(number), full, Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), at(0));
        }
        refusals.add(group(99), other, Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), at(0));
        let mut tried = BTreeSet::new();
        for _ in 0..3 {
            let now = refusals.next_due().unwrap();
            for item in refusals.due(now) {
                tried.insert(item);
                let place = if item == group(99) { other } else { full };
                refusals.add(item, place, Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), now);
            }
        }
        assert_eq!(tried.len(), 21, "{tried:?}");
    }

    #[test]
    fn a_removal_makes_room_for_one() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.freed(Place::Groups), None);
        refusals.add(group(1), Place::Groups, Cause::Error(ErrorCode::GROUP_MOD_OUT_OF_GROUPS), at(0));
        assert!(refusals.sleeps(&group(1)));
        assert_eq!(refusals.freed(Place::Table(TableId(0))), None, "room elsewhere");
        assert_eq!(refusals.freed(Place::Groups), Some(group(1)));
        assert!(!refusals.sleeps(&group(1)));
        assert_eq!(refusals.get(&group(1)).map(|refusal| refusal.again), Some(Again::Now));
    }

    #[test]
    fn rules_that_point_to_a_group_are_tried_when_it_is_there() {
        let mut refusals = Refusals::default();
        refusals.add(group(1), Place::Groups, Cause::Error(ErrorCode::GROUP_MOD_EPERM), at(0));
        // Any item does for a rule.
        refusals.add(group(2), Place::Table(TableId(0)), Cause::Error(ErrorCode::ACTION_BAD_OUT_GROUP), at(0));
        assert_eq!(refusals.taken(&group(1), Place::Groups, at(1)), Some(vec![group(2)]));
        assert!(!refusals.sleeps(&group(2)));
    }
}
