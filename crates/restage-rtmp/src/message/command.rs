//! Commands and data: values of AMF0, also where the message's type says AMF3.

use super::kind;
use crate::amf0::{self, Value};

/// A command of the encoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) name: String,
    /// Which answer belongs to it; 0 for none.
    pub(crate) transaction: f64,
    /// The command object and what follows it.
    pub(crate) values: Vec<Value>,
}

impl Command {
    /// Reads a message of commands. `None`: its name cannot be read.
    pub(crate) fn parse(message_kind: u8, body: &[u8]) -> Option<Self> {
        let mut values = amf0::read(plain(message_kind, body)).into_iter();
        let Some(Value::Text(name)) = values.next() else {
            return None;
        };
        let mut values: Vec<Value> = values.collect();
        let transaction = values.first().and_then(Value::number).unwrap_or_default();
        values.drain(..values.len().min(1));
        Some(Self {
            name,
            transaction,
            values,
        })
    }

    /// The first text among the arguments: the name in `publish`.
    pub(crate) fn text(&self) -> Option<&str> {
        self.values.iter().find_map(Value::text)
    }

    /// A text of the command object.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.values.first()?.member(name)?.text()
    }
}

/// The values of a data message.
pub(crate) fn data_values(message_kind: u8, body: &[u8]) -> Vec<Value> {
    amf0::read(plain(message_kind, body))
}

/// Messages that are said to be AMF3 have a byte before values of AMF0 (AMF3 itself is a marker among them).
fn plain(message_kind: u8, body: &[u8]) -> &[u8] {
    match (message_kind, body) {
        (kind::COMMAND_AMF3 | kind::DATA_AMF3, [0, rest @ ..]) => rest,
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amf0::Writer;

    #[test]
    fn a_command_has_name_transaction_and_values() {
        let body = Writer::new()
            .text("publish")
            .number(5.0)
            .null()
            .text("key")
            .text("live");
        let body = body.finish();
        let command = Command::parse(kind::COMMAND, &body).unwrap();
        assert_eq!(
            (command.name.as_str(), command.transaction),
            ("publish", 5.0)
        );
        assert_eq!(command.text(), Some("key"));
        let amf3 = [&[0][..], &body].concat();
        assert_eq!(Command::parse(kind::COMMAND_AMF3, &amf3), Some(command));
        assert_eq!(Command::parse(kind::COMMAND, &[5]), None);
        let bare = Command::parse(kind::COMMAND, &Writer::new().text("x").finish()).unwrap();
        assert_eq!((bare.transaction, bare.values), (0.0, Vec::new()));
    }
}
