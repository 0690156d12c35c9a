//! The software switch does what Open vSwitch does: random flows, groups, meters and packets, the same answers.

use std::collections::BTreeMap;

use super::Lab;
use crate::oracle::bundled::is_of_bundle;
use crate::oracle::events::Event;
use crate::oracle::generate::{self, Care, World};
use crate::oracle::minimise::minimise;
use crate::oracle::random::Random;
use crate::oracle::twin::{Difference, Kind, Twin};
use crate::report::{Fail, Report};

/// Packets through each table.
const PACKETS: usize = 12;

/// Sorts of differences that are shown before the rest is only counted.
const SHOWN: usize = 12;

/// Tables at which Open vSwitch may end or hang before the scenario fails.
const ENDS: usize = 3;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let mut twin = Twin::start(&lab.directory)?;
    println!("        | trace: seed {}; LAB_SEED={} repeats it", lab.seed, lab.seed);
    report.check("table features: the same as Open vSwitch", features(&mut twin));
    let worlds = lab.mode.pick(150, 1000);
    let right = compare(lab, &mut twin, Care::Right, worlds);
    report.check("random tables and packets: the same frames, packet-ins and counters as Open vSwitch", right);
    let alive = compare(lab, &mut twin, Care::Alive, lab.mode.pick(90, 600));
    report.check("ports, meters, timeouts and received frames: the same as Open vSwitch", alive);
    let wrong = compare(lab, &mut twin, Care::Wrong, worlds);
    report.check("random mistakes: the same error codes, flows, groups and meters as Open vSwitch", wrong);
    Ok(())
}

fn features(twin: &mut Twin) -> Result<String, Fail> {
    match twin.table_features()?.first() {
        Some((theirs, ours)) => Err(format!("Open vSwitch: {theirs}; ours: {ours}")),
        None => Ok(String::new()),
    }
}

/// Runs worlds, each from a seed of its own, and tells of the differences, each sort of them once.
fn compare(lab: &Lab, twin: &mut Twin, care: Care, worlds: usize) -> Result<String, Fail> {
    let (messages, packets) = (twin.messages, twin.packets);
    let mut sorts: BTreeMap<String, usize> = BTreeMap::new();
    let mut ended = 0;
    for number in 0..worlds {
        let mut random = Random::new(lab.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number as u64));
        let mut world = generate::world(&mut random, PACKETS, care);
        loop {
            let difference = match twin.run(&world) {
                Ok(Some(difference)) => difference,
                Ok(None) => break,
                Err(reason) if ended < ENDS => {
                    // A table that Open vSwitch itself does not survive says nothing about us.
                    ended += 1;
                    let messages: String = world.setup.iter().map(|message| format!("{message}\n")).collect();
                    let file = lab.directory.join(format!("table-{number}.log"));
                    std::fs::write(&file, messages).map_err(|error| error.to_string())?;
                    println!("        | table {number}: {reason}; Open vSwitch is started again");
                    twin.restart()?;
                    break;
                }
                Err(reason) => return Err(reason),
            };
            let sort = match difference.message {
                // The world goes on without a message on which the two disagree.
                Some(index) if is_of_bundle(&world.setup[index]) => {
                    let sort = format!("in a bundle: {} / {}", difference.ovs, difference.ours);
                    world.setup.truncate(index + 1);
                    if !sorts.contains_key(&sort) && sorts.len() < SHOWN {
                        println!("{}", shrink(twin, world.clone(), &difference, number)?.0);
                    }
                    *sorts.entry(sort).or_default() += 1;
                    break;
                }
                Some(index) => {
                    let alone = World { setup: vec![world.setup.remove(index)], events: Vec::new() };
                    let sort = format!("{} / {}", difference.ovs, difference.ours);
                    if !sorts.contains_key(&sort) && sorts.len() < SHOWN {
                        println!("{}", shrink(twin, alone, &difference, number)?.0);
                    }
                    sort
                }
                None if sorts.len() < SHOWN => {
                    let (text, sort) = shrink(twin, world.clone(), &difference, number)?;
                    if !sorts.contains_key(&sort) {
                        println!("{text}");
                    }
                    sort
                }
                None => format!("{:?}, not looked at", difference.kind),
            };
            *sorts.entry(sort).or_default() += 1;
            if difference.message.is_none() {
                break;
            }
        }
    }
    let (messages, packets) = (twin.messages - messages, twin.packets - packets);
    if !sorts.is_empty() {
        let list: Vec<String> = sorts.iter().map(|(sort, times)| format!("{times} × {sort}")).collect();
        return Err(format!("{} sorts of differences (seed {}): {}", sorts.len(), lab.seed, list.join("; ")));
    }
    let ended = if ended == 0 { String::new() } else { format!(", {ended} of them too much for Open vSwitch") };
    Ok(format!("{worlds} tables{ended}, {messages} messages, {packets} packets, seed {}", lab.seed))
}

/// The case made small, as text, and what is left of it without its numbers, by which a sort of difference is known again.
fn shrink(twin: &mut Twin, world: World, difference: &Difference, number: usize) -> Result<(String, String), Fail> {
    let kind = difference.kind;
    let mut world = world;
    match difference.event {
        Some(index) => world.events.truncate(index + 1),
        None if matches!(kind, Kind::Error | Kind::Dump) => world.events.clear(),
        None => {}
    }
    // What Open vSwitch does not survive shows nothing; when it is gone for good, what is left is told as it is.
    let mut gone = None;
    let mut same = |twin: &mut Twin, world: &World| {
        if gone.is_some() {
            return None;
        }
        match twin.run(world) {
            Ok(Some(found)) if found.kind == kind => Some(found),
            Ok(_) => None,
            Err(_) => {
                gone = twin.restart().err();
                None
            }
        }
    };
    let small = minimise(world, |world| same(twin, world).is_some());
    let last = same(twin, &small).unwrap_or_else(|| difference.clone());
    if let Some(reason) = gone {
        return Err(reason);
    }
    let messages: String = small.setup.iter().map(|message| format!("{message}\n")).collect();
    let mut text = format!("---- table {number}: {kind:?}\n{messages}");
    for event in &small.events {
        text.push_str(&match event {
            Event::Out(packet) => format!("packet-out in_port={} {:x}\n", packet.in_port, packet.frame),
            Event::Receive(packet) => format!("frame in_port={} {:x}\n", packet.in_port, packet.frame),
            Event::Message(message) => format!("then {message}\n"),
            Event::Port { port, config } => format!("port {port}: {config:?}\n"),
            Event::Wait(seconds) => format!("{seconds} s pass\n"),
        });
    }
    text.push_str(&format!("Open vSwitch: {}\nours:         {}\n", last.ovs.trim_end(), last.ours.trim_end()));
    match twin.explain(&small) {
        Ok(explanation) => text.push_str(&explanation),
        Err(reason) => {
            text.push_str(&format!("Open vSwitch can't explain it: {reason}\n"));
            twin.restart()?;
        }
    }
    Ok((text, format!("{kind:?} {}", shape(&messages))))
}

/// The text with `#` in the place of every word that has a digit in it.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "_.:".contains(c))) {
        match word.chars().any(|c| c.is_ascii_digit()) {
            true => shape.push_str(if word.ends_with(['=', '-', '>', '/', ',']) { "#," } else { "# " }),
            false => shape.push_str(word.trim_end_matches('\n')),
        }
    }
    shape
}
