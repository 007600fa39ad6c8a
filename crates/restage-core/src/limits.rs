//! The numbers we refuse to exceed.

use crate::row::PlainLimits;

/// Limits of one deployment. Every refusal names the limit, its value and the setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Stages per account and region.
    pub stages: u32,
    /// Plain resources per account and Region.
    pub plain: PlainLimits,
    /// Publishing participants per stage, replicas included.
    pub publishers_per_stage: u32,
    /// Connected participants with a subscription per stage.
    pub subscribers_per_stage: u32,
    /// Concurrent replications per participant.
    pub replications_per_participant: u32,
    /// Publishing participants per account and region, replicas included.
    pub publishers: u32,
    /// Subscriptions per account and region: pairs of a publisher and a subscriber.
    pub subscriptions: u32,
    /// Compositions per account and Region that are neither STOPPED nor FAILED.
    pub compositions: u32,
    /// The same per stage.
    pub compositions_per_stage: u32,
    /// How long a participant may publish, or be subscribed, without a break, in seconds; 0 is for ever.
    pub connection_seconds: u32,
    /// What a participant may publish, all its tracks and simulcast layers together, in bits a second; 0 is any.
    pub publish_bitrate: u32,
    /// What a participant may receive by all its subscriptions together, in bits a second; 0 is any.
    pub download_bitrate: u32,
    /// How large a picture may be that is published, as the lines of a picture of 16:9; 0 is any. See
    /// [`publish_pixels`](Self::publish_pixels).
    pub publish_resolution: u32,
    /// In which codecs pictures may be published.
    pub publish_codecs: VideoCodecs,
}

/// A codec of pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum VideoCodec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
}

impl VideoCodec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::H264, Self::H265, Self::Vp8, Self::Vp9, Self::Av1];
}

/// A set of codecs of pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VideoCodecs(u8);

impl VideoCodecs {
    /// Those in the list.
    pub const fn of(codecs: &[VideoCodec]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < codecs.len() {
            set |= 1 << codecs[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// Whether this one is among them.
    pub const fn has(self, codec: VideoCodec) -> bool {
        self.0 & (1 << codec as u8) != 0
    }
}

/// All codecs.
impl Default for VideoCodecs {
    fn default() -> Self {
        Self::of(&VideoCodec::ALL)
    }
}

impl Limits {
    /// What people who self-host expect: generous, but bounded.
    pub const OPEN: Self = Self {
        stages: 100_000,
        plain: PlainLimits::OPEN,
        publishers_per_stage: 100,
        subscribers_per_stage: 25_000,
        replications_per_participant: 1_000,
        publishers: 100_000,
        subscriptions: 1_000_000,
        compositions: 1_000,
        compositions_per_stage: 100,
        connection_seconds: 0,
        publish_bitrate: 0,
        download_bitrate: 0,
        publish_resolution: 0,
        publish_codecs: VideoCodecs::of(&VideoCodec::ALL),
    };
    /// The service's own defaults (service-quotas page of the user guide).
    pub const AWS: Self = Self {
        stages: 1_000,
        plain: PlainLimits::AWS,
        publishers_per_stage: 12,
        subscribers_per_stage: 10_000,
        replications_per_participant: 5,
        publishers: 1_000,
        subscriptions: 20_000,
        compositions: 20,
        compositions_per_stage: 5,
        connection_seconds: 24 * 3_600,
        publish_bitrate: 8_500_000,
        download_bitrate: 8_500_000,
        publish_resolution: 720,
        publish_codecs: VideoCodecs::of(&[VideoCodec::H264]),
    };

    /// Most pixels of a published picture, whatever its shape: those of one of 16:9 with as many lines as
    /// `publish_resolution` says. 720 is 921,600, upright or lying. `None` is any.
    pub fn publish_pixels(&self) -> Option<u64> {
        let lines = u64::from(self.publish_resolution);
        (lines > 0).then(|| lines.pow(2).saturating_mul(16) / 9)
    }
}

/// How often an account may call an operation in a region, in calls a second; 0 is as often as it likes.
/// Each operation of a group has the rate to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// The rate of CreateParticipantToken.
    pub create_participant_token: u32,
    /// TagResource, UntagResource, ListTagsForResource.
    pub tags: u32,
    /// ImportPublicKey, GetPublicKey, ListPublicKeys, DeletePublicKey.
    pub public_keys: u32,
    /// Every other operation.
    pub others: u32,
}

impl Rates {
    /// None: one's own machine says when it is enough.
    pub const OPEN: Self = Self {
        create_participant_token: 0,
        tags: 0,
        public_keys: 0,
        others: 0,
    };
    /// The service's own (service-quotas page of the user guide).
    pub const AWS: Self = Self {
        create_participant_token: 50,
        tags: 10,
        public_keys: 3,
        others: 5,
    };
}

/// Connections that one tick ends because they have lasted too long; the next tick ends the next ones.
pub const OVERDUE_PER_TICK_MAX: usize = 64;
/// How much longer than the others the last stream of a redundant ingest may last while the other is away, in seconds.
pub const REDUNDANT_GRACE_S: u32 = 600;
/// Jobs of one stage that have not ended.
pub const JOBS_PER_STAGE_MAX: usize = 256;
/// Jobs that one tick starts or gives up; the next tick takes the next ones.
pub const JOBS_PER_TICK_MAX: usize = 64;
/// Recordings whose wait for their publisher one tick ends; the next tick ends the next ones.
pub const RECORDINGS_PER_TICK_MAX: usize = 64;
/// Most bytes of a remark on a recording, and of the reason of its failure; the rest is cut off.
pub const RECORDING_TEXT_BYTES_MAX: usize = 1_024;
/// Compositions that one tick takes up, ends or removes; the next tick takes the next ones.
pub const COMPOSITIONS_PER_TICK_MAX: usize = 64;
/// A composition ends when nobody has been publishing for this long, in seconds (IVS user guide, "Server-side composition").
pub const COMPOSITION_IDLE_S: u32 = 60;
/// Longest life of a composition, in seconds: 24 hours (service-quotas page of the user guide).
pub const COMPOSITION_LIFE_S: u32 = 24 * 3_600;
/// How long a composition can be read after it is STOPPED or FAILED, in seconds (IVS user guide, "Server-side composition").
pub const COMPOSITION_KEPT_S: u32 = 300;
/// Most bytes of the reason for which a composition or a destination failed; the rest is cut off.
pub const COMPOSITION_TEXT_BYTES_MAX: usize = 1_024;
/// Starts in a row that may fail before a composition has failed for good.
pub const COMPOSITION_ATTEMPTS_MAX: u32 = 3;
/// Longest name of a kind of job.
pub const JOB_KIND_LEN_MAX: usize = 32;
/// Most bytes of what a job is to do.
pub const JOB_SPEC_BYTES_MAX: usize = 64 * 1_024;
/// Most bytes in the result of a job, or in the reason of its failure; the rest is cut off.
pub const JOB_RESULT_BYTES_MAX: usize = 16 * 1_024;
/// How long a job may run without a sign of life, in seconds.
pub const JOB_LEASE_S: u32 = 60;
/// A start that has lasted so long, in seconds, makes the failed starts before it forgotten.
pub const JOB_STEADY_AFTER_S: u32 = 600;
/// The same for a composition: each kill of the server is a failed start of it.
pub const COMPOSITION_STEADY_AFTER_S: u32 = 30;
/// Starts in a row that may fail; then the job has failed for good. Compositions have fewer
/// ([`COMPOSITION_ATTEMPTS_MAX`]).
pub const JOB_ATTEMPTS_MAX: u32 = 8;
/// From a failed start to the next one, in seconds. It doubles with each that fails.
pub const JOB_RETRY_FIRST_S: u32 = 1;
/// The longest time from a failed start to the next one, in seconds.
pub const JOB_RETRY_MAX_S: u32 = 60;
/// A client that leaves before its connection is up and this old has changed its mind; later, the connection has failed.
pub const GIVEN_UP_AFTER_S: u32 = 2;
/// Most tags of one resource (the API model's `Tags`).
pub const TAGS_MAX: usize = 50;
/// Longest life of a participant token, from `iat` to `exp`, in seconds: 14 days (IVS user guide, "Distribute participant tokens").
pub const TOKEN_LIFE_MAX_S: i64 = 14 * 24 * 3_600;
/// Longest life of a connection token, from `iat` to `exp`, in seconds: 4 weeks (IVS user guide, "Distribute connection tokens").
pub const CONNECTION_TOKEN_LIFE_MAX_S: i64 = 28 * 24 * 3_600;
/// Connection tokens of one account and Region that are remembered as revoked. Each is, until no token that was signed before
/// its revocation can be good.
pub const REVOCATIONS_MAX: u64 = 100_000;
/// How far a self-signed token's `iat` may be ahead of our clock, in seconds. Clocks differ; but a token
/// from the far future would outlive the 14 days that one may live.
pub const ISSUED_AHEAD_MAX_S: u32 = 300;
/// Most bytes (UTF-8, keys and values together) of a participant's attributes, overrides merged in:
/// the 1 KB of the API model.
pub const ATTRIBUTES_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_is_as_many_pixels_as_its_picture_of_16_to_9_has() {
        let pixels = |publish_resolution| {
            let limits = Limits {
                publish_resolution,
                ..Limits::OPEN
            };
            limits.publish_pixels()
        };
        assert_eq!(Limits::AWS.publish_pixels(), Some(1_280 * 720));
        assert_eq!(pixels(1_080), Some(1_920 * 1_080));
        assert_eq!(pixels(0), None);
        assert!(pixels(u32::MAX).is_some());
    }
}
