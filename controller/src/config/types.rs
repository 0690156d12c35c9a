//! The typed configuration. Whatever holds one of these has nothing left to check.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgp::export::AddPathSend;
use bgp::policy::{Policy, PolicyDefinition, PrefixPattern};
use bgp::rib::{MARTIANS, Reach};
use bgp::{session, speaker};
use net::{DatapathId, Ipv4Prefix, Ipv6Prefix, PortNo, Prefix, VlanId};

use topology::DiscoveryConfig;

use super::audit::AuditConfig;
use super::ovsdb::OvsdbConfig;
use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::core::{NamedPort, NamedSwitch, SwitchNames, Wiring};
use crate::flow::BundleUse;
use crate::history::REMEMBERED;
use crate::path::Weights;
use crate::path::route::NamedRequest;

/// The whole configuration. The default is what `trunkline run` does without a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Where switches connect.
    pub openflow: OpenflowConfig,
    /// Metrics and health.
    pub http: HttpConfig,
    /// Discovery and hosts.
    pub fabric: FabricConfig,
    /// Audits of the switches.
    pub audit: AuditConfig,
    /// Switches by name.
    pub switches: BTreeMap<String, SwitchConfig>,
    /// What is known of links, and what makes a way short.
    pub weights: Arc<Weights>,
    /// Bandwidth to be set aside, in the order of the file.
    pub reservations: Arc<[NamedRequest]>,
    /// VLANs by name.
    pub vlans: BTreeMap<String, VlanConfig>,
    /// The operator's rules.
    pub flows: Arc<OperatorRules>,
    /// Who must not reach whom.
    pub isolate: Arc<Isolation>,
    /// The descriptions of its sets, by name.
    pub isolations: Descriptions,
    /// What is done about a configuration whose rules go wrong.
    pub verify: VerifyMode,
    /// Where configurations that were taken on are kept.
    pub history: HistoryConfig,
    /// The BGP speaker; off without the section.
    pub bgp: Option<BgpConfig>,
    /// The databases of Open vSwitches.
    pub ovsdb: OvsdbConfig,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            openflow: OpenflowConfig::default(),
            http: HttpConfig::default(),
            fabric: FabricConfig::default(),
            audit: AuditConfig::default(),
            switches: BTreeMap::new(),
            weights: Arc::new(Weights::with_bypasses()),
            reservations: Arc::default(),
            vlans: BTreeMap::new(),
            flows: Arc::default(),
            isolate: Arc::default(),
            isolations: Descriptions::default(),
            verify: VerifyMode::default(),
            history: HistoryConfig::default(),
            bgp: None,
            ovsdb: OvsdbConfig::default(),
        }
    }
}

/// Section `history`: configurations that were taken on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryConfig {
    /// The folder that they are kept in over restarts.
    pub directory: Option<PathBuf>,
    /// How many are remembered.
    pub keep: usize,
}

impl Default for HistoryConfig {
    fn default() -> HistoryConfig {
        HistoryConfig { directory: None, keep: REMEMBERED }
    }
}

/// What people should know of something, by its name.
pub type Descriptions = BTreeMap<String, Option<String>>;

/// What is done about a configuration by whose rules packets loop, are lost, or reach whom they must not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum VerifyMode {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken on, with a warning.
    Warn,
    /// Nobody looks.
    Off,
}

/// One entry of `switches`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchConfig {
    /// Which switch; no two are equal.
    pub datapath_id: DatapathId,
    /// For people.
    pub description: Option<String>,
    /// Under maintenance: nobody's way where another one leads.
    pub drain: bool,
    /// Ports of which there is something to say.
    pub ports: BTreeMap<PortNo, PortConfig>,
}

/// One entry of `switches.NAME.ports`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortConfig {
    /// What it is called; no two ports of a switch are called the same.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// One entry of `vlans`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VlanConfig {
    /// Its number.
    pub id: VlanId,
    /// For people.
    pub description: Option<String>,
}

/// Section `openflow`: where and from whom switch connections are taken.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenflowConfig {
    /// Where switches connect; no two are equal. Empty if the file has a `bgp` section and nothing about switches.
    pub listen: Vec<Listen>,
    /// Sources that may connect without TLS.
    pub plain_from: Vec<Prefix>,
    /// Certificates; always present if `listen` has a [`Listen::Ssl`] or `connect` a [`Connect::Ssl`].
    pub tls: Option<TlsConfig>,
    /// Switches that the controller connects to; no two are equal.
    pub connect: Vec<Connect>,
    /// The role that is asked for on every switch.
    pub role: Role,
    /// The folder that messages are recorded in.
    pub record: Option<PathBuf>,
    /// What bundles are used for.
    pub bundles: BundleUse,
}

/// A switch that listens, which the controller connects to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Connect {
    /// `tcp:HOST[:PORT]`: plain TCP.
    Tcp(SocketAddr),
    /// `ssl:HOST[:PORT]`: TLS.
    Ssl(SocketAddr),
    /// `unix:PATH`: a Unix socket.
    Unix(PathBuf),
}

/// A controller's role on a switch (OpenFlow 1.3.5 §6.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Role {
    /// One of several with the same rights; what a switch gives without being asked.
    #[default]
    Equal,
    /// The one that may change the switch.
    Master,
    /// Looks only.
    Slave,
}

/// A place to listen at for OpenFlow connections.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Listen {
    /// `ptcp:PORT[:HOST]`: plain TCP, or TLS if the first byte says so and certificates are configured.
    Tcp(SocketAddr),
    /// `pssl:PORT[:HOST]`: TLS only.
    Ssl(SocketAddr),
    /// `punix:PATH`: a Unix socket.
    Unix(PathBuf),
}

/// Section `openflow.tls`: the controller's identity and whom it trusts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsConfig {
    /// The controller's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signed the switches' certificates, PEM.
    pub client_ca: PathBuf,
    /// The only certificates that are taken; without the list, all of the authority are.
    pub switches: Option<Vec<SwitchCertificate>>,
}

/// One entry of `openflow.tls.switches`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchCertificate {
    /// Which certificate.
    pub certificate: CertificateName,
    /// Whom its holder may be; without it, the certificate says so itself. Not empty.
    pub datapath_ids: Option<Vec<DatapathId>>,
}

/// What a certificate is known by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CertificateName {
    /// SHA-256 over its DER form, as `sha256:` and 64 small hex digits.
    Fingerprint(String),
    /// Its common name, or one of its DNS names or URIs.
    Name(String),
}

/// Section `http`: metrics and health, read-only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The Unix socket where the same is served.
    pub socket: ControlSocketPath,
}

/// Where the commands of this machine find a running process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ControlSocketPath {
    /// At the usual place, if that can be had: nothing depends on it.
    #[default]
    Usual,
    /// Nowhere.
    Off,
    /// Here and nowhere else.
    At(PathBuf),
}

/// Section `fabric`: the switches, links and hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FabricConfig {
    /// How links and hosts are found and forgotten.
    pub discovery: DiscoveryConfig,
    /// Links and hosts that are said to be there.
    pub wiring: Arc<Wiring>,
}

/// Section `bgp`: the BGP speaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BgpConfig {
    /// This router's AS number: not 0, not 23456 (AS_TRANS).
    pub asn: u32,
    /// This router's identifier: not 0.0.0.0.
    pub router_id: Ipv4Addr,
    /// Where neighbours connect.
    pub listen: SocketAddr,
    /// Prefixes that this router announces as its own; no two are equal.
    pub originate: Vec<Prefix>,
    /// Prefixes that stand for what is inside them; no two are equal.
    pub aggregates: Vec<AggregateConfig>,
    /// Prefixes that are taken from nobody.
    pub martians: Vec<PrefixPattern>,
    /// The cluster id of a route reflector; the identifier without it.
    pub cluster_id: Option<Ipv4Addr>,
    /// MRT files that are written.
    pub mrt: MrtConfig,
    /// The confederation that the AS is a member of.
    pub confederation: Option<ConfederationConfig>,
    /// LOCAL_PREF of routes that come without one.
    pub default_local_pref: u32,
    /// How long to wait for neighbours' routes at the start (RFC 4724 §4.1).
    pub selection_deferral: Duration,
    /// The decision's knobs.
    pub decision: DecisionConfig,
    /// Paths that are used side by side.
    pub multipath: MultipathConfig,
    /// How next hops are reached.
    pub next_hops: BTreeMap<Prefix, Reach>,
    /// Policies by name, also those that no neighbour uses.
    pub policies: BTreeMap<String, Arc<PolicyDefinition>>,
    /// The neighbours; no two with the same address.
    pub neighbors: Vec<NeighborConfig>,
    /// Ranges that further neighbours may come from.
    pub ranges: Vec<RangeConfig>,
}

/// Section `bgp.mrt` (RFC 6396). File names may hold the time, as in strftime.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MrtConfig {
    /// File name for messages.
    pub updates: Option<String>,
    /// How often a new one is begun; not zero.
    pub rotate: Duration,
    /// File name for tables.
    pub tables: Option<String>,
    /// How often they are written; not zero.
    pub interval: Duration,
}

impl Default for MrtConfig {
    fn default() -> MrtConfig {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        MrtConfig { updates: None, rotate: minutes(15), tables: None, interval: minutes(120) }
    }
}

/// One entry of `bgp.aggregates`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AggregateConfig {
    /// The prefix.
    pub prefix: Prefix,
    /// What is inside it is told to nobody.
    pub suppress: bool,
}

/// Section `bgp.confederation` (RFC 5065).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfederationConfig {
    /// The AS that the outside sees.
    pub identifier: u32,
    /// The other member ASes.
    pub members: Vec<u32>,
}

/// Section `bgp.decision`. The default is RFC 4271 as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecisionConfig {
    /// Compare MED between different neighbouring ASes too.
    pub always_compare_med: bool,
    /// No MED is the worst MED.
    pub missing_med_worst: bool,
    /// Compare router ids.
    pub compare_router_id: bool,
    /// Leave AS_PATH length out.
    pub ignore_as_path_length: bool,
    /// Prefer the oldest of external routes (RFC 5004).
    pub prefer_oldest: bool,
}

/// Section `bgp.multipath`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MultipathConfig {
    /// Most paths of a prefix where the best one is an eBGP one.
    pub ebgp: u8,
    /// The same where it is an iBGP one.
    pub ibgp: u8,
    /// AS_PATHs need only be as long as each other.
    pub relaxed: bool,
}

impl Default for MultipathConfig {
    fn default() -> MultipathConfig {
        MultipathConfig { ebgp: 1, ibgp: 1, relaxed: false }
    }
}

/// One entry of `bgp.ranges`: whoever connects from there is a neighbour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeConfig {
    /// The range.
    pub prefix: Prefix,
    /// Most neighbours at a time.
    pub limit: u32,
    /// Any AS is taken.
    pub any_asn: bool,
    /// What each of them is; its address means nothing.
    pub neighbor: NeighborConfig,
}

/// One entry of `bgp.neighbors`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborConfig {
    /// The neighbour's address.
    pub address: IpAddr,
    /// The port to connect to.
    pub port: u16,
    /// Its AS number. The same as ours makes it an iBGP neighbour.
    pub asn: u32,
    /// The address to connect from, of the same family as `address`.
    pub local_address: Option<IpAddr>,
    /// Address families to offer; at least one, no two equal, in the order of the enum.
    pub families: Vec<AddressFamily>,
    /// Never connect, only accept.
    pub passive: bool,
    /// The group it names, the group which that one names, and so on.
    pub groups: Vec<Arc<str>>,
    /// How long an attempt to connect may take, and the longest pause between attempts.
    pub connect_retry_time: Duration,
    /// Pause after a failure; damped after the first.
    pub idle_hold_time: Duration,
    /// Pauses double, and connections are refused meanwhile (RFC 4271 §8.1.1, DampPeerOscillations).
    pub damp_peer_oscillations: bool,
    /// Wait for the neighbour's OPEN so long; zero: don't (RFC 4271 §8.1.1, DelayOpen).
    pub delay_open_time: Duration,
    /// How long the neighbour may take nothing; zero: for ever (RFC 9687).
    pub send_hold_time: Duration,
    /// Proposed hold time: zero (none) or 3 to 65535 whole seconds (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// What to do with the neighbour's routes. Without the key: reject if eBGP (RFC 8212), accept if iBGP. Not bound to
    /// a session.
    pub import: Policy,
    /// What to tell the neighbour. Without the key: as for `import`.
    pub export: Policy,
    /// It is sent a default route of ours, put through this.
    pub default_originate: Option<Policy>,
    /// Pause between what it is sent (RFC 4271 §9.2.1.1).
    pub advertisement_interval: Duration,
    /// Next hop of the IPv6 routes that we announce; without it, the session's own address is used.
    pub next_hop_v6: Option<Ipv6Addr>,
    /// Free text, for people.
    pub description: Option<String>,
    /// Only connect, never accept.
    pub active: bool,
    /// Routers up to the neighbour.
    pub multihop: Option<u8>,
    /// TTL security (RFC 5082).
    pub ttl_security: bool,
    /// TCP MD5 password (RFC 2385).
    pub password: Option<String>,
    /// The interface that connections must use.
    pub interface: Option<String>,
    /// Our role (RFC 9234).
    pub role: Option<BgpRole>,
    /// The neighbour must state its role.
    pub strict_role: bool,
    /// Next hop of what we announce.
    pub next_hop: NextHopRule,
    /// Private AS numbers in what we announce.
    pub private_as: PrivateAsRule,
    /// The neighbour's AS in paths is replaced by ours.
    pub as_override: bool,
    /// How often our AS may be in received paths.
    pub allow_own_as: u8,
    /// A received path has to start with the neighbour's AS.
    pub enforce_first_as: bool,
    /// Another AS that we pose as.
    pub local_as: Option<u32>,
    /// It is put in front of received paths.
    pub local_as_prepend: bool,
    /// It replaces our real AS in what we announce.
    pub local_as_replace: bool,
    /// A client of this route server (RFC 7947).
    pub route_server_client: bool,
    /// A route reflection client (RFC 4456).
    pub route_reflector_client: bool,
    /// Routes with AS_SETs are left out (RFC 9774).
    pub reject_as_sets: bool,
    /// Longest AS_PATH.
    pub as_path_limit: u32,
    /// Every announcement says that the session is about to go down (RFC 8326).
    pub graceful_shutdown: bool,
    /// The session stays down.
    pub shutdown: Option<String>,
    /// Take several paths of a prefix (RFC 7911).
    pub add_path_receive: bool,
    /// Send several paths of a prefix (RFC 7911).
    pub add_path_send: Option<AddPathSend>,
    /// A route server's client gets the best route or none (RFC 7947 §2.3.1).
    pub hide_paths: bool,
    /// IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// What we do while the neighbour restarts, and it while we do (RFC 4724).
    pub graceful_restart: RestartHelp,
    /// How long the neighbour is to keep our routes without a session.
    pub restart_time: Duration,
    /// How long after that as the last resort (RFC 9494).
    pub long_lived_time: Duration,
    /// Most routes of a family from the neighbour.
    pub max_prefixes: Option<u32>,
    /// Most routes of a family to the neighbour.
    pub max_prefixes_sent: Option<u32>,
    /// Most octets of attributes of all its routes together, beyond what is free.
    pub attribute_octets: u64,
    /// What happens when there are more.
    pub max_prefixes_action: LimitAction,
    /// Pause of [`LimitAction::Restart`].
    pub max_prefixes_restart: Duration,
}

/// A word of the configuration file: the variants stand in the order of the schema's words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $(#[$first:meta])* $default:ident, $($(#[$row:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        pub enum $name {
            $(#[$first])*
            #[default]
            $default,
            $($(#[$row])* $variant,)*
        }

        impl $name {
            pub(super) const ALL: &[$name] = &[$name::$default, $($name::$variant,)*];
        }
    };
}

words! {
    /// A role of RFC 9234.
    BgpRole {
        /// We sell transit to the neighbour.
        Provider,
        /// We buy transit from it.
        Customer,
        /// Neither.
        Peer,
        /// We are a route server.
        RouteServer,
        /// It is one.
        RouteServerClient,
    }
}

words! {
    /// Whose address the next hop of announcements is.
    NextHopRule {
        /// As RFC 4271 has it.
        Standard,
        /// Always ours.
        Ours,
        /// As it came.
        Unchanged,
    }
}

words! {
    /// What becomes of private AS numbers in announcements.
    PrivateAsRule {
        /// They stay.
        Keep,
        /// They go.
        Remove,
        /// Ours stands in their places.
        Replace,
    }
}

words! {
    /// What we do while a neighbour restarts, and what it is asked to do while we do.
    RestartHelp {
        /// Nothing: its routes go with its session.
        Off,
        /// Keep its routes for as long as it asks for (RFC 4724).
        Help,
        /// And after that as the last resort (RFC 9494).
        LongLived,
        /// [`RestartHelp::Help`], and the neighbour is asked to keep our routes while we restart.
        Restart,
        /// [`RestartHelp::LongLived`], and the neighbour is asked for the same.
        RestartLongLived,
    }
}

words! {
    /// What happens over a prefix limit.
    LimitAction {
        /// A line in the log.
        Warn,
        /// The session ends for good.
        Drop,
        /// It ends, and starts again after a while.
        Restart,
    }
}

/// An address family that a BGP session can carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AddressFamily {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1 (RFC 4760).
    Ipv6Unicast,
}

impl Config {
    /// A port for OpenFlow without a configuration (OpenFlow 1.3.5 §6.3.3, IANA `openflow`).
    pub const OPENFLOW_PORT: u16 = 6653;
    /// The port of a database without a configuration (RFC 7047 §4.1, IANA `ovsdb`).
    pub const OVSDB_PORT: u16 = 6640;
    /// The port for BGP without a configuration (RFC 4271 §8.2.1).
    pub const BGP_PORT: u16 = 179;

    /// Whether links that come are looked at before they are used: where something can go wrong by other ways, and is refused.
    pub fn verifies_links(&self) -> bool {
        self.verify == VerifyMode::Refuse && !(self.flows.is_empty() && self.isolate.is_empty())
    }

    /// What switches and their ports are called.
    pub fn switch_names(&self) -> SwitchNames {
        let port = |port: &PortConfig| NamedPort { name: port.name.clone(), description: port.description.clone() };
        SwitchNames::new(self.switches.iter().map(|(name, switch)| {
            let ports = switch.ports.iter().map(|(port_no, named)| (*port_no, port(named))).collect();
            let description = switch.description.clone();
            (switch.datapath_id, NamedSwitch { name: name.clone(), description, ports })
        }))
    }
}

impl BgpConfig {
    /// LOCAL_PREF without a configuration: what everybody uses.
    pub const LOCAL_PREF: u32 = 100;

    /// Every optional key at its default.
    pub fn new(asn: u32, router_id: Ipv4Addr) -> BgpConfig {
        BgpConfig {
            policies: BTreeMap::new(),
            asn,
            router_id,
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, Config::BGP_PORT)),
            originate: Vec::new(),
            aggregates: Vec::new(),
            martians: MARTIANS.iter().filter_map(|pattern| pattern.parse().ok()).collect(),
            cluster_id: None,
            mrt: MrtConfig::default(),
            confederation: None,
            default_local_pref: BgpConfig::LOCAL_PREF,
            selection_deferral: speaker::SELECTION_DEFERRAL_TIME,
            decision: DecisionConfig::default(),
            multipath: MultipathConfig::default(),
            next_hops: BTreeMap::new(),
            neighbors: Vec::new(),
            ranges: Vec::new(),
        }
    }
}

impl RangeConfig {
    /// Neighbours of one range without a configuration.
    pub const LIMIT: u32 = 100;
}

impl Default for DecisionConfig {
    fn default() -> DecisionConfig {
        DecisionConfig {
            always_compare_med: false,
            missing_med_worst: false,
            compare_router_id: true,
            ignore_as_path_length: false,
            prefer_oldest: false,
        }
    }
}

impl Default for OpenflowConfig {
    fn default() -> OpenflowConfig {
        OpenflowConfig {
            listen: vec![Listen::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, Config::OPENFLOW_PORT)))],
            plain_from: [
                Ipv4Prefix::new(Ipv4Addr::new(127, 0, 0, 0), 8).map(Prefix::V4),
                Ipv6Prefix::new(Ipv6Addr::LOCALHOST, 128).map(Prefix::V6),
            ]
            .into_iter()
            .flatten()
            .collect(),
            tls: None,
            connect: Vec::new(),
            role: Role::Equal,
            record: None,
            bundles: BundleUse::Auto,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9653)), socket: ControlSocketPath::Usual }
    }
}

impl Default for FabricConfig {
    fn default() -> FabricConfig {
        // An address in use is not given away before its place has been asked.
        let discovery = DiscoveryConfig { move_confirmation: Duration::from_millis(300), ..DiscoveryConfig::default() };
        FabricConfig { discovery, wiring: Arc::default() }
    }
}

impl NeighborConfig {
    /// A neighbour with every optional key at its default. `local_asn` decides between eBGP and iBGP.
    pub fn new(address: IpAddr, asn: u32, local_asn: u32) -> NeighborConfig {
        let policy = || if asn == local_asn { Policy::Accept } else { Policy::Reject };
        NeighborConfig {
            address,
            port: Config::BGP_PORT,
            asn,
            local_address: None,
            families: vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast],
            passive: false,
            groups: Vec::new(),
            connect_retry_time: session::CONNECT_RETRY_TIME,
            idle_hold_time: session::IDLE_HOLD_TIME,
            damp_peer_oscillations: true,
            delay_open_time: Duration::ZERO,
            send_hold_time: session::SEND_HOLD_TIME,
            hold_time: Duration::from_secs(90),
            import: policy(),
            export: policy(),
            default_originate: None,
            advertisement_interval: Duration::ZERO,
            next_hop_v6: None,
            description: None,
            active: false,
            multihop: None,
            ttl_security: false,
            password: None,
            interface: None,
            role: None,
            strict_role: false,
            next_hop: NextHopRule::Standard,
            private_as: PrivateAsRule::Keep,
            as_override: false,
            allow_own_as: 0,
            enforce_first_as: true,
            local_as: None,
            local_as_prepend: true,
            local_as_replace: false,
            route_server_client: false,
            route_reflector_client: false,
            reject_as_sets: false,
            as_path_limit: 750,
            graceful_shutdown: false,
            shutdown: None,
            add_path_receive: false,
            add_path_send: None,
            hide_paths: false,
            extended_next_hop: false,
            graceful_restart: RestartHelp::Off,
            restart_time: Duration::from_secs(120),
            long_lived_time: Duration::from_secs(86400),
            max_prefixes: None,
            max_prefixes_sent: None,
            attribute_octets: bgp::speaker::ATTRIBUTE_OCTETS,
            max_prefixes_action: LimitAction::Restart,
            max_prefixes_restart: Duration::from_secs(300),
        }
    }
}

impl fmt::Display for Connect {
    /// In the words of the configuration file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Connect::Tcp(address) => write!(f, "tcp:{address}"),
            Connect::Ssl(address) => write!(f, "ssl:{address}"),
            Connect::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Listen {
    /// In the words of the configuration file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, address) = match self {
            Listen::Tcp(address) => ("ptcp", address),
            Listen::Ssl(address) => ("pssl", address),
            Listen::Unix(path) => return write!(f, "punix:{}", path.display()),
        };
        match address {
            SocketAddr::V4(address) => write!(f, "{word}:{}:{}", address.port(), address.ip()),
            SocketAddr::V6(address) => write!(f, "{word}:{}:[{}]", address.port(), address.ip()),
        }
    }
}
