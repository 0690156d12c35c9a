//! Meters with drop bands, as token buckets (OpenFlow 1.3.5 §5.7). Other bands are refused, as Open vSwitch's userspace datapath does.

use crate::error::ErrorCode;
use crate::identifier::MeterId;
use crate::meter::{MeterBand, MeterFlags, MeterMod};
use net::Time;
use std::collections::BTreeMap;

/// Meters of a switch; one more gets OFPMMFC_OUT_OF_METERS. A bound on memory.
pub const MAX_METERS: usize = 65_536;
/// Bands of a meter; more get OFPMMFC_OUT_OF_BANDS.
pub const MAX_BANDS: usize = 8;

/// A meter.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Its flags.
    pub flags: MeterFlags,
    /// Its bands.
    pub bands: Vec<BandState>,
    /// When it was added.
    pub created: Time,
    /// Packets that went in.
    pub packet_in_count: u64,
    /// Octets that went in.
    pub byte_in_count: u64,
}

/// A drop band, its tokens and its counters.
#[derive(Clone, Debug)]
pub struct BandState {
    /// The band as it was sent.
    pub band: MeterBand,
    /// What may still pass at `filled`, in billionths of a bit or a packet.
    tokens: u128,
    filled: Time,
    /// Packets that it dropped.
    pub packet_count: u64,
    /// Octets in them.
    pub byte_count: u64,
}

/// All meters of a switch.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    meters: BTreeMap<MeterId, Meter>,
}

impl Meters {
    /// No meters.
    pub fn new() -> Meters {
        Meters::default()
    }

    /// A meter.
    pub fn get(&self, meter_id: MeterId) -> Option<&Meter> {
        self.meters.get(&meter_id)
    }

    /// Every meter, by number.
    pub fn iter(&self) -> impl Iterator<Item = (MeterId, &Meter)> {
        self.meters.iter().map(|(meter_id, meter)| (*meter_id, meter))
    }

    /// OFPMC_ADD.
    ///
    /// # Errors
    /// The OFPMMFC code; nothing has changed then.
    pub fn add(&mut self, meter_mod: &MeterMod, now: Time) -> Result<(), ErrorCode> {
        check(meter_mod)?;
        if self.meters.contains_key(&meter_mod.meter_id) {
            return Err(ErrorCode::METER_MOD_METER_EXISTS);
        }
        check_bands(meter_mod)?;
        if self.meters.len() >= MAX_METERS {
            return Err(ErrorCode::METER_MOD_OUT_OF_METERS);
        }
        self.meters.insert(meter_mod.meter_id, Meter::new(meter_mod, now));
        Ok(())
    }

    /// OFPMC_MODIFY: the bands start full and with counters of zero.
    ///
    /// # Errors
    /// The OFPMMFC code; nothing has changed then.
    pub fn modify(&mut self, meter_mod: &MeterMod, now: Time) -> Result<(), ErrorCode> {
        check(meter_mod)?;
        let meter = self.meters.get_mut(&meter_mod.meter_id).ok_or(ErrorCode::METER_MOD_UNKNOWN_METER)?;
        check_bands(meter_mod)?;
        let Meter { created, packet_in_count, byte_in_count, .. } = *meter;
        *meter = Meter { created, packet_in_count, byte_in_count, ..Meter::new(meter_mod, now) };
        Ok(())
    }

    /// OFPMC_DELETE of one meter or of all. Gives those that were there; that there were none is no error.
    pub fn delete(&mut self, meter_id: MeterId) -> Vec<MeterId> {
        if meter_id == MeterId::ALL {
            return std::mem::take(&mut self.meters).into_keys().collect();
        }
        self.meters.remove(&meter_id).map(|_| meter_id).into_iter().collect()
    }

    /// Whether a packet of `len` octets would pass now. Changes nothing: the packet is charged when it has gone its way.
    pub fn passes(&self, meter_id: MeterId, len: usize, now: Time) -> bool {
        let Some(meter) = self.meters.get(&meter_id) else { return true };
        meter.bands.iter().all(|band| band.available(meter.flags, now) >= cost(meter.flags, len))
    }

    /// Counts a packet that went through the meter and takes its tokens, or counts it as dropped by the band of the highest rate that
    /// it exceeds.
    pub(crate) fn charge(&mut self, meter_id: MeterId, len: usize, now: Time) {
        let Some(meter) = self.meters.get_mut(&meter_id) else { return };
        meter.packet_in_count += 1;
        meter.byte_in_count += len as u64;
        let (flags, cost) = (meter.flags, cost(meter.flags, len));
        let exceeded = meter.bands.iter_mut().filter(|band| band.available(flags, now) < cost);
        if let Some(band) = exceeded.max_by_key(|band| rate_and_burst(&band.band).0) {
            band.packet_count += 1;
            band.byte_count += len as u64;
            return;
        }
        for band in &mut meter.bands {
            band.tokens = band.available(flags, now) - cost;
            band.filled = now;
        }
    }
}

impl Meter {
    fn new(meter_mod: &MeterMod, now: Time) -> Meter {
        let full = |band: &MeterBand| BandState {
            band: band.clone(),
            tokens: capacity(meter_mod.flags, band),
            filled: now,
            packet_count: 0,
            byte_count: 0,
        };
        let bands = meter_mod.bands.iter().map(full).collect();
        Meter { flags: meter_mod.flags, bands, created: now, packet_in_count: 0, byte_in_count: 0 }
    }
}

impl BandState {
    fn available(&self, flags: MeterFlags, now: Time) -> u128 {
        let (rate, _) = rate_and_burst(&self.band);
        // rate is in kbit/s or packets/s; tokens are billionths: rate × 1000 bit/s × 1 ns = rate × 1000 tokens.
        let per_nano = u128::from(rate) * if flags.contains(MeterFlags::PKTPS) { 1 } else { 1000 };
        let gained = per_nano * now.since(self.filled).as_nanos();
        (self.tokens + gained).min(capacity(flags, &self.band))
    }
}

const BILLION: u128 = 1_000_000_000;

fn rate_and_burst(band: &MeterBand) -> (u32, u32) {
    match band {
        MeterBand::Drop { rate, burst_size }
        | MeterBand::DscpRemark { rate, burst_size, .. }
        | MeterBand::Experimenter { rate, burst_size, .. }
        | MeterBand::Unknown { rate, burst_size, .. } => (*rate, *burst_size),
    }
}

/// The burst in billionths of a bit or packet; without one, what the rate gives in a second, as Open vSwitch has it.
fn capacity(flags: MeterFlags, band: &MeterBand) -> u128 {
    let (rate, burst) = rate_and_burst(band);
    let burst = if flags.contains(MeterFlags::BURST) && burst > 0 { burst } else { rate };
    u128::from(burst) * if flags.contains(MeterFlags::PKTPS) { BILLION } else { 1000 * BILLION }
}

fn cost(flags: MeterFlags, len: usize) -> u128 {
    if flags.contains(MeterFlags::PKTPS) { BILLION } else { len as u128 * 8 * BILLION }
}

/// What is looked at before the meter is looked up: two rates at once, the number, and how many bands there are.
fn check(meter_mod: &MeterMod) -> Result<(), ErrorCode> {
    let MeterMod { flags, meter_id, .. } = meter_mod;
    if flags.contains(MeterFlags::KBPS | MeterFlags::PKTPS) {
        return Err(ErrorCode::METER_MOD_BAD_FLAGS);
    }
    let reserved = matches!(*meter_id, MeterId::SLOWPATH | MeterId::CONTROLLER);
    if !reserved && (meter_id.0 == 0 || meter_id.0 > MeterId::MAX.0) {
        return Err(ErrorCode::METER_MOD_INVALID_METER);
    }
    if meter_mod.bands.len() > MAX_BANDS {
        return Err(ErrorCode::METER_MOD_OUT_OF_BANDS);
    }
    Ok(())
}

/// What the datapath looks at then: known flags with a rate, and at least one band, all of them drop bands with a rate.
fn check_bands(meter_mod: &MeterMod) -> Result<(), ErrorCode> {
    let MeterMod { flags, bands, .. } = meter_mod;
    if flags.has_unknown() || !(flags.contains(MeterFlags::KBPS) || flags.contains(MeterFlags::PKTPS)) {
        return Err(ErrorCode::METER_MOD_BAD_FLAGS);
    }
    if bands.is_empty() {
        return Err(ErrorCode::METER_MOD_OUT_OF_BANDS);
    }
    for band in bands {
        match band {
            MeterBand::Drop { rate: 0, .. } => return Err(ErrorCode::METER_MOD_BAD_RATE),
            MeterBand::Drop { .. } => {}
            _ => return Err(ErrorCode::METER_MOD_BAD_BAND),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::MeterModCommand;

    fn meter(flags: MeterFlags, rate: u32, burst_size: u32) -> Meters {
        let mut meters = Meters::new();
        let bands = vec![MeterBand::Drop { rate, burst_size }];
        let add = MeterMod { command: MeterModCommand::ADD, flags, meter_id: MeterId(1), bands };
        meters.add(&add, Time::ZERO).unwrap();
        meters
    }

    fn passed(meters: &mut Meters, packets: u64, spacing_ms: u64, len: usize) -> u64 {
        let mut passed = 0;
        for packet in 0..packets {
            let now = Time::from_millis(packet * spacing_ms);
            passed += u64::from(meters.passes(MeterId(1), len, now));
            meters.charge(MeterId(1), len, now);
        }
        passed
    }

    #[test]
    fn a_packet_meter_lets_the_burst_and_then_the_rate_pass() {
        let mut meters = meter(MeterFlags::PKTPS | MeterFlags::BURST, 10, 5);
        // 100 packets in 0.99 s at 10/s: five at once, then one every 100 ms.
        assert_eq!(passed(&mut meters, 100, 10, 100), 5 + 9);
        assert_eq!(meters.get(MeterId(1)).unwrap().bands[0].packet_count, 86);
    }

    #[test]
    fn a_bit_rate_meter_counts_octets() {
        let mut meters = meter(MeterFlags::KBPS | MeterFlags::BURST, 80, 80);
        // 80 kbit/s are 10,000 octets a second and 10,000 at once; 1,000 octets every 10 ms for 2 s.
        let passed = passed(&mut meters, 200, 10, 1000);
        assert!((29..=30).contains(&passed), "{passed}");
    }

    #[test]
    fn bands_other_than_drop_are_refused() {
        let bands = vec![MeterBand::DscpRemark { rate: 1, burst_size: 1, prec_level: 1 }];
        let add = MeterMod { command: MeterModCommand::ADD, flags: MeterFlags::KBPS, meter_id: MeterId(1), bands };
        assert_eq!(Meters::new().add(&add, Time::ZERO), Err(ErrorCode::METER_MOD_BAD_BAND));
    }
}
