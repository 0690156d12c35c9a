//! The part of the table that is about single switches: `switches`, `vlans`, `flows`, `isolate`.

use super::{Key, MAX_DESCRIPTION, Need, Reload, Section, Shape, Term};

/// The values of `flows`.
static RULE: Term = Term { what: "rule or block of rules", plural: "rules or blocks of rules" };

/// What people should know of a switch, a port, a VLAN or a set of groups.
const DESCRIPTION: Key = Key {
    name: "description",
    shape: Shape::Text { max: MAX_DESCRIPTION },
    need: Need::Without("none"),
    rule: "",
    reload: Reload::Hot,
    about: "What people should know of it.",
};

/// `switches`.
pub(super) const SWITCHES: Shape = Shape::Map { of: &Shape::Section(&SWITCH) };

static SWITCH: Section = Section {
    about: "A switch and its name. Switches that do not stand here are served as well; they have no names.",
    keys: &[
        Key {
            name: "datapath_id",
            shape: Shape::DatapathId,
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Which switch it is. No two have the same.",
        },
        DESCRIPTION,
        Key {
            name: "drain",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "RFC 6987",
            reload: Reload::Hot,
            about: "The switch is under maintenance: what is not for its own hosts leaves it without a lost packet, and goes through it where nothing else leads. Its                     hosts stay reachable.",
        },
        Key {
            name: "ports",
            shape: Shape::Ports { of: &Shape::Section(&PORT) },
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Inside,
            about: "Ports by number.",
        },
    ],
};

static PORT: Section = Section {
    about: "A port of the switch.",
    keys: &[
        Key {
            name: "name",
            shape: Shape::Name,
            need: Need::Without("its number alone"),
            rule: "",
            reload: Reload::Hot,
            about: "A name that the switch's rules in `flows` may use for the number. No two ports of a switch have the same, and none has the name of \
                    a reserved port (`local`, `controller`, …).",
        },
        DESCRIPTION,
    ],
};

/// `vlans`.
pub(super) const VLANS: Shape = Shape::Map { of: &Shape::Either { plain: &VLAN_ID, section: &Shape::Section(&VLAN) } };

const VLAN_ID: Shape = Shape::Integer { min: 1, max: 4094 };

static VLAN: Section = Section {
    about: "A VLAN of which there is more to say than its number.",
    keys: &[
        Key {
            name: "id",
            shape: VLAN_ID,
            need: Need::Required,
            rule: "IEEE 802.1Q §9.6",
            reload: Reload::Hot,
            about: "Its number.",
        },
        DESCRIPTION,
    ],
};

/// The values of `groups`.
static GROUP_OF_PORTS: Term = Term { what: "group or block of groups", plural: "groups or blocks of groups" };

/// `groups`.
pub(super) const GROUPS: Shape = Shape::Map { of: &Shape::List { of: &Shape::Term(&GROUP_OF_PORTS), min: 0 } };

/// The values of `meters`.
static METER: Term = Term { what: "meter or block of meters", plural: "meters or blocks of meters" };

/// `meters`.
pub(super) const METERS: Shape = Shape::Map { of: &Shape::List { of: &Shape::Term(&METER), min: 0 } };

/// `flows`.
pub(super) const FLOWS: Shape = Shape::Map { of: &Shape::List { of: &Shape::Term(&RULE), min: 0 } };

/// `isolate`.
pub(super) const ISOLATE: Shape = Shape::Map { of: &Shape::Section(&SET) };

static HOST: Term = Term { what: "host", plural: "hosts" };
static PORT_OF_SWITCH: Term = Term { what: "port of a switch", plural: "ports of switches" };

static SET: Section = Section {
    about: "A set of groups: no host of one group ever reaches one of another group of the same set. Within a group, and to and from hosts of no group, \
            everything goes its usual way. What reaches a member by a rule of `flows` that sends it straight to a port counts too: such a rule is refused (`verify`).",
    keys: &[
        DESCRIPTION,
        Key {
            name: "groups",
            shape: Shape::Map { of: &Shape::Section(&GROUP) },
            need: Need::Required,
            rule: "",
            reload: Reload::Inside,
            about: "The groups by name, 64 at most in all sets together. Nobody is in two groups of a set.",
        },
    ],
};

static GROUP: Section = Section {
    about: "Who is in the group: whoever one of the two lists names. It needs at least one of them.",
    keys: &[
        Key {
            name: "hosts",
            shape: Shape::List { of: &Shape::Term(&HOST), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Hosts, wherever they are: a MAC address (`02:00:00:00:00:07`), an IP address or a prefix (`10.0.5.0/24`, `2001:db8::/64`). An IP address names \
                    the IP and ARP packets that carry it, a MAC address every frame.",
        },
        Key {
            name: "ports",
            shape: Shape::List { of: &Shape::Term(&PORT_OF_SWITCH), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Ports of switches that have a name in `switches`: `s1/3` by the port's number, `s1/printer` by its name. Whoever is behind the port is a \
                    member while it is there.",
        },
    ],
};
