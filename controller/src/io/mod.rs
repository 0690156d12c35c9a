//! The I/O shell: sockets, TLS, clock and threads. Everything that decides is elsewhere.

pub mod clock;
pub mod control;
pub mod fabric;
pub mod listen;
pub mod ovsdb;
pub mod record;
pub mod tls;
