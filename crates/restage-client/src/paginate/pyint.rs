//! Integers in text, parsed as Python's `int()` does.

/// The result of `int()` for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Small(i64),
    /// An integer of more than 64 bits.
    Big,
}

/// Parses a text; `None` where Python raises `ValueError`. White space around the number, a sign and single
/// underscores between digits are accepted. Digits of other scripts, which Python accepts too, are not.
pub(super) fn parse(text: &str) -> Option<Integer> {
    let text = text.trim_matches(is_python_space);
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    let groups: Vec<&str> = digits.split('_').collect();
    let is_number = groups
        .iter()
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_number {
        return None;
    }
    let plain = format!("{sign}{}", groups.concat());
    Some(plain.parse().map_or(Integer::Big, Integer::Small))
}

/// Python's `str.isspace`: Unicode's white space and the four separators of ASCII.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_python_reads() {
        let small = |value| Some(Integer::Small(value));
        let cases = [
            ("0", small(0)),
            ("-0", small(0)),
            ("007", small(7)),
            ("+5", small(5)),
            (" \t-12\n\u{1f}\u{a0}", small(-12)),
            ("1_000", small(1000)),
            ("9223372036854775807", small(i64::MAX)),
            ("9223372036854775808", Some(Integer::Big)),
            ("", None),
            ("-", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("- 1", None),
            ("1.0", None),
            ("0x1", None),
            ("abc", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
