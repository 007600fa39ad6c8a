//! Tests of the parts.

use std::time::{Duration, Instant};

use crate::detector::{Detector, Usage};
use crate::feedback::Message;
use crate::group::{Groups, Sample};
use crate::limits::{FLOWS_MAX, PROBE_SAID_MAX, PROBE_TOKEN_MAX, RATE_MIN, RECORDS_MAX, SLOT};
use crate::loss::{Losses, Verdict};
use crate::meter::Meter;
use crate::records::Records;
use crate::{Bucket, Config, Coupling, Estimator};

const MS: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

fn read(bytes: &[u8]) -> Option<Vec<(u16, Option<i64>)>> {
    let message = Message::read(bytes)?;
    let mut all = Vec::new();
    message.each(|number, arrival| all.push((number, arrival)));
    Some(all)
}

#[test]
fn each_kind_of_chunk_is_read() {
    let run = [0xff, 0xff, 0, 3, 0, 0, 9, 0, 0x20, 3, 4, 8, 0];
    let expected = vec![(0xffff, Some(1_000)), (0, Some(3_000)), (1, Some(3_000))];
    assert_eq!(read(&run), Some(expected));
    // One bit each: received and not, alternating; the other four bits are beyond the count.
    let bits = [0, 7, 0, 4, 0, 0, 9, 0, 0b1010_1011, 0b1111_1111, 1, 2];
    let expected = [(7, None), (8, None), (9, None), (10, None)];
    let got = read(&bits).unwrap();
    assert_eq!(
        got.iter().map(|one| one.0).collect::<Vec<_>>(),
        [7, 8, 9, 10]
    );
    assert_eq!(got[0].1, Some(250));
    assert_eq!(got[1].1, expected[1].1);
    assert_eq!(got[2].1, Some(750));
    // Two bits each: a time of two bytes that goes back, none, one of one byte.
    let pairs = [0, 7, 0, 3, 0, 0, 9, 0, 0b1110_0001, 0, 0xff, 0xfe, 3];
    let expected = vec![(7, Some(-500)), (8, None), (9, Some(250))];
    assert_eq!(read(&pairs), Some(expected));
}

#[test]
fn messages_that_lie_about_their_length_are_ignored_or_end_early() {
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[0, 7, 0, 0, 0, 0, 9, 0]), None, "no packets");
    assert_eq!(read(&[0, 7, 0, 3, 0, 0, 9, 0]), None, "no chunk");
    assert_eq!(
        read(&[0, 7, 4, 1, 0, 0, 9, 0, 0x04, 0x01]),
        None,
        "too many"
    );
    assert_eq!(
        read(&[0, 7, 0, 2, 0, 0, 9, 0, 0, 0, 0, 0]),
        None,
        "empty runs"
    );
    let times_missing = [0, 7, 0, 3, 0, 0, 9, 0, 0x20, 3, 4];
    assert_eq!(read(&times_missing), Some(vec![(7, Some(1_000))]));
    let reserved = [0, 7, 0, 2, 0, 0, 9, 0, 0b1101_1100, 0, 4, 4];
    assert_eq!(read(&reserved), Some(vec![(7, Some(1_000))]));
}

#[test]
fn records_are_found_by_their_number_until_they_are_overwritten() {
    let mut records = Records::default();
    assert_eq!(records.settle(0, 0, true), None);
    for number in 0..70_000_i64 {
        records.push(number * 100, 1_000, 0);
    }
    let now = 7_100_000;
    assert_eq!(
        records.settle(now, 69_999_u32 as u16, true).unwrap().sent,
        6_999_900
    );
    let oldest = 70_000 - RECORDS_MAX as u64;
    assert_eq!(
        records.settle(now, oldest as u16, true).unwrap().number,
        oldest
    );
    assert_eq!(records.settle(now, (oldest - 1) as u16, true), None);
    assert_eq!(
        records.settle(now, 70_000_u32 as u16, true),
        None,
        "not sent yet"
    );
    assert_eq!(
        records.settle(now, oldest as u16, true),
        None,
        "said before"
    );
    let late = (oldest + 1) as u16;
    assert!(!records.settle(now, late, false).unwrap().was_lost);
    assert_eq!(records.settle(now, late, false), None);
    assert!(records.settle(now, late, true).unwrap().was_lost);
    assert_eq!(records.settle(now, late, false), None, "it has come");
}

#[test]
fn a_train_is_one_group_with_the_delay_of_its_fastest_packet() {
    let mut groups = Groups::default();
    assert_eq!(groups.push(0, 50_000), None);
    assert_eq!(groups.push(0, 49_000), None);
    assert_eq!(groups.push(0, 90_000), None);
    let first = Sample {
        arrived: 49_000,
        delay: 49_000,
    };
    assert_eq!(groups.push(33_000, 95_000), Some(first));
    // Held up together: sent 10 ms apart, arrived at once.
    assert_eq!(groups.push(43_000, 95_500), None);
    assert_eq!(groups.push(20_000, 95_500), None, "out of order");
    let lump = Sample {
        arrived: 95_500,
        delay: 52_500,
    };
    assert_eq!(groups.push(60_000, 130_000), Some(lump));
}

/// What the detector says after groups every 10 ms whose delay grows by `growth` microseconds each, from the hundredth on.
fn usage_after(growth: i64, groups: i64) -> Usage {
    let mut detector = Detector::new();
    for group in 0..100 + groups {
        let delay = 20_000 + (group - 100).max(0) * growth;
        detector.push(Sample {
            arrived: group * 10_000 + delay,
            delay,
        });
    }
    detector.usage()
}

#[test]
fn a_delay_that_grows_is_overuse_and_one_that_falls_underuse() {
    assert_eq!(usage_after(0, 100), Usage::Normal);
    assert_eq!(usage_after(10, 100), Usage::Normal);
    assert_eq!(usage_after(1_000, 20), Usage::Overuse);
    assert_eq!(usage_after(-1_000, 20), Usage::Underuse);
}

#[test]
fn a_rate_is_the_average_of_the_window() {
    let mut meter = Meter::default();
    assert_eq!(meter.rate(0), None);
    for ms in 0..1_000 {
        meter.add(ms * 1_000, 125);
    }
    let rate = meter.rate(1_000_000).unwrap();
    assert!((950_000..=1_050_000).contains(&rate), "{rate}");
    meter.add(500_000, 100_000);
    assert_eq!(meter.rate(1_000_000), Some(rate), "older than the window");
    assert_eq!(meter.rate(2_000_000), Some(0));
    assert_eq!(meter.rate(i64::MAX / 2), Some(0));
    meter.add(-5_000_000, 10);
}

#[test]
fn the_rate_of_the_newest_part_is_known_a_moment_after_a_pause() {
    let mut meter = Meter::default();
    meter.add(0, 10);
    assert_eq!(meter.newest_rate(0), None);
    for ms in 2_000..2_150 {
        meter.add(ms * 1_000, 125);
    }
    let (newest, all) = (meter.newest_rate(2_150_000), meter.rate(2_150_000));
    assert!(
        (900_000..=1_050_000).contains(&newest.unwrap()),
        "{newest:?}"
    );
    assert!(all.unwrap() < 500_000, "{all:?}");
}

/// Losses at rates: (rate, packets of which every n-th is lost).
fn verdict(course: &[(f64, u32)]) -> Verdict {
    let mut losses = Losses::default();
    let mut verdict = Verdict::Free;
    let mut now = 0;
    for (rate, every) in course {
        for packet in 1..=60 {
            losses.count(*every == 0 || packet % every != 0, false);
        }
        now += 500_000;
        verdict = losses.judge(now, Some(*rate), Some(rate * 0.8));
    }
    verdict
}

#[test]
fn loss_counts_only_as_far_as_it_grows_with_the_rate() {
    assert_eq!(verdict(&[(1e6, 0); 8]), Verdict::Free);
    assert_eq!(verdict(&[(1e6, 50); 8]), Verdict::Free, "2 %");
    assert_eq!(
        verdict(&[(1e6, 15); 8]),
        Verdict::Hold,
        "7 %, nothing to compare with"
    );
    let same = [(5e5, 5), (5e5, 5), (1e6, 5), (1e6, 5), (1e6, 5)];
    assert_eq!(verdict(&same), Verdict::Free, "20 %, whatever the rate");
    let grown = [(5e5, 0), (5e5, 0), (1e6, 5), (1e6, 5), (1e6, 5)];
    assert_eq!(verdict(&grown), Verdict::Lower(0.8e6 * 0.95));
}

#[test]
fn a_bucket_lets_a_slot_pass_at_a_time() {
    let mut now = epoch();
    let mut bucket = Bucket::new(now);
    // 1,000 bytes a slot.
    let rate = 1_600_000;
    assert_eq!(bucket.room(now, rate), 1_000);
    bucket.take(2_500);
    assert_eq!(bucket.room(now, rate), 0);
    assert_eq!(bucket.wait(rate), Duration::from_micros(12_500));
    now += bucket.wait(rate);
    assert_eq!(bucket.room(now, rate), 1_000);
    now += 100 * MS;
    assert_eq!(bucket.room(now, rate), 1_000, "a pause is not made up for");
    bucket.take(1_000);
    assert_eq!(bucket.wait(rate), SLOT);
    assert!(bucket.wait(0) <= Duration::from_secs(1));
}

#[test]
fn the_sum_is_shared_by_priority_and_what_is_not_desired_goes_to_others() {
    let now = epoch();
    let mut coupling = Coupling::new();
    let a = coupling.add(300_000, 1).unwrap();
    let b = coupling.add(300_000, 2).unwrap();
    let c = coupling.add(300_000, 1).unwrap();
    let mut update = |flow, to, desired| coupling.update(flow, now, to, desired, 50 * MS).unwrap();
    // It gains 300 kbit/s: the sum is 1.2 Mbit/s.
    assert_eq!(update(a, 600_000, u64::MAX), 300_000);
    // It gains 600 kbit/s: 1.8 Mbit/s, of which it wants little.
    assert_eq!(update(b, 1_200_000, 200_000), 200_000);
    assert_eq!(coupling.rate(a), Some(800_000));
    assert_eq!(coupling.rate(c), Some(800_000));
    assert_eq!(coupling.sum(), 1_800_000);
    assert_eq!(coupling.others(b), 1_600_000);
    // Nobody wants much: the sum stays what the path carries.
    for flow in [a, b, c] {
        let rate = coupling.rate(flow).unwrap();
        coupling.update(flow, now, rate, 100_000, 50 * MS);
    }
    let rates = [a, b, c].map(|flow| coupling.rate(flow).unwrap());
    assert_eq!(rates, [450_000, 900_000, 450_000]);
    coupling.remove(b);
    coupling.remove(b);
    assert_eq!(coupling.rate(b), None);
    assert_eq!(coupling.update(b, now, 1, 1, MS), None);
    assert_eq!(coupling.rate(a), Some(900_000));
}

#[test]
fn a_decrease_is_everybodys_and_is_not_undone_at_once() {
    let now = epoch();
    let mut coupling = Coupling::new();
    let a = coupling.add(1_000_000, 1).unwrap();
    let b = coupling.add(1_000_000, 1).unwrap();
    assert_eq!(
        coupling.update(a, now, 900_000, u64::MAX, 50 * MS),
        Some(900_000)
    );
    assert_eq!(coupling.rate(b), Some(900_000));
    // Within two round trips neither a further decrease nor an increase counts.
    for rate in [700_000, 1_500_000] {
        assert_eq!(
            coupling.update(b, now + 99 * MS, rate, u64::MAX, 50 * MS),
            Some(900_000)
        );
    }
    assert_eq!(
        coupling.update(b, now + 100 * MS, 1_100_000, u64::MAX, 50 * MS),
        Some(1_000_000)
    );
    // A single decrease has a bound, and so have rates.
    assert_eq!(
        coupling.update(a, now + 200 * MS, 0, u64::MAX, 50 * MS),
        Some(850_000)
    );
    for n in 0..100 {
        coupling.update(a, now + (300 + n * 200) * MS, 0, u64::MAX, 50 * MS);
    }
    assert_eq!(coupling.rate(b), Some(RATE_MIN));
    coupling.update(a, now + 100_000 * MS, u64::MAX, u64::MAX, Duration::MAX / 4);
    assert!(coupling.rate(b).unwrap() > 1_000_000);
}

#[test]
fn that_one_probes_is_known_to_the_others_for_a_moment() {
    let now = epoch();
    let mut coupling = Coupling::new();
    let a = coupling.add(300_000, 1).unwrap();
    let b = coupling.add(300_000, 1).unwrap();
    assert!(!coupling.is_probed(b, now));
    coupling.on_probing(a, now);
    assert!(coupling.is_probed(b, now));
    assert!(!coupling.is_probed(a, now), "its own is no other's");
    assert!(!coupling.is_probed(b, now + PROBE_SAID_MAX));
}

#[test]
fn one_probes_at_a_time_and_the_table_has_a_bound() {
    let now = epoch();
    let mut coupling = Coupling::new();
    let flows: Vec<_> = (0..FLOWS_MAX)
        .map(|_| coupling.add(300_000, 1).unwrap())
        .collect();
    assert_eq!(coupling.add(300_000, 1), None);
    let [a, b, ..] = flows[..] else { panic!() };
    assert!(coupling.take_token(a, now));
    assert!(!coupling.take_token(b, now));
    assert!(coupling.take_token(a, now + MS));
    coupling.release_token(b);
    assert!(!coupling.take_token(b, now + MS));
    coupling.release_token(a);
    assert!(coupling.take_token(b, now + MS));
    assert!(
        coupling.take_token(a, now + MS + PROBE_TOKEN_MAX),
        "it was kept too long"
    );
    coupling.remove(a);
    assert!(coupling.take_token(b, now + 2 * MS + PROBE_TOKEN_MAX));
    assert!(
        !coupling.take_token(a, now + 9 * PROBE_TOKEN_MAX),
        "it is gone"
    );
    // Its place has a new connection, which is not the old one.
    let c = coupling.add(300_000, 1).unwrap();
    assert_ne!(a, c);
    assert_eq!(coupling.rate(a), None);
}

#[test]
fn the_first_probe_is_due_with_the_first_packet_and_not_before() {
    let begun = epoch();
    let mut estimator = Estimator::new(Config::default(), begun);
    estimator.set_desired(begun, 1_000_000);
    assert_eq!(estimator.deadline(), None);
    let first = begun + 600 * MS;
    estimator.on_sent(first, 1_000);
    assert_eq!(estimator.deadline(), Some(first));
}

/// Sends packets in a second from the epoch on, of which feedback says that they have waited for so long, and that one of `lost` (if that
/// is not 0) is lost.
fn hear_of(estimator: &mut Estimator, epoch: Instant, second: u32, waited_ms: i64, lost: usize) {
    for round in 0..20 {
        let sent = epoch + second * 1_000 * MS + round * 50 * MS;
        let first = estimator.next_number();
        (0..10).for_each(|_| estimator.on_sent(sent, 1_000));
        let mut bytes = first.to_be_bytes().to_vec();
        bytes.extend(10_u16.to_be_bytes());
        let arrives = sent.duration_since(epoch).as_millis() as i64 + 20 + waited_ms;
        bytes.extend(&((arrives / 64) as u32).to_be_bytes()[1..]);
        bytes.push(0);
        let arrived = |at: usize| lost == 0 || !at.is_multiple_of(lost);
        let mut steps = Vec::new();
        for at in 0..10 {
            bytes.extend((u16::from(arrived(at)) << 14 | 1).to_be_bytes());
            if arrived(at) {
                let step = if steps.is_empty() {
                    arrives % 64 * 4
                } else {
                    0
                };
                steps.extend((step as i16).to_be_bytes());
            }
        }
        bytes.extend(steps);
        estimator.on_feedback(sent + 40 * MS, &bytes);
    }
}

#[test]
fn a_path_is_clear_while_nothing_waits_there_and_little_is_lost() {
    for (name, waited_ms, lost, is_clear) in [
        ("nothing waits", 0, 0, true),
        ("for a moment", 60, 0, true),
        ("a queue that stands", 120, 0, false),
        ("loss", 0, 5, false),
    ] {
        let begins = epoch();
        let mut estimator = Estimator::new(Config::default(), begins);
        hear_of(&mut estimator, begins, 1, 0, 0);
        assert!(estimator.is_clear());
        hear_of(&mut estimator, begins, 2, waited_ms, lost);
        assert_eq!(estimator.is_clear(), is_clear, "{name}");
    }
}
