//! The routing tables beside a model of them that keeps a plain map and looks at all of it each time.
//!
//! [`run`] reads octets as operations. One Rib gets routes as decoded messages, a second one the messages as they come in;
//! both, the model and a follower of the changes have to say the same. Property tests and the fuzzer call it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bgp::policy::rule::{Adjust, Label, Test};
use bgp::policy::{
    Action, Change, Condition, Link, Note, Policy, PolicyDefinition, PrefixPattern, PrefixSet, Shared, Statement,
};
use bgp::rib::{
    AttributeRank, Candidate, DecisionOptions, Follower, ImportOptions, ImportRules, MAX_PATHS_OF_SOURCE, Rib,
    RibConfig, Route, RouteAttributes, Source, SourceId, SourceKind, Verdict, decision,
};
use bgp::session::{Announcement, RouteUpdate};
use bgp::wire::{
    AsPath, Asn, Community, DecodeContext, EncodeContext, Family, NextHop, Nlri, Origin, PathAttributes, PeerKind,
    RouterId, frame_length, pack_announcements, pack_withdrawals,
};
use bytes::BytesMut;
use net::{Prefix, Time};

/// Operations of one run: fewer than refreshes may begin before the Rib takes two of them for one.
const OPERATIONS: usize = 150;
const PEERS: u8 = 4;
const FAMILIES: [Family; 2] = Rib::FAMILIES;
const OURS: u32 = 65000;
const OUR_ROUTER_ID: u32 = 0x0a00_0001;
const DEFAULT_LOCAL_PREF: u32 = 100;
const PREFERRED: u32 = 200;

/// The number of the prefixes that [`Opinion::Prefer`] refuses.
const REFUSED: u8 = 3;

/// An import policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opinion {
    Unset,
    Accept,
    Reject,
    /// LOCAL_PREF is set, and some prefixes are refused.
    Prefer,
}

impl Opinion {
    fn read(octet: u8) -> Opinion {
        [Opinion::Accept, Opinion::Reject, Opinion::Prefer, Opinion::Unset][usize::from(octet % 4)]
    }

    fn policy(self) -> Policy {
        match self {
            Opinion::Unset => Policy::Unset,
            Opinion::Accept => Policy::Accept,
            Opinion::Reject => Policy::Reject,
            Opinion::Prefer => {
                let texts = FAMILIES.map(|family| prefix(family, REFUSED).to_string());
                let patterns = texts.iter().map(|text| text.parse::<PrefixPattern>().unwrap());
                let condition = Condition::Prefix(Shared::new(PrefixSet::new(patterns)));
                let refused = Test { condition, text: Note("".into()) };
                let statement = |matches, changes, action| Statement {
                    label: Note(Label { policy: "p".to_owned(), statement: 1, name: None, line: 0 }),
                    matches,
                    unless: Vec::new(),
                    changes,
                    action,
                };
                let statements = vec![
                    statement(vec![refused], vec![], Action::Reject),
                    statement(vec![], vec![Change::LocalPref(Adjust::Set(PREFERRED))], Action::Accept),
                ];
                Policy::chain(&[Link::Policy(Arc::new(PolicyDefinition { name: "p".into(), statements }))])
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kept {
    /// Of this session.
    No,
    Stale,
    LongLived,
}

/// A path as the model has it.
#[derive(Clone, Debug)]
struct Held {
    route: RouteAttributes,
    learned: Time,
    /// Not sent again since the refresh began.
    unseen: bool,
    kept: Kept,
}

#[derive(Debug)]
struct Peer {
    id: SourceId,
    up: bool,
    /// Down, and its routes are kept.
    retained: bool,
    opinion: Opinion,
    refreshing: [bool; 2],
    refused: [u64; 2],
    /// Its BGP identifier; another one is another neighbour.
    router_id: u32,
}

fn is_external(peer: u8) -> bool {
    peer != 3
}

fn asn(peer: u8) -> u32 {
    // The first two in one AS, where MED counts; the last one in ours.
    [65001, 65001, 65002, OURS][usize::from(peer)]
}

fn address(peer: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, peer + 1))
}

fn has_add_path(peer: u8) -> bool {
    peer >= 2
}

fn place(family: Family) -> usize {
    usize::from(family == Family::IPV6_UNICAST)
}

/// Of the first ones in the order of addresses: what a page goes through before it is what each run pays for.
fn prefix(family: Family, number: u8) -> Prefix {
    let (address, length): (IpAddr, u8) = match place(family) {
        0 => (Ipv4Addr::new(1, number % 10, 0, 0).into(), 16),
        _ => (Ipv6Addr::new(0x2001, 0xdb8, u16::from(number % 5), 0, 0, 0, 0, 0).into(), 48),
    };
    Prefix::new(address, length).unwrap()
}

fn prefixes(family: Family) -> Vec<Prefix> {
    (0..if place(family) == 0 { 10 } else { 5 }).map(|number| prefix(family, number)).collect()
}

fn family_of(prefix: Prefix) -> Family {
    FAMILIES[usize::from(matches!(prefix, Prefix::V6(_)))]
}

fn source(peer: u8, state: &Peer) -> Source {
    Source {
        kind: if is_external(peer) { SourceKind::External } else { SourceKind::Internal },
        confederation: false,
        client: false,
        asn: Asn(asn(peer)),
        router_id: RouterId::from_u32(state.router_id),
        address: Some(address(peer)),
        local_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254))),
        import: state.opinion.policy(),
        enforce_first_as: true,
        rules: ImportRules::default(),
    }
}

/// Octets one after the other; zeros after the last one.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn family(&mut self) -> Family {
        FAMILIES[usize::from(self.next() % 4 == 3)]
    }

    fn peer(&mut self) -> u8 {
        self.next() % PEERS
    }

    fn attributes(&mut self, peer: u8, family: Family) -> RouteAttributes {
        let (shape, more) = (self.next(), self.next());
        let mut path: Vec<Asn> = Vec::new();
        if is_external(peer) {
            path.push(Asn(asn(peer)));
        }
        path.extend((0..shape % 3).map(|number| Asn(100 + u32::from(number))));
        if more % 16 == 15 {
            path.push(Asn(OURS));
        }
        let origin = [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(shape / 3 % 3)];
        let mut attributes = PathAttributes::new(origin, AsPath::sequence(&path));
        attributes.med = (shape & 64 != 0).then_some(u32::from(shape >> 7));
        if !is_external(peer) {
            attributes.local_pref = Some(DEFAULT_LOCAL_PREF - u32::from(more >> 7) * 10);
        }
        attributes.communities = match more / 16 % 8 {
            1 => vec![Community::NO_LLGR],
            2 => vec![Community::LLGR_STALE],
            3 => vec![Community::GRACEFUL_SHUTDOWN],
            4 => vec![Community::new(65000, 7)],
            5 => vec![Community::new(65000, 9); 200],
            _ => Vec::new(),
        };
        let next_hop: IpAddr = match place(family) {
            0 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)),
            _ => "2001:db8:ffff::1".parse().unwrap(),
        };
        if let IpAddr::V4(address) = next_hop {
            attributes.next_hop = Some(address);
        }
        RouteAttributes { attributes: Arc::new(attributes), next_hop: NextHop::from(next_hop) }
    }

    fn nlri(&mut self, peer: u8, family: Family) -> Vec<Nlri> {
        let (count, path_ids) = (self.next(), self.next());
        if has_add_path(peer) && count % 32 == 31 {
            // More of one prefix than there may be.
            let prefix = prefix(family, path_ids);
            let first = u32::from(self.next() % 8);
            let ids = first..first + MAX_PATHS_OF_SOURCE as u32 + u32::from(count >> 5);
            return ids.map(|path_id| Nlri { prefix, path_id }).collect();
        }
        (0..=count % 4)
            .map(|_| {
                let octet = self.next();
                let path_id = if has_add_path(peer) { u32::from(octet >> 4) % 4 * u32::from(path_ids % 40) } else { 0 };
                Nlri { prefix: prefix(family, octet & 15), path_id }
            })
            .collect()
    }
}

struct Model {
    options: DecisionOptions,
    rib: Rib,
    /// The same routes, read where they stand in the messages.
    twin: Rib,
    peers: Vec<Peer>,
    held: BTreeMap<(u8, Prefix, u32), Held>,
    originated: BTreeSet<Prefix>,
    followers: [[Follower; 2]; 2],
    followed: BTreeMap<Prefix, Route>,
    now: Time,
}

/// Reads octets as operations, and looks at everything in between and in the end.
pub fn run(octets: &[u8]) {
    let mut octets = Octets(octets);
    let mut model = Model::new(octets.next());
    for step in 0..OPERATIONS {
        if octets.0.is_empty() {
            break;
        }
        model.now = Time::from_secs(step as u64);
        model.operate(&mut octets);
    }
    model.finish();
}

impl Model {
    fn new(knobs: u8) -> Model {
        let options = DecisionOptions {
            always_compare_med: knobs & 1 != 0,
            missing_med_worst: knobs & 2 != 0,
            prefer_oldest: knobs & 4 != 0,
            ..DecisionOptions::default()
        };
        let config = RibConfig {
            import: ImportOptions::new(Asn(OURS), RouterId::from_u32(OUR_ROUTER_ID)),
            decision: options,
            default_local_pref: DEFAULT_LOCAL_PREF,
            seed: 1,
        };
        let (mut rib, mut twin) = (Rib::new(config), Rib::new(config));
        let at_once = usize::from(knobs >> 3) % 8;
        rib.set_at_once(at_once);
        twin.set_at_once(at_once);
        let peers = (0..PEERS).map(|peer| {
            let mut state = Peer {
                id: Rib::LOCAL,
                up: true,
                retained: false,
                opinion: Opinion::Accept,
                refreshing: [false; 2],
                refused: [0; 2],
                router_id: u32::from(peer) + 1,
            };
            state.id = rib.add_source(source(peer, &state));
            assert_eq!(twin.add_source(source(peer, &state)), state.id);
            state
        });
        let peers = peers.collect();
        let followers = FAMILIES.map(|family| [rib.follow(family), twin.follow(family)]);
        Model {
            options,
            rib,
            twin,
            peers,
            held: BTreeMap::new(),
            originated: BTreeSet::new(),
            followers,
            followed: BTreeMap::new(),
            now: Time::ZERO,
        }
    }

    fn both(&mut self, what: impl Fn(&mut Rib)) {
        what(&mut self.rib);
        what(&mut self.twin);
    }

    fn peer(&mut self, peer: u8) -> &mut Peer {
        &mut self.peers[usize::from(peer)]
    }

    fn operate(&mut self, octets: &mut Octets<'_>) {
        let kind = octets.next() % 32;
        let peer = octets.peer();
        match kind {
            0..=8 => self.announce(peer, octets),
            9..=12 => self.withdraw(peer, octets),
            13 => self.session_over(peer, false),
            14 => self.session_over(peer, true),
            15 => {
                let other = octets.next() % 8 == 7;
                self.session_up(peer, other);
            }
            16 => self.refresh_begin(peer, octets.family()),
            17 => self.refresh_end(peer, octets.family()),
            18 => self.stale_end(peer, octets.family()),
            19 => self.long_lived(peer, octets.family()),
            20 => self.family_down(peer, octets.family()),
            21 | 22 => self.another_policy(peer, Opinion::read(octets.next())),
            23 => {
                let family = octets.family();
                let prefix = prefix(family, octets.next());
                let now = self.now;
                if self.originated.insert(prefix) {
                    self.both(|rib| rib.originate(prefix, now));
                } else {
                    self.originated.remove(&prefix);
                    self.both(|rib| rib.withdraw_originated(prefix));
                }
            }
            24..=26 => {
                let limit = usize::from(octets.next() % 16);
                assert_eq!(self.rib.work(limit), self.twin.work(limit));
            }
            27 | 28 => {
                let (family, limit) = (octets.family(), usize::from(octets.next() % 8) + 1);
                self.follow(family, limit);
            }
            29 => {
                let family = octets.family();
                let new = [self.rib.follow(family), self.twin.follow(family)];
                let [first, second] = std::mem::replace(&mut self.followers[place(family)], new);
                self.rib.unfollow(first);
                self.twin.unfollow(second);
                self.followed.retain(|prefix, _| family_of(*prefix) != family);
            }
            30 => {
                self.check_peer(peer, octets.family());
                self.check();
            }
            _ => {
                self.drain();
                self.check();
            }
        }
    }

    fn announce(&mut self, peer: u8, octets: &mut Octets<'_>) {
        let family = octets.family();
        let route = octets.attributes(peer, family);
        let nlri = octets.nlri(peer, family);
        let state = &self.peers[usize::from(peer)];
        if !state.up {
            return;
        }
        let id = state.id;
        for Nlri { prefix, path_id } in &nlri {
            let of_prefix = || {
                let held = self.held.range((peer, *prefix, 0)..=(peer, *prefix, u32::MAX));
                held.filter(|(_, held)| held.kept == Kept::No)
            };
            let known = self.held.get(&(peer, *prefix, *path_id));
            if known.is_none() && of_prefix().count() >= MAX_PATHS_OF_SOURCE {
                self.peers[usize::from(peer)].refused[place(family)] += 1;
                continue;
            }
            let same = known.filter(|held| held.route == route);
            let learned = same.map_or(self.now, |held| held.learned);
            let held = Held { route: route.clone(), learned, unseen: false, kept: Kept::No };
            self.held.insert((peer, *prefix, *path_id), held);
        }
        let mut frame = BytesMut::new();
        let (decode, encode) = contexts(peer);
        let Ok(1) = pack_announcements(family, &route.attributes, route.next_hop, nlri.clone(), &encode, &mut frame)
        else {
            panic!("one message");
        };
        let RouteAttributes { attributes, next_hop } = route;
        let announced = Some(Announcement { nlri, attributes, next_hop });
        self.rib.handle_routes(id, &RouteUpdate { family, withdrawn: Vec::new(), announced }, self.now);
        self.read_in_place(id, &frame, &decode);
    }

    fn withdraw(&mut self, peer: u8, octets: &mut Octets<'_>) {
        let family = octets.family();
        let withdrawn = octets.nlri(peer, family);
        let state = &self.peers[usize::from(peer)];
        if !state.up {
            return;
        }
        let id = state.id;
        for Nlri { prefix, path_id } in &withdrawn {
            self.held.remove(&(peer, *prefix, *path_id));
        }
        let mut frame = BytesMut::new();
        let (decode, encode) = contexts(peer);
        assert_eq!(pack_withdrawals(family, withdrawn.clone(), &encode, &mut frame), 1);
        self.rib.handle_routes(id, &RouteUpdate { family, withdrawn, announced: None }, self.now);
        self.read_in_place(id, &frame, &decode);
    }

    fn read_in_place(&mut self, id: SourceId, frame: &[u8], context: &DecodeContext) {
        assert_eq!(frame_length(frame, context.message_limit), Ok(Some(frame.len())));
        assert!(self.twin.handle_update(id, frame, context, self.now), "an ordinary message");
    }

    /// All of a peer's routes of one family, or of both.
    fn change_held(&mut self, peer: u8, family: Option<Family>, mut keep: impl FnMut(&mut Held) -> bool) {
        self.held.retain(|(of, prefix, _), held| {
            *of != peer || family.is_some_and(|family| family_of(*prefix) != family) || keep(held)
        });
    }

    fn session_over(&mut self, peer: u8, keeps: bool) {
        let Peer { id, up, retained, refreshing, .. } = self.peer(peer);
        let (id, was_up, was_retained) = (*id, *up, *retained);
        (*up, *retained, *refreshing) = (false, was_up && keeps, [false; 2]);
        if was_up && keeps {
            self.change_held(peer, None, |held| {
                let stays = held.kept == Kept::No;
                (held.kept, held.unseen) = (Kept::Stale, false);
                stays
            });
            FAMILIES.into_iter().for_each(|family| self.both(|rib| rib.handle_stale_begin(id, family)));
        } else if was_up || was_retained {
            self.change_held(peer, None, |_| false);
            self.both(|rib| rib.remove_source(id));
        }
    }

    fn session_up(&mut self, peer: u8, other: bool) {
        if self.peer(peer).up {
            return;
        }
        self.peer(peer).router_id += if other { 16 } else { 0 };
        let Peer { id, retained, .. } = *self.peer(peer);
        let source = source(peer, self.peer(peer));
        if retained {
            let same = self.rib.resume_source(id, source.clone());
            assert_eq!(self.twin.resume_source(id, source.clone()), same);
            assert_eq!(same, !other);
            if same {
                let state = self.peer(peer);
                (state.up, state.retained, state.refused) = (true, false, [0; 2]);
                return;
            }
            self.change_held(peer, None, |_| false);
            self.both(|rib| rib.remove_source(id));
        }
        let id = self.rib.add_source(source.clone());
        assert_eq!(self.twin.add_source(source), id);
        let state = self.peer(peer);
        (state.id, state.up, state.retained, state.refused) = (id, true, false, [0; 2]);
    }

    fn refresh_begin(&mut self, peer: u8, family: Family) {
        let Peer { id, up: true, .. } = *self.peer(peer) else { return };
        self.peer(peer).refreshing[place(family)] = true;
        self.change_held(peer, Some(family), |held| {
            held.unseen = true;
            true
        });
        self.both(|rib| rib.handle_refresh_begin(id, family));
    }

    fn refresh_end(&mut self, peer: u8, family: Family) {
        let Peer { id, up: true, .. } = *self.peer(peer) else { return };
        if std::mem::take(&mut self.peer(peer).refreshing[place(family)]) {
            self.change_held(peer, Some(family), |held| !held.unseen);
        }
        self.both(|rib| rib.handle_refresh_end(id, family));
    }

    fn stale_end(&mut self, peer: u8, family: Family) {
        let Peer { id, up: true, .. } = *self.peer(peer) else { return };
        self.change_held(peer, Some(family), |held| held.kept == Kept::No);
        self.both(|rib| rib.handle_stale_end(id, family));
    }

    fn long_lived(&mut self, peer: u8, family: Family) {
        let Peer { id, retained: true, .. } = *self.peer(peer) else { return };
        let mut unwanted = false;
        self.change_held(peer, Some(family), |held| {
            held.kept = held.kept.max(if held.kept == Kept::Stale { Kept::LongLived } else { Kept::No });
            let stays = !held.route.attributes.communities.contains(&Community::NO_LLGR);
            unwanted |= !stays;
            stays
        });
        self.both(|rib| rib.handle_long_lived(id, family));
        if unwanted {
            // Those that go have no mark of their own: they count until they are looked at.
            self.drain();
        }
    }

    fn family_down(&mut self, peer: u8, family: Family) {
        let Peer { id, up: true, .. } = *self.peer(peer) else { return };
        self.peer(peer).refreshing[place(family)] = false;
        self.change_held(peer, Some(family), |_| false);
        self.both(|rib| rib.handle_family_down(id, family));
    }

    fn another_policy(&mut self, peer: u8, opinion: Opinion) {
        self.peer(peer).opinion = opinion;
        let Peer { id, up, retained, .. } = *self.peer(peer);
        if up || retained {
            self.both(|rib| rib.handle_import_policy(id, opinion.policy()));
        }
    }

    fn drain(&mut self) {
        while self.rib.work(5) {}
        while self.twin.work(5) {}
        assert!(!self.rib.has_work() && !self.twin.has_work());
    }

    fn follow(&mut self, family: Family, limit: usize) -> bool {
        let [first, second] = &mut self.followers[place(family)];
        let changes = self.rib.changes(first, limit);
        assert_eq!(changes, self.twin.changes(second, limit), "decoded and in place");
        let any = !changes.is_empty();
        for change in changes {
            match change.best {
                Some(route) => {
                    self.followed.insert(change.prefix, route);
                }
                None => assert!(self.followed.remove(&change.prefix).is_some(), "withdrawn and never told"),
            }
        }
        any
    }

    /// After import; `None`: it takes no part.
    fn effective(&self, peer: u8, prefix: Prefix, held: &Held) -> Option<Arc<PathAttributes>> {
        let received = &held.route.attributes;
        let (opinion, external) = (self.peers[usize::from(peer)].opinion, is_external(peer));
        let passes = match opinion {
            Opinion::Unset => !external,
            Opinion::Accept => true,
            Opinion::Reject => false,
            Opinion::Prefer => FAMILIES.iter().all(|family| self::prefix(*family, REFUSED) != prefix),
        };
        if !passes || received.as_path.contains(Asn(OURS)) {
            return None;
        }
        let has = |community| received.communities.contains(&community);
        let leaves = external && has(Community::GRACEFUL_SHUTDOWN);
        let marked = held.kept == Kept::LongLived && !has(Community::LLGR_STALE);
        let prefers = opinion == Opinion::Prefer;
        // Most are as they came, and share what they have.
        let mut attributes = Arc::clone(received);
        if leaves || prefers {
            Arc::make_mut(&mut attributes).local_pref = Some(if prefers { PREFERRED } else { 0 });
        }
        if marked {
            Arc::make_mut(&mut attributes).communities.push(Community::LLGR_STALE);
        }
        Some(attributes)
    }

    /// The best of all routes to a prefix: whose, which, and with which attributes.
    fn best(&self, prefix: Prefix) -> Option<(Option<u8>, u32, Option<Arc<PathAttributes>>)> {
        let (mut candidates, mut owners) = (Vec::new(), Vec::new());
        if self.originated.contains(&prefix) {
            candidates.push(Candidate {
                rank: AttributeRank {
                    long_lived_stale: false,
                    local_pref: DEFAULT_LOCAL_PREF,
                    as_path_length: 0,
                    origin: 0,
                    neighbor_as: None,
                    med: None,
                    originator_id: None,
                    cluster_list_length: 0,
                },
                kind: SourceKind::Local,
                igp_metric: 0,
                learned: Time::ZERO,
                router_id: Ipv4Addr::from_bits(OUR_ROUTER_ID),
                peer_address: None,
                path_id: 0,
                peer_index: u32::MAX,
            });
            owners.push((None, 0, None));
        }
        for peer in 0..PEERS {
            for ((_, _, path_id), held) in self.held.range((peer, prefix, 0)..=(peer, prefix, u32::MAX)) {
                let Some(attributes) = self.effective(peer, prefix, held) else { continue };
                candidates.push(Candidate {
                    rank: AttributeRank {
                        long_lived_stale: attributes.communities.contains(&Community::LLGR_STALE),
                        local_pref: attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
                        as_path_length: attributes.as_path.length() as u32,
                        origin: attributes.origin as u8,
                        neighbor_as: attributes.as_path.neighbor().map(|asn| asn.0),
                        med: attributes.med,
                        originator_id: None,
                        cluster_list_length: 0,
                    },
                    kind: if is_external(peer) { SourceKind::External } else { SourceKind::Internal },
                    igp_metric: 0,
                    learned: held.learned,
                    router_id: Ipv4Addr::from_bits(self.peers[usize::from(peer)].router_id),
                    peer_address: Some(address(peer)),
                    path_id: *path_id,
                    peer_index: peer.into(),
                });
                owners.push((Some(peer), *path_id, Some(attributes)));
            }
        }
        decision::choose(&candidates, &self.options).map(|index| owners.swap_remove(index))
    }

    /// What holds at any time, and what holds when nothing is left to do.
    fn check(&self) {
        for (number, peer) in (0u8..).zip(&self.peers) {
            if peer.up || peer.retained {
                FAMILIES.into_iter().for_each(|family| self.check_counts(number, family));
                assert_eq!(self.rib.left_out(peer.id), self.twin.left_out(peer.id));
                assert_eq!(self.rib.attribute_octets(peer.id), self.twin.attribute_octets(peer.id));
            }
        }
        for family in FAMILIES {
            for prefix in prefixes(family) {
                let why = self.rib.why(prefix);
                assert_eq!(why, self.twin.why(prefix), "decoded and in place");
                let of_all = why.into_iter().find(|row| row.verdict == Verdict::Best);
                assert_eq!(self.rib.best(prefix), of_all.map(|row| row.route), "{prefix}");
            }
            if !self.rib.has_work() {
                self.check_table(family);
            }
        }
    }

    fn held_by(&self, peer: u8, family: Family) -> impl Iterator<Item = (&(u8, Prefix, u32), &Held)> {
        self.held.iter().filter(move |((of, prefix, _), _)| *of == peer && family_of(*prefix) == family)
    }

    fn check_counts(&self, peer: u8, family: Family) {
        let state = &self.peers[usize::from(peer)];
        let stale = self.held_by(peer, family).filter(|(_, held)| held.kept != Kept::No).count();
        for rib in [&self.rib, &self.twin] {
            assert_eq!(rib.stale_count(state.id, family), stale as u64);
            let received = rib.source_counts(state.id, family).received;
            assert_eq!(received, self.held_by(peer, family).count() as u64);
            assert_eq!(rib.paths_refused(state.id, family), state.refused[place(family)]);
        }
    }

    /// The Adj-RIB-In, at any time.
    fn check_peer(&self, peer: u8, family: Family) {
        let state = &self.peers[usize::from(peer)];
        if !state.up && !state.retained {
            assert_eq!(self.held_by(peer, family).count(), 0);
            return;
        }
        let held = self.held_by(peer, family);
        let wanted: Vec<_> =
            held.map(|((_, prefix, path_id), held)| (*prefix, *path_id, held.learned, held.route.clone())).collect();
        for rib in [&self.rib, &self.twin] {
            let routes = rib.adj_rib_in(state.id, family, None, whole(rib, family)).routes.into_iter();
            let got: Vec<_> =
                routes.map(|route| (route.prefix, route.path_id, route.learned, (*route.attributes).clone())).collect();
            assert_eq!(got, wanted, "what {peer} has sent");
        }
    }

    fn check_table(&self, family: Family) {
        // Few, and most of them the same one again: looked through, not hashed.
        let mut sets: Vec<RouteAttributes> = Vec::new();
        let mut add = |set: RouteAttributes| {
            if !sets.contains(&set) {
                sets.push(set);
            }
        };
        let mut best_count = 0;
        for prefix in prefixes(family) {
            let best = self.best(prefix);
            best_count += usize::from(best.is_some());
            let got = self.rib.best(prefix).map(|route| {
                let peer = route.peer_address.map(|got| (0..PEERS).find(|peer| address(*peer) == got).unwrap());
                let attributes = peer.map(|_| Arc::clone(&route.attributes.attributes));
                (peer, route.path_id, attributes)
            });
            assert_eq!(got, best, "{prefix}");
        }
        for (number, peer) in (0u8..).zip(&self.peers) {
            let mut accepted = 0;
            for ((_, prefix, _), held) in self.held_by(number, family) {
                add(held.route.clone());
                if let Some(attributes) = self.effective(number, *prefix, held) {
                    accepted += 1;
                    add(RouteAttributes { attributes, ..held.route.clone() });
                } else if held.kept == Kept::LongLived {
                    let mut marked = PathAttributes::clone(&held.route.attributes);
                    if !marked.communities.contains(&Community::LLGR_STALE) {
                        marked.communities.push(Community::LLGR_STALE);
                    }
                    add(RouteAttributes { attributes: Arc::new(marked), ..held.route.clone() });
                }
            }
            if peer.up || peer.retained {
                assert_eq!(self.rib.source_counts(peer.id, family).accepted, accepted);
            } else {
                // Its number may be another one's by now.
                let source = self.rib.source(peer.id).and_then(|source| source.address);
                assert_ne!(source, Some(address(number)), "nothing is left of it");
            }
        }
        let originated = self.originated.iter().filter(|prefix| family_of(**prefix) == family).count();
        let held = self.held.keys().filter(|(_, prefix, _)| family_of(*prefix) == family).count();
        let counts = self.rib.counts(family);
        assert_eq!((counts.paths, counts.best), (held + originated, best_count));
        assert_eq!(counts.attribute_sets, sets.len() + usize::from(originated > 0), "no set is left behind");
        let twin = self.twin.counts(family);
        assert_eq!((twin.paths, twin.best, twin.attribute_sets), (counts.paths, counts.best, counts.attribute_sets));
    }

    fn finish(mut self) {
        self.drain();
        self.check();
        for family in FAMILIES {
            (0..PEERS).for_each(|peer| self.check_peer(peer, family));
            while self.follow(family, 3) {}
            let table = self.rib.loc_rib(family, None, whole(&self.rib, family)).routes;
            let table: BTreeMap<_, _> = table.iter().map(|route| (route.prefix, &route.attributes)).collect();
            let followed = self.followed.iter().filter(|(prefix, _)| family_of(**prefix) == family);
            assert_eq!(followed.map(|(prefix, route)| (*prefix, &route.attributes)).collect::<BTreeMap<_, _>>(), table);
        }
        for peer in 0..PEERS {
            self.session_over(peer, false);
        }
        for prefix in std::mem::take(&mut self.originated) {
            self.both(|rib| rib.withdraw_originated(prefix));
        }
        self.drain();
        for family in FAMILIES {
            while self.follow(family, 3) {}
            assert_eq!((self.rib.counts(family), self.twin.counts(family)), Default::default(), "all is gone");
        }
        assert!(self.followed.is_empty());
    }
}

/// The length of a page that has everything and does not look for more behind it.
fn whole(rib: &Rib, family: Family) -> usize {
    rib.counts(family).prefixes
}

fn contexts(peer: u8) -> (DecodeContext, EncodeContext) {
    let add_path: BTreeSet<Family> = if has_add_path(peer) { FAMILIES.into() } else { BTreeSet::new() };
    let peer_kind = if is_external(peer) { PeerKind::External } else { PeerKind::Internal };
    (
        DecodeContext { peer_kind, add_path: add_path.clone(), ..DecodeContext::default() },
        EncodeContext { add_path, ..EncodeContext::default() },
    )
}
