//! The message header, and cutting a byte stream into messages (OpenFlow 1.3.5 §7.1.1).

/// The wire version of OpenFlow 1.3.
pub const VERSION: u8 = 4;
/// Octets of the header that every message starts with, in every version.
pub const HEADER_LEN: usize = 8;
