//! `trunkline bench bgp` as a user starts it: every case small, our own daemon and the floor, no other daemon.

use std::process::Command;

use serde_json::Value;

/// All cases in one run, with the rows of the report as JSON.
fn bench(arguments: &[&str]) -> (bool, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["--log", "error", "bench", "bgp", "--json", "--limit", "60"])
        .args(arguments)
        .output()
        .expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.success(), report, errors)
}

#[test]
fn every_case_converges_with_the_right_routes_beside_the_floor() {
    let (good, report, errors) = bench(&["--scale", "0.001"]);
    assert!(good, "{report:#}\n{errors}");
    let rows = report["rows"].as_array().expect("rows");
    let of = |daemon: &str| {
        let rows = rows.iter().filter(|row| row["daemon"] == daemon);
        rows.map(|row| row["case"].as_str().unwrap_or_default()).collect::<Vec<&str>>()
    };
    assert_eq!(of("trunkline"), ["A", "B", "C", "D", "E", "F", "F under load", "churn", "G"]);
    assert_eq!(of("floor"), ["A", "B", "C", "D", "E", "F", "churn", "G"]);
    for row in rows {
        assert!(row["error"].is_null() && row["peak_mib"].as_f64() > Some(1.0), "{row:#}");
        assert!(row["updates"].as_u64() > Some(0), "{row:#}");
        if row["case"].as_str().is_some_and(|case| case.starts_with('F')) {
            assert!(row["p99_us"].as_f64() >= row["p50_us"].as_f64(), "{row:#}");
        }
    }
}

#[test]
fn a_daemon_that_cannot_be_measured_is_an_error_in_its_row_and_the_others_are_measured() {
    let (good, report, errors) = bench(&["--scale", "0.001", "--case", "a", "--peer", "none=false # {port}"]);
    assert!(!good && errors.contains("1 measurements have failed"), "{errors}");
    let rows = report["rows"].as_array().expect("rows");
    let row = |daemon: &str| rows.iter().find(|row| row["daemon"] == daemon).expect("a row for each");
    assert!(row("trunkline")["error"].is_null(), "{report:#}");
    assert!(row("none")["error"].as_str().is_some_and(|error| error.contains("exit status: 1")), "{report:#}");
}
