//! The databases of Open vSwitches, and what is set there.

use super::{AT, DATAPATH_ID, Form, Kind, Route, SWITCH_NAME, What, field, maybe};

pub(super) const OVSDB: Route = Route {
    path: "/api/v1/ovsdb",
    what: What::Ovsdb,
    about: "Databases of Open vSwitches, in the order of the configuration.",
    parameters: &[],
    form: Form::Rows,
    beside: &[AT],
    row: &[
        field("database", Kind::Text, "DATABASE", "Where it is, in the words of the configuration."),
        field("state", Kind::Text, "STATE", "`up`, or `down`: it is tried again until it works."),
        maybe("version", Kind::Text, "VERSION", "The version of its schema."),
        maybe("ovs_version", Kind::Text, "OVS", "The switch's version, if it says so."),
        field("bridges", Kind::Texts, "BRIDGES", "Its bridges, and which switches they are."),
        field(
            "contested",
            Kind::Texts,
            "CONTESTED",
            "Switches that another bridge claims to be, too, here or in another database: what databases say of them does not count.",
        ),
        field("interfaces", Kind::Number, "INTERFACES", "Its interfaces."),
        field("bfd_interfaces", Kind::Number, "BFD", "Interfaces with BFD that the controller has switched on."),
        maybe("error", Kind::Text, "ERROR", "Why it is not connected."),
    ],
};

pub(super) const BFD: Route = Route {
    path: "/api/v1/bfd",
    what: What::Bfd,
    about: "BFD on links between switches, where the configuration switches it on (`ovsdb.bfd`).",
    parameters: &[],
    form: Form::Rows,
    beside: &[AT],
    row: &[
        SWITCH_NAME,
        DATAPATH_ID,
        field("port", Kind::Text, "PORT", "The port at this end."),
        field("to_switch", Kind::Text, "TO_SWITCH", "The switch at the other end."),
        field("to_datapath_id", Kind::Text, "", "Its datapath id."),
        field("to_port", Kind::Text, "TO_PORT", "The port at the other end."),
        field(
            "state",
            Kind::Text,
            "STATE",
            "`up`: at both ends. `down`: it was up; BFD stays, for it is what tells that the link is dead. `starting`: switched on at both ends. `waiting`: for                  its turn, or the database of an end is not connected, or an interface cannot have BFD. `failed`: it did not come up and is taken back; tried again later.",
        ),
        maybe("local", Kind::Text, "LOCAL", "What BFD says at this end."),
        maybe("remote", Kind::Text, "REMOTE", "What BFD says at the other end."),
    ],
};
