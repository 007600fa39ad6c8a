//! Composition: the participants of a stage in one picture, with one sound.
//!
//! | module | does |
//! |---|---|
//! | [`layout`] | says where whom is: a pure function |
//! | [`protocol`] | what the server and the process that composes say to each other |
//! | `engine` | what is due, and what comes of it: a pure machine |
//! | `picture` | scales and draws |
//! | `decode`, `encode` | pictures of participants, pictures for destinations |
//! | `sound` | voices, the mix, a limiter |
//! | [`child`] | the process, locked in before it reads what strangers wrote |
#![deny(missing_docs)]

#[doc(hidden)]
pub mod bench;
pub mod child;
mod decode;
mod encode;
mod engine;
pub mod layout;
#[doc(hidden)]
pub mod offline;
mod picture;
pub mod protocol;
mod sound;

use restage_audio::AacEncoder;
use sound::AacEncode;

/// Bits per second of the sound of channels.
pub const AAC_BITS_PER_S: u32 = 128_000;
/// Samples a second of the sound of channels.
pub const AAC_RATE_HZ: u32 = sound::RATE as u32;
/// Channels of the sound of channels.
pub const AAC_CHANNELS: u8 = 2;

struct Aac(AacEncoder);

impl AacEncode for Aac {
    fn encode(&mut self, samples: &[f32]) -> Option<Vec<u8>> {
        self.0.encode(samples).ok()
    }

    fn delay(&self) -> i64 {
        i64::from(self.0.delay_samples())
    }
}

fn new_aac() -> Option<AacEncoder> {
    AacEncoder::new(AAC_RATE_HZ, AAC_CHANNELS, AAC_BITS_PER_S).ok()
}

/// The encoder of the sound of channels.
fn aac_encoder() -> Option<Box<dyn AacEncode>> {
    Some(Box::new(Aac(new_aac()?)))
}

/// What a decoder of the sound of channels has to know (AudioSpecificConfig of ISO/IEC 14496-3).
pub fn aac_config() -> Option<Vec<u8>> {
    Some(new_aac()?.audio_specific_config())
}
