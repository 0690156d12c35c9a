//! The fabric of the lab: four bridges in a ring with a chord, and six hosts.
//!
//! ```text
//!   h1 h2          h3
//!     s1 ───────── s2
//!     │  ╲          │
//!     │    ╲ chord  │
//!     │      ╲      │
//!     s4 ───────── s3
//!     h6          h4 h5
//! ```

use std::net::IpAddr;
use std::path::Path;

use crate::hosts::Host;
use crate::ovs::{self, Ovs};
use crate::process::{run, run_any, run_lines};
use crate::report::Fail;

/// The bridges.
pub const BRIDGES: [&str; 4] = ["s1", "s2", "s3", "s4"];

/// The cables between bridges: a ring, and a chord.
pub const LINKS: [(&str, &str); 5] = [("s1", "s2"), ("s2", "s3"), ("s3", "s4"), ("s4", "s1"), ("s1", "s3")];

/// Where the hosts are joined.
pub const HOSTS: [&str; 6] = ["s1", "s1", "s2", "s3", "s3", "s4"];

/// Host ports are numbered from here, after those of the links.
pub const FIRST_HOST_PORT: u32 = 10;

/// Bridges, cables and hosts, with Open vSwitch running. Dropped with the sandbox.
pub struct Fabric {
    /// The hosts, `h1` first.
    pub hosts: Vec<Host>,
    /// The switches' process.
    pub ovs: Ovs,
}

/// The name of the device at `near` of the cable to `far`.
pub fn end(near: &str, far: &str) -> String {
    format!("{near}-{far}")
}

/// The datapath id of bridge `sN` is N.
pub fn datapath_id(bridge: &str) -> u64 {
    bridge.trim_start_matches('s').parse().unwrap_or(0)
}

impl Fabric {
    /// Starts Open vSwitch and builds everything. `controller` is in Open vSwitch's words, such as `tcp:127.0.0.1:6653`.
    pub fn build(directory: &Path, controller: &str) -> Result<Fabric, Fail> {
        let ovs = Ovs::start(directory)?;
        for bridge in BRIDGES {
            ovs::add_bridge(bridge, datapath_id(bridge), controller)?;
        }
        for (number, (a, b)) in (1..).zip(LINKS) {
            let (near, far) = (end(a, b), end(b, a));
            run_lines(&format!(
                "ip link add {near} type veth peer name {far}
                 ip link set {near} up
                 ip link set {far} up"
            ))?;
            ovs::add_port(a, &near, number)?;
            ovs::add_port(b, &far, number)?;
        }
        let mut hosts = Vec::new();
        for (number, bridge) in (1..).zip(HOSTS) {
            let host = Host::new(number, bridge);
            host.create()?;
            ovs::add_port(bridge, &host.port(), FIRST_HOST_PORT + u32::from(number))?;
            hosts.push(host);
        }
        Ok(Fabric { hosts, ovs })
    }

    /// Every ordered pair of two different hosts.
    pub fn pairs(&self) -> impl Iterator<Item = (&Host, &Host)> {
        self.hosts.iter().flat_map(|a| self.hosts.iter().filter(move |b| *b != a).map(move |b| (a, b)))
    }

    /// Pings once between every pair, by IPv4 or IPv6, all hosts at the same time; gives the pairs that got no answer.
    pub fn ping_all(&self, v6: bool) -> Result<Vec<String>, Fail> {
        let from_each = std::thread::scope(|scope| {
            let threads: Vec<_> = self.hosts.iter().map(|host| scope.spawn(move || self.ping_from(host, v6))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
                .collect()
        });
        let from_each: Result<Vec<Vec<String>>, Fail> = from_each;
        Ok(from_each?.concat())
    }

    /// One probe from one host to each of the others.
    fn ping_from(&self, host: &Host, v6: bool) -> Result<Vec<String>, Fail> {
        let mut silent = Vec::new();
        for other in self.hosts.iter().filter(|other| *other != host) {
            let target: IpAddr = if v6 { other.ipv6().into() } else { other.ipv4().into() };
            let target = target.to_string();
            let ping = ["netns", "exec", host.name.as_str(), "ping", "-n", "-c", "1", "-W", "2", &target];
            let (status, output, _) = run_any(10, "ip", &ping)?;
            if !status.success() {
                silent.push(format!("{} → {}", host.name, other.name));
            } else if output.contains("DUP!") {
                silent.push(format!("{} → {} (answered twice)", host.name, other.name));
            }
        }
        Ok(silent)
    }

    /// All flows and groups of all bridges, one per line with the bridge's name in front.
    pub fn rules(&self) -> Result<Vec<String>, Fail> {
        let mut rules = Vec::new();
        for bridge in BRIDGES {
            rules.extend(ovs::flows(bridge)?.into_iter().map(|flow| format!("{bridge}: {flow}")));
            rules.extend(ovs::groups(bridge)?.into_iter().map(|group| format!("{bridge}: {group}")));
        }
        Ok(rules)
    }

    /// Packets that any device of the lab's side has received so far.
    pub fn packets(&self) -> Result<u64, Fail> {
        let text = run("ip", &["-j", "-s", "link", "show", "type", "veth"])?;
        let links: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("ip -j: {error}"))?;
        let received = |link: &serde_json::Value| link.pointer("/stats64/rx/packets").and_then(|n| n.as_u64());
        Ok(links.as_array().into_iter().flatten().filter_map(received).sum())
    }
}

/// Pulls the cable between two bridges: both ends see it.
pub fn cut(a: &str, b: &str) -> Result<(), Fail> {
    run("ip", &["link", "set", &end(a, b), "down"]).map(drop)
}

/// Puts the cable back.
pub fn mend(a: &str, b: &str) -> Result<(), Fail> {
    run("ip", &["link", "set", &end(a, b), "up"]).map(drop)
}

/// Makes the cable swallow every packet in both directions while both ends still see a carrier: a queue with room for nothing.
pub fn cut_silently(a: &str, b: &str) -> Result<(), Fail> {
    for device in [end(a, b), end(b, a)] {
        run("tc", &["qdisc", "replace", "dev", &device, "root", "pfifo", "limit", "0"])?;
    }
    Ok(())
}

/// Undoes [`cut_silently`].
pub fn mend_silently(a: &str, b: &str) -> Result<(), Fail> {
    for device in [end(a, b), end(b, a)] {
        run("tc", &["qdisc", "del", "dev", &device, "root"])?;
    }
    Ok(())
}
