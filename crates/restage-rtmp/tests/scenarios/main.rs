//! Whole sessions: an encoder that writes the protocol by itself, recorded bytes of real encoders, and strangers.

mod bounds;
mod encoders;
mod hostile;
mod publisher;
mod rules;
mod story;
