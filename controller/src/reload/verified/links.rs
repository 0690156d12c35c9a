//! Links that come while the network runs are looked at before they are used: see `core::candidates`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use net::{PortId, Time};
use tokio::sync::mpsc;

use super::{Kept, within};
use crate::io::fabric::{About, HappeningKind, Happenings, LinkAnswer, LinkQuestions};
use crate::verdict::{Finding, Question, RefusedLink, refused_links};

/// A look at links takes so long at most: the core waits for a second.
const LOOK_LIMIT: Duration = Duration::from_millis(800);

/// What is told of a link that was refused.
const WELL: &str = "nothing goes wrong by the link any more: it is used";

/// What was told of a refused link: since when it was there, and what goes wrong.
type Told = (Time, BTreeSet<String>);

/// Answers as long as somebody asks. Of links that are refused it tells why, and once more when they are well. Without time for the whole look there is no answer: what
/// has been refused before stays so.
pub(crate) async fn answer(
    mut questions: LinkQuestions,
    answers: mpsc::Sender<LinkAnswer>,
    happenings: Arc<Happenings>,
    kept: Arc<Kept>,
) {
    let mut told: BTreeMap<PortId, Told> = BTreeMap::new();
    while questions.changed().await.is_ok() {
        let Some(asked) = questions.borrow_and_update().clone() else { continue };
        let (number, question, kept) = (asked.number, Question::from(&*asked), kept.clone());
        let (network, withheld) = (question.network.clone(), question.weights.withheld().clone());
        let Ok(Some(refused)) = tokio::task::spawn_blocking(move || look(&question, &kept)).await else { continue };
        // Nobody waits for an answer to an older question.
        if questions.has_changed().unwrap_or(false) {
            continue;
        }
        let wrong: BTreeSet<PortId> = refused.iter().flat_map(|refused| refused.ends).collect();
        if answers.send((number, wrong.clone())).await.is_err() {
            return;
        }
        for RefusedLink { ends: [low, high], findings } in &refused {
            let lines: Vec<String> = findings.iter().flat_map(Finding::lines).collect();
            let since = network.links.get(low).map_or(Time::ZERO, |link| link.since);
            let now = (since, lines.iter().cloned().collect());
            if told.get(low) != Some(&now) {
                let what =
                    format!("the link to {high} is not used, for by it packets would go wrong: {}", lines.join("\n"));
                tracing::warn!(port = %low, "verify: {what}");
                happenings.push(About::new(HappeningKind::Verify).at_port(*low), || what);
                told.insert(*low, now);
            }
        }
        for port in told.keys().filter(|port| withheld.contains(port) && !wrong.contains(port)) {
            tracing::info!(%port, "verify: {WELL}");
            happenings.push(About::new(HappeningKind::Verify).at_port(*port), || WELL.to_owned());
        }
        told.retain(|port, _| wrong.contains(port));
    }
}

/// `None` without time for it.
fn look(question: &Question, kept: &Kept) -> Option<Vec<RefusedLink>> {
    let go_on = within(LOOK_LIMIT);
    let made_worse =
        |before: &Question, after: &Question| kept.with(before, |standing| standing.made_worse(after, &go_on));
    let refused = refused_links(question, made_worse, &go_on);
    go_on().then_some(refused)
}
