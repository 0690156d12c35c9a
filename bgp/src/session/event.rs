//! What a session tells its owner, and what it wants done on its connection.

use std::sync::Arc;

use bytes::Bytes;

use super::Negotiated;
use crate::wire::{AttributeError, Family, NextHop, Nlri, Notification, PathAttributes};

/// What a session wants done on its connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transmit {
    /// Open a connection to the peer; answered with `handle_connected` or `handle_connect_failed`.
    Connect,
    /// Write these octets: one or more whole messages.
    Send(Bytes),
    /// Close the connection, or give up opening it, after what was sent before is written.
    Close,
}

/// What a session tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Routes can be exchanged.
    Established(Arc<Negotiated>),
    /// The session is over: all routes learned by it are gone. Comes after every [`Event::Established`], and also after
    /// attempts that did not get that far.
    Closed(CloseReason),
    /// Routes of one family came, went, or both. An UPDATE gives up to three of these.
    Route(RouteUpdate),
    /// The peer has sent all it had of this family (RFC 4724 §2).
    EndOfRib(Family),
    /// The peer wants this family again (RFC 2918 §4).
    RefreshRequested(Family),
    /// The peer begins to send this family again (RFC 7313 §4).
    RefreshBegin(Family),
    /// The peer has sent this family again: what it did not send is gone (RFC 7313 §4).
    RefreshEnd(Family),
    /// The peer sent what cannot be read of this family, which is ignored from here on (AFI/SAFI disable, RFC 7606 §2).
    /// The routes learned before are gone.
    FamilyDisabled(Family),
    /// An UPDATE had errors (RFC 7606). Its routes, if any, follow as withdrawn or with what is left of their
    /// attributes; if one of the errors resets the session, [`Event::Closed`] follows.
    Malformed(Vec<AttributeError>),
}

/// Routes of one family. If a prefix is in both lists, the announcement counts (RFC 4271 §4.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteUpdate {
    /// The family of all of them.
    pub family: Family,
    /// Routes that are gone.
    pub withdrawn: Vec<Nlri>,
    /// Routes that are new or changed.
    pub announced: Option<Announcement>,
}

/// Routes that share attributes and next hop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// At least one.
    pub nlri: Vec<Nlri>,
    /// Their attributes; `next_hop` in there is that of the NEXT_HOP attribute and means nothing for multiprotocol
    /// routes.
    pub attributes: Arc<PathAttributes>,
    /// Their next hop.
    pub next_hop: NextHop,
}

/// Why a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The operator stopped it.
    AdminStop,
    /// We sent this.
    Sent(Notification),
    /// The peer sent this.
    Received(Notification),
    /// The connection could not be opened.
    ConnectFailed,
    /// The connection broke without a NOTIFICATION.
    ConnectionLost,
    /// The other connection with the same peer was kept (RFC 4271 §6.8).
    Collision,
    /// The peer did not take what we sent for too long (RFC 9687).
    SendHoldTimerExpired,
}
