//! All trips with all daemons, several at a time, each in namespaces of its own.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::Lab;
use crate::interop::cell::{self, CHECKS};
use crate::interop::decide;
use crate::interop::table::{Cell, DAEMONS, ROWS, Trip};
use crate::report::{Fail, Report};
use crate::sandbox;

/// Trips at the same time: they wait more than they work.
const AT_ONCE: usize = 10;

/// A trip that takes longer has failed.
const TRIP_LIMIT: Duration = Duration::from_secs(100);
const LONG_TRIP_LIMIT: Duration = Duration::from_secs(300);

/// Only cells whose names contain this, for who works on one.
const ONLY_VARIABLE: &str = "LAB_CELL";

/// The scenario `decision`: every daemon with the same candidates as ours.
pub fn decision(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let cells = DAEMONS.iter().enumerate().map(|(daemon, (name, _))| (daemon, format!("{name}/{}", decide::NAME)));
    all(lab, report, cells.collect());
    Ok(())
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let only = std::env::var(ONLY_VARIABLE).unwrap_or_default();
    let mut cells: Vec<(usize, Trip)> = Vec::new();
    for daemon in 0..DAEMONS.len() {
        cells.extend(cell::trips_of(daemon).into_iter().map(|trip| (daemon, trip)));
    }
    cells.retain(|(daemon, trip)| cell::name(*daemon, *trip).contains(&only));
    // Those that wait for timers begin first.
    cells.sort_by_key(|(_, trip)| std::cmp::Reverse(*trip));
    all(lab, report, cells.into_iter().map(|(daemon, trip)| (daemon, cell::name(daemon, trip))).collect());
    if only.is_empty() {
        lacking(report);
    }
    Ok(())
}

/// Runs cells side by side and passes on what they have checked.
fn all(lab: &Lab, report: &mut Report, cells: Vec<(usize, String)>) {
    let queue = Mutex::new(VecDeque::from(cells));
    let (done, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (queue, done) = (&queue, done.clone());
            scope.spawn(move || {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                    let Some((daemon, name)) = next else { return };
                    let directory = lab.directory.join(name.replace('/', "-"));
                    let ended =
                        sandbox::nested(&name, lab.mode, &directory, lab.mode.pick(TRIP_LIMIT, LONG_TRIP_LIMIT));
                    let _ = done.send((daemon, name, directory, ended));
                }
            });
        }
        drop(done);
        for (daemon, name, directory, ended) in finished {
            tell(report, daemon, &name, &directory, ended);
        }
    });
}

/// Passes on what a cell has checked.
fn tell(report: &mut Report, daemon: usize, name: &str, directory: &Path, ended: Result<(), Fail>) {
    let said = fs::read_to_string(directory.join(CHECKS)).unwrap_or_default();
    let mut failed = ended.is_err();
    for line in said.lines() {
        let check: Value = serde_json::from_str(line).unwrap_or_default();
        let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let passed = check.get("ok") == Some(&Value::Bool(true));
        failed |= !passed;
        let outcome = if passed { Ok(text("text")) } else { Err(text("text")) };
        report.check(&format!("{}: {}", DAEMONS[daemon].0, text("feature")), outcome);
    }
    if let Err(reason) = ended {
        report.check(&format!("{name} comes to its end"), Err(reason));
    } else if said.is_empty() {
        report.check(&format!("{name} checks something"), Err("it did not".into()));
    }
    if failed {
        // Where the lab shows the logs of what has failed.
        for log in ["trunkline.log", "peer.log"] {
            let _ = fs::copy(directory.join(log), directory.with_extension(log));
        }
    }
}

/// Says what was not checked, since there is nothing to check.
fn lacking(report: &Report) {
    for row in ROWS {
        for (cell, (daemon, _)) in row.cells.iter().zip(DAEMONS) {
            if let Cell::Lacks(reason) = cell {
                report.show(format!("{daemon} has no {}: {reason}", row.feature));
            }
        }
    }
}
