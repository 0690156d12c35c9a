//! The octets of `trunkline decode`: binary as it is, or hex text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use net::{DecodeError, DecodeErrorKind};

/// Longest input. A capture of some minutes fits; more is a mistaken path.
const MAX_INPUT_OCTETS: u64 = 64 << 20;

/// Reads a file, or standard input if it is `-`.
///
/// # Errors
/// The system's, or the input is longer than 64 MiB.
pub fn read_input(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") { read_bounded(io::stdin().lock()) } else { read_bounded(File::open(file)?) }
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    source.take(MAX_INPUT_OCTETS + 1).read_to_end(&mut input)?;
    if input.len() as u64 > MAX_INPUT_OCTETS {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 64 MiB"));
    }
    Ok(input)
}

/// The octets that the input means. Text (printable, no other control characters than white space) is hex; anything else is binary. No
/// message of the protocols can be mistaken for text: OpenFlow starts with its version, BGP with 0xff, LLDP with 0x01.
///
/// # Errors
/// Text that is not hex; the offset counts octets of the text.
pub fn octets(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if input.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        hex(input)
    } else {
        Ok(input.to_vec())
    }
}

/// Words of hex digits between white space, colons, commas and dashes; `0x` may stand before a word, and `#` starts a comment.
fn hex(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut offset = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut at = offset;
        for word in code.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b',' | b'-')) {
            let digits = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")).unwrap_or(word);
            let base = at + (word.len() - digits.len());
            push_word(digits, base, &mut octets)?;
            at += word.len() + 1;
        }
        offset += line.len() + 1;
    }
    Ok(octets)
}

fn push_word(digits: &[u8], base: usize, octets: &mut Vec<u8>) -> Result<(), DecodeError> {
    let value = |index: usize, byte: u8| {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let kind = DecodeErrorKind::BadValue { value: u64::from(byte) };
        digit.ok_or(DecodeError::new(base + index, "input.hex_digit", kind))
    };
    for (index, pair) in digits.chunks(2).enumerate() {
        let [high, low] = *pair else {
            for (index, byte) in digits.iter().enumerate() {
                value(index, *byte)?;
            }
            return Err(DecodeError::truncated(base + index * 2, "input.hex_digits", 2, 1));
        };
        octets.push(value(index * 2, high)? << 4 | value(index * 2 + 1, low)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_is_read_in_the_forms_that_tools_print() {
        let expected = [0x04, 0x00, 0x00, 0x08, 0xab, 0xcd, 0xef, 0x01];
        for text in [
            "04000008abcdef01",
            "04 00 00 08 ab cd ef 01\n",
            "04:00:00:08:AB:CD:EF:01",
            "0x04 0x00 0x00 0x08 0xab 0xcd 0xef 0x01",
            "0x04000008ABCDEF01",
            "0400 0008\r\nabcd ef01\r\n",
            "# hello\n04 00 # version, type\n00 08\tabcd,ef,01",
            "04-00-00-08-ab-cd-ef-01",
        ] {
            assert_eq!(octets(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn binary_is_taken_as_it_is() {
        for binary in [&[0x04, 0, 0, 8, 0, 0, 0, 1][..], &[0xff; 16], b"\x01\x80\xc2\x00\x00\x0e"] {
            assert_eq!(octets(binary).unwrap(), binary);
        }
    }

    #[test]
    fn text_that_is_not_hex_says_where() {
        let error = octets(b"04 00\nxyz").unwrap_err();
        assert_eq!((error.offset, error.field), (6, "input.hex_digit"));
        let error = octets(b"04 000").unwrap_err();
        assert_eq!((error.offset, error.field), (5, "input.hex_digits"));
        assert_eq!(octets(b"0x4g").unwrap_err().offset, 3);
        assert_eq!(octets(b"12z").unwrap_err().offset, 2);
    }

    #[test]
    fn no_octets_are_none() {
        assert_eq!(octets(b"").unwrap(), b"");
        assert_eq!(octets(b" \n# nothing\n").unwrap(), b"");
    }

    proptest! {
        #[test]
        fn hex_means_the_octets_it_was_made_of(octets in proptest::collection::vec(any::<u8>(), 0..100), every in 1usize..8) {
            let text: Vec<String> = octets.chunks(every).map(|part| part.iter().map(|octet| format!("{octet:02x}")).collect()).collect();
            prop_assert_eq!(super::octets(text.join(" ").as_bytes()).unwrap(), octets);
        }

        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = octets(&input);
        }

        #[test]
        fn no_text_panics_and_errors_are_inside_it(input in "[0-9a-fA-Fx:,# \ng]{0,60}") {
            if let Err(error) = octets(input.as_bytes()) {
                prop_assert!(error.offset < input.len());
            }
        }
    }
}
