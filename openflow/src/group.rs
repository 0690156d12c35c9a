//! Groups and buckets, GROUP_MOD (OpenFlow 1.3.5 §7.3.4.2).

use bytes::{BufMut, BytesMut};
use net::{DecodeError, DecodeErrorKind, PortNo};

use crate::action::Action;
use crate::identifier::GroupId;
use crate::number::numbers;
use crate::wire::{self, Reader};

numbers! {
    /// What a group-mod does (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_mod_command`).
    values GroupModCommand(u16) {
        ADD = 0, "OFPGC_ADD";
        MODIFY = 1, "OFPGC_MODIFY";
        DELETE = 2, "OFPGC_DELETE";
    }
}

numbers! {
    /// How a group uses its buckets (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_type`).
    values GroupType(u8) {
        ALL = 0, "OFPGT_ALL";
        SELECT = 1, "OFPGT_SELECT";
        INDIRECT = 2, "OFPGT_INDIRECT";
        FF = 3, "OFPGT_FF";
    }
}

/// Change a group (OpenFlow 1.3.5 §7.3.4.2, `ofp_group_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupMod {
    /// What to do.
    pub command: GroupModCommand,
    /// How the buckets are used.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub group_type: GroupType,
    /// Which group.
    pub group_id: GroupId,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

/// One bucket of a group (OpenFlow 1.3.5 §7.3.4.2, `ofp_bucket`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bucket {
    /// Share of the packets in a select group.
    pub weight: u16,
    /// The port whose state decides whether the bucket is live; ANY for none. Fast failover only.
    pub watch_port: PortNo,
    /// The group whose state decides whether the bucket is live; ANY for none. Fast failover only.
    pub watch_group: GroupId,
    /// What it does: an action set.
    pub actions: Vec<Action>,
}

impl Bucket {
    /// A bucket for an all or indirect group: no weight, nothing watched.
    pub fn new(actions: Vec<Action>) -> Bucket {
        Bucket { weight: 0, watch_port: PortNo::ANY, watch_group: GroupId::ANY, actions }
    }
}

impl GroupMod {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<GroupMod, DecodeError> {
        let command = GroupModCommand(reader.u16("group_mod.command")?);
        let group_type = GroupType(reader.u8("group_mod.type")?);
        reader.skip(1, "group_mod.pad")?;
        let group_id = GroupId(reader.u32("group_mod.group_id")?);
        Ok(GroupMod { command, group_type, group_id, buckets: Bucket::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.command.0);
        out.put_u8(self.group_type.0);
        wire::put_zeros(out, 1);
        out.put_u32(self.group_id.0);
        Bucket::encode_list(&self.buckets, out);
    }
}

impl Bucket {
    pub(crate) fn parse_list(mut reader: Reader<'_>) -> Result<Vec<Bucket>, DecodeError> {
        let mut buckets = Vec::new();
        while !reader.is_empty() {
            buckets.push(Bucket::parse(&mut reader)?);
        }
        Ok(buckets)
    }

    pub(crate) fn encode_list(buckets: &[Bucket], out: &mut BytesMut) {
        for bucket in buckets {
            bucket.encode(out);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Bucket, DecodeError> {
        let at = reader.offset();
        let length = reader.u16("bucket.len")?;
        // §7.3.4.2: the length counts the bucket's 16 octets and its actions, 64-bit aligned.
        if length < 16 || length % 8 != 0 {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "bucket.len", kind));
        }
        let mut body = reader.body(length, 2, "bucket.len")?;
        let weight = body.u16("bucket.weight")?;
        let watch_port = PortNo(body.u32("bucket.watch_port")?);
        let watch_group = GroupId(body.u32("bucket.watch_group")?);
        body.skip(4, "bucket.pad")?;
        Ok(Bucket { weight, watch_port, watch_group, actions: Action::parse_list(body)? })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(0);
        out.put_u16(self.weight);
        out.put_u32(self.watch_port.0);
        out.put_u32(self.watch_group.0);
        wire::put_zeros(out, 4);
        Action::encode_list(&self.actions, out);
        wire::patch_length(out, start, 0);
    }
}
