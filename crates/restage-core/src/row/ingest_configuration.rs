//! Ingest configurations, and what participants that publish by them have of theirs.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use super::{Attributes, Tags};
use crate::id::{ParticipantId, StageId, Time, text_id};

text_id! {
    /// The last part of an ingest configuration's ARN: 12 mixed-case alphanumerics, unique over all accounts and Regions.
    IngestConfigurationId of "ingest-configuration", "ingest configuration"
}

/// The protocol by which an encoder publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IngestProtocol {
    /// RTMP over TCP, without encryption.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
}

/// A stream key: `rt_<account>_<Region>_<ingest configuration>_<secret>` (`StreamKey` in the API model). It is a secret, so
/// its `Debug` shows nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// The key of an ingest configuration with this secret.
    pub fn new(
        account: &str,
        region: &str,
        configuration: &IngestConfigurationId,
        secret: &str,
    ) -> Self {
        Self::given(&format!("rt_{account}_{region}_{configuration}_{secret}"))
    }

    /// A key as an encoder sent it, or as the store has it. It may be anything.
    pub fn given(text: &str) -> Self {
        Self(text.into())
    }

    /// The text of the key, for its owner and for the store.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The ingest configuration that the key names, which is not secret; `None` if it has not the form of a stream key.
    pub fn configuration(&self) -> Option<IngestConfigurationId> {
        let rest = self.0.strip_prefix("rt_")?;
        let (account, rest) = rest.split_once('_')?;
        let (region, rest) = rest.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let all =
            |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
        let is_sound = all(account, |b| b.is_ascii_digit())
            && all(region, |b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
            })
            && all(id, |b| b.is_ascii_alphanumeric() || b == b'-')
            && !secret.is_empty();
        is_sound.then(|| IngestConfigurationId::new(id))
    }

    /// Whether the two keys are the same. How long it takes depends on their lengths, which are known, and not on where
    /// they differ.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        let differing = a
            .iter()
            .zip(b)
            .fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        a.len() == b.len() && differing == 0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey")
    }
}

/// A stream key, and the participant that publishes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IngestCredential {
    /// The participant: the same in every stage.
    pub participant: ParticipantId,
    /// Its key.
    pub key: StreamKey,
}

/// What an encoder publishes by: a stream key that can be used again, and the participant that it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IngestConfiguration {
    /// The last part of its ARN, and the row's key.
    pub id: IngestConfigurationId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN: any Region name a client signs for.
    pub region: String,
    /// The customer's name for it. May be empty; not unique.
    pub name: String,
    /// At most 50 tags.
    pub tags: Tags,
    /// The stage that it publishes to, of the same account and Region; without one its keys are unusable.
    pub stage: Option<StageId>,
    /// The customer's label of the participant; may be empty.
    pub user_id: String,
    /// The attributes of the participant.
    pub attributes: Attributes,
    /// The protocol that the encoder is to use.
    pub protocol: IngestProtocol,
    /// Whether RTMP without encryption is taken. RTMPS always is.
    pub insecure: bool,
    /// The participant that subscribers see, with the key of an ingest that is not redundant.
    pub credential: IngestCredential,
    /// The two streams of a redundant ingest. While there are any, the key of `credential` is unusable.
    pub redundant: Option<[IngestCredential; 2]>,
    /// When it was created. Lists are ordered by it, then by id.
    pub created_at: Time,
}

impl IngestConfiguration {
    /// Every participant that it publishes as: first the one that subscribers see.
    pub fn participants(&self) -> Vec<&ParticipantId> {
        let redundant = self.redundant.iter().flatten();
        let all = std::iter::once(&self.credential).chain(redundant);
        all.map(|credential| &credential.participant).collect()
    }

    /// The participant that this key stands for; `None` if it is none of its keys. All keys are compared, whichever fits, each in a time
    /// that does not depend on where they differ.
    pub fn participant_of(&self, key: &StreamKey) -> Option<ParticipantId> {
        let redundant = self.redundant.iter().flatten();
        let all = std::iter::once(&self.credential).chain(redundant);
        let fits = |credential: &&IngestCredential| credential.key.is(key);
        let found = all.filter(fits).fold(None, |_, of| Some(of));
        found.map(|of| of.participant.clone())
    }

    /// What one of its participants has of it.
    pub fn link(&self, participant: &ParticipantId) -> IngestLink {
        let streams = self.redundant.as_ref();
        IngestLink {
            configuration: self.id.clone(),
            redundant: streams.map(|[first, second]| RedundantIngest {
                is_virtual: *participant == self.credential.participant,
                virtual_participant: self.credential.participant.clone(),
                physical: [first.participant.clone(), second.participant.clone()],
            }),
        }
    }
}

/// Of a participant that publishes by an ingest configuration: which one, and the participants beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IngestLink {
    /// The ingest configuration, which may have been deleted since.
    pub configuration: IngestConfigurationId,
    /// The participants of a redundant ingest, this one among them. A replica has none: where it is shown there is only one.
    pub redundant: Option<RedundantIngest>,
}

impl IngestLink {
    /// The other participants of the redundant ingest that this one belongs to.
    pub fn others<'a>(&'a self, id: &'a ParticipantId) -> impl Iterator<Item = &'a ParticipantId> {
        let all = self
            .redundant
            .iter()
            .flat_map(RedundantIngest::participants);
        all.filter(move |other| *other != id)
    }
}

/// The participants of a redundant ingest (IVS user guide, "IVS RTMP Publishing", Redundant Ingest).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedundantIngest {
    /// Whether this participant is the virtual one.
    pub is_virtual: bool,
    /// The participant that subscribers, replications and compositions see. It publishes while one of the others does, and
    /// has no connection of its own.
    pub virtual_participant: ParticipantId,
    /// The participants that encoders publish as, one with each key.
    pub physical: [ParticipantId; 2],
}

impl RedundantIngest {
    /// All three participants: first the virtual one.
    pub fn participants(&self) -> impl Iterator<Item = &ParticipantId> {
        std::iter::once(&self.virtual_participant).chain(&self.physical)
    }

    /// The other stream of this one; `None` for the virtual participant.
    pub fn other(&self, id: &ParticipantId) -> Option<&ParticipantId> {
        let [first, second] = &self.physical;
        match id {
            id if id == first => Some(second),
            id if id == second => Some(first),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_configuration_and_shows_nothing_of_itself() {
        let id = IngestConfigurationId::new("Vw2xYz5aBc8D");
        let key = StreamKey::new("111122223333", "eu-west-1", &id, "s_e-c/ret");
        assert_eq!(
            key.expose(),
            "rt_111122223333_eu-west-1_Vw2xYz5aBc8D_s_e-c/ret"
        );
        assert_eq!(key.configuration(), Some(id));
        assert_eq!(format!("{key:?}"), "StreamKey");
    }

    #[test]
    fn what_is_no_key_names_none() {
        for text in [
            "",
            "rt_",
            "rt_1_eu_a_",
            "rt_1_eu_a",
            "rt_x_eu_a_s",
            "rt_1_EU_a_s",
            "rt_1_eu__s",
            "rt_1_eu_ä_s",
            "sk_1_eu_a_s",
        ] {
            assert_eq!(StreamKey::given(text).configuration(), None, "{text:?}");
        }
    }

    #[test]
    fn keys_are_the_same_in_every_byte_or_not_at_all() {
        let key = StreamKey::given("rt_1_eu_a_secret");
        assert!(key.is(&StreamKey::given("rt_1_eu_a_secret")));
        for other in [
            "rt_1_eu_a_secreT",
            "Rt_1_eu_a_secret",
            "rt_1_eu_a_secre",
            "rt_1_eu_a_secret1",
            "",
        ] {
            assert!(!key.is(&StreamKey::given(other)), "{other:?}");
        }
    }
}
