//! Two streams in virtual time: 30 pictures a second with a key frame each second, and 50 packets of sound.

use super::*;

const A: InletId = InletId(1);
const B: InletId = InletId(2);
const PICTURE: Duration = Duration::from_micros(33_333);
const SOUND: Duration = Duration::from_millis(20);

fn item(kind: MediaKind, us: u64, is_key: bool, name: u8) -> IngestItem {
    let (format, ticks) = match kind {
        MediaKind::Audio => (0, SOUND_TICKS),
        MediaKind::Video => (1, PICTURE_TICKS),
    };
    let packet = |marker| InletPacket {
        format,
        layer: 0,
        sequence: us,
        timestamp: us * ticks / 1_000,
        captured_us: Some(us),
        marker,
        payload: vec![name; 100].into(),
        audio_level: None,
    };
    let packets = match kind {
        MediaKind::Audio => vec![packet(false)],
        MediaKind::Video => vec![packet(false), packet(true)],
    };
    IngestItem {
        kind,
        is_key,
        packets,
    }
}

/// A stream as its encoder sends it.
struct Encoder {
    id: InletId,
    /// Its own clock when the scene begins.
    begin_us: u64,
    pictures: u64,
    sounds: u64,
    is_silent: bool,
    has_sound: bool,
    /// Of so many pictures one is sent.
    leaves: u64,
}

struct Scene {
    switch: Switch,
    begin: Instant,
    now: Instant,
    encoders: Vec<Encoder>,
    sent: Vec<(Instant, InletPacket)>,
}

impl Scene {
    #[allow(clippy::disallowed_methods)]
    fn new() -> Self {
        let begin = Instant::now();
        Self {
            switch: Switch::default(),
            begin,
            now: begin,
            encoders: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn join(&mut self, id: InletId, begin_us: u64) {
        self.switch.join(id);
        let passed = (self.now - self.begin).as_micros() as u64;
        self.encoders.push(Encoder {
            id,
            begin_us,
            pictures: passed / PICTURE.as_micros() as u64 + 1,
            sounds: passed / SOUND.as_micros() as u64 + 1,
            is_silent: false,
            has_sound: true,
            leaves: 1,
        });
    }

    fn of(&mut self, id: InletId) -> &mut Encoder {
        self.encoders.iter_mut().find(|it| it.id == id).unwrap()
    }

    fn leave(&mut self, id: InletId) {
        self.encoders.retain(|encoder| encoder.id != id);
        let packets = self.switch.leave(self.now, id);
        self.took(packets);
    }

    fn took(&mut self, packets: Vec<InletPacket>) {
        let now = self.now;
        self.sent
            .extend(packets.into_iter().map(|packet| (now, packet)));
    }

    fn run(&mut self, time: Duration) {
        let ends_at = self.now + time;
        while self.now < ends_at {
            self.now += Duration::from_millis(1);
            let passed = self.now - self.begin;
            for place in 0..self.encoders.len() {
                let encoder = &mut self.encoders[place];
                let (id, mut items) = (encoder.id, Vec::new());
                while PICTURE * encoder.pictures as u32 <= passed {
                    let number = encoder.pictures;
                    encoder.pictures += 1;
                    let us = encoder.begin_us + number * PICTURE.as_micros() as u64;
                    let is_key = number.is_multiple_of(30);
                    if number.is_multiple_of(encoder.leaves) || is_key {
                        items.push(item(MediaKind::Video, us, is_key, id.0 as u8));
                    }
                }
                while SOUND * encoder.sounds as u32 <= passed {
                    let us = encoder.begin_us + encoder.sounds * SOUND.as_micros() as u64;
                    encoder.sounds += 1;
                    if encoder.has_sound {
                        items.push(item(MediaKind::Audio, us, false, id.0 as u8));
                    }
                }
                if encoder.is_silent {
                    continue;
                }
                for item in items {
                    let packets = self.switch.push(self.now, id, &item);
                    self.took(packets);
                }
            }
        }
    }

    /// Checks what a subscriber relies on. Returns the longest time without a picture, from the first one on.
    fn check(&self) -> Duration {
        for format in [0, 1] {
            let of_kind = self
                .sent
                .iter()
                .filter(|(_, packet)| packet.format == format);
            let packets: Vec<&InletPacket> = of_kind.map(|(_, packet)| packet).collect();
            for pair in packets.windows(2) {
                assert_eq!(
                    pair[1].sequence,
                    pair[0].sequence + 1,
                    "no number is missing"
                );
                let is_next_picture = pair[0].marker || format == 0;
                let (before, after) = (pair[0].timestamp, pair[1].timestamp);
                match is_next_picture {
                    true => assert!(after > before, "{before} {after}"),
                    false => assert_eq!(after, before, "packets of one picture"),
                }
                if format == 0 {
                    assert!(after >= before + SOUND_PACKET_TICKS, "no sound twice");
                }
                assert!(pair[1].captured_us >= pair[0].captured_us);
            }
        }
        let pictures = self.sent.iter().filter(|(_, packet)| packet.format == 1);
        let times: Vec<Instant> = pictures.map(|(at, _)| *at).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    fn shown(&self) -> u8 {
        self.sent.last().unwrap().1.payload[0]
    }
}

#[test]
fn the_first_with_a_key_frame_is_shown_and_stays() {
    let mut scene = Scene::new();
    scene.run(Duration::from_millis(300));
    scene.join(A, 5_000_000);
    scene.run(Duration::from_millis(200));
    assert!(scene.sent.is_empty(), "sound alone is not shown");
    scene.join(B, 77_000_000);
    scene.run(Duration::from_secs(10));
    assert!(scene.sent.iter().all(|(_, packet)| packet.payload[0] == 1));
    assert!(scene.check() < Duration::from_millis(40));
    assert_eq!(scene.switch.switches(), 0);
}

#[test]
fn the_other_takes_over_when_one_ends() {
    for at_ms in [3_010, 3_340, 3_990] {
        let mut scene = Scene::new();
        scene.join(A, 5_000_000);
        scene.join(B, 2_000_000_000);
        scene.run(Duration::from_millis(at_ms));
        let before = scene.sent.len();
        scene.leave(A);
        let first = &scene.sent[before].1;
        assert_eq!(first.payload[0], 2, "at once, not at the next key frame");
        scene.run(Duration::from_secs(2));
        assert_eq!(scene.shown(), 2);
        let gap = scene.check();
        assert!(gap < Duration::from_millis(70), "{gap:?}");
        // The clock goes on as time does.
        let pictures = scene.sent.iter().filter(|(_, packet)| packet.format == 1);
        let last = pictures.clone().next_back().unwrap();
        let first = pictures.clone().next().unwrap();
        let clock_ms = (last.1.timestamp - first.1.timestamp) / PICTURE_TICKS;
        let passed_ms = (last.0 - first.0).as_millis() as u64;
        assert!(clock_ms.abs_diff(passed_ms) <= 40, "{clock_ms} {passed_ms}");
        assert_eq!(scene.switch.switches(), 1);
    }
}

#[test]
fn the_other_takes_over_when_one_stalls_and_it_stays_when_that_comes_back() {
    let mut scene = Scene::new();
    scene.join(A, 5_000_000);
    scene.join(B, 5_040_000);
    scene.run(Duration::from_millis(2_500));
    scene.of(A).is_silent = true;
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.shown(), 2);
    let gap = scene.check();
    assert!(gap <= Duration::from_millis(300), "{gap:?}");
    scene.of(A).is_silent = false;
    scene.run(Duration::from_secs(10));
    assert_eq!(scene.shown(), 2);
    assert_eq!(scene.switch.switches(), 1);
    scene.of(B).is_silent = true;
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.shown(), 1, "and back");
    assert!(scene.check() <= Duration::from_millis(300));
}

#[test]
fn a_stream_that_loses_pictures_is_left() {
    let mut scene = Scene::new();
    scene.join(A, 5_000_000);
    scene.join(B, 5_000_000);
    scene.run(Duration::from_secs(7));
    assert_eq!(scene.shown(), 1);
    scene.of(A).leaves = 2;
    scene.run(Duration::from_secs(4));
    assert_eq!(scene.shown(), 2);
    assert!(scene.check() < Duration::from_millis(110));
    scene.of(B).leaves = 3;
    scene.of(A).leaves = 1;
    scene.run(Duration::from_secs(9));
    assert_eq!(scene.shown(), 1);
}

#[test]
fn a_stream_that_loses_its_sound_is_left_unless_the_other_has_fewer_pictures() {
    let mut scene = Scene::new();
    scene.join(A, 5_000_000);
    scene.join(B, 5_000_000);
    scene.run(Duration::from_secs(7));
    assert_eq!(scene.shown(), 1);
    scene.of(A).has_sound = false;
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.shown(), 2);
    assert!(scene.check() < Duration::from_millis(110));
    scene.of(B).has_sound = false;
    scene.of(A).has_sound = true;
    scene.of(A).leaves = 2;
    scene.run(Duration::from_secs(9));
    assert_eq!(scene.shown(), 2, "pictures come first");
    scene.of(A).leaves = 1;
    scene.run(Duration::from_secs(4));
    assert_eq!(scene.shown(), 1);
    assert_eq!(scene.switch.switches(), 2);
}

#[test]
fn both_may_be_away_and_come_again() {
    let mut scene = Scene::new();
    scene.join(A, 5_000_000);
    scene.run(Duration::from_secs(2));
    scene.leave(A);
    scene.run(Duration::from_secs(3));
    scene.join(B, 5_000_000);
    scene.run(Duration::from_secs(3));
    assert_eq!(scene.shown(), 2);
    let gap = scene.check();
    assert!(gap < Duration::from_millis(4_100), "{gap:?}");
}

#[test]
fn one_that_has_not_begun_is_shown_from_its_first_key_frame_on() {
    let mut scene = Scene::new();
    scene.join(A, 5_000_000);
    scene.run(Duration::from_millis(2_400));
    scene.join(B, 5_000_000);
    scene.run(Duration::from_millis(100));
    scene.leave(A);
    let before = scene.sent.len();
    scene.run(Duration::from_secs(2));
    let first = scene.sent[before..]
        .iter()
        .find(|(_, packet)| packet.format == 1);
    assert_eq!(first.unwrap().0 - scene.begin, Duration::from_secs(3));
    scene.check();
}

#[test]
fn what_is_kept_has_a_bound() {
    let mut switch = Switch::default();
    let mut scene = Scene::new();
    switch.join(A);
    let mut large = item(MediaKind::Video, 0, true, 1);
    large.packets[0].payload = vec![1; 1_400].into();
    for number in 0..20_000_u64 {
        large.is_key = number == 0;
        for packet in &mut large.packets {
            packet.captured_us = Some(number * 33_333);
        }
        scene.now += PICTURE;
        switch.push(scene.now, A, &large);
        let stream = &switch.streams[0];
        assert!(stream.kept_bytes <= KEPT_BYTES_MAX && stream.kept.len() <= KEPT_PICTURES_MAX);
        assert!(stream.came.len() <= COUNTED_MAX);
    }
    assert!(!switch.streams[0].is_ready(), "it waits for a key frame");
}
