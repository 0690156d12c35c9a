//! `trunkline plan`: what another configuration would do.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::BAD_USAGE;
use super::ask::question;
use super::form::for_people;
use super::reload::{Where, asked, read};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The configuration. Relative paths in it start at the folder of the process's own.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    process: Where,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = PlanForm::Text)]
    output: PlanForm,
}

/// The form of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum PlanForm {
    /// Lines for people.
    Text,
    /// JSON.
    Json,
}

pub(super) fn plan(arguments: &PlanArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(message) => {
            let _ = writeln!(err, "trunkline: {message}");
            return BAD_USAGE;
        }
    };
    let path = question("/plan", &[("file", Some(arguments.file.display().to_string()))]);
    let body = match asked(&arguments.process, &path, &text, err) {
        Ok(body) => body,
        Err(status) => return status,
    };
    if arguments.output == PlanForm::Json {
        let _ = write!(out, "{body}");
        return 0;
    }
    let Ok(plan) = serde_json::from_str::<Value>(&body) else {
        let _ = writeln!(err, "trunkline: the answer is no JSON");
        return 1;
    };
    for warning in list(&plan, "warnings") {
        let _ = writeln!(err, "{}", for_people(warning.as_str().unwrap_or_default()));
    }
    match print(&plan, out) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(err, "trunkline: {error}");
            1
        }
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    for_people(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn both(value: &Value, name: &str) -> String {
    let counts: Vec<String> = list(value, name).iter().map(Value::to_string).collect();
    counts.join(" -> ")
}

/// First what changes at all, then switch by switch, then what it means.
fn print(plan: &Value, out: &mut dyn Write) -> io::Result<()> {
    let (changed, restart, switches) = (list(plan, "changed"), list(plan, "restart"), list(plan, "switches"));
    if changed.is_empty() && restart.is_empty() && switches.is_empty() {
        return writeln!(out, "nothing would be different");
    }
    for change in changed {
        let reset = change.get("session_reset").and_then(Value::as_bool) == Some(true);
        let reset = if reset { ", a session would be reset" } else { "" };
        writeln!(out, "would change{reset}: {}", text(change, "what"))?;
    }
    for key in restart {
        writeln!(out, "would count from the next start on: {}", for_people(key.as_str().unwrap_or_default()))?;
    }
    for switch in switches {
        let tables: Vec<String> = list(switch, "tables")
            .iter()
            .map(|of| format!("table {}: {} -> {}", number(of, "table"), number(of, "before"), number(of, "after")))
            .collect();
        let tables = if tables.is_empty() { String::new() } else { format!(" ({})", tables.join(", ")) };
        let meters = match both(switch, "meters") {
            none if none == "0 -> 0" || none.is_empty() => String::new(),
            meters => format!(", meters {meters}"),
        };
        let unfit = match number(switch, "unfit") {
            0 => String::new(),
            unfit => format!("; {unfit} of them it says it cannot hold"),
        };
        writeln!(
            out,
            "{}: rules {}{tables}, groups {}{meters}{unfit}",
            text(switch, "switch"),
            both(switch, "rules"),
            both(switch, "groups")
        )?;
        list(switch, "lines").iter().try_for_each(|of| writeln!(out, "  {}", line(of)))?;
    }
    let left_out = number(plan, "left_out");
    if left_out > 0 {
        writeln!(out, "and {left_out} lines more")?;
    }
    if switches.is_empty() {
        return writeln!(out, "no rule of any switch would be different");
    }
    reachability(plan.get("reachability").unwrap_or(&Value::Null), out)
}

fn line(of: &Value) -> String {
    let cause = match (of.get("line").and_then(Value::as_u64), of.get("key").and_then(Value::as_str)) {
        (Some(line), _) => format!("line {line}"),
        (None, Some(key)) => for_people(key),
        (None, None) => text(of, "owner"),
    };
    let was =
        of.get("was").and_then(Value::as_str).map_or_else(String::new, |was| format!("  (was {})", for_people(was)));
    let unfit = of.get("unfit").and_then(Value::as_str);
    let unfit = unfit.map_or_else(String::new, |why| format!("; the switch says: {}", for_people(why)));
    format!("{} {}{was}  # {cause}{unfit}", text(of, "sign"), text(of, "text"))
}

fn reachability(of: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "hosts: {} of {} ordered pairs looked at, {} packets lost, {} gained",
        number(of, "looked_at"),
        number(of, "pairs"),
        number(of, "lost"),
        number(of, "gained")
    )?;
    if let Some(note) = of.get("note").and_then(Value::as_str) {
        writeln!(out, "  {}", for_people(note))?;
    }
    for (word, name) in [("loses", "losses"), ("gains", "gains")] {
        for pair in list(of, name) {
            writeln!(out, "  {} {word} {}: {}", text(pair, "from"), text(pair, "to"), text(pair, "packet"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(plan: &Value) -> String {
        let mut out = Vec::new();
        print(plan, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plan_has_a_line_for_each_rule_with_its_cause_and_ends_with_what_it_means() {
        let plan = json!({
            "changed": [{ "what": "flows: 1 rule added, 1 changed, 0 removed", "session_reset": false }],
            "restart": ["http.listen"], "warnings": [],
            "switches": [{
                "switch": "s1", "datapath_id": "1", "rules": [2, 3], "groups": [1, 1],
                "tables": [{ "table": 0, "before": 2, "after": 3 }],
                "lines": [
                    { "sign": "+", "text": "table=0,priority=7,icmp,actions=drop", "was": null, "owner": "static", "line": 3, "key": null },
                    { "sign": "~", "text": "table=0,priority=6,actions=drop", "was": "table=0,priority=6,actions=output:1", "owner": "static",
                      "line": 9, "key": null },
                    { "sign": "-", "text": "table=1,priority=5,actions=drop", "was": null, "owner": "forwarding", "line": null, "key": null },
                ],
            }],
            "left_out": 0,
            "reachability": { "pairs": 2, "looked_at": 2, "lost": 1, "gained": 0, "note": null, "gains": [],
                              "losses": [{ "from": "10.0.0.1", "to": "10.0.0.2", "packet": "icmp,icmp_type=8" }] },
        });
        let expected = "\
would change: flows: 1 rule added, 1 changed, 0 removed
would count from the next start on: http.listen
s1: rules 2 -> 3 (table 0: 2 -> 3), groups 1 -> 1
  + table=0,priority=7,icmp,actions=drop  # line 3
  ~ table=0,priority=6,actions=drop  (was table=0,priority=6,actions=output:1)  # line 9
  - table=1,priority=5,actions=drop  # forwarding
hosts: 2 of 2 ordered pairs looked at, 1 packets lost, 0 gained
  10.0.0.1 loses 10.0.0.2: icmp,icmp_type=8
";
        assert_eq!(printed(&plan), expected);
        assert_eq!(printed(&json!({ "changed": [], "restart": [], "switches": [] })), "nothing would be different\n");
    }
}
