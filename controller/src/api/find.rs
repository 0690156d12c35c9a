//! What people call switches and hosts, and what they may have meant.

use std::net::IpAddr;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use topology::Host;

use super::Failure;
use crate::config::nearest;
use crate::decode::date;
use crate::io::fabric::Snapshot;
use crate::path::route::NoRoute;

/// Switches that an error lists.
const LISTED: usize = 12;

/// A snapshot, to find things in.
#[derive(Clone, Copy)]
pub(super) struct Look<'s> {
    pub(super) snapshot: &'s Snapshot,
}

impl<'s> Look<'s> {
    /// What a port of a link sends, in kbit/s.
    pub(super) fn load_kbps(&self, port: PortId) -> Option<u64> {
        self.snapshot.loads.get(&port.datapath_id)?.get(&port.port_no).copied()
    }

    /// What the switch is called: by the configuration, or by itself.
    pub(super) fn name(&self, id: DatapathId) -> Option<&'s str> {
        self.snapshot.names.switch(id).map(|named| named.name.as_str()).or_else(|| self.own_name(id))
    }

    /// By the name of its own port, which Open vSwitch gives the bridge's name, or as it describes itself.
    fn own_name(&self, id: DatapathId) -> Option<&'s str> {
        let own = self.snapshot.network.switches.get(&id).and_then(|switch| switch.ports.get(&PortNo::LOCAL));
        let described = || self.snapshot.switches.get(&id)?.description.as_deref().map(|said| said.datapath.as_str());
        let is_name = |name: &&str| !name.is_empty() && *name != "None";
        own.map(|port| port.info.name.as_str()).filter(is_name).or_else(|| described().filter(is_name))
    }

    /// Its name, or its datapath id.
    pub(super) fn switch(&self, id: DatapathId) -> String {
        self.name(id).map_or_else(|| id.to_string(), str::to_owned)
    }

    /// Why there is no route.
    pub(super) fn reason(&self, reason: &NoRoute) -> String {
        let risk = |risk| self.snapshot.weights.risk_name(risk);
        reason.text(&|id| self.switch(id), &|port| self.port(port), &risk)
    }

    /// A port with its switch.
    pub(super) fn port(&self, port: PortId) -> String {
        format!("{}:{}", self.switch(port.datapath_id), port.port_no)
    }

    /// The switch of this name, which the configuration or the switch itself has given it, or of this datapath id.
    pub(super) fn find_switch(&self, text: &str) -> Result<DatapathId, Failure> {
        let known = &self.snapshot.network.switches;
        if let Some(id) = self.snapshot.names.find(text) {
            return match known.contains_key(&id) {
                true => Ok(id),
                false => {
                    Err(Failure::unknown(format!("switch `{text}` of the configuration, {id}, has not connected yet")))
                }
            };
        }
        let named: Vec<DatapathId> = known.keys().copied().filter(|id| self.own_name(*id) == Some(text)).collect();
        match named[..] {
            [id] => return Ok(id),
            [] => {}
            _ => {
                let ids: Vec<String> = named.iter().map(DatapathId::to_string).collect();
                return Err(Failure::bad(format!(
                    "several switches are called `{text}`: say which: {}",
                    ids.join(", ")
                )));
            }
        }
        if let Some(id) = datapath_id(text).filter(|id| known.contains_key(id)) {
            return Ok(id);
        }
        let names: Vec<String> = known.keys().map(|id| self.switch(*id)).collect();
        let ids: Vec<String> = known.keys().map(DatapathId::to_string).collect();
        let called = self.snapshot.names.all().chain(known.keys().filter_map(|id| self.own_name(*id)));
        let near = nearest(text, names.iter().chain(&ids).map(String::as_str).chain(called));
        let meant = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        let there = match names.len() {
            0 => " (no switch has connected yet)".to_owned(),
            count if count > LISTED => {
                format!(" (there are {count}: {}, …)", names.get(..LISTED).unwrap_or_default().join(", "))
            }
            _ => format!(" (there are {})", names.join(", ")),
        };
        Err(Failure::unknown(format!("there is no switch `{text}`{meant}{there}")))
    }

    /// The host with this MAC or IP address; nothing if the text is no address.
    pub(super) fn find_host(&self, text: &str) -> Option<Result<&'s Host, Failure>> {
        let hosts = &self.snapshot.network.hosts;
        let found = match (text.parse::<MacAddr>(), text.parse::<IpAddr>()) {
            (Ok(mac), _) => hosts.get(&mac),
            (_, Ok(address)) => hosts.at(address),
            _ => return None,
        };
        Some(found.ok_or_else(|| {
            let count = hosts.len();
            Failure::unknown(format!(
                "no host `{text}` is known (of {count}): a host is learned when it sends something, best an ARP question"
            ))
        }))
    }

    /// A time of the fabric's clock as text.
    pub(super) fn time(&self, time: Time) -> String {
        let Snapshot { at, wall, .. } = *self.snapshot;
        time_text(wall.saturating_sub(at.since(time)) + time.since(at))
    }

    /// When the snapshot was taken.
    pub(super) fn now(&self) -> String {
        time_text(self.snapshot.wall)
    }
}

/// A datapath id as people write it: also a number in decimal.
fn datapath_id(text: &str) -> Option<DatapathId> {
    let decimal = || text.parse::<u64>().ok().filter(|_| text.len() < 16).map(DatapathId);
    text.parse().ok().or_else(decimal)
}

/// A time since 1970 as RFC 3339 writes it, in UTC with milliseconds.
pub(super) fn time_text(at: std::time::Duration) -> String {
    let seconds = at.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", at.subsec_millis())
}
