//! Tests that look below the public surface: rows as they are written, statements as they are planned,
//! and the whole against the rules' own reference. `plans` and `sqlite_faults` are about SQLite, the
//! others run on every engine.

#[path = "../../../tests/store_support/database.rs"]
mod database;
mod needs;
mod plans;
mod round_trip;
mod sqlite_faults;
mod walk;
mod world;
mod writer;

use restage_core::{Change, World};
use sqlx::AnyConnection;

use super::codec::{self, columns};
use super::{EffectSink, Store, StoreConfig, write};
use database::Database;

/// A store of its own, and a second way to its rows.
struct Bench {
    store: Store,
    rows: AnyConnection,
    _database: Database,
}

impl Bench {
    async fn open() -> Self {
        Self::with_sink(Box::new(|_, _| ())).await
    }

    async fn with_sink(sink: EffectSink) -> Self {
        Self::on(Database::fresh().await, sink).await
    }

    /// Deleted stages leave their rows until purged.
    async fn on(database: Database, sink: EffectSink) -> Self {
        let config = StoreConfig::from_address(database.address()).unwrap();
        let store = Store::open(&config.purged_by_caller(), sink).await.unwrap();
        Self {
            store,
            rows: database.rows().await,
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
        let stages = self
            .all(concat!("SELECT ", columns!(stage "s"), " FROM stages s"))
            .await;
        for row in stages {
            let row = codec::stage(&row).unwrap();
            world.stages.insert(row.id.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(session "x"), " FROM stage_sessions x");
        for row in self.all(sql).await {
            let row = codec::session(&row).unwrap();
            world.sessions.insert(row.id.clone(), row);
        }
        for row in self
            .all(concat!("SELECT ", columns!(token "t"), " FROM tokens t"))
            .await
        {
            let row = codec::token(&row).unwrap();
            world.tokens.insert(row.participant.clone(), row);
        }
        let sql = concat!("SELECT ", columns!(participant "p"), " FROM participants p");
        for row in self.all(sql).await {
            let row = codec::participant(&row).unwrap();
            world
                .participants
                .insert((row.session.clone(), row.id.clone()), row);
        }
        for row in self
            .all(concat!(
                "SELECT ",
                columns!(replica "r"),
                " FROM replicas r"
            ))
            .await
        {
            let row = codec::replica(&row).unwrap();
            world.replicas.insert(row.key(), row);
        }
        let sql = concat!("SELECT ", columns!(connection "c"), " FROM connections c");
        for row in self.all(sql).await {
            let row = codec::connection(&row).unwrap();
            world.connections.insert(row.id.clone(), row);
        }
        let sql = concat!(
            "SELECT ",
            columns!(event "e"),
            " FROM stage_events e ORDER BY e.session, e.participant, e.seq"
        );
        for row in self.all(sql).await {
            world.events.push(codec::event(&row).unwrap().1);
        }
        world
    }

    async fn all(&mut self, sql: &'static str) -> Vec<sqlx::any::AnyRow> {
        sqlx::query(sql).fetch_all(&mut self.rows).await.unwrap()
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
