//! Network topology: LLDP codec, link discovery, hosts and the network snapshot.
#![forbid(unsafe_code)]
