//! Who is in the picture: the publishers of a stage, as the compositor has them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use restage_compose::layout::{self, Layout};
use restage_compose::protocol::{INPUTS_MAX, NAME_CHARS_MAX, Person, Video};
use restage_core::PublicationKey;
use restage_media::Codec;

use super::status::WhyName;
use crate::control::Shown;

/// Gives each publication that is shown a number, which no other ever gets: what comes late of a former one is recognised.
#[derive(Debug, Default)]
pub(super) struct People {
    next: u32,
    numbers: HashMap<PublicationKey, u32>,
    shown: Vec<Shown>,
    /// How pictures are encoded that cannot be shown.
    undecodable: BTreeMap<u32, Codec>,
    /// What the compositor cannot show, in its words.
    refused: BTreeMap<u32, String>,
}

impl People {
    /// Takes who publishes now. Returns the numbers of those that are new.
    pub(super) fn take(&mut self, shown: &[Shown], layout: &Layout) -> Vec<(u32, PublicationKey)> {
        self.shown = shown.to_vec();
        // Where not all find a place, those that the layout puts first do.
        self.shown.sort_by_cached_key(|one| {
            let (is_featured, is_pip, order) = layout::person(&one.participant.attributes, layout);
            let is_first = is_featured || is_pip;
            (
                !is_first,
                order.is_none(),
                order,
                arrival(one),
                one.participant.id.clone(),
            )
        });
        self.shown.truncate(INPUTS_MAX);
        let keys: BTreeSet<_> = self
            .shown
            .iter()
            .map(|one| one.publication.clone())
            .collect();
        self.numbers.retain(|key, _| keys.contains(key));
        let live: BTreeSet<u32> = self.numbers.values().copied().collect();
        self.undecodable.retain(|number, _| live.contains(number));
        self.refused.retain(|number, _| live.contains(number));
        let mut fresh = Vec::new();
        for key in keys {
            if !self.numbers.contains_key(&key) {
                self.next += 1;
                self.numbers.insert(key.clone(), self.next);
                fresh.push((self.next, key));
            }
        }
        fresh
    }

    /// The numbers of all that are shown.
    pub(super) fn numbers(&self) -> BTreeSet<u32> {
        self.numbers.values().copied().collect()
    }

    /// Its pictures are encoded in a way that cannot be shown. `true`: that is news.
    pub(super) fn cannot_decode(&mut self, number: u32, codec: Codec) -> bool {
        self.undecodable.insert(number, codec) != Some(codec)
    }

    /// Its pictures can be shown after all. `true`: that is news.
    pub(super) fn can_decode(&mut self, number: u32) -> bool {
        self.undecodable.remove(&number).is_some()
    }

    /// The compositor shows it.
    pub(super) fn is_shown(&mut self, number: u32) {
        self.refused.remove(&number);
    }

    /// The compositor cannot show it.
    pub(super) fn cannot_show(&mut self, number: u32, reason: String) {
        self.refused.insert(number, reason);
    }

    /// The persons as the compositor is told them.
    pub(super) fn scene(&self, layout: &Layout) -> Vec<Person> {
        self.shown
            .iter()
            .filter_map(|one| {
                let input = *self.numbers.get(&one.publication)?;
                let (is_featured, is_pip, order) =
                    layout::person(&one.participant.attributes, layout);
                Some(Person {
                    input,
                    name: name(one),
                    is_featured,
                    is_pip,
                    order,
                    arrived: arrival(one),
                    video: match one.muted.video {
                        true => Video::Stopped,
                        false => Video::Publishing,
                    },
                    why_no_picture: self.codec_not_shown(input),
                    is_muted: one.muted.audio,
                })
            })
            .collect()
    }

    /// What people know them by, for the console.
    pub(super) fn participant(&self, number: u32) -> Option<&Shown> {
        let key = self.numbers.iter().find(|(_, known)| **known == number)?.0;
        self.shown.iter().find(|one| one.publication == *key)
    }

    /// Why the name of one is shown, where it is.
    pub(super) fn why_name(&self, number: u32) -> WhyName {
        if self.participant(number).is_some_and(|one| one.muted.video) {
            return WhyName::Stopped;
        }
        match (self.undecodable.get(&number), self.refused.get(&number)) {
            (Some(codec), _) => WhyName::Codec(*codec),
            (None, Some(reason)) => WhyName::Refused(reason.clone()),
            (None, None) => WhyName::NoPicture,
        }
    }

    /// What the compositor does not see for itself: what it cannot decode, it is not given. What it refuses it knows, and whether that goes
    /// on.
    fn codec_not_shown(&self, input: u32) -> Option<String> {
        let codec = self.undecodable.get(&input)?;
        Some(format!("{} cannot be shown", codec.name()))
    }
}

fn arrival(one: &Shown) -> u64 {
    u64::try_from(one.participant.first_joined_at.0).unwrap_or_default()
}

/// The name in a placeholder: the user id, else the participant id.
fn name(one: &Shown) -> String {
    let name = match one.participant.user_id.as_str() {
        "" => one.participant.id.as_str(),
        user => user,
    };
    name.chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
    use restage_core::row::{Client, Participant, Protocol, Replication};

    use super::*;
    use crate::control::Muted;

    /// Somebody who publishes.
    pub(crate) fn participant(id: &str) -> Participant {
        Participant {
            session: StageSessionId::new("st-1"),
            id: ParticipantId::new(id),
            stage: StageId::new("stage"),
            user_id: String::new(),
            attributes: BTreeMap::new(),
            connected: true,
            publishing: true,
            published: true,
            first_joined_at: Time(7),
            protocol: Protocol::Whip,
            client: Client::default(),
            replication: Replication::None,
            recording: None,
            ingest: None,
        }
    }

    fn shown(id: &str, joined: i64) -> Shown {
        Shown {
            participant: Participant {
                first_joined_at: Time(joined),
                ..participant(id)
            },
            publication: PublicationKey {
                session: StageSessionId::new("st-1"),
                participant: ParticipantId::new(id),
            },
            muted: Muted::default(),
        }
    }

    #[test]
    fn numbers_are_never_given_twice_and_the_first_in_the_layout_find_a_place() {
        let layout = Layout::default();
        let mut people = People::default();
        let fresh = people.take(&[shown("ann", 1), shown("bob", 2)], &layout);
        assert_eq!(
            fresh.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            [1, 2]
        );
        assert!(people.cannot_decode(1, Codec::Av1));
        assert!(!people.cannot_decode(1, Codec::Av1));
        let scene = people.scene(&layout);
        assert_eq!(
            scene[0].why_no_picture.as_deref(),
            Some("AV1 cannot be shown")
        );
        assert_eq!((scene[1].name.as_str(), scene[1].arrived), ("bob", 2));
        // What the compositor refuses it may show a moment later.
        people.cannot_show(2, "3840x2160 is more than 1080p".to_owned());
        assert_eq!(people.scene(&layout)[1].why_no_picture, None);
        assert!(matches!(people.why_name(2), WhyName::Refused(_)));
        people.is_shown(2);
        assert_eq!(people.why_name(2), WhyName::NoPicture);
        people.take(&[shown("bob", 2)], &layout);
        let fresh = people.take(&[shown("ann", 1), shown("bob", 2)], &layout);
        assert_eq!(fresh[0].0, 3, "another number");
        assert_eq!(people.scene(&layout)[0].why_no_picture, None);
        let many: Vec<Shown> = (0..40)
            .map(|n| shown(&format!("p{n:02}"), 100 - n))
            .collect();
        people.take(&many, &layout);
        let scene = people.scene(&layout);
        assert_eq!(scene.len(), INPUTS_MAX);
        assert_eq!(scene[0].name, "p39", "the first to come");
    }

    #[test]
    fn muted_people_and_names() {
        let layout = Layout::default();
        let mut people = People::default();
        let mut one = shown("ann", 1);
        one.muted = Muted {
            audio: true,
            video: true,
        };
        one.participant.user_id = "x".repeat(500);
        people.take(&[one], &layout);
        let scene = people.scene(&layout);
        assert_eq!((scene[0].video, scene[0].is_muted), (Video::Stopped, true));
        assert_eq!(scene[0].name.len(), NAME_CHARS_MAX);
        assert_eq!(
            people
                .participant(scene[0].input)
                .unwrap()
                .participant
                .id
                .as_str(),
            "ann"
        );
    }
}
