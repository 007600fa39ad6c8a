//! The video of an encoder configuration: its defaults, and the rules about its picture (API reference, Video).

use super::Video;
use crate::error::ApiError;
use crate::read::{Body, Shape as _, fail};

/// Most pixels of a picture: 1920x1080, upright or lying.
const PIXELS_MAX: u32 = 1_920 * 1_080;

impl Default for Video {
    fn default() -> Self {
        Self {
            width: 1_280,
            height: 720,
            framerate: 30.0,
            bitrate: 2_500_000,
        }
    }
}

impl Video {
    /// The picture must have an even width and height, and not more pixels than 1920x1080, whatever its shape.
    pub(crate) fn checked(self) -> Result<Self, ApiError> {
        for (member, length) in [("video.width", self.width), ("video.height", self.height)] {
            if length % 2 != 0 {
                return Err(fail(member, "must be an even number"));
            }
        }
        let (width, height) = (self.width, self.height);
        if width.saturating_mul(height) > PIXELS_MAX {
            let rule = format!(
                "and video.height must not make more than {PIXELS_MAX} pixels together, as {width}x{height} does (the defaults are 1280x720)"
            );
            return Err(fail("video.width", &rule));
        }
        Ok(self)
    }

    /// One text per value, for the store. It is the wire form.
    pub fn to_canonical_json(&self) -> String {
        crate::shape::to_json(self)
    }

    /// Reads what [`Self::to_canonical_json`] wrote.
    ///
    /// # Errors
    /// As for a request, if the text breaks a rule.
    pub fn from_canonical_json(text: &str) -> Result<Self, ApiError> {
        Self::read(&Body::parse(text.as_bytes())?.members())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(members: &str) -> Result<Video, String> {
        Video::from_canonical_json(members).map_err(|error| error.message)
    }

    #[test]
    fn what_is_not_given_has_the_defaults_and_comes_back_from_its_text() {
        let all = video("{}").unwrap();
        let text = r#"{"width":1280,"height":720,"framerate":30.0,"bitrate":2500000}"#;
        assert_eq!(all.to_canonical_json(), text);
        let other = video(r#"{"framerate": 29.97, "height": 1620}"#).unwrap();
        assert_eq!((other.width, other.height), (1_280, 1_620));
        assert_eq!(video(&other.to_canonical_json()), Ok(other));
    }

    #[test]
    fn a_picture_has_even_lengths_and_as_many_pixels_as_full_hd() {
        for (width, height) in [(1_920, 1_080), (1_080, 1_920), (2, 1_920), (1_440, 1_440)] {
            assert!(video(&format!(r#"{{"width": {width}, "height": {height}}}"#)).is_ok());
        }
        let odd = video(r#"{"width": 1279}"#).unwrap_err();
        assert!(
            odd.starts_with("video.width must be an even number"),
            "{odd}"
        );
        for members in [r#"{"height": 1622}"#, r#"{"width": 1920, "height": 1082}"#] {
            let large = video(members).unwrap_err();
            assert!(large.contains("more than 2073600 pixels"), "{large}");
        }
    }
}
