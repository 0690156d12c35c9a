//! The part of the table that is about audits: `audit`.

use std::time::Duration;

use super::{Key, MAX_PATTERN, Need, Reload, SECOND, Section, Shape, Term};

/// `audit.exceptions[].cookies`.
static COOKIES: Term = Term { what: "cookie or range of cookies", plural: "cookies" };

pub(super) static AUDIT: Section = Section {
    about: "What is done about flows, groups and meters on the switches that are not as the controller has put them there.",
    keys: &[
        Key {
            name: "interval",
            shape: Shape::Duration { min: SECOND, max: Duration::from_secs(86_400), step: SECOND, or_zero: true },
            need: Need::Default("5m"),
            rule: "",
            reload: Reload::Hot,
            about: "How often each switch is read and held against what the controller has put there: what somebody has added, changed or removed by hand is \
                    told (`show events`, the log, `trunkline_audit_drift_total`) and put right. 0 for never; `trunkline audit` does it at once.",
        },
        Key {
            name: "foreign_flows",
            shape: Shape::Word(FOREIGN_FLOWS),
            need: Need::Default("keep"),
            rule: "",
            reload: Reload::Hot,
            about: "What becomes of flows without this controller's mark in their cookies: `keep` lets them be and counts them, `remove` removes them, when a \
                    switch connects and at each audit. So it is with groups and meters whose numbers are neither the controller's own nor stated in `groups` and `meters`; where there are `exceptions`, \
                    these are kept all the same, for flows that are let be may point to them.",
        },
        Key {
            name: "exceptions",
            shape: Shape::List { of: &Shape::Section(&EXCEPTION), min: 0 },
            need: Need::Default("[]"),
            rule: "",
            reload: Reload::Inside,
            about: "Flows that audits pass over, and that are let be with `foreign_flows: remove`. A flow of the controller's own that is excepted here is still \
                    compared when its switch connects.",
        },
    ],
};

static EXCEPTION: Section = Section {
    about: "Flows that fit everything that is said here; at least one thing is.",
    keys: &[
        Key {
            name: "cookies",
            shape: Shape::Term(&COOKIES),
            need: Need::Without("any cookie"),
            rule: "",
            reload: Reload::Hot,
            about: "A cookie or a range of cookies with both ends in it, decimal or hex: `0x100-0x1ff`.",
        },
        Key {
            name: "table",
            shape: Shape::Integer { min: 0, max: 254 },
            need: Need::Without("any table"),
            rule: "OpenFlow 1.3.5 §7.3.4.1",
            reload: Reload::Hot,
            about: "The table.",
        },
        Key {
            name: "priority",
            shape: Shape::Integer { min: 0, max: 65_535 },
            need: Need::Without("any priority"),
            rule: "",
            reload: Reload::Hot,
            about: "The priority.",
        },
        Key {
            name: "match",
            shape: Shape::Text { max: MAX_PATTERN },
            need: Need::Without("any match"),
            rule: "",
            reload: Reload::Hot,
            about: "Fields in ovs-ofctl's syntax that the flow matches in the same way: `in_port=7,tcp`. It may match more.",
        },
    ],
};

/// `audit.foreign_flows`, in the order of the words.
pub(in crate::config) const FOREIGN_FLOWS: &[&str] = &["keep", "remove"];
