//! What a composition costs: percent of one core, split into its parts, and beside it FFmpeg's own overlay of the same inputs.
//!
//! ```text
//! cargo run --release -p restage-compose --example compose_cost -- --tiles 4
//! cargo run --release -p restage-compose --example compose_cost -- --tiles 12 --seconds 20
//! ```
//!
//! Inputs are what a camera sends: soft shapes that move, a person-like oval that moves more, and noise; 360p for four tiles, the 180p layer
//! of simulcast for more. They are encoded once, before anything is measured, in 30 pictures a second, and Opus beside them. The output is
//! 720p30 at 2.5 Mbit/s and Opus. All figures are processor time of this process, so that a busy machine changes little.

mod camera;
mod ffmpeg;

use restage_compose::engine::Engine;
use restage_compose::layout::{Grid, Layout, Person, Video};
use restage_compose::protocol::{FromChild, Health, Rendition, Setup, SoundFormats, ToChild};

const FRAMES_PER_S: u64 = 30;
const SOUNDS_PER_S: u64 = 50;

struct Options {
    tiles: u32,
    seconds: u64,
    /// Height of inputs; width is for 16:9.
    height: u32,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        tiles: 4,
        seconds: 10,
        height: 0,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u32 = value.ok_or_else(|| format!("{name} takes a number"))?;
        match name.as_str() {
            "--tiles" if (1..=24).contains(&value) => options.tiles = value,
            "--seconds" if value > 0 => options.seconds = u64::from(value),
            "--height" if value >= 90 => options.height = value,
            _ => return Err("--tiles 1 to 24, --seconds N, --height N".to_owned()),
        }
    }
    if options.height == 0 {
        options.height = if options.tiles <= 4 { 360 } else { 180 };
    }
    Ok(options)
}

fn person(input: u32) -> Person {
    Person {
        input,
        name: format!("Person {input}"),
        is_featured: false,
        is_pip: false,
        order: None,
        arrived: u64::from(input),
        has_video: Video::Publishing,
        why_no_picture: None,
        is_muted: false,
    }
}

fn add(sum: &mut Health, next: &Health) {
    sum.ticks += next.ticks;
    sum.late_ticks += next.late_ticks;
    sum.skipped_pictures += next.skipped_pictures;
    sum.decoded_pictures += next.decoded_pictures;
    sum.damaged_pictures += next.damaged_pictures;
    sum.decode_us += next.decode_us;
    sum.compose_us += next.compose_us;
    sum.encode_us += next.encode_us;
    sum.mix_us += next.mix_us;
}

/// Microseconds of processor time of this process, whatever else the machine does.
fn processor_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

fn main() -> Result<(), String> {
    let options = options()?;
    let (tiles, seconds, height) = (options.tiles, options.seconds, options.height);
    let (width, height) = (height * 16 / 9 / 2 * 2, height / 2 * 2);
    eprintln!("encoding {tiles} inputs of {width}x{height}, {seconds} s");
    let frames = seconds * FRAMES_PER_S;
    // Four cameras are enough to be different from each other.
    let cameras: Vec<_> = (0..tiles.min(4))
        .map(|seed| camera::Recording::new(seed, width, height, frames))
        .collect();
    let sounds = camera::sound(seconds * SOUNDS_PER_S);
    let setup = Setup {
        now_us: 0,
        layout: Layout::Grid(Grid::default()),
        renditions: vec![Rendition {
            width: 1_280,
            height: 720,
            framerate_milli: 30_000,
            bitrate: 2_500_000,
        }],
        sound: SoundFormats {
            opus: true,
            aac: false,
        },
    };
    let engine = Engine::new(setup, Box::new(processor_us), None);
    let mut engine = engine.map_err(|error| error.to_string())?;
    let persons = (0..tiles).map(person).collect();
    engine.take(ToChild::Scene { persons });
    let (mut sum, mut bytes, mut slowest_us) = (Health::default(), 0, 0);
    let before_us = processor_us();
    let (mut picture, mut sound) = (0_u64, 0_u64);
    let end_us = seconds * 1_000_000 + 120_000;
    while engine.due_us() < end_us {
        let now_us = engine.due_us();
        while picture < frames && picture * 1_000_000 / FRAMES_PER_S <= now_us {
            for input in 0..tiles {
                let recording = &cameras[input as usize % cameras.len()];
                let at_us = picture * 1_000_000 / FRAMES_PER_S;
                engine.take(recording.message(input, picture as usize, at_us));
            }
            picture += 1;
        }
        while sound < sounds.len() as u64 && sound * 20_000 <= now_us {
            for input in 0..tiles {
                engine.take(ToChild::Sound {
                    input,
                    at_us: sound * 20_000,
                    timestamp: sound * 960,
                    bytes: sounds[sound as usize].clone(),
                });
            }
            sound += 1;
        }
        let tick_us = processor_us();
        engine.tick(now_us).map_err(|error| error.to_string())?;
        slowest_us = slowest_us.max(processor_us() - tick_us);
        while let Some(message) = engine.poll() {
            match message {
                FromChild::Health(health) => add(&mut sum, &health),
                FromChild::Picture { bytes: made, .. } => bytes += made.len() as u64,
                _ => {}
            }
        }
    }
    let spent_us = processor_us() - before_us;
    let percent = |us: u64| us as f64 / (seconds as f64 * 10_000.0);
    println!(
        "restage   {tiles} x {width}x{height} -> 1280x720 at 30/s: {:.1} % of a core",
        percent(spent_us)
    );
    println!(
        "          decode {:.1} %  compose {:.1} %  encode {:.1} %  sound {:.1} %",
        percent(sum.decode_us),
        percent(sum.compose_us),
        percent(sum.encode_us),
        percent(sum.mix_us)
    );
    println!(
        "          {:.2} Mbit/s; {} pictures decoded, {} damaged; {} left out; slowest tick {:.1} ms",
        bytes as f64 * 8.0 / (seconds as f64 * 1e6),
        sum.decoded_pictures,
        sum.damaged_pictures,
        sum.skipped_pictures,
        slowest_us as f64 / 1_000.0
    );
    ffmpeg::compare(&cameras, tiles, seconds);
    Ok(())
}
