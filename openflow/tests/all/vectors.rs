//! Octets that other projects, real switches and fuzzers wrote. The environment variable TRUNKLINE_VECTORS names their folder;
//! without it these tests are skipped and say so.

#[cfg(feature = "serde")]
mod names;

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use openflow::display::Line;
use openflow::{Message, MultipartType, decode_for_display};

/// The files `*.bin` of one folder, or nothing when there is no folder of vectors.
fn files(folder: &str) -> Vec<(String, Bytes)> {
    let Some(root) = std::env::var_os("TRUNKLINE_VECTORS") else {
        println!("skipped: TRUNKLINE_VECTORS is not set");
        return Vec::new();
    };
    let directory = Path::new(&root).join("openflow").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no vectors", directory.display());
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, Bytes::from(std::fs::read(path).unwrap()))
        })
        .collect()
}

fn verdict(folder: &str, name: &str) -> String {
    let root = std::env::var_os("TRUNKLINE_VECTORS").unwrap();
    let path = Path::new(&root).join("openflow").join(folder).join(name).with_extension("json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    format!("{}: {}", json["verdict"].as_str().unwrap_or_default(), json["why"].as_str().unwrap_or_default())
}

fn encode(xid: u32, message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out
}

/// No sender among the vectors writes anything but zero into padding, so there is no list of exceptions.
#[test]
fn every_message_is_encoded_as_it_was_decoded() {
    for (name, frame) in files("messages") {
        let (xid, message) = Message::decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(encode(xid, &message), frame, "{name}: {message:?}");
    }
}

/// What Open vSwitch refuses although the structure reads has problems here, too.
#[test]
fn semantic_errors_are_problems_and_no_decode_errors() {
    for (name, frame) in files("messages") {
        let verdict = verdict("messages", &name);
        if !verdict.starts_with("semantic") {
            continue;
        }
        let report = decode_for_display(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {verdict}: {:?}", report.problems);
        assert!(!report.problems.is_empty(), "{name}: {verdict}");
    }
}

/// Two of them are well-formed by the letter of the specification and carry bands that a switch refuses: those are problems.
#[test]
fn malformed_messages_are_refused() {
    let refused_by_meaning = ["os-ken_4-45-ofp_meter_mod.bin", "ovs_OFPT_METER_MOD-request-bad-band-OF1.3.bin"];
    for (name, frame) in files("malformed") {
        match decode_for_display(&frame) {
            Err(error) => println!("{name}: {error}"),
            Ok(report) => {
                assert!(refused_by_meaning.contains(&name.as_str()), "{name}: {report:?}");
                assert!(!report.problems.is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn disputed_messages_never_panic_and_survive_if_they_decode() {
    for (name, frame) in files("disputed") {
        if let Ok((xid, message)) = Message::decode(&frame) {
            assert_eq!(encode(xid, &message), frame, "{name}");
        }
    }
}

#[test]
fn other_versions_are_refused_but_for_hello_and_error() {
    for (name, frame) in files("other-versions") {
        let negotiation = frame[1] <= 1;
        match Message::decode(&frame) {
            Ok(_) => assert!(negotiation, "{name}"),
            Err(error) if negotiation => panic!("{name}: {error}"),
            Err(error) => {
                assert!(error.to_string().contains("bad version") || error.field == "body", "{name}: {error}")
            }
        }
    }
}

/// A fragment's kind is clear from where it comes: an action goes into a packet-out, an instruction or a match into a flow-mod.
#[test]
fn fragments_decode_inside_a_message() {
    for (name, fragment) in files("fragments") {
        let frame = if name.starts_with("pio_action") {
            packet_out(&fragment)
        } else if name.starts_with("pio_instruction") {
            flow_mod(&[0, 1, 0, 4, 0, 0, 0, 0], &fragment)
        } else if name.starts_with("pio_oxm") {
            flow_mod(&fragment, &[])
        } else if name.starts_with("ovs_OpenFlow-1.1-instruction") {
            let frame = flow_mod(&[0, 1, 0, 4, 0, 0, 0, 0], &fragment);
            // These hold actions of OpenFlow 1.1, several instructions in an order that has to be refused, or rubbish.
            let _ = Message::decode(&frame);
            continue;
        } else {
            let _ = Message::decode(&packet_out(&fragment));
            continue;
        };
        let (xid, message) = Message::decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(encode(xid, &message), frame, "{name}");
    }
}

fn message(message_type: u8, body: &[&[u8]]) -> Bytes {
    let body = body.concat();
    let mut frame = vec![4, message_type];
    frame.extend_from_slice(&(body.len() as u16 + 8).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1]);
    frame.extend_from_slice(&body);
    Bytes::from(frame)
}

fn packet_out(actions: &[u8]) -> Bytes {
    let length = (actions.len() as u16).to_be_bytes();
    message(13, &[&[0xff; 4], &[0xff, 0xff, 0xff, 0xfd], &length, &[0; 6], actions])
}

fn flow_mod(match_: &[u8], instructions: &[u8]) -> Bytes {
    message(14, &[&[0; 24], &[0xff; 12], &[0; 4], match_, instructions])
}

/// The text that ovs-ofctl 3.1.0 prints of a message, on one line. What it says of a packet's octets is left out.
fn ovs_ofctl(name: &str) -> Option<String> {
    let root = std::env::var_os("TRUNKLINE_VECTORS")?;
    let path = Path::new(&root).join("openflow/messages").join(name).with_extension("json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = json["expect"]["ovs-ofctl-3.1.0"].as_str()?;
    let packet = ["OFPT_PACKET_IN", "OFPT_PACKET_OUT", "NXT_PACKET_IN2"].iter().any(|name| text.starts_with(name));
    let hex_dump = |line: &&str| line.get(..10).is_some_and(|start| start.ends_with("  ") && start.starts_with("0000"));
    let lines = text.lines().filter(|line| !hex_dump(line)).take(if packet { 1 } else { usize::MAX });
    Some(one_line(&lines.collect::<Vec<&str>>().join(" ")))
}

/// With one space for every run of white space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// Messages that print otherwise than ovs-ofctl prints them, and why.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "os-ken_4-12-ofp_flow_stats_reply_multipart_reply-flow.bin",
        "ovs-ofctl stops at an instruction that stands there twice",
    ),
    ("os-ken_4-32-ofp_group_features_reply_multipart_reply-group_features.bin", "it has no words for copy_ttl"),
    ("os-ken_4-39-ofp_port_status.bin", "it prints no names beyond ASCII"),
    ("os-ken_openflow_flowmod-001_flow_mod.bin", "it does not print out_group"),
    ("ovs_OFPT_FEATURES_REPLY-with-auxiliary_id-OF1.3.bin", "it does not print unknown capabilities"),
    ("ovs_OFPT_QUEUE_GET_CONFIG_REPLY-OF1.3.bin", "it sorts queues"),
    ("ovs_ovs-3.1.0_ovs-ofctl-0731_multipart_request-flow.bin", "it does not print the cookie of a question"),
];

/// The ports of a list, in order of their text: each begins with the word before its address.
fn by_port(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut ports = vec![String::new()];
    for (index, word) in words.iter().enumerate() {
        if words.get(index + 1).is_some_and(|next| next.starts_with("addr:")) {
            ports.push(String::new());
        }
        let port = ports.last_mut().unwrap();
        *port = format!("{port} {word}");
    }
    ports.sort_unstable();
    ports
}

/// Codes for which ovs-ofctl has a name of another version of OpenFlow: ours is the one of 1.3.
const ERRORS_OTHERWISE: &[(&str, &str)] = &[
    ("OFPBAC_BAD_EXP_TYPE", "OFPBAC_BAD_VENDOR_TYPE"),
    ("OFPBRC_BAD_MULTIPART", "OFPBRC_BAD_STAT"),
    ("OFPBRC_IS_SLAVE", "OFPBRC_IS_SECONDARY"),
    ("OFPTFFC_BAD_ARGUMENT", "OFPBPC_BAD_VALUE"),
    ("OFPTFFC_BAD_LEN", "OFPBPC_BAD_LEN"),
];

/// Version, number, type and code of an error. What we say of the message at fault is its header alone.
fn up_to_code(line: &str) -> String {
    let words = line.split_whitespace().take(4);
    let name = |word| ERRORS_OTHERWISE.iter().find(|(ours, _)| *ours == word).map_or(word, |(_, theirs)| *theirs);
    words.map(name).collect::<Vec<_>>().join(" ")
}

/// Everything but what prints otherwise on purpose: of errors the message at fault (by its header), tables (no ditto, properties by
/// name), asynchronous messages (no types that 1.3 has not) and experimenters' messages that are not known. Ports stand in the order in
/// which they came.
#[test]
fn messages_print_as_ovs_ofctl_prints_them() {
    let (mut compared, mut otherwise) = (0, 0);
    for (name, frame) in files("messages") {
        let Some(expected) = ovs_ofctl(&name) else { continue };
        let (xid, message) = Message::decode(&frame).unwrap();
        let body = match &message {
            Message::Error(_) => {
                // An experimenter's error is not read by ovs-ofctl.
                if !expected.contains("***decode error") {
                    let line = Line { xid, message: &message }.to_string();
                    assert_eq!(up_to_code(&line), up_to_code(&expected), "{name}");
                    compared += 1;
                }
                continue;
            }
            Message::GetAsyncReply(_) | Message::SetAsync(_) | Message::Experimenter(_) => continue,
            Message::MultipartReply(reply) => reply.body.multipart_type(),
            Message::MultipartRequest(request) => request.body.multipart_type(),
            _ => MultipartType::DESC,
        };
        let other = [
            MultipartType::TABLE,
            MultipartType::TABLE_FEATURES,
            MultipartType::PORT_DESC,
            MultipartType::EXPERIMENTER,
        ];
        if body == MultipartType::PORT_DESC {
            // ovs-ofctl sorts by number.
            let line = one_line(&Line { xid, message: &message }.to_string().replace("; ", " "));
            assert_eq!(by_port(&line), by_port(&expected), "{name}");
            compared += 1;
            continue;
        }
        if other.contains(&body) && matches!(message, Message::MultipartReply(_) | Message::MultipartRequest(_)) {
            continue;
        }
        let line = one_line(&Line { xid, message: &message }.to_string().replace("; ", " "));
        // What ovs-ofctl refuses, we print as far as it can be read.
        if expected.contains("***decode error") && !OTHERWISE.iter().any(|(known, _)| *known == name) {
            continue;
        }
        match OTHERWISE.iter().find(|(known, _)| *known == name) {
            Some((_, why)) => {
                assert_ne!(line, expected, "{name}: {why}: that is over");
                otherwise += 1;
            }
            None => {
                assert_eq!(line, expected, "{name}");
                compared += 1;
            }
        }
    }
    println!("{compared} lines compared, {otherwise} otherwise");
    assert!(std::env::var_os("TRUNKLINE_VECTORS").is_none() || compared > 150, "{compared}");
}
