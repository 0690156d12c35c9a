//! The configuration file: any text is taken or refused with problems that stand somewhere in it, never with a panic.
#![no_main]

use controller::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Err(problems) = Config::parse(text) else { return };
    assert!(!problems.0.is_empty(), "refused without a reason");
    // A file ends with the line after its last line end.
    let lines = text.chars().filter(|c| ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'].contains(c)).count() + 1;
    for problem in &problems.0 {
        assert!((1..=lines + 1).contains(&problem.line), "line {} of {lines}: {problem}", problem.line);
    }
});
