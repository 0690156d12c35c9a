//! Logs: to standard error, as `--log` or `RUST_LOG` say.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What the controller logs without `--log` and `RUST_LOG`: sessions and links up and down, warnings, errors.
pub(super) const RUN_FILTER: &str = "info";
/// The same for the demo, whose screen tells the rest.
pub(super) const DEMO_FILTER: &str = "warn";

#[derive(Debug, Args)]
pub(super) struct LogOptions {
    /// What to log: error, warn, info, debug, trace, or a filter such as info,controller::core=debug. Without it, $RUST_LOG counts, else info (demo: warn).
    #[arg(long, value_name = "FILTER", global = true)]
    log: Option<String>,
    /// How to log.
    #[arg(long, value_name = "FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per event.
    Json,
}

/// Starts logging for the whole process; a second call changes nothing.
pub(super) fn start(options: &LogOptions, default: &str) -> Result<(), String> {
    let filter = filter(options.log.as_deref(), std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref(), default)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match options.log_format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

fn filter(option: Option<&str>, environment: Option<&str>, default: &str) -> Result<EnvFilter, String> {
    let (name, text) = match (option, environment) {
        (Some(text), _) => ("--log", text),
        (None, Some(text)) if !text.is_empty() => (EnvFilter::DEFAULT_ENV, text),
        (None, _) => ("", default),
    };
    EnvFilter::try_new(text).map_err(|error| {
        format!("{name} `{text}` is not a filter: {error}; write error, warn, info, debug, trace, or such as info,controller::core=debug")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_environment_and_info_is_the_rest() {
        assert_eq!(filter(None, None, "info").unwrap().to_string(), "info");
        assert_eq!(filter(None, Some(""), "info").unwrap().to_string(), "info");
        assert_eq!(filter(None, Some("warn"), "info").unwrap().to_string(), "warn");
        assert_eq!(filter(Some("debug"), Some("warn"), "info").unwrap().to_string(), "debug");
    }

    #[test]
    fn a_wrong_filter_says_whose_it_is() {
        assert!(filter(Some("a=b=c"), None, "info").unwrap_err().starts_with("--log `a=b=c` is not a filter"));
        assert!(filter(None, Some("a=b=c"), "info").unwrap_err().starts_with("RUST_LOG `a=b=c` is not a filter"));
    }
}
