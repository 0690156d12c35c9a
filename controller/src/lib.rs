//! The Trunkline controller.
//!
//! ```text
//! io (sockets, TLS, clock) ──► core ──► topology ──► path ──► app ──► flow ──► core ──► io
//! ```
//! `core` is sans-IO and knows everybody; `path`, `flow` and `app` are pure parts of it; `config`, `cli`, `decode` and `http` are
//! what users touch.
#![deny(unsafe_code)]

pub mod app;
pub mod config;
pub mod core;
pub mod flow;
pub mod io;
pub mod path;
