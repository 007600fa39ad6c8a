//! The media of connections over time: sound never starves, and no more is allotted than the network is estimated to carry.

use std::collections::BTreeMap;
use std::time::Duration;

use restage_core::id::ConnectionId;
use restage_media::{MediaKind, PauseReason, PeerStats, PublicationId};

use crate::coverage::Coverage;

/// Time between two looks.
pub(crate) const EVERY: Duration = Duration::from_millis(500);
/// Packets of sound that may be under way from one worker to another, or come before a viewer is attached.
const UNDER_WAY: u64 = 6;
/// Longest time in which more may be allotted than the estimate: until an estimate is proven wrong or right, a layer is kept for 5 s after the
/// beginning, 3 s on a clear path, and pictures pause after 2 s.
const OVER_MAX: Duration = Duration::from_secs(12);

/// One look at a connection.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) connection: ConnectionId,
    pub(crate) publication: PublicationId,
    pub(crate) is_feeder: bool,
    pub(crate) stats: PeerStats,
}

#[derive(Debug, Default)]
struct Viewer {
    /// Packets of sound sent to it, of its publication until then, and who fed it.
    sound: Option<(u64, u64, ConnectionId)>,
    over_since: Option<Duration>,
}

/// The looks before.
#[derive(Debug, Default)]
pub(crate) struct Quality {
    viewers: BTreeMap<ConnectionId, Viewer>,
}

impl Quality {
    /// Looks at all connected connections.
    pub(crate) fn look(&mut self, now: Duration, looks: &[Look], coverage: &mut Coverage) {
        let is_viewer = |id: &ConnectionId| looks.iter().any(|look| look.connection == *id);
        self.viewers.retain(|id, _| is_viewer(id));
        for look in looks.iter().filter(|look| !look.is_feeder) {
            let feeder = looks
                .iter()
                .find(|other| other.is_feeder && other.publication == look.publication);
            let viewer = self.viewers.entry(look.connection.clone()).or_default();
            viewer.hear(look, feeder);
            viewer.weigh(now, look, coverage);
        }
    }
}

impl Viewer {
    /// Everything that comes of sound goes out, whatever the network carries and however busy the worker is.
    fn hear(&mut self, look: &Look, feeder: Option<&Look>) {
        let Some(feeder) = feeder else {
            self.sound = None;
            return;
        };
        let (Some(sent), Some(came)) = (sound(&look.stats), sound(&feeder.stats)) else {
            self.sound = None;
            return;
        };
        let present = (sent, came, feeder.connection.clone());
        if let Some((sent_before, came_before, former)) = self.sound.replace(present)
            && former == feeder.connection
        {
            let (sent, came) = (sent - sent_before, came - came_before);
            assert!(
                sent + UNDER_WAY >= came,
                "{:?} is sent {sent} packets of sound in a time in which {came} come",
                look.connection
            );
        }
    }

    /// The reserved rate fits the network after a while.
    fn weigh(&mut self, now: Duration, look: &Look, coverage: &mut Coverage) {
        let stats = &look.stats;
        if stats.pause == Some(PauseReason::Network) {
            coverage.reach("pictures paused for the network");
        }
        if stats.estimate.is_some() {
            coverage.reach("estimate known");
        }
        let is_over = stats
            .estimate
            .is_some_and(|estimate| has_pictures(stats) && stats.reserved > estimate);
        if !is_over {
            self.over_since = None;
            return;
        }
        let since = *self.over_since.get_or_insert(now);
        assert!(
            now - since < OVER_MAX,
            "{:?} is allotted {} bit/s where {:?} fit, for {OVER_MAX:?}: {stats:?}",
            look.connection,
            stats.reserved,
            stats.estimate
        );
    }
}

/// True if pictures are sent to it. Sound is sent in any case, also where it does not fit.
fn has_pictures(stats: &PeerStats) -> bool {
    let mut tracks = stats.tracks.iter();
    let has = tracks.any(|track| track.kind == MediaKind::Video && track.bits_per_s > 0);
    has && stats.pause.is_none()
}

/// Packets of sound of a connection, if it has sound.
fn sound(stats: &PeerStats) -> Option<u64> {
    let mut tracks = stats.tracks.iter();
    let track = tracks.find(|track| track.kind == MediaKind::Audio)?;
    Some(track.packets)
}
