//! The boundaries of `ARCHITECTURE.md`, checked: who may depend on whom, which library stays in which corner, which licences come in.
//! When a boundary moves on purpose, this file and that page move in the same commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which workspace crates each workspace crate may depend on.
const GRAPH: &[(&str, &[&str])] = &[
    ("net", &[]),
    ("openflow", &["net"]),
    ("bgp", &["net"]),
    ("topology", &["net"]),
    ("ovsdb", &["net"]),
    ("telemetry", &["net"]),
    ("emulator", &["net", "openflow", "bgp"]),
    ("controller", &["net", "openflow", "bgp", "topology", "ovsdb", "telemetry", "emulator"]),
    ("tests", &["net", "openflow", "bgp", "topology", "ovsdb", "telemetry", "emulator", "controller"]),
];

/// Crates without a runtime, a socket or a clock.
const PURE: &[&str] = &["net", "openflow", "bgp", "topology", "ovsdb", "emulator"];

/// What a pure crate may have behind a feature only, if at all.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "tokio-rustls",
    "rustls",
    "axum",
    "hyper",
    "socket2",
    "mio",
    "libc",
    "nix",
    "rand",
    "getrandom",
];

/// Libraries that only some crates may depend on.
const CORNERS: &[(&str, &[&str])] = &[
    ("petgraph", &["controller"]),
    ("prometheus", &["telemetry"]),
    ("rustls", &["controller"]),
    ("tokio-rustls", &["controller"]),
    ("axum", &["controller"]),
    ("clap", &["controller"]),
    ("dashmap", &["controller"]),
    ("nom", &["net", "openflow", "bgp", "topology"]),
    ("rcgen", &["controller"]),
    ("x509-parser", &["controller"]),
    ("roxmltree", &["emulator"]),
];

/// Words that only some files may hold, comments aside: (word, the beginnings of those files' paths).
const WORDS: &[(&str, &[&str])] = &[
    ("petgraph", &["controller/src/path/", "controller/benches/path"]),
    ("rustls", &["controller/src/io/tls"]),
    ("tokio_rustls", &["controller/src/io/tls"]),
    ("rcgen", &["controller/src/pki/"]),
    ("x509_parser", &["controller/src/pki/"]),
    ("roxmltree", &["emulator/src/shape/graphml.rs"]),
    ("prometheus", &["telemetry/", "tests/lab/"]),
    ("nom", &["bgp/src/wire/", "openflow/src/wire", "openflow/src/oxm", "topology/src/lldp", "net/src/"]),
    // The socket options that no safe crate offers; and a test that counts allocations, for which it must be the allocator.
    (
        "unsafe",
        &[
            "bgp/src/io/socket_option.rs",
            "controller/src/io/socket_option.rs",
            // Allocators that count, in tests and benchmarks.
            "controller/benches/core.rs",
            "openflow/tests/allocation.rs",
            "openflow/tests/attacks/main.rs",
        ],
    ),
];

/// Licences that may come in. None of them asks anything of what links to it.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A file is split before it gets longer than this.
const FILE_LINES: usize = 900;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// The platform this machine builds for, as the compiler names it.
fn platform() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc tells its host").to_owned()
}

/// `cargo metadata`, with the whole dependency graph of this platform: a machine that has built the workspace has those
/// packages, and need not have what other platforms would add.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--offline", "--filter-platform", &platform()])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// A crate of this workspace: its directory's name, and what it depends on: (package, kind, optional).
struct Member {
    name: String,
    dependencies: Vec<(String, String, bool)>,
}

fn members(metadata: &Value) -> Vec<Member> {
    let ids: BTreeSet<&str> =
        metadata["workspace_members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut members = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if !ids.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        let dependency = |dependency: &Value| {
            let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
            (text(&dependency["name"]), kind, dependency["optional"] == true)
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten().map(dependency).collect();
        members.push(Member { name: text(&package["name"]).replacen("trunkline-", "", 1), dependencies });
    }
    members
}

/// All Rust files of the workspace's crates, as (path from the root, text).
fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                // Fuzz targets are a workspace of their own, with its own build directory.
                if !path.ends_with("target") && !path.ends_with("fuzz") {
                    walk(&path, files);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = root();
    let mut files = Vec::new();
    for (name, _) in GRAPH {
        walk(&root.join(name), &mut files);
    }
    files.sort();
    let relative = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
    files.iter().map(|path| (relative(path), fs::read_to_string(path).expect("a source file is text"))).collect()
}

/// The text without comments, and with string literals emptied, line by line. Good enough for finding words.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut quoted = false;
        let mut previous = ' ';
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '"' && previous != '\\' && previous != '\'' {
                quoted = !quoted;
            } else if !quoted && c == '/' && chars.peek() == Some(&'/') {
                break;
            } else if !quoted {
                out.push(c);
            }
            previous = c;
        }
        out.push('\n');
    }
    out
}

/// Whether the text holds the word with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(start, _)| !text[..start].ends_with(part) && !text[start + word.len()..].starts_with(part))
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
}

#[test]
fn every_crate_is_in_the_graph_and_depends_only_on_what_the_graph_allows() {
    let metadata = metadata();
    let graph: BTreeMap<&str, &[&str]> = GRAPH.iter().copied().collect();
    let members = members(&metadata);
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, graph.keys().copied().collect(), "the crates of the workspace");
    let mut problems = Vec::new();
    for member in &members {
        for (dependency, kind, _) in &member.dependencies {
            if let Some(dependency) = dependency.strip_prefix("trunkline-")
                && !graph[member.name.as_str()].contains(&dependency)
            {
                problems.push(format!("{} must not depend on {dependency} ({kind})", member.name));
            }
        }
    }
    report(&problems);
}

#[test]
fn pure_crates_have_runtimes_and_sockets_behind_a_feature_or_not_at_all() {
    let mut problems = Vec::new();
    for member in members(&metadata()).iter().filter(|member| PURE.contains(&member.name.as_str())) {
        for (dependency, kind, optional) in &member.dependencies {
            if IMPURE.contains(&dependency.as_str()) && kind == "normal" && !optional {
                problems.push(format!("{} is pure: {dependency} must be optional", member.name));
            }
        }
    }
    report(&problems);
}

#[test]
fn libraries_stay_in_their_corners() {
    let mut problems = Vec::new();
    for member in members(&metadata()) {
        for (dependency, _, _) in &member.dependencies {
            for (library, allowed) in CORNERS {
                if dependency == library && !allowed.contains(&member.name.as_str()) {
                    problems.push(format!("{} must not depend on {library}; only {allowed:?} may", member.name));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn words_stay_in_their_files() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if path == "tests/tests/architecture.rs" {
            continue;
        }
        let code = code(&text);
        for (word, allowed) in WORDS {
            if !allowed.iter().any(|beginning| path.starts_with(beginning)) && has_word(&code, word) {
                problems.push(format!("{path} uses {word}; only {allowed:?} may"));
            }
        }
    }
    report(&problems);
}

#[test]
fn public_functions_do_not_speak_nom_or_petgraph() {
    const FOREIGN: &[&str] =
        &["nom", "IResult", "petgraph", "NodeIndex", "EdgeIndex", "DiGraph", "UnGraph", "StableGraph"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        for (start, _) in code.match_indices("pub fn ") {
            let signature = &code[start..];
            let end = signature.find(['{', ';']).unwrap_or(signature.len());
            let signature = &signature[..end];
            if let Some(word) = FOREIGN.iter().find(|word| has_word(signature, word)) {
                problems.push(format!(
                    "{path}: {word} in `{}`",
                    signature.split_whitespace().collect::<Vec<_>>().join(" ")
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate_or_denied_where_socket_options_are_set() {
    let mut problems = Vec::new();
    for (name, _) in GRAPH {
        let text = fs::read_to_string(root().join(name).join("src/lib.rs")).unwrap_or_default();
        let wanted = if ["bgp", "controller"].contains(name) {
            ["#![deny(unsafe_code)]", "#![forbid(unsafe_code)]"]
        } else {
            ["#![forbid(unsafe_code)]", "#![forbid(unsafe_code)]"]
        };
        if !wanted.iter().any(|attribute| text.contains(attribute)) {
            problems.push(format!("{name}/src/lib.rs lacks {}", wanted[0]));
        }
    }
    report(&problems);
}

#[test]
fn versions_are_written_in_the_root_manifest_only() {
    let mut problems = Vec::new();
    for (name, _) in GRAPH {
        let path = format!("{name}/Cargo.toml");
        let text = fs::read_to_string(root().join(&path)).expect("a crate has a manifest");
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with('#') {
                let inherited = line.contains("workspace = true");
                if !inherited || line.contains("version") || line.contains("path =") {
                    problems.push(format!("{path}: `{line}` does not take its version from the root"));
                }
            } else if section == "[package]" && line.starts_with("version") && line != "version.workspace = true" {
                problems.push(format!("{path}: `{line}`"));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_dependency_has_a_licence_that_we_take() {
    let metadata = metadata();
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let licence = package["license"].as_str().unwrap_or("(none stated)");
        if !licence_is_fine(licence) {
            problems.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    report(&problems);
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    for fine in [
        "MIT",
        "MIT/Apache-2.0",
        "MIT OR GPL-3.0-only",
        "(MIT OR GPL-3.0-only) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(licence_is_fine(fine), "{fine}");
    }
    for not in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR ISC) AND LGPL-2.1-or-later", "", "(none stated)"] {
        assert!(!licence_is_fine(not), "{not}");
    }
}

/// Evaluates an SPDX expression: whether it can be fulfilled with [`LICENCES`] alone.
fn licence_is_fine(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "+WITH+");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let fine = any_of(&mut rest);
    fine && rest.is_empty()
}

/// `A OR B …`; AND binds tighter.
fn any_of(words: &mut &[&str]) -> bool {
    let mut fine = all_of(words);
    while let [first, tail @ ..] = *words
        && *first == "OR"
    {
        *words = tail;
        fine |= all_of(words);
    }
    fine
}

/// `A AND B …`, each a licence or an expression in parentheses.
fn all_of(words: &mut &[&str]) -> bool {
    let mut fine = true;
    loop {
        match *words {
            ["(", tail @ ..] => {
                *words = tail;
                fine &= any_of(words);
                *words = words.get(1..).unwrap_or_default();
            }
            [licence, tail @ ..] => {
                *words = tail;
                fine &= LICENCES.contains(&licence.replace("+WITH+", " WITH ").as_str());
            }
            [] => return false,
        }
        match *words {
            ["AND", tail @ ..] => *words = tail,
            _ => return fine,
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(path, lines)| format!("{path} has {lines} lines; split it before {FILE_LINES}"))
        .collect();
    report(&long);
}
