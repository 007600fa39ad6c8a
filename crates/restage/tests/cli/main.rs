//! The built binary as people and scripts use it: against a server of its own on free ports, with
//! its data in a directory of the test's own.

mod bench;
mod exit_codes;
mod help;
mod lists;
mod media;
mod output;
mod shells;
mod support;
