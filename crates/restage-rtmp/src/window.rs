//! Counts of bytes for acknowledgements (RTMP 1.0 §5.4.3).

/// Bytes between two acknowledgements at least, however small a window the peer asks for.
const ACKNOWLEDGE_BYTES_MIN: u32 = 16 << 10;

/// What has come from a peer, and what it has been told of.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) size: u32,
    /// All bytes, as the acknowledgement counts them: it wraps around.
    total: u32,
    acknowledged: u32,
}

impl Window {
    pub(crate) fn new(size: u32) -> Self {
        Self {
            size,
            total: 0,
            acknowledged: 0,
        }
    }

    /// Counts bytes that have come.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.total = self.total.wrapping_add(bytes as u32);
    }

    /// The number that is to be acknowledged now, if a window is full. It is given once.
    pub(crate) fn acknowledgement(&mut self) -> Option<u32> {
        let open = self.total.wrapping_sub(self.acknowledged);
        if open < self.size.max(ACKNOWLEDGE_BYTES_MIN) {
            return None;
        }
        self.acknowledged = self.total;
        Some(self.total)
    }
}
