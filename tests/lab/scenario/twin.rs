//! Two labs at once: neither sees anything of the other.

use std::time::Duration;

use super::Lab;
use crate::process::Daemon;
use crate::report::{Fail, Report};

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?.display().to_string();
    let mut twins = Vec::new();
    for name in ["twin-1", "twin-2"] {
        twins.push(Daemon::start(&lab.directory, name, &[&this, "--short", "--only", "fabric", "--only", "bgp"])?);
    }
    for (number, twin) in twins.iter_mut().enumerate() {
        let outcome = twin.wait(Duration::from_secs(360)).and_then(|status| {
            let output = twin.output();
            let last = output.lines().last().unwrap_or_default().to_owned();
            if status.success() { Ok(last) } else { Err(format!("{status}: {last}")) }
        });
        report.check(&format!("lab {} of two passes", number + 1), outcome);
    }
    Ok(())
}
