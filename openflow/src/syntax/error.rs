//! What is wrong with a text, where, and what may have been meant.

use std::borrow::Cow;
use std::fmt;

/// Octets of the text at fault that an error repeats.
const MAX_FOUND_LEN: usize = 60;

/// A text that is no flow, group or meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// Octets before the place that is wrong.
    pub offset: usize,
    /// What should stand there.
    pub expected: Cow<'static, str>,
    /// What stands there, cut short if it is long; empty at the end of the text.
    pub found: String,
    /// A name like the one that was found.
    pub suggestion: Option<&'static str>,
}

impl SyntaxError {
    pub(super) fn new(offset: usize, expected: impl Into<Cow<'static, str>>, found: &str) -> SyntaxError {
        let length = (0..=found.len().min(MAX_FOUND_LEN)).rev().find(|index| found.is_char_boundary(*index));
        let kept = found.get(..length.unwrap_or_default()).unwrap_or_default();
        let more = if kept.len() < found.len() { "..." } else { "" };
        SyntaxError { offset, expected: expected.into(), found: format!("{kept}{more}"), suggestion: None }
    }

    /// With the name among `names` that is most like what was found, if one is like it.
    pub(super) fn suggest(mut self, names: impl Iterator<Item = &'static str>) -> SyntaxError {
        let found = self.found.to_ascii_lowercase();
        let near = names
            .map(|name| (distance(&found, &name.to_ascii_lowercase()), name))
            .filter(|(steps, name)| *steps <= name.len() / 3);
        self.suggestion = near.min().map(|(_, name)| name);
        self
    }
}

impl fmt::Display for SyntaxError {
    /// `offset 3: expected a field, found "nw_dts" (did you mean nw_dst?)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: expected {}, found ", self.offset, self.expected)?;
        match self.found.as_str() {
            "" => f.write_str("nothing")?,
            found => write!(f, "{found:?}")?,
        }
        match self.suggestion {
            Some(name) => write!(f, " (did you mean {name}?)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Letters to insert, remove or change, or neighbours to swap, to make one name of the other. Names that differ much in length are
/// not looked at.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() > MAX_FOUND_LEN || left.len().abs_diff(right.len()) > 3 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut steps = (at(&row, j) + usize::from(a != b)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a);
            if swapped {
                steps = steps.min(at(&before, j - 1) + 1);
            }
            next.push(steps);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_a_slip_are_near() {
        assert_eq!(distance("nw_dts", "nw_dst"), 1);
        assert_eq!(distance("nw_src", "nw_dst"), 3);
        assert_eq!(distance("outptu", "output"), 1);
        assert_eq!(distance("", "ip"), 2);
    }

    #[test]
    fn an_error_says_where_what_and_what_may_be_meant() {
        let error = SyntaxError::new(3, "a field", "nw_dts").suggest(["nw_src", "nw_dst"].into_iter());
        assert_eq!(error.to_string(), "offset 3: expected a field, found \"nw_dts\" (did you mean nw_dst?)");
        let end = SyntaxError::new(9, "a number", "");
        assert_eq!(end.to_string(), "offset 9: expected a number, found nothing");
        let long = SyntaxError::new(0, "a name", &"ä\n".repeat(100));
        assert!(long.to_string().len() < 200, "{long}");
    }
}
