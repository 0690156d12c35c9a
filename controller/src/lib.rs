//! The Trunkline controller.
//!
//! ```text
//! io (sockets, TLS, clock) ──► core ──► topology ──► path ──► app ──► flow ──► core ──► io
//! ```
//! `core` is sans-IO and knows everybody; `path`, `flow` and `app` are pure parts of it; `verdict` asks `verify` about a configuration;
//! `reservations` follows the network with a ledger; `service` runs it in threads; `config`, `cli`,
//! `api`, `decode` and `http` are what users touch.
#![deny(unsafe_code)]

pub mod api;
pub mod app;
pub mod apply;
pub mod bench;
pub mod capture;
pub mod cli;
pub mod config;
pub mod core;
pub mod decode;
pub mod demo;
pub mod flow;
pub mod history;
pub mod http;
pub mod io;
pub mod path;
pub mod pki;
pub mod plan;
pub mod reload;
pub mod replay;
pub mod reservations;
pub mod run;
pub mod service;
pub mod trace;
pub mod verdict;
pub mod verify;
