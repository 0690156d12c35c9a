//! Why a switch cannot hold a rule, a group or a meter, as it has told what it can hold itself.

use std::fmt;

use openflow::{ActionType, GroupType, InstructionType, OxmKind, TableId};

/// What a switch has said that it cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unfit {
    /// The table is none of those that it has told.
    NoTable(TableId),
    /// The table does not match the field.
    Field(TableId, OxmKind),
    /// The table matches the field exactly only.
    Mask(TableId, OxmKind),
    /// The table needs the field in every rule.
    Missing(TableId, OxmKind),
    /// The table does not have the instruction, by its type.
    Instruction(TableId, u16),
    /// The table does not have the action, by its type.
    Action(TableId, u16),
    /// The table does not set the field.
    SetField(TableId, OxmKind),
    /// The table holds fewer rules than are wanted.
    TableFull {
        /// The table.
        table: TableId,
        /// Rules that it holds.
        max: u32,
        /// Rules that are wanted in it.
        wanted: usize,
    },
    /// There are no groups of the type.
    GroupType(GroupType),
    /// Groups of the type do not have the action, by its type.
    GroupAction(GroupType, u16),
    /// There are fewer groups of the type than are wanted.
    GroupsFull {
        /// The type.
        group_type: GroupType,
        /// Groups of the type that it holds.
        max: u32,
    },
    /// There are no meters.
    NoMeters,
    /// There are fewer meters than are wanted.
    MetersFull {
        /// Meters that it holds.
        max: u32,
    },
    /// Meters have fewer bands.
    Bands {
        /// Bands of a meter.
        max: u8,
    },
    /// Meters do not have bands of the type, by its number.
    BandType(u16),
    /// Meters do not have the flags.
    MeterFlags(u16),
}

impl fmt::Display for Unfit {
    /// `table 0 does not match ipv6_src`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Unfit::NoTable(table) => write!(f, "there is no table {}", table.0),
            Unfit::Field(table, kind) => write!(f, "table {} does not match {}", table.0, field(kind)),
            Unfit::Mask(table, kind) => write!(f, "table {} does not match {} with a mask", table.0, field(kind)),
            Unfit::Missing(table, kind) => write!(f, "every rule of table {} has to match {}", table.0, field(kind)),
            Unfit::Instruction(table, number) => {
                write!(f, "table {} does not have the instruction {}", table.0, instruction(number))
            }
            Unfit::Action(table, number) => write!(f, "table {} does not have the action {}", table.0, action(number)),
            Unfit::SetField(table, kind) => write!(f, "table {} does not set {}", table.0, field(kind)),
            Unfit::TableFull { table, max, wanted } => {
                let (max, wanted) = (Thousands(u64::from(max)), Thousands(wanted as u64));
                write!(f, "table {} holds at most {max} rules, {wanted} are wanted", table.0)
            }
            Unfit::GroupType(group_type) => write!(f, "there are no groups of type {}", type_of_group(group_type)),
            Unfit::GroupAction(group_type, number) => {
                write!(f, "groups of type {} do not have the action {}", type_of_group(group_type), action(number))
            }
            Unfit::GroupsFull { group_type, max } => {
                let max = Thousands(u64::from(max));
                write!(f, "at most {max} groups of type {} are there", type_of_group(group_type))
            }
            Unfit::NoMeters => f.write_str("there are no meters"),
            Unfit::MetersFull { max } => write!(f, "at most {} meters are there", Thousands(u64::from(max))),
            Unfit::Bands { max } => write!(f, "a meter has at most {max} bands"),
            Unfit::BandType(1) => f.write_str("meters do not have bands of type drop"),
            Unfit::BandType(2) => f.write_str("meters do not have bands of type dscp_remark"),
            Unfit::BandType(number) => write!(f, "meters do not have bands of type {number}"),
            Unfit::MeterFlags(flags) => {
                let names = [(1, "kbps"), (2, "pktps"), (4, "burst"), (8, "stats")];
                let names = names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name);
                write!(f, "meters do not have {}", names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn field(kind: OxmKind) -> String {
    kind.flow_name().map_or_else(|| kind.to_string(), str::to_owned)
}

fn instruction(number: u16) -> String {
    named(InstructionType(number).name(), "OFPIT_", number)
}

fn action(number: u16) -> String {
    named(ActionType(number).name(), "OFPAT_", number)
}

fn named(name: Option<&str>, prefix: &str, number: u16) -> String {
    match name.and_then(|name| name.strip_prefix(prefix)) {
        Some(name) => name.to_ascii_lowercase(),
        None => number.to_string(),
    }
}

fn type_of_group(group_type: GroupType) -> String {
    named(group_type.name(), "OFPGT_", u16::from(group_type.0))
}

/// `1,204`.
struct Thousands(u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_plain_words() {
        let table = TableId(2);
        let full = Unfit::TableFull { table, max: 1_000, wanted: 1_234_204 };
        for (unfit, words) in [
            (Unfit::Field(TableId(0), OxmKind::IPV6_SRC), "table 0 does not match ipv6_src"),
            (Unfit::Mask(table, OxmKind::IPV4_DST), "table 2 does not match nw_dst with a mask"),
            (full, "table 2 holds at most 1,000 rules, 1,234,204 are wanted"),
            (Unfit::Instruction(table, 2), "table 2 does not have the instruction write_metadata"),
            (Unfit::Action(table, 17), "table 2 does not have the action push_vlan"),
            (Unfit::GroupType(GroupType::FF), "there are no groups of type ff"),
            (Unfit::GroupsFull { group_type: GroupType::ALL, max: 999 }, "at most 999 groups of type all are there"),
            (Unfit::MeterFlags(5), "meters do not have kbps, burst"),
        ] {
            assert_eq!(unfit.to_string(), words);
        }
    }
}
