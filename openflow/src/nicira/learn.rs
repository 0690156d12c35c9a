//! `learn`: a flow that a packet makes the switch add (`NXAST_LEARN`, `NXAST_LEARN2`).

use bytes::Bytes;

use crate::identifier::TableId;
use crate::nicira::Subfield;
use crate::number::numbers;

numbers! {
    /// What a learn action is asked besides (`NX_LEARN_F_*`). Whether the result is written follows from [`LearnLimit::result`].
    bits LearnFlags(u16) {
        SEND_FLOW_REM = 1, "NX_LEARN_F_SEND_FLOW_REM";
        DELETE_LEARNED = 2, "NX_LEARN_F_DELETE_LEARNED";
    }
}

/// `learn(…)`: adds or changes a flow made from the packet (`NXAST_LEARN`, `NXAST_LEARN2`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Learn {
    /// Seconds without a packet until the learned flow is removed; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until the learned flow is removed; 0 for never.
    pub hard_timeout: u16,
    /// Priority of the learned flow.
    pub priority: u16,
    /// Cookie of the learned flow.
    pub cookie: u64,
    /// Flags.
    pub flags: LearnFlags,
    /// Table of the learned flow.
    pub table_id: TableId,
    /// Idle timeout after a TCP FIN or RST; 0 for no change.
    pub fin_idle_timeout: u16,
    /// Hard timeout after a TCP FIN or RST; 0 for no change.
    pub fin_hard_timeout: u16,
    /// What `NXAST_LEARN2` has besides. `None` makes it an `NXAST_LEARN`.
    pub limit: Option<LearnLimit>,
    /// What to match on and what to do, in this order.
    pub specs: Vec<LearnSpec>,
}

/// What `NXAST_LEARN2` has besides `NXAST_LEARN`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LearnLimit {
    /// Learned flows with this cookie in this table at most; 0 for no limit.
    pub limit: u32,
    /// The bit that gets 1 if the flow was learned and 0 if the limit forbade it (`result_dst`). Its `bits` is 1.
    pub result: Option<Subfield>,
}

/// One part of the learned flow: where its bits come from and what becomes of them.
///
/// Source and destination have the same width.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LearnSpec {
    /// Where the bits come from.
    pub source: LearnSource,
    /// What becomes of them.
    pub destination: LearnDestination,
}

/// Where the bits of a [`LearnSpec`] come from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LearnSource {
    /// From the packet that is being processed.
    Field(Subfield),
    /// From the action itself.
    Immediate {
        /// How many bits.
        bits: u16,
        /// The value, right-aligned in network order: as many octets as stand on the wire, which is 2 for every 16 bits begun.
        value: Bytes,
    },
}

/// What becomes of the bits of a [`LearnSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LearnDestination {
    /// The learned flow matches on them.
    Match(Subfield),
    /// The learned flow loads them (`reg_load`).
    Load(Subfield),
    /// The learned flow outputs to this port. Only of a field's bits.
    Output,
}
