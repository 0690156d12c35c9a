//! Internet checksums kept right while fields change (RFC 1624), so that a rewrite never has to read the payload.

/// A checksum (as it stands in the packet) after `old` has become `new` at `offset` octets into the summed region.
pub(crate) fn updated(sum: u16, offset: usize, old: &[u8], new: &[u8]) -> u16 {
    // RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
    let mut total = u64::from(!sum);
    for (index, octet) in old.iter().enumerate() {
        total += u64::from(!place(offset + index, *octet));
    }
    for (index, octet) in new.iter().enumerate() {
        total += u64::from(place(offset + index, *octet));
    }
    !fold(total)
}

/// An octet as the 16-bit word in which it is the only one that is not zero.
fn place(offset: usize, octet: u8) -> u16 {
    if offset.is_multiple_of(2) { u16::from(octet) << 8 } else { u16::from(octet) }
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(octets: &[u8]) -> u16 {
        !fold(octets.iter().enumerate().map(|(index, octet)| u64::from(place(index, *octet))).sum())
    }

    proptest! {
        #[test]
        fn an_update_equals_a_new_sum(mut octets in proptest::collection::vec(any::<u8>(), 20..60), at in 0usize..16, new in any::<[u8; 4]>()) {
            let before = whole(&octets);
            let old: Vec<u8> = octets[at..at + 4].to_vec();
            octets[at..at + 4].copy_from_slice(&new);
            // The two forms of zero are one value (RFC 1624 §3).
            prop_assert_eq!(updated(before, at, &old, &new) % 0xffff, whole(&octets) % 0xffff);
        }
    }
}
