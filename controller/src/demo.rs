//! `trunkline demo`: the controller with an emulated network around it.

use std::error::Error;

/// How to run the demonstration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DemoOptions {
    /// One scenario in bounded time with a summary, instead of for ever.
    pub once: bool,
    /// The seed of everything random.
    pub seed: u64,
}

/// Runs the demonstration.
///
/// # Errors
/// What kept it from starting, or, with `once`, what did not go as it should.
pub fn demo(options: DemoOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let _ = options;
    Err("this build has no demonstration: the emulated network is missing".into())
}
