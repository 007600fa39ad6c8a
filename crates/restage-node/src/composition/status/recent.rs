//! What a compositor did in the last seconds, from what it says once a second.

use std::collections::VecDeque;
use std::time::Duration;

use restage_compose::protocol::Health;
use tokio::time::Instant;

use super::RecentHealth;

/// Samples that are kept: ten seconds lie between the first and the last.
const SAMPLES_MAX: usize = 11;
/// Less time than this between the first and the last says little: what is late in one second is made up for in the next.
const LASTED_MIN: Duration = Duration::from_secs(3);

/// What was counted at some moments.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

#[derive(Debug)]
struct Sample {
    at: Instant,
    health: Health,
    /// Pictures of each encoding.
    pictures: Vec<u64>,
}

impl Samples {
    pub(super) fn push(&mut self, at: Instant, health: Health, pictures: Vec<u64>) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Sample {
            at,
            health,
            pictures,
        });
    }

    /// The first and the last one, if [`LASTED_MIN`] lies between them.
    fn ends(&self) -> Option<(&Sample, &Sample)> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        (last.at.duration_since(first.at) >= LASTED_MIN).then_some((first, last))
    }

    pub(super) fn recent(&self) -> Option<RecentHealth> {
        let (first, last) = self.ends()?;
        let (from, to) = (&first.health, &last.health);
        Some(RecentHealth {
            lasted: last.at.duration_since(first.at),
            health: Health {
                ticks: to.ticks.saturating_sub(from.ticks),
                late_ticks: to.late_ticks.saturating_sub(from.late_ticks),
                skipped_pictures: to.skipped_pictures.saturating_sub(from.skipped_pictures),
                decoded: to.decoded.saturating_sub(from.decoded),
                undecodable: to.undecodable.saturating_sub(from.undecodable),
                decode_us: to.decode_us.saturating_sub(from.decode_us),
                compose_us: to.compose_us.saturating_sub(from.compose_us),
                encode_us: to.encode_us.saturating_sub(from.encode_us),
                mix_us: to.mix_us.saturating_sub(from.mix_us),
                inputs: to.inputs,
            },
        })
    }

    pub(super) fn pictures_per_s(&self, encoding: usize) -> Option<f64> {
        let (first, last) = self.ends()?;
        let from = first.pictures.get(encoding)?;
        let made = last.pictures.get(encoding)?.saturating_sub(*from);
        Some(made as f64 / last.at.duration_since(first.at).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ten_seconds_count() {
        let mut samples = Samples::default();
        let began = Instant::now();
        samples.push(began, Health::default(), vec![0]);
        samples.push(began + Duration::from_secs(2), Health::default(), vec![60]);
        assert_eq!(samples.recent(), None);
        assert_eq!(samples.pictures_per_s(0), None);
        for second in 3..60 {
            // Slow at first.
            let ticks = if second < 40 {
                second
            } else {
                40 + (second - 40) * 30
            };
            let health = Health {
                ticks,
                decoded: 2 * ticks,
                inputs: 3,
                ..Health::default()
            };
            samples.push(began + Duration::from_secs(second), health, vec![ticks]);
        }
        let recent = samples.recent().unwrap();
        assert_eq!(recent.lasted, Duration::from_secs(10));
        assert_eq!((recent.health.ticks, recent.health.decoded), (300, 600));
        assert_eq!(recent.health.inputs, 3);
        assert_eq!(samples.pictures_per_s(0), Some(30.0));
        assert_eq!(samples.pictures_per_s(1), None);
    }
}
