//! Links that come while the network runs are looked at before they are used: see `core::candidates`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use net::PortId;
use tokio::sync::mpsc;

use super::{Kept, within};
use crate::io::fabric::{About, HappeningKind, Happenings, LinkAnswer, LinkQuestions};
use crate::verdict::{Finding, Question, RefusedLink, refused_links};

/// A look at links takes so long at most: the core waits for a second.
const LOOK_LIMIT: Duration = Duration::from_millis(800);

/// What is told of a link that was refused.
const WELL: &str = "nothing goes wrong by the link any more: it is used";

/// Answers as long as somebody asks. Of links that are refused it tells why, and once more when they are well.
pub(crate) async fn answer(
    mut questions: LinkQuestions,
    answers: mpsc::Sender<LinkAnswer>,
    happenings: Arc<Happenings>,
    kept: Arc<Kept>,
) {
    let mut told: BTreeSet<PortId> = BTreeSet::new();
    while questions.changed().await.is_ok() {
        let Some(asked) = questions.borrow_and_update().clone() else { continue };
        let (number, question, kept) = (asked.number, Question::from(&*asked), kept.clone());
        let withheld = question.weights.withheld().clone();
        let Ok(refused) = tokio::task::spawn_blocking(move || look(&question, &kept)).await else { continue };
        let wrong: BTreeSet<PortId> = refused.iter().flat_map(|refused| refused.ends).collect();
        for RefusedLink { ends: [low, high], findings } in &refused {
            if told.insert(*low) {
                let lines: Vec<String> = findings.iter().flat_map(Finding::lines).collect();
                let what =
                    format!("the link to {high} is not used, for by it packets would go wrong: {}", lines.join("\n"));
                tracing::warn!(port = %low, "verify: {what}");
                happenings.push(About::new(HappeningKind::Verify).at_port(*low), || what);
            }
        }
        for port in told.iter().filter(|port| withheld.contains(port) && !wrong.contains(port)) {
            tracing::info!(%port, "verify: {WELL}");
            happenings.push(About::new(HappeningKind::Verify).at_port(*port), || WELL.to_owned());
        }
        told.retain(|port| wrong.contains(port));
        if answers.send((number, wrong)).await.is_err() {
            return;
        }
    }
}

fn look(question: &Question, kept: &Kept) -> Vec<RefusedLink> {
    let go_on = within(LOOK_LIMIT);
    let made_worse =
        |before: &Question, after: &Question| kept.with(before, |standing| standing.made_worse(after, &go_on));
    refused_links(question, made_worse, &go_on)
}
