//! A way between switches and their controller that can be shut: nothing passes then, and nobody is told. It counts the flow-mods that pass.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::report::Fail;

/// The version octet of OpenFlow 1.3, and the types of the messages that are looked at (OpenFlow 1.3.5 §7.1).
const VERSION: u8 = 4;
const EXPERIMENTER: u8 = 4;
const FLOW_MOD: u8 = 14;
/// The ONF's experimenter number, its type of a message that is added to a bundle, and where that message begins.
const ONF: [u8; 4] = [0x4f, 0x4e, 0x46, 0x00];
const BUNDLE_ADD: [u8; 4] = [0, 0, 0x08, 0xfd];
const BUNDLED_AT: usize = 24;

/// Passes octets on while it is open, until the process ends.
pub struct Gate {
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    is_shut: bool,
    counted: Counted,
}

/// What has passed so far.
#[derive(Clone, Copy, Default)]
pub struct Counted {
    /// Flow-mods to switches, those in bundles too.
    pub flow_mods: u64,
    /// When the last of them came by.
    pub last: Option<Instant>,
    /// Connections of switches that reached the controller.
    pub connections: u64,
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once it is open.
    fn wait_open(&self) {
        drop(self.opened.wait_while(self.state(), |state| state.is_shut).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Gate {
    /// Listens at `from` and connects each caller to `to`.
    pub fn start(from: &str, to: &'static str) -> Result<Gate, Fail> {
        let listener = TcpListener::bind(from).map_err(|error| format!("{from}: {error}"))?;
        let way = Arc::new(Way::default());
        let of_all = way.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                of_all.wait_open();
                let Ok(server) = TcpStream::connect(to) else { continue };
                let (Ok(caller_reads), Ok(server_reads)) = (caller.try_clone(), server.try_clone()) else { continue };
                of_all.state().counted.connections += 1;
                let (up, down) = (of_all.clone(), of_all.clone());
                std::thread::spawn(move || pass(caller_reads, server, &up, |_| 0));
                let mut messages = Messages::default();
                std::thread::spawn(move || pass(server_reads, caller, &down, |octets| messages.flow_mods(octets)));
            }
        });
        Ok(Gate { way })
    }

    /// Nothing passes from now on, or everything does, with what has waited first.
    pub fn set_shut(&self, shut: bool) {
        self.way.state().is_shut = shut;
        self.way.opened.notify_all();
    }

    /// What has passed so far.
    pub fn counted(&self) -> Counted {
        self.way.state().counted
    }
}

/// Copies one direction to its end.
fn pass(mut from: TcpStream, mut to: TcpStream, way: &Way, mut flow_mods: impl FnMut(&[u8]) -> u64) {
    let mut buffer = [0; 16384];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        way.wait_open();
        let found = flow_mods(&buffer[..count]);
        if found > 0 {
            let mut state = way.state();
            state.counted.flow_mods += found;
            state.counted.last = Some(Instant::now());
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    way.wait_open();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A stream of OpenFlow messages, cut.
#[derive(Default)]
struct Messages {
    /// The first octets of the message that has begun.
    head: Vec<u8>,
    /// Octets of it that are still to come, behind those.
    left: usize,
}

impl Messages {
    /// How many flow-mods begin in these octets.
    fn flow_mods(&mut self, mut octets: &[u8]) -> u64 {
        let mut found = 0;
        while !octets.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(octets.len());
                (self.left, octets) = (self.left - skipped, &octets[skipped..]);
                continue;
            }
            let wanted = self.wanted();
            let taken = (wanted - self.head.len()).min(octets.len());
            self.head.extend_from_slice(&octets[..taken]);
            octets = &octets[taken..];
            if self.head.len() == self.wanted() {
                found += u64::from(self.is_flow_mod());
                self.left = self.length().saturating_sub(self.head.len());
                self.head.clear();
            }
        }
        found
    }

    /// So much of a message says what it is.
    fn wanted(&self) -> usize {
        if self.head.len() < 8 || self.head[1] != EXPERIMENTER { 8 } else { self.length().clamp(8, BUNDLED_AT + 1 + 1) }
    }

    fn length(&self) -> usize {
        usize::from(u16::from_be_bytes([self.head[2], self.head[3]]))
    }

    fn is_flow_mod(&self) -> bool {
        let kind = |at: usize| self.head.get(at) == Some(&VERSION) && self.head.get(at + 1) == Some(&FLOW_MOD);
        let is_bundled = self.head.get(8..12) == Some(&ONF) && self.head.get(12..16) == Some(&BUNDLE_ADD);
        kind(0) || (is_bundled && kind(BUNDLED_AT))
    }
}
