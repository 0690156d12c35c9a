//! Rules, groups and meters, out of the pictures of the switches' tables.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use net::DatapathId;
use openflow::{FlowModFlags, FlowStats, GroupDesc, GroupId, MeterConfig, TableId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::find::Look;
use super::table::{FOREIGN, owners, states};
use super::{Failure, Page, Question, beside};
use crate::flow::{Again, EntryState, FlowBody, PicturedGroup, PicturedMeter, PicturedRule, Refusal, owner_of_cookie};
use crate::io::fabric::{EntryCounts, NoCounters, Ordered, Pictures, RuleOrder, Snapshot};

/// Switches whose tables are looked at for one page. A page of a filter that nothing passes may be empty and have a next one.
const SWITCHES_PER_PAGE: usize = 16;
/// A page whose switches have taken so long to tell what they count has no further ones: who asks wants to see something.
const COUNTING_LIMIT: Duration = Duration::from_secs(4);

/// Where a list of rules goes on: behind a rule, or at a switch.
#[derive(Clone, Debug)]
struct RuleCursor {
    switch: DatapathId,
    after: Option<RuleOrder>,
}

impl fmt::Display for RuleCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.switch)?;
        if let Some(RuleOrder { table, priority: Reverse(priority), octets, hash }) = &self.after {
            write!(f, "-{table}-{priority}-{hash:x}-")?;
            octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        }
        Ok(())
    }
}

impl FromStr for RuleCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<RuleCursor, ()> {
        let mut parts = text.split('-');
        let switch = parts.next().and_then(|text| text.parse().ok()).ok_or(())?;
        let Some(table) = parts.next() else { return Ok(RuleCursor { switch, after: None }) };
        let table = table.parse().map_err(|_| ())?;
        let priority = Reverse(parts.next().and_then(|text| text.parse().ok()).ok_or(())?);
        let hash = parts.next().and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(())?;
        let digits = parts.next().ok_or(())?;
        if !digits.is_ascii() || digits.len() % 2 != 0 || parts.next().is_some() {
            return Err(());
        }
        let octet = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let octets = (0..digits.len()).step_by(2).map(octet).collect::<Option<Vec<u8>>>().ok_or(())?;
        Ok(RuleCursor { switch, after: Some(RuleOrder { table, priority, octets, hash }) })
    }
}

/// The switches that are asked about from one on: those with rules, connected or not.
fn switches(snapshot: &Snapshot, wanted: Option<DatapathId>, from: Option<DatapathId>) -> Vec<DatapathId> {
    let all: BTreeSet<DatapathId> = match wanted {
        Some(id) => BTreeSet::from([id]),
        None => snapshot.flows.keys().chain(snapshot.network.switches.keys()).copied().collect(),
    };
    all.into_iter().filter(|id| from.is_none_or(|from| *id >= from)).collect()
}

/// Which rules are wanted.
#[derive(Clone, Default)]
struct Wanted {
    table: Option<u8>,
    owner: Option<String>,
    state: Option<String>,
}

impl Wanted {
    fn rule(&self, rule: &PicturedRule) -> bool {
        let is =
            |wanted: &Option<String>, name: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == name);
        self.table.is_none_or(|table| table == rule.table.0)
            && is(&self.owner, owner(rule))
            && is(&self.state, Some(rule.state.name()))
    }
}

fn owner(rule: &PicturedRule) -> Option<&'static str> {
    let owner = rule.key.map(|key| key.owner).or_else(|| owner_of_cookie(rule.cookie));
    owner.map(|owner| owner.name()).or((rule.state == EntryState::Found).then_some(FOREIGN))
}

/// What is odd about what the switches have said, a sentence for each of them that something is odd about.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, look: Look<'_>, id: DatapathId, note: Option<&str>) {
        self.0.extend(note.map(|note| format!("{}: {note}", look.switch(id))));
    }

    fn json(&self) -> Value {
        if self.0.is_empty() { Value::Null } else { Value::String(self.0.join("; ")) }
    }
}

/// Packets, octets and age.
fn counts(row: &mut Value, counts: Option<&EntryCounts>) {
    let Value::Object(row) = row else { return };
    row.insert("packets".to_owned(), json!(counts.and_then(|counts| counts.packets)));
    row.insert("octets".to_owned(), json!(counts.and_then(|counts| counts.octets)));
    row.insert("age_seconds".to_owned(), json!(counts.map(|counts| counts.age.as_secs())));
}

pub(super) async fn flows(pictures: &Pictures, snapshot: Arc<Snapshot>, question: Question) -> Result<Value, Failure> {
    let look = Look { snapshot: &snapshot };
    let switch = question.switch("switch", look)?;
    let wanted = Wanted {
        table: question.number("table").and_then(|table| u8::try_from(table).ok()),
        owner: question.word("owner", owners())?.map(str::to_owned),
        state: question.word("state", states())?.map(str::to_owned),
    };
    let asked = question.asks_switches();
    let foreign = wanted.owner.as_deref() == Some("foreign") || wanted.state.as_deref() == Some("found");
    let (begun, mut notes) = (Instant::now(), Notes::default());
    let cursor = question.after::<RuleCursor>()?;
    let limit = question.limit();
    let mut page = Page::default();
    let mut left = switches(&snapshot, switch, cursor.as_ref().map(|cursor| cursor.switch)).into_iter();
    let mut after = cursor.as_ref().and_then(|cursor| cursor.after.clone());
    for id in left.by_ref().take(SWITCHES_PER_PAGE) {
        if page.rows.len() >= limit || begun.elapsed() > COUNTING_LIMIT {
            page.next = Some(RuleCursor { switch: id, after: None }.to_string());
            break;
        }
        let ordered = match asked {
            true => pictures.counted(id, after.is_some(), wanted.table.map(TableId), foreign).await?,
            false => pictures.picture(id, cursor.is_some()).await?,
        };
        if after.is_none() {
            // Said with the first page of a switch.
            notes.add(look, id, ordered.counted.as_ref().and_then(|counted| counted.note.as_deref()));
        }
        let (wanted, snapshot) = (wanted.clone(), snapshot.clone());
        let (room, begin) = (limit - page.rows.len(), after.take());
        let made = tokio::task::spawn_blocking(move || rule_rows(&ordered, &snapshot, &wanted, begin, room));
        let (rows, last) = made.await.map_err(|_| Failure::busy("the answer could not be made"))?;
        page.rows.extend(rows);
        if let Some(last) = last {
            page.next = Some(RuleCursor { switch: id, after: Some(last) }.to_string());
            break;
        }
    }
    if page.next.is_none() {
        page.next = left.next().map(|switch| RuleCursor { switch, after: None }.to_string());
    }
    Ok(page.answer(beside([("at", json!(look.now())), ("note", notes.json())])))
}

/// At most `room` rows; and where the last one is, if there are more.
fn rule_rows(
    ordered: &Ordered,
    snapshot: &Snapshot,
    wanted: &Wanted,
    after: Option<RuleOrder>,
    room: usize,
) -> (Vec<Value>, Option<RuleOrder>) {
    let look = Look { snapshot };
    let rules = &ordered.picture.rules;
    let from = after.map_or(0, |after| rules.partition_point(|rule| RuleOrder::of(rule) <= after));
    let mut some = rules.iter().enumerate().skip(from).filter(|(_, rule)| wanted.rule(rule));
    let shown: Vec<(usize, &PicturedRule)> = some.by_ref().take(room).collect();
    let more = some.next().is_some();
    let last = shown.last().filter(|_| more).map(|(_, rule)| RuleOrder::of(rule));
    let seen = |at: usize| ordered.counted.as_ref().and_then(|counted| counted.rules.get(at)?.as_ref());
    (shown.into_iter().map(|(at, rule)| rule_row(look, ordered, rule, seen(at))).collect(), last)
}

fn rule_row(look: Look<'_>, ordered: &Ordered, rule: &PicturedRule, seen: Option<&EntryCounts>) -> Value {
    // What others have put there may have what our rules never have.
    let found = seen.filter(|_| rule.state == EntryState::Found);
    let entry = |body: &FlowBody| FlowStats {
        table_id: rule.table,
        duration_sec: 0,
        duration_nsec: 0,
        priority: rule.priority,
        idle_timeout: rule.idle_timeout,
        hard_timeout: found.map_or(0, |found| found.hard_timeout),
        flags: found.map_or(FlowModFlags::SEND_FLOW_REM, |found| found.flags),
        cookie: rule.cookie,
        packet_count: 0,
        byte_count: 0,
        match_: body.match_(),
        instructions: body.instructions(),
    };
    let shown = entry(&rule.body);
    let flow = shown.entry().to_string();
    let id = ordered.picture.datapath_id;
    let mut row = json!({
        "switch": look.switch(id),
        "datapath_id": id,
        "table": rule.table.0,
        "priority": rule.priority,
        "match": shown.match_.to_string(),
        "actions": actions(&flow),
        "idle_timeout": rule.idle_timeout,
        "cookie": format!("{:#x}", rule.cookie),
        "owner": owner(rule),
        "line": rule.key.and_then(|key| ordered.line_of(rule.table, &key)),
        "state": rule.state.name(),
    });
    counts(&mut row, seen);
    refused(look, &mut row, rule.refusal);
    if let Value::Object(row) = &mut row {
        let other = rule.other.as_deref().map(|body| actions(&entry(body).entry().to_string()).to_owned());
        row.insert("on_switch".to_owned(), json!(other));
        row.insert("flow".to_owned(), Value::String(flow));
    }
    row
}

/// What follows `actions=`.
fn actions(flow: &str) -> &str {
    flow.split_once("actions=").map_or("", |(_, actions)| actions)
}

fn refused(look: Look<'_>, row: &mut Value, refusal: Option<Refusal>) {
    let error = refusal.map(|refusal| {
        let times = if refusal.count > 1 { format!(" ({} times)", refusal.count) } else { String::new() };
        let ends = if refusal.again == Again::WhenDifferent { "; not sent again as it is" } else { "" };
        format!("{}{times}{ends}", refusal.cause)
    });
    if let Value::Object(row) = row {
        row.insert("error".to_owned(), json!(error));
        let retry = refusal.and_then(|refusal| match refusal.again {
            Again::At(at) => Some(look.time(at)),
            Again::Now | Again::WhenDifferent => None,
        });
        row.insert("retry_at".to_owned(), json!(retry));
    }
}

/// Where a list of groups or meters goes on: behind a number, or at a switch.
#[derive(Clone, Copy)]
struct NumberCursor {
    switch: DatapathId,
    after: Option<u32>,
}

impl fmt::Display for NumberCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "{}-{after}", self.switch),
            None => self.switch.fmt(f),
        }
    }
}

impl FromStr for NumberCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<NumberCursor, ()> {
        let (switch, after) = match text.split_once('-') {
            Some((switch, after)) => (switch, Some(after.parse().map_err(|_| ())?)),
            None => (text, None),
        };
        Ok(NumberCursor { switch: switch.parse().map_err(|_| ())?, after })
    }
}

pub(super) async fn groups(pictures: &Pictures, snapshot: Arc<Snapshot>, question: Question) -> Result<Value, Failure> {
    let of = |ordered: &Ordered| ordered.picture.groups.iter().map(|group| (group.id.0, group.state)).collect();
    numbered(pictures, snapshot, question, of, |look, ordered, at, seen| {
        ordered.picture.groups.get(at).map(|group| group_row(look, ordered, group, seen))
    })
    .await
}

pub(super) async fn meters(pictures: &Pictures, snapshot: Arc<Snapshot>, question: Question) -> Result<Value, Failure> {
    let of = |ordered: &Ordered| ordered.picture.meters.iter().map(|meter| (meter.id.0, meter.state)).collect();
    numbered(pictures, snapshot, question, of, |look, ordered, at, _| {
        ordered.picture.meters.get(at).map(|meter| meter_row(look, ordered, meter))
    })
    .await
}

/// A list by switch and number: `of` says which numbers a picture has, in order, and `row` makes the row of one.
async fn numbered(
    pictures: &Pictures,
    snapshot: Arc<Snapshot>,
    question: Question,
    of: impl Fn(&Ordered) -> Vec<(u32, EntryState)>,
    row: impl Fn(Look<'_>, &Ordered, usize, Option<&EntryCounts>) -> Option<Value>,
) -> Result<Value, Failure> {
    let look = Look { snapshot: &snapshot };
    let switch = question.switch("switch", look)?;
    let state = question.word("state", states())?;
    let asked = question.asks_switches();
    let (begun, mut notes) = (Instant::now(), Notes::default());
    let cursor = question.after::<NumberCursor>()?;
    let limit = question.limit();
    let mut page = Page::default();
    let mut left = switches(&snapshot, switch, cursor.map(|cursor| cursor.switch)).into_iter();
    let mut after = cursor.and_then(|cursor| cursor.after);
    for id in left.by_ref().take(SWITCHES_PER_PAGE) {
        if page.rows.len() >= limit || begun.elapsed() > COUNTING_LIMIT {
            page.next = Some(NumberCursor { switch: id, after: None }.to_string());
            break;
        }
        let ordered = pictures.picture(id, cursor.is_some()).await?;
        let counted = match asked && ordered.picture.live {
            true => pictures.counters().groups(id).await,
            false => Ok(BTreeMap::new()),
        };
        let counted = counted.unwrap_or_else(|NoCounters(why)| {
            notes.add(look, id, Some(&format!("{why}: counters are missing")));
            BTreeMap::new()
        });
        let after: RangeInclusive<u32> = after.take().map_or(0, |after| after.saturating_add(1))..=u32::MAX;
        let is_wanted = |(_, (number, its)): &(usize, (u32, EntryState))| {
            after.contains(number) && state.is_none_or(|state| state == its.name())
        };
        let mut some = of(&ordered).into_iter().enumerate().filter(is_wanted).peekable();
        let mut last = None;
        while page.rows.len() < limit
            && let Some((at, (number, _))) = some.next()
        {
            page.rows.extend(row(look, &ordered, at, counted.get(&GroupId(number))));
            last = Some(number);
        }
        if some.peek().is_some() {
            page.next = Some(NumberCursor { switch: id, after: last }.to_string());
            break;
        }
    }
    if page.next.is_none() {
        page.next = left.next().map(|switch| NumberCursor { switch, after: None }.to_string());
    }
    Ok(page.answer(beside([("at", json!(look.now())), ("note", notes.json())])))
}

fn meter_row(look: Look<'_>, ordered: &Ordered, meter: &PicturedMeter) -> Value {
    let id = ordered.picture.datapath_id;
    let config = MeterConfig { meter_id: meter.id, flags: meter.flags, bands: meter.bands.clone() };
    let text = config.to_string();
    let (head, bands) = text.split_once("bands=").unwrap_or((&text, ""));
    let mut row = json!({
        "switch": look.switch(id),
        "datapath_id": id,
        "meter": meter.id.0,
        "flags": head.split_whitespace().skip(1).collect::<Vec<_>>(),
        "bands": bands.split("type=").skip(1).map(|band| format!("type={}", band.trim_end())).collect::<Vec<_>>(),
        "owner": meter.key.map(|key| key.owner.name()),
        "line": meter.key.and_then(|key| ordered.line_of(TableId::ALL, &key)),
        "state": meter.state.name(),
    });
    refused(look, &mut row, meter.refusal);
    if let Value::Object(row) = &mut row {
        row.insert("text".to_owned(), Value::String(text));
    }
    row
}

fn group_row(look: Look<'_>, ordered: &Ordered, group: &PicturedGroup, seen: Option<&EntryCounts>) -> Value {
    let id = ordered.picture.datapath_id;
    let desc = GroupDesc { group_type: group.group_type, group_id: group.id, buckets: group.buckets.clone() };
    let text = desc.to_string();
    let mut parts = text.split(",bucket=");
    let head = parts.next().unwrap_or_default();
    let group_type = head.split_once("type=").map_or("", |(_, word)| word);
    let mut row = json!({
        "switch": look.switch(id),
        "datapath_id": id,
        "group": group.id.0,
        "type": group_type,
        "buckets": parts.collect::<Vec<_>>(),
        "owner": group.key.map(|key| key.owner.name()),
        "line": group.key.and_then(|key| ordered.line_of(TableId::ALL, &key)),
        "state": group.state.name(),
    });
    counts(&mut row, seen);
    refused(look, &mut row, group.refusal);
    if let Value::Object(row) = &mut row {
        row.insert("text".to_owned(), Value::String(text));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let order = RuleOrder { table: 1, priority: Reverse(60_000), octets: vec![0, 1, 0xfe], hash: 0xabc };
        for after in [None, Some(order)] {
            let cursor = RuleCursor { switch: DatapathId(7), after };
            let read: RuleCursor = cursor.to_string().parse().unwrap();
            assert_eq!((read.switch, read.after), (cursor.switch, cursor.after));
        }
        for text in [
            "",
            "x",
            "7",
            "0x7-",
            "0x7-1",
            "0x7-1-2-3",
            "0x7-1-2-3-0",
            "0x7-1-2-3-é",
            "0x7-1-2-3-00-1",
            "0x7-1-70000-3-00",
        ] {
            assert!(text.parse::<RuleCursor>().is_err(), "{text}");
        }
    }
}
