//! Header fields, and the values of a field that rules do not tell apart.

use std::collections::{BTreeMap, BTreeSet};

/// A header field that rules match. The port where a packet comes in is not one: it changes from switch to switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Field {
    EthDst,
    EthSrc,
    EthType,
    VlanVid,
    IpProto,
    Ipv4Src,
    Ipv4Dst,
    L4Src,
    L4Dst,
    Icmpv6Type,
    ArpSpa,
    ArpTpa,
    /// The first 64 bits of the source.
    Ipv6SrcHigh,
    /// Its last 64 bits.
    Ipv6SrcLow,
    Ipv6DstHigh,
    Ipv6DstLow,
}

/// How many there are.
pub const FIELDS: usize = 16;

impl Field {
    /// All of them, in the order in which a class is divided by them.
    pub const ALL: [Field; FIELDS] = [
        Field::EthDst,
        Field::EthSrc,
        Field::EthType,
        Field::VlanVid,
        Field::IpProto,
        Field::Ipv4Src,
        Field::Ipv4Dst,
        Field::L4Src,
        Field::L4Dst,
        Field::Icmpv6Type,
        Field::ArpSpa,
        Field::ArpTpa,
        Field::Ipv6SrcHigh,
        Field::Ipv6SrcLow,
        Field::Ipv6DstHigh,
        Field::Ipv6DstLow,
    ];

    /// Bits of its values.
    pub const fn bits(self) -> u32 {
        match self {
            Field::EthDst | Field::EthSrc => 48,
            Field::Ipv4Src | Field::Ipv4Dst | Field::ArpSpa | Field::ArpTpa => 32,
            Field::Ipv6SrcHigh | Field::Ipv6SrcLow | Field::Ipv6DstHigh | Field::Ipv6DstLow => 64,
            Field::EthType | Field::L4Src | Field::L4Dst => 16,
            Field::VlanVid => 13,
            Field::IpProto | Field::Icmpv6Type => 8,
        }
    }

    /// The mask that says all of it.
    pub const fn full(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }
}

/// A value for each field, in the order of [`Field::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Header(pub [u64; FIELDS]);

/// For each field which bits are matched, and their values. The default matches everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ternary {
    /// A bit for each field of which something is asked.
    asked: u32,
    value: [u64; FIELDS],
    mask: [u64; FIELDS],
}

/// Which bits a rule matches, whatever their values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Shape([u64; FIELDS]);

impl Ternary {
    /// The same with a field matched under a mask.
    pub fn with(mut self, field: Field, value: u64, mask: u64) -> Ternary {
        let (at, mask) = (field as usize, mask & field.full());
        if let (Some(of_value), Some(of_mask)) = (self.value.get_mut(at), self.mask.get_mut(at)) {
            (*of_value, *of_mask) = (value & mask, mask);
        }
        self.asked = self.asked & !(1 << at) | u32::from(mask != 0) << at;
        self
    }

    /// The same with the whole field matched.
    pub fn with_exact(self, field: Field, value: u64) -> Ternary {
        self.with(field, value, field.full())
    }

    /// One packet.
    pub(super) fn of(header: &Header) -> Ternary {
        Field::ALL.into_iter().fold(Ternary::default(), |packet, field| packet.with_exact(field, header.field(field)))
    }

    /// Value and mask of a field.
    pub fn field(&self, field: Field) -> (u64, u64) {
        let at = field as usize;
        (self.value.get(at).copied().unwrap_or(0), self.mask.get(at).copied().unwrap_or(0))
    }

    /// The value of a field that is matched whole.
    pub fn exact(&self, field: Field) -> Option<u64> {
        let (value, mask) = self.field(field);
        (mask == field.full()).then_some(value)
    }

    /// Whether every packet matches.
    pub fn is_everything(&self) -> bool {
        self.asked == 0
    }

    /// Fields of which both ask something.
    fn shared(&self, other: &Ternary) -> impl Iterator<Item = ((u64, u64), (u64, u64))> {
        let mut rest = self.asked & other.asked;
        std::iter::from_fn(move || {
            let at = rest.trailing_zeros() as usize;
            let field = *Field::ALL.get(at)?;
            rest &= rest - 1;
            Some((self.field(field), other.field(field)))
        })
    }

    /// The bits of all fields that are matched.
    pub(super) fn shape(&self) -> Shape {
        Shape(self.mask)
    }

    /// The values under the bits of a shape, if all of these are matched here.
    pub(super) fn under(&self, shape: &Shape) -> Option<[u64; FIELDS]> {
        let pairs = || self.mask.iter().zip(&shape.0);
        if pairs().any(|(mask, asked)| asked & !mask != 0) {
            return None;
        }
        let mut values = self.value;
        values.iter_mut().zip(&shape.0).for_each(|(value, asked)| *value &= asked);
        Some(values)
    }

    /// Whether there are packets that match both.
    pub(super) fn meets(&self, other: &Ternary) -> bool {
        self.shared(other).all(|((value, mask), (with, under))| (value ^ with) & mask & under == 0)
    }

    /// The first field of which `other` asks more than all packets here have in common.
    pub(super) fn open_field(&self, other: &Ternary) -> Option<Field> {
        let mut rest = other.asked;
        std::iter::from_fn(|| {
            let field = *Field::ALL.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(field)
        })
        .find(|field| other.field(*field).1 & !self.field(*field).1 != 0)
    }

    /// Whether every packet here matches `other`.
    pub(super) fn is_inside(&self, other: &Ternary) -> bool {
        self.meets(other) && self.open_field(other).is_none()
    }

    /// One of its packets.
    pub(super) fn example(&self) -> Header {
        Header(self.value)
    }

    /// Whether a header matches.
    pub fn matches(&self, header: &Header) -> bool {
        let fields = header.0.iter().zip(self.value.iter().zip(&self.mask));
        fields.fold(true, |so_far, (field, (value, mask))| so_far && field & mask == *value)
    }
}

impl Header {
    /// The value of a field.
    pub fn field(&self, field: Field) -> u64 {
        self.0.get(field as usize).copied().unwrap_or(0)
    }
}

/// What the rules ask of each field: (mask, value), and how many ask it.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraints {
    fields: [BTreeMap<(u64, u64), usize>; FIELDS],
}

impl Constraints {
    pub(super) fn add(&mut self, header: &Ternary) {
        for (field, asked) in Field::ALL.into_iter().zip(&mut self.fields) {
            let (value, mask) = header.field(field);
            if mask != 0 {
                *asked.entry((mask, value)).or_insert(0) += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, header: &Ternary) {
        for (field, asked) in Field::ALL.into_iter().zip(&mut self.fields) {
            let (value, mask) = header.field(field);
            if let Some(count) = asked.get_mut(&(mask, value)) {
                *count -= 1;
                if *count == 0 {
                    asked.remove(&(mask, value));
                }
            }
        }
    }

    /// What rules ask of a field under masks that are not the full one: values and masks.
    pub(super) fn masked(&self, field: Field) -> Vec<(u64, u64)> {
        let asked = self.fields.get(field as usize).into_iter().flat_map(|asked| asked.range(..(field.full(), 0)));
        asked.map(|(&(mask, value), _)| (value, mask)).collect()
    }

    /// A class divided by a field: in each part it has one value, which no rule tells apart from the others that this part stands for.
    pub(super) fn divide(&self, class: &Ternary, field: Field) -> Vec<Ternary> {
        let (value, mask) = class.field(field);
        self.values(field, value, mask).into_iter().map(|value| class.with_exact(field, value)).collect()
    }

    /// One value for each set of values with these bits that no rule tells apart.
    pub(super) fn values(&self, field: Field, value: u64, mask: u64) -> Vec<u64> {
        if mask == field.full() {
            return vec![value];
        }
        let asked = self.fields.get(field as usize).into_iter().flat_map(BTreeMap::keys);
        let alive: Vec<(u64, u64)> = asked.copied().filter(|(m, v)| (v ^ value) & m & mask == 0).collect();
        let is_prefix = |mask: u64| (mask | !field.full()).leading_ones() + mask.trailing_zeros() >= 64;
        if is_prefix(mask) && alive.iter().all(|(mask, _)| is_prefix(*mask)) {
            return of_prefixes(field.full(), (value, mask), &alive);
        }
        let mut values = BTreeMap::new();
        split(field.bits(), 0, &alive, (value, mask), &mut BTreeSet::new(), &mut values);
        values.into_values().collect()
    }
}

/// The same where all masks are prefixes: two values are alike exactly if the longest prefix that they are in is the same.
fn of_prefixes(full: u64, (value, mask): (u64, u64), alive: &[(u64, u64)]) -> Vec<u64> {
    let last = |(mask, value): (u64, u64)| value | full & !mask;
    let region = (mask, value);
    let mut prefixes: Vec<(u64, u64)> =
        alive.iter().copied().filter(|(of, _)| of.count_ones() > mask.count_ones()).collect();
    // By their first value; of two that begin there the shorter one first.
    prefixes.sort_unstable_by_key(|(mask, value)| (*value, mask.count_ones()));
    let (mut values, mut open) = (Vec::new(), vec![(region, Some(value))]);
    // The second of a pair is the first value that is in no prefix inside so far.
    let close = |open: &mut Vec<((u64, u64), Option<u64>)>, values: &mut Vec<u64>| {
        let Some((prefix, free)) = open.pop() else { return };
        values.extend(free.filter(|free| *free <= last(prefix)));
        if let Some((_, outer)) = open.last_mut()
            && outer.is_some_and(|free| free >= prefix.1 && free <= last(prefix))
        {
            *outer = last(prefix).checked_add(1);
        }
    };
    for prefix in prefixes {
        while open.len() > 1 && open.last().is_some_and(|(outer, _)| prefix.1 > last(*outer)) {
            close(&mut open, &mut values);
        }
        open.push((prefix, Some(prefix.1)));
    }
    while !open.is_empty() {
        close(&mut open, &mut values);
    }
    values
}

/// Decides one bit after the other, the highest first. `alive` are the constraints that the bits so far satisfy; where none of them asks anything of the
/// bits to come, all values are alike.
fn split(
    bits: u32,
    so_far: u64,
    alive: &[(u64, u64)],
    within: (u64, u64),
    met: &mut BTreeSet<(u32, Vec<(u64, u64)>)>,
    values: &mut BTreeMap<Vec<(u64, u64)>, u64>,
) {
    let below = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
    if alive.iter().all(|(mask, _)| mask & below == 0) {
        values.entry(alive.to_vec()).or_insert(so_far | within.0 & below);
        return;
    }
    // The same constraints with the same bits to come have been looked at.
    if !met.insert((bits, alive.to_vec())) {
        return;
    }
    let bit = 1 << (bits - 1);
    // Where nobody asks for the bit, one value stands for both.
    let is_asked = alive.iter().any(|(mask, _)| mask & bit != 0);
    for set in [0, bit] {
        let is_other = within.0 & bit != set;
        if is_other && (within.1 & bit != 0 || !is_asked) {
            continue;
        }
        let rest: Vec<(u64, u64)> =
            alive.iter().copied().filter(|(mask, value)| mask & bit == 0 || value & bit == set).collect();
        split(bits - 1, so_far | set, &rest, within, met, values);
    }
}
