//! The models, by what they are about.

mod budget;
mod changes;
mod connections;
mod health;
mod routes;
mod spool;
mod sum;
mod tap;
mod turn;
mod woken;

/// Each model with its name, which says what it shows.
pub(crate) const ALL: &[(&str, fn())] = &[
    (
        "woken: no message is left in a worker's queue",
        woken::no_message_is_left,
    ),
    (
        "woken: many messages cost few wakes",
        woken::who_looks_is_woken_once,
    ),
    (
        "routes: a feeder learns of a subscriber elsewhere",
        routes::a_feeder_learns_of_a_subscriber,
    ),
    (
        "routes: who is replaced as the feeder learns of it",
        routes::who_is_replaced_learns_of_it,
    ),
    (
        "routes: a feeder learns that nobody receives any more",
        routes::a_feeder_learns_of_the_end,
    ),
    (
        "budget: the bound holds, and all is given back",
        budget::the_bound_holds,
    ),
    (
        "tap: what was passed arrives or counts as missed",
        tap::nothing_is_lost,
    ),
    (
        "tap: a reader that leaves gives all room back",
        tap::room_is_given_back,
    ),
    (
        "sum: parts add up, and no claim outlives its peer",
        sum::parts_add_up,
    ),
    (
        "sum: a claim of another peer is not withdrawn",
        sum::a_claim_stays,
    ),
    (
        "phase: a connection is not taken for an idle one",
        connections::an_answer_begins_the_pause,
    ),
    (
        "phase: a connection that stayed can be asked again",
        connections::who_stayed_can_be_asked,
    ),
    (
        "changes: an answer older than a commit is not given after it",
        changes::no_answer_is_stale,
    ),
    (
        "changes: the same when it is not known what has changed",
        changes::unknown_changes_count,
    ),
    (
        "turn: a command is begun or withdrawn, never both",
        turn::one_of_both,
    ),
    (
        "health: who asks gets a verdict",
        health::who_asks_gets_a_verdict,
    ),
    (
        "spool: room that was given back is not taken for full",
        spool::full_is_not_for_ever,
    ),
];
