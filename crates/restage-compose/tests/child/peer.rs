//! A child and the server's end of its socket.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use restage_compose::child::{CHILD_ENVIRONMENT, COMMAND};
use restage_compose::layout::Layout;
use restage_compose::protocol::{
    FRAME_BYTES_MAX, FromChild, Health, LENGTH_BYTES, Person, Rendition, Setup, Showing, ShownTile,
    ToChild,
};

use crate::support::*;

/// How long anything may take, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The server's clock when a child begins.
pub(crate) const BEGIN_US: u64 = 77_000_000;
/// What is composed.
pub(crate) const SIZE: (u32, u32) = (320, 180);

pub(crate) struct Peer {
    pub(crate) child: Child,
    pub(crate) socket: UnixStream,
    come: Vec<u8>,
    eye: Eye,
    begun: Instant,
    /// Tiles, health and picture as they were said last.
    pub(crate) shown: Vec<ShownTile>,
    pub(crate) health: Health,
    pub(crate) newest: Option<Picture>,
    pub(crate) pictures: u64,
}

/// This program as a child.
pub(crate) fn program() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg(COMMAND)
        .env_clear()
        .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
        .stderr(Stdio::null());
    command
}

impl Peer {
    /// A child that has been told nothing.
    pub(crate) fn bare() -> Self {
        let (socket, other) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let input = OwnedFd::from(other.try_clone().unwrap());
        let child = program()
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(other)))
            .spawn()
            .unwrap();
        Self {
            child,
            socket,
            come: Vec::new(),
            eye: Eye::new(),
            begun: Instant::now(),
            shown: Vec::new(),
            health: Health::default(),
            newest: None,
            pictures: 0,
        }
    }

    /// A child that composes these participants in a plain grid.
    pub(crate) fn composing(inputs: &[u32]) -> Self {
        Self::composing_as(inputs, rendition(SIZE.0, SIZE.1, 500_000))
    }

    pub(crate) fn composing_as(inputs: &[u32], rendition: Rendition) -> Self {
        let mut peer = Self::bare();
        peer.send(&ToChild::Setup(one_of(plain_grid(), rendition)));
        peer.scene(inputs);
        peer.until(|said, _| matches!(said, FromChild::Ready));
        peer
    }

    pub(crate) fn scene(&mut self, inputs: &[u32]) {
        let persons: Vec<Person> = inputs.iter().copied().map(person).collect();
        self.send(&ToChild::Scene { persons });
    }

    pub(crate) fn send(&mut self, message: &ToChild) {
        self.try_send(message).unwrap();
    }

    pub(crate) fn try_send(&mut self, message: &ToChild) -> io::Result<()> {
        let bytes = message.encode().unwrap();
        self.socket.write_all(&bytes)
    }

    /// The server's clock, which began with the child. The child's own began later.
    pub(crate) fn now_us(&self) -> u64 {
        BEGIN_US + self.begun.elapsed().as_micros() as u64
    }

    /// What it says next. `None` when it has closed its end.
    pub(crate) fn next(&mut self) -> Option<FromChild> {
        let mut chunk = [0; 16_384];
        loop {
            if let Some(said) = self.message() {
                self.note(&said);
                return Some(said);
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.come.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn message(&mut self) -> Option<FromChild> {
        let (length, rest) = self.come.split_first_chunk::<LENGTH_BYTES>()?;
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length <= FRAME_BYTES_MAX);
        let frame = rest.get(..length)?.to_vec();
        self.come.drain(..LENGTH_BYTES + length);
        Some(FromChild::parse(frame.into()).expect("a message"))
    }

    fn note(&mut self, said: &FromChild) {
        match said {
            FromChild::Picture { bytes, .. } => {
                self.pictures += 1;
                self.newest = Some(self.eye.see(bytes));
            }
            FromChild::Shown { tiles, .. } => self.shown.clone_from(tiles),
            FromChild::Health(health) => self.health = *health,
            _ => {}
        }
    }

    /// Reads until this is found.
    pub(crate) fn until(&mut self, mut is_it: impl FnMut(&FromChild, &Self) -> bool) -> FromChild {
        let began = Instant::now();
        loop {
            let Some(said) = self.next() else {
                panic!("the child has ended: {:?}", self.ends());
            };
            if is_it(&said, self) {
                return said;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{:?} {:?}",
                self.shown,
                self.health
            );
        }
    }

    /// Sends the picture of a participant, and reads until it is in its tile with this light.
    pub(crate) fn is_shown(&mut self, input: u32, light: u8) {
        let picture = Picture::plain(160, 90, [light, 128, 128]);
        let mut camera = Camera::new(input);
        let mut sent = 0;
        self.until_with(
            |said, peer| {
                let FromChild::Picture { .. } = said else {
                    return false;
                };
                let tile = peer.shown.iter().find(|tile| tile.input == input);
                let is_picture = tile.filter(|tile| tile.showing == Showing::Picture);
                let found = is_picture.zip(peer.newest.as_ref());
                found.is_some_and(|(tile, found)| {
                    let (x, y) = (tile.x + tile.width / 2, tile.y + tile.height / 2);
                    found.light(x, y).abs_diff(light) <= 6
                })
            },
            |peer| {
                // Again, until it is seen: a picture that shows something else may be before it.
                if sent == 0 || peer.pictures > sent + 15 {
                    sent = peer.pictures.max(1);
                    camera.want_key_frame();
                    let message = camera.take(peer.now_us(), &picture);
                    peer.send(&message);
                }
            },
        );
    }

    fn until_with(
        &mut self,
        mut is_it: impl FnMut(&FromChild, &Self) -> bool,
        mut first: impl FnMut(&mut Self),
    ) {
        let began = Instant::now();
        loop {
            first(self);
            let Some(said) = self.next() else {
                panic!("the child has ended: {:?}", self.ends());
            };
            if is_it(&said, self) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{:?} {:?}",
                self.shown,
                self.health
            );
        }
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the child does not end");
            std::thread::yield_now();
        }
    }

    /// Tells it to stop, and waits for its end.
    pub(crate) fn stop(mut self) {
        self.send(&ToChild::Stop);
        while self.next().is_some() {}
        assert_eq!(self.ends().code(), Some(0));
    }

    /// Most memory that it has had, in kilobytes.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn one_of(layout: Layout, rendition: Rendition) -> Setup {
    setup(BEGIN_US, layout, rendition)
}
