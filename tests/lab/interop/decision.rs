//! The cases on which daemons differ in the decision process, as data: what is announced, who wins here and there, and why ours is right. The
//! scenario `decision` runs them, `docs/interoperability.md` lists them.

/// Routers that announce the candidates. The daemons and we are in AS 65000.
pub const ROUTERS: [Router; 7] = [
    Router { name: "e1", address: "192.0.2.11", router_id: "10.255.0.1", asn: 65101 },
    Router { name: "e2", address: "192.0.2.12", router_id: "10.255.0.2", asn: 65102 },
    Router { name: "e3", address: "192.0.2.13", router_id: "10.255.0.3", asn: 65101 },
    Router { name: "twin", address: "192.0.2.14", router_id: "10.255.0.1", asn: 65101 },
    Router { name: "i1", address: "192.0.2.15", router_id: "10.255.0.5", asn: 65000 },
    Router { name: "i2", address: "192.0.2.16", router_id: "10.255.0.6", asn: 65000 },
    Router { name: "i3", address: "192.0.2.17", router_id: "10.255.0.7", asn: 65000 },
];

/// What the way to a router costs, for those who can be told: us and BIRD.
pub const COSTS: [(&str, u32); 3] = [("192.0.2.15", 20), ("192.0.2.16", 20), ("192.0.2.17", 10)];

/// A router with a session to each speaker.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    pub name: &'static str,
    pub address: &'static str,
    pub router_id: &'static str,
    pub asn: u32,
}

/// One route. Its path starts with the router's AS unless the router is an internal one.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub router: &'static str,
    pub path: &'static [u32],
    /// 0 IGP, 1 EGP, 2 INCOMPLETE.
    pub origin: u8,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub communities: &'static [(u16, u16)],
    pub originator: Option<&'static str>,
    pub clusters: &'static [&'static str],
}

/// Candidates in the order in which they are announced, and who wins.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub about: &'static str,
    pub prefix: &'static str,
    pub candidates: &'static [Candidate],
    pub ours: &'static str,
    /// BIRD, FRR, GoBGP, OpenBGPD as configured by default; several where it depends on the moment.
    pub theirs: [&'static str; 4],
    /// Why ours is right.
    pub why: &'static str,
}

const ROUTE: Candidate = Candidate {
    router: "",
    path: &[],
    origin: 0,
    med: None,
    local_pref: None,
    communities: &[],
    originator: None,
    clusters: &[],
};

const E1: Candidate = Candidate { router: "e1", path: &[65101, 64999], ..ROUTE };
const E2: Candidate = Candidate { router: "e2", path: &[65102, 64999], ..ROUTE };
const E3: Candidate = Candidate { router: "e3", path: &[65101, 64999], ..ROUTE };
const TWIN: Candidate = Candidate { router: "twin", path: &[65101, 64999], ..ROUTE };
const I1: Candidate = Candidate { router: "i1", path: &[65101, 64999], local_pref: Some(100), ..ROUTE };
const I2: Candidate = Candidate { router: "i2", path: &[65101, 64999], local_pref: Some(100), ..ROUTE };

const I3: Candidate = Candidate { router: "i3", path: &[65101, 64999], local_pref: Some(100), ..ROUTE };

/// All cases.
pub const CASES: &[Case] = &[
    Case {
        about: "MED 20 of AS 65101, a route of AS 65102, MED 10 of AS 65101, in this order",
        prefix: "100.65.1.0/24",
        candidates: &[Candidate { med: Some(20), ..E1 }, E2, Candidate { med: Some(10), ..E3 }],
        ours: "e2",
        theirs: ["e3", "e1", "e1 or e3", "e2"],
        why: "MED is compared within each neighbouring AS first, then the bests of each with each other (RFC 4271 §9.1.2.2 c): e3 beats e1, e2 beats e3 \
              by router id. Pair by pair the answer depends on who came first.",
    },
    Case {
        about: "the same three in another order",
        prefix: "100.65.2.0/24",
        candidates: &[Candidate { med: Some(10), ..E3 }, Candidate { med: Some(20), ..E1 }, E2],
        ours: "e2",
        theirs: ["e2", "e3", "e2 or e3", "e2"],
        why: "The same candidates, so the same best, as above. A daemon with another answer than above lets the order of arrival decide.",
    },
    Case {
        about: "two external routes alike, the one with the higher router id came first",
        prefix: "100.65.3.0/24",
        candidates: &[E2, E1],
        ours: "e1",
        theirs: ["e1", "e2", "e1 or e2", "e1"],
        why: "RFC 4271 §9.1.2.2 f is the router id. Preferring the older one (RFC 5004) spares some churn and makes two routers with the same routes \
              choose differently after a restart; `decision.prefer_oldest` is there for who wants it.",
    },
    Case {
        about: "two sessions with one router, the one at the higher address came first",
        prefix: "100.65.4.0/24",
        candidates: &[TWIN, E1],
        ours: "e1",
        theirs: ["e1", "twin", "e1 or twin", "e1"],
        why: "The lower address of the neighbour is the last step (RFC 4271 §9.1.2.2 g).",
    },
    Case {
        about: "internal routes with ORIGINATOR_ID against the order of router ids",
        prefix: "100.65.5.0/24",
        candidates: &[
            Candidate { originator: Some("10.255.9.9"), clusters: &["10.255.8.1"], ..I1 },
            Candidate { originator: Some("10.255.9.1"), clusters: &["10.255.8.1"], ..I2 },
        ],
        ours: "i2",
        theirs: ["i2", "i2", "i1", "i2"],
        why: "A reflected route counts with its ORIGINATOR_ID in place of the router id (RFC 4456 §9): else who reflects would decide.",
    },
    Case {
        about: "the lower ORIGINATOR_ID through more clusters",
        prefix: "100.65.6.0/24",
        candidates: &[
            Candidate { originator: Some("10.255.9.9"), clusters: &["10.255.8.1"], ..I1 },
            Candidate { originator: Some("10.255.9.1"), clusters: &["10.255.8.1", "10.255.8.2"], ..I2 },
        ],
        ours: "i2",
        theirs: ["i2", "i2", "i1", "i2"],
        why: "The length of CLUSTER_LIST comes after the identifiers and before the neighbour's address (RFC 4456 §9).",
    },
    Case {
        about: "the same ORIGINATOR_ID, the lower router id and address through more clusters",
        prefix: "100.65.7.0/24",
        candidates: &[
            Candidate { originator: Some("10.255.9.1"), clusters: &["10.255.8.1", "10.255.8.2"], ..I1 },
            Candidate { originator: Some("10.255.9.1"), clusters: &["10.255.8.1"], ..I2 },
        ],
        ours: "i2",
        theirs: ["i2", "i2", "i1", "i2"],
        why: "The shorter CLUSTER_LIST is the shorter way inside of the AS (RFC 4456 §9).",
    },
    Case {
        about: "an external route, and an internal one of the same neighbouring AS with the lower MED",
        prefix: "100.65.8.0/24",
        candidates: &[Candidate { med: Some(20), ..E1 }, Candidate { med: Some(10), ..I1 }],
        ours: "i1",
        theirs: ["i1", "i1", "i1", "i1"],
        why: "MED (c) comes before external over internal (d), and counts for routes from the same neighbouring AS wherever they were learned.",
    },
    Case {
        about: "MED 5 and no MED",
        prefix: "100.65.9.0/24",
        candidates: &[Candidate { med: Some(5), ..E1 }, E3],
        ours: "e3",
        theirs: ["e3", "e3", "e3", "e3"],
        why: "No MED is the lowest (RFC 4271 §9.1.2.2 c); `decision.missing_med_worst` makes it the highest.",
    },
    Case {
        about: "LLGR_STALE with the higher LOCAL_PREF",
        prefix: "100.65.10.0/24",
        candidates: &[Candidate { local_pref: Some(200), communities: &[(65535, 6)], ..I1 }, I2],
        ours: "i2",
        theirs: ["i2", "i2", "i2", "i1"],
        why: "A long-lived stale route is the last resort, before any other comparison (RFC 9494 §4.3).",
    },
    Case {
        about: "internal routes, the way to the next hop of the one with the lower router id costs more",
        prefix: "100.65.11.0/24",
        candidates: &[I1, I3],
        ours: "i3",
        theirs: ["i3", "i1", "i1", "i1"],
        why: "The nearer way out of the AS (RFC 4271 §9.1.2.2 e) comes before router ids. FRR compares it where zebra knows the cost, which does not run here.",
    },
];

/// The part of the page.
pub fn page(daemons: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "\n## The decision process\n\n\
         Where daemons choose differently from the same candidates. The scenario `decision` announces them to ours and to each daemon, as configured\n\
         by default, and checks that each chooses what stands here. e1, e3 and twin are external neighbours in AS 65101, e2 in AS 65102; i1 to i3 are\n\
         internal. The router ids rise from e1 to i3; twin has that of e1. The way to i1 and i2 costs 20, that to i3 10.\n\n| candidates | ours |",
    );
    for (name, _) in daemons {
        text += &format!(" {name} |");
    }
    text += " why ours is right |\n|---|---|---|---|---|---|---|\n";
    for case in CASES {
        text += &format!("| {} | {} | {} | {} |\n", case.about, case.ours, case.theirs.join(" | "), case.why);
    }
    text += "\nGoBGP prefers the older external route and counts age in whole seconds: where two stand, both have been seen.\n";
    text += "\nIGP cost to next hops is compared by BIRD and FRR where they know it; GoBGP and OpenBGPD do not compare it. Here the configuration says it\n\
             (`next_hops`), and without a word every cost is 0. FRR's weight has no counterpart: LOCAL_PREF set by import policy does the same, and every router of the AS sees it.\n";
    text
}
