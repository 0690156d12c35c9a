//! `trunkline demo`: the real controller with an emulated network around it.
//!
//! A k=4 fat-tree of software switches, or the network of a GraphML file, connects to the controller's OpenFlow port over TCP, two BGP routers to its BGP port. Hosts send
//! probes to each other all the time; a link is cut and mended every few seconds. Nothing in the controller knows that it is a demo.

pub(crate) mod drive;
mod once;
mod routers;
mod screen;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::shape::graphml::{Imported, graphml};
use emulator::{CutKind, FabricSpec, LinkIndex};
use net::{DatapathId, Prefix};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::config::{AddressFamily, BgpConfig, Config, ControlSocketPath, Listen, NeighborConfig, Policy};
use crate::service::Controller;

use drive::Drive;

/// How to run the demonstration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DemoOptions {
    /// One scenario in bounded time with a summary, instead of for ever.
    pub once: bool,
    /// The seed of everything random.
    pub seed: u64,
    /// A file with switches and links, instead of a fat-tree.
    pub graphml: Option<PathBuf>,
}

/// Ports per switch of the fat-tree.
const FAT_TREE_PORTS: usize = 4;
/// Switches from a file. With a host at each, every one of them has a rule for every host, in this process: 500 switches are 250,000 rules. The largest network
/// of the Topology Zoo has 754; four of them have more than this.
const SWITCHES_MAX: usize = 500;
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
    let emulated = emulated(options.graphml.as_deref())?;
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
    let result = local.block_on(&runtime, show(&controller, &options, &emulated));
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

/// The network around the controller, and what it is called.
struct Emulated {
    name: String,
    spec: FabricSpec,
}

fn emulated(file: Option<&Path>) -> Result<Emulated, String> {
    let Some(file) = file else {
        let spec = FabricSpec { announce: true, ..FabricSpec::fat_tree(FAT_TREE_PORTS) };
        return Ok(Emulated { name: format!("k={FAT_TREE_PORTS} fat-tree"), spec });
    };
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    let Imported { shape, latencies, .. } = graphml(&text).map_err(|error| told(&error))?;
    if shape.switches.len() > SWITCHES_MAX {
        return Err(told(&format!("{} switches: the demo takes {SWITCHES_MAX}", shape.switches.len())));
    }
    let mut spec = FabricSpec { announce: true, ..FabricSpec::of(&shape) };
    for (link, latency) in spec.links.iter_mut().zip(latencies) {
        link.latency = latency.map_or(link.latency, |latency| latency.max(link.latency));
    }
    // Of a network in pieces hosts are in the largest one, so that they reach each other.
    let largest =
        shape.switches.iter().map(|(id, _)| piece(&spec, *id, None)).max_by_key(BTreeSet::len).unwrap_or_default();
    if largest.len() < 2 {
        return Err(told(&"no links between different nodes"));
    }
    for id in largest {
        spec.add_host(id);
    }
    Ok(Emulated { name: format!("network of {} switches from {}", shape.switches.len(), file.display()), spec })
}

/// The switches that can be reached from one, over all links or all but one.
fn piece(spec: &FabricSpec, from: DatapathId, without: Option<usize>) -> BTreeSet<DatapathId> {
    let mut beside: BTreeMap<DatapathId, Vec<DatapathId>> = BTreeMap::new();
    for (_, link) in spec.links.iter().enumerate().filter(|(number, _)| Some(*number) != without) {
        let ends = [link.a.datapath_id, link.b.datapath_id];
        beside.entry(ends[0]).or_default().push(ends[1]);
        beside.entry(ends[1]).or_default().push(ends[0]);
    }
    let (mut found, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(at) = open.pop() {
        open.extend(beside.get(&at).into_iter().flatten().filter(|next| found.insert(**next)));
    }
    found
}

/// The first link without which all hosts still reach each other.
fn spare_link(spec: &FabricSpec) -> Option<LinkIndex> {
    let first = spec.hosts.first()?.port.datapath_id;
    let all = piece(spec, first, None).len();
    let spare = |(number, link): &(usize, &emulator::LinkSpec)| {
        let from = link.a.datapath_id;
        piece(spec, from, None).len() == all && piece(spec, from, Some(*number)).len() == all
    };
    spec.links.iter().enumerate().find(spare).map(|(number, _)| LinkIndex(number))
}

async fn show(
    controller: &Controller,
    options: &DemoOptions,
    emulated: &Emulated,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let Emulated { name, spec } = emulated;
    let openflow = *controller.openflow_addresses().first().ok_or("the controller listens nowhere")?;
    let bgp = controller.bgp().and_then(|bgp| bgp.speaker().listening().first().copied());
    let drive = Drive::start(options.seed, spec, openflow).await?;
    let routers = routers::start(bgp.ok_or("the controller has no BGP port")?, options.seed)?;
    let result = tokio::select! {
        result = async {
            if options.once { once::once(controller, &drive, name, spare_link(spec), routers.prefixes).await } else { forever(controller, &drive, name, options.seed).await }
        } => result,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
        _ = terminate.recv() => Ok(()),
    };
    routers.stop().await;
    result
}

/// Probes, cuts and a live screen until Ctrl-C.
async fn forever(
    controller: &Controller,
    drive: &Drive,
    name: &str,
    seed: u64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
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
                    name,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_a_file_has_a_host_at_each_linked_switch_and_its_own_latencies() {
        let node = |id: u32, latitude: &str| {
            format!("<node id=\"{id}\"><data key=\"a\">{latitude}</data><data key=\"o\">0</data></node>")
        };
        let text = format!(
            "<graphml><key id=\"a\" for=\"node\" attr.name=\"Latitude\"/><key id=\"o\" for=\"node\" attr.name=\"Longitude\"/>\
             <graph>{}{}{}<edge source=\"1\" target=\"2\"/></graph></graphml>",
            node(1, "0"),
            node(2, "9"),
            node(3, "5")
        );
        let file = std::env::temp_dir().join(format!("trunkline-demo-{}.graphml", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let Emulated { spec, name } = emulated(Some(&file)).unwrap();
        assert!(name.starts_with("network of 3 switches from "), "{name}");
        assert_eq!((spec.switches.len(), spec.links.len(), spec.hosts.len()), (3, 1, 2));
        assert_eq!(spare_link(&spec), None);
        assert_eq!(spare_link(&FabricSpec::fat_tree(4)), Some(LinkIndex(0)));
        assert_eq!(spec.problems(), Vec::<String>::new());
        assert!((4..=6).contains(&spec.links[0].latency.as_millis()), "1,000 km of glass: {:?}", spec.links[0].latency);
        std::fs::write(&file, "<graphml><graph/></graphml>").unwrap();
        let refused = emulated(Some(&file)).map(|_| ()).unwrap_err();
        assert!(refused.ends_with("no links between different nodes"), "{refused}");
        std::fs::remove_file(&file).unwrap();
        assert!(emulated(Some(&file)).map(|_| ()).is_err());
    }
}
