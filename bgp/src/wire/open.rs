//! OPEN (RFC 4271 §4.2), with extended optional parameters (RFC 9072).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::reader::Reader;
use super::{Asn, Capability, EncodeError, Fault, MessageError, RouterId};

/// The only protocol version there is.
pub const VERSION: u8 = 4;

/// An OPEN message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Open {
    /// 4: decoding refuses all others.
    pub version: u8,
    /// My Autonomous System: [`Asn::TRANS`] where the number does not fit (RFC 6793 §9).
    pub my_autonomous_system: u16,
    /// Seconds; 0 means no keepalives, 1 and 2 are unacceptable.
    pub hold_time: u16,
    /// The sender's identifier.
    pub bgp_identifier: RouterId,
    /// In order, each with the capabilities it carries.
    pub optional_parameters: Vec<OptionalParameter>,
    /// The RFC 9072 form was used, be it needed or not.
    pub extended_parameters: bool,
}

/// One optional parameter of an OPEN.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum OptionalParameter {
    /// Type 2 (RFC 5492): any number of capabilities.
    Capabilities(Vec<Capability>),
    /// Any other type; the session refuses it with Unsupported Optional Parameter.
    Unknown {
        /// Parameter type.
        #[cfg_attr(feature = "serde", serde(rename = "type"))]
        kind: u8,
        /// Parameter value.
        #[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))]
        value: Bytes,
    },
}

impl Open {
    /// An OPEN with all capabilities in one parameter. `asn` goes into the header in two octets; the four-octet AS
    /// capability is the caller's to list.
    pub fn new(asn: Asn, hold_time: u16, bgp_identifier: RouterId, capabilities: Vec<Capability>) -> Open {
        let optional_parameters =
            if capabilities.is_empty() { Vec::new() } else { vec![OptionalParameter::Capabilities(capabilities)] };
        Open {
            version: VERSION,
            my_autonomous_system: asn.to_two_octets(),
            hold_time,
            bgp_identifier,
            optional_parameters,
            extended_parameters: false,
        }
    }

    /// The capabilities of all parameters in order.
    pub fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.optional_parameters.iter().flat_map(|parameter| match parameter {
            OptionalParameter::Capabilities(capabilities) => capabilities.as_slice(),
            OptionalParameter::Unknown { .. } => &[],
        })
    }

    /// The sender's AS number: of the four-octet AS capability if there is one, else My Autonomous System.
    pub fn asn(&self) -> Asn {
        let four_octet = self.capabilities().find_map(|capability| match capability {
            Capability::FourOctetAs { asn } => Some(*asn),
            _ => None,
        });
        four_octet.unwrap_or(Asn(u32::from(self.my_autonomous_system)))
    }
}

/// Parameter type 2 (RFC 5492 §4).
const CAPABILITIES: u8 = 2;
/// Marks the extended form in the place of the first parameter's type (RFC 9072 §2).
const EXTENDED: u8 = 255;

impl Open {
    pub(super) fn parse(mut reader: Reader<'_>) -> Result<Open, MessageError> {
        let malformed = |at| MessageError::new(at, Fault::MalformedOpen, Bytes::new());
        let version = reader.u8("open.version").map_err(malformed)?;
        if version != VERSION {
            let at = DecodeError::new(reader.offset() - 1, "open.version", DecodeErrorKind::BadVersion { version });
            let largest = Bytes::copy_from_slice(&u16::from(VERSION).to_be_bytes());
            return Err(MessageError::new(at, Fault::UnsupportedVersion, largest));
        }
        Open::parse_fields(&mut reader).map_err(malformed)
    }

    fn parse_fields(reader: &mut Reader<'_>) -> Result<Open, DecodeError> {
        let my_autonomous_system = reader.u16("open.my_autonomous_system")?;
        let hold_time = reader.u16("open.hold_time")?;
        let bgp_identifier = RouterId(reader.ipv4("open.bgp_identifier")?);
        let short_length = usize::from(reader.u8("open.optional_parameters_length")?);
        // RFC 9072 §2: type 255 is what tells the forms apart; the one-octet length then means nothing, but is not 0.
        let extended_parameters = short_length != 0 && reader.rest().first() == Some(&EXTENDED);
        let length = if extended_parameters {
            reader.u8("open.non_extended_parameter_type")?;
            usize::from(reader.u16("open.extended_optional_parameters_length")?)
        } else {
            short_length
        };
        let mut parameters = reader.cut(length, "open.optional_parameters")?;
        reader.finish("open.optional_parameters")?;
        let mut optional_parameters = Vec::new();
        while !parameters.is_empty() {
            let kind = parameters.u8("open.optional_parameter.type")?;
            let length = if extended_parameters {
                usize::from(parameters.u16("open.optional_parameter.length")?)
            } else {
                usize::from(parameters.u8("open.optional_parameter.length")?)
            };
            let mut value = parameters.cut(length, "open.optional_parameter.value")?;
            optional_parameters.push(if kind == CAPABILITIES {
                let mut capabilities = Vec::new();
                while !value.is_empty() {
                    capabilities.push(Capability::parse(&mut value)?);
                }
                OptionalParameter::Capabilities(capabilities)
            } else {
                OptionalParameter::Unknown { kind, value: Bytes::copy_from_slice(value.rest()) }
            });
        }
        let version = VERSION;
        Ok(Open { version, my_autonomous_system, hold_time, bgp_identifier, optional_parameters, extended_parameters })
    }

    /// The extended form is used where it was asked for, and where the parameters do not fit without it.
    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut values = Vec::with_capacity(self.optional_parameters.len());
        for parameter in &self.optional_parameters {
            let mut value = BytesMut::new();
            let kind = match parameter {
                OptionalParameter::Capabilities(capabilities) => {
                    for capability in capabilities {
                        capability.encode(&mut value)?;
                    }
                    CAPABILITIES
                }
                OptionalParameter::Unknown { kind, value: octets } => {
                    value.put_slice(octets);
                    *kind
                }
            };
            values.push((kind, value));
        }
        let short_length: usize = values.iter().map(|(_, value)| 2 + value.len()).sum();
        let extended = self.extended_parameters || short_length > 255;
        out.put_u8(self.version);
        out.put_u16(self.my_autonomous_system);
        out.put_u16(self.hold_time);
        out.put_u32(self.bgp_identifier.to_u32());
        if extended {
            let length: usize = values.iter().map(|(_, value)| 3 + value.len()).sum();
            out.put_slice(&[EXTENDED, EXTENDED]);
            out.put_u16(fits(length, usize::from(u16::MAX))? as u16);
        } else {
            out.put_u8(fits(short_length, usize::from(u8::MAX))? as u8);
        }
        for (kind, value) in values {
            out.put_u8(kind);
            if extended {
                out.put_u16(fits(value.len(), usize::from(u16::MAX))? as u16);
            } else {
                out.put_u8(fits(value.len(), usize::from(u8::MAX))? as u8);
            }
            out.put_slice(&value);
        }
        Ok(())
    }
}

/// `length`, if a field that goes up to `limit` can say it.
pub(super) fn fits(length: usize, limit: usize) -> Result<usize, EncodeError> {
    if length > limit { Err(EncodeError::TooLong { length, limit }) } else { Ok(length) }
}
