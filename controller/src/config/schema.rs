//! THE table of the configuration file: every key with its shape, range, default and meaning.
//!
//! The walk checks against it, and `docs/configuration.md` and the JSON Schema are generated from it. A new key is one row here, one field
//! in `types.rs` and one line in `read.rs`.

mod bgp;
mod policy;

use std::time::Duration;

pub(super) use bgp::FAMILIES;
pub(super) use policy::{ACTIONS, ORIGINS, ROLES as NEIGHBOR_ROLES, SOURCES};

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
    /// What it does; Markdown, one or two sentences.
    pub(super) about: &'static str,
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
    pub(super) fn inner(&self) -> Option<(&'static Section, &'static str)> {
        match self {
            Shape::Section(section) => Some((section, "")),
            Shape::List { of: Shape::Section(section), .. } => Some((section, "[]")),
            Shape::Map { of: Shape::List { of: Shape::Section(section), .. } } => Some((section, ".NAME[]")),
            _ => None,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Most characters of a free text: a log line carries it.
const MAX_DESCRIPTION: usize = 255;

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
            about: "Where and from whom switches may connect.",
        },
        Key {
            name: "http",
            shape: Shape::Section(&HTTP),
            need: Need::Without("the defaults below"),
            rule: "",
            about: "Metrics and health.",
        },
        Key {
            name: "fabric",
            shape: Shape::Section(&FABRIC),
            need: Need::Without("the defaults below"),
            rule: "",
            about: "Discovery of links and hosts.",
        },
        Key {
            name: "bgp",
            shape: Shape::Section(&bgp::BGP),
            need: Need::Without("BGP is off"),
            rule: "",
            about: "The BGP speaker.",
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
            about: "Where to wait for switches, in Open vSwitch's words: `ptcp:PORT[:HOST]` (plain TCP, or TLS if the switch starts with it \
                    and `tls` is given), `pssl:PORT[:HOST]` (TLS only), `punix:PATH` (a Unix socket). An IPv6 host stands in brackets. Without a host: \
                    all addresses. Port 0 takes any free one. `[::]` means `0.0.0.0` on a machine without IPv6.",
        },
        Key {
            name: "connect",
            shape: Shape::List { of: &Shape::Connect, min: 0 },
            need: Need::Default("[]"),
            rule: "",
            about: "Switches that wait for a controller, which this one connects to and stays connected to: `tcp:HOST[:PORT]`, `ssl:HOST[:PORT]` or \
                    `unix:PATH`, as `ovs-vsctl set-controller BRIDGE ptcp:6634` (`pssl:`, `punix:`) offers them. The port is 6653 unless it is given.",
        },
        Key {
            name: "plain_from",
            shape: Shape::List { of: &Shape::Prefix, min: 0 },
            need: Need::Default(r#"[127.0.0.0/8, "::1/128"]"#),
            rule: "",
            about: "Sources that may connect without TLS. Others are refused, and the log says which line to add. `run --plain-from` adds to it.",
        },
        Key {
            name: "tls",
            shape: Shape::Section(&TLS),
            need: Need::Without("no TLS: `pssl` and `ssl` cannot be used"),
            rule: "",
            about: "The controller's certificate and the authority of the switches' certificates. `trunkline pki init` makes them.",
        },
        Key {
            name: "role",
            shape: Shape::Word(ROLES),
            need: Need::Default("equal"),
            rule: "OpenFlow 1.3.5 §6.3.6",
            about: "The role that is asked for on every switch, for networks with several controllers: a `master` takes its place from the one before, a \
                    `slave` looks only.",
        },
        Key {
            name: "record",
            shape: Shape::Folder,
            need: Need::Without("nothing is recorded"),
            rule: "",
            about: "A folder to record every OpenFlow message in, as pcapng files for `trunkline decode`, `trunkline replay` and Wireshark. At most 16 \
                    files of 60 MiB are kept of a run. The folder is made if it isn't there.",
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
            about: "The controller's certificate chain, PEM.",
        },
        Key {
            name: "key",
            shape: Shape::File,
            need: Need::Required,
            rule: "",
            about: "The private key of `certificate`, PEM.",
        },
        Key {
            name: "client_ca",
            shape: Shape::File,
            need: Need::Required,
            rule: "",
            about: "The authority that signed the switches' certificates, PEM.",
        },
        Key {
            name: "switches",
            shape: Shape::List { of: &Shape::Section(&SWITCH), min: 0 },
            need: Need::Without("every certificate of the authority is taken"),
            rule: "",
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
            about: "`sha256:` and the fingerprint (`openssl x509 -fingerprint -sha256`), or a name that stands in the certificate as CN, DNS name or URI.",
        },
        Key {
            name: "datapath_ids",
            shape: Shape::List { of: &Shape::DatapathId, min: 1 },
            need: Need::Without("as the certificate says by `urn:trunkline:dpid:…`; if it says nothing, any"),
            rule: "",
            about: "The datapath ids that its holder may have.",
        },
    ],
};

static HTTP: Section = Section {
    about: "Metrics (`/metrics`) and health (`/healthz`), read-only.",
    keys: &[Key {
        name: "listen",
        shape: Shape::SocketAddress,
        need: Need::Default(r#""127.0.0.1:9653""#),
        rule: "",
        about: "Where to serve.",
    }],
};

static FABRIC: Section = Section {
    about: "How links and hosts are found and forgotten.",
    keys: &[
        Key {
            name: "probe_interval",
            shape: Shape::Duration {
                min: Duration::from_millis(50),
                max: Duration::from_secs(30),
                step: MILLISECOND,
                or_zero: false,
            },
            need: Need::Default("300ms"),
            rule: "",
            about: "Time between two LLDP probes of one link. Three missed probes take a link down; a port that goes down takes it down at once.",
        },
        Key {
            name: "host_timeout",
            shape: Shape::Duration {
                min: Duration::from_secs(10),
                max: Duration::from_secs(u16::MAX as u64),
                step: SECOND,
                or_zero: false,
            },
            need: Need::Default("5m"),
            rule: "OpenFlow 1.3.5 §7.3.4.1",
            about: "A host that sends nothing for this long is forgotten.",
        },
    ],
};

/// `openflow.role`, in the order of the words.
pub(super) const ROLES: &[&str] = &["equal", "master", "slave"];

/// A file with every key, as the reference shows it. A test reads it.
pub(super) const EXAMPLE: &str = include_str!("schema/example.yaml");
