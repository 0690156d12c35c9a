//! Third-party messages: every one that independent decoders read is read here too, and re-encodes to octets that
//! decode to the same; every malformed one is refused; disputed ones never panic.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bgp::wire::display::{AsWidth, AsWidthOption};
use bgp::wire::{DisplayOptions, EncodeContext, Family, Message, decode_for_display};
use bytes::BytesMut;

fn folder(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("TRUNKLINE_VECTORS") else {
        println!("skipped: TRUNKLINE_VECTORS is not set");
        return None;
    };
    Some(Path::new(&root).join("bgp").join(name))
}

fn messages(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut messages: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    messages.sort();
    assert!(!messages.is_empty(), "{} holds no vectors", folder.display());
    messages
}

/// Messages that dissectors read although RFC 7606 has an outcome for them: which attribute is at fault.
const REFUSED: [(&str, &str); 13] = [
    ("BGP_BgpMessageParserFuzzTest-l95_update.bin", "atomic_aggregate: bad value"), // flags 0x80: §3 c
    ("BGP_BgpMessageParserTestData-l555_update.bin", "origin: missing"),            // §3 d, as all that are missing
    ("BGP_BgpMessageParserTestData-l594_update.bin", "as_path: missing"),
    ("BGP_BgpMessageParserTestData-l630_update.bin", "next_hop: missing"),
    ("bgpcep_inet-up1_update.bin", "mp_reach_nlri: bad value"), // flags 0x40: §3 c
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0007-1_update.bin", "next_hop: missing"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0010-1_update.bin", "next_hop: missing"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0118-1_update.bin", "next_hop: missing"),
    ("pmacct_bmp-205-BMP-6wind-FRR-peer_down-traffic-00-0120-1_update.bin", "next_hop: missing"),
    ("pmacct_bmp-bmp-multi-sources-route-monitoring-2656-1_update.bin", "next_hop: missing"),
    ("pmacct_bmp-bmp-multi-sources-route-monitoring-2952-1_update.bin", "next_hop: missing"),
    ("tcpdump_bgp-aigp-oobr-001_update.bin", "as_path: missing"), // its type octet was fuzzed to 171
    ("tcpdump_bgp-as-path-oobr-016_update.bin", "as_path: missing"), // and this to 88
];

/// Malformed inside the NLRI of a family that is not decoded: data here.
const DATA: [&str; 4] = [
    "tcpdump_bgp-as-path-oobr-002_update.bin",
    "tcpdump_bgp-as-path-oobr-012_update.bin",
    "tcpdump_bgp-as-path-oobr-152_update.bin",
    "tcpdump_bgp-as-path-oobr-312_update.bin",
];

#[test]
fn every_valid_message_decodes_and_reencodes_stably() {
    let Some(folder) = folder("messages") else { return };
    let (mut failures, mut identical, mut normalised) = (Vec::new(), 0, Vec::new());
    for (name, octets) in messages(&folder) {
        let plain = DisplayOptions::default();
        let (report, add_path) = match decode_for_display(&octets, plain) {
            Ok(report) => (Ok(report), false),
            Err(error) => {
                (decode_for_display(&octets, DisplayOptions { add_path: true, ..plain }).map_err(|_| error), true)
            }
        };
        if let Some((_, fault)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            match report {
                Err(error) if error.to_string().contains(fault) => {}
                other => failures.push(format!("{name}: {other:?} where {fault} was expected")),
            }
            continue;
        }
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let unicast = BTreeSet::from([Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
        let context = EncodeContext {
            four_octet_as: report.as_width != Some(AsWidth::Two),
            message_limit: 65535,
            add_path: if add_path { unicast } else { BTreeSet::new() },
        };
        let mut out = BytesMut::new();
        report.message.encode(&context, &mut out).unwrap();
        if out == octets {
            identical += 1;
        } else if out == canonical(&octets) {
            normalised.push(name.clone());
        } else {
            failures.push(format!("{name}: {octets:02x?}\nre-encoded as\n{out:02x?}", out = out.to_vec()));
        }
        let as_width = if context.four_octet_as { AsWidthOption::Four } else { AsWidthOption::Two };
        match decode_for_display(&out, DisplayOptions { as_width, add_path }) {
            Ok(again) if again.message == report.message => {}
            other => failures.push(format!("{name}: re-encoded gives {other:?} not {:?}", report.message)),
        }
    }
    println!("{identical} re-encode identically, {} in canonical order and form", normalised.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// The sender's message in our form: multiprotocol attributes first, the others in ascending order of type, no extended
/// length where it is not needed (unknown attributes keep theirs), no unused flag bits.
fn canonical(octets: &[u8]) -> Vec<u8> {
    if octets[18] != 2 {
        return octets.to_vec();
    }
    let number = |at: usize| usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]));
    let attributes_at = 21 + number(19) + 2;
    let end = attributes_at + number(attributes_at - 2);
    let mut attributes = Vec::new();
    let mut at = attributes_at;
    while at < end {
        let (flags, kind) = (octets[at], octets[at + 1]);
        let (head, length) = if flags & 0x10 != 0 { (4, number(at + 2)) } else { (3, usize::from(octets[at + 2])) };
        let value = octets[at + head..at + head + length].to_vec();
        let rank = match kind {
            14 => 0,
            15 => 1,
            kind => u16::from(kind) + 1,
        };
        attributes.push((rank, flags, kind, value));
        at += head + length;
    }
    attributes.sort_by_key(|(rank, ..)| *rank);
    let mut out = octets[..attributes_at].to_vec();
    for (_, flags, kind, mut value) in attributes {
        let typed = matches!(kind, 1..=10 | 14..=18 | 32 | 35);
        if kind == 14 {
            // RFC 4760 §3: the reserved octet, once a count of SNPAs.
            let reserved = 4 + usize::from(value[3]);
            value[reserved] = 0;
        }
        if kind == 32 {
            // RFC 8092 §3: each community once.
            let mut seen = BTreeSet::new();
            value = value.chunks(12).filter(|community| seen.insert(*community)).flatten().copied().collect();
        }
        let extended = value.len() > 255 || !typed && flags & 0x10 != 0;
        let flags = if typed { flags & 0xe0 } else { flags & 0xef };
        out.push(flags | if extended { 0x10 } else { 0 });
        out.push(kind);
        if extended {
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        } else {
            out.push(value.len() as u8);
        }
        out.extend_from_slice(&value);
    }
    let length = (out.len() - attributes_at) as u16;
    out[attributes_at - 2..attributes_at].copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&octets[end..]);
    let length = out.len() as u16;
    out[16..18].copy_from_slice(&length.to_be_bytes());
    out
}

#[test]
fn every_malformed_message_is_refused() {
    let Some(folder) = folder("malformed") else { return };
    let mut read = Vec::new();
    for (name, octets) in messages(&folder) {
        for add_path in [false, true] {
            let report = decode_for_display(&octets, DisplayOptions { add_path, ..DisplayOptions::default() });
            if report.is_ok() != DATA.contains(&name.as_str()) {
                read.push(format!("{name} (add-path {add_path}): {report:?}"));
            }
        }
    }
    assert!(read.is_empty(), "{}", read.join("\n"));
}

#[test]
fn disputed_messages_never_panic() {
    let Some(folder) = folder("disputed") else { return };
    for (name, octets) in messages(&folder) {
        for add_path in [false, true] {
            let report = decode_for_display(&octets, DisplayOptions { add_path, ..DisplayOptions::default() });
            let _message: Option<Message> = report.ok().map(|report| report.message);
        }
        assert!(!name.is_empty());
    }
}

/// Our JSON of a message beside what another dissector says of it.
#[cfg(feature = "serde")]
mod agreement {
    use super::*;
    use serde_json::Value;
    use std::net::Ipv6Addr;

    /// All values of `key` below `value`, in order.
    fn collect(value: &Value, key: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == key => found.push(text.clone()),
                        Value::Array(texts) if name == key => {
                            found.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
                            texts.iter().filter(|text| !text.is_string()).for_each(|text| collect(text, key, found));
                        }
                        _ => collect(value, key, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, key, found)),
            _ => {}
        }
    }

    fn theirs(value: &Value, keys: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        keys.iter().for_each(|key| collect(value, key, &mut found));
        found
    }

    fn numbers(values: &[String]) -> Vec<u64> {
        let parse = |text: &String| match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        values.iter().filter_map(parse).collect()
    }

    /// The dissector writes prefixes without their length, and out of order where it groups them: compared as a sorted
    /// list.
    fn sorted(mut values: Vec<String>) -> Vec<String> {
        values.iter_mut().for_each(|value| {
            if let Ok(address) = value.parse::<Ipv6Addr>() {
                *value = address.to_string();
            }
        });
        values.sort();
        values.dedup();
        values
    }

    #[test]
    fn tshark_reads_the_same_fields() {
        let Some(folder) = folder("messages") else { return };
        let (mut compared, mut different) = (0, Vec::new());
        for (name, octets) in messages(&folder) {
            let text = std::fs::read_to_string(folder.join(&name).with_extension("json")).unwrap();
            let expect: Value = serde_json::from_str(&text).unwrap();
            let Some(dissection) = expect["expect"].get("tshark-4.0.17") else { continue };
            let Ok(report) = decode_for_display(&octets, DisplayOptions::default()) else { continue };
            let mut check = |what: &str, ours: Vec<String>, theirs: Vec<String>| {
                compared += 1;
                if ours != theirs {
                    different.push(format!("{name}: {what}: ours {ours:?}, tshark {theirs:?}"));
                }
            };
            let texts = |values: Vec<u64>| -> Vec<String> { values.iter().map(u64::to_string).collect() };
            let theirs_numbers = |keys: &[&str]| texts(numbers(&theirs(dissection, keys)));
            match &report.message {
                Message::Open(open) => {
                    check("asn", vec![open.my_autonomous_system.to_string()], theirs_numbers(&["bgp.open.myas"]));
                    check("hold time", vec![open.hold_time.to_string()], theirs_numbers(&["bgp.open.holdtime"]));
                    let identifier = open.bgp_identifier.to_string();
                    check("identifier", vec![identifier], theirs(dissection, &["bgp.open.identifier"]));
                    let codes = open.capabilities().map(|capability| capability.code().0.to_string()).collect();
                    check("capabilities", codes, theirs_numbers(&["bgp.cap.type"]));
                }
                Message::Update(update) => {
                    if let Some(path) = &update.attributes {
                        let width = |key| theirs_numbers(&[key]);
                        let (two, four) = (
                            width("bgp.update.path_attribute.as_path_segment.as2"),
                            width("bgp.update.path_attribute.as_path_segment.as4"),
                        );
                        // It guesses the width; where it guesses otherwise there is nothing to compare.
                        let guess = if report.as_width == Some(AsWidth::Two) { two } else { four };
                        if !guess.is_empty() {
                            check("as_path", path.as_path.asns().map(|asn| asn.to_string()).collect(), guess);
                        }
                        let prefix = "bgp.update.path_attribute.";
                        let origin = theirs_numbers(&[&format!("{prefix}origin")]);
                        check("origin", vec![(path.origin as u8).to_string()], origin);
                        let number = |value: Option<u32>| value.map(|value| value.to_string()).into_iter().collect();
                        let med = theirs_numbers(&[&format!("{prefix}multi_exit_disc")]);
                        check("multi_exit_disc", number(path.med), med);
                        let local_pref = theirs_numbers(&[&format!("{prefix}local_pref")]);
                        check("local_pref", number(path.local_pref), local_pref);
                        let next_hop = path.next_hop.map(|next_hop| next_hop.to_string()).into_iter().collect();
                        check("next_hop", next_hop, theirs(dissection, &[&format!("{prefix}next_hop")]));
                        // It lists those of AS 0 and 65535 apart.
                        let ordinary = 0x0001_0000..0xffff_0000;
                        let communities = path.communities.iter().filter(|community| ordinary.contains(&community.0));
                        let communities = communities.map(|community| (community.0 & 0xffff).to_string()).collect();
                        let value = theirs_numbers(&[&format!("{prefix}community_value")]);
                        check("communities", communities, value);
                        let large = path.large_communities.iter().map(|large| large.to_string()).collect();
                        let [global, first, second] = ["ga", "ldp1", "ldp2"]
                            .map(|key| theirs_numbers(&[&format!("bgp.large_communities.{key}")]));
                        // It lists all that are there; of equal ones we keep one (RFC 8092 §3).
                        let mut seen = BTreeSet::new();
                        let parts = global.iter().zip(first).zip(second);
                        let communities = parts.map(|((global, first), second)| format!("{global}:{first}:{second}"));
                        let communities = communities.filter(|community| seen.insert(community.clone())).collect();
                        check("large_community", large, communities);
                    }
                    let address = |nlri: &bgp::wire::Nlri| nlri.prefix.addr().to_string();
                    let nlri = update.nlri.iter().map(address).collect();
                    check("nlri", sorted(nlri), sorted(theirs(dissection, &["bgp.nlri_prefix"])));
                    let withdrawn = update.withdrawn.iter().map(address).collect();
                    let prefixes = theirs(dissection, &["bgp.withdrawn_prefix"]);
                    check("withdrawn_routes", sorted(withdrawn), sorted(prefixes));
                    if let Some(bgp::wire::MpReach { nlri: bgp::wire::MpNlri::Unicast(nlri), .. }) = &update.mp_reach {
                        let keys = ["bgp.mp_reach_nlri_ipv6_prefix", "bgp.mp_reach_nlri_ipv4_prefix"];
                        let nlri = nlri.iter().map(address).collect();
                        check("mp_reach_nlri", sorted(nlri), sorted(theirs(dissection, &keys)));
                    }
                    if let Some(bgp::wire::MpUnreach { nlri: bgp::wire::MpNlri::Unicast(nlri), .. }) =
                        &update.mp_unreach
                    {
                        let keys = ["bgp.mp_unreach_nlri_ipv6_prefix", "bgp.mp_unreach_nlri_ipv4_prefix"];
                        let nlri = nlri.iter().map(address).collect();
                        check("mp_unreach_nlri", sorted(nlri), sorted(theirs(dissection, &keys)));
                    }
                }
                Message::Notification(notification) => {
                    let code = theirs_numbers(&["bgp.notify.major_error"]);
                    check("error_code", vec![notification.error_code.0.to_string()], code);
                }
                Message::Keepalive | Message::RouteRefresh(_) => {}
            }
            assert!(serde_json::to_string(&report).unwrap().starts_with("{\"type\":"), "{name}");
        }
        println!("{compared} fields compared");
        assert!(different.is_empty(), "{} of {compared}:\n{}", different.len(), different.join("\n"));
    }
}
