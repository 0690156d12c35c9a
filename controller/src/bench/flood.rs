//! The attacker of mode `attack`: one peer that misbehaves, in a process of its own, until its standard input ends.

mod comers;
mod parts;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use clap::{Args, ValueEnum};
use net::{DatapathId, Time};
use openflow::oxm::EXPERIMENTER_ONF;
use openflow::{BUNDLE_ADD_HEAD, EXP_TYPE_BUNDLE_ADD_MESSAGE, MessageType, MultipartType, frame_length};

use super::switch::{Heard, Switch};
use crate::io::clock::Clock;
use comers::{Comers, Goers};
use parts::Parts;

/// Connections that say nothing, or dribble.
const IDLE_PEERS: usize = 2_000;
const DRIBBLERS: usize = 500;
/// An octet of each dribbler comes this often.
const DRIBBLE_PAUSE: Duration = Duration::from_secs(1);
/// Connections per second of the connect flood, and how often they are made.
const CONNECTS_PER_SECOND: u32 = 10_000;
const CONNECT_PAUSE: Duration = Duration::from_millis(2);
/// Packet-ins in one write of the packet-in flood, and how many may be without an answer: about what the controller reads at once. With more
/// the answers to its barriers would be far behind, and it would learn no faster than it may send rules without one.
const FLOOD_BATCH: u64 = 64;
const FLOOD_OPEN: u64 = 128;
/// Some packet-ins may never be answered: after this without an answer they are given up.
const GIVEN_UP: Duration = Duration::from_millis(50);
/// The writer looks for answers this often.
const LOOK: Duration = Duration::from_micros(20);
/// How long a read or a write of a switch waits before it looks whether it is to end.
const PATIENCE: Duration = Duration::from_millis(200);
/// What is put out, or finds nobody, comes back after this.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);
/// How long a switch behaves at first: a port dwells half a second, and is asked for its rules after its ports.
const BEGINNING: Duration = Duration::from_millis(1_500);
/// The attacker's datapath id: none of the other switches'.
const DATAPATH_ID: DatapathId = DatapathId(0x0bad_0bad);

/// How to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// 2,000 connections that say nothing; who is put out comes back.
    HalfOpen,
    /// 500 connections that send an octet a second.
    Dribble,
    /// A switch that sends parts of an answer that nobody asked for, 64 KiB each, as fast as they are taken.
    Unasked,
    /// A switch whose answer to the question for its ports never ends, in parts of 64 KiB, as fast as they are taken; put out, it comes back.
    Ports,
    /// A switch that tells of ever new rules of ours when it is read back, in parts of 64 KiB, as fast as they are taken; put out, it comes
    /// back.
    Rules,
    /// A switch that sends packet-ins with ever new senders as fast as they are answered; the rules of the eldest idle out, so that each one is
    /// learned.
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
        Kind::Unasked => endless(arguments, Parts::ports(), Beginning::Joined, &stop),
        Kind::Ports => endless(arguments, Parts::ports(), Beginning::Asked(MultipartType::PORT_DESC), &stop),
        Kind::Rules => endless(arguments, Parts::flows(), Beginning::Asked(MultipartType::FLOW), &stop),
        Kind::PacketIns => {
            let (mut comers, mut goers) = (Comers::new(), Goers::new());
            Flood {
                beginning: Beginning::Joined,
                ports: comers::PORTS,
                next: &mut |_, out| (0..FLOOD_BATCH).for_each(|_| comers.put(out)),
                hear: &mut |flow_mod, out| goers.hear(flow_mod, out),
                what: "packet-ins",
                each: FLOOD_BATCH,
                open: FLOOD_OPEN,
            }
            .run(arguments, &stop)
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

/// A switch without ports whose answer never ends.
fn endless(arguments: &FloodArgs, mut parts: Parts, beginning: Beginning, stop: &AtomicBool) -> Result<String, String> {
    let next = &mut |xid, out: &mut Vec<u8>| parts.put(xid, out);
    Flood { beginning, ports: 0, next, hear: &mut |_, _| (), what: "parts", each: 1, open: u64::MAX }
        .run(arguments, stop)
}

/// How a switch begins before it misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Its ports are edges, if it has any.
    Joined,
    /// It is asked this, and answers from now on.
    Asked(MultipartType),
}

/// A switch that writes without an end.
struct Flood<'f> {
    beginning: Beginning,
    ports: u32,
    /// What it writes, for the question with this number.
    next: &'f mut dyn FnMut(u32, &mut Vec<u8>),
    /// What it answers to a FLOW_MOD.
    hear: &'f mut Hear<'f>,
    /// What one write is, and how many of it.
    what: &'f str,
    each: u64,
    /// It writes no more as long as so many have no answer.
    open: u64,
}

type Hear<'f> = dyn FnMut(&[u8], &mut BytesMut) + Send + 'f;

impl Flood<'_> {
    /// Writes, and reads and answers meanwhile so that it is not put out for that. Put out, it comes back.
    fn run(self, arguments: &FloodArgs, stop: &AtomicBool) -> Result<String, String> {
        let Flood { beginning, ports, next, hear, what, each, open } = self;
        let open = if arguments.floor { u64::MAX } else { open };
        let clock = Clock::start();
        let (mut writes, mut connections, mut flow_mods) = (0_u64, 0_u64, 0_u64);
        let mut octets = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect_timeout(&arguments.to, Duration::from_secs(1)) else {
                std::thread::sleep(RECONNECT_PAUSE);
                continue;
            };
            connections += 1;
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.set_write_timeout(Some(PATIENCE));
            let (mut switch, mut input) = (Switch::new(DATAPATH_ID, ports), Vec::new());
            let xid = match arguments.floor {
                true => Some(0),
                false => begin(&mut stream, &mut switch, &mut input, beginning, stop)?,
            };
            let Some(xid) = xid else {
                std::thread::sleep(RECONNECT_PAUSE);
                continue;
            };
            let mut reader = stream.try_clone().map_err(|error| error.to_string())?;
            let (replies, answers) = (Mutex::new(BytesMut::new()), AtomicU64::new(0));
            let (floor, heard) = (arguments.floor, &mut *hear);
            std::thread::scope(|scope| {
                let reading = scope.spawn(|| {
                    let (mut buffer, mut said, mut flow_mods) = (vec![0; 64 * 1024], BytesMut::new(), 0);
                    while !stop.load(Ordering::Relaxed) {
                        match reader.read(&mut buffer) {
                            Ok(0) => break,
                            Ok(_) if floor => {}
                            Ok(count) => input.extend_from_slice(&buffer[..count]),
                            Err(error) if is_late(&error) => {}
                            Err(_) => break,
                        }
                        let Ok((read, new)) = answer(&mut switch, &input, &mut said, heard) else { break };
                        input.drain(..read);
                        flow_mods += new.flow_mods;
                        if !said.is_empty() {
                            replies.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&said);
                            said.clear();
                        }
                        answers.fetch_add(new.answers, Ordering::Relaxed);
                    }
                    flow_mods
                });
                let (mut sent, mut last) = (0_u64, clock.now());
                'writing: while !stop.load(Ordering::Relaxed) {
                    octets.clear();
                    octets.extend_from_slice(&replies.lock().unwrap_or_else(PoisonError::into_inner).split());
                    let answered = answers.load(Ordering::Relaxed);
                    if sent.saturating_sub(answered) < open {
                        next(xid, &mut octets);
                        (sent, last) = (sent + each, clock.now());
                        writes += 1;
                    } else if octets.is_empty() {
                        if clock.now() > last + GIVEN_UP {
                            sent = answered;
                        }
                        std::thread::sleep(LOOK);
                    }
                    let mut rest = octets.as_slice();
                    while !rest.is_empty() {
                        match stream.write(rest) {
                            Ok(count) => rest = &rest[count..],
                            Err(error) if is_late(&error) => {
                                if stop.load(Ordering::Relaxed) {
                                    break 'writing;
                                }
                            }
                            Err(_) => break 'writing,
                        }
                    }
                }
                let _ = stream.shutdown(Shutdown::Both);
                flow_mods += reading.join().unwrap_or(0);
            });
        }
        let seconds = clock.now().since(Time::ZERO).as_secs_f64();
        let rate = |count: u64| count as f64 / seconds;
        let mut text = format!("{:.0} {what}/s, {connections} connections", rate(writes * each));
        if flow_mods > 0 {
            text += &format!(", {:.0} FLOW_MODs/s", rate(flow_mods));
        }
        Ok(text)
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Answers whole messages as a switch that behaves: how many octets that were, and what was in them.
fn answer(
    switch: &mut Switch,
    input: &[u8],
    out: &mut BytesMut,
    hear: &mut (dyn FnMut(&[u8], &mut BytesMut) + Send),
) -> Result<(usize, Heard), String> {
    let (mut at, mut heard) = (0, Heard::default());
    while let Some(frame) = whole_frame(&input[at..])? {
        if frame[1] == MessageType::FLOW_MOD.0 {
            hear(frame, out);
        } else if let Some(flow_mod) = bundled_flow_mod(frame) {
            hear(flow_mod, out);
        }
        at += switch.scan(frame, out, &mut heard, |_| ())?;
    }
    Ok((at, heard))
}

/// The FLOW_MOD that a message puts into a bundle.
fn bundled_flow_mod(frame: &[u8]) -> Option<&[u8]> {
    let is_add = frame[1] == MessageType::EXPERIMENTER.0
        && frame.get(8..12)? == EXPERIMENTER_ONF.to_be_bytes()
        && frame.get(12..16)? == EXP_TYPE_BUNDLE_ADD_MESSAGE.to_be_bytes();
    frame.get(BUNDLE_ADD_HEAD..).filter(|inner| is_add && inner.get(1) == Some(&MessageType::FLOW_MOD.0))
}

fn whole_frame(input: &[u8]) -> Result<Option<&[u8]>, String> {
    let length = frame_length(input).map_err(|error| error.to_string())?;
    Ok(length.and_then(|length| input.get(..length)))
}

/// Becomes a switch. The number of the question that it is asked, or zero; nothing if it was put out, or never asked.
fn begin(
    stream: &mut TcpStream,
    switch: &mut Switch,
    input: &mut Vec<u8>,
    beginning: Beginning,
    stop: &AtomicBool,
) -> Result<Option<u32>, String> {
    let clock = Clock::start();
    let mut buffer = vec![0; 64 * 1024];
    if stream.write_all(&Switch::hello()).is_err() {
        return Ok(None);
    }
    while clock.now() < Time::ZERO + BEGINNING && !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => input.extend_from_slice(&buffer[..count]),
            Err(error) if is_late(&error) => continue,
            Err(_) => return Ok(None),
        }
        let (mut replies, mut at) = (BytesMut::new(), 0);
        let mut question = None;
        while question.is_none()
            && let Some(frame) = whole_frame(&input[at..])?
        {
            match asked(frame) {
                Some((kind, xid)) if beginning == Beginning::Asked(kind) => {
                    question = Some(xid);
                    at += frame.len();
                }
                _ => at += switch.scan(frame, &mut replies, &mut Heard::default(), |_| ())?,
            }
        }
        input.drain(..at);
        if stream.write_all(&replies).is_err() {
            return Ok(None);
        }
        if question.is_some() {
            return Ok(question);
        }
    }
    Ok((beginning == Beginning::Joined).then_some(0))
}

/// What a multipart request asks for, and its number (OpenFlow 1.3.5 §7.3.5).
fn asked(frame: &[u8]) -> Option<(MultipartType, u32)> {
    match *frame {
        [_, kind, _, _, a, b, c, d, high, low, ..] if kind == MessageType::MULTIPART_REQUEST.0 => {
            Some((MultipartType(u16::from_be_bytes([high, low])), u32::from_be_bytes([a, b, c, d])))
        }
        _ => None,
    }
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
