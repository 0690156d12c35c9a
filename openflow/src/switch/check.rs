//! Whether this switch can do what a flow, a bucket or a packet-out asks for. The first fault decides the error, in Open vSwitch's order:
//! each action as it stands, then which may stand together, then its consistency with the match.

pub(crate) use super::check_extension::keep;
use super::check_extension::{self as extension, Place};
use super::extract::{VLAN_PRESENT, is_mpls};
use super::field::{self, number, place};
use super::flow_key::{FlowKey, Slot};
use super::flow_match::Known;
use super::groups::Groups;
use super::meters::Meters;
use super::pipeline::may_stand_in_set;
use super::tables::{any_action, any_instruction};
use super::tunnel_options::TunnelOptions;
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::{GroupId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::nicira::{MAX_ACTION_DEPTH, NiciraAction};
use crate::oxm::{OxmField, OxmKind};
use bytes::BytesMut;
use net::PortNo;

/// Port numbers from here to the reserved ones can't exist: Open vSwitch keeps 16 bits of a port number.
pub const MAX_PORTS: u32 = 0xff00;

/// The reserved ports of OpenFlow 1.3 begin here, where Open vSwitch's 16 bits end: `OFPP_MAX`.
const FIRST_RESERVED_PORT: u32 = 0xffff_ff00;

/// Actions of one flow, or of all buckets of one group; more get OFPBAC_TOO_MANY. So that any flow and any group, with its counters, fits
/// into one part of a multipart reply.
pub const MAX_ACTIONS: usize = 1_024;

/// Octets of those actions on the wire; more get OFPBAC_TOO_MANY, for the same reason.
pub const MAX_ACTIONS_LEN: usize = 32_768;

/// Whether Open vSwitch can name a port with this number, there or not.
pub(crate) fn is_port_number(port: PortNo) -> bool {
    port.0 < MAX_PORTS || port.0 >= FIRST_RESERVED_PORT
}

/// The tunnel options that are mapped; `None` where Open vSwitch doesn't look: in buckets any field will do, in its greatest length.
pub(crate) type Options<'a> = Option<&'a TunnelOptions>;

/// The instructions in the order in which they are executed (OpenFlow 1.3.5 §5.9), if each one and each action makes sense alone.
pub(crate) fn instructions(
    instructions: &[Instruction],
    options: &TunnelOptions,
) -> Result<Vec<Instruction>, ErrorCode> {
    let own = Some(options);
    for (index, instruction) in instructions.iter().enumerate() {
        match instruction {
            Instruction::Experimenter { .. } => return Err(ErrorCode::INSTRUCTION_BAD_EXPERIMENTER),
            Instruction::Unknown { .. } => return Err(ErrorCode::INSTRUCTION_UNKNOWN_INST),
            _ => {}
        }
        let before = instructions.get(..index).unwrap_or_default();
        if before.iter().any(|other| order(other) == order(instruction)) {
            return Err(ErrorCode::INSTRUCTION_DUP_INST);
        }
    }
    let mut ordered = instructions.to_vec();
    ordered.sort_by_key(order);
    let mut size = Size::default();
    for instruction in &ordered {
        match instruction {
            Instruction::ApplyActions(list) => {
                list.iter().try_for_each(|action| one(action, own))?;
                size.add(list)?;
            }
            Instruction::WriteActions(list) => {
                list.iter().try_for_each(|action| one(action, own))?;
                if !list.iter().all(may_stand_in_set) {
                    return Err(ErrorCode::ACTION_BAD_TYPE);
                }
                size.add(list)?;
            }
            _ => {}
        }
    }
    for instruction in &ordered {
        if let Instruction::ApplyActions(list) = instruction {
            extension::together(list, Place::Instruction { alone: ordered.len() == 1 })?;
            // Nicira's write_metadata is the instruction of that name, before which the others have to stand.
            let writes = matches!(list.last(), Some(Action::Nicira(NiciraAction::WriteMetadata { .. })));
            let later = |other: &Instruction| order(other) > order(instruction);
            let fits = |other: &Instruction| !later(other) || matches!(other, Instruction::GotoTable(_));
            if writes && !ordered.iter().all(fits) {
                return Err(ErrorCode::ACTION_UNSUPPORTED_ORDER);
            }
        } else if let Instruction::WriteActions(list) = instruction {
            extension::together(list, Place::Instruction { alone: false })?;
        }
    }
    let mut metadata = None;
    for instruction in &mut ordered {
        if let Instruction::ApplyActions(list) | Instruction::WriteActions(list) = instruction {
            if let Some(Action::Nicira(NiciraAction::WriteMetadata { metadata: value, mask })) = list.last() {
                metadata = Some(Instruction::WriteMetadata { metadata: *value, mask: *mask });
                list.pop();
            }
            extension::keep(list);
        }
    }
    if let Some(instruction) = metadata {
        ordered.push(instruction);
        ordered.sort_by_key(order);
    }
    // Open vSwitch keeps no instruction that does nothing, and doesn't show one when it is asked.
    ordered.retain(|instruction| match instruction {
        Instruction::ApplyActions(list) | Instruction::WriteActions(list) => !list.is_empty(),
        _ => true,
    });
    Ok(options.kept(ordered))
}

/// How much the actions of one flow or group are.
#[derive(Default)]
pub(crate) struct Size {
    actions: usize,
    octets: usize,
}

impl Size {
    /// Adds a list, unless that is too much.
    pub(crate) fn add(&mut self, list: &[Action]) -> Result<(), ErrorCode> {
        any_action(list, &mut |_| {
            self.actions += 1;
            false
        });
        self.octets += list.iter().map(action_len).sum::<usize>();
        if self.actions > MAX_ACTIONS || self.octets > MAX_ACTIONS_LEN {
            return Err(ErrorCode::ACTION_TOO_MANY);
        }
        Ok(())
    }
}

/// Octets of an action on the wire, or a little more. No action of OpenFlow 1.3 is longer than a set-field of an IPv6 address: 24.
pub(crate) fn action_len(action: &Action) -> usize {
    match action {
        Action::Nicira(_) | Action::SetField(_) | Action::CopyField { .. } => {
            let mut octets = BytesMut::new();
            Action::encode_list(std::slice::from_ref(action), &mut octets);
            octets.len()
        }
        _ => 24,
    }
}

/// Whether ordered instructions fit together, the match and the table.
pub(crate) fn consistency(
    ordered: &[Instruction],
    table_id: TableId,
    n_tables: u8,
    known: &Known,
    options: &TunnelOptions,
) -> Result<(), ErrorCode> {
    let mut follower = Follower::of(known, options);
    let mut consistent = true;
    for instruction in ordered {
        match instruction {
            Instruction::Meter(meter_id) if meter_id.0 == 0 || meter_id.0 > MeterId::MAX.0 => {
                return Err(ErrorCode::METER_MOD_INVALID_METER);
            }
            Instruction::ApplyActions(list) => consistent &= follower.follow(list)?,
            // The set is executed at the end of the pipeline, on the packet as it is then.
            Instruction::WriteActions(list) => drop(follower.clone().follow(list)?),
            Instruction::GotoTable(next) if !may_go_to(*next, table_id, n_tables) => {
                return Err(ErrorCode::INSTRUCTION_BAD_TABLE_ID);
            }
            _ => {}
        }
    }
    if consistent { Ok(()) } else { Err(ErrorCode::ACTION_MATCH_INCONSISTENT) }
}

/// A later table, unless the flow is in no certain one. A switch with all of Open vSwitch's tables has one more, where it keeps flows of its own,
/// and looks no further.
fn may_go_to(next: TableId, from: TableId, n_tables: u8) -> bool {
    (next.0 > from.0 || from == TableId::ALL) && (next.0 < n_tables || n_tables == ALL_TABLES)
}

/// Tables that Open vSwitch shows. Behind them is one that a controller may not change.
pub(crate) const ALL_TABLES: u8 = 254;

/// Whether each meter and each group that the instructions name exists, and nothing asks for connection tracking.
pub(crate) fn references(instructions: &[Instruction], groups: &Groups, meters: &Meters) -> Result<(), ErrorCode> {
    for instruction in instructions {
        match instruction {
            Instruction::Meter(meter_id) if meters.get(*meter_id).is_none() => {
                return Err(ErrorCode::METER_MOD_INVALID_METER);
            }
            Instruction::ApplyActions(list) | Instruction::WriteActions(list) => group_references(list, groups)?,
            _ => {}
        }
    }
    Ok(())
}

/// Refuses what would need connection tracking, as Open vSwitch does on a datapath without.
pub(crate) fn no_connection_tracking(instructions: &[Instruction]) -> Result<(), ErrorCode> {
    let tracks = any_instruction(instructions, &mut is_connection_tracking);
    if tracks { Err(ErrorCode::NX_ACTION_CT_DATAPATH_SUPPORT) } else { Ok(()) }
}

fn is_connection_tracking(action: &Action) -> bool {
    matches!(action, Action::Nicira(NiciraAction::Ct(_)))
}

/// OpenFlow 1.3.5 §5.9: meter, apply, clear, write, metadata, goto.
fn order(instruction: &Instruction) -> u8 {
    match instruction {
        Instruction::Meter(_) => 0,
        Instruction::ApplyActions(_) => 1,
        Instruction::ClearActions => 2,
        Instruction::WriteActions(_) => 3,
        Instruction::WriteMetadata { .. } => 4,
        Instruction::GotoTable(_) => 5,
        Instruction::Experimenter { .. } => 6,
        Instruction::Unknown { .. } => 7,
    }
}

/// Whether each group that the actions name exists.
pub(crate) fn group_references(actions: &[Action], groups: &Groups) -> Result<(), ErrorCode> {
    let mut missing = |action: &Action| matches!(action, Action::Group(group_id) if groups.get(*group_id).is_none());
    if any_action(actions, &mut missing) { Err(ErrorCode::ACTION_BAD_OUT_GROUP) } else { Ok(()) }
}

/// Checks the actions of a packet-out alone.
pub(crate) fn action_list(actions: &[Action], options: &TunnelOptions) -> Result<(), ErrorCode> {
    actions.iter().try_for_each(|action| one(action, Some(options)))?;
    Size::default().add(actions)?;
    extension::together(actions, Place::List)
}

/// Checks the actions of a bucket.
pub(crate) fn bucket_actions(actions: &[Action]) -> Result<(), ErrorCode> {
    actions.iter().try_for_each(|action| one(action, None))?;
    extension::together(actions, Place::List)?;
    if any_action(actions, &mut is_connection_tracking) {
        Err(ErrorCode::NX_ACTION_CT_DATAPATH_SUPPORT)
    } else {
        Ok(())
    }
}

/// Checks the actions of a packet-out against the packet.
pub(crate) fn against_packet(actions: &[Action], key: &FlowKey, options: &TunnelOptions) -> Result<(), ErrorCode> {
    let mut follower = Follower::of(&Known::of_packet(key), options);
    if !follower.follow(actions)? {
        return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
    }
    if any_action(actions, &mut is_connection_tracking) {
        Err(ErrorCode::NX_ACTION_CT_DATAPATH_SUPPORT)
    } else {
        Ok(())
    }
}

/// What can be said of an action alone.
pub(crate) fn one(action: &Action, options: Options<'_>) -> Result<(), ErrorCode> {
    one_inside(action, 0, options)
}

/// The same of one that stands `depth` deep in others.
pub(crate) fn one_inside(action: &Action, depth: u8, options: Options<'_>) -> Result<(), ErrorCode> {
    if depth > MAX_ACTION_DEPTH {
        return Err(ErrorCode::ACTION_TOO_MANY);
    }
    match action {
        Action::Output { port, .. } => out_port(*port),
        Action::PushVlan(0x8100 | 0x88a8) => Ok(()),
        Action::PushMpls(ethertype) if is_mpls(*ethertype) => Ok(()),
        Action::PushVlan(_) | Action::PushMpls(_) => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        Action::SetField(field) => set_field(field.as_field(), options),
        Action::CopyField { source, destination } => {
            extension::readable(*source, options)?;
            extension::writable(*destination, options)
        }
        Action::Group(_)
        | Action::PopVlan
        | Action::PopMpls(_)
        | Action::SetQueue(_)
        | Action::SetNwTtl(_)
        | Action::DecNwTtl
        | Action::SetMplsTtl(_)
        | Action::DecMplsTtl => Ok(()),
        Action::Nicira(action) => extension::one(action, depth, options),
        Action::Experimenter { experimenter: crate::nicira::NICIRA_EXPERIMENTER, .. } => {
            Err(ErrorCode::ACTION_BAD_EXP_TYPE)
        }
        Action::Experimenter { .. } => Err(ErrorCode::ACTION_BAD_EXPERIMENTER),
        Action::CopyTtlOut | Action::CopyTtlIn | Action::PushPbb(_) | Action::PopPbb | Action::Unknown { .. } => {
            Err(ErrorCode::ACTION_BAD_TYPE)
        }
    }
}

/// OpenFlow 1.3.5 §7.2.5.7.
fn set_field(field: OxmField<'_>, options: Options<'_>) -> Result<(), ErrorCode> {
    let kind = field.kind;
    settable(kind, options)?;
    if let Some(mask) = field.mask {
        let covered = field.value.iter().zip(mask).all(|(value, mask)| value & !mask == 0);
        return Err(if covered { ErrorCode::ACTION_BAD_SET_MASK } else { ErrorCode::MATCH_BAD_WILDCARDS });
    }
    let value = number(field.value);
    let writable = kind.writable().unwrap_or(false) && kind != OxmKind::IN_PORT;
    // A tag can't be made untagged by a set-field: that is pop-vlan's.
    let untags = kind == OxmKind::VLAN_VID && value & u128::from(VLAN_PRESENT) == 0;
    if !writable || untags || !field::is_valid(kind, value) {
        return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
    }
    Ok(())
}

/// Whether a packet can have the field.
pub(crate) fn is_there(kind: OxmKind, options: Options<'_>) -> bool {
    match options {
        Some(options) if kind.is_variable() => options.octets(kind).is_some(),
        None if kind.is_variable() => true,
        _ => place(kind).is_some(),
    }
}

/// Bits that a field has.
pub(crate) fn width(kind: OxmKind, options: Options<'_>) -> usize {
    let mapped = options.filter(|_| kind.is_variable()).map(|options| 8 * options.octets(kind).unwrap_or(0));
    mapped.unwrap_or_else(|| usize::from(kind.subfield_bits().unwrap_or(0)))
}

/// Whether this switch knows a field that is to be set.
pub(crate) fn settable(kind: OxmKind, options: Options<'_>) -> Result<(), ErrorCode> {
    if is_there(kind, options) || kind == OxmKind::PACKET_TYPE {
        Ok(())
    } else if kind.is_variable() {
        Err(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD)
    } else if kind.row().is_some() && !matches!(kind, OxmKind::IN_PHY_PORT | OxmKind::PBB_ISID | OxmKind::IPV6_EXTHDR) {
        // Fields that Open vSwitch has and this switch hasn't.
        Err(ErrorCode::ACTION_BAD_SET_TYPE)
    } else {
        // Open vSwitch says one of two things, by the chance of where its hash table keeps other fields; this most often.
        Err(ErrorCode::ACTION_BAD_SET_LEN)
    }
}

/// Any number that a port could have is accepted, there or not, and the reserved ones but ANY.
pub(crate) fn out_port(port: PortNo) -> Result<(), ErrorCode> {
    match port {
        PortNo::IN_PORT
        | PortNo::TABLE
        | PortNo::NORMAL
        | PortNo::FLOOD
        | PortNo::ALL
        | PortNo::CONTROLLER
        | PortNo::LOCAL => Ok(()),
        PortNo(number) if number < MAX_PORTS => Ok(()),
        _ => Err(ErrorCode::ACTION_BAD_OUT_PORT),
    }
}

/// Tags that Open vSwitch follows; pushing one more is refused.
const MAX_TAGS: u8 = 2;

/// What is known of the packets of a flow, first by its match, then by what the actions have done so far.
#[derive(Clone)]
pub(crate) struct Follower<'a> {
    pub(crate) options: &'a TunnelOptions,
    pub(crate) known: Known,
    tags: u8,
}

impl<'a> Follower<'a> {
    pub(crate) fn of(known: &Known, options: &'a TunnelOptions) -> Follower<'a> {
        let tagged = known.value.get(Slot::VLAN_VID) & u128::from(VLAN_PRESENT) != 0;
        Follower { options, known: known.clone(), tags: u8::from(tagged) }
    }

    /// Follows the actions one by one. False if one of them changes a header that the packets needn't have: Open vSwitch says so
    /// after every other fault, and not at all of an action set.
    pub(crate) fn follow(&mut self, actions: &[Action]) -> Result<bool, ErrorCode> {
        let mut consistent = true;
        for action in actions {
            consistent &= self.step(action)?;
        }
        Ok(consistent)
    }

    fn step(&mut self, action: &Action) -> Result<bool, ErrorCode> {
        Ok(match action {
            Action::SetField(field) => {
                self.set(field.kind(), number(field.as_field().value))?;
                true
            }
            Action::CopyField { source, destination } => {
                self.require(source.kind)?;
                self.require(destination.kind)?;
                true
            }
            Action::SetNwTtl(_) | Action::DecNwTtl => self.is_ip(),
            Action::SetMplsTtl(_) | Action::DecMplsTtl => self.is_mpls(),
            Action::PushVlan(_) => {
                if self.tags == MAX_TAGS {
                    return Err(ErrorCode::ACTION_BAD_TAG);
                }
                self.set_tags(self.tags + 1);
                true
            }
            Action::PopVlan => {
                let fits = self.tags > 0;
                self.set_tags(self.tags.saturating_sub(1));
                fits
            }
            Action::PushMpls(ethertype) => {
                let fits = self.is_ethernet();
                self.set_eth_type(*ethertype);
                // Nothing is known of what is behind a label.
                self.known.value.set(Slot::IP_PROTO, 0);
                fits
            }
            Action::PopMpls(ethertype) => {
                let fits = self.is_mpls() && self.is_ethernet();
                self.set_eth_type(*ethertype);
                fits
            }
            Action::Nicira(action) => self.extension(action)?,
            _ => true,
        })
    }

    /// A field is set as a set-field does it (OpenFlow 1.3.5 §7.5.4.3): the VLAN id only of a tag that is there.
    pub(crate) fn set(&mut self, kind: OxmKind, value: u128) -> Result<(), ErrorCode> {
        self.require(kind)?;
        if kind == OxmKind::VLAN_VID && self.tags == 0 {
            return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
        }
        if kind == OxmKind::VLAN_TCI {
            let tagged = value & u128::from(VLAN_PRESENT) != 0;
            self.set_tags(if tagged { self.tags.max(1) } else { 0 });
        }
        Ok(())
    }

    /// Refuses a field that the packets needn't have.
    pub(crate) fn require(&self, kind: OxmKind) -> Result<(), ErrorCode> {
        if self.known.prerequisites_hold(kind) { Ok(()) } else { Err(ErrorCode::ACTION_MATCH_INCONSISTENT) }
    }

    pub(crate) fn is_ip(&self) -> bool {
        matches!(self.known.value.eth_type(), 0x0800 | 0x86dd)
    }

    fn is_mpls(&self) -> bool {
        is_mpls(self.known.value.eth_type())
    }

    pub(super) fn set_eth_type(&mut self, eth_type: u16) {
        self.known.value.set(Slot::ETH_TYPE, u128::from(eth_type));
        self.known.mask.set(Slot::ETH_TYPE, Slot::ETH_TYPE.full());
    }

    fn set_tags(&mut self, tags: u8) {
        self.tags = tags;
        let tci = if tags > 0 { VLAN_PRESENT } else { 0 };
        self.known.value.set(Slot::VLAN_TCI, u128::from(tci));
        self.known.mask.set(Slot::VLAN_TCI, Slot::VLAN_TCI.full());
    }
}

/// Whether a group of this number can exist.
pub(crate) fn is_group_number(group_id: GroupId) -> bool {
    group_id.0 <= GroupId::MAX.0
}
