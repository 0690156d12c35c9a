//! Meters and bands, METER_MOD (OpenFlow 1.3.5 §7.3.4.4).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::identifier::MeterId;
use crate::number::numbers;
use crate::wire::{self, Reader};

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

impl MeterMod {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<MeterMod, DecodeError> {
        let command = MeterModCommand(reader.u16("meter_mod.command")?);
        let flags = MeterFlags(reader.u16("meter_mod.flags")?);
        let meter_id = MeterId(reader.u32("meter_mod.meter_id")?);
        Ok(MeterMod { command, flags, meter_id, bands: MeterBand::parse_list(reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.command.0);
        out.put_u16(self.flags.0);
        out.put_u32(self.meter_id.0);
        MeterBand::encode_list(&self.bands, out);
    }
}

impl MeterBand {
    /// kbit/s or packets/s, and kbit or packets of burst.
    pub const fn rate_and_burst(&self) -> (u32, u32) {
        match *self {
            MeterBand::Drop { rate, burst_size }
            | MeterBand::DscpRemark { rate, burst_size, .. }
            | MeterBand::Experimenter { rate, burst_size, .. }
            | MeterBand::Unknown { rate, burst_size, .. } => (rate, burst_size),
        }
    }

    pub(crate) fn parse_list(mut reader: Reader<'_>) -> Result<Vec<MeterBand>, DecodeError> {
        let mut bands = Vec::new();
        while !reader.is_empty() {
            bands.push(MeterBand::parse(&mut reader)?);
        }
        Ok(bands)
    }

    pub(crate) fn encode_list(bands: &[MeterBand], out: &mut BytesMut) {
        for band in bands {
            band.encode(out);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<MeterBand, DecodeError> {
        let band_type = MeterBandType(reader.u16("meter_band.type")?);
        let at = reader.offset();
        let length = reader.u16("meter_band.len")?;
        let fixed = matches!(band_type, MeterBandType::DROP | MeterBandType::DSCP_REMARK);
        if length < 12 || (fixed && length != 16) {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "meter_band.len", kind));
        }
        let mut body = reader.body(length, 4, "meter_band.len")?;
        let rate = body.u32("meter_band.rate")?;
        let burst_size = body.u32("meter_band.burst_size")?;
        Ok(match band_type {
            MeterBandType::DROP => MeterBand::Drop { rate, burst_size },
            MeterBandType::DSCP_REMARK => {
                MeterBand::DscpRemark { rate, burst_size, prec_level: body.u8("meter_band.prec_level")? }
            }
            MeterBandType::EXPERIMENTER => {
                let experimenter = body.u32("meter_band.experimenter")?;
                MeterBand::Experimenter { rate, burst_size, experimenter, body: body.into_bytes() }
            }
            _ => MeterBand::Unknown { band_type, rate, burst_size, body: body.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        let (rate, burst_size) = self.rate_and_burst();
        out.put_u16(self.band_type().0);
        out.put_u16(0);
        out.put_u32(rate);
        out.put_u32(burst_size);
        match self {
            MeterBand::Drop { .. } => wire::put_zeros(out, 4),
            MeterBand::DscpRemark { prec_level, .. } => {
                out.put_u8(*prec_level);
                wire::put_zeros(out, 3);
            }
            MeterBand::Experimenter { experimenter, body, .. } => {
                out.put_u32(*experimenter);
                out.put_slice(body);
            }
            MeterBand::Unknown { body, .. } => out.put_slice(body),
        }
        wire::patch_length(out, start, 2);
    }
}
