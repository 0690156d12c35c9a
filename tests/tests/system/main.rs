//! The whole system under virtual time: real core, channels and software switches; one `mod` per trip.

mod bridges;
mod bypass;
mod chaos;
mod configuration;
mod draining;
mod events;
mod explain;
mod forwarding;
mod healing;
mod hostile;
mod interleavings;
mod isolation;
mod measured;
mod restart;
mod verified;
mod wiring;
