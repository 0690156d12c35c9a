//! Nicira's actions in ovs-ofctl's words.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv6Addr;

use net::PortNo;

use super::action::{Actions, delete_field, write_metadata, write_set_field};
use super::field::{Form, Set, form, write_hex};
use super::text::{Hex, Parts};
use crate::action::{Action, CONTROLLER_NO_BUFFER};
use crate::flow::DEFAULT_PRIORITY;
use crate::identifier::TableId;
use crate::nicira::{
    BundleAlgorithm, BundlePorts, ConnectionTracking, ControllerProperty, CtFlags, CtZone, Encap, HashFields, Learn,
    LearnDestination, LearnFlags, LearnSource, LearnSpec, Multipath, MultipathAlgorithm, Nat, NatFlags, NatPorts,
    NatRange, NiciraAction, Sample, SampleDirection, SamplingPort, Subfield,
};
use crate::oxm::OxmField;
use crate::packet::PacketInReason;

impl Display for NiciraAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            NiciraAction::Resubmit { in_port } => write_resubmit(f, *in_port, TableId::ALL, false),
            NiciraAction::ResubmitTable { in_port, table_id, with_ct } => {
                write_resubmit(f, *in_port, *table_id, *with_ct)
            }
            NiciraAction::SetTunnel(id) => write!(f, "set_tunnel:{}", Hex(u64::from(*id))),
            NiciraAction::SetTunnel64(id) => write!(f, "set_tunnel64:{}", Hex(*id)),
            NiciraAction::SetQueue(queue_id) => write!(f, "set_queue:{queue_id}"),
            NiciraAction::PopQueue => f.write_str("pop_queue"),
            NiciraAction::RegMove { source, destination } => write!(f, "move:{source}->{destination}"),
            NiciraAction::RegLoad { destination, value } => write!(f, "load:{}->{destination}", Hex(*value)),
            NiciraAction::RegLoad2(field) => write_set_field(f, field),
            NiciraAction::Note(octets) => {
                f.write_str("note:")?;
                write_dotted(f, octets)
            }
            NiciraAction::Multipath(multipath) => multipath.fmt(f),
            NiciraAction::Bundle(bundle) => bundle.fmt(f),
            NiciraAction::OutputReg { source, .. } | NiciraAction::OutputReg2 { source, .. } => {
                write!(f, "output:{source}")
            }
            NiciraAction::OutputTrunc { port, max_len } => write!(f, "output(port={port},max_len={max_len})"),
            NiciraAction::Learn(learn) => learn.fmt(f),
            NiciraAction::Exit => f.write_str("exit"),
            NiciraAction::DecTtl => f.write_str("dec_ttl"),
            NiciraAction::DecTtlCntIds(ids) => {
                f.write_str("dec_ttl(")?;
                let mut parts = Parts::new(f, ",");
                ids.iter().try_for_each(|id| parts.put(format_args!("{id}")))?;
                f.write_str(")")
            }
            NiciraAction::FinTimeout { idle_timeout, hard_timeout } => {
                f.write_str("fin_timeout(")?;
                let mut parts = Parts::new(f, ",");
                parts.put_if(*idle_timeout != 0, format_args!("idle_timeout={idle_timeout}"))?;
                parts.put_if(*hard_timeout != 0, format_args!("hard_timeout={hard_timeout}"))?;
                f.write_str(")")
            }
            NiciraAction::Controller { max_len, controller_id, reason } => write_controller(
                f,
                &[
                    ControllerProperty::MaxLen(*max_len),
                    ControllerProperty::ControllerId(*controller_id),
                    ControllerProperty::Reason(*reason),
                ],
            ),
            NiciraAction::Controller2(properties) => write_controller(f, properties),
            NiciraAction::WriteMetadata { metadata, mask } => write_metadata(f, *metadata, *mask),
            NiciraAction::PushMpls(ethertype) => write!(f, "push_mpls:{ethertype:#06x}"),
            NiciraAction::PopMpls(ethertype) => write!(f, "pop_mpls:{ethertype:#06x}"),
            NiciraAction::SetMplsTtl(ttl) => write!(f, "set_mpls_ttl({ttl})"),
            NiciraAction::DecMplsTtl => f.write_str("dec_mpls_ttl"),
            NiciraAction::StackPush(source) => write!(f, "push:{source}"),
            NiciraAction::StackPop(destination) => write!(f, "pop:{destination}"),
            NiciraAction::Sample(sample) => sample.fmt(f),
            NiciraAction::SetMplsLabel(label) => write!(f, "set_mpls_label({label})"),
            NiciraAction::SetMplsTc(tc) => write!(f, "set_mpls_tc({tc})"),
            NiciraAction::Conjunction { clause, clauses, id } => {
                write!(f, "conjunction({id},{}/{clauses})", u16::from(*clause) + 1)
            }
            NiciraAction::Ct(ct) => ct.fmt(f),
            NiciraAction::Nat(nat) => nat.fmt(f),
            NiciraAction::Group(group_id) => write!(f, "group:{}", group_id.0),
            NiciraAction::Clone(actions) => write!(f, "clone({})", Actions(actions)),
            NiciraAction::CtClear => f.write_str("ct_clear"),
            NiciraAction::Encap(encap) => encap.fmt(f),
            NiciraAction::Decap { packet_type: USE_NEXT_PROTOCOL } => f.write_str("decap()"),
            NiciraAction::Decap { packet_type } => {
                let (space, number) = (packet_type >> 16, packet_type & 0xffff);
                write!(f, "decap(packet_type(ns={space},type={}))", Hex(u64::from(number)))
            }
            NiciraAction::DecNshTtl => f.write_str("dec_nsh_ttl"),
            NiciraAction::CheckPktLarger { length, destination } => {
                write!(f, "check_pkt_larger({length})->{destination}")
            }
            NiciraAction::DeleteField(kind) => delete_field(f, *kind),
        }
    }
}

/// The packet type of a `decap` that leaves it to the header to say what the packet becomes.
pub(crate) const USE_NEXT_PROTOCOL: u32 = 0xfffe;

fn write_resubmit(f: &mut Formatter<'_>, in_port: PortNo, table_id: TableId, with_ct: bool) -> fmt::Result {
    if table_id == TableId::ALL && in_port != PortNo::IN_PORT && !with_ct {
        return write!(f, "resubmit:{in_port}");
    }
    f.write_str("resubmit(")?;
    if in_port != PortNo::IN_PORT {
        write!(f, "{in_port}")?;
    }
    f.write_str(",")?;
    if table_id != TableId::ALL {
        write!(f, "{}", table_id.0)?;
    }
    f.write_str(if with_ct { ",ct)" } else { ")" })
}

/// Octets with a dot between each two.
pub(super) fn write_dotted(f: &mut Formatter<'_>, octets: &[u8]) -> fmt::Result {
    let mut parts = Parts::new(f, ".");
    octets.iter().try_for_each(|octet| parts.put(format_args!("{octet:02x}")))
}

fn hash_fields(fields: HashFields) -> &'static str {
    HASH_FIELDS.iter().find(|(_, number)| *number == fields).map_or("<unknown>", |(name, _)| *name)
}

/// ovs-ofctl's words for what is hashed.
pub(crate) const HASH_FIELDS: [(&str, HashFields); 7] = [
    ("eth_src", HashFields::ETH_SRC),
    ("symmetric_l4", HashFields::SYMMETRIC_L4),
    ("symmetric_l3l4", HashFields::SYMMETRIC_L3L4),
    ("symmetric_l3l4+udp", HashFields::SYMMETRIC_L3L4_UDP),
    ("nw_src", HashFields::NW_SRC),
    ("nw_dst", HashFields::NW_DST),
    ("symmetric_l3", HashFields::SYMMETRIC_L3),
];

/// ovs-ofctl's words for the algorithms of `multipath`.
pub(crate) const MULTIPATH_ALGORITHMS: [(&str, MultipathAlgorithm); 4] = [
    ("modulo_n", MultipathAlgorithm::MODULO_N),
    ("hash_threshold", MultipathAlgorithm::HASH_THRESHOLD),
    ("hrw", MultipathAlgorithm::HRW),
    ("iter_hash", MultipathAlgorithm::ITER_HASH),
];

/// ovs-ofctl's words for the algorithms of `bundle`.
pub(crate) const BUNDLE_ALGORITHMS: [(&str, BundleAlgorithm); 2] =
    [("active_backup", BundleAlgorithm::ACTIVE_BACKUP), ("hrw", BundleAlgorithm::HRW)];

impl Display for Multipath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let algorithm = MULTIPATH_ALGORITHMS.iter().find(|(_, number)| *number == self.algorithm);
        let algorithm = algorithm.map_or("<unknown>", |(name, _)| *name);
        let links = u32::from(self.max_link) + 1;
        write!(f, "multipath({},{},{algorithm},{links}", hash_fields(self.fields), self.basis)?;
        write!(f, ",{},{})", self.argument, self.destination)
    }
}

impl Display for BundlePorts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let algorithm = BUNDLE_ALGORITHMS.iter().find(|(_, number)| *number == self.algorithm);
        let algorithm = algorithm.map_or("<unknown>", |(name, _)| *name);
        let name = if self.destination.is_some() { "bundle_load" } else { "bundle" };
        write!(f, "{name}({},{},{algorithm},ofport,", hash_fields(self.fields), self.basis)?;
        if let Some(destination) = self.destination {
            write!(f, "{destination},")?;
        }
        f.write_str("members:")?;
        let mut parts = Parts::new(f, ",");
        self.members.iter().try_for_each(|port| parts.put(format_args!("{port}")))?;
        f.write_str(")")
    }
}

/// The reason of a packet-in as a word.
pub(super) fn packet_in_reason(reason: PacketInReason) -> Option<&'static str> {
    PACKET_IN_REASONS.iter().find(|(_, number)| *number == reason).map(|(name, _)| *name)
}

/// ovs-ofctl's words for reasons. The last three are OpenFlow 1.4's, which Open vSwitch lets its own action name.
pub(crate) const PACKET_IN_REASONS: [(&str, PacketInReason); 6] = [
    ("no_match", PacketInReason::NO_MATCH),
    ("action", PacketInReason::ACTION),
    ("invalid_ttl", PacketInReason::INVALID_TTL),
    ("action_set", PacketInReason(3)),
    ("group", PacketInReason(4)),
    ("packet_out", PacketInReason(5)),
];

fn write_controller(f: &mut Formatter<'_>, properties: &[ControllerProperty]) -> fmt::Result {
    // Always in this order, as ovs-ofctl does; a property that is as it would be without is not printed.
    let mut reason = PacketInReason::ACTION;
    let mut max_len = CONTROLLER_NO_BUFFER;
    let (mut controller_id, mut userdata, mut pause, mut meter_id) = (0, None, false, None);
    for property in properties {
        match property {
            ControllerProperty::MaxLen(octets) => max_len = *octets,
            ControllerProperty::ControllerId(id) => controller_id = *id,
            ControllerProperty::Reason(of) => reason = *of,
            ControllerProperty::Userdata(octets) => userdata = Some(octets).filter(|octets| !octets.is_empty()),
            ControllerProperty::Pause => pause = true,
            ControllerProperty::MeterId(id) => meter_id = Some(*id),
            ControllerProperty::Unknown { .. } => {}
        }
    }
    let plain = reason == PacketInReason::ACTION && controller_id == 0 && userdata.is_none() && !pause;
    if plain && meter_id.is_none() {
        return write!(f, "CONTROLLER:{max_len}");
    }
    f.write_str("controller(")?;
    let mut parts = Parts::new(f, ",");
    match packet_in_reason(reason) {
        Some(name) => parts.put_if(reason != PacketInReason::ACTION, format_args!("reason={name}"))?,
        None => parts.put(format_args!("reason={}", reason.0))?,
    }
    parts.put_if(max_len != CONTROLLER_NO_BUFFER, format_args!("max_len={max_len}"))?;
    parts.put_if(controller_id != 0, format_args!("id={controller_id}"))?;
    if let Some(octets) = userdata {
        parts.put(format_args!("userdata="))?;
        write_dotted(parts.f, octets)?;
    }
    parts.put_if(pause, format_args!("pause"))?;
    if let Some(meter_id) = meter_id {
        parts.put(format_args!("meter_id={meter_id}"))?;
    }
    f.write_str(")")
}

impl Display for Sample {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Sample { probability, collector_set_id, obs_domain_id, obs_point_id, sampling } = *self;
        write!(f, "sample(probability={probability},collector_set_id={collector_set_id}")?;
        write!(f, ",obs_domain_id={obs_domain_id},obs_point_id={obs_point_id}")?;
        if let Some(SamplingPort { port, direction }) = sampling {
            if port != PortNo::ANY {
                write!(f, ",sampling_port={port}")?;
            }
            match direction {
                Some(SampleDirection::INGRESS) => f.write_str(",ingress")?,
                Some(SampleDirection::EGRESS) => f.write_str(",egress")?,
                _ => {}
            }
        }
        f.write_str(")")
    }
}

impl Display for ConnectionTracking {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ct(")?;
        let mut parts = Parts::new(f, ",");
        parts.put_if(self.flags.contains(CtFlags::COMMIT), format_args!("commit"))?;
        parts.put_if(self.flags.contains(CtFlags::FORCE), format_args!("force"))?;
        if let Some(table_id) = self.table_id {
            parts.put(format_args!("table={}", table_id.0))?;
        }
        match self.zone {
            CtZone::Immediate(zone) => parts.put_if(zone != 0, format_args!("zone={zone}"))?,
            CtZone::Field(field) => parts.put(format_args!("zone={field}"))?,
        }
        // The first action is printed beside the others if it is a translation of addresses.
        let (nat, rest) = match self.actions.split_first() {
            Some((Action::Nicira(NiciraAction::Nat(nat)), rest)) => (Some(nat), rest),
            _ => (None, &self.actions[..]),
        };
        if let Some(nat) = nat {
            parts.put(format_args!("{nat}"))?;
        }
        parts.put_if(!rest.is_empty(), format_args!("exec({})", Actions(rest)))?;
        match self.alg {
            0 => {}
            ALG_FTP => parts.put(format_args!("alg=ftp"))?,
            ALG_TFTP => parts.put(format_args!("alg=tftp"))?,
            port => parts.put(format_args!("alg={port}"))?,
        }
        f.write_str(")")
    }
}

/// The port of FTP, whose connections need a helper.
pub(crate) const ALG_FTP: u16 = 21;
/// The port of TFTP, whose connections need a helper.
pub(crate) const ALG_TFTP: u16 = 69;

impl Display for Nat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("nat")?;
        if self.flags.0 & (NatFlags::SRC | NatFlags::DST).0 == 0 {
            return Ok(());
        }
        f.write_str(if self.flags.contains(NatFlags::SRC) { "(src" } else { "(dst" })?;
        match self.range {
            NatRange::None => return f.write_str(")"),
            NatRange::Ipv4 { min, max, ports } => {
                write!(f, "={min}")?;
                if let Some(max) = max.filter(|max| *max != min) {
                    write!(f, "-{max}")?;
                }
                write_ports(f, ports)?;
            }
            NatRange::Ipv6 { min, max, ports } => {
                f.write_str("=")?;
                write_ipv6(f, min, ports.is_some())?;
                if let Some(max) = max.filter(|max| *max != min) {
                    f.write_str("-")?;
                    write_ipv6(f, max, ports.is_some())?;
                }
                write_ports(f, ports)?;
            }
        }
        for (flag, word) in [
            (NatFlags::PERSISTENT, ",persistent"),
            (NatFlags::PROTO_HASH, ",hash"),
            (NatFlags::PROTO_RANDOM, ",random"),
        ] {
            f.write_str(if self.flags.contains(flag) { word } else { "" })?;
        }
        f.write_str(")")
    }
}

fn write_ports(f: &mut Formatter<'_>, ports: Option<NatPorts>) -> fmt::Result {
    let Some(NatPorts { min, max }) = ports else { return Ok(()) };
    write!(f, ":{min}")?;
    match max.filter(|max| *max != min) {
        Some(max) => write!(f, "-{max}"),
        None => Ok(()),
    }
}

fn write_ipv6(f: &mut Formatter<'_>, address: Ipv6Addr, brackets: bool) -> fmt::Result {
    if brackets { write!(f, "[{address}]") } else { write!(f, "{address}") }
}

impl Display for Learn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "learn(table={}", self.table_id.0)?;
        let mut parts = Parts { f, separator: ",", started: true };
        parts.put_if(self.idle_timeout != 0, format_args!("idle_timeout={}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard_timeout={}", self.hard_timeout))?;
        parts.put_if(self.fin_idle_timeout != 0, format_args!("fin_idle_timeout={}", self.fin_idle_timeout))?;
        parts.put_if(self.fin_hard_timeout != 0, format_args!("fin_hard_timeout={}", self.fin_hard_timeout))?;
        parts.put_if(self.priority != DEFAULT_PRIORITY, format_args!("priority={}", self.priority))?;
        parts.put_if(self.flags.contains(LearnFlags::SEND_FLOW_REM), format_args!("send_flow_rem"))?;
        parts.put_if(self.flags.contains(LearnFlags::DELETE_LEARNED), format_args!("delete_learned"))?;
        parts.put_if(self.cookie != 0, format_args!("cookie={:#x}", self.cookie))?;
        if let Some(limit) = self.limit {
            parts.put_if(limit.limit != 0, format_args!("limit={}", limit.limit))?;
            if let Some(result) = limit.result {
                parts.put(format_args!("result_dst={result}"))?;
            }
        }
        self.specs.iter().try_for_each(|spec| parts.put(format_args!("{spec}")))?;
        f.write_str(")")
    }
}

impl Display for LearnSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.source, self.destination) {
            (LearnSource::Field(source), LearnDestination::Match(to)) if *source == to => to.fmt(f),
            (LearnSource::Field(source), LearnDestination::Match(to)) => write!(f, "{to}={source}"),
            (LearnSource::Field(source), LearnDestination::Load(to)) => write!(f, "load:{source}->{to}"),
            (LearnSource::Field(source), LearnDestination::Output) => write!(f, "output:{source}"),
            (LearnSource::Immediate { value, .. }, LearnDestination::Match(to)) => write_learn_match(f, to, value),
            (LearnSource::Immediate { value, .. }, LearnDestination::Load(to)) => {
                f.write_str("load:")?;
                write_hex(f, value)?;
                write!(f, "->{to}")
            }
            // No switch takes it, and the types can't rule it out.
            (LearnSource::Immediate { value, .. }, LearnDestination::Output) => {
                f.write_str("output:")?;
                write_hex(f, value)
            }
        }
    }
}

/// `eth_type=0x800`, and `NXM_NX_REG0[0..3]=0x5` for a part of a field.
fn write_learn_match(f: &mut Formatter<'_>, to: Subfield, value: &[u8]) -> fmt::Result {
    let whole = to.offset == 0 && Some(to.bits) == to.kind.subfield_bits();
    if let Some(name) = to.kind.ovs_name().filter(|_| whole) {
        let octets = to.kind.value_len().unwrap_or(value.len());
        let mut full = vec![0; octets.saturating_sub(value.len())];
        full.extend_from_slice(value.get(value.len().saturating_sub(octets)..).unwrap_or_default());
        // The label of a flow has no form of its own here.
        debug_assert!(form(to.kind) != Some(Form::Wide) || octets > 8);
        return write!(f, "{name}={}", Set(OxmField { kind: to.kind, value: &full, mask: None }));
    }
    write!(f, "{to}=")?;
    write_hex(f, value)
}

/// What `encap` can put in front of a packet, and what the packet is then.
pub(crate) const ENCAPSULATIONS: [(&str, u32); 4] =
    [("ethernet", 0), ("nsh", 0x0001_894f), ("mpls", 0x0001_8847), ("mpls_mc", 0x0001_8848)];

/// The class of the properties of a network service header.
pub(crate) const NSH_CLASS: u16 = 4;
/// The property that says the type of a network service header's metadata.
pub(crate) const NSH_MD_TYPE: u8 = 1;
/// The property that is one metadata TLV of a network service header: class, type, length, octets.
pub(crate) const NSH_TLV: u8 = 2;

impl Display for Encap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match ENCAPSULATIONS.iter().find(|(_, packet_type)| *packet_type == self.packet_type) {
            Some((name, _)) => write!(f, "encap({name}")?,
            None => write!(f, "encap({:#x}", self.packet_type)?,
        }
        if self.properties.is_empty() {
            return f.write_str(")");
        }
        f.write_str("(")?;
        let mut parts = Parts::new(f, ",");
        for property in &self.properties {
            match (property.class, property.property_type, &property.body[..]) {
                (NSH_CLASS, NSH_MD_TYPE, [md_type, ..]) => parts.put(format_args!("md_type={md_type}"))?,
                (NSH_CLASS, NSH_TLV, [high, low, tlv_type, length, value @ ..]) => {
                    let class = u16::from_be_bytes([*high, *low]);
                    parts.put(format_args!("tlv({class:#06x},{tlv_type},"))?;
                    write_hex_all(parts.f, value.get(..usize::from(*length)).unwrap_or(value))?;
                    parts.f.write_str(")")?;
                }
                (class, number, body) => {
                    parts.put(format_args!("property({class},{number},"))?;
                    write_hex_all(parts.f, body)?;
                    parts.f.write_str(")")?;
                }
            }
        }
        f.write_str("))")
    }
}

/// `0x` and every octet.
fn write_hex_all(f: &mut Formatter<'_>, octets: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
