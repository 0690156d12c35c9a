//! Connections that the controller makes: to switches that listen (`ptcp:`, `pssl:`, `punix:` there), again and again, for ever.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use net::Time;
use tokio::net::{TcpStream, UnixStream};

use super::accept::{Peer, Place};
use super::{Fabric, connection};
use crate::config::Connect;
use crate::core::{Admission, AllowedDatapathIds};

/// Pause after the first failure; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause: a switch that comes back is found within this time. Open vSwitch waits as long.
const RETRY_LAST: Duration = Duration::from_secs(8);
/// A pause is longer or shorter by up to a quarter, so that many switches that went together are not dialled in one moment.
const JITTER_PERCENT: u64 = 25;
/// A TCP connection that has not come about after this long is given up.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Keeps one connection up. `seed` decides the pauses' jitter.
pub(super) async fn dial(fabric: Rc<Fabric>, to: Connect, seed: u64) {
    let mut pauses = Pauses::new(seed);
    let mut down = false;
    while !fabric.ends.get() {
        let result = once(&fabric, &to, &mut down).await;
        // It was in the network: whatever ended it, the next try comes soon.
        if matches!(result, Ok(true)) {
            pauses.restart();
            down = false;
        }
        match result {
            Err(error) if !down => {
                down = true;
                tracing::warn!(switch = %to, error, "cannot connect to the switch; tried again until it works");
            }
            Err(error) => tracing::debug!(switch = %to, error, "cannot connect to the switch"),
            Ok(_) => {}
        }
        tokio::time::sleep(pauses.next()).await;
    }
}

/// One connection from its beginning to its end: whether its handshake was ever done, or why it did not come about.
async fn once(fabric: &Rc<Fabric>, to: &Connect, down: &mut bool) -> Result<bool, String> {
    let by = fabric.clock.now() + fabric.places.limits.handshake;
    let name = to.to_string();
    let mut stands = || {
        if std::mem::take(down) {
            tracing::info!(switch = %to, "connected to the switch again");
        }
    };
    match to {
        Connect::Tcp(address) => {
            let stream = within(TcpStream::connect(address)).await?;
            let _ = stream.set_nodelay(true);
            let addresses = stream.local_addr().ok().map(|local| (local, *address));
            stands();
            let peer = Peer { name, admission: admission(AllowedDatapathIds::Any, by), addresses };
            Ok(connection::serve(fabric.clone(), stream, peer, Place::none()).await)
        }
        Connect::Ssl(address) => {
            let tls = fabric.tls.as_ref().ok_or("openflow.tls is not configured")?;
            let stream = within(TcpStream::connect(address)).await?;
            let _ = stream.set_nodelay(true);
            let addresses = stream.local_addr().ok().map(|local| (local, *address));
            let (stream, holder) = within(tls.connect(stream)).await?;
            stands();
            let peer = Peer { name, admission: admission(holder, by), addresses };
            Ok(connection::serve(fabric.clone(), stream, peer, Place::none()).await)
        }
        Connect::Unix(path) => {
            let stream = within(UnixStream::connect(path)).await?;
            stands();
            let peer = Peer { name, admission: admission(AllowedDatapathIds::Any, by), addresses: None };
            Ok(connection::serve(fabric.clone(), stream, peer, Place::none()).await)
        }
    }
}

async fn within<T, E: Display>(connecting: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    }
}

fn admission(datapath_ids: AllowedDatapathIds, by: Time) -> Admission {
    Admission { datapath_ids, handshake_by: Some(by) }
}

/// The pauses between tries: doubling, with jitter.
struct Pauses {
    next: Duration,
    random: u64,
}

impl Pauses {
    fn new(seed: u64) -> Pauses {
        // Never zero, or it stays so.
        Pauses { next: RETRY_FIRST, random: seed | 1 }
    }

    fn restart(&mut self) {
        self.next = RETRY_FIRST;
    }

    fn next(&mut self) -> Duration {
        // xorshift64: good enough to spread dialling.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 100 - JITTER_PERCENT + self.random % (2 * JITTER_PERCENT + 1);
        let pause = self.next;
        self.next = (pause * 2).min(RETRY_LAST);
        pause * percent as u32 / 100
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;
    use crate::io::fabric::{self, FabricHandle, FabricOptions};

    const LIMIT: Duration = Duration::from_secs(20);

    fn start(connect: Connect) -> FabricHandle {
        let options = FabricOptions { connect: vec![connect], ..FabricOptions::default() };
        fabric::spawn(options, std::sync::mpsc::channel().0).unwrap()
    }

    /// The next connection to a listener that does not block; it begins with the controller's HELLO.
    fn take<S: Read>(mut accept: impl FnMut() -> std::io::Result<S>) -> S {
        let deadline = Instant::now() + LIMIT;
        let mut stream = loop {
            match accept() {
                Ok(stream) => break stream,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
            assert!(Instant::now() < deadline, "nobody connects");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut header = [0; 8];
        stream.read_exact(&mut header).unwrap();
        assert_eq!(header[..2], [4, 0], "a HELLO");
        stream
    }

    fn listen(address: SocketAddr) -> TcpListener {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    fn take_tcp(listener: &TcpListener) -> std::net::TcpStream {
        take(|| {
            let stream = listener.accept()?.0;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(LIMIT))?;
            Ok(stream)
        })
    }

    #[test]
    fn a_switch_that_listens_is_dialled_and_dialled_again_when_it_hangs_up() {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let fabric = start(Connect::Tcp(listener.local_addr().unwrap()));
        drop(take_tcp(&listener));
        drop(take_tcp(&listener));
        fabric.stop();
    }

    #[test]
    fn a_switch_that_comes_later_is_found() {
        let address = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).local_addr().unwrap();
        let fabric = start(Connect::Tcp(address));
        std::thread::sleep(Duration::from_millis(100));
        take_tcp(&listen(address));
        fabric.stop();
    }

    #[test]
    fn a_unix_socket_of_a_switch_is_dialled() {
        let path = std::env::temp_dir().join(format!("trunkline-dial-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let fabric = start(Connect::Unix(path.clone()));
        drop(take(|| {
            let stream = listener.accept()?.0;
            stream.set_nonblocking(false)?;
            Ok(stream)
        }));
        fabric.stop();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_scatter() {
        let mut pauses = Pauses::new(7);
        let list: Vec<Duration> = (0..200).map(|_| pauses.next()).collect();
        for (pause, middle) in list.iter().zip([1, 2, 4, 8, 8, 8]) {
            let middle = Duration::from_secs(middle);
            assert!(*pause >= middle * 3 / 4 && *pause <= middle * 5 / 4, "{pause:?} is not about {middle:?}");
        }
        let different: std::collections::BTreeSet<&Duration> = list.iter().collect();
        assert!(different.len() > 20, "{} different pauses", different.len());
        pauses.restart();
        assert!(pauses.next() <= RETRY_FIRST * 5 / 4);
    }
}
