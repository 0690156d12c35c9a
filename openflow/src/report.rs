//! Decoding for people: one message with its problems, as `trunkline decode openflow` prints it.

use bytes::Bytes;
use net::DecodeError;

use crate::message::{Message, MessageType};
use crate::problem::Problem;

/// A decoded message and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DecodeReport {
    /// The version in its header.
    pub version: u8,
    /// Its type.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub message_type: MessageType,
    /// The number in its header.
    pub xid: u32,
    /// What it says.
    pub message: Message,
    /// What makes no sense in it.
    pub problems: Vec<Problem>,
}

/// Decodes one whole frame. The structure decides: what is malformed is an error, what makes no sense is a problem.
///
/// HELLO and ERROR are read in every version, other messages in version 4.
pub fn decode_for_display(frame: &[u8]) -> Result<DecodeReport, DecodeError> {
    let frame = Bytes::copy_from_slice(frame);
    let (xid, message) = Message::decode(&frame)?;
    let version = frame.first().copied().unwrap_or_default();
    let problems = message.problems();
    Ok(DecodeReport { version, message_type: message.message_type(), xid, message, problems })
}
