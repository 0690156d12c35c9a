//! What is recorded is read back by our own reader, and by Wireshark's where it is installed.

use std::process::Command;

use super::*;
use crate::capture::{Capture, Event};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("trunkline-record-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn capture(&self) -> Capture {
        let [file] = self.files().try_into().unwrap();
        Capture::read(&std::fs::read(file).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A message of this length with this number.
fn message(kind: u8, length: u16, xid: u32) -> Bytes {
    let mut octets = vec![0; usize::from(length)];
    octets[..4].copy_from_slice(&[4, kind, (length >> 8) as u8, length as u8]);
    octets[4..8].copy_from_slice(&xid.to_be_bytes());
    octets.into()
}

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Duration::from_millis(milliseconds)
}

fn addresses(local: &str, peer: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((local.parse().unwrap(), peer.parse().unwrap()))
}

fn messages(capture: &Capture, wanted: usize) -> Vec<(bool, Bytes)> {
    let of = |entry: &crate::capture::Entry| match &entry.event {
        Event::Message { connection, from_switch, octets } if *connection == wanted => {
            Some((*from_switch, octets.clone()))
        }
        _ => None,
    };
    capture.entries.iter().filter_map(of).collect()
}

#[test]
fn a_recording_is_read_back_with_times_directions_and_ends() {
    let folder = Folder::new("back");
    let core = CoreConfig { seed: 7, probe_key: [3; 32], ..CoreConfig::default() };
    let recorder = Recorder::start(&folder.0, &core).unwrap();
    let long = message(10, u16::MAX, 9);
    let ends = [
        addresses("192.0.2.1:6700", "192.0.2.7:40000"),
        addresses("[::1]:6653", "[::1]:40000"),
        addresses("[::ffff:192.0.2.1]:6653", "192.0.2.7:6653"),
        None,
    ];
    for (number, addresses) in (0..).zip(ends) {
        let tap = recorder.open(at(1), 100 + number, addresses);
        tap.sent(at(2), &[message(0, 8, 1), message(5, 8, 2)].concat());
        tap.received(at(3), &message(0, 8, 3));
        recorder.timer(at(4));
        recorder.finish(at(4));
        tap.received(at(5), &long);
        tap.closed(at(6));
    }
    assert_eq!(recorder.dropped(), 0);
    drop(recorder);

    let capture = folder.capture();
    assert_eq!((capture.error.clone(), capture.dropped), (None, 0));
    let facts = capture.facts.unwrap();
    assert_eq!((facts.seed, facts.probe_key), (7, [3; 32]));
    let ports: Vec<(u16, u16)> =
        capture.connections.iter().map(|ends| (ends.controller.port(), ends.switch.port())).collect();
    assert_eq!(ports[..3], [(6653, 40000), (6653, 40000), (6653, 16653)]);
    assert!(capture.connections.iter().all(|ends| ends.from_the_start));
    for connection in 0..4 {
        let expected =
            [(false, message(0, 8, 1)), (false, message(5, 8, 2)), (true, message(0, 8, 3)), (true, long.clone())];
        assert_eq!(messages(&capture, connection), expected);
    }
    let kinds: Vec<(u64, &str)> = capture
        .entries
        .iter()
        .take(8)
        .map(|entry| {
            let kind = match entry.event {
                Event::Opened { .. } => "opened",
                Event::Closed { .. } => "closed",
                Event::Message { .. } => "message",
                Event::Timer => "timer",
                Event::Finish => "finish",
                Event::Gap { .. } => "gap",
            };
            ((entry.at - facts.began).as_millis() as u64, kind)
        })
        .collect();
    let expected = [
        (1, "opened"),
        (2, "message"),
        (2, "message"),
        (3, "message"),
        (4, "timer"),
        (4, "finish"),
        (5, "message"),
        (6, "closed"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_the_disk_is_too_slow_for_is_a_gap_and_counted() {
    let folder = Folder::new("gap");
    let bounds = Bounds { queued_octets: 100, ..BOUNDS };
    let recorder = Recorder::start_within(bounds, &folder.0, &CoreConfig::default()).unwrap();
    let tap = recorder.open(at(1), 1, addresses("192.0.2.1:6653", "192.0.2.7:40000"));
    tap.received(at(2), &message(0, 8, 1));
    // More than may wait at all.
    tap.received(at(3), &message(10, 200, 2));
    let deadline = Instant::now() + Duration::from_secs(20);
    while recorder.queue.waiting.octets.load(Ordering::Relaxed) > 0 {
        assert!(Instant::now() < deadline, "the writer does not write");
        std::thread::yield_now();
    }
    tap.received(at(4), &message(2, 8, 3));
    tap.closed(at(5));
    assert_eq!(recorder.dropped(), 1);
    drop(recorder);
    let capture = folder.capture();
    assert_eq!(capture.dropped, 1);
    assert_eq!(messages(&capture, 0), [(true, message(0, 8, 1)), (true, message(2, 8, 3))]);
    let gap = Event::Gap { connection: 0, from_switch: true, octets: 200 };
    assert!(capture.entries.iter().any(|entry| entry.event == gap), "{:?}", capture.entries);
}

/// Records a hundred messages, of which a file holds a few, and keeps so many files.
fn record_in_files(folder: &Folder, files: usize) -> Vec<PathBuf> {
    let bounds = Bounds { file_octets: 4_096, files, ..BOUNDS };
    let recorder = Recorder::start_within(bounds, &folder.0, &CoreConfig::default()).unwrap();
    let tap = recorder.open(at(1), 1, addresses("192.0.2.1:6653", "192.0.2.7:40000"));
    for number in 0..100 {
        tap.received(at(2), &message(10, 500, number));
    }
    drop(recorder);
    folder.files()
}

/// The numbers of a capture's messages on its first connection.
fn numbers(capture: &Capture) -> Vec<u32> {
    messages(capture, 0).iter().map(|(_, octets)| u32::from_be_bytes(octets[4..8].try_into().unwrap())).collect()
}

#[test]
fn files_follow_each_other_and_the_oldest_go() {
    let folder = Folder::new("rotate");
    let files = record_in_files(&folder, 3);
    assert_eq!(files.len(), 3);
    let mut last = None;
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        assert!(octets.len() < 4_096 + 64, "{}", octets.len());
        let capture = Capture::read(&octets);
        assert_eq!(capture.error, None);
        for number in numbers(&capture) {
            assert!(last.is_none_or(|last| number == last + 1), "{number} after {last:?}");
            last = Some(number);
        }
    }
    assert_eq!(last, Some(99));
}

#[test]
fn all_files_of_a_run_are_one_capture() {
    let folder = Folder::new("join");
    let files = record_in_files(&folder, 100);
    assert!(files.len() > 10);
    let all: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    let capture = Capture::read(&all);
    assert_eq!((capture.error.clone(), capture.connections.len()), (None, 1));
    assert!(capture.connections[0].from_the_start);
    assert_eq!(numbers(&capture), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_cannot_be_made_is_a_sentence() {
    let error = Recorder::start(Path::new("/dev/null/x"), &CoreConfig::default()).unwrap_err();
    assert!(error.starts_with("cannot record in /dev/null/x: "), "{error}");
}

#[test]
fn wireshark_reads_a_recording() {
    if Command::new("tshark").arg("-v").output().is_err() {
        eprintln!("SKIPPED: tshark is not installed");
        return;
    }
    let folder = Folder::new("tshark");
    let recorder = Recorder::start(&folder.0, &CoreConfig::default()).unwrap();
    let tap = recorder.open(at(1), 1, addresses("[2001:db8::1]:6700", "[2001:db8::7]:40000"));
    tap.received(at(2), &message(0, 8, 0x11));
    recorder.timer(at(3));
    tap.sent(at(4), &[message(0, 8, 0x22), message(5, 8, 0x33)].concat());
    tap.closed(at(5));
    drop(recorder);
    let [file] = folder.files().try_into().unwrap();
    let output = Command::new("tshark")
        .args(["-o", "tcp.check_checksum:TRUE", "-Y", "openflow_v4 && !tcp.checksum_bad.expert", "-T", "fields"])
        .args(["-e", "ipv6.src", "-e", "openflow_v4.type", "-e", "openflow_v4.xid", "-r"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "2001:db8::7\t0\t17\n2001:db8::1\t0\t34\n2001:db8::1\t5\t51\n";
    assert_eq!(text, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_there_is_no_room_for_is_not_even_made() {
    let folder = Folder::new("room");
    let bounds = Bounds { queued_octets: 100, ..BOUNDS };
    let recorder = Recorder::start_within(bounds, &folder.0, &CoreConfig::default()).unwrap();
    let (queue, waiting) = (recorder.queue.clone(), recorder.queue.waiting.clone());
    let never = || panic!("a copy for nothing");
    assert!(!queue.put_with(101, never), "too many octets");
    waiting.records.fetch_add(QUEUED_RECORDS, Ordering::Relaxed);
    assert!(!queue.put_with(1, never), "too many records");
    waiting.records.fetch_sub(QUEUED_RECORDS, Ordering::Relaxed);
    assert!(queue.put_with(1, || Record::Timer { now: at(1) }), "room again");
    assert_eq!(recorder.dropped(), 2);
}

#[test]
fn a_connection_whose_beginning_or_end_had_no_room_is_recorded_all_the_same() {
    let folder = Folder::new("late");
    let bounds = Bounds { queued_octets: 1_000, ..BOUNDS };
    let recorder = Recorder::start_within(bounds, &folder.0, &CoreConfig::default()).unwrap();
    let waiting = recorder.queue.waiting.clone();
    let full = |is: bool| match is {
        true => waiting.octets.fetch_add(10_000, Ordering::Relaxed),
        false => waiting.octets.fetch_sub(10_000, Ordering::Relaxed),
    };
    full(true);
    let tap = recorder.open(at(1), 1, addresses("192.0.2.1:6653", "192.0.2.7:40000"));
    tap.received(at(2), &message(0, 8, 1));
    full(false);
    tap.received(at(3), &message(10, 200, 2));
    full(true);
    tap.closed(at(4));
    let never = recorder.open(at(5), 2, addresses("192.0.2.1:6653", "192.0.2.8:40000"));
    never.closed(at(6));
    assert_eq!(*waiting.unclosed.lock().unwrap(), [1]);
    full(false);
    drop(recorder);
    let capture = folder.capture();
    assert_eq!(capture.connections.len(), 1);
    assert_eq!(messages(&capture, 0), [(true, message(10, 200, 2))]);
    assert!(capture.dropped >= 3);
}
