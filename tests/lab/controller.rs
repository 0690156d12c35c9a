//! The program under test, as a process, seen from outside: its log, its exit status and its metrics.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::http;
use crate::process::{Daemon, STOP_LIMIT, run_any};
use crate::report::Fail;
use crate::wait;

/// Where `/metrics` is, by default and in the lab.
pub const HTTP: &str = "127.0.0.1:9653";

/// A reload that takes longer is a failure.
const RELOAD_LIMIT_S: u32 = 30;

/// The metrics that the lab reads.
pub mod metric {
    /// Switches connected, one number.
    pub const SWITCHES: &str = "trunkline_openflow_switches_connected";
    /// Connections of switches, with the label `result`.
    pub const CONNECTIONS: &str = "trunkline_openflow_connections_total";
    /// Flow-mods sent, with the label `command`.
    pub const FLOW_MODS: &str = "trunkline_reconciler_flow_mods_sent_total";
    /// Switches that are being read back, and where nothing is deleted yet.
    pub const SETTLING: &str = "trunkline_reconciler_switches_settling";
    /// Links that are up in both directions, each counted once.
    pub const LINKS: &str = "trunkline_topology_links";
    /// Link directions that came up or went down, with the label `change`.
    pub const LINK_CHANGES: &str = "trunkline_topology_link_changes_total";
    /// Hosts learned.
    pub const HOSTS: &str = "trunkline_topology_hosts";
    /// Databases, with the label `state`.
    pub const OVSDB: &str = "trunkline_ovsdb_connections";
    /// Links that may have BFD, with the label `state`.
    pub const BFD: &str = "trunkline_bfd_sessions";
    /// Prefixes of a BGP neighbour that import policy accepted, with the labels `peer` and `family`.
    pub const BGP_ACCEPTED: &str = "trunkline_bgp_peer_prefixes_accepted";
}

/// A `trunkline run` and how to start it again.
pub struct Controller {
    directory: PathBuf,
    binary: PathBuf,
    config: Option<PathBuf>,
    daemon: Daemon,
    /// Octets of the log that are of earlier runs.
    log_before: usize,
}

impl Controller {
    /// Starts `trunkline run`, with a configuration file of the given text or without any, and waits until it answers on `/healthz`.
    pub fn start(directory: &Path, binary: &Path, config: Option<&str>) -> Result<Controller, Fail> {
        let file = match config {
            Some(text) => {
                let file = directory.join("lab.yaml");
                std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
                Some(file)
            }
            None => None,
        };
        let daemon = Controller::spawn(directory, binary, file.as_deref())?;
        let mut controller = Controller {
            directory: directory.to_owned(),
            binary: binary.to_owned(),
            config: file,
            daemon,
            log_before: 0,
        };
        controller.wait_healthy()?;
        Ok(controller)
    }

    /// The process.
    fn spawn(directory: &Path, binary: &Path, config: Option<&Path>) -> Result<Daemon, Fail> {
        let binary = binary.display().to_string();
        let config = config.map(|config| config.display().to_string());
        let mut arguments = vec![binary.as_str(), "run"];
        arguments.extend(config.as_deref());
        Daemon::start(directory, "trunkline", &arguments)
    }

    /// Waits until the process serves.
    fn wait_healthy(&mut self) -> Result<(), Fail> {
        self.daemon.until(Duration::from_secs(10), |_| http::get(HTTP, "/healthz").map(drop))
    }

    /// Starts it again after it has ended.
    pub fn start_again(&mut self) -> Result<(), Fail> {
        self.log_before = self.daemon.output().len();
        self.daemon = Controller::spawn(&self.directory, &self.binary, self.config.as_deref())?;
        self.wait_healthy()
    }

    /// It does nothing until it is told to go on.
    pub fn freeze(&self) -> Result<(), Fail> {
        self.daemon.signal("STOP")
    }

    /// It goes on.
    pub fn thaw(&self) -> Result<(), Fail> {
        self.daemon.signal("CONT")
    }

    /// Gives it another configuration while it runs (SIGHUP).
    pub fn hang_up(&self, config: &str) -> Result<(), Fail> {
        self.write_config(config)?;
        self.daemon.signal("HUP")
    }

    /// Writes another text into its configuration file, and tells it nothing.
    pub fn write_config(&self, config: &str) -> Result<(), Fail> {
        let file = self.config.as_ref().ok_or("it was started without a file")?;
        std::fs::write(file, config).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// `trunkline reload`: its exit status, what it prints, what it says is wrong, and how long it takes.
    pub fn reload(&self) -> Result<(Option<i32>, String, String, Duration), Fail> {
        let start = Instant::now();
        let (status, out, err) = run_any(RELOAD_LIMIT_S, &self.binary.display().to_string(), &["reload"])?;
        Ok((status.code(), out, err, start.elapsed()))
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Ends it without a warning, as a crash would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Asks it to end (SIGTERM) and waits: how it ended and how long that took.
    pub fn terminate(&mut self) -> Result<(ExitStatus, Duration), Fail> {
        let start = Instant::now();
        self.daemon.signal("TERM")?;
        Ok((self.daemon.wait(STOP_LIMIT)?, start.elapsed()))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.daemon.output()
    }

    /// Waits until a line of its log since the last start has all of these words; the line.
    pub fn wait_log(&mut self, limit: Duration, words: &[&str]) -> Result<String, Fail> {
        let before = self.log_before;
        self.daemon.until(limit, |daemon| {
            let log = daemon.output();
            let log = log.get(before..).unwrap_or(&log);
            let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            found.map(str::to_owned).ok_or_else(|| format!("no line of the log has {words:?}"))
        })
    }

    /// Fails when it has ended by itself.
    pub fn ensure_running(&mut self) -> Result<(), Fail> {
        self.daemon.ensure_running()
    }

    /// The whole of `/metrics`.
    pub fn metrics(&self) -> Result<String, Fail> {
        http::get(HTTP, "/metrics")
    }

    /// The sum of a metric's samples that have all of `labels`; no sample is a failure.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64, Fail> {
        metric(name, labels)
    }

    /// Waits until a metric has a value.
    pub fn wait_metric(&mut self, limit: Duration, name: &str, value: f64) -> Result<Duration, Fail> {
        self.wait_metric_of(limit, name, &[], value)
    }

    /// Waits until the sum of a metric's samples that have all of `labels` has a value.
    pub fn wait_metric_of(
        &mut self,
        limit: Duration,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) -> Result<Duration, Fail> {
        let start = Instant::now();
        self.daemon.until(limit, |_| {
            let now = metric(name, labels)?;
            wait::ensure(now == value, || format!("{name} is {now}, not {value}"))
        })?;
        Ok(start.elapsed())
    }
}

/// See [`Controller::metric`].
fn metric(name: &str, labels: &[(&str, &str)]) -> Result<f64, Fail> {
    let text = http::get(HTTP, "/metrics")?;
    let mut found = text.lines().filter_map(|line| sample(line, name, labels)).peekable();
    if found.peek().is_none() {
        return Err(format!("/metrics has no {name}"));
    }
    Ok(found.sum())
}

/// The value of a line of the text format, if it is a sample of `name` with all of `labels`.
fn sample(line: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (set, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let has = |(label, value): &(&str, &str)| set.contains(&format!("{label}=\"{value}\""));
    if labels.iter().all(has) { value.trim().parse().ok() } else { None }
}
