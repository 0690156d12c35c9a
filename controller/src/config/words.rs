//! The small languages inside values: durations and OVS's connection words. Also the nearest known word to a mistyped one.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::types::{CertificateName, Config, Connect, Listen};

/// Longest path of a Unix socket: `sun_path` has 108 octets and ends in a zero (Linux `unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// Reads `300ms`, `90s`, `5m`, `1h`. Without a unit only zero is a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!("`{text}` is not a duration: write a number and a unit, such as 300ms, 90s or 5m"));
    }
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is too long a time"))?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "" if number == 0 => Some(Duration::ZERO),
        "" => return Err(format!("`{text}` has no unit: did you mean {text}s or {text}ms?")),
        _ if unit.starts_with('.') => {
            return Err(format!(
                "`{text}` is not a whole number of units: write the time in a smaller unit (ms, s, m, h)"
            ));
        }
        _ => return Err(format!("`{text}` is not a duration: one number and one of the units ms, s, m, h")),
    }
    .ok_or_else(|| format!("`{text}` is too long a time"))
}

/// Writes a duration in the largest unit that leaves a whole number.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

/// Reads `ptcp:[PORT][:HOST]`, `pssl:[PORT][:HOST]`, `punix:PATH` (ovsdb(7), "Passive Connection Methods").
pub(super) fn listen(text: &str) -> Result<Listen, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    match word {
        "ptcp" => Ok(Listen::Tcp(port_and_host(text, rest)?)),
        "pssl" => Ok(Listen::Ssl(port_and_host(text, rest)?)),
        "punix" => socket_path(text, rest).map(Listen::Unix),
        "tcp" | "ssl" | "unix" => Err(format!(
            "`{text}` connects to a switch and belongs to openflow.connect; to wait for switches write p{word}:… (a p for passive)"
        )),
        _ => Err(format!("`{text}` is not ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH")),
    }
}

fn port_and_host(text: &str, rest: &str) -> Result<SocketAddr, String> {
    let (port, host) = match rest.split_once(':') {
        Some((port, host)) => (port, Some(host)),
        None => (rest, None),
    };
    let port = match port {
        "" => Config::OPENFLOW_PORT,
        _ => number(port).ok_or_else(|| {
            let form = if host.is_some() { " (the port comes before the host: ptcp:PORT:HOST)" } else { "" };
            format!("`{port}` in `{text}` is not a port, 0 to 65535{form}")
        })?,
    };
    let Some(host) = host else {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    };
    let address = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').and_then(|inside| inside.parse().ok()).map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    };
    address.map(|address| SocketAddr::new(address, port)).ok_or_else(|| {
        let hint = match host.parse::<Ipv6Addr>() {
            Ok(_) => format!("an IPv6 address stands in brackets: [{host}]"),
            Err(_) => "expected an IPv4 address, or an IPv6 address in brackets; names are not looked up".to_owned(),
        };
        format!("`{host}` in `{text}` is not a host: {hint}")
    })
}

/// Reads `tcp:HOST[:PORT]`, `ssl:HOST[:PORT]`, `unix:PATH` (ovsdb(7), "Active Connection Methods").
pub(super) fn connect(text: &str) -> Result<Connect, String> {
    connect_to(text, Config::OPENFLOW_PORT, "waits for switches and belongs to openflow.listen")
}

/// The same with another usual port. `passive` says what the passive forms are.
pub(super) fn connect_to(text: &str, port: u16, passive: &str) -> Result<Connect, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    match word {
        "tcp" => host_and_port(text, rest, port).map(Connect::Tcp),
        "ssl" => host_and_port(text, rest, port).map(Connect::Ssl),
        "unix" => socket_path(text, rest).map(Connect::Unix),
        "ptcp" | "pssl" | "punix" => {
            let active = word.trim_start_matches('p');
            Err(format!("`{text}` {passive}; to connect to one write {active}:…"))
        }
        _ => Err(format!("`{text}` is not tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH")),
    }
}

fn host_and_port(text: &str, rest: &str, port: u16) -> Result<SocketAddr, String> {
    let with_port = format!("{rest}:{port}");
    match rest.parse::<SocketAddr>().or_else(|_| with_port.parse()) {
        Ok(address) if address.port() == 0 => Err(format!("`{text}`: nobody can be reached at port 0")),
        Ok(address) if address.ip().is_unspecified() => Err(format!("`{text}`: {} is no host", address.ip())),
        Ok(address) => Ok(address),
        Err(_) if rest.parse::<Ipv6Addr>().is_ok() => {
            Err(format!("`{text}`: an IPv6 address stands in brackets: [{rest}]"))
        }
        Err(_) => Err(format!("`{rest}` in `{text}` is not an address and a port, names are not looked up")),
    }
}

fn socket_path(text: &str, path: &str) -> Result<PathBuf, String> {
    match path {
        "" => Err(format!("`{text}` lacks the path: write {text}/path/to/socket")),
        _ if path.len() > MAX_SOCKET_PATH => {
            Err(format!("the socket's path has {} octets, the system takes {MAX_SOCKET_PATH}", path.len()))
        }
        _ if path.contains('\0') => Err("the socket's path holds a zero octet".to_owned()),
        _ => Ok(PathBuf::from(path)),
    }
}

/// Octets of a SHA-256 digest.
const DIGEST: usize = 32;
/// Longest name of a certificate that is looked for: a URI fits.
const MAX_CERTIFICATE_NAME: usize = 255;

/// Reads `sha256:HEX`, with colons and capitals as OpenSSL prints it or without, or a name.
pub(super) fn certificate(text: &str) -> Result<CertificateName, String> {
    let Some(hex) = text.strip_prefix("sha256:") else {
        return match text {
            _ if text.is_empty() || text.len() > MAX_CERTIFICATE_NAME || text.chars().any(char::is_control) => {
                Err(format!("not a certificate's name: 1 to {MAX_CERTIFICATE_NAME} characters"))
            }
            _ => Ok(CertificateName::Name(text.to_owned())),
        };
    };
    let digits: String = hex.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    if digits.len() != DIGEST * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("`sha256:` is followed by {} hex digits, found {}", DIGEST * 2, digits.chars().count()));
    }
    Ok(CertificateName::Fingerprint(format!("sha256:{digits}")))
}

/// Reads `HOST:PORT`, an IPv6 host in brackets.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let hint = if text.parse::<IpAddr>().is_ok() || text.starts_with('[') && text.ends_with(']') {
        format!("`{text}` lacks the port")
    } else if text.starts_with(':') && number::<u16>(text.trim_start_matches(':')).is_some() {
        format!("`{text}` lacks the address: for all addresses write [::]{text}")
    } else {
        format!("`{text}` is not an address and port; names are not looked up")
    };
    Err(format!("{hint}: expected ADDRESS:PORT, such as 127.0.0.1:9653 or [::1]:9653"))
}

/// Whether `text` may be the name of a set or a policy.
pub(super) fn is_name(text: &str) -> bool {
    /// A name stands in messages and in lists.
    const MAX_NAME: usize = 64;
    let part = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    text.len() <= MAX_NAME
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.as_bytes().iter().all(part)
}

/// A plain decimal number: no sign, no spaces.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The known word that `text` was probably meant to be.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Nothing in the schema is longer; comparing more is a waste.
    const MAX_WORD: usize = 64;
    if text.len() > MAX_WORD {
        return None;
    }
    let folded = text.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|word| (distance(&folded, &word.to_lowercase().replace('-', "_")), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edits (insert, remove, replace, swap of neighbours) from `a` to `b`: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_are_shown() {
        for text in ["0s", "300ms", "90s", "5m", "2h", "1500ms"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn bare_numbers_get_a_hint() {
        assert_eq!(duration("300").unwrap_err(), "`300` has no unit: did you mean 300s or 300ms?");
        assert_eq!(duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn odd_durations_are_refused() {
        for bad in
            ["", "s", "-1s", "1.5s", "1 s", "1m30s", "3d", "18446744073709551615h", "99999999999999999999s", "５s"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listen_words_read_as_they_print() {
        for text in ["ptcp:6653:[::]", "pssl:6654:127.0.0.1", "ptcp:0:[::1]", "punix:/run/x.sock"] {
            assert_eq!(listen(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_listen_word_without_host_means_all_addresses_and_without_port_6653() {
        assert_eq!(listen("ptcp:1").unwrap().to_string(), "ptcp:1:[::]");
        assert_eq!(listen("ptcp:").unwrap().to_string(), "ptcp:6653:[::]");
        assert_eq!(listen("pssl").unwrap().to_string(), "pssl:6653:[::]");
    }

    #[test]
    fn bad_listen_words_say_why() {
        let cases = [
            ("tcp:6653", "a p for passive"),
            ("ptcp:127.0.0.1:6653", "the port comes before the host"),
            ("ptcp:6653:::1", "stands in brackets: [::1]"),
            ("ptcp:6653:localhost", "names are not looked up"),
            ("ptcp:65536", "0 to 65535"),
            ("ptcp:+1", "0 to 65535"),
            ("punix:", "lacks the path"),
            ("6653", "is not ptcp:"),
        ];
        for (text, part) in cases {
            let message = listen(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(listen(&format!("punix:/{}", "x".repeat(107))).unwrap_err().contains("108 octets"));
    }

    #[test]
    fn connect_words_read_as_they_print_and_take_the_usual_port() {
        for text in ["tcp:192.0.2.1:6634", "ssl:[2001:db8::1]:6653", "unix:/run/openvswitch/br0.ctl"] {
            assert_eq!(connect(text).unwrap().to_string(), text);
        }
        assert_eq!(connect("tcp:192.0.2.1").unwrap().to_string(), "tcp:192.0.2.1:6653");
        assert_eq!(connect("ssl:[::1]").unwrap().to_string(), "ssl:[::1]:6653");
    }

    #[test]
    fn bad_connect_words_say_why() {
        let cases = [
            ("ptcp:6653", "belongs to openflow.listen"),
            ("tcp:::1", "stands in brackets: [::1]"),
            ("tcp:switch.example:6653", "names are not looked up"),
            ("tcp:192.0.2.1:0", "port 0"),
            ("tcp:0.0.0.0:6653", "is no host"),
            ("tcp:", "names are not looked up"),
            ("unix:", "lacks the path: write unix:/path"),
            ("6653", "is not tcp:"),
        ];
        for (text, part) in cases {
            let message = connect(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn certificates_are_names_or_fingerprints_as_openssl_prints_them() {
        let digest = "ab".repeat(32);
        let expected = Ok(CertificateName::Fingerprint(format!("sha256:{digest}")));
        assert_eq!(certificate(&format!("sha256:{digest}")), expected);
        assert_eq!(certificate(&format!("sha256:{}", ["AB"; 32].join(":"))), expected);
        assert_eq!(certificate("s1"), Ok(CertificateName::Name("s1".to_owned())));
        for bad in ["", "sha256:", "sha256:abc", &format!("sha256:{}", "g".repeat(64)), "a\nb"] {
            assert!(certificate(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("neighbours", ["neighbors", "listen"]), Some("neighbors"));
        assert_eq!(nearest("hold-time", ["hold_time", "port"]), Some("hold_time"));
        assert_eq!(nearest("prot", ["port"]), Some("port"));
        assert_eq!(nearest("color", ["port", "asn", "passive"]), None);
        assert_eq!(nearest("", ["asn"]), None);
    }
}
