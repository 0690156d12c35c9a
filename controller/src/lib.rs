//! The Trunkline controller: core, paths, flow funnel, applications, configuration and the trunkline binary.
#![deny(unsafe_code)]

pub mod config;
