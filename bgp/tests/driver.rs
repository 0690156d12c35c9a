//! The tokio driver over loopback: real sockets, ports picked by the system.
#![cfg(feature = "tokio")]
#![allow(clippy::disallowed_types, reason = "the other ends of the driver's connections")]

use bgp::io::{DriverError, Handle, spawn};
use bgp::policy::Policy;
use bgp::rib::Verdict;
use bgp::session::ConnectMode;
use bgp::session::SessionState;
use bgp::speaker::{DynamicNeighbors, NeighborConfig, Password, SpeakerConfig, SpeakerStatus};
use bgp::wire::{Asn, Capability, EncodeContext, Family, Message, Open, RefreshSubtype, RouteRefresh, RouterId};
use bytes::BytesMut;
use net::{Ipv4Prefix, Ipv6Prefix, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Far above what anything here takes, for machines that are busy.
const LIMIT: Duration = Duration::from_secs(60);

fn loopback(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, number))
}

fn config(number: u8, routes: u16) -> SpeakerConfig {
    let originate = (0..routes).flat_map(|n| {
        let [high, low] = n.to_be_bytes();
        let v4 = Ipv4Prefix::new(Ipv4Addr::new(10 + number, high, low, 0), 24).unwrap();
        let v6 = Ipv6Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, number.into(), n, 0, 0, 0, 0), 64).unwrap();
        [Prefix::V4(v4), Prefix::V6(v6)]
    });
    let asn = Asn(65000 + u32::from(number));
    SpeakerConfig {
        originate: originate.collect(),
        ..SpeakerConfig::new(asn, RouterId(Ipv4Addr::new(10, 0, 0, number)))
    }
}

fn neighbor(number: u8, own: u8, port: u16) -> NeighborConfig {
    NeighborConfig {
        port,
        local_address: Some(loopback(own)),
        import: Policy::Accept,
        export: Policy::Accept,
        ..NeighborConfig::new(loopback(number), Asn(65000 + u32::from(number)))
    }
}

fn any_port(number: u8) -> [SocketAddr; 1] {
    [SocketAddr::new(loopback(number), 0)]
}

async fn wait(handle: &Handle, what: &str, done: impl Fn(&SpeakerStatus) -> bool) -> SpeakerStatus {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = handle.status().await.unwrap();
        if done(&status) {
            return status;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: {status:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn has(status: &SpeakerStatus, routes: usize) -> bool {
    status.tables.iter().all(|table| table.counts.best == routes)
}

/// Speaker `passive` waits, speaker `active` connects.
async fn pair(passive: u8, active: u8, routes: u16) -> (Handle, Handle) {
    let mut first = config(passive, routes);
    first.neighbors = vec![NeighborConfig { mode: ConnectMode::Passive, ..neighbor(active, passive, 179) }];
    let first = spawn(first, &any_port(passive)).unwrap();
    let mut second = config(active, routes);
    second.neighbors = vec![neighbor(passive, active, first.listening()[0].port())];
    let second = spawn(second, &[]).unwrap();
    (first, second)
}

#[tokio::test]
async fn two_drivers_exchange_a_thousand_routes_each_and_part_in_peace() {
    let (first, second) = pair(1, 2, 1000).await;
    wait(&first, "first", |status| has(status, 2000)).await;
    let status = wait(&second, "second", |status| has(status, 2000)).await;
    assert_eq!(status.neighbors[0].state, SessionState::Established);
    assert_eq!(status.neighbors[0].local_address, Some(loopback(2)));

    let mut seen = 0;
    let mut after = None;
    loop {
        let page = second.routes(Family::IPV6_UNICAST, after, 300).await.unwrap();
        seen += page.routes.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 2000);
    let why = second.why("11.0.7.0/24".parse().unwrap()).await.unwrap();
    assert_eq!(
        why.first().map(|e| (e.verdict, e.route.attributes.next_hop.address())),
        Some((Verdict::Best, loopback(1)))
    );
    assert_eq!(second.adj_rib_in(loopback(1), Family::IPV4_UNICAST, None, 10).await.unwrap().routes.len(), 10);

    let sent = second.adj_rib_out(loopback(1), Family::IPV4_UNICAST, None, 1500).await.unwrap();
    // A page visits at most 1,000 prefixes: the neighbour's own, which it is not sent back.
    assert!(sent.routes.is_empty() && sent.next.is_some());
    let sent = second.adj_rib_out(loopback(1), Family::IPV4_UNICAST, sent.next, 1500).await.unwrap();
    assert_eq!(sent.routes.len(), 1000);

    let added: Prefix = "203.0.113.0/24".parse().unwrap();
    first.originate(added).await.unwrap();
    wait(&second, "one more", |status| status.tables[0].counts.best == 2001).await;
    first.withdraw(added).await.unwrap();
    wait(&second, "one less", |status| has(status, 2000)).await;

    first.stop().await;
    assert!(first.status().await.is_err());
    let status = wait(&second, "withdrawn", |status| has(status, 1000)).await;
    let reset = status.neighbors[0].last_reset.clone().unwrap();
    assert!(reset.contains("Administrative Shutdown"), "{reset}");
    second.stop().await;
}

#[tokio::test]
async fn two_speakers_on_one_ipv6_address_exchange_what_ipv6_can_carry() {
    let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let at = |number, own, port| NeighborConfig { address, local_address: None, ..neighbor(number, own, port) };
    let mut first = config(15, 10);
    first.neighbors = vec![NeighborConfig { mode: ConnectMode::Passive, ..at(16, 15, 179) }];
    // A machine without IPv6 has nothing to test here.
    let Ok(first) = spawn(first, &[SocketAddr::new(address, 0)]) else {
        println!("skipped: no IPv6 on this machine");
        return;
    };
    let mut second = config(16, 10);
    second.neighbors = vec![at(15, 16, first.listening()[0].port())];
    second.neighbors[0].next_hop_v4 = Some(Ipv4Addr::new(192, 0, 2, 1));
    let second = spawn(second, &[]).unwrap();
    // An IPv6 session has no IPv4 next hop of its own: only the one that was given one sends IPv4 routes.
    wait(&first, "first", |status| has(status, 20)).await;
    wait(&second, "second", |status| status.tables[1].counts.best == 20).await;
    let status = second.status().await.unwrap();
    assert_eq!(status.tables[0].counts.best, 10);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn neighbours_come_and_go_at_run_time() {
    let (first, second) = pair(3, 4, 10).await;
    wait(&second, "up", |status| has(status, 20)).await;
    assert!(first.remove_neighbor(loopback(4)).await.unwrap());
    assert!(!first.remove_neighbor(loopback(4)).await.unwrap());
    let status = wait(&second, "gone", |status| has(status, 10)).await;
    assert!(status.neighbors[0].last_reset.as_ref().is_some_and(|reset| reset.contains("received: Cease")));
    let back = NeighborConfig { mode: ConnectMode::Passive, ..neighbor(4, 3, 179) };
    first.add_neighbor(back.clone()).await.unwrap().unwrap();
    assert!(first.add_neighbor(back).await.unwrap().is_err());
    wait(&second, "back", |status| has(status, 20)).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let first = spawn(config(5, 0), &any_port(5)).unwrap();
    let taken = first.listening()[0];
    let error = spawn(config(6, 0), &[taken]).unwrap_err();
    assert!(matches!(error, DriverError::Listen { .. }));
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen on {taken} for BGP: Address already in use")), "{text}");
    first.stop().await;
}

async fn connect_from(number: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Small: a reader that stops is felt soon.
    socket.set_recv_buffer_size(8192).unwrap();
    socket.bind(SocketAddr::new(loopback(number), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn strangers_are_shown_out_and_garbage_is_answered_while_others_notice_nothing() {
    let (first, second) = pair(7, 8, 10).await;
    let listening = first.listening()[0];
    first.add_neighbor(NeighborConfig { mode: ConnectMode::Passive, ..neighbor(9, 7, 179) }).await.unwrap().unwrap();
    wait(&second, "up", |status| has(status, 20)).await;

    let mut stranger = connect_from(66, listening).await;
    let mut octets = Vec::new();
    tokio::time::timeout(LIMIT, stranger.read_to_end(&mut octets)).await.unwrap().unwrap();
    assert!(octets.is_empty());

    let mut garbage = connect_from(9, listening).await;
    garbage.write_all(&[0x47; 64]).await.unwrap();
    tokio::time::timeout(LIMIT, garbage.read_to_end(&mut octets)).await.unwrap().unwrap();
    // Our OPEN, then NOTIFICATION 1/1: connection not synchronised.
    assert_eq!(octets.get(18), Some(&1));
    assert_eq!(octets.get(octets.len() - 3..), Some([3, 1, 1].as_slice()));

    let status = first.status().await.unwrap();
    assert_eq!(status.connections_refused, 1);
    assert!(has(&status, 20));
    let healthy = status.neighbors.iter().find(|neighbor| neighbor.address == loopback(8)).unwrap();
    assert_eq!(healthy.established_count, 1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_neighbour_that_reads_nothing_holds_up_nobody() {
    let (first, second) = pair(10, 11, 4000).await;
    first.add_neighbor(NeighborConfig { mode: ConnectMode::Passive, ..neighbor(12, 10, 179) }).await.unwrap().unwrap();
    // Speaks just enough to be Established, asks for the table again and again, and never reads.
    let mut mute = connect_from(12, first.listening()[0]).await;
    let capabilities = vec![
        Capability::Multiprotocol { family: Family::IPV4_UNICAST },
        Capability::RouteRefresh,
        Capability::FourOctetAs { asn: Asn(65012) },
    ];
    let open = Open::new(Asn(65012), 0, RouterId(Ipv4Addr::new(10, 0, 0, 12)), capabilities);
    mute.write_all(&encode(&[Message::Open(open), Message::Keepalive])).await.unwrap();
    wait(&first, "both up", |status| status.neighbors.iter().all(|n| n.state == SessionState::Established)).await;
    let refresh = Message::RouteRefresh(RouteRefresh::new(Family::IPV4_UNICAST, RefreshSubtype::REQUEST));
    let refresh = encode(&[refresh]);
    // Nothing more fits, and there is more to send. Less would not do: a neighbour with a little room left may be sent all that it
    // asks for, because requests that come in together are answered once.
    let blocked = |status: &SpeakerStatus| {
        let mute = status.neighbors.iter().find(|neighbor| neighbor.address == loopback(12));
        mute.is_some_and(|mute| mute.unsent_octets > 200_000 && mute.behind)
    };
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !blocked(&first.status().await.unwrap()) {
        mute.write_all(&refresh).await.unwrap();
        assert!(tokio::time::Instant::now() < deadline, "{:#?}", first.status().await);
    }
    for _ in 0..1000 {
        mute.write_all(&refresh).await.unwrap();
    }
    let added: Prefix = "203.0.113.0/24".parse().unwrap();
    first.originate(added).await.unwrap();
    wait(&second, "the other one hears of it", |status| status.tables[0].counts.best == 8001).await;
    // The system may have taken a last batch from the speaker meanwhile. It can't go on doing so, as nobody reads.
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = first.status().await.unwrap();
        assert!(status.neighbors.iter().all(|neighbor| neighbor.unsent_octets < 500_000), "{status:#?}");
        if blocked(&status) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{status:#?}");
        mute.write_all(&refresh).await.unwrap();
    }
    first.stop().await;
    second.stop().await;
}

fn encode(messages: &[Message]) -> BytesMut {
    let mut octets = BytesMut::new();
    messages.iter().for_each(|message| message.encode(&EncodeContext::default(), &mut octets).unwrap());
    octets
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_speaker() {
    let (first, second) = pair(13, 14, 5).await;
    wait(&second, "up", |status| has(status, 10)).await;
    drop(first);
    wait(&second, "goodbye", |status| has(status, 5)).await;
    second.stop().await;
}

/// Two speakers with these options; both passive and active by the second's `mode`.
async fn pair_with(
    number: u8,
    change: impl Fn(&mut NeighborConfig),
    other: impl Fn(&mut NeighborConfig),
) -> (Handle, Handle) {
    let mut first = config(number, 1);
    let mut waiting = NeighborConfig { mode: ConnectMode::Passive, ..neighbor(number + 1, number, 179) };
    change(&mut waiting);
    first.neighbors = vec![waiting];
    let first = spawn(first, &any_port(number)).unwrap();
    let mut second = config(number + 1, 1);
    let mut calling = neighbor(number, number + 1, first.listening()[0].port());
    other(&mut calling);
    second.neighbors = vec![calling];
    (first, spawn(second, &[]).unwrap())
}

/// Nothing comes up in the time in which it would have by far.
async fn stays_down(handle: &Handle) {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = handle.status().await.unwrap();
        assert!(status.neighbors.iter().all(|neighbor| neighbor.uptime_seconds.is_none()));
    }
}

#[tokio::test]
async fn with_the_same_md5_password_the_session_comes_up_and_with_another_it_does_not() {
    let password =
        |text: &'static str| move |neighbor: &mut NeighborConfig| neighbor.password = Some(Password::new(text));
    let (first, second) = pair_with(20, password("secret"), password("secret")).await;
    wait(&first, "session", |status| has(status, 2)).await;
    second.stop().await;
    first.stop().await;
    let (first, _second) = pair_with(22, password("secret"), password("wrong")).await;
    stays_down(&first).await;
    let (first, _second) = pair_with(24, password("secret"), |_| ()).await;
    stays_down(&first).await;
}

#[tokio::test]
async fn a_whole_range_shares_an_md5_password() {
    let mut first = config(30, 1);
    let template =
        NeighborConfig { password: Some(Password::new("secret")), local_address: None, ..neighbor(31, 30, 179) };
    first.dynamic = vec![DynamicNeighbors { prefix: "127.0.0.0/8".parse().unwrap(), limit: 5, template }];
    let first = spawn(first, &any_port(30)).unwrap();
    let mut second = config(31, 1);
    let calling = neighbor(30, 31, first.listening()[0].port());
    second.neighbors = vec![NeighborConfig { password: Some(Password::new("secret")), ..calling }];
    let _second = spawn(second, &[]).unwrap();
    wait(&first, "session", |status| has(status, 2)).await;
}

#[tokio::test]
async fn with_ttl_security_everywhere_a_stranger_from_further_away_gets_no_connection_at_all() {
    // 127.0.0.49, as a router that is some hops away would send.
    let knock = |ttl: u32, to: SocketAddr| async move {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(loopback(49), 0).into()).unwrap();
        socket.set_ttl_v4(ttl).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = TcpSocket::from_std_stream(socket.into());
        tokio::time::timeout(Duration::from_millis(500), socket.connect(to)).await.is_ok_and(|stream| stream.is_ok())
    };
    let secure =
        NeighborConfig { mode: ConnectMode::Passive, ttl_security: true, multihop: Some(2), ..neighbor(49, 48, 179) };
    let open = NeighborConfig { mode: ConnectMode::Passive, ..neighbor(50, 48, 179) };
    let with = |neighbors: Vec<NeighborConfig>| SpeakerConfig { neighbors, ..config(48, 0) };
    let speaker = spawn(with(vec![secure.clone()]), &any_port(48)).unwrap();
    let to = speaker.listening()[0];
    assert!(!knock(64, to).await && !knock(253, to).await && knock(254, to).await);
    // A neighbour without it needs its connections, and the others' begin before they are looked at.
    speaker.reconfigure(with(vec![secure.clone(), open])).await.unwrap().unwrap();
    assert!(knock(64, to).await);
    speaker.reconfigure(with(vec![secure])).await.unwrap().unwrap();
    assert!(!knock(64, to).await && knock(255, to).await);
}

#[tokio::test]
async fn ttl_security_takes_neighbours_that_send_with_255_and_no_others() {
    let secure = |neighbor: &mut NeighborConfig| neighbor.ttl_security = true;
    let (first, _second) = pair_with(26, secure, secure).await;
    wait(&first, "session", |status| has(status, 2)).await;
    let (first, _second) = pair_with(28, secure, |neighbor| neighbor.multihop = Some(200)).await;
    stays_down(&first).await;
}
