//! Identifiers that are OpenFlow's own: tables, groups, meters, buffers. Port numbers and datapath ids are in `net`.

use crate::number::numbers;

numbers! {
    /// A flow table (OpenFlow 1.3.5 §7.3.4.1, `ofp_table`).
    values TableId(u8) {
        MAX = 0xfe, "OFPTT_MAX";
        ALL = 0xff, "OFPTT_ALL";
    }
}

numbers! {
    /// A group (OpenFlow 1.3.5 §7.3.4.2, `ofp_group`).
    values GroupId(u32) {
        MAX = 0xffff_ff00, "OFPG_MAX";
        ALL = 0xffff_fffc, "OFPG_ALL";
        ANY = 0xffff_ffff, "OFPG_ANY";
    }
}

numbers! {
    /// A meter (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter`).
    values MeterId(u32) {
        MAX = 0xffff_0000, "OFPM_MAX";
        SLOWPATH = 0xffff_fffd, "OFPM_SLOWPATH";
        CONTROLLER = 0xffff_fffe, "OFPM_CONTROLLER";
        ALL = 0xffff_ffff, "OFPM_ALL";
    }
}

numbers! {
    /// A packet that the switch has kept (OpenFlow 1.3.5 §7.4.1).
    values BufferId(u32) {
        NO_BUFFER = 0xffff_ffff, "OFP_NO_BUFFER";
    }
}

numbers! {
    /// A queue of a port (OpenFlow 1.3.5 §7.3.5.10).
    values QueueId(u32) {
        ALL = 0xffff_ffff, "OFPQ_ALL";
    }
}

impl Default for BufferId {
    fn default() -> BufferId {
        BufferId::NO_BUFFER
    }
}
