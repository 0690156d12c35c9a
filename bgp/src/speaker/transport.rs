//! What a connection needs of its socket. The speaker says it, the driver does it.

use super::NeighborConfig;
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

#[cfg(test)]
mod tests {
    use super::*;

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
