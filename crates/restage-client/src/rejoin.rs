//! Waits between attempts to reconnect.

use std::time::{Duration, Instant};

/// How long attempts follow closely: servers that restart are back within seconds.
const QUICK_FOR: Duration = Duration::from_secs(10);
/// Each wait is shortened by up to half at random, so that the clients of one server do not all reconnect at once.
const QUICK: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// The waits between attempts to reconnect after a connection was lost: a quarter to half a second for ten seconds,
/// then longer ones, up to five seconds.
///
/// ```no_run
/// # async fn run(token: restage_client::ParticipantToken) -> Result<(), restage_client::Error> {
/// use restage_client::{PublishConfig, Publisher, Rejoin};
///
/// let mut waits = Rejoin::new();
/// let publisher = loop {
///     match Publisher::join(&token, PublishConfig::default()).await {
///         Ok(publisher) => break publisher,
///         Err(error) if error.is_passing() => tokio::time::sleep(waits.next_wait()).await,
///         Err(error) => return Err(error),
///     }
/// };
/// # drop(publisher);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Rejoin {
    began: Instant,
    longest: Duration,
}

impl Default for Rejoin {
    fn default() -> Self {
        Self::new()
    }
}

impl Rejoin {
    /// Starts at the moment when the connection was lost.
    #[must_use]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            longest: QUICK,
        }
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let elapsed = self.began.elapsed();
        self.wait_after(elapsed, rand::random())
    }

    /// The wait at a time after the loss; `cut` is a random number.
    fn wait_after(&mut self, elapsed: Duration, cut: u32) -> Duration {
        if elapsed > QUICK_FOR {
            self.longest = (self.longest * 2).min(LONGEST);
        }
        let share = f64::from(cut) / f64::from(u32::MAX);
        self.longest.mul_f64(1.0 - share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_short_at_first_and_never_longer_than_five_seconds() {
        let mut waits = Rejoin::new();
        for cut in [0, 1, u32::MAX / 2, u32::MAX] {
            let wait = waits.wait_after(QUICK_FOR, cut);
            assert!((QUICK / 2..=QUICK).contains(&wait), "{wait:?}");
        }
        let later = QUICK_FOR + Duration::from_millis(1);
        let longest: Vec<Duration> = (0..5).map(|_| waits.wait_after(later, 0)).collect();
        assert_eq!(
            longest,
            [1_000, 2_000, 4_000, 5_000, 5_000].map(Duration::from_millis)
        );
        assert_eq!(waits.wait_after(later, u32::MAX), LONGEST / 2);
    }
}
