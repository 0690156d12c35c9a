//! The update groups: one for each set of terms that some session has.

use crate::export::{ExportTerms, UpdateGroup};
use std::collections::BTreeMap;

/// An update group's number. A session keeps it: terms are compared when a session comes up or its terms change, and not
/// for each route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct GroupId(u64);

#[derive(Debug, Default)]
pub(super) struct Groups {
    by_terms: BTreeMap<ExportTerms, GroupId>,
    groups: BTreeMap<GroupId, UpdateGroup>,
    last: u64,
}

impl Groups {
    pub(super) fn get(&self, id: GroupId) -> Option<&UpdateGroup> {
        self.groups.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: GroupId) -> Option<&mut UpdateGroup> {
        self.groups.get_mut(&id)
    }

    /// The one with these terms, which there is from here on.
    pub(super) fn with_terms(&mut self, terms: &ExportTerms) -> (GroupId, &mut UpdateGroup) {
        let id = match self.by_terms.get(terms) {
            Some(id) => *id,
            None => {
                self.last += 1;
                self.by_terms.insert(terms.clone(), GroupId(self.last));
                GroupId(self.last)
            }
        };
        (id, self.groups.entry(id).or_insert_with(|| UpdateGroup::new(terms.clone())))
    }

    /// Takes a group away if it has no members.
    pub(super) fn take_if_empty(&mut self, id: GroupId) -> Option<UpdateGroup> {
        self.groups.get(&id).filter(|group| group.is_empty())?;
        let group = self.groups.remove(&id)?;
        self.by_terms.remove(group.terms());
        Some(group)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &UpdateGroup> {
        self.groups.values()
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }
}
