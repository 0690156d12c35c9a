//! One BGP session: the state machine of RFC 4271 §8 without sockets or clock.

mod event;
mod negotiated;

pub use event::{Announcement, CloseReason, Event, RouteUpdate, Transmit};
pub use negotiated::Negotiated;
