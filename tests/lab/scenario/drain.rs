//! Maintenance: links and a switch are drained and taken back while numbered datagrams pass every 5 ms between all pairs. None is lost, and what is drained is
//! left by all of them.

use std::time::Duration;

use super::healing::Shape;
use super::{CONNECT_LIMIT, Lab, PLAIN_CONFIG};
use crate::controller::{Controller, metric};
use crate::ovs;
use crate::prober;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// How long it is watched after a change.
const WATCH: Duration = Duration::from_secs(1);
/// Packets that leave a port of a link that nobody uses in that time: probes in both directions, and questions.
const PROBES: u64 = 40;

/// What is drained: a link, by its number, or a switch.
#[derive(Clone, Copy)]
enum Drained {
    Nothing,
    Link(usize),
    Switch(usize),
}

/// The plain configuration with all switches and links by name.
fn config(shape: &Shape, drained: Drained, metric: &str) -> String {
    let mut text = format!("{PLAIN_CONFIG}paths: {{ metric: {metric} }}\nswitches:\n");
    for switch in 1..=shape.bridges {
        let drain = matches!(drained, Drained::Switch(n) if n == switch);
        text.push_str(&format!("  s{switch}: {{ datapath_id: \"{switch:#x}\", drain: {drain} }}\n"));
    }
    text.push_str("links:\n");
    for (link, (a, b)) in shape.links.iter().enumerate() {
        let (port, drain) = (link + 1, matches!(drained, Drained::Link(n) if n == link));
        text.push_str(&format!("- {{ between: s{a}/{port} - s{b}/{port}, cost: {}, drain: {drain} }}\n", 1 + link % 3));
    }
    text
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let shape = Shape::ring_with_chord();
    let start = config(&shape, Drained::Nothing, "hops");
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&start))?;
    let (_ovs, hosts) = shape.build(lab)?;
    let took = |time: Duration| format!("after {:.1} s", time.as_secs_f64());
    let switches = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, shape.bridges as f64);
    report.require("all bridges are connected", switches.map(took))?;
    let links = controller.wait_metric(CONNECT_LIMIT, metric::LINKS, shape.links.len() as f64);
    report.require("all links are discovered", links.map(took))?;
    let mut probers = shape.probers(lab, &hosts)?;
    report.require(
        "every pair is heard",
        prober::wait_all_heard(&mut probers).map(|()| format!("{} pairs", shape.pairs.len())),
    )?;
    wait::throughout(WATCH, || Ok(()))?;

    let (mut changes, mut lost) = (0, 0);
    for round in 0..lab.mode.pick(1, 10) {
        let metric = ["hops", "cost"][round % 2];
        let links = (0..shape.links.len()).map(Drained::Link);
        for drained in links.chain((1..=shape.bridges).map(Drained::Switch)) {
            let words = match drained {
                Drained::Nothing => continue,
                Drained::Link(link) => format!("the link s{}–s{}", shape.links[link].0, shape.links[link].1),
                Drained::Switch(switch) => format!("the switch s{switch}"),
            };
            for (now, done) in [(drained, "is drained"), (Drained::Nothing, "is taken back")] {
                let before = prober::now();
                controller.write_config(&config(&shape, now, metric))?;
                let taken = reload(&controller);
                wait::throughout(WATCH, || Ok(()))?;
                let idle = match now {
                    Drained::Link(link) => is_left(&shape, link),
                    _ => Ok(String::new()),
                };
                let heard = prober::wait_all_heard(&mut probers);
                let felt = prober::felt(&probers, before);
                let what = format!("{words} {done}: nothing is lost");
                if felt.lost > 0
                    && let Some(stall) = prober::longest_stall(&probers, before)
                {
                    let stall = stall.as_millis();
                    report.skip(
                        &what,
                        &format!("this machine is too busy: who sends or forwards was kept from it for {stall} ms"),
                    );
                    continue;
                }
                (changes, lost) = (changes + 1, lost + felt.lost);
                let kept = wait::ensure(felt.lost == 0, || {
                    format!("{} lost, {:.1} ms", felt.lost, felt.longest.as_secs_f64() * 1e3)
                });
                let outcome = taken.and(heard).and(kept).and(idle);
                if lab.mode.pick(true, false) || outcome.is_err() {
                    report.check(&what, outcome);
                }
            }
        }
    }
    report.figure(format!("{changes} changes, {} pairs at 200 datagrams a second: {lost} lost", shape.pairs.len()));
    controller.ensure_running()
}

fn reload(controller: &Controller) -> Result<(), Fail> {
    let (status, out, err, _) = controller.reload()?;
    wait::ensure(status == Some(0) && out.contains("changed"), || format!("exit status {status:?}: {out}{err}"))
}

/// Nothing but probes goes over it.
fn is_left(shape: &Shape, link: usize) -> Outcome {
    let sent = || ovs::packets_sent(&format!("s{}", shape.links[link].0), link as u32 + 1);
    let before = sent()?;
    wait::throughout(WATCH, || Ok(()))?;
    let packets = sent()?.saturating_sub(before);
    wait::ensure(packets <= PROBES, || format!("{packets} packets in a second on the drained link"))?;
    Ok(format!("{packets} packets in a second on it"))
}
