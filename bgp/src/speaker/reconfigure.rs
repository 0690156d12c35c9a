//! Another configuration for a running speaker. What can change while a session stands changes under it: policies are
//! asked again from the Adj-RIB-In, and neighbours are sent what is different. What the OPENs or the socket depend on
//! costs that neighbour its session, and no other. The same holds for what is ours: the decision is made again in slices,
//! another AS or identifier of ours needs new sessions. Invariant: a configuration that cannot be changes nothing.

use super::limit::Held;
use super::{DynamicNeighbors, Neighbor, NeighborConfig, NeighborError, Speaker, SpeakerConfig};
use crate::session::SessionConfig;
use crate::wire::notification::subcode::cease;
use crate::wire::{Asn, ErrorCode, Notification, PeerKind, RouterId};
use net::{Prefix, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Something that another configuration has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reconfigured {
    /// A neighbour is new; its session starts.
    Added(IpAddr),
    /// A neighbour is gone, and its session with it (Cease, peer de-configured).
    Removed(IpAddr),
    /// A neighbour has other settings. Its session goes on.
    Changed {
        /// Which.
        neighbor: IpAddr,
        /// The settings.
        settings: Vec<&'static str>,
    },
    /// A neighbour has settings that are agreed on when a session starts: its session has been reset (Cease, other
    /// configuration change).
    Reset {
        /// Which.
        neighbor: IpAddr,
        /// The settings that asked for it.
        settings: Vec<&'static str>,
    },
    /// A neighbour is to stay down.
    ShutDown(IpAddr),
    /// A neighbour that was to stay down starts.
    Started(IpAddr),
    /// A prefix is originated from here on.
    Originated(Prefix),
    /// A prefix is not originated any more.
    Withdrawn(Prefix),
    /// A setting of the speaker itself that it has taken on.
    Taken(&'static str),
}

impl fmt::Display for Reconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reconfigured::Added(neighbor) => write!(f, "neighbour {neighbor}: added"),
            Reconfigured::Removed(neighbor) => write!(f, "neighbour {neighbor}: removed"),
            Reconfigured::Changed { neighbor, settings } => {
                write!(f, "neighbour {neighbor}: {} changed, the session goes on", settings.join(", "))
            }
            Reconfigured::Reset { neighbor, settings } => {
                write!(f, "neighbour {neighbor}: session reset because of {}", settings.join(", "))
            }
            Reconfigured::ShutDown(neighbor) => write!(f, "neighbour {neighbor}: shut down"),
            Reconfigured::Started(neighbor) => write!(f, "neighbour {neighbor}: started"),
            Reconfigured::Originated(prefix) => write!(f, "{prefix}: originated"),
            Reconfigured::Withdrawn(prefix) => write!(f, "{prefix}: no longer originated"),
            Reconfigured::Taken(setting) => write!(f, "{setting}: changed"),
        }
    }
}

impl Speaker {
    /// Takes on another configuration, and says what that has changed. [`SpeakerConfig::seed`] stays what it was.
    ///
    /// # Errors
    /// The first neighbour or range that cannot be. Nothing has changed then.
    pub fn reconfigure(&mut self, config: SpeakerConfig, now: Time) -> Result<Vec<Reconfigured>, NeighborError> {
        let wanted = checked(&config)?;
        let sessions = self.session_terms();
        let settings = self.take_settings(&config, now);
        let mut done: Vec<Reconfigured> = settings.iter().copied().map(Reconfigured::Taken).collect();
        self.reoriginate(config.originate, now, &mut done);
        if self.config.aggregates != config.aggregates {
            self.set_aggregates(&config.aggregates);
            self.config.aggregates = config.aggregates;
            done.push(Reconfigured::Taken("aggregates"));
        }
        if self.config.next_hops != config.next_hops {
            self.rib.set_next_hops(&config.next_hops);
            self.config.next_hops = config.next_hops;
            done.push(Reconfigured::Taken("next_hops"));
        }
        let martians_changed = self.config.martians != config.martians;
        if martians_changed {
            self.rib.set_martians(config.martians.clone());
            self.config.martians = config.martians;
            done.push(Reconfigured::Taken("martians"));
        }
        self.config.dynamic = config.dynamic;
        self.config.neighbors = config.neighbors;
        self.keep_default_routes();
        self.config.neighbors.clear();
        for address in self.neighbors.keys().copied().collect::<Vec<_>>() {
            let Some(neighbor) = self.neighbors.get(&address) else { continue };
            let wanted = match neighbor.range {
                None => wanted.get(&address).cloned(),
                // A range that has this neighbour by name now has it no longer.
                Some(range) if !wanted.contains_key(&address) => {
                    self.range_of(address).filter(|of| of.prefix == range).map(|of| of.neighbor(address))
                }
                Some(_) => None,
            };
            match wanted {
                Some(wanted) => {
                    let agreed = sessions.get(&address).filter(|_| !settings.is_empty());
                    let differing = agreed.map_or(Vec::new(), |agreed| agreed.differences(&wanted, &self.config));
                    self.reconfigure_neighbor(address, wanted, differing, now, &mut done);
                }
                None => {
                    self.remove_neighbor(address, now);
                    done.push(Reconfigured::Removed(address));
                }
            }
        }
        // The decision alone changes neither what is taken nor what is said of it.
        if martians_changed || settings.iter().any(|setting| *setting != "decision") {
            for address in self.neighbors.keys().copied().collect::<Vec<_>>() {
                self.judge_again(address);
            }
        }
        for (address, config) in wanted {
            if !self.neighbors.contains_key(&address) {
                self.add_neighbor(config, now)?;
                done.push(Reconfigured::Added(address));
            }
        }
        self.pump(now);
        Ok(done)
    }

    /// What the neighbours' sessions depend on besides the neighbours' own settings.
    fn session_terms(&self) -> BTreeMap<IpAddr, SessionTerms> {
        let terms = |neighbor: &Neighbor| SessionTerms::of(&neighbor.config, &self.config);
        self.neighbors.iter().map(|(address, neighbor)| (*address, terms(neighbor))).collect()
    }

    /// Takes on those settings of the speaker itself that differ, and says which they are. What sessions, update groups
    /// and routes make of them is still to be done.
    fn take_settings(&mut self, new: &SpeakerConfig, now: Time) -> Vec<&'static str> {
        let SpeakerConfig {
            asn,
            router_id,
            // These are lists, and have their own places.
            originate: _,
            aggregates: _,
            martians: _,
            neighbors: _,
            dynamic: _,
            cluster_id,
            confederation,
            decision,
            next_hops: _,
            default_local_pref,
            // Its time is past.
            selection_deferral: _,
            seed: _,
        } = &self.config;
        let rows = [
            ("asn", *asn != new.asn),
            ("router_id", *router_id != new.router_id),
            ("cluster_id", *cluster_id != new.cluster_id),
            ("confederation", *confederation != new.confederation),
            ("decision", *decision != new.decision),
            ("default_local_pref", *default_local_pref != new.default_local_pref),
        ];
        let differ: Vec<&'static str> =
            rows.into_iter().filter_map(|(setting, differs)| differs.then_some(setting)).collect();
        if differ.is_empty() {
            return differ;
        }
        if *decision != new.decision {
            self.rib.set_decision(new.decision);
        }
        if *default_local_pref != new.default_local_pref {
            self.rib.set_default_local_pref(new.default_local_pref);
        }
        self.config = SpeakerConfig {
            asn: new.asn,
            router_id: new.router_id,
            cluster_id: new.cluster_id,
            confederation: new.confederation.clone(),
            decision: new.decision,
            default_local_pref: new.default_local_pref,
            ..std::mem::replace(&mut self.config, SpeakerConfig::new(new.asn, new.router_id))
        };
        self.rib.set_import_options(self.config.import_options());
        // AGGREGATOR says who we are.
        if differ.iter().any(|setting| ["asn", "router_id", "confederation"].contains(setting)) {
            self.originate_aggregates_again(now);
        }
        differ
    }

    /// Looks at a neighbour's routes, and at what it is sent, with the speaker's settings as they are now.
    fn judge_again(&mut self, address: IpAddr) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        // For the sessions after this one.
        neighbor.peer.handle_config(Arc::new(neighbor.config.session_config(&self.config)));
        if let Some(session) = &mut neighbor.policy_session {
            *session = neighbor.config.policy_session(&self.config, address, session.neighbor_asn);
        }
        if let Some((source, session)) = neighbor.source().zip(neighbor.policy_session.as_ref()) {
            let bound = neighbor.config.import.bind(session);
            self.rib.handle_import_policy(source, bound);
        }
        self.refresh_terms(address);
    }

    fn reoriginate(&mut self, originate: Vec<Prefix>, now: Time, done: &mut Vec<Reconfigured>) {
        let old: BTreeSet<Prefix> = std::mem::replace(&mut self.config.originate, originate).into_iter().collect();
        let new: BTreeSet<Prefix> = self.config.originate.iter().copied().collect();
        for prefix in old.difference(&new) {
            self.rib.withdraw_originated(*prefix);
            done.push(Reconfigured::Withdrawn(*prefix));
        }
        for prefix in new.difference(&old) {
            self.rib.originate(*prefix, now);
            done.push(Reconfigured::Originated(*prefix));
        }
    }

    fn reconfigure_neighbor(
        &mut self,
        address: IpAddr,
        mut new: NeighborConfig,
        differing: Vec<&'static str>,
        now: Time,
        done: &mut Vec<Reconfigured>,
    ) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let (changed, mut reset) = differences(&neighbor.config, &new);
        reset.extend(differing);
        let shutdown = std::mem::replace(&mut neighbor.config.shutdown, new.shutdown.clone());
        if !reset.is_empty() {
            let was_held = neighbor.held.take();
            let held = Held { reason: "its configuration has changed".to_owned(), until: None, by_operator: false };
            let cause = Notification::new(ErrorCode::CEASE, cease::OTHER_CONFIGURATION_CHANGE);
            self.hold(address, held, &cause, now);
            let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
            neighbor.config = new.clone();
            neighbor.peer.handle_config(Arc::new(new.session_config(&self.config)));
            neighbor.held = was_held;
            if neighbor.held.is_none() {
                neighbor.peer.handle_start(now);
            }
            self.settle(address, now);
            done.push(Reconfigured::Reset { neighbor: address, settings: reset });
        } else if !changed.is_empty() {
            let (import, export) = (new.import.clone(), new.export.clone());
            let (rules, first_as) = (new.import_rules(), new.enforce_first_as);
            let rules_changed = rules != neighbor.config.import_rules() || first_as != neighbor.config.enforce_first_as;
            let judged_anew = rules_changed || import != neighbor.config.import || new.groups != neighbor.config.groups;
            let limits_changed = changed.iter().any(|setting| setting.starts_with("max_prefixes"));
            let octets_changed = new.attribute_octets != neighbor.config.attribute_octets;
            std::mem::swap(&mut neighbor.config, &mut new);
            if let Some(policy_session) = &mut neighbor.policy_session {
                policy_session.groups.clone_from(&neighbor.config.groups);
            }
            if let Some(session) = &mut neighbor.session {
                // What is over another limit is news.
                if limits_changed {
                    session.told.clear();
                }
                session.told_octets &= !octets_changed;
            }
            if rules_changed && let Some(source) = neighbor.source() {
                self.rib.set_import_rules(source, rules, first_as);
            }
            if judged_anew {
                self.take_import_policy(address, import);
            }
            self.take_export_policy(address, export);
            if limits_changed || octets_changed {
                self.check_limits(address, now);
            }
            done.push(Reconfigured::Changed { neighbor: address, settings: changed });
        }
        let Some(neighbor) = self.neighbors.get(&address) else { return };
        match (shutdown, neighbor.config.shutdown.clone()) {
            (None, Some(text)) => {
                self.shutdown_neighbor(address, &text, now);
                done.push(Reconfigured::ShutDown(address));
            }
            (Some(_), None) => {
                self.start_neighbor(address, now);
                done.push(Reconfigured::Started(address));
            }
            _ => {}
        }
    }
}

/// What a neighbour's session depends on of the speaker's settings: what our OPEN says, and what the neighbour is to us.
#[derive(PartialEq, Eq)]
struct SessionTerms {
    asn: Asn,
    router_id: RouterId,
    kind: PeerKind,
    /// Only internal neighbours send its segments.
    confederation: bool,
    /// Whom a range does not take.
    own_asns: BTreeSet<Asn>,
}

impl SessionTerms {
    fn of(neighbor: &NeighborConfig, speaker: &SpeakerConfig) -> SessionTerms {
        let session = neighbor.session_config(speaker);
        let kind = session.peer_kind(neighbor.asn);
        SessionTerms {
            asn: session.local_asn,
            router_id: session.router_id,
            kind,
            confederation: session.confederation && kind == PeerKind::Internal,
            own_asns: session.own_asns,
        }
    }

    /// In the words of the configuration file, what makes a neighbour with these settings need another session.
    fn differences(&self, neighbor: &NeighborConfig, speaker: &SpeakerConfig) -> Vec<&'static str> {
        let new = SessionTerms::of(neighbor, speaker);
        if new == *self {
            return Vec::new();
        }
        let others = SessionTerms { router_id: self.router_id, ..SessionTerms::of(neighbor, speaker) } != *self;
        let rows = [("bgp.router_id", new.router_id != self.router_id), ("bgp.asn or bgp.confederation", others)];
        rows.into_iter().filter_map(|(setting, differs)| differs.then_some(setting)).collect()
    }
}

/// The neighbours by address, if all can be, and the ranges too.
fn checked(config: &SpeakerConfig) -> Result<BTreeMap<IpAddr, NeighborConfig>, NeighborError> {
    let mut neighbors = BTreeMap::new();
    for neighbor in &config.neighbors {
        neighbor.check(false)?;
        let address = neighbor.address.to_canonical();
        if neighbors.insert(address, neighbor.clone()).is_some() {
            return Err(NeighborError::Duplicate(address));
        }
    }
    config.dynamic.iter().try_for_each(DynamicNeighbors::check)?;
    Ok(neighbors)
}

/// The settings that differ, in the words of the configuration file: those that can change under a session, and those
/// that cannot.
fn differences(old: &NeighborConfig, new: &NeighborConfig) -> (Vec<&'static str>, Vec<&'static str>) {
    // In full, so that whoever adds a setting says here what it asks for.
    let NeighborConfig {
        address: _,
        port,
        asn,
        local_address,
        families,
        mode,
        multihop,
        ttl_security,
        password,
        interface,
        hold_time,
        groups,
        import,
        export,
        default_originate,
        advertisement_interval,
        next_hop_v4,
        next_hop_v6,
        next_hop,
        private_as,
        as_override,
        allow_own_as,
        local_as,
        route_server_client,
        reflector_client,
        role,
        strict_role,
        reject_as_sets,
        graceful_shutdown,
        // Has words of its own.
        shutdown: _,
        add_path_receive,
        add_path_send,
        hide_paths,
        extended_next_hop,
        graceful_restart,
        restart,
        receive_limits,
        send_limits,
        attribute_octets,
        enforce_first_as,
        session,
    } = old;
    let live = [
        ("group", *groups != new.groups),
        ("import", *import != new.import),
        ("export", *export != new.export),
        ("default_originate", *default_originate != new.default_originate),
        ("advertisement_interval", *advertisement_interval != new.advertisement_interval),
        ("next_hop_v4", *next_hop_v4 != new.next_hop_v4),
        ("next_hop_v6", *next_hop_v6 != new.next_hop_v6),
        ("next_hop", *next_hop != new.next_hop),
        ("private_as", *private_as != new.private_as),
        ("as_override", *as_override != new.as_override),
        ("hide_paths", *hide_paths != new.hide_paths),
        ("add_path_send", *add_path_send != new.add_path_send),
        ("graceful_shutdown", *graceful_shutdown != new.graceful_shutdown),
        ("allow_own_as", *allow_own_as != new.allow_own_as),
        ("reject_as_sets", *reject_as_sets != new.reject_as_sets),
        ("enforce_first_as", *enforce_first_as != new.enforce_first_as),
        ("route_server_client", *route_server_client != new.route_server_client),
        ("max_prefixes", *receive_limits != new.receive_limits),
        ("max_prefixes_sent", *send_limits != new.send_limits),
        ("attribute_octets", *attribute_octets != new.attribute_octets),
    ];
    let reset = [
        ("port", *port != new.port),
        ("asn", *asn != new.asn),
        ("local_address", *local_address != new.local_address),
        ("families", *families != new.families),
        ("active or passive", *mode != new.mode),
        ("multihop", *multihop != new.multihop),
        ("ttl_security", *ttl_security != new.ttl_security),
        ("password", *password != new.password),
        ("interface", *interface != new.interface),
        ("hold_time", *hold_time != new.hold_time),
        ("local_as", *local_as != new.local_as),
        ("route_reflector_client", *reflector_client != new.reflector_client),
        ("role", *role != new.role),
        ("strict_role", *strict_role != new.strict_role),
        ("add_path_receive", *add_path_receive != new.add_path_receive),
        // How many is nothing that the OPENs speak of.
        ("add_path_send", add_path_send.is_some() != new.add_path_send.is_some()),
        ("extended_next_hop", *extended_next_hop != new.extended_next_hop),
        ("graceful_restart", *graceful_restart != new.graceful_restart || *restart != new.restart),
    ];
    let differing = |rows: &[(&'static str, bool)]| -> Vec<&'static str> {
        rows.iter().filter(|(_, differs)| *differs).map(|(setting, _)| *setting).collect()
    };
    let (live, mut reset) = (differing(&live), differing(&reset));
    reset.extend(session_differences(session.as_ref(), new.session.as_ref()));
    (live, reset)
}

fn session_differences(old: Option<&SessionConfig>, new: Option<&SessionConfig>) -> Vec<&'static str> {
    let (Some(old), Some(new)) = (old, new) else {
        return if old == new { Vec::new() } else { vec!["session"] };
    };
    let named = [
        ("connect_retry_time", old.connect_retry_time != new.connect_retry_time),
        ("delay_open_time", old.delay_open_time != new.delay_open_time),
        ("idle_hold_time", old.idle_hold_time != new.idle_hold_time),
        ("damp_peer_oscillations", old.damp_peer_oscillations != new.damp_peer_oscillations),
        ("as_path_limit", old.as_path_limit != new.as_path_limit),
    ];
    let mut names: Vec<&'static str> =
        named.into_iter().filter_map(|(setting, differs)| differs.then_some(setting)).collect();
    // Its AS and the like stand in the neighbour's own settings too, and win there.
    let rest = SessionConfig {
        connect_retry_time: old.connect_retry_time,
        delay_open_time: old.delay_open_time,
        idle_hold_time: old.idle_hold_time,
        damp_peer_oscillations: old.damp_peer_oscillations,
        as_path_limit: old.as_path_limit,
        local_asn: old.local_asn,
        router_id: old.router_id,
        peer_asn: old.peer_asn,
        discard: old.discard.clone(),
        ..new.clone()
    };
    if rest != *old {
        names.push("session");
    }
    names
}
