//! Pictures of the switches' tables for those who ask: copied by the fabric thread in pieces, shared by all who ask soon after.
//!
//! ```text
//! who asks ──► Pictures: one that is young enough? ──► question ──► fabric thread: piece, others' turn, piece … ──► sorted, kept for a while
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, Time};
use openflow::TableId;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::Fabric;
use super::counted::{Counted, Counters};
use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::flow::{Copying, Key, Owner, Picture, PicturedRule};

/// A picture of this age is good for whoever asks: ten copies a second of one switch at most.
const YOUNG: Duration = Duration::from_millis(100);
/// A picture of this age is good for whoever goes on with a list: pages of one list are of few pictures.
const YOUNG_FOR_NEXT_PAGE: Duration = Duration::from_secs(2);
/// A picture that nobody has asked for since then is forgotten.
const KEPT: Duration = Duration::from_secs(10);
/// Rules in all pictures that are kept: some 50 MiB. The ones that were asked for longest ago go.
const RULES_KEPT: usize = 400_000;
/// Questions that wait for the fabric thread. Who asks beyond waits too.
const QUESTIONS: usize = 8;
/// How long the fabric thread may take for a picture.
const PICTURE_LIMIT: Duration = Duration::from_secs(20);
/// After so much copying there is a pause of [`PAUSE`]: it takes at most a fifth of the thread's time.
const COPIED_AT_ONCE: Duration = Duration::from_micros(250);
/// The shortest one that the runtime's timer knows.
const PAUSE: Duration = Duration::from_millis(1);
/// Octets of a match by which rules are put in order; longer ones that begin alike are in the order of a hash.
const ORDER_OCTETS: usize = 64;

/// The place of a rule in a list: table, the most important first, then its match.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RuleOrder {
    /// Its table.
    pub table: u8,
    /// Its priority, the highest first.
    pub priority: Reverse<u16>,
    /// The beginning of its match.
    pub octets: Vec<u8>,
    /// Tells longer matches apart.
    pub hash: u64,
}

impl RuleOrder {
    /// The place of this rule.
    pub fn of(rule: &PicturedRule) -> RuleOrder {
        let body = rule.body.octets();
        let of_match = body.of_match();
        let octets = of_match.get(..ORDER_OCTETS).unwrap_or(of_match).to_vec();
        let hash = match of_match.len() > ORDER_OCTETS {
            true => {
                // With fixed keys: a cursor is good for longer than a picture.
                let mut hasher = DefaultHasher::new();
                of_match.hash(&mut hasher);
                hasher.finish()
            }
            false => 0,
        };
        RuleOrder { table: rule.table.0, priority: Reverse(rule.priority), octets, hash }
    }
}

/// A picture with its rules in order.
#[derive(Debug)]
pub struct Ordered {
    /// What was copied, its rules ascending by [`RuleOrder`].
    pub picture: Picture,
    /// The fabric thread's clock when it was finished.
    pub at: Time,
    /// The operator's rules at that moment: they know their lines.
    pub operator_rules: Arc<OperatorRules>,
    /// Who was kept apart then: these rules know theirs.
    pub isolation: Arc<Isolation>,
    /// What the switch has said, if it was asked. Then the rules are also those that it has and nobody here has put there.
    pub counted: Option<Counted>,
}

impl Ordered {
    /// The line of the configuration that a rule comes from; what the controller has by itself comes from none.
    pub fn line_of(&self, table: TableId, key: &Key) -> Option<u32> {
        let rules = match key.owner {
            Owner::StaticRules => &*self.operator_rules,
            Owner::Isolation => self.isolation.rules(),
            Owner::Forwarding => return None,
        };
        rules.origin_of_key(self.picture.datapath_id, table, key).filter(|line| *line > 0)
    }
}

/// The fabric thread does not answer: it has ended, or has far too much to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPicture;

/// A picture, when it was finished, and whose lines are known at that moment.
type Answer = (Picture, Time, (Arc<OperatorRules>, Arc<Isolation>));

pub(super) struct Question {
    datapath_id: DatapathId,
    answer: oneshot::Sender<Answer>,
}

/// A switch that is asked for counters, and of which table, if not of all.
type Counting = (DatapathId, Option<TableId>, bool);

struct Kept {
    ordered: Arc<Ordered>,
    taken: Instant,
    asked: Instant,
}

/// Asks for pictures, and keeps them for a while.
#[derive(Clone)]
pub struct Pictures {
    questions: mpsc::Sender<Question>,
    kept: Arc<Mutex<BTreeMap<DatapathId, Kept>>>,
    counters: Counters,
    /// Pictures with counters, by what was asked for.
    counted: Arc<Mutex<BTreeMap<Counting, Kept>>>,
    /// One asks, the others wait for what it gets: each switch by itself.
    asking: Arc<Mutex<BTreeMap<Counting, Arc<Mutex<()>>>>>,
}

impl Pictures {
    pub(super) fn new(counters: Counters) -> (Pictures, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (Pictures { questions, kept: Arc::default(), counters, counted: Arc::default(), asking: Arc::default() }, asked)
    }

    /// What a switch should have and has: at most `YOUNG` old, or `YOUNG_FOR_NEXT_PAGE` for the next page of a list.
    ///
    /// # Errors
    /// The fabric thread does not answer.
    pub async fn picture(&self, datapath_id: DatapathId, next_page: bool) -> Result<Arc<Ordered>, NoPicture> {
        let good = if next_page { YOUNG_FOR_NEXT_PAGE } else { YOUNG };
        // Held until the picture is there: who asks for the same one meanwhile gets this one.
        let mut kept = self.kept.lock().await;
        let now = Instant::now();
        if let Some(kept) = kept.get_mut(&datapath_id).filter(|kept| now - kept.taken <= good) {
            kept.asked = now;
            return Ok(kept.ordered.clone());
        }
        let (answer, answered) = oneshot::channel();
        let ask = async {
            self.questions.send(Question { datapath_id, answer }).await.map_err(|_| NoPicture)?;
            answered.await.map_err(|_| NoPicture)
        };
        let (mut picture, at, (operator_rules, isolation)) =
            tokio::time::timeout(PICTURE_LIMIT, ask).await.map_err(|_| NoPicture)??;
        let sorted = tokio::task::spawn_blocking(move || {
            picture.rules.sort_by_cached_key(RuleOrder::of);
            picture
        });
        let picture = sorted.await.map_err(|_| NoPicture)?;
        let ordered = Arc::new(Ordered { picture, at, operator_rules, isolation, counted: None });
        let now = Instant::now();
        kept.insert(datapath_id, Kept { ordered: ordered.clone(), taken: now, asked: now });
        forget(&mut kept, now);
        Ok(ordered)
    }

    /// The same with what the switch counts and what else it has, in all tables or in one. The pages of a list are of one question, as long as they
    /// are asked for one after the other: a switch with many rules takes seconds.
    ///
    /// # Errors
    /// The fabric thread does not answer. A switch that does not is no error: [`Ordered::counted`] says so.
    pub async fn counted(
        &self,
        datapath_id: DatapathId,
        next_page: bool,
        table: Option<TableId>,
        foreign: bool,
    ) -> Result<Arc<Ordered>, NoPicture> {
        let good = if next_page { KEPT } else { YOUNG };
        // Held until this switch has answered: who asks for the same meanwhile gets this one.
        let turn = self.asking.lock().await.entry((datapath_id, table, foreign)).or_default().clone();
        let _turn = turn.lock().await;
        let now = Instant::now();
        if let Some(kept) =
            self.counted.lock().await.get_mut(&(datapath_id, table, foreign)).filter(|kept| now - kept.taken <= good)
        {
            kept.asked = now;
            return Ok(kept.ordered.clone());
        }
        let ordered = self.picture(datapath_id, false).await?;
        let beside = self.counters.beside(&ordered, table, foreign).await;
        // As it is now: rules that came while the switch was asked are ours.
        let ordered = self.picture(datapath_id, false).await?;
        let put = tokio::task::spawn_blocking(move || beside.put(&ordered));
        let ordered = Arc::new(put.await.map_err(|_| NoPicture)?);
        let now = Instant::now();
        let mut kept = self.counted.lock().await;
        kept.insert((datapath_id, table, foreign), Kept { ordered: ordered.clone(), taken: now, asked: now });
        forget(&mut kept, now);
        Ok(ordered)
    }

    /// Asks switches for a few counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Forget what nobody asks for: to be called now and then.
    pub fn tidy(&self) {
        if let Ok(mut kept) = self.kept.try_lock() {
            forget(&mut kept, Instant::now());
        }
        if let Ok(mut counted) = self.counted.try_lock() {
            forget(&mut counted, Instant::now());
        }
        if let Ok(mut asking) = self.asking.try_lock() {
            asking.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
    }
}

fn forget<K: Ord + Copy>(kept: &mut BTreeMap<K, Kept>, now: Instant) {
    kept.retain(|_, kept| now - kept.asked <= KEPT);
    let rules = |kept: &Kept| kept.ordered.picture.rules.len();
    let mut all: usize = kept.values().map(rules).sum();
    while all > RULES_KEPT && kept.len() > 1 {
        let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.asked).map(|(id, _)| *id) else { return };
        all -= kept.remove(&oldest).map_or(0, |kept| rules(&kept));
    }
}

/// Answers for ever: a piece, then the others' turn, then the next piece.
pub(super) async fn answer(fabric: Rc<Fabric>, mut questions: mpsc::Receiver<Question>) {
    while let Some(Question { datapath_id, answer }) = questions.recv().await {
        let mut copying = Copying::new(datapath_id);
        let mut copied = Duration::ZERO;
        loop {
            let begun = fabric.clock.now();
            let done = fabric.core.borrow().reconciler().copy_picture(&mut copying);
            if done || answer.is_closed() {
                break;
            }
            copied += fabric.clock.now().since(begun);
            if copied >= COPIED_AT_ONCE {
                copied = Duration::ZERO;
                tokio::time::sleep(PAUSE).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        let lines = {
            let core = fabric.core.borrow();
            (core.operator_rules().clone(), core.isolation().clone())
        };
        // Who has asked may be gone.
        let _ = answer.send((copying.finish(), fabric.clock.now(), lines));
    }
}
