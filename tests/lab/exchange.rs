//! Octets to and from the controller's ports: what a hostile or broken peer sends. Written by hand, on purpose without the project's own
//! codecs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::report::Fail;
use crate::wait;

/// The controller's OpenFlow port in the lab.
const OPENFLOW: &str = "127.0.0.1:6653";

/// Reads are tried this often.
const TICK: Duration = Duration::from_millis(50);

/// Connects to the controller's OpenFlow port.
pub fn connect() -> Result<TcpStream, Fail> {
    let address: SocketAddr = OPENFLOW.parse().map_err(|error| format!("{OPENFLOW}: {error}"))?;
    let stream =
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(|error| format!("{OPENFLOW}: {error}"))?;
    stream.set_read_timeout(Some(TICK)).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Reads until the other side has closed; everything that came. Still open at `limit` is a failure.
pub fn read_to_close(stream: &mut TcpStream, limit: Duration) -> Result<Vec<u8>, Fail> {
    let start = Instant::now();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while start.elapsed() < limit {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(received),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A reset is a way of closing, too.
            Err(_) => return Ok(received),
        }
    }
    Err(format!("the connection is still open after {:.0} s; {} octets came", limit.as_secs_f64(), received.len()))
}

/// Cuts octets into OpenFlow messages.
pub fn openflow_messages(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while octets.len() >= 8 {
        let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        if length < 8 || length > octets.len() {
            break;
        }
        let (message, rest) = octets.split_at(length);
        messages.push(message);
        octets = rest;
    }
    messages
}

/// An OpenFlow HELLO without elements.
pub fn openflow_hello(version: u8) -> Vec<u8> {
    vec![version, 0, 0, 8, 0, 0, 0, 1]
}

/// Octets without a meaning, the same for the same seed.
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A BGP router of the kind that one doesn't want as a neighbour: it waits for the controller to call.
pub struct RawNeighbor {
    stream: TcpStream,
    asn: u16,
    pending: Vec<u8>,
}

/// A BGP message: its type and its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BgpMessage {
    pub kind: u8,
    pub body: Vec<u8>,
}

/// Message types (RFC 4271 §4.1).
pub mod bgp {
    pub const OPEN: u8 = 1;
    pub const UPDATE: u8 = 2;
    pub const NOTIFICATION: u8 = 3;
    pub const KEEPALIVE: u8 = 4;
}

impl RawNeighbor {
    /// Waits for a call at `address` and goes through OPEN and KEEPALIVE until the session is established.
    pub fn accept(listener: &TcpListener, asn: u16, limit: Duration) -> Result<RawNeighbor, Fail> {
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let stream = wait::until(limit, || {
            listener.accept().map(|(stream, _)| stream).map_err(|error| format!("nobody called: {error}"))
        })?;
        stream.set_nonblocking(false).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(TICK)).map_err(|error| error.to_string())?;
        let mut neighbor = RawNeighbor { stream, asn, pending: Vec::new() };
        neighbor.send(bgp::OPEN, &neighbor.open())?;
        neighbor.expect(bgp::OPEN, limit)?;
        neighbor.send(bgp::KEEPALIVE, &[])?;
        neighbor.expect(bgp::KEEPALIVE, limit)?;
        Ok(neighbor)
    }

    /// An OPEN: hold time 90 s, IPv4 unicast, route refresh, 4-octet AS numbers.
    fn open(&self) -> Vec<u8> {
        let mut capabilities = vec![1, 4, 0, 1, 0, 1, 2, 0, 65, 4, 0, 0];
        capabilities.extend(self.asn.to_be_bytes());
        let mut body = vec![4];
        body.extend(self.asn.to_be_bytes());
        body.extend([0, 90, 10, 255, 0, self.asn as u8]);
        body.extend([capabilities.len() as u8 + 2, 2, capabilities.len() as u8]);
        body.extend(capabilities);
        body
    }

    /// Sends one message.
    pub fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Fail> {
        let mut message = vec![0xff; 16];
        message.extend((19 + body.len() as u16).to_be_bytes());
        message.push(kind);
        message.extend(body);
        self.send_octets(&message)
    }

    /// Sends octets as they are.
    pub fn send_octets(&mut self, octets: &[u8]) -> Result<(), Fail> {
        self.stream.write_all(octets).map_err(|error| format!("send: {error}"))
    }

    /// The next message, `None` when the other side has closed.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<BgpMessage>, Fail> {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            if self.pending.len() >= 19 {
                let length = usize::from(u16::from_be_bytes([self.pending[16], self.pending[17]]));
                if self.pending.len() >= length.max(19) {
                    let message: Vec<u8> = self.pending.drain(..length.max(19)).collect();
                    return Ok(Some(BgpMessage { kind: message[18], body: message[19..].to_vec() }));
                }
            }
            if start.elapsed() > limit {
                return Err(format!("nothing came within {:.0} s", limit.as_secs_f64()));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(format!("receive: {error}")),
            }
        }
    }

    /// Reads until a message of this type; a NOTIFICATION instead, or the end, is a failure.
    pub fn expect(&mut self, kind: u8, limit: Duration) -> Result<BgpMessage, Fail> {
        let start = Instant::now();
        while start.elapsed() < limit {
            match self.receive(limit.saturating_sub(start.elapsed()))? {
                Some(message) if message.kind == kind => return Ok(message),
                Some(message) if message.kind == bgp::NOTIFICATION => {
                    return Err(format!("NOTIFICATION {:?} instead of a message of type {kind}", message.body));
                }
                Some(_) => {}
                None => return Err(format!("closed instead of a message of type {kind}")),
            }
        }
        Err(format!("no message of type {kind} within {:.0} s", limit.as_secs_f64()))
    }
}

/// An UPDATE's body: no withdrawn routes, these path attributes, this NLRI.
pub fn bgp_update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend(nlri);
    body
}

/// ORIGIN igp, AS_PATH of one AS, NEXT_HOP: what every announcement has to carry.
pub fn bgp_attributes(asn: u16, next_hop: [u8; 4]) -> Vec<u8> {
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0];
    attributes.extend(asn.to_be_bytes());
    attributes.extend([0x40, 3, 4]);
    attributes.extend(next_hop);
    attributes
}
