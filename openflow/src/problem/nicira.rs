//! Problems of Nicira's actions, as Open vSwitch 3.1 answers them.

use net::PortNo;

use super::Problems;
use super::action::{Place, check_actions, check_destination, check_move, check_output, check_source};
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::TableId;
use crate::nicira::{
    BundlePorts, ConnectionTracking, ControllerProperty, CtFlags, CtZone, Encap, Learn, LearnDestination, LearnSource,
    LearnSpec, Multipath, Nat, NatFlags, NatPorts, NatRange, NiciraAction, NiciraSubtype, Sample, SampleDirection,
    Subfield, has_short_form, immediate_len, learn_spec_max_bits, offset_bits_limits,
};
use crate::oxm::{CLASS_EXPERIMENTER, OxmField};

/// Octets that `output(max_len=…)` leaves at least: an Ethernet header.
const TRUNCATED_MIN: u32 = 14;
/// The most ports a `bundle` has (`BUNDLE_MAX_MEMBERS`).
const BUNDLE_MAX_MEMBERS: usize = 2048;
/// The dimensions that a `conjunction` can have.
const CONJUNCTION_CLAUSES: std::ops::RangeInclusive<u8> = 2..=64;
/// Bits of a `bundle_load`'s destination at least: a port number.
const BUNDLE_MIN_BITS: u16 = 16;
/// Bits of a connection tracking zone.
const ZONE_BITS: u16 = 16;
/// The packet types that `encap` makes: Ethernet, NSH, MPLS, MPLS multicast.
const ENCAP_TYPES: [u32; 4] = [0, 0x0001_894f, 0x0001_8847, 0x0001_8848];
/// The properties that `encap` takes, by class and type: NSH's MD type and TLV.
const ENCAP_PROPERTIES: [(u16, u8); 2] = [(4, 1), (4, 2)];

/// An action with Nicira's id that stayed data.
pub(super) fn check_unread(body: &[u8], to: &mut Problems) {
    let subtype = body.first_chunk().map(|subtype| NiciraSubtype(u16::from_be_bytes(*subtype)));
    let (code, reason) = match subtype {
        Some(subtype) if subtype.name().is_none() => (ErrorCode::ACTION_BAD_EXP_TYPE, format!("{subtype} is none")),
        Some(NiciraSubtype::DECAP) => (ErrorCode::NX_UNKNOWN_ED_PROP, "decap takes no properties".into()),
        Some(subtype @ (NiciraSubtype::BUNDLE | NiciraSubtype::NAT)) => {
            (ErrorCode::ACTION_BAD_ARGUMENT, format!("{subtype} with an argument that is not known"))
        }
        Some(subtype) => (ErrorCode::ACTION_BAD_SET_TYPE, format!("{subtype} with a field that is not known")),
        None => (ErrorCode::ACTION_BAD_LEN, "has no subtype".into()),
    };
    to.add("action.nicira.subtype", code, reason);
}

pub(super) fn check_nicira(action: &NiciraAction, place: Place, to: &mut Problems) {
    if place == Place::ActionSet && !belongs_in_action_set(action) {
        to.add("action.nicira.subtype", ErrorCode::ACTION_BAD_TYPE, format!("{} in an action set", action.subtype()));
    }
    match action {
        NiciraAction::Resubmit { in_port } | NiciraAction::ResubmitTable { in_port, .. } => {
            check_short_port(*in_port, "action.resubmit.in_port", to);
        }
        NiciraAction::RegMove { source, destination } => check_move(*source, *destination, "action.reg_move", to),
        NiciraAction::RegLoad { destination, value } => {
            check_destination(*destination, "action.reg_load", to);
            check_packed(*destination, "action.reg_load", to);
            let fine = destination.bits >= 64 || value >> destination.bits == 0;
            let reason = format_args!("has more than {} bits", destination.bits);
            to.check(fine, "action.reg_load.value", ErrorCode::ACTION_BAD_ARGUMENT, reason);
        }
        NiciraAction::RegLoad2(field) => check_reg_load2(&field.as_field(), to),
        NiciraAction::Multipath(multipath) => check_multipath(multipath, to),
        NiciraAction::Bundle(bundle) => check_bundle(bundle, to),
        NiciraAction::OutputReg { source, .. } => {
            check_source(*source, "action.output_reg", to);
            check_packed(*source, "action.output_reg", to);
        }
        NiciraAction::OutputReg2 { source, .. } => {
            check_source(*source, "action.output_reg2", to);
            check_offset_bits(*source, "action.output_reg2", to);
        }
        NiciraAction::OutputTrunc { port, max_len } => {
            check_output(*port, true, "action.output_trunc.port", to);
            check_short_port(*port, "action.output_trunc.port", to);
            let fine = *max_len >= TRUNCATED_MIN;
            let reason = format_args!("less than {TRUNCATED_MIN} octets");
            to.check(fine, "action.output_trunc.max_len", ErrorCode::ACTION_BAD_ARGUMENT, reason);
        }
        NiciraAction::Learn(learn) => check_learn(learn, to),
        NiciraAction::Controller2(properties) => {
            for property in properties {
                if let ControllerProperty::Unknown { property_type, .. } = property {
                    let reason = format!("{property_type} is none that is known");
                    to.add("action_property.type", ErrorCode::TABLE_FEATURES_BAD_TYPE, reason);
                }
            }
        }
        NiciraAction::WriteMetadata { .. } => {
            let fine = place == Place::List;
            let reason = "is an instruction";
            to.check(fine, "action.write_metadata", ErrorCode::INSTRUCTION_UNSUP_INST, reason);
        }
        NiciraAction::StackPush(subfield) => check_source(*subfield, "action.stack", to),
        NiciraAction::StackPop(subfield) => check_destination(*subfield, "action.stack", to),
        NiciraAction::Sample(sample) => check_sample(sample, to),
        NiciraAction::Conjunction { clause, clauses, .. } => {
            let fine = CONJUNCTION_CLAUSES.contains(clauses) && clause < clauses;
            let reason = format_args!("dimension {clause} of {clauses}");
            to.check(fine, "action.conjunction", ErrorCode::NX_BAD_CONJUNCTION, reason);
        }
        NiciraAction::Ct(tracking) => check_ct(tracking, to),
        NiciraAction::Nat(nat) => {
            let fine = place == Place::Ct;
            to.check(fine, "action.nat", ErrorCode::ACTION_BAD_SET_ARGUMENT, "stands inside of ct() alone");
            check_nat(nat, to);
        }
        NiciraAction::Clone(actions) => check_actions(actions, Place::Clone, to),
        NiciraAction::Encap(encap) => check_encap(encap, to),
        NiciraAction::CheckPktLarger { destination, .. } => {
            check_destination(Subfield { bits: 1, ..*destination }, "action.check_pkt_larger", to);
        }
        NiciraAction::DeleteField(kind) => {
            let reason = format_args!("{kind} is no tunnel option");
            to.check(kind.is_variable(), "action.delete_field", ErrorCode::ACTION_BAD_ARGUMENT, reason);
        }
        NiciraAction::SetQueue(_)
        | NiciraAction::DecTtl
        | NiciraAction::PushMpls(_)
        | NiciraAction::PopMpls(_)
        | NiciraAction::SetMplsTtl(_)
        | NiciraAction::DecMplsTtl
        | NiciraAction::SetMplsLabel(_)
        | NiciraAction::SetMplsTc(_)
        | NiciraAction::Group(_) => {
            let reason = format!("{} is for OpenFlow 1.0, which has no other", action.subtype());
            to.add("action.nicira.subtype", ErrorCode::ACTION_BAD_EXP_TYPE, reason);
        }
        NiciraAction::SetTunnel(_)
        | NiciraAction::SetTunnel64(_)
        | NiciraAction::PopQueue
        | NiciraAction::Note(_)
        | NiciraAction::Exit
        | NiciraAction::DecTtlCntIds(_)
        | NiciraAction::FinTimeout { .. }
        | NiciraAction::Controller { .. }
        | NiciraAction::CtClear
        | NiciraAction::Decap { .. }
        | NiciraAction::DecNshTtl => {}
    }
}

/// Whether Open vSwitch takes an action in write-actions.
fn belongs_in_action_set(action: &NiciraAction) -> bool {
    matches!(
        action,
        NiciraAction::Resubmit { .. }
            | NiciraAction::ResubmitTable { .. }
            | NiciraAction::SetTunnel(_)
            | NiciraAction::SetTunnel64(_)
            | NiciraAction::RegMove { .. }
            | NiciraAction::RegLoad { .. }
            | NiciraAction::RegLoad2(_)
            | NiciraAction::DecTtlCntIds(_)
            | NiciraAction::Ct(_)
            | NiciraAction::CtClear
            | NiciraAction::Encap(_)
            | NiciraAction::Decap { .. }
            | NiciraAction::DecNshTtl
    )
}

fn check_short_port(port: PortNo, field: &str, to: &mut Problems) {
    let reason = format_args!("{port} has no form of 16 bits");
    to.check(has_short_form(port), field, ErrorCode::ACTION_BAD_OUT_PORT, reason);
}

/// A field of which the action has offset and width in 16 bits and the header in 32.
fn check_packed(subfield: Subfield, field: &str, to: &mut Problems) {
    check_offset_bits(subfield, field, to);
    let fine = subfield.kind.class != CLASS_EXPERIMENTER;
    let reason = format_args!("{} has a header of 64 bits", subfield.kind);
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_TYPE, reason);
}

fn check_offset_bits(subfield: Subfield, field: &str, to: &mut Problems) {
    let (max_offset, max_bits) = offset_bits_limits();
    let fine = subfield.offset <= max_offset && subfield.bits <= max_bits;
    let reason = format_args!("{} bits from bit {} don't fit in the action", subfield.bits, subfield.offset);
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_LEN, reason);
}

fn check_reg_load2(field: &OxmField<'_>, to: &mut Problems) {
    let name = || format!("action.set_field.{}", field.kind);
    match field.kind.writable() {
        None => to.add(name(), ErrorCode::ACTION_BAD_SET_TYPE, "is no field that is known"),
        Some(false) => to.add(name(), ErrorCode::ACTION_BAD_SET_ARGUMENT, "can't be set"),
        Some(true) => {}
    }
    if let Some(mask) = field.mask
        && field.value.iter().zip(mask).any(|(value, mask)| value & !mask != 0)
    {
        to.add(name(), ErrorCode::MATCH_BAD_WILDCARDS, "bits are set in the value that are not in the mask");
    }
}

fn check_multipath(multipath: &Multipath, to: &mut Problems) {
    let Multipath { fields, algorithm, max_link, destination, .. } = multipath;
    let code = ErrorCode::ACTION_BAD_ARGUMENT;
    to.check(fields.name().is_some(), "action.multipath.fields", code, format_args!("{fields} is none"));
    to.check(algorithm.name().is_some(), "action.multipath.algorithm", code, format_args!("{algorithm} is none"));
    // As many bits as the highest link number has; one link needs none.
    let needed = u16::BITS - max_link.leading_zeros();
    let fine = u32::from(destination.bits) >= needed;
    to.check(fine, "action.multipath.dst", code, format_args!("links up to {max_link} need {needed} bits"));
    check_destination(*destination, "action.multipath.dst", to);
    check_packed(*destination, "action.multipath.dst", to);
}

fn check_bundle(bundle: &BundlePorts, to: &mut Problems) {
    let BundlePorts { algorithm, fields, destination, members, .. } = bundle;
    let code = ErrorCode::ACTION_BAD_ARGUMENT;
    to.check(fields.name().is_some(), "action.bundle.fields", code, format_args!("{fields} is none"));
    to.check(algorithm.name().is_some(), "action.bundle.algorithm", code, format_args!("{algorithm} is none"));
    let fine = members.len() <= BUNDLE_MAX_MEMBERS;
    to.check(fine, "action.bundle.n_slaves", code, format_args!("more than {BUNDLE_MAX_MEMBERS}"));
    if let Some(destination) = destination {
        let reason = format_args!("a port needs {BUNDLE_MIN_BITS} bits");
        to.check(destination.bits >= BUNDLE_MIN_BITS, "action.bundle.dst", code, reason);
        check_destination(*destination, "action.bundle.dst", to);
        check_packed(*destination, "action.bundle.dst", to);
    }
    for member in members.iter().filter(|member| **member != PortNo::ANY) {
        if to.is_full() {
            return;
        }
        check_output(*member, true, "action.bundle.slave", to);
        check_short_port(*member, "action.bundle.slave", to);
        let fine = *member != PortNo::CONTROLLER;
        let reason = "the controller can't be one of the ports";
        to.check(fine, "action.bundle.slave", ErrorCode::ACTION_BAD_OUT_PORT, reason);
    }
}

fn check_learn(learn: &Learn, to: &mut Problems) {
    let code = ErrorCode::ACTION_BAD_ARGUMENT;
    to.check(learn.table_id != TableId::ALL, "action.learn.table_id", code, "is all tables");
    to.check(!learn.flags.has_unknown(), "action.learn.flags", code, format_args!("{}", learn.flags));
    if let Some(result) = learn.limit.and_then(|limit| limit.result) {
        check_destination(Subfield { bits: 1, ..result }, "action.learn.result_dst", to);
    }
    for spec in &learn.specs {
        if to.is_full() {
            return;
        }
        check_learn_spec(spec, to);
    }
}

fn check_learn_spec(spec: &LearnSpec, to: &mut Problems) {
    let field = "action.learn.spec";
    let bits = spec.source.bits();
    let fine = bits > 0 && bits <= learn_spec_max_bits();
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_LEN, format_args!("{bits} bits"));
    match &spec.source {
        LearnSource::Field(source) => {
            check_source(*source, field, to);
            check_long_header(*source, field, to);
        }
        LearnSource::Immediate { value, .. } => {
            let fine = value.len() == immediate_len(bits);
            let reason = format_args!("{} octets for {bits} bits", value.len());
            to.check(fine, "action.learn.spec.immediate", ErrorCode::ACTION_BAD_LEN, reason);
        }
    }
    match (spec.destination, &spec.source) {
        (LearnDestination::Match(destination) | LearnDestination::Load(destination), _) => {
            match spec.destination {
                LearnDestination::Load(_) => check_destination(destination, field, to),
                _ => check_source(destination, field, to),
            }
            check_long_header(destination, field, to);
            let reason = format_args!("{bits} bits to {} bits of {}", destination.bits, destination.kind);
            to.check(destination.bits == bits, field, ErrorCode::ACTION_BAD_SET_LEN, reason);
        }
        (LearnDestination::Output, LearnSource::Immediate { .. }) => {
            to.add(field, ErrorCode::ACTION_BAD_ARGUMENT, "the output port has to come from a field");
        }
        (LearnDestination::Output, LearnSource::Field(_)) => {}
    }
}

fn check_long_header(subfield: Subfield, field: &str, to: &mut Problems) {
    let fine = subfield.kind.class != CLASS_EXPERIMENTER;
    let reason = format_args!("{} has a header of 64 bits", subfield.kind);
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_TYPE, reason);
}

fn check_sample(sample: &Sample, to: &mut Problems) {
    let code = ErrorCode::ACTION_BAD_ARGUMENT;
    to.check(sample.probability != 0, "action.sample.probability", code, "is zero");
    if let Some(sampling) = sample.sampling {
        check_short_port(sampling.port, "action.sample.sampling_port", to);
        let direction = sampling.direction.unwrap_or(SampleDirection::DEFAULT);
        let fine = direction.name().is_some();
        to.check(fine, "action.sample.direction", code, format_args!("{direction} is none"));
    }
}

fn check_ct(tracking: &ConnectionTracking, to: &mut Problems) {
    let ConnectionTracking { flags, zone, actions, .. } = tracking;
    let commit = flags.contains(CtFlags::COMMIT);
    let fine = commit || !flags.contains(CtFlags::FORCE);
    to.check(fine, "action.ct.flags", ErrorCode::ACTION_BAD_ARGUMENT, "force without commit");
    if let CtZone::Field(source) = zone {
        check_source(*source, "action.ct.zone", to);
        check_packed(*source, "action.ct.zone", to);
        let fine = source.bits == ZONE_BITS;
        to.check(fine, "action.ct.zone", ErrorCode::ACTION_BAD_SET_LEN, format_args!("a zone has {ZONE_BITS} bits"));
    }
    let bare = |action: &Action| matches!(action, Action::Nicira(NiciraAction::Nat(nat)) if nat.flags == NatFlags::NONE && nat.range == NatRange::None);
    let fine = commit || actions.iter().all(bare);
    let reason = "without commit there is nat without arguments alone";
    to.check(fine, "action.ct.actions", ErrorCode::ACTION_BAD_ARGUMENT, reason);
    check_actions(actions, Place::Ct, to);
}

fn check_nat(nat: &Nat, to: &mut Problems) {
    let code = ErrorCode::ACTION_BAD_ARGUMENT;
    let flags = nat.flags;
    let contradiction =
        flags.contains(NatFlags::SRC | NatFlags::DST) || flags.contains(NatFlags::PROTO_HASH | NatFlags::PROTO_RANDOM);
    to.check(!contradiction && !flags.has_unknown(), "action.nat.flags", code, format_args!("{flags}"));
    let ports = match nat.range {
        NatRange::None => None,
        NatRange::Ipv4 { min, max, ports } => {
            to.check(!min.is_unspecified(), "action.nat.ipv4_min", code, "is 0.0.0.0");
            let fine = max.is_none_or(|max| max >= min);
            to.check(fine, "action.nat.ipv4_max", code, "is less than the first address");
            ports
        }
        NatRange::Ipv6 { min, max, ports } => {
            to.check(!min.is_unspecified(), "action.nat.ipv6_min", code, "is ::");
            let fine = max.is_none_or(|max| max >= min);
            to.check(fine, "action.nat.ipv6_max", code, "is less than the first address");
            ports
        }
    };
    if let Some(NatPorts { min, max }) = ports {
        to.check(min != 0, "action.nat.proto_min", code, "is zero");
        let fine = max.is_none_or(|max| max >= min);
        to.check(fine, "action.nat.proto_max", code, "is less than the first port");
    }
}

fn check_encap(encap: &Encap, to: &mut Problems) {
    let fine = ENCAP_TYPES.contains(&encap.packet_type);
    let reason = format_args!("{:#x} is none that is known", encap.packet_type);
    to.check(fine, "action.encap.new_pkt_type", ErrorCode::NX_BAD_HEADER_TYPE, reason);
    for property in &encap.properties {
        let fine = ENCAP_PROPERTIES.contains(&(property.class, property.property_type));
        let reason = format_args!("class {}, type {} is none", property.class, property.property_type);
        to.check(fine, "action.encap.property", ErrorCode::NX_UNKNOWN_ED_PROP, reason);
        // The length counts the header and has 8 bits.
        let fine = property.body.len() <= usize::from(u8::MAX) - 4;
        to.check(fine, "action.encap.property.len", ErrorCode::NX_BAD_ED_PROP, "is longer than 255 octets");
    }
}
