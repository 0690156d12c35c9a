//! Roles: what this controller is to each switch (OpenFlow 1.3.5 §6.3.6).
//!
//! Equal is what every controller is to begin with: nothing is asked for. As master or equal the switch is ours to change. As slave it
//! stands by: the connection is kept, and nothing is changed or learned, because a slave gets no packets and may change nothing.

use std::time::Duration;

use net::{DatapathId, Time};
use openflow::oxm::EXPERIMENTER_ONF;
use openflow::{ControllerRole, ErrorCode, ExperimenterMessage, GenerationId, Message, RequestFailure, RoleMessage};

use super::connection::{Claim, CloseCause, ConnectionId, Question, Stage};
use super::{Core, CoreEvent};

/// How long a switch has to answer a role request. One that doesn't know roles may say nothing.
const ROLE_LIMIT: Duration = Duration::from_secs(10);

/// `ONFT_ROLE_STATUS`: on 1.3 the ONF's extension 191; Open vSwitch tells a master so that another one has come.
const EXP_TYPE_ROLE_STATUS: u32 = 1911;

impl Core {
    /// A switch says of its own accord what this controller is to it now.
    pub(super) fn role_status(&mut self, id: ConnectionId, message: &ExperimenterMessage, now: Time) {
        let ExperimenterMessage { experimenter: EXPERIMENTER_ONF, exp_type: EXP_TYPE_ROLE_STATUS, body } = message
        else {
            return;
        };
        if body.first_chunk().is_some_and(|role| u32::from_be_bytes(*role) == ControllerRole::SLAVE.0) {
            self.stand_by(id, CloseCause::Demoted, now);
        }
    }

    /// Ask for the configured role, unless it is the one that everybody has.
    pub(super) fn claim_role(&mut self, id: ConnectionId) {
        let role = self.config.role;
        if !matches!(role, ControllerRole::MASTER | ControllerRole::SLAVE) {
            return;
        }
        self.request_role(id, role);
    }

    fn request_role(&mut self, id: ConnectionId, role: ControllerRole) {
        let message = Message::RoleRequest(RoleMessage { role, generation_id: self.config.generation_id });
        self.ask(id, Question::Role, &message, ROLE_LIMIT);
    }

    /// Another role from now on, at every switch: after an election, for instance. `false` if the number of the election is stale for
    /// what this controller has said before; then nothing happens.
    pub fn set_role(&mut self, role: ControllerRole, generation_id: u64, now: Time) -> bool {
        if GenerationId(generation_id).is_stale(GenerationId(self.config.generation_id)) {
            return false;
        }
        self.config.role = role;
        self.config.generation_id = generation_id;
        let mains = self.claims.iter().filter(|(claim, _)| claim.auxiliary_id == 0);
        let mains: Vec<ConnectionId> = mains.map(|(_, id)| *id).collect();
        for id in mains {
            self.request_role(id, role);
        }
        self.turn(now);
        true
    }

    /// What this controller is to a connected switch.
    pub fn role(&self, datapath_id: DatapathId) -> Option<ControllerRole> {
        let id = self.claims.get(&Claim { datapath_id, auxiliary_id: 0 })?;
        self.connections.get(id).map(|connection| connection.role)
    }

    /// Connected switches that are not ours to change.
    pub fn switches_standing_by(&self) -> usize {
        let mains = self.claims.iter().filter(|(claim, _)| claim.auxiliary_id == 0).count();
        mains.saturating_sub(self.by_datapath.len())
    }

    /// The switch has given a role, or `why` it did not.
    pub(super) fn role_given(&mut self, id: ConnectionId, role: ControllerRole, why: Option<String>, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(Claim { datapath_id, .. }) = connection.stage.claim() else { return };
        // No change: what it was.
        let role = if role == ControllerRole::NOCHANGE { connection.role } else { role };
        connection.role = role;
        let standing_by = matches!(connection.stage, Stage::Standby { .. });
        self.events.push_back(CoreEvent::RoleGiven { datapath_id, connection: id, role, why });
        if role == ControllerRole::SLAVE {
            self.stand_by(id, CloseCause::Demoted, now);
        } else if standing_by {
            self.describe(id, datapath_id, now);
        } else {
            self.read_back_when_ready(id, now);
        }
    }

    /// The switch has not given the role.
    pub(super) fn role_refused(&mut self, id: ConnectionId, failure: Option<RequestFailure>, now: Time) {
        let (role, why) = match failure {
            None => (ControllerRole::EQUAL, "no answer to the role request".into()),
            Some(RequestFailure::Refused(error)) if error.code() == ErrorCode::ROLE_REQUEST_STALE => {
                // A later master has been elected: the switch is that one's.
                (ControllerRole::SLAVE, "the generation is stale: another master was elected later".into())
            }
            // A switch that doesn't know roles serves everybody alike.
            Some(RequestFailure::Refused(error)) => (ControllerRole::EQUAL, format!("refused: {}", error.code())),
            Some(RequestFailure::TooLong | RequestFailure::NotSent) => {
                (ControllerRole::EQUAL, "the role was not asked for".into())
            }
        };
        self.role_given(id, role, Some(why), now);
    }

    /// The switch is another controller's: it leaves the network, the connection stays.
    pub(super) fn stand_by(&mut self, id: ConnectionId, cause: CloseCause, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(Claim { datapath_id, auxiliary_id: 0 }) = connection.stage.claim() else { return };
        connection.role = ControllerRole::SLAVE;
        let stage = std::mem::replace(&mut connection.stage, Stage::Standby { datapath_id });
        self.leave_network(&stage, datapath_id, cause, now);
    }

    /// What a switch says to a slave: ports and errors, neither of which changes anything here.
    pub(super) fn standby_message(&mut self, message: &Message) {
        if let Message::Error(error) = message {
            self.counters.add_error(error.error_type);
        }
    }
}
