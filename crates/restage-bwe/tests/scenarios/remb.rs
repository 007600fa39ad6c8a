//! The rate that libwebrtc's receiver sends as REMB: increase and decrease as in draft-ietf-rmcat-gcc-02 §5.5, at the receiver.

use std::time::Duration;

/// It says nothing before this, unless a queue grows.
const BEGINS_AFTER: Duration = Duration::from_secs(5);
/// A decrease goes to this share of what is received.
const LOWERED: f64 = 0.85;
/// Far from the last limit the rate grows by this factor a second, and never beyond this share of what is received and a bit more.
const GROWTH: f64 = 1.08;
const RECEIVED_SHARE: f64 = 1.5;
const HEADROOM: f64 = 10_000.0;
/// Near it, it grows by a packet in this time: twice the round trip, which a receiver takes for 200 ms, and 100 ms more.
const RESPONSE_S: f64 = 0.6;
const FRAMES_PER_S: f64 = 30.0;
const PACKET_BITS: f64 = 9_600.0;
const NEAR_LEAST: f64 = 4_000.0;
const STEP_LEAST: f64 = 1_000.0;
/// How much of a new limit counts, and bounds of the deviation of limits, as a share of the limit in kbit/s.
const LIMIT_WEIGHT: f64 = 0.05;
const DEVIATION: (f64, f64) = (0.4, 2.5);

/// The limit of the path as it was met, in kbit/s.
#[derive(Debug, Clone, Copy)]
struct Limit {
    mean: f64,
    deviation: f64,
}

impl Limit {
    /// A limit that was met at this rate.
    fn met(before: Option<Self>, rate: f64) -> Self {
        let Some(Self { mean, deviation }) = before else {
            let (least, _) = DEVIATION;
            return Self {
                mean: rate,
                deviation: least,
            };
        };
        let mean = mean + LIMIT_WEIGHT * (rate - mean);
        let error = (mean - rate).powi(2) / mean.max(1.0);
        let deviation = deviation + LIMIT_WEIGHT * (error - deviation);
        Self {
            mean,
            deviation: deviation.clamp(DEVIATION.0, DEVIATION.1),
        }
    }

    /// By how much a rate may differ from the limit that was met.
    fn spread(self) -> f64 {
        3.0 * (self.deviation * self.mean).sqrt()
    }
}

/// What a receiver takes its path to carry.
#[derive(Debug, Default)]
pub(crate) struct Remb {
    rate: f64,
    limit: Option<Limit>,
    begun: Option<Duration>,
    at: Option<Duration>,
}

impl Remb {
    /// The rate, once there is one.
    pub(crate) fn rate(&self) -> Option<u64> {
        (self.rate > 0.0).then_some(self.rate as u64)
    }

    /// So many bits per second are received; a queue grows or does not.
    pub(crate) fn update(&mut self, now: Duration, received: f64, is_over: bool) {
        let elapsed = self.at.map_or(0.0, |at| (now - at).as_secs_f64().min(1.0));
        self.at = Some(now);
        let begun = *self.begun.get_or_insert(now);
        if self.rate == 0.0 {
            if !is_over && now < begun + BEGINS_AFTER {
                return;
            }
            self.rate = received;
        }
        let kilo = received / 1e3;
        if is_over {
            let lowered = match self.limit {
                Some(limit) if LOWERED * received > self.rate => LOWERED * limit.mean * 1e3,
                _ => LOWERED * received,
            };
            self.rate = self.rate.min(lowered);
            let is_other = |limit: &Limit| kilo < limit.mean - limit.spread();
            self.limit = Some(Limit::met(
                self.limit.filter(|limit| !is_other(limit)),
                kilo,
            ));
            return;
        }
        self.limit = self
            .limit
            .filter(|limit| kilo <= limit.mean + limit.spread());
        let most = received * RECEIVED_SHARE + HEADROOM;
        if self.rate < most {
            let step = match self.limit {
                Some(_) => near(self.rate) * elapsed,
                None => (self.rate * (GROWTH.powf(elapsed) - 1.0)).max(STEP_LEAST),
            };
            self.rate = (self.rate + step).min(most);
        }
    }
}

/// Growth near the last limit, in bits per second and second.
fn near(rate: f64) -> f64 {
    let frame = rate / FRAMES_PER_S;
    let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
    (packet / RESPONSE_S).max(NEAR_LEAST)
}
