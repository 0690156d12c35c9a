//! `trunkline audit [SWITCH]`: has a running process hold its switches against what it has put there, and prints what was different.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::ask::question;
use super::form::{Form, Printer, for_people};
use super::show::Ask;
use crate::api::DRIFT_FIELDS;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only this switch: its name or its datapath id.
    #[arg(value_name = "SWITCH")]
    switch: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

pub(super) fn audit(arguments: &AuditArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let AuditArgs { switch, ask } = arguments;
    let answer = match ask.at().command(&question("/audit", &[("switch", switch.clone())])) {
        Ok(answer) => answer,
        Err(error) => {
            let _ = writeln!(err, "trunkline: {}", error.message());
            return 1;
        }
    };
    let rows = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let drift = rows("rows");
    let printed = match ask.output() {
        Form::Text => {
            for switch in rows("switches") {
                let _ = writeln!(out, "{}", for_people(&summary(&switch)));
            }
            match drift.is_empty() {
                true => Ok(()),
                false => Printer::new(Form::Text, DRIFT_FIELDS, out).rows(&drift),
            }
        }
        Form::Json => writeln!(out, "{answer}"),
        form @ (Form::Yaml | Form::Csv) => Printer::new(form, DRIFT_FIELDS, out).rows(&drift),
    };
    // A reader that has gone away wants no more.
    drop(printed);
    let is_cut = |switch: &Value| switch.get("cut_short").is_some_and(|why| !why.is_null());
    u8::from(rows("switches").iter().any(is_cut))
}

/// So many of these.
fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// One line for a switch.
fn summary(switch: &Value) -> String {
    let number = |name: &str| switch.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = |name: &str| switch.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut line = format!(
        "{}: {} and {} looked at in {} ms: {} added, {} changed, {} removed by hand",
        text("switch"),
        counted(number("rules"), "rule"),
        counted(number("groups"), "group"),
        number("took_ms"),
        number("added"),
        number("changed"),
        number("removed"),
    );
    if number("added") + number("changed") + number("removed") > 0 {
        line.push_str("; they are put right");
    }
    for (name, what, words) in [
        ("foreign", "flow", "of others"),
        ("foreign_unread", "flow", "of these not looked at: too many with one cookie"),
        ("foreign_groups", "group", "of others"),
        ("foreign_meters", "meter", "of others"),
        ("excepted", "flow", "passed over"),
    ] {
        if number(name) > 0 {
            line.push_str(&format!("; {} {words}", counted(number(name), what)));
        }
    }
    let cut = text("cut_short");
    if !cut.is_empty() {
        line.push_str(&format!("; not done: {cut}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_switch_is_summed_up_in_a_line() {
        let row = json!({ "switch": "s1", "took_ms": 7, "rules": 10, "groups": 2, "added": 0, "changed": 1, "removed": 0,
            "foreign": 3, "excepted": 0, "cut_short": null });
        let expected = "s1: 10 rules and 2 groups looked at in 7 ms: 0 added, 1 changed, 0 removed by hand; they are put right; \
                        3 flows of others";
        assert_eq!(summary(&row), expected);
    }
}
