//! One database: connected to again and again until it is not wanted any more.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use ovsdb::{Client, ClientConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::shared::Shared;
use crate::config::Connect;
use crate::io::tls::Tls;

/// Pause after the first failure; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest pause: a database that comes back is found within this time.
const RETRY_LAST: Duration = Duration::from_secs(8);
/// A connection that has not come about after this long is given up, and one that takes no octets.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Octets that are read at a time.
const READ_SIZE: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Keeps a connection up until the configuration names it no more and everything of ours is out of it.
pub(super) async fn keep(shared: Rc<RefCell<Shared>>, number: u64, target: Connect, tls: Option<Rc<Tls>>) {
    let mut pause = RETRY_FIRST;
    while shared.borrow().is_wanted(number) {
        let error = match open(&target, tls.as_deref()).await {
            Ok(stream) => serve(&shared, number, stream).await,
            Err(error) => error,
        };
        // It was good once: whatever ended it, the next try comes soon.
        if shared.borrow_mut().ended(number, error) {
            pause = RETRY_FIRST;
        }
        let kick = shared.borrow().kick(number);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = kick.notified() => {}
        }
        pause = (pause * 2).min(RETRY_LAST);
    }
    shared.borrow_mut().forget(number);
}

async fn open(target: &Connect, tls: Option<&Tls>) -> Result<Box<dyn Stream>, String> {
    match target {
        Connect::Unix(path) => Ok(Box::new(within(UnixStream::connect(path)).await?)),
        Connect::Tcp(address) => {
            let stream = within(TcpStream::connect(address)).await?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream))
        }
        Connect::Ssl(address) => {
            let tls = tls.ok_or("openflow.tls counts from the next start on")?;
            let stream = within(TcpStream::connect(address)).await?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(within(tls.connect(stream)).await?.0))
        }
    }
}

async fn within<T, E: Display>(connecting: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    }
}

/// Until the end of a connection: why it has ended.
async fn serve(shared: &RefCell<Shared>, number: u64, mut stream: Box<dyn Stream>) -> String {
    let mut octets = vec![0; READ_SIZE];
    let kick = shared.borrow().kick(number);
    {
        let mut shared = shared.borrow_mut();
        let client = Client::new(ClientConfig::default(), shared.now());
        shared.begun(number, client);
    }
    loop {
        let said = shared.borrow_mut().client(number).and_then(Client::poll_transmit);
        if let Some(said) = said {
            // A server that takes nothing for so long is as good as gone.
            if let Err(error) = within(stream.write_all(&said)).await {
                return error;
            }
            continue;
        }
        let deadline = shared.borrow_mut().client_deadline(number);
        tokio::select! {
            read = stream.read(&mut octets) => {
                let mut shared = shared.borrow_mut();
                let now = shared.now();
                match read {
                    Ok(0) => return "the server has closed the connection".to_owned(),
                    Ok(length) => {
                        if let Some(client) = shared.client(number) {
                            client.handle_octets(octets.get(..length).unwrap_or_default(), now);
                        }
                    }
                    Err(error) => return error.to_string(),
                }
            }
            () = until(deadline) => {
                let mut shared = shared.borrow_mut();
                let now = shared.now();
                if let Some(client) = shared.client(number) {
                    client.handle_timeout(now);
                }
            }
            () = kick.notified() => {}
        }
        let mut shared = shared.borrow_mut();
        if let Some(reason) = shared.drain(number) {
            return reason;
        }
        if !shared.is_wanted(number) {
            return "not in the configuration any more".to_owned();
        }
    }
}

/// Until then, or for ever.
pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
