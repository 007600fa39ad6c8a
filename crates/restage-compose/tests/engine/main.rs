//! The engine in virtual time: what is made of real streams.

mod reference;
mod rig;
mod scenes;
mod sound;
mod time;
