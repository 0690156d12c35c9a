//! Places for unfinished handshakes, fairly: so many in all, so many per source, so many a second per source.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::io::fabric::told::source;

/// Handshakes under way at the same time. More wait in the kernel's backlog until one is done or has failed.
const UNFINISHED_MAX: usize = 4_096;
/// Of these, those of one source address: half, so that no address can keep all others out, and a rack behind one address still comes in
/// quickly.
const UNFINISHED_PER_SOURCE: usize = 2_048;
/// Connections, in all, that were taken and wait because their source has its share. More of such sources are closed at once.
const WAITING_MAX: usize = 4_096;
/// Handshakes that one source may begin at once, after a pause: a storm of reconnects is not slowed down.
const BURST_PER_SOURCE: u32 = 4_096;
/// Handshakes that one source may begin per second in the long run; more wait. Each costs the controller a tenth of a millisecond or so.
const RATE_PER_SOURCE: u32 = 2_000;
/// From the first octet to the features reply, TLS included.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Sources that are remembered for their rate. When there are more, those that have nothing open are forgotten.
const SOURCES_MAX: usize = 8_192;
/// Descriptors of the process out of which handshakes may have one, and waiting connections one: the rest is for switches and files.
const DESCRIPTOR_SHARE: usize = 4;

/// How much may be under way before a switch has said who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptLimits {
    /// Handshakes at the same time.
    pub unfinished: usize,
    /// Those of one source: an IPv4 address, or an IPv6 /64.
    pub per_source: usize,
    /// Connections that wait because their source has its share.
    pub waiting: usize,
    /// Handshakes that one source may begin at once.
    pub burst: u32,
    /// Handshakes that one source may begin per second in the long run.
    pub rate: u32,
    /// Time from the first octet to the features reply.
    pub handshake: Duration,
}

impl Default for AcceptLimits {
    fn default() -> AcceptLimits {
        AcceptLimits {
            unfinished: UNFINISHED_MAX,
            per_source: UNFINISHED_PER_SOURCE,
            waiting: WAITING_MAX,
            burst: BURST_PER_SOURCE,
            rate: RATE_PER_SOURCE,
            handshake: HANDSHAKE_LIMIT,
        }
    }
}

impl AcceptLimits {
    /// The default, or less where the process may not have that many descriptors: a limit that is never reached protects nobody.
    pub fn of_this_process() -> AcceptLimits {
        let descriptors = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text));
        AcceptLimits::default().within(descriptors.unwrap_or(usize::MAX))
    }

    fn within(self, descriptors: usize) -> AcceptLimits {
        let most = (descriptors / DESCRIPTOR_SHARE).max(1);
        AcceptLimits {
            unfinished: self.unfinished.min(most),
            per_source: self.per_source.min(most.div_ceil(2)),
            waiting: self.waiting.min(most),
            ..self
        }
    }
}

/// The soft limit in `/proc/self/limits` (proc(5)).
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// All places of a fabric.
pub(in crate::io::fabric) struct Places {
    pub(in crate::io::fabric) limits: AcceptLimits,
    free: Arc<Semaphore>,
    waiting: Rc<Cell<usize>>,
    sources: Rc<RefCell<HashMap<IpAddr, Source>>>,
}

struct Source {
    share: Arc<Semaphore>,
    /// Connections of it that have a place or wait for one.
    open: usize,
    /// When a handshake would begin if they were spread evenly at the rate; ahead of now by the burst at most.
    due: Instant,
}

/// A place among the unfinished handshakes; free again when it is dropped.
pub(in crate::io::fabric) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    _share: Option<(OwnedSemaphorePermit, Guest)>,
}

/// What a newcomer gets.
pub(super) enum Entry {
    Place(Place),
    Wait(Waiting),
    Full,
}

/// A newcomer whose source has its share.
pub(super) struct Waiting {
    until: Instant,
    share: Arc<Semaphore>,
    free: Arc<Semaphore>,
    guest: Guest,
    _room: Room,
}

/// One connection of a source.
struct Guest {
    sources: Rc<RefCell<HashMap<IpAddr, Source>>>,
    source: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut sources = self.sources.borrow_mut();
        if let Some(source) = sources.get_mut(&self.source) {
            source.open = source.open.saturating_sub(1);
        }
    }
}

/// One of the connections that wait.
struct Room(Rc<Cell<usize>>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Places {
    pub(in crate::io::fabric) fn new(limits: AcceptLimits) -> Places {
        Places {
            limits,
            free: Arc::new(Semaphore::new(limits.unfinished)),
            waiting: Rc::default(),
            sources: Rc::default(),
        }
    }

    /// Until a place is free. `None` never comes: nobody closes the semaphore.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// A connection from `ip` has come while a place was free: it gets the place, or waits, or has to go.
    pub(super) fn enter(&self, ip: IpAddr, permit: Option<OwnedSemaphorePermit>, now: Instant) -> Entry {
        let key = source(ip);
        let mut sources = self.sources.borrow_mut();
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&key) {
            forget(&mut sources, now);
        }
        let source = sources.entry(key).or_insert_with(|| Source::new(self.limits.per_source, now));
        let begins = source.begins(now, &self.limits);
        if begins <= now
            && let Ok(share) = source.share.clone().try_acquire_owned()
        {
            source.begin(now, &self.limits);
            source.open += 1;
            let guest = Guest { sources: self.sources.clone(), source: key };
            return Entry::Place(Place { _permit: permit, _share: Some((share, guest)) });
        }
        if self.waiting.get() >= self.limits.waiting {
            return Entry::Full;
        }
        source.begin(now, &self.limits);
        source.open += 1;
        self.waiting.set(self.waiting.get() + 1);
        Entry::Wait(Waiting {
            until: begins,
            share: source.share.clone(),
            free: self.free.clone(),
            guest: Guest { sources: self.sources.clone(), source: key },
            _room: Room(self.waiting.clone()),
        })
    }
}

impl Source {
    fn new(per_source: usize, now: Instant) -> Source {
        Source { share: Arc::new(Semaphore::new(per_source)), open: 0, due: now }
    }

    /// When its next handshake may begin.
    fn begins(&self, now: Instant, limits: &AcceptLimits) -> Instant {
        let ahead = self.due.saturating_duration_since(now);
        now + ahead.saturating_sub(interval(limits) * limits.burst.saturating_sub(1))
    }

    /// One more handshake is promised.
    fn begin(&mut self, now: Instant, limits: &AcceptLimits) {
        self.due = self.due.max(now) + interval(limits);
    }
}

fn interval(limits: &AcceptLimits) -> Duration {
    Duration::from_secs(1) / limits.rate.max(1)
}

impl Place {
    /// A place without a source: a Unix socket.
    pub(super) fn local(permit: Option<OwnedSemaphorePermit>) -> Place {
        Place { _permit: permit, _share: None }
    }

    /// No place at all: a connection that we have made ourselves takes nobody's.
    pub(in crate::io::fabric) fn none() -> Place {
        Place { _permit: None, _share: None }
    }
}

impl Waiting {
    /// Its turn.
    pub(super) async fn place(self) -> Place {
        let Waiting { until, share, free, guest, _room } = self;
        tokio::time::sleep_until(until).await;
        let share = share.acquire_owned().await.ok();
        let permit = free.acquire_owned().await.ok();
        Place { _permit: permit, _share: share.map(|share| (share, guest)) }
    }
}

/// Room for new sources: first those of which there is nothing left to know go, then all that have nothing open.
fn forget(sources: &mut HashMap<IpAddr, Source>, now: Instant) {
    sources.retain(|_, source| source.open > 0 || source.due > now);
    if sources.len() >= SOURCES_MAX {
        sources.retain(|_, source| source.open > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn limits(unfinished: usize, per_source: usize, waiting: usize) -> AcceptLimits {
        AcceptLimits { unfinished, per_source, waiting, ..AcceptLimits::default() }
    }

    fn place(places: &Places, ip: IpAddr, now: Instant) -> Option<Place> {
        match places.enter(ip, None, now) {
            Entry::Place(place) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn a_source_has_its_share_then_waits_then_is_refused_and_others_are_served() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let now = Instant::now();
            let places = Places::new(limits(8, 2, 1));
            let first = place(&places, ONE, now).unwrap();
            let _second = place(&places, ONE, now).unwrap();
            let Entry::Wait(third) = places.enter(ONE, None, now) else { panic!("has more than its share") };
            assert!(matches!(places.enter(ONE, None, now), Entry::Full));
            assert!(place(&places, OTHER, now).is_some());
            // A place that is given back goes to who waits.
            drop(first);
            let _third = third.place().await;
            assert!(matches!(places.enter(ONE, None, now), Entry::Wait(_)));
        });
    }

    #[test]
    fn a_source_that_is_too_fast_is_delayed_and_not_refused() {
        let now = Instant::now();
        let places = Places::new(AcceptLimits { burst: 3, rate: 10, ..limits(100, 100, 100) });
        for _ in 0..3 {
            assert!(place(&places, ONE, now).is_some(), "a burst passes");
        }
        for index in 1..=5 {
            let Entry::Wait(next) = places.enter(ONE, None, now) else { panic!("not delayed") };
            assert_eq!(next.until, now + Duration::from_millis(100) * index);
        }
        assert!(place(&places, OTHER, now).is_some());
        // After a pause the burst is there again.
        let later = now + Duration::from_millis(800);
        for _ in 0..3 {
            assert!(place(&places, ONE, later).is_some());
        }
        assert!(place(&places, ONE, later).is_none());
    }

    #[test]
    fn sources_without_number_do_not_fill_the_memory() {
        let now = Instant::now();
        let places = Places::new(AcceptLimits::default());
        for number in 0..3 * SOURCES_MAX as u32 {
            let ip = IpAddr::V4(std::net::Ipv4Addr::from(number));
            drop(place(&places, ip, now));
            assert!(places.sources.borrow().len() <= SOURCES_MAX);
        }
    }

    #[test]
    fn limits_fit_the_descriptors_that_there_are() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(1024));
        let small = AcceptLimits::default().within(1024);
        assert_eq!((small.unfinished, small.per_source, small.waiting), (256, 128, 256));
        assert_eq!(AcceptLimits::default().within(1 << 20), AcceptLimits::default());
        assert_eq!(open_files("Max open files            unlimited"), None);
    }
}
