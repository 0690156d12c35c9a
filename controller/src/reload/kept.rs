//! The verifier's rules of the network, kept from one look to the next: a reload, a plan and the network's changes are then answered by what is different.
//!
//! Whoever looks does so in a thread for work that blocks. No packet waits for it but those that a link that has come would carry, a second at most.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::verdict::{Question, Standing};

/// Rules that are kept, at about a kilobyte each. With more of them each look starts from nothing, which takes longer and finds the same.
pub const RULES_KEPT: usize = 200_000;

/// What is kept, for all who look: one after the other.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Standing>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// Looks from this question on. Who panics leaves nothing behind.
    pub(super) fn with<T>(&self, question: &Question, look: impl FnOnce(&mut Standing) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut standing = in_step(kept.take(), question);
        let answer = look(&mut standing);
        *kept = Some(standing).filter(|standing| standing.len() <= RULES_KEPT);
        answer
    }

    /// The same for who may take long: others do not wait for it.
    pub(super) fn copy(&self, question: &Question) -> Standing {
        let copy = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        in_step(copy, question)
    }

    /// Nobody looks any more.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn in_step(standing: Option<Standing>, question: &Question) -> Standing {
    match standing {
        Some(mut standing) => {
            standing.follow(question);
            standing
        }
        None => Standing::new(question),
    }
}
