//! Configurations that were taken on.

use serde_json::{Value, json};

use super::find::{Look, time_text};
use super::{Failure, Page, Question, beside};
use crate::apply::Remembered;
use crate::io::fabric::Snapshot;

pub(super) fn history(remembered: &Remembered, snapshot: &Snapshot, question: &Question) -> Result<Value, Failure> {
    let Remembered { taken, waiting, folder, problems } = remembered;
    let newest = taken.last().map(|one| one.number);
    // The newest first: a page's cursor counts from there.
    let rows = taken.iter().rev().map(|one| (u64::MAX - one.number, one));
    let page = Page::of(rows, question.after::<u64>()?, question.limit(), |_, one| {
        let state = match () {
            () if newest != Some(one.number) => "past",
            () if waiting.is_some_and(|waiting| waiting.number == one.number) => "waits",
            () => "counts",
        };
        json!({
            "number": one.number,
            "time": time_text(one.at),
            "how": one.how.name(),
            "file": one.source.name,
            "digest": one.digest,
            "changes": one.changes,
            "state": state,
        })
    });
    Ok(page.answer(beside([
        ("at", json!(Look { snapshot }.now())),
        ("confirm_until", json!(waiting.map(|waiting| time_text(waiting.until)))),
        ("directory", json!(folder)),
        ("note", json!((!problems.is_empty()).then(|| problems.join("; ")))),
        ("back_to", json!(waiting.map(|waiting| waiting.back_to))),
    ])))
}
