//! `trunkline check FILE`.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use super::BAD_USAGE;
use crate::config::{self, Checked, Config, LoadError};
use crate::io::tls::Tls;
use crate::reload::verified::before_the_start;

/// Checks a configuration file, or standard input if it is `-`; returns the exit status.
pub(super) fn check(file: &Path, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let name = if file == Path::new("-") { "<stdin>".to_owned() } else { file.display().to_string() };
    let checked = if file == Path::new("-") { check_stdin(file) } else { Config::load(file) };
    match checked {
        Ok(Checked { config, warnings }) => {
            for line in warnings.lines(&name) {
                let _ = writeln!(err, "{line}");
            }
            if let Some(reason) = unusable_tls(&config) {
                let _ = writeln!(err, "{name}: openflow.tls: {reason}");
                return BAD_USAGE;
            }
            for line in before_the_start(&config) {
                let _ = writeln!(err, "{name}: {line}");
            }
            let tls = config.openflow.tls.as_ref().and_then(|tls| Tls::load(tls).ok());
            for warning in tls.iter().flat_map(|tls| tls.expiring(SystemTime::now())) {
                let _ = writeln!(err, "{name}: openflow.tls: {warning}");
            }
            let _ = writeln!(out, "{name}: {}", summary(&config, warnings.0.len()));
            0
        }
        Err(LoadError::Refused { problems, .. }) => {
            for line in problems.lines(&name) {
                let _ = writeln!(err, "{line}");
            }
            BAD_USAGE
        }
        Err(LoadError::Read { error, .. }) => {
            let _ = writeln!(err, "trunkline: {name}: cannot be read: {error}");
            BAD_USAGE
        }
    }
}

/// Why the certificates cannot be used, if they cannot: the files are there, but not what they should be.
pub(super) fn unusable_tls(config: &Config) -> Option<String> {
    config.openflow.tls.as_ref().and_then(|tls| Tls::load(tls).err())
}

fn check_stdin(file: &Path) -> Result<Checked, LoadError> {
    let text =
        config::read_text(io::stdin().lock()).map_err(|error| LoadError::Read { file: file.to_owned(), error })?;
    // Files that the configuration names are looked for from here.
    config::check(&text, Some(Path::new(".")))
        .map_err(|problems| LoadError::Refused { file: file.to_owned(), problems })
}

/// One line that says what the configuration amounts to.
fn summary(config: &Config, warnings: usize) -> String {
    let openflow = &config.openflow;
    let listen: Vec<String> = openflow
        .listen
        .iter()
        .map(ToString::to_string)
        .chain(openflow.connect.iter().map(ToString::to_string))
        .collect();
    let openflow =
        if listen.is_empty() { "no OpenFlow".to_owned() } else { format!("OpenFlow at {}", listen.join(" ")) };
    let bgp = match &config.bgp {
        None => "BGP off".to_owned(),
        Some(bgp) => format!("BGP AS {} with {}", bgp.asn, count(bgp.neighbors.len(), "neighbour")),
    };
    let warnings = if warnings == 0 { String::new() } else { format!(" ({})", count(warnings, "warning")) };
    format!("good{warnings}: {openflow}, HTTP at {}, {bgp}", config.http.listen)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
