//! FFmpeg's own overlay of the same inputs, if it is installed.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::camera::Recording;

/// Encoders to compare with: the same one, if FFmpeg has it, and what it has otherwise.
const ENCODERS: [(&str, &[&str]); 2] = [
    ("libopenh264", &["-rc_mode", "bitrate"]),
    ("libx264", &["-preset", "veryfast", "-tune", "zerolatency"]),
];

/// Prints what FFmpeg takes for it, in one thread.
pub(crate) fn compare(cameras: &[Recording], tiles: u32, seconds: u64) {
    let folder = std::env::temp_dir().join(format!("compose-cost-{}", std::process::id()));
    if std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    let paths: Vec<_> = (0..cameras.len())
        .map(|number| folder.join(format!("{number}.h264")))
        .collect();
    let written = paths.iter().zip(cameras);
    let is_written = written
        .map(|(path, camera)| std::fs::write(path, camera.stream()))
        .all(|outcome| outcome.is_ok());
    let columns = (1..)
        .find(|columns| columns * columns >= tiles)
        .unwrap_or(1);
    let (width, height) = (1_280 / columns / 2 * 2, 720 / columns / 2 * 2);
    let mut filter = format!("color=black:s=1280x720:r=30:d={seconds}[at0];");
    for tile in 0..tiles {
        let (x, y) = (tile % columns * width, tile / columns * height);
        let _ = write!(
            filter,
            "[{tile}:v]scale={width}:{height}:flags=bilinear[tile{tile}];[at{tile}][tile{tile}]overlay={x}:{y}:eof_action=repeat[at{}];",
            tile + 1
        );
    }
    filter.pop();
    let last = format!("[at{tiles}]");
    for (encoder, options) in ENCODERS {
        if !is_written {
            break;
        }
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-v",
            "error",
            "-benchmark",
            "-filter_threads",
            "1",
        ]);
        command.args(["-filter_complex_threads", "1"]);
        for tile in 0..tiles {
            command.args(["-threads", "1", "-r", "30", "-i"]);
            command.arg(&paths[tile as usize % paths.len()]);
        }
        command.args(["-filter_complex", &filter, "-map", &last]);
        command.args([
            "-c:v", encoder, "-threads", "1", "-b:v", "2500k", "-g", "60",
        ]);
        command.args(options);
        command.args(["-v", "info", "-f", "null", "-"]);
        let output = command.stdin(Stdio::null()).output();
        let Ok(output) = output else {
            println!("ffmpeg    is not installed");
            break;
        };
        let text = String::from_utf8_lossy(&output.stderr);
        // `bench: utime=1.234s stime=0.056s rtime=1.300s`
        let time = |name: &str| {
            let rest = text.rsplit_once(name)?.1;
            rest.split_once('s')?.0.parse::<f64>().ok()
        };
        match (output.status.success(), time("utime="), time("stime=")) {
            (true, Some(user), Some(system)) => println!(
                "ffmpeg    overlay, {encoder}: {:.1} % of a core",
                (user + system) * 100.0 / seconds as f64
            ),
            _ => println!("ffmpeg    has no {encoder}"),
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}
