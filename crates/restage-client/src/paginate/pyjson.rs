//! JSON as Python's `json` module reads and writes it, as far as pagination tokens need it.
//!
//! Reading: `NaN` and the infinities are numbers, the last of several equal member names wins, a byte
//! order mark is an error. Writing: `", "` and `": "` as separators, and everything outside printable
//! ASCII escaped (`json.dumps` with its defaults).

use std::fmt::Write as _;

/// Deepest nesting that is read. Python stops near a thousand; a token nests once.
const DEPTH_MAX: usize = 200;

/// A JSON value. Of a list only the length is kept, because a token needs no more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// An integer, as its digits in the text.
    Integer(String),
    Float,
    Text(String),
    /// Text with half of a surrogate pair, which Python can store and Rust cannot.
    BrokenText,
    List(usize),
    Object(Vec<(String, Self)>),
}

/// Why a text was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Not JSON; Python raises a `ValueError`.
    Syntax,
    /// JSON, but too deep.
    TooDeep,
}

pub(super) fn parse(text: &str) -> Result<Value, Failure> {
    let mut parser = Parser { rest: text };
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.rest.is_empty() {
        Ok(value)
    } else {
        Err(Failure::Syntax)
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), Failure> {
        if self.take(text) {
            Ok(())
        } else {
            Err(Failure::Syntax)
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Failure> {
        if depth > DEPTH_MAX {
            return Err(Failure::TooDeep);
        }
        const WORDS: [(&str, Value); 6] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float),
            ("Infinity", Value::Float),
            ("-Infinity", Value::Float),
        ];
        for (word, value) in WORDS {
            if self.take(word) {
                return Ok(value);
            }
        }
        match self.rest.bytes().next() {
            Some(b'"') => Ok(self.text()?.map_or(Value::BrokenText, Value::Text)),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Failure::Syntax),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Failure> {
        self.expect("[")?;
        self.skip_space();
        let mut length = 0;
        if self.take("]") {
            return Ok(Value::List(length));
        }
        loop {
            self.skip_space();
            self.value(depth + 1)?;
            length += 1;
            self.skip_space();
            if self.take("]") {
                return Ok(Value::List(length));
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Failure> {
        self.expect("{")?;
        self.skip_space();
        let mut members: Vec<(String, Value)> = Vec::new();
        if self.take("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            // A name with half a surrogate pair matches no member of a token, so any replacement will do.
            let name = self.text()?.unwrap_or_else(|| "\u{fffd}".to_owned());
            self.skip_space();
            self.expect(":")?;
            self.skip_space();
            let value = self.value(depth + 1)?;
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => members.push((name, value)),
            }
            self.skip_space();
            if self.take("}") {
                return Ok(Value::Object(members));
            }
            self.expect(",")?;
        }
    }

    fn number(&mut self) -> Result<Value, Failure> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let sign = usize::from(bytes[0] == b'-');
        let whole = match bytes.get(sign) {
            Some(b'0') => 1,
            _ => digits(sign),
        };
        if whole == 0 {
            return Err(Failure::Syntax);
        }
        let integer_end = sign + whole;
        let mut end = integer_end;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + signed);
            if exponent > 0 {
                end += 1 + signed + exponent;
            }
        }
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if end == integer_end {
            Ok(Value::Integer(number.to_owned()))
        } else {
            Ok(Value::Float)
        }
    }

    /// Reads a string; `None` for text with half a surrogate pair.
    fn text(&mut self) -> Result<Option<String>, Failure> {
        self.expect("\"")?;
        let mut text = Some(String::new());
        loop {
            let mut characters = self.rest.chars();
            let character = characters.next().ok_or(Failure::Syntax)?;
            self.rest = characters.as_str();
            let read = match character {
                '"' => return Ok(text),
                '\\' => self.escape()?,
                '\0'..='\x1f' => return Err(Failure::Syntax),
                other => Some(other),
            };
            text = text.zip(read).map(|(mut text, character)| {
                text.push(character);
                text
            });
        }
    }

    fn escape(&mut self) -> Result<Option<char>, Failure> {
        const SHORT: [(&str, char); 8] = [
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("n", '\n'),
            ("r", '\r'),
            ("t", '\t'),
        ];
        for (escape, character) in SHORT {
            if self.take(escape) {
                return Ok(Some(character));
            }
        }
        self.expect("u")?;
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) {
            // A low half alone is not a character; `from_u32` returns `None` for it.
            return Ok(char::from_u32(unit));
        }
        let after_high = self.rest;
        if self.take("\\u") {
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                return Ok(char::from_u32(
                    0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                ));
            }
            self.rest = after_high;
        }
        Ok(None)
    }

    fn hex4(&mut self) -> Result<u32, Failure> {
        let digits = self.rest.get(..4).ok_or(Failure::Syntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Failure::Syntax);
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).map_err(|_| Failure::Syntax)
    }
}

/// Writes a string as `json.dumps` does.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn values_are_read_as_python_reads_them() {
        let integer = |digits: &str| Value::Integer(digits.to_owned());
        let cases = [
            (" null\r\n\t", Value::Null),
            ("true", Value::Bool(true)),
            ("NaN", Value::Float),
            ("-Infinity", Value::Float),
            ("0", integer("0")),
            ("-12", integer("-12")),
            ("1.5", Value::Float),
            ("1e5", Value::Float),
            ("-0.5E-7", Value::Float),
            ("[]", Value::List(0)),
            ("[1, [2,3] ,{}]", Value::List(3)),
            (r#""""#, text("")),
            (r#""\u00e4\ud83d\ude00\n\/""#, text("ä😀\n/")),
            (r#""\ud83d""#, Value::BrokenText),
            (r#""\ude00x""#, Value::BrokenText),
            (r#""\ud83d\u0041""#, Value::BrokenText),
            ("{}", Value::Object(vec![])),
            (
                r#"{"a": 1, "b":null,"a":2}"#,
                Value::Object(vec![("a".into(), integer("2")), ("b".into(), Value::Null)]),
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(parse(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for json in [
            "",
            " ",
            "nul",
            "tru",
            "01",
            "-",
            "+1",
            ".5",
            "1.",
            "1e",
            "[1,]",
            "[",
            "[1 2]",
            "{",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\u{1}\"",
            "\"\n\"",
            "1 2",
            "\u{feff}1",
            "\u{a0}1",
            "\"\\u00é\"",
            "infinity",
        ] {
            assert_eq!(parse(json), Err(Failure::Syntax), "{json}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        assert_eq!(parse(&"[".repeat(1_000_000)), Err(Failure::TooDeep));
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert_eq!(parse(&deep), Ok(Value::List(1)));
    }

    #[test]
    fn text_is_written_as_python_writes_it() {
        let mut out = String::new();
        write_text(&mut out, "a\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}/äß€😀 ~");
        assert_eq!(
            out,
            r#""a\"\\\n\r\t\b\f\u0001\u007f/\u00e4\u00df\u20ac\ud83d\ude00 ~""#
        );
        assert_eq!(
            parse(&out),
            Ok(text("a\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}/äß€😀 ~"))
        );
    }
}
