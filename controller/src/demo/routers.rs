//! Two emulated BGP routers with 1,000 routes each, in sessions with the controller over loopback.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use bgp::io::Handle;
use bgp::policy::Policy;
use bgp::speaker::NeighborConfig;
use bgp::wire::{Asn, Family, RouterId};
use emulator::{Router, RouterConfig};
use net::{Prefix, Time};

/// The controller's AS.
pub(super) const OUR_ASN: u32 = 65_001;
/// Routes per router.
const ROUTES: usize = 1_000;

/// Where a router is.
pub(super) struct RouterPlace {
    pub(super) address: Ipv4Addr,
    pub(super) asn: u32,
}

/// Every address of 127.0.0.0/8 is this machine's.
pub(super) const PLACES: [RouterPlace; 2] = [
    RouterPlace { address: Ipv4Addr::new(127, 0, 0, 2), asn: 65_002 },
    RouterPlace { address: Ipv4Addr::new(127, 0, 0, 3), asn: 65_003 },
];

/// The running routers.
pub(super) struct Routers {
    handles: Vec<Handle>,
    /// Prefixes that at least one of them announces.
    pub(super) prefixes: usize,
}

impl Routers {
    /// Tell the controller, and end.
    pub(super) async fn stop(self) {
        for handle in self.handles {
            handle.stop().await;
        }
    }
}

/// Start both; they open the connections.
pub(super) fn start(controller: SocketAddr, seed: u64) -> Result<Routers, String> {
    let mut handles = Vec::new();
    let mut prefixes: BTreeSet<Prefix> = BTreeSet::new();
    for (n, place) in (1u64..).zip(&PLACES) {
        let mut neighbor = NeighborConfig::new(controller.ip(), Asn(OUR_ASN));
        neighbor.port = controller.port();
        neighbor.local_address = Some(place.address.into());
        neighbor.families = [Family::IPV4_UNICAST].into();
        neighbor.import = Policy::Accept;
        neighbor.export = Policy::Accept;
        let config = RouterConfig {
            asn: Asn(place.asn),
            router_id: RouterId(place.address),
            neighbors: vec![neighbor],
            ipv4_routes: ROUTES,
            ipv6_routes: 0,
            seed: seed.wrapping_add(n),
        };
        let router = Router::new(config, Time::ZERO).map_err(|error| error.to_string())?;
        prefixes.extend(router.routes().iter().map(|route| route.prefix));
        handles.push(bgp::io::spawn_speaker(router.into_speaker(), &[]).map_err(|error| error.to_string())?);
    }
    Ok(Routers { handles, prefixes: prefixes.len() })
}
