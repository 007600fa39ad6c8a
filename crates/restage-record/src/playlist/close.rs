//! A media playlist that is closed without its journal.

/// Microseconds of a second.
const SECOND_US: f64 = 1_000_000.0;

/// A media playlist that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The text.
    pub text: String,
    /// Length of what it lists, in microseconds.
    pub duration_us: u64,
}

/// Closes a media playlist that [`media`](super::media) wrote for a recording that goes on: it becomes VOD and lists the same segments. One
/// that is closed stays as it is. `None`: it is not such a playlist, or lists nothing.
pub fn close(text: &str) -> Option<Closed> {
    let body = text.strip_suffix("#EXT-X-ENDLIST\n").unwrap_or(text);
    let mut durations = Vec::new();
    for line in body.lines() {
        if let Some(value) = line.strip_prefix("#EXTINF:") {
            let seconds: f64 = value.trim_end_matches(',').parse().ok()?;
            durations.push(Some(seconds).filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?);
        }
    }
    let longest = durations.iter().copied().fold(0.0, f64::max).ceil();
    let mut closed = String::with_capacity(text.len() + 32);
    for line in body.lines() {
        match line.split_once(':') {
            Some(("#EXT-X-PLAYLIST-TYPE", _)) => closed.push_str("#EXT-X-PLAYLIST-TYPE:VOD"),
            Some(("#EXT-X-TARGETDURATION", _)) => {
                closed.push_str(&format!("#EXT-X-TARGETDURATION:{}", longest.max(1.0)));
            }
            _ => closed.push_str(line),
        }
        closed.push('\n');
    }
    closed.push_str("#EXT-X-ENDLIST\n");
    let is_ours = !durations.is_empty() && closed.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n");
    let seconds: f64 = durations.iter().sum();
    is_ours.then(|| Closed {
        text: closed,
        duration_us: (seconds * SECOND_US).round() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::super::broken_rules;
    use super::*;

    const EVENT: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:12\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
        #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:40.118Z\n#EXTINF:6.00612,\n0.mp4\n\
        #EXTINF:5.00000,\n1.mp4\n";

    #[test]
    fn a_playlist_that_grows_is_closed_once() {
        let closed = close(EVENT).unwrap();
        assert_eq!(broken_rules(&closed.text), []);
        assert_eq!(closed.duration_us, 11_006_120);
        let expected = EVENT
            .replace("DURATION:12", "DURATION:7")
            .replace("EVENT", "VOD");
        assert_eq!(closed.text, format!("{expected}#EXT-X-ENDLIST\n"));
        assert_eq!(close(&closed.text), Some(closed));
    }

    #[test]
    fn what_is_no_playlist_of_ours_is_left_alone() {
        let listless = EVENT.split("#EXT-X-MAP").next().unwrap();
        let odd = EVENT.replace("6.00612", "six");
        for text in ["", "#EXTM3U\n", "<html>", listless, &odd] {
            assert_eq!(close(text), None, "{text}");
        }
    }
}
