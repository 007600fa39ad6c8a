//! Takes one stream of an encoder on a port of this machine and prints what comes of it.
//!
//! ```text
//! cargo run -p restage-rtmp --example listen -- 127.0.0.1:1935 [FILE]
//! ffmpeg -re … -f flv rtmp://127.0.0.1:1935/app/key
//! ```
//!
//! With FILE, the bytes of the encoder are saved there: the tests read such files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use restage_codec::MediaKind;
use restage_rtmp::{
    AudioCodec, Event, HANDSHAKE_RANDOM_BYTES, Item, Release, RuleLimits, Rules, Session,
    VideoCodec,
};

/// How often times are looked at while nothing comes.
const TICK: Duration = Duration::from_millis(10);
/// How long what an encoder still sends is dropped before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);
/// Gaps are told from then on, and which of them are long.
const SETTLED: Duration = Duration::from_secs(30);
const LONG_GAP: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 16 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1935".into());
    let saved = arguments.next().map(File::create).transpose()?;
    let listener = TcpListener::bind(&address)?;
    println!("listening on rtmp://{}/app/", listener.local_addr()?);
    let (socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(TICK))?;
    socket.set_nodelay(true)?;
    // Nobody's secret: the connection is one of this machine.
    let mut random = [0; HANDSHAKE_RANDOM_BYTES];
    for (place, byte) in random.iter_mut().enumerate() {
        *byte = (place * 7) as u8;
    }
    let mut stream = Stream {
        socket,
        saved,
        session: Session::new(Instant::now(), &random),
        rules: None,
        release: Release::default(),
        report: Report::default(),
    };
    stream.run()?;
    stream.report.print(&stream.release);
    Ok(())
}

struct Stream {
    socket: TcpStream,
    saved: Option<File>,
    session: Session,
    rules: Option<Rules>,
    release: Release<()>,
    report: Report,
}

impl Stream {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut buffer = [0; READ_BYTES];
        while !self.session.is_over() {
            let mut input = match self.socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => &[],
                Err(error) => return Err(error.into()),
            };
            if let Some(file) = &mut self.saved {
                file.write_all(input)?;
            }
            let now = Instant::now();
            while let Some(event) = self.session.receive(now, &mut input) {
                self.handle(now, event);
            }
            if let Some(event) = self.session.handle_time(now) {
                self.handle(now, event);
            }
            if let Some(Err(refusal)) = self.rules.as_mut().map(|rules| rules.handle_time(now)) {
                println!("refused: {refusal}");
                self.session.refuse(&refusal);
            }
            while let Some(item) = self.release.pop(now) {
                self.report.released(now, &item);
            }
            self.socket.write_all(&self.session.take_output())?;
        }
        self.linger()
    }

    /// Lets the encoder read what it was told last.
    fn linger(&mut self) -> Result<(), Box<dyn Error>> {
        self.socket.shutdown(Shutdown::Write)?;
        let end = Instant::now() + LINGER;
        let mut buffer = [0; READ_BYTES];
        while Instant::now() < end && !matches!(self.socket.read(&mut buffer), Ok(0)) {}
        Ok(())
    }

    fn handle(&mut self, now: Instant, event: Event) {
        if let Some(rules) = &mut self.rules
            && let Err(refusal) = rules.check(now, &event)
        {
            println!("refused: {refusal}");
            self.session.refuse(&refusal);
            return;
        }
        match event {
            Event::Publish(publish) => {
                println!("publish: {publish:?}");
                self.session.accept(now);
                self.rules = Some(Rules::new(now, RuleLimits::AWS));
            }
            Event::Video(frame) => {
                if frame.layer == 0 {
                    self.report.came.add(now);
                }
                let item = Item {
                    kind: MediaKind::Video,
                    layer: frame.layer,
                    timestamp_us: frame.timestamp_us,
                    is_key: frame.is_key,
                    bytes: frame.units.bytes(),
                    value: (),
                };
                self.release.push(now, item);
            }
            Event::Audio(frame) => self.release.push(
                now,
                Item {
                    kind: MediaKind::Audio,
                    layer: 0,
                    timestamp_us: frame.timestamp_us,
                    is_key: false,
                    bytes: frame.data.len(),
                    value: (),
                },
            ),
            Event::VideoConfig(config) => match config.codec {
                VideoCodec::H264(avc) => println!(
                    "video track {}: H.264, {}x{}",
                    config.track, avc.size.width, avc.size.height
                ),
                VideoCodec::Other(codec) => println!("video track {}: {codec}", config.track),
            },
            Event::AudioConfig(config) => match config.codec {
                AudioCodec::Aac(aac) => println!("audio: {aac:?}"),
                AudioCodec::Other(codec) => println!("audio: {codec}"),
            },
            other => println!("{other:?}"),
        }
    }
}

/// What has come, and what has left the release buffer.
#[derive(Default)]
struct Report {
    pictures: [u64; 4],
    sound: u64,
    bytes: usize,
    came: Gaps,
    left: Gaps,
}

/// Times between two pictures of layer 0, since the buffer has settled.
#[derive(Debug, Default)]
struct Gaps {
    began_at: Option<Instant>,
    last: Option<Instant>,
    longest: Duration,
    /// How many were above [`LONG_GAP`].
    long: u64,
}

impl Gaps {
    fn add(&mut self, now: Instant) {
        let began_at = *self.began_at.get_or_insert(now);
        if let Some(last) = self.last.filter(|_| now - began_at > SETTLED) {
            self.longest = self.longest.max(now - last);
            self.long += u64::from(now - last > LONG_GAP);
        }
        self.last = Some(now);
    }
}

impl Report {
    fn released(&mut self, now: Instant, item: &Item<()>) {
        self.bytes += item.bytes;
        if item.kind == MediaKind::Audio {
            self.sound += 1;
            return;
        }
        self.pictures[usize::from(item.layer)] += 1;
        if item.layer == 0 {
            self.left.add(now);
        }
    }

    fn print(&self, release: &Release<()>) {
        println!(
            "pictures of each layer {:?}, units of sound {}, {} bytes",
            self.pictures, self.sound, self.bytes
        );
        for (what, gaps) in [("came", &self.came), ("left", &self.left)] {
            println!(
                "after {SETTLED:?} pictures {what} {:?} apart at most, {} times above {LONG_GAP:?}",
                gaps.longest, gaps.long
            );
        }
        println!(
            "delay {:?}, left out {:?}",
            release.delay(),
            release.left_out()
        );
    }
}
