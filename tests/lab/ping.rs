//! Pings that run while something happens, and what they say afterwards.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::hosts::Host;
use crate::process::Daemon;
use crate::report::Fail;
use crate::wait;

/// A running `ping`.
pub struct Ping {
    daemon: Daemon,
    interval: Duration,
}

/// What became of the probes of one `ping`.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// Probes sent.
    pub sent: u64,
    /// Probes without an answer; the last one may still be under way and isn't counted.
    pub lost: u64,
    /// Answers that came twice.
    pub duplicates: u64,
    /// The longest time between two answers, less one interval.
    pub outage: Duration,
}

impl Ping {
    /// Starts to ping `target` from `host`, until [`Ping::stop`].
    pub fn start(directory: &Path, host: &Host, target: IpAddr, interval: Duration) -> Result<Ping, Fail> {
        let name = format!("ping-{}-{}-{}ms", host.name, target.to_string().replace(':', "_"), interval.as_millis());
        let (interval_text, target) = (interval.as_secs_f64().to_string(), target.to_string());
        let _ = std::fs::remove_file(directory.join(format!("{name}.log")));
        let arguments = host.command(&["ping", "-n", "-D", "-i", &interval_text, &target]);
        Ok(Ping { daemon: Daemon::start(directory, &name, &arguments)?, interval })
    }

    /// Waits until answers have come for a while, so that what is measured is an established flow.
    pub fn wait_established(&mut self) -> Result<(), Fail> {
        let daemon = &mut self.daemon;
        wait::until(Duration::from_secs(10), || {
            daemon.ensure_running()?;
            let answers = daemon.output().lines().filter(|line| line.contains("icmp_seq=")).count();
            wait::ensure(answers >= 50, || format!("{answers} answers so far"))
        })
    }

    /// How many answers have come.
    pub fn answers(&self) -> usize {
        self.daemon.output().lines().filter(|line| answer(line).is_some()).count()
    }

    /// Ends it and counts.
    pub fn stop(mut self) -> Result<Summary, Fail> {
        self.daemon.signal("INT")?;
        self.daemon.wait(Duration::from_secs(5))?;
        summarize(&self.daemon.output(), self.interval)
    }
}

/// Reads the output of `ping -n -D`.
fn summarize(output: &str, interval: Duration) -> Result<Summary, Fail> {
    let sent = output
        .lines()
        .find_map(|line| line.split_once(" packets transmitted")?.0.trim().parse::<u64>().ok())
        .ok_or_else(|| format!("ping left no summary: {}", output.lines().last().unwrap_or("(nothing)")))?;
    let answers: Vec<(f64, u64)> = output.lines().filter_map(answer).collect();
    // The number on the wire has 16 bits: unwrap it.
    let mut seen = BTreeSet::new();
    let mut duplicates = 0;
    let mut last = 0_i64;
    for &(_, number) in &answers {
        let step = i64::from(u16::try_from(number).unwrap_or(0).wrapping_sub((last & 0xffff) as u16) as i16);
        let number = last + step;
        last = last.max(number);
        if !seen.insert(number) {
            duplicates += 1;
        }
    }
    // The probes of the last two intervals may be under way when ping is told to end.
    let in_flight = u64::try_from(Duration::from_millis(20).as_nanos() / interval.as_nanos().max(1)).unwrap_or(0) + 1;
    let highest = u64::try_from(last).unwrap_or(0);
    let tail = sent.saturating_sub(highest);
    let missing = highest - (seen.len() as u64).min(highest);
    let lost = missing + if tail > in_flight { tail } else { 0 };
    let longest = answers.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0_f64, f64::max);
    let outage = Duration::from_secs_f64(longest.max(0.0)).saturating_sub(interval);
    let outage = if tail > in_flight { outage.max(interval * u32::try_from(tail).unwrap_or(u32::MAX)) } else { outage };
    Ok(Summary { sent, lost, duplicates, outage })
}

/// An answer's time stamp and number, from `[1700000000.123456] 64 bytes from …: icmp_seq=7 ttl=64 time=0.1 ms`.
fn answer(line: &str) -> Option<(f64, u64)> {
    if !line.contains(" bytes from ") {
        return None;
    }
    let stamp = line.strip_prefix('[')?.split_once(']')?.0.parse().ok()?;
    let number = line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok()?;
    Some((stamp, number))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outage = self.outage.as_secs_f64() * 1000.0;
        write!(f, "{} of {} lost, longest gap {outage:.1} ms", self.lost, self.sent)?;
        if self.duplicates > 0 {
            write!(f, ", {} duplicates", self.duplicates)?;
        }
        Ok(())
    }
}
