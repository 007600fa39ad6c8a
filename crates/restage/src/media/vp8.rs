//! What a VP8 frame says of itself (RFC 6386 §9.1).

/// Whether a decoder can start here.
pub(crate) fn is_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// Width and height, which only key frames carry.
pub(crate) fn size(frame: &[u8]) -> Option<(u32, u32)> {
    let header = frame.get(..10).filter(|_| is_key_frame(frame))?;
    if header[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // The two upper bits of each are how a player may scale.
    let side = |low: usize| u32::from(u16::from_le_bytes([header[low], header[low + 1]]) & 0x3fff);
    Some((side(6), side(8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_carry_the_size() {
        let frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x01];
        assert_eq!(size(&frame), Some((640, 360)));
        assert_eq!(size(&frame[..9]), None);
        assert_eq!(
            size(&[0x11, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1]),
            None
        );
        assert_eq!(size(&[0x10, 0, 0, 1, 2, 3, 0x80, 2, 0x68, 1]), None);
        assert!(is_key_frame(&frame) && !is_key_frame(&[]) && !is_key_frame(&[1]));
    }
}
