//! Controller roles and the asynchronous messages that a controller wants (OpenFlow 1.3.5 §7.3.9, §7.3.10).

use bytes::{BufMut, BytesMut};
use net::DecodeError;

use crate::number::numbers;
use crate::wire::{self, Reader};

numbers! {
    /// A controller's role at a switch (OpenFlow 1.3.5 §7.3.9, `ofp_controller_role`).
    values ControllerRole(u32) {
        NOCHANGE = 0, "OFPCR_ROLE_NOCHANGE";
        EQUAL = 1, "OFPCR_ROLE_EQUAL";
        MASTER = 2, "OFPCR_ROLE_MASTER";
        SLAVE = 3, "OFPCR_ROLE_SLAVE";
    }
}

/// Ask for a role, or say which one is held (OpenFlow 1.3.5 §7.3.9, `ofp_role_request`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RoleMessage {
    /// The role.
    pub role: ControllerRole,
    /// The number of the election that gave it; compared as a signed difference.
    pub generation_id: u64,
}

/// The number of a master's election. It goes around, so that the later of two is the one at a positive signed distance
/// (OpenFlow 1.3.5 §6.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GenerationId(pub u64);

impl GenerationId {
    /// Whether this number is stale for who has seen `seen`: `(int64_t)(this - seen) < 0`.
    pub const fn is_stale(self, seen: GenerationId) -> bool {
        (self.0.wrapping_sub(seen.0) as i64) < 0
    }
}

/// Which asynchronous messages a controller wants (OpenFlow 1.3.5 §7.3.10, `ofp_async_config`). In each pair the first
/// mask is for the roles master and equal, the second for slave; bit `n` stands for reason `n`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AsyncConfig {
    /// Packet-ins, by reason.
    pub packet_in_mask: [u32; 2],
    /// Port-statuses, by reason.
    pub port_status_mask: [u32; 2],
    /// Flow-removeds, by reason.
    pub flow_removed_mask: [u32; 2],
}

impl RoleMessage {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<RoleMessage, DecodeError> {
        let role = ControllerRole(reader.u32("role.role")?);
        reader.skip(4, "role.pad")?;
        let generation_id = reader.u64("role.generation_id")?;
        reader.finish("role")?;
        Ok(RoleMessage { role, generation_id })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.role.0);
        wire::put_zeros(out, 4);
        out.put_u64(self.generation_id);
    }
}

impl AsyncConfig {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<AsyncConfig, DecodeError> {
        let mut pair = |field| Ok([reader.u32(field)?, reader.u32(field)?]);
        let config = AsyncConfig {
            packet_in_mask: pair("async.packet_in_mask")?,
            port_status_mask: pair("async.port_status_mask")?,
            flow_removed_mask: pair("async.flow_removed_mask")?,
        };
        reader.finish("async")?;
        Ok(config)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        for masks in [self.packet_in_mask, self.port_status_mask, self.flow_removed_mask] {
            for mask in masks {
                out.put_u32(mask);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_stale_by_its_signed_distance() {
        let stale = |this, seen| GenerationId(this).is_stale(GenerationId(seen));
        assert!(stale(4, 5) && !stale(5, 5) && !stale(6, 5));
        assert!(!stale(0, u64::MAX) && stale(u64::MAX, 0), "numbers go around");
        assert!(stale(1 << 63, 0) && !stale((1 << 63) - 1, 0));
    }
}
