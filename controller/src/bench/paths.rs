//! Path computation by itself: no sockets, no processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use emulator::Shape;
use emulator::shape::graphml::graphml;
use serde::Serialize;

use super::figures::median;
use super::process;
use crate::path::Paths;
use crate::path::reference::Reference;

/// Shown at the end of the help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("trunkline bench paths", "fat-trees of 16-port and of 48-port switches"),
    ("trunkline bench paths --k 8 --changes 1000 --json", "a small one, a thousand changes, for a program to read"),
];

/// Searches by the reference that are timed; all destinations take as many times longer.
const REFERENCE_SEARCHES: usize = 32;

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
}

/// One network.
#[derive(Clone, Debug, Serialize)]
struct Row {
    shape: String,
    switches: usize,
    links: usize,
    pairs: usize,
    /// Milliseconds for all of it from nothing, next hops and flood tree.
    all_ms: f64,
    /// Octets that distances and next hops take.
    table_octets: usize,
    /// Octets by which the process has grown, graph and all.
    resident_octets: u64,
    /// Milliseconds of petgraph's Dijkstra for all destinations: distances alone.
    petgraph_ms: f64,
    steps: Vec<Step>,
}

/// Measures as the command line says.
pub(super) fn paths(arguments: &PathsArgs, out: &mut dyn Write) -> Result<(), String> {
    let changes = arguments.changes as usize;
    let rows: Vec<Row> = if arguments.graphml.is_empty() {
        arguments.k.iter().map(|&k| fat_tree(k, changes)).collect()
    } else {
        arguments.graphml.iter().map(|file| imported(file, changes)).collect::<Result<_, String>>()?
    };
    let written = if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &rows).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        rows.iter().try_for_each(|row| print(row, out))
    };
    written.map_err(|error| format!("cannot write: {error}"))
}

fn fat_tree(k: u16, changes: usize) -> Row {
    measure(format!("fat-tree of {k}-port switches"), &Shape::fat_tree(usize::from(k)), changes)
}

fn imported(file: &Path, changes: usize) -> Result<Row, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    let imported = graphml(&text).map_err(|error| told(&error))?;
    if imported.shape.links.is_empty() {
        return Err(told(&"no links between different nodes"));
    }
    Ok(measure(file.display().to_string(), &imported.shape, changes))
}

fn measure(name: String, shape: &Shape, changes: usize) -> Row {
    let before = process::own_resident();
    let mut paths = Paths::new();
    let (all, _) = timed(&mut paths, |paths| {
        shape.switches.iter().for_each(|(id, _)| paths.add_switch(*id));
        shape.links.iter().for_each(|&(a, b)| paths.set_link(a, b, [1, 1]));
    });
    let resident_octets = process::own_resident().saturating_sub(before);

    let (mut down, mut up) = (Vec::new(), Vec::new());
    for &(a, b) in spread(&shape.links, changes) {
        down.push(timed(&mut paths, |paths| paths.remove_link(a)));
        up.push(timed(&mut paths, |paths| paths.set_link(a, b, [1, 1])));
    }
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for (id, _) in spread(&shape.switches, changes.div_ceil(10)) {
        let of_it = shape.links.iter().filter(|(a, b)| a.datapath_id == *id || b.datapath_id == *id);
        let of_it: Vec<_> = of_it.copied().collect();
        gone.push(timed(&mut paths, |paths| paths.remove_switch(*id)));
        back.push(timed(&mut paths, |paths| {
            paths.add_switch(*id);
            of_it.iter().for_each(|&(a, b)| paths.set_link(a, b, [1, 1]));
        }));
    }
    let reference = Reference::new(&paths);
    let searches = spread(&shape.switches, REFERENCE_SEARCHES);
    let times = searches.map(|(id, _)| {
        let begin = Instant::now();
        std::hint::black_box(reference.count(*id));
        milliseconds(begin.elapsed())
    });
    Row {
        shape: name,
        switches: shape.switches.len(),
        links: shape.links.len(),
        pairs: paths.pair_count(),
        all_ms: milliseconds(all),
        table_octets: paths.octets(),
        resident_octets,
        petgraph_ms: median(times) * shape.switches.len() as f64,
        steps: vec![
            step("a link is lost", &down),
            step("it is back", &up),
            step("a switch is lost", &gone),
            step("it is back with its links", &back),
        ],
    }
}

/// So many of them from all over the list, the same ones each time: 7,919 is a prime that no fat-tree's size is a multiple of.
fn spread<T>(of: &[T], times: usize) -> impl Iterator<Item = &T> {
    (0..times).filter_map(|n| of.get((n * 7_919).checked_rem(of.len())?))
}

/// How long a change takes until all next hops are right again, and how many it changed.
fn timed(paths: &mut Paths, change: impl FnOnce(&mut Paths)) -> (Duration, usize) {
    let begin = Instant::now();
    change(paths);
    let changes = paths.settle();
    (begin.elapsed(), changes.hop_count())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn step(what: &'static str, seen: &[(Duration, usize)]) -> Step {
    let mut times: Vec<f64> = seen.iter().map(|(took, _)| milliseconds(*took)).collect();
    times.sort_by(f64::total_cmp);
    Step {
        what,
        times: seen.len(),
        median_ms: median(times.iter().copied()),
        p99_ms: times.get(times.len() * 99 / 100).copied().unwrap_or(0.0),
        worst_ms: times.last().copied().unwrap_or(0.0),
        median_hops: median(seen.iter().map(|(_, hops)| *hops as f64)),
        most_hops: seen.iter().map(|(_, hops)| *hops).max().unwrap_or(0),
    }
}

fn print(row: &Row, out: &mut dyn Write) -> std::io::Result<()> {
    let Row { shape, switches, links, pairs, .. } = row;
    writeln!(out, "{shape}: {switches} switches, {links} links, {pairs} pairs")?;
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
    for step in &row.steps {
        writeln!(
            out,
            "  {:27}  {:10.3} ms   99 %: {:.3} ms, worst of {}: {:.3} ms; {} hops changed, {} at most; petgraph again: {:.0} times as long",
            step.what,
            step.median_ms,
            step.p99_ms,
            step.times,
            step.worst_ms,
            step.median_hops,
            step.most_hops,
            row.petgraph_ms / step.median_ms,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fat_tree_is_measured_and_what_changed_is_counted() {
        let row = fat_tree(4, 10);
        assert_eq!((row.switches, row.links, row.pairs), (20, 32, 20 * 19));
        assert!(row.steps.iter().all(|step| step.median_hops > 0.0), "{row:?}");
        let mut text = Vec::new();
        print(&row, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap().lines().count(), 7);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = imported(Path::new("nowhere.graphml"), 10).unwrap_err();
        assert!(error.starts_with("nowhere.graphml: "), "{error}");
    }
}
