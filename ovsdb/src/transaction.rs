//! A transaction as a list of operations, all done or none, and what became of them (RFC 7047 §4.1.3, §5.2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::value::{Uuid, map_value, set_value};

/// Operations that a database does all together or not at all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Transaction {
    operations: Vec<Value>,
}

fn this_row(uuid: Uuid) -> Value {
    json!([["_uuid", "==", uuid.value()]])
}

impl Transaction {
    /// Nothing yet.
    pub fn new() -> Transaction {
        Transaction::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Go on only if this map column of this row is as it is believed to be (§5.2.6): nobody's change is lost that way.
    pub fn wait_for_map(&mut self, table: &str, row: Uuid, column: &str, map: &BTreeMap<String, String>) -> &mut Self {
        self.operations.push(json!({
            "op": "wait", "table": table, "where": this_row(row), "timeout": 0,
            "columns": [column], "until": "==", "rows": [{ column: map_value(map) }],
        }));
        self
    }

    /// Take these keys out of a map column and put these in (§5.2.4). Other keys stay as they are, whatever they are.
    pub fn change_map(
        &mut self,
        table: &str,
        row: Uuid,
        column: &str,
        without: impl IntoIterator<Item = String>,
        with: &BTreeMap<String, String>,
    ) -> &mut Self {
        // A key that is there is not replaced by "insert"; a set with a member twice is refused.
        let gone: BTreeSet<String> = without.into_iter().chain(with.keys().cloned()).collect();
        self.operations.push(json!({
            "op": "mutate", "table": table, "where": this_row(row),
            "mutations": [[column, "delete", set_value(gone)], [column, "insert", map_value(with)]],
        }));
        self
    }

    /// Say in the database's log what this is for (§5.2.9).
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        self.operations.push(json!({ "op": "comment", "comment": comment }));
        self
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// The parameters of `transact`.
    pub(crate) fn parameters(&self, database: &str) -> Value {
        Value::Array(std::iter::once(json!(database)).chain(self.operations.iter().cloned()).collect())
    }
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Everything is done.
    Done,
    /// Nothing is done.
    Failed(Failure),
}

/// Why nothing is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The operation that failed, from 0; `None` if it was the whole: a constraint at the end, or the request itself.
    pub operation: Option<usize>,
    /// RFC 7047's or the server's word: `timed out`, `constraint violation`, …
    pub error: String,
    /// More about it, if there is more.
    pub details: String,
}

impl Failure {
    /// The rows were not as we believed: somebody was quicker. To be tried again with what is known by then.
    pub fn is_outdated(&self) -> bool {
        self.error == "timed out"
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            write!(f, "operation {operation}: ")?;
        }
        f.write_str(&self.error)?;
        if !self.details.is_empty() {
            write!(f, " ({})", self.details)?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Out of the answer to a transaction of so many operations.
    pub(crate) fn read(result: &Value, operations: usize) -> Outcome {
        let Some(results) = result.as_array() else { return Outcome::of_error(result) };
        for (number, result) in results.iter().enumerate() {
            if let Some(error) = result.get("error").and_then(Value::as_str) {
                let details = result.get("details").and_then(Value::as_str).unwrap_or_default();
                // One more result than operations: it failed when all of them were done.
                let operation = (number < operations).then_some(number);
                return Outcome::Failed(Failure { operation, error: error.to_owned(), details: details.to_owned() });
            }
        }
        if results.len() < operations {
            let error = format!("{} results for {operations} operations", results.len());
            return Outcome::Failed(Failure { operation: None, error, details: String::new() });
        }
        Outcome::Done
    }

    /// Out of a request's own error.
    pub(crate) fn of_error(error: &Value) -> Outcome {
        let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        Outcome::Failed(Failure { operation: None, error, details: String::new() })
    }
}
