//! What subscribers wish to be shown, and what they are told.

use std::time::Duration;

use restage_media::{
    Control, FirstLayer, LayerLabel, PauseReason, PeerId, PreferredLayer, PublicationId,
    StreamState, Wish, WorkerId,
};
use str0m::format::Codec;

use crate::simulcast::{assert_continuous, layer, streaming};
use crate::support::World;
use crate::support::client::{Client, Got};
use crate::workers::{AWAY, HOME, Pair};

const RIDS: [&str; 3] = ["q", "h", "f"];

fn preferring(name: &str) -> Wish {
    Wish {
        preferred: PreferredLayer::named(name),
        ..Wish::default()
    }
}

fn wish(world: &mut World, peer: u64, wish: Wish) {
    let peer = PeerId(peer);
    world.control(Control::Wish { peer, wish });
}

/// The layer of the newest picture that a client has received, which the first client sent.
fn shown(world: &World, client: usize) -> Option<usize> {
    let got = world.clients[client].video_got().next_back()?;
    Some(layer(world, 0, got))
}

fn wait_for_layer(world: &mut World, client: usize, wanted: usize) {
    world.wait("the layer", Duration::from_secs(3), |world| {
        shown(world, client) == Some(wanted)
    });
}

/// What a peer was told last.
fn told(world: &World, peer: u64) -> Option<&StreamState> {
    let mut all = world.streams.iter().rev();
    let (_, state) = all.find(|(of, _)| *of == PeerId(peer))?;
    Some(state)
}

fn wait_for_told(world: &mut World, peer: u64, is_it: impl Fn(&StreamState) -> bool) {
    world.wait("to be told", Duration::from_secs(4), |world| {
        told(world, peer).is_some_and(&is_it)
    });
}

#[test]
fn a_subscriber_is_shown_the_layer_that_it_prefers_and_another_one_is_not() {
    let (mut world, _, ann) = streaming();
    let bob = world.subscriber(3, 1);
    world.run_ms(3_000);
    assert_eq!((shown(&world, ann), shown(&world, bob)), (Some(2), Some(2)));
    for (name, place) in [("mid", 1), ("low", 0), ("hi", 2), ("q", 0), ("h", 1)] {
        wish(&mut world, 2, preferring(name));
        wait_for_layer(&mut world, ann, place);
        world.run_ms(500);
        assert_eq!(shown(&world, ann), Some(place), "{name}");
        assert_eq!(shown(&world, bob), Some(2));
    }
    wish(&mut world, 2, Wish::default());
    wait_for_layer(&mut world, ann, 2);
    assert_continuous(&world.clients[ann].video_got().collect::<Vec<_>>());
    assert_continuous(&world.clients[bob].video_got().collect::<Vec<_>>());
}

#[test]
fn a_wish_that_comes_with_the_subscription_holds_from_its_first_picture_on() {
    let (mut world, publisher, _) = streaming();
    world.run_ms(3_000);
    world.wish = preferring("low");
    let late = world.subscriber(3, 1);
    world.run_ms(1_500);
    let got: Vec<&Got> = world.clients[late].video_got().collect();
    assert!(got.len() > 20);
    assert!(got.iter().all(|got| layer(&world, publisher, got) == 0));
}

#[test]
fn who_wishes_the_lowest_first_begins_with_it_and_goes_on_to_the_best() {
    let (mut world, publisher, _) = streaming();
    world.run_ms(3_000);
    let first = |first| Wish {
        first: Some(first),
        ..Wish::default()
    };
    for (peer, first, begins_with) in [
        (3, first(FirstLayer::Lowest), 0),
        (4, first(FirstLayer::Highest), 2),
        (5, Wish::default(), 2),
    ] {
        world.wish = first;
        let late = world.subscriber(peer, 1);
        wait_for_layer(&mut world, late, 2);
        let got: Vec<&Got> = world.clients[late].video_got().collect();
        assert_eq!(layer(&world, publisher, got[0]), begins_with, "peer {peer}");
        assert_continuous(&got);
    }
}

#[test]
fn pictures_that_are_not_wished_for_stop_and_sound_goes_on() {
    let (mut world, _, ann) = streaming();
    let now = world.now;
    world.clients[0].start_audio(now);
    world.run_ms(3_000);
    let not_wished = [
        Wish {
            is_paused: true,
            ..Wish::default()
        },
        Wish {
            is_audio_only: true,
            ..Wish::default()
        },
    ];
    for unwanted in not_wished {
        wish(&mut world, 2, unwanted);
        world.run_ms(300);
        let count = |world: &World| {
            let got = &world.clients[ann].got;
            let video = world.clients[ann].video_got().count();
            (video, got.len() - video)
        };
        let before = count(&world);
        world.run_ms(1_000);
        let after = count(&world);
        assert_eq!(after.0, before.0, "no picture");
        assert!(after.1 >= before.1 + 45, "all of the sound");
        wait_for_told(&mut world, 2, |state| {
            state.pause == Some(PauseReason::Wish) && state.selected.is_none()
        });
        world.clients[0].keyframe_requests.clear();
        world.run_ms(1_000);
        assert!(
            world.clients[0].keyframe_requests.is_empty(),
            "nobody is asked"
        );
        wish(&mut world, 2, Wish::default());
        wait_for_told(&mut world, 2, |state| {
            state.pause.is_none() && state.selected == Some(2)
        });
    }
    assert_continuous(&world.clients[ann].video_got().collect::<Vec<_>>());
}

#[test]
fn a_subscriber_is_told_the_layers_and_which_one_it_is_shown() {
    let (mut world, publisher, _) = streaming();
    wait_for_told(&mut world, 2, |state| {
        state.layers.len() == 3 && state.selected == Some(2)
    });
    let state = told(&world, 2).unwrap();
    let labels: Vec<LayerLabel> = state.layers.iter().map(|layer| layer.label).collect();
    assert_eq!(labels, [LayerLabel::Low, LayerLabel::Mid, LayerLabel::Hi]);
    let rids: Vec<_> = state
        .layers
        .iter()
        .map(|layer| layer.rid.as_deref())
        .collect();
    assert_eq!(rids, RIDS.map(Some));
    assert!(state.is_adapting && !state.is_best_effort && state.pause.is_none());
    assert!(state.layers[2].bits_per_s > 2 * state.layers[1].bits_per_s * 8 / 10);
    wish(&mut world, 2, preferring("h"));
    wait_for_told(&mut world, 2, |state| {
        state.selected == Some(1) && !state.is_adapting && !state.is_best_effort
    });
    // The preferred layer stops: the nearest is best effort.
    let now = world.now;
    world.clients[publisher].video_sources[1].next_at = now + Duration::from_secs(3_600);
    wait_for_told(&mut world, 2, |state| {
        state.layers.len() == 2 && state.is_best_effort
    });
    let now = world.now;
    world.clients[publisher].video_sources[1].next_at = now;
    wait_for_told(&mut world, 2, |state| {
        state.layers.len() == 3 && state.selected == Some(1) && !state.is_best_effort
    });
    let count = world.streams.len();
    world.run_ms(5_000);
    assert_eq!(world.streams.len(), count, "rates that vary are no news");
}

#[test]
fn a_track_that_stops_is_told_and_so_is_its_return() {
    let (mut world, publisher, _) = streaming();
    let now = world.now;
    world.clients[publisher].start_audio(now);
    wait_for_told(&mut world, 2, |state| state.selected == Some(2));
    let later = world.now + Duration::from_secs(3_600);
    for source in &mut world.clients[publisher].video_sources {
        source.next_at = later;
    }
    world.wait("to be told", Duration::from_secs(5), |world| {
        told(world, 2).is_some_and(|state| state.is_video_stopped)
    });
    assert!(!told(&world, 2).unwrap().is_audio_stopped);
    let now = world.now;
    for source in &mut world.clients[publisher].video_sources {
        source.next_at = now;
    }
    wait_for_told(&mut world, 2, |state| !state.is_video_stopped);
}

#[test]
fn a_flood_of_wishes_is_told_a_few_times_a_second() {
    let (mut world, _, ann) = streaming();
    world.run_ms(3_000);
    world.streams.clear();
    for turn in 0..1_000_u64 {
        let name = if turn.is_multiple_of(2) { "low" } else { "hi" };
        wish(&mut world, 2, preferring(name));
        world.run_ms(2);
    }
    world.run_ms(2_500);
    assert!(world.streams.len() <= 25, "{}", world.streams.len());
    assert_eq!(shown(&world, ann), Some(2), "the last one holds");
    wish(&mut world, 99, preferring("low"));
}

#[test]
fn wishes_of_a_subscriber_on_another_worker_change_nothing_for_anybody_else() {
    let mut pair = Pair::new();
    let client = Client::simulcast(pair.0[HOME].now, 1, 0, &RIDS);
    let publisher = pair.0[HOME].open(client, true);
    pair.0[HOME].control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    // As a destination stage of a replica has them: subscribers of one publication on either worker.
    let near = pair.0[HOME].subscriber(10, 1);
    let far = pair.0[AWAY].subscriber(11, 1);
    let beside = pair.0[AWAY].subscriber(12, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(300);
    let now = pair.0[HOME].now;
    for (rid, packets) in RIDS.iter().zip([1, 2, 4]) {
        pair.0[HOME].clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    let shown = |pair: &Pair, world: usize, client: usize| {
        let got = pair.0[world].clients[client].video_got().next_back()?;
        Some(layer(&pair.0[HOME], publisher, got))
    };
    pair.run_ms(3_000);
    for (name, place) in [("low", 0), ("mid", 1), ("hi", 2)] {
        wish(&mut pair.0[AWAY], 11, preferring(name));
        pair.run_ms(1_500);
        assert_eq!(shown(&pair, AWAY, far), Some(place), "{name}");
        assert_eq!(shown(&pair, AWAY, beside), Some(2));
        assert_eq!(shown(&pair, HOME, near), Some(2));
        let state = told(&pair.0[AWAY], 11).unwrap();
        assert_eq!((state.selected, state.layers.len()), (Some(place), 3));
    }
    let video: Vec<&Got> = pair.0[AWAY].clients[far].video_got().collect();
    assert_continuous(&video);
}

#[test]
fn wishes_do_not_make_a_publisher_send_more_key_frames_than_requests_do() {
    type Pair = [Wish; 2];
    let paused = Wish {
        is_paused: true,
        ..Wish::default()
    };
    let cases: [(&str, Pair); 2] = [
        ("paused", [paused, Wish::default()]),
        ("layers", [preferring("low"), preferring("hi")]),
    ];
    for (name, pair) in cases {
        let (mut world, publisher, ann) = streaming();
        world.run_ms(3_000);
        let before = world.clients[publisher].keyframe_requests.len();
        for round in 0..136 {
            wish(&mut world, 2, pair[round % 2].clone());
            world.run_ms(110);
        }
        let asked = world.clients[publisher].keyframe_requests.len() - before;
        // Four at once and one every three seconds, in fifteen seconds, and a few of them twice; thirty without a budget.
        assert!((1..=15).contains(&asked), "{name}: {asked}");
        // The last wish holds, as soon as that is earned.
        world.wait("the layer", Duration::from_secs(8), |world| {
            shown(world, ann) == Some(2)
        });
    }
}
