//! Consecutive datagrams of one size in one buffer, so that they leave in one system call (UDP GSO).

use std::collections::VecDeque;

use crate::io::datagrams::{Buffers, Path};
use crate::io::{Output, Protocol};
use crate::limits::{TRAIN_BYTES_MAX, TRAIN_SEGMENTS_MAX};

/// Datagrams of one size that are being written.
pub(super) struct Train {
    path: Path,
    /// Whether its datagrams are RTP packets of pictures.
    pub(super) is_video: bool,
    pub(super) contents: Vec<u8>,
    /// Size of all datagrams except the last; 0 while there is none.
    segment: usize,
}

impl Train {
    pub(super) fn new(path: Path, contents: Vec<u8>) -> Self {
        Self {
            path,
            is_video: false,
            contents,
            segment: 0,
        }
    }

    /// A datagram has been written from `start` on. A larger one begins another train.
    pub(super) fn close(
        &mut self,
        start: usize,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let size = self.contents.len() - start;
        if self.segment == 0 {
            self.segment = size;
        } else if size > self.segment {
            let mut next = buffers.take();
            next.extend_from_slice(&self.contents[start..]);
            self.contents.truncate(start);
            self.leave(next, size, outputs);
        }
        let is_full = self.contents.len() + self.segment > TRAIN_BYTES_MAX
            || self.contents.len() >= self.segment * TRAIN_SEGMENTS_MAX;
        if size < self.segment || is_full {
            self.leave(buffers.take(), 0, outputs);
        }
    }

    /// Appends a single datagram to the train before, whose last datagram may be shorter: audio that comes with a picture. False:
    /// it has to leave by itself. On other protocols than UDP nothing is gained by it.
    fn joins(&self, outputs: &mut VecDeque<Output>) -> bool {
        let Some(Output::Train {
            protocol,
            is_video,
            destination,
            contents,
            segment,
            ..
        }) = outputs.back_mut()
        else {
            return false;
        };
        let size = self.contents.len();
        let fits = size <= *segment
            && contents.len().is_multiple_of(*segment)
            && contents.len() + size <= TRAIN_BYTES_MAX
            && contents.len() < *segment * TRAIN_SEGMENTS_MAX;
        let is_one = size == self.segment
            && *destination == self.path.destination
            && (*protocol, self.path.protocol) == (Protocol::Udp, Protocol::Udp);
        if is_one && fits {
            *is_video = false;
            contents.extend_from_slice(&self.contents);
        }
        is_one && fits
    }

    /// Sends the train; what follows goes into `next`.
    fn leave(&mut self, next: Vec<u8>, segment: usize, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Train {
            protocol: self.path.protocol,
            is_video: self.is_video,
            source: self.path.source,
            destination: self.path.destination,
            contents: std::mem::replace(&mut self.contents, next),
            segment: std::mem::replace(&mut self.segment, segment),
        });
    }

    pub(super) fn finish(mut self, buffers: &mut Buffers, outputs: &mut VecDeque<Output>) {
        if self.contents.is_empty() || self.joins(outputs) {
            buffers.give(self.contents);
        } else {
            self.leave(Vec::new(), 0, outputs);
        }
    }
}
