//! The table of tunnel options: which option of a Geneve header each `tun_metadata` field stands for (Open vSwitch, `nicira-ext.h`:
//! NXT_TLV_TABLE_MOD, NXT_TLV_TABLE_REQUEST and NXT_TLV_TABLE_REPLY).

use bytes::{BufMut, BytesMut};
use net::DecodeError;

use crate::number::numbers;
use crate::wire::{self, Reader};

/// `NXT_TLV_TABLE_MOD`: the experimenter type of [`TlvTableMod`].
pub const EXP_TYPE_TLV_TABLE_MOD: u32 = 24;
/// `NXT_TLV_TABLE_REQUEST`: the experimenter type of [`crate::Message::TlvTableRequest`].
pub const EXP_TYPE_TLV_TABLE_REQUEST: u32 = 25;
/// `NXT_TLV_TABLE_REPLY`: the experimenter type of [`TlvTableReply`].
pub const EXP_TYPE_TLV_TABLE_REPLY: u32 = 26;

/// Fields that options can be mapped to: `tun_metadata0` to `tun_metadata63`.
pub const TLV_FIELDS: u16 = 64;
/// Octets that an option has at most (`TLV_MAX_OPT_SIZE`).
pub const TLV_OPTION_LEN_MAX: u8 = 124;

numbers! {
    /// What is to happen to the table (Open vSwitch, `nx_tlv_table_mod_command`).
    values TlvTableModCommand(u16) {
        ADD = 0, "NXTTMC_ADD";
        DELETE = 1, "NXTTMC_DELETE";
        CLEAR = 2, "NXTTMC_CLEAR";
    }
}

/// An option and the field that stands for it (Open vSwitch, `nx_tlv_map`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TlvMap {
    /// The option's class.
    pub option_class: u16,
    /// The option's type.
    pub option_type: u8,
    /// Octets of the option's value: a multiple of 4 up to [`TLV_OPTION_LEN_MAX`].
    pub option_len: u8,
    /// Which field: n of `tun_metadata<n>`, less than [`TLV_FIELDS`].
    pub index: u16,
}

/// Maps options to fields, or takes mappings back, all of them or none (Open vSwitch, `nx_tlv_table_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TlvTableMod {
    /// What is to happen.
    pub command: TlvTableModCommand,
    /// To which mappings; a delete goes by the index alone, and a clear takes all.
    pub mappings: Vec<TlvMap>,
}

/// What a switch has room for and what is mapped (Open vSwitch, `nx_tlv_table_reply`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TlvTableReply {
    /// Octets of all mapped options together at most.
    pub max_option_space: u32,
    /// Mappings at most.
    pub max_fields: u16,
    /// What is mapped, by index.
    pub mappings: Vec<TlvMap>,
}

impl TlvMap {
    fn parse(reader: &mut Reader<'_>) -> Result<TlvMap, DecodeError> {
        let map = TlvMap {
            option_class: reader.u16("tlv_map.option_class")?,
            option_type: reader.u8("tlv_map.option_type")?,
            option_len: reader.u8("tlv_map.option_len")?,
            index: reader.u16("tlv_map.index")?,
        };
        reader.skip(2, "tlv_map.pad")?;
        Ok(map)
    }

    fn parse_list(mut reader: Reader<'_>) -> Result<Vec<TlvMap>, DecodeError> {
        let mut mappings = Vec::new();
        while !reader.is_empty() {
            mappings.push(TlvMap::parse(&mut reader)?);
        }
        Ok(mappings)
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.option_class);
        out.put_u8(self.option_type);
        out.put_u8(self.option_len);
        out.put_u16(self.index);
        wire::put_zeros(out, 2);
    }
}

impl TlvTableMod {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<TlvTableMod, DecodeError> {
        let command = TlvTableModCommand(reader.u16("tlv_table_mod.command")?);
        reader.skip(6, "tlv_table_mod.pad")?;
        Ok(TlvTableMod { command, mappings: TlvMap::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.command.0);
        wire::put_zeros(out, 6);
        self.mappings.iter().for_each(|map| map.encode(out));
    }
}

impl TlvTableReply {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<TlvTableReply, DecodeError> {
        let max_option_space = reader.u32("tlv_table_reply.max_option_space")?;
        let max_fields = reader.u16("tlv_table_reply.max_fields")?;
        reader.skip(10, "tlv_table_reply.reserved")?;
        Ok(TlvTableReply { max_option_space, max_fields, mappings: TlvMap::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.max_option_space);
        out.put_u16(self.max_fields);
        wire::put_zeros(out, 10);
        self.mappings.iter().for_each(|map| map.encode(out));
    }
}

mod display {
    use std::fmt::{self, Display, Formatter};

    use super::{TlvMap, TlvTableMod, TlvTableModCommand, TlvTableReply};

    /// `ADD {class=0xffff,type=0x1,len=4}->tun_metadata0`: the form in which `ovs-ofctl add-tlv-map` reads them.
    impl Display for TlvTableMod {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            match self.command {
                TlvTableModCommand::ADD => f.write_str("ADD")?,
                TlvTableModCommand::DELETE => f.write_str("DEL")?,
                // What stands behind it says nothing.
                TlvTableModCommand::CLEAR => return f.write_str("CLEAR"),
                TlvTableModCommand(other) => write!(f, "command={other}")?,
            }
            write_list(f, &self.mappings)
        }
    }

    impl Display for TlvTableReply {
        /// `max option space=256 max fields=64 allocated option space=4` and the mappings.
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            let allocated: u32 = self.mappings.iter().map(|map| u32::from(map.option_len)).sum();
            write!(f, "max option space={} max fields={}", self.max_option_space, self.max_fields)?;
            write!(f, " allocated option space={allocated}")?;
            write_list(f, &self.mappings)
        }
    }

    fn write_list(f: &mut Formatter<'_>, mappings: &[TlvMap]) -> fmt::Result {
        for (number, map) in mappings.iter().enumerate() {
            f.write_str(if number == 0 { " " } else { "," })?;
            let TlvMap { option_class, option_type, option_len, index } = map;
            write!(f, "{{class={option_class:#x},type={option_type:#x},len={option_len}}}->tun_metadata{index}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use bytes::Bytes;

    const MAP: TlvMap = TlvMap { option_class: 0xffff, option_type: 2, option_len: 4, index: 63 };

    fn encoded(message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(2, &mut out).unwrap();
        out.freeze()
    }

    #[test]
    fn a_mapping_has_the_octets_that_ovs_ofctl_sends() {
        // ovs-ofctl -O OpenFlow13 add-tlv-map br0 '{class=0xffff,type=2,len=4}->tun_metadata63' (Open vSwitch 3.1).
        let message = Message::TlvTableMod(TlvTableMod { command: TlvTableModCommand::ADD, mappings: vec![MAP] });
        let expected = [
            4, 4, 0, 32, 0, 0, 0, 2, 0, 0, 0x23, 0x20, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 2, 4, 0, 63, 0,
            0,
        ];
        assert_eq!(encoded(&message), expected[..]);
        assert_eq!(Message::decode(&encoded(&message)), Ok((2, message.clone())));
        assert_eq!(message.to_string(), "NXT_TLV_TABLE_MOD: ADD {class=0xffff,type=0x2,len=4}->tun_metadata63");
    }

    #[test]
    fn request_and_reply_come_back_as_they_were() {
        let reply = TlvTableReply { max_option_space: 256, max_fields: 64, mappings: vec![MAP, MAP] };
        for message in [Message::TlvTableRequest, Message::TlvTableReply(reply)] {
            assert_eq!(Message::decode(&encoded(&message)), Ok((2, message)));
        }
    }

    #[test]
    fn half_a_mapping_is_refused() {
        let frame = encoded(&Message::TlvTableMod(TlvTableMod { command: TlvTableModCommand(7), mappings: vec![MAP] }));
        let mut short = frame.slice(..28).to_vec();
        short[3] = 28;
        let error = Message::decode(&Bytes::from(short)).unwrap_err();
        assert_eq!(crate::reply::error_code(&error), crate::error::ErrorCode::REQUEST_BAD_LEN);
        let mut long = encoded(&Message::TlvTableRequest).to_vec();
        long.extend([0; 8]);
        long[3] = 24;
        let error = Message::decode(&Bytes::from(long)).unwrap_err();
        assert_eq!(crate::reply::error_code(&error), crate::error::ErrorCode::REQUEST_BAD_LEN);
    }
}
