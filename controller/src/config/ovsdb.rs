//! `ovsdb`: the databases of Open vSwitches, and what is set in them.

use std::time::Duration;

use ovsdb::bfd::Settings;

use super::types::{Config, Connect};
use super::walk::{Fields, Walk};

/// Section `ovsdb`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OvsdbConfig {
    /// Databases to connect to; no two are equal.
    pub connections: Vec<Connect>,
    /// BFD on links between switches.
    pub bfd: BfdConfig,
}

/// Section `ovsdb.bfd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BfdConfig {
    /// Whether it is switched on.
    pub enabled: bool,
    /// At most so often is sent; whole milliseconds.
    pub min_tx: Duration,
    /// At most so often may come; whole milliseconds.
    pub min_rx: Duration,
    /// How many may be missing.
    pub mult: u8,
}

impl Default for BfdConfig {
    fn default() -> BfdConfig {
        BfdConfig { enabled: false, min_tx: Duration::from_millis(100), min_rx: Duration::from_millis(100), mult: 3 }
    }
}

impl OvsdbConfig {
    /// What BFD is to be set to, if it is.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let BfdConfig { enabled, min_tx, min_rx, mult } = self.bfd;
        let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        enabled.then_some(Settings { min_tx_ms: milliseconds(min_tx), min_rx_ms: milliseconds(min_rx), mult })
    }
}

/// `ovsdb`. `tls`: there are certificates.
pub(super) fn ovsdb(walk: &mut Walk<'_>, fields: &Fields<'_>, tls: bool) -> OvsdbConfig {
    let connections = walk.read(fields, "connections", |walk, field| {
        walk.list(field, |walk, item| {
            let connect = walk.connect_to(item, Config::OVSDB_PORT, "is where a database waits")?;
            if matches!(connect, Connect::Ssl(_)) && !tls {
                let message = "ssl needs openflow.tls with certificate, key and client_ca";
                walk.refuse(item.node.mark, &item.path, message);
            }
            Some(connect)
        })
    });
    let bfd = walk.read(fields, "bfd", Walk::section).map(|section| bfd(walk, &section));
    let config = OvsdbConfig { connections: connections.unwrap_or_default(), bfd: bfd.unwrap_or_default() };
    if config.bfd.enabled
        && config.connections.is_empty()
        && let Some(field) = fields.get("bfd")
    {
        walk.warn(field.node.mark, &field.path, "there are no ovsdb.connections: nothing is switched on");
    }
    config
}

fn bfd(walk: &mut Walk<'_>, fields: &Fields<'_>) -> BfdConfig {
    let defaults = BfdConfig::default();
    BfdConfig {
        enabled: walk.read(fields, "enabled", Walk::boolean).unwrap_or(defaults.enabled),
        min_tx: walk.read(fields, "min_tx", Walk::duration).unwrap_or(defaults.min_tx),
        min_rx: walk.read(fields, "min_rx", Walk::duration).unwrap_or(defaults.min_rx),
        mult: walk.read(fields, "mult", |walk, field| walk.integer(field)).unwrap_or(defaults.mult),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_have_their_own_port_and_bfd_is_off_unless_it_is_switched_on() {
        let config = Config::parse("ovsdb: { connections: [\"tcp:10.0.0.1\", \"unix:/run/db.sock\"] }").unwrap().ovsdb;
        let connections: Vec<String> = config.connections.iter().map(ToString::to_string).collect();
        assert_eq!(connections, ["tcp:10.0.0.1:6640", "unix:/run/db.sock"]);
        assert_eq!(config.settings(), None);
        let text = "ovsdb: { connections: [\"tcp:10.0.0.1\"], bfd: { enabled: true, min_tx: 10ms, mult: 4 } }";
        let settings = Config::parse(text).unwrap().ovsdb.settings();
        assert_eq!(settings, Some(Settings { min_tx_ms: 10, min_rx_ms: 100, mult: 4 }));
        for (wrong, why) in [
            ("{ connections: [\"ptcp:6640\"] }", "to connect to one write tcp:"),
            ("{ connections: [\"ssl:10.0.0.1\"] }", "ssl needs openflow.tls"),
            ("{ bfd: { min_tx: 1us } }", "min_tx"),
            ("{ bfd: { mult: 0 } }", "1 to 255"),
        ] {
            let problems = Config::parse(&format!("ovsdb: {wrong}")).unwrap_err().to_string();
            assert!(problems.contains(why), "{wrong}: {problems}");
        }
    }
}
