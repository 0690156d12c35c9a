//! Whole policies: what they mean, and that the evaluation in two stages says what a naive reading says.

mod naive;

use super::rule::{Adjust, Label, NextHopChange, PrependAs, Test};
use super::*;
use crate::wire::{AsPath, Community, LargeCommunity, Origin};
use naive::{policies, route, sessions};
use net::Prefix;
use proptest::prelude::*;

pub(super) fn session() -> PolicySession {
    PolicySession { neighbor: "192.0.2.2".parse().ok(), ..PolicySession::new(Asn(65000), Asn(65001)) }
}

fn statement(tests: Vec<Condition>, changes: Vec<Change>, action: Action) -> Statement {
    let label = Label { policy: "test".to_owned(), statement: 0, name: None, line: 0 };
    let test = |condition| Test { condition, text: Note("".into()) };
    let matches = tests.into_iter().map(test).collect();
    Statement { label: Note(label), matches, unless: Vec::new(), changes, action }
}

fn policy(statements: Vec<Statement>) -> Policy {
    Policy::chain(&[Link::Policy(Arc::new(PolicyDefinition { name: "test".into(), statements }))])
}

fn prefixes(patterns: &[&str]) -> Condition {
    Condition::Prefix(Shared::new(PrefixSet::new(patterns.iter().map(|text| text.parse().unwrap()))))
}

/// Rejects what the pattern means; the rest passes with a community.
pub(crate) fn reject_below_and_mark(pattern: &str) -> Policy {
    policy(vec![
        statement(vec![prefixes(&[pattern])], vec![], Action::Reject),
        statement(vec![], vec![change_communities(false, &[], &["65000:1"])], Action::Accept),
    ])
}

fn communities(patterns: &[&str]) -> Condition {
    Condition::Communities(Shared::new(CommunitySet::new(patterns.iter().map(|text| text.parse().unwrap()))))
}

fn change_communities(clear: bool, remove: &[&str], add: &[&str]) -> Change {
    Change::Communities {
        clear,
        remove: Shared::new(CommunitySet::new(remove.iter().map(|text| text.parse().unwrap()))),
        remove_text: Note("".into()),
        add: add.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn plain_route(change: impl FnOnce(&mut PathAttributes)) -> PolicyRoute {
    let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65001), Asn(65009)]));
    change(&mut attributes);
    PolicyRoute {
        family: Family::IPV4_UNICAST,
        source: SourceKind::External,
        attributes: Arc::new(attributes),
        next_hop: NextHop::V4("192.0.2.2".parse().unwrap()),
    }
}

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// What comes of a route to 198.51.100.0/24.
fn attributes_after(policy: &Policy, route: PolicyRoute) -> Option<PathAttributes> {
    let before = PathAttributes::clone(&route.attributes);
    match policy.bind(&session()).evaluate(SourceKind::External, route).verdict(p("198.51.100.0/24")) {
        PolicyVerdict::Accept => Some(before),
        PolicyVerdict::Modify(modified) => Some(PathAttributes::clone(&modified.attributes)),
        PolicyVerdict::Reject | PolicyVerdict::NoPolicy => None,
    }
}

#[test]
fn without_a_policy_nothing_crosses_an_external_session_and_everything_an_internal_one() {
    let verdict = |policy: &Policy, kind| match policy.evaluate(kind, plain_route(|_| ())) {
        Evaluation::Decided(verdict) => verdict,
        Evaluation::PerPrefix(_) => panic!("nothing looks at the prefix"),
    };
    assert_eq!(verdict(&Policy::Unset, SourceKind::External), PolicyVerdict::NoPolicy);
    assert_eq!(verdict(&Policy::Unset, SourceKind::Internal), PolicyVerdict::Accept);
    assert_eq!(verdict(&Policy::Reject, SourceKind::Internal), PolicyVerdict::Reject);
    assert_eq!(verdict(&Policy::Accept, SourceKind::External), PolicyVerdict::Accept);
}

#[test]
fn policies_parse_as_they_print() {
    for policy in [Policy::Accept, Policy::Reject] {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    assert!("unset".parse::<Policy>().is_err());
    let statements = vec![statement(vec![], vec![], Action::Accept)];
    let definition = Arc::new(PolicyDefinition { name: "customers".into(), statements });
    assert_eq!(Policy::chain(&[Link::Policy(definition), Link::Accept]).to_string(), "customers, accept");
}

#[test]
fn what_no_statement_decides_does_not_pass_inside_an_as_either() {
    let nothing = policy(vec![statement(vec![communities(&["1:1"])], vec![], Action::Accept)]);
    let evaluation = nothing.evaluate(SourceKind::Internal, plain_route(|_| ()));
    assert_eq!(evaluation.verdict(p("198.51.100.0/24")), &PolicyVerdict::Reject);
}

#[test]
fn later_statements_see_what_earlier_ones_changed() {
    let policy = policy(vec![
        statement(vec![], vec![change_communities(false, &[], &["65000:1"])], Action::Next),
        statement(vec![communities(&["65000:1"])], vec![Change::LocalPref(Adjust::Add(50))], Action::Next),
        statement(
            vec![Condition::LocalPref("ge 150".parse().unwrap())],
            vec![Change::Prepend { asn: PrependAs::Own, times: 2 }, Change::Med(Some(Adjust::Set(7)))],
            Action::Accept,
        ),
    ]);
    let after = attributes_after(&policy, plain_route(|_| ())).unwrap();
    assert_eq!(
        (after.local_pref, after.med, after.as_path.to_string().as_str()),
        (Some(150), Some(7), "65000 65000 65001 65009")
    );
    assert_eq!(after.communities, [Community::new(65000, 1)]);
}

#[test]
fn next_policy_leaves_the_policy_and_next_goes_on_in_it() {
    let definition = |action| {
        let statements = vec![
            statement(vec![], vec![Change::Med(Some(Adjust::Set(1)))], action),
            statement(vec![], vec![Change::Med(Some(Adjust::Add(10)))], Action::Next),
        ];
        Link::Policy(Arc::new(PolicyDefinition { name: "first".into(), statements }))
    };
    for (action, med) in [(Action::Next, 11), (Action::NextPolicy, 1)] {
        let chain = Policy::chain(&[definition(action), Link::Accept]);
        assert_eq!(attributes_after(&chain, plain_route(|_| ())).unwrap().med, Some(med));
    }
}

#[test]
fn numbers_end_at_the_ends_of_their_range_and_med_can_be_taken_away() {
    for (adjust, from, to) in [
        (Adjust::Add(5), Some(u32::MAX), Some(u32::MAX)),
        (Adjust::Subtract(5), Some(3), Some(0)),
        (Adjust::Subtract(5), None, Some(0)),
    ] {
        let policy = policy(vec![statement(vec![], vec![Change::Med(Some(adjust))], Action::Accept)]);
        assert_eq!(attributes_after(&policy, plain_route(|attributes| attributes.med = from)).unwrap().med, to);
    }
    let policy = policy(vec![statement(vec![], vec![Change::Med(None)], Action::Accept)]);
    assert_eq!(attributes_after(&policy, plain_route(|attributes| attributes.med = Some(5))).unwrap().med, None);
}

#[test]
fn communities_go_before_others_come_and_none_comes_twice() {
    let changed = |clear, remove: &[&str], add: &[&str]| {
        let change = change_communities(clear, remove, add);
        let policy = policy(vec![statement(vec![], vec![change], Action::Accept)]);
        let after = attributes_after(
            &policy,
            plain_route(|attributes| {
                attributes.communities = vec![Community::new(65000, 1), Community::new(65009, 1)];
                attributes.large_communities = vec![LargeCommunity { global: 65000, local1: 1, local2: 2 }];
            }),
        );
        let after = after.unwrap();
        let text: Vec<String> = community::all(&after).map(|one| CommunityPattern::from(one).to_string()).collect();
        text.join(" ")
    };
    assert_eq!(changed(false, &["65000:*"], &["65000:2"]), "65009:1 65000:2 65000:1:2");
    assert_eq!(changed(false, &[], &["65009:1"]), "65000:1 65009:1 65000:1:2");
    assert_eq!(changed(true, &[], &["no-export", "rt:1:2"]), "no-export ext:0002000100000002");
    assert_eq!(changed(false, &["*:*", "65000:*:*"], &["0:neighbor-as"]), "0:65001");
}

#[test]
fn equal_answers_about_one_attribute_set_are_the_same_one() {
    let policy = policy(vec![
        statement(vec![prefixes(&["10.0.0.0/8 le 24"])], vec![Change::LocalPref(Adjust::Set(50))], Action::Accept),
        statement(vec![prefixes(&["192.0.2.0/24"])], vec![], Action::Reject),
        statement(vec![], vec![Change::LocalPref(Adjust::Set(70))], Action::Accept),
    ]);
    let evaluation = policy.evaluate(SourceKind::External, plain_route(|_| ()));
    let modified = |prefix: &str| match evaluation.verdict(p(prefix)) {
        PolicyVerdict::Modify(modified) => Some(Arc::clone(modified)),
        _ => None,
    };
    let (one, other) = (modified("10.1.0.0/16").unwrap(), modified("10.2.0.0/16").unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(one.attributes.local_pref, Some(50));
    assert_eq!(modified("192.0.2.0/24"), None);
    assert_eq!(modified("198.51.100.0/24").unwrap().attributes.local_pref, Some(70));
}

#[test]
fn a_set_without_prefixes_of_the_family_is_settled_in_the_first_stage() {
    let policy = policy(vec![
        statement(vec![prefixes(&["2001:db8::/32"])], vec![], Action::Reject),
        statement(vec![], vec![], Action::Accept),
    ]);
    let evaluation = policy.evaluate(SourceKind::External, plain_route(|_| ()));
    assert!(matches!(evaluation, Evaluation::Decided(PolicyVerdict::Accept)), "{evaluation:?}");
}

#[test]
fn neighbours_for_whom_the_same_is_left_have_equal_policies() {
    let set = Shared::new(PrefixSet::new(["192.0.2.0/25".parse().unwrap()]));
    let policy = policy(vec![
        statement(vec![Condition::Neighbor(set)], vec![Change::LocalPref(Adjust::Set(200))], Action::Next),
        statement(vec![prefixes(&["10.0.0.0/8 le 24"])], vec![], Action::Reject),
        statement(vec![], vec![], Action::Accept),
    ]);
    let at = |address: &str| policy.bind(&PolicySession { neighbor: address.parse().ok(), ..session() });
    assert_eq!(at("192.0.2.1"), at("192.0.2.2"));
    assert_eq!(at("192.0.2.1").cmp(&at("192.0.2.2")), std::cmp::Ordering::Equal);
    assert_ne!(at("192.0.2.1"), at("192.0.2.129"));
}

#[test]
fn a_route_servers_client_is_told_by_its_as_number() {
    let policy = policy(vec![
        statement(vec![communities(&["0:neighbor-as", "65000:0:neighbor-as"])], vec![], Action::Reject),
        statement(vec![], vec![], Action::Accept),
    ]);
    let with = |high, low| plain_route(|attributes| attributes.communities = vec![Community::new(high, low)]);
    assert_eq!(attributes_after(&policy, with(0, 65001)), None);
    assert!(attributes_after(&policy, with(0, 65002)).is_some());
    let large = |asn| LargeCommunity { global: 65000, local1: 0, local2: asn };
    assert_eq!(attributes_after(&policy, plain_route(|it| it.large_communities = vec![large(65001)])), None);
}

#[test]
fn the_role_of_a_neighbour_follows_from_ours_where_it_does_not_say() {
    assert_eq!(PolicySession::neighbor_role(Some(Role::PROVIDER)), Some(Role::CUSTOMER));
    assert_eq!(PolicySession::neighbor_role(Some(Role::PEER)), Some(Role::PEER));
    assert_eq!(PolicySession::neighbor_role(None), None);
}

#[test]
fn the_next_hop_of_the_neighbour_is_its_own_address() {
    let inside = Shared::new(PrefixSet::new([]));
    let own = Condition::NextHop { inside, or_neighbor: true, neighbor: None };
    let policy = policy(vec![statement(vec![own], vec![Change::NextHop(NextHopChange::Own)], Action::Accept)]);
    assert!(attributes_after(&policy, plain_route(|_| ())).is_some());
    let mut foreign = plain_route(|_| ());
    foreign.next_hop = NextHop::V4("192.0.2.3".parse().unwrap());
    assert_eq!(attributes_after(&policy, foreign), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn two_stages_say_what_a_naive_reading_says(
        chain in policies(),
        session in sessions(),
        routes in prop::collection::vec(route(), 1..4),
        prefixes in prop::collection::vec(naive::prefix(), 1..6),
    ) {
        let links: Vec<Link> = chain.iter().map(naive::Policy::link).collect();
        let policy = Policy::chain(&links);
        let bound = policy.bind(&session);
        prop_assert_eq!(&bound, &policy.bind(&session));
        for mut route in routes {
            for prefix in &prefixes {
                // A route's family is that of its prefix. The other prefixes of the family come first to see that
                // what they left behind makes no difference.
                route.family = naive::family(*prefix);
                let evaluation = bound.evaluate(SourceKind::External, route.clone());
                for other in prefixes.iter().filter(|other| naive::family(**other) == route.family) {
                    evaluation.verdict(*other);
                }
                let expected = naive::run(&chain, &session, &route, *prefix);
                prop_assert_eq!(evaluation.verdict(*prefix), &expected, "{} {:?}", prefix, route);
                let trace = policy.trace(SourceKind::External, &session, &route, *prefix);
                prop_assert_eq!(&trace.verdict, &expected, "trace of {}", prefix);
            }
        }
    }
}
