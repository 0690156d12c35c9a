//! Meters and bands, METER_MOD (OpenFlow 1.3.5 §7.3.4.4).

use bytes::Bytes;

use crate::identifier::MeterId;
use crate::number::numbers;

numbers! {
    /// What a meter-mod does (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter_mod_command`).
    values MeterModCommand(u16) {
        ADD = 0, "OFPMC_ADD";
        MODIFY = 1, "OFPMC_MODIFY";
        DELETE = 2, "OFPMC_DELETE";
    }
}

numbers! {
    /// Flags of a meter (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter_flags`).
    bits MeterFlags(u16) {
        KBPS = 1, "OFPMF_KBPS";
        PKTPS = 1 << 1, "OFPMF_PKTPS";
        BURST = 1 << 2, "OFPMF_BURST";
        STATS = 1 << 3, "OFPMF_STATS";
    }
}

numbers! {
    /// What a band does (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter_band_type`).
    values MeterBandType(u16) {
        DROP = 1, "OFPMBT_DROP";
        DSCP_REMARK = 2, "OFPMBT_DSCP_REMARK";
        EXPERIMENTER = 0xffff, "OFPMBT_EXPERIMENTER";
    }
}

/// Change a meter (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeterMod {
    /// What to do.
    pub command: MeterModCommand,
    /// Flags.
    pub flags: MeterFlags,
    /// Which meter.
    pub meter_id: MeterId,
    /// Its bands.
    pub bands: Vec<MeterBand>,
}

/// One band of a meter (OpenFlow 1.3.5 §7.3.4.4, `ofp_meter_band_header`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MeterBand {
    /// Drop what is above the rate.
    Drop {
        /// kbit/s or packets/s.
        rate: u32,
        /// kbit or packets.
        burst_size: u32,
    },
    /// Raise the drop precedence of what is above the rate.
    DscpRemark {
        /// kbit/s or packets/s.
        rate: u32,
        /// kbit or packets.
        burst_size: u32,
        /// Drop precedence levels to add.
        prec_level: u8,
    },
    /// An experimenter's band, as data.
    Experimenter {
        /// kbit/s or packets/s.
        rate: u32,
        /// kbit or packets.
        burst_size: u32,
        /// The experimenter id.
        experimenter: u32,
        /// What follows the id.
        body: Bytes,
    },
    /// A band of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        band_type: MeterBandType,
        /// kbit/s or packets/s.
        rate: u32,
        /// kbit or packets.
        burst_size: u32,
        /// What follows the 12-octet header.
        body: Bytes,
    },
}

impl MeterBand {
    /// The type number that stands on the wire.
    pub const fn band_type(&self) -> MeterBandType {
        match self {
            MeterBand::Drop { .. } => MeterBandType::DROP,
            MeterBand::DscpRemark { .. } => MeterBandType::DSCP_REMARK,
            MeterBand::Experimenter { .. } => MeterBandType::EXPERIMENTER,
            MeterBand::Unknown { band_type, .. } => *band_type,
        }
    }
}
