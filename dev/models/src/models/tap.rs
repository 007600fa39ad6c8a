//! The worker's end of a tap and the reader's, with a burst or two.

use std::sync::Arc;

use loom::thread;

use crate::budget::Budget;
use crate::check;
use crate::tap::{Filler, Passed, queue};
use crate::{Format, MediaPacket, TapEnded};

fn pass(filler: &mut Filler, formats: &Arc<[Arc<Format>]>, number: u8) -> Passed {
    let payload = vec![number];
    filler.pass(formats, &mut vec![MediaPacket { payload }])
}

/// The worker passes two bursts and ends; the reader reads to the end.
pub(super) fn nothing_is_lost() {
    check(|| {
        let all_bytes = Arc::new(Budget::default());
        let (mut filler, mut drain) = queue(&all_bytes);
        let worker = thread::spawn(move || {
            let formats: Arc<[Arc<Format>]> = Arc::new([Arc::new(Format)]);
            for number in [1, 2] {
                let passed = pass(&mut filler, &formats, number);
                assert!(matches!(passed, Passed::Taken | Passed::Held), "{passed:?}");
            }
        });
        let mut numbers = Vec::new();
        loop {
            match drain.try_next(false) {
                Ok(Some(tapped)) => {
                    assert_eq!(tapped.missed.packets, 0);
                    numbers.extend(tapped.packets.iter().map(|packet| packet.payload[0]));
                }
                Ok(None) => thread::yield_now(),
                Err(TapEnded) => break,
            }
        }
        worker.join().unwrap();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(all_bytes.taken(), 0, "what was read takes no room");
    });
}

/// The reader leaves while the worker passes.
pub(super) fn room_is_given_back() {
    check(|| {
        let all_bytes = Arc::new(Budget::default());
        let (mut filler, mut drain) = queue(&all_bytes);
        let worker = thread::spawn(move || {
            let formats: Arc<[Arc<Format>]> = Arc::new([Arc::new(Format)]);
            for number in [1, 2] {
                pass(&mut filler, &formats, number);
            }
        });
        drain.try_next(false).ok();
        drop(drain);
        worker.join().unwrap();
        assert_eq!(all_bytes.taken(), 0);
    });
}
