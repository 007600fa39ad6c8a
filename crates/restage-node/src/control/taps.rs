//! Taps of publications, by the names that the rules have for them.

use restage_core::PublicationKey;
use restage_media::TapLayers;

use super::Control;
use crate::media::{OpenTapError, TapStream};

/// Why a publication cannot be tapped.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// Nobody feeds or receives it: it has ended, or its media is not connected yet.
    #[error("the participant does not publish now")]
    NotPublished,
    /// The media plane refuses.
    #[error(transparent)]
    Media(#[from] OpenTapError),
}

impl Control {
    /// Opens a tap of a publication: its sound and these layers of its pictures, beginning with the picture as it stands.
    ///
    /// # Errors
    /// It does not exist, or the media plane refuses; either may be different in a moment.
    pub async fn open_tap(
        &self,
        publication: &PublicationKey,
        layers: TapLayers,
    ) -> Result<TapStream, TapError> {
        let found = self.connections().life_of(publication);
        let (handle, life) = found.ok_or(TapError::NotPublished)?;
        Ok(self.media().open_tap(handle, layers, life).await?)
    }
}
