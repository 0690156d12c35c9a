//! Two BGP routers with 1,000 routes each, in sessions with the controller over loopback.

use std::net::{Ipv4Addr, SocketAddr};

use bgp::io::Handle;
use bgp::policy::Policy;
use bgp::speaker::{NeighborConfig, SpeakerConfig};
use bgp::wire::{Asn, Family, RouterId};
use net::{Ipv4Prefix, Prefix};

/// The controller's AS.
pub(super) const OUR_ASN: u32 = 65_001;
/// Routes per router.
pub(super) const ROUTES: u32 = 1_000;

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

/// Start both; they open the connections.
pub(super) fn start(controller: SocketAddr, seed: u64) -> Result<Vec<Handle>, String> {
    let mut handles = Vec::new();
    for (n, place) in (0u32..).zip(&PLACES) {
        let mut config = SpeakerConfig::new(Asn(place.asn), RouterId(place.address));
        config.seed = seed.wrapping_add(u64::from(n) + 1);
        // 100.64.0.0/10 is nobody's on the Internet (RFC 6598): each router has a /12 of it, in /24s.
        let base = Ipv4Addr::new(100, 64, 0, 0).to_bits() + (n << 20);
        config.originate = (0..ROUTES)
            .filter_map(|route| Ipv4Prefix::new(Ipv4Addr::from_bits(base + (route << 8)), 24))
            .map(Prefix::V4)
            .collect();
        let mut neighbor = NeighborConfig::new(controller.ip(), Asn(OUR_ASN));
        neighbor.port = controller.port();
        neighbor.local_address = Some(place.address.into());
        neighbor.families = [Family::IPV4_UNICAST].into();
        neighbor.import = Policy::Accept;
        neighbor.export = Policy::Accept;
        config.neighbors.push(neighbor);
        handles.push(bgp::io::spawn(config, &[]).map_err(|error| error.to_string())?);
    }
    Ok(handles)
}
