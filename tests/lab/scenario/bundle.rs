//! Bundles (ONF extension 230 on OpenFlow 1.3): all of it or nothing, and quicker than messages of which each is awaited.

use std::time::Instant;

use net::{MacAddr, PortNo};
use openflow::{
    Action, BundleAdd, BundleControl, BundleControlType, BundleFlags, ErrorCode, FlowMod, FlowStatsRequest,
    Instruction, Match, Message, MultipartReplyBody, MultipartRequestBody, OxmFieldOwned, OxmKind, TableId,
};

use super::Lab;
use crate::oracle::client::Client;
use crate::ovs::{self, Ovs};
use crate::report::{Fail, Report};

const BRIDGE: &str = "br0";

/// Flows of the bundles that are checked.
const CHECKED: u32 = 1_000;

/// Flow-mods that are waited for one by one.
const AWAITED: u32 = 2_000;

/// Flows of those that are measured otherwise: in the short form, and in the full one.
const MEASURED: (u32, u32) = (20_000, 100_000);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let _ovs = Ovs::start_dummy(&lab.directory)?;
    let bridge = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=dummy", "protocols=OpenFlow13"];
    ovs::vsctl(&[&bridge[..], &["fail_mode=secure"]].concat())?;
    let mut client = Client::connect(BRIDGE)?;

    let flows: Vec<Message> = (0..CHECKED).map(flow).collect();
    let seen = bundle(&mut client, 1, &flows)?;
    report.check("a bundle of 1,000 flows is committed", no_error(&seen));
    report.check("all of its flows are there", count(&mut client, CHECKED));

    // Deletes everything, adds others, and one that can't be: TCP ports without TCP.
    let mut bad: Vec<Message> = vec![Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new()))];
    bad.extend((0..CHECKED).map(|number| flow(CHECKED + number)));
    bad.insert(500, Message::FlowMod(FlowMod::add(TableId(0), 1, refused_match()?)));
    let before = dump(&mut client)?;
    let mut all = vec![control(2, BundleControlType::OPEN_REQUEST)];
    all.extend(bad.into_iter().map(|message| add(2, message)));
    let (errors, _) = client.apply(&all)?;
    let wrong: Vec<usize> =
        errors.iter().enumerate().filter(|(_, error)| error.is_some()).map(|(index, _)| index).collect();
    let only = wrong == [501] && errors[501] == Some(ErrorCode::MATCH_BAD_PREREQ);
    let said = if only { Ok("OFPBMC_BAD_PREREQ".to_owned()) } else { Err(format!("errors for messages {wrong:?}")) };
    report.check("a bad flow is refused when it is added to a bundle", said);
    // Open vSwitch would commit the others: who wants all or nothing looks at the errors first.
    let (errors, _) = client.apply(&[control(2, BundleControlType::DISCARD_REQUEST)])?;
    report.check("the bundle is discarded then", no_error(&errors.into_iter().flatten().collect::<Vec<_>>()));
    let same = if dump(&mut client)? == before { Ok(String::new()) } else { Err("the flows have changed".to_owned()) };
    report.check("and changes nothing", same);

    // A flow that is refused only when it is carried out: it overlaps with one that is there.
    let mut overlapping = FlowMod::add(TableId(0), 10, Match::new());
    overlapping.flags = openflow::FlowModFlags::CHECK_OVERLAP;
    let mut late: Vec<Message> = (0..CHECKED).map(|number| flow(CHECKED + number)).collect();
    late.push(Message::FlowMod(overlapping));
    let seen = bundle(&mut client, 3, &late)?;
    let failed = seen.contains(&ErrorCode::FLOW_MOD_OVERLAP) && seen.contains(&ErrorCode::BUNDLE_MSG_FAILED);
    let said = if failed { Ok(format!("{seen:?}")) } else { Err(format!("the errors are {seen:?}")) };
    report.check("a bundle that fails at its end says which message and that the bundle failed", said);
    let same = if dump(&mut client)? == before { Ok(String::new()) } else { Err("the flows have changed".to_owned()) };
    report.check("and changes nothing, either", same);

    client.apply(&[control(4, BundleControlType::OPEN_REQUEST)])?;
    let discarded = client.apply(&[add(4, flow(9_999)), control(4, BundleControlType::DISCARD_REQUEST)])?;
    let fine = discarded.0.iter().all(Option::is_none) && dump(&mut client)? == before;
    let fine = if fine { Ok(String::new()) } else { Err(format!("{:?}", discarded.0)) };
    report.check("a bundle that is discarded changes nothing", fine);

    measure(&mut client, lab.mode.pick(MEASURED.0, MEASURED.1), report)
}

/// As many flows in three ways: each done before the next is sent, as ovs-ofctl does it; one behind the other with one barrier at the
/// end; and in one bundle.
fn measure(client: &mut Client, number: u32, report: &mut Report) -> Result<(), Fail> {
    let flows: Vec<Message> = (0..number).map(flow).collect();
    client.clear()?;
    let start = Instant::now();
    let awaited = number.min(AWAITED);
    for flow in flows.iter().take(awaited as usize) {
        client.send(flow);
        client.barrier()?;
    }
    // For as many as the others.
    let waited = start.elapsed().as_secs_f64() * f64::from(number) / f64::from(awaited);
    report.check("single flow-mods with a barrier behind each are there", count(client, awaited));
    client.clear()?;
    let start = Instant::now();
    client.apply(&flows)?;
    let single = start.elapsed().as_secs_f64();
    report.check("single flow-mods with one barrier are there", count(client, number));
    client.clear()?;
    let messages = bundle_messages(5, &flows);
    let start = Instant::now();
    let (errors, _) = client.apply(&messages)?;
    let bundled = start.elapsed().as_secs_f64();
    let seen: Vec<ErrorCode> = errors.into_iter().flatten().collect();
    report.check("as many flows in one bundle are there", no_error(&seen).and_then(|_| count(client, number)));
    println!(
        "        | bundle: {number} flows: a barrier behind each {waited:.3} s (by {awaited} of them), one barrier {single:.3} s, one bundle {bundled:.3} s: \
         {:.1} and {:.1} times as fast",
        waited / bundled,
        single / bundled
    );
    Ok(())
}

/// A flow of its own for each number.
fn flow(number: u32) -> Message {
    let [a, b, c, d] = number.to_be_bytes();
    let mut flow_mod = FlowMod::add(TableId(0), 10, Match::new().with_eth_dst(MacAddr([2, 0, a, b, c, d])));
    flow_mod.instructions = vec![Instruction::ApplyActions(vec![Action::output(PortNo(1))])];
    Message::FlowMod(flow_mod)
}

fn refused_match() -> Result<Match, Fail> {
    let port = OxmFieldOwned::number(OxmKind::TCP_DST, 80).ok_or("tcp_dst has 16 bits")?;
    Ok(Match::new().with(&port))
}

const FLAGS: BundleFlags = BundleFlags(BundleFlags::ATOMIC.0 | BundleFlags::ORDERED.0);

fn control(bundle_id: u32, control_type: BundleControlType) -> Message {
    Message::BundleControl(BundleControl::new(bundle_id, control_type, FLAGS))
}

fn add(bundle_id: u32, message: Message) -> Message {
    Message::BundleAdd(BundleAdd::new(bundle_id, FLAGS, message))
}

/// What opens, fills and commits a bundle.
fn bundle_messages(bundle_id: u32, messages: &[Message]) -> Vec<Message> {
    let mut all = vec![control(bundle_id, BundleControlType::OPEN_REQUEST)];
    all.extend(messages.iter().cloned().map(|message| add(bundle_id, message)));
    all.push(control(bundle_id, BundleControlType::COMMIT_REQUEST));
    all
}

/// Opens, fills and commits a bundle; the errors that came.
fn bundle(client: &mut Client, bundle_id: u32, messages: &[Message]) -> Result<Vec<ErrorCode>, Fail> {
    let (errors, _) = client.apply(&bundle_messages(bundle_id, messages))?;
    Ok(errors.into_iter().flatten().collect())
}

fn no_error(seen: &[ErrorCode]) -> Result<String, Fail> {
    if seen.is_empty() { Ok(String::new()) } else { Err(format!("{seen:?}")) }
}

fn count(client: &mut Client, wanted: u32) -> Result<String, Fail> {
    for part in client.request(MultipartRequestBody::Aggregate(FlowStatsRequest::default()))? {
        if let MultipartReplyBody::Aggregate(sums) = part {
            let there = sums.flow_count;
            return if there == wanted { Ok(String::new()) } else { Err(format!("{there} flows are there")) };
        }
    }
    Err("no answer".into())
}

/// All flows, sorted, without their ages.
fn dump(client: &mut Client) -> Result<Vec<String>, Fail> {
    let mut flows = Vec::new();
    for part in client.request(MultipartRequestBody::Flow(FlowStatsRequest::default()))? {
        if let MultipartReplyBody::Flow(some) = part {
            flows.extend(some.into_iter().map(|flow| {
                let flow = openflow::FlowStats { duration_sec: 0, duration_nsec: 0, ..flow };
                flow.to_string()
            }));
        }
    }
    flows.sort();
    Ok(flows)
}
