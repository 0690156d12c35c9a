//! What probing costs the whole core: leaves and spines without hosts, whose links are all there, and nothing happens but probes.

use std::time::Duration;

use emulator::{FabricSpec, Shape};
use serde::Serialize;

use super::live::Bench;

/// Seconds of the network's time that are measured, after everything was found.
const SECONDS: u64 = 10;

/// One budget.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Probing {
    pub(super) switches: usize,
    pub(super) links: usize,
    /// Probes per second that may leave, and that came back.
    pub(super) budget: u64,
    pub(super) probes: u64,
    /// Part of one processor core that the core's turns took.
    pub(super) busy_share: f64,
    pub(super) longest_ms: f64,
    /// Milliseconds between two probes of a link, and until a silent failure is seen.
    pub(super) interval_ms: f64,
    pub(super) detection_ms: f64,
}

/// As many leaves as spines, so that they have about so many links, with this budget.
pub(super) fn probing(links: u32, budget: u32) -> Result<Probing, String> {
    let side = (f64::from(links).sqrt().round() as usize).max(2);
    let spec = FabricSpec::of(&Shape::leaf_spine(side, side));
    let mut bench = Bench::new(&spec, Some(budget));
    bench.start(&spec)?;
    // Probes are spread over their interval by then.
    bench.rest(2 * bench.core().probe_pace().link_interval)?;
    let before = *bench.core().discovery_counters();
    let (busy, longest) = bench.rest(Duration::from_secs(SECONDS))?;
    let counters = bench.core().discovery_counters();
    let lost = counters.links_down - before.links_down;
    if lost > 0 {
        return Err(format!("{lost} links were lost: the core is too slow for a budget of {budget} probes a second"));
    }
    let pace = bench.core().probe_pace();
    Ok(Probing {
        switches: spec.switches.len(),
        links: spec.links.len(),
        budget: pace.budget_per_second,
        probes: (counters.probes_received - before.probes_received) / SECONDS,
        busy_share: busy.as_secs_f64() / SECONDS as f64,
        longest_ms: longest.as_secs_f64() * 1e3,
        interval_ms: pace.link_interval.as_secs_f64() * 1e3,
        detection_ms: pace.detection.as_secs_f64() * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_come_back_as_often_as_the_budget_says() {
        let found = probing(36, 100).unwrap();
        assert_eq!((found.switches, found.links, found.budget), (12, 36, 100));
        assert!((95..=100).contains(&found.probes), "{found:?}");
        assert!((700.0..=740.0).contains(&found.interval_ms), "72 ports at 100 a second: {found:?}");
        assert!(found.busy_share > 0.0 && found.longest_ms > 0.0, "{found:?}");
    }
}
