//! Reads values that a stranger wrote.

use super::{Value, marker};
use crate::limits::{AMF_DEPTH_MAX, AMF_VALUES_MAX};

/// Reads the values of a message, within [`AMF_DEPTH_MAX`] and [`AMF_VALUES_MAX`]. A value that is cut short, of an unknown type or beyond
/// a bound ends them, because nobody can tell where the next one begins; what was read before it counts, members of objects included.
pub(crate) fn read(bytes: &[u8]) -> Vec<Value> {
    let mut reader = Reader {
        rest: bytes,
        values_left: AMF_VALUES_MAX,
        has_ended: false,
    };
    let mut values = Vec::new();
    while !reader.rest.is_empty() && !reader.has_ended {
        match reader.value(AMF_DEPTH_MAX) {
            Some(value) => values.push(value),
            None => break,
        }
    }
    values
}

struct Reader<'a> {
    rest: &'a [u8],
    values_left: usize,
    /// Nothing behind the present value can be read.
    has_ended: bool,
}

impl<'a> Reader<'a> {
    /// The next value; `None` if there is nothing of it. One that is cut short in its middle sets `has_ended`.
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.values_left = self.values_left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        match self.byte()? {
            marker::NUMBER => Some(Value::Number(f64::from_be_bytes(*self.chunk()?))),
            marker::BOOLEAN => Some(Value::Boolean(self.byte()? != 0)),
            marker::STRING => Some(Value::Text(self.short_text()?)),
            marker::LONG_STRING | marker::XML_DOCUMENT => {
                let length = u32::from_be_bytes(*self.chunk()?);
                Some(Value::Text(self.text(length as usize)?))
            }
            marker::OBJECT => Some(self.object(depth)),
            marker::TYPED_OBJECT => {
                self.short_text()?;
                Some(self.object(depth))
            }
            marker::ECMA_ARRAY => {
                // The number of members is a hint; encoders write 0 or a wrong one.
                self.chunk::<4>()?;
                Some(self.object(depth))
            }
            marker::STRICT_ARRAY => {
                let count = u32::from_be_bytes(*self.chunk()?);
                Some(self.list(count, depth))
            }
            marker::NULL | marker::UNDEFINED | marker::UNSUPPORTED => Some(Value::Nothing),
            marker::REFERENCE => self.chunk::<2>().map(|_| Value::Nothing),
            marker::DATE => self.chunk::<10>().map(|_| Value::Nothing),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut members = Vec::new();
        while !self.has_ended {
            // An object that ends with its message, as some encoders write it, is whole.
            let Some(name) = self.short_text() else {
                self.has_ended = true;
                break;
            };
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                self.rest = &self.rest[1..];
                break;
            }
            match self.value(depth) {
                Some(value) => members.push((name, value)),
                None => self.has_ended = true,
            }
        }
        Value::Object(members)
    }

    fn list(&mut self, count: u32, depth: usize) -> Value {
        let mut values = Vec::new();
        for _ in 0..count {
            if self.has_ended {
                break;
            }
            match self.value(depth) {
                Some(value) => values.push(value),
                None => self.has_ended = true,
            }
        }
        Value::List(values)
    }

    fn short_text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(*self.chunk()?);
        self.text(usize::from(length))
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::amf0::Writer;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::new()
            .text("connect")
            .number(1.0)
            .null()
            .object(&[("app", text("app")), ("fpad", Value::Boolean(false))])
            .finish();
        let object = Value::Object(vec![
            ("app".into(), text("app")),
            ("fpad".into(), Value::Boolean(false)),
        ]);
        assert_eq!(
            read(&bytes),
            [text("connect"), Value::Number(1.0), Value::Nothing, object]
        );
    }

    #[test]
    fn every_type_is_read_or_skipped() {
        let bytes = [
            &[0x07, 0, 1][..],
            &[0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x0c, 0, 0, 0, 1, b'l'],
            &[0x0f, 0, 0, 0, 1, b'x'],
            &[0x0d],
            &[0x06],
            &[0x10, 0, 1, b'T', 0, 1, b'a', 0x01, 1, 0, 0, 9],
            &[0x08, 0, 0, 0, 9, 0, 1, b'b', 0x05, 0, 0, 9],
            &[0x0a, 0, 0, 0, 2, 0x05, 0x01, 0],
            &[0x02, 0, 1, b'z'],
        ];
        let member = |name: &str, value| Value::Object(vec![(name.into(), value)]);
        let expected = [
            Value::Nothing,
            Value::Nothing,
            text("l"),
            text("x"),
            Value::Nothing,
            Value::Nothing,
            member("a", Value::Boolean(true)),
            member("b", Value::Nothing),
            Value::List(vec![Value::Nothing, Value::Boolean(false)]),
            text("z"),
        ];
        assert_eq!(read(&bytes.concat()), expected);
    }

    #[test]
    fn what_cannot_be_read_ends_the_values_and_spares_those_before() {
        // An unknown type, AMF3, within an object and by itself.
        let object = [
            0x03, 0, 3, b'a', b'p', b'p', 0x02, 0, 1, b'x', 0, 1, b'q', 0x11, 4, 0, 0, 9,
        ];
        let expected = Value::Object(vec![("app".into(), text("x"))]);
        assert_eq!(
            read(&[&[0x05][..], &object, &[0x05]].concat()),
            [Value::Nothing, expected]
        );
        assert_eq!(read(&[0x05, 0x11, 0x05]), [Value::Nothing]);
        // Without its end.
        assert_eq!(read(&object[..10]).len(), 1);
        assert_eq!(read(&[0x02, 0, 9, b'x']), []);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| [&[0x0a, 0, 0, 0, 1].repeat(depth)[..], &[0x05]].concat();
        let mut values = read(&nested(AMF_DEPTH_MAX + 5));
        let mut depth = 0;
        while let Some(Value::List(inner)) = values.pop() {
            (depth, values) = (depth + 1, inner);
        }
        assert_eq!(depth, AMF_DEPTH_MAX);
        assert_eq!(read(&[0x05; AMF_VALUES_MAX + 1]).len(), AMF_VALUES_MAX);
        assert_eq!(
            read(&[0x0a, 0xff, 0xff, 0xff, 0xff]),
            [Value::List(Vec::new())]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(prop_oneof![0..18_u8, any::<u8>()], 0..600)) {
            prop_assert!(read(&bytes).len() <= AMF_VALUES_MAX);
        }
    }
}
