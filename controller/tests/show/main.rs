//! A controller with an emulated network, asked with every command in every form, over TCP and over its Unix socket.

mod fabric;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use controller::api::table::{Form, ROUTES};
use controller::config::Config;
use controller::service::Controller;
use emulator::{FabricSpec, HostIndex, LinkIndex};
use fabric::{Emulated, Order};
use serde_json::Value;

/// Far above what anything here takes.
const LIMIT: Duration = Duration::from_secs(120);
const SWITCHES: usize = 4;
const HOSTS: usize = 6;

struct Lab {
    controller: Option<Controller>,
    fabric: Emulated,
    folder: PathBuf,
    spec: FabricSpec,
}

impl Lab {
    /// A ring of four switches with a chord and six hosts; everything is known and installed.
    fn start(name: &str) -> Lab {
        let folder = std::env::temp_dir().join(format!("trunkline-show-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("t.sock");
        let text = format!(
            "openflow: {{ listen: [\"ptcp:0:127.0.0.1\"] }}\nhttp: {{ listen: \"127.0.0.1:0\", socket: {} }}\n\
             flows: {{ all: [\"priority=7,tcp,tp_dst=23,actions=drop\"] }}\n\
             switches: {{ a: {{ datapath_id: \"0x1\" }}, b: {{ datapath_id: \"0x3\" }} }}\n\
             fabric: {{ expected_links: [a/1 - b/77], move_confirmation: 0s }}\n\
             reservations: [{{ name: alarms, from: a, to: b, bandwidth: 1M }}]\n",
            socket.display()
        );
        let controller = Controller::start(&Config::parse(&text).unwrap()).unwrap();
        let spec = FabricSpec::ring_with_chord(SWITCHES, HOSTS);
        let fabric = Emulated::start(&spec, controller.openflow_addresses()[0]);
        let lab = Lab { controller: Some(controller), fabric, folder, spec };
        lab.wait("all links", |status| status["links"] == 5);
        let mut announced = Instant::now();
        lab.fabric.order(Order::Send(HostIndex(0), lldp()));
        lab.wait("the neighbour", |status| status["neighbors"] == 1);
        lab.fabric.order(Order::Announce);
        lab.wait("all hosts and rules", |status| {
            if announced.elapsed() > Duration::from_secs(1) {
                announced = Instant::now();
                lab.fabric.order(Order::Announce);
            }
            status["hosts"] == HOSTS && status["rules_installed"] == status["rules_desired"]
        });
        lab
    }

    fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("it runs")
    }

    fn socket(&self) -> &Path {
        self.controller().socket().expect("a socket")
    }

    fn command(&self, words: &[&str], at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
        command.args(words).args(["--at", at]);
        command
    }

    /// What a command says, over the socket: good or not, standard output, standard error.
    fn ask(&self, words: &[&str]) -> (bool, String, String) {
        let output = self.command(words, &self.socket().display().to_string()).output().expect("the binary runs");
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("UTF-8");
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// The objects that a command prints.
    fn rows(&self, words: &[&str]) -> Vec<Value> {
        let (good, out, err) = self.ask(&[words, &["-o", "json"]].concat());
        assert!(good, "{words:?}: {err}");
        out.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
    }

    fn wait(&self, what: &str, mut is: impl FnMut(&Value) -> bool) {
        let begun = Instant::now();
        loop {
            let status = self.rows(&["status"]);
            if is(&status[0]) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "no {what}: {}", status[0]);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.stop();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What lldpd on a server would say: chassis 02:00:00:00:00:77, port eth0, a router, managed at 192.0.2.7.
fn lldp() -> Vec<u8> {
    let mut frame = b"\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x77\x88\xcc".to_vec();
    frame.extend(b"\x02\x07\x04\x02\x00\x00\x00\x00\x77\x04\x05\x05eth0\x06\x02\x02\x58");
    frame.extend(b"\x0a\x0drack7-server3\x0e\x04\x00\x10\x00\x10");
    frame.extend(b"\x10\x0c\x05\x01\xc0\x00\x02\x07\x02\x00\x00\x00\x02\x00\x00\x00");
    frame
}

#[test]
fn every_command_answers_in_every_form_and_each_form_says_the_same() {
    let lab = Lab::start("forms");
    let counts = [
        (&["show", "switches"][..], SWITCHES),
        // The last one is expected and not there.
        (&["show", "links"], 6),
        (&["show", "neighbors"], 1),
        (&["show", "conditions"], 1),
        (&["show", "hosts"], HOSTS),
        (&["show", "paths"], SWITCHES * (SWITCHES - 1)),
        (&["show", "meters"], 0),
        (&["show", "ports", "--switch", "s1"], lab.rows(&["show", "ports", "--switch", "0x1"]).len()),
        (&["show", "flows", "--state", "installed"], lab.rows(&["show", "flows"]).len()),
        (&["show", "groups", "--state", "installed"], lab.rows(&["show", "groups"]).len()),
    ];
    for (words, count) in counts {
        let rows = lab.rows(words);
        assert_eq!(rows.len(), count, "{words:?}");
        let (_, text, _) = lab.ask(words);
        assert_eq!(text.lines().count(), count + 1, "a heading, then a line each: {text}");
        let (_, csv, _) = lab.ask(&[words, &["-o", "csv"]].concat());
        assert_eq!(csv.lines().count(), count + 1, "{csv}");
        let (_, yaml, _) = lab.ask(&[words, &["-o", "yaml"]].concat());
        assert_eq!(yaml.lines().filter(|line| line.starts_with("- ")).count(), count, "{yaml}");
        for row in &rows {
            let Value::Object(row) = row else { panic!("{row}") };
            let names: Vec<&str> = row.keys().map(String::as_str).collect();
            assert_eq!(csv.lines().next(), Some(names.join(",").as_str()), "the same names in the same order");
        }
    }
    // The same over TCP.
    let http = lab.controller().http_address().to_string();
    let over_tcp = lab.command(&["show", "hosts", "-o", "csv"], &http).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&over_tcp.stdout).lines().count(), HOSTS + 1);

    let (good, text, _) = lab.ask(&["status"]);
    assert!(good && text.contains("switches connected") && text.contains("hosts"), "{text}");
    for form in ["json", "yaml", "csv"] {
        let (good, text, _) = lab.ask(&["status", "-o", form]);
        assert!(good && text.contains("switches_connected"), "{text}");
    }
    let links = lab.rows(&["show", "links"]);
    let (missing, there): (Vec<&Value>, Vec<&Value>) = links.iter().partition(|link| link["to_port"] == "77");
    assert!(there.iter().all(|link| link["state"] == "both"), "{links:?}");
    assert!(missing.iter().all(|link| link["state"] == "missing") && missing.len() == 1, "{links:?}");
    let neighbor = &lab.rows(&["show", "neighbors"])[0];
    let at = lab.spec.hosts[0].port;
    assert_eq!((&neighbor["switch"], &neighbor["port"]), (&"a".into(), &at.port_no.to_string().into()));
    assert_eq!((&neighbor["system_name"], &neighbor["far_port"]), (&"rack7-server3".into(), &"eth0".into()));
    assert_eq!(neighbor["capabilities"], serde_json::json!(["router"]));
    assert_eq!(neighbor["management_addresses"], serde_json::json!(["192.0.2.7"]));
    assert!(neighbor["age_seconds"].as_u64().is_some_and(|age| age < LIMIT.as_secs()), "{neighbor}");
    // A link that leads elsewhere than the configuration expects.
    let condition = &lab.rows(&["show", "conditions"])[0];
    assert_eq!((&condition["kind"], &condition["switch"]), (&"link_elsewhere".into(), &"a".into()));
    assert_eq!(condition["what"], "the link between a:1 and b:77 is expected, and a:1 leads to s2:1");
    let events = lab.rows(&["show", "events", "--kind", "condition"]);
    assert!(events.iter().any(|event| event["what"].as_str().is_some_and(|what| what.starts_with("link_elsewhere"))));
    assert_eq!(lab.rows(&["status"])[0]["conditions"], 1);
    // The configuration calls the switch `a`.
    let groups = lab.rows(&["show", "groups", "--switch", "s1"]);
    assert_eq!(lab.rows(&["show", "groups", "--switch", "a"]), groups);
    assert!(groups.iter().any(|group| group["type"] == "ff" && group["owner"] == "forwarding"), "{groups:?}");
    // What is shown of the rules is what the emulated switches have.
    let flows = lab.rows(&["show", "flows"]);
    assert!(flows.iter().all(|flow| flow["state"] == "installed"), "{flows:?}");
    // The operator's rule, which each switch has, names its line; no other rule comes from one.
    let (stated, others): (Vec<&Value>, Vec<&Value>) = flows.iter().partition(|flow| flow["priority"] == 7);
    let parts = |flow: &Value| (flow["owner"].clone(), flow["table"].clone(), flow["line"].clone());
    assert_eq!(stated.len(), SWITCHES, "{stated:?}");
    assert!(stated.iter().all(|flow| parts(flow) == ("static".into(), 0.into(), 3.into())), "{stated:?}");
    assert!(others.iter().all(|flow| flow["line"].is_null()), "{others:?}");
    // Table 0, the four that keep hosts apart, and the others.
    let owner = |table: &Value| match table.as_u64() {
        Some(0) => "static",
        Some(2..=5) => "isolation",
        _ => "forwarding",
    };
    let other_owner = others.iter().find(|flow| flow["owner"] != owner(&flow["table"]));
    assert_eq!(other_owner, None);
    let host = lab.spec.hosts[0].mac.to_string();
    let towards = flows.iter().filter(|flow| flow["match"].as_str().is_some_and(|text| text.contains(&host)));
    assert!(towards.count() > SWITCHES, "a rule on each switch, and one at its port");
}

#[test]
fn paths_events_and_wrong_questions_are_answered_clearly() {
    let lab = Lab::start("paths");
    let address = |host: usize| lab.spec.hosts[host].ipv4.to_string();
    let (from, to) = (address(0), address(2));
    let (good, text, _) = lab.ask(&["path", &from, &to]);
    assert!(good && text.contains("HOP") && text.contains("a ") && text.contains("b "), "{text}");
    for form in ["json", "yaml", "csv"] {
        let (good, text, err) = lab.ask(&["path", &from, "s3", "-o", form]);
        assert!(good && text.contains("alternatives"), "{text}{err}");
    }
    for (words, says) in [
        (&["path", from.as_str(), "10.9.9.9"][..], "no host `10.9.9.9` is known"),
        (&["show", "ports", "--switch", "s11"], "did you mean `s1`?"),
        (&["show", "flows", "--owner", "forwardin"], "did you mean `forwarding`?"),
        (&["show", "flows", "--state", "there"], "is none of installed, pending, refused, leaving, found"),
        (&["show", "events", "--kind", "linkdown"], "did you mean `link_down`?"),
    ] {
        let (good, out, err) = lab.ask(words);
        assert!(!good && out.is_empty() && err.contains(says), "{words:?}: {err}");
    }
    let nobody = lab.folder.join("nobody.sock").display().to_string();
    let output = lab.command(&["status"], &nobody).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("there is no such socket"), "{text}");

    // What was before, and what comes: a cut link is two directions.
    let before = lab.rows(&["show", "events"]);
    assert!(before.iter().any(|event| event["kind"] == "switch_up"), "{before:?}");
    let newest = before.last().unwrap()["number"].as_u64().unwrap();
    let words = ["watch", "--kind", "link_down", "--count", "2", "-o", "json", "--after", &newest.to_string()];
    let watching = lab.command(&words, &lab.socket().display().to_string()).stdout(Stdio::piped()).spawn().unwrap();
    lab.fabric.order(Order::Cut(LinkIndex(0)));
    let output = watching.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let kinds: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["link_down", "link_down"], "{text}");
    for form in ["text", "csv", "yaml"] {
        let (good, text, _) = lab.ask(&["show", "events", "--last", "3", "-o", form]);
        assert!(good && text.lines().count() >= 4, "{text}");
        let (good, text, _) = lab.ask(&["watch", "--last", "2", "--count", "2", "-o", form]);
        assert!(good && text.contains("link_down") | text.contains("rerouted"), "{text}");
    }
    lab.wait("new way", |status| status["links"] == 4);
}

#[test]
fn counters_are_the_switches_own_and_a_trace_has_them_too() {
    let lab = Lab::start("counters");
    let plain = lab.rows(&["show", "flows", "--switch", "s1"]);
    assert!(plain.iter().all(|flow| flow["packets"].is_null() && flow["age_seconds"].is_null()), "nobody has asked");
    let (_, text, _) = lab.ask(&["show", "flows", "--switch", "s1"]);
    assert!(!text.contains("PACKETS"), "{text}");
    let (good, text, err) = lab.ask(&["show", "flows", "--switch", "s1", "--counters"]);
    assert!(good && text.contains("PACKETS") && err.is_empty(), "{text}{err}");
    // A host that speaks again is a packet more at its own port.
    let packets = || -> u64 {
        let flows = lab.rows(&["show", "flows", "--counters"]);
        assert!(flows.iter().all(|flow| flow["octets"].is_u64() && flow["on_switch"].is_null()), "{flows:?}");
        flows.iter().filter_map(|flow| flow["packets"].as_u64()).sum()
    };
    let before = packets();
    let begun = Instant::now();
    lab.fabric.order(Order::Announce);
    while packets() <= before {
        assert!(begun.elapsed() < LIMIT, "no packet is counted");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(lab.rows(&["show", "flows", "--owner", "foreign"]).is_empty());
    assert!(lab.rows(&["show", "flows", "--state", "found", "--table", "0"]).is_empty());
    let groups = lab.rows(&["show", "groups", "--switch", "s1", "--counters"]);
    assert!(!groups.is_empty() && groups.iter().all(|group| group["packets"].is_u64()), "{groups:?}");

    let (from, to) = (lab.spec.hosts[0].ipv4, lab.spec.hosts[2].ipv4);
    let flow = format!("icmp,nw_src={from},nw_dst={to}");
    let trace = lab.rows(&["trace", &flow]);
    let rows = trace[0]["rows"].as_array().unwrap();
    let rules: Vec<&Value> = rows.iter().filter(|row| row["what"] == "table" && row["rule"].is_string()).collect();
    assert!(rules.len() > SWITCHES, "{rules:?}");
    for rule in rules {
        assert!(rule["packets"].is_u64() && rule["age_seconds"].is_u64() && rule["on_switch"].is_null(), "{rule}");
    }
    assert!(trace[0]["counters_note"].is_null());
    let (_, text, _) = lab.ask(&["trace", &flow]);
    assert!(text.contains(" packets, ") && text.contains("desired and installed rules do the same"), "{text}");
}

/// What is wrong with a value by a schema of the document.
fn wrong(value: &Value, schema: &Value, at: &str) -> Option<String> {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !kinds.iter().any(|kind| is(kind)) {
        return Some(format!("{at}: {value} is not {kinds:?}"));
    }
    if schema["format"] == "date-time" && value.as_str().is_some_and(|text| !text.ends_with('Z') || text.len() != 24) {
        return Some(format!("{at}: {value} is not a time"));
    }
    if let Value::Array(items) = value {
        return items.iter().find_map(|item| wrong(item, &schema["items"], &format!("{at}[]")));
    }
    let Value::Object(object) = value else { return None };
    let missing =
        schema["required"].as_array()?.iter().filter_map(Value::as_str).find(|name| !object.contains_key(*name));
    if let Some(missing) = missing {
        return Some(format!("{at}: no {missing}"));
    }
    object.iter().find_map(|(name, value)| match schema["properties"].get(name) {
        Some(schema) => wrong(value, schema, &format!("{at}.{name}")),
        None => Some(format!("{at}.{name} is not in the document")),
    })
}

#[test]
fn each_route_answers_as_the_document_says() {
    let lab = Lab::start("document");
    let get = |path: &str| {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(lab.socket()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{path}: {body}")))
    };
    let (status, document) = get("/openapi.json");
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    let all = document["paths"].as_object().unwrap();
    assert!(all.contains_key("/metrics") && all.contains_key("/bgp/neighbors"));
    let paths: Vec<_> = all.iter().filter(|(path, _)| path.starts_with("/api/")).collect();
    assert_eq!(paths.len(), ROUTES.len());
    let error = &document["components"]["schemas"]["Error"];
    for (path, described) in paths {
        let (from, to) = (lab.spec.hosts[0].ipv4, lab.spec.hosts[2].ipv4);
        let query = match path.rsplit('/').next() {
            Some("path" | "routes") => "?from=s1&to=s3".to_owned(),
            Some("trace") => format!("?flow=icmp,nw_src={from},nw_dst={to}"),
            _ => String::new(),
        };
        let (status, answer) = get(&format!("{path}{query}"));
        assert_eq!(status, 200, "{path}: {answer}");
        let schema = &described["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(wrong(&answer, schema, path), None);
        let route = ROUTES.iter().find(|route| route.path == path).unwrap();
        // There are no meters and no databases, and nobody takes a configuration on here: `trunkline run` does.
        let may_be_empty = ["/meters", "/history", "/ovsdb", "/bfd"].iter().any(|end| path.ends_with(end));
        if route.form != Form::One && !may_be_empty {
            assert!(!answer["rows"].as_array().unwrap().is_empty(), "{path} has rows to look at");
        }
        let (status, answer) = get(&format!("{path}?nonsense=1"));
        assert_eq!((status, wrong(&answer, error, path)), (400, None), "{answer}");
        for parameter in described["get"]["parameters"].as_array().unwrap() {
            if parameter["name"] == "limit" {
                // In pages of one and a few it is the same list.
                let (_, whole) = get(path);
                let (mut rows, mut after) = (Vec::new(), String::new());
                loop {
                    let (status, page) = get(&format!("{path}?limit=7{after}"));
                    assert_eq!((status, wrong(&page, schema, path)), (200, None));
                    rows.extend(page["rows"].as_array().unwrap().iter().cloned());
                    let Some(next) = page["next"].as_str() else { break };
                    after = format!("&after={next}");
                }
                // Something may have happened meanwhile.
                assert!(rows.len() >= whole["rows"].as_array().unwrap().len(), "{path}");
            }
        }
    }
}
