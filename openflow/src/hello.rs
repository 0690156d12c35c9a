//! HELLO: which versions a side speaks (OpenFlow 1.3.5 §6.3.1, §7.5.1).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::framing::VERSION;
use crate::number::numbers;
use crate::wire::{self, Reader};

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
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::json::hex"))]
    pub trailing: Bytes,
}

/// An element of a HELLO (OpenFlow 1.3.5 §7.5.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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

impl Hello {
    /// Whether the sender speaks `version`: by its bitmap if it sent one, else if its header's version is that one.
    /// (§6.3.1: without bitmaps the smaller of the two header versions is used.)
    pub fn bitmap_allows(&self, version: u8) -> Option<bool> {
        let words = self.elements.iter().find_map(|element| match element {
            HelloElement::VersionBitmap(words) => Some(words),
            HelloElement::Unknown { .. } => None,
        })?;
        let word = words.get(usize::from(version / 32)).copied().unwrap_or(0);
        Some(word >> (version % 32) & 1 != 0)
    }

    pub(crate) fn parse(version: u8, mut reader: Reader<'_>) -> Result<Hello, DecodeError> {
        let mut elements = Vec::new();
        while !reader.is_empty() {
            let rest = reader.clone();
            match HelloElement::parse(&mut reader) {
                Ok(element) => elements.push(element),
                // §7.5.1 asks for elements only from 1.3.1 on; what others put here is theirs.
                Err(_) if version != VERSION => return Ok(Hello { version, elements, trailing: rest.into_bytes() }),
                Err(error) => return Err(error),
            }
        }
        Ok(Hello { version, elements, trailing: Bytes::new() })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        for element in &self.elements {
            element.encode(out);
        }
        out.put_slice(&self.trailing);
    }
}

impl HelloElement {
    fn parse(reader: &mut Reader<'_>) -> Result<HelloElement, DecodeError> {
        let element_type = HelloElementType(reader.u16("hello.element.type")?);
        let at = reader.offset();
        let length = reader.u16("hello.element.length")?;
        let mut body = reader.body(length, 4, "hello.element.length")?;
        // The last element's padding may be missing: its length doesn't count it, and senders forget it.
        let padding = wire::padding(usize::from(length)).min(reader.remaining());
        reader.skip(padding, "hello.element.pad")?;
        if element_type != HelloElementType::VERSIONBITMAP {
            return Ok(HelloElement::Unknown { element_type, body: body.into_bytes() });
        }
        if body.is_empty() || body.remaining() % 4 != 0 {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "hello.element.length", kind));
        }
        let mut words = Vec::new();
        while !body.is_empty() {
            words.push(body.u32("hello.element.bitmaps")?);
        }
        Ok(HelloElement::VersionBitmap(words))
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        let element_type = match self {
            HelloElement::VersionBitmap(_) => HelloElementType::VERSIONBITMAP,
            HelloElement::Unknown { element_type, .. } => *element_type,
        };
        out.put_u16(element_type.0);
        out.put_u16(0);
        match self {
            HelloElement::VersionBitmap(words) => words.iter().for_each(|word| out.put_u32(*word)),
            HelloElement::Unknown { body, .. } => out.put_slice(body),
        }
        wire::patch_length(out, start, 2);
        wire::pad_from(out, start);
    }
}
