//! `trunkline replay`: a recording through a core, and what comes out.

use std::io::Write;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};

use super::BAD_USAGE;
use crate::capture::{Capture, is_capture, is_pcapng};
use crate::config::Config;
use crate::decode::{self, timestamp};
use crate::replay::{self, Difference, Outcome};
use crate::service::core_config;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A recording (trunkline run --record), all its files in their order; or a capture by tcpdump or Wireshark.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The configuration to replay with. A recording's own role, intervals and seeds come before it.
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Compare with what was sent at the time; exit status 1 if it is something else.
    #[arg(long)]
    diff: bool,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Does it; returns the exit status.
pub(super) fn replay(arguments: ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // What `trunkline run` has without a file.
    let mut core = core_config(&Config::default());
    if let Some(file) = &arguments.config {
        match Config::load(file) {
            Ok(checked) => core = core_config(&checked.config),
            Err(error) => {
                let _ = writeln!(err, "{error}");
                return BAD_USAGE;
            }
        }
    }
    let input = match read(&arguments.files) {
        Ok(input) => input,
        Err(error) => {
            let _ = writeln!(err, "trunkline: {error}");
            return 1;
        }
    };
    let name = match arguments.files.as_slice() {
        [first, .., last] => format!("{} to {}", first.display(), last.display()),
        files => files.iter().map(|file| file.display().to_string()).collect(),
    };
    let capture = Capture::read(&input);
    if let Some(error) = &capture.error {
        let _ = writeln!(err, "trunkline: {name}: only replayed up to here: {error}");
    }
    if capture.connections.is_empty() {
        let _ = writeln!(err, "trunkline: {name}: holds no OpenFlow");
        return 1;
    }
    let outcome = replay::replay(&capture, core);
    for note in &outcome.notes {
        let _ = writeln!(err, "{} {}", timestamp(note.at), note.text);
    }
    if outcome.without_beginning > 0 {
        let count = outcome.without_beginning;
        let _ = writeln!(err, "trunkline: {count} messages belong to connections that began before the file: left out");
    }
    if capture.dropped > 0 {
        let _ = writeln!(err, "trunkline: {} records are missing in the file: the replay may differ", capture.dropped);
    }
    if !arguments.diff {
        print(&outcome, arguments.json, out);
        return u8::from(capture.error.is_some());
    }
    let differences = replay::diff(&capture, &outcome);
    for difference in &differences {
        tell(difference, arguments.json, out);
    }
    if differences.is_empty() && !arguments.json {
        let _ = writeln!(out, "{name}: the same {} messages as then", outcome.sent.len());
    }
    u8::from(!differences.is_empty() || capture.error.is_some())
}

/// All files as one: sections of pcapng files may follow each other (draft-ietf-opsawg-pcapng §4.1).
fn read(files: &[PathBuf]) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for file in files {
        let name = file.display();
        let input = decode::read_input(file).map_err(|error| format!("{name}: {error}"))?;
        if !is_capture(&input) {
            return Err(format!(
                "{name}: neither pcapng nor pcap; recordings are made by `trunkline run --record DIR`"
            ));
        }
        if files.len() > 1 && !is_pcapng(&input) {
            return Err(format!("{name}: only the files of one recording (pcapng) go together"));
        }
        all.extend(input);
    }
    Ok(all)
}

fn print(outcome: &Outcome, as_json: bool, out: &mut dyn Write) {
    for sent in &outcome.sent {
        let (time, connection) = (timestamp(sent.at), sent.connection + 1);
        let _ = if as_json {
            let mut object = json!({ "time": time, "connection": connection, "from": "controller" });
            if let (Value::Object(object), Value::Object(message)) = (&mut object, message(&sent.octets)) {
                object.extend(message);
            }
            writeln!(out, "{object}")
        } else {
            writeln!(out, "{time} {connection}: {}", replay::line(&sent.octets))
        };
    }
}

fn tell(difference: &Difference, as_json: bool, out: &mut dyn Write) {
    let Difference { connection, number, recorded, replayed } = difference;
    let (connection, number) = (connection + 1, number + 1);
    let _ = if as_json {
        let side = |octets: &Option<Bytes>| octets.as_ref().map_or(Value::Null, message);
        let object = json!({ "connection": connection, "message": number, "recorded": side(recorded), "replayed": side(replayed) });
        writeln!(out, "{object}")
    } else {
        let side = |octets: &Option<Bytes>| {
            octets.as_ref().map_or("nothing".to_owned(), |octets| replay::line(octets).to_string())
        };
        writeln!(
            out,
            "connection {connection}, message {number} to the switch\n  then: {}\n  now:  {}",
            side(recorded),
            side(replayed)
        )
    };
}

fn message(octets: &Bytes) -> Value {
    decode::openflow_message(octets).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}
