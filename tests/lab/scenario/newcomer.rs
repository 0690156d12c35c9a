//! A link that comes back, and by which packets would go round by the operator's rules, is not used: what runs loses nothing. Without the rules it is.

use std::time::Duration;

use super::wiring::{rows, text};
use super::{Lab, OPENFLOW, fabric_with, wait_discovered};
use crate::controller::{Controller, HTTP, metric};
use crate::fabric::{self, BRIDGES, LINKS, datapath_id};
use crate::ping::Ping;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// What is found, told and shown, is within this.
const LIMIT: Duration = Duration::from_secs(20);
/// So long it is looked whether something is lost.
const STILL: Duration = Duration::from_secs(2);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = fabric_with(lab, report, &config(false), OPENFLOW)?;
    // Of a fabric that was not there before everything is used at once.
    controller.kill();
    controller.start_again()?;
    wait_discovered(&mut controller, report)?;
    controller.wait_metric(LIMIT, metric::SETTLING, 0.0)?;

    fabric::cut("s4", "s1")?;
    controller.wait_metric(LIMIT, metric::LINKS, (LINKS.len() - 1) as f64)?;
    report.require("rules that are well without the link are taken on", reload(&controller, &config(true)))?;
    let [first, .., last] = &fabric.hosts[..] else { return Err("fewer than two hosts".into()) };
    let mut ping = Ping::start(&lab.directory, first, last.ipv4().into(), Duration::from_millis(1))?;
    ping.wait_established()?;
    fabric::mend("s4", "s1")?;
    report.check("the link is back, and withheld", state(lab, "withheld"));
    report.check(
        "why is told, with the rules",
        told(lab, &["is not used", "loop", "actions=output:1", "actions=output:2"]),
    );
    wait::throughout(STILL, || Ok(()))?;
    report.check("what is still withheld", state(lab, "withheld"));
    let summary = ping.stop()?;
    let kept = wait::ensure(summary.lost == 0 && summary.duplicates == 0, || summary.to_string());
    report.check("a ping every millisecond loses nothing", kept.map(|()| summary.to_string()));

    report.require("the rules are taken away", reload(&controller, &config(false)))?;
    report.check("the link is used", state(lab, "both"));
    report.check("which is told", told(lab, &["nothing goes wrong by the link any more"]));
    controller.ensure_running()
}

/// What is for the last host goes from s1 to s2 and on to s3, from where the link to s4 costs more than the way over s1. `has_rules` or one that is for nobody.
fn config(has_rules: bool) -> String {
    let switch = |name: &&str| format!("  {name}: {{ datapath_id: \"{:#x}\" }}\n", datapath_id(name));
    let switches: String = BRIDGES.iter().map(switch).collect();
    let rule = |out: u32| format!("[\"priority=50000,dl_dst=02:00:00:00:00:06,actions=output:{out}\"]");
    let rules = if has_rules { format!("  s1: {}\n  s2: {}\n", rule(1), rule(2)) } else { String::new() };
    format!(
        "openflow: {{ listen: [\"ptcp:6653:127.0.0.1\"] }}\nhttp: {{ listen: \"{HTTP}\" }}\nfabric: {{ probe_interval: 300ms }}\n\
         switches:\n{switches}paths: {{ metric: cost }}\nlinks: [{{ between: s3/3 - s4/3, cost: 3 }}]\n\
         flows:\n  all: [\"priority=9,udp,tp_dst=9,actions=drop\"]\n{rules}"
    )
}

fn reload(controller: &Controller, config: &str) -> Outcome {
    controller.write_config(config)?;
    let (status, out, err, _) = controller.reload()?;
    wait::ensure(status == Some(0) && out.contains("changed"), || format!("exit status {status:?}: {out}{err}"))?;
    Ok(String::new())
}

/// What is shown of the link between s1 and s4.
fn state(lab: &Lab, wanted: &str) -> Outcome {
    let binary = lab.binary.display().to_string();
    let outcome = wait::until(LIMIT, || {
        let links = rows(&binary, &["show", "links"])?;
        let link = links.iter().find(|link| [text(link, "switch"), text(link, "to_switch")] == ["s1", "s4"]);
        let link = link.ok_or_else(|| format!("{links:?}"))?;
        wait::ensure(text(link, "state") == wanted, || link.to_string())
    });
    outcome.map(|()| String::new())
}

/// An event says all this.
fn told(lab: &Lab, words: &[&str]) -> Outcome {
    let binary = lab.binary.display().to_string();
    wait::until(LIMIT, || {
        let events = rows(&binary, &["show", "events", "--kind", "verify"])?;
        let told = events.iter().map(|event| text(event, "what"));
        let found = told.clone().find(|what| words.iter().all(|word| what.contains(word)));
        found.map(str::to_owned).ok_or_else(|| format!("{events:?}"))
    })
}
