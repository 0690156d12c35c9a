//! What a switch should have and has, copied piece by piece.

use super::{Reconciler, Session};
use crate::flow::picture::{Copying, Place};
use crate::flow::switch::Op;

impl Reconciler {
    /// Copy the next piece of what a switch should have and has. True when nothing is left.
    pub fn copy_picture(&self, copying: &mut Copying) -> bool {
        let picture = &mut copying.picture;
        let Some(entry) = self.switches.get(&picture.datapath_id) else { return true };
        picture.live = matches!(entry.session, Session::Live);
        picture.held = entry.held;
        match copying.at {
            Place::Groups(after) => {
                let sent = entry.sent.iter().filter_map(|sent| match sent.op {
                    Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) => Some(id),
                    _ => None,
                });
                let unconfirmed = sent.collect();
                let next = entry.flows.picture_groups(after, &unconfirmed, &mut picture.groups);
                copying.at = next.map_or(Place::Meters, |id| Place::Groups(Some(id)));
                false
            }
            Place::Meters => {
                let sent = entry.sent.iter().filter_map(|sent| match sent.op {
                    Op::PutMeter(id) => Some(id),
                    _ => None,
                });
                entry.flows.picture_meters(&sent.collect(), &mut picture.meters);
                picture.features = entry.flows.features().cloned();
                copying.at = Place::Rules(0);
                false
            }
            Place::Rules(from) => {
                let sent = entry.sent.iter().filter_map(|sent| match sent.op {
                    Op::PutRule(at) => Some(at),
                    _ => None,
                });
                let unconfirmed = sent.collect();
                let next = entry.flows.picture_rules(from, &unconfirmed, &mut picture.rules);
                copying.at = Place::Rules(next.unwrap_or(from));
                next.is_none()
            }
        }
    }
}
