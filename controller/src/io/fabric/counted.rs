//! Counters of rules and groups, asked of a switch when somebody wants to see them, and what the switch has besides.
//!
//! ```text
//! who asks ──► Counters: slice, pause, slice … ──► question ──► core ──► switch
//!       Told ◄── parts as they come ◄── Waiting ◄── CoreEvent::Counted ◄──┘
//! ```
//! The fabric thread sends a question and passes the parts of its answer on. What they mean is found out by who asks, on another thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use net::DatapathId;
use openflow::{
    FlowModFlags, FlowStats, FlowStatsRequest, GroupId, GroupStats, MultipartReplyBody, MultipartRequestBody,
    RequestFailure, TableId,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Fabric;
use super::asked::{Ordered, RuleOrder};
use crate::core::{COUNT_LIMIT, CountingFailure, CountingNumber};
use crate::flow::{
    EntryState, FlowBody, FlowKey, KEPT_BESIDES, Others, Picture, PicturedRule, READ_BACK_MAX, READ_BACK_OCTETS,
    flows_of_ours, flows_with, is_our_cookie, slices_for,
};

/// Questions that wait for the fabric thread. Who asks beyond waits too.
const QUESTIONS: usize = 8;
/// Parts of an answer that wait to be looked at, 64 KiB each at most: a slice has five. A switch that is faster than that for longer is not believed.
const PARTS: usize = 64;
/// Pause after a slice, so that it is not the switch's only work.
const SLICE_PAUSE: Duration = Duration::from_millis(10);
/// All slices of a switch: 100,000 rules take Open vSwitch a second or two.
const WHOLE_LIMIT: Duration = Duration::from_secs(15);
/// Rules with one cookie that are looked at. Ours have one each.
const FEW: usize = 1_000;

/// Why counters are missing, as a sentence without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoCounters(pub String);

impl NoCounters {
    fn of(failure: &CountingFailure) -> NoCounters {
        NoCounters(match failure {
            CountingFailure::NoAnswer => format!("the switch did not answer within {} s", COUNT_LIMIT.as_secs()),
            CountingFailure::Disconnected => "its connection has ended".to_owned(),
            CountingFailure::Failed(RequestFailure::Refused(error)) => {
                format!("the switch refuses to tell: {}", error.code())
            }
            CountingFailure::Failed(RequestFailure::TooLong) => "the switch tells more than can be believed".to_owned(),
            CountingFailure::Failed(RequestFailure::NotSent) => "too many questions to it are open".to_owned(),
        })
    }

    fn too_much() -> NoCounters {
        NoCounters("the switch tells more than can be looked at".to_owned())
    }

    fn ended() -> NoCounters {
        NoCounters("the fabric thread does not answer".to_owned())
    }
}

/// What a switch says about one of its rules or groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryCounts {
    /// Packets that it matched, if the switch counts them.
    pub packets: Option<u64>,
    /// Octets in those packets, if the switch counts them.
    pub octets: Option<u64>,
    /// How long it is there.
    pub age: Duration,
    /// Of a rule: its flags.
    pub flags: FlowModFlags,
    /// Of a rule: seconds after which the switch removes it; 0 for never.
    pub hard_timeout: u16,
}

/// All ones: not counted (OpenFlow 1.3.5 §7.3.5.2).
fn counter(value: u64) -> Option<u64> {
    Some(value).filter(|value| *value != u64::MAX)
}

impl EntryCounts {
    /// Of a rule.
    pub fn of_flow(stats: &FlowStats) -> EntryCounts {
        EntryCounts {
            packets: counter(stats.packet_count),
            octets: counter(stats.byte_count),
            age: age(stats.duration_sec, stats.duration_nsec),
            flags: stats.flags,
            hard_timeout: stats.hard_timeout,
        }
    }

    fn of_group(stats: &GroupStats) -> EntryCounts {
        EntryCounts {
            packets: counter(stats.packet_count),
            octets: counter(stats.byte_count),
            age: age(stats.duration_sec, stats.duration_nsec),
            flags: FlowModFlags::NONE,
            hard_timeout: 0,
        }
    }
}

fn age(seconds: u32, nanoseconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)) + Duration::from_nanos(u64::from(nanoseconds))
}

/// What a switch has said beside a picture of it.
#[derive(Debug)]
pub struct Counted {
    /// Of each rule of the picture, in its order; `None` if the switch has said nothing of it.
    pub rules: Vec<Option<EntryCounts>>,
    /// Why something is missing, as a sentence without its end.
    pub note: Option<String>,
}

/// A rule that the switch has told.
#[derive(Debug)]
struct Told {
    table: TableId,
    priority: u16,
    cookie: u64,
    idle_timeout: u16,
    body: FlowBody,
    counts: EntryCounts,
}

impl Told {
    /// `None` for one that no FLOW_MOD could have brought there.
    fn new(stats: &FlowStats) -> Option<Told> {
        Some(Told {
            table: stats.table_id,
            priority: stats.priority,
            cookie: stats.cookie,
            idle_timeout: stats.idle_timeout,
            body: FlowBody::new(&stats.match_.canonical(), &stats.instructions).ok()?,
            counts: EntryCounts::of_flow(stats),
        })
    }
}

/// A part of an answer or why there is none, and whether it is the last.
type Part = (Result<MultipartReplyBody, CountingFailure>, bool);

pub(super) struct Question {
    datapath_id: DatapathId,
    body: MultipartRequestBody,
    parts: mpsc::Sender<Part>,
}

/// Asks switches for what they count.
#[derive(Clone)]
pub struct Counters {
    questions: mpsc::Sender<Question>,
}

/// An answer as it comes.
struct Answer {
    parts: mpsc::Receiver<Part>,
    ended: bool,
}

impl Answer {
    /// The next part; `None` behind the last one.
    async fn next(&mut self) -> Result<Option<MultipartReplyBody>, NoCounters> {
        if self.ended {
            return Ok(None);
        }
        // The core has its own limit, and says so; this one is for a fabric thread that is held up.
        let part = tokio::time::timeout(2 * COUNT_LIMIT, self.parts.recv()).await.map_err(|_| NoCounters::ended())?;
        // What came too fast has ended here.
        let (part, last) = part.ok_or_else(NoCounters::too_much)?;
        self.ended = last;
        part.map(Some).map_err(|failure| NoCounters::of(&failure))
    }
}

impl Counters {
    pub(super) fn new() -> (Counters, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (Counters { questions }, asked)
    }

    async fn ask(&self, datapath_id: DatapathId, body: MultipartRequestBody) -> Result<Answer, NoCounters> {
        let (sender, parts) = mpsc::channel(PARTS);
        let question = Question { datapath_id, body, parts: sender };
        self.questions.send(question).await.map_err(|_| NoCounters::ended())?;
        Ok(Answer { parts, ended: false })
    }

    /// The rules with this cookie in a table.
    ///
    /// # Errors
    /// The switch does not tell them.
    pub async fn flows_of(
        &self,
        datapath_id: DatapathId,
        table_id: TableId,
        cookie: u64,
    ) -> Result<Vec<FlowStats>, NoCounters> {
        let request = FlowStatsRequest { table_id, ..flows_with(cookie, u64::MAX) };
        let mut answer = self.ask(datapath_id, MultipartRequestBody::Flow(request)).await?;
        let mut flows = Vec::new();
        while let Some(part) = answer.next().await? {
            let MultipartReplyBody::Flow(part) = part else { continue };
            // Of these nothing is asked for but what the question names, whatever the switch tells.
            flows.extend(part.into_iter().filter(|stats| stats.cookie == cookie && stats.table_id == table_id));
            if flows.len() > FEW {
                return Err(NoCounters::too_much());
            }
        }
        Ok(flows)
    }

    /// All groups of a switch.
    ///
    /// # Errors
    /// The switch does not tell them.
    pub async fn groups(&self, datapath_id: DatapathId) -> Result<BTreeMap<GroupId, EntryCounts>, NoCounters> {
        let mut answer = self.ask(datapath_id, MultipartRequestBody::Group(GroupId::ALL)).await?;
        let mut groups = BTreeMap::new();
        while let Some(part) = answer.next().await? {
            let MultipartReplyBody::Group(part) = part else { continue };
            groups.extend(part.iter().map(|stats| (stats.group_id, EntryCounts::of_group(stats))));
            if groups.len() > READ_BACK_MAX {
                return Err(NoCounters::too_much());
            }
        }
        Ok(groups)
    }

    /// All rules of a switch, or of one of its tables, in slices: `rules` is about how many of ours there are. Of what others have put there and
    /// no slices can be made of, all is asked for if `foreign`, and nothing else. What was told before something went wrong is given all the same.
    async fn flows(
        &self,
        datapath_id: DatapathId,
        table: Option<TableId>,
        rules: usize,
        foreign: bool,
    ) -> (ToldRules, Option<NoCounters>) {
        let slices = slices_for(rules as u64);
        let mut telling = ToldRules::none();
        let table_id = table.unwrap_or(TableId::ALL);
        let mut ours = 0;
        for slice in 0..slices {
            let request = FlowStatsRequest { table_id, ..flows_of_ours(slice, slices) };
            match self.flows_into(datapath_id, table, request, &mut telling).await {
                Ok(told) => ours += told,
                Err(failure) => return (telling, Some(failure)),
            }
        }
        let mut others = Others::new(table, ours, foreign, (0..TableId::ALL.0).map(TableId).collect());
        while let Some(question) = others.next() {
            let failure = match question {
                MultipartRequestBody::Flow(request) => {
                    self.flows_into(datapath_id, table, request, &mut telling).await.map(|told| others.read(told)).err()
                }
                question => self.ask_others(datapath_id, question, &mut others).await.err(),
            };
            if failure.is_some() {
                return (telling, failure);
            }
        }
        telling.unread = others.unread();
        (telling, None)
    }

    async fn ask_others(
        &self,
        datapath_id: DatapathId,
        question: MultipartRequestBody,
        others: &mut Others,
    ) -> Result<(), NoCounters> {
        let mut answer = self.ask(datapath_id, question).await?;
        while let Some(part) = answer.next().await? {
            others.told(&part);
        }
        Ok(())
    }

    /// How many the switch has told.
    async fn flows_into(
        &self,
        datapath_id: DatapathId,
        table: Option<TableId>,
        request: FlowStatsRequest,
        telling: &mut ToldRules,
    ) -> Result<u64, NoCounters> {
        if !telling.rules.is_empty() {
            tokio::time::sleep(SLICE_PAUSE).await;
        }
        if telling.begun.elapsed() > WHOLE_LIMIT {
            return Err(NoCounters(format!("the switch has not told all of them in {} s", WHOLE_LIMIT.as_secs())));
        }
        let mut answer = self.ask(datapath_id, MultipartRequestBody::Flow(request)).await?;
        let mut count = 0;
        while let Some(part) = answer.next().await? {
            let MultipartReplyBody::Flow(part) = part else { continue };
            count += part.len() as u64;
            let some = part.iter().filter(|stats| table.is_none_or(|table| table == stats.table_id));
            for one in some.filter_map(Told::new) {
                telling.octets += one.body.octets().all().len() + KEPT_BESIDES;
                telling.rules.push(one);
            }
            if telling.rules.len() > READ_BACK_MAX || telling.octets > READ_BACK_OCTETS {
                return Err(NoCounters::too_much());
            }
        }
        Ok(count)
    }

    /// What a switch says beside a picture of it: all of its rules, or those of a table. See [`Counters::flows`] for `foreign`.
    pub(super) async fn beside(&self, ordered: &Ordered, table: Option<TableId>, foreign: bool) -> Beside {
        let Picture { datapath_id, live, rules, .. } = &ordered.picture;
        let (told, failure) = match live {
            true => self.flows(*datapath_id, table, rules.len(), foreign).await,
            false => (ToldRules::none(), Some(NoCounters("it is not connected".to_owned()))),
        };
        Beside { table, told: told.rules, unread: told.unread, failure }
    }
}

/// Rules that a switch has told.
struct ToldRules {
    rules: Vec<Told>,
    octets: usize,
    /// Rules of others that it has counted and was not asked for.
    unread: u64,
    begun: Instant,
}

impl ToldRules {
    fn none() -> ToldRules {
        ToldRules { rules: Vec::new(), octets: 0, unread: 0, begun: Instant::now() }
    }
}

/// What is to be put beside a picture.
pub(super) struct Beside {
    table: Option<TableId>,
    told: Vec<Told>,
    unread: u64,
    failure: Option<NoCounters>,
}

impl Beside {
    /// The picture with counters, and with the rules that the switch has and nobody here has put there. Takes some 0.1 s for 100,000 rules.
    pub(super) fn put(self, ordered: &Ordered) -> Ordered {
        let Beside { table, told, unread, failure } = self;
        let rules = &ordered.picture.rules;
        let index: HashMap<(TableId, u16, FlowKey<'_>), usize> =
            rules.iter().enumerate().map(|(at, rule)| ((rule.table, rule.priority, rule.body.key()), at)).collect();
        let mut all: Vec<(PicturedRule, Option<EntryCounts>)> = rules.iter().map(|rule| (rule.clone(), None)).collect();
        for Told { table, priority, cookie, idle_timeout, body, counts } in told {
            let known = index.get(&(table, priority, body.key())).and_then(|at| all.get_mut(*at));
            match known {
                Some((rule, seen)) => {
                    *seen = Some(counts);
                    // Of a rule that is to go, what is there is what is shown anyway.
                    if rule.state != EntryState::Leaving {
                        rule.other = Some(Box::new(body)).filter(|body| **body != rule.body);
                    }
                }
                None => {
                    // What has our mark and is in no picture has just been given up, or an audit will find it.
                    let state = if is_our_cookie(cookie) { EntryState::Leaving } else { EntryState::Found };
                    let (key, refusal, other) = (None, None, None);
                    let rule = PicturedRule { key, cookie, table, priority, idle_timeout, body, state, refusal, other };
                    all.push((rule, Some(counts)));
                }
            }
        }
        let is_missing = |(rule, seen): &&(PicturedRule, Option<EntryCounts>)| {
            seen.is_none() && rule.state == EntryState::Installed && table.is_none_or(|table| table == rule.table)
        };
        let note = match failure {
            Some(NoCounters(why)) => Some(format!("{why}: counters are missing")),
            None if unread > 0 => Some(format!(
                "about {unread} rules of others are not shown, too many in one table with one cookie: `--owner foreign` asks for them all the same"
            )),
            None => {
                let missing = all.iter().filter(is_missing).count();
                (missing > 0).then(|| {
                    let rules = if missing == 1 { "a rule that is".to_owned() } else { format!("{missing} rules that are") };
                    format!("the switch does not have {rules} believed to be there: removed by hand, or just now (`trunkline audit` tells)")
                })
            }
        };
        all.sort_by_cached_key(|(rule, _)| RuleOrder::of(rule));
        let (rules, counts) = all.into_iter().unzip();
        let Picture { datapath_id, live, held, rules: _, ref groups, ref meters, ref features } = ordered.picture;
        let (groups, meters, features) = (groups.clone(), meters.clone(), features.clone());
        Ordered {
            picture: Picture { datapath_id, live, held, rules, groups, meters, features },
            at: ordered.at,
            operator_rules: ordered.operator_rules.clone(),
            isolation: ordered.isolation.clone(),
            counted: Some(Counted { rules: counts, note }),
        }
    }
}

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Waiting(RefCell<BTreeMap<CountingNumber, mpsc::Sender<Part>>>);

impl Waiting {
    /// A part has come. Who does not keep up gets no more of it.
    pub(super) fn told(&self, number: CountingNumber, part: Result<MultipartReplyBody, CountingFailure>, last: bool) {
        let mut waiting = self.0.borrow_mut();
        let Some(parts) = waiting.get(&number) else { return };
        if parts.try_send((part, last)).is_err() || last {
            waiting.remove(&number);
        }
    }
}

/// Takes questions for ever.
pub(super) async fn answer(fabric: Rc<Fabric>, mut questions: mpsc::Receiver<Question>) {
    while let Some(Question { datapath_id, body, parts }) = questions.recv().await {
        // Nothing is told before the turn is over, and then this question is there.
        fabric.turn(|core, now| {
            let mut waiting = fabric.countings.0.borrow_mut();
            match core.handle_counting(datapath_id, body, now) {
                Some(number) => drop(waiting.insert(number, parts)),
                // Who has asked may be gone.
                None => drop(parts.try_send((Err(CountingFailure::Disconnected), true))),
            }
        });
    }
}

#[cfg(test)]
mod tests;
