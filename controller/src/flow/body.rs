//! What a rule matches and does, as it is kept: a controller holds several hundred thousand of these. The short forms are those of the
//! table map: what a host has in CLASSIFY and FORWARD.
//!
//! The three short forms write and know the octets of OpenFlow by themselves, which is the library's business everywhere else: they are this
//! controller's own table map, and a host's rule is compared and sent without a match or an action being made. Tests hold them to what
//! [`write_flow_body`] writes.

use bytes::{Bytes, BytesMut};
use net::{MacAddr, PortNo};
use openflow::{
    Action, GroupId, Instruction, InstructionType, Match, TableId, TooLong, read_flow_body, write_flow_body,
};
use smallvec::SmallVec;

/// Octets that need no second allocation: in_port and eth_src with a goto-table are 32, eth_dst with one output 40.
const BODY_INLINE: usize = 40;

/// Match and instructions of a flow entry, for who keeps many: 16 octets for the two that a host has on each switch, frames from it at its
/// port and frames to it; the octets on the wire (OpenFlow 1.3.5 §7.2.3, §7.2.4) for anything else. Equality is that of the octets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlowBody(Form);

/// What can be said in one of the first three forms is said in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Form {
    SourceGoto { in_port: PortNo, eth_src: MacAddr, table: TableId },
    DestinationOutput { eth_dst: MacAddr, port: PortNo, max_len: u16 },
    DestinationGroup { eth_dst: MacAddr, group: GroupId },
    Any(Box<SmallVec<[u8; BODY_INLINE]>>),
}

/// A match, in a form that is compared and hashed fast: what a [`FlowBody`] matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowKey<'b> {
    /// in_port and eth_src.
    Source(PortNo, MacAddr),
    /// eth_dst.
    Destination(MacAddr),
    /// Anything else: `ofp_match` with its padding.
    Octets(&'b [u8]),
}

impl<'b> FlowKey<'b> {
    /// `octets` are those of a [`FlowBody`]'s match.
    pub fn of(octets: &'b [u8]) -> FlowKey<'b> {
        match *octets {
            [0, 1, 0, 22, 0x80, 0, IN_PORT, 4, p0, p1, p2, p3, 0x80, 0, ETH_SRC, 6, a, b, c, d, e, f, 0, 0] => {
                FlowKey::Source(PortNo(u32::from_be_bytes([p0, p1, p2, p3])), MacAddr([a, b, c, d, e, f]))
            }
            [0, 1, 0, 14, 0x80, 0, ETH_DST, 6, a, b, c, d, e, f, 0, 0] => {
                FlowKey::Destination(MacAddr([a, b, c, d, e, f]))
            }
            _ => FlowKey::Octets(octets),
        }
    }
}

/// A [`FlowBody`] on the wire.
#[derive(Clone, Copy, Debug)]
pub struct BodyOctets<'b> {
    built: [u8; BODY_INLINE],
    len: usize,
    kept: Option<&'b [u8]>,
}

impl BodyOctets<'_> {
    /// All of it: what follows the fixed part of a FLOW_MOD.
    pub fn all(&self) -> &[u8] {
        self.kept.or(self.built.get(..self.len)).unwrap_or_default()
    }

    /// `ofp_match` with its padding.
    pub fn of_match(&self) -> &[u8] {
        let all = self.all();
        all.get(..match_len(all)).unwrap_or_default()
    }

    /// The instructions.
    pub fn of_instructions(&self) -> &[u8] {
        let all = self.all();
        all.get(match_len(all)..).unwrap_or_default()
    }
}

/// Of the match that these octets begin with, its padding included.
fn match_len(octets: &[u8]) -> usize {
    match *octets {
        [_, _, high, low, ..] => usize::from(u16::from_be_bytes([high, low])).next_multiple_of(8),
        _ => 0,
    }
}

impl FlowBody {
    /// What a slot has that nobody uses. Allocates nothing.
    pub(super) const VOID: FlowBody = FlowBody::source_goto(PortNo(0), MacAddr([0; 6]), TableId(0));

    /// Any match with any instructions that a FLOW_MOD has room for.
    pub fn new(match_: &Match, instructions: &[Instruction]) -> Result<FlowBody, TooLong> {
        let mut octets = BytesMut::new();
        write_flow_body(match_, instructions, &mut octets)?;
        let (match_octets, instructions) = octets.split_at(match_len(&octets).min(octets.len()));
        Ok(FlowBody::joined(match_octets, instructions))
    }

    /// With the one instruction to go on in a later table.
    pub fn goto(match_: &Match, table: TableId) -> Result<FlowBody, TooLong> {
        Ok(FlowBody::joined(&match_octets(match_)?, &goto_octets(table)))
    }

    /// With the one instruction to apply one action.
    pub fn apply(match_: &Match, action: &Action) -> Result<FlowBody, TooLong> {
        FlowBody::new(match_, &[Instruction::ApplyActions(vec![action.clone()])])
    }

    /// Frames from one source at one port go on in a later table. Allocates nothing.
    pub const fn source_goto(in_port: PortNo, eth_src: MacAddr, table: TableId) -> FlowBody {
        FlowBody(Form::SourceGoto { in_port, eth_src, table })
    }

    /// Frames for one destination leave by a port. Allocates nothing.
    pub fn destination_output(eth_dst: MacAddr, port: PortNo, max_len: u16) -> FlowBody {
        FlowBody(Form::DestinationOutput { eth_dst, port, max_len })
    }

    /// Frames for one destination go to a group. Allocates nothing.
    pub fn destination_group(eth_dst: MacAddr, group: GroupId) -> FlowBody {
        FlowBody(Form::DestinationGroup { eth_dst, group })
    }

    /// The match alone.
    pub fn of_match(match_: &Match) -> Result<FlowBody, TooLong> {
        Ok(FlowBody::joined(&match_octets(match_)?, &[]))
    }

    fn joined(match_octets: &[u8], instructions: &[u8]) -> FlowBody {
        let form = match (FlowKey::of(match_octets), instructions) {
            (FlowKey::Source(in_port, eth_src), &[0, 1, 0, 8, table, 0, 0, 0]) => {
                Form::SourceGoto { in_port, eth_src, table: TableId(table) }
            }
            (
                FlowKey::Destination(eth_dst),
                &[0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, p0, p1, p2, p3, m0, m1, 0, 0, 0, 0, 0, 0],
            ) => {
                let port = PortNo(u32::from_be_bytes([p0, p1, p2, p3]));
                Form::DestinationOutput { eth_dst, port, max_len: u16::from_be_bytes([m0, m1]) }
            }
            (FlowKey::Destination(eth_dst), &[0, 4, 0, 16, 0, 0, 0, 0, 0, 22, 0, 8, g0, g1, g2, g3]) => {
                Form::DestinationGroup { eth_dst, group: GroupId(u32::from_be_bytes([g0, g1, g2, g3])) }
            }
            _ => {
                let mut octets = SmallVec::from_slice(match_octets);
                octets.extend_from_slice(instructions);
                Form::Any(Box::new(octets))
            }
        };
        FlowBody(form)
    }

    /// As it stands on the wire.
    #[inline]
    pub fn octets(&self) -> BodyOctets<'_> {
        let mut built = [0; BODY_INLINE];
        let (len, kept) = match &self.0 {
            Form::SourceGoto { in_port, eth_src: MacAddr([a, b, c, d, e, f]), table } => {
                let [p0, p1, p2, p3] = in_port.0.to_be_bytes();
                built[..16].copy_from_slice(&[0, 1, 0, 22, 0x80, 0, IN_PORT, 4, p0, p1, p2, p3, 0x80, 0, ETH_SRC, 6]);
                built[16..32].copy_from_slice(&[*a, *b, *c, *d, *e, *f, 0, 0, 0, 1, 0, 8, table.0, 0, 0, 0]);
                (32, None)
            }
            Form::DestinationOutput { eth_dst, port, max_len } => {
                let ([p0, p1, p2, p3], [m0, m1]) = (port.0.to_be_bytes(), max_len.to_be_bytes());
                built[..16].copy_from_slice(&destination(*eth_dst));
                built[16..32].copy_from_slice(&[0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, p0, p1, p2, p3]);
                built[32..40].copy_from_slice(&[m0, m1, 0, 0, 0, 0, 0, 0]);
                (40, None)
            }
            Form::DestinationGroup { eth_dst, group } => {
                let [g0, g1, g2, g3] = group.0.to_be_bytes();
                built[..16].copy_from_slice(&destination(*eth_dst));
                built[16..32].copy_from_slice(&[0, 4, 0, 16, 0, 0, 0, 0, 0, 22, 0, 8, g0, g1, g2, g3]);
                (32, None)
            }
            Form::Any(octets) => (0, Some(&octets[..])),
        };
        BodyOctets { built, len, kept }
    }

    /// What it matches, to find it by.
    #[inline]
    pub fn key(&self) -> FlowKey<'_> {
        match &self.0 {
            Form::SourceGoto { in_port, eth_src, .. } => FlowKey::Source(*in_port, *eth_src),
            Form::DestinationOutput { eth_dst, .. } | Form::DestinationGroup { eth_dst, .. } => {
                FlowKey::Destination(*eth_dst)
            }
            Form::Any(octets) => FlowKey::of(octets.get(..match_len(octets)).unwrap_or_default()),
        }
    }

    /// The same match, and its instructions only where they take no room: for who keeps them elsewhere.
    pub fn into_match(self) -> FlowBody {
        match &self.0 {
            Form::Any(octets) if octets.len() > match_len(octets) => FlowBody::joined(self.octets().of_match(), &[]),
            _ => self,
        }
    }

    /// The match, read back.
    pub fn match_(&self) -> Match {
        read_flow_body(&Bytes::copy_from_slice(self.octets().of_match())).unwrap_or_default().0
    }

    /// The instructions, read back.
    pub fn instructions(&self) -> Vec<Instruction> {
        read_flow_body(&Bytes::copy_from_slice(self.octets().all())).unwrap_or_default().1
    }

    /// The same match with other instructions.
    pub fn with_instruction_octets(&self, octets: &[u8]) -> FlowBody {
        FlowBody::joined(self.octets().of_match(), octets)
    }
}

/// The third octets of the OXM headers without mask: OFPXMT_OFB_IN_PORT is field 0, ETH_DST 3, ETH_SRC 4 (§7.2.3.7).
const IN_PORT: u8 = 0;
const ETH_DST: u8 = 3 << 1;
const ETH_SRC: u8 = 4 << 1;

fn destination(MacAddr([a, b, c, d, e, f]): MacAddr) -> [u8; 16] {
    [0, 1, 0, 14, 0x80, 0, ETH_DST, 6, a, b, c, d, e, f, 0, 0]
}

/// `ofp_match` with its padding, without an allocation where it is short.
fn match_octets(match_: &Match) -> Result<SmallVec<[u8; BODY_INLINE]>, TooLong> {
    let tlvs = match_.as_tlvs();
    let length = 4 + tlvs.len();
    let [high, low] = u16::try_from(length).map_err(|_| TooLong { length })?.to_be_bytes();
    let mut octets = SmallVec::new();
    // OFPMT_OXM.
    octets.extend_from_slice(&[0, 1, high, low]);
    octets.extend_from_slice(tlvs);
    let padded = octets.len().next_multiple_of(8);
    octets.resize(padded, 0);
    Ok(octets)
}

fn goto_octets(table: TableId) -> [u8; 8] {
    let [high, low] = InstructionType::GOTO_TABLE.0.to_be_bytes();
    [high, low, 0, 8, table.0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches() -> Vec<Match> {
        let mac = MacAddr([2, 0, 0, 0, 0, 9]);
        let long = Match::new().with_in_port(PortNo(3)).with_eth_src(mac).with_eth_dst(mac).with_metadata_masked(5, 7);
        vec![Match::new(), Match::new().with_eth_dst(mac), Match::new().with_in_port(PortNo(3)).with_eth_src(mac), long]
    }

    #[test]
    fn a_body_is_what_a_flow_mod_has_behind_its_fixed_part() {
        let apply = |action| vec![Instruction::ApplyActions(vec![action])];
        let does = [
            vec![Instruction::GotoTable(TableId(1))],
            apply(Action::output(PortNo(7))),
            apply(Action::Group(GroupId(0x5400_0001))),
            apply(Action::PopVlan),
            vec![Instruction::Meter(openflow::MeterId(1)), Instruction::GotoTable(TableId(9))],
            Vec::new(),
        ];
        for match_ in matches() {
            for instructions in &does {
                let body = FlowBody::new(&match_, instructions).unwrap();
                match &instructions[..] {
                    [Instruction::GotoTable(table)] => assert_eq!(FlowBody::goto(&match_, *table).unwrap(), body),
                    [Instruction::ApplyActions(actions)] => {
                        assert_eq!(FlowBody::apply(&match_, &actions[0]).unwrap(), body)
                    }
                    _ => {}
                }
                assert_eq!((body.match_(), body.instructions()), (match_.clone(), instructions.clone()));
                let mut octets = BytesMut::new();
                write_flow_body(&match_, instructions, &mut octets).unwrap();
                assert_eq!(body.octets().all(), &octets[..]);
                assert_eq!(FlowBody::of_match(&match_).unwrap().octets().all(), body.octets().of_match());
            }
        }
    }

    #[test]
    fn the_rules_of_a_host_are_those_that_are_put_together_from_fields() {
        let (port, mac, table) = (PortNo(0x0102_0304), MacAddr([2, 3, 4, 5, 6, 7]), TableId(9));
        let source = Match::new().with_in_port(port).with_eth_src(mac);
        let destination = Match::new().with_eth_dst(mac);
        let output = Action::Output { port, max_len: 0x1234 };
        let rows = [
            (FlowBody::source_goto(port, mac, table), source, Instruction::GotoTable(table)),
            (
                FlowBody::destination_output(mac, port, 0x1234),
                destination.clone(),
                Instruction::ApplyActions(vec![output]),
            ),
            (
                FlowBody::destination_group(mac, GroupId(0x5400_0001)),
                destination,
                Instruction::ApplyActions(vec![Action::Group(GroupId(0x5400_0001))]),
            ),
        ];
        for (body, match_, instruction) in rows {
            assert_eq!(
                FlowBody::new(&match_, std::slice::from_ref(&instruction)),
                Ok(body.clone()),
                "one form for one body"
            );
            assert_eq!((body.match_(), body.instructions()), (match_.clone(), vec![instruction]));
            assert_eq!(
                body.key(),
                FlowBody::of_match(&match_).unwrap().key(),
                "whatever it does, its match is the same"
            );
            assert_eq!(body.key(), FlowKey::of(body.octets().of_match()));
        }
        assert_eq!(size_of::<FlowBody>(), 16);
    }

    #[test]
    fn a_body_of_any_length_is_what_it_was_made_of() {
        for actions in 0..12 {
            let does = [Instruction::ApplyActions(vec![Action::output(PortNo(7)); actions])];
            for match_ in matches() {
                let body = FlowBody::new(&match_, &does).unwrap();
                assert_eq!((body.match_(), body.instructions()), (match_.clone(), does.to_vec()));
                let of_match = FlowBody::of_match(&match_).unwrap();
                assert_eq!(of_match.with_instruction_octets(body.octets().of_instructions()), body);
            }
        }
    }
}
