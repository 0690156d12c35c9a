//! From the tree to the typed [`Config`]: one function per section, and the rules that look at more than one key.

use std::net::IpAddr;
use std::sync::Arc;

use super::audit;
use super::bgp::bgp;
use super::isolate;
use super::links;
use super::numbered;
use super::ovsdb;
use super::reservations;
use super::schema::{ROLES, VERIFY};
use super::switches;
use super::tree::Mark;
use super::types::{
    Config, Connect, HistoryConfig, HttpConfig, Listen, OpenflowConfig, Role, SwitchCertificate, TlsConfig, VerifyMode,
};
use super::walk::{Field, Fields, Walk};
use super::wiring;
use crate::app::static_rules::OperatorRules;

/// Reads the whole document.
pub(super) fn config(walk: &mut Walk<'_>, root: &Field<'_>) -> Config {
    let mut config = Config::default();
    let Some(fields) = walk.section(root) else { return config };
    if let Some(section) = walk.read(&fields, "openflow", Walk::section) {
        config.openflow = openflow(walk, &section);
    }
    if let Some(section) = walk.read(&fields, "http", Walk::section) {
        config.http = http(walk, &section);
    }
    if let Some(section) = walk.read(&fields, "audit", Walk::section) {
        config.audit = audit::audit(walk, &section);
    }
    if let Some(section) = walk.read(&fields, "bgp", Walk::section) {
        config.bgp = bgp(walk, &section);
    }
    if let Some(section) = walk.read(&fields, "ovsdb", Walk::section) {
        config.ovsdb = ovsdb::ovsdb(walk, &section, config.openflow.tls.is_some());
    }
    config.vlans = walk.read(&fields, "vlans", switches::vlans).unwrap_or_default();
    config.switches = walk.read(&fields, "switches", switches::switches).unwrap_or_default();
    if let Some(section) = walk.read(&fields, "fabric", Walk::section) {
        config.fabric = wiring::fabric(walk, &section, &config.switches);
    }
    config.flows = operator_rules(walk, &fields, &config);
    config.weights = Arc::new(links::weights(walk, &fields, &config.switches, &config.vlans, &config.flows));
    if let Some(field) = fields.get("vlans").filter(|_| config.weights.bypasses) {
        links::warn_of_labels(walk, &field, &config.vlans);
    }
    let reservations = walk.read(&fields, "reservations", |walk, field| {
        reservations::reservations(walk, field, &config.switches, &config.weights)
    });
    config.reservations = reservations.unwrap_or_default();
    let isolate = walk.read(&fields, "isolate", |walk, field| isolate::isolate(walk, field, &config.switches));
    (config.isolate, config.isolations) = isolate.unwrap_or_default();
    config.verify = walk.read(&fields, "verify", verify).unwrap_or_default();
    if let Some(section) = walk.read(&fields, "history", Walk::section) {
        config.history = history(walk, &section);
    }
    // A router on its own: no switch is waited for unless something in the file is about switches.
    let of_switches = [
        "openflow",
        "fabric",
        "audit",
        "switches",
        "links",
        "paths",
        "reservations",
        "groups",
        "meters",
        "flows",
        "isolate",
        "ovsdb",
    ];
    if config.bgp.is_some() && of_switches.iter().all(|name| fields.get(name).is_none()) {
        config.openflow.listen.clear();
    }
    config
}

/// `groups` and `meters`, and `flows`, which may name them.
fn operator_rules(walk: &mut Walk<'_>, fields: &Fields<'_>, config: &Config) -> Arc<OperatorRules> {
    let Config { switches, vlans, .. } = config;
    let groups = walk.read(fields, "groups", |walk, field| numbered::groups(walk, field, switches, vlans));
    let meters = walk.read(fields, "meters", |walk, field| numbered::meters(walk, field, switches, vlans));
    let (groups, meters) = (groups.unwrap_or_default(), meters.unwrap_or_default());
    let flows =
        walk.read(fields, "flows", |walk, field| switches::flows(walk, field, switches, vlans, &groups, &meters));
    let (all, own) = switches::numbered(&groups, &meters);
    Arc::new(flows.unwrap_or_default().with_numbered(all, own))
}

fn openflow(walk: &mut Walk<'_>, fields: &Fields<'_>) -> OpenflowConfig {
    let mut config = OpenflowConfig::default();
    let tls = fields.get("tls");
    let listen = walk.read(fields, "listen", |walk, field| {
        let mut seen: Vec<Listen> = Vec::new();
        walk.list(field, |walk, item| {
            let listen = walk.listen(item)?;
            // Equal entries are the list's business.
            if let Some(other) = seen.iter().find(|other| **other != listen && overlap(other, &listen)) {
                walk.refuse(item.node.mark, &item.path, format!("the port is taken already by {other}"));
            }
            seen.push(listen.clone());
            if matches!(listen, Listen::Ssl(_)) && tls.is_none() {
                let message = "pssl needs openflow.tls with certificate, key and client_ca";
                walk.refuse(item.node.mark, &item.path, message);
            }
            Some(listen)
        })
    });
    config.listen = listen.unwrap_or(config.listen);
    let connect = walk.read(fields, "connect", |walk, field| {
        walk.list(field, |walk, item| {
            let connect = walk.connect(item)?;
            if matches!(connect, Connect::Ssl(_)) && tls.is_none() {
                let message = "ssl needs openflow.tls with certificate, key and client_ca";
                walk.refuse(item.node.mark, &item.path, message);
            }
            Some(connect)
        })
    });
    config.connect = connect.unwrap_or(config.connect);
    let plain_from = walk.read(fields, "plain_from", |walk, field| {
        walk.list(field, |walk, item| {
            let prefix = walk.prefix(item)?;
            if prefix.len() == 0 {
                let message = "every address may then connect without TLS and control the network's switches";
                walk.warn(item.node.mark, &item.path, message);
            }
            Some(prefix)
        })
    });
    config.plain_from = plain_from.unwrap_or(config.plain_from);
    if let Some(section) = walk.read(fields, "tls", Walk::section) {
        config.tls = tls_section(walk, &section);
    }
    config.role = walk.read(fields, "role", role).unwrap_or(config.role);
    config.record = walk.read(fields, "record", Walk::folder);
    config.bundles = walk.read(fields, "bundles", audit::bundles).unwrap_or(config.bundles);
    config
}

fn tls_section(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<TlsConfig> {
    let certificate = walk.read(fields, "certificate", Walk::file);
    let key = walk.read(fields, "key", Walk::file);
    let client_ca = walk.read(fields, "client_ca", Walk::file);
    let switches = walk.read(fields, "switches", |walk, field| {
        let items = walk.items(field)?;
        if items.is_empty() {
            walk.warn(field.node.mark, &field.path, "the list is empty: no switch can connect by TLS");
        }
        let mut switches = Vec::new();
        for item in items {
            let Some(section) = walk.section(&item) else { continue };
            let certificate = walk.read(&section, "certificate", Walk::certificate);
            let datapath_ids = walk.read(&section, "datapath_ids", |walk, field| walk.list(field, Walk::datapath_id));
            switches.extend(certificate.map(|certificate| SwitchCertificate { certificate, datapath_ids }));
        }
        Some(switches)
    });
    Some(TlsConfig { certificate: certificate?, key: key?, client_ca: client_ca?, switches })
}

fn verify(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<VerifyMode> {
    match VERIFY.get(walk.word(field)?) {
        Some(&"refuse") => Some(VerifyMode::Refuse),
        Some(&"warn") => Some(VerifyMode::Warn),
        Some(&"off") => Some(VerifyMode::Off),
        _ => None,
    }
}

fn role(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<Role> {
    match ROLES.get(walk.word(field)?) {
        Some(&"equal") => Some(Role::Equal),
        Some(&"master") => Some(Role::Master),
        Some(&"slave") => Some(Role::Slave),
        _ => None,
    }
}

/// Whether two sockets would fight for a port: the same address, or one takes all addresses.
fn overlap(a: &Listen, b: &Listen) -> bool {
    let (Listen::Tcp(a) | Listen::Ssl(a), Listen::Tcp(b) | Listen::Ssl(b)) = (a, b) else { return false };
    // An unspecified IPv6 address takes the IPv4 ones too; an unspecified IPv4 address only those. Port 0 is a free one each time.
    let covers = |wide: IpAddr, narrow: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}

fn http(walk: &mut Walk<'_>, fields: &Fields<'_>) -> HttpConfig {
    let defaults = HttpConfig::default();
    HttpConfig {
        listen: walk.read(fields, "listen", Walk::socket_address).unwrap_or(defaults.listen),
        socket: walk.read(fields, "socket", Walk::control_socket).unwrap_or(defaults.socket),
    }
}

fn history(walk: &mut Walk<'_>, fields: &Fields<'_>) -> HistoryConfig {
    HistoryConfig {
        directory: walk.read(fields, "directory", Walk::folder),
        keep: walk.read(fields, "keep", |walk, field| walk.integer(field)).unwrap_or(HistoryConfig::default().keep),
    }
}

/// A whole document that is not a mapping, or none at all.
pub(super) fn empty_document(walk: &mut Walk<'_>) -> Config {
    walk.warn(Mark::START, "", "the file is empty: everything is at its default");
    Config::default()
}
