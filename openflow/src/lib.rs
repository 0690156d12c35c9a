//! OpenFlow 1.3.5: codec, sans-IO channel and a software switch.
#![forbid(unsafe_code)]
