//! JSON has the specification's names: os-ken's decoder takes the names of its fields from the same structures, so what it says of the
//! vectors is looked for under the same names.

use std::collections::BTreeMap;
use std::path::Path;

use openflow::decode_for_display;
use serde_json::Value;

use super::files;

/// What stands in JSON otherwise than in os-ken's objects, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("length", "lengths are the encoder's business"),
    ("len", "the same"),
    ("actions_len", "the same"),
    ("type", "names instead of numbers"),
    ("code", "the same"),
    ("oxm_fields", "fields of a match are keys"),
    ("field", "the same"),
    ("value", "and their values stand behind them"),
    ("mask", "behind a slash"),
    ("hasmask", "the same, in lists of fields"),
    ("exp_id", "an experimenter's field is named with its experimenter"),
    ("body", "a body that is there once is no list"),
    ("data", "base64 there, hex here"),
    ("versions", "hello elements hold a bitmap"),
    ("table_ids", "of the properties that name tables"),
    ("exp_type", "a name where it has one"),
    ("experimenter", "the same"),
    ("subtype", "a name, or hex of an action that nobody knows"),
];

/// Messages and actions of Nicira's, which no specification names.
const EXTENSIONS: &[&str] = &[
    "buffer_id",
    "continuation",
    "cookie",
    "metadata",
    "total_len",
    "userdata",
    "zone_ofs_nbits",
    "zone_src",
    "recirc_table",
    "start",
    "end",
    "range_ipv4_max",
    "range_ipv4_min",
    "range_ipv6_max",
    "range_ipv6_min",
    "range_proto_max",
    "range_proto_min",
    "table_id",
];

/// All numbers below, by the name that they stand under; a name with a list of nothing, too.
fn numbers<'a>(value: &'a Value, name: &'a str, found: &mut BTreeMap<&'a str, Vec<Option<u64>>>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| numbers(value, name, found)),
        Value::Array(list) => {
            found.entry(name).or_default();
            list.iter().for_each(|value| numbers(value, name, found));
        }
        _ => found.entry(name).or_default().push(value.as_u64()),
    }
}

#[test]
fn numbers_stand_under_the_names_that_another_decoder_gives_them() {
    let (mut messages, mut compared) = (0, 0);
    for (file, frame) in files("messages") {
        let root = std::env::var_os("TRUNKLINE_VECTORS").unwrap();
        let path = Path::new(&root).join("openflow/messages").join(&file).with_extension("json");
        let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let theirs = &json["expect"]["os-ken-2.5.0"];
        if theirs.is_null() {
            continue;
        }
        messages += 1;
        let report = decode_for_display(&frame).unwrap_or_else(|error| panic!("{file}: {error}"));
        let ours = serde_json::to_value(&report).unwrap();
        let experimental = frame.windows(4).any(|octets| octets == [0, 0, 0x23, 0x20]) || frame[1] == 4;
        let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
        numbers(theirs, "", &mut expected);
        numbers(&ours, "", &mut found);
        for (name, values) in expected {
            if OTHERWISE.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let Some(ours) = found.get(name) else {
                assert!(experimental && EXTENSIONS.contains(&name), "{file}: no {name:?} in {ours}");
                continue;
            };
            // A name, an address or hex where the number means one of these.
            if (experimental && EXTENSIONS.contains(&name)) || ours.contains(&None) || values.contains(&None) {
                continue;
            }
            let mut rest = ours.clone();
            for value in values.iter().filter(|_| !ours.is_empty()) {
                let place = rest.iter().position(|other| other == value);
                let place = place.unwrap_or_else(|| panic!("{file}: {name:?}: {value:?} is not in {ours:?}"));
                rest.remove(place);
                compared += 1;
            }
        }
    }
    println!("{compared} numbers of {messages} messages compared");
    assert!(std::env::var_os("TRUNKLINE_VECTORS").is_none() || compared > 1000, "{compared}");
}
