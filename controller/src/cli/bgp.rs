//! `trunkline bgp`: questions about the BGP part of a configuration.

mod policy;

use std::io::Write;

use clap::Subcommand;

use super::examples;

#[derive(Debug, Subcommand)]
pub(super) enum BgpCommand {
    /// Policies: what becomes of a route.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bgp policy test --help", "run a route through a policy"),
    ]))]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Run a route through a policy and say which statement decided.
    ///
    /// Nothing is connected: policy and neighbour are read from the configuration file, the route from the command line. Every statement
    /// that looked at the route is listed, with the answer of each of its conditions.
    #[command(after_help = examples(&[
        (
            "trunkline bgp policy test --config net.yaml --neighbor 192.0.2.2 --prefix 198.51.100.0/24 --as-path '65001 65009'",
            "a route from this neighbour, through its import policies",
        ),
        (
            "trunkline bgp policy test --config net.yaml --policy customer-in --prefix 198.51.100.0/24 --community 65001:70",
            "a route through one policy",
        ),
        (
            "trunkline bgp policy test --config net.yaml --neighbor 192.0.2.9 --direction export --prefix 198.51.100.0/24 -o json",
            "would this neighbour be told?",
        ),
    ]))]
    Test(Box<policy::TestArgs>),
}

pub(super) fn run(command: BgpCommand, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match command {
        BgpCommand::Policy(PolicyCommand::Test(arguments)) => policy::test(&arguments, out, err),
    }
}
