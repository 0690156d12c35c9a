//! What is plugged in: a server that runs lldpd is shown as a neighbour of its port, a link that the configuration expects and that is not
//! there is a condition until it is, and of two hosts that answer as DHCP servers the stated one is believed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Lab, OPENFLOW, fabric_with};
use crate::controller::HTTP;
use crate::fabric::{self, BRIDGES, FIRST_HOST_PORT, Fabric, HOSTS, LINKS, datapath_id};
use crate::hosts::Host;
use crate::process::{Daemon, exists, run as command};
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// The daemon, and what tells it what to say.
const LLDPD: [&str; 2] = ["lldpd", "lldpcli"];
/// What it calls itself.
const SERVER: &str = "rack7-server3";
/// It speaks once a second; a condition is looked for twice a second.
const HEARD_LIMIT: Duration = Duration::from_secs(20);
/// Expected links may be missing for 20 s after the start, while switches connect.
const MISSING_LIMIT: Duration = Duration::from_secs(40);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, _controller) = fabric_with(lab, report, &config(), OPENFLOW)?;
    let binary = lab.binary.display().to_string();
    let rows = |words: &[&str]| rows(&binary, words);
    report.check("a link that was never there is a condition", missing(&rows, &["s2:9", "s4:9"], MISSING_LIMIT));
    fabric::cut("s1", "s2")?;
    report.check("so is one that is pulled", missing(&rows, &["s1:1", "s2:1"], HEARD_LIMIT));
    fabric::mend("s1", "s2")?;
    let back = wait::until(HEARD_LIMIT, || {
        let left = rows(&["show", "conditions"])?;
        wait::ensure(left.len() == 1, || format!("{left:?}"))?;
        let over = rows(&["show", "events", "--kind", "condition_over"])?;
        wait::ensure(!over.is_empty(), || "no event says that it is over".to_owned())
    });
    report.check("and no more when it is back, which is an event", back.map(|()| String::new()));
    let latency = wait::until(HEARD_LIMIT, || {
        let links = rows(&["show", "links"])?;
        let known: Vec<u64> = links.iter().filter_map(|link| link.get("latency_us")?.as_u64()).collect();
        wait::ensure(known.len() == LINKS.len(), || format!("{links:?}"))?;
        Ok(format!("{known:?} us"))
    });
    report.check("the latency of each link is shown", latency);
    report.check("what a stated DHCP server gives a host is its address", leased(&lab.directory, &fabric, &rows));
    report.check("another one is a condition and gives nothing", rogue(&lab.directory, &fabric, &rows));
    match LLDPD.iter().find(|program| !exists(program)) {
        Some(program) => report.skip("a server that runs lldpd is a neighbour", &format!("{program} is not installed")),
        None => {
            report.check("a server that runs lldpd is a neighbour", server(&lab.directory, &fabric, &rows));
        }
    }
    Ok(())
}

fn config() -> String {
    let switch = |name: &&str| format!("  {name}: {{ datapath_id: \"{:#x}\" }}\n", datapath_id(name));
    let switches: String = BRIDGES.iter().map(switch).collect();
    let links: String = (1..).zip(LINKS).map(|(port, (a, b))| format!("    - {a}/{port} - {b}/{port}\n")).collect();
    format!(
        "openflow: {{ listen: [\"ptcp:6653:127.0.0.1\"] }}\nhttp: {{ listen: \"{HTTP}\" }}\nswitches:\n{switches}\
         fabric:\n  expected_links_only: true\n  expected_links:\n{links}    - s2/9 - s4/9\n  dhcp_servers: [{}/{}]\n",
        HOSTS[0],
        FIRST_HOST_PORT + 1
    )
}

/// What a command of this run's program prints.
type Rows<'a> = dyn Fn(&[&str]) -> Result<Vec<Value>, Fail> + 'a;

/// The objects that a command prints.
pub(super) fn rows(binary: &str, words: &[&str]) -> Result<Vec<Value>, Fail> {
    let text = command(binary, &[words, &["--at", HTTP, "-o", "json"]].concat())?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))).collect()
}

pub(super) fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn missing(rows: &Rows<'_>, ends: &[&str], limit: Duration) -> Outcome {
    wait::until(limit, || {
        let all = rows(&["show", "conditions"])?;
        let found = all.iter().find(|row| ends.iter().all(|end| text(row, "what").contains(end)));
        let found = found.ok_or_else(|| format!("{all:?}"))?;
        wait::ensure(text(found, "kind") == "link_missing", || found.to_string())?;
        Ok(text(found, "what").to_owned())
    })
}

/// The first host's port is where DHCP servers are.
fn leased(directory: &Path, fabric: &Fabric, rows: &Rows<'_>) -> Outcome {
    let [server, client, _] = three(fabric)?;
    acknowledge(directory, server, client, 77)?;
    wait::until(HEARD_LIMIT, || {
        let all = rows(&["show", "hosts"])?;
        wait::ensure(has(&all, client, 77), || format!("{all:?}"))?;
        Ok(format!("{} has 10.0.0.77", client.name))
    })
}

fn rogue(directory: &Path, fabric: &Fabric, rows: &Rows<'_>) -> Outcome {
    let [_, client, rogue] = three(fabric)?;
    acknowledge(directory, rogue, client, 78)?;
    wait::until(HEARD_LIMIT, || {
        let conditions = rows(&["show", "conditions"])?;
        let found = conditions.iter().find(|row| text(row, "kind") == "rogue_dhcp_server");
        let found = found.ok_or_else(|| format!("{conditions:?}"))?;
        let hosts = rows(&["show", "hosts"])?;
        wait::ensure(!has(&hosts, client, 78), || format!("{hosts:?}"))?;
        Ok(text(found, "what").to_owned())
    })
}

fn three(fabric: &Fabric) -> Result<[&Host; 3], Fail> {
    let [one, two, three, ..] = &fabric.hosts[..] else { return Err("fewer than three hosts".into()) };
    Ok([one, two, three])
}

/// Whether a host is shown with 10.0.0.N.
fn has(rows: &[Value], host: &Host, last: u8) -> bool {
    let mac = format!("02:00:00:00:00:{:02x}", host.number);
    let of = rows.iter().find(|row| text(row, "mac") == mac);
    of.is_some_and(|row| row.to_string().contains(&format!("\"10.0.0.{last}\"")))
}

/// A host sends a DHCPACK (RFC 2131 §2) that gives another one 10.0.0.N, in a datagram to that one's port 68.
fn acknowledge(directory: &Path, from: &Host, to: &Host, last: u8) -> Result<(), Fail> {
    let mut message = vec![0; 236];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[16..20].copy_from_slice(&[10, 0, 0, last]);
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, to.number]);
    message.extend([99, 130, 83, 99, 53, 1, 5, 255]);
    let file = directory.join(format!("dhcpack-{last}"));
    std::fs::write(&file, &message).map_err(|error| format!("{}: {error}", file.display()))?;
    let script = format!("cat '{}' > /dev/udp/{}/68", file.display(), to.ipv4());
    let line = from.command(&["bash", "-c", &script]);
    let (program, arguments) = line.split_first().ok_or("nothing to run")?;
    command(program, arguments).map(drop)
}

/// lldpd in the first host's namespace.
fn server(directory: &Path, fabric: &Fabric, rows: &Rows<'_>) -> Outcome {
    let host = fabric.hosts.first().ok_or("no host")?;
    let socket = directory.join("lldpd.sock").display().to_string();
    let device = host.device();
    // As a file: `lldpcli` reads all settings, changes one and writes all, and so does the daemon's own while it starts.
    // What is said beside it is lost now and then.
    let settings = directory.join("lldpd.conf");
    let lines = format!("configure system hostname {SERVER}\nconfigure lldp tx-interval 1\n");
    fs::write(&settings, lines).map_err(|error| format!("{}: {error}", settings.display()))?;
    // In the foreground, on the host's own device alone.
    let settings = settings.display().to_string();
    let daemon = host.command(&["lldpd", "-d", "-u", &socket, "-O", &settings, "-I", &device]);
    let mut daemon = Daemon::start(directory, "lldpd", &daemon)?;
    daemon.until(HEARD_LIMIT, |_| {
        let all = rows(&["show", "neighbors"])?;
        let at = |row: &&Value| text(row, "switch") == host.bridge && text(row, "port_name") == host.port();
        let found = all.iter().filter(at).find(|row| text(row, "system_name") == SERVER);
        let found = found.ok_or_else(|| format!("{all:?}"))?;
        wait::ensure(!text(found, "chassis_id").is_empty(), || found.to_string())?;
        Ok(format!("{} {} at {}", text(found, "system_name"), text(found, "far_port"), text(found, "port_name")))
    })
}
