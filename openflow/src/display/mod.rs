//! One line of text per message, in the vocabulary of ovs-ofctl, for logs and for people who know it.
//!
//! Flows, groups and meters read as Open vSwitch 3.1's ovs-ofctl prints them with port names off, so that a dump can be compared
//! with ours text by text, and [`crate::syntax`] reads them again. What ovs-ofctl prints on many lines is here on one, with one
//! space for every line's end and a semicolon between the entries of a list. Differences on purpose: errors and roles that the
//! specification names have its names where ovs-ofctl has newer ones, `out_group` and the cookie of a question are printed, tables
//! that are all alike are not shortened to `ditto`, and the octets of a packet are counted and not taken apart.
//!
//! Text from the wire is escaped, and a message prints at most [`MAX_LINE_LEN`] octets.

mod action;
mod experimenter;
pub(crate) mod field;
pub(crate) mod flow;
mod flow_match;
pub(crate) mod group;
mod message;
mod multipart;
pub(crate) mod nicira;
mod port;
mod text;

pub use message::Line;
pub use text::MAX_LINE_LEN;
