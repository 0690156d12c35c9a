//! UPDATE on the wire.
//!
//! ```text
//! | withdrawn routes length: 2 | withdrawn routes | total path attribute length: 2 | path attributes | NLRI |
//! ```

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use net::DecodeError;

use super::super::attributes::{Collected, put_attribute};
use super::super::header::put_u16_at;
use super::super::nlri::parse_prefixes;
use super::super::open::fits;
use super::super::reader::Reader;
use super::super::{
    AttributeError, AttributeFlags, AttributeType, DecodeContext, EncodeContext, EncodeError, Family, Fault,
    MessageError, MpNextHop, Nlri, Outcome, RawAttribute,
};
use super::{MpReach, MpUnreach, Update};

impl Update {
    /// Reads the whole message, whatever is wrong with its attributes (RFC 7606 §3 h); an error that resets the session
    /// comes back with all the others.
    pub(in crate::wire) fn parse(
        mut reader: Reader<'_>,
        context: &DecodeContext,
    ) -> Result<(Update, Vec<AttributeError>), MessageError> {
        let malformed = |at| MessageError::new(at, Fault::MalformedAttributeList, Bytes::new());
        let length = reader.u16("update.withdrawn_routes_length").map_err(malformed)?;
        let withdrawn = reader.cut(length.into(), "update.withdrawn_routes").map_err(malformed)?;
        let length = reader.u16("update.total_path_attribute_length").map_err(malformed)?;
        let attributes = reader.cut(length.into(), "update.path_attributes").map_err(malformed)?;
        let end_of_attributes = reader.offset();

        let withdrawn = parse_ipv4(withdrawn, context, "update.withdrawn_routes");
        let nlri = parse_ipv4(reader, context, "update.nlri");
        let mut collected = Collected::parse(attributes, context);
        let has_nlri = !reader.is_empty();
        collected.check_presence(has_nlri, end_of_attributes, context);
        if has_nlri {
            collected.check_next_hop(end_of_attributes);
        }

        let reset = collected.errors.iter().find(|error| error.outcome == Outcome::SessionReset);
        let attribute_reset = reset.map(|error| MessageError::new(error.at, error.fault, error.octets.clone()));
        let (withdrawn, nlri) = match (withdrawn, nlri, attribute_reset) {
            (Ok(withdrawn), Ok(nlri), None) => (withdrawn, nlri),
            (Err(error), ..) | (_, Err(error), _) | (_, _, Some(error)) => {
                return Err(MessageError { attribute_errors: collected.errors, ..error });
            }
        };
        let complete = collected.complete();
        let stray_attributes = if complete { Vec::new() } else { stray(attributes, &collected.errors) };
        let update = Update {
            withdrawn,
            mp_unreach: collected.mp_unreach,
            attributes: complete.then(|| Arc::new(collected.attributes)),
            mp_reach: collected.mp_reach,
            nlri,
            stray_attributes,
        };
        Ok((update, collected.errors))
    }

    /// Multiprotocol attributes come first (RFC 7606 §5.1).
    pub(in crate::wire) fn encode(&self, context: &EncodeContext, out: &mut BytesMut) -> Result<(), EncodeError> {
        let add_path = context.add_path.contains(&Family::IPV4_UNICAST);
        put_section(out, |out| self.withdrawn.iter().for_each(|nlri| nlri.encode(add_path, out)))?;
        put_section(out, |out| {
            if let Some(reach) = &self.mp_reach {
                reach.encode(context, out);
            }
            if let Some(unreach) = &self.mp_unreach {
                unreach.encode(context, out);
            }
            if let Some(attributes) = &self.attributes {
                attributes.encode(context, out);
            }
            self.stray_attributes.iter().for_each(|attribute| attribute.encode(out));
        })?;
        self.nlri.iter().for_each(|nlri| nlri.encode(add_path, out));
        Ok(())
    }
}

fn parse_ipv4(mut reader: Reader<'_>, context: &DecodeContext, field: &'static str) -> Result<Vec<Nlri>, MessageError> {
    let add_path = context.add_path.contains(&Family::IPV4_UNICAST);
    parse_prefixes(&mut reader, 32, add_path, field)
        .map_err(|at: DecodeError| MessageError::new(at, Fault::InvalidNetworkField, Bytes::new()))
}

/// A field with its two-octet length in front.
fn put_section(out: &mut BytesMut, section: impl FnOnce(&mut BytesMut)) -> Result<(), EncodeError> {
    let at = out.len();
    out.put_u16(0);
    section(out);
    let length = fits(out.len() - at - 2, usize::from(u16::MAX))?;
    put_u16_at(out, at, length);
    Ok(())
}

/// The attributes as they came, without the multiprotocol ones and those that have errors, as far as the field parses.
fn stray(mut reader: Reader<'_>, errors: &[AttributeError]) -> Vec<RawAttribute> {
    let mut attributes = Vec::new();
    while let Ok(flags) = reader.u8("flags").map(AttributeFlags) {
        let Ok(kind) = reader.u8("type").map(AttributeType) else { break };
        let length = if flags.is_extended_length() { reader.u16("length") } else { reader.u8("length").map(u16::from) };
        let Ok(value) = length.and_then(|length| reader.take(length.into(), "value")) else { break };
        let multiprotocol = matches!(kind, AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI);
        if !multiprotocol && errors.iter().all(|error| error.kind != kind) {
            attributes.push(RawAttribute { flags, kind, value: Bytes::copy_from_slice(value) });
        }
    }
    attributes
}

impl MpReach {
    pub(in crate::wire) fn encode(&self, context: &EncodeContext, out: &mut BytesMut) {
        let mut value = BytesMut::new();
        value.put_u16(self.family.afi.0);
        value.put_u8(self.family.safi.0);
        match &self.next_hop {
            MpNextHop::Address(next_hop) => {
                value.put_u8(next_hop.encoded_length() as u8);
                next_hop.encode(&mut value);
            }
            MpNextHop::Raw(octets) => {
                let octets = octets.get(..octets.len().min(255)).unwrap_or_default();
                value.put_u8(octets.len() as u8);
                value.put_slice(octets);
            }
        }
        value.put_u8(0);
        self.nlri.encode(context.add_path.contains(&self.family), &mut value);
        put_attribute(out, AttributeFlags::OPTIONAL, AttributeType::MP_REACH_NLRI, value.len(), |out| {
            out.put_slice(&value)
        });
    }
}

impl MpUnreach {
    pub(in crate::wire) fn encode(&self, context: &EncodeContext, out: &mut BytesMut) {
        let mut value = BytesMut::new();
        value.put_u16(self.family.afi.0);
        value.put_u8(self.family.safi.0);
        self.nlri.encode(context.add_path.contains(&self.family), &mut value);
        put_attribute(out, AttributeFlags::OPTIONAL, AttributeType::MP_UNREACH_NLRI, value.len(), |out| {
            out.put_slice(&value);
        });
    }
}
