//! `trunkline trace`: what becomes of a packet.

use std::io::{self, Write};

use clap::Args;
use serde_json::Value;

use super::ask::question;
use super::form::{Form, Printer, for_people, object};
use super::show::{Ask, Failure, ended, rows};
use crate::api::table::{Route, What};

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// The packet as a flow in ovs-ofctl's words. What it does not say is zero, but for nw_ttl, which is 64, and the MAC addresses of hosts that are
    /// known by their IP addresses.
    #[arg(value_name = "FLOW")]
    flow: String,
    /// Where it comes in: a switch's name or its datapath id. Not needed for a host that is known by its address.
    #[arg(long, value_name = "SWITCH")]
    switch: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

pub(super) fn trace(arguments: &TraceArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let TraceArgs { flow, switch, ask } = arguments;
    let route = Route::of(What::Trace);
    let mut result = || -> Result<(), Failure> {
        let parameters = [("flow", Some(flow.clone())), ("switch", switch.clone())];
        let answer = ask.at().get(&question(route.path, &parameters))?;
        match ask.output {
            Form::Json => writeln!(out, "{answer}")?,
            Form::Yaml => object(Form::Yaml, route.beside, &answer, out)?,
            Form::Csv => Printer::new(Form::Csv, route.row, out).rows(rows(&answer))?,
            Form::Text => print(&answer, out)?,
        }
        Ok(())
    };
    ended(result(), err)
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// A line for each row, those of a hop under the switch where it is.
fn print(answer: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "packet {}", for_people(text(answer, "flow").unwrap_or_default()))?;
    if let Some(note) = text(answer, "note") {
        writeln!(out, "note: {}", for_people(note))?;
    }
    for row in rows(answer) {
        writeln!(out, "{}", line(row))?;
    }
    if let Some(note) = text(answer, "counters_note") {
        writeln!(out, "note: {}", for_people(note))?;
    }
    for end in answer.get("ends").and_then(Value::as_array).into_iter().flatten() {
        writeln!(out, "it {}", for_people(end.as_str().unwrap_or_default()))?;
    }
    let others = rows(answer).iter().filter(|row| text(row, "on_switch").is_some()).count();
    if others > 0 {
        let are = if others == 1 { "rule is" } else { "rules are" };
        writeln!(
            out,
            "{others} {are} not on the switch as the controller has put it there: `trunkline audit` puts that right"
        )?;
    }
    match answer.get("same").and_then(Value::as_bool) {
        Some(true) if others > 0 => Ok(()),
        Some(true) => writeln!(out, "desired and installed rules do the same with it"),
        _ => writeln!(out, "desired and installed rules DIFFER: lines marked + are what should be, - what is"),
    }
}

/// What the switch counts of a rule, if it has said.
fn counts(row: &Value) -> String {
    let number = |name: &str| row.get(name).and_then(Value::as_u64);
    let Some(age) = number("age_seconds") else { return String::new() };
    let of = |name: &str| number(name).map_or_else(String::new, |number| format!("{number} {name}, "));
    format!("; {}{}{age} s", of("packets"), of("octets"))
}

fn line(row: &Value) -> String {
    let get = |name: &str| for_people(text(row, name).unwrap_or_default());
    let mark = match text(row, "side") {
        Some("desired") => '+',
        Some("installed") => '-',
        _ => ' ',
    };
    let why = || text(row, "why").map_or_else(String::new, |why| format!(": {}", for_people(why)));
    let what = match text(row, "what").unwrap_or_default() {
        "arrives" => {
            let hop = row.get("hop").and_then(Value::as_u64).unwrap_or(0);
            let from = row.get("from_hop").and_then(Value::as_u64);
            let from = from.map_or_else(String::new, |from| format!(", from hop {from}"));
            return format!("{mark} hop {hop}: {} port {}{from}", get("switch"), get("in_port"));
        }
        "table" if text(row, "rule").is_some() => {
            let owner = text(row, "owner").unwrap_or("nobody of ours");
            let of_line =
                row.get("line").and_then(Value::as_u64).map_or_else(String::new, |line| format!(", line {line}"));
            let state = match text(row, "state") {
                Some("installed") | None => String::new(),
                Some(state) => format!(", {state}"),
            };
            let error = text(row, "error").map_or_else(String::new, |error| format!(" ({})", for_people(error)));
            let other = text(row, "on_switch");
            let other = other.map_or_else(String::new, |other| format!("; the switch has {}", for_people(other)));
            format!("{}  [{}{of_line}{state}{error}{}{other}]", get("rule"), for_people(owner), counts(row))
        }
        "table" => format!("table={}: no rule matches", row.get("table").and_then(Value::as_u64).unwrap_or(0)),
        "group" => format!("group {}", get("rule")),
        "bucket" => format!("  {} {}", get("why"), get("rule")),
        "meter" => format!("{}{}", get("rule"), why()),
        "out" => {
            let packet = text(row, "packet");
            let packet = packet.map_or_else(String::new, |packet| format!(" as {}", for_people(packet)));
            format!("-> port {}: {}{packet}", get("port"), get("to"))
        }
        "controller" => format!("-> controller{}", why()),
        "down" => format!("-> port {}{}", get("port"), why()),
        "dropped" => format!("dropped{}", why()),
        other => format!("{other}{}", why()),
    };
    format!("{mark}   {what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_row_is_a_line_and_says_on_which_side_it_is() {
        let answer = json!({
            "flow": "in_port=3,icmp", "same": false, "note": null,
            "ends": ["leaves s2:4 to 02:00:00:00:00:01", "is dropped at s1: the rule drops it (by the installed rules only)"],
            "rows": [
                { "hop": 1, "from_hop": null, "switch": "s1", "in_port": "3", "side": "both", "what": "arrives" },
                { "hop": 1, "side": "desired", "what": "table", "table": 0, "rule": "table=0,priority=1,actions=output:2", "owner": "static",
                  "line": 7, "state": "pending", "packets": 12, "octets": 840, "age_seconds": 35, "on_switch": "actions=drop" },
                { "hop": 1, "side": "installed", "what": "table", "table": 0, "rule": null },
                { "hop": 1, "side": "desired", "what": "out", "port": "2", "to": "s2:1", "packet": null },
                { "hop": 2, "from_hop": 1, "switch": "s2", "in_port": "1", "side": "desired", "what": "arrives" },
            ],
        });
        let mut out = Vec::new();
        print(&answer, &mut out).unwrap();
        let expected = "\
packet in_port=3,icmp
  hop 1: s1 port 3
+   table=0,priority=1,actions=output:2  [static, line 7, pending; 12 packets, 840 octets, 35 s; the switch has actions=drop]
-   table=0: no rule matches
+   -> port 2: s2:1
+ hop 2: s2 port 1, from hop 1
it leaves s2:4 to 02:00:00:00:00:01
it is dropped at s1: the rule drops it (by the installed rules only)
1 rule is not on the switch as the controller has put it there: `trunkline audit` puts that right
desired and installed rules DIFFER: lines marked + are what should be, - what is
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
