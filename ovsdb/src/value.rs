//! Values of columns as RFC 7047 §5.1 writes them. Reading is tolerant: what has another form than was asked for is nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

/// How much is kept of one string. What we write and read again is shorter; the rest is for people.
pub const MAX_VALUE_OCTETS: usize = 4_096;

/// The name of a row for ever: 128 bits (RFC 7047 §3.1 `<uuid>`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// From `8-4-4-4-12` hexadecimal digits.
    pub fn parse(text: &str) -> Option<Uuid> {
        let parts: Vec<&str> = text.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        let fits = parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(part, length)| part.len() == length)
            && text.bytes().all(|octet| octet == b'-' || octet.is_ascii_hexdigit());
        if !fits {
            return None;
        }
        u128::from_str_radix(&parts.concat(), 16).ok().map(Uuid)
    }

    /// As a value of a column.
    pub(crate) fn value(self) -> Value {
        json!(["uuid", self.to_string()])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let (a, b, c) = (n >> 96, (n >> 80) & 0xffff, (n >> 64) & 0xffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", (n >> 48) & 0xffff, n & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The inside of `["word", inside]`.
fn tagged<'a>(value: &'a Value, word: &str) -> Option<&'a Value> {
    match value.as_array()?.as_slice() {
        [name, inside] if name == word => Some(inside),
        _ => None,
    }
}

/// The members of a set. A set of one may be written as that one.
pub(crate) fn members(value: &Value) -> &[Value] {
    match tagged(value, "set") {
        Some(inside) => inside.as_array().map_or(&[], Vec::as_slice),
        None => std::slice::from_ref(value),
    }
}

/// The value of an optional column.
pub(crate) fn single(value: &Value) -> Option<&Value> {
    match members(value) {
        [one] => Some(one),
        _ => None,
    }
}

/// A string, of a long one the beginning: [`MAX_VALUE_OCTETS`].
pub(crate) fn text(value: &Value) -> Option<String> {
    single(value)?.as_str().map(beginning)
}

/// The members of a set of references, each once.
pub(crate) fn uuids(value: &Value) -> BTreeSet<Uuid> {
    members(value).iter().filter_map(|member| Uuid::parse(tagged(member, "uuid")?.as_str()?)).collect()
}

/// A map of strings. Of long values the beginning counts, a pair with a long key is passed over.
pub(crate) fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = tagged(value, "map").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let pair = |pair: &Value| match pair.as_array()?.as_slice() {
        [key, value] => {
            let key = key.as_str().filter(|key| key.len() <= MAX_VALUE_OCTETS)?;
            Some((key.to_owned(), beginning(value.as_str()?)))
        }
        _ => None,
    };
    pairs.iter().filter_map(pair).collect()
}

fn beginning(text: &str) -> String {
    let end = (0..=text.len().min(MAX_VALUE_OCTETS)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

pub(crate) fn map_value(map: &BTreeMap<String, String>) -> Value {
    json!(["map", map.iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()])
}

pub(crate) fn set_value(members: impl IntoIterator<Item = String>) -> Value {
    json!(["set", members.into_iter().collect::<Vec<_>>()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_there_and_back() {
        let text = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(Uuid::parse(text).unwrap().to_string(), text);
        for wrong in ["", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcde+", "é"] {
            assert_eq!(Uuid::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_a_long_string_the_beginning_is_kept() {
        let long = format!("x{}", "\u{e9}".repeat(MAX_VALUE_OCTETS));
        assert_eq!(text(&json!(long)).unwrap().len(), MAX_VALUE_OCTETS - 1, "no character is cut in two");
        let map = map(&json!(["map", [["a", long], [long, "b"], ["c", "d"]]]));
        assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(map["a"].len(), MAX_VALUE_OCTETS - 1);
    }

    #[test]
    fn values_of_another_form_are_nothing() {
        for value in [json!(1), json!(["set", 1]), json!(["map", [["a"], [1, "b"]]]), json!([]), Value::Null] {
            assert_eq!(map(&value), BTreeMap::new());
            assert_eq!(uuids(&value), BTreeSet::new());
            assert_eq!(text(&value), None);
        }
        assert_eq!(text(&json!(["set", ["a"]])), Some("a".to_owned()));
        assert_eq!(text(&json!(["set", []])), None);
    }
}
