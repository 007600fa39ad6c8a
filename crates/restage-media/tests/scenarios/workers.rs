//! A publication that is fed on one worker and received on others.

use std::time::Duration;

use restage_media::{Control, Input, PublicationId, WorkerId};
use str0m::format::Codec;

use crate::support::source::is_key_start;
use crate::support::{World, config};

const PUBLICATION: PublicationId = PublicationId(1);
pub const HOME: usize = 0;
pub const AWAY: usize = 1;

/// Two workers on one clock.
pub struct Pair(pub [World; 2]);

impl Pair {
    pub fn new() -> Self {
        let mut worlds = [0, 1].map(|number| {
            let mut config = config();
            config.worker = WorkerId(number);
            World::with(config)
        });
        worlds[AWAY].now = worlds[HOME].now;
        Self(worlds)
    }

    pub fn relay(&mut self, from: usize, to: &[WorkerId]) {
        self.0[from].control(Control::Relay {
            publication: PUBLICATION,
            to: to.to_vec(),
        });
        self.exchange();
    }

    /// Both run, and exchange messages every five milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            for world in &mut self.0 {
                world.run(Duration::from_millis(5));
            }
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        for from in [HOME, AWAY] {
            for (publication, to, burst) in std::mem::take(&mut self.0[from].relayed) {
                for worker in to {
                    let world = &mut self.0[usize::from(worker.0)];
                    world.input(Input::Relayed {
                        publication,
                        burst: &burst,
                    });
                }
            }
            for (publication, layer) in std::mem::take(&mut self.0[from].wanted) {
                self.0[1 - from].control(Control::WantKeyframe { publication, layer });
            }
            for (publication, level) in std::mem::take(&mut self.0[from].needed) {
                self.0[1 - from].control(Control::NeedLayers { publication, level });
            }
        }
    }

    fn start(&mut self, at: usize, client: usize) {
        let world = &mut self.0[at];
        let now = world.now;
        world.clients[client].start(now, Codec::Vp8);
    }
}

#[test]
fn subscribers_on_another_worker_receive_each_packet_once() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    let near = pair.0[HOME].subscriber(2, 1);
    let far = pair.0[AWAY].subscriber(3, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    pair.start(HOME, publisher);
    pair.run_ms(2_000);
    let count = |at: usize, client: usize| pair.0[at].clients[client].got.len();
    assert!(count(HOME, near) > 200);
    assert!(count(HOME, near).abs_diff(count(AWAY, far)) < 10);
    let seqs: Vec<u64> = pair.0[AWAY].clients[far]
        .video_got()
        .map(|got| got.seq)
        .collect();
    assert!(seqs.windows(2).all(|two| two[0] + 1 == two[1]));
    assert_eq!(pair.0[AWAY].sfu.stats().packets_in, 0);
    assert!(pair.0[AWAY].sfu.stats().packets_relayed_in > 200);
}

#[test]
fn a_worker_that_joins_is_shown_the_picture_as_it_stands() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    pair.run_ms(200);
    pair.start(HOME, publisher);
    pair.run_ms(500);
    pair.0[HOME].clients[publisher].video_sources[0].ignores_requests = true;
    let far = pair.0[AWAY].subscriber(3, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(500);
    let first = pair.0[AWAY].clients[far]
        .video_got()
        .next()
        .expect("a picture");
    assert!(is_key_start(Codec::Vp8, &first.payload));
}

#[test]
fn wishes_for_key_frames_go_back_and_are_throttled_on_the_way() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    let far = pair.0[AWAY].subscriber(3, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    pair.start(HOME, publisher);
    pair.run_ms(1_000);
    pair.0[HOME].clients[publisher].keyframe_requests.clear();
    for _ in 0..100 {
        pair.0[AWAY].clients[far].request_keyframe();
        pair.run_ms(20);
    }
    let requests = pair.0[HOME].clients[publisher].keyframe_requests.len();
    assert!((3..=5).contains(&requests), "{requests} in 2 s");
}

#[test]
fn retransmissions_come_from_the_worker_that_sent() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    pair.0[AWAY].subscriber(3, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    pair.start(HOME, publisher);
    pair.0[AWAY].loss_out = 10;
    pair.run_ms(2_000);
    assert!(pair.0[AWAY].sfu.stats().packets_resent > 0);
}

#[test]
fn a_feeder_on_another_worker_takes_over() {
    let mut pair = Pair::new();
    let first = pair.0[HOME].publisher(1, 1);
    let near = pair.0[HOME].subscriber(2, 1);
    let far = pair.0[AWAY].subscriber(3, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    pair.start(HOME, first);
    pair.run_ms(500);
    let second = pair.0[AWAY].publisher(4, 1);
    pair.0[HOME].control(Control::Yield {
        publication: PUBLICATION,
    });
    pair.relay(HOME, &[]);
    pair.relay(AWAY, &[WorkerId(0)]);
    pair.run_ms(200);
    pair.0[HOME].clients[near].got.clear();
    pair.0[AWAY].clients[far].got.clear();
    pair.start(AWAY, second);
    pair.run_ms(1_000);
    for (at, client) in [(HOME, near), (AWAY, far)] {
        let got: Vec<_> = pair.0[at].clients[client].video_got().collect();
        assert!(is_key_start(Codec::Vp8, &got[0].payload));
        assert!(got.windows(2).all(|two| two[0].seq + 1 == two[1].seq));
        assert!(got.len() > 50, "{}", got.len());
    }
}

#[test]
fn publications_nobody_knows_are_not_kept() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    pair.start(HOME, publisher);
    pair.run_ms(200);
    assert_eq!(pair.0[AWAY].sfu.stats().publications, 0);
    pair.relay(AWAY, &[WorkerId(0)]);
    assert_eq!(pair.0[AWAY].sfu.stats().publications, 1);
    pair.relay(AWAY, &[]);
    assert_eq!(pair.0[AWAY].sfu.stats().publications, 0);
}
