//! Section `bgp`: groups, neighbours and ranges of neighbours, each on top of the group it names.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::bgp::export::AddPathSend;
use ::bgp::policy::Policy;
use ::bgp::rib::{MARTIANS, Reach};
use ::bgp::speaker::SELECTION_DEFERRAL_TIME;
use net::Prefix;

use super::policy::{Policies, policies};
use super::schema::FAMILIES;
use super::types::{
    AddressFamily, AggregateConfig, BgpConfig, BgpRole, ConfederationConfig, Config, DecisionConfig, LimitAction,
    MrtConfig, MultipathConfig, NeighborConfig, NextHopRule, PrivateAsRule, RangeConfig, RestartHelp,
};
use super::walk::{Field, Fields, Walk, shorten};
use crate::service::FileName;

/// AS_TRANS, which stands for an AS number that does not fit in two octets (RFC 6793 §9).
const AS_TRANS: u32 = 23456;
/// The last AS numbers of 16 and 32 bits, which are reserved (RFC 7300).
const LAST_ASNS: [u32; 2] = [65535, u32::MAX];
/// Below this a keepalive is lost too easily.
const SHORT_HOLD_TIME: Duration = Duration::from_secs(9);

pub(super) fn bgp(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<BgpConfig> {
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
    let aggregates = aggregates(walk, fields);
    let martians = walk.read(fields, "martians", |walk, field| {
        walk.list(field, |walk, item| {
            walk.parsed(item, "a prefix with lengths", |text| {
                text.parse().map_err(|error: ::bgp::policy::ParseError| error.to_string())
            })
        })
    });
    let martians = martians.unwrap_or_else(|| MARTIANS.iter().filter_map(|pattern| pattern.parse().ok()).collect());
    let cluster_id = walk.read(fields, "cluster_id", Walk::ipv4);
    let default_local_pref = walk.read(fields, "default_local_pref", Walk::integer).unwrap_or(BgpConfig::LOCAL_PREF);
    let selection_deferral = walk.read(fields, "selection_deferral", Walk::duration);
    let confederation = walk.read(fields, "confederation", Walk::section).and_then(|section| {
        let identifier = walk.read(&section, "identifier", asn);
        let members = walk.read(&section, "members", |walk, field| walk.list(field, asn)).unwrap_or_default();
        Some(ConfederationConfig { identifier: identifier?, members })
    });
    let decision = walk.read(fields, "decision", Walk::section).map_or_else(DecisionConfig::default, |section| {
        let mut read = |name| walk.read(&section, name, Walk::boolean);
        let defaults = DecisionConfig::default();
        DecisionConfig {
            always_compare_med: read("always_compare_med").unwrap_or(defaults.always_compare_med),
            missing_med_worst: read("missing_med_worst").unwrap_or(defaults.missing_med_worst),
            compare_router_id: read("compare_router_id").unwrap_or(defaults.compare_router_id),
            ignore_as_path_length: read("ignore_as_path_length").unwrap_or(defaults.ignore_as_path_length),
            prefer_oldest: read("prefer_oldest").unwrap_or(defaults.prefer_oldest),
        }
    });
    let multipath = walk.read(fields, "multipath", Walk::section).map_or_else(MultipathConfig::default, |section| {
        let defaults = MultipathConfig::default();
        MultipathConfig {
            ebgp: walk.read(&section, "ebgp", Walk::integer).unwrap_or(defaults.ebgp),
            ibgp: walk.read(&section, "ibgp", Walk::integer).unwrap_or(defaults.ibgp),
            relaxed: walk.read(&section, "relaxed", Walk::boolean).unwrap_or(defaults.relaxed),
        }
    });
    let next_hops = next_hops(walk, fields);
    let mrt = walk.read(fields, "mrt", Walk::section).map_or_else(MrtConfig::default, |section| mrt(walk, &section));
    let policies = policies(walk, fields);
    let named = groups(walk, fields, &policies);
    let neighbors = neighbors(walk, fields, &named, local_asn, listen);
    let ranges = ranges(walk, fields, &named, local_asn);
    let policies = policies.policies;
    Some(BgpConfig {
        asn: local_asn?,
        router_id: router_id?,
        listen,
        originate,
        aggregates,
        martians,
        cluster_id,
        mrt,
        confederation,
        default_local_pref,
        selection_deferral: selection_deferral.unwrap_or(SELECTION_DEFERRAL_TIME),
        decision,
        multipath,
        next_hops,
        policies,
        neighbors,
        ranges,
    })
}

/// How next hops are reached, each prefix once.
fn next_hops(walk: &mut Walk<'_>, fields: &Fields<'_>) -> BTreeMap<Prefix, Reach> {
    let mut all = BTreeMap::new();
    for item in walk.read(fields, "next_hops", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let prefix = walk.read(&section, "prefix", Walk::prefix);
        let cost = walk.read(&section, "cost", Walk::integer);
        let unreachable = walk.read(&section, "unreachable", Walk::boolean).unwrap_or(false);
        let Some(prefix) = prefix else { continue };
        if unreachable && cost.is_some() {
            walk.refuse(item.node.mark, &section.path_of("cost"), "what cannot be reached has no cost");
        }
        let reach = if unreachable { Reach::Unreachable } else { Reach::Cost(cost.unwrap_or(0)) };
        if all.insert(prefix, reach).is_some() {
            walk.refuse(item.node.mark, &section.path_of("prefix"), format!("{prefix} stands here already"));
        }
    }
    all
}

fn mrt(walk: &mut Walk<'_>, section: &Fields<'_>) -> MrtConfig {
    let defaults = MrtConfig::default();
    let mut name = |key| walk.read(section, key, file_name);
    let (updates, tables) = (name("updates"), name("tables"));
    let rotate = walk.read(section, "rotate", Walk::duration).unwrap_or(defaults.rotate);
    let interval = walk.read(section, "interval", Walk::duration).unwrap_or(defaults.interval);
    MrtConfig { updates, rotate, tables, interval }
}

/// A file name that may hold the time.
fn file_name(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<String> {
    let text = walk.text(field)?;
    if text.is_empty() {
        walk.refuse(field.node.mark, &field.path, "the file's name is empty");
        return None;
    }
    if let Some(letter) = FileName::unknown(&text) {
        let message = format!("`%{letter}` is not known: %Y %m %d %H %M %S %s and %% are");
        walk.refuse(field.node.mark, &field.path, message);
        return None;
    }
    Some(text)
}

fn aggregates(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<AggregateConfig> {
    let mut aggregates: Vec<AggregateConfig> = Vec::new();
    for item in walk.read(fields, "aggregates", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let prefix = walk.read(&section, "prefix", Walk::prefix);
        let suppress = walk.read(&section, "suppress", Walk::boolean).unwrap_or(false);
        let Some(prefix) = prefix else { continue };
        if aggregates.iter().any(|aggregate| aggregate.prefix == prefix) {
            walk.refuse(item.node.mark, &section.path_of("prefix"), format!("there is an aggregate {prefix} already"));
            continue;
        }
        aggregates.push(AggregateConfig { prefix, suppress });
    }
    aggregates
}

/// What is set of a neighbour before it is one: a group, or nothing.
#[derive(Clone)]
struct Template {
    /// Its AS, policies and address mean nothing.
    config: NeighborConfig,
    asn: Option<u32>,
    import: Option<Policy>,
    export: Option<Policy>,
    families_given: bool,
}

impl Template {
    fn new() -> Template {
        let config = NeighborConfig::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0, 0);
        Template { config, asn: None, import: None, export: None, families_given: false }
    }

    /// The neighbour that it comes to.
    fn finish(self, address: IpAddr, asn: u32, local_asn: u32) -> NeighborConfig {
        // RFC 8212 for eBGP.
        let defaults = NeighborConfig::new(address, asn, local_asn);
        NeighborConfig {
            address,
            asn,
            import: self.import.unwrap_or(defaults.import),
            export: self.export.unwrap_or(defaults.export),
            ..self.config
        }
    }
}

/// What neighbours may name.
struct Named<'p> {
    groups: BTreeMap<String, Template>,
    policies: &'p Policies,
}

/// A group may name one that stands before it: so there are no circles.
fn groups<'p>(walk: &mut Walk<'_>, fields: &Fields<'_>, policies: &'p Policies) -> Named<'p> {
    let mut named = Named { groups: BTreeMap::new(), policies };
    for item in walk.read(fields, "groups", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let name = walk.read(&section, "name", Walk::text);
        let template = settings(walk, &section, &named, None);
        let Some(name) = name else { continue };
        if named.groups.insert(name.clone(), template).is_some() {
            walk.refuse(item.node.mark, &section.path_of("name"), format!("there is a group `{name}` already"));
        }
    }
    named
}

fn neighbors(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    named: &Named<'_>,
    local_asn: Option<u32>,
    listen: SocketAddr,
) -> Vec<NeighborConfig> {
    let mut neighbors: Vec<NeighborConfig> = Vec::new();
    let mut seen: HashMap<IpAddr, String> = HashMap::new();
    for item in walk.read(fields, "neighbors", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let Some(neighbor) = neighbor(walk, &section, named, local_asn, listen) else { continue };
        // By this a neighbour that connects is known.
        match seen.entry(neighbor.address) {
            Entry::Occupied(first) => {
                let message = format!("the same neighbour as {}: the addresses are equal", first.get());
                walk.refuse(item.node.mark, &item.path, message);
            }
            Entry::Vacant(entry) => {
                entry.insert(item.path);
                neighbors.push(neighbor);
            }
        }
    }
    neighbors
}

fn ranges(walk: &mut Walk<'_>, fields: &Fields<'_>, named: &Named<'_>, local_asn: Option<u32>) -> Vec<RangeConfig> {
    let mut ranges = Vec::new();
    for item in walk.read(fields, "ranges", Walk::items).unwrap_or_default() {
        let Some(section) = walk.section(&item) else { continue };
        let prefix = walk.read(&section, "prefix", Walk::prefix);
        let limit = walk.read(&section, "limit", Walk::integer).unwrap_or(RangeConfig::LIMIT);
        let template = settings(walk, &section, named, prefix.map(|prefix| prefix.addr()));
        let Some((prefix, local_asn)) = prefix.zip(local_asn) else { continue };
        // Without an AS any is taken: the neighbour is an external one then, and its policies are those of one.
        let asn = template.asn;
        let neighbor = template.finish(prefix.addr(), asn.unwrap_or(0), local_asn);
        ranges.push(RangeConfig { prefix, limit, any_asn: asn.is_none(), neighbor });
    }
    ranges
}

/// One neighbour. The rules are checked even where a required key is missing, as far as they can be.
fn neighbor(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    named: &Named<'_>,
    local_asn: Option<u32>,
    listen: SocketAddr,
) -> Option<NeighborConfig> {
    let address = walk.read(fields, "address", unicast);
    let template = settings(walk, fields, named, address);
    let asn = template.asn;
    if asn.is_none() && fields.get("asn").is_none() {
        walk.refuse(fields.mark, &fields.path_of("asn"), "missing: the key is required, here or in the group");
    }
    if template.config.passive && address.is_some_and(|address| !accepts(listen, address)) {
        let message =
            format!("a passive neighbour has to reach bgp.listen, but {listen} takes no connections of this family");
        let mark = fields.get("passive").map_or(fields.mark, |field| field.node.mark);
        walk.refuse(mark, &fields.path_of("passive"), message);
    }
    if let (Some(asn), Some(local_asn)) = (asn, local_asn) {
        warn_without_policy(walk, fields, &template, asn, local_asn);
    }
    let families_given = template.families_given;
    let neighbor = template.finish(address?, asn?, local_asn?);
    if families_given {
        warn_of_next_hops(walk, fields, &neighbor);
    }
    Some(neighbor)
}

/// The keys that neighbours, groups and ranges have in common, on top of the group's.
fn settings(walk: &mut Walk<'_>, fields: &Fields<'_>, named: &Named<'_>, address: Option<IpAddr>) -> Template {
    let group = walk.read(fields, "group", |walk, field| {
        let name = walk.text(field)?;
        let Some(mut group) = named.groups.get(&name).cloned() else {
            walk.refuse(field.node.mark, &field.path, format!("there is no group `{name}` before this line"));
            return None;
        };
        group.config.groups.insert(0, Arc::from(name));
        Some(group)
    });
    let mut template = group.unwrap_or_else(Template::new);
    let Template { config, asn: template_asn, import, export, families_given } = &mut template;
    if let Some(value) = walk.read(fields, "asn", asn) {
        *template_asn = Some(value);
    }
    config.local_address = walk
        .read(fields, "local_address", |walk, field| {
            let local = unicast(walk, field)?;
            if address.is_some_and(|address| address.is_ipv4() != local.is_ipv4()) {
                let message = "not of the same family (IPv4, IPv6) as the neighbour's address";
                walk.refuse(field.node.mark, &field.path, message);
                return None;
            }
            Some(local)
        })
        .or(config.local_address);
    let families = walk.read(fields, "families", |walk, field| {
        let mut families = walk.list(field, |walk, item| walk.word(item).and_then(family))?;
        families.sort_unstable();
        Some(families)
    });
    *families_given |= families.is_some();
    config.families = families.unwrap_or_else(|| config.families.clone());
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
    config.hold_time = hold_time.unwrap_or(config.hold_time);
    *import = walk.read(fields, "import", |walk, field| named.policies.chain(walk, field)).or(import.take());
    *export = walk.read(fields, "export", |walk, field| named.policies.chain(walk, field)).or(export.take());
    let default = walk.read(fields, "default_originate", |walk, field| named.policies.chain(walk, field));
    config.default_originate = default.or(config.default_originate.take());
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
    config.next_hop_v6 = next_hop_v6.or(config.next_hop_v6);
    config.port = walk.read(fields, "port", Walk::integer).unwrap_or(config.port);
    config.multihop = walk.read(fields, "multihop", Walk::integer).or(config.multihop);
    config.allow_own_as = walk.read(fields, "allow_own_as", Walk::integer).unwrap_or(config.allow_own_as);
    config.add_path_send = walk.read(fields, "add_path_send", paths_sent).unwrap_or(config.add_path_send);
    config.local_as = walk.read(fields, "local_as", asn).or(config.local_as);
    config.max_prefixes = walk.read(fields, "max_prefixes", Walk::integer).or(config.max_prefixes);
    config.max_prefixes_sent = walk.read(fields, "max_prefixes_sent", Walk::integer).or(config.max_prefixes_sent);
    config.attribute_octets = walk.read(fields, "attribute_octets", Walk::integer).unwrap_or(config.attribute_octets);
    for (name, value) in [
        ("max_prefixes_restart", &mut config.max_prefixes_restart),
        ("connect_retry_time", &mut config.connect_retry_time),
        ("idle_hold_time", &mut config.idle_hold_time),
        ("delay_open_time", &mut config.delay_open_time),
        ("send_hold_time", &mut config.send_hold_time),
        ("advertisement_interval", &mut config.advertisement_interval),
        ("restart_time", &mut config.restart_time),
        ("long_lived_time", &mut config.long_lived_time),
    ] {
        *value = walk.read(fields, name, Walk::duration).unwrap_or(*value);
    }
    config.as_path_limit = walk.read(fields, "as_path_limit", Walk::integer).unwrap_or(config.as_path_limit);
    for (name, value) in [
        ("password", &mut config.password),
        ("interface", &mut config.interface),
        ("shutdown", &mut config.shutdown),
        ("description", &mut config.description),
    ] {
        *value = walk.read(fields, name, Walk::text).or(value.take());
    }
    for (name, value) in [
        ("passive", &mut config.passive),
        ("active", &mut config.active),
        ("ttl_security", &mut config.ttl_security),
        ("damp_oscillations", &mut config.damp_peer_oscillations),
        ("enforce_first_as", &mut config.enforce_first_as),
        ("strict_role", &mut config.strict_role),
        ("as_override", &mut config.as_override),
        ("route_server_client", &mut config.route_server_client),
        ("route_reflector_client", &mut config.route_reflector_client),
        ("reject_as_sets", &mut config.reject_as_sets),
        ("graceful_shutdown", &mut config.graceful_shutdown),
        ("add_path_receive", &mut config.add_path_receive),
        ("hide_paths", &mut config.hide_paths),
        ("extended_next_hop", &mut config.extended_next_hop),
        ("local_as_prepend", &mut config.local_as_prepend),
        ("local_as_replace", &mut config.local_as_replace),
    ] {
        *value = walk.read(fields, name, Walk::boolean).unwrap_or(*value);
    }
    // Words are numbered in the order of the schema, and so are the types' variants.
    let mut word = |name| walk.read(fields, name, Walk::word);
    config.role = word("role").and_then(|at| BgpRole::ALL.get(at).copied()).or(config.role);
    let rule = word("next_hop").and_then(|at| NextHopRule::ALL.get(at).copied());
    config.next_hop = rule.unwrap_or(config.next_hop);
    let rule = word("private_as").and_then(|at| PrivateAsRule::ALL.get(at).copied());
    config.private_as = rule.unwrap_or(config.private_as);
    let help = word("graceful_restart").and_then(|at| RestartHelp::ALL.get(at).copied());
    config.graceful_restart = help.unwrap_or(config.graceful_restart);
    let action = word("max_prefixes_action").and_then(|at| LimitAction::ALL.get(at).copied());
    config.max_prefixes_action = action.unwrap_or(config.max_prefixes_action);
    if config.passive && config.active {
        let message = "a neighbour that is both active and passive never gets a connection";
        walk.refuse(fields.mark, &fields.path_of("active"), message);
    }
    template
}

/// How many paths of a prefix.
fn paths_sent(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<Option<AddPathSend>> {
    const WHAT: &str = "none, all or a number from 1 to 255";
    walk.parsed(field, WHAT, |text| match text {
        "none" => Ok(None),
        "all" => Ok(Some(AddPathSend::All)),
        number => match number.parse() {
            Ok(count) => Ok(Some(AddPathSend::Best(count))),
            Err(_) => Err(format!("`{}` is not {WHAT}", shorten(number))),
        },
    })
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
        IpAddr::V6(_) if has(AddressFamily::Ipv4Unicast) && !neighbor.extended_next_hop => {
            "IPv4 routes that need this router as their next hop are not announced over IPv6, which offers no IPv4 address: give extended_next_hop"
        }
        _ => return,
    };
    let mark = fields.get("families").map_or(fields.mark, |field| field.node.mark);
    walk.warn(mark, &fields.path_of("families"), message);
}

fn warn_without_policy(walk: &mut Walk<'_>, fields: &Fields<'_>, template: &Template, asn: u32, local_asn: u32) {
    if asn == local_asn {
        return;
    }
    let message = match (template.import.is_some(), template.export.is_some()) {
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
    let missing = if template.import.is_none() { "import" } else { "export" };
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
