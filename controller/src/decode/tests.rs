//! Tests of `trunkline decode` as its users see it, and a sweep over third-party messages.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// Whether all is well, the lines on standard output as JSON, and standard error.
fn run(protocol: Protocol, input: &[u8]) -> (bool, Vec<Value>, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let good = decode(protocol, input, &mut out, &mut err);
    let lines = String::from_utf8(out).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (good, objects, String::from_utf8(err).unwrap())
}

const BGP: Protocol = Protocol::Bgp(BgpOptions { as4: false, as2: false, add_path: false });
const KEEPALIVE: &str = "ffffffffffffffffffffffffffffffff 0013 04";

#[test]
fn messages_one_after_the_other_are_a_line_each() {
    let input = format!("{KEEPALIVE}\n{KEEPALIVE} # and another\nffffffffffffffffffffffffffffffff 0015 03 0602");
    let (good, lines, err) = run(BGP, input.as_bytes());
    assert!(good && err.is_empty(), "{err}");
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["type"], "KEEPALIVE");
    assert_eq!(lines[2]["error_code"], 6);
    assert!(lines.iter().all(|line| line["problems"].is_array()));
}

#[test]
fn a_malformed_message_does_not_hide_those_around_it() {
    let input = format!("{KEEPALIVE} ffffffffffffffffffffffffffffffff 0014 04 00 {KEEPALIVE}");
    let (good, lines, err) = run(BGP, input.as_bytes());
    assert!(!good);
    assert_eq!(lines.len(), 3);
    let error = &lines[1]["error"];
    assert_eq!((error["message"].as_u64(), error["message_offset"].as_u64()), (Some(2), Some(19)));
    assert_eq!(error["offset"], 16);
    assert_eq!(error["field"], "header.length");
    assert_eq!(error["kind"], "bad_length");
    assert_eq!(err, format!("trunkline: message 2, at octet 19 of the input: {}\n", error["text"].as_str().unwrap()));
    assert_eq!(lines[2]["type"], "KEEPALIVE");
}

#[test]
fn where_the_next_message_starts_nobody_knows_after_a_bad_marker_or_length() {
    for bad in [
        "00ffffffffffffffffffffffffffffff 0013 04",
        "ffffffffffffffffffffffffffffffff 0012 04",
        "ffffffffffffffffffffffffffffffff ffff 04",
    ] {
        let (good, lines, _) = run(BGP, format!("{KEEPALIVE} {bad} {KEEPALIVE}").as_bytes());
        assert!(!good, "{bad}");
        assert_eq!(lines.len(), 2, "{bad}");
        assert!(lines[1]["error"].is_object(), "{bad}");
    }
}

#[test]
fn a_message_cut_short_is_an_error_of_that_message() {
    let (good, lines, _) = run(BGP, format!("{KEEPALIVE} ffffffffffffffffffffffffffffffff 0017").as_bytes());
    assert!(!good);
    assert_eq!(lines[0]["type"], "KEEPALIVE");
    assert_eq!(lines[1]["error"]["kind"], "truncated");
}

#[test]
fn no_input_is_an_error() {
    for protocol in [Protocol::Openflow, BGP, Protocol::Lldp] {
        let (good, lines, err) = run(protocol, b"");
        assert!(!good && !err.is_empty(), "{protocol:?}");
        assert!(lines[0]["error"].is_object(), "{protocol:?}");
    }
}

#[test]
fn text_that_is_no_hex_is_an_error_with_its_offset() {
    let (good, lines, err) = run(Protocol::Openflow, b"04 00 hello");
    assert!(!good);
    assert_eq!(lines[0]["error"]["offset"], 6);
    assert_eq!(err, "trunkline: the input is text, and not hex: offset 6: input.hex_digit: 'h' is no hex digit\n");
    assert_eq!(lines[0]["error"]["text"], "offset 6: input.hex_digit: 'h' is no hex digit");
}

proptest! {
    #[test]
    fn no_octets_panic_and_each_line_is_an_object_that_agrees_with_the_status(
        start in proptest::sample::select(vec![&b""[..], b"\x04\x00", b"\x04\x0e", b"\x04\x13", &[0xff; 16], b"\x01\x80\xc2\x00\x00\x0e"]),
        rest in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let input = [start, &rest[..]].concat();
        for protocol in [Protocol::Openflow, BGP, Protocol::Lldp] {
            let (good, lines, err) = run(protocol, &input);
            prop_assert_eq!(good, err.is_empty());
            prop_assert_eq!(good, lines.iter().all(|line| line.is_object() && line.get("error").is_none()));
        }
    }
}

/// The files of a folder of third-party messages, sorted. Nothing where there are no vectors.
fn vectors(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TRUNKLINE_VECTORS") else {
        println!("skipped: TRUNKLINE_VECTORS is not set");
        return None;
    };
    let entries = std::fs::read_dir(Path::new(&root).join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "bin"));
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    Some(files)
}

/// Decodes every file of a folder; those that do not come out as `well_formed` says and are not in `exceptions`, and those that are in
/// `exceptions` and do, are failures.
fn sweep(folder: &str, protocols: &[Protocol], well_formed: bool, exceptions: &[(&str, &str)]) {
    let Some(files) = vectors(folder) else { return };
    let mut failures = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let input = std::fs::read(file).unwrap();
        let results: Vec<_> = protocols.iter().map(|protocol| run(*protocol, &input)).collect();
        let (good, lines, err) = results.iter().find(|(good, ..)| *good).unwrap_or(&results[0]);
        let excepted = exceptions.iter().any(|(exception, _)| *exception == name);
        if (*good == well_formed) == excepted {
            failures.push(format!("{name}: {err}{}", lines.first().map(Value::to_string).unwrap_or_default()));
        }
        // The same octets as text are the same messages.
        let hex: Vec<String> =
            input.chunks(16).map(|line| line.iter().map(|octet| format!("{octet:02x} ")).collect()).collect();
        assert_eq!(run(protocols[0], hex.join("\n").as_bytes()), results[0], "{name}");
    }
    let count = failures.len();
    assert!(failures.is_empty(), "{folder}: {count} of {} are not as expected:\n{}", files.len(), failures.join("\n"));
}

const BGP_READINGS: &[Protocol] = &[BGP, Protocol::Bgp(BgpOptions { as4: false, as2: false, add_path: true })];

#[test]
fn third_party_bgp_messages_decode() {
    sweep("bgp/messages", BGP_READINGS, true, REFUSED_BGP);
}

#[test]
fn malformed_third_party_bgp_messages_are_refused() {
    sweep("bgp/malformed", BGP_READINGS, false, DATA_BGP);
}

#[test]
fn an_openflow_message_without_its_prerequisite_decodes_with_a_problem() {
    // A flow-mod that adds a rule for tcp_dst=80 and says neither eth_type nor ip_proto.
    let hex = "04 0e 0040 00000001 0000000000000000 0000000000000000 00 00 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000 \
               0001 000a 80001c02 0050 000000000000";
    let (good, lines, err) = run(Protocol::Openflow, hex.as_bytes());
    assert!(good, "{err}");
    assert_eq!(lines[0]["type"], "OFPT_FLOW_MOD");
    assert_eq!(lines[0]["problems"][0]["code"], "OFPBMC_BAD_PREREQ", "{}", lines[0]);
}

#[test]
fn the_problems_of_all_protocols_have_the_same_form() {
    // An experimenter message that nobody knows, an OPEN from AS 0, an LLDP frame to a station.
    let open_of_as_0 = "ffffffffffffffffffffffffffffffff 001d 01 04 0000 005a 0a000001 00";
    let to_a_station = "020000000002 020000000001 88cc 0207 04 020000000001 0402 0731 0602 0078 0000";
    for (protocol, input, field, code) in [
        (Protocol::Openflow, "04 04 0010 00000001 00000001 00000000", "experimenter", Some("OFPBRC_BAD_EXPERIMENTER")),
        (BGP, open_of_as_0, "open.my_autonomous_system", None),
        (Protocol::Lldp, to_a_station, "ethernet.destination", None),
    ] {
        let (good, lines, err) = run(protocol, input.as_bytes());
        assert!(good, "{err}");
        let problem = &lines[0]["problems"][0];
        assert_eq!(problem["field"], field, "{problem}");
        assert!(problem["reason"].is_string(), "{problem}");
        assert_eq!(problem.get("code").and_then(Value::as_str), code, "{problem}");
        assert_eq!(problem.as_object().unwrap().len(), 2 + usize::from(code.is_some()), "{problem}");
    }
}

#[test]
fn third_party_openflow_messages_decode() {
    sweep("openflow/messages", &[Protocol::Openflow], true, &[]);
}

#[test]
fn malformed_third_party_openflow_messages_are_refused() {
    sweep("openflow/malformed", &[Protocol::Openflow], false, MEANINGLESS_OPENFLOW);
}

#[test]
fn third_party_lldp_frames_decode() {
    sweep("lldp/frames", &[Protocol::Lldp], true, &[]);
}

#[test]
fn malformed_third_party_lldp_frames_are_refused() {
    sweep("lldp/malformed", &[Protocol::Lldp], false, &[]);
}

#[test]
fn what_decoders_disagree_about_never_panics() {
    let folders = [
        ("openflow/disputed", Protocol::Openflow),
        ("openflow/other-versions", Protocol::Openflow),
        ("openflow/fragments", Protocol::Openflow),
        ("bgp/disputed", BGP),
    ];
    for (folder, protocol) in folders {
        for file in vectors(folder).unwrap_or_default() {
            let (good, lines, _) = run(protocol, &std::fs::read(&file).unwrap());
            assert_eq!(good, lines.iter().all(|line| line.get("error").is_none()), "{}", file.display());
        }
    }
}

/// Well-formed with a band that means nothing to a switch (OFPMMFC_BAD_BAND): decoded, and listed under `problems`.
const MEANINGLESS_OPENFLOW: &[(&str, &str)] = &[
    ("os-ken_4-45-ofp_meter_mod.bin", "a band of an unknown experimenter, in the form of OpenFlow 1.3.5 §7.3.4.4"),
    ("ovs_OFPT_METER_MOD-request-bad-band-OF1.3.bin", "a band of an unknown type, with a length that fits"),
];

/// Messages that dissectors read, though RFC 7606 names an outcome for them, and which.
const REFUSED_BGP: &[(&str, &str)] = &[
    ("BGP_BgpMessageParserFuzzTest-l95_update.bin", "ATOMIC_AGGREGATE flagged optional: §3 c"),
    ("BGP_BgpMessageParserTestData-l555_update.bin", "routes without ORIGIN: §3 d"),
    ("BGP_BgpMessageParserTestData-l594_update.bin", "routes without AS_PATH: §3 d"),
    ("BGP_BgpMessageParserTestData-l630_update.bin", "routes without NEXT_HOP: §3 d"),
    ("bgpcep_inet-up1_update.bin", "MP_REACH_NLRI flagged well-known: §3 c"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0007-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0010-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0118-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0120-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("pmacct_bmp-bmp-multi-sources-route-monitoring-2656-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("pmacct_bmp-bmp-multi-sources-route-monitoring-2952-1_update.bin", "routes without NEXT_HOP: §3 d"),
    ("tcpdump_bgp-aigp-oobr-001_update.bin", "routes without AS_PATH: §3 d"),
    ("tcpdump_bgp-as-path-oobr-016_update.bin", "routes without AS_PATH, whose type was overwritten: §3 d"),
];

/// Malformed only inside the routes of a family that is not decoded, which are data.
const DATA_BGP: &[(&str, &str)] = &[
    ("tcpdump_bgp-as-path-oobr-002_update.bin", "VPN routes"),
    ("tcpdump_bgp-as-path-oobr-012_update.bin", "routes of an unknown family"),
    ("tcpdump_bgp-as-path-oobr-152_update.bin", "VPN routes"),
    ("tcpdump_bgp-as-path-oobr-312_update.bin", "VPN routes"),
];

#[test]
fn openflow_messages_print_as_text_one_line_each_with_their_problems() {
    let hex = "04 14 0008 00000007 \
               04 0e 0040 00000001 0000000000000000 0000000000000000 00 00 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000 \
               0001 000a 80001c02 0050 000000000000";
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert!(decode(Protocol::OpenflowText, hex.as_bytes(), &mut out, &mut err));
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x7):");
    assert!(
        lines[1].starts_with("OFPT_FLOW_MOD (OF1.3) (xid=0x1): ADD tp_dst=80 actions=drop ***problem: "),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains("OFPBMC_BAD_PREREQ") && lines.len() == 2, "{text}");
}

#[test]
fn a_capture_is_a_line_per_message_with_time_connection_and_sender() {
    let folder = std::env::temp_dir().join(format!("trunkline-decode-{}", std::process::id()));
    let recorder = crate::io::record::Recorder::start(&folder, &crate::core::CoreConfig::default()).unwrap();
    let ends = ("192.0.2.1:6653".parse().unwrap(), "192.0.2.7:40000".parse().unwrap());
    let at = |seconds| net::Time::ZERO + std::time::Duration::from_secs(seconds);
    let tap = recorder.open(at(1), 1, Some(ends));
    tap.received(at(2), &[4, 0, 0, 8, 0, 0, 0, 7]);
    tap.sent(at(3), &[4, 5, 0, 8, 0, 0, 0, 8]);
    tap.received(at(4), &[4, 6, 0, 8, 0, 0, 0, 8]);
    tap.closed(at(5));
    drop(recorder);
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let (good, lines, err) = run(Protocol::Openflow, &std::fs::read(file).unwrap());
    std::fs::remove_dir_all(folder).unwrap();
    assert!(!good && err.contains("message 3: "), "{err}");
    let [opened, hello, request, malformed, closed] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&opened["event"], &opened["switch"]), (&json!("opened"), &json!("192.0.2.7:40000")));
    assert_eq!(
        (&hello["from"], &hello["type"], &hello["connection"]),
        (&json!("switch"), &json!("OFPT_HELLO"), &json!(1))
    );
    assert_eq!((&request["from"], &request["xid"]), (&json!("controller"), &json!(8)));
    assert_eq!((&malformed["error"]["message"], &malformed["error"]["from"]), (&json!(3), &json!("switch")));
    assert_eq!(closed["event"], "closed");
    let times: Vec<&str> = lines.iter().filter_map(|line| line["time"].as_str()).collect();
    assert!(times.len() == 4 && times.is_sorted() && times.iter().all(|time| time.ends_with('Z')), "{times:?}");
}
