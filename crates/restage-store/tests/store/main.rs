//! The store as its users have it: one topic per file. All run on SQLite, and on PostgreSQL as well when
//! `RESTAGE_TEST_POSTGRES` names one.

mod check;
mod compositions;
mod durability;
mod outbox;
mod pages;
mod postgres;
mod readers;
mod recordings;
mod retention;
mod session_pages;
mod silence;
mod sqlite;
mod support;
