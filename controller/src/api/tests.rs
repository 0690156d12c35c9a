//! Answers out of networks made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use serde_json::{Value, json};
use topology::{
    Condition, ExpectedLink, Link, LinkDownReason, LinkLatency, Network, Port, PortInfo, PortState, Switch,
};

use super::find::Look;
use super::*;
use crate::core::{NamedPort, NamedSwitch, SwitchNames};
use crate::io::fabric::{Alarm, Looked};

/// One direction of a link: switch and port, twice.
type Wire = ((u64, u32), (u64, u32));

/// Switches `s1` to `sN` with a LOCAL port, and links from port to port, in one direction each.
fn snapshot(switches: u64, links: &[Wire]) -> Snapshot {
    let mut network = Network::new(1);
    for number in 1..=switches {
        let info = PortInfo {
            port_no: PortNo::LOCAL,
            hw_addr: MacAddr([2, 0, 0, 0, 0, number as u8]),
            name: format!("s{number}"),
            up: true,
            live: true,
            curr_speed_kbps: 0,
        };
        let ports = (1..=4).map(|port| {
            let info = PortInfo { port_no: PortNo(port), name: format!("s{number}-{port}"), ..info.clone() };
            (PortNo(port), Port { info, state: PortState::Edge, lldp_neighbor: None })
        });
        let mut ports: BTreeMap<PortNo, Port> = ports.collect();
        ports.insert(PortNo::LOCAL, Port { info, state: PortState::Edge, lldp_neighbor: None });
        network.switches.insert(DatapathId(number), Switch { connected: true, ports, ..Switch::default() });
    }
    for ((a, from), (b, to)) in links {
        let source = PortId::new(DatapathId(*a), PortNo(*from));
        let target = PortId::new(DatapathId(*b), PortNo(*to));
        network.links.insert(source, Link { source, target, since: Time::ZERO });
    }
    Snapshot { network: Arc::new(network), ..Snapshot::default() }
}

/// Both directions.
fn both(links: &[Wire]) -> Vec<Wire> {
    links.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect()
}

fn asked(snapshot: &Snapshot, what: What, parameters: &[(&str, &str)]) -> Result<Value, Failure> {
    let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let question = Question::new(Route::of(what), pairs)?;
    let admitted = || Admitted::default().followed(snapshot);
    match what {
        What::Routes => routes::routes(Look { snapshot }, &question, &admitted()),
        What::Reservations => Ok(reservations::reservations(Look { snapshot }, &admitted())),
        _ => network::answer(snapshot, &question),
    }
}

#[test]
fn an_unknown_switch_is_answered_with_those_that_there_are_and_a_near_name() {
    let mut snapshot = snapshot(2, &[]);
    let network = Arc::make_mut(&mut snapshot.network);
    for (id, name) in [(1, "edge-north"), (2, "edge-south")] {
        let port = network.switches.get_mut(&DatapathId(id)).unwrap().ports.get_mut(&PortNo::LOCAL).unwrap();
        port.info.name = name.to_owned();
    }
    let look = Look { snapshot: &snapshot };
    for text in ["edge-north", "0x1", "1", "0000000000000001", "00:00:00:00:00:00:00:01"] {
        assert_eq!(look.find_switch(text), Ok(DatapathId(1)), "{text}");
    }
    let failure = look.find_switch("edge-nroth").unwrap_err();
    let message = "there is no switch `edge-nroth`: did you mean `edge-north`? (there are edge-north, edge-south)";
    assert_eq!((failure.status, failure.message.as_str()), (404, message));
    let failure = asked(&snapshot, What::Ports, &[("switch", "7")]).unwrap_err();
    assert_eq!(failure.message, "there is no switch `7` (there are edge-north, edge-south)");
    let port = Arc::make_mut(&mut snapshot.network).switches.get_mut(&DatapathId(2)).unwrap();
    port.ports.get_mut(&PortNo::LOCAL).unwrap().info.name = "edge-north".to_owned();
    let failure = Look { snapshot: &snapshot }.find_switch("edge-north").unwrap_err();
    assert!(failure.status == 400 && failure.message.contains("0000000000000002"), "{failure:?}");
}

#[test]
fn what_the_configuration_calls_switches_and_ports_comes_first_and_both_names_are_taken() {
    let mut snapshot = snapshot(2, &both(&[((1, 1), (2, 1))]));
    let port = NamedPort { name: Some("uplink".to_owned()), description: Some("to the north".to_owned()) };
    let named = NamedSwitch {
        name: "core-1".to_owned(),
        description: Some("room 7".to_owned()),
        ports: [(PortNo(1), port)].into(),
    };
    snapshot.names = Arc::new(SwitchNames::new([(DatapathId(1), named)]));
    let look = Look { snapshot: &snapshot };
    for text in ["core-1", "s1", "0x1"] {
        assert_eq!(look.find_switch(text), Ok(DatapathId(1)), "{text}");
    }
    let row = |what, at: usize| asked(&snapshot, what, &[]).unwrap()["rows"][at].clone();
    let (first, second) = (row(What::Switches, 0), row(What::Switches, 1));
    assert_eq!((&first["switch"], &first["description"]), (&json!("core-1"), &json!("room 7")));
    assert_eq!((&second["switch"], &second["description"]), (&json!("s2"), &json!(null)));
    let port = row(What::Ports, 0);
    let [name, called, about] = ["name", "called", "description"].map(|field| port[field].clone());
    assert_eq!([name, called, about], ["s1-1", "uplink", "to the north"].map(Value::from));
    let flow = trace::flow_at(look, Some(DatapathId(1)), "in_port=uplink,icmp").unwrap();
    assert_eq!(flow.in_port(), Some(PortNo(1)));
    assert!(trace::flow_at(look, Some(DatapathId(2)), "in_port=uplink,icmp").is_err(), "a port's name is one switch's");
}

#[test]
fn a_bad_question_says_what_is_wrong() {
    let network = snapshot(1, &[]);
    for (parameters, message) in [
        (
            &[("swich", "s1")][..],
            "`swich` is not a parameter here: did you mean `switch`? (known: switch, after, limit)",
        ),
        (&[("limit", "0")], "limit: `0` is not a number from 1 to 1000"),
        (&[("limit", "1"), ("limit", "2")], "`limit` stands twice"),
        (&[("after", "nonsense")], "after: not the `next` of another page"),
    ] {
        let failure = asked(&network, What::Ports, parameters).unwrap_err();
        assert_eq!((failure.status, failure.message.as_str()), (400, message));
    }
    let failure = asked(&network, What::Path, &[("from", "s1")]).unwrap_err();
    assert_eq!(failure.message, "`to` is missing");
    let failure = asked(&network, What::Path, &[("from", "s1"), ("to", "10.0.0.9")]).unwrap_err();
    assert!(failure.message.starts_with("no host `10.0.0.9` is known (of 0)"), "{failure:?}");
    let failure = asked(&network, What::Path, &[("from", "s1"), ("to", "s2")]).unwrap_err();
    assert!(
        failure.message.contains("is no host's address") && failure.message.contains("no switch `s2`"),
        "{failure:?}"
    );
}

#[test]
fn a_list_in_pages_is_the_whole_list() {
    let network = snapshot(3, &[]);
    let whole = asked(&network, What::Ports, &[]).unwrap();
    assert_eq!((whole["rows"].as_array().unwrap().len(), whole.get("next")), (15, None));
    for limit in ["1", "4", "5", "15", "16"] {
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut parameters = vec![("limit", limit)];
            parameters.extend(after.as_deref().map(|after| ("after", after)));
            let page = asked(&network, What::Ports, &parameters).unwrap();
            rows.extend(page["rows"].as_array().unwrap().iter().cloned());
            let Some(next) = page.get("next").and_then(Value::as_str) else { break };
            after = Some(next.to_owned());
        }
        assert_eq!(json!(rows), whole["rows"], "pages of {limit}");
    }
}

#[test]
fn a_path_tells_each_hop_and_what_else_is_as_short() {
    // Two ways from s1 to s4, one of them twice in its second half.
    let network =
        snapshot(5, &both(&[((1, 1), (2, 1)), ((1, 2), (3, 1)), ((2, 2), (4, 1)), ((2, 3), (4, 2)), ((3, 2), (4, 3))]));
    let path = asked(&network, What::Path, &[("from", "s1"), ("to", "s4")]).unwrap();
    assert_eq!((&path["reachable"], &path["equal_cost_paths"]), (&json!(true), &json!(3)));
    let hops: Vec<Value> = path["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hop| json!([hop["hop"], hop["switch"], hop["in_port"], hop["out_port"], hop["to"], hop["alternatives"]]))
        .collect();
    let expected = json!([
        [1, "s1", null, "1", "s2:1", ["2 to s3:1"]],
        [2, "s2", "1", "2", "s4:1", ["3 to s4:2"]],
        [3, "s4", "1", null, null, []],
    ]);
    assert_eq!(json!(hops), expected);
    let paths = asked(&network, What::Paths, &[("from", "s1")]).unwrap();
    let hops: Vec<Value> =
        paths["rows"].as_array().unwrap().iter().map(|row| json!([row["to"], row["hops"], row["ports"]])).collect();
    assert_eq!(json!(hops), json!([["s2", 1, ["1"]], ["s3", 1, ["2"]], ["s4", 2, ["1", "2"]], ["s5", null, []]]));
    let all = asked(&network, What::Paths, &[]).unwrap();
    assert_eq!(all["rows"].as_array().unwrap().len(), 20);
    let half = asked(&network, What::Paths, &[("limit", "7")]).unwrap();
    let rest = asked(&network, What::Paths, &[("after", half["next"].as_str().unwrap())]).unwrap();
    assert_eq!(
        json!([&half["rows"].as_array().unwrap()[..], &rest["rows"].as_array().unwrap()[..]].concat()),
        all["rows"]
    );
    let here = asked(&network, What::Path, &[("from", "s1"), ("to", "s1")]).unwrap();
    assert_eq!((here["rows"].as_array().unwrap().len(), &here["equal_cost_paths"]), (1, &json!(1)));
}

#[test]
fn where_there_is_no_path_the_reason_names_the_half_link() {
    let network = snapshot(4, &[&both(&[((1, 1), (2, 1)), ((3, 1), (4, 1))])[..], &[((2, 2), (3, 2))]].concat());
    let path = asked(&network, What::Path, &[("from", "s1"), ("to", "s4")]).unwrap();
    assert_eq!((&path["reachable"], &path["rows"], &path["equal_cost_paths"]), (&json!(false), &json!([]), &json!(0)));
    let reason = "no links lead from s1 (linked with 1 other switch) to s4 (linked with 1 other switch); \
                  s2:2 to s3:2 would join them, but probes come through in that direction only";
    assert_eq!(path["reason"], json!(reason));
    let links = asked(&network, What::Links, &[]).unwrap();
    let states: Vec<&Value> = links["rows"].as_array().unwrap().iter().map(|link| &link["state"]).collect();
    assert_eq!(json!(states), json!(["both", "one-way", "both"]));
    let of_one = asked(&network, What::Links, &[("switch", "s4")]).unwrap();
    assert_eq!(of_one["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn times_are_those_of_the_day() {
    let mut network = snapshot(0, &[]);
    (network.at, network.wall) = (Time::from_secs(100), Duration::from_secs(1_000_000));
    let look = Look { snapshot: &network };
    assert_eq!(look.now(), "1970-01-12T13:46:40.000Z");
    assert_eq!(look.time(Time::from_secs(99)), "1970-01-12T13:46:39.000Z");
    assert_eq!(look.time(Time::from_millis(101_500)), "1970-01-12T13:46:41.500Z", "a time to come");
}

#[test]
fn conditions_are_told_with_names_and_damped_links_stand_among_the_links() {
    let mut snapshot = snapshot(2, &both(&[((1, 1), (2, 1))]));
    let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
    let flapping = |source, target| Condition::Flapping {
        source,
        target,
        flaps: 9,
        last: LinkDownReason::ProbesMissed,
        until: Time::from_secs(9),
    };
    let host = MacAddr([2, 0, 0, 0, 0, 9]);
    let conditions = [
        flapping(port(1, 2), port(2, 2)),
        flapping(port(2, 2), port(1, 2)),
        Condition::HostContested { mac: host, port: port(1, 3), at: port(2, 3) },
    ];
    let alarms = conditions.into_iter().map(|condition| Alarm { condition, since: Time::from_secs(5) }).collect();
    let latency = std::time::Duration::from_micros(70);
    let latency = LinkLatency::first(latency, Time::ZERO);
    let latencies = BTreeMap::from([(port(1, 1), latency)]);
    snapshot.looked = Arc::new(Looked { alarms, latencies, counts: BTreeMap::new() });
    let answer = asked(&snapshot, What::Conditions, &[]).unwrap();
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["what"], "02:00:00:00:00:09 is at s1:3, and somebody uses its address at s2:3");
    assert_eq!((&rows[2]["host"], &rows[0]["until"].is_null()), (&json!(host.to_string()), &false));
    let next = asked(&snapshot, What::Conditions, &[("limit", "1")]).unwrap()["next"].clone();
    let page = asked(&snapshot, What::Conditions, &[("after", next.as_str().unwrap())]).unwrap();
    assert_eq!(page["rows"].as_array().unwrap(), &rows[1..]);
    for (filter, count) in [(("kind", "flapping"), 2), (("switch", "s1"), 2)] {
        let answer = asked(&snapshot, What::Conditions, &[filter]).unwrap();
        assert_eq!(answer["rows"].as_array().unwrap().len(), count, "{filter:?}");
    }
    let failure = asked(&snapshot, What::Conditions, &[("kind", "flaping")]).unwrap_err();
    assert!(failure.message.contains("did you mean `flapping`?"), "{failure:?}");
    let links = asked(&snapshot, What::Links, &[]).unwrap();
    let shown = |row: &Value| (row["port"].clone(), row["state"].clone(), row["latency_us"].clone());
    let rows: Vec<_> = links["rows"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(rows, [(json!("1"), json!("both"), json!(70)), (json!("2"), json!("damped"), Value::Null)]);
}

#[test]
fn links_that_the_configuration_speaks_of_and_that_are_not_there_are_shown_as_missing() {
    // Of a/1 - b/1 one direction is there, a/2 leads elsewhere, b/3 - d/3 is damped.
    let mut network = snapshot(3, &[&both(&[((1, 2), (3, 2))])[..], &[((1, 1), (2, 1))]].concat());
    let text = "switches:\n  a: { datapath_id: \"0x1\" }\n  b: { datapath_id: \"0x2\" }\n  d: { datapath_id: \"0x4\" }\n\
                links:\n- { between: a/1 - b/1, cost: 3 }\n- { between: a/2 - b/2, cost: 3 }\n- { between: a/3 - d/1, cost: 3 }\n- { between: b/3 - d/3, cost: 3 }\n";
    network.weights = crate::config::Config::parse(text).unwrap_or_else(|problems| panic!("{problems}")).weights;
    let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
    let conditions = [
        Condition::LinkMissing(ExpectedLink { ends: [port(1, 3), port(4, 1)] }),
        Condition::Flapping {
            source: port(4, 3),
            target: port(2, 3),
            flaps: 9,
            last: LinkDownReason::ProbesMissed,
            until: Time::from_secs(9),
        },
    ];
    let alarms = conditions.into_iter().map(|condition| Alarm { condition, since: Time::from_secs(5) }).collect();
    network.looked = Arc::new(Looked { alarms, ..Looked::default() });
    network.at = Time::from_secs(9);
    let links = asked(&network, What::Links, &[]).unwrap();
    let shown =
        |row: &Value| (row["port"].clone(), row["to_port"].clone(), row["state"].clone(), row["since"].is_null());
    let rows: Vec<_> = links["rows"].as_array().unwrap().iter().map(shown).collect();
    let row = |port: &str, to: &str, state: &str, undated| (json!(port), json!(to), json!(state), undated);
    assert_eq!(
        rows,
        [
            row("1", "1", "one-way", false),
            row("2", "2", "both", false),
            row("2", "2", "missing", true),
            row("3", "1", "missing", false),
            row("3", "3", "damped", false),
        ]
    );
    let mut after = None;
    for row in links["rows"].as_array().unwrap() {
        let page =
            [&[("limit", "1")][..], &after.as_deref().map(|after| ("after", after)).into_iter().collect::<Vec<_>>()];
        let answer = asked(&network, What::Links, &page.concat()).unwrap();
        assert_eq!(answer["rows"], json!([row]), "after {after:?}");
        after = answer["next"].as_str().map(str::to_owned);
    }
    assert_eq!(after, None);
}

#[test]
fn routes_keep_to_what_is_asked_and_say_why_there_is_none() {
    let network =
        snapshot(5, &both(&[((1, 1), (2, 1)), ((1, 2), (3, 1)), ((2, 2), (4, 1)), ((2, 3), (4, 2)), ((3, 2), (4, 3))]));
    let routes = |more: &[(&'static str, &'static str)]| {
        asked(&network, What::Routes, &[&[("from", "s1"), ("to", "s4")], more].concat())
    };
    let switches = |answer: &Value| -> Vec<Value> {
        answer["rows"].as_array().unwrap().iter().map(|row| row["switches"].clone()).collect()
    };
    let three = routes(&[("count", "9")]).unwrap();
    assert_eq!(three["rows"].as_array().unwrap().len(), 3, "and no more");
    assert_eq!(three["rows"][0]["links"], json!(["s1:1 to s2:1", "s2:2 to s4:1"]));
    let around = routes(&[("avoid", "s2")]).unwrap();
    assert_eq!(switches(&around), [json!(["s1", "s3", "s4"])]);
    let pair = routes(&[("disjoint", "node")]).unwrap();
    assert_eq!(switches(&pair), [json!(["s1", "s2", "s4"]), json!(["s1", "s3", "s4"])]);
    let over = routes(&[("include", "s3:2,s4:2,s2:1")]).unwrap();
    assert_eq!(
        over["reason"],
        json!("no way passes the link at s4:2 in the order asked without coming by a switch twice")
    );
    let avoided = routes(&[("avoid", "s2, s1:2")]).unwrap();
    assert_eq!(avoided["reachable"], json!(false));
    assert_eq!(avoided["reason"], json!("each way passes what is to be avoided; the cheapest one switch s2"));
    let parted = asked(&network, What::Routes, &[("from", "s1"), ("to", "s5"), ("count", "2")]).unwrap();
    let reason = "s1 and s5 are in different parts of the network: s1's part has 4 switches, s5's has 1 switch";
    assert_eq!(parted["reason"], json!(reason));
    for (name, value) in [
        ("max_latency", "5"),
        ("min_bandwidth", "wide"),
        ("avoid", "s9"),
        ("include", "s1:x"),
        ("disjoint", "risk"),
        ("avoid", "srlg:none"),
    ] {
        assert!(matches!(routes(&[(name, value)]), Err(failure) if failure.status >= 400), "{name}={value}");
    }
    assert!(routes(&[("count", "2"), ("disjoint", "link")]).is_err());
}

#[test]
fn reservations_have_their_paths_or_why_there_is_none_and_what_they_take_is_not_free() {
    let mut network = snapshot(4, &both(&[((1, 1), (2, 1)), ((1, 2), (3, 1)), ((3, 2), (2, 2))]));
    let text = "switches:\n  a: { datapath_id: \"0x1\" }\n  b: { datapath_id: \"0x2\" }\n  c: { datapath_id: \"0x3\" }\n  d: { datapath_id: \"0x4\" }\n\
                links: [{ between: a/1 - b/1, bandwidth: 10M }, { between: a/2 - c/1, bandwidth: 8M }, { between: c/2 - b/2, bandwidth: 8M }]\n\
                reservations:\n- { name: voice, from: a, to: b, bandwidth: 6M }\n- { name: video, from: a, to: b, bandwidth: 5M }\n- { name: both, from: a, to: b, bandwidth: 2M, disjoint: node }\n\
                - { name: bulk, from: a, to: b, bandwidth: 3M }\n- { name: far, from: a, to: d, bandwidth: 1M }\n";
    let config = crate::config::Config::parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    (network.weights, network.reservations) = (config.weights, config.reservations);
    network.loads = Arc::new(BTreeMap::from([(DatapathId(1), Arc::new(BTreeMap::from([(PortNo(1), 9_000)])))]));
    let answer = asked(&network, What::Reservations, &[]).unwrap();
    let shown = |row: &Value| (row["name"].clone(), row["switches"].clone(), row["second_switches"].clone());
    let rows: Vec<_> = answer["rows"].as_array().unwrap().iter().map(shown).collect();
    let (direct, around, none) = (json!(["s1", "s2"]), json!(["s1", "s3", "s2"]), json!([]));
    assert_eq!(
        rows,
        [
            (json!("voice"), direct.clone(), none.clone()),
            (json!("video"), around.clone(), none.clone()),
            (json!("both"), direct, around),
            (json!("bulk"), none.clone(), none.clone()),
            (json!("far"), none.clone(), none),
        ],
        "what is measured does not count against a reservation"
    );
    let reasons: Vec<&Value> = answer["rows"].as_array().unwrap().iter().skip(3).map(|row| &row["reason"]).collect();
    let full = "the most that a way has free is 2 Mbit/s (at s1:1), under the 3 Mbit/s asked";
    assert_eq!(reasons[0], full);
    assert!(reasons[1].as_str().unwrap().contains("are in different parts of the network"), "{reasons:?}");
    // 8 of 10 Mbit/s are reserved on the one way and 7 of 8 on the other; 9 of the 10 are in use.
    let ask = [("from", "s1"), ("to", "s2"), ("count", "2")];
    let answer = asked(&network, What::Routes, &ask).unwrap();
    let free = |at: usize| answer["rows"][at]["bandwidth"].clone();
    assert_eq!((free(0), free(1)), (json!("1 Mbit/s"), json!("1 Mbit/s")));
    let lines = crate::reservations::refused(&network.network, &network.weights, &network.reservations, &|id| {
        format!("s{}", id.0)
    });
    assert_eq!((lines.len(), lines[0].as_str()), (2, format!("reservations: bulk: no path: {full}").as_str()));
}

#[test]
fn what_the_configuration_says_of_links_is_shown_and_counts() {
    let wires = both(&[((1, 1), (2, 1)), ((2, 2), (4, 1)), ((1, 2), (3, 1)), ((3, 2), (4, 2)), ((1, 3), (4, 3))]);
    let mut network = snapshot(4, &wires);
    let text = "switches:\n  a: { datapath_id: \"0x1\" }\n  b: { datapath_id: \"0x2\" }\n  c: { datapath_id: \"0x3\", drain: true }\n  d: { datapath_id: \"0x4\" }\n\
                paths: { metric: cost }\n\
                links:\n- { between: a/1 - b/1, cost: 3, bandwidth: 10M, srlg: [duct, 7] }\n- { between: a/3 - d/3, bandwidth: 1G, srlg: [duct], drain: true }\n- { between: b/2 - d/1, bandwidth: 1G }\n";
    network.weights = crate::config::Config::parse(text).unwrap_or_else(|problems| panic!("{problems}")).weights;
    let loads = BTreeMap::from([(PortNo(1), 2_500)]);
    network.loads = Arc::new(BTreeMap::from([(DatapathId(1), Arc::new(loads))]));

    let links = asked(&network, What::Links, &[]).unwrap();
    let shown = |row: &Value| {
        (row["cost"].clone(), row["drained"].clone(), row["srlg"].clone(), row["utilisation_percent"].clone())
    };
    let rows: Vec<_> = links["rows"].as_array().unwrap().iter().map(shown).collect();
    let none = json!([]);
    assert_eq!(
        rows,
        [
            (json!(3), json!(false), json!(["7", "duct"]), json!(25.0)),
            (json!(1), json!(true), none.clone(), Value::Null),
            (json!(1), json!(true), json!(["duct"]), Value::Null),
            (json!(1), json!(false), none.clone(), Value::Null),
            (json!(1), json!(true), none, Value::Null),
        ],
        "the links of a drained switch are drained"
    );
    let switches = asked(&network, What::Switches, &[]).unwrap();
    let drained: Vec<_> = switches["rows"].as_array().unwrap().iter().map(|row| row["drained"].clone()).collect();
    assert_eq!(drained, [json!(false), json!(false), json!(true), json!(false)]);

    // Packets go where forwarding leads them: over b, for c and the link to d are under maintenance.
    let way = asked(&network, What::Path, &[("from", "s1"), ("to", "s4")]).unwrap();
    assert_eq!(way["rows"][1]["switch"], json!("s2"));
    let paths = asked(&network, What::Paths, &[("from", "s1"), ("to", "s4")]).unwrap();
    assert_eq!((&paths["rows"][0]["cost"], &paths["rows"][0]["hops"]), (&json!(4), &json!(2)));

    let routes = |more: &[(&'static str, &'static str)]| {
        asked(&network, What::Routes, &[&[("from", "s1"), ("to", "s4")], more].concat()).unwrap()
    };
    // 10 Mbit/s, of which 2.5 are used.
    assert_eq!(routes(&[("count", "1")])["rows"][0]["cost"], json!(4));
    let narrow = routes(&[("min_bandwidth", "8M"), ("avoid", "s1:3")]);
    assert_eq!(
        narrow["reason"],
        json!("the most that a way has free is 7.5 Mbit/s (at s1:1), under the 8 Mbit/s asked")
    );
    let apart = routes(&[("disjoint", "srlg")]);
    assert_eq!(apart["reason"], json!("each way passes risk group duct"), "around c, which is drained");
    let around = routes(&[("avoid", "srlg:7"), ("count", "1")]);
    assert_eq!(around["rows"][0]["links"], json!(["s1:3 to s4:3"]));
}
