//! Ticks, key frames, and what becomes of them when there is no time.

use restage_compose::protocol::ToChild;

use crate::rig::*;

#[test]
fn key_frames_come_every_two_seconds_and_when_they_are_asked_for() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    rig.scene(&[person(0)]);
    let mut senders = [Sender::new(0, size(160, 90))];
    rig.send(&mut senders, 5_000_000);
    let asked_us = rig.now_us;
    for _ in 0..3 {
        rig.engine.take(ToChild::KeyFrame { rendition: 0 });
    }
    rig.engine.take(ToChild::KeyFrame { rendition: 7 });
    rig.send(&mut senders, 3_500_000);
    let keys: Vec<u64> = rig
        .made
        .iter()
        .filter(|made| made.is_key)
        .map(|made| made.at_us)
        .collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
    for (place, after_us) in [
        (0, 0),
        (1, 2_000_000),
        (2, 4_000_000),
        (4, 6_000_000),
        (5, 8_000_000),
    ] {
        assert_eq!(keys[place], START_US + after_us);
    }
    assert!((asked_us..asked_us + 2 * FRAME_US).contains(&keys[3]));
}

#[test]
fn a_composition_that_was_halted_goes_on_at_the_present() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    rig.scene(&[person(0)]);
    let mut senders = [Sender::new(0, size(160, 90))];
    rig.send(&mut senders, 1_000_000);
    let count = rig.made.len();
    // Nothing runs for ten seconds, in which the person goes on sending.
    for _ in 0..300 {
        rig.now_us += FRAME_US;
        let message = senders[0].plain(rig.now_us);
        rig.engine.take(message);
    }
    rig.tick();
    assert_eq!(rig.made.len(), count + 1);
    let made = rig.made.last().unwrap();
    assert!(rig.now_us - made.at_us < FRAME_US + 1);
    senders[0].wants_key = true;
    rig.send(&mut senders, 1_500_000);
    let (late, skipped) = rig.health.iter().fold((0, 0), |(late, skipped), health| {
        (late + health.late_ticks, skipped + health.skipped_pictures)
    });
    assert_eq!(late, 1);
    assert!((298..=301).contains(&skipped), "{skipped}");
    let times: Vec<u64> = rig.opus.iter().map(|(at_us, _)| *at_us).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]));
    assert!(rig.now_us - times.last().unwrap() <= 20_000);
    let (_, frame) = rig.decoded(0).pop().unwrap();
    assert!(frame.plane(0)[5_000].abs_diff(light_of(0)) <= 4);
}

#[test]
fn without_time_every_second_picture_is_left_out() {
    use restage_compose::engine::Engine;
    use restage_compose::protocol::{FromChild, Setup, SoundFormats};
    use std::cell::Cell;
    use std::rc::Rc;

    // Each look at the stopwatch takes so long.
    let step = Rc::new(Cell::new(12_000));
    let time = Cell::new(0);
    let watched = Rc::clone(&step);
    let stopwatch = move || {
        time.set(time.get() + watched.get());
        time.get()
    };
    let setup = Setup {
        now_us: START_US,
        layout: grid(),
        renditions: vec![rendition(64, 64)],
        sound: SoundFormats::default(),
    };
    let mut engine = Engine::new(setup, Box::new(stopwatch), None).unwrap();
    let mut run = |until_us: u64| {
        let mut times = Vec::new();
        let mut health = Vec::new();
        while engine.due_us() <= until_us {
            engine.tick(engine.due_us()).unwrap();
            while let Some(message) = engine.poll() {
                match message {
                    FromChild::Picture { at_us, .. } => times.push(at_us),
                    FromChild::Health(report) => health.push(report),
                    _ => {}
                }
            }
        }
        (times, health)
    };
    let (times, health) = run(START_US + 2_000_000);
    let gaps: Vec<u64> = times
        .windows(2)
        .map(|two| (two[1] - two[0]) / 33_000)
        .collect();
    assert_eq!(gaps[..2], [1, 1]);
    assert!(gaps[3..].iter().all(|gap| *gap == 2), "{gaps:?}");
    assert!(health.iter().all(|health| health.is_slowed));
    assert!(health[0].skipped_pictures >= 13);
    step.set(100);
    let (times, _) = run(START_US + 6_000_000);
    let last = &times[times.len() - 30..];
    assert!(last.windows(2).all(|two| two[1] - two[0] < 34_000));
}

#[test]
fn nothing_is_made_after_the_end() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    rig.scene(&[person(0)]);
    rig.run_to(START_US + 500_000);
    let count = rig.made.len();
    assert!(!rig.engine.is_stopped());
    rig.engine.take(ToChild::Stop);
    assert!(rig.engine.is_stopped());
    rig.now_us += 1_000_000;
    rig.tick();
    assert_eq!(rig.made.len(), count);
}
