//! The configuration reference and the JSON Schema, generated from the table in `schema.rs`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::schema::{EXAMPLE, Key, Need, ROOT, Reload, Section, Shape};
use super::words::show_duration;

/// `docs/configuration.md`.
pub fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    let _ = write!(out, "\n```yaml\n{EXAMPLE}```\n");
    section(&mut out, &ROOT, "");
    out.push_str(CONCLUSION);
    out
}

const INTRODUCTION: &str = "\
<!-- Generated from controller/src/config/schema.rs: change that, then run `UPDATE_EXPECT=1 cargo test -p trunkline-controller config`. -->
# Configuration

`trunkline run` needs no file: every switch on this machine is admitted, into one flat network. With `trunkline run FILE` the file below counts;
every key in it is optional unless the table says *required*.

`trunkline check FILE` reads a file and says everything that is wrong with it, one problem per line with line, column, key path and reason; it exits with
0 if the file is good and with 2 if not. `trunkline run` checks in the same way before it starts anything. Unknown keys are refused, and so is a key that
stands twice.

A running process takes on another file by `trunkline reload`, on SIGHUP, or by itself (`trunkline run --watch FILE`). The column *reload* says
what another value of a key does then: *hot* counts at once and interrupts nothing, *session* resets the BGP sessions of the neighbours that it is about and
no others, *restart* counts from the next start on, and the reload names the key. A file with an error changes nothing.

Editors that know JSON Schema complete and check the file with `docs/trunkline.schema.json`, for example with this first line:
`# yaml-language-server: $schema=trunkline.schema.json`.

A file with every key:
";

const CONCLUSION: &str = "
## Values

- **duration**: a whole number and a unit, `ms`, `s`, `m` or `h`: `300ms`, `90s`, `5m`. A number without a unit is refused.
- **prefix**: `ADDRESS/LENGTH` without host bits: `192.0.2.0/24`, not `192.0.2.1/24`.
- **address**: IPv4 or IPv6. Put IPv6 addresses in quotes, for a colon means something in YAML.
- **address and port**: `\"127.0.0.1:9653\"`, `\"[::1]:9653\"`. Names are not looked up.
- **datapath id**: `\"0x1\"` or 16 hex digits, in quotes.
- **file**, **folder**: a path; a relative one starts at the configuration file's folder. `check` opens the file.

The small languages of policies:

- **prefix with lengths**: `10.0.0.0/8` this prefix, `10.0.0.0/8 le 24` it and what is inside it up to /24, `10.0.0.0/8 ge 16` what is inside it from /16 on,
  `10.0.0.0/8 ge 16 le 24`; or the name of a set.
- **AS-path expression**: `^65001_`, `_65001$`, `^65001 (65002|65003)* $`; see [bgp-policy.md](bgp-policy.md#as-path-expressions). Or the name of a set.
- **AS number or range**: `65001`, `64512-65534`; or the name of a set.
- **community**: `\"65001:100\"`, `\"65001:1:2\"`, `\"rt:65001:100\"`, `\"ro:192.0.2.1:5\"`, `\"ext:0002fde900000064\"`, or a name such as `no-export` or
  `blackhole`. In a condition and in `remove` a number may be `*`, a range `100-199`, `neighbor-as` or `local-as`; in `add` and `set` the last two. Or the
  name of a set.
- **number range**: `100`, `ge 100`, `le 200`, `ge 100 le 200`.

Rules in `flows` are written as for `ovs-ofctl add-flow`: `priority=200,dl_vlan=office,tcp,tp_dst=23,actions=drop`. `trunkline flow RULE` reads one. Names of `vlans`
and of the switch's `ports` may stand for numbers. `cookie`, timeouts and flags are refused: a rule that stands here is there, and one that does not is not.

Anchors, aliases and tags of YAML are refused, and so are files over 64 MiB.
";

fn section(out: &mut String, section: &Section, path: &str) {
    if !path.is_empty() {
        let _ = write!(out, "\n## `{path}`\n\n{}\n", section.about);
    }
    out.push_str("\n| key | value | default | reload | what it does |\n|---|---|---|---|---|\n");
    for key in section.keys {
        let default = match key.need {
            Need::Required => "*required*".to_owned(),
            Need::Default(text) => format!("`{text}`"),
            Need::Without(text) => format!("without it: {text}"),
        };
        let rule = if key.rule.is_empty() { String::new() } else { format!(" ({})", key.rule) };
        let (value, reload) = (shape_text(&key.shape), reload_text(key.reload));
        let _ = writeln!(out, "| `{}` | {value} | {default} | {reload} | {}{rule} |", key.name, key.about);
    }
    for key in section.keys {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        if let Some((inner, more)) = key.shape.inner() {
            self::section(out, inner, &format!("{path}{more}"));
        }
    }
}

fn reload_text(reload: Reload) -> &'static str {
    match reload {
        Reload::Hot => "hot",
        Reload::Session => "session",
        Reload::Restart => "restart",
        Reload::Inside => "",
    }
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Section(_) => "section".to_owned(),
        Shape::List { of, min } => {
            let least = if *min > 0 { ", not empty" } else { "" };
            format!("list of {}{least}", plural(of))
        }
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Integer { min, max } => format!("{min} to {max}"),
        Shape::Duration { min, max, step, or_zero } => {
            let zero = if *or_zero { ", or 0" } else { "" };
            let whole = if step.as_secs() == 1 { ", whole seconds" } else { "" };
            format!("duration, {} to {}{zero}{whole}", show_duration(*min), show_duration(*max))
        }
        Shape::Text { max } => format!("text, at most {max} characters"),
        Shape::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Shape::Map { of } => format!("mapping of names to {}", plural(of)),
        Shape::Ports { of } => format!("mapping of port numbers to {}", plural(of)),
        Shape::Either { plain, .. } => format!("{}, or section", shape_text(plain)),
        Shape::Name => "name".to_owned(),
        Shape::Term(term) => term.what.to_owned(),
        Shape::OneOrMore { of } => format!("{}, or list of {}", of.what, of.plural),
        Shape::Prefix => "prefix".to_owned(),
        Shape::Address => "address".to_owned(),
        Shape::Ipv4Address => "IPv4 address".to_owned(),
        Shape::Ipv6Address => "IPv6 address".to_owned(),
        Shape::SocketAddress => "address and port".to_owned(),
        Shape::Listen => "`ptcp:…`, `pssl:…` or `punix:…`".to_owned(),
        Shape::Connect => "`tcp:…`, `ssl:…` or `unix:…`".to_owned(),
        Shape::File => "file".to_owned(),
        Shape::Folder => "folder".to_owned(),
        Shape::DatapathId => "datapath id".to_owned(),
        Shape::Certificate => "`sha256:…` or name".to_owned(),
    }
}

fn plural(shape: &Shape) -> String {
    match shape {
        Shape::Section(_) => "sections".to_owned(),
        Shape::Prefix => "prefixes".to_owned(),
        Shape::List { of, .. } => format!("lists of {}", plural(of)),
        Shape::Term(term) => term.plural.to_owned(),
        Shape::Either { plain, .. } => format!("numbers ({}) or sections", shape_text(plain)),
        Shape::OneOrMore { of } => format!("lists of {}", of.plural),
        Shape::DatapathId => "datapath ids".to_owned(),
        other => shape_text(other),
    }
}

/// `docs/trunkline.schema.json`: JSON Schema, draft 2020-12.
///
/// It knows shapes, ranges and unknown keys; rules over several keys (duplicates, `pssl` without `tls`) only `trunkline check` knows.
pub fn json_schema() -> String {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Trunkline configuration"));
    if let Value::Object(root) = section_schema(&ROOT) {
        schema.extend(root);
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn section_schema(section: &Section) -> Value {
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), key_schema(key));
    }
    let required: Vec<&str> =
        section.keys.iter().filter(|key| matches!(key.need, Need::Required)).map(|key| key.name).collect();
    let mut schema = json!({
        "description": section.about,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = shape_schema(&key.shape);
    if let Value::Object(schema) = &mut schema {
        let note = match key.need {
            Need::Required => String::new(),
            Need::Default(text) => format!(" Default: {text}."),
            Need::Without(text) => format!(" Without it: {text}."),
        };
        schema.insert("description".to_owned(), json!(format!("{}{note}", key.about)));
    }
    schema
}

fn shape_schema(shape: &Shape) -> Value {
    match shape {
        Shape::Section(section) => section_schema(section),
        Shape::List { of, min } => json!({ "type": "array", "minItems": min, "items": shape_schema(of) }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Duration { or_zero: true, .. } => {
            json!({ "anyOf": [{ "type": "string", "pattern": DURATION_PATTERN }, { "const": 0 }] })
        }
        Shape::Duration { .. } => json!({ "type": "string", "pattern": DURATION_PATTERN }),
        Shape::Text { max } => json!({ "type": "string", "maxLength": max }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Map { of } => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME_PATTERN },
            "additionalProperties": shape_schema(of),
        }),
        Shape::Ports { of } => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[0-9]{1,10}$" },
            "additionalProperties": shape_schema(of),
        }),
        Shape::Either { plain, section } => json!({ "anyOf": [shape_schema(plain), shape_schema(section)] }),
        Shape::Name => json!({ "type": "string", "pattern": NAME_PATTERN }),
        Shape::Term(_) => term_schema(),
        Shape::OneOrMore { .. } => {
            json!({ "anyOf": [term_schema(), { "type": "array", "minItems": 1, "items": term_schema() }] })
        }
        Shape::Prefix => json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$" }),
        Shape::Address => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        Shape::Ipv4Address => json!({ "type": "string", "format": "ipv4" }),
        Shape::Ipv6Address => json!({ "type": "string", "format": "ipv6" }),
        Shape::SocketAddress => json!({ "type": "string", "pattern": "^(\\[[0-9A-Fa-f.:]+\\]|[0-9.]+):[0-9]{1,5}$" }),
        Shape::Listen => json!({ "type": "string", "pattern": "^(ptcp|pssl)(:[0-9]{0,5}(:.+)?)?$|^punix:.+$" }),
        Shape::Connect => json!({ "type": "string", "pattern": "^(tcp|ssl):.+$|^unix:.+$" }),
        Shape::File | Shape::Folder => json!({ "type": "string", "minLength": 1 }),
        Shape::DatapathId => json!({ "type": "string", "pattern": DATAPATH_ID_PATTERN }),
        Shape::Certificate => json!({
            "type": "string", "anyOf": [{ "pattern": "^sha256:([0-9A-Fa-f]{2}:?){32}$" }, { "not": { "pattern": "^sha256:" } }]
        }),
    }
}

/// Numbers need no quotes; what a text says only `trunkline check` knows.
fn term_schema() -> Value {
    json!({ "type": ["string", "integer"] })
}

const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]{0,63}$";
const DATAPATH_ID_PATTERN: &str = "^(0x[0-9A-Fa-f]{1,16}|[0-9A-Fa-f]{16}|([0-9A-Fa-f]{2}:){7}[0-9A-Fa-f]{2})$";
const DURATION_PATTERN: &str = "^[0-9]+(ms|s|m|h)$";
