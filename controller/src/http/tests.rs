//! Tests of the HTTP server over a real socket on loopback.

use super::*;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server and what stops it.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    health: Arc<Mutex<Result<(), String>>>,
}

async fn server() -> Server {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = Arc::new(Mutex::new(Ok(())));
    let told = Arc::clone(&health);
    let sources = Sources {
        bgp: None,
        reload: None,
        api: None,
        metrics: Arc::new(|| "trunkline_openflow_switches_connected 4\n".to_owned()),
        health: Arc::new(move || told.lock().unwrap().clone()),
        switches: Arc::new(|| vec![("0000000000000007".to_owned(), "192.0.2.7:40000".to_owned())]),
    };
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(Door::Tcp(listener), sources, async {
        let _ = stopped.await;
    }));
    Server { address, stop, task, health }
}

/// Sends a request and reads until the server closes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_wants_them() {
    let server = server().await;
    let answer = get(server.address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ntrunkline_openflow_switches_connected 4\n"), "{answer}");
}

#[tokio::test]
async fn health_is_200_or_503_with_a_reason() {
    let server = server().await;
    let answer = get(server.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    *server.health.lock().unwrap() = Err("the core does not answer".to_owned());
    let answer = get(server.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\nthe core does not answer\n"), "{answer}");
}

#[tokio::test]
async fn the_index_names_the_others_and_the_rest_is_404_or_405() {
    let server = server().await;
    assert!(get(server.address, "/").await.contains("<code>0000000000000007</code> from 192.0.2.7:40000"));
    assert!(get(server.address, "/").await.contains("href=\"/metrics\""));
    assert!(get(server.address, "/etc/passwd").await.starts_with("HTTP/1.1 404"));
    let request = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\nconnection: close\r\n\r\nxxx";
    assert!(ask(server.address, request).await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn a_long_header_is_refused() {
    let server = server().await;
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(MAX_HEADER_OCTETS));
    let answer = ask(server.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_header_is_let_go() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(HEADER_TIMEOUT * 3, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is still open");
    // Meanwhile others are served.
    assert!(get(server.address, "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn shutdown_lets_idle_connections_go_and_frees_the_port() {
    let server = server().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    server.stop.send(()).unwrap();
    timeout(CLOSE_TIMEOUT * 2, server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    let port = address.port();
    assert_eq!(
        error.to_string(),
        format!(
            "http: cannot listen at {address}: port {port} is in use by another program (another trunkline?); choose another one with http.listen"
        )
    );
}
