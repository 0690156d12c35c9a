//! Mininet as its users start it, against a controller that has no configuration file.

use super::Lab;
use crate::controller::Controller;
use crate::ovs::Ovs;
use crate::process::run_any;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// A whole `mn` run, topology up and down again.
const LIMIT_S: u32 = 60;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let mut controller = Controller::start(&lab.directory, &lab.binary, None)?;
    let _ovs = Ovs::start(&lab.directory)?;
    for topology in lab.mode.pick(vec!["tree,2"], vec!["tree,2", "linear,4", "single,8", "tree,2"]) {
        report.show(format!("mn --topo {topology} --test pingall"));
        report.check(&format!("mn --topo {topology} --test pingall drops nothing"), pingall(lab, topology));
        controller.ensure_running()?;
    }
    Ok(())
}

/// One `mn --test pingall`: nothing dropped.
fn pingall(lab: &Lab, topology: &str) -> Outcome {
    let switch = "ovs,datapath=user,protocols=OpenFlow13";
    let arguments = ["--topo", topology, "--switch", switch, "--controller", "remote,port=6653", "--test", "pingall"];
    let (status, output, errors) = run_any(LIMIT_S, "mn", &arguments)?;
    let text = format!("{output}{errors}");
    let log = lab.directory.join("mininet.log");
    std::fs::write(&log, &text).map_err(|error| format!("{}: {error}", log.display()))?;
    wait::ensure(status.success(), || format!("mn: {status}"))?;
    let results = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("*** Results: "))
        .ok_or_else(|| "mn printed no results".to_owned())?;
    wait::ensure(results.starts_with("0% dropped"), || results.to_owned())?;
    Ok(results.to_owned())
}
