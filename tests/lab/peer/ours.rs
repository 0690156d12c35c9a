//! Our side, as an operator sees it: the binary with a configuration file, and its command line.

use serde_json::Value;

use super::{Family, Route, json};
use crate::process;
use crate::report::Fail;

/// The program under test, for questions to the running one.
#[derive(Clone, Debug)]
pub struct Ours {
    pub binary: String,
}

impl Ours {
    fn show(&self, words: &[&str]) -> Result<Vec<Value>, Fail> {
        let mut arguments = vec!["bgp", "show"];
        arguments.extend(words);
        arguments.extend(["-o", "json"]);
        process::run(&self.binary, &arguments)?.lines().map(json).collect()
    }

    fn routes(&self, words: &[&str], family: Family) -> Result<Vec<Route>, Fail> {
        let family = format!("{}-unicast", family.word());
        let mut all = vec!["routes", "--family", family.as_str()];
        all.extend(words);
        self.show(&all)?.iter().map(Route::from_ours).collect()
    }

    /// The best routes.
    pub fn best(&self, family: Family) -> Result<Vec<Route>, Fail> {
        self.routes(&[], family)
    }

    /// What a neighbour has sent.
    pub fn received(&self, neighbor: &str, family: Family) -> Result<Vec<Route>, Fail> {
        self.routes(&["--received", neighbor], family)
    }

    /// What a neighbour has been sent.
    pub fn advertised(&self, neighbor: &str, family: Family) -> Result<Vec<Route>, Fail> {
        self.routes(&["--advertised", neighbor], family)
    }

    /// Everything that is known of a neighbour.
    pub fn neighbor(&self, address: &str) -> Result<Value, Fail> {
        let all = self.show(&["neighbors"])?;
        let found = all.into_iter().find(|one| one.get("address").and_then(Value::as_str) == Some(address));
        found.ok_or_else(|| format!("there is no neighbour {address}"))
    }

    /// `Ok` while the session is up.
    pub fn ensure_established(&self, address: &str) -> Result<(), Fail> {
        let neighbor = self.neighbor(address)?;
        let state = text(&neighbor, "state");
        if state == "Established" {
            Ok(())
        } else {
            Err(format!("we say: {state} ({})", text(&neighbor, "last_error")))
        }
    }

    /// Every route to a prefix, best first: (neighbour, reason).
    pub fn why(&self, prefix: &str) -> Result<Vec<(String, String)>, Fail> {
        let said = process::run(&self.binary, &["bgp", "why", prefix, "-o", "json"])?;
        let rows: Vec<Value> = said.lines().map(json).collect::<Result<_, Fail>>()?;
        Ok(rows
            .iter()
            .map(|row| (text(row.get("route").unwrap_or(&Value::Null), "peer_address"), text(row, "reason")))
            .collect())
    }
}

/// A member of an object, in words.
pub fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// A number of an object; 0 without it.
pub fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
