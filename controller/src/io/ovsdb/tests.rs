use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::config::{Connect, OvsdbConfig};

const LIMIT: Duration = Duration::from_secs(20);

/// What a real server says to list_dbs, get_schema and monitor, a line each.
const SESSION: &str = include_str!("../../../../ovsdb/testdata/session.jsonl");

/// Waits for a client and says what a server would.
fn serve(listener: &UnixListener) -> UnixStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut octets = [0; 4_096];
    for answer in SESSION.lines().filter(|line| !line.starts_with('#')).take(3) {
        assert!(stream.read(&mut octets).unwrap() > 0, "the client has hung up");
        stream.write_all(answer.as_bytes()).unwrap();
    }
    stream
}

fn wait_for(handle: &OvsdbHandle, what: impl Fn(&OvsdbStatus) -> bool) -> Arc<OvsdbStatus> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = handle.status().borrow().clone();
        if what(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start(connections: Vec<Connect>) -> (OvsdbHandle, watch::Sender<Arc<Snapshot>>) {
    let (sender, snapshots) = watch::channel(Arc::default());
    let config = OvsdbConfig { connections, ..OvsdbConfig::default() };
    let (mtus, _) = mpsc::channel(MTUS_WAITING);
    let options = OvsdbOptions { config, tls: None, snapshots, happenings: Arc::default(), mtus };
    (spawn(options).unwrap(), sender)
}

#[test]
fn a_database_is_followed_found_again_when_it_hangs_up_and_left_when_it_is_named_no_more() {
    let path: PathBuf = std::env::temp_dir().join(format!("trunkline-ovsdb-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let (handle, _snapshots) = start(vec![Connect::Unix(path.clone())]);
    drop({
        let stream = serve(&listener);
        let status = wait_for(&handle, |status| status.connections.iter().any(|connection| connection.up));
        assert_eq!(status.connections[0].version.as_deref(), Some("8.3.1"));
        assert_eq!((status.connections[0].bridges.len(), status.ports.len()), (2, 4));
        stream
    });
    wait_for(&handle, |status| status.connections.iter().any(|connection| connection.error.is_some()));
    let mut stream = serve(&listener);
    wait_for(&handle, |status| status.connections.iter().any(|connection| connection.up && connection.error.is_none()));
    handle.configure(&OvsdbConfig::default());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    wait_for(&handle, |status| status.connections.is_empty());
    handle.stop();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_switch_that_two_databases_claim_belongs_to_neither() {
    let paths = ["a", "b"].map(|name| {
        let path = std::env::temp_dir().join(format!("trunkline-ovsdb-claims-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    });
    let listeners = paths.each_ref().map(|path| UnixListener::bind(path).unwrap());
    let (handle, _snapshots) = start(paths.iter().map(|path| Connect::Unix(path.clone())).collect());
    let first = serve(&listeners[0]);
    wait_for(&handle, |status| status.ports.len() == 4);
    // A copy of the whole: it has the same bridges.
    let copy = serve(&listeners[1]);
    let status =
        wait_for(&handle, |status| status.connections.iter().all(|connection| connection.contested.len() == 2));
    assert!(status.ports.is_empty(), "{status:?}");
    // The copy keeps its claim while the first one is away.
    drop(first);
    let status = wait_for(&handle, |status| status.connections.iter().any(|connection| connection.error.is_some()));
    assert!(status.ports.is_empty(), "{status:?}");
    handle.configure(&OvsdbConfig { connections: vec![Connect::Unix(paths[0].clone())], ..OvsdbConfig::default() });
    let again = serve(&listeners[0]);
    wait_for(&handle, |status| status.connections.len() == 1 && status.ports.len() == 4);
    handle.stop();
    drop((copy, again));
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
}
