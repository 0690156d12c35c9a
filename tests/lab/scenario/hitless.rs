//! 100,000 rules on a switch, and nobody on the network notices that its controller dies, is away for a minute, or comes back with other rules.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::traffic::Transfer;
use super::{CONNECT_LIMIT, Lab, PLAIN_CONFIG, fabric_with, traffic, wait_discovered};
use crate::controller::{Controller, metric};
use crate::fabric::{BRIDGES, Fabric};
use crate::gate::Gate;
use crate::ovs;
use crate::ping::{Ping, Summary};
use crate::process::run_any;
use crate::report::{Fail, Outcome, Report};
use crate::stall::Watch;
use crate::wait;

/// The operator's rules on s1.
const RULES: u32 = 100_000;
/// From here on rules are others after the upgrade, and so many of them.
const OTHERS: u32 = 50_000;
const OTHERS_COUNT: u32 = 10;
/// A controller that starts again has read everything back after so long, or after [`RECONCILE_DUMPS`] times what `ovs-ofctl dump-flows` takes.
const RECONCILE_LIMIT: Duration = Duration::from_secs(3);
const RECONCILE_DUMPS: u32 = 3;
/// Where the bridges connect to: a gate before the controller.
const GATE: &str = "127.0.0.1:6659";
/// A restart during which this machine stands still is tried so often.
const ATTEMPTS: u32 = 4;
/// The controller is out of reach for so long.
const CUT: Duration = Duration::from_secs(60);
/// Traffic runs for so long around a restart: Open vSwitch tries to connect again after 1, 2, 4 and 8 seconds.
const ROUND_S: u32 = 12;
/// 250 datagrams a second: no userspace switch of this size loses one by itself.
const UDP_RATE: &str = "2M";
/// Rules must be on the switch, or be the same again, after this.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How long it is looked whether something is sent that should not be.
const STILL: Duration = Duration::from_secs(2);

/// Rules for so many addresses of 172.16.0.0/12; `other` marks those that are different after the upgrade.
fn config(other: bool) -> String {
    let mut text = PLAIN_CONFIG.to_owned();
    text.push_str("switches:\n  s1: { datapath_id: \"0x1\" }\nflows:\n  s1:\n    - |\n");
    for number in 0..RULES {
        let [_, a, b, c] = (0xac10_0000 + number).to_be_bytes();
        let is_other = other && (OTHERS..OTHERS + OTHERS_COUNT).contains(&number);
        let action = if is_other { "goto_table:1" } else { "drop" };
        let _ = writeln!(text, "      priority=100,ip,nw_dst=172.{a}.{b}.{c},actions={action}");
    }
    text
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let gate = Gate::start(GATE, "127.0.0.1:6653")?;
    let (mut fabric, mut controller) = fabric_with(lab, report, &config(false), &format!("tcp:{GATE}"))?;
    let there = wait::until(SETTLE_LIMIT, || holds("drop", RULES));
    report.require("100,000 rules are on the switch", there.map(|()| String::new()))?;
    wait::throughout(STILL, || Ok(()))?;

    let calm = Traffic::start(lab, &fabric)?.finish()?;
    report.figure(format!("without a restart: {}", calm.text()));
    let start = Instant::now();
    ovs::flows("s1")?;
    let dump = start.elapsed();
    report.figure(format!("ovs-ofctl dump-flows takes {} ms", dump.as_millis()));
    let limit = RECONCILE_LIMIT.max(dump * RECONCILE_DUMPS);
    for round in 1..=lab.mode.pick(2, 20) {
        let mut attempt = 1;
        loop {
            let watch = Watch::start();
            let checks = restart(lab, report, &fabric, &mut controller, &calm, limit)?;
            let seen = watch.seen();
            let failed: Vec<&Fail> = checks.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect();
            if failed.is_empty() || !seen.stood_still() || attempt == ATTEMPTS {
                for (what, outcome) in checks {
                    report.check(&format!("restart {round}: {what}"), outcome);
                }
                break;
            }
            // The lab's own senders make up for the time, and what comes all at once is lost for its own sake.
            report.figure(format!("restart {round}: again, for this machine stood still ({seen}): {failed:?}"));
            attempt += 1;
        }
    }
    report.require("hosts reach each other", traffic::wait_reachable(&fabric))?;
    silent_hosts(report, &fabric, &mut controller)?;
    cut(lab, report, &fabric, &mut controller, &gate)?;
    upgrade(lab, report, &fabric, &mut controller, &calm, limit)?;
    switch_restarts(report, &mut fabric)
}

/// The controller is killed and started again while traffic runs.
fn restart(
    lab: &Lab,
    report: &mut Report,
    fabric: &Fabric,
    controller: &mut Controller,
    calm: &Seen,
    limit: Duration,
) -> Result<Vec<(&'static str, Outcome)>, Fail> {
    // Who is silent for five minutes is forgotten, and twenty rounds take longer.
    let reached = traffic::wait_reachable(fabric);
    let traffic = Traffic::start(lab, fabric)?;
    controller.kill();
    controller.start_again()?;
    let read_back = read_back(controller, limit);
    wait_discovered(controller, report)?;
    let hosts = hosts(controller, fabric);
    let sent = sent(controller, 0.0);
    // Not while something runs: a switch that writes 100,000 rules in one answer forwards nothing the while.
    let seen = traffic.finish()?.no_worse_than(calm);
    let there = holds("drop", RULES).map(|()| String::new());
    Ok(vec![
        ("hosts reach each other", reached),
        ("all rules are read back in time", read_back),
        ("hosts are known from their rules", hosts),
        ("no flow-mod is sent", sent),
        ("nothing is lost", seen),
        ("the rules are there", there),
    ])
}

/// A host that says nothing at all is known after a restart, and can be reached at once.
fn silent_hosts(report: &mut Report, fabric: &Fabric, controller: &mut Controller) -> Result<(), Fail> {
    controller.kill();
    controller.start_again()?;
    wait_discovered(controller, report)?;
    let known = hosts(controller, fabric);
    report.check("hosts that say nothing are known after a restart", known);
    let silent = fabric.ping_all(false)?;
    let reached = wait::ensure(silent.is_empty(), || format!("no answer: {}", silent.join(", ")));
    report.check("and the first packet to each arrives", reached.map(|()| String::new()));
    Ok(())
}

/// The way to the controller is cut without a word, for longer than both sides wait for an answer.
fn cut(lab: &Lab, report: &mut Report, fabric: &Fabric, controller: &mut Controller, gate: &Gate) -> Result<(), Fail> {
    let away = lab.mode.pick(CUT / 3, CUT);
    let mut ping =
        Ping::start(&lab.directory, &fabric.hosts[0], fabric.hosts[3].ipv4().into(), Duration::from_millis(1))?;
    ping.wait_established()?;
    let before = controller.metric(metric::FLOW_MODS, &[])?;
    gate.set_shut(true);
    let noticed = wait::until(away, || {
        wait::ensure(controller.metric(metric::SWITCHES, &[])? == 0.0, || "it believes that it has its switches".into())
    });
    report.check("the controller notices that its switches are out of reach", noticed.map(|()| String::new()));
    wait::throughout(away, || Ok(()))?;
    gate.set_shut(false);
    wait_discovered(controller, report)?;
    report.check("the way is open again: no flow-mod is sent", sent(controller, before));
    report.check("a ping every millisecond loses nothing", lossless(&ping.stop()?));
    report.check("the rules are there", holds("drop", RULES).map(|()| String::new()));
    Ok(())
}

/// The controller ends, and starts with a file in which ten rules are others.
fn upgrade(
    lab: &Lab,
    report: &mut Report,
    fabric: &Fabric,
    controller: &mut Controller,
    calm: &Seen,
    limit: Duration,
) -> Result<(), Fail> {
    let traffic = Traffic::start(lab, fabric)?;
    controller.terminate()?;
    controller.write_config(&config(true))?;
    controller.start_again()?;
    report.check("upgrade: all rules are read back in time", read_back(controller, limit));
    wait_discovered(controller, report)?;
    report.check("upgrade: only ten rules are sent", sent(controller, f64::from(OTHERS_COUNT)));
    report.check("upgrade: nothing is lost", traffic.finish()?.no_worse_than(calm));
    let there = holds("goto_table:1", OTHERS_COUNT).and_then(|()| holds("drop", RULES - OTHERS_COUNT));
    report.check("upgrade: ten rules are others", there.map(|()| String::new()));
    Ok(())
}

/// The switch ends and has lost all rules.
fn switch_restarts(report: &mut Report, fabric: &mut Fabric) -> Result<(), Fail> {
    fabric.ovs.restart()?;
    let connected = wait::until(CONNECT_LIMIT, || {
        for bridge in BRIDGES {
            wait::ensure(ovs::is_connected(bridge)?, || format!("{bridge} is not connected"))?;
        }
        Ok(())
    });
    report.require("Open vSwitch ended and is back", connected.map(|()| String::new()))?;
    let start = Instant::now();
    let there = wait::until(SETTLE_LIMIT, || {
        holds("goto_table:1", OTHERS_COUNT)?;
        holds("drop", RULES - OTHERS_COUNT)
    });
    let took = format!("{:.1} s after it was connected", start.elapsed().as_secs_f64());
    report.check("it has all 100,000 rules again", there.map(|()| took));
    report.check("hosts reach each other", traffic::wait_reachable(fabric));
    Ok(())
}

/// What runs across a restart: pings each millisecond, and UDP.
struct Traffic {
    pings: [Ping; 2],
    transfer: Transfer,
}

/// What became of it.
struct Seen {
    pings: [Summary; 2],
    datagrams: u64,
    lost: u64,
}

impl Traffic {
    fn start(lab: &Lab, fabric: &Fabric) -> Result<Traffic, Fail> {
        let hosts = &fabric.hosts;
        let interval = Duration::from_millis(1);
        let mut pings = [
            Ping::start(&lab.directory, &hosts[0], hosts[1].ipv4().into(), interval)?,
            Ping::start(&lab.directory, &hosts[0], hosts[3].ipv4().into(), interval)?,
        ];
        for ping in &mut pings {
            ping.wait_established()?;
        }
        let transfer = Transfer::start_udp(&lab.directory, &hosts[1], &hosts[2], ROUND_S, UDP_RATE)?;
        Ok(Traffic { pings, transfer })
    }

    fn finish(self) -> Result<Seen, Fail> {
        let throughput = self.transfer.finish()?;
        let [first, second] = self.pings;
        Ok(Seen { pings: [first.stop()?, second.stop()?], datagrams: throughput.packets, lost: throughput.lost })
    }
}

impl Seen {
    fn text(&self) -> String {
        let [first, second] = &self.pings;
        format!("pings {first}; {second}; UDP {} of {} lost", self.lost, self.datagrams)
    }

    /// No ping is lost, and no more datagrams than in a run in which nothing happened.
    fn no_worse_than(&self, calm: &Seen) -> Outcome {
        self.pings.iter().try_for_each(|summary| lossless(summary).map(drop))?;
        wait::ensure(self.datagrams > 0 && self.lost <= calm.lost, || self.text())?;
        Ok(self.text())
    }
}

fn lossless(summary: &Summary) -> Outcome {
    wait::ensure(summary.lost == 0 && summary.duplicates == 0, || summary.to_string())?;
    Ok(summary.to_string())
}

/// How many of the operator's rules on s1 do this.
fn holds(action: &str, rules: u32) -> Result<(), Fail> {
    let end = format!("actions={action}");
    let flows = ovs::flows("s1")?;
    let found = flows.iter().filter(|rule| rule.contains("nw_dst=172.") && rule.ends_with(&end)).count();
    wait::ensure(found == rules as usize, || format!("{found} of {rules} rules with {end} are on the switch"))
}

/// What the controller says of reading s1 back, in time.
fn read_back(controller: &mut Controller, limit: Duration) -> Outcome {
    let line = controller.wait_log(CONNECT_LIMIT, &["switch connected", "dpid=0000000000000001", "took_ms="])?;
    let took = line.split_once("took_ms=").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    let took = took.ok_or_else(|| format!("no time in “{line}”"))?;
    wait::ensure(Duration::from_millis(took) < limit, || format!("{took} ms, not less than {}", limit.as_millis()))?;
    Ok(format!("{took} ms"))
}

/// All hosts are known, whether they say something or not.
fn hosts(controller: &mut Controller, fabric: &Fabric) -> Outcome {
    let all = controller.wait_metric(Duration::from_secs(5), metric::HOSTS, fabric.hosts.len() as f64)?;
    let binary = controller.binary().display().to_string();
    let (status, out, err) = run_any(10, &binary, &["show", "hosts", "-o", "csv"])?;
    wait::ensure(status.success(), || err.clone())?;
    for host in &fabric.hosts {
        let mac = format!("02:00:00:00:00:{:02x}", host.number);
        wait::ensure(out.contains(&mac), || format!("{mac} is not among them: {out}"))?;
    }
    Ok(format!("{} hosts after {:.1} s", fabric.hosts.len(), all.as_secs_f64()))
}

/// After a while, the controller has sent so many flow-mods.
fn sent(controller: &mut Controller, flow_mods: f64) -> Outcome {
    controller.wait_metric(SETTLE_LIMIT, metric::SETTLING, 0.0)?;
    wait::throughout(STILL, || Ok(()))?;
    let sent = controller.metric(metric::FLOW_MODS, &[])?;
    wait::ensure(sent == flow_mods, || format!("{sent} flow-mods, not {flow_mods}"))?;
    Ok(String::new())
}
