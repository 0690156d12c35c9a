//! `multipath` and `bundle`: choosing one of many by a hash of the packet (`NXAST_MULTIPATH`, `NXAST_BUNDLE`, `NXAST_BUNDLE_LOAD`).

use net::PortNo;

use crate::nicira::Subfield;
use crate::number::numbers;

numbers! {
    /// What of a packet is hashed (`enum nx_hash_fields`).
    values HashFields(u16) {
        ETH_SRC = 0, "NX_HASH_FIELDS_ETH_SRC";
        SYMMETRIC_L4 = 1, "NX_HASH_FIELDS_SYMMETRIC_L4";
        SYMMETRIC_L3L4 = 2, "NX_HASH_FIELDS_SYMMETRIC_L3L4";
        SYMMETRIC_L3L4_UDP = 3, "NX_HASH_FIELDS_SYMMETRIC_L3L4_UDP";
        NW_SRC = 4, "NX_HASH_FIELDS_NW_SRC";
        NW_DST = 5, "NX_HASH_FIELDS_NW_DST";
        SYMMETRIC_L3 = 6, "NX_HASH_FIELDS_SYMMETRIC_L3";
    }
}

numbers! {
    /// How `multipath` gets from the hash to a link (`enum nx_mp_algorithm`).
    values MultipathAlgorithm(u16) {
        MODULO_N = 0, "NX_MP_ALG_MODULO_N";
        HASH_THRESHOLD = 1, "NX_MP_ALG_HASH_THRESHOLD";
        HRW = 2, "NX_MP_ALG_HRW";
        ITER_HASH = 3, "NX_MP_ALG_ITER_HASH";
    }
}

numbers! {
    /// How `bundle` gets from the hash to a member (`enum nx_bd_algorithm`).
    values BundleAlgorithm(u16) {
        ACTIVE_BACKUP = 0, "NX_BD_ALG_ACTIVE_BACKUP";
        HRW = 1, "NX_BD_ALG_HRW";
    }
}

/// `multipath(…)`: stores the number of the link that a hash of the packet chooses (`NXAST_MULTIPATH`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// The hash starts from this.
    pub basis: u16,
    /// How the link is chosen.
    pub algorithm: MultipathAlgorithm,
    /// The number of links, minus 1.
    pub max_link: u16,
    /// An argument of the algorithm.
    pub argument: u32,
    /// Where the number of the link goes.
    pub destination: Subfield,
}

/// `bundle(…)` and `bundle_load(…)`: chooses a live port by a hash of the packet (`NXAST_BUNDLE`, `NXAST_BUNDLE_LOAD`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BundlePorts {
    /// How the port is chosen.
    pub algorithm: BundleAlgorithm,
    /// What is hashed.
    pub fields: HashFields,
    /// The hash starts from this.
    pub basis: u16,
    /// Where the chosen port's number goes (`bundle_load`). `None`: the packet is output there (`bundle`).
    pub destination: Option<Subfield>,
    /// The ports to choose from. Each has 16 bits on the wire.
    pub members: Vec<PortNo>,
}
