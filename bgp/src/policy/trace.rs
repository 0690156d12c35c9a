//! A route through a policy from top to bottom, with every statement's answer: for people who want to know why, and the
//! yardstick for the evaluation in two stages.

use super::program::{Step, Then};
use super::rule::{Action, Change, Label, NextHopChange, Test, View};
use super::{Modified, Policy, PolicyRoute, PolicySession, PolicyVerdict, Program};
use crate::rib::SourceKind;
use net::Prefix;
use std::sync::Arc;

/// What a policy did with one route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The statements that looked at the route, in order.
    pub statements: Vec<StatementTrace>,
    /// The statement that decided; `None` if none did, or there are none.
    pub decided_by: Option<Label>,
    /// The answer.
    pub verdict: PolicyVerdict,
}

/// What one statement said about a route.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatementTrace {
    /// Which.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub label: Label,
    /// Its conditions: all are looked at, also where one has settled the matter.
    pub conditions: Vec<ConditionTrace>,
    /// All that have to hold do, and none of the others.
    pub matched: bool,
    /// What it changed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub changes: Vec<String>,
    /// What it did then; `None` if it did not match.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub action: Option<Action>,
}

/// Whether one condition holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ConditionTrace {
    /// As it was written.
    pub condition: String,
    /// It must not hold.
    pub unless: bool,
    /// It holds.
    pub holds: bool,
}

impl Policy {
    /// What becomes of `route` to `prefix` on a session of this kind, and why. The policy is one that is not bound yet.
    pub fn trace(&self, kind: SourceKind, session: &PolicySession, route: &PolicyRoute, prefix: Prefix) -> Trace {
        match self {
            Policy::Rules(program) => trace(program, session, route, prefix),
            simple => {
                let verdict = simple.evaluate(kind, route.clone()).verdict(prefix).clone();
                Trace { statements: Vec::new(), decided_by: None, verdict }
            }
        }
    }
}

fn trace(program: &Program, session: &PolicySession, route: &PolicyRoute, prefix: Prefix) -> Trace {
    let mut now =
        Modified { attributes: Arc::clone(&route.attributes), next_hop: NextHopChange::Usual, sets_med: false };
    let mut changed = false;
    let mut trace = Trace { statements: Vec::new(), decided_by: None, verdict: PolicyVerdict::Reject };
    let mut index = 0;
    while let Some(step) = program.steps.get(index) {
        let view = View {
            family: route.family,
            source: route.source,
            attributes: &now.attributes,
            next_hop: route.next_hop,
            default_local_pref: session.default_local_pref,
        };
        let (conditions, matched) = conditions(step, session, &view, prefix);
        let bound: Vec<Change> =
            step.changes.iter().map(|change| change.bound(session).unwrap_or_else(|| change.clone())).collect();
        trace.statements.push(StatementTrace {
            label: step.label.0.clone(),
            conditions,
            matched,
            changes: if matched { bound.iter().map(ToString::to_string).collect() } else { Vec::new() },
            action: matched.then_some(step.action),
        });
        if !matched {
            index += 1;
            continue;
        }
        for change in bound {
            change.apply(&mut now, session.default_local_pref);
            changed = true;
        }
        match step.then {
            Then::Go(next) => index = next,
            Then::Accept | Then::Reject => {
                trace.decided_by = Some(step.label.0.clone());
                trace.verdict = match (step.then, changed) {
                    (Then::Accept, true) => PolicyVerdict::Modify(Arc::new(now)),
                    (Then::Accept, false) => PolicyVerdict::Accept,
                    _ => PolicyVerdict::Reject,
                };
                return trace;
            }
        }
    }
    trace
}

fn conditions(step: &Step, session: &PolicySession, view: &View<'_>, prefix: Prefix) -> (Vec<ConditionTrace>, bool) {
    let holds = |test: &Test| match test.condition.on_session(session) {
        Some(holds) => holds,
        None => {
            let bound = test.condition.bound(session);
            let condition = bound.as_ref().unwrap_or(&test.condition);
            condition.holds(view) || condition.holds_for(prefix)
        }
    };
    let of = |tests: &[Test], unless| -> Vec<ConditionTrace> {
        let trace = |test: &Test| ConditionTrace { condition: test.text.0.to_string(), unless, holds: holds(test) };
        tests.iter().map(trace).collect()
    };
    let mut all = of(&step.matches, false);
    all.extend(of(&step.unless, true));
    let matched = all.iter().all(|condition| condition.holds != condition.unless);
    (all, matched)
}
