//! One peer misbehaves in every way that `trunkline bench openflow --mode attack` knows, and the other switches and the memory hardly notice.

use serde_json::Value;

use super::Lab;
use crate::Mode;
use crate::process;
use crate::report::{Fail, Report};

/// How often the latency under an attack may be that of a floor under the same attack.
const RATIO: f64 = 2.0;

/// Memory of the controller under any attack: what it believes of one switch that is read back, and what it needs anyway.
const MEMORY_MIB: f64 = 160.0;

/// Times an attack is measured before a latency counts as too long: other work on the machine shows too.
const ATTEMPTS: usize = 3;

/// The attacks of the short form: those that go for the memory.
const SHORT: [&str; 2] = ["ports", "rules"];

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let full = lab.mode == Mode::Full;
    let (rounds, kinds) = if full { ("3", None) } else { ("1", Some(SHORT.join(","))) };
    let rows = measure(lab, rounds, kinds.as_deref())?;
    let enough =
        if rows.is_empty() { Err("no attack was measured".to_owned()) } else { Ok(format!("{} attacks", rows.len())) };
    report.check("attacks are measured", enough);
    for row in rows {
        let kind = row["kind"].as_str().unwrap_or_default().to_owned();
        report.check(&format!("{kind}: memory stays bounded"), memory(&row));
        report.check(&format!("{kind}: every switch that behaves is answered"), lost(&row));
        if full {
            report.check(&format!("{kind}: latency is at most twice the floor's"), latency(lab, rounds, &kind, row));
        }
    }
    Ok(())
}

/// The rows of a run, one for each attack.
fn measure(lab: &Lab, rounds: &str, kinds: Option<&str>) -> Result<Vec<Value>, Fail> {
    let binary = lab.binary.display().to_string();
    let mut arguments = vec![
        "--log",
        "error",
        "bench",
        "openflow",
        "--mode",
        "attack",
        "--json",
        "--rounds",
        rounds,
        "--duration",
        "1",
    ];
    arguments.extend(kinds.iter().flat_map(|kinds| ["--attack", kinds]));
    let text = process::run_within(300, &binary, &arguments)?;
    let figures: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    figures["attack"].as_array().cloned().ok_or_else(|| format!("no attacks: {text}"))
}

fn memory(row: &Value) -> Result<String, Fail> {
    let at = |index: usize| row["memory_mib"][index].as_f64().ok_or_else(|| format!("no memory: {row}"));
    let (before, after) = (at(0)?, at(1)?);
    let said = format!("{before:.0} MiB before, {after:.0} after");
    if after <= MEMORY_MIB { Ok(said) } else { Err(said) }
}

fn lost(row: &Value) -> Result<String, Fail> {
    match row["lost"].as_u64() {
        Some(0) => Ok(String::new()),
        lost => Err(format!("{lost:?} packet-ins without an answer")),
    }
}

/// The best of some attempts.
fn latency(lab: &Lab, rounds: &str, kind: &str, first: Value) -> Result<String, Fail> {
    let mut row = first;
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let of =
            |name: &str| row[name].as_f64().filter(|value| *value > 0.0).ok_or_else(|| format!("no {name}: {row}"));
        let (p50, p99) = (of("p50_us")? / of("floor_p50_us")?, of("p99_us")? / of("floor_p99_us")?);
        said.push(format!("p50 {p50:.2}, p99 {p99:.2}"));
        if p50 <= RATIO && p99 <= RATIO {
            return Ok(said.join("; "));
        }
        row = measure(lab, rounds, Some(kind))?.into_iter().next().ok_or("no attack was measured")?;
    }
    Err(said.join("; "))
}
