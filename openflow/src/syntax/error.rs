//! What is wrong with a text, where, and what may have been meant.

use std::borrow::Cow;
use std::fmt;

use crate::oxm;
use crate::oxm::names::letters_of;

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
    pub(super) fn suggest(mut self, names: impl IntoIterator<Item = &'static str>) -> SyntaxError {
        let mut nearest = Nearest::to(&self.found);
        names.into_iter().for_each(|name| nearest.look_at(name, || letters_of(name.as_bytes())));
        self.suggestion = nearest.name();
        self
    }

    /// The same among `names` and the names of all fields.
    pub(super) fn suggest_field(mut self, names: impl IntoIterator<Item = &'static str>) -> SyntaxError {
        let mut nearest = Nearest::to(&self.found);
        names.into_iter().for_each(|name| nearest.look_at(name, || letters_of(name.as_bytes())));
        let length = self.found.len();
        for name in oxm::names::names(length.saturating_sub(MAX_SLIPS)..=length + MAX_SLIPS) {
            nearest.look_at(name.text, || name.letters);
        }
        self.suggestion = nearest.name();
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

/// Letters of a name that is compared. No name that we have is as long.
const MAX_NAME_LEN: usize = 40;

/// Slips in a name that still let it be recognised; a short name bears fewer, one for every three letters.
const MAX_SLIPS: usize = 3;

/// Looks for the name with the fewest slips, the first by its letters if several have as few. Text from anywhere ends here, mostly
/// without any name that is like it, so what can't be near is passed over by its length and by which letters it has.
struct Nearest {
    length: usize,
    letters: u32,
    /// By letter, where it stands in what was found: bit 0 is its start.
    places: [u64; 128],
    best: Option<(usize, &'static str)>,
}

impl Nearest {
    fn to(found: &str) -> Nearest {
        let mut nearest =
            Nearest { length: found.len(), letters: letters_of(found.as_bytes()), places: [0; 128], best: None };
        for (at, letter) in found.bytes().take(MAX_NAME_LEN).enumerate() {
            // Letters that no name has have no place.
            if let Some(places) = nearest.places.get_mut(usize::from(letter.to_ascii_lowercase())) {
                *places |= 1 << at;
            }
        }
        nearest
    }

    fn look_at(&mut self, name: &'static str, letters: impl Fn() -> u32) {
        let limit = self.best.map_or(MAX_SLIPS, |(slips, _)| slips).min(name.len() / 3);
        // A slip changes at most two letters of the set: one goes and one comes.
        let near = self.length <= MAX_NAME_LEN
            && name.len().abs_diff(self.length) <= limit
            && (self.letters ^ letters()).count_ones() as usize <= 2 * limit;
        if near {
            let slips = self.distance(name);
            if slips <= limit {
                self.best = self.best.into_iter().chain([(slips, name)]).min();
            }
        }
    }

    fn name(self) -> Option<&'static str> {
        self.best.map(|(_, name)| name)
    }

    /// Letters to insert, remove or change, or neighbours to swap, to make the name of what was found, without regard to case.
    ///
    /// A column of the usual table at a time, as differences between neighbouring cells in the bits of a word (H. Hyyrö, A bit-vector
    /// algorithm for computing Levenshtein and Damerau edit distances, 2003): one bit for each letter that was found.
    fn distance(&self, name: &str) -> usize {
        let Some(last) = self.length.checked_sub(1) else { return name.len() };
        let mut distance = self.length;
        // Where a cell is one more, and one less, than the one above it; where it is the same as the one above to the left.
        let (mut more, mut less, mut same) = (u64::MAX, 0, 0);
        let mut places_before = 0;
        for letter in name.bytes() {
            let places = self.places.get(usize::from(letter.to_ascii_lowercase())).copied().unwrap_or_default();
            let swapped = (!same & places) << 1 & places_before;
            same = ((places & more).wrapping_add(more) ^ more) | places | less | swapped;
            // The same of a cell and the one to its left.
            let (more_left, less_left) = (less | !(same | more), same & more);
            distance += (more_left >> last & 1) as usize;
            distance -= (less_left >> last & 1) as usize;
            let (more_left, less_left) = (more_left << 1 | 1, less_left << 1);
            (more, less) = (less_left | !(same | more_left), more_left & same);
            places_before = places;
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_a_slip_are_near() {
        let distance = |found: &str, name: &str| Nearest::to(found).distance(name);
        assert_eq!(distance("nw_dts", "nw_dst"), 1);
        assert_eq!(distance("NW_DST", "nw_dst"), 0);
        assert_eq!(distance("nw_src", "nw_dst"), 3);
        assert_eq!(distance("outptu", "output"), 1);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "ip"), 2);
        assert_eq!(distance("ip", ""), 2);
        assert_eq!(distance("ä", "ip"), 2);
    }

    #[test]
    fn the_distance_by_bits_is_that_of_the_whole_table() {
        let whole = |left: &str, right: &str| {
            let (left, right) = (left.as_bytes(), right.as_bytes());
            let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
            for i in 0..=left.len() {
                for j in 0..=right.len() {
                    table[i][j] = match (i, j) {
                        (0, _) => j,
                        (_, 0) => i,
                        _ => {
                            let change = usize::from(left[i - 1] != right[j - 1]);
                            let plain =
                                (table[i - 1][j - 1] + change).min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                            let swapped = i > 1 && j > 1 && left[i - 2] == right[j - 1] && left[i - 1] == right[j - 2];
                            if swapped { plain.min(table[i - 2][j - 2] + 1) } else { plain }
                        }
                    };
                }
            }
            table[left.len()][right.len()]
        };
        // All words of four and three letters out of three, and longer ones.
        let word = |length: u32, number: u32| {
            (0..length).map(|place| char::from(b'a' + (number / 3u32.pow(place % 8) % 3) as u8)).collect::<String>()
        };
        let words: Vec<String> = (0..81)
            .map(|number| word(4, number))
            .chain((0..27).map(|number| word(3, number)))
            .chain((0..200).map(|number| word(number % MAX_NAME_LEN as u32, number * 31)))
            .collect();
        for left in &words {
            let nearest = Nearest::to(left);
            for right in &words {
                assert_eq!(nearest.distance(right), whole(left, right), "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_nothing_that_is_far() {
        let names = ["nw_src", "nw_dst", "tun_metadata10", "tun_metadata1"];
        let nearest = |found: &str| SyntaxError::new(0, "a field", found).suggest(names).suggestion;
        let field = |found: &str| SyntaxError::new(0, "a field", found).suggest_field(["drop"]).suggestion;
        assert_eq!(nearest("nw_dts"), Some("nw_dst"));
        assert_eq!(nearest("TUN_METADTA1"), Some("tun_metadata1"));
        assert_eq!(nearest("nw_sst"), Some("nw_dst"), "of several that are as near the first by its letters");
        assert_eq!(nearest(""), None);
        assert_eq!(nearest("metadata"), None);
        assert_eq!(
            (field("metadat"), field("ct_lable"), field("dorp")),
            (Some("metadata"), Some("ct_label"), Some("drop"))
        );
        assert_eq!((field("x"), field("nonsense"), field(&"x".repeat(MAX_NAME_LEN))), (None, None, None));
        assert_eq!(nearest(&"nw_dst".repeat(10)), None);
    }

    #[test]
    fn an_error_says_where_what_and_what_may_be_meant() {
        let error = SyntaxError::new(3, "a field", "nw_dts").suggest(["nw_src", "nw_dst"]);
        assert_eq!(error.to_string(), "offset 3: expected a field, found \"nw_dts\" (did you mean nw_dst?)");
        let end = SyntaxError::new(9, "a number", "");
        assert_eq!(end.to_string(), "offset 9: expected a number, found nothing");
        let long = SyntaxError::new(0, "a name", &"ä\n".repeat(100));
        assert!(long.to_string().len() < 200, "{long}");
    }
}
