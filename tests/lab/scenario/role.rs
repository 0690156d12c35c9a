//! Two controllers that both want to be master (OpenFlow 1.3.5 §6.3.6): the one with the newer generation is, the other stands by and
//! changes nothing, and has the switch back when it comes again.

use std::time::Duration;

use super::{CONNECT_LIMIT, Lab};
use crate::controller::{Controller, metric};
use crate::ovs::{self, Ovs};
use crate::process::Daemon;
use crate::report::{Fail, Report};
use crate::wait;

const FIRST: &str = "\
openflow: { listen: [\"ptcp:6653:127.0.0.1\"], role: master }
http: { listen: \"127.0.0.1:9653\" }
";

const SECOND: &str = "\
openflow: { listen: [\"ptcp:6654:127.0.0.1\"], role: master }
http: { listen: \"127.0.0.1:9654\" }
";

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let mut first = Controller::start(&lab.directory, &lab.binary, Some(FIRST))?;
    let _ovs = Ovs::start(&lab.directory)?;
    ovs::add_bridge("s1", 1, "tcp:127.0.0.1:6653")?;
    let up = first.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.require("the first controller has the switch", up.map(|_| String::new()))?;
    report.check("Open vSwitch calls it master", roles(&[("tcp:127.0.0.1:6653", "master")]));
    let flows = wait::until(CONNECT_LIMIT, || {
        let flows = ovs::flows("s1")?;
        wait::ensure(flows.len() > 3, || format!("{flows:?}"))?;
        Ok(flows)
    })?;

    let file = lab.directory.join("second.yaml");
    std::fs::write(&file, SECOND).map_err(|error| error.to_string())?;
    let (binary, file) = (lab.binary.display().to_string(), file.display().to_string());
    let mut second = Daemon::start(&lab.directory, "second", &[&binary, "run", &file])?;
    ovs::vsctl(&["set-controller", "s1", "tcp:127.0.0.1:6653", "tcp:127.0.0.1:6654"])?;
    let both = [("tcp:127.0.0.1:6653", "slave"), ("tcp:127.0.0.1:6654", "master")];
    report.check("the second one comes with a newer generation and is master", roles(&both));
    let said = first.wait_log(Duration::from_secs(5), &["another controller is master now"]);
    report.check("the first one stands by and says so", said.map(|_| String::new()));
    report.check(
        "and counts the switch out",
        first.wait_metric(Duration::from_secs(5), metric::SWITCHES, 0.0).map(|_| String::new()),
    );
    let same = wait::throughout(Duration::from_secs(1), || {
        let now = ovs::flows("s1")?;
        wait::ensure(now == flows, || format!("{flows:?} became {now:?}"))
    });
    report.check("the rules are as they were: both want the same", same.map(|()| String::new()));

    second.signal("TERM")?;
    second.wait(Duration::from_secs(15))?;
    first.terminate()?;
    first.start_again()?;
    let master = [("tcp:127.0.0.1:6653", "master")];
    report.check("started again, the first one has a newer generation and is master", roles(&master));
    let up = first.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("and has the switch", up.map(|_| String::new()));
    let same = wait::throughout(Duration::from_secs(1), || {
        let now = ovs::flows("s1")?;
        wait::ensure(now == flows, || format!("{flows:?} became {now:?}"))
    });
    report.check("and the rules are still the same", same.map(|()| String::new()));
    Ok(())
}

/// Waits until Open vSwitch's database says that these targets have these roles.
fn roles(wanted: &[(&str, &str)]) -> Result<String, Fail> {
    wait::until(CONNECT_LIMIT, || {
        let rows = ovs::vsctl(&["--format=csv", "--no-headings", "--columns=target,role", "list", "controller"])?;
        let rows = rows.replace('"', "");
        for (target, role) in wanted {
            wait::ensure(rows.lines().any(|row| row == format!("{target},{role}")), || rows.trim().to_owned())?;
        }
        Ok(rows.trim().replace('\n', "; "))
    })
}
