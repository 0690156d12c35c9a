//! What of BFD stands in a row of table `Interface`, and how it is changed so that nobody else's part is touched (ovs-vswitchd.conf.db(5)).

use std::collections::BTreeMap;

use crate::replica::Interface;
use crate::transaction::Transaction;
use crate::value::Uuid;

/// The key of `external_ids` that says what of `bfd` is ours, as `key=value,key=value`.
pub const MARK: &str = "trunkline-bfd";

const ENABLE: &str = "enable";

/// What a session is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How often control packets are sent at most, in milliseconds.
    pub min_tx_ms: u32,
    /// How often they may come, in milliseconds.
    pub min_rx_ms: u32,
    /// How many may be missing.
    pub mult: u8,
}

impl Settings {
    fn column(&self) -> BTreeMap<String, String> {
        let pairs = [
            (ENABLE, "true".to_owned()),
            ("min_tx", self.min_tx_ms.to_string()),
            ("min_rx", self.min_rx_ms.to_string()),
            ("mult", self.mult.to_string()),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// What a database says of BFD at a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortBfd {
    /// A device without BFD, or somebody has said `enable=false`.
    Unable,
    /// It has none and could have.
    Off,
    /// It has.
    On {
        /// By us, not by somebody else.
        ours: bool,
        /// The session is up.
        up: bool,
    },
}

impl PortBfd {
    /// What this row says.
    pub fn of(interface: &Interface) -> PortBfd {
        let ours = still_ours(interface);
        match interface.bfd.get(ENABLE).map(String::as_str) {
            Some("true") => PortBfd::On {
                ours: ours.contains_key(ENABLE),
                up: interface.bfd_status.get("state").is_some_and(|state| state == "up"),
            },
            Some(_) => PortBfd::Unable,
            // A patch port has no device that could send, an internal one no wire.
            None if matches!(interface.kind.as_str(), "patch" | "internal") => PortBfd::Unable,
            None => PortBfd::Off,
        }
    }
}

/// What the mark says, as far as the row still has it: what somebody has changed since is theirs.
fn still_ours(interface: &Interface) -> BTreeMap<String, String> {
    let mark = interface.external_ids.get(MARK).map_or("", String::as_str);
    let pairs = mark.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, value)| interface.bfd.get(*key).is_some_and(|now| now == value))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The transaction after which the row has these settings, or none of ours; `None` if that is so already.
///
/// Keys of `bfd` that somebody else has set keep their values, and an interface for which somebody else has decided whether it has BFD is left
/// alone. It does nothing, with `timed out`, if `bfd` is not what this row says any more.
pub fn adjust(uuid: Uuid, interface: &Interface, wanted: Option<&Settings>) -> Option<Transaction> {
    let ours = still_ours(interface);
    let theirs = |key: &String| interface.bfd.contains_key(key) && !ours.contains_key(key);
    let mut target = wanted.map(Settings::column).unwrap_or_default();
    if theirs(&ENABLE.to_owned()) {
        target.clear();
    }
    target.retain(|key, _| !theirs(key));
    let mark = target.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let mark = (!mark.is_empty()).then_some(mark);
    if ours == target && interface.external_ids.get(MARK) == mark.as_ref() {
        return None;
    }
    let mut transaction = Transaction::new();
    transaction.wait_for_map("Interface", uuid, "bfd", &interface.bfd);
    if ours != target {
        transaction.change_map("Interface", uuid, "bfd", ours.into_keys(), &target);
    }
    let marks: BTreeMap<String, String> = mark.into_iter().map(|mark| (MARK.to_owned(), mark)).collect();
    transaction.change_map("Interface", uuid, "external_ids", [MARK.to_owned()], &marks);
    let verb = if target.is_empty() { "off" } else { "on" };
    transaction.comment(&format!("trunkline: BFD {verb} at {}", interface.name));
    Some(transaction)
}
