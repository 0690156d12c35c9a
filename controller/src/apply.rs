//! Configurations that are taken on, remembered, and taken back: what the main thread does for whoever asks.
//!
//! [`History`] decides, [`Reloader`] does. A configuration that is refused is not remembered, and ends nobody's wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::config::HistoryConfig;
use crate::history::store::{Found, Store};
use crate::history::{History, How, Source, TakenOn, Waiting};
use crate::io::clock::{self, Clock};
use crate::reload::{Outcome, Plan, Refusal, Reloader, Wish};
use crate::service::Controller;

/// What the history knows, for those who ask.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Configurations that were taken on, the oldest first; the last one counts.
    pub taken: Vec<TakenOn>,
    /// The one that waits to be confirmed.
    pub waiting: Option<Waiting>,
    /// Where they are kept over restarts; `None` if they are not.
    pub folder: Option<PathBuf>,
    /// What is wrong with what is there.
    pub problems: Vec<String>,
}

/// The configuration that counts, those before it, and who is told of them.
#[derive(Debug)]
pub struct Changes {
    reloader: Reloader,
    history: History,
    clock: Clock,
    /// One plan is worked out at a time: it may take as much memory as the switches have rules.
    plans: Arc<Semaphore>,
    told: watch::Sender<Arc<Remembered>>,
    store: Option<Store>,
    /// What was wrong with what it had.
    problems: Vec<String>,
}

impl Changes {
    /// For a process that has just been started with this configuration. A folder that cannot be used keeps nobody from starting: it is warned of,
    /// and nothing outlives the process.
    pub fn new(
        reloader: Reloader,
        started: Source,
        kept: &HistoryConfig,
        told: watch::Sender<Arc<Remembered>>,
    ) -> Changes {
        let plans = Arc::new(Semaphore::new(1));
        let (mut store, mut problems) = (None, Vec::new());
        let mut history = History::new(kept.keep);
        if let Some(folder) = &kept.directory {
            match Store::open(folder, kept.keep) {
                Ok((opened, Found { taken, last, skipped })) => {
                    for file in &skipped {
                        tracing::warn!("a configuration of the history is passed over: {file}");
                    }
                    history = History::restored(taken, last, kept.keep);
                    (store, problems) = (Some(opened), skipped);
                }
                Err(why) => {
                    tracing::warn!("the history is kept in memory alone: history.directory: {why}");
                    problems.push(why);
                }
            }
        }
        let mut changes = Changes { reloader, history, clock: Clock::start(), plans, told, store, problems };
        changes.remember(started, How::Start, 0, false);
        if changes.history.current().is_some_and(|one| one.unconfirmed) {
            tracing::warn!(
                "the configuration that the process starts with was applied to be confirmed, and was not: it counts; `trunkline rollback` goes to the one before"
            );
        }
        changes.tell();
        changes
    }

    /// A configuration counts; its number, and what is to be said if it is not on the disk.
    fn remember(&mut self, source: Source, how: How, changed: usize, waits: bool) -> (u64, Option<String>) {
        let before = self.history.current().map(|one| one.number);
        let number = self.history.taken_on(source, how, changed, clock::wall());
        // Before it is on the disk: a process that ends now must not take it for one that is good.
        if waits && before != Some(number) {
            self.history.mark(number, true);
        }
        (number, self.keep(number))
    }

    fn keep(&self, number: u64) -> Option<String> {
        let why = self.store.as_ref().and_then(|store| store.keep(&self.history).err());
        why.map(|why| {
            tracing::warn!(number, "a configuration counts and is not kept: history.directory: {why}");
            format!("configuration {number} counts, and is forgotten when the process ends: history.directory: {why}")
        })
    }

    /// The file that is read again.
    pub fn file(&self) -> Option<&std::path::Path> {
        self.reloader.file()
    }

    /// Takes on this configuration, or the process's own file as it is now.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn take_on(
        &mut self,
        given: Option<Source>,
        how: How,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) -> Result<Outcome, Refusal> {
        self.take_on_for(given, how, false, controller, add).await
    }

    /// The same; whether it then waits to be confirmed.
    async fn take_on_for(
        &mut self,
        given: Option<Source>,
        how: How,
        waits: bool,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) -> Result<Outcome, Refusal> {
        let source = self.reloader.source(given)?;
        // The way back is not to be barred by what is odd about the network just now.
        let is_way_back = matches!(how, How::Rollback | How::NotConfirmed);
        let mut outcome = self.reloader.take_on(&source, is_way_back, controller, add).await?;
        let (number, unkept) = self.remember(source, how, outcome.changed.len(), waits);
        outcome.number = number;
        outcome.warnings.extend(unkept);
        self.tell();
        Ok(outcome)
    }

    /// Does what somebody wants.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn grant(
        &mut self,
        wish: Wish,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) -> Result<Outcome, Refusal> {
        match wish {
            Wish::Reload(given) => self.take_on(given, How::Reload, controller, add).await,
            Wish::Rollback(number) => {
                let source = self.history.target(number).map_err(Refusal::Process)?;
                self.take_on(Some(source), How::Rollback, controller, add).await
            }
            Wish::Confirm(number) => {
                let number = self.history.confirm(number).map_err(Refusal::Process)?;
                let warnings = self.keep(number).into_iter().collect();
                self.tell();
                Ok(Outcome { number, warnings, ..Outcome::default() })
            }
            Wish::Apply(source, confirm) => {
                // Who has an apply waiting would lose the way back to what was before that one.
                if let (Some(waiting), Some(_)) = (self.history.waiting(), confirm) {
                    let reason = format!(
                        "configuration {} waits to be confirmed: confirm it or roll it back first",
                        waiting.number
                    );
                    return Err(Refusal::Process(reason));
                }
                let before = self.history.current().map(|one| one.number);
                let mut outcome =
                    self.take_on_for(Some(source), How::Apply, confirm.is_some(), controller, add).await?;
                // The same text again is no other configuration: there is nothing to confirm.
                if let Some(time) = confirm
                    && before != Some(outcome.number)
                {
                    self.history.wait(time, self.clock.now(), clock::wall()).map_err(Refusal::Process)?;
                    outcome.confirm_within = Some(time.as_secs());
                    self.tell();
                }
                Ok(outcome)
            }
        }
    }

    /// When the time to confirm is over: whoever drives this calls [`Changes::go_back`] then.
    pub fn deadline(&self) -> Option<Instant> {
        self.history.poll_timeout().map(|at| self.clock.instant(at))
    }

    /// Takes the configuration before on again, if the time to confirm is over. `None`: nothing had to be done. If it cannot be taken on, that is
    /// tried again at the next deadline.
    pub async fn go_back(
        &mut self,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) -> Option<Result<Outcome, Refusal>> {
        let source = self.history.handle_timeout(self.clock.now())?;
        Some(self.take_on(Some(source), How::NotConfirmed, controller, add).await)
    }

    /// Has a plan worked out beside everything else.
    pub fn plan(
        &self,
        source: &Source,
        answer: oneshot::Sender<Result<Plan, Refusal>>,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) {
        let Ok(turn) = self.plans.clone().try_acquire_owned() else {
            let reason = "another plan is being worked out: ask again when it is done";
            let _ = answer.send(Err(Refusal::Process(reason.to_owned())));
            return;
        };
        let planning = match self.reloader.plan(source, add) {
            Ok(planning) => planning,
            Err(refusal) => {
                // Who has asked may have gone.
                let _ = answer.send(Err(refusal));
                return;
            }
        };
        let snapshot = controller.snapshot();
        tokio::task::spawn_blocking(move || {
            let name = |at| crate::api::switch_name(&snapshot, at);
            let verified = planning.verified(&(&*snapshot).into());
            let planning = planning.withholding(snapshot.weights.withheld().clone());
            let mut plan = planning.work_out(&snapshot.network, &snapshot.features, &name);
            if let Ok(plan) = &mut plan {
                plan.outcome.warnings.extend(verified);
            }
            drop(turn);
            let _ = answer.send(plan);
        });
    }

    fn tell(&self) {
        let remembered = Remembered {
            taken: self.history.iter().cloned().collect(),
            waiting: self.history.waiting(),
            folder: self.store.as_ref().map(|store| store.folder().to_owned()),
            problems: self.problems.clone(),
        };
        self.told.send_replace(Arc::new(remembered));
    }
}

/// What the process was started with: this text of this file. An empty text is that of the built-in defaults.
pub fn started_with(file: Option<&std::path::Path>, text: &str) -> Source {
    let name = file.map_or_else(|| "built-in defaults".to_owned(), |file| file.display().to_string());
    Source { name, text: text.into() }
}

/// The longest time that an apply may wait to be confirmed: a day.
pub const CONFIRM_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
