//! `trunkline reload`, `apply`, `confirm`, `rollback` and `history`: which configuration counts in a running process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::BAD_USAGE;
use super::ask::{At, question};
use super::show::{Ask, list_all};
use crate::api::table::What;
use crate::config;

/// How long the process may take: a hundred thousand rules are read and compared in a few seconds by a slow machine.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Where the process is.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// Where to ask: the address of http.listen or the path of http.socket. Without it the usual socket (/run/trunkline/trunkline.sock) if a process
    /// listens there, else 127.0.0.1:9653.
    #[arg(long, value_name = "ADDRESS:PORT|PATH")]
    at: Option<At>,
}

impl Where {
    fn at(&self) -> At {
        self.at.clone().unwrap_or_else(At::usual)
    }
}

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// A file to take on instead of the process's own, until that is read again. Relative paths in it start at the folder of the process's own.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    process: Where,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The file to take on. Relative paths in it start at the folder of the process's own.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The configuration before counts again after this time (such as 5m), unless `trunkline confirm` comes before that.
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    confirm: Option<Duration>,
    #[command(flatten)]
    process: Where,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    /// The number of the configuration that is meant; without it, the one that waits.
    #[arg(value_name = "N")]
    number: Option<u64>,
    #[command(flatten)]
    process: Where,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The number of a configuration in `trunkline history`; without it, the one before.
    #[arg(value_name = "N")]
    to: Option<u64>,
    #[command(flatten)]
    process: Where,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    ask: Ask,
}

pub(super) fn reload(arguments: &ReloadArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = match arguments.file.as_deref().map(read).transpose() {
        Ok(text) => text.unwrap_or_default(),
        Err(message) => return wrong(&message, err),
    };
    let file = arguments.file.as_deref().map(|file| file.display().to_string());
    change(&arguments.process, &question("/reload", &[("file", file)]), &text, arguments.json, out, err)
}

pub(super) fn apply(arguments: &ApplyArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(message) => return wrong(&message, err),
    };
    let seconds = arguments.confirm.map(|time| time.as_secs().to_string());
    let path = question("/apply", &[("file", Some(arguments.file.display().to_string())), ("confirm", seconds)]);
    change(&arguments.process, &path, &text, arguments.json, out, err)
}

pub(super) fn rollback(arguments: &RollbackArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let path = question("/rollback", &[("to", arguments.to.map(|to| to.to_string()))]);
    change(&arguments.process, &path, "", arguments.json, out, err)
}

pub(super) fn confirm(arguments: &ConfirmArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let path = question("/confirm", &[("number", arguments.number.map(|number| number.to_string()))]);
    match asked(&arguments.process, &path, "", err) {
        Ok(body) => {
            let answer = serde_json::from_str::<Value>(&body).unwrap_or_default();
            let number = answer.get("number").and_then(Value::as_u64).unwrap_or(0);
            let _ = writeln!(out, "configuration {number} stays");
            0
        }
        Err(status) => status,
    }
}

pub(super) fn history(arguments: &HistoryArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    list_all(What::History, &arguments.ask, out, err)
}

pub(super) fn read(file: &Path) -> Result<String, String> {
    std::fs::File::open(file)
        .and_then(config::read_text)
        .map_err(|error| format!("{}: cannot be read: {error}", file.display()))
}

fn wrong(message: &str, err: &mut dyn Write) -> u8 {
    let _ = writeln!(err, "trunkline: {message}");
    BAD_USAGE
}

/// The body of a good answer, or the exit status after what is wrong has been said.
pub(super) fn asked(process: &Where, path: &str, text: &str, err: &mut dyn Write) -> Result<String, u8> {
    let at = process.at();
    let (status, body) = at.post(path, text, ANSWER_LIMIT).map_err(|error| {
        let _ = writeln!(err, "trunkline: {}", error.message());
        1
    })?;
    match status {
        200 => Ok(body),
        // Each line says where and what.
        422 => {
            let _ = writeln!(err, "{}", body.trim_end());
            let _ = writeln!(err, "trunkline: the file is refused, everything stays as it is");
            Err(BAD_USAGE)
        }
        _ => {
            let _ = writeln!(err, "trunkline: {at} says {status}: {}", body.trim_end());
            Err(1)
        }
    }
}

fn change(process: &Where, path: &str, text: &str, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match asked(process, path, text, err) {
        Ok(body) => print(&body, json, out, err),
        Err(status) => status,
    }
}

fn print(body: &str, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    if json {
        let _ = write!(out, "{body}");
        return 0;
    }
    let Ok(answer) = serde_json::from_str::<Value>(body) else {
        let _ = writeln!(err, "trunkline: the answer is no JSON");
        return 1;
    };
    let texts = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for warning in texts("warnings") {
        let _ = writeln!(err, "{}", warning.as_str().unwrap_or_default());
    }
    for line in texts("lines") {
        let _ = writeln!(out, "{}", line.as_str().unwrap_or_default());
    }
    0
}
