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
