//! BGP-4: wire codec, sans-IO sessions, RIBs, decision process and export.
#![deny(unsafe_code)]

pub mod peer;
pub mod session;
pub mod wire;
