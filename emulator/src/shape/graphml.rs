//! Networks out of GraphML files, as the Internet Topology Zoo has them, and any shape as a Graphviz drawing.
//!
//! Nodes become switches, edges links, keys are found by their `attr.name`: `label` is a name, `Latitude` and `Longitude` degrees. In a directed
//! graph an edge and one back are the two directions of one link. Ports, hyperedges and graphs within nodes are no part of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use net::DatapathId;
use roxmltree::{Document, Node, ParsingOptions};

use super::Shape;

/// XML nodes of a file: a tree of them takes about 100 octets each. The largest file of the Topology Zoo has 40,000.
const MAX_XML_NODES: u32 = 4_000_000;
/// Switches of a network, as many as paths are computed between.
const MAX_SWITCHES: usize = 65_535;
/// How far light comes in glass in a second, in kilometres.
const LIGHT_IN_GLASS: f64 = 200_000.0;
const EARTH_RADIUS: f64 = 6_371.0;

/// A network from a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Imported {
    /// Datapath ids 1, 2, 3 … in the order of the file; names are labels where those tell switches apart, else with the node's id behind.
    pub shape: Shape,
    /// By link of the shape: how long light takes from end to end in a straight line of glass, where both ends' places are known.
    pub latencies: Vec<Option<Duration>>,
    /// Edges from a node to itself, which are left out.
    pub loops: usize,
}

/// Read a GraphML document. Document type definitions, and with them entities, are refused.
///
/// # Errors
/// What is wrong, with line and column.
pub fn graphml(text: &str) -> Result<Imported, String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_XML_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| format!("not XML: {error}"))?;
    let at = |node: Node<'_, '_>| document.text_pos_at(node.range().start);
    let root = document.root_element();
    if root.tag_name().name() != "graphml" {
        return Err(format!("{}: <{}> where <graphml> belongs", at(root), root.tag_name().name()));
    }
    let keys: BTreeMap<(&str, &str), &str> = children(root, "key")
        .filter_map(|key| {
            Some(((key.attribute("for").unwrap_or("all"), key.attribute("id")?), key.attribute("attr.name")?))
        })
        .collect();
    let graph = children(root, "graph").next().ok_or_else(|| format!("{}: no <graph>", at(root)))?;
    let value = |node: Node<'_, '_>, name: &str| {
        children(node, "data").find_map(|data| {
            let id = data.attribute("key")?;
            let known = keys.get(&("node", id)).or_else(|| keys.get(&("all", id)))?;
            (*known == name).then(|| data.text().unwrap_or_default().trim().to_owned())
        })
    };
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut labels, mut places) = (Vec::new(), Vec::new());
    for node in children(graph, "node") {
        let id = node.attribute("id").ok_or_else(|| format!("{}: a <node> without id", at(node)))?;
        if numbers.len() >= MAX_SWITCHES {
            return Err(format!("{}: more than {MAX_SWITCHES} nodes", at(node)));
        }
        if numbers.insert(id, labels.len()).is_some() {
            return Err(format!("{}: a second node `{id}`", at(node)));
        }
        let degrees = |name| value(node, name)?.parse::<f64>().ok().filter(|degrees| degrees.abs() <= 360.0);
        labels.push((id, value(node, "label").filter(|label| !label.is_empty())));
        places.push(degrees("Latitude").zip(degrees("Longitude")));
    }
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    labels.iter().flat_map(|(_, label)| label).for_each(|label| *named.entry(label).or_default() += 1);
    let mut imported = Imported::default();
    for (number, (id, label)) in (1..).zip(&labels) {
        let name = match label {
            Some(label) if named.get(label.as_str()) == Some(&1) => label.clone(),
            Some(label) => format!("{label}-{id}"),
            None => (*id).to_owned(),
        };
        imported.shape.add_switch(DatapathId(number), name);
    }
    let directed = graph.attribute("edgedefault") == Some("directed");
    // Edges of a directed graph that wait for one back.
    let mut half: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for edge in children(graph, "edge") {
        let end = |name: &str| {
            let id = edge.attribute(name).ok_or_else(|| format!("{}: an <edge> without {name}", at(edge)))?;
            numbers.get(id).copied().ok_or_else(|| format!("{}: {name}: there is no node `{id}`", at(edge)))
        };
        let (a, b) = (end("source")?, end("target")?);
        if a == b {
            imported.loops += 1;
            continue;
        }
        if edge.attribute("directed").map_or(directed, |word| word == "true") {
            match half.get_mut(&(b, a)).filter(|waiting| **waiting > 0) {
                Some(waiting) => {
                    *waiting -= 1;
                    continue;
                }
                None => *half.entry((a, b)).or_default() += 1,
            }
        }
        imported.shape.add_link(DatapathId(a as u64 + 1), DatapathId(b as u64 + 1));
        let ends = places.get(a).copied().flatten().zip(places.get(b).copied().flatten());
        imported.latencies.push(ends.map(|(a, b)| Duration::from_secs_f64(kilometres(a, b) / LIGHT_IN_GLASS)));
    }
    Ok(imported)
}

fn children<'n>(node: Node<'n, 'n>, name: &'static str) -> impl Iterator<Item = Node<'n, 'n>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// Along a great circle, by the haversine formula; places are latitude and longitude in degrees.
fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let cosines = a.0.to_radians().cos() * b.0.to_radians().cos();
    let haversine = half_sine(b.0 - a.0) + cosines * half_sine(b.1 - a.1);
    2.0 * EARTH_RADIUS * haversine.clamp(0.0, 1.0).sqrt().asin()
}

/// A drawing in Graphviz's language: `dot -Tsvg` and `neato` read it. Ports stand at the ends of links.
pub fn graphviz(shape: &Shape) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    let mut text = "graph network {\n  node [shape=box];\n".to_owned();
    for (id, name) in &shape.switches {
        let _ = writeln!(text, "  \"{id}\" [label=\"{}\"];", quoted(name));
    }
    for (a, b) in &shape.links {
        let (from, to) = (a.datapath_id, b.datapath_id);
        let _ = writeln!(text, "  \"{from}\" -- \"{to}\" [taillabel=\"{}\", headlabel=\"{}\"];", a.port_no, b.port_no);
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of the Internet Topology Zoo's files (topology-zoo.org), written by hand.
    const FILE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d29" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d32" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d33e" />
  <graph edgedefault="undirected">
    <data key="d0">1.0</data>
    <node id="0"><data key="d33">Berlin</data><data key="d29">52.52</data><data key="d32">13.405</data></node>
    <node id="1"><data key="d33">"M&#252;nchen"</data><data key="d29">48.137</data><data key="d32">11.575</data></node>
    <node id="2"><data key="d33">Berlin</data></node>
    <node id="3" />
    <edge source="0" target="1"><data key="d33e">10 Gbit/s</data></edge>
    <edge source="0" target="1" />
    <edge source="1" target="2" />
    <edge source="3" target="3" />
  </graph>
</graphml>"#;

    #[test]
    fn a_file_of_the_topology_zoo_becomes_switches_and_links() {
        let imported = graphml(FILE).unwrap();
        let names: Vec<&str> = imported.shape.switches.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["Berlin-0", "\"München\"", "Berlin-2", "3"]);
        assert_eq!((imported.shape.links.len(), imported.loops), (3, 1));
        let milliseconds = |latency: &Option<Duration>| latency.map(|latency| latency.as_secs_f64() * 1e3);
        let first = milliseconds(&imported.latencies[0]).unwrap();
        assert!((2.4..2.7).contains(&first), "504 km of glass: {first} ms");
        assert_eq!(imported.latencies[2], None);
        let drawing = graphviz(&imported.shape);
        assert!(drawing.contains(r#""0000000000000002" [label="\"München\""];"#), "{drawing}");
        assert_eq!(drawing.matches(" -- ").count(), 3);
    }

    #[test]
    fn two_directed_edges_are_one_link() {
        let file = FILE
            .replace("undirected", "directed")
            .replace(r#"<edge source="0" target="1" />"#, r#"<edge source="1" target="0" />"#);
        assert_eq!(graphml(&file).unwrap().shape.links.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |from: &str, to: &str| graphml(&FILE.replace(from, to)).unwrap_err();
        assert_eq!(wrong(r#"target="2""#, r#"target="9""#), "15:5: target: there is no node `9`");
        assert_eq!(wrong(r#"id="3""#, r#"id="0""#), "12:5: a second node `0`");
        assert!(wrong("</graphml>", "").starts_with("not XML"));
        assert!(wrong("<graphml ", "<!DOCTYPE g [<!ENTITY a \"b\">]><graphml ").starts_with("not XML"));
        assert!(graphml("<svg/>").unwrap_err().contains("where <graphml> belongs"));
        assert!(graphml("").is_err() && graphml("<graphml/>").is_err());
    }
}
