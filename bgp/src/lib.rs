//! BGP-4: wire codec, sans-IO sessions, RIBs, decision process and export.
#![deny(unsafe_code)]

pub mod export;
#[cfg(feature = "tokio")]
pub mod io;
pub mod peer;
pub mod policy;
pub mod rib;
pub mod session;
pub mod speaker;
pub mod wire;
