//! `links` and `paths`: what is known of links, and what makes a way short.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use net::PortId;

use super::schema::METRICS;
use super::types::{SwitchConfig, VlanConfig};
use super::walk::{Field, Fields, Walk, shorten};
use super::wiring::{EXPECTED_LINKS_MAX, ends_of};
use super::words;
use crate::app::static_rules::OperatorRules;
use crate::path::bypass::TAGS;
use crate::path::route::{parse_kbps, parse_latency};
use crate::path::{LinkAttributes, MAX_COST, Metric, Weights};

/// Risk groups of one link: a frame meets that many conduits and amplifiers and no more.
const RISKS_MAX: usize = 64;
/// What `paths.reference_bandwidth` is unless it is stated.
const REFERENCE_KBPS: u64 = 100_000_000;

/// What the whole file says of it. Ways round links take VLANs away from hosts: unless the file says otherwise, none that it names.
pub(super) fn weights(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
    flows: &OperatorRules,
) -> Weights {
    let mut weights = Weights::default();
    let mut bypasses = None;
    if let Some(section) = walk.read(fields, "paths", Walk::section) {
        weights.metric = metric(walk, &section);
        weights.measured_latency = walk.read(&section, "measured_latency", Walk::boolean).unwrap_or(false);
        bypasses = walk.read(&section, "bypasses", Walk::boolean);
        if let Some(field) =
            section.get("measured_latency").filter(|_| weights.measured_latency && weights.metric != Metric::Latency)
        {
            walk.warn(field.node.mark, &field.path, "nothing comes of it without `metric: latency`");
        }
    }
    let lines = flows.lines_with_vlans(&TAGS);
    weights.bypasses = bypasses.unwrap_or_else(|| labels_among(vlans).next().is_none() && lines.is_empty());
    if let (true, Some(line), Some(field)) = (weights.bypasses, lines.first(), fields.get("flows")) {
        let message = format!(
            "the rule of line {line} is for a VLAN whose tags label frames on their way round a dead link: frames with this tag are \
             dropped behind it; with `paths: {{ bypasses: false }}` they go through"
        );
        walk.warn(field.node.mark, &field.path, message);
    }
    let metric = weights.metric;
    if let Some(links) = walk.read(fields, "links", |walk, field| links(walk, field, switches, metric)) {
        number_risks(links, &mut weights);
    }
    let drained = switches.values().filter(|switch| switch.drain);
    weights.drained = drained.map(|switch| switch.datapath_id).collect();
    weights
}

fn metric(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Metric {
    let word = walk.read(fields, "metric", Walk::word).and_then(|word| METRICS.get(word)).copied();
    let reference_kbps = walk.read(fields, "reference_bandwidth", bit_rate);
    if let (Some(_), Some(field)) = (reference_kbps, fields.get("reference_bandwidth"))
        && word != Some("bandwidth")
    {
        walk.warn(field.node.mark, &field.path, "nothing comes of it without `metric: bandwidth`");
    }
    match word {
        Some("cost") => Metric::Cost,
        Some("latency") => Metric::Latency,
        Some("utilisation") => Metric::Utilisation,
        Some("bandwidth") => Metric::Bandwidth { reference_kbps: reference_kbps.unwrap_or(REFERENCE_KBPS) },
        _ => Metric::Hops,
    }
}

/// VLANs whose tags can be labels.
fn labels_among(vlans: &BTreeMap<String, VlanConfig>) -> impl Iterator<Item = (&String, &VlanConfig)> {
    vlans.iter().filter(|(_, vlan)| TAGS.contains(&vlan.id.get()))
}

/// VLANs whose frames would be dropped, as their tags are labels.
pub(super) fn warn_of_labels(walk: &mut Walk<'_>, field: &Field<'_>, vlans: &BTreeMap<String, VlanConfig>) {
    for (name, vlan) in labels_among(vlans) {
        let message = format!(
            "VLAN {} is one of those that label frames on their way round a dead link: frames of hosts with this tag are dropped; \
             with `paths: {{ bypasses: false }}` they go through",
            vlan.id.get()
        );
        walk.warn(field.node.mark, &format!("{}.{name}", field.path), message);
    }
}

/// One entry of `links`.
struct Stated {
    ends: [PortId; 2],
    attributes: LinkAttributes,
    risks: Vec<Risk>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Risk {
    Number(u32),
    Name(String),
}

fn links(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    metric: Metric,
) -> Option<Vec<Stated>> {
    let mut told = false;
    let mut links = Vec::new();
    let mut lines: HashMap<PortId, usize> = HashMap::new();
    for item in walk.items(field)? {
        let Some(section) = walk.section(&item) else { continue };
        let line = item.node.mark.line;
        let between = walk.read(&section, "between", |walk, field| {
            walk.parsed(field, "a link such as s1/3 - s2/uplink", |text| ends_of(text, switches, &mut lines, line))
        });
        let risks = walk.read(&section, "srlg", |walk, field| walk.list(field, risk)).unwrap_or_default();
        if risks.len() > RISKS_MAX {
            let path = section.path_of("srlg");
            walk.refuse(item.node.mark, &path, format!("{} risk groups: a link has {RISKS_MAX} at most", risks.len()));
        }
        if let Some(cost) = section.get("cost").filter(|_| !told && metric == Metric::Hops) {
            told = true;
            let message =
                "nothing comes of a `cost` without `paths.metric: cost` or `utilisation`, here and in other entries";
            walk.warn(cost.node.mark, &cost.path, message);
        }
        let attributes = LinkAttributes {
            cost: walk.read(&section, "cost", Walk::integer),
            latency: walk.read(&section, "latency", |walk, field| {
                let form = "a latency like 35us, 0.8ms or 5ms";
                walk.parsed(field, form, |text| match parse_latency(text) {
                    Some(latency) if latency.as_micros() > u128::from(MAX_COST) => {
                        Err(format!("`{}` is above 1s", shorten(text)))
                    }
                    Some(latency) => Ok(latency),
                    None => Err(format!("`{}` is not {form}", shorten(text))),
                })
            }),
            bandwidth_kbps: walk.read(&section, "bandwidth", bit_rate),
            drained: walk.read(&section, "drain", Walk::boolean).unwrap_or(false),
            ..LinkAttributes::default()
        };
        links.extend(between.map(|ends| Stated { ends, attributes, risks }));
    }
    if links.len() > EXPECTED_LINKS_MAX {
        let message = format!("{} links: {EXPECTED_LINKS_MAX} at most may be stated", links.len());
        walk.refuse(field.node.mark, &field.path, message);
    }
    Some(links)
}

fn bit_rate(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<u64> {
    let form = "a bit rate like 10G, 2.5G or 100M";
    walk.parsed(field, form, |text| match parse_kbps(text) {
        Some(0) => Err("a link of 0 bit/s carries nothing: to keep traffic off it, say `drain: true`".to_owned()),
        Some(kbps) => Ok(kbps),
        None => Err(format!("`{}` is not {form}", shorten(text))),
    })
}

fn risk(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<Risk> {
    let form = "a name of letters, digits, - and _, or a number up to 4294967295";
    walk.parsed(field, form, |text| {
        if let Some(number) = words::number::<u32>(text) {
            return Ok(Risk::Number(number));
        }
        let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if is_name { Ok(Risk::Name(text.to_owned())) } else { Err(format!("`{}` is not {form}", shorten(text))) }
    })
}

/// Names have numbers from the highest downwards, in their order; those that stand in the file are left out.
fn number_risks(links: Vec<Stated>, weights: &mut Weights) {
    let all = || links.iter().flat_map(|link| &link.risks);
    let taken: BTreeSet<u32> =
        all().filter_map(|risk| if let Risk::Number(n) = risk { Some(*n) } else { None }).collect();
    let names: BTreeSet<&String> =
        all().filter_map(|risk| if let Risk::Name(name) = risk { Some(name) } else { None }).collect();
    let free = (0..=u32::MAX).rev().filter(|number| !taken.contains(number));
    let numbers: BTreeMap<String, u32> = names.into_iter().cloned().zip(free).collect();
    for Stated { ends, attributes, risks } in links {
        let risks: BTreeSet<u32> = risks
            .into_iter()
            .filter_map(|risk| match risk {
                Risk::Number(number) => Some(number),
                Risk::Name(name) => numbers.get(&name).copied(),
            })
            .collect();
        for [here, there] in [ends, [ends[1], ends[0]]] {
            weights.links.insert(here, LinkAttributes { to: Some(there), risks: risks.clone(), ..attributes.clone() });
        }
    }
    weights.risk_names = numbers.into_iter().map(|(name, number)| (number, name)).collect();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{DatapathId, PortNo};

    use super::super::Config;
    use super::*;

    const SWITCHES: &str = "switches:\n  s1: { datapath_id: \"0x1\", ports: { 3: { name: uplink } } }\n  s2: { datapath_id: \"0x2\", drain: true }\n";

    fn parse(text: &str) -> Result<Weights, String> {
        let text = format!("{SWITCHES}{text}");
        Config::parse(&text).map(|parsed| (*parsed.weights).clone()).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_is_said_of_a_link_counts_at_both_ends() {
        let weights = parse(
            "paths: { metric: bandwidth, reference_bandwidth: 40G }\nlinks:\n- { between: s1/uplink - s2/1, cost: 10, bandwidth: 2.5G, latency: 0.8ms, srlg: [conduit-7, 12, amp], drain: true }\n- { between: \"s2:2 - s1:2\", srlg: [amp, 4294967295] }\n",
        )
        .unwrap();
        let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
        assert_eq!(weights.metric, Metric::Bandwidth { reference_kbps: 40_000_000 });
        assert_eq!(weights.drained, BTreeSet::from([DatapathId(2)]));
        let link = &weights.links[&port(1, 3)];
        assert_eq!((link.to, link.cost, link.drained), (Some(port(2, 1)), Some(10), true));
        assert_eq!((link.bandwidth_kbps, link.latency), (Some(2_500_000), Some(Duration::from_micros(800))));
        let other = &weights.links[&port(2, 1)];
        assert_eq!((other.to, other.cost, &other.risks), (Some(port(1, 3)), Some(10), &link.risks));
        // Names by number, highest first; the number that stands in the file is nobody's.
        let (amp, conduit) = (u32::MAX - 1, u32::MAX - 2);
        assert_eq!(link.risks, BTreeSet::from([12, amp, conduit]));
        assert_eq!(weights.links[&port(1, 2)].risks, BTreeSet::from([amp, u32::MAX]));
        assert_eq!(weights.risk_names, BTreeMap::from([(amp, "amp".to_owned()), (conduit, "conduit-7".to_owned())]));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line_its_key_and_what_to_write() {
        for (text, said) in [
            ("links: [{ cost: 3 }]\n", "links[0].between: missing"),
            ("links: [{ between: s1/1 }]\n", "4:20: links[0].between: `s1/1`: not SWITCH/PORT - SWITCH/PORT"),
            ("links: [{ between: s1/1 - s9/1 }]\n", "`s9`: there is no switch of this name"),
            ("links: [{ between: s1/uplnk - s2/1 }]\n", "did you mean `uplink`?"),
            (
                "links:\n- { between: s1/1 - s2/1 }\n- { between: s2/1 - s1/2 }\n",
                "6:14: links[1].between: `s2/1` stands in the link of line 5 too",
            ),
            ("links: [{ between: s1/1 - s2/1, cost: 0 }]\n", "links[0].cost: 0 is outside 1 to 1048576"),
            ("links: [{ between: s1/1 - s2/1, bandwidth: fast }]\n", "`fast` is not a bit rate like 10G, 2.5G or 100M"),
            ("links: [{ between: s1/1 - s2/1, bandwidth: 0G }]\n", "say `drain: true`"),
            ("links: [{ between: s1/1 - s2/1, latency: 5 }]\n", "`5` is not a latency like 35us, 0.8ms or 5ms"),
            ("links: [{ between: s1/1 - s2/1, latency: 2s }]\n", "`2s` is above 1s"),
            ("links: [{ between: s1/1 - s2/1, srlg: [a b] }]\n", "links[0].srlg[0]: `a b` is not a name"),
            ("links: [{ between: s1/1 - s2/1, srlg: [7, 7] }]\n", "stands twice, first as links[0].srlg[0]"),
            ("links: [{ between: s1/1 - s2/1, drains: true }]\n", "did you mean `drain`?"),
            ("paths: { metric: hop }\n", "did you mean `hops`?"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
    }

    #[test]
    fn a_vlan_whose_tag_is_a_label_is_told_unless_there_are_no_labels() {
        let told = |paths: &str| {
            let text = format!("{paths}vlans: {{ office: 10, voice: 3840 }}\n");
            super::super::check(&text, None).unwrap().warnings.to_string()
        };
        let warning = told("paths: { bypasses: true }\n");
        assert!(warning.contains("vlans.voice: VLAN 3840") && !warning.contains("office"), "{warning}");
        assert_eq!(told(""), "");
        let bypasses = |text: &str| super::super::check(text, None).unwrap().config.weights.bypasses;
        assert!(bypasses("") && bypasses("vlans: { office: 3839 }\n") && !bypasses("vlans: { voice: 3840 }\n"));
        assert!(!bypasses("paths: { bypasses: false }\n"));
        for (rule, is_label) in [
            ("priority=5,dl_vlan=3839,actions=drop", false),
            ("priority=5,dl_vlan=4000,actions=goto_table:1", true),
            ("priority=5,in_port=3,actions=push_vlan:0x8100,set_field:8091->vlan_vid,output:4", true),
            ("priority=5,in_port=3,actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:4", false),
        ] {
            let flows = format!("flows: {{ all: [\"{rule}\"] }}\n");
            assert_eq!(bypasses(&flows), !is_label, "{rule}");
            let text = format!("paths: {{ bypasses: true }}\n{flows}");
            let warnings = super::super::check(&text, None).unwrap().warnings.to_string();
            assert_eq!(warnings.contains("the rule of line 2 is for a VLAN"), is_label, "{rule}: {warnings}");
        }
    }

    #[test]
    fn a_cost_that_does_not_count_is_told_once() {
        let links = "links:\n- { between: s1/3 - s2/1, cost: 10 }\n- { between: s1/4 - s2/4, cost: 2 }\n";
        for (paths, expected) in [
            ("", 1),
            ("paths: { metric: hops }\n", 1),
            ("paths: { metric: cost }\n", 0),
            ("paths: { metric: utilisation }\n", 0),
        ] {
            let warnings =
                super::super::check(&format!("{SWITCHES}{paths}{links}"), None).unwrap().warnings.to_string();
            assert_eq!(warnings.matches("nothing comes of a `cost`").count(), expected, "{warnings}");
        }
    }
}
