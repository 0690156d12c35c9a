//! The daemons that are measured: how each is configured and started. All wait for their neighbours at 127.0.0.1, take routes from senders and
//! give them to receivers, and touch neither the kernel's routes nor anything outside of the bench's folder.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::super::process::{Folder, Process, free_port, own_binary, quoted};
use super::load::{Neighbor, Role};
use super::table::Family;

/// The daemon's AS number and identifier.
pub(super) const ASN: u32 = 65_000;
const ROUTER_ID: &str = "10.255.0.1";
/// The next hop that it gives to IPv6 routes, where it has to be told.
const V6_NEXT_HOP: &str = "2620:0:ff::1";

/// Who is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Daemon {
    Floor,
    Trunkline,
    Bird,
    Frr,
    Gobgp,
    Openbgpd,
    /// Any other, by a shell command.
    Other {
        name: String,
        command: String,
    },
}

impl Daemon {
    /// `bird`, `frr`, `gobgp`, `openbgpd`, or NAME=COMMAND.
    pub(super) fn parse(text: &str) -> Result<Daemon, String> {
        match text {
            "bird" => Ok(Daemon::Bird),
            "frr" => Ok(Daemon::Frr),
            "gobgp" => Ok(Daemon::Gobgp),
            "openbgpd" => Ok(Daemon::Openbgpd),
            _ => match text.split_once('=') {
                Some((name, command)) if !name.is_empty() && command.contains("{port}") => {
                    Ok(Daemon::Other { name: name.to_owned(), command: command.to_owned() })
                }
                _ => Err("has to be bird, frr, gobgp, openbgpd, or NAME=COMMAND with {port} in the command".to_owned()),
            },
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Daemon::Floor => "floor",
            Daemon::Trunkline => "trunkline",
            Daemon::Bird => "bird",
            Daemon::Frr => "frr",
            Daemon::Gobgp => "gobgp",
            Daemon::Openbgpd => "openbgpd",
            Daemon::Other { name, .. } => name,
        }
    }

    /// The Debian package and the program in it; nothing for what needs no package.
    fn program(&self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Daemon::Bird => Some(("bird2", &["/usr/sbin/bird", "/usr/local/sbin/bird"])),
            Daemon::Frr => Some(("frr", &["/usr/lib/frr/bgpd", "/usr/libexec/frr/bgpd"])),
            Daemon::Gobgp => Some(("gobgpd", &["/usr/bin/gobgpd", "/usr/local/bin/gobgpd"])),
            Daemon::Openbgpd => Some(("openbgpd", &["/usr/sbin/bgpd", "/usr/local/sbin/bgpd"])),
            Daemon::Floor | Daemon::Trunkline | Daemon::Other { .. } => None,
        }
    }

    /// Why it cannot be measured here, if so.
    pub(super) fn unavailable(&self, policy: bool) -> Option<String> {
        if policy && !matches!(self, Daemon::Floor | Daemon::Trunkline | Daemon::Bird | Daemon::Frr) {
            return Some("no configuration for --policy is known here".to_owned());
        }
        let (package, places) = self.program()?;
        if places.iter().any(|place| Path::new(place).exists()) {
            return None;
        }
        Some(format!("not installed (Debian: apt-get install {package})"))
    }

    fn path(&self) -> &'static str {
        let places = self.program().map(|(_, places)| places).unwrap_or_default();
        places.iter().find(|place| Path::new(place).exists()).copied().unwrap_or_default()
    }

    /// Starts it with these neighbours.
    pub(super) fn start(&self, setup: &Setup<'_>, interrupted: &AtomicBool) -> Result<Process, String> {
        let port = free_port()?;
        let name = self.name();
        let folder = setup.folder.0.join(name.replace('/', "_"));
        fs::create_dir_all(&folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        let write = |file: &str, text: String| {
            let path = folder.join(file);
            let private = fs::Permissions::from_mode(0o600);
            let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, private));
            written.map(|()| path.clone()).map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        let binary = self.path();
        let command = match self {
            Daemon::Floor => format!("{} bench bgp-floor --port {port}", quoted(&own_binary()?)),
            Daemon::Trunkline => {
                let file = write("trunkline.yaml", trunkline(setup, port, free_port()?))?;
                format!("{} --log error run {}", quoted(&own_binary()?), quoted(&file))
            }
            Daemon::Bird => {
                let file = write("bird.conf", bird(setup, port))?;
                format!("{binary} -f -c {} -s {}", quoted(&file), quoted(&folder.join("bird.ctl")))
            }
            Daemon::Frr => {
                let file = write("bgpd.conf", frr(setup))?;
                let dir = quoted(&folder);
                // It gives up root, and reads its files as user frr.
                let run = format!(
                    "chown -R frr:frr {dir} && exec {binary} -f {} -i {} -p {port} -n -Z --vty_socket {dir} -P 0 -l 127.0.0.1 -u frr -g frr",
                    quoted(&file),
                    quoted(&folder.join("bgpd.pid"))
                );
                format!("sh -c {}", quoted(Path::new(&run)))
            }
            Daemon::Gobgp => {
                let file = write("gobgpd.toml", gobgp(setup, port))?;
                let api = free_port()?;
                format!("{binary} -f {} --api-hosts 127.0.0.1:{api} --pprof-disable -p -l error", quoted(&file))
            }
            Daemon::Openbgpd => {
                let file = write("bgpd.conf", openbgpd(setup, port, &folder.join("bgpd.sock")))?;
                // Its processes give up what is outside of this folder.
                let run = format!("mkdir -p /run/openbgpd && exec {binary} -d -f {}", quoted(&file));
                format!("sh -c {}", quoted(Path::new(&run)))
            }
            Daemon::Other { command, .. } => {
                let file = write("neighbors.json", neighbors(setup, port))?;
                command.replace("{port}", &port.to_string()).replace("{neighbors}", &quoted(&file))
            }
        };
        Process::start(name, &command, port, setup.folder, interrupted)
    }
}

/// What a daemon is started with.
pub(super) struct Setup<'a> {
    pub(super) folder: &'a Folder,
    pub(super) family: Family,
    pub(super) neighbors: &'a [Neighbor],
    /// The twenty statements on what senders say.
    pub(super) policy: bool,
}

impl Setup<'_> {
    /// Each neighbour with a name of its own.
    fn named(&self) -> impl Iterator<Item = (String, &Neighbor)> {
        self.neighbors.iter().enumerate().map(|(number, neighbor)| (format!("n{number}"), neighbor))
    }

    fn is_v4(&self) -> bool {
        self.family == Family::V4
    }
}

fn trunkline(setup: &Setup<'_>, port: u16, openflow: u16) -> String {
    let mut text = format!(
        "openflow: {{ listen: [\"ptcp:{openflow}:127.0.0.1\"] }}\nhttp: {{ listen: \"127.0.0.1:0\" }}\n\
         bgp:\n  asn: {ASN}\n  router_id: {ROUTER_ID}\n  listen: \"127.0.0.1:{port}\"\n"
    );
    if setup.policy {
        text += &trunkline_policy();
    }
    text += "  neighbors:\n";
    let accept = if setup.policy { "policy" } else { "accept" };
    let family = if setup.is_v4() { "ipv4-unicast" } else { "ipv6-unicast" };
    for Neighbor { role, asn, address } in setup.neighbors {
        let (import, export) = if *role == Role::Sender { (accept, "reject") } else { ("reject", "accept") };
        let _ = writeln!(
            text,
            "    - {{ address: {address}, asn: {asn}, passive: true, families: [{family}], import: {import}, export: {export}, \
             next_hop_v6: \"{V6_NEXT_HOP}\" }}"
        );
    }
    text
}

fn bird(setup: &Setup<'_>, port: u16) -> String {
    let mut text =
        format!("log stderr {{ warning, error, fatal, bug }};\nrouter id {ROUTER_ID};\nprotocol device {{}}\n");
    // What next hops are found by: without it every route is unreachable.
    text += "protocol static { ipv4; route 10.0.0.0/8 blackhole; }\nprotocol static { ipv6; route 2620:0:ff::/48 blackhole; }\n";
    if setup.policy {
        text += &bird_policy();
    }
    let import = if setup.policy { "filter policy" } else { "all" };
    let channel = if setup.is_v4() { "ipv4" } else { "ipv6" };
    let next_hop = if setup.is_v4() { "self".to_owned() } else { format!("address {V6_NEXT_HOP}") };
    for (name, Neighbor { role, asn, address }) in setup.named() {
        let rules = match role {
            Role::Sender => format!("import {import}; export none;"),
            // Only what came by BGP: the static routes are nobody's business.
            Role::Receiver => format!("import none; export where source = RTS_BGP; next hop {next_hop};"),
        };
        let _ = writeln!(
            text,
            "protocol bgp {name} {{ local 127.0.0.1 port {port} as {ASN}; neighbor {address} as {asn}; passive on; multihop; \
             {channel} {{ {rules} }}; }}"
        );
    }
    text
}

fn frr(setup: &Setup<'_>) -> String {
    let mut text = format!(
        "router bgp {ASN}\n bgp router-id {ROUTER_ID}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n"
    );
    for Neighbor { asn, address, .. } in setup.neighbors {
        let _ = writeln!(
            text,
            " neighbor {address} remote-as {asn}\n neighbor {address} passive\n neighbor {address} ebgp-multihop 255\n \
             neighbor {address} disable-connected-check\n neighbor {address} advertisement-interval 0"
        );
    }
    let _ = writeln!(text, " address-family {} unicast", if setup.is_v4() { "ipv4" } else { "ipv6" });
    for Neighbor { role, address, .. } in setup.neighbors {
        let _ = writeln!(text, "  neighbor {address} activate");
        match role {
            Role::Sender => {
                let _ = writeln!(text, "  neighbor {address} route-map NONE out");
                if setup.policy {
                    let _ = writeln!(text, "  neighbor {address} route-map POLICY in");
                }
            }
            Role::Receiver if setup.is_v4() => {
                let _ = writeln!(text, "  neighbor {address} route-map NONE in\n  neighbor {address} next-hop-self");
            }
            Role::Receiver => {
                let _ =
                    writeln!(text, "  neighbor {address} route-map NONE in\n  neighbor {address} route-map HOP out");
            }
        }
    }
    text += " exit-address-family\nexit\nroute-map NONE deny 10\nexit\n";
    let _ = writeln!(text, "route-map HOP permit 10\n set ipv6 next-hop global {V6_NEXT_HOP}\nexit");
    if setup.policy {
        text += &frr_policy();
    }
    text
}

fn gobgp(setup: &Setup<'_>, port: u16) -> String {
    let mut text = format!(
        "[global.config]\n  as = {ASN}\n  router-id = \"{ROUTER_ID}\"\n  port = {port}\n  local-address-list = [\"127.0.0.1\"]\n\
         [global.apply-policy.config]\n  export-policy-list = [\"receivers\"]\n  default-export-policy = \"accept-route\"\n"
    );
    // Its policies belong to the whole table: what goes out is refused for senders.
    text += "[[defined-sets.neighbor-sets]]\n  neighbor-set-name = \"senders\"\n  neighbor-info-list = [";
    for (number, sender) in setup.neighbors.iter().filter(|neighbor| neighbor.role == Role::Sender).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}\"{}/32\"", sender.address);
    }
    text += "]\n[[policy-definitions]]\n  name = \"receivers\"\n  [[policy-definitions.statements]]\n    name = \"senders\"\n    \
             [policy-definitions.statements.conditions.match-neighbor-set]\n      neighbor-set = \"senders\"\n    \
             [policy-definitions.statements.actions]\n      route-disposition = \"reject-route\"\n";
    let family = if setup.is_v4() { "ipv4-unicast" } else { "ipv6-unicast" };
    for Neighbor { asn, address, .. } in setup.neighbors {
        let _ = writeln!(
            text,
            "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"{address}\"\n    peer-as = {asn}\n  \
             [neighbors.transport.config]\n    passive-mode = true\n    local-address = \"127.0.0.1\"\n  \
             [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 64\n  \
             [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"{family}\""
        );
    }
    text
}

fn openbgpd(setup: &Setup<'_>, port: u16, socket: &Path) -> String {
    let mut text = format!(
        "AS {ASN}\nrouter-id {ROUTER_ID}\nfib-update no\nlisten on 127.0.0.1 port {port}\nsocket \"{}\"\nnexthop qualify via default\n",
        socket.display()
    );
    let announce = if setup.is_v4() { "IPv4 unicast" } else { "IPv6 unicast" };
    let silent = if setup.is_v4() { "IPv6 none" } else { "IPv4 none" };
    for (role, group) in [(Role::Sender, "senders"), (Role::Receiver, "receivers")] {
        let _ = writeln!(text, "group \"{group}\" {{");
        for Neighbor { asn, address, .. } in setup.neighbors.iter().filter(|neighbor| neighbor.role == role) {
            let _ = writeln!(
                text,
                "\tneighbor {address} {{\n\t\tremote-as {asn}\n\t\tpassive\n\t\tmultihop 64\n\t\tlocal-address 127.0.0.1\n\t\t\
                 announce {announce}\n\t\tannounce {silent}\n\t}}"
            );
        }
        text += "}\n";
    }
    text += "deny from any\ndeny to any\nallow from group \"senders\"\nallow to group \"receivers\"\n";
    if !setup.is_v4() {
        let _ = writeln!(text, "match to group \"receivers\" set nexthop {V6_NEXT_HOP}");
    }
    text
}

/// For a daemon that is not known here: a script makes its configuration of this.
fn neighbors(setup: &Setup<'_>, port: u16) -> String {
    let neighbors: Vec<_> = setup
        .neighbors
        .iter()
        .map(|Neighbor { role, asn, address }| {
            let role = if *role == Role::Sender { "sender" } else { "receiver" };
            json!({ "role": role, "asn": asn, "address": address.to_string() })
        })
        .collect();
    let family = if setup.is_v4() { "ipv4-unicast" } else { "ipv6-unicast" };
    let object = json!({
        "asn": ASN, "router_id": ROUTER_ID, "address": "127.0.0.1", "port": port, "family": family,
        "next_hop_v6": V6_NEXT_HOP, "neighbors": neighbors,
    });
    object.to_string()
}

/// Prefixes that nobody should announce, as in every operator's filter; none of them is in the table.
const BOGONS: [&str; 8] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
];
/// Neighbours that should not be in a customer's path: numbers that no AS of the table has.
const LEAKS: [u32; 4] = [174_000, 701_000, 2_914_000, 3_356_000];
/// Communities that set the local preference: seven statements, transit systems of the table.
const PREFERENCES: [(u16, u16); 7] =
    [(1_000, 80), (1_037, 90), (1_074, 95), (1_111, 105), (1_148, 110), (1_185, 120), (1_222, 130)];

/// 8 prefix sets, 4 paths, 7 communities and a path length: 20 statements. None of them changes what receivers of another AS see.
fn bird_policy() -> String {
    let mut text = "filter policy {\n".to_owned();
    for bogon in BOGONS {
        let _ = writeln!(text, "  if net ~ [ {bogon}+ ] then reject;");
    }
    for leak in LEAKS {
        let _ = writeln!(text, "  if bgp_path ~ [= * {leak} * =] then reject;");
    }
    text += "  if bgp_path.len > 100 then reject;\n";
    for (high, preference) in PREFERENCES {
        let _ = writeln!(text, "  if bgp_community ~ [({high}, *)] then bgp_local_pref = {preference};");
    }
    text + "  accept;\n}\n"
}

/// The same statements in our own words.
fn trunkline_policy() -> String {
    let mut text = "  policies:\n    policy:\n".to_owned();
    for bogon in BOGONS {
        let _ = writeln!(text, "      - {{ match: {{ prefix: \"{bogon} le 32\" }}, action: reject }}");
    }
    for leak in LEAKS {
        let _ = writeln!(text, "      - {{ match: {{ as_path: \"_{leak}_\" }}, action: reject }}");
    }
    text += "      - { match: { as_path_length: ge 101 }, action: reject }\n";
    for (high, preference) in PREFERENCES {
        let _ =
            writeln!(text, "      - {{ match: {{ communities: \"{high}:*\" }}, set: {{ local_pref: {preference} }} }}");
    }
    text + "      - { action: accept }\n"
}

/// The same statements as a route-map.
fn frr_policy() -> String {
    let mut text = String::new();
    let mut statements = String::new();
    let mut number = 0;
    let mut statement = |verdict: &str, lines: &str| {
        number += 10;
        let _ = writeln!(statements, "route-map POLICY {verdict} {number}\n{lines}exit");
    };
    for (at, bogon) in BOGONS.into_iter().enumerate() {
        let _ = writeln!(text, "ip prefix-list BOGON{at} seq 5 permit {bogon} le 32");
        statement("deny", &format!(" match ip address prefix-list BOGON{at}\n"));
    }
    for leak in LEAKS {
        let _ = writeln!(text, "bgp as-path access-list LEAK{leak} seq 5 permit _{leak}_");
        statement("deny", &format!(" match as-path LEAK{leak}\n"));
    }
    text += "bgp as-path access-list LONG seq 5 permit ^([0-9]+ ){100}\n";
    statement("deny", " match as-path LONG\n");
    for (high, preference) in PREFERENCES {
        let _ = writeln!(text, "bgp community-list expanded FROM{high} seq 5 permit {high}:.*");
        statement(
            "permit",
            &format!(" match community FROM{high}\n set local-preference {preference}\n on-match next\n"),
        );
    }
    statement("permit", "");
    text + &statements
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use bgp::policy::{PolicyRoute, PolicySession, PolicyVerdict};
    use bgp::rib::SourceKind;
    use bgp::wire::{AsPath, Asn, Community, NextHop, Origin, PathAttributes};

    use super::*;

    #[test]
    fn daemons_are_known_by_name_or_by_command() {
        assert_eq!(Daemon::parse("bird"), Ok(Daemon::Bird));
        assert_eq!(Daemon::parse("mine=run {port}").map(|daemon| daemon.name().to_owned()), Ok("mine".to_owned()));
        for bad in ["quagga", "=run {port}", "mine=run", ""] {
            assert!(Daemon::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn our_configuration_is_one_that_we_take() {
        let folder = Folder::create().unwrap();
        let neighbor = |role, asn, last| Neighbor { role, asn, address: Ipv4Addr::new(127, 1, 0, last) };
        let neighbors = [neighbor(Role::Sender, 64_601, 1), neighbor(Role::Receiver, 65_101, 2)];
        for family in [Family::V4, Family::V6] {
            for policy in [false, true] {
                let setup = Setup { folder: &folder, family, neighbors: &neighbors, policy };
                let checked = crate::config::check(&trunkline(&setup, 1_179, 6_653), None).unwrap();
                assert!(checked.warnings.0.is_empty(), "{:?}", checked.warnings);
                assert_eq!(checked.config.bgp.unwrap().neighbors.len(), 2);
            }
        }
    }

    #[test]
    fn our_twenty_statements_say_what_the_others_say() {
        let folder = Folder::create().unwrap();
        let neighbors = [Neighbor { role: Role::Sender, asn: 64_601, address: Ipv4Addr::new(127, 1, 0, 1) }];
        let setup = Setup { folder: &folder, family: Family::V4, neighbors: &neighbors, policy: true };
        let checked = crate::config::check(&trunkline(&setup, 1_179, 6_653), None).unwrap();
        let ours = checked.config.bgp.unwrap();
        assert_eq!(ours.policies["policy"].statements.len(), 20 + 1, "and the last one that accepts");
        let session = PolicySession::new(Asn(ASN), Asn(64_601));
        let judge = |prefix: &str, path: &[u32], communities: &[(u16, u16)]| {
            let path: Vec<Asn> = path.iter().copied().map(Asn).collect();
            let attributes = PathAttributes {
                communities: communities.iter().map(|(high, low)| Community::new(*high, *low)).collect(),
                ..PathAttributes::new(Origin::Igp, AsPath::sequence(&path))
            };
            let route = PolicyRoute {
                family: bgp::wire::Family::IPV4_UNICAST,
                source: SourceKind::External,
                attributes: Arc::new(attributes),
                next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
            };
            let policy = ours.neighbors[0].import.bind(&session);
            match policy.evaluate(SourceKind::External, route).verdict(prefix.parse().unwrap()) {
                PolicyVerdict::Accept => Some(None),
                PolicyVerdict::Modify(modified) => Some(modified.attributes.local_pref),
                PolicyVerdict::Reject | PolicyVerdict::NoPolicy => None,
            }
        };
        assert_eq!(judge("11.0.0.0/24", &[64_601, 1_000], &[]), Some(None));
        assert_eq!(judge("10.1.0.0/24", &[64_601, 1_000], &[]), None);
        assert_eq!(judge("224.0.0.0/3", &[64_601, 1_000], &[]), None);
        assert_eq!(judge("11.0.0.0/24", &[64_601, 701_000, 9], &[]), None);
        assert_eq!(judge("11.0.0.0/24", &[64_601; 100], &[]), Some(None));
        assert_eq!(judge("11.0.0.0/24", &[64_601; 101], &[]), None);
        assert_eq!(judge("11.0.0.0/24", &[64_601], &[(1_037, 7)]), Some(Some(90)));
        assert_eq!(judge("11.0.0.0/24", &[64_601], &[(1_037, 7), (1_222, 1)]), Some(Some(130)), "the last one counts");
    }

    #[test]
    fn what_is_left_out_says_why() {
        assert!(Daemon::Gobgp.unavailable(true).unwrap().contains("--policy"));
        assert_eq!(Daemon::Trunkline.unavailable(true), None);
        assert_eq!(Daemon::Floor.unavailable(true), None);
    }
}
