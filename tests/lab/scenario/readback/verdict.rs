//! Where our verdict about a message may differ from that of Open vSwitch, and why. Each entry is bound to the field or action that it is
//! about: the same code anywhere else is a difference.

use openflow::nicira::{LearnDestination, LearnSource, NiciraAction};
use openflow::{
    Action, Bucket, ErrorCode, GroupId, Instruction, Match, Message, MeterBand, MeterId, OxmField, OxmFieldOwned,
    OxmKind, Problem,
};

/// How two verdicts stand to each other.
#[derive(PartialEq, Eq, Debug)]
pub enum Agreement {
    /// Both find nothing, or our problems have the switch's code among them.
    Same,
    /// They differ as is written here.
    Known,
    /// We say nothing of what it refuses, which is written here.
    Unsaid,
    /// Nobody knows why.
    Differs,
}

/// Compares the switch's verdict with our problems.
pub fn agreement(message: &Message, theirs: Option<ErrorCode>, problems: &[Problem]) -> Agreement {
    let parts = Parts::of(message);
    let tolerated = |problem: &Problem| {
        TOLERATED.iter().any(|known| known.0 == theirs && known.1 == problem.code && (known.2)(problem, &parts))
    };
    match theirs {
        None if problems.is_empty() => Agreement::Same,
        None if problems.iter().all(tolerated) => Agreement::Known,
        None => Agreement::Differs,
        Some(code) if problems.iter().any(|problem| problem.code == code) => Agreement::Same,
        // A message may have a fault of each sort: theirs is explained by itself, whatever else we say.
        Some(code) if UNSAID.iter().any(|unsaid| unsaid.0 == code && (unsaid.1)(&parts)) => match problems {
            [] => Agreement::Unsaid,
            _ => Agreement::Known,
        },
        Some(_) if problems.iter().any(tolerated) => Agreement::Known,
        Some(_) => Agreement::Differs,
    }
}

/// What of a message the rules look at.
#[derive(Default)]
struct Parts {
    match_: Match,
    actions: Vec<Action>,
    instructions: Vec<Instruction>,
    buckets: Vec<Bucket>,
    bands: Vec<MeterBand>,
}

impl Parts {
    fn of(message: &Message) -> Parts {
        let mut parts = Parts::default();
        match message {
            Message::FlowMod(flow_mod) => {
                parts.match_ = flow_mod.match_.clone();
                parts.instructions = flow_mod.instructions.clone();
                for instruction in &flow_mod.instructions {
                    if let Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) = instruction {
                        parts.flatten(actions);
                    }
                }
            }
            Message::GroupMod(group_mod) => {
                parts.buckets = group_mod.buckets.clone();
                group_mod.buckets.iter().for_each(|bucket| parts.flatten(&bucket.actions));
            }
            Message::MeterMod(meter_mod) => parts.bands = meter_mod.bands.clone(),
            _ => {}
        }
        parts
    }

    /// Actions inside of others, too.
    fn flatten(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Nicira(NiciraAction::Clone(inner)) => self.flatten(inner),
                Action::Nicira(NiciraAction::Ct(ct)) => self.flatten(&ct.actions),
                _ => {}
            }
            self.actions.push(action.clone());
        }
    }

    /// Whether a field is matched.
    fn matches(&self, test: impl Fn(&OxmField<'_>) -> bool) -> bool {
        self.match_.fields().any(|field| test(&field))
    }

    /// Whether an action reads or writes a field.
    fn acts_on(&self, test: impl Fn(OxmKind) -> bool) -> bool {
        self.actions.iter().flat_map(kinds_of).any(test)
    }

    /// Whether a field is set as a whole, by a set-field of either sort.
    fn sets(&self, test: impl Fn(&OxmFieldOwned) -> bool) -> bool {
        self.actions.iter().any(|action| match action {
            Action::SetField(field) | Action::Nicira(NiciraAction::RegLoad2(field)) => test(field),
            _ => false,
        })
    }

    fn has(&self, test: impl Fn(&Action) -> bool) -> bool {
        self.actions.iter().any(test)
    }
}

/// The fields that an action reads and writes.
fn kinds_of(action: &Action) -> Vec<OxmKind> {
    match action {
        Action::SetField(field) | Action::Nicira(NiciraAction::RegLoad2(field)) => vec![field.kind()],
        Action::CopyField { source, destination } | Action::Nicira(NiciraAction::RegMove { source, destination }) => {
            vec![source.kind, destination.kind]
        }
        Action::Nicira(
            NiciraAction::RegLoad { destination: subfield, .. }
            | NiciraAction::StackPush(subfield)
            | NiciraAction::StackPop(subfield)
            | NiciraAction::OutputReg { source: subfield, .. }
            | NiciraAction::OutputReg2 { source: subfield, .. },
        ) => vec![subfield.kind],
        Action::Nicira(NiciraAction::DeleteField(kind)) => vec![*kind],
        Action::Nicira(NiciraAction::Learn(learn)) => learn
            .specs
            .iter()
            .flat_map(|spec| {
                let source = match &spec.source {
                    LearnSource::Field(source) => Some(source.kind),
                    LearnSource::Immediate { .. } => None,
                };
                let destination = match spec.destination {
                    LearnDestination::Match(to) | LearnDestination::Load(to) => Some(to.kind),
                    LearnDestination::Output => None,
                };
                [source, destination].into_iter().flatten()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Fields that OpenFlow 1.3 has and Open vSwitch does not.
fn not_there(kind: OxmKind) -> bool {
    matches!(kind, OxmKind::IN_PHY_PORT | OxmKind::PBB_ISID | OxmKind::IPV6_EXTHDR)
}

/// Whether a problem is about one of these fields: its place ends, or its reason starts, with the name.
fn names(problem: &Problem, kinds: &[OxmKind]) -> bool {
    kinds.iter().any(|kind| {
        let name = kind.to_string();
        problem.field.rsplit('.').next() == Some(&name) || problem.reason.split(' ').next() == Some(&name)
    })
}

const NOT_THERE: &[OxmKind] = &[OxmKind::IN_PHY_PORT, OxmKind::PBB_ISID, OxmKind::IPV6_EXTHDR];

const ERSPAN: &[OxmKind] =
    &[OxmKind::TUN_ERSPAN_IDX, OxmKind::TUN_ERSPAN_VER, OxmKind::TUN_ERSPAN_DIR, OxmKind::TUN_ERSPAN_HWID];

const ARP_OPS: &[OxmKind] = &[OxmKind::ARP_OP, OxmKind::NXM_OF_ARP_OP];

const ACTION_SET_OUTPUTS: &[OxmKind] = &[OxmKind::ACTSET_OUTPUT, OxmKind::OXM_OF_ACTSET_OUTPUT];

/// A mask of all zeros or all ones on the field that the problem names.
fn mask_says_nothing(problem: &Problem, parts: &Parts) -> bool {
    let uniform = |mask: &[u8], octet: u8| mask.iter().all(|at| *at == octet);
    parts.matches(|field| {
        names(problem, &[field.kind]) && field.mask.is_some_and(|mask| uniform(mask, 0) || uniform(mask, 0xff))
    })
}

type Tolerated = (Option<ErrorCode>, ErrorCode, fn(&Problem, &Parts) -> bool);

/// Where the specification and Open vSwitch differ, what a message's problems say is the specification's: (Open vSwitch, ours, of what).
const TOLERATED: &[Tolerated] = &[
    // §7.2.3.5 allows masks on fields that can be masked; Open vSwitch takes one on any field if it is all zeros or all ones, which says
    // nothing or everything.
    (None, ErrorCode::MATCH_BAD_MASK, mask_says_nothing),
    // §7.2.5.7: metadata has an instruction of its own; Open vSwitch lets it be set, too.
    (None, ErrorCode::ACTION_BAD_SET_TYPE, |problem, _| problem.field == "action.set_field.metadata"),
    // §7.2.1: TABLE is for packet-outs only, and port 0 is none. Open vSwitch takes both in flows and groups.
    (None, ErrorCode::ACTION_BAD_OUT_PORT, |problem, _| {
        problem.field == "action.output.port" && matches!(problem.reason.split(' ').next(), Some("TABLE" | "0"))
    }),
    // §7.2.4: a reserved number is no group's. Open vSwitch looks at the group of a bucket when a packet comes.
    (None, ErrorCode::ACTION_BAD_OUT_GROUP, |problem, parts| {
        problem.field == "action.group.group_id" && !parts.buckets.is_empty()
    }),
    // §7.3.4.1: table 255 is all of them, and no table to go to. Open vSwitch takes the goto.
    (None, ErrorCode::INSTRUCTION_BAD_TABLE_ID, |problem, _| problem.reason.starts_with("OFPTT_ALL ")),
    // Open vSwitch looks at fewer bits of ERSPAN's fields than it is given (one octet, or four, for 1, 4, 6 and 20 bits).
    (None, ErrorCode::MATCH_BAD_VALUE, |problem, _| problem.field.starts_with("match.") && names(problem, ERSPAN)),
    // A choice of ports that does not hash (active_backup) does not look at what it should hash.
    (None, ErrorCode::ACTION_BAD_ARGUMENT, |problem, _| problem.field == "action.bundle.fields"),
    // §7.2.5.7: in_port can't be set, so its type is wrong; Open vSwitch can set it by Nicira's action and calls this argument wrong.
    (Some(ErrorCode::ACTION_BAD_SET_ARGUMENT), ErrorCode::ACTION_BAD_SET_TYPE, |problem, _| {
        problem.field == "action.set_field.in_port"
    }),
    // The rest up to PBB: fields that Open vSwitch does not have. `load` of one:
    (Some(ErrorCode::ACTION_BAD_SET_TYPE), ErrorCode::ACTION_BAD_SET_ARGUMENT, |problem, _| {
        problem.field == "action.reg_load" && names(problem, NOT_THERE)
    }),
    // Set-field of one: Open vSwitch, which does not know the type, thinks its length wrong.
    (Some(ErrorCode::ACTION_BAD_SET_LEN), ErrorCode::ACTION_BAD_SET_TYPE, |problem, _| names(problem, NOT_THERE)),
    // Nicira's set-field of one, the same.
    (Some(ErrorCode::ACTION_BAD_SET_LEN), ErrorCode::ACTION_BAD_SET_ARGUMENT, |problem, _| names(problem, NOT_THERE)),
    // Either with a mask, which OpenFlow 1.3's set-field has none of.
    (Some(ErrorCode::ACTION_BAD_SET_LEN), ErrorCode::ACTION_BAD_SET_MASK, |problem, _| names(problem, NOT_THERE)),
    // A match on one, and something wrong with it (no prerequisite, a mask, too many bits): Open vSwitch does not get as far.
    (Some(ErrorCode::MATCH_BAD_FIELD), ErrorCode::MATCH_BAD_PREREQ, |problem, _| names(problem, NOT_THERE)),
    (Some(ErrorCode::MATCH_BAD_FIELD), ErrorCode::MATCH_BAD_MASK, |problem, _| names(problem, NOT_THERE)),
    (Some(ErrorCode::MATCH_BAD_FIELD), ErrorCode::MATCH_BAD_VALUE, |problem, _| names(problem, NOT_THERE)),
    // delete_field of one.
    (Some(ErrorCode::MATCH_BAD_FIELD), ErrorCode::ACTION_BAD_ARGUMENT, |problem, _| {
        problem.field == "action.delete_field" && names(problem, NOT_THERE)
    }),
    // A move or pop to one.
    (Some(ErrorCode::MATCH_BAD_FIELD), ErrorCode::ACTION_BAD_SET_ARGUMENT, |problem, _| names(problem, NOT_THERE)),
    // Whole PBB actions, which Open vSwitch does not have: it does not look at their EtherType.
    (Some(ErrorCode::ACTION_BAD_TYPE), ErrorCode::ACTION_BAD_ARGUMENT, |problem, _| {
        problem.reason.starts_with("PushPbb")
    }),
    // recirc_id is for Open vSwitch itself to match: it says so before it looks at a mask.
    (Some(ErrorCode::REQUEST_EPERM), ErrorCode::MATCH_BAD_MASK, |problem, _| names(problem, &[OxmKind::RECIRC_ID])),
    // arp_op has eight bits in Open vSwitch, not the 16 of §7.2.3.7: it does not get as far as what the match needs, nor to the mask.
    (Some(ErrorCode::MATCH_BAD_VALUE), ErrorCode::MATCH_BAD_PREREQ, |problem, _| names(problem, ARP_OPS)),
    (Some(ErrorCode::MATCH_BAD_VALUE), ErrorCode::MATCH_BAD_MASK, |problem, _| {
        // Nor to that of a port in actset_output that can't be one.
        names(problem, ARP_OPS) || names(problem, ACTION_SET_OUTPUTS)
    }),
    // §7.2.4.2 has a code for a fast-failover bucket that watches nothing; Open vSwitch calls the whole group wrong.
    (Some(ErrorCode::GROUP_MOD_INVALID_GROUP), ErrorCode::GROUP_MOD_BAD_WATCH, |problem, _| problem.field == "bucket"),
];

type Unsaid = (ErrorCode, fn(&Parts) -> bool);

/// What Open vSwitch refuses and a message's problems do not name, because it is not the message that is wrong.
const UNSAID: &[Unsaid] = &[
    // What a tunnel option means is a mapping that a controller makes; none is made here.
    (ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD, |parts| {
        parts.matches(|field| field.kind.is_variable()) || parts.acts_on(OxmKind::is_variable)
    }),
    // Fields of OpenFlow 1.3 that Open vSwitch does not have.
    (ErrorCode::MATCH_BAD_FIELD, |parts| parts.matches(|field| not_there(field.kind)) || parts.acts_on(not_there)),
    (ErrorCode::ACTION_BAD_SET_TYPE, |parts| parts.acts_on(not_there)),
    (ErrorCode::ACTION_BAD_SET_LEN, |parts| parts.sets(|field| not_there(field.kind()))),
    // Fields of OpenFlow 1.3 that Open vSwitch matches and does not set: §7.2.5.7 leaves that to the switch.
    (ErrorCode::ACTION_BAD_SET_ARGUMENT, |parts| {
        parts.sets(|field| {
            matches!(
                field.kind().canonical(),
                OxmKind::ETH_TYPE | OxmKind::IP_PROTO | OxmKind::ARP_OP | OxmKind::MPLS_BOS
            )
        })
    }),
    // Fields that Open vSwitch keeps to itself.
    (ErrorCode::REQUEST_EPERM, |parts| {
        parts.matches(|field| matches!(field.kind.canonical(), OxmKind::RECIRC_ID | OxmKind::DP_HASH))
    }),
    // Operations of ARP above 255 and ports above 65279, which Open vSwitch has no room for.
    (ErrorCode::MATCH_BAD_VALUE, |parts| {
        parts.matches(|field| {
            let value = field.to_u64().unwrap_or_default();
            (ARP_OPS.contains(&field.kind) && value > 0xff)
                || (ACTION_SET_OUTPUTS.contains(&field.kind) && (0xff00..0xffff_ff00).contains(&value))
        })
    }),
    (ErrorCode::ACTION_BAD_OUT_PORT, |parts| {
        parts.has(|action| matches!(action, Action::Output { port, .. } if (0xff00..=0xffff_ff00).contains(&port.0)))
    }),
    // Actions that a switch may have (§5.12), and Open vSwitch has not.
    (ErrorCode::ACTION_BAD_TYPE, |parts| {
        parts.has(|action| {
            matches!(action, Action::CopyTtlIn | Action::CopyTtlOut | Action::PushPbb(_) | Action::PopPbb)
        })
    }),
    // A group and a meter that are not there.
    (ErrorCode::ACTION_BAD_OUT_GROUP, |parts| {
        parts.has(|action| matches!(action, Action::Group(id) if *id != GroupId(1)))
    }),
    (ErrorCode::METER_MOD_INVALID_METER, |parts| {
        parts.instructions.iter().any(|instruction| matches!(instruction, Instruction::Meter(id) if *id != MeterId(1)))
    }),
    // §7.3.4.2 wants a fast-failover bucket to watch, and does not say that another must not.
    (ErrorCode::GROUP_MOD_WATCH_UNSUPPORTED, |parts| parts.buckets.iter().any(is_watching)),
    // Where headers come and go the actions are not followed.
    (ErrorCode::ACTION_MATCH_INCONSISTENT, |parts| {
        parts.has(|action| matches!(action, Action::Nicira(NiciraAction::Encap(_) | NiciraAction::Decap { .. })))
    }),
    // How many bands a meter has, and of which type, is the switch's own business (§7.3.5.14): Open vSwitch drops, with just one band.
    (ErrorCode::METER_MOD_OUT_OF_BANDS, |parts| parts.bands.len() != 1),
    (ErrorCode::METER_MOD_BAD_BAND, |parts| {
        parts.bands.iter().any(|band| matches!(band, MeterBand::DscpRemark { .. }))
    }),
];

fn is_watching(bucket: &Bucket) -> bool {
    bucket.watch_port != net::PortNo::ANY || bucket.watch_group != GroupId::ANY
}
