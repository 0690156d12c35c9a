//! `trunkline bgp policy test`.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use bgp::policy::community::{AnyCommunity, CommunityPattern};
use bgp::policy::rule::NextHopChange;
use bgp::policy::trace::Trace;
use bgp::policy::{Link, Policy, PolicyRoute, PolicySession, PolicyVerdict};
use bgp::rib::SourceKind;
use bgp::wire::{AsPath, Asn, Family, NextHop, Origin, PathAttributes, SegmentKind};
use clap::{Args, ValueEnum};
use net::Prefix;
use serde_json::{Value, json};

use super::super::{BAD_USAGE, parse_prefix};
use crate::config::{BgpConfig, Config, NeighborConfig};
use crate::service::{neighbor_config, speaker_config};

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The policy; more than once for several in a row. Without it, the neighbour's.
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// The neighbour that the route comes from or goes to, as it stands in the configuration.
    #[arg(long, value_name = "ADDRESS")]
    neighbor: Option<IpAddr>,
    /// Whether the route comes in or goes out.
    #[arg(long, value_enum, default_value_t = Direction::Import)]
    direction: Direction,
    /// The route's prefix.
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    prefix: Prefix,
    /// AS_PATH, nearest AS first; an AS_SET in braces.
    #[arg(long, value_name = "PATH", default_value = "", value_parser = parse_as_path)]
    as_path: AsPath,
    /// A community of any kind, as policies write it. May be given more than once.
    #[arg(long, value_name = "COMMUNITY", value_parser = parse_community)]
    community: Vec<AnyCommunity>,
    /// The next hop; without it, the neighbour's address.
    #[arg(long, value_name = "ADDRESS")]
    next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    #[arg(long, value_name = "N")]
    med: Option<u32>,
    /// LOCAL_PREF.
    #[arg(long, value_name = "N")]
    local_pref: Option<u32>,
    /// ORIGIN.
    #[arg(long, value_enum, default_value_t = OriginWord::Igp)]
    origin: OriginWord,
    /// Where an exported route came from.
    #[arg(long, value_enum, default_value_t = Source::Ebgp)]
    source: Source,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Direction {
    /// From the neighbour.
    Import,
    /// To the neighbour.
    Export,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum OriginWord {
    Igp,
    Egp,
    Incomplete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Source {
    Local,
    Ebgp,
    Ibgp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn parse_community(text: &str) -> Result<AnyCommunity, String> {
    let pattern: CommunityPattern = text.parse().map_err(|error| format!("{error}"))?;
    pattern.value().ok_or_else(|| "a route has whole communities: no `*`, no range".to_owned())
}

fn parse_as_path(text: &str) -> Result<AsPath, String> {
    let mut segments: Vec<(SegmentKind, Vec<Asn>)> = Vec::new();
    let mut inside = false;
    for word in text.replace('{', " { ").replace('}', " } ").replace(',', " ").split_whitespace() {
        match (word, inside) {
            ("{", false) => {
                segments.push((SegmentKind::AsSet, Vec::new()));
                inside = true;
            }
            ("}", true) => inside = false,
            ("{" | "}", _) => return Err("braces don't match".to_owned()),
            (number, _) => {
                let asn: Asn = number.parse().map_err(|error| format!("`{number}`: {error}"))?;
                match segments.last_mut() {
                    Some((kind, asns)) if inside || *kind == SegmentKind::AsSequence => asns.push(asn),
                    _ => segments.push((SegmentKind::AsSequence, vec![asn])),
                }
            }
        }
    }
    if inside {
        return Err("braces don't match".to_owned());
    }
    Ok(AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice()))))
}

/// What is asked, once it makes sense.
struct Question {
    policy: Policy,
    session: PolicySession,
    kind: SourceKind,
    route: PolicyRoute,
}

pub(super) fn test(arguments: &TestArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let config = match Config::load(&arguments.config) {
        Ok(checked) => checked.config,
        Err(error) => {
            let _ = writeln!(err, "{error}");
            return BAD_USAGE;
        }
    };
    let question = match question(arguments, config.bgp.as_ref()) {
        Ok(question) => question,
        Err(message) => {
            let _ = writeln!(err, "trunkline: {message}");
            return BAD_USAGE;
        }
    };
    let Question { policy, session, kind, route } = &question;
    let trace = policy.trace(*kind, session, route, arguments.prefix);
    let _ = match arguments.output {
        Output::Text => write!(out, "{}", text(arguments, &question, &trace)),
        Output::Json => writeln!(out, "{}", as_json(arguments, &question, &trace)),
    };
    0
}

fn question(arguments: &TestArgs, bgp: Option<&BgpConfig>) -> Result<Question, String> {
    let bgp = bgp.ok_or("the configuration has no section `bgp`")?;
    let neighbor = match arguments.neighbor {
        None => None,
        Some(address) => {
            let found = bgp.neighbors.iter().find(|neighbor| neighbor.address == address.to_canonical());
            Some(found.ok_or_else(|| format!("there is no neighbour {address} in the configuration"))?)
        }
    };
    let policy = policy(arguments, bgp, neighbor)?;
    // A route on its own comes from the first AS of its path.
    let remote = neighbor.map_or_else(|| arguments.as_path.neighbor().unwrap_or(Asn(bgp.asn)), |it| Asn(it.asn));
    // Another member AS of the confederation is inside (RFC 5065 §5.3).
    let members = bgp.confederation.as_ref().map(|confederation| confederation.members.as_slice()).unwrap_or_default();
    let inside = remote == Asn(bgp.asn) || members.contains(&remote.0);
    let kind = if inside { SourceKind::Internal } else { SourceKind::External };
    let speaker = speaker_config(bgp, 0);
    let session = match neighbor {
        Some(neighbor) => neighbor_config(neighbor, bgp).policy_session(&speaker, neighbor.address, remote),
        None => {
            PolicySession { default_local_pref: bgp.default_local_pref, ..PolicySession::new(Asn(bgp.asn), remote) }
        }
    };
    let (family, unspecified) = match arguments.prefix {
        Prefix::V4(_) => (Family::IPV4_UNICAST, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Prefix::V6(_) => (Family::IPV6_UNICAST, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let origin = match arguments.origin {
        OriginWord::Igp => Origin::Igp,
        OriginWord::Egp => Origin::Egp,
        OriginWord::Incomplete => Origin::Incomplete,
    };
    let mut attributes = PathAttributes::new(origin, arguments.as_path.clone());
    (attributes.med, attributes.local_pref) = (arguments.med, arguments.local_pref);
    for community in &arguments.community {
        match community {
            AnyCommunity::Standard(community) => attributes.communities.push(*community),
            AnyCommunity::Extended(community) => attributes.extended_communities.push(*community),
            AnyCommunity::Large(community) => attributes.large_communities.push(*community),
        }
    }
    let from_neighbor = session.neighbor.filter(|_| arguments.direction == Direction::Import);
    let route = PolicyRoute {
        family,
        source: match (arguments.direction, arguments.source) {
            (Direction::Import, _) => kind,
            (Direction::Export, Source::Local) => SourceKind::Local,
            (Direction::Export, Source::Ebgp) => SourceKind::External,
            (Direction::Export, Source::Ibgp) => SourceKind::Internal,
        },
        attributes: Arc::new(attributes),
        next_hop: NextHop::from(arguments.next_hop.or(from_neighbor).unwrap_or(unspecified)),
    };
    Ok(Question { policy, session, kind, route })
}

fn policy(arguments: &TestArgs, bgp: &BgpConfig, neighbor: Option<&NeighborConfig>) -> Result<Policy, String> {
    if arguments.policy.is_empty() {
        let neighbor = neighbor.ok_or("which policy? Give --policy or --neighbor")?;
        return Ok(match arguments.direction {
            Direction::Import => neighbor.import.clone(),
            Direction::Export => neighbor.export.clone(),
        });
    }
    let link = |name: &String| match name.as_str() {
        "accept" => Ok(Link::Accept),
        "reject" => Ok(Link::Reject),
        _ => bgp.policies.get(name).map(|policy| Link::Policy(Arc::clone(policy))).ok_or_else(|| {
            let known: Vec<&str> = bgp.policies.keys().map(String::as_str).collect();
            match crate::config::nearest(name, known.iter().copied()) {
                Some(near) => format!("there is no policy `{name}`: did you mean `{near}`?"),
                None => format!("there is no policy `{name}`: known are {}", known.join(", ")),
            }
        }),
    };
    let links = arguments.policy.iter().map(link).collect::<Result<Vec<Link>, String>>()?;
    Ok(Policy::chain(&links))
}

/// The route after the policy, if it passes.
fn after(question: &Question, trace: &Trace) -> Option<(PathAttributes, NextHopChange)> {
    match &trace.verdict {
        PolicyVerdict::Accept => Some((PathAttributes::clone(&question.route.attributes), NextHopChange::Usual)),
        PolicyVerdict::Modify(modified) => Some((PathAttributes::clone(&modified.attributes), modified.next_hop)),
        PolicyVerdict::Reject | PolicyVerdict::NoPolicy => None,
    }
}

fn text(arguments: &TestArgs, question: &Question, trace: &Trace) -> String {
    let file = arguments.config.display();
    let mut out = String::new();
    for statement in &trace.statements {
        let place = if statement.label.line > 0 { format!("  {file}:{}", statement.label.line) } else { String::new() };
        let _ = writeln!(out, "{}{place}", statement.label);
        for condition in &statement.conditions {
            let unless = if condition.unless { "unless " } else { "" };
            let holds = if condition.holds { "yes" } else { "no" };
            let _ = writeln!(out, "    {holds:3}  {unless}{}", condition.condition);
        }
        let what: Vec<&str> = match statement.action {
            Some(action) => statement.changes.iter().map(String::as_str).chain([action.word()]).collect(),
            None => vec!["does not match"],
        };
        let _ = writeln!(out, "    =>   {}", what.join("; "));
    }
    let verdict = if after(question, trace).is_some() { "accepted" } else { "rejected" };
    let by = match (&trace.decided_by, &question.policy) {
        (Some(label), _) if label.line > 0 => format!("by {label}, {file}:{}", label.line),
        (Some(label), _) => format!("by {}", label.policy),
        (None, Policy::Rules(_)) => "because no statement decided".to_owned(),
        (None, simple) => format!("by {simple}"),
    };
    let _ = writeln!(out, "{} {verdict} {by}", arguments.prefix);
    if let (Some((attributes, next_hop)), PolicyVerdict::Modify(_)) = (after(question, trace), &trace.verdict) {
        for ((name, before), (_, now)) in rows(&question.route.attributes).into_iter().zip(rows(&attributes)) {
            if before != now {
                let _ = writeln!(out, "    {name}: {} -> {}", absent(&before), absent(&now));
            }
        }
        if next_hop != NextHopChange::Usual {
            let _ = writeln!(out, "    next_hop: {next_hop}");
        }
    }
    out
}

fn absent(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// What policies can change, as text.
fn rows(attributes: &PathAttributes) -> Vec<(&'static str, String)> {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut communities: Vec<AnyCommunity> = Vec::new();
    communities.extend(attributes.communities.iter().copied().map(AnyCommunity::Standard));
    communities.extend(attributes.large_communities.iter().copied().map(AnyCommunity::Large));
    communities.extend(attributes.extended_communities.iter().copied().map(AnyCommunity::Extended));
    let texts: Vec<String> = communities.into_iter().map(|one| CommunityPattern::from(one).to_string()).collect();
    vec![
        ("as_path", attributes.as_path.to_string()),
        ("origin", bgp::policy::rule::origin_word(attributes.origin).to_owned()),
        ("local_pref", number(attributes.local_pref)),
        ("med", number(attributes.med)),
        ("communities", texts.join(" ")),
    ]
}

fn as_json(arguments: &TestArgs, question: &Question, trace: &Trace) -> Value {
    let after = after(question, trace);
    json!({
        "file": arguments.config.display().to_string(),
        "policy": question.policy.to_string(),
        "direction": if arguments.direction == Direction::Import { "import" } else { "export" },
        "prefix": arguments.prefix.to_string(),
        "verdict": if after.is_some() { "accept" } else { "reject" },
        "decided_by": trace.decided_by,
        "statements": trace.statements,
        "attributes": after.as_ref().map(|(attributes, _)| attributes),
        "next_hop": after.as_ref().map(|(_, next_hop)| match next_hop {
            NextHopChange::Usual => question.route.next_hop.address().to_string(),
            other => other.to_string(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a command line, as a shell splits them: quotes, nothing else.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
        for letter in line.chars() {
            match letter {
                '"' => {
                    quoted = !quoted;
                    any = true;
                }
                ' ' if !quoted => {
                    if any || !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    any = false;
                }
                letter => word.push(letter),
            }
        }
        if any || !word.is_empty() {
            words.push(word);
        }
        words
    }

    /// Runs a command line in which the files of the page's examples are named.
    fn run(line: &str) -> (u8, String, String) {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bgp-policy.md")).unwrap();
        let folder = std::env::temp_dir().join(format!("trunkline-policy-{}-{}", std::process::id(), line.len()));
        std::fs::create_dir_all(&folder).unwrap();
        for part in page.split("<!-- file: ").skip(1) {
            let (name, rest) = part.split_once(" -->\n```yaml\n").unwrap();
            std::fs::write(folder.join(name), rest.split("```\n").next().unwrap()).unwrap();
        }
        let prefix = format!("{}/", folder.display());
        let words = words(line).into_iter().map(|word| match word.ends_with(".yaml") {
            true => format!("{prefix}{word}").into(),
            false => word.into(),
        });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = crate::cli::run_command(words, &mut out, &mut err);
        std::fs::remove_dir_all(&folder).unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap().replace(&prefix, "");
        (status, text(out), text(err))
    }

    #[test]
    fn the_command_lines_of_the_page_print_what_the_page_says() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bgp-policy.md")).unwrap();
        let blocks: Vec<&str> =
            page.split("```console\n$ ").skip(1).map(|rest| rest.split("```\n").next().unwrap()).collect();
        assert!(blocks.len() >= 2);
        for block in blocks {
            let (line, expected) = block.split_once('\n').unwrap();
            let (status, out, err) = run(line);
            assert_eq!((status, err.as_str()), (0, ""), "{line}");
            assert_eq!(out, expected, "{line}");
        }
    }

    #[test]
    fn json_has_every_statement_and_who_decided() {
        let line = "trunkline bgp policy test --config transit.yaml --neighbor 192.0.2.2 --prefix 198.51.100.0/24 --as-path \"65002 9\" --med 7 -o json";
        let (status, out, _) = run(line);
        let value: Value = serde_json::from_str(&out).unwrap();
        // 65002 is a private AS, and only 65001 is let off.
        assert_eq!((status, &value["verdict"]), (0, &json!("reject")));
        assert_eq!(value["decided_by"]["name"], "private or reserved AS");
        assert_eq!(value["decided_by"]["line"], 17);
        assert_eq!(value["statements"][1]["conditions"][0]["holds"], true);
        assert_eq!(value["policy"], "hygiene, peer");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (rest, part) in [
            ("--policy pear", "did you mean `peer`?"),
            ("--neighbor 192.0.2.99", "there is no neighbour 192.0.2.99"),
            ("", "which policy?"),
        ] {
            let (status, _, err) =
                run(&format!("trunkline bgp policy test --config transit.yaml --prefix 198.51.100.0/24 {rest}"));
            assert!(status == BAD_USAGE && err.contains(part), "{rest}: {err}");
        }
        let (status, _, err) = run(
            "trunkline bgp policy test --config transit.yaml --prefix 198.51.100.0/24 --policy peer --community 1:*",
        );
        assert!(status == BAD_USAGE && err.contains("a route has whole communities"), "{err}");
    }

    #[test]
    fn as_paths_are_read_as_they_are_shown() {
        for text in ["", "65001 65002", "65001 {65002 65003} 7", "{1}"] {
            assert_eq!(parse_as_path(text).unwrap().to_string(), text);
        }
        for bad in ["{1", "1}", "{{1}}", "x", "1 -2"] {
            assert!(parse_as_path(bad).is_err(), "{bad}");
        }
    }
}
