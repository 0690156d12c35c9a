//! The same graphs in networkx, an independent implementation. `TRUNKLINE_PYTHON` names the Python that has it; otherwise `python3` is
//! asked, and then Debian's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Graphs that are compared.
const GRAPHS: u64 = 300;

/// Distance, costs of the five cheapest ways, costs of the cheapest pair without a common link and of that without a common switch (-1: there
/// is none), a line for each graph. networkx has no minimum-cost pair of its own: its network simplex finds two units of flow.
const SCRIPT: &str = r#"
import sys, itertools
import networkx as nx
INFINITE = 10**9
def pair(G, split):
    F = nx.DiGraph()
    for n in G:
        F.add_edge(("in", n), ("out", n), capacity=2 if n in (1, 2) or not split else 1, weight=0)
    for a, b, d in G.edges(data=True):
        for x, y in ((a, b), (b, a)):
            F.add_edge(("out", x), ("in", y), capacity=1, weight=d["weight"])
    F.nodes[("out", 1)]["demand"], F.nodes[("in", 2)]["demand"] = -2, 2
    try:
        return nx.network_simplex(F)[0]
    except nx.NetworkXUnfeasible:
        return -1
for line in sys.stdin:
    n, *rest = map(int, line.split())
    G = nx.Graph()
    G.add_nodes_from(range(1, n + 1))
    for a, b, c in zip(*[iter(rest)] * 3):
        G.add_edge(a, b, weight=c)
    if not nx.has_path(G, 1, 2):
        print("none")
        continue
    d = nx.dijkstra_path_length(G, 1, 2)
    k = [int(nx.path_weight(G, p, "weight")) for p in itertools.islice(nx.shortest_simple_paths(G, 1, 2, "weight"), 5)]
    print(d, ",".join(map(str, k)), pair(G, False), pair(G, True))
"#;

#[test]
fn distances_k_shortest_and_disjoint_pairs_are_those_of_networkx() {
    let named = std::env::var("TRUNKLINE_PYTHON").ok();
    let must_be_there = named.is_some();
    let pythons = named.map_or_else(|| vec!["python3".to_owned(), "/usr/bin/python3".to_owned()], |named| vec![named]);
    let has_it = |python: &&String| {
        let there = Command::new(python).args(["-c", "import networkx"]).stderr(Stdio::null()).status();
        there.is_ok_and(|status| status.success())
    };
    let Some(python) = pythons.iter().find(has_it) else {
        assert!(!must_be_there, "no networkx in {pythons:?}, which TRUNKLINE_PYTHON names");
        println!(
            "skipped: no networkx in {pythons:?} (TRUNKLINE_PYTHON names a Python that has it): nothing was compared"
        );
        return;
    };
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        // Knuth's MMIX generator.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut asked, mut mine) = (String::new(), Vec::new());
    for _ in 0..GRAPHS {
        let switches = 4 + random(12);
        let mut links: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        for _ in 0..switches + random(2 * switches) {
            let (a, b) = (1 + random(switches), 1 + random(switches));
            if a != b {
                links.insert((a.min(b), a.max(b)), 1 + random(9) as u32);
            }
        }
        asked.push_str(&switches.to_string());
        links.iter().for_each(|((a, b), cost)| asked.push_str(&format!(" {a} {b} {cost}")));
        asked.push('\n');
        let specs: Vec<Spec> = links.iter().map(|(&(a, b), &cost)| (a, b, cost, 0, 0, 0)).collect();
        mine.push(answers(&database(switches, &specs, 0)));
    }
    let program = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut program = program.expect("it ran a moment ago");
    let mut input = program.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()));
    let output = program.wait_with_output().expect("it ends when its input does");
    writer.join().expect("no panic").expect("it reads its input");
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).expect("ASCII");
    assert_eq!(theirs.lines().count() as u64, GRAPHS);
    for (number, (theirs, mine)) in theirs.lines().zip(&mine).enumerate() {
        assert_eq!(theirs, mine, "graph {number}");
    }
    assert!(mine.iter().filter(|line| line.as_str() != "none").count() > 100, "graphs with ways");
}

fn answers(database: &TrafficDatabase) -> String {
    let none = Constraints::default();
    let Ok(route) = database.route(FROM, TO, &none) else { return "none".to_owned() };
    let routes = database.k_shortest(FROM, TO, 5, &none).expect("there is one");
    let costs: Vec<String> = routes.iter().map(|route| route.cost.to_string()).collect();
    let pair = |kind| match database.disjoint(FROM, TO, kind, &none) {
        Ok(pair) => (pair.routes[0].cost + pair.routes[1].cost).to_string(),
        Err(_) => "-1".to_owned(),
    };
    format!("{} {} {} {}", route.cost, costs.join(","), pair(Disjoint::Links), pair(Disjoint::Switches))
}
