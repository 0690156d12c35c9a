//! Meters with drop bands (OpenFlow 1.3.5 §5.7), to the packet as Open vSwitch's userspace datapath has them: a bucket for each band, of bits
//! or of thousandths of packets, filled by whole milliseconds. Other bands are refused, as there.

use crate::error::ErrorCode;
use crate::identifier::MeterId;
use crate::meter::{MeterBand, MeterFlags, MeterMod};
use net::Time;
use std::collections::BTreeMap;

/// Meters of a switch, as Open vSwitch's userspace datapath announces; one more gets OFPMMFC_OUT_OF_METERS.
pub const MAX_METERS: usize = 262_144;
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
    /// When the buckets were filled last.
    filled: Time,
    /// Milliseconds after which every bucket is full.
    fills_in: u32,
}

/// A drop band, its bucket and its counters.
#[derive(Clone, Debug)]
pub struct BandState {
    /// The band as it was sent; without a burst, with one of its rate.
    pub band: MeterBand,
    /// What may still pass: bits, or thousandths of packets.
    bucket: u64,
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

    /// OFPMC_MODIFY: a meter with full buckets and counters of zero, as old as the one in whose place it comes.
    ///
    /// # Errors
    /// The OFPMMFC code; nothing has changed then.
    pub fn modify(&mut self, meter_mod: &MeterMod, now: Time) -> Result<(), ErrorCode> {
        check(meter_mod)?;
        let meter = self.meters.get_mut(&meter_mod.meter_id).ok_or(ErrorCode::METER_MOD_UNKNOWN_METER)?;
        check_bands(meter_mod)?;
        *meter = Meter { created: meter.created, ..Meter::new(meter_mod, now) };
        Ok(())
    }

    /// OFPMC_DELETE of one meter or of all. Gives those that were there; that there were none is no error.
    pub fn delete(&mut self, meter_id: MeterId) -> Vec<MeterId> {
        if meter_id == MeterId::ALL {
            return std::mem::take(&mut self.meters).into_keys().collect();
        }
        self.meters.remove(&meter_id).map(|_| meter_id).into_iter().collect()
    }

    /// Whether a packet of `len` octets would pass now. Changes nothing.
    pub fn passes(&self, meter_id: MeterId, len: usize, now: Time) -> bool {
        self.meters.get(&meter_id).is_none_or(|meter| meter.passes(len, now))
    }

    /// Counts a packet that went through the meter.
    pub(crate) fn charge(&mut self, meter_id: MeterId, len: usize, now: Time) {
        if let Some(meter) = self.meters.get_mut(&meter_id) {
            meter.charge(len, now);
        }
    }
}

impl Meter {
    fn new(meter_mod: &MeterMod, now: Time) -> Meter {
        let bands: Vec<BandState> = meter_mod.bands.iter().map(BandState::full).collect();
        let fills_in = bands.iter().map(|band| (band.capacity() / u64::from(band.rate().max(1))) as u32);
        Meter {
            flags: meter_mod.flags,
            created: now,
            packet_in_count: 0,
            byte_in_count: 0,
            filled: now,
            fills_in: fills_in.max().unwrap_or(0),
            bands,
        }
    }

    /// Milliseconds for which buckets are filled: the clock's, not those since.
    fn gained(&self, now: Time) -> u64 {
        let since = now.since(Time::ZERO).as_millis().saturating_sub(self.filled.since(Time::ZERO).as_millis());
        since.min(u128::from(self.fills_in)) as u64
    }

    fn passes(&self, len: usize, now: Time) -> bool {
        let gained = self.gained(now);
        self.bands.iter().all(|band| band.filled_by(gained) >= cost(self.flags, len))
    }

    /// Takes what a packet costs from the bucket of each band that holds so much, and says whether all of them did. Of those that did not,
    /// the one with the highest rate counts the packet as dropped.
    pub(crate) fn charge(&mut self, len: usize, now: Time) -> bool {
        let (gained, cost) = (self.gained(now), cost(self.flags, len));
        self.filled = now;
        self.packet_in_count += 1;
        self.byte_in_count += len as u64;
        let mut exceeded: Option<&mut BandState> = None;
        for band in &mut self.bands {
            band.bucket = band.filled_by(gained);
            match band.bucket.checked_sub(cost) {
                Some(rest) => band.bucket = rest,
                None if exceeded.as_ref().is_none_or(|other| band.rate() > other.rate()) => exceeded = Some(band),
                None => {}
            }
        }
        let Some(band) = exceeded else { return true };
        band.packet_count += 1;
        band.byte_count += len as u64;
        false
    }
}

impl BandState {
    fn full(band: &MeterBand) -> BandState {
        let mut band = band.clone();
        if let MeterBand::Drop { rate, burst_size } = &mut band
            && *burst_size == 0
        {
            *burst_size = *rate;
        }
        let state = BandState { band, bucket: 0, packet_count: 0, byte_count: 0 };
        BandState { bucket: state.capacity(), ..state }
    }

    fn rate(&self) -> u32 {
        self.band.rate_and_burst().0
    }

    /// The burst is in kilobits or packets, the bucket in bits or thousandths of packets.
    fn capacity(&self) -> u64 {
        u64::from(self.band.rate_and_burst().1) * 1000
    }

    /// The bucket after so many milliseconds: at so many kilobits a second it gains as many bits, at so many packets a second as many
    /// thousandths.
    fn filled_by(&self, millis: u64) -> u64 {
        self.bucket.saturating_add(millis * u64::from(self.rate())).min(self.capacity())
    }
}

fn cost(flags: MeterFlags, len: usize) -> u64 {
    if flags.contains(MeterFlags::PKTPS) { 1000 } else { len as u64 * 8 }
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
