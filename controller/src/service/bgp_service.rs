//! The BGP speaker on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bgp::export::{NextHopRule, PrivateAsRule};
use bgp::io::{DriverError, Handle};
use bgp::policy::PrefixSet;
use bgp::rib::{DecisionOptions, Multipath};
use bgp::session::{ConnectMode, SessionConfig};
use bgp::speaker::{
    Aggregate, Confederation, DynamicNeighbors, LimitAction, LocalAs, NeighborConfig, Password, PrefixLimit,
    Reconfigured, RestartHelp, RestartOffer, Speaker, SpeakerConfig, SpeakerStatus,
};
use bgp::wire::{Asn, Family, Role, RouterId};
use tokio::sync::watch;

use super::{STOP_LIMIT, mrt};
use crate::config::{self, AddressFamily, BgpConfig, MrtConfig};

/// A line in the log at this share of a prefix limit.
const WARN_PERCENT: u8 = 80;

/// A running speaker.
#[derive(Clone)]
pub struct BgpHandle {
    handle: Handle,
    stop: Arc<watch::Sender<bool>>,
    ended: Arc<std::sync::Mutex<mpsc::Receiver<()>>>,
    recording: Arc<tokio::sync::Mutex<Recording>>,
}

/// What `bgp.mrt` asks for, at work.
struct Recording {
    config: MrtConfig,
    updates: Option<mrt::Updates>,
    tables: Option<mrt::Tables>,
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

    /// Take on another configuration, and say what that has changed. Sessions stand wherever they can.
    ///
    /// # Errors
    /// A neighbour that cannot be, or the speaker has ended; nothing has changed then.
    pub async fn reload(&self, config: &BgpConfig) -> Result<Vec<Reconfigured>, String> {
        let reconfigured =
            self.handle.reconfigure(speaker_config(config, 0)).await.map_err(|error| error.to_string())?;
        let changes = reconfigured.map_err(|error| format!("bgp: {error}"))?;
        if let Err(error) = self.record(&config.mrt).await {
            tracing::error!("{error}: not all is recorded as the file says");
        }
        Ok(changes)
    }

    /// Records as this says from here on, where it says something else than before. What comes in while one file is closed
    /// and the next begun is in neither: some milliseconds.
    async fn record(&self, config: &MrtConfig) -> Result<(), String> {
        let mut recording = self.recording.lock().await;
        let stopped = |error: bgp::io::Stopped| error.to_string();
        let before = &recording.config;
        let updates_change = (&config.updates, config.rotate) != (&before.updates, before.rotate);
        let tables_change = (&config.tables, config.interval) != (&before.tables, before.interval);
        // Files that cannot be written show before anything has changed.
        let files = match &config.updates {
            Some(name) if updates_change => Some(mrt::Updates::prepare(name, config.rotate)?),
            _ => None,
        };
        if tables_change {
            let start = |name: &String| mrt::dump(self.handle.clone(), name, config.interval);
            recording.tables = config.tables.as_ref().map(start).transpose()?;
            tracing::info!(files = config.tables.as_deref().unwrap_or("none"), "bgp.mrt.tables: changed");
        }
        if updates_change {
            self.handle.set_tap(None).await.map_err(stopped)?;
            // What is recorded if the rest fails.
            recording.config.updates = None;
            if let Some(updates) = recording.updates.take() {
                // It may have much to write, and the file may be the next one's too.
                let _ = tokio::task::spawn_blocking(move || updates.finish()).await;
            }
            if let Some(files) = files {
                let (updates, tap) = mrt::Updates::start(files)?;
                self.handle.set_tap(Some(tap)).await.map_err(stopped)?;
                recording.updates = Some(updates);
            }
            tracing::info!(files = config.updates.as_deref().unwrap_or("none"), "bgp.mrt.updates: changed");
        }
        recording.config = config.clone();
        Ok(())
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
    let files = config.mrt.updates.as_deref().map(|name| mrt::Updates::prepare(name, config.mrt.rotate)).transpose()?;
    let (updates, tap) = files.map(mrt::Updates::start).transpose()?.unzip();
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
            let made = Speaker::new(speaker, net::Time::ZERO).map_err(DriverError::Neighbor);
            let handle = match made.and_then(|speaker| bgp::io::spawn_tapped(speaker, &[listen], tap)) {
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
    let dump = |name: &String| mrt::dump(handle.clone(), name, config.mrt.interval);
    let tables = config.mrt.tables.as_ref().map(dump).transpose()?;
    let recording = Recording { config: config.mrt.clone(), updates, tables };
    Ok(BgpHandle {
        handle,
        stop: Arc::new(stop),
        ended: Arc::new(std::sync::Mutex::new(ended)),
        recording: Arc::new(tokio::sync::Mutex::new(recording)),
    })
}

/// What the configuration says to the speaker.
pub(crate) fn speaker_config(config: &BgpConfig, seed: u64) -> SpeakerConfig {
    let mut speaker = SpeakerConfig::new(Asn(config.asn), RouterId(config.router_id));
    speaker.originate.clone_from(&config.originate);
    let aggregates = config.aggregates.iter();
    speaker.aggregates =
        aggregates.map(|config| Aggregate { prefix: config.prefix, suppress: config.suppress }).collect();
    speaker.martians = PrefixSet::new(config.martians.iter().copied());
    speaker.neighbors = config.neighbors.iter().map(|neighbor| neighbor_config(neighbor, config)).collect();
    speaker.dynamic = config.ranges.iter().map(|range| dynamic(range, config)).collect();
    speaker.cluster_id = config.cluster_id.map(RouterId);
    speaker.confederation = config.confederation.as_ref().map(|confederation| Confederation {
        identifier: Asn(confederation.identifier),
        members: confederation.members.iter().copied().map(Asn).collect(),
    });
    speaker.default_local_pref = config.default_local_pref;
    speaker.selection_deferral = config.selection_deferral;
    let config::DecisionConfig {
        always_compare_med,
        missing_med_worst,
        compare_router_id,
        ignore_as_path_length,
        prefer_oldest,
    } = config.decision;
    let config::MultipathConfig { ebgp, ibgp, relaxed } = config.multipath;
    speaker.decision = DecisionOptions {
        multipath: Multipath { ebgp, ibgp, relaxed },
        always_compare_med,
        missing_med_worst,
        compare_router_id,
        ignore_as_path_length,
        prefer_oldest,
    };
    speaker.next_hops.clone_from(&config.next_hops);
    speaker.seed = seed;
    speaker
}

fn dynamic(range: &config::RangeConfig, speaker: &BgpConfig) -> DynamicNeighbors {
    let mut template = neighbor_config(&range.neighbor, speaker);
    if range.any_asn {
        template.asn = Asn::ZERO;
    }
    DynamicNeighbors { prefix: range.prefix, limit: range.limit as usize, template }
}

/// What it says of one neighbour.
pub(crate) fn neighbor_config(config: &config::NeighborConfig, speaker: &BgpConfig) -> NeighborConfig {
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
    neighbor.mode = match (config.passive, config.active) {
        (true, _) => ConnectMode::Passive,
        (false, true) => ConnectMode::Active,
        (false, false) => ConnectMode::Both,
    };
    neighbor.multihop = config.multihop;
    neighbor.ttl_security = config.ttl_security;
    neighbor.password = config.password.clone().map(Password::new);
    neighbor.interface.clone_from(&config.interface);
    neighbor.role = config.role.map(|role| match role {
        config::BgpRole::Provider => Role::PROVIDER,
        config::BgpRole::Customer => Role::CUSTOMER,
        config::BgpRole::Peer => Role::PEER,
        config::BgpRole::RouteServer => Role::ROUTE_SERVER,
        config::BgpRole::RouteServerClient => Role::ROUTE_SERVER_CLIENT,
    });
    neighbor.strict_role = config.strict_role;
    neighbor.next_hop = match config.next_hop {
        config::NextHopRule::Standard => NextHopRule::Standard,
        config::NextHopRule::Ours => NextHopRule::Ours,
        config::NextHopRule::Unchanged => NextHopRule::Unchanged,
    };
    neighbor.private_as = match config.private_as {
        config::PrivateAsRule::Keep => PrivateAsRule::Keep,
        config::PrivateAsRule::Remove => PrivateAsRule::Remove,
        config::PrivateAsRule::Replace => PrivateAsRule::Replace,
    };
    neighbor.as_override = config.as_override;
    neighbor.allow_own_as = config.allow_own_as;
    neighbor.enforce_first_as = config.enforce_first_as;
    neighbor.local_as = config.local_as.map(|asn| LocalAs {
        asn: Asn(asn),
        prepend: config.local_as_prepend,
        replace: config.local_as_replace,
    });
    neighbor.route_server_client = config.route_server_client;
    neighbor.reflector_client = config.route_reflector_client;
    neighbor.reject_as_sets = config.reject_as_sets;
    neighbor.graceful_shutdown = config.graceful_shutdown;
    neighbor.add_path_receive = config.add_path_receive;
    neighbor.add_path_send = config.add_path_send;
    neighbor.hide_paths = config.hide_paths;
    neighbor.extended_next_hop = config.extended_next_hop;
    neighbor.shutdown.clone_from(&config.shutdown);
    neighbor.graceful_restart = match config.graceful_restart {
        config::RestartHelp::Off => None,
        config::RestartHelp::Help | config::RestartHelp::Restart => Some(RestartHelp::default()),
        config::RestartHelp::LongLived | config::RestartHelp::RestartLongLived => {
            Some(RestartHelp { long_lived: true, ..RestartHelp::default() })
        }
    };
    let long_lived_time = match config.graceful_restart {
        config::RestartHelp::Restart => Some(Duration::ZERO),
        config::RestartHelp::RestartLongLived => Some(config.long_lived_time),
        _ => None,
    };
    neighbor.restart =
        long_lived_time.map(|long_lived_time| RestartOffer { restart_time: config.restart_time, long_lived_time });
    let action = match config.max_prefixes_action {
        config::LimitAction::Warn => LimitAction::Warn,
        config::LimitAction::Drop => LimitAction::Drop,
        config::LimitAction::Restart => LimitAction::Restart(config.max_prefixes_restart),
    };
    let limits = |count: Option<u32>| {
        let limit = |count: u32| PrefixLimit { count: count.into(), warn_percent: WARN_PERCENT, action };
        let families = neighbor.families.iter();
        families.filter_map(|family| Some((*family, limit(count?)))).collect()
    };
    neighbor.receive_limits = limits(config.max_prefixes);
    neighbor.send_limits = limits(config.max_prefixes_sent);
    neighbor.attribute_octets = config.attribute_octets;
    let session = SessionConfig::new(Asn(speaker.asn), RouterId(speaker.router_id), Asn(config.asn));
    neighbor.session = Some(SessionConfig {
        as_path_limit: config.as_path_limit as usize,
        connect_retry_time: config.connect_retry_time,
        idle_hold_time: config.idle_hold_time,
        damp_peer_oscillations: config.damp_peer_oscillations,
        delay_open_time: Some(config.delay_open_time).filter(|time| !time.is_zero()),
        send_hold_time: Some(config.send_hold_time).filter(|time| !time.is_zero()),
        ..session
    });
    neighbor.groups.clone_from(&config.groups);
    neighbor.default_originate.clone_from(&config.default_originate);
    neighbor.advertisement_interval = config.advertisement_interval;
    // The configuration holds whole seconds that fit.
    neighbor.hold_time = u16::try_from(config.hold_time.as_secs()).unwrap_or(u16::MAX);
    neighbor.import.clone_from(&config.import);
    neighbor.export.clone_from(&config.export);
    neighbor.next_hop_v6 = config.next_hop_v6;
    neighbor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn neighbor(keys: &str) -> NeighborConfig {
        let text = format!(
            "bgp:\n  asn: 65001\n  router_id: 10.0.0.1\n  groups: [{{ name: heavy, attribute_octets: 5 }}]\n  neighbors:\n    \
             - {{ address: 192.0.2.2, asn: 65002, import: accept, export: accept{keys} }}\n"
        );
        let bgp = Config::parse(&text).unwrap().bgp.unwrap();
        neighbor_config(bgp.neighbors.first().unwrap(), &bgp)
    }

    #[test]
    fn the_limit_on_attribute_octets_is_the_neighbours_its_groups_or_the_usual_one() {
        assert_eq!(neighbor("").attribute_octets, bgp::speaker::ATTRIBUTE_OCTETS);
        assert_eq!(neighbor(", group: heavy").attribute_octets, 5);
        assert_eq!(neighbor(", group: heavy, attribute_octets: 1000000").attribute_octets, 1_000_000);
        assert!(neighbor(", attribute_octets: 7").receive_limits.is_empty(), "it stands for itself");
    }
}
