//! `learn(...)` from text.

use bytes::Bytes;

use super::SyntaxError;
use super::field::{self, field_value};
use super::text::{Pair, Pairs, Piece};
use crate::flow::DEFAULT_PRIORITY;
use crate::identifier::TableId;
use crate::nicira::{Learn, LearnDestination, LearnFlags, LearnLimit, LearnSource, LearnSpec, Subfield};

/// The words of `learn` that are no field.
const WORDS: [&str; 14] = [
    "table",
    "priority",
    "idle_timeout",
    "hard_timeout",
    "fin_idle_timeout",
    "fin_hard_timeout",
    "cookie",
    "send_flow_rem",
    "delete_learned",
    "limit",
    "result_dst",
    "load",
    "output",
    "reg0",
];

pub(super) fn learn(value: Piece<'_>) -> Result<Learn, SyntaxError> {
    let mut learn = Learn {
        idle_timeout: 0,
        hard_timeout: 0,
        priority: DEFAULT_PRIORITY,
        cookie: 0,
        flags: LearnFlags::NONE,
        table_id: TableId(1),
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        limit: None,
        specs: Vec::new(),
    };
    let (mut limit, mut result) = (0, None);
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "table" => learn.table_id = TableId(argument.some_value()?.number(254)? as u8),
            "priority" => learn.priority = argument.some_value()?.u16()?,
            "idle_timeout" => learn.idle_timeout = argument.some_value()?.u16()?,
            "hard_timeout" => learn.hard_timeout = argument.some_value()?.u16()?,
            "fin_idle_timeout" => learn.fin_idle_timeout = argument.some_value()?.u16()?,
            "fin_hard_timeout" => learn.fin_hard_timeout = argument.some_value()?.u16()?,
            "cookie" => learn.cookie = argument.some_value()?.u64()?,
            "send_flow_rem" => learn.flags = learn.flags | LearnFlags::SEND_FLOW_REM,
            "delete_learned" => learn.flags = learn.flags | LearnFlags::DELETE_LEARNED,
            "limit" => limit = argument.some_value()?.u32()?,
            "result_dst" => {
                let text = argument.some_value()?;
                result = Some(subfield(text)?).filter(|to| to.bits == 1);
                if result.is_none() {
                    return Err(text.error("one bit"));
                }
            }
            _ => learn.specs.push(spec(argument)?),
        }
    }
    if limit != 0 || result.is_some() {
        learn.limit = Some(LearnLimit { limit, result });
    }
    Ok(learn)
}

fn spec(argument: Pair<'_>) -> Result<LearnSpec, SyntaxError> {
    let value = argument.value;
    match argument.name() {
        "load" => {
            let Some((source, destination)) = value.split_once("->") else {
                return Err(value.error("SOURCE->DESTINATION"));
            };
            let to = subfield(destination)?;
            let source = if source.text.starts_with(|first: char| first.is_ascii_digit()) {
                immediate(source, to, source.octets(usize::from(to.bits).div_ceil(8))?)?
            } else {
                from_field(source, to)?
            };
            Ok(LearnSpec { source, destination: LearnDestination::Load(to) })
        }
        "output" => {
            let source = LearnSource::Field(subfield(argument.some_value()?)?);
            Ok(LearnSpec { source, destination: LearnDestination::Output })
        }
        _ => {
            let to = field::subfield(argument.key).map_err(|error| error.suggest_field(WORDS))?;
            let to = with_short_header(argument.key, to)?;
            let destination = LearnDestination::Match(to);
            if value.is_empty() {
                return Ok(LearnSpec { source: LearnSource::Field(to), destination });
            }
            // A field first, then a value, as ovs-ofctl does.
            if let Ok(from) = subfield(value) {
                return Ok(LearnSpec { source: same_width(value, from, to)?, destination });
            }
            let whole = to.offset == 0 && Some(to.bits) == to.kind.subfield_bits();
            let octets = if whole {
                let field = field_value(to.kind, value)?;
                if field.mask.is_some() {
                    return Err(value.error("a value without a mask"));
                }
                field.value
            } else {
                value.octets(to.kind.value_len().unwrap_or_default())?
            };
            Ok(LearnSpec { source: immediate(value, to, octets)?, destination })
        }
    }
}

fn subfield(text: Piece<'_>) -> Result<Subfield, SyntaxError> {
    with_short_header(text, field::subfield(text)?)
}

/// `learn` has 32 bits for a field's header, and no room for the longer ones of experimenters.
fn with_short_header(text: Piece<'_>, part: Subfield) -> Result<Subfield, SyntaxError> {
    match part.kind.experimenter {
        0 => Ok(part),
        _ => Err(text.error("a field that is no experimenter's: learn has no room for its header")),
    }
}

fn from_field(text: Piece<'_>, to: Subfield) -> Result<LearnSource, SyntaxError> {
    same_width(text, subfield(text)?, to)
}

fn same_width(text: Piece<'_>, from: Subfield, to: Subfield) -> Result<LearnSource, SyntaxError> {
    if from.bits != to.bits {
        return Err(text.error(format!("{} bits, as many as the destination has", to.bits)));
    }
    Ok(LearnSource::Field(from))
}

/// The value as it stands on the wire: right-aligned in two octets for every 16 bits begun.
fn immediate(text: Piece<'_>, to: Subfield, mut octets: Vec<u8>) -> Result<LearnSource, SyntaxError> {
    let length = usize::from(to.bits).div_ceil(16) * 2;
    while octets.len() > length {
        if octets.remove(0) != 0 {
            return Err(text.error(format!("a value of at most {} bits", to.bits)));
        }
    }
    let mut value = vec![0; length - octets.len()];
    value.append(&mut octets);
    let spare = length * 8 - usize::from(to.bits);
    if value
        .first()
        .is_some_and(|first| spare < 8 && u32::from(*first) >> (8 - spare) != 0 || spare >= 8 && *first != 0)
    {
        return Err(text.error(format!("a value of at most {} bits", to.bits)));
    }
    if spare > 8 && value.get(1).is_some_and(|second| u32::from(*second) >> (16 - spare) != 0) {
        return Err(text.error(format!("a value of at most {} bits", to.bits)));
    }
    Ok(LearnSource::Immediate { bits: to.bits, value: Bytes::from(value) })
}
