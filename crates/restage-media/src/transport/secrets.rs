//! Passwords, name fragments and transaction ids of ICE.
//!
//! This crate draws no random numbers. OpenSSL draws the private key of the DTLS certificate; all other unpredictable
//! values are derived from that key.

use aws_lc_rs::hmac;

use crate::io::WorkerId;
use crate::sdp::offer::IceCredentials;

/// The 64 ice-chars of RFC 8839 §5.4.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The first characters of a name fragment are the number of the worker, so that whoever accepts a TCP connection for
/// several workers knows whose it is.
const WORKER_CHARS: usize = 3;
/// The others are drawn. Four characters in all are the minimum; sixteen never collide among the peers of a server.
const UFRAG_CHARS: usize = 16;
/// 144 bits; RFC 8445 §5.3 requires 128.
const PWD_CHARS: usize = 24;
/// Output length of HMAC-SHA256.
const BLOCK_BYTES: usize = 32;

/// A stream of unpredictable bytes: HMAC-SHA256 of a counter.
pub(crate) struct Secrets {
    key: hmac::Key,
    drawn: u64,
    /// Whose name fragments these are.
    pub(crate) worker: WorkerId,
}

impl Secrets {
    /// `secret` must be unpredictable and must not be used for anything else that reveals such values.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            drawn: 0,
            worker: WorkerId(0),
        }
    }

    /// The next `N` bytes, at most 32.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= BLOCK_BYTES) };
        self.drawn += 1;
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"restage ice");
        context.update(&self.drawn.to_be_bytes());
        let tag = context.sign();
        let mut bytes = [0; N];
        bytes.copy_from_slice(&tag.as_ref()[..N]);
        bytes
    }

    /// New credentials for an ICE session.
    pub(crate) fn ice_credentials(&mut self) -> IceCredentials {
        IceCredentials {
            ufrag: worker_chars(self.worker) + &self.ice_chars::<UFRAG_CHARS>(),
            pwd: self.ice_chars::<PWD_CHARS>(),
        }
    }

    fn ice_chars<const N: usize>(&mut self) -> String {
        let bytes = self.draw::<N>();
        let chars = bytes.iter().map(|byte| ICE_CHARS[usize::from(byte % 64)]);
        chars.map(char::from).collect()
    }
}

/// The number of a worker, six bits a character.
fn worker_chars(worker: WorkerId) -> String {
    let parts = [worker.0 >> 12, worker.0 >> 6, worker.0];
    let chars = parts.map(|part| char::from(ICE_CHARS[usize::from(part % 64)]));
    chars.iter().collect()
}

/// The worker to whose peer this name fragment belongs, as it seems: the peer need not exist. `None` if no worker has
/// such name fragments.
pub fn worker_of_ufrag(ufrag: &str) -> Option<WorkerId> {
    let mut worker = 0_u32;
    for byte in ufrag.as_bytes().get(..WORKER_CHARS)? {
        let part = ICE_CHARS.iter().position(|known| known == byte)?;
        worker = worker << 6 | part as u32;
    }
    u16::try_from(worker).ok().map(WorkerId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_twice_and_other_secrets_give_other_values() {
        let mut one = Secrets::new(b"one");
        let mut two = Secrets::new(b"two");
        assert_ne!(one.draw::<12>(), one.draw::<12>());
        assert_ne!(one.draw::<32>(), two.draw::<32>());
        let credentials = one.ice_credentials();
        assert_ne!(credentials, one.ice_credentials());
        assert!(IceCredentials::parse(&credentials.ufrag, &credentials.pwd).is_some());
    }

    #[test]
    fn a_name_fragment_names_its_worker() {
        let mut secrets = Secrets::new(b"one");
        for number in [0, 1, 63, 64, 255, 4_096, u16::MAX] {
            secrets.worker = WorkerId(number);
            let ufrag = secrets.ice_credentials().ufrag;
            assert_eq!(worker_of_ufrag(&ufrag), Some(secrets.worker), "{ufrag}");
        }
        for foreign in ["", "ab", "ab-defgh", "////", "äöüäöü"] {
            assert_eq!(worker_of_ufrag(foreign), None, "{foreign}");
        }
    }
}
