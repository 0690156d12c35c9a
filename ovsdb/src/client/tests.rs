use proptest::prelude::*;

use super::*;
use crate::value::Uuid;

/// What a real server has said, from its first answer to its last notice: `testdata/`.
const SESSION: &str = include_str!("../../testdata/session.jsonl");

fn at(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

fn client() -> Client {
    Client::new(ClientConfig::default(), at(0))
}

fn said(client: &mut Client) -> Vec<Value> {
    let octets = client.poll_transmit().unwrap_or_default();
    let mut framer = Framer::default();
    framer.push(&octets);
    std::iter::from_fn(|| framer.next_message().unwrap()).collect()
}

fn events(client: &mut Client) -> Vec<ClientEvent> {
    std::iter::from_fn(|| client.poll_event()).collect()
}

fn hear(client: &mut Client, message: &Value) -> Vec<ClientEvent> {
    client.handle_octets(message.to_string().as_bytes(), at(1));
    events(client)
}

/// A client whose copy is whole, with one interface.
fn ready() -> Client {
    let mut client = client();
    hear(&mut client, &json!({"id": 0, "result": ["Open_vSwitch"], "error": null}));
    let columns = json!({"columns": {"name": {}, "bfd": {}, "new_column": {}}});
    let schema = json!({"version": "8.3.0", "tables": {"Interface": columns, "Other": {}}});
    hear(&mut client, &json!({"id": 0, "result": schema, "error": null}));
    let row = json!({"new": {"name": "eth0", "bfd": ["map", []]}});
    let rows = json!({"Interface": {"00000000-0000-0000-0000-000000000001": row}});
    let events = hear(&mut client, &json!({"id": 0, "result": rows, "error": null}));
    assert_eq!(events, [ClientEvent::Ready { version: "8.3.0".to_owned() }]);
    client
}

#[test]
fn a_real_server_is_followed() {
    let mut client = client();
    let mut all = Vec::new();
    for line in SESSION.lines().filter(|line| !line.starts_with('#')) {
        client.handle_octets(line.as_bytes(), at(1));
        all.extend(events(&mut client));
    }
    assert_eq!(all.first(), Some(&ClientEvent::Ready { version: "8.3.1".to_owned() }));
    assert!(!client.is_closed());
    let replica = client.replica();
    assert_eq!(replica.bridges().count(), 2);
    let ports: Vec<String> = replica.places().map(|(port, _, row)| format!("{port} {}", row.name)).collect();
    assert_eq!(ports.len(), 4, "{ports:?}");
    for name in ["dva", "dvb"] {
        let (_, row) = replica.interfaces().find(|(_, row)| row.name == name).unwrap();
        assert_eq!(row.bfd_status.get("state").map(String::as_str), Some("up"));
        assert_eq!((row.mtu, row.link_up), (Some(1500), Some(true)));
        assert!(row.mac_in_use.is_some());
    }
}

#[test]
fn only_columns_that_the_server_has_are_asked_for() {
    let mut client = ready();
    let said = said(&mut client);
    let methods: Vec<&str> = said.iter().filter_map(|message| message["method"].as_str()).collect();
    assert_eq!(methods, ["list_dbs", "get_schema", "monitor"]);
    assert_eq!(said[2]["params"][2], json!({"Interface": {"columns": ["name", "bfd"]}}));
}

#[test]
fn an_echo_is_answered_and_one_without_an_answer_is_the_end() {
    let mut client = ready();
    said(&mut client);
    hear(&mut client, &json!({"id": "x", "method": "echo", "params": [1]}));
    assert_eq!(said(&mut client), [json!({"id": "x", "result": [1], "error": null})]);
    client.handle_timeout(at(1) + ECHO_INTERVAL);
    assert_eq!(said(&mut client)[0]["method"], "echo");
    client.handle_timeout(at(1) + ECHO_INTERVAL + ECHO_TIMEOUT);
    assert_eq!(events(&mut client), [ClientEvent::Closed(CloseReason::Silent("echo"))]);
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn a_server_without_the_database_or_without_an_answer_is_left() {
    let mut empty = client();
    let answer = json!({"id": 0, "result": ["_Server"], "error": null});
    assert_eq!(hear(&mut empty, &answer), [ClientEvent::Closed(CloseReason::NoDatabase)]);
    let mut refusing = client();
    let answer = json!({"id": 0, "result": null, "error": "no"});
    let reason = CloseReason::Refused { method: "list_dbs", error: "no".to_owned() };
    assert_eq!(hear(&mut refusing, &answer), [ClientEvent::Closed(reason)]);
    let mut silent = client();
    silent.handle_timeout(at(0) + ANSWER_TIMEOUT);
    assert_eq!(events(&mut silent), [ClientEvent::Closed(CloseReason::Silent("list_dbs"))]);
}

fn transaction() -> Transaction {
    let mut transaction = Transaction::new();
    transaction.wait_for_map("Interface", Uuid(1), "bfd", &BTreeMap::new()).comment("x");
    transaction
}

#[test]
fn transactions_are_answered_by_operation() {
    for (result, error, words) in [
        (json!([{}, {}]), Value::Null, None),
        (json!([{"error": "timed out", "details": "d"}, null]), Value::Null, Some("operation 0: timed out (d)")),
        (json!([{}, {}, {"error": "constraint violation"}]), Value::Null, Some("constraint violation")),
        (json!([{}]), Value::Null, Some("1 results for 2 operations")),
        (Value::Null, json!("not allowed"), Some("not allowed")),
        (json!(5), Value::Null, Some("5")),
    ] {
        let mut client = ready();
        let number = client.transact(&transaction(), at(1)).unwrap();
        let events = hear(&mut client, &json!({"id": number, "result": result, "error": error}));
        let [ClientEvent::Answered { number: answered, outcome }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*answered, number);
        match outcome {
            Outcome::Done => assert_eq!(words, None),
            Outcome::Failed(failure) => assert_eq!(Some(failure.to_string().as_str()), words),
        }
        assert_eq!(hear(&mut client, &json!({"id": number, "result": [], "error": null})), [], "answered once");
    }
}

#[test]
fn no_more_transactions_than_the_limit_are_on_their_way_and_each_has_a_deadline() {
    let mut client = ready();
    for _ in 0..MAX_TRANSACTIONS {
        assert!(client.transact(&transaction(), at(1)).is_some());
    }
    assert_eq!(client.transact(&transaction(), at(1)), None);
    client.handle_timeout(at(1) + ANSWER_TIMEOUT);
    assert_eq!(events(&mut client), [ClientEvent::Closed(CloseReason::Silent("transact"))]);
}

#[test]
fn updates_change_the_copy_and_are_told_once() {
    let mut client = ready();
    let uuid = "00000000-0000-0000-0000-000000000001";
    let new = json!({"name": "eth0", "bfd": ["map", [["enable", "true"]]], "unknown": 1});
    let update =
        |name: &str, row: Value| json!({"id": null, "method": "update", "params": [name, {"Interface": {uuid: row}}]});
    assert_eq!(hear(&mut client, &update(MONITOR, json!({"new": new}))), [ClientEvent::Changed]);
    assert_eq!(hear(&mut client, &update(MONITOR, json!({"new": new}))), [], "nothing is different");
    assert_eq!(hear(&mut client, &update("other", json!({}))), []);
    assert_eq!(client.replica().interface(Uuid(1)).unwrap().bfd["enable"], "true");
    assert_eq!(hear(&mut client, &update(MONITOR, json!({"old": {}}))), [ClientEvent::Changed]);
    assert_eq!(client.replica().interface(Uuid(1)), None);
}

#[test]
fn a_server_that_does_not_read_and_one_that_says_too_much_are_left() {
    let mut client = ready();
    let echo = json!({"id": 1, "method": "echo", "params": ["x".repeat(MAX_QUEUED_OUTPUT)]});
    assert_eq!(hear(&mut client, &echo), [ClientEvent::Closed(CloseReason::Backlog)]);
    let mut client = ready();
    let row = |number: usize| (Uuid(number as u128 + 1).to_string(), json!({"new": {}}));
    let rows: serde_json::Map<String, Value> = (0..=MAX_ROWS).map(row).collect();
    let update = json!({"id": null, "method": "update", "params": [MONITOR, {"Port": rows}]});
    assert_eq!(hear(&mut client, &update), [ClientEvent::Closed(CloseReason::TooManyRows)]);
}

/// An update of one row of table `Interface` with so many external_ids of so many octets.
fn large(row: u128, pairs: usize, octets: usize) -> Value {
    let pairs: Vec<Value> = (0..pairs).map(|pair| json!([pair.to_string(), "x".repeat(octets)])).collect();
    let row = json!({Uuid(row).to_string(): {"new": {"external_ids": ["map", pairs]}}});
    json!({"id": null, "method": "update", "params": [MONITOR, {"Interface": row}]})
}

#[test]
fn a_database_that_grows_without_end_is_left_and_nothing_of_it_is_kept() {
    let mut client = ready();
    let mut last = Vec::new();
    let sent = (0..200).take_while(|row| {
        last = hear(&mut client, &large(*row, 6_000, 6));
        !client.is_closed()
    });
    assert!(sent.count() > 100);
    assert_eq!(last.last(), Some(&ClientEvent::Closed(CloseReason::TooManyOctets)));
    assert!(CloseReason::TooManyOctets.to_string().contains("external_ids"));
    assert_eq!(client.replica(), &Replica::default());
}

#[test]
fn large_rows_that_come_again_or_go_are_counted_once_and_long_values_are_cut() {
    let mut client = ready();
    let message = large(1, 4, 1 << 20);
    hear(&mut client, &message);
    let row = client.replica().interface(Uuid(1)).unwrap();
    assert!(row.external_ids.values().all(|value| value.len() == crate::value::MAX_VALUE_OCTETS));
    let (other, another) = (large(2, 6_000, 6), large(2, 6_000, 7));
    let gone = json!({"Interface": {Uuid(2).to_string(): {"old": {}}}});
    for _ in 0..200 {
        for update in [&other["params"][1], &another["params"][1], &gone] {
            assert_eq!(client.replica.update(update), Ok(true));
        }
    }
}

#[test]
fn rows_that_name_each_other_over_and_over_cost_no_more_than_they_are() {
    let mut client = ready();
    let set = |numbers: std::ops::Range<u128>| {
        json!(["set", numbers.map(|number| json!(["uuid", Uuid(number).to_string()])).collect::<Vec<_>>()])
    };
    let rows = |numbers: std::ops::Range<u128>, row: &dyn Fn(u128) -> Value| {
        let pair = |number: u128| (Uuid(number).to_string(), json!({ "new": row(number) }));
        Value::Object(numbers.map(pair).collect())
    };
    // Every bridge has every port, and every port every interface: a million ways, 100 places at most.
    let bridges =
        rows(0..100, &|number| json!({"datapath_id": format!("{:016x}", number + 1), "ports": set(100..200)}));
    let ports = rows(100..200, &|_| json!({"interfaces": set(200..300)}));
    let interfaces = rows(200..300, &|number| json!({"ofport": number - 199}));
    let tables = json!({"Bridge": bridges, "Port": ports, "Interface": interfaces});
    hear(&mut client, &json!({"id": null, "method": "update", "params": [MONITOR, tables]}));
    assert_eq!(client.replica().places().count(), 100);
    assert!(client.replica().places().all(|(port, ..)| port.datapath_id.0 == 1));
}

proptest! {
    #[test]
    fn a_real_session_split_anywhere_gives_the_same_copy(cuts in prop::collection::vec(1usize..3_000, 1..30)) {
        let session: String = SESSION.lines().filter(|line| !line.starts_with('#')).collect();
        let mut whole = client();
        whole.handle_octets(session.as_bytes(), at(1));
        let (mut split, mut rest) = (client(), session.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            split.handle_octets(piece, at(1));
            rest = after;
        }
        prop_assert!(split.is_ready());
        prop_assert_eq!(split.replica(), whole.replica());
    }

    #[test]
    fn nothing_that_a_server_says_breaks_a_client(
        messages in prop::collection::vec((0u8..8, prop::collection::vec(any::<u8>(), 0..40), 0u64..8), 1..20),
    ) {
        let mut client = ready();
        for (kind, octets, number) in messages {
            let value = serde_json::from_slice(&octets).unwrap_or(json!([String::from_utf8_lossy(&octets)]));
            let message = match kind {
                0 => json!({"id": number, "result": value, "error": null}),
                1 => json!({"id": number, "error": value}),
                2 => json!({"id": null, "method": "update", "params": [MONITOR, value]}),
                3 => json!({"id": null, "method": "update", "params": [MONITOR, {"Interface": {Uuid(1).to_string(): {"new": value}}}]}),
                4 => json!({"id": value, "method": "echo", "params": value}),
                5 => json!({"id": value, "method": "other"}),
                6 => { client.transact(&transaction(), at(number)); continue }
                _ => { client.handle_octets(&octets, at(number)); continue }
            };
            client.handle_octets(message.to_string().as_bytes(), at(number));
            client.handle_timeout(at(number));
            client.poll_transmit();
            events(&mut client);
        }
    }
}
