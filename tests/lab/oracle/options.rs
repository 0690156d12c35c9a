//! Tunnel options: mappings of them, and matches and actions on the fields that they are mapped to.
//!
//! No packet comes with one, so that a match sees what actions have set. What is taken back is taken back before there are flows: when a flow
//! that is gone lets go of its options, is left to a thread of Open vSwitch's own.

use openflow::nicira::{NiciraAction, Subfield};
use openflow::{Action, Match, Message, OxmFieldOwned, OxmKind, TlvMap, TlvTableMod, TlvTableModCommand};

use super::generate::Care;
use super::random::Random;

/// Which fields of this world are options, and how many octets they have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    mapped: Vec<(OxmKind, usize)>,
}

/// Takes all mappings back.
pub fn clearing() -> Message {
    Message::TlvTableMod(TlvTableMod { command: TlvTableModCommand::CLEAR, mappings: Vec::new() })
}

/// The mappings of a world, and the messages that make them.
pub fn random(random: &mut Random, care: Care) -> (Options, Vec<Message>) {
    if !random.one_in(3) {
        return (Options::default(), Vec::new());
    }
    let mut messages = Vec::new();
    if care == Care::Wrong {
        messages.extend((0..random.below(6)).map(|_| mistaken(random)));
        messages.push(clearing());
    }
    let indexes = [0u8, 1, 7, 63];
    let first = random.below(indexes.len());
    let mut mappings = Vec::new();
    let mut mapped = Vec::new();
    for number in 0..random.between(1, 3) {
        let index = indexes[(first + number) % indexes.len()];
        // The third takes what is left, in pieces sometimes.
        let octets = random.pick(&[4u8, 8, 16, 20, 124]).min(if number == 2 { 8 } else { 124 });
        mappings.push(TlvMap {
            option_class: random.below(3) as u16 * 0x7f,
            option_type: number as u8,
            option_len: octets,
            index: u16::from(index),
        });
        if let Some(kind) = OxmKind::tunnel_metadata(index) {
            mapped.push((kind, usize::from(octets)));
        }
    }
    messages.push(Message::TlvTableMod(TlvTableMod { command: TlvTableModCommand::ADD, mappings }));
    (Options { mapped }, messages)
}

/// A change of the table that may make sense or not.
fn mistaken(random: &mut Random) -> Message {
    let command = TlvTableModCommand(random.pick(&[0, 0, 0, 1, 2, 3]));
    let mappings = (0..random.below(4)).map(|_| TlvMap {
        option_class: random.below(2) as u16,
        option_type: random.below(3) as u8,
        option_len: random.pick(&[4, 8, 0, 100, 124, 128, 6]),
        index: random.pick(&[0, 1, 2, 63, 64, 0xffff]),
    });
    Message::TlvTableMod(TlvTableMod { command, mappings: mappings.collect() })
}

/// Whether nothing may be said of it when a flow goes: Open vSwitch 3.1 ends when it has to (`ofproto_rule_send_removed` forgets the table of
/// options that the match is written by).
pub fn goes_in_silence(match_: &Match) -> bool {
    match_.fields().any(|field| field.kind.is_variable())
}

impl Options {
    pub fn is_empty(&self) -> bool {
        self.mapped.is_empty()
    }

    /// A field for a match or a set-field: small numbers in as many octets as the option has, or fewer, or more.
    pub fn field(&self, random: &mut Random, masked: bool) -> OxmFieldOwned {
        let (kind, octets) = random.pick(&self.mapped);
        let length = match random.below(6) {
            0 => random.between(1, octets),
            1 => random.between(octets, 124),
            _ => octets,
        };
        let mut value = vec![0; length];
        value[length - 1] = random.below(3) as u8;
        if random.one_in(3) {
            value[random.below(length)] = random.below(3) as u8;
        }
        let mask = masked.then(|| {
            let mut mask = match random.below(3) {
                0 => random.octets(length),
                1 => vec![0xff; length],
                _ => vec![0; length],
            };
            mask[length - 1] |= random.pick(&[0, 0, 3]);
            value.iter_mut().zip(&mask).for_each(|(octet, mask)| *octet &= mask);
            mask
        });
        OxmFieldOwned::new(kind, &value, mask.as_deref())
            .unwrap_or_else(|| OxmFieldOwned::eth_dst(net::MacAddr([2, 0, 0, 0, 0, 1])))
    }

    /// Some bits of an option.
    fn bits(&self, random: &mut Random, bits: u16) -> Subfield {
        let (kind, octets) = random.pick(&self.mapped);
        let room = 8 * octets - usize::from(bits);
        let offset = if random.one_in(2) { 0 } else { random.between(0, room) };
        Subfield::new(kind, offset as u16, bits)
    }

    /// What can be done with one. `register` has 16 bits.
    pub fn action(&self, random: &mut Random, register: Subfield) -> Action {
        Action::Nicira(match random.below(9) {
            0 | 1 => return Action::SetField(self.field(random, false)),
            2 => {
                let masked = random.one_in(2);
                NiciraAction::RegLoad2(self.field(random, masked))
            }
            3 => {
                let destination = self.bits(random, 8);
                NiciraAction::RegLoad { destination, value: random.below(3) as u64 }
            }
            4 => NiciraAction::RegMove { source: self.bits(random, 16), destination: register },
            5 => NiciraAction::RegMove { source: register, destination: self.bits(random, 16) },
            6 => {
                let (source, octets) = random.pick(&self.mapped);
                let (destination, room) = random.pick(&self.mapped);
                let bits = 8 * octets.min(room) as u16;
                NiciraAction::RegMove {
                    source: Subfield::new(source, 0, bits),
                    destination: Subfield::new(destination, 8 * room as u16 - bits, bits),
                }
            }
            7 => {
                let source = self.bits(random, 32);
                if random.one_in(2) { NiciraAction::StackPush(source) } else { NiciraAction::StackPop(source) }
            }
            _ => NiciraAction::DeleteField(random.pick(&self.mapped).0),
        })
    }
}
