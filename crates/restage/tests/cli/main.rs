//! The built binary as people and scripts use it: against a server of its own on free ports, with
//! its data in a directory of the test's own.

mod data;
mod endings;
mod exit_codes;
mod help;
mod lists;
mod media;
mod names;
mod output;
mod shells;
mod strangers;
mod support;
mod thumbnails;
