//! `trunkline flow`: a flow, group or meter in ovs-ofctl's syntax, as text, JSON and hex.

use std::io::Write;

use bytes::BytesMut;
use clap::Args;
use openflow::Message;
use openflow::syntax::{self, SyntaxError};

use super::BAD_USAGE;

#[derive(Debug, Args)]
pub(super) struct FlowArgs {
    /// The text. Several arguments are one text with spaces between them.
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// It is a group.
    #[arg(long, conflicts_with = "meter")]
    group: bool,
    /// It is a meter.
    #[arg(long)]
    meter: bool,
}

/// The xid of the message that is shown.
const XID: u32 = 1;

pub(super) fn run(arguments: FlowArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = arguments.text.join(" ");
    let message = match (arguments.group, arguments.meter) {
        (true, _) => syntax::parse_group(&text).map(Message::GroupMod),
        (_, true) => syntax::parse_meter(&text).map(Message::MeterMod),
        _ => syntax::parse_flow(&text).map(Message::FlowMod),
    };
    let message = match message {
        Ok(message) => message,
        Err(error) => {
            point_at(&text, &error, err);
            return BAD_USAGE;
        }
    };
    let mut octets = BytesMut::new();
    if let Err(error) = message.encode(XID, &mut octets) {
        let _ = writeln!(err, "trunkline: {error}");
        return 1;
    }
    let json = openflow::decode_for_display(&octets).ok().and_then(|report| serde_json::to_string(&report).ok());
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let _ = writeln!(out, "{message}\n{}\n{hex}", json.unwrap_or_default());
    0
}

/// The error, and under the text a mark where it is, if the text is short enough to stand on a line.
fn point_at(text: &str, error: &SyntaxError, err: &mut dyn Write) {
    let _ = writeln!(err, "trunkline: {error}");
    if text.len() > 500 || text.chars().any(char::is_control) {
        return;
    }
    let before = text.get(..error.offset).unwrap_or(text).chars().count();
    let _ = writeln!(err, "  {text}\n  {:before$}^", "");
}
