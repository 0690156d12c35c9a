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
        self.suggestion = nearest(&self.found, names);
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

/// The name with the fewest slips, the first by its letters if several have as few. Text from anywhere ends here, mostly without any
/// name that is like it, so what can't be near is passed over by its length and by which letters it has.
fn nearest(found: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let found = found.as_bytes();
    if found.len() > MAX_NAME_LEN {
        return None;
    }
    let letters = letters_of(found);
    let mut best: Option<(usize, &'static str)> = None;
    for name in names {
        let limit = best.map_or(MAX_SLIPS, |(slips, _)| slips).min(name.len() / 3);
        // A slip changes at most two letters of the set: one goes and one comes.
        let near = name.len() <= MAX_NAME_LEN
            && name.len().abs_diff(found.len()) <= limit
            && (letters ^ letters_of(name.as_bytes())).count_ones() as usize <= 2 * limit;
        if near && let Some(slips) = distance(found, name.as_bytes(), limit) {
            best = best.into_iter().chain([(slips, name)]).min();
        }
    }
    best.map(|(_, name)| name)
}

/// Which letters there are, without regard to case: a bit for each, shared by those that differ in their upper bits.
fn letters_of(name: &[u8]) -> u32 {
    name.iter().fold(0, |set, letter| set | 1 << (letter & 31))
}

/// Letters to insert, remove or change, or neighbours to swap, to make one name of the other without regard to case, if they are at
/// most `limit`. Both names are of at most [`MAX_NAME_LEN`] letters. Only the part of each row is filled that can be within the limit.
fn distance(left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
    const FAR: u8 = u8::MAX - 1;
    type Row = [u8; MAX_NAME_LEN + 2];
    let at = |row: &Row, index: usize| row.get(index).copied().unwrap_or(FAR);
    let same = |a: Option<&u8>, b: Option<&u8>| a.zip(b).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let (mut before, mut row): (Row, Row) = ([FAR; MAX_NAME_LEN + 2], [FAR; MAX_NAME_LEN + 2]);
    (0u8..).zip(&mut row).take(limit + 1).for_each(|(steps, cell)| *cell = steps);
    for i in 1..=left.len() {
        let mut next: Row = [FAR; MAX_NAME_LEN + 2];
        let mut least = FAR;
        for j in i.saturating_sub(limit)..=right.len().min(i + limit) {
            let mut steps = at(&row, j).saturating_add(1);
            if let Some(last) = j.checked_sub(1) {
                let change = u8::from(!same(left.get(i - 1), right.get(last)));
                steps = steps.min(at(&next, last).saturating_add(1)).min(at(&row, last).saturating_add(change));
                let swapped =
                    i > 1 && j > 1 && same(left.get(i - 2), right.get(last)) && same(left.get(i - 1), right.get(j - 2));
                if swapped {
                    steps = steps.min(at(&before, j - 2).saturating_add(1));
                }
            }
            if let Some(cell) = next.get_mut(j) {
                *cell = steps;
            }
            least = least.min(steps);
        }
        // No later row has less than this one and the one before it; a swap that reaches over this row costs one more than that.
        if usize::from(least) > limit {
            return None;
        }
        before = row;
        row = next;
    }
    let steps = usize::from(at(&row, right.len()));
    (steps <= limit).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_a_slip_are_near() {
        let distance = |left: &str, right: &str| distance(left.as_bytes(), right.as_bytes(), 3);
        assert_eq!(distance("nw_dts", "nw_dst"), Some(1));
        assert_eq!(distance("NW_DST", "nw_dst"), Some(0));
        assert_eq!(distance("nw_src", "nw_dst"), Some(3));
        assert_eq!(distance("outptu", "output"), Some(1));
        assert_eq!(distance("ab", "ba"), Some(1));
        assert_eq!(distance("", "ip"), Some(2));
        assert_eq!(distance("ip", ""), Some(2));
        assert_eq!(distance("nw_src", "tp_dst"), None);
    }

    #[test]
    fn the_distance_within_a_limit_is_that_of_the_whole_table() {
        let whole = |left: &[u8], right: &[u8]| {
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
        // All words of up to four letters out of three.
        let words: Vec<Vec<u8>> = (0..81u32)
            .map(|number| (0..4).map(|place| b'a' + (number / 3u32.pow(place) % 3) as u8).collect())
            .chain((0..27u32).map(|number| (0..3).map(|place| b'a' + (number / 3u32.pow(place) % 3) as u8).collect()))
            .chain([vec![], vec![b'a'], vec![b'b', b'c']])
            .collect();
        for left in &words {
            for right in &words {
                for limit in 0..=MAX_SLIPS {
                    let expected = Some(whole(left, right)).filter(|steps| *steps <= limit);
                    assert_eq!(distance(left, right, limit), expected, "{left:?} {right:?} {limit}");
                }
            }
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_nothing_that_is_far() {
        let nearest = |found: &str| nearest(found, ["nw_src", "nw_dst", "tun_metadata10", "tun_metadata1"].into_iter());
        assert_eq!(nearest("nw_dts"), Some("nw_dst"));
        assert_eq!(nearest("TUN_METADTA1"), Some("tun_metadata1"));
        assert_eq!(nearest("nw_sst"), Some("nw_dst"), "of several that are as near the first by its letters");
        assert_eq!(nearest(""), None);
        assert_eq!(nearest("metadata"), None);
        assert_eq!(nearest(&"nw_dst".repeat(10)), None);
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
