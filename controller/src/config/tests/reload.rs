//! What the table says of a reload is what a reload does: one key after the other is changed in a file that has every key.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::bgp::speaker::Speaker;
use net::Time;

use super::super::schema::Reload;
use super::*;
use crate::core::{Core, CoreConfig, FabricSettings};
use crate::reload::{Outcome, Planning, besides_the_speaker, of_bgp, of_fabric, of_names, restart_keys};
use crate::service::{core_config, speaker_config};

/// Key path, and what is written instead of what to change it, every time that it stands in the example. What starts with `\n` is of one line only.
#[rustfmt::skip]
const CHANGES: &[(&str, &[(&str, &str)])] = &[
    ("openflow.listen", &[("ptcp:6653:[::]", "ptcp:6654:[::]")]),
    ("openflow.connect", &[("192.0.2.7:6634", "192.0.2.8:6634")]),
    ("openflow.plain_from", &[("192.0.2.0/24]\n  tls", "192.0.3.0/24]\n  tls")]),
    ("openflow.tls.certificate", &[("controller.pem", "other.pem")]),
    ("openflow.tls.key", &[("controller.key", "other.key")]),
    ("openflow.tls.client_ca", &[("client_ca: ca.pem", "client_ca: other.pem")]),
    ("openflow.tls.switches[].certificate", &[("certificate: s1,", "certificate: s9,")]),
    ("openflow.tls.switches[].datapath_ids", &[("datapath_ids: [\"0x1\"]", "datapath_ids: [\"0x9\"]")]),
    ("openflow.role", &[("role: equal", "role: master")]),
    ("openflow.record", &[("/recordings", "/elsewhere")]),
    ("http.listen", &[("127.0.0.1:9653", "127.0.0.1:9654")]),
    ("http.socket", &[("/run/trunkline.sock", "/run/other.sock")]),
    ("openflow.bundles", &[("bundles: auto", "bundles: atomic")]),
    ("history.directory", &[("/trunkline/history", "/trunkline/other")]),
    ("history.keep", &[("keep: 20", "keep: 30")]),
    ("audit.interval", &[("audit:\n  interval: 5m", "audit:\n  interval: 6m")]),
    ("audit.foreign_flows", &[("foreign_flows: keep", "foreign_flows: remove")]),
    ("audit.exceptions[].cookies", &[("0x100-0x1ff", "0x100-0x2ff")]),
    ("audit.exceptions[].table", &[("table: 3,", "table: 4,")]),
    ("audit.exceptions[].priority", &[("priority: 7,", "priority: 8,")]),
    ("audit.exceptions[].match", &[("in_port=2,tcp", "in_port=2,udp")]),
    ("fabric.probe_interval", &[("probe_interval: 300ms", "probe_interval: 400ms")]),
    ("fabric.probe_misses", &[("probe_misses: 3", "probe_misses: 4")]),
    ("fabric.probe_budget_per_second", &[("probe_budget_per_second: 4000", "probe_budget_per_second: 5000")]),
    ("fabric.broadcast_probes", &[("broadcast_probes: false", "broadcast_probes: true")]),
    ("fabric.damping", &[("damping: true", "damping: false")]),
    ("fabric.protect_host_ports", &[("protect_host_ports: true", "protect_host_ports: false")]),
    ("fabric.max_link_latency", &[("max_link_latency: 200ms", "max_link_latency: 0s")]),
    ("fabric.host_limit_per_port", &[("host_limit_per_port: 1024", "host_limit_per_port: 1023")]),
    ("fabric.move_confirmation", &[("move_confirmation: 300ms", "move_confirmation: 0s")]),
    ("fabric.expected_links", &[("s1/uplink - s2/1", "s1/uplink - s2/2")]),
    ("fabric.expected_links_only", &[("expected_links_only: false", "expected_links_only: true")]),
    ("fabric.static_hosts[].mac", &[("02:00:00:00:00:09", "02:00:00:00:00:0a")]),
    ("fabric.static_hosts[].port", &[("port: s1/printer", "port: s1/7")]),
    ("fabric.static_hosts[].addresses", &[("10.0.9.9", "10.0.9.8")]),
    ("fabric.subnets", &[("subnets: [10.0.0.0/16,", "subnets: [10.1.0.0/16,")]),
    ("fabric.dhcp_servers", &[("dhcp_servers: [s2/20]", "dhcp_servers: [s2/21]")]),
    ("fabric.host_timeout", &[("host_timeout: 5m", "host_timeout: 6m")]),
    ("switches.NAME.datapath_id", &[("datapath_id: \"0x1\"", "datapath_id: \"0x5\"")]),
    ("switches.NAME.description", &[("description: rack 1", "description: rack 2")]),
    ("switches.NAME.drain", &[("drain: false", "drain: true")]),
    ("links[].between", &[("between: s1/uplink - s2/1", "between: s1/uplink - s2/2")]),
    ("links[].cost", &[("2/1, cost: 10,", "2/1, cost: 11,")]),
    ("links[].bandwidth", &[("bandwidth: 10G", "bandwidth: 40G")]),
    ("links[].latency", &[("latency: 0.8ms", "latency: 0.9ms")]),
    ("links[].srlg", &[("[conduit-7, 12]", "[conduit-8, 12]")]),
    ("links[].drain", &[("12], drain: true", "12], drain: false")]),
    ("paths.metric", &[("{ metric: bandwidth", "{ metric: cost")]),
    ("paths.measured_latency", &[("measured_latency: false", "measured_latency: true")]),
    ("paths.bypasses", &[("bypasses: true", "bypasses: false")]),
    ("paths.reference_bandwidth", &[("reference_bandwidth: 100G", "reference_bandwidth: 40G")]),
    ("reservations[].name", &[("name: nightly", "name: weekly")]),
    ("reservations[].from", &[("from: s1, to: s2", "from: s2, to: s1")]),
    ("reservations[].to", &[("from: s2, to: s1", "from: s1, to: s2")]),
    ("reservations[].bandwidth", &[("bandwidth: 2G", "bandwidth: 3G")]),
    ("reservations[].max_latency", &[("max_latency: 6ms", "max_latency: 7ms")]),
    ("reservations[].avoid", &[("s2/7]", "s2/8]")]),
    ("reservations[].include", &[("include: [s1/uplink]", "include: [s1/9]")]),
    ("reservations[].disjoint", &[("disjoint: node", "disjoint: link")]),
    ("switches.NAME.ports.PORT.name", &[("printer", "copier")]),
    ("switches.NAME.ports.PORT.description", &[("to the core", "to nowhere")]),
    ("vlans.NAME.id", &[("{ id: 20", "{ id: 21")]),
    ("vlans.NAME.description", &[("telephones", "phones")]),
    ("groups", &[("bucket=weight:2", "bucket=weight:3")]),
    ("meters", &[("type=drop,rate=1000", "type=drop,rate=2000")]),
    ("flows", &[("tp_dst=23", "tp_dst=24")]),
    ("isolate.NAME.description", &[("people must not see", "nobody sees")]),
    ("isolate.NAME.groups.NAME.hosts", &[("10.0.5.0/24", "10.0.6.0/24")]),
    ("isolate.NAME.groups.NAME.ports", &[("s1/9", "s1/10")]),
    ("ovsdb.connections", &[("192.0.2.7:6640", "192.0.2.8:6640")]),
    ("ovsdb.bfd.enabled", &[("enabled: true", "enabled: false")]),
    ("ovsdb.bfd.min_tx", &[("min_tx: 10ms", "min_tx: 20ms")]),
    ("ovsdb.bfd.min_rx", &[("min_rx: 10ms", "min_rx: 20ms")]),
    ("ovsdb.bfd.mult", &[("mult: 3", "mult: 4")]),
    ("verify", &[("verify: refuse", "verify: warn")]),
    ("bgp.asn", &[("\n  asn: 65001", "\n  asn: 65007"), ("asn: 65001, route_reflector_client", "asn: 65007, route_reflector_client")]),
    ("bgp.router_id", &[("router_id: 10.0.0.1", "router_id: 10.0.0.2")]),
    ("bgp.listen", &[("\"[::]:179\"", "\"[::]:1179\"")]),
    ("bgp.originate", &[("originate: [\"203.0.113.0/24\"", "originate: [\"198.18.0.0/24\"")]),
    ("bgp.aggregates[].prefix", &[("203.0.112.0/22", "203.0.112.0/21")]),
    ("bgp.aggregates[].suppress", &[("suppress: true", "suppress: false")]),
    ("bgp.martians", &[("127.0.0.0/8 le 32", "127.0.0.0/8 le 30")]),
    ("bgp.sets.prefixes", &[("203.0.113.0/24 le 28", "203.0.113.0/24 le 27")]),
    ("bgp.sets.as_paths", &[("64512-65534", "64513-65534")]),
    ("bgp.sets.asns", &[("65100-65199]", "65100-65198]")]),
    ("bgp.sets.communities", &[("65001:*:*", "65001:1:*")]),
    ("bgp.sets.neighbors", &[("192.0.2.0/28", "192.0.2.0/29")]),
    ("bgp.policies.NAME[].name", &[("nothing of ours, nothing odd", "nothing of ours")]),
    ("bgp.policies.NAME[].match.family", &[("family: ipv4-unicast, prefix", "family: ipv6-unicast, prefix")]),
    ("bgp.policies.NAME[].match.prefix", &[("ipv4-unicast, prefix: ours", "ipv4-unicast, prefix: 10.0.0.0/8")]),
    ("bgp.policies.NAME[].match.as_path", &[("as_path: private", "as_path: \"_65099_\"")]),
    ("bgp.policies.NAME[].match.as_path_length", &[("ge 2 le 100", "ge 3 le 100")]),
    ("bgp.policies.NAME[].match.neighbor_as", &[("neighbor_as: upstreams", "neighbor_as: 65002")]),
    ("bgp.policies.NAME[].match.origin_as", &[("origin_as: 65100-65199", "origin_as: 65100-65150")]),
    ("bgp.policies.NAME[].match.communities", &[("65002:70", "65002:71")]),
    ("bgp.policies.NAME[].match.all_communities", &[("all_communities: \"65002:1\"", "all_communities: \"65002:2\"")]),
    ("bgp.policies.NAME[].match.next_hop", &[("next_hop: neighbor", "next_hop: 10.0.0.0/8")]),
    ("bgp.policies.NAME[].match.neighbor", &[("neighbor: rack4", "neighbor: 192.0.2.2")]),
    ("bgp.policies.NAME[].match.group", &[("group: [transit, secured]", "group: [transit]")]),
    ("bgp.policies.NAME[].match.role", &[("role: provider", "role: peer")]),
    ("bgp.policies.NAME[].match.med", &[("med: le 100", "med: le 99")]),
    ("bgp.policies.NAME[].match.local_pref", &[("\n          local_pref: 100", "\n          local_pref: 101")]),
    ("bgp.policies.NAME[].match.origin", &[("origin: igp", "origin: egp")]),
    ("bgp.policies.NAME[].match.source", &[("source: local", "source: ebgp")]),
    ("bgp.policies.NAME[].set.local_pref", &[("local_pref: +10", "local_pref: +11")]),
    ("bgp.policies.NAME[].set.med", &[("med: none", "med: 5")]),
    ("bgp.policies.NAME[].set.origin", &[("origin: incomplete", "origin: egp")]),
    ("bgp.policies.NAME[].set.next_hop", &[("next_hop: self", "next_hop: unchanged")]),
    ("bgp.policies.NAME[].set.prepend.asn", &[("asn: first", "asn: self")]),
    ("bgp.policies.NAME[].set.prepend.times", &[("times: 2", "times: 3")]),
    ("bgp.policies.NAME[].set.communities.remove", &[("remove: internal", "remove: \"65001:9\"")]),
    ("bgp.policies.NAME[].set.communities.add", &[("add: [\"65001:1\"]", "add: [\"65001:2\"]")]),
    ("bgp.policies.NAME[].set.communities.set", &[("set: \"65001:2\"", "set: \"65001:3\"")]),
    ("bgp.policies.NAME[].action", &[("action: next-policy", "action: accept")]),
    ("bgp.neighbors[].address", &[("address: 192.0.2.4", "address: 192.0.2.5")]),
    ("bgp.neighbors[].port", &[("      port: 179", "      port: 1179")]),
    ("bgp.neighbors[].asn", &[("      asn: 65002", "      asn: 65009")]),
    ("bgp.neighbors[].local_address", &[("local_address: 192.0.2.1", "local_address: 192.0.2.9")]),
    ("bgp.neighbors[].families", &[("families: [ipv4-unicast, ipv6-unicast]", "families: [ipv4-unicast]"), ("      next_hop_v6: \"2001:db8::1\"\n", "")]),
    ("bgp.neighbors[].passive", &[("passive: false", "passive: true")]),
    ("bgp.neighbors[].hold_time", &[("hold_time: 90s", "hold_time: 60s")]),
    ("bgp.neighbors[].connect_retry_time", &[("connect_retry_time: 2m", "connect_retry_time: 3m")]),
    ("bgp.neighbors[].idle_hold_time", &[("idle_hold_time: 1s", "idle_hold_time: 2s")]),
    ("bgp.neighbors[].damp_oscillations", &[("damp_oscillations: true", "damp_oscillations: false")]),
    ("bgp.neighbors[].delay_open_time", &[("delay_open_time: 0s", "delay_open_time: 1s")]),
    ("bgp.neighbors[].send_hold_time", &[("send_hold_time: 8m", "send_hold_time: 9m")]),
    ("bgp.neighbors[].import", &[("import: [upstream-in, accept]", "import: [upstream-in]")]),
    ("bgp.neighbors[].export", &[("export: ours-out", "export: accept")]),
    ("bgp.neighbors[].default_originate", &[("default_originate: accept", "default_originate: reject")]),
    ("bgp.neighbors[].advertisement_interval", &[("advertisement_interval: 30s", "advertisement_interval: 20s")]),
    ("bgp.neighbors[].next_hop_v6", &[("next_hop_v6: \"2001:db8::1\"", "next_hop_v6: \"2001:db8::9\"")]),
    ("bgp.neighbors[].description", &[("upstream, rack 4", "upstream")]),
    ("bgp.neighbors[].group", &[("      group: secured", "      group: transit")]),
    ("bgp.neighbors[].active", &[("active: true", "active: false")]),
    ("bgp.neighbors[].interface", &[("eth0", "eth1")]),
    ("bgp.neighbors[].next_hop", &[("next_hop: standard", "next_hop: self")]),
    ("bgp.neighbors[].private_as", &[("private_as: remove", "private_as: replace")]),
    ("bgp.neighbors[].as_override", &[("as_override: false", "as_override: true")]),
    ("bgp.neighbors[].allow_own_as", &[("allow_own_as: 0", "allow_own_as: 1")]),
    ("bgp.neighbors[].enforce_first_as", &[("upstream, rack 4", "upstream, rack 4\n      enforce_first_as: false")]),
    ("bgp.neighbors[].local_as", &[("local_as: 65010", "local_as: 65012")]),
    ("bgp.neighbors[].local_as_prepend", &[("local_as_prepend: true", "local_as_prepend: false")]),
    ("bgp.neighbors[].local_as_replace", &[("local_as_replace: false", "local_as_replace: true")]),
    ("bgp.neighbors[].route_server_client", &[("upstream, rack 4", "upstream, rack 4\n      route_server_client: true")]),
    ("bgp.neighbors[].route_reflector_client", &[("route_reflector_client: true", "route_reflector_client: false")]),
    ("bgp.neighbors[].reject_as_sets", &[("reject_as_sets: true", "reject_as_sets: false")]),
    ("bgp.neighbors[].as_path_limit", &[("as_path_limit: 750", "as_path_limit: 700")]),
    ("bgp.neighbors[].graceful_shutdown", &[("graceful_shutdown: false", "graceful_shutdown: true")]),
    ("bgp.neighbors[].shutdown", &[("upstream, rack 4", "upstream, rack 4\n      shutdown: new optics")]),
    ("bgp.neighbors[].add_path_receive", &[("add_path_receive: false", "add_path_receive: true")]),
    ("bgp.neighbors[].add_path_send", &[("add_path_send: all", "add_path_send: 2")]),
    ("bgp.neighbors[].hide_paths", &[("hide_paths: false", "hide_paths: true")]),
    ("bgp.neighbors[].extended_next_hop", &[("extended_next_hop: false", "extended_next_hop: true")]),
    ("bgp.neighbors[].role", &[("role: customer", "role: peer")]),
    ("bgp.neighbors[].strict_role", &[("strict_role: false", "strict_role: true")]),
    ("bgp.neighbors[].max_prefixes", &[("max_prefixes: 2000000", "max_prefixes: 1000000")]),
    ("bgp.neighbors[].max_prefixes_sent", &[("max_prefixes_sent: 100", "max_prefixes_sent: 99")]),
    ("bgp.neighbors[].attribute_octets", &[("attribute_octets: 134217728", "attribute_octets: 1000000")]),
    ("bgp.neighbors[].max_prefixes_action", &[("max_prefixes_action: restart, max_prefixes_restart: 5m", "max_prefixes_action: warn")]),
    ("bgp.neighbors[].max_prefixes_restart", &[("max_prefixes_restart: 5m", "max_prefixes_restart: 6m")]),
    ("bgp.neighbors[].ttl_security", &[("ttl_security: true", "ttl_security: false")]),
    ("bgp.neighbors[].multihop", &[("multihop: 1", "multihop: 2")]),
    ("bgp.neighbors[].password", &[("not this one", "that one")]),
    ("bgp.neighbors[].graceful_restart", &[("graceful_restart: restart-long-lived", "graceful_restart: restart"), (", long_lived_time: 24h", "")]),
    ("bgp.neighbors[].restart_time", &[(" restart_time: 2m", " restart_time: 3m")]),
    ("bgp.neighbors[].long_lived_time", &[("long_lived_time: 24h", "long_lived_time: 23h")]),
    ("bgp.cluster_id", &[("cluster_id: 10.0.0.1", "cluster_id: 10.0.0.9")]),
    ("bgp.mrt.updates", &[("/updates.%Y", "/others.%Y")]),
    ("bgp.mrt.rotate", &[("rotate: 15m", "rotate: 20m")]),
    ("bgp.mrt.tables", &[("/rib.%Y", "/tables.%Y")]),
    ("bgp.mrt.interval", &[(" interval: 2h", " interval: 3h")]),
    ("bgp.confederation.identifier", &[("identifier: 65000", "identifier: 65020")]),
    ("bgp.confederation.members", &[("members: [65011]", "members: [65002, 65011]")]),
    ("bgp.default_local_pref", &[("default_local_pref: 100", "default_local_pref: 90")]),
    ("bgp.selection_deferral", &[("selection_deferral: 2m", "selection_deferral: 3m")]),
    ("bgp.multipath.ebgp", &[(" ebgp: 4", " ebgp: 3")]),
    ("bgp.multipath.ibgp", &[(" ibgp: 4", " ibgp: 3")]),
    ("bgp.multipath.relaxed", &[("relaxed: false", "relaxed: true")]),
    ("bgp.next_hops[].prefix", &[("10.0.1.0/24", "10.0.9.0/24")]),
    ("bgp.next_hops[].cost", &[("cost: 20", "cost: 21")]),
    ("bgp.next_hops[].unreachable", &[("unreachable: true", "unreachable: false")]),
    ("bgp.decision.always_compare_med", &[("always_compare_med: false", "always_compare_med: true")]),
    ("bgp.decision.missing_med_worst", &[("missing_med_worst: false", "missing_med_worst: true")]),
    ("bgp.decision.compare_router_id", &[("compare_router_id: true", "compare_router_id: false")]),
    ("bgp.decision.ignore_as_path_length", &[("ignore_as_path_length: false", "ignore_as_path_length: true")]),
    ("bgp.decision.prefer_oldest", &[("prefer_oldest: false", "prefer_oldest: true")]),
    ("bgp.groups[].name", &[("secured", "locked")]),
    ("bgp.ranges[].prefix", &[("198.51.100.0/24", "198.51.101.0/24")]),
    ("bgp.ranges[].limit", &[("limit: 100, passive", "limit: 99, passive")]),
];

/// Every key that has a value of its own, with its class. What neighbours, groups and ranges have in common is looked at once, as a neighbour's; and so
/// are the conditions of `match` and `unless`.
fn leaves() -> BTreeMap<String, Reload> {
    fn walk(section: &Section, path: &str, found: &mut BTreeMap<String, Reload>) {
        for key in section.keys {
            let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            match key.shape.inner() {
                Some((inner, more)) => {
                    assert_eq!(key.reload, Reload::Inside, "{path} has keys inside");
                    walk(inner, &format!("{path}{more}"), found);
                }
                None => drop(found.insert(path, key.reload)),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&ROOT, "", &mut found);
    let all: Vec<(String, Reload)> = found.iter().map(|(path, reload)| (path.clone(), *reload)).collect();
    for (path, reload) in all {
        let shared = ["bgp.groups[].", "bgp.ranges[]."].iter().find_map(|of| path.strip_prefix(of));
        let same = match shared {
            Some(name) => format!("bgp.neighbors[].{name}"),
            None => path.replace("[].unless.", "[].match."),
        };
        if same != path && found.get(&same).is_some_and(|other| *other == reload) {
            found.remove(&path);
        }
    }
    found
}

/// What a running process does with another file, put together as [`crate::reload::Reloader`] does it.
fn reload(old: &Config, new: &Config) -> Outcome {
    let now = Time::from_secs(1);
    let mut changed = Vec::new();
    if let (Some(before), Some(after)) = (&old.bgp, &new.bgp) {
        let mut speaker = Speaker::new(speaker_config(before, 1), now).unwrap();
        changed.extend(of_bgp(&speaker.reconfigure(speaker_config(after, 1), now).unwrap()));
        changed.extend(besides_the_speaker(before, after));
    }
    changed.extend(of_names(old, new));
    let mut core = Core::new(CoreConfig { seed: 1, ..core_config(old) }, now);
    let mut settings = FabricSettings::from(new);
    match old.flows == new.flows {
        true => settings.rules = old.flows.clone(),
        false => Arc::make_mut(&mut settings.rules).share(&old.flows),
    }
    if old.isolate == new.isolate {
        settings.isolation = old.isolate.clone();
    }
    let taken = core.handle_config(settings, now);
    let isolation = old.isolate.rules().difference(new.isolate.rules());
    changed.extend(of_fabric(&taken, old.flows.difference(&new.flows), isolation));
    Outcome { changed, restart: restart_keys(old, new), ..Outcome::default() }
}

#[test]
fn the_same_file_again_changes_nothing() {
    let config = Config::parse(EXAMPLE).unwrap();
    let outcome = reload(&config, &Config::parse(EXAMPLE).unwrap());
    assert_eq!(outcome, Outcome::default());
    assert_eq!(outcome.lines(), ["nothing is different"]);
}

#[test]
fn every_key_is_as_hot_as_the_table_says() {
    let old = Config::parse(EXAMPLE).unwrap();
    let mut classes = leaves();
    let mut wrong = Vec::new();
    for (path, edits) in CHANGES {
        let mut text = EXAMPLE.to_owned();
        for (from, to) in *edits {
            if !text.contains(from) {
                wrong.push(format!("{path}: {from:?} is not in the example"));
            }
            text = text.replace(from, to);
        }
        let class = classes.remove(*path);
        let new = match Config::parse(&text) {
            Ok(new) => new,
            Err(problems) => {
                wrong.push(format!("{path}: {problems}"));
                continue;
            }
        };
        let outcome = reload(&old, &new);
        // A plan says the same, before.
        let planning = Planning::new(&old, &old, &new, Vec::new());
        let planned = planning.work_out(&topology::Network::new(1), &BTreeMap::new(), &|at| at.to_string()).unwrap();
        assert_eq!(planned.outcome, outcome, "{path}");
        let reset = outcome.changed.iter().any(|changed| changed.session_reset);
        // A key that needs a restart is told by its name, or by that of the list that it is in.
        let is_told = |told: &&str| path.starts_with(*told);
        let does = match (&outcome.changed[..], &outcome.restart[..]) {
            ([], [told]) if is_told(told) => Some(Reload::Restart),
            ([_, ..], []) if reset => Some(Reload::Session),
            ([_, ..], []) => Some(Reload::Hot),
            _ => None,
        };
        if class.is_none() || does != class {
            wrong.push(format!("{path}: the table says {class:?}, a reload does {outcome:?}"));
        }
    }
    wrong.extend(classes.keys().map(|path| format!("{path}: nobody has changed it")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
