//! SIGHUP: the program reads its file again, and sessions stand.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgp::io::{Handle, spawn};
use bgp::mrt::{Body, Records};
use bgp::policy::Policy;
use bgp::speaker::{NeighborConfig, SpeakerConfig};
use bgp::wire::{Asn, RouterId};
use serde_json::Value;

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

/// A port that nobody has just now.
fn free_port(address: &str) -> SocketAddr {
    std::net::TcpListener::bind(address).expect("a port").local_addr().expect("its number")
}

impl Program {
    fn start(name: &str, bgp: &str) -> Program {
        let folder = std::env::temp_dir().join(format!("trunkline-hangup-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let http = free_port("127.0.0.1:0");
        let file = folder.join("router.yaml");
        fs::write(&file, format!("http: {{ listen: \"{http}\" }}\n{bgp}")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(["--log", "warn", "run"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary runs");
        Program { child, folder, http }
    }

    /// Another file, and the signal.
    fn hang_up(&self, bgp: &str) {
        // Whole, as careful editors do: the program may be reading.
        let text = format!("http: {{ listen: \"{}\" }}\n{bgp}", self.http);
        fs::write(self.folder.join("new.yaml"), text).expect("a file");
        fs::rename(self.folder.join("new.yaml"), self.folder.join("router.yaml")).expect("the file");
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.http).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let body = answer.split_once("\r\n\r\n")?.1;
        serde_json::from_str(body.get(body.find('{')?..=body.rfind('}')?)?).ok()
    }

    async fn wait(&self, what: &str, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = self.get(path);
            if let Some(answer) = answer.as_ref().filter(|answer| done(answer)) {
                return answer.clone();
            }
            assert!(Instant::now() < deadline, "{what}: {answer:#?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn wait_for_routes(&self, expected: &[&str]) {
        self.wait("routes", "/bgp/routes", |answer| prefixes(answer) == expected).await;
    }

    /// The neighbour, after nothing has reset its session.
    async fn neighbor(&self) -> Value {
        let status = self.wait("the status", "/bgp/neighbors", |_| true).await;
        let of = status["neighbors"][0].clone();
        assert_eq!((of["state"].as_str(), of["established_count"].as_u64()), (Some("Established"), Some(1)), "{of:#}");
        of
    }
}

/// A neighbour of the program's, at 127.0.0.`number`, with two routes of its own.
fn neighbor(number: u8, port: u16) -> Handle {
    let of = NeighborConfig {
        port,
        local_address: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, number))),
        import: Policy::Accept,
        export: Policy::Accept,
        ..NeighborConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Asn(65001))
    };
    let originate = ["198.51.100.0/24", "203.0.113.0/24"].map(|prefix| prefix.parse().expect("a prefix"));
    let router_id = RouterId(Ipv4Addr::new(10, 0, 0, number));
    let config = SpeakerConfig { neighbors: vec![of], ..SpeakerConfig::new(Asn(65002), router_id) };
    spawn(SpeakerConfig { originate: originate.to_vec(), ..config }, &[]).expect("a speaker")
}

fn prefixes(answer: &Value) -> Vec<&str> {
    let routes = answer["routes"].as_array().map(Vec::as_slice).unwrap_or_default();
    routes.iter().filter_map(|route| route["prefix"].as_str()).collect()
}

fn bgp(listen: SocketAddr, number: u8, more: &str, import: &str) -> String {
    format!(
        "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  listen: \"{listen}\"\n{more}  policies:\n    half:\n      - {{ match: \
         {{ prefix: 203.0.113.0/24 }}, action: reject }}\n      - {{ action: accept }}\n  neighbors:\n    - {{ address: \
         127.0.0.{number}, asn: 65002, passive: true, import: {import}, export: accept }}\n"
    )
}

const BOTH: [&str; 2] = ["198.51.100.0/24", "203.0.113.0/24"];

#[tokio::test]
async fn a_new_policy_counts_at_the_signal_and_the_session_stands() {
    let listen = free_port("127.0.0.1:0");
    let program = Program::start("policy", &bgp(listen, 81, "", "accept"));
    let peer = neighbor(81, listen.port());
    program.wait_for_routes(&BOTH).await;
    program.hang_up(&bgp(listen, 81, "", "half"));
    program.wait_for_routes(&BOTH[..1]).await;
    // What cannot be read changes nothing.
    program.hang_up(&bgp(listen, 81, "", "nonsense"));
    program.hang_up(&bgp(listen, 81, "  decision: { always_compare_med: true }\n", "accept"));
    program.wait_for_routes(&BOTH).await;
    let of = program.neighbor().await;
    assert_eq!(of["messages_sent"]["route_refresh"].as_u64(), Some(0), "it was not asked again");
    peer.stop().await;
}

/// How many BGP messages are in a file, each of them whole.
fn messages(file: &Path) -> usize {
    let mut records = Records::default();
    records.push(&fs::read(file).unwrap_or_default());
    records.map(|record| record.expect("a record")).filter(|record| matches!(record.body, Body::Message(_))).count()
}

#[tokio::test]
async fn recordings_begin_and_end_at_the_signal_with_whole_messages_of_the_session_that_stands() {
    let listen = free_port("127.0.0.1:0");
    let program = Program::start("mrt", &bgp(listen, 82, "", "accept"));
    let peer = neighbor(82, listen.port());
    program.wait_for_routes(&BOTH).await;
    let mut number = 0;
    for name in ["first.mrt", "second.mrt"] {
        let file = program.folder.join(name);
        program.hang_up(&bgp(listen, 82, &format!("  mrt: {{ updates: {} }}\n", file.display()), "accept"));
        let deadline = Instant::now() + LIMIT;
        while messages(&file) == 0 {
            assert!(Instant::now() < deadline, "{}", file.display());
            // The recording begins a moment after the file.
            peer.originate(format!("192.0.{number}.0/24").parse().expect("a prefix")).await.expect("a route");
            number = (number + 1) % 256;
            tokio::time::sleep(PAUSE).await;
            peer.withdraw(format!("192.0.{number}.0/24").parse().expect("a prefix")).await.expect("a withdrawal");
        }
    }
    let first = messages(&program.folder.join("first.mrt"));
    program.hang_up(&bgp(listen, 82, "", "half"));
    program.wait("the policy", "/bgp/routes", |answer| !prefixes(answer).contains(&BOTH[1])).await;
    program.neighbor().await;
    assert_eq!(messages(&program.folder.join("first.mrt")), first, "the file before was closed");
    peer.stop().await;
}
