//! Fixed-size, NUL-padded texts: switch and table descriptions, port names.

use std::fmt;

use bytes::Bytes;

/// The text of a fixed-size character array, up to its first NUL. Octets need not be UTF-8 and are kept as they are;
/// what stands behind the first NUL is padding.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct FixedText(Bytes);

impl FixedText {
    /// From raw octets; cut at the first NUL.
    pub fn from_octets(octets: Bytes) -> FixedText {
        let length = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
        FixedText(octets.slice(..length))
    }

    /// The octets before the first NUL.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for FixedText {
    fn from(text: &str) -> FixedText {
        FixedText::from_octets(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for FixedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for FixedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for FixedText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
