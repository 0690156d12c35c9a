//! Bridges that wait for their controller: it connects to them, over TCP and a Unix socket, and again when they were away.

use std::time::Duration;

use super::{CONNECT_LIMIT, Lab};
use crate::controller::{Controller, metric};
use crate::ovs::{self, Ovs};
use crate::report::{Fail, Report};

/// The listeners of the bridges.
const CONFIG: &str = "\
openflow:
  listen: [\"ptcp:6653:127.0.0.1\"]
  connect: [\"tcp:127.0.0.1:6634\", \"unix:/var/run/openvswitch/s2.controller\"]
http: { listen: \"127.0.0.1:9653\" }
";

/// Time to come back after Open vSwitch was away: the dialler's pauses between attempts are seconds.
const RETURN_LIMIT: Duration = Duration::from_secs(30);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    // The controller is there first: it has to try until the bridges are.
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(CONFIG))?;
    let mut ovs = Ovs::start(&lab.directory)?;
    ovs::add_bridge("s1", 1, "ptcp:6634:127.0.0.1")?;
    ovs::add_bridge("s2", 2, "punix:/var/run/openvswitch/s2.controller")?;
    let both = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 2.0);
    let after = |time: Duration| format!("after {:.1} s", time.as_secs_f64());
    report.require("a bridge with ptcp: and one with punix: are connected", both.map(after))?;
    report.check("their rules are there", rules(&["s1", "s2"]));

    for round in 1..=lab.mode.pick(1, 5) {
        ovs.restart()?;
        let back = controller.wait_metric(RETURN_LIMIT, metric::SWITCHES, 2.0);
        report.check(&format!("restart {round}: both are connected again"), back.map(after));
        report.check(&format!("restart {round}: their rules are there again"), rules(&["s1", "s2"]));
    }
    ovs::vsctl(&["del-br", "s2"])?;
    let one = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("a removed bridge is gone", one.map(after));
    let (status, took) = controller.terminate()?;
    let ended = if status.success() { Ok(after(took)) } else { Err(status.to_string()) };
    report.check("the controller stops while it dials", ended);
    Ok(())
}

/// Waits until the controller's rules are on these bridges: a connected bridge without them would be no use.
fn rules(bridges: &[&str]) -> Result<String, Fail> {
    crate::wait::until(Duration::from_secs(20), || {
        let mut count = 0;
        for bridge in bridges {
            let flows = ovs::flows(bridge)?;
            crate::wait::ensure(!flows.is_empty(), || format!("{bridge} has no flows"))?;
            count += flows.len();
        }
        Ok(format!("{count} flows"))
    })
}
