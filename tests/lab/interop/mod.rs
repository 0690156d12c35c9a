//! Interoperation with other people's daemons: [`table`] says what, [`cell`] runs one trip with one daemon in namespaces of its own,
//! [`trips`] are the set-ups and their checks.

pub mod cell;
pub mod decide;
#[allow(dead_code)]
pub mod decision;
// The page is made of it by a test outside of the lab.
#[allow(dead_code)]
pub mod table;
pub mod trips;
