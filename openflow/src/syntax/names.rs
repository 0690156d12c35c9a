//! Names that somebody has given to ports and VLANs.

use std::collections::BTreeMap;

use net::{PortNo, VlanId};

/// What may stand where a number can: a port's name in `in_port`, `output`, `enqueue` and wherever else a port stands; a VLAN's in
/// `dl_vlan`, `vlan_vid`, `mod_vlan_vid`, `set_vlan_vid` and `set_field:NAME->vlan_vid`. A reserved port's name is always that port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// Ports of one switch.
    pub ports: BTreeMap<String, PortNo>,
    /// VLANs.
    pub vlans: BTreeMap<String, VlanId>,
}

impl Names {
    /// Whether a text is the name of a port that every switch has, such as `controller`: no other port can have it.
    pub fn is_reserved_port(name: &str) -> bool {
        super::field::reserved_port(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{parse_flow, parse_flow_with};

    fn names() -> Names {
        Names {
            ports: BTreeMap::from([("uplink".to_owned(), PortNo(3)), ("rack-4".to_owned(), PortNo(4))]),
            vlans: BTreeMap::from([("office".to_owned(), VlanId::new(10).unwrap())]),
        }
    }

    #[test]
    fn names_are_the_same_as_the_numbers_that_they_stand_for() {
        for (named, numbered) in [
            ("in_port=uplink,actions=output:rack-4", "in_port=3,actions=output:4"),
            ("dl_vlan=office,actions=strip_vlan,enqueue:uplink:1", "dl_vlan=10,actions=strip_vlan,enqueue:3:1"),
            ("vlan_vid=office,actions=drop", "vlan_vid=0x100a/0x1fff,actions=drop"),
            ("in_port=uplink,actions=mod_vlan_vid:office,output:rack-4", "in_port=3,actions=mod_vlan_vid:10,output:4"),
            (
                "actions=push_vlan:0x8100,set_field:office->vlan_vid,output:uplink",
                "actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:3",
            ),
            ("actions=clone(output:uplink),controller", "actions=clone(output:3),controller"),
        ] {
            assert_eq!(parse_flow_with(&names(), named).unwrap(), parse_flow(numbered).unwrap(), "{named}");
        }
    }

    #[test]
    fn names_that_nobody_has_given_are_errors_where_they_stand() {
        for (text, offset) in [
            ("in_port=uplnk,actions=drop", 8),
            ("actions=output:office", 15),
            ("dl_vlan=uplink,actions=drop", 8),
            ("actions=mod_vlan_vid:guests", 21),
        ] {
            assert_eq!(parse_flow_with(&names(), text).unwrap_err().offset, offset, "{text}");
        }
        assert!(parse_flow("in_port=uplink,actions=drop").is_err());
        assert!(Names::is_reserved_port("Controller") && !Names::is_reserved_port("uplink"));
    }
}
