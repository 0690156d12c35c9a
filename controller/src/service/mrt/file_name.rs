//! File names that hold the time: the letters of strftime that operators use in them.

use std::fmt::Write;
use std::time::Duration;

use crate::decode::date;

/// A file name with places for the time in UTC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FileName(String);

const DAY: u64 = 86_400;

impl FileName {
    /// A name in which [`FileName::unknown`] finds nothing.
    pub(crate) fn new(text: &str) -> FileName {
        FileName(text.to_owned())
    }

    /// The first letter behind a `%` that is not known; a space for a `%` at the end.
    pub(crate) fn unknown(text: &str) -> Option<char> {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter == '%' {
                match letters.next() {
                    Some('Y' | 'm' | 'd' | 'H' | 'M' | 'S' | 's' | '%') => {}
                    other => return Some(other.unwrap_or(' ')),
                }
            }
        }
        None
    }

    /// The name at a time since 1970.
    pub(crate) fn at(&self, time: Duration) -> String {
        let seconds = time.as_secs();
        let (year, month, day) = date(seconds / DAY);
        let within = seconds % DAY;
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut letters = self.0.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            // Writing to a string cannot fail.
            let _ = match letters.next() {
                Some('Y') => write!(out, "{year:04}"),
                Some('m') => write!(out, "{month:02}"),
                Some('d') => write!(out, "{day:02}"),
                Some('H') => write!(out, "{:02}", within / 3600),
                Some('M') => write!(out, "{:02}", within / 60 % 60),
                Some('S') => write!(out, "{:02}", within % 60),
                Some('s') => write!(out, "{seconds}"),
                Some(other) => write!(out, "{other}"),
                None => Ok(()),
            };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_in_the_name() {
        let name = FileName::new("/var/log/updates.%Y%m%d.%H%M%S-%s-100%%");
        assert_eq!(name.at(Duration::from_secs(1_709_210_096)), "/var/log/updates.20240229.123456-1709210096-100%");
        assert_eq!(name.at(Duration::ZERO), "/var/log/updates.19700101.000000-0-100%");
    }

    #[test]
    fn a_letter_that_is_not_known_is_found() {
        assert_eq!(FileName::unknown("a%Yb%%%Q"), Some('Q'));
        assert_eq!(FileName::unknown("a%"), Some(' '));
        assert_eq!(FileName::unknown("/x/%Y/%m/%d.%H%M%S.%s"), None);
    }
}
