//! What is in the file, and how it becomes messages of a session.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bgp::mrt::{Bgp4mpMessage, Body, Peer, Record, Records, RibNlri, attributes};
use bgp::session::Negotiated;
use bgp::wire::{
    Asn, Family, Message, MessageType, MpNextHop, MpNlri, NextHop, Nlri, PathAttributes, PeerKind, RouterId, Update,
    pack_announcements, pack_end_of_rib, pack_withdrawals,
};
use bytes::{Bytes, BytesMut};
use net::Prefix;

/// Octets read at once.
const READ_SIZE: usize = 256 * 1024;
/// What gzip and bzip2 start their files with.
const PACKED: [(&[u8], &str); 2] = [(&[0x1f, 0x8b], "zcat"), (b"BZh", "bzcat")];
/// Routes of a table that are sorted by attributes before they are sent: a message then holds many of them. Some 10 MB.
const SORTED: usize = 65_536;
/// LOCAL_PREF of routes that had none, toward an internal neighbour, which needs one (RFC 4271 §5.1.5).
const LOCAL_PREF: u32 = 100;
/// Octets of messages that are handed over at once.
const PIECE: usize = 64 * 1024;

/// Who is heard in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// Its number in the table of peers.
    pub(super) index: Option<u16>,
    pub(super) address: IpAddr,
    pub(super) asn: Asn,
    pub(super) router_id: Option<RouterId>,
    pub(super) routes: u64,
    pub(super) messages: u64,
    /// Its routes have path identifiers (RFC 8050).
    pub(super) add_path: bool,
}

/// Everybody who is heard.
#[derive(Default, Debug)]
pub(super) struct Survey {
    pub(super) origins: Vec<Origin>,
}

/// Whose records count.
pub(super) struct Choice {
    index: Option<u16>,
    address: IpAddr,
    asn: Asn,
}

impl Choice {
    pub(super) fn of(origin: &Origin) -> Choice {
        Choice { index: origin.index, address: origin.address, asn: origin.asn }
    }
}

/// A part of the file that is to be said.
pub(super) enum Item<'r> {
    /// A route of a table.
    Route { nlri: Nlri, attributes: &'r Bytes, four_octet_as: bool },
    /// A message.
    Message { message: &'r Bgp4mpMessage },
}

/// Reads a file record by record, in the memory of one.
fn records(file: &Path, mut each: impl FnMut(&Record) -> Result<(), String>) -> Result<(), String> {
    let name = file.display();
    let mut input = File::open(file).map_err(|error| format!("{name}: {error}"))?;
    let mut records = Records::default();
    let mut buffer = vec![0; READ_SIZE];
    let mut first = true;
    loop {
        let count = input.read(&mut buffer).map_err(|error| format!("{name}: {error}"))?;
        let octets = buffer.get(..count).unwrap_or_default();
        if first && let Some((_, program)) = PACKED.iter().find(|(start, _)| octets.starts_with(start)) {
            return Err(format!("{name}: the file is packed: {program} {name} > plain.mrt first"));
        }
        first = false;
        records.push(octets);
        for record in records.by_ref() {
            each(&record.map_err(|error| format!("{name}: {error}"))?)?;
        }
        if count == 0 {
            break;
        }
    }
    records.finish().map_err(|error| format!("{name}: {error}"))
}

/// Who is in the file, and with how much.
pub(super) fn survey(file: &Path) -> Result<Survey, String> {
    let mut survey = Survey::default();
    let mut places: HashMap<(IpAddr, Asn), usize> = HashMap::new();
    let mut by_index: Vec<usize> = Vec::new();
    records(file, |record| {
        let mut place = |address: IpAddr, asn: Asn, index: Option<u16>, router_id: Option<RouterId>| {
            let origins = &mut survey.origins;
            *places.entry((address, asn)).or_insert_with(|| {
                origins.push(Origin { index, address, asn, router_id, routes: 0, messages: 0, add_path: false });
                origins.len() - 1
            })
        };
        match &record.body {
            Body::PeerIndexTable(table) => {
                let peers = table.peers.iter().zip(0u16..);
                by_index = peers
                    .map(|(Peer { address, asn, router_id, .. }, index)| {
                        place(*address, *asn, Some(index), Some(*router_id))
                    })
                    .collect();
            }
            Body::Rib(rib) if matches!(rib.nlri, RibNlri::Unicast(_)) => {
                for entry in &rib.entries {
                    let at = by_index.get(usize::from(entry.peer));
                    if let Some(origin) = at.and_then(|at| survey.origins.get_mut(*at)) {
                        origin.routes += 1;
                        origin.add_path |= rib.add_path;
                    }
                }
            }
            Body::TableDump(dump) => {
                let at = place(dump.peer, dump.peer_asn(), None, None);
                if let Some(origin) = survey.origins.get_mut(at) {
                    origin.routes += 1;
                }
            }
            Body::Message(message) if !message.sent && is_update(message) => {
                let at = place(message.ends.peer, message.ends.peer_asn, None, None);
                if let Some(origin) = survey.origins.get_mut(at) {
                    origin.messages += 1;
                    origin.add_path |= message.add_path;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(survey)
}

fn is_update(message: &Bgp4mpMessage) -> bool {
    message.octets.get(18) == Some(&MessageType::UPDATE.0)
}

/// Gives `each` what is of the chosen peer, with its recorded time.
pub(super) fn read(
    file: &Path,
    choice: &Choice,
    mut each: impl FnMut(Duration, Item<'_>) -> Result<(), String>,
) -> Result<(), String> {
    // As long as the file has had no table of peers.
    let mut own_index = choice.index;
    records(file, |record| {
        let microseconds = record.time.microseconds.unwrap_or(0);
        let at = Duration::from_secs(record.time.seconds.into()) + Duration::from_micros(microseconds.into());
        match &record.body {
            // A file may have several tables.
            Body::PeerIndexTable(table) => {
                let is_chosen = |peer: &Peer| (peer.address, peer.asn) == (choice.address, choice.asn);
                let index = table.peers.iter().zip(0u16..).find(|(peer, _)| is_chosen(peer));
                // Of the tables behind this one: each may have its peers in another order.
                own_index = index.map(|(_, index)| index);
                Ok(())
            }
            Body::Rib(rib) => {
                let RibNlri::Unicast(prefix) = rib.nlri else { return Ok(()) };
                for entry in rib.entries.iter().filter(|entry| Some(entry.peer) == own_index) {
                    let nlri = Nlri { path_id: entry.path_id, prefix };
                    each(at, Item::Route { nlri, attributes: &entry.attributes, four_octet_as: true })?;
                }
                Ok(())
            }
            Body::TableDump(dump) if dump.peer == choice.address => {
                let nlri = Nlri::new(dump.prefix);
                each(at, Item::Route { nlri, attributes: &dump.attributes, four_octet_as: false })
            }
            Body::Message(message) if !message.sent && message.ends.peer == choice.address && is_update(message) => {
                each(at, Item::Message { message })
            }
            _ => Ok(()),
        }
    })
}

/// Makes messages for a session.
pub(super) struct Sender {
    negotiated: Arc<Negotiated>,
    next_hops: Vec<IpAddr>,
    /// Routes of a table by attributes, in the order in which the attributes came.
    sorted: Vec<Group>,
    by_attributes: HashMap<(Bytes, bool), usize>,
    waiting: usize,
    out: BytesMut,
    table: bool,
    /// The last prefix of a table that was said on a session without path identifiers.
    single: Option<Prefix>,
    pub(super) announced: u64,
    pub(super) withdrawn: u64,
    pub(super) messages: u64,
    pub(super) left_out: u64,
}

/// Routes with the same attributes.
struct Group {
    path: Arc<PathAttributes>,
    next_hop: NextHop,
    family: Family,
    nlri: Vec<Nlri>,
}

impl Sender {
    pub(super) fn new(negotiated: &Arc<Negotiated>, next_hops: &[IpAddr]) -> Sender {
        Sender {
            negotiated: Arc::clone(negotiated),
            next_hops: next_hops.to_vec(),
            sorted: Vec::new(),
            by_attributes: HashMap::new(),
            waiting: 0,
            out: BytesMut::new(),
            table: false,
            single: None,
            announced: 0,
            withdrawn: 0,
            messages: 0,
            left_out: 0,
        }
    }

    /// Takes one more; messages come out when there are enough.
    pub(super) fn take(&mut self, item: Item<'_>) -> Option<Bytes> {
        match item {
            Item::Route { nlri, attributes, four_octet_as } => self.route(nlri, attributes, four_octet_as),
            Item::Message { message } => {
                // No message overtakes the table in front of it.
                self.pack();
                self.message(message);
            }
        }
        if self.waiting >= SORTED || self.out.len() >= PIECE { Some(self.flush()) } else { None }
    }

    /// What is there, as messages.
    pub(super) fn flush(&mut self) -> Bytes {
        self.pack();
        self.out.split().freeze()
    }

    /// Routes of a table that were sorted, as messages.
    fn pack(&mut self) {
        self.by_attributes.clear();
        self.waiting = 0;
        for group in std::mem::take(&mut self.sorted) {
            let count = group.nlri.len() as u64;
            let Group { path, next_hop, family, nlri } = group;
            match pack_announcements(family, &path, next_hop, nlri, &self.negotiated.encode, &mut self.out) {
                Ok(messages) => {
                    self.messages += messages as u64;
                    self.announced += count;
                }
                Err(_) => self.left_out += count,
            }
        }
    }

    /// The rest; after a table also that it was all.
    pub(super) fn finish(&mut self) -> Bytes {
        let mut rest = BytesMut::from(self.flush().as_ref());
        if self.table {
            for family in &self.negotiated.families {
                pack_end_of_rib(*family, &mut rest);
            }
        }
        rest.freeze()
    }

    fn route(&mut self, nlri: Nlri, octets: &Bytes, four_octet_as: bool) {
        self.table = true;
        let prefix = nlri.prefix;
        let family = if prefix.addr().is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
        if !self.negotiated.families.contains(&family) {
            self.left_out += 1;
            return;
        }
        let mut nlri = nlri;
        if !self.negotiated.encode.add_path.contains(&family) {
            // Each further path would take the place of the one before: the first one stays.
            if self.single.replace(prefix) == Some(prefix) {
                self.left_out += 1;
                return;
            }
            nlri.path_id = 0;
        }
        self.waiting += 1;
        let key = (octets.clone(), family == Family::IPV4_UNICAST);
        if let Some(group) = self.by_attributes.get(&key).and_then(|at| self.sorted.get_mut(*at)) {
            group.nlri.push(nlri);
            return;
        }
        let read = attributes(octets, four_octet_as).ok().and_then(|route| Some((route.path?, route.next_hop?)));
        let Some((path, next_hop)) = read else {
            self.left_out += 1;
            return;
        };
        let next_hop = self.next_hop(next_hop);
        self.by_attributes.insert(key, self.sorted.len());
        self.sorted.push(Group { path: self.suited(path), next_hop, family, nlri: vec![nlri] });
    }

    fn message(&mut self, message: &Bgp4mpMessage) {
        let Ok(decoded) = Message::decode(&message.octets, &message.context()) else {
            self.left_out += 1;
            return;
        };
        let Message::Update(mut update) = decoded.message else { return };
        let (announced, withdrawn) = (update.nlri.len(), update.withdrawn.len());
        self.adapt(&mut update);
        let mp = |nlri: Option<&MpNlri>| match nlri {
            Some(MpNlri::Unicast(nlri)) => nlri.len(),
            _ => 0,
        };
        let announced = announced + mp(update.mp_reach.as_ref().map(|reach| &reach.nlri));
        let withdrawn = withdrawn + mp(update.mp_unreach.as_ref().map(|unreach| &unreach.nlri));
        let families = [update.mp_reach.as_ref().map(|it| it.family), update.mp_unreach.as_ref().map(|it| it.family)];
        let classic = !update.nlri.is_empty() || !update.withdrawn.is_empty();
        let families = families.into_iter().flatten().chain(classic.then_some(Family::IPV4_UNICAST));
        if families.into_iter().any(|family| !self.negotiated.families.contains(&family)) {
            self.left_out += 1;
            return;
        }
        let message = Message::Update(update);
        let messages = match message.encode(&self.negotiated.encode, &mut self.out) {
            Ok(()) => Some(1),
            // Longer than the router takes: its routes in several.
            Err(_) => self.in_several(message),
        };
        match messages {
            Some(messages) => {
                self.messages += messages as u64;
                self.announced += announced as u64;
                self.withdrawn += withdrawn as u64;
            }
            None => self.left_out += 1,
        }
    }

    /// How many messages it takes; `None`: the attributes alone are too long, and nothing of it is said.
    fn in_several(&mut self, message: Message) -> Option<usize> {
        let Message::Update(update) = message else { return None };
        let routes = |nlri: MpNlri| match nlri {
            MpNlri::Unicast(nlri) => nlri,
            MpNlri::Raw(_) => Vec::new(),
        };
        let mut gone = vec![(Family::IPV4_UNICAST, update.withdrawn)];
        gone.extend(update.mp_unreach.map(|unreach| (unreach.family, routes(unreach.nlri))));
        let classic = update.attributes.as_ref().and_then(|path| path.next_hop).map(NextHop::V4);
        let mut come = vec![(Family::IPV4_UNICAST, classic, update.nlri)];
        come.extend(update.mp_reach.map(|reach| match reach.next_hop {
            MpNextHop::Address(next_hop) => (reach.family, Some(next_hop), routes(reach.nlri)),
            MpNextHop::Raw(_) => (reach.family, None, routes(reach.nlri)),
        }));
        let (encode, mut out, mut messages) = (&self.negotiated.encode, BytesMut::new(), 0);
        for (family, nlri) in gone.into_iter().filter(|(_, nlri)| !nlri.is_empty()) {
            messages += pack_withdrawals(family, nlri, encode, &mut out);
        }
        for (family, next_hop, nlri) in come.into_iter().filter(|(_, _, nlri)| !nlri.is_empty()) {
            messages +=
                pack_announcements(family, update.attributes.as_ref()?, next_hop?, nlri, encode, &mut out).ok()?;
        }
        self.out.extend_from_slice(&out);
        Some(messages)
    }

    /// Next hops as asked for, and LOCAL_PREF where it has to be.
    fn adapt(&self, update: &mut Update) {
        if let Some(path) = update.attributes.take() {
            let classic = path.next_hop.map(|next_hop| self.v4(next_hop));
            let path = self.suited(path);
            update.attributes = Some(if path.next_hop == classic {
                path
            } else {
                Arc::new(PathAttributes { next_hop: classic, ..(*path).clone() })
            });
        }
        if let Some(reach) = &mut update.mp_reach
            && let MpNextHop::Address(next_hop) = &mut reach.next_hop
        {
            *next_hop = self.next_hop(*next_hop);
        }
    }

    fn suited(&self, path: Arc<PathAttributes>) -> Arc<PathAttributes> {
        if self.negotiated.peer_kind == PeerKind::Internal && path.local_pref.is_none() {
            return Arc::new(PathAttributes { local_pref: Some(LOCAL_PREF), ..(*path).clone() });
        }
        path
    }

    fn v4(&self, as_it_was: Ipv4Addr) -> Ipv4Addr {
        let given = self.next_hops.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        given.unwrap_or(as_it_was)
    }

    fn next_hop(&self, as_it_was: NextHop) -> NextHop {
        match as_it_was {
            NextHop::V4(address) => NextHop::V4(self.v4(address)),
            NextHop::V6 { .. } => {
                let given = self.next_hops.iter().find_map(|address| match address {
                    IpAddr::V6(address) => Some(NextHop::V6 { address: *address, link_local: None }),
                    IpAddr::V4(_) => None,
                });
                given.unwrap_or(as_it_was)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bgp::mrt::{Ends, PeerIndexTable, Rib, RibEntry, Timestamp, encode_attributes};
    use bgp::session::SessionConfig;
    use bgp::wire::{
        AddPathFamily, AddPathMode, AsPath, DecodeContext, EncodeContext, Open, Origin as OriginCode, Update,
    };
    use std::collections::BTreeSet;

    const AT: Timestamp = Timestamp { seconds: 1_700_000_000, microseconds: None };

    /// A file in a place of its own, gone with the value.
    struct Made(std::path::PathBuf);

    impl Made {
        fn new(name: &str, records: &[Body]) -> Made {
            let mut out = BytesMut::new();
            for body in records {
                Record { time: AT, body: body.clone() }.encode(&mut out).unwrap();
            }
            let path = std::env::temp_dir().join(format!("trunkline-replay-{name}-{}", std::process::id()));
            std::fs::write(&path, &out).unwrap();
            Made(path)
        }
    }

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn path(asns: &[u32]) -> PathAttributes {
        PathAttributes::new(OriginCode::Igp, AsPath::sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>()))
    }

    fn table() -> Vec<Body> {
        let peer = |last: u8, asn| Peer {
            router_id: RouterId(Ipv4Addr::new(10, 0, 0, last)),
            address: address(last),
            asn: Asn(asn),
            four_octet_as: true,
            reserved: 0,
        };
        let peers = vec![peer(1, 65_001), peer(2, 65_002)];
        let entry = |peer, asns: &[u32]| RibEntry {
            peer,
            originated: 0,
            path_id: 0,
            attributes: encode_attributes(&path(asns), NextHop::V4(Ipv4Addr::new(192, 0, 2, 9))).unwrap(),
        };
        let rib = |prefix: &str, entries| {
            Body::Rib(Rib { sequence: 0, nlri: RibNlri::Unicast(prefix.parse().unwrap()), add_path: false, entries })
        };
        vec![
            Body::PeerIndexTable(PeerIndexTable {
                collector: RouterId(Ipv4Addr::LOCALHOST),
                view: Bytes::new(),
                peers,
            }),
            rib("198.51.100.0/24", vec![entry(0, &[65_001]), entry(1, &[65_002, 64_999])]),
            rib("198.51.101.0/24", vec![entry(1, &[65_002, 64_999])]),
            rib("198.51.102.0/24", vec![entry(1, &[65_002, 64_998])]),
        ]
    }

    fn negotiated(asn: u32) -> Arc<Negotiated> {
        negotiated_with(asn, false)
    }

    /// `add_path`: both sides have several paths of a prefix.
    fn negotiated_with(asn: u32, add_path: bool) -> Arc<Negotiated> {
        let mut config =
            SessionConfig { peer_asn: None, ..SessionConfig::new(Asn(asn), RouterId(Ipv4Addr::LOCALHOST), Asn(asn)) };
        let mut capabilities = vec![
            bgp::wire::Capability::Multiprotocol { family: Family::IPV4_UNICAST },
            bgp::wire::Capability::FourOctetAs { asn: Asn(65_000) },
        ];
        if add_path {
            config.families = super::super::families(true);
            let row = AddPathFamily { family: Family::IPV4_UNICAST, send_receive: AddPathMode::RECEIVE };
            capabilities.push(bgp::wire::Capability::AddPath { families: vec![row] });
        }
        let open = Open::new(Asn(65_000), 90, RouterId(Ipv4Addr::new(10, 9, 9, 9)), capabilities);
        Arc::new(Negotiated::new(&config, open).unwrap())
    }

    /// UPDATEs: prefixes with their path's length and next hop.
    fn updates(octets: &[u8]) -> Vec<Update> {
        updates_in(octets, &DecodeContext::default())
    }

    fn updates_in(octets: &[u8], context: &DecodeContext) -> Vec<Update> {
        let mut rest = octets;
        let mut updates = Vec::new();
        while let Ok(Some(length)) = bgp::wire::frame_length(rest, 65_535) {
            let (frame, tail) = rest.split_at(length);
            rest = tail;
            match Message::decode(frame, context).unwrap().message {
                Message::Update(update) => updates.push(update),
                other => panic!("{other:?}"),
            }
        }
        updates
    }

    #[test]
    fn a_table_is_counted_by_peer_and_one_peers_routes_come_out_packed() {
        let made = Made::new("table", &table());
        let survey = survey(&made.0).unwrap();
        let counts: Vec<_> =
            survey.origins.iter().map(|origin| (origin.index, origin.address, origin.routes)).collect();
        assert_eq!(counts, [(Some(0), address(1), 1), (Some(1), address(2), 3)]);
        let next_hop = Ipv4Addr::new(192, 0, 2, 77);
        let mut sender = Sender::new(&negotiated(65_002), &[IpAddr::V4(next_hop)]);
        read(&made.0, &Choice::of(&survey.origins[1]), |_, item| {
            assert!(sender.take(item).is_none());
            Ok(())
        })
        .unwrap();
        let updates = updates(&sender.finish());
        // Two attribute sets, and the end of the family that was agreed on.
        assert_eq!(updates.len(), 3);
        assert_eq!(updates[0].nlri.len(), 2);
        assert_eq!(updates[0].attributes.as_ref().unwrap().next_hop, Some(next_hop));
        assert_eq!(updates[1].nlri.len(), 1);
        assert_eq!(updates[2].end_of_rib(), Some(Family::IPV4_UNICAST));
        assert_eq!((sender.announced, sender.messages, sender.left_out), (3, 2, 0));
    }

    /// Two paths of one prefix, in a record with path identifiers, and a message that announces a third.
    fn several_paths() -> Vec<Body> {
        let mut bodies = table();
        if let Some(Body::Rib(rib)) = bodies.get_mut(1) {
            rib.add_path = true;
            for (entry, path_id) in rib.entries.iter_mut().zip([11, 12]) {
                (entry.peer, entry.path_id) = (0, path_id);
            }
        }
        let update = Update {
            attributes: Some(Arc::new(PathAttributes {
                next_hop: Some(Ipv4Addr::new(192, 0, 2, 9)),
                ..path(&[65_001, 7])
            })),
            nlri: vec![Nlri { path_id: 13, prefix: "198.51.100.0/24".parse().unwrap() }],
            ..Update::default()
        };
        let mut octets = BytesMut::new();
        let context = EncodeContext { add_path: BTreeSet::from([Family::IPV4_UNICAST]), ..EncodeContext::default() };
        Message::Update(update).encode(&context, &mut octets).unwrap();
        let ends = Ends {
            peer_asn: Asn(65_001),
            local_asn: Asn(65_000),
            interface: 0,
            peer: address(1),
            local: address(100),
            four_octet_as: true,
        };
        bodies.push(Body::Message(Bgp4mpMessage { ends, sent: false, add_path: true, octets: octets.freeze() }));
        bodies
    }

    #[test]
    fn path_identifiers_go_where_the_session_has_them_and_elsewhere_the_first_path_stands() {
        let made = Made::new("paths", &several_paths());
        let survey = survey(&made.0).unwrap();
        let of = survey.origins.iter().find(|origin| origin.address == address(1)).unwrap();
        assert_eq!((of.routes, of.messages, of.add_path), (2, 1, true));
        assert!(!survey.origins.iter().any(|origin| origin.add_path && origin.address != address(1)));
        for (add_path, expected, left_out) in
            [(true, vec![(11, 1), (12, 2), (13, 2)], 0), (false, vec![(0, 1), (0, 2)], 1)]
        {
            let negotiated = negotiated_with(65_001, add_path);
            assert_eq!(negotiated.encode.add_path.len(), usize::from(add_path));
            let mut sender = Sender::new(&negotiated, &[]);
            let mut octets = BytesMut::new();
            read(&made.0, &Choice::of(of), |_, item| {
                octets.extend(sender.take(item).into_iter().flatten());
                Ok(())
            })
            .unwrap();
            octets.extend_from_slice(&sender.flush());
            let context = DecodeContext { add_path: negotiated.encode.add_path.clone(), ..DecodeContext::default() };
            let said: Vec<(u32, usize)> = updates_in(&octets, &context)
                .iter()
                .flat_map(|update| {
                    let length = update.attributes.as_ref().unwrap().as_path.length();
                    update.nlri.iter().map(move |nlri| (nlri.path_id, length))
                })
                .collect();
            assert_eq!((said, sender.left_out), (expected, left_out), "{add_path}");
        }
    }

    #[test]
    fn an_internal_session_gets_local_pref() {
        let made = Made::new("internal", &table());
        let survey = survey(&made.0).unwrap();
        let mut sender = Sender::new(&negotiated(65_000), &[]);
        read(&made.0, &Choice::of(&survey.origins[0]), |_, item| {
            sender.take(item);
            Ok(())
        })
        .unwrap();
        let updates = updates(&sender.flush());
        assert_eq!(updates[0].attributes.as_ref().unwrap().local_pref, Some(LOCAL_PREF));
    }

    #[test]
    fn messages_of_others_and_our_own_are_passed_over() {
        let message = |last: u8, sent: bool| {
            let update = Update {
                attributes: Some(Arc::new(PathAttributes {
                    next_hop: Some(Ipv4Addr::new(192, 0, 2, 9)),
                    ..path(&[65_001])
                })),
                nlri: vec![Nlri { path_id: 0, prefix: "198.51.100.0/24".parse().unwrap() }],
                ..Update::default()
            };
            let mut octets = BytesMut::new();
            Message::Update(update).encode(&EncodeContext::default(), &mut octets).unwrap();
            let ends = Ends {
                peer_asn: Asn(65_001),
                local_asn: Asn(65_000),
                interface: 0,
                peer: address(last),
                local: address(100),
                four_octet_as: true,
            };
            Body::Message(Bgp4mpMessage { ends, sent, add_path: false, octets: octets.freeze() })
        };
        let made = Made::new("trace", &[message(1, false), message(1, true), message(2, false), message(1, false)]);
        let survey = survey(&made.0).unwrap();
        let counts: Vec<_> = survey.origins.iter().map(|origin| (origin.address, origin.messages)).collect();
        assert_eq!(counts, [(address(1), 2), (address(2), 1)]);
        let mut sender = Sender::new(&negotiated(65_001), &[]);
        read(&made.0, &Choice::of(&survey.origins[0]), |at, item| {
            assert_eq!(at, Duration::from_secs(AT.seconds.into()));
            sender.take(item);
            Ok(())
        })
        .unwrap();
        assert_eq!(updates(&sender.finish()).len(), 2);
        assert_eq!((sender.announced, sender.messages), (2, 2));
    }

    #[test]
    fn a_long_message_is_said_in_several_that_the_router_takes_and_only_where_it_takes_the_family() {
        let nlri = |first: u8| -> Vec<Nlri> {
            let prefixes = (0..3_000u16).map(|number| {
                let [high, low] = number.to_be_bytes();
                Prefix::new(IpAddr::from([first, high, low, 0]), 24).unwrap()
            });
            prefixes.map(Nlri::new).collect()
        };
        let attributes = PathAttributes { next_hop: Some(Ipv4Addr::new(192, 0, 2, 9)), ..path(&[65_001]) };
        let update =
            Update { withdrawn: nlri(11), nlri: nlri(12), attributes: Some(Arc::new(attributes)), ..Update::default() };
        let mut octets = BytesMut::new();
        let context = EncodeContext { message_limit: 65_535, ..EncodeContext::default() };
        Message::Update(update).encode(&context, &mut octets).unwrap();
        let ends = Ends {
            peer_asn: Asn(65_001),
            local_asn: Asn(65_000),
            interface: 0,
            peer: address(1),
            local: address(100),
            four_octet_as: true,
        };
        let message = Bgp4mpMessage { ends, sent: false, add_path: false, octets: octets.freeze() };
        let said = |negotiated: &Arc<Negotiated>| {
            let mut sender = Sender::new(negotiated, &[]);
            let mut octets = BytesMut::new();
            octets.extend(sender.take(Item::Message { message: &message }).into_iter().flatten());
            octets.extend_from_slice(&sender.flush());
            let updates = updates(&octets);
            assert_eq!(sender.messages, updates.len() as u64);
            let routes = |of: fn(&Update) -> &Vec<Nlri>| updates.iter().flat_map(of).copied().collect::<Vec<Nlri>>();
            (routes(|update| &update.withdrawn), routes(|update| &update.nlri), sender.left_out)
        };
        assert_eq!(said(&negotiated(65_001)), (nlri(11), nlri(12), 0));
        let config = SessionConfig {
            peer_asn: None,
            ..SessionConfig::new(Asn(65_001), RouterId(Ipv4Addr::LOCALHOST), Asn(65_001))
        };
        let capabilities = vec![
            bgp::wire::Capability::Multiprotocol { family: Family::IPV6_UNICAST },
            bgp::wire::Capability::FourOctetAs { asn: Asn(65_000) },
        ];
        let open = Open::new(Asn(65_000), 90, RouterId(Ipv4Addr::new(10, 9, 9, 9)), capabilities);
        let other_family = Arc::new(Negotiated::new(&config, open).unwrap());
        assert_eq!(said(&other_family), (Vec::new(), Vec::new(), 1));
    }

    #[test]
    fn a_packed_file_and_no_file_say_so() {
        let path = std::env::temp_dir().join(format!("trunkline-replay-packed-{}", std::process::id()));
        std::fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
        let made = Made(path);
        assert!(survey(&made.0).unwrap_err().contains("zcat"));
        assert!(survey(Path::new("/nowhere.mrt")).unwrap_err().contains("/nowhere.mrt"));
    }
}
