//! `audit` and `openflow.bundles`: what the reconciler does besides what is stated.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use openflow::TableId;
use openflow::syntax::parse_match;

use super::schema::{BUNDLES, FOREIGN_FLOWS};
use super::types::Config;
use super::walk::{Field, Fields, Walk};
use crate::flow::{AUDIT_INTERVAL, BundleUse, FlowException, FlowSettings};

/// Section `audit`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditConfig {
    /// Time between two audits of a switch; none if it is zero.
    pub interval: Duration,
    /// Flows of others are removed.
    pub remove_foreign: bool,
    /// Flows that are passed over.
    pub exceptions: Arc<[FlowException]>,
}

impl Default for AuditConfig {
    fn default() -> AuditConfig {
        AuditConfig { interval: AUDIT_INTERVAL, remove_foreign: false, exceptions: Arc::new([]) }
    }
}

impl Config {
    /// What the configuration says to the reconciler besides rules.
    pub fn flow_settings(&self) -> FlowSettings {
        let AuditConfig { interval, remove_foreign, exceptions } = self.audit.clone();
        FlowSettings { bundles: self.openflow.bundles, audit_interval: interval, remove_foreign, exceptions }
    }
}

/// `openflow.bundles`.
pub(super) fn bundles(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<BundleUse> {
    match BUNDLES.get(walk.word(field)?) {
        Some(&"auto") => Some(BundleUse::Auto),
        Some(&"never") => Some(BundleUse::Never),
        Some(&"atomic") => Some(BundleUse::Atomic),
        _ => None,
    }
}

/// `audit`.
pub(super) fn audit(walk: &mut Walk<'_>, fields: &Fields<'_>) -> AuditConfig {
    let defaults = AuditConfig::default();
    let foreign = walk.read(fields, "foreign_flows", |walk, field| {
        FOREIGN_FLOWS.get(walk.word(field)?).map(|word| *word == "remove")
    });
    let exceptions = walk.read(fields, "exceptions", |walk, field| {
        let mut exceptions = Vec::new();
        for item in walk.items(field)? {
            let Some(section) = walk.section(&item) else { continue };
            let exception = exception(walk, &section);
            if exception == FlowException::default()
                && ["cookies", "table", "priority", "match"].iter().all(|name| section.get(name).is_none())
            {
                let message = "says nothing: every flow would be passed over; `interval: 0` turns audits off";
                walk.refuse(item.node.mark, &item.path, message);
            }
            exceptions.push(exception);
        }
        Some(exceptions.into())
    });
    AuditConfig {
        interval: walk.read(fields, "interval", Walk::duration).unwrap_or(defaults.interval),
        remove_foreign: foreign.unwrap_or(defaults.remove_foreign),
        exceptions: exceptions.unwrap_or(defaults.exceptions),
    }
}

fn exception(walk: &mut Walk<'_>, fields: &Fields<'_>) -> FlowException {
    let match_ = walk.read(fields, "match", |walk, field| {
        let text = walk.text(field)?;
        match parse_match(&text) {
            Ok(match_) => Some(match_.canonical()),
            Err(error) => {
                let found = if error.found.is_empty() { "nothing".to_owned() } else { format!("`{}`", error.found) };
                walk.refuse(field.node.mark, &field.path, format!("expected {}, found {found}", error.expected));
                None
            }
        }
    });
    FlowException {
        cookies: walk.read(fields, "cookies", cookies),
        table: walk.read(fields, "table", |walk, field| walk.integer(field)).map(TableId),
        priority: walk.read(fields, "priority", |walk, field| walk.integer(field)),
        match_: match_.unwrap_or_default(),
    }
}

fn cookies(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<RangeInclusive<u64>> {
    let (text, _) = walk.scalar(field, "a cookie or a range of cookies")?;
    let number = |text: &str| {
        let text = text.trim();
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    };
    let range = match text.split_once('-') {
        Some((first, last)) => number(first).zip(number(last)).map(|(first, last)| first..=last),
        None => number(text).map(|cookie| cookie..=cookie),
    };
    match range {
        Some(range) if !range.is_empty() => Some(range),
        Some(_) => {
            walk.refuse(field.node.mark, &field.path, "the range is empty: its first cookie is above its last");
            None
        }
        None => {
            let message = "expected a cookie such as 0x10, or a range such as 0x100-0x1ff";
            walk.refuse(field.node.mark, &field.path, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use openflow::Match;

    use super::*;

    #[test]
    fn an_exception_is_what_is_said_and_says_something() {
        let text = "audit:\n  foreign_flows: remove\n  exceptions:\n    - { cookies: 0x100-0x1ff, table: 3, priority: 7, match: \"in_port=2\" }\n    - { cookies: 5 }\n";
        let settings = Config::parse(text).unwrap().flow_settings();
        assert!(settings.remove_foreign && settings.audit_interval == AUDIT_INTERVAL);
        let first = FlowException {
            cookies: Some(0x100..=0x1ff),
            table: Some(TableId(3)),
            priority: Some(7),
            match_: Match::new().with_in_port(net::PortNo(2)),
        };
        assert_eq!(
            settings.exceptions[..],
            [first, FlowException { cookies: Some(5..=5), ..FlowException::default() }]
        );
        for (wrong, why) in [
            ("{}", "says nothing"),
            ("{ cookies: 9-1 }", "the range is empty"),
            ("{ cookies: x }", "expected a cookie"),
            ("{ match: in_prot=1 }", "expected"),
            ("{ table: 255 }", "0 to 254"),
        ] {
            let problems = Config::parse(&format!("audit: {{ exceptions: [{wrong}] }}")).unwrap_err().to_string();
            assert!(problems.contains(why), "{wrong}: {problems}");
        }
    }
}
