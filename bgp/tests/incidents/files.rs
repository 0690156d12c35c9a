//! MRT files: tables that are written, and octets that are read.

use super::hex;
use bgp::mrt::{
    Body, Peer, PeerIndexTable, Record, Records, Rib as RibRecord, RibEntry, RibNlri, TableDumper, Timestamp,
};
use bgp::policy::Policy;
use bgp::rib::{DecisionOptions, ImportOptions, ImportRules, Rib, RibConfig, Source, SourceKind};
use bgp::session::{Announcement, RouteUpdate};
use bgp::wire::{AsPath, Asn, Community, Family, NextHop, Nlri, Origin, PathAttributes, RouterId};
use bytes::{Bytes, BytesMut};
use net::{Prefix, Time};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const V4: Family = Family::IPV4_UNICAST;

/// CVE-2016-4049: a route with more attributes than an entry's length can say. It is left out and counted, the others of
/// its prefix and the prefixes behind it are there.
#[test]
fn a_table_leaves_out_routes_that_no_record_can_hold_and_goes_on() {
    let options = ImportOptions::new(Asn(65001), RouterId::from_u32(1));
    let decision = DecisionOptions::default();
    let mut rib = Rib::new(RibConfig { import: options, decision, default_local_pref: 100, seed: 1 });
    let prefixes: Vec<Prefix> =
        ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"].iter().map(|text| text.parse().unwrap()).collect();
    let mut peers = Vec::new();
    for number in [2_u8, 3] {
        let address = IpAddr::from([192, 0, 2, number]);
        let id = rib.add_source(Source {
            kind: SourceKind::External,
            confederation: false,
            client: false,
            asn: Asn(65000 + u32::from(number)),
            router_id: RouterId::from_u32(number.into()),
            address: Some(address),
            local_address: None,
            import: Policy::Accept,
            enforce_first_as: false,
            rules: ImportRules::default(),
        });
        for prefix in &prefixes {
            let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(65000 + u32::from(number))]));
            if number == 2 && *prefix == prefixes[1] {
                attributes.communities = (0..20_000).map(Community).collect();
            }
            let announced = Announcement {
                nlri: vec![Nlri::new(*prefix)],
                attributes: Arc::new(attributes),
                next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, number)),
            };
            let update = RouteUpdate { family: V4, withdrawn: Vec::new(), announced: Some(announced) };
            rib.handle_routes(id, &update, Time::ZERO);
        }
        peers.push((address, Asn(65000 + u32::from(number)), None));
    }
    let (mut dumper, head) = TableDumper::start(1_700_000_000, 0, RouterId::from_u32(1), Asn(65001), peers);
    let mut records = vec![head];
    records.extend(dumper.records(&rib.received_paths(V4, None, 100).routes));
    assert_eq!(dumper.left_out(), 1);
    let mut out = BytesMut::new();
    records.iter().for_each(|record| record.encode(&mut out).unwrap());
    let mut read = Records::default();
    read.push(&out);
    let read: Vec<Record> = read.by_ref().map(|record| record.unwrap()).collect();
    assert_eq!(read, records);
    let entries = read.iter().filter_map(|record| match &record.body {
        Body::Rib(rib) => Some(rib.entries.len()),
        _ => None,
    });
    assert_eq!(entries.collect::<Vec<usize>>(), [2, 1, 2]);
}

/// A record of table dump v2.
fn record(subtype: u16, body: &str) -> Vec<u8> {
    let body = hex(body);
    let mut octets = hex("65550000 000d");
    octets.extend_from_slice(&subtype.to_be_bytes());
    octets.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    octets.extend_from_slice(&body);
    octets
}

/// GoBGP b015c355 and its like: a length or a number of things that the record has no octets for. Reading ends at the
/// record's end, asks for no memory by what it says, and goes on with the next record.
#[test]
fn records_that_say_more_than_they_hold_are_passed_over() {
    let table = PeerIndexTable {
        collector: RouterId::from_u32(1),
        view: Bytes::new(),
        peers: vec![Peer {
            router_id: RouterId::from_u32(2),
            address: IpAddr::from([192, 0, 2, 2]),
            asn: Asn(65002),
            four_octet_as: true,
            reserved: 0,
        }],
    };
    let time = Timestamp { seconds: 1_700_000_000, microseconds: None };
    // More than 64 KB in one record, as the routes of many peers are: that is fine.
    let entry = |peer| RibEntry { peer, originated: 0, path_id: 0, attributes: Bytes::from(vec![0; 60_000]) };
    let nlri = RibNlri::Unicast("203.0.113.0/24".parse().unwrap());
    let big = RibRecord { sequence: 1, nlri, add_path: false, entries: vec![entry(0), entry(1), entry(2)] };
    let good = [Body::PeerIndexTable(table), Body::Rib(big)].map(|body| Record { time, body });
    for (name, bad) in [
        ("a view's name", record(1, "0a000001 ffff 61")),
        ("65,535 peers", record(1, "0a000001 0000 ffff")),
        ("a peer cut off", record(1, "0a000001 0000 0001 02 0a0000")),
        ("65,535 entries", record(2, "00000001 18 cb0071 ffff")),
        ("an entry's attributes", record(2, "00000001 18 cb0071 0001 0000 00000000 ffff 40")),
        ("an entry's path identifier", record(8, "00000001 18 cb0071 0001 0000 00000000 0000")),
        ("a prefix", record(2, "00000001 20 cb0071")),
        ("an NLRI of any family", record(6, "00000001 0001 85 ff 00")),
        ("octets behind the last entry", record(2, "00000001 18 cb0071 0000 00")),
    ] {
        let mut octets = BytesMut::new();
        good[0].encode(&mut octets).unwrap();
        octets.extend_from_slice(&bad);
        good[1].encode(&mut octets).unwrap();
        let mut records = Records::default();
        records.push(&octets);
        let read: Vec<_> = records.by_ref().collect();
        assert_eq!(read.len(), 3, "{name}");
        assert_eq!((read[0].as_ref().ok(), read[2].as_ref().ok()), (Some(&good[0]), Some(&good[1])), "{name}");
        assert!(read[1].is_err(), "{name}: {:?}", read[1]);
        assert_eq!(records.finish(), Ok(()), "{name}");
    }
}
