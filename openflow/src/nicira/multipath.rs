//! `multipath` and `bundle`: choosing one of many by a hash of the packet (`NXAST_MULTIPATH`, `NXAST_BUNDLE`, `NXAST_BUNDLE_LOAD`).

use bytes::{BufMut, BytesMut};
use net::{DecodeError, PortNo};

use crate::nicira::Subfield;
use crate::nicira::port::{long_port, short_port};
use crate::nicira::subfield::put_short_kind;
use crate::number::numbers;
use crate::wire::{self, Reader};

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

/// `NXM_OF_IN_PORT`: the only type of member that there is (`slave_type`).
const MEMBER_TYPE: u32 = 0x0000_0002;

impl Multipath {
    /// ```text
    /// fields:16 basis:16 pad:16 algorithm:16 max_link:16 arg:32 pad:16 ofs_nbits:16 dst:32
    /// ```
    pub(super) fn parse(mut body: Reader<'_>) -> Result<Option<Multipath>, DecodeError> {
        let fields = HashFields(body.u16("action.multipath.fields")?);
        let basis = body.u16("action.multipath.basis")?;
        body.skip(2, "action.multipath.pad0")?;
        let algorithm = MultipathAlgorithm(body.u16("action.multipath.algorithm")?);
        let max_link = body.u16("action.multipath.max_link")?;
        let argument = body.u32("action.multipath.arg")?;
        body.skip(2, "action.multipath.pad1")?;
        let offset_bits = body.u16("action.multipath.ofs_nbits")?;
        let destination = Subfield::parse(offset_bits, &mut body)?;
        Ok(destination.map(|destination| Multipath { fields, basis, algorithm, max_link, argument, destination }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.fields.0);
        out.put_u16(self.basis);
        wire::put_zeros(out, 2);
        out.put_u16(self.algorithm.0);
        out.put_u16(self.max_link);
        out.put_u32(self.argument);
        wire::put_zeros(out, 2);
        out.put_u16(self.destination.offset_bits());
        put_short_kind(out, self.destination.kind);
    }
}

impl BundlePorts {
    /// ```text
    /// algorithm:16 fields:16 basis:16 slave_type:32 n_slaves:16 ofs_nbits:16 dst:32 zero:32 slaves:16 each, pad
    /// ```
    pub(super) fn parse(mut body: Reader<'_>, load: bool) -> Result<Option<BundlePorts>, DecodeError> {
        let algorithm = BundleAlgorithm(body.u16("action.bundle.algorithm")?);
        let fields = HashFields(body.u16("action.bundle.fields")?);
        let basis = body.u16("action.bundle.basis")?;
        let member_type = body.u32("action.bundle.slave_type")?;
        let count = body.u16("action.bundle.n_slaves")?;
        let offset_bits = body.u16("action.bundle.ofs_nbits")?;
        let reserved = offset_bits != 0 || body.as_slice().get(..4) != Some(&[0; 4]);
        let destination = Subfield::parse(offset_bits, &mut body)?;
        body.take(4, "action.bundle.zero")?.zeros("action.bundle.zero")?;
        // The count is checked against the action before anything is reserved for it.
        let mut octets = body.take(2 * usize::from(count), "action.bundle.n_slaves")?;
        if member_type != MEMBER_TYPE || (load && destination.is_none()) || (!load && reserved) {
            return Ok(None);
        }
        let mut members = Vec::with_capacity(usize::from(count));
        while !octets.is_empty() {
            members.push(long_port(octets.u16("action.bundle.slave")?));
        }
        let destination = destination.filter(|_| load);
        Ok(Some(BundlePorts { algorithm, fields, basis, destination, members }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.algorithm.0);
        out.put_u16(self.fields.0);
        out.put_u16(self.basis);
        out.put_u32(MEMBER_TYPE);
        out.put_u16(self.members.len() as u16);
        match self.destination {
            Some(destination) => {
                out.put_u16(destination.offset_bits());
                put_short_kind(out, destination.kind);
            }
            None => wire::put_zeros(out, 6),
        }
        wire::put_zeros(out, 4);
        for member in &self.members {
            out.put_u16(short_port(*member));
        }
    }
}
