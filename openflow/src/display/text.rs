//! What every line of text is made of: parts with a separator, durations, text from the wire, and a limit to the whole.

use std::fmt::{self, Display, Formatter, Write};

use bytes::Bytes;

/// Octets of text that one message prints at most. A whole answer of 64 KiB with flows in it is about 200 KiB of text, so that what a
/// switch says in earnest is never cut. What is cut ends with `...` and the number of octets that are missing.
pub const MAX_LINE_LEN: usize = 256 * 1024;

/// Octets of unknown data that are printed as hex before the rest is only counted: what nobody can read need not be printed whole.
pub const MAX_HEX_LEN: usize = 256;

/// Parts of a line with one separator between them.
pub(super) struct Parts<'a, 'b> {
    pub f: &'a mut Formatter<'b>,
    pub separator: &'static str,
    pub started: bool,
}

impl<'a, 'b> Parts<'a, 'b> {
    pub fn new(f: &'a mut Formatter<'b>, separator: &'static str) -> Parts<'a, 'b> {
        Parts { f, separator, started: false }
    }

    pub fn put(&mut self, part: fmt::Arguments<'_>) -> fmt::Result {
        if self.started {
            self.f.write_str(self.separator)?;
        }
        self.started = true;
        self.f.write_fmt(part)
    }

    pub fn put_if(&mut self, wanted: bool, part: fmt::Arguments<'_>) -> fmt::Result {
        if wanted { self.put(part) } else { Ok(()) }
    }
}

/// Seconds: without decimals, with three, or with as many as are needed.
pub(super) struct Seconds(pub u32, pub u32);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Seconds(seconds, nanos) = *self;
        match nanos {
            0 => write!(f, "{seconds}s"),
            _ if nanos % 1_000_000 == 0 => write!(f, "{seconds}.{:03}s", nanos / 1_000_000),
            _ => write!(f, "{seconds}.{}s", format!("{nanos:09}").trim_end_matches('0')),
        }
    }
}

/// `0x` and the number, or `0`: what C writes for `%#x`.
pub(super) struct Hex(pub u64);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("0") } else { write!(f, "{:#x}", self.0) }
    }
}

/// Text from the wire: what is no printable character is escaped, so that it can't move a cursor or start a new line.
pub(super) struct Escaped<'a>(pub &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\'' => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_debug())?,
                }
            }
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}

/// Octets that mean nothing to us, as hex: the first [`MAX_HEX_LEN`] and how many more there are.
pub(super) struct Octets<'a>(pub &'a Bytes);

impl Display for Octets<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for octet in self.0.iter().take(MAX_HEX_LEN) {
            write!(f, "{octet:02x}")?;
        }
        match self.0.len().saturating_sub(MAX_HEX_LEN) {
            0 => Ok(()),
            more => write!(f, "...{more} more octets"),
        }
    }
}

/// Names of the bits that are set, with a space between them, and the rest in hex; `none` if there are none.
pub(super) struct Flags<'a> {
    pub bits: u32,
    pub names: &'a [(u32, &'a str)],
    pub none: &'a str,
}

impl Display for Flags<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut left = self.bits;
        let mut parts = Parts::new(f, " ");
        for (bit, name) in self.names {
            parts.put_if(left & bit != 0, format_args!("{name}"))?;
            left &= !bit;
        }
        parts.put_if(left != 0, format_args!("{left:#x}"))?;
        if parts.started { Ok(()) } else { f.write_str(self.none) }
    }
}

/// Passes on a limited number of octets and counts the rest.
struct Limited<'a, 'b> {
    f: &'a mut Formatter<'b>,
    left: usize,
    cut: usize,
}

impl Write for Limited<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut > 0 || text.len() > self.left {
            let most = if self.cut > 0 { 0 } else { self.left };
            let kept = (0..=most).rev().find(|index| text.is_char_boundary(*index)).unwrap_or_default();
            let (kept, rest) = text.split_at(kept);
            self.left = 0;
            self.cut += rest.len();
            return self.f.write_str(kept);
        }
        self.left -= text.len();
        self.f.write_str(text)
    }
}

/// Writes `text`, at most `limit` octets of it, and how much is missing.
pub(super) fn write_limited(f: &mut Formatter<'_>, limit: usize, text: fmt::Arguments<'_>) -> fmt::Result {
    let mut limited = Limited { f, left: limit, cut: 0 };
    limited.write_fmt(text)?;
    match limited.cut {
        0 => Ok(()),
        cut => write!(f, "...{cut} more octets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cut(usize, &'static str);

    impl Display for Cut {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            write_limited(f, self.0, format_args!("{}{}", self.1, self.1))
        }
    }

    #[test]
    fn a_line_is_cut_at_a_character_and_says_how_much_is_missing() {
        assert_eq!(Cut(6, "abc").to_string(), "abcabc");
        assert_eq!(Cut(5, "abc").to_string(), "abcab...1 more octets");
        assert_eq!(Cut(4, "äö").to_string(), "äö...4 more octets");
        assert_eq!(Cut(3, "äö").to_string(), "ä...6 more octets");
    }

    #[test]
    fn text_from_the_wire_has_no_control_characters() {
        assert_eq!(Escaped(b"s1-eth1").to_string(), "s1-eth1");
        assert_eq!(Escaped("私's \"x\"".as_bytes()).to_string(), "私's \"x\"");
        assert_eq!(Escaped(b"a\n\x1b[2J\\\xff\0").to_string(), "a\\n\\u{1b}[2J\\\\\\xff\\0");
        assert_eq!(Escaped("\u{202e}".as_bytes()).to_string(), "\\u{202e}");
    }

    #[test]
    fn unknown_octets_are_counted_past_a_limit() {
        assert_eq!(Octets(&Bytes::from_static(&[1, 0xab])).to_string(), "01ab");
        let text = Octets(&Bytes::from(vec![0; MAX_HEX_LEN + 7])).to_string();
        assert_eq!(text.len(), 2 * MAX_HEX_LEN + "...7 more octets".len());
        assert!(text.ends_with("00...7 more octets"));
    }
}
