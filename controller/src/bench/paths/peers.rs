//! The same work by others: networkx in a Python of its own.

use std::io::Write;
use std::process::{Command, Stdio};

use emulator::Shape;

use super::spread;

/// What names a Python that has networkx.
pub(super) const PYTHON: &str = "TRUNKLINE_PYTHON";
/// Searches that are timed; all destinations take as many times longer.
const SEARCHES: usize = 16;

/// A line of links, two numbers each, and a line of destinations. For each of these all next hops with equal-cost sets, as predecessors in a search
/// from the destination; the seconds that it took.
const SCRIPT: &str = "
import sys, time
import networkx as nx
ends = list(map(int, sys.stdin.readline().split()))
G = nx.Graph()
G.add_edges_from(zip(ends[::2], ends[1::2]))
for d in map(int, sys.stdin.readline().split()):
    begin = time.perf_counter()
    nx.predecessor(G, d)
    print(time.perf_counter() - begin)
";

/// Milliseconds of networkx for the next hops towards all destinations, or why there is no such figure. Parallel links are one to it.
pub(super) fn networkx(shape: &Shape) -> Result<f64, String> {
    let python = std::env::var(PYTHON).map_err(|_| format!("left out: {PYTHON} names no Python that has it"))?;
    searched(&python, shape).map_err(|error| format!("left out: {PYTHON}={python}: {error}"))
}

fn searched(python: &str, shape: &Shape) -> Result<f64, String> {
    let told = |error: std::io::Error| error.to_string();
    let linked: Vec<u64> = shape.links.iter().flat_map(|(a, b)| [a.datapath_id.0, b.datapath_id.0]).collect();
    let line = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    let destinations: Vec<u64> = spread(&linked, SEARCHES).copied().collect();
    let asked = format!("{}\n{}\n", line(&linked), line(&destinations));
    let mut program = Command::new(python);
    let program = program.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().map_err(told)?;
    // It reads everything before it says anything.
    if let Some(mut input) = program.stdin.take() {
        let _ = input.write_all(asked.as_bytes());
    }
    let output = program.wait_with_output().map_err(told)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().last().unwrap_or("it failed").to_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let seconds: Vec<f64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    if seconds.len() != destinations.len() {
        return Err(format!("{} of {} searches", seconds.len(), destinations.len()));
    }
    Ok(crate::bench::figures::median(seconds.into_iter()) * 1e3 * shape.switches.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_is_told() {
        assert!(searched("/nowhere/python3", &Shape::ring(4)).is_err());
        let failed = searched("/bin/false", &Shape::ring(4));
        assert!(failed.is_err(), "{failed:?}");
    }
}
