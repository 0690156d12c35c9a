//! Port numbers of 16 bits, as Nicira's actions have them.

use net::PortNo;

/// The first reserved port number of 16 bits (`OFPP_MAX` of OpenFlow 1.0).
const FIRST_RESERVED: u16 = 0xff00;

/// A port number of OpenFlow 1.3: the reserved ones keep their low 16 bits.
pub(super) fn long_port(port: u16) -> PortNo {
    let reserved = if port >= FIRST_RESERVED { 0xffff_0000 } else { 0 };
    PortNo(reserved | u32::from(port))
}

/// A port number of 16 bits. One that has none is cut off: it is a problem, and Open vSwitch has no such port.
pub(super) const fn short_port(port: PortNo) -> u16 {
    port.0 as u16
}

/// Whether a port number has a form of 16 bits.
pub(crate) fn has_short_form(port: PortNo) -> bool {
    long_port(short_port(port)) == port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_have_the_same_names_in_16_bits() {
        for (short, long) in
            [(1, PortNo(1)), (0xfeff, PortNo(0xfeff)), (0xfff8, PortNo::IN_PORT), (0xffff, PortNo::ANY)]
        {
            assert_eq!((long_port(short), short_port(long)), (long, short));
        }
        assert!(!has_short_form(PortNo(0xff00)) && !has_short_form(PortNo(0x1_0001)));
    }
}
