//! A switch between ours that is not ours: a bridge of the kernel's between two bridges of Open vSwitch, beside a cable. It lets no LLDP through; what
//! broadcasts find across it is a link, marked, and no loop.

use std::time::Duration;

use serde_json::Value;

use super::{CONNECT_LIMIT, Lab, OPENFLOW};
use crate::controller::{Controller, HTTP, metric};
use crate::hosts::Host;
use crate::ovs::{self, Ovs};
use crate::process::{run as command, run_any, run_lines};
use crate::report::{Fail, Outcome, Report};
use crate::wait;

const CONFIG: &str = "\
openflow: { listen: [\"ptcp:6653:127.0.0.1\"] }
http: { listen: \"127.0.0.1:9653\" }
fabric: { broadcast_probes: true }
";
/// A link is found within a dwell, and a silent one is missed after three probes.
const LINK_LIMIT: Duration = Duration::from_secs(15);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    // The ports have to be probed from the first moment on: a host that is seen at one of them keeps it from being a link.
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(CONFIG))?;
    let _ovs = Ovs::start(&lab.directory)?;
    let hosts = build()?;
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 2.0);
    report
        .require("both switches are connected", connected.map(|time| format!("after {:.1} s", time.as_secs_f64())))?;
    let binary = lab.binary.display().to_string();
    report.require("the link across the bridge is found and marked, and the cable is not", both_links(&binary))?;
    report.require("hosts reach each other", wait::until(LINK_LIMIT, || pings(&hosts)))?;
    report.check("a broadcast comes once", once(&hosts));
    let drawing = command(&binary, &["show", "links", "-o", "dot", "--at", HTTP]);
    let drawn = drawing.and_then(|text| {
        let lines = (text.matches(" -- ").count(), text.matches("style=dotted").count());
        wait::ensure(text.starts_with("graph ") && lines == (2, 1), || text)?;
        Ok("two links, one of them dotted".to_owned())
    });
    report.check("both are drawn", drawn);
    run_lines("ip link set s1-s2 down")?;
    report.check(
        "over the bridge alone they still do",
        wait::until(LINK_LIMIT, || {
            let links = links(&binary)?;
            wait::ensure(links.len() == 1, || format!("{links:?}"))?;
            pings(&hosts)
        }),
    );
    run_lines("ip link set s1-s2 up")?;
    report.require("and the cable is found again", both_links(&binary))?;
    // The far end keeps its carrier: nobody but the probes can tell.
    run_lines("ip link set lb-s1 down")?;
    report.check(
        "over the cable alone, too",
        wait::until(LINK_LIMIT, || {
            let links = links(&binary)?;
            wait::ensure(links.len() == 1, || format!("{links:?}"))?;
            pings(&hosts)
        }),
    );
    controller.ensure_running()
}

/// Two switches with a host each, joined by a cable, and by a bridge without spanning tree.
fn build() -> Result<Vec<Host>, Fail> {
    run_lines(
        "ip link add lb type bridge stp_state 0 mcast_snooping 0
         ip link set lb up
         ip link add s1-s2 type veth peer name s2-s1
         ip link set s1-s2 up
         ip link set s2-s1 up",
    )?;
    let mut hosts = Vec::new();
    for (number, bridge) in (1..).zip(["s1", "s2"]) {
        ovs::add_bridge(bridge, u64::from(number), OPENFLOW)?;
        run_lines(&format!(
            "ip link add {bridge}-lb type veth peer name lb-{bridge}
             ip link set lb-{bridge} master lb
             ip link set {bridge}-lb up
             ip link set lb-{bridge} up"
        ))?;
        ovs::add_port(bridge, &format!("{bridge}-lb"), 1)?;
        ovs::add_port(bridge, if number == 1 { "s1-s2" } else { "s2-s1" }, 2)?;
        let host = Host::new(number, bridge);
        host.create()?;
        ovs::add_port(bridge, &host.port(), 10)?;
        hosts.push(host);
    }
    Ok(hosts)
}

/// The links that carry traffic, as `show links` has them.
fn links(binary: &str) -> Result<Vec<Value>, Fail> {
    let text = command(binary, &["show", "links", "--at", HTTP, "-o", "json"])?;
    let rows: Result<Vec<Value>, Fail> =
        text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))).collect();
    let carries = |row: &Value| row.get("state").and_then(Value::as_str) == Some("both");
    Ok(rows?.into_iter().filter(carries).collect())
}

fn both_links(binary: &str) -> Outcome {
    wait::until(LINK_LIMIT, || {
        let links = links(binary)?;
        let of = |port: &str| links.iter().find(|row| row.get("port").and_then(Value::as_str) == Some(port));
        let marked = |port: &str| of(port).and_then(|row| row.get("via_others")).and_then(Value::as_bool);
        wait::ensure(marked("1") == Some(true) && marked("2") == Some(false), || format!("{links:?}"))?;
        Ok("via_others: true and false".to_owned())
    })
}

fn pings(hosts: &[Host]) -> Outcome {
    for (from, to) in [(0, 1), (1, 0)] {
        let (Some(from), Some(to)) = (hosts.get(from), hosts.get(to)) else { continue };
        let target = to.ipv4().to_string();
        let words = from.command(&["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", &target]);
        let (program, arguments) = words.split_first().ok_or("nothing to run")?;
        let (status, output, _) = run_any(10, program, arguments)?;
        wait::ensure(status.success() && !output.contains("DUP!"), || output)?;
    }
    Ok(String::new())
}

/// A ping to everybody, of which the other host hears one copy each.
fn once(hosts: &[Host]) -> Outcome {
    let (Some(from), Some(to)) = (hosts.first(), hosts.get(1)) else { return Err("no hosts".to_owned()) };
    let answers = to.command(&["sysctl", "-q", "-w", "net.ipv4.icmp_echo_ignore_broadcasts=0"]);
    let (program, arguments) = answers.split_first().ok_or("nothing to run")?;
    command(program, arguments)?;
    let words = from.command(&["ping", "-n", "-b", "-c", "3", "-i", "0.2", "-W", "1", "10.0.0.255"]);
    let (program, arguments) = words.split_first().ok_or("nothing to run")?;
    let (status, output, _) = run_any(10, program, arguments)?;
    let answers = output.matches("bytes from 10.0.0.2").count();
    wait::ensure(status.success() && answers == 3 && !output.contains("DUP!"), || output)?;
    Ok(format!("{answers} answers to 3 pings"))
}
