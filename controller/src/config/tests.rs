//! Tests of the configuration as its users see it: text in, `Config` or lines out.

mod flows;
mod reload;

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use ::bgp::export::AddPathSend;
use ::bgp::rib::Reach;
use proptest::prelude::*;

use super::schema::{EXAMPLE, Need, ROOT, Section, Shape};
use super::*;

/// All problems of a text, one per line.
fn lines(text: &str) -> String {
    match check(text, None) {
        Ok(checked) => checked.warnings.to_string(),
        Err(problems) => problems.to_string(),
    }
}

#[track_caller]
fn assert_problem(text: &str, expected: &str) {
    let lines = lines(text);
    assert!(lines.lines().any(|line| line == expected), "expected\n  {expected}\nfound\n{lines}");
}

fn neighbor(rest: &str) -> String {
    format!(
        "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  neighbors:\n    - {{ address: 192.0.2.2, asn: 65002, import: accept, export: accept, {rest} }}\n"
    )
}

#[test]
fn the_example_of_the_reference_is_good_and_uses_every_key() {
    let checked = check(EXAMPLE, None).unwrap();
    assert_eq!(checked.warnings, Problems::default());
    fn keys(section: &Section, found: &mut Vec<&'static str>) {
        for key in section.keys {
            found.push(key.name);
            if let Some((inner, _)) = key.shape.inner() {
                keys(inner, found);
            }
        }
    }
    let mut names = Vec::new();
    keys(&ROOT, &mut names);
    for name in names {
        assert!(EXAMPLE.contains(&format!("{name}:")), "{name} is not in the example");
    }
}

#[test]
fn the_defaults_of_the_table_are_the_defaults_of_the_types() {
    fn write(section: &Section, indent: usize, out: &mut String) {
        for key in section.keys {
            let pad = " ".repeat(indent);
            match (&key.need, &key.shape) {
                (Need::Default(text), _) => out.push_str(&format!("{pad}{}: {text}\n", key.name)),
                (_, Shape::Section(inner)) if !matches!(key.name, "bgp" | "tls") => {
                    out.push_str(&format!("{pad}{}:\n", key.name));
                    write(inner, indent + 2, out);
                }
                _ => {}
            }
        }
    }
    let mut text = String::new();
    write(&ROOT, 0, &mut text);
    assert!(text.contains("probe_interval: 300ms"), "{text}");
    assert_eq!(Config::parse(&text).unwrap(), Config::default());

    // BGP has required keys, so its defaults are compared with a file that has only those.
    let bgp = |body: &str, neighbor: &str| {
        let neighbors = format!("neighbors: [{{ address: 192.0.2.2, asn: 1, {neighbor} }}]");
        Config::parse(&format!("bgp: {{ asn: 1, router_id: 10.0.0.1, {body} {neighbors} }}")).unwrap().bgp.unwrap()
    };
    let Some(Shape::Section(section)) = ROOT.keys.iter().find(|key| key.name == "bgp").map(|key| &key.shape) else {
        panic!()
    };
    let mut written = String::new();
    let mut inner = String::new();
    for key in section.keys {
        match (&key.need, &key.shape) {
            _ if matches!(key.name, "groups" | "ranges" | "aggregates" | "next_hops") => {}
            (_, Shape::List { of: Shape::Section(neighbor), .. }) => {
                for key in neighbor.keys {
                    if let Need::Default(text) = key.need {
                        inner.push_str(&format!("{}: {text}, ", key.name));
                    }
                }
            }
            (Need::Default(text), _) => written.push_str(&format!("{}: {text}, ", key.name)),
            _ => {}
        }
    }
    assert_eq!(bgp(&written, &inner), bgp("", ""));
    let expected = NeighborConfig::new(IpAddr::from([192, 0, 2, 2]), 1, 1);
    assert_eq!(bgp("", "").neighbors, [expected]);
}

#[test]
fn the_reference_files_are_as_generated() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (name, generated) in [("configuration.md", markdown()), ("trunkline.schema.json", json_schema())] {
        let file = docs.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "docs/{name} is out of date: run the test again with UPDATE_EXPECT=1");
    }
}

#[test]
fn every_problem_comes_at_once_in_the_order_of_the_file() {
    let text = "\
openflow:
  listen: [\"tcp:6653\", pssl]
  plain_from: [10.0.0.1/8, nonsense]
  colour: red
fabric: { probe_interval: 300, host_timeout: 2s }
bgp:
  asn: 23456
  asn: 65001
  router_id: 0.0.0.0
  neighbours: []
  neighbors:
    - { address: 127.0.0.2, asn: 0, passive: yes }
    - { address: \"fe80::1\", hold_time: 2s, import: acept }
";
    let expected = "\
2:12: openflow.listen[0]: `tcp:6653` connects to a switch and belongs to openflow.connect; to wait for switches write ptcp:… (a p for passive)
2:24: openflow.listen[1]: pssl needs openflow.tls with certificate, key and client_ca
3:16: openflow.plain_from[0]: `10.0.0.1/8`: bits are set beyond the prefix length: did you mean 10.0.0.0/8?
3:28: openflow.plain_from[1]: `nonsense`: not a prefix: expected address/length, such as 192.0.2.0/24
4:3: openflow.colour: unknown key: known here: listen, connect, plain_from, tls, role, record, bundles
5:27: fabric.probe_interval: `300` has no unit: did you mean 300s or 300ms?
5:46: fabric.host_timeout: 2s is below 10s (OpenFlow 1.3.5 §7.3.4.1)
7:8: bgp.asn: 23456 is AS_TRANS, which no router has as its own (RFC 6793 §9)
8:3: bgp.asn: the key stands twice, first in line 7
9:14: bgp.router_id: 0.0.0.0 is not an identifier (RFC 6286 §2.1)
10:3: bgp.neighbours: unknown key: did you mean `neighbors`?
12:34: bgp.neighbors[0].asn: 0 is outside 1 to 4294967295 (RFC 6793, RFC 7607)
12:46: bgp.neighbors[0].passive: expected true or false, found `yes`
13:7: bgp.neighbors[1].asn: missing: the key is required, here or in the group
13:18: bgp.neighbors[1].address: fe80::1 is link-local and needs an interface, which cannot be given yet: use a global or unique local address
13:40: bgp.neighbors[1].hold_time: 2s is below 3s, and not 0 (RFC 4271 §4.2)
13:52: bgp.neighbors[1].import: `acept` is not accept or reject: did you mean `accept`?";
    assert_eq!(lines(text), expected);
}

#[test]
fn an_empty_file_means_the_defaults_and_says_so() {
    for text in ["", "# nothing\n", "---\n", "~", "\u{feff}"] {
        let checked = check(text, None).unwrap();
        assert_eq!((checked.config, checked.warnings.0.len()), (Config::default(), 1), "{text:?}");
    }
}

#[test]
fn a_text_that_is_not_yaml_says_where() {
    let Err(problems) = Config::parse("openflow:\n  listen: [\n") else { panic!() };
    assert_eq!(problems.0.len(), 1);
    assert!(problems.to_string().contains("not YAML"), "{problems}");
    assert_eq!(lines("a: 1\n---\nb: 2\n"), "2:1: a second document starts here: the file has to be one");
    assert_eq!(lines("just words"), "1:1: expected a mapping (key: value), found a single value");
}

#[test]
fn keys_are_found_where_they_belong() {
    assert_problem(
        "probe_interval: 1s",
        "1:1: probe_interval: unknown key: `fabric.probe_interval` is a known key, it does not stand here",
    );
    assert_problem(
        "bgp: { hold_time: 90s }",
        "1:8: bgp.hold_time: unknown key: `bgp.neighbors[].hold_time` is a known key, it does not stand here",
    );
}

#[test]
fn wrong_types_say_what_was_expected() {
    assert_problem("bgp:", "1:4: bgp: expected a mapping (key: value), found nothing");
    assert_problem("openflow: { listen: ptcp:6653 }", "1:21: openflow.listen: expected a list, found a single value");
    assert_problem(
        "openflow: { listen: [] }",
        "1:21: openflow.listen: the list is empty: at least one entry is needed",
    );
    assert_problem("http: { listen: [a] }", "1:17: http.listen: expected ADDRESS:PORT, found a list");
    assert_problem(
        &neighbor("port: '179'"),
        "5:79: bgp.neighbors[0].port: expected an integer, 1 to 65535, found a text: remove the quotes",
    );
    assert_problem(
        &neighbor("port: 0x10"),
        "5:79: bgp.neighbors[0].port: expected an integer, 1 to 65535, found `0x10`",
    );
    assert_problem(
        &neighbor("description: 5"),
        "5:86: bgp.neighbors[0].description: `5` is not a text: put it in quotes",
    );
    assert_problem("? [a]\n: b\n", "1:3: a key cannot be a list");
}

#[test]
fn addresses_and_ports_say_what_is_missing() {
    assert_problem(
        "http: { listen: 127.0.0.1 }",
        "1:17: http.listen: `127.0.0.1` lacks the port: expected ADDRESS:PORT, such as 127.0.0.1:9653 or [::1]:9653",
    );
    assert!(lines("http: { listen: ':9653' }").contains("write [::]:9653"));
    assert!(lines("http: { listen: 'localhost:9653' }").contains("names are not looked up"));
}

#[test]
fn sockets_that_would_fight_for_a_port_are_refused() {
    assert_problem(
        "openflow: { listen: ['ptcp:6653', 'ptcp:6653:127.0.0.1'] }",
        "1:35: openflow.listen[1]: the port is taken already by ptcp:6653:[::]",
    );
    assert_problem(
        "openflow: { listen: ['ptcp:6653', 'ptcp:6653:[::]'] }",
        "1:35: openflow.listen[1]: stands twice, first as openflow.listen[0]",
    );
    assert_eq!(
        lines("openflow: { listen: ['ptcp:1:127.0.0.1', 'ptcp:1:127.0.0.2', 'ptcp:0', 'ptcp:0:127.0.0.1'] }"),
        ""
    );
}

#[test]
fn neighbours_are_told_apart_by_their_addresses() {
    let two = |second: &str| {
        format!(
            "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  neighbors:\n    - {{ address: 192.0.2.2, asn: 65001 }}\n    - {{ address: 192.0.2.2, asn: 65001, {second} }}\n"
        )
    };
    assert_problem(&two(""), "6:7: bgp.neighbors[1]: the same neighbour as bgp.neighbors[0]: the addresses are equal");
    assert!(lines(&two("port: 180")).contains("the addresses are equal"));
}

#[test]
fn a_neighbours_addresses_have_to_fit() {
    assert_problem(
        &neighbor("local_address: '2001:db8::1'"),
        "5:88: bgp.neighbors[0].local_address: not of the same family (IPv4, IPv6) as the neighbour's address",
    );
    for (address, part) in [
        ("0.0.0.0", "stands for any address"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("'::ffff:192.0.2.1'", "write 192.0.2.1"),
        ("router1", "is not an IP address"),
    ] {
        let text = format!("bgp: {{ asn: 1, router_id: 1.1.1.1, neighbors: [{{ address: {address}, asn: 1 }}] }}");
        assert!(lines(&text).contains(part), "{address}: {}", lines(&text));
    }
    assert!(lines(&neighbor("next_hop_v6: '::1'")).contains("cannot be a next hop"));
}

#[test]
fn families_are_a_set_in_a_fixed_order() {
    let config = Config::parse(&neighbor("families: [ipv6-unicast, ipv4-unicast]")).unwrap();
    let families = &config.bgp.unwrap().neighbors[0].families;
    assert_eq!(families, &[AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast]);
    assert!(lines(&neighbor("families: [ipv4-unicast, ipv4-unicast]")).contains("stands twice"));
    assert!(lines(&neighbor("families: [ipv4]")).contains("is not ipv4-unicast or ipv6-unicast"));
    assert!(lines(&neighbor("families: []")).contains("the list is empty"));
}

#[test]
fn a_hold_time_is_none_or_3_to_65535_whole_seconds() {
    for good in ["0", "0s", "3s", "90s", "65535s", "18h"] {
        assert!(Config::parse(&neighbor(&format!("hold_time: {good}"))).is_ok(), "{good}");
    }
    for (bad, part) in
        [("65536s", "above 65535s"), ("3500ms", "not a multiple of 1s"), ("90", "no unit"), ("1ms", "below 3s")]
    {
        assert!(lines(&neighbor(&format!("hold_time: {bad}"))).contains(part), "{bad}");
    }
}

#[test]
fn a_passive_neighbour_that_cannot_reach_us_is_refused() {
    let text = "bgp: { asn: 1, router_id: 1.1.1.1, listen: '127.0.0.1:1179', neighbors: [{ address: '2001:db8::1', asn: 1, passive: true }] }";
    assert!(lines(text).contains("takes no connections of this family"), "{}", lines(text));
}

#[test]
fn an_ebgp_neighbour_without_policy_is_a_warning_and_an_ibgp_neighbour_accepts() {
    let text = "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  neighbors: [{ address: 192.0.2.2, asn: 65002 }, { address: 192.0.2.3, asn: 65001 }]\n";
    let checked = check(text, None).unwrap();
    assert_eq!(
        checked.warnings.to_string(),
        "4:15: warning: bgp.neighbors[0].import: an eBGP neighbour without import and export exchanges no routes (RFC 8212): add `import: accept` and `export: accept`"
    );
    let neighbors = checked.config.bgp.unwrap().neighbors;
    assert_eq!([&neighbors[0].import, &neighbors[0].export], [&Policy::Reject; 2]);
    assert_eq!([&neighbors[1].import, &neighbors[1].export], [&Policy::Accept; 2]);
}

#[test]
fn routes_that_lack_a_next_hop_are_a_warning() {
    let text = |address: &str, rest: &str| {
        let neighbor = format!("{{ address: '{address}', asn: 1, families: [ipv4-unicast, ipv6-unicast]{rest} }}");
        lines(&format!("bgp: {{ asn: 1, router_id: 1.1.1.1, neighbors: [{neighbor}] }}"))
    };
    assert!(text("192.0.2.2", "").contains("warning: bgp.neighbors[0].families: IPv6 routes are announced over IPv4"));
    assert!(text("2001:db8::2", "").contains("warning: bgp.neighbors[0].families: IPv4 routes that need this router"));
    for (address, rest) in [
        ("192.0.2.2", ", next_hop_v6: '2001:db8::1'"),
        ("192.0.2.2", ", export: reject"),
        ("127.0.0.2", ""),
        ("2001:db8::2", ", export: reject"),
    ] {
        assert_eq!(text(address, rest), "", "{address}{rest}");
    }
}

#[test]
fn a_neighbour_has_what_its_group_has_and_groups_inherit() {
    let text = "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  groups:\n\
        \x20   - { name: a, asn: 65002, import: accept, export: reject, multihop: 4, hold_time: 30s, password: x }\n\
        \x20   - { name: b, group: a, multihop: 5, role: rs-client }\n\
        \x20 neighbors:\n    - { address: 192.0.2.2, group: b, hold_time: 60s }\n\
        \x20 ranges:\n    - { prefix: 192.0.2.0/24, group: a, limit: 7 }\n    - { prefix: 198.51.100.0/24 }\n";
    let bgp = Config::parse(text).unwrap().bgp.unwrap();
    let [neighbor] = bgp.neighbors.as_slice() else { panic!() };
    assert_eq!(
        (neighbor.asn, neighbor.import.clone(), neighbor.export.clone()),
        (65002, Policy::Accept, Policy::Reject)
    );
    assert_eq!((neighbor.multihop, neighbor.hold_time), (Some(5), std::time::Duration::from_secs(60)));
    assert_eq!((neighbor.password.as_deref(), neighbor.role), (Some("x"), Some(BgpRole::RouteServerClient)));
    let [known, any] = bgp.ranges.as_slice() else { panic!() };
    assert_eq!((known.limit, known.any_asn, known.neighbor.asn, known.neighbor.multihop), (7, false, 65002, Some(4)));
    assert_eq!((any.limit, any.any_asn, any.neighbor.import.clone()), (100, true, Policy::Reject));
}

#[test]
fn how_many_paths_are_sent_is_a_number_or_all_and_a_neighbour_may_take_that_back() {
    let text = "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n\
        \x20 groups: [{ name: a, asn: 65002, import: accept, export: accept, add_path_send: all }]\n\
        \x20 neighbors:\n    - { address: 192.0.2.2, group: a }\n    - { address: 192.0.2.3, group: a, add_path_send: 3 }\n\
        \x20   - { address: 192.0.2.4, group: a, add_path_send: none, hide_paths: true }\n";
    let neighbors = Config::parse(text).unwrap().bgp.unwrap().neighbors;
    let sent: Vec<_> = neighbors.iter().map(|neighbor| neighbor.add_path_send).collect();
    assert_eq!(sent, [Some(AddPathSend::All), NonZeroU8::new(3).map(AddPathSend::Best), None]);
    for wrong in ["0", "256", "some"] {
        let expected =
            format!("5:88: bgp.neighbors[0].add_path_send: `{wrong}` is not none, all or a number from 1 to 255");
        assert_problem(&neighbor(&format!("add_path_send: {wrong}")), &expected);
    }
}

#[test]
fn next_hops_cost_something_or_cannot_be_reached_and_each_prefix_stands_once() {
    let bgp = |next_hops: &str| format!("bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  next_hops:\n{next_hops}");
    let good = bgp("    - { prefix: 10.0.1.0/24, cost: 20 }\n    - { prefix: 10.0.2.0/24, unreachable: true }\n");
    let next_hops = Config::parse(&good).unwrap().bgp.unwrap().next_hops;
    let wanted = [("10.0.1.0/24", Reach::Cost(20)), ("10.0.2.0/24", Reach::Unreachable)];
    assert_eq!(next_hops, wanted.map(|(prefix, reach)| (prefix.parse().unwrap(), reach)).into_iter().collect());
    for (wrong, expected) in [
        (
            "    - { prefix: 10.0.1.0/24, cost: 20, unreachable: true }\n",
            "5:7: bgp.next_hops[0].cost: what cannot be reached has no cost",
        ),
        (
            "    - { prefix: 10.0.1.0/24 }\n    - { prefix: 10.0.1.0/24, cost: 1 }\n",
            "6:7: bgp.next_hops[1].prefix: 10.0.1.0/24 stands here already",
        ),
    ] {
        assert_problem(&bgp(wrong), expected);
    }
}

#[test]
fn groups_that_are_not_there_yet_or_twice_and_neighbours_without_as_are_refused() {
    let bgp = |rest: &str| format!("bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n{rest}");
    for (rest, expected) in [
        (
            "  groups: [{ name: a, group: b }, { name: b }]\n",
            "4:30: bgp.groups[0].group: there is no group `b` before this line",
        ),
        ("  groups: [{ name: a }, { name: a }]\n", "4:25: bgp.groups[1].name: there is a group `a` already"),
        (
            "  neighbors: [{ address: 192.0.2.2 }]\n",
            "4:15: bgp.neighbors[0].asn: missing: the key is required, here or in the group",
        ),
        (
            "  neighbors: [{ address: 192.0.2.2, asn: 65001, active: true, passive: true }]\n",
            "4:15: bgp.neighbors[0].active: a neighbour that is both active and passive never gets a connection",
        ),
    ] {
        assert_problem(&bgp(rest), expected);
    }
}

#[test]
fn with_bgp_alone_no_switch_is_waited_for() {
    let bgp = "bgp: { asn: 65001, router_id: 10.0.0.1 }\n";
    assert!(Config::parse(bgp).unwrap().openflow.listen.is_empty());
    for rest in ["openflow: { role: equal }", "fabric: { probe_interval: 300ms }"] {
        let config = Config::parse(&format!("{bgp}{rest}")).unwrap();
        assert_eq!(config.openflow, Config::default().openflow, "{rest}");
    }
}

#[test]
fn plain_tcp_from_everywhere_is_a_warning() {
    assert!(
        lines("openflow: { plain_from: ['::/0'] }").starts_with("1:26: warning: openflow.plain_from[0]: every address")
    );
    assert!(Config::parse("openflow: { plain_from: [] }").unwrap().openflow.plain_from.is_empty());
}

#[test]
fn anchors_aliases_and_tags_are_refused_so_that_nothing_multiplies() {
    let text = "http: &a { listen: '127.0.0.1:1' }\nfabric: *a\nbgp: !thing { asn: 1, router_id: 1.1.1.1 }\n";
    let lines = lines(text);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    for what in ["anchors", "aliases", "tags"] {
        assert!(lines.contains(&format!("{what} are not supported")), "{lines}");
    }
    let mut bomb = String::from("a: &a0 [x, x]\n");
    for level in 1..30 {
        bomb.push_str(&format!("b{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
    }
    assert!(Config::parse(&bomb).is_err());
}

#[test]
fn deep_nesting_is_refused_before_anything_recurses() {
    for (open, close) in [("[", "]"), ("{ a: ", "}")] {
        let text = |levels| format!("http: {}{}", open.repeat(levels), close.repeat(levels));
        assert!(lines(&text(40)).contains("nested deeper than 32 levels"), "{}", lines(&text(40)));
        assert!(Config::parse(&text(100_000)).is_err());
    }
}

#[test]
fn a_file_may_be_as_long_as_the_limit_and_not_more() {
    assert!(read_text(&vec![b'#'; MAX_FILE_OCTETS as usize][..]).is_ok());
    let error = read_text(&vec![b'#'; MAX_FILE_OCTETS as usize + 1][..]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert!(read_text(&b"\xff"[..]).is_err());
}

#[test]
fn what_the_file_holds_cannot_write_on_the_terminal() {
    let lines = lines("\"\\e[31mred\": 1\n\"a\\nb\": 2\nhttp: { listen: \"\\e[0m\" }\n");
    assert!(!lines.contains('\u{1b}'), "{lines:?}");
    assert_eq!(lines.lines().count(), 3, "{lines:?}");
}

#[test]
fn a_thousand_problems_are_enough() {
    let problems = Config::parse(&"a: 1\n".repeat(1234)).unwrap_err();
    assert_eq!(problems.0.len(), 1001);
    assert!(problems.to_string().ends_with(": 234 more problems are not listed"));
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("trunkline-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_that_the_configuration_names_have_to_be_there() {
    let folder = Folder::new("files");
    let file = folder.0.join("a.yaml");
    std::fs::write(folder.0.join("ca.pem"), "x").unwrap();
    let text =
        "openflow: { listen: ['punix:none/x.sock', pssl], tls: { certificate: c.pem, key: ., client_ca: ca.pem } }";
    std::fs::write(&file, text).unwrap();
    let message = Config::load(&file).unwrap_err().to_string();
    let name = file.display().to_string();
    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(message.lines().all(|line| line.starts_with(&format!("{name}:1:"))), "{message}");
    for part in ["the socket's folder", "c.pem` cannot be read: No such file", "openflow.tls.key"] {
        assert!(message.contains(part), "{part} not in {message}");
    }
    let base = folder.0.display().to_string();
    for name in ["c.pem", "key.pem"] {
        std::fs::write(folder.0.join(name), "x").unwrap();
    }
    let text =
        "openflow: { listen: ['punix:x.sock', pssl], tls: { certificate: c.pem, key: key.pem, client_ca: ca.pem } }";
    std::fs::write(&file, text).unwrap();
    let openflow = Config::load(&file).unwrap().config.openflow;
    assert_eq!(openflow.tls.unwrap().certificate, Path::new(&base).join("c.pem"));
    assert_eq!(openflow.listen[0], Listen::Unix(Path::new(&base).join("x.sock")));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/trunkline.yaml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/trunkline.yaml: cannot be read: No such file"), "{error}");
}

/// Fragments that make texts near the grammar.
fn near_yaml() -> impl Strategy<Value = String> {
    let words = proptest::sample::select(vec![
        "openflow",
        "http",
        "bgp",
        "listen",
        "neighbors",
        "asn",
        "router_id",
        "address",
        "hold_time",
        "families",
        "tls",
        "fabric",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "&a ",
        "*a",
        "!t ",
        "|",
        ">",
        "#",
        "? ",
        "---\n",
        "...\n",
        "%",
        "~",
        "1",
        "65001",
        "10.0.0.1",
        "::1",
        "0.0.0.0/0",
        "90s",
        "accept",
        "ptcp:1",
        "\t",
        "\u{85}",
        "\r",
        "\\",
        "<<",
        "é",
    ]);
    proptest::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = check(&text, None);
    }

    #[test]
    fn no_text_near_the_grammar_panics_and_every_problem_is_one_line_inside_the_text(text in near_yaml()) {
        if let Err(problems) = check(&text, None) {
            prop_assert!(problems.has_errors());
            prop_assert_eq!(problems.to_string().lines().count(), problems.0.len());
            // A carriage return, a line separator and the like may count as a line break of YAML, so twice the lines is the bound.
            let last = text.chars().filter(|c| c.is_control() || *c == '\u{2028}' || *c == '\u{2029}').count() + 2;
            prop_assert!(problems.0.iter().all(|problem| problem.line >= 1 && problem.line <= last && problem.column >= 1));
        }
    }
}

#[test]
fn switches_to_connect_to_and_certificates_are_read() {
    let text = "\
openflow:
  connect: [\"tcp:192.0.2.1:6634\", \"ssl:192.0.2.2\", \"unix:br0.sock\"]
  tls:
    certificate: c.pem
    key: c.key
    client_ca: ca.pem
    switches:
      - { certificate: s1, datapath_ids: [\"0x1\", \"00000000000000ab\"] }
      - { certificate: rack4 }
  role: master
  record: here
";
    let openflow = Config::parse(text).unwrap().openflow;
    let connect: Vec<String> = openflow.connect.iter().map(ToString::to_string).collect();
    assert_eq!(connect, ["tcp:192.0.2.1:6634", "ssl:192.0.2.2:6653", "unix:br0.sock"]);
    let name = |name: &str| CertificateName::Name(name.to_owned());
    let expected = [
        SwitchCertificate {
            certificate: name("s1"),
            datapath_ids: Some(vec![net::DatapathId(1), net::DatapathId(0xab)]),
        },
        SwitchCertificate { certificate: name("rack4"), datapath_ids: None },
    ];
    assert_eq!(openflow.tls.unwrap().switches.unwrap(), expected);
    assert_eq!((openflow.role, openflow.record), (Role::Master, Some(PathBuf::from("here"))));
}

#[test]
fn mistakes_in_connect_and_switches_say_where_and_what() {
    let text = "openflow: { connect: [\"ssl:192.0.2.2\", \"ptcp:6634\"], role: boss }\n";
    assert_problem(text, "1:23: openflow.connect[0]: ssl needs openflow.tls with certificate, key and client_ca");
    assert_problem(
        text,
        "1:40: openflow.connect[1]: `ptcp:6634` waits for switches and belongs to openflow.listen; to connect to one write tcp:…",
    );
    assert_problem(text, "1:60: openflow.role: `boss` is not equal or master or slave");
    let tls = |switches: &str| {
        format!("openflow: {{ tls: {{ certificate: a, key: b, client_ca: c, switches: {switches} }} }}\n")
    };
    assert_problem(&tls("[]"), "1:68: warning: openflow.tls.switches: the list is empty: no switch can connect by TLS");
    assert_problem(
        &tls("[{ certificate: \"sha256:abc\", datapath_ids: [1] }]"),
        "1:84: openflow.tls.switches[0].certificate: `sha256:` is followed by 64 hex digits, found 3",
    );
    assert_problem(
        &tls("[{ certificate: \"sha256:abc\", datapath_ids: [1] }]"),
        "1:113: openflow.tls.switches[0].datapath_ids[0]: `1` is not a datapath id such as 0x1 or 0000000000000001",
    );
    assert_problem(
        &tls("[{ certificate: x, datapath_ids: [] }]"),
        "1:101: openflow.tls.switches[0].datapath_ids: the list is empty: at least one entry is needed",
    );
}

#[test]
fn a_neighbour_is_in_its_group_and_in_those_it_builds_on_and_policies_ask_for_them() {
    let text = |asked: &str| {
        format!(
            "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  groups:\n    - {{ name: transit }}\n    - {{ name: secured, group: transit }}\n  \
             policies:\n    p: [{{ match: {{ group: {asked} }}, action: accept }}]\n  \
             neighbors:\n    - {{ address: 192.0.2.2, asn: 65002, group: secured, import: p, export: accept }}\n"
        )
    };
    let config = Config::parse(&text("[transit, secured]")).unwrap();
    let bgp = config.bgp.unwrap();
    let groups: Vec<&str> = bgp.neighbors.iter().flat_map(|neighbor| &neighbor.groups).map(|name| &**name).collect();
    assert_eq!(groups, ["secured", "transit"]);
    assert_problem(
        &text("transitt"),
        "8:27: bgp.policies.p[0].match.group: there is no group `transitt` in bgp.groups: did you mean `transit`?",
    );
}
