//! How the fuzz targets for state machines read their octets: as a sequence of steps.

/// One step: what to do, and with which octets.
pub struct Step<'a> {
    /// Which input; every target has its own meaning for it.
    pub kind: u8,
    /// The input's octets.
    pub octets: &'a [u8],
}

/// Cuts octets into steps: one octet kind, two octets length (at most what is there), the octets.
pub fn steps(mut octets: &[u8]) -> impl Iterator<Item = Step<'_>> {
    std::iter::from_fn(move || {
        let [kind, high, low, rest @ ..] = octets else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (step, tail) = rest.split_at(length);
        octets = tail;
        Some(Step { kind: *kind, octets: step })
    })
}
