//! What a switch says it can hold: its tables, groups and meters (OpenFlow 1.3.5 §7.3.5.5, §7.3.5.11, §7.3.5.14), and what of ours that is not.
//!
//! It is the switch's own word, and no more than a hint. What it does not tell it is taken to hold; an answer that makes no sense counts as none. Of
//! tables that are alike one is kept, whichever switches they are on. What tables lead to, the bits of the metadata, and fields and actions of experimenters are not looked at: switches have more of these than they tell.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use openflow::oxm::CLASS_OPENFLOW_BASIC;
use openflow::{
    ActionType, Bucket, FeatureId, GroupFeatures, GroupType, InstructionType, MeterBand, MeterFeatures, MeterFlags,
    MultipartReply, MultipartReplyBody, OxmId, OxmKind, TableFeatureProperty, TableFeatures, TableId,
};

use super::body::FlowBody;
use super::unfit::Unfit;

/// Tables and what they list that a switch may tell, some ten times what Open vSwitch does. A switch that goes on is dropped.
const TOLD_MAX: usize = 2_000_000;

/// What a field can be in a table.
const MATCHED: u8 = 1;
const MASKED: u8 = 1 << 1;
const LEFT_OUT: u8 = 1 << 2;
/// What it can be in an action, and then the same of the table-miss rule.
const APPLIED: u8 = 1 << 3;
const WRITTEN: u8 = 1 << 4;
const MISS: u8 = 2;

/// Types of instructions or actions, by bit. Those from 32 on are not looked at.
type Types = Option<u32>;

/// What rules of a table, or its table-miss rule, can do; `None` where nothing is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Does {
    instructions: Types,
    applied: Types,
    written: Types,
}

/// A table but for its number and size.
#[derive(PartialEq, Eq, Debug, Default)]
struct TableKind {
    /// By field, ascending: OpenFlow's own ones alone.
    fields: Vec<(OxmKind, u8)>,
    /// Which of the lists of fields are told at all.
    told: u8,
    rules: Does,
    miss: Does,
}

#[derive(Clone, Debug)]
struct Table {
    max_entries: u32,
    kind: Arc<TableKind>,
}

/// Kinds of tables that some switch has: those that are alike are one.
#[derive(Debug, Default)]
pub(super) struct TableKinds(Vec<Weak<TableKind>>);

/// Kinds of tables that are compared with; what is beyond them is kept several times.
const KINDS_MAX: usize = 64;

/// What one switch says it can hold.
#[derive(Clone, Debug, Default)]
pub struct SwitchFeatures {
    /// Empty if nothing is told, or nothing that makes sense.
    tables: BTreeMap<TableId, Table>,
    groups: Option<GroupFeatures>,
    meters: Option<MeterFeatures>,
}

impl TableKinds {
    fn one_of(&mut self, kind: TableKind) -> Arc<TableKind> {
        let known = self.0.iter().filter_map(Weak::upgrade).find(|known| **known == kind);
        if let Some(known) = known {
            return known;
        }
        let kind = Arc::new(kind);
        self.0.retain(|known| known.strong_count() > 0);
        if self.0.len() < KINDS_MAX {
            self.0.push(Arc::downgrade(&kind));
        }
        kind
    }
}

impl TableKind {
    fn new(features: &TableFeatures) -> TableKind {
        let mut kind = TableKind::default();
        let mut fields: BTreeMap<OxmKind, u8> = BTreeMap::new();
        let mut list = |ids: &[OxmId], bit: u8, told: &mut u8| {
            *told |= bit;
            for id in ids {
                let of_field = fields.entry(id.kind.canonical()).or_default();
                *of_field |= bit | if bit == MATCHED && id.has_mask { MASKED } else { 0 };
            }
        };
        let mut of_miss = Does::default();
        for property in &features.properties {
            match property {
                TableFeatureProperty::Instructions { miss, ids } => {
                    if *miss { &mut of_miss } else { &mut kind.rules }.instructions = types(ids);
                }
                TableFeatureProperty::ApplyActions { miss, ids } => {
                    if *miss { &mut of_miss } else { &mut kind.rules }.applied = types(ids);
                }
                TableFeatureProperty::WriteActions { miss, ids } => {
                    if *miss { &mut of_miss } else { &mut kind.rules }.written = types(ids);
                }
                TableFeatureProperty::Match(ids) => list(ids, MATCHED, &mut kind.told),
                // A table that can leave out nothing at all can't be meant.
                TableFeatureProperty::Wildcards(ids) if ids.is_empty() => {}
                TableFeatureProperty::Wildcards(ids) => list(ids, LEFT_OUT, &mut kind.told),
                TableFeatureProperty::ApplySetField { miss, ids } => {
                    list(ids, if *miss { APPLIED << MISS } else { APPLIED }, &mut kind.told);
                }
                TableFeatureProperty::WriteSetField { miss, ids } => {
                    list(ids, if *miss { WRITTEN << MISS } else { WRITTEN }, &mut kind.told);
                }
                TableFeatureProperty::NextTables { .. }
                | TableFeatureProperty::Experimenter { .. }
                | TableFeatureProperty::Unknown { .. } => {}
            }
        }
        // §7.3.5.5.2: what is left out of the table-miss rule is as for the others.
        kind.miss = Does {
            instructions: of_miss.instructions.or(kind.rules.instructions),
            applied: of_miss.applied.or(kind.rules.applied),
            written: of_miss.written.or(kind.rules.written),
        };
        fields.retain(|kind, _| kind.class == CLASS_OPENFLOW_BASIC);
        kind.fields = fields.into_iter().collect();
        if !kind.asks_for_what_packets_have() {
            kind.told &= !LEFT_OUT;
        }
        kind
    }

    /// No packet has fields of two protocols of one layer: a table that needs both in every rule has no rule.
    fn asks_for_what_packets_have(&self) -> bool {
        let needed = |kind: OxmKind| self.of(kind) & (MATCHED | LEFT_OUT) == MATCHED;
        let any = |kinds: &[OxmKind]| usize::from(kinds.iter().any(|kind| needed(*kind)));
        let network = [
            any(&[OxmKind::IPV4_SRC, OxmKind::IPV4_DST]),
            any(&[OxmKind::IPV6_SRC, OxmKind::IPV6_DST]),
            any(&[OxmKind::ARP_OP, OxmKind::ARP_SPA, OxmKind::ARP_TPA]),
        ];
        let transport = [
            any(&[OxmKind::TCP_SRC, OxmKind::TCP_DST]),
            any(&[OxmKind::UDP_SRC, OxmKind::UDP_DST]),
            any(&[OxmKind::SCTP_SRC, OxmKind::SCTP_DST]),
        ];
        network.iter().sum::<usize>() <= 1 && transport.iter().sum::<usize>() <= 1
    }

    fn of(&self, kind: OxmKind) -> u8 {
        let at = self.fields.binary_search_by_key(&kind, |(kind, _)| *kind);
        at.ok().and_then(|at| self.fields.get(at)).map_or(0, |(_, of_field)| *of_field)
    }

    fn unfit(&self, table: TableId, is_miss: bool, body: &FlowBody) -> Option<Unfit> {
        let octets = body.octets();
        let asked = fields(octets.of_match());
        if self.told & MATCHED != 0 {
            for (kind, has_mask) in asked.clone().filter(|(kind, _)| kind.class == CLASS_OPENFLOW_BASIC) {
                match self.of(kind) {
                    of_field if of_field & MATCHED == 0 => return Some(Unfit::Field(table, kind)),
                    of_field if has_mask && of_field & MASKED == 0 => return Some(Unfit::Mask(table, kind)),
                    _ => {}
                }
            }
            if self.told & LEFT_OUT != 0 && !is_miss {
                let needed = self.fields.iter().filter(|(_, of_field)| of_field & (MATCHED | LEFT_OUT) == MATCHED);
                let missing = needed.map(|(kind, _)| *kind).find(|kind| !asked.clone().any(|(has, _)| has == *kind));
                if let Some(kind) = missing {
                    return Some(Unfit::Missing(table, kind));
                }
            }
        }
        let does = if is_miss { self.miss } else { self.rules };
        for (number, instruction) in parts(octets.of_instructions()) {
            if lacks(does.instructions, number) {
                return Some(Unfit::Instruction(table, number));
            }
            let (actions, set) = match InstructionType(number) {
                InstructionType::APPLY_ACTIONS => (does.applied, APPLIED),
                InstructionType::WRITE_ACTIONS => (does.written, WRITTEN),
                _ => continue,
            };
            let set = if is_miss && self.told & (set << MISS) != 0 { set << MISS } else { set };
            for (number, action) in parts(instruction.get(8..).unwrap_or_default()) {
                if lacks(actions, number) {
                    return Some(Unfit::Action(table, number));
                }
                if ActionType(number) == ActionType::SET_FIELD
                    && self.told & set != 0
                    && let Some((kind, _)) = tlvs(action.get(4..).unwrap_or_default()).next()
                    && kind.class == CLASS_OPENFLOW_BASIC
                    && self.of(kind) & set == 0
                {
                    return Some(Unfit::SetField(table, kind));
                }
            }
        }
        None
    }
}

fn types(ids: &[FeatureId]) -> Types {
    Some(ids.iter().filter(|id| id.id < 32).fold(0, |types, id| types | 1 << id.id))
}

fn lacks(types: Types, number: u16) -> bool {
    number < 32 && types.is_some_and(|types| types >> number & 1 == 0)
}

/// The fields of an `ofp_match`, with whether they have masks.
fn fields(octets: &[u8]) -> impl Iterator<Item = (OxmKind, bool)> + Clone {
    let end = match *octets {
        [_, _, high, low, ..] => usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    tlvs(octets.get(4..end).unwrap_or_default())
}

fn tlvs(mut octets: &[u8]) -> impl Iterator<Item = (OxmKind, bool)> + Clone {
    std::iter::from_fn(move || {
        let [c0, c1, field, length, rest @ ..] = octets else { return None };
        octets = rest.get(usize::from(*length)..).unwrap_or_default();
        let kind = OxmKind { class: u16::from_be_bytes([*c0, *c1]), field: field >> 1, experimenter: 0 };
        Some((kind.canonical(), field & 1 != 0))
    })
}

/// Instructions, or actions: each with its type and all of its octets.
fn parts(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [t0, t1, l0, l1, ..] = *octets else { return None };
        let length = usize::from(u16::from_be_bytes([l0, l1])).max(4);
        let (part, rest) = octets.split_at_checked(length)?;
        octets = rest;
        Some((u16::from_be_bytes([t0, t1]), part))
    })
}

impl SwitchFeatures {
    /// Rules that a table holds, if it is told.
    pub fn max_entries(&self, table: TableId) -> Option<u32> {
        self.tables.get(&table).map(|table| table.max_entries).filter(|max| *max > 0)
    }

    /// What of a rule its table cannot hold. How many there are of them is not looked at.
    pub fn unfit_rule(&self, table: TableId, priority: u16, body: &FlowBody) -> Option<Unfit> {
        if self.tables.is_empty() {
            return None;
        }
        let Some(told) = self.tables.get(&table) else { return Some(Unfit::NoTable(table)) };
        let is_miss = priority == 0 && fields(body.octets().of_match()).next().is_none();
        told.kind.unfit(table, is_miss, body)
    }

    /// What of a group it cannot hold, where there are `others` of its type.
    pub fn unfit_group(&self, group_type: GroupType, buckets: &[Bucket], others: usize) -> Option<Unfit> {
        let told = self.groups?;
        let number = usize::from(group_type.0);
        let (max, actions) = (*told.max_groups.get(number)?, *told.actions.get(number)?);
        if told.types >> number & 1 == 0 {
            return Some(Unfit::GroupType(group_type));
        }
        if max > 0 && others >= max as usize {
            return Some(Unfit::GroupsFull { group_type, max });
        }
        let mut types = buckets.iter().flat_map(|bucket| &bucket.actions).map(|action| action.action_type().0);
        let lacking = types.find(|number| actions != 0 && lacks(Some(actions), *number));
        lacking.map(|number| Unfit::GroupAction(group_type, number))
    }

    /// What of a meter it cannot hold, where there are `others`.
    pub fn unfit_meter(&self, flags: MeterFlags, bands: &[MeterBand], others: usize) -> Option<Unfit> {
        let told = self.meters?;
        if told.max_meter == 0 {
            return Some(Unfit::NoMeters);
        }
        if others >= told.max_meter as usize {
            return Some(Unfit::MetersFull { max: told.max_meter });
        }
        if told.max_bands > 0 && bands.len() > usize::from(told.max_bands) {
            return Some(Unfit::Bands { max: told.max_bands });
        }
        let mut types = bands.iter().map(|band| band.band_type().0);
        if let Some(number) = types.find(|number| told.band_types != 0 && lacks(Some(told.band_types), *number)) {
            return Some(Unfit::BandType(number));
        }
        let lacking = u32::from(flags.0) & !told.capabilities;
        (told.capabilities != 0 && lacking != 0).then_some(Unfit::MeterFlags(lacking as u16))
    }
}

/// The questions of one connection, while their answers come.
#[derive(Debug)]
pub(super) struct Gathering {
    /// Numbers of the questions for tables, groups and meters; `None` when they have been answered.
    pub(super) tables: Option<u32>,
    pub(super) groups: Option<u32>,
    pub(super) meters: Option<u32>,
    /// The question for tables has been asked.
    asks_tables: bool,
    told: usize,
    collected: BTreeMap<TableId, Table>,
    /// What is known so far.
    known: SwitchFeatures,
}

/// What a part of an answer is to the questions.
#[derive(Debug)]
pub(super) enum Gathered {
    /// No answer to any of them.
    Other,
    /// A part, and more will come.
    Part,
    /// The end of an answer: what is known now.
    Known(Arc<SwitchFeatures>),
    /// More than can be believed.
    TooMuch,
}

impl Gathering {
    /// With the numbers of the questions for groups and meters.
    pub(super) fn new([groups, meters]: [u32; 2]) -> Gathering {
        Gathering {
            tables: None,
            groups: Some(groups),
            meters: Some(meters),
            asks_tables: false,
            told: 0,
            collected: BTreeMap::new(),
            known: SwitchFeatures::default(),
        }
    }

    /// The question for tables has this number, if it was not asked before.
    pub(super) fn begin_tables(&mut self, xid: u32) -> bool {
        let is_first = !std::mem::replace(&mut self.asks_tables, true);
        if is_first {
            self.tables = Some(xid);
        }
        is_first
    }

    /// A part of an answer.
    pub(super) fn handle(&mut self, xid: u32, reply: &MultipartReply, kinds: &mut TableKinds) -> Gathered {
        let is = |question: &Option<u32>| *question == Some(xid);
        match &reply.body {
            MultipartReplyBody::TableFeatures(tables) if is(&self.tables) => {
                self.told += 1;
                for features in tables {
                    self.told += 1 + features.properties.iter().map(listed).sum::<usize>();
                    let (max_entries, kind) = (features.max_entries, kinds.one_of(TableKind::new(features)));
                    self.collected.entry(features.table_id).or_insert(Table { max_entries, kind });
                }
                if self.told > TOLD_MAX {
                    return Gathered::TooMuch;
                }
                if reply.more {
                    return Gathered::Part;
                }
                self.tables = None;
                self.known.tables = std::mem::take(&mut self.collected);
                // A switch without room for any rule is none.
                if self.known.tables.values().all(|table| table.max_entries == 0) {
                    self.known.tables.clear();
                }
            }
            MultipartReplyBody::GroupFeatures(groups) if is(&self.groups) => {
                self.groups = None;
                self.known.groups = Some(*groups).filter(|groups| groups.types != 0);
            }
            MultipartReplyBody::MeterFeatures(meters) if is(&self.meters) => {
                self.meters = None;
                self.known.meters = Some(*meters);
            }
            _ if is(&self.tables) || is(&self.groups) || is(&self.meters) => {
                // Not what was asked for, and not worth to be waited for.
                self.refused(xid);
                return Gathered::Part;
            }
            _ => return Gathered::Other,
        }
        Gathered::Known(Arc::new(self.known.clone()))
    }

    /// An error with this number: true if it is about one of the questions. A switch that does not answer is taken to hold everything.
    pub(super) fn refused(&mut self, xid: u32) -> bool {
        let Gathering { tables, groups, meters, .. } = self;
        let Some(question) = [tables, groups, meters].into_iter().find(|question| **question == Some(xid)) else {
            return false;
        };
        *question = None;
        if self.tables.is_none() {
            self.collected.clear();
        }
        true
    }
}

/// What a property lists.
fn listed(property: &TableFeatureProperty) -> usize {
    match property {
        TableFeatureProperty::Instructions { ids, .. }
        | TableFeatureProperty::WriteActions { ids, .. }
        | TableFeatureProperty::ApplyActions { ids, .. } => ids.len(),
        TableFeatureProperty::NextTables { table_ids, .. } => table_ids.len(),
        TableFeatureProperty::Match(ids) | TableFeatureProperty::Wildcards(ids) => ids.len(),
        TableFeatureProperty::WriteSetField { ids, .. } | TableFeatureProperty::ApplySetField { ids, .. } => ids.len(),
        TableFeatureProperty::Experimenter { body, .. } | TableFeatureProperty::Unknown { body, .. } => body.len(),
    }
}
