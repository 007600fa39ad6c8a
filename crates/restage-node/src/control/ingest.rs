//! Ingest: encoders that publish with a stream key. Their media does not come by a peer of the media plane, but by an inlet that the
//! caller feeds.

mod redundant;
mod switch;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use restage_core::command::Command;
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::{
    ConnectionKind, IngestConfigurationId, IngestProtocol, StageEventError, StreamKey,
};
use restage_core::{CloseReason, Reply};
use restage_media::{Format, GoneReason, InletId, InletPacket, MediaKind, Published};
use restage_store::system::{clock, ids};
use tokio::sync::{oneshot, watch};

use super::connections::{Live, Reach};
use super::join::JOINS;
use super::report::About;
use super::trouble::Trouble;
use super::{Control, Failure};
use crate::media::{InletCounts, InletWriter, push_all};
pub(super) use redundant::RedundantIngests;
use redundant::{Member, virtual_publication};

/// How long the rules have to decide whether an encoder may publish.
const START_MAX: Duration = Duration::from_secs(10);

/// Why an encoder may not publish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IngestError {
    /// The reason as the service names it (`EventErrorCode`). `None`: the server is stopping.
    pub code: Option<StageEventError>,
    /// The same for people, without the key.
    pub message: String,
}

impl IngestError {
    fn new(code: StageEventError, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            message: message.into(),
        }
    }
}

/// The media plane cannot take it.
fn internal(error: impl std::fmt::Display) -> IngestError {
    IngestError::new(StageEventError::InternalServerException, error.to_string())
}

impl From<Failure> for IngestError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => Self {
                code: error.code.or(Some(StageEventError::InvalidInput)),
                message: error.message,
            },
            Failure::Store(_) => Self::new(
                StageEventError::InternalServerException,
                "the server could not write the stream; try again",
            ),
        }
    }
}

/// Why the server ends an ingest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngestClose {
    /// The rules have closed it.
    Rules(CloseReason),
    /// The media plane has ended it, which has been reported.
    Media(GoneReason),
    /// The server is stopping.
    Restart,
}

/// The control plane's side of an ingest.
#[derive(Clone, Debug)]
pub(super) struct IngestEnd {
    pub(super) inlet: InletId,
    /// The ingest ends when a reason is set here.
    pub(super) close: watch::Sender<Option<IngestClose>>,
}

/// A picture of one layer, or sound: packets of one time, which belong together.
#[derive(Clone, Debug)]
pub struct IngestItem {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// A picture at which decoding can start.
    pub is_key: bool,
    /// Its packets, at least one.
    pub packets: Vec<InletPacket>,
}

/// An encoder that publishes. When this is dropped, its connection is closed.
pub struct Ingest {
    control: Control,
    connection: ConnectionId,
    configuration: IngestConfigurationId,
    stage: StageId,
    participant: ParticipantId,
    writer: InletWriter,
    /// Its part in a redundant ingest, if it is a stream of one.
    member: Option<Member>,
    closed: watch::Receiver<Option<IngestClose>>,
    is_over: bool,
}

impl Control {
    /// An encoder asks to publish. Runs to its end even if the caller stops waiting, so that nothing stays half open; in that case the
    /// connection is closed again.
    ///
    /// # Errors
    /// The rules refuse, or the server cannot serve it now.
    pub async fn start_ingest(
        &self,
        key: StreamKey,
        protocol: IngestProtocol,
    ) -> Result<Ingest, IngestError> {
        let control = self.clone();
        let (told, outcome) = oneshot::channel();
        tokio::spawn(async move {
            let started = control.start_ingest_to_the_end(key, protocol).await;
            // An ingest that nobody waits for is closed by being dropped.
            told.send(started).ok();
        });
        let late = || {
            let message = "the server took too long to decide; try again";
            IngestError::new(StageEventError::InternalServerException, message)
        };
        let outcome = tokio::time::timeout(START_MAX, outcome).await;
        outcome.map_err(|_| late())?.map_err(|_| late())?
    }

    async fn start_ingest_to_the_end(
        &self,
        key: StreamKey,
        protocol: IngestProtocol,
    ) -> Result<Ingest, IngestError> {
        if self.inner.is_stopping.load(Ordering::Acquire) {
            return Err(IngestError {
                code: None,
                message: super::ended::RESTARTING.to_owned(),
            });
        }
        let unknown = || {
            let message = "there is no such stream key";
            IngestError::new(StageEventError::InvalidStreamKey, message)
        };
        let configuration = key.configuration().ok_or_else(unknown)?;
        let found = self.inner.store.get_ingest_configuration(&configuration);
        let found = found.await.map_err(Failure::Store)?.ok_or_else(unknown)?;
        // The rules compare once more, with the row as it is then.
        let participant = found.row.participant_of(&key).ok_or_else(unknown)?;
        let stage = found.row.stage.clone().unwrap_or_else(|| StageId::new(""));
        self.count_ingest(&stage, &participant)?;
        if !self.inner.media.has_room() {
            let message =
                "the server has no processor time left for another stream; try again in a moment";
            return Err(IngestError::new(StageEventError::QuotaExceeded, message));
        }
        let writer = self.inner.media.open_inlet(false).await.map_err(internal)?;
        let connection = ids::connection();
        let (close, closed) = watch::channel(None);
        let inlet = writer.inlet();
        let reach = Reach::Inlet(IngestEnd { inlet, close });
        // No token opens or reaches it.
        let live = Live::new(
            stage.clone(),
            participant.clone(),
            ConnectionKind::Publish,
            reach,
            "",
        );
        self.connections().insert(connection.clone(), live);
        let mut ingest = Ingest {
            control: self.clone(),
            connection: connection.clone(),
            configuration: configuration.clone(),
            stage,
            participant,
            writer,
            member: None,
            closed,
            is_over: false,
        };
        let command = Command::StartIngest {
            connection: connection.clone(),
            configuration,
            key,
            protocol,
        };
        match self.execute("", command).await {
            Ok(Reply::Opened {
                session,
                participant: row,
            }) => {
                if let Some(live) = self.connections().get_mut(&connection) {
                    live.session = Some(session.clone());
                }
                // The key was given to another participant, or the configuration another stage, in between.
                if row.id != ingest.participant || row.stage != ingest.stage {
                    (ingest.stage, ingest.participant) = (row.stage, row.id);
                    let message = "the ingest configuration was changed meanwhile; try again";
                    return Err(internal(message));
                }
                let streams = row.ingest.and_then(|link| link.redundant);
                if let Some(streams) = streams {
                    let key = virtual_publication(&session, &streams);
                    let member = self.join_redundant((&ingest.stage, key), inlet).await?;
                    ingest.member = Some(member);
                }
                Ok(ingest)
            }
            outcome => {
                ingest.is_over = true;
                self.connections().remove(&connection);
                let error = match outcome {
                    Err(failure) => failure.into(),
                    Ok(_) => unknown(),
                };
                if let (Some(code), false) = (error.code, ingest.stage.as_str().is_empty()) {
                    let trouble = Trouble::of_ingest(code, error.message.clone());
                    let about = About {
                        connection: None,
                        ..ingest.about()
                    };
                    self.tell(&about, &trouble, true);
                }
                Err(error)
            }
        }
    }

    /// Counts a start, so that no key can make a history grow without end.
    fn count_ingest(
        &self,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> Result<(), IngestError> {
        let key = (stage.clone(), participant.clone());
        let joins = self.inner.joins.lock();
        let mut joins = joins.unwrap_or_else(PoisonError::into_inner);
        match joins.take(key, JOINS, clock::steady()) {
            true => Ok(()),
            false => Err(IngestError::new(
                StageEventError::QuotaExceeded,
                "the stream key is used too often; wait a while",
            )),
        }
    }
}

impl Ingest {
    /// The participant that publishes.
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// The ingest configuration whose key it has.
    pub fn configuration(&self) -> &IngestConfigurationId {
        &self.configuration
    }

    /// The stage that it publishes to.
    pub fn stage(&self) -> &StageId {
        &self.stage
    }

    /// Says in which formats it sends. [`InletPacket::format`] is an index into these. The first call counts.
    pub async fn begin(&self, formats: Vec<Format>) {
        let published = Published::of_inlet(&formats);
        self.control
            .connections()
            .sends(&self.connection, published);
        if let Some(member) = &self.member {
            member.begin(formats.clone()).await;
        }
        self.writer.begin(formats).await;
    }

    /// Its media has arrived: from now on it publishes.
    pub async fn establish(&self) {
        let connected = self.control.connections().connected(&self.connection);
        if let Some((stage, participant)) = connected {
            let command = Command::ConnectionEstablished {
                connection: self.connection.clone(),
                stage,
                participant,
            };
            self.control.report(command).await;
        }
    }

    /// Hands pictures and sound on, without waiting. What finds no room is dropped and counted.
    pub fn push(&self, items: Vec<IngestItem>) {
        if let Some(member) = &self.member {
            member.push(&items);
        }
        let packets = items.into_iter().flat_map(|item| item.packets);
        push_all(&self.writer, packets.collect());
    }

    /// What has become of its packets so far.
    pub fn counts(&self) -> InletCounts {
        self.writer.counts()
    }

    /// Waits until the server ends it, and says why. It can be cancelled without loss.
    pub async fn closed(&mut self) -> IngestClose {
        let own = reason_of(&mut self.closed);
        match &mut self.member {
            Some(member) => tokio::select! {
                biased;
                reason = own => reason,
                reason = member.closed() => reason,
            },
            None => own.await,
        }
    }

    /// Ends it because of what the encoder sends.
    pub async fn fail(mut self, error: StageEventError, message: &str) {
        self.is_over = true;
        // Subscribers go over to the other stream before the store is asked.
        self.member = None;
        let Some(live) = self.control.connections().remove(&self.connection) else {
            return;
        };
        let trouble = Trouble::of_ingest(error, message.to_owned());
        let about = About::live(&self.connection, &live);
        self.control.tell(&about, &trouble, true);
        let connection = self.connection.clone();
        let (stage, participant) = (live.stage.clone(), live.participant.clone());
        let is_excess = matches!(
            error,
            StageEventError::BitrateExceeded
                | StageEventError::ResolutionExceeded
                | StageEventError::StreamDurationExceeded
        );
        let command = match is_excess {
            true => Command::ConnectionExceeded {
                connection,
                stage,
                participant,
                error,
            },
            false => Command::ConnectionFailed {
                connection,
                stage,
                participant,
                error,
                is_over: true,
            },
        };
        self.control.report(command).await;
    }

    fn about(&self) -> About<'_> {
        About {
            stage: &self.stage,
            participant: &self.participant,
            kind: &ConnectionKind::Publish,
            connection: Some(&self.connection),
        }
    }
}

/// Waits until a reason is set.
async fn reason_of(closed: &mut watch::Receiver<Option<IngestClose>>) -> IngestClose {
    match closed.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or(IngestClose::Restart),
        // The table that has the other end says the reason before it drops it.
        Err(_) => IngestClose::Restart,
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (control, connection) = (self.control.clone(), self.connection.clone());
        let (stage, participant) = (self.stage.clone(), self.participant.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if control.connections().remove(&connection).is_some() {
                    control.closed(connection, stage, participant).await;
                }
            });
        }
    }
}
