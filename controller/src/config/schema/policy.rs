//! The policy part of the table: `bgp.sets` and `bgp.policies`.

use super::{FAMILIES, Key, MAX_DESCRIPTION, Need, Reload, Section, Shape, Term};

pub(in crate::config) static PREFIX_PATTERN: Term =
    Term { what: "prefix with lengths", plural: "prefixes with lengths" };
pub(in crate::config) static AS_PATH: Term = Term { what: "AS-path expression", plural: "AS-path expressions" };
pub(in crate::config) static COMMUNITY: Term = Term { what: "community", plural: "communities" };
pub(in crate::config) static ASNS: Term = Term { what: "AS number or range", plural: "AS numbers or ranges" };
pub(in crate::config) static NEIGHBOR_TERM: Term = Term { what: "address or prefix", plural: "addresses or prefixes" };
static RANGE: Term = Term { what: "number range", plural: "number ranges" };
static RANGE_OR_NONE: Term = Term { what: "number range or `none`", plural: "number ranges" };
static ADJUST: Term = Term { what: "number, `+number` or `-number`", plural: "numbers" };
static ADJUST_OR_NONE: Term = Term { what: "number, `+number`, `-number` or `none`", plural: "numbers" };
static NEXT_HOP: Term = Term { what: "`self`, `unchanged`, `neighbor` or address", plural: "addresses" };
static PREPEND_AS: Term = Term { what: "`self`, `first` or AS number", plural: "AS numbers" };
static GROUP_NAME: Term = Term { what: "group", plural: "groups" };
/// The values of `import` and `export`.
pub(super) static POLICY_NAME: Term = Term { what: "`accept`, `reject` or policy", plural: "policies" };

/// The words of `action`, in the order of `bgp::policy::Action`.
pub(in crate::config) const ACTIONS: &[&str] = &["accept", "reject", "next", "next-policy"];
/// The words of `origin`, in the order of their numbers (RFC 4271 §4.3).
pub(in crate::config) const ORIGINS: &[&str] = &["igp", "egp", "incomplete"];
/// Where a route came from.
pub(in crate::config) const SOURCES: &[&str] = &["local", "ebgp", "ibgp"];
/// What a neighbour is to us, in the order of their numbers (RFC 9234 §4.1).
pub(in crate::config) const ROLES: &[&str] = &["provider", "rs", "rs-client", "customer", "peer"];

const NO_CONDITION: Need = Need::Without("not asked");
const NO_CHANGE: Need = Need::Without("left as it is");

const fn row(name: &'static str, shape: Shape, need: Need, rule: &'static str, about: &'static str) -> Key {
    let reload = if shape.inner().is_some() { Reload::Inside } else { Reload::Hot };
    Key { name, shape, need, rule, reload, about }
}

const fn some(of: &'static Term) -> Shape {
    Shape::OneOrMore { of }
}

pub(super) static SETS: Section = Section {
    about: "Lists with names, for the conditions of policies. A name starts with a letter and has small letters, digits, `-` and `_`.",
    keys: &[
        row(
            "prefixes",
            Shape::Map { of: &Shape::OneOrMore { of: &PREFIX_PATTERN } },
            Need::Default("{}"),
            "",
            "Sets of prefixes for `prefix` and `next_hop`.",
        ),
        row(
            "as_paths",
            Shape::Map { of: &Shape::OneOrMore { of: &AS_PATH } },
            Need::Default("{}"),
            "",
            "Sets of AS-path expressions for `as_path`.",
        ),
        row(
            "asns",
            Shape::Map { of: &Shape::OneOrMore { of: &ASNS } },
            Need::Default("{}"),
            "",
            "Sets of AS numbers for `origin_as` and `neighbor_as`.",
        ),
        row(
            "communities",
            Shape::Map { of: &Shape::OneOrMore { of: &COMMUNITY } },
            Need::Default("{}"),
            "",
            "Sets of communities for `communities`.",
        ),
        row(
            "neighbors",
            Shape::Map { of: &Shape::OneOrMore { of: &NEIGHBOR_TERM } },
            Need::Default("{}"),
            "",
            "Sets of neighbours for `neighbor`.",
        ),
    ],
};

/// `bgp.policies`.
pub(super) const POLICIES: Shape = Shape::Map { of: &Shape::List { of: &Shape::Section(&STATEMENT), min: 1 } };

static STATEMENT: Section = Section {
    about: "One statement of a policy. It matches a route if all of `match` and none of `unless` hold; then `set` is done and `action` says \
            what comes next. Later statements see what earlier ones have set.",
    keys: &[
        row("name", Shape::Text { max: MAX_DESCRIPTION }, Need::Without("none"), "", "A name, for people."),
        row(
            "match",
            Shape::Section(&CONDITIONS),
            Need::Without("every route matches"),
            "",
            "Conditions that all have to hold.",
        ),
        row("unless", Shape::Section(&CONDITIONS), Need::Without("none"), "", "Conditions of which none may hold."),
        row("set", Shape::Section(&CHANGES), Need::Without("nothing is changed"), "", "What to change."),
        row(
            "action",
            Shape::Word(ACTIONS),
            Need::Default("next"),
            "",
            "`accept` and `reject` decide; `next` goes on to the next statement, `next-policy` to the next policy of the neighbour's list.",
        ),
    ],
};

static CONDITIONS: Section = Section {
    about: "Conditions on a route. A condition with several values holds if one of them does. Where a set can be asked for, its name stands \
            among the values or in their place.",
    keys: &[
        row(
            "prefix",
            some(&PREFIX_PATTERN),
            NO_CONDITION,
            "",
            "The prefix is one of these; sets of `bgp.sets.prefixes`.",
        ),
        row("family", Shape::Word(FAMILIES), NO_CONDITION, "RFC 4760", "The route is of this family."),
        row("as_path", some(&AS_PATH), NO_CONDITION, "", "AS_PATH matches one of these; sets of `bgp.sets.as_paths`."),
        row(
            "as_path_length",
            Shape::Term(&RANGE),
            NO_CONDITION,
            "RFC 4271 §9.1.2.2",
            "AS_PATH is so long; an AS_SET counts as one.",
        ),
        row(
            "origin_as",
            some(&ASNS),
            NO_CONDITION,
            "",
            "The last AS of AS_PATH, which originated the route; sets of `bgp.sets.asns`. Does not hold for an AS_SET.",
        ),
        row(
            "neighbor_as",
            some(&ASNS),
            NO_CONDITION,
            "",
            "The first AS of AS_PATH, from which the route came; sets of `bgp.sets.asns`.",
        ),
        row(
            "communities",
            some(&COMMUNITY),
            NO_CONDITION,
            "RFC 1997, RFC 4360, RFC 8092",
            "The route has one of these; sets of `bgp.sets.communities`.",
        ),
        row(
            "all_communities",
            some(&COMMUNITY),
            NO_CONDITION,
            "",
            "The route has each of these; of a set, each of its communities.",
        ),
        row(
            "next_hop",
            some(&NEIGHBOR_TERM),
            NO_CONDITION,
            "",
            "The next hop that the route came with is in one of these; `neighbor` is the neighbour's own address; of sets of \
             `bgp.sets.prefixes` the lengths don't matter.",
        ),
        row(
            "neighbor",
            some(&NEIGHBOR_TERM),
            NO_CONDITION,
            "",
            "The neighbour that the route comes from or goes to; sets of `bgp.sets.neighbors`.",
        ),
        row(
            "group",
            some(&GROUP_NAME),
            NO_CONDITION,
            "",
            "The neighbour that the route comes from or goes to is in one of these groups of `bgp.groups`, or in one that builds on it.",
        ),
        row(
            "role",
            Shape::Word(ROLES),
            NO_CONDITION,
            "RFC 9234",
            "What the neighbour is to this router, as both have agreed: `customer` is a customer of ours.",
        ),
        row(
            "med",
            Shape::Term(&RANGE_OR_NONE),
            NO_CONDITION,
            "RFC 4271 §5.1.4",
            "MULTI_EXIT_DISC; `none`: the route has none.",
        ),
        row(
            "local_pref",
            Shape::Term(&RANGE),
            NO_CONDITION,
            "RFC 4271 §5.1.5",
            "LOCAL_PREF; 100 where the route has none.",
        ),
        row("origin", Shape::Word(ORIGINS), NO_CONDITION, "RFC 4271 §5.1.1", "ORIGIN."),
        row(
            "source",
            Shape::Word(SOURCES),
            NO_CONDITION,
            "",
            "Where the route came from: `local` is this router's own (`bgp.originate`). For export.",
        ),
    ],
};

static CHANGES: Section = Section {
    about: "Changes to a route.",
    keys: &[
        row(
            "local_pref",
            Shape::Term(&ADJUST),
            NO_CHANGE,
            "RFC 4271 §5.1.5",
            "LOCAL_PREF; `+` and `-` count from 100 where the route has none.",
        ),
        row(
            "med",
            Shape::Term(&ADJUST_OR_NONE),
            NO_CHANGE,
            "RFC 4271 §5.1.4",
            "MULTI_EXIT_DISC; `none` takes it away. Without it a received one does not go to eBGP neighbours.",
        ),
        row("origin", Shape::Word(ORIGINS), NO_CHANGE, "RFC 4271 §5.1.1", "ORIGIN."),
        row(
            "next_hop",
            Shape::Term(&NEXT_HOP),
            NO_CHANGE,
            "RFC 4271 §5.1.3",
            "The next hop: `self` this router's address on the session, `unchanged` as it came (also toward eBGP neighbours), `neighbor` the \
             neighbour's address. An address counts for routes of its own family.",
        ),
        row("prepend", Shape::Section(&PREPEND), NO_CHANGE, "RFC 4271 §5.1.2", "AS numbers in front of AS_PATH."),
        row(
            "communities",
            Shape::Section(&COMMUNITY_CHANGES),
            NO_CHANGE,
            "RFC 1997, RFC 4360, RFC 8092",
            "Communities of all kinds.",
        ),
    ],
};

static PREPEND: Section = Section {
    about: "An AS number that is put in front of AS_PATH. Toward eBGP neighbours this router's own comes on top of it as always.",
    keys: &[
        row(
            "asn",
            Shape::Term(&PREPEND_AS),
            Need::Default("self"),
            "",
            "Which: `self` this router's, `first` the one that stands first.",
        ),
        row(
            "times",
            Shape::Integer { min: 1, max: bgp::policy::rule::PREPEND_LIMIT as u64 },
            Need::Required,
            "",
            "How often.",
        ),
    ],
};

static COMMUNITY_CHANGES: Section = Section {
    about: "Changes to a route's communities.",
    keys: &[
        row(
            "set",
            some(&COMMUNITY),
            NO_CHANGE,
            "",
            "These take the place of all communities of the route. Not together with `remove` and `add`.",
        ),
        row("remove", some(&COMMUNITY), NO_CHANGE, "", "These go, before others come; sets of `bgp.sets.communities`."),
        row("add", some(&COMMUNITY), NO_CHANGE, "", "These come, each once; sets without wildcards."),
    ],
};
