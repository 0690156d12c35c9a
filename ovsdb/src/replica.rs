//! A copy of what a database says of bridges, ports and interfaces, kept by the updates of a `monitor` (RFC 7047 §4.1.5, §4.1.6). Columns
//! that are not known here are passed over, and those that an older server does not have are empty.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, MacAddr, PortId, PortNo};
use serde_json::{Map, Value, json};

use crate::value::{Uuid, map, single, text, uuids};

/// Rows that are kept of one table. A server that says more is not followed any further.
pub const MAX_ROWS: usize = 65_536;
/// Octets that the rows may take in all, with what keeping them costs: ten thousands of interfaces with all that
/// Open vSwitch says of each.
pub const MAX_OCTETS: usize = 64 << 20;
/// What a row takes beside its strings, and what a pair of a map takes: an estimate.
const ROW_OCTETS: usize = 256;
const PAIR_OCTETS: usize = 64;

/// What a database has too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Excess {
    Rows,
    Octets,
}

/// The tables and columns that are asked for.
pub(crate) const COLUMNS: &[(&str, &[&str])] = &[
    ("Open_vSwitch", &["ovs_version", "db_version", "system_type", "external_ids"]),
    ("Bridge", &["name", "datapath_id", "datapath_type", "ports", "external_ids"]),
    ("Port", &["name", "interfaces"]),
    ("Interface", &["name", "type", "ofport", "external_ids", "bfd", "bfd_status", "mtu", "link_state", "mac_in_use"]),
];

/// The one row of table `Open_vSwitch`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OpenVswitch {
    /// The switch's own version, once it runs.
    pub ovs_version: Option<String>,
    /// The schema's version, as the switch sees it.
    pub db_version: Option<String>,
    /// For others' use.
    pub external_ids: BTreeMap<String, String>,
}

/// A row of table `Bridge`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bridge {
    /// Such as `br0`.
    pub name: String,
    /// What OpenFlow knows it by, once the switch runs.
    pub datapath_id: Option<DatapathId>,
    /// Its rows of table `Port`.
    pub ports: BTreeSet<Uuid>,
    /// For others' use.
    pub external_ids: BTreeMap<String, String>,
}

/// A row of table `Interface`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// Empty for a device of the system; `patch`, `internal`, `vxlan` and so on.
    pub kind: String,
    /// OpenFlow's number, once it has one.
    pub ofport: Option<PortNo>,
    /// For others' use; what we have set is marked here.
    pub external_ids: BTreeMap<String, String>,
    /// What BFD is to do.
    pub bfd: BTreeMap<String, String>,
    /// What BFD says: `state`, `forwarding`, `remote_state` and others.
    pub bfd_status: BTreeMap<String, String>,
    /// Octets of the longest packet.
    pub mtu: Option<u16>,
    /// Whether there is a carrier.
    pub link_up: Option<bool>,
    /// Its address.
    pub mac_in_use: Option<MacAddr>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Port {
    name: String,
    interfaces: BTreeSet<Uuid>,
}

/// The copy.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Replica {
    open_vswitch: BTreeMap<Uuid, OpenVswitch>,
    bridges: BTreeMap<Uuid, Bridge>,
    ports: BTreeMap<Uuid, Port>,
    interfaces: BTreeMap<Uuid, Interface>,
    /// Which interface is which port, as far as the switch has said.
    places: BTreeMap<PortId, Uuid>,
    /// `places` is of rows that have changed since.
    is_stale: bool,
    /// What the rows take.
    octets: usize,
}

impl Replica {
    /// What is to be monitored of a database with these tables and columns.
    pub(crate) fn requests(schema: &Value) -> Value {
        let tables = COLUMNS.iter().filter_map(|(table, columns)| {
            let known = &schema["tables"][table]["columns"];
            let columns: Vec<&&str> = columns.iter().filter(|column| known.get(column).is_some()).collect();
            (!columns.is_empty()).then(|| ((*table).to_owned(), json!({ "columns": columns })))
        });
        Value::Object(tables.collect())
    }

    /// Table updates (RFC 7047 §4.1.6), or the answer to `monitor`. Whether anything is different. To be followed by [`Replica::settle`].
    pub(crate) fn update(&mut self, updates: &Value) -> Result<bool, Excess> {
        let mut changed = false;
        for (table, rows) in updates.as_object().into_iter().flatten() {
            for (uuid, update) in rows.as_object().into_iter().flatten() {
                let Some(uuid) = Uuid::parse(uuid) else { continue };
                let new = update.get("new").and_then(Value::as_object);
                let (octets, stale) = (&mut self.octets, &mut self.is_stale);
                changed |= match table.as_str() {
                    "Open_vSwitch" => put(&mut self.open_vswitch, uuid, new.map(OpenVswitch::read), octets, stale),
                    "Bridge" => put(&mut self.bridges, uuid, new.map(Bridge::read), octets, stale),
                    "Port" => put(&mut self.ports, uuid, new.map(Port::read), octets, stale),
                    "Interface" => put(&mut self.interfaces, uuid, new.map(Interface::read), octets, stale),
                    _ => false,
                };
                if self.octets > MAX_OCTETS {
                    return Err(Excess::Octets);
                }
            }
        }
        let rows = [self.open_vswitch.len(), self.bridges.len(), self.ports.len(), self.interfaces.len()];
        if rows.into_iter().any(|rows| rows > MAX_ROWS) {
            return Err(Excess::Rows);
        }
        Ok(changed)
    }

    /// Finds the ports' places again if rows that they depend on are different: once for many updates.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.places = self.find_places();
        }
    }

    /// Each port counts for one bridge and each interface for one port, whatever a server says, so that this is as much as there are rows.
    fn find_places(&self) -> BTreeMap<PortId, Uuid> {
        let (mut places, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for bridge in self.bridges.values() {
            let Some(datapath_id) = bridge.datapath_id else { continue };
            for uuid in &bridge.ports {
                let Some(port) = self.ports.get(uuid).filter(|_| seen.insert(*uuid)) else { continue };
                for uuid in &port.interfaces {
                    let Some(row) = self.interfaces.get(uuid).filter(|_| seen.insert(*uuid)) else { continue };
                    if let Some(number) = row.ofport {
                        places.insert(PortId::new(datapath_id, number), *uuid);
                    }
                }
            }
        }
        places
    }

    /// The version that the switch says it has.
    pub fn ovs_version(&self) -> Option<&str> {
        self.open_vswitch.values().find_map(|row| row.ovs_version.as_deref())
    }

    /// All bridges.
    pub fn bridges(&self) -> impl Iterator<Item = (Uuid, &Bridge)> {
        self.bridges.iter().map(|(uuid, bridge)| (*uuid, bridge))
    }

    /// All interfaces.
    pub fn interfaces(&self) -> impl Iterator<Item = (Uuid, &Interface)> {
        self.interfaces.iter().map(|(uuid, interface)| (*uuid, interface))
    }

    /// One interface.
    pub fn interface(&self, uuid: Uuid) -> Option<&Interface> {
        self.interfaces.get(&uuid)
    }

    /// The interfaces that OpenFlow knows as ports.
    pub fn places(&self) -> impl Iterator<Item = (PortId, Uuid, &Interface)> {
        self.places.iter().filter_map(|(port, uuid)| Some((*port, *uuid, self.interfaces.get(uuid)?)))
    }

    /// The interface that is this port.
    pub fn place(&self, port: PortId) -> Option<(Uuid, &Interface)> {
        let uuid = *self.places.get(&port)?;
        Some((uuid, self.interfaces.get(&uuid)?))
    }
}

/// A row as it is now, or none any more. Whether that is different.
fn put<T: PartialEq + Weigh>(
    rows: &mut BTreeMap<Uuid, T>,
    uuid: Uuid,
    row: Option<T>,
    octets: &mut usize,
    stale: &mut bool,
) -> bool {
    let old = rows.get(&uuid);
    if old == row.as_ref() {
        return false;
    }
    *stale |= match (old, &row) {
        (Some(old), Some(new)) => !old.is_placed_as(new),
        _ => true,
    };
    *octets = octets.saturating_sub(old.map_or(0, T::octets)).saturating_add(row.as_ref().map_or(0, T::octets));
    match row {
        Some(row) => rows.insert(uuid, row),
        None => rows.remove(&uuid),
    };
    true
}

/// What a row takes, and whether it is where it was.
trait Weigh {
    fn octets(&self) -> usize;
    /// Whether the ports' places do not depend on the difference.
    fn is_placed_as(&self, other: &Self) -> bool;
}

fn of_map(map: &BTreeMap<String, String>) -> usize {
    map.iter().map(|(key, value)| PAIR_OCTETS + key.len() + value.len()).sum()
}

fn of_references(uuids: &BTreeSet<Uuid>) -> usize {
    uuids.len() * size_of::<Uuid>() * 2
}

impl Weigh for OpenVswitch {
    fn octets(&self) -> usize {
        let texts = self.ovs_version.iter().chain(&self.db_version).map(String::len).sum::<usize>();
        ROW_OCTETS + texts + of_map(&self.external_ids)
    }

    fn is_placed_as(&self, _: &OpenVswitch) -> bool {
        true
    }
}

impl Weigh for Bridge {
    fn octets(&self) -> usize {
        ROW_OCTETS + self.name.len() + of_references(&self.ports) + of_map(&self.external_ids)
    }

    fn is_placed_as(&self, other: &Bridge) -> bool {
        (self.datapath_id, &self.ports) == (other.datapath_id, &other.ports)
    }
}

impl Weigh for Port {
    fn octets(&self) -> usize {
        ROW_OCTETS + self.name.len() + of_references(&self.interfaces)
    }

    fn is_placed_as(&self, other: &Port) -> bool {
        self.interfaces == other.interfaces
    }
}

impl Weigh for Interface {
    fn octets(&self) -> usize {
        let maps = of_map(&self.external_ids) + of_map(&self.bfd) + of_map(&self.bfd_status);
        ROW_OCTETS + self.name.len() + self.kind.len() + maps
    }

    fn is_placed_as(&self, other: &Interface) -> bool {
        self.ofport == other.ofport
    }
}

type Row = Map<String, Value>;

fn column<'a>(row: &'a Row, name: &str) -> &'a Value {
    row.get(name).unwrap_or(&Value::Null)
}

impl OpenVswitch {
    fn read(row: &Row) -> OpenVswitch {
        OpenVswitch {
            ovs_version: text(column(row, "ovs_version")),
            db_version: text(column(row, "db_version")),
            external_ids: map(column(row, "external_ids")),
        }
    }
}

impl Bridge {
    fn read(row: &Row) -> Bridge {
        let hexadecimal = |text: String| u64::from_str_radix(&text, 16).ok().map(DatapathId);
        Bridge {
            name: text(column(row, "name")).unwrap_or_default(),
            datapath_id: text(column(row, "datapath_id")).and_then(hexadecimal),
            ports: uuids(column(row, "ports")),
            external_ids: map(column(row, "external_ids")),
        }
    }
}

impl Port {
    fn read(row: &Row) -> Port {
        Port { name: text(column(row, "name")).unwrap_or_default(), interfaces: uuids(column(row, "interfaces")) }
    }
}

impl Interface {
    fn read(row: &Row) -> Interface {
        let number = |name| single(column(row, name)).and_then(Value::as_i64);
        Interface {
            name: text(column(row, "name")).unwrap_or_default(),
            kind: text(column(row, "type")).unwrap_or_default(),
            // -1 is a port that could not be made, 65534 the bridge's own (ovs-vswitchd.conf.db(5)).
            ofport: match number("ofport") {
                Some(65_534) => Some(PortNo::LOCAL),
                Some(number @ 1..65_534) => u32::try_from(number).ok().map(PortNo),
                _ => None,
            },
            external_ids: map(column(row, "external_ids")),
            bfd: map(column(row, "bfd")),
            bfd_status: map(column(row, "bfd_status")),
            mtu: number("mtu").and_then(|mtu| u16::try_from(mtu).ok()),
            link_up: text(column(row, "link_state")).map(|state| state == "up"),
            mac_in_use: text(column(row, "mac_in_use")).and_then(|address| address.parse().ok()),
        }
    }
}
