//! A recording of a session with Open vSwitch: it decodes, and what the controller said comes out of a replay again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CONNECT_LIMIT, Lab};
use crate::controller::{Controller, metric};
use crate::ovs::{self, Ovs};
use crate::process;
use crate::report::{Fail, Report};
use crate::wait;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let folder = lab.directory.join("recording");
    let config = format!(
        "openflow: {{ listen: [\"ptcp:6653:127.0.0.1\"], record: {} }}\nhttp: {{ listen: \"127.0.0.1:9653\" }}\n",
        folder.display()
    );
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&config))?;
    let _ovs = Ovs::start_dummy(&lab.directory)?;
    ovs::add_bridge("s1", 1, super::OPENFLOW)?;
    ovs::add_bridge("s2", 2, super::OPENFLOW)?;
    ovs::vsctl(&["add-port", "s1", "p1", "--", "set", "interface", "p1", "type=dummy"])?;
    ovs::vsctl(&["add-port", "s2", "p2", "--", "set", "interface", "p2", "type=dummy"])?;
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 2.0);
    report.require("two bridges are connected", connected.map(|_| String::new()))?;
    // A host says something on each bridge, so that there is a packet-in, and rules for it.
    wait::until(Duration::from_secs(20), || {
        for (port, host) in [("p1", "01"), ("p2", "02")] {
            let arp = format!(
                "ffffffffffff0200000000{host}08060001080006040001\
                 0200000000{host}0a0000{host}0000000000000a0000fe"
            )
            .replace(' ', "");
            process::run("ovs-appctl", &["netdev-dummy/receive", port, &arp])?;
        }
        let hosts = controller.metric(metric::HOSTS, &[])?;
        wait::ensure(hosts == 2.0, || format!("{hosts} hosts are known"))
    })?;
    ovs::vsctl(&["del-br", "s2"])?;
    controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0)?;
    let (status, _) = controller.terminate()?;
    let ended = if status.success() { Ok(String::new()) } else { Err(status.to_string()) };
    report.check("the controller ends and its recording is whole", ended);

    let file = recording(&folder)?.display().to_string();
    let binary = lab.binary.display().to_string();
    let decoded = process::run(&binary, &["decode", "openflow", &file]);
    for word in ["OFPT_HELLO", "OFPT_FEATURES_REPLY", "OFPT_PACKET_IN", "OFPT_FLOW_MOD", "OFPT_BARRIER_REPLY"] {
        let seen = decoded.clone().and_then(|text| {
            let count = text.matches(word).count();
            if count > 0 { Ok(format!("{count} times")) } else { Err("is not in what decode prints".into()) }
        });
        report.check(&format!("decode prints {word}"), seen);
    }
    let same = process::run(&binary, &["replay", "--diff", &file]).map(|text| text.trim().to_owned());
    report.check("a replay sends what was sent", same);
    let replayed = process::run(&binary, &["replay", &file]).and_then(|text| {
        let mods = text.matches("FLOW_MOD").count();
        if mods > 0 { Ok(format!("{mods} flow-mods")) } else { Err("it sends no flow-mod".into()) }
    });
    report.check("a replay prints the flow-mods", replayed);
    Ok(())
}

/// The one file of the recording.
fn recording(folder: &Path) -> Result<PathBuf, Fail> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(format!("{} holds {} files", folder.display(), files.len())),
    }
}
