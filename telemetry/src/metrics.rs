//! THE list of metrics. `docs/metrics.md` is generated from it.
//!
//! Names end in their unit, counters in `_total`. Labels are bounded: by the network's size (`dpid`, `port`, `peer`) or by a vocabulary that
//! stands in the help text. Nothing that a host or a route can invent is ever a label.

/// What there is to know about a metric.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Description {
    /// The name that Prometheus sees.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The names of its labels, in the order in which a sample gives their values.
    pub labels: &'static [&'static str],
    /// When its series go away.
    pub lifetime: Lifetime,
}

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size; upper bounds of the buckets, ascending, without infinity.
    Histogram(&'static [f64]),
}

/// When a series goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Never: it is sampled when something happens, and its absence means nothing.
    Forever,
    /// When it has not been sampled for a while: it is sampled at every tick as long as its subject exists.
    WhileSampled,
}

/// 1 µs to 0.1 s: what one turn of the core may take.
const MICROSECONDS: &[f64] = &[1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1];
/// 1 ms to 10 s: what a network needs to settle.
const MILLISECONDS: &[f64] = &[1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Expands the rows below to the enum and its descriptions; no logic.
macro_rules! metrics {
    ($($variant:ident $kind:expr, $lifetime:ident, $name:literal, $labels:expr, $help:literal;)*) => {
        /// A metric.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        impl Metric {
            /// Every metric, in the order of the list.
            pub const ALL: &[Metric] = &[$(Metric::$variant,)*];

            /// Name, help, kind, labels.
            pub const fn description(self) -> Description {
                match self {
                    $(Metric::$variant => Description {
                        name: $name, help: $help, kind: $kind, labels: &$labels, lifetime: Lifetime::$lifetime,
                    },)*
                }
            }
        }
    };
}

metrics! {
    // OpenFlow connections and messages.
    SwitchesConnected Kind::Gauge, Forever, "trunkline_openflow_switches_connected", [],
        "Switches whose OpenFlow handshake is done and whose connection lives.";
    SwitchConnected Kind::Gauge, WhileSampled, "trunkline_openflow_switch_connected", ["dpid"],
        "1 while the switch is connected, 0 while it is known but not connected.";
    SwitchRoundTrip Kind::Gauge, WhileSampled, "trunkline_openflow_switch_round_trip_seconds", ["dpid"],
        "Time that the switch took to answer the last echo request.";
    Connections Kind::Counter, Forever, "trunkline_openflow_connections_total", ["result"],
        "Connections taken, by what became of them: connected, refused (source or certificate), failed (handshake), duplicate (datapath id), certificate (that of another switch).";
    VersionsRefused Kind::Counter, Forever, "trunkline_openflow_versions_refused_total", ["version"],
        "Connections refused because the switch does not speak OpenFlow 1.3, by the wire version in its HELLO (1 is OpenFlow 1.0, 6 is 1.5).";
    Disconnections Kind::Counter, Forever, "trunkline_openflow_disconnections_total", ["reason"],
        "Connections of switches that ended, by reason: closed, timeout, error, replaced, shutdown.";
    MessagesReceived Kind::Counter, Forever, "trunkline_openflow_messages_received_total", ["type"],
        "OpenFlow messages received, by message type.";
    MessagesSent Kind::Counter, Forever, "trunkline_openflow_messages_sent_total", ["type"],
        "OpenFlow messages sent, by message type.";
    ErrorsReceived Kind::Counter, Forever, "trunkline_openflow_errors_received_total", ["type"],
        "OpenFlow error messages received, by error type.";
    DecodeErrors Kind::Counter, Forever, "trunkline_openflow_decode_errors_total", ["kind"],
        "OpenFlow messages that could not be decoded, by what was wrong with them.";
    PacketOutsDropped Kind::Counter, Forever, "trunkline_openflow_packet_outs_dropped_total", [],
        "Packet-outs that were not sent because a switch did not read.";
    FloodsDropped Kind::Counter, Forever, "trunkline_isolation_floods_dropped_total", [],
        "Frames to all from members of isolated groups that were not sent on, for their sender or all of them together sent too many.";
    PacketInDuration Kind::Histogram(MICROSECONDS), Forever, "trunkline_openflow_packet_in_duration_seconds", [],
        "Time from a packet-in's last octet read to its answer queued.";
    CoreTurnDuration Kind::Histogram(MICROSECONDS), Forever, "trunkline_core_turn_duration_seconds", [],
        "Time that one turn of the core took.";

    // Ports.
    PortUp Kind::Gauge, WhileSampled, "trunkline_port_up", ["dpid", "port", "name"],
        "1 if the port is neither administratively down nor without link, else 0.";
    PortReceivedPackets Kind::Counter, WhileSampled, "trunkline_port_receive_packets_total", ["dpid", "port"],
        "Packets that the port received.";
    PortSentPackets Kind::Counter, WhileSampled, "trunkline_port_transmit_packets_total", ["dpid", "port"],
        "Packets that the port sent.";
    PortReceivedBytes Kind::Counter, WhileSampled, "trunkline_port_receive_bytes_total", ["dpid", "port"],
        "Octets that the port received.";
    PortSentBytes Kind::Counter, WhileSampled, "trunkline_port_transmit_bytes_total", ["dpid", "port"],
        "Octets that the port sent.";
    PortReceiveDropped Kind::Counter, WhileSampled, "trunkline_port_receive_dropped_total", ["dpid", "port"],
        "Packets that the port dropped on receipt.";
    PortSendDropped Kind::Counter, WhileSampled, "trunkline_port_transmit_dropped_total", ["dpid", "port"],
        "Packets that the port dropped instead of sending them.";
    PortReceiveErrors Kind::Counter, WhileSampled, "trunkline_port_receive_errors_total", ["dpid", "port"],
        "Packets that the port received with an error.";
    PortSendErrors Kind::Counter, WhileSampled, "trunkline_port_transmit_errors_total", ["dpid", "port"],
        "Packets that the port failed to send.";

    // Desired and installed state.
    RulesDesired Kind::Gauge, WhileSampled, "trunkline_reconciler_rules_desired", ["dpid"],
        "Rules that the applications want on the switch.";
    RulesInstalled Kind::Gauge, WhileSampled, "trunkline_reconciler_rules_installed", ["dpid"],
        "Rules of ours on the switch: read back, or sent and not refused.";
    GroupsInstalled Kind::Gauge, WhileSampled, "trunkline_reconciler_groups_installed", ["dpid"],
        "Groups of ours on the switch.";
    SwitchesSettling Kind::Gauge, Forever, "trunkline_reconciler_switches_settling", [],
        "Switches whose rules are being read back and where nothing is deleted yet.";
    FlowModsSent Kind::Counter, Forever, "trunkline_reconciler_flow_mods_sent_total", ["command"],
        "Flow-mods sent, by command: add (also to overwrite), delete.";
    GroupModsSent Kind::Counter, Forever, "trunkline_reconciler_group_mods_sent_total", ["command"],
        "Group-mods sent, by command: add, modify, delete.";
    MeterModsSent Kind::Counter, Forever, "trunkline_reconciler_meter_mods_sent_total", ["command"],
        "Meter-mods sent, by command: add, modify, delete.";
    ModsRefused Kind::Counter, Forever, "trunkline_reconciler_mods_refused_total", ["reason"],
        "Flow-mods, group-mods and meter-mods that a switch answered with an error, by what it was about: full, match, action, instruction, overlap, permission, group, meter, other.";
    Refused Kind::Gauge, WhileSampled, "trunkline_reconciler_refused", ["dpid"],
        "Rules, groups and meters that the switch has refused and that are not right yet.";
    Repairs Kind::Counter, Forever, "trunkline_reconciler_repairs_total", [],
        "Rules that were found changed or missing on a switch and were put right.";
    Drift Kind::Counter, Forever, "trunkline_audit_drift_total", ["kind"],
        "Flows, groups and meters that audits found to be other than they should be, by what was done to them by hand: added, changed, removed.";
    TakenOver Kind::Counter, Forever, "trunkline_reconciler_foreign_written_over_total", [],
        "Flows without this controller's mark that were found, when a switch connected, with table, priority and match of one that is wanted.";
    Audits Kind::Counter, Forever, "trunkline_audit_audits_total", [],
        "Audits of switches, those that were cut short among them.";
    Bundles Kind::Counter, Forever, "trunkline_reconciler_bundles_total", ["result"],
        "Bundles of rules, by what became of them: committed, failed (all of it is sent again without them).";
    VerifierFindings Kind::Gauge, Forever, "trunkline_verifier_findings", ["kind"],
        "What goes wrong by the rules in the network as it is now, and could not be proven, by kind: loop, black_hole, isolation, not_proven.";
    VerifierLooks Kind::Counter, Forever, "trunkline_verifier_looks_total", [],
        "Looks at all rules in the network as it was then.";
    ReloadsRefused Kind::Counter, Forever, "trunkline_configuration_refused_total", ["reason"],
        "Configurations that were not taken on, by reason: file (it is wrong), verify (by its rules packets would go wrong), process (it cannot be done now).";

    // Topology.
    Links Kind::Gauge, Forever, "trunkline_topology_links", [],
        "Links that are up in both directions, each counted once.";
    LinkChanges Kind::Counter, Forever, "trunkline_topology_link_changes_total", ["change"],
        "Link directions that came up or went down; change: up, down.";
    Ports Kind::Gauge, Forever, "trunkline_topology_ports", ["state"],
        "Ports by state: unknown, edge, link.";
    Hosts Kind::Gauge, Forever, "trunkline_topology_hosts", [],
        "Hosts known.";
    HostChanges Kind::Counter, Forever, "trunkline_topology_host_changes_total", ["change"],
        "Changes of the host table; change: learned, moved, forgotten, and move_refused: a host seemed to move and is still where it was.";
    ProbesSent Kind::Counter, Forever, "trunkline_topology_probes_sent_total", [],
        "LLDP probes sent.";
    ProbesReceived Kind::Counter, Forever, "trunkline_topology_probes_received_total", ["result"],
        "LLDP probes received, by result: valid, foreign (of another controller or run), forged (wrong code), replayed, duplicated (by a second port), stale, late (longer on their way than a link takes); and of the valid ones host_port (a host was seen there, no link is made) and damped (the link goes down too often).";
    LinkLatency Kind::Gauge, WhileSampled, "trunkline_topology_link_latency_seconds", ["dpid", "port"],
        "Time that frames take through the link out of this port, smoothed, less the time that the control channels take.";
    Conditions Kind::Gauge, Forever, "trunkline_topology_conditions", ["kind"],
        "What is odd about the network now, by kind: one_way, loopback, miswired, flapping, speed_mismatch, mtu_mismatch, short_frames, link_at_host_port, late_probes, forged_probes, foreign_probes, replayed_probes, link_missing, link_elsewhere, stated_elsewhere, link_unexpected, host_contested, address_contested, rogue_dhcp_server.";
    Neighbors Kind::Gauge, Forever, "trunkline_topology_lldp_neighbors", [],
        "LLDP neighbours that are not switches of this network.";
    NeighborsRefused Kind::Counter, Forever, "trunkline_topology_lldp_neighbors_refused_total", [],
        "LLDP frames of neighbours that are not shown because there are too many of them, or too many new ones.";
    ProbeInterval Kind::Gauge, Forever, "trunkline_topology_probe_interval_seconds", [],
        "Time between two probes of a link now: longer than configured if the budget asks for it.";
    DetectionTime Kind::Gauge, Forever, "trunkline_topology_detection_seconds", [],
        "Longest time from a link's silent failure to its end at that interval.";
    ForeignLldp Kind::Counter, Forever, "trunkline_topology_foreign_lldp_received_total", [],
        "LLDP frames received that are no probes: neighbours that are not ours.";

    // Paths.
    Paths Kind::Gauge, Forever, "trunkline_paths", [],
        "Ordered pairs of switches with a path between them.";
    PathsMissing Kind::Gauge, Forever, "trunkline_paths_missing", [],
        "Ordered pairs of connected switches without a path between them.";
    PathComputations Kind::Counter, Forever, "trunkline_path_computations_total", [],
        "Changes of the network after which paths were computed.";
    RerouteDuration Kind::Histogram(MILLISECONDS), Forever, "trunkline_reroute_duration_seconds", [],
        "Time from the news of a lost link to the last switch's confirmation of the new paths.";

    // BGP.
    BgpPeers Kind::Gauge, Forever, "trunkline_bgp_peers", ["state"],
        "BGP neighbours by state of the session: idle, connect, active, open_sent, open_confirm, established.";
    BgpPeerUp Kind::Gauge, WhileSampled, "trunkline_bgp_peer_up", ["peer", "asn"],
        "1 while the session is established, else 0.";
    BgpPeerState Kind::Gauge, WhileSampled, "trunkline_bgp_peer_state", ["peer"],
        "State of the session: 1 idle, 2 connect, 3 active, 4 open_sent, 5 open_confirm, 6 established (as in RFC 4273).";
    BgpPeerUptime Kind::Gauge, WhileSampled, "trunkline_bgp_peer_uptime_seconds", ["peer"],
        "Time since the session was established; 0 if it is not.";
    BgpPeerEstablished Kind::Counter, WhileSampled, "trunkline_bgp_peer_established_total", ["peer"],
        "How often the session was established.";
    BgpPeerMessagesReceived Kind::Counter, WhileSampled, "trunkline_bgp_peer_messages_received_total", ["peer", "type"],
        "BGP messages received, by type: open, update, notification, keepalive, route_refresh.";
    BgpPeerMessagesSent Kind::Counter, WhileSampled, "trunkline_bgp_peer_messages_sent_total", ["peer", "type"],
        "BGP messages sent, by type: open, update, notification, keepalive, route_refresh.";
    BgpPeerUpdateErrors Kind::Counter, WhileSampled, "trunkline_bgp_peer_update_errors_total", ["peer", "outcome"],
        "Malformed updates by outcome (RFC 7606): attribute_discard, treat_as_withdraw.";
    BgpPeerPrefixesReceived Kind::Gauge, WhileSampled, "trunkline_bgp_peer_prefixes_received", ["peer", "family"],
        "Prefixes in the neighbour's Adj-RIB-In.";
    BgpPeerPrefixesAccepted Kind::Gauge, WhileSampled, "trunkline_bgp_peer_prefixes_accepted", ["peer", "family"],
        "Prefixes of the neighbour that import accepted.";
    BgpPeerPrefixesAdvertised Kind::Gauge, WhileSampled, "trunkline_bgp_peer_prefixes_advertised", ["peer", "family"],
        "Prefixes that the neighbour was told.";
    BgpPeerPathsRefused Kind::Counter, WhileSampled, "trunkline_bgp_peer_paths_refused_total", ["peer", "family"],
        "Paths not taken in this session: the neighbour had as many of their prefix as it may.";
    BgpRibPrefixes Kind::Gauge, Forever, "trunkline_bgp_rib_prefixes", ["family"],
        "Prefixes in the Loc-RIB.";
    BgpRibPaths Kind::Gauge, Forever, "trunkline_bgp_rib_paths", ["family"],
        "Paths to all prefixes, best or not.";
    BgpRibAttributeSets Kind::Gauge, Forever, "trunkline_bgp_rib_attribute_sets", [],
        "Distinct sets of path attributes in memory.";

    // The databases of Open vSwitches.
    OvsdbConnections Kind::Gauge, Forever, "trunkline_ovsdb_connections", ["state"],
        "Databases of the configuration by state: up, down.";
    OvsdbTransactionsFailed Kind::Counter, Forever, "trunkline_ovsdb_transactions_failed_total", [],
        "Transactions that a database has refused.";
    BfdSessions Kind::Gauge, Forever, "trunkline_bfd_sessions", ["state"],
        "Links between switches that may have BFD, by state: waiting, starting, up, down, failed.";

    // The process itself.
    BuildInfo Kind::Gauge, Forever, "trunkline_build_info", ["version"],
        "Always 1; the version is in the label.";
    SamplesDropped Kind::Counter, Forever, "trunkline_telemetry_samples_dropped_total", ["reason"],
        "Samples that telemetry did not take, by reason: kind, labels, series_limit.";
    Series Kind::Gauge, Forever, "trunkline_telemetry_series", [],
        "Series that telemetry holds.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_of_one_form() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.description().name).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let Description { name, help, kind, labels, .. } = metric.description();
            assert!(name.starts_with("trunkline_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert!(labels.iter().all(|label| !matches!(*label, "le" | "quantile" | "job" | "instance")), "{name}");
        }
    }

    #[test]
    fn metrics_without_labels_never_vanish() {
        for metric in Metric::ALL {
            let Description { name, labels, lifetime, .. } = metric.description();
            assert!(!labels.is_empty() || lifetime == Lifetime::Forever, "{name}");
        }
    }

    #[test]
    fn buckets_ascend() {
        for metric in Metric::ALL {
            if let Kind::Histogram(bounds) = metric.description().kind {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{metric:?}");
                assert!(bounds.iter().all(|bound| bound.is_finite()), "{metric:?}");
            }
        }
    }
}
