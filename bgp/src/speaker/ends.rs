//! Who is at the ends of a connection, for recordings.

use super::{ConnectionId, Speaker};
use crate::mrt::{RecordedEnds, RecordedTerms};
use std::net::IpAddr;

impl ConnectionId {
    /// The number by itself.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Speaker {
    /// The ends of a connection, if it is there.
    pub fn connection_ends(&self, id: ConnectionId) -> Option<RecordedEnds> {
        let connection = self.connections.get(&id)?;
        let session = self.neighbors.get(&connection.neighbor).and_then(|neighbor| neighbor.session.as_ref());
        let terms = session.filter(|session| session.connection == id).map(|session| RecordedTerms {
            four_octet_as: session.negotiated.decode.four_octet_as,
            add_path: !session.negotiated.decode.add_path.is_empty(),
        });
        Some(RecordedEnds { local: connection.local, terms, ..self.neighbor_ends(connection.neighbor)? })
    }

    /// The ends of a neighbour's session.
    pub fn neighbor_ends(&self, neighbor: IpAddr) -> Option<RecordedEnds> {
        let found = self.neighbors.get(&neighbor)?;
        let neighbor_asn = self.neighbor_asn(neighbor);
        let (local_asn, _) = found.config.local_asn(&self.config, neighbor_asn);
        let local = found.session.as_ref().and_then(|session| session.local_address);
        let add_path_receive = found.config.add_path_receive;
        Some(RecordedEnds { neighbor, local, neighbor_asn, local_asn, add_path_receive, terms: None })
    }
}
