//! The five messages, and which is which.

use bytes::BytesMut;

use super::header::{MessageType, encode_framed, split};
use super::{
    AttributeError, DecodeContext, EncodeContext, EncodeError, MESSAGE_LIMIT, MessageError, Notification, Open,
    Outcome, RouteRefresh, Update,
};

/// A BGP message (RFC 4271 §4, RFC 2918).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "UPPERCASE"))]
pub enum Message {
    /// Type 1.
    Open(Open),
    /// Type 2.
    Update(Update),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    Keepalive,
    /// Type 5.
    #[cfg_attr(feature = "serde", serde(rename = "ROUTE-REFRESH"))]
    RouteRefresh(RouteRefresh),
}

/// A message that could be read, and what was wrong with its attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The message. Of an UPDATE: without the attributes that were discarded, but with its routes as they came;
    /// [`Decoded::outcome`] says what is to be done with them.
    pub message: Message,
    /// Only of an UPDATE; in the order in which they stand in it.
    pub errors: Vec<AttributeError>,
}

impl Decoded {
    /// The strongest outcome of all errors (RFC 7606 §3 h); `None` if there are none. Never [`Outcome::SessionReset`]:
    /// then decoding fails.
    pub fn outcome(&self) -> Option<Outcome> {
        self.errors.iter().map(|error| error.outcome).max()
    }
}

impl Message {
    /// Decodes one whole message: `frame` ends where its length says ([`super::frame_length`]).
    pub fn decode(frame: &[u8], context: &DecodeContext) -> Result<Decoded, MessageError> {
        let (kind, body) = split(frame, context.message_limit)?;
        let mut errors = Vec::new();
        let message = match kind {
            MessageType::OPEN => Message::Open(Open::parse(body)?),
            MessageType::UPDATE => {
                let (update, attribute_errors) = Update::parse(body, context)?;
                errors = attribute_errors;
                Message::Update(update)
            }
            MessageType::NOTIFICATION => Message::Notification(Notification::parse(body)?),
            MessageType::ROUTE_REFRESH => Message::RouteRefresh(RouteRefresh::parse(body, frame)?),
            // The header has no other type: KEEPALIVE.
            _ => Message::Keepalive,
        };
        Ok(Decoded { message, errors })
    }

    /// Appends the message to `out`; on error nothing is appended.
    pub fn encode(&self, context: &EncodeContext, out: &mut BytesMut) -> Result<(), EncodeError> {
        let limit = match self {
            // RFC 8654 §4: these stay short, and the peer's limit is not known before its OPEN.
            Message::Open(_) | Message::Keepalive => MESSAGE_LIMIT,
            _ => context.message_limit,
        };
        encode_framed(self.kind(), limit, out, |out| match self {
            Message::Open(open) => open.encode(out),
            Message::Update(update) => update.encode(context, out),
            Message::Notification(notification) => {
                notification.encode(out);
                Ok(())
            }
            Message::Keepalive => Ok(()),
            Message::RouteRefresh(refresh) => {
                refresh.encode(out);
                Ok(())
            }
        })
    }

    /// The message's type.
    pub const fn kind(&self) -> MessageType {
        match self {
            Message::Open(_) => MessageType::OPEN,
            Message::Update(_) => MessageType::UPDATE,
            Message::Notification(_) => MessageType::NOTIFICATION,
            Message::Keepalive => MessageType::KEEPALIVE,
            Message::RouteRefresh(_) => MessageType::ROUTE_REFRESH,
        }
    }
}
