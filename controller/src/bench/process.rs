//! The processes beside the load: the controller that is measured, the floor, the attacker; and what `/proc` says about them.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::floor::FloorArgs;
use crate::io::clock::Clock;

/// How long a process may take until it takes connections. Python needs some seconds.
const START_LIMIT: Duration = Duration::from_secs(20);
const START_PAUSE: Duration = Duration::from_millis(10);
/// Of what a process has said on standard error, so much is shown when it fails.
const LOG_SHOWN: usize = 2_000;
/// Descriptors for a controller with thousands of switches; less if the system allows less.
const OPEN_FILES: &str = "ulimit -n $(ulimit -H -n) 2>/dev/null; ";

/// A folder for configuration and logs that goes with its owner.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn create() -> Result<Folder, String> {
        let path = std::env::temp_dir().join(format!("trunkline-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is measured from outside.
pub(super) struct Process {
    pid: u32,
    child: Option<(Child, PathBuf)>,
    address: SocketAddr,
}

impl Process {
    /// One that somebody else has started.
    pub(super) fn running(pid: u32, address: SocketAddr) -> Result<Process, String> {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(format!("there is no process {pid}"));
        }
        Ok(Process { pid, child: None, address })
    }

    /// `trunkline run` with a configuration of its own, on a free port.
    pub(super) fn trunkline(folder: &Folder, interrupted: &AtomicBool) -> Result<Process, String> {
        let port = free_port()?;
        let file = folder.0.join("trunkline.yaml");
        let text = format!(
            "openflow: {{ listen: [\"ptcp:{port}:127.0.0.1\"] }}\nhttp: {{ listen: \"127.0.0.1:0\" }}\nfabric: {{ host_timeout: 1h }}\n"
        );
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let command = format!("{} --log error run {}", quoted(&own_binary()?), quoted(&file));
        Process::start("trunkline", &command, port, folder, interrupted)
    }

    /// The floor, on a free port.
    pub(super) fn floor(
        ask: usize,
        answer: usize,
        folder: &Folder,
        interrupted: &AtomicBool,
    ) -> Result<Process, String> {
        let port = free_port()?;
        let FloorArgs { port, ask, answer } = FloorArgs { port, ask: ask as u32, answer: answer as u32 };
        let binary = quoted(&own_binary()?);
        let command = format!("{binary} bench floor --port {port} --ask {ask} --answer {answer}");
        Process::start("floor", &command, port, folder, interrupted)
    }

    /// Any controller: `command` is for the shell, `{port}` in it is where it has to listen.
    pub(super) fn command(
        name: &str,
        command: &str,
        folder: &Folder,
        interrupted: &AtomicBool,
    ) -> Result<Process, String> {
        let port = free_port()?;
        Process::start(name, &command.replace("{port}", &port.to_string()), port, folder, interrupted)
    }

    /// A command for the shell that listens on `port` of 127.0.0.1 when it is ready.
    pub(super) fn start(
        name: &str,
        command: &str,
        port: u16,
        folder: &Folder,
        interrupted: &AtomicBool,
    ) -> Result<Process, String> {
        let log = folder.0.join(format!("{}.log", name.replace('/', "_")));
        let file = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let also = file.try_clone().map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("{OPEN_FILES}exec {command}"))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(also)
            // Ctrl-C is for us; we end them.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut process = Process { pid: child.id(), child: Some((child, log)), address };
        process.wait_listening(name, interrupted)?;
        Ok(process)
    }

    fn wait_listening(&mut self, name: &str, interrupted: &AtomicBool) -> Result<(), String> {
        let clock = Clock::start();
        loop {
            // Looked at from outside: a connection would be a peer that the controller has to deal with.
            if listens(self.address.port()) {
                return Ok(());
            }
            if let Some((child, log)) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(format!("{name} has ended before it took connections ({status}):\n{}", tail(log)));
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            if clock.now().since(net::Time::ZERO) > START_LIMIT {
                let log = self.child.as_ref().map(|(_, log)| tail(log)).unwrap_or_default();
                return Err(format!("{name} does not listen at {} after {START_LIMIT:?}:\n{log}", self.address));
            }
            std::thread::sleep(START_PAUSE);
        }
    }

    /// Where it takes connections.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nanoseconds of CPU that its threads have had.
    pub(super) fn cpu(&self) -> u64 {
        cpu(self.pid)
    }

    /// The same, and that of the processes which it has started.
    pub(super) fn family_cpu(&self) -> u64 {
        family(self.pid).into_iter().map(cpu).sum()
    }

    /// Octets of memory that it has in use.
    pub(super) fn resident(&self) -> u64 {
        memory(self.pid, "VmRSS:")
    }

    /// Octets of memory that it and the processes which it has started have in use.
    pub(super) fn family_resident(&self) -> u64 {
        family(self.pid).into_iter().map(|pid| memory(pid, "VmRSS:")).sum()
    }

    /// The most that they have had in use, each of them at its own worst moment.
    pub(super) fn family_peak(&self) -> u64 {
        family(self.pid).into_iter().map(|pid| memory(pid, "VmHWM:")).sum()
    }

    /// Why it is gone, if it is.
    pub(super) fn gone(&mut self) -> Option<String> {
        let (child, log) = self.child.as_mut()?;
        let status = child.try_wait().ok()??;
        Some(format!("the controller has ended ({status}):\n{}", tail(log)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            // Who has started processes leaves them behind when it is killed.
            let others: Vec<String> = family(self.pid).iter().skip(1).map(u32::to_string).collect();
            let _ = child.kill();
            let _ = child.wait();
            if !others.is_empty() {
                let _ = Command::new("kill").arg("-KILL").args(others).stderr(Stdio::null()).status();
            }
        }
    }
}

/// Nanoseconds of CPU that a process's threads have had.
fn cpu(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Octets of memory that this process has in use.
pub(super) fn own_resident() -> u64 {
    memory(std::process::id(), "VmRSS:")
}

/// A row of a process's status that counts KiB, in octets.
fn memory(pid: u32, row: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let row = text.lines().find_map(|line| line.strip_prefix(row));
    row.and_then(|row| row.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// A process, then those that it has started, and so on.
fn family(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let child = entry.file_name().to_str()?.parse::<u32>().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in brackets and may hold anything; then the state, then the parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(pid) = family.get(at).copied() {
        at += 1;
        family.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
    }
    family
}

/// The attacker: runs until it is dropped.
pub(super) struct Attacker(Child);

impl Attacker {
    /// Starts `trunkline bench flood …`.
    pub(super) fn start(kind: &str, address: SocketAddr, floor: bool) -> Result<Attacker, String> {
        let floor = if floor { " --floor" } else { "" };
        let command = format!("{OPEN_FILES}exec {} bench flood {kind} --to {address}{floor}", quoted(&own_binary()?));
        let child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn();
        child.map(Attacker).map_err(|error| format!("cannot start the attacker: {error}"))
    }

    /// Ends it, and gives what it has counted.
    pub(super) fn stop(mut self) -> String {
        // The end of its standard input tells it.
        drop(self.0.stdin.take());
        let mut text = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            let _ = stdout.read_to_string(&mut text);
        }
        text.trim().to_owned()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has at this moment.
pub(super) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// Whether somebody listens at a port of this machine.
fn listens(port: u16) -> bool {
    let port = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            // 0A is LISTEN.
            words.nth(1).is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("0A")
        })
    })
}

/// Whether a controller can be reached at all: a clear word before anything is measured.
pub(super) fn reachable(address: SocketAddr) -> Result<(), String> {
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).map(drop).map_err(|error| {
        format!("cannot reach a controller at {address}: {error}. Does it listen there (ss -ltn), and does a firewall let you?")
    })
}

pub(super) fn own_binary() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("cannot find the own binary: {error}"))
}

pub(super) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn tail(log: &Path) -> String {
    let octets = fs::read(log).unwrap_or_default();
    let from = octets.len().saturating_sub(LOG_SHOWN);
    String::from_utf8_lossy(&octets[from..]).trim_end().to_owned()
}
