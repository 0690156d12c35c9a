//! The main job, once through: discovery, reachability, TCP, broadcasts, Prometheus, graceful stop.

use std::path::Path;
use std::time::Duration;

use super::{Lab, traffic, wait_discovered};
use crate::controller::{Controller, HTTP, metric};
use crate::fabric::{BRIDGES, Fabric};
use crate::process::{self, Daemon};
use crate::report::{Fail, Outcome, Report};
use crate::{http, ovs, wait};

const PROMETHEUS: &str = "127.0.0.1:9090";

/// A controller that is asked to end has ended after this.
const GRACEFUL_LIMIT: Duration = Duration::from_secs(10);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    report.show("Four Open vSwitch bridges in a ring with a chord, six hosts; the controller is started first.");
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(super::PLAIN_CONFIG))?;
    let fabric = Fabric::build(&lab.directory, super::OPENFLOW)?;
    let file = lab.directory.join("lab.yaml").display().to_string();
    let checked = process::run(&lab.binary.display().to_string(), &["check", &file]);
    report.check("trunkline check finds nothing wrong with the configuration", checked.map(|_| String::new()));
    wait_discovered(&mut controller, report)?;
    report.require("hosts reach each other", traffic::wait_reachable(&fabric))?;
    report.check("all pairs ping by IPv4", traffic::all_reach_all(&fabric, false));
    report.check("all pairs ping by IPv6", traffic::all_reach_all(&fabric, true));
    let hosts = controller.wait_metric(Duration::from_secs(5), metric::HOSTS, fabric.hosts.len() as f64);
    report.check("all six hosts are learned, and nothing else", hosts.map(|_| String::new()));
    show_tables(report, &controller);

    let seconds = lab.mode.pick(2, 10);
    for (from, to) in lab.mode.pick(vec![(0, 3)], vec![(0, 3), (5, 2), (1, 4), (0, 1)]) {
        let outcome = traffic::tcp(&lab.directory, &fabric.hosts[from], &fabric.hosts[to], seconds);
        report.check("TCP flows", outcome);
    }
    report.check("no storm: the idle fabric is quiet", traffic::quiet(&fabric));
    for number in lab.mode.pick(vec![1, 6], vec![1, 2, 3, 4, 5, 6]) {
        let from = &fabric.hosts[number - 1];
        let target = format!("10.0.0.{}", 90 + number);
        let outcome = traffic::one_copy_of_a_broadcast(&lab.directory, &fabric, from, &target);
        report.check(&format!("a broadcast of {} comes to every other host once", from.name), outcome);
    }
    report.check("no storm: and quiet again after broadcasts", traffic::quiet(&fabric));

    let checked = controller.metrics().and_then(|metrics| traffic::promtool(&lab.directory, &metrics));
    report.check("promtool finds nothing wrong with /metrics", checked);
    report.check("Prometheus answers the number of switches", prometheus(&lab.directory));

    report.check("SIGTERM ends the controller in good order", terminate(&mut controller));
    Ok(())
}

/// Starts a Prometheus that scrapes the controller, and asks it.
fn prometheus(directory: &Path) -> Outcome {
    let file = directory.join("prometheus.yml");
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
         scrape_configs:\n\
         - job_name: trunkline\n  static_configs: [ {{ targets: [\"{HTTP}\"] }} ]\n"
    );
    std::fs::write(&file, config).map_err(|error| error.to_string())?;
    let arguments = [
        "prometheus",
        &format!("--config.file={}", file.display()),
        &format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
        &format!("--web.listen-address={PROMETHEUS}"),
    ];
    let mut prometheus = Daemon::start(directory, "prometheus", &arguments)?;
    let path = format!("/api/v1/query?query={}", http::encode(metric::SWITCHES));
    let wanted = BRIDGES.len().to_string();
    let value = prometheus.until(Duration::from_secs(20), |_| {
        let answer = http::get_json(PROMETHEUS, &path)?;
        let value = answer.pointer("/data/result/0/value/1").and_then(|value| value.as_str()).unwrap_or("nothing");
        wait::ensure(value == wanted, || format!("{} is {value}", metric::SWITCHES))?;
        Ok(value.to_owned())
    })?;
    Ok(format!("{} = {value}", metric::SWITCHES))
}

/// Asks the controller to end: exit status 0, soon, and the bridges notice.
pub fn terminate(controller: &mut Controller) -> Outcome {
    let (status, time) = controller.terminate()?;
    wait::ensure(status.success(), || format!("it ended with {status}"))?;
    wait::ensure(time < GRACEFUL_LIMIT, || format!("it took {:.1} s", time.as_secs_f64()))?;
    Ok(format!("exit 0 after {:.2} s", time.as_secs_f64()))
}

/// What the metrics say about the network, for the reader of a showing lab.
fn show_tables(report: &Report, controller: &Controller) {
    if let Ok(metrics) = controller.metrics() {
        report.show("What /metrics says about the network:");
        for line in
            metrics.lines().filter(|line| line.starts_with("trunkline_topology_") || line.contains("_connected"))
        {
            report.show(line);
        }
    }
    for bridge in BRIDGES {
        if let Ok(flows) = ovs::flows(bridge) {
            report.show(format!("flows on {bridge}:\n{}", flows.join("\n")));
        }
    }
}
