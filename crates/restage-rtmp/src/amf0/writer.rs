//! Writes values.

use super::{Value, marker};

/// Writes the values of one message.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn number(mut self, number: f64) -> Self {
        self.put(&Value::Number(number));
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.push(marker::STRING);
        self.put_text(text);
        self
    }

    pub(crate) fn null(mut self) -> Self {
        self.0.push(marker::NULL);
        self
    }

    pub(crate) fn object(mut self, members: &[(&str, Value)]) -> Self {
        self.0.push(marker::OBJECT);
        self.put_members(members.iter().map(|(name, value)| (*name, value)));
        self
    }

    /// An array with names, as encoders describe their streams.
    pub(crate) fn array(mut self, members: &[(&str, Value)]) -> Self {
        self.0.push(marker::ECMA_ARRAY);
        self.0.extend((members.len() as u32).to_be_bytes());
        self.put_members(members.iter().map(|(name, value)| (*name, value)));
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, value: &Value) {
        match value {
            Value::Number(number) => {
                self.0.push(marker::NUMBER);
                self.0.extend(number.to_be_bytes());
            }
            Value::Boolean(boolean) => self.0.extend([marker::BOOLEAN, u8::from(*boolean)]),
            Value::Text(text) => {
                self.0.push(marker::STRING);
                self.put_text(text);
            }
            Value::Object(members) => {
                self.0.push(marker::OBJECT);
                self.put_members(members.iter().map(|(name, value)| (name.as_str(), value)));
            }
            Value::List(values) => {
                self.0.push(marker::STRICT_ARRAY);
                self.0.extend((values.len() as u32).to_be_bytes());
                values.iter().for_each(|value| self.put(value));
            }
            Value::Nothing => self.0.push(marker::NULL),
        }
    }

    fn put_members<'a>(&mut self, members: impl Iterator<Item = (&'a str, &'a Value)>) {
        for (name, value) in members {
            self.put_text(name);
            self.put(value);
        }
        self.0.extend([0, 0, marker::OBJECT_END]);
    }

    /// A text that is too long for its length is cut: the server writes none of that size.
    fn put_text(&mut self, text: &str) {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.extend((end as u16).to_be_bytes());
        self.0.extend(&text.as_bytes()[..end]);
    }
}
