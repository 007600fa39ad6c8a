//! The table of jobs.

use restage_core::row::{Job, JobState, Lease};

use super::cells::Cells;
use super::declare::table;
use super::field::Field;
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Job in "jobs" as "j", row "job", since 6, newest [],
    key (id),
    fields (
        kind, stage, session, participant, spec, state ("state", "owner", "started_at", "due_at", "result"),
        generation, attempts, stop_requested, created_at, ended_at
    )
}

/// The progress of a job: a word; the owner and the start of its lease; when it will be started, or when its lease
/// ends; and the result or reason. Columns that do not belong to the word are NULL.
impl Field for JobState {
    fn put(&self, cells: &mut Vec<Cell>) {
        let (word, owner, started_at, due_at, result) = match self {
            Self::Pending { due_at } => ("PENDING", None, None, Some(*due_at), None),
            Self::Running(Lease {
                owner,
                started_at,
                ends_at,
            }) => {
                let owner = Some(owner.as_str());
                ("RUNNING", owner, Some(*started_at), Some(*ends_at), None)
            }
            Self::Done { result } => ("DONE", None, None, None, Some(result.as_str())),
            Self::Failed { reason } => ("FAILED", None, None, None, Some(reason.as_str())),
        };
        cells.extend([
            Cell::text(word),
            Cell::opt_text(owner),
            Cell::opt_time(started_at),
            Cell::opt_time(due_at),
            Cell::opt_text(result),
        ]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let word = cells.text()?;
        let lease = (cells.opt_id()?, cells.opt_time()?, cells.opt_time()?);
        let result = cells.opt_str()?.map(str::to_owned);
        match (word.as_str(), lease, result) {
            ("PENDING", (None, None, Some(due_at)), None) => Ok(Self::Pending { due_at }),
            ("RUNNING", (Some(owner), Some(started_at), Some(ends_at)), None) => {
                Ok(Self::Running(Lease {
                    owner,
                    started_at,
                    ends_at,
                }))
            }
            ("DONE", (None, None, None), Some(result)) => Ok(Self::Done { result }),
            ("FAILED", (None, None, None), Some(reason)) => Ok(Self::Failed { reason }),
            _ => Err(cells.corrupt(format!("{word:?} does not go with its columns"))),
        }
    }
}
