//! The configuration file: one YAML document in, a typed [`Config`] or *all* of its problems out.
//!
//! The text is parsed to a tree that remembers line and column, and the tree is walked once. A problem never stops the walk, so that one
//! look shows everything there is to mend. Keys, shapes, ranges and defaults stand in one table (`schema.rs`); the configuration
//! reference and the JSON Schema in `docs/` are generated from it.

mod problem;
mod types;

pub use problem::{LoadError, Problem, Problems, Severity};
pub use types::{
    AddressFamily, BgpConfig, Config, FabricConfig, HttpConfig, Listen, NeighborConfig, OpenflowConfig, Policy,
    TlsConfig,
};

/// A configuration without errors, and what is odd about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// Things that are allowed but probably not meant, in the order of the file. Each is worth a line in the log.
    pub warnings: Problems,
}
