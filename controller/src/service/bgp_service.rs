//! The BGP speaker on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc;

use bgp::io::Handle;
use bgp::session::ConnectMode;
use bgp::speaker::{NeighborConfig, SpeakerConfig, SpeakerStatus};
use bgp::wire::{Asn, Family, RouterId};
use tokio::sync::watch;

use super::STOP_LIMIT;
use crate::config::{self, AddressFamily, BgpConfig};

/// A running speaker.
#[derive(Clone)]
pub struct BgpHandle {
    handle: Handle,
    stop: Arc<watch::Sender<bool>>,
    ended: Arc<std::sync::Mutex<mpsc::Receiver<()>>>,
}

impl BgpHandle {
    /// Neighbours, counters and table sizes; `None` once it has ended.
    pub async fn status(&self) -> Option<SpeakerStatus> {
        self.handle.status().await.ok()
    }

    /// The speaker itself: routes, neighbours, explanations.
    pub fn speaker(&self) -> &Handle {
        &self.handle
    }

    /// Tell the neighbours (Cease, administrative shutdown) and end.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
        if let Ok(ended) = self.ended.lock() {
            // Its end drops the sender; if a neighbour takes no octets, it is left behind.
            let _ = ended.recv_timeout(STOP_LIMIT);
        }
    }
}

/// Start the thread; returns once the address is taken.
pub(super) fn start(config: &BgpConfig, seed: u64) -> Result<BgpHandle, String> {
    let speaker = speaker_config(config, seed);
    let listen = config.listen;
    let (stop, mut stopped) = watch::channel(false);
    let (started, start) = mpsc::channel();
    let (ending, ended) = mpsc::channel::<()>();
    let thread = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(format!("the BGP thread has no runtime: {error}")));
                return;
            }
        };
        runtime.block_on(async {
            let handle = match bgp::io::spawn(speaker, &[listen]) {
                Ok(handle) => handle,
                Err(error) => {
                    let _ = started.send(Err(format!("bgp: {error}")));
                    return;
                }
            };
            let _ = started.send(Ok(handle.clone()));
            let _ = stopped.changed().await;
            handle.stop().await;
        });
        drop(ending);
    };
    std::thread::Builder::new()
        .name("bgp".to_owned())
        .spawn(thread)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let handle = start.recv().map_err(|_| "the BGP thread ended while it started".to_owned())??;
    Ok(BgpHandle { handle, stop: Arc::new(stop), ended: Arc::new(std::sync::Mutex::new(ended)) })
}

fn speaker_config(config: &BgpConfig, seed: u64) -> SpeakerConfig {
    let mut speaker = SpeakerConfig::new(Asn(config.asn), RouterId(config.router_id));
    speaker.originate.clone_from(&config.originate);
    speaker.neighbors = config.neighbors.iter().map(neighbor_config).collect();
    speaker.seed = seed;
    speaker
}

fn neighbor_config(config: &config::NeighborConfig) -> NeighborConfig {
    let mut neighbor = NeighborConfig::new(config.address, Asn(config.asn));
    neighbor.port = config.port;
    neighbor.local_address = config.local_address;
    neighbor.families = config
        .families
        .iter()
        .map(|family| match family {
            AddressFamily::Ipv4Unicast => Family::IPV4_UNICAST,
            AddressFamily::Ipv6Unicast => Family::IPV6_UNICAST,
        })
        .collect();
    neighbor.mode = if config.passive { ConnectMode::Passive } else { ConnectMode::Both };
    // The configuration holds whole seconds that fit.
    neighbor.hold_time = u16::try_from(config.hold_time.as_secs()).unwrap_or(u16::MAX);
    neighbor.import.clone_from(&config.import);
    neighbor.export.clone_from(&config.export);
    neighbor.next_hop_v6 = config.next_hop_v6;
    neighbor
}
