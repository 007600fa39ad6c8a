//! Carries effects from the store's writer to the media plane and the events sockets: in the order of commits, none
//! lost, and those of at most [`EFFECT_QUEUE_LEN`] decisions at a time.
//!
//! A caller reserves a place in the queue before its command goes to the writer. The place is released when the
//! effects of that command were performed, or when there are none. So a slow media plane delays callers, and the
//! writer, which hands effects over between two commits, never waits.

use std::sync::Arc;

use restage_core::{Command, Decision, Effect};
use restage_store::EffectSink;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most commands that are under way or whose effects wait to be performed.
pub const EFFECT_QUEUE_LEN: usize = 1024;

/// The places that callers reserve.
#[derive(Clone, Debug)]
pub struct EffectRoom(Arc<Semaphore>);

/// The effects of one decision.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) effects: Vec<Effect>,
    /// Released when the effects were performed. [`Command::Recover`], which runs only at the start and the end of a
    /// server, has none.
    _place: Option<OwnedSemaphorePermit>,
}

/// The receiving end of the queue.
#[derive(Debug)]
pub struct Effects(UnboundedReceiver<Batch>);

/// The two ends of the queue, and the sink through which the store's writer fills it.
pub fn effect_queue() -> (EffectRoom, EffectSink, Effects) {
    // Bounded by the places and not by the channel, because the writer must not wait for it.
    let (sender, receiver): (UnboundedSender<Batch>, _) = unbounded_channel();
    let sink = move |_: &Command, decision: &Decision, place: Option<OwnedSemaphorePermit>| {
        if decision.effects.is_empty() {
            return;
        }
        let batch = Batch {
            effects: decision.effects.clone(),
            _place: place,
        };
        // After the server has stopped, nobody performs effects.
        sender.send(batch).ok();
    };
    let room = EffectRoom(Arc::new(Semaphore::new(EFFECT_QUEUE_LEN)));
    (room, Box::new(sink), Effects(receiver))
}

impl EffectRoom {
    /// Waits for a free place and reserves it.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so this cannot fail.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

impl Effects {
    /// The effects of the next decision; `None` once the store is gone. They count as waiting until the batch is
    /// dropped.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use restage_core::command::{Claims, NewToken};
    use restage_core::id::{ConnectionId, ParticipantId, RunId, StageId, StageSessionId, Time};
    use restage_core::row::{Capabilities, Client, ConnectionKind, Protocol, RecordingId};
    use restage_core::{Context, Limits, Signer, StageArn};

    use super::*;
    use restage_store::{Execution, Store, StoreConfig};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn stage() -> StageArn {
        StageArn {
            region: "eu-west-1".to_owned(),
            account: "000000000000".to_owned(),
            id: StageId::new("a"),
        }
    }

    fn execution(command: Command) -> Execution {
        let context = Context {
            account: "000000000000".to_owned(),
            now: Time(1),
            wall: Time(1),
            steady: Time(1),
            limits: Limits::OPEN,
            session_idle_s: 60,
            run: RunId::new("run"),
            fresh_session: StageSessionId::new("st-1"),
            fresh_recording: RecordingId::new("recording"),
        };
        Execution { command, context }
    }

    fn create() -> Execution {
        execution(Command::CreateStage {
            stage: stage(),
            name: String::new(),
            tags: BTreeMap::new(),
            recording: Default::default(),
            tokens: vec![NewToken {
                participant: ParticipantId::new("p"),
                expires_at: Time(i64::MAX),
            }],
        })
    }

    /// Each connection replaces the one before, which causes an effect.
    fn connect(number: usize) -> Execution {
        execution(Command::OpenConnection {
            connection: ConnectionId::new(format!("c{number}")),
            kind: ConnectionKind::Publish,
            resumes: None,
            claims: Claims {
                participant: ParticipantId::new("p"),
                stage: stage(),
                user_id: String::new(),
                attributes: BTreeMap::new(),
                capabilities: Capabilities {
                    publish: true,
                    subscribe: true,
                },
                issued_at: Time(0),
                expires_at: Time(i64::MAX),
                signer: Signer::Service,
            },
            protocol: Protocol::Whip,
            client: Client::default(),
            connection_token: None,
        })
    }

    /// Nobody performs effects, as when media workers have no time.
    #[tokio::test]
    async fn effects_that_wait_hold_back_callers_and_not_the_writer() {
        const MORE: usize = 200;
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig::sqlite(dir.path().join("restage.db"));
        let (room, sink, mut effects) = effect_queue();
        let store = Store::open(&config, sink).await.unwrap();
        for first in [create(), connect(0)] {
            let place = room.place().await;
            let outcome = store
                .execute_holding(first, place, tokio::time::Instant::now() + PATIENCE)
                .await;
            outcome.unwrap().reply.unwrap();
        }
        assert_eq!(
            room.0.available_permits(),
            EFFECT_QUEUE_LEN - 1,
            "a stage has no effects"
        );
        drop(effects.next().await.unwrap());
        assert_eq!(room.0.available_permits(), EFFECT_QUEUE_LEN);
        let callers: Vec<_> = (1..=EFFECT_QUEUE_LEN + MORE)
            .map(|number| {
                let (store, room) = (store.clone(), room.clone());
                tokio::spawn(async move {
                    let place = room.place().await;
                    store
                        .execute_holding(
                            connect(number),
                            place,
                            tokio::time::Instant::now() + PATIENCE,
                        )
                        .await
                        .unwrap()
                        .reply
                        .unwrap();
                })
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while store.stats().commands < 2 + EFFECT_QUEUE_LEN as u64 {
            assert!(Instant::now() < deadline, "{:?}", store.stats());
            tokio::task::yield_now().await;
        }
        store.meta_put_if_absent("alive", b"yes").await.unwrap();
        let held = callers
            .iter()
            .filter(|caller| !caller.is_finished())
            .count();
        assert!(held >= MORE && store.stats().commands == 2 + EFFECT_QUEUE_LEN as u64);
        for number in 0..EFFECT_QUEUE_LEN + MORE {
            let batch = effects.next().await.unwrap();
            let closes = |effect: &Effect| matches!(effect, Effect::Close { .. });
            let found = batch.effects.iter().any(closes);
            assert!(found, "number {number}: {:?}", batch.effects);
        }
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(room.0.available_permits(), EFFECT_QUEUE_LEN);
    }
}
