//! The socket to the server, which never makes the process wait but where it means to.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::limits::{OUT_BYTES_MAX, READ_BYTES_MAX};
use crate::protocol::{FromChild, Messages, ToChild};

/// Bytes of one read.
const CHUNK_BYTES: usize = 64 << 10;

/// How long the server may take to read what is left at the end.
const FLUSH_MAX: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// Why there is nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server is gone.
    Closed,
    /// The server says what makes no sense, does not read, or the system refuses.
    Failed,
}

/// Standard input and output as one socket.
#[derive(Debug)]
pub(super) struct Socket {
    messages: Messages,
    chunk: Vec<u8>,
    /// Bytes that were read since the process last waited.
    read: usize,
    out: VecDeque<u8>,
    encoded: Vec<u8>,
    is_closed: bool,
}

impl Socket {
    /// Standard input must be a socket; it is made to answer at once instead of waiting.
    pub(super) fn new() -> io::Result<Self> {
        // The setting belongs to the socket, not to this descriptor of it.
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        UnixStream::from(input).set_nonblocking(true)?;
        Ok(Self {
            messages: Messages::default(),
            chunk: vec![0; CHUNK_BYTES],
            read: 0,
            out: VecDeque::new(),
            encoded: Vec::new(),
            is_closed: false,
        })
    }

    /// The next message of the server. `None` if there is none yet, or enough was read for now.
    pub(super) fn receive(&mut self) -> Result<Option<ToChild>, Ended> {
        loop {
            let message = self.messages.next_message().map_err(|_| Ended::Failed)?;
            if let Some(message) = message {
                let message = ToChild::parse(&message).map_err(|_| Ended::Failed)?;
                return Ok(Some(message));
            }
            if self.is_closed {
                return Err(Ended::Closed);
            }
            if self.read >= READ_BYTES_MAX {
                self.read = 0;
                return Ok(None);
            }
            match rustix::io::read(io::stdin(), self.chunk.as_mut_slice()) {
                Ok(0) => self.is_closed = true,
                Ok(count) => {
                    self.read += count;
                    self.messages.take(&self.chunk[..count]);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.read = 0;
                    return Ok(None);
                }
                Err(Errno::CONNRESET) => return Err(Ended::Closed),
                Err(_) => return Err(Ended::Failed),
            }
        }
    }

    /// Whether something that was read waits to be looked at.
    pub(super) fn has_received(&self) -> bool {
        self.messages.has_message()
    }

    /// Puts a message into the queue.
    pub(super) fn send(&mut self, message: &FromChild) -> Result<(), Ended> {
        self.encoded.clear();
        message
            .write(&mut self.encoded)
            .map_err(|_| Ended::Failed)?;
        if self.out.len() + self.encoded.len() > OUT_BYTES_MAX {
            return Err(Ended::Failed);
        }
        self.out.extend(&self.encoded);
        Ok(())
    }

    /// Writes what the socket takes at once.
    pub(super) fn write(&mut self) -> Result<(), Ended> {
        while !self.out.is_empty() {
            let (bytes, _) = self.out.as_slices();
            match rustix::io::write(io::stdout(), bytes) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Ended::Closed),
                Err(_) => return Err(Ended::Failed),
            }
        }
        Ok(())
    }

    /// Waits until something can be read, or written that is to be written, or the time has passed.
    pub(super) fn wait(&mut self, most: Option<Duration>) -> Result<(), Ended> {
        self.write()?;
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        let (input, output) = (io::stdin(), io::stdout());
        let wanted = match self.out.is_empty() {
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        let mut descriptors = [
            PollFd::new(&input, PollFlags::IN),
            PollFd::new(&output, wanted),
        ];
        match poll(&mut descriptors, most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(_) => Err(Ended::Failed),
        }
    }

    /// Writes everything. The server may take [`FLUSH_MAX`] each time the socket is full.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        self.write()?;
        while !self.out.is_empty() {
            let output = io::stdout();
            let mut descriptors = [PollFd::new(&output, PollFlags::OUT)];
            match poll(&mut descriptors, Some(&FLUSH_MAX)) {
                Ok(0) => return Err(Ended::Failed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return Err(Ended::Failed),
            }
            self.write()?;
        }
        Ok(())
    }
}
