//! The handshake (RTMP 1.0 §5.2), and its form with digests, which Flash introduced and encoders that imitate it use.

mod client;
mod digest;

pub(crate) use client::ClientHandshake;

use crate::fault::Fault;

/// Random bytes that a handshake needs.
pub const HANDSHAKE_RANDOM_BYTES: usize = 1_528;
/// C0 and S0: the version of RTMP.
const VERSION: u8 = 3;
/// Bytes of C1, C2, S1 and S2.
const PART_BYTES: usize = 1_536;

/// The server's side of a handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    random: Box<[u8; HANDSHAKE_RANDOM_BYTES]>,
    /// C0 and C1, then C2.
    received: Vec<u8>,
    has_answered: bool,
}

impl Handshake {
    pub(crate) fn new(random: &[u8; HANDSHAKE_RANDOM_BYTES]) -> Self {
        Self {
            random: Box::new(*random),
            received: Vec::new(),
            has_answered: false,
        }
    }

    /// Takes bytes, and appends the answer to `out` when it is due. Returns whether the handshake is over. C2 is not compared with S1:
    /// some encoders send something else.
    ///
    /// # Errors
    ///
    /// [`Fault::Version`].
    pub(crate) fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        if !self.has_answered {
            if !self.take(input, 1 + PART_BYTES)? {
                return Ok(false);
            }
            out.push(VERSION);
            self.answer(out);
            self.received.clear();
            self.has_answered = true;
        }
        self.take(input, PART_BYTES)
    }

    /// Takes bytes up to this number. Returns whether they are there.
    fn take(&mut self, input: &mut &[u8], count: usize) -> Result<bool, Fault> {
        let taken = input.len().min(count - self.received.len());
        let (bytes, rest) = input.split_at(taken);
        self.received.extend_from_slice(bytes);
        *input = rest;
        match self.received.first() {
            Some(&version) if !self.has_answered && version != VERSION => {
                Err(Fault::Version { version })
            }
            _ => Ok(self.received.len() == count),
        }
    }

    /// S1 and S2: with digests if C1 has one, else plain. A version of zeros in S1 says that it is plain.
    fn answer(&self, out: &mut Vec<u8>) {
        let c1 = &self.received[1..];
        if let Some(digest) = digest::find(c1) {
            digest::answer(&digest, &self.random, out);
            return;
        }
        out.extend([0; 8]);
        out.extend_from_slice(&*self.random);
        out.extend_from_slice(c1);
    }

    /// Bytes that are held.
    pub(crate) fn memory(&self) -> usize {
        HANDSHAKE_RANDOM_BYTES + self.received.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; HANDSHAKE_RANDOM_BYTES] = [7; HANDSHAKE_RANDOM_BYTES];

    #[test]
    fn a_plain_handshake_echoes() {
        let c1: Vec<u8> = (0..PART_BYTES).map(|byte| byte as u8).collect();
        let bytes = [&[3][..], &c1, &[0; PART_BYTES], b"after"].concat();
        for step in [1, 7, 1_537, bytes.len()] {
            let mut handshake = Handshake::new(&RANDOM);
            let mut out = Vec::new();
            let mut taken = 0;
            let mut is_over = false;
            for piece in bytes.chunks(step) {
                let mut rest = piece;
                is_over = is_over || handshake.receive(&mut rest, &mut out).unwrap();
                taken += piece.len() - rest.len();
                if is_over {
                    break;
                }
            }
            assert_eq!((is_over, taken), (true, 1 + 2 * PART_BYTES), "{step}");
            assert_eq!((out[0], &out[1..9]), (3, &[0; 8][..]));
            assert_eq!((&out[9..1_537], &out[1_537..]), (&RANDOM[..], &c1[..]));
        }
    }

    #[test]
    fn other_protocols_are_refused_by_their_first_byte() {
        for version in [6, b'G', 0x16, 0] {
            let result = Handshake::new(&RANDOM).receive(&mut &[version][..], &mut Vec::new());
            assert_eq!(result, Err(Fault::Version { version }));
        }
    }
}
