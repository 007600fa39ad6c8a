//! Viewers that cannot decode a publication: refused if this is known in advance, otherwise notified when it appears.

use restage_core::command::{Claims, Command};
use restage_core::id::ConnectionId;
use restage_core::row::{ConnectionKind, StageEventError};
use restage_media::MediaKind;

use super::Control;
use super::report::About;
use super::trouble::Trouble;

impl Trouble {
    /// A viewer can decode no published format of this kind.
    pub(super) fn undecodable(kind: MediaKind, published: &str) -> Self {
        let (reason, error) = match kind {
            MediaKind::Audio => ("audio-undecodable", StageEventError::InvalidAudioCodec),
            MediaKind::Video => ("video-undecodable", StageEventError::InvalidVideoCodec),
        };
        Self {
            code: "CODEC_MISMATCH",
            reason,
            message: format!(
                "the publisher sends {published}, and this client offers no codec that decodes it; \
                 offer that one, or publish another"
            ),
            error,
        }
    }
}

impl Control {
    /// The reason to refuse a viewer with this offer: it could decode nothing that its publisher may send. A client
    /// that may not watch the publisher does not learn what it sends.
    pub(super) async fn foresee_mismatch(
        &self,
        claims: &Claims,
        kind: &ConnectionKind,
        offer: &str,
    ) -> Option<Trouble> {
        let ConnectionKind::Subscribe { publisher } = kind else {
            return None;
        };
        let published = self.connections().published(publisher);
        let profiles = self.inner.rules.profiles;
        let mut mismatches = published
            .iter()
            .map(|published| published.undecodable_by(offer, profiles));
        let (missed, name) = mismatches.next()??;
        let is_certain = mismatches.all(|other| other.is_some());
        if !is_certain || !claims.capabilities.subscribe {
            return None;
        }
        let there = self.inner.store.publishing_participants(&claims.stage.id);
        let is_there = there.await.ok()?.iter().any(|row| row.id == *publisher);
        is_there.then(|| Trouble::undecodable(missed, &name))
    }

    /// A connected viewer continues without a kind that it cannot decode.
    pub(super) fn goes_on_without(
        &self,
        connection: ConnectionId,
        kind: MediaKind,
        published: &str,
    ) -> Option<Command> {
        let live = self.connections().get(&connection).cloned()?;
        let trouble = Trouble::undecodable(kind, published);
        self.tell(&About::live(&connection, &live), &trouble, false);
        Some(Command::ConnectionFailed {
            connection,
            stage: live.stage,
            participant: live.participant,
            error: trouble.error,
            is_over: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_told_what_is_published_and_what_to_do() {
        let trouble = Trouble::undecodable(MediaKind::Video, "H264 profile-level-id 640028");
        assert_eq!(
            (trouble.code, trouble.reason),
            ("CODEC_MISMATCH", "video-undecodable")
        );
        assert_eq!(trouble.error, StageEventError::InvalidVideoCodec);
        assert!(trouble.message.contains("H264 profile-level-id 640028"));
        let trouble = Trouble::undecodable(MediaKind::Audio, "Opus");
        assert_eq!(trouble.error, StageEventError::InvalidAudioCodec);
    }
}
