//! Decode error to ERROR message: the one mapping (OpenFlow 1.3.5 §7.5.4).

use bytes::Bytes;
use net::{DecodeError, DecodeErrorKind};

use crate::error::{ErrorCode, ErrorMessage};

/// Octets of a message at fault that an ERROR repeats. §7.5.4 asks for at least 64; more would let a peer that sends rubbish
/// have it sent back in full.
pub const ERROR_DATA_LEN: usize = 64;

/// The ERROR that answers a frame which couldn't be decoded. Total: every decode error has one.
pub fn error_for(error: &DecodeError, frame: &Bytes) -> ErrorMessage {
    ErrorMessage::answering(error_code(error), frame.slice(..frame.len().min(ERROR_DATA_LEN)))
}

/// The code that goes with a decode error: by the structure in which it is, which the first word of its field names.
pub fn error_code(error: &DecodeError) -> ErrorCode {
    if let DecodeErrorKind::BadVersion { .. } = error.kind {
        return ErrorCode::REQUEST_BAD_VERSION;
    }
    let bad_type = matches!(error.kind, DecodeErrorKind::BadType { .. });
    let (structure, _) = error.field.split_once('.').unwrap_or((error.field, ""));
    match structure {
        "match" if bad_type => ErrorCode::MATCH_BAD_TYPE,
        "match" | "oxm" => ErrorCode::MATCH_BAD_LEN,
        "action" => action_code(error),
        // Open vSwitch has one set of codes for all properties, and on 1.3 it is that of table features.
        "action_property" => ErrorCode::TABLE_FEATURES_BAD_LEN,
        "instruction" => ErrorCode::INSTRUCTION_BAD_LEN,
        "bundle_add" | "bundle_control" => bundle_code(error.field),
        "bundle_property" => ErrorCode::BUNDLE_MSG_BAD_LEN,
        "table_features" | "table_feature_property" => ErrorCode::TABLE_FEATURES_BAD_LEN,
        _ => ErrorCode::REQUEST_BAD_LEN,
    }
}

/// As Open vSwitch 3.1 answers. Its codes for octets that have to be zero differ from action to action.
fn action_code(error: &DecodeError) -> ErrorCode {
    match (error.kind, error.field) {
        (DecodeErrorKind::BadPattern, "action.learn.pad2_must_be_zero") => ErrorCode::NX_ACTION_MUST_BE_ZERO,
        (DecodeErrorKind::BadPattern, "action.set_field.zero") => ErrorCode::ACTION_BAD_SET_ARGUMENT,
        (DecodeErrorKind::BadPattern, field) if field.ends_with(".must_be_zero") => ErrorCode::NX_REQUEST_MUST_BE_ZERO,
        (DecodeErrorKind::BadPattern, _) => ErrorCode::ACTION_BAD_ARGUMENT,
        (DecodeErrorKind::BadValue { .. }, "action.depth") => ErrorCode::ACTION_TOO_MANY,
        (DecodeErrorKind::BadValue { .. }, _) => ErrorCode::ACTION_BAD_ARGUMENT,
        (_, "action.set_field") => ErrorCode::ACTION_BAD_SET_LEN,
        // A range that the flags promise and that is not there.
        (_, field) if field.starts_with("action.nat.") => ErrorCode::ACTION_BAD_ARGUMENT,
        _ => ErrorCode::ACTION_BAD_LEN,
    }
}

fn bundle_code(field: &str) -> ErrorCode {
    match field {
        "bundle_add.message.xid" => ErrorCode::BUNDLE_MSG_BAD_XID,
        "bundle_add.message.version" => ErrorCode::BUNDLE_MSG_UNSUP,
        field if field.starts_with("bundle_add.message.") => ErrorCode::BUNDLE_MSG_BAD_LEN,
        _ => ErrorCode::REQUEST_BAD_LEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_at_fault_decides_the_code() {
        let code = |field, kind| error_code(&DecodeError::new(0, field, kind));
        let length = DecodeErrorKind::BadLength { length: 1 };
        assert_eq!(code("match.type", DecodeErrorKind::BadType { value: 0 }), ErrorCode::MATCH_BAD_TYPE);
        assert_eq!(code("oxm.length", length), ErrorCode::MATCH_BAD_LEN);
        assert_eq!(code("action.set_field", length), ErrorCode::ACTION_BAD_SET_LEN);
        assert_eq!(code("action.len", length), ErrorCode::ACTION_BAD_LEN);
        assert_eq!(code("action.nicira.len", length), ErrorCode::ACTION_BAD_LEN);
        assert_eq!(code("action.resubmit.zero", DecodeErrorKind::BadPattern), ErrorCode::ACTION_BAD_ARGUMENT);
        assert_eq!(code("action.stack.must_be_zero", DecodeErrorKind::BadPattern), ErrorCode::NX_REQUEST_MUST_BE_ZERO);
        assert_eq!(code("action.depth", DecodeErrorKind::BadValue { value: 65 }), ErrorCode::ACTION_TOO_MANY);
        assert_eq!(code("action_property.len", length), ErrorCode::TABLE_FEATURES_BAD_LEN);
        assert_eq!(code("instruction.len", length), ErrorCode::INSTRUCTION_BAD_LEN);
        assert_eq!(code("table_feature_property.length", length), ErrorCode::TABLE_FEATURES_BAD_LEN);
        assert_eq!(code("flow_mod.cookie", length), ErrorCode::REQUEST_BAD_LEN);
        assert_eq!(code("header.version", DecodeErrorKind::BadVersion { version: 1 }), ErrorCode::REQUEST_BAD_VERSION);
    }

    #[test]
    fn an_error_repeats_the_start_of_the_message_at_fault() {
        let frame = Bytes::from(vec![4; 200]);
        let error = error_for(&DecodeError::truncated(8, "flow_mod.cookie", 8, 0), &frame);
        assert_eq!((error.data.len(), &error.data[..]), (ERROR_DATA_LEN, &frame[..ERROR_DATA_LEN]));
    }
}
