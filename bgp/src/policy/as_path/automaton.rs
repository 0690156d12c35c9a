//! Syntax tree to nondeterministic automaton (Thompson's construction) to a table of states (subset construction). The
//! table is for searching: once the expression has matched, the rest of the path does not matter.

use super::super::ParseError;
use super::parse::Node;
use crate::wire::{AsPath, SegmentKind};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Most entries of a table: states times kinds of AS numbers that the expression tells apart. 128 KiB; no expression of
/// practice has a hundredth of it.
pub const TABLE_LIMIT: usize = 1 << 16;
/// Most steps of the automaton before the table: bounds the time that making the table takes.
const STEP_LIMIT: usize = 1024;

/// The table. State 0 is the first one.
#[derive(Debug)]
pub(super) struct Automaton {
    /// Where each stretch of AS numbers begins, ascending from 0, and the kind of the numbers in it.
    stretches: Vec<(u32, u16)>,
    kinds: usize,
    /// `state * kinds + kind` to the next state.
    next: Vec<u16>,
    ends: Vec<Ending>,
}

/// What a state says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// The path does not match if it ends here.
    Open,
    /// The path matches if it ends here.
    MatchesHere,
    /// The path matches, whatever comes.
    Matched,
    /// No path matches from here.
    Failed,
}

impl Automaton {
    pub(super) fn new(node: &Node) -> Result<Automaton, ParseError> {
        let mut builder = Builder::default();
        builder.add(Step::Matched)?;
        let start = builder.build(node, MATCHED)?;
        let (stretches, kinds) = stretches(&builder.classes);
        builder.table(start, stretches, kinds)
    }

    pub(super) fn matches(&self, path: &AsPath) -> bool {
        // One state, but for what an AS_SET leaves open.
        let mut states: SmallVec<[u16; 4]> = SmallVec::from_slice(&[0]);
        for segment in path.segments() {
            match segment.kind {
                SegmentKind::AsConfedSequence | SegmentKind::AsConfedSet => {}
                SegmentKind::AsSequence => {
                    for asn in segment.asns() {
                        let kind = self.kind(asn.0);
                        states.iter_mut().for_each(|state| *state = self.step(*state, kind));
                        match states.as_slice() {
                            [state] => match self.end(*state) {
                                Ending::Matched => return true,
                                Ending::Failed => return false,
                                Ending::Open | Ending::MatchesHere => {}
                            },
                            _ => {
                                states.sort_unstable();
                                states.dedup();
                            }
                        }
                    }
                }
                SegmentKind::AsSet => {
                    let mut kinds: SmallVec<[u16; 8]> = segment.asns().map(|asn| self.kind(asn.0)).collect();
                    kinds.sort_unstable();
                    kinds.dedup();
                    states =
                        states.iter().flat_map(|state| kinds.iter().map(|kind| self.step(*state, *kind))).collect();
                    states.sort_unstable();
                    states.dedup();
                }
            }
        }
        states.iter().any(|state| matches!(self.end(*state), Ending::Matched | Ending::MatchesHere))
    }

    fn kind(&self, asn: u32) -> u16 {
        let after = self.stretches.partition_point(|(start, _)| *start <= asn);
        after.checked_sub(1).and_then(|index| self.stretches.get(index)).map_or(0, |(_, kind)| *kind)
    }

    fn step(&self, state: u16, kind: u16) -> u16 {
        self.next.get(usize::from(state) * self.kinds + usize::from(kind)).copied().unwrap_or_default()
    }

    fn end(&self, state: u16) -> Ending {
        self.ends.get(usize::from(state)).copied().unwrap_or(Ending::Failed)
    }
}

/// One step of the nondeterministic automaton; the numbers are those of the steps that follow.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One AS of the class with this number.
    Class { class: usize, next: usize },
    /// Either way.
    Split { one: usize, other: usize },
    /// Only at the beginning.
    Start { next: usize },
    /// Only at the end.
    End { next: usize },
    /// The expression has matched.
    Matched,
}

/// The first step that is added.
const MATCHED: usize = 0;

#[derive(Default)]
struct Builder {
    steps: Vec<Step>,
    /// Different ones.
    classes: Vec<Vec<(u32, u32)>>,
}

fn too_complex() -> ParseError {
    ParseError::new("the AS-path expression is too complex: split it into several")
}

impl Builder {
    fn add(&mut self, step: Step) -> Result<usize, ParseError> {
        if self.steps.len() >= STEP_LIMIT {
            return Err(too_complex());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    /// Steps for `node`, after which comes `next`. Returns the first.
    fn build(&mut self, node: &Node, next: usize) -> Result<usize, ParseError> {
        match node {
            Node::Start => self.add(Step::Start { next }),
            Node::End => self.add(Step::End { next }),
            Node::Class(ranges) => {
                let known = self.classes.iter().position(|class| class == ranges);
                let class = known.unwrap_or_else(|| {
                    self.classes.push(ranges.clone());
                    self.classes.len() - 1
                });
                self.add(Step::Class { class, next })
            }
            Node::Sequence(nodes) => nodes.iter().rev().try_fold(next, |next, node| self.build(node, next)),
            Node::Either(nodes) => {
                let mut branches = nodes.iter().rev();
                let Some(last) = branches.next() else { return Ok(next) };
                let mut first = self.build(last, next)?;
                for branch in branches {
                    let one = self.build(branch, next)?;
                    first = self.add(Step::Split { one, other: first })?;
                }
                Ok(first)
            }
            Node::Repeat { node, min, max } => {
                let mut first = next;
                match max {
                    None => {
                        // The loop's step is needed before what it loops over.
                        let split = self.add(Step::Split { one: next, other: next })?;
                        let inside = self.build(node, split)?;
                        if let Some(step) = self.steps.get_mut(split) {
                            *step = Step::Split { one: inside, other: next };
                        }
                        first = split;
                    }
                    Some(max) => {
                        for _ in *min..*max {
                            let one = self.build(node, first)?;
                            first = self.add(Step::Split { one, other: next })?;
                        }
                    }
                }
                for _ in 0..*min {
                    // What repeats without a step of its own has said everything the first time.
                    let before = self.steps.len();
                    first = self.build(node, first)?;
                    if self.steps.len() == before {
                        break;
                    }
                }
                Ok(first)
            }
        }
    }

    /// All steps that `from` leads to without an AS, sorted. Those that wait for the end stay in it.
    fn closure(&self, from: impl IntoIterator<Item = usize>, at_start: bool, at_end: bool) -> Vec<usize> {
        let mut seen = vec![false; self.steps.len()];
        let mut open: Vec<usize> = from.into_iter().collect();
        let mut found = Vec::new();
        while let Some(index) = open.pop() {
            let Some(seen) = seen.get_mut(index) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            match self.steps.get(index) {
                Some(Step::Split { one, other }) => open.extend([*one, *other]),
                Some(Step::Start { next }) if at_start => open.push(*next),
                Some(Step::End { next }) => {
                    found.push(index);
                    if at_end {
                        open.push(*next);
                    }
                }
                Some(Step::Class { .. } | Step::Matched) => found.push(index),
                Some(Step::Start { .. }) | None => {}
            }
        }
        found.sort_unstable();
        found
    }

    /// A bit for each step.
    fn bits(&self, steps: &[usize]) -> Bits {
        let mut bits = vec![0; self.steps.len().div_ceil(64)].into_boxed_slice();
        for &index in steps {
            if let Some(word) = bits.get_mut(index / 64) {
                *word |= 1 << (index % 64);
            }
        }
        bits
    }

    /// The steps that `is` says yes to.
    fn steps_that(&self, mut is: impl FnMut(usize, Step) -> bool) -> Bits {
        let found = self.steps.iter().enumerate().filter(|(index, step)| is(*index, **step));
        self.bits(&found.map(|(index, _)| index).collect::<Vec<_>>())
    }

    /// Whether the expression has matched when the path ends where these steps wait.
    fn matches_at_end(&self, from: impl IntoIterator<Item = usize>, at_start: bool) -> bool {
        self.closure(from, at_start, true).contains(&MATCHED)
    }

    fn table(&self, start: usize, stretches: Stretches, kinds: Vec<Vec<bool>>) -> Result<Automaton, ParseError> {
        // A search may begin at any place.
        let anywhere = self.bits(&self.closure([start], false, false));
        let first = self.bits(&self.closure([start], true, false));
        let matched = self.bits(&[MATCHED]);
        // Worked out once for each step: a table has many times more entries than there are steps.
        let after: Vec<Option<Bits>> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Class { next, .. } => Some(self.bits(&self.closure([*next], false, false))),
                Step::Split { .. } | Step::Start { .. } | Step::End { .. } | Step::Matched => None,
            })
            .collect();
        let takers: Vec<Bits> = kinds
            .iter()
            .map(|kind| {
                let takes = |class: usize| kind.get(class).copied().unwrap_or(false);
                self.steps_that(|_, step| matches!(step, Step::Class { class, .. } if takes(class)))
            })
            .collect();
        let last = self.steps_that(|index, _| self.matches_at_end([index], false));
        // Looked up, never iterated over. The first state stands apart: `^` holds there only.
        let mut numbers: HashMap<Bits, u16> = HashMap::new();
        let mut states = vec![first];
        let (mut next, mut ends) = (Vec::new(), Vec::new());
        let (mut index, mut target) = (0, anywhere.clone());
        while let Some(state) = states.get(index).cloned() {
            if (index + 1) * kinds.len() > TABLE_LIMIT || index >= usize::from(u16::MAX) {
                return Err(too_complex());
            }
            let has_matched = meet(&state, &matched);
            ends.push(if has_matched {
                Ending::Matched
            } else if state.iter().all(|word| *word == 0) {
                Ending::Failed
            } else if meet(&state, &last) || (index == 0 && self.matches_at_end(members(&state), true)) {
                Ending::MatchesHere
            } else {
                Ending::Open
            });
            for takers in &takers {
                if has_matched {
                    target.copy_from_slice(&state);
                } else {
                    target.copy_from_slice(&anywhere);
                    let stepped = state.iter().zip(takers).map(|(state, takers)| state & takers);
                    for after in members_of(stepped).filter_map(|index| after.get(index)?.as_ref()) {
                        target.iter_mut().zip(after).for_each(|(target, after)| *target |= after);
                    }
                    // Whatever else might come of it: it has matched.
                    if meet(&target, &matched) {
                        target.copy_from_slice(&matched);
                    }
                }
                let number = match numbers.get(&target) {
                    Some(number) => *number,
                    None => {
                        states.push(target.clone());
                        let number = u16::try_from(states.len() - 1).unwrap_or(u16::MAX);
                        numbers.insert(target.clone(), number);
                        number
                    }
                };
                next.push(number);
            }
            index += 1;
        }
        Ok(Automaton { stretches, kinds: kinds.len(), next, ends })
    }
}

/// Steps, a bit for each.
type Bits = Box<[u64]>;

fn meet(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).any(|(one, other)| one & other != 0)
}

fn members(bits: &[u64]) -> impl Iterator<Item = usize> + '_ {
    members_of(bits.iter().copied())
}

/// The numbers of the bits that are set, ascending.
fn members_of(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(index, word)| {
        let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
        rests.take_while(|rest| *rest != 0).map(move |rest| index * 64 + rest.trailing_zeros() as usize)
    })
}

type Stretches = Vec<(u32, u16)>;

/// Tells AS numbers apart as far as the classes do: stretches of numbers with their kind, and for each kind which
/// classes it is in.
fn stretches(classes: &[Vec<(u32, u32)>]) -> (Stretches, Vec<Vec<bool>>) {
    let edges = |(first, last): &(u32, u32)| [Some(*first), last.checked_add(1)];
    let mut starts: Vec<u32> = classes.iter().flatten().flat_map(edges).flatten().chain([0]).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut kinds: Vec<Vec<bool>> = Vec::new();
    let mut out: Stretches = Vec::new();
    for start in starts {
        let inside = |class: &Vec<(u32, u32)>| {
            let after = class.partition_point(|(first, _)| *first <= start);
            after.checked_sub(1).and_then(|index| class.get(index)).is_some_and(|(_, last)| start <= *last)
        };
        let signature: Vec<bool> = classes.iter().map(inside).collect();
        let known = kinds.iter().position(|kind| *kind == signature);
        let kind = known.unwrap_or_else(|| {
            kinds.push(signature);
            kinds.len() - 1
        });
        let kind = u16::try_from(kind).unwrap_or(u16::MAX);
        if out.last().is_none_or(|(_, last)| *last != kind) {
            out.push((start, kind));
        }
    }
    (out, kinds)
}
