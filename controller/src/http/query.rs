//! The part of an address behind the question mark.

/// Names and values, decoded, in their order.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Percent-encoding taken back (RFC 3986 §2.1); what is not one stays.
fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(value.unwrap_or(*first));
        rest = if value.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_percent_encoded_is_decoded_and_what_is_not_stays() {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [text("a", "1/2"), text("b", ""), text("c", "100%"), text("d", "x=y")];
        assert_eq!(pairs("a=1%2F2&b&&c=100%&d=x=y"), expected);
    }
}
