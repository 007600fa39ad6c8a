//! Resumption secrets: who joined a stage session is given one, and comes back to that session with it even after its
//! participant token has expired. It is made from what it stands for and a key, so nothing is stored, and a restart that
//! leaves the session open leaves it good. The rules decide what it is worth: nothing once the session has ended, or the
//! token is dead.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use restage_core::id::{ParticipantId, StageId, StageSessionId};

use super::SECRET_LEN;

/// A longer text is none of ours.
const TEXT_LEN_MAX: usize = 256;
/// Keeps this key apart from that of tokens, which comes from the same secret.
const PURPOSE: &[u8] = b"restage resumption";

/// Makes resumption secrets and knows them again.
pub(super) struct Resumptions(hmac::Key);

impl Resumptions {
    pub(super) fn new(secret: &[u8; SECRET_LEN]) -> Self {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE);
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// `<session>.<HMAC in base64url>`.
    pub(super) fn make(
        &self,
        stage: &StageId,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> String {
        let mac = hmac::sign(&self.0, &message(stage, session, participant));
        let mac = URL_SAFE_NO_PAD.encode(mac.as_ref());
        format!("{session}.{mac}")
    }

    /// The session that this participant of this stage was in, if the text proves it.
    pub(super) fn read(
        &self,
        text: &str,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> Option<StageSessionId> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (session, mac) = text.rsplit_once('.')?;
        let session = StageSessionId::new(session);
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.0, &message(stage, &session, participant), &mac).ok()?;
        Some(session)
    }
}

/// Each part with its length before it, so that no two are written alike.
fn message(stage: &StageId, session: &StageSessionId, participant: &ParticipantId) -> Vec<u8> {
    let mut message = Vec::new();
    for part in [stage.as_str(), session.as_str(), participant.as_str()] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_good_for_its_participant_stage_and_session_alone() {
        let ours = Resumptions::new(&[7; SECRET_LEN]);
        let (stage, session) = (StageId::new("A"), StageSessionId::new("st-1"));
        let ann = ParticipantId::new("ann");
        let text = ours.make(&stage, &session, &ann);
        assert_eq!(ours.read(&text, &stage, &ann), Some(session.clone()));
        assert!(text.is_ascii() && !text.contains([' ', ',', ';', '"']));

        assert_eq!(ours.read(&text, &StageId::new("B"), &ann), None);
        assert_eq!(ours.read(&text, &stage, &ParticipantId::new("an")), None);
        let other = text.replacen("st-1", "st-2", 1);
        assert_eq!(ours.read(&other, &stage, &ann), None);
        let theirs = Resumptions::new(&[8; SECRET_LEN]);
        assert_eq!(theirs.read(&text, &stage, &ann), None);
        // Parts that are cut elsewhere are other parts.
        let moved = ours.make(&StageId::new("As"), &StageSessionId::new("t-1"), &ann);
        assert_ne!(moved.split_once('.'), text.split_once('.'));
    }

    #[test]
    fn what_is_no_secret_is_none() {
        let ours = Resumptions::new(&[7; SECRET_LEN]);
        let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
        let good = ours.make(&stage, &StageSessionId::new("st-1"), &ann);
        let long = format!("{}{good}", "x".repeat(TEXT_LEN_MAX));
        let cut = &good[..good.len() - 1];
        for text in ["", ".", "st-1", "st-1.", "st-1.%", "\u{e9}.\0", cut, &long] {
            assert_eq!(ours.read(text, &stage, &ann), None, "{text}");
        }
    }
}
