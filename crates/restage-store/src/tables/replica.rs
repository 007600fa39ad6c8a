//! Replicas.

use restage_core::row::Replica;

use super::declare::table;

table! {
    Replica in "replicas" as "r", row "replica", since 1, newest [],
    key (source_session, participant, destination_session),
    fields (
        source_stage, destination_stage, active, attributes, reconnect_window_s, window_ends_at, started_at
    )
}
