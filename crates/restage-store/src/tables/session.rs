//! Stage sessions.

use restage_core::row::StageSession;

use super::declare::table;

table! {
    StageSession in "stage_sessions" as "x", row "stage session", since 1,
    // As far as an index has it, and what a session in progress has: everything in a session that has ended is not after
    // its end.
    newest [
        "SELECT COALESCE(MAX(ended_at), 0) FROM stage_sessions WHERE ended_at IS NOT NULL",
        "SELECT COALESCE(MAX(started_at), 0) FROM stage_sessions WHERE ended_at IS NULL",
        "SELECT COALESCE(MAX((SELECT MAX(p.first_joined_at) FROM participants p WHERE p.session = x.id)), 0) \
         FROM stage_sessions x WHERE x.ended_at IS NULL"
    ],
    key (id), fields (stage, started_at, ended_at, idle_since)
}
