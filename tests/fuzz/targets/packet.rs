//! Packet headers, from Ethernet to TCP: no octets make the parser panic, and every accessor works on whatever it has read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net::Packet;

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = Packet::parse(octets) else { return };
    let _ = (packet.vlan_id(), packet.arp(), packet.ipv4(), packet.ipv6());
    let _ = (packet.ip_addresses(), packet.ip_protocol(), packet.ports(), packet.transport_checksum_is_valid());
});
