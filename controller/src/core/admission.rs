//! What the driver knows of a peer before the peer's first message: who it may be, and how long its handshake may take.

use std::sync::Arc;

use net::{DatapathId, Time};

/// The terms on which a connection is taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Admission {
    /// Which switch the peer may be.
    pub datapath_ids: AllowedDatapathIds,
    /// HELLO and FEATURES have to be done by then, if that is earlier than the channel's own limit: a peer that was slow before its first
    /// message (in TLS, say) gets no extra time.
    pub handshake_by: Option<Time>,
}

/// Which datapath ids a peer may claim.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AllowedDatapathIds {
    /// Any: nothing is known of the peer, or nothing is demanded.
    #[default]
    Any,
    /// One of these; its certificate says so. None at all: it is no switch of ours.
    These(Arc<[DatapathId]>),
}

impl AllowedDatapathIds {
    /// Whether the peer may be this switch.
    pub fn contains(&self, datapath_id: DatapathId) -> bool {
        match self {
            AllowedDatapathIds::Any => true,
            AllowedDatapathIds::These(ids) => ids.contains(&datapath_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::{Bytes, BytesMut};
    use openflow::{FeaturesReply, Hello, Message};

    use super::*;
    use crate::core::{CloseCause, ConnectionId, Core, CoreConfig, CoreEvent};

    const ID: ConnectionId = ConnectionId(1);

    fn frame(xid: u32, message: &Message) -> Bytes {
        let mut octets = BytesMut::new();
        message.encode(xid, &mut octets).unwrap();
        octets.freeze()
    }

    /// What the core has sent so far.
    fn answers(core: &mut Core) -> Vec<(u32, Message)> {
        let mut octets = core.take_output(ID).unwrap_or_default();
        let mut messages = Vec::new();
        while let Ok(Some(length)) = openflow::frame_length(&octets) {
            messages.push(Message::decode(&octets.split_to(length)).unwrap());
        }
        messages
    }

    /// Connects on these terms and says it is `datapath_id`; what the core answers, and why it closes if it does.
    fn say(allowed: AllowedDatapathIds, datapath_id: u64) -> (Core, Vec<Message>, Option<CloseCause>) {
        let mut core = Core::new(CoreConfig::default(), Time::ZERO);
        core.handle_admitted(ID, Admission { datapath_ids: allowed, handshake_by: None }, Time::ZERO);
        core.handle_frames(ID, [frame(1, &Message::Hello(Hello::default()))], Time::ZERO);
        let asked = answers(&mut core);
        let xid = asked.iter().find(|(_, message)| matches!(message, Message::FeaturesRequest)).unwrap().0;
        let features = FeaturesReply { datapath_id: DatapathId(datapath_id), ..FeaturesReply::default() };
        core.handle_frames(ID, [frame(xid, &Message::FeaturesReply(features))], Time::ZERO);
        let messages = answers(&mut core).into_iter().map(|(_, message)| message).collect();
        let mut cause = None;
        while let Some(event) = core.poll_event() {
            if let CoreEvent::Close { cause: why, .. } = event {
                cause = Some(why);
            }
        }
        (core, messages, cause)
    }

    #[test]
    fn a_certificate_of_another_switch_is_refused_with_eperm_and_counted() {
        let (core, messages, cause) = say(AllowedDatapathIds::These([DatapathId(7), DatapathId(8)].into()), 9);
        assert_eq!(cause, Some(CloseCause::NotItsCertificate(DatapathId(9))));
        let [Message::Error(error)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(error.code(), openflow::ErrorCode::REQUEST_EPERM);
        assert!(String::from_utf8_lossy(&error.data).contains("certificate"), "{error:?}");
        assert_eq!(core.counters().certificates_refused, 1);
        assert_eq!(core.switches_connected(), 0);
    }

    #[test]
    fn a_certificate_of_the_switch_itself_is_taken_and_so_is_anything_where_nothing_is_demanded() {
        for allowed in [AllowedDatapathIds::These([DatapathId(7), DatapathId(9)].into()), AllowedDatapathIds::Any] {
            let (core, _, cause) = say(allowed, 9);
            assert_eq!((cause, core.switches_connected()), (None, 1));
        }
        assert!(!AllowedDatapathIds::These([].into()).contains(DatapathId(0)));
    }

    #[test]
    fn time_spent_before_the_first_message_is_not_given_again() {
        let mut core = Core::new(CoreConfig::default(), Time::ZERO);
        let by = Time::ZERO + Duration::from_millis(700);
        let admission = Admission { datapath_ids: AllowedDatapathIds::Any, handshake_by: Some(by) };
        core.handle_admitted(ID, admission, Time::ZERO);
        core.handle_timeout(by);
        let closed = std::iter::from_fn(|| core.poll_event()).any(|event| {
            matches!(
                event,
                CoreEvent::Close { cause: CloseCause::Channel(openflow::CloseReason::HandshakeTimeout), .. }
            )
        });
        assert!(closed);
    }
}
