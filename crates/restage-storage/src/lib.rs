//! Where recordings are kept: buckets, and the spool before them.
