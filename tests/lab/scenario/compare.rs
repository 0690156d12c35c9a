//! The same mishaps with other controllers: restart, another description, another VLAN, 3,000 VLANs. Packets lost, flow-mods sent, seconds.
//!
//! Faucet and os-ken are taken from the Python of `TRUNKLINE_PEERS_PYTHON` (`pip install faucet` brings both). What they do is told, what we do is
//! checked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Lab, PLAIN_CONFIG};
use crate::gate::{Counted, Gate};
use crate::hosts::Host;
use crate::ovs::{self, Ovs};
use crate::ping::Ping;
use crate::process::{Daemon, run_any, run_lines};
use crate::report::{Fail, Report};
use crate::wait;

/// Names a Python that has Faucet and os-ken.
const PYTHON: &str = "TRUNKLINE_PEERS_PYTHON";
/// As many as in faucet#4568.
const VLANS: u32 = 3_000;
const GATE: &str = "127.0.0.1:6659";
/// Nothing happens any more when the switch has what it should have and no flow-mod was sent for so long.
const CALM: Duration = Duration::from_secs(15);
/// A step that takes longer is given up: Faucet was seen to take minutes for 3,000 VLANs.
const LIMIT: Duration = Duration::from_secs(300);

/// Which configuration.
#[derive(Clone, Copy)]
struct Shape {
    vlans: u32,
    description: &'static str,
}

/// A controller to compare.
struct Contender {
    name: &'static str,
    /// The command, with a place for the file.
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// What to write into its file; `None`: it has none.
    config: Option<fn(Shape) -> String>,
    file: PathBuf,
    daemon: Option<Daemon>,
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let gate = Gate::start(GATE, "127.0.0.1:6653")?;
    let _ovs = Ovs::start(&lab.directory)?;
    let hosts = [Host::new(1, "s1"), Host::new(2, "s1")];
    for host in &hosts {
        host.create()?;
    }
    run_lines("ip link add s1-trunk type veth peer name trunk-s1\nip link set s1-trunk up\nip link set trunk-s1 up")?;
    for mut contender in contenders(lab, report)? {
        ovs::add_bridge("s1", 1, &format!("tcp:{GATE}"))?;
        for (number, port) in [(1, hosts[0].port()), (2, hosts[1].port()), (3, "s1-trunk".to_owned())] {
            ovs::add_port("s1", &port, number)?;
        }
        let told = match_up(lab, report, &gate, &hosts, &mut contender);
        report.check(&format!("{}: all steps were run", contender.name), told.map(|()| String::new()));
        contender.daemon = None;
        ovs::vsctl(&["del-br", "s1"])?;
    }
    Ok(())
}

/// One controller, all steps.
fn match_up(
    lab: &Lab,
    report: &mut Report,
    gate: &Gate,
    hosts: &[Host; 2],
    contender: &mut Contender,
) -> Result<(), Fail> {
    let few = Shape { vlans: 3, description: "first" };
    contender.write(few)?;
    contender.start(lab)?;
    let target = hosts[1].ipv4().to_string();
    let ping = ["netns", "exec", "h1", "ping", "-n", "-c", "1", "-W", "1", &target];
    wait::until(LIMIT, || {
        let (status, _, _) = run_any(5, "ip", &ping)?;
        wait::ensure(status.success(), || format!("{target} does not answer"))
    })?;
    calm(gate, gate.counted(), 0)?;

    // `flows`: at least so many have to be on the switch before the step is over.
    let step = |name: &str, contender: &mut Contender, flows: u32, act: &dyn Fn(&mut Contender) -> Result<(), Fail>| {
        let mut ping = Ping::start(&lab.directory, &hosts[0], hosts[1].ipv4().into(), Duration::from_millis(1))?;
        ping.wait_established()?;
        let (before, start) = (gate.counted(), Instant::now());
        act(contender)?;
        let outcome = calm(gate, before, flows as usize);
        let after = gate.counted();
        let summary = ping.stop()?;
        let took = after.last.filter(|last| *last > start).map_or(0.0, |last| last.duration_since(start).as_secs_f64());
        let (flow_mods, connections) = (after.flow_mods - before.flow_mods, after.connections - before.connections);
        let text = format!(
            "{summary}; {flow_mods} flow-mods, the last after {took:.1} s; {connections} connections; {} flows{}",
            ovs::flows("s1")?.len(),
            outcome.err().map_or(String::new(), |reason| format!("; given up: {reason}"))
        );
        report.figure(format!("{}: {name}: {text}", contender.name));
        Ok::<_, Fail>((summary.lost, flow_mods, connections, text))
    };
    let is_ours = contender.name == OURS;
    let mut seen = Vec::new();
    let restart = |contender: &mut Contender| contender.restart(lab);
    seen.push((step("restart", contender, 0, &restart)?, 0, 1));
    if contender.config.is_some() {
        let to = |shape: Shape| move |contender: &mut Contender| contender.change(shape);
        let many = Shape { vlans: VLANS, ..few };
        let described = Shape { description: "second", ..many };
        let rules = u64::from(super::reload::RULES);
        seen.push((step("3,000 VLANs", contender, VLANS, &to(many))?, u64::from(VLANS - few.vlans) * rules, 0));
        seen.push((step("another description of a port", contender, VLANS, &to(described))?, 0, 0));
        seen.push((
            step("another VLAN", contender, VLANS + 1, &to(Shape { vlans: VLANS + 1, ..described }))?,
            rules,
            0,
        ));
        seen.push((step("restart with 3,001 VLANs", contender, VLANS + 1, &restart)?, 0, 1));
    }
    if is_ours {
        for ((lost, flow_mods, connections, text), wanted, reconnections) in seen {
            let right = lost == 0 && flow_mods == wanted && connections == reconnections;
            let outcome = wait::ensure(right, || format!("{text}; wanted {wanted} flow-mods and nothing lost"));
            report.check("nothing is lost, and only what is different is sent", outcome.map(|()| text.clone()));
        }
    }
    Ok(())
}

/// Waits until the switch has so many flows and nothing happens any more.
fn calm(gate: &Gate, before: Counted, flows: usize) -> Result<(), Fail> {
    let mut last = (before.flow_mods, Instant::now());
    wait::until(LIMIT, || {
        let now = gate.counted();
        if now.flow_mods != last.0 {
            last = (now.flow_mods, Instant::now());
        }
        wait::ensure(last.1.elapsed() >= CALM, || format!("{} flow-mods and more", now.flow_mods - before.flow_mods))?;
        let found = ovs::flows("s1")?.len();
        wait::ensure(found >= flows, || format!("{found} flows, not {flows}"))
    })
}

const OURS: &str = "trunkline";

fn contenders(lab: &Lab, report: &mut Report) -> Result<Vec<Contender>, Fail> {
    let file = |name: &str| lab.directory.join(name);
    let text = |path: &Path| path.display().to_string();
    let yaml = file("compare.yaml");
    let mut all = vec![Contender {
        name: OURS,
        command: vec![text(&lab.binary), "run".into(), text(&yaml)],
        environment: Vec::new(),
        config: Some(ours),
        file: yaml,
        daemon: None,
    }];
    let Some(python) = std::env::var_os(PYTHON).map(PathBuf::from) else {
        report.skip("Faucet and os-ken", &format!("{PYTHON} names no Python that has them"));
        return Ok(all);
    };
    let programs = python.parent().ok_or_else(|| format!("{PYTHON} has no folder"))?.to_owned();
    let faucet = file("faucet.yaml");
    all.push(Contender {
        name: "Faucet",
        command: vec![text(&programs.join("faucet")), "--ryu-ofp-tcp-listen-port".into(), "6653".into()],
        environment: vec![
            ("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default())),
            ("FAUCET_CONFIG", text(&faucet)),
            ("FAUCET_LOG", text(&file("faucet-own.log"))),
            ("FAUCET_EXCEPTION_LOG", text(&file("faucet-exceptions.log"))),
            ("FAUCET_PROMETHEUS_PORT", "9302".into()),
        ],
        config: Some(faucets),
        file: faucet,
        daemon: None,
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/os_ken_switch.py");
    all.push(Contender {
        name: "os-ken",
        command: vec![text(&python), text(&script), "6653".into()],
        environment: Vec::new(),
        config: None,
        file: file("none"),
        daemon: None,
    });
    Ok(all)
}

/// Each VLAN with three rules.
fn ours(shape: Shape) -> String {
    let plain = PLAIN_CONFIG.to_owned();
    super::reload::with_vlans(plain, shape.vlans, shape.description)
}

/// Each VLAN tagged on a port; Faucet makes its rules.
fn faucets(shape: Shape) -> String {
    let mut text = "vlans:\n  office: { vid: 4000 }\n".to_owned();
    for vlan in 1..=shape.vlans {
        let _ = writeln!(text, "  v{vlan}: {{ vid: {vlan} }}");
    }
    let tagged: Vec<String> = (1..=shape.vlans).map(|vlan| format!("v{vlan}")).collect();
    let _ = write!(
        text,
        "dps:\n  s1:\n    dp_id: 1\n    hardware: \"Open vSwitch\"\n    interfaces:\n      1: {{ native_vlan: office }}\n      \
         2: {{ native_vlan: office }}\n      3: {{ tagged_vlans: [{}], description: {} }}\n",
        tagged.join(", "),
        shape.description
    );
    text
}

impl Contender {
    fn write(&self, shape: Shape) -> Result<(), Fail> {
        let Some(config) = self.config else { return Ok(()) };
        std::fs::write(&self.file, config(shape)).map_err(|error| format!("{}: {error}", self.file.display()))
    }

    fn start(&mut self, lab: &Lab) -> Result<(), Fail> {
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.daemon = Some(Daemon::start_with(&lab.directory, self.name, &command, &environment)?);
        Ok(())
    }

    /// Killed without a word, and started again at once.
    fn restart(&mut self, lab: &Lab) -> Result<(), Fail> {
        self.daemon = None;
        self.start(lab)
    }

    /// Another file, and SIGHUP.
    fn change(&mut self, shape: Shape) -> Result<(), Fail> {
        self.write(shape)?;
        self.daemon.as_ref().ok_or("it does not run")?.signal("HUP")
    }
}
