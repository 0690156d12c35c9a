//! A relay between a switch and the controller that looks at one thing: the TLS version in the server's hello (RFC 8446 §4.1.3).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::report::Fail;

/// A version that both sides have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsVersion {
    V1_2,
    V1_3,
    Other(u16),
}

/// Passes octets on until the process ends.
pub struct Relay {
    last: Arc<Mutex<Option<TlsVersion>>>,
}

impl Relay {
    /// Listens at `from` and connects each caller to `to`.
    pub fn start(from: &str, to: &'static str) -> Result<Relay, Fail> {
        let listener = TcpListener::bind(from).map_err(|error| format!("{from}: {error}"))?;
        let last = Arc::new(Mutex::new(None));
        let noted = last.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(to) else { continue };
                let (Ok(caller_reads), Ok(server_reads)) = (caller.try_clone(), server.try_clone()) else { continue };
                let noted = noted.clone();
                std::thread::spawn(move || pass(caller_reads, server, |_| ()));
                std::thread::spawn(move || {
                    pass(server_reads, caller, |first| {
                        if let Ok(mut last) = noted.lock() {
                            *last = server_hello_version(first);
                        }
                    });
                });
            }
        });
        Ok(Relay { last })
    }

    /// What the last server's hello chose.
    pub fn last_version(&self) -> Option<TlsVersion> {
        self.last.lock().ok().and_then(|last| *last)
    }
}

/// Copies one direction to its end, and shows the first octets.
fn pass(mut from: TcpStream, mut to: TcpStream, look: impl FnOnce(&[u8])) {
    let mut buffer = [0; 16384];
    let mut look = Some(look);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(look) = look.take() {
            look(&buffer[..count]);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// The version of a server's hello: what `supported_versions` says, else its old field.
fn server_hello_version(octets: &[u8]) -> Option<TlsVersion> {
    // Record: type 22, version, length; handshake: type 2, length; then version, random, session id, cipher suite, compression.
    let hello = octets.get(5..).filter(|_| octets.first() == Some(&22))?;
    if hello.first() != Some(&2) {
        return None;
    }
    let number = |at: usize| Some(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?]));
    let mut version = number(4)?;
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*hello.get(at)?) + 2 + 1 + 2;
    while let (Some(kind), Some(length)) = (number(at), number(at + 2)) {
        if kind == 43 {
            version = number(at + 4)?;
            break;
        }
        at += 4 + usize::from(length);
    }
    Some(match version {
        0x0303 => TlsVersion::V1_2,
        0x0304 => TlsVersion::V1_3,
        other => TlsVersion::Other(other),
    })
}
