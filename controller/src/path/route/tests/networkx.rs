//! The same graphs in networkx, an independent implementation. `TRUNKLINE_PYTHON` names the Python that has it; otherwise `python3` is
//! asked, and then Debian's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use super::super::super::Paths;
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

/// What a script says of these lines, a line for each; nothing, said loudly, where no Python has networkx.
fn ask(script: &str, lines: String) -> Option<Vec<String>> {
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
        return None;
    };
    let program = Command::new(python).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut program = program.expect("it ran a moment ago");
    let mut input = program.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = program.wait_with_output().expect("it ends when its input does");
    writer.join().expect("no panic").expect("it reads its input");
    assert!(output.status.success());
    let theirs = String::from_utf8(output.stdout).expect("ASCII");
    Some(theirs.lines().map(str::to_owned).collect())
}

/// Knuth's MMIX generator.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

fn compare(script: &str, lines: String, mine: &[String]) {
    let Some(theirs) = ask(script, lines) else { return };
    assert_eq!(theirs.len(), mine.len());
    for (number, (theirs, mine)) in theirs.iter().zip(mine).enumerate() {
        assert_eq!(theirs, mine, "graph {number}");
    }
}

#[test]
fn distances_k_shortest_and_disjoint_pairs_are_those_of_networkx() {
    let mut random = numbers(1);
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
    compare(SCRIPT, asked, &mine);
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

/// The cost of a flood tree of all links, of one without every third of them, and of all again; the least costs of a way that is wide enough, that is fast
/// enough, that avoids a switch and passes another, and of two without a common risk, out of a list of all ways; and, for each pair of switches with one next hop, the best link to another
/// switch that is nearer (RFC 5286 §3.5). What there is not is `-`.
const MORE: &str = r#"
import sys, itertools
import networkx as nx
def tree(G):
    return int(nx.minimum_spanning_tree(G).size("weight"))
def least(costs):
    return str(min(costs, default="-"))
for line in sys.stdin:
    n, kbps, ms, avoid, include, *rest = map(int, line.split())
    G = nx.Graph()
    G.add_nodes_from(range(1, n + 1))
    every = [tuple(rest[i:i + 6]) for i in range(0, len(rest), 6)]
    for number, (a, b, cost, milliseconds, wide, risk) in enumerate(every, 1):
        G.add_edge(a, b, weight=cost, ms=milliseconds, kbps=wide, risk=risk, number=number)
    fewer = G.copy()
    fewer.remove_edges_from([(a, b) for a, b, d in G.edges(data=True) if d["number"] % 3 == 0])
    out = [str(tree(G)), str(tree(fewer)), str(tree(G))]
    ways = [w for w in nx.all_simple_paths(G, 1, 2)]
    links = {tuple(w): [G.edges[e] for e in zip(w, w[1:])] for w in ways}
    cost = lambda w: sum(d["weight"] for d in links[tuple(w)])
    def fits(w):
        return sum(d["ms"] for d in links[tuple(w)]) <= ms
    out.append(least(cost(w) for w in ways if min(d["kbps"] for d in links[tuple(w)]) >= kbps))
    out.append(least(cost(w) for w in ways if fits(w)))
    out.append(least(cost(w) for w in ways if avoid not in w and include in w))
    def apart(v, w):
        mine, theirs = links[tuple(v)], links[tuple(w)]
        risks = {d["risk"] for d in mine} & {d["risk"] for d in theirs} - {0}
        return not risks and not {d["number"] for d in mine} & {d["number"] for d in theirs}
    out.append(least(cost(v) + cost(w) for v, w in itertools.combinations(ways, 2) if apart(v, w)))
    distance = dict(nx.all_pairs_dijkstra_path_length(G))
    for at, to in itertools.permutations(range(1, n + 1), 2):
        if to not in distance[at]:
            continue
        over = {m: G.edges[at, m]["weight"] + distance[m][to] for m in G[at]}
        first = [m for m in over if over[m] == distance[at][to]]
        nearer = [(over[m], G.edges[at, m]["number"]) for m in over if m not in first and distance[m][to] < distance[at][to]]
        if len(first) == 1 and nearer:
            out.append(f"{at}-{to}:{min(nearer)[1]}")
    print(*out)
"#;

#[test]
fn flood_trees_constrained_routes_risks_and_alternates_are_those_of_networkx() {
    let mut random = numbers(2);
    let (mut asked, mut mine) = (String::new(), Vec::new());
    for _ in 0..GRAPHS {
        let switches = 4 + random(4);
        let mut links: BTreeMap<(u64, u64), Spec> = BTreeMap::new();
        for _ in 0..switches + random(switches) {
            let (a, b) = (1 + random(switches), 1 + random(switches));
            let (a, b) = (a.min(b), a.max(b));
            if a != b {
                links.insert((a, b), (a, b, 1 + random(9) as u32, 1 + random(5), 1 + random(9), random(5) as u32));
            }
        }
        let specs: Vec<Spec> = links.into_values().collect();
        let (kbps, ms, avoid, include) = (1 + random(9), 1 + random(12), 3 + random(2), 3 + random(2));
        asked.push_str(&format!("{switches} {kbps} {ms} {avoid} {include}"));
        for (a, b, cost, ms, kbps, risk) in &specs {
            asked.push_str(&format!(" {a} {b} {cost} {ms} {kbps} {risk}"));
        }
        asked.push('\n');
        let mut line = flood_costs(switches, &specs);
        let database = database(switches, &specs, 0);
        let text = |cost: Option<u64>| cost.map_or_else(|| "-".to_owned(), |cost| cost.to_string());
        let none = Constraints::default;
        for constraints in [
            Constraints { min_bandwidth_kbps: Some(kbps), ..none() },
            Constraints { max_latency: Some(Duration::from_millis(ms)), ..none() },
            Constraints {
                avoid_switches: BTreeSet::from([DatapathId(avoid)]),
                include: vec![Part::Switch(DatapathId(include))],
                ..none()
            },
        ] {
            line.push(text(database.route(FROM, TO, &constraints).ok().map(|route| route.cost)));
        }
        let pair = database.disjoint(FROM, TO, Disjoint::Risks, &none());
        line.push(text(pair.ok().map(|pair| pair.routes[0].cost + pair.routes[1].cost)));
        line.extend(alternates(switches, &specs));
        mine.push(line.join(" "));
    }
    compare(MORE, asked, &mine);
    assert!(mine.iter().filter(|line| line.contains(':')).count() > 100, "graphs with alternates");
}

fn shape(switches: u64, specs: &[Spec]) -> Paths {
    let mut paths = Paths::new();
    (1..=switches).for_each(|id| paths.add_switch(DatapathId(id)));
    for (n, spec) in (1..).zip(specs) {
        paths.set_link(port(spec.0, n), port(spec.1, n), [spec.2; 2]);
    }
    paths.settle();
    paths
}

/// Of all links, of two of three of them, and of all again, each out of the one before.
fn flood_costs(switches: u64, specs: &[Spec]) -> Vec<String> {
    let mut paths = shape(switches, specs);
    let third = || (1..).zip(specs).filter(|(n, _)| n % 3 == 0);
    let mut costs = Vec::new();
    for step in 0..3 {
        for (n, spec) in third().filter(|_| step > 0) {
            match step {
                1 => paths.remove_link(port(spec.0, n)),
                _ => paths.set_link(port(spec.0, n), port(spec.1, n), [spec.2; 2]),
            }
            paths.settle();
        }
        let on_tree = (1..).zip(specs).filter(|(n, spec)| paths.is_flood_port(DatapathId(spec.0), PortNo(*n)));
        costs.push(on_tree.map(|(_, spec)| u64::from(spec.2)).sum::<u64>().to_string());
    }
    costs
}

/// Those that lead to a nearer switch.
fn alternates(switches: u64, specs: &[Spec]) -> Vec<String> {
    let paths = shape(switches, specs);
    let mut found = Vec::new();
    for (at, to) in (1..=switches).flat_map(|at| (1..=switches).map(move |to| (at, to))).filter(|(at, to)| at != to) {
        let Some(hop) = paths.hop(DatapathId(at), DatapathId(to)) else { continue };
        let Some(alternate) = hop.alternate else { continue };
        let (a, b, ..) = specs[alternate.0 as usize - 1];
        let next = DatapathId(if a == at { b } else { a });
        let distance = if next == DatapathId(to) { Some(0) } else { paths.distance(next, DatapathId(to)) };
        if distance < Some(hop.distance) {
            found.push(format!("{at}-{to}:{}", alternate.0));
        }
    }
    found
}
