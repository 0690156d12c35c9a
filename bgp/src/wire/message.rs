//! The five messages, and which is which.

use super::{AttributeError, Notification, Open, Outcome, RouteRefresh, Update};

/// A BGP message (RFC 4271 §4, RFC 2918).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "UPPERCASE"))]
pub enum Message {
    /// Type 1.
    Open(Open),
    /// Type 2.
    Update(Update),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    Keepalive,
    /// Type 5.
    #[cfg_attr(feature = "serde", serde(rename = "ROUTE-REFRESH"))]
    RouteRefresh(RouteRefresh),
}

/// A message that could be read, and what was wrong with its attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The message. Of an UPDATE: without the attributes that were discarded, but with its routes as they came;
    /// [`Decoded::outcome`] says what is to be done with them.
    pub message: Message,
    /// Only of an UPDATE; in the order in which they stand in it.
    pub errors: Vec<AttributeError>,
}

impl Decoded {
    /// The strongest outcome of all errors (RFC 7606 §3 h); `None` if there are none. Never [`Outcome::SessionReset`]: then
    /// decoding fails.
    pub fn outcome(&self) -> Option<Outcome> {
        self.errors.iter().map(|error| error.outcome).max()
    }
}
