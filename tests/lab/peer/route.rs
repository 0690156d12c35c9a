//! One route in one form, whoever tells of it.

use std::fmt::Write;

use serde_json::Value;

use crate::report::Fail;

/// A route and its attributes. Lists are sorted where their order means nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Route {
    pub prefix: String,
    /// RFC 7911.
    pub path_id: Option<u32>,
    /// `65001 65002 {65003 65004}`, confederation segments as `(65005)`.
    pub path: String,
    /// `igp`, `egp`, `incomplete`.
    pub origin: String,
    pub next_hop: String,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    /// `65001:1`.
    pub communities: Vec<String>,
    /// `65001:1:2`.
    pub large: Vec<String>,
    /// `rt:65001:1`, others as 16 hex digits.
    pub extended: Vec<String>,
    pub originator: Option<String>,
    pub clusters: Vec<String>,
    /// ONLY_TO_CUSTOMER.
    pub otc: Option<u32>,
    /// `type:flags:hex` of others. Not every daemon shows them.
    pub unknown: Vec<String>,
}

/// Which attributes a comparison leaves out, since a daemon does not show them or shows a default in their place.
#[derive(Clone, Copy, Default, Debug)]
pub struct Unseen {
    pub local_pref: bool,
    pub unknown: bool,
    pub otc: bool,
    pub clusters: bool,
}

impl Route {
    /// Compares field by field; what is different, in words. A missing MED is 0 (RFC 4271 §9.1.2.2), as some daemons show it.
    pub fn difference(&self, other: &Route, unseen: Unseen) -> Option<String> {
        let mut out = String::new();
        let mut compare = |field: &str, one: String, two: String| {
            if one != two {
                let _ = write!(out, " {field}: {one} and not {two};");
            }
        };
        let text = |value: &Option<u32>| value.map_or("none".to_owned(), |value| value.to_string());
        compare("prefix", self.prefix.clone(), other.prefix.clone());
        compare("path", self.path.clone(), other.path.clone());
        compare("origin", self.origin.clone(), other.origin.clone());
        compare("next hop", self.next_hop.clone(), other.next_hop.clone());
        compare("med", self.med.unwrap_or(0).to_string(), other.med.unwrap_or(0).to_string());
        compare("communities", self.communities.join(" "), other.communities.join(" "));
        compare("large communities", self.large.join(" "), other.large.join(" "));
        compare("extended communities", self.extended.join(" "), other.extended.join(" "));
        if !unseen.local_pref {
            compare("local pref", text(&self.local_pref), text(&other.local_pref));
        }
        if !unseen.clusters {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
            compare("originator", or_none(&self.originator), or_none(&other.originator));
            compare("clusters", self.clusters.join(" "), other.clusters.join(" "));
        }
        if !unseen.otc {
            compare("otc", text(&self.otc), text(&other.otc));
        }
        if !unseen.unknown {
            compare("unknown attributes", self.unknown.join(" "), other.unknown.join(" "));
        }
        if out.is_empty() { None } else { Some(format!("{}:{}", self.prefix, out.trim_end_matches(';'))) }
    }

    /// Sorts what has no order.
    pub fn sorted(mut self) -> Route {
        for list in [&mut self.communities, &mut self.large, &mut self.extended, &mut self.unknown] {
            list.sort();
        }
        self
    }

    /// From an object of `trunkline bgp show routes -o json`.
    pub fn from_ours(value: &Value) -> Result<Route, Fail> {
        let attributes = value.get("attributes").ok_or("a route without attributes")?;
        let string = |value: &Value| value.as_str().map(str::to_owned);
        let number = |name: &str| attributes.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let list = |name: &str| -> Vec<String> {
            attributes.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(string).collect()
        };
        let next_hop = value.get("next_hop").unwrap_or(&Value::Null);
        let next_hop =
            next_hop.get("ipv4").and_then(string).or_else(|| next_hop.get("ipv6")?.get("address").and_then(string));
        let segments = attributes.get("as_path").and_then(Value::as_array);
        let unknown = attributes.get("unknown").and_then(Value::as_array).into_iter().flatten().map(|raw| {
            let text = |name: &str| {
                raw.get(name).map(|value| value.to_string().trim_matches('"').to_owned()).unwrap_or_default()
            };
            format!("{}:{}:{}", text("type"), text("flags"), text("value"))
        });
        Ok(Route {
            prefix: value.get("prefix").and_then(string).ok_or("a route without prefix")?,
            path_id: value
                .get("path_id")
                .and_then(Value::as_u64)
                .and_then(|id| u32::try_from(id).ok())
                .filter(|id| *id != 0),
            path: segments.into_iter().flatten().map(segment).collect::<Vec<_>>().join(" "),
            origin: attributes.get("origin").and_then(string).unwrap_or_default().to_lowercase(),
            next_hop: next_hop.unwrap_or_default(),
            med: number("multi_exit_disc"),
            local_pref: number("local_pref"),
            communities: list("communities"),
            large: list("large_community"),
            extended: list("extended_communities").iter().map(|hex| extended(hex)).collect(),
            originator: attributes.get("originator_id").and_then(string),
            clusters: list("cluster_list"),
            otc: number("only_to_customer"),
            unknown: unknown.collect(),
        }
        .sorted())
    }
}

fn segment(segment: &Value) -> String {
    let numbers = segment.get("asns").and_then(Value::as_array).into_iter().flatten();
    let numbers = numbers.map(Value::to_string).collect::<Vec<_>>().join(" ");
    match segment.get("type").and_then(Value::as_str) {
        Some("AS_SET") => format!("{{{numbers}}}"),
        Some("AS_CONFED_SEQUENCE") => format!("({numbers})"),
        Some("AS_CONFED_SET") => format!("[{numbers}]"),
        _ => numbers,
    }
}

/// 16 hex digits to words where there are any: a route target of an AS number of two octets.
pub fn extended(hex: &str) -> String {
    match (hex.get(..4), hex.get(4..8), hex.get(8..16)) {
        (Some("0002"), Some(asn), Some(value)) => {
            let number = |digits| u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
            format!("rt:{}:{}", number(asn), number(value))
        }
        _ => hex.to_owned(),
    }
}

/// Every route of `expected` is among `seen`, with the same attributes.
pub fn ensure_all(expected: &[Route], seen: &[Route], unseen: Unseen) -> Result<(), Fail> {
    for route in expected {
        let found = seen.iter().filter(|other| {
            other.prefix == route.prefix && (route.path_id.is_none() || other.path_id == route.path_id)
        });
        let mut found = found.peekable();
        let Some(other) = found.peek() else { return Err(format!("{} is not there", route.prefix)) };
        if let Some(difference) = other.difference(route, unseen) {
            return Err(difference);
        }
    }
    Ok(())
}
