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
