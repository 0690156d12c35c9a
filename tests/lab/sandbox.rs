//! Namespaces of their own for a scenario, so that it can neither disturb the machine nor be disturbed.
//!
//! ```text
//! lab ── setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child lab --inside NAME ── ovs, bird, trunkline, …
//! ```
//! However the lab ends (Ctrl-C, SIGTERM, SIGKILL), the kernel kills `unshare`, that kills the scenario, which is process 1 of its
//! process namespace, and with it every process in there; network devices and mounts go with the last process. `/run` (with it the network
//! namespace names and Open vSwitch's sockets) and `/etc/openvswitch` are private.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use crate::report::{Fail, Report, Totals};
use crate::{Mode, interop, process, scenario};

/// Where the scenario inside finds its directory.
const DIRECTORY_VARIABLE: &str = "TRUNKLINE_LAB_DIRECTORY";

/// What the lab runs. All of it is put there by `tests/lab/install.sh`.
const PROGRAMS: &[&str] = &[
    "ip",
    "tc",
    "unshare",
    "setpriv",
    "timeout",
    "mount",
    "ping",
    "arping",
    "ethtool",
    "tcpdump",
    "iperf3",
    "openssl",
    "ovs-vsctl",
    "ovs-ofctl",
    "ovs-appctl",
    "ovsdb-server",
    "ovsdb-tool",
    "ovs-vswitchd",
    "bird",
    "birdc",
    "vtysh",
    "gobgpd",
    "gobgp",
    "bgpctl",
    "bgpd",
    "bgpdump",
    "ss",
    "prometheus",
    "promtool",
    "mn",
];

/// How much of each log a failed scenario shows.
const TAIL_LINES: usize = 25;

/// Logs of traffic, of which the end says enough.
const TRAFFIC: [&str; 3] = ["ping-", "iperf3-", "tcpdump-"];

/// How much of those.
const TRAFFIC_TAIL_LINES: usize = 4;

/// The reason why no lab can run here, if there is one.
pub fn can_run() -> Result<(), Fail> {
    if !cfg!(target_os = "linux") {
        return Err("needs Linux".into());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    if !root {
        return Err("needs root".into());
    }
    let missing: Vec<&str> = PROGRAMS.iter().copied().filter(|program| !process::exists(program)).collect();
    if !missing.is_empty() {
        return Err(format!("not installed: {} (tests/lab/install.sh installs them on Debian)", missing.join(", ")));
    }
    let probe = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "true"];
    process::run("unshare", &probe).map_err(|reason| format!("namespaces are not allowed here: {reason}"))?;
    binary().map(drop)
}

/// The `trunkline` to drive.
pub fn binary() -> Result<PathBuf, Fail> {
    if let Some(path) = std::env::var_os("TRUNKLINE_BIN") {
        let path = PathBuf::from(path);
        return path.canonicalize().map_err(|error| format!("TRUNKLINE_BIN={}: {error}", path.display()));
    }
    let built = |profile: &str| target_directory().join(profile).join("trunkline");
    [built("release"), built("debug")]
        .into_iter()
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| format!("no trunkline in {}: cargo build --release first", target_directory().display()))
}

/// Cargo's target directory: this program runs from `TARGET/PROFILE/deps`.
fn target_directory() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors().nth(3).unwrap_or(Path::new("target")).to_owned()
}

/// A place for one run of one scenario.
pub struct Sandbox {
    name: &'static str,
    mode: Mode,
    directory: PathBuf,
    keep: bool,
    seed: u64,
}

impl Sandbox {
    /// Nothing is made before [`Sandbox::run`].
    pub fn new(name: &'static str, mode: Mode, keep: bool, seed: u64) -> Sandbox {
        // Process ids repeat between process namespaces; the time does not.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        let directory = target_directory().join("lab").join(format!("{name}-{now}-{}", std::process::id()));
        Sandbox { name, mode, directory, keep, seed }
    }

    /// Runs the scenario to its end or to `limit`, and counts. The logs are kept when something failed.
    pub fn run(self, limit: Duration) -> Totals {
        let failed = Totals { failed: 1, ..Totals::default() };
        let _ = fs::remove_dir_all(&self.directory);
        if let Err(error) = fs::create_dir_all(&self.directory) {
            println!("FAILED  {}: {}: {error}", self.name, self.directory.display());
            return failed;
        }
        let ended = self.spawn(limit);
        let mut totals = Totals::read(&self.directory).unwrap_or_default();
        if let Err(reason) = ended {
            println!("FAILED  {}: {reason}", self.name);
            totals.failed += 1;
        } else if totals == Totals::default() {
            println!("FAILED  {}: the scenario ended without having checked anything", self.name);
            totals.failed += 1;
        }
        if totals.failed > 0 {
            self.show_logs();
        } else if !self.keep {
            let _ = fs::remove_dir_all(&self.directory);
        }
        totals
    }

    /// Starts this program again inside new namespaces and waits for it.
    fn spawn(&self, limit: Duration) -> Result<(), Fail> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let seed = self.seed.to_string();
        let arguments = [self.mode.flag(), "--inside", self.name, "--seed", &seed];
        spawn(&this, &arguments, &self.directory, limit)
    }

    /// Shows the end of each log and says where the whole is.
    fn show_logs(&self) {
        let mut logs: Vec<PathBuf> = fs::read_dir(&self.directory)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        for log in &logs {
            let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let name = log.file_name().unwrap_or_default().to_string_lossy();
            let traffic = TRAFFIC.iter().any(|prefix| name.starts_with(prefix));
            let shown = if traffic { TRAFFIC_TAIL_LINES } else { TAIL_LINES };
            let tail = &lines[lines.len().saturating_sub(shown)..];
            println!("---- {} (the last {} of {} lines)", log.display(), tail.len(), lines.len());
            for line in tail {
                println!("{line}");
            }
        }
        println!("---- everything of {} is kept in {}", self.name, self.directory.display());
    }
}

/// Runs a part of a scenario in namespaces of its own, inside of the scenario's: `--cell NAME`, with a directory of its own.
pub fn nested(name: &str, mode: Mode, directory: &Path, limit: Duration) -> Result<(), Fail> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    spawn(&this, &[mode.flag(), "--cell", name], directory, limit)
}

/// Starts a program in new namespaces and waits for it.
fn spawn(program: &Path, arguments: &[&str], directory: &Path, limit: Duration) -> Result<(), Fail> {
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .arg("--mount-proc")
        .arg(program)
        .args(arguments)
        .env(DIRECTORY_VARIABLE, directory)
        .env("TRUNKLINE_BIN", binary()?)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start the sandbox: {error}"))?;
    let ended = crate::wait::until(limit, || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err("it is over its time".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(reason) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(reason)
        }
    }
}

/// The inside of a nested sandbox.
pub fn run_cell(name: &str, mode: Mode) -> ExitCode {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY_VARIABLE).unwrap_or_default());
    let outcome = private_places().and_then(|()| interop::cell::run(name, mode, &directory, &binary()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("lab: {name}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The inside of a sandbox: makes the private places, runs the scenario, leaves its count.
pub fn run_inside(name: &str, mode: Mode, seed: u64) -> ExitCode {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY_VARIABLE).unwrap_or_default());
    let mut report = Report::new(name, mode, &directory);
    let outcome = private_places().and_then(|()| {
        let scenario = scenario::ALL
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| format!("there is no scenario {name}"))?;
        let lab = scenario::Lab { directory: directory.clone(), mode, binary: binary()?, seed };
        catch_unwind(AssertUnwindSafe(|| (scenario.run)(&lab, &mut report))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("the scenario panicked: {}", said.unwrap_or("without a word")))
        })
    });
    if let Err(reason) = outcome {
        report.check("the scenario comes to its end", Err(reason));
    }
    ExitCode::SUCCESS
}

/// Mounts a fresh `/run` and `/etc/openvswitch`, makes `/sys` that of the new network namespace, and brings loopback up.
fn private_places() -> Result<(), Fail> {
    process::run_lines(
        "mount -t tmpfs lab /run
         mount -t tmpfs lab /etc/openvswitch
         mount -t sysfs lab /sys
         mkdir -p /run/netns /run/openvswitch /run/lock /run/bird
         ip link set lo up",
    )?;
    // The lab's own ends of the virtual cables are no hosts: they must not speak IPv6 into the fabric.
    for (key, value) in [
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        ("net/ipv6/conf/lo/disable_ipv6", "0"),
        ("net/ipv4/ping_group_range", "0 0"),
    ] {
        let _ = fs::write(Path::new("/proc/sys").join(key), value);
    }
    Ok(())
}
