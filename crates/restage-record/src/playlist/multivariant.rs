//! The multivariant playlist.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::MEDIA_NAME;
use crate::journal::{InitEntry, Journal, PictureEntry};

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;
/// Bits of a byte.
const BYTE_BITS: u64 = 8;
/// Hexadecimal digits of the level, at the end of a format of H.264 (RFC 6381 §3.3).
const AVC_LEVEL_DIGITS: usize = 2;

/// The multivariant playlist of a recording, whose one rendition is in this folder; `None` while it has no segment.
pub fn multivariant(journal: &Journal, rendition: &str) -> Option<String> {
    let rates = journal
        .segments()
        .map(|segment| rate(segment.bytes, segment.duration_us));
    let peak = rates.max()?.max(1);
    let sizes = journal.segments().map(|segment| segment.bytes);
    let bytes = sizes.fold(0, u64::saturating_add);
    let average = rate(bytes, journal.duration_us()).max(1);
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    if journal.segments().all(|segment| segment.independent) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    let _ = write!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}"
    );
    let codecs = codecs(journal);
    if !codecs.is_empty() {
        let _ = write!(text, ",CODECS=\"{}\"", codecs.join(","));
    }
    if let Some(PictureEntry { width, height }) = largest_picture(journal) {
        let _ = write!(text, ",RESOLUTION={width}x{height}");
        if let Some(rate) = frame_rate(journal) {
            let _ = write!(text, ",FRAME-RATE={rate:.3}");
        }
    }
    let _ = writeln!(text, "\n{rendition}/{MEDIA_NAME}");
    Some(text)
}

/// Bits per second, rounded up.
fn rate(bytes: u64, duration_us: u64) -> u64 {
    let bits = u128::from(bytes) * u128::from(BYTE_BITS * SECOND_US);
    let rate = bits.div_ceil(u128::from(duration_us.max(1)));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The inits that segments use.
fn used(journal: &Journal) -> impl Iterator<Item = &InitEntry> {
    let numbers: BTreeSet<u64> = journal.segments().map(|segment| segment.init).collect();
    let inits = journal.inits();
    inits.filter(move |init| numbers.contains(&init.number))
}

/// The formats of what is recorded, pictures first. Of those that differ in their level alone, the highest stands for all. Black pictures count
/// only where there are no others: players would look for a track for each format.
fn codecs(journal: &Journal) -> Vec<String> {
    let mut codecs: Vec<String> = Vec::new();
    let has_shown = used(journal).any(|init| init.picture.is_some());
    let counts = |init: &InitEntry, codec: &str| {
        init.picture.is_some() || !has_shown || codec == crate::mp4::OPUS
    };
    let named = used(journal).flat_map(|init| init.codecs.iter().map(move |codec| (init, codec)));
    for (_, codec) in named.filter(|(init, codec)| counts(init, codec)) {
        let (rest, level) = split_level(codec);
        match codecs.iter_mut().find(|known| split_level(known).0 == rest) {
            Some(known) if split_level(known).1 < level => known.clone_from(codec),
            Some(_) => {}
            None => codecs.push(codec.clone()),
        }
    }
    codecs.sort_by_key(|codec| codec == crate::mp4::OPUS);
    codecs
}

/// A format without its level, and its level: the last two digits of H.264, and a part of the others that a letter may stand before
/// (H.265) or behind (AV1). 0 for a format without levels.
fn split_level(codec: &str) -> (String, u32) {
    if codec.starts_with("avc1.") {
        let at = codec.len().saturating_sub(AVC_LEVEL_DIGITS);
        if let Some((rest, level)) = codec.split_at_checked(at) {
            return (rest.to_owned(), u32::from_str_radix(level, 16).unwrap_or(0));
        }
    }
    let place = match codec.get(..5) {
        Some("vp09." | "av01.") => 2,
        Some("hvc1.") => 3,
        _ => return (codec.to_owned(), 0),
    };
    let mut parts: Vec<String> = codec.split('.').map(str::to_owned).collect();
    let mut level = 0;
    if let Some(part) = parts.get_mut(place) {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        level = digits.parse().unwrap_or(0);
        part.retain(|digit| !digit.is_ascii_digit());
    }
    (parts.join("."), level)
}

fn largest_picture(journal: &Journal) -> Option<PictureEntry> {
    let pictures = used(journal).filter_map(|init| init.picture);
    pictures.max_by_key(|picture| u64::from(picture.width) * u64::from(picture.height))
}

/// Pictures per second, of the segments that have some.
fn frame_rate(journal: &Journal) -> Option<f64> {
    let with_pictures = journal.segments().filter(|segment| segment.pictures > 0);
    let (pictures, us) = with_pictures.fold((0_u64, 0_u64), |(pictures, us), segment| {
        (
            pictures.saturating_add(segment.pictures),
            us.saturating_add(segment.duration_us),
        )
    });
    (us > 0).then(|| pictures as f64 * SECOND_US as f64 / us as f64)
}

#[cfg(test)]
mod tests {
    use super::split_level;

    #[test]
    fn formats_that_differ_in_their_level_alone() {
        let same = [
            ("avc1.42e01f", "avc1.42e028"),
            ("vp09.00.11.08", "vp09.00.21.08"),
            ("av01.0.04M.08", "av01.0.12M.08"),
            ("hvc1.1.6.L93.90", "hvc1.1.6.L120.90"),
        ];
        for (low, high) in same {
            let (low, high) = (split_level(low), split_level(high));
            assert_eq!(low.0, high.0);
            assert!(low.1 < high.1, "{low:?} {high:?}");
        }
        let other = [
            ("avc1.42e01f", "avc1.64001f"),
            ("vp09.00.11.08", "vp09.02.11.10"),
            ("av01.0.04M.08", "av01.0.04H.08"),
            ("opus", "avc1."),
        ];
        for (one, two) in other {
            assert_ne!(split_level(one).0, split_level(two).0);
        }
    }
}
