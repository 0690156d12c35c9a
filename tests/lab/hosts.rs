//! Hosts: network namespaces with one network device each, joined to a bridge by a virtual cable.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::process::run_lines;
use crate::report::Fail;

/// A host. Number `n` has the addresses `10.0.0.n` and `fd00::n`, the MAC address `02:00:00:00:00:n` and the device `hN-eth0`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Its number, from 1.
    pub number: u8,
    /// Its name and that of its namespace: `hN`.
    pub name: String,
    /// The bridge it is joined to.
    pub bridge: String,
}

impl Host {
    /// Host `number` at `bridge`, not yet made.
    pub fn new(number: u8, bridge: &str) -> Host {
        Host { number, name: format!("h{number}"), bridge: bridge.to_owned() }
    }

    /// Its IPv4 address.
    pub fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }

    /// Its IPv6 address.
    pub fn ipv6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(self.number))
    }

    /// Its own end of the cable.
    pub fn device(&self) -> String {
        format!("{}-eth0", self.name)
    }

    /// The bridge's end of the cable.
    pub fn port(&self) -> String {
        format!("{}-{}", self.bridge, self.name)
    }

    /// Makes namespace, cable and addresses. Without checksum offload, because the userspace datapath would pass packets on whose
    /// checksum nobody has computed.
    pub fn create(&self) -> Result<(), Fail> {
        let (name, device, port, n) = (&self.name, self.device(), self.port(), self.number);
        run_lines(&format!(
            "ip netns add {name}
             ip link add {port} type veth peer name {device} netns {name}
             ip link set {port} up
             ip -n {name} link set lo up
             ip -n {name} link set {device} address 02:00:00:00:00:{n:02x}
             ip netns exec {name} sysctl -q -w net.ipv6.conf.{device}.disable_ipv6=0 net.ipv6.conf.{device}.router_solicitations=0
             ip -n {name} addr add {}/24 dev {device}
             ip -n {name} addr add {}/64 dev {device} nodad
             ip netns exec {name} ethtool -K {device} tx off
             ip -n {name} link set {device} up",
            self.ipv4(),
            self.ipv6(),
        ))
    }

    /// The command line that runs `arguments` in the host.
    pub fn command<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["ip", "netns", "exec", self.name.as_str()];
        all.extend(arguments);
        all
    }
}
