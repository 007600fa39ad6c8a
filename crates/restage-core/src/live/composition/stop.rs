//! StopComposition: the composition ends as it should.

use crate::arn::CompositionArn;
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_composition;

pub(crate) fn needs(arn: &CompositionArn) -> Vec<Need> {
    vec![Need::Composition(arn.id.clone())]
}

/// Ends the caller's composition. One that is to end or has ended stays as it is.
pub(crate) fn decide(draft: &mut Draft<'_>, arn: &CompositionArn) -> Outcome {
    let row = own_composition(draft, "arn", arn)?.clone();
    if row.is_open() {
        super::end(draft, row, None);
    }
    Ok(Reply::Done)
}
