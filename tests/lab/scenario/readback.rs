//! What we send to Open vSwitch is what it holds: flows, groups and meters are read back by ovs-ofctl and by ourselves, and what it
//! refuses is what we call a problem.

mod verdict;

use std::collections::BTreeMap;

use openflow::{
    Action, ErrorCode, FlowStats, FlowStatsRequest, GroupDesc, GroupId, GroupMod, GroupModCommand, GroupType, Message,
    MeterBand, MeterConfig, MeterFlags, MeterId, MeterMod, MeterModCommand, MultipartReplyBody, MultipartRequestBody,
};

use super::Lab;
use crate::oracle::client::Client;
use crate::oracle::random::Random;
use crate::oracle::samples::{self, Sample};
use crate::oracle::stored;
use crate::ovs::{self, Ovs};
use crate::process;
use crate::report::{Fail, Outcome, Report};
use verdict::{Agreement, agreement};

const BRIDGE: &str = "br0";

/// Flows per round: few enough for one dump to be quick.
const ROUND: usize = 2_000;

/// What ovs-ofctl prints of a part of a dump that it can't read.
const UNREADABLE: &str = "***decode error";

/// Differences that are shown of each sort.
const SHOWN: usize = 40;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let _ovs = Ovs::start_dummy(&lab.directory)?;
    let bridge = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=dummy", "protocols=OpenFlow13"];
    ovs::vsctl(&[&bridge[..], &["fail_mode=secure"]].concat())?;
    let mut client = Client::connect(BRIDGE)?;
    println!("        | readback: seed {}; LAB_SEED={} repeats it", lab.seed, lab.seed);
    let mut random = Random::new(lab.seed);
    flows(&mut client, "every field in matches", samples::matches(&mut random), report)?;
    flows(&mut client, "every field in actions", samples::field_actions(&mut random), report)?;
    let accepted = flows(&mut client, "every action and instruction", samples::actions(&mut random), report)?;
    let combinations = samples::combinations(&mut random, lab.mode.pick(500, 20_000), &accepted);
    flows(&mut client, "random flows", combinations, report)?;
    groups(&mut client, samples::groups(&mut random, lab.mode.pick(400, 4_000)), report)?;
    meters(&mut client, samples::meters(&mut random, lab.mode.pick(100, 1_000)), report)?;
    Ok(())
}

/// What was found, by sort.
#[derive(Default)]
struct Found {
    texts: Vec<String>,
    structs: Vec<String>,
    refusals: Vec<String>,
    accepted: usize,
    refused: usize,
    /// Actions that are accepted whatever is matched.
    actions: Vec<Action>,
    /// Verdicts that differ as is known.
    tolerated: usize,
    /// Flows that Open vSwitch accepts and ovs-ofctl can't read.
    unreadable: usize,
    /// Flows with fields that it does not keep as they are.
    forgotten: usize,
    /// Refusals of which we say nothing, as is known, by code.
    unsaid: BTreeMap<String, usize>,
}

impl Found {
    /// One check for each sort of difference.
    fn tell(&self, what: &str, report: &mut Report) {
        let seen = |differences: &[String], fine: String| -> Outcome {
            if differences.is_empty() {
                return Ok(fine);
            }
            let list: String = differences.iter().take(SHOWN).map(|line| format!("\n    {line}")).collect();
            Err(format!("{} differ:{list}", differences.len()))
        };
        let (accepted, refused) = (self.accepted, self.refused);
        let unreadable = if self.unreadable == 0 {
            String::new()
        } else {
            format!(", {} of them it can't read itself", self.unreadable)
        };
        let forgotten = match self.forgotten {
            0 => String::new(),
            count => format!("but for {count} with fields that Open vSwitch forgets"),
        };
        let texts = seen(&self.texts, format!("{accepted}{unreadable}"));
        report.check(&format!("{what}: ovs-ofctl prints what we print"), texts);
        report.check(&format!("{what}: what comes back is what was sent"), seen(&self.structs, forgotten));
        let unsaid: Vec<String> = self.unsaid.iter().map(|(code, times)| format!("{times} × {code}")).collect();
        let unsaid =
            if unsaid.is_empty() { String::new() } else { format!("; of which we say nothing: {}", unsaid.join(", ")) };
        let known = self.tolerated;
        let fine = format!("{accepted} accepted, {refused} refused, {known} judged otherwise as is known{unsaid}");
        let refusals = seen(&self.refusals, fine);
        report.check(&format!("{what}: where we call something a problem it is refused, with that code"), refusals);
    }

    /// Compares the switch's verdict with ours: where they differ, it is known why.
    fn verdict(&mut self, about: &str, message: &Message, theirs: Option<ErrorCode>) {
        match theirs {
            None => self.accepted += 1,
            Some(_) => self.refused += 1,
        }
        let problems = message.problems();
        match agreement(message, theirs, &problems) {
            Agreement::Same => {}
            Agreement::Known => self.tolerated += 1,
            Agreement::Unsaid => {
                let code = theirs.map_or_else(String::new, |code| code.to_string());
                *self.unsaid.entry(code).or_default() += 1;
            }
            Agreement::Differs => {
                let theirs = theirs.map_or_else(|| "fine".into(), |code| code.to_string());
                let ours: Vec<String> = problems.iter().map(ToString::to_string).collect();
                self.refusals.push(format!("{about}: Open vSwitch: {theirs}, ours: [{}]", ours.join(", ")));
            }
        }
    }
}

/// Sends flows, reads them back twice, and compares; gives the actions that are accepted without any match.
fn flows(client: &mut Client, what: &str, mut samples: Vec<Sample>, report: &mut Report) -> Result<Vec<Action>, Fail> {
    let mut found = Found::default();
    for round in samples.chunks_mut(ROUND) {
        one_round(client, round, &mut found)?;
    }
    found.tell(what, report);
    Ok(found.actions)
}

fn one_round(client: &mut Client, round: &mut [Sample], found: &mut Found) -> Result<(), Fail> {
    client.clear()?;
    client.apply(&what_flows_need())?;
    let messages: Vec<Message> = round
        .iter_mut()
        .enumerate()
        .map(|(index, sample)| {
            // A cookie and a priority of its own, by which it is found again.
            sample.flow_mod.cookie = index as u64 + 1;
            sample.flow_mod.priority = index as u16 + 1;
            Message::FlowMod(sample.flow_mod.clone())
        })
        .collect();
    let (errors, _) = client.apply(&messages)?;
    let mut back: BTreeMap<u64, FlowStats> = BTreeMap::new();
    for part in client.request(MultipartRequestBody::Flow(FlowStatsRequest::default()))? {
        if let MultipartReplyBody::Flow(flows) = part {
            back.extend(flows.into_iter().map(|flow| (flow.cookie, flow)));
        }
    }
    let dump = process::run("ovs-ofctl", &["-O", "OpenFlow13", "--no-names", "dump-flows", BRIDGE])?;
    // Some flows Open vSwitch accepts and then can't read itself; ovs-ofctl drops the whole part of the dump that has one of them.
    let unreadable = dump.contains(UNREADABLE);
    if unreadable && round.len() > 1 {
        let (one, other) = round.split_at_mut(round.len() / 2);
        one_round(client, one, found)?;
        return one_round(client, other, found);
    }
    let mut printed: BTreeMap<u64, String> = dump.lines().filter_map(by_cookie).collect();
    for (sample, theirs) in round.iter().zip(&errors) {
        let cookie = sample.flow_mod.cookie;
        found.verdict(&about(sample), &Message::FlowMod(sample.flow_mod.clone()), *theirs);
        if theirs.is_some() {
            continue;
        }
        if sample.flow_mod.match_.is_empty() {
            found.actions.extend(sample.actions());
        }
        let Some(back) = back.remove(&cookie) else {
            found.structs.push(format!("{}: accepted, and not there", about(sample)));
            continue;
        };
        let sent = stats_of(sample, &back);
        let (ours, sent_text) = (normal(&back.to_string()), normal(&sent.to_string()));
        match printed.remove(&cookie) {
            Some(printed) if printed == ours || stored::is_not_printed(&back.match_) => {}
            None if unreadable => found.unreadable += 1,
            printed => {
                let printed = printed.unwrap_or_else(|| "nothing".into());
                found.texts.push(format!("ovs-ofctl: {printed}\n    ours:      {ours}"));
            }
        }
        if stored::is_forgotten(&sent.match_) {
            found.forgotten += 1;
            continue;
        }
        let (stored, back) = (stored::flow(&sent), stored::flow(&back));
        // Where Open vSwitch stores a field under its other number, the text shows that it is the same.
        if stored != back && normal(&stored.to_string()) != normal(&back.to_string()) {
            found.structs.push(format!("sent: {sent_text}\n    back: {ours}"));
        }
    }
    Ok(())
}

/// A group and a meter to which flows may lead.
fn what_flows_need() -> [Message; 2] {
    let bands = vec![MeterBand::Drop { rate: 1000, burst_size: 1000 }];
    let (command, group_type) = (GroupModCommand::ADD, GroupType::ALL);
    [
        Message::GroupMod(GroupMod { command, group_type, group_id: GroupId(1), buckets: Vec::new() }),
        Message::MeterMod(MeterMod {
            command: MeterModCommand::ADD,
            flags: MeterFlags::KBPS,
            meter_id: MeterId(1),
            bands,
        }),
    ]
}

fn about(sample: &Sample) -> String {
    format!("{} ({})", sample.about, sample.flow_mod)
}

/// What a dump has to say about a flow that was sent.
fn stats_of(sample: &Sample, back: &FlowStats) -> FlowStats {
    let sent = sample.flow_mod.clone();
    FlowStats {
        table_id: sent.table_id,
        duration_sec: back.duration_sec,
        duration_nsec: back.duration_nsec,
        priority: sent.priority,
        idle_timeout: sent.idle_timeout,
        hard_timeout: sent.hard_timeout,
        flags: sent.flags,
        cookie: sent.cookie,
        packet_count: 0,
        byte_count: 0,
        match_: sent.match_,
        instructions: sent.instructions,
    }
}

/// Cookie and normal form of a line of `dump-flows`.
fn by_cookie(line: &str) -> Option<(u64, String)> {
    let hex = line.trim().strip_prefix("cookie=0x")?.split(',').next()?;
    Some((u64::from_str_radix(hex, 16).ok()?, normal(line)))
}

/// The line without what changes by itself: the duration.
fn normal(line: &str) -> String {
    line.trim().split(", ").filter(|part| !part.starts_with("duration=")).collect::<Vec<_>>().join(", ")
}

/// As [`flows`], for groups.
fn groups(client: &mut Client, groups: Vec<GroupMod>, report: &mut Report) -> Result<(), Fail> {
    client.clear()?;
    let mut found = Found::default();
    let messages: Vec<Message> = groups.iter().cloned().map(Message::GroupMod).collect();
    let (errors, _) = client.apply(&messages)?;
    let mut back: BTreeMap<u32, GroupDesc> = BTreeMap::new();
    for part in client.request(MultipartRequestBody::GroupDesc)? {
        if let MultipartReplyBody::GroupDesc(groups) = part {
            back.extend(groups.into_iter().map(|group| (group.group_id.0, group)));
        }
    }
    let printed = process::run("ovs-ofctl", &["-O", "OpenFlow13", "--no-names", "dump-groups", BRIDGE])?;
    let printed: BTreeMap<u32, &str> = printed
        .lines()
        .map(str::trim)
        .filter_map(|line| Some((line.strip_prefix("group_id=")?.split(',').next()?.parse().ok()?, line)))
        .collect();
    for ((group, message), theirs) in groups.iter().zip(&messages).zip(&errors) {
        found.verdict(&group.to_string(), message, *theirs);
        let id = group.group_id.0;
        if theirs.is_none() {
            let sent =
                GroupDesc { group_type: group.group_type, group_id: group.group_id, buckets: group.buckets.clone() };
            let there = back.get(&id).ok_or(format!("{group}: accepted, and not there"))?;
            let same = stored::group(&sent) == stored::group(there);
            compare(&mut found, printed.get(&id).copied(), &there.to_string(), &sent.to_string(), same);
        }
    }
    found.tell("groups", report);
    Ok(())
}

/// As [`flows`], for meters.
fn meters(client: &mut Client, meters: Vec<MeterMod>, report: &mut Report) -> Result<(), Fail> {
    client.clear()?;
    let mut found = Found::default();
    let messages: Vec<Message> = meters.iter().cloned().map(Message::MeterMod).collect();
    let (errors, _) = client.apply(&messages)?;
    let mut back: BTreeMap<u32, MeterConfig> = BTreeMap::new();
    for part in client.request(MultipartRequestBody::MeterConfig(MeterId::ALL))? {
        if let MultipartReplyBody::MeterConfig(meters) = part {
            back.extend(meters.into_iter().map(|meter| (meter.meter_id.0, meter)));
        }
    }
    // Each meter starts a line, and each of its bands has one.
    let text = process::run("ovs-ofctl", &["-O", "OpenFlow13", "--no-names", "dump-meters", BRIDGE])?;
    let mut printed: BTreeMap<u32, String> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        if let Some(rest) = line.trim().strip_prefix("meter=") {
            last = rest.split(' ').next().and_then(|id| id.parse().ok());
        }
        if let Some(entry) = last.map(|id| printed.entry(id).or_default()) {
            entry.push_str(if entry.is_empty() { "" } else { "\n" });
            entry.push_str(line.trim_end());
        }
    }
    for ((meter, message), theirs) in meters.iter().zip(&messages).zip(&errors) {
        found.verdict(&meter.to_string(), message, *theirs);
        let id = meter.meter_id.0;
        if theirs.is_none() {
            let bands = meter.bands.iter().map(as_kept).collect();
            let sent = MeterConfig { flags: meter.flags, meter_id: meter.meter_id, bands };
            let there = back.get(&id).ok_or(format!("{meter}: accepted, and not there"))?;
            let same = sent == *there;
            let printed = printed.get(&id).map(|text| text.trim());
            compare(&mut found, printed, &there.to_string(), &sent.to_string(), same);
        }
    }
    found.tell("meters", report);
    Ok(())
}

/// The datapath gives a band without a burst one of its rate.
fn as_kept(band: &MeterBand) -> MeterBand {
    match *band {
        MeterBand::Drop { rate, burst_size: 0 } => MeterBand::Drop { rate, burst_size: rate },
        ref other => other.clone(),
    }
}

fn compare(found: &mut Found, printed: Option<&str>, ours: &str, sent: &str, same: bool) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = words(printed.unwrap_or("nothing"));
    if words(ours) != printed {
        found.texts.push(format!("ovs-ofctl: {printed}\n    ours:      {}", words(ours)));
    }
    if !same && sent != ours {
        found.structs.push(format!("sent: {sent}\n    back: {ours}"));
    }
}
