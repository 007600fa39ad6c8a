//! Session descriptions (RFC 8866) as lines, and the three documents exchanged with clients: offer, answer and
//! trickle-ice-sdpfrag.

pub(crate) mod answer;
pub(crate) mod candidate;
pub(crate) mod decodable;
pub(crate) mod fingerprint;
pub(crate) mod format;
pub(crate) mod format_error;
pub(crate) mod fragment;
mod h264_profile;
pub(crate) mod media;
pub(crate) mod offer;
pub(crate) mod own_answer;
pub(crate) mod own_offer;
mod profile;
pub(crate) mod stream;

use crate::limits::SECTIONS_MAX;

/// A description split into its session part and its media sections; lines have no line ends.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    pub(crate) session: Vec<&'a str>,
    pub(crate) sections: Vec<Section<'a>>,
}

#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// The fields of the `m=` line.
    pub(crate) kind: &'a str,
    pub(crate) port: &'a str,
    pub(crate) proto: &'a str,
    pub(crate) formats: Vec<&'a str>,
    pub(crate) lines: Vec<&'a str>,
}

/// Why a text is not a description.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SyntaxError {
    /// A line, counted from 1, that is not `<letter>=<value>`.
    Line(usize),
    /// An `m=` line with too few fields.
    MediaLine(usize),
    TooManySections,
}

impl<'a> Description<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        Self::parse_up_to(text, SECTIONS_MAX)
    }

    /// A description of at most so many sections.
    pub(crate) fn parse_up_to(text: &'a str, sections_max: usize) -> Result<Self, SyntaxError> {
        let mut description = Self {
            session: Vec::new(),
            sections: Vec::new(),
        };
        let lines = text.lines().enumerate();
        // A bare CR ends a line, too: what is echoed in an answer must be one line for every reader.
        let lines =
            lines.flat_map(|(number, line)| line.split('\r').map(move |line| (number, line)));
        for (number, line) in lines {
            // Some senders end with empty lines or with spaces.
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let value = match line.as_bytes() {
                // A value has any bytes but NUL, CR and LF (RFC 8866 §9, byte-string).
                [letter, b'=', value @ ..]
                    if letter.is_ascii_lowercase() && !value.contains(&0) =>
                {
                    &line[2..]
                }
                _ => return Err(SyntaxError::Line(number + 1)),
            };
            if line.starts_with("m=") {
                if description.sections.len() == sections_max {
                    return Err(SyntaxError::TooManySections);
                }
                description
                    .sections
                    .push(Section::parse(value).ok_or(SyntaxError::MediaLine(number + 1))?);
            } else if let Some(section) = description.sections.last_mut() {
                section.lines.push(line);
            } else {
                description.session.push(line);
            }
        }
        Ok(description)
    }
}

impl<'a> Section<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        Some(Self {
            kind: fields.next()?,
            port: fields.next()?,
            proto: fields.next()?,
            formats: fields.collect(),
            lines: Vec::new(),
        })
    }
}

/// The values of every `a=<name>:<value>` line.
pub(crate) fn attributes<'a>(lines: &'a [&'a str], name: &'a str) -> impl Iterator<Item = &'a str> {
    lines.iter().filter_map(move |line| {
        let (found, value) = line.strip_prefix("a=")?.split_once(':')?;
        (found == name).then(|| value.trim())
    })
}

/// The value of the first `a=<name>:<value>` line.
pub(crate) fn attribute<'a>(lines: &'a [&'a str], name: &'a str) -> Option<&'a str> {
    attributes(lines, name).next()
}

/// A value of the session part, or else of the first section that has it.
pub(crate) fn any_of<'a>(description: &'a Description<'a>, name: &'a str) -> Option<&'a str> {
    attribute(&description.session, name).or_else(|| {
        description
            .sections
            .iter()
            .find_map(|section| attribute(&section.lines, name))
    })
}

/// Whether there is a line `a=<name>`.
pub(crate) fn has_flag(lines: &[&str], name: &str) -> bool {
    lines
        .iter()
        .any(|line| line.strip_prefix("a=") == Some(name))
}

/// Whether `text` can be an ICE user name fragment or password with a length in `range`. RFC 8839 §5.4 allows letters,
/// digits, + and /; base64url and base64 padding are accepted too, because some clients use them.
pub(crate) fn is_ice_chars(text: &str, range: std::ops::RangeInclusive<usize>) -> bool {
    range.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fall_into_their_sections() {
        let text = "v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:0\na=sendrecv\n\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.session, ["v=0", "a=group:BUNDLE 0"]);
        let [section] = &description.sections[..] else {
            panic!("one section")
        };
        assert_eq!(
            (section.kind, section.port, section.proto),
            ("audio", "9", "UDP/TLS/RTP/SAVPF")
        );
        assert_eq!(section.formats, ["111", "0"]);
        assert_eq!(attribute(&section.lines, "mid"), Some("0"));
        assert!(has_flag(&section.lines, "sendrecv"));
        assert!(!has_flag(&section.lines, "send"));
        assert_eq!(attribute(&section.lines, "setup"), None);
    }

    #[test]
    fn what_is_not_a_line_is_named_by_number() {
        assert_eq!(
            Description::parse("v=0\nhello").unwrap_err(),
            SyntaxError::Line(2)
        );
        assert_eq!(
            Description::parse("v=0\nm=audio 9").unwrap_err(),
            SyntaxError::MediaLine(2)
        );
        assert_eq!(Description::parse("é=0").unwrap_err(), SyntaxError::Line(1));
        let many = "m=audio 9 x\n".repeat(SECTIONS_MAX + 1);
        assert_eq!(
            Description::parse(&many).unwrap_err(),
            SyntaxError::TooManySections
        );
    }

    /// Values are echoed in answers, where no reader may take a part of one for a line of ours.
    #[test]
    fn no_value_has_the_end_of_a_line_or_of_a_text_in_it() {
        let text = "v=0\ra=one\r\r\nm=audio 9 x 0\r\na=mid:0\ra=fmtp:0 a=1\rb=2\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.session, ["v=0", "a=one"]);
        let lines = &description.sections[0].lines;
        assert_eq!(lines[..], ["a=mid:0", "a=fmtp:0 a=1", "b=2"]);
        assert_eq!(
            Description::parse("v=0\n\na=one\0").unwrap_err(),
            SyntaxError::Line(3)
        );
    }

    #[test]
    fn ice_chars() {
        assert!(is_ice_chars("aB1+/", 4..=256));
        assert!(is_ice_chars("aB1-_=", 4..=256));
        assert!(!is_ice_chars("abc", 4..=256));
        assert!(!is_ice_chars("ab c", 4..=256));
        assert!(!is_ice_chars("ab:cd", 4..=256));
    }
}
