//! Bit rates and latencies as people write and read them.

use std::time::Duration;

/// A bit rate for people: `800 Mbit/s`, `2.5 Gbit/s`.
pub fn bandwidth_text(kbps: u64) -> String {
    match kbps {
        0..1_000 => format!("{kbps} kbit/s"),
        1_000..1_000_000 => format!("{} Mbit/s", kbps as f64 / 1e3),
        _ => format!("{} Gbit/s", kbps as f64 / 1e6),
    }
}

/// A latency for people: `7.2 ms`, `35 µs`.
pub fn latency_text(latency: Duration) -> String {
    match latency.as_micros() {
        0..1_000 => format!("{} µs", latency.as_nanos() as f64 / 1e3),
        1_000..1_000_000 => format!("{} ms", latency.as_micros() as f64 / 1e3),
        _ => format!("{} s", latency.as_millis() as f64 / 1e3),
    }
}

/// Bits a second with a suffix of `k`, `M`, `G` or `T`, in kbit/s, rounded up.
pub fn parse_kbps(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix(['k', 'K', 'M', 'G', 'T']).zip(text.chars().last()) {
        Some((digits, 'k' | 'K')) => (digits, 1.0),
        Some((digits, 'M')) => (digits, 1e3),
        Some((digits, 'G')) => (digits, 1e6),
        Some((digits, _)) => (digits, 1e9),
        None => (text, 1e-3),
    };
    let kbps = number(digits)? * factor;
    (kbps <= u64::MAX as f64).then_some(kbps.ceil() as u64)
}

/// A number of `us`, `ms` or `s`.
pub fn parse_latency(text: &str) -> Option<Duration> {
    let units = [("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (digits, nanoseconds) = units.iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, ns)))?;
    let total = (number(digits)? * nanoseconds).round();
    (total <= u64::MAX as f64).then(|| Duration::from_nanos(total as u64))
}

/// A decimal number that is not negative: no signs, exponents, infinities.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_latencies_are_read_with_their_units() {
        assert_eq!(
            ["1500", "64k", "100M", "2.5G", "1T"].map(parse_kbps),
            [2, 64, 100_000, 2_500_000, 1_000_000_000].map(Some)
        );
        assert_eq!(["", "M", "1e9G", "-1M", "infG", "1.2.3k", "µ"].map(parse_kbps), [None; 7]);
        let read = ["300us", "35µs", "0.8ms", "2s"].map(parse_latency);
        assert_eq!(read, [300, 35, 800, 2_000_000].map(|us| Some(Duration::from_micros(us))));
        assert_eq!(["5", "ms", "-1ms", "99999999999999999999s", "NaNs"].map(parse_latency), [None; 5]);
    }
}
