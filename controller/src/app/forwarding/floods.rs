//! What a member of an isolated group sends to all is sent on by the controller, frame by frame: how much of that there may be, and where it goes.
//!
//! A frame costs a packet-out for each switch, so one sender could keep the controller busy. Each port has its share, and all of them together have
//! one; what is beyond is dropped, counted, and told once a minute. Where frames go is worked out once, until the network changes.

use std::collections::BTreeMap;
use std::time::Duration;

use net::{DatapathId, PortId, PortNo, Time};
use topology::PortState;

use super::build::floods;
use crate::app::View;

/// Frames to all from one port: an ARP question of each of a hundred hosts behind it, every second.
const PORT: Share = Share { a_second: 100, at_once: 200 };
/// Work for all of them: ports looked at, and four for each packet-out, some 2 µs. So a tenth of the thread's time.
const ALL: Share = Share { a_second: 100_000, at_once: 200_000 };
/// One port's part of that work: whatever it sends, the others have the rest.
const WORK: Share = Share { a_second: 12_500, at_once: 50_000 };
/// So many ports that are looked at, when the list is worked out, cost one.
const LOOKS: i64 = 32;
/// What a packet-out costs of that.
const PACKET_OUT: i64 = 4;
/// Ports whose share is remembered. Those that have used nothing of it lately are as good as forgotten; if there are none of these, a new port waits.
const PORTS_MAX: usize = 8_192;
/// Lists of ports that are remembered, one for each set of groups that must not be reached; then they are worked out again.
const LISTS_MAX: usize = 64;
/// A port whose frames are dropped is told of this often.
const PAUSE: Duration = Duration::from_secs(60);
/// A share is whole again before this, whatever it is.
const WHOLE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Share {
    a_second: i64,
    at_once: i64,
}

/// Parts of one that are counted, so that a nanosecond is worth something.
const ONE: i64 = 1_000_000_000;

/// What is left of a share.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: i64,
    at: Time,
}

impl Bucket {
    fn new(share: Share, now: Time) -> Bucket {
        Bucket { left: share.at_once * ONE, at: now }
    }

    fn fill(&mut self, share: Share, now: Time) {
        let nanoseconds = i64::try_from(now.since(self.at).min(WHOLE).as_nanos()).unwrap_or(0);
        self.left = (self.left + nanoseconds * share.a_second).min(share.at_once * ONE);
        self.at = now;
    }

    fn is_whole(mut self, share: Share, now: Time) -> bool {
        self.fill(share, now);
        self.left >= share.at_once * ONE
    }
}

#[derive(Debug)]
struct Sender {
    bucket: Bucket,
    work: Bucket,
    told: Option<Time>,
    untold: u64,
}

/// Switches, and the ports of each where a frame may go.
type Ways = Vec<(DatapathId, Vec<PortNo>)>;

/// Whether a frame is sent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// It is.
    Goes,
    /// It is dropped; with a number, that is to be told, and so many were dropped before without a word.
    Dropped(Option<u64>),
}

/// How much each port has sent to all lately, and where that goes.
#[derive(Debug, Default)]
pub(super) struct Floods {
    senders: BTreeMap<PortId, Sender>,
    all: Option<Bucket>,
    ways: BTreeMap<u64, Ways>,
}

impl Floods {
    /// The network, its paths or the configuration have changed: where frames may go is not known any more.
    pub(super) fn forget_ways(&mut self) {
        self.ways.clear();
    }

    /// Whether a frame from this port may go on.
    pub(super) fn turn(&mut self, from: PortId, now: Time) -> Turn {
        if self.senders.len() >= PORTS_MAX && !self.senders.contains_key(&from) {
            self.senders.retain(|_, sender| !(sender.bucket.is_whole(PORT, now) && sender.work.is_whole(WORK, now)));
            if self.senders.len() >= PORTS_MAX {
                return Turn::Dropped(None);
            }
        }
        let all = self.all.get_or_insert_with(|| Bucket::new(ALL, now));
        all.fill(ALL, now);
        let sender = self.senders.entry(from).or_insert_with(|| Sender {
            bucket: Bucket::new(PORT, now),
            work: Bucket::new(WORK, now),
            told: None,
            untold: 0,
        });
        sender.bucket.fill(PORT, now);
        sender.work.fill(WORK, now);
        if sender.bucket.left >= ONE && sender.work.left > 0 {
            // A frame that all of them together leave no room for is one of its sender's too: who sends more gets no more of what is left.
            sender.bucket.left -= ONE;
            if all.left > 0 {
                return Turn::Goes;
            }
        }
        if sender.told.is_some_and(|told| now.since(told) < PAUSE) {
            sender.untold += 1;
            return Turn::Dropped(None);
        }
        sender.told = Some(now);
        Turn::Dropped(Some(std::mem::take(&mut sender.untold)))
    }

    /// The edge ports, of whatever switch, where nobody hears a frame who is in one of these groups. What that costs is paid for.
    pub(super) fn ways(&mut self, from: PortId, never: u64, view: &View<'_>) -> &Ways {
        let mut cost = 0;
        if self.ways.len() >= LISTS_MAX && !self.ways.contains_key(&never) {
            self.ways.clear();
        }
        let ways = self.ways.entry(never).or_insert_with(|| {
            let (ways, looked) = find(never, view);
            cost += looked / LOOKS;
            ways
        });
        cost += PACKET_OUT * i64::try_from(ways.len()).unwrap_or(i64::MAX / PACKET_OUT);
        let buckets = self.all.iter_mut().chain(self.senders.get_mut(&from).map(|sender| &mut sender.work));
        buckets.for_each(|bucket| bucket.left = bucket.left.saturating_sub(cost.saturating_mul(ONE)));
        ways
    }
}

/// The ports, and how many were looked at.
fn find(never: u64, view: &View<'_>) -> (Ways, i64) {
    let (mut ways, mut looked) = (Ways::new(), 0);
    for (&at, switch) in &view.network.switches {
        looked += i64::try_from(switch.ports.len()).unwrap_or(i64::MAX);
        let edges = switch.ports.iter().filter(|(_, port)| port.state == PortState::Edge);
        let may = |port_no: &PortNo| {
            let port = PortId::new(at, *port_no);
            floods(port, view) && view.isolation.behind(port, view.network) & never == 0
        };
        let ports: Vec<PortNo> = edges.map(|(&port_no, _)| port_no).filter(may).collect();
        if !ports.is_empty() {
            ways.push((at, ports));
        }
    }
    (ways, looked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time::from_secs(10);

    fn port(number: u32) -> PortId {
        PortId::new(DatapathId(1), PortNo(number))
    }

    /// How many of so many frames at this moment go on.
    fn gone(floods: &mut Floods, from: PortId, frames: usize, now: Time) -> usize {
        (0..frames).filter(|_| floods.turn(from, now) == Turn::Goes).count()
    }

    #[test]
    fn each_port_has_its_share_and_gets_it_again() {
        let mut floods = Floods::default();
        assert_eq!(gone(&mut floods, port(1), 10_000, T0), 200);
        assert_eq!(gone(&mut floods, port(2), 10_000, T0), 200, "another one is not held back");
        // However finely the time is cut, it adds up.
        let mut sent = 0;
        for microsecond in 1..=1_000_000 / 50 {
            sent += gone(&mut floods, port(1), 1, T0 + Duration::from_micros(50 * microsecond));
        }
        assert_eq!(sent, 100);
        assert_eq!(gone(&mut floods, port(1), 10_000, T0 + Duration::from_secs(3_600)), 200, "and not more than that");
    }

    #[test]
    fn what_all_cost_together_is_bounded() {
        let mut floods = Floods::default();
        let ways: Ways = (1..=1_000).map(|at| (DatapathId(at), vec![PortNo(1)])).collect();
        floods.ways.insert(0, ways);
        let network = topology::Network::new(1);
        let view = crate::app::View {
            network: &network,
            paths: &crate::path::Paths::new(),
            host_timeout: Duration::from_secs(300),
            isolation: &Default::default(),
            broadcast_probes: false,
            watches_dhcp: false,
        };
        let mut packet_outs = 0;
        let mut now = T0;
        for frame in 0..100_000_u32 {
            now = now + Duration::from_micros(100);
            if floods.turn(port(frame % 1_000), now) == Turn::Goes {
                packet_outs += floods.ways(port(frame % 1_000), 0, &view).len();
            }
        }
        // Ten seconds: 200,000 parts at once and 100,000 a second, four for each.
        assert!((250_000..=320_000).contains(&packet_outs), "{packet_outs}");
    }

    #[test]
    fn a_port_that_sends_without_end_leaves_the_others_their_part() {
        let mut floods = Floods::default();
        // A frame to all costs so much that all together have 25 a second.
        floods.ways.insert(0, (1..=1_000).map(|at| (DatapathId(at), vec![PortNo(1)])).collect());
        let network = topology::Network::new(1);
        let view = crate::app::View {
            network: &network,
            paths: &crate::path::Paths::new(),
            host_timeout: Duration::from_secs(300),
            isolation: &Default::default(),
            broadcast_probes: false,
            watches_dhcp: false,
        };
        let mut gone = [0; 2];
        let mut now = T0;
        for turn in 0..100_000 {
            now = now + Duration::from_micros(100);
            // One sends 10,000 a second, the other one.
            let senders = if turn % 10_000 == 0 { vec![1, 2] } else { vec![1] };
            for sender in senders {
                if floods.turn(port(sender), now) == Turn::Goes {
                    floods.ways(port(sender), 0, &view);
                    gone[sender as usize - 1] += 1;
                }
            }
        }
        assert_eq!(gone[1], 10, "each of its ten frames");
        assert!((20..=60).contains(&gone[0]), "{gone:?}");
    }

    #[test]
    fn what_is_dropped_is_told_once_a_minute() {
        let mut floods = Floods::default();
        assert_eq!(gone(&mut floods, port(1), 200, T0), 200);
        assert_eq!(floods.turn(port(1), T0), Turn::Dropped(Some(0)));
        for _ in 0..9 {
            assert_eq!(floods.turn(port(1), T0), Turn::Dropped(None));
        }
        let later = T0 + PAUSE;
        assert_eq!(gone(&mut floods, port(1), 200, later), 200);
        assert_eq!(floods.turn(port(1), later), Turn::Dropped(Some(9)));
    }

    #[test]
    fn ports_that_are_quiet_are_forgotten_and_no_more_are_remembered_than_there_is_room_for() {
        let mut floods = Floods::default();
        (0..PORTS_MAX as u32).for_each(|number| assert_eq!(floods.turn(port(number), T0), Turn::Goes));
        assert_eq!(floods.turn(port(1_000_000), T0), Turn::Dropped(None));
        assert_eq!(floods.turn(port(1_000_000), T0 + Duration::from_secs(1)), Turn::Goes);
        assert_eq!(floods.senders.len(), 1);
    }
}
