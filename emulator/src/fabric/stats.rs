//! Counters of a fabric.

/// Totals over the whole fabric. Every counter only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FabricStats {
    /// Probes handed in.
    pub probes_sent: u64,
    /// Probes that arrived.
    pub probes_delivered: u64,
    /// Probes given up.
    pub probes_lost: u64,
    /// Arrivals of probes that had arrived before.
    pub probes_duplicated: u64,
    /// Arrivals of probes that had been given up.
    pub probes_late: u64,
    /// Frames that reached the other end of a link.
    pub frames_delivered: u64,
    /// Frames that were lost on a link that was cut.
    pub frames_cut: u64,
    /// Frames dropped because they had made more hops than a loop-free path has.
    pub looped_frames: u64,
    /// Frames dropped because too many were in flight.
    pub frames_overflowed: u64,
    /// Frames that a switch sent to a port with nothing plugged in.
    pub frames_unplugged: u64,
}

/// Counters of a link, per direction: `[a to b, b to a]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkStats {
    /// Frames that reached the other end.
    pub frames: [u64; 2],
    /// Octets in them.
    pub octets: [u64; 2],
    /// Frames lost because the link was cut.
    pub cut: [u64; 2],
}

/// Counters of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostStats {
    /// Frames that reached it, also those for others.
    pub received: u64,
    /// Frames for its own MAC address or a group address that it listens to.
    pub accepted: u64,
    /// Frames that it sent.
    pub sent: u64,
    /// Frames of its own that came back to it.
    pub echoed: u64,
}
