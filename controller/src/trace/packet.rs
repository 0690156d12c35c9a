//! A packet from a flow in ovs-ofctl's syntax, and back: what `ofproto/trace` takes and prints.
//!
//! What the text doesn't say is zero, as Open vSwitch has it, but for the TTL, which is 64, and the ethertype, which is one for experiments (IEEE 802
//! §9.2.3): a packet that the next hop drops for its TTL explains nothing. Checksums of transport headers are left out, for nobody sees the frame.

use bytes::{Bytes, BytesMut};
use net::packet::{
    EtherType, EthernetHeader, IcmpHeader, IpProtocol, Ipv4Header, Ipv6Header, NetworkLayer, Packet, TransportLayer,
    VlanTag, internet_checksum,
};
use net::{MacAddr, PortNo};
use openflow::switch::{FlowMatch, pipeline};
use openflow::syntax::Names;
use openflow::{Match, OxmFieldOwned, OxmKind, oxm, syntax};

/// The TTL of a packet of which the text says none.
const USUAL_TTL: u64 = 64;
/// The ethertype of a packet of which the text says none: IEEE 802's first one for local experiments.
const USUAL_ETH_TYPE: u64 = 0x88b5;
/// Neighbour discovery is believed with this hop limit alone (RFC 4861 §7.1).
const ND_HOP_LIMIT: u64 = 255;
/// Octets behind headers that have no length of their own.
const PAYLOAD: usize = 46;

/// A flow as a text names it, ports by these names too: every field whole.
///
/// # Errors
/// The text is no flow, or a field has a mask, as a sentence.
pub fn parse_flow(text: &str, names: &Names) -> Result<Match, String> {
    let flow = syntax::parse_match_with(names, text).map_err(|error| error.to_string())?;
    match flow.fields().find(|field| !field.is_exact()) {
        Some(field) => Err(format!("{field}: a packet has one value in each field: no mask may stand here")),
        None => Ok(flow),
    }
}

/// A frame with these fields that came in by `in_port`.
///
/// # Errors
/// A field that no frame has, such as a register, or fields that don't go together, as a sentence.
pub fn frame(in_port: PortNo, flow: &Match) -> Result<Bytes, String> {
    let frame = Fields(flow).ethernet();
    let wanted = FlowMatch::compile(flow).map_err(|error| format!("no packet is like that: {error}"))?;
    let key = pipeline::fields(in_port, &frame);
    if wanted.matches(&key) {
        return Ok(frame);
    }
    // Which one it is: each for itself, with what it needs.
    let is_missing = |field: &openflow::OxmField<'_>| {
        let alone = Match::from_iter([(*field).to_owned()]);
        FlowMatch::compile(&alone).is_ok_and(|wanted| !wanted.matches(&key))
    };
    let names: Vec<String> = flow.fields().filter(is_missing).map(|field| field.to_string()).collect();
    let names = if names.is_empty() { flow.to_string() } else { names.join(", ") };
    Err(format!("no frame that comes in by a port can have {names}"))
}

/// The fields of a flow.
struct Fields<'m>(&'m Match);

impl Fields<'_> {
    fn octets<const N: usize>(&self, kind: OxmKind) -> [u8; N] {
        let found = self.0.find(kind).and_then(|field| field.value.try_into().ok());
        found.unwrap_or([0; N])
    }

    fn number(&self, kind: OxmKind) -> u64 {
        self.number_or(kind, 0)
    }

    fn number_or(&self, kind: OxmKind, usual: u64) -> u64 {
        self.0.find(kind).and_then(|field| field.to_u64()).unwrap_or(usual)
    }

    fn ethernet(&self) -> Bytes {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&self.octets::<6>(OxmKind::ETH_DST));
        frame.extend_from_slice(&self.octets::<6>(OxmKind::ETH_SRC));
        let vid = self.number(OxmKind::VLAN_VID) as u16;
        if vid & oxm::VID_PRESENT != 0 {
            let tci = (self.number(OxmKind::VLAN_PCP) as u16) << 13 | vid & 0x0fff;
            frame.extend_from_slice(&EtherType::VLAN.0.to_be_bytes());
            frame.extend_from_slice(&tci.to_be_bytes());
        }
        let eth_type = self.number_or(OxmKind::ETH_TYPE, USUAL_ETH_TYPE) as u16;
        frame.extend_from_slice(&eth_type.to_be_bytes());
        match eth_type {
            0x0800 => self.ipv4(&mut frame),
            0x86dd => self.ipv6(&mut frame),
            0x0806 | 0x8035 => self.arp(&mut frame),
            0x8847 | 0x8848 => self.mpls(&mut frame),
            _ => frame.extend_from_slice(&[0; PAYLOAD]),
        }
        frame.freeze()
    }

    fn tos(&self) -> u8 {
        (self.number(OxmKind::IP_DSCP) << 2 | self.number(OxmKind::IP_ECN)) as u8
    }

    fn ttl(&self, usual: u64) -> u8 {
        self.number_or(OxmKind::NW_TTL, usual) as u8
    }

    fn ipv4(&self, frame: &mut BytesMut) {
        let protocol = self.number(OxmKind::IP_PROTO) as u8;
        // The first fragment, or one behind it.
        let fragment: u16 = match self.number(OxmKind::NW_FRAG) {
            1 => 0x2000,
            3 => 0x00b9,
            _ => 0,
        };
        let payload = if fragment & 0x1fff != 0 { vec![0; PAYLOAD] } else { self.transport(protocol) };
        let [len_high, len_low] = (20 + payload.len() as u16).to_be_bytes();
        let [fragment_high, fragment_low] = fragment.to_be_bytes();
        let mut header = [0; 20];
        header[..10].copy_from_slice(&[
            0x45,
            self.tos(),
            len_high,
            len_low,
            0,
            0,
            fragment_high,
            fragment_low,
            self.ttl(USUAL_TTL),
            protocol,
        ]);
        header[12..16].copy_from_slice(&self.octets::<4>(OxmKind::IPV4_SRC));
        header[16..].copy_from_slice(&self.octets::<4>(OxmKind::IPV4_DST));
        let sum = internet_checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend_from_slice(&header);
        frame.extend_from_slice(&payload);
    }

    fn ipv6(&self, frame: &mut BytesMut) {
        let protocol = self.number(OxmKind::IP_PROTO) as u8;
        let fragment: Option<u16> = match self.number(OxmKind::NW_FRAG) {
            1 => Some(1),
            3 => Some(0xb8 | 1),
            _ => None,
        };
        let is_later = fragment.is_some_and(|offset| offset >> 3 != 0);
        let payload = if is_later { vec![0; PAYLOAD] } else { self.transport(protocol) };
        let is_nd = protocol == IpProtocol::ICMPV6.0 && matches!(payload.first(), Some(133..=137));
        let word = 6 << 28 | u32::from(self.tos()) << 20 | self.number(OxmKind::IPV6_FLABEL) as u32;
        frame.extend_from_slice(&word.to_be_bytes());
        let extension = if fragment.is_some() { 8 } else { 0 };
        frame.extend_from_slice(&((payload.len() + extension) as u16).to_be_bytes());
        let next = if fragment.is_some() { IpProtocol::FRAGMENT.0 } else { protocol };
        frame.extend_from_slice(&[next, self.ttl(if is_nd { ND_HOP_LIMIT } else { USUAL_TTL })]);
        frame.extend_from_slice(&self.octets::<16>(OxmKind::IPV6_SRC));
        frame.extend_from_slice(&self.octets::<16>(OxmKind::IPV6_DST));
        if let Some(offset) = fragment {
            let [high, low] = offset.to_be_bytes();
            frame.extend_from_slice(&[protocol, 0, high, low, 0, 0, 0, 0]);
        }
        frame.extend_from_slice(&payload);
    }

    fn ports(&self, source: OxmKind, destination: OxmKind) -> Vec<u8> {
        [self.octets::<2>(source), self.octets::<2>(destination)].concat()
    }

    fn transport(&self, protocol: u8) -> Vec<u8> {
        let mut segment = match protocol {
            6 => self.ports(OxmKind::TCP_SRC, OxmKind::TCP_DST),
            17 => self.ports(OxmKind::UDP_SRC, OxmKind::UDP_DST),
            132 => self.ports(OxmKind::SCTP_SRC, OxmKind::SCTP_DST),
            1 => vec![self.number(OxmKind::ICMPV4_TYPE) as u8, self.number(OxmKind::ICMPV4_CODE) as u8, 0, 0],
            58 => vec![self.number(OxmKind::ICMPV6_TYPE) as u8, self.number(OxmKind::ICMPV6_CODE) as u8, 0, 0],
            _ => return vec![0; PAYLOAD],
        };
        match (protocol, segment.first()) {
            (6, _) => {
                let flags = 5 << 12 | self.number(OxmKind::TCP_FLAGS) as u16 & 0x0fff;
                segment.extend_from_slice(&[0; 8]);
                segment.extend_from_slice(&flags.to_be_bytes());
                segment.extend_from_slice(&[0; 6]);
            }
            (17, _) => segment.extend_from_slice(&[0, 8, 0, 0]),
            (132, _) => segment.extend_from_slice(&[0; 8]),
            (58, Some(&(135 | 136))) => {
                segment.extend_from_slice(&self.octets::<4>(OxmKind::ND_RESERVED));
                segment.extend_from_slice(&self.octets::<16>(OxmKind::IPV6_ND_TARGET));
                for (option, kind) in [(1, OxmKind::IPV6_ND_SLL), (2, OxmKind::IPV6_ND_TLL)] {
                    if self.0.find(kind).is_some() {
                        segment.extend_from_slice(&[option, 1]);
                        segment.extend_from_slice(&self.octets::<6>(kind));
                    }
                }
            }
            _ => segment.extend_from_slice(&[0; 12]),
        }
        segment
    }

    fn arp(&self, frame: &mut BytesMut) {
        frame.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
        frame.extend_from_slice(&self.octets::<2>(OxmKind::ARP_OP));
        frame.extend_from_slice(&self.octets::<6>(OxmKind::ARP_SHA));
        frame.extend_from_slice(&self.octets::<4>(OxmKind::ARP_SPA));
        frame.extend_from_slice(&self.octets::<6>(OxmKind::ARP_THA));
        frame.extend_from_slice(&self.octets::<4>(OxmKind::ARP_TPA));
        frame.extend_from_slice(&[0; 18]);
    }

    /// One entry, and something in it.
    fn mpls(&self, frame: &mut BytesMut) {
        let entry = (self.number(OxmKind::MPLS_LABEL) as u32) << 12
            | (self.number(OxmKind::MPLS_TC) as u32) << 9
            | (self.number(OxmKind::MPLS_BOS) as u32) << 8
            | self.number_or(OxmKind::MPLS_TTL, USUAL_TTL) as u32;
        frame.extend_from_slice(&entry.to_be_bytes());
        frame.extend_from_slice(&[0; PAYLOAD]);
    }
}

/// The fields of a frame as a flow: what is printed of a packet that has been rewritten. Fields that this crate doesn't read are left out.
pub fn flow_of(in_port: PortNo, frame: &[u8]) -> Match {
    let mut fields: Vec<Option<OxmFieldOwned>> = vec![OxmFieldOwned::number(OxmKind::IN_PORT, u64::from(in_port.0))];
    let Ok(packet) = Packet::parse(frame) else { return fields.into_iter().flatten().collect() };
    let mut put = |kind: OxmKind, value: &[u8]| fields.push(OxmFieldOwned::new(kind, value, None));
    let EthernetHeader { destination, source, tags, ethertype } = packet.ethernet;
    put(OxmKind::ETH_SRC, &source.0);
    put(OxmKind::ETH_DST, &destination.0);
    put(OxmKind::ETH_TYPE, &ethertype.0.to_be_bytes());
    if let Some(VlanTag { vlan_id, priority, .. }) = tags.as_slice().first() {
        put(OxmKind::VLAN_VID, &(vlan_id | oxm::VID_PRESENT).to_be_bytes());
        put(OxmKind::VLAN_PCP, &[*priority]);
    }
    match packet.network {
        NetworkLayer::None => {}
        NetworkLayer::Arp(arp) => {
            put(OxmKind::ARP_OP, &arp.operation.0.to_be_bytes());
            put(OxmKind::ARP_SPA, &arp.sender_ip.octets());
            put(OxmKind::ARP_TPA, &arp.target_ip.octets());
            put(OxmKind::ARP_SHA, &arp.sender_mac.0);
            put(OxmKind::ARP_THA, &arp.target_mac.0);
        }
        NetworkLayer::Ipv4(Ipv4Header { dscp, ecn, ttl, protocol, source, destination, .. }) => {
            put(OxmKind::IPV4_SRC, &source.octets());
            put(OxmKind::IPV4_DST, &destination.octets());
            put(OxmKind::IP_PROTO, &[protocol.0]);
            put(OxmKind::IP_DSCP, &[dscp]);
            put(OxmKind::IP_ECN, &[ecn]);
            put(OxmKind::NW_TTL, &[ttl]);
        }
        NetworkLayer::Ipv6(Ipv6Header {
            traffic_class, flow_label, hop_limit, source, destination, protocol, ..
        }) => {
            put(OxmKind::IPV6_SRC, &source.octets());
            put(OxmKind::IPV6_DST, &destination.octets());
            put(OxmKind::IPV6_FLABEL, &flow_label.to_be_bytes());
            put(OxmKind::IP_PROTO, &[protocol.0]);
            put(OxmKind::IP_DSCP, &[traffic_class >> 2]);
            put(OxmKind::IP_ECN, &[traffic_class & 3]);
            put(OxmKind::NW_TTL, &[hop_limit]);
        }
    }
    match packet.transport {
        TransportLayer::None => {}
        TransportLayer::Tcp(tcp) => {
            put(OxmKind::TCP_SRC, &tcp.source_port.to_be_bytes());
            put(OxmKind::TCP_DST, &tcp.destination_port.to_be_bytes());
        }
        TransportLayer::Udp(udp) => {
            put(OxmKind::UDP_SRC, &udp.source_port.to_be_bytes());
            put(OxmKind::UDP_DST, &udp.destination_port.to_be_bytes());
        }
        TransportLayer::Icmp(IcmpHeader { icmp_type, code, .. }) => {
            put(OxmKind::ICMPV4_TYPE, &[icmp_type.0]);
            put(OxmKind::ICMPV4_CODE, &[code]);
        }
        TransportLayer::Icmpv6(icmp) => {
            put(OxmKind::ICMPV6_TYPE, &[icmp.icmp_type.0]);
            put(OxmKind::ICMPV6_CODE, &[icmp.code]);
        }
    }
    fields.into_iter().flatten().collect()
}

/// The same flow with addresses where it has none: those that the hosts with its IP addresses have.
pub fn with_addresses(flow: Match, source: Option<MacAddr>, destination: Option<MacAddr>) -> Match {
    let mut flow = flow;
    for (kind, mac) in [(OxmKind::ETH_SRC, source), (OxmKind::ETH_DST, destination)] {
        if let (None, Some(mac)) = (flow.find(kind), mac)
            && let Some(field) = OxmFieldOwned::new(kind, &mac.0, None)
        {
            flow = flow.with(&field);
        }
    }
    flow
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flows of every protocol, in full.
    const FLOWS: &[&str] = &[
        "in_port=3,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88cc",
        "in_port=3,dl_vlan=7,dl_vlan_pcp=5,ip,nw_src=10.0.0.1",
        "in_port=3,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8,icmp_code=1,nw_tos=184,nw_ecn=2,nw_ttl=3",
        "in_port=3,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1024,tp_dst=80,tcp_flags=syn",
        "in_port=3,udp,tp_src=53,tp_dst=5353,vlan_tci=0x0000",
        "in_port=3,sctp,tp_src=53,tp_dst=5353",
        "in_port=3,ip,nw_proto=89",
        "in_port=3,udp,nw_frag=first,tp_src=4",
        "in_port=3,udp,nw_frag=later",
        "in_port=3,tcp6,ipv6_src=2001:db8::1,ipv6_dst=fe80::1,tp_dst=443,ipv6_label=0x12345,nw_ttl=1",
        "in_port=3,icmp6,icmp_type=135,nd_target=2001:db8::1,nd_sll=02:00:00:00:00:01",
        "in_port=3,icmp6,icmp_type=136,nd_target=2001:db8::1,nd_tll=02:00:00:00:00:01,nw_ttl=255",
        "in_port=3,icmp6,icmp_type=128",
        "in_port=3,ipv6,nw_proto=44,nw_frag=later",
        "in_port=3,arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01",
        "in_port=3,mpls,mpls_label=16,mpls_tc=3,mpls_bos=1,mpls_ttl=9",
    ];

    #[test]
    fn a_frame_has_every_field_that_the_text_names() {
        for text in FLOWS {
            let flow = parse_flow(text, &Names::default()).unwrap();
            // `frame` looks at the frame with the eyes of a flow table.
            frame(PortNo(3), &flow).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn a_frame_read_back_is_a_flow_that_the_frame_fits() {
        for text in FLOWS {
            let octets = frame(PortNo(3), &parse_flow(text, &Names::default()).unwrap()).unwrap();
            let flow = flow_of(PortNo(3), &octets);
            let again = parse_flow(&flow.to_string(), &Names::default())
                .unwrap_or_else(|error| panic!("{text}: {flow}: {error}"));
            let key = pipeline::fields(PortNo(3), &octets);
            assert!(FlowMatch::compile(&again).unwrap().matches(&key), "{text}: {flow}");
        }
        let flow = flow_of(PortNo(3), &frame(PortNo(3), &parse_flow(FLOWS[2], &Names::default()).unwrap()).unwrap())
            .to_string();
        assert!(
            flow.contains("nw_dst=10.0.0.2") && flow.contains("nw_ttl=3") && flow.contains("icmp_type=8"),
            "{flow}"
        );
    }

    #[test]
    fn what_no_packet_from_a_port_can_be_is_refused_by_name() {
        let wrong = |text: &str| match parse_flow(text, &Names::default()) {
            Ok(flow) => frame(PortNo(1), &flow).unwrap_err(),
            Err(error) => error,
        };
        assert!(wrong("in_port=1,ip,nw_dst=10.0.0.0/8").contains("no mask"), "{}", wrong("ip,nw_dst=10.0.0.0/8"));
        assert!(wrong("in_port=1,metadata=7,ip").contains("metadata="), "{}", wrong("in_port=1,metadata=7,ip"));
        assert!(wrong("in_port=1,reg0=7").contains("reg0"), "{}", wrong("in_port=1,reg0=7"));
        assert!(wrong("in_port=2,ip").contains("in_port=2"), "{}", wrong("in_port=2,ip"));
        // As Open vSwitch has it: prerequisites that are not met.
        assert!(wrong("in_port=1,tp_dst=80").contains("tcp"), "{}", wrong("in_port=1,tp_dst=80"));
    }

    #[test]
    fn addresses_that_the_text_names_stay() {
        let flow = parse_flow("ip,dl_dst=02:00:00:00:00:09", &Names::default()).unwrap();
        let (source, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let flow = with_addresses(flow, Some(source), Some(other));
        assert_eq!((flow.eth_src(), flow.eth_dst()), (Some(source), Some(MacAddr([2, 0, 0, 0, 0, 9]))));
    }
}
