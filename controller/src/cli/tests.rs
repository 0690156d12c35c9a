//! Tests of the command line as a whole: arguments in, exit status and both outputs out.

use super::*;
use clap::CommandFactory as _;

/// Runs a command line; exit status, standard output, standard error.
fn trunkline(line: &str) -> (u8, String, String) {
    let arguments = std::iter::once("trunkline").chain(line.split_whitespace()).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run_command(arguments, &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// A file that goes away with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> File {
        let path = std::env::temp_dir().join(format!("trunkline-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn the_examples_of_the_readme_print_what_it_says() {
    let readme = include_str!("../../../README.md");
    let (_, shown) = readme.split_once("$ cat bad.yaml\n").expect("the example of `check`");
    let (content, shown) = shown.split_once("$ trunkline check bad.yaml\n").expect("what is done with it");
    let (expected, _) = shown.split_once("```").expect("an end");
    let file = File::new("readme.yaml", content);
    let (status, _, errors) = trunkline(&format!("check {}", file.0.display()));
    assert_eq!(status, 2);
    assert_eq!(errors.replace(file.0.to_str().unwrap(), "bad.yaml"), expected);
}

#[test]
fn every_help_has_examples_and_the_exit_status() {
    for command in [
        "",
        "run",
        "demo",
        "check",
        "reload",
        "decode",
        "decode openflow",
        "decode bgp",
        "decode lldp",
        "decode mrt",
        "bench",
        "bench bgp",
        "flow",
        "bgp",
        "bgp policy",
        "bgp policy test",
        "replay",
        "pki",
        "pki init",
        "pki switch",
        "version",
    ] {
        let (status, out, _) = trunkline(&format!("{command} --help"));
        assert_eq!(status, 0, "{command}");
        assert!(out.contains("Examples:\n") && out.contains("Exit status:\n"), "{command}: {out}");
    }
}

#[test]
fn bad_usage_is_status_2() {
    for line in [
        "",
        "fly",
        "decode",
        "decode ipx",
        "decode bgp --as2 --as4",
        "decode lldp --as4",
        "decode bgp --text",
        "bench bgp --case z",
        "bench bgp --scale 0",
        "bench bgp --peer quagga",
        "bench bgp --only-peers",
        "flow",
        "flow --group --meter x",
        "run --plain-from 10.0.0.1/8",
        "check",
        "replay",
        "replay x --config /nonexistent/c.yaml",
        "pki",
        "pki switch s1",
        "pki switch s1 --datapath-id 1",
        "pki init --days 0",
        "pki init --address nowhere",
    ] {
        let (status, out, err) = trunkline(line);
        assert_eq!((status, out.as_str()), (2, ""), "{line}");
        assert!(!err.is_empty(), "{line}");
    }
}

#[test]
fn version_is_one_line() {
    let (status, out, _) = trunkline("version");
    assert_eq!((status, out), (0, format!("trunkline {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn check_summarises_a_good_file_and_warns_beside_it() {
    let file = File::new(
        "good.yaml",
        "bgp: { asn: 65001, router_id: 10.0.0.1, neighbors: [{ address: 192.0.2.2, asn: 65002 }] }",
    );
    let name = file.0.display().to_string();
    let (status, out, err) = trunkline(&format!("check {name}"));
    assert_eq!(status, 0, "{err}");
    assert_eq!(
        out,
        format!("{name}: good (1 warning): no OpenFlow, HTTP at 127.0.0.1:9653, BGP AS 65001 with 1 neighbour\n")
    );
    assert!(err.starts_with(&format!("{name}:1:")) && err.contains("RFC 8212"), "{err}");
}

#[test]
fn check_lists_every_problem_with_status_2() {
    let file = File::new("bad.yaml", "colour: red\nhttp: { listen: nowhere }\n");
    let name = file.0.display().to_string();
    let (status, out, err) = trunkline(&format!("check {name}"));
    assert_eq!((status, out.as_str(), err.lines().count()), (2, "", 2), "{err}");
    assert!(err.lines().all(|line| line.starts_with(&format!("{name}:"))), "{err}");
    // The controller refuses it in the same words.
    assert_eq!(trunkline(&format!("run {name}")), (2, String::new(), err));
}

#[test]
fn check_of_a_file_that_is_not_there_says_so() {
    let (status, _, err) = trunkline("check /nonexistent/x.yaml");
    assert_eq!(status, 2);
    assert!(err.contains("/nonexistent/x.yaml: cannot be read: No such file"), "{err}");
}

#[test]
fn decode_of_a_file_that_is_not_there_says_so() {
    let (status, _, err) = trunkline("decode bgp /nonexistent/x.bin");
    assert_eq!(status, 1);
    assert!(err.contains("/nonexistent/x.bin: No such file"), "{err}");
}

#[test]
fn a_flow_is_shown_as_text_json_and_hex() {
    let (status, out, err) = trunkline("flow priority=10,ip,nw_dst=10.0.0.0/8,actions=output:2");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((status, err.as_str(), lines.len()), (0, "", 3));
    assert_eq!(lines[0], "OFPT_FLOW_MOD: ADD priority=10,ip,nw_dst=10.0.0.0/8 actions=output:2");
    assert!(lines[1].contains("\"priority\":10"), "{}", lines[1]);
    assert!(lines[2].starts_with("040e0060"), "{}", lines[2]);
    let (status, out, _) = trunkline("flow --group group_id=1,type=all,bucket=output:1");
    assert!(
        status == 0 && out.starts_with("OFPT_GROUP_MOD: ADD group_id=1,type=all,bucket=actions=output:1\n"),
        "{out}"
    );
    let (status, out, _) = trunkline("flow --meter meter=1,kbps,band=type=drop,rate=5");
    assert!(status == 0 && out.starts_with("OFPT_METER_MOD: ADD meter=1 kbps bands= type=drop rate=5\n"), "{out}");
}

#[test]
fn a_flow_that_is_wrong_is_marked_where_it_is_wrong() {
    let (status, out, err) = trunkline("flow ip,nw_dts=10.0.0.1,actions=1");
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("did you mean nw_dst?"), "{err}");
    assert!(err.ends_with("  ip,nw_dts=10.0.0.1,actions=1\n     ^\n"), "{err}");
}

#[test]
fn pki_makes_certificates_and_prints_what_to_paste() {
    let folder = std::env::temp_dir().join(format!("trunkline-cli-{}-pki", std::process::id()));
    let dir = folder.display();
    let (status, out, err) = trunkline(&format!("pki init {dir} --name ctl.example.net --address 192.0.2.1"));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("ovs-vsctl set-controller BRIDGE ssl:ctl.example.net:6653"), "{out}");
    // What is to be pasted into the configuration is a configuration.
    let start = out.find("openflow:\n").unwrap();
    let yaml = &out[start..out[start..].find("\n\n").map(|end| start + end).unwrap()];
    let checked = crate::config::check(yaml, Some(std::path::Path::new("/"))).unwrap();
    assert_eq!(check::unusable_tls(&checked.config), None);

    let (status, out, err) = trunkline(&format!("pki switch s1 --datapath-id 0xab --dir {dir}"));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains(&format!("ovs-vsctl set-ssl {dir}/switch-s1.key {dir}/switch-s1.pem {dir}/ca.pem")), "{out}");
    assert!(out.contains("other_config:datapath-id=00000000000000ab"), "{out}");

    let (status, _, err) = trunkline(&format!("pki init {dir}"));
    assert_eq!(status, 1);
    assert!(err.contains("nothing is overwritten"), "{err}");
    let (status, _, err) = trunkline(&format!("pki switch s2 --datapath-id 0x2 --dir {dir}/elsewhere"));
    assert_eq!(status, 1);
    assert!(err.contains("holds no authority"), "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}
