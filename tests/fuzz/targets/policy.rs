//! Policies from text: no text makes a parser panic, what is read prints as text that reads the same, and the evaluation in two stages
//! says what a reading from top to bottom says.
//!
//! A line is a statement, `;` stands between its parts: `p`, `a`, `c`, `l`, `o`, `n`, `m`, `h` and a value are conditions (with `!`
//! before them: unless), `+`, `-`, `=` and a community, `L` and `M` and a number, `<` and an AS number are changes, and `accept`,
//! `reject` and `leave` are actions. `---` begins the next policy. What cannot be read is left out.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::Arc;

use bgp::policy::rule::{Label, NextHopChange, PrependAs, Test};
use bgp::policy::{
    Action, AsPathPattern, AsnRange, AsnSet, Change, CommunityPattern, CommunitySet, Condition, Link, Note,
    NumberRange, Policy, PolicyDefinition, PolicyRoute, PolicySession, PrefixPattern, PrefixSet, Shared, Statement,
};
use bgp::rib::SourceKind;
use bgp::wire::{AsPath, Asn, Community, Family, LargeCommunity, NextHop, Origin, PathAttributes, SegmentKind};
use libfuzzer_sys::fuzz_target;
use net::Prefix;

/// Statements that are looked at: time is for different ones, not for many.
const STATEMENTS: usize = 24;

/// Reads, prints and reads again.
fn read<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            let printed = value.to_string();
            match printed.parse::<T>() {
                Ok(again) => assert_eq!(again, value, "{printed}"),
                Err(error) => panic!("{printed}: {error}"),
            }
            Some(value)
        }
        Err(error) => {
            assert!(error.to_string().chars().count() < 512, "a long error");
            None
        }
    }
}

fn condition(kind: &str, value: &str, prefixes: &mut Vec<Prefix>) -> Option<Condition> {
    Some(match kind {
        "p" => {
            let patterns: Vec<PrefixPattern> = value.split(',').filter_map(read::<PrefixPattern>).collect();
            prefixes.extend(patterns.iter().map(|pattern| pattern.prefix()));
            let set = PrefixSet::new(patterns.iter().copied());
            for prefix in prefixes.iter() {
                assert_eq!(
                    set.contains(*prefix),
                    patterns.iter().any(|pattern| pattern.matches(*prefix)),
                    "{prefix} in {value}"
                );
            }
            Condition::Prefix(Shared::new(set))
        }
        "a" => Condition::AsPath(Shared::new(vec![read::<AsPathPattern>(value)?])),
        "c" => Condition::Communities(Shared::new(CommunitySet::new(
            value.split(',').filter_map(read::<CommunityPattern>),
        ))),
        "C" => Condition::AllCommunities(value.split(',').filter_map(read::<CommunityPattern>).collect()),
        "l" => Condition::AsPathLength(read::<NumberRange>(value)?),
        "o" => Condition::OriginAs(Shared::new(AsnSet::new(value.split(',').filter_map(read::<AsnRange>)))),
        "n" => Condition::NeighborAs(Shared::new(AsnSet::new(value.split(',').filter_map(read::<AsnRange>)))),
        "m" => Condition::Med(read::<NumberRange>(value)),
        "h" => Condition::LocalPref(read::<NumberRange>(value)?),
        _ => return None,
    })
}

fn change(kind: &str, value: &str) -> Option<Change> {
    let communities = |clear, remove, add: Vec<CommunityPattern>| Change::Communities {
        clear,
        remove: Shared::new(CommunitySet::new(remove)),
        remove_text: Note("".into()),
        add,
    };
    let one = || read::<CommunityPattern>(value);
    Some(match kind {
        "+" => communities(false, None, vec![one().filter(CommunityPattern::is_one_community)?]),
        "=" => communities(true, None, vec![one().filter(CommunityPattern::is_one_community)?]),
        "-" => communities(false, Some(one()?), Vec::new()),
        "L" => Change::LocalPref(value.parse().ok()?),
        "M" => Change::Med(value.parse().ok()),
        "<" => Change::Prepend { asn: value.parse().map(PrependAs::Number).unwrap_or_default(), times: 1 },
        "N" => Change::NextHop(NextHopChange::Own),
        _ => return None,
    })
}

fn statement(number: usize, line: &str, prefixes: &mut Vec<Prefix>) -> Statement {
    let label = Label { policy: "p".to_owned(), statement: number, name: None, line: 0 };
    let mut statement = Statement {
        label: Note(label),
        matches: Vec::new(),
        unless: Vec::new(),
        changes: Vec::new(),
        action: Action::Next,
    };
    for part in line.split(';') {
        match part {
            "accept" => statement.action = Action::Accept,
            "reject" => statement.action = Action::Reject,
            "leave" => statement.action = Action::NextPolicy,
            _ => {
                let (not, part) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
                let Some(kind) = part.get(..1) else { continue };
                let value = part.get(1..).unwrap_or_default();
                if let Some(condition) = condition(kind, value, prefixes) {
                    let test = Test { condition, text: Note("".into()) };
                    if not { statement.unless.push(test) } else { statement.matches.push(test) }
                }
                statement.changes.extend(change(kind, value));
            }
        }
    }
    statement
}

fn routes() -> Vec<PathAttributes> {
    let path = |segments: &[(SegmentKind, &[Asn])]| AsPath::from_segments(segments.iter().copied());
    let mut plain = PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(1), Asn(2), Asn(3)]));
    plain.communities = vec![Community::new(1, 1), Community::new(1, 2), Community::BLACKHOLE];
    let mut set = PathAttributes::new(
        Origin::Egp,
        path(&[(SegmentKind::AsSequence, &[Asn(1), Asn(65001)]), (SegmentKind::AsSet, &[Asn(2), Asn(3)])]),
    );
    set.large_communities = vec![LargeCommunity { global: 1, local1: 2, local2: 3 }];
    (set.med, set.local_pref) = (Some(5), Some(200));
    vec![plain, set, PathAttributes::default()]
}

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let mut prefixes: Vec<Prefix> =
        ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "255.255.255.255/32", "2001:db8::/32", "::/0"]
            .iter()
            .filter_map(|it| it.parse().ok())
            .collect();
    let mut policies: Vec<Vec<Statement>> = vec![Vec::new()];
    for (number, line) in text.lines().take(STATEMENTS).enumerate() {
        match (line, policies.last_mut()) {
            ("---", _) => policies.push(Vec::new()),
            (_, Some(policy)) => policy.push(statement(number, line, &mut prefixes)),
            (_, None) => {}
        }
    }
    let link = |statements| Link::Policy(Arc::new(PolicyDefinition { name: "p".into(), statements }));
    let links: Vec<Link> = policies.into_iter().map(link).collect();
    let policy = Policy::chain(&links);
    let session = PolicySession { neighbor: "192.0.2.2".parse().ok(), ..PolicySession::new(Asn(7), Asn(1)) };
    let bound = policy.bind(&session);
    assert_eq!(bound, bound.bind(&session), "bound twice");
    for attributes in routes() {
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            let route = PolicyRoute {
                family,
                source: SourceKind::External,
                attributes: Arc::new(attributes.clone()),
                next_hop: NextHop::V4([192, 0, 2, 2].into()),
            };
            let evaluation = bound.evaluate(SourceKind::External, route.clone());
            for prefix in prefixes.iter().filter(|prefix| prefix.addr().is_ipv4() == (family == Family::IPV4_UNICAST)) {
                let trace = policy.trace(SourceKind::External, &session, &route, *prefix);
                assert_eq!(evaluation.verdict(*prefix), &trace.verdict, "{prefix}");
            }
        }
    }
});
