//! The value of a field as text: addresses in their usual form, flags by name as ovs-ofctl writes them.

use std::net::{Ipv4Addr, Ipv6Addr};

use net::MacAddr;

use super::{OxmField, to_u64};

/// How a field's value is written as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notation {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
    /// `no`, `yes`, `first`, `later`, `not_later`.
    Fragment,
    CtState,
    TcpFlags,
    TunnelFlags,
    /// `(namespace,type)`.
    PacketType,
}

/// Names of the bits of `ct_state`, lowest first (ovs-fields(7)).
pub(crate) const CT_STATE_NAMES: &[&str] = &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
/// Names of the bits of `tcp_flags`, lowest first (ovs-fields(7)).
pub(crate) const TCP_FLAG_NAMES: &[&str] =
    &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"];
/// Names of the bits of `tun_flags`, lowest first (ovs-fields(7)).
pub(crate) const TUNNEL_FLAG_NAMES: &[&str] = &["oam"];

/// Words for `nw_frag`: name, value, mask (ovs-fields(7), ip_frag). Bit 0: any fragment, bit 1: not the first one.
pub(crate) const FRAGMENT_WORDS: &[(&str, u8, u8)] = &[
    ("no", 0, 3),
    ("first", 1, 3),
    ("later", 3, 3),
    ("no", 0, 1),
    ("yes", 1, 1),
    ("not_later", 0, 2),
    ("later", 2, 2),
];

impl Notation {
    /// The names of the bits, if the value is a set of flags.
    pub(crate) fn flag_names(self) -> Option<&'static [&'static str]> {
        match self {
            Notation::CtState => Some(CT_STATE_NAMES),
            Notation::TcpFlags => Some(TCP_FLAG_NAMES),
            Notation::TunnelFlags => Some(TUNNEL_FLAG_NAMES),
            _ => None,
        }
    }
}

impl OxmField<'_> {
    /// `value` or `value/mask` in the field's usual form; flags as `syn|ack`, under a mask as `+syn-ack`.
    pub fn value_text(&self) -> String {
        let notation = self.kind.row().map(|row| row.notation);
        if let Some(text) = notation.and_then(|notation| self.words(notation)) {
            return text;
        }
        let value = octets_text(self.value, notation);
        match self.mask {
            Some(mask) => {
                // A decimal mask can't be read.
                let notation =
                    notation.map(|notation| if notation == Notation::Decimal { Notation::Hex } else { notation });
                format!("{value}/{}", octets_text(mask, notation))
            }
            None => value,
        }
    }

    /// Words for a value that has them.
    fn words(&self, notation: Notation) -> Option<String> {
        let value = to_u64(self.value)?;
        let mask = self.mask.filter(|_| !self.is_exact()).map(to_u64);
        if notation == Notation::Fragment {
            // Without a mask all bits count, those without a meaning, too.
            let mask = mask.unwrap_or(Some(3))?;
            let fits = |word: &&(&str, u8, u8)| u64::from(word.1) == value && u64::from(word.2) == mask;
            return FRAGMENT_WORDS.iter().find(fits).map(|(word, ..)| (*word).to_owned());
        }
        let names = notation.flag_names()?;
        let name = |bit: usize| names.get(bit).map_or_else(|| format!("{:#x}", 1u64 << bit), |name| (*name).to_owned());
        let set = |flags: u64| (0..64).filter(move |bit| flags >> bit & 1 != 0);
        Some(match mask {
            None if value == 0 => "0".into(),
            None => set(value).map(name).collect::<Vec<_>>().join("|"),
            Some(mask) => {
                let mask = mask?;
                if mask == 0 || value & !mask != 0 {
                    return None;
                }
                set(mask).map(|bit| format!("{}{}", if value >> bit & 1 != 0 { '+' } else { '-' }, name(bit))).collect()
            }
        })
    }

    /// Whether the text form is a plain decimal number.
    #[cfg(feature = "serde")]
    pub(crate) fn as_decimal(&self) -> Option<u64> {
        match self.kind.row() {
            Some(row) if row.notation == Notation::Decimal && self.mask.is_none() => self.to_u64(),
            _ => None,
        }
    }
}

fn octets_text(octets: &[u8], notation: Option<Notation>) -> String {
    let plain = || octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let hex = || to_u64(octets).map(|number| format!("{number:#0width$x}", width = 2 + 2 * octets.len()));
    match notation {
        None => None,
        Some(Notation::Decimal) => to_u64(octets).map(|number| number.to_string()),
        Some(Notation::Mac) => <[u8; 6]>::try_from(octets).ok().map(|octets| MacAddr(octets).to_string()),
        Some(Notation::Ipv4) => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        Some(Notation::Ipv6) => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        Some(Notation::PacketType) => to_u64(octets).map(|value| format!("({},{:#x})", value >> 16, value & 0xffff)),
        Some(Notation::Hex | Notation::Fragment | Notation::CtState | Notation::TcpFlags | Notation::TunnelFlags) => {
            hex().or_else(|| Some(format!("0x{}", plain())))
        }
    }
    .unwrap_or_else(plain)
}

#[cfg(test)]
mod tests {
    use crate::oxm::{OxmFieldOwned, OxmKind};

    fn text(kind: OxmKind, value: u64, mask: Option<u64>) -> String {
        let length = kind.value_len().unwrap();
        let octets = |number: u64| number.to_be_bytes()[8 - length..].to_vec();
        let mask = mask.map(octets);
        OxmFieldOwned::new(kind, &octets(value), mask.as_deref()).unwrap().as_field().value_text()
    }

    #[test]
    fn flags_are_written_by_name() {
        assert_eq!(text(OxmKind::CT_STATE, 0x21, Some(0x23)), "+new-est+trk");
        assert_eq!(text(OxmKind::CT_STATE, 0x21, None), "new|trk");
        assert_eq!(text(OxmKind::CT_STATE, 0x21, Some(0xff)), "new|trk", "the mask covers all states");
        assert_eq!(text(OxmKind::CT_STATE, 0, None), "0");
        assert_eq!(text(OxmKind::CT_STATE, 0x100, None), "0x100");
        assert_eq!(text(OxmKind::TCP_FLAGS, 0x12, Some(0x12)), "+syn+ack");
        assert_eq!(text(OxmKind::TCP_FLAGS, 2, None), "syn");
        assert_eq!(text(OxmKind::TUN_FLAGS, 1, Some(1)), "oam");
    }

    #[test]
    fn fragments_and_packet_types_have_their_words() {
        assert_eq!(text(OxmKind::NW_FRAG, 0, None), "no");
        assert_eq!(text(OxmKind::NW_FRAG, 3, Some(3)), "later");
        assert_eq!(text(OxmKind::NW_FRAG, 1, Some(1)), "yes");
        assert_eq!(text(OxmKind::NW_FRAG, 0, Some(2)), "not_later");
        assert_eq!(text(OxmKind::PACKET_TYPE, 0x1_0800, None), "(1,0x800)");
    }

    #[test]
    fn long_values_are_hexadecimal_with_their_prefix() {
        let label = OxmFieldOwned::new(OxmKind::CT_LABEL, &[0xab; 16], Some(&[0xff; 16])).unwrap();
        assert_eq!(label.as_field().to_string(), format!("ct_label=0x{}/0x{}", "ab".repeat(16), "ff".repeat(16)));
    }
}
