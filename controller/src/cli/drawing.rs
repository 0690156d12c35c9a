//! `trunkline show links -o dot`: the network as it is, for Graphviz.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::ask::At;
use super::form::Form;
use super::show::Ask;

/// The form of a list of links.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum LinksForm {
    /// A table for people.
    Text,
    /// JSON, an object per line.
    Json,
    /// YAML, a list.
    Yaml,
    /// CSV with a line of names (RFC 4180).
    Csv,
    /// A drawing in Graphviz's language, switches without links too.
    Dot,
}

/// Where to ask, and the form of what is printed.
#[derive(Debug, Args)]
pub(super) struct AskLinks {
    /// Where to ask: the address of http.listen or the path of http.socket. Without it the usual socket (/run/trunkline/trunkline.sock) if a process
    /// listens there, else 127.0.0.1:9653.
    #[arg(long, value_name = "ADDRESS:PORT|PATH")]
    at: Option<At>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = LinksForm::Text)]
    output: LinksForm,
}

impl AskLinks {
    /// What is asked for a list, and whether a drawing is to be made of it.
    pub(super) fn split(self) -> (Ask, bool) {
        let form = match self.output {
            LinksForm::Text | LinksForm::Dot => Form::Text,
            LinksForm::Json => Form::Json,
            LinksForm::Yaml => Form::Yaml,
            LinksForm::Csv => Form::Csv,
        };
        (Ask { at: self.at, output: form }, self.output == LinksForm::Dot)
    }
}

/// The switches and links of two lists as a drawing: `dot -Tsvg` and `neato` read it. Ports stand at the ends of links, the latency beside them.
/// A link that carries nothing is red, with an arrow where one direction is known; one through other people's switches is dotted.
pub(super) fn drawing(switches: &[Value], links: &[Value]) -> String {
    let mut text = "graph network {\n  node [shape=box];\n".to_owned();
    for switch in switches {
        let style = if field(switch, "state") == "connected" { "" } else { ", style=dashed, color=gray" };
        let label = quoted(&field(switch, "switch"));
        let _ = writeln!(text, "  {} [label={label}{style}];", quoted(&field(switch, "datapath_id")));
    }
    for link in links {
        let mut marks =
            format!("taillabel={}, headlabel={}", quoted(&field(link, "port")), quoted(&field(link, "to_port")));
        if let Some(latency) = link.get("latency_us").and_then(Value::as_u64) {
            let _ = write!(marks, ", label=\"{latency} us\"");
        }
        match field(link, "state").as_str() {
            "both" => {}
            "one-way" => marks.push_str(", color=red, dir=forward"),
            _ => marks.push_str(", color=red, style=dashed"),
        }
        if link.get("via_others").and_then(Value::as_bool) == Some(true) {
            marks.push_str(", style=dotted");
        }
        let ends = [field(link, "datapath_id"), field(link, "to_datapath_id")].map(|end| quoted(&end));
        let _ = writeln!(text, "  {} -- {} [{marks}];", ends[0], ends[1]);
    }
    text.push_str("}\n");
    text
}

fn field(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A quoted string of the language. Names come from switches: a backslash would begin one of Graphviz's own escapes.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_switch_and_link_is_drawn_and_names_end_no_string() {
        let switches = [
            json!({ "switch": "s\"1\\", "datapath_id": "0000000000000001", "state": "connected" }),
            json!({ "switch": "s2", "datapath_id": "0000000000000002", "state": "lost" }),
        ];
        let link = |state: &str, via_others: bool| {
            json!({ "datapath_id": "0000000000000001", "port": "1", "to_datapath_id": "0000000000000002", "to_port": "7", "state": state,
                "latency_us": if via_others { json!(null) } else { json!(120) }, "via_others": via_others })
        };
        let expected = "\
graph network {
  node [shape=box];
  \"0000000000000001\" [label=\"s\\\"1\\\\\"];
  \"0000000000000002\" [label=\"s2\", style=dashed, color=gray];
  \"0000000000000001\" -- \"0000000000000002\" [taillabel=\"1\", headlabel=\"7\", label=\"120 us\"];
  \"0000000000000001\" -- \"0000000000000002\" [taillabel=\"1\", headlabel=\"7\", color=red, dir=forward, style=dotted];
  \"0000000000000001\" -- \"0000000000000002\" [taillabel=\"1\", headlabel=\"7\", label=\"120 us\", color=red, style=dashed];
}
";
        let links = [link("both", false), link("one-way", true), link("damped", false)];
        assert_eq!(drawing(&switches, &links), expected);
    }
}
