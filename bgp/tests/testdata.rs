//! The messages in `testdata/`: hex and what it means. Each decodes to the JSON beside it and encodes back to the same
//! octets, or says why not. `UPDATE_EXPECT=1` writes the JSON anew.
#![cfg(feature = "serde")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bgp::wire::display::{AsWidth, AsWidthOption};
use bgp::wire::{DisplayOptions, EncodeContext, Family, decode_for_display};
use bytes::BytesMut;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    files
}

fn octets(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u8> = lines.flat_map(str::bytes).filter(|byte| !byte.is_ascii_whitespace()).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

#[test]
fn every_file_decodes_to_its_json_and_encodes_back() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\n# Provenance: "), "{} does not say where it is from", path.display());
        let add_path = text.contains("\n# Read: add-path");
        let octets = octets(&text);
        let options = DisplayOptions { as_width: AsWidthOption::Auto, add_path };
        let report = decode_for_display(&octets, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(report.as_width == Some(AsWidth::Two), text.contains("\n# Read: two-octet"), "{}", path.display());

        let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
        let expected = path.with_extension("json");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &json).unwrap();
        }
        assert_eq!(json, std::fs::read_to_string(&expected).unwrap(), "{}", expected.display());

        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let context = EncodeContext {
            four_octet_as: report.as_width != Some(AsWidth::Two),
            add_path: families.into_iter().filter(|_| add_path).collect::<BTreeSet<_>>(),
            ..EncodeContext::default()
        };
        let mut out = BytesMut::new();
        report.message.encode(&context, &mut out).unwrap();
        // Some senders' octets are not the ones we would have sent; the file says why.
        assert_eq!(out == octets, !text.contains("\n# Normalised: "), "{}: {out:02x?}", path.display());
        let as_width = if context.four_octet_as { AsWidthOption::Four } else { AsWidthOption::Two };
        let again = decode_for_display(&out, DisplayOptions { as_width, add_path });
        assert_eq!(again, Ok(report), "{}", path.display());
    }
}
