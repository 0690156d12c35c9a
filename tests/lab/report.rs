//! What a lab tells: one line per check, and the count.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Mode;

/// The count of a scenario, in its directory; brought up to date by every check.
const RESULT: &str = "result.json";

/// Why something did not work, as a sentence.
pub type Fail = String;

/// The result of a check: what was seen, or why it failed.
pub type Outcome = Result<String, Fail>;

/// How many checks there were.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl Totals {
    /// Adds another count to this one.
    pub fn add(&mut self, other: &Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Leaves the count for the lab outside.
    fn write(self, file: &Path) {
        let text = json!({ "passed": self.passed, "failed": self.failed, "skipped": self.skipped }).to_string();
        // What cannot be written is missed outside, and counts as a failure there.
        let _ = fs::write(file, text);
    }

    /// Reads back what a scenario has counted, as far as it came.
    pub fn read(directory: &Path) -> Option<Totals> {
        let value: Value = serde_json::from_str(&fs::read_to_string(directory.join(RESULT)).ok()?).ok()?;
        let field = |name: &str| value.get(name)?.as_u64().and_then(|n| u32::try_from(n).ok());
        Some(Totals { passed: field("passed")?, failed: field("failed")?, skipped: field("skipped")? })
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Prints and counts the checks of one scenario.
pub struct Report {
    scenario: String,
    mode: Mode,
    started: Instant,
    totals: Totals,
    result: PathBuf,
}

impl Report {
    /// A report in which nothing was checked yet.
    pub fn new(scenario: &str, mode: Mode, directory: &Path) -> Report {
        let (scenario, result) = (scenario.to_owned(), directory.join(RESULT));
        Report { scenario, mode, started: Instant::now(), totals: Totals::default(), result }
    }

    /// Prints and counts one check. Says whether it passed.
    pub fn check(&mut self, what: &str, outcome: Outcome) -> bool {
        let seconds = self.started.elapsed().as_secs_f64();
        let passed = match outcome {
            Ok(seen) => {
                self.totals.passed += 1;
                let seen = if seen.is_empty() { seen } else { format!(" ({seen})") };
                println!("ok      [{seconds:5.1} s] {}: {what}{seen}", self.scenario);
                true
            }
            Err(reason) => {
                self.totals.failed += 1;
                println!("FAILED  [{seconds:5.1} s] {}: {what}: {reason}", self.scenario);
                false
            }
        };
        self.totals.write(&self.result);
        passed
    }

    /// Prints and counts one check that can't be done here.
    pub fn skip(&mut self, what: &str, reason: &str) {
        self.totals.skipped += 1;
        println!("skipped: lab {}: {what}: {reason}", self.scenario);
        self.totals.write(&self.result);
    }

    /// As [`Report::check`], and the scenario cannot go on without it.
    pub fn require(&mut self, what: &str, outcome: Outcome) -> Result<(), Fail> {
        if self.check(what, outcome) { Ok(()) } else { Err(format!("nothing after “{what}” can be checked")) }
    }

    /// Prints a figure that nothing is demanded of.
    pub fn figure(&self, text: impl fmt::Display) {
        println!("figure  [{:5.1} s] {}: {text}", self.started.elapsed().as_secs_f64(), self.scenario);
    }

    /// Tells the reader of a showing lab what happens next, or what there is to see.
    pub fn show(&self, text: impl fmt::Display) {
        if self.mode == Mode::Show {
            for line in text.to_string().lines() {
                println!("        | {line}");
            }
        }
    }
}
