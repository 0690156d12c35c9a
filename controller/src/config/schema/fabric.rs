//! The part of the table that is about links and hosts: `fabric`.

use std::time::Duration;

use super::{Key, MILLISECOND, Need, Reload, SECOND, Section, Shape, Term};

/// The values of `expected_links`.
static LINK: Term = Term { what: "link", plural: "links" };
static PORT: Term = Term { what: "port of a switch", plural: "ports of switches" };
static DHCP_SERVER: Term = Term { what: "port or MAC address", plural: "ports or MAC addresses" };
static MAC: Term = Term { what: "MAC address", plural: "MAC addresses" };

pub(super) static FABRIC: Section = Section {
    about: "How links and hosts are found and forgotten, and which of them should be there.",
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
            reload: Reload::Hot,
            about: "Time between two LLDP probes of one link. Missed probes take a link down; a port that goes down takes it down at once.",
        },
        Key {
            name: "probe_misses",
            shape: Shape::Integer { min: 1, max: 10 },
            need: Need::Default("3"),
            rule: "",
            reload: Reload::Hot,
            about: "Probes in a row that have to be missing for a link to be down.",
        },
        Key {
            name: "probe_budget_per_second",
            shape: Shape::Integer { min: 10, max: 1_000_000 },
            need: Need::Default("4000"),
            rule: "",
            reload: Reload::Hot,
            about: "Probes per second over all ports: 4,000 cost about 4 % of one core. Where the intervals ask for more, those of ports that are no links are stretched first, \
                    and `trunkline status` says to what.",
        },
        Key {
            name: "broadcast_probes",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "Send probes as broadcasts too (BDDP, ethertype 0x8942): they find links through switches that are not ours, which `show links` marks. Each switch gets a \
                    rule that brings them to the controller.",
        },
        Key {
            name: "damping",
            shape: Shape::Boolean,
            need: Need::Default("true"),
            rule: "",
            reload: Reload::Hot,
            about: "Keep a link down that goes up and down again and again, until it has been quiet for some 20 s.",
        },
        Key {
            name: "protect_host_ports",
            shape: Shape::Boolean,
            need: Need::Default("true"),
            rule: "",
            reload: Reload::Hot,
            about: "A port at which a host was seen does not become a link until it was down, whatever probes arrive there.",
        },
        Key {
            name: "max_link_latency",
            shape: Shape::Duration {
                min: Duration::from_millis(1),
                max: topology::PROBE_MAX_AGE,
                step: MILLISECOND,
                or_zero: true,
            },
            need: Need::Default("200ms"),
            rule: "",
            reload: Reload::Hot,
            about: "How long a probe may take beyond what the switches take to answer. A slower one was relayed, or the controller is overloaded: it makes no link, and the third in a row is a condition (`late_probes`). A link that is there stays. `0s` takes all probes of up to 3 s.",
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
            reload: Reload::Hot,
            about: "A host that sends nothing for this long is forgotten.",
        },
        Key {
            name: "host_limit_per_port",
            shape: Shape::Integer { min: 1, max: topology::MAX_HOSTS as u64 },
            need: Need::Default("1024"),
            rule: "",
            reload: Reload::Hot,
            about: "Hosts at one port. Further ones are not learned, and are counted.",
        },
        Key {
            name: "move_confirmation",
            shape: Shape::Duration {
                min: Duration::from_millis(50),
                max: Duration::from_secs(10),
                step: MILLISECOND,
                or_zero: true,
            },
            need: Need::Default("300ms"),
            rule: "",
            reload: Reload::Hot,
            about: "A host that is seen at another port is asked for at its old one first (ARP, Neighbour Discovery): it has moved if nobody answers there for this long. \
                    `0s` believes every move at once. A host whose old port is down has moved at once, and one whose IP address is not known too. An IP address that a second host says is asked for at \
                    its owner's in the same way. Too short for a sleeping machine that wakes for the question: it is taken for gone.",
        },
        Key {
            name: "expected_links",
            shape: Shape::List { of: &Shape::Term(&LINK), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Links that should be there, as `s1/3 - s2/uplink`: switches by their names in `switches`, ports by number or name. A link that is missing or leads \
                    elsewhere is a condition (`show conditions`, an event, a metric); 65,536 at most.",
        },
        Key {
            name: "expected_links_only",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "Every other link is a condition too. It is used all the same.",
        },
        Key {
            name: "static_hosts",
            shape: Shape::List { of: &Shape::Section(&STATIC_HOST), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "Hosts that are where this says, whatever is seen elsewhere.",
        },
        Key {
            name: "subnets",
            shape: Shape::List { of: &Shape::Prefix, min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 4861 §2.1",
            reload: Reload::Hot,
            about: "Prefixes whose hosts are in this network and not behind a router: a host that sends IPv4 or IPv6 packets from such an address, when nothing was known of it, has it. \
                    Link-local addresses count always; 256 at most. Without any, addresses are learned from ARP, Neighbour Discovery and DHCP alone.",
        },
        Key {
            name: "dhcp_servers",
            shape: Shape::List { of: &Shape::Term(&DHCP_SERVER), min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 2131, RFC 8415",
            reload: Reload::Hot,
            about: "Where DHCP servers, or routers that relay for them, are: ports as `s1/3`, or hosts of `static_hosts` by MAC address. Switches copy DHCP and DHCPv6 to the controller, and a \
                    host has the addresses that such a server gives it. Who else answers as a server is a condition (`rogue_dhcp_server`) and is not believed; its answers are forwarded all the \
                    same. Empty: nothing is copied, and nobody is a condition. 1,024 at most.",
        },
    ],
};

static STATIC_HOST: Section = Section {
    about: "A host that does not age and does not move, and whose addresses nobody takes. It is known as soon as its port is up and no link. Whoever uses its \
            MAC address at another port is not believed, and is a condition.",
    keys: &[
        Key {
            name: "mac",
            shape: Shape::Term(&MAC),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Its MAC address.",
        },
        Key {
            name: "port",
            shape: Shape::Term(&PORT),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "The port that it is behind: `s1/3`, or `s1/printer`.",
        },
        Key {
            name: "addresses",
            shape: Shape::List { of: &Shape::Address, min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Its IP addresses, 16 at most.",
        },
    ],
};
