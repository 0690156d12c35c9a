//! `trunkline run`: the controller, until it is told to stop.

use std::error::Error;
use std::path::{Path, PathBuf};

use net::Prefix;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Connect};
use crate::service::Controller;

/// What to run with.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration, with what the command line adds to it.
    pub config: Config,
    /// The file that it was read from, if any.
    pub config_file: Option<PathBuf>,
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps the controller from starting, as a sentence for the operator.
pub fn run(options: RunOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let RunOptions { config, config_file } = options;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything starts: a signal in between must not end the process half-way.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let controller = Controller::start(&config)?;
        announce(&controller, &config, config_file.as_deref());
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    reload(&controller, &config, config_file.as_deref()).await;
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
    })
}

/// Reads the file again. Of it, what `bgp` says counts at once; the rest needs a restart.
async fn reload(controller: &Controller, started: &Config, config_file: Option<&Path>) {
    let Some(file) = config_file else {
        tracing::warn!("SIGHUP: there is no configuration file to read again");
        return;
    };
    let config = match Config::load(file) {
        Ok(checked) => checked.config,
        Err(error) => {
            tracing::error!("SIGHUP: the configuration is refused, everything stays as it is:\n{error}");
            return;
        }
    };
    match (controller.bgp(), &config.bgp) {
        (Some(speaker), Some(bgp)) => match speaker.reload(bgp).await {
            Ok(()) => tracing::info!(file = %file.display(), "SIGHUP: bgp is as the file says"),
            Err(error) => tracing::error!("SIGHUP: {error}: everything stays as it is"),
        },
        (None, None) => {}
        _ => tracing::warn!("SIGHUP: bgp starts and ends with the process: restart it"),
    }
    let listen = |config: &Config| config.bgp.as_ref().map(|bgp| bgp.listen);
    let apart = config.fabric != started.fabric || config.http != started.http || listen(&config) != listen(started);
    if apart || config.openflow.listen != started.openflow.listen || config.openflow.tls != started.openflow.tls {
        tracing::warn!("SIGHUP: openflow, fabric, http and bgp.listen count from the next start on");
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
    let is_loopback = |prefix: &Prefix| prefix.addr().is_loopback() && prefix.len() > 0;
    for prefix in config.openflow.plain_from.iter().filter(|prefix| !is_loopback(prefix)) {
        tracing::warn!(%prefix, "switches from here may connect without TLS: whoever is there can pose as one");
    }
    for to in &config.openflow.connect {
        tracing::info!(switch = %to, "connecting to a switch, and staying connected");
        if matches!(to, Connect::Tcp(address) if !address.ip().is_loopback()) {
            tracing::warn!(switch = %to, "no TLS to this switch: whoever is between can pose as it");
        }
    }
    if let Some(directory) = &config.openflow.record {
        tracing::info!(folder = %directory.display(), "recording every OpenFlow message");
    }
    tracing::info!(metrics = %format_args!("http://{}/metrics", controller.http_address()), "serving metrics");
}
