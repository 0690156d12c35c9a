//! MRT files (RFC 6396) of a running speaker: messages as they come, tables on a schedule and on demand.
//!
//! What comes in goes over a bounded queue to a thread that writes it. When the disk is too slow for the queue, octets of a connection are
//! missing: the rest of that connection is left out, since nobody can say where its next message starts, and a line of the log says so. That a
//! connection has ended, or a session come up or gone down, is said later instead.

mod file_name;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::future::Future;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bgp::io::{Handle, PAGE_LIMIT, Tap, Tapped};
use bgp::mrt::{Record, RecordedEnds, Recording, TableDumper, Timestamp};
use bgp::rib::Rib;
use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tracing::{info, warn};

pub(crate) use file_name::FileName;

/// Pieces of what came in that wait for the disk; a piece is one read of at most 64 KiB.
const QUEUED_PIECES: usize = 1024;
/// Ups and downs of sessions that wait for room in that queue; further ones are left out, and the log says so.
const LATE_LIMIT: usize = 4096;
/// What was written is in the file after this long, also when little comes.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// What the writing thread is told.
enum Told {
    Octets { connection: u64, ends: RecordedEnds, octets: Bytes, at: Duration },
    Closed { connection: u64 },
    Session { ends: RecordedEnds, up: bool, at: Duration },
}

/// Time since 1970; 0 on a machine whose clock stands before that.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn timestamp(at: Duration) -> Timestamp {
    Timestamp { seconds: seconds(at), microseconds: Some(at.subsec_micros()) }
}

fn seconds(at: Duration) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

/// Messages that are being written: while this is there, and the tap.
pub(super) struct Updates(JoinHandle<()>);

impl Updates {
    /// The first file, so that what is wrong with it is known before anything else changes.
    pub(super) fn prepare(name: &str, rotate: Duration) -> Result<Files, String> {
        let mut files = Files { name: FileName::new(name), rotate, open: None };
        files.turn(since_1970())?;
        Ok(files)
    }

    /// Starts the thread that writes messages; the tap is for the speaker's driver.
    pub(super) fn start(files: Files) -> Result<(Updates, Tap), String> {
        let (queue, waiting) = sync_channel(QUEUED_PIECES);
        let thread = std::thread::Builder::new()
            .name("mrt-updates".to_owned())
            .spawn(move || write_on(&waiting, files))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok((Updates(thread), tap(queue)))
    }

    /// Waits until all is in the file. The tap has to be dropped before.
    pub(super) fn finish(self) {
        // A thread that panicked has nothing to write any more.
        let _ = self.0.join();
    }
}

fn tap(queue: SyncSender<Told>) -> Tap {
    // Connections of which something was left out, until they are closed.
    let mut gaps: BTreeSet<u64> = BTreeSet::new();
    // Few words that there was no room for: they go first as soon as there is.
    let mut late: VecDeque<Told> = VecDeque::new();
    let mut is_told = false;
    Box::new(move |tapped| {
        while let Some(told) = late.pop_front() {
            if let Err(TrySendError::Full(told)) = queue.try_send(told) {
                late.push_front(told);
                break;
            }
        }
        is_told &= !late.is_empty();
        let told = match tapped {
            Tapped::Octets { connection, .. } if gaps.contains(&connection) => return,
            Tapped::Octets { connection, ends, octets } => {
                Told::Octets { connection, ends, octets: octets.clone(), at: since_1970() }
            }
            Tapped::Closed { connection } => {
                gaps.remove(&connection);
                Told::Closed { connection }
            }
            Tapped::Session { ends, up } => Told::Session { ends, up, at: since_1970() },
        };
        // Nothing overtakes those that wait.
        let unsent = if late.is_empty() { queue.try_send(told) } else { Err(TrySendError::Full(told)) };
        match unsent {
            Err(TrySendError::Full(Told::Octets { connection, ends, .. })) => {
                if gaps.insert(connection) {
                    warn!(peer = %ends.neighbor, "MRT: the disk is too slow: the rest of this connection is not recorded");
                }
            }
            // An end is a number, and without it what is known of the connection would stay for ever.
            Err(TrySendError::Full(told @ Told::Closed { .. })) => late.push_back(told),
            Err(TrySendError::Full(told @ Told::Session { .. })) if late.len() < LATE_LIMIT => late.push_back(told),
            Err(TrySendError::Full(Told::Session { ends, .. })) => {
                if !std::mem::replace(&mut is_told, true) {
                    warn!(peer = %ends.neighbor, "MRT: the disk is too slow: sessions' ups and downs are not recorded");
                }
            }
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    })
}

/// The file that is written to, and when there is to be another one.
pub(super) struct Files {
    name: FileName,
    rotate: Duration,
    open: Option<(PathBuf, BufWriter<File>)>,
}

impl Files {
    /// Begins the next file if it is time.
    fn turn(&mut self, now: Duration) -> Result<(), String> {
        let path = PathBuf::from(self.name.at(begin_of(now, self.rotate)));
        if self.open.as_ref().is_some_and(|(open, _)| *open == path) {
            return Ok(());
        }
        make_folder(&path)?;
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|error| format!("bgp.mrt.updates: {}: {error}", path.display()))?;
        self.open = Some((path, BufWriter::new(file)));
        Ok(())
    }

    fn write(&mut self, records: &[Record], now: Duration) -> Result<(), String> {
        self.turn(now)?;
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        let mut out = BytesMut::new();
        for record in records {
            if record.encode(&mut out).is_err() {
                warn!("MRT: a message does not fit into a record");
            }
        }
        file.write_all(&out).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn flush(&mut self) -> Result<(), String> {
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        file.flush().map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The last moment before `now` that is a whole number of intervals after midnight, UTC.
fn begin_of(now: Duration, interval: Duration) -> Duration {
    const DAY: u64 = 86_400;
    let seconds = now.as_secs();
    let (midnight, interval) = (seconds - seconds % DAY, interval.as_secs().max(1));
    Duration::from_secs(midnight + (seconds - midnight) / interval * interval)
}

fn make_folder(path: &Path) -> Result<(), String> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|error| format!("bgp.mrt: {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes until the speaker is gone.
fn write_on(queue: &Receiver<Told>, mut files: Files) {
    let mut recording = Recording::default();
    let mut flushed = since_1970();
    // A full disk is told once, and again when it was well in between.
    let mut well = true;
    loop {
        let written = match queue.recv_timeout(FLUSH_INTERVAL) {
            Ok(told) => {
                let records = match told {
                    Told::Octets { connection, ends, octets, at } => {
                        recording.handle_octets(connection, &ends, &octets, timestamp(at))
                    }
                    Told::Closed { connection } => {
                        recording.handle_closed(connection);
                        Vec::new()
                    }
                    Told::Session { ends, up, at } => vec![Recording::state_change(&ends, up, timestamp(at))],
                };
                if records.is_empty() {
                    continue;
                }
                let now = since_1970();
                let written = files.write(&records, now);
                // Also where it never falls silent for that long; a clock that goes back must not stop it.
                if now.abs_diff(flushed) >= FLUSH_INTERVAL {
                    flushed = now;
                    written.and_then(|()| files.flush())
                } else {
                    written
                }
            }
            Err(RecvTimeoutError::Timeout) => files.turn(since_1970()).and_then(|()| files.flush()),
            Err(RecvTimeoutError::Disconnected) => {
                let _ = files.flush();
                return;
            }
        };
        if let Err(error) = &written
            && well
        {
            warn!(%error, "MRT: messages are not recorded");
        }
        well = written.is_ok();
    }
}

/// Tables that are being written on a schedule: as long as this is there.
pub(super) struct Tables {
    _running: watch::Sender<()>,
}

/// Starts the thread that writes tables on a schedule.
pub(super) fn dump(handle: Handle, name: &str, interval: Duration) -> Result<Tables, String> {
    let (running, mut ended) = watch::channel(());
    let name = FileName::new(name);
    make_folder(Path::new(&name.at(since_1970())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime for MRT tables: {error}"))?;
    std::thread::Builder::new()
        .name("mrt-tables".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    let now = since_1970();
                    let next = begin_of(now, interval) + interval;
                    tokio::select! {
                        () = tokio::time::sleep(next.saturating_sub(now)) => {}
                        _ = ended.changed() => return,
                    }
                    if !handle.is_running() {
                        return;
                    }
                    match dump_once(&handle, &name.at(since_1970())).await {
                        Ok(Some(file)) => info!(file, "tables written"),
                        // The speaker has ended.
                        Ok(None) => return,
                        Err(error) => warn!(%error, "MRT: the tables are not written"),
                    }
                }
            });
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(Tables { _running: running })
}

/// One file, under its name only when it is whole; nothing if the speaker ends meanwhile.
async fn dump_once(handle: &Handle, name: &str) -> Result<Option<String>, String> {
    let part = format!("{name}.part");
    let path = Path::new(&part);
    let failed = |error: std::io::Error| format!("{part}: {error}");
    make_folder(path)?;
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut outcome = Ok(());
    let whole = table_octets(handle.clone(), |octets| {
        outcome = file.write_all(&octets);
        std::future::ready(outcome.is_ok())
    })
    .await;
    outcome.and_then(|()| file.flush()).map_err(failed)?;
    if !whole {
        let _ = std::fs::remove_file(path);
        return Ok(None);
    }
    std::fs::rename(path, name).map_err(failed)?;
    Ok(Some(name.to_owned()))
}

/// All routes as they came, as the octets of a file, piece by piece, until `give` says that nobody wants more. A page at a time: a big table
/// holds no neighbour up. Says whether it was all.
pub(crate) async fn table_octets<F: Future<Output = bool>>(handle: Handle, mut give: impl FnMut(Bytes) -> F) -> bool {
    let Ok(status) = handle.status().await else { return false };
    let now = since_1970();
    let neighbors = status.neighbors.iter().map(|neighbor| (neighbor.address, neighbor.asn, neighbor.router_id));
    let origin = seconds(now.saturating_sub(status.now.since(net::Time::ZERO)));
    let (mut dumper, head) = TableDumper::start(seconds(now), origin, status.router_id, status.asn, neighbors);
    let mut records = vec![head];
    for family in Rib::FAMILIES {
        let mut after = None;
        loop {
            let Ok(page) = handle.received_paths(family, after, PAGE_LIMIT).await else { return false };
            records.extend(dumper.records(&page.routes));
            let mut out = BytesMut::new();
            for record in records.drain(..) {
                if record.encode(&mut out).is_err() {
                    warn!("MRT: a prefix does not fit into a record");
                }
            }
            if !out.is_empty() && !give(out.freeze()).await {
                return false;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if dumper.left_out() > 0 {
        warn!(routes = dumper.left_out(), "MRT: routes left out: too long, or of a neighbour that came meanwhile");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> RecordedEnds {
        RecordedEnds {
            neighbor: "192.0.2.2".parse().unwrap(),
            local: None,
            neighbor_asn: bgp::wire::Asn(65002),
            local_asn: bgp::wire::Asn(65001),
            add_path_receive: false,
            terms: None,
        }
    }

    #[test]
    fn when_the_queue_is_full_octets_are_left_out_and_ends_and_sessions_come_later_in_order() {
        let (queue, waiting) = sync_channel(1);
        let mut tap = tap(queue);
        let (ends, octets) = (ends(), Bytes::from_static(&[1]));
        tap(Tapped::Octets { connection: 1, ends, octets: &octets });
        // There is no more room.
        tap(Tapped::Octets { connection: 2, ends, octets: &octets });
        tap(Tapped::Session { ends, up: false });
        tap(Tapped::Closed { connection: 1 });
        assert!(matches!(waiting.try_recv(), Ok(Told::Octets { connection: 1, .. })));
        // What comes next makes them go, one for each place that has become free; nothing overtakes them.
        tap(Tapped::Octets { connection: 3, ends, octets: &octets });
        assert!(matches!(waiting.try_recv(), Ok(Told::Session { up: false, .. })));
        tap(Tapped::Octets { connection: 2, ends, octets: &octets });
        assert!(matches!(waiting.try_recv(), Ok(Told::Closed { connection: 1 })));
        tap(Tapped::Octets { connection: 2, ends, octets: &octets });
        assert!(waiting.try_recv().is_err(), "octets of it are missing, and so is the rest");
        tap(Tapped::Octets { connection: 4, ends, octets: &octets });
        assert!(matches!(waiting.try_recv(), Ok(Told::Octets { connection: 4, .. })));
    }

    #[test]
    fn intervals_count_from_midnight() {
        let at = |seconds: u64| Duration::from_secs(1_700_006_400 / 86_400 * 86_400 + seconds);
        assert_eq!(begin_of(at(3599), Duration::from_secs(900)), at(2700));
        assert_eq!(begin_of(at(0), Duration::from_secs(7000)), at(0));
        assert_eq!(begin_of(at(86_399), Duration::from_secs(7000)), at(84_000));
    }
}
