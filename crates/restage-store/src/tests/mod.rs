//! Tests of what is not public: rows as they are written, plans of statements, and the whole store compared with the
//! rules' own reference. `plans`, `health` and `sqlite_faults` are about SQLite; the others run on every engine.

mod clock;
mod compositions;
#[path = "../../tests/store/support/database.rs"]
mod database;
mod gate;
mod health;
mod migrations;
mod needs;
mod plans;
mod round_trip;
mod schemas;
mod sqlite_faults;
mod walk;
mod world;
mod writer;

use std::sync::Arc;

use restage_core::row::{
    Composition, Connection, EncoderConfiguration, IngestConfiguration, Job, Participant,
    PublicKey, Recording, Replica, RevokedConnectionToken, Stage, StageEvent, StageSession,
    StorageConfiguration, Token,
};
use restage_core::{Change, World};

use crate::engine::{Access, Engine};
use crate::sql::{self, query};
use crate::tables::{Table, write};
use crate::{EffectSink, Store, StoreConfig};
use database::Database;
use gate::Gate;

/// A store, and a second connection to its rows.
struct Bench {
    store: Store,
    rows: sql::Connection,
    gate: Arc<Gate>,
    _database: Database,
}

impl Bench {
    async fn open() -> Self {
        Self::with_sink(Box::new(|_, _, _| ())).await
    }

    async fn with_sink(sink: EffectSink) -> Self {
        Self::on(Database::fresh().await, sink).await
    }

    /// Deleted stages keep their rows until purged.
    async fn on(database: Database, sink: EffectSink) -> Self {
        let config = StoreConfig::from_address(database.address()).unwrap();
        let gate = Arc::new(Gate::default());
        let sink = Gate::around(&gate, sink);
        let config = config.purged_by_caller();
        let store = Store::open(&config, sink).await.unwrap();
        let visit = Engine::visit(&config, Access::Writer).await.unwrap();
        Self {
            store,
            rows: visit.connection,
            gate,
            _database: database,
        }
    }

    /// Writes rows as a decision would.
    async fn write(&mut self, changes: &[Change]) {
        write::apply(&mut self.rows, changes, 0).await.unwrap();
    }

    /// All rows.
    async fn dump(&mut self) -> World {
        let mut world = World::default();
        for row in self.all::<Stage>().await {
            world.stages.insert(row.id.clone(), row);
        }
        for row in self.all::<StageSession>().await {
            world.sessions.insert(row.id.clone(), row);
        }
        for row in self.all::<Token>().await {
            let key = (row.stage.clone(), row.participant.clone());
            world.tokens.insert(key, row);
        }
        for row in self.all::<RevokedConnectionToken>().await {
            world.revocations.insert(row.key(), row);
        }
        for row in self.all::<PublicKey>().await {
            world.plain.insert(row.id.clone().into(), row.into());
        }
        for row in self.all::<EncoderConfiguration>().await {
            world.plain.insert(row.id.clone().into(), row.into());
        }
        for row in self.all::<StorageConfiguration>().await {
            world.plain.insert(row.id.clone().into(), row.into());
        }
        for row in self.all::<IngestConfiguration>().await {
            world.plain.insert(row.id.clone().into(), row.into());
        }
        for row in self.all::<Participant>().await {
            let key = (row.session.clone(), row.id.clone());
            world.participants.insert(key, row);
        }
        for row in self.all::<Replica>().await {
            world.replicas.insert(row.key(), row);
        }
        for row in self.all::<Connection>().await {
            world.connections.insert(row.id.clone(), row);
        }
        for row in self.all::<Job>().await {
            world.jobs.insert(row.id.clone(), row);
        }
        for row in self.all::<Recording>().await {
            world.recordings.insert(row.id.clone(), row);
        }
        for row in self.all::<Composition>().await {
            world.compositions.insert(row.id.clone(), row);
        }
        let events = format!(
            "{} ORDER BY e.session, e.participant, e.seq",
            StageEvent::SELECT
        );
        let events = query(events).rows(&mut self.rows, StageEvent::read).await;
        world.events = events.unwrap();
        world
    }

    async fn all<T: Table>(&mut self) -> Vec<T> {
        query(T::SELECT)
            .rows(&mut self.rows, T::read)
            .await
            .unwrap()
    }

    async fn number(&mut self, sql: &'static str) -> i64 {
        query(sql).number(&mut self.rows).await.unwrap()
    }
}

/// History by its owner. Within one participant, the order of writing is kept.
fn by_participant(mut world: World) -> World {
    world
        .events
        .sort_by(|a, b| (&a.session, &a.participant).cmp(&(&b.session, &b.participant)));
    world
}

/// Splitmix64: the same seed gives the same run everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 … n-1
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Once in n.
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}
