//! Policies as their writers see them: text in, verdicts or lines out. The examples of `docs/bgp-policy.md` are tried here.

use std::net::IpAddr;
use std::path::Path;

use bgp::policy::rule::NextHopChange;
use bgp::policy::{CommunityPattern, PolicyRoute, PolicySession, PolicyVerdict, community::AnyCommunity};
use bgp::wire::{AsPath, Asn, NextHop, PathAttributes};

use super::*;
use crate::config::{BgpConfig, Config, check};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bgp-policy.md")).unwrap()
}

/// The YAML of the page, in order.
fn examples() -> Vec<String> {
    let page = page();
    let blocks = page.split("```yaml\n").skip(1);
    blocks.map(|rest| rest.split("```\n").next().unwrap_or_default().to_owned()).collect()
}

fn example(with: &str) -> BgpConfig {
    let text = examples().into_iter().find(|text| text.contains(with)).expect("an example");
    let checked = check(&text, None).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(checked.warnings.to_string(), "");
    checked.config.bgp.expect("a section bgp")
}

struct Seen {
    attributes: PathAttributes,
    next_hop: NextHopChange,
}

impl Seen {
    fn communities(&self) -> String {
        let one = |community: &_| CommunityPattern::from(AnyCommunity::Standard(*community)).to_string();
        self.attributes.communities.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

/// What becomes of a route that crosses the session with the neighbour 192.0.2.`neighbor`, or of one that goes to it.
fn route(
    bgp: &BgpConfig,
    neighbor: u8,
    policy: impl Fn(&crate::config::NeighborConfig) -> &Policy,
    (prefix, path, communities): (&str, &[u32], &[&str]),
    (source, next_hop): (SourceKind, &str),
) -> Option<Seen> {
    let address = IpAddr::from([192, 0, 2, neighbor]);
    let neighbor = bgp.neighbors.iter().find(|neighbor| neighbor.address == address).unwrap();
    let prefix: Prefix = prefix.parse().unwrap();
    let asns: Vec<Asn> = path.iter().copied().map(Asn).collect();
    let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&asns));
    for text in communities {
        match text.parse::<CommunityPattern>().unwrap().value().unwrap() {
            AnyCommunity::Standard(community) => attributes.communities.push(community),
            AnyCommunity::Large(community) => attributes.large_communities.push(community),
            AnyCommunity::Extended(community) => attributes.extended_communities.push(community),
        }
    }
    let session = PolicySession { neighbor: Some(address), ..PolicySession::new(Asn(bgp.asn), Asn(neighbor.asn)) };
    let route = PolicyRoute {
        family: if prefix.addr().is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST },
        source,
        attributes: Arc::new(attributes),
        next_hop: NextHop::from(next_hop.parse::<IpAddr>().unwrap()),
    };
    let before = PathAttributes::clone(&route.attributes);
    let evaluation = policy(neighbor).bind(&session).evaluate(SourceKind::External, route);
    match evaluation.verdict(prefix) {
        PolicyVerdict::Accept => Some(Seen { attributes: before, next_hop: NextHopChange::Usual }),
        PolicyVerdict::Modify(modified) => {
            Some(Seen { attributes: PathAttributes::clone(&modified.attributes), next_hop: modified.next_hop })
        }
        PolicyVerdict::Reject | PolicyVerdict::NoPolicy => None,
    }
}

fn import(bgp: &BgpConfig, neighbor: u8, route_in: (&str, &[u32], &[&str])) -> Option<Seen> {
    let next_hop = format!("192.0.2.{neighbor}");
    route(bgp, neighbor, |neighbor| &neighbor.import, route_in, (SourceKind::External, &next_hop))
}

fn export(bgp: &BgpConfig, neighbor: u8, route_out: (&str, &[u32], &[&str])) -> Option<Seen> {
    route(bgp, neighbor, |neighbor| &neighbor.export, route_out, (SourceKind::External, "192.0.2.77"))
}

#[test]
fn every_example_of_the_page_is_good() {
    let examples = examples();
    assert!(examples.len() >= 5);
    for text in examples {
        let checked = check(&text, None).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(checked.warnings.to_string(), "", "{text}");
    }
}

#[test]
fn the_first_example_does_what_the_page_says() {
    let bgp = example("from-customer:");
    let local_pref = |route| import(&bgp, 2, route).map(|seen| seen.attributes.local_pref.unwrap_or(0));
    assert_eq!(local_pref(("198.51.100.0/24", &[65001; 50], &[])), None);
    assert_eq!(local_pref(("198.51.100.0/24", &[65001], &["65001:70"])), Some(70));
    assert_eq!(local_pref(("198.51.100.0/24", &[65001], &[])), Some(200));
}

#[test]
fn customers_routes_go_to_everybody_and_those_of_peers_and_transit_to_customers_only() {
    let bgp = example("to-customers:");
    let customer = import(&bgp, 1, ("203.0.113.0/24", &[65001], &["65000:3"])).unwrap();
    assert_eq!((customer.attributes.local_pref, customer.communities()), (Some(300), "65000:1".to_owned()));
    assert!(import(&bgp, 1, ("198.51.100.0/24", &[65001], &[])).is_none(), "not theirs");
    assert!(import(&bgp, 1, ("203.0.113.0/24", &[65001, 174, 9], &[])).is_none(), "a leak");
    assert!(import(&bgp, 2, ("10.1.0.0/16", &[3320], &[])).is_none(), "a bogon");
    assert!(import(&bgp, 2, ("198.51.100.0/25", &[3320], &[])).is_none(), "too long");
    assert!(import(&bgp, 2, ("198.51.100.0/24", &[3356, 9], &[])).is_none(), "a peer is no tier 1");
    let peer = import(&bgp, 2, ("198.51.100.0/24", &[3320, 9], &[])).unwrap();
    assert_eq!((peer.attributes.local_pref, peer.communities()), (Some(200), "65000:2".to_owned()));
    for (mark, to_customer, to_peer) in [("65000:1", true, true), ("65000:2", true, false), ("65000:3", true, false)] {
        for (neighbor, expected) in [(1, to_customer), (2, to_peer), (3, to_peer)] {
            let seen = export(&bgp, neighbor, ("198.51.100.0/24", &[9], &[mark, "9:9"]));
            assert_eq!(seen.map(|seen| seen.communities()), expected.then(|| "9:9".to_owned()), "{mark} {neighbor}");
        }
    }
    let backup = export(&bgp, 4, ("198.51.100.0/24", &[9], &["65000:1"])).unwrap();
    assert_eq!(backup.attributes.as_path.to_string(), "65000 65000 9");
}

#[test]
fn a_customers_own_hosts_are_blackholed_and_nobody_elses() {
    let bgp = example("blackholes:");
    let dropped = import(&bgp, 1, ("203.0.113.7/32", &[65001], &["65000:666"])).unwrap();
    assert_eq!(dropped.next_hop, NextHopChange::Address("192.0.2.254".parse().unwrap()));
    assert_eq!(dropped.communities(), "65000:666 blackhole no-export");
    assert!(import(&bgp, 1, ("198.51.100.7/32", &[65001], &["blackhole"])).is_none());
    assert!(import(&bgp, 1, ("203.0.113.7/32", &[65001], &[])).is_none());
    assert_eq!(import(&bgp, 1, ("203.0.113.0/24", &[65001], &[])).unwrap().attributes.local_pref, Some(200));
}

#[test]
fn a_route_servers_clients_say_who_hears_of_their_routes() {
    let bgp = example("to-client:");
    assert!(import(&bgp, 1, ("203.0.113.0/24", &[65001, 65101], &[])).is_some());
    assert!(import(&bgp, 1, ("203.0.113.0/24", &[65001, 65103], &[])).is_none(), "another origin");
    assert!(import(&bgp, 1, ("198.51.100.0/24", &[65001], &[])).is_none(), "somebody else's prefix");
    let of_another = ("203.0.113.0/24", &[65001][..], &[][..]);
    let third = (SourceKind::External, "192.0.2.9");
    assert!(route(&bgp, 1, |neighbor| &neighbor.import, of_another, third).is_none(), "another's next hop");
    for (communities, to_1, to_2) in [
        (&[][..], true, true),
        (&["0:65001"], false, true),
        (&["0:65000"], false, false),
        (&["0:65000", "65000:65002"], false, true),
        (&["65000:0:65002"], true, false),
        (&["65000:0:0", "65000:1:65001"], true, false),
    ] {
        for (neighbor, expected) in [(1, to_1), (2, to_2)] {
            let seen = export(&bgp, neighbor, ("198.51.100.0/24", &[65009], communities));
            assert_eq!(seen.is_some(), expected, "{communities:?} to {neighbor}");
            if let Some(seen) = seen {
                assert_eq!(seen.next_hop, NextHopChange::Unchanged);
                assert_eq!((seen.communities().as_str(), seen.attributes.large_communities.len()), ("", 0));
            }
        }
    }
}

#[test]
fn the_policy_of_twenty_statements_has_twenty_and_stands_in_the_page() {
    assert!(page().contains(TWENTY_STATEMENTS));
    let bgp = Config::parse(TWENTY_STATEMENTS).unwrap().bgp.unwrap();
    assert_eq!(bgp.policies["twenty"].statements.len(), 20);
    let usual = import(&bgp, 2, ("8.8.8.0/24", &[65001, 3320, 15169], &[])).unwrap();
    assert_eq!(usual.communities(), "65000:200");
}

fn lines(text: &str) -> String {
    match check(text, None) {
        Ok(checked) => checked.warnings.to_string(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn mistakes_say_where_and_what_was_meant() {
    let text = "\
bgp:
  asn: 65000
  router_id: 10.0.0.1
  sets:
    prefixes: { bogons: [10.0.0.1/8, 10.0.0.0/8 le 33], Bad: 1.0.0.0/8, neighbor: 1.0.0.0/8 }
    communities: { internal: \"65000:70000\", no-export: \"1:1\" }
  policies:
    accept: [{ action: accept }]
    in:
      - { match: { prefix: bogon, as_path: \"^65001.*\", comunities: \"1:1\" }, action: acept }
      - { action: reject, set: { communities: { add: \"65000:*\" }, prepend: { asn: me, times: 99 } } }
      - match: { local_pref: \">= 100\", role: friend, next_hop: bogon }
        unless: { as_path: tier1, neighbor: rack }
        set: { med: +x, communities: { set: \"1:1\", add: \"1:2\" } }
  neighbors:
    - { address: 192.0.2.2, asn: 65001, import: inn, export: [accept, in] }
";
    let found = lines(text);
    for expected in [
        "5:26: bgp.sets.prefixes.bogons[0]: `10.0.0.1/8`: bits are set beyond the prefix length: did you mean 10.0.0.0/8?",
        "5:38: bgp.sets.prefixes.bogons[1]: `10.0.0.0/8 le 33` holds no prefix: 8 ≤ 8 ≤ 33 ≤ 32 does not hold",
        "5:57: bgp.sets.prefixes.Bad: not a name: 1 to 64 small letters, digits, - and _, the first a letter",
        "5:83: bgp.sets.prefixes.neighbor: `neighbor` means something else already: take another name",
        "6:30: bgp.sets.communities.internal: community `65000:70000`: 70000 is over 65535",
        "6:56: bgp.sets.communities.no-export: `no-export` means something else already: take another name",
        "8:13: bgp.policies.accept: `accept` is a policy that is always there",
        "10:28: bgp.policies.in[0].match.prefix: there is no set `bogon` in bgp.sets.prefixes: did you mean `bogons`?",
        "10:44: bgp.policies.in[0].match.as_path: AS-path expression, character 7: AS numbers are whole here: write `65001 .` for AS 65001 and one more, or `[650010-650019]` for a range",
        "10:56: bgp.policies.in[0].match.comunities: unknown key: did you mean `communities`?",
        "10:85: bgp.policies.in[0].action: `acept` is not accept or reject or next or next-policy: did you mean `accept`?",
        "11:54: bgp.policies.in[1].set.communities.add: `65000:*` is not one community, so it cannot be added",
        "11:83: bgp.policies.in[1].set.prepend.asn: `me` is not self, first or an AS number",
        "11:94: bgp.policies.in[1].set.prepend.times: 99 is outside 1 to 32",
        "12:9: warning: bgp.policies.in[2]: no route gets here: statement 2 matches every route that does",
        "12:30: bgp.policies.in[2].match.local_pref: `>= 100` is not a range: write ge N, le N or ge N le M",
        "13:28: bgp.policies.in[2].unless.as_path: there is no set `tier1` in bgp.sets.as_paths",
        "13:45: bgp.policies.in[2].unless.neighbor: there is no set `rack` in bgp.sets.neighbors",
        "14:21: bgp.policies.in[2].set.med: `x` is not a number in range",
        "14:45: bgp.policies.in[2].set.communities.set: `set` takes the place of all: `remove` and `add` cannot stand beside it",
        "16:49: bgp.neighbors[0].import: `inn` is not accept or reject or a policy of bgp.policies: did you mean `in`?",
        "16:71: warning: bgp.neighbors[0].export[1]: no route gets here: the policy before decides about all",
    ] {
        assert!(found.lines().any(|line| line == expected), "expected\n  {expected}\nfound\n{found}");
    }
    assert!(found.contains("`friend` is not provider or rs or rs-client or customer or peer"), "{found}");
}

#[test]
fn a_set_that_many_use_is_made_once_and_policies_compare_by_content() {
    let text = |name: &str| {
        format!(
            "bgp: {{ asn: 1, router_id: 1.1.1.1, sets: {{ prefixes: {{ p: [10.0.0.0/8] }} }}, policies: {{ {name}: [{{ match: {{ prefix: p }}, action: accept }}] }}, neighbors: [{{ address: 192.0.2.2, asn: 2, import: {name}, export: {name} }}] }}"
        )
    };
    let neighbor = |name: &str| Config::parse(&text(name)).unwrap().bgp.unwrap().neighbors.remove(0);
    let (one, other) = (neighbor("one"), neighbor("other"));
    assert_eq!(one.import, one.export);
    assert_eq!(one.import, other.import, "a name makes no difference");
    assert_eq!((one.import.to_string(), other.import.to_string()), ("one".to_owned(), "other".to_owned()));
}
