//! Packet headers, from Ethernet to TCP, and what DHCP in them says: no octets make the parser panic, and every accessor works on whatever it has read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net::packet::Packet;
use topology::{MAX_ADDRESSES_PER_HOST, dhcp_answer, sender_address};

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = Packet::parse(octets) else { return };
    let _ = (packet.vlan_id(), packet.arp(), packet.ipv4(), packet.ipv6());
    let _ = (packet.ip_addresses(), packet.ip_protocol(), packet.ports(), packet.transport_checksum_is_valid());
    let on_link = ["10.0.0.0/8", "2001:db8::/32"].map(|prefix| prefix.parse().expect("a prefix"));
    assert!(
        sender_address(&packet, &on_link).is_none_or(|address| !address.is_unspecified() && !address.is_multicast())
    );
    assert!(dhcp_answer(&packet).is_none_or(|answer| answer.leases.len() <= MAX_ADDRESSES_PER_HOST));
});
