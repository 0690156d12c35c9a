//! The controller dies and comes back. What forwards goes on forwarding: not one packet of an established flow is lost.

use std::time::Duration;

use super::traffic::Transfer;
use super::{Lab, wait_discovered, working_fabric};
use crate::controller::{Controller, metric};
use crate::fabric::Fabric;
use crate::ping::Ping;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// Pairs of host numbers: near and far, both address families below.
const PAIRS: [(usize, usize); 4] = [(1, 2), (1, 4), (3, 6), (5, 2)];

/// The rules must be the same again after this: ports have settled and expected links were seen.
const SETTLE_LIMIT: Duration = Duration::from_secs(40);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = working_fabric(lab, report)?;
    for round in 1..=lab.mode.pick(2, 20) {
        one(lab, report, &fabric, &mut controller, round)?;
    }
    Ok(())
}

/// One crash and one start, with pings at 2 ms and a TCP flow across it.
fn one(lab: &Lab, report: &mut Report, fabric: &Fabric, controller: &mut Controller, round: u32) -> Result<(), Fail> {
    let before = stable_rules(fabric)?;
    let mut pings = Vec::new();
    for (number, (from, to)) in PAIRS.into_iter().enumerate() {
        let (from, to) = (&fabric.hosts[from - 1], &fabric.hosts[to - 1]);
        let target = if number % 2 == 0 { to.ipv4().into() } else { to.ipv6().into() };
        let interval = Duration::from_millis(if number == 0 { 1 } else { 5 });
        pings.push(Ping::start(&lab.directory, from, target, interval)?);
    }
    for ping in &mut pings {
        ping.wait_established()?;
    }
    let transfer = Transfer::start(&lab.directory, &fabric.hosts[5], &fabric.hosts[2], 6, Some("20M"))?;

    report.show(format!("restart {round}: SIGKILL to the controller while pings and a TCP flow run"));
    controller.kill();
    // A while without any controller: the bridges must go on by themselves.
    let fine = wait::throughout(Duration::from_secs(1), || Ok(()));
    fine?;
    controller.start_again()?;
    wait_discovered(controller, report)?;
    let same = wait::until(SETTLE_LIMIT, || difference(&before, &fabric.rules()?));
    let rules = before.len();
    report.check(
        &format!("restart {round}: flows and groups are the same as before"),
        same.map(|()| format!("{rules} rules")),
    );
    let hosts = controller.wait_metric(Duration::from_secs(15), metric::HOSTS, fabric.hosts.len() as f64);
    report.check(&format!("restart {round}: the hosts are known again"), hosts.map(|_| String::new()));

    for ping in pings {
        let outcome = ping.stop().and_then(|summary| {
            let whole = summary.lost == 0 && summary.duplicates == 0;
            wait::ensure(whole, || summary.to_string())?;
            Ok(summary.to_string())
        });
        report.check(&format!("restart {round}: an established ping loses nothing"), outcome);
    }
    report.check(&format!("restart {round}: TCP goes on"), steady(transfer));
    Ok(())
}

/// The rules, once they have not changed for two seconds.
fn stable_rules(fabric: &Fabric) -> Result<Vec<String>, Fail> {
    wait::until(Duration::from_secs(20), || {
        let first = fabric.rules()?;
        wait::throughout(Duration::from_secs(2), || Ok(()))?;
        difference(&first, &fabric.rules()?)?;
        wait::ensure(!first.is_empty(), || "the bridges hold no rules".into())?;
        Ok(first)
    })
}

/// Says which rules are missing or new.
fn difference(before: &[String], after: &[String]) -> Result<(), Fail> {
    let missing: Vec<&String> = before.iter().filter(|rule| !after.contains(rule)).collect();
    let new: Vec<&String> = after.iter().filter(|rule| !before.contains(rule)).collect();
    let example = |rules: &[&String]| rules.first().map_or(String::new(), |rule| format!(" such as “{rule}”"));
    wait::ensure(missing.is_empty() && new.is_empty(), || {
        format!("{} rules are missing{}, {} are new{}", missing.len(), example(&missing), new.len(), example(&new))
    })
}

/// No tenth of a second in which nothing moved.
fn steady(transfer: Transfer) -> Outcome {
    let throughput = transfer.finish()?;
    let seen = format!(
        "{:.0} Mbit/s, worst tenth of a second {:.0} Mbit/s, {} retransmits",
        throughput.megabits, throughput.worst_megabits, throughput.retransmits
    );
    wait::ensure(throughput.worst_megabits > 0.0, || seen.clone())?;
    Ok(seen)
}
