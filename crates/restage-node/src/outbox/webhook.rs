//! Sends events to a URL. `lanes` decides which event is sent next, `post` sends one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use restage_core::id::StageId;
use restage_store::{Settlement, Store, StoreError};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::lanes::{Lanes, Turn, TurnEnd};
use super::post::{Post, WebhookError};
use super::{LOOK_AGAIN, WEBHOOK, Webhook, backoff, carries_on};

/// Events read from the store at once.
const PAGE_KEYS: u32 = 1_000;
/// After this long a turn begins no further event, so that results are recorded soon.
const TURN_MAX: Duration = Duration::from_secs(1);
/// A receiver that needs this long for one event is slow for its stage.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Sends events to a URL.
pub(super) struct Sender {
    post: Arc<Post>,
    attempts: u32,
    lanes: usize,
}

/// The result of a turn, for the lanes and for the store.
struct Sent {
    end: TurnEnd,
    settlement: Settlement,
}

/// A running sender.
struct Sending {
    sender: Arc<Sender>,
    store: Store,
    lanes: Lanes,
    /// The sequence number up to which waiting events were read.
    known_up_to: i64,
    /// When they are read from the start again.
    look_again_at: Instant,
    turns: JoinSet<Result<Sent, StoreError>>,
    /// The stage of each task.
    stages: HashMap<Id, StageId>,
}

impl Sender {
    pub(super) fn new(webhook: &Webhook) -> Result<Self, WebhookError> {
        Ok(Self {
            post: Arc::new(Post::new(webhook)?),
            attempts: webhook.attempts,
            lanes: usize::from(webhook.lanes),
        })
    }

    /// Sends until the store is closed.
    pub(super) async fn run(self: Arc<Self>, store: Store) {
        let mut sending = Sending {
            lanes: Lanes::new(self.lanes),
            sender: self,
            store,
            known_up_to: 0,
            look_again_at: Instant::now(),
            turns: JoinSet::new(),
            stages: HashMap::new(),
        };
        loop {
            match sending.step().await {
                Ok(()) => {}
                Err(error) if carries_on(&error, WEBHOOK) => {
                    tokio::time::sleep(backoff(1)).await;
                }
                Err(_) => return,
            }
        }
    }
}

impl Sending {
    /// Reads new events, begins the turns that may begin, and waits for the next change.
    async fn step(&mut self) -> Result<(), StoreError> {
        let store = self.store.clone();
        // Before the store is read, so that commits meanwhile notify it too.
        let changed = store.outbox_changed();
        self.learn().await?;
        while let Some(turn) = self.lanes.next(Instant::now()) {
            let (post, store, attempts) = (
                Arc::clone(&self.sender.post),
                self.store.clone(),
                self.sender.attempts,
            );
            let stage = turn.stage.clone();
            let task = self.turns.spawn(send(post, store, attempts, turn));
            self.stages.insert(task.id(), stage);
        }
        let due = self.lanes.due().unwrap_or(self.look_again_at);
        tokio::select! {
            Some(ended) = self.turns.join_next_with_id(), if !self.turns.is_empty() => {
                self.settle(ended).await?;
            }
            () = changed => {}
            () = tokio::time::sleep_until(due.min(self.look_again_at)) => {}
        }
        Ok(())
    }

    /// Reads which events wait. An operator may replay older ones, so all are read again at intervals.
    async fn learn(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if now >= self.look_again_at {
            self.look_again_at = now + LOOK_AGAIN;
            let stored = self.store.outbox_count(WEBHOOK, self.known_up_to).await?;
            if stored != self.lanes.waiting() {
                self.lanes.forget_waiting();
                self.known_up_to = 0;
            }
        }
        loop {
            let after = self.known_up_to;
            let page = self.store.outbox_waiting(WEBHOOK, after, PAGE_KEYS).await?;
            let count = page.len();
            for event in page {
                self.known_up_to = self.known_up_to.max(event.seq);
                self.lanes.add(event);
            }
            if count < PAGE_KEYS as usize {
                break;
            }
        }
        self.store.outbox_oldest(WEBHOOK, self.lanes.oldest_at());
        Ok(())
    }

    /// Records the results of the turns that have ended. Their stages get no other turn before that.
    async fn settle(
        &mut self,
        ended: Result<(Id, Result<Sent, StoreError>), tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        let mut ends = Vec::new();
        let mut settlement = Settlement::default();
        let mut next = Some(ended);
        while let Some(ended) = next {
            let (id, sent) = match ended {
                Ok((id, sent)) => (id, sent.unwrap_or_else(|error| Sent::failed(&error))),
                Err(error) => (error.id(), Sent::failed(&error)),
            };
            if let Some(stage) = self.stages.remove(&id) {
                let Settlement {
                    delivered,
                    refused,
                    dead,
                } = sent.settlement;
                settlement.delivered.extend(delivered);
                settlement.refused.extend(refused);
                settlement.dead.extend(dead);
                ends.push((stage, sent.end));
            }
            next = self.turns.try_join_next_with_id();
        }
        self.write_down(settlement).await?;
        let now = Instant::now();
        for (stage, end) in ends {
            self.lanes.ended(&stage, &end, now);
        }
        Ok(())
    }

    // Repeated until it succeeds, because an accepted event must not be sent again after a failure of the store.
    async fn write_down(&self, settlement: Settlement) -> Result<(), StoreError> {
        let mut failures = 0;
        loop {
            match self.store.settle(WEBHOOK, settlement.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if carries_on(&error, WEBHOOK) => {
                    failures += 1;
                    tokio::time::sleep(backoff(failures)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Sent {
    /// The turn itself failed: its events continue to wait.
    fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "events of a stage were not sent; they are tried again");
        let end = TurnEnd {
            rest: Some(backoff(1)),
            ..TurnEnd::default()
        };
        Self {
            end,
            settlement: Settlement::default(),
        }
    }
}

/// Sends a stage's events one after the other, up to the first refusal.
async fn send(
    post: Arc<Post>,
    store: Store,
    attempts_max: u32,
    turn: Turn,
) -> Result<Sent, StoreError> {
    let began = Instant::now();
    let mut end = TurnEnd::default();
    let mut settlement = Settlement::default();
    for seq in turn.events {
        if began.elapsed() >= TURN_MAX {
            break;
        }
        let Some(event) = store.outbox_event(WEBHOOK, seq).await? else {
            end.done.push(seq);
            continue;
        };
        let asked = Instant::now();
        let refusal = post.send(&event).await.err();
        end.is_slow |= asked.elapsed() >= SLOW_AFTER;
        let Some(refusal) = refusal else {
            end.took_any = true;
            end.done.push(seq);
            settlement.delivered.push(seq);
            continue;
        };
        let attempts = event.attempts.saturating_add(1);
        tracing::warn!(
            event = event.id,
            attempts,
            reason = refusal.reason,
            "an event was not taken"
        );
        if attempts >= attempts_max {
            end.done.push(seq);
            settlement.dead.push((seq, refusal.reason));
            end.rest = Some(refusal.retry_after.unwrap_or_default());
        } else {
            settlement.refused.push(seq);
            end.rest = Some(backoff(attempts).max(refusal.retry_after.unwrap_or_default()));
        }
        end.retry_after = refusal.retry_after;
        break;
    }
    Ok(Sent { end, settlement })
}
