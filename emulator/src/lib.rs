//! An emulated network: software switches, links, hosts and BGP routers on one clock and one seed.
//!
//! Everything is pure: [`Fabric`] is driven by the five verbs, under virtual time in tests and over real connections by a driver that
//! moves octets. The same seed and the same inputs at the same times give the same frames, events and counters.
#![forbid(unsafe_code)]

pub mod fabric;
mod host;
pub mod probe;
mod queue;
mod random;
pub mod router;
pub mod shape;
pub mod spec;

pub use fabric::{CutKind, Fabric, FabricEvent, FabricStats, HostStats, LinkStats};
pub use probe::{ProbeId, ProbeKind, ProbeLoss};
pub use router::{GeneratedRoute, Router, RouterConfig};
pub use shape::Shape;
pub use spec::{FabricSpec, HostIndex, HostSpec, LinkIndex, LinkSpec, SwitchSpec};
