//! Databases of Open vSwitches, and BFD by them.

use net::{DatapathId, PortId, PortNo};
use serde_json::{Map, Value, json};

use super::find::Look;
use super::{Page, beside};
use crate::io::fabric::Snapshot;
use crate::io::ovsdb::{OvsdbStatus, PortRow};

pub(super) fn connections(status: &OvsdbStatus, snapshot: &Snapshot) -> Value {
    let look = Look { snapshot };
    let bridge = |(name, id): &(String, Option<DatapathId>)| match id {
        Some(id) if look.switch(*id) == *name => name.clone(),
        Some(id) => format!("{name} ({})", look.switch(*id)),
        None => name.clone(),
    };
    let rows = status.connections.iter().map(|connection| {
        json!({
            "database": connection.target,
            "state": if connection.up { "up" } else { "down" },
            "version": connection.version,
            "ovs_version": connection.ovs_version,
            "bridges": connection.bridges.iter().map(bridge).collect::<Vec<_>>(),
            "contested": connection.contested.iter().map(|id| look.switch(*id)).collect::<Vec<_>>(),
            "interfaces": connection.interfaces,
            "bfd_interfaces": connection.bfd_interfaces,
            "error": connection.error,
        })
    });
    Page { rows: rows.collect(), next: None }.answer(beside([("at", json!(look.now()))]))
}

pub(super) fn sessions(status: &OvsdbStatus, snapshot: &Snapshot) -> Value {
    let look = Look { snapshot };
    let says = |port: PortId| status.ports.get(&port).and_then(|row| row.bfd_state.clone());
    let rows = status.sessions.iter().map(|session| {
        let (a, b) = session.ends;
        json!({
            "switch": look.switch(a.datapath_id),
            "datapath_id": a.datapath_id,
            "port": a.port_no.to_string(),
            "to_switch": look.switch(b.datapath_id),
            "to_datapath_id": b.datapath_id,
            "to_port": b.port_no.to_string(),
            "state": session.state,
            "local": says(a),
            "remote": says(b),
        })
    });
    Page { rows: rows.collect(), next: None }.answer(beside([("at", json!(look.now()))]))
}

/// What the databases know of the ports in an answer.
pub(super) fn add_to_ports(status: &OvsdbStatus, answer: &mut Value) {
    let none = PortRow::default();
    for row in answer.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        let known = place(row).and_then(|port| status.ports.get(&port));
        let Some(row) = row.as_object_mut() else { continue };
        add(row, known.unwrap_or(&none), known.is_some());
    }
}

fn add(row: &mut Map<String, Value>, known: &PortRow, is_known: bool) {
    let notes = || known.external_ids.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    row.insert("mtu".to_owned(), json!(known.mtu));
    row.insert("bfd".to_owned(), json!(known.bfd_state));
    row.insert("external_ids".to_owned(), json!(is_known.then(notes)));
}

fn place(row: &Value) -> Option<PortId> {
    let datapath_id = row.get("datapath_id")?.as_str()?.parse().ok()?;
    let port = match row.get("port")?.as_str()? {
        "LOCAL" => PortNo::LOCAL,
        number => PortNo(number.parse().ok()?),
    };
    Some(PortId::new(datapath_id, port))
}
