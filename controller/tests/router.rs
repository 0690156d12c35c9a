//! A controller whose configuration has nothing but BGP: a router on its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use controller::config::Config;
use controller::service::Controller;

#[test]
fn with_bgp_alone_the_openflow_port_stays_closed_and_all_else_runs() {
    let text = "http: { listen: \"127.0.0.1:0\" }\n\
                bgp: { asn: 65001, router_id: 10.0.0.1, listen: \"127.0.0.1:0\", originate: [203.0.113.0/24] }\n";
    let controller = Controller::start(&Config::parse(text).unwrap()).unwrap();
    assert!(controller.openflow_addresses().is_empty());
    let neighbors = *controller.bgp().unwrap().speaker().listening().first().unwrap();
    assert!(TcpStream::connect(neighbors).is_ok(), "neighbours can connect");

    let mut stream = TcpStream::connect(controller.http_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    controller.stop();
}

/// The answer to a command of the binary, asked of this controller.
fn ask(controller: &Controller, words: &[&str]) -> (bool, String) {
    let at = controller.http_address().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(words)
        .args(["--at", &at])
        .output()
        .expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_running_router_says_its_neighbours_its_routes_and_why() {
    let text = "http: { listen: \"127.0.0.1:0\" }\n\
                bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  listen: \"127.0.0.1:0\"\n  \
                originate: [203.0.113.0/24, \"2001:db8::/32\"]\n  \
                neighbors: [{ address: 127.0.0.77, asn: 65002, passive: true, import: accept, export: accept, shutdown: not yet }]\n";
    let controller = Controller::start(&Config::parse(text).unwrap()).unwrap();

    let (good, text) = ask(&controller, &["bgp", "show", "neighbors"]);
    assert!(
        good && text.contains("127.0.0.77") && text.contains("AS65002") && text.contains("shut down here"),
        "{text}"
    );
    let (good, text) = ask(&controller, &["bgp", "show", "routes"]);
    assert_eq!((good, text.as_str()), (true, "* 203.0.113.0/24 via 0.0.0.0 path (empty) IGP\n"));
    let (good, text) = ask(&controller, &["bgp", "show", "routes", "--family", "ipv6-unicast", "-o", "json"]);
    assert!(good && text.starts_with("{\"prefix\":\"2001:db8::/32\"") && text.lines().count() == 1, "{text}");
    let (good, text) = ask(&controller, &["bgp", "why", "203.0.113.0/24"]);
    assert!(good && text.ends_with("    best\n"), "{text}");
    let (good, text) = ask(&controller, &["bgp", "why", "198.51.100.0/24"]);
    assert!(!good && text.contains("there is no route to 198.51.100.0/24"), "{text}");
    controller.stop();
}

/// The answer to a POST with these further header lines.
fn post(controller: &Controller, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(controller.http_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_operator_shuts_a_neighbour_down_and_starts_it_and_a_page_in_a_browser_does_not() {
    let text = "http: { listen: \"127.0.0.1:0\" }\n\
                bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  listen: \"127.0.0.1:0\"\n  \
                neighbors: [{ address: 127.0.0.77, asn: 65002, passive: true, import: accept, export: accept }]\n";
    let controller = Controller::start(&Config::parse(text).unwrap()).unwrap();
    let answer = post(&controller, "/bgp/shutdown?neighbor=127.0.0.77", "origin: http://127.0.0.1\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let long = format!("/bgp/shutdown?neighbor=127.0.0.77&message={}", "x".repeat(256));
    assert!(post(&controller, &long, "").starts_with("HTTP/1.1 400"));
    let (_, text) = ask(&controller, &["bgp", "show", "neighbors"]);
    assert!(!text.contains("shut down"), "{text}");

    let words = ["bgp", "shutdown", "127.0.0.77", "--message", "new optics & more, 100 %"];
    assert_eq!(ask(&controller, &words), (true, "127.0.0.77 is shut down\n".to_owned()));
    let (_, text) = ask(&controller, &["bgp", "show", "neighbors"]);
    assert!(text.contains("shut down here: new optics & more, 100 %"), "{text}");
    let (good, _) = ask(&controller, &["bgp", "start", "127.0.0.77"]);
    let (_, text) = ask(&controller, &["bgp", "show", "neighbors"]);
    assert!(good && text.contains("Active"), "{text}");
    let (good, text) = ask(&controller, &["bgp", "reset", "127.0.0.77", "--soft", "in"]);
    assert!(!good && text.contains("has no session that can be asked"), "{text}");
    let (good, text) = ask(&controller, &["bgp", "reset", "127.0.0.78"]);
    assert!(!good && text.contains("there is no neighbour 127.0.0.78"), "{text}");
    controller.stop();
}

#[test]
fn another_configuration_is_taken_on_without_a_restart() {
    let text = |neighbors: &str, originate: &str| {
        format!(
            "http: {{ listen: \"127.0.0.1:0\" }}\nbgp: {{ asn: 65001, router_id: 10.0.0.1, listen: \"127.0.0.1:0\", \
             originate: [{originate}], neighbors: [{neighbors}] }}\n"
        )
    };
    let parse = |text: String| Config::parse(&text).unwrap();
    let neighbor = "{ address: 127.0.0.77, asn: 65002, passive: true, import: accept, export: accept }";
    let controller = Controller::start(&parse(text(neighbor, "203.0.113.0/24"))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let other = parse(text(
        "{ address: 127.0.0.78, asn: 65003, passive: true, import: accept, export: accept }",
        "198.51.100.0/24",
    ));
    runtime.block_on(controller.bgp().unwrap().reload(other.bgp.as_ref().unwrap())).unwrap();
    let (_, text) = ask(&controller, &["bgp", "show", "neighbors"]);
    assert!(text.contains("127.0.0.78") && !text.contains("127.0.0.77"), "{text}");
    let (_, text) = ask(&controller, &["bgp", "show", "routes"]);
    assert_eq!(text, "* 198.51.100.0/24 via 0.0.0.0 path (empty) IGP\n");
    controller.stop();
}
