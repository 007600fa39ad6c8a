//! Pictures of inputs become planes. What is decoded was written by strangers; a picture that cannot be decoded costs its own input only.

mod h264;
#[cfg(test)]
mod tests;
mod vp8;

use crate::layout::Size;
use crate::limits::{SOURCE_PIXELS_MAX, SOURCE_SIDE_MAX};
use crate::picture::Frame;
use crate::protocol::Codec;

/// Why there is no new picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing can be decoded before a key frame comes: there was none, or something is missing or damaged.
    #[error("a key frame is needed")]
    NeedKeyFrame,
    /// Pictures like this one are not shown. The next key frame may be another.
    #[error("{0}")]
    CannotShow(String),
}

/// Decodes the pictures of one input, whatever codec each has.
#[derive(Debug, Default)]
pub struct VideoDecoder {
    engine: Engine,
    picture: Option<Frame>,
    turns: u8,
}

/// A decoder that has seen a key frame.
#[derive(Debug, Default)]
enum Engine {
    /// Waits for a key frame.
    #[default]
    None,
    H264(h264::Decoder),
    Vp8(Box<vp8::Decoder>),
}

impl VideoDecoder {
    /// Decodes one access unit. True if there is a new [`picture`](Self::picture): some units carry nothing that is to be shown.
    ///
    /// # Errors
    ///
    /// The last picture stays. Everything is refused with [`DecodeError::NeedKeyFrame`] until a key frame comes.
    pub fn decode(
        &mut self,
        codec: Codec,
        is_key: bool,
        quarter_turns: u8,
        bytes: &[u8],
    ) -> Result<bool, DecodeError> {
        let outcome = self.decode_upright(codec, is_key, bytes);
        match &outcome {
            Ok(true) if !quarter_turns.is_multiple_of(4) => {
                self.picture = self
                    .picture
                    .as_ref()
                    .map(|picture| picture.turned(quarter_turns));
            }
            Ok(_) => {}
            // A decoder that has failed may be in any state.
            Err(_) => self.engine = Engine::None,
        }
        self.turns = quarter_turns % 4;
        outcome
    }

    fn decode_upright(
        &mut self,
        codec: Codec,
        is_key: bool,
        bytes: &[u8],
    ) -> Result<bool, DecodeError> {
        let fits = matches!(
            (&self.engine, codec),
            (Engine::H264(_), Codec::H264) | (Engine::Vp8(_), Codec::Vp8)
        );
        if !fits {
            if !is_key {
                self.engine = Engine::None;
                return Err(DecodeError::NeedKeyFrame);
            }
            self.engine = match codec {
                Codec::H264 => Engine::H264(h264::Decoder::new()?),
                Codec::Vp8 => Engine::Vp8(Box::default()),
            };
        }
        // Planes are kept from picture to picture, unless one was turned into another size.
        let mut picture = self.picture.take().unwrap_or_else(|| Frame::new(NOTHING));
        let outcome = match &mut self.engine {
            Engine::None => Err(DecodeError::NeedKeyFrame),
            Engine::H264(decoder) => decoder.decode(bytes, &mut picture),
            Engine::Vp8(decoder) => decoder.decode(bytes, &mut picture),
        };
        self.picture = Some(picture).filter(|picture| picture.size() != NOTHING);
        outcome
    }

    /// The newest picture, as it is to be shown.
    pub fn picture(&self) -> Option<&Frame> {
        self.picture.as_ref()
    }

    /// Forgets everything but the newest picture.
    pub fn restart(&mut self) {
        self.engine = Engine::None;
    }
}

const NOTHING: Size = Size {
    width: 0,
    height: 0,
};

/// Refuses pictures above 1080p, whose sender counts as one without a picture (Amazon IVS Real-Time guide, "Server-Side Composition").
fn check_size(size: Size) -> Result<(), DecodeError> {
    let pixels = u64::from(size.width) * u64::from(size.height);
    if size.width.max(size.height) > SOURCE_SIDE_MAX || pixels > SOURCE_PIXELS_MAX {
        let Size { width, height } = size;
        return Err(DecodeError::CannotShow(format!(
            "{width}x{height} is above 1080p"
        )));
    }
    match pixels {
        0 => Err(DecodeError::NeedKeyFrame),
        _ => Ok(()),
    }
}
