//! What happened, out of the ring of events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::find::{Look, time_text};
use super::{Failure, Page, Question, beside};
use crate::io::clock;
use crate::io::fabric::{HAPPENINGS_MAX, Happening, HappeningKind, HappeningPage, Happenings, Snapshot};

pub(super) async fn events(
    happenings: &Happenings,
    snapshots: &watch::Receiver<Arc<Snapshot>>,
    started: Duration,
    question: Question,
) -> Result<Value, Failure> {
    let kinds = HappeningKind::NAMES.iter().map(|(_, name)| *name);
    let kind = question.word("kind", kinds)?.map(str::to_owned);
    let snapshot = snapshots.borrow().clone();
    let switch = question.switch("switch", Look { snapshot: &snapshot })?;
    let is_wanted = |event: &Happening| {
        kind.as_deref().is_none_or(|kind| kind == event.kind.name())
            && switch.is_none_or(|switch| event.datapath_id == Some(switch))
    };
    let limit = question.limit();
    let last = question.number("last").and_then(|last| usize::try_from(last).ok());
    let mut after = question.after::<u64>()?.unwrap_or(0);
    let wait = Duration::from_secs(question.number("wait").unwrap_or(0));
    let mut newest = happenings.newest();
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    let mut missed = 0;
    let (mut found, read_to) = loop {
        newest.mark_unchanged();
        let (found, read_to, missed_now) = wanted(happenings, after, limit, last, &is_wanted);
        missed += missed_now;
        if !found.is_empty() || last.is_some() || wait.is_zero() || read_to < *newest.borrow() {
            break (found, read_to);
        }
        // A number of another run, beyond what there is here, is told at once.
        if after > read_to {
            break (found, read_to);
        }
        after = read_to;
        tokio::select! {
            () = &mut deadline => break (found, read_to),
            changed = newest.changed() => if changed.is_err() { break (found, read_to) },
        }
    };
    // Names are those of now.
    let snapshot = snapshots.borrow().clone();
    let look = Look { snapshot: &snapshot };
    let top = *newest.borrow();
    let next = (read_to < top && found.len() >= limit).then(|| read_to.to_string());
    let rows = found.drain(..).map(|event| row(look, &event)).collect();
    Ok(Page { rows, next }.answer(beside([
        ("at", json!(time_text(clock::wall()))),
        ("run", json!(time_text(started))),
        ("newest", json!(top)),
        ("read_to", json!(read_to)),
        ("missed", json!(missed)),
    ])))
}

/// Events that are wanted after a number, up to which number all have been looked at, and how many could not be.
fn wanted(
    happenings: &Happenings,
    after: u64,
    limit: usize,
    last: Option<usize>,
    is_wanted: &impl Fn(&Happening) -> bool,
) -> (Vec<Arc<Happening>>, u64, u64) {
    let HappeningPage { events, missed, newest } = happenings.after(after, HAPPENINGS_MAX);
    let all = events.into_iter().filter(|event| is_wanted(event));
    match last {
        Some(last) => {
            let all: Vec<_> = all.collect();
            let from = all.len().saturating_sub(last);
            (all.get(from..).unwrap_or_default().to_vec(), newest, 0)
        }
        None => {
            let found: Vec<_> = all.take(limit).collect();
            let read_to = found.last().filter(|_| found.len() >= limit).map_or(newest, |event| event.number);
            (found, read_to, missed)
        }
    }
}

fn row(look: Look<'_>, event: &Happening) -> Value {
    json!({
        "number": event.number,
        "time": time_text(event.at),
        "kind": event.kind.name(),
        "switch": event.datapath_id.map(|id| look.switch(id)),
        "datapath_id": event.datapath_id,
        "port": event.port_no.map(|port| port.to_string()),
        "host": event.host.map(|host| host.to_string()),
        "what": event.what,
        "left_out": event.left_out,
    })
}
