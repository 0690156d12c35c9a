//! What the commands show, beside what Open vSwitch says: rules, groups, ports, links and hosts, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{Lab, working_fabric};
use crate::controller::HTTP;
use crate::fabric::{BRIDGES, Fabric, LINKS};
use crate::process::run as command;
use crate::report::{Fail, Outcome, Report};
use crate::{ovs, wait};

/// What both sides say is the same after this: rules go on changing for a moment after the last ping.
const SAME_LIMIT: Duration = Duration::from_secs(20);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = working_fabric(lab, report)?;
    let asker = Asker { binary: lab.binary.display().to_string() };
    for bridge in BRIDGES {
        report.check(&format!("{bridge}: show flows is what ovs-ofctl dump-flows says"), same_flows(&asker, bridge));
        report.check(&format!("{bridge}: show groups is what ovs-ofctl dump-groups says"), same_groups(&asker, bridge));
        report.check(&format!("{bridge}: show ports is what dump-ports-desc says"), same_ports(&asker, bridge));
        report
            .check(&format!("{bridge}: counters of rules are those of dump-flows"), same_rule_counters(&asker, bridge));
        report.check(&format!("{bridge}: what others have put there is shown"), foreign_flow(&asker, bridge));
        report.check(&format!("{bridge}: counters of ports are those of dump-ports"), same_counters(&asker, bridge));
    }
    report.check("show links is the cables", same_links(&asker));
    report.check("show hosts is the hosts", same_hosts(&asker, &fabric));
    report.check("path goes along cables", path(&asker, &fabric));
    report.check("the usual socket is asked without --at", usual_socket(&asker));
    report.check("a switch that is not there is named", unknown_switch(&asker));
    report.check("SIGTERM ends the controller in good order", super::fabric::terminate(&mut controller));
    Ok(())
}

struct Asker {
    binary: String,
}

impl Asker {
    /// The objects that a command prints.
    fn rows(&self, words: &[&str]) -> Result<Vec<Value>, Fail> {
        let text = command(&self.binary, &[words, &["--at", HTTP, "-o", "json"]].concat())?;
        text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))).collect()
    }
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What only one of two sorted lists has.
fn difference(ours: &[String], theirs: &[String]) -> String {
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (ours.iter().collect(), theirs.iter().collect());
    let only = |a: &BTreeSet<&String>, b: &BTreeSet<&String>| {
        a.difference(b).take(3).map(|line| line.as_str()).collect::<Vec<_>>().join(" | ")
    };
    format!("only shown: {}; only on the switch: {}", only(&ours, &theirs), only(&theirs, &ours))
}

fn same_flows(asker: &Asker, bridge: &str) -> Outcome {
    wait::until(SAME_LIMIT, || {
        let rows = asker.rows(&["show", "flows", "--switch", bridge])?;
        let mut ours: Vec<String> = rows.iter().map(|row| text(row, "flow").to_owned()).collect();
        ours.sort();
        let theirs = ovs::flows(bridge)?;
        wait::ensure(!theirs.is_empty() && ours == theirs, || difference(&ours, &theirs))?;
        let odd = rows.iter().find(|row| text(row, "state") != "installed" || text(row, "owner").is_empty());
        wait::ensure(odd.is_none(), || format!("{odd:?}"))?;
        // The parts are those of the whole.
        for row in &rows {
            let whole = text(row, "flow");
            let parts = [format!("actions={}", text(row, "actions")), format!("cookie={}", text(row, "cookie"))];
            let fields = text(row, "match").split(',').all(|field| whole.contains(field));
            wait::ensure(fields && parts.iter().all(|part| whole.contains(part)), || row.to_string())?;
        }
        Ok(format!("{} flows", ours.len()))
    })
}

/// Of each flow that `ovs-ofctl dump-flows` says: packets, octets and whole seconds, by the flow itself.
fn rule_counters(bridge: &str) -> Result<BTreeMap<String, [u64; 3]>, Fail> {
    let said = command("ovs-ofctl", &["-O", "OpenFlow13", "dump-flows", bridge])?;
    let mut counters = BTreeMap::new();
    for line in said.lines().map(str::trim).filter(|line| line.starts_with("cookie=")) {
        let of = |name: &str| {
            let at = line.find(name)? + name.len();
            let digits: String = line.get(at..)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        };
        let Some((_, rule)) = line.split_once("priority=") else { continue };
        let table = of("table=").unwrap_or(0);
        let counts = [of("n_packets="), of("n_bytes="), of("duration=")].map(Option::unwrap_or_default);
        counters.insert(format!("{table} {rule}"), counts);
    }
    Ok(counters)
}

/// Counters only grow: what is shown lies between what the switch says before and after, and where no packet goes it is the same.
fn same_rule_counters(asker: &Asker, bridge: &str) -> Outcome {
    wait::until(SAME_LIMIT, || {
        let before = rule_counters(bridge)?;
        let rows = asker.rows(&["show", "flows", "--switch", bridge, "--counters"])?;
        let after = rule_counters(bridge)?;
        wait::ensure(rows.len() == before.len() && before.len() == after.len(), || {
            format!("{} rows, {} flows before and {} after", rows.len(), before.len(), after.len())
        })?;
        let mut exact = 0;
        for row in &rows {
            let flow = text(row, "flow");
            let rule = flow.split_once("priority=").map_or("", |(_, rule)| rule);
            let key = format!("{} {rule}", row["table"]);
            let (Some(least), Some(most)) = (before.get(&key), after.get(&key)) else {
                return Err(format!("{key} is not in dump-flows"));
            };
            let shown = ["packets", "octets", "age_seconds"].map(|name| row[name].as_u64());
            let between = shown
                .iter()
                .zip(least.iter().zip(most))
                .all(|(shown, (least, most))| shown.is_some_and(|shown| (*least..=*most).contains(&shown)));
            wait::ensure(between, || format!("{key}: {shown:?}, and the switch says {least:?} and then {most:?}"))?;
            exact += usize::from(least[..2] == most[..2]);
        }
        wait::ensure(exact > 0, || "every rule has traffic".to_owned())?;
        Ok(format!("{} flows, {exact} of them without traffic and the same", rows.len()))
    })
}

/// A flow that somebody else puts on the switch is shown as nobody's, with its counters, and only if the switch is asked.
fn foreign_flow(asker: &Asker, bridge: &str) -> Outcome {
    let flow = "table=200,priority=77,cookie=0xbeef,udp,actions=drop";
    command("ovs-ofctl", &["-O", "OpenFlow13", "add-flow", bridge, flow])?;
    let plain = asker.rows(&["show", "flows", "--switch", bridge])?;
    // What a switch has just been asked is not asked again for a tenth of a second.
    let shown = wait::until(SAME_LIMIT, || {
        let shown = asker.rows(&["show", "flows", "--switch", bridge, "--owner", "foreign"])?;
        if shown.is_empty() { Err("nothing is shown".to_owned()) } else { Ok(shown) }
    })?;
    command("ovs-ofctl", &["-O", "OpenFlow13", "del-flows", bridge, "table=200"])?;
    wait::ensure(!plain.iter().any(|row| text(row, "cookie") == "0xbeef"), || "it is shown without asking".to_owned())?;
    let [row] = &shown[..] else { return Err(format!("{shown:?}")) };
    let parts = [text(row, "owner"), text(row, "state"), text(row, "cookie"), text(row, "actions")];
    wait::ensure(parts == ["foreign", "found", "0xbeef", "drop"], || format!("{parts:?}"))?;
    wait::ensure(row["packets"] == 0 && row["priority"] == 77, || row.to_string())?;
    Ok(text(row, "flow").to_owned())
}

fn same_groups(asker: &Asker, bridge: &str) -> Outcome {
    wait::until(SAME_LIMIT, || {
        let rows = asker.rows(&["show", "groups", "--switch", bridge])?;
        let mut ours: Vec<String> = rows.iter().map(|row| text(row, "text").to_owned()).collect();
        ours.sort();
        let theirs = ovs::groups(bridge)?;
        wait::ensure(!theirs.is_empty() && ours == theirs, || difference(&ours, &theirs))?;
        Ok(format!("{} groups", ours.len()))
    })
}

/// Number, name, address and whether it is up.
fn same_ports(asker: &Asker, bridge: &str) -> Outcome {
    wait::until(SAME_LIMIT, || {
        let rows = asker.rows(&["show", "ports", "--switch", bridge])?;
        let mut ours: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {} {} {}", text(row, "port"), text(row, "name"), text(row, "mac"), row["up"]))
            .collect();
        ours.sort();
        let said = command("ovs-ofctl", &["-O", "OpenFlow13", "dump-ports-desc", bridge])?;
        let mut theirs: Vec<String> = Vec::new();
        for line in said.lines() {
            let line = line.trim();
            if let Some((head, mac)) = line.split_once("): addr:")
                && let Some((number, name)) = head.split_once('(')
            {
                theirs.push(format!("{number} {name} {mac} true"));
            } else if ((line.starts_with("config:") && line.contains("PORT_DOWN"))
                || (line.starts_with("state:") && line.contains("LINK_DOWN")))
                && let Some(last) = theirs.last_mut()
            {
                *last = last.replace(" true", " false");
            }
        }
        theirs.sort();
        wait::ensure(!theirs.is_empty() && ours == theirs, || difference(&ours, &theirs))?;
        Ok(format!("{} ports", ours.len()))
    })
}

/// The counters in `ovs-ofctl dump-ports`, by port: packets and octets, received and sent.
fn counters(bridge: &str) -> Result<BTreeMap<String, [u64; 4]>, Fail> {
    let said = command("ovs-ofctl", &["-O", "OpenFlow13", "dump-ports", bridge])?;
    let mut counters = BTreeMap::new();
    let mut port = String::new();
    for line in said.lines().map(str::trim) {
        let of = |name: &str| {
            let at = line.find(name)? + name.len();
            let digits: String = line.get(at..)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        };
        let both = (of("pkts="), of("bytes="));
        if let Some((head, _)) = line.strip_prefix("port").and_then(|rest| rest.split_once(": rx")) {
            // Names stand in quotes in newer versions.
            port = head.trim().trim_matches('"').to_owned();
            if let (Some(packets), Some(octets)) = both {
                counters.insert(port.clone(), [packets, 0, octets, 0]);
            }
        } else if line.starts_with("tx")
            && let (Some(packets), Some(octets)) = both
            && let Some(counters) = counters.get_mut(&port)
        {
            (counters[1], counters[3]) = (packets, octets);
        }
    }
    Ok(counters)
}

/// Counters only grow: what is shown lies between what the switch says before and after.
fn same_counters(asker: &Asker, bridge: &str) -> Outcome {
    let ports = asker.rows(&["show", "ports", "--switch", bridge])?;
    let numbers: BTreeMap<String, String> =
        ports.iter().map(|row| (text(row, "name").to_owned(), text(row, "port").to_owned())).collect();
    let by_number = |counters: BTreeMap<String, [u64; 4]>| -> BTreeMap<String, [u64; 4]> {
        counters.into_iter().map(|(name, counts)| (numbers.get(&name).cloned().unwrap_or(name), counts)).collect()
    };
    let before = by_number(counters(bridge)?);
    let names = ["rx_packets", "tx_packets", "rx_bytes", "tx_bytes"];
    let shown = wait::until(SAME_LIMIT, || {
        let rows = asker.rows(&["show", "ports", "--switch", bridge])?;
        let mut shown = BTreeMap::new();
        for row in &rows {
            let counts = names.map(|name| row[name].as_u64());
            let port = text(row, "port").to_owned();
            let least = before.get(&port).ok_or_else(|| format!("{port} is not in dump-ports"))?;
            let enough = counts.iter().zip(least).all(|(count, least)| count.is_some_and(|count| count >= *least));
            wait::ensure(enough, || format!("{port}: {counts:?}, and the switch said {least:?} before"))?;
            shown.insert(port, counts.map(Option::unwrap_or_default));
        }
        Ok(shown)
    })?;
    let after = by_number(counters(bridge)?);
    for (port, counts) in &shown {
        let most = after.get(port).copied().unwrap_or_default();
        wait::ensure(counts.iter().zip(most).all(|(count, most)| *count <= most), || {
            format!("{port}: {counts:?}, and the switch says {most:?}")
        })?;
    }
    wait::ensure(shown.len() == before.len(), || format!("{shown:?} and {before:?}"))?;
    Ok(format!("{} ports", shown.len()))
}

/// Both ends by the names of their ports.
fn same_links(asker: &Asker) -> Outcome {
    let mut names: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in asker.rows(&["show", "ports"])? {
        names.insert((text(&row, "switch").to_owned(), text(&row, "port").to_owned()), text(&row, "name").to_owned());
    }
    let mut ours: Vec<String> = Vec::new();
    for row in asker.rows(&["show", "links"])? {
        let end = |switch: &str, port: &str| {
            names.get(&(text(&row, switch).to_owned(), text(&row, port).to_owned())).cloned().unwrap_or_default()
        };
        let mut ends = [end("switch", "port"), end("to_switch", "to_port")];
        ends.sort();
        wait::ensure(text(&row, "state") == "both", || row.to_string())?;
        ours.push(ends.join(" "));
    }
    let mut theirs: Vec<String> = LINKS
        .iter()
        .map(|(a, b)| {
            let mut ends = [format!("{a}-{b}"), format!("{b}-{a}")];
            ends.sort();
            ends.join(" ")
        })
        .collect();
    ours.sort();
    theirs.sort();
    wait::ensure(ours == theirs, || difference(&ours, &theirs))?;
    Ok(format!("{} links", ours.len()))
}

fn same_hosts(asker: &Asker, fabric: &Fabric) -> Outcome {
    wait::until(SAME_LIMIT, || {
        let rows = asker.rows(&["show", "hosts"])?;
        wait::ensure(rows.len() == fabric.hosts.len(), || format!("{} hosts", rows.len()))?;
        for host in &fabric.hosts {
            let address = host.ipv4().to_string();
            let found = asker.rows(&["show", "hosts", &address])?;
            let [row] = &found[..] else { return Err(format!("{address}: {found:?}")) };
            let port = asker.rows(&["show", "ports", "--switch", text(row, "switch")])?;
            let port = port.iter().find(|port| text(port, "port") == text(row, "port"));
            let name = port.map(|port| text(port, "name").to_owned()).unwrap_or_default();
            wait::ensure(name == host.port(), || format!("{address} is at {name}, and its cable at {}", host.port()))?;
        }
        Ok(format!("{} hosts, each at its cable", rows.len()))
    })
}

/// Every hop's port is the cable to the next hop's switch.
fn path(asker: &Asker, fabric: &Fabric) -> Outcome {
    let (from, to) = (fabric.hosts[0].ipv4().to_string(), fabric.hosts[2].ipv4().to_string());
    let answer = asker.rows(&["path", &from, &to])?;
    let rows = answer.first().and_then(|answer| answer["rows"].as_array()).cloned().unwrap_or_default();
    let switches: Vec<&str> = rows.iter().map(|row| text(row, "switch")).collect();
    wait::ensure(switches == ["s1", "s2"], || format!("{switches:?}"))?;
    let last = command(&asker.binary, &["path", &from, &to, "--at", HTTP])?;
    Ok(last.lines().nth(3).unwrap_or_default().to_owned())
}

fn usual_socket(asker: &Asker) -> Outcome {
    let shown = command(&asker.binary, &["show", "switches"])?;
    wait::ensure(shown.lines().count() == BRIDGES.len() + 1, || shown.clone())?;
    let mode = command("stat", &["-c", "%a %F", "/run/trunkline/trunkline.sock"])?;
    wait::ensure(mode.trim() == "660 socket", || mode.clone())?;
    Ok(mode.trim().to_owned())
}

fn unknown_switch(asker: &Asker) -> Outcome {
    match asker.rows(&["show", "flows", "--switch", "s44"]) {
        Ok(rows) => Err(format!("{rows:?}")),
        Err(error) => {
            wait::ensure(error.contains("did you mean `s4`?") && error.contains("s1, s2, s3, s4"), || error.clone())?;
            Ok(String::new())
        }
    }
}
