//! Names of fields and their values.

use std::net::{Ipv4Addr, Ipv6Addr};

use net::PortNo;

use super::SyntaxError;
use super::text::Piece;
use crate::display::field::{Form, form, nicira_kind};
use crate::nicira::{Subfield, has_short_form};
use crate::oxm::text::FRAGMENT_WORDS;
use crate::oxm::{self, OxmKind, TUNNEL_METADATA_MAX};

/// The field of this name: ovs-ofctl's in a match or action, the specification's, or the header's.
pub(super) fn field_named(name: &str) -> Option<OxmKind> {
    oxm::names::field_named(name).map(OxmKind::canonical)
}

/// A field's value, and the mask where one is named. Both have the field's length, and no bit of the value is outside of the mask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FieldValue {
    pub value: Vec<u8>,
    pub mask: Option<Vec<u8>>,
}

impl FieldValue {
    pub fn number(kind: OxmKind, number: u64) -> FieldValue {
        let length = kind.value_len().unwrap_or(8).min(8);
        let octets = number.to_be_bytes();
        FieldValue { value: octets.get(8 - length..).unwrap_or_default().to_vec(), mask: None }
    }

    /// With the bits outside of the mask cleared.
    fn masked(mut value: Vec<u8>, mask: Vec<u8>) -> FieldValue {
        value.iter_mut().zip(&mask).for_each(|(value, mask)| *value &= mask);
        FieldValue { value, mask: Some(mask) }
    }

    /// Whether the mask covers nothing.
    pub fn is_any(&self) -> bool {
        self.mask.as_ref().is_some_and(|mask| mask.iter().all(|octet| *octet == 0))
    }
}

/// Reads `value` or `value/mask` in the form that the field has.
pub(super) fn field_value(kind: OxmKind, text: Piece<'_>) -> Result<FieldValue, SyntaxError> {
    let length = kind.value_len().unwrap_or_else(|| variable_len(text));
    if text.text == "*" {
        return Ok(FieldValue { value: vec![0; length], mask: Some(vec![0; length]) });
    }
    let (value, mask) = match form(kind) {
        Some(Form::Flags(names, _)) => flags(text, names, length)?,
        Some(Form::Fragment) => fragment(text)?,
        Some(Form::PacketType) => (packet_type(text)?, None),
        Some(Form::Port) => (port_octets(text, length)?, None),
        Some(Form::Mac) => pair(text, mac)?,
        Some(Form::Ipv4) => prefix(text, 32, ipv4)?,
        Some(Form::Ipv6) => prefix(text, 128, ipv6)?,
        _ => pair(text, |piece| piece.octets(length))?,
    };
    let bits = usize::from(kind.bits().unwrap_or(length as u16 * 8));
    let fits =
        |octets: &[u8]| octets.iter().enumerate().all(|(index, octet)| octet & !meaning(bits, length, index) == 0);
    if !fits(&value) && !kind.is_variable() {
        return Err(text.error(format!("a value of at most {bits} bits")));
    }
    Ok(match mask {
        Some(mask) => FieldValue::masked(value, mask),
        None => FieldValue { value, mask: None },
    })
}

/// Which bits of an octet have a meaning.
pub(super) fn meaning(bits: usize, octets: usize, index: usize) -> u8 {
    let above = bits.saturating_sub(8 * (octets - 1 - index));
    if above >= 8 { 0xff } else { (1u16 << above).wrapping_sub(1) as u8 }
}

/// Octets of a number of variable length: what the digits of its value and mask need.
fn variable_len(text: Piece<'_>) -> usize {
    let digits = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(digits) => digits.trim_start_matches('0').len(),
        None => text.number(u64::MAX).map_or(0, |number| (64 - number.leading_zeros()).div_ceil(4) as usize),
    };
    let longest = text.text.split('/').map(digits).max().unwrap_or_default();
    longest.div_ceil(2).clamp(1, TUNNEL_METADATA_MAX)
}

type Octets = Vec<u8>;

/// Value and mask in the same form.
fn pair(
    text: Piece<'_>,
    read: impl Fn(Piece<'_>) -> Result<Octets, SyntaxError>,
) -> Result<(Octets, Option<Octets>), SyntaxError> {
    match text.split_once("/") {
        Some((value, mask)) => Ok((read(value)?, Some(read(mask)?))),
        None => Ok((read(text)?, None)),
    }
}

/// An address with a mask or the number of its bits.
fn prefix(
    text: Piece<'_>,
    bits: usize,
    read: impl Fn(Piece<'_>) -> Result<Octets, SyntaxError>,
) -> Result<(Octets, Option<Octets>), SyntaxError> {
    let Some((value, mask)) = text.split_once("/") else { return Ok((read(text)?, None)) };
    let value = read(value)?;
    if !mask.text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok((value, Some(read(mask)?)));
    }
    let length = mask.number(bits as u64)? as usize;
    let octet =
        |index: usize| 0xff00u16.checked_shr(length.saturating_sub(8 * index).min(8) as u32).unwrap_or_default() as u8;
    Ok((value, Some((0..bits / 8).map(octet).collect())))
}

fn mac(text: Piece<'_>) -> Result<Octets, SyntaxError> {
    let wrong = || text.error("an Ethernet address");
    let parts: Vec<&str> = text.text.split(':').take(7).collect();
    let octet = |part: &&str| match part.len() {
        1 | 2 if part.bytes().all(|digit| digit.is_ascii_hexdigit()) => u8::from_str_radix(part, 16).ok(),
        _ => None,
    };
    let octets: Option<Octets> = parts.iter().map(octet).collect();
    octets.filter(|octets| octets.len() == 6).ok_or_else(wrong)
}

fn ipv4(text: Piece<'_>) -> Result<Octets, SyntaxError> {
    let address: Result<Ipv4Addr, _> = text.text.parse();
    address.map(|address| address.octets().to_vec()).map_err(|_| text.error("an IPv4 address"))
}

fn ipv6(text: Piece<'_>) -> Result<Octets, SyntaxError> {
    let address: Result<Ipv6Addr, _> = text.text.parse();
    address.map(|address| address.octets().to_vec()).map_err(|_| text.error("an IPv6 address"))
}

fn packet_type(text: Piece<'_>) -> Result<Octets, SyntaxError> {
    let wrong = || text.error("a packet type such as (1,0x894f)");
    let inner = text.text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(wrong)?;
    let (space, number) = Piece { text: inner, offset: text.offset + 1, ..text }.split_once(",").ok_or_else(wrong)?;
    Ok([space.trim().u16()?.to_be_bytes(), number.trim().u16()?.to_be_bytes()].concat())
}

fn fragment(text: Piece<'_>) -> Result<(Octets, Option<Octets>), SyntaxError> {
    let found = FRAGMENT_WORDS.iter().find(|(word, ..)| word.eq_ignore_ascii_case(text.text));
    let Some((_, value, mask)) = found else { return Err(text.error("one of no, yes, first, later, not_later")) };
    Ok((vec![*value], Some(vec![*mask]).filter(|mask| mask != &[3])))
}

/// `+a-b`, `a|b`, or numbers.
fn flags(text: Piece<'_>, names: &[&'static str], length: usize) -> Result<(Octets, Option<Octets>), SyntaxError> {
    let octets = |bits: u64| bits.to_be_bytes().get(8 - length..).unwrap_or_default().to_vec();
    let all = (1u64 << names.len()) - 1;
    let flag = |piece: Piece<'_>, name: &str| {
        let bit = names.iter().position(|known| *known == name).map(|bit| 1u64 << bit);
        bit.ok_or_else(|| piece.error(format!("one of the flags {}", names.join(", "))))
    };
    if text.text.starts_with(['+', '-']) {
        let (mut bits, mut mask) = (0, 0);
        let mut rest = text;
        while !rest.is_empty() {
            let set = rest.text.starts_with('+');
            let word = rest.from(1);
            let end = word.text.find(['+', '-']).unwrap_or(word.text.len());
            let word = word.until(end);
            let bit = flag(word, word.text)?;
            if mask & bit != 0 {
                return Err(word.error("each flag once"));
            }
            mask |= bit;
            bits |= if set { bit } else { 0 };
            rest = rest.from(1 + end);
        }
        return Ok((octets(bits), Some(octets(mask)).filter(|_| mask != all)));
    }
    if let Some((value, mask)) = text.split_once("/") {
        let (value, mask) = (value.number(all)?, mask.number(all)?);
        return Ok((octets(value), Some(octets(mask)).filter(|_| mask != all)));
    }
    let mut bits = 0;
    let mut rest = text;
    loop {
        let end = rest.text.find('|').unwrap_or(rest.text.len());
        let word = rest.until(end);
        bits |= match word.text.bytes().next() {
            Some(b'0'..=b'9') => word.number(all)?,
            _ => flag(word, word.text)?,
        };
        if end == rest.text.len() {
            return Ok((octets(bits), None));
        }
        rest = rest.from(end + 1);
    }
}

/// Reserved ports by name; the older name of ANY is read, too.
const PORTS: [(&str, PortNo); 9] = [
    ("IN_PORT", PortNo::IN_PORT),
    ("TABLE", PortNo::TABLE),
    ("NORMAL", PortNo::NORMAL),
    ("FLOOD", PortNo::FLOOD),
    ("ALL", PortNo::ALL),
    ("CONTROLLER", PortNo::CONTROLLER),
    ("LOCAL", PortNo::LOCAL),
    ("ANY", PortNo::ANY),
    ("NONE", PortNo::ANY),
];

/// A reserved port by its name.
pub(super) fn reserved_port(name: &str) -> Option<PortNo> {
    PORTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, port)| *port)
}

/// A port by number or name. The numbers that OpenFlow 1.0 reserves stand for those of OpenFlow 1.3.
pub(super) fn port(text: Piece<'_>) -> Result<PortNo, SyntaxError> {
    if let Some(port) = reserved_port(text.text) {
        return Ok(port);
    }
    if let Some(port) = text.names.and_then(|names| names.ports.get(text.text)) {
        return Ok(*port);
    }
    match text.u32() {
        Ok(number) => Ok(port_of_number(number)),
        Err(_) => Err(text.error("a port's number or name").suggest(PORTS.iter().map(|(name, _)| *name))),
    }
}

/// A port by number.
pub(super) fn port_of_number(number: u32) -> PortNo {
    PortNo(if (0xfff8..=0xffff).contains(&number) { number | 0xffff_0000 } else { number })
}

/// A port where the message has 16 bits for it.
pub(super) fn port_of_16_bits(text: Piece<'_>) -> Result<PortNo, SyntaxError> {
    let port = port(text)?;
    if has_short_form(port) { Ok(port) } else { Err(text.error("a port of 16 bits, 65279 at most, or a reserved one")) }
}

fn port_octets(text: Piece<'_>, length: usize) -> Result<Octets, SyntaxError> {
    let port = if length == 2 { port_of_16_bits(text)? } else { port(text)? };
    let octets = port.0.to_be_bytes();
    Ok(octets.get(4usize.saturating_sub(length)..).unwrap_or_default().to_vec())
}

/// `NXM_NX_REG0[0..15]`, `reg0[]`, `reg0`.
pub(super) fn subfield(text: Piece<'_>) -> Result<Subfield, SyntaxError> {
    let end = text.text.find('[').unwrap_or(text.text.len());
    let name = text.until(end);
    let Some(kind) = field_named(name.text).map(nicira_kind) else {
        return Err(name.error("a field").suggest_field([]));
    };
    let bits = kind.subfield_bits().unwrap_or_default();
    let range = text.from(end);
    if range.is_empty() || range.text == "[]" {
        return Ok(Subfield { kind, offset: 0, bits });
    }
    let wrong = || range.error("[], [BIT] or [FIRST..LAST]");
    let inner = range.text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(wrong)?;
    let inner = Piece { text: inner, offset: range.offset + 1, ..range };
    let (first, last) = inner.split_once("..").unwrap_or((inner, inner));
    let (first_bit, last_bit) = (first.u16()?, last.u16()?);
    if first_bit > last_bit || last_bit >= bits {
        return Err(range.error(format!("bits from 0 to {}, the lower one first", bits.saturating_sub(1))));
    }
    Ok(Subfield { kind, offset: first_bit, bits: last_bit - first_bit + 1 })
}
