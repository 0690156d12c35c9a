//! One BGP neighbour that behaves as badly as it can, while an honest one announces a table to another: the table arrives nearly as fast as when
//! an honest neighbour makes the same load, and memory stays bounded.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Lab;
use crate::controller::{Controller, HTTP};
use crate::exchange::bgp;
use crate::peer::raw::{Attributes, Identity, Listener, Router, message};
use crate::process;
use crate::report::{Fail, Outcome, Report};
use crate::wait;

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SENDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 12);
/// The one under suspicion comes over loopback, where it can call as often as it likes.
const SUSPECT_AS: u32 = 65013;
const PORT: u16 = 1179;
/// The next hop of its routes.
const SUSPECT_HOP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 13);

const LIMIT: Duration = Duration::from_secs(60);

/// Prefixes of the sender begin with this octet, those of the other one with 10.
const HONEST_OCTET: u8 = 100;

/// Below this a convergence is all noise of the machine: twice of it is no finding.
const NOISE: Duration = Duration::from_millis(250);

/// What a route of the suspect may cost, attributes of its own included, above what the process has at rest.
const OCTETS_PER_ROUTE: u64 = 300;
/// And the process at rest with what a neighbour may cost however it behaves: buffers of both directions.
const OCTETS_AT_ANY_RATE: u64 = 32 << 20;

/// A machine that is busy with something else makes anything slower, and nothing faster: one of these has to be within the limit.
const ATTEMPTS: u32 = 3;

/// What the suspect does, and what an honest neighbour does that makes the same load.
struct Trick {
    name: &'static str,
    hostile: fn(&Suspect),
    honest: fn(&Suspect),
}

const TRICKS: &[Trick] = &[
    Trick { name: "flaps 100 times a second", hostile: flap, honest: announce_again },
    Trick { name: "routes that share no attributes", hostile: unique, honest: shared },
    Trick { name: "messages of 65,535 octets", hostile: big, honest: small },
    Trick { name: "never reads", hostile: never_reads, honest: idle },
    Trick { name: "never ends a message", hostile: never_ends, honest: idle },
];

/// What a thread that plays the suspect has.
struct Suspect {
    end: Arc<AtomicBool>,
    /// Sessions, messages or routes, whatever the trick counts.
    done: Arc<AtomicU64>,
    routes: u32,
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    for address in [OURS, SENDER, RECEIVER] {
        process::run("ip", &["addr", "add", &format!("{address}/32"), "dev", "lo"])?;
    }
    let listeners = [Listener::new(Identity::new(SENDER, 65011))?, Listener::new(Identity::new(RECEIVER, 65012))?];
    let routes = lab.mode.pick(50_000, 1_000_000);
    let text = format!(
        "http: {{ listen: \"{HTTP}\" }}\nbgp:\n  asn: 65000\n  router_id: {OURS}\n  listen: \"0.0.0.0:{PORT}\"\n  neighbors:\n    \
         - {{ address: {SENDER}, local_address: {OURS}, asn: 65011, import: accept, export: reject, families: [ipv4-unicast] }}\n    \
         - {{ address: {RECEIVER}, local_address: {OURS}, asn: 65012, import: reject, export: accept, families: [ipv4-unicast] }}\n    \
         - {{ address: 127.0.0.1, asn: {SUSPECT_AS}, passive: true, import: accept, export: accept, families: [ipv4-unicast], max_prefixes: {routes}, max_prefixes_restart: 1s }}\n"
    );
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&text))?;
    let mut sender = listeners[0].accept(IpAddr::V4(OURS), LIMIT)?;
    let receiver = listeners[1].accept(IpAddr::V4(OURS), LIMIT)?;
    let table = lab.mode.pick(20_000, 60_000);
    let rounds = Cell::new(0u8);
    let mut converge = || {
        rounds.set(rounds.get() + 1);
        convergence(&mut sender, &receiver, rounds.get(), table)
    };
    // The first table warms up, and says what it takes alone.
    let alone = converge()?;
    report.check("the table arrives", Ok(format!("{table} routes in {:.2} s with nobody else", alone.as_secs_f64())));
    for trick in TRICKS {
        let mut outcome = compare(trick, routes, &mut converge);
        for _ in 1..ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            outcome = compare(trick, routes, &mut converge);
        }
        report.check(&format!("{}: the others converge within twice the time", trick.name), outcome);
        let all = u64::from(routes) + u64::from(table) * u64::from(rounds.get());
        let bound = OCTETS_AT_ANY_RATE + OCTETS_PER_ROUTE * all;
        let outcome = resident(&controller).and_then(|octets| {
            wait::ensure(octets < bound, || format!("{} MB, and {} MB are the bound", octets >> 20, bound >> 20))?;
            Ok(format!("{} MB resident, the bound is {} MB", octets >> 20, bound >> 20))
        });
        report.check(&format!("{}: memory is bounded", trick.name), outcome);
        controller.ensure_running()?;
    }
    report.check("SIGTERM ends the controller in good order", super::fabric::terminate(&mut controller));
    Ok(())
}

/// The same table beside an honest neighbour and beside a hostile one.
fn compare(trick: &Trick, routes: u32, converge: &mut impl FnMut() -> Result<Duration, Fail>) -> Outcome {
    let mut beside = |play: fn(&Suspect)| -> Result<(Duration, u64), Fail> {
        let suspect = Suspect { end: Arc::default(), done: Arc::default(), routes };
        let (end, done) = (Arc::clone(&suspect.end), Arc::clone(&suspect.done));
        let player: JoinHandle<()> = std::thread::spawn(move || play(&suspect));
        // It has begun.
        let begun =
            wait::until(LIMIT, || wait::ensure(done.load(Ordering::Relaxed) > 0, || "it has done nothing".into()));
        let took = begun.and_then(|()| converge());
        end.store(true, Ordering::Relaxed);
        let _ = player.join();
        Ok((took?, done.load(Ordering::Relaxed)))
    };
    let (honest, _) = beside(trick.honest)?;
    let (hostile, done) = beside(trick.hostile)?;
    wait::ensure(hostile <= honest.max(NOISE) * 2, || {
        format!("{:.2} s, beside an honest one {:.2} s", hostile.as_secs_f64(), honest.as_secs_f64())
    })?;
    Ok(format!(
        "{:.2} s, beside an honest one {:.2} s; it did it {done} times",
        hostile.as_secs_f64(),
        honest.as_secs_f64()
    ))
}

/// Announces a table of its own and waits until all of it has arrived.
fn convergence(sender: &mut Router, receiver: &Router, round: u8, table: u32) -> Result<Duration, Fail> {
    let before = receiver.heard(HONEST_OCTET);
    let start = Instant::now();
    // Five routes share their attributes, as in the Internet's table.
    for set in 0..table / 5 {
        let mut attributes = Attributes::new(&[65011, 64000 + set % 500, 63000 + set / 500], SENDER);
        attributes.med = Some(u32::from(round));
        let attributes = attributes.encode(true);
        let mut body = vec![0, 0];
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
        for number in set * 5..set * 5 + 5 {
            body.extend([32, HONEST_OCTET, round, (number >> 8) as u8, number as u8]);
        }
        sender.send(bgp::UPDATE, &body)?;
    }
    wait::until(LIMIT, || {
        let heard = receiver.heard(HONEST_OCTET) - before;
        wait::ensure(heard >= table as usize, || format!("{heard} of {table} routes have arrived"))
    })?;
    Ok(start.elapsed())
}

/// Resident octets of the process.
fn resident(controller: &Controller) -> Result<u64, Fail> {
    let metric = controller.metric("process_resident_memory_bytes", &[])?;
    Ok(metric as u64)
}

impl Suspect {
    fn over(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn did(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn identity(&self, extended: bool) -> Identity {
        Identity { extended, ..Identity::new(Ipv4Addr::LOCALHOST, SUSPECT_AS) }
    }

    /// A session with us, tried until it is there: after a flap we may make it wait.
    fn session(&self, extended: bool) -> Option<TcpStream> {
        while !self.over() {
            if let Ok(stream) = self.call(extended) {
                return Some(stream);
            }
            // Who was refused calls again, no faster than a hundred times a second.
            std::thread::park_timeout(Duration::from_millis(10));
        }
        None
    }

    fn call(&self, extended: bool) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_millis(100)))?;
        stream.write_all(&message(bgp::OPEN, &self.identity(extended).open()))?;
        stream.write_all(&message(bgp::KEEPALIVE, &[]))?;
        // Their OPEN and KEEPALIVE.
        for _ in 0..2 {
            let mut header = [0; 19];
            stream.read_exact(&mut header)?;
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])).saturating_sub(19)];
            stream.read_exact(&mut body)?;
        }
        Ok(stream)
    }

    /// Sends whole messages; `false` when it is over.
    fn send(&self, stream: &mut TcpStream, octets: &[u8]) -> bool {
        let mut rest = octets;
        while !rest.is_empty() && !self.over() {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => return false,
            }
        }
        rest.is_empty()
    }

    /// Reads what comes, as a neighbour should.
    fn read_on(&self, stream: &TcpStream) -> Option<JoinHandle<()>> {
        let mut stream = stream.try_clone().ok()?;
        let end = Arc::clone(&self.end);
        Some(std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            while !end.load(Ordering::Relaxed) {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Err(error)
                        if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
                    {
                        return;
                    }
                    _ => {}
                }
            }
        }))
    }

    /// Stays until it is over.
    fn linger(&self) {
        while !self.over() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// An UPDATE with routes whose prefixes begin with 10.
fn update(attributes: &Attributes, numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    let attributes = attributes.encode(true);
    let mut body = vec![0, 0];
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    for number in numbers {
        body.extend([32, 10, (number >> 16) as u8, (number >> 8) as u8, number as u8]);
    }
    message(bgp::UPDATE, &body)
}

fn attributes(number: u32) -> Attributes {
    let mut attributes = Attributes::new(&[SUSPECT_AS, 64999], SUSPECT_HOP);
    attributes.large = vec![(SUSPECT_AS, number, 0)];
    attributes
}

/// A session, ten routes, and gone.
fn flap(suspect: &Suspect) {
    while let Some(mut stream) = suspect.session(false) {
        let _ = suspect.send(&mut stream, &update(&attributes(0), 0..10));
        suspect.did();
        drop(stream);
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The same routes as often, without the flaps.
fn announce_again(suspect: &Suspect) {
    let Some(mut stream) = suspect.session(false) else { return };
    let reader = suspect.read_on(&stream);
    let mut number = 0;
    while !suspect.over() && suspect.send(&mut stream, &update(&attributes(number), 0..10)) {
        number += 1;
        suspect.did();
        std::thread::park_timeout(Duration::from_millis(10));
    }
    suspect.linger();
    drop(stream);
    let _ = reader.map(JoinHandle::join);
}

/// As many routes as the limit allows, each with attributes of its own, again and again.
fn unique(suspect: &Suspect) {
    flood(suspect, false, 1, 1);
}

/// As many routes, five with the same attributes.
fn shared(suspect: &Suspect) {
    flood(suspect, false, 5, 1);
}

/// Messages as long as RFC 8654 has them.
fn big(suspect: &Suspect) {
    flood(suspect, true, 13_000, 1);
}

/// The same routes in messages of the usual length.
fn small(suspect: &Suspect) {
    flood(suspect, false, 800, 1);
}

fn flood(suspect: &Suspect, extended: bool, sharing: u32, step: u32) {
    let Some(mut stream) = suspect.session(extended) else { return };
    let reader = suspect.read_on(&stream);
    let mut salt = 0;
    'over: while !suspect.over() {
        // Never one more than the limit: routes are replaced.
        for set in 0..suspect.routes / sharing {
            let octets = update(&attributes(set + salt), set * sharing..(set + 1) * sharing);
            if !suspect.send(&mut stream, &octets) {
                break 'over;
            }
            suspect.did();
        }
        salt += step;
    }
    drop(stream);
    let _ = reader.map(JoinHandle::join);
}

/// Takes nothing of what it is sent.
fn never_reads(suspect: &Suspect) {
    let Some(stream) = suspect.session(false) else { return };
    suspect.did();
    suspect.linger();
    drop(stream);
}

/// A header that promises more, then an octet now and then.
fn never_ends(suspect: &Suspect) {
    let Some(mut stream) = suspect.session(true) else { return };
    let reader = suspect.read_on(&stream);
    let mut torn = message(bgp::UPDATE, &[0; 4000]);
    torn.truncate(30);
    suspect.did();
    let mut fine = suspect.send(&mut stream, &torn);
    while fine && !suspect.over() {
        fine = suspect.send(&mut stream, &[0]);
        std::thread::park_timeout(Duration::from_millis(100));
    }
    suspect.linger();
    drop(stream);
    let _ = reader.map(JoinHandle::join);
}

/// Up, and reading.
fn idle(suspect: &Suspect) {
    let Some(stream) = suspect.session(false) else { return };
    let reader = suspect.read_on(&stream);
    suspect.did();
    suspect.linger();
    drop(stream);
    let _ = reader.map(JoinHandle::join);
}
