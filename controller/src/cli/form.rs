//! The forms in which rows are printed: tables for people, JSON, YAML and CSV. Each row leaves as it comes.
//!
//! Hand-made because every form is a few lines, and a library for tables wants all rows before it prints the first.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

use crate::api::table::Field;

/// The form of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Form {
    /// A table for people.
    Text,
    /// JSON, an object per line.
    Json,
    /// YAML, a list.
    Yaml,
    /// CSV with a line of names (RFC 4180).
    Csv,
}

/// Spaces between two columns.
const GAP: usize = 2;
/// A wider cell does not make its column wider: it pushes the rest of its own line to the right.
const WIDEST: usize = 60;

/// Prints rows with these fields.
pub(super) struct Printer<'o> {
    form: Form,
    fields: &'static [Field],
    out: &'o mut dyn Write,
    widths: Vec<usize>,
    begun: bool,
    /// Fields that have no column in the table.
    without: &'static [&'static str],
}

impl<'o> Printer<'o> {
    pub(super) fn new(form: Form, fields: &'static [Field], out: &'o mut dyn Write) -> Printer<'o> {
        Printer { form, fields, out, widths: Vec::new(), begun: false, without: &[] }
    }

    /// The table for people does without these: they would be empty.
    pub(super) fn without(self, without: &'static [&'static str]) -> Printer<'o> {
        Printer { without, ..self }
    }

    /// One page of rows. Columns are as wide as the widest cell so far.
    pub(super) fn rows(&mut self, rows: &[Value]) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.begun, true);
        match self.form {
            Form::Json => rows.iter().try_for_each(|row| writeln!(self.out, "{row}"))?,
            Form::Yaml => {
                if first && rows.is_empty() {
                    writeln!(self.out, "[]")?;
                }
                rows.iter().try_for_each(|row| yaml(row, self.out))?;
            }
            Form::Csv => {
                if first {
                    let names: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
                    writeln!(self.out, "{}", names.join(","))?;
                }
                for row in rows {
                    let cells: Vec<String> = self.fields.iter().map(|field| csv(&cell(row, field, ";"))).collect();
                    writeln!(self.out, "{}", cells.join(","))?;
                }
            }
            Form::Text => self.table(rows, first)?,
        }
        self.out.flush()
    }

    fn table(&mut self, rows: &[Value], first: bool) -> io::Result<()> {
        let columns: Vec<&Field> = self
            .fields
            .iter()
            .filter(|field| !field.heading.is_empty() && !self.without.contains(&field.name))
            .collect();
        let shown = |row: &Value| columns.iter().map(|field| for_people(&cell(row, field, " "))).collect::<Vec<_>>();
        let mut lines: Vec<Vec<String>> = rows.iter().map(shown).collect();
        if first {
            lines.insert(0, columns.iter().map(|field| field.heading.to_owned()).collect());
        }
        self.widths.resize(columns.len(), 0);
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count().min(WIDEST));
            }
        }
        for line in &lines {
            let mut text = String::new();
            for (width, cell) in self.widths.iter().zip(line) {
                text.push_str(cell);
                let fill = width.saturating_sub(cell.chars().count()) + GAP;
                text.extend(std::iter::repeat_n(' ', fill));
            }
            writeln!(self.out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// One object with these fields.
pub(super) fn object(form: Form, fields: &'static [Field], value: &Value, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Json => writeln!(out, "{value}"),
        Form::Yaml => pairs(value, "", "", out),
        Form::Csv => Printer::new(form, fields, out).rows(std::slice::from_ref(value)),
        Form::Text => {
            let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0) + GAP;
            for field in fields {
                writeln!(out, "{:width$}{}", field.name.replace('_', " "), for_people(&cell(value, field, " ")))?;
            }
            Ok(())
        }
    }
}

/// A value as text; empty for null.
fn cell(row: &Value, field: &Field, between: &str) -> String {
    text(row.get(field.name).unwrap_or(&Value::Null), between)
}

fn text(value: &Value, between: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(|value| text(value, between)).collect::<Vec<_>>().join(between),
        other => other.to_string(),
    }
}

/// Nothing that steers a terminal: names come from switches and from foreign devices.
pub(super) fn for_people(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars()
        .flat_map(|letter| {
            let escaped = letter.is_control().then(|| letter.escape_default());
            let plain = escaped.is_none().then_some(letter);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// RFC 4180 §2: quoted where it has to be.
fn csv(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn yaml(row: &Value, out: &mut dyn Write) -> io::Result<()> {
    pairs(row, "- ", "  ", out)
}

/// JSON is YAML: what is inside an object stays as it is there.
fn pairs(value: &Value, first: &str, then: &str, out: &mut dyn Write) -> io::Result<()> {
    let Value::Object(pairs) = value else { return writeln!(out, "{first}{value}") };
    for (at, (name, value)) in pairs.iter().enumerate() {
        writeln!(out, "{}{name}: {value}", if at == 0 { first } else { then })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::table::{Route, What};

    fn printed(form: Form, pages: &[Vec<Value>]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(form, Route::of(What::Hosts).row, &mut out);
        pages.iter().for_each(|rows| printer.rows(rows).unwrap());
        String::from_utf8(out).unwrap()
    }

    fn host(mac: &str, port: &str) -> Value {
        json!({ "mac": mac, "addresses": ["10.0.0.1", "fe80::1"], "switch": "s1", "datapath_id": "1", "port": port, "since": null, "last_seen": "t" })
    }

    #[test]
    fn a_table_has_columns_and_escapes_what_steers_a_terminal() {
        let pages = [vec![host("02:00:00:00:00:01", "1")], vec![host("02", "\u{1b}[31m\n")]];
        let expected = "\
MAC                ADDRESSES         SWITCH  PORT  SINCE  LAST_SEEN
02:00:00:00:00:01  10.0.0.1 fe80::1  s1      1     -      t
02                 10.0.0.1 fe80::1  s1      \\u{1b}[31m\\n  -      t
";
        assert_eq!(printed(Form::Text, &pages), expected);
        assert_eq!(printed(Form::Text, &[vec![]]), "MAC  ADDRESSES  SWITCH  PORT  SINCE  LAST_SEEN\n");
    }

    #[test]
    fn json_yaml_and_csv_say_the_same() {
        let pages = [vec![host("a", "1")], vec![host("b", "x,\"y\"")]];
        let json = printed(Form::Json, &pages);
        assert_eq!(json.lines().count(), 2);
        let yaml = printed(Form::Yaml, &pages);
        assert!(
            yaml.starts_with("- mac: \"a\"\n  addresses: [\"10.0.0.1\",\"fe80::1\"]\n  switch: \"s1\"\n"),
            "{yaml}"
        );
        let csv = printed(Form::Csv, &pages);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "mac,addresses,switch,datapath_id,port,since,last_seen");
        assert_eq!(lines[2], "b,10.0.0.1;fe80::1,s1,1,\"x,\"\"y\"\"\",,t");
        assert_eq!(printed(Form::Yaml, &[vec![]]), "[]\n");
    }
}
