//! Emulated networks under virtual time.

mod chaos;
mod common;
mod fabric;
mod router;
