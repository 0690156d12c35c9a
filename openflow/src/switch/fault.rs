//! Error codes that OpenFlow 1.3 doesn't have and Open vSwitch gives on it: those of experimenters (ofp-errors(7)).

use crate::error::{ErrorCode, ErrorMessage, ErrorType};
use crate::nicira::NICIRA_EXPERIMENTER;
use crate::oxm::EXPERIMENTER_ONF;
use bytes::{BufMut, Bytes, BytesMut};

const fn experimenter(code: u16) -> ErrorCode {
    ErrorCode { error_type: ErrorType::EXPERIMENTER, code }
}

/// `NXBAC_BAD_CONJUNCTION`.
pub(crate) const BAD_CONJUNCTION: ErrorCode = experimenter(15);
/// `NXFMFC_INVALID_TLV_FIELD`: an option of tunnels that nobody has mapped.
pub(crate) const INVALID_TLV_FIELD: ErrorCode = experimenter(37);
/// `NXBAC_CT_DATAPATH_SUPPORT`: connection tracking that the datapath hasn't.
pub(crate) const CT_DATAPATH_SUPPORT: ErrorCode = experimenter(42);
/// `OFPBFC_BAD_ID`, and others of the ONF's bundles.
pub(crate) const BUNDLE_BAD_ID: ErrorCode = experimenter(2302);
pub(crate) const BUNDLE_CLOSED: ErrorCode = experimenter(2304);
pub(crate) const BUNDLE_OUT_OF_BUNDLES: ErrorCode = experimenter(2305);
pub(crate) const BUNDLE_BAD_TYPE: ErrorCode = experimenter(2306);
pub(crate) const BUNDLE_BAD_FLAGS: ErrorCode = experimenter(2307);
pub(crate) const BUNDLE_MSG_UNSUP: ErrorCode = experimenter(2310);
pub(crate) const BUNDLE_MSG_TOO_MANY: ErrorCode = experimenter(2312);
pub(crate) const BUNDLE_MSG_FAILED: ErrorCode = experimenter(2313);
pub(crate) const BUNDLE_TIMEOUT: ErrorCode = experimenter(2314);
/// `OFPBIC_DUP_INST`.
pub(crate) const DUP_INST: ErrorCode = experimenter(2600);
/// `OFPBAC_BAD_SET_MASK`.
pub(crate) const BAD_SET_MASK: ErrorCode = experimenter(4250);

/// The ONF's codes are from here on, Nicira's below.
const FIRST_OF_ONF: u16 = 2300;

/// The error message for a code: with the experimenter's id before the data where the code is one of an experimenter.
pub(crate) fn message(code: ErrorCode, data: Bytes) -> ErrorMessage {
    if code.error_type != ErrorType::EXPERIMENTER {
        return ErrorMessage::new(code, data);
    }
    let id = if code.code >= FIRST_OF_ONF { EXPERIMENTER_ONF } else { NICIRA_EXPERIMENTER };
    let mut octets = BytesMut::with_capacity(4 + data.len());
    octets.put_u32(id);
    octets.extend_from_slice(&data);
    ErrorMessage::new(code, octets.freeze())
}
