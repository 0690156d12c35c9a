//! A private Open vSwitch: its database, its daemon, and bridges with the userspace datapath.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Daemon, run};
use crate::report::Fail;

const DATABASE: &str = "/etc/openvswitch/conf.db";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// `ovsdb-server` and `ovs-vswitchd`, on the default paths, which are private in a sandbox.
pub struct Ovs {
    directory: PathBuf,
    options: Vec<String>,
    vswitchd: Daemon,
    database: Daemon,
}

impl Ovs {
    /// Starts both and waits until they serve.
    pub fn start(directory: &Path) -> Result<Ovs, Fail> {
        Ovs::start_with(directory, &[])
    }

    /// The same with a datapath that has no devices: ports are made up, and what they send is written to files.
    pub fn start_dummy(directory: &Path) -> Result<Ovs, Fail> {
        Ovs::start_with(directory, &["--enable-dummy=override", "--disable-system"])
    }

    fn start_with(directory: &Path, options: &[&str]) -> Result<Ovs, Fail> {
        run("ovsdb-tool", &["create", DATABASE, SCHEMA])?;
        let mut database = start_database(directory)?;
        database.until(Duration::from_secs(10), |_| vsctl(&["--no-wait", "init"]).map(drop))?;
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let vswitchd = start_vswitchd(directory, &options)?;
        Ok(Ovs { directory: directory.to_owned(), options, vswitchd, database })
    }

    /// Ends the database without a warning and starts it again; the switch goes on meanwhile.
    pub fn restart_database(&mut self) -> Result<(), Fail> {
        self.database.kill();
        self.database = start_database(&self.directory)?;
        self.database.until(Duration::from_secs(10), |_| vsctl(&["--no-wait", "show"]).map(drop))
    }

    /// Ends the switch without a warning and starts it again: bridges and their controllers are in the database, flows are lost.
    pub fn restart(&mut self) -> Result<(), Fail> {
        self.restart_with(&[])
    }

    /// The same with further options, this once.
    pub fn restart_with(&mut self, options: &[&str]) -> Result<(), Fail> {
        self.vswitchd.kill();
        let mut all = self.options.clone();
        all.extend(options.iter().map(|option| (*option).to_owned()));
        self.vswitchd = start_vswitchd(&self.directory, &all)?;
        Ok(())
    }
}

fn start_database(directory: &Path) -> Result<Daemon, Fail> {
    let socket = "--remote=punix:/run/openvswitch/db.sock";
    let ssl = [
        "--private-key=db:Open_vSwitch,SSL,private_key",
        "--certificate=db:Open_vSwitch,SSL,certificate",
        "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
    ];
    let managers = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options";
    let arguments = ["ovsdb-server", DATABASE, socket, managers, "--pidfile", ssl[0], ssl[1], ssl[2]];
    Daemon::start(directory, "ovsdb-server", &arguments)
}

fn start_vswitchd(directory: &Path, options: &[String]) -> Result<Daemon, Fail> {
    let mut arguments = vec!["ovs-vswitchd", "unix:/run/openvswitch/db.sock", "--pidfile"];
    arguments.extend(options.iter().map(String::as_str));
    let mut vswitchd = Daemon::start(directory, "ovs-vswitchd", &arguments)?;
    vswitchd.until(Duration::from_secs(10), |_| run("ovs-appctl", &["version"]).map(drop))?;
    Ok(vswitchd)
}

/// Runs `ovs-vsctl`, which waits until the daemon has done it.
pub fn vsctl(arguments: &[&str]) -> Result<String, Fail> {
    let mut all = vec!["--timeout=10"];
    all.extend(arguments);
    run("ovs-vsctl", &all)
}

/// Adds a bridge that only does what its controller says.
pub fn add_bridge(name: &str, datapath_id: u64, controller: &str) -> Result<(), Fail> {
    let id = format!("other-config:datapath-id={datapath_id:016x}");
    let out_of_band = "other-config:disable-in-band=true";
    let bridge = ["--", "set", "bridge", name, "datapath_type=netdev", "protocols=OpenFlow13", "fail_mode=secure"];
    let mut arguments = vec!["add-br", name];
    arguments.extend(bridge);
    arguments.extend([id.as_str(), out_of_band, "--", "set-controller", name, controller]);
    vsctl(&arguments).map(drop)
}

/// Adds an existing network device to a bridge under the given OpenFlow port number.
pub fn add_port(bridge: &str, device: &str, number: u32) -> Result<(), Fail> {
    let number = format!("ofport_request={number}");
    vsctl(&["add-port", bridge, device, "--", "set", "interface", device, &number]).map(drop)
}

/// Whether the bridge says that it is connected to its controller.
pub fn is_connected(bridge: &str) -> Result<bool, Fail> {
    let controller = vsctl(&["get", "bridge", bridge, "controller"])?;
    let id = controller.trim().trim_matches(['[', ']']);
    Ok(vsctl(&["get", "controller", id, "is_connected"])?.trim() == "true")
}

/// What the controller record of a bridge says about the connection.
pub fn connection(bridge: &str) -> Result<String, Fail> {
    let controller = vsctl(&["get", "bridge", bridge, "controller"])?;
    let id = controller.trim().trim_matches(['[', ']']);
    Ok(vsctl(&["get", "controller", id, "status"])?.trim().to_owned())
}

/// The flows of a bridge, sorted, without what changes by itself (counters and ages).
pub fn flows(bridge: &str) -> Result<Vec<String>, Fail> {
    let text = run("ovs-ofctl", &["-O", "OpenFlow13", "--no-stats", "dump-flows", bridge])?;
    let mut flows: Vec<String> =
        text.lines().map(str::trim).filter(|line| line.contains("actions=")).map(str::to_owned).collect();
    flows.sort();
    Ok(flows)
}

/// The meters of a bridge, as ovs-ofctl prints them.
pub fn meters(bridge: &str) -> Result<String, Fail> {
    run("ovs-ofctl", &["-O", "OpenFlow13", "dump-meters", bridge])
}

/// Packets that have left a port of a bridge.
pub fn packets_sent(bridge: &str, number: u32) -> Result<u64, Fail> {
    let text = run("ovs-ofctl", &["-O", "OpenFlow13", "dump-ports", bridge, &number.to_string()])?;
    let sent = text.split_once("tx pkts=").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
    sent.ok_or_else(|| format!("{bridge}, port {number}: no counter in {text}"))
}

/// The groups of a bridge, sorted.
pub fn groups(bridge: &str) -> Result<Vec<String>, Fail> {
    let text = run("ovs-ofctl", &["-O", "OpenFlow13", "dump-groups", bridge])?;
    let mut groups: Vec<String> =
        text.lines().map(str::trim).filter(|line| line.starts_with("group_id=")).map(str::to_owned).collect();
    groups.sort();
    Ok(groups)
}
