//! An emulated network: software switches, links, hosts and BGP routers on one clock and one seed.
#![forbid(unsafe_code)]
