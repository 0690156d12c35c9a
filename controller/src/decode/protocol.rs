//! What the decoders of the protocol crates look like from here: octets in, JSON or the first error out.

use bgp::wire::DisplayOptions;
use bgp::wire::display::AsWidthOption;
use net::DecodeError;
use serde::Serialize;
use serde_json::{Value, json};

/// What the input of `trunkline decode` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// OpenFlow 1.3 messages one after the other.
    Openflow,
    /// The same, as one line of text per message instead of JSON.
    OpenflowText,
    /// BGP-4 messages one after the other, each with its marker.
    Bgp(BgpOptions),
    /// One whole Ethernet frame.
    Lldp,
}

/// What a BGP message alone does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BgpOptions {
    /// AS numbers have four octets (RFC 6793).
    pub as4: bool,
    /// AS numbers have two octets (RFC 4271).
    pub as2: bool,
    /// Unicast routes carry path identifiers (RFC 7911).
    pub add_path: bool,
}

/// Octets of an OpenFlow header (OpenFlow 1.3.5 §7.1.1): version, type, length, xid.
const OPENFLOW_HEADER: usize = 8;
/// Octets of a BGP header (RFC 4271 §4.1): marker, length, type.
const BGP_HEADER: usize = 19;
/// Octets of a BGP marker.
const BGP_MARKER: usize = 16;

impl Protocol {
    /// How many octets of `rest` the first message has. `None` if its header does not say it credibly: then all of `rest` is the message.
    pub(super) fn cut(self, rest: &[u8]) -> Option<usize> {
        let (header, at) = match self {
            Protocol::Openflow | Protocol::OpenflowText => (OPENFLOW_HEADER, 2),
            Protocol::Bgp(_) if rest.iter().take(BGP_MARKER).any(|octet| *octet != 0xff) => return None,
            Protocol::Bgp(_) => (BGP_HEADER, BGP_MARKER),
            Protocol::Lldp => return Some(rest.len()),
        };
        let (high, low) = (rest.get(at)?, rest.get(at + 1)?);
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        (length >= header && length <= rest.len()).then_some(length)
    }

    /// One message as JSON; a text stands for itself.
    pub(super) fn decode(self, message: &[u8]) -> Result<Value, DecodeError> {
        match self {
            Protocol::Bgp(options) => {
                bgp::wire::decode_for_display(message, options.display()).map(|report| to_json(&report))
            }
            Protocol::Lldp => topology::lldp::decode_for_display(message).map(|report| to_json(&report)),
            Protocol::Openflow => openflow::decode_for_display(message).map(|report| to_json(&report)),
            Protocol::OpenflowText => openflow::decode_for_display(message).map(|report| Value::String(line(&report))),
        }
    }
}

impl BgpOptions {
    fn display(self) -> DisplayOptions {
        let as_width = match (self.as4, self.as2) {
            (true, _) => AsWidthOption::Four,
            (false, true) => AsWidthOption::Two,
            (false, false) => AsWidthOption::Auto,
        };
        DisplayOptions { as_width, add_path: self.add_path }
    }
}

/// A message in ovs-ofctl's words, and what makes no sense in it.
fn line(report: &openflow::DecodeReport) -> String {
    let mut line = openflow::display::Line { xid: report.xid, message: &report.message }.to_string();
    for problem in &report.problems {
        line.push_str(&format!(" ***problem: {problem}***"));
    }
    line
}

/// The decoders' types always serialise: they have no maps with keys that are no texts, and no serialiser of theirs fails.
fn to_json(report: &impl Serialize) -> Value {
    serde_json::to_value(report)
        .unwrap_or_else(|error| json!({ "problems": [{ "field": "message", "reason": error.to_string() }] }))
}
