//! A message that cannot be decoded, for who is told of it.

use std::fmt;

use net::DecodeError;
use openflow::MessageType;

/// A message that cannot be decoded, and what is wrong with it. Put into words only where somebody reads them: a hostile peer sends very many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Its number.
    pub xid: u32,
    /// What its header says it is.
    pub message_type: MessageType,
    /// What is wrong with it.
    pub error: DecodeError,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (xid {:#x}): {}", self.message_type, self.xid, self.error)
    }
}
