//! `trunkline decode`: protocol messages to JSON, one object per message and line.

mod capture;
mod input;
mod mrt;
mod protocol;

use std::io::Write;

use net::{DecodeError, DecodeErrorKind};
use serde_json::{Value, json};

use crate::capture::is_capture;

pub(crate) use capture::{date, timestamp};
pub use input::{octets, read_input};
pub use mrt::decode_mrt;
pub use protocol::{BgpOptions, Protocol};

/// Decodes what `input` holds (binary or hex) and writes a line per message to `out`. A message that is malformed gives an object with
/// `error` there, and a sentence on `err`. Returns whether all were well-formed.
pub fn decode(protocol: Protocol, input: &[u8], out: &mut dyn Write, err: &mut dyn Write) -> bool {
    if matches!(protocol, Protocol::Openflow | Protocol::OpenflowText) && is_capture(input) {
        return capture::decode(protocol, input, out, err);
    }
    let octets = match octets(input) {
        Ok(octets) => octets,
        Err(error) => {
            let text = match error.kind {
                DecodeErrorKind::BadValue { value } => {
                    let found = char::from(u8::try_from(value).unwrap_or(b'?'));
                    format!("offset {}: {}: {found:?} is no hex digit", error.offset, error.field)
                }
                _ => error.to_string(),
            };
            refuse(out, err, json!({}), "the input is text, and not hex", error, &text);
            return false;
        }
    };
    let mut good = true;
    let mut offset = 0;
    for number in 1.. {
        let rest = octets.get(offset..).unwrap_or_default();
        // No message at all is a message that is not there: its decoder says what is missing.
        if rest.is_empty() && number > 1 {
            break;
        }
        let cut = protocol.cut(rest);
        let message = rest.get(..cut.unwrap_or(rest.len())).unwrap_or(rest);
        match protocol.decode(message) {
            Ok(Value::String(line)) => drop(writeln!(out, "{line}")),
            Ok(value) => drop(writeln!(out, "{value}")),
            Err(error) => {
                good = false;
                let place = json!({ "message": number, "message_offset": offset });
                let what = format!("message {number}, at octet {offset} of the input");
                refuse(out, err, place, &what, error, &error.to_string());
            }
        }
        // Without a length that can be believed nobody knows where the next message starts.
        match cut {
            Some(length) => offset += length,
            None => break,
        }
    }
    good
}

/// One OpenFlow message as JSON.
pub(crate) fn openflow_message(octets: &[u8]) -> Result<Value, DecodeError> {
    Protocol::Openflow.decode(octets)
}

fn refuse(out: &mut dyn Write, err: &mut dyn Write, place: Value, what: &str, error: DecodeError, text: &str) {
    let mut object = json!({ "error": place });
    if let Some(Value::Object(fields)) = object.get_mut("error") {
        fields.insert("offset".to_owned(), json!(error.offset));
        fields.insert("field".to_owned(), json!(error.field));
        fields.insert("kind".to_owned(), json!(error.kind.name()));
        fields.insert("text".to_owned(), json!(text));
    }
    let _ = writeln!(out, "{object}");
    let _ = writeln!(err, "trunkline: {what}: {text}");
}

#[cfg(test)]
mod tests;
