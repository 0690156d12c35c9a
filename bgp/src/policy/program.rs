//! Policies in a row, compiled: one list of steps with jumps forward only.

use super::rule::{Action, Change, Condition, Label, NextHopChange, PolicyDefinition, Test, View};
use super::{Modified, Note, PolicyRoute, PolicySession, PolicyVerdict, Shared};
use crate::rib::DEFAULT_LOCAL_PREF;
use net::Prefix;
use std::sync::{Arc, OnceLock};

/// One policy of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    /// Everything that comes here passes.
    Accept,
    /// Nothing that comes here passes.
    Reject,
    /// Statements.
    Policy(Arc<PolicyDefinition>),
}

/// Statements of one or more policies in a row, ready to run. What falls off the end is rejected.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) default_local_pref: u32,
    names: Note<Vec<Arc<str>>>,
}

/// A statement, with what comes after it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Step {
    pub(super) label: Note<Label>,
    /// All have to hold; those that look at the prefix come last.
    pub(super) matches: Vec<Test>,
    /// None may hold; those that look at the prefix come last.
    pub(super) unless: Vec<Test>,
    pub(super) changes: Vec<Change>,
    pub(super) then: Then,
    pub(super) action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Then {
    Accept,
    Reject,
    /// On to this step, which is a later one.
    Go(usize),
}

impl Program {
    pub(super) fn new(links: &[Link]) -> Program {
        let mut program =
            Program { steps: Vec::new(), default_local_pref: DEFAULT_LOCAL_PREF, names: Note(Vec::new()) };
        for link in links {
            let (name, statements) = match link {
                Link::Accept | Link::Reject => {
                    let (name, then, action) = match link {
                        Link::Accept => ("accept", Then::Accept, Action::Accept),
                        _ => ("reject", Then::Reject, Action::Reject),
                    };
                    let label = Label { policy: name.to_owned(), statement: 1, name: None, line: 0 };
                    let (matches, unless, changes) = (Vec::new(), Vec::new(), Vec::new());
                    program.names.0.push(Arc::from(name));
                    program.steps.push(Step { label: Note(label), matches, unless, changes, then, action });
                    continue;
                }
                Link::Policy(definition) => (Arc::clone(&definition.name), &definition.statements),
            };
            program.names.0.push(name);
            let first = program.steps.len();
            for (index, statement) in statements.iter().enumerate() {
                let sorted = |tests: &[Test]| {
                    let mut tests = tests.to_vec();
                    tests.sort_by_key(|test| test.condition.cost());
                    tests
                };
                program.steps.push(Step {
                    label: statement.label.clone(),
                    matches: sorted(&statement.matches),
                    unless: sorted(&statement.unless),
                    changes: statement.changes.clone(),
                    then: match statement.action {
                        Action::Accept => Then::Accept,
                        Action::Reject => Then::Reject,
                        Action::Next => Then::Go(first + index + 1),
                        Action::NextPolicy => Then::Go(first + statements.len()),
                    },
                    action: statement.action,
                });
            }
        }
        program
    }

    /// The names of the policies.
    pub fn names(&self) -> Vec<&str> {
        self.names.0.iter().map(|name| &**name).collect()
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// No statement at all: everything is rejected.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// As it is on one session; `None` if that makes no difference.
    pub(super) fn bind(&self, session: &PolicySession) -> Option<Program> {
        let mut changed = session.default_local_pref != self.default_local_pref;
        let mut steps = Vec::with_capacity(self.steps.len());
        // Where each of the old steps is now, or the next one that is left.
        let mut places = Vec::with_capacity(self.steps.len() + 1);
        for step in &self.steps {
            places.push(steps.len());
            match step.bind(session, &mut changed) {
                Some(step) => steps.push(step),
                None => changed = true,
            }
        }
        places.push(steps.len());
        if !changed {
            return None;
        }
        for step in &mut steps {
            if let Then::Go(to) = &mut step.then {
                *to = places.get(*to).copied().unwrap_or(usize::MAX);
            }
        }
        Some(Program { steps, default_local_pref: session.default_local_pref, names: self.names.clone() })
    }

    /// The first stage.
    pub(super) fn evaluate(this: &Shared<Program>, route: PolicyRoute) -> Evaluation {
        let modified =
            Modified { attributes: Arc::clone(&route.attributes), next_hop: NextHopChange::Usual, sets_med: false };
        let Branches { branches, otherwise } = this.run(0, &route, Working { modified, changed: false });
        if branches.is_empty() {
            return Evaluation::Decided(otherwise);
        }
        let branches = Branches { branches, otherwise };
        Evaluation::PerPrefix(Box::new(PerPrefix { program: this.clone(), route, branches }))
    }

    /// From the step at `index` to the end, as far as it does not depend on the prefix.
    fn run(&self, mut index: usize, route: &PolicyRoute, mut working: Working) -> Branches {
        let mut branches = Vec::new();
        let otherwise = loop {
            let Some(step) = self.steps.get(index) else { break PolicyVerdict::Reject };
            let looks_at_prefix = match step.holds(&self.view(route, &working)) {
                Holds::No => {
                    index += 1;
                    continue;
                }
                Holds::Yes => false,
                Holds::DependsOnPrefix => true,
            };
            if looks_at_prefix {
                let no_effect = step.changes.is_empty() && step.then == Then::Go(index + 1);
                if !no_effect {
                    branches.push(Branch { step: index, working: working.clone(), outcome: OnceLock::new() });
                }
                index += 1;
                continue;
            }
            working.apply(step, self.default_local_pref);
            match step.then {
                Then::Accept => break working.accepted(),
                Then::Reject => break PolicyVerdict::Reject,
                Then::Go(next) => index = next,
            }
        };
        Branches { branches, otherwise }
    }

    /// What comes of a step that matches after all.
    fn run_from_match(&self, branch: &Branch, route: &PolicyRoute) -> Outcome {
        let Some(step) = self.steps.get(branch.step) else { return Outcome::Verdict(PolicyVerdict::Reject) };
        let mut working = branch.working.clone();
        working.apply(step, self.default_local_pref);
        match step.then {
            Then::Accept => Outcome::Verdict(working.accepted()),
            Then::Reject => Outcome::Verdict(PolicyVerdict::Reject),
            Then::Go(next) => Outcome::More(self.run(next, route, working)),
        }
    }

    fn view<'a>(&self, route: &PolicyRoute, working: &'a Working) -> View<'a> {
        View {
            family: route.family,
            source: route.source,
            attributes: &working.modified.attributes,
            next_hop: route.next_hop,
            default_local_pref: self.default_local_pref,
        }
    }
}

/// What a step's conditions come to without the prefix.
enum Holds {
    Yes,
    No,
    DependsOnPrefix,
}

impl Step {
    fn holds(&self, view: &View<'_>) -> Holds {
        let mut depends = false;
        for test in &self.matches {
            match &test.condition {
                Condition::Prefix(set) if set.has_family(view.family) => depends = true,
                // A set without prefixes of the family holds none of them.
                condition if condition.holds(view) => {}
                _ => return Holds::No,
            }
        }
        for test in &self.unless {
            match &test.condition {
                Condition::Prefix(set) if set.has_family(view.family) => depends = true,
                condition if condition.holds(view) => return Holds::No,
                _ => {}
            }
        }
        if depends { Holds::DependsOnPrefix } else { Holds::Yes }
    }

    /// The prefix's part of the conditions; the rest has been seen to.
    fn holds_for(&self, prefix: Prefix) -> bool {
        let of_prefix = |test: &&Test| test.condition.looks_at_prefix();
        self.matches.iter().rev().take_while(of_prefix).all(|test| test.condition.holds_for(prefix))
            && !self.unless.iter().rev().take_while(of_prefix).any(|test| test.condition.holds_for(prefix))
    }

    /// As it is on one session; `None` if it never matches there.
    fn bind(&self, session: &PolicySession, changed: &mut bool) -> Option<Step> {
        let mut step = Step { matches: Vec::new(), unless: Vec::new(), changes: Vec::new(), ..self.clone() };
        for (tests, wanted, kept) in [(&self.matches, true, &mut step.matches), (&self.unless, false, &mut step.unless)]
        {
            for test in tests {
                match test.condition.on_session(session) {
                    Some(holds) if holds != wanted => return None,
                    Some(_) => *changed = true,
                    None => {
                        let bound = test.condition.bound(session);
                        *changed |= bound.is_some();
                        let condition = bound.unwrap_or_else(|| test.condition.clone());
                        kept.push(Test { condition, text: test.text.clone() });
                    }
                }
            }
        }
        for change in &self.changes {
            let bound = change.bound(session);
            *changed |= bound.is_some();
            step.changes.push(bound.unwrap_or_else(|| change.clone()));
        }
        Some(step)
    }
}

/// A route on its way through a program.
#[derive(Clone, Debug)]
struct Working {
    modified: Modified,
    changed: bool,
}

impl Working {
    fn apply(&mut self, step: &Step, default_local_pref: u32) {
        for change in &step.changes {
            change.apply(&mut self.modified, default_local_pref);
            self.changed = true;
        }
    }

    fn accepted(self) -> PolicyVerdict {
        if self.changed { PolicyVerdict::Modify(Arc::new(self.modified)) } else { PolicyVerdict::Accept }
    }
}

/// What the first stage found out about routes with one attribute set.
#[derive(Debug)]
pub enum Evaluation {
    /// The same for every prefix.
    Decided(PolicyVerdict),
    /// It depends on the prefix.
    PerPrefix(Box<PerPrefix>),
}

impl Evaluation {
    /// The second stage: what becomes of the route to `prefix`, which is of the route's family. Equal answers that were worked out once are the same
    /// `Arc`, so that a caller can tell by pointer.
    pub fn verdict(&self, prefix: Prefix) -> &PolicyVerdict {
        match self {
            Evaluation::Decided(verdict) => verdict,
            Evaluation::PerPrefix(rest) => rest.verdict(prefix),
        }
    }
}

/// The statements that are left to ask about a prefix, for routes with one attribute set. What a statement does when it
/// matches is worked out when the first prefix gets there, and kept.
#[derive(Debug)]
pub struct PerPrefix {
    program: Shared<Program>,
    route: PolicyRoute,
    branches: Branches,
}

#[derive(Debug)]
struct Branches {
    /// In order; the first whose prefix conditions hold decides.
    branches: Vec<Branch>,
    /// If none does.
    otherwise: PolicyVerdict,
}

#[derive(Debug)]
struct Branch {
    step: usize,
    /// The route when it gets to the step.
    working: Working,
    outcome: OnceLock<Outcome>,
}

#[derive(Debug)]
enum Outcome {
    Verdict(PolicyVerdict),
    /// The step changed something and went on.
    More(Branches),
}

impl PerPrefix {
    fn verdict(&self, prefix: Prefix) -> &PolicyVerdict {
        let mut branches = &self.branches;
        loop {
            let holds =
                |branch: &&Branch| self.program.steps.get(branch.step).is_some_and(|step| step.holds_for(prefix));
            let Some(branch) = branches.branches.iter().find(holds) else { return &branches.otherwise };
            match branch.outcome.get_or_init(|| self.program.run_from_match(branch, &self.route)) {
                Outcome::Verdict(verdict) => return verdict,
                Outcome::More(more) => branches = more,
            }
        }
    }
}
