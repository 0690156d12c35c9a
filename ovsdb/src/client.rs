//! One connection to an OVSDB server, without the connection (RFC 7047 §4): which databases are there, the schema, a copy of our tables by
//! `monitor`, transactions, and signs of life in both directions.
//!
//! Input is octets of the stream; output is octets. Once it is closed nothing more is said, and its owner makes another one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use net::Time;
use serde_json::{Value, json};

use crate::framing::{FrameError, Framer};
use crate::replica::{Excess, MAX_OCTETS, MAX_ROWS, Replica};
use crate::transaction::{Outcome, Transaction};

/// The database of Open vSwitch.
pub const DATABASE: &str = "Open_vSwitch";
/// The name of our monitor.
const MONITOR: &str = "trunkline";
/// Silence after which the server is asked for a sign of life. The same as Open vSwitch's own default.
pub const ECHO_INTERVAL: Duration = Duration::from_secs(5);
/// How long a sign of life may take.
pub const ECHO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long any other answer may take: a server with a large database writes it to disk now and then.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Transactions on their way. One more is refused, and its owner tries again later.
pub const MAX_TRANSACTIONS: usize = 64;
/// Output that may wait for a server that does not read. More ends the connection.
pub const MAX_QUEUED_OUTPUT: usize = 4 << 20;
/// How much of a server's words is kept.
const MAX_WORDS: usize = 256;

/// How patient a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// See [`ECHO_INTERVAL`].
    pub echo_interval: Duration,
    /// See [`ECHO_TIMEOUT`].
    pub echo_timeout: Duration,
    /// See [`ANSWER_TIMEOUT`].
    pub answer_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig { echo_interval: ECHO_INTERVAL, echo_timeout: ECHO_TIMEOUT, answer_timeout: ANSWER_TIMEOUT }
    }
}

/// What a client tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientEvent {
    /// The copy is whole.
    Ready {
        /// The schema's version.
        version: String,
    },
    /// The copy is different.
    Changed,
    /// What became of a transaction.
    Answered {
        /// As [`Client::transact`] has said.
        number: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The end: close the stream.
    Closed(CloseReason),
}

/// Why a connection is to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// What came is no JSON-RPC.
    Stream(FrameError),
    /// The server has no database `Open_vSwitch`.
    NoDatabase,
    /// The server refuses what is needed.
    Refused {
        /// What was asked.
        method: &'static str,
        /// What it says.
        error: String,
    },
    /// No answer in time.
    Silent(&'static str),
    /// The server has ended the monitor.
    Cancelled,
    /// More rows than [`MAX_ROWS`] of a table.
    TooManyRows,
    /// Rows that take more than [`MAX_OCTETS`].
    TooManyOctets,
    /// More output than [`MAX_QUEUED_OUTPUT`] waits.
    Backlog,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Stream(error) => write!(f, "what the server says cannot be read: {error}"),
            CloseReason::NoDatabase => write!(f, "the server has no database {DATABASE}"),
            CloseReason::Refused { method, error } => write!(f, "the server refuses {method}: {error}"),
            CloseReason::Silent(method) => write!(f, "no answer to {method} in time"),
            CloseReason::Cancelled => write!(f, "the server has ended the monitor"),
            CloseReason::TooManyRows => write!(f, "more than {MAX_ROWS} rows of a table"),
            CloseReason::TooManyOctets => {
                write!(
                    f,
                    "the database is larger than the {MAX_OCTETS} octets that are kept of it: too many or too long external_ids"
                )
            }
            CloseReason::Backlog => write!(f, "the server does not read: {MAX_QUEUED_OUTPUT} octets wait"),
        }
    }
}

impl From<Excess> for CloseReason {
    fn from(excess: Excess) -> CloseReason {
        match excess {
            Excess::Rows => CloseReason::TooManyRows,
            Excess::Octets => CloseReason::TooManyOctets,
        }
    }
}

#[derive(Debug)]
enum State {
    ListDatabases,
    GetSchema,
    Monitor { version: String },
    Ready { version: String },
    Closed,
}

impl State {
    /// What is waited for, and what it is called.
    fn method(&self) -> Option<&'static str> {
        match self {
            State::ListDatabases => Some("list_dbs"),
            State::GetSchema => Some("get_schema"),
            State::Monitor { .. } => Some("monitor"),
            State::Ready { .. } | State::Closed => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    operations: usize,
    deadline: Time,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    state: State,
    /// When the answer that `state` waits for must be there.
    deadline: Time,
    framer: Framer,
    replica: Replica,
    transactions: BTreeMap<u64, Asked>,
    next_number: u64,
    last_received: Time,
    echo: Option<Time>,
    output: Vec<u8>,
    events: VecDeque<ClientEvent>,
}

/// The number of the request that the state waits for; transactions have higher ones.
const OWN_NUMBER: u64 = 0;

impl Client {
    /// A new connection. Asks which databases there are.
    pub fn new(config: ClientConfig, now: Time) -> Client {
        let mut client = Client {
            config,
            state: State::ListDatabases,
            deadline: now,
            framer: Framer::default(),
            replica: Replica::default(),
            transactions: BTreeMap::new(),
            next_number: OWN_NUMBER + 1,
            last_received: now,
            echo: None,
            output: Vec::new(),
            events: VecDeque::new(),
        };
        client.ask(State::ListDatabases, json!([]), now);
        client
    }

    /// Octets from the server.
    pub fn handle_octets(&mut self, octets: &[u8], now: Time) {
        if self.is_closed() {
            return;
        }
        self.last_received = now;
        self.echo = None;
        self.framer.push(octets);
        while !self.is_closed() {
            match self.framer.next_message() {
                Ok(Some(message)) => self.handle_message(&message, now),
                Ok(None) => break,
                Err(error) => self.close(CloseReason::Stream(error)),
            }
        }
        self.replica.settle();
    }

    fn handle_message(&mut self, message: &Value, now: Time) {
        let null = Value::Null;
        let field = |name| message.get(name).unwrap_or(&null);
        let parameters = field("params");
        match field("method").as_str() {
            Some("echo") => self.send(&json!({ "id": field("id"), "result": parameters, "error": null })),
            Some("update") if parameters.get(0).is_some_and(|name| name == MONITOR) => {
                if let Some(updates) = parameters.get(1) {
                    self.update(updates);
                }
            }
            Some("monitor_canceled") => self.close(CloseReason::Cancelled),
            // Other notices (RFC 7047 §4.1.9, §4.1.10) are of locks, which we never ask for.
            Some(_) if field("id").is_null() => {}
            Some(_) => self.send(&json!({ "id": field("id"), "result": null, "error": "unknown method" })),
            None => self.handle_answer(field("id"), field("result"), field("error"), now),
        }
    }

    fn handle_answer(&mut self, id: &Value, result: &Value, error: &Value, now: Time) {
        let Some(number) = id.as_u64() else { return };
        if let Some(asked) = self.transactions.remove(&number) {
            let outcome = match error {
                Value::Null => Outcome::read(result, asked.operations),
                error => Outcome::of_error(error),
            };
            self.events.push_back(ClientEvent::Answered { number, outcome });
        }
        let Some(method) = self.state.method().filter(|_| number == OWN_NUMBER) else { return };
        if !error.is_null() {
            let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            return self.close(CloseReason::Refused { method, error: error.chars().take(MAX_WORDS).collect() });
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::ListDatabases => {
                if !result.as_array().is_some_and(|names| names.iter().any(|name| name == DATABASE)) {
                    return self.close(CloseReason::NoDatabase);
                }
                self.ask(State::GetSchema, json!([DATABASE]), now);
            }
            State::GetSchema => {
                let version = result.get("version").and_then(Value::as_str).unwrap_or("unknown");
                let version = version.chars().take(MAX_WORDS).collect();
                let tables = Replica::requests(result);
                self.ask(State::Monitor { version }, json!([DATABASE, MONITOR, tables]), now);
            }
            State::Monitor { version } => {
                self.state = State::Ready { version: version.clone() };
                if let Err(excess) = self.replica.update(result) {
                    return self.close(excess.into());
                }
                self.events.push_back(ClientEvent::Ready { version });
            }
            state @ (State::Ready { .. } | State::Closed) => self.state = state,
        }
    }

    fn update(&mut self, updates: &Value) {
        match self.replica.update(updates) {
            // The owner looks at the copy: to be told once is enough.
            Ok(true) if self.is_ready() && self.events.back() != Some(&ClientEvent::Changed) => {
                self.events.push_back(ClientEvent::Changed);
            }
            Ok(_) => {}
            Err(excess) => self.close(excess.into()),
        }
    }

    fn ask(&mut self, state: State, parameters: Value, now: Time) {
        self.state = state;
        self.deadline = now + self.config.answer_timeout;
        if let Some(method) = self.state.method() {
            self.send(&json!({ "id": OWN_NUMBER, "method": method, "params": parameters }));
        }
    }

    fn send(&mut self, message: &Value) {
        self.output.extend_from_slice(message.to_string().as_bytes());
        if self.output.len() > MAX_QUEUED_OUTPUT {
            self.output = Vec::new();
            self.close(CloseReason::Backlog);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.state = State::Closed;
        self.replica = Replica::default();
        self.transactions.clear();
        self.events.push_back(ClientEvent::Closed(reason));
    }

    /// Ask for a transaction; the number that its answer will have. `None` if the copy is not whole yet, there are [`MAX_TRANSACTIONS`] on
    /// their way, or the end has come.
    pub fn transact(&mut self, transaction: &Transaction, now: Time) -> Option<u64> {
        if !self.is_ready() || self.transactions.len() >= MAX_TRANSACTIONS {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        let deadline = now + self.config.answer_timeout;
        self.transactions.insert(number, Asked { operations: transaction.len(), deadline });
        self.send(&json!({ "id": number, "method": "transact", "params": transaction.parameters(DATABASE) }));
        (!self.is_closed()).then_some(number)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.is_closed() {
            return;
        }
        if let Some(method) = self.state.method()
            && now >= self.deadline
        {
            return self.close(CloseReason::Silent(method));
        }
        if self.transactions.values().any(|asked| now >= asked.deadline) {
            return self.close(CloseReason::Silent("transact"));
        }
        match self.echo {
            Some(deadline) if now >= deadline => self.close(CloseReason::Silent("echo")),
            Some(_) => {}
            None if now >= self.last_received + self.config.echo_interval => {
                self.echo = Some(now + self.config.echo_timeout);
                self.send(&json!({ "id": "echo", "method": "echo", "params": [] }));
            }
            None => {}
        }
    }

    /// Octets for the server: all that wait.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// What has happened. To be asked for after every input.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When [`Client::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        if self.is_closed() {
            return None;
        }
        let echo = self.echo.map_or((self.last_received + self.config.echo_interval, "echo"), |by| (by, "echo answer"));
        let answer = self.state.method().map(|method| (self.deadline, method));
        let transaction = self.transactions.values().map(|asked| (asked.deadline, "transact")).min();
        [Some(echo), answer, transaction].into_iter().flatten().min()
    }

    /// Whether the copy is whole and followed.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether the end has come.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The schema's version, once the copy is whole.
    pub fn version(&self) -> Option<&str> {
        match &self.state {
            State::Ready { version } => Some(version),
            _ => None,
        }
    }

    /// What the database says.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }
}
