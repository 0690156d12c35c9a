//! The socket options that no safe crate offers: TTL of both directions, TCP MD5 signatures, and the interface. Linux.
//!
//! One function is `unsafe` inside: it hands a slice and its length to `setsockopt`, which copies it. What the octets
//! mean is put together in safe code.
#![allow(unsafe_code)]

use crate::speaker::{Password, TransportOptions};
use net::Prefix;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct tcp_md5sig` of `linux/tcp.h`: `sockaddr_storage`, flags, prefix length, key length, interface, key.
const MD5_SIZE: usize = 128 + 1 + 1 + 2 + 4 + 80;
/// `TCP_MD5SIG_EXT`: TCP_MD5SIG with a prefix length (Linux 4.13).
const TCP_MD5SIG_EXT: libc::c_int = 32;
/// `TCP_MD5SIG_FLAG_PREFIX`.
const MD5_FLAG_PREFIX: u8 = 1;
/// `IP_MINTTL`.
const IP_MINTTL: libc::c_int = 21;
/// `IPV6_MINHOPCOUNT`.
const IPV6_MINHOPCOUNT: libc::c_int = 73;

/// Sets what `options` ask for on the socket of one connection with `peer`.
pub(super) fn apply(socket: BorrowedFd<'_>, peer: IpAddr, options: &TransportOptions) -> io::Result<()> {
    if let Some(ttl) = options.ttl {
        set_ttl(socket, peer, ttl)?;
    }
    // An accepted connection has what its listening socket had: without a limit of its own it is to have none.
    set_minimum_ttl(socket, peer, options.minimum_ttl)?;
    if let Some(interface) = &options.interface {
        set(socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, interface.as_bytes())?;
    }
    Ok(())
}

/// Packets from addresses of `peer`'s family with a lower TTL, or hop limit, are dropped (RFC 5082); `None`: none are.
pub(super) fn set_minimum_ttl(socket: BorrowedFd<'_>, peer: IpAddr, minimum: Option<u8>) -> io::Result<()> {
    let value = i32::from(minimum.unwrap_or(0)).to_ne_bytes();
    match peer.to_canonical() {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, IP_MINTTL, &value),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, &value),
    }
}

/// TTL, or hop limit, of what is sent to `peer`.
pub(super) fn set_ttl(socket: BorrowedFd<'_>, peer: IpAddr, ttl: u8) -> io::Result<()> {
    let value = i32::from(ttl).to_ne_bytes();
    match peer.to_canonical() {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_TTL, &value),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, &value),
    }
}

/// Segments from and to `peers` carry signatures by `password`; without one, no longer (RFC 2385). `ipv6`: the socket
/// is an IPv6 one, which knows IPv4 neighbours by their mapped addresses.
pub(super) fn set_password(
    socket: BorrowedFd<'_>,
    peers: Prefix,
    password: Option<&Password>,
    ipv6: bool,
) -> io::Result<()> {
    let octets = signature(peers, password.map_or(&[], Password::as_bytes), ipv6);
    set(socket, libc::IPPROTO_TCP, TCP_MD5SIG_EXT, &octets)
}

fn signature(peers: Prefix, key: &[u8], ipv6: bool) -> [u8; MD5_SIZE] {
    let address = match peers.addr() {
        IpAddr::V4(address) if ipv6 => IpAddr::V6(address.to_ipv6_mapped()),
        address => address,
    };
    let mut octets = Vec::with_capacity(MD5_SIZE);
    match address {
        IpAddr::V4(address) => {
            octets.extend_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            octets.extend_from_slice(&[0; 2]); // the port matters to nobody
            octets.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            octets.extend_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            octets.extend_from_slice(&[0; 6]); // port and flow information
            octets.extend_from_slice(&address.octets());
        }
    }
    octets.resize(128, 0);
    // A mapped prefix has the length of the IPv4 one.
    octets.extend_from_slice(&[MD5_FLAG_PREFIX, peers.len()]);
    octets.extend_from_slice(&u16::try_from(key.len()).unwrap_or_default().to_ne_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(key);
    octets.resize(MD5_SIZE, 0);
    let mut whole = [0; MD5_SIZE];
    whole.copy_from_slice(&octets);
    whole
}

fn set(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: `value` is `length` readable octets for the whole call, the kernel only reads them and keeps no pointer;
    // the descriptor is open, since it is borrowed.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_the_layout_of_the_kernels_structure() {
        let octets = signature("192.0.2.0/24".parse().unwrap(), b"secret", false);
        assert_eq!(octets[..8], [2, 0, 0, 0, 192, 0, 2, 0], "AF_INET, port, address");
        assert_eq!(octets[128..136], [1, 24, 6, 0, 0, 0, 0, 0]);
        assert_eq!(&octets[136..143], b"secret\0");
        let mapped = signature("192.0.2.0/24".parse().unwrap(), b"", true);
        assert_eq!(mapped[..2], [10, 0], "AF_INET6");
        assert_eq!(mapped[18..24], [0xff, 0xff, 192, 0, 2, 0]);
        assert_eq!(mapped[129], 24);
    }
}
