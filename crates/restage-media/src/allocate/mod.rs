//! Which layer of each publication a receiver is shown, from what its network carries, what it wishes and what there is.
//!
//! A receiver has one peer for each publication that it watches (a *flow*), on one worker or several. Its flows share one
//! [`Table`]. Each peer brings what it knows of itself there every [`ALLOT_INTERVAL`](crate::limits::ALLOT_INTERVAL), and takes
//! from there which of its layers it may send:
//!
//! | file | decides |
//! |---|---|
//! | `wish` | which layers a subscriber wants at most |
//! | `levels` | what a flow can be shown, and in which order that is given up |
//! | `rounds` | who gets how many layers of a given rate: sound first, then one step each by priority |
//! | `step` | when a flow goes to another layer: down at once, up after the rate has proven itself |
//! | `table` | the flows of a receiver; calls the two above |
//! | `download` | who reaches the table: the peers of a receiver, from several threads |
//! | `share`, `sum` | the hard limit on a receiver, which knows nothing of networks |
//! | `stream` | what a subscriber is told about what it is shown |

pub(crate) mod download;
mod levels;
mod rounds;
pub(crate) mod share;
pub(crate) mod shared;
mod step;
pub(crate) mod stream;
mod sum;
pub(crate) mod table;
pub(crate) mod wish;
