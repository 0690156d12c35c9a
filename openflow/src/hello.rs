//! HELLO: which versions a side speaks (OpenFlow 1.3.5 §6.3.1, §7.5.1).

use bytes::Bytes;

use crate::framing::VERSION;
use crate::number::numbers;

numbers! {
    /// The type of a HELLO element (OpenFlow 1.3.5 §7.5.1, `ofp_hello_elem_type`).
    values HelloElementType(u16) {
        VERSIONBITMAP = 1, "OFPHET_VERSIONBITMAP";
    }
}

/// The first message on a connection (OpenFlow 1.3.5 §7.5.1, `ofp_hello`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Hello {
    /// The version in the message's own header: the highest one that the sender speaks.
    pub version: u8,
    /// The elements; empty for peers older than 1.3.1.
    pub elements: Vec<HelloElement>,
    /// What stands behind the elements and is none (senders of other versions put anything here; it is ignored).
    pub trailing: Bytes,
}

/// An element of a HELLO (OpenFlow 1.3.5 §7.5.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum HelloElement {
    /// The versions that the sender speaks: bit `n` of word `n / 32` stands for version `n`.
    VersionBitmap(Vec<u32>),
    /// An element of another type, as data.
    Unknown {
        /// The type.
        element_type: HelloElementType,
        /// What follows the 4-octet header, without padding.
        body: Bytes,
    },
}

impl Hello {
    /// What this library says: OpenFlow 1.3 and nothing else.
    pub fn new() -> Hello {
        Hello {
            version: VERSION,
            elements: vec![HelloElement::VersionBitmap(vec![1 << VERSION])],
            trailing: Bytes::new(),
        }
    }
}

impl Default for Hello {
    fn default() -> Hello {
        Hello::new()
    }
}
