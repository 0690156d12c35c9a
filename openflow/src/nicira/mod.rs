//! Nicira's actions: what Open vSwitch does besides OpenFlow 1.3 (experimenter 0x2320).
//!
//! They come and go as [`Action::Nicira`]. One whose subtype we don't know, or that says what these types can't say, stays data
//! ([`Action::Experimenter`]). Ports have 16 bits on the wire: the reserved ones from 0xff00 stand for those of OpenFlow 1.3 with the
//! same low 16 bits, and back.

mod codec;
mod connection_tracking;
mod controller;
mod encapsulation;
mod learn;
mod multipath;
mod port;
mod registers;
mod sample;
mod subfield;

use bytes::Bytes;
use net::PortNo;

pub use connection_tracking::{ConnectionTracking, CtFlags, CtZone, Nat, NatFlags, NatPorts, NatRange};
pub use controller::{ControllerProperty, ControllerPropertyType};
pub use encapsulation::{Encap, EncapProperty};
pub use learn::{Learn, LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec};
pub use multipath::{BundleAlgorithm, BundlePorts, HashFields, Multipath, MultipathAlgorithm};
pub use sample::{Sample, SampleDirection, SamplingPort};
pub use subfield::Subfield;

use codec::Parsed;
pub(crate) use learn::{immediate_len, learn_spec_max_bits};
pub(crate) use port::has_short_form;
pub(crate) use registers::parse_two_kinds;
pub(crate) use subfield::{offset_bits_limits, put_kind};

use crate::action::Action;
use crate::identifier::{GroupId, TableId};
use crate::number::numbers;
use crate::oxm::{self, OxmFieldOwned, OxmKind};
use crate::packet::PacketInReason;

/// Nicira's experimenter id (`NX_VENDOR_ID`).
pub const NICIRA_EXPERIMENTER: u32 = oxm::EXPERIMENTER_NICIRA;

/// How deep actions may stand in actions (`clone`, `ct`): more is refused. A message of 64 KiB has room for 4,000 levels, each of
/// which would cost stack in everything that walks through actions; Open vSwitch's own parser of text goes 100 deep.
pub const MAX_ACTION_DEPTH: u8 = 64;

numbers! {
    /// The subtype of a Nicira action (`NXAST_*`).
    values NiciraSubtype(u16) {
        RESUBMIT = 1, "NXAST_RESUBMIT";
        SET_TUNNEL = 2, "NXAST_SET_TUNNEL";
        SET_QUEUE = 4, "NXAST_SET_QUEUE";
        POP_QUEUE = 5, "NXAST_POP_QUEUE";
        REG_MOVE = 6, "NXAST_REG_MOVE";
        REG_LOAD = 7, "NXAST_REG_LOAD";
        NOTE = 8, "NXAST_NOTE";
        SET_TUNNEL64 = 9, "NXAST_SET_TUNNEL64";
        MULTIPATH = 10, "NXAST_MULTIPATH";
        BUNDLE = 12, "NXAST_BUNDLE";
        BUNDLE_LOAD = 13, "NXAST_BUNDLE_LOAD";
        RESUBMIT_TABLE = 14, "NXAST_RESUBMIT_TABLE";
        OUTPUT_REG = 15, "NXAST_OUTPUT_REG";
        LEARN = 16, "NXAST_LEARN";
        EXIT = 17, "NXAST_EXIT";
        DEC_TTL = 18, "NXAST_DEC_TTL";
        FIN_TIMEOUT = 19, "NXAST_FIN_TIMEOUT";
        CONTROLLER = 20, "NXAST_CONTROLLER";
        DEC_TTL_CNT_IDS = 21, "NXAST_DEC_TTL_CNT_IDS";
        WRITE_METADATA = 22, "NXAST_WRITE_METADATA";
        PUSH_MPLS = 23, "NXAST_PUSH_MPLS";
        POP_MPLS = 24, "NXAST_POP_MPLS";
        SET_MPLS_TTL = 25, "NXAST_SET_MPLS_TTL";
        DEC_MPLS_TTL = 26, "NXAST_DEC_MPLS_TTL";
        STACK_PUSH = 27, "NXAST_STACK_PUSH";
        STACK_POP = 28, "NXAST_STACK_POP";
        SAMPLE = 29, "NXAST_SAMPLE";
        SET_MPLS_LABEL = 30, "NXAST_SET_MPLS_LABEL";
        SET_MPLS_TC = 31, "NXAST_SET_MPLS_TC";
        OUTPUT_REG2 = 32, "NXAST_OUTPUT_REG2";
        REG_LOAD2 = 33, "NXAST_REG_LOAD2";
        CONJUNCTION = 34, "NXAST_CONJUNCTION";
        CT = 35, "NXAST_CT";
        NAT = 36, "NXAST_NAT";
        CONTROLLER2 = 37, "NXAST_CONTROLLER2";
        SAMPLE2 = 38, "NXAST_SAMPLE2";
        OUTPUT_TRUNC = 39, "NXAST_OUTPUT_TRUNC";
        GROUP = 40, "NXAST_GROUP";
        SAMPLE3 = 41, "NXAST_SAMPLE3";
        CLONE = 42, "NXAST_CLONE";
        CT_CLEAR = 43, "NXAST_CT_CLEAR";
        RESUBMIT_TABLE_CT = 44, "NXAST_RESUBMIT_TABLE_CT";
        LEARN2 = 45, "NXAST_LEARN2";
        ENCAP = 46, "NXAST_ENCAP";
        DECAP = 47, "NXAST_DECAP";
        DEC_NSH_TTL = 48, "NXAST_DEC_NSH_TTL";
        CHECK_PKT_LARGER = 49, "NXAST_CHECK_PKT_LARGER";
        DELETE_FIELD = 50, "NXAST_DELETE_FIELD";
    }
}

/// One of Nicira's actions.
///
/// Every subtype of [`NiciraSubtype`] has its variant, or is told from the other subtype of its variant by what the variant
/// holds: that one reads back as what it was.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum NiciraAction {
    /// `resubmit:PORT`: looks the packet up again in this table as if it had come in by this port.
    Resubmit {
        /// The port; [`PortNo::IN_PORT`] for the one that it came in by.
        in_port: PortNo,
    },
    /// `resubmit(PORT,TABLE)`: looks the packet up in a table as if it had come in by this port.
    ResubmitTable {
        /// The port; [`PortNo::IN_PORT`] for the one that it came in by.
        in_port: PortNo,
        /// The table; [`TableId::ALL`] for the one that the action stands in.
        table_id: TableId,
        /// Whether source and destination are looked up as the connection's first packet had them (`NXAST_RESUBMIT_TABLE_CT`).
        with_ct: bool,
    },
    /// `set_tunnel:ID` with 32 bits.
    SetTunnel(u32),
    /// `set_tunnel64:ID`.
    SetTunnel64(u64),
    /// `set_queue:QUEUE` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    SetQueue(u32),
    /// `pop_queue`: back to the queue that there was before `set_queue`.
    PopQueue,
    /// `move:SRC->DST`: copies bits of one field to another. Both have the same number of bits: on the wire there is one.
    RegMove {
        /// From here.
        source: Subfield,
        /// To here.
        destination: Subfield,
    },
    /// `load:VALUE->DST`: sets bits of a field; at most 64.
    RegLoad {
        /// Where to.
        destination: Subfield,
        /// The value.
        value: u64,
    },
    /// `set_field:VALUE[/MASK]->DST` in Nicira's form, with a mask if some bits are to stay.
    RegLoad2(OxmFieldOwned),
    /// `note:…`: does nothing. The octets are 6 more than a multiple of 8 (6, 14, …); fewer are filled up with zeros.
    Note(Bytes),
    /// `multipath(…)`.
    Multipath(Box<Multipath>),
    /// `bundle(…)` and `bundle_load(…)`.
    Bundle(Box<BundlePorts>),
    /// `output:SRC[…]`: output to the port whose number a field has (`NXAST_OUTPUT_REG`).
    OutputReg {
        /// Where the number is.
        source: Subfield,
        /// Octets of the packet if the port is the controller.
        max_len: u16,
    },
    /// `output:SRC[…]` of a field with a 64-bit header (`NXAST_OUTPUT_REG2`).
    OutputReg2 {
        /// Where the number is.
        source: Subfield,
        /// Octets of the packet if the port is the controller.
        max_len: u16,
    },
    /// `output(port=PORT,max_len=OCTETS)`: output of the start of the packet.
    OutputTrunc {
        /// The port.
        port: PortNo,
        /// Octets that are left of the packet.
        max_len: u32,
    },
    /// `learn(…)`.
    Learn(Box<Learn>),
    /// `exit`: nothing more is done with the packet.
    Exit,
    /// `dec_ttl` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    DecTtl,
    /// `dec_ttl(ID,…)`: decrements the TTL; a packet whose TTL has run out goes to these controllers.
    DecTtlCntIds(Vec<u16>),
    /// `fin_timeout(…)`: changes the flow's timeouts when a TCP FIN or RST passes.
    FinTimeout {
        /// New idle timeout in seconds; 0 for no change.
        idle_timeout: u16,
        /// New hard timeout in seconds; 0 for no change.
        hard_timeout: u16,
    },
    /// `controller(…)`: a packet-in with a reason for one of the controllers.
    Controller {
        /// Octets of the packet.
        max_len: u16,
        /// Which controller.
        controller_id: u16,
        /// The reason that the packet-in has.
        reason: PacketInReason,
    },
    /// `controller(…)` with what its properties say (`NXAST_CONTROLLER2`).
    Controller2(Vec<ControllerProperty>),
    /// `write_metadata:VALUE/MASK` in Nicira's form.
    WriteMetadata {
        /// The value.
        metadata: u64,
        /// Which bits of it.
        mask: u64,
    },
    /// `push_mpls:ETHERTYPE` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    PushMpls(u16),
    /// `pop_mpls:ETHERTYPE` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    PopMpls(u16),
    /// `set_mpls_ttl(TTL)` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    SetMplsTtl(u8),
    /// `dec_mpls_ttl` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    DecMplsTtl,
    /// `push:SRC`: bits of a field onto the stack.
    StackPush(Subfield),
    /// `pop:DST`: bits from the stack into a field.
    StackPop(Subfield),
    /// `sample(…)`.
    Sample(Box<Sample>),
    /// `set_mpls_label(LABEL)` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    SetMplsLabel(u32),
    /// `set_mpls_tc(TC)` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    SetMplsTc(u8),
    /// `conjunction(ID,CLAUSE/N)`: this flow is one dimension of a conjunctive match.
    Conjunction {
        /// Which dimension, from 0 (written from 1 as text).
        clause: u8,
        /// How many dimensions there are.
        clauses: u8,
        /// The conjunction, which `conj_id` matches on.
        id: u32,
    },
    /// `ct(…)`.
    Ct(Box<ConnectionTracking>),
    /// `nat(…)`, inside of `ct`.
    Nat(Box<Nat>),
    /// `group:ID` in Nicira's form. Open vSwitch takes it on OpenFlow 1.0 alone.
    Group(GroupId),
    /// `clone(…)`: does this with a copy of the packet.
    Clone(Vec<Action>),
    /// `ct_clear`: forgets the packet's connection state.
    CtClear,
    /// `encap(…)`.
    Encap(Box<Encap>),
    /// `decap(…)`: takes the outermost header off.
    Decap {
        /// What the packet becomes: a name space in the upper 16 bits, a type in the lower; 0xfffe for what the header says.
        packet_type: u32,
    },
    /// `dec_nsh_ttl`.
    DecNshTtl,
    /// `check_pkt_larger(LENGTH)->DST`: one bit says whether the packet is longer.
    CheckPktLarger {
        /// Octets of the packet.
        length: u16,
        /// The bit. Its `bits` is 1.
        destination: Subfield,
    },
    /// `delete_field:FIELD`: takes a tunnel option off.
    DeleteField(OxmKind),
}

impl NiciraAction {
    /// The subtype number that stands on the wire.
    pub fn subtype(&self) -> NiciraSubtype {
        match self {
            NiciraAction::Resubmit { .. } => NiciraSubtype::RESUBMIT,
            NiciraAction::ResubmitTable { with_ct: false, .. } => NiciraSubtype::RESUBMIT_TABLE,
            NiciraAction::ResubmitTable { with_ct: true, .. } => NiciraSubtype::RESUBMIT_TABLE_CT,
            NiciraAction::SetTunnel(_) => NiciraSubtype::SET_TUNNEL,
            NiciraAction::SetTunnel64(_) => NiciraSubtype::SET_TUNNEL64,
            NiciraAction::SetQueue(_) => NiciraSubtype::SET_QUEUE,
            NiciraAction::PopQueue => NiciraSubtype::POP_QUEUE,
            NiciraAction::RegMove { .. } => NiciraSubtype::REG_MOVE,
            NiciraAction::RegLoad { .. } => NiciraSubtype::REG_LOAD,
            NiciraAction::RegLoad2(_) => NiciraSubtype::REG_LOAD2,
            NiciraAction::Note(_) => NiciraSubtype::NOTE,
            NiciraAction::Multipath(_) => NiciraSubtype::MULTIPATH,
            NiciraAction::Bundle(bundle) if bundle.destination.is_some() => NiciraSubtype::BUNDLE_LOAD,
            NiciraAction::Bundle(_) => NiciraSubtype::BUNDLE,
            NiciraAction::OutputReg { .. } => NiciraSubtype::OUTPUT_REG,
            NiciraAction::OutputReg2 { .. } => NiciraSubtype::OUTPUT_REG2,
            NiciraAction::OutputTrunc { .. } => NiciraSubtype::OUTPUT_TRUNC,
            NiciraAction::Learn(learn) if learn.limit.is_some() => NiciraSubtype::LEARN2,
            NiciraAction::Learn(_) => NiciraSubtype::LEARN,
            NiciraAction::Exit => NiciraSubtype::EXIT,
            NiciraAction::DecTtl => NiciraSubtype::DEC_TTL,
            NiciraAction::DecTtlCntIds(_) => NiciraSubtype::DEC_TTL_CNT_IDS,
            NiciraAction::FinTimeout { .. } => NiciraSubtype::FIN_TIMEOUT,
            NiciraAction::Controller { .. } => NiciraSubtype::CONTROLLER,
            NiciraAction::Controller2(_) => NiciraSubtype::CONTROLLER2,
            NiciraAction::WriteMetadata { .. } => NiciraSubtype::WRITE_METADATA,
            NiciraAction::PushMpls(_) => NiciraSubtype::PUSH_MPLS,
            NiciraAction::PopMpls(_) => NiciraSubtype::POP_MPLS,
            NiciraAction::SetMplsTtl(_) => NiciraSubtype::SET_MPLS_TTL,
            NiciraAction::DecMplsTtl => NiciraSubtype::DEC_MPLS_TTL,
            NiciraAction::StackPush(_) => NiciraSubtype::STACK_PUSH,
            NiciraAction::StackPop(_) => NiciraSubtype::STACK_POP,
            NiciraAction::Sample(sample) => sample.subtype(),
            NiciraAction::SetMplsLabel(_) => NiciraSubtype::SET_MPLS_LABEL,
            NiciraAction::SetMplsTc(_) => NiciraSubtype::SET_MPLS_TC,
            NiciraAction::Conjunction { .. } => NiciraSubtype::CONJUNCTION,
            NiciraAction::Ct(_) => NiciraSubtype::CT,
            NiciraAction::Nat(_) => NiciraSubtype::NAT,
            NiciraAction::Group(_) => NiciraSubtype::GROUP,
            NiciraAction::Clone(_) => NiciraSubtype::CLONE,
            NiciraAction::CtClear => NiciraSubtype::CT_CLEAR,
            NiciraAction::Encap(_) => NiciraSubtype::ENCAP,
            NiciraAction::Decap { .. } => NiciraSubtype::DECAP,
            NiciraAction::DecNshTtl => NiciraSubtype::DEC_NSH_TTL,
            NiciraAction::CheckPktLarger { .. } => NiciraSubtype::CHECK_PKT_LARGER,
            NiciraAction::DeleteField(_) => NiciraSubtype::DELETE_FIELD,
        }
    }
}
