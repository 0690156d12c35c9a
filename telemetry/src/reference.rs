//! `docs/metrics.md`, generated from the list.

use std::fmt::Write as _;

use crate::metrics::{Kind, Metric};
use crate::process;

/// The metrics reference.
pub fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for metric in Metric::ALL {
        let description = metric.description();
        let labels: Vec<String> = description.labels.iter().map(|label| format!("`{label}`")).collect();
        let name = description.name;
        let _ =
            writeln!(out, "| `{name}` | {} | {} | {} |", kind(description.kind), labels.join(", "), description.help);
    }
    for (name, its_kind, help) in process::METRICS {
        let _ = writeln!(out, "| `{name}` | {} | | {help} |", kind(*its_kind));
    }
    out.push_str(CONCLUSION);
    out
}

const INTRODUCTION: &str = "\
<!-- Generated from telemetry/src/metrics.rs: change that, then run `UPDATE_EXPECT=1 cargo test -p trunkline-telemetry`. -->
# Metrics

`trunkline run` serves these at `http://127.0.0.1:9653/metrics` (`http.listen` in the configuration) in the Prometheus text format.

- `dpid` is a switch's datapath id as 16 hex digits, as `ovs-vsctl` and `ovs-ofctl` print it; `port` is the port's number; `peer` is the neighbour's address.
- Counters never fall while the controller runs, even when a switch resets its own, or when a 32-bit counter wraps.
- The series of a switch, port or neighbour that is gone go away after 60 seconds.
";

const CONCLUSION: &str = "
## Questions and their queries

- Are all switches there? `trunkline_openflow_switches_connected`
- How busy is a port, in bit/s? `rate(trunkline_port_transmit_bytes_total[1m]) * 8`
- How long does a packet-in take, at worst one time in a hundred? `histogram_quantile(0.99, rate(trunkline_openflow_packet_in_duration_seconds_bucket[5m]))`
- Do switches have what they should? `trunkline_reconciler_rules_desired != trunkline_reconciler_rules_installed`
- Is somebody forging links? `rate(trunkline_topology_probes_received_total{result=\"forged\"}[5m]) > 0`
- Which neighbours are down? `trunkline_bgp_peer_up == 0`
";

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_file_is_as_generated() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let generated = markdown();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "docs/metrics.md is out of date: run the test again with UPDATE_EXPECT=1");
    }
}
