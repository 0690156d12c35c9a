//! What `ovs-appctl` does, without a process for each question: JSON-RPC over the daemon's control socket.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Deserializer, Value, json};

use crate::report::Fail;

/// The longest time that an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The control socket of `ovs-vswitchd`.
pub struct Unixctl {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Unixctl {
    /// Connects to the daemon of this sandbox.
    pub fn connect() -> Result<Unixctl, Fail> {
        let pid = std::fs::read_to_string("/run/openvswitch/ovs-vswitchd.pid").map_err(|error| error.to_string())?;
        let path = format!("/run/openvswitch/ovs-vswitchd.{}.ctl", pid.trim());
        let stream = UnixStream::connect(&path).map_err(|error| format!("{path}: {error}"))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(|error| error.to_string())?;
        let reader = BufReader::new(stream.try_clone().map_err(|error| error.to_string())?);
        Ok(Unixctl { stream, reader })
    }

    /// Runs a command; its text, or what is wrong.
    pub fn run(&mut self, method: &str, arguments: &[&str]) -> Result<String, Fail> {
        self.start(method, arguments)?;
        self.finish(method)
    }

    /// Says a command whose answer may take until something else has been done.
    pub fn start(&mut self, method: &str, arguments: &[&str]) -> Result<(), Fail> {
        let request = json!({ "id": 0, "method": method, "params": arguments }).to_string();
        self.stream.write_all(request.as_bytes()).map_err(|error| format!("{method}: {error}"))
    }

    /// Waits for the answer to it.
    pub fn finish(&mut self, method: &str) -> Result<String, Fail> {
        let reply = Deserializer::from_reader(&mut self.reader).into_iter::<Value>().next();
        let reply = reply.ok_or("the daemon closed its control socket")?.map_err(|error| error.to_string())?;
        match (reply["error"].as_str(), reply["result"].as_str()) {
            (Some(error), _) => Err(format!("{method}: {}", error.trim())),
            (None, text) => Ok(text.unwrap_or_default().to_owned()),
        }
    }
}
