//! Groups and meters in ovs-ofctl's words.

use std::fmt::{self, Display, Formatter};

use net::PortNo;

use super::action::Actions;
use super::text::{Flags, Octets, Parts, Seconds};
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{GroupId, MeterId};
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};
use crate::multipart::{GroupDesc, GroupFeatures, GroupStats, MeterConfig, MeterFeatures, MeterStats};

impl Display for Bucket {
    /// `bucket=weight:1,watch_port:2,actions=output:1`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("bucket=")?;
        self.write_body(f, 0)
    }
}

impl Bucket {
    /// A weight that is as it would be without is not printed.
    fn write_body(&self, f: &mut Formatter<'_>, weight: u16) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        parts.put_if(self.weight != weight, format_args!("weight:{}", self.weight))?;
        parts.put_if(self.watch_port != PortNo::ANY, format_args!("watch_port:{}", self.watch_port))?;
        parts.put_if(self.watch_group != GroupId::ANY, format_args!("watch_group:{}", self.watch_group.0))?;
        parts.put(format_args!("actions={}", Actions(&self.actions)))
    }
}

struct BucketOf<'a>(&'a Bucket, GroupType);

impl Display for BucketOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("bucket=")?;
        // In a select group a bucket without a weight would get 1.
        self.0.write_body(f, u16::from(self.1 == GroupType::SELECT))
    }
}

/// ovs-ofctl's words for group types.
pub(crate) const GROUP_TYPES: [(&str, GroupType); 4] =
    [("all", GroupType::ALL), ("select", GroupType::SELECT), ("indirect", GroupType::INDIRECT), ("ff", GroupType::FF)];

fn put_group(parts: &mut Parts<'_, '_>, id: GroupId, group_type: GroupType, buckets: &[Bucket]) -> fmt::Result {
    parts.put(format_args!("group_id={}", id.0))?;
    match GROUP_TYPES.iter().find(|(_, number)| *number == group_type) {
        Some((word, _)) => parts.f.write_fmt(format_args!(",type={word}"))?,
        None => parts.f.write_fmt(format_args!(",type={}", group_type.0))?,
    }
    buckets.iter().try_for_each(|bucket| write!(parts.f, ",{}", BucketOf(bucket, group_type)))
}

/// ovs-ofctl's words for what a group-mod does.
pub(crate) const GROUP_COMMANDS: [(&str, GroupModCommand); 3] =
    [("ADD", GroupModCommand::ADD), ("MOD", GroupModCommand::MODIFY), ("DEL", GroupModCommand::DELETE)];

impl Display for GroupMod {
    /// `ADD group_id=1,type=all,bucket=actions=output:1`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        match GROUP_COMMANDS.iter().find(|(_, number)| *number == self.command) {
            Some((word, _)) => parts.put(format_args!("{word}"))?,
            None => parts.put(format_args!("cmd:{}", self.command.0))?,
        }
        put_group(&mut parts, self.group_id, self.group_type, &self.buckets)
    }
}

impl Display for GroupDesc {
    /// As `ovs-ofctl dump-groups` prints it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        put_group(&mut Parts::new(f, " "), self.group_id, self.group_type, &self.buckets)
    }
}

impl Display for GroupStats {
    /// As `ovs-ofctl dump-group-stats` prints it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        parts.put(format_args!("group_id={}", self.group_id.0))?;
        let duration = Seconds(self.duration_sec, self.duration_nsec);
        parts.put_if(self.duration_sec != u32::MAX, format_args!("duration={duration}"))?;
        parts.put(format_args!("ref_count={}", self.ref_count))?;
        parts.put(format_args!("packet_count={},byte_count={}", self.packet_count, self.byte_count))?;
        for (index, bucket) in self.bucket_stats.iter().enumerate() {
            let counts = format_args!("packet_count={},byte_count={}", bucket.packet_count, bucket.byte_count);
            parts.put_if(bucket.packet_count != u64::MAX, format_args!("bucket{index}:{counts}"))?;
        }
        Ok(())
    }
}

/// ovs-ofctl's words for actions by number, in its order.
const ACTION_WORDS: [(u32, &str); 15] = [
    (1, "output"),
    (1 << 22, "group"),
    (1 << 25, "set_field"),
    (1 << 18, "strip_vlan"),
    (1 << 17, "push_vlan"),
    (1 << 23, "mod_nw_ttl"),
    (1 << 24, "dec_ttl"),
    (1 << 15, "set_mpls_ttl"),
    (1 << 16, "dec_mpls_ttl"),
    (1 << 19, "push_mpls"),
    (1 << 20, "pop_mpls"),
    (1 << 21, "set_queue"),
    (1 << 11, "copy_ttl_out"),
    (1 << 12, "copy_ttl_in"),
    (1 << 26, "push_pbb"),
];

/// The one that is beyond them.
const POP_PBB: u32 = 1 << 27;

impl Display for GroupFeatures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Group table: Types: {:#x} Capabilities: {:#x}", self.types, self.capabilities.0)?;
        let names = ["all", "select", "indirect", "fast failover"];
        for (index, name) in names.into_iter().enumerate().filter(|(index, _)| self.types >> index & 1 != 0) {
            let (Some(max_groups), Some(actions)) = (self.max_groups.get(index), self.actions.get(index)) else {
                continue;
            };
            let pop_pbb = if actions & POP_PBB != 0 { " pop_pbb" } else { "" };
            let actions = Flags { bits: actions & !POP_PBB, names: &ACTION_WORDS, none: "(none)" };
            write!(f, " {name} group: max_groups={max_groups:#x} actions: {actions}{pop_pbb}")?;
        }
        Ok(())
    }
}

/// `meter=1`, `meter=all`.
pub(super) struct MeterName(pub MeterId, pub char);

impl Display for MeterName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let MeterName(id, separator) = *self;
        match METER_NAMES.iter().find(|(_, number)| *number == id) {
            Some((name, _)) => write!(f, "meter{separator}{name}"),
            None => write!(f, "meter{separator}{}", id.0),
        }
    }
}

/// ovs-ofctl's words for meters with a meaning of their own.
pub(crate) const METER_NAMES: [(&str, MeterId); 3] =
    [("all", MeterId::ALL), ("controller", MeterId::CONTROLLER), ("slowpath", MeterId::SLOWPATH)];

/// ovs-ofctl's words for a meter's flags.
pub(crate) const METER_FLAGS: [(MeterFlags, &str); 4] = [
    (MeterFlags::KBPS, "kbps"),
    (MeterFlags::PKTPS, "pktps"),
    (MeterFlags::BURST, "burst"),
    (MeterFlags::STATS, "stats"),
];

/// Flags and bands of a meter. A deleted meter has neither.
struct MeterBody<'a>(MeterFlags, &'a [MeterBand]);

impl Display for MeterBody<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let MeterBody(flags, bands) = *self;
        for (flag, word) in METER_FLAGS {
            if flags.contains(flag) {
                write!(f, "{word} ")?;
            }
        }
        if flags.has_unknown() {
            write!(f, "flags:{:#x} ", flags.0 & !MeterFlags::KNOWN.0)?;
        }
        f.write_str("bands=")?;
        bands.iter().try_for_each(|band| write!(f, " {}", BandOf(band, flags)))
    }
}

struct BandOf<'a>(&'a MeterBand, MeterFlags);

impl Display for BandOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let BandOf(band, flags) = *self;
        match band {
            MeterBand::Drop { .. } => f.write_str("type=drop")?,
            MeterBand::DscpRemark { .. } => f.write_str("type=dscp_remark")?,
            MeterBand::Experimenter { .. } => f.write_str("type=experimenter")?,
            MeterBand::Unknown { band_type, .. } => write!(f, "type={}", band_type.0)?,
        }
        let (rate, burst_size) = band.rate_and_burst();
        write!(f, " rate={rate}")?;
        // Without the flag the number means nothing.
        if flags.contains(MeterFlags::BURST) {
            write!(f, " burst_size={burst_size}")?;
        }
        match band {
            MeterBand::Drop { .. } => Ok(()),
            MeterBand::DscpRemark { prec_level, .. } => write!(f, " prec_level={prec_level}"),
            MeterBand::Experimenter { experimenter, body, .. } => {
                write!(f, " experimenter={experimenter:#x} data={}", Octets(body))
            }
            MeterBand::Unknown { body, .. } => write!(f, " data={}", Octets(body)),
        }
    }
}

impl Display for MeterMod {
    /// `ADD meter=1 kbps burst bands= type=drop rate=1000 burst_size=10`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match METER_COMMANDS.iter().find(|(_, number)| *number == self.command) {
            Some((word, _)) => write!(f, "{word} ")?,
            None => write!(f, "cmd:{} ", self.command.0)?,
        }
        write!(f, "{} {}", MeterName(self.meter_id, '='), MeterBody(self.flags, &self.bands))
    }
}

/// ovs-ofctl's words for what a meter-mod does.
pub(crate) const METER_COMMANDS: [(&str, MeterModCommand); 3] =
    [("ADD", MeterModCommand::ADD), ("MOD", MeterModCommand::MODIFY), ("DEL", MeterModCommand::DELETE)];

impl Display for MeterConfig {
    /// As `ovs-ofctl dump-meters` prints it, on one line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", MeterName(self.meter_id, '='), MeterBody(self.flags, &self.bands))
    }
}

impl Display for MeterStats {
    /// As `ovs-ofctl meter-stats` prints it, on one line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} flow_count:{}", MeterName(self.meter_id, ':'), self.flow_count)?;
        write!(f, " packet_in_count:{} byte_in_count:{}", self.packet_in_count, self.byte_in_count)?;
        write!(f, " duration:{} bands:", Seconds(self.duration_sec, self.duration_nsec))?;
        for (index, band) in self.band_stats.iter().enumerate() {
            write!(f, " {index}: packet_count:{} byte_count:{}", band.packet_band_count, band.byte_band_count)?;
        }
        Ok(())
    }
}

impl Display for MeterFeatures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "max_meter:{} max_bands:{} max_color:{}", self.max_meter, self.max_bands, self.max_color)?;
        let bands = [(1 << 1, "drop"), (1 << 2, "dscp_remark")];
        write!(f, " band_types: {}", Flags { bits: self.band_types, names: &bands, none: "0" })?;
        let flags = METER_FLAGS.map(|(flag, word)| (u32::from(flag.0), word));
        write!(f, " capabilities: {}", Flags { bits: self.capabilities, names: &flags, none: "0" })
    }
}
