//! From the tree to the typed [`Config`]: one function per section, and the rules that look at more than one key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::policy::{Policies, policies};
use super::schema::{FAMILIES, ROLES};
use super::tree::Mark;
use super::types::{
    AddressFamily, BgpConfig, Config, Connect, FabricConfig, HttpConfig, Listen, NeighborConfig, OpenflowConfig, Role,
    SwitchCertificate, TlsConfig,
};
use super::walk::{Field, Fields, Walk};
use bgp::policy::Policy;

/// AS_TRANS, which stands for an AS number that does not fit in two octets (RFC 6793 §9).
const AS_TRANS: u32 = 23456;
/// The last AS numbers of 16 and 32 bits, which are reserved (RFC 7300).
const LAST_ASNS: [u32; 2] = [65535, u32::MAX];
/// Below this a keepalive is lost too easily.
const SHORT_HOLD_TIME: Duration = Duration::from_secs(9);

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
    if let Some(section) = walk.read(&fields, "fabric", Walk::section) {
        config.fabric = fabric(walk, &section);
    }
    if let Some(section) = walk.read(&fields, "bgp", Walk::section) {
        config.bgp = bgp(walk, &section);
    }
    // A router on its own: no switch is waited for unless something in the file is about switches.
    if config.bgp.is_some() && fields.get("openflow").is_none() && fields.get("fabric").is_none() {
        config.openflow.listen.clear();
    }
    config
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
    HttpConfig { listen: walk.read(fields, "listen", Walk::socket_address).unwrap_or(defaults.listen) }
}

fn fabric(walk: &mut Walk<'_>, fields: &Fields<'_>) -> FabricConfig {
    let defaults = FabricConfig::default();
    FabricConfig {
        probe_interval: walk.read(fields, "probe_interval", Walk::duration).unwrap_or(defaults.probe_interval),
        host_timeout: walk.read(fields, "host_timeout", Walk::duration).unwrap_or(defaults.host_timeout),
    }
}

fn bgp(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<BgpConfig> {
    let local_asn = walk.read(fields, "asn", asn);
    let router_id = walk.read(fields, "router_id", |walk, field| {
        let id = walk.ipv4(field)?;
        if id.is_unspecified() {
            walk.refuse(field.node.mark, &field.path, "0.0.0.0 is not an identifier (RFC 6286 §2.1)");
            return None;
        }
        Some(id)
    });
    let listen = walk.read(fields, "listen", Walk::socket_address);
    let listen = listen.unwrap_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, Config::BGP_PORT)));
    let originate = walk.read(fields, "originate", |walk, field| walk.list(field, Walk::prefix)).unwrap_or_default();
    let policies = policies(walk, fields);
    let mut neighbors: Vec<NeighborConfig> = Vec::new();
    let mut seen: HashMap<(IpAddr, u16, Option<IpAddr>), String> = HashMap::new();
    for item in walk.read(fields, "neighbors", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let Some(neighbor) = neighbor(walk, &section, local_asn, listen, &policies) else { continue };
        match seen.entry((neighbor.address, neighbor.port, neighbor.local_address)) {
            Entry::Occupied(first) => {
                let message =
                    format!("the same neighbour as {}: address, port and local_address are equal", first.get());
                walk.refuse(item.node.mark, &item.path, message);
            }
            Entry::Vacant(entry) => {
                entry.insert(item.path);
                neighbors.push(neighbor);
            }
        }
    }
    let policies = policies.policies;
    Some(BgpConfig { asn: local_asn?, router_id: router_id?, listen, originate, policies, neighbors })
}

/// One neighbour. The rules are checked even where a required key is missing, as far as they can be.
fn neighbor(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    local_asn: Option<u32>,
    listen: SocketAddr,
    policies: &Policies,
) -> Option<NeighborConfig> {
    let address = walk.read(fields, "address", unicast);
    let port = walk.read(fields, "port", Walk::integer);
    let asn = walk.read(fields, "asn", asn);
    let local_address = walk.read(fields, "local_address", |walk, field| {
        let local = unicast(walk, field)?;
        if address.is_some_and(|address| address.is_ipv4() != local.is_ipv4()) {
            walk.refuse(field.node.mark, &field.path, "not of the same family (IPv4, IPv6) as the neighbour's address");
            return None;
        }
        Some(local)
    });
    let families = walk.read(fields, "families", |walk, field| {
        let mut families = walk.list(field, |walk, item| walk.word(item).and_then(family))?;
        families.sort_unstable();
        Some(families)
    });
    let passive = walk.read(fields, "passive", Walk::boolean);
    let hold_time = walk.read(fields, "hold_time", |walk, field| {
        let hold_time = walk.duration(field)?;
        if !hold_time.is_zero() && hold_time < SHORT_HOLD_TIME {
            walk.warn(
                field.node.mark,
                &field.path,
                "a hold time below 9s makes sessions fall at a short pause of either side",
            );
        }
        Some(hold_time)
    });
    let import = walk.read(fields, "import", |walk, field| policies.chain(walk, field));
    let export = walk.read(fields, "export", |walk, field| policies.chain(walk, field));
    let next_hop_v6 = walk.read(fields, "next_hop_v6", |walk, field| {
        let next_hop = walk.ipv6(field)?;
        if next_hop.is_unspecified()
            || next_hop.is_multicast()
            || next_hop.is_loopback()
            || next_hop.to_ipv4_mapped().is_some()
        {
            walk.refuse(
                field.node.mark,
                &field.path,
                format!("{next_hop} cannot be a next hop: it is not a unicast address of a router"),
            );
            return None;
        }
        Some(next_hop)
    });
    let description = walk.read(fields, "description", Walk::text);

    if passive == Some(true) && address.is_some_and(|address| !accepts(listen, address)) {
        let message =
            format!("a passive neighbour has to reach bgp.listen, but {listen} takes no connections of this family");
        let mark = fields.get("passive").map_or(fields.mark, |field| field.node.mark);
        walk.refuse(mark, &fields.path_of("passive"), message);
    }
    if let (Some(asn), Some(local_asn)) = (asn, local_asn) {
        warn_without_policy(walk, fields, asn, local_asn);
    }

    let families_given = families.is_some();
    let mut neighbor = NeighborConfig::new(address?, asn?, local_asn?);
    neighbor.port = port.unwrap_or(neighbor.port);
    neighbor.local_address = local_address;
    neighbor.families = families.unwrap_or(neighbor.families);
    neighbor.passive = passive.unwrap_or(neighbor.passive);
    neighbor.hold_time = hold_time.unwrap_or(neighbor.hold_time);
    neighbor.import = import.unwrap_or(neighbor.import);
    neighbor.export = export.unwrap_or(neighbor.export);
    neighbor.next_hop_v6 = next_hop_v6;
    neighbor.description = description;
    if families_given {
        warn_of_next_hops(walk, fields, &neighbor);
    }
    Some(neighbor)
}

/// Routes of the family that the session does not run over need a next hop that the session does not offer. Only where the families are
/// written down: by default they are offered in case, and most neighbours decline one.
fn warn_of_next_hops(walk: &mut Walk<'_>, fields: &Fields<'_>, neighbor: &NeighborConfig) {
    let has = |family| neighbor.families.contains(&family) && neighbor.export != Policy::Reject;
    let message = match neighbor.address {
        IpAddr::V4(address)
            if has(AddressFamily::Ipv6Unicast) && neighbor.next_hop_v6.is_none() && !address.is_loopback() =>
        {
            "IPv6 routes are announced over IPv4 with an IPv4-mapped next hop, which some routers refuse (BIRD does): give next_hop_v6"
        }
        IpAddr::V6(_) if has(AddressFamily::Ipv4Unicast) => {
            "IPv4 routes that need this router as their next hop are not announced over IPv6, which offers no IPv4 address"
        }
        _ => return,
    };
    let mark = fields.get("families").map_or(fields.mark, |field| field.node.mark);
    walk.warn(mark, &fields.path_of("families"), message);
}

fn warn_without_policy(walk: &mut Walk<'_>, fields: &Fields<'_>, asn: u32, local_asn: u32) {
    if asn == local_asn {
        return;
    }
    let message = match (fields.get("import").is_some(), fields.get("export").is_some()) {
        (true, true) => return,
        (false, false) => {
            "an eBGP neighbour without import and export exchanges no routes (RFC 8212): add `import: accept` and `export: accept`"
        }
        (false, true) => {
            "an eBGP neighbour without import is not listened to (RFC 8212): add `import: accept` or `import: reject`"
        }
        (true, false) => {
            "an eBGP neighbour without export is told nothing (RFC 8212): add `export: accept` or `export: reject`"
        }
    };
    let missing = if fields.get("import").is_none() { "import" } else { "export" };
    walk.warn(fields.mark, &fields.path_of(missing), message);
}

/// Whether a socket bound to `listen` can take a connection from `address`.
fn accepts(listen: SocketAddr, address: IpAddr) -> bool {
    listen.is_ipv4() == address.is_ipv4() || listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

fn asn(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<u32> {
    let asn: u32 = walk.integer(field)?;
    if asn == AS_TRANS {
        walk.refuse(field.node.mark, &field.path, "23456 is AS_TRANS, which no router has as its own (RFC 6793 §9)");
        return None;
    }
    if LAST_ASNS.contains(&asn) {
        walk.warn(field.node.mark, &field.path, format!("AS {asn} is reserved and not to be used (RFC 7300)"));
    }
    Some(asn)
}

/// An address that a BGP router can have.
fn unicast(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<IpAddr> {
    let address = walk.address(field)?;
    let wrong = match address {
        _ if address.is_unspecified() => "stands for any address, not for one".to_owned(),
        _ if address.is_multicast() => "is a multicast address".to_owned(),
        IpAddr::V4(v4) if v4.is_broadcast() => "is the broadcast address".to_owned(),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            "is link-local and needs an interface, which cannot be given yet: use a global or unique local address"
                .to_owned()
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => format!("is an IPv4 address in IPv6 clothes: write {v4}"),
            None => return Some(address),
        },
        IpAddr::V4(_) => return Some(address),
    };
    walk.refuse(field.node.mark, &field.path, format!("{address} {wrong}"));
    None
}

fn family(word: usize) -> Option<AddressFamily> {
    match FAMILIES.get(word) {
        Some(&"ipv4-unicast") => Some(AddressFamily::Ipv4Unicast),
        Some(&"ipv6-unicast") => Some(AddressFamily::Ipv6Unicast),
        _ => None,
    }
}

/// A whole document that is not a mapping, or none at all.
pub(super) fn empty_document(walk: &mut Walk<'_>) -> Config {
    walk.warn(Mark::START, "", "the file is empty: everything is at its default");
    Config::default()
}
