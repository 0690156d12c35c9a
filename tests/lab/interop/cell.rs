//! One trip with one daemon: namespaces of its own, our binary on one end of a cable, the daemon on the other.
//!
//! ```text
//!  trunkline, raw routers  veth0 ─────────── veth0  the daemon (namespace `peer`)
//!  192.0.2.1, .3 to .6, .11, .21 …           192.0.2.2, .12, .22 …    2001:db8:ffff::1, ::2
//! ```

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::table::{Cell, DAEMONS, ROWS, Row, Trip};
use super::{decide, trips};
use crate::Mode;
use crate::controller::Controller;
use crate::peer::ours::Ours;
use crate::peer::{Adapter, Family, NAMESPACE, Peer, Session, Wish, bird, frr, gobgp, openbgpd};
use crate::process::{self, run_lines};
use crate::report::{Fail, Outcome};
use crate::wait;

/// What a cell leaves for the scenario, a line per check.
pub const CHECKS: &str = "checks.jsonl";

/// Our address and the daemon's.
pub const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const OURS_V6: &str = "2001:db8:ffff::1";
pub const THEIRS_V6: &str = "2001:db8:ffff::2";

/// AS numbers that need four octets.
pub const OUR_AS: u32 = 4_200_000_001;
pub const THEIR_AS: u32 = 4_200_000_002;

/// A session is up this soon after both sides run. One side may have called too early and then waits before it calls again.
pub const UP_LIMIT: Duration = Duration::from_secs(30);

/// Routes are exchanged this soon after that.
pub const ROUTES_LIMIT: Duration = Duration::from_secs(15);

/// The adapters, in the order of [`DAEMONS`].
pub const ADAPTERS: [&dyn Adapter; 4] = [&bird::Bird, &frr::Frr, &gobgp::Gobgp, &openbgpd::Openbgpd];

/// What a trip works with.
pub struct World {
    pub adapter: &'static dyn Adapter,
    pub mode: Mode,
    pub ours: Ours,
    directory: PathBuf,
    binary: PathBuf,
    rows: Vec<&'static Row>,
    checks: File,
    checked: Vec<&'static str>,
}

/// `DAEMON/TRIP`.
pub fn name(daemon: usize, trip: Trip) -> String {
    format!("{}/{trip:?}", DAEMONS[daemon].0)
}

/// Which trips are made with a daemon: those on which there is something to check.
pub fn trips_of(daemon: usize) -> Vec<Trip> {
    let mut trips: Vec<Trip> = ROWS.iter().filter(|row| row.cells[daemon] == Cell::Yes).map(|row| row.trip).collect();
    trips.sort();
    trips.dedup();
    trips
}

/// Runs one, inside of its namespaces.
pub fn run(name: &str, mode: Mode, directory: &Path, binary: &Path) -> Result<(), Fail> {
    if let Some(daemon) = DAEMONS.iter().position(|(daemon, _)| name == format!("{daemon}/{}", decide::NAME)) {
        let mut world = World::new(daemon, Vec::new(), mode, directory, binary)?;
        return decide::run(daemon, &mut world);
    }
    let found = (0..DAEMONS.len())
        .flat_map(|daemon| trips_of(daemon).into_iter().map(move |trip| (daemon, trip)))
        .find(|(daemon, trip)| self::name(*daemon, *trip) == name);
    let (daemon, trip) = found.ok_or_else(|| format!("there is no cell {name}"))?;
    let rows = ROWS.iter().filter(|row| row.trip == trip && row.cells[daemon] == Cell::Yes).collect();
    let mut world = World::new(daemon, rows, mode, directory, binary)?;
    let outcome = trips::run(trip, &mut world);
    if let Err(reason) = outcome {
        world.write("the trip comes to its end", Err(reason));
    }
    // A row that nobody looked at must not pass.
    let forgotten: Vec<&str> =
        world.rows.iter().map(|row| row.feature).filter(|feature| !world.checked.contains(feature)).collect();
    for feature in forgotten {
        world.write(feature, Err("was not checked".into()));
    }
    Ok(())
}

/// The cable between us and the daemon.
fn cable() -> Result<(), Fail> {
    run_lines(&format!(
        "ip netns add {NAMESPACE}
         ip link add veth0 type veth peer name veth0 netns {NAMESPACE}
         sysctl -q -w net.ipv6.conf.veth0.disable_ipv6=0
         ip addr add {OURS}/24 dev veth0
         ip addr add {OURS_V6}/64 dev veth0 nodad
         ip link set veth0 up
         ip -n {NAMESPACE} link set lo up
         ip netns exec {NAMESPACE} sysctl -q -w net.ipv6.conf.veth0.disable_ipv6=0
         ip -n {NAMESPACE} addr add {THEIRS}/24 dev veth0
         ip -n {NAMESPACE} addr add {THEIRS_V6}/64 dev veth0 nodad
         ip -n {NAMESPACE} link set veth0 up"
    ))
}

impl World {
    /// The cable, and nobody at its ends yet.
    fn new(daemon: usize, rows: Vec<&'static Row>, mode: Mode, directory: &Path, binary: &Path) -> Result<World, Fail> {
        let checks = File::create(directory.join(CHECKS)).map_err(|error| error.to_string())?;
        cable()?;
        Ok(World {
            adapter: ADAPTERS[daemon],
            mode,
            ours: Ours { binary: binary.display().to_string() },
            directory: directory.to_owned(),
            binary: binary.to_owned(),
            rows,
            checks,
            checked: Vec::new(),
        })
    }

    /// Another address of ours, for a raw router or a second session.
    pub fn add_our_address(&self, address: Ipv4Addr) -> Result<(), Fail> {
        process::run("ip", &["addr", "add", &format!("{address}/24"), "dev", "veth0"]).map(drop)
    }

    pub fn add_their_address(&self, address: Ipv4Addr) -> Result<(), Fail> {
        process::run("ip", &["-n", NAMESPACE, "addr", "add", &format!("{address}/24"), "dev", "veth0"]).map(drop)
    }

    /// The daemon with one session to us, changed by `change`.
    pub fn wish(&self, change: impl FnOnce(&mut Session)) -> Wish {
        let mut session = Session::new(IpAddr::V4(THEIRS), IpAddr::V4(OURS), OUR_AS);
        session.next_hop_v6 = THEIRS_V6.parse().ok();
        session.families = self.adapter.families_over_ipv4();
        change(&mut session);
        let routes = trips::own_routes().into_iter().filter(|route| session.has(Family::of(route.prefix))).collect();
        Wish {
            asn: THEIR_AS,
            router_id: THEIRS,
            sessions: vec![session],
            routes,
            costs: Vec::new(),
            confederation: None,
        }
    }

    pub fn start_peer(&self, wish: Wish) -> Result<Peer, Fail> {
        Peer::start(self.adapter, &self.directory, wish)
    }

    /// Our binary with a `bgp:` section.
    pub fn start_ours(&self, bgp: &str) -> Result<Controller, Fail> {
        let text = format!("http: {{ listen: \"{}\" }}\n{bgp}", crate::controller::HTTP);
        Controller::start(&self.directory, &self.binary, Some(&text))
    }

    /// Gives our running binary another `bgp:` section.
    pub fn hang_up(&self, ours: &Controller, bgp: &str) -> Result<(), Fail> {
        ours.hang_up(&format!("http: {{ listen: \"{}\" }}\n{bgp}", crate::controller::HTTP))
    }

    /// Both sides say that the session is up.
    pub fn wait_up(&self, peer: &Peer) -> Result<(), Fail> {
        self.wait_session_up(peer, 0)
    }

    /// The same of one of several.
    pub fn wait_session_up(&self, peer: &Peer, number: usize) -> Result<(), Fail> {
        let session = peer.session(number);
        wait::until(UP_LIMIT, || {
            self.ours.ensure_established(&session.local.to_string())?;
            peer.ensure_established(session)
        })
    }

    /// Tells a check of a row.
    pub fn check(&mut self, feature: &'static str, outcome: Outcome) -> bool {
        self.checked.push(feature);
        // What a daemon lacks is no part of the trip.
        let wanted = self.rows.iter().any(|row| row.feature == feature);
        if wanted { self.write(feature, outcome) } else { true }
    }

    /// Whether a row is to be checked with this daemon.
    pub fn wants(&self, feature: &str) -> bool {
        self.rows.iter().any(|row| row.feature == feature)
    }

    /// Tells a check that is no row's.
    pub fn write(&mut self, feature: &str, outcome: Outcome) -> bool {
        let (ok, text) = match outcome {
            Ok(seen) => (true, seen),
            Err(reason) => (false, reason),
        };
        // What cannot be written is missed by the scenario.
        let _ = writeln!(self.checks, "{}", json!({ "feature": feature, "ok": ok, "text": text }));
        ok
    }
}
