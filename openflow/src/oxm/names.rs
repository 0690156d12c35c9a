//! The fields of the table by their names: an index that the compiler builds from the rows.

use super::OxmKind;
use super::table::ROWS;

/// A name of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub text: &'static str,
    /// Which letters it has: [`letters_of`].
    pub letters: u32,
    /// Where its row stands in the table.
    row: u8,
    /// Whether it is the name of a header.
    header: bool,
}

/// Every row has at most four names.
const MOST: usize = 4 * ROWS.len();

/// No name is as long.
const MAX_LEN: usize = 40;

/// A power of two, more than twice as many as there are names: a search ends soon.
const SLOTS: usize = 2048;

/// No name is here.
const EMPTY: u16 = u16::MAX;

struct Index {
    /// The first `starts[MAX_LEN]` of these, shortest first.
    names: [Name; MOST],
    /// By the length of a name, where the names that are at least as long start.
    starts: [usize; MAX_LEN + 1],
    /// By the hash of a name, where it stands among the names, or in one of the slots that follow up to the first that is empty.
    slots: [u16; SLOTS],
}

static INDEX: Index = index();

/// Where several rows have a name, the first has it; and a name in actions goes before one in matches, the unique name and the header's.
const fn index() -> Index {
    assert!(2 * MOST < SLOTS && SLOTS.is_power_of_two());
    let nothing = Name { text: "", letters: 0, row: 0, header: false };
    let (mut found, mut count) = ([nothing; MOST], 0);
    let mut slots = [EMPTY; SLOTS];
    let mut at = 0;
    while at < MOST {
        let (number, which) = (at % ROWS.len(), at / ROWS.len());
        let row = &ROWS[number];
        let text = match which {
            0 => row.ovs,
            1 => row.flow,
            2 => row.name,
            _ => row.header,
        };
        assert!(text.len() < MAX_LEN);
        let slot = slot_of(&found, &slots, text.as_bytes());
        if slots[slot] == EMPTY {
            slots[slot] = count as u16;
            found[count] = Name { text, letters: letters_of(text.as_bytes()), row: number as u8, header: which == 3 };
            count += 1;
        }
        at += 1;
    }
    // Again in the order of their lengths.
    let (mut names, mut starts) = ([nothing; MOST], [0; MAX_LEN + 1]);
    let mut slots = [EMPTY; SLOTS];
    let (mut length, mut placed) = (0, 0);
    while length < MAX_LEN {
        starts[length] = placed;
        let mut at = 0;
        while at < count {
            if found[at].text.len() == length {
                slots[slot_of(&names, &slots, found[at].text.as_bytes())] = placed as u16;
                names[placed] = found[at];
                placed += 1;
            }
            at += 1;
        }
        length += 1;
    }
    assert!(placed == count);
    starts[MAX_LEN] = placed;
    Index { names, starts, slots }
}

/// The slot of this name, or the empty one where it belongs.
const fn slot_of(names: &[Name; MOST], slots: &[u16; SLOTS], text: &[u8]) -> usize {
    // FNV-1a.
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < text.len() {
        hash = (hash ^ text[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    let mut slot = (hash ^ hash >> 16) as usize % SLOTS;
    while slots[slot] != EMPTY && !same(names[slots[slot] as usize].text.as_bytes(), text) {
        slot = (slot + 1) % SLOTS;
    }
    slot
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Which letters a name has, without regard to case: a bit for each, shared by those that differ in their upper bits.
pub(crate) const fn letters_of(name: &[u8]) -> u32 {
    let (mut set, mut at) = (0, 0);
    while at < name.len() {
        set |= 1 << (name[at] & 31);
        at += 1;
    }
    set
}

/// The field of this name: ovs-ofctl's in actions or matches, the one that no other field has, or the header's.
pub(crate) fn field_named(name: &str) -> Option<OxmKind> {
    if name.len() >= MAX_LEN {
        return None;
    }
    let slot = INDEX.slots.get(slot_of(&INDEX.names, &INDEX.slots, name.as_bytes()))?;
    // An empty slot is beyond the names.
    let name = INDEX.names.get(usize::from(*slot))?;
    Some(ROWS.get(usize::from(name.row))?.kind)
}

/// The names of fields, but for those of headers, that are as long as `lengths` says.
pub(crate) fn names(lengths: std::ops::RangeInclusive<usize>) -> impl Iterator<Item = &'static Name> {
    let start = |length: usize| INDEX.starts.get(length.min(MAX_LEN)).copied().unwrap_or_default();
    let range = start(*lengths.start())..start(lengths.end().saturating_add(1));
    INDEX.names.get(range).unwrap_or_default().iter().filter(|name| !name.header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_first_field_that_has_it() {
        let by = |of: fn(OxmKind) -> Option<&'static str>, name: &str| {
            OxmKind::KNOWN.iter().find(|kind| of(**kind) == Some(name)).copied()
        };
        let names = |kind: &OxmKind| {
            [kind.ovs_name(), kind.flow_name(), kind.name(), kind.header_name()].map(|name| name.unwrap())
        };
        for name in OxmKind::KNOWN.iter().flat_map(names) {
            let expected = by(OxmKind::ovs_name, name).or_else(|| by(OxmKind::flow_name, name));
            let expected = expected.or_else(|| by(OxmKind::name, name)).or_else(|| by(OxmKind::header_name, name));
            assert_eq!(field_named(name), expected, "{name}");
            for nonsense in [format!("{name}_"), format!(" {name}"), name.repeat(5)] {
                assert_eq!(field_named(&nonsense), None, "{nonsense}");
            }
        }
        assert_eq!(field_named(""), None);
    }

    #[test]
    fn names_come_by_their_lengths() {
        let mut by_length: Vec<&str> =
            (0..=MAX_LEN).flat_map(|length| names(length..=length)).map(|name| name.text).collect();
        assert!(by_length.is_sorted_by_key(|name| name.len()));
        assert_eq!(names(0..=usize::MAX).count(), by_length.len());
        let three = |kind: &OxmKind| [kind.ovs_name(), kind.flow_name(), kind.name()].map(|name| name.unwrap());
        let mut expected: Vec<&str> = OxmKind::KNOWN.iter().flat_map(three).collect();
        expected.sort_unstable();
        expected.dedup();
        by_length.sort_unstable();
        assert_eq!(by_length, expected);
        assert!(names(6..=7).all(|name| matches!(name.text.len(), 6 | 7)));
    }
}
