//! Frames of real devices and made-up ones, both directions.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Chassis "02:00:00:00:00:01" by MAC, port "1" locally assigned, 120 s; then `tlvs`.
fn lldpdu(tlvs: &str) -> Vec<u8> {
    unhex(&format!("0207 04 020000000001  0402 07 31  0602 0078  {tlvs}"))
}

fn error(octets: &[u8]) -> String {
    Lldpdu::parse(octets).unwrap_err().to_string()
}

#[test]
fn the_mandatory_tlvs_alone_are_a_data_unit() {
    let parsed = Lldpdu::parse(&lldpdu("0000")).unwrap();
    assert_eq!(parsed.chassis_id.to_text(), "02:00:00:00:00:01");
    assert_eq!((parsed.port_id.to_text().as_str(), parsed.ttl, parsed.tlvs.len()), ("1", 120, 0));
}

#[test]
fn the_mandatory_tlvs_come_first_in_order_and_once() {
    assert_eq!(error(&[]), "offset 0: lldp.chassis_id: missing");
    assert_eq!(error(&unhex("0402 0731")), "offset 0: lldp.chassis_id: bad type 2");
    assert_eq!(error(&unhex("0207 04 020000000001  0602 0078")), "offset 9: lldp.port_id: bad type 3");
    assert_eq!(error(&lldpdu("0207 04 020000000001 0000")), "offset 17: lldp.chassis_id: stands twice");
    assert_eq!(error(&lldpdu("0402 0732 0000")), "offset 17: lldp.port_id: stands twice");
    assert_eq!(error(&lldpdu("0602 0078 0000")), "offset 17: lldp.ttl: stands twice");
}

#[test]
fn a_data_unit_without_end_is_malformed() {
    assert_eq!(error(&lldpdu("")), "offset 17: lldp.end: missing");
    assert_eq!(error(&lldpdu("00")), "offset 17: lldp.tlv: truncated: needs 2 octets, 1 are left");
    assert_eq!(error(&lldpdu("0001 00")), "offset 19: lldp.end: bad length 1");
}

#[test]
fn lengths_that_lie_are_found_where_they_lie() {
    assert_eq!(error(&lldpdu("0a05 6162")), "offset 19: lldp.tlv: truncated: needs 5 octets, 2 are left");
    assert_eq!(error(&lldpdu("0e03 000100")), "offset 19: lldp.system_capabilities: bad length 3");
    assert_eq!(error(&unhex("0202 0402  0402 0731  0602 0078 0000")), "offset 2: lldp.chassis_id: bad length 2");
    assert_eq!(error(&unhex("0201 04")), "offset 2: lldp.chassis_id: bad length 1");
    let truncated = "offset 19: lldp.organizationally_specific.oui: truncated: needs 3 octets, 2 are left";
    assert_eq!(error(&lldpdu("fe02 0012 0000")), truncated);
    assert_eq!(error(&lldpdu("1002 0101 0000")), "offset 19: lldp.management_address.address_length: bad length 1");
    assert_eq!(
        error(&lldpdu("100d 05 01 0a000001 02 00000001 00 ff 0000")),
        "offset 31: lldp.management_address: 1 octets are left over"
    );
}

#[test]
fn what_is_not_known_survives_byte_for_byte() {
    let octets = lldpdu("1402 beef  fe06 001122 07 0102  fe04 001122 00  0000");
    let parsed = Lldpdu::parse(&octets).unwrap();
    let mut out = BytesMut::new();
    parsed.encode(&mut out).unwrap();
    assert_eq!(out, octets);
    assert_eq!(parsed.tlvs.len(), 3);
}

#[test]
fn a_tagged_frame_is_read_with_offsets_from_its_start() {
    let mut octets = unhex("0180c200000e 020000000001 8100 0064 88cc");
    octets.extend(lldpdu("0001 00"));
    assert_eq!(LldpFrame::parse(&octets).unwrap_err().to_string(), "offset 37: lldp.end: bad length 1");
    let mut octets = unhex("0180c200000e 020000000001 8100 0064 0800");
    octets.extend(lldpdu("0000"));
    assert_eq!(LldpFrame::parse(&octets).unwrap_err().to_string(), "offset 16: ethernet.ethertype: bad type 2048");
}

#[test]
fn oddities_are_problems_and_not_errors() {
    let mut octets = unhex("020000000002 010000000001 8100 0064 88cc");
    octets.extend(unhex("0203 08 6162  0402 0931  0602 0000  0a01 ff 0a01 61 1200 0e04 0001 8002 0000 01"));
    let report = decode_for_display(&octets).unwrap();
    assert_eq!(
        report.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "ethernet.destination: 02:00:00:00:00:02 is not a group address of LLDP",
            "ethernet.source: 01:00:00:00:00:01 is not a station's address",
            "ethernet.vlan_tag: LLDP frames are sent untagged",
            "lldp.chassis_id.subtype: 8 is reserved",
            "lldp.port_id.subtype: 9 is reserved",
            "lldp.ttl: 0 says goodbye, yet other TLVs follow",
            "lldp.padding: not zero",
            "lldp.system_name: not UTF-8",
            "lldp.system_name: stands more than once",
            "lldp.tlv.type: 9 is reserved",
            "lldp.enabled_capabilities: a capability is enabled that the system does not have",
            "lldp.system_capabilities: a reserved bit is set",
        ]
    );
    assert_eq!((report.chassis_id.id.as_str(), report.padding_length), ("6162", 1));
}

#[cfg(feature = "serde")]
#[test]
fn a_report_is_json_with_the_standards_names() {
    let mut octets = unhex("0180c200000e 020000000001 88cc");
    octets.extend(lldpdu("0a02 7331 0e04 0014 0004 100c 05 01 0a000001 02 00000001 00 fe06 00120f 04 05dc 0000"));
    let json = serde_json::to_value(decode_for_display(&octets).unwrap()).unwrap();
    let expected = serde_json::json!({
        "destination": "01:80:c2:00:00:0e", "source": "02:00:00:00:00:01", "vlan_tags": [],
        "chassis_id": { "subtype": 4, "subtype_name": "mac_address", "id": "02:00:00:00:00:01" },
        "port_id": { "subtype": 7, "subtype_name": "locally_assigned", "id": "1" },
        "ttl": 120,
        "tlvs": [
            { "type": "system_name", "value": "s1" },
            { "type": "system_capabilities", "system_capabilities": ["mac_bridge", "router"], "enabled_capabilities": ["mac_bridge"] },
            { "type": "management_address", "address_subtype": 1, "address": "10.0.0.1",
              "interface_numbering_subtype": 2, "interface_number": 1, "oid": "" },
            { "type": "organizationally_specific", "oui": "00120f", "subtype": 4, "value": "05dc",
              "meaning": "max frame size 1500" },
        ],
        "padding_length": 0, "problems": [],
    });
    assert_eq!(json, expected);
}

fn meanings(tlvs: &str) -> Vec<String> {
    let unit = Lldpdu::parse(&lldpdu(tlvs)).unwrap();
    unit.organizational().map(|meaning| meaning.map_or_else(|error| error.to_string(), |it| it.to_string())).collect()
}

#[test]
fn what_organizations_say_is_read() {
    let said = meanings(
        "fe06 0080c2 01 0064  fe07 0080c2 02 06 0065  fe0b 0080c2 03 0066 04 6c616220  fe06 0080c2 04 01 88 \
         fe08 0080c2 05 deadbeef  fe06 0080c2 06 0000  fe09 0080c2 07 03 00000007 \
         fe09 00120f 01 03 6c01 001e  fe07 00120f 02 07 01 04  fe09 00120f 03 01 00000000  fe06 00120f 04 05f2 \
         fe06 0012bb 0a 5835  fe05 0012bb 02 ff  fe05 001122 07 ff  0000",
    );
    let expected = [
        "port VLAN 100",
        "port and protocol VLAN 101, supported yes, enabled yes",
        "VLAN 102 named \"lab \"",
        "protocol 88",
        "VID usage digest deadbeef",
        "no management VLAN",
        "link aggregation possible yes, in use yes, port 7",
        "autonegotiation possible yes, on yes, offers 0x6c01, MAU type 30",
        "power source, possible yes, on yes, pairs 1, class 3",
        "link aggregation possible yes, in use no, port 0",
        "max frame size 1522",
        "MED model \"X5\"",
        "MED network policy ff",
        "001122 7 ff",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_organizations_tlv_that_lies_costs_itself_alone_and_says_where() {
    let said = meanings(
        "fe05 0080c2 01 00  fe06 0080c2 01 0fff  fe06 0080c2 03 0000  fe08 0080c2 03 0001 21 61  fe06 00120f 04 05dc \
         fe07 00120f 04 05dc 00  fe06 0080c2 04 05 61  0000",
    );
    let expected = [
        "offset 23: lldp.port_vlan_id: truncated: needs 2 octets, 1 are left",
        "offset 30: lldp.port_vlan_id: bad value 4095",
        "offset 38: lldp.vlan_name.vlan_id: bad value 0",
        "offset 48: lldp.vlan_name.length: bad length 33",
        "max frame size 1500",
        "offset 66: lldp.max_frame_size: 1 octets are left over",
        "offset 74: lldp.protocol_identity: truncated: needs 5 octets, 1 are left",
    ];
    assert_eq!(said, expected);
    let mut octets = unhex("0180c200000e 020000000001 88cc");
    octets.extend(lldpdu("fe06 0080c2 01 0fff 0000"));
    let problems = decode_for_display(&octets).unwrap().problems;
    let said = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said, ["lldp.port_vlan_id: bad value 4095 at offset 23 of the data unit"]);
}

#[test]
fn what_does_not_fit_is_refused_and_not_cut() {
    let long = Bytes::from(vec![b'x'; 508]);
    let parsed = Lldpdu::parse(&lldpdu("0000")).unwrap();
    let value = long.clone();
    let tlvs = vec![Tlv::OrganizationallySpecific { oui: [0; 3], subtype: 0, value }];
    assert!(Lldpdu { tlvs, ..parsed.clone() }.encode(&mut BytesMut::new()).is_err());
    assert!(Lldpdu { tlvs: vec![Tlv::SystemName(long)], ..parsed }.encode(&mut BytesMut::new()).is_err());
}

fn vectors(folder: &str) -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let Some(root) = std::env::var_os("TRUNKLINE_VECTORS") else {
        println!("skipped: TRUNKLINE_VECTORS is not set");
        return None;
    };
    let folder = PathBuf::from(root).join("lldp").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    Some(files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect())
}

#[test]
fn frames_of_real_devices_decode_and_encode_to_the_same_octets() {
    for (path, octets) in vectors("frames").unwrap_or_default() {
        let frame = LldpFrame::parse(&octets).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut out = BytesMut::new();
        frame.encode(&mut out).unwrap();
        assert_eq!(out, octets, "{}", path.display());
        decode_for_display(&octets).unwrap();
        for meaning in frame.lldpdu.organizational() {
            meaning.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

#[test]
fn malformed_frames_are_refused() {
    for (path, octets) in vectors("malformed").unwrap_or_default() {
        assert!(LldpFrame::parse(&octets).is_err(), "{}", path.display());
    }
}

fn bytes(range: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), range).prop_map(Bytes::from)
}

fn any_tlv() -> impl Strategy<Value = Tlv> {
    prop_oneof![
        bytes(0..256).prop_map(Tlv::PortDescription),
        bytes(0..256).prop_map(Tlv::SystemName),
        bytes(0..256).prop_map(Tlv::SystemDescription),
        any::<[u16; 2]>().prop_map(|[system, enabled]| Tlv::SystemCapabilities {
            system: Capabilities(system),
            enabled: Capabilities(enabled)
        }),
        (any::<u8>(), bytes(1..32), any::<u8>(), any::<u32>(), bytes(0..129)).prop_map(
            |(address_subtype, address, interface_numbering_subtype, interface_number, oid)| {
                Tlv::ManagementAddress(ManagementAddress {
                    address_subtype,
                    address,
                    interface_numbering_subtype,
                    interface_number,
                    oid,
                })
            }
        ),
        (any::<[u8; 3]>(), any::<u8>(), bytes(0..508))
            .prop_map(|(oui, subtype, value)| { Tlv::OrganizationallySpecific { oui, subtype, value } }),
        (9u8..127, bytes(0..512)).prop_map(|(tlv_type, value)| Tlv::Reserved { tlv_type, value }),
    ]
}

fn any_id(fixed: [u8; 2]) -> impl Strategy<Value = (u8, Bytes)> {
    (any::<u8>(), bytes(1..256)).prop_filter("ids of fixed length", move |(subtype, _)| !fixed.contains(subtype))
}

fn any_organizational() -> impl Strategy<Value = Organizational> {
    let vlan_id = 0..4095u16;
    let aggregation = any::<(u8, u32)>().prop_map(|(status, port_id)| LinkAggregation { status, port_id });
    prop_oneof![
        vlan_id.clone().prop_map(Organizational::PortVlanId),
        (any::<u8>(), vlan_id.clone())
            .prop_map(|(flags, vlan_id)| Organizational::PortAndProtocolVlanId { flags, vlan_id }),
        (1..4095u16, bytes(0..33)).prop_map(|(vlan_id, name)| Organizational::VlanName { vlan_id, name }),
        bytes(0..256).prop_map(Organizational::ProtocolIdentity),
        any::<u32>().prop_map(Organizational::VidUsageDigest),
        vlan_id.prop_map(Organizational::ManagementVid),
        aggregation.clone().prop_map(Organizational::LinkAggregation),
        any::<(u8, u16, u16)>().prop_map(|(autonegotiation, advertised, mau_type)| Organizational::MacPhy {
            autonegotiation,
            advertised,
            mau_type
        }),
        (any::<[u8; 3]>(), bytes(0..30)).prop_map(|([support, pairs, class], extension)| {
            Organizational::PowerViaMdi { support, pairs, class, extension }
        }),
        aggregation.prop_map(Organizational::LinkAggregation802Dot3),
        any::<u16>().prop_map(Organizational::MaxFrameSize),
        (any::<u8>(), bytes(0..99)).prop_map(|(subtype, value)| Organizational::Med { subtype, value }),
        (any::<u8>(), bytes(0..99)).prop_map(|(subtype, value)| Organizational::Other {
            oui: [0, 0x11, 0x22],
            subtype,
            value
        }),
    ]
}

proptest! {
    #[test]
    fn what_an_organization_says_reads_as_it_was_built(meaning in any_organizational()) {
        let Tlv::OrganizationallySpecific { oui, subtype, value } = meaning.to_tlv().unwrap() else { panic!() };
        prop_assert_eq!(Organizational::parse(oui, subtype, &value).unwrap(), meaning);
    }

    #[test]
    fn an_organizations_tlv_that_is_read_is_written_as_the_same_octets(
        oui in prop_oneof![Just(OUI_802_1), Just(OUI_802_3), Just(OUI_MED), any::<[u8; 3]>()],
        subtype in 0..9u8,
        value in bytes(0..40),
    ) {
        match Organizational::parse(oui, subtype, &value) {
            Ok(meaning) => {
                prop_assert!(!meaning.to_string().is_empty());
                prop_assert_eq!(meaning.to_tlv().unwrap(), Tlv::OrganizationallySpecific { oui, subtype, value });
            }
            Err(error) => prop_assert!(error.offset <= value.len() + 4, "{}", error),
        }
    }

    #[test]
    fn a_data_unit_parses_as_it_was_built(
        chassis in any_id([4, 5]), port in any_id([3, 4]), ttl: u16, tlvs in prop::collection::vec(any_tlv(), 0..6)
    ) {
        let unit = Lldpdu {
            chassis_id: ChassisId { subtype: ChassisIdSubtype(chassis.0), id: chassis.1 },
            port_id: LldpPortId { subtype: PortIdSubtype(port.0), id: port.1 },
            ttl,
            tlvs,
        };
        let mut out = BytesMut::new();
        unit.encode(&mut out).unwrap();
        prop_assert_eq!(Lldpdu::parse(&out).unwrap(), unit);
    }

    #[test]
    fn what_parses_encodes_to_the_same_octets_and_nothing_panics(tail in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..60, value: u8) {
        let mut octets = unhex("0180c200000e 020000000001 88cc");
        octets.extend(lldpdu("0a02 7331 100c 05 01 0a000001 02 00000001 00"));
        octets.extend(tail);
        if let Some(octet) = octets.get_mut(at) {
            *octet = value;
        }
        match LldpFrame::parse(&octets) {
            Ok(frame) => {
                let mut out = BytesMut::new();
                frame.encode(&mut out).unwrap();
                prop_assert_eq!(&out[..], &octets[..]);
                prop_assert!(decode_for_display(&octets).is_ok());
            }
            Err(error) => prop_assert!(error.offset <= octets.len(), "{error}"),
        }
    }
}
