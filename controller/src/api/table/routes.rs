//! Routes under constraints.

use super::{AT, Form, Kind, Parameter, Route, Takes, What, field, maybe, parameter};

pub(super) const ROUTES: Route = Route {
    path: "/api/v1/routes",
    what: What::Routes,
    about: "Routes from one host or switch to another that keep to constraints, the shortest first, or why there is none. They are computed, \
and nothing forwards by them.",
    parameters: &[
        Parameter { required: true, ..parameter("from", Takes::Text, "A host's MAC or IP address, or a switch.") },
        Parameter { required: true, ..parameter("to", Takes::Text, "A host's MAC or IP address, or a switch.") },
        parameter("max_latency", Takes::Text, "Over all links, as probes have measured them: `5ms`, `300us`."),
        parameter(
            "min_bandwidth",
            Takes::Text,
            "Bit rate of each link in bit/s: `100M`, `2.5G`. What is reserved or, if that is more, in use is not free.",
        ),
        parameter(
            "avoid",
            Takes::Text,
            "Switches, links by either port (`s1:2`) and risk groups (`srlg:conduit-7`) not to pass, with commas between.",
        ),
        parameter(
            "include",
            Takes::Text,
            "Switches and links to pass, in this order, with commas between; at most 16.",
        ),
        parameter("count", Takes::Number(1, 64), "So many routes; else 1."),
        parameter(
            "disjoint",
            Takes::Text,
            "Two routes without a common switch but their ends (`node`), without a common link (`link`), or without a common risk of `links[].srlg` (`srlg`).",
        ),
    ],
    form: Form::Rows,
    beside: &[
        AT,
        field("from", Kind::Text, "", "Where they begin."),
        field("to", Kind::Text, "", "Where they end."),
        field("reachable", Kind::Boolean, "", "There is a route."),
        maybe("reason", Kind::Text, "", "Why there is none, with what comes nearest."),
        field(
            "cheapest",
            Kind::Boolean,
            "",
            "No two such routes are shorter together; false where that was not proven.",
        ),
    ],
    row: &[
        field("route", Kind::Number, "ROUTE", "From 1 on, the shortest first."),
        field("hops", Kind::Number, "HOPS", "Links on it."),
        field("cost", Kind::Number, "COST", "Sum of what its links cost."),
        maybe(
            "latency_us",
            Kind::Number,
            "",
            "Sum of its links' latencies in microseconds; null where one is not known.",
        ),
        maybe("latency", Kind::Text, "LATENCY", "The same for people."),
        maybe("free_kbps", Kind::Number, "", "Bit rate of its narrowest link in kbit/s; null where one is not known."),
        maybe("bandwidth", Kind::Text, "BANDWIDTH", "The same for people."),
        field("switches", Kind::Texts, "SWITCHES", "The switches that it passes."),
        field("links", Kind::Texts, "", "Its links, each with both ports."),
    ],
};

pub(super) const RESERVATIONS: Route = Route {
    path: "/api/v1/reservations",
    what: What::Reservations,
    about: "Bandwidth set aside by `reservations` of the configuration, in the order of the file: the path that each is admitted on, or why there is none. It is admission and \
accounting, and nothing forwards by it.",
    parameters: &[],
    form: Form::Rows,
    beside: &[field("at", Kind::Time, "", "Of which time the network is that they were admitted in.")],
    row: &[
        field("name", Kind::Text, "NAME", "What it is called."),
        field("from", Kind::Text, "FROM", "The switch where it begins."),
        field("to", Kind::Text, "TO", "The switch where it ends."),
        field("bandwidth_kbps", Kind::Number, "", "Set aside on each link, in kbit/s."),
        field("bandwidth", Kind::Text, "BANDWIDTH", "The same for people."),
        maybe(
            "disjoint",
            Kind::Text,
            "",
            "What two paths must not have in common: `node`, `link` or `srlg`; null for one path.",
        ),
        field("admitted", Kind::Boolean, "ADMITTED", "It has its path, or both."),
        maybe("reason", Kind::Text, "NO_PATH_BECAUSE", "Why it has none, with what comes nearest."),
        maybe("cost", Kind::Number, "", "Sum of what its links cost, of both paths."),
        field("switches", Kind::Texts, "PATH", "The switches that it passes."),
        field("links", Kind::Texts, "", "Its links, each with both ports."),
        field("second_switches", Kind::Texts, "SECOND_PATH", "With `disjoint`: the switches of the other path."),
        field("second_links", Kind::Texts, "", "Its links."),
    ],
};
