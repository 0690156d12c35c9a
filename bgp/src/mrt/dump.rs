//! Tables to records: TABLE_DUMP_V2 (RFC 6396 §4.3) of what a speaker has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use net::{Prefix, Time};

use super::{Body, Peer, PeerIndexTable, Record, Rib, RibEntry, RibNlri, Timestamp, encode_attributes};
use crate::rib::Route;
use crate::wire::{Asn, RouterId};

/// Makes the records of one table, in order: [`TableDumper::start`] first, then the routes, all of a prefix together.
#[derive(Debug)]
pub struct TableDumper {
    time: Timestamp,
    /// Seconds since 1970 at the speaker's [`Time::ZERO`].
    origin: u32,
    places: HashMap<Option<IpAddr>, u16>,
    sequence: u32,
    left_out: u64,
}

impl TableDumper {
    /// The table of peers: ourselves in front, as the origin of our own routes, then the neighbours. `origin` is the
    /// time in seconds since 1970 at the speaker's start. Neighbours past the 65,535th are left out, and their routes.
    pub fn start(
        time: u32,
        origin: u32,
        router_id: RouterId,
        asn: Asn,
        neighbors: impl IntoIterator<Item = (IpAddr, Asn, Option<RouterId>)>,
    ) -> (TableDumper, Record) {
        let time = Timestamp { seconds: time, microseconds: None };
        let peer = |address, asn, router_id| Peer { router_id, address, asn, four_octet_as: true, reserved: 0 };
        let mut peers = vec![peer(IpAddr::V4(Ipv4Addr::UNSPECIFIED), asn, router_id)];
        let mut places = HashMap::from([(None, 0)]);
        for ((address, asn, router_id), index) in neighbors.into_iter().zip(1..u16::MAX) {
            places.insert(Some(address), index);
            peers.push(peer(address, asn, router_id.unwrap_or(RouterId(Ipv4Addr::UNSPECIFIED))));
        }
        let table = PeerIndexTable { collector: router_id, view: bytes::Bytes::new(), peers };
        let record = Record { time, body: Body::PeerIndexTable(table) };
        (TableDumper { time, origin, places, sequence: 0, left_out: 0 }, record)
    }

    /// The records of these routes. All routes of a prefix have to be in one call. A prefix with several paths of one
    /// neighbour gets a record of the _ADDPATH subtype (RFC 8050).
    pub fn records(&mut self, routes: &[Route]) -> Vec<Record> {
        routes.chunk_by(|one, two| one.prefix == two.prefix).filter_map(|routes| self.record(routes)).collect()
    }

    /// Routes that could not be written: of a neighbour that is not in the table, or with attributes that are too long.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    fn record(&mut self, routes: &[Route]) -> Option<Record> {
        let prefix: Prefix = routes.first()?.prefix;
        let add_path = routes.iter().any(|route| route.path_id != 0);
        let entries: Vec<RibEntry> = routes.iter().filter_map(|route| self.entry(route)).collect();
        self.left_out += (routes.len() - entries.len()) as u64;
        if entries.is_empty() {
            return None;
        }
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let rib = Rib { sequence, nlri: RibNlri::Unicast(prefix), add_path, entries };
        Some(Record { time: self.time, body: Body::Rib(rib) })
    }

    fn entry(&self, route: &Route) -> Option<RibEntry> {
        let since = u32::try_from(route.learned.since(Time::ZERO).as_secs()).unwrap_or(u32::MAX);
        Some(RibEntry {
            peer: *self.places.get(&route.peer_address)?,
            originated: self.origin.saturating_add(since),
            path_id: route.path_id,
            attributes: encode_attributes(&route.attributes.attributes, route.attributes.next_hop)?,
        })
    }
}
