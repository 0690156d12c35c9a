//! `controller(…)` with properties (`NXAST_CONTROLLER2`).

use bytes::Bytes;

use crate::number::numbers;
use crate::packet::PacketInReason;

numbers! {
    /// The type of a property of `NXAST_CONTROLLER2` (`enum nx_action_controller2_prop_type`).
    values ControllerPropertyType(u16) {
        MAX_LEN = 0, "NXAC2PT_MAX_LEN";
        CONTROLLER_ID = 1, "NXAC2PT_CONTROLLER_ID";
        REASON = 2, "NXAC2PT_REASON";
        USERDATA = 3, "NXAC2PT_USERDATA";
        PAUSE = 4, "NXAC2PT_PAUSE";
        METER_ID = 5, "NXAC2PT_METER_ID";
    }
}

/// One property of a [`NiciraAction::Controller2`](crate::nicira::NiciraAction::Controller2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ControllerProperty {
    /// Octets of the packet to send; all of them where this is missing.
    MaxLen(u16),
    /// To which controller; 0 where this is missing.
    ControllerId(u16),
    /// The reason that the packet-in has; [`PacketInReason::ACTION`] where this is missing.
    Reason(PacketInReason),
    /// Octets that the packet-in repeats.
    Userdata(Bytes),
    /// The pipeline stops, and the controller resumes it.
    Pause,
    /// The meter that the packet-in goes through; the controller's own where this is missing.
    MeterId(u32),
    /// A property of another type, as data.
    Unknown {
        /// The type.
        property_type: ControllerPropertyType,
        /// What follows the 4-octet header, without the padding.
        body: Bytes,
    },
}
