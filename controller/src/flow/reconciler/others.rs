//! Questions for rules that somebody else has put on a switch: never more than a slice at a time where that can be known beforehand.
//!
//! Such rules have one cookie as a rule, so that bits of it do not part them. They are counted first, then by table, and asked for where few
//! enough are together. What is left are many rules of one table and alike in their cookies: OpenFlow 1.3.5 §7.3.5.2 has no question for a part
//! of these. They are read all at once if they have to be known, and else counted only.

use std::collections::{BTreeSet, VecDeque};

use openflow::{FlowStatsRequest, MultipartReplyBody, MultipartRequestBody, TableId};

use super::read_back::{SLICE_FLOWS, SLICES_MAX, flows_with, slices_for};
use crate::flow::rule::OUR_COOKIES;

/// Questions that wait: what a switch says of its tables is not believed without end.
const WAITING_MAX: usize = 2 * SLICES_MAX as usize;

/// Rules that one question is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    table: TableId,
    cookie: u64,
    mask: u64,
}

impl Part {
    fn request(self) -> FlowStatsRequest {
        FlowStatsRequest { table_id: self.table, ..flows_with(self.cookie, self.mask) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    /// Are there any rules but ours?
    All,
    Count(Part),
    /// Which tables have rules?
    Tables(Part),
    Flows(Part),
}

/// The questions, one after the other.
#[derive(Debug)]
pub(crate) struct Others {
    /// All of them, or the one that is looked at.
    table: TableId,
    waiting: VecDeque<Question>,
    asked: Option<Question>,
    ours: u64,
    /// Those that no slice can be made of are read, too.
    everything: bool,
    /// Else: tables in which something is looked for.
    tables: BTreeSet<TableId>,
    unread: u64,
}

impl Others {
    /// For a switch, or one of its tables, that has told so many rules with our mark. Where it is not to be `everything`, what is in other `tables` than these and too
    /// much for a slice is only counted.
    pub(crate) fn new(table: Option<TableId>, ours: u64, everything: bool, tables: BTreeSet<TableId>) -> Others {
        let (table, waiting) = (table.unwrap_or(TableId::ALL), VecDeque::from([Question::All]));
        Others { table, waiting, asked: None, ours, everything, tables, unread: 0 }
    }

    /// The next question, when the one before has been answered.
    pub(crate) fn next(&mut self) -> Option<MultipartRequestBody> {
        self.asked = self.waiting.pop_front();
        self.asked.map(|question| match question {
            Question::All => {
                MultipartRequestBody::Aggregate(FlowStatsRequest { table_id: self.table, ..flows_with(0, 0) })
            }
            Question::Count(part) => MultipartRequestBody::Aggregate(part.request()),
            Question::Tables(_) => MultipartRequestBody::Table,
            Question::Flows(part) => MultipartRequestBody::Flow(part.request()),
        })
    }

    /// Whether flows are what was asked for.
    pub(crate) fn asks_for_flows(&self) -> bool {
        matches!(self.asked, Some(Question::Flows(_)))
    }

    /// A part of an answer. False if that was not asked for.
    pub(crate) fn told(&mut self, body: &MultipartReplyBody) -> bool {
        match (self.asked, body) {
            (Some(Question::All), MultipartReplyBody::Aggregate(all)) => {
                if u64::from(all.flow_count) != self.ours {
                    let parts = with_other_marks().map(|part| Part { table: self.table, ..part });
                    self.waiting.extend(parts.map(Question::Count));
                }
            }
            (Some(Question::Count(part)), MultipartReplyBody::Aggregate(some)) => {
                self.counted(part, u64::from(some.flow_count));
            }
            (Some(Question::Tables(part)), MultipartReplyBody::Table(tables)) => {
                for table in tables.iter().filter(|table| table.active_count > 0) {
                    if self.everything || self.tables.contains(&table.table_id) {
                        self.wait(Question::Count(Part { table: table.table_id, ..part }));
                    }
                }
            }
            (Some(Question::Flows(_)), MultipartReplyBody::Flow(_)) => {}
            _ => return false,
        }
        true
    }

    fn counted(&mut self, part: Part, flows: u64) {
        match flows {
            0 => {}
            _ if flows <= SLICE_FLOWS => self.wait(Question::Flows(part)),
            _ if part.table == TableId::ALL => {
                self.unread += flows;
                self.wait(Question::Tables(part));
            }
            _ if !self.everything => {
                if part.table == self.table {
                    self.unread += flows;
                }
            }
            _ => {
                let slices = slices_for(flows);
                for slice in 0..slices {
                    let (cookie, mask) = (part.cookie | slice, part.mask | (slices - 1));
                    self.wait(Question::Flows(Part { cookie, mask, ..part }));
                }
            }
        }
    }

    fn wait(&mut self, question: Question) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(question);
        }
    }

    /// Rules were told, whose cookies do not have our mark.
    pub(crate) fn read(&mut self, rules: u64) {
        // What was few enough before it was parted by table is not among those.
        if matches!(self.asked, Some(Question::Flows(part)) if part.table != self.table) {
            self.unread = self.unread.saturating_sub(rules);
        }
    }

    /// About how many rules were counted and not told.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
    }
}

/// All cookies without our mark, in eight parts: the first bit in which it is another one.
fn with_other_marks() -> impl Iterator<Item = Part> {
    let (mark, mask) = OUR_COOKIES;
    (0..mask.count_ones()).map(move |bit| {
        let mask = mask & !(u64::MAX >> 1 >> bit);
        Part { table: TableId::ALL, cookie: (mark ^ (1 << 63 >> bit)) & mask, mask }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::is_our_cookie;

    #[test]
    fn each_cookie_without_our_mark_is_in_one_part_and_ours_are_in_none() {
        for octet in 0..=255_u64 {
            for cookie in [octet << 56, octet << 56 | 0x00ff_ffff_ffff_ffff] {
                let parts = with_other_marks().filter(|part| cookie & part.mask == part.cookie).count();
                assert_eq!(parts, usize::from(!is_our_cookie(cookie)), "{cookie:#x}");
            }
        }
    }
}
