//! What one switch should have and has, copied for those who only look: in pieces, so that a switch with a hundred thousand rules keeps nobody
//! waiting.
//!
//! Each rule is as it was when its piece was copied. Between two pieces the reconciler goes on, so a picture of a table that changes meanwhile is
//! of no single moment.

use std::sync::Arc;

use net::DatapathId;
use openflow::{Bucket, GroupId, GroupType, MeterBand, MeterFlags, MeterId, TableId};

use super::body::FlowBody;
use super::features::SwitchFeatures;
use super::refusal::Refusal;
use super::rule::Key;

/// Rules or groups that are copied at a time: some 50 µs.
pub(super) const PICTURE_PIECE: usize = 512;

/// How far a rule or a group has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EntryState {
    /// Desired, sent, and confirmed by a barrier; or found on the switch as it should be.
    Installed,
    /// Desired, and not confirmed yet: not sent, or no barrier has been answered since.
    Pending,
    /// Desired, and the switch has refused it.
    Refused,
    /// Not desired any more, and still on the switch.
    Leaving,
    /// The switch says that it is there, and the controller has not put it there: only where switches are asked for what they have.
    Found,
}

impl EntryState {
    /// All of them with their names.
    pub const NAMES: [(EntryState, &'static str); 5] = [
        (EntryState::Installed, "installed"),
        (EntryState::Pending, "pending"),
        (EntryState::Refused, "refused"),
        (EntryState::Leaving, "leaving"),
        (EntryState::Found, "found"),
    ];

    /// As commands print it.
    pub fn name(self) -> &'static str {
        EntryState::NAMES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// A rule of a [`Picture`].
#[derive(Clone, Debug)]
pub struct PicturedRule {
    /// What it stands for; `None` if nobody wants it any more.
    pub key: Option<Key>,
    /// Its cookie.
    pub cookie: u64,
    /// Its table.
    pub table: TableId,
    /// Its priority.
    pub priority: u16,
    /// Seconds without a packet until the switch removes it; 0 for never.
    pub idle_timeout: u16,
    /// What it matches and does.
    pub body: FlowBody,
    /// How far it has come.
    pub state: EntryState,
    /// Why not further.
    pub refusal: Option<Refusal>,
    /// What the switch has in its place, if that is known and something else.
    pub other: Option<Box<FlowBody>>,
}

/// A group of a [`Picture`].
#[derive(Clone, Debug)]
pub struct PicturedGroup {
    /// Its number on this switch.
    pub id: GroupId,
    /// What it stands for, if that is known.
    pub key: Option<Key>,
    /// All, select, indirect or fast failover.
    pub group_type: GroupType,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// How far it has come.
    pub state: EntryState,
    /// Why not further.
    pub refusal: Option<Refusal>,
}

/// A meter of a [`Picture`].
#[derive(Clone, Debug)]
pub struct PicturedMeter {
    /// Its number.
    pub id: MeterId,
    /// What it stands for; `None` if nobody wants it any more.
    pub key: Option<Key>,
    /// Its flags.
    pub flags: MeterFlags,
    /// Its bands.
    pub bands: Vec<MeterBand>,
    /// How far it has come.
    pub state: EntryState,
    /// Why not further.
    pub refusal: Option<Refusal>,
}

/// What one switch should have and has.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The switch.
    pub datapath_id: DatapathId,
    /// Connected and read back. Else nothing is known to be installed.
    pub live: bool,
    /// Changes and deletions are held back until the network is known again.
    pub held: bool,
    /// Rules, in no order.
    pub rules: Vec<PicturedRule>,
    /// Groups by number.
    pub groups: Vec<PicturedGroup>,
    /// Meters by number.
    pub meters: Vec<PicturedMeter>,
    /// What the switch says it can hold, if it has said so.
    pub features: Option<Arc<SwitchFeatures>>,
}

/// A [`Picture`] while it is copied: give it to [`Reconciler::copy_picture`](super::Reconciler::copy_picture) until that says that nothing is left.
#[derive(Debug)]
pub struct Copying {
    pub(super) picture: Picture,
    pub(super) at: Place,
}

/// Where the next piece begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Groups(Option<GroupId>),
    Meters,
    Rules(usize),
}

impl Copying {
    /// Nothing copied yet.
    pub fn new(datapath_id: DatapathId) -> Copying {
        let picture = Picture {
            datapath_id,
            live: false,
            held: false,
            rules: Vec::new(),
            groups: Vec::new(),
            meters: Vec::new(),
            features: None,
        };
        Copying { picture, at: Place::Groups(None) }
    }

    /// What has been copied.
    pub fn finish(self) -> Picture {
        self.picture
    }
}
