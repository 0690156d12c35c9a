//! Multipart questions and answers in ovs-ofctl's words: `OFPST_FLOW reply: ...`.

use std::fmt::{self, Display, Formatter};

use bytes::Bytes;

use super::group::MeterName;
use super::text::{Escaped, Octets, Parts};
use crate::identifier::GroupId;
use crate::multipart::{
    AggregateStats, ExperimenterMultipart, FeatureId, MultipartReply, MultipartReplyBody, MultipartRequest,
    MultipartRequestBody, MultipartRequestFlags, MultipartType, OxmId, SwitchDesc, TableFeatureProperty, TableFeatures,
    TableStats,
};
use crate::{ActionType, InstructionType};

/// ovs-ofctl's name: `OFPST_FLOW` for `OFPMP_FLOW`.
pub(super) struct TypeName(pub MultipartType);

impl Display for TypeName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            MultipartType::PORT_STATS => f.write_str("OFPST_PORT"),
            other => match other.name().and_then(|name| name.strip_prefix("OFPMP_")) {
                Some(name) => write!(f, "OFPST_{name}"),
                None => write!(f, "OFPST_{}", other.0),
            },
        }
    }
}

/// Whether something follows the colon: text with a space before it, or nothing.
struct After<T>(T);

impl<T: Display> Display for After<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        if text.is_empty() { Ok(()) } else { write!(f, " {text}") }
    }
}

impl Display for MultipartRequest {
    /// What stands behind `OFPST_FLOW request:`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.flags.contains(MultipartRequestFlags::MORE) {
            f.write_str(" flags=[more]")?;
        }
        if self.flags.has_unknown() {
            write!(f, " flags={:#x}", self.flags.0)?;
        }
        match &self.body {
            MultipartRequestBody::Desc
            | MultipartRequestBody::Table
            | MultipartRequestBody::GroupFeatures
            | MultipartRequestBody::MeterFeatures => Ok(()),
            MultipartRequestBody::PortDesc => f.write_str(" port=ANY"),
            MultipartRequestBody::GroupDesc => f.write_str(" group_id=ALL"),
            MultipartRequestBody::Flow(request) | MultipartRequestBody::Aggregate(request) => After(request).fmt(f),
            MultipartRequestBody::PortStats(port) => write!(f, " port_no={port}"),
            MultipartRequestBody::Queue(request) => write!(f, " {request}"),
            MultipartRequestBody::Group(GroupId::ALL) => f.write_str(" group_id=ALL"),
            MultipartRequestBody::Group(GroupId::ANY) => f.write_str(" group_id=ANY"),
            MultipartRequestBody::Group(group_id) => write!(f, " group_id={}", group_id.0),
            MultipartRequestBody::Meter(id) | MultipartRequestBody::MeterConfig(id) => {
                write!(f, " {}", MeterName(*id, '='))
            }
            MultipartRequestBody::TableFeatures(tables) => write_list(f, tables),
            MultipartRequestBody::Experimenter(experimenter) => write!(f, " {experimenter}"),
            MultipartRequestBody::Unknown { body, .. } => write_unknown(f, body),
        }
    }
}

impl Display for MultipartReply {
    /// What stands behind `OFPST_FLOW reply:`: entries with a semicolon between them.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.more {
            f.write_str(" flags=[more]")?;
        }
        match &self.body {
            MultipartReplyBody::Desc(desc) => write!(f, " {desc}"),
            MultipartReplyBody::Flow(flows) => write_list(f, flows),
            MultipartReplyBody::Aggregate(stats) => write!(f, " {stats}"),
            MultipartReplyBody::Table(tables) => write_list(f, tables),
            MultipartReplyBody::PortStats(ports) => {
                write!(f, " {} ports", ports.len())?;
                write_list(f, ports)
            }
            MultipartReplyBody::Queue(queues) => {
                write!(f, " {} queues", queues.len())?;
                write_list(f, queues)
            }
            MultipartReplyBody::Group(groups) => write_list(f, groups),
            MultipartReplyBody::GroupDesc(groups) => write_list(f, groups),
            MultipartReplyBody::GroupFeatures(features) => write!(f, " {features}"),
            MultipartReplyBody::Meter(meters) => write_list(f, meters),
            MultipartReplyBody::MeterConfig(meters) => write_list(f, meters),
            MultipartReplyBody::MeterFeatures(features) => write!(f, " {features}"),
            MultipartReplyBody::TableFeatures(tables) => write_list(f, tables),
            MultipartReplyBody::PortDesc(ports) => write_list(f, ports),
            MultipartReplyBody::Experimenter(experimenter) => write!(f, " {experimenter}"),
            MultipartReplyBody::Unknown { body, .. } => write_unknown(f, body),
        }
    }
}

/// Entries after a space, with a semicolon between them.
fn write_list<T: Display>(f: &mut Formatter<'_>, entries: &[T]) -> fmt::Result {
    for (index, entry) in entries.iter().enumerate() {
        write!(f, "{}{entry}", if index == 0 { " " } else { "; " })?;
    }
    Ok(())
}

fn write_unknown(f: &mut Formatter<'_>, body: &Bytes) -> fmt::Result {
    write!(f, " {} octets {}", body.len(), Octets(body))
}

impl Display for ExperimenterMultipart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ExperimenterMultipart { experimenter, exp_type, body } = self;
        write!(f, "experimenter={experimenter:#x} exp_type={exp_type}")?;
        write_unknown(f, body)
    }
}

impl Display for SwitchDesc {
    /// As `ovs-ofctl dump-desc` prints it, on one line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Manufacturer: {}", Escaped(self.mfr_desc.as_octets()))?;
        write!(f, " Hardware: {}", Escaped(self.hw_desc.as_octets()))?;
        write!(f, " Software: {}", Escaped(self.sw_desc.as_octets()))?;
        write!(f, " Serial Num: {}", Escaped(self.serial_num.as_octets()))?;
        write!(f, " DP Description: {}", Escaped(self.dp_desc.as_octets()))
    }
}

impl Display for AggregateStats {
    /// As `ovs-ofctl dump-aggregate` prints it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let AggregateStats { packet_count, byte_count, flow_count } = self;
        write!(f, "packet_count={packet_count} byte_count={byte_count} flow_count={flow_count}")
    }
}

impl Display for TableStats {
    /// As `ovs-ofctl dump-tables` prints it, on one line and each table for itself.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let TableStats { table_id, active_count, lookup_count, matched_count } = self;
        write!(f, "table {}: active={active_count}, lookup={lookup_count}, matched={matched_count}", table_id.0)
    }
}

impl Display for TableFeatures {
    /// One line for what `ovs-ofctl dump-table-features` prints on many: each property by its name with what it lists.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "table {} (\"{}\"): ", self.table_id.0, Escaped(self.name.as_octets()))?;
        write!(f, "metadata: match={:#x} write={:#x}", self.metadata_match, self.metadata_write)?;
        write!(f, " max_entries={}", self.max_entries)?;
        if self.config != 0 {
            write!(f, " config={:#x}", self.config)?;
        }
        self.properties.iter().try_for_each(|property| write!(f, " {property}"))
    }
}

impl Display for TableFeatureProperty {
    /// `next_tables=1-253`, `write_actions_miss=output,group`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let suffix = |miss: &bool| if *miss { "_miss" } else { "" };
        match self {
            TableFeatureProperty::Instructions { miss, ids } => {
                write!(f, "instructions{}=", suffix(miss))?;
                write_ids(f, ids, |id| InstructionType(id).name()?.strip_prefix("OFPIT_"))
            }
            TableFeatureProperty::NextTables { miss, table_ids } => {
                write!(f, "next_tables{}=", suffix(miss))?;
                write_ranges(f, table_ids.iter().map(|table_id| table_id.0))
            }
            TableFeatureProperty::WriteActions { miss, ids } => {
                write!(f, "write_actions{}=", suffix(miss))?;
                write_ids(f, ids, |id| ActionType(id).name()?.strip_prefix("OFPAT_"))
            }
            TableFeatureProperty::ApplyActions { miss, ids } => {
                write!(f, "apply_actions{}=", suffix(miss))?;
                write_ids(f, ids, |id| ActionType(id).name()?.strip_prefix("OFPAT_"))
            }
            TableFeatureProperty::Match(ids) => write_fields(f, "match", "", ids),
            TableFeatureProperty::Wildcards(ids) => write_fields(f, "wildcards", "", ids),
            TableFeatureProperty::WriteSetField { miss, ids } => write_fields(f, "write_set_field", suffix(miss), ids),
            TableFeatureProperty::ApplySetField { miss, ids } => write_fields(f, "apply_set_field", suffix(miss), ids),
            TableFeatureProperty::Experimenter { miss, experimenter, exp_type, body } => {
                write!(f, "experimenter{}({experimenter:#x},{exp_type},{})", suffix(miss), Octets(body))
            }
            TableFeatureProperty::Unknown { property_type, body } => {
                write!(f, "property({},{})", property_type.0, Octets(body))
            }
        }
    }
}

fn write_ids(f: &mut Formatter<'_>, ids: &[FeatureId], name: fn(u16) -> Option<&'static str>) -> fmt::Result {
    let mut parts = Parts::new(f, ",");
    for FeatureId { id, body } in ids {
        match name(*id).filter(|_| body.is_empty()) {
            Some(name) => parts.put(format_args!("{}", name.to_ascii_lowercase()))?,
            None => parts.put(format_args!("{id}({})", Octets(body)))?,
        }
    }
    Ok(())
}

/// Runs of numbers in the order given: `1-3,7`.
fn write_ranges(f: &mut Formatter<'_>, numbers: impl Iterator<Item = u8>) -> fmt::Result {
    let mut parts = Parts::new(f, ",");
    let mut run: Option<(u8, u8)> = None;
    for number in numbers.map(Some).chain([None]) {
        run = match (run, number) {
            (Some((first, last)), Some(number)) if last.checked_add(1) == Some(number) => Some((first, number)),
            (before, number) => {
                match before {
                    Some((first, last)) if first == last => parts.put(format_args!("{first}"))?,
                    Some((first, last)) => parts.put(format_args!("{first}-{last}"))?,
                    None => {}
                }
                number.map(|number| (number, number))
            }
        };
    }
    Ok(())
}

/// Names, with `/mask` where the field can be masked.
fn write_fields(f: &mut Formatter<'_>, label: &str, suffix: &str, ids: &[OxmId]) -> fmt::Result {
    write!(f, "{label}{suffix}=")?;
    let mut parts = Parts::new(f, ",");
    for id in ids {
        let mask = if id.has_mask { "/mask" } else { "" };
        match id.kind.ovs_name() {
            Some(name) => parts.put(format_args!("{name}{mask}"))?,
            None => parts.put(format_args!("{}{mask}", id.kind))?,
        }
    }
    Ok(())
}
