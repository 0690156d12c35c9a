//! `reservations`: bandwidth to be set aside.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use net::DatapathId;

use super::isolate::{port_of, switch_of};
use super::schema::DISJOINT;
use super::types::SwitchConfig;
use super::walk::{Field, Fields, Walk, shorten};
use crate::path::Weights;
use crate::path::route::{
    Constraints, Disjoint, MAX_INCLUDE, MAX_RESERVATIONS, NamedRequest, Part, Request, parse_kbps, parse_latency,
};

/// What entries may name.
struct Known<'c> {
    switches: &'c BTreeMap<String, SwitchConfig>,
    weights: &'c Weights,
}

/// The whole list, in the order of the file.
pub(super) fn reservations(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    weights: &Weights,
) -> Option<Arc<[NamedRequest]>> {
    let known = Known { switches, weights };
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut all = Vec::new();
    for item in walk.items(field)? {
        let Some(section) = walk.section(&item) else { continue };
        let Some(named) = reservation(walk, &section, &known) else { continue };
        match lines.get(&named.name) {
            Some(first) => {
                let message = format!("the reservation of line {first} has the same");
                walk.refuse(item.node.mark, &section.path_of("name"), message);
            }
            None => drop(lines.insert(named.name.clone(), item.node.mark.line)),
        }
        all.push(named);
    }
    if all.len() > MAX_RESERVATIONS {
        let message = format!("{} reservations: {MAX_RESERVATIONS} at most are admitted", all.len());
        walk.refuse(field.node.mark, &field.path, message);
    }
    Some(all.into())
}

fn reservation(walk: &mut Walk<'_>, section: &Fields<'_>, known: &Known<'_>) -> Option<NamedRequest> {
    let name = walk.read(section, "name", Walk::name);
    let from = walk.read(section, "from", |walk, field| switch(walk, field, known));
    let to = walk.read(section, "to", |walk, field| switch(walk, field, known));
    if let (Some(field), true) = (section.get("to"), from.is_some() && from == to) {
        walk.refuse(field.node.mark, &field.path, "both ends are the same switch");
    }
    let bandwidth_kbps = walk.read(section, "bandwidth", bit_rate);
    let mut constraints = Constraints {
        max_latency: walk.read(section, "max_latency", |walk, field| {
            let form = "a latency like 35us, 0.8ms or 5ms";
            let wrong = |text: &str| format!("`{}` is not {form}", shorten(text));
            walk.parsed(field, form, |text| parse_latency(text).ok_or_else(|| wrong(text)))
        }),
        ..Constraints::default()
    };
    let avoid = walk.read(section, "avoid", |walk, field| walk.list(field, |walk, item| part(walk, item, known, true)));
    for avoided in avoid.unwrap_or_default() {
        match avoided {
            Part::Switch(id) => drop(constraints.avoid_switches.insert(id)),
            Part::Link(port) => drop(constraints.avoid_links.insert(port)),
            Part::Risk(risk) => drop(constraints.avoid_risks.insert(risk)),
        }
    }
    let disjoint = walk.read(section, "disjoint", Walk::word).and_then(|word| match DISJOINT.get(word) {
        Some(&"node") => Some(Disjoint::Switches),
        Some(&"link") => Some(Disjoint::Links),
        Some(&"srlg") => Some(Disjoint::Risks),
        _ => None,
    });
    let include =
        walk.read(section, "include", |walk, field| walk.list(field, |walk, item| part(walk, item, known, false)));
    constraints.include = include.unwrap_or_default();
    if let Some(field) = section.get("include") {
        if disjoint.is_some() && !constraints.include.is_empty() {
            walk.refuse(field.node.mark, &field.path, "`include` and `disjoint` do not go together");
        }
        if constraints.include.len() > MAX_INCLUDE {
            let message = format!("{} parts to pass: {MAX_INCLUDE} at most", constraints.include.len());
            walk.refuse(field.node.mark, &field.path, message);
        }
    }
    let request = Request { from: from?, to: to?, bandwidth_kbps: bandwidth_kbps?, constraints, disjoint };
    Some(NamedRequest { name: name?, request })
}

fn switch(walk: &mut Walk<'_>, field: &Field<'_>, known: &Known<'_>) -> Option<DatapathId> {
    walk.parsed(field, "the name of a switch", |text| switch_of(text, known.switches).map(|of| of.datapath_id))
}

fn bit_rate(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<u64> {
    let form = "a bit rate like 10G, 2.5G or 100M";
    walk.parsed(field, form, |text| match parse_kbps(text) {
        Some(0) => Err("nothing is set aside by 0 bit/s".to_owned()),
        Some(kbps) => Ok(kbps),
        None => Err(format!("`{}` is not {form}", shorten(text))),
    })
}

/// A switch, a link by one of its ports, or, where they may stand, a risk group.
fn part(walk: &mut Walk<'_>, field: &Field<'_>, known: &Known<'_>, risks: bool) -> Option<Part> {
    let form = if risks { "a switch, SWITCH/PORT or srlg:RISK" } else { "a switch or SWITCH/PORT" };
    walk.parsed(field, form, |text| match (text.strip_prefix("srlg:"), text.contains('/')) {
        (Some(risk), _) if risks => match known.weights.risk(risk) {
            Some(number) => Ok(Part::Risk(number)),
            None => Err(format!("`{}` is neither a risk group that a link of `links` has nor a number", shorten(risk))),
        },
        (Some(_), _) => Err(format!("`{}` is not {form}", shorten(text))),
        (None, true) => port_of(text, known.switches).map(Part::Link),
        (None, false) => switch_of(text, known.switches).map(|of| Part::Switch(of.datapath_id)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{PortId, PortNo};

    use super::super::Config;
    use super::*;

    const BEFORE: &str = "switches:\n  s1: { datapath_id: \"0x1\", ports: { 3: { name: uplink } } }\n  s2: { datapath_id: \"0x2\" }\nlinks: [{ between: s1/uplink - s2/1, srlg: [duct] }]\n";

    fn parse(text: &str) -> Result<Arc<[NamedRequest]>, String> {
        let text = format!("{BEFORE}{text}");
        Config::parse(&text).map(|parsed| parsed.reservations).map_err(|problems| problems.to_string())
    }

    #[test]
    fn reservations_stand_in_the_order_of_the_file_with_all_that_they_ask_for() {
        let all = parse(
            "reservations:\n- { name: voice, from: s1, to: s2, bandwidth: 100M, max_latency: 5ms, avoid: [\"srlg:duct\", s1/2], include: [s2/1] }\n- { name: backup, from: s2, to: s1, bandwidth: 2.5G, disjoint: srlg }\n",
        )
        .unwrap();
        let [voice, backup] = &all[..] else { panic!("{all:?}") };
        let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
        assert_eq!(
            (voice.name.as_str(), voice.request.from, voice.request.to),
            ("voice", DatapathId(1), DatapathId(2))
        );
        assert_eq!((voice.request.bandwidth_kbps, voice.request.disjoint), (100_000, None));
        let asked = &voice.request.constraints;
        assert_eq!(asked.max_latency, Some(Duration::from_millis(5)));
        assert_eq!((asked.avoid_risks.len(), asked.avoid_links.contains(&port(1, 2))), (1, true));
        assert_eq!(asked.include, [Part::Link(port(2, 1))]);
        assert_eq!((backup.request.bandwidth_kbps, backup.request.disjoint), (2_500_000, Some(Disjoint::Risks)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line_its_key_and_why() {
        let one = |more: &str| format!("reservations: [{{ name: a, from: s1, to: s2, bandwidth: 1G, {more} }}]\n");
        for (text, said) in [
            ("reservations: [{ name: a, from: s1, to: s2 }]\n".to_owned(), "reservations[0].bandwidth: missing"),
            (
                "reservations: [{ name: a, from: s1, to: s1, bandwidth: 1G }]\n".to_owned(),
                "5:41: reservations[0].to: both ends are the same switch",
            ),
            ("reservations: [{ name: a, from: s9, to: s1, bandwidth: 1G }]\n".to_owned(), "there is no switch of this name"),
            ("reservations: [{ name: a, from: s1, to: s2, bandwidth: 0M }]\n".to_owned(), "nothing is set aside"),
            (
                "reservations:\n- { name: a, from: s1, to: s2, bandwidth: 1G }\n- { name: a, from: s2, to: s1, bandwidth: 1G }\n"
                    .to_owned(),
                "7:3: reservations[1].name: the reservation of line 6 has the same",
            ),
            (one("max_latency: 5"), "`5` is not a latency"),
            (one("avoid: [\"srlg:pipe\"]"), "`pipe` is neither a risk group"),
            (one("include: [\"srlg:duct\"]"), "is not a switch or SWITCH/PORT"),
            (one("include: [s2/1], disjoint: link"), "`include` and `disjoint` do not go together"),
            (one("disjoint: nodes"), "did you mean `node`?"),
            (one("avoid: [s1/uplnk]"), "did you mean `uplink`?"),
        ] {
            let wrong = parse(&text).unwrap_err();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
        let many: String =
            (0..=MAX_RESERVATIONS).map(|n| format!("- {{ name: r{n}, from: s1, to: s2, bandwidth: 1M }}\n")).collect();
        let wrong = parse(&format!("reservations:\n{many}")).unwrap_err();
        assert!(wrong.contains("1025 reservations: 1024 at most are admitted"), "{wrong}");
    }
}
