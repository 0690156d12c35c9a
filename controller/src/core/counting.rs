//! What a switch counts, for those who ask: the question goes out, each part of the answer is told as it comes, and nothing is kept.
//!
//! Counters of a hundred thousand rules are nobody's business between two questions: a switch has them, and whoever asks reads them in slices of
//! its own choosing (`io/fabric/counted.rs`). The channel matches the answers and knows when one is overdue.

use std::time::Duration;

use net::DatapathId;
use openflow::{Message, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody, RequestFailure};

use super::connection::{ConnectionId, Question};
use super::{Core, CoreEvent};

/// How long a switch has for one answer. Who waits for it is a person, or a program that has others to ask.
pub const COUNT_LIMIT: Duration = Duration::from_secs(2);

/// Which question an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CountingNumber(pub u64);

/// Why there is no answer, or no whole one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CountingFailure {
    /// Nothing came in [`COUNT_LIMIT`].
    NoAnswer,
    /// The switch has said no, or more than can be believed, or there are too many questions open.
    Failed(RequestFailure),
    /// Its connection has ended.
    Disconnected,
}

impl Core {
    /// Ask a switch for what it counts: parts of its answer are told as [`CoreEvent::Counted`], the last one and a failure as such. `None` if it is
    /// not connected and read back.
    pub fn handle_counting(
        &mut self,
        datapath_id: DatapathId,
        body: MultipartRequestBody,
        now: net::Time,
    ) -> Option<CountingNumber> {
        if !self.is_live(datapath_id) {
            return None;
        }
        let id = *self.by_datapath.get(&datapath_id)?;
        self.last_counting += 1;
        let number = CountingNumber(self.last_counting);
        let message = Message::MultipartRequest(MultipartRequest::new(body));
        self.ask(id, Question::Counters(number), &message, COUNT_LIMIT);
        let connection = self.connections.get_mut(&id)?;
        // One that is about to end asks nothing.
        if !connection.asks(Question::Counters(number)) {
            return None;
        }
        {
            // Its time begins now, not with what the switch says next.
            connection.channel.handle_timeout(now);
        }
        self.drain_channel(id, now);
        self.watch(id);
        self.turn(now);
        Some(number)
    }

    /// A part of an answer.
    pub(super) fn counted(&mut self, number: CountingNumber, message: Message, last: bool) {
        let part = match message {
            Message::MultipartReply(MultipartReply { body, .. }) => body,
            // The channel lets nothing else through as an answer.
            _ => MultipartReplyBody::Flow(Vec::new()),
        };
        self.events.push_back(CoreEvent::Counted { number, part: Ok(part), last });
    }

    /// No answer any more.
    pub(super) fn not_counted(&mut self, number: CountingNumber, failure: CountingFailure) {
        self.events.push_back(CoreEvent::Counted { number, part: Err(failure), last: true });
    }

    /// A connection ends: who waits for its answers is told.
    pub(super) fn end_countings(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let open = connection.take_countings();
        open.into_iter().for_each(|number| self.not_counted(number, CountingFailure::Disconnected));
    }
}
