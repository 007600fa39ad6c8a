//! Tests that look below the public surface: rows as they are written, statements as they are planned,
//! and the whole against the rules' own reference. `plans`, `health` and `sqlite_faults` are about SQLite, the
//! others run on every engine.

mod clock;
#[path = "../../tests/store_support/database.rs"]
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

use restage_core::{Change, World};

use crate::engine::{Engine, Role};
use crate::error::StoreError;
use crate::sql::{self, query};
use crate::tables::decode::{self, columns};
use crate::tables::write;
use crate::{EffectSink, Store, StoreConfig};
use database::Database;
use gate::Gate;

/// A store of its own, and a second way to its rows.
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

    /// Deleted stages leave their rows until purged.
    async fn on(database: Database, sink: EffectSink) -> Self {
        let config = StoreConfig::from_address(database.address()).unwrap();
        let gate = Arc::new(Gate::default());
        let sink = Gate::around(&gate, sink);
        let config = config.purged_by_caller();
        let store = Store::open(&config, sink).await.unwrap();
        let visit = Engine::visit(&config, Role::Writer).await.unwrap();
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

    /// Every row there is.
    async fn dump(&mut self) -> World {
        let mut world = World::default();
        let sql = concat!("SELECT ", columns!(stage "s"), " FROM stages s");
        for row in self.all(sql, decode::stage).await {
            world.stages.insert(row.id.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(session "x"), " FROM stage_sessions x");
        for row in self.all(sql, decode::session).await {
            world.sessions.insert(row.id.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(token "t"), " FROM tokens t");
        for row in self.all(sql, decode::token).await {
            let key = (row.stage.clone(), row.participant.clone());
            world.tokens.insert(key, row);
        }
        let sql = concat!("SELECT ", columns!(public_key "k"), " FROM public_keys k");
        for row in self.all(sql, decode::public_key).await {
            world.public_keys.insert(row.id.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(participant "p"), " FROM participants p");
        for row in self.all(sql, decode::participant).await {
            let key = (row.session.clone(), row.id.clone());
            world.participants.insert(key, row);
        }
        let sql = concat!("SELECT ", columns!(replica "r"), " FROM replicas r");
        for row in self.all(sql, decode::replica).await {
            world.replicas.insert(row.key(), row);
        }
        let sql = concat!("SELECT ", columns!(connection "c"), " FROM connections c");
        for row in self.all(sql, decode::connection).await {
            world.connections.insert(row.id.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(job "j"), " FROM jobs j");
        for row in self.all(sql, decode::job).await {
            world.jobs.insert(row.id.clone(), row);
        }
        let sql = concat!(
            "SELECT ",
            columns!(event "e"),
            " FROM stage_events e ORDER BY e.session, e.participant, e.seq"
        );
        for (_, event) in self.all(sql, decode::event).await {
            world.events.push(event);
        }
        world
    }

    async fn all<T>(
        &mut self,
        sql: &'static str,
        decode: fn(&sql::Row<'_>) -> Result<T, StoreError>,
    ) -> Vec<T> {
        query(sql).rows(&mut self.rows, decode).await.unwrap()
    }

    async fn number(&mut self, sql: &'static str) -> i64 {
        query(sql).number(&mut self.rows).await.unwrap()
    }
}

/// History by whose it is; within one participant's the order it was written in stays.
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
