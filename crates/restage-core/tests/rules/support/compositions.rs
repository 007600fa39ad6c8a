//! Compositions of a scene: what is asked, and what runners report.

use std::collections::BTreeMap;

use restage_core::command::{DestinationChange, NewDestination, NewTarget};
use restage_core::id::{ChannelId, JobId};
use restage_core::row::{
    Composition, CompositionDestination, CompositionDestinationId, CompositionFailure,
    CompositionFailureCode, CompositionId, CompositionThumbnails, EncoderConfigurationId,
    Idempotency, LayoutSettings,
};
use restage_core::{ChannelArn, Command, CompositionArn};

use super::{Scene, Step, arn, key_arn, storage_arn};

pub(crate) fn composition_arn(id: &str) -> CompositionArn {
    key_arn("").with_id(|_| CompositionId::new(id))
}

pub(crate) fn channel_arn(id: &str) -> ChannelArn {
    key_arn("").with_id(|_| ChannelId::new(id))
}

/// A destination that is a channel.
pub(crate) fn to_channel(id: &str, channel: &str) -> NewDestination {
    NewDestination {
        id: CompositionDestinationId::new(id),
        name: String::new(),
        encoder: None,
        target: NewTarget::Channel(channel_arn(channel)),
    }
}

/// A destination that is the bucket of a storage configuration.
pub(crate) fn to_bucket(id: &str, storage: &str) -> NewDestination {
    NewDestination {
        id: CompositionDestinationId::new(id),
        name: "vod".to_owned(),
        encoder: None,
        target: NewTarget::S3 {
            storage: storage_arn(storage),
            segment_s: 2,
            thumbnails: Some(CompositionThumbnails::default()),
        },
    }
}

/// The same destination with an encoder configuration.
pub(crate) fn encoded(destination: NewDestination, encoder: &str) -> NewDestination {
    NewDestination {
        encoder: Some(key_arn("").with_id(|_| EncoderConfigurationId::new(encoder))),
        ..destination
    }
}

/// StartComposition of a stage with these destinations, and the token of that name if it is not empty.
pub(crate) fn compose(
    id: &str,
    stage: &str,
    destinations: Vec<NewDestination>,
    token: &str,
) -> Command {
    let idempotency = Idempotency {
        token: token.to_owned(),
        fingerprint: format!("of {stage} to {}", destinations.len()),
    };
    Command::StartComposition {
        composition: composition_arn(id),
        stage: arn(stage),
        layout: LayoutSettings::default(),
        destinations,
        tags: BTreeMap::new(),
        idempotency: (!token.is_empty()).then_some(idempotency),
    }
}

pub(crate) fn composition_failure(code: CompositionFailureCode) -> CompositionFailure {
    CompositionFailure {
        code,
        reason: "because".to_owned(),
    }
}

impl Scene {
    #[track_caller]
    pub(crate) fn stop_composition(&mut self, id: &str) -> Step {
        self.run(&Command::StopComposition {
            composition: composition_arn(id),
        })
    }

    #[track_caller]
    pub(crate) fn composition_started(&mut self, id: &str, generation: u32) -> Step {
        self.run(&Command::CompositionStarted {
            job: JobId::new(id),
            generation,
        })
    }

    /// As [`tick_after`](Self::tick_after), while the first start of a composition's job shows that it is alive.
    #[track_caller]
    pub(crate) fn tick_while_composed(&mut self, id: &str, seconds: u32) -> Step {
        self.wait(seconds / 2);
        self.renew_job(id, 1).ok();
        self.tick_after(seconds - seconds / 2)
    }

    /// `what` is `composition/destination`.
    #[track_caller]
    pub(crate) fn destination_changed(
        &mut self,
        what: &str,
        generation: u32,
        change: DestinationChange,
    ) -> Step {
        let (id, destination) = super::split(what);
        self.run(&Command::CompositionDestinationChanged {
            job: JobId::new(id),
            generation,
            destination: CompositionDestinationId::new(destination),
            change,
        })
    }

    #[track_caller]
    pub(crate) fn destination_finished(
        &mut self,
        what: &str,
        failure: Option<CompositionFailureCode>,
    ) -> Step {
        let (id, destination) = super::split(what);
        self.run(&Command::CompositionDestinationFinished {
            composition: CompositionId::new(id),
            destination: CompositionDestinationId::new(destination),
            duration_ms: 4_000,
            failure: failure.map(composition_failure),
        })
    }

    #[track_caller]
    pub(crate) fn composition(&self, id: &str) -> &Composition {
        &self.world.compositions[&CompositionId::new(id)]
    }

    #[track_caller]
    pub(crate) fn destination(&self, what: &str) -> &CompositionDestination {
        let (id, destination) = super::split(what);
        let destination = CompositionDestinationId::new(destination);
        let row = self.composition(id);
        row.destination(&destination).expect("such a destination")
    }
}
