//! What an application states: rules and groups under keys, and the cookie that marks them as ours on the switch.

use openflow::{
    Bucket, FlowModFlags, GroupId, GroupType, Instruction, Match, MeterBand, MeterFlags, MeterId, TableId, TooLong,
};

use super::body::FlowBody;

/// Whose rule it is. The number is part of the cookie on the switch: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Owner {
    /// `app::forwarding`.
    Forwarding = 1,
    /// `app::static_rules`.
    StaticRules = 2,
    /// `app::isolation`.
    Isolation = 3,
}

impl Owner {
    /// All of them.
    pub const ALL: &'static [Owner] = &[Owner::Forwarding, Owner::StaticRules, Owner::Isolation];

    /// The owner's name, as commands print it.
    pub const fn name(self) -> &'static str {
        match self {
            Owner::Forwarding => "forwarding",
            Owner::StaticRules => "static",
            Owner::Isolation => "isolation",
        }
    }

    const fn from_number(number: u8) -> Option<Owner> {
        match number {
            1 => Some(Owner::Forwarding),
            2 => Some(Owner::StaticRules),
            3 => Some(Owner::Isolation),
            _ => None,
        }
    }
}

/// First octet of every cookie of ours; the second is the owner.
const COOKIE_MARK: u8 = 0x54;
/// Every cookie of ours, and none of others: cookie and mask.
pub(crate) const OUR_COOKIES: (u64, u64) = ((COOKIE_MARK as u64) << 56, 0xff << 56);

/// What a rule or group stands for, in its owner's words. One key names at most one rule and one group per switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// The application.
    pub owner: Owner,
    /// The application's own kind number.
    pub kind: u8,
    /// First operand (a MAC address, a datapath id, a port number).
    pub a: u64,
    /// Second operand; 0 if the kind has none.
    pub b: u64,
}

impl Key {
    /// No rule's key: kind 0 is nobody's.
    pub(super) const NONE: Key = Key { owner: Owner::Forwarding, kind: 0, a: 0, b: 0 };

    /// Kinds from here on are of keys that say everything about the identity of their rule, so that the same key never has a rule with
    /// another table, priority or match: "this host at this port", not "this host". Their rules are found by identity alone, which
    /// saves a hash table where there are many of them; they are taken back with [`Reconciler::remove_rule`](super::Reconciler::remove_rule).
    pub const IDENTITY_KINDS: u8 = 0x80;

    /// A group whose number is stated: it is `a`.
    const NUMBERED_GROUP: u8 = 0x40;
    /// A meter, whose number is `a`.
    const NUMBERED_METER: u8 = 0x41;

    /// The key of a group whose number is stated, and not the reconciler's business.
    pub const fn of_group(owner: Owner, id: GroupId) -> Key {
        Key { owner, kind: Key::NUMBERED_GROUP, a: id.0 as u64, b: 0 }
    }

    /// The key of a meter. Its number is always stated.
    pub const fn of_meter(owner: Owner, id: MeterId) -> Key {
        Key { owner, kind: Key::NUMBERED_METER, a: id.0 as u64, b: 0 }
    }

    /// See [`Key::of_group`].
    pub fn stated_group(&self) -> Option<GroupId> {
        (self.kind == Key::NUMBERED_GROUP).then_some(GroupId(self.a as u32))
    }

    /// See [`Key::of_meter`].
    pub fn stated_meter(&self) -> Option<MeterId> {
        (self.kind == Key::NUMBERED_METER).then_some(MeterId(self.a as u32))
    }

    /// See [`Key::IDENTITY_KINDS`].
    pub(super) fn names_identity(&self) -> bool {
        self.kind >= Key::IDENTITY_KINDS
    }

    /// The cookie: 16 bits "ours + owner", 48 bits of a stable hash of the key. Never seeded: it has to be the same after a restart.
    pub fn cookie(&self) -> u64 {
        let mark = u64::from(u16::from_be_bytes([COOKIE_MARK, self.owner as u8]));
        mark << 48 | self.hash() & 0xffff_ffff_ffff
    }

    /// A stable hash of the key, well mixed in its low bits.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        for word in [u64::from(self.owner as u8) << 8 | u64::from(self.kind), self.a, self.b] {
            // The finaliser of SplitMix64: every input bit reaches every output bit before the next word comes in.
            hash ^= word;
            hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash ^= hash >> 31;
        }
        hash
    }
}

/// Flags of every flow-mod: the switch tells when a rule goes, by its timeout or by somebody else's hand.
pub(super) const RULE_FLAGS: FlowModFlags = FlowModFlags::SEND_FLOW_REM;

/// The owner of a rule found on a switch; `None` if the rule is not ours.
pub fn owner_of_cookie(cookie: u64) -> Option<Owner> {
    let [mark, owner, ..] = cookie.to_be_bytes();
    if mark == COOKIE_MARK { Owner::from_number(owner) } else { None }
}

/// Whether a rule found on a switch was made by any version of this controller.
pub fn is_our_cookie(cookie: u64) -> bool {
    let [mark, ..] = cookie.to_be_bytes();
    mark == COOKIE_MARK
}

/// A flow entry that should be on a switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// What it stands for.
    pub key: Key,
    /// Its table.
    pub table: TableId,
    /// Its priority; with table and match the identity on the switch.
    pub priority: u16,
    /// What it matches, in canonical form, and what it does.
    pub body: FlowBody,
    /// Seconds without a packet until the switch removes it and says so; 0 for never.
    pub idle_timeout: u16,
    /// Place in the order in which rules towards one destination go in, the nearest to it first. Never diffed.
    pub stage: u16,
}

impl Rule {
    /// A rule without timeout, at stage 0, that a FLOW_MOD has room for.
    pub fn new(
        key: Key,
        table: TableId,
        priority: u16,
        match_: Match,
        instructions: Vec<Instruction>,
    ) -> Result<Rule, TooLong> {
        Ok(Rule::with_body(key, table, priority, FlowBody::new(&match_, &instructions)?))
    }

    /// The same from octets.
    pub fn with_body(key: Key, table: TableId, priority: u16, body: FlowBody) -> Rule {
        Rule { key, table, priority, body, idle_timeout: 0, stage: 0 }
    }

    /// The identity of a flow entry on a switch (OpenFlow 1.3.5 §6.4: same table, priority and match overwrite each other).
    pub fn id(&self) -> RuleId {
        RuleId { table: self.table, priority: self.priority, match_: self.body.match_() }
    }
}

/// The identity of a flow entry on a switch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId {
    /// Table.
    pub table: TableId,
    /// Priority.
    pub priority: u16,
    /// Match, in canonical form.
    pub match_: Match,
}

/// A group that should be on a switch. Its number is the reconciler's business, unless the key states it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// What it stands for.
    pub key: Key,
    /// All, select, indirect or fast failover.
    pub group_type: GroupType,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// Place in the order in which groups towards one destination change, the nearest to it first. Never diffed.
    pub stage: u16,
}

/// A meter that should be on a switch. The key states its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meter {
    /// What it stands for.
    pub key: Key,
    /// In which unit its rates are, and what else it does.
    pub flags: MeterFlags,
    /// Its bands.
    pub bands: Vec<MeterBand>,
}

/// Numbers of groups that the controller gives are `54xxxxxx`: groups have no cookie to tell whose they are.
pub(crate) const GROUP_MARK: u32 = (COOKIE_MARK as u32) << 24;

/// Whether a group's or a meter's number is one that the operator may state: any but those that the controller gives.
pub(crate) fn is_for_operator(number: u32) -> bool {
    number & 0xff00_0000 != GROUP_MARK
}

/// Whether a group found on a switch has a number that the controller gives.
pub fn is_our_group(id: GroupId) -> bool {
    id.0 & 0xff00_0000 == GROUP_MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE_OF_KIND_3: u64 = 0x5401a42692e91e61;

    #[test]
    fn small_keys_of_all_kinds_have_hashes_of_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in 0..16 {
            for a in 0..2_000 {
                assert!(seen.insert(Key { owner: Owner::Forwarding, kind, a, b: 0 }.cookie()), "kind {kind}, {a}");
            }
        }
    }

    #[test]
    fn a_cookie_tells_its_owner_and_is_the_same_in_every_run() {
        let key = Key { owner: Owner::Forwarding, kind: 3, a: 0x0200_0000_0001, b: 7 };
        assert_eq!(owner_of_cookie(key.cookie()), Some(Owner::Forwarding));
        assert_eq!(key.cookie() >> 48, 0x5401);
        assert_eq!(
            key.cookie(),
            COOKIE_OF_KIND_3,
            "a change of the hash makes every restart over an upgrade a full rewrite"
        );
        assert!(!is_our_cookie(0) && !is_our_cookie(0x5300_0000_0000_0001));
    }
}
