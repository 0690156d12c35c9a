//! `trunkline decode`: a page of help and the options for each protocol.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::examples;
use crate::decode::{self, BgpOptions, Protocol};

#[derive(Debug, Subcommand)]
pub(super) enum DecodeCommand {
    /// OpenFlow 1.3 messages, one after the other.
    ///
    /// HELLO and ERROR are read in every version.
    #[command(after_help = examples(&[
        ("trunkline decode openflow hello.bin", "a file, as JSON"),
        ("echo 04 00 0008 00000001 | trunkline decode openflow", "hex from standard input"),
        ("trunkline decode openflow --text messages.bin", "one line per message, as ovs-ofctl prints it"),
    ]))]
    Openflow {
        #[command(flatten)]
        input: Input,
        /// One line of text per message in ovs-ofctl's words instead of JSON.
        #[arg(long)]
        text: bool,
    },
    /// BGP-4 messages, one after the other, each with its marker.
    #[command(after_help = examples(&[
        ("trunkline decode bgp open.hex", "a file"),
        ("trunkline decode bgp --as2 --add-path update.hex", "two-octet AS numbers, path identifiers"),
    ]))]
    Bgp {
        #[command(flatten)]
        input: Input,
        /// AS numbers have four octets. Without --as4 and --as2: four if the message can be read so, else two if it can only be read so.
        #[arg(long, conflicts_with = "as2")]
        as4: bool,
        /// AS numbers have two octets.
        #[arg(long)]
        as2: bool,
        /// Unicast routes carry path identifiers (RFC 7911).
        #[arg(long)]
        add_path: bool,
    },
    /// An MRT file (RFC 6396, RFC 8050): tables and messages as route collectors write them, one line per record.
    ///
    /// Of any size; binary only, and not packed.
    #[command(after_help = examples(&[
        ("trunkline decode mrt updates.20160811.1600", "a file"),
        ("zcat rib.20160811.1600.gz | trunkline decode mrt", "a packed one"),
    ]))]
    Mrt {
        #[command(flatten)]
        input: Input,
    },
    /// One whole Ethernet frame with LLDP in it.
    #[command(after_help = examples(&[("trunkline decode lldp frame.bin", "a whole Ethernet frame, without its check sum")]))]
    Lldp {
        #[command(flatten)]
        input: Input,
    },
}

#[derive(Debug, Args)]
pub(super) struct Input {
    /// The input file, or - for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

pub(super) fn run(command: DecodeCommand, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (protocol, Input { file }) = match command {
        DecodeCommand::Openflow { input, text: false } => (Protocol::Openflow, input),
        DecodeCommand::Openflow { input, text: true } => (Protocol::OpenflowText, input),
        DecodeCommand::Bgp { input, as4, as2, add_path } => (Protocol::Bgp(BgpOptions { as4, as2, add_path }), input),
        DecodeCommand::Mrt { input } => return mrt(&input.file, out, err),
        DecodeCommand::Lldp { input } => (Protocol::Lldp, input),
    };
    let input = match decode::read_input(&file) {
        Ok(input) => input,
        Err(error) => {
            let _ = writeln!(err, "trunkline: {}: {error}", file.display());
            return 1;
        }
    };
    u8::from(!decode::decode(protocol, &input, out, err))
}

fn mrt(file: &Path, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    if file == Path::new("-") {
        return u8::from(!decode::decode_mrt(std::io::stdin().lock(), out, err));
    }
    match std::fs::File::open(file) {
        Ok(input) => u8::from(!decode::decode_mrt(input, out, err)),
        Err(error) => {
            let _ = writeln!(err, "trunkline: {}: {error}", file.display());
            1
        }
    }
}
