//! As much of an HTTP client as the lab needs: one GET, one answer, the connection closed after it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::report::Fail;

/// An answer that takes longer is a failure.
const LIMIT: Duration = Duration::from_secs(5);

/// GETs `http://ADDRESS/PATH` and gives the body of a 200 answer.
pub fn get(address: &str, path: &str) -> Result<String, Fail> {
    let fail = |what: &str, error: &dyn std::fmt::Display| format!("GET http://{address}{path}: {what}: {error}");
    let socket: SocketAddr = address.parse().map_err(|error| fail("address", &error))?;
    let mut stream = TcpStream::connect_timeout(&socket, LIMIT).map_err(|error| fail("connect", &error))?;
    stream.set_read_timeout(Some(LIMIT)).map_err(|error| fail("socket", &error))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| fail("send", &error))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(|error| fail("read", &error))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| fail("answer", &"has no end of head"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(fail("answer", &status)) }
}

/// GETs a JSON document.
pub fn get_json(address: &str, path: &str) -> Result<Value, Fail> {
    let body = get(address, path)?;
    serde_json::from_str(&body).map_err(|error| format!("GET http://{address}{path}: {error}"))
}

/// Percent-encodes what a query parameter may not hold.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
