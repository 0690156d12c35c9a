//! `trunkline status`, `show`, `path` and `watch`: ask a running process what it knows.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::ask::{AskError, At, question};
use super::drawing::{AskLinks, drawing};
use super::examples;
use super::form::{Form, Printer, for_people, object};
use crate::api::Question;
use crate::api::table::{PAGE_ROWS, Route, WAIT_MAX, What};

/// Fields that have something only if switches are asked.
const COUNTED: &[&str] = &["packets", "octets", "age_seconds"];
/// The pause before a process that does not answer is asked again by `watch`.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// Where to ask: the address of http.listen or the path of http.socket. Without it the usual socket (/run/trunkline/trunkline.sock) if a process
    /// listens there, else 127.0.0.1:9653.
    #[arg(long, value_name = "ADDRESS:PORT|PATH")]
    pub(super) at: Option<At>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    pub(super) output: Form,
}

impl Ask {
    pub(super) fn at(&self) -> At {
        self.at.clone().unwrap_or_else(At::usual)
    }

    pub(super) fn output(&self) -> Form {
        self.output
    }
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(super) enum ShowCommand {
    /// Switches: state, ports, rules, round-trip time.
    #[command(after_help = examples(&[
        ("trunkline show switches", "all of them"),
        ("trunkline show switches -o json", "with what they say about themselves, an object per line"),
    ]))]
    Switches {
        /// Only this one: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Ports: name, state, who is at the other end, counters.
    #[command(after_help = examples(&[
        ("trunkline show ports --switch s1", "of one switch"),
        ("trunkline show ports -o csv", "of all, with all counters"),
    ]))]
    Ports {
        /// Only of this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Links between switches.
    #[command(after_help = examples(&[
        ("trunkline show links", "each link once; `one-way` ones carry nothing"),
        ("trunkline show links --switch 0x1", "of one switch"),
        ("trunkline show links -o dot | dot -Tsvg > network.svg", "a drawing of the network, by Graphviz"),
    ]))]
    Links {
        /// Only of this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: AskLinks,
    },
    /// LLDP neighbours that are not switches of this network: other switches, routers, servers that run lldpd.
    #[command(after_help = examples(&[
        ("trunkline show neighbors", "who says what at which port"),
        ("trunkline show neighbors --switch s1 -o json", "with all that they say of themselves"),
    ]))]
    Neighbors {
        /// Only at this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// What is odd about the network, since when, and what to do: missing and one-way links, miswiring, flapping, contested hosts.
    #[command(after_help = examples(&[
        ("trunkline show conditions", "all of them; none is a good sign"),
        ("trunkline show conditions --kind link_missing", "expected links that are not there"),
    ]))]
    Conditions {
        /// Only of this kind, such as flapping.
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Only at this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Hosts: addresses, and the port that they are behind.
    #[command(after_help = examples(&[
        ("trunkline show hosts", "all of them, by MAC address"),
        ("trunkline show hosts 10.0.0.7", "where is it?"),
    ]))]
    Hosts {
        /// Only the host with this MAC or IP address.
        #[arg(value_name = "HOST")]
        host: Option<String>,
        /// Only at this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Ways between switches: hops, and the ports that lead there.
    #[command(after_help = examples(&[
        ("trunkline show paths --from s1", "from one switch to all others"),
        ("trunkline path 10.0.0.1 10.0.0.2", "one way, hop by hop"),
    ]))]
    Paths {
        /// Only from this switch.
        #[arg(long, value_name = "SWITCH")]
        from: Option<String>,
        /// Only to this switch.
        #[arg(long, value_name = "SWITCH")]
        to: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Reservations of bandwidth: the path that each is admitted on, or why there is none. No traffic is steered by them.
    #[command(after_help = examples(&[
        ("trunkline show reservations", "in the order of the configuration"),
        ("trunkline path s1 s2 --min-bandwidth 1G", "a way that still has room"),
    ]))]
    Reservations {
        #[command(flatten)]
        ask: Ask,
    },
    /// Rules of ours: what they match and do, who wants them, and whether they are installed.
    ///
    /// With --counters the switches are asked for packets, octets and age of each, and rules that others have put there are shown too. A switch with
    /// 100,000 rules takes some seconds for that; without it nothing is asked of any switch.
    #[command(after_help = examples(&[
        ("trunkline show flows --switch s1", "of one switch, by table and priority"),
        ("trunkline show flows --switch s1 --counters", "with packets, octets and age, and with what others have put there"),
        ("trunkline show flows --owner foreign", "what nobody here has put there"),
        ("trunkline show flows --state refused", "what switches have refused, why, and when it is tried again"),
        ("trunkline show flows --switch s1 -o json | jq -r .flow", "as ovs-ofctl --no-stats dump-flows prints them"),
    ]))]
    Flows {
        /// Only of this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        /// Only of this table.
        #[arg(long, value_name = "N")]
        table: Option<u8>,
        /// Only what this application wants, or foreign: what nobody here has put there.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// Only in this state: installed, pending, refused, leaving or found.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Ask the switches for their counters.
        #[arg(long)]
        counters: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Groups of ours, with their buckets.
    #[command(after_help = examples(&[
        ("trunkline show groups --switch s1", "of one switch"),
        ("trunkline show groups -o json | jq -r .text", "as ovs-ofctl dump-groups prints them"),
    ]))]
    Groups {
        /// Only of this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        /// Only in this state: installed, pending, refused or leaving.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Ask the switches for their counters.
        #[arg(long)]
        counters: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Meters of ours, with their bands.
    #[command(after_help = examples(&[
        ("trunkline show meters --switch s1", "of one switch"),
        ("trunkline show meters -o json | jq -r .text", "as ovs-ofctl dump-meters prints them"),
    ]))]
    Meters {
        /// Only of this switch: its name or its datapath id.
        #[arg(long, value_name = "SWITCH")]
        switch: Option<String>,
        /// Only in this state: installed, pending, refused or leaving.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Databases of Open vSwitches: connections, versions, bridges.
    #[command(after_help = examples(&[
        ("trunkline show ovsdb", "which databases of `ovsdb.connections` are connected"),
        ("trunkline show bfd", "BFD that was switched on by them"),
    ]))]
    Ovsdb {
        #[command(flatten)]
        ask: Ask,
    },
    /// BFD on links between switches.
    #[command(after_help = examples(&[
        ("trunkline show bfd", "each link once, and what BFD says at both ends"),
        ("trunkline show events --kind bfd", "when it came up and went down"),
    ]))]
    Bfd {
        #[command(flatten)]
        ask: Ask,
    },
    /// What happened: switches, links, hosts that moved, refused rules, reloads. The newest 8,192 events are kept.
    #[command(after_help = examples(&[
        ("trunkline show events --last 20", "the newest twenty"),
        ("trunkline show events --kind link_down", "every link that went down"),
        ("trunkline watch", "events as they come"),
    ]))]
    Events {
        /// Only the newest so many.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=PAGE_ROWS as u64))]
        last: Option<u64>,
        #[command(flatten)]
        which: WhichEvents,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Args)]
pub(super) struct WhichEvents {
    /// Only of this kind, such as link_down.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only at this switch: its name or its datapath id.
    #[arg(long, value_name = "SWITCH")]
    switch: Option<String>,
    /// Only those after this number.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    after: Option<u64>,
}

/// Any of these asks for whole routes instead of the one that packets take.
#[derive(Debug, Args)]
struct WhichRoutes {
    /// Over all links, as probes have measured them: `5ms`, `300us`.
    #[arg(long, value_name = "TIME")]
    max_latency: Option<String>,
    /// Bit rate of each link: `100M`, `2.5G`.
    #[arg(long, value_name = "RATE")]
    min_bandwidth: Option<String>,
    /// Switches, links by either port (`s1:2`) and risk groups (`srlg:conduit-7`) not to pass, with commas between.
    #[arg(long, value_name = "WHAT")]
    avoid: Option<String>,
    /// Switches and links to pass, in this order.
    #[arg(long, value_name = "WHAT", conflicts_with = "disjoint")]
    include: Option<String>,
    /// So many routes, the shortest first.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=64))]
    count: Option<u64>,
    /// Two routes that have no switch, no link or no risk group in common.
    #[arg(long, value_parser = ["node", "link", "srlg"], conflicts_with = "count")]
    disjoint: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PathArgs {
    /// Where it begins: a host's MAC or IP address, or a switch.
    #[arg(value_name = "A")]
    from: String,
    /// Where it ends.
    #[arg(value_name = "B")]
    to: String,
    #[command(flatten)]
    which: WhichRoutes,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The newest so many first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=PAGE_ROWS as u64))]
    last: Option<u64>,
    /// End after so many events, instead of never.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    which: WhichEvents,
    #[command(flatten)]
    ask: Ask,
}

/// Why a command ends.
pub(super) enum Failure {
    Ask(AskError),
    /// It has been said already.
    Said,
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Failure {
        Failure::Ask(error)
    }
}

pub(super) fn ended(result: Result<(), Failure>, err: &mut dyn Write) -> u8 {
    let message = match result {
        Ok(()) => return 0,
        // Who reads no further has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Err(Failure::Said) => return 1,
        Err(Failure::Output(error)) => error.to_string(),
        Err(Failure::Ask(error)) => error.message(),
    };
    let _ = writeln!(err, "trunkline: {message}");
    1
}

pub(super) fn status(arguments: &StatusArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let route = Route::of(What::Status);
    let mut result = || -> Result<(), Failure> {
        let answer = arguments.ask.at().get(route.path)?;
        Ok(object(arguments.ask.output, route.row, &answer, out)?)
    };
    ended(result(), err)
}

pub(super) fn show(command: ShowCommand, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = |value: Option<u64>| value.map(|value| value.to_string());
    let (what, parameters, ask) = match command {
        ShowCommand::Switches { switch, ask } => (What::Switches, vec![("switch", switch)], ask),
        ShowCommand::Ports { switch, ask } => (What::Ports, vec![("switch", switch)], ask),
        ShowCommand::Links { switch, ask } => match ask.split() {
            (ask, true) => return ended(draw(switch, &ask, out), err),
            (ask, false) => (What::Links, vec![("switch", switch)], ask),
        },
        ShowCommand::Neighbors { switch, ask } => (What::Neighbors, vec![("switch", switch)], ask),
        ShowCommand::Conditions { kind, switch, ask } => {
            (What::Conditions, vec![("kind", kind), ("switch", switch)], ask)
        }
        ShowCommand::Hosts { host, switch, ask } => (What::Hosts, vec![("host", host), ("switch", switch)], ask),
        ShowCommand::Paths { from, to, ask } => (What::Paths, vec![("from", from), ("to", to)], ask),
        ShowCommand::Flows { switch, table, owner, state, counters, ask } => {
            let table = text(table.map(u64::from));
            let counters = counters.then(|| "1".to_owned());
            let of = [("switch", switch), ("table", table), ("owner", owner), ("state", state), ("counters", counters)];
            (What::Flows, of.to_vec(), ask)
        }
        ShowCommand::Groups { switch, state, counters, ask } => {
            let counters = counters.then(|| "1".to_owned());
            (What::Groups, vec![("switch", switch), ("state", state), ("counters", counters)], ask)
        }
        ShowCommand::Meters { switch, state, ask } => (What::Meters, vec![("switch", switch), ("state", state)], ask),
        ShowCommand::Reservations { ask } => (What::Reservations, Vec::new(), ask),
        ShowCommand::Ovsdb { ask } => (What::Ovsdb, Vec::new(), ask),
        ShowCommand::Bfd { ask } => (What::Bfd, Vec::new(), ask),
        ShowCommand::Events { last, which, ask } => {
            let WhichEvents { kind, switch, after } = which;
            (What::Events, vec![("last", text(last)), ("kind", kind), ("switch", switch), ("after", text(after))], ask)
        }
    };
    ended(list(what, parameters, &ask, out, err), err)
}

/// The links, those of one switch or all, and the switches at their ends, or all.
fn draw(switch: Option<String>, ask: &Ask, out: &mut dyn Write) -> Result<(), Failure> {
    let links = collected(What::Links, vec![("switch", switch.clone())], ask)?;
    let mut switches = collected(What::Switches, Vec::new(), ask)?;
    if switch.is_some() {
        let ends: Vec<&Value> =
            links.iter().flat_map(|link| [link.get("datapath_id"), link.get("to_datapath_id")]).flatten().collect();
        switches.retain(|row| row.get("datapath_id").is_some_and(|id| ends.contains(&id)));
    }
    Ok(write!(out, "{}", drawing(&switches, &links))?)
}

/// All pages of a list at once.
fn collected(
    what: What,
    mut parameters: Vec<(&'static str, Option<String>)>,
    ask: &Ask,
) -> Result<Vec<Value>, Failure> {
    let (route, at) = (Route::of(what), ask.at());
    let mut all = Vec::new();
    loop {
        let page = at.get(&question(route.path, &parameters))?;
        all.extend_from_slice(rows(&page));
        let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(all) };
        parameters.retain(|(name, _)| *name != "after");
        parameters.push(("after", Some(next.to_owned())));
    }
}

/// A whole list.
pub(super) fn list_all(what: What, ask: &Ask, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let listed = list(what, Vec::new(), ask, out, err);
    ended(listed, err)
}

/// All pages of a list, each printed as it comes.
fn list(
    what: What,
    mut parameters: Vec<(&'static str, Option<String>)>,
    ask: &Ask,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let (route, at) = (Route::of(what), ask.at());
    let mut printer = Printer::new(ask.output, route.row, out);
    let asked = Question::new(route, pairs(&parameters)).is_ok_and(|question| question.asks_switches());
    if matches!(what, What::Flows | What::Groups) && !asked {
        printer = printer.without(COUNTED);
    }
    loop {
        let page = at.get(&question(route.path, &parameters))?;
        tell_missed(&page, err);
        if what == What::History && page.get("directory").is_some_and(Value::is_null) {
            let _ = writeln!(
                err,
                "trunkline: these are forgotten when the process ends: `history: {{ directory: … }}` in its configuration keeps them"
            );
        }
        if let Some(note) = page.get("note").and_then(Value::as_str) {
            let _ = writeln!(err, "trunkline: {}", for_people(note));
        }
        printer.rows(rows(&page))?;
        let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(()) };
        parameters.retain(|(name, _)| *name != "after");
        parameters.push(("after", Some(next.to_owned())));
    }
}

/// What is given of each that is said.
fn pairs(parameters: &[(&str, Option<String>)]) -> Vec<(String, String)> {
    let given = |(name, value): &(&str, Option<String>)| Some(((*name).to_owned(), value.clone()?));
    parameters.iter().filter_map(given).collect()
}

pub(super) fn rows(page: &Value) -> &[Value] {
    page.get("rows").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// That events are no longer kept, if who asks has said where they had been.
fn tell_missed(page: &Value, err: &mut dyn Write) {
    let missed = page.get("missed").and_then(Value::as_u64).unwrap_or(0);
    if missed > 0 {
        let _ = writeln!(err, "trunkline: {missed} older events are no longer kept");
    }
}

pub(super) fn path(arguments: &PathArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let PathArgs { from, to, which, ask } = arguments;
    let WhichRoutes { max_latency, min_bandwidth, avoid, include, count, disjoint } = which;
    let wanted = [
        ("max_latency", max_latency.clone()),
        ("min_bandwidth", min_bandwidth.clone()),
        ("avoid", avoid.clone()),
        ("include", include.clone()),
        ("count", count.map(|count| count.to_string())),
        ("disjoint", disjoint.clone()),
    ];
    let routes = wanted.iter().any(|(_, value)| value.is_some());
    let route = Route::of(if routes { What::Routes } else { What::Path });
    let mut result = || -> Result<(), Failure> {
        let mut parameters = vec![("from", Some(from.clone())), ("to", Some(to.clone()))];
        parameters.extend(wanted.clone());
        let answer = ask.at().get(&question(route.path, &parameters))?;
        let text = |name: &str| for_people(answer.get(name).and_then(Value::as_str).unwrap_or_default());
        let reachable = answer.get("reachable").and_then(Value::as_bool) == Some(true);
        match ask.output {
            Form::Json => writeln!(out, "{answer}")?,
            Form::Yaml => object(Form::Yaml, route.beside, &answer, out)?,
            Form::Csv => Printer::new(Form::Csv, route.row, out).rows(rows(&answer))?,
            Form::Text => {
                writeln!(out, "from {}\nto   {}", text("from"), text("to"))?;
                if reachable {
                    let count = answer.get("equal_cost_paths").and_then(Value::as_u64).unwrap_or(1);
                    if count > 1 {
                        writeln!(out, "{count} ways of the same length; the first one:")?;
                    }
                    Printer::new(Form::Text, route.row, out).rows(rows(&answer))?;
                } else {
                    writeln!(out, "there is no way: {}", text("reason"))?;
                }
            }
        }
        if reachable { Ok(()) } else { Err(Failure::Said) }
    };
    ended(result(), err)
}

pub(super) fn watch(arguments: &WatchArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let result = follow(arguments, out, err);
    ended(result, err)
}

fn follow(arguments: &WatchArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let WatchArgs { last, count, which, ask } = arguments;
    let (route, at) = (Route::of(What::Events), ask.at());
    let which_ones = [("kind", which.kind.clone()), ("switch", which.switch.clone())];
    let mut printer = Printer::new(ask.output, route.row, out);
    let mut left = count.unwrap_or(u64::MAX);
    let mut after = which.after;
    let mut run: Option<Value> = None;
    loop {
        let mut parameters = which_ones.to_vec();
        match after {
            Some(after) => {
                parameters.push(("after", Some(after.to_string())));
                parameters.push(("wait", Some((WAIT_MAX / 2).to_string())));
                parameters.push(("limit", Some(left.min(PAGE_ROWS as u64).to_string())));
            }
            // From now on, with the newest ones before if that is wanted.
            None => parameters.push(("last", Some(last.unwrap_or(0).min(left).to_string()))),
        }
        let page = match at.get(&question(route.path, &parameters)) {
            Ok(page) => page,
            // It is being started again, perhaps: the first answer has to come at once.
            Err(AskError::NoAnswer(message)) if run.is_some() => {
                let _ = writeln!(err, "trunkline: {message}; tried again until there is one");
                wait_for(&at);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let now = page.get("run").cloned();
        if run.is_some() && run != now {
            let _ = writeln!(
                err,
                "trunkline: another run of the controller has begun: its events are numbered from 1 again"
            );
            (run, after) = (now, Some(0));
            continue;
        }
        run = now;
        tell_missed(&page, err);
        let rows = rows(&page);
        if !rows.is_empty() || after.is_none() {
            printer.rows(rows)?;
        }
        left = left.saturating_sub(rows.len() as u64);
        if left == 0 {
            return Ok(());
        }
        after = page.get("read_to").and_then(Value::as_u64).or(after);
    }
}

/// Waits until somebody answers again.
fn wait_for(at: &At) {
    while at.get(Route::of(What::Status).path).is_err() {
        std::thread::sleep(AGAIN);
    }
}
