//! Entries for fuzz targets (dev/fuzz): readers that have no other way in from outside. Nothing of the server calls them.

use super::tcp::framing::{first, worker_of, write};

/// The frames of a connection for ICE (RFC 4571), whose bytes come in these pieces. `None` where something else begins.
pub fn tcp_frames(pieces: &[usize], bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut frames, mut start) = (Vec::new(), 0);
    for &end in pieces {
        while let Some((frame, taken)) = first(&bytes[start..end]).ok()? {
            let _ = worker_of(frame);
            let mut again = Vec::new();
            write(&mut again, frame);
            assert_eq!(
                again,
                bytes[start..start + taken],
                "a frame is written as it came"
            );
            frames.push(frame.to_vec());
            start += taken;
        }
    }
    Some(frames)
}
