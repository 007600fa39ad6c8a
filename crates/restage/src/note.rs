//! Words for a person, on standard error.

use std::io::Write as _;

/// Tells a person something. If nobody can be told, the work goes on.
pub(crate) fn note(text: &str) {
    writeln!(anstream::stderr(), "{text}").ok();
}
