//! Groups and meters from text.

use net::PortNo;

use super::SyntaxError;
use super::action::{Context, List, one_of, unknown_argument};
use super::field::port;
use super::text::{Pair, Pairs, Piece};
use crate::display::group::{GROUP_COMMANDS, GROUP_TYPES, METER_COMMANDS, METER_FLAGS, METER_NAMES};
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{GroupId, MeterId};
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};

/// The command that a text starts with, as it is printed or as a file of groups has it, and the rest.
fn command<'a, T: Copy>(text: Piece<'a>, printed: &[(&str, T)], typed: [(&str, T); 3]) -> (Option<T>, Piece<'a>) {
    let text = text.trim();
    let end = text.text.find([',', ' ', '\t', '\r', '\n']).unwrap_or(text.text.len());
    let word = text.until(end).text;
    match printed.iter().chain(&typed).find(|(name, _)| *name == word) {
        Some((_, command)) => (Some(*command), text.from(end).trim()),
        None => (None, text),
    }
}

pub(super) fn group(text: Piece<'_>, of: Option<GroupModCommand>) -> Result<GroupMod, SyntaxError> {
    let typed =
        [("add", GroupModCommand::ADD), ("modify", GroupModCommand::MODIFY), ("delete", GroupModCommand::DELETE)];
    let (found, text) = match of {
        Some(_) => (of, text.trim()),
        None => command(text, &GROUP_COMMANDS, typed),
    };
    let command = found.unwrap_or(GroupModCommand::ADD);
    let delete = command == GroupModCommand::DELETE;
    let mut group = GroupMod { command, group_type: GroupType::ALL, group_id: GroupId::ALL, buckets: Vec::new() };
    if delete && text.is_empty() {
        return Ok(group);
    }
    let starts: Vec<usize> = text.text.match_indices("bucket=").map(|(at, _)| at).collect();
    let (mut has_id, mut has_type) = (false, false);
    for pair in Pairs(text.until(starts.first().copied().unwrap_or(text.text.len()))) {
        let pair = pair?;
        match pair.name() {
            "group_id" => {
                has_id = true;
                let id = pair.some_value()?;
                group.group_id = match id.text {
                    "all" | "ALL" => GroupId::ALL,
                    _ => GroupId(id.u32()?),
                };
            }
            "type" => {
                has_type = true;
                let word = pair.some_value()?;
                group.group_type = match word.text {
                    "fast_failover" => GroupType::FF,
                    _ => match word.u8() {
                        Ok(number) => GroupType(number),
                        Err(_) => one_of(word, &GROUP_TYPES)?,
                    },
                };
            }
            _ if is_of_openflow_1_5(pair) => return Err(pair.key.error(OPENFLOW_1_5)),
            _ => return Err(unknown_argument(pair, "a group", &["group_id", "type", "bucket"])),
        }
    }
    if !has_id {
        return Err(text.error("group_id=ID"));
    }
    if !has_type && !delete {
        return Err(text.error("type=all, select, indirect or ff"));
    }
    let ends = starts.iter().skip(1).copied().chain([text.text.len()]);
    for (start, end) in starts.iter().zip(ends) {
        group.buckets.push(bucket(text.until(end).from(start + "bucket=".len()), group.group_type)?);
    }
    if group.group_type == GroupType::INDIRECT && group.buckets.len() != 1 && !delete {
        return Err(text.error("one bucket in an indirect group"));
    }
    Ok(group)
}

/// What is said of a word that ovs-ofctl reads and that only OpenFlow 1.5 can say.
const OPENFLOW_1_5: &str = "what OpenFlow 1.3 has in a group (this one is OpenFlow 1.5's)";

/// How a select group chooses, and the numbers by which single buckets are inserted and removed (ovs-ofctl(8), Group Syntax).
fn is_of_openflow_1_5(pair: Pair<'_>) -> bool {
    matches!(pair.name(), "selection_method" | "selection_method_param" | "fields" | "bucket_id" | "command_bucket_id")
}

fn bucket(text: Piece<'_>, group_type: GroupType) -> Result<Bucket, SyntaxError> {
    let weight = u16::from(group_type == GroupType::SELECT);
    let mut bucket = Bucket { weight, ..Bucket::new(Vec::new()) };
    let mut list = List::new(Context::default());
    let mut any = false;
    for pair in Pairs(text) {
        let pair = pair?;
        match pair.name() {
            "weight" => bucket.weight = pair.some_value()?.u16()?,
            "watch_port" => bucket.watch_port = port(pair.some_value()?)?,
            "watch_group" => bucket.watch_group = GroupId(pair.some_value()?.u32()?),
            "actions" | "action" => {
                any = true;
                // The first action stands behind the sign, the others are pairs of their own.
                for action in Pairs(pair.value) {
                    list.take(action?)?;
                }
            }
            _ if is_of_openflow_1_5(pair) => return Err(pair.key.error(OPENFLOW_1_5)),
            _ => {
                any = true;
                list.take(pair)?;
            }
        }
    }
    if !any {
        return Err(text.error("actions in the bucket"));
    }
    if group_type == GroupType::FF && bucket.watch_port == PortNo::ANY && bucket.watch_group == GroupId::ANY {
        return Err(text.error("watch_port or watch_group in a bucket of a fast failover group"));
    }
    bucket.actions = list.finish()?;
    Ok(bucket)
}

pub(super) fn meter(text: Piece<'_>, of: Option<MeterModCommand>) -> Result<MeterMod, SyntaxError> {
    let typed =
        [("add", MeterModCommand::ADD), ("modify", MeterModCommand::MODIFY), ("delete", MeterModCommand::DELETE)];
    let (found, text) = match of {
        Some(_) => (of, text.trim()),
        None => command(text, &METER_COMMANDS, typed),
    };
    let command = found.unwrap_or(MeterModCommand::ADD);
    let delete = command == MeterModCommand::DELETE;
    let mut meter = MeterMod { command, flags: MeterFlags::NONE, meter_id: MeterId(0), bands: Vec::new() };
    let band = text.text.find("band");
    let mut has_id = false;
    for pair in Pairs(text.until(band.unwrap_or(text.text.len()))) {
        let pair = pair?;
        if let Some((flag, _)) = METER_FLAGS.iter().find(|(_, word)| *word == pair.name()) {
            meter.flags = meter.flags | *flag;
            continue;
        }
        match pair.name() {
            "meter" => {
                has_id = true;
                let id = pair.some_value()?;
                meter.meter_id = match id.u32() {
                    Ok(number) => MeterId(number),
                    Err(_) => one_of(id, &METER_NAMES)?,
                };
            }
            "flags" => meter.flags = meter.flags | MeterFlags(pair.some_value()?.u16()?),
            _ => return Err(unknown_argument(pair, "a meter", &["meter", "kbps", "pktps", "burst", "stats", "bands"])),
        }
    }
    if !has_id {
        return Err(text.error("meter=ID"));
    }
    match band.map(|at| text.from(at)) {
        None if delete => {}
        None => return Err(text.from(text.text.len()).error("bands=type=drop,rate=RATE")),
        Some(rest) => {
            let Some((_, bands)) = rest.split_once("=") else { return Err(rest.error("bands=type=drop,rate=RATE")) };
            meter.bands = read_bands(bands, meter.flags, delete)?;
        }
    }
    if !delete && meter.flags.0 & (MeterFlags::KBPS | MeterFlags::PKTPS).0 == 0 {
        return Err(text.error("kbps or pktps"));
    }
    Ok(meter)
}

/// A band as it is read.
struct Band<'a> {
    place: Piece<'a>,
    remark: bool,
    rate: u32,
    burst_size: u32,
    prec_level: u8,
}

fn read_bands(text: Piece<'_>, flags: MeterFlags, delete: bool) -> Result<Vec<MeterBand>, SyntaxError> {
    let mut bands: Vec<Band<'_>> = Vec::new();
    for pair in Pairs(text) {
        let pair = pair?;
        let value = pair.some_value()?;
        if pair.name() == "type" {
            let remark = one_of(value, &[("drop", false), ("dscp_remark", true)])?;
            bands.push(Band { place: pair.key, remark, rate: 0, burst_size: 0, prec_level: 0 });
            continue;
        }
        let Some(band) = bands.last_mut() else { return Err(pair.key.error("type=drop or type=dscp_remark first")) };
        match pair.name() {
            "rate" => band.rate = value.u32()?,
            "burst_size" => band.burst_size = value.u32()?,
            "prec_level" => band.prec_level = value.u8()?,
            _ => return Err(unknown_argument(pair, "a band", &["type", "rate", "burst_size", "prec_level"])),
        }
    }
    if bands.is_empty() && !delete {
        return Err(text.error("type=drop or type=dscp_remark"));
    }
    bands.into_iter().map(|band| finish_band(&band, flags)).collect()
}

fn finish_band(band: &Band<'_>, flags: MeterFlags) -> Result<MeterBand, SyntaxError> {
    let Band { place, remark, rate, burst_size, prec_level } = *band;
    if rate == 0 {
        return Err(place.error("a rate in the band"));
    }
    if flags.contains(MeterFlags::BURST) != (burst_size != 0) {
        return Err(place.error("burst_size in the band and burst among the flags, both or none"));
    }
    match remark {
        true if prec_level == 0 => Err(place.error("prec_level in the band")),
        true => Ok(MeterBand::DscpRemark { rate, burst_size, prec_level }),
        false if prec_level != 0 => Err(place.error("no prec_level in a band that drops")),
        false => Ok(MeterBand::Drop { rate, burst_size }),
    }
}
