//! The accept side over real sockets: who gets a place, who waits, who goes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::*;
use crate::io::fabric::{self, FabricHandle, FabricOptions};
use crate::io::listen::bind_tcp;

const LIMIT: Duration = Duration::from_secs(20);
/// Long enough for a thread that has nothing else to do, short beside every limit of these tests.
const A_MOMENT: Duration = Duration::from_millis(400);
const HELLO_MESSAGE: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];
const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

struct Server {
    fabric: Option<FabricHandle>,
    address: SocketAddr,
}

impl Server {
    fn start(limits: AcceptLimits) -> Server {
        let listener = bind_tcp(SocketAddr::from((ONE, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut core = crate::core::CoreConfig::default();
        // Only the whole handshake's limit is to be seen.
        core.channel.handshake_timeout = LIMIT;
        let options = FabricOptions {
            listeners: vec![Listener::Tcp(listener)],
            plain_from: vec!["127.0.0.0/8".parse().unwrap()],
            core,
            limits,
            ..FabricOptions::default()
        };
        Server { fabric: Some(fabric::spawn(options, std::sync::mpsc::channel().0).unwrap()), address }
    }

    fn connect(&self, from: Ipv4Addr) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.into()
    }

    /// A peer that says HELLO and then nothing.
    fn half_open(&self, from: Ipv4Addr) -> TcpStream {
        let mut stream = self.connect(from);
        stream.write_all(&HELLO_MESSAGE).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(fabric) = self.fabric.take() {
            fabric.stop();
        }
    }
}

/// Whether the controller says HELLO within this time.
fn is_served(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    let mut header = [0; 8];
    match stream.read_exact(&mut header) {
        Ok(()) => {
            assert_eq!(header[..2], [4, 0], "a HELLO");
            true
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            false
        }
    }
}

/// How long until the controller ends the connection, whatever it says before.
fn until_closed(stream: &mut TcpStream) -> Duration {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let start = Instant::now();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    start.elapsed()
}

#[test]
fn what_is_no_openflow_ends_at_its_first_octets() {
    let server = Server::start(AcceptLimits { handshake: LIMIT, ..AcceptLimits::default() });
    for opening in [
        &b"GET / HTTP/1.1\r\nHost: controller\r\n\r\n"[..],
        b"G",
        &[0, 0, 0, 8, 0, 0, 0, 1],
        &[4, 2, 0, 8, 0, 0, 0, 1],
        &[4, 0, 0, 7, 0, 0, 0, 1],
    ] {
        let mut stream = server.connect(ONE);
        stream.write_all(opening).unwrap();
        let took = until_closed(&mut stream);
        assert!(took < LIMIT / 4, "{opening:?} took {took:?}");
    }
    assert!(is_served(&mut server.half_open(ONE), LIMIT));
}

#[test]
fn openings_are_judged_by_as_many_octets_as_there_are() {
    for good in [&HELLO_MESSAGE[..], &[1, 0, 0, 8], &[6], &[7, 0], &[4, 0, 4, 0], &[5, 0, 0, 16, 0, 0, 0, 9], &[]] {
        assert_eq!(judge(good), Opening::Openflow, "{good:?}");
    }
    assert_eq!(judge(&[TLS_HANDSHAKE]), Opening::Tls);
    for bad in [&[0][..], &[7], b"SSH-2.0-x", &[7, 22], &[4, 1], &[4, 0, 0, 0]] {
        assert!(matches!(judge(bad), Opening::Foreign(_)), "{bad:?}");
    }
}

/// The types of the messages that the controller answers a HELLO with, until it closes or has asked for the features.
fn answers_to(server: &Server, hello: &[u8]) -> Vec<[u8; 2]> {
    let mut stream = server.connect(ONE);
    stream.write_all(hello).unwrap();
    let mut answers = Vec::new();
    let mut header = [0; 8];
    while answers.last() != Some(&[4, 5]) && stream.read_exact(&mut header).is_ok() {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        stream.read_exact(&mut vec![0; length - 8]).unwrap();
        answers.push([header[0], header[1]]);
    }
    answers
}

#[test]
fn a_hello_is_judged_by_its_bitmap_whatever_its_version_and_its_length() {
    let server = Server::start(AcceptLimits { handshake: LIMIT, ..AcceptLimits::default() });
    let (hello, features_request, error) = ([4, 0], [4, 5], [4, 1]);
    let with_bitmap = |bits: u8| [7, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, bits];
    assert_eq!(answers_to(&server, &with_bitmap(0x90)), [hello, features_request], "1.3 and a later one");
    let refused = answers_to(&server, &with_bitmap(0x80));
    assert!(refused.len() == 2 && refused[0] == hello && refused[1][1] == error[1], "{refused:?}");
    // An element that nobody knows is passed over, and the bitmap is behind it.
    let unknown = [&[0, 99, 0x10, 0][..], &[0; 0x1000 - 4]].concat();
    let long = [&[4, 0, 0x10, 16, 0, 0, 0, 1][..], &unknown, &[0, 1, 0, 8, 0, 0, 0, 0x10]].concat();
    assert_eq!(answers_to(&server, &long), [hello, features_request]);
}

#[test]
fn one_source_does_not_starve_another_and_gets_its_turn_itself() {
    let server =
        Server::start(AcceptLimits { unfinished: 4, per_source: 2, handshake: LIMIT, ..AcceptLimits::default() });
    let mut held: Vec<TcpStream> = (0..2).map(|_| server.half_open(ONE)).collect();
    assert!(held.iter_mut().all(|stream| is_served(stream, LIMIT)));
    let mut more: Vec<TcpStream> = (0..50).map(|_| server.half_open(ONE)).collect();
    assert!(more.iter_mut().take(2).all(|stream| !is_served(stream, A_MOMENT)), "beyond the share");
    assert!(is_served(&mut server.half_open(OTHER), LIMIT), "the other source is served");
    drop(held);
    assert!(more.iter_mut().take(2).all(|stream| is_served(stream, LIMIT)), "in their turn");
}

#[test]
fn full_places_are_free_again_when_handshakes_have_taken_too_long() {
    let handshake = Duration::from_millis(1_500);
    let server = Server::start(AcceptLimits { unfinished: 2, per_source: 2, handshake, ..AcceptLimits::default() });
    let mut held: Vec<TcpStream> = (0..2).map(|_| server.half_open(ONE)).collect();
    assert!(held.iter_mut().all(|stream| is_served(stream, LIMIT)));
    let mut other = server.half_open(OTHER);
    assert!(!is_served(&mut other, A_MOMENT), "all places are taken");
    assert!(is_served(&mut other, LIMIT), "and free again");
    for mut stream in held {
        until_closed(&mut stream);
    }
}

#[test]
fn a_peer_of_one_octet_at_a_time_is_closed_at_the_limit_and_not_kept_alive_by_its_octets() {
    let handshake = Duration::from_millis(1_000);
    let server = Server::start(AcceptLimits { handshake, ..AcceptLimits::default() });
    // A HELLO of 256 octets, and a TLS record: both would take much longer than the limit.
    for (what, opening) in [("OpenFlow", [4, 0, 1, 0, 0, 0, 0, 1]), ("TLS", [TLS_HANDSHAKE, 3, 1, 0, 0xff, 1, 0, 0])] {
        let mut stream = server.connect(ONE);
        let start = Instant::now();
        let mut octets = opening.into_iter().chain(std::iter::repeat(0));
        while start.elapsed() < LIMIT {
            if stream.write_all(&[octets.next().unwrap()]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let took = start.elapsed();
        assert!(took < LIMIT / 2, "{what} was kept for {took:?}");
    }
}

#[test]
fn a_storm_beyond_the_share_is_served_in_the_end_nobody_refused() {
    let limits =
        AcceptLimits { unfinished: 16, per_source: 8, handshake: Duration::from_secs(2), ..AcceptLimits::default() };
    let server = Server::start(limits);
    let mut storm: Vec<TcpStream> = (0..200).map(|_| server.half_open(ONE)).collect();
    for stream in &mut storm {
        // Served, and gone at once: its place is the next one's.
        assert!(is_served(stream, LIMIT));
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[test]
fn the_task_of_a_plain_connection_is_small() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = bind_tcp(SocketAddr::from((ONE, 0))).unwrap();
        let peer = listener.local_addr().unwrap();
        let stream = TcpStream::connect(peer).unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let fabric =
            Rc::new(Fabric::new(Default::default(), AcceptLimits::default(), Default::default(), Default::default()));
        let task = identify(fabric, Newcomer { stream, peer, plain: true, tls_only: false }, Place::none());
        let octets = std::mem::size_of_val(&task);
        assert!(octets <= 2_048, "{octets} octets for each of thousands of switches");
    });
}
