//! The checks of [`super::check`] for the actions that Open vSwitch has beside OpenFlow 1.3.

use super::check::{Follower, Options, is_there, one_inside, out_port, settable, width};
use super::extract::ETH_NSH;
use super::flow_key::Slot;
use super::flow_match::Known;
use super::headers;
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::TableId;
use crate::nicira::{
    BundleAlgorithm, BundlePorts, ConnectionTracking, CtFlags, CtZone, Encap, HashFields, Learn, LearnDestination,
    LearnSource, Multipath, MultipathAlgorithm, Nat, NatFlags, NatRange, NiciraAction, Subfield,
};
use crate::oxm::{OxmFieldOwned, OxmKind};
use net::PortNo;

/// What can be said of an action alone, which stands `depth` deep in others.
pub(super) fn one(action: &NiciraAction, depth: u8, options: Options<'_>) -> Result<(), ErrorCode> {
    match action {
        NiciraAction::RegMove { source, destination } => {
            header(*source, options)?;
            header(*destination, options)?;
            readable(*source, options)?;
            writable(*destination, options)
        }
        NiciraAction::RegLoad { destination, value } => {
            writable(*destination, options)?;
            let fits = destination.bits >= 64 || value >> destination.bits == 0;
            if fits { Ok(()) } else { Err(ErrorCode::ACTION_BAD_ARGUMENT) }
        }
        NiciraAction::RegLoad2(field) => {
            let kind = field.kind();
            settable(kind, options)?;
            if kind.writable().unwrap_or(false) { Ok(()) } else { Err(ErrorCode::ACTION_BAD_SET_ARGUMENT) }
        }
        NiciraAction::StackPush(source) => header(*source, options).and_then(|()| readable(*source, options)),
        NiciraAction::StackPop(destination) => {
            header(*destination, options).and_then(|()| writable(*destination, options))
        }
        NiciraAction::OutputReg { source, .. } => readable(*source, options),
        NiciraAction::OutputReg2 { source, .. } => header(*source, options).and_then(|()| readable(*source, options)),
        NiciraAction::OutputTrunc { max_len, .. } if *max_len < ETH_HEADER_LEN => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        NiciraAction::Multipath(multipath) => self::multipath(multipath, options),
        NiciraAction::Bundle(bundle) => self::bundle(bundle, options),
        NiciraAction::Learn(learn) => self::learn(learn, options),
        NiciraAction::Conjunction { clause, clauses, .. } => {
            let fits = (2..=64).contains(clauses) && clause < clauses;
            if fits { Ok(()) } else { Err(ErrorCode::NX_BAD_CONJUNCTION) }
        }
        NiciraAction::Sample(sample) if sample.probability == 0 => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        NiciraAction::CheckPktLarger { destination, .. } => {
            header(*destination, options).and_then(|()| writable(*destination, options))
        }
        NiciraAction::Clone(actions) => {
            actions.iter().try_for_each(|action| one_inside(action, depth + 1, options))?;
            together(actions, Place::List)
        }
        NiciraAction::Ct(ct) => connection_tracking(ct, depth, options),
        NiciraAction::DeleteField(kind) if kind.is_variable() => header(Subfield::whole(*kind), options),
        NiciraAction::DeleteField(_) => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        // Those that Open vSwitch takes on OpenFlow 1.0 alone.
        NiciraAction::SetQueue(_)
        | NiciraAction::DecTtl
        | NiciraAction::PushMpls(_)
        | NiciraAction::PopMpls(_)
        | NiciraAction::SetMplsTtl(_)
        | NiciraAction::DecMplsTtl
        | NiciraAction::SetMplsLabel(_)
        | NiciraAction::SetMplsTc(_)
        | NiciraAction::Group(_) => Err(ErrorCode::ACTION_BAD_EXP_TYPE),
        NiciraAction::Encap(encap) => self::encap(encap),
        NiciraAction::Resubmit { .. }
        | NiciraAction::ResubmitTable { .. }
        | NiciraAction::SetTunnel(_)
        | NiciraAction::SetTunnel64(_)
        | NiciraAction::PopQueue
        | NiciraAction::DecNshTtl
        | NiciraAction::Note(_)
        | NiciraAction::OutputTrunc { .. }
        | NiciraAction::Exit
        | NiciraAction::DecTtlCntIds(_)
        | NiciraAction::FinTimeout { .. }
        | NiciraAction::Controller { .. }
        | NiciraAction::Controller2(_)
        | NiciraAction::WriteMetadata { .. }
        | NiciraAction::Sample(_)
        | NiciraAction::CtClear
        | NiciraAction::Decap { .. }
        | NiciraAction::Nat(_) => Ok(()),
    }
}

/// `encap(mpls)` has a label outside of the Ethernet header, which this switch does not follow.
fn encap(encap: &Encap) -> Result<(), ErrorCode> {
    match encap.packet_type {
        headers::ETHERNET | headers::NSH => {}
        0x0001_8847 | 0x0001_8848 => return Err(ErrorCode::ACTION_BAD_EXP_TYPE),
        _ => return Err(ErrorCode::NX_BAD_HEADER_TYPE),
    }
    for property in &encap.properties {
        let len = property.body.len();
        match (property.class, property.property_type) {
            // One octet and its padding; none at all is read as zeros.
            (4, 1) if len <= 4 => {}
            (4, 2) if property.body.get(3).is_some_and(|value| len == 4 + usize::from(*value).next_multiple_of(8)) => {}
            (4, 1 | 2) => return Err(ErrorCode::NX_BAD_ED_PROP),
            _ => return Err(ErrorCode::NX_UNKNOWN_ED_PROP),
        }
    }
    Ok(())
}

/// The least that may be left of a packet.
const ETH_HEADER_LEN: u32 = 14;

/// A field whose header stands in the action as in a match: one that isn't known is a bad field.
fn header(subfield: Subfield, options: Options<'_>) -> Result<(), ErrorCode> {
    match is_there(subfield.kind, options) {
        true => Ok(()),
        false if subfield.kind.is_variable() => Err(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD),
        false => Err(ErrorCode::MATCH_BAD_FIELD),
    }
}

/// Whether these are bits of a field.
pub(super) fn readable(subfield: Subfield, options: Options<'_>) -> Result<(), ErrorCode> {
    if !is_there(subfield.kind, options) {
        let unmapped = subfield.kind.is_variable();
        return Err(if unmapped { ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD } else { ErrorCode::ACTION_BAD_SET_TYPE });
    }
    let end = usize::from(subfield.offset) + usize::from(subfield.bits);
    if subfield.bits == 0 || end > width(subfield.kind, options) { Err(ErrorCode::ACTION_BAD_SET_LEN) } else { Ok(()) }
}

/// Whether these are bits of a field that may be set.
pub(super) fn writable(subfield: Subfield, options: Options<'_>) -> Result<(), ErrorCode> {
    readable(subfield, options)?;
    if subfield.kind.writable().unwrap_or(false) { Ok(()) } else { Err(ErrorCode::ACTION_BAD_SET_ARGUMENT) }
}

fn known_hash(fields: HashFields) -> Result<(), ErrorCode> {
    if fields.name().is_some() { Ok(()) } else { Err(ErrorCode::ACTION_BAD_ARGUMENT) }
}

fn multipath(multipath: &Multipath, options: Options<'_>) -> Result<(), ErrorCode> {
    if !is_there(multipath.destination.kind, options) {
        return readable(multipath.destination, options);
    }
    known_hash(multipath.fields)?;
    let known = matches!(
        multipath.algorithm,
        MultipathAlgorithm::MODULO_N
            | MultipathAlgorithm::HASH_THRESHOLD
            | MultipathAlgorithm::HRW
            | MultipathAlgorithm::ITER_HASH
    );
    let needed = (u32::from(multipath.max_link) + 1).next_power_of_two().trailing_zeros();
    if !known || u32::from(multipath.destination.bits) < needed {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    writable(multipath.destination, options)
}

/// Ports to choose from; more get OFPBAC_BAD_ARGUMENT, as in Open vSwitch.
const MAX_MEMBERS: usize = 2_048;

fn bundle(bundle: &BundlePorts, options: Options<'_>) -> Result<(), ErrorCode> {
    known_hash(bundle.fields)?;
    let known = matches!(bundle.algorithm, BundleAlgorithm::ACTIVE_BACKUP | BundleAlgorithm::HRW);
    if !known || bundle.members.len() > MAX_MEMBERS {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let Some(destination) = bundle.destination {
        if is_there(destination.kind, options) && destination.bits < 16 {
            return Err(ErrorCode::ACTION_BAD_ARGUMENT);
        }
        writable(destination, options)?;
    }
    for member in &bundle.members {
        match *member {
            PortNo::ANY => {}
            PortNo::CONTROLLER => return Err(ErrorCode::ACTION_BAD_OUT_PORT),
            port => out_port(port)?,
        }
    }
    Ok(())
}

fn learn(learn: &Learn, options: Options<'_>) -> Result<(), ErrorCode> {
    if learn.table_id == TableId::ALL || learn.flags.has_unknown() {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let Some(result) = learn.limit.and_then(|limit| limit.result) {
        header(result, options)?;
        writable(result, options)?;
    }
    for spec in &learn.specs {
        if let LearnSource::Field(source) = &spec.source {
            readable(*source, options)?;
        }
        if let LearnDestination::Match(destination) | LearnDestination::Load(destination) = spec.destination
            && !is_there(destination.kind, options)
        {
            return readable(destination, options);
        }
        if matches!((&spec.source, spec.destination), (LearnSource::Immediate { .. }, LearnDestination::Output)) {
            return Err(ErrorCode::ACTION_BAD_ARGUMENT);
        }
    }
    Ok(())
}

fn connection_tracking(ct: &ConnectionTracking, depth: u8, options: Options<'_>) -> Result<(), ErrorCode> {
    let commits = ct.flags.contains(CtFlags::COMMIT);
    if ct.flags.contains(CtFlags::FORCE) && !commits {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let CtZone::Field(zone) = ct.zone {
        readable(zone, options)?;
        if zone.bits != 16 {
            return Err(ErrorCode::ACTION_BAD_SET_LEN);
        }
    }
    ct.actions.iter().try_for_each(|action| one_inside(action, depth + 1, options))?;
    for action in &ct.actions {
        let plain_nat = match action {
            Action::Nicira(NiciraAction::Nat(nat)) => nat.flags == NatFlags::NONE && nat.range == NatRange::None,
            other => match destination(other) {
                Some(kind) if needs_connection(kind) => false,
                _ => return Err(ErrorCode::ACTION_BAD_ARGUMENT),
            },
        };
        if !commits && !plain_nat {
            return Err(ErrorCode::ACTION_BAD_ARGUMENT);
        }
    }
    Ok(())
}

/// The field that an action sets.
fn destination(action: &Action) -> Option<OxmKind> {
    match action {
        Action::SetField(field) | Action::Nicira(NiciraAction::RegLoad2(field)) => Some(field.kind()),
        Action::CopyField { destination, .. } => Some(destination.kind),
        Action::Nicira(
            NiciraAction::RegMove { destination, .. }
            | NiciraAction::RegLoad { destination, .. }
            | NiciraAction::StackPop(destination)
            | NiciraAction::CheckPktLarger { destination, .. },
        ) => Some(destination.kind),
        _ => None,
    }
}

/// Fields of a connection, not of a packet.
fn needs_connection(kind: OxmKind) -> bool {
    matches!(kind, OxmKind::CT_MARK | OxmKind::CT_LABEL)
}

/// Where a list of actions stands that is no `ct`'s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In an instruction, with others or alone.
    Instruction {
        /// Nothing else belongs to the flow.
        alone: bool,
    },
    /// In a packet-out, a bucket or a `clone`, where there are no instructions.
    List,
}

/// Whether actions outside of `ct` may stand together.
pub(super) fn together(actions: &[Action], place: Place) -> Result<(), ErrorCode> {
    let mut metadata_written = false;
    let alone = place != Place::Instruction { alone: false };
    for action in actions {
        if matches!(action, Action::Nicira(NiciraAction::Conjunction { .. })) {
            let fits = |action: &Action| {
                matches!(action, Action::Nicira(NiciraAction::Conjunction { .. } | NiciraAction::Note(_)))
            };
            return if alone && actions.iter().all(fits) { Ok(()) } else { Err(ErrorCode::NX_BAD_CONJUNCTION) };
        }
        let sets_connection = destination(action).is_some_and(needs_connection);
        if sets_connection || matches!(action, Action::Nicira(NiciraAction::Nat(_))) {
            return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
        }
        // Open vSwitch takes it for the instruction of that name, which comes after all that is applied.
        if metadata_written {
            return Err(ErrorCode::ACTION_UNSUPPORTED_ORDER);
        }
        metadata_written = matches!(action, Action::Nicira(NiciraAction::WriteMetadata { .. }));
        if metadata_written && place == Place::List {
            return Err(ErrorCode::INSTRUCTION_UNSUP_INST);
        }
    }
    Ok(())
}

/// Makes actions what Open vSwitch tells of them: a tunnel id is set by set-field.
pub(crate) fn keep(actions: &mut [Action]) {
    for action in actions {
        let id = match action {
            Action::Nicira(NiciraAction::SetTunnel(id)) => u64::from(*id),
            Action::Nicira(NiciraAction::SetTunnel64(id)) => *id,
            Action::Nicira(NiciraAction::Clone(actions)) => {
                keep(actions);
                continue;
            }
            _ => continue,
        };
        if let Some(field) = OxmFieldOwned::number(OxmKind::TUNNEL_ID, id) {
            *action = Action::SetField(field);
        }
    }
}

impl Follower<'_> {
    pub(super) fn extension(&mut self, action: &NiciraAction) -> Result<bool, ErrorCode> {
        match action {
            NiciraAction::RegMove { source, destination } => {
                self.require(source.kind)?;
                self.require(destination.kind)?;
            }
            NiciraAction::RegLoad { destination, value } => {
                self.set(destination.kind, u128::from(*value) << u32::from(destination.offset).min(64))?;
            }
            NiciraAction::RegLoad2(field) => {
                self.set(field.kind(), super::field::number(field.as_field().value))?;
            }
            NiciraAction::StackPush(subfield)
            | NiciraAction::StackPop(subfield)
            | NiciraAction::OutputReg { source: subfield, .. }
            | NiciraAction::OutputReg2 { source: subfield, .. } => self.require(subfield.kind)?,
            NiciraAction::Multipath(multipath) => self.require(multipath.destination.kind)?,
            NiciraAction::Bundle(bundle) => {
                bundle.destination.map_or(Ok(()), |destination| self.require(destination.kind))?;
            }
            NiciraAction::OutputTrunc { port, .. } => out_port(*port)?,
            NiciraAction::DecTtlCntIds(_) => return Ok(self.is_ip()),
            NiciraAction::Encap(encap) => {
                if encap.packet_type == headers::ETHERNET && self.known.mask.get(Slot::ETH_TYPE) == 0 {
                    // The type that the packet type had named goes with it.
                    self.known.value.set(Slot::ETH_TYPE, 0);
                }
                self.set_packet_type(encap.packet_type);
                if encap.packet_type >> 16 == 1 {
                    self.set_eth_type(encap.packet_type as u16);
                }
                if !self.is_ip() {
                    self.known.value.set(Slot::IP_PROTO, 0);
                }
            }
            NiciraAction::Decap { .. } if self.is_ethernet() => {
                self.set_packet_type(0x0001_0000 | u32::from(self.known.value.eth_type()));
            }
            // What is inside is known when it is there.
            NiciraAction::Decap { .. } => {
                self.set_packet_type(u32::MAX);
                self.set_eth_type(u16::MAX);
            }
            NiciraAction::DecNshTtl => return Ok(self.known.value.eth_type() == ETH_NSH),
            NiciraAction::FinTimeout { .. } => return Ok(self.known.value.get(Slot::IP_PROTO) == 6),
            // The original direction of a connection can't be looked up without one.
            NiciraAction::ResubmitTable { with_ct: true, .. } => self.require(OxmKind::CT_NW_PROTO)?,
            NiciraAction::Learn(learn) => self.learn(learn)?,
            NiciraAction::Clone(actions) => return self.clone().follow(actions),
            NiciraAction::Ct(ct) => return self.connection_tracking(ct),
            NiciraAction::Nat(nat) => self.nat(nat)?,
            _ => {}
        }
        Ok(true)
    }

    pub(super) fn is_ethernet(&self) -> bool {
        self.known.value.get(Slot::PACKET_TYPE) == u128::from(headers::ETHERNET)
    }

    fn set_packet_type(&mut self, packet_type: u32) {
        self.known.value.set(Slot::PACKET_TYPE, u128::from(packet_type));
        self.known.mask.set(Slot::PACKET_TYPE, Slot::PACKET_TYPE.full());
    }

    fn learn(&self, learn: &Learn) -> Result<(), ErrorCode> {
        let mut learned = Known::default();
        let options = Some(self.options);
        for spec in &learn.specs {
            if let LearnSource::Field(source) = &spec.source {
                self.require(source.kind)?;
            }
            match spec.destination {
                LearnDestination::Match(destination) => {
                    readable(destination, options)?;
                    if !learned.prerequisites_hold(destination.kind) {
                        return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
                    }
                    if let LearnSource::Immediate { value, .. } = &spec.source {
                        learned.constrain(destination, &super::tunnel_options::from_octets(value), self.options);
                    }
                }
                LearnDestination::Load(destination) => {
                    readable(destination, options)?;
                    if !learned.prerequisites_hold(destination.kind) {
                        return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
                    }
                    writable(destination, options)?;
                }
                LearnDestination::Output => {}
            }
        }
        Ok(())
    }

    fn connection_tracking(&self, ct: &ConnectionTracking) -> Result<bool, ErrorCode> {
        const FTP: u16 = 21;
        const TFTP: u16 = 69;
        let protocol = self.known.value.get(Slot::IP_PROTO);
        let fits = self.is_ip() && (ct.alg != FTP || protocol == 6) && (ct.alg != TFTP || protocol == 17);
        if !fits {
            return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
        }
        if let CtZone::Field(zone) = ct.zone {
            self.require(zone.kind)?;
        }
        self.clone().follow(&ct.actions)
    }

    fn nat(&self, nat: &Nat) -> Result<(), ErrorCode> {
        let eth_type = self.known.value.eth_type();
        let fits = match nat.range {
            NatRange::None => self.is_ip(),
            NatRange::Ipv4 { .. } => eth_type == 0x0800,
            NatRange::Ipv6 { .. } => eth_type == 0x86dd,
        };
        if fits { Ok(()) } else { Err(ErrorCode::ACTION_MATCH_INCONSISTENT) }
    }
}
