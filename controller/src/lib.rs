//! The Trunkline controller: core, paths, flow funnel, applications, configuration and the trunkline binary.
#![deny(unsafe_code)]

pub mod cli;
pub mod config;
pub mod decode;
pub mod demo;
pub mod http;
pub mod run;
