//! The recorder: packets in, files out.

use std::collections::VecDeque;

use crate::config::RecorderConfig;
use crate::output::Output;
use crate::packet::Packet;

/// Makes the files of one recording from the packets of one publication.
///
/// Times (`now_us`) are microseconds of the server's steady clock and never go back. After each call, poll until nothing comes.
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    outputs: VecDeque<Output>,
}

impl Recorder {
    /// A recorder that waits for packets.
    pub fn new(config: RecorderConfig) -> Self {
        Self {
            config,
            outputs: VecDeque::new(),
        }
    }

    /// Takes a packet.
    pub fn push(&mut self, now_us: u64, packet: Packet) {
        let _ = (now_us, packet, &self.config);
    }

    /// Does what is due. To be called every 100 ms or so, also while packets come.
    pub fn tick(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// Packets are ignored until [`resume`](Self::resume); what is recorded until here becomes a segment.
    pub fn pause(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// Packets are recorded again, behind a discontinuity.
    pub fn resume(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// The publication is gone: nothing of it will come, and what comes later belongs to another one. What is recorded becomes a segment.
    pub fn source_gone(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// The next key frame is given back as [`Output::Picture`]; one is asked for where segments do not need it anyway.
    pub fn want_picture(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// The recording is over: the rest becomes a segment. Further calls do nothing.
    pub fn finish(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Length of what is in segments that were given back, in microseconds; a recording that goes on counts what was there before.
    pub fn duration_us(&self) -> u64 {
        0
    }

    /// Bytes of media that it holds: below [`RECORDER_BYTES_MAX`](crate::limits::RECORDER_BYTES_MAX).
    pub fn buffered_bytes(&self) -> usize {
        0
    }
}
