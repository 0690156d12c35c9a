//! Path computation by itself, and the whole core with an emulated fabric around it: no sockets.

mod live;
mod peers;
mod probing;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use emulator::Shape;
use emulator::shape::graphml::graphml;
use live::Live;
use net::DatapathId;
use probing::Probing;
use serde::Serialize;

use super::figures::median;
use super::process;
use crate::path::reference::Reference;
use crate::path::{Paths, Weights};

/// Shown at the end of the help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("trunkline bench paths", "fat-trees of 16-port and of 48-port switches"),
    ("trunkline bench paths --k 8 --changes 1000 --json", "a small one, a thousand changes, for a program to read"),
    ("trunkline bench paths --k 48 --seconds 0", "paths alone, without the core"),
    ("trunkline bench paths --k 16 --probe-budgets 4000,20000", "and what probing of 10,000 links costs"),
    ("TRUNKLINE_PYTHON=python3 trunkline bench paths --k 16", "beside networkx, too"),
];

/// Searches by the reference that are timed; all destinations take as many times longer.
const REFERENCE_SEARCHES: usize = 32;

/// Pairs of switches for which the reference is asked one by one.
const REFERENCE_PAIRS: usize = 64;
/// Changes of links that the whole core is measured with; fewer are taken if fewer are asked for.
const LIVE_CHANGES: usize = 50;

/// What to measure.
#[derive(Args, Debug)]
pub struct PathsArgs {
    /// Ports of a fat-tree's switches: 16 makes 320 switches, 48 makes 2,880.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 48], value_parser = clap::value_parser!(u16).range(2..=64))]
    k: Vec<u16>,
    /// Networks from GraphML files, as the Internet Topology Zoo has them, instead of fat-trees.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "k")]
    graphml: Vec<PathBuf>,
    /// Links that are lost and come back, one after the other; a tenth as many switches.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    changes: u32,
    /// Seconds, on the emulated network's clock, of 1,000 packet-ins and 10 random changes a second at the whole core, with fat-trees of up to 16-port
    /// switches and all their hosts; 0 leaves the core out.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=3_600))]
    seconds: u64,
    /// Measure as well what probing the links of leaves and spines without hosts costs the whole core with these budgets, in probes a second.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    probe_budgets: Vec<u32>,
    /// How many links these are, about: 10,000 are between 100 leaves and 100 spines.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(4..=40_000))]
    probe_links: u32,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// One kind of change, over all that were made of it.
#[derive(Clone, Debug, Serialize)]
struct Step {
    what: &'static str,
    times: usize,
    /// Milliseconds until all next hops are right again.
    median_ms: f64,
    p99_ms: f64,
    worst_ms: f64,
    /// Pairs of switches whose distance or next hops changed, at the median and at most.
    median_hops: f64,
    most_hops: usize,
    /// Of those the ones towards a switch with hosts: each is a group of one switch that changes.
    median_groups: f64,
    most_groups: usize,
    /// Ways round a link that are others since; none where there are none.
    median_bypasses: f64,
    most_bypasses: usize,
}

/// What one kind of paths costs.
#[derive(Clone, Debug, Serialize)]
struct Computed {
    all_ms: f64,
    table_octets: usize,
    /// Octets by which the process has grown, graph and all.
    resident_octets: u64,
    steps: Vec<Step>,
}

/// One network.
#[derive(Clone, Debug, Serialize)]
struct Row {
    shape: String,
    switches: usize,
    links: usize,
    pairs: usize,
    /// Groups of all switches: one for each other switch with hosts.
    groups: usize,
    /// Milliseconds for all of it from nothing, next hops and flood tree.
    all_ms: f64,
    /// Octets that distances and next hops take.
    table_octets: usize,
    /// Octets by which the process has grown, graph and all.
    resident_octets: u64,
    /// Milliseconds of petgraph's Dijkstra for all destinations: distances alone.
    petgraph_ms: f64,
    /// The same of one search for each pair.
    petgraph_pairs_ms: f64,
    /// Milliseconds of networkx for all destinations, next hops with them.
    networkx_ms: Option<f64>,
    /// Why there is no such figure.
    networkx_note: Option<String>,
    steps: Vec<Step>,
    /// The same with the way round each link.
    with_bypasses: Computed,
    /// How many of those there are, one for each direction of a link.
    bypasses: usize,
    /// The whole core.
    live: Option<Live>,
    /// Why it was left out.
    live_note: Option<&'static str>,
}

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    networks: Vec<Row>,
    probing: Vec<Probing>,
}

/// Measures as the command line says.
pub(super) fn paths(arguments: &PathsArgs, out: &mut dyn Write) -> Result<(), String> {
    let changes = arguments.changes as usize;
    let networks: Vec<Row> = if arguments.graphml.is_empty() {
        arguments.k.iter().map(|&k| fat_tree(k, changes, arguments.seconds)).collect::<Result<_, String>>()?
    } else {
        arguments.graphml.iter().map(|file| imported(file, changes)).collect::<Result<_, String>>()?
    };
    let budgets = arguments.probe_budgets.iter();
    let probing =
        budgets.map(|&budget| probing::probing(arguments.probe_links, budget)).collect::<Result<_, String>>()?;
    let measured = Measured { networks, probing };
    let written = if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &measured).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        let rows = measured.networks.iter().try_for_each(|row| print(row, out));
        rows.and_then(|()| measured.probing.iter().try_for_each(|row| print_probing(row, out)))
    };
    written.map_err(|error| format!("cannot write: {error}"))
}

fn fat_tree(k: u16, changes: usize, seconds: u64) -> Result<Row, String> {
    let has_hosts = |id: DatapathId| id.0 >> 16 == 0xe0;
    let name = format!("fat-tree of {k}-port switches");
    let mut row = measure(name, &Shape::fat_tree(usize::from(k)), changes, &has_hosts);
    row.live_note = match seconds {
        0 => Some("not asked for"),
        _ if k > live::PORTS_MAX => Some("the emulated switches would not fit into memory"),
        _ => None,
    };
    if row.live_note.is_none() {
        row.live = Some(live::live(k, changes.min(LIVE_CHANGES), seconds)?);
    }
    Ok(row)
}

fn imported(file: &Path, changes: usize) -> Result<Row, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    let imported = graphml(&text).map_err(|error| told(&error))?;
    if imported.shape.links.is_empty() {
        return Err(told(&"no links between different nodes"));
    }
    Ok(Row {
        live_note: Some("for fat-trees only"),
        ..measure(file.display().to_string(), &imported.shape, changes, &|_| true)
    })
}

fn measure(name: String, shape: &Shape, changes: usize, has_hosts: &dyn Fn(DatapathId) -> bool) -> Row {
    let mut paths = Paths::new();
    let plain = compute(&mut paths, shape, changes, has_hosts);
    let mut protected = Paths::with_weights(Weights::with_bypasses());
    let with_bypasses = compute(&mut protected, shape, changes, has_hosts);
    let bypasses = protected.bypasses().count();
    drop(protected);
    let reference = Reference::new(&paths);
    let searches = spread(&shape.switches, REFERENCE_SEARCHES);
    let times = searches.map(|(id, _)| {
        let begin = Instant::now();
        std::hint::black_box(reference.count(*id));
        milliseconds(begin.elapsed())
    });
    let from = spread(&shape.switches, REFERENCE_PAIRS);
    let to = spread(&shape.switches, shape.switches.len()).skip(shape.switches.len() / 3);
    let pair_times = from.zip(to).map(|((from, _), (to, _))| {
        let begin = Instant::now();
        std::hint::black_box(reference.distance(*from, *to));
        milliseconds(begin.elapsed())
    });
    let with_hosts = shape.switches.iter().filter(|(id, _)| has_hosts(*id)).count();
    let networkx = peers::networkx(shape);
    Row {
        shape: name,
        switches: shape.switches.len(),
        links: shape.links.len(),
        pairs: paths.pair_count(),
        groups: with_hosts * shape.switches.len().saturating_sub(1),
        all_ms: plain.all_ms,
        table_octets: plain.table_octets,
        resident_octets: plain.resident_octets,
        petgraph_ms: median(times) * shape.switches.len() as f64,
        petgraph_pairs_ms: mean(pair_times) * paths.pair_count() as f64,
        networkx_ms: networkx.as_ref().ok().copied(),
        networkx_note: networkx.err(),
        live: None,
        live_note: None,
        steps: plain.steps,
        with_bypasses,
        bypasses,
    }
}

/// From nothing, and then each kind of change.
fn compute(paths: &mut Paths, shape: &Shape, changes: usize, has_hosts: &dyn Fn(DatapathId) -> bool) -> Computed {
    let before = process::own_resident();
    let timed = |paths: &mut Paths, change: &dyn Fn(&mut Paths)| timed(paths, has_hosts, change);
    let all = timed(paths, &|paths| {
        shape.switches.iter().for_each(|(id, _)| paths.add_switch(*id));
        shape.links.iter().for_each(|&(a, b)| paths.set_link(a, b, [1, 1]));
    });
    let resident_octets = process::own_resident().saturating_sub(before);

    let (mut down, mut up) = (Vec::new(), Vec::new());
    for &(a, b) in spread(&shape.links, changes) {
        down.push(timed(paths, &|paths| paths.remove_link(a)));
        up.push(timed(paths, &|paths| paths.set_link(a, b, [1, 1])));
    }
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for (id, _) in spread(&shape.switches, changes.div_ceil(10)) {
        let of_it = shape.links.iter().filter(|(a, b)| a.datapath_id == *id || b.datapath_id == *id);
        let of_it: Vec<_> = of_it.copied().collect();
        gone.push(timed(paths, &|paths| paths.remove_switch(*id)));
        back.push(timed(paths, &|paths| {
            paths.add_switch(*id);
            of_it.iter().for_each(|&(a, b)| paths.set_link(a, b, [1, 1]));
        }));
    }
    let steps = vec![
        step("a link is lost", &down),
        step("it is back", &up),
        step("a switch is lost", &gone),
        step("it is back with its links", &back),
    ];
    Computed { all_ms: milliseconds(all.took), table_octets: paths.octets(), resident_octets, steps }
}

/// So many of them from all over the list, the same ones each time: 7,919 is a prime that no fat-tree's size is a multiple of.
fn spread<T>(of: &[T], times: usize) -> impl Iterator<Item = &T> {
    (0..times).filter_map(|n| of.get((n * 7_919).checked_rem(of.len())?))
}

/// How long a change takes until all next hops are right again, and what it changed.
struct Timed {
    took: Duration,
    hops: usize,
    groups: usize,
    bypasses: usize,
}

fn timed(paths: &mut Paths, has_hosts: &dyn Fn(DatapathId) -> bool, change: &dyn Fn(&mut Paths)) -> Timed {
    let begin = Instant::now();
    change(paths);
    let changes = paths.settle();
    let took = begin.elapsed();
    let groups = changes.hops.iter().filter(|(to, _)| has_hosts(**to)).map(|(_, at)| at.len()).sum();
    Timed { took, hops: changes.hop_count(), groups, bypasses: changes.bypasses.len() }
}

/// Of what differs by much: the time of a search that ends at its goal hangs on where that is.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn step(what: &'static str, seen: &[Timed]) -> Step {
    let mut times: Vec<f64> = seen.iter().map(|seen| milliseconds(seen.took)).collect();
    times.sort_by(f64::total_cmp);
    Step {
        what,
        times: seen.len(),
        median_ms: median(times.iter().copied()),
        p99_ms: times.get(times.len() * 99 / 100).copied().unwrap_or(0.0),
        worst_ms: times.last().copied().unwrap_or(0.0),
        median_hops: median(seen.iter().map(|seen| seen.hops as f64)),
        most_hops: seen.iter().map(|seen| seen.hops).max().unwrap_or(0),
        median_groups: median(seen.iter().map(|seen| seen.groups as f64)),
        most_groups: seen.iter().map(|seen| seen.groups).max().unwrap_or(0),
        median_bypasses: median(seen.iter().map(|seen| seen.bypasses as f64)),
        most_bypasses: seen.iter().map(|seen| seen.bypasses).max().unwrap_or(0),
    }
}

fn print(row: &Row, out: &mut dyn Write) -> std::io::Result<()> {
    let Row { shape, switches, links, pairs, .. } = row;
    writeln!(out, "{shape}: {switches} switches, {links} links, {pairs} pairs, {} groups", row.groups)?;
    writeln!(
        out,
        "  all next hops from nothing   {:10.1} ms   {:.1} MB ({:.1} octets a pair; the process has grown by {:.1} MB)",
        row.all_ms,
        row.table_octets as f64 / 1e6,
        row.table_octets as f64 / (*pairs).max(1) as f64,
        row.resident_octets as f64 / 1e6,
    )?;
    let ratio = row.all_ms / row.petgraph_ms;
    writeln!(
        out,
        "  petgraph, distances only     {:10.1} ms   ours with next hops: {ratio:.2} of it",
        row.petgraph_ms
    )?;
    let ratio = row.all_ms / row.petgraph_pairs_ms;
    writeln!(
        out,
        "  petgraph, pair by pair       {:10.1} ms   ours with next hops: {ratio:.4} of it",
        row.petgraph_pairs_ms
    )?;
    match (row.networkx_ms, &row.networkx_note) {
        (Some(ms), _) => {
            writeln!(out, "  networkx, next hops          {ms:10.1} ms   ours: {:.4} of it", row.all_ms / ms)?;
        }
        (None, note) => writeln!(out, "  networkx                     {}", note.as_deref().unwrap_or("-"))?,
    }
    for step in &row.steps {
        writeln!(
            out,
            "  {:27}  {:10.3} ms   99 %: {:.3} ms, worst of {}: {:.3} ms; {} hops changed, {} at most, {} of them groups, {} at most; petgraph again: {:.0} times as long",
            step.what,
            step.median_ms,
            step.p99_ms,
            step.times,
            step.worst_ms,
            step.median_hops,
            step.most_hops,
            step.median_groups,
            step.most_groups,
            row.petgraph_ms / step.median_ms,
        )?;
    }
    let with = &row.with_bypasses;
    writeln!(
        out,
        "  and {} ways round a link  {:10.1} ms   {:.1} MB; the process has grown by {:.1} MB",
        row.bypasses,
        with.all_ms,
        with.table_octets as f64 / 1e6,
        with.resident_octets as f64 / 1e6,
    )?;
    for step in &with.steps {
        writeln!(
            out,
            "  {:27}  {:10.3} ms   99 %: {:.3} ms, worst of {}: {:.3} ms; {} ways round a link changed, {} at most",
            format!("{} (ways too)", step.what),
            step.median_ms,
            step.p99_ms,
            step.times,
            step.worst_ms,
            step.median_bypasses,
            step.most_bypasses,
        )?;
    }
    match (&row.live, row.live_note) {
        (Some(live), _) => print_live(live, out),
        (None, note) => writeln!(out, "  the whole core               left out: {}", note.unwrap_or("-")),
    }
}

fn print_live(live: &Live, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "  the whole core with {} hosts: {} rules and {} groups on all switches, {:.0} ms of turns until all was found and installed; the process has grown by {:.0} MB, emulated switches and all",
        live.hosts,
        live.rules,
        live.groups,
        live.start_ms,
        live.resident_octets as f64 / 1e6,
    )?;
    for change in &live.changes {
        writeln!(
            out,
            "  {:30}  {} group-mods ({} at most), {} flow-mods ({} at most); {:.2} ms of turns, the longest {:.2} ms; confirmed after {:.1} ms (median of {})",
            change.what,
            change.groups[0],
            change.groups[1],
            change.rules[0],
            change.rules[1],
            change.busy_ms,
            change.longest_ms,
            change.confirmed_ms,
            change.times,
        )?;
    }
    for seen in &live.packet_ins {
        writeln!(
            out,
            "  packet-ins, {:27}  p50 {:.0} us, p99 {:.0} us, worst {:.0} us; {} of {} answered in {} s; {} changes, {} group-mods, {} flow-mods; core busy {:.1} %",
            seen.what,
            seen.p50_us,
            seen.p99_us,
            seen.worst_us,
            seen.answered,
            seen.sent,
            seen.seconds,
            seen.changes,
            seen.groups,
            seen.rules,
            100.0 * seen.busy_share,
        )?;
    }
    Ok(())
}

fn print_probing(row: &Probing, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "probing {} links of {} switches: budget {} a second, {} come back; {:.2} % of a processor core, the longest turn {:.2} ms; a link is probed every {:.0} ms, and missed after {:.0} ms at most",
        row.links,
        row.switches,
        row.budget,
        row.probes,
        100.0 * row.busy_share,
        row.longest_ms,
        row.interval_ms,
        row.detection_ms,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fat_tree_is_measured_and_what_changed_is_counted() {
        let row = fat_tree(4, 10, 0).unwrap();
        assert_eq!((row.switches, row.links, row.pairs), (20, 32, 20 * 19));
        assert_eq!(row.groups, 8 * 19);
        assert!(row.steps.iter().all(|step| step.median_hops > step.median_groups), "{row:?}");
        assert!(row.steps.iter().all(|step| step.median_groups > 0.0), "{row:?}");
        assert!(row.petgraph_pairs_ms > 0.0 && row.networkx_ms.is_some() != row.networkx_note.is_some(), "{row:?}");
        let mut text = Vec::new();
        print(&row, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap().lines().count(), 15);
        assert_eq!(row.bypasses, 64);
        assert!(row.with_bypasses.steps.iter().all(|step| step.median_bypasses > 0.0), "{row:?}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = imported(Path::new("nowhere.graphml"), 10).unwrap_err();
        assert!(error.starts_with("nowhere.graphml: "), "{error}");
    }
}
