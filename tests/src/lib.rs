//! Whole-system simulator and integration tests of Trunkline.
#![forbid(unsafe_code)]
