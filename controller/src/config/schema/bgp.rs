//! The section `bgp` of the table. What neighbours, groups and ranges have in common stands once.

use std::time::Duration;

use super::{Key, MAX_DESCRIPTION, Need, Reload, SECOND, Section, Shape, Term, policy};

pub(super) static BGP: Section = Section {
    about: "The BGP speaker. Without this section there is none.",
    keys: &[
        Key {
            name: "asn",
            shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
            need: Need::Required,
            rule: "RFC 6793, RFC 7607",
            reload: Reload::Session,
            about: "This router's AS number. 23456 (AS_TRANS) is nobody's.",
        },
        Key {
            name: "router_id",
            shape: Shape::Ipv4Address,
            need: Need::Required,
            rule: "RFC 6286",
            reload: Reload::Session,
            about: "This router's BGP identifier, unique within the AS; not 0.0.0.0.",
        },
        Key {
            name: "listen",
            shape: Shape::SocketAddress,
            need: Need::Default(r#""[::]:179""#),
            rule: "",
            reload: Reload::Restart,
            about: "Where to wait for neighbours. `[::]` takes IPv4 too.",
        },
        Key {
            name: "originate",
            shape: Shape::List { of: &Shape::Prefix, min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Hot,
            about: "Prefixes to announce as this router's own.",
        },
        Key {
            name: "aggregates",
            shape: Shape::List { of: &Shape::Section(&AGGREGATE), min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 4271 §9.2.2.2, RFC 9774",
            reload: Reload::Inside,
            about: "Prefixes to announce as long as there is a route to something inside them. AS_SETs are not made: AGGREGATOR and ATOMIC_AGGREGATE say what was put together.",
        },
        Key {
            name: "martians",
            shape: Shape::List { of: &Shape::Term(&policy::PREFIX_PATTERN), min: 0 },
            need: Need::Default(
                r#"[0.0.0.0/8 le 32, 127.0.0.0/8 le 32, 169.254.0.0/16 le 32, 224.0.0.0/4 le 32, 240.0.0.0/4 le 32, "::/96 le 128", "::ffff:0:0/96 le 128", "fe80::/10 le 128", "ff00::/8 le 128"]"#,
            ),
            rule: "RFC 6890",
            reload: Reload::Hot,
            about: "Prefixes that are left out whoever announces them. The default has what no network can have for its own, and neither private prefixes nor the \
                    default routes. `[]` switches the check off.",
        },
        Key {
            name: "sets",
            shape: Shape::Section(&policy::SETS),
            need: Need::Without("no sets"),
            rule: "",
            reload: Reload::Inside,
            about: "Lists with names, for the conditions of policies.",
        },
        Key {
            name: "policies",
            shape: policy::POLICIES,
            need: Need::Default("{}"),
            rule: "",
            reload: Reload::Inside,
            about: "Policies by name, each a list of statements that are tried in order; see [bgp-policy.md](bgp-policy.md). What falls off the \
                    end goes to the next policy of the neighbour's list.",
        },
        Key {
            name: "neighbors",
            shape: Shape::List { of: &Shape::Section(&NEIGHBOR), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "The neighbours. No two may have the same address.",
        },
        Key {
            name: "cluster_id",
            shape: Shape::Ipv4Address,
            need: Need::Without("`router_id`"),
            rule: "RFC 4456 §7",
            reload: Reload::Hot,
            about: "The cluster that this route reflector is of. Reflectors with the same clients may share one; a route that comes back with it is left out.",
        },
        Key {
            name: "mrt",
            shape: Shape::Section(&MRT),
            need: Need::Without("nothing is recorded"),
            rule: "RFC 6396",
            reload: Reload::Inside,
            about: "MRT files of what neighbours send, and of the tables.",
        },
        Key {
            name: "confederation",
            shape: Shape::Section(&CONFEDERATION),
            need: Need::Without("none"),
            rule: "RFC 5065",
            reload: Reload::Inside,
            about: "The confederation that this router's AS is a member of.",
        },
        Key {
            name: "default_local_pref",
            shape: Shape::Integer { min: 0, max: u32::MAX as u64 },
            need: Need::Default("100"),
            rule: "",
            reload: Reload::Hot,
            about: "LOCAL_PREF of routes that come without one. Higher wins, and iBGP neighbours are told it.",
        },
        Key {
            name: "selection_deferral",
            shape: Shape::Duration { min: SECOND, max: Duration::from_secs(3600), step: SECOND, or_zero: false },
            need: Need::Default("2m"),
            rule: "RFC 4724 §4.1",
            reload: Reload::Restart,
            about: "How long the router waits at its start for the routes of neighbours with `graceful_restart: restart` before it announces anything to anybody.",
        },
        Key {
            name: "multipath",
            shape: Shape::Section(&MULTIPATH),
            need: Need::Without("the best path alone"),
            rule: "",
            reload: Reload::Inside,
            about: "How many paths of a prefix are used side by side.",
        },
        Key {
            name: "next_hops",
            shape: Shape::List { of: &Shape::Section(&NEXT_HOP), min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 4271 §9.1.2",
            reload: Reload::Inside,
            about: "How next hops are reached, where that makes a difference. Next hops that none of these holds are reachable at no cost.",
        },
        Key {
            name: "decision",
            shape: Shape::Section(&DECISION),
            need: Need::Without("the defaults below"),
            rule: "",
            reload: Reload::Inside,
            about: "How the best route is chosen.",
        },
        Key {
            name: "groups",
            shape: Shape::List { of: &Shape::Section(&GROUP), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "Settings that neighbours share.",
        },
        Key {
            name: "ranges",
            shape: Shape::List { of: &Shape::Section(&RANGE), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "Addresses that neighbours may connect from without being named.",
        },
    ],
};

/// The keys that neighbours, groups and ranges have in common, behind those of their own.
macro_rules! with_settings {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            Key {
                    name: "port",
                    shape: Shape::Integer { min: 1, max: u16::MAX as u64 },
                    need: Need::Default("179"),
                    rule: "",
                    reload: Reload::Session,
            about: "The port to connect to. Connections from the neighbour may come from any.",
                },
                Key {
                    name: "asn",
                    shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
                    need: Need::Without("that of the group; a neighbour needs one, in a range any AS is taken then"),
                    rule: "RFC 6793, RFC 7607",
                    reload: Reload::Session,
            about: "The neighbour's AS number. The same as `bgp.asn` makes it an iBGP neighbour.",
                },
                Key {
                    name: "local_address",
                    shape: Shape::Address,
                    need: Need::Without("the system chooses"),
                    rule: "",
                    reload: Reload::Session,
            about: "The address to connect from, of the same family as `address`. Connections of the neighbour to another address of this router are then refused.",
                },
                Key {
                    name: "families",
                    shape: Shape::List { of: &Shape::Word(FAMILIES), min: 1 },
                    need: Need::Default("[ipv4-unicast, ipv6-unicast]"),
                    rule: "RFC 4760",
                    reload: Reload::Session,
            about: "Address families to offer; the session carries those that both sides offer.",
                },
                Key {
                    name: "passive",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "",
                    reload: Reload::Session,
            about: "Only wait for the neighbour, never connect to it. It has to reach `bgp.listen`.",
                },
                Key {
                    name: "hold_time",
                    shape: Shape::Duration {
                        min: Duration::from_secs(3),
                        max: Duration::from_secs(u16::MAX as u64),
                        step: SECOND,
                        or_zero: true,
                    },
                    need: Need::Default("90s"),
                    rule: "RFC 4271 §4.2",
                    reload: Reload::Session,
            about: "Proposed hold time; the smaller of both sides' proposals counts. 0 turns hold timer and keepalives off.",
                },
                Key {
                    name: "connect_retry_time",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(3600), step: SECOND, or_zero: false },
                    need: Need::Default("2m"),
                    rule: "RFC 4271 §8",
                    reload: Reload::Session,
            about: "How long an attempt to connect may take, and the longest pause between attempts. Shortened at random by up to a quarter.",
                },
                Key {
                    name: "idle_hold_time",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(3600), step: SECOND, or_zero: false },
                    need: Need::Default("1s"),
                    rule: "RFC 4271 §8.1",
                    reload: Reload::Session,
            about: "Pause after a failed attempt or a session that has ended. Shortened at random by up to a quarter.",
                },
                Key {
                    name: "damp_oscillations",
                    shape: Shape::Boolean,
                    need: Need::Default("true"),
                    rule: "RFC 4271 §8.1",
                    reload: Reload::Session,
            about: "Double the pause with each failure, up to `connect_retry_time`, and refuse the neighbour's connections in the pause after a protocol error.",
                },
                Key {
                    name: "delay_open_time",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(240), step: SECOND, or_zero: true },
                    need: Need::Default("0s"),
                    rule: "RFC 4271 §8.1",
                    reload: Reload::Session,
            about: "Wait so long for the neighbour's OPEN on a new connection before sending ours. 0 sends it at once.",
                },
                Key {
                    name: "send_hold_time",
                    shape: Shape::Duration { min: Duration::from_secs(10), max: Duration::from_secs(u16::MAX as u64), step: SECOND, or_zero: true },
                    need: Need::Default("8m"),
                    rule: "RFC 9687",
                    reload: Reload::Session,
            about: "End a session on which the neighbour has taken nothing for so long; at least twice the hold time. 0 never does.",
                },
                Key {
                    name: "import",
                    shape: Shape::OneOrMore { of: &policy::POLICY_NAME },
                    need: Need::Without("`reject` for an eBGP neighbour (RFC 8212), `accept` for an iBGP neighbour"),
                    rule: "RFC 8212",
                    reload: Reload::Hot,
            about: "What to do with the routes that the neighbour announces. `accept`, `reject`, or policies of `bgp.policies` in order, the last of which may be `accept` or \
                            `reject`. What none of them decides is rejected.",
                },
                Key {
                    name: "export",
                    shape: Shape::OneOrMore { of: &policy::POLICY_NAME },
                    need: Need::Without("`reject` for an eBGP neighbour (RFC 8212), `accept` for an iBGP neighbour"),
                    rule: "RFC 8212",
                    reload: Reload::Hot,
            about: "What to announce to the neighbour. `accept`, `reject`, or policies of `bgp.policies` in order, the last of which may be `accept` or \
                            `reject`. What none of them decides is rejected.",
                },
                Key {
                    name: "default_originate",
                    shape: Shape::OneOrMore { of: &policy::POLICY_NAME },
                    need: Need::Without("none"),
                    rule: "",
                    reload: Reload::Hot,
            about: "Announce a default route of ours to the neighbour, whatever the tables have: `accept`, or policies that change it. `export` is not asked about it.",
                },
                Key {
                    name: "advertisement_interval",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(600), step: SECOND, or_zero: true },
                    need: Need::Default("0s"),
                    rule: "RFC 4271 §9.2.1.1",
                    reload: Reload::Hot,
            about: "Pause between what the neighbour is sent (MinRouteAdvertisementInterval), shortened at random by up to a quarter. What changes back meanwhile is not sent.",
                },
                Key {
                    name: "next_hop_v6",
                    shape: Shape::Ipv6Address,
                    need: Need::Without(
                        "our address on the session; over IPv4 that is written `::ffff:ADDRESS`, which BIRD refuses (on loopback: `::1`)",
                    ),
                    rule: "RFC 2545",
                    reload: Reload::Hot,
            about: "Next hop of the IPv6 routes that are announced. Give it where a session over IPv4 carries IPv6 routes.",
                },
                Key {
                    name: "description",
                    shape: Shape::Text { max: MAX_DESCRIPTION },
                    need: Need::Without("none"),
                    rule: "",
                    reload: Reload::Hot,
            about: "Free text, for people.",
                },
                Key {
                    name: "active",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "",
                    reload: Reload::Session,
            about: "Only connect to the neighbour, never accept a connection from it. It has to listen.",
                },
                Key {
                    name: "multihop",
                    shape: Shape::Integer { min: 1, max: 255 },
                    need: Need::Without("an eBGP neighbour is on the same link (TTL 1), an iBGP neighbour anywhere"),
                    rule: "",
                    reload: Reload::Session,
            about: "Routers up to the neighbour, itself included: the TTL of what is sent. Without it an eBGP neighbour is on the same link.",
                },
                Key {
                    name: "ttl_security",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 5082",
                    reload: Reload::Session,
            about: "Take only packets that come from no further than `multihop` says (1 without it), and send with TTL 255. Both sides need it. Where all neighbours of IPv4, or of IPv6, have it, strangers from further away get no connection at all.",
                },
                Key {
                    name: "password",
                    shape: Shape::Text { max: 80 },
                    need: Need::Without("no signatures"),
                    rule: "RFC 2385",
                    reload: Reload::Session,
            about: "Password of TCP MD5 signatures. Both sides need the same; whoever connects without it is not heard.",
                },
                Key {
                    name: "interface",
                    shape: Shape::Text { max: 15 },
                    need: Need::Without("any"),
                    rule: "",
                    reload: Reload::Session,
            about: "The interface that connections must use, whatever the routes of the kernel say. Needs CAP_NET_RAW.",
                },
                Key {
                    name: "role",
                    shape: Shape::Word(BGP_ROLES),
                    need: Need::Without("none"),
                    rule: "RFC 9234",
                    reload: Reload::Session,
            about: "Our role: routes then carry ONLY_TO_CUSTOMER, and leaks are refused. The neighbour's role has to go with it.",
                },
                Key {
                    name: "strict_role",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 9234",
                    reload: Reload::Session,
            about: "The neighbour must state its role too. Without this one that says nothing is taken for what `role` asks of it.",
                },
                Key {
                    name: "next_hop",
                    shape: Shape::Word(NEXT_HOPS),
                    need: Need::Default("standard"),
                    rule: "RFC 4271 §5.1.3",
                    reload: Reload::Hot,
            about: "Next hop of what is announced: `standard` (ours to eBGP neighbours, as it came to iBGP ones), `self` (always ours), `unchanged`.",
                },
                Key {
                    name: "private_as",
                    shape: Shape::Word(PRIVATE_AS),
                    need: Need::Default("keep"),
                    rule: "RFC 6996",
                    reload: Reload::Hot,
            about: "What becomes of private AS numbers in what is announced to an eBGP neighbour; `replace` puts ours in their places.",
                },
                Key {
                    name: "as_override",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "",
                    reload: Reload::Hot,
            about: "Replace the neighbour's own AS in what is announced to it by ours, for sites that share one AS number.",
                },
                Key {
                    name: "allow_own_as",
                    shape: Shape::Integer { min: 0, max: 10 },
                    need: Need::Default("0"),
                    rule: "",
                    reload: Reload::Hot,
            about: "How often our own AS may stand in the neighbour's paths. With 0 such a route is a loop and left out; sites with one AS number that meet through a provider need 1.",
                },
                Key {
                    name: "enforce_first_as",
                    shape: Shape::Boolean,
                    need: Need::Default("true"),
                    rule: "RFC 4271 §6.3",
                    reload: Reload::Hot,
            about: "Leave out routes of an eBGP neighbour that do not start with its AS. Off toward a route server.",
                },
                Key {
                    name: "local_as",
                    shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
                    need: Need::Without("`bgp.asn`"),
                    rule: "RFC 7705",
                    reload: Reload::Session,
            about: "Another AS number that this router has toward this eBGP neighbour, as after the merger of two networks. Its OPEN says it, and paths to the neighbour begin with it.",
                },
                Key {
                    name: "local_as_prepend",
                    shape: Shape::Boolean,
                    need: Need::Default("true"),
                    rule: "RFC 7705",
                    reload: Reload::Session,
            about: "Put `local_as` in front of the neighbour's paths, so that others see where they came in. Off, they look as if they had come to `bgp.asn`.",
                },
                Key {
                    name: "local_as_replace",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 7705",
                    reload: Reload::Session,
            about: "Announce with `local_as` alone, not with `bgp.asn` behind it. The neighbour then never sees `bgp.asn`.",
                },
                Key {
                    name: "route_server_client",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 7947",
                    reload: Reload::Hot,
            about: "The neighbour is a client of this route server: our AS stays out of the path, next hop and MED stay as they are.",
                },
                Key {
                    name: "route_reflector_client",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 4456",
                    reload: Reload::Session,
            about: "The iBGP neighbour is our client: it gets the routes of other iBGP neighbours, and they get its.",
                },
                Key {
                    name: "reject_as_sets",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 9774",
                    reload: Reload::Hot,
            about: "Leave out routes with an AS_SET, which nobody is to send any more. They stay in what was received, with the reason.",
                },
                Key {
                    name: "as_path_limit",
                    shape: Shape::Integer { min: 1, max: 65535 },
                    need: Need::Default("750"),
                    rule: "",
                    reload: Reload::Session,
            about: "Routes with more AS numbers in the path are treated as withdrawn, AS4_PATH merged in. Several implementations have failed on paths of thousands.",
                },
                Key {
                    name: "graceful_shutdown",
                    shape: Shape::Boolean,
                    need: Need::Default("false"),
                    rule: "RFC 8326",
                    reload: Reload::Hot,
            about: "Announce everything with GRACEFUL_SHUTDOWN: the neighbour moves its traffic away before the session goes down.",
                },
                Key {
                    name: "shutdown",
                    shape: Shape::Text { max: MAX_DESCRIPTION },
                    need: Need::Without("the session is up"),
                    rule: "RFC 9003",
                    reload: Reload::Session,
            about: "Keep the session down. The text goes to the neighbour's operator when a session that is up is shut down so.",
                },
                Key {
                    name: "graceful_restart",
                    shape: Shape::Word(RESTART_HELP),
                    need: Need::Default("\"off\""),
                    rule: "RFC 4724, RFC 8538, RFC 9494",
                    reload: Reload::Session,
            about: "`help`: keep the neighbour's routes while it restarts, for as long as it asks for; `long-lived`: and after that as the last resort. \
                            `restart`: `help`, and the neighbour is asked to keep ours while we restart; `restart-long-lived`: `long-lived`, and the same is asked for. \
                            See [bgp.md](bgp.md#restarting).",
                },
                Key {
                    name: "restart_time",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(4095), step: SECOND, or_zero: false },
                    need: Need::Default("2m"),
                    rule: "RFC 4724 §3",
                    reload: Reload::Session,
            about: "How long the neighbour is asked to keep our routes without a session. A restart has to take less.",
                },
                Key {
                    name: "long_lived_time",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(0xff_ffff), step: SECOND, or_zero: false },
                    need: Need::Default("24h"),
                    rule: "RFC 9494 §3",
                    reload: Reload::Session,
            about: "How long after that as the last resort, with `restart-long-lived`.",
                },
                Key {
                    name: "max_prefixes",
                    shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
                    need: Need::Without("no limit"),
                    rule: "RFC 4486",
                    reload: Reload::Hot,
            about: "Most routes of one family from the neighbour. At 80 % there is a line in the log.",
                },
                Key {
                    name: "max_prefixes_sent",
                    shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
                    need: Need::Without("no limit"),
                    rule: "",
                    reload: Reload::Hot,
            about: "Most routes of one family to the neighbour. A slip in an export policy then ends one session instead of leaking a table.",
                },
                Key {
                    name: "attribute_octets",
                    shape: Shape::Integer { min: 1, max: 1 << 40 },
                    need: Need::Default("134217728"),
                    rule: "",
                    reload: Reload::Hot,
                    about: "Most octets of attributes of all routes from the neighbour together, beyond the first 512 of each route, which are free: \
                            no table of the Internet comes near 128 MiB. What happens over it is what `max_prefixes_action` says, where there is a \
                            `max_prefixes`; else the session ends for good.",
                },
                Key {
                    name: "max_prefixes_action",
                    shape: Shape::Word(LIMIT_ACTIONS),
                    need: Need::Default("restart"),
                    rule: "",
                    reload: Reload::Hot,
            about: "What happens over a limit: a line in the log, the session ends for good, or it ends and starts again after `max_prefixes_restart`.",
                },
                Key {
                    name: "max_prefixes_restart",
                    shape: Shape::Duration { min: SECOND, max: Duration::from_secs(86400), step: SECOND, or_zero: false },
                    need: Need::Default("5m"),
                    rule: "",
                    reload: Reload::Hot,
            about: "Pause before a session that was over its limit starts again. What made it go over is the neighbour's to mend meanwhile.",
                },
                Key {
                name: "add_path_receive",
                shape: Shape::Boolean,
                need: Need::Default("false"),
                rule: "RFC 7911",
                reload: Reload::Session,
            about: "Take several paths of a prefix from the neighbour, at most 64. It has to offer to send them.",
            },
            Key {
                name: "add_path_send",
                shape: Shape::Term(&PATHS_SENT),
                need: Need::Default("none"),
                rule: "RFC 7911",
                reload: Reload::Hot,
            about: "Send several paths of a prefix to the neighbour, if it takes them: all that it may have, or so many of the best of these.",
            },
            Key {
                name: "hide_paths",
                shape: Shape::Boolean,
                need: Need::Default("false"),
                rule: "RFC 7947 §2.3.1",
                reload: Reload::Hot,
            about: "A route server's client that must not have the best route (policy, a community, its own route) gets none. By default it gets the best of \
                        those that it may have.",
            },
            Key {
                name: "extended_next_hop",
                shape: Shape::Boolean,
                need: Need::Default("false"),
                rule: "RFC 8950",
                reload: Reload::Session,
            about: "IPv4 routes may have IPv6 next hops, in both directions: for IPv4 over an IPv6 session.",
            },
            Key {
                    name: "group",
                    shape: Shape::Text { max: MAX_DESCRIPTION },
                    need: Need::Without("the defaults"),
                    rule: "",
                    reload: Reload::Session,
            about: "The group whose settings count where this entry has none. It stands before.",
                },
        ]
    };
}

static NEIGHBOR: Section = Section {
    about: "One BGP neighbour.",
    keys: with_settings![Key {
        name: "address",
        shape: Shape::Address,
        need: Need::Required,
        rule: "",
        reload: Reload::Session,
        about: "The neighbour's address.",
    },],
};

static GROUP: Section = Section {
    about: "Settings that several neighbours share. A neighbour, a range or a later group names it with `group`, and may set some of them otherwise.",
    keys: with_settings![Key {
        name: "name",
        shape: Shape::Text { max: MAX_DESCRIPTION },
        need: Need::Required,
        rule: "",
        reload: Reload::Hot,
        about: "What it is named by.",
    }],
};

static RANGE: Section = Section {
    about: "Addresses that neighbours may connect from without being named. Each is a neighbour as long as its session lasts.",
    keys: with_settings![
        Key {
            name: "prefix",
            shape: Shape::Prefix,
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "The addresses. Of several ranges that hold an address the longest counts.",
        },
        Key {
            name: "limit",
            shape: Shape::Integer { min: 1, max: 10_000 },
            need: Need::Default("100"),
            rule: "",
            reload: Reload::Hot,
            about: "Most neighbours at a time; further ones are refused.",
        },
    ],
};

static MRT: Section = Section {
    about: "MRT files (RFC 6396, RFC 8050), for `trunkline bgp replay`, `trunkline decode mrt` and bgpdump. In file names `%Y %m %d %H %M %S %s %%` stand for the time in UTC, as in strftime.",
    keys: &[
        Key {
            name: "updates",
            shape: Shape::Text { max: 4096 },
            need: Need::Without("messages are not written"),
            rule: "RFC 6396 §4.4",
            reload: Reload::Hot,
            about: "A file name, for every message that comes in, with its time, and for sessions that come and go. What is there is added to.",
        },
        Key {
            name: "rotate",
            shape: Shape::Duration {
                min: Duration::from_secs(10),
                max: Duration::from_secs(86_400),
                step: SECOND,
                or_zero: false,
            },
            need: Need::Default("15m"),
            rule: "",
            reload: Reload::Hot,
            about: "How often a new file of messages is begun, counted from midnight; `updates` has to have the time in it.",
        },
        Key {
            name: "tables",
            shape: Shape::Text { max: 4096 },
            need: Need::Without("tables are not written"),
            rule: "RFC 6396 §4.3",
            reload: Reload::Hot,
            about: "A file name, for all routes of all neighbours as they came, and our own. It ends with `.part` until it is whole.",
        },
        Key {
            name: "interval",
            shape: Shape::Duration { min: SECOND, max: Duration::from_secs(86_400), step: SECOND, or_zero: false },
            need: Need::Default("2h"),
            rule: "",
            reload: Reload::Hot,
            about: "How often the tables are written, counted from midnight.",
        },
    ],
};

static AGGREGATE: Section = Section {
    about: "A prefix that stands for what is inside it. Its AS_PATH is empty (RFC 9774: no AS_SETs), AGGREGATOR is this router, and ATOMIC_AGGREGATE says that other ASes' \
            numbers were left out. Keep it from the neighbours that the routes inside come from by their export policy.",
    keys: &[
        Key {
            name: "prefix",
            shape: Shape::Prefix,
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "The prefix.",
        },
        Key {
            name: "suppress",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "Announce nothing of what is inside it, to anybody. Without this both are announced.",
        },
    ],
};

static CONFEDERATION: Section = Section {
    about: "The confederation that `bgp.asn` is a member of.",
    keys: &[
        Key {
            name: "identifier",
            shape: Shape::Integer { min: 1, max: u32::MAX as u64 },
            need: Need::Required,
            rule: "RFC 5065",
            reload: Reload::Session,
            about: "The AS number that the outside sees.",
        },
        Key {
            name: "members",
            shape: Shape::List { of: &Shape::Integer { min: 1, max: u32::MAX as u64 }, min: 0 },
            need: Need::Default("[]"),
            rule: "RFC 5065",
            reload: Reload::Session,
            about: "The other member ASes.",
        },
    ],
};

static NEXT_HOP: Section = Section {
    about: "How the next hops inside a prefix are reached. Of several that hold one the longest counts.",
    keys: &[
        Key {
            name: "prefix",
            shape: Shape::Prefix,
            need: Need::Required,
            rule: "",
            reload: Reload::Hot,
            about: "The next hops.",
        },
        Key {
            name: "cost",
            shape: Shape::Integer { min: 0, max: u32::MAX as u64 },
            need: Need::Default("0"),
            rule: "RFC 4271 §9.1.2.2 e",
            reload: Reload::Hot,
            about: "What the way costs: of paths that are level so far the cheaper one is better.",
        },
        Key {
            name: "unreachable",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "RFC 4271 §9.1.2.1",
            reload: Reload::Hot,
            about: "There is no way: paths with such a next hop take no part in the decision.",
        },
    ],
};

static MULTIPATH: Section = Section {
    about: "Paths that are used beside the best one: those that stand level with it up to the cost to the next hop, and lead to other next hops. What \
            neighbours are sent does not depend on it.",
    keys: &[
        Key {
            name: "ebgp",
            shape: Shape::Integer { min: 1, max: 64 },
            need: Need::Default("1"),
            rule: "",
            reload: Reload::Hot,
            about: "Most paths where the best one is from an eBGP neighbour.",
        },
        Key {
            name: "ibgp",
            shape: Shape::Integer { min: 1, max: 64 },
            need: Need::Default("1"),
            rule: "",
            reload: Reload::Hot,
            about: "Most paths where the best one is from an iBGP neighbour.",
        },
        Key {
            name: "relaxed",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "AS_PATHs need only be as long as each other, not the same.",
        },
    ],
};

static DECISION: Section = Section {
    about: "How the best route is chosen. The default is RFC 4271 as written, MED compared within each neighbouring AS whatever the order of arrival. There is no weight: LOCAL_PREF set by import policy does the same and shows.",
    keys: &[
        Key {
            name: "always_compare_med",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "RFC 4271 §9.1.2.2 c",
            reload: Reload::Hot,
            about: "Compare MED between routes of different neighbouring ASes too. Only where all of them mean the same by it.",
        },
        Key {
            name: "missing_med_worst",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "A route without MED has the worst, not 0. RFC 4271 takes it for the lowest, which is the best.",
        },
        Key {
            name: "compare_router_id",
            shape: Shape::Boolean,
            need: Need::Default("true"),
            rule: "RFC 4271 §9.1.2.2 f",
            reload: Reload::Hot,
            about: "Prefer the lower router id before the lower address. Off, it goes from the cost of the next hop to the length of CLUSTER_LIST and the address.",
        },
        Key {
            name: "ignore_as_path_length",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "",
            reload: Reload::Hot,
            about: "Leave the length of AS_PATH out. LOCAL_PREF alone then says which way is better.",
        },
        Key {
            name: "prefer_oldest",
            shape: Shape::Boolean,
            need: Need::Default("false"),
            rule: "RFC 5004",
            reload: Reload::Hot,
            about: "Of external routes prefer the one that is known for longest, before router ids. Routes change less often, and the best one depends on who came first.",
        },
    ],
};

/// The values of `add_path_send`.
static PATHS_SENT: Term = Term { what: "`none`, `all` or 1 to 255", plural: "numbers of paths" };

/// The words of `families`, in the order of `AddressFamily`.
pub(in crate::config) const FAMILIES: &[&str] = &["ipv4-unicast", "ipv6-unicast"];
/// The words of `role` of a neighbour, in the order of `BgpRole`.
const BGP_ROLES: &[&str] = &["provider", "customer", "peer", "rs", "rs-client"];
/// The words of `next_hop`, in the order of `NextHopRule`.
const NEXT_HOPS: &[&str] = &["standard", "self", "unchanged"];
/// The words of `private_as`, in the order of `PrivateAsRule`.
const PRIVATE_AS: &[&str] = &["keep", "remove", "replace"];
/// The words of `graceful_restart`, in the order of `RestartHelp`.
const RESTART_HELP: &[&str] = &["off", "help", "long-lived", "restart", "restart-long-lived"];
/// The words of `max_prefixes_action`, in the order of `LimitAction`.
const LIMIT_ACTIONS: &[&str] = &["warn", "drop", "restart"];
