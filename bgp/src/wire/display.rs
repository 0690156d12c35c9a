//! Decoding a message of unknown origin for people to read: no session says how wide AS numbers are or whether there
//! are path identifiers, so the options or the octets themselves have to.
//!
//! Structure decides: whatever RFC 7606 has an outcome for is an error here, attribute discard included. What is
//! well-formed but would be refused for its meaning is a [`Problem`]. Families, attributes and capabilities that are
//! not decoded are data.

use std::collections::BTreeSet;
use std::fmt;

use net::{DecodeError, DecodeErrorKind};

use super::{Capability, DecodeContext, Decoded, Family, Fault, Message, Open, OptionalParameter, Update};

/// What the reader knows about the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DisplayOptions {
    /// Octets of an AS number in AS_PATH and AGGREGATOR.
    pub as_width: AsWidthOption,
    /// Unicast NLRI carries path identifiers (RFC 7911).
    pub add_path: bool,
}

/// How wide AS numbers are taken to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AsWidthOption {
    /// Four octets if the message can be read so, else two if it can be read only so.
    #[default]
    Auto,
    /// Two octets (RFC 4271).
    Two,
    /// Four octets (RFC 6793).
    Four,
}

/// How wide AS numbers were in a message that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum AsWidth {
    /// RFC 4271.
    Two,
    /// RFC 6793.
    Four,
}

/// A message as read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DecodeReport {
    /// The message.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub message: Message,
    /// The width its AS numbers were read with; only an UPDATE has any that it matters for.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub as_width: Option<AsWidth>,
    /// What a speaker would refuse although it is well-formed.
    pub problems: Vec<Problem>,
}

/// Something well-formed that means nothing good.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    /// The field, as in [`DecodeError::field`].
    pub field: &'static str,
    /// What is wrong with it and which rule says so.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Decodes one whole message. The error is the worst that was found, the first of them if there are several.
pub fn decode_for_display(octets: &[u8], options: DisplayOptions) -> Result<DecodeReport, DecodeError> {
    match options.as_width {
        AsWidthOption::Two => decode(octets, AsWidth::Two, options.add_path),
        AsWidthOption::Four => decode(octets, AsWidth::Four, options.add_path),
        AsWidthOption::Auto => decode(octets, AsWidth::Four, options.add_path)
            .or_else(|four| decode(octets, AsWidth::Two, options.add_path).map_err(|_| four)),
    }
}

fn decode(octets: &[u8], as_width: AsWidth, add_path: bool) -> Result<DecodeReport, DecodeError> {
    let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let context = DecodeContext {
        four_octet_as: as_width == AsWidth::Four,
        add_path: if add_path { BTreeSet::from(families) } else { BTreeSet::new() },
        // A limit of ours, not of the protocol's.
        as_path_limit: usize::MAX,
        ..DecodeContext::default()
    };
    let Decoded { message, errors } = Message::decode(octets, &context).map_err(|error| error.at)?;
    let (semantic, malformed): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|error| matches!(error.fault, Fault::InvalidNextHop | Fault::AsZero));
    let worst = malformed.iter().map(|error| error.outcome).max();
    if let Some(error) = malformed.iter().find(|error| Some(error.outcome) == worst) {
        return Err(error.at);
    }
    let mut problems: Vec<Problem> = semantic
        .iter()
        .map(|error| match error.fault {
            Fault::AsZero => problem(error.at.field, "AS 0 is reserved (RFC 7607 §2)".to_owned()),
            _ => problem(error.at.field, "not an address that a host can have (RFC 4271 §6.3)".to_owned()),
        })
        .collect();
    match &message {
        Message::Open(open) => problems.extend(open_problems(open)),
        Message::Update(update) => problems.extend(update_problems(update)),
        _ => {}
    }
    let as_width = matches!(message, Message::Update(_)).then_some(as_width);
    Ok(DecodeReport { message, as_width, problems })
}

fn problem(field: &'static str, reason: String) -> Problem {
    Problem { field, reason }
}

fn update_problems(update: &Update) -> Vec<Problem> {
    let kept = update.attributes.iter().flat_map(|attributes| &attributes.unknown);
    kept.chain(&update.stray_attributes)
        .filter(|attribute| attribute.kind.name().is_none() && !attribute.flags.is_optional())
        .map(|attribute| {
            let reason = format!("type {} says it is well-known and is not (RFC 4271 §6.3)", attribute.kind.0);
            problem("path_attributes.attribute_type", reason)
        })
        .collect()
}

fn open_problems(open: &Open) -> Vec<Problem> {
    let mut problems = Vec::new();
    if open.my_autonomous_system == 0 || open.asn().0 == 0 {
        problems.push(problem("open.my_autonomous_system", "AS 0 is reserved (RFC 7607 §2)".to_owned()));
    }
    if matches!(open.hold_time, 1 | 2) {
        let reason = format!("{} is neither 0 nor at least 3 (RFC 4271 §4.2)", open.hold_time);
        problems.push(problem("open.hold_time", reason));
    }
    if open.bgp_identifier.0.is_unspecified() {
        problems.push(problem("open.bgp_identifier", "zero is not an identifier (RFC 6286 §2.1)".to_owned()));
    }
    for parameter in &open.optional_parameters {
        if let OptionalParameter::Unknown { kind, .. } = parameter {
            let reason = format!("type {kind} is not known and would be refused (RFC 4271 §6.2)");
            problems.push(problem("open.optional_parameter.type", reason));
        }
    }
    for capability in open.capabilities() {
        if let Capability::Unknown { code, .. } = capability
            && let Some(name) = code.name()
        {
            let reason = format!("{name} (code {}) does not have the form its RFC demands and is ignored", code.0);
            problems.push(problem("open.capability.value", reason));
        }
    }
    problems
}

/// Whether octets that a file holds begin with a whole message; see [`super::frame_length`].
///
/// # Errors
/// The header is malformed, or the octets end before the message does.
pub fn first_message(octets: &[u8]) -> Result<usize, DecodeError> {
    match super::frame_length(octets, super::EXTENDED_MESSAGE_LIMIT) {
        Ok(Some(length)) => Ok(length),
        Err(error) => Err(error.at),
        Ok(None) => {
            let declared = octets.get(16..18).map_or(super::HEADER_LENGTH, |field| match field {
                [high, low] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => super::HEADER_LENGTH,
            });
            let kind = DecodeErrorKind::Truncated { needed: declared, available: octets.len() };
            Err(DecodeError::new(if octets.len() < 18 { 0 } else { 16 }, "header.length", kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(attributes: &[u8]) -> Vec<u8> {
        let nlri = [24, 203, 0, 113];
        let mut octets = vec![0xff; 16];
        octets.extend_from_slice(&[0, (23 + attributes.len() + nlri.len()) as u8, 2, 0, 0, 0, attributes.len() as u8]);
        octets.extend_from_slice(attributes);
        octets.extend_from_slice(&nlri);
        octets
    }

    const ORIGIN: [u8; 4] = [0x40, 1, 1, 0];
    const NEXT_HOP: [u8; 7] = [0x40, 3, 4, 192, 0, 2, 1];

    #[test]
    fn auto_takes_four_octets_where_it_can_and_two_where_it_must_and_says_which() {
        let width = |as_path: &[u8], as_width| {
            let octets = update(&[&ORIGIN, as_path, &NEXT_HOP].concat());
            decode_for_display(&octets, DisplayOptions { as_width, add_path: false }).map(|report| report.as_width)
        };
        let (two, four) = ([0x40, 2, 4, 2, 1, 0xfd, 0xea], [0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea]);
        assert_eq!(width(&two, AsWidthOption::Auto), Ok(Some(AsWidth::Two)));
        assert_eq!(width(&four, AsWidthOption::Auto), Ok(Some(AsWidth::Four)));
        assert_eq!(width(&[0x40, 2, 0], AsWidthOption::Auto), Ok(Some(AsWidth::Four)));
        assert!(width(&two, AsWidthOption::Four).is_err());
        assert!(width(&four, AsWidthOption::Two).is_err());
    }

    #[test]
    fn any_outcome_is_an_error_with_its_place_and_meaning_alone_is_a_problem() {
        let as_path = [0x40, 2, 0];
        // ATOMIC_AGGREGATE with a value: only an attribute discard, and yet malformed.
        let discard = update(&[&ORIGIN[..], &as_path, &NEXT_HOP, &[0x40, 6, 1, 0]].concat());
        let error = decode_for_display(&discard, DisplayOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "offset 40: path_attributes.atomic_aggregate: bad length 1");
        let zero = update(&[&ORIGIN[..], &as_path, &[0x40, 3, 4, 0, 0, 0, 0]].concat());
        let report = decode_for_display(&zero, DisplayOptions::default()).unwrap();
        assert_eq!(report.problems.len(), 1);
        assert_eq!(report.problems[0].field, "path_attributes.next_hop");
    }

    #[test]
    fn the_first_message_of_a_file_is_found_or_what_is_missing_said() {
        let octets = update(&ORIGIN);
        assert_eq!(first_message(&octets), Ok(octets.len()));
        let error = first_message(&octets[..25]).unwrap_err();
        assert_eq!(error.to_string(), "offset 16: header.length: truncated: needs 31 octets, 25 are left");
        assert!(first_message(&octets[..5]).is_err());
        assert!(first_message(&[0; 19]).is_err());
    }
}
