//! ERROR messages: types and codes (OpenFlow 1.3.5 §7.5.4).

use bytes::{BufMut, Bytes, BytesMut};
use net::DecodeError;

use crate::number::numbers;
use crate::oxm::EXPERIMENTER_ONF;
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

            /// The specification's name, if it has one.
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

    /// An error that answers this message or start of one. The codes of experimenters that have names are the ONF's, whose id is put
    /// before it.
    pub fn answering(code: ErrorCode, request: Bytes) -> ErrorMessage {
        if code.error_type != ErrorType::EXPERIMENTER {
            return ErrorMessage::new(code, request);
        }
        let mut data = BytesMut::with_capacity(4 + request.len());
        data.put_u32(EXPERIMENTER_ONF);
        data.put_slice(&request);
        ErrorMessage::new(code, data.freeze())
    }

    /// The experimenter's id, if this is an error of one.
    pub fn experimenter(&self) -> Option<u32> {
        let id = self.data.first_chunk::<4>().filter(|_| self.error_type == ErrorType::EXPERIMENTER)?;
        Some(u32::from_be_bytes(*id))
    }

    /// The name of the code: the specification's, or the ONF's for an error of its extensions.
    pub fn name(&self) -> Option<&'static str> {
        let known = self.error_type != ErrorType::EXPERIMENTER || self.experimenter() == Some(EXPERIMENTER_ONF);
        self.code().name().filter(|_| known)
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
