//! Redundant ingest: two encoders publish, and the virtual participant, which subscribers see, has an inlet of its own that is fed from
//! one of the two streams at a time.
//!
//! The virtual participant has no connection in the rows. Here it has one like every publisher, so that its subscribers find it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use restage_core::PublicationKey;
use restage_core::id::{ConnectionId, StageId, StageSessionId};
use restage_core::row::{ConnectionKind, RedundantIngest};
use restage_media::{Format, InletId, InletPacket, Published};
use restage_store::system::ids;
use tokio::sync::watch;

use super::switch::Switch;
use super::{IngestClose, IngestEnd, IngestError, IngestItem, internal};
use crate::control::connections::{Live, Reach};
use crate::control::report::now;
use crate::control::{Attached, Control};
use crate::media::InletWriter;
use crate::media::push_all;

/// The redundant ingests of which a stream is connected, by the publication of their virtual participant.
#[derive(Default)]
pub(in crate::control) struct RedundantIngests {
    open: Mutex<HashMap<PublicationKey, Arc<Redundant>>>,
    /// Held while one is opened, so that two streams that come at the same time open one.
    opening: tokio::sync::Mutex<()>,
}

impl RedundantIngests {
    fn open(&self) -> MutexGuard<'_, HashMap<PublicationKey, Arc<Redundant>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the streams of a redundant ingest have in common.
struct Redundant {
    /// The connection of the virtual participant.
    connection: ConnectionId,
    writer: InletWriter,
    feed: Mutex<Feed>,
    /// Set when the inlet has ended.
    closed: watch::Receiver<Option<IngestClose>>,
}

#[derive(Default)]
struct Feed {
    switch: Switch,
    streams: usize,
}

impl Redundant {
    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, packets: Vec<InletPacket>) {
        push_all(&self.writer, packets);
    }
}

/// One stream's part in a redundant ingest. Subscribers go over to the other stream when this is dropped.
pub(super) struct Member {
    control: Control,
    key: PublicationKey,
    redundant: Arc<Redundant>,
    stream: InletId,
    closed: watch::Receiver<Option<IngestClose>>,
}

impl Control {
    /// A stream of a redundant ingest begins.
    ///
    /// # Errors
    /// The media plane has stopped.
    pub(super) async fn join_redundant(
        &self,
        (stage, key): (&StageId, PublicationKey),
        stream: InletId,
    ) -> Result<Member, IngestError> {
        let ingests = &self.inner.redundant;
        let _opening = ingests.opening.lock().await;
        let member = |redundant: &Arc<Redundant>| {
            let mut feed = redundant.feed();
            feed.streams += 1;
            feed.switch.join(stream);
            Member {
                control: self.clone(),
                key: key.clone(),
                redundant: Arc::clone(redundant),
                stream,
                closed: redundant.closed.clone(),
            }
        };
        {
            let open = ingests.open();
            let known = open.get(&key);
            // One whose inlet has ended is of no use: its streams are about to end, too.
            if let Some(known) = known.filter(|known| known.closed.borrow().is_none()) {
                return Ok(member(known));
            }
        }
        let redundant = Arc::new(self.open_redundant(stage, &key).await?);
        let joined = member(&redundant);
        ingests.open().insert(key, redundant);
        Ok(joined)
    }

    async fn open_redundant(
        &self,
        stage: &StageId,
        key: &PublicationKey,
    ) -> Result<Redundant, IngestError> {
        let media = &self.inner.media;
        let writer = media.open_inlet(false).await.map_err(internal)?;
        let connection = ids::connection();
        let (close, closed) = watch::channel(None);
        let inlet = writer.inlet();
        let reach = Reach::Inlet(IngestEnd { inlet, close });
        let (participant, kind) = (key.participant.clone(), ConnectionKind::Publish);
        let mut live = Live::new(stage.clone(), participant, kind, reach, "");
        live.session = Some(key.session.clone());
        let attached = {
            let mut connections = self.connections();
            connections.insert(connection.clone(), live);
            connections.attach(&connection, key, || media.fresh_publication())
        };
        if let Some((Attached::Inlet(inlet), publication)) = attached {
            media.publish_inlet(inlet, publication).await;
        }
        Ok(Redundant {
            connection,
            writer,
            feed: Mutex::default(),
            closed,
        })
    }

    /// How often subscribers of redundant ingests have gone over to the other stream.
    pub fn ingest_switches(&self) -> &Counter {
        &self.inner.switches
    }
}

impl Member {
    /// Says in which formats the stream sends. Those of the first stream count, because both are encoded alike.
    pub(super) async fn begin(&self, formats: Vec<Format>) {
        let published = Published::of_inlet(&formats);
        let connection = &self.redundant.connection;
        self.control.connections().sends(connection, published);
        self.redundant.writer.begin(formats).await;
    }

    pub(super) fn push(&self, items: &[IngestItem]) {
        let mut feed = self.redundant.feed();
        let before = feed.switch.switches();
        let mut packets = Vec::new();
        for item in items {
            packets.extend(feed.switch.push(now(), self.stream, item));
        }
        self.count(feed.switch.switches() - before);
        // Under the lock, so that the packets stay in order.
        self.redundant.push(packets);
    }

    /// Waits until the inlet of the virtual participant has ended. It can be cancelled without loss.
    pub(super) async fn closed(&mut self) -> IngestClose {
        super::reason_of(&mut self.closed).await
    }

    fn count(&self, switches: u64) {
        if switches > 0 {
            tracing::info!(
                participant = %self.key.participant,
                "a redundant ingest goes on with its other stream"
            );
            self.control.inner.switches.inc_by(switches);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.control.inner.redundant.open();
        let mut feed = self.redundant.feed();
        let before = feed.switch.switches();
        let packets = feed.switch.leave(now(), self.stream);
        self.count(feed.switch.switches() - before);
        self.redundant.push(packets);
        feed.streams -= 1;
        if feed.streams > 0 {
            return;
        }
        drop(feed);
        let is_this = |known: &Arc<Redundant>| Arc::ptr_eq(known, &self.redundant);
        if open.get(&self.key).is_some_and(is_this) {
            open.remove(&self.key);
        }
        drop(open);
        self.control
            .connections()
            .remove(&self.redundant.connection);
    }
}

/// The publication of the virtual participant of a stream in this session.
pub(super) fn virtual_publication(
    session: &StageSessionId,
    streams: &RedundantIngest,
) -> PublicationKey {
    PublicationKey {
        session: session.clone(),
        participant: streams.virtual_participant.clone(),
    }
}
