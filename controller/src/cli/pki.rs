//! `trunkline pki`: certificates, and the lines to paste.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use net::DatapathId;

use super::examples;
use crate::pki::{self, CERTIFICATE_DAYS, Made};

#[derive(Debug, Args)]
pub(super) struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(Debug, Subcommand)]
enum PkiCommand {
    /// Make a certificate authority and the controller's certificate.
    ///
    /// Writes ca.pem, ca.key, controller.pem and controller.key, and prints what to put into the configuration. Nothing is overwritten.
    #[command(after_help = examples(&[
        ("trunkline pki init", "in the folder pki, for this machine's name and localhost"),
        ("trunkline pki init /etc/trunkline/pki --name ctl.example.net --address 192.0.2.1", "for what switches call the controller"),
        ("trunkline pki init --days 90", "a controller certificate for 90 days"),
    ]))]
    Init {
        /// The folder for the files; made if it isn't there.
        #[arg(value_name = "DIR", default_value = "pki")]
        dir: PathBuf,
        /// A DNS name of the controller. May be given more than once.
        #[arg(long, value_name = "NAME")]
        name: Vec<String>,
        /// An address of the controller. May be given more than once.
        #[arg(long, value_name = "ADDRESS")]
        address: Vec<std::net::IpAddr>,
        /// How long the controller's certificate lasts. The authority lasts ten years.
        #[arg(long, value_name = "N", default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Make the certificate of a switch.
    ///
    /// The certificate names the switch's datapath id (URI urn:trunkline:dpid:…): its holder can't pose as another switch. Bridges of
    /// one Open vSwitch share a certificate: give --datapath-id for each. Prints the ovs-vsctl lines for the switch's machine.
    #[command(after_help = examples(&[
        ("trunkline pki switch s1 --datapath-id 0x1", "switch-s1.pem and switch-s1.key in the folder pki"),
        ("trunkline pki switch rack4 --datapath-id 0000000000000041 --datapath-id 0000000000000042", "two bridges of one machine"),
        ("trunkline pki switch s1 --datapath-id 0x1 --dir /etc/trunkline/pki", "with the authority of another folder"),
        ("ovs-vsctl get bridge br0 datapath_id", "ask Open vSwitch for the datapath id"),
    ]))]
    Switch {
        /// What the switch is called; the files' names come from it.
        #[arg(value_name = "NAME")]
        name: String,
        /// A datapath id that the switch has: 0x and hex digits, or 16 hex digits. May be given more than once.
        #[arg(long, value_name = "ID", required = true, value_parser = datapath_id)]
        datapath_id: Vec<DatapathId>,
        /// The folder of the authority.
        #[arg(long, value_name = "DIR", default_value = "pki")]
        dir: PathBuf,
        /// How long the certificate lasts.
        #[arg(long, value_name = "N", default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
}

fn datapath_id(text: &str) -> Result<DatapathId, String> {
    // As ovs-vsctl prints it.
    text.trim_matches('"').parse().map_err(|error: net::ParseAddrError| error.to_string())
}

/// Does it; returns the exit status.
pub(super) fn pki(arguments: PkiArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = match arguments.command {
        PkiCommand::Init { dir, mut name, address, days } => {
            name.extend(address.iter().map(ToString::to_string));
            pki::init(&dir, &name, days).map(|made| about_authority(&dir, &made))
        }
        PkiCommand::Switch { name, datapath_id, dir, days } => {
            pki::switch(&dir, &name, &datapath_id, days).map(|made| about_switch(&dir, &name, &datapath_id, &made))
        }
    };
    match text {
        Ok(text) => {
            let _ = write!(out, "{text}");
            0
        }
        Err(error) => {
            let _ = writeln!(err, "trunkline: {error}");
            1
        }
    }
}

fn about_authority(dir: &Path, made: &pki::Authority) -> String {
    let (authority, controller) = (&made.authority, &made.controller);
    let path = |file: &Path| absolute(file).display().to_string();
    let controller_name = made.names.first().map_or("CONTROLLER", String::as_str);
    format!(
        "\
Made an authority, good until {ca_end}:
  {ca}
  {ca_key}   (whoever has it can make switches: keep it off the network)
Made the controller's certificate for {names}, good until {end}:
  {certificate}
  {key}

For the configuration:
openflow:
  listen: [\"pssl:6653\"]
  tls:
    certificate: {certificate}
    key: {key}
    client_ca: {ca}

For each switch make a certificate, which tells the rest:
  trunkline pki switch NAME --datapath-id ID --dir {dir}
On the switch's machine then, with its files:
  ovs-vsctl set-ssl {dir}/switch-NAME.key {dir}/switch-NAME.pem {ca}
  ovs-vsctl set-controller BRIDGE ssl:{controller_name}:6653
",
        ca = path(&authority.certificate),
        ca_key = path(&authority.key),
        ca_end = authority.last_day,
        names = made.names.join(", "),
        end = controller.last_day,
        certificate = path(&controller.certificate),
        key = path(&controller.key),
        dir = path(dir),
    )
}

fn about_switch(dir: &Path, name: &str, datapath_ids: &[DatapathId], made: &Made) -> String {
    let path = |file: &Path| absolute(file).display().to_string();
    let ids: Vec<String> = datapath_ids.iter().map(ToString::to_string).collect();
    format!(
        "\
Made the certificate of {name} for datapath id {ids}, good until {end}:
  {certificate}
  {key}
  {fingerprint}

On the switch's machine, with these two files and ca.pem (other folders will do):
  ovs-vsctl set-ssl {key} {certificate} {ca}
  ovs-vsctl set bridge BRIDGE other_config:datapath-id={first}
  ovs-vsctl set-controller BRIDGE ssl:CONTROLLER:6653
",
        ids = ids.join(", "),
        first = ids.first().map_or("ID", String::as_str),
        end = made.last_day,
        certificate = path(&made.certificate),
        key = path(&made.key),
        fingerprint = made.fingerprint,
        ca = path(&dir.join("ca.pem")),
    )
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}
