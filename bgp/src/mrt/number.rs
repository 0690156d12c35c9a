//! Numbers of the MRT registries (IANA MRT, RFC 6396 §4, RFC 8050 §4).

use std::fmt;

use crate::wire::registry;

registry! {
    /// An MRT record's type (RFC 6396 §4).
    RecordType(u16) {
        /// OSPFv2; data here.
        OSPFV2 = 11, "OSPFv2";
        /// RFC 6396 §4.2.
        TABLE_DUMP = 12, "TABLE_DUMP";
        /// RFC 6396 §4.3.
        TABLE_DUMP_V2 = 13, "TABLE_DUMP_V2";
        /// RFC 6396 §4.4.
        BGP4MP = 16, "BGP4MP";
        /// RFC 6396 §4.4, with microseconds.
        BGP4MP_ET = 17, "BGP4MP_ET";
        /// IS-IS; data here.
        ISIS = 32, "ISIS";
        /// IS-IS with microseconds; data here.
        ISIS_ET = 33, "ISIS_ET";
        /// OSPFv3; data here.
        OSPFV3 = 48, "OSPFv3";
        /// OSPFv3 with microseconds; data here.
        OSPFV3_ET = 49, "OSPFv3_ET";
    }
}

impl RecordType {
    /// Records of this type have microseconds (RFC 6396 §3).
    pub const fn is_extended(self) -> bool {
        matches!(self, RecordType::BGP4MP_ET | RecordType::ISIS_ET | RecordType::OSPFV3_ET)
    }

    /// The subtype's name, if it has one that is known here.
    pub const fn subtype_name(self, subtype: u16) -> Option<&'static str> {
        match (self, subtype) {
            (RecordType::TABLE_DUMP, 1) => Some("AFI_IPv4"),
            (RecordType::TABLE_DUMP, 2) => Some("AFI_IPv6"),
            (RecordType::TABLE_DUMP_V2, 1) => Some("PEER_INDEX_TABLE"),
            (RecordType::TABLE_DUMP_V2, 2) => Some("RIB_IPV4_UNICAST"),
            (RecordType::TABLE_DUMP_V2, 3) => Some("RIB_IPV4_MULTICAST"),
            (RecordType::TABLE_DUMP_V2, 4) => Some("RIB_IPV6_UNICAST"),
            (RecordType::TABLE_DUMP_V2, 5) => Some("RIB_IPV6_MULTICAST"),
            (RecordType::TABLE_DUMP_V2, 6) => Some("RIB_GENERIC"),
            (RecordType::TABLE_DUMP_V2, 7) => Some("GEO_PEER_TABLE"),
            (RecordType::TABLE_DUMP_V2, 8) => Some("RIB_IPV4_UNICAST_ADDPATH"),
            (RecordType::TABLE_DUMP_V2, 9) => Some("RIB_IPV4_MULTICAST_ADDPATH"),
            (RecordType::TABLE_DUMP_V2, 10) => Some("RIB_IPV6_UNICAST_ADDPATH"),
            (RecordType::TABLE_DUMP_V2, 11) => Some("RIB_IPV6_MULTICAST_ADDPATH"),
            (RecordType::TABLE_DUMP_V2, 12) => Some("RIB_GENERIC_ADDPATH"),
            (RecordType::BGP4MP | RecordType::BGP4MP_ET, subtype) => match subtype {
                0 => Some("BGP4MP_STATE_CHANGE"),
                1 => Some("BGP4MP_MESSAGE"),
                2 => Some("BGP4MP_ENTRY"),
                3 => Some("BGP4MP_SNAPSHOT"),
                4 => Some("BGP4MP_MESSAGE_AS4"),
                5 => Some("BGP4MP_STATE_CHANGE_AS4"),
                6 => Some("BGP4MP_MESSAGE_LOCAL"),
                7 => Some("BGP4MP_MESSAGE_AS4_LOCAL"),
                8 => Some("BGP4MP_MESSAGE_ADDPATH"),
                9 => Some("BGP4MP_MESSAGE_AS4_ADDPATH"),
                10 => Some("BGP4MP_MESSAGE_LOCAL_ADDPATH"),
                11 => Some("BGP4MP_MESSAGE_AS4_LOCAL_ADDPATH"),
                _ => None,
            },
            _ => None,
        }
    }
}
