//! The release buffer on paths that bring a stream in clumps: virtual time, seeded losses.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use restage_codec::MediaKind;
use restage_rtmp::limits::{
    RELEASE_BYTES_MAX, RELEASE_DELAY_MAX, RELEASE_DELAY_MIN, RELEASE_ITEMS_MAX,
};
use restage_rtmp::{Item, Release};

const MS: Duration = Duration::from_millis(1);
/// A picture each 33 ms, a key frame each 2 s, a unit of sound each 21 ms, as encoders send them.
const PICTURE_US: u64 = 33_333;
const SOUND_US: u64 = 21_333;
const PICTURES_PER_KEY: u64 = 60;

/// What happened in one run.
#[derive(Debug, Default)]
struct Course {
    /// Each picture that left: when, its timestamp, whether it was a key frame. Microseconds.
    pictures: Vec<(u64, u64, bool)>,
    /// The same of sound.
    sound: Vec<(u64, u64)>,
    /// When the last item came. Behind it the buffer waits for more.
    came_us: u64,
    /// The delay at the end.
    delay: Duration,
    left_out: u64,
}

impl Course {
    /// The longest time between two pictures that left from this second on, while more came.
    fn longest_gap(&self, from_s: u64) -> Duration {
        let left = self.pictures.iter().map(|(at, ..)| *at);
        let within = from_s * 1_000_000..self.came_us;
        let left: Vec<u64> = left.filter(|at| within.contains(at)).collect();
        let gap = left.windows(2).map(|pair| pair[1] - pair[0]).max();
        Duration::from_micros(gap.unwrap_or_default())
    }

    /// The most that a picture left later than it was captured, from one second to another.
    fn latest(&self, seconds: std::ops::Range<u64>) -> Duration {
        let within = self
            .pictures
            .iter()
            .filter(|(at, ..)| seconds.contains(&(at / 1_000_000)));
        let late = within.map(|(at, captured, _)| at - captured).max();
        Duration::from_micros(late.unwrap_or_default())
    }
}

/// A stream over a path: `arrival` says when what was captured at a time comes, in microseconds; it must not go back.
fn run(seconds: u64, mut arrival: impl FnMut(u64, usize) -> u64) -> Course {
    let mut items = Vec::new();
    for number in 0..seconds * 1_000_000 / PICTURE_US {
        let is_key = number % PICTURES_PER_KEY == 0;
        let bytes = if is_key { 40_000 } else { 9_800 };
        items.push((number * PICTURE_US, MediaKind::Video, is_key, bytes));
    }
    for number in 0..seconds * 1_000_000 / SOUND_US {
        items.push((number * SOUND_US, MediaKind::Audio, false, 250));
    }
    items.sort_by_key(|(captured, ..)| *captured);
    let mut arrivals = Vec::new();
    for (captured, kind, is_key, bytes) in items {
        let item = Item {
            kind,
            layer: 0,
            timestamp_us: captured as i64,
            is_key,
            bytes,
            value: captured,
        };
        arrivals.push((arrival(captured, bytes), item));
    }
    play(arrivals)
}

/// Brings items to a buffer at their times, and takes them as they leave it.
#[allow(clippy::disallowed_methods)]
fn play(arrivals: Vec<(u64, Item<u64>)>) -> Course {
    let begin = Instant::now();
    let at = |us: u64| begin + Duration::from_micros(us);
    let mut release = Release::default();
    let mut course = Course::default();
    let mut arrivals = arrivals.into_iter().peekable();
    loop {
        let arrives = arrivals.peek().map(|(us, _)| at(*us));
        let Some(now) = [arrives, release.next_deadline()]
            .into_iter()
            .flatten()
            .min()
        else {
            break;
        };
        // Deadlines may have passed while an item came.
        while let Some((_, item)) = arrivals.next_if(|(us, _)| at(*us) <= now) {
            release.push(now, item);
            course.came_us = (now - begin).as_micros() as u64;
            take(&mut release, begin, now, &mut course);
        }
        take(&mut release, begin, now, &mut course);
        assert!(release.bytes() <= RELEASE_BYTES_MAX);
        assert!(
            release
                .next_deadline()
                .is_none_or(|deadline| deadline > now)
        );
    }
    course.delay = release.delay();
    let left_out = release.left_out();
    course.left_out = left_out.times;
    course
}

fn take(release: &mut Release<u64>, begin: Instant, now: Instant, course: &mut Course) {
    while let Some(item) = release.pop(now) {
        let us = (now - begin).as_micros() as u64;
        match item.kind {
            MediaKind::Video => course.pictures.push((us, item.value, item.is_key)),
            MediaKind::Audio => course.sound.push((us, item.value)),
        }
    }
}

/// A connection over a path with loss: what is lost comes again after a while, and what was sent behind it waits. The path delivers in
/// clumps.
struct Tcp {
    random: u64,
    loss: f64,
    /// What the time until a retransmission is multiplied by when that is lost as well.
    back_off: u64,
    clump_us: u64,
    delivered_us: u64,
}

const PATH_US: u64 = 20_000;
const RETRANSMISSION_US: u64 = 200_000;
const SEGMENT_BYTES: usize = 1_448;

impl Tcp {
    fn new(seed: u64, loss: f64, clump: Duration) -> Self {
        Self {
            random: seed,
            loss,
            back_off: 1,
            clump_us: clump.as_micros() as u64,
            delivered_us: 0,
        }
    }

    /// From 0 to below 1, evenly (SplitMix64).
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn arrival(&mut self, sent_us: u64, bytes: usize) -> u64 {
        for _ in 0..bytes.div_ceil(SEGMENT_BYTES) {
            let mut comes_us = sent_us + PATH_US;
            let mut again_us = RETRANSMISSION_US;
            while self.unit() < self.loss {
                comes_us += again_us;
                again_us *= self.back_off;
            }
            self.delivered_us = self.delivered_us.max(comes_us);
        }
        self.delivered_us.div_ceil(self.clump_us.max(1)) * self.clump_us.max(1)
    }
}

/// The seconds after which a buffer has seen what its path does.
const SETTLED_S: u64 = 30;

/// Five minutes over a path with clumps of 100 ms and a loss of 1 %, once the buffer has settled: the longest time between two pictures
/// when they come, and when they leave.
fn longest_gaps(mut tcp: Tcp) -> (Duration, Duration, Course) {
    let (mut last, mut longest) = (0, 0);
    let course = run(SETTLED_S + 300, |captured, bytes| {
        let at = tcp.arrival(captured, bytes);
        (longest, last) = (longest.max(at - last), at);
        at
    });
    (
        Duration::from_micros(longest),
        course.longest_gap(SETTLED_S),
        course,
    )
}

#[test]
fn clumps_and_losses_make_no_stutter() {
    for seed in 0..20 {
        let (came, left, course) = longest_gaps(Tcp::new(seed, 0.01, 100 * MS));
        println!(
            "seed {seed}: {came:?} apart when they came, {left:?} when they left, delay {:?}",
            course.delay
        );
        assert!(came >= 400 * MS, "{came:?}: the path makes gaps");
        assert!(left <= 120 * MS, "seed {seed}: {left:?}");
        assert_eq!(course.left_out, 0);
        assert!((RELEASE_DELAY_MIN..=RELEASE_DELAY_MAX).contains(&course.delay));
        assert_in_step(&course);
    }
}

/// A retransmission that is lost comes again after twice the time, as the kernel does it: 600 ms and more, which is over the most that
/// the buffer holds.
#[test]
fn retransmissions_that_are_lost_make_little_stutter() {
    let mut within = 0;
    for seed in 0..20 {
        let mut tcp = Tcp::new(seed, 0.01, 100 * MS);
        tcp.back_off = 2;
        let (came, left, course) = longest_gaps(tcp);
        println!(
            "seed {seed}: {came:?} apart when they came, {left:?} when they left, delay {:?}",
            course.delay
        );
        assert!(came >= 600 * MS, "{came:?}: the path makes gaps");
        assert!(left <= 300 * MS, "seed {seed}: {left:?}");
        within += usize::from(left <= 250 * MS);
    }
    assert!(within >= 18, "{within} of 20");
}

/// Sound and pictures leave with the same delay, but for what is late.
fn assert_in_step(course: &Course) {
    let mut sound = course.sound.iter().peekable();
    let mut apart = 0;
    for (at, captured, _) in &course.pictures {
        while sound.next_if(|(_, sound)| sound < captured).is_some() {}
        if let Some((sound_at, sound_captured)) = sound.peek() {
            let difference = sound_at.abs_diff(at + (sound_captured - captured));
            apart += usize::from(difference > 5_000);
        }
    }
    let all = course.pictures.len();
    assert!(apart < all / 20, "{apart} of {all}");
}

#[test]
fn a_smooth_path_is_held_back_by_the_least_delay() {
    let course = run(60, |captured, _| captured + 30_000);
    assert_eq!(course.delay, RELEASE_DELAY_MIN);
    assert_eq!(
        course.longest_gap(0).as_micros() / 10,
        u128::from(PICTURE_US) / 10
    );
    assert_eq!(course.latest(0..60), 130 * MS);
    assert_eq!(course.left_out, 0);
}

#[test]
fn the_delay_shrinks_slowly_once_the_path_is_calm() {
    let mut tcp = Tcp::new(3, 0.0, 150 * MS);
    let arrival = |captured: u64, bytes| {
        let clumped = tcp.arrival(captured, bytes);
        if captured < 60_000_000 {
            clumped
        } else {
            clumped.min(captured + 170_000)
        }
    };
    let clumped = run(60, arrival);
    assert!(
        (140 * MS..=170 * MS).contains(&clumped.delay),
        "{:?}",
        clumped.delay
    );
    assert!(
        clumped.longest_gap(5) <= 60 * MS,
        "{:?}",
        clumped.longest_gap(5)
    );
    let mut tcp = Tcp::new(3, 0.0, 150 * MS);
    let calm = run(130, |captured, bytes| {
        let clumped = tcp.arrival(captured, bytes);
        if captured < 60_000_000 {
            clumped
        } else {
            captured + PATH_US
        }
    });
    // The clumps are forgotten after 30 s; then 1 ms a second.
    let shrunk = clumped.delay - calm.delay;
    assert!((30 * MS..=50 * MS).contains(&shrunk), "{shrunk:?}");
    assert!(calm.longest_gap(70) <= 34 * MS);
}

#[test]
fn the_delay_has_a_most() {
    let mut tcp = Tcp::new(4, 0.0, 900 * MS);
    let course = run(60, |captured, bytes| tcp.arrival(captured, bytes));
    assert!(course.delay <= RELEASE_DELAY_MAX, "{:?}", course.delay);
    assert_eq!(course.left_out, 0);
}

#[test]
fn a_first_burst_does_not_delay_the_stream_for_long() {
    // An encoder that begins with a second of pictures at once, as from a file.
    let course = run(20, |captured, _| captured.max(1_000_000));
    assert!(course.delay <= RELEASE_DELAY_MAX);
    assert!(
        course.latest(10..20) <= 300 * MS,
        "{:?}",
        course.latest(10..20)
    );
}

#[test]
fn a_backlog_is_left_out_up_to_a_key_frame() {
    for stall_ms in [2_200, 3_000, 5_500, 9_500] {
        let stall = 60_000_000..60_000_000 + stall_ms * 1_000;
        let end = stall.end;
        let mut comes = 0;
        let course = run(120, |captured, _| {
            let at = if stall.contains(&captured) {
                end
            } else {
                captured
            };
            // What was held back comes at 50 Mbit/s.
            comes = (comes + 200).max(at + 20_000);
            comes
        });
        assert_eq!(course.left_out, 1, "{stall_ms}");
        let after = course
            .pictures
            .iter()
            .position(|(at, ..)| *at >= end)
            .unwrap();
        let (at, captured, is_key) = course.pictures[after];
        assert!(is_key, "{stall_ms}: it goes on at a key frame");
        assert!(
            at - captured <= 2_700_000,
            "{stall_ms}: it is the newest one"
        );
        // From then on the stream is as punctual as it was.
        let late = course.latest(60 + stall_ms / 1_000 + 3..120);
        assert!(late <= 300 * MS, "{stall_ms}: {late:?}");
        assert!(course.longest_gap(60 + stall_ms / 1_000 + 3) <= 40 * MS);
        let sound = course.sound.iter().find(|(at, _)| *at >= end).unwrap();
        assert!(sound.1 >= captured, "{stall_ms}: sound goes on with it");
    }
}

#[test]
fn a_path_that_stays_late_becomes_the_measure() {
    // After a minute everything comes 6 s later than before, for good.
    let course = run(120, |captured, _| {
        if captured < 60_000_000 {
            captured + 20_000
        } else {
            captured + 6_020_000
        }
    });
    assert_eq!(course.left_out, 1);
    let late = course.latest(70..120);
    assert!((6_100 * MS..=6_600 * MS).contains(&late), "{late:?}");
    assert!(
        course.longest_gap(70) <= 40 * MS,
        "{:?}",
        course.longest_gap(70)
    );
}

/// An item without a value.
fn item(kind: MediaKind, timestamp_us: i64, is_key: bool, bytes: usize) -> Item<()> {
    Item {
        kind,
        layer: 0,
        timestamp_us,
        is_key,
        bytes,
        value: (),
    }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn what_is_too_much_leaves_early() {
    let now = Instant::now();
    let mut release = Release::default();
    let part = RELEASE_BYTES_MAX / 8;
    for number in 0..9 {
        release.push(now, item(MediaKind::Video, number * 1_000, true, part));
    }
    assert!(release.pop(now).is_some(), "the ninth is one too many");
    assert!(release.pop(now).is_none());
    assert_eq!(release.bytes(), RELEASE_BYTES_MAX);
    let mut release = Release::default();
    for number in 0..=RELEASE_ITEMS_MAX as i64 {
        release.push(now, item(MediaKind::Audio, number, false, 0));
    }
    assert!(release.pop(now).is_some() && release.pop(now).is_none());
    release.push(now, item(MediaKind::Video, 0, true, 4 << 20));
    let sizes = std::iter::from_fn(|| release.pop(now)).map(|item| item.bytes);
    assert!(sizes.eq([&[0; 1_024][..], &[4 << 20]].concat()) || release.bytes() == 0);
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_backlog_without_a_key_frame_is_left_out_once_it_is_too_large() {
    let begin = Instant::now();
    let mut release = Release::default();
    release.push(begin, item(MediaKind::Video, 0, true, 1_000));
    let late = begin + Duration::from_secs(8);
    let pictures = 100;
    for number in 1..=pictures {
        release.push(late, item(MediaKind::Video, number * 33_000, false, 20_000));
        assert!(release.bytes() <= RELEASE_BYTES_MAX);
    }
    // Everything is gone, the first picture included, and pictures that need it are left out as well.
    assert_eq!(release.left_out().pictures, pictures as u64 + 1);
    release.push(late, item(MediaKind::Video, 8_000_000, true, 1_000));
    let settled = release.next_deadline().unwrap();
    assert!(
        release
            .pop(settled + RELEASE_DELAY_MAX)
            .is_some_and(|item| item.is_key)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_leaves_in_order_and_resumes_at_key_frames(
        steps in prop::collection::vec(
            (0..3_u8, any::<bool>(), prop_oneof![8 => 0..60_000_i64, 1 => -5_000_000..9_000_000_i64], prop::bool::weighted(0.1),
                prop_oneof![8 => 0..60_000_u64, 1 => 0..4_000_000_u64], prop_oneof![8 => 0..20_000_usize, 1 => 0..2_000_000_usize]),
            0..300,
        ),
    ) {
        #[allow(clippy::disallowed_methods)]
        let mut now = Instant::now();
        let mut release = Release::default();
        let mut timestamp_us = 0;
        let mut numbers = [[0_u64; 3]; 2];
        let mut expected = [[0_u64; 3]; 2];
        let mut left_out = 0;
        for (layer, is_sound, step_us, is_key, wait_us, bytes) in steps {
            now += Duration::from_micros(wait_us);
            timestamp_us += step_us;
            let (kind, layer) = if is_sound { (MediaKind::Audio, 0) } else { (MediaKind::Video, layer) };
            let number = &mut numbers[kind.index()][usize::from(layer)];
            *number += 1;
            release.push(now, Item { kind, layer, timestamp_us, is_key, bytes, value: *number });
            while let Some(item) = release.pop(now) {
                let expected = &mut expected[item.kind.index()][usize::from(item.layer)];
                prop_assert!(item.value > *expected);
                left_out += item.value - *expected - 1;
                if item.value != *expected + 1 && item.kind == MediaKind::Video {
                    prop_assert!(item.is_key, "layer {} goes on at {}", item.layer, item.value);
                }
                *expected = item.value;
            }
            prop_assert!(release.bytes() <= RELEASE_BYTES_MAX);
            prop_assert!(release.next_deadline().is_none_or(|deadline| deadline > now));
        }
        let told = release.left_out();
        prop_assert!(told.pictures + told.sound >= left_out);
    }
}
