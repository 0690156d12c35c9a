//! The rules that groups come to, in words.

use std::net::IpAddr;

use net::{DatapathId, PortId, PortNo};
use openflow::{FlowMod, Message};

use super::*;

fn port(switch: u64, number: u32) -> PortId {
    PortId::new(DatapathId(switch), PortNo(number))
}

fn group(set: &str, name: &str, ports: &[PortId], hosts: &[&str]) -> IsolatedGroup {
    let macs = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    let addresses = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    IsolatedGroup {
        set: set.to_owned(),
        name: name.to_owned(),
        line: 7,
        ports: ports.iter().copied().collect(),
        macs,
        addresses,
    }
}

fn plant() -> Isolation {
    Isolation::new(vec![
        group("plant", "cameras", &[port(1, 3)], &["02:00:00:00:00:07", "10.0.0.0/8"]),
        group("plant", "office", &[port(2, 4)], &["2001:db8::/64"]),
        group("guests", "inside", &[], &["10.1.0.0/16"]),
        group("guests", "outside", &[port(1, 3)], &[]),
    ])
}

fn words(rules: &[StaticRule]) -> Vec<String> {
    let said = |rule: &StaticRule| {
        let body = &rule.rule.body;
        let flow_mod = FlowMod {
            instructions: body.instructions(),
            ..FlowMod::add(rule.rule.table, rule.rule.priority, body.match_())
        };
        Message::FlowMod(flow_mod).to_string()
    };
    rules.iter().map(said).collect()
}

#[test]
fn without_groups_a_frame_goes_on_at_once() {
    let isolation = Isolation::default();
    let rules = isolation.rules().of(DatapathId(1));
    assert_eq!(rules.rules().len(), 1, "{:?}", words(rules.rules()));
    assert!(words(rules.rules())[0].contains("goto_table:6"), "{:?}", words(rules.rules()));
}

#[test]
fn every_member_has_its_rules_and_every_form_of_them_can_be_read() {
    let isolation = plant();
    let all = isolation.rules().of(DatapathId(9)).rules().len();
    // Six that are always there. A MAC address: one as source and one as destination. The two IPv4 prefixes: source and destination of IP and ARP; the
    // inner one is in two groups. The IPv6 prefix: two.
    assert_eq!(all, 6 + 2 + (4 + 6) + 2);
    assert_eq!(isolation.rules().of(DatapathId(1)).rules().len(), all + 1, "its port");
    let rules = isolation.rules().of(DatapathId(1)).rules();
    let tables: BTreeSet<u8> = rules.iter().map(|rule| rule.rule.table.0).collect();
    assert_eq!(tables, BTreeSet::from([2, 3, 4, 5]));
    let words = words(rules);
    for part in ["ipv6_dst=2001:db8::/64", "arp_tpa=10.1.0.0/16", "nw_src=10.0.0.0/8"] {
        assert!(words.iter().any(|rule| rule.contains(part)), "{part} is not in {words:#?}");
    }
}

#[test]
fn a_member_must_not_reach_the_other_groups_of_its_sets_and_no_others() {
    let isolation = plant();
    let camera = isolation.of_mac("02:00:00:00:00:07".parse().unwrap());
    assert_eq!((camera.of, camera.never), (0b0001, 0b0010));
    let both = isolation.of_port(port(1, 3));
    assert_eq!((both.of, both.never), (0b1001, 0b0110), "in a group of each set");
    let inner = isolation.of_address(IpAddr::from([10, 1, 2, 3]));
    assert_eq!((inner.of, inner.never), (0b0101, 0b1010), "in the prefix around it too");
    assert_eq!(isolation.of_address(IpAddr::from([11, 0, 0, 1])).never, 0);
    assert_eq!(isolation.names(0b1010), ["plant.office", "guests.outside"]);
}

#[test]
fn a_prefix_has_the_groups_of_all_around_it_however_deep_it_lies() {
    let hosts = ["10.1.2.0/24", "0.0.0.0/0", "10.1.0.0/16", "10.1.2.3/32"];
    let groups = hosts.iter().enumerate().map(|(n, host)| group(&format!("set {n}"), "one", &[], &[host]));
    let isolation = Isolation::new(groups.collect());
    for (address, of) in
        [([10, 1, 2, 3], 0b1111), ([10, 1, 2, 4], 0b0111), ([10, 1, 3, 3], 0b0110), ([9, 9, 9, 9], 0b0010)]
    {
        assert_eq!(isolation.of_address(IpAddr::from(address)).of, of, "{address:?}");
    }
    let widest = isolation.addresses().find(|(prefix, _)| prefix.len() == 16).unwrap();
    assert_eq!(widest.1.of, 0b0110);
    assert_eq!(isolation.of_address(IpAddr::from([0_u16; 8])).of, 0, "IPv6 is another family");
}

#[test]
fn a_host_behind_a_groups_port_is_a_member_while_it_is_there() {
    let isolation = plant();
    let mac = "02:00:00:00:00:99".parse().unwrap();
    assert_eq!(isolation.rules_of_host(mac, port(1, 1)), []);
    let rules = words(&isolation.rules_of_host(mac, port(2, 4)));
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert!(rules[1].contains("metadata=0x2/0x2") && rules[1].contains("drop"), "{rules:?}");
}
