//! The end of a capture file that Open vSwitch writes while it is read (the classic pcap format, in the machine's byte order).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bytes::{Buf, Bytes};

use crate::report::Fail;

/// Octets of the file's header and of the header of each frame.
const FILE_HEADER_LEN: usize = 24;
const FRAME_HEADER_LEN: usize = 16;

/// A capture file, and how far it was read.
pub struct Capture {
    file: File,
    offset: u64,
}

impl Capture {
    /// A file that has its header already, or gets it before the first frame is looked for.
    pub fn open(path: &Path) -> Result<Capture, Fail> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Capture { file, offset: FILE_HEADER_LEN as u64 })
    }

    /// The frames that came since the last call.
    pub fn new_frames(&mut self) -> Result<Vec<Bytes>, Fail> {
        self.file.seek(SeekFrom::Start(self.offset)).map_err(|error| error.to_string())?;
        let mut octets = Vec::new();
        self.file.read_to_end(&mut octets).map_err(|error| error.to_string())?;
        let mut rest = Bytes::from(octets);
        let mut frames = Vec::new();
        while rest.len() >= FRAME_HEADER_LEN {
            let length = (&rest[8..12]).get_u32_ne() as usize;
            if rest.len() < FRAME_HEADER_LEN + length {
                break;
            }
            frames.push(rest.slice(FRAME_HEADER_LEN..FRAME_HEADER_LEN + length));
            rest.advance(FRAME_HEADER_LEN + length);
            self.offset += (FRAME_HEADER_LEN + length) as u64;
        }
        Ok(frames)
    }
}
