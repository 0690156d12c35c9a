//! `trace` beside `ovs-appctl ofproto/trace`: random packets at a bridge with the controller's rules and many kinds of the operator's. The same tables,
//! the same rules, the same ports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use controller::config::Config;
use openflow::{Match, OxmFieldOwned, OxmKind};
use serde_json::Value;

use super::{Lab, PLAIN_CONFIG, working_fabric};
use crate::controller::{Controller, HTTP, metric};
use crate::oracle::packet::{self, Packet, Shape};
use crate::oracle::random::Random;
use crate::oracle::unixctl::Unixctl;
use crate::report::{Fail, Outcome, Report};
use crate::{http, ovs, wait};

/// The bridge under test, and its ports: three to other bridges, two to hosts.
const BRIDGE: &str = "s1";
const LINK_PORTS: [u32; 3] = [1, 4, 5];
const HOST_PORTS: [u32; 2] = [11, 12];
/// Rules of the operator's.
const RULES: usize = 160;
/// A group that spreads packets over buckets of two ports each, and the rule that leads there: the controller's own groups have the shape that the
/// network gives them.
const CHOICE: &str =
    "group_id=3,type=select,bucket=output:4,output:11,bucket=output:1,output:12,bucket=output:5,output:11";
const TO_CHOICE: &str = "table=0,priority=60000,udp6,actions=group:3";
/// How many random rules are tried for one that the configuration takes.
const TRIES: usize = 200;
/// Differences that are shown.
const SHOWN: usize = 5;
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How long it is looked whether something is sent that should not be; metrics are told twice a second.
const STILL: Duration = Duration::from_secs(2);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (_fabric, mut controller) = working_fabric(lab, report)?;
    println!("        | explain: seed {}; LAB_SEED={} repeats it", lab.seed, lab.seed);
    let mut random = Random::new(lab.seed);
    let mut rules = rules(&mut random)?;
    rules.push(TO_CHOICE.to_owned());
    report.require("rules of many kinds are on the switch", configure(&controller, &rules))?;
    let packets = lab.mode.pick(3_000, 20_000);
    report.check("trace meets the rules and leaves by the ports of ofproto/trace", compare(&mut random, packets));
    let changes = Changes { lab, controller: &controller, rules: &rules };
    report.check("a plan is what is sent afterwards, line by line, and sends nothing itself", changes.plan());
    report.check("what nobody confirms goes back by itself", changes.not_confirmed());
    report.check("what is confirmed stays, and a rollback takes it away", changes.confirmed());
    report.check("groups and meters of the operator are what ovs-ofctl dumps, and come back", changes.numbered());
    report.check("SIGTERM ends the controller in good order", super::fabric::terminate(&mut controller));
    Ok(())
}

/// Labels stay where they are, though some of the rules are for VLANs that they take.
fn config(rules: &[String]) -> String {
    let lines: String = rules.iter().map(|rule| format!("    - \"{rule}\"\n")).collect();
    format!(
        "{PLAIN_CONFIG}paths: {{ bypasses: true }}\nswitches: {{ s1: {{ datapath_id: \"0x1\" }} }}\ngroups:\n  s1:\n    - \"{CHOICE}\"\nflows:\n  s1:\n{lines}"
    )
}

fn configure(controller: &Controller, rules: &[String]) -> Outcome {
    controller.write_config(&config(rules))?;
    let (status, out, err, _) = controller.reload()?;
    wait::ensure(status == Some(0), || format!("{out}{err}"))?;
    wait::until(SETTLE_LIMIT, || {
        let there = ovs::flows(BRIDGE)?.iter().filter(|flow| flow.contains("cookie=0x5402")).count();
        // Those of the controller's first table are the same owner's.
        wait::ensure(there >= rules.len() + 2, || format!("{there} of {}", rules.len() + 2))
    })?;
    Ok(format!("{} rules", rules.len()))
}

/// Random rules, each of a priority of its own, that the configuration takes.
fn rules(random: &mut Random) -> Result<Vec<String>, Fail> {
    let mut rules = Vec::new();
    for number in 0..RULES {
        let found = (0..TRIES).find_map(|_| {
            let rule = rule(random, number);
            Config::parse(&config(std::slice::from_ref(&rule))).is_ok().then_some(rule)
        });
        rules.push(found.ok_or_else(|| format!("no rule of {TRIES} can be number {number}"))?);
    }
    Ok(rules)
}

/// Fields of a packet, some of them under masks, and a few actions. What leaves by a link has its TTL counted down: nothing may go around for ever.
fn rule(random: &mut Random, number: usize) -> String {
    let model = made(random);
    let mut fields = Vec::new();
    for (kind, value) in &model.fields {
        let often = matches!(*kind, OxmKind::ETH_TYPE | OxmKind::IP_PROTO | OxmKind::ICMPV6_TYPE);
        if !random.one_in(if often { 2 } else { 5 }) {
            continue;
        }
        let mask: Option<&[u8]> = match *kind {
            OxmKind::IPV4_SRC | OxmKind::IPV4_DST if random.one_in(2) => Some(&[255, 255, 255, 0]),
            OxmKind::ETH_SRC | OxmKind::ETH_DST if random.one_in(3) => Some(&[1, 0, 0, 0, 0, 0]),
            _ => None,
        };
        fields.extend(OxmFieldOwned::new(*kind, value, mask));
    }
    let table = random.pick(&[0u8, 0, 0, 100, 101, 150]);
    let higher = *[1u8, 100, 101, 150].iter().filter(|to| **to > table).nth(random.below(3)).unwrap_or(&150);
    let (to_host, to_link) = (random.pick(&HOST_PORTS), random.pick(&LINK_PORTS));
    let actions = match random.below(16) {
        0 => "drop".to_owned(),
        1 => "controller".to_owned(),
        2 => format!("output:{to_host},IN_PORT"),
        3 => format!("dec_ttl,output:{to_link},output:{to_host}"),
        4 => format!("set_field:02:00:00:00:00:02->eth_dst,goto_table:{higher}"),
        5 => format!("set_field:10.0.0.2->ip_dst,dec_ttl,goto_table:{higher}"),
        6 => format!("push_vlan:0x8100,set_field:4103->vlan_vid,output:{to_host}"),
        7 => format!("pop_vlan,goto_table:{higher}"),
        8 => format!("resubmit(,{higher}),output:{to_host}"),
        9 => format!("load:7->NXM_NX_REG0[],goto_table:{higher}"),
        10 => format!("write_actions(output:{to_host}),goto_table:{higher}"),
        11 => format!("write_metadata:0x10/0xff,goto_table:{higher}"),
        12 => format!("move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],goto_table:{higher}"),
        13 => format!("clone(set_field:1->reg3,output:{to_host}),goto_table:{higher}"),
        _ => format!("goto_table:{higher}"),
    };
    let extra = match (table, random.below(8)) {
        (100.., 0) => ",reg0=7",
        (100.., 1) => ",metadata=0x10/0xff",
        _ => "",
    };
    let fields: Match = fields.into_iter().collect();
    let text = fields.to_string();
    let separator = if text.is_empty() { "" } else { "," };
    format!("table={table},priority={}{separator}{text}{extra},actions={actions}", 100 + 7 * number)
}

/// A random packet at a port of the bridge, without what a flow's text can't say.
fn made(random: &mut Random) -> Packet {
    loop {
        let mut packet = packet::random(random, Shape { tags: 1, fragments: false });
        let all = [LINK_PORTS.as_slice(), &HOST_PORTS].concat();
        packet.in_port = random.pick(&all);
        packet.fields.insert(OxmKind::IN_PORT, packet.in_port.to_be_bytes().to_vec());
        // Hosts of the fabric, so that the controller's own rules are met.
        for kind in [OxmKind::ETH_SRC, OxmKind::ETH_DST] {
            if random.one_in(2) {
                packet.fields.insert(kind, vec![2, 0, 0, 0, 0, random.between(1, 6) as u8]);
            }
        }
        packet.fields.retain(|kind, _| !matches!(*kind, OxmKind::ND_RESERVED | OxmKind::ND_OPTIONS_TYPE));
        // Network service headers: a flow's text says too little of them.
        let is_nsh = packet.fields.get(&OxmKind::ETH_TYPE).is_some_and(|eth_type| *eth_type == [0x89, 0x4f]);
        if !is_nsh {
            return packet;
        }
    }
}

/// The packet as both traces take it.
fn flow(packet: &Packet) -> String {
    let fields = packet.fields.iter().filter_map(|(kind, value)| OxmFieldOwned::new(*kind, value, None));
    // A packet without a tag says nothing of one: a mask has no place in a packet.
    let text = fields.collect::<Match>().to_string().replace(",vlan_tci=0x0000/0x1fff", "");
    // Open vSwitch takes names in a packet that a match may have others for: tp_src is TCP's there.
    let text = match packet.fields.get(&OxmKind::IP_PROTO).map(Vec::as_slice) {
        Some([17]) => text.replace(",tp_", ",udp_"),
        Some([132]) => text.replace(",tp_", ",sctp_"),
        Some([58]) => text.replace(",icmp_", ",icmpv6_"),
        _ => text,
    };
    match packet.fields.get(&OxmKind::ETH_TYPE).map(Vec::as_slice) {
        Some([0x08, 0x00] | [0x86, 0xdd]) => format!("{text},nw_ttl=64"),
        Some([0x88, 0x47 | 0x48]) => format!("{text},mpls_ttl=64"),
        _ => text,
    }
}

/// What one trace says: the rules met, as table and priority, and where the packet goes.
#[derive(PartialEq, Eq, Debug, Default)]
struct Told {
    rules: Vec<(u64, Option<u64>)>,
    ports: BTreeSet<u32>,
    controller: bool,
    /// A select group may choose other ports.
    is_choice: bool,
    /// Of such a group: where the packet goes by each bucket, or which one is taken. A bucket is a set of actions, of which the last output alone counts
    /// (OpenFlow 1.3.5 §5.6.1, §5.10), and by one that leads back to where the packet came in it goes nowhere.
    buckets: BTreeMap<u64, BTreeSet<u32>>,
    /// A fast-failover group takes the first bucket whose port lives.
    is_failover: bool,
}

fn compare(random: &mut Random, packets: usize) -> Outcome {
    let mut unixctl = Unixctl::connect()?;
    let numbers = numbers(&unixctl.run("dpif/show", &[])?)?;
    let (mut different, mut dropped, mut punted, mut chosen, mut met) = (Vec::new(), 0, 0, 0, 0);
    let mut failed_over = 0;
    for _ in 0..packets {
        let packet = made(random);
        let flow = flow(&packet);
        // A select group takes its bucket by a hash that the datapath adds when the packet comes around: without one the trace ends there.
        let hash = 1 + random.below(u32::MAX as usize);
        let said = unixctl.run("ofproto/trace", &[BRIDGE, &format!("{flow},dp_hash={hash:#x}")])?;
        let theirs = theirs(&said, &numbers)?;
        let path = format!("/api/v1/trace?switch={BRIDGE}&flow={}", http::encode(&flow));
        let answer = http::get_json(HTTP, &path)?;
        let ours = ours(&answer, packet.in_port)?;
        wait::ensure(answer.get("same") == Some(&Value::Bool(true)), || {
            format!("desired and installed differ: {answer}")
        })?;
        // We follow each bucket that may be chosen, it follows the one of this hash.
        let ports = match ours.is_choice {
            true => {
                let all: BTreeSet<u32> = ours.buckets.values().flatten().copied().collect();
                all == ours.ports && theirs.buckets.keys().any(|bucket| ours.buckets.get(bucket) == Some(&theirs.ports))
            }
            false => theirs.ports == ours.ports,
        };
        if theirs.rules != ours.rules || !ports || theirs.controller != ours.controller {
            different.push(format!("{flow}\nOpen vSwitch: {theirs:?}\nours:         {ours:?}\n{said}"));
        }
        dropped += usize::from(ours.ports.is_empty() && !ours.controller);
        punted += usize::from(ours.controller);
        chosen += usize::from(ours.is_choice);
        failed_over += usize::from(ours.is_failover);
        met += usize::from(ours.rules.iter().any(|(_, priority)| priority.is_some_and(|priority| priority >= 100)));
    }
    different.iter().take(SHOWN).for_each(|text| println!("{text}"));
    wait::ensure(different.is_empty(), || format!("{} of {packets} packets differ", different.len()))?;
    // Else nothing has been shown.
    let all = [dropped, punted, chosen, met];
    wait::ensure(all.iter().all(|count| *count > 0), || format!("{all:?}"))?;
    Ok(format!(
        "{packets} packets: {dropped} dropped, {punted} to the controller, {chosen} through groups with a choice, {failed_over} \
         through fast failover"
    ))
}

/// Another configuration by the commands, for a while and for good.
struct Changes<'a> {
    lab: &'a Lab,
    controller: &'a Controller,
    rules: &'a [String],
}

/// A rule that is in no other configuration, as it is stated and as Open vSwitch prints it.
const MARK: &str = "table=199,priority=4242,actions=drop";
const MARK_SHOWN: &str = "priority=4242";
/// How long an apply waits to be confirmed here.
const CONFIRM: &str = "15s";
const CONFIRM_TIME: Duration = Duration::from_secs(15);

impl Changes<'_> {
    /// The configuration with one rule more and the first one gone, in a file of its own.
    fn file(&self) -> Result<String, Fail> {
        let rules: Vec<String> = self.rules.iter().skip(1).cloned().chain([MARK.to_owned()]).collect();
        let file = self.lab.directory.join("other.yaml");
        std::fs::write(&file, config(&rules)).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(file.display().to_string())
    }

    fn command(&self, words: &[&str]) -> Result<String, Fail> {
        crate::process::run_within(60, &self.lab.binary.display().to_string(), words)
    }

    fn is_there(&self) -> Result<bool, Fail> {
        Ok(ovs::flows(BRIDGE)?.iter().any(|flow| flow.contains(MARK_SHOWN)))
    }

    fn becomes(&self, there: bool, limit: Duration) -> Result<(), Fail> {
        wait::until(limit, || {
            let is = self.is_there()?;
            wait::ensure(is == there, || format!("the rule is there: {is}"))
        })
    }

    /// How the configuration that counts came to count, and whether it waits.
    fn newest(&self) -> Result<(String, String), Fail> {
        let answer = http::get_json(HTTP, "/api/v1/history?limit=1")?;
        let text = |name: &str| {
            answer.pointer(&format!("/rows/0/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok((text("how"), text("state")))
    }

    fn plan(&self) -> Outcome {
        let file = self.file()?;
        let sent = || self.controller.metric(metric::FLOW_MODS, &[]);
        // Metrics are as of the last tick.
        wait::throughout(STILL, || Ok(()))?;
        let before = sent()?;
        let text = self.command(&["plan", &file, "-o", "json"])?;
        let plan: Value = serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
        let lines: Vec<&Value> = plan
            .pointer("/switches")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .flat_map(|switch| switch.get("lines").and_then(Value::as_array).into_iter().flatten())
            .collect();
        let signs: Vec<&str> = lines.iter().filter_map(|line| line.get("sign")?.as_str()).collect();
        wait::ensure(signs.len() == 2 && signs.contains(&"+") && signs.contains(&"-"), || text.clone())?;
        wait::throughout(STILL, || Ok(()))?;
        wait::ensure(sent()? == before, || "the plan has sent something".to_owned())?;
        self.command(&["apply", &file])?;
        self.becomes(true, SETTLE_LIMIT)?;
        wait::throughout(STILL, || Ok(()))?;
        let mods = sent()? - before;
        wait::ensure(mods == lines.len() as f64, || format!("{mods} flow-mods for {} lines", lines.len()))?;
        self.command(&["rollback"])?;
        self.becomes(false, SETTLE_LIMIT)?;
        Ok(format!("{} lines", lines.len()))
    }

    /// Groups and meters with a rule that needs both: on the switch, shown, put back when deleted by hand, and gone with the configuration.
    fn numbered(&self) -> Outcome {
        let before = ovs::groups(BRIDGE)?;
        let port = HOST_PORTS[0];
        let rule = "table=199,priority=7,dl_vlan=99,actions=meter:9,group:8".to_owned();
        let rules: Vec<String> = self.rules.iter().cloned().chain([rule]).collect();
        let text = format!(
            "{}meters:\n  s1: [\"meter=9,pktps,burst,bands=type=drop,rate=1000,burst_size=100\"]\n",
            config(&rules)
        );
        let more = format!(
            "groups:\n  all: [\"group_id=7,type=all,bucket=output:{port}\"]\n  s1:\n    - \"group_id=8,type=select,bucket=group:7\"\n"
        );
        let text = text.replacen("groups:\n  s1:\n", &more, 1);
        self.controller.write_config(&text)?;
        let (status, out, err, _) = self.controller.reload()?;
        wait::ensure(status == Some(0), || format!("{out}{err}"))?;
        let own = |groups: Vec<String>| -> Vec<String> {
            groups
                .into_iter()
                .filter(|group| ["7", "8"].iter().any(|id| group.starts_with(&format!("group_id={id},"))))
                .collect()
        };
        let are_there = || {
            let (groups, meters) = (own(ovs::groups(BRIDGE)?), ovs::meters(BRIDGE)?);
            let rule = ovs::flows(BRIDGE)?.iter().any(|flow| flow.contains("meter:9,group:8"));
            wait::ensure(groups.len() == 2 && meters.contains("meter=9") && rule, || {
                format!("{groups:?} {meters} {rule}")
            })
        };
        wait::until(SETTLE_LIMIT, are_there)?;
        let shown = |what: &str| -> Result<Vec<Value>, Fail> {
            let text = self.command(&["show", what, "--switch", "s1", "-o", "json"])?;
            let rows = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
            let rows = rows.map_err(|error| format!("{text}: {error}"))?;
            let is_other = |row: &Value| {
                !row.get("text").and_then(Value::as_str).is_some_and(|text| text.starts_with("group_id=3,"))
            };
            Ok(rows.into_iter().filter(|row| row.get("line").is_some_and(Value::is_u64) && is_other(row)).collect())
        };
        let texts = |rows: &[Value]| -> Vec<String> {
            rows.iter().filter_map(|row| Some(row.get("text")?.as_str()?.to_owned())).collect()
        };
        let (groups, meters) = (shown("groups")?, shown("meters")?);
        let (ours, theirs) = (texts(&groups), own(ovs::groups(BRIDGE)?));
        wait::ensure(ours == theirs, || format!("{ours:?} for {theirs:?}"))?;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (ours, theirs) = (texts(&meters).join(" "), ovs::meters(BRIDGE)?);
        wait::ensure(words(&theirs).ends_with(&words(&ours)), || format!("{ours:?} for {theirs:?}"))?;
        // With the group go the rules that point to it, and the other group does not.
        for words in [["del-groups", BRIDGE, "group_id=8"], ["del-meter", BRIDGE, "meter=9"]] {
            crate::process::run("ovs-ofctl", &[&["-O", "OpenFlow13"][..], &words].concat())?;
        }
        self.command(&["audit", "s1"])?;
        wait::until(SETTLE_LIMIT, are_there)?;
        configure(self.controller, self.rules)?;
        wait::until(SETTLE_LIMIT, || {
            let (groups, meters) = (ovs::groups(BRIDGE)?, ovs::meters(BRIDGE)?);
            wait::ensure(groups == before && !meters.contains("meter=9"), || format!("{groups:?} {meters}"))
        })?;
        Ok(format!("{} groups, {} meter", 2, meters.len()))
    }

    fn not_confirmed(&self) -> Outcome {
        let file = self.file()?;
        let said = self.command(&["apply", &file, "--confirm", CONFIRM])?;
        wait::ensure(said.contains("trunkline confirm"), || said.clone())?;
        self.becomes(true, CONFIRM_TIME)?;
        let state = self.newest()?;
        wait::ensure(state == ("apply".to_owned(), "waits".to_owned()), || format!("{state:?}"))?;
        self.becomes(false, CONFIRM_TIME + SETTLE_LIMIT)?;
        let state = self.newest()?;
        wait::ensure(state == ("not confirmed".to_owned(), "counts".to_owned()), || format!("{state:?}"))?;
        Ok(String::new())
    }

    fn confirmed(&self) -> Outcome {
        let file = self.file()?;
        self.command(&["apply", &file, "--confirm", CONFIRM])?;
        self.command(&["confirm"])?;
        self.becomes(true, SETTLE_LIMIT)?;
        wait::throughout(CONFIRM_TIME + STILL, || {
            let is = self.is_there()?;
            wait::ensure(is, || "it has gone all the same".to_owned())
        })?;
        self.command(&["rollback"])?;
        self.becomes(false, SETTLE_LIMIT)?;
        let state = self.newest()?;
        wait::ensure(state == ("rollback".to_owned(), "counts".to_owned()), || format!("{state:?}"))?;
        Ok(String::new())
    }
}

/// The numbers of the bridge's ports by those of its datapath: `name 1/5: (system)`.
fn numbers(text: &str) -> Result<BTreeMap<u32, u32>, Fail> {
    let mut of_bridge = false;
    let mut numbers = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [name] if name.ends_with(':') => of_bridge = name.trim_end_matches(':') == BRIDGE,
            [_, pair, ..] if of_bridge => {
                let pair = pair.trim_end_matches(':').split_once('/');
                let pair = pair.and_then(|(number, of_datapath)| {
                    Some((of_datapath.parse::<u32>().ok()?, number.parse::<u32>().ok()?))
                });
                numbers.extend(pair);
            }
            _ => {}
        }
    }
    if numbers.is_empty() { Err(format!("no ports in: {text}")) } else { Ok(numbers) }
}

fn theirs(text: &str, numbers: &BTreeMap<u32, u32>) -> Result<Told, Fail> {
    let mut told = Told::default();
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(actions) = line.strip_prefix("Datapath actions: ") {
            told.controller |= actions.contains("controller(");
            let actions = actions.replace("(l4(0))", "").replace("(sym_l4(0))", "");
            for port in actions.split([',', '(', ')']).filter_map(|word| word.parse::<u32>().ok()) {
                let number = numbers.get(&port).ok_or_else(|| format!("datapath port {port}: {text}"))?;
                told.ports.insert(*number);
            }
        } else if let Some(bucket) = line.strip_prefix("-> using bucket ") {
            let bucket = bucket.trim().parse().map_err(|_| format!("no bucket: {line}"))?;
            told.buckets.insert(bucket, BTreeSet::new());
        } else if let Some((table, rest)) = line.split_once(". ")
            && let Ok(table) = table.parse::<u64>()
        {
            let priority = rest.split_once("priority ").map(|(_, number)| number.split(',').next().unwrap_or_default());
            let priority =
                priority.map(|number| number.trim().parse::<u64>().map_err(|_| format!("no priority: {line}")));
            told.rules.push((table, priority.transpose()?));
        }
    }
    told.ports.remove(&u32::from(u16::MAX - 1));
    wait::ensure(!told.rules.is_empty(), || format!("no table in: {text}"))?;
    Ok(told)
}

/// What happens at the first switch.
fn ours(answer: &Value, in_port: u32) -> Result<Told, Fail> {
    let mut told = Told::default();
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = answer.get("rows").and_then(Value::as_array).ok_or("no rows")?;
    for row in rows.iter().filter(|row| row.get("hop").and_then(Value::as_u64) == Some(1)) {
        match text(row, "what").as_str() {
            "table" => {
                let table = row.get("table").and_then(Value::as_u64).ok_or("no table")?;
                let rule = text(row, "rule");
                let priority = rule.split_once("priority=").map(|(_, rest)| rest.split(',').next().unwrap_or_default());
                told.rules.push((table, priority.and_then(|number| number.parse().ok())));
            }
            "group" => {
                told.is_choice |= text(row, "rule").contains("type=select");
                told.is_failover |= text(row, "rule").contains("type=ff");
            }
            "bucket" => {
                let number = text(row, "why").strip_prefix("bucket ").and_then(|number| number.parse::<u64>().ok());
                let port = text(row, "rule").rsplit("output:").next().and_then(|port| port.parse::<u32>().ok());
                let ports = port.into_iter().filter(|port| *port != in_port).collect();
                told.buckets.extend(number.map(|number| (number, ports)));
            }
            "out" => told.ports.extend(text(row, "port").parse::<u32>()),
            "controller" => told.controller = true,
            _ => {}
        }
    }
    Ok(told)
}
