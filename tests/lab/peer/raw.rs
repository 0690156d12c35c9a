//! A BGP router of our own making that says exactly what a check needs: it waits to be called, announces what it is told, and reads on.
//! Written by hand, on purpose without the project's own codecs.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::exchange::bgp;
use crate::report::Fail;
use crate::wait;

/// How long reading waits before it looks whether it is to end.
const TICK: Duration = Duration::from_millis(50);

/// Longer than any check: a raw router sends one KEEPALIVE only.
const HOLD_TIME: u16 = 600;

/// What it says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub address: Ipv4Addr,
    pub router_id: Ipv4Addr,
    pub asn: u32,
    /// Without it the router is an old one: AS numbers of two octets (RFC 6793).
    pub four_octet: bool,
    /// Offers messages of up to 65,535 octets (RFC 8654).
    pub extended: bool,
}

/// One that waits for calls.
pub struct Listener {
    identity: Identity,
    listener: TcpListener,
}

/// One with a session. It reads what comes until it is dropped.
pub struct Router {
    pub identity: Identity,
    stream: TcpStream,
    end: Arc<AtomicBool>,
    heard: Heard,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// How many IPv4 routes were announced to it, by the first octet of their prefixes.
pub type Heard = Arc<[AtomicUsize; 256]>;

impl Identity {
    pub fn new(address: Ipv4Addr, asn: u32) -> Identity {
        let [_, _, _, last] = address.octets();
        Identity { address, router_id: Ipv4Addr::new(10, 255, 0, last), asn, four_octet: true, extended: false }
    }

    pub fn open(&self) -> Vec<u8> {
        let mut capabilities = vec![1, 4, 0, 1, 0, 1, 2, 0];
        if self.extended {
            capabilities.extend([6, 0]);
        }
        if self.four_octet {
            capabilities.extend([65, 4]);
            capabilities.extend(self.asn.to_be_bytes());
        }
        // AS_TRANS where the number does not fit (RFC 6793 §9).
        let short = u16::try_from(self.asn).unwrap_or(23456);
        let mut body = vec![4];
        body.extend(short.to_be_bytes());
        body.extend(HOLD_TIME.to_be_bytes());
        body.extend(self.router_id.octets());
        body.extend([capabilities.len() as u8 + 2, 2, capabilities.len() as u8]);
        body.extend(capabilities);
        body
    }
}

impl Listener {
    /// Waits at its address, port 179.
    pub fn new(identity: Identity) -> Result<Listener, Fail> {
        let listener =
            TcpListener::bind((identity.address, 179)).map_err(|error| format!("{}: {error}", identity.address))?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        Ok(Listener { identity, listener })
    }

    /// Takes a call from each of these, in whatever order they come.
    pub fn accept_all<const N: usize>(&self, from: [IpAddr; N], limit: Duration) -> Result<[Router; N], Fail> {
        let mut called: Vec<(IpAddr, TcpStream)> = Vec::new();
        wait::until(limit, || {
            while let Ok((stream, remote)) = self.listener.accept() {
                if from.contains(&remote.ip()) {
                    called.retain(|(other, _)| *other != remote.ip());
                    called.push((remote.ip(), stream));
                }
            }
            wait::ensure(called.len() == N, || format!("{} of {N} have called {}", called.len(), self.identity.address))
        })?;
        let mut routers = Vec::new();
        for address in from {
            let at = called.iter().position(|(other, _)| *other == address).ok_or("a call is lost")?;
            routers.push(self.greet(called.swap_remove(at).1, limit)?);
        }
        routers.try_into().map_err(|_| "a call is lost".to_owned())
    }

    /// Takes the call from `from` and goes through OPEN and KEEPALIVE; closes the connections of others.
    pub fn accept(&self, from: IpAddr, limit: Duration) -> Result<Router, Fail> {
        let stream = wait::until(limit, || {
            let (stream, remote) = self.listener.accept().map_err(|error| format!("{from} has not called: {error}"))?;
            wait::ensure(remote.ip() == from, || format!("{remote} called, not {from}"))?;
            Ok(stream)
        })?;
        self.greet(stream, limit)
    }

    /// OPEN and KEEPALIVE, both ways.
    fn greet(&self, mut stream: TcpStream, limit: Duration) -> Result<Router, Fail> {
        let text = |error: std::io::Error| format!("{}: {error}", self.identity.address);
        stream.set_nonblocking(false).map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        stream.set_read_timeout(Some(limit)).map_err(text)?;
        stream.write_all(&message(bgp::OPEN, &self.identity.open())).map_err(text)?;
        expect(&mut stream, bgp::OPEN)?;
        stream.write_all(&message(bgp::KEEPALIVE, &[])).map_err(text)?;
        expect(&mut stream, bgp::KEEPALIVE)?;
        stream.set_read_timeout(Some(TICK)).map_err(text)?;
        let end = Arc::new(AtomicBool::new(false));
        let heard: Heard = Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
        let (mut inside, told, counted) = (stream.try_clone().map_err(text)?, Arc::clone(&end), Arc::clone(&heard));
        let reader = std::thread::spawn(move || read_on(&mut inside, &told, &counted));
        Ok(Router { identity: self.identity, stream, end, heard, reader: Some(reader) })
    }
}

/// Reads and answers nothing but the silence: a KEEPALIVE now and then keeps short hold times happy.
fn read_on(stream: &mut TcpStream, end: &AtomicBool, heard: &Heard) {
    let mut buffer = [0; 65536];
    let mut pending: Vec<u8> = Vec::new();
    let mut said = Instant::now();
    while !end.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(octets) => {
                pending.extend_from_slice(&buffer[..octets]);
                let mut at = 0;
                while let Some(length) =
                    pending.get(at + 16..at + 18).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])))
                {
                    let Some(message) = pending.get(at..at + length.max(19)) else { break };
                    count(message, heard);
                    at += length.max(19);
                }
                pending.drain(..at);
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
        if said.elapsed() > Duration::from_secs(1) {
            said = Instant::now();
            if stream.write_all(&message(bgp::KEEPALIVE, &[])).is_err() {
                return;
            }
        }
    }
}

/// Counts what an UPDATE announces in its own NLRI field.
fn count(message: &[u8], heard: &Heard) {
    let two = |at: usize| message.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
    if message.get(18) != Some(&bgp::UPDATE) {
        return;
    }
    let Some(attributes) = two(19).map(|withdrawn| 21 + withdrawn) else { return };
    let Some(mut at) = two(attributes).map(|length| attributes + 2 + length) else { return };
    while let (Some(bits), first) = (message.get(at), message.get(at + 1)) {
        heard[usize::from(*first.unwrap_or(&0))].fetch_add(1, Ordering::Relaxed);
        at += 1 + usize::from(bits.div_ceil(8));
    }
}

/// A message with its header.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend((19 + body.len() as u16).to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// The next message, which has to be of this type.
fn expect(stream: &mut TcpStream, kind: u8) -> Result<Vec<u8>, Fail> {
    let mut header = [0; 19];
    stream.read_exact(&mut header).map_err(|error| format!("no message of type {kind}: {error}"))?;
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    let mut body = vec![0; length.saturating_sub(19)];
    stream.read_exact(&mut body).map_err(|error| format!("half a message: {error}"))?;
    wait::ensure(header[18] == kind, || format!("a message of type {}, not {kind}: {body:?}", header[18]))?;
    Ok(body)
}

impl Router {
    /// Announces a prefix of at most 32 bits with these attributes.
    pub fn announce(&mut self, prefix: &str, attributes: &Attributes) -> Result<(), Fail> {
        let attributes = attributes.encode(self.identity.four_octet);
        let mut body = vec![0, 0];
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
        body.extend(nlri(prefix)?);
        self.send(bgp::UPDATE, &body)
    }

    pub fn withdraw(&mut self, prefix: &str) -> Result<(), Fail> {
        let nlri = nlri(prefix)?;
        let mut body = (nlri.len() as u16).to_be_bytes().to_vec();
        body.extend(nlri);
        body.extend([0, 0]);
        self.send(bgp::UPDATE, &body)
    }

    /// How many routes were announced to it whose prefixes begin with this octet.
    pub fn heard(&self, first: u8) -> usize {
        self.heard[usize::from(first)].load(Ordering::Relaxed)
    }

    /// One whole message.
    pub fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Fail> {
        self.send_octets(&message(kind, body))
    }

    pub fn send_octets(&mut self, octets: &[u8]) -> Result<(), Fail> {
        self.stream.write_all(octets).map_err(|error| format!("{}: {error}", self.identity.address))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn nlri(prefix: &str) -> Result<Vec<u8>, Fail> {
    let bad = || format!("{prefix} is no IPv4 prefix");
    let (address, length) = prefix.split_once('/').ok_or_else(bad)?;
    let (address, length): (Ipv4Addr, u8) = (address.parse().map_err(|_| bad())?, length.parse().map_err(|_| bad())?);
    let mut out = vec![length];
    out.extend(&address.octets()[..usize::from(length.div_ceil(8))]);
    Ok(out)
}

/// Path attributes of a made-up route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// 0 IGP, 1 EGP, 2 INCOMPLETE.
    pub origin: u8,
    /// One AS_SEQUENCE.
    pub path: Vec<u32>,
    pub next_hop: Ipv4Addr,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub communities: Vec<(u16, u16)>,
    pub large: Vec<(u32, u32, u32)>,
    pub originator: Option<Ipv4Addr>,
    pub clusters: Vec<Ipv4Addr>,
    /// Others as they are: flags, type, value.
    pub others: Vec<(u8, u8, Vec<u8>)>,
}

impl Attributes {
    pub fn new(path: &[u32], next_hop: Ipv4Addr) -> Attributes {
        Attributes {
            origin: 0,
            path: path.to_vec(),
            next_hop,
            med: None,
            local_pref: None,
            communities: Vec::new(),
            large: Vec::new(),
            originator: None,
            clusters: Vec::new(),
            others: Vec::new(),
        }
    }

    /// In order of type. For an old neighbour AS numbers have two octets, and those that don't fit come again in AS4_PATH (RFC 6793).
    pub fn encode(&self, four_octet: bool) -> Vec<u8> {
        let mut all: Vec<(u8, u8, Vec<u8>)> = Vec::new();
        let sequence = |octets: Vec<u8>| -> Vec<u8> {
            if self.path.is_empty() { Vec::new() } else { [vec![2, self.path.len() as u8], octets].concat() }
        };
        let long = sequence(self.path.iter().flat_map(|asn| asn.to_be_bytes()).collect());
        let short = self.path.iter().flat_map(|asn| u16::try_from(*asn).unwrap_or(23456).to_be_bytes());
        all.push((0x40, 1, vec![self.origin]));
        all.push((0x40, 2, if four_octet { long.clone() } else { sequence(short.collect()) }));
        if !four_octet && self.path.iter().any(|asn| *asn > u32::from(u16::MAX)) {
            all.push((0xc0, 17, long));
        }
        all.push((0x40, 3, self.next_hop.octets().to_vec()));
        all.extend(self.med.map(|med| (0x80, 4, med.to_be_bytes().to_vec())));
        all.extend(self.local_pref.map(|local_pref| (0x40, 5, local_pref.to_be_bytes().to_vec())));
        if !self.communities.is_empty() {
            let octets =
                self.communities.iter().flat_map(|(high, low)| [high.to_be_bytes(), low.to_be_bytes()].concat());
            all.push((0xc0, 8, octets.collect()));
        }
        all.extend(self.originator.map(|id| (0x80, 9, id.octets().to_vec())));
        if !self.clusters.is_empty() {
            all.push((0x80, 10, self.clusters.iter().flat_map(|id| id.octets()).collect()));
        }
        if !self.large.is_empty() {
            let octets =
                self.large.iter().flat_map(|(a, b, c)| [a.to_be_bytes(), b.to_be_bytes(), c.to_be_bytes()].concat());
            all.push((0xc0, 32, octets.collect()));
        }
        all.extend(self.others.iter().cloned());
        all.sort_by_key(|(_, kind, _)| *kind);
        let mut out = Vec::new();
        for (flags, kind, value) in all {
            out.extend([flags, kind, value.len() as u8]);
            out.extend(value);
        }
        out
    }
}
