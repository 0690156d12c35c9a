//! Which configurations were taken on, and the one that waits to be confirmed. Pure: time is an argument.
//!
//! ```text
//! taken_on(apply --confirm 5m) ──► waiting ── confirm() ──────────────────────────► stays
//!                                    │ ├───── somebody takes another one on ───────► that one stays
//!                                    │ └───── rollback() ──┐
//!                                    └─ time is up ────────┴─► the one before is to be taken on again
//! ```
//! Nobody has to be there when the time is up: the deadline is the process's own. What is remembered is the text, so that any of the last ones can
//! come back. The process starts with its own file; those of earlier runs are remembered if the configuration names a folder for them ([`store`]).

pub mod store;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use net::Time;
use sha2::{Digest, Sha256};

/// Configurations that are remembered, unless `history.keep` says something else; the oldest goes.
pub const REMEMBERED: usize = 20;
/// Octets of their texts in all; the oldest go, but never the one that counts nor the one before it.
pub const OCTETS_MAX: usize = 64 << 20;
/// Pauses between two tries to go back, should one fail.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
const AGAIN_LAST: Duration = Duration::from_secs(60);
/// Hex digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// How a configuration came to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// The process was started with it.
    Start,
    /// SIGHUP.
    Hangup,
    /// `trunkline reload`.
    Reload,
    /// The file has changed, and is watched.
    Watch,
    /// `trunkline apply`.
    Apply,
    /// `trunkline rollback`.
    Rollback,
    /// An apply was not confirmed in time.
    NotConfirmed,
}

impl How {
    /// All of them.
    const ALL: [How; 7] =
        [How::Start, How::Hangup, How::Reload, How::Watch, How::Apply, How::Rollback, How::NotConfirmed];

    /// By its name.
    pub fn of_name(name: &str) -> Option<How> {
        How::ALL.into_iter().find(|how| how.name() == name)
    }

    /// As commands print it.
    pub const fn name(self) -> &'static str {
        match self {
            How::Start => "start",
            How::Hangup => "SIGHUP",
            How::Reload => "reload",
            How::Watch => "watch",
            How::Apply => "apply",
            How::Rollback => "rollback",
            How::NotConfirmed => "not confirmed",
        }
    }
}

/// The text of a configuration, and what it is called in messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file, as whoever gave it calls it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// A configuration that was taken on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenOn {
    /// From 1 on: in each run of the process, or over all of them if they are kept.
    pub number: u64,
    /// When, since 1970.
    pub at: Duration,
    /// How.
    pub how: How,
    /// The text, if it is known: a file may have been rewritten between the start and the look at it.
    pub source: Source,
    /// SHA-256 of the text, its first digits.
    pub digest: String,
    /// A line for each thing that it has changed.
    pub changes: usize,
    /// It was applied to be confirmed, and has not been: nobody goes back to it without saying so.
    pub unconfirmed: bool,
}

/// The configuration that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which.
    pub number: u64,
    /// What counts again unless it is confirmed.
    pub back_to: u64,
    /// Until when.
    pub deadline: Time,
    /// The same, since 1970, for people.
    pub until: Duration,
    /// How often it was tried to go back.
    pub tries: u32,
}

/// Why something can't be done, as a sentence.
pub type Refused = String;

/// All configurations that are remembered, the newest last, and what waits.
#[derive(Debug)]
pub struct History {
    taken: VecDeque<TakenOn>,
    last: u64,
    keep: usize,
    waiting: Option<Waiting>,
}

/// The first digits of a text's SHA-256.
fn digest_of(text: &str) -> String {
    let octets = Sha256::digest(text.as_bytes());
    octets.iter().take(DIGEST_DIGITS / 2).map(|octet| format!("{octet:02x}")).collect()
}

impl History {
    /// None yet; this many are remembered, the one that counts and the one before it at least.
    pub fn new(keep: usize) -> History {
        History::restored(Vec::new(), 0, keep)
    }

    /// Those of earlier runs, the oldest first, and the highest number that was given.
    pub fn restored(taken: Vec<TakenOn>, last: u64, keep: usize) -> History {
        History { taken: taken.into(), last, keep: keep.max(2), waiting: None }
    }

    /// A configuration counts from now on; its number. Whatever waited waits no more. The text that counts already is no other configuration, and
    /// has the number that it has.
    pub fn taken_on(&mut self, source: Source, how: How, changes: usize, wall: Duration) -> u64 {
        // Another one that is taken on ends the wait, and what waited stays; on the way back it does not.
        if let Some(waited) = self.waiting.take()
            && !matches!(how, How::Rollback | How::NotConfirmed)
        {
            self.mark(waited.number, false);
        }
        if let Some(current) = self.taken.back().filter(|current| current.source.text == source.text) {
            return current.number;
        }
        self.last += 1;
        let digest = digest_of(&source.text);
        self.taken.push_back(TakenOn { number: self.last, at: wall, how, source, digest, changes, unconfirmed: false });
        let octets = |taken: &VecDeque<TakenOn>| taken.iter().map(|one| one.source.text.len()).sum::<usize>();
        while self.taken.len() > self.keep || (self.taken.len() > 2 && octets(&self.taken) > OCTETS_MAX) {
            self.taken.pop_front();
        }
        self.last
    }

    /// The newest one is to be confirmed before this time is over.
    ///
    /// # Errors
    /// There is none before it to go back to.
    pub fn wait(&mut self, time: Duration, now: Time, wall: Duration) -> Result<Waiting, Refused> {
        let mut newest = self.taken.iter().rev();
        let (Some(one), Some(before)) = (newest.next(), newest.next()) else {
            return Err("there is no configuration to go back to".to_owned());
        };
        let waiting =
            Waiting { number: one.number, back_to: before.number, deadline: now + time, until: wall + time, tries: 0 };
        self.waiting = Some(waiting);
        self.mark(waiting.number, true);
        Ok(waiting)
    }

    /// The one that waits stays; its number. `number` is the one that is meant, if somebody says so.
    ///
    /// # Errors
    /// None waits, or another one.
    pub fn confirm(&mut self, number: Option<u64>) -> Result<u64, Refused> {
        let Some(waiting) = self.waiting else { return Err("no configuration waits to be confirmed".to_owned()) };
        if number.is_some_and(|number| number != waiting.number) {
            return Err(format!("it is configuration {} that waits to be confirmed", waiting.number));
        }
        self.waiting = None;
        self.mark(waiting.number, false);
        Ok(waiting.number)
    }

    /// Whether one is still to be confirmed, whoever waits for it.
    pub fn mark(&mut self, number: u64, unconfirmed: bool) {
        if let Some(one) = self.taken.iter_mut().find(|one| one.number == number) {
            one.unconfirmed = unconfirmed;
        }
    }

    /// What a rollback goes to: the one with this number, else what was before the one that counts.
    ///
    /// # Errors
    /// It is not remembered, or counts already.
    pub fn target(&self, number: Option<u64>) -> Result<Source, Refused> {
        let current = self.current().map_or(0, |one| one.number);
        let is_back = self.current().is_some_and(|one| matches!(one.how, How::Rollback | How::NotConfirmed));
        if number.is_none() && is_back && self.waiting.is_none() {
            // The one before this is what was gone back from: nobody wants that without saying so.
            return Err(format!(
                "configuration {current} is one that was gone back to already: say the number of the one that is meant (`trunkline history`)"
            ));
        }
        let wanted = match number.or(self.waiting.map(|waiting| waiting.back_to)) {
            Some(number) => number,
            None => self.taken.iter().rev().skip(1).find(|one| !one.unconfirmed).map_or(0, |one| one.number),
        };
        if wanted == current && wanted != 0 {
            return Err(format!("configuration {wanted} counts already"));
        }
        let found = self.taken.iter().find(|one| one.number == wanted);
        found.map(|one| one.source.clone()).ok_or_else(|| match (number, self.taken.front()) {
            (Some(number), Some(first)) => {
                format!("configuration {number} is not remembered: those from {} to {current} are", first.number)
            }
            _ => "there is no configuration to go back to".to_owned(),
        })
    }

    /// When the time to confirm is over.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.waiting.map(|waiting| waiting.deadline)
    }

    /// What is to be taken on again, if the time to confirm is over. Until it is ([`History::taken_on`]), it is said again after a pause.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Source> {
        let waiting = self.waiting.as_mut().filter(|waiting| waiting.deadline <= now)?;
        waiting.deadline = now + (AGAIN_FIRST * 2_u32.pow(waiting.tries.min(5))).min(AGAIN_LAST);
        waiting.tries += 1;
        let waiting = *waiting;
        self.taken.iter().find(|one| one.number == waiting.back_to).map(|one| one.source.clone())
    }

    /// The one that counts.
    pub fn current(&self) -> Option<&TakenOn> {
        self.taken.back()
    }

    /// The one that waits to be confirmed.
    pub fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Those that are remembered, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &TakenOn> {
        self.taken.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);
    const WALL: Duration = Duration::from_secs(1_000);

    fn source(text: &str) -> Source {
        Source { name: format!("{text}.yaml"), text: text.into() }
    }

    /// A process that was started with `a` and has `b` applied, to be confirmed within five minutes of `now`.
    fn waiting(now: Time) -> History {
        let mut history = History::new(REMEMBERED);
        history.taken_on(source("a"), How::Start, 0, WALL);
        history.taken_on(source("b"), How::Apply, 1, WALL);
        history.wait(FIVE_MINUTES, now, WALL).unwrap();
        history
    }

    #[test]
    fn what_is_not_confirmed_in_time_goes_back_once() {
        let mut history = waiting(Time::from_secs(10));
        assert_eq!(history.poll_timeout(), Some(Time::from_secs(310)));
        assert_eq!(history.handle_timeout(Time::from_secs(309)), None);
        assert_eq!(history.handle_timeout(Time::from_secs(310)), Some(source("a")));
        history.taken_on(source("a"), How::NotConfirmed, 1, WALL);
        assert_eq!((history.handle_timeout(Time::from_secs(400)), history.poll_timeout()), (None, None));
        let told: Vec<(u64, &str, &str)> =
            history.iter().map(|one| (one.number, one.how.name(), one.source.name.as_str())).collect();
        assert_eq!(told, [(1, "start", "a.yaml"), (2, "apply", "b.yaml"), (3, "not confirmed", "a.yaml")]);
    }

    #[test]
    fn what_is_confirmed_stays() {
        let mut history = waiting(Time::ZERO);
        assert_eq!(history.confirm(Some(7)), Err("it is configuration 2 that waits to be confirmed".to_owned()));
        assert_eq!(history.confirm(Some(2)), Ok(2));
        assert_eq!(history.poll_timeout(), None);
        assert_eq!(history.handle_timeout(Time::from_secs(10_000)), None);
        assert_eq!(history.confirm(None), Err("no configuration waits to be confirmed".to_owned()));
    }

    #[test]
    fn another_configuration_that_is_taken_on_meanwhile_ends_the_wait() {
        let mut history = waiting(Time::ZERO);
        history.taken_on(source("c"), How::Hangup, 1, WALL);
        assert_eq!((history.poll_timeout(), history.handle_timeout(Time::from_secs(10_000))), (None, None));
        assert_eq!(history.target(None), Ok(source("b")));
    }

    #[test]
    fn a_rollback_goes_to_the_one_before_or_to_a_number_that_is_remembered() {
        let mut history = waiting(Time::ZERO);
        assert_eq!(history.target(None), Ok(source("a")));
        assert_eq!(history.target(Some(1)), Ok(source("a")));
        assert_eq!(history.target(Some(2)), Err("configuration 2 counts already".to_owned()));
        assert_eq!(history.target(Some(9)), Err("configuration 9 is not remembered: those from 1 to 2 are".to_owned()));
        // Whoever does not know that somebody has gone back already does not get what was gone back from.
        history.taken_on(source("a"), How::Rollback, 1, WALL);
        assert!(history.target(None).unwrap_err().contains("gone back to already"));
        assert_eq!(history.target(Some(2)), Ok(source("b")));
        assert!(History::new(REMEMBERED).target(None).unwrap_err().contains("no configuration to go back to"));
    }

    #[test]
    fn a_rollback_passes_over_what_was_never_confirmed() {
        let before = waiting(Time::ZERO);
        // The process ends while it waits, and starts with its own file.
        let mut history = History::restored(before.iter().cloned().collect(), 2, REMEMBERED);
        history.taken_on(source("own"), How::Start, 0, WALL);
        assert_eq!(history.target(None), Ok(source("a")));
        assert_eq!(history.target(Some(2)), Ok(source("b")), "who says its number means it");
        let mut history = waiting(Time::ZERO);
        history.confirm(None).unwrap();
        history.taken_on(source("own"), How::Start, 0, WALL);
        assert_eq!(history.target(None), Ok(source("b")));
    }

    #[test]
    fn the_first_configuration_has_none_to_go_back_to() {
        let mut history = History::new(REMEMBERED);
        history.taken_on(source("a"), How::Start, 0, WALL);
        assert!(history.wait(FIVE_MINUTES, Time::ZERO, WALL).is_err());
        assert_eq!(history.poll_timeout(), None);
    }

    #[test]
    fn no_more_than_a_number_and_a_size_is_remembered() {
        let mut history = History::new(REMEMBERED);
        for number in 0..3 * REMEMBERED {
            history.taken_on(source(&number.to_string()), How::Reload, 0, WALL);
        }
        assert_eq!(history.iter().count(), REMEMBERED);
        assert_eq!(history.current().map(|one| one.number), Some(3 * REMEMBERED as u64));
        let large = "x".repeat(OCTETS_MAX / 2);
        for number in 0..4 {
            history.taken_on(source(&format!("{large}{number}")), How::Reload, 0, WALL);
        }
        assert_eq!(history.iter().count(), 2, "the one that counts and the one before it");
        assert_eq!(history.target(None).map(|source| source.text.len()), Ok(large.len() + 1));
    }

    #[test]
    fn a_way_back_that_fails_is_tried_again_after_longer_and_longer_pauses() {
        let mut history = waiting(Time::ZERO);
        let mut now = Time::from_secs(300);
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(history.handle_timeout(now), Some(source("a")));
            assert_eq!(history.handle_timeout(now), None);
            now = now + Duration::from_secs(pause);
            assert_eq!(history.poll_timeout(), Some(now));
        }
    }

    #[test]
    fn the_text_that_counts_already_is_no_other_configuration_and_ends_the_wait() {
        let mut history = waiting(Time::ZERO);
        assert_eq!(history.taken_on(source("b"), How::Hangup, 0, WALL), 2);
        assert_eq!((history.iter().count(), history.waiting()), (2, None));
    }

    #[test]
    fn the_same_text_has_the_same_digest() {
        let mut history = History::new(REMEMBERED);
        for text in ["a", "b", "a"] {
            history.taken_on(source(text), How::Reload, 0, WALL);
        }
        let digests: Vec<&str> = history.iter().map(|one| one.digest.as_str()).collect();
        assert_eq!(digests, ["ca978112ca1b", "3e23e8160039", "ca978112ca1b"]);
    }
}
