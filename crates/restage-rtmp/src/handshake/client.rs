//! The client's side of a plain handshake.

use super::{HANDSHAKE_RANDOM_BYTES, PART_BYTES, VERSION};
use crate::fault::Fault;

/// Reads S0, S1 and S2.
#[derive(Debug, Default)]
pub(crate) struct ClientHandshake {
    received: Vec<u8>,
    has_answered: bool,
}

impl ClientHandshake {
    /// Appends C0 and C1. The version of zeros says that there are no digests.
    pub(crate) fn begin(random: &[u8; HANDSHAKE_RANDOM_BYTES], out: &mut Vec<u8>) -> Self {
        out.push(VERSION);
        out.extend([0; PART_BYTES - HANDSHAKE_RANDOM_BYTES]);
        out.extend_from_slice(random);
        Self::default()
    }

    /// Takes bytes, and appends C2 once S1 is there. Returns whether the handshake is over. S2 is not compared with C1: some servers
    /// send something else.
    ///
    /// # Errors
    ///
    /// [`Fault::Version`].
    pub(crate) fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let all = 1 + 2 * PART_BYTES;
        let (bytes, rest) = input.split_at(input.len().min(all - self.received.len()));
        self.received.extend_from_slice(bytes);
        *input = rest;
        match self.received.first() {
            Some(&version) if version != VERSION => return Err(Fault::Version { version }),
            _ => {}
        }
        if !self.has_answered && self.received.len() > PART_BYTES {
            out.extend_from_slice(&self.received[1..=PART_BYTES]);
            self.has_answered = true;
        }
        Ok(self.received.len() == all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Handshake;

    #[test]
    fn both_sides_shake_hands_however_the_bytes_come() {
        for step in [1, 500, 1_537, 10_000] {
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut client = ClientHandshake::begin(&[3; HANDSHAKE_RANDOM_BYTES], &mut to_server);
            let mut server = Handshake::new(&[7; HANDSHAKE_RANDOM_BYTES]);
            let (mut is_over, mut is_over_there) = (false, false);
            while !is_over_there {
                for mut bytes in std::mem::take(&mut to_server).chunks(step) {
                    is_over_there = server.receive(&mut bytes, &mut to_client).unwrap();
                }
                for mut bytes in std::mem::take(&mut to_client).chunks(step) {
                    is_over = client.receive(&mut bytes, &mut to_server).unwrap();
                }
            }
            assert!(is_over, "{step}");
        }
    }

    #[test]
    fn what_is_no_server_is_known_by_its_first_byte() {
        let mut client = ClientHandshake::begin(&[3; HANDSHAKE_RANDOM_BYTES], &mut Vec::new());
        let outcome = client.receive(&mut &b"HTTP/1.1 400"[..], &mut Vec::new());
        assert_eq!(outcome, Err(Fault::Version { version: b'H' }));
    }
}
