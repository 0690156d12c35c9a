//! Listening sockets: bound before anything starts, so that a port in use is a clear error and not a half-started controller.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;

/// Connections that wait in the kernel until the controller takes them.
const BACKLOG: i32 = 4_096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP; TLS is told by its first octet.
    Tcp(TcpListener),
    /// TCP with TLS only.
    Ssl(TcpListener),
    /// A Unix socket, removed at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Bind; the error says the address and what to do about it.
    pub fn bind(listen: &Listen) -> Result<Listener, String> {
        match listen {
            Listen::Tcp(address) => bind_tcp(*address).map(Listener::Tcp),
            Listen::Ssl(address) => bind_tcp(*address).map(Listener::Ssl),
            Listen::Unix(path) => bind_unix(path).map(|listener| Listener::Unix(listener, path.clone())),
        }
    }

    /// The TCP address, with the port that the system has chosen.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) | Listener::Ssl(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }
}

/// Bind a TCP listener. `[::]` takes IPv4 too, and is `0.0.0.0` where the system has no IPv6.
pub fn bind_tcp(address: SocketAddr) -> Result<TcpListener, String> {
    let result = match listener(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            listener(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        result => result,
    };
    result.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "cannot listen on {address}: the port is in use (who has it: ss -ltnp 'sport = :{}')",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen on {address}: {error} (ports below 1024 need root or CAP_NET_BIND_SERVICE)")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

fn no_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT, EADDRNOTAVAIL: no IPv6 in the kernel, or none enabled.
    matches!(error.raw_os_error(), Some(97 | 99))
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_unix(path: &PathBuf) -> Result<UnixListener, String> {
    let at = path.display();
    // A socket that nobody listens on is left over from a run that was killed.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(format!("cannot listen on {at}: another process is listening there"));
    }
    if path.exists() {
        use std::os::unix::fs::FileTypeExt;
        let is_socket = path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
        if !is_socket {
            return Err(format!("cannot listen on {at}: there is a file that is not a socket"));
        }
        std::fs::remove_file(path).map_err(|error| format!("cannot replace the old socket {at}: {error}"))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| format!("cannot listen on {at}: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| format!("cannot listen on {at}: {error}"))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_in_the_error() {
        let first = bind_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind_tcp(address).unwrap_err();
        assert!(error.contains("in use") && error.contains(&address.to_string()), "{error}");
    }
}
