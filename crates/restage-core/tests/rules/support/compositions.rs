//! Compositions of a scene: what is asked, what runners report, and what must hold of the rows.

use std::collections::{BTreeMap, BTreeSet};

use restage_core::command::{DestinationChange, NewDestination, NewTarget};
use restage_core::id::{ChannelId, JobId};
use restage_core::row::{
    COMPOSITION_JOB, Composition, CompositionDestination, CompositionDestinationId,
    CompositionFailure, CompositionFailureCode, CompositionId, CompositionState,
    CompositionThumbnails, DestinationState, EncoderConfigurationId, Idempotency, LayoutSettings,
};
use restage_core::{ChannelArn, Command, CompositionArn, Limits, World};

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

/// What must hold of compositions after every decision.
#[track_caller]
pub(crate) fn audit_compositions(world: &World, limits: &Limits) {
    let mut counts: BTreeMap<_, u32> = BTreeMap::new();
    let mut of_stages: BTreeMap<_, u32> = BTreeMap::new();
    let mut tokens = BTreeSet::new();
    let mut channels = BTreeSet::new();
    for (id, row) in &world.compositions {
        assert_eq!(*id, row.id);
        audit_composition(world, row);
        if let Some(used) = &row.idempotency {
            let key = (&row.account, &row.region, &used.token);
            assert!(tokens.insert(key), "one of a token: {row:?}");
        }
        if !row.state.is_final() {
            *counts.entry((&row.account, &row.region)).or_default() += 1;
            *of_stages.entry(&row.stage).or_default() += 1;
            if let Some(channel) = row.channel_in_use() {
                let key = (&row.account, &row.region, channel);
                assert!(channels.insert(key), "one of a channel: {row:?}");
            }
        }
    }
    assert!(counts.values().all(|count| *count <= limits.compositions));
    let mut of_stages = of_stages.values();
    assert!(of_stages.all(|count| *count <= limits.compositions_per_stage));
}

#[track_caller]
fn audit_composition(world: &World, row: &Composition) {
    let is_final = row.state.is_final();
    assert_eq!(row.ended_at.is_some(), is_final, "{row:?}");
    assert_eq!(row.gone_at.is_some(), is_final, "{row:?}");
    match row.state {
        CompositionState::Failed => assert!(row.failure.is_some(), "{row:?}"),
        // It may be known what it fails of, and the rest is on its way.
        CompositionState::Stopping => {}
        _ => assert_eq!(row.failure, None, "{row:?}"),
    }
    assert!(
        row.state != CompositionState::Active || row.started_at.is_some(),
        "{row:?}"
    );
    assert!(row.idle_since.is_none() || row.is_open(), "{row:?}");
    for destination in &row.destinations {
        let is_over = destination.state.is_final();
        assert_eq!(destination.ended_at.is_some(), is_over, "{row:?}");
        let has_begun = destination.started_at.is_some();
        match destination.state {
            DestinationState::Failed => assert!(destination.failure.is_some(), "{row:?}"),
            DestinationState::Active | DestinationState::Reconnecting => {
                assert!(has_begun && destination.failure.is_none(), "{row:?}");
            }
            _ => {}
        }
        assert!(!has_begun || row.started_at.is_some(), "{row:?}");
        assert!(destination.is_open() <= row.is_open(), "{row:?}");
    }
    let is_over = row.destinations.iter().all(|row| row.state.is_final());
    assert_eq!(is_over, is_final, "{row:?}");
    if !row.is_open() {
        return;
    }
    assert!(world.stages.contains_key(&row.stage), "{row:?}");
    let mut open = row.destinations.iter().filter(|row| row.is_open());
    let job = &world.jobs[&row.id.job()];
    assert!(
        job.is_live() && job.kind == COMPOSITION_JOB,
        "{job:?} of {row:?}"
    );
    let told = |row: &CompositionDestination| job.spec.contains(&format!(r#""id":"{}""#, row.id));
    assert!(
        open.clone().count() > 0 && open.all(told),
        "{job:?} of {row:?}"
    );
    let mut over = row.destinations.iter().filter(|row| !row.is_open());
    assert!(!over.any(told), "{job:?} of {row:?}");
}
