//! Regular expressions over AS_PATH. The letters are whole AS numbers, not digits.
//!
//! | written | means |
//! |---|---|
//! | `65001` | this AS |
//! | `.` | any one AS |
//! | `[65001 64512-65534]` | one of these ASes; `[^…]` one other than these |
//! | `_` or a space | nothing: it stands between AS numbers, as in other routers' expressions |
//! | `^`, `$` | the beginning and the end of the path |
//! | `a b` | a, then b |
//! | `a\|b` | a or b |
//! | `(…)` | what is inside, as one |
//! | `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}` | how many times what is before it |
//!
//! Without `^` and `$` the expression may match anywhere in the path. An AS_SET is one place, at which each of its ASes
//! stands. Confederation segments are left out.
//!
//! An expression becomes a table of states, so a path costs one look per AS whatever the expression; what would need a
//! larger table than [`TABLE_LIMIT`] is refused when it is read.

mod automaton;
mod parse;

#[cfg(test)]
pub(super) mod tests;

pub use automaton::TABLE_LIMIT;
pub use parse::TEXT_LIMIT;

use super::ParseError;
use crate::wire::AsPath;
use automaton::Automaton;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// A regular expression over AS_PATH; see the module. Two are equal if they are written the same.
#[derive(Clone)]
pub struct AsPathPattern {
    text: Arc<str>,
    automaton: Arc<Automaton>,
}

impl AsPathPattern {
    /// Whether the path matches.
    pub fn matches(&self, path: &AsPath) -> bool {
        self.automaton.matches(path)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for AsPathPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<AsPathPattern, ParseError> {
        let automaton = Automaton::new(&parse::parse(text)?)?;
        Ok(AsPathPattern { text: Arc::from(text), automaton: Arc::new(automaton) })
    }
}

impl fmt::Display for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for AsPathPattern {
    fn eq(&self, other: &AsPathPattern) -> bool {
        self.text == other.text
    }
}

impl Eq for AsPathPattern {}

impl PartialOrd for AsPathPattern {
    fn partial_cmp(&self, other: &AsPathPattern) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AsPathPattern {
    fn cmp(&self, other: &AsPathPattern) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for AsPathPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
