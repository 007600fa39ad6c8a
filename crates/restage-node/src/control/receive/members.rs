//! What a receiving connection is for: what is wanted of each publisher, and what became of it. It knows no time and no queue.

use restage_core::id::{ConnectionId, ParticipantId};
use restage_media::PeerId;

use super::outbox::{ReceiveState, ReceivedState};
use super::{RECEIVE_PARTICIPANTS_MAX, ReceiveWant};
use crate::control::ended::Ending;

/// A subscription of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) connection: ConnectionId,
    pub(super) peer: PeerId,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Attached(Attached),
    /// It is attached when a state of the stage shows it that is newer than this one.
    Waiting {
        not_before: u64,
    },
    Refused {
        code: &'static str,
        message: String,
    },
}

#[derive(Debug)]
struct Member {
    want: ReceiveWant,
    state: State,
}

/// What has to be done so that what is received is what is wanted.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// It is not wanted any more.
    Detach(Attached),
    /// It takes pictures from now on, or takes none.
    Take(Attached, bool),
    /// Something else of it is wished for.
    Wish(Attached, ReceiveWant),
}

/// All of them: at most [`RECEIVE_PARTICIPANTS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Members(Vec<Member>);

impl Members {
    /// Takes the whole set of what is wanted. Those that were refused are tried again.
    pub(super) fn configure(&mut self, wanted: Vec<ReceiveWant>) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut former = std::mem::take(&mut self.0);
        for want in wanted.into_iter().take(RECEIVE_PARTICIPANTS_MAX) {
            let is_it = |member: &Member| member.want.publisher == want.publisher;
            let known = former.iter().position(is_it);
            let known = known.map(|place| former.swap_remove(place));
            let state = match known {
                None => State::Waiting { not_before: 0 },
                Some(Member {
                    want: before,
                    state,
                }) => {
                    if let State::Attached(attached) = &state {
                        if before.has_video != want.has_video {
                            actions.push(Action::Take(attached.clone(), want.has_video));
                        }
                        if before.wish != want.wish {
                            actions.push(Action::Wish(attached.clone(), want.clone()));
                        }
                    }
                    match state {
                        State::Refused { .. } => State::Waiting { not_before: 0 },
                        state => state,
                    }
                }
            };
            self.0.push(Member { want, state });
        }
        let left = former.into_iter().filter_map(|member| match member.state {
            State::Attached(attached) => Some(Action::Detach(attached)),
            State::Waiting { .. } | State::Refused { .. } => None,
        });
        // Their places are free before others are attached.
        actions.splice(0..0, left);
        actions
    }

    /// Those that wait and are publishing, by a state of the stage with this number.
    pub(super) fn to_attach(
        &self,
        number: u64,
        is_publishing: impl Fn(&ParticipantId) -> bool,
    ) -> Vec<ReceiveWant> {
        let members = self.0.iter();
        let due = members.filter(|member| {
            let is_due =
                matches!(member.state, State::Waiting { not_before } if number >= not_before);
            is_due && is_publishing(&member.want.publisher)
        });
        due.map(|member| member.want.clone()).collect()
    }

    fn member(&mut self, publisher: &ParticipantId) -> Option<&mut Member> {
        let mut members = self.0.iter_mut();
        members.find(|member| member.want.publisher == *publisher)
    }

    /// A publisher is subscribed to. False: it is not wanted any more.
    pub(super) fn attach(&mut self, publisher: &ParticipantId, attached: Attached) -> bool {
        let Some(member) = self.member(publisher) else {
            return false;
        };
        member.state = State::Attached(attached);
        true
    }

    /// A publisher cannot be subscribed to.
    pub(super) fn refuse(
        &mut self,
        publisher: &ParticipantId,
        (code, message): (&'static str, String),
    ) {
        if let Some(member) = self.member(publisher) {
            member.state = State::Refused { code, message };
        }
    }

    /// A publisher was not there; the state with this number does not count.
    pub(super) fn wait(&mut self, publisher: &ParticipantId, number: u64) {
        if let Some(member) = self.member(publisher) {
            member.state = State::Waiting {
                not_before: number + 1,
            };
        }
    }

    /// A subscription has ended; the newest state of the stage has this number. True: it was one of these.
    pub(super) fn end(&mut self, connection: &ConnectionId, ending: &Ending, number: u64) -> bool {
        let mut members = self.0.iter_mut();
        let is_it = |member: &&mut Member| matches!(&member.state, State::Attached(one) if one.connection == *connection);
        let Some(member) = members.find(is_it) else {
            return false;
        };
        member.state = match ending.code {
            "PUBLISHER_LEFT" | "REPLICATION_STOPPED" | "SESSION_ENDED" => State::Waiting {
                not_before: number + 1,
            },
            code => State::Refused {
                code,
                message: ending.message.clone(),
            },
        };
        true
    }

    /// Those that are subscribed to.
    pub(super) fn attached(&self) -> impl Iterator<Item = (&ParticipantId, &Attached)> {
        self.0.iter().filter_map(|member| match &member.state {
            State::Attached(attached) => Some((&member.want.publisher, attached)),
            State::Waiting { .. } | State::Refused { .. } => None,
        })
    }

    /// Whose subscription this is.
    pub(super) fn publisher_of(&self, peer: PeerId) -> Option<&ParticipantId> {
        let mut attached = self.attached();
        let found = attached.find(|(_, attached)| attached.peer == peer);
        found.map(|(publisher, _)| publisher)
    }

    /// What became of each, in the order in which they are wanted.
    pub(super) fn states(&self) -> Vec<ReceiveState> {
        let members = self.0.iter();
        let states = members.map(|member| ReceiveState {
            publisher: member.want.publisher.clone(),
            has_video: member.want.has_video,
            state: match &member.state {
                State::Attached(_) => ReceivedState::Attached,
                State::Waiting { .. } => ReceivedState::Waiting,
                State::Refused { code, message } => ReceivedState::Refused {
                    code,
                    message: message.clone(),
                },
            },
        });
        states.collect()
    }
}

#[cfg(test)]
mod tests {
    use restage_core::CloseReason;
    use restage_media::{GoneReason, Wish};

    use super::*;

    fn want(publisher: &str, has_video: bool) -> ReceiveWant {
        ReceiveWant {
            publisher: ParticipantId::new(publisher),
            has_video,
            wish: Wish::default(),
        }
    }

    fn attached(number: u64) -> Attached {
        Attached {
            connection: ConnectionId::new(number.to_string()),
            peer: PeerId(number),
        }
    }

    fn names(members: &Members, number: u64, publishing: &[&str]) -> Vec<String> {
        let wants = members.to_attach(number, |who| publishing.contains(&who.as_str()));
        wants
            .iter()
            .map(|want| want.publisher.to_string())
            .collect()
    }

    fn state_of(members: &Members, who: &str) -> ReceivedState {
        let states = members.states();
        let found = states.into_iter().find(|one| one.publisher.as_str() == who);
        found.unwrap().state
    }

    /// Ann and Bob, both attached.
    fn two() -> Members {
        let mut members = Members::default();
        assert_eq!(
            members.configure(vec![want("ann", true), want("bob", true)]),
            []
        );
        for (number, who) in [(1, "ann"), (2, "bob")] {
            assert!(members.attach(&ParticipantId::new(who), attached(number)));
        }
        members
    }

    #[test]
    fn those_that_publish_are_attached_and_the_others_wait() {
        let mut members = Members::default();
        members.configure(vec![want("ann", true), want("bob", true)]);
        assert_eq!(names(&members, 0, &["bob", "eve"]), ["bob"]);
        members.attach(&ParticipantId::new("bob"), attached(1));
        assert!(names(&members, 0, &["bob"]).is_empty(), "once");
        assert_eq!(state_of(&members, "ann"), ReceivedState::Waiting);
        assert_eq!(names(&members, 0, &["ann", "bob"]), ["ann"]);
    }

    #[test]
    fn the_set_is_replaced_and_what_stays_is_only_changed() {
        let mut members = two();
        let mut eve = want("eve", false);
        eve.wish.height_max = Some(180);
        let mut bob = want("bob", false);
        bob.wish.is_paused = true;
        let actions = members.configure(vec![eve, bob.clone()]);
        let bobs = attached(2);
        let expected = [
            Action::Detach(attached(1)),
            Action::Take(bobs.clone(), false),
            Action::Wish(bobs, bob.clone()),
        ];
        assert_eq!(actions, expected);
        assert_eq!(members.configure(vec![bob]), [], "nothing has changed");
        assert_eq!(members.configure(Vec::new()), [Action::Detach(attached(2))]);
        assert!(members.states().is_empty());
        assert!(!members.attach(&ParticipantId::new("eve"), attached(3)));
    }

    #[test]
    fn who_leaves_is_awaited_and_not_by_a_state_that_is_older() {
        let mut members = two();
        let ann = ParticipantId::new("ann");
        let ending = Ending::of_rules(CloseReason::PublisherLeft);
        assert!(members.end(&attached(1).connection, &ending, 7));
        assert!(!members.end(&attached(1).connection, &ending, 7));
        assert_eq!(state_of(&members, "ann"), ReceivedState::Waiting);
        assert!(names(&members, 7, &["ann"]).is_empty());
        assert_eq!(names(&members, 8, &["ann"]), ["ann"]);
        members.wait(&ann, 8);
        assert!(names(&members, 8, &["ann"]).is_empty());
    }

    #[test]
    fn a_refusal_stays_until_the_set_is_configured_again() {
        let mut members = two();
        let reason = GoneReason::Silent;
        assert!(members.end(&attached(1).connection, &Ending::of_peer(&reason), 1));
        let refused = state_of(&members, "ann");
        assert!(matches!(
            refused,
            ReceivedState::Refused { code: "SILENT", .. }
        ));
        assert!(names(&members, 99, &["ann"]).is_empty());
        members.configure(vec![want("ann", true), want("bob", true)]);
        assert_eq!(names(&members, 1, &["ann"]), ["ann"]);
    }
}
