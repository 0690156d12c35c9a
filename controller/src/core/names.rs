//! What the configuration calls switches and their ports, for those who ask. Nothing is done by it.

use std::collections::BTreeMap;

use net::{DatapathId, PortNo};

/// Names and descriptions, found both ways.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SwitchNames {
    by_name: BTreeMap<String, DatapathId>,
    switches: BTreeMap<DatapathId, NamedSwitch>,
}

/// A switch as the configuration has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NamedSwitch {
    /// Its name.
    pub name: String,
    /// What people should know of it.
    pub description: Option<String>,
    /// Ports of which something is said.
    pub ports: BTreeMap<PortNo, NamedPort>,
}

/// A port as the configuration has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NamedPort {
    /// Its name.
    pub name: Option<String>,
    /// What people should know of it.
    pub description: Option<String>,
}

impl SwitchNames {
    /// Of these; each has a name of its own.
    pub fn new(switches: impl IntoIterator<Item = (DatapathId, NamedSwitch)>) -> SwitchNames {
        let switches: BTreeMap<DatapathId, NamedSwitch> = switches.into_iter().collect();
        let by_name = switches.iter().map(|(id, switch)| (switch.name.clone(), *id)).collect();
        SwitchNames { by_name, switches }
    }

    /// The switch of this name.
    pub fn find(&self, name: &str) -> Option<DatapathId> {
        self.by_name.get(name).copied()
    }

    /// All names, ascending.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// What is said of a switch.
    pub fn switch(&self, id: DatapathId) -> Option<&NamedSwitch> {
        self.switches.get(&id)
    }

    /// What is said of a port.
    pub fn port(&self, id: DatapathId, port_no: PortNo) -> Option<&NamedPort> {
        self.switch(id)?.ports.get(&port_no)
    }
}
