//! Tests over whole packets.
