//! The checks of [`super::check`] for the actions that Open vSwitch has beside OpenFlow 1.3.

use super::check::{Follower, one_inside, out_port, settable};
use super::field::place;
use super::flow_key::Slot;
use super::flow_match::Known;
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::TableId;
use crate::nicira::{
    BundleAlgorithm, BundlePorts, ConnectionTracking, CtFlags, CtZone, HashFields, Learn, LearnDestination,
    LearnSource, Multipath, MultipathAlgorithm, Nat, NatFlags, NatRange, NiciraAction, Subfield,
};
use crate::oxm::OxmKind;
use net::PortNo;

/// What can be said of an action alone, which stands `depth` deep in others.
pub(super) fn one(action: &NiciraAction, depth: u8) -> Result<(), ErrorCode> {
    match action {
        NiciraAction::RegMove { source, destination } => {
            header(*source)?;
            header(*destination)?;
            readable(*source)?;
            writable(*destination)
        }
        NiciraAction::RegLoad { destination, value } => {
            writable(*destination)?;
            let fits = destination.bits >= 64 || value >> destination.bits == 0;
            if fits { Ok(()) } else { Err(ErrorCode::ACTION_BAD_ARGUMENT) }
        }
        NiciraAction::RegLoad2(field) => {
            let kind = field.kind();
            settable(kind)?;
            if kind.writable().unwrap_or(false) { Ok(()) } else { Err(ErrorCode::ACTION_BAD_SET_ARGUMENT) }
        }
        NiciraAction::StackPush(source) => header(*source).and_then(|()| readable(*source)),
        NiciraAction::StackPop(destination) => header(*destination).and_then(|()| writable(*destination)),
        NiciraAction::OutputReg { source, .. } => readable(*source),
        NiciraAction::OutputReg2 { source, .. } => header(*source).and_then(|()| readable(*source)),
        NiciraAction::OutputTrunc { max_len, .. } if *max_len < ETH_HEADER_LEN => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        NiciraAction::Multipath(multipath) => self::multipath(multipath),
        NiciraAction::Bundle(bundle) => self::bundle(bundle),
        NiciraAction::Learn(learn) => self::learn(learn),
        NiciraAction::Conjunction { clause, clauses, .. } => {
            let fits = (2..=64).contains(clauses) && clause < clauses;
            if fits { Ok(()) } else { Err(ErrorCode::NX_BAD_CONJUNCTION) }
        }
        NiciraAction::Sample(sample) if sample.probability == 0 => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        NiciraAction::CheckPktLarger { destination, .. } => header(*destination).and_then(|()| writable(*destination)),
        NiciraAction::Clone(actions) => {
            actions.iter().try_for_each(|action| one_inside(action, depth + 1))?;
            together(actions, false)
        }
        NiciraAction::Ct(ct) => connection_tracking(ct, depth),
        NiciraAction::DeleteField(kind) if kind.is_variable() => Err(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD),
        NiciraAction::DeleteField(_) => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        // Those that Open vSwitch takes on OpenFlow 1.0 alone, and other kinds of packets than Ethernet, which this switch hasn't.
        NiciraAction::SetQueue(_)
        | NiciraAction::DecTtl
        | NiciraAction::PushMpls(_)
        | NiciraAction::PopMpls(_)
        | NiciraAction::SetMplsTtl(_)
        | NiciraAction::DecMplsTtl
        | NiciraAction::SetMplsLabel(_)
        | NiciraAction::SetMplsTc(_)
        | NiciraAction::Group(_)
        | NiciraAction::Encap(_)
        | NiciraAction::Decap { .. }
        | NiciraAction::DecNshTtl => Err(ErrorCode::ACTION_BAD_EXP_TYPE),
        NiciraAction::Resubmit { .. }
        | NiciraAction::ResubmitTable { .. }
        | NiciraAction::SetTunnel(_)
        | NiciraAction::SetTunnel64(_)
        | NiciraAction::PopQueue
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
        | NiciraAction::Nat(_) => Ok(()),
    }
}

/// The least that may be left of a packet.
const ETH_HEADER_LEN: u32 = 14;

/// A field whose header stands in the action as in a match: one that isn't known is a bad field.
fn header(subfield: Subfield) -> Result<(), ErrorCode> {
    match place(subfield.kind) {
        Some(_) => Ok(()),
        None if subfield.kind.is_variable() => Err(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD),
        None => Err(ErrorCode::MATCH_BAD_FIELD),
    }
}

/// Whether these are bits of a field.
pub(super) fn readable(subfield: Subfield) -> Result<(), ErrorCode> {
    if place(subfield.kind).is_none() {
        let unmapped = subfield.kind.is_variable();
        return Err(if unmapped { ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD } else { ErrorCode::ACTION_BAD_SET_TYPE });
    }
    let width = u32::from(subfield.kind.subfield_bits().unwrap_or(0));
    let end = u32::from(subfield.offset) + u32::from(subfield.bits);
    if subfield.bits == 0 || end > width { Err(ErrorCode::ACTION_BAD_SET_LEN) } else { Ok(()) }
}

/// Whether these are bits of a field that may be set.
pub(super) fn writable(subfield: Subfield) -> Result<(), ErrorCode> {
    readable(subfield)?;
    if subfield.kind.writable().unwrap_or(false) { Ok(()) } else { Err(ErrorCode::ACTION_BAD_SET_ARGUMENT) }
}

fn known_hash(fields: HashFields) -> Result<(), ErrorCode> {
    if fields.name().is_some() { Ok(()) } else { Err(ErrorCode::ACTION_BAD_ARGUMENT) }
}

fn multipath(multipath: &Multipath) -> Result<(), ErrorCode> {
    if place(multipath.destination.kind).is_none() {
        return readable(multipath.destination);
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
    writable(multipath.destination)
}

/// Ports to choose from; more get OFPBAC_BAD_ARGUMENT, as in Open vSwitch.
const MAX_MEMBERS: usize = 2_048;

fn bundle(bundle: &BundlePorts) -> Result<(), ErrorCode> {
    known_hash(bundle.fields)?;
    let known = matches!(bundle.algorithm, BundleAlgorithm::ACTIVE_BACKUP | BundleAlgorithm::HRW);
    if !known || bundle.members.len() > MAX_MEMBERS {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let Some(destination) = bundle.destination {
        if place(destination.kind).is_some() && destination.bits < 16 {
            return Err(ErrorCode::ACTION_BAD_ARGUMENT);
        }
        writable(destination)?;
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

fn learn(learn: &Learn) -> Result<(), ErrorCode> {
    if learn.table_id == TableId::ALL || learn.flags.has_unknown() {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let Some(result) = learn.limit.and_then(|limit| limit.result) {
        header(result)?;
        writable(result)?;
    }
    for spec in &learn.specs {
        if let LearnSource::Field(source) = &spec.source {
            readable(*source)?;
        }
        if let LearnDestination::Match(destination) | LearnDestination::Load(destination) = spec.destination
            && place(destination.kind).is_none()
        {
            return readable(destination);
        }
        if matches!((&spec.source, spec.destination), (LearnSource::Immediate { .. }, LearnDestination::Output)) {
            return Err(ErrorCode::ACTION_BAD_ARGUMENT);
        }
    }
    Ok(())
}

fn connection_tracking(ct: &ConnectionTracking, depth: u8) -> Result<(), ErrorCode> {
    let commits = ct.flags.contains(CtFlags::COMMIT);
    if ct.flags.contains(CtFlags::FORCE) && !commits {
        return Err(ErrorCode::ACTION_BAD_ARGUMENT);
    }
    if let CtZone::Field(zone) = ct.zone {
        readable(zone)?;
        if zone.bits != 16 {
            return Err(ErrorCode::ACTION_BAD_SET_LEN);
        }
    }
    ct.actions.iter().try_for_each(|action| one_inside(action, depth + 1))?;
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

/// Whether actions outside of `ct` may stand together. `alone`: nothing else belongs to the flow.
pub(super) fn together(actions: &[Action], alone: bool) -> Result<(), ErrorCode> {
    let mut metadata_written = false;
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
    }
    Ok(())
}

impl Follower {
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
            NiciraAction::FinTimeout { .. } => return Ok(self.known.value.get(Slot::IP_PROTO) == 6),
            NiciraAction::DecNshTtl => return Ok(self.known.value.eth_type() == 0x894f),
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

    fn learn(&self, learn: &Learn) -> Result<(), ErrorCode> {
        let mut learned = Known::default();
        for spec in &learn.specs {
            if let LearnSource::Field(source) = &spec.source {
                self.require(source.kind)?;
            }
            match spec.destination {
                LearnDestination::Match(destination) => {
                    readable(destination)?;
                    if !learned.prerequisites_hold(destination.kind) {
                        return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
                    }
                    if let LearnSource::Immediate { value, .. } = &spec.source {
                        learned.constrain(destination, super::field::number(value));
                    }
                }
                LearnDestination::Load(destination) => {
                    readable(destination)?;
                    if !learned.prerequisites_hold(destination.kind) {
                        return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
                    }
                    writable(destination)?;
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
