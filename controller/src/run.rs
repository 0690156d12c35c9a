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
