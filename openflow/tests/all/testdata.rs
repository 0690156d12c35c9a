//! The messages in `testdata/`: hex with its meaning and where it comes from, and beside it the JSON that it decodes to. Both
//! directions. `UPDATE_EXPECT=1` writes the JSON anew.

#![cfg(feature = "serde")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use openflow::{Message, decode_for_display};

fn octets(text: &str) -> Bytes {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect()
}

fn vectors() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn every_vector_decodes_to_its_json_and_encodes_to_its_octets() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for path in vectors() {
        let name = path.display();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("# Provenance: "), "{name}");
        let frame = octets(&text);
        let report = decode_for_display(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
        let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
        let expected = path.with_extension("json");
        if update {
            std::fs::write(&expected, &json).unwrap();
        }
        assert_eq!(json, std::fs::read_to_string(&expected).unwrap(), "{name}");
        let mut out = BytesMut::new();
        report.message.encode(report.xid, &mut out).unwrap();
        assert_eq!(out, frame, "{name}");
        assert_eq!(Message::decode(&frame), Ok((report.xid, report.message)), "{name}");
    }
}

/// The types of messages and of multiparts as OpenFlow 1.3.5 numbers them, without those of the vectors.
#[test]
fn every_type_of_message_and_of_multipart_has_a_vector() {
    let mut missing: BTreeSet<String> = (0..=29).map(|number| format!("type {number}")).collect();
    let multiparts = || (0..=13).chain([0xffff]);
    missing.extend(multiparts().map(|number| format!("multipart request {number}")));
    missing.extend(multiparts().map(|number| format!("multipart reply {number}")));
    for path in vectors() {
        let frame = octets(&std::fs::read_to_string(&path).unwrap());
        missing.remove(&format!("type {}", frame[1]));
        let kind = match frame[1] {
            18 => "request",
            19 => "reply",
            _ => continue,
        };
        missing.remove(&format!("multipart {kind} {}", u16::from_be_bytes([frame[8], frame[9]])));
    }
    assert_eq!(missing, BTreeSet::new());
}
