//! Many seeds at once, and the smallest plan that still fails.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::coverage::Coverage;
use crate::plan::Plan;
use crate::run;
use crate::world::Outcome;

/// Why a run failed: the message of its panic, and where.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The smallest plan that was found to fail.
    pub plan: Plan,
    /// Of that plan.
    pub reason: String,
}

/// The result of many runs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Sum of virtual time.
    pub time: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Commands that were decided.
    pub commands: u64,
    /// Datagrams of RTP that the server has sent.
    pub sent: u64,
    /// States that were reached.
    pub coverage: Coverage,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

/// Longest reason, in characters.
const REASON_MAX: usize = 1_500;

thread_local! {
    static ATTEMPTS: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics within [`attempt`] are kept for it, instead of being printed.
pub fn keep_panics() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !ATTEMPTS.get() {
            return others(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let what = info
            .payload()
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| {
                info.payload()
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
            });
        PANIC.with(|kept| {
            let mut kept = kept.borrow_mut();
            // The first one is the cause; a peer's own is caught by its worker, which says so.
            let text: String = format!("{place}: {}", what.unwrap_or_default());
            let text: String = text.chars().take(REASON_MAX).collect();
            match &mut *kept {
                Some(earlier) => {
                    earlier.push_str("\n  then ");
                    earlier.push_str(&text);
                }
                None => *kept = Some(text),
            }
        });
    }));
}

/// Runs a plan. Needs [`keep_panics`] for the reason to be known.
///
/// # Errors
/// It has failed, and why.
pub fn attempt(plan: &Plan) -> Result<Outcome, String> {
    PANIC.with(|kept| kept.borrow_mut().take());
    ATTEMPTS.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(plan)));
    ATTEMPTS.set(false);
    outcome.map_err(|_| {
        let reason = PANIC.with(|kept| kept.borrow_mut().take());
        reason.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

/// Leaves faults out, and shortens the busy phase, as long as the plan still fails.
pub fn shrink(plan: &Plan, reason: &str) -> Failure {
    let mut smallest = Failure {
        plan: plan.clone(),
        reason: reason.to_owned(),
    };
    loop {
        let faults = smallest.plan.faults.iter();
        let fewer = faults.map(|fault| smallest.plan.without(*fault));
        let shorter = [2, 4].into_iter().filter_map(|parts| {
            let mut plan = smallest.plan.clone();
            plan.busy = plan.busy * (parts - 1) / parts;
            (plan.busy > Duration::from_millis(200)).then_some(plan)
        });
        let next = fewer
            .chain(shorter)
            .find_map(|plan| attempt(&plan).err().map(|reason| Failure { plan, reason }));
        match next {
            Some(failure) => smallest = failure,
            None => return smallest,
        }
    }
}

/// Runs seeds on several threads. `progress` is told of each run as it ends; the hunt stops after so many failures.
pub fn hunt(
    seeds: Range<u64>,
    threads: usize,
    failures_max: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let began = cpu();
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let plan = Plan::of(seed);
                    let outcome = attempt(&plan);
                    let failure = outcome.as_ref().err().map(|reason| shrink(&plan, reason));
                    let mut report = report.lock().expect("no panic leaves this thread");
                    report.seeds += 1;
                    if let Ok(outcome) = outcome {
                        report.time += outcome.time;
                        report.commands += outcome.commands;
                        report.sent += outcome.counts.sent;
                        report.coverage.add(&outcome.coverage);
                    }
                    report.failures.extend(failure);
                    if report.failures.len() >= failures_max {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    drop(report);
                    progress(seed);
                }
                let mut report = report.lock().expect("no panic leaves this thread");
                report.cpu += cpu() - began;
            });
        }
    });
    let mut report = report.into_inner().expect("no panic leaves a thread");
    report.failures.sort_by_key(|failure| failure.plan.seed);
    report
}

/// Processor time of this thread.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}
