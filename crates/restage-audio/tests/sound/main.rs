//! AAC in, Opus out: what is heard and when, and what strangers may send.

mod hostile;
mod support;
mod transcode;
