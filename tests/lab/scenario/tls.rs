//! Open vSwitch over TLS, with the certificates of `trunkline pki` used exactly as it prints; strangers, impostors and plain TCP stay out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::{CONNECT_LIMIT, Lab};
use crate::controller::{Controller, metric};
use crate::exchange;
use crate::ovs::{self, Ovs};
use crate::process;
use crate::relay::{Relay, TlsVersion};
use crate::report::{Fail, Report};
use crate::wait;

/// Where the relay listens through which the bridge connects, so that the version is seen that both agree on.
const RELAY: &str = "127.0.0.1:6700";

/// Connections without TLS that are tried, of which the log tells once.
const PLAIN_TRIES: usize = 20;

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let directory = &lab.directory;
    let binary = lab.binary.display().to_string();
    let pki = directory.join("pki").display().to_string();
    let made = process::run(&binary, &["pki", "init", &pki, "--name", "localhost", "--address", "127.0.0.1"])?;
    let openflow = configuration(&made)?;
    // The second door: a bridge that waits for its controller.
    let plain = "  plain_from: [\"192.0.2.0/24\"]\n  connect: [\"ssl:127.0.0.1:6690\"]\n";
    let openflow =
        openflow.replace("listen: [\"pssl:6653\"]", "listen: [\"pssl:6653:127.0.0.1\", \"ptcp:6654:127.0.0.1\"]");
    let config = format!("{openflow}{plain}http: {{ listen: \"127.0.0.1:9653\" }}\n");
    let mut controller = Controller::start(directory, &lab.binary, Some(&config))?;
    // First: the log names a source once in a while, whatever it was refused for.
    plain_refused(&mut controller, report)?;
    let mut ovs = Ovs::start(directory)?;
    let relay = Relay::start(RELAY, "127.0.0.1:6653")?;

    let made = process::run(&binary, &["pki", "switch", "s1", "--datapath-id", "0x1", "--dir", &pki])?;
    ovs::add_bridge("s1", 0xff, "ptcp:6699:127.0.0.1")?;
    let lines = commands(&made, "s1", "127.0.0.1:6700");
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        ovs::vsctl(&words[1..])?;
    }
    report.check("pki switch prints three ovs-vsctl lines", exactly(lines.len(), 3));
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.require("a bridge set up by these lines connects", connected.map(|_| String::new()))?;
    let there = wait::until(Duration::from_secs(5), || wait::ensure(ovs::is_connected("s1")?, || "it says no".into()));
    report.check("the bridge says the same", there.map(|()| String::new()));
    report.check("they speak TLS 1.3", version(&relay, TlsVersion::V1_3));

    ovs.restart_with(&["--ssl-protocols=TLSv1.2"])?;
    let connected = wait::until(CONNECT_LIMIT, || version(&relay, TlsVersion::V1_2));
    report.check("started again for TLS 1.2 alone, it speaks TLS 1.2", connected);
    let there = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("and the bridge is connected", there.map(|_| String::new()));
    ovs.restart_with(&[])?;

    // The same certificate on a bridge that it doesn't name.
    ovs::vsctl(&["del-br", "s1"])?;
    controller.wait_metric(Duration::from_secs(10), metric::SWITCHES, 0.0)?;
    ovs::add_bridge("s2", 2, "ssl:127.0.0.1:6653")?;
    let said = controller.wait_log(CONNECT_LIMIT, &["WARN", "certificate", "0000000000000002"]);
    report.check("a bridge with another's certificate is refused, and the log says so", said.map(|line| short(&line)));
    report.check("and stays out", stays_out(&controller));
    ovs::vsctl(&["del-br", "s2"])?;

    // A certificate of somebody else's authority.
    make_authority(directory, "stranger-ca")?;
    make_certificate(directory, "stranger-ca", "stranger")?;
    let path = |name: &str| directory.join(name).display().to_string();
    let authority = directory.join("pki").join("ca.pem").display().to_string();
    ovs::vsctl(&["set-ssl", &path("stranger.key"), &path("stranger.pem"), &authority])?;
    ovs::add_bridge("s3", 1, "ssl:127.0.0.1:6653")?;
    let refused = wait::until(CONNECT_LIMIT, || {
        let said = ovs::connection("s3")?;
        wait::ensure(said.contains("last_error"), || format!("no error is seen: {said}"))?;
        Ok(said)
    });
    report.check("a bridge with a foreign certificate is refused", refused);
    report.check("and stays out", stays_out(&controller));
    ovs::vsctl(&["del-br", "s3"])?;

    report.check("a client without a certificate is refused", without_certificate(&authority));

    set_ssl(directory, "s1")?;
    ovs::add_bridge("s4", 1, "pssl:6690:127.0.0.1")?;
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("a bridge with pssl: is dialled", connected.map(|_| String::new()));
    ovs::vsctl(&["del-br", "s4"])?;
    controller.terminate()?;
    drop(controller);
    allowed_alone(lab, &config, report)?;
    database(lab, &config, report)
}

/// The database of the switches, by TCP, and over TLS with the same certificates; an impostor's is refused.
fn database(lab: &Lab, config: &str, report: &mut Report) -> Result<(), Fail> {
    set_ssl(&lab.directory, "s1")?;
    ovs::vsctl(&["set-manager", "pssl:6640:127.0.0.1", "ptcp:6641:127.0.0.1"])?;
    for place in ["tcp:127.0.0.1:6641", "ssl:127.0.0.1:6640"] {
        let config = format!("{config}ovsdb: {{ connections: [\"{place}\"] }}\n");
        let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&config))?;
        let connected = controller.wait_metric_of(CONNECT_LIMIT, metric::OVSDB, &[("state", "up")], 1.0);
        report.check(&format!("the switches' database at {place} is read"), connected.map(|_| String::new()));
        if place.starts_with("ssl:") {
            let path = |name: &str| lab.directory.join(name).display().to_string();
            let authority = lab.directory.join("pki").join("ca.pem").display().to_string();
            ovs::vsctl(&["set-ssl", &path("stranger.key"), &path("stranger.pem"), &authority])?;
            // The server goes on with the connections that it has.
            ovs::vsctl(&["del-manager"])?;
            let gone = controller.wait_log(CONNECT_LIMIT, &["not connected to a database"]);
            report.check("a database that goes is noticed", gone.map(|line| short(&line)));
            ovs::vsctl(&["set-manager", "pssl:6640:127.0.0.1"])?;
            let refused = wait::until(CONNECT_LIMIT, || {
                let said = process::run(&lab.binary.display().to_string(), &["show", "ovsdb", "-o", "csv"])?;
                wait::ensure(said.contains("certificate"), || format!("no error is seen: {said}"))?;
                Ok(said.lines().last().unwrap_or_default().to_owned())
            });
            report.check("one that comes back with a stranger's certificate is refused", refused);
        }
        controller.terminate()?;
    }
    Ok(())
}

/// With a list of certificates only these are taken, and each for the switches of its line alone, whatever it says itself.
fn allowed_alone(lab: &Lab, config: &str, report: &mut Report) -> Result<(), Fail> {
    let directory = &lab.directory;
    let pki = directory.join("pki").display().to_string();
    let binary = lab.binary.display().to_string();
    process::run(&binary, &["pki", "switch", "s9", "--datapath-id", "0x1", "--dir", &pki])?;
    let list = "    switches: [ { certificate: s1, datapath_ids: [\"0x5\"] } ]\n";
    let authority = config.lines().find(|line| line.trim().starts_with("client_ca:")).ok_or("no client_ca")?;
    let config = config.replace(authority, &format!("{authority}\n{}", list.trim_end()));
    let mut controller = Controller::start(directory, &lab.binary, Some(&config))?;
    ovs::add_bridge("s5", 5, "ssl:127.0.0.1:6653")?;
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("a listed certificate is the switch of its line", connected.map(|_| String::new()));
    ovs::vsctl(&["del-br", "s5"])?;
    controller.wait_metric(Duration::from_secs(10), metric::SWITCHES, 0.0)?;
    ovs::add_bridge("s1", 1, "ssl:127.0.0.1:6653")?;
    let said = controller.wait_log(CONNECT_LIMIT, &["WARN", "certificate", "0000000000000001"]);
    report.check("and not the one of its own words", said.map(|line| short(&line)));
    ovs::vsctl(&["del-br", "s1"])?;
    set_ssl(directory, "s9")?;
    ovs::add_bridge("s9", 1, "ssl:127.0.0.1:6653")?;
    let said = controller.wait_log(CONNECT_LIMIT, &["WARN", "not in openflow.tls.switches"]);
    report.check("a certificate that is not listed is refused", said.map(|line| short(&line)));
    report.check("and stays out", stays_out(&controller));
    Ok(())
}

/// Gives Open vSwitch the certificate that `pki switch NAME` has made.
fn set_ssl(directory: &Path, name: &str) -> Result<(), Fail> {
    let path = |file: String| directory.join("pki").join(file).display().to_string();
    let (key, certificate) = (path(format!("switch-{name}.key")), path(format!("switch-{name}.pem")));
    ovs::vsctl(&["set-ssl", &key, &certificate, &path("ca.pem".to_owned())]).map(drop)
}

/// The `openflow:` part of what `pki init` prints.
fn configuration(made: &str) -> Result<String, Fail> {
    let start = made.find("openflow:").ok_or_else(|| format!("pki init prints no configuration: {made}"))?;
    let part = made[start..].split("\n\n").next().unwrap_or_default();
    Ok(format!("{}\n", part.trim_end()))
}

/// The `ovs-vsctl` lines of what `pki switch` prints, with bridge and controller filled in.
fn commands(made: &str, bridge: &str, controller: &str) -> Vec<String> {
    let lines = made.lines().map(str::trim).filter(|line| line.starts_with("ovs-vsctl "));
    lines.map(|line| line.replace("BRIDGE", bridge).replace("CONTROLLER:6653", controller)).collect()
}

fn exactly(seen: usize, wanted: usize) -> Result<String, Fail> {
    if seen == wanted { Ok(String::new()) } else { Err(format!("{seen}, not {wanted}")) }
}

/// The version of the last handshake through the relay.
fn version(relay: &Relay, wanted: TlsVersion) -> Result<String, Fail> {
    match relay.last_version() {
        Some(version) if version == wanted => Ok(format!("{version:?}")),
        other => Err(format!("{other:?}")),
    }
}

fn stays_out(controller: &Controller) -> Result<String, Fail> {
    let out = wait::throughout(Duration::from_secs(1), || {
        let switches = controller.metric(metric::SWITCHES, &[])?;
        wait::ensure(switches == 0.0, || format!("{switches} switches are connected"))
    });
    out.map(|()| String::new())
}

/// `openssl s_client` with the authority but no certificate of its own: with TLS 1.2 and 1.3 the server has to end it.
fn without_certificate(authority: &str) -> Result<String, Fail> {
    let mut seen = Vec::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments =
            ["s_client", "-connect", "127.0.0.1:6653", "-CAfile", authority, version, "-verify_return_error"];
        let mut command = vec!["5", "openssl"];
        command.extend(arguments);
        // The input ends only with the connection: `sleep` keeps it open until the server has said its alert.
        let line = format!("sleep 1 | timeout {}", command.join(" "));
        let (_, output, errors) = process::run_any(10, "sh", &["-c", &line])?;
        let said = format!("{output}{errors}");
        let alert = said.lines().find(|line| line.contains("alert"));
        seen.push(alert.ok_or_else(|| format!("{version}: no alert: {}", short(&said)))?.trim().to_owned());
    }
    Ok(seen.iter().map(|line| short(line)).collect::<Vec<_>>().join("; "))
}

/// Plain OpenFlow from a source that is not listed: each connection is closed, and the log names the source once.
fn plain_refused(controller: &mut Controller, report: &mut Report) -> Result<(), Fail> {
    let mut answers = 0;
    for _ in 0..PLAIN_TRIES {
        let mut stream = TcpStream::connect("127.0.0.1:6654").map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(|error| error.to_string())?;
        let _ = stream.write_all(&exchange::openflow_hello(4));
        let mut octets = [0; 64];
        answers += usize::from(matches!(stream.read(&mut octets), Ok(count) if count > 0));
    }
    let quiet = if answers == 0 { Ok(String::new()) } else { Err(format!("{answers} were answered")) };
    report.check("plain TCP from a source that is not listed is closed without a word", quiet);
    let said = controller.wait_log(Duration::from_secs(5), &["WARN", "plain TCP refused"]);
    report.check("the log says which line to add", said.map(|line| short(&line)));
    let times = controller.log().matches("plain TCP refused").count();
    report.check(&format!("and says it once for {PLAIN_TRIES} connections"), exactly(times, 1));
    Ok(())
}

/// The first words of a long line.
fn short(line: &str) -> String {
    line.chars().take(160).collect()
}

/// A certificate authority: NAME.pem and NAME.key.
fn make_authority(directory: &Path, name: &str) -> Result<(), Fail> {
    let file = |extension: &str| directory.join(format!("{name}.{extension}")).display().to_string();
    let subject = format!("/O=Trunkline lab/CN={name}");
    let usage = "keyUsage=critical,keyCertSign,cRLSign";
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj";
    let mut arguments: Vec<&str> = words.split(' ').collect();
    let (key, certificate) = (file("key"), file("pem"));
    arguments.extend([&subject, "-addext", usage, "-keyout", &key, "-out", &certificate]);
    process::run("openssl", &arguments).map(drop)
}

/// A certificate that `authority` has signed: NAME.pem and NAME.key, for 127.0.0.1 and as a client.
fn make_certificate(directory: &Path, authority: &str, name: &str) -> Result<(), Fail> {
    let file = |name: &str, extension: &str| directory.join(format!("{name}.{extension}")).display().to_string();
    let subject = format!("/O=Trunkline lab/CN={name}");
    let (key, request) = (file(name, "key"), file(name, "csr"));
    let words = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj";
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.extend([&subject, "-keyout", &key, "-out", &request]);
    process::run("openssl", &arguments)?;
    let extensions = file(name, "ext");
    let text = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n\
                subjectAltName=IP:127.0.0.1,DNS:localhost\n";
    std::fs::write(&extensions, text).map_err(|error| error.to_string())?;
    let (ca, ca_key, certificate) = (file(authority, "pem"), file(authority, "key"), file(name, "pem"));
    let mut arguments = vec!["x509", "-req", "-days", "2", "-CAcreateserial", "-in", &request, "-CA", &ca];
    arguments.extend(["-CAkey", &ca_key, "-extfile", &extensions, "-out", &certificate]);
    process::run("openssl", &arguments).map(drop)
}
