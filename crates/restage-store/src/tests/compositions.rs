//! Random compositions.

use restage_core::row::{
    AspectRatio, Composition, CompositionDestination, CompositionFailure, CompositionFailureCode,
    CompositionId, CompositionRecording, CompositionState, CompositionTarget,
    CompositionThumbnails, DestinationState, FillMode, GridLayout, Idempotency, LayoutSettings,
    PipBehavior, PipLayout, PipPosition, ThumbnailStorage,
};

use super::Dice;
use super::world::{AWKWARD, Names, map, storage, time};

/// No two have the same token.
pub(super) fn composition_row(
    dice: &mut Dice,
    id: &CompositionId,
    n: usize,
    names: &Names,
) -> Composition {
    Composition {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        stage: dice.pick(&names.stages).clone(),
        layout: layout(dice),
        destinations: (0..1 + dice.below(2))
            .map(|n| destination(dice, n, names))
            .collect(),
        tags: map(dice),
        idempotency: dice.one_in(2).then(|| Idempotency {
            token: format!("token{n}"),
            fingerprint: text(dice),
        }),
        state: *dice.pick(&CompositionState::ALL),
        created_at: time(dice),
        started_at: dice.one_in(2).then(|| time(dice)),
        ended_at: dice.one_in(2).then(|| time(dice)),
        failure: dice.one_in(2).then(|| failure(dice)),
        idle_since: dice.one_in(2).then(|| time(dice)),
        // Most live long enough for the other reasons to be met.
        lives_until: match dice.one_in(4) {
            true => time(dice),
            false => restage_core::id::Time(i64::MAX),
        },
        gone_at: dice.one_in(2).then(|| time(dice)),
    }
}

fn text(dice: &mut Dice) -> String {
    (*dice.pick(&AWKWARD)).to_owned()
}

fn failure(dice: &mut Dice) -> CompositionFailure {
    CompositionFailure {
        code: *dice.pick(&CompositionFailureCode::ALL),
        reason: text(dice),
    }
}

fn destination(dice: &mut Dice, n: u64, names: &Names) -> CompositionDestination {
    let (one, other) = (ThumbnailStorage::Sequential, ThumbnailStorage::Latest);
    CompositionDestination {
        id: format!("destination{n}").as_str().into(),
        name: text(dice),
        target: match dice.one_in(2) {
            true => CompositionTarget::Channel((*dice.pick(&["one", "two"])).into()),
            false => CompositionTarget::S3(CompositionRecording {
                storage: storage(dice, names),
                prefix: text(dice),
                segment_s: *dice.pick(&[2, 10]),
                thumbnails: dice.one_in(2).then(|| CompositionThumbnails {
                    storage: dice.pick(&[vec![one], vec![other, one], vec![]]).clone(),
                    interval_s: *dice.pick(&[1, 86_400]),
                }),
            }),
        },
        encoder_configuration: dice
            .one_in(2)
            .then(|| dice.pick(&names.encoder_configurations).clone()),
        video: text(dice),
        state: *dice.pick(&DestinationState::ALL),
        started_at: dice.one_in(2).then(|| time(dice)),
        ended_at: dice.one_in(2).then(|| time(dice)),
        duration_ms: dice.one_in(2).then(|| *dice.pick(&[0, u64::MAX])),
        failure: dice.one_in(2).then(|| failure(dice)),
    }
}

fn layout(dice: &mut Dice) -> LayoutSettings {
    let fill_mode = *dice.pick(&FillMode::ALL);
    if dice.one_in(2) {
        return LayoutSettings::Grid(GridLayout {
            featured_attribute: text(dice),
            omit_stopped_video: dice.one_in(2),
            aspect_ratio: *dice.pick(&AspectRatio::ALL),
            fill_mode: dice.one_in(2).then_some(fill_mode),
            gap: *dice.pick(&[0, u32::MAX]),
            order_attribute: text(dice),
        });
    }
    let length = |dice: &mut Dice| dice.one_in(2).then(|| *dice.pick(&[1, u32::MAX]));
    LayoutSettings::Pip(PipLayout {
        featured_attribute: text(dice),
        omit_stopped_video: dice.one_in(2),
        fill_mode,
        gap: *dice.pick(&[0, u32::MAX]),
        pip_attribute: text(dice),
        behavior: *dice.pick(&PipBehavior::ALL),
        offset: *dice.pick(&[0, u32::MAX]),
        position: *dice.pick(&PipPosition::ALL),
        width: length(dice),
        height: length(dice),
        order_attribute: text(dice),
    })
}
