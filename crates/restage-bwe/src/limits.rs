//! Bounds and constants. Rates are in bits per second.

use std::time::Duration;

/// Estimate before anything is known about the path.
pub const START_RATE: u64 = 300_000;
/// Lowest estimate that [`Config::default`](crate::Config) allows: sound still passes.
pub const RATE_MIN: u64 = 50_000;
/// Highest estimate that [`Config::default`](crate::Config) allows.
pub const RATE_MAX: u64 = 50_000_000;

/// Packets whose time of sending is remembered. Feedback about older ones is ignored. A power of two, so that numbers of 16 bits
/// find their place.
pub const RECORDS_MAX: usize = 1_024;
/// Most packets that one feedback message may be about. A message about more is ignored: no more are on record.
pub const FEEDBACK_PACKETS_MAX: u16 = RECORDS_MAX as u16;
/// Most feedback messages that are read per [`FEEDBACK_PERIOD`]; further ones are ignored. Receivers send at most 60 a second.
pub const FEEDBACK_MESSAGES_MAX: u32 = 40;
/// See [`FEEDBACK_MESSAGES_MAX`].
pub const FEEDBACK_PERIOD: Duration = Duration::from_millis(200);
/// When the receiver's clock moves this much differently from ours between two messages, its times begin anew.
pub const CLOCK_JUMP_MAX: Duration = Duration::from_secs(3);
/// Without feedback for this long, while packets are sent, the estimate is lowered,
pub const FEEDBACK_SILENCE_MAX: Duration = Duration::from_secs(2);
/// and again each time this has passed.
pub const FEEDBACK_SILENCE_STEP: Duration = Duration::from_millis(500);
/// A receiver without transport-wide feedback may be silent for three times the longest time between two of its messages, for at least
/// this long: while only sound flows, reports come up to 7.5 s apart (RFC 3550 §6.2),
pub const REPORT_SILENCE_MIN: Duration = Duration::from_millis(7_500);
/// and for at most this long, which is also the time before that is known.
pub const REPORT_SILENCE_MAX: Duration = Duration::from_secs(15);
/// So long after an overload more is tried than has passed then, where a receiver without transport-wide feedback says that all is well;
pub const TRY_AFTER: Duration = Duration::from_secs(5);
/// where it sends REMB, which soon says that a try fails, so many failures change nothing: a network that is free again after some seconds is
/// used again within ten.
pub const TRIES_SOON: u32 = 2;
/// After each further failure (with reports alone, from the second on) it takes twice as long, up to this.
pub const TRY_AFTER_MAX: Duration = Duration::from_secs(120);
/// A try that lasts for this long has not failed.
pub const TRIAL_TIME: Duration = Duration::from_secs(10);

/// Lost packets that are remembered until the caller takes them; further ones are not told.
pub const LOST_MAX: usize = 64;

/// Packets that were sent within this time are one group. A train of a system call is one group, because its packets have one
/// time of sending.
pub const GROUP_TIME: Duration = Duration::from_millis(5);
/// Groups over which the slope of the delay is measured.
pub const SLOPE_SAMPLES: usize = 20;

/// The path counts as clear while the packets of a message that waited least have waited for no longer than this,
pub const CLEAR_QUEUE_MAX: Duration = Duration::from_millis(80);
/// and no more than this share of them was lost lately, in percent.
pub const CLEAR_LOSS_PERCENT_MAX: u64 = 3;

/// Time over which the received and the sent rate are averaged: a dozen pictures.
pub const RATE_WINDOW: Duration = Duration::from_millis(400);
/// Below this share of the estimate the sender counts as application-limited,
pub const LIMITED_BELOW_PERCENT: u64 = 65;
/// until it sends more than this share.
pub const LIMITED_UNTIL_PERCENT: u64 = 80;

/// Bytes of a packet of a probe.
pub const PROBE_PACKET_BYTES: usize = 1_200;
/// A climbing probe that begins while little is sent, as where a picture is paused, has small packets below this rate: a large one takes
/// longer on such a path than the queue that ends the probe.
pub const CLIMB_SMALL_BELOW: u64 = 600_000;
/// Bytes of such a packet: what the largest padding of an RTP packet makes (RFC 3550 §5.1).
pub const CLIMB_SMALL_BYTES: usize = 300;
/// A short probe takes at least this long,
pub const PROBE_TIME_MIN: Duration = Duration::from_millis(30);
/// and it has at least this many packets.
pub const PROBE_PACKETS_MIN: usize = 6;
/// A short probe sends at most this many bytes.
pub const PROBE_BYTES_MAX: usize = 150_000;
/// Time between two bursts of a probe, or of anything that is paced.
pub const SLOT: Duration = Duration::from_millis(5);
/// A probe without a result for this long has failed.
pub const PROBE_RESULT_MAX: Duration = Duration::from_secs(1);
/// A probe that did not raise the estimate is repeated after this long, each time twice as long,
pub const PROBE_RETRY: Duration = Duration::from_secs(1);
/// up to this. It is also the time from a probe that has met a queue to the next. Key frames often come every few whole seconds; probes should
/// not meet one of them each time.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(3_400);
/// No probe begins within this time after the estimate was lowered: the queue must drain first.
pub const PROBE_REST: Duration = Duration::from_secs(1);
/// Probes go up to this share of the desired rate, in percent, so that what is desired is shown to fit with room to spare.
pub const PROBE_DESIRED_PERCENT: u64 = 125;

/// On a path with a limit, a probe is not to blame for a queue longer than this.
pub const PROBE_QUEUE_MAX: Duration = Duration::from_millis(80);
/// A probe ends when nothing is heard for this long.
pub const PROBE_SILENCE_MAX: Duration = Duration::from_millis(600);
/// A climbing probe does not count this many bytes: as much as a token bucket may let pass at once. That of a link of 1 Mbit/s has 10 kB
/// if `tc tbf` is set up for short queues.
pub const PROBE_BUCKET_BYTES: usize = 16_000;
/// Growth of a climbing probe's rate in a second where feedback comes soon, as a logarithm: by a quarter in 250 ms,
pub const CLIMB_GROWTH: f64 = 0.9;
/// and on a path that has not shown a limit yet by three quarters.
pub const CLIMB_GROWTH_UNBOUNDED: f64 = 2.25;
/// A climbing probe stays at its highest rate until a token bucket would show, at least this long
pub const CLIMB_HOLD_MIN: Duration = Duration::from_millis(200);
/// and at most this long.
pub const CLIMB_HOLD_MAX: Duration = Duration::from_secs(2);
/// Longest climbing probe.
pub const CLIMB_TIME_MAX: Duration = Duration::from_secs(3);
/// A climbing probe ends when all that it has sent within this time
pub const CLIMB_WINDOW: Duration = Duration::from_millis(40);
/// has waited in a queue for longer than this.
pub const CLIMB_QUEUE: Duration = Duration::from_millis(12);
/// Times of arrival that are kept of a climbing probe: twice as many as its longest time has.
pub const CLIMB_ARRIVALS_MAX: usize = 300;

/// Connections that one [`Coupling`](crate::Coupling) couples. A further one is refused.
pub const FLOWS_MAX: usize = 64;
/// A connection that holds the token of probing for longer than this loses it.
pub const PROBE_TOKEN_MAX: Duration = Duration::from_secs(4);
/// What a connection says about its probe counts for this long.
pub const PROBE_SAID_MAX: Duration = Duration::from_millis(150);

/// A REMB counts for this long. Receivers repeat it at least once a second.
pub const REMB_AGE_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(RECORDS_MAX.is_power_of_two());
const _: () = assert!(CLIMB_TIME_MAX.as_millis() < PROBE_TOKEN_MAX.as_millis());
