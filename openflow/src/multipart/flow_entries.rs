//! The flows of a part of an answer, one at a time: for who looks at many and keeps few.

use bytes::Bytes;
use net::DecodeError;

use super::stats::FlowStats;
use super::{MultipartType, REPLY_MORE};
use crate::flow::FlowModFlags;
use crate::flow_match::Match;
use crate::framing::{HEADER_LEN, Header, VERSION};
use crate::identifier::TableId;
use crate::instruction::Instruction;
use crate::message::MessageType;
use crate::wire::Reader;

/// The flows in a MULTIPART_REPLY about flows (OpenFlow 1.3.5 §7.3.5.2), read as they are asked for. Together they are what
/// [`Message::decode`](crate::Message::decode) reads; nothing is collected, and what is not asked for is not read.
///
/// An error ends the iteration. What is behind it can't be found any more.
///
/// ```
/// # use openflow::*;
/// # let body = MultipartReplyBody::Flow(Vec::new());
/// # let mut frame = bytes::BytesMut::new();
/// # Message::MultipartReply(MultipartReply { more: false, body }).encode(1, &mut frame).unwrap();
/// # let frame = frame.freeze();
/// if let Some(entries) = FlowStatsEntries::of(&frame)? {
///     for entry in entries {
///         let entry = entry?;
///         if entry.cookie >> 32 == 0x5401 {
///             println!("{}: {} packets", entry.match_()?, entry.packet_count);
///         }
///     }
/// }
/// # Ok::<(), net::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FlowStatsEntries<'a> {
    xid: u32,
    more: bool,
    reader: Reader<'a>,
}

impl<'a> FlowStatsEntries<'a> {
    /// Of a whole frame. `None` if it is any other message.
    pub fn of(frame: &'a Bytes) -> Result<Option<FlowStatsEntries<'a>>, DecodeError> {
        let header = Header::parse(frame)?;
        if header.version != VERSION || header.message_type != MessageType::MULTIPART_REPLY {
            return Ok(None);
        }
        let mut reader = Reader::new(frame);
        reader.skip(HEADER_LEN, "header")?;
        let multipart_type = MultipartType(reader.u16("multipart_reply.type")?);
        let flags = reader.u16("multipart_reply.flags")?;
        reader.skip(4, "multipart_reply.pad")?;
        let entries = FlowStatsEntries { xid: header.xid, more: flags & REPLY_MORE != 0, reader };
        Ok(Some(entries).filter(|_| multipart_type == MultipartType::FLOW))
    }

    /// The number of the question that this answers.
    pub fn xid(&self) -> u32 {
        self.xid
    }

    /// Whether more parts of the answer follow.
    pub fn more(&self) -> bool {
        self.more
    }
}

impl<'a> Iterator for FlowStatsEntries<'a> {
    type Item = Result<FlowStatsEntry<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Result<FlowStatsEntry<'a>, DecodeError>> {
        if self.reader.is_empty() {
            return None;
        }
        let entry = FlowStatsEntry::parse(&mut self.reader);
        if entry.is_err() {
            self.reader.end();
        }
        Some(entry)
    }
}

/// A flow and its counters as they stand in an answer (OpenFlow 1.3.5 §7.3.5.2, `ofp_flow_stats`): its numbers are read, its match and
/// its instructions are read when they are asked for.
#[derive(Clone, Debug)]
pub struct FlowStatsEntry<'a> {
    /// The table it is in.
    pub table_id: TableId,
    /// Whole seconds that it has lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
    /// Its priority.
    pub priority: u16,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowModFlags,
    /// Its cookie.
    pub cookie: u64,
    /// Packets that it matched.
    pub packet_count: u64,
    /// Octets in those packets.
    pub byte_count: u64,
    /// Match and instructions.
    body: Reader<'a>,
}

impl<'a> FlowStatsEntry<'a> {
    #[inline(always)]
    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<FlowStatsEntry<'a>, DecodeError> {
        let length = reader.u16("flow_stats.length")?;
        let mut body = reader.body(length, 2, "flow_stats.length")?;
        let table_id = TableId(body.u8("flow_stats.table_id")?);
        body.skip(1, "flow_stats.pad")?;
        let duration_sec = body.u32("flow_stats.duration_sec")?;
        let duration_nsec = body.u32("flow_stats.duration_nsec")?;
        let priority = body.u16("flow_stats.priority")?;
        let idle_timeout = body.u16("flow_stats.idle_timeout")?;
        let hard_timeout = body.u16("flow_stats.hard_timeout")?;
        let flags = FlowModFlags(body.u16("flow_stats.flags")?);
        body.skip(4, "flow_stats.pad2")?;
        Ok(FlowStatsEntry {
            table_id,
            duration_sec,
            duration_nsec,
            priority,
            idle_timeout,
            hard_timeout,
            flags,
            cookie: body.u64("flow_stats.cookie")?,
            packet_count: body.u64("flow_stats.packet_count")?,
            byte_count: body.u64("flow_stats.byte_count")?,
            body,
        })
    }

    /// Its match. Allocates nothing where the match is held inline ([`INLINE_MATCH_LEN`](crate::INLINE_MATCH_LEN)).
    pub fn match_(&self) -> Result<Match, DecodeError> {
        Match::parse(&mut self.body.clone())
    }

    /// Its instructions.
    pub fn instructions(&self) -> Result<Vec<Instruction>, DecodeError> {
        let mut body = self.body.clone();
        Match::skip(&mut body)?;
        Instruction::parse_list(body)
    }

    /// All of it, read.
    #[inline(always)]
    pub fn to_stats(&self) -> Result<FlowStats, DecodeError> {
        let mut body = self.body.clone();
        Ok(FlowStats {
            table_id: self.table_id,
            duration_sec: self.duration_sec,
            duration_nsec: self.duration_nsec,
            priority: self.priority,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            flags: self.flags,
            cookie: self.cookie,
            packet_count: self.packet_count,
            byte_count: self.byte_count,
            match_: Match::parse(&mut body)?,
            instructions: Instruction::parse_list(body)?,
        })
    }
}
