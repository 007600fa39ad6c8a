//! `onMetaData`: what an encoder says about its stream (FLV annex E.5).

use crate::amf0::Value;
use crate::limits::ENCODER_NAME_BYTES_MAX;

/// What an encoder says about its stream. It may be wrong, and it may change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Width of the pictures in pixels.
    pub width: Option<f64>,
    /// Height of the pictures in pixels.
    pub height: Option<f64>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Bitrate of the video in kilobits per second.
    pub video_kbit_per_s: Option<f64>,
    /// Bitrate of the sound in kilobits per second.
    pub audio_kbit_per_s: Option<f64>,
    /// The encoder's name, cut to [`ENCODER_NAME_BYTES_MAX`](crate::limits::ENCODER_NAME_BYTES_MAX) bytes, without control characters.
    pub encoder: Option<String>,
}

impl Metadata {
    /// Of the values of a data message; `None` if it is another one.
    pub(crate) fn of(values: &[Value]) -> Option<Self> {
        let values = match values {
            [Value::Text(name), rest @ ..] if name == "@setDataFrame" => rest,
            all => all,
        };
        let [Value::Text(name), Value::Object(members), ..] = values else {
            return None;
        };
        if name != "onMetaData" {
            return None;
        }
        let find = |name: &str| {
            let found = members.iter().find(|(member, _)| member == name);
            found.map(|(_, value)| value)
        };
        let number = |name| {
            find(name)
                .and_then(Value::number)
                .filter(|value| value.is_finite())
        };
        Some(Self {
            width: number("width"),
            height: number("height"),
            frame_rate: number("framerate"),
            video_kbit_per_s: number("videodatarate"),
            audio_kbit_per_s: number("audiodatarate"),
            encoder: find("encoder").and_then(Value::text).map(shown),
        })
    }
}

/// Text for a log: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut end = text.len().min(ENCODER_NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end]
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_name_are_read() {
        let member = |name: &str, value| (name.to_owned(), value);
        let object = Value::Object(vec![
            member("width", Value::Number(1_280.0)),
            member("framerate", Value::Number(f64::NAN)),
            member("encoder", Value::Text(format!("a\n{}", "é".repeat(200)))),
            member("height", Value::Text("720".into())),
        ]);
        let text = |text: &str| Value::Text(text.into());
        let plain = Metadata::of(&[text("onMetaData"), object.clone()]).unwrap();
        let framed = Metadata::of(&[text("@setDataFrame"), text("onMetaData"), object.clone()]);
        assert_eq!(framed.as_ref(), Some(&plain));
        assert_eq!(
            (plain.width, plain.height, plain.frame_rate),
            (Some(1_280.0), None, None)
        );
        let encoder = plain.encoder.unwrap();
        assert!(encoder.starts_with("aé") && encoder.len() <= ENCODER_NAME_BYTES_MAX);
        assert_eq!(Metadata::of(&[text("onCuePoint"), object]), None);
        assert_eq!(Metadata::of(&[]), None);
    }
}
