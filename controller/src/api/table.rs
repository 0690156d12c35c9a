//! THE table of the read API: every route with its parameters and the fields of what it answers.
//!
//! The routes of the server, the OpenAPI document and the columns of the commands come out of it. A new field is one row here and one line where
//! its rows are made; a test holds the two together.

mod ovsdb;
mod routes;

use crate::flow::{EntryState, Owner};

/// The form of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number from 0 on.
    Number,
    /// True or false.
    Boolean,
    /// A time in UTC, RFC 3339.
    Time,
    /// A list of texts.
    Texts,
}

/// A field of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON, YAML and CSV.
    pub name: &'static str,
    /// Its form.
    pub kind: Kind,
    /// It may be null: nothing is known, or there is nothing.
    pub nullable: bool,
    /// Its column in tables for people; empty if it has none.
    pub heading: &'static str,
    /// What it says.
    pub about: &'static str,
}

const fn field(name: &'static str, kind: Kind, heading: &'static str, about: &'static str) -> Field {
    Field { name, kind, nullable: false, heading, about }
}

const fn maybe(name: &'static str, kind: Kind, heading: &'static str, about: &'static str) -> Field {
    Field { name, kind, nullable: true, heading, about }
}

/// The form of a parameter's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// A switch: its name or its datapath id.
    Switch,
    /// A whole number between these.
    Number(u64, u64),
    /// Any text.
    Text,
}

/// A parameter of a route's query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The form of its value.
    pub takes: Takes,
    /// It has to be there.
    pub required: bool,
    /// What it does.
    pub about: &'static str,
}

const fn parameter(name: &'static str, takes: Takes, about: &'static str) -> Parameter {
    Parameter { name, takes, required: false, about }
}

/// How an answer is made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One object with the fields of [`Route::row`].
    One,
    /// The fields of [`Route::beside`], and `rows` of [`Route::row`].
    Rows,
    /// The same, with `next` where there is more: the `after` of the next page.
    Pages,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum What {
    Status,
    Switches,
    Ports,
    Links,
    Neighbors,
    Conditions,
    Hosts,
    Paths,
    Path,
    /// Routes under constraints.
    Routes,
    Reservations,
    Flows,
    Groups,
    Meters,
    Trace,
    History,
    Events,
    Ovsdb,
    Bfd,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Where it is.
    pub path: &'static str,
    /// What it answers.
    pub what: What,
    /// The same in words.
    pub about: &'static str,
    /// What its query may have.
    pub parameters: &'static [Parameter],
    /// How the answer is made up.
    pub form: Form,
    /// Fields beside the rows.
    pub beside: &'static [Field],
    /// The fields of a row.
    pub row: &'static [Field],
}

impl Route {
    /// The route of a thing.
    pub fn of(what: What) -> &'static Route {
        // Each has one; a test says so.
        ROUTES.iter().find(|route| route.what == what).unwrap_or(&ROUTES[0])
    }
}

/// Rows of a page, if the question does not say how many, and at most.
pub const PAGE_ROWS: usize = 1_000;
/// Longest time that a question for events waits for one, in seconds: shorter than a connection may live.
pub const WAIT_MAX: u64 = 30;

const COUNTERS: Parameter = parameter(
    "counters",
    Takes::Number(0, 1),
    "1: the switches are asked for their counters. Without it nothing is asked of them.",
);
const SWITCH: Parameter = parameter("switch", Takes::Switch, "Only of this switch: its name or its datapath id.");
const AFTER: Parameter = parameter("after", Takes::Text, "Go on behind this: `next` of the page before.");
const LIMIT: Parameter = parameter("limit", Takes::Number(1, PAGE_ROWS as u64), "At most so many rows.");
const STATE: Parameter =
    parameter("state", Takes::Text, "Only in this state: `installed`, `pending`, `refused`, `leaving` or `found`.");

const AT: Field = field("at", Kind::Time, "", "When the answer was true.");
const SWITCH_NAME: Field =
    field("switch", Kind::Text, "SWITCH", "The switch's name, or its datapath id if it has none.");
const DATAPATH_ID: Field = field("datapath_id", Kind::Text, "", "The switch's datapath id, 16 hex digits.");
const ENTRY_STATE: Field = field(
    "state",
    Kind::Text,
    "STATE",
    "`installed`: confirmed by the switch. `pending`: not sent or not confirmed yet. `refused`: the switch has said no. `leaving`: not wanted any more \
     and still there. `found`: the switch says that it is there, and the controller has not put it there; only with `counters`.",
);
const ERROR: Field = maybe("error", Kind::Text, "ERROR", "The switch's last error, if it refused.");
const RETRY_AT: Field = maybe(
    "retry_at",
    Kind::Time,
    "",
    "When a refused one is sent again; null if that is on its way, or if it is not sent again as it is.",
);
const OWNER: Field = maybe("owner", Kind::Text, "OWNER", "The application that wants it.");
const NOTE: Field =
    maybe("note", Kind::Text, "", "Why counters are missing, and what else is odd about what the switches have said.");
const PACKETS: Field = maybe(
    "packets",
    Kind::Number,
    "PACKETS",
    "Packets that it matched, as the switch counts them; null if it was not asked or did not say.",
);
const OCTETS: Field = maybe("octets", Kind::Number, "OCTETS", "Octets in those packets.");
const AGE: Field = maybe("age_seconds", Kind::Number, "AGE", "Whole seconds that it is on the switch.");
const LINE: Field =
    maybe("line", Kind::Number, "LINE", "The line of the configuration that it comes from, if it comes from one.");

/// All routes.
pub static ROUTES: &[Route] = &[
    Route {
        path: "/api/v1/status",
        what: What::Status,
        about: "The whole in numbers.",
        parameters: &[],
        form: Form::One,
        beside: &[],
        row: &[
            AT,
            field("version", Kind::Text, "", "The program's version."),
            field("started", Kind::Time, "", "When it started."),
            field("uptime_seconds", Kind::Number, "", "How long it has run."),
            field("healthy", Kind::Boolean, "", "Every part of it runs."),
            field("switches_connected", Kind::Number, "", "Connected switches."),
            field(
                "switches_known",
                Kind::Number,
                "",
                "Switches in the network; those that lost their connection stay for a while.",
            ),
            field("switches_settling", Kind::Number, "", "Switches on which rules of an earlier run are still held."),
            field("ports", Kind::Number, "", "Ports of all switches."),
            field("links", Kind::Number, "", "Links that are known in both directions."),
            field(
                "links_one_way",
                Kind::Number,
                "",
                "Directions of links whose other direction is not known: they carry nothing.",
            ),
            field("neighbors", Kind::Number, "", "LLDP neighbours that are not switches of this network."),
            field("conditions", Kind::Number, "", "What is odd about the network: `show conditions` tells each."),
            maybe(
                "probe_interval_ms",
                Kind::Number,
                "",
                "Time between two probes of a link, in milliseconds: longer than configured if the budget asks for it.",
            ),
            maybe(
                "detection_ms",
                Kind::Number,
                "",
                "Longest time from a link's silent failure to its end at that interval, in milliseconds.",
            ),
            field("hosts", Kind::Number, "", "Hosts."),
            field("paths", Kind::Number, "", "Ordered pairs of switches with a path."),
            field("paths_missing", Kind::Number, "", "Ordered pairs of switches without one."),
            field("rules_desired", Kind::Number, "", "Rules that should be on the switches."),
            field("rules_installed", Kind::Number, "", "Rules of ours that are on the switches, as far as is known."),
            field("groups_installed", Kind::Number, "", "Groups of ours on the switches."),
            field(
                "refused",
                Kind::Number,
                "",
                "Rules and groups that a switch has refused and that wait for another try.",
            ),
            field("reroutes", Kind::Number, "", "Broken links that paths were led around."),
            maybe("last_reroute_us", Kind::Number, "", "How long the last reroute took, in microseconds."),
            field("events", Kind::Number, "", "The number of the newest event."),
            maybe("bgp_neighbors", Kind::Number, "", "BGP neighbours; null without a `bgp` section."),
            maybe("bgp_established", Kind::Number, "", "BGP neighbours with a session."),
        ],
    },
    Route {
        path: "/api/v1/switches",
        what: What::Switches,
        about: "Switches, by datapath id.",
        parameters: &[SWITCH, AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field(
                "state",
                Kind::Text,
                "STATE",
                "`connected`, or `lost`: it forwards without a controller and stays in the network for a while.",
            ),
            field(
                "drained",
                Kind::Boolean,
                "DRAINED",
                "Under maintenance: others' traffic goes through it where nothing else leads.",
            ),
            maybe("address", Kind::Text, "ADDRESS", "Where its connection comes from."),
            maybe("since", Kind::Time, "SINCE", "Since when it is connected and read back."),
            field("ports", Kind::Number, "PORTS", "Its ports."),
            field("ports_up", Kind::Number, "UP", "Its ports that are up."),
            field("hosts", Kind::Number, "HOSTS", "Hosts at its ports."),
            field("rules_installed", Kind::Number, "RULES", "Rules of ours on it, as far as is known."),
            field("rules_desired", Kind::Number, "DESIRED", "Rules that should be on it."),
            field("groups_installed", Kind::Number, "GROUPS", "Groups of ours on it."),
            field(
                "refused",
                Kind::Number,
                "REFUSED",
                "Rules and groups that it has refused and that wait for another try.",
            ),
            maybe(
                "round_trip_us",
                Kind::Number,
                "RTT_US",
                "Round-trip time of its control connection, in microseconds.",
            ),
            maybe("manufacturer", Kind::Text, "", "Who made it, in its own words."),
            maybe("hardware", Kind::Text, "", "Its hardware, in its own words."),
            maybe("software", Kind::Text, "SOFTWARE", "Its software, in its own words."),
            maybe("serial_number", Kind::Text, "", "Its serial number, in its own words."),
            maybe("description", Kind::Text, "DESCRIPTION", "What the configuration says of it."),
        ],
    },
    Route {
        path: "/api/v1/ports",
        what: What::Ports,
        about: "Ports of switches, by datapath id and number.",
        parameters: &[SWITCH, AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field("port", Kind::Text, "PORT", "Its number, or `LOCAL`."),
            field("name", Kind::Text, "NAME", "Its name on the switch."),
            maybe("called", Kind::Text, "CALLED", "Its name in the configuration."),
            maybe("description", Kind::Text, "DESCRIPTION", "What the configuration says of it."),
            field("up", Kind::Boolean, "UP", "Not switched off, and the link layer is up."),
            field(
                "state",
                Kind::Text,
                "STATE",
                "`edge`: hosts are behind it. `link`: another switch of this network. `unknown`: down, or not known yet.",
            ),
            field("speed_mbps", Kind::Number, "MBPS", "Its bit rate in Mbit/s; 0 if the switch does not say."),
            field("mac", Kind::Text, "MAC", "Its own MAC address."),
            maybe(
                "peer",
                Kind::Text,
                "PEER",
                "Who is at the other end: switch and port, or what a foreign device says by LLDP.",
            ),
            field("hosts", Kind::Number, "HOSTS", "Hosts behind it."),
            maybe(
                "rx_packets",
                Kind::Number,
                "RX_PACKETS",
                "Packets received, as the switch counted some seconds ago.",
            ),
            maybe("tx_packets", Kind::Number, "TX_PACKETS", "Packets sent."),
            maybe("rx_bytes", Kind::Number, "", "Octets received."),
            maybe("tx_bytes", Kind::Number, "", "Octets sent."),
            maybe("rx_dropped", Kind::Number, "", "Packets dropped on reception."),
            maybe("tx_dropped", Kind::Number, "", "Packets dropped on sending."),
            maybe("rx_errors", Kind::Number, "", "Errors on reception."),
            maybe("tx_errors", Kind::Number, "", "Errors on sending."),
            maybe(
                "mtu",
                Kind::Number,
                "",
                "Octets of the longest packet; null without the switch's database (`ovsdb`).",
            ),
            maybe(
                "bfd",
                Kind::Text,
                "",
                "What BFD says at this end: `up`, `init`, `down`, `admin_down`; null without BFD.",
            ),
            maybe(
                "external_ids",
                Kind::Texts,
                "",
                "What others have noted of it in the switch's database, as `key=value`.",
            ),
        ],
    },
    ovsdb::OVSDB,
    ovsdb::BFD,
    Route {
        path: "/api/v1/links",
        what: What::Links,
        about: "Links between switches: each once, or a single direction if the other one is not known; and those that the configuration speaks of and that are not there.",
        parameters: &[SWITCH, AFTER, LIMIT],
        form: Form::Pages,
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
                "`both`: known in both directions. `one-way`: it carries nothing. `damped`: it went down too often and is kept down for a while. `withheld`: nothing leads over it, for the verifier has not looked yet, or has found that packets would go wrong (`show events --kind verify`). `missing`: `links` or `fabric.expected_links` speaks of it, and it is not there.",
            ),
            field("cost", Kind::Number, "COST", "What `paths.metric` counts for it in this direction."),
            field(
                "drained",
                Kind::Boolean,
                "DRAINED",
                "It is under maintenance, or a switch at one of its ends: used where nothing else leads.",
            ),
            field("srlg", Kind::Texts, "SRLG", "Risks that it shares with other links."),
            maybe("bandwidth_kbps", Kind::Number, "", "Its bit rate in kbit/s, as stated or as the port tells."),
            maybe("load_kbps", Kind::Number, "", "What goes over it in this direction in kbit/s, smoothed over 15 s."),
            maybe("utilisation_percent", Kind::Number, "LOAD_%", "The same of its bit rate."),
            maybe(
                "latency_us",
                Kind::Number,
                "LATENCY_US",
                "How long frames take in this direction, in microseconds, smoothed; null until the round trips of both switches are known.",
            ),
            field(
                "via_others",
                Kind::Boolean,
                "VIA_OTHERS",
                "It passes through switches that are not ours: only broadcast probes come through.",
            ),
            maybe(
                "since",
                Kind::Time,
                "SINCE",
                "Since when this direction is known, or kept down, or a condition says that it is missing; null for a missing one of which none does.",
            ),
        ],
    },
    Route {
        path: "/api/v1/neighbors",
        what: What::Neighbors,
        about: "LLDP neighbours that are not switches of this network, by port. What they say is not authenticated: it is for people.",
        parameters: &[SWITCH, AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field("port", Kind::Text, "PORT", "The port that it is at."),
            field("port_name", Kind::Text, "NAME", "The port's name on the switch."),
            maybe("system_name", Kind::Text, "NEIGHBOR", "The neighbour's name, if it says one."),
            field("chassis_id", Kind::Text, "CHASSIS", "Its chassis id."),
            field("far_port", Kind::Text, "FAR_PORT", "Its port id."),
            maybe("far_port_description", Kind::Text, "", "What it says of its port."),
            maybe("system_description", Kind::Text, "", "What it says it is."),
            field(
                "capabilities",
                Kind::Texts,
                "CAPABILITIES",
                "What it does, by the names of IEEE 802.1AB: those that are switched on.",
            ),
            field("management_addresses", Kind::Texts, "MANAGEMENT", "IP addresses by which it is managed."),
            maybe("vlan", Kind::Number, "", "The VLAN of untagged frames on its port."),
            maybe(
                "max_frame_size",
                Kind::Number,
                "",
                "The longest frame that its port takes, in octets with header and FCS.",
            ),
            field("since", Kind::Time, "", "Since when it is there."),
            field("age_seconds", Kind::Number, "AGE", "The same in whole seconds until now."),
        ],
    },
    Route {
        path: "/api/v1/conditions",
        what: What::Conditions,
        about: "What is odd about the network now, and what to do about it, by kind and port: 1,024 at most.",
        parameters: &[SWITCH, parameter("kind", Takes::Text, "Only of this kind."), AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            field(
                "kind",
                Kind::Text,
                "KIND",
                "`one_way`, `loopback`, `miswired`, `flapping`, `speed_mismatch`, `mtu_mismatch`, `short_frames`, `link_at_host_port`, `late_probes`, `forged_probes`, \
                 `foreign_probes`, `replayed_probes`, `link_missing`, `link_elsewhere`, `stated_elsewhere`, `link_unexpected`, `host_contested`, `address_contested`, `rogue_dhcp_server`.",
            ),
            SWITCH_NAME,
            DATAPATH_ID,
            field("port", Kind::Text, "PORT", "The port that it is about; the first one of several."),
            maybe("host", Kind::Text, "", "The host that it is about."),
            field("since", Kind::Time, "SINCE", "When it was seen first."),
            maybe("until", Kind::Time, "", "When a link that is kept down is taken back if it stays quiet."),
            field("what", Kind::Text, "WHAT", "What is odd, in one sentence."),
            field("advice", Kind::Text, "ADVICE", "What to do."),
        ],
    },
    Route {
        path: "/api/v1/hosts",
        what: What::Hosts,
        about: "Hosts, by MAC address.",
        parameters: &[
            SWITCH,
            parameter("host", Takes::Text, "Only the host with this MAC or IP address."),
            AFTER,
            LIMIT,
        ],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            field("mac", Kind::Text, "MAC", "Its MAC address."),
            field("addresses", Kind::Texts, "ADDRESSES", "IP addresses that it said are its own."),
            SWITCH_NAME,
            DATAPATH_ID,
            field("port", Kind::Text, "PORT", "The port that it is behind."),
            field("since", Kind::Time, "SINCE", "Since when it is there."),
            field(
                "last_seen",
                Kind::Time,
                "LAST_SEEN",
                "When the controller last saw a packet of it. What the switch forwards by itself does not count.",
            ),
        ],
    },
    Route {
        path: "/api/v1/paths",
        what: What::Paths,
        about: "The shortest way from each switch to each other one: cost, hops, and all ports that lead there as cheaply.",
        parameters: &[
            parameter("from", Takes::Switch, "Only from this switch."),
            parameter("to", Takes::Switch, "Only to this switch."),
            AFTER,
            LIMIT,
        ],
        form: Form::Pages,
        beside: &[AT],
        row: &[
            field("from", Kind::Text, "FROM", "The switch where the way begins."),
            field("from_datapath_id", Kind::Text, "", "Its datapath id."),
            field("to", Kind::Text, "TO", "The switch where it ends."),
            field("to_datapath_id", Kind::Text, "", "Its datapath id."),
            maybe("cost", Kind::Number, "COST", "What its links cost by `paths.metric`; null if there is none."),
            maybe("hops", Kind::Number, "HOPS", "Links on the way by the first port; null if there is none."),
            field(
                "ports",
                Kind::Texts,
                "PORTS",
                "Ports of the first switch that lead there at that cost: packets are spread over them.",
            ),
        ],
    },
    Route {
        path: "/api/v1/path",
        what: What::Path,
        about: "The way from one host or switch to another, hop by hop, or why there is none.",
        parameters: &[
            Parameter { required: true, ..parameter("from", Takes::Text, "A host's MAC or IP address, or a switch.") },
            Parameter { required: true, ..parameter("to", Takes::Text, "A host's MAC or IP address, or a switch.") },
        ],
        form: Form::Rows,
        beside: &[
            AT,
            field("from", Kind::Text, "", "Where it begins."),
            field("to", Kind::Text, "", "Where it ends."),
            field("reachable", Kind::Boolean, "", "There is a way."),
            maybe("reason", Kind::Text, "", "Why there is none."),
            field(
                "equal_cost_paths",
                Kind::Number,
                "",
                "Ways of the same length over other links: packets are spread over them by what they carry.",
            ),
        ],
        row: &[
            field("hop", Kind::Number, "HOP", "From 1 on."),
            SWITCH_NAME,
            DATAPATH_ID,
            maybe("in_port", Kind::Text, "IN", "The port where it comes in."),
            maybe("out_port", Kind::Text, "OUT", "The port where it leaves; the lowest of several."),
            maybe("to", Kind::Text, "TO", "What is at the other end of it."),
            field(
                "alternatives",
                Kind::Texts,
                "OR_ELSE",
                "The other ports that lead on over as few links, each with its other end.",
            ),
        ],
    },
    routes::ROUTES,
    routes::RESERVATIONS,
    Route {
        path: "/api/v1/flows",
        what: What::Flows,
        about: "Rules of ours on the switches, desired and installed, by switch, table, priority (the highest first) and match. With `counters` the switches \
                are asked for packets, octets and age of each, and what others have put there is listed too.",
        parameters: &[
            SWITCH,
            parameter("table", Takes::Number(0, 254), "Only of this table."),
            parameter(
                "owner",
                Takes::Text,
                "Only what this application wants; `foreign`, what nobody here has put there. That is asked of the switches.",
            ),
            STATE,
            COUNTERS,
            AFTER,
            LIMIT,
        ],
        form: Form::Pages,
        beside: &[AT, NOTE],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field("table", Kind::Number, "TABLE", "Its table."),
            field("priority", Kind::Number, "PRIORITY", "Its priority."),
            field("match", Kind::Text, "MATCH", "What it matches, in ovs-ofctl's words; empty for everything."),
            field("actions", Kind::Text, "ACTIONS", "What it does, in ovs-ofctl's words."),
            field(
                "idle_timeout",
                Kind::Number,
                "",
                "Seconds without a packet until the switch removes it; 0 for never.",
            ),
            field("cookie", Kind::Text, "", "Its cookie."),
            maybe(
                "owner",
                Kind::Text,
                "OWNER",
                "The application that wants it; `foreign` if nobody here has put it there.",
            ),
            LINE,
            ENTRY_STATE,
            PACKETS,
            OCTETS,
            AGE,
            ERROR,
            RETRY_AT,
            maybe(
                "on_switch",
                Kind::Text,
                "",
                "The actions that the switch has in its place, if it is known to have others.",
            ),
            field("flow", Kind::Text, "", "The whole, as `ovs-ofctl --no-stats dump-flows` prints it."),
        ],
    },
    Route {
        path: "/api/v1/groups",
        what: What::Groups,
        about: "Groups of ours on the switches, desired and installed, by switch and number.",
        parameters: &[SWITCH, STATE, COUNTERS, AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT, NOTE],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field("group", Kind::Number, "GROUP", "Its number."),
            field("type", Kind::Text, "TYPE", "`all`, `select`, `indirect` or `ff` (fast failover)."),
            field("buckets", Kind::Texts, "BUCKETS", "Its buckets, in ovs-ofctl's words."),
            OWNER,
            LINE,
            ENTRY_STATE,
            PACKETS,
            OCTETS,
            AGE,
            ERROR,
            RETRY_AT,
            field("text", Kind::Text, "", "The whole, as `ovs-ofctl dump-groups` prints it."),
        ],
    },
    Route {
        path: "/api/v1/meters",
        what: What::Meters,
        about: "Meters of ours on the switches, desired and installed, by switch and number.",
        parameters: &[SWITCH, STATE, AFTER, LIMIT],
        form: Form::Pages,
        beside: &[AT, NOTE],
        row: &[
            SWITCH_NAME,
            DATAPATH_ID,
            field("meter", Kind::Number, "METER", "Its number."),
            field("flags", Kind::Texts, "FLAGS", "`kbps` or `pktps`, and `burst` and `stats`."),
            field("bands", Kind::Texts, "BANDS", "Its bands, in ovs-ofctl's words."),
            OWNER,
            LINE,
            ENTRY_STATE,
            ERROR,
            RETRY_AT,
            field("text", Kind::Text, "", "The whole, as `ovs-ofctl dump-meters` prints it, in one line."),
        ],
    },
    Route {
        path: "/api/v1/trace",
        what: What::Trace,
        about: "What becomes of a packet: through the desired and the installed tables of every switch that it comes to, until it leaves at an edge port, \
                goes to the controller or is dropped. All buckets of select groups are followed. The switches are asked for the rules that it meets: their \
                counters, and whether they are what they are believed to be.",
        parameters: &[
            Parameter {
                required: true,
                ..parameter(
                    "flow",
                    Takes::Text,
                    "The packet as a flow in ovs-ofctl's words, such as `in_port=3,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2`. What it does not say is zero, but \
                     for nw_ttl, which is 64, and the MAC addresses of hosts that are known by their IP addresses.",
                )
            },
            parameter(
                "switch",
                Takes::Switch,
                "Where it comes in: not needed for a host that is known by its address.",
            ),
        ],
        form: Form::Rows,
        beside: &[
            AT,
            field("flow", Kind::Text, "", "The packet with everything that was filled in."),
            field("same", Kind::Boolean, "", "Desired and installed rules do the same with it everywhere."),
            field("ends", Kind::Texts, "", "Where its ways end, and why."),
            maybe("note", Kind::Text, "", "What is odd about the packet."),
            maybe("counters_note", Kind::Text, "", "Why counters are missing."),
        ],
        row: &[
            field("hop", Kind::Number, "HOP", "Which visit to a switch, from 1 on."),
            maybe("from_hop", Kind::Number, "", "The visit that it comes from."),
            SWITCH_NAME,
            DATAPATH_ID,
            field("in_port", Kind::Text, "", "The port where it has come in."),
            field(
                "side",
                Kind::Text,
                "SIDE",
                "`both`: desired and installed rules do this. `desired`, `installed`: only they do.",
            ),
            field(
                "what",
                Kind::Text,
                "WHAT",
                "`arrives`, `table`, `group`, `bucket`, `meter`, `out`, `controller`, `down` (the port is), `dropped`, `loop`, `again` (it comes by another way \
                 too), `stops` (it is not followed further).",
            ),
            maybe("table", Kind::Number, "TABLE", "The table that is asked."),
            maybe("rule", Kind::Text, "RULE", "The rule, group or bucket, in ovs-ofctl's words."),
            OWNER,
            LINE,
            maybe("state", Kind::Text, "", "How far the rule has come, as in `flows`."),
            maybe(
                "packets",
                Kind::Number,
                "PACKETS",
                "Packets that the rule matched, as the switch counts them at this moment.",
            ),
            maybe("octets", Kind::Number, "", "Octets in those packets."),
            maybe("age_seconds", Kind::Number, "", "Whole seconds that the rule is on the switch."),
            maybe(
                "on_switch",
                Kind::Text,
                "",
                "What the switch says that it has in the rule's place, if that is something else: its actions, or `nothing`.",
            ),
            ERROR,
            maybe("port", Kind::Text, "PORT", "The port by which it leaves or should have left."),
            maybe("to", Kind::Text, "TO", "What is behind it."),
            maybe("packet", Kind::Text, "", "The packet as it arrives, and as it leaves if it has been rewritten."),
            maybe("why", Kind::Text, "WHY", "Why, in words."),
        ],
    },
    Route {
        path: "/api/v1/history",
        what: What::History,
        about: "Configurations that were taken on, the newest first; the first one counts. The last ones are remembered (`history.keep`), those of earlier \
                runs too where `history.directory` names a folder.",
        parameters: &[AFTER, LIMIT],
        form: Form::Pages,
        beside: &[
            AT,
            maybe(
                "confirm_until",
                Kind::Time,
                "",
                "Until when the newest one waits to be confirmed; null if it does not.",
            ),
            maybe("back_to", Kind::Number, "", "What counts again if it is not."),
            maybe("directory", Kind::Text, "", "Where they are kept over restarts; null if they go with the process."),
            maybe("note", Kind::Text, "", "What is wrong with what is kept: files that were passed over, and why."),
        ],
        row: &[
            field(
                "number",
                Kind::Number,
                "NUMBER",
                "Its number, from 1 on: in each run, or over all of them if they are kept.",
            ),
            field("time", Kind::Time, "TIME", "When it was taken on."),
            field(
                "how",
                Kind::Text,
                "HOW",
                "`start`, `SIGHUP`, `reload`, `watch`, `apply`, `rollback`, `not confirmed` (an apply was not, and this one was before it).",
            ),
            field("file", Kind::Text, "FILE", "The file, as whoever gave it calls it."),
            field("digest", Kind::Text, "DIGEST", "SHA-256 of its text, the first 12 digits."),
            field("changes", Kind::Number, "CHANGES", "Things that it changed."),
            field("state", Kind::Text, "STATE", "`counts`, `waits` (it counts, and waits to be confirmed), `past`."),
        ],
    },
    Route {
        path: "/api/v1/events",
        what: What::Events,
        about: "What happened, the oldest first. The newest 8,192 events are kept, at most 100 of a kind and second.",
        parameters: &[
            parameter(
                "after",
                Takes::Text,
                "Go on behind this number; without it and `last` from the oldest one that is kept.",
            ),
            parameter(
                "last",
                Takes::Number(0, PAGE_ROWS as u64),
                "Only the newest so many. With 0 the answer says only the newest number.",
            ),
            parameter("kind", Takes::Text, "Only of this kind."),
            SWITCH,
            parameter("wait", Takes::Number(0, WAIT_MAX), "If there is none yet, wait so many seconds for one."),
            LIMIT,
        ],
        form: Form::Pages,
        beside: &[
            AT,
            field("run", Kind::Text, "", "Which run of the program numbers them: another one begins at 1 again."),
            field("newest", Kind::Number, "", "The number of the newest event."),
            field(
                "read_to",
                Kind::Number,
                "",
                "Everything up to this number has been looked at: the `after` of the next question.",
            ),
            field("missed", Kind::Number, "", "Events after `after` that are no longer kept."),
        ],
        row: &[
            field("number", Kind::Number, "NUMBER", "Its number."),
            field("time", Kind::Time, "TIME", "When it happened."),
            field(
                "kind",
                Kind::Text,
                "KIND",
                "What kind of thing: `switch_up`, `switch_down`, `switch_gone`, `link_up`, `link_down`, `host_moved`, `rerouted`, `weighed`, \
                                              `refused`, `drift`, `role`, `reload`, `verify`, `condition`, `condition_over`.",
            ),
            maybe("switch", Kind::Text, "SWITCH", "At which switch."),
            maybe("datapath_id", Kind::Text, "", "Its datapath id."),
            maybe("port", Kind::Text, "PORT", "At which port of it."),
            maybe("host", Kind::Text, "HOST", "Which host."),
            field("what", Kind::Text, "WHAT", "What, in words."),
            field("left_out", Kind::Number, "", "Events of this kind that were not kept since the last one that was."),
        ],
    },
];

/// The owner of what nobody here has put on a switch.
pub(super) const FOREIGN: &str = "foreign";

/// The states that a rule or a group may be in.
pub(super) fn states() -> impl Iterator<Item = &'static str> {
    EntryState::NAMES.iter().map(|(_, name)| *name)
}

/// The applications that may own something.
pub(super) fn owners() -> impl Iterator<Item = &'static str> {
    Owner::ALL.iter().map(|owner| owner.name()).chain([FOREIGN])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_path_thing_and_name_stands_once() {
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            assert_eq!(Route::of(route.what).path, route.path);
            for fields in [route.row, route.beside] {
                let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
                assert_eq!(names.len(), fields.len(), "{}", route.path);
            }
            let known: BTreeSet<&str> = route.parameters.iter().map(|parameter| parameter.name).collect();
            assert_eq!(known.len(), route.parameters.len(), "{}", route.path);
            let paged = known.contains("after") && known.contains("limit");
            assert_eq!(paged, route.form == Form::Pages, "{}", route.path);
        }
    }
}
