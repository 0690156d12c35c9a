//! Groups that are sent several paths of a prefix, or another one than the best, beside ordinary ones, with members that
//! move between them.

use super::*;
use crate::rib::{Candidate, Route, SourceCounts, decision};
use crate::wire::Community;
use std::num::NonZeroU8;

/// What a neighbour holds after reading what it was sent.
#[derive(Default, Debug)]
struct Several {
    routes: BTreeMap<(Prefix, u32), (String, IpAddr)>,
    stale: Option<std::collections::BTreeSet<(Prefix, u32)>>,
    refreshes: usize,
    announcements: usize,
    withdrawals: usize,
}

impl Several {
    fn read(&mut self, outgoing: &Outgoing, add_path: bool) {
        let mut context = DecodeContext::default();
        context.add_path.extend(add_path.then_some(V4));
        let (mut messages, mut announced, mut withdrawn) = (0, 0, 0);
        for octets in &outgoing.octets {
            let mut octets = octets.as_ref();
            while let Ok(Some(length)) = frame_length(octets, 4096) {
                let (frame, rest) = octets.split_at(length);
                octets = rest;
                messages += 1;
                match Message::decode(frame, &context).unwrap().message {
                    Message::Update(update) => {
                        withdrawn += update.withdrawn.len() as u64;
                        announced += update.nlri.len() as u64;
                        self.update(update);
                    }
                    Message::RouteRefresh(refresh) if refresh.subtype == RefreshSubtype::BEGIN => {
                        self.stale = Some(self.routes.keys().copied().collect());
                    }
                    Message::RouteRefresh(_) => {
                        let stale = self.stale.take().expect("EoRR without BoRR");
                        assert!(stale.is_empty(), "held and not sent again: {stale:?}");
                        self.refreshes += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(octets.is_empty(), "whole messages");
        }
        assert_eq!((messages, announced, withdrawn), (outgoing.messages, outgoing.announced, outgoing.withdrawn));
    }

    fn update(&mut self, update: Update) {
        for Nlri { prefix, path_id } in update.withdrawn {
            if let Some(stale) = &mut self.stale {
                stale.remove(&(prefix, path_id));
            }
            self.withdrawals += 1;
            let held = self.routes.remove(&(prefix, path_id));
            assert!(held.is_some(), "{prefix} path {path_id} is withdrawn but not held");
        }
        for Nlri { prefix, path_id } in update.nlri {
            self.announcements += 1;
            let attributes = update.attributes.as_ref().unwrap();
            if let Some(stale) = &mut self.stale {
                stale.remove(&(prefix, path_id));
            }
            let next_hop = IpAddr::V4(attributes.next_hop.unwrap());
            self.routes.insert((prefix, path_id), (attributes.as_path.to_string(), next_hop));
        }
    }
}

/// Groups by number. The last two are for neighbours that take several paths.
const GROUPS: usize = 6;
const FIRST_SEVERAL: usize = 4;

fn terms_of(group: usize) -> ExportTerms {
    let mut terms = terms(SourceKind::External);
    let server = |terms: &mut ExportTerms| terms.rules.route_server_client = true;
    match group {
        0 => {}
        1 => terms.policy = crate::policy::tests::reject_below_and_mark("10.0.0.0/21 le 24"),
        2 => server(&mut terms),
        3 => {
            server(&mut terms);
            terms.policy = crate::policy::tests::reject_below_and_mark("10.0.4.0/22 le 24");
        }
        4 => {
            server(&mut terms);
            terms.rules.add_path_send = Some(AddPathSend::All);
        }
        _ => terms.rules.add_path_send = NonZeroU8::new(2).map(AddPathSend::Best),
    }
    if group >= FIRST_SEVERAL {
        terms.encode.add_path.insert(V4);
    }
    terms
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    path_id: u32,
    tail: u32,
    hop: u8,
    community: Option<Community>,
}

fn path(number: u8, kind: Kind, prefixes: &[u32]) -> RouteUpdate {
    let mut update = announce(number, kind.tail, []);
    if let Some(announced) = &mut update.announced {
        announced.next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, kind.hop));
        let attributes = Arc::make_mut(&mut announced.attributes);
        attributes.communities.extend(kind.community);
        if kind.tail == 3 {
            attributes.as_path = attributes.as_path.prepend(Asn(65000 + u32::from(number)), 1);
        }
        announced.nlri =
            prefixes.iter().map(|prefix| Nlri { path_id: kind.path_id, prefix: numbered(*prefix) }).collect();
    }
    update
}

fn gone(path_id: u32, prefixes: &[u32]) -> RouteUpdate {
    let withdrawn = prefixes.iter().map(|prefix| Nlri { path_id, prefix: numbered(*prefix) }).collect();
    RouteUpdate { family: V4, withdrawn, announced: None }
}

/// What a member is to hold, worked out from all paths.
fn expected(
    rib: &Rib,
    terms: &ExportTerms,
    member: SourceId,
    address: IpAddr,
) -> BTreeMap<Prefix, Vec<(String, IpAddr)>> {
    let mut by_prefix: BTreeMap<Prefix, Vec<Route>> = BTreeMap::new();
    for route in rib.paths(V4, None, 1000).routes.into_iter().filter(|route| route.ineligible.is_none()) {
        by_prefix.entry(route.prefix).or_default().push(route);
    }
    let mut all = BTreeMap::new();
    for (prefix, mut left) in by_prefix {
        let mut ranked = Vec::new();
        while !left.is_empty() {
            let candidates: Vec<Candidate> = left.iter().map(candidate).collect();
            ranked.push(left.swap_remove(decision::choose(&candidates, &DecisionOptions::default()).unwrap()));
        }
        let best_only = !terms.encode.add_path.contains(&V4) && !terms.rules.route_server_client;
        let count = match terms.rules.add_path_send {
            Some(AddPathSend::All) => usize::MAX,
            Some(AddPathSend::Best(count)) => usize::from(count.get()),
            None => 1,
        };
        if best_only {
            ranked.truncate(1);
        }
        let routes: Vec<(String, IpAddr)> = ranked
            .iter()
            .filter(|route| route.source != member)
            .filter_map(|route| {
                let from = rules::From::of(route.source, rib.ranks().by_source)?;
                let (attributes, next_hop) = rules::export(terms, V4, from, &route.attributes, prefix)?;
                Some((attributes.as_path.to_string(), next_hop.address()))
            })
            .filter(|(_, next_hop)| *next_hop != address)
            .take(count)
            .collect();
        if !routes.is_empty() {
            all.insert(prefix, routes);
        }
    }
    all
}

fn candidate(route: &Route) -> Candidate {
    let attributes = &route.attributes.attributes;
    Candidate {
        rank: crate::rib::AttributeRank {
            long_lived_stale: false,
            local_pref: 100,
            as_path_length: attributes.as_path.length() as u32,
            origin: 0,
            neighbor_as: Some(route.peer_asn.0),
            med: None,
            originator_id: None,
            cluster_list_length: 0,
        },
        kind: route.kind,
        igp_metric: 0,
        learned: route.learned,
        router_id: route.peer_router_id.0,
        peer_address: route.peer_address,
        path_id: route.path_id,
        peer_index: u32::from(route.source.0),
    }
}

/// Neighbours in groups, and what they have been told.
struct Exchange {
    rib: Rib,
    groups: Vec<UpdateGroup>,
    members: Vec<SourceId>,
    /// The group of each.
    at: Vec<usize>,
    receivers: Vec<Several>,
}

impl Exchange {
    fn new(at: &[usize]) -> Exchange {
        let mut exchange = Exchange {
            rib: rib(),
            groups: (0..GROUPS).map(|group| UpdateGroup::new(terms_of(group))).collect(),
            members: Vec::new(),
            at: at.to_vec(),
            receivers: Vec::new(),
        };
        for peer in 0..at.len() {
            exchange.members.push(SourceId::NONE);
            exchange.receivers.push(Several::default());
            exchange.join(peer);
        }
        exchange
    }

    fn join(&mut self, peer: usize) {
        self.members[peer] = self.rib.add_source(source(peer as u8 + 1));
        self.receivers[peer] = Several::default();
        self.groups[self.at[peer]].join(self.members[peer], [V4], true, &mut self.rib);
    }

    fn flap(&mut self, peer: usize) {
        self.groups[self.at[peer]].leave(self.members[peer], &mut self.rib);
        self.rib.remove_source(self.members[peer]);
        self.join(peer);
    }

    /// To another group of those that speak alike.
    fn turn(&mut self, peer: usize, by: usize) {
        let (from, member) = (self.at[peer], self.members[peer]);
        let (first, count) =
            if from >= FIRST_SEVERAL { (FIRST_SEVERAL, GROUPS - FIRST_SEVERAL) } else { (0, FIRST_SEVERAL) };
        let to = first + (from - first + by) % count;
        let moving = self.groups[from].hand_over(member, &mut self.rib).unwrap();
        self.groups[to].take_over(member, moving, &mut self.rib);
        self.at[peer] = to;
    }

    fn poll(&mut self, peer: usize) -> bool {
        let outgoing = self.groups[self.at[peer]].poll_transmit(self.members[peer], &mut self.rib);
        if let Some(outgoing) = &outgoing {
            self.receivers[peer].read(outgoing, self.at[peer] >= FIRST_SEVERAL);
        }
        outgoing.is_some()
    }

    fn settle(&mut self) {
        for peer in 0..self.members.len() {
            while self.poll(peer) {}
            let group = &self.groups[self.at[peer]];
            assert!(!group.is_behind(self.members[peer], &self.rib));
            assert_eq!(group.advertised(self.members[peer], V4), self.receivers[peer].routes.len());
        }
    }

    /// Each neighbour holds what it is to hold, under the identifiers that we say.
    fn check(&self) {
        for (peer, member) in self.members.iter().enumerate() {
            let (group, receiver) = (&self.groups[self.at[peer]], &self.receivers[peer]);
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101 + peer as u8));
            let wanted: Vec<(Prefix, String, IpAddr)> = expected(&self.rib, group.terms(), *member, address)
                .into_iter()
                .flat_map(|(prefix, mut routes)| {
                    routes.sort();
                    routes.into_iter().map(move |(path, next_hop)| (prefix, path, next_hop))
                })
                .collect();
            let mut held: Vec<(Prefix, String, IpAddr)> =
                receiver.routes.iter().map(|((prefix, _), (path, hop))| (*prefix, path.clone(), *hop)).collect();
            held.sort();
            assert_eq!(held, wanted, "peer {peer} in group {}", self.at[peer]);
            let said = group.adj_rib_out(*member, V4, None, 1000, &self.rib).routes;
            let said: BTreeMap<(Prefix, u32), (String, IpAddr)> = said
                .into_iter()
                .map(|route| {
                    let path = route.attributes.as_path.to_string();
                    ((route.prefix, route.path_id), (path, route.next_hop.address()))
                })
                .collect();
            assert_eq!(said, receiver.routes, "peer {peer} in group {}", self.at[peer]);
        }
    }
}

const PLAIN: Kind = Kind { path_id: 0, tail: 1, hop: 9, community: None };

#[test]
fn who_takes_several_paths_gets_all_others_each_under_its_own_identifier_and_keeps_them_apart() {
    let mut exchange = Exchange::new(&[0, 0, 4]);
    let [one, two, three] = exchange.members[..] else { panic!() };
    exchange.rib.handle_routes(one, &path(1, PLAIN, &[0]), Time::ZERO);
    exchange.rib.handle_routes(two, &path(2, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    let held: Vec<(Prefix, u32)> = exchange.receivers[2].routes.keys().copied().collect();
    assert_eq!(held.len(), 2);
    // A change of the path that is not the best one: sent under the identifier that it has, and nothing else is.
    let announcements = exchange.receivers[2].announcements;
    exchange.rib.handle_routes(two, &path(2, Kind { tail: 3, ..PLAIN }, &[0]), Time::ZERO);
    exchange.settle();
    exchange.check();
    assert_eq!(exchange.receivers[2].routes.keys().copied().collect::<Vec<_>>(), held);
    assert!(exchange.receivers[2].announcements > announcements);
    // One goes, the other stays as it is.
    exchange.rib.handle_routes(one, &gone(0, &[0]), Time::ZERO);
    exchange.settle();
    exchange.check();
    assert_eq!(exchange.receivers[2].routes.len(), 1);
    // Its own ones do not come back to it.
    exchange.rib.handle_routes(three, &path(3, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    exchange.check();
    assert_eq!(exchange.receivers[2].routes.len(), 1);
}

#[test]
fn a_client_of_a_route_server_gets_the_best_of_the_routes_that_it_may_have() {
    let mut exchange = Exchange::new(&[2, 2, 2, 0]);
    let [one, two, three, _] = exchange.members[..] else { panic!() };
    exchange.rib.handle_routes(one, &path(1, PLAIN, &[0]), Time::ZERO);
    exchange.rib.handle_routes(two, &path(2, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    let from = |exchange: &Exchange, peer: usize| {
        exchange.receivers[peer].routes.get(&(numbered(0), 0)).map(|(path, _)| path.clone())
    };
    assert_eq!(from(&exchange, 0).as_deref(), Some("65002 1"), "its own is the best one");
    assert_eq!(from(&exchange, 1).as_deref(), Some("65001 1"));
    assert_eq!(from(&exchange, 3).as_deref(), Some("65000 65001 1"));
    // The best may not leave: clients get the next one, ordinary neighbours nothing.
    let kept = Kind { community: Some(Community::NO_EXPORT), ..PLAIN };
    exchange.rib.handle_routes(one, &path(1, kept, &[0]), Time::ZERO);
    exchange.settle();
    assert_eq!(from(&exchange, 2).as_deref(), Some("65002 1"));
    assert_eq!((from(&exchange, 1), from(&exchange, 3)), (None, None));
    exchange.rib.handle_routes(three, &path(3, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    exchange.check();
    assert_eq!(from(&exchange, 1).as_deref(), Some("65003 1"));
}

#[test]
fn a_client_whose_paths_may_be_hidden_gets_the_best_route_or_none() {
    let mut exchange = Exchange::new(&[0, 0]);
    let mut terms = terms_of(2);
    terms.rules.hide_paths = true;
    exchange.groups[0] = UpdateGroup::new(terms);
    let members = exchange.members.clone();
    members.iter().for_each(|member| exchange.groups[0].join(*member, [V4], true, &mut exchange.rib));
    exchange.rib.handle_routes(members[0], &path(1, PLAIN, &[0]), Time::ZERO);
    exchange.rib.handle_routes(members[1], &path(2, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    assert_eq!((exchange.receivers[0].routes.len(), exchange.receivers[1].routes.len()), (0, 1));
}

#[test]
fn a_group_of_best_paths_is_not_told_of_changes_that_leave_them_alone() {
    let mut exchange = Exchange::new(&[0, 0, 0]);
    let members = exchange.members.clone();
    let changes = |exchange: &mut Exchange| {
        exchange.rib.handle_routes(members[0], &path(1, PLAIN, &[0]), Time::ZERO);
        exchange.settle();
        let end = exchange.rib.table(V4).unwrap().log_end();
        exchange.rib.handle_routes(members[1], &path(2, Kind { tail: 3, ..PLAIN }, &[0]), Time::ZERO);
        exchange.rib.handle_routes(members[1], &gone(0, &[0]), Time::ZERO);
        assert_eq!(exchange.rib.table(V4).unwrap().log_end(), end);
        assert!(!exchange.groups[0].is_behind(members[2], &exchange.rib));
    };
    let further = |exchange: &Exchange| {
        let mut records = Vec::new();
        exchange.rib.table(V4).unwrap().read_further(Cursor::START, 10, &mut records);
        records.len()
    };
    changes(&mut exchange);
    assert_eq!(further(&exchange), 0, "nobody reads it, nobody writes it");
    // Nor while there is somebody who is.
    let other = exchange.rib.add_source(source(9));
    exchange.groups[4].join(other, [V4], true, &mut exchange.rib);
    changes(&mut exchange);
    assert_eq!(further(&exchange), 1);
    exchange.groups[4].leave(other, &mut exchange.rib);
    assert_eq!(further(&exchange), 0);
}

#[test]
fn nobody_gets_a_route_that_leads_to_itself() {
    for group in [2, 4] {
        let mut exchange = Exchange::new(&[group, group, group]);
        let members = exchange.members.clone();
        exchange.rib.handle_routes(members[0], &path(1, Kind { hop: 102, ..PLAIN }, &[0]), Time::ZERO);
        exchange.settle();
        let held = |exchange: &Exchange| exchange.receivers.iter().map(|it| it.routes.len()).collect::<Vec<_>>();
        assert_eq!(held(&exchange), [0, 0, 1], "192.0.2.102 is the second one");
        exchange.rib.handle_routes(members[0], &path(1, Kind { hop: 9, ..PLAIN }, &[0]), Time::ZERO);
        exchange.settle();
        assert_eq!(held(&exchange), [0, 1, 1]);
        exchange.rib.handle_routes(members[0], &path(1, Kind { hop: 102, ..PLAIN }, &[0]), Time::ZERO);
        exchange.settle();
        exchange.check();
        assert_eq!(held(&exchange), [0, 0, 1], "withdrawn again");
    }
}

#[test]
fn two_speakers_at_one_address_exchange_routes() {
    let mut exchange = Exchange::new(&[0]);
    let neighbor = Source { address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), ..source(2) };
    let neighbor = exchange.rib.add_source(neighbor);
    exchange.groups[0].join(neighbor, [V4], false, &mut exchange.rib);
    exchange.rib.handle_routes(exchange.members[0], &path(1, PLAIN, &[0]), Time::ZERO);
    while exchange.groups[0].poll_transmit(neighbor, &mut exchange.rib).is_some() {}
    assert_eq!(exchange.groups[0].advertised(neighbor, V4), 1, "the next hop is we, at 192.0.2.1 too");
}

/// The one that comes over from another group holds a route which nobody held when the segment at the start was built.
#[test]
fn a_member_that_changes_groups_keeps_nothing_that_its_new_group_must_not_have() {
    let mut exchange = Exchange::new(&[0, 1, 1]);
    let from = exchange.rib.add_source(source(7));
    exchange.rib.handle_routes(from, &announce(7, 1, [0, 100]), Time::ZERO);
    exchange.settle();
    // Both are asked again, one of them reads, the other is blocked: what was encoded for both waits for it.
    let (late, now) = (exchange.members[1], exchange.members[2]);
    exchange.groups[0].leave(exchange.members[0], &mut exchange.rib);
    exchange.groups[1].handle_refresh(late, V4);
    exchange.groups[1].handle_refresh(now, V4);
    while exchange.poll(2) {}
    exchange.groups[0].join(exchange.members[0], [V4], true, &mut exchange.rib);
    exchange.receivers[0] = Several::default();
    while exchange.poll(0) {}
    assert_eq!(exchange.receivers[0].routes.len(), 2);
    exchange.turn(0, 1);
    exchange.settle();
    assert_eq!(exchange.receivers[0].routes.len(), 1, "10.0.0.0/24 is rejected there");
    exchange.check();
}

#[test]
fn the_number_of_a_prefix_that_a_kept_segment_names_is_nobody_elses() {
    // The first and the last one never read: what was encoded is kept for them.
    let mut exchange = Exchange::new(&[0, 0, 0, 0]);
    let [source, _, other, _] = exchange.members[..] else { panic!() };
    let last = SEGMENT_RECORDS as u32 / 2 + 50;
    exchange.rib.handle_routes(source, &announce(1, 1, 0..last), Time::ZERO);
    exchange.rib.handle_routes(other, &announce(3, 1, [2_000]), Time::ZERO);
    let read_all = |exchange: &mut Exchange, peer: usize| while exchange.poll(peer) {};
    read_all(&mut exchange, 1);
    read_all(&mut exchange, 2);
    // So many later ones that the first is not kept any more.
    for tail in 2..3 + SEGMENTS_KEPT as u32 {
        exchange.rib.handle_routes(source, &announce(1, tail, [0]), Time::ZERO);
        read_all(&mut exchange, 1);
    }
    exchange.rib.handle_routes(other, &withdraw([2_000]), Time::ZERO);
    exchange.groups[0].handle_refresh(exchange.members[1], V4);
    read_all(&mut exchange, 1);
    exchange.rib.handle_routes(source, &announce(1, 1, [3_000]), Time::ZERO);
    read_all(&mut exchange, 2);
    exchange.groups[0].handle_refresh(other, V4);
    let mut withdrawn = 0;
    while let Some(outgoing) = exchange.groups[0].poll_transmit(other, &mut exchange.rib) {
        withdrawn += outgoing.withdrawn;
    }
    assert_eq!(withdrawn, 0, "nothing that it holds has gone");
}

/// A change that leaves the best path alone stands in one log, a change of the best path in the other.
#[test]
fn what_was_encoded_for_one_member_is_not_sent_to_another_after_something_newer() {
    let mut exchange = Exchange::new(&[2, 2, 0, 0]);
    let (best, other) = (exchange.members[2], exchange.members[3]);
    exchange.rib.handle_routes(best, &path(3, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    exchange.rib.handle_routes(other, &path(4, Kind { tail: 3, ..PLAIN }, &[0]), Time::ZERO);
    while exchange.poll(0) {}
    exchange.rib.handle_import_policy(best, Policy::Reject);
    exchange.settle();
    exchange.check();
    assert!(exchange.receivers[1].routes.values().all(|(path, _)| path.starts_with("65004")));
}

#[test]
fn no_more_is_sent_than_a_limit_allows_to_the_message() {
    for group in [0, 4] {
        let mut exchange = Exchange::new(&[0, group]);
        let (from, to) = (exchange.members[0], exchange.members[1]);
        for prefix in 0..10 {
            let kind = Kind { tail: prefix + 10, ..PLAIN };
            exchange.rib.handle_routes(from, &path(1, kind, &[prefix]), Time::ZERO);
        }
        let limit = |_| Some(7);
        let mut over = None;
        while let Some(outgoing) = exchange.groups[group].poll_transmit_within(to, limit, &mut exchange.rib) {
            exchange.receivers[1].read(&outgoing, group >= FIRST_SEVERAL);
            over = outgoing.over;
            if over.is_some() {
                break;
            }
        }
        assert_eq!((over, exchange.receivers[1].routes.len()), (Some(V4), 7));
    }
}

#[test]
fn a_segment_ends_when_its_messages_have_many_octets() {
    let mut exchange = Exchange::new(&[0, 0]);
    let (from, to) = (exchange.members[0], exchange.members[1]);
    for prefix in 0..400 {
        let mut update = path(1, Kind { tail: prefix + 10, ..PLAIN }, &[prefix]);
        if let Some(announced) = &mut update.announced {
            Arc::make_mut(&mut announced.attributes).communities = vec![Community::new(1, 1); 900];
        }
        exchange.rib.handle_routes(from, &update, Time::ZERO);
    }
    let mut most = 0;
    while let Some(outgoing) = exchange.groups[0].poll_transmit(to, &mut exchange.rib) {
        most = most.max(outgoing.len());
        exchange.receivers[1].read(&outgoing, false);
    }
    assert!(most <= SEGMENT_OCTETS + 4096 && most > SEGMENT_OCTETS / 2, "{most}");
    assert_eq!(exchange.receivers[1].routes.len(), 400);
}

#[test]
fn who_has_nothing_to_send_looks_at_one_stretch_of_the_log_at_a_time() {
    let mut rib = rib();
    let from = rib.add_source(source(1));
    let to = rib.add_source(source(2));
    let records = SEGMENT_RECORDS as u32;
    rib.handle_routes(from, &announce(1, 9, 0..3 * records), Time::ZERO);
    let mut group = UpdateGroup::new(ExportTerms { policy: Policy::Reject, ..terms(SourceKind::External) });
    group.join(to, [V4], false, &mut rib);
    let outgoing = group.poll_transmit(to, &mut rib).unwrap();
    assert_eq!((outgoing.messages, outgoing.looked_at), (0, u64::from(records)));
    assert!(group.is_behind(to, &rib));
}

#[test]
fn what_is_too_long_for_one_client_is_withdrawn_from_no_other() {
    let mut exchange = Exchange::new(&[2, 2, 2]);
    let (one, two) = (exchange.members[0], exchange.members[1]);
    exchange.rib.handle_routes(one, &path(1, PLAIN, &[0]), Time::ZERO);
    // For the first one, whose own route is the best, there is this one only.
    for tail in [2, 3] {
        let mut update = path(2, Kind { tail, ..PLAIN }, &[0]);
        if let Some(announced) = &mut update.announced {
            Arc::make_mut(&mut announced.attributes).communities = vec![Community::new(1, 1); 1_020];
        }
        exchange.rib.handle_routes(two, &update, Time::ZERO);
        exchange.settle();
        let held: Vec<usize> = exchange.receivers.iter().map(|receiver| receiver.routes.len()).collect();
        assert_eq!(held, [0, 1, 1]);
        assert!(exchange.receivers.iter().all(|receiver| receiver.withdrawals == 0), "with {tail}");
    }
    assert!(exchange.groups[2].counters().routes_too_long >= 2);
    // One that held something is told that it is gone.
    exchange.rib.handle_routes(two, &path(2, PLAIN, &[0]), Time::ZERO);
    exchange.settle();
    assert_eq!(exchange.receivers[0].routes.len(), 1);
    let mut update = path(2, PLAIN, &[0]);
    if let Some(announced) = &mut update.announced {
        Arc::make_mut(&mut announced.attributes).communities = vec![Community::new(1, 1); 1_020];
    }
    exchange.rib.handle_routes(two, &update, Time::ZERO);
    exchange.settle();
    let withdrawals: Vec<usize> = exchange.receivers.iter().map(|receiver| receiver.withdrawals).collect();
    assert_eq!(withdrawals, [1, 0, 0]);
}

#[test]
fn a_stretch_of_prefixes_with_many_paths_is_shorter() {
    let mut exchange = Exchange::new(&[0, 4]);
    let (from, to) = (exchange.members[0], exchange.members[1]);
    exchange.settle();
    let prefixes: Vec<u32> = (0..300).collect();
    for path_id in 1..=40 {
        exchange.rib.handle_routes(from, &path(1, Kind { path_id, ..PLAIN }, &prefixes), Time::ZERO);
    }
    let outgoing = exchange.groups[4].poll_transmit(to, &mut exchange.rib).unwrap();
    exchange.receivers[1].read(&outgoing, true);
    let (cost, each) = (SEGMENT_RECORDS as u64, 1 + 40 / 4);
    assert!((cost..cost + each).contains(&outgoing.looked_at), "{}", outgoing.looked_at);
    assert_eq!(outgoing.announced, outgoing.looked_at / each * 40);
    exchange.settle();
    assert_eq!(exchange.receivers[1].routes.len(), 300 * 40);
}

#[test]
fn long_identifiers_stay_apart_and_as_they_are() {
    let mut exchange = Exchange::new(&[0, 4]);
    let from = exchange.members[0];
    let ids = [1, 2, 0x1_0000, 0x9_0000, u32::MAX];
    for path_id in ids {
        exchange.rib.handle_routes(from, &path(1, Kind { path_id, ..PLAIN }, &[0]), Time::ZERO);
    }
    exchange.settle();
    let all: Vec<(Prefix, u32)> = exchange.receivers[1].routes.keys().copied().collect();
    assert_eq!(all.len(), ids.len());
    exchange.rib.handle_routes(from, &gone(0x9_0000, &[0]), Time::ZERO);
    exchange.settle();
    let left: Vec<(Prefix, u32)> = exchange.receivers[1].routes.keys().copied().collect();
    assert_eq!(left.len(), ids.len() - 1);
    assert!(left.iter().all(|path| all.contains(path)));
}

#[derive(Clone, Debug)]
enum Operation {
    Announce { peer: usize, kind: Kind, prefixes: Vec<u32> },
    Withdraw { peer: usize, path_id: u32, prefixes: Vec<u32> },
    Policy { peer: usize, accept: bool },
    Poll { peer: usize },
    Flap { peer: usize },
    Refresh { peer: usize },
    Turn { peer: usize, by: usize },
}

fn kind() -> impl Strategy<Value = Kind> {
    let community = prop_oneof![4 => Just(None), 1 => Just(Some(Community::NO_EXPORT))];
    // The hops are addresses of members and of others; the identifiers fit and don't.
    (prop::sample::select(vec![0, 1, 0x2_0000, 0x3_0000]), 1u32..4, 99u8..109, community)
        .prop_map(|(path_id, tail, hop, community)| Kind { path_id, tail, hop, community })
}

fn operation() -> impl Strategy<Value = Operation> {
    let prefixes = || prop::collection::vec(0u32..10, 1..6);
    let peer = || 0usize..7;
    prop_oneof![
        6 => (peer(), kind(), prefixes()).prop_map(|(peer, kind, prefixes)| Operation::Announce { peer, kind, prefixes }),
        4 => (peer(), kind(), prefixes())
            .prop_map(|(peer, kind, prefixes)| Operation::Withdraw { peer, path_id: kind.path_id, prefixes }),
        1 => (peer(), any::<bool>()).prop_map(|(peer, accept)| Operation::Policy { peer, accept }),
        8 => peer().prop_map(|peer| Operation::Poll { peer }),
        1 => peer().prop_map(|peer| Operation::Flap { peer }),
        1 => peer().prop_map(|peer| Operation::Refresh { peer }),
        2 => (peer(), 1usize..4).prop_map(|(peer, by)| Operation::Turn { peer, by }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_each_member_of_each_group_holds_exactly_the_paths_that_it_is_to_hold(
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let mut exchange = Exchange::new(&[0, 1, 2, 3, 4, 4, 5]);
        for operation in operations {
            match operation {
                Operation::Announce { peer, kind, prefixes } => {
                    let member = exchange.members[peer];
                    exchange.rib.handle_routes(member, &path(peer as u8 + 1, kind, &prefixes), Time::ZERO);
                }
                Operation::Withdraw { peer, path_id, prefixes } => {
                    exchange.rib.handle_routes(exchange.members[peer], &gone(path_id, &prefixes), Time::ZERO);
                }
                Operation::Policy { peer, accept } => {
                    let policy = if accept { Policy::Accept } else { Policy::Reject };
                    exchange.rib.handle_import_policy(exchange.members[peer], policy);
                }
                Operation::Poll { peer } => { exchange.poll(peer); }
                Operation::Flap { peer } => exchange.flap(peer),
                Operation::Refresh { peer } => {
                    exchange.groups[exchange.at[peer]].handle_refresh(exchange.members[peer], V4);
                }
                Operation::Turn { peer, by } => exchange.turn(peer, by),
            }
        }
        exchange.settle();
        exchange.check();
        for member in exchange.members.clone() {
            exchange.rib.remove_source(member);
            prop_assert_eq!(exchange.rib.source_counts(member, V4), SourceCounts::default());
        }
        exchange.settle();
        prop_assert!(exchange.receivers.iter().all(|receiver| receiver.routes.is_empty()));
        prop_assert_eq!(exchange.rib.counts(V4), Default::default());
    }
}
