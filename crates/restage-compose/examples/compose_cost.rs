//! What composing costs: camera-like pictures of some participants become one picture, as fast as the process can, and the processor's time for each
//! second of it is printed. `cargo run --release -p restage-compose --example compose_cost -- [TILES [SECONDS]]`
//!
//! The pictures of participants are noise that moves, encoded before the measurement: 360 lines up to four tiles, 180 above, as the nearest layer of
//! simulcast has them. If `FFMPEG` names a program, it puts the same pictures together in the same run, with its own decoder, scaler and OpenH264.

use std::process::{Command, Stdio};
use std::time::Duration;

use restage_compose::bench::{Bench, Figures};

/// What is composed: 720p at 30 pictures a second, 2.5 Mbit/s.
const SIZE: (u32, u32) = (1_280, 720);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let number =
        |text: Option<String>, or: u32| text.and_then(|text| text.parse().ok()).unwrap_or(or);
    let tiles = number(arguments.next(), 4);
    let seconds = number(arguments.next(), 20);
    let mut bench = Bench::new(tiles, SIZE, seconds);
    let began = processor_time();
    let figures: Figures = bench.run();
    let spent = processor_time() - began;
    let percent = |time: Duration| time.as_secs_f64() / f64::from(seconds) * 100.0;
    println!(
        "{tiles} tiles of {} lines -> {}x{} at 30 pictures a second, {seconds} s",
        bench.lines(),
        SIZE.0,
        SIZE.1
    );
    println!("restage: {:.1} % of a core", percent(spent));
    for (name, us) in [
        ("decode", figures.decode_us),
        ("compose", figures.compose_us),
        ("encode", figures.encode_us),
        ("sound", figures.mix_us),
    ] {
        println!("  {name}: {:.1} %", percent(Duration::from_micros(us)));
    }
    println!(
        "  {} kbit/s, {} pictures",
        figures.bytes * 8 / u64::from(seconds) / 1_000,
        figures.pictures
    );
    if let Ok(ffmpeg) = std::env::var("FFMPEG") {
        beside(&ffmpeg, &bench, f64::from(seconds));
    }
}

/// The same by FFmpeg: its processor time, by its own report.
fn beside(ffmpeg: &str, bench: &Bench, seconds: f64) {
    let folder = std::env::temp_dir().join(format!("compose-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(ffmpeg);
    command.args([
        "-hide_banner",
        "-nostdin",
        "-benchmark",
        "-threads",
        "1",
        "-filter_complex_threads",
        "1",
    ]);
    for (place, stream) in bench.streams().iter().enumerate() {
        let file = folder.join(format!("{place}.h264"));
        std::fs::write(&file, stream).unwrap();
        command.args(["-threads", "1", "-r", "30", "-i"]).arg(file);
    }
    command.args(["-filter_complex", &bench.filter(), "-map", "[out]"]);
    command.args([
        "-c:v",
        "libopenh264",
        "-b:v",
        "2500k",
        "-threads",
        "1",
        "-f",
        "null",
        "-",
    ]);
    let ended = command.stdin(Stdio::null()).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = String::from_utf8_lossy(&ended.stderr);
    let number = |name: &str| -> Option<f64> {
        let at = text.rfind(name)? + name.len();
        text[at..].split('s').next()?.parse().ok()
    };
    match (number("utime="), number("stime=")) {
        (Some(user), Some(system)) => {
            println!(
                "FFmpeg: {:.1} % of a core (decode, scale, place, libopenh264; no sound)",
                (user + system) / seconds * 100.0
            );
        }
        _ => println!("FFmpeg has failed:\n{text}"),
    }
}

/// Processor time of this process until now.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
