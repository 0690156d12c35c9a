//! The routing tables: announcements, withdrawals, sessions that come and go, refreshes, restarts, policies, slices of work. What they
//! say is what a naive model says; see it for how octets are read.
#![no_main]

#[path = "../../../bgp/tests/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| model::run(octets));
