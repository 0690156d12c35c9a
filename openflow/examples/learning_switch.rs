//! A controller in one file: learns where addresses are, installs a flow for each pair that talks, floods the rest.
//!
//! It shows how a driver runs a [`Channel`]: octets in, frames to the channel, events out, octets out. Nothing here is asynchronous;
//! any other way to read and write does as well.
//!
//! ```text
//! cargo run -p trunkline-openflow --example learning_switch -- 127.0.0.1:6653
//! ovs-vsctl set bridge br0 protocols=OpenFlow13 -- set-controller br0 tcp:127.0.0.1:6653
//! ```
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example of a driver: it has the socket and the clock"
)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use net::{MacAddr, PortNo, Time};
use openflow::{
    Action, Channel, ChannelConfig, ChannelEvent, FlowMod, Instruction, Match, Message, PacketIn, PacketOut, TableId,
    frame_length,
};

/// Flows of hosts that have fallen silent go after this many seconds.
const IDLE_TIMEOUT: u16 = 60;
/// Addresses that are remembered for one switch; further ones are flooded.
const ADDRESSES_MAX: usize = 65_536;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6653".to_owned());
    let listener = TcpListener::bind(&address)?;
    println!("waiting for switches at {address}");
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            let peer = stream.peer_addr().map_or_else(|_| "?".to_owned(), |peer| peer.to_string());
            match serve(stream, &peer) {
                Ok(()) => println!("{peer}: closed"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream, peer: &str) -> std::io::Result<()> {
    let origin = Instant::now();
    let now = || Time::ZERO + origin.elapsed();
    let mut channel = Channel::controller(ChannelConfig::default(), now());
    let mut addresses = BTreeMap::new();
    let mut buffer = BytesMut::new();
    loop {
        while let Some(event) = channel.poll_event() {
            match event {
                ChannelEvent::Up { features } => {
                    println!("{peer}: switch {}", features.datapath_id);
                    channel.send(&Message::FlowMod(table_miss()));
                }
                ChannelEvent::Message { message: Message::PacketIn(packet_in), .. } => {
                    answer(&packet_in, &mut addresses, &mut channel);
                }
                ChannelEvent::Message { message: Message::Error(error), .. } => println!("{peer}: {}", error.code()),
                ChannelEvent::Closed { reason } => {
                    println!("{peer}: {reason}");
                    // What the channel has said on the way out still leaves.
                    return channel.poll_transmit().map_or(Ok(()), |octets| stream.write_all(&octets));
                }
                _ => {}
            }
        }
        if let Some(octets) = channel.poll_transmit() {
            stream.write_all(&octets)?;
        }
        let wait = channel.poll_timeout().map(|(at, _)| at.since(now()).max(Duration::from_millis(1)));
        stream.set_read_timeout(wait)?;
        let mut octets = [0; 16 * 1024];
        match stream.read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.extend_from_slice(&octets[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        loop {
            match frame_length(&buffer) {
                Ok(Some(length)) if length <= buffer.len() => {
                    channel.handle_frame(buffer.split_to(length).freeze(), now());
                }
                Ok(_) => break,
                Err(error) => {
                    channel.handle_frame_error(error, now());
                    buffer.advance(buffer.len());
                }
            }
        }
        channel.handle_timeout(now());
    }
}

/// What no flow matches goes to the controller, whole.
fn table_miss() -> FlowMod {
    let mut flow_mod = FlowMod::add(TableId(0), 0, Match::new());
    flow_mod.instructions = vec![Instruction::ApplyActions(vec![Action::output(PortNo::CONTROLLER)])];
    flow_mod
}

fn answer(packet_in: &PacketIn, addresses: &mut BTreeMap<MacAddr, PortNo>, channel: &mut Channel) {
    let Some(in_port) = packet_in.match_.in_port() else { return };
    let Some((&destination, rest)) = packet_in.data.split_first_chunk() else { return };
    let Some((&source, _)) = rest.split_first_chunk() else { return };
    let (destination, source) = (MacAddr(destination), MacAddr(source));
    if !source.is_multicast() && (addresses.len() < ADDRESSES_MAX || addresses.contains_key(&source)) {
        addresses.insert(source, in_port);
    }
    let known = addresses.get(&destination).copied();
    if let Some(port) = known {
        let pair = Match::new().with_in_port(in_port).with_eth_src(source).with_eth_dst(destination);
        let mut flow_mod = FlowMod::add(TableId(0), 1, pair);
        flow_mod.idle_timeout = IDLE_TIMEOUT;
        flow_mod.instructions = vec![Instruction::ApplyActions(vec![Action::output(port)])];
        channel.send(&Message::FlowMod(flow_mod));
    }
    channel.send(&Message::PacketOut(PacketOut {
        buffer_id: packet_in.buffer_id,
        in_port,
        actions: vec![Action::output(known.unwrap_or(PortNo::FLOOD))],
        data: packet_in.data.clone(),
    }));
}
