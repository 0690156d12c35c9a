//! The TLV structure of attributes whose values are otherwise data.

use net::{DecodeError, DecodeErrorKind};

use super::super::reader::Reader;

/// RFC 9012 §2: TLVs of a two-octet type and length, in each of them sub-TLVs whose length has one octet below type
/// 128, two from there on.
pub(super) fn check_tunnel_encapsulation(mut value: Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    while !value.is_empty() {
        value.u16(field)?;
        let length = value.u16(field)?;
        let mut sub_tlvs = value.cut(usize::from(length), field)?;
        while !sub_tlvs.is_empty() {
            let kind = sub_tlvs.u8(field)?;
            let length = if kind < 128 { sub_tlvs.u8(field)?.into() } else { sub_tlvs.u16(field)? };
            sub_tlvs.take(usize::from(length), field)?;
        }
    }
    Ok(())
}

/// RFC 7311 §3: TLVs whose length counts their own three octets of header; the first of type 1 has eight more.
pub(super) fn check_aigp(mut value: Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    let mut first = true;
    while !value.is_empty() {
        let kind = value.u8(field)?;
        let bad_at = value.offset();
        let length = usize::from(value.u16(field)?);
        let bad = DecodeError::new(bad_at, field, DecodeErrorKind::BadLength { length });
        let size = length.checked_sub(3).ok_or(bad)?;
        if kind == 1 && std::mem::take(&mut first) && size != 8 {
            return Err(bad);
        }
        value.take(size, field)?;
    }
    Ok(())
}

/// RFC 8669 §3: TLVs of a one-octet type and a two-octet length.
pub(super) fn check_prefix_sid(mut value: Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    while !value.is_empty() {
        value.u8(field)?;
        let length = value.u16(field)?;
        value.take(usize::from(length), field)?;
    }
    Ok(())
}
