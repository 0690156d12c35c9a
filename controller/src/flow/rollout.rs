//! Steps across switches, phase by phase: a phase is every step of one number and stage, and it is over when each of its switches has
//! answered its last barrier.

use net::{DatapathId, Time};

use super::switch::{Op, Planned};

/// Steps that an idle rollout keeps its place for.
const STEPS_KEPT: usize = 1_024;

/// What one switch gets in the current phase: a range of the steps.
#[derive(Debug)]
struct Queue {
    datapath_id: DatapathId,
    next: usize,
    end: usize,
    barrier: Option<u32>,
}

/// One lane's rollout.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    /// By phase, within it by switch, within that in the order in which they are sent.
    steps: Vec<Planned>,
    /// The first step of the next phase.
    next: usize,
    /// The current phase, by switch.
    queues: Vec<Queue>,
    /// Barriers of the current phase that are out.
    waiting: usize,
    /// A phase has begun whose end nobody has heard of.
    begun: bool,
    pub(super) deadline: Option<Time>,
    /// The next phase begins at the earliest now: what forwards has not yet followed the last one.
    pub(super) follows_at: Option<Time>,
}

impl Rollout {
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.next >= self.steps.len()
    }

    /// Whether steps of a later phase are left.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.steps.len()
    }

    /// Whether a phase was under way, which it is not any more.
    pub(super) fn take_phase(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    /// Whether a barrier of the current phase is out.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// The place of the last rollout's steps, empty.
    pub(super) fn take_steps(&mut self) -> Vec<Planned> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.clear();
        steps.shrink_to(STEPS_KEPT);
        steps
    }

    /// A new rollout. Steps of one switch and phase stay in their order.
    pub(super) fn begin(&mut self, mut steps: Vec<Planned>) {
        let place = |planned: &Planned| (planned.step, planned.datapath_id);
        if !steps.is_sorted_by_key(place) {
            steps.sort_by_key(place);
        }
        (self.steps, self.next) = (steps, 0);
        self.queues.clear();
    }

    /// Go on to the next phase: how many switches it has, 0 after the last.
    pub(super) fn next_phase(&mut self) -> usize {
        self.queues.clear();
        let Some(first) = self.steps.get(self.next) else { return 0 };
        let phase = first.step;
        self.begun = true;
        while let Some(planned) = self.steps.get(self.next).filter(|planned| planned.step == phase) {
            let at = self.next;
            self.next += 1;
            match self.queues.last_mut() {
                Some(queue) if queue.datapath_id == planned.datapath_id => queue.end = self.next,
                _ => {
                    let datapath_id = planned.datapath_id;
                    self.queues.push(Queue { datapath_id, next: at, end: self.next, barrier: None });
                }
            }
        }
        self.queues.len()
    }

    pub(super) fn switch_of(&self, queue: usize) -> Option<DatapathId> {
        self.queues.get(queue).map(|queue| queue.datapath_id)
    }

    /// How many steps of the queue are left.
    pub(super) fn remaining(&self, queue: usize) -> usize {
        self.queues.get(queue).map_or(0, |queue| queue.end - queue.next)
    }

    /// The queue's next step.
    pub(super) fn next_op(&mut self, queue: usize) -> Option<Op> {
        let queue = self.queues.get_mut(queue).filter(|queue| queue.next < queue.end)?;
        queue.next += 1;
        self.steps.get(queue.next - 1).map(|planned| planned.op)
    }

    /// The queue goes on when this barrier is answered.
    pub(super) fn wait(&mut self, queue: usize, barrier: u32) {
        if let Some(queue) = self.queues.get_mut(queue) {
            self.waiting += usize::from(queue.barrier.is_none());
            queue.barrier = Some(barrier);
        }
    }

    /// A barrier was answered: the queue that waited for it.
    pub(super) fn confirmed(&mut self, datapath_id: DatapathId, barrier: u32) -> Option<usize> {
        let at = self.find(datapath_id)?;
        let queue = self.queues.get_mut(at).filter(|queue| queue.barrier == Some(barrier))?;
        queue.barrier = None;
        self.waiting -= 1;
        Some(at)
    }

    /// Nobody is waited for any more. Who was, and whether some of its steps were not sent.
    pub(super) fn give_up(&mut self) -> Vec<(DatapathId, bool)> {
        let mut late = Vec::new();
        for queue in &mut self.queues {
            if queue.barrier.take().is_some() {
                late.push((queue.datapath_id, queue.next < queue.end));
                queue.next = queue.end;
            }
        }
        (self.waiting, self.deadline) = (0, None);
        late
    }

    /// A switch's steps are taken back: those that were not sent.
    pub(super) fn drop_switch(&mut self, datapath_id: DatapathId) -> Vec<Op> {
        let mut dropped = Vec::new();
        if let Some(queue) = self.find(datapath_id).and_then(|at| self.queues.get_mut(at)) {
            self.waiting -= usize::from(queue.barrier.take().is_some());
            let rest = self.steps.get(queue.next..queue.end).unwrap_or_default();
            dropped.extend(rest.iter().map(|planned| planned.op));
            queue.next = queue.end;
        }
        for planned in self.steps.iter_mut().skip(self.next) {
            if planned.datapath_id == datapath_id {
                dropped.push(planned.op);
                planned.op = Op::Nothing;
            }
        }
        dropped
    }

    /// Nothing more of this rollout is sent; what is out is waited for. The steps that were left.
    pub(super) fn take_rest(&mut self) -> Vec<(DatapathId, Op)> {
        let Rollout { steps, next, queues, .. } = self;
        let unsent = queues.iter_mut().flat_map(|queue| std::mem::replace(&mut queue.next, queue.end)..queue.end);
        let left = unsent.chain(*next..steps.len()).filter_map(|at| steps.get(at));
        let rest = left.map(|planned| (planned.datapath_id, planned.op)).collect();
        *next = steps.len();
        rest
    }

    fn find(&self, datapath_id: DatapathId) -> Option<usize> {
        self.queues.binary_search_by_key(&datapath_id, |queue| queue.datapath_id).ok()
    }
}
