//! What an audit that somebody has asked for has found, as JSON.

use serde_json::{Value, json};

use super::find::Look;
use super::table::{Field, Kind};
use super::{Api, Failure};
use crate::flow::DriftedEntry;
use crate::io::fabric::{Audited, NoAudit};

/// The fields of a difference.
pub static DRIFT_FIELDS: &[Field] = &[
    field("switch", Kind::Text, "SWITCH", "The switch's name, or its datapath id if it has none."),
    field("datapath_id", Kind::Text, "", "The switch's datapath id, 16 hex digits."),
    field("kind", Kind::Text, "KIND", "`added`, `changed` or `removed` by hand."),
    field("owner", Kind::Text, "OWNER", "The application that wants it; empty if none does."),
    field("line", Kind::Number, "LINE", "The line of the configuration that states it."),
    field("cookie", Kind::Text, "", "The cookie that the switch has, or had; empty for a group or a meter."),
    field("repaired", Kind::Boolean, "REPAIRED", "It is put right."),
    field(
        "what",
        Kind::Text,
        "WHAT",
        "The flow in ovs-ofctl's words and what was found in its place, or the group or meter.",
    ),
];

const fn field(name: &'static str, kind: Kind, heading: &'static str, about: &'static str) -> Field {
    Field { name, kind, nullable: true, heading, about }
}

impl Api {
    /// Audits a switch, or all; what was found.
    ///
    /// # Errors
    /// The switch is not known or not connected, or the fabric thread does not answer.
    pub async fn audit(&self, switch: Option<&str>) -> Result<Value, Failure> {
        let snapshot = self.snapshots.borrow().clone();
        let of = switch.map(|name| Look { snapshot: &snapshot }.find_switch(name)).transpose()?;
        let audited = self.auditor.audit(of).await.map_err(|NoAudit| {
            Failure::busy("the audit was not done in time: the fabric thread has ended, or has too much to do")
        })?;
        if audited.is_empty()
            && let Some(name) = switch
        {
            return Err(Failure { status: 409, message: format!("{name} is not connected") });
        }
        let look = Look { snapshot: &snapshot };
        let switches: Vec<Value> = audited.iter().map(|audited| switch_row(look, audited)).collect();
        let drift: Vec<Value> = audited.iter().flat_map(|audited| drift_rows(look, audited)).collect();
        Ok(json!({ "at": look.now(), "switches": switches, "rows": drift }))
    }
}

fn switch_row(look: Look<'_>, audited: &Audited) -> Value {
    let report = &audited.report;
    let [added, changed, removed] = report.counts;
    json!({
        "switch": look.switch(report.datapath_id),
        "datapath_id": report.datapath_id,
        "took_ms": report.ended.since(report.began).as_millis() as u64,
        "rules": report.rules,
        "groups": report.groups,
        "meters": report.meters,
        "foreign": report.foreign,
        "foreign_unread": report.foreign_unread,
        "foreign_groups": report.foreign_groups,
        "foreign_meters": report.foreign_meters,
        "excepted": report.excepted,
        "added": added,
        "changed": changed,
        "removed": removed,
        "cut_short": report.cut_short,
    })
}

fn drift_rows<'a>(look: Look<'a>, audited: &'a Audited) -> impl Iterator<Item = Value> + 'a {
    let report = &audited.report;
    let id = report.datapath_id;
    report.drift.iter().zip(&audited.lines).map(move |(drift, line)| {
        let cookie = match &drift.entry {
            DriftedEntry::Rule { cookie, .. } => Some(format!("{cookie:#x}")),
            DriftedEntry::Group(_) | DriftedEntry::Meter(_) => None,
        };
        json!({
            "switch": look.switch(id),
            "datapath_id": id,
            "kind": drift.kind.name(),
            "owner": drift.key.map(|key| key.owner.name()),
            "line": line,
            "cookie": cookie,
            "repaired": drift.repaired,
            "what": drift.words(),
        })
    })
}
