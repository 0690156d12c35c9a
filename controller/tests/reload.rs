//! `trunkline reload` and `run --watch`, as an operator uses them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far above what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Until it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

struct Program {
    child: Child,
    folder: PathBuf,
    http: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The binary with its own file, until it serves.
fn spawn(folder: &Path, http: SocketAddr, arguments: &[&str]) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["--log", "warn", "run"])
        .args(arguments)
        .arg(folder.join("own.yaml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let start = Instant::now();
    while std::net::TcpStream::connect(http).is_err() {
        assert!(start.elapsed() < LIMIT, "nobody serves");
        std::thread::sleep(PAUSE);
    }
    child
}

/// What a command has come to: exit status, standard output, standard error.
type Said = (Option<i32>, String, String);

impl Program {
    fn start(name: &str, arguments: &[&str], flows: &str) -> Program {
        let folder = std::env::temp_dir().join(format!("trunkline-reload-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let http = std::net::TcpListener::bind("127.0.0.1:0").and_then(|any| any.local_addr()).expect("a port");
        write(&folder.join("own.yaml"), http, flows);
        let child = spawn(&folder, http, arguments);
        Program { child, folder, http }
    }

    /// It ends without a warning, and another one starts with the same file.
    fn restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
        self.child = spawn(&self.folder, self.http, &[]);
    }

    /// Any command with its answer.
    fn ask(&self, words: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(words)
            .args(["--at", &self.http.to_string()])
            .output()
            .expect("the binary runs");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Number, how and state of each configuration of the history, the newest first.
    fn history(&self) -> Vec<(u64, String, String)> {
        let (_, out, _) = self.ask(&["history", "-o", "json"]);
        let row = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).expect("an object");
            let text = |name: &str| row[name].as_str().expect("text").to_owned();
            (row["number"].as_u64().expect("a number"), text("how"), text("state"))
        };
        out.lines().map(row).collect()
    }

    fn own(&self) -> PathBuf {
        self.folder.join("own.yaml")
    }

    /// Writes a file whole, as careful editors do.
    fn write(&self, file: &str, flows: &str) -> PathBuf {
        let new = write(&self.folder.join("new"), self.http, flows);
        let file = self.folder.join(file);
        fs::rename(new, &file).expect("a file");
        file
    }

    /// What the events of reloads say.
    fn events(&self) -> Vec<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(["show", "events", "--kind", "reload", "-o", "json", "--at", &self.http.to_string()])
            .output()
            .expect("the binary runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let what = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("an object");
            event["what"].as_str().expect("words").to_owned()
        };
        text.lines().map(what).collect()
    }

    fn reload(&self, file: Option<&Path>) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(["reload", "--at", &self.http.to_string()])
            .args(file)
            .output()
            .expect("the binary runs");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

fn write(file: &Path, http: SocketAddr, flows: &str) -> PathBuf {
    let text = format!(
        "http: {{ listen: \"{http}\", socket: off }}\nopenflow: {{ listen: [\"ptcp:0:127.0.0.1\"] }}\nflows: {{ all: [{flows}] }}\n"
    );
    fs::write(file, text).expect("a file");
    file.to_owned()
}

#[test]
fn a_reload_says_what_is_different_and_a_refused_file_what_is_wrong() {
    let program = Program::start("says", &[], "\"actions=drop\"");
    let said = |out: &str| (Some(0), format!("{out}\n"), String::new());
    assert_eq!(program.reload(None), said("nothing is different"));
    program.write("own.yaml", "\"actions=drop\", \"in_port=1,actions=output:2\"");
    assert_eq!(program.reload(None), said("changed: flows: 1 rule added, 0 changed, 0 removed"));
    assert_eq!(program.reload(None), said("nothing is different"));
    // A file that is wrong changes nothing.
    program.write("own.yaml", "\"actoins=drop\"");
    let (status, out, err) = program.reload(None);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(
        err.contains(&format!("{}:3:", program.own().display())) && err.contains("flows.all[0]: expected"),
        "{err}"
    );
    // What is sent is checked alike, under its own name; and then it counts.
    let other = program.write("other.yaml", "\"priority=0,actions=drop\"");
    let (status, _, err) = program.reload(Some(&other));
    assert!(status == Some(2) && err.contains("other.yaml:3:17: flows.all[0]: priority 0"), "{err}");
    let other = program.write("other.yaml", "\"actions=drop\"");
    assert_eq!(program.reload(Some(&other)), said("changed: flows: 0 rules added, 0 changed, 1 removed"));
    let (status, _, err) = program.reload(Some(Path::new("/nowhere.yaml")));
    assert!(status == Some(2) && err.contains("cannot be read"), "{err}");
    // All of it is among the events.
    let events = program.events();
    let own = format!("configuration {} (an operator asks for it)", program.own().display());
    let elsewhere = "configuration from elsewhere (an operator asks for it)";
    let expected = [
        format!("{own} taken on: nothing is different"),
        format!("{own} taken on: changed: flows: 1 rule added, 0 changed, 0 removed"),
        format!("{own} taken on: nothing is different"),
        format!("{own} refused, everything stays as it is: {}:3:", program.own().display()),
        format!("{elsewhere} refused, everything stays as it is: "),
        format!("{elsewhere} taken on: changed: flows: 0 rules added, 0 changed, 1 removed"),
    ];
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (event, expected) in events.iter().zip(&expected) {
        assert!(event.starts_with(expected), "{event}: not {expected}");
    }
}

#[test]
fn the_history_outlives_the_process_where_a_folder_is_named() {
    let mut program = Program::start("history", &[], "\"actions=drop\"");
    let (_, _, err) = program.ask(&["history"]);
    assert!(err.contains("forgotten when the process ends"), "{err}");
    let folder = program.folder.join("history");
    let named = |program: &Program, flows: &str| {
        let file = program.write("next.yaml", flows);
        let text = fs::read_to_string(&file).expect("a file");
        fs::write(&file, format!("{text}history: {{ directory: {}, keep: 5 }}\n", folder.display())).expect("a file");
        file
    };
    fs::rename(named(&program, "\"actions=drop\""), program.own()).expect("a file");
    program.restart();
    let before = named(&program, "\"priority=7,actions=drop\"").display().to_string();
    assert_eq!(program.ask(&["apply", &before]).0, Some(0));
    let after = named(&program, "\"priority=9,actions=drop\"").display().to_string();
    assert_eq!(program.ask(&["apply", &after]).0, Some(0));
    let row = |number: u64, how: &str, state: &str| (number, how.to_owned(), state.to_owned());
    let first = [row(3, "apply", "counts"), row(2, "apply", "past"), row(1, "start", "past")];
    assert_eq!(program.history(), first);
    // Somebody has been at one of the files.
    fs::write(folder.join("000003.configuration"), "torn").expect("a file");
    program.restart();
    assert_eq!(program.history(), [row(4, "start", "counts"), row(2, "apply", "past"), row(1, "start", "past")]);
    let (_, _, err) = program.ask(&["history"]);
    assert!(err.contains("000003.configuration: its first line has no end") && !err.contains("forgotten"), "{err}");
    let (status, out, err) = program.ask(&["rollback", "2"]);
    assert_eq!((status, out.as_str()), (Some(0), "changed: flows: 1 rule added, 0 changed, 1 removed\n"), "{err}");
    assert_eq!(program.history()[0], row(5, "rollback", "counts"));
}

#[test]
fn keys_that_need_a_restart_are_named_until_it_has_come() {
    let program = Program::start("restart", &[], "");
    let file = program.own();
    let text = fs::read_to_string(&file).expect("a file").replace("ptcp:0:", "ptcp:16653:");
    fs::write(&file, text).expect("a file");
    for _ in 0..2 {
        let said = "counts from the next start on: openflow.listen\n".to_owned();
        assert_eq!(program.reload(None), (Some(0), said, String::new()));
    }
}

#[test]
fn a_watched_file_is_taken_on_by_itself() {
    let mut program = Program::start("watch", &["--watch"], "");
    // The log of a refused file is the sign that it was read.
    program.write("own.yaml", "\"priority=0,actions=drop\"");
    let mut log = std::io::BufReader::new(program.child.stderr.take().expect("its log"));
    let mut text = String::new();
    let signs = ["flows.all[0]: priority 0", "refused"];
    while !signs.iter().all(|sign| text.contains(sign)) {
        let read = std::io::BufRead::read_line(&mut log, &mut text).expect("its log");
        assert!(read > 0, "it has ended: {text}");
    }
}
