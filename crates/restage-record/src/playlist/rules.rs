//! What media playlists have to be, checked on their text alone.

/// A rule of RFC 8216, or of the service's layout, that a media playlist breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {rule}")]
pub struct BrokenRule {
    /// Counted from 1.
    pub line: usize,
    /// The rule.
    pub rule: &'static str,
}

/// The state of reading a playlist.
#[derive(Default)]
struct Reader<'a> {
    broken: Vec<BrokenRule>,
    line: usize,
    version: Option<u64>,
    target_s: Option<u64>,
    kind: Option<&'a str>,
    map: Option<&'a str>,
    has_new_map: bool,
    has_discontinuity: bool,
    has_date: bool,
    duration: Option<f64>,
    segments: u64,
    is_ended: bool,
}

/// The rules that the text of a media playlist breaks; none for a good one. It is for tests and diagnoses: playlists that
/// [`media`](super::media) writes break none.
pub fn broken_rules(text: &str) -> Vec<BrokenRule> {
    let mut reader = Reader::default();
    for (place, line) in text.split('\n').enumerate() {
        reader.line = place + 1;
        reader.read(line, place);
    }
    reader.finish(text);
    reader.broken
}

impl<'a> Reader<'a> {
    fn need(&mut self, is_kept: bool, rule: &'static str) {
        if !is_kept {
            self.broken.push(BrokenRule {
                line: self.line,
                rule,
            });
        }
    }

    fn read(&mut self, line: &'a str, place: usize) {
        self.need(
            (place == 0) == (line == "#EXTM3U"),
            "#EXTM3U is the first line and no other",
        );
        self.need(
            !self.is_ended || line.is_empty(),
            "nothing follows #EXT-X-ENDLIST",
        );
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "#EXTM3U" | "" => {}
            "#EXT-X-VERSION" => {
                self.need(self.version.is_none(), "there is one version");
                self.version = value.parse().ok();
            }
            "#EXT-X-TARGETDURATION" => {
                self.need(self.target_s.is_none(), "there is one target duration");
                self.target_s = value.parse().ok();
            }
            "#EXT-X-PLAYLIST-TYPE" => {
                self.need(self.kind.is_none(), "there is one type");
                self.kind = Some(value);
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => {}
            "#EXT-X-DISCONTINUITY" => {
                let is_placed = self.segments > 0 && !self.has_discontinuity;
                self.need(is_placed, "a discontinuity stands once, between segments");
                self.has_discontinuity = true;
            }
            "#EXT-X-MAP" => self.read_map(value),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                self.need(is_date(value), "dates are UTC with milliseconds");
                self.has_date = true;
            }
            "#EXTINF" => self.read_duration(value),
            "#EXT-X-ENDLIST" => self.is_ended = true,
            _ if line.starts_with('#') => self.need(false, "there are no other tags"),
            uri => self.read_uri(uri),
        }
    }

    fn read_map(&mut self, value: &'a str) {
        let uri = value
            .strip_prefix("URI=\"")
            .and_then(|rest| rest.strip_suffix('"'));
        self.need(uri.is_some(), "a map has a URI alone");
        self.has_new_map = uri.is_some() && uri != self.map;
        self.need(self.has_new_map, "a map is named once");
        self.map = uri;
    }

    fn read_duration(&mut self, value: &str) {
        let seconds = value.strip_suffix(',').unwrap_or_default();
        let digits = seconds
            .split_once('.')
            .map_or(0, |(_, digits)| digits.len());
        self.need(digits == 5, "durations have five digits behind the point");
        self.duration = seconds.parse().ok();
    }

    fn read_uri(&mut self, uri: &str) {
        let is_first = self.segments == 0;
        let number = uri
            .strip_suffix(".mp4")
            .and_then(|number| number.parse::<u64>().ok());
        self.need(
            number == Some(self.segments),
            "segments are numbered from 0 without a gap",
        );
        self.need(self.map.is_some(), "a map stands before the first segment");
        self.need(
            self.has_new_map == (is_first || self.has_discontinuity),
            "a map changes at each discontinuity and nowhere else",
        );
        self.need(
            self.has_date == (is_first || self.has_discontinuity),
            "a date stands at the first segment and at each discontinuity, and nowhere else",
        );
        let duration = self.duration.take();
        self.need(
            duration.is_some_and(|duration| duration > 0.0),
            "a segment has a duration",
        );
        let target = self.target_s.unwrap_or(0) as f64;
        self.need(
            duration.is_none_or(|duration| duration.round() <= target),
            "no segment is longer than the target duration",
        );
        self.segments += 1;
        (self.has_new_map, self.has_date, self.has_discontinuity) = (false, false, false);
    }

    fn finish(&mut self, text: &str) {
        self.need(text.ends_with('\n'), "the last line ends");
        self.need(self.version == Some(7), "the version is 7");
        self.need(self.target_s.is_some(), "there is a target duration");
        self.need(
            matches!(self.kind, Some("VOD" | "EVENT")),
            "the type is VOD or EVENT",
        );
        self.need(
            self.is_ended == (self.kind == Some("VOD")),
            "a playlist that is over says so",
        );
        let is_open =
            self.has_discontinuity || self.has_new_map || self.has_date || self.duration.is_some();
        self.need(!is_open, "a segment follows its tags");
    }
}

/// `2026-10-02T09:12:40.118Z`
fn is_date(value: &str) -> bool {
    const FORM: &str = "0000-00-00T00:00:00.000Z";
    value.len() == FORM.len()
        && value
            .chars()
            .zip(FORM.chars())
            .all(|(found, form)| match form {
                '0' => found.is_ascii_digit(),
                other => found == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:7\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:40.118Z\n#EXTINF:6.00612,\n0.mp4\n\
        #EXTINF:5.00000,\n1.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:13:31.902Z\n#EXTINF:5.40050,\n2.mp4\n#EXT-X-ENDLIST\n";

    #[test]
    fn a_good_playlist_breaks_no_rule() {
        assert_eq!(broken_rules(GOOD), []);
        let event = GOOD.replace("VOD", "EVENT").replace("#EXT-X-ENDLIST\n", "");
        assert_eq!(broken_rules(&event), []);
    }

    #[test]
    fn every_rule_is_checked() {
        for (from, to) in [
            ("#EXTM3U\n", ""),
            ("#EXT-X-VERSION:7", "#EXT-X-VERSION:6"),
            ("TARGETDURATION:7", "TARGETDURATION:5"),
            ("#EXT-X-TARGETDURATION:7\n", ""),
            ("VOD", "EVENT"),
            ("VOD", "LIVE"),
            ("#EXT-X-PLAYLIST-TYPE:VOD\n", ""),
            ("#EXT-X-ENDLIST\n", ""),
            ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n3.mp4\n"),
            ("#EXT-X-ENDLIST\n", "#EXT-X-DISCONTINUITY\n#EXT-X-ENDLIST\n"),
            ("#EXT-X-DISCONTINUITY\n", ""),
            (
                "#EXT-X-DISCONTINUITY\n",
                "#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY\n",
            ),
            ("#EXT-X-MAP:URI=\"init-0.mp4\"\n", ""),
            ("#EXT-X-MAP:URI=\"init-1.mp4\"\n", ""),
            ("init-1", "init-0"),
            ("#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:13:31.902Z\n", ""),
            ("09:13:31.902Z", "09:13:31Z"),
            ("5.40050", "5.4"),
            ("5.00000", "0.00000"),
            ("#EXTINF:5.00000,\n", ""),
            (
                "#EXTINF:5.00000,",
                "#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:46.118Z\n#EXTINF:5.00000,",
            ),
            ("1.mp4\n", "7.mp4\n"),
            ("#EXTINF:5.00000,", "#EXT-X-GAP\n#EXTINF:5.00000,"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD, "{from}");
            assert!(!broken_rules(&bad).is_empty(), "{from} → {to}");
        }
    }
}
