//! How commands ask a running process: HTTP over its Unix socket or over TCP, one question per connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::io::control::USUAL_SOCKET;

/// How long the process may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Longest answer: a page of a thousand rules with long matches is far below it.
const ANSWER_OCTETS: u64 = 256 * 1024 * 1024;
/// Where a process without a configuration serves.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9653);

/// Where the process is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum At {
    Address(SocketAddr),
    Socket(PathBuf),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Address(address) => write!(f, "http://{address}"),
            At::Socket(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for At {
    type Err = String;

    /// `ADDRESS:PORT`, or the path of a socket, which has a `/` in it.
    fn from_str(text: &str) -> Result<At, String> {
        match text.parse() {
            Ok(address) => Ok(At::Address(address)),
            Err(_) if text.contains('/') => Ok(At::Socket(PathBuf::from(text))),
            Err(_) => Err("neither ADDRESS:PORT, such as 127.0.0.1:9653, nor the path of a Unix socket".to_owned()),
        }
    }
}

impl At {
    /// The usual socket if a process listens there, else the usual address.
    pub(super) fn usual() -> At {
        match UnixStream::connect(USUAL_SOCKET) {
            Ok(_) => At::Socket(PathBuf::from(USUAL_SOCKET)),
            Err(_) => At::Address(USUAL_ADDRESS),
        }
    }

    /// GETs what is at a path.
    pub(super) fn get(&self, path: &str) -> Result<Value, AskError> {
        self.ask("GET", path)
    }

    /// POSTs to a path, without a body.
    pub(super) fn command(&self, path: &str) -> Result<Value, AskError> {
        self.ask("POST", path)
    }

    fn ask(&self, method: &str, path: &str) -> Result<Value, AskError> {
        let answer = self.answer(method, path).map_err(|error| AskError::NoAnswer(self.no_answer(&error)))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
        if head.starts_with("HTTP/1.1 200") {
            return serde_json::from_str(body)
                .map_err(|error| AskError::Refused(format!("{self} says what is no JSON: {error}")));
        }
        let said = serde_json::from_str::<Value>(body).ok();
        let said = said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str);
        Err(AskError::Refused(match said {
            Some(said) => said.to_owned(),
            None => format!("{self} says {}: {}", head.lines().next().unwrap_or_default(), body.trim()),
        }))
    }

    /// POSTs a body: the status and what is answered. The process may take so long.
    pub(super) fn post(&self, path: &str, body: &str, limit: Duration) -> Result<(u16, String), AskError> {
        let answer = match self {
            At::Address(address) => TcpStream::connect_timeout(address, ANSWER_LIMIT).and_then(|stream| {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                post(stream, &address.to_string(), path, body)
            }),
            At::Socket(socket) => UnixStream::connect(socket).and_then(|stream| {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                post(stream, "localhost", path, body)
            }),
        };
        answer.map_err(|error| AskError::NoAnswer(self.no_answer(&error)))
    }

    fn no_answer(&self, error: &io::Error) -> String {
        let hint = match (self, error.kind()) {
            (At::Socket(_), io::ErrorKind::PermissionDenied) => {
                "only its owner and group may open it: ask as one of them, or with --at ADDRESS:PORT".to_owned()
            }
            (At::Socket(path), _) if !Path::new(path).exists() => {
                "there is no such socket: http.socket says where it is".to_owned()
            }
            (At::Socket(_), _) => "does `trunkline run` run, with this http.socket?".to_owned(),
            (At::Address(_), _) => "does `trunkline run` run, with this http.listen?".to_owned(),
        };
        format!("no answer from {self} ({error}): {hint}")
    }

    fn answer(&self, method: &str, path: &str) -> io::Result<String> {
        match self {
            At::Address(address) => {
                let stream = TcpStream::connect_timeout(address, ANSWER_LIMIT)?;
                stream.set_read_timeout(Some(4 * ANSWER_LIMIT))?;
                stream.set_write_timeout(Some(ANSWER_LIMIT))?;
                exchange(stream, &address.to_string(), method, path)
            }
            At::Socket(socket) => {
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(Some(4 * ANSWER_LIMIT))?;
                stream.set_write_timeout(Some(ANSWER_LIMIT))?;
                exchange(stream, "localhost", method, path)
            }
        }
    }
}

/// One request, one answer: the process is near, and speaks HTTP/1.1.
fn exchange(mut stream: impl Read + Write, host: &str, method: &str, path: &str) -> io::Result<String> {
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_OCTETS).read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
    }
    Ok(answer)
}

/// One request with a body, one answer: status and body.
fn post(mut stream: impl Read + Write, host: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    // Who refuses a body before its end closes: what it has said can still be read.
    let written = stream.write_all(body.as_bytes());
    let mut answer = String::new();
    stream.take(ANSWER_OCTETS).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, written) {
        (Some(status), _) => Ok((status, body.to_owned())),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP")),
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    /// Nobody answers.
    NoAnswer(String),
    /// The process says why not.
    Refused(String),
}

impl AskError {
    pub(super) fn message(self) -> String {
        match self {
            AskError::NoAnswer(message) | AskError::Refused(message) => message,
        }
    }
}

/// A question: a path with parameters, percent-encoded (RFC 3986 §2.1).
pub(super) fn question(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut question = path.to_owned();
    let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (at, (name, value)) in given.enumerate() {
        question.push(if at == 0 { '?' } else { '&' });
        question.push_str(name);
        question.push('=');
        for octet in value.bytes() {
            match octet {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                    question.push(char::from(octet));
                }
                other => question.push_str(&format!("%{other:02X}")),
            }
        }
    }
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_ask_is_an_address_or_the_path_of_a_socket() {
        assert_eq!("127.0.0.1:9653".parse(), Ok(At::Address(USUAL_ADDRESS)));
        assert_eq!("/run/x.sock".parse(), Ok(At::Socket("/run/x.sock".into())));
        assert_eq!("./x.sock".parse(), Ok(At::Socket("./x.sock".into())));
        assert!("localhost".parse::<At>().unwrap_err().contains("neither"));
    }

    #[test]
    fn parameters_that_are_not_given_are_left_out_and_the_others_encoded() {
        let parameters = [("a", None), ("b", Some("x y&z".to_owned())), ("c", Some("02:00::1".to_owned()))];
        assert_eq!(question("/p", &parameters), "/p?b=x%20y%26z&c=02:00::1");
        assert_eq!(question("/p", &[]), "/p");
    }
}
