//! What can be wrong with a configuration file, and where.

use std::fmt;
use std::path::PathBuf;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken, but probably does not do what its writer meant.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Refused, or only worth a look.
    pub severity: Severity,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key path, such as `bgp.neighbors[2].hold_time`; empty for the document as a whole.
    pub path: String,
    /// What is wrong with it, and the rule.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `LINE:COL: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Problems in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether the file has to be refused.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many of them refuse the file.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Each problem on a line of its own, as `FILE:LINE:COL: path: message`.
    pub fn lines<'a>(&'a self, file: &'a str) -> impl Iterator<Item = String> + 'a {
        self.0.iter().map(move |problem| format!("{file}:{problem}"))
    }
}

impl fmt::Display for Problems {
    /// One per line, without a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Why a configuration file could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// It could not be read at all.
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It was read and is refused.
    Refused {
        /// The file.
        file: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
}

impl fmt::Display for LoadError {
    /// One line per problem, each starting with the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read { file, error } => write!(f, "{}: cannot be read: {error}", file.display()),
            LoadError::Refused { file, problems } => {
                let file = file.display().to_string();
                for (index, line) in problems.lines(&file).enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    f.write_str(&line)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for LoadError {}
