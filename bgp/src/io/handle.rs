//! The caller's end of a running speaker.

use super::Driver;
use super::recorder::{Recorder, Tap};
use crate::export::AdvertisedPage;
use crate::rib::{Explanation, Page};
use crate::speaker::{NeighborConfig, NeighborError, Reconfigured, SpeakerConfig, SpeakerStatus};
use crate::wire::Family;
use net::Prefix;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// A running speaker. Clones speak to the same one; when the last is dropped the speaker says goodbye and ends.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    listening: Arc<[SocketAddr]>,
    task: Arc<AbortHandle>,
}

/// The speaker has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the BGP speaker has ended")
    }
}

impl std::error::Error for Stopped {}

#[derive(Debug)]
pub(super) enum Request {
    Status(oneshot::Sender<SpeakerStatus>),
    LocRib {
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        answer: oneshot::Sender<Page>,
    },
    ReceivedPaths {
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        answer: oneshot::Sender<Page>,
    },
    AdjRibIn {
        neighbor: IpAddr,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        answer: oneshot::Sender<Page>,
    },
    AdjRibOut {
        neighbor: IpAddr,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        answer: oneshot::Sender<AdvertisedPage>,
    },
    Why {
        prefix: Prefix,
        answer: oneshot::Sender<Vec<Explanation>>,
    },
    AddNeighbor {
        config: Box<NeighborConfig>,
        answer: oneshot::Sender<Result<(), NeighborError>>,
    },
    RemoveNeighbor {
        neighbor: IpAddr,
        answer: oneshot::Sender<bool>,
    },
    Operate {
        neighbor: IpAddr,
        operation: Operation,
        answer: oneshot::Sender<bool>,
    },
    Reconfigure {
        config: Box<SpeakerConfig>,
        answer: oneshot::Sender<Result<Vec<Reconfigured>, NeighborError>>,
    },
    Originate {
        prefix: Prefix,
        answer: oneshot::Sender<()>,
    },
    Withdraw {
        prefix: Prefix,
        answer: oneshot::Sender<()>,
    },
    Record {
        tap: Recorder,
        answer: oneshot::Sender<()>,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// What an operator does to a neighbour's session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Ends it with this text for the other side's operator (RFC 9003), and keeps it down.
    ShutDown(String),
    /// Starts it, whatever it is kept down by.
    Start,
    /// Ends it with this text (RFC 9003) and starts it again.
    Reset(String),
    /// Asks the neighbour for its routes again (RFC 2918).
    SoftResetIn,
    /// Sends the neighbour its routes again.
    SoftResetOut,
}

/// Most prefixes that one page visits, whatever is asked for: keeps the speaker's turn below a millisecond.
pub const PAGE_LIMIT: usize = 1000;

impl Handle {
    pub(super) fn new(requests: mpsc::Sender<Request>, listening: Arc<[SocketAddr]>, task: Arc<AbortHandle>) -> Handle {
        Handle { requests, listening, task }
    }

    /// The addresses that are listened on, with the ports as the system gave them.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Whether the speaker still runs.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Neighbours, counters and table sizes as they are now.
    pub async fn status(&self) -> Result<SpeakerStatus, Stopped> {
        self.ask(Request::Status).await
    }

    /// A page of the Loc-RIB; see [`crate::rib::Rib::loc_rib`]. At most [`PAGE_LIMIT`] prefixes are visited.
    pub async fn routes(&self, family: Family, after: Option<Prefix>, limit: usize) -> Result<Page, Stopped> {
        self.ask(|answer| Request::LocRib { family, after, limit: limit.min(PAGE_LIMIT), answer }).await
    }

    /// A page of what a neighbour has sent, as received.
    pub async fn adj_rib_in(
        &self,
        neighbor: IpAddr,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
    ) -> Result<Page, Stopped> {
        self.ask(|answer| Request::AdjRibIn { neighbor, family, after, limit: limit.min(PAGE_LIMIT), answer }).await
    }

    /// A page of what all neighbours have sent, and of our own routes; see [`crate::rib::Rib::received_paths`].
    pub async fn received_paths(&self, family: Family, after: Option<Prefix>, limit: usize) -> Result<Page, Stopped> {
        self.ask(|answer| Request::ReceivedPaths { family, after, limit: limit.min(PAGE_LIMIT), answer }).await
    }

    /// A page of what a neighbour has been sent.
    pub async fn adj_rib_out(
        &self,
        neighbor: IpAddr,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
    ) -> Result<AdvertisedPage, Stopped> {
        self.ask(|answer| Request::AdjRibOut { neighbor, family, after, limit: limit.min(PAGE_LIMIT), answer }).await
    }

    /// Every route to `prefix`, and why it is or isn't the best.
    pub async fn why(&self, prefix: Prefix) -> Result<Vec<Explanation>, Stopped> {
        self.ask(|answer| Request::Why { prefix, answer }).await
    }

    /// Adds a neighbour and starts its session.
    pub async fn add_neighbor(&self, config: NeighborConfig) -> Result<Result<(), NeighborError>, Stopped> {
        self.ask(|answer| Request::AddNeighbor { config: Box::new(config), answer }).await
    }

    /// Ends a neighbour's session (Cease, peer de-configured) and forgets it. `false` if there is no such neighbour.
    pub async fn remove_neighbor(&self, neighbor: IpAddr) -> Result<bool, Stopped> {
        self.ask(|answer| Request::RemoveNeighbor { neighbor, answer }).await
    }

    /// Does something to a neighbour's session. `false`: there is no such neighbour, or for a soft reset no session that
    /// can be asked.
    pub async fn operate(&self, neighbor: IpAddr, operation: Operation) -> Result<bool, Stopped> {
        self.ask(|answer| Request::Operate { neighbor, operation, answer }).await
    }

    /// Takes on another configuration; see [`crate::speaker::Speaker::reconfigure`]. What is listened on stays.
    pub async fn reconfigure(
        &self,
        config: SpeakerConfig,
    ) -> Result<Result<Vec<Reconfigured>, NeighborError>, Stopped> {
        self.ask(|answer| Request::Reconfigure { config: Box::new(config), answer }).await
    }

    /// Has somebody else see what comes in, or nobody. When this returns, the one before is dropped.
    pub async fn set_tap(&self, tap: Option<Tap>) -> Result<(), Stopped> {
        self.ask(|answer| Request::Record { tap: Recorder(tap), answer }).await
    }

    /// Originates `prefix`.
    pub async fn originate(&self, prefix: Prefix) -> Result<(), Stopped> {
        self.ask(|answer| Request::Originate { prefix, answer }).await
    }

    /// Takes back what [`Handle::originate`] or the configuration did.
    pub async fn withdraw(&self, prefix: Prefix) -> Result<(), Stopped> {
        self.ask(|answer| Request::Withdraw { prefix, answer }).await
    }

    /// Ends all sessions with a Cease (administrative shutdown), waits a few seconds at most for it to go out, and ends
    /// the speaker.
    pub async fn stop(&self) {
        // An error means that it has ended already.
        let _ = self.ask(|done| Request::Stop { done }).await;
    }
}

impl Driver {
    pub(super) fn handle_request(&mut self, request: Request) {
        let now = self.now();
        // Who no longer waits for an answer doesn't get one.
        match request {
            Request::Status(answer) => drop(answer.send(self.speaker.status(now))),
            Request::LocRib { family, after, limit, answer } => {
                drop(answer.send(self.speaker.rib().loc_rib(family, after, limit)));
            }
            Request::ReceivedPaths { family, after, limit, answer } => {
                drop(answer.send(self.speaker.rib().received_paths(family, after, limit)));
            }
            Request::AdjRibIn { neighbor, family, after, limit, answer } => {
                drop(answer.send(self.speaker.adj_rib_in(neighbor, family, after, limit)));
            }
            Request::AdjRibOut { neighbor, family, after, limit, answer } => {
                drop(answer.send(self.speaker.adj_rib_out(neighbor, family, after, limit)));
            }
            Request::Why { prefix, answer } => drop(answer.send(self.speaker.rib().why(prefix))),
            Request::AddNeighbor { config, answer } => drop(answer.send(self.speaker.add_neighbor(*config, now))),
            Request::RemoveNeighbor { neighbor, answer } => {
                let _ = answer.send(self.speaker.remove_neighbor(neighbor, now));
            }
            Request::Operate { neighbor, operation, answer } => {
                let speaker = &mut self.speaker;
                let _ = answer.send(match operation {
                    Operation::ShutDown(text) => speaker.shutdown_neighbor(neighbor, &text, now),
                    Operation::Start => speaker.start_neighbor(neighbor, now),
                    Operation::Reset(text) => speaker.reset_neighbor(neighbor, &text, now),
                    Operation::SoftResetIn => speaker.soft_reset_in(neighbor, now),
                    Operation::SoftResetOut => speaker.soft_reset_out(neighbor, now),
                });
            }
            Request::Reconfigure { config, answer } => drop(answer.send(self.speaker.reconfigure(*config, now))),
            Request::Originate { prefix, answer } => {
                self.speaker.originate(prefix, now);
                let _ = answer.send(());
            }
            Request::Withdraw { prefix, answer } => {
                self.speaker.withdraw(prefix, now);
                let _ = answer.send(());
            }
            Request::Record { tap, answer } => {
                self.tap = tap;
                let _ = answer.send(());
            }
            Request::Stop { done } => self.stopping.push(done),
        }
    }
}
