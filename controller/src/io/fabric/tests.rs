//! The fabric thread as a peer meets it: over sockets, and over streams that no kernel is behind.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use openflow::{FeaturesReply, Message, MultipartReply, MultipartReplyBody, PacketIn};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);
const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];

fn start(listener: Listener, handshake_timeout: Duration) -> FabricHandle {
    let mut core = CoreConfig::default();
    core.channel.handshake_timeout = handshake_timeout;
    let plain_from = vec!["127.0.0.0/8".parse().unwrap()];
    let options = FabricOptions { listeners: vec![listener], plain_from, core, ..FabricOptions::default() };
    spawn(options, std::sync::mpsc::channel().0).unwrap()
}

fn start_tcp(handshake_timeout: Duration) -> (FabricHandle, TcpStream) {
    let listener = Listener::Tcp(crate::io::listen::bind_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap());
    let address = listener.local_addr().unwrap();
    let fabric = start(listener, handshake_timeout);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    (fabric, stream)
}

#[test]
fn a_peer_that_asks_and_never_reads_loses_its_place() {
    let (fabric, mut stream) = start_tcp(Duration::from_millis(300));
    stream.write_all(&HELLO).unwrap();
    // More answers than the kernel holds: the controller's write never ends.
    let mut echo = vec![0; 60_000];
    echo[..8].copy_from_slice(&[4, 2, (60_000_u16 >> 8) as u8, (60_000_u16 & 0xff) as u8, 0, 0, 0, 2]);
    let clock = Clock::start();
    while stream.write_all(&echo).is_ok() {
        assert!(clock.now() < Time::ZERO + LIMIT, "the connection is still open");
    }
    fabric.stop();
}

#[test]
fn a_peer_that_closes_its_own_direction_still_hears_why() {
    let (fabric, mut stream) = start_tcp(LIMIT);
    stream.write_all(&[1, 0, 0, 8, 0, 0, 0, 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(2).any(|pair| pair == [1, 1]), "no error of version 1 in {answer:?}");
    fabric.stop();
}

#[test]
fn a_unix_socket_goes_with_the_controller() {
    let path = std::env::temp_dir().join(format!("trunkline-fabric-{}.sock", std::process::id()));
    let listener = Listener::bind(&crate::config::Listen::Unix(path.clone())).unwrap();
    let fabric = start(listener, LIMIT);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    // Its HELLO: the controller serves the socket.
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.read_exact(&mut [0; 8]).unwrap();
    fabric.stop();
    assert!(!path.exists());
}

/// A socket that always has more to read, and takes whatever is written. Says HELLO and what else it begins with, then the same message again
/// and again.
struct Flood {
    /// What it begins with, one read each, until it was said.
    beginning: VecDeque<Vec<u8>>,
    message: Vec<u8>,
    /// Where in `message` the next read begins.
    at: usize,
    said: Rc<Said>,
}

/// What was read of a [`Flood`].
#[derive(Default)]
struct Said {
    reads: Cell<u64>,
    octets: Cell<usize>,
}

impl Flood {
    fn new(message: Vec<u8>) -> (Flood, Rc<Said>) {
        let said = Rc::<Said>::default();
        let beginning = VecDeque::from([HELLO.to_vec()]);
        (Flood { beginning, message, at: 0, said: said.clone() }, said)
    }

    /// The same from a switch that has said which one it is.
    fn of_a_switch(message: Vec<u8>) -> (Flood, Rc<Said>) {
        let (mut flood, said) = Flood::new(message);
        let features = FeaturesReply { datapath_id: net::DatapathId(7), ..Default::default() };
        flood.beginning.push_back(octets(2, &Message::FeaturesReply(features)));
        (flood, said)
    }

    /// The same from a switch that is in the network.
    fn of_a_live_switch(message: Vec<u8>) -> (Flood, Rc<Said>) {
        let (mut flood, said) = Flood::of_a_switch(message);
        let reply = |xid, body| octets(xid, &Message::MultipartReply(MultipartReply { more: false, body }));
        // The question for the ports has one of the first numbers; what has another is not an answer.
        flood
            .beginning
            .push_back((1..16).flat_map(|xid| reply(xid, MultipartReplyBody::PortDesc(Vec::new()))).collect());
        let count = openflow::AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
        // The reconciler's own numbers; three are of questions that nothing waits for.
        flood.beginning.push_back(reply(0x8000_0000, MultipartReplyBody::Aggregate(count)));
        flood.beginning.push_back(reply(0x8000_0004, MultipartReplyBody::GroupDesc(Vec::new())));
        flood.beginning.push_back(reply(0x8000_0005, MultipartReplyBody::Flow(Vec::new())));
        flood.beginning.push_back(reply(0x8000_0006, MultipartReplyBody::Aggregate(count)));
        (flood, said)
    }
}

impl AsyncRead for Flood {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let flood = self.get_mut();
        flood.said.reads.set(flood.said.reads.get() + 1);
        if let Some(beginning) = flood.beginning.pop_front() {
            buffer.put_slice(&beginning);
            return Poll::Ready(Ok(()));
        }
        while buffer.remaining() > 0 {
            let rest = &flood.message[flood.at..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            flood.said.octets.set(flood.said.octets.get() + count);
            flood.at = (flood.at + count) % flood.message.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs `test` with a fabric whose peers may take their time: nothing here depends on how fast the machine is.
fn with_fabric<F: Future<Output = ()>>(test: impl FnOnce(Rc<Fabric>) -> F) {
    run_with_fabric(false, test);
}

/// The same where time stands still as long as somebody has something to do, and goes on to the next deadline when nobody has.
fn with_fabric_out_of_time<F: Future<Output = ()>>(test: impl FnOnce(Rc<Fabric>) -> F) {
    run_with_fabric(true, test);
}

fn run_with_fabric<F: Future<Output = ()>>(paused: bool, test: impl FnOnce(Rc<Fabric>) -> F) {
    let mut core = CoreConfig::default();
    core.channel.handshake_timeout = Duration::from_secs(3_600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let fabric = Rc::new(Fabric::new(core, AcceptLimits::default(), Directory::default(), Default::default()));
        test(fabric).await;
    });
}

fn serve<S: AsyncRead + AsyncWrite + 'static>(fabric: &Rc<Fabric>, stream: S) {
    let peer = accept::Peer { name: "test:1".to_owned(), admission: Default::default(), addresses: None };
    tokio::task::spawn_local(connection::serve(fabric.clone(), stream, peer, accept::Place::none()));
}

fn octets(xid: u32, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.to_vec()
}

fn echo_request(octets: u16) -> Vec<u8> {
    let mut message = vec![0; usize::from(octets)];
    let [high, low] = octets.to_be_bytes();
    message[..8].copy_from_slice(&[4, 2, high, low, 0, 0, 0, 2]);
    message
}

/// A peer that has said HELLO and has been asked for its features.
async fn polite_peer(fabric: &Rc<Fabric>) -> DuplexStream {
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    serve(fabric, theirs);
    AsyncWriteExt::write_all(&mut ours, &HELLO).await.unwrap();
    let mut features_request = [0; 8];
    // Its HELLO, with a bitmap, and the request.
    AsyncReadExt::read_exact(&mut ours, &mut [0; 16]).await.unwrap();
    AsyncReadExt::read_exact(&mut ours, &mut features_request).await.unwrap();
    assert_eq!(features_request[1], 5);
    ours
}

#[test]
fn whoever_floods_gets_one_read_while_another_gets_its_answer() {
    for size in [8, 102, 16 * 1024, 65_535] {
        with_fabric(|fabric| async move {
            let (flood, said) = Flood::new(echo_request(size));
            let mut peer = polite_peer(&fabric).await;
            serve(&fabric, flood);
            let (mut worst, mut answer) = (0, [0; 8]);
            for _ in 0..100 {
                let before = said.octets.get();
                AsyncWriteExt::write_all(&mut peer, &echo_request(8)).await.unwrap();
                AsyncReadExt::read_exact(&mut peer, &mut answer).await.unwrap();
                assert_eq!(answer[1], 3);
                worst = worst.max(said.octets.get() - before);
            }
            assert!(said.reads.get() > 50, "the flood was held back: {} reads", said.reads.get());
            // Where the machine is slow these are more reads, and smaller ones.
            let limit = 3 * connection::READ_SIZE;
            assert!(worst <= limit, "{worst} octets of the flood for one answer, messages of {size}");
        });
    }
}

#[test]
fn a_flood_of_packet_ins_is_read_into_the_same_memory_again_and_again() {
    with_fabric(|fabric| async move {
        let packet_in = PacketIn {
            buffer_id: openflow::BufferId::NO_BUFFER,
            total_len: 60,
            reason: openflow::PacketInReason::NO_MATCH,
            table_id: openflow::TableId(0),
            cookie: 0,
            match_: openflow::Match::new().with_in_port(net::PortNo(1)),
            data: Bytes::from_static(&[0x22; 60]),
        };
        let message = octets(2, &Message::PacketIn(packet_in));
        let start = fabric.input.borrow().as_ptr();
        let (flood, said) = Flood::of_a_live_switch(message);
        serve(&fabric, flood);
        while fabric.core.borrow().counters().packet_ins <= 10_000 {
            assert!(said.reads.get() < 10_000, "it is not a switch in the network");
            tokio::task::yield_now().await;
        }
        let input = fabric.input.borrow();
        assert_eq!((input.as_ptr(), input.capacity()), (start, connection::READ_SIZE), "another buffer");
        let core = fabric.core.borrow();
        assert!(core.dropped(ConnectionId(1)).0 < 16);
    });
}

#[test]
fn a_hundred_peers_that_say_nothing_are_served_beside_a_flood() {
    with_fabric(|fabric| async move {
        let mut peers = Vec::new();
        for _ in 0..100 {
            peers.push(polite_peer(&fabric).await);
        }
        let (flood, said) = Flood::new(echo_request(8));
        serve(&fabric, flood);
        for peer in &mut peers {
            AsyncWriteExt::write_all(peer, &echo_request(8)).await.unwrap();
        }
        let before = said.octets.get();
        for peer in &mut peers {
            AsyncReadExt::read_exact(peer, &mut [0; 8]).await.unwrap();
        }
        // All are ready at once: they are served in two rounds of the runtime.
        let read = said.octets.get() - before;
        assert!(read <= 6 * connection::READ_SIZE, "{read} octets of the flood");
    });
}

/// An answer of this many octets, with a question's number that nobody has used.
fn unasked_answer(octets: u16) -> Vec<u8> {
    let mut message = vec![0; usize::from(octets)];
    let [high, low] = octets.to_be_bytes();
    message[..10].copy_from_slice(&[4, 19, high, low, 0x77, 0x77, 0x77, 0x77, 0, 13]);
    message
}

/// Nothing is read any more, unless time goes on.
async fn until_it_rests(said: &Said) {
    let mut before = u64::MAX;
    while said.reads.get() == 0 || said.reads.get() != before {
        before = said.reads.get();
        assert!(before < 10_000, "it is read without a pause");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

/// The peer asks for a sign of life and reads until it has come.
async fn echo(ours: &mut DuplexStream) {
    AsyncWriteExt::write_all(ours, &echo_request(8)).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(&[4, 3, 0, 8, 0, 0, 0, 2]) {
        assert!(AsyncReadExt::read_buf(ours, &mut heard).await.unwrap() > 0);
    }
}

#[test]
fn who_brings_much_that_nobody_wants_is_read_after_a_burst_at_a_fixed_rate() {
    let malformed_packet_in = vec![4, 10, 0, 8, 0, 0, 0, 0];
    for message in [unasked_answer(65_535), unasked_answer(16), malformed_packet_in] {
        // What a message counts for: its octets, and what it costs to look at it.
        let counted = message.len() as u64 + 512;
        let log = report::tests::warnings(|| {
            with_fabric_out_of_time(|fabric| async move {
                let (flood, said) = Flood::of_a_switch(message);
                serve(&fabric, flood);
                let begin = tokio::time::Instant::now();
                let dropped = || fabric.core.borrow().dropped(ConnectionId(1)).0 * counted;
                until_it_rests(&said).await;
                assert_eq!(begin.elapsed(), Duration::ZERO);
                // One read may be 2,000 messages.
                let burst = 1 << 20;
                assert!((burst..burst + 2 * burst).contains(&dropped()), "{} at once", dropped());
                let (first, seconds) = (dropped(), 10);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let expected = seconds * (16 << 20) - (first - burst);
                let after = dropped() - first;
                assert!(after.abs_diff(expected) < 2 * burst, "{after} and not {expected} in {seconds} s");
            });
        });
        assert_eq!(log.matches("it is read slowly").count(), 1, "{log}");
    }
}

#[test]
fn who_is_read_slowly_is_read_at_once_after_a_rest() {
    with_fabric_out_of_time(|fabric| async move {
        let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
        serve(&fabric, theirs);
        let mut beginning: Vec<u8> = Flood::of_a_switch(Vec::new()).0.beginning.into_iter().flatten().collect();
        beginning.extend(unasked_answer(16).repeat(4_000));
        AsyncWriteExt::write_all(&mut ours, &beginning).await.unwrap();
        let asked = tokio::time::Instant::now();
        echo(&mut ours).await;
        let waited = asked.elapsed();
        assert!(waited > Duration::from_millis(20), "its answer came after {waited:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = tokio::time::Instant::now();
        echo(&mut ours).await;
        assert_eq!(asked.elapsed(), Duration::ZERO);
    });
}
