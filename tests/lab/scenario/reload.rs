//! The configuration file changes while everything runs. What is the same is not sent, what is different is, and nobody is interrupted.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Lab, PLAIN_CONFIG, working_fabric};
use crate::controller::{Controller, metric};
use crate::fabric::BRIDGES;
use crate::ovs;
use crate::ping::Ping;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// As in faucet#4568: from here on that controller does not answer its switches any more.
const VLANS: u32 = 3_000;
/// Rules of each.
pub const RULES: u32 = 3;
/// Open vSwitch asks after so long a silence, and hangs up after as long again without an answer.
const INACTIVITY_MS: u32 = 1_000;
/// How long it is looked whether something is sent that should not be.
const STILL: Duration = Duration::from_secs(2);

/// The plain configuration with rules on s1 for so many VLANs, and a description of a port.
fn config(vlans: u32, description: &str) -> String {
    with_vlans(PLAIN_CONFIG.to_owned(), vlans, description)
}

/// Any configuration without switches, with the same.
pub fn with_vlans(mut text: String, vlans: u32, description: &str) -> String {
    text.push_str("vlans:\n");
    for vlan in 1..=vlans {
        let _ = writeln!(text, "  v{vlan}: {vlan}");
    }
    let _ = write!(
        text,
        "switches:\n  s1:\n    datapath_id: \"0x1\"\n    ports:\n      1: {{ name: uplink, description: {description} }}\n\
         flows:\n  s1:\n    - |\n"
    );
    for vlan in 1..=vlans {
        let _ = write!(
            text,
            "      priority=100,in_port=uplink,dl_vlan=v{vlan},tcp,tp_dst=23,actions=drop\n      \
             priority=100,in_port=uplink,dl_vlan=v{vlan},udp,tp_dst=69,actions=drop\n      \
             priority=90,in_port=uplink,dl_vlan=v{vlan},arp,actions=goto_table:1\n"
        );
    }
    text
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = working_fabric(lab, report)?;
    for bridge in BRIDGES {
        let controller = ovs::vsctl(&["get", "bridge", bridge, "controller"])?;
        let id = controller.trim().trim_matches(['[', ']']).to_owned();
        ovs::vsctl(&["set", "controller", &id, &format!("inactivity_probe={INACTIVITY_MS}")])?;
    }
    let (from, to) = (&fabric.hosts[0], &fabric.hosts[2]);
    let mut ping = Ping::start(&lab.directory, from, to.ipv4().into(), Duration::from_millis(10))?;
    ping.wait_established()?;
    let connections = controller.metric(metric::CONNECTIONS, &[])?;

    controller.write_config(&config(VLANS, "to s2"))?;
    report.check("3,000 VLANs with 3 rules each are taken on", took(&controller, "rules added"));
    let there = wait::until(Duration::from_secs(20), || holds(VLANS * RULES));
    report.require("all of their rules are on the switch", there.map(|()| format!("{} rules", VLANS * RULES)))?;
    // Metrics are as of the last tick.
    wait::throughout(STILL, || Ok(()))?;
    let rules = ovs::flows("s1")?;

    let before = flow_mods(&controller)?;
    controller.write_config(&config(VLANS, "to s2 by the left cable"))?;
    let answer = took(&controller, "switches.s1.ports.1.description");
    report.check("another description of a port is taken on", answer);
    report.check("and nothing is sent", stays(&controller, before, 0));
    report.check("the rules are the same", same(&rules));

    let before = flow_mods(&controller)?;
    controller.write_config(&config(VLANS + 1, "to s2 by the left cable"))?;
    report.check("another VLAN is taken on", took(&controller, "3 rules added, 0 changed, 0 removed"));
    let there = wait::until(Duration::from_secs(10), || holds((VLANS + 1) * RULES));
    report.check("its rules are on the switch", there.map(|()| String::new()));
    report.check("and nothing else is sent", stays(&controller, before, RULES));

    let (before, rules) = (flow_mods(&controller)?, ovs::flows("s1")?);
    controller.write_config(&config(VLANS, "to s2").replace("dl_vlan=v77,tcp", "dl_vlan=v77,tpc"))?;
    let refused = controller.reload().and_then(|(status, _, wrong, _)| {
        let right = status == Some(2) && wrong.contains("flows.s1[0]") && wrong.contains("did you mean tcp");
        wait::ensure(right, || format!("exit status {status:?}, it says: {wrong}"))?;
        Ok(wrong.lines().next().unwrap_or_default().to_owned())
    });
    report.check("a file with a mistake is refused, and the command says where", refused);
    controller.hang_up(&config(VLANS, "to s2").replace("dl_vlan=v78,tcp", "dl_vlan=nobody,tcp"))?;
    let logged = controller.wait_log(Duration::from_secs(10), &["nobody", "flows.s1[0]"]);
    report.check("another one is refused on SIGHUP, and the log says where", logged.map(|_| String::new()));
    report.check("and nothing is sent", stays(&controller, before, 0));
    report.check("the rules are the same", same(&rules));

    controller.write_config(PLAIN_CONFIG)?;
    report.check("the rules are taken away", took(&controller, "removed"));
    let gone = wait::until(Duration::from_secs(20), || holds(0));
    report.check("none is left on the switch", gone.map(|()| String::new()));

    let summary = ping.stop()?;
    let whole = wait::ensure(summary.lost == 0 && summary.duplicates == 0, || summary.to_string());
    report.check("a ping every 10 ms loses nothing", whole.map(|()| summary.to_string()));
    let after = controller.metric(metric::CONNECTIONS, &[])?;
    let unanswered = wait::ensure(after == connections, || format!("{} connections more", after - connections));
    report.check("no switch has missed an answer and connected again", unanswered.map(|()| String::new()));
    Ok(())
}

/// `trunkline reload` says this, in under a second.
fn took(controller: &Controller, words: &str) -> Outcome {
    let (status, out, err, time) = controller.reload()?;
    wait::ensure(status == Some(0) && out.contains(words), || format!("exit status {status:?}: {out}{err}"))?;
    wait::ensure(time < Duration::from_secs(1), || format!("it took {:.2} s", time.as_secs_f64()))?;
    Ok(format!("{:.2} s", time.as_secs_f64()))
}

/// How many of the operator's rules s1 has: those of labels match the priority bits too.
fn holds(rules: u32) -> Result<(), Fail> {
    let is_his = |rule: &&String| rule.contains("dl_vlan=") && !rule.contains("dl_vlan_pcp=");
    let found = ovs::flows("s1")?.iter().filter(is_his).count();
    wait::ensure(found == rules as usize, || format!("{found} of {rules} rules are on the switch"))
}

fn same(rules: &[String]) -> Outcome {
    let now = ovs::flows("s1")?;
    wait::ensure(now == rules, || format!("{} rules before, {} now", rules.len(), now.len()))?;
    Ok(format!("{} flows", now.len()))
}

fn flow_mods(controller: &Controller) -> Result<f64, Fail> {
    controller.metric(metric::FLOW_MODS, &[])
}

/// After a while, so many flow-mods have been sent since.
fn stays(controller: &Controller, before: f64, more: u32) -> Outcome {
    wait::throughout(STILL, || {
        let sent = flow_mods(controller)? - before;
        wait::ensure(sent <= f64::from(more), || format!("{sent} flow-mods were sent"))
    })?;
    let sent = flow_mods(controller)? - before;
    wait::ensure(sent == f64::from(more), || format!("{sent} flow-mods were sent, not {more}"))?;
    Ok(format!("{more} flow-mods"))
}
