//! The demo as a user starts it: the binary, its output, its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn trunkline() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trunkline"))
}

#[test]
fn once_ends_well_and_says_so() {
    let output = trunkline().args(["demo", "--once"]).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("all pairs during the cut") && !text.contains("FAILED"), "{text}");
}

#[test]
fn the_live_demo_has_hosts_and_traffic_and_ends_on_sigterm() {
    let mut child =
        trunkline().arg("demo").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let deadline = Instant::now() + Duration::from_secs(60);
    let seen = lines
        .by_ref()
        .map_while(Result::ok)
        .take_while(|_| Instant::now() < deadline)
        .find(|line| line.contains("switches 20 ") && line.contains("hosts 16 ") && !line.contains("probes 0 "));
    let stopped = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(stopped.success());
    // The reader stays until the end: a demo that nobody reads ends by itself.
    lines.for_each(drop);
    let status = child.wait().expect("the child");
    assert!(seen.is_some(), "no line with 20 switches, 16 hosts and probes");
    assert!(status.success(), "{status}");
}

#[test]
fn a_certificate_that_is_none_is_refused_before_anything_starts() {
    let folder = std::env::temp_dir().join(format!("trunkline-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("network.yaml");
    std::fs::write(folder.join("none.pem"), "no certificate\n").expect("a file");
    std::fs::write(&file, "openflow: { tls: { certificate: none.pem, key: none.pem, client_ca: none.pem } }\n")
        .expect("a file");
    for command in ["check", "run"] {
        let output = trunkline().arg(command).arg(&file).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{command}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("openflow.tls: ") && text.contains("none.pem"), "{command}: {text}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
