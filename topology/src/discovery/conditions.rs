//! What is odd about the network as it is now.

use std::collections::BTreeSet;
use std::time::Duration;

use net::{PortId, Time};

use super::Discovery;
use super::links::{OddProbe, RefusedLinkReason};
use crate::{Condition, Conditions, ExpectedLink, LATE_PROBES_TOLD, ODD_PROBES_TOLD, REFUSED_LINK_HOLD};

/// A link younger than this may still wait for the probe that goes the other way.
const YOUNG: Duration = Duration::from_secs(2);
/// Far ends that are listed of a port.
const FAR_ENDS: usize = 8;
/// Octets of a frame around its payload: addresses, ethertype, FCS (IEEE 802.3 §3.1.1).
const FRAME_OVERHEAD: u32 = 18;

impl Discovery {
    /// The links that should be there. With `only` any other link is a condition, too.
    pub fn set_expected_links(&mut self, links: impl IntoIterator<Item = ExpectedLink>, only: bool) {
        self.expected_links = links.into_iter().collect();
        self.only_expected = only;
    }

    /// The links of which something is stated, each once. One that leads elsewhere is a condition; one that is not there is none.
    pub fn set_stated_links(&mut self, links: impl IntoIterator<Item = ExpectedLink>) {
        self.stated_links = links.into_iter().collect();
    }

    /// How large a packet the port's interface takes, in octets, if somebody knows: OpenFlow does not say. It counts until something else is
    /// said, also where the port goes and comes back, so that whoever says it is to take it back (`None`) when the port has gone.
    pub fn handle_port_mtu(&mut self, port: PortId, mtu: Option<u32>) {
        match mtu {
            Some(mtu) => drop(self.mtus.insert(port, mtu)),
            None => drop(self.mtus.remove(&port)),
        }
    }

    /// What is odd about the network now. Looks at all links: for each tick, not for each packet.
    pub fn conditions(&self, now: Time) -> Conditions {
        let mut found = Conditions::default();
        self.directions(now, &mut found);
        for (source, it) in self.suppressed(now) {
            let (target, flaps, last, until) = (it.target, it.flaps, it.last, it.until);
            found.add(Condition::Flapping { source, target, flaps, last, until });
        }
        self.mismatches(&mut found);
        for (&source, refused) in &self.refused {
            let target = refused.target;
            let is_told = refused.reason != RefusedLinkReason::Late || refused.in_a_row >= LATE_PROBES_TOLD;
            if is_told && now.since(refused.at) <= REFUSED_LINK_HOLD {
                found.add(match refused.reason {
                    RefusedLinkReason::HostPort => Condition::LinkAtHostPort { source, target },
                    RefusedLinkReason::Late => Condition::LateProbes { source, target },
                });
            }
        }
        for (&port, odd) in &self.odd_probes {
            for (kind, odd) in OddProbe::ALL.into_iter().zip(odd).filter(|(kind, odd)| odd.go_on(*kind, now)) {
                let frames = odd.frames;
                match kind {
                    OddProbe::Forged => found.add(Condition::ForgedProbes { port, frames }),
                    _ if frames < ODD_PROBES_TOLD => {}
                    OddProbe::Foreign => found.add(Condition::ForeignProbes { port, frames }),
                    OddProbe::Replayed => found.add(Condition::ReplayedProbes { port, frames }),
                }
            }
        }
        self.expectations(&mut found);
        self.contested_hosts(now, &mut found);
        self.rogue_dhcp_servers(now, &mut found);
        found
    }

    fn directions(&self, now: Time, found: &mut Conditions) {
        let network = &self.network;
        let mut several: BTreeSet<PortId> = BTreeSet::new();
        for link in network.links.values() {
            let (source, target) = (link.source, link.target);
            if source.datapath_id == target.datapath_id {
                if source <= target || !network.is_bidirectional(source) {
                    found.add(Condition::Loopback { source, target });
                }
            } else if now.since(link.since) >= YOUNG && !network.links.contains_key(&target) {
                found.add(Condition::OneWay { source, target });
            }
            if now.since(link.since) >= YOUNG {
                several.extend([source, target]);
            }
        }
        for port in several {
            let into = self.links_into.get(&port).into_iter().flatten().copied();
            let far_ends: BTreeSet<PortId> = into.chain(network.links.get(&port).map(|link| link.target)).collect();
            if far_ends.len() > 1 {
                let far_ends = far_ends.into_iter().take(FAR_ENDS).collect();
                found.add(Condition::Miswired { port, far_ends });
            }
        }
    }

    fn mismatches(&self, found: &mut Conditions) {
        for link in self.network.bidirectional_links() {
            let ends = [link.source, link.target];
            let kbps = ends.map(|end| self.network.port(end).map_or(0, |port| port.info.curr_speed_kbps));
            if kbps[0] != kbps[1] && !kbps.contains(&0) {
                found.add(Condition::SpeedMismatch { ends, kbps });
            }
            if let [Some(&one), Some(&other)] = ends.map(|end| self.mtus.get(&end))
                && one != other
            {
                found.add(Condition::MtuMismatch { ends, mtus: [one, other] });
            }
        }
        for (&port, &mtu) in &self.mtus {
            let neighbors = self.network.port(port).and_then(|port| port.lldp_neighbor.as_deref());
            let sizes = neighbors.into_iter().flat_map(|list| list.iter()).filter_map(|it| it.max_frame_size);
            if let Some(max_frame_size) = sizes.min()
                && u32::from(max_frame_size) < mtu.saturating_add(FRAME_OVERHEAD)
            {
                found.add(Condition::ShortFrames { port, mtu, max_frame_size });
            }
        }
    }

    fn expectations(&self, found: &mut Conditions) {
        let network = &self.network;
        let elsewhere = |ExpectedLink { ends: [a, b] }| {
            [(a, b), (b, a)].into_iter().find_map(|(from, wanted)| {
                let link = network.links.get(&from).filter(|link| link.target != wanted)?;
                Some((from, link.target))
            })
        };
        for &stated in &self.stated_links {
            if let Some((from, to)) = elsewhere(stated) {
                found.add(Condition::StatedElsewhere { stated, from, to });
            }
        }
        for &expected in &self.expected_links {
            match elsewhere(expected) {
                Some((from, to)) => found.add(Condition::LinkElsewhere { expected, from, to }),
                None if !network.is_bidirectional(expected.ends[0]) => found.add(Condition::LinkMissing(expected)),
                None => {}
            }
        }
        if self.only_expected {
            let expected = |ends| self.expected_links.contains(&ExpectedLink { ends });
            for link in network.bidirectional_links() {
                let ends = [link.source, link.target];
                if !expected(ends) && !expected([link.target, link.source]) {
                    found.add(Condition::LinkUnexpected { ends });
                }
            }
        }
    }
}
