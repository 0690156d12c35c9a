//! The whole-system simulator: the real controller core against the emulated fabric, on one virtual clock and one seed.
//!
//! The control network delivers octets after a latency; nothing else connects the two. A run is a function of its seed.
#![forbid(unsafe_code)]

pub mod simulator;

pub use simulator::{Simulator, SimulatorOptions, Stopwatch};
