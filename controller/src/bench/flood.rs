//! The attacker of mode `attack`: one peer that misbehaves, in a process of its own, until its standard input ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use clap::{Args, ValueEnum};
use net::{DatapathId, Time};

use super::switch::{Heard, Switch};
use super::traffic::{Frame, Traffic, Workload};
use crate::io::clock::Clock;

/// Connections that say nothing, or dribble.
const IDLE_PEERS: usize = 2_000;
const DRIBBLERS: usize = 500;
/// An octet of each dribbler comes this often.
const DRIBBLE_PAUSE: Duration = Duration::from_secs(1);
/// Connections per second of the connect flood, and how often they are made.
const CONNECTS_PER_SECOND: u32 = 10_000;
const CONNECT_PAUSE: Duration = Duration::from_millis(2);
/// Packet-ins in one write of the packet-in flood, and senders that they show in turn.
const FLOOD_BATCH: u64 = 512;
const FLOOD_HOSTS: u32 = 100_000;
/// A port description that never ends: parts of this many ports, each with REPLY_MORE.
const PART_PORTS: usize = 1_000;
/// The attacker's datapath id: none of the other switches'.
const DATAPATH_ID: DatapathId = DatapathId(0x0bad_0bad);

/// How to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// 2,000 connections that say nothing; who is put out comes back.
    HalfOpen,
    /// 500 connections that send an octet a second.
    Dribble,
    /// A switch whose port description never ends, in parts of 64 KiB, as fast as they are taken.
    Multipart,
    /// A switch that sends packet-ins with ever new senders as fast as they are taken.
    PacketIns,
    /// 10,000 connections a second, each closed at once.
    Connects,
}

impl Kind {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The arguments of the hidden `trunkline bench flood`.
#[derive(Clone, Copy, Debug, Args)]
pub struct FloodArgs {
    /// How.
    #[arg(value_enum)]
    kind: Kind,
    /// Whom.
    #[arg(long)]
    to: SocketAddr,
    /// It is the floor, which speaks no OpenFlow: no handshake.
    #[arg(long)]
    floor: bool,
}

/// Misbehaves until standard input ends, then says what was done.
///
/// # Errors
/// What kept it from misbehaving.
pub fn flood(arguments: &FloodArgs, out: &mut dyn Write) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let ended = stop.clone();
    std::thread::spawn(move || {
        let mut octet = [0];
        while std::io::stdin().read(&mut octet).is_ok_and(|count| count > 0) {}
        ended.store(true, Ordering::Relaxed);
    });
    let done = match arguments.kind {
        Kind::HalfOpen => idle(arguments.to, IDLE_PEERS, None, &stop),
        Kind::Dribble => idle(arguments.to, DRIBBLERS, Some(&dribbled()), &stop),
        Kind::Multipart => stream(arguments, &mut endless_ports(), "parts", 1, &stop),
        Kind::PacketIns => {
            let traffic = Traffic::new(Workload::New, Frame::Arp, 2, FLOOD_HOSTS);
            let mut sent = 0;
            let mut next = |out: &mut Vec<u8>| {
                // Switch 1 of 2: its addresses are none of the first switch's.
                traffic.put(1, sent, FLOOD_BATCH, out);
                sent = (sent + FLOOD_BATCH) % u64::from(FLOOD_HOSTS);
            };
            stream(arguments, &mut next, "packet-ins", FLOOD_BATCH, &stop)
        }
        Kind::Connects => connects(arguments.to, &stop),
    };
    writeln!(out, "{}", done?).map_err(|error| error.to_string())
}

/// Connections that stay, and say an octet of `text` a second, if anything.
fn idle(to: SocketAddr, count: usize, text: Option<&[u8]>, stop: &AtomicBool) -> Result<String, String> {
    let mut peers: Vec<(TcpStream, usize)> = Vec::new();
    let (mut opened, mut closed) = (0_u64, 0_u64);
    let mut scrap = [0; 4_096];
    while !stop.load(Ordering::Relaxed) {
        while peers.len() < count && !stop.load(Ordering::Relaxed) {
            let Ok(stream) = TcpStream::connect_timeout(&to, Duration::from_secs(1)) else { break };
            let _ = stream.set_nonblocking(true);
            peers.push((stream, 0));
            opened += 1;
        }
        let before = peers.len();
        peers.retain_mut(|(stream, at)| {
            if let Some(text) = text {
                let octet = text.get(*at).copied().unwrap_or(0);
                *at += 1;
                if stream.write(&[octet]).is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
                    return false;
                }
            }
            loop {
                match stream.read(&mut scrap) {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
        });
        closed += (before - peers.len()) as u64;
        std::thread::sleep(DRIBBLE_PAUSE);
    }
    Ok(format!("{opened} connections, {closed} put out"))
}

/// What a dribbler says: HELLO, and then a message of 64 KiB.
fn dribbled() -> Vec<u8> {
    let mut text = Switch::hello();
    text.extend([4, 19, 0xff, 0xff, 0, 0, 0, 2, 0, 13]);
    text
}

/// The parts of a port description without an end.
fn endless_ports() -> impl FnMut(&mut Vec<u8>) {
    use openflow::{Message, MultipartReply, MultipartReplyBody, Port};
    let mut next = 0_u32;
    move |out| {
        let ports = (0..PART_PORTS)
            .map(|_| {
                next = next.wrapping_add(1);
                Port::new(net::PortNo(next), net::MacAddr([6, 0, 0, 0, 0, 1]), "endless")
            })
            .collect();
        let body = MultipartReplyBody::PortDesc(ports);
        let mut message = BytesMut::new();
        let _ = Message::MultipartReply(MultipartReply { more: true, body }).encode(0, &mut message);
        out.extend_from_slice(&message);
    }
}

/// One switch that writes without an end, and reads so that it is not put out for that.
fn stream(
    arguments: &FloodArgs,
    next: &mut dyn FnMut(&mut Vec<u8>),
    what: &str,
    each: u64,
    stop: &AtomicBool,
) -> Result<String, String> {
    let clock = Clock::start();
    let (mut writes, mut connections) = (0_u64, 0_u64);
    let mut octets = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect_timeout(&arguments.to, Duration::from_secs(1)) else {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        connections += 1;
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let _ = stream.set_write_timeout(Some(Duration::from_millis(200)));
        if !arguments.floor {
            handshake(&mut stream, stop)?;
        }
        let mut reader = stream.try_clone().map_err(|error| error.to_string())?;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut scrap = vec![0; 64 * 1024];
                while !stop.load(Ordering::Relaxed) {
                    match reader.read(&mut scrap) {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                        Err(_) => break,
                    }
                }
            });
            'writing: while !stop.load(Ordering::Relaxed) {
                octets.clear();
                next(&mut octets);
                let mut rest = octets.as_slice();
                while !rest.is_empty() {
                    match stream.write(rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            if stop.load(Ordering::Relaxed) {
                                break 'writing;
                            }
                        }
                        Err(_) => break 'writing,
                    }
                }
                writes += 1;
            }
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
    let seconds = clock.now().since(Time::ZERO).as_secs_f64();
    Ok(format!("{:.0} {what}/s, {connections} connections", (writes * each) as f64 / seconds))
}

/// Becomes a switch: until its ports are edges, if it has any.
fn handshake(stream: &mut TcpStream, stop: &AtomicBool) -> Result<(), String> {
    let mut switch = Switch::new(DATAPATH_ID, 1_000);
    let clock = Clock::start();
    let mut input = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    stream.write_all(&Switch::hello()).map_err(|error| error.to_string())?;
    // The dwell is half a second; probes of a thousand ports take another.
    while clock.now() < Time::ZERO + Duration::from_millis(1_500) && !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => input.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error.to_string()),
        }
        let mut replies = BytesMut::new();
        let read = switch.scan(&input, &mut replies, &mut Heard::default(), |_| ())?;
        input.drain(..read);
        if stream.write_all(&replies).is_err() {
            break;
        }
    }
    Ok(())
}

/// Connections that come and go.
fn connects(to: SocketAddr, stop: &AtomicBool) -> Result<String, String> {
    use socket2::{Domain, Protocol, SockRef, Socket, Type};
    let clock = Clock::start();
    let (mut done, mut failed) = (0_u64, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        let seconds = clock.now().since(Time::ZERO).as_secs_f64();
        let due = (seconds * f64::from(CONNECTS_PER_SECOND)) as u64;
        while done + failed < due && !stop.load(Ordering::Relaxed) {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP));
            match socket.and_then(|socket| socket.connect(&to.into()).map(|()| socket)) {
                Ok(socket) => {
                    // A reset instead of a long good-bye: ports are used up otherwise.
                    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
                    done += 1;
                }
                Err(_) => failed += 1,
            }
        }
        std::thread::sleep(CONNECT_PAUSE);
    }
    let seconds = clock.now().since(Time::ZERO).as_secs_f64();
    Ok(format!("{:.0} connections/s, {failed} failed", done as f64 / seconds))
}
