//! Groups and buckets, GROUP_MOD (OpenFlow 1.3.5 §7.3.4.2).

use net::PortNo;

use crate::action::Action;
use crate::identifier::GroupId;
use crate::number::numbers;

numbers! {
    /// What a group-mod does (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_mod_command`).
    values GroupModCommand(u16) {
        ADD = 0, "OFPGC_ADD";
        MODIFY = 1, "OFPGC_MODIFY";
        DELETE = 2, "OFPGC_DELETE";
    }
}

numbers! {
    /// How a group uses its buckets (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_type`).
    values GroupType(u8) {
        ALL = 0, "OFPGT_ALL";
        SELECT = 1, "OFPGT_SELECT";
        INDIRECT = 2, "OFPGT_INDIRECT";
        FF = 3, "OFPGT_FF";
    }
}

/// Change a group (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupMod {
    /// What to do.
    pub command: GroupModCommand,
    /// How the buckets are used.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub group_type: GroupType,
    /// Which group.
    pub group_id: GroupId,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

/// One bucket of a group (OpenFlow 1.3.5 §7.3.4.2, `ofp_bucket`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bucket {
    /// Share of the packets in a select group.
    pub weight: u16,
    /// The port whose state decides whether the bucket is live; ANY for none. Fast failover only.
    pub watch_port: PortNo,
    /// The group whose state decides whether the bucket is live; ANY for none. Fast failover only.
    pub watch_group: GroupId,
    /// What it does: an action set.
    pub actions: Vec<Action>,
}

impl Bucket {
    /// A bucket for an all or indirect group: no weight, nothing watched.
    pub fn new(actions: Vec<Action>) -> Bucket {
        Bucket { weight: 0, watch_port: PortNo::ANY, watch_group: GroupId::ANY, actions }
    }
}
