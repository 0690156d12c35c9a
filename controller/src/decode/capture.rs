//! `trunkline decode openflow` of a capture file: a line per message with its time, its connection and who sent it.

use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::protocol::Protocol;
use super::refuse;
use crate::capture::{Capture, Event};

/// Writes what a capture holds of OpenFlow; returns whether all of it is well-formed and the file could be read to its end.
pub(super) fn decode(protocol: Protocol, input: &[u8], out: &mut dyn Write, err: &mut dyn Write) -> bool {
    let capture = Capture::read(input);
    let mut good = true;
    let mut number = 0;
    for entry in &capture.entries {
        let mut line = Map::new();
        line.insert("time".to_owned(), json!(timestamp(entry.at)));
        let place = |line: &mut Map<String, Value>, connection: usize, from_switch: Option<bool>| {
            line.insert("connection".to_owned(), json!(connection + 1));
            if let Some(from_switch) = from_switch {
                line.insert("from".to_owned(), json!(if from_switch { "switch" } else { "controller" }));
            }
        };
        match &entry.event {
            Event::Opened { connection } => {
                place(&mut line, *connection, None);
                line.insert("event".to_owned(), json!("opened"));
                if let Some(ends) = capture.connections.get(*connection) {
                    line.insert("switch".to_owned(), json!(ends.switch.to_string()));
                    line.insert("controller".to_owned(), json!(ends.controller.to_string()));
                }
            }
            Event::Closed { connection } => {
                place(&mut line, *connection, None);
                line.insert("event".to_owned(), json!("closed"));
            }
            Event::Gap { connection, from_switch, octets } => {
                place(&mut line, *connection, Some(*from_switch));
                line.insert("event".to_owned(), json!("gap"));
                line.insert("octets".to_owned(), json!(octets));
            }
            Event::Message { connection, from_switch, octets } => {
                number += 1;
                place(&mut line, *connection, Some(*from_switch));
                match protocol.decode(octets) {
                    Ok(Value::Object(message)) => line.extend(message),
                    Ok(other) => drop(line.insert("message".to_owned(), other)),
                    Err(error) => {
                        good = false;
                        line.insert("message".to_owned(), json!(number));
                        refuse(out, err, Value::Object(line), &format!("message {number}"), error, &error.to_string());
                        continue;
                    }
                }
            }
            Event::Timer | Event::Finish => continue,
        }
        let _ = match protocol {
            Protocol::OpenflowText => writeln!(out, "{}", text_line(&line)),
            _ => writeln!(out, "{}", Value::Object(line)),
        };
    }
    if capture.dropped > 0 {
        let _ = writeln!(err, "trunkline: {} records are not in the file: the disk was too slow", capture.dropped);
    }
    if capture.connections.is_empty() {
        let _ = writeln!(err, "trunkline: the capture holds no OpenFlow");
        good = false;
    }
    if let Some(error) = capture.error {
        let _ = writeln!(err, "trunkline: the capture cannot be read to its end: {error}");
        good = false;
    }
    good
}

/// Time, connection, sender, and what it is, with a space between each two.
fn text_line(line: &Map<String, Value>) -> String {
    let parts = ["time", "connection", "from", "event", "switch", "controller", "octets", "message"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    parts.iter().filter_map(|part| line.get(*part)).map(text).collect::<Vec<String>>().join(" ")
}

/// A time since 1970 as RFC 3339 writes it, in UTC with nanoseconds.
pub(crate) fn timestamp(at: Duration) -> String {
    let seconds = at.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", at.subsec_nanos())
}

/// Year, month and day of a day since 1970-01-01. Years are counted from March, so that a leap day is the last of its year; 400 years have
/// 146,097 days.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000007Z"),
            (951_782_399, "2000-02-28T23:59:59.000000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000000007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000007Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000000007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000007Z"),
        ] {
            assert_eq!(timestamp(Duration::new(seconds, 7)), text);
        }
    }
}
