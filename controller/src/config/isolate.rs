//! `isolate`: groups of hosts and ports that never reach each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use net::{MacAddr, PortId, PortNo, Prefix, PrefixMap};

use super::types::{Descriptions, SwitchConfig};
use super::walk::{Field, Walk, shorten};
use super::words;
use crate::app::isolation::{GROUPS_MAX, IsolatedGroup, Isolation, MEMBERS_MAX};

/// A member of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Host {
    Mac(MacAddr),
    Address(Prefix),
}

/// `isolate`, and what people should know of its sets.
pub(super) fn isolate(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
) -> Option<(Arc<Isolation>, Descriptions)> {
    let mut groups: Vec<IsolatedGroup> = Vec::new();
    let mut sets = BTreeMap::new();
    for (set, field) in walk.named(field)? {
        let Some(section) = walk.section(&field) else { continue };
        sets.insert(set.to_owned(), walk.read(&section, "description", Walk::text));
        let Some(named) = walk.read(&section, "groups", |walk, field| walk.named(field)) else { continue };
        if named.len() < 2 {
            let path = section.path_of("groups");
            walk.warn(section.mark, &path, "there is no second group: nobody is kept apart");
        }
        let first = groups.len();
        for (name, field) in named {
            let Some(section) = walk.section(&field) else { continue };
            let hosts = walk.read(&section, "hosts", |walk, field| walk.list(field, host)).unwrap_or_default();
            let ports =
                walk.read(&section, "ports", |walk, field| walk.list(field, |walk, field| port(walk, field, switches)));
            let line = u32::try_from(field.node.mark.line).unwrap_or(u32::MAX);
            let mut group = IsolatedGroup {
                set: set.to_owned(),
                name: name.to_owned(),
                line,
                ports: ports.unwrap_or_default().into_iter().collect(),
                macs: BTreeSet::new(),
                addresses: BTreeSet::new(),
            };
            for host in hosts {
                match host {
                    Host::Mac(mac) => drop(group.macs.insert(mac)),
                    Host::Address(prefix) => drop(group.addresses.insert(prefix)),
                }
            }
            if group.ports.is_empty() && group.macs.is_empty() && group.addresses.is_empty() {
                walk.refuse(field.node.mark, &field.path, "nobody is in the group: name `hosts` or `ports`");
            }
            for other in groups.iter().skip(first) {
                if let Some(both) = in_both(&group, other) {
                    let message =
                        format!("{both} is in the group {} too, and would have to be kept from itself", other.name);
                    walk.refuse(field.node.mark, &field.path, message);
                }
            }
            groups.push(group);
        }
    }
    if groups.len() > GROUPS_MAX {
        let message = format!("{} groups: {GROUPS_MAX} at most have a bit in a packet's metadata", groups.len());
        walk.refuse(field.node.mark, &field.path, message);
    }
    let members: usize = groups.iter().map(IsolatedGroup::members).sum();
    if members > MEMBERS_MAX {
        let message = format!(
            "{members} members of all groups: {MEMBERS_MAX} at most are looked for in every packet; a prefix names many hosts, and a port whoever is there"
        );
        walk.refuse(field.node.mark, &field.path, message);
        // No rules are made of what is refused anyway.
        groups.clear();
    }
    Some((Arc::new(Isolation::new(groups)), sets))
}

/// Somebody who is in two groups that must not reach each other.
fn in_both(group: &IsolatedGroup, other: &IsolatedGroup) -> Option<String> {
    let port = group.ports.intersection(&other.ports).next().map(|port| format!("port {port}"));
    let mac = || group.macs.intersection(&other.macs).next().map(ToString::to_string);
    let address = || {
        let others: PrefixMap<()> = other.addresses.iter().map(|prefix| (*prefix, ())).collect();
        let both = |one: &Prefix| {
            let inside = others.covered_by(*one).next().map(|(two, ())| two);
            inside.or_else(|| others.longest_match(*one).map(|_| *one))
        };
        group.addresses.iter().find_map(both).map(|prefix| prefix.to_string())
    };
    port.or_else(mac).or_else(address)
}

fn host(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<Host> {
    walk.parsed(field, "a MAC address, an IP address or a prefix", |text| {
        if let Ok(mac) = text.parse::<MacAddr>() {
            return match mac.is_multicast() {
                true => Err(format!("`{text}` is the address of no host")),
                false => Ok(Host::Mac(mac)),
            };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let length = if address.is_ipv4() { 32 } else { 128 };
            return Prefix::new(address, length).map(Host::Address).ok_or_else(|| format!("`{text}`"));
        }
        let what = "not a MAC address, an IP address or a prefix";
        text.parse::<Prefix>().map(Host::Address).map_err(|error| match text.contains('/') {
            true => format!("`{text}`: {error}"),
            false => format!("`{text}`: {what}"),
        })
    })
}

/// `SWITCH/PORT`: a switch of `switches`, and the number or the name of a port.
pub(super) fn port(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
) -> Option<PortId> {
    walk.parsed(field, "a switch and a port such as s1/3", |text| port_of(text, switches))
}

/// The switch of this name in `switches`.
pub(super) fn switch_of<'c>(
    switch: &str,
    switches: &'c BTreeMap<String, SwitchConfig>,
) -> Result<&'c SwitchConfig, String> {
    switches.get(switch).ok_or_else(|| {
        let near = words::nearest(switch, switches.keys().map(String::as_str));
        let hint =
            near.map_or_else(|| "known are those of switches".to_owned(), |near| format!("did you mean `{near}`?"));
        format!("`{}`: there is no switch of this name: {hint}", shorten(switch))
    })
}

/// The same in a text. A colon is as good: commands print ports with one.
pub(super) fn port_of(text: &str, switches: &BTreeMap<String, SwitchConfig>) -> Result<PortId, String> {
    let Some((switch, port)) = text.split_once(['/', ':']) else {
        return Err(format!("`{text}`: not SWITCH/PORT, as in s1/3"));
    };
    let of = switch_of(switch, switches)?;
    let names: HashMap<&str, PortNo> =
        of.ports.iter().filter_map(|(number, port)| Some((port.name.as_deref()?, *number))).collect();
    let number = words::number::<u32>(port).map(PortNo).filter(|port| port.is_physical());
    match number.or_else(|| names.get(port).copied()) {
        Some(port_no) => Ok(PortId::new(of.datapath_id, port_no)),
        None => {
            let near = words::nearest(port, names.keys().copied());
            let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`{port}`: neither a port's number nor the name of one of {switch}{hint}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn problems(text: &str) -> String {
        Config::parse(text).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
    }

    #[test]
    fn an_address_in_two_groups_is_named_whichever_of_them_is_the_wider() {
        let text = |one: &str, two: &str| {
            format!("isolate: {{ plant: {{ groups: {{ a: {{ hosts: [{one}] }}, b: {{ hosts: [{two}] }} }} }} }}")
        };
        for (one, two, both) in [
            ("10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"),
            ("10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16"),
            ("10.1.0.0/16", "192.0.2.7, 10.1.0.0/16", "10.1.0.0/16"),
            ("0.0.0.0/0", "192.0.2.7", "192.0.2.7/32"),
        ] {
            let said = problems(&text(one, two));
            assert!(said.contains(&format!("{both} is in the group a too")), "{one}, {two}: {said}");
        }
        assert_eq!(problems(&text("10.1.0.0/16", "10.2.0.0/16, \"2001:db8::/32\"")), "");
    }

    #[test]
    fn more_members_than_there_is_room_for_are_refused_and_cost_little() {
        let hosts = |from: usize, to: usize| {
            let host = |n: usize| format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
            (from..to).map(host).collect::<Vec<_>>().join(", ")
        };
        let text = |more: usize| {
            let (one, two) = (hosts(0, MEMBERS_MAX / 2), hosts(MEMBERS_MAX / 2, MEMBERS_MAX + more));
            format!("isolate: {{ plant: {{ groups: {{ a: {{ hosts: [{one}] }}, b: {{ hosts: [{two}] }} }} }} }}")
        };
        assert_eq!(problems(&text(0)), "");
        let said = problems(&text(1));
        assert!(said.contains("isolate: 4097 members of all groups: 4096 at most"), "{said}");
    }
}
