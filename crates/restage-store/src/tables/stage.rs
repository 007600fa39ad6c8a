//! Stages.

use restage_core::row::Stage;

use super::declare::table;

table! {
    Stage in "stages" as "s", row "stage", since 1,
    newest ["SELECT COALESCE(MAX(created_at), 0) FROM stages"],
    key (id),
    fields (account, region, name, tags, recording ("recording", "storage", "bucket"), created_at, active_session)
}
