//! The part of the table that is about ways: `links`, `paths`.

use super::{Key, Need, Reload, Section, Shape, Term};
use crate::path::MAX_COST;

/// The value of `between`.
static LINK: Term = Term { what: "link", plural: "links" };
static BIT_RATE: Term = Term { what: "bit rate", plural: "bit rates" };
static LATENCY: Term = Term { what: "latency", plural: "latencies" };
static RISK: Term = Term { what: "risk group", plural: "risk groups" };

/// `links`.
pub(super) const LINKS: Shape = Shape::List { of: &Shape::Section(&LINK_SECTION), min: 0 };

static LINK_SECTION: Section = Section {
    about: "What is known of a link besides where it leads, in both directions alike. A link that does not stand here is a link all the same; what stands here \
            counts as soon as the link is found, and as long as it leads where this says. Which links should be there is said by `fabric.expected_links`.",
    keys: &[
        Key {
            name: "between",
            shape: Shape::Term(&LINK),
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "Its two ends, as `s1/3 - s2/uplink`: switches by their names in `switches`, ports by number or name. A port has one link.",
        },
        Key {
            name: "cost",
            shape: Shape::Integer { min: 1, max: MAX_COST as u64 },
            need: Need::Default("1"),
            rule: "",
            reload: Reload::Hot,
            about: "Administrative cost: what `paths.metric: cost` adds up, and what `utilisation` multiplies.",
        },
        Key {
            name: "bandwidth",
            shape: Shape::Term(&BIT_RATE),
            need: Need::Without("the speed that the port tells"),
            rule: "",
            reload: Reload::Hot,
            about: "Bits per second: `10G`, `2.5G`, `100M`, `64k`.",
        },
        Key {
            name: "latency",
            shape: Shape::Term(&LATENCY),
            need: Need::Without("what probes have measured at best"),
            rule: "",
            reload: Reload::Hot,
            about: "How long a frame is under way: `35us`, `0.8ms`, `5ms`.",
        },
        Key {
            name: "srlg",
            shape: Shape::List { of: &Shape::Term(&RISK), min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 4202 §2.3",
            reload: Reload::Hot,
            about: "Risks that it shares with other links, by names of one's own or numbers: one conduit, one amplifier. `trunkline path --disjoint srlg` finds two ways \
                    that share none.",
        },
        Key {
            name: "drain",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "The link is under maintenance: traffic leaves it without a lost packet, and it is used where nothing else leads.",
        },
    ],
};

/// `paths.metric`, in the order of the words.
pub(in crate::config) const METRICS: &[&str] = &["hops", "cost", "latency", "bandwidth", "utilisation"];

pub(super) static PATHS: Section = Section {
    about: "What makes a way short. Where several ways are equally short, all of them are used.",
    keys: &[
        Key {
            name: "metric",
            shape: Shape::Word(METRICS),
            need: Need::Default("hops"),
            rule: "",
            reload: Reload::Hot,
            about: "What is added up along a way. `hops`: every link counts 1. `cost`: `links[].cost`. `latency`: `links[].latency` in microseconds, rounded up; a \
                    link without one is as dear as a link can be (1,048,576). `bandwidth`: how often the link's bit rate goes into `reference_bandwidth`, rounded up, so that \
                    fast links are preferred. `utilisation`: `links[].cost` times 1, 2, 4 or 16, from 50, 75 and 90 % of the link's bit rate on, \
                    and back 10 points below each: one direction of a link at a time, nothing for 30 s after that, and back after 2 minutes at the earliest, an hour where it becomes \
                    busy again and again.",
        },
        Key {
            name: "measured_latency",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "With `metric: latency`: a link without `links[].latency` counts as what probes have measured, at least eight of them: the least since the link is up, \
                    where that is a quarter less than what counted before. It never rises while the link is up, so that ways do not go to and fro.",
        },
        Key {
            name: "reference_bandwidth",
            shape: Shape::Term(&BIT_RATE),
            need: Need::Default("100G"),
            rule: "RFC 2328 §C.3",
            reload: Reload::Hot,
            about: "The bit rate of a link that counts 1 with `metric: bandwidth`. Faster ones count 1 too.",
        },
        Key {
            name: "bypasses",
            shape: Shape::Boolean,
            need: Need::Default("true"),
            rule: "",
            reload: Reload::Hot,
            about: "Where a switch has one next hop and no loop-free alternate, the way round that link of up to 16 links is put in beforehand: while the link is dead the switch \
                    sends frames along it with a VLAN tag of their own, that comes off at the link's far end. VLANs 3840 to 4095 belong to these tags: a frame with such a tag that comes from \
                    elsewhere is dropped. `false`: until the controller has found a new way frames towards a dead link are lost. Where `vlans` or a rule of `flows` names one of these VLANs the default is `false`.",
        },
    ],
};
