//! Runs the files of the server in which threads share state under loom, which tries every order in which the threads can take their steps and
//! every value that the memory model lets them read.
//!
//! The files are those of the crates, compiled a second time: there `crate::sync` has the types of `std`, here those of loom.
//! Each model is a few threads that use them as the server does, and what must hold at the end.

// What the models do not use of these files is not dead in the server.
#![allow(dead_code)]

// Names of other crates in the files lead to `stand_ins`.
extern crate self as restage_media;
extern crate self as tokio;

mod error;
mod folder;
mod models;
mod queue;
mod stand_ins;
mod sync;
mod time;

// The files of the crates, as they are.
#[path = "../../../crates/restage-node/src/budget.rs"]
mod budget;
#[path = "../../../crates/restage-store/src/writer/counts.rs"]
mod counts;
#[path = "../../../crates/restage-store/src/writer/health.rs"]
mod health;
#[path = "../../../crates/restage-server/src/http/door/phase.rs"]
mod phase;
#[path = "../../../crates/restage-node/src/media/routes.rs"]
mod routes;
#[path = "../../../crates/restage-media/src/allocate/sum.rs"]
mod sum;
#[path = "../../../crates/restage-node/src/media/tap/queue.rs"]
mod tap;
#[path = "../../../crates/restage-store/src/writer/turn.rs"]
mod turn;
#[path = "../../../crates/restage-storage/src/spool/usage.rs"]
mod usage;
#[path = "../../../crates/restage-node/src/media/woken.rs"]
mod woken;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub(crate) use stand_ins::{
    Format, MediaPacket, PeerId, PublicationId, SpoolError, TapEnded, WorkerId,
};

const HELP: &str = "\
Usage: restage-models [--list] [NAME]...

Checks every model, or those whose names contain one of the given texts.
  --list  Print the names
  --help  Print this";

/// Executions of the model that runs.
static EXECUTIONS: AtomicU64 = AtomicU64::new(0);

/// Checks what must hold in every execution of `threads`.
fn check(threads: impl Fn() + Sync + Send + 'static) {
    loom::model(move || {
        EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        threads();
    });
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word == "--help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if wanted.iter().any(|word| word == "--list") {
        models::ALL.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, model) in models::ALL.iter().filter(|(name, _)| is_wanted(name)) {
        count += 1;
        EXECUTIONS.store(0, Ordering::Relaxed);
        let began = Instant::now();
        let holds = std::panic::catch_unwind(model).is_ok();
        let executions = EXECUTIONS.load(Ordering::Relaxed);
        let verdict = if holds { "holds" } else { "FAILS" };
        println!(
            "{verdict}  {name}: {executions} executions, {:.2} s",
            began.elapsed().as_secs_f64()
        );
        if !holds {
            failed.push(*name);
        }
    }
    if count == 0 {
        eprintln!("no model has such a name; --list prints them");
        return ExitCode::FAILURE;
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "{} of {count} models fail: {}",
        failed.len(),
        failed.join(", ")
    );
    ExitCode::FAILURE
}
