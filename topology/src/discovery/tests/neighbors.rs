//! LLDP neighbours that are not ours.

use net::packet::{EtherType, EthernetHeader};

use super::*;
use crate::lldp::{ChassisId, ChassisIdSubtype, LldpFrame, LldpPortId, Lldpdu, Organizational, PortIdSubtype, Tlv};
use crate::{MAX_LLDP_NEIGHBORS_PER_PORT, NEIGHBOR_CHANGE_INTERVAL};

pub(super) fn frame_of(chassis: &str, ttl: u16, tlvs: Vec<Tlv>) -> Bytes {
    let id = Bytes::copy_from_slice(chassis.as_bytes());
    let lldpdu = Lldpdu {
        chassis_id: ChassisId { subtype: ChassisIdSubtype::LOCALLY_ASSIGNED, id: id.clone() },
        port_id: LldpPortId { subtype: PortIdSubtype::LOCALLY_ASSIGNED, id },
        ttl,
        tlvs,
    };
    let ethernet = EthernetHeader::new(mac(1), MacAddr::LLDP_NEAREST_BRIDGE, EtherType::LLDP);
    let mut out = bytes::BytesMut::new();
    LldpFrame { ethernet, lldpdu, padding: Bytes::new() }.encode(&mut out).unwrap();
    out.freeze()
}

pub(super) fn frame(chassis: &str, name: &str, ttl: u16) -> Bytes {
    frame_of(chassis, ttl, vec![Tlv::SystemName(Bytes::copy_from_slice(name.as_bytes()))])
}

fn shown(lab: &Lab) -> String {
    let neighbors = &lab.network().port(id(1, 2)).unwrap().lldp_neighbor;
    neighbors.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn hear(lab: &mut Lab, frame: &[u8]) {
    lab.discovery.handle_frame(id(1, 2), frame, lab.now);
}

#[test]
fn a_neighbor_is_shown_until_its_time_to_live_is_over() {
    let mut lab = Lab::settled_pair();
    hear(&mut lab, &frame("x", "a", 10));
    assert_eq!(shown(&lab), "a x");
    lab.discovery.handle_frame(id(1, 2), &frame("x", "b", 10), lab.now + ms(1));
    assert_eq!(shown(&lab), "a x", "a name may change once a second");
    lab.run(NEIGHBOR_CHANGE_INTERVAL);
    hear(&mut lab, &frame("x", "b", 10));
    assert_eq!(shown(&lab), "b x");
    lab.run(Duration::from_secs(10));
    assert_eq!(shown(&lab), "");
    hear(&mut lab, &frame("x", "c", 10));
    lab.run(Duration::from_secs(2));
    hear(&mut lab, &frame("x", "c", 0));
    assert_eq!((shown(&lab).as_str(), lab.discovery.counters().lldp_foreign), ("", 5));
    hear(&mut lab, &frame("x", "c", 0)[..30]);
    assert_eq!(lab.discovery.counters().lldp_malformed, 1);
    assert_eq!(lab.discovery.lldp_neighbors, 0);
}

#[test]
fn who_changes_too_often_is_there_all_the_same_and_who_says_goodbye_then_goes_a_second_later() {
    let mut lab = Lab::settled_pair();
    hear(&mut lab, &frame("x", "a", 10));
    // As often as it is not shown what it says: it lives by that.
    for at in [0, 2, 4, 6, 8] {
        lab.run(Duration::from_secs(1));
        hear(&mut lab, &frame("x", if at % 4 == 0 { "b" } else { "a" }, 3));
        hear(&mut lab, &frame("x", "never shown", 3));
        lab.run(Duration::from_secs(1));
    }
    assert_eq!(shown(&lab), "b x");
    // The port has used up its changes.
    for number in 0..40u32 {
        for ttl in [20, 0] {
            hear(&mut lab, &frame(&number.to_string(), "n", ttl));
        }
    }
    hear(&mut lab, &frame("x", "b", 0));
    assert!(shown(&lab).contains("b x"));
    lab.run(NEIGHBOR_CHANGE_INTERVAL);
    assert!(!shown(&lab).contains("b x"));
}

#[test]
fn several_neighbors_of_a_port_live_and_leave_by_themselves() {
    let mut lab = Lab::settled_pair();
    hear(&mut lab, &frame("x", "a", 10));
    hear(&mut lab, &frame("y", "b", 20));
    hear(&mut lab, &frame("z", "", 30));
    assert_eq!(shown(&lab), "a x, b y, z z");
    lab.run(Duration::from_secs(5));
    hear(&mut lab, &frame("y", "b", 0));
    hear(&mut lab, &frame("nobody", "b", 0));
    assert_eq!(shown(&lab), "a x, z z");
    lab.run(Duration::from_secs(6));
    assert_eq!(shown(&lab), "z z");
    lab.discovery.handle_port(DatapathId(1), port(2, false), lab.now);
    assert_eq!((shown(&lab).as_str(), lab.discovery.lldp_neighbors), ("", 0));
}

#[test]
fn what_a_neighbor_says_of_itself_is_kept() {
    use crate::lldp::{Capabilities, ManagementAddress};
    let management = |address: &[u8]| {
        Tlv::ManagementAddress(ManagementAddress {
            address_subtype: if address.len() == 4 { 1 } else { 2 },
            address: Bytes::copy_from_slice(address),
            interface_numbering_subtype: 2,
            interface_number: 1,
            oid: Bytes::new(),
        })
    };
    let tlvs = vec![
        Tlv::PortDescription(Bytes::from_static(b"to the roof")),
        Tlv::SystemCapabilities { system: Capabilities(0x14), enabled: Capabilities(0x04) },
        management(&[10, 0, 0, 1]),
        management(&[10, 0, 0, 1]),
        management(&[0xfe; 16]),
        Organizational::PortVlanId(10).to_tlv().unwrap(),
        Organizational::MaxFrameSize(9_216).to_tlv().unwrap(),
    ];
    let mut lab = Lab::settled_pair();
    hear(&mut lab, &frame_of("x", 10, tlvs));
    let neighbors = lab.network().port(id(1, 2)).unwrap().lldp_neighbor.clone().unwrap();
    let neighbor = neighbors.iter().next().unwrap();
    assert_eq!((neighbor.port_vlan_id, neighbor.max_frame_size), (Some(10), Some(9_216)));
    assert_eq!(neighbor.port_description.as_deref(), Some("to the roof"));
    assert_eq!(neighbor.capabilities, ["mac_bridge"]);
    assert_eq!(neighbor.management_addresses.len(), 2);
}

#[test]
fn a_flood_of_made_up_neighbors_fills_no_memory_and_makes_few_changes() {
    let mut lab = Lab::settled_pair();
    for number in 0..10_000u32 {
        hear(&mut lab, &frame(&number.to_string(), "n", 65_535));
        hear(&mut lab, &frame(&number.to_string(), "n", 0));
    }
    lab.drain();
    assert!(lab.changes.len() <= 2 * MAX_LLDP_NEIGHBORS_PER_PORT, "{}", lab.changes.len());
    lab.run(Duration::from_secs(60));
    for number in 0..10_000u32 {
        hear(&mut lab, &frame(&number.to_string(), "n", 65_535));
    }
    let shown = lab.network().port(id(1, 2)).unwrap().lldp_neighbor.as_ref().unwrap().iter().len();
    assert!(shown <= MAX_LLDP_NEIGHBORS_PER_PORT, "{shown}");
    assert!(lab.discovery.counters().neighbors_refused > 9_000);
}
