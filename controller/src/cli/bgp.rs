//! `trunkline bgp`: asks the BGP speaker of a running process over HTTP, tells it what to do, or tries a policy of a configuration.

mod policy;
mod replay;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp::wire::Family;
use clap::{Args, Subcommand, ValueEnum};
use net::Prefix;
use serde_json::Value;

use super::examples;

/// How long the process may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest line of an answer's head, and of what is told of an error.
const HEAD_OCTETS: u64 = 16 * 1024;
/// Longest answer: a page of a thousand routes with long attributes is far below it.
const ANSWER_OCTETS: u64 = 64 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum BgpCommand {
    /// Say why a route is the best one, and at which step of the decision every other one lost.
    #[command(after_help = examples(&[
        ("trunkline bgp why 203.0.113.0/24", "every route to exactly this prefix"),
        ("trunkline bgp why 2001:db8::/32 -o json", "with all attributes"),
    ]))]
    Why {
        /// The prefix.
        prefix: Prefix,
        #[command(flatten)]
        ask: Ask,
    },
    /// Say the routes or messages of an MRT file to a router, as the peer that they came from.
    ///
    /// A table (TABLE_DUMP_V2, TABLE_DUMP) is sent as fast as the router takes it, routes with the same attributes together, and ended with
    /// End-of-RIB. Messages (BGP4MP) are sent one by one, in recorded time if asked for. A file with several peers needs one to be chosen;
    /// without a choice the error lists them. Nothing else has to run: the command speaks BGP itself.
    #[command(after_help = examples(&[
        ("trunkline bgp replay rib.20260101.0000 --to 192.0.2.1 --peer-index 3", "one peer's table, the session stays up until Ctrl-C"),
        (
            "trunkline bgp replay updates.20260101.0000 --to 192.0.2.1:1790 --neighbor 198.51.100.7 --real-time",
            "its messages as they came then",
        ),
        (
            "trunkline bgp replay updates.mrt --to 192.0.2.1 --asn 65010 --next-hop 192.0.2.7 --speed 60 --stay 0",
            "an hour in a minute, as another AS, with a next hop that the router can reach",
        ),
    ]))]
    Replay(Box<replay::ReplayArgs>),
    /// Write all routes of all neighbours, as they came, to an MRT file (TABLE_DUMP_V2).
    ///
    /// For files on a schedule see `bgp.mrt` in the configuration.
    #[command(after_help = examples(&[
        ("trunkline bgp dump table.mrt", "the tables of the process on this machine, now"),
        ("trunkline bgp dump - | bgpdump -m -", "read by another tool"),
    ]))]
    Dump {
        /// The file; `-` is standard output.
        file: PathBuf,
        /// Where the process serves HTTP (http.listen).
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9653")]
        at: SocketAddr,
    },
    /// Show neighbours or routes.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bgp show neighbors", "sessions and their counters"),
        ("trunkline bgp show routes", "the best routes"),
    ]))]
    Show(ShowCommand),
    /// End a neighbour's session and keep it down, with a word to its operator.
    #[command(after_help = examples(&[
        ("trunkline bgp shutdown 192.0.2.2 --message 'new optics, back at 4'", "the other side logs the words (RFC 9003)"),
    ]))]
    Shutdown {
        /// The neighbour.
        neighbor: IpAddr,
        /// What the other side's operator is told, at most 255 octets.
        #[arg(long, value_name = "TEXT", default_value = "")]
        message: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Start a neighbour's session, whatever it is kept down by.
    #[command(after_help = examples(&[("trunkline bgp start 192.0.2.2", "after shutdown, or over a limit")]))]
    Start {
        /// The neighbour.
        neighbor: IpAddr,
        #[command(flatten)]
        ask: Ask,
    },
    /// End a neighbour's session and start it again; or, with --soft, let its routes come again.
    #[command(after_help = examples(&[
        ("trunkline bgp reset 192.0.2.2", "a new session"),
        ("trunkline bgp reset 192.0.2.2 --soft in", "the neighbour sends its routes again (RFC 2918)"),
        ("trunkline bgp reset 192.0.2.2 --soft out", "it is sent its routes again"),
    ]))]
    Reset {
        /// The neighbour.
        neighbor: IpAddr,
        /// The session goes on; routes come, or go, again.
        #[arg(long, value_enum, conflicts_with = "message")]
        soft: Option<Soft>,
        /// What the other side's operator is told, at most 255 octets.
        #[arg(long, value_name = "TEXT", default_value = "")]
        message: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Policies: what becomes of a route.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bgp policy test --help", "run a route through a policy"),
    ]))]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Run a route through a policy and say which statement decided.
    ///
    /// Nothing is connected: policy and neighbour are read from the configuration file, the route from the command line. Every statement
    /// that looked at the route is listed, with the answer of each of its conditions.
    #[command(after_help = examples(&[
        (
            "trunkline bgp policy test --config net.yaml --neighbor 192.0.2.2 --prefix 198.51.100.0/24 --as-path '65001 65009'",
            "a route from this neighbour, through its import policies",
        ),
        (
            "trunkline bgp policy test --config net.yaml --policy customer-in --prefix 198.51.100.0/24 --community 65001:70",
            "a route through one policy",
        ),
        (
            "trunkline bgp policy test --config net.yaml --neighbor 192.0.2.9 --direction export --prefix 198.51.100.0/24 -o json",
            "would this neighbour be told?",
        ),
    ]))]
    Test(Box<policy::TestArgs>),
}

#[derive(Debug, Subcommand)]
pub(super) enum ShowCommand {
    /// Sessions, one per line.
    #[command(after_help = examples(&[
        ("trunkline bgp show neighbors", "one line each"),
        ("trunkline bgp show neighbors -o json", "everything that is known of them"),
    ]))]
    Neighbors {
        #[command(flatten)]
        ask: Ask,
    },
    /// Routes, one per line: the best ones, or those of one neighbour.
    #[command(after_help = examples(&[
        ("trunkline bgp show routes --family ipv6-unicast", "the best IPv6 routes"),
        ("trunkline bgp show routes --received 192.0.2.2", "what a neighbour has sent, also what was left out"),
        ("trunkline bgp show routes --advertised 192.0.2.2 -o json", "what it has been sent, an object per line"),
    ]))]
    Routes {
        /// The address family.
        #[arg(long, default_value = "ipv4-unicast")]
        family: Family,
        /// What this neighbour has sent.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "advertised")]
        received: Option<IpAddr>,
        /// What this neighbour has been sent.
        #[arg(long, value_name = "ADDRESS")]
        advertised: Option<IpAddr>,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Soft {
    /// What the neighbour has for us.
    In,
    /// What we have for the neighbour.
    Out,
}

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// Where the process serves HTTP (http.listen).
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9653")]
    at: SocketAddr,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// JSON, an object per line.
    Json,
}

pub(super) fn run(command: BgpCommand, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let answer = match command {
        BgpCommand::Policy(PolicyCommand::Test(arguments)) => return policy::test(&arguments, out, err),
        BgpCommand::Replay(arguments) => return replay::replay(&arguments, out, err),
        BgpCommand::Dump { file, at } => dump(&file, at, out),
        BgpCommand::Why { prefix, ask } => why(prefix, &ask, out),
        BgpCommand::Show(command) => show(command, out),
        BgpCommand::Shutdown { neighbor, message, ask } => {
            let path = format!("/bgp/shutdown?neighbor={neighbor}&message={}", encoded(&message));
            operate(&ask, &path, &format!("{neighbor} is shut down"), out)
        }
        BgpCommand::Start { neighbor, ask } => {
            operate(&ask, &format!("/bgp/start?neighbor={neighbor}"), &format!("{neighbor} starts"), out)
        }
        BgpCommand::Reset { neighbor, soft, message, ask } => {
            let (soft, said) = match soft {
                None => ("", "a new session starts"),
                Some(Soft::In) => ("&soft=in", "its routes are asked for again"),
                Some(Soft::Out) => ("&soft=out", "its routes are sent again"),
            };
            let path = format!("/bgp/reset?neighbor={neighbor}{soft}");
            let message = if soft.is_empty() { format!("&message={}", encoded(&message)) } else { String::new() };
            operate(&ask, &format!("{path}{message}"), &format!("{neighbor}: {said}"), out)
        }
    };
    match answer {
        Ok(()) => 0,
        // Who reads no further has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Failure::Output(error)) => fail(err, &error.to_string()),
        Err(Failure::Asked(message)) => fail(err, &message),
    }
}

fn fail(err: &mut dyn Write, message: &str) -> u8 {
    let _ = writeln!(err, "trunkline: {message}");
    1
}

enum Failure {
    Asked(String),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

fn why(prefix: Prefix, ask: &Ask, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = get(ask.at, &format!("/bgp/why?prefix={prefix}"))?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        return Err(Failure::Asked(format!("there is no route to {prefix}")));
    }
    for row in &rows {
        match ask.output {
            Form::Json => writeln!(out, "{row}")?,
            Form::Text => {
                let route = row.get("route").unwrap_or(&Value::Null);
                writeln!(out, "{}\n    {}", line(route), text(row, "reason"))?;
            }
        }
    }
    Ok(())
}

/// The answer of `/bgp/mrt`, as it comes. A file is only there when it is whole.
fn dump(file: &Path, at: SocketAddr, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Asked(format!("http://{at}: {error}: does `trunkline run` run there?"));
    let mut stream = TcpStream::connect_timeout(&at, ANSWER_LIMIT).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(failed)?;
    // HTTP/1.0: the body comes as it is and ends with the connection.
    write!(stream, "GET /bgp/mrt HTTP/1.0\r\nhost: {at}\r\n\r\n").map_err(failed)?;
    let mut answer = BufReader::new(stream);
    let mut status = String::new();
    answer.by_ref().take(HEAD_OCTETS).read_line(&mut status).map_err(failed)?;
    let mut line = status.clone();
    while !line.trim_end().is_empty() {
        line.clear();
        answer.by_ref().take(HEAD_OCTETS).read_line(&mut line).map_err(failed)?;
    }
    if status.split(' ').nth(1) != Some("200") {
        let mut body = String::new();
        let _ = answer.take(HEAD_OCTETS).read_to_string(&mut body);
        return Err(Failure::Asked(format!("http://{at} says {}: {}", status.trim_end(), body.trim())));
    }
    if file == Path::new("-") {
        io::copy(&mut answer, out)?;
        return Ok(());
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let named = |error: io::Error| Failure::Asked(format!("{}: {error}", file.display()));
    let mut written = File::create(&part).map_err(named)?;
    io::copy(&mut answer, &mut written).map_err(named)?;
    std::fs::rename(&part, file).map_err(named)
}

fn show(command: ShowCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        ShowCommand::Neighbors { ask } => {
            let status = get(ask.at, "/bgp/neighbors")?;
            let rows = status.get("neighbors").and_then(Value::as_array).cloned().unwrap_or_default();
            for row in &rows {
                match ask.output {
                    Form::Json => writeln!(out, "{row}")?,
                    Form::Text => writeln!(out, "{}", neighbor(row))?,
                }
            }
        }
        ShowCommand::Routes { family, received, advertised, ask } => {
            let table = match (received, advertised) {
                (Some(neighbor), _) => format!("&neighbor={neighbor}&table=in"),
                (None, Some(neighbor)) => format!("&neighbor={neighbor}&table=out"),
                (None, None) => String::new(),
            };
            let mut after = String::new();
            loop {
                let page = get(ask.at, &format!("/bgp/routes?family={family}{table}{after}"))?;
                for route in page.get("routes").and_then(Value::as_array).into_iter().flatten() {
                    match ask.output {
                        Form::Json => writeln!(out, "{route}")?,
                        Form::Text => writeln!(out, "{}", line(route))?,
                    }
                }
                let Some(next) = page.get("next").and_then(Value::as_str) else { break };
                after = format!("&after={next}");
            }
        }
    }
    Ok(())
}

/// Has something done, and says so.
fn operate(ask: &Ask, path: &str, said: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = request(ask.at, "POST", path)?;
    match ask.output {
        Form::Json => writeln!(out, "{answer}")?,
        Form::Text => writeln!(out, "{said}")?,
    }
    Ok(())
}

/// Percent-encoded as a value of a query (RFC 3986 §2.1).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    encoded
}

/// A value of an object as text; `-` if it has none.
fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn neighbor(row: &Value) -> String {
    let sum = |name: &str| -> u64 {
        let families = row.get("families").and_then(Value::as_array).into_iter().flatten();
        families.filter_map(|family| family.get(name)?.as_u64()).sum()
    };
    let up = text(row, "uptime_seconds");
    let up = if up == "-" { up } else { format!("{up}s") };
    let mut line = format!(
        "{:<24} AS{:<10} {:<13} up {:<9} received {} accepted {} advertised {}",
        text(row, "address"),
        text(row, "asn"),
        text(row, "state"),
        up,
        sum("received"),
        sum("accepted"),
        sum("advertised"),
    );
    if sum("paths_refused") > 0 {
        let _ = write!(line, " refused {}", sum("paths_refused"));
    }
    let reason = ["held", "last_error"].iter().map(|name| text(row, name)).find(|reason| reason != "-");
    if let (true, Some(reason)) = (text(row, "uptime_seconds") == "-", reason) {
        let _ = write!(line, " ({reason})");
    }
    line
}

/// One route: prefix, path identifier, next hop, LOCAL_PREF, MED, path.
fn line(route: &Value) -> String {
    let null = Value::Null;
    let attributes = route.get("attributes").unwrap_or(&null);
    let next_hop = route.get("next_hop").unwrap_or(&null);
    let address = |next_hop: &Value| match (next_hop.get("ipv4"), next_hop.get("ipv6")) {
        (Some(Value::String(address)), _) => address.clone(),
        (_, Some(addresses)) => text(addresses, "address"),
        _ => "-".to_owned(),
    };
    let further = route.get("further_next_hops").and_then(Value::as_array).into_iter().flatten();
    let next_hop = std::iter::once(next_hop).chain(further).map(address).collect::<Vec<_>>().join(" and ");
    let segments = attributes.get("as_path").and_then(Value::as_array);
    let path: Vec<String> = segments.into_iter().flatten().map(segment).collect();
    let best = if route.get("best").and_then(Value::as_bool) == Some(true) { "*" } else { " " };
    let mut line = format!("{best} {}", text(route, "prefix"));
    // Several paths of a prefix have an identifier each (RFC 7911).
    if route.get("path_id").and_then(Value::as_u64).is_some_and(|id| id != 0) {
        let _ = write!(line, " path-id {}", text(route, "path_id"));
    }
    let _ = write!(line, " via {next_hop}");
    if text(route, "peer_address") != "-" {
        let _ = write!(line, " from {}", text(route, "peer_address"));
    }
    for (name, key) in [("local_pref", "local_pref"), ("med", "multi_exit_disc")] {
        if attributes.get(key).is_some() {
            let _ = write!(line, " {name} {}", text(attributes, key));
        }
    }
    let _ = write!(
        line,
        " path {} {}",
        if path.is_empty() { "(empty)".to_owned() } else { path.join(" ") },
        text(attributes, "origin")
    );
    if text(route, "ineligible") != "-" {
        let _ = write!(line, " left out: {}", text(route, "ineligible"));
    }
    line
}

fn segment(segment: &Value) -> String {
    let numbers = segment.get("asns").and_then(Value::as_array).into_iter().flatten();
    let numbers = numbers.map(Value::to_string).collect::<Vec<_>>().join(" ");
    match text(segment, "type").as_str() {
        "AS_SET" => format!("{{{numbers}}}"),
        "AS_CONFED_SEQUENCE" => format!("({numbers})"),
        "AS_CONFED_SET" => format!("[{numbers}]"),
        _ => numbers,
    }
}

fn get(at: SocketAddr, path: &str) -> Result<Value, Failure> {
    request(at, "GET", path)
}

/// One request, one answer: the process is near, and speaks HTTP/1.1.
fn request(at: SocketAddr, method: &str, path: &str) -> Result<Value, Failure> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&at, ANSWER_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {at}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(ANSWER_OCTETS).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| {
        Failure::Asked(format!(
            "no answer from http://{at} ({error}): does `trunkline run` run, with this http.listen?"
        ))
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    if !head.starts_with("HTTP/1.1 200") {
        let status = head.lines().next().unwrap_or_default();
        return Err(Failure::Asked(format!("http://{at} says {status}: {}", body.trim())));
    }
    serde_json::from_str(body).map_err(|error| Failure::Asked(format!("http://{at} says what is no JSON: {error}")))
}
