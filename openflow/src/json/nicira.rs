//! JSON of Nicira's actions: `subtype` says which, the other names are those of the structures in Open vSwitch.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Hex;
use super::action::SetField;
use crate::nicira::{
    ControllerProperty, CtZone, EncapProperty, Learn, LearnDestination, LearnSource, LearnSpec, NICIRA_EXPERIMENTER,
    Nat, NatPorts, NatRange, NiciraAction, Subfield,
};

impl Serialize for Subfield {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("field", &self.kind)?;
        map.serialize_entry("ofs", &self.offset)?;
        map.serialize_entry("n_bits", &self.bits)?;
        map.end()
    }
}

/// The entries of an action's map behind its type.
pub(super) fn entries<M: SerializeMap>(action: &NiciraAction, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("experimenter", &NICIRA_EXPERIMENTER)?;
    map.serialize_entry("subtype", &action.subtype())?;
    match action {
        NiciraAction::Resubmit { in_port } => map.serialize_entry("in_port", in_port),
        NiciraAction::ResubmitTable { in_port, table_id, .. } => {
            map.serialize_entry("in_port", in_port)?;
            map.serialize_entry("table", table_id)
        }
        NiciraAction::SetTunnel(id) => map.serialize_entry("tun_id", id),
        NiciraAction::SetTunnel64(id) => map.serialize_entry("tun_id", id),
        NiciraAction::SetQueue(queue_id) => map.serialize_entry("queue_id", queue_id),
        NiciraAction::RegMove { source, destination } => {
            map.serialize_entry("src", source)?;
            map.serialize_entry("dst", destination)
        }
        NiciraAction::RegLoad { destination, value } => {
            map.serialize_entry("dst", destination)?;
            map.serialize_entry("value", value)
        }
        NiciraAction::RegLoad2(field) => map.serialize_entry("field", &SetField(field.as_field())),
        NiciraAction::Note(octets) => map.serialize_entry("note", &Hex(octets)),
        NiciraAction::Multipath(multipath) => {
            map.serialize_entry("fields", &multipath.fields)?;
            map.serialize_entry("basis", &multipath.basis)?;
            map.serialize_entry("algorithm", &multipath.algorithm)?;
            map.serialize_entry("max_link", &multipath.max_link)?;
            map.serialize_entry("arg", &multipath.argument)?;
            map.serialize_entry("dst", &multipath.destination)
        }
        NiciraAction::Bundle(bundle) => {
            map.serialize_entry("algorithm", &bundle.algorithm)?;
            map.serialize_entry("fields", &bundle.fields)?;
            map.serialize_entry("basis", &bundle.basis)?;
            if let Some(destination) = &bundle.destination {
                map.serialize_entry("dst", destination)?;
            }
            map.serialize_entry("members", &bundle.members)
        }
        NiciraAction::OutputReg { source, max_len } | NiciraAction::OutputReg2 { source, max_len } => {
            map.serialize_entry("src", source)?;
            map.serialize_entry("max_len", max_len)
        }
        NiciraAction::OutputTrunc { port, max_len } => {
            map.serialize_entry("port", port)?;
            map.serialize_entry("max_len", max_len)
        }
        NiciraAction::Learn(learn) => learn_entries(learn, map),
        NiciraAction::DecTtlCntIds(ids) => map.serialize_entry("cnt_ids", ids),
        NiciraAction::FinTimeout { idle_timeout, hard_timeout } => {
            map.serialize_entry("fin_idle_timeout", idle_timeout)?;
            map.serialize_entry("fin_hard_timeout", hard_timeout)
        }
        NiciraAction::Controller { max_len, controller_id, reason } => {
            map.serialize_entry("max_len", max_len)?;
            map.serialize_entry("controller_id", controller_id)?;
            map.serialize_entry("reason", reason)
        }
        NiciraAction::Controller2(properties) => map.serialize_entry("properties", properties),
        NiciraAction::WriteMetadata { metadata, mask } => {
            map.serialize_entry("metadata", metadata)?;
            map.serialize_entry("mask", mask)
        }
        NiciraAction::PushMpls(ethertype) | NiciraAction::PopMpls(ethertype) => {
            map.serialize_entry("ethertype", &format!("{ethertype:#06x}"))
        }
        NiciraAction::SetMplsTtl(ttl) => map.serialize_entry("ttl", ttl),
        NiciraAction::StackPush(subfield) | NiciraAction::StackPop(subfield) => {
            map.serialize_entry("subfield", subfield)
        }
        NiciraAction::Sample(sample) => {
            map.serialize_entry("probability", &sample.probability)?;
            map.serialize_entry("collector_set_id", &sample.collector_set_id)?;
            map.serialize_entry("obs_domain_id", &sample.obs_domain_id)?;
            map.serialize_entry("obs_point_id", &sample.obs_point_id)?;
            if let Some(sampling) = &sample.sampling {
                map.serialize_entry("sampling_port", &sampling.port)?;
                if let Some(direction) = sampling.direction {
                    map.serialize_entry("direction", &direction)?;
                }
            }
            Ok(())
        }
        NiciraAction::SetMplsLabel(label) => map.serialize_entry("label", label),
        NiciraAction::SetMplsTc(tc) => map.serialize_entry("tc", tc),
        NiciraAction::Conjunction { clause, clauses, id } => {
            map.serialize_entry("clause", clause)?;
            map.serialize_entry("n_clauses", clauses)?;
            map.serialize_entry("id", id)
        }
        NiciraAction::Ct(tracking) => {
            map.serialize_entry("flags", &tracking.flags)?;
            match &tracking.zone {
                CtZone::Immediate(zone) => map.serialize_entry("zone", zone)?,
                CtZone::Field(subfield) => map.serialize_entry("zone", subfield)?,
            }
            if let Some(table_id) = tracking.table_id {
                map.serialize_entry("recirc_table", &table_id)?;
            }
            map.serialize_entry("alg", &tracking.alg)?;
            map.serialize_entry("actions", &tracking.actions)
        }
        NiciraAction::Nat(nat) => nat_entries(nat, map),
        NiciraAction::Group(group_id) => map.serialize_entry("group_id", group_id),
        NiciraAction::Clone(actions) => map.serialize_entry("actions", actions),
        NiciraAction::Encap(encap) => {
            map.serialize_entry("hdr_size", &encap.header_size)?;
            map.serialize_entry("new_pkt_type", &encap.packet_type)?;
            map.serialize_entry("properties", &encap.properties)
        }
        NiciraAction::Decap { packet_type } => map.serialize_entry("new_pkt_type", packet_type),
        NiciraAction::CheckPktLarger { length, destination } => {
            map.serialize_entry("pkt_len", length)?;
            map.serialize_entry("dst", destination)
        }
        NiciraAction::DeleteField(kind) => map.serialize_entry("field", kind),
        NiciraAction::PopQueue
        | NiciraAction::Exit
        | NiciraAction::DecTtl
        | NiciraAction::DecMplsTtl
        | NiciraAction::CtClear
        | NiciraAction::DecNshTtl => Ok(()),
    }
}

fn learn_entries<M: SerializeMap>(learn: &Learn, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("idle_timeout", &learn.idle_timeout)?;
    map.serialize_entry("hard_timeout", &learn.hard_timeout)?;
    map.serialize_entry("priority", &learn.priority)?;
    map.serialize_entry("cookie", &learn.cookie)?;
    map.serialize_entry("flags", &learn.flags)?;
    map.serialize_entry("table_id", &learn.table_id)?;
    map.serialize_entry("fin_idle_timeout", &learn.fin_idle_timeout)?;
    map.serialize_entry("fin_hard_timeout", &learn.fin_hard_timeout)?;
    if let Some(limit) = &learn.limit {
        map.serialize_entry("limit", &limit.limit)?;
        if let Some(result) = &limit.result {
            map.serialize_entry("result_dst", result)?;
        }
    }
    map.serialize_entry("specs", &learn.specs)
}

impl Serialize for LearnSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n_bits", &self.source.bits())?;
        match &self.source {
            LearnSource::Field(subfield) => map.serialize_entry("src", subfield)?,
            LearnSource::Immediate { value, .. } => map.serialize_entry("value", &Hex(value))?,
        }
        match &self.destination {
            LearnDestination::Match(subfield) => map.serialize_entry("match", subfield)?,
            LearnDestination::Load(subfield) => map.serialize_entry("load", subfield)?,
            LearnDestination::Output => map.serialize_entry("output", &true)?,
        }
        map.end()
    }
}

fn nat_entries<M: SerializeMap>(nat: &Nat, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("flags", &nat.flags)?;
    let ports = match &nat.range {
        NatRange::None => &None,
        NatRange::Ipv4 { min, max, ports } => {
            map.serialize_entry("ipv4_min", min)?;
            if let Some(max) = max {
                map.serialize_entry("ipv4_max", max)?;
            }
            ports
        }
        NatRange::Ipv6 { min, max, ports } => {
            map.serialize_entry("ipv6_min", min)?;
            if let Some(max) = max {
                map.serialize_entry("ipv6_max", max)?;
            }
            ports
        }
    };
    if let Some(NatPorts { min, max }) = ports {
        map.serialize_entry("proto_min", min)?;
        if let Some(max) = max {
            map.serialize_entry("proto_max", max)?;
        }
    }
    Ok(())
}

impl Serialize for ControllerProperty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.property_type())?;
        match self {
            ControllerProperty::MaxLen(max_len) => map.serialize_entry("max_len", max_len)?,
            ControllerProperty::ControllerId(id) => map.serialize_entry("controller_id", id)?,
            ControllerProperty::Reason(reason) => map.serialize_entry("reason", reason)?,
            ControllerProperty::Userdata(octets) => map.serialize_entry("userdata", &Hex(octets))?,
            ControllerProperty::Pause => {}
            ControllerProperty::MeterId(meter_id) => map.serialize_entry("meter_id", meter_id)?,
            ControllerProperty::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
        }
        map.end()
    }
}

impl Serialize for EncapProperty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("class", &self.class)?;
        map.serialize_entry("type", &self.property_type)?;
        map.serialize_entry("body", &Hex(&self.body))?;
        map.end()
    }
}
