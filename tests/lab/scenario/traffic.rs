//! Traffic that several scenarios need: pings between all hosts, TCP, and a broadcast that is counted.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::fabric::Fabric;
use crate::hosts::Host;
use crate::process::{Daemon, run_within};
use crate::report::{Fail, Outcome};
use crate::wait;

/// Waits until a round of pings between all pairs loses nothing, IPv4 and IPv6. Right after the first connect a port is not yet an edge.
pub fn wait_reachable(fabric: &Fabric) -> Outcome {
    let mut rounds = 0;
    wait::until(Duration::from_secs(30), || {
        rounds += 1;
        let mut silent = fabric.ping_all(false)?;
        silent.extend(fabric.ping_all(true)?);
        wait::ensure(silent.is_empty(), || format!("no answer: {}", list(&silent)))
    })?;
    Ok(format!("in round {rounds}"))
}

/// One round of pings between all pairs of which none may be lost.
pub fn all_reach_all(fabric: &Fabric, v6: bool) -> Outcome {
    let silent = fabric.ping_all(v6)?;
    wait::ensure(silent.is_empty(), || format!("no answer: {}", list(&silent)))?;
    Ok(format!("{} pairs, 0 % loss", fabric.pairs().count()))
}

/// A few of many.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 6;
    let more = if items.len() > SHOWN { format!(" and {} more", items.len() - SHOWN) } else { String::new() };
    format!("{}{more}", items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
}

/// A TCP transfer between two hosts, measured by `iperf3`.
pub struct Transfer {
    _server: Daemon,
    client: Daemon,
    seconds: u32,
}

/// What a [`Transfer`] achieved.
pub struct Throughput {
    pub megabits: f64,
    pub retransmits: u64,
    /// Datagrams sent, and those of them that did not arrive; 0 with TCP.
    pub packets: u64,
    pub lost: u64,
    /// The worst interval of a tenth of a second.
    pub worst_megabits: f64,
}

impl Transfer {
    /// Starts to send from one host to another for so many seconds, as fast as it goes or at `rate` (such as `20M`).
    ///
    /// At full speed the userspace datapath is the bottleneck and drops packets of everybody: where losses are counted, give a rate.
    pub fn start(directory: &Path, from: &Host, to: &Host, seconds: u32, rate: Option<&str>) -> Result<Transfer, Fail> {
        Transfer::start_with(directory, from, to, seconds, &["-b", rate.unwrap_or("0")])
    }

    /// Starts to send UDP datagrams of 1,000 octets at a rate: what is lost is counted, not sent again.
    pub fn start_udp(directory: &Path, from: &Host, to: &Host, seconds: u32, rate: &str) -> Result<Transfer, Fail> {
        Transfer::start_with(directory, from, to, seconds, &["-u", "-l", "1000", "-b", rate])
    }

    fn start_with(directory: &Path, from: &Host, to: &Host, seconds: u32, options: &[&str]) -> Result<Transfer, Fail> {
        let arguments = to.command(&["iperf3", "-s", "-1", "--forceflush"]);
        let name = format!("iperf3-server-{}", to.name);
        let _ = std::fs::remove_file(directory.join(format!("{name}.log")));
        let mut server = Daemon::start(directory, &name, &arguments)?;
        server.until(Duration::from_secs(5), |server| {
            wait::ensure(server.output().contains("Server listening"), || "iperf3 does not listen".into())
        })?;
        let (target, time) = (to.ipv4().to_string(), seconds.to_string());
        let mut client = from.command(&["iperf3", "-c", &target, "-t", &time, "-i", "0.1", "-J"]);
        client.extend(options);
        let name = format!("iperf3-client-{}", from.name);
        let _ = std::fs::remove_file(directory.join(format!("{name}.log")));
        Ok(Transfer { client: Daemon::start(directory, &name, &client)?, _server: server, seconds })
    }

    /// Waits for its end and reads the figures.
    pub fn finish(mut self) -> Result<Throughput, Fail> {
        let status = self.client.wait(Duration::from_secs(u64::from(self.seconds) + 20))?;
        let output = self.client.output();
        let figures: Value = serde_json::from_str(&output).map_err(|error| format!("iperf3: {error}: {output}"))?;
        if let Some(error) = figures.get("error").and_then(Value::as_str) {
            return Err(format!("iperf3: {error}"));
        }
        wait::ensure(status.success(), || format!("iperf3: {status}"))?;
        let number = |pointer: &str| figures.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
        let intervals = figures.get("intervals").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let rate = |interval: &Value| interval.pointer("/sum/bits_per_second").and_then(Value::as_f64).unwrap_or(0.0);
        Ok(Throughput {
            megabits: number("/end/sum_received/bits_per_second") / 1e6,
            retransmits: number("/end/sum_sent/retransmits") as u64,
            packets: number("/end/sum/packets") as u64,
            lost: number("/end/sum/lost_packets") as u64,
            worst_megabits: intervals.iter().map(rate).fold(f64::INFINITY, f64::min) / 1e6,
        })
    }
}

/// TCP between two hosts, for so many seconds: it must move at all.
pub fn tcp(directory: &Path, from: &Host, to: &Host, seconds: u32) -> Outcome {
    let throughput = Transfer::start(directory, from, to, seconds, None)?.finish()?;
    wait::ensure(throughput.megabits > 1.0, || format!("only {:.3} Mbit/s", throughput.megabits))?;
    Ok(format!(
        "{} → {}: {:.0} Mbit/s, {} retransmits",
        from.name, to.name, throughput.megabits, throughput.retransmits
    ))
}

/// Broadcasts one ARP request from a host for an address that nobody has, and counts how many copies the other hosts get.
pub fn one_copy_of_a_broadcast(directory: &Path, fabric: &Fabric, from: &Host, target: &str) -> Outcome {
    let others: Vec<&Host> = fabric.hosts.iter().filter(|host| *host != from).collect();
    let filter = format!("arp host {target}");
    let mut captures = Vec::new();
    for host in &others {
        let device = host.device();
        let arguments = host.command(&["tcpdump", "-l", "-n", "-p", "-Q", "in", "-i", &device, &filter]);
        let name = format!("tcpdump-{}-{target}", host.name);
        let mut capture = Daemon::start(directory, &name, &arguments)?;
        capture.until(Duration::from_secs(5), |capture| {
            wait::ensure(capture.output().contains("listening on"), || "tcpdump does not listen".into())
        })?;
        captures.push(capture);
    }
    let device = from.device();
    let arping = ["netns", "exec", from.name.as_str(), "arping", "-c", "1", "-w", "1", "-i", &device, target];
    // Nobody has the address, so that its exit status says nothing.
    crate::process::run_any(10, "ip", &arping)?;
    let copies = |capture: &Daemon| capture.output().lines().filter(|line| line.contains("who-has")).count();
    wait::until(Duration::from_secs(5), || {
        let deaf: Vec<&str> =
            others.iter().zip(&captures).filter(|(_, c)| copies(c) == 0).map(|(host, _)| host.name.as_str()).collect();
        wait::ensure(deaf.is_empty(), || format!("no copy came to {}", deaf.join(", ")))
    })?;
    // A second copy, or a loop, would come within this time.
    wait::throughout(Duration::from_millis(500), || {
        for (host, capture) in others.iter().zip(&captures) {
            let copies = copies(capture);
            wait::ensure(copies <= 1, || format!("{} copies came to {}", copies, host.name))?;
        }
        Ok(())
    })?;
    Ok(format!("{} hosts got one copy each", others.len()))
}

/// Packets a second on all cables together when no host says anything.
pub fn quiet(fabric: &Fabric) -> Outcome {
    /// Probes on ten link ends and twelve host ends every 300 ms are about 75 a second; a loop makes tens of thousands.
    const BOUND: u64 = 500;
    let start = std::time::Instant::now();
    let before = fabric.packets()?;
    wait::throughout(Duration::from_secs(2), || Ok(()))?;
    let rate = ((fabric.packets()? - before) as f64 / start.elapsed().as_secs_f64()) as u64;
    wait::ensure(rate < BOUND, || format!("{rate} packets a second on an idle fabric"))?;
    Ok(format!("{rate} packets a second on all cables together"))
}

/// `promtool check metrics` on an exposition.
pub fn promtool(directory: &Path, exposition: &str) -> Outcome {
    let file = directory.join("metrics.txt");
    std::fs::write(&file, exposition).map_err(|error| error.to_string())?;
    let script = format!("promtool check metrics < '{}'", file.display());
    let said = run_within(20, "sh", &["-c", &format!("{script} 2>&1")])?;
    wait::ensure(said.trim().is_empty(), || said.trim().replace('\n', "; "))?;
    let samples = exposition.lines().filter(|line| !line.starts_with('#')).count();
    Ok(format!("{samples} samples"))
}
