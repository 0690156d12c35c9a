//! A group as the switch has it.

use bytes::{Bytes, BytesMut};
use openflow::{Bucket, GroupId, GroupMod, GroupModCommand, GroupType, Message};

/// Octets of a GROUP_MOD before its buckets, header included (OpenFlow 1.3.5 §7.3.4.2).
const GROUP_MOD_FIXED: usize = 16;

/// A group of ours as the switch has it. Its buckets are kept as they stand on the wire (OpenFlow 1.3.5 §7.3.4.2): taken apart, what a switch
/// tells may be six times as large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstalledGroup {
    /// All, select, indirect or fast failover.
    pub group_type: GroupType,
    buckets: Box<[u8]>,
}

impl InstalledGroup {
    /// With these buckets.
    pub(super) fn new(group_type: GroupType, buckets: &[Bucket]) -> InstalledGroup {
        let command = GroupModCommand::ADD;
        let group_mod = GroupMod { command, group_type, group_id: GroupId(0), buckets: buckets.to_vec() };
        let mut message = BytesMut::new();
        match Message::GroupMod(group_mod).encode(0, &mut message) {
            Ok(()) => InstalledGroup::of_message(group_type, &message),
            // No switch has such a group: no message could have made it.
            Err(_) => InstalledGroup::unknown(group_type),
        }
    }

    /// With the buckets of a whole GROUP_MOD.
    pub(super) fn of_message(group_type: GroupType, group_mod: &[u8]) -> InstalledGroup {
        InstalledGroup { group_type, buckets: group_mod.get(GROUP_MOD_FIXED..).unwrap_or_default().into() }
    }

    /// There, with buckets that nobody knows. It has none here: unlike anything that is desired, so it is changed and not added.
    pub(super) fn unknown(group_type: GroupType) -> InstalledGroup {
        InstalledGroup { group_type, buckets: Box::default() }
    }

    /// Whether it has no buckets here: it has none, or nobody knows them.
    pub(super) fn is_unknown(&self) -> bool {
        self.buckets.is_empty()
    }

    /// A bucket as it stands on the wire.
    pub(super) fn octets_of(bucket: &Bucket) -> Box<[u8]> {
        InstalledGroup::new(GroupType::SELECT, std::slice::from_ref(bucket)).buckets
    }

    /// Octets that are kept of it.
    pub(super) fn octets(&self) -> usize {
        self.buckets.len()
    }

    /// Its buckets.
    pub fn buckets(&self) -> Vec<Bucket> {
        let fixed = Message::GroupMod(GroupMod {
            command: GroupModCommand::ADD,
            group_type: self.group_type,
            group_id: GroupId(0),
            buckets: Vec::new(),
        });
        let mut message = BytesMut::with_capacity(GROUP_MOD_FIXED + self.buckets.len());
        // A message without buckets is never too long.
        let _ = fixed.encode(0, &mut message);
        message.extend_from_slice(&self.buckets);
        if let (Ok(length), Some(field)) = (u16::try_from(message.len()), message.get_mut(2..4)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        match Message::decode(&Bytes::from(message)) {
            Ok((_, Message::GroupMod(group_mod))) => group_mod.buckets,
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use net::PortNo;
    use openflow::Action;

    use super::*;

    #[test]
    fn buckets_are_read_back_as_they_were() {
        let watching = Bucket { watch_port: PortNo(2), weight: 3, ..Bucket::new(vec![Action::output(PortNo(2))]) };
        let long = Bucket::new(vec![Action::PopVlan; 8_180]);
        for buckets in [vec![], vec![watching.clone()], vec![Bucket::new(Vec::new()), watching], vec![long]] {
            let group = InstalledGroup::new(GroupType::SELECT, &buckets);
            assert_eq!(group.buckets(), buckets);
        }
    }

    #[test]
    fn a_group_that_no_message_could_have_made_is_kept_without_buckets() {
        let long = Bucket::new(vec![Action::PopVlan; 8_190]);
        assert_eq!(InstalledGroup::new(GroupType::ALL, &[long]), InstalledGroup::unknown(GroupType::ALL));
    }
}
