//! Child processes: commands that end by themselves within a limit, and daemons that end with their owner, by pid.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::report::Fail;
use crate::wait;

/// No command of the lab takes longer than this unless it says so.
const COMMAND_LIMIT_S: u32 = 30;

/// A daemon that is told to end gets this long before its end counts as a failure.
pub const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs a command to its end and gives its standard output; a failure says what was run and what it said.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, Fail> {
    run_within(COMMAND_LIMIT_S, program, arguments)
}

/// As [`run`] with another limit.
pub fn run_within(limit_s: u32, program: &str, arguments: &[&str]) -> Result<String, Fail> {
    let (status, output, errors) = run_any(limit_s, program, arguments)?;
    if status.success() {
        Ok(output)
    } else {
        let said = if errors.trim().is_empty() { &output } else { &errors };
        Err(format!("`{program} {}`: {status}: {}", arguments.join(" "), said.trim()))
    }
}

/// As [`run_within`], whatever the exit status: (status, standard output, standard error).
pub fn run_any(limit_s: u32, program: &str, arguments: &[&str]) -> Result<(ExitStatus, String, String), Fail> {
    let output = Command::new("timeout")
        .args(["-k", "1", &limit_s.to_string(), program])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status, text(&output.stdout), text(&output.stderr)))
}

/// Runs the lines of a script, one command a line, words split at blanks; `#` starts a comment.
pub fn run_lines(script: &str) -> Result<(), Fail> {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        run(words[0], &words[1..])?;
    }
    Ok(())
}

/// Whether a program is on the path.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

/// A process that runs until it is stopped. Its output goes to a log file; it is killed, by pid, when this is dropped.
pub struct Daemon {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts `arguments[0]` with the rest as its arguments, logging to `NAME.log` in `directory`.
    pub fn start(directory: &Path, name: &str, arguments: &[&str]) -> Result<Daemon, Fail> {
        Daemon::start_with(directory, name, arguments, &[])
    }

    /// As [`Daemon::start`] with further environment variables.
    pub fn start_with(
        directory: &Path,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Daemon, Fail> {
        let log = directory.join(format!("{name}.log"));
        let file = |()| File::options().create(true).append(true).open(&log);
        let out = file(()).map_err(|error| format!("{}: {error}", log.display()))?;
        let err = file(()).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new(arguments[0])
            .args(&arguments[1..])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("{name}: `{}` cannot be started: {error}", arguments[0]))?;
        Ok(Daemon { name: name.to_owned(), log, child })
    }

    /// What it wrote so far.
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Fails, with the last line it wrote, when the process has ended.
    pub fn ensure_running(&mut self) -> Result<(), Fail> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let output = self.output();
                let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("(nothing)");
                Err(format!("{} ended by itself: {status}: {last}", self.name))
            }
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// Sends a signal by name (`TERM`, `INT`, `KILL`) to the process alone.
    pub fn signal(&self, signal: &str) -> Result<(), Fail> {
        run("kill", &[&format!("-{signal}"), &self.child.id().to_string()]).map(drop)
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Fail> {
        let (name, child) = (&self.name, &mut self.child);
        wait::until(limit, || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(format!("{name} is still running")),
            Err(error) => Err(format!("{name}: {error}")),
        })
    }

    /// Ends it at once, without a chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
