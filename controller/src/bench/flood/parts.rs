//! Parts of an answer that never ends: built once, patched where they differ.

use bytes::BytesMut;
use net::{MacAddr, PortNo};
use openflow::{
    Action, FlowModFlags, FlowStats, Instruction, Match, Message, MultipartReply, MultipartReplyBody, Port,
};

use crate::flow::pipeline::{FORWARD, forward};

/// Ports and flows that fit in a part of 64 KiB.
const PORTS: usize = 1_000;
const FLOWS: usize = 740;
/// A part's own octets (OpenFlow 1.3.5 §7.3.5), those of a port (§7.2.1), and those of a flow with a match of eth_dst and an output (§7.3.5.2).
const HEAD: usize = 16;
const PORT: usize = 64;
const FLOW: usize = 88;
/// Where the last four octets of eth_dst stand in a flow: behind its fixed part, the head of the match, that of the field, and two octets.
const ADDRESS: usize = 48 + 4 + 4 + 2;
/// A cookie of the forwarding application.
const OUR_COOKIE: u64 = 0x5401_0000_0000_0001;

/// A part with REPLY_MORE, as often as it is wanted. Each of its entries is another one each time.
pub(super) struct Parts {
    part: Vec<u8>,
    /// Where the number stands in the first entry, and from one entry to the next.
    first: usize,
    stride: usize,
    next: u32,
}

impl Parts {
    /// Parts of a port description.
    pub(super) fn ports() -> Parts {
        let port = Port::new(PortNo(1), MacAddr([6, 0, 0, 0, 0, 1]), "endless");
        Parts::new(MultipartReplyBody::PortDesc(vec![port; PORTS]), HEAD, PORT)
    }

    /// Parts of a list of flows: rules of hosts, marked as this controller's own.
    pub(super) fn flows() -> Parts {
        let flow = FlowStats {
            table_id: FORWARD,
            duration_sec: 1,
            duration_nsec: 0,
            priority: forward::HOST,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowModFlags::SEND_FLOW_REM,
            cookie: OUR_COOKIE,
            packet_count: 0,
            byte_count: 0,
            match_: Match::new().with_eth_dst(MacAddr([2, 0, 0, 0, 0, 1])),
            instructions: vec![Instruction::ApplyActions(vec![Action::output(PortNo(1))])],
        };
        Parts::new(MultipartReplyBody::Flow(vec![flow; FLOWS]), HEAD + ADDRESS, FLOW)
    }

    fn new(body: MultipartReplyBody, first: usize, stride: usize) -> Parts {
        let mut part = BytesMut::new();
        // It is shorter than a message may be: a test reads it back.
        let _ = Message::MultipartReply(MultipartReply { more: true, body }).encode(0, &mut part);
        Parts { part: part.to_vec(), first, stride, next: 0 }
    }

    /// The next part, for the question with this number.
    pub(super) fn put(&mut self, xid: u32, out: &mut Vec<u8>) {
        if let Some(field) = self.part.get_mut(4..8) {
            field.copy_from_slice(&xid.to_be_bytes());
        }
        let mut at = self.first;
        while let Some(field) = self.part.get_mut(at..at + 4) {
            // Port 0 is none.
            self.next = self.next.wrapping_add(1).max(1);
            field.copy_from_slice(&self.next.to_be_bytes());
            at += self.stride;
        }
        out.extend_from_slice(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;

    use super::*;
    use crate::flow::is_our_cookie;

    fn read(parts: &mut Parts) -> MultipartReplyBody {
        let mut out = Vec::new();
        parts.put(77, &mut out);
        assert!(out.len() > 60_000, "{} octets", out.len());
        match Message::decode(&Bytes::from(out)) {
            Ok((77, Message::MultipartReply(MultipartReply { more: true, body }))) => body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_part_of_ports_has_ports_that_were_not_told_before() {
        let (mut parts, mut seen) = (Parts::ports(), BTreeSet::new());
        for _ in 0..3 {
            let MultipartReplyBody::PortDesc(ports) = read(&mut parts) else { panic!("other parts") };
            assert!(ports.iter().all(|port| seen.insert(port.port_no)));
        }
        assert_eq!(seen.len(), 3 * PORTS);
    }

    #[test]
    fn each_part_of_flows_has_rules_of_ours_that_were_not_told_before() {
        let (mut parts, mut seen) = (Parts::flows(), BTreeSet::new());
        for _ in 0..3 {
            let MultipartReplyBody::Flow(flows) = read(&mut parts) else { panic!("other parts") };
            assert!(flows.iter().all(|flow| is_our_cookie(flow.cookie) && seen.insert(flow.match_.eth_dst())));
        }
        assert_eq!(seen.len(), 3 * FLOWS);
    }
}
