//! `trunkline demo`: the real controller with an emulated network around it.
//!
//! A k=4 fat-tree of software switches connects to the controller's OpenFlow port over TCP, two BGP routers to its BGP port. Hosts send
//! probes to each other all the time; a link is cut and mended every few seconds. Nothing in the controller knows that it is a demo.

pub(crate) mod drive;
mod once;
mod routers;
mod screen;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use emulator::{CutKind, FabricSpec, LinkIndex};
use net::Prefix;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::config::{AddressFamily, BgpConfig, Config, ControlSocketPath, Listen, NeighborConfig, Policy};
use crate::service::Controller;

use drive::Drive;

/// How to run the demonstration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DemoOptions {
    /// One scenario in bounded time with a summary, instead of for ever.
    pub once: bool,
    /// The seed of everything random.
    pub seed: u64,
}

/// Ports per switch of the fat-tree.
const FAT_TREE_PORTS: usize = 4;
/// A probe between two hosts, this often.
const PROBE_INTERVAL: Duration = Duration::from_millis(4);
/// A link stays as it is for this long.
const CUT_INTERVAL: Duration = Duration::from_secs(4);
/// While hosts are missing, all say who they are this often: what they said before their ports had settled was not heard.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the screen is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the demonstration.
///
/// # Errors
/// What kept it from starting, or, with `once`, what did not go as it should.
pub fn demo(options: DemoOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut config = config();
    let mut controller = Controller::start(&config).or_else(|_| {
        // Somebody has the usual port for metrics; whatever else is wrong is wrong again.
        config.http.listen.set_port(0);
        Controller::start(&config)
    })?;
    // It has no file: who wants another configuration is told so at once.
    drop(controller.take_reloads());
    let runtime =
        tokio::runtime::Builder::new_current_thread().thread_stack_size(crate::verify::STACK).enable_all().build()?;
    let local = LocalSet::new();
    let result = local.block_on(&runtime, show(&controller, options));
    controller.stop();
    result
}

/// Everything on loopback; the system picks the ports, but metrics have their usual one.
fn config() -> Config {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut config = Config::default();
    config.openflow.listen = vec![Listen::Tcp(loopback(0))];
    // The usual place is for the controller of a real network.
    config.http.socket = ControlSocketPath::Off;
    let originate = ["203.0.113.0/24", "2001:db8::/32"].iter().filter_map(|text| text.parse::<Prefix>().ok()).collect();
    let neighbor = |router: &routers::RouterPlace| {
        let mut neighbor = NeighborConfig::new(router.address.into(), router.asn, routers::OUR_ASN);
        neighbor.passive = true;
        neighbor.families = vec![AddressFamily::Ipv4Unicast];
        neighbor.import = Policy::Accept;
        neighbor.export = Policy::Accept;
        neighbor
    };
    config.bgp = Some(BgpConfig {
        policies: Default::default(),
        listen: loopback(0),
        originate,
        neighbors: routers::PLACES.iter().map(neighbor).collect(),
        ..BgpConfig::new(routers::OUR_ASN, Ipv4Addr::new(10, 0, 0, 1))
    });
    config
}

async fn show(controller: &Controller, options: DemoOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let spec = FabricSpec { announce: true, ..FabricSpec::fat_tree(FAT_TREE_PORTS) };
    let openflow = *controller.openflow_addresses().first().ok_or("the controller listens nowhere")?;
    let bgp = controller.bgp().and_then(|bgp| bgp.speaker().listening().first().copied());
    let drive = Drive::start(options.seed, &spec, openflow).await?;
    let routers = routers::start(bgp.ok_or("the controller has no BGP port")?, options.seed)?;
    let result = tokio::select! {
        result = async {
            if options.once { once::once(controller, &drive, routers.prefixes).await } else { forever(controller, &drive, options.seed).await }
        } => result,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
        _ = terminate.recv() => Ok(()),
    };
    routers.stop().await;
    result
}

/// Probes, cuts and a live screen until Ctrl-C.
async fn forever(controller: &Controller, drive: &Drive, seed: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut random = Random(seed);
    let mut screen = screen::Screen::new();
    let mut probe = tokio::time::interval(PROBE_INTERVAL);
    let mut change = tokio::time::interval_at(tokio::time::Instant::now() + 2 * CUT_INTERVAL, CUT_INTERVAL);
    let mut announce = tokio::time::interval(ANNOUNCE_INTERVAL);
    let mut draw = tokio::time::interval(DRAW_INTERVAL);
    let mut cut: Option<(LinkIndex, CutKind)> = None;
    let (hosts, links) = (drive.host_count(), drive.link_count());
    loop {
        tokio::select! {
            _ = probe.tick() => {
                let source = random.below(hosts);
                let target = (source + 1 + random.below(hosts - 1)) % hosts;
                // Before the hosts are known a lost probe says nothing.
                if controller.snapshot().network.hosts.len() == hosts {
                    drive.probe(source, target);
                }
            }
            _ = announce.tick() => {
                if controller.snapshot().network.hosts.len() < hosts {
                    drive.announce_all();
                }
            }
            _ = change.tick() => match cut.take() {
                Some((link, _)) => drive.mend(link),
                None => {
                    let link = LinkIndex(random.below(links));
                    let kind = if random.below(4) == 0 { CutKind::Silent } else { CutKind::PortDown };
                    drive.cut(link, kind);
                    cut = Some((link, kind));
                }
            },
            _ = draw.tick() => {
                let bgp = match controller.bgp() {
                    Some(bgp) => bgp.status().await,
                    None => None,
                };
                let cut = cut.map(|(link, kind)| (drive.link_name(link), kind));
                // Who read it has gone away: nobody sees the demo any more.
                let drawn = screen.draw(&screen::Facts {
                    snapshot: &controller.snapshot(),
                    fabric: drive.stats(),
                    bgp: bgp.as_ref(),
                    cut,
                    metrics: controller.http_address(),
                });
                if drawn.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// SplitMix64: the same seed, the same course of events.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % limit.max(1) as u64) as usize
    }
}
