//! Open vSwitch over TLS: certificates on both sides, and a stranger is refused.

use std::path::Path;
use std::time::Duration;

use super::{CONNECT_LIMIT, Lab};
use crate::controller::{Controller, metric};
use crate::ovs::{self, Ovs};
use crate::report::{Fail, Report};
use crate::{process, wait};

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let directory = &lab.directory;
    make_authority(directory, "ca")?;
    make_certificate(directory, "ca", "controller")?;
    make_certificate(directory, "ca", "switch")?;
    make_authority(directory, "stranger-ca")?;
    make_certificate(directory, "stranger-ca", "stranger")?;
    let path = |name: &str| directory.join(name).display().to_string();
    let config = format!(
        "openflow:\n  listen: [\"pssl:6653:127.0.0.1\"]\n  tls: {{ certificate: {}, key: {}, client_ca: {} }}\n\
         http: {{ listen: \"127.0.0.1:9653\" }}\n",
        path("controller.pem"),
        path("controller.key"),
        path("ca.pem"),
    );
    let mut controller = Controller::start(directory, &lab.binary, Some(&config))?;
    let _ovs = Ovs::start(directory)?;

    ovs::vsctl(&["set-ssl", &path("switch.key"), &path("switch.pem"), &path("ca.pem")])?;
    ovs::add_bridge("s1", 1, "ssl:127.0.0.1:6653")?;
    let connected = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("a bridge with a certificate of our authority connects", connected.map(|_| String::new()));
    let there = wait::until(Duration::from_secs(5), || wait::ensure(ovs::is_connected("s1")?, || "it says no".into()));
    report.check("the bridge says the same", there.map(|()| String::new()));

    // The same daemon with the certificate of somebody else: the connection is made anew.
    ovs::vsctl(&["del-br", "s1"])?;
    let gone = controller.wait_metric(Duration::from_secs(10), metric::SWITCHES, 0.0);
    report.check("a removed bridge is gone", gone.map(|_| String::new()));
    ovs::vsctl(&["set-ssl", &path("stranger.key"), &path("stranger.pem"), &path("ca.pem")])?;
    ovs::add_bridge("s2", 2, "ssl:127.0.0.1:6653")?;
    let refused = wait::until(CONNECT_LIMIT, || {
        let said = ovs::connection("s2")?;
        wait::ensure(said.contains("last_error"), || format!("no error is seen: {said}"))?;
        Ok(said)
    });
    report.check("a bridge with a foreign certificate is refused", refused);
    let out = wait::throughout(Duration::from_secs(3), || {
        let switches = controller.metric(metric::SWITCHES, &[])?;
        wait::ensure(switches == 0.0, || format!("{switches} switches are connected"))
    });
    report.check("and stays out", out.map(|()| String::new()));

    ovs::vsctl(&["set-ssl", &path("switch.key"), &path("switch.pem"), &path("ca.pem")])?;
    let back = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, 1.0);
    report.check("with the right certificate it comes in again", back.map(|_| String::new()));
    Ok(())
}

/// A certificate authority: NAME.pem and NAME.key.
fn make_authority(directory: &Path, name: &str) -> Result<(), Fail> {
    let file = |extension: &str| directory.join(format!("{name}.{extension}")).display().to_string();
    let subject = format!("/O=Trunkline lab/CN={name}");
    process::run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            &file("key"),
            "-out",
            &file("pem"),
        ],
    )
    .map(drop)
}

/// A certificate that `authority` has signed: NAME.pem and NAME.key, for 127.0.0.1 and as a client.
fn make_certificate(directory: &Path, authority: &str, name: &str) -> Result<(), Fail> {
    let file = |name: &str, extension: &str| directory.join(format!("{name}.{extension}")).display().to_string();
    let subject = format!("/O=Trunkline lab/CN={name}");
    process::run(
        "openssl",
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            &file(name, "key"),
            "-out",
            &file(name, "csr"),
        ],
    )?;
    let extensions = directory.join(format!("{name}.ext"));
    let text = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n\
                subjectAltName=IP:127.0.0.1,DNS:localhost\n";
    std::fs::write(&extensions, text).map_err(|error| error.to_string())?;
    process::run(
        "openssl",
        &[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &file(name, "csr"),
            "-CA",
            &file(authority, "pem"),
            "-CAkey",
            &file(authority, "key"),
            "-CAcreateserial",
            "-extfile",
            &extensions.display().to_string(),
            "-out",
            &file(name, "pem"),
        ],
    )
    .map(drop)
}
