//! What happened, for people and programs that look later: the newest events, numbered, in bounded memory.
//!
//! The fabric thread writes, others read. A reader holds the lock for the copy of at most a page of pointers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::{DatapathId, MacAddr, PortNo};
use tokio::sync::watch;

use crate::io::clock;

/// Events that are kept: the oldest one goes.
pub const HAPPENINGS_MAX: usize = 8_192;
/// Events of one kind that are kept of a second; further ones are counted in the next one that is kept. Hosts that move to and fro must not push out
/// the link that broke.
const PER_SECOND: u32 = 100;

/// What kind of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HappeningKind {
    /// A switch is connected and has been read back.
    SwitchUp,
    /// A switch has lost its connection.
    SwitchDown,
    /// A switch stayed away too long: paths go around it.
    SwitchGone,
    /// A direction of a link is known.
    LinkUp,
    /// A direction of a link is no more.
    LinkDown,
    /// A host is at another port.
    HostMoved,
    /// Paths around a broken link stand.
    Rerouted,
    /// A link counts more or less by its load.
    Weighed,
    /// A switch has refused a rule or a group.
    Refused,
    /// An audit has found something that was changed by hand.
    Drift,
    /// A switch has answered what this controller is to it.
    Role,
    /// A configuration was read anew, or was not taken.
    Reload,
    /// Packets go wrong by the rules as they are, or do so no more.
    Verify,
    /// Something is odd about the network.
    Condition,
    /// It is so no more.
    ConditionOver,
    /// BFD on a link is up, is down, or did not come up.
    Bfd,
}

impl HappeningKind {
    /// All of them with their names.
    pub const NAMES: [(HappeningKind, &'static str); 16] = [
        (HappeningKind::SwitchUp, "switch_up"),
        (HappeningKind::SwitchDown, "switch_down"),
        (HappeningKind::SwitchGone, "switch_gone"),
        (HappeningKind::LinkUp, "link_up"),
        (HappeningKind::LinkDown, "link_down"),
        (HappeningKind::HostMoved, "host_moved"),
        (HappeningKind::Rerouted, "rerouted"),
        (HappeningKind::Weighed, "weighed"),
        (HappeningKind::Refused, "refused"),
        (HappeningKind::Drift, "drift"),
        (HappeningKind::Role, "role"),
        (HappeningKind::Reload, "reload"),
        (HappeningKind::Verify, "verify"),
        (HappeningKind::Condition, "condition"),
        (HappeningKind::ConditionOver, "condition_over"),
        (HappeningKind::Bfd, "bfd"),
    ];

    /// As commands print it.
    pub fn name(self) -> &'static str {
        HappeningKind::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happening {
    /// Its number: one more than that of the event before it.
    pub number: u64,
    /// When, since 1970.
    pub at: Duration,
    /// What kind of thing.
    pub kind: HappeningKind,
    /// At which switch.
    pub datapath_id: Option<DatapathId>,
    /// At which port of it.
    pub port_no: Option<PortNo>,
    /// Which host.
    pub host: Option<MacAddr>,
    /// What, in words.
    pub what: String,
    /// Events of this kind that were not kept since the last one that was.
    pub left_out: u64,
}

/// What is told of an event by whoever knows of it.
#[derive(Clone, Debug)]
pub struct About {
    kind: HappeningKind,
    datapath_id: Option<DatapathId>,
    port_no: Option<PortNo>,
    host: Option<MacAddr>,
}

impl About {
    /// Something of this kind.
    pub fn new(kind: HappeningKind) -> About {
        About { kind, datapath_id: None, port_no: None, host: None }
    }

    /// At this switch.
    pub fn at(self, datapath_id: DatapathId) -> About {
        About { datapath_id: Some(datapath_id), ..self }
    }

    /// At this port of a switch.
    pub fn at_port(self, port: net::PortId) -> About {
        About { datapath_id: Some(port.datapath_id), port_no: Some(port.port_no), ..self }
    }

    /// Of this host.
    pub fn of(self, host: MacAddr) -> About {
        About { host: Some(host), ..self }
    }
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Arc<Happening>>,
    newest: u64,
    /// By kind: the second, how many were kept in it, and how many were left out since.
    pace: BTreeMap<HappeningKind, (u64, u32, u64)>,
}

/// The newest events. They are numbered from 1 in each run.
#[derive(Debug)]
pub struct Happenings {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

impl Default for Happenings {
    fn default() -> Happenings {
        Happenings { ring: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

/// Events after a number.
#[derive(Clone, Debug, Default)]
pub struct HappeningPage {
    /// Ascending.
    pub events: Vec<Arc<Happening>>,
    /// Events after the number that are no longer kept.
    pub missed: u64,
    /// The newest number that there is.
    pub newest: u64,
}

impl Happenings {
    /// Something happened.
    pub fn push(&self, about: About, what: impl FnOnce() -> String) {
        self.push_at(about, what, clock::wall());
    }

    fn push_at(&self, about: About, what: impl FnOnce() -> String, at: Duration) {
        let mut ring = self.ring();
        let (second, kept, left_out) = ring.pace.entry(about.kind).or_default();
        if *second != at.as_secs() {
            (*second, *kept) = (at.as_secs(), 0);
        }
        if *kept >= PER_SECOND {
            *left_out += 1;
            return;
        }
        *kept += 1;
        let left_out = std::mem::take(left_out);
        ring.newest += 1;
        let About { kind, datapath_id, port_no, host } = about;
        let number = ring.newest;
        ring.kept.push_back(Arc::new(Happening {
            number,
            at,
            kind,
            datapath_id,
            port_no,
            host,
            what: what(),
            left_out,
        }));
        if ring.kept.len() > HAPPENINGS_MAX {
            ring.kept.pop_front();
        }
        drop(ring);
        self.newest.send_replace(number);
    }

    /// At most `limit` events after a number, ascending.
    pub fn after(&self, number: u64, limit: usize) -> HappeningPage {
        let ring = self.ring();
        let first = ring.kept.front().map_or(ring.newest + 1, |first| first.number);
        let missed = first.saturating_sub(number.saturating_add(1)).min(ring.newest.saturating_sub(number));
        let skip = usize::try_from((number + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let events = ring.kept.iter().skip(skip).take(limit).cloned().collect();
        HappeningPage { events, missed, newest: ring.newest }
    }

    /// The number of the newest event, as it comes.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing in here is left half done by a panic.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(happenings: &Happenings, kind: HappeningKind, second: u64) {
        happenings.push_at(About::new(kind), || format!("in second {second}"), Duration::from_secs(second));
    }

    fn numbers(page: &HappeningPage) -> Vec<u64> {
        page.events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_told_what_it_missed() {
        let happenings = Happenings::default();
        assert_eq!((happenings.after(0, 9).missed, happenings.after(0, 9).newest), (0, 0));
        for second in 1..=HAPPENINGS_MAX as u64 + 10 {
            push(&happenings, HappeningKind::LinkUp, second);
        }
        let newest = HAPPENINGS_MAX as u64 + 10;
        let page = happenings.after(0, 3);
        assert_eq!((numbers(&page), page.missed, page.newest), (vec![11, 12, 13], 10, newest));
        let page = happenings.after(13, 2);
        assert_eq!((numbers(&page), page.missed), (vec![14, 15], 0));
        let page = happenings.after(newest, 2);
        assert_eq!((numbers(&page), page.missed), (vec![], 0));
        let page = happenings.after(u64::MAX - 1, 2);
        assert_eq!((numbers(&page), page.missed, page.newest), (vec![], 0, newest), "a number of another run");
        assert_eq!(*happenings.newest().borrow(), newest);
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_room_and_is_counted() {
        let happenings = Happenings::default();
        for _ in 0..1_000 {
            push(&happenings, HappeningKind::HostMoved, 7);
        }
        push(&happenings, HappeningKind::LinkDown, 7);
        push(&happenings, HappeningKind::HostMoved, 8);
        let page = happenings.after(0, 10_000);
        assert_eq!(page.events.len(), PER_SECOND as usize + 2);
        let last = page.events.last().unwrap();
        assert_eq!((last.kind, last.left_out), (HappeningKind::HostMoved, 1_000 - u64::from(PER_SECOND)));
        let link = &page.events[PER_SECOND as usize];
        assert_eq!((link.kind, link.left_out), (HappeningKind::LinkDown, 0));
    }
}
