//! What probing costs the whole core: a fat-tree without hosts, whose links are all there, and nothing happens but probes.

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

/// A fat-tree of `k`-port switches with this budget.
pub(super) fn probing(k: u16, budget: u32) -> Result<Probing, String> {
    let spec = FabricSpec::of(&Shape::fat_tree(usize::from(k)));
    let mut bench = Bench::new(&spec, Some(budget));
    bench.start(&spec)?;
    let before = bench.core().discovery_counters().probes_received;
    let (busy, longest) = bench.rest(Duration::from_secs(SECONDS))?;
    let counters = bench.core().discovery_counters();
    if counters.links_down > 0 {
        return Err(format!("{} links were lost: the core is too slow for this budget", counters.links_down));
    }
    let pace = bench.core().probe_pace();
    Ok(Probing {
        switches: spec.switches.len(),
        links: spec.links.len(),
        budget: pace.budget_per_second,
        probes: (counters.probes_received - before) / SECONDS,
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
        let found = probing(4, 100).unwrap();
        assert_eq!((found.switches, found.links, found.budget), (20, 32, 100));
        assert!((95..=100).contains(&found.probes), "{found:?}");
        assert!((600.0..=700.0).contains(&found.interval_ms), "64 ports at 100 a second: {found:?}");
        assert!(found.busy_share > 0.0 && found.longest_ms > 0.0, "{found:?}");
    }
}
