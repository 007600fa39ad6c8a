//! One destination of a composition: a bucket, or a channel.

use bytes::Bytes;
use restage_core::row::{CompositionFailure, CompositionFailureCode, RecordingFailureCode};

use crate::push::{Push, PushFailure, PushState};
use crate::recording::{CompositeNews, CompositeRecording, Ending};

/// What a destination says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// What is composed arrives.
    Arrives,
    /// It does not, and that may pass.
    Waits(String),
    /// It never will.
    Failed(CompositionFailure),
}

/// How far a destination is, as the rules were told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    Nothing,
    Started,
    Reconnecting,
}

/// Where what is composed goes.
pub(super) enum Way {
    Bucket(CompositeRecording),
    Channel(Push),
}

/// A destination.
pub(super) struct Output {
    pub(super) id: String,
    /// Which of the compositor's renditions it gets.
    pub(super) rendition: usize,
    pub(super) way: Way,
    pub(super) told: Told,
}

impl Output {
    /// Takes a picture. `false`: it needs a key frame.
    pub(super) fn picture(&mut self, at_us: u64, is_key: bool, bytes: &Bytes) -> bool {
        match &mut self.way {
            Way::Bucket(recording) => recording.picture(at_us, is_key, bytes),
            Way::Channel(push) => {
                push.picture(at_us, is_key, bytes.clone());
                !push.needs_key_frame()
            }
        }
    }

    /// A bucket's recording that takes what is composed.
    pub(super) fn records(&self) -> bool {
        matches!(&self.way, Way::Bucket(recording) if !recording.is_away())
    }

    /// Takes a packet of Opus, which recordings have.
    pub(super) fn opus(&mut self, at_us: u64, bytes: &Bytes) {
        if let Way::Bucket(recording) = &mut self.way {
            recording.sound(at_us, bytes);
        }
    }

    /// Takes a frame of AAC, which channels have.
    pub(super) fn aac(&mut self, at_us: u64, bytes: &Bytes) {
        if let Way::Channel(push) = &mut self.way {
            push.sound(at_us, bytes.clone());
        }
    }

    /// What follows comes from another start of the compositor.
    pub(super) fn interrupted(&mut self) {
        if let Way::Bucket(recording) = &mut self.way {
            recording.interrupted();
        }
    }

    /// Waits until it has something to say. Cancel-safe.
    pub(super) async fn changed(&mut self) -> News {
        match &mut self.way {
            Way::Bucket(recording) => of_recording(recording.changed().await),
            Way::Channel(push) => of_push(push.changed().await),
        }
    }

    /// Ends it, and says how if it has failed before.
    pub(super) async fn end(self, ending: Ending) -> Option<News> {
        match self.way {
            Way::Bucket(recording) => recording.end(ending).await.map(of_recording),
            // Dropped, it says goodbye.
            Way::Channel(_) => None,
        }
    }
}

fn of_recording(news: CompositeNews) -> News {
    match news {
        CompositeNews::Started => News::Arrives,
        CompositeNews::Waits(reason) => News::Waits(reason),
        CompositeNews::Failed(code, reason) => News::Failed(CompositionFailure {
            code: match code {
                RecordingFailureCode::ResourceNotFound => CompositionFailureCode::ResourceNotFound,
                RecordingFailureCode::AccessDenied => CompositionFailureCode::AccessDenied,
                RecordingFailureCode::Validation | RecordingFailureCode::InternalServer => {
                    CompositionFailureCode::InternalServer
                }
            },
            reason,
        }),
    }
}

fn of_push(state: PushState) -> News {
    match state {
        PushState::Publishing => News::Arrives,
        PushState::Reconnecting { reason } => News::Waits(reason),
        PushState::Failed { cause, reason } => News::Failed(CompositionFailure {
            code: match cause {
                PushFailure::Busy => CompositionFailureCode::Conflict,
                PushFailure::Refused => CompositionFailureCode::AccessDenied,
                PushFailure::Unreachable | PushFailure::Other => {
                    CompositionFailureCode::InternalServer
                }
            },
            reason,
        }),
    }
}
