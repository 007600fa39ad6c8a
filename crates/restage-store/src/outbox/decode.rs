//! Rows of the outbox and of the dead letters, from their columns.

use super::{DeadLetter, Outgoing, Waiting};
use crate::error::StoreError;
use crate::sql::Row;
use crate::tables::cells::Cells;

/// An event to be sent to a sink.
pub(crate) fn outgoing(row: &Row<'_>) -> Result<Outgoing, StoreError> {
    outgoing_cells(&mut Cells::new(row, "outgoing event"))
}

/// The position and the stage of a waiting event.
pub(crate) fn waiting(row: &Row<'_>) -> Result<Waiting, StoreError> {
    let mut cells = Cells::new(row, "waiting event");
    Ok(Waiting {
        seq: cells.number()?,
        stage: cells.id()?,
        at: cells.time()?,
    })
}

pub(super) fn dead_letter(row: &Row<'_>) -> Result<DeadLetter, StoreError> {
    let mut cells = Cells::new(row, "dead letter");
    Ok(DeadLetter {
        sink: cells.text()?,
        event: outgoing_cells(&mut cells)?,
        failed_at: cells.time()?,
        reason: cells.text()?,
    })
}

fn outgoing_cells(cells: &mut Cells<'_>) -> Result<Outgoing, StoreError> {
    Ok(Outgoing {
        seq: cells.number()?,
        id: cells.text()?,
        stage: cells.id()?,
        at: cells.time()?,
        body: cells.text()?,
        attempts: u32::try_from(cells.count()?).unwrap_or(u32::MAX),
    })
}
