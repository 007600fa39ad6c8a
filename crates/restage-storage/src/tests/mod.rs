//! Tests of the whole: a spool, an uploader, and buckets that fail in every way.

pub(crate) mod crash;
mod crashes;
mod damage;
mod faulty_s3;
pub(crate) mod fixture;
mod folders;
mod foreign_s3;
mod outages;
mod places;
mod reading;
mod remains;
mod s3;
mod spools;
