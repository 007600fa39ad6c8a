//! Decides whether a subscriber can decode what is published.

use std::sync::Arc;

use restage_codec::{Codec, MediaKind};

use super::format::{Format, carrying};
use crate::sdp::format::H264ProfileMatch;
use crate::sdp::format::of_kind;
use crate::sdp::offer::{Offer, Role};

/// The result for one subscriber.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The kinds that it wants and cannot decode, with what is published of each.
    pub(crate) undecodable: Vec<(MediaKind, String)>,
    /// It can decode nothing of what it wants.
    pub(crate) is_hopeless: bool,
}

/// Compares the formats that a subscriber has offered with the published ones of each kind.
pub(crate) fn judge<'a>(
    offer: &Offer,
    published: impl Fn(MediaKind) -> Vec<&'a Format>,
    rule: H264ProfileMatch,
) -> Judgement {
    let mut judgement = Judgement::default();
    let mut has_any = false;
    for (kind, own) in offer.wishes() {
        let published = published(kind);
        let Some(first) = published.first() else {
            continue;
        };
        if published
            .iter()
            .any(|sent| carrying(own, sent, rule).is_some())
        {
            has_any = true;
        } else {
            judgement.undecodable.push((kind, first.name()));
        }
    }
    judgement.is_hopeless = !has_any && !judgement.undecodable.is_empty();
    judgement
}

impl Judgement {
    /// The kind to name first: video, if it is among them.
    pub(crate) fn kind(&self) -> Option<MediaKind> {
        let kinds = self.undecodable.iter().map(|(kind, _)| *kind);
        kinds.max_by_key(|kind| kind.index())
    }

    /// Everything undecodable in one line.
    pub(crate) fn published(&self) -> String {
        let names: Vec<&str> = self
            .undecodable
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        names.join(", ")
    }
}

/// The formats that a publisher has offered, or an external inlet may send: enough to refuse a subscriber that could decode none of them before anything is
/// opened.
#[derive(Debug, Clone)]
pub struct Published(Arc<[Arc<Format>]>);

impl Published {
    /// `None` if [`Control::OpenPublisher`](crate::Control::OpenPublisher) would refuse the offer.
    pub fn of(offer: &str) -> Option<Self> {
        let offer = Offer::parse(offer, Role::Publisher).ok()?;
        let formats = offer
            .media()
            .flat_map(|media| media.formats.iter().cloned().map(Arc::new));
        Some(Self(formats.collect()))
    }

    /// What an external inlet sends: the formats that it is opened with.
    pub fn of_inlet(formats: &[Format]) -> Self {
        Self(formats.iter().cloned().map(Arc::new).collect())
    }

    /// Without the formats of codecs in which nobody may publish.
    #[must_use]
    pub fn without(self, refused: &[Codec]) -> Self {
        let all = self.0.iter();
        let left = all.filter(|format| !refused.contains(&format.codec));
        Self(left.cloned().collect())
    }

    /// The published formats, if a subscriber with this offer can decode none of them. `None` if it can decode
    /// something, wants nothing that is published, or if
    /// [`Control::OpenSubscriber`](crate::Control::OpenSubscriber) would refuse its offer.
    pub fn undecodable_by(
        &self,
        offer: &str,
        rule: H264ProfileMatch,
    ) -> Option<(MediaKind, String)> {
        let offer = Offer::parse(offer, Role::Subscriber).ok()?;
        let judgement = judge(&offer, |kind| of_kind(&self.0, kind).collect(), rule);
        let kind = judgement.kind()?;
        judgement.is_hopeless.then(|| (kind, judgement.published()))
    }
}
