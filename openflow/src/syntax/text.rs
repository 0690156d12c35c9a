//! Pieces of a text that know where they stand, names with values, and numbers.

use super::{Names, SyntaxError};

/// A part of the text that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    /// Octets of the whole text before it.
    pub offset: usize,
    /// What may stand for a number.
    pub names: Option<&'a Names>,
}

const BLANKS: &[char] = &[' ', '\t', '\r', '\n'];

impl<'a> Piece<'a> {
    pub fn new(text: &'a str) -> Piece<'a> {
        Piece { text, offset: 0, names: None }
    }

    /// From octet `start` on, which is one of its own.
    pub fn from(self, start: usize) -> Piece<'a> {
        Piece { text: self.text.get(start..).unwrap_or_default(), offset: self.offset + start, ..self }
    }

    pub fn until(self, end: usize) -> Piece<'a> {
        Piece { text: self.text.get(..end).unwrap_or(self.text), ..self }
    }

    pub fn is_empty(self) -> bool {
        self.text.is_empty()
    }

    pub fn trim(self) -> Piece<'a> {
        let start = self.text.len() - self.text.trim_start_matches(BLANKS).len();
        let piece = self.from(start);
        piece.until(piece.text.trim_end_matches(BLANKS).len())
    }

    /// What stands before and behind the first `separator`.
    pub fn split_once(self, separator: &str) -> Option<(Piece<'a>, Piece<'a>)> {
        let at = self.text.find(separator)?;
        Some((self.until(at), self.from(at + separator.len())))
    }

    /// Words between commas and blanks.
    pub fn words(self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let separator = |character: char| character == ',' || BLANKS.contains(&character);
            rest = rest.from(rest.text.len() - rest.text.trim_start_matches(separator).len());
            if rest.is_empty() {
                return None;
            }
            let end = rest.text.find(separator).unwrap_or(rest.text.len());
            let word = rest.until(end);
            rest = rest.from(end);
            Some(word)
        })
    }

    pub fn error(self, expected: impl Into<std::borrow::Cow<'static, str>>) -> SyntaxError {
        SyntaxError::new(self.offset, expected, self.text)
    }

    /// A number as C reads it: `0x` is hex, a leading `0` octal. At most `max`.
    pub fn number(self, max: u64) -> Result<u64, SyntaxError> {
        match parse_number(self.text) {
            Some(number) if number <= max => Ok(number),
            _ => Err(self.error(format!("a number from 0 to {max}"))),
        }
    }

    pub fn u8(self) -> Result<u8, SyntaxError> {
        self.number(u64::from(u8::MAX)).map(|number| number as u8)
    }

    pub fn u16(self) -> Result<u16, SyntaxError> {
        self.number(u64::from(u16::MAX)).map(|number| number as u16)
    }

    pub fn u32(self) -> Result<u32, SyntaxError> {
        self.number(u64::from(u32::MAX)).map(|number| number as u32)
    }

    /// A number of 64 bits; `-1` is the largest one.
    pub fn u64(self) -> Result<u64, SyntaxError> {
        if self.text == "-1" { Ok(u64::MAX) } else { self.number(u64::MAX) }
    }

    /// The VLAN that this is the name of.
    pub fn vlan_named(self) -> Option<u16> {
        self.names?.vlans.get(self.text).map(|vlan| vlan.get())
    }

    /// A number of any length as `length` octets in network order.
    pub fn octets(self, length: usize) -> Result<Vec<u8>, SyntaxError> {
        let too_big = || self.error(format!("a number of at most {length} octets"));
        let digits = self.text.strip_prefix("0x").or_else(|| self.text.strip_prefix("0X"));
        let mut octets = match digits {
            None => parse_number(self.text).ok_or_else(|| self.error("a number"))?.to_be_bytes().to_vec(),
            Some(digits) => {
                let digits = digits.trim_start_matches('0');
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) || self.text.len() == 2 {
                    return Err(self.error("a number"));
                }
                if digits.len() > 2 * length {
                    return Err(too_big());
                }
                let even = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
                hex(&even).ok_or_else(|| self.error("a number"))?
            }
        };
        while octets.len() > length {
            if octets.remove(0) != 0 {
                return Err(too_big());
            }
        }
        let mut padded = vec![0; length - octets.len()];
        padded.append(&mut octets);
        Ok(padded)
    }

    /// Octets as pairs of hex digits, with dots and blanks between them or without.
    pub fn hex_octets(self) -> Result<Vec<u8>, SyntaxError> {
        let digits: String =
            self.text.chars().filter(|character| *character != '.' && !BLANKS.contains(character)).collect();
        hex(&digits).ok_or_else(|| self.error("octets in hex"))
    }
}

/// Pairs of hex digits.
fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| (digit as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn parse_number(text: &str) -> Option<u64> {
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text.get(1..)?, 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// A name with what stands behind it: `name`, `name=value`, `name:value`, `name(value)`, `name(value)->destination`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub key: Piece<'a>,
    /// Empty if there is none.
    pub value: Piece<'a>,
    /// What follows `->` after a value in parentheses.
    pub destination: Option<Piece<'a>>,
}

impl<'a> Pair<'a> {
    /// From the name to the end of the value.
    pub fn name(self) -> &'a str {
        self.key.text
    }

    /// The value, which has to be there.
    pub fn some_value(self) -> Result<Piece<'a>, SyntaxError> {
        if self.value.is_empty() {
            Err(self.value.error(format!("a value for {}", cut(self.key.text))))
        } else {
            Ok(self.value)
        }
    }
}

/// A name in an error's text is short.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(32).collect()
}

/// Names with values, with commas or blanks between them.
pub(super) struct Pairs<'a>(pub Piece<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Result<Pair<'a>, SyntaxError>> {
        let Pairs(rest) = self;
        *rest = rest.from(rest.text.len() - rest.text.trim_start_matches(is_separator).len());
        if rest.is_empty() {
            return None;
        }
        let pair = next_pair(rest);
        // Nothing can be said about what follows an error.
        if pair.is_err() {
            *rest = rest.from(rest.text.len());
        }
        Some(pair)
    }
}

fn is_separator(character: char) -> bool {
    character == ',' || BLANKS.contains(&character)
}

fn next_pair<'a>(rest: &mut Piece<'a>) -> Result<Pair<'a>, SyntaxError> {
    let ends = |character: char| is_separator(character) || matches!(character, ':' | '=' | '(');
    let end = rest.text.find(ends).unwrap_or(rest.text.len());
    let key = rest.until(end);
    if key.is_empty() {
        return Err(rest.error("a name"));
    }
    *rest = rest.from(end);
    match rest.text.chars().next() {
        Some(':' | '=') => {
            *rest = rest.from(1);
            let value = rest.until(value_end(*rest)?);
            *rest = rest.from(value.text.len());
            Ok(Pair { key, value, destination: None })
        }
        Some('(') => {
            let close = closing(*rest)?;
            let value = rest.until(close).from(1);
            *rest = rest.from(close + 1);
            if !rest.text.starts_with("->") {
                return Ok(Pair { key, value, destination: None });
            }
            *rest = rest.from(2);
            let destination = rest.until(value_end(*rest)?);
            *rest = rest.from(destination.text.len());
            Ok(Pair { key, value, destination: Some(destination) })
        }
        _ => Ok(Pair { key, value: rest.until(0), destination: None }),
    }
}

/// Where a value ends: at a separator outside of parentheses.
fn value_end(piece: Piece<'_>) -> Result<usize, SyntaxError> {
    let mut at = 0;
    loop {
        let rest = piece.from(at);
        match rest.text.find(|character: char| is_separator(character) || character == '(') {
            None => return Ok(piece.text.len()),
            Some(next) if rest.from(next).text.starts_with('(') => at += next + closing(rest.from(next))? + 1,
            Some(next) => return Ok(at + next),
        }
    }
}

/// Where the parenthesis that the piece starts with is closed.
fn closing(piece: Piece<'_>) -> Result<usize, SyntaxError> {
    let mut level = 0usize;
    for (at, octet) in piece.text.bytes().enumerate() {
        match octet {
            b'(' => level += 1,
            b')' => level -= 1,
            _ => {}
        }
        if level == 0 {
            return Ok(at);
        }
    }
    Err(piece.error("a closing parenthesis"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, Option<String>)> {
        Pairs(Piece::new(text))
            .map(|pair| pair.unwrap())
            .map(|pair| {
                assert_eq!(text.get(pair.key.offset..).unwrap().find(pair.key.text), Some(0));
                let destination = pair.destination.map(|piece| piece.text.to_owned());
                (pair.key.text.to_owned(), pair.value.text.to_owned(), destination)
            })
            .collect()
    }

    #[test]
    fn names_have_values_behind_a_sign_or_in_parentheses() {
        let some = |key: &str, value: &str| (key.to_owned(), value.to_owned(), None);
        assert_eq!(pairs("ip, nw_dst=10.0.0.0/8 x:1"), [some("ip", ""), some("nw_dst", "10.0.0.0/8"), some("x", "1")]);
        assert_eq!(pairs("ct(commit,nat(src=1)),a"), [some("ct", "commit,nat(src=1)"), some("a", "")]);
        assert_eq!(pairs("a=f(1,2)g,b"), [some("a", "f(1,2)g"), some("b", "")]);
        let destination = ("check".to_owned(), "100".to_owned(), Some("reg0[0]".to_owned()));
        assert_eq!(pairs("check(100)->reg0[0],x"), [destination, some("x", "")]);
    }

    #[test]
    fn a_parenthesis_that_is_not_closed_is_named() {
        let error = Pairs(Piece::new("a,ct(commit")).nth(1).unwrap().unwrap_err();
        assert_eq!((error.offset, error.to_string().contains("closing")), (4, true));
        assert!(Pairs(Piece::new("=1")).next().unwrap().is_err());
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let number = |text| Piece::new(text).number(1000).ok();
        assert_eq!((number("10"), number("0x10"), number("010")), (Some(10), Some(16), Some(8)));
        assert_eq!(
            (number("1001"), number("-1"), number("+1"), number(""), number("0x")),
            (None, None, None, None, None)
        );
        assert_eq!(Piece::new("0x123456789abcdef0123").octets(10).unwrap().len(), 10);
        assert_eq!(Piece::new("0x0001ff").octets(2), Ok(vec![1, 0xff]));
        assert!(Piece::new("0x10000").octets(2).is_err());
        assert_eq!(Piece::new("00.1f.2").hex_octets().ok(), None);
        assert_eq!(Piece::new("00.1f").hex_octets(), Ok(vec![0, 0x1f]));
    }
}
