//! Waiting for a condition, with a deadline. Nothing in the lab sleeps for any other reason.

use std::time::{Duration, Instant};

use crate::report::Fail;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until `condition` is `Ok` or `limit` has passed; then the last reason is the failure.
pub fn until<T>(limit: Duration, mut condition: impl FnMut() -> Result<T, Fail>) -> Result<T, Fail> {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(reason) if start.elapsed() >= limit => {
                return Err(format!("{reason} (waited {:.1} s)", start.elapsed().as_secs_f64()));
            }
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Looks for the whole of `span` and fails as soon as `condition` does: for what must *stay* true.
pub fn throughout(span: Duration, mut condition: impl FnMut() -> Result<(), Fail>) -> Result<(), Fail> {
    let start = Instant::now();
    while start.elapsed() < span {
        condition().map_err(|reason| format!("{reason} after {:.1} s", start.elapsed().as_secs_f64()))?;
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// `Ok` when `right`, else the reason.
pub fn ensure(right: bool, reason: impl FnOnce() -> Fail) -> Result<(), Fail> {
    if right { Ok(()) } else { Err(reason()) }
}
