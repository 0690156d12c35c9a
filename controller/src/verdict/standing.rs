//! The rules of a network as they were looked at last, ready to be asked about a change: what is different is translated, and only packets that it can
//! touch are looked at.

#[cfg(test)]
mod tests;

use super::{Finding, Question, Translated, Verdict, finding};
use crate::verify::{CUT_SHORT, Header, Problem};

/// A configuration in a network, in the verifier's terms. Takes about a kilobyte for each rule.
#[derive(Clone)]
pub struct Standing {
    translated: Translated,
    question: Question,
}

impl Standing {
    /// From nothing.
    pub fn new(question: &Question) -> Standing {
        let mut translated = Translated::new();
        for change in translated.follow(None, question).changes {
            translated.verifier.apply(change);
        }
        Standing { translated, question: question.clone() }
    }

    /// Another configuration or another network counts from now on. Nothing is looked at.
    pub fn follow(&mut self, question: &Question) {
        for change in self.translated.follow(Some(&self.question), question).changes {
            self.translated.verifier.apply(change);
        }
        self.question = question.clone();
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.translated.verifier.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is wrong with any packet, as long as `go_on` says so: what was not looked at is not proven.
    pub fn look(&mut self, go_on: &dyn Fn() -> bool) -> Verdict {
        let problems = self.translated.verifier.all_while(go_on);
        self.verdict(&problems, go_on).0
    }

    /// What `new` does wrong, and what counted until now did not: who makes a change is not blamed for what was there before. `new` counts from now on, whatever the
    /// answer; go back with [`Standing::follow`]. Looks at packets that the change can touch, and at all of them where links, edges or groups are others.
    pub fn made_worse(&mut self, new: &Question, go_on: &dyn Fn() -> bool) -> Verdict {
        let old = self.question.clone();
        let (mut verdict, examples) = self.step(new, go_on);
        if verdict.wrong.is_empty() {
            return verdict;
        }
        let (before, _) = self.step(&old, go_on);
        let is_cut_short = before.not_proven.iter().any(|finding| finding.what == CUT_SHORT);
        let wrong = std::mem::take(&mut verdict.wrong);
        for (finding, example) in wrong.into_iter().zip(examples) {
            let same_packet = self.about(example.as_ref());
            let mut known = before.wrong.iter().chain(&same_packet);
            if known.any(|other| other.is_like(&finding)) {
                continue;
            }
            // Something of the kind was wrong with it, and not all of that is known.
            match is_cut_short && same_packet.iter().any(|other| other.kind == finding.kind) {
                true => verdict.not_proven.push(finding),
                false => verdict.wrong.push(finding),
            }
        }
        self.follow(new);
        verdict
    }

    /// Goes to another question, and looks at what that touches. With each thing that is wrong the packet that shows it.
    fn step(&mut self, to: &Question, go_on: &dyn Fn() -> bool) -> (Verdict, Vec<Option<Header>>) {
        let difference = self.translated.follow(Some(&self.question), to);
        self.question = to.clone();
        let verifier = &mut self.translated.verifier;
        let problems = if difference.is_elsewhere {
            difference.changes.into_iter().for_each(|change| verifier.apply(change));
            verifier.all_while(go_on)
        } else {
            verifier.change_all_while(difference.changes, go_on)
        };
        self.verdict(&problems, go_on)
    }

    /// What is wrong with one packet.
    fn about(&self, header: Option<&Header>) -> Vec<Finding> {
        let problems = header.map(|header| self.translated.verifier.about(header)).unwrap_or_default();
        problems.iter().map(|problem| finding(problem, &self.translated, &self.question)).collect()
    }

    fn verdict(&self, problems: &[Problem], go_on: &dyn Fn() -> bool) -> (Verdict, Vec<Option<Header>>) {
        let mut verdict = Verdict {
            generation: self.question.network.generation,
            switches: self.question.network.switches.len(),
            rules: self.len(),
            ..Verdict::default()
        };
        let mut examples = Vec::new();
        for problem in problems {
            let finding = finding(problem, &self.translated, &self.question);
            match problem {
                Problem::NotProven { why, .. } => {
                    verdict.is_unfinished |= *why == CUT_SHORT && !go_on();
                    verdict.not_proven.push(finding);
                }
                Problem::Loop { example, .. }
                | Problem::BlackHole { example, .. }
                | Problem::Isolation { example, .. } => {
                    examples.push(Some(example.header));
                    verdict.wrong.push(finding);
                }
            }
        }
        (verdict, examples)
    }
}
