//! Octet strings as lower-case hex text in JSON.

use bytes::Bytes;
use serde::Serializer;

/// For `#[serde(serialize_with)]`.
pub(super) fn serialize<S: Serializer>(octets: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>())
}
