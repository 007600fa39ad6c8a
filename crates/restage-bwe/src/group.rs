//! Packets that were sent together are one sample of the path's delay.

use crate::limits::GROUP_TIME;
use crate::records::Micros;

const GROUP_US: Micros = GROUP_TIME.as_micros() as Micros;
/// Packets that arrive within this time, although they were sent further apart, were held up together on their way (Wi-Fi, the
/// scheduler of a base station) and are one group,
const LUMP_US: Micros = 5_000;
/// which lasts at most this long.
const LUMP_MAX_US: Micros = 100_000;

/// The delay of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// By the receiver's clock.
    pub(crate) arrived: Micros,
    /// The least difference between arrival and sending in the group, by two different clocks.
    pub(crate) delay: Micros,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Micros,
    first_arrived: Micros,
    last_arrived: Micros,
    sample: Sample,
}

/// Collects packets into groups.
///
/// A group's delay is that of its fastest packet, not of its last: pictures leave as one train whatever their size, and the time
/// that a large one takes to pass the bottleneck is no sign of a queue that was there before.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    present: Option<Group>,
}

impl Groups {
    /// Takes the next packet, in the order of sending. Returns the group before it if that is complete.
    pub(crate) fn push(&mut self, sent: Micros, arrived: Micros) -> Option<Sample> {
        let sample = Sample {
            arrived,
            delay: arrived - sent,
        };
        let Some(group) = &mut self.present else {
            self.begin(sent, sample);
            return None;
        };
        if sent < group.first_sent {
            return None;
        }
        let is_together = sent - group.first_sent <= GROUP_US;
        let is_lump = (0..=LUMP_US).contains(&(arrived - group.last_arrived))
            && sample.delay < group.sample.delay
            && arrived - group.first_arrived < LUMP_MAX_US;
        if is_together || is_lump {
            group.last_arrived = group.last_arrived.max(arrived);
            if sample.delay < group.sample.delay {
                group.sample = sample;
            }
            return None;
        }
        let complete = group.sample;
        self.begin(sent, sample);
        Some(complete)
    }

    fn begin(&mut self, sent: Micros, sample: Sample) {
        self.present = Some(Group {
            first_sent: sent,
            first_arrived: sample.arrived,
            last_arrived: sample.arrived,
            sample,
        });
    }
}
