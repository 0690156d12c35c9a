//! Whether a configuration is safe in a network: do packets loop, get lost, or reach somebody whom they must not, by its rules and ours together?
//!
//! Pure and slow: it is asked in a thread of its own, with a picture of the network that has a generation, and the answer says which. The rules are those
//! that the applications would state. Of hosts that no rule tells apart and that are on the same switch one stands for all: what leads to a host is an
//! instance of the tree that leads to its switch.
//!
//! What is not known: ports and links that have not been found yet. At the start nothing is, and [`Question::at_start`] takes the ports that the
//! configuration names; loops and losses show when there are links.

mod links;
mod rules;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use net::{DatapathId, MacAddr, PortId, PortNo};
use openflow::{Action, Instruction};
use serde::Serialize;
use topology::{Network, Port, PortInfo, PortState, Switch};

use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::config::Config;
use crate::core::LinkQuestion;
use crate::path::Weights;
use crate::verify::{Example, Field, Header, Problem};

pub use links::{RefusedLink, refused_links};
use rules::Translated;
pub use standing::Standing;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The network.
    pub network: Arc<Network>,
    /// The operator's rules.
    pub rules: Arc<OperatorRules>,
    /// Who must not reach whom.
    pub isolation: Arc<Isolation>,
    /// What links cost.
    pub weights: Arc<Weights>,
}

/// What is wrong, as one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// `loop`, `black hole`, `isolation` or `not proven`.
    pub kind: &'static str,
    /// What happens, in a sentence.
    pub what: String,
    /// Where such a packet enters, if there is one.
    pub enters: Option<PortId>,
    /// Such a packet, as a match.
    pub packet: Option<String>,
    /// The rules that it matches, in order.
    pub rules: Vec<FaultyRule>,
}

/// A rule on the way of a packet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct FaultyRule {
    /// The switch.
    pub datapath_id: DatapathId,
    /// The application that states it.
    pub owner: &'static str,
    /// The line of the configuration that it comes from.
    pub line: Option<u32>,
    /// The rule, in ovs-ofctl's words.
    pub rule: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Verdict {
    /// The generation of the network that was looked at.
    pub generation: u64,
    /// Switches in it.
    pub switches: usize,
    /// Rules that were looked at.
    pub rules: usize,
    /// What goes wrong.
    pub wrong: Vec<Finding>,
    /// What could not be followed: it may go wrong or not.
    pub not_proven: Vec<Finding>,
    /// There was no time to look at the rest.
    pub is_unfinished: bool,
}

/// What is wrong with packets by these rules in this network. Takes its time: milliseconds for a small network, seconds for a large one.
pub fn check_configuration(question: &Question) -> Verdict {
    check_while(question, &|| true)
}

/// The same as long as `go_on` says so: what was not looked at is not proven.
pub fn check_while(question: &Question, go_on: &dyn Fn() -> bool) -> Verdict {
    Standing::new(question).look(go_on)
}

/// What `new` does wrong and `old` did not, from nothing: see [`Standing::made_worse`].
pub fn made_worse(old: &Question, new: &Question, go_on: &dyn Fn() -> bool) -> Verdict {
    Standing::new(old).made_worse(new, go_on)
}

impl Question {
    /// A configuration in a network.
    pub fn new(config: &Config, network: Arc<Network>) -> Question {
        let (rules, isolation, weights) = (config.flows.clone(), config.isolate.clone(), config.weights.clone());
        Question { network, rules, isolation, weights }
    }

    /// A configuration before anything is known: the switches that it names, with the ports that it or its rules name, and no links.
    pub fn at_start(config: &Config) -> Question {
        let mut ports: BTreeMap<DatapathId, BTreeSet<PortNo>> = BTreeMap::new();
        for switch in config.switches.values() {
            let of_switch = ports.entry(switch.datapath_id).or_default();
            of_switch.extend(switch.ports.keys().copied());
            for group in config.flows.numbered_of(switch.datapath_id).groups() {
                let actions = group.group.buckets.iter().flat_map(|bucket| bucket.actions.clone()).collect();
                of_switch.extend(outputs(&Instruction::ApplyActions(actions)));
            }
            for rule in config.flows.of(switch.datapath_id).rules() {
                of_switch.extend(rule.rule.body.match_().in_port());
                of_switch.extend(rule.rule.body.instructions().iter().flat_map(outputs));
            }
        }
        let members: BTreeSet<PortId> = config.isolate.ports().map(|(port, _)| port).collect();
        for port in &members {
            ports.entry(port.datapath_id).or_default().insert(port.port_no);
        }
        let mut network = Network::new(0);
        for (datapath_id, numbers) in ports {
            let named = numbers.into_iter().filter(|port_no| port_no.is_physical()).map(|port_no| {
                // Of any other port nobody knows yet whether it leads to hosts or to a switch.
                let is_edge = members.contains(&PortId::new(datapath_id, port_no));
                let state = if is_edge { PortState::Edge } else { PortState::Unknown };
                (port_no, Port { state, ..edge(port_no) })
            });
            network
                .switches
                .insert(datapath_id, Switch { connected: true, ports: named.collect(), ..Switch::default() });
        }
        Question::new(config, Arc::new(network))
    }
}

impl From<&LinkQuestion> for Question {
    fn from(asked: &LinkQuestion) -> Question {
        let LinkQuestion { number: _, network, rules, isolation, weights } = asked.clone();
        Question { network, rules, isolation, weights }
    }
}

/// The kind of a packet that reaches whom its sender must not.
const APART: &str = "isolation";
/// The kind of a packet that is lost.
const LOST: &str = "black hole";

fn outputs(does: &Instruction) -> Vec<PortNo> {
    let (Instruction::ApplyActions(actions) | Instruction::WriteActions(actions)) = does else { return Vec::new() };
    let port = |action: &Action| if let Action::Output { port, .. } = action { Some(*port) } else { None };
    actions.iter().filter_map(port).collect()
}

fn edge(port_no: PortNo) -> Port {
    let info =
        PortInfo { port_no, hw_addr: MacAddr::ZERO, name: String::new(), up: true, live: true, curr_speed_kbps: 0 };
    Port { info, state: PortState::Edge, lldp_neighbor: None }
}

fn finding(problem: &Problem, translated: &Translated, question: &Question) -> Finding {
    let isolation = &question.isolation;
    let (kind, what, example) = match problem {
        Problem::Loop { example, .. } => ("loop", "the packet goes round for ever".to_owned(), Some(example)),
        Problem::BlackHole { example, at, .. } => {
            let what = format!("the packet is lost at {at}: it has no rule for it, or sends it where nothing is");
            (LOST, what, Some(example))
        }
        Problem::Isolation { example, leaves, .. } => {
            let reached = translated.membership(*leaves, &example.header, false).of;
            let never = translated.membership(example.enters, &example.header, true).never;
            let names = isolation.names(reached & never).join(", ");
            (
                APART,
                format!("the packet leaves at {leaves} and reaches {names}, which its sender must not"),
                Some(example),
            )
        }
        Problem::NotProven { why, example, .. } => ("not proven", (*why).to_owned(), example.as_ref()),
    };
    Finding {
        kind,
        what,
        enters: example.map(|example| example.enters),
        packet: example.map(packet),
        rules: problem.rules().iter().filter_map(|number| translated.rule(*number, question)).collect(),
    }
}

/// An example as a match in ovs-ofctl's words; what is zero is left out.
fn packet(example: &Example) -> String {
    let Header(values) = example.header;
    let mut words = vec![format!("in_port={}", example.enters.port_no)];
    let low = |value: u64| value as u32;
    let pair = |high: Field| {
        let at = high as usize;
        u128::from(values[at]) << 64 | u128::from(values[at + 1])
    };
    for (field, value) in Field::ALL.into_iter().zip(values) {
        let word = match field {
            Field::Ipv6SrcHigh if pair(field) != 0 => {
                format!("ipv6_src={}", std::net::Ipv6Addr::from_bits(pair(field)))
            }
            Field::Ipv6DstHigh if pair(field) != 0 => {
                format!("ipv6_dst={}", std::net::Ipv6Addr::from_bits(pair(field)))
            }
            _ if value == 0 => continue,
            Field::EthDst => format!("dl_dst={}", MacAddr::from_u64(value)),
            Field::EthSrc => format!("dl_src={}", MacAddr::from_u64(value)),
            Field::EthType => format!("dl_type={value:#06x}"),
            Field::VlanVid => format!("vlan_tci={value:#06x}/0x1fff"),
            Field::IpProto => format!("nw_proto={value}"),
            Field::Ipv4Src => format!("nw_src={}", std::net::Ipv4Addr::from_bits(low(value))),
            Field::Ipv4Dst => format!("nw_dst={}", std::net::Ipv4Addr::from_bits(low(value))),
            Field::L4Src => format!("tp_src={value}"),
            Field::L4Dst => format!("tp_dst={value}"),
            Field::Icmpv6Type => format!("icmp_type={value}"),
            Field::ArpSpa => format!("arp_spa={}", std::net::Ipv4Addr::from_bits(low(value))),
            Field::ArpTpa => format!("arp_tpa={}", std::net::Ipv4Addr::from_bits(low(value))),
            Field::Ipv6SrcHigh | Field::Ipv6SrcLow | Field::Ipv6DstHigh | Field::Ipv6DstLow => continue,
        };
        words.push(word);
    }
    words.join(",")
}

impl Finding {
    /// The same thing by the same rules, wherever they stand in the file.
    pub fn is_like(&self, other: &Finding) -> bool {
        let rules = |finding: &Finding| -> BTreeSet<(DatapathId, String)> {
            finding.rules.iter().map(|rule| (rule.datapath_id, rule.rule.clone())).collect()
        };
        let last = |finding: &Finding| finding.rules.last().map(|rule| (rule.datapath_id, rule.rule.clone()));
        // Of packets that are lost the last rule says where.
        let same = match self.kind {
            LOST => last(self) == last(other),
            // The same rules may reach somebody else by now.
            APART => rules(self) == rules(other) && self.what == other.what,
            _ => rules(self) == rules(other),
        };
        self.kind == other.kind && same
    }

    /// A line that says what happens to which packet, and one for each rule.
    pub fn lines(&self) -> Vec<String> {
        let packet = match (&self.packet, &self.enters) {
            (Some(packet), Some(enters)) => format!(": {packet} at {}", enters.datapath_id),
            _ => String::new(),
        };
        let mut lines = vec![format!("{}: {}{packet}", self.kind, self.what)];
        let mut told = BTreeSet::new();
        lines.extend(self.rules.iter().filter(|rule| told.insert(*rule)).map(|rule| format!("  {rule}")));
        lines
    }
}

impl fmt::Display for FaultyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}, {}: {}", self.datapath_id, self.rule),
            None => write!(f, "{} of {}: {}", self.owner, self.datapath_id, self.rule),
        }
    }
}

impl Verdict {
    /// What goes wrong, a finding after the other.
    pub fn lines(&self) -> Vec<String> {
        self.wrong.iter().flat_map(Finding::lines).collect()
    }
}
