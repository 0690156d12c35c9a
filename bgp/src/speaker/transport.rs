//! What a connection needs of its socket. The speaker says it, the driver does it.

use super::{NeighborConfig, Speaker};
use crate::session::ConnectMode;
use crate::wire::Asn;
use std::fmt;

/// Longest TCP MD5 password in octets: what Linux takes (`TCP_MD5SIG_MAXKEYLEN`).
pub const PASSWORD_LIMIT: usize = 80;

/// A TCP MD5 password (RFC 2385). Debug does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Password(String);

impl Password {
    /// Any text; [`super::Speaker::add_neighbor`] refuses one that is empty or over [`PASSWORD_LIMIT`] octets.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    /// The key.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn is_good(&self) -> bool {
        (1..=PASSWORD_LIMIT).contains(&self.0.len())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Options of one connection's socket. The default asks for nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TransportOptions {
    /// TTL, or hop limit, of what is sent.
    pub ttl: Option<u8>,
    /// Packets with a lower TTL are dropped (RFC 5082).
    pub minimum_ttl: Option<u8>,
    /// TCP MD5 signatures.
    pub password: Option<Password>,
    /// The interface to use.
    pub interface: Option<String>,
}

impl NeighborConfig {
    pub(super) fn transport_options(&self, local_asn: Asn) -> TransportOptions {
        let (ttl, minimum_ttl) = match (self.ttl_security, self.multihop) {
            // RFC 5082 §3: sent with 255, and each router on the way takes one off.
            (true, hops) => (Some(u8::MAX), Some(u8::MAX - (hops.unwrap_or(1).max(1) - 1))),
            (false, Some(hops)) => (Some(hops.max(1)), None),
            (false, None) if self.asn != local_asn => (Some(1), None),
            (false, None) => (None, None),
        };
        TransportOptions { ttl, minimum_ttl, password: self.password.clone(), interface: self.interface.clone() }
    }
}

impl Speaker {
    /// The lowest TTL that a neighbour's packets may have on listening sockets, if all neighbours of the address family
    /// that may connect have TTL security (RFC 5082): then nothing from further away reaches a connection, however new
    /// it is.
    pub fn accepted_ttl(&self, ipv4: bool) -> Option<u8> {
        let named = self.neighbors.values().filter(|neighbor| neighbor.range.is_none());
        let named = named.map(|neighbor| &neighbor.config).filter(|config| config.address.is_ipv4() == ipv4);
        let ranges = self.config.dynamic.iter().filter(|range| range.prefix.addr().is_ipv4() == ipv4);
        let configs = named.chain(ranges.map(|range| &range.template));
        let accepted = configs.filter(|config| config.mode != ConnectMode::Active);
        // One without makes all of it `None`, which is below every number.
        accepted.map(|config| config.transport_options(self.config.asn).minimum_ttl).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speaker::SpeakerConfig;
    use crate::wire::RouterId;
    use net::Time;

    #[test]
    fn listening_sockets_ask_for_a_ttl_where_all_who_may_connect_have_ttl_security() {
        let neighbor = |address: &str, ttl_security, multihop| NeighborConfig {
            ttl_security,
            multihop,
            ..NeighborConfig::new(address.parse().unwrap(), Asn(65002))
        };
        let active = |config| NeighborConfig { mode: ConnectMode::Active, ..config };
        let (near, far) = (neighbor("192.0.2.2", true, None), neighbor("192.0.2.3", true, Some(3)));
        let (open, sixth) = (neighbor("192.0.2.4", false, None), neighbor("2001:db8::2", true, Some(2)));
        for (neighbors, ipv4, ipv6) in [
            (vec![], None, None),
            (vec![near.clone()], Some(255), None),
            (vec![near.clone(), far.clone(), sixth.clone()], Some(253), Some(254)),
            (vec![near.clone(), open.clone(), sixth], None, Some(254)),
            (vec![near, active(open)], Some(255), None),
        ] {
            let config = SpeakerConfig { neighbors, ..SpeakerConfig::new(Asn(65001), RouterId::from_u32(1)) };
            let speaker = Speaker::new(config, Time::ZERO).unwrap();
            assert_eq!((speaker.accepted_ttl(true), speaker.accepted_ttl(false)), (ipv4, ipv6));
        }
    }

    #[test]
    fn ttl_follows_from_the_kind_of_neighbour_and_the_hops_up_to_it() {
        let external = NeighborConfig::new("192.0.2.2".parse().unwrap(), Asn(65002));
        let ttl = |config: &NeighborConfig, asn| {
            let options = config.transport_options(Asn(asn));
            (options.ttl, options.minimum_ttl)
        };
        assert_eq!(ttl(&external, 65001), (Some(1), None));
        assert_eq!(ttl(&external, 65002), (None, None), "internal");
        let far = NeighborConfig { multihop: Some(3), ..external.clone() };
        assert_eq!(ttl(&far, 65001), (Some(3), None));
        assert_eq!(ttl(&NeighborConfig { ttl_security: true, ..far }, 65001), (Some(255), Some(253)));
        assert_eq!(ttl(&NeighborConfig { ttl_security: true, ..external }, 65001), (Some(255), Some(255)));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", Password::new("secret")).contains("secret"));
        assert!(!Password::new("").is_good() && !Password::new("x".repeat(81)).is_good());
    }
}
