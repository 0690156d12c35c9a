//! `trunkline decode mrt`: a line per record of an MRT file (RFC 6396), in the memory of one record.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use bgp::mrt::{Body, Ends, PeerIndexTable, Record, RecordError, Records, Rib, RibNlri, attributes};
use bgp::wire::display::{AsWidthOption, decode_for_display};
use bgp::wire::{AttributeError, DisplayOptions, NextHop};
use net::DecodeError;
use serde_json::{Map, Value, json};

use super::{refuse, timestamp};

/// Octets read at once.
const READ_SIZE: usize = 256 * 1024;
/// What gzip and bzip2 start their files with.
const PACKED: [(&[u8], &str); 2] = [(&[0x1f, 0x8b], "zcat"), (b"BZh", "bzcat")];

/// Writes a line per record of `input` to `out`. A record that is malformed, or holds what is, gives an object with `error`, and a sentence on
/// `err`. Returns whether all were well-formed.
pub fn decode_mrt(mut input: impl Read, out: &mut dyn Write, err: &mut dyn Write) -> bool {
    let mut records = Records::default();
    let mut peers = None;
    let mut buffer = vec![0; READ_SIZE];
    let mut good = true;
    let mut first = true;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = writeln!(err, "trunkline: the file cannot be read to its end: {error}");
                return false;
            }
        };
        let octets = buffer.get(..count).unwrap_or_default();
        if first && let Some((_, program)) = PACKED.iter().find(|(start, _)| octets.starts_with(start)) {
            let _ = writeln!(err, "trunkline: the file is packed: {program} FILE | trunkline decode mrt");
            return false;
        }
        first = false;
        records.push(octets);
        for record in records.by_ref() {
            match record {
                Ok(record) => good &= tell(&record, &mut peers, out, err),
                Err(error) => {
                    good = false;
                    refuse_record(error, out, err);
                }
            }
        }
        if count == 0 {
            break;
        }
    }
    if let Err(error) = records.finish() {
        good = false;
        refuse_record(error, out, err);
    }
    good
}

fn refuse_record(error: RecordError, out: &mut dyn Write, err: &mut dyn Write) {
    let place = json!({ "record_offset": error.record_offset });
    let what = format!("record at octet {} of the file", error.record_offset);
    refuse(out, err, place, &what, error.error, &error.error.to_string());
}

/// One record; returns whether what is in it is well-formed too.
fn tell(record: &Record, peers: &mut Option<PeerIndexTable>, out: &mut dyn Write, err: &mut dyn Write) -> bool {
    let microseconds = record.time.microseconds.unwrap_or(0);
    let at = Duration::from_secs(record.time.seconds.into()) + Duration::from_micros(microseconds.into());
    let mut line = Map::new();
    let mut errors = Vec::new();
    let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
    let (kind, subtype) = (record.kind(), record.subtype());
    put("time", json!(timestamp(at)));
    put("type", kind.name().map_or(json!(kind.0), |name| json!(name)));
    put("subtype", kind.subtype_name(subtype).map_or(json!(subtype), |name| json!(name)));
    match &record.body {
        Body::PeerIndexTable(table) => {
            put("collector", json!(table.collector.to_string()));
            put("view", json!(String::from_utf8_lossy(&table.view)));
            let rows = table.peers.iter().map(|peer| {
                json!({ "bgp_identifier": peer.router_id.to_string(), "address": peer.address, "asn": peer.asn })
            });
            put("peers", rows.collect());
            *peers = Some(table.clone());
        }
        Body::Rib(rib) => {
            put("sequence", json!(rib.sequence));
            match &rib.nlri {
                RibNlri::Unicast(prefix) | RibNlri::Multicast(prefix) => put("prefix", json!(prefix.to_string())),
                RibNlri::Generic { family, octets } => {
                    put("family", json!(family.to_string()));
                    put("nlri", json!(hex(octets)));
                }
            }
            put("entries", entries(rib, peers.as_ref(), &mut errors));
        }
        Body::TableDump(dump) => {
            put("view", json!(dump.view));
            put("sequence", json!(dump.sequence));
            put("prefix", json!(dump.prefix.to_string()));
            put("originated", json!(dump.originated));
            put("peer", json!(dump.peer));
            put("peer_as", json!(dump.peer_asn));
            for (name, value) in path(&dump.attributes, false, &mut errors) {
                put(&name, value);
            }
        }
        Body::Message(message) => {
            tell_ends(&message.ends, &mut put);
            put("sent", json!(message.sent));
            let as_width = if message.ends.four_octet_as { AsWidthOption::Four } else { AsWidthOption::Two };
            let options = DisplayOptions { as_width, add_path: message.add_path };
            match decode_for_display(&message.octets, options) {
                Ok(report) => put("message", serde_json::to_value(report).unwrap_or_default()),
                Err(error) => {
                    put("message", json!(hex(&message.octets)));
                    errors.push(error);
                }
            }
        }
        Body::StateChange(change) => {
            tell_ends(&change.ends, &mut put);
            put("old_state", json!(change.old.to_string()));
            put("new_state", json!(change.new.to_string()));
        }
        Body::Unknown { octets, .. } => put("octets", json!(hex(octets))),
    }
    let Some(error) = errors.first() else {
        let _ = writeln!(out, "{}", Value::Object(line));
        return true;
    };
    let place = format!("a record of {}", timestamp(at));
    refuse(out, err, Value::Object(line), &place, *error, &error.to_string());
    false
}

fn tell_ends(ends: &Ends, put: &mut impl FnMut(&str, Value)) {
    put("peer", json!(ends.peer));
    put("peer_as", json!(ends.peer_asn));
    put("local", json!(ends.local));
    put("local_as", json!(ends.local_asn));
    put("interface", json!(ends.interface));
}

fn entries(rib: &Rib, peers: Option<&PeerIndexTable>, errors: &mut Vec<DecodeError>) -> Value {
    let rows = rib.entries.iter().map(|entry| {
        let mut row = Map::new();
        row.insert("peer_index".to_owned(), json!(entry.peer));
        // A file without its table of peers, or one that is not in it: then the number has to do.
        if let Some(peer) = peers.and_then(|table| table.peers.get(usize::from(entry.peer))) {
            row.insert("peer".to_owned(), json!(peer.address));
            row.insert("peer_as".to_owned(), json!(peer.asn));
        }
        row.insert("originated".to_owned(), json!(entry.originated));
        if rib.add_path {
            row.insert("path_id".to_owned(), json!(entry.path_id));
        }
        row.extend(path(&entry.attributes, true, errors));
        Value::Object(row)
    });
    rows.collect()
}

/// Next hop and attributes; the octets where they cannot be read.
fn path(octets: &[u8], four_octet_as: bool, errors: &mut Vec<DecodeError>) -> Map<String, Value> {
    let mut row = Map::new();
    match attributes(octets, four_octet_as) {
        Ok(read) => {
            errors.extend(read.errors.iter().map(|error: &AttributeError| error.at).take(1));
            let next_hop = read.next_hop.map(|next_hop: NextHop| next_hop.address());
            row.insert("next_hop".to_owned(), json!(next_hop));
            let path = read.path.map(|path| serde_json::to_value(&*path).unwrap_or_default());
            row.insert("path_attributes".to_owned(), path.unwrap_or(Value::Null));
        }
        Err(error) => {
            row.insert("path_attributes".to_owned(), json!(hex(octets)));
            errors.push(error);
        }
    }
    row
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn run(input: &[u8]) -> (bool, Vec<Value>, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let good = decode_mrt(input, &mut out, &mut err);
        let lines = String::from_utf8(out).unwrap();
        let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (good, objects, String::from_utf8(err).unwrap())
    }

    fn state_change() -> Vec<u8> {
        let ends = Ends {
            peer_asn: bgp::wire::Asn(65_001),
            local_asn: bgp::wire::Asn(65_002),
            interface: 0,
            peer: "192.0.2.1".parse().unwrap(),
            local: "192.0.2.2".parse().unwrap(),
            four_octet_as: true,
        };
        let (old, new) = (bgp::mrt::SessionState::OPEN_CONFIRM, bgp::mrt::SessionState::ESTABLISHED);
        let body = Body::StateChange(bgp::mrt::StateChange { ends, old, new });
        let mut out = BytesMut::new();
        let time = bgp::mrt::Timestamp { seconds: 1_700_000_000, microseconds: Some(5) };
        Record { time, body }.encode(&mut out).unwrap();
        out.to_vec()
    }

    #[test]
    fn a_record_is_a_line_and_a_torn_one_an_error() {
        let whole = state_change();
        let (good, lines, err) = run(&whole);
        assert!(good && err.is_empty(), "{err}");
        let expected = json!({
            "time": "2023-11-14T22:13:20.000005000Z", "type": "BGP4MP_ET", "subtype": "BGP4MP_STATE_CHANGE_AS4",
            "peer": "192.0.2.1", "peer_as": 65_001, "local": "192.0.2.2", "local_as": 65_002, "interface": 0,
            "old_state": "OpenConfirm", "new_state": "Established",
        });
        assert_eq!(lines, [expected]);
        let (good, lines, err) = run(&[&whole[..], &whole[..20]].concat());
        assert!(!good && lines.len() == 2 && err.contains("record at octet 40 of the file"), "{err}");
        assert_eq!(lines[1]["error"]["record_offset"], 40);
    }

    #[test]
    fn a_message_that_is_malformed_is_an_error_of_its_record() {
        let mut octets =
            vec![0x65, 0x53, 0xf1, 0, 0, 16, 0, 1, 0, 0, 0, 35, 0, 1, 0, 2, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2];
        octets.extend([0xff; 16]);
        octets.extend([0, 18, 4]);
        let (good, lines, err) = run(&octets);
        assert!(!good && err.contains("header.length"), "{err}");
        assert_eq!(lines[0]["error"]["field"], "header.length");
        assert_eq!(lines[0]["error"]["peer"], "192.0.2.1");
    }

    #[test]
    fn a_packed_file_says_how_to_unpack_it() {
        let (good, lines, err) = run(&[0x1f, 0x8b, 8, 0]);
        assert!(!good && lines.is_empty() && err.contains("zcat"), "{err}");
    }
}
