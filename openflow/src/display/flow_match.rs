//! A match in ovs-ofctl's words: the protocol's name for ethertype and IP protocol, VLAN identifier and priority together.

use std::fmt::{self, Display, Formatter};

use smallvec::SmallVec;

use super::field::{Matched, PROTOCOL_PLACE, place};
use super::text::Parts;
use crate::flow::DEFAULT_PRIORITY;
use crate::flow_match::Match;
use crate::oxm::{OxmField, OxmKind, VID_PRESENT, to_u64};

/// The word for an ethertype and IP protocol, and whether it says the IP protocol, too.
fn protocol(match_: &Match) -> Option<(&'static str, bool)> {
    // Under whichever of their numbers.
    let exact = |kind: OxmKind| match_.find(kind).filter(|field| field.is_exact()).and_then(OxmField::to_u64);
    Some(match (exact(OxmKind::ETH_TYPE)?, exact(OxmKind::IP_PROTO)) {
        (0x0800, Some(1)) => ("icmp", true),
        (0x0800, Some(6)) => ("tcp", true),
        (0x0800, Some(17)) => ("udp", true),
        (0x0800, Some(132)) => ("sctp", true),
        (0x0800, _) => ("ip", false),
        (0x86dd, Some(6)) => ("tcp6", true),
        (0x86dd, Some(17)) => ("udp6", true),
        (0x86dd, Some(58)) => ("icmp6", true),
        (0x86dd, Some(132)) => ("sctp6", true),
        (0x86dd, _) => ("ipv6", false),
        (0x0806, _) => ("arp", false),
        (0x8035, _) => ("rarp", false),
        (0x8847, _) => ("mpls", false),
        (0x8848, _) => ("mplsm", false),
        _ => return None,
    })
}

/// The VLAN tag that a match looks at, value and mask as in a frame.
fn vlan_tag(match_: &Match) -> Option<(u16, u16)> {
    let number = |field: OxmField<'_>| {
        let value = to_u64(field.value).unwrap_or_default() as u16;
        (value, if field.is_exact() { u16::MAX } else { field.mask.and_then(to_u64).unwrap_or_default() as u16 })
    };
    let vid = match_.get(OxmKind::VLAN_VID).map(number);
    let pcp = match_.get(OxmKind::VLAN_PCP).map(number);
    let (value, mask) = vid.map_or((0, 0), |(value, mask)| (value & 0x1fff, mask & 0x1fff));
    let Some((pcp, pcp_mask)) = pcp else { return vid.map(|_| (value, mask)) };
    // A priority that is matched says that there is a tag.
    let present = if vid.is_none() { VID_PRESENT } else { 0 };
    Some((value | pcp << 13 | present, mask | pcp_mask << 13 | present))
}

fn put_vlan((value, mask): (u16, u16), parts: &mut Parts<'_, '_>) -> fmt::Result {
    let (vid_mask, pcp_mask) = (mask & 0xfff, mask >> 13);
    let whole = (vid_mask == 0 || vid_mask == 0xfff) && (pcp_mask == 0 || pcp_mask == 7) && vid_mask | pcp_mask != 0;
    if whole && value & mask & VID_PRESENT != 0 {
        parts.put_if(vid_mask != 0, format_args!("dl_vlan={}", value & 0xfff))?;
        return parts.put_if(pcp_mask != 0, format_args!("dl_vlan_pcp={}", value >> 13));
    }
    match mask {
        0 => Ok(()),
        u16::MAX => parts.put(format_args!("vlan_tci={value:#06x}")),
        _ => parts.put(format_args!("vlan_tci={value:#06x}/{mask:#06x}")),
    }
}

/// Fields whose mask covers nothing say nothing, and a packet type that is Ethernet goes without saying: ovs-ofctl does not print them.
fn says_something(field: &OxmField<'_>) -> bool {
    if field.kind == OxmKind::PACKET_TYPE && field.is_exact() && to_u64(field.value) == Some(0) {
        return false;
    }
    field.mask.is_none_or(|mask| mask.is_empty() || mask.iter().any(|octet| *octet != 0))
}

pub(super) fn put_match(match_: &Match, parts: &mut Parts<'_, '_>) -> fmt::Result {
    let mut fields: SmallVec<[(usize, OxmField<'_>); 16]> =
        match_.fields().map(|field| (place(field.kind).unwrap_or(usize::MAX), field)).collect();
    // A field that stands there twice is printed twice.
    fields.sort_by_key(|(place, _)| *place);
    let mut protocol = protocol(match_);
    let (typed, transport) = (protocol.is_some(), protocol.is_some_and(|(_, transport)| transport));
    let mut tag = vlan_tag(match_);
    for (place, field) in fields {
        if let Some((name, _)) = protocol.take_if(|_| place >= PROTOCOL_PLACE) {
            parts.put(format_args!("{name}"))?;
        }
        match field.kind.canonical() {
            OxmKind::ETH_TYPE if typed => {}
            OxmKind::IP_PROTO if transport => {}
            OxmKind::VLAN_VID | OxmKind::VLAN_PCP => {
                if let Some(tag) = tag.take() {
                    put_vlan(tag, parts)?;
                }
            }
            _ => match field.kind.flow_name() {
                None => parts.put(format_args!("{field}"))?,
                Some("vlan_tci") => {
                    let mask = field.mask.and_then(to_u64).unwrap_or(0xffff);
                    put_vlan((to_u64(field.value).unwrap_or_default() as u16, mask as u16), parts)?;
                }
                Some(name) if says_something(&field) => parts.put(format_args!("{name}={}", Matched(field)))?,
                Some(_) => {}
            },
        }
    }
    Ok(())
}

impl Display for Match {
    /// `tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80`; nothing for a match that every packet fits.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        put_match(self, &mut Parts::new(f, ","))
    }
}

/// A match with the priority before it, unless that is the default.
pub(super) struct Rule<'a>(pub u16, pub &'a Match);

impl Display for Rule<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        parts.put_if(self.0 != DEFAULT_PRIORITY, format_args!("priority={}", self.0))?;
        put_match(self.1, &mut parts)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use net::PortNo;

    use super::*;
    use crate::oxm::OxmFieldOwned;

    #[test]
    fn a_match_prints_in_the_order_of_ovs_ofctl() {
        let tcp = Match::new()
            .with_tcp_dst(80)
            .with_ip_proto(6)
            .with_eth_type(0x0800)
            .with_in_port(PortNo(1))
            .with_ipv4_dst_masked(Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(255, 0, 0, 0));
        assert_eq!(tcp.to_string(), "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80");
        let ipv6 = Match::new().with_eth_type(0x86dd).with_ipv6_dst(Ipv6Addr::LOCALHOST).with_ip_proto(99);
        assert_eq!(ipv6.to_string(), "ipv6,ipv6_dst=::1,nw_proto=99");
        assert_eq!(Match::new().to_string(), "");
        let nicira = [
            OxmFieldOwned::number(OxmKind::NXM_OF_ETH_TYPE, 0x0800).unwrap(),
            OxmFieldOwned::number(OxmKind::NXM_OF_IP_PROTO, 1).unwrap(),
        ];
        assert_eq!(Match::from_iter(nicira).to_string(), "icmp");
    }

    #[test]
    fn a_vlan_tag_prints_as_one() {
        assert_eq!(Match::new().with_vlan_vid(0x1007).to_string(), "dl_vlan=7");
        assert_eq!(Match::new().with_vlan_vid(0x1007).with_vlan_pcp(3).to_string(), "dl_vlan=7,dl_vlan_pcp=3");
        assert_eq!(Match::new().with_vlan_vid(0).to_string(), "vlan_tci=0x0000/0x1fff");
        assert_eq!(Match::new().with_vlan_vid_masked(0x1000, 0x1000).to_string(), "vlan_tci=0x1000/0x1000");
        let priority = Match::new().with_vlan_vid_masked(0x1000, 0x1000).with_vlan_pcp(5);
        assert_eq!(priority.to_string(), "dl_vlan_pcp=5");
        let both = Match::new().with_vlan_vid_masked(0x1004, 0x1004).with_vlan_pcp(5);
        assert_eq!(both.to_string(), "vlan_tci=0xb004/0xf004");
    }

    #[test]
    fn a_field_that_stands_there_twice_prints_twice_and_an_empty_mask_not_at_all() {
        let metadata = |value: u64, mask| {
            Match::new().with_metadata_masked(value, mask).get(OxmKind::METADATA).map(|field| field.to_owned()).unwrap()
        };
        let twice = Match::from_iter([metadata(1, 1), metadata(2, 2), metadata(0, 0)]);
        assert_eq!(twice.to_string(), "metadata=0x1/0x1,metadata=0x2/0x2");
    }
}
