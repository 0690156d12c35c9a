//! Everything that must not disturb: noise, lies, slowness and impostors on the OpenFlow port, while pings run at 5 ms.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{CONNECT_LIMIT, Lab, OPENFLOW, working_fabric};
use crate::controller::{Controller, metric};
use crate::exchange::{connect, noise, openflow_hello, openflow_messages, read_to_close};
use crate::fabric::{BRIDGES, Fabric, datapath_id};
use crate::ping::Ping;
use crate::report::{Fail, Outcome, Report};
use crate::{ovs, wait};

/// A peer that doesn't finish its handshake is put out within this (the handshake deadline is 5 s).
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// OpenFlow message types and codes (OpenFlow 1.3.5 §7.1, §7.5.4).
const HELLO: u8 = 0;
const ERROR: u8 = 1;
const FEATURES_REPLY: u8 = 6;
const OFPET_HELLO_FAILED: [u8; 2] = [0, 0];
const OFPHFC_INCOMPATIBLE: [u8; 2] = [0, 0];

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = working_fabric(lab, report)?;
    let mut pings = Vec::new();
    for (from, to) in [(1, 4), (3, 6)] {
        let (from, to) = (&fabric.hosts[from - 1], &fabric.hosts[to - 1]);
        pings.push(Ping::start(&lab.directory, from, to.ipv4().into(), Duration::from_millis(5))?);
        pings.push(Ping::start(&lab.directory, to, from.ipv6().into(), Duration::from_millis(5))?);
    }
    for ping in &mut pings {
        ping.wait_established()?;
    }

    for version in [1, 2, 3] {
        report.check(&format!("a peer with version 0x0{version} alone is told HELLO_FAILED"), old_version(version));
    }
    for version in [5, 6] {
        let outcome = bitmap_without_ours(version);
        report.check(&format!("a peer of version 0x0{version} alone is told HELLO_FAILED"), outcome);
    }
    // Without a bitmap the smaller of both versions is agreed on (OpenFlow 1.3.5 §6.3.1), which is ours: a peer that goes on in its own
    // breaks that.
    let goes_on = all_close(1, |_| [openflow_hello(6), vec![6, FEATURES_REPLY, 0, 8, 0, 0, 0, 2]].concat());
    report.check("a peer that says HELLO with version 0x06 and goes on with it is closed", goes_on);
    report.check("noise is closed", all_close(lab.mode.pick(20, 200), |seed| noise(seed + 1, 2000)));
    report.check(
        "a length below 8 is closed",
        all_close(1, |_| [openflow_hello(4), vec![4, 2, 0, 3, 0, 0, 0, 9]].concat()),
    );
    report.check("a first message that is no HELLO is closed", all_close(1, |_| vec![4, 2, 0, 8, 0, 0, 0, 1]));
    report.check("an HTTP request is closed", all_close(1, |_| b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n".to_vec()));
    report.check("a TLS hello is closed", all_close(1, |_| [vec![0x16, 3, 1, 0x40, 0], noise(7, 0x4000)].concat()));
    report.check("a peer that says nothing is put out", silent(lab.mode.pick(20, 200)));
    report.check("a peer that writes an octet at a time is put out", slow_writer());
    report.check("the switches are all connected still", connected(&mut controller));

    duplicate(report, &fabric, &mut controller)?;
    for ping in pings {
        let outcome = ping.stop().and_then(|summary| {
            wait::ensure(summary.lost == 0 && summary.duplicates == 0, || summary.to_string())?;
            Ok(summary.to_string())
        });
        report.check("pings notice nothing of all this", outcome);
    }
    take_over(report, &mut controller)?;
    let metrics = controller.metric("process_resident_memory_bytes", &[]).ok();
    report.show(format!("resident memory of the controller afterwards: {metrics:?}"));
    Ok(())
}

/// Says HELLO with an old version; the answer must hold HELLO_FAILED / INCOMPATIBLE, in a header that the peer understands.
fn old_version(version: u8) -> Outcome {
    let mut stream = connect()?;
    stream.write_all(&openflow_hello(version)).map_err(|error| error.to_string())?;
    hello_failed(&mut stream, version)
}

/// Says HELLO as version 1.4 (0x05) or 1.5 (0x06) with a bitmap that does not hold 1.3.
fn bitmap_without_ours(version: u8) -> Outcome {
    let mut stream = connect()?;
    let hello = [version, HELLO, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 1 << version];
    stream.write_all(&hello).map_err(|error| error.to_string())?;
    hello_failed(&mut stream, version)
}

/// Reads until the other side has closed: there must be a HELLO_FAILED among what came.
fn hello_failed(stream: &mut std::net::TcpStream, version: u8) -> Outcome {
    let received = read_to_close(stream, HANDSHAKE_LIMIT)?;
    let messages = openflow_messages(&received);
    let error = messages
        .iter()
        .find(|message| message[1] == ERROR)
        .ok_or_else(|| format!("no ERROR among {} messages", messages.len()))?;
    let code = error.get(8..12).unwrap_or_default();
    let wanted = [OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE].concat();
    wait::ensure(code == wanted, || format!("ERROR with type and code {code:?}"))?;
    let text = String::from_utf8_lossy(error.get(12..).unwrap_or_default()).into_owned();
    wait::ensure(error[0] <= version, || format!("the ERROR has version 0x{:02x}", error[0]))?;
    Ok(format!("“{}”", text.trim_end_matches('\0')))
}

/// Sends something, `count` times on connections of their own at the same time: each must be closed by the controller.
fn all_close(count: u64, octets: impl Fn(u64) -> Vec<u8>) -> Outcome {
    let mut streams = Vec::new();
    for seed in 0..count {
        let mut stream = connect()?;
        // The controller may have seen enough before all of it is written.
        let _ = stream.write_all(&octets(seed));
        streams.push(stream);
    }
    for stream in &mut streams {
        read_to_close(stream, HANDSHAKE_LIMIT)?;
    }
    Ok(format!("{count} times"))
}

/// Connects and says nothing.
fn silent(count: u64) -> Outcome {
    let start = Instant::now();
    all_close(count, |_| Vec::new())?;
    Ok(format!("{count} of them, after {:.1} s", start.elapsed().as_secs_f64()))
}

/// A HELLO that claims to be long, one octet every now and then.
fn slow_writer() -> Outcome {
    let mut stream = connect()?;
    let start = Instant::now();
    let mut octets = vec![4, HELLO, 0xff, 0xff, 0, 0, 0, 1].into_iter().chain(std::iter::repeat(0));
    while start.elapsed() < HANDSHAKE_LIMIT {
        if stream.write_all(&[octets.next().unwrap_or(0)]).is_err() {
            return Ok(format!("after {:.1} s", start.elapsed().as_secs_f64()));
        }
        if read_to_close(&mut stream, Duration::from_millis(150)).is_ok() {
            return Ok(format!("after {:.1} s", start.elapsed().as_secs_f64()));
        }
    }
    Err(format!("it is still connected after {:.0} s", start.elapsed().as_secs_f64()))
}

/// All four bridges say that they are connected, and so does the controller.
fn connected(controller: &mut Controller) -> Outcome {
    controller.wait_metric(Duration::from_secs(2), metric::SWITCHES, BRIDGES.len() as f64)?;
    for bridge in BRIDGES {
        wait::ensure(ovs::is_connected(bridge)?, || format!("{bridge} says that it is not connected"))?;
    }
    Ok(String::new())
}

/// A second bridge with the datapath id of the first: it waits outside while the first is alive.
fn duplicate(report: &mut Report, fabric: &Fabric, controller: &mut Controller) -> Result<(), Fail> {
    report.show("a second bridge claims the datapath id of s1");
    ovs::add_bridge("twin1", datapath_id("s1"), OPENFLOW)?;
    // A TCP connection is what "is_connected" would need; a handshake is what the controller must refuse.
    let tried = wait::until(CONNECT_LIMIT, || {
        let refused = controller.metric(metric::CONNECTIONS, &[("result", "duplicate")])?;
        wait::ensure(refused > 0.0, || "it was not refused".to_owned())
    });
    report.check("a second switch with the same datapath id is refused", tried.map(|()| String::new()));
    let undisturbed = wait::throughout(Duration::from_secs(3), || {
        wait::ensure(ovs::is_connected("s1")?, || "s1 lost its connection".into())?;
        let switches = controller.metric(metric::SWITCHES, &[])?;
        wait::ensure(switches == BRIDGES.len() as f64, || format!("{switches} switches are connected"))
    });
    report.check("the first one keeps its connection", undisturbed.map(|()| String::new()));
    let silent = fabric.ping_all(false)?;
    let reached = wait::ensure(silent.is_empty(), || format!("no answer: {}", silent.join(", ")));
    report.check("hosts reach each other all the while", reached.map(|()| String::new()));
    Ok(())
}

/// The first bridge goes away, and the second one has its place.
fn take_over(report: &mut Report, controller: &mut Controller) -> Result<(), Fail> {
    ovs::vsctl(&["del-br", "s1"])?;
    let taken =
        wait::until(CONNECT_LIMIT, || wait::ensure(ovs::is_connected("twin1")?, || "it is still outside".into()));
    report.check("when the first is gone, the second comes in", taken.map(|()| String::new()));
    let switches = controller.wait_metric(Duration::from_secs(10), metric::SWITCHES, BRIDGES.len() as f64);
    report.check("and is counted in its place", switches.map(|_| String::new()));
    Ok(())
}
