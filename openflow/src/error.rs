//! ERROR messages: types and codes (OpenFlow 1.3.5 §7.5.4).

use bytes::{BufMut, Bytes, BytesMut};
use net::DecodeError;

use crate::number::numbers;
use crate::oxm::{EXPERIMENTER_NICIRA, EXPERIMENTER_ONF};
use crate::wire::Reader;

numbers! {
    /// The type of an error (OpenFlow 1.3.5 §7.5.4, `ofp_error_type`).
    values ErrorType(u16) {
        HELLO_FAILED = 0, "OFPET_HELLO_FAILED";
        BAD_REQUEST = 1, "OFPET_BAD_REQUEST";
        BAD_ACTION = 2, "OFPET_BAD_ACTION";
        BAD_INSTRUCTION = 3, "OFPET_BAD_INSTRUCTION";
        BAD_MATCH = 4, "OFPET_BAD_MATCH";
        FLOW_MOD_FAILED = 5, "OFPET_FLOW_MOD_FAILED";
        GROUP_MOD_FAILED = 6, "OFPET_GROUP_MOD_FAILED";
        PORT_MOD_FAILED = 7, "OFPET_PORT_MOD_FAILED";
        TABLE_MOD_FAILED = 8, "OFPET_TABLE_MOD_FAILED";
        QUEUE_OP_FAILED = 9, "OFPET_QUEUE_OP_FAILED";
        SWITCH_CONFIG_FAILED = 10, "OFPET_SWITCH_CONFIG_FAILED";
        ROLE_REQUEST_FAILED = 11, "OFPET_ROLE_REQUEST_FAILED";
        METER_MOD_FAILED = 12, "OFPET_METER_MOD_FAILED";
        TABLE_FEATURES_FAILED = 13, "OFPET_TABLE_FEATURES_FAILED";
        EXPERIMENTER = 0xffff, "OFPET_EXPERIMENTER";
    }
}

/// An error code with the type that gives it its meaning (OpenFlow 1.3.5 §7.5.4.1 to §7.5.4.14).
///
/// With the type [`ErrorType::EXPERIMENTER`] the code is the experimenter's own, and what it means depends on whose it is: the
/// constants are those of Nicira and the ONF, who don't use the same numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode {
    /// The type.
    pub error_type: ErrorType,
    /// The code within the type.
    pub code: u16,
}

macro_rules! error_codes {
    ($($error_type:ident { $($constant:ident = $code:literal, $text:literal;)* })*) => {
        impl ErrorCode {
            $($(
                #[doc = concat!("`", $text, "`.")]
                pub const $constant: ErrorCode = ErrorCode { error_type: ErrorType::$error_type, code: $code };
            )*)*

            /// The specification's name, if it has one; for an experimenter's code that of Nicira or the ONF.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $($(ErrorCode::$constant => Some($text),)*)*
                    _ => None,
                }
            }
        }
    };
}

// The codes of the type EXPERIMENTER are the ONF's: bundles on OpenFlow 1.3 (extension 230).
error_codes! {
    HELLO_FAILED {
        HELLO_INCOMPATIBLE = 0, "OFPHFC_INCOMPATIBLE";
        HELLO_EPERM = 1, "OFPHFC_EPERM";
    }
    BAD_REQUEST {
        REQUEST_BAD_VERSION = 0, "OFPBRC_BAD_VERSION";
        REQUEST_BAD_TYPE = 1, "OFPBRC_BAD_TYPE";
        REQUEST_BAD_MULTIPART = 2, "OFPBRC_BAD_MULTIPART";
        REQUEST_BAD_EXPERIMENTER = 3, "OFPBRC_BAD_EXPERIMENTER";
        REQUEST_BAD_EXP_TYPE = 4, "OFPBRC_BAD_EXP_TYPE";
        REQUEST_EPERM = 5, "OFPBRC_EPERM";
        REQUEST_BAD_LEN = 6, "OFPBRC_BAD_LEN";
        REQUEST_BUFFER_EMPTY = 7, "OFPBRC_BUFFER_EMPTY";
        REQUEST_BUFFER_UNKNOWN = 8, "OFPBRC_BUFFER_UNKNOWN";
        REQUEST_BAD_TABLE_ID = 9, "OFPBRC_BAD_TABLE_ID";
        REQUEST_IS_SLAVE = 10, "OFPBRC_IS_SLAVE";
        REQUEST_BAD_PORT = 11, "OFPBRC_BAD_PORT";
        REQUEST_BAD_PACKET = 12, "OFPBRC_BAD_PACKET";
        REQUEST_MULTIPART_BUFFER_OVERFLOW = 13, "OFPBRC_MULTIPART_BUFFER_OVERFLOW";
    }
    BAD_ACTION {
        ACTION_BAD_TYPE = 0, "OFPBAC_BAD_TYPE";
        ACTION_BAD_LEN = 1, "OFPBAC_BAD_LEN";
        ACTION_BAD_EXPERIMENTER = 2, "OFPBAC_BAD_EXPERIMENTER";
        ACTION_BAD_EXP_TYPE = 3, "OFPBAC_BAD_EXP_TYPE";
        ACTION_BAD_OUT_PORT = 4, "OFPBAC_BAD_OUT_PORT";
        ACTION_BAD_ARGUMENT = 5, "OFPBAC_BAD_ARGUMENT";
        ACTION_EPERM = 6, "OFPBAC_EPERM";
        ACTION_TOO_MANY = 7, "OFPBAC_TOO_MANY";
        ACTION_BAD_QUEUE = 8, "OFPBAC_BAD_QUEUE";
        ACTION_BAD_OUT_GROUP = 9, "OFPBAC_BAD_OUT_GROUP";
        ACTION_MATCH_INCONSISTENT = 10, "OFPBAC_MATCH_INCONSISTENT";
        ACTION_UNSUPPORTED_ORDER = 11, "OFPBAC_UNSUPPORTED_ORDER";
        ACTION_BAD_TAG = 12, "OFPBAC_BAD_TAG";
        ACTION_BAD_SET_TYPE = 13, "OFPBAC_BAD_SET_TYPE";
        ACTION_BAD_SET_LEN = 14, "OFPBAC_BAD_SET_LEN";
        ACTION_BAD_SET_ARGUMENT = 15, "OFPBAC_BAD_SET_ARGUMENT";
    }
    BAD_INSTRUCTION {
        INSTRUCTION_UNKNOWN_INST = 0, "OFPBIC_UNKNOWN_INST";
        INSTRUCTION_UNSUP_INST = 1, "OFPBIC_UNSUP_INST";
        INSTRUCTION_BAD_TABLE_ID = 2, "OFPBIC_BAD_TABLE_ID";
        INSTRUCTION_UNSUP_METADATA = 3, "OFPBIC_UNSUP_METADATA";
        INSTRUCTION_UNSUP_METADATA_MASK = 4, "OFPBIC_UNSUP_METADATA_MASK";
        INSTRUCTION_BAD_EXPERIMENTER = 5, "OFPBIC_BAD_EXPERIMENTER";
        INSTRUCTION_BAD_EXP_TYPE = 6, "OFPBIC_BAD_EXP_TYPE";
        INSTRUCTION_BAD_LEN = 7, "OFPBIC_BAD_LEN";
        INSTRUCTION_EPERM = 8, "OFPBIC_EPERM";
    }
    BAD_MATCH {
        MATCH_BAD_TYPE = 0, "OFPBMC_BAD_TYPE";
        MATCH_BAD_LEN = 1, "OFPBMC_BAD_LEN";
        MATCH_BAD_TAG = 2, "OFPBMC_BAD_TAG";
        MATCH_BAD_DL_ADDR_MASK = 3, "OFPBMC_BAD_DL_ADDR_MASK";
        MATCH_BAD_NW_ADDR_MASK = 4, "OFPBMC_BAD_NW_ADDR_MASK";
        MATCH_BAD_WILDCARDS = 5, "OFPBMC_BAD_WILDCARDS";
        MATCH_BAD_FIELD = 6, "OFPBMC_BAD_FIELD";
        MATCH_BAD_VALUE = 7, "OFPBMC_BAD_VALUE";
        MATCH_BAD_MASK = 8, "OFPBMC_BAD_MASK";
        MATCH_BAD_PREREQ = 9, "OFPBMC_BAD_PREREQ";
        MATCH_DUP_FIELD = 10, "OFPBMC_DUP_FIELD";
        MATCH_EPERM = 11, "OFPBMC_EPERM";
    }
    FLOW_MOD_FAILED {
        FLOW_MOD_UNKNOWN = 0, "OFPFMFC_UNKNOWN";
        FLOW_MOD_TABLE_FULL = 1, "OFPFMFC_TABLE_FULL";
        FLOW_MOD_BAD_TABLE_ID = 2, "OFPFMFC_BAD_TABLE_ID";
        FLOW_MOD_OVERLAP = 3, "OFPFMFC_OVERLAP";
        FLOW_MOD_EPERM = 4, "OFPFMFC_EPERM";
        FLOW_MOD_BAD_TIMEOUT = 5, "OFPFMFC_BAD_TIMEOUT";
        FLOW_MOD_BAD_COMMAND = 6, "OFPFMFC_BAD_COMMAND";
        FLOW_MOD_BAD_FLAGS = 7, "OFPFMFC_BAD_FLAGS";
    }
    GROUP_MOD_FAILED {
        GROUP_MOD_GROUP_EXISTS = 0, "OFPGMFC_GROUP_EXISTS";
        GROUP_MOD_INVALID_GROUP = 1, "OFPGMFC_INVALID_GROUP";
        GROUP_MOD_WEIGHT_UNSUPPORTED = 2, "OFPGMFC_WEIGHT_UNSUPPORTED";
        GROUP_MOD_OUT_OF_GROUPS = 3, "OFPGMFC_OUT_OF_GROUPS";
        GROUP_MOD_OUT_OF_BUCKETS = 4, "OFPGMFC_OUT_OF_BUCKETS";
        GROUP_MOD_CHAINING_UNSUPPORTED = 5, "OFPGMFC_CHAINING_UNSUPPORTED";
        GROUP_MOD_WATCH_UNSUPPORTED = 6, "OFPGMFC_WATCH_UNSUPPORTED";
        GROUP_MOD_LOOP = 7, "OFPGMFC_LOOP";
        GROUP_MOD_UNKNOWN_GROUP = 8, "OFPGMFC_UNKNOWN_GROUP";
        GROUP_MOD_CHAINED_GROUP = 9, "OFPGMFC_CHAINED_GROUP";
        GROUP_MOD_BAD_TYPE = 10, "OFPGMFC_BAD_TYPE";
        GROUP_MOD_BAD_COMMAND = 11, "OFPGMFC_BAD_COMMAND";
        GROUP_MOD_BAD_BUCKET = 12, "OFPGMFC_BAD_BUCKET";
        GROUP_MOD_BAD_WATCH = 13, "OFPGMFC_BAD_WATCH";
        GROUP_MOD_EPERM = 14, "OFPGMFC_EPERM";
    }
    PORT_MOD_FAILED {
        PORT_MOD_BAD_PORT = 0, "OFPPMFC_BAD_PORT";
        PORT_MOD_BAD_HW_ADDR = 1, "OFPPMFC_BAD_HW_ADDR";
        PORT_MOD_BAD_CONFIG = 2, "OFPPMFC_BAD_CONFIG";
        PORT_MOD_BAD_ADVERTISE = 3, "OFPPMFC_BAD_ADVERTISE";
        PORT_MOD_EPERM = 4, "OFPPMFC_EPERM";
    }
    TABLE_MOD_FAILED {
        TABLE_MOD_BAD_TABLE = 0, "OFPTMFC_BAD_TABLE";
        TABLE_MOD_BAD_CONFIG = 1, "OFPTMFC_BAD_CONFIG";
        TABLE_MOD_EPERM = 2, "OFPTMFC_EPERM";
    }
    QUEUE_OP_FAILED {
        QUEUE_OP_BAD_PORT = 0, "OFPQOFC_BAD_PORT";
        QUEUE_OP_BAD_QUEUE = 1, "OFPQOFC_BAD_QUEUE";
        QUEUE_OP_EPERM = 2, "OFPQOFC_EPERM";
    }
    SWITCH_CONFIG_FAILED {
        SWITCH_CONFIG_BAD_FLAGS = 0, "OFPSCFC_BAD_FLAGS";
        SWITCH_CONFIG_BAD_LEN = 1, "OFPSCFC_BAD_LEN";
        SWITCH_CONFIG_EPERM = 2, "OFPSCFC_EPERM";
    }
    ROLE_REQUEST_FAILED {
        ROLE_REQUEST_STALE = 0, "OFPRRFC_STALE";
        ROLE_REQUEST_UNSUP = 1, "OFPRRFC_UNSUP";
        ROLE_REQUEST_BAD_ROLE = 2, "OFPRRFC_BAD_ROLE";
    }
    METER_MOD_FAILED {
        METER_MOD_UNKNOWN = 0, "OFPMMFC_UNKNOWN";
        METER_MOD_METER_EXISTS = 1, "OFPMMFC_METER_EXISTS";
        METER_MOD_INVALID_METER = 2, "OFPMMFC_INVALID_METER";
        METER_MOD_UNKNOWN_METER = 3, "OFPMMFC_UNKNOWN_METER";
        METER_MOD_BAD_COMMAND = 4, "OFPMMFC_BAD_COMMAND";
        METER_MOD_BAD_FLAGS = 5, "OFPMMFC_BAD_FLAGS";
        METER_MOD_BAD_RATE = 6, "OFPMMFC_BAD_RATE";
        METER_MOD_BAD_BURST = 7, "OFPMMFC_BAD_BURST";
        METER_MOD_BAD_BAND = 8, "OFPMMFC_BAD_BAND";
        METER_MOD_BAD_BAND_VALUE = 9, "OFPMMFC_BAD_BAND_VALUE";
        METER_MOD_OUT_OF_METERS = 10, "OFPMMFC_OUT_OF_METERS";
        METER_MOD_OUT_OF_BANDS = 11, "OFPMMFC_OUT_OF_BANDS";
    }
    TABLE_FEATURES_FAILED {
        TABLE_FEATURES_BAD_TABLE = 0, "OFPTFFC_BAD_TABLE";
        TABLE_FEATURES_BAD_METADATA = 1, "OFPTFFC_BAD_METADATA";
        TABLE_FEATURES_BAD_TYPE = 2, "OFPTFFC_BAD_TYPE";
        TABLE_FEATURES_BAD_LEN = 3, "OFPTFFC_BAD_LEN";
        TABLE_FEATURES_BAD_ARGUMENT = 4, "OFPTFFC_BAD_ARGUMENT";
        TABLE_FEATURES_EPERM = 5, "OFPTFFC_EPERM";
    }
    // Nicira's, as Open vSwitch 3.1 sends them on OpenFlow 1.2 and later.
    EXPERIMENTER {
        NX_NXM_INVALID = 2, "NXBRC_NXM_INVALID";
        NX_NXM_BAD_TYPE = 3, "NXBRC_NXM_BAD_TYPE";
        NX_REQUEST_MUST_BE_ZERO = 4, "NXBRC_MUST_BE_ZERO";
        NX_BAD_REASON = 5, "NXBRC_BAD_REASON";
        NX_MONITOR_EXISTS = 6, "OFPMOFC_MONITOR_EXISTS";
        NX_MONITOR_BAD_FLAGS = 7, "OFPMOFC_BAD_FLAGS";
        NX_MONITOR_UNKNOWN = 8, "OFPMOFC_UNKNOWN_MONITOR";
        NX_MONITOR_BAD_EVENT = 9, "NXBRC_FM_BAD_EVENT";
        NX_UNENCODABLE_ERROR = 10, "NXBRC_UNENCODABLE_ERROR";
        NX_ACTION_MUST_BE_ZERO = 11, "NXBAC_MUST_BE_ZERO";
        NX_FLOW_MOD_HARDWARE = 12, "NXFMFC_HARDWARE";
        NX_FLOW_MOD_BAD_TABLE_ID = 13, "NXFMFC_BAD_TABLE_ID";
        NX_BAD_CONJUNCTION = 15, "NXBAC_BAD_CONJUNCTION";
        NX_TLV_TABLE_BAD_COMMAND = 16, "NXTTMFC_BAD_COMMAND";
        NX_TLV_TABLE_BAD_OPT_LEN = 17, "NXTTMFC_BAD_OPT_LEN";
        NX_TLV_TABLE_BAD_FIELD_IDX = 18, "NXTTMFC_BAD_FIELD_IDX";
        NX_TLV_TABLE_FULL = 19, "NXTTMFC_TABLE_FULL";
        NX_TLV_TABLE_ALREADY_MAPPED = 20, "NXTTMFC_ALREADY_MAPPED";
        NX_TLV_TABLE_DUP_ENTRY = 21, "NXTTMFC_DUP_ENTRY";
        NX_RESUME_NOT_SUPPORTED = 34, "NXR_NOT_SUPPORTED";
        NX_RESUME_STALE = 35, "NXR_STALE";
        NX_NOT_CONFIGURED = 36, "NXST_NOT_CONFIGURED";
        NX_FLOW_MOD_INVALID_TLV_FIELD = 37, "NXFMFC_INVALID_TLV_FIELD";
        NX_TLV_TABLE_INVALID_DEL = 38, "NXTTMFC_INVALID_TLV_DEL";
        NX_BAD_HEADER_TYPE = 39, "NXBAC_BAD_HEADER_TYPE";
        NX_UNKNOWN_ED_PROP = 40, "NXBAC_UNKNOWN_ED_PROP";
        NX_BAD_ED_PROP = 41, "NXBAC_BAD_ED_PROP";
        NX_ACTION_CT_DATAPATH_SUPPORT = 42, "NXBAC_CT_DATAPATH_SUPPORT";
        NX_MATCH_CT_DATAPATH_SUPPORT = 43, "NXBMC_CT_DATAPATH_SUPPORT";
        NX_TABLE_FEATURES_DUP_TABLE = 44, "NXTFFC_DUP_TABLE";
    }
    // The ONF's extensions of 1.3, which later versions have built in under these names.
    EXPERIMENTER {
        BUNDLE_UNKNOWN = 2300, "OFPBFC_UNKNOWN";
        BUNDLE_EPERM = 2301, "OFPBFC_EPERM";
        BUNDLE_BAD_ID = 2302, "OFPBFC_BAD_ID";
        BUNDLE_BUNDLE_EXIST = 2303, "OFPBFC_BUNDLE_EXIST";
        BUNDLE_BUNDLE_CLOSED = 2304, "OFPBFC_BUNDLE_CLOSED";
        BUNDLE_OUT_OF_BUNDLES = 2305, "OFPBFC_OUT_OF_BUNDLES";
        BUNDLE_BAD_TYPE = 2306, "OFPBFC_BAD_TYPE";
        BUNDLE_BAD_FLAGS = 2307, "OFPBFC_BAD_FLAGS";
        BUNDLE_MSG_BAD_LEN = 2308, "OFPBFC_MSG_BAD_LEN";
        BUNDLE_MSG_BAD_XID = 2309, "OFPBFC_MSG_BAD_XID";
        BUNDLE_MSG_UNSUP = 2310, "OFPBFC_MSG_UNSUP";
        BUNDLE_MSG_CONFLICT = 2311, "OFPBFC_MSG_CONFLICT";
        BUNDLE_MSG_TOO_MANY = 2312, "OFPBFC_MSG_TOO_MANY";
        BUNDLE_MSG_FAILED = 2313, "OFPBFC_MSG_FAILED";
        BUNDLE_TIMEOUT = 2314, "OFPBFC_TIMEOUT";
        BUNDLE_BUNDLE_IN_PROGRESS = 2315, "OFPBFC_BUNDLE_IN_PROGRESS";
        FLOW_MOD_BAD_PRIORITY = 2360, "OFPFMFC_BAD_PRIORITY";
        ASYNC_CONFIG_INVALID = 2370, "OFPACFC_INVALID";
        ASYNC_CONFIG_UNSUPPORTED = 2371, "OFPACFC_UNSUPPORTED";
        ASYNC_CONFIG_EPERM = 2372, "OFPACFC_EPERM";
        INSTRUCTION_DUP_INST = 2600, "OFPBIC_DUP_INST";
        REQUEST_MULTIPART_REQUEST_TIMEOUT = 2640, "OFPBRC_MULTIPART_REQUEST_TIMEOUT";
        REQUEST_MULTIPART_REPLY_TIMEOUT = 2641, "OFPBRC_MULTIPART_REPLY_TIMEOUT";
        ACTION_BAD_SET_MASK = 4250, "OFPBAC_BAD_SET_MASK";
        PROPERTY_TOO_MANY = 4443, "OFPBPC_TOO_MANY";
        PROPERTY_DUP_TYPE = 4444, "OFPBPC_DUP_TYPE";
        PROPERTY_BAD_EXPERIMENTER = 4445, "OFPBPC_BAD_EXPERIMENTER";
        PROPERTY_BAD_EXP_TYPE = 4446, "OFPBPC_BAD_EXP_TYPE";
        PROPERTY_BAD_EXP_VALUE = 4447, "OFPBPC_BAD_EXP_VALUE";
        PROPERTY_EPERM = 4448, "OFPBPC_EPERM";
    }
}

/// The ONF numbers its errors by the number of the extension, which has four digits; Nicira's are below.
const FIRST_OF_THE_ONF: u16 = 1000;

impl ErrorCode {
    /// The experimenter whose code this is, if it is one of those above.
    pub const fn experimenter(self) -> Option<u32> {
        if self.error_type.0 != ErrorType::EXPERIMENTER.0 || self.name().is_none() {
            return None;
        }
        Some(if self.code < FIRST_OF_THE_ONF { EXPERIMENTER_NICIRA } else { EXPERIMENTER_ONF })
    }
}

impl std::fmt::Display for ErrorCode {
    /// `OFPBRC_BAD_LEN`, or `type/code` for what the specification doesn't name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}/{}", self.error_type, self.code),
        }
    }
}

impl std::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Something went wrong (OpenFlow 1.3.5 §7.5.4, `ofp_error_msg`).
///
/// With the type [`ErrorType::EXPERIMENTER`] the code is the experimenter's type and `data` starts with its id: see
/// [`ErrorMessage::experimenter`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ErrorMessage {
    /// The type.
    pub error_type: ErrorType,
    /// The code within the type; see [`ErrorMessage::code`] for its name.
    pub code: u16,
    /// At least the first 64 octets of the message at fault, or a text for HELLO_FAILED.
    pub data: Bytes,
}

impl ErrorMessage {
    /// An error with this code. `data` of a code of the type [`ErrorType::EXPERIMENTER`] has to start with the experimenter's id.
    pub const fn new(code: ErrorCode, data: Bytes) -> ErrorMessage {
        ErrorMessage { error_type: code.error_type, code: code.code, data }
    }

    /// An error that answers this message or start of one. A code of Nicira's or the ONF's gets the experimenter's id before it.
    pub fn answering(code: ErrorCode, request: Bytes) -> ErrorMessage {
        let Some(experimenter) = code.experimenter() else { return ErrorMessage::new(code, request) };
        let mut data = BytesMut::with_capacity(4 + request.len());
        data.put_u32(experimenter);
        data.put_slice(&request);
        ErrorMessage::new(code, data.freeze())
    }

    /// The experimenter's id, if this is an error of one.
    pub fn experimenter(&self) -> Option<u32> {
        let id = self.data.first_chunk::<4>().filter(|_| self.error_type == ErrorType::EXPERIMENTER)?;
        Some(u32::from_be_bytes(*id))
    }

    /// The name of the code: the specification's, or Nicira's or the ONF's for an error that starts with their id.
    pub fn name(&self) -> Option<&'static str> {
        let code = self.code();
        code.name().filter(|_| code.experimenter() == self.experimenter())
    }

    /// Type and code together.
    pub const fn code(&self) -> ErrorCode {
        ErrorCode { error_type: self.error_type, code: self.code }
    }
}

impl ErrorMessage {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<ErrorMessage, DecodeError> {
        let error_type = ErrorType(reader.u16("error.type")?);
        let code = reader.u16("error.code")?;
        Ok(ErrorMessage { error_type, code, data: reader.into_bytes() })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.error_type.0);
        out.put_u16(self.code);
        out.put_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experimenters_code_comes_with_its_id_and_has_a_name_only_with_it() {
        let data = Bytes::from_static(b"start of the message");
        let error = ErrorMessage::answering(ErrorCode::NX_BAD_CONJUNCTION, data.clone());
        assert_eq!(
            (error.error_type, error.code, &error.data[..4]),
            (ErrorType::EXPERIMENTER, 15, &[0, 0, 0x23, 0x20][..])
        );
        assert_eq!(error.name(), Some("NXBAC_BAD_CONJUNCTION"));
        let other = ErrorMessage { data, ..error };
        assert_eq!(other.name(), None);
        assert_eq!(ErrorCode::INSTRUCTION_DUP_INST.experimenter(), Some(EXPERIMENTER_ONF));
        assert_eq!(ErrorCode::ACTION_BAD_LEN.experimenter(), None);
        let plain = ErrorMessage::new(ErrorCode::ACTION_BAD_LEN, Bytes::new());
        assert_eq!((plain.name(), plain.data.len()), (Some("OFPBAC_BAD_LEN"), 0));
    }
}
