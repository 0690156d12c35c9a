//! Switches that more than one bridge claims to be. A database speaks for its own bridges alone, and of two that have the same datapath id nobody
//! can tell which one is connected: what is said of such a switch does not count, neither way.

use std::collections::{BTreeMap, BTreeSet};

use net::DatapathId;

use crate::config::Connect;

/// Claimants that are named.
const NAMED: usize = 4;

/// Who claims what.
#[derive(Debug, Default)]
pub(super) struct Claims {
    contested: BTreeSet<DatapathId>,
}

impl Claims {
    /// All bridges, with their databases and names. What is different: the claimants of a switch that is contested now, none if it is not any more.
    pub(super) fn update<'a>(
        &mut self,
        bridges: impl Iterator<Item = (DatapathId, &'a Connect, &'a str)>,
    ) -> Vec<(DatapathId, Option<String>)> {
        let mut claims: BTreeMap<DatapathId, Vec<(&Connect, &str)>> = BTreeMap::new();
        for (datapath_id, database, name) in bridges {
            claims.entry(datapath_id).or_default().push((database, name));
        }
        claims.retain(|_, claimants| claimants.len() > 1);
        let over = self.contested.iter().filter(|id| !claims.contains_key(id)).map(|id| (*id, None));
        let new = claims.iter().filter(|(id, _)| !self.contested.contains(id)).map(|(id, claimants)| {
            let words = claimants.iter().take(NAMED).map(|(database, name)| format!("{name} in {database}"));
            (*id, Some(words.collect::<Vec<_>>().join(", ")))
        });
        let news = over.chain(new).collect();
        self.contested = claims.into_keys().collect();
        news
    }

    /// Whether it is more than one bridge.
    pub(super) fn is_contested(&self, datapath_id: DatapathId) -> bool {
        self.contested.contains(&datapath_id)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_switch_that_two_bridges_claim_to_be_is_neither_until_one_goes() {
        let [owner, other] = ["/owner", "/other"].map(|path| Connect::Unix(PathBuf::from(path)));
        let (mut claims, switch) = (Claims::default(), DatapathId(1));
        assert_eq!(claims.update([(switch, &owner, "br0")].into_iter()), []);
        let both = [(switch, &owner, "br0"), (DatapathId(2), &owner, "br1"), (switch, &other, "br7")];
        let words = format!("br0 in {owner}, br7 in {other}");
        assert_eq!(claims.update(both.into_iter()), [(switch, Some(words))]);
        assert_eq!(claims.update(both.into_iter()), [], "told once");
        assert!(claims.is_contested(switch) && !claims.is_contested(DatapathId(2)));
        assert_eq!(claims.update([(switch, &owner, "br0")].into_iter()), [(switch, None)]);
        assert!(!claims.is_contested(switch));
        let twice = [(switch, &other, "br7"), (switch, &other, "br8")];
        assert_eq!(claims.update(twice.into_iter()).len(), 1, "also in one database");
    }
}
