//! Send-side bandwidth estimation with a foreign receiver's feedback.

use std::time::Duration;

use restage_media::PeerId;

use crate::simulcast::streaming_in;
use crate::support::World;

#[test]
fn the_estimate_rises_to_what_is_desired() {
    let (mut world, publisher, subscriber) = streaming_in(World::with_feedback());
    for step in 0..40 {
        world.run_ms(100);
        let got = world.clients[subscriber]
            .video_got()
            .next_back()
            .map(|got| crate::simulcast::layer(&world, publisher, got));
        println!("{step} {:?} {got:?}", world.sfu.estimate(PeerId(2)));
    }
    let _ = Duration::ZERO;
    assert!(world.sfu.estimate(PeerId(2)) > Some(1_500_000));
}
