//! One speaker from the command line, to try against other daemons by hand.
//!
//! ```text
//! cargo run -p trunkline-bgp --features tokio,serde --example speaker -- \
//!     as 65001 id 10.9.0.1 listen 127.0.0.1:1179 originate 203.0.113.0/24 originate 2001:db8:1::/48 \
//!     neighbor 127.0.0.12 as 65002 port 11180 local 127.0.0.1
//! ```
//! Words after `neighbor ADDRESS` belong to it: `as N`, `port N`, `local ADDRESS`, `passive`, `hold SECONDS`, `nexthop4
//! ADDRESS`, `nexthop6 ADDRESS`, `noimport`, `noexport`, `v4only`, `anyfirst` (AS_PATH need not start with its AS).
//! `routes N` before the first neighbour originates N generated prefixes of each family.
//!
//! A BIRD 2 that goes with it (on loopback BIRD has to be given an IPv6 next hop for IPv6 over an IPv4 session; it
//! refuses IPv4-mapped ones unless `extended next hop on` stands in the channel):
//! ```text
//! protocol bgp x {
//!     local 127.0.0.12 port 11180 as 65002;
//!     neighbor 127.0.0.1 port 1179 as 65001;
//!     multihop;
//!     ipv4 { import all; export all; };
//!     ipv6 { import all; export all; next hop address ::1; };
//! }
//! ```
//! FRR and GoBGP refuse next hops in 127.0.0.0/8: give both sides other addresses (`ip addr add 10.99.0.1/32 dev lo` in
//! a network namespace).
//!
//! Then on standard input: `status`, `routes`, `routes6`, `why PREFIX`, `originate PREFIX`, `withdraw PREFIX`, `drop
//! ADDRESS`; `quit` or the end of input stops it.

use bgp::io::{Handle, spawn};
use bgp::policy::Policy;
use bgp::session::ConnectMode;
use bgp::speaker::{NeighborConfig, SpeakerConfig};
use bgp::wire::{Asn, Family, RouterId};
use net::Prefix;
use std::error::Error;
use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

fn main() -> Result<(), Box<dyn Error>> {
    let (config, listen) = parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, &listen))
}

fn parse(words: impl Iterator<Item = String>) -> Result<(SpeakerConfig, Vec<SocketAddr>), Box<dyn Error>> {
    let mut config = SpeakerConfig::new(Asn(65001), RouterId(Ipv4Addr::new(10, 9, 0, 1)));
    let mut listen = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word}: a value is missing"));
        let neighbor = config.neighbors.last_mut();
        match (word.as_str(), neighbor) {
            ("neighbor", _) => {
                let mut neighbor = NeighborConfig::new(value()?.parse()?, Asn(0));
                (neighbor.import, neighbor.export) = (Policy::Accept, Policy::Accept);
                config.neighbors.push(neighbor);
            }
            ("as", None) => config.asn = value()?.parse()?,
            ("id", None) => config.router_id = RouterId(value()?.parse()?),
            ("listen", None) => listen.push(value()?.parse()?),
            ("originate", None) => config.originate.push(value()?.parse()?),
            ("routes", None) => {
                for number in 0..value()?.parse::<u32>()? {
                    let v4 = Ipv4Addr::from_bits(0x6400_0000 + (number << 8));
                    config.originate.extend(Prefix::new(IpAddr::V4(v4), 24));
                    let v6 = 0x2001_0db8_u128 << 96 | u128::from(number) << 64;
                    config.originate.extend(Prefix::new(IpAddr::V6(v6.into()), 64));
                }
            }
            ("as", Some(neighbor)) => neighbor.asn = value()?.parse()?,
            ("port", Some(neighbor)) => neighbor.port = value()?.parse()?,
            ("local", Some(neighbor)) => neighbor.local_address = Some(value()?.parse()?),
            ("hold", Some(neighbor)) => neighbor.hold_time = value()?.parse()?,
            ("nexthop4", Some(neighbor)) => neighbor.next_hop_v4 = Some(value()?.parse()?),
            ("nexthop6", Some(neighbor)) => neighbor.next_hop_v6 = Some(value()?.parse()?),
            ("passive", Some(neighbor)) => neighbor.mode = ConnectMode::Passive,
            ("noimport", Some(neighbor)) => neighbor.import = Policy::Unset,
            ("noexport", Some(neighbor)) => neighbor.export = Policy::Unset,
            ("v4only", Some(neighbor)) => neighbor.families = [Family::IPV4_UNICAST].into(),
            ("anyfirst", Some(neighbor)) => neighbor.enforce_first_as = false,
            _ => return Err(format!("{word}: not known here").into()),
        }
    }
    Ok((config, listen))
}

async fn run(config: SpeakerConfig, listen: &[SocketAddr]) -> Result<(), Box<dyn Error>> {
    let handle = spawn(config, listen)?;
    for address in handle.listening() {
        println!("listening on {address}");
    }
    let (lines, mut commands) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["quit"] => break,
            ["status"] => status(&handle).await?,
            ["routes"] => routes(&handle, Family::IPV4_UNICAST).await?,
            ["routes6"] => routes(&handle, Family::IPV6_UNICAST).await?,
            ["why", prefix] => {
                for explanation in handle.why(prefix.parse()?).await? {
                    println!("{:?} from {:?}", explanation.verdict, explanation.route.peer_address);
                }
            }
            ["originate", prefix] => handle.originate(prefix.parse()?).await?,
            ["withdraw", prefix] => handle.withdraw(prefix.parse()?).await?,
            ["drop", address] => println!("{}", handle.remove_neighbor(address.parse()?).await?),
            _ => println!("status, routes, routes6, why PREFIX, originate PREFIX, withdraw PREFIX, drop ADDRESS, quit"),
        }
    }
    handle.stop().await;
    Ok(())
}

async fn status(handle: &Handle) -> Result<(), Box<dyn Error>> {
    let status = handle.status().await?;
    for table in &status.tables {
        println!("{}: {:?}", table.family, table.counts);
    }
    for neighbor in &status.neighbors {
        println!("{} AS{} {:?} up {:?} s", neighbor.address, neighbor.asn, neighbor.state, neighbor.uptime_seconds);
        for family in &neighbor.families {
            println!(
                "  {}: negotiated {} received {} accepted {} advertised {} end-of-rib {}",
                family.family,
                family.negotiated,
                family.received,
                family.accepted,
                family.advertised,
                family.end_of_rib
            );
        }
        println!("  in {:?}", neighbor.messages_received);
        println!("  out {:?}", neighbor.messages_sent);
        if let Some(reset) = &neighbor.last_reset {
            println!("  last reset: {reset}");
        }
        if let Some(error) = &neighbor.last_error {
            println!("  last error: {error}");
        }
    }
    Ok(())
}

async fn routes(handle: &Handle, family: Family) -> Result<(), Box<dyn Error>> {
    let mut after = None;
    loop {
        let page = handle.routes(family, after, 500).await?;
        for route in &page.routes {
            let attributes = &route.attributes.attributes;
            println!("{} via {} [{}]", route.prefix, route.attributes.next_hop.address(), attributes.as_path);
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
