//! One-way probes: the lab's own program, started in a host, sends numbered datagrams to others at a steady pace and tells what is missing of theirs.
//!
//! A line `gap FROM LOST SINCE UNTIL` says that between two datagrams of host FROM so many are missing, and when the two came (nanoseconds since 1970);
//! `late FROM` that one came after a later one; `alive COUNT` how many hosts were heard in the last `ALIVE`, told that often; `stalled FOR AT` that
//! the prober itself was kept from sending for so long, or that a datagram was so long on its way.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::hosts::Host;
use crate::process::{Daemon, run_lines};
use crate::report::Fail;
use crate::wait;

/// Between two probes of a pair.
pub const INTERVAL: Duration = Duration::from_millis(5);

/// Who has not been heard for so long is not alive.
const ALIVE: Duration = Duration::from_millis(100);

/// Who wakes up so much too late was not given a processor; nor was what forwards, if a datagram takes so long.
const STALLED: Duration = Duration::from_millis(50);

/// Everybody hears everybody again this long after a change, at the latest.
const HEARD_LIMIT: Duration = Duration::from_secs(10);

const PORT: u16 = 7_777;

/// Octets of a datagram: its number, when it was sent, by which host.
const LENGTH: usize = 17;

/// What is missing of what one host sent to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Whose datagrams, by the number of the host.
    pub from: u64,
    /// Datagrams.
    pub lost: u64,
    /// From the last one before to the first one behind, less one interval.
    pub outage: Duration,
    /// When the first one behind came, since 1970.
    pub until: Duration,
}

/// What a change did to those who sent.
#[derive(Clone, Default, Debug)]
pub struct Felt {
    /// The longest outage of any pair.
    pub longest: Duration,
    /// The longest outage of each pair that has lost something.
    pub outages: Vec<Duration>,
    /// Datagrams of all.
    pub lost: u64,
}

/// A running prober.
pub struct Prober {
    daemon: Daemon,
    senders: usize,
}

impl Prober {
    /// Starts one in `host` that sends to `targets` and hears `senders` others.
    pub fn start(directory: &std::path::Path, host: &Host, targets: &[&Host], senders: usize) -> Result<Prober, Fail> {
        let mut neighbors = String::new();
        for target in targets {
            let (name, device, n) = (&host.name, host.device(), target.number);
            let (address, mac) = (target.ipv4(), format!("02:00:00:00:00:{n:02x}"));
            neighbors
                .push_str(&format!("ip -n {name} neigh replace {address} lladdr {mac} dev {device} nud permanent\n"));
        }
        run_lines(neighbors.trim_end())?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?.display().to_string();
        let targets: Vec<String> = targets.iter().map(|target| target.number.to_string()).collect();
        let (number, targets) = (host.number.to_string(), targets.join(","));
        let arguments = host.command(&[&this, "--prober", &number, &targets]);
        let daemon = Daemon::start(directory, &format!("prober-{}", host.name), &arguments)?;
        Ok(Prober { daemon, senders })
    }

    /// Whether everybody was heard when it last told.
    pub fn hears_all(&mut self) -> Result<bool, Fail> {
        self.daemon.ensure_running()?;
        let output = self.daemon.output();
        let last = output.lines().rev().find_map(|line| line.strip_prefix("alive ")?.parse::<usize>().ok());
        Ok(last == Some(self.senders))
    }

    /// Gaps that ended since a moment, and how many of the missing came late.
    pub fn gaps(&self, since: Duration) -> (Vec<Gap>, u64) {
        let output = self.daemon.output();
        let (mut gaps, mut late) = (Vec::new(), 0);
        for line in output.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            match words.first() {
                Some(&"gap") if Duration::from_nanos(number(4)) >= since => {
                    let (from, until) = (Duration::from_nanos(number(3)), Duration::from_nanos(number(4)));
                    let outage = until.saturating_sub(from).saturating_sub(INTERVAL);
                    gaps.push(Gap { from: number(1), lost: number(2), outage, until });
                }
                Some(&"late") if Duration::from_nanos(number(2)) >= since => late += 1,
                _ => {}
            }
        }
        (gaps, late)
    }
}

/// The longest time since a moment for which any of them, or what forwards, was not given a processor.
pub fn longest_stall(probers: &[Prober], since: Duration) -> Option<Duration> {
    let stalls = |prober: &Prober| -> Vec<Duration> {
        let output = prober.daemon.output();
        let lines = output.lines().filter_map(|line| line.strip_prefix("stalled ")?.split_once(' '));
        let times = lines.filter_map(|(length, at)| Some((length.parse().ok()?, at.parse().ok()?)));
        times
            .filter(|(_, at)| Duration::from_nanos(*at) >= since)
            .map(|(length, _)| Duration::from_nanos(length))
            .collect()
    };
    probers.iter().flat_map(stalls).max()
}

/// Until everybody hears all who send to them.
pub fn wait_all_heard(probers: &mut [Prober]) -> Result<(), Fail> {
    wait::until(HEARD_LIMIT, || {
        let mut deaf = 0;
        for prober in &mut *probers {
            deaf += usize::from(!prober.hears_all()?);
        }
        wait::ensure(deaf == 0, || format!("{deaf} hosts do not hear all who send to them"))
    })
}

/// What is missing since a moment.
pub fn felt(probers: &[Prober], since: Duration) -> Felt {
    let mut felt = Felt::default();
    for prober in probers {
        let (gaps, late) = prober.gaps(since);
        let missing: u64 = gaps.iter().map(|gap| gap.lost).sum();
        felt.lost += missing.saturating_sub(late);
        if missing > late {
            for (_, outage) in longest_by_sender(&gaps) {
                felt.longest = felt.longest.max(outage);
                felt.outages.push(outage);
            }
        }
    }
    felt
}

/// The longest outage by who sent.
fn longest_by_sender(gaps: &[Gap]) -> BTreeMap<u64, Duration> {
    let mut longest = BTreeMap::new();
    for gap in gaps {
        let outage: &mut Duration = longest.entry(gap.from).or_default();
        *outage = gap.outage.max(*outage);
    }
    longest
}

/// The time that probers tell.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The prober itself, until it is killed.
pub fn run(number: &str, targets: &str) -> ExitCode {
    match probe(number, targets) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn probe(number: &str, targets: &str) -> Result<(), Fail> {
    let words = |error: std::io::Error| error.to_string();
    let number: u8 = number.parse().map_err(|_| "a host's number")?;
    let targets: Vec<Ipv4Addr> =
        targets.split(',').filter_map(|n| n.parse().ok()).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).map_err(words)?;
    let sending = socket.try_clone().map_err(words)?;
    std::thread::spawn(move || {
        let mut next = Instant::now();
        for n in 1_u64.. {
            let mut datagram = [0; LENGTH];
            datagram[..8].copy_from_slice(&n.to_be_bytes());
            datagram[8..16].copy_from_slice(&(now().as_nanos() as u64).to_be_bytes());
            datagram[16] = number;
            for target in &targets {
                // A host's own device is always up; what the network does with it is what is measured.
                let _ = sending.send_to(&datagram, (*target, PORT));
            }
            // Who was kept waiting does not make up for it: a burst would be lost for its own sake.
            next = (next + INTERVAL).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            let late = next.elapsed();
            if late >= STALLED {
                println!("stalled {} {}", late.as_nanos(), now().as_nanos());
            }
        }
    });
    socket.set_read_timeout(Some(ALIVE)).map_err(words)?;
    let mut heard: BTreeMap<u8, (u64, Duration)> = BTreeMap::new();
    let mut told = now();
    loop {
        let mut datagram = [0; LENGTH];
        let received = socket.recv(&mut datagram);
        let at = now();
        if received.is_ok_and(|len| len == datagram.len()) {
            let field = |at: usize| datagram[at..at + 8].iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
            let (sequence, sent, from) = (field(0), field(8), datagram[16]);
            let way = at.saturating_sub(Duration::from_nanos(sent));
            if way >= STALLED {
                println!("stalled {} {}", way.as_nanos(), at.as_nanos());
            }
            let (last, since) = heard.get(&from).copied().unwrap_or((sequence.saturating_sub(1), at));
            if sequence <= last {
                println!("late {from} {}", at.as_nanos());
            } else {
                if sequence > last + 1 {
                    println!("gap {from} {} {} {}", sequence - last - 1, since.as_nanos(), at.as_nanos());
                }
                heard.insert(from, (sequence, at));
            }
        }
        if at.saturating_sub(told) >= ALIVE {
            told = at;
            println!("alive {}", heard.values().filter(|(_, last)| at.saturating_sub(*last) < ALIVE).count());
        }
    }
}
