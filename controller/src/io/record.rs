//! Recording: every OpenFlow message with its time and direction, into pcapng files that Wireshark reads too.
//!
//! The fabric thread only puts a copy of what it has read or is about to write on a bounded queue; a thread of its own makes packets of it. Where the queue is full the message is left out of the file, and the gap can be seen: in TCP's sequence numbers, in the
//! file's drop counter and in the log. The core is never kept waiting.
//!
//! Beside the packets stands what `trunkline replay` needs to run the same core again: the seeds of this run in the section header, and a
//! mark for each turn that a timer caused, and for the controller's end.

pub(crate) mod pcapng;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use net::Time;
use net::packet::TcpFlags;

use crate::config::Config;
use crate::core::CoreConfig;
use pcapng::{Endpoints, Segment};

/// Octets of one file; then the next one begins. Wireshark still opens such a file without a pause.
const FILE_OCTETS: u64 = 60 << 20;
/// Files of one run that are kept: with [`FILE_OCTETS`] this bounds the recording to 960 MiB. The oldest goes first.
const FILES_MAX: usize = 16;
/// Records that may wait for the writer; more are left out.
const QUEUED_RECORDS: usize = 16_384;
/// Octets that may wait for the writer: the disk may be slow, the controller's memory stays bounded.
const QUEUED_OCTETS: usize = 64 << 20;
/// What was written is given to the system after this long at the latest, so that a file can be looked at while it grows.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// Time between two log lines about records that were left out.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// The switch's side of a packet never has the controller's port, or nobody could tell the directions.
const PORT_INSTEAD: u16 = 16_653;

/// How much a recording may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    file_octets: u64,
    files: usize,
    queued_octets: usize,
}

const BOUNDS: Bounds = Bounds { file_octets: FILE_OCTETS, files: FILES_MAX, queued_octets: QUEUED_OCTETS };

/// A recording under way. Dropping it writes what is queued and ends the file.
#[derive(Debug)]
pub struct Recorder {
    queue: Queue,
    writer: Option<JoinHandle<()>>,
}

/// The recording of one connection.
#[derive(Debug)]
pub struct Tap {
    queue: Queue,
    connection: u64,
    /// Octets left out since the last message that was taken, from the switch and to it.
    missing: [Cell<u32>; 2],
    /// Its beginning, as long as there was no room for it.
    unopened: Cell<Option<Beginning>>,
}

#[derive(Clone, Copy, Debug)]
struct Beginning {
    now: Time,
    addresses: Option<(SocketAddr, SocketAddr)>,
}

#[derive(Clone, Debug)]
struct Queue {
    records: SyncSender<Record>,
    waiting: Arc<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    octets: AtomicUsize,
    /// Records that are on the queue, but for its end.
    records: AtomicUsize,
    /// Records left out since the start.
    dropped: AtomicU64,
    octets_max: usize,
    /// Connections that ended when there was no room to say so.
    unclosed: Mutex<Vec<u64>>,
}

#[derive(Debug)]
enum Record {
    Open {
        now: Time,
        connection: u64,
        addresses: Option<(SocketAddr, SocketAddr)>,
    },
    /// `missing` octets of the same direction were left out before these.
    Octets {
        now: Time,
        connection: u64,
        direction: Direction,
        octets: Bytes,
        missing: u32,
    },
    Closed {
        now: Time,
        connection: u64,
    },
    Timer {
        now: Time,
    },
    Finish {
        now: Time,
    },
    End,
}

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    FromSwitch,
    ToSwitch,
}

impl Recorder {
    /// Begin a recording of a core with these parameters in a folder, which is made if it isn't there. The files are for their owner only:
    /// they hold the network's traffic to the controller, and the key of this run's probes.
    ///
    /// # Errors
    /// What keeps the first file from being written, as a sentence.
    pub fn start(directory: &Path, core: &CoreConfig) -> Result<Recorder, String> {
        Recorder::start_within(BOUNDS, directory, core)
    }

    fn start_within(bounds: Bounds, directory: &Path, core: &CoreConfig) -> Result<Recorder, String> {
        let fail = |error: io::Error| format!("cannot record in {}: {error}", directory.display());
        std::fs::create_dir_all(directory).map_err(fail)?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut files = Files {
            directory: directory.to_owned(),
            began,
            comment: pcapng::RunFacts {
                seed: core.seed,
                probe_key: core.probe_key,
                began,
                probe_interval: core.discovery.probe_interval,
                host_timeout: core.discovery.host_timeout,
                audit_interval: core.flows.audit_interval,
                bundles: core.flows.bundles,
                role: core.role.0,
                generation_id: core.generation_id,
            }
            .to_comment(),
            made: VecDeque::new(),
            number: 0,
            bounds,
        };
        let file = files.next().map_err(fail)?;
        let (records, queued) = sync_channel(QUEUED_RECORDS);
        let waiting = Arc::new(Waiting {
            octets: AtomicUsize::new(0),
            records: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            octets_max: bounds.queued_octets,
            unclosed: Mutex::default(),
        });
        let writer = Writer {
            files,
            file,
            flows: BTreeMap::new(),
            unclosed: Vec::new(),
            waiting: waiting.clone(),
            scratch: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("record".to_owned()).spawn(move || writer.run(&queued));
        let thread = thread.map_err(fail)?;
        Ok(Recorder { queue: Queue { records, waiting }, writer: Some(thread) })
    }

    /// A connection begins. `addresses`: the controller's and the switch's, if it has such.
    pub fn open(&self, now: Time, connection: u64, addresses: Option<(SocketAddr, SocketAddr)>) -> Tap {
        let unopened = Cell::new(Some(Beginning { now, addresses }));
        let tap = Tap { queue: self.queue.clone(), connection, missing: Default::default(), unopened };
        tap.is_open();
        tap
    }

    /// A timer causes a turn of the core.
    pub fn timer(&self, now: Time) {
        self.queue.put(Record::Timer { now });
    }

    /// The core is told to finish.
    pub fn finish(&self, now: Time) {
        self.queue.put(Record::Finish { now });
    }

    /// Records that were left out so far because the disk was too slow.
    pub fn dropped(&self) -> u64 {
        self.queue.waiting.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Waits for room: the writer is always at work, and this happens once.
        let _ = self.queue.records.send(Record::End);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Tap {
    /// Octets that the switch has sent: whole messages.
    pub fn received(&self, now: Time, octets: &[u8]) {
        self.octets(now, Direction::FromSwitch, octets);
    }

    /// Octets that go to the switch: whole messages.
    pub fn sent(&self, now: Time, octets: &[u8]) {
        self.octets(now, Direction::ToSwitch, octets);
    }

    /// The connection has ended.
    pub fn closed(&self, now: Time) {
        // Nothing of it may have been taken; or its end is told when there is room again.
        if self.unopened.get().is_none() && !self.queue.put(Record::Closed { now, connection: self.connection }) {
            self.queue.waiting.unclosed.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection);
        }
    }

    /// Whether the writer knows of the connection: its beginning comes late if there was no room for it.
    fn is_open(&self) -> bool {
        if let Some(Beginning { now, addresses }) = self.unopened.get()
            && self.queue.put(Record::Open { now, connection: self.connection, addresses })
        {
            self.unopened.set(None);
        }
        self.unopened.get().is_none()
    }

    fn octets(&self, now: Time, direction: Direction, octets: &[u8]) {
        let len = octets.len();
        let missing = match direction {
            Direction::FromSwitch => &self.missing[0],
            Direction::ToSwitch => &self.missing[1],
        };
        // A copy: a slice would keep the whole buffer that it was read into, for as long as it waits.
        let record = || {
            let octets = Bytes::copy_from_slice(octets);
            Record::Octets { now, connection: self.connection, direction, octets, missing: missing.get() }
        };
        let taken = self.is_open() && self.queue.put_with(len, record);
        missing.set(if taken { 0 } else { missing.get().wrapping_add(len as u32) });
    }
}

impl Queue {
    /// Whether there was room.
    fn put(&self, record: Record) -> bool {
        self.put_with(0, || record)
    }

    /// The same with so many octets. The record is made only if there is room for it: nothing is copied for nothing.
    fn put_with(&self, octets: usize, record: impl FnOnce() -> Record) -> bool {
        let waiting = &self.waiting;
        let before =
            (waiting.octets.fetch_add(octets, Ordering::Relaxed), waiting.records.fetch_add(1, Ordering::Relaxed));
        let room = before.0 + octets <= waiting.octets_max && before.1 < QUEUED_RECORDS;
        let taken = room && self.records.try_send(record()).is_ok();
        if !taken {
            waiting.octets.fetch_sub(octets, Ordering::Relaxed);
            waiting.records.fetch_sub(1, Ordering::Relaxed);
            waiting.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The files of one run.
struct Files {
    directory: PathBuf,
    began: Duration,
    comment: String,
    made: VecDeque<PathBuf>,
    number: u32,
    bounds: Bounds,
}

struct OpenFile {
    out: BufWriter<File>,
    octets: u64,
}

impl OpenFile {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.octets += block.len() as u64;
        self.out.write_all(block)
    }
}

impl Files {
    /// The next file with its headers written. The oldest goes if there are too many.
    fn next(&mut self) -> io::Result<OpenFile> {
        self.number += 1;
        let name = format!("openflow-{}-{:04}.pcapng", self.began.as_millis(), self.number);
        let path = self.directory.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        self.made.push_back(path);
        if self.made.len() > self.bounds.files
            && let Some(oldest) = self.made.pop_front()
        {
            let _ = std::fs::remove_file(oldest);
        }
        let mut file = OpenFile { out: BufWriter::new(file), octets: 0 };
        let mut headers = Vec::new();
        pcapng::section_header(&self.comment, &mut headers);
        pcapng::interface(&mut headers);
        file.write(&headers)?;
        Ok(file)
    }
}

/// What is known of a connection's two directions: addresses, and the next sequence number of each.
struct Flow {
    endpoints: Endpoints,
    from_switch: u32,
    to_switch: u32,
}

struct Writer {
    files: Files,
    file: OpenFile,
    flows: BTreeMap<u64, Flow>,
    /// Connections that have ended without a record, when it was last looked.
    unclosed: Vec<u64>,
    waiting: Arc<Waiting>,
    scratch: Vec<u8>,
}

impl Writer {
    fn run(mut self, queued: &Receiver<Record>) {
        let mut told = (0, None::<Instant>);
        let mut since_forgotten = 0;
        loop {
            let record = match queued.recv_timeout(FLUSH_AFTER) {
                Ok(record) => Some(record),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let dropped = self.waiting.dropped.load(Ordering::Relaxed);
            let ends = matches!(record, Some(Record::End));
            if dropped > told.0 && (ends || told.1.is_none_or(|at| at.elapsed() > TELL_EVERY)) {
                tracing::warn!(dropped = dropped - told.0, "recording: the disk is too slow, messages are left out");
                told = (dropped, Some(Instant::now()));
            }
            since_forgotten += 1;
            if record.is_none() || since_forgotten > QUEUED_RECORDS {
                self.forget_unclosed(record.is_none());
                since_forgotten = 0;
            }
            let result = match record {
                None => self.file.out.flush(),
                Some(Record::End) => break,
                Some(record) => {
                    self.waiting.records.fetch_sub(1, Ordering::Relaxed);
                    self.record(record)
                }
            };
            if let Err(error) = result {
                tracing::error!(%error, folder = %self.files.directory.display(), "the recording ends: the file cannot be written");
                // What still comes is thrown away by the closed queue, without a word.
                return;
            }
        }
        self.end_file();
        let _ = self.file.out.flush();
    }

    fn record(&mut self, record: Record) -> io::Result<()> {
        self.scratch.clear();
        match record {
            Record::Open { now, connection, addresses } => {
                let endpoints = endpoints(connection, addresses);
                let mut flow = Flow { endpoints, from_switch: 0, to_switch: 0 };
                let at = self.at(now);
                // A handshake in one moment, so that every tool sees the connection begin.
                flow.packet(at, Direction::FromSwitch, &[TcpFlags::SYN], &[], &mut self.scratch);
                flow.packet(at, Direction::ToSwitch, &[TcpFlags::SYN, TcpFlags::ACK], &[], &mut self.scratch);
                self.flows.insert(connection, flow);
            }
            Record::Octets { now, connection, direction, octets, missing } => {
                self.waiting.octets.fetch_sub(octets.len(), Ordering::Relaxed);
                let at = self.at(now);
                if let Some(flow) = self.flows.get_mut(&connection) {
                    let next = flow.next(direction);
                    *next = next.wrapping_add(missing);
                    for message in pcapng::messages(&octets) {
                        for part in message.chunks(pcapng::SEGMENT_OCTETS) {
                            flow.packet(at, direction, &[TcpFlags::ACK, TcpFlags::PSH], part, &mut self.scratch);
                        }
                    }
                }
            }
            Record::Closed { now, connection } => {
                let at = self.at(now);
                if let Some(mut flow) = self.flows.remove(&connection) {
                    flow.packet(at, Direction::FromSwitch, &[TcpFlags::FIN, TcpFlags::ACK], &[], &mut self.scratch);
                    flow.packet(at, Direction::ToSwitch, &[TcpFlags::FIN, TcpFlags::ACK], &[], &mut self.scratch);
                }
            }
            Record::Timer { now } => {
                let at = self.at(now);
                pcapng::timer(at, &mut self.scratch);
            }
            Record::Finish { now } => {
                let at = self.at(now);
                pcapng::finish(at, &mut self.scratch);
            }
            Record::End => {}
        }
        if self.file.octets + self.scratch.len() as u64 > self.files.bounds.file_octets {
            self.end_file();
            self.file.out.flush()?;
            self.file = self.files.next()?;
        }
        self.file.write(&self.scratch)
    }

    /// Forgets connections whose end there was no room for. What was queued of them before may still come, unless the queue is empty: they
    /// have until it went through once.
    fn forget_unclosed(&mut self, is_empty: bool) {
        let new = std::mem::take(&mut *self.waiting.unclosed.lock().unwrap_or_else(PoisonError::into_inner));
        let old = std::mem::replace(&mut self.unclosed, new);
        let newer = if is_empty { std::mem::take(&mut self.unclosed) } else { Vec::new() };
        for connection in old.into_iter().chain(newer) {
            self.flows.remove(&connection);
        }
    }

    fn at(&self, now: Time) -> Duration {
        self.files.began + now.since(Time::ZERO)
    }

    /// The file's last block: what it lacks.
    fn end_file(&mut self) {
        let mut block = Vec::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        pcapng::statistics(now, self.waiting.dropped.load(Ordering::Relaxed), &mut block);
        let _ = self.file.write(&block);
    }
}

impl Flow {
    fn packet(&mut self, at: Duration, direction: Direction, flags: &[TcpFlags], payload: &[u8], out: &mut Vec<u8>) {
        let (to_switch, sequence, acknowledged) = match direction {
            Direction::FromSwitch => (false, self.from_switch, self.to_switch),
            Direction::ToSwitch => (true, self.to_switch, self.from_switch),
        };
        let acknowledged = if flags.contains(&TcpFlags::ACK) { acknowledged } else { 0 };
        let counted = u32::from(flags.contains(&TcpFlags::SYN) || flags.contains(&TcpFlags::FIN));
        let flags = TcpFlags(flags.iter().fold(0, |all, flag| all | flag.0));
        let segment = Segment { to_switch, sequence, acknowledged, flags, payload };
        pcapng::packet(at, &self.endpoints, &segment, out);
        *self.next(direction) = sequence.wrapping_add(payload.len() as u32).wrapping_add(counted);
    }

    fn next(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::FromSwitch => &mut self.from_switch,
            Direction::ToSwitch => &mut self.to_switch,
        }
    }
}

/// The addresses that the packets carry. The controller always has OpenFlow's port, whatever it listens at, so that every tool knows the
/// protocol and the direction. A connection without addresses (a Unix socket) gets an address of its own.
fn endpoints(connection: u64, addresses: Option<(SocketAddr, SocketAddr)>) -> Endpoints {
    let [.., high, low, port_high, port_low] = connection.to_be_bytes();
    let made_up = || {
        let controller = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let switch = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        (controller, SocketAddr::new(switch, u16::from_be_bytes([port_high, port_low]) | 0x8000))
    };
    let (controller, switch) = match addresses {
        Some((local, peer)) => match (local.ip().to_canonical(), peer.ip().to_canonical()) {
            (local @ IpAddr::V4(_), ip @ IpAddr::V4(_)) | (local @ IpAddr::V6(_), ip @ IpAddr::V6(_)) => {
                (local, SocketAddr::new(ip, peer.port()))
            }
            _ => made_up(),
        },
        None => made_up(),
    };
    let port = if switch.port() == Config::OPENFLOW_PORT { PORT_INSTEAD } else { switch.port() };
    Endpoints {
        controller: SocketAddr::new(controller, Config::OPENFLOW_PORT),
        switch: SocketAddr::new(switch.ip(), port),
    }
}
