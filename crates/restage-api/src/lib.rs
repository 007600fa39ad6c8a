//! restage
