//! The process that composes, as a server starts it: this program starts itself. It has no harness, because a child must have one thread.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use restage_compose::child::{CHECK, COMMAND, run};
use restage_compose::decode::VideoDecoder;
use restage_compose::encode::VideoEncoder;
use restage_compose::layout::{Grid, Layout, Person, Rect, Size, Video};
use restage_compose::picture::Frame;
use restage_compose::protocol::{
    Codec, FromChild, Messages, Rendition, Setup, Showing, SoundFormats, ToChild,
};
use restage_picture::limits::CHILD_ENVIRONMENT;

/// How long anything may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let [_, name, rest @ ..] = arguments.as_slice()
        && name == COMMAND
    {
        return run(rest);
    }
    let tests: [(&str, fn()); 5] = [
        ("the_sandbox_holds", the_sandbox_holds),
        ("it_composes_and_ends", it_composes_and_ends),
        ("it_ends_with_its_server", it_ends_with_its_server),
        ("nonsense_ends_it", nonsense_ends_it),
        ("it_lives_on_damaged_pictures", it_lives_on_damaged_pictures),
    ];
    let wanted = arguments.iter().skip(1).filter_map(|text| text.to_str());
    let wanted: Vec<&str> = wanted.filter(|text| !text.starts_with('-')).collect();
    let chosen = tests
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|text| name.contains(text)));
    let mut count = 0;
    for (name, test) in chosen {
        test();
        count += 1;
        println!("test {name} ... ok");
    }
    println!("test result: ok. {count} passed; 0 failed; 0 ignored");
    ExitCode::SUCCESS
}

/// A child and the server's end of the socket.
struct Peer {
    child: Child,
    socket: UnixStream,
    messages: Messages,
}

impl Peer {
    fn start() -> Self {
        let (socket, other) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let input = OwnedFd::from(other.try_clone().unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(COMMAND)
            .env_clear()
            .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(other)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            socket,
            messages: Messages::default(),
        }
    }

    fn send(&mut self, message: &ToChild) {
        let mut bytes = Vec::new();
        message.write(&mut bytes).unwrap();
        self.socket.write_all(&bytes).unwrap();
    }

    /// `None` when the child has closed its end.
    fn next(&mut self) -> Option<FromChild> {
        let mut chunk = [0; 4_096];
        loop {
            if let Some(message) = self.messages.next_message().unwrap() {
                return Some(FromChild::parse(&message).unwrap());
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.messages.take(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads until this is found.
    fn until<T>(&mut self, mut wanted: impl FnMut(FromChild) -> Option<T>) -> T {
        loop {
            let message = self.next().expect("the child has ended");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    fn ends(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the child does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn setup() -> ToChild {
    ToChild::Setup(Setup {
        now_us: 77_000_000,
        layout: Layout::Grid(Grid::default()),
        renditions: vec![Rendition {
            width: 320,
            height: 180,
            framerate_milli: 30_000,
            bitrate: 500_000,
        }],
        sound: SoundFormats {
            opus: true,
            aac: false,
        },
    })
}

fn scene() -> ToChild {
    let person = Person {
        input: 5,
        name: "Ann".to_owned(),
        is_featured: false,
        is_pip: false,
        order: None,
        arrived: 0,
        has_video: Video::Publishing,
        why_no_picture: None,
        is_muted: false,
    };
    ToChild::Scene {
        persons: vec![person],
    }
}

fn key_frame(at_us: u64) -> ToChild {
    let size = Size {
        width: 160,
        height: 90,
    };
    let rendition = Rendition {
        width: size.width,
        height: size.height,
        framerate_milli: 30_000,
        bitrate: 300_000,
    };
    let mut picture = Frame::new(size);
    let whole = Rect {
        x: 0,
        y: 0,
        width: 160,
        height: 90,
    };
    picture.fill(whole, [180, 128, 128]);
    let encoded = VideoEncoder::new(&rendition)
        .unwrap()
        .encode(&picture, 0, true);
    ToChild::Picture {
        input: 5,
        at_us,
        codec: Codec::H264,
        is_key: true,
        quarter_turns: 0,
        bytes: encoded.unwrap().unwrap().bytes,
    }
}

fn the_sandbox_holds() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([COMMAND, CHECK])
        .env_clear()
        .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("held "))
            .count(),
        13,
        "{text}"
    );
}

fn it_composes_and_ends() {
    let mut peer = Peer::start();
    peer.send(&setup());
    peer.send(&scene());
    peer.until(|message| matches!(message, FromChild::Ready).then_some(()));
    // Its clock has gone on since the setup.
    let now_us = peer.until(|message| match message {
        FromChild::Picture { at_us, is_key, .. } => is_key.then_some(at_us),
        _ => None,
    });
    assert!(now_us >= 77_000_000);
    peer.send(&key_frame(now_us));
    let mut decoder = VideoDecoder::default();
    peer.until(|message| match message {
        FromChild::Shown { tiles, .. } => (tiles[0].picture == Showing::Picture).then_some(()),
        _ => None,
    });
    peer.send(&ToChild::KeyFrame { rendition: 0 });
    let bytes = peer.until(|message| match message {
        FromChild::Picture { is_key, bytes, .. } => is_key.then_some(bytes),
        _ => None,
    });
    decoder.decode(Codec::H264, true, 0, &bytes).unwrap();
    assert!(decoder.picture().unwrap().plane(0)[90 * 320 + 160].abs_diff(180) < 6);
    peer.until(|message| matches!(message, FromChild::Opus { .. }).then_some(()));
    peer.until(|message| {
        matches!(message, FromChild::Health(health) if health.inputs == 1).then_some(())
    });
    peer.send(&ToChild::Stop);
    while peer.next().is_some() {}
    assert_eq!(peer.ends(), Some(0));
}

fn it_ends_with_its_server() {
    let mut peer = Peer::start();
    peer.send(&setup());
    peer.until(|message| matches!(message, FromChild::Picture { .. }).then_some(()));
    peer.socket.shutdown(Shutdown::Both).unwrap();
    assert_eq!(peer.ends(), Some(0));
}

fn nonsense_ends_it() {
    for bytes in [
        &[0, 0, 0, 0][..],
        &[0xff; 8],
        &[0, 0, 0, 2, 1, b'{'],
        &[0, 0, 0, 1, 99],
    ] {
        let mut peer = Peer::start();
        peer.socket.write_all(bytes).unwrap();
        assert_eq!(peer.ends(), Some(1), "{bytes:?}");
    }
    // Anything before the setup.
    let mut peer = Peer::start();
    peer.send(&scene());
    assert_eq!(peer.ends(), Some(1));
}

fn it_lives_on_damaged_pictures() {
    let mut peer = Peer::start();
    peer.send(&setup());
    peer.send(&scene());
    let now_us = peer.until(|message| match message {
        FromChild::Picture { at_us, .. } => Some(at_us),
        _ => None,
    });
    let mut random = 12_345_u64;
    for number in 0..200 {
        let ToChild::Picture { bytes, .. } = key_frame(now_us) else {
            continue;
        };
        let mut bytes = bytes.to_vec();
        for _ in 0..8 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = (random >> 33) as usize % bytes.len();
            bytes[place] = (random >> 20) as u8;
        }
        peer.send(&ToChild::Picture {
            input: 5,
            at_us: now_us + number,
            codec: if number % 2 == 0 {
                Codec::H264
            } else {
                Codec::Vp8
            },
            is_key: true,
            quarter_turns: 0,
            bytes: bytes.into(),
        });
    }
    peer.send(&key_frame(now_us + 300_000));
    peer.until(|message| match message {
        FromChild::Shown { tiles, .. } => (tiles[0].picture == Showing::Picture).then_some(()),
        _ => None,
    });
    peer.send(&ToChild::Stop);
    while peer.next().is_some() {}
    assert_eq!(peer.ends(), Some(0));
}
