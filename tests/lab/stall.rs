//! Whether this machine stood still: a thread that sleeps and looks how late it wakes up, and the time that a hypervisor gave to others.
//!
//! A controller that is slow does not make this thread late: with two processors and fair scheduling nobody waits for long. Who is kept waiting for
//! [`STOOD_STILL`] was, with everything else here, not given a processor.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks.
const NAP: Duration = Duration::from_millis(5);

/// Who wakes up so late has seen the machine stand still.
const STOOD_STILL: Duration = Duration::from_millis(60);

/// A hypervisor that gives so much of the time to others, in percent.
const STOLEN: f64 = 10.0;

/// Looks until it is asked.
pub struct Watch {
    worst: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    ticks: Ticks,
}

/// What was seen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    worst: Duration,
    stolen_percent: f64,
}

impl Watch {
    /// Looks from now on.
    pub fn start() -> Watch {
        let (worst, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (worst_too, done_too) = (Arc::clone(&worst), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            while !done_too.load(Ordering::Relaxed) {
                let start = Instant::now();
                std::thread::sleep(NAP);
                let late = start.elapsed().saturating_sub(NAP).as_nanos();
                worst_too.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Watch { worst, done, thread: Some(thread), ticks: Ticks::now() }
    }

    /// What was seen since the start.
    pub fn seen(mut self) -> Seen {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let (before, now) = (self.ticks, Ticks::now());
        let all = now.all.saturating_sub(before.all).max(1);
        Seen {
            worst: Duration::from_nanos(self.worst.load(Ordering::Relaxed)),
            stolen_percent: now.stolen.saturating_sub(before.stolen) as f64 * 100.0 / all as f64,
        }
    }
}

impl Seen {
    /// Whether what needs a processor in time can have failed for want of one.
    pub fn stood_still(self) -> bool {
        self.worst >= STOOD_STILL || self.stolen_percent >= STOLEN
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no processor for {} ms at worst, {:.1} % of the time stolen",
            self.worst.as_millis(),
            self.stolen_percent
        )
    }
}

/// How the kernel counts the time of all processors.
#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// From `/proc/stat`; zeros where there is none.
    fn now() -> Ticks {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guests are part of user and nice.
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
        Ticks { all: fields.iter().sum(), stolen: fields.get(7).copied().unwrap_or(0) }
    }
}
