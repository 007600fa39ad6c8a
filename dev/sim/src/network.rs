//! The way between one client and the server, in both directions.

use std::time::Duration;

use restage_load::network::{Loss, Path, PathConfig};

use crate::plan::{Fault, Plan};
use crate::random::Dice;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// More than any client is sent.
const WIDE_BITS_PER_S: u64 = 50_000_000;
/// A handshake counts as so many bytes, because its signatures are longer or shorter by chance.
const HANDSHAKE_BYTES: usize = 900;
/// Records of DTLS begin with one of these bytes (RFC 7983).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;

/// Both directions of one client.
#[derive(Debug)]
pub(crate) struct Line {
    up: Path,
    down: Path,
    delay: Duration,
    reorders: f64,
    repeats: f64,
    tampers: f64,
    /// Nothing passes until then.
    pub(crate) cut_until: Duration,
}

impl Line {
    /// A line of a run, as its faults have it.
    pub(crate) fn draw(plan: &Plan, dice: &mut Dice) -> Self {
        let delay = dice.ms(1, 60);
        let mut config = PathConfig::new(WIDE_BITS_PER_S, delay);
        if plan.has(Fault::Jitter) {
            config.jitter = dice.ms(1, 25);
        }
        if plan.has(Fault::Loss) {
            config.loss = Loss::Bursts {
                share: 0.002 + 0.08 * dice.below(100) as f64 / 100.0,
                length: 1.0 + dice.below(8) as f64,
            };
        }
        let mut down = config.clone();
        if plan.has(Fault::Narrow) {
            // From less than the sound to twice of all that a publisher sends.
            let kbps = dice.below(180) as u64 + 12;
            down.capacity = vec![(Duration::ZERO, kbps * 1_000)];
            down.queue_max = dice.ms(50, 500);
        }
        let mut share = |fault, most: f64| match plan.has(fault) {
            true => most * (1 + dice.below(100)) as f64 / 100.0,
            false => 0.0,
        };
        let (reorders, repeats, tampers) = (
            share(Fault::Reordering, 0.1),
            share(Fault::Duplication, 0.1),
            share(Fault::Tampering, 0.03),
        );
        Self {
            up: Path::new(config, dice.bits()),
            down: Path::new(down, dice.bits()),
            delay,
            reorders,
            repeats,
            tampers,
            cut_until: Duration::ZERO,
        }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&mut self) {
        let config = PathConfig::new(WIDE_BITS_PER_S, self.delay);
        self.up = Path::new(config.clone(), 0);
        self.down = Path::new(config, 0);
        (self.reorders, self.repeats, self.tampers) = (0.0, 0.0, 0.0);
        self.cut_until = Duration::ZERO;
    }

    /// Time that a request or an answer takes. These are never lost.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// When the copies of a datagram arrive; none if it is lost. Its bytes may be changed.
    pub(crate) fn pass(
        &mut self,
        way: Way,
        now: Duration,
        bytes: &mut [u8],
        dice: &mut Dice,
    ) -> [Option<Duration>; 2] {
        if now < self.cut_until {
            return [None, None];
        }
        let is_handshake = bytes.first().is_some_and(|first| DTLS.contains(first));
        let length = if is_handshake {
            HANDSHAKE_BYTES
        } else {
            bytes.len()
        };
        let path = match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        };
        let Some(delivery) = path.send(now, length) else {
            return [None, None];
        };
        let is_media = matches!(bytes.first(), Some(128..=191));
        if self.tampers > 0.0 && is_media && dice.chance(self.tampers) {
            // The engine of a client looks at the SSRC before it verifies a packet: that stays as it is.
            let at = 12 + dice.below(bytes.len().saturating_sub(12));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        let mut at = delivery.at;
        if self.reorders > 0.0 && dice.chance(self.reorders) {
            at += dice.ms(1, 60);
        }
        let repeated =
            (self.repeats > 0.0 && dice.chance(self.repeats)).then(|| at + dice.ms(0, 80));
        [Some(at), repeated]
    }
}
