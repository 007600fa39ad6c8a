//! Compositions after every decision.

use std::collections::{BTreeMap, BTreeSet};

use restage_core::row::{
    COMPOSITION_JOB, Composition, CompositionDestination, CompositionState, DestinationState,
};
use restage_core::{Limits, World};

/// Checks what must hold of compositions after every decision.
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
