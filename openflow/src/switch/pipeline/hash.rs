//! Hashes over chosen fields of a packet, for `multipath` and `bundle`: the same on every machine and in every run, and not those of
//! Open vSwitch.

use crate::nicira::HashFields;
use crate::switch::extract::{ETH_IPV4, ETH_IPV6, IP_SCTP, IP_TCP, IP_UDP};
use crate::switch::flow_key::{FlowKey, Slot, mix};
use smallvec::SmallVec;

/// A hash over these fields. The symmetric ones are the same for both directions of a flow.
pub(super) fn hash(key: &FlowKey, fields: HashFields, basis: u64) -> u64 {
    let mut parts: SmallVec<[u128; 6]> = SmallVec::new();
    let is_ip = matches!(key.eth_type(), ETH_IPV4 | ETH_IPV6);
    let between = |one: Slot, two: Slot| key.get(one) ^ key.get(two);
    let source = if key.eth_type() == ETH_IPV6 { Slot::IPV6_SRC } else { Slot::IPV4_SRC };
    let target = if key.eth_type() == ETH_IPV6 { Slot::IPV6_DST } else { Slot::IPV4_DST };
    let protocol = key.get(Slot::IP_PROTO);
    let hashes_ports = |udp: bool| match protocol as u8 {
        IP_TCP | IP_SCTP => true,
        IP_UDP => udp,
        _ => false,
    };
    let link = [between(Slot::ETH_SRC, Slot::ETH_DST), key.get(Slot::VLAN_VID) & 0xfff, u128::from(key.eth_type())];
    match fields {
        HashFields::ETH_SRC => parts.push(key.get(Slot::ETH_SRC)),
        HashFields::NW_SRC if is_ip => parts.push(key.get(source)),
        HashFields::NW_DST if is_ip => parts.push(key.get(target)),
        HashFields::SYMMETRIC_L3 => {
            parts.push(u128::from(key.eth_type()));
            parts.extend(is_ip.then(|| between(source, target)));
        }
        HashFields::SYMMETRIC_L3L4 | HashFields::SYMMETRIC_L3L4_UDP if is_ip => {
            parts.extend([between(source, target), protocol]);
            let ports = hashes_ports(fields == HashFields::SYMMETRIC_L3L4_UDP) && key.get(Slot::IP_FRAGMENT) == 0;
            parts.extend(ports.then(|| between(Slot::L4_SRC, Slot::L4_DST)));
        }
        HashFields::SYMMETRIC_L4 | HashFields::SYMMETRIC_L3L4 | HashFields::SYMMETRIC_L3L4_UDP => {
            parts.extend(link);
            if is_ip {
                parts.extend([between(source, target), protocol]);
                parts.extend(hashes_ports(false).then(|| between(Slot::L4_SRC, Slot::L4_DST)));
            }
        }
        _ => {}
    }
    parts.iter().fold(mix(basis), |hash, part| mix(mix(hash ^ (*part >> 64) as u64) ^ *part as u64))
}
