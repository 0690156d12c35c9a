//! The codec's tests from outside, in one program: arbitrary messages are compiled once for all of them, which is most of the time that
//! it takes to build. What counts allocations is a program of its own.

mod codec;
mod extensions;
mod strategies;
mod syntax;
mod testdata;
mod vectors;
