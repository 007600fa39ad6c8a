//! The peers of one receiver, on several workers, whose parts are summed up.

use std::sync::Arc;

use loom::thread;

use crate::check;
use crate::sum::Sum;

const PARTS: [u64; 2] = [3, 5];

pub(super) fn parts_add_up() {
    check(|| {
        let sum = Arc::new(Sum::default());
        let peers = [(); 2].map(|()| {
            let sum = Arc::clone(&sum);
            thread::spawn(move || {
                let number = sum.next_number();
                let mut before = 0;
                for part in PARTS {
                    let all = sum.change(before, part);
                    assert!((part..=part + PARTS[1]).contains(&all), "{all}");
                    before = part;
                }
                assert!(sum.newest(number, true) >= number);
                sum.withdraw(number);
                sum.change(before, 0);
                number
            })
        });
        let mut numbers = peers.map(|peer| peer.join().unwrap());
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2], "numbers are used once");
        assert_eq!(sum.bits_per_s(), 0);
        assert_eq!(sum.newest(0, false), 0, "nobody is left");
    });
}

/// The older peer withdraws while a newer one grows.
pub(super) fn a_claim_stays() {
    check(|| {
        let sum = Arc::new(Sum::default());
        let (older, newer) = (sum.next_number(), sum.next_number());
        sum.newest(older, true);
        let other = {
            let sum = Arc::clone(&sum);
            thread::spawn(move || sum.withdraw(older))
        };
        assert_eq!(sum.newest(newer, true), newer);
        other.join().unwrap();
        assert_eq!(sum.newest(0, false), newer);
    });
}
