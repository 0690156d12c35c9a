//! BFD (RFC 5880) on the interfaces between switches: what is written into which row, and when.
//!
//! An interface with BFD whose session is not up forwards nothing that a group watches: Open vSwitch takes its port for dead. So BFD goes on at
//! both ends of a link or not at all; at many links at once, but only where the others still lead from each switch to each other one, and at one
//! of a switch at a time (`order`); and what does not come up is taken back at both ends.

mod order;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use net::{PortId, Time};

pub use rows::{MARK, PortBfd, Settings, adjust};

/// How long a session may take to come up. Open vSwitch needs 1 to 2 s: until it is up it sends once a second (RFC 5880 §6.8.3).
pub const START_LIMIT: Duration = Duration::from_secs(5);
/// How long BFD stays where no link is known any more, or the session is down: it is what tells that the link is dead, and switching it off
/// then would make the ports live again. Also how long what an earlier run has set may wait for its link to be found.
pub const KEEP: Duration = Duration::from_secs(300);
/// Pause after a session that did not come up; it doubles each time. Every try costs the link [`START_LIMIT`].
pub const PAUSE_FIRST: Duration = Duration::from_secs(600);
/// How long BFD stays where no link is known any more and what the database of one end says is not known either: the link may be whole, and
/// one end without BFD would be its end.
pub const KEEP_AWAY: Duration = Duration::from_secs(6 * 3_600);
/// The longest pause.
pub const PAUSE_LAST: Duration = Duration::from_secs(6 * 3_600);
/// Links that are watched. Further ones have no BFD.
pub const MAX_LINKS: usize = 16_384;

/// Links that start at a time: each is two ports down and up again for the controller, and its paths are computed anew for each.
pub const MAX_STARTING: usize = 32;

/// Both ends of a link, the lower one first.
pub type LinkEnds = (PortId, PortId);

/// What has happened to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BfdEvent {
    /// It is up at both ends.
    Up(LinkEnds),
    /// It was up and is not any more.
    Down(LinkEnds),
    /// It did not come up in time, and is taken back.
    Failed(LinkEnds),
}

/// How far a link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// It cannot have BFD, or another link is before it.
    Waiting,
    /// Switched on at both ends, and must be up by then.
    Starting(Time),
    /// Up at both ends.
    Up,
    /// Not up any more since then.
    Down(Time),
    /// It did not come up; not tried again before then.
    Paused(Time),
}

impl LinkState {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            LinkState::Waiting => "waiting",
            LinkState::Starting(_) => "starting",
            LinkState::Up => "up",
            LinkState::Down(_) => "down",
            LinkState::Paused(_) => "failed",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    state: LinkState,
    /// Since when discovery does not know it.
    gone: Option<Time>,
    /// The last pause.
    pause: Duration,
    /// The database of an end is left by our own will: the other end is not to wait for it.
    left: bool,
    /// It is being taken back, and the first end has none of ours any more.
    first_is_off: bool,
}

impl Link {
    fn new() -> Link {
        Link { state: LinkState::Waiting, gone: None, pause: Duration::ZERO, left: false, first_is_off: false }
    }
}

/// Decides which ports are to have BFD. Only one that an owner has [`Settings`] for is switched on.
#[derive(Debug, Default)]
pub struct Supervisor {
    settings: Option<Settings>,
    links: BTreeMap<LinkEnds, Link>,
    ports: BTreeMap<PortId, PortBfd>,
    /// Ports with several links.
    shared: BTreeSet<PortId>,
    /// Ports that have BFD from us and no link that wants it, since then.
    idle: BTreeMap<PortId, Time>,
    /// When it was looked at last.
    now: Time,
    events: VecDeque<BfdEvent>,
}

impl Supervisor {
    /// Knows nothing, wants nothing.
    pub fn new() -> Supervisor {
        Supervisor::default()
    }

    /// What BFD is to be set to; `None` takes it back everywhere, at once.
    pub fn handle_settings(&mut self, settings: Option<Settings>, now: Time) {
        if self.settings != settings {
            self.settings = settings;
            for link in self.links.values_mut().filter(|link| matches!(link.state, LinkState::Paused(_))) {
                (link.state, link.pause) = (LinkState::Waiting, Duration::ZERO);
            }
        }
        self.step(now);
    }

    /// All links that discovery knows, each once. A port with several is on a shared segment, where BFD has no peer.
    pub fn handle_links(&mut self, known: &BTreeSet<LinkEnds>, now: Time) {
        let mut uses: BTreeMap<PortId, usize> = BTreeMap::new();
        for end in known.iter().flat_map(|(a, b)| [a, b]) {
            *uses.entry(*end).or_default() += 1;
        }
        let alone = |(a, b): &LinkEnds| uses.get(a) == Some(&1) && uses.get(b) == Some(&1) && a != b;
        self.links.retain(|ends, link| {
            if known.contains(ends) {
                link.gone = None;
                return alone(ends);
            }
            link.gone.get_or_insert(now);
            // Where it was there is another one now.
            !uses.contains_key(&ends.0) && !uses.contains_key(&ends.1)
        });
        for ends in known.iter().filter(|ends| alone(ends)) {
            if self.links.len() < MAX_LINKS {
                self.links.entry(*ends).or_insert_with(Link::new);
            }
        }
        self.shared = uses.iter().filter(|(_, links)| **links > 1).map(|(port, _)| *port).collect();
        self.step(now);
    }

    /// All ports whose database is at hand, and what it says of BFD there.
    pub fn handle_ports(&mut self, ports: BTreeMap<PortId, PortBfd>, now: Time) {
        self.ports = ports;
        self.step(now);
    }

    /// The databases of these ports are about to be left: BFD has to go at both ends of their links.
    pub fn handle_withdrawn(&mut self, ports: &BTreeSet<PortId>, now: Time) {
        for (ends, link) in &mut self.links {
            if ports.contains(&ends.0) || ports.contains(&ends.1) {
                (link.state, link.left) = (LinkState::Paused(now + PAUSE_FIRST), true);
            }
        }
        self.step(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.step(now);
    }

    fn step(&mut self, now: Time) {
        self.now = now;
        if self.settings.is_some() {
            let ports = &self.ports;
            self.links.retain(|(a, b), link| {
                let away = !ports.contains_key(a) || !ports.contains_key(b);
                link.gone.is_none_or(|since| now < since + if away && !link.left { KEEP_AWAY } else { KEEP })
            });
            for (ends, link) in &mut self.links {
                let (a, b) = (self.ports.get(&ends.0), self.ports.get(&ends.1));
                let before = link.state;
                link.state = next(link, a.zip(b).map(|(a, b)| [*a, *b]), now);
                link.first_is_off = matches!(link.state, LinkState::Paused(_))
                    && a.map_or(link.first_is_off, |first| !matches!(first, PortBfd::On { ours: true, .. }));
                match (before, link.state) {
                    (LinkState::Up, LinkState::Up) | (LinkState::Down(_), LinkState::Down(_)) => {}
                    (_, LinkState::Up) => self.events.push_back(BfdEvent::Up(*ends)),
                    (_, LinkState::Down(_)) => self.events.push_back(BfdEvent::Down(*ends)),
                    (LinkState::Starting(_), LinkState::Paused(_)) => self.events.push_back(BfdEvent::Failed(*ends)),
                    _ => {}
                }
            }
            for ends in order::may_start(&self.links, &self.ports) {
                if let Some(link) = self.links.get_mut(&ends) {
                    link.state = LinkState::Starting(now + START_LIMIT);
                }
            }
        } else {
            self.links.retain(|_, link| link.gone.is_none());
            for link in self.links.values_mut() {
                (link.state, link.pause) = (LinkState::Waiting, Duration::ZERO);
            }
        }
        let busy: BTreeSet<PortId> = self
            .links
            .iter()
            .filter(|(ends, link)| self.is_busy(ends, link))
            .flat_map(|((a, b), _)| [*a, *b])
            .collect();
        let is_idle = |port: &PortId, state: &PortBfd| match state {
            // Somebody is at the other end, whoever it is, and would take the link for dead.
            PortBfd::On { ours: true, up: true } if self.settings.is_some() && !self.shared.contains(port) => false,
            PortBfd::On { ours: true, .. } => !busy.contains(port),
            _ => false,
        };
        let idle = self.ports.iter().filter(|(port, state)| is_idle(port, state));
        self.idle = idle.map(|(port, _)| (*port, self.idle.get(port).copied().unwrap_or(now))).collect();
    }

    /// Whether a link needs what of BFD is at its ends. One of which one database is out of reach may be up.
    fn is_busy(&self, (a, b): &LinkEnds, link: &Link) -> bool {
        let away = !self.ports.contains_key(a) || !self.ports.contains_key(b);
        wants(link.state) == Some(true) || (self.settings.is_some() && away && !link.left)
    }

    /// Whether a port is to have BFD; `None` leaves it as it is.
    pub fn wanted(&self, port: PortId, now: Time) -> Option<bool> {
        let (on, off) = self.wishes(now);
        if on.contains(&port) {
            return Some(true);
        }
        (self.settings.is_none() || off.contains(&port)).then_some(false)
    }

    /// All wishes at once: the ports that are to have BFD, and those that must not keep ours.
    pub fn wishes(&self, now: Time) -> (BTreeSet<PortId>, BTreeSet<PortId>) {
        let (mut on, mut off) = (BTreeSet::new(), BTreeSet::new());
        for (ends, link) in &self.links {
            match wants(link.state) {
                Some(true) => on.extend([ends.0, ends.1]),
                Some(false) if link.left => off.extend([ends.0, ends.1]),
                Some(false) => off.extend(self.to_take_back(ends, link)),
                None => {}
            }
        }
        let all = self.settings.is_none();
        off.extend(self.idle.iter().filter(|(_, since)| all || now >= **since + KEEP).map(|(port, _)| *port));
        (on, off)
    }

    /// The second end goes off when the first one has gone: a session whose first end cannot be reached stays as it is.
    fn to_take_back(&self, (a, b): &LinkEnds, link: &Link) -> impl Iterator<Item = PortId> {
        let first = self.ports.contains_key(b).then_some(*a);
        first.into_iter().chain(link.first_is_off.then_some(*b))
    }

    /// What is to be set.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// All links and how far they are.
    pub fn links(&self) -> impl Iterator<Item = (LinkEnds, LinkState)> {
        self.links.iter().map(|(ends, link)| (*ends, link.state))
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<BfdEvent> {
        self.events.pop_front()
    }

    /// When [`Supervisor::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let of_link = |link: &Link| {
            let state = match link.state {
                LinkState::Waiting | LinkState::Up => None,
                LinkState::Starting(by) => Some((by, "session up")),
                LinkState::Down(since) => Some((since + KEEP, "session down")),
                LinkState::Paused(until) => Some((until, "try again")),
            };
            let gone = link.gone.map(|since| (since + KEEP, "link gone"));
            [state, gone]
        };
        let idle = self.idle.values().map(|since| (*since + KEEP, "no link"));
        // What has been due for a while waits for somebody else.
        self.links.values().flat_map(of_link).flatten().chain(idle).filter(|(at, _)| *at > self.now).min()
    }
}

/// Whether a link in this state wants BFD at its ends.
fn wants(state: LinkState) -> Option<bool> {
    match state {
        LinkState::Waiting => None,
        LinkState::Starting(_) | LinkState::Up | LinkState::Down(_) => Some(true),
        LinkState::Paused(_) => Some(false),
    }
}

/// How a link goes on by itself. `ports` is what both databases say, if both are at hand.
fn next(link: &mut Link, ports: Option<[PortBfd; 2]>, now: Time) -> LinkState {
    let up = ports.is_some_and(|ports| ports.iter().all(|port| matches!(port, PortBfd::On { up: true, .. })));
    let able = ports.is_some_and(|ports| !ports.contains(&PortBfd::Unable));
    let is_begun = |port: &PortBfd| matches!(port, PortBfd::On { ours: true, .. } | PortBfd::On { up: false, .. });
    let begun = ports.is_some_and(|ports| ports.iter().any(is_begun));
    if ports.is_some() && !matches!(link.state, LinkState::Paused(_)) {
        link.left = false;
    }
    match link.state {
        LinkState::Paused(until) if now < until => link.state,
        _ if up => {
            link.pause = Duration::ZERO;
            LinkState::Up
        }
        // What an earlier run or somebody else has begun costs nothing to go on with: the link is dead as it is.
        LinkState::Waiting if able && link.gone.is_none() && begun => LinkState::Starting(now + START_LIMIT),
        // A database that is out of reach says nothing about its session, and what has to be done at both ends waits for it.
        LinkState::Starting(_) if ports.is_none() => LinkState::Starting(now + START_LIMIT),
        LinkState::Down(_) if ports.is_none() => LinkState::Down(now),
        LinkState::Starting(by) if now >= by => {
            link.pause = (link.pause * 2).clamp(PAUSE_FIRST, PAUSE_LAST);
            LinkState::Paused(now + link.pause)
        }
        LinkState::Up if ports.is_some() => LinkState::Down(now),
        LinkState::Down(since) if now >= since + KEEP => LinkState::Paused(now + PAUSE_FIRST),
        LinkState::Paused(_) => LinkState::Waiting,
        state => state,
    }
}
