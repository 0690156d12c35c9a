//! Links that have come and are not used yet: by which of them would something go wrong?

use std::collections::BTreeSet;
use std::sync::Arc;

use net::PortId;

use super::{Finding, Question, Verdict};

/// A link by which something gets worse.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedLink {
    /// The lower one first.
    pub ends: [PortId; 2],
    /// What gets worse.
    pub findings: Vec<Finding>,
}

/// Which of the links that `asked` withholds would make something worse: all together first, and where that is not well one after the other, each with
/// those before it that are well. `made_worse` is asked from one question to the other ([`super::made_worse`]). What there is no time for is taken to be well.
pub fn refused_links(
    asked: &Question,
    mut made_worse: impl FnMut(&Question, &Question) -> Verdict,
    go_on: &dyn Fn() -> bool,
) -> Vec<RefusedLink> {
    let withholding = |withheld: &BTreeSet<PortId>| Question {
        weights: Arc::new(asked.weights.withholding(withheld.clone())),
        ..asked.clone()
    };
    if made_worse(asked, &withholding(&BTreeSet::new())).wrong.is_empty() {
        return Vec::new();
    }
    let links = asked.network.bidirectional_links().map(|link| [link.source, link.target]);
    let mut withheld = asked.weights.withheld().clone();
    let links: Vec<[PortId; 2]> = links.filter(|[low, _]| withheld.contains(low)).collect();
    let mut refused = Vec::new();
    for ends in links {
        if !go_on() {
            break;
        }
        let after: BTreeSet<PortId> = withheld.iter().copied().filter(|port| !ends.contains(port)).collect();
        let findings = made_worse(&withholding(&withheld), &withholding(&after)).wrong;
        match findings.is_empty() {
            true => withheld = after,
            false => refused.push(RefusedLink { ends, findings }),
        }
    }
    refused
}
