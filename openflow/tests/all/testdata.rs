//! The messages in `testdata/`: hex with its meaning and where it comes from, and beside it the JSON that it decodes to. Both
//! directions. `UPDATE_EXPECT=1` writes the JSON anew.

#![cfg(feature = "serde")]

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
