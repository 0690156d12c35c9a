//! The part of the table that is about Open vSwitch's databases: `ovsdb`.

use std::time::Duration;

use super::{Key, MILLISECOND, Need, Reload, Section, Shape};

const INTERVAL: Shape =
    Shape::Duration { min: MILLISECOND, max: Duration::from_secs(10), step: MILLISECOND, or_zero: false };

pub(super) static OVSDB: Section = Section {
    about: "The databases that Open vSwitches are configured by (RFC 7047). Bridges in them are matched to connected switches by their datapath ids; the MTUs of their \
            interfaces are compared over links, and their external-ids shown with the ports.",
    keys: &[
        Key {
            name: "connections",
            shape: Shape::List { of: &Shape::Connect, min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 7047 §4",
            reload: Reload::Hot,
            about: "Databases to connect to and stay connected to: `unix:PATH` (`unix:/var/run/openvswitch/db.sock` on this machine), `tcp:HOST[:PORT]` or \
                    `ssl:HOST[:PORT]` with the certificates of `openflow.tls`, as `ovs-vsctl set-manager ptcp:6640` (`pssl:6640`) offers them. The port is 6640 unless \
                    it is given.",
        },
        Key {
            name: "bfd",
            shape: Shape::Section(&BFD),
            need: Need::Without("no BFD is switched on"),
            rule: "RFC 5880",
            reload: Reload::Inside,
            about: "BFD on the links between switches.",
        },
    ],
};

static BFD: Section = Section {
    about: "BFD on interfaces that carry a link which discovery has found, where the databases of both ends are connected: it notices a link that loses everything while its \
            carrier stays. Sessions start at many links at once, where others lead around them, and one by one where not; while one comes up, 1 to 2 s, Open vSwitch takes the ports for dead and groups go around the link. \
            Interfaces for which `bfd:enable` is set by somebody else are left alone, and so are other people's keys; what was set here is marked in `external_ids:trunkline-bfd` \
            and taken back when it is switched off here, 5 minutes after its link is gone, or when a session does not come up within 5 s.",
    keys: &[
        Key {
            name: "enabled",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "Whether BFD is switched on. Switched off, it is taken back everywhere at once.",
        },
        Key {
            name: "min_tx",
            shape: INTERVAL,
            need: Need::Default("100ms"),
            rule: "RFC 5880 §6.8.3",
            reload: Reload::Hot,
            about: "The shortest time between two control packets that a port sends. With 10ms and `mult: 3` a dead link is noticed within about 30 ms, with the defaults within 300 ms; a switch that is kept waiting for as long takes a good link for dead.",
        },
        Key {
            name: "min_rx",
            shape: INTERVAL,
            need: Need::Default("100ms"),
            rule: "RFC 5880 §6.8.3",
            reload: Reload::Hot,
            about: "The shortest time between two control packets that a port can take.",
        },
        Key {
            name: "mult",
            shape: Shape::Integer { min: 1, max: 255 },
            need: Need::Default("3"),
            rule: "RFC 5880 §6.8.4",
            reload: Reload::Hot,
            about: "After so many missing packets the link is dead.",
        },
    ],
};
