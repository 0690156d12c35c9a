//! A session of the project's own switch as a capture file, for a decoder that is not ours.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use openflow::Message;

use crate::report::Fail;

/// The longest message that fits into one IPv4 packet with its headers.
const LONGEST: usize = 65_535 - 20 - 20;

/// A capture file in which each message is a TCP connection of its own.
pub struct Session {
    file: BufWriter<File>,
    /// The messages, in the order of their frames, from 1.
    pub messages: Vec<Message>,
}

impl Session {
    /// An empty file.
    pub fn create(path: &Path) -> Result<Session, Fail> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut session = Session { file: BufWriter::new(file), messages: Vec::new() };
        // Magic, version 2.4, no zone, no accuracy, longest frame, Ethernet.
        session.put(&0xa1b2_c3d4u32.to_be_bytes())?;
        session.put(&[0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1])?;
        Ok(session)
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Fail> {
        self.file.write_all(octets).map_err(|error| error.to_string())
    }

    /// Appends a message; one that is too long for a packet is left out.
    pub fn add(&mut self, message: &Message) -> Result<(), Fail> {
        let mut out = BytesMut::new();
        message.encode(7, &mut out).map_err(|error| format!("{message}: {error:?}"))?;
        if out.len() > LONGEST {
            return Ok(());
        }
        self.add_octets(message, &out.freeze())
    }

    /// Appends octets in the place of a message.
    pub fn add_octets(&mut self, message: &Message, octets: &Bytes) -> Result<(), Fail> {
        let frame = frame(self.messages.len(), octets);
        let time = (self.messages.len() as u32).to_be_bytes();
        let length = (frame.len() as u32).to_be_bytes();
        for part in [&time[..], &[0; 4], &length, &length, &frame] {
            self.put(part)?;
        }
        self.messages.push(message.clone());
        Ok(())
    }

    /// Everything is in the file.
    pub fn finish(mut self) -> Result<Vec<Message>, Fail> {
        self.file.flush().map_err(|error| error.to_string())?;
        Ok(self.messages)
    }
}

/// An Ethernet frame with a TCP segment from a port of its own to 6653.
fn frame(number: usize, payload: &Bytes) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let length = (40 + payload.len()) as u16;
    frame.extend([0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, (number >> 14) as u8, 1, 10, 0, 0, 2]);
    frame.extend((10_000 + (number & 0x3fff) as u16).to_be_bytes());
    frame.extend(6653u16.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}
