//! The configuration file: one YAML document in, a typed [`Config`] or *all* of its problems out.
//!
//! The text is parsed to a tree that remembers line and column, and the tree is walked once. A problem never stops the walk, so that one
//! look shows everything there is to mend. Keys, shapes, ranges and defaults stand in one table (`schema.rs`); the configuration
//! reference and the JSON Schema in `docs/` are generated from it.

mod audit;
mod bgp;
mod isolate;
mod links;
mod numbered;
mod ovsdb;
mod policy;
mod problem;
mod read;
mod reference;
mod reservations;
mod schema;
mod switches;
mod tree;
mod types;
mod walk;
mod wiring;
mod words;

#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::Path;

pub(crate) use words::{duration, nearest};

pub use audit::AuditConfig;
pub use ovsdb::{BfdConfig, OvsdbConfig};
pub use policy::TWENTY_STATEMENTS;
pub use problem::{LoadError, Problem, Problems, Severity};
pub use reference::{json_schema, markdown};
pub use tree::MAX_FILE_OCTETS;
pub use types::{
    AddressFamily, AggregateConfig, BgpConfig, BgpRole, CertificateName, ConfederationConfig, Config, Connect,
    ControlSocketPath, DecisionConfig, Descriptions, FabricConfig, HistoryConfig, HttpConfig, LimitAction, Listen,
    MrtConfig, MultipathConfig, NeighborConfig, NextHopRule, OpenflowConfig, PortConfig, PrivateAsRule, RangeConfig,
    RestartHelp, Role, SwitchCertificate, SwitchConfig, TlsConfig, VerifyMode, VlanConfig,
};

pub use ::bgp::policy::Policy;

/// A configuration without errors, and what is odd about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// Things that are allowed but probably not meant, in the order of the file. Each is worth a line in the log.
    pub warnings: Problems,
}

impl Config {
    /// Reads a configuration from its text; nothing is looked for on disk. Warnings are dropped.
    ///
    /// # Errors
    /// Every problem of the text, warnings included.
    pub fn parse(text: &str) -> Result<Config, Problems> {
        check(text, None).map(|checked| checked.config)
    }

    /// Reads a configuration file. The files it names have to be there; relative paths start at the file's folder.
    ///
    /// # Errors
    /// The file cannot be read, or every problem of it.
    pub fn load(file: &Path) -> Result<Checked, LoadError> {
        Config::load_with_text(file).map(|(checked, _)| checked)
    }

    /// The same, and the text that it is.
    ///
    /// # Errors
    /// The file cannot be read, or every problem of it.
    pub fn load_with_text(file: &Path) -> Result<(Checked, String), LoadError> {
        let read = |error| LoadError::Read { file: file.to_owned(), error };
        let source = std::fs::File::open(file).map_err(read)?;
        let text = read_text(source).map_err(read)?;
        let base = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        match check(&text, Some(base)) {
            Ok(checked) => Ok((checked, text)),
            Err(problems) => Err(LoadError::Refused { file: file.to_owned(), problems }),
        }
    }
}

/// Reads a configuration from its text. With `base`, the files that it names are looked for, relative paths from there.
///
/// # Errors
/// Every problem of the text, warnings included, in the order of the file.
pub fn check(text: &str, base: Option<&Path>) -> Result<Checked, Problems> {
    let mut problems = Vec::new();
    let root = match tree::parse(text, &mut problems) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return Err(sorted(problems));
        }
    };
    let mut walk = walk::Walk { problems, base };
    let config = match &root {
        Some(node) if !node.is_null() => read::config(&mut walk, &walk::Field::root(node)),
        _ => read::empty_document(&mut walk),
    };
    let problems = sorted(walk.problems);
    if problems.has_errors() { Err(problems) } else { Ok(Checked { config, warnings: problems }) }
}

/// Reads a text of at most [`MAX_FILE_OCTETS`].
///
/// # Errors
/// The reader's own, not UTF-8, or longer than the limit.
pub fn read_text(source: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    source.take(MAX_FILE_OCTETS + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_OCTETS {
        let message = format!("longer than {MAX_FILE_OCTETS} octets, which no configuration is");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Most problems that are listed. A file with more is not a configuration, and nobody reads on.
const MAX_PROBLEMS: usize = 1000;

fn sorted(mut problems: Vec<Problem>) -> Problems {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    problems.truncate(MAX_PROBLEMS);
    if let (Some(last), true) = (problems.last(), more > 0) {
        let severity = if errors { Severity::Error } else { Severity::Warning };
        let message = format!("{more} more problems are not listed");
        problems.push(Problem { severity, path: String::new(), message, ..last.clone() });
    }
    Problems(problems)
}
