//! BFD by the switches' database: it comes up on every link, tells that a silent link is dead long before probes would, stays while it is dead, and is
//! taken back without a trace. Other people's keys are as they were.

use std::time::{Duration, Instant};

use super::{Lab, OPENFLOW, PLAIN_CONFIG, fabric_with};
use crate::controller::{Controller, metric};
use crate::fabric::{self, LINKS};
use crate::ovs;
use crate::process;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// Sessions start one after the other, each within some seconds.
const UP_LIMIT: Duration = Duration::from_secs(60);
/// A silent link is down by then: BFD needs 150 ms, the metrics are as of the last half second, and probes would need 3 s.
const SILENT_LIMIT: Duration = Duration::from_millis(1_500);
const LIMIT: Duration = Duration::from_secs(15);

fn config(bfd: bool) -> String {
    let plain = PLAIN_CONFIG.replace("probe_interval: 300ms", "probe_interval: 1s");
    format!(
        "{plain}ovsdb:\n  connections: [\"unix:/run/openvswitch/db.sock\"]\n  \
         bfd: {{ enabled: {bfd}, min_tx: 50ms, min_rx: 50ms, mult: 3 }}\n"
    )
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (mut fabric, mut controller) = fabric_with(lab, report, &config(false), OPENFLOW)?;
    let connected = is_connected(&controller);
    report.require("the database is connected", connected)?;
    let note = ["external_ids:owner=lab", "bfd:check_tnl_key=false"];
    ovs::vsctl(&["set", "interface", "s1-s2", note[0], note[1]])?;

    reload(&controller, true)?;
    report.require("BFD comes up on all links, one after the other", all_up(&controller, UP_LIMIT))?;
    report.check("the switch says the same at every port", at_all_ends("bfd_status:state", "up"));
    let links = controller.wait_metric(LIMIT, metric::LINKS, LINKS.len() as f64);
    report.check("all links are in use", links.map(|_| String::new()));
    report.check("commands show it", shown(&controller));

    for (a, b) in lab.mode.pick(vec![LINKS[4]], LINKS.to_vec()) {
        let start = Instant::now();
        fabric::cut_silently(a, b)?;
        let noticed = wait::until(SILENT_LIMIT, || {
            is(&format!("{a}-{b}"), "bfd_status:state", "up").map_or(Ok(()), |_| Err("still up".into()))
        });
        let noticed = noticed.map(|()| format!("after {:.0} ms", start.elapsed().as_secs_f64() * 1e3));
        report.check(&format!("{a}–{b} silently drops everything: BFD is down"), noticed);
        let gone = controller.wait_metric(SILENT_LIMIT, metric::LINKS, (LINKS.len() - 1) as f64);
        let gone = gone.map(|_| format!("after {:.0} ms", start.elapsed().as_secs_f64() * 1e3));
        report.check("the link is out of use before a probe could have told", gone);
        let stays = wait::throughout(Duration::from_secs(5), || at_all_ends("bfd:enable", "\"true\"").map(drop));
        report.check("BFD stays on while the link is dead", stays.map(|()| String::new()));
        fabric::mend_silently(a, b)?;
        report.check(&format!("{a}–{b} is mended: BFD is up again"), all_up(&controller, UP_LIMIT));
        let back = controller.wait_metric(LIMIT, metric::LINKS, LINKS.len() as f64);
        report.check("the link is back", back.map(|took| format!("after {:.1} s", took.as_secs_f64())));
    }

    fabric.ovs.restart_database()?;
    let noticed = controller.wait_log(LIMIT, &["not connected to a database"]);
    report.check("the database is restarted: it is noticed", noticed.map(|_| String::new()));
    let again = is_connected(&controller);
    report.check("and connected to again", again);
    report.check("BFD is as it was", at_all_ends("bfd:enable", "\"true\""));

    reload(&controller, false)?;
    let back = wait::until(LIMIT, || {
        for interface in ends() {
            let theirs = if interface == "s1-s2" { ("{check_tnl_key=\"false\"}", "{owner=lab}") } else { ("{}", "{}") };
            is(&interface, "bfd", theirs.0)?;
            is(&interface, "external_ids", theirs.1)?;
        }
        Ok(())
    });
    report.check(
        "switched off, nothing of ours is left, and other people's keys are as they were",
        back.map(|()| String::new()),
    );
    controller.ensure_running()
}

/// The interfaces of all links.
fn ends() -> impl Iterator<Item = String> {
    LINKS.iter().flat_map(|(a, b)| [format!("{a}-{b}"), format!("{b}-{a}")])
}

/// Whether a column of an interface has this value.
fn is(interface: &str, column: &str, value: &str) -> Result<(), Fail> {
    let found = ovs::vsctl(&["--if-exists", "get", "interface", interface, column])?;
    wait::ensure(found.trim() == value, || format!("{interface}: {column} is {}, not {value}", found.trim()))
}

fn at_all_ends(column: &str, value: &str) -> Outcome {
    for interface in ends() {
        is(&interface, column, value)?;
    }
    Ok(format!("{} ports", ends().count()))
}

fn all_up(controller: &Controller, limit: Duration) -> Outcome {
    let start = Instant::now();
    wait::until(limit, || {
        let up = controller.metric(metric::BFD, &[("state", "up")])?;
        wait::ensure(up == LINKS.len() as f64, || format!("{up} of {} are up", LINKS.len()))
    })?;
    Ok(format!("after {:.1} s", start.elapsed().as_secs_f64()))
}

fn is_connected(controller: &Controller) -> Outcome {
    let start = Instant::now();
    wait::until(LIMIT, || {
        let up = controller.metric(metric::OVSDB, &[("state", "up")])?;
        wait::ensure(up == 1.0, || format!("{up} databases are connected"))
    })?;
    Ok(format!("after {:.1} s", start.elapsed().as_secs_f64()))
}

fn shown(controller: &Controller) -> Outcome {
    let binary = controller.binary().display().to_string();
    let databases = process::run(&binary, &["show", "ovsdb", "-o", "csv"])?;
    let sessions = process::run(&binary, &["show", "bfd", "-o", "csv"])?;
    let ports = process::run(&binary, &["show", "ports", "--switch", "s1", "-o", "json"])?;
    let right = databases.contains("s1") && sessions.matches(",up,up,up").count() == LINKS.len();
    wait::ensure(right && ports.contains("owner=lab") && ports.contains("1500"), || {
        format!("{databases}{sessions}{ports}")
    })?;
    Ok(databases.lines().last().unwrap_or_default().to_owned())
}

fn reload(controller: &Controller, bfd: bool) -> Result<(), Fail> {
    controller.write_config(&config(bfd))?;
    let (status, out, err, _) = controller.reload()?;
    let right = status == Some(0) && out.contains("ovsdb.bfd.enabled");
    wait::ensure(right, || format!("exit status {status:?}: {out}{err}"))
}
