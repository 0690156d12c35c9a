//! Audits that somebody asks for: who asks waits until the last of the switches has been audited.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Fabric;
use crate::flow::AuditReport;

/// Requests that wait for the fabric thread. Who asks beyond waits too.
const REQUESTS: usize = 8;
/// How long an audit of all may take: a switch with 100,000 rules takes a second or two, and four are looked at at a time.
/// What has been found by then is told, and which switches are missing.
const AUDIT_LIMIT: Duration = Duration::from_secs(100);
/// How long who asks waits for that.
const ANSWER_LIMIT: Duration = Duration::from_secs(110);

/// What an audit of a switch has found.
#[derive(Debug)]
pub struct Audited {
    /// What was found.
    pub report: AuditReport,
    /// Of each difference, the line of the configuration that states the rule.
    pub lines: Vec<Option<u32>>,
}

/// The fabric thread does not answer: it has ended, or has too much to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAudit;

pub(super) struct Request {
    of: Option<DatapathId>,
    answer: oneshot::Sender<Vec<Arc<Audited>>>,
}

/// Asks for audits.
#[derive(Clone)]
pub struct Auditor {
    requests: mpsc::Sender<Request>,
}

impl Auditor {
    pub(super) fn new() -> (Auditor, mpsc::Receiver<Request>) {
        let (requests, asked) = mpsc::channel(REQUESTS);
        (Auditor { requests }, asked)
    }

    /// Audits a switch, or all that are connected. An empty list if there is none.
    ///
    /// # Errors
    /// The fabric thread does not answer.
    pub async fn audit(&self, of: Option<DatapathId>) -> Result<Vec<Arc<Audited>>, NoAudit> {
        let (answer, answered) = oneshot::channel();
        let ask = async {
            self.requests.send(Request { of, answer }).await.map_err(|_| NoAudit)?;
            answered.await.map_err(|_| NoAudit)
        };
        tokio::time::timeout(ANSWER_LIMIT, ask).await.map_err(|_| NoAudit)?
    }
}

/// Who waits for which switches.
#[derive(Default)]
pub(super) struct Waiting(RefCell<Vec<One>>);

/// Why an audit of a switch that was not reached in time has found nothing.
const TOO_LATE: &str = "its turn had not come, or it was not done, when the time for all was over";

struct One {
    /// Until when it is waited for.
    until: Instant,
    left: BTreeSet<DatapathId>,
    done: Vec<Arc<Audited>>,
    answer: oneshot::Sender<Vec<Arc<Audited>>>,
}

impl Waiting {
    /// When the time for one who waits is over. Who has asked first is the first.
    fn next(&self) -> Option<Instant> {
        self.0.borrow().first().map(|one| one.until)
    }

    /// The time for some who wait is over: the switches that are missing are told as such.
    fn give_up(&self, at: Instant, now: Time) {
        let mut waiting = self.0.borrow_mut();
        for mut one in waiting.extract_if(.., |one| one.until <= at) {
            one.done.extend(one.left.iter().map(|&id| {
                let report = AuditReport { cut_short: Some(TOO_LATE), ..AuditReport::new(id, now) };
                Arc::new(Audited { report, lines: Vec::new() })
            }));
            // Who has asked may be gone.
            let _ = one.answer.send(one.done);
        }
    }

    /// A switch has been audited.
    pub(super) fn audited(&self, report: &AuditReport, lines: &[Option<u32>]) {
        let mut waiting = self.0.borrow_mut();
        // Who has asked may be gone.
        waiting.retain(|one| !one.answer.is_closed());
        if waiting.is_empty() {
            return;
        }
        let audited = Arc::new(Audited { report: report.clone(), lines: lines.to_vec() });
        for one in waiting.iter_mut() {
            if one.left.remove(&report.datapath_id) {
                one.done.push(audited.clone());
            }
        }
        for one in waiting.extract_if(.., |one| one.left.is_empty()) {
            let _ = one.answer.send(one.done);
        }
    }
}

/// Takes requests for ever.
pub(super) async fn answer(fabric: Rc<Fabric>, mut requests: mpsc::Receiver<Request>) {
    loop {
        let request = match fabric.audits.next() {
            Some(until) => match tokio::time::timeout_at(until, requests.recv()).await {
                Ok(request) => request,
                Err(_) => {
                    fabric.audits.give_up(until, fabric.clock.now());
                    continue;
                }
            },
            None => requests.recv().await,
        };
        let Some(Request { of, answer }) = request else { return };
        let until = Instant::now() + AUDIT_LIMIT;
        // Nothing is told before the turn is over, and then this request is there.
        fabric.turn(|core, now| {
            let left = core.handle_audit(of, now);
            if left.is_empty() {
                // Who has asked may be gone.
                let _ = answer.send(Vec::new());
            } else {
                fabric.audits.0.borrow_mut().push(One { until, left, done: Vec::new(), answer });
            }
        });
    }
}
