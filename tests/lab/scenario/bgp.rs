//! The routing half: BIRD as a peer, in a namespace of its own, and raw neighbours that send what nobody should. BIRD has two sessions: one over
//! IPv4 that carries both families, one over IPv6.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use super::Lab;
use super::fabric::terminate;
use crate::controller::Controller;
use crate::exchange::{RawNeighbor, bgp, bgp_attributes, bgp_update};
use crate::process::{self, Daemon, run_lines};
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// A session is up after this: the neighbours listen before the controller calls for the first time.
const ESTABLISH_LIMIT: Duration = Duration::from_secs(30);

/// Routes are exchanged this soon after that.
const ROUTES_LIMIT: Duration = Duration::from_secs(15);

/// What a NOTIFICATION is given to come.
const REACTION_LIMIT: Duration = Duration::from_secs(10);

/// What the controller originates and BIRD must see, and what BIRD originates.
const OURS: [&str; 2] = ["203.0.113.0/24", "2001:db8:a::/48"];
const THEIRS: [&str; 4] = ["198.51.100.0/24", "198.51.101.0/25", "2001:db8:b::/48", "2001:db8:b:8000::/49"];

/// The raw neighbours: address and AS number. Not on loopback addresses, which no next hop may be.
const RAW: [(&str, u16); 3] = [("192.0.2.103", 65003), ("192.0.2.104", 65004), ("192.0.2.105", 65005)];

/// The port on which they wait.
const RAW_PORT: u16 = 1790;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    run_lines(
        "ip netns add router
         ip link add bgp0 type veth peer name bgp0 netns router
         sysctl -q -w net.ipv6.conf.bgp0.accept_dad=0 net.ipv6.conf.bgp0.disable_ipv6=0
         ip addr add 192.0.2.1/24 dev bgp0
         ip addr add 2001:db8:ffff::1/64 dev bgp0 nodad
         ip link set bgp0 up
         ip addr add 192.0.2.103/32 dev lo
         ip addr add 192.0.2.104/32 dev lo
         ip addr add 192.0.2.105/32 dev lo
         ip -n router link set lo up
         ip netns exec router sysctl -q -w net.ipv6.conf.bgp0.accept_dad=0 net.ipv6.conf.bgp0.disable_ipv6=0
         ip -n router addr add 192.0.2.2/24 dev bgp0
         ip -n router addr add 2001:db8:ffff::2/64 dev bgp0 nodad
         ip -n router link set bgp0 up",
    )?;
    // The listeners before the controller, which calls as soon as it runs.
    let mut listeners = Vec::new();
    for (address, _) in RAW {
        listeners.push(TcpListener::bind((address, RAW_PORT)).map_err(|error| format!("{address}: {error}"))?);
    }
    let bird = bird(&lab.directory)?;
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&config()))?;

    report.require("the sessions with BIRD are established", wait_established())?;
    for (session, prefix) in [("bird4", OURS[0]), ("bird4", OURS[1]), ("bird6", OURS[1])] {
        let seen = wait::until(ROUTES_LIMIT, || bird_has(session, prefix));
        report.check(&format!("BIRD has our {prefix} from {session}"), seen.map(|()| String::new()));
    }
    for (address, count) in [("192.0.2.2", 4.0), ("2001:db8:ffff::2", 2.0)] {
        let seen = wait::until(ROUTES_LIMIT, || received(&controller, address, count));
        report.check(&format!("we have BIRD's routes from {address}"), seen);
    }
    report.check("BIRD's routes are counted right after a withdrawal", withdrawal(&controller));

    hostile(report, &listeners);
    report.check("BIRD's sessions have stayed up all the while", stayed_up());
    report.check("the controller runs on", controller.ensure_running().map(|()| String::new()));

    report.check("SIGTERM ends the controller in good order", terminate(&mut controller));
    report.check("BIRD was told: Cease", cease());
    drop(bird);
    Ok(())
}

/// The controller's configuration: BIRD by IPv4 and by IPv6, and the raw neighbours.
fn config() -> String {
    let mut text = format!(
        "{}bgp:\n  asn: 65001\n  router_id: 192.0.2.1\n  listen: \"192.0.2.1:1179\"\n  originate: [\"{}\", \"{}\"]\n  neighbors:\n",
        super::PLAIN_CONFIG,
        OURS[0],
        OURS[1]
    );
    let accept = "import: accept, export: accept";
    text += &format!(
        "    - {{ address: 192.0.2.2, port: 179, asn: 65002, local_address: 192.0.2.1, next_hop_v6: \"2001:db8:ffff::1\", families: [ipv4-unicast, ipv6-unicast], {accept} }}\n\
         \x20   - {{ address: \"2001:db8:ffff::2\", port: 179, asn: 65002, local_address: \"2001:db8:ffff::1\", families: [ipv6-unicast], {accept} }}\n"
    );
    for (address, asn) in RAW {
        text += &format!(
            "    - {{ address: {address}, port: {RAW_PORT}, asn: {asn}, local_address: 192.0.2.1, families: [ipv4-unicast], {accept} }}\n"
        );
    }
    text
}

/// Starts BIRD in the namespace `router`.
fn bird(directory: &Path) -> Result<Daemon, Fail> {
    let file = directory.join("bird.conf");
    let text = format!(
        "log stderr all;\nrouter id 192.0.2.2;\nprotocol device {{}}\n\
         protocol static originate4 {{ ipv4; route {} blackhole; route {} blackhole; }}\n\
         protocol static originate6 {{ ipv6; route {} blackhole; route {} blackhole; }}\n\
         template bgp trunkline {{ local as 65002; passive on; error wait time 1, 5; }}\n\
         protocol bgp bird4 from trunkline {{ neighbor 192.0.2.1 as 65001; ipv4 {{ import all; export all; }};\n\
         \x20   ipv6 {{ import all; export all; next hop address 2001:db8:ffff::2; }}; }}\n\
         protocol bgp bird6 from trunkline {{ neighbor 2001:db8:ffff::1 as 65001; ipv6 {{ import all; export all; }}; }}\n",
        THEIRS[0], THEIRS[1], THEIRS[2], THEIRS[3]
    );
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let arguments = ["ip", "netns", "exec", "router", "bird", "-f", "-c", &file.display().to_string(), "-s", CONTROL];
    let mut bird = Daemon::start(directory, "bird", &arguments)?;
    bird.until(Duration::from_secs(10), |_| birdc("show status").map(drop))?;
    Ok(bird)
}

const CONTROL: &str = "/run/bird/lab.ctl";

/// Asks BIRD.
fn birdc(command: &str) -> Result<String, Fail> {
    let mut arguments = vec!["-s", CONTROL];
    arguments.extend(command.split(' '));
    process::run("birdc", &arguments)
}

/// Both sessions are up.
fn wait_established() -> Outcome {
    wait::until(ESTABLISH_LIMIT, || {
        for session in ["bird4", "bird6"] {
            let said = birdc(&format!("show protocols {session}"))?;
            wait::ensure(said.contains("Established"), || said.lines().last().unwrap_or_default().to_owned())?;
        }
        Ok(String::new())
    })
}

/// BIRD has a route to the prefix from this session, best or not, and does not call it unreachable.
fn bird_has(session: &str, prefix: &str) -> Result<(), Fail> {
    let said = birdc(&format!("show route {prefix} protocol {session}"))?;
    let usable = said.contains(&format!("unicast [{session} "));
    wait::ensure(usable, || format!("BIRD says: {}", said.trim().replace('\n', "; ")))
}

/// The controller says that it accepted so many prefixes from this neighbour.
fn received(controller: &Controller, address: &str, count: f64) -> Outcome {
    let now = controller.metric(crate::controller::metric::BGP_ACCEPTED, &[("peer", address)])?;
    wait::ensure(now == count, || format!("{now} prefixes, not {count}"))?;
    Ok(format!("{now} prefixes"))
}

/// BIRD withdraws and announces again.
fn withdrawal(controller: &Controller) -> Outcome {
    birdc("disable originate4")?;
    wait::until(ROUTES_LIMIT, || received(controller, "192.0.2.2", 2.0))?;
    birdc("enable originate4")?;
    wait::until(ROUTES_LIMIT, || received(controller, "192.0.2.2", 4.0))
}

/// The neighbours that send what they should not.
fn hostile(report: &mut Report, listeners: &[TcpListener]) {
    let neighbor = |index: usize| RawNeighbor::accept(&listeners[index], RAW[index].1, ESTABLISH_LIMIT);

    // The attributes claim to be longer than the message: Malformed Attribute List (RFC 4271 §6.3).
    let outcome = neighbor(0).and_then(|mut neighbor| {
        neighbor.send(bgp::UPDATE, &[0, 0, 0, 200, 0x40, 1, 1, 0])?;
        notification(&mut neighbor, 3, 1)
    });
    report.check("an UPDATE whose attributes overrun it gets NOTIFICATION 3/1", outcome);

    // A marker that isn't all ones: Connection Not Synchronized (RFC 4271 §6.1).
    let outcome = neighbor(1).and_then(|mut neighbor| {
        let mut message = vec![0xff; 19];
        message[3] = 0;
        message[17] = 19;
        message[18] = bgp::KEEPALIVE;
        neighbor.send_octets(&message)?;
        notification(&mut neighbor, 1, 1)
    });
    report.check("a broken marker gets NOTIFICATION 1/1", outcome);

    // A MED of three octets is treated as a withdrawal; the session stays (RFC 7606 §7.4).
    let outcome = neighbor(2).and_then(|mut neighbor| {
        let nlri = [24, 100, 64, 5];
        let mut attributes = bgp_attributes(RAW[2].1, [192, 0, 2, 105]);
        neighbor.send(bgp::UPDATE, &bgp_update(&attributes, &nlri))?;
        wait::until(ROUTES_LIMIT, || bird_has("bird4", "100.64.5.0/24"))?;
        attributes.extend([0x80, 4, 3, 0, 0, 1]);
        neighbor.send(bgp::UPDATE, &bgp_update(&attributes, &nlri))?;
        wait::until(ROUTES_LIMIT, || match bird_has("bird4", "100.64.5.0/24") {
            Ok(()) => Err("BIRD still has the route".to_owned()),
            Err(_) => Ok(()),
        })?;
        // The session must have survived: the same route without the error is taken again.
        neighbor.send(bgp::UPDATE, &bgp_update(&bgp_attributes(RAW[2].1, [192, 0, 2, 105]), &nlri))?;
        wait::until(ROUTES_LIMIT, || bird_has("bird4", "100.64.5.0/24"))?;
        Ok("announced, withdrawn by the error, announced again".into())
    });
    report.check("a malformed MED withdraws the route and the session stays", outcome);
}

/// The NOTIFICATION that must come, and then the end of the connection.
fn notification(neighbor: &mut RawNeighbor, code: u8, subcode: u8) -> Outcome {
    loop {
        match neighbor.receive(REACTION_LIMIT)? {
            Some(message) if message.kind == bgp::NOTIFICATION => {
                let got = message.body.get(..2).unwrap_or_default();
                wait::ensure(got == [code, subcode], || format!("NOTIFICATION {got:?}"))?;
                return Ok(format!("{} octets of data", message.body.len() - 2));
            }
            Some(_) => {}
            None => return Err("closed without a NOTIFICATION".into()),
        }
    }
}

/// BIRD has established each session exactly once.
fn stayed_up() -> Outcome {
    for session in ["bird4", "bird6"] {
        let said = birdc(&format!("show protocols all {session}"))?;
        wait::ensure(said.contains("Established") && !said.contains("Last error"), || said.trim().replace('\n', "; "))?;
    }
    Ok(String::new())
}

/// BIRD's last error is our Cease.
fn cease() -> Outcome {
    wait::until(REACTION_LIMIT, || {
        let mut seen = Vec::new();
        for session in ["bird4", "bird6"] {
            let said = birdc(&format!("show protocols all {session}"))?;
            let last = said.lines().find(|line| line.contains("Last error")).unwrap_or("no last error").trim();
            wait::ensure(last.contains("Administrative shutdown") || last.contains("Cease"), || {
                format!("{session}: {last}")
            })?;
            seen.push(last.to_owned());
        }
        Ok(seen.swap_remove(0))
    })
}
