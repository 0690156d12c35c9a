//! THE table of the configuration file: every key with its shape, range, default and meaning.
//!
//! The walk checks against it, and `docs/configuration.md` and the JSON Schema are generated from it. A new key is one row here, one field
//! in `types.rs` and one line in `read.rs`.

mod audit;
mod bgp;
mod fabric;
mod links;
mod ovsdb;
mod policy;
mod reservations;
mod switches;

use std::time::Duration;

pub(super) use audit::FOREIGN_FLOWS;
pub(super) use bgp::FAMILIES;
pub(super) use links::METRICS;
pub(super) use policy::{ACTIONS, ORIGINS, ROLES as NEIGHBOR_ROLES, SOURCES};
pub(super) use reservations::DISJOINT;

/// A mapping with known keys.
#[derive(Debug)]
pub(super) struct Section {
    /// What it is for; Markdown.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a [`Section`].
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) need: Need,
    /// The standard that sets the range, as it is cited; empty if the range is ours.
    pub(super) rule: &'static str,
    /// What a reload does when it is changed.
    pub(super) reload: Reload,
    /// What it does; Markdown, one or two sentences.
    pub(super) about: &'static str,
}

/// What a reload does when a key has another value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reload {
    /// It counts at once, and nothing is interrupted.
    Hot,
    /// It counts at once; the sessions of the neighbours that it is about are reset.
    Session,
    /// It counts from the next start on, and the reload says so.
    Restart,
    /// Its keys say.
    Inside,
}

/// Whether a key has to stand there, and what its absence means.
#[derive(Debug)]
pub(super) enum Need {
    Required,
    /// The default, written as in the file.
    Default(&'static str),
    /// What happens without it, in words.
    Without(&'static str),
}

/// The form of a value.
#[derive(Debug)]
pub(super) enum Shape {
    Section(&'static Section),
    List {
        of: &'static Shape,
        min: usize,
    },
    Boolean,
    Integer {
        min: u64,
        max: u64,
    },
    /// Between `min` and `max` in multiples of `step`, or zero if `or_zero`.
    Duration {
        min: Duration,
        max: Duration,
        step: Duration,
        or_zero: bool,
    },
    /// At most `max` characters.
    Text {
        max: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A mapping from names of one's own.
    Map {
        of: &'static Shape,
    },
    /// A mapping from port numbers.
    Ports {
        of: &'static Shape,
    },
    /// A plain value, or a section that says more.
    Either {
        plain: &'static Shape,
        section: &'static Shape,
    },
    /// A name of one's own.
    Name,
    /// A value in a small language of its own.
    Term(&'static Term),
    /// One such value or a list of them.
    OneOrMore {
        of: &'static Term,
    },
    Prefix,
    Address,
    Ipv4Address,
    Ipv6Address,
    SocketAddress,
    Listen,
    Connect,
    File,
    Folder,
    DatapathId,
    /// A fingerprint or a name.
    Certificate,
}

/// A small language that a value is written in.
#[derive(Debug)]
pub(super) struct Term {
    /// What one is called; Markdown.
    pub(super) what: &'static str,
    /// What several are called.
    pub(super) plural: &'static str,
}

impl Shape {
    /// The section inside it, and what its keys' path goes on with.
    pub(super) const fn inner(&self) -> Option<(&'static Section, &'static str)> {
        match self {
            Shape::Section(section) => Some((section, "")),
            Shape::List { of: Shape::Section(section), .. } => Some((section, "[]")),
            Shape::Map { of: Shape::List { of: Shape::Section(section), .. } } => Some((section, ".NAME[]")),
            Shape::Map { of: Shape::Section(section) | Shape::Either { section: Shape::Section(section), .. } } => {
                Some((section, ".NAME"))
            }
            Shape::Ports { of: Shape::Section(section) } => Some((section, ".PORT")),
            _ => None,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Most characters of a free text: a log line carries it.
const MAX_DESCRIPTION: usize = 255;
/// Most characters of a match in ovs-ofctl's syntax.
const MAX_PATTERN: usize = 4_096;

/// The values of `verify`.
pub(super) const VERIFY: &[&str] = &["refuse", "warn", "off"];

pub(super) static ROOT: Section = Section {
    about: "The whole file. Every section is optional.",
    keys: &[
        Key {
            name: "openflow",
            shape: Shape::Section(&OPENFLOW),
            need: Need::Without(
                "the defaults below; in a file with `bgp` and without `fabric` nothing is listened to: a router on its own",
            ),
            rule: "",
            reload: Reload::Inside,
            about: "Where and from whom switches may connect.",
        },
        Key {
            name: "http",
            shape: Shape::Section(&HTTP),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "Metrics, health, and what the commands ask.",
        },
        Key {
            name: "fabric",
            shape: Shape::Section(&fabric::FABRIC),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "Discovery of links and hosts.",
        },
        Key {
            name: "audit",
            shape: Shape::Section(&audit::AUDIT),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "Flows and groups on the switches that are not as they should be.",
        },
        Key {
            name: "switches",
            shape: switches::SWITCHES,
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Inside,
            about: "Switches by name.",
        },
        Key {
            name: "links",
            shape: links::LINKS,
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "What is known of single links: cost, bit rate, latency, risks, maintenance. 65,536 at most.",
        },
        Key {
            name: "paths",
            shape: Shape::Section(&links::PATHS),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "What makes a way short.",
        },
        Key {
            name: "reservations",
            shape: reservations::RESERVATIONS,
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "Bandwidth set aside between switches: admitted and shown, and no traffic is steered by it. 1,024 at most.",
        },
        Key {
            name: "vlans",
            shape: switches::VLANS,
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Inside,
            about: "Names of VLANs, which rules in `flows` may use for the numbers: `office: 10`, or a section.",
        },
        Key {
            name: "groups",
            shape: switches::GROUPS,
            need: Need::Default("{}"),
            rule: "OpenFlow 1.3.5 §5.6.1",
            reload: Reload::Hot,
            about: "The operator's own groups, by the name of the switch, or under `all` for every one, as `ovs-ofctl add-group` takes them: \
                    `group_id=1,type=select,bucket=output:1,bucket=output:2`. Rules in `flows` send packets to them by `group:1`. Numbers from 0x54000000 to \
                    0x54ffffff are the controller's own. Buckets may lead to other groups, and never back; they do not look a packet up again. 1,024 of a switch at most.",
        },
        Key {
            name: "meters",
            shape: switches::METERS,
            need: Need::Default("{}"),
            rule: "OpenFlow 1.3.5 §5.7",
            reload: Reload::Hot,
            about: "The operator's own meters, in the same way, as `ovs-ofctl add-meter` takes them: `meter=1,pktps,bands=type=drop,rate=1000`. Rules in `flows` send \
                    packets through them by `meter:1`. 1,024 of a switch at most.",
        },
        Key {
            name: "flows",
            shape: switches::FLOWS,
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Hot,
            about: "The operator's own rules, by the name of the switch, or under `all` for every one, in ovs-ofctl's syntax. They stand in table 0 with \
                    a priority from 1 to 65534 and are looked at before anything else; what none of them matches goes its usual way, and so does what one sends on by \
                    `goto_table:1`. Tables 100 to 199 are free for pipelines of one's own. A block of text (`|`) has a rule in each line; empty lines and lines that \
                    start with `#` are passed over. LLDP never comes here. `group:N` and `meter:N` name what stands in `groups` and `meters`, for the same switch or for all.",
        },
        Key {
            name: "isolate",
            shape: switches::ISOLATE,
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Inside,
            about: "Hosts and ports that must never reach each other, by the name of the set.",
        },
        Key {
            name: "verify",
            shape: Shape::Word(VERIFY),
            need: Need::Default("refuse"),
            rule: "",
            reload: Reload::Hot,
            about: "What becomes of a configuration by whose rules packets would loop, be lost, or reach somebody whom `isolate` keeps them from: `refuse` it, `warn` \
                    and take it on, or do not look (`off`). It is looked at in the network as it is known at that moment; at the start, when nothing is known \
                    yet, with the ports that the file names. Links that come later are looked at before they are used (with `refuse`); \
                    what is lost, behind it, and told.",
        },
        Key {
            name: "bgp",
            shape: Shape::Section(&bgp::BGP),
            need: Need::Without("BGP is off"),
            rule: "",
            reload: Reload::Inside,
            about: "The BGP speaker.",
        },
        Key {
            name: "ovsdb",
            shape: Shape::Section(&ovsdb::OVSDB),
            need: Need::Without("no database is connected to"),
            rule: "",
            reload: Reload::Inside,
            about: "The databases of Open vSwitches, and BFD by them.",
        },
        Key {
            name: "history",
            shape: Shape::Section(&HISTORY),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "Configurations that were taken on, for `trunkline history` and `trunkline rollback`.",
        },
    ],
};

static HISTORY: Section = Section {
    about: "What is remembered of the configurations that were taken on.",
    keys: &[
        Key {
            name: "directory",
            shape: Shape::Folder,
            need: Need::Without("they are forgotten when the process ends"),
            rule: "",
            reload: Reload::Restart,
            about: "A folder to keep them in, so that a configuration of before a restart can come back. It is made if it isn't there, and is for this process alone. \
                    The files hold the whole text, passwords too: only their owner may read them.",
        },
        Key {
            name: "keep",
            shape: Shape::Integer { min: 2, max: 1_000 },
            need: Need::Default("20"),
            rule: "",
            reload: Reload::Restart,
            about: "How many are remembered, with 64 MiB of text in all at most; the oldest go.",
        },
    ],
};

static OPENFLOW: Section = Section {
    about: "Where and from whom switches may connect. OpenFlow 1.3 is spoken.",
    keys: &[
        Key {
            name: "listen",
            shape: Shape::List { of: &Shape::Listen, min: 1 },
            need: Need::Default(r#"["ptcp:6653:[::]"]"#),
            rule: "",
            reload: Reload::Restart,
            about: "Where to wait for switches, in Open vSwitch's words: `ptcp:PORT[:HOST]` (plain TCP, or TLS if the switch starts with it \
                    and `tls` is given), `pssl:PORT[:HOST]` (TLS only), `punix:PATH` (a Unix socket). An IPv6 host stands in brackets. Without a host: \
                    all addresses. Port 0 takes any free one. `[::]` means `0.0.0.0` on a machine without IPv6.",
        },
        Key {
            name: "connect",
            shape: Shape::List { of: &Shape::Connect, min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Restart,
            about: "Switches that wait for a controller, which this one connects to and stays connected to: `tcp:HOST[:PORT]`, `ssl:HOST[:PORT]` or \
                    `unix:PATH`, as `ovs-vsctl set-controller BRIDGE ptcp:6634` (`pssl:`, `punix:`) offers them. The port is 6653 unless it is given.",
        },
        Key {
            name: "plain_from",
            shape: Shape::List { of: &Shape::Prefix, min: 0 },
            need: Need::Default(r#"[127.0.0.0/8, "::1/128"]"#),
            rule: "",
            reload: Reload::Restart,
            about: "Sources that may connect without TLS. Others are refused, and the log says which line to add. `run --plain-from` adds to it.",
        },
        Key {
            name: "tls",
            shape: Shape::Section(&TLS),
            need: Need::Without("no TLS: `pssl` and `ssl` cannot be used"),
            rule: "",
            reload: Reload::Inside,
            about: "The controller's certificate and the authority of the switches' certificates. `trunkline pki init` makes them.",
        },
        Key {
            name: "role",
            shape: Shape::Word(ROLES),
            need: Need::Default("equal"),
            rule: "OpenFlow 1.3.5 §6.3.6",
            reload: Reload::Restart,
            about: "The role that is asked for on every switch, for networks with several controllers: a `master` takes its place from the one before, a \
                    `slave` looks only.",
        },
        Key {
            name: "record",
            shape: Shape::Folder,
            need: Need::Without("nothing is recorded"),
            rule: "",
            reload: Reload::Restart,
            about: "A folder to record every OpenFlow message in, as pcapng files for `trunkline decode`, `trunkline replay` and Wireshark. At most 16 \
                    files of 60 MiB are kept of a run. The folder is made if it isn't there.",
        },
        Key {
            name: "bundles",
            shape: Shape::Word(BUNDLES),
            need: Need::Default("auto"),
            rule: "ONF extension 230",
            reload: Reload::Hot,
            about: "What bundles are used for, on switches that take them. `auto`: large changes go out in bundles of 2,000 rules, which is quicker. `never`:                     rule by rule, with barriers. `atomic`: everything that changes on a switch at a time is one bundle, done as a whole or not at all; the order                     in which several switches change is lost by that, and a bundle of 100,000 rules stops Open vSwitch's forwarding in user space for 0.1 s.",
        },
    ],
};

static TLS: Section = Section {
    about: "Certificates for OpenFlow over TLS. Relative paths start at the configuration file's folder. Switches have to present a certificate.",
    keys: &[
        Key {
            name: "certificate",
            shape: Shape::File,
            need: Need::Required,
            rule: "",
            reload: Reload::Restart,
            about: "The controller's certificate chain, PEM.",
        },
        Key {
            name: "key",
            shape: Shape::File,
            need: Need::Required,
            rule: "",
            reload: Reload::Restart,
            about: "The private key of `certificate`, PEM.",
        },
        Key {
            name: "client_ca",
            shape: Shape::File,
            need: Need::Required,
            rule: "",
            reload: Reload::Restart,
            about: "The authority that signed the switches' certificates, PEM.",
        },
        Key {
            name: "switches",
            shape: Shape::List { of: &Shape::Section(&SWITCH), min: 0 },
            need: Need::Without("every certificate of the authority is taken"),
            rule: "",
            reload: Reload::Inside,
            about: "The only certificates that are taken. A certificate that stands here more than once may be any of the switches.",
        },
    ],
};

static SWITCH: Section = Section {
    about: "A certificate, and which switch its holder is. Whoever says it is another one is refused.",
    keys: &[
        Key {
            name: "certificate",
            shape: Shape::Certificate,
            need: Need::Required,
            rule: "",
            reload: Reload::Restart,
            about: "`sha256:` and the fingerprint (`openssl x509 -fingerprint -sha256`), or a name that stands in the certificate as CN, DNS name or URI.",
        },
        Key {
            name: "datapath_ids",
            shape: Shape::List { of: &Shape::DatapathId, min: 1 },
            need: Need::Without("as the certificate says by `urn:trunkline:dpid:…`; if it says nothing, any"),
            rule: "",
            reload: Reload::Restart,
            about: "The datapath ids that its holder may have.",
        },
    ],
};

static HTTP: Section = Section {
    about: "Metrics (`/metrics`), health (`/healthz`) and everything that the commands show (`/openapi.json` describes it), read-only.",
    keys: &[
        Key {
            name: "listen",
            shape: Shape::SocketAddress,
            need: Need::Default(r#""127.0.0.1:9653""#),
            rule: "",
            reload: Reload::Restart,
            about: "Where to serve.",
        },
        Key {
            name: "socket",
            shape: Shape::Text { max: MAX_SOCKET_PATH },
            need: Need::Without("`/run/trunkline/trunkline.sock` if the process may make it there, else none"),
            rule: "",
            reload: Reload::Restart,
            about: "A Unix socket where the same is served, for the commands of this machine; `off` for none. Only its owner and group may open it (0660). \
                    A socket that nobody listens at is taken over.",
        },
    ],
};

/// Longest path of a Unix socket on Linux (`sun_path`, with its end).
pub(super) const MAX_SOCKET_PATH: usize = 107;

/// `openflow.bundles`, in the order of the words.
pub(super) const BUNDLES: &[&str] = &["auto", "never", "atomic"];

/// `openflow.role`, in the order of the words.
pub(super) const ROLES: &[&str] = &["equal", "master", "slave"];

/// A file with every key, as the reference shows it. A test reads it.
pub(super) const EXAMPLE: &str = include_str!("schema/example.yaml");
