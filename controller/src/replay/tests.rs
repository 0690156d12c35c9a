//! A session of emulated switches over real sockets, recorded and replayed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Instant;

use emulator::{CutKind, FabricSpec, LinkIndex};

use super::*;
use crate::demo::drive::Drive;
use crate::io::fabric::{self, FabricHandle, FabricOptions};
use crate::io::listen::{Listener, bind_tcp};
use crate::io::record::Recorder;

const LIMIT: Duration = Duration::from_secs(60);

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "{what} takes too long");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Four switches connect, links and hosts are found, a link is cut, the controller stops.
fn record(folder: &PathBuf) -> Vec<u8> {
    let _ = std::fs::remove_dir_all(folder);
    let listener = bind_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let core = CoreConfig { seed: 11, probe_key: [5; 32], ..CoreConfig::default() };
    let options = FabricOptions {
        listeners: vec![Listener::Tcp(listener)],
        plain_from: vec!["127.0.0.0/8".parse().unwrap()],
        recorder: Some(Recorder::start(folder, &core).unwrap()),
        core,
        ..FabricOptions::default()
    };
    let fabric: FabricHandle = fabric::spawn(options, std::sync::mpsc::channel().0).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let drive = Drive::start(3, &FabricSpec::ring_with_chord(4, 6), address).await.unwrap();
        let links = drive.link_count();
        until("finding links", || fabric.snapshot().network.bidirectional_links().count() == links).await;
        until("settling", || fabric.snapshot().network.switches.values().all(topology::Switch::is_settled)).await;
        drive.announce_all();
        until("learning hosts", || fabric.snapshot().network.hosts.len() == drive.host_count()).await;
        drive.cut(LinkIndex(0), CutKind::PortDown);
        until("rerouting", || fabric.snapshot().reroutes > 0).await;
        fabric.stop();
    });
    let [file] =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
    let octets = std::fs::read(file).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    octets
}

#[test]
fn a_recorded_session_is_replayed_to_the_same_octets() {
    let folder = std::env::temp_dir().join(format!("trunkline-replay-{}", std::process::id()));
    let capture = Capture::read(&record(&folder));
    assert_eq!((capture.error.clone(), capture.dropped, capture.connections.len()), (None, 0, 4));

    let outcome = replay(&capture, CoreConfig::default());
    assert_eq!(outcome.without_beginning, 0);
    let count = |kind: u8| outcome.sent.iter().filter(|sent| sent.octets.get(1) == Some(&kind)).count();
    let (flow_mods, group_mods, packet_outs) = (count(14), count(15), count(13));
    assert!(flow_mods > 20 && group_mods > 4 && packet_outs > 20, "{flow_mods} {group_mods} {packet_outs}");
    let connected = outcome.notes.iter().filter(|note| note.text.contains("connected with 0 rules")).count();
    assert_eq!(connected, 4, "{:?}", outcome.notes);
    let differences = diff(&capture, &outcome);
    assert_eq!(differences, [], "{}", differences.iter().map(told).collect::<String>());

    // It is a function of the recording.
    assert_eq!(replay(&capture, CoreConfig::default()), outcome);

    // Another network, other messages: without the news of the port that went down.
    let mut other = Capture { entries: capture.entries.clone(), connections: capture.connections.clone(), ..capture };
    other.entries.retain(
        |entry| !matches!(&entry.event, Event::Message { from_switch: true, octets, .. } if octets.get(1) == Some(&12)),
    );
    assert!(!diff(&other, &replay(&other, CoreConfig::default())).is_empty());
}

fn told(difference: &Difference) -> String {
    let side = |octets: &Option<Bytes>| octets.as_ref().map_or("nothing".to_owned(), |octets| line(octets).to_string());
    format!(
        "\nconnection {}, message {}: then {}, now {}",
        difference.connection,
        difference.number,
        side(&difference.recorded),
        side(&difference.replayed)
    )
}
