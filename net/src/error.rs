//! The decode error that every wire format of Trunkline uses: where, which field, what is wrong.

use std::fmt;

/// Why a sequence of octets is not a well-formed message.
///
/// Displays as `offset 4: header.xid: truncated: needs 4 octets, 2 are left`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DecodeError {
    /// Octets from the start of the message (for LLDP: of the frame) to the field at fault.
    pub offset: usize,
    /// The field, as a dotted path in the specification's nouns.
    pub field: &'static str,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum DecodeErrorKind {
    /// The field needs more octets than its parent has left.
    Truncated {
        /// Octets the field needs.
        needed: usize,
        /// Octets that are left in its parent.
        available: usize,
    },
    /// A length field contradicts its parent, its own minimum or its alignment.
    BadLength {
        /// The length as read.
        length: usize,
    },
    /// A version this decoder does not speak.
    BadVersion {
        /// The version octet as read.
        version: u8,
    },
    /// A type number that has no meaning in this place.
    BadType {
        /// The number as read.
        value: u32,
    },
    /// A value outside the range that the specification allows.
    BadValue {
        /// The value as read (its low 64 bits).
        value: u64,
    },
    /// Octets are left over where the parent has to be used up.
    TrailingOctets {
        /// How many.
        count: usize,
    },
    /// A marker, checksum or fixed pattern is not what it has to be.
    BadPattern,
    /// Something that may stand once stands twice.
    Duplicate,
    /// Something that has to be present is not.
    Missing,
}

impl DecodeErrorKind {
    /// The kind's name in one word with underscores: what `trunkline decode` prints as `kind`.
    pub const fn name(&self) -> &'static str {
        match self {
            DecodeErrorKind::Truncated { .. } => "truncated",
            DecodeErrorKind::BadLength { .. } => "bad_length",
            DecodeErrorKind::BadVersion { .. } => "bad_version",
            DecodeErrorKind::BadType { .. } => "bad_type",
            DecodeErrorKind::BadValue { .. } => "bad_value",
            DecodeErrorKind::TrailingOctets { .. } => "trailing_octets",
            DecodeErrorKind::BadPattern => "bad_pattern",
            DecodeErrorKind::Duplicate => "duplicate",
            DecodeErrorKind::Missing => "missing",
        }
    }
}

impl DecodeError {
    /// An error at `offset` octets from the start of the message.
    pub const fn new(offset: usize, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset, field, kind }
    }

    /// A field that needs `needed` octets where only `available` are left.
    pub const fn truncated(offset: usize, field: &'static str, needed: usize, available: usize) -> DecodeError {
        DecodeError::new(offset, field, DecodeErrorKind::Truncated { needed, available })
    }

    /// The same error seen from a parent that starts `base` octets earlier.
    #[must_use]
    pub const fn shifted(mut self, base: usize) -> DecodeError {
        self.offset += base;
        self
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeErrorKind::Truncated { needed, available } => {
                write!(f, "truncated: needs {needed} octets, {available} are left")
            }
            DecodeErrorKind::BadLength { length } => write!(f, "bad length {length}"),
            DecodeErrorKind::BadVersion { version } => write!(f, "bad version {version:#04x}"),
            DecodeErrorKind::BadType { value } => write!(f, "bad type {value}"),
            DecodeErrorKind::BadValue { value } => write!(f, "bad value {value}"),
            DecodeErrorKind::TrailingOctets { count } => write!(f, "{count} octets are left over"),
            DecodeErrorKind::BadPattern => f.write_str("not the fixed pattern it has to be"),
            DecodeErrorKind::Duplicate => f.write_str("stands twice"),
            DecodeErrorKind::Missing => f.write_str("missing"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}: {}", self.offset, self.field, self.kind)
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_offset_field_and_kind() {
        let error = DecodeError::truncated(0, "header.xid", 4, 2).shifted(4);
        assert_eq!(error.to_string(), "offset 4: header.xid: truncated: needs 4 octets, 2 are left");
    }
}
