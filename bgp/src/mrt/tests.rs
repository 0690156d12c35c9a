//! Tests of the MRT decoder: what RFC 6396 says, what independent readers made of third-party files, and any octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use bytes::{Bytes, BytesMut};
use net::Prefix;
use proptest::prelude::*;

use super::*;
use crate::wire::{
    AsPath, Asn, Community, Family, Message, MpNlri, NextHop, Origin, PathAttributes, RouterId, SegmentKind, Update,
};

fn encoded(record: &Record) -> Vec<u8> {
    let mut out = BytesMut::new();
    record.encode(&mut out).unwrap();
    out.to_vec()
}

fn time(microseconds: Option<u32>) -> Timestamp {
    Timestamp { seconds: 1_700_000_000, microseconds }
}

fn ends(four_octet_as: bool) -> Ends {
    Ends {
        peer_asn: Asn(65_001),
        local_asn: Asn(65_002),
        interface: 3,
        peer: "192.0.2.1".parse().unwrap(),
        local: "192.0.2.2".parse().unwrap(),
        four_octet_as,
    }
}

#[test]
fn a_state_change_has_the_octets_of_the_rfc() {
    let change = StateChange { ends: ends(false), old: SessionState::OPEN_CONFIRM, new: SessionState::ESTABLISHED };
    let record = Record { time: time(None), body: Body::StateChange(change) };
    // RFC 6396 §2 and §4.4.1: timestamp, BGP4MP, STATE_CHANGE, 20; peer AS, local AS, interface, AFI, addresses, states.
    let hex = "6553f100 0010 0000 00000014 fde9 fdea 0003 0001 c0000201 c0000202 0005 0006";
    let octets: Vec<u8> = hex
        .replace(' ', "")
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert_eq!(encoded(&record), octets);
    assert_eq!(Record::decode(&octets), Ok(record));
}

#[test]
fn every_subtype_keeps_its_number() {
    for subtype in [1, 4, 6, 7, 8, 9, 10, 11] {
        let octets = Record {
            time: time(Some(7)),
            body: Body::Message(Bgp4mpMessage {
                ends: ends(matches!(subtype, 4 | 7 | 9 | 11)),
                sent: matches!(subtype, 6 | 7 | 10 | 11),
                add_path: subtype >= 8,
                octets: Bytes::from_static(&[0xff; 19]),
            }),
        };
        let record = Record::decode(&encoded(&octets)).unwrap();
        assert_eq!((record.kind(), record.subtype()), (RecordType::BGP4MP_ET, subtype));
    }
    let prefixes: [Prefix; 2] = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/33".parse().unwrap()];
    for (subtype, nlri) in [
        (2, RibNlri::Unicast(prefixes[0])),
        (3, RibNlri::Multicast(prefixes[0])),
        (4, RibNlri::Unicast(prefixes[1])),
        (5, RibNlri::Multicast(prefixes[1])),
        (6, RibNlri::Generic { family: Family::IPV4_UNICAST, octets: Bytes::from_static(&[9, 10, 128]) }),
    ] {
        for add_path in [false, true] {
            let entry = RibEntry { peer: 1, originated: 2, path_id: u32::from(add_path), attributes: Bytes::new() };
            let rib = Rib { sequence: 9, nlri: nlri.clone(), add_path, entries: vec![entry] };
            let record = Record { time: time(None), body: Body::Rib(rib) };
            assert_eq!(record.subtype(), if add_path { subtype + 6 } else { subtype });
            assert_eq!(Record::decode(&encoded(&record)), Ok(record));
        }
    }
}

#[test]
fn what_is_not_known_is_kept() {
    for (kind, subtype, microseconds) in
        [(99, 1, None), (RecordType::OSPFV3_ET.0, 0, Some(5)), (RecordType::BGP4MP.0, 3, None), (13, 7, None)]
    {
        let body = Body::Unknown { kind: RecordType(kind), subtype, octets: Bytes::from_static(b"anything") };
        let record = Record { time: time(microseconds), body };
        assert_eq!(Record::decode(&encoded(&record)), Ok(record));
    }
}

#[test]
fn a_record_is_refused_where_it_contradicts_itself() {
    let record = Record {
        time: time(None),
        body: Body::StateChange(StateChange { ends: ends(true), old: SessionState::IDLE, new: SessionState::CONNECT }),
    };
    let good = encoded(&record);
    let error_of = |octets: &[u8]| Record::decode(octets).unwrap_err().field;
    assert_eq!(error_of(&good[..good.len() - 1]), "record");
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(error_of(&longer), "record");
    longer[11] += 1;
    assert_eq!(error_of(&longer), "record.body");
    let mut family = good.clone();
    family[12 + 11] = 3;
    assert_eq!(error_of(&family), "bgp4mp.address_family");
    let mut table = vec![0, 0, 0, 0, 0, 13, 0, 2, 0, 0, 0, 8, 0, 0, 0, 1, 33, 1, 2, 3];
    assert_eq!(error_of(&table), "rib.prefix_length");
    table[5] = 17;
    table[12..16].copy_from_slice(&1_000_000_u32.to_be_bytes());
    assert_eq!(error_of(&table), "header.microseconds");
}

#[test]
fn what_no_record_can_hold_is_not_written() {
    let mut out = BytesMut::new();
    let message = |asn, local: IpAddr| {
        let ends = Ends { peer_asn: Asn(asn), local, ..ends(false) };
        Body::Message(Bgp4mpMessage { ends, sent: false, add_path: false, octets: Bytes::new() })
    };
    let local = IpAddr::from([192, 0, 2, 2]);
    for (body, microseconds) in [
        (message(65_536, local), None),
        (message(1, IpAddr::V6(Ipv6Addr::LOCALHOST)), None),
        (message(1, local), Some(1_000_000)),
        (Body::Unknown { kind: RecordType::ISIS_ET, subtype: 0, octets: Bytes::new() }, None),
        (Body::Unknown { kind: RecordType::ISIS, subtype: 0, octets: Bytes::new() }, Some(0)),
    ] {
        assert!(Record { time: time(microseconds), body }.encode(&mut out).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn attributes_of_a_table_entry_are_read_as_they_were_written() {
    let mut path = PathAttributes::new(Origin::Egp, AsPath::sequence(&[Asn(65_001), Asn(200_000)]));
    path.communities = vec![Community::new(65_001, 1)];
    path.med = Some(5);
    let link_local: Ipv6Addr = "fe80::1".parse().unwrap();
    for next_hop in [
        NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
        NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local: None },
        NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local: Some(link_local) },
    ] {
        let read = attributes(&encode_attributes(&path, next_hop).unwrap(), true).unwrap();
        assert_eq!((read.next_hop, read.errors.as_slice()), (Some(next_hop), [].as_slice()));
        let mut found = (*read.path.unwrap()).clone();
        found.next_hop = None;
        assert_eq!(found, path);
    }
}

#[test]
fn an_mp_reach_nlri_that_is_whole_is_read_too() {
    let mut octets = vec![0x80, 14, 21, 0, 2, 1, 16];
    octets.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
    octets.push(0);
    let read = attributes(&octets, true).unwrap();
    assert_eq!(read.next_hop.map(|next_hop| next_hop.address().to_string()).as_deref(), Some("2001:db8::1"));
    octets[2] = 22;
    assert!(attributes(&octets, true).is_err());
}

#[test]
fn a_stream_in_any_pieces_gives_the_same_records() {
    let one = Record {
        time: time(None),
        body: Body::Unknown { kind: RecordType(99), subtype: 1, octets: Bytes::from_static(b"octets") },
    };
    let file = [encoded(&one), vec![0, 0, 0, 0, 0, 12, 0, 1, 0, 0, 0, 1, 0], encoded(&one)].concat();
    for size in 1..file.len() {
        let mut records = Records::default();
        let mut found = Vec::new();
        for piece in file.chunks(size) {
            records.push(piece);
            found.extend(records.by_ref());
        }
        let [Ok(first), Err(error), Ok(second)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((first, second), (&one, &one));
        assert_eq!((error.record_offset, error.error.field), (18, "table_dump.view"));
        assert_eq!(records.finish(), Ok(()));
        records.push(&file[..5]);
        assert!(records.finish().is_err());
    }
    let mut records = Records::default();
    records.push(&[0, 0, 0, 0, 0, 12, 0, 1, 0xff, 0, 0, 0]);
    assert_eq!(records.next().unwrap().unwrap_err().error.field, "header.length");
    records.push(&file);
    assert!(records.next().is_none());
}

fn any_time() -> impl Strategy<Value = (u32, Option<u32>)> {
    (any::<u32>(), proptest::option::of(0..1_000_000_u32))
}

proptest! {
    #[test]
    fn no_octets_panic_and_what_decodes_encodes_to_what_decodes_to_the_same(
        kind in prop_oneof![Just(12_u16), Just(13), Just(16), Just(17), any::<u16>()],
        subtype in 0_u16..14,
        body in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 3 => 0_u8..6, 1 => any::<u8>()], 0..120),
        (seconds, _) in any_time(),
    ) {
        let mut octets = seconds.to_be_bytes().to_vec();
        octets.extend(kind.to_be_bytes());
        octets.extend(subtype.to_be_bytes());
        octets.extend((body.len() as u32).to_be_bytes());
        octets.extend(&body);
        if let Ok(record) = Record::decode(&octets) {
            prop_assert_eq!((record.kind().0, record.subtype()), (kind, subtype));
            let again = encoded(&record);
            prop_assert_eq!(again.len(), octets.len());
            prop_assert_eq!(Record::decode(&again), Ok(record));
        }
        let _ = attributes(&body, true);
        let _ = attributes(&body, false);
    }

    #[test]
    fn tables_come_back_as_they_were_written(
        sequence in any::<u32>(),
        address in any::<[u8; 16]>(),
        length in 0_u8..=128,
        add_path in any::<bool>(),
        entries in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..5),
        peers in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 0..5),
    ) {
        let prefix = Prefix::new(IpAddr::from(address), length).unwrap();
        let entries = entries.into_iter().map(|(peer, originated, path_id, attributes)| {
            RibEntry { peer, originated, path_id: if add_path { path_id } else { 0 }, attributes: attributes.into() }
        });
        let rib = Rib { sequence, nlri: RibNlri::Unicast(prefix), add_path, entries: entries.collect() };
        let peers = peers.into_iter().map(|(id, asn, ipv6)| Peer {
            router_id: RouterId(Ipv4Addr::from_bits(id)),
            address: if ipv6 { IpAddr::from(address) } else { IpAddr::from(id.to_be_bytes()) },
            asn: Asn(asn),
            four_octet_as: asn > 0xffff,
            reserved: 0,
        });
        let table = PeerIndexTable {
            collector: RouterId(Ipv4Addr::LOCALHOST),
            view: Bytes::from_static(b"view"),
            peers: peers.collect(),
        };
        for body in [Body::Rib(rib), Body::PeerIndexTable(table)] {
            let record = Record { time: time(None), body };
            prop_assert_eq!(Record::decode(&encoded(&record)), Ok(record));
        }
    }
}

// What bgpdump says of third-party files.

/// A file's records, unpacked by gzip or bzip2; nothing where there are no vectors.
fn vector(name: &str) -> Option<Vec<u8>> {
    let Some(root) = std::env::var_os("TRUNKLINE_VECTORS") else {
        println!("skipped: TRUNKLINE_VECTORS is not set");
        return None;
    };
    Some(unpacked(&Path::new(&root).join("mrt").join(name)))
}

fn unpacked(file: &Path) -> Vec<u8> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => "gzip",
        Some("bz2") => "bzip2",
        _ => return std::fs::read(file).unwrap(),
    };
    let output = Command::new(program).arg("-dc").arg(file).output().expect("gzip and bzip2 are installed");
    assert!(output.status.success(), "{}", file.display());
    output.stdout
}

/// The lines of `bgpdump -m` for a record.
fn lines(record: &Record, peers: &mut PeerIndexTable, out: &mut Vec<String>) {
    let seconds = record.time.seconds;
    let route = |head: &str, prefix: &str, path: &PathAttributes, next_hop: Option<NextHop>| {
        let origin = ["IGP", "EGP", "INCOMPLETE"][path.origin as usize];
        let next_hop = next_hop.map(|next_hop| next_hop.address().to_string()).unwrap_or_default();
        let communities: Vec<String> = path.communities.iter().map(community).collect();
        let aggregator = path
            .aggregator
            .map(|aggregator| format!("{} {}", aggregator.asn, aggregator.router_id))
            .unwrap_or_default();
        format!(
            "{head}|{prefix}|{}|{origin}|{next_hop}|{}|{}|{}|{}|{aggregator}|",
            as_path(&path.as_path),
            path.local_pref.unwrap_or(0),
            path.med.unwrap_or(0),
            communities.join(" "),
            if path.atomic_aggregate { "AG" } else { "NAG" },
        )
    };
    match &record.body {
        Body::PeerIndexTable(table) => *peers = table.clone(),
        Body::TableDump(dump) => {
            let head = format!("TABLE_DUMP|{seconds}|B|{}|{}", dump.peer, dump.peer_asn);
            let read = attributes(&dump.attributes, false).unwrap();
            out.push(route(&head, &dump.prefix.to_string(), &read.path.unwrap_or_default(), read.next_hop));
        }
        Body::Rib(rib) => {
            let (RibNlri::Unicast(prefix) | RibNlri::Multicast(prefix)) = &rib.nlri else { return };
            for entry in &rib.entries {
                let peer = peers.peers[usize::from(entry.peer)];
                let (name, mut prefix) = ("TABLE_DUMP2", prefix.to_string());
                if rib.add_path {
                    prefix = format!("{prefix}|{}", entry.path_id);
                }
                let name = if rib.add_path { format!("{name}_AP") } else { name.to_owned() };
                let head = format!("{name}|{seconds}|B|{}|{}", peer.address, peer.asn);
                let read = attributes(&entry.attributes, true).unwrap();
                out.push(match read.path {
                    Some(path) => route(&head, &prefix, &path, read.next_hop),
                    // A route of the collector's own, without attributes.
                    None => format!("{head}|{prefix}||INCOMPLETE|255.255.255.255|0|0||NAG||"),
                });
            }
        }
        Body::StateChange(change) => {
            let Ends { peer, peer_asn, .. } = change.ends;
            let name = record.kind();
            out.push(format!("{name}|{}|STATE|{peer}|{peer_asn}|{}|{}", stamp(record), change.old.0, change.new.0));
        }
        Body::Message(message) => {
            let Ok(decoded) = Message::decode(&message.octets, &message.context()) else { return };
            let Message::Update(update) = decoded.message else { return };
            let Ends { peer, peer_asn, .. } = message.ends;
            let head = |what: &str| format!("{}|{}|{what}|{peer}|{peer_asn}", record.kind(), stamp(record));
            updates(&update, &mut |prefix: Prefix, announced: Option<NextHop>| match (announced, &update.attributes) {
                (Some(next_hop), Some(path)) => {
                    out.push(route(&head("A"), &prefix.to_string(), path, Some(next_hop)));
                }
                _ => out.push(format!("{}|{prefix}", head("W"))),
            });
        }
        Body::Unknown { .. } => {}
    }
}

fn updates(update: &Update, say: &mut dyn FnMut(Prefix, Option<NextHop>)) {
    update.withdrawn.iter().for_each(|nlri| say(nlri.prefix, None));
    if let Some(MpNlri::Unicast(nlri)) = update.mp_unreach.as_ref().map(|unreach| &unreach.nlri) {
        nlri.iter().for_each(|nlri| say(nlri.prefix, None));
    }
    let classic = update.attributes.as_ref().and_then(|path| path.next_hop).map(NextHop::V4);
    update.nlri.iter().for_each(|nlri| say(nlri.prefix, classic));
    if let Some(reach) = &update.mp_reach
        && let (MpNlri::Unicast(nlri), crate::wire::MpNextHop::Address(next_hop)) = (&reach.nlri, &reach.next_hop)
    {
        nlri.iter().for_each(|nlri| say(nlri.prefix, Some(*next_hop)));
    }
}

fn stamp(record: &Record) -> String {
    let Timestamp { seconds, microseconds } = record.time;
    microseconds.map_or_else(|| seconds.to_string(), |microseconds| format!("{seconds}.{microseconds:06}"))
}

fn community(community: &Community) -> String {
    match *community {
        Community::NO_EXPORT => "no-export".to_owned(),
        Community::NO_ADVERTISE => "no-advertise".to_owned(),
        Community::NO_EXPORT_SUBCONFED => "local-AS".to_owned(),
        other => other.to_string(),
    }
}

fn as_path(path: &AsPath) -> String {
    let segments = path.segments().map(|segment| {
        let asns: Vec<String> = segment.asns().map(|asn| asn.to_string()).collect();
        match segment.kind {
            SegmentKind::AsSequence => asns.join(" "),
            SegmentKind::AsSet => format!("{{{}}}", asns.join(",")),
            SegmentKind::AsConfedSequence => format!("({})", asns.join(" ")),
            SegmentKind::AsConfedSet => format!("[{}]", asns.join(",")),
        }
    });
    segments.collect::<Vec<String>>().join(" ")
}

#[test]
fn third_party_files_say_what_bgpdump_says() {
    let names = [
        "bgpdump_bview.20020722.2337.gz",
        "bgpdump_bview.ipv4_unicast_add_path.gz",
        "bgpdump_updates.20020722.2238.gz",
        "bgpdump_updates.20071015.1505.gz",
        "bgpdump_updates.20160811.1600.gz",
        "bgpdump_updates.nlri_mask_trailing_bits.gz",
        "bgpipe_sample.mrt",
        "bgpkit-parser_rrc00-1999.09-updates.19990903.1041.gz",
        "bgpkit-parser_rrc00-2000.01-updates.20000102.2014.gz",
        "bgpkit-parser_rrc01-2000.11-updates.20001104.0124.gz",
        "bgpkit-parser_rrc15-2010.02-updates.20100227.1600.gz",
        "libbgpstream_ris.rrc06.updates.1427846400.gz",
        "mrtparse_bird-mrtdump_rib",
        "mrtparse_bird6_bgp",
        "mrtparse_bird_bgp",
        "mrtparse_openbgpd_bgp",
        "mrtparse_openbgpd_rib_table-mp",
        "mrtparse_quagga_bgp",
        "os-ken_rib.20161101.0000_pick.bz2",
        "pyasn_rib.20080501.0644-first-half.gz",
        "pyasn_rib.20140523.0600-first-half.gz",
        "pyasn_rib6.20151101.0600-first-half.gz",
    ];
    let mut failures = Vec::new();
    for name in names {
        let Some(octets) = vector(name) else { return };
        let theirs = vector(&format!("{name}.bgpdump-m.gz")).unwrap();
        let theirs = String::from_utf8_lossy(&theirs).into_owned();
        let mut records = Records::default();
        let mut peers = PeerIndexTable { collector: RouterId(Ipv4Addr::LOCALHOST), view: Bytes::new(), peers: vec![] };
        let (mut ours, mut refused, mut count) = (Vec::new(), Vec::new(), 0);
        for piece in octets.chunks(60_000) {
            if count > MOST_RECORDS {
                break;
            }
            records.push(piece);
            for record in records.by_ref() {
                count += 1;
                match record {
                    Ok(record) => {
                        assert_eq!(Record::decode(&encoded(&record)).as_ref(), Ok(&record), "{name}");
                        lines(&record, &mut peers, &mut ours);
                    }
                    Err(error) => refused.push(error.error.field),
                }
            }
        }
        let whole = count <= MOST_RECORDS;
        if whole {
            assert_eq!(records.finish(), Ok(()), "{name}");
        }
        let theirs: Vec<String> = theirs
            .lines()
            .filter(|line| !line.starts_with("BGP|"))
            .take(if whole { usize::MAX } else { ours.len() })
            .map(canonical)
            .collect();
        let same = ours.iter().zip(&theirs).filter(|(ours, theirs)| *ours == *theirs).count();
        if let Some((_, our_count, their_count, refusals, _)) = DIFFERENT.iter().find(|(file, ..)| *file == name) {
            assert_eq!((ours.len(), theirs.len(), refused.len()), (*our_count, *their_count, *refusals), "{name}");
            continue;
        }
        if ours.len() != theirs.len() || same != ours.len() || !refused.is_empty() {
            let different: Vec<_> =
                ours.iter().zip(&theirs).filter(|(ours, theirs)| *ours != *theirs).take(2).collect();
            let (ours, theirs) = (ours.len(), theirs.len());
            let refused = (refused.len(), refused.first());
            failures.push(format!(
                "{name}: {same} the same of ours {ours} and theirs {theirs}, refused {refused:?}; {different:#?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Files that bgpdump reads otherwise: its lines of ours and of theirs, records that we refuse, and why.
const DIFFERENT: &[(&str, usize, usize, usize, &str)] = &[
    (
        "bgpdump_updates.nlri_mask_trailing_bits.gz",
        0,
        1,
        0,
        "the last prefix of the message is an octet short: bgpdump pads it with what it has in memory",
    ),
    (
        "bgpkit-parser_rrc01-2000.11-updates.20001104.0124.gz",
        841,
        883,
        63,
        "records of the year 2000 without ends: bgpdump reads the session's states as AS numbers",
    ),
    (
        "mrtparse_bird6_bgp",
        12,
        44,
        0,
        "path identifiers under a subtype that has none (before RFC 8050): bgpdump guesses",
    ),
    (
        "mrtparse_bird_bgp",
        12,
        36,
        0,
        "path identifiers under a subtype that has none (before RFC 8050): bgpdump guesses",
    ),
];

/// A line with addresses as we write them: bgpdump shortens a single group of zeros, which RFC 5952 does not, and prints bits past a prefix's
/// length, which mean nothing.
fn canonical(line: &str) -> String {
    let field = |field: &str| {
        let prefix = field.split_once('/').and_then(|(address, length)| {
            Prefix::new(address.parse().ok()?, length.parse().ok()?).map(|prefix| prefix.to_string())
        });
        let address = || field.parse::<Ipv6Addr>().ok().map(|address| address.to_string());
        prefix.or_else(address).unwrap_or_else(|| field.to_owned())
    };
    line.split('|').map(field).collect::<Vec<String>>().join("|")
}

/// Of a long file so many records are compared.
const MOST_RECORDS: usize = 5_000;

#[test]
fn a_torn_file_gives_its_whole_records_and_says_that_it_is_torn() {
    for (name, count) in [("pyasn_rib.20080501.0644-torn-tail.gz", 3), ("pyasn_rib6.20151101.0600-torn-tail.gz", 4)] {
        let Some(octets) = vector(&format!("malformed/{name}")) else { return };
        let mut records = Records::default();
        records.push(&octets);
        let whole = records.by_ref().filter(|record| record.is_ok()).count();
        assert_eq!(whole, count, "{name}");
        assert!(records.finish().is_err(), "{name}");
    }
}
