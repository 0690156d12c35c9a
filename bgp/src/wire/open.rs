//! OPEN (RFC 4271 §4.2), with extended optional parameters (RFC 9072).

use bytes::Bytes;

use super::{Asn, Capability, RouterId};

/// The only protocol version there is.
pub const VERSION: u8 = 4;

/// An OPEN message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Open {
    /// 4; other numbers are kept so that the session can answer with Unsupported Version Number.
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
