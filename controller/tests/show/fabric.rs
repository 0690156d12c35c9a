//! The emulated fabric on a thread of its own, its switches connected to a controller over TCP.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use emulator::{CutKind, Fabric, FabricSpec, HostIndex, LinkIndex};
use net::{DatapathId, Time};

/// What the fabric can be told.
pub enum Order {
    /// Every host says who it is.
    Announce,
    /// A link is cut.
    Cut(LinkIndex),
    /// A host sends a frame.
    Send(HostIndex, Vec<u8>),
}

/// Runs until it is dropped.
pub struct Emulated {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Emulated {
    pub fn start(spec: &FabricSpec, controller: SocketAddr) -> Emulated {
        let (orders, taken) = channel();
        let spec = spec.clone();
        let thread = std::thread::spawn(move || run(&spec, controller, &taken));
        Emulated { orders: Some(orders), thread: Some(thread) }
    }

    pub fn order(&self, order: Order) {
        self.orders.as_ref().expect("runs").send(order).expect("the fabric runs");
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        self.orders.take();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(spec: &FabricSpec, controller: SocketAddr, orders: &Receiver<Order>) {
    let start = Instant::now();
    let now = || Time::ZERO + start.elapsed();
    let mut fabric = Fabric::new(1, spec, now());
    let mut streams: BTreeMap<DatapathId, TcpStream> = BTreeMap::new();
    for id in fabric.datapath_ids().collect::<Vec<_>>() {
        let stream = TcpStream::connect(controller).expect("the controller listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        streams.insert(id, stream);
        fabric.connect(id, now());
    }
    let mut waiting: BTreeMap<DatapathId, Vec<u8>> = BTreeMap::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match orders.try_recv() {
            Ok(Order::Announce) => (0..spec.hosts.len()).for_each(|host| fabric.announce(HostIndex(host), now())),
            Ok(Order::Cut(link)) => fabric.cut_link(link, CutKind::PortDown, now()),
            Ok(Order::Send(host, frame)) => fabric.send_frame(host, frame.into(), now()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        for (id, stream) in &mut streams {
            match stream.read(&mut buffer) {
                Ok(0) => fabric.disconnect(*id, now()),
                Ok(length) => fabric.handle_bytes(*id, &buffer[..length], now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The controller has gone: so does the test.
                Err(_) => return,
            }
        }
        fabric.handle_timeout(now());
        while let Some((id, octets)) = fabric.poll_transmit() {
            waiting.entry(id).or_default().extend_from_slice(&octets);
        }
        while fabric.poll_event().is_some() {}
        for (id, octets) in &mut waiting {
            let Some(stream) = streams.get_mut(id) else { continue };
            while !octets.is_empty() {
                match stream.write(octets) {
                    Ok(length) => drop(octets.drain(..length)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return,
                }
            }
        }
        // A step of the emulated time, not a wait for anything.
        std::thread::sleep(Duration::from_millis(1));
    }
}
