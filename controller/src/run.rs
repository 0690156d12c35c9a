//! `trunkline run`: the controller, until it is told to stop.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use net::Prefix;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::apply::{Changes, started_with};
use crate::config::{Config, Connect};
use crate::history::How;
use crate::io::fabric::{About, HappeningKind};
use crate::reload::{Outcome, Refusal, ReloadRequest, Reloader, Wish, verified};
use crate::service::Controller;

/// How often a watched file is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What a reload has come to is told by so many lines in an event: three thousand VLANs that are new make as many.
const LINES_TOLD: usize = 8;

/// What to run with.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration as the file has it.
    pub config: Config,
    /// Its text; empty without a file.
    pub text: String,
    /// The file that it was read from, if any.
    pub config_file: Option<PathBuf>,
    /// Sources without TLS that the command line adds.
    pub plain_from: Vec<Prefix>,
    /// The folder to record in, if the command line names one.
    pub record: Option<PathBuf>,
    /// The file is taken on whenever it changes.
    pub watch: bool,
}

impl RunOptions {
    /// What the command line says besides the file.
    fn add_to(&self, config: &mut Config) {
        for prefix in &self.plain_from {
            if !config.openflow.plain_from.contains(prefix) {
                config.openflow.plain_from.push(*prefix);
            }
        }
        if self.record.is_some() {
            config.openflow.record.clone_from(&self.record);
        }
    }
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps the controller from starting, as a sentence for the operator.
pub fn run(options: RunOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut config = options.config.clone();
    options.add_to(&mut config);
    let runtime =
        tokio::runtime::Builder::new_current_thread().thread_stack_size(crate::verify::STACK).enable_all().build()?;
    let ended = runtime.block_on(async {
        // Before anything starts: a signal in between must not end the process half-way.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let watched = options.config_file.clone().filter(|_| options.watch);
        let mut watch = watched.map(Watch::new);
        let mut looks = tokio::time::interval(WATCH_INTERVAL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut controller = Controller::start(&config)?;
        // It only warns: nobody waits for it.
        let named = config.clone();
        std::thread::Builder::new().name("verify".to_owned()).stack_size(crate::verify::STACK).spawn(move || {
            verified::before_the_start(&named).iter().for_each(|line| tracing::warn!("{line}"));
        })?;
        announce(&controller, &config, options.config_file.as_deref());
        let mut asked = controller.take_reloads().ok_or("somebody else takes the requests for a reload")?;
        let history = config.history.clone();
        let reloader = Reloader::new(config, options.config_file.clone(), controller.counted());
        let (snapshots, happenings) = (controller.snapshots(), controller.happenings());
        let (looked_at, kept) = (reloader.verified(), reloader.kept());
        tokio::spawn(verified::watch(looked_at, snapshots, happenings, controller.counted(), kept));
        let (questions, answers) = controller.link_questions();
        tokio::spawn(verified::links::answer(questions, answers, controller.happenings(), reloader.kept()));
        let started = started_with(options.config_file.as_deref(), &options.text);
        let mut changes = Changes::new(reloader, started, &history, controller.configurations());
        let add = |config: &mut Config| options.add_to(config);
        loop {
            let deadline = changes.deadline();
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    let done = changes.take_on(None, How::Hangup, &controller, add).await;
                    tell("SIGHUP", changes.file(), &done, &controller);
                    continue;
                }
                Some(request) = asked.recv() => {
                    match request {
                        ReloadRequest::Plan { source, answer } => changes.plan(&source, answer, &controller, add),
                        ReloadRequest::Change { wish, answer } => {
                            let (own, why) = (matches!(wish, Wish::Reload(None)), why(&wish));
                            let is_confirmation = matches!(wish, Wish::Confirm(_));
                            let done = changes.grant(wish, &controller, add).await;
                            if is_confirmation {
                                if let Ok(outcome) = &done {
                                    tracing::info!(number = outcome.number, "a configuration is confirmed and stays");
                                }
                            } else {
                                tell(why, changes.file().filter(|_| own), &done, &controller);
                            }
                            // Who has asked may have gone.
                            let _ = answer.send(done);
                        }
                    }
                    continue;
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)), if deadline.is_some() => {
                    if let Some(done) = changes.go_back(&controller, add).await {
                        tell("it was not confirmed in time", None, &done, &controller);
                    }
                    continue;
                }
                _ = looks.tick(), if watch.is_some() => {
                    if watch.as_mut().is_some_and(Watch::has_changed) {
                        let done = changes.take_on(None, How::Watch, &controller, add).await;
                        tell("the file has changed", changes.file(), &done, &controller);
                    }
                    continue;
                }
            };
            tracing::info!(signal = name, "stopping; switches keep their rules");
            break;
        }
        // Joins threads, so on a thread of its own: whoever is in a hurry says so by a second signal.
        let stopping = tokio::task::spawn_blocking(move || controller.stop());
        tokio::select! {
            result = stopping => result?,
            _ = terminate.recv() => std::process::exit(1),
            _ = interrupt.recv() => std::process::exit(1),
        }
        tracing::info!("stopped");
        Ok(())
    });
    // A look at the rules that is still going on in a thread of its own holds nobody up.
    runtime.shutdown_background();
    ended
}

/// Why a configuration is taken on, as the log says it.
fn why(wish: &Wish) -> &'static str {
    match wish {
        Wish::Reload(_) => "an operator asks for it",
        Wish::Apply(..) => "an operator applies it",
        Wish::Confirm(_) => "an operator confirms it",
        Wish::Rollback(_) => "an operator rolls back to it",
    }
}

/// Says in the log and among the events what a reload has come to.
fn tell(why: &str, file: Option<&Path>, done: &Result<Outcome, Refusal>, controller: &Controller) {
    let file = file.map_or_else(|| "from elsewhere".to_owned(), |file| file.display().to_string());
    controller.happenings().push(About::new(HappeningKind::Reload), || in_short(why, &file, done));
    match done {
        Ok(outcome) => {
            for warning in &outcome.warnings {
                tracing::warn!(file, "{warning}");
            }
            let at_once = Outcome { restart: Vec::new(), ..outcome.clone() };
            for line in at_once.lines() {
                tracing::info!(why, file, "reload: {line}");
            }
            if !outcome.restart.is_empty() {
                tracing::warn!(keys = outcome.restart.join(", "), "reload: these count from the next start on");
            }
        }
        Err(Refusal::File(lines)) => {
            tracing::error!(why, "reload: the configuration is refused, everything stays as it is:\n{lines}");
        }
        Err(Refusal::Process(reason)) => {
            tracing::warn!(why, "reload: {reason}: everything stays as it is");
        }
    }
}

/// What a reload has come to, as an event says it. The log has all of it.
fn in_short(why: &str, file: &str, done: &Result<Outcome, Refusal>) -> String {
    let (came_to, lines) = match done {
        Ok(outcome) => ("taken on", outcome.lines()),
        Err(Refusal::File(lines)) => ("refused, everything stays as it is", lines.lines().map(str::to_owned).collect()),
        Err(Refusal::Process(reason)) => ("not taken on, everything stays as it is", vec![reason.clone()]),
    };
    let first = lines.iter().take(LINES_TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = match lines.len().saturating_sub(LINES_TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("configuration {file} ({why}) {came_to}: {first}{more}")
}

/// A file that is looked at from time to time. By its content in the end: editors touch files that they leave as they were.
struct Watch {
    file: PathBuf,
    /// When it was written, and how long it is: at the last look, and of the content that was taken.
    seen: Option<(SystemTime, u64)>,
    taken: Option<(SystemTime, u64)>,
    content: Option<[u8; 32]>,
}

impl Watch {
    /// A file as it is now.
    fn new(file: PathBuf) -> Watch {
        let mut watch = Watch { file, seen: None, taken: None, content: None };
        watch.seen = watch.stamp();
        (watch.taken, watch.content) = (watch.seen, watch.hash());
        watch
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = std::fs::metadata(&self.file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    fn hash(&self) -> Option<[u8; 32]> {
        let text = std::fs::File::open(&self.file).and_then(crate::config::read_text).ok()?;
        Some(Sha256::digest(text).into())
    }

    /// Whether there is another content than at the last time that this was so. A file that is being written is left alone until it is the same
    /// at two looks; one that is not there is no content.
    fn has_changed(&mut self) -> bool {
        let now = self.stamp();
        let rests = std::mem::replace(&mut self.seen, now) == now;
        if !rests || now.is_none() || now == self.taken {
            return false;
        }
        let content = self.hash();
        self.taken = now;
        content.is_some() && std::mem::replace(&mut self.content, content) != content
    }
}

fn announce(controller: &Controller, config: &Config, config_file: Option<&Path>) {
    let file = config_file.map_or_else(|| "built-in defaults".to_owned(), |file| file.display().to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = file, "trunkline is running");
    for address in controller.openflow_addresses() {
        tracing::info!(%address, "listening for switches");
    }
    if config.openflow.listen.is_empty() {
        tracing::info!("no switches: the configuration has bgp and neither openflow nor fabric");
    }
    for to in &config.openflow.connect {
        tracing::info!(switch = %to, "connecting to a switch, and staying connected");
    }
    for warning in plain_warnings(config) {
        tracing::warn!("{warning}");
    }
    if let Some(directory) = &config.openflow.record {
        tracing::info!(folder = %directory.display(), "recording every OpenFlow message");
    }
    tracing::info!(metrics = %format_args!("http://{}/metrics", controller.http_address()), "serving metrics");
    if let Some(path) = controller.socket() {
        tracing::info!(socket = %path.display(), "commands may ask here");
    }
}

/// What is said at the start about switches without TLS that are not on this machine.
fn plain_warnings(config: &Config) -> Vec<String> {
    let is_loopback = |prefix: &Prefix| prefix.addr().is_loopback() && prefix.len() > 0;
    let from = config
        .openflow
        .plain_from
        .iter()
        .filter(|prefix| !is_loopback(prefix))
        .map(|prefix| format!("switches from {prefix} may connect without TLS: whoever is there can pose as one"));
    let to = config.openflow.connect.iter().filter_map(|to| match to {
        Connect::Tcp(address) if !address.ip().is_loopback() => {
            Some(format!("no TLS to the switch {to}: whoever is between can pose as it"))
        }
        Connect::Tcp(_) | Connect::Ssl(_) | Connect::Unix(_) => None,
    });
    from.chain(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_file_has_changed_when_another_content_has_come_to_rest() {
        let file = std::env::temp_dir().join(format!("trunkline-watch-{}.yaml", std::process::id()));
        std::fs::write(&file, "a").unwrap();
        let mut watch = Watch::new(file.clone());
        assert!(!watch.has_changed() && !watch.has_changed());
        std::fs::write(&file, "other").unwrap();
        assert!(!watch.has_changed(), "it may be half written");
        assert!(watch.has_changed());
        assert!(!watch.has_changed());
        std::fs::remove_file(&file).unwrap();
        assert!(!watch.has_changed() && !watch.has_changed(), "no file is no configuration");
        std::fs::write(&file, "other").unwrap();
        assert!(!watch.has_changed() && !watch.has_changed(), "the same again");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn an_event_says_the_first_lines_of_a_reload_and_counts_the_others() {
        let restart = vec!["openflow.listen"; LINES_TOLD];
        let outcome = Outcome { restart: restart.clone(), ..Outcome::default() };
        let told = in_short("SIGHUP", "a.yaml", &Ok(outcome));
        assert!(told.starts_with("configuration a.yaml (SIGHUP) taken on: counts from"), "{told}");
        assert!(!told.contains("more"), "{told}");
        let outcome = Outcome { restart: [restart, vec!["http.listen"; 3]].concat(), ..Outcome::default() };
        let told = in_short("SIGHUP", "a.yaml", &Ok(outcome));
        assert!(told.ends_with("openflow.listen; and 3 more"), "{told}");
        let told = in_short("SIGHUP", "a.yaml", &Err(Refusal::File("a.yaml:1:1: one\na.yaml:2:1: two".to_owned())));
        assert!(told.ends_with("refused, everything stays as it is: a.yaml:1:1: one; a.yaml:2:1: two"), "{told}");
    }

    #[test]
    fn switches_without_tls_are_warned_of_unless_they_are_on_this_machine() {
        let mut config = Config::default();
        assert_eq!(plain_warnings(&config), [""; 0], "the defaults are this machine");
        for prefix in ["127.0.0.1/32", "192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32"] {
            config.openflow.plain_from.push(prefix.parse().unwrap());
        }
        config.openflow.connect = vec![
            Connect::Tcp("127.0.0.1:6653".parse().unwrap()),
            Connect::Tcp("192.0.2.7:6653".parse().unwrap()),
            Connect::Ssl("192.0.2.8:6653".parse().unwrap()),
            Connect::Unix("/run/s1.sock".into()),
        ];
        let warnings = plain_warnings(&config);
        let of =
            ["192.0.2.0/24 may", "0.0.0.0/0 may", "::/0 may", "2001:db8::/32 may", "the switch tcp:192.0.2.7:6653:"];
        assert_eq!(warnings.len(), of.len(), "{warnings:?}");
        for (warning, of) in warnings.iter().zip(of) {
            assert!(warning.contains(of) && warning.contains("TLS"), "{warning}");
        }
    }
}
