//! The part of the table that is about bandwidth set aside: `reservations`.

use super::{Key, Need, Reload, Section, Shape, Term};

static SWITCH: Term = Term { what: "switch", plural: "switches" };
static BIT_RATE: Term = Term { what: "bit rate", plural: "bit rates" };
static LATENCY: Term = Term { what: "latency", plural: "latencies" };
static PART: Term = Term { what: "part of the network", plural: "parts of the network" };

/// The values of `disjoint`.
pub(in crate::config) const DISJOINT: &[&str] = &["node", "link", "srlg"];

/// `reservations`.
pub(super) const RESERVATIONS: Shape = Shape::List { of: &Shape::Section(&RESERVATION), min: 0 };

static RESERVATION: Section = Section {
    about: "Bandwidth to be set aside from one switch to another, in this direction. Entries are admitted in the order of the file, each on the cheapest path that those before it leave \
            room for, against `links[].bandwidth` or the speeds that ports tell. It is admission and accounting: no rule is made of it, and packets go where they go without it. \
            `trunkline show reservations` has the paths, and why there is none.",
    keys: &[
        Key {
            name: "name",
            shape: Shape::Name,
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "What it is called. Each name once.",
        },
        Key {
            name: "from",
            shape: Shape::Term(&SWITCH),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Where it begins: a switch by its name in `switches`.",
        },
        Key {
            name: "to",
            shape: Shape::Term(&SWITCH),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Where it ends. The way back is an entry of its own.",
        },
        Key {
            name: "bandwidth",
            shape: Shape::Term(&BIT_RATE),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Set aside on each link of its path: `2.5G`, `100M`, `64k`.",
        },
        Key {
            name: "max_latency",
            shape: Shape::Term(&LATENCY),
            need: Need::Without("any"),
            rule: "",
            reload: Reload::Hot,
            about: "Over all links of its path: `5ms`, `300us`. A link whose latency is neither stated nor measured is not taken.",
        },
        Key {
            name: "avoid",
            shape: Shape::List { of: &Shape::Term(&PART), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Not to be passed: switches, links by either port (`s1/uplink`), risk groups (`srlg:conduit-7`).",
        },
        Key {
            name: "include",
            shape: Shape::List { of: &Shape::Term(&PART), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "To be passed in this order: switches, and links by either port. 16 at most, and not with `disjoint`.",
        },
        Key {
            name: "disjoint",
            shape: Shape::Word(DISJOINT),
            need: Need::Without("one path"),
            rule: "",
            reload: Reload::Hot,
            about: "Two paths with the bandwidth on both, that have no switch but their ends (`node`), no link (`link`) or no risk of `links[].srlg` (`srlg`) in common.",
        },
    ],
};
