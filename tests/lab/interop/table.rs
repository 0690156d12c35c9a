//! The table of interoperation: a row per feature, a column per daemon. The scenario `interop` checks what it says, and
//! `docs/interoperability.md` is made of it. Plain data: a test outside of the lab reads it too.

/// The daemons, as they are checked: name and version.
pub const DAEMONS: [(&str, &str); 4] = [("BIRD", "2.0.12"), ("FRR", "8.4.4"), ("GoBGP", "3.10.0"), ("OpenBGPD", "7.7")];

/// What one daemon does about a feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Checked in the lab.
    Yes,
    /// The daemon cannot do it, for this reason: nothing to check.
    Lacks(&'static str),
}

/// A feature, and the trip on which it is checked. Independent features share a session.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub feature: &'static str,
    pub standard: &'static str,
    /// What the check sees, for the page.
    pub about: &'static str,
    pub trip: Trip,
    /// In the order of [`DAEMONS`].
    pub cells: [Cell; 4],
}

/// One set-up of a daemon and ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trip {
    Exchange,
    Transit,
    OverIpv6,
    Md5,
    Ttl,
    AddPath,
    Restart,
    RestartOurs,
    Roles,
    Reflection,
    Confederation,
    Limits,
    Connect,
    Hold,
    Flaps,
    Knobs,
    LocalAs,
}

use Cell::{Lacks, Yes};

const ALL: [Cell; 4] = [Yes; 4];

const NO_KERNEL_MD5: Cell = Lacks("no TCP MD5 in the portable version on Linux");

/// A row that every daemon has.
const fn row(feature: &'static str, standard: &'static str, about: &'static str, trip: Trip) -> Row {
    Row { feature, standard, about, trip, cells: ALL }
}

/// All of them.
pub const ROWS: &[Row] = &[
    row(
        "IPv4 routes both ways",
        "RFC 4271",
        "routes with every common attribute, compared field by field",
        Trip::Exchange,
    ),
    Row {
        feature: "IPv6 routes over IPv4",
        standard: "RFC 4760, 2545",
        about: "the same of both families over one IPv4 session",
        trip: Trip::Exchange,
        cells: [
            Yes,
            Yes,
            Yes,
            Lacks("the portable version announces them with the next hop `::1`; over IPv6 they are right"),
        ],
    },
    row("4-octet AS numbers", "RFC 6793", "both sides have AS numbers above 65535", Trip::Exchange),
    row("communities", "RFC 1997, 4360", "standard and extended ones, both ways", Trip::Exchange),
    row("large communities", "RFC 8092", "both ways", Trip::Exchange),
    row("withdrawal", "RFC 4271", "a route goes and comes back", Trip::Exchange),
    Row {
        feature: "route refresh",
        standard: "RFC 2918, 7313",
        about: "they ask, and get all routes again; nothing changes",
        trip: Trip::Exchange,
        cells: [Yes, Yes, Lacks("never asks: its soft reset looks at its own Adj-RIB-In"), Yes],
    },
    row(
        "shutdown by them, with text",
        "RFC 9003",
        "we show their words, their routes go; up again after",
        Trip::Exchange,
    ),
    row("shutdown by us", "RFC 4486", "they are told: Cease, administrative shutdown", Trip::Exchange),
    row(
        "AS4_PATH of an old router",
        "RFC 6793",
        "a route of a 2-octet neighbour crosses both, both ways",
        Trip::Transit,
    ),
    Row {
        feature: "unknown attributes forwarded",
        standard: "RFC 4271 §5",
        about: "an optional transitive attribute of type 99 crosses them octet for octet, with the Partial bit",
        trip: Trip::Transit,
        cells: [Yes, Yes, Lacks("forwards them without setting the Partial bit"), Yes],
    },
    row("sessions over IPv6", "RFC 2545", "both families over an IPv6 session", Trip::OverIpv6),
    Row {
        feature: "extended next hop",
        standard: "RFC 8950",
        about: "IPv4 routes with IPv6 next hops, both ways",
        trip: Trip::OverIpv6,
        cells: [Yes, Yes, Yes, Lacks("no such capability")],
    },
    Row {
        feature: "TCP MD5",
        standard: "RFC 2385",
        about: "up with the same password, not with another one",
        trip: Trip::Md5,
        cells: [Yes, Yes, Yes, NO_KERNEL_MD5],
    },
    row("TTL security", "RFC 5082", "both sides send 255 and want it", Trip::Ttl),
    row("add-path from them", "RFC 7911", "two paths of a prefix arrive, each with its identifier", Trip::AddPath),
    row(
        "add-path to them",
        "RFC 7911",
        "two paths of a prefix get there with their attributes; one goes, the other stays, and it comes back",
        Trip::AddPath,
    ),
    Row {
        feature: "graceful restart of theirs",
        standard: "RFC 4724",
        about: "killed and started again: their routes stay the best ones all the while, and are fresh after",
        trip: Trip::Restart,
        cells: [Yes, Yes, Yes, Lacks("announces End-of-RIB only, never asks for its routes to be kept")],
    },
    row(
        "graceful restart of ours",
        "RFC 4724",
        "we are killed and started again: our routes stay with them all the while, and are fresh after",
        Trip::RestartOurs,
    ),
    Row {
        feature: "roles",
        standard: "RFC 9234",
        about: "provider and customer: up, ONLY_TO_CUSTOMER set on what we send; two providers: refused",
        trip: Trip::Roles,
        cells: [Yes, Yes, Lacks("no such capability"), Yes],
    },
    row(
        "route reflection",
        "RFC 4456",
        "each reflects a client's route to the other: ORIGINATOR_ID, CLUSTER_LIST",
        Trip::Reflection,
    ),
    Row {
        feature: "confederation",
        standard: "RFC 5065",
        about: "two member ASes: AS_CONFED_SEQUENCE, LOCAL_PREF and MED cross",
        trip: Trip::Confederation,
        cells: [Yes, Yes, Yes, Lacks("no confederations")],
    },
    row("prefix limit of ours", "RFC 4486", "over it the session ends with Cease, and we say why", Trip::Limits),
    row("prefix limit of theirs", "RFC 4486", "over it they end the session, and we say that they did", Trip::Limits),
    row("they connect", "RFC 4271 §8", "we are passive", Trip::Connect),
    row("we connect", "RFC 4271 §8", "they are passive", Trip::Connect),
    row("both connect", "RFC 4271 §8", "neither is passive", Trip::Connect),
    row(
        "collisions",
        "RFC 4271 §6.8",
        "several pairs with two open connections each: one stays, the sessions with it",
        Trip::Connect,
    ),
    row(
        "hold timer",
        "RFC 4271 §6.5",
        "they are stopped, then we are: the other side notices, and both come back",
        Trip::Hold,
    ),
    Row {
        feature: "refresh of ours",
        standard: "RFC 2918",
        about: "we ask for all routes again, and get them; nothing changes",
        trip: Trip::Knobs,
        cells: [
            Yes,
            Yes,
            Yes,
            Lacks("refuses it on an IPv4 session that carries IPv4 alone: `AID IPv4 unicast not negotiated`"),
        ],
    },
    row(
        "private AS numbers removed",
        "RFC 6996",
        "a path through private ASes arrives without them, or with ours in their places",
        Trip::Knobs,
    ),
    row("AS override", "–", "a path with their own AS is refused, and taken with ours in its place", Trip::Knobs),
    Row {
        feature: "own AS allowed",
        standard: "–",
        about: "a route of theirs that has been here before is left out, and taken when allowed",
        trip: Trip::Knobs,
        cells: [Yes, Yes, Lacks("sends no neighbour a path that has the neighbour's AS in it"), Yes],
    },
    row("next hop unchanged", "RFC 4271 §5.1.3", "they see our address, or that of the router behind us", Trip::Knobs),
    row("default route originated", "–", "it comes to them and goes again", Trip::Knobs),
    row("graceful shutdown", "RFC 8326", "every route comes again with the community", Trip::Knobs),
    row(
        "blackhole",
        "RFC 7999",
        "a route that came with the community stays here; one that policy marks arrives with it",
        Trip::Knobs,
    ),
    row(
        "aggregation",
        "RFC 4271 §9.2.2.2, 9774",
        "the aggregate arrives beside what is inside it, or alone, and goes with it",
        Trip::Knobs,
    ),
    row("prefix limit on what we send", "RFC 4486", "over it we end the session, and both sides say so", Trip::Knobs),
    row(
        "another AS toward them",
        "RFC 7705",
        "our local AS stands in front of ours in their paths, or alone",
        Trip::LocalAs,
    ),
    row("session flaps", "RFC 4271", "they reset the session again and again: the tables are whole after", Trip::Flaps),
];

/// The page.
pub fn page() -> String {
    let mut text = String::from(
        "<!-- Generated from tests/lab/interop/table.rs: change that, then run `UPDATE_EXPECT=1 cargo test -p trunkline-tests --test interoperability`. -->\n\
         # Interoperability\n\n\
         Each cell below that says *yes* is checked by the lab against the real daemon, from a session that comes up to tables that are compared\n\
         route by route and attribute by attribute, as both sides show them. `cargo test --test lab -- --only interop` runs all of it.\n\n",
    );
    text += "| feature | standard |";
    for (name, version) in DAEMONS {
        text += &format!(" {name} {version} |");
    }
    text += " what is checked |\n|---|---|---|---|---|---|---|\n";
    let mut notes: Vec<&str> = Vec::new();
    for row in ROWS {
        text += &format!("| {} | {} |", row.feature, row.standard);
        for cell in row.cells {
            match cell {
                Cell::Yes => text += " yes |",
                Cell::Lacks(reason) => {
                    let number = notes.iter().position(|note| *note == reason).unwrap_or_else(|| {
                        notes.push(reason);
                        notes.len() - 1
                    });
                    text += &format!(" no ({}) |", number + 1);
                }
            }
        }
        text += &format!(" {} |\n", row.about);
    }
    text += "\nWhere it says *no* the daemon has not got the feature:\n\n";
    for (number, note) in notes.iter().enumerate() {
        text += &format!("{}. {note}\n", number + 1);
    }
    text
}
