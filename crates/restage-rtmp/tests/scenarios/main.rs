//! Whole sessions: an encoder that writes the protocol by itself, recorded bytes of real encoders, strangers, and the client's side.

mod bounds;
mod encoders;
mod hostile;
mod publisher;
mod push;
mod push_hostile;
mod rules;
mod story;
