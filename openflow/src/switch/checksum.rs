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

/// CRC-32C (RFC 9260 appendix A), as it stands in SCTP's header in little-endian order.
pub(crate) fn crc32c(parts: &[&[u8]]) -> u32 {
    let octets = parts.iter().flat_map(|part| part.iter());
    !octets.fold(u32::MAX, |crc, octet| {
        let index = (crc ^ u32::from(*octet)) & 0xff;
        (crc >> 8) ^ CRC32C.get(index as usize).copied().unwrap_or(0)
    })
}

static CRC32C: [u32; 256] = crc32c_table();

const fn crc32c_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 != 0 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(octets: &[u8]) -> u16 {
        !fold(octets.iter().enumerate().map(|(index, octet)| u64::from(place(index, *octet))).sum())
    }

    #[test]
    fn crc32c_has_the_check_value_of_rfc_3720() {
        assert_eq!(crc32c(&[b"12345", b"6789"]), 0xe306_9283);
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
